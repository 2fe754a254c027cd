#include "base/hash.h"

#include "base/rng.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLOTS_MIN = 16 };

static uint64_t seed;

/* Before main, so that no lookup has to ask whether it is there. */
__attribute__((constructor)) static void seed_make(void)
{
    random_bytes(&seed, sizeof seed);
}

uint64_t hash_bytes(const void *p, size_t n)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

uint64_t hash_stable(const void *p, size_t n)
{
    return XXH3_64bits(p, n);
}

struct strmap_slot {
    uint64_t hash;
    struct str key; /* p == NULL: free */
    void *value;
};

void strmap_init(struct strmap *m, struct arena *arena)
{
    *m = (struct strmap){.arena = arena};
}

/* The key's slot, or the free one where it belongs. */
static struct strmap_slot *find(struct strmap_slot *slots, uint32_t mask, uint64_t hash,
                                struct str key)
{
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        struct strmap_slot *s = &slots[i];

        if (!s->key.p || (s->hash == hash && str_eq(s->key, key)))
            return s;
    }
}

void *strmap_get(const struct strmap *m, struct str key)
{
    if (!m->slots)
        return NULL;
    return find(m->slots, m->mask, hash_str(key), key)->value;
}

static bool grow(struct strmap *m)
{
    uint32_t n = m->slots ? (m->mask + 1) * 2 : SLOTS_MIN;
    struct strmap_slot *slots =
        n <= UINT32_MAX / 4 ? arena_new(m->arena, struct strmap_slot, n) : NULL;

    if (!slots)
        return false;
    for (uint32_t i = 0; m->slots && i <= m->mask; i++)
        if (m->slots[i].key.p)
            *find(slots, n - 1, m->slots[i].hash, m->slots[i].key) = m->slots[i];
    m->slots = slots;
    m->mask = n - 1;
    return true;
}

void **strmap_slot(struct strmap *m, struct str key)
{
    uint64_t hash = hash_str(key);
    struct strmap_slot *s = m->slots ? find(m->slots, m->mask, hash, key) : NULL;

    if (s && s->key.p)
        return &s->value;
    if (!s || m->count >= m->mask - m->mask / 4) {
        if (!grow(m))
            return NULL;
        s = find(m->slots, m->mask, hash, key);
    }
    *s = (struct strmap_slot){.hash = hash, .key = key.p ? key : STR("")};
    m->count++;
    return &s->value;
}
