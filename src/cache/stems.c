#include "cache/stems.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { PROBES = 4, TIMES = 4 /* so often it must have come in a row */ };

static const struct str end_of_stem = {"|learner=", 9};

void stems_fini(struct stems *s)
{
    for (int i = 0; i < STEMS_MAX; i++)
        free(atomic_exchange(&s->places[i], NULL));
}

static bool has_come_often(struct stems *s, uint64_t hash)
{
    _Atomic uint32_t *place = &s->tries[hash % STEMS_MAX];
    uint32_t print = (uint32_t)(hash >> 32) & ~(uint32_t)(TIMES - 1);
    uint32_t was = atomic_load_explicit(place, memory_order_relaxed);
    uint32_t times = (was & ~(uint32_t)(TIMES - 1)) == print ? was % TIMES + 1 : 1;

    if (times >= TIMES)
        return true;
    atomic_store_explicit(place, print | times, memory_order_relaxed);
    return false;
}

static bool stem_add(_Atomic(struct stem *) *place, struct str text, uint64_t hash)
{
    struct stem *none = NULL, *stem = malloc(sizeof *stem + text.n);

    if (!stem)
        return false;
    *stem = (struct stem){.hash = hash, .n = (uint8_t)text.n};
    memcpy(stem->text, text.p, text.n);
    if (atomic_compare_exchange_strong(place, &none, stem))
        return true;
    free(stem);
    return false; /* another came first, perhaps with the same */
}

uint16_t stem_of(struct stems *s, struct str key)
{
    const char *end = memmem(key.p, key.n, end_of_stem.p, end_of_stem.n);

    if (!end || (size_t)(end - key.p) + end_of_stem.n > STEM_TEXT_MAX)
        return 0;
    struct str text = {key.p, (size_t)(end - key.p) + end_of_stem.n};
    uint64_t hash = XXH3_64bits(text.p, text.n);

    for (uint32_t i = 0; i < PROBES; i++) {
        uint32_t number = (uint32_t)(hash + i) % STEMS_MAX;
        const struct stem *stem = atomic_load_explicit(&s->places[number], memory_order_acquire);

        if (stem && stem->hash == hash && str_eq((struct str){stem->text, stem->n}, text))
            return (uint16_t)(number + 1);
        if (!stem)
            return has_come_often(s, hash) && stem_add(&s->places[number], text, hash)
                       ? (uint16_t)(number + 1)
                       : 0;
    }
    return 0;
}
