#include "base/hash.h"

#include "base/assert.h"
#include "base/rng.h"

#include <pthread.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t process_key;

static void make_key(void)
{
    random_bytes(&process_key, sizeof process_key);
}

uint64_t hash_bytes(const void *p, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_key);
    return XXH3_64bits_withSeed(n ? p : "", n, process_key);
}

uint64_t hash_stable(const void *p, size_t n)
{
    return XXH3_64bits(n ? p : "", n);
}

struct strmap_slot {
    struct str key; /* p == NULL: free */
    uint64_t hash;
    void *value;
};

void strmap_init(struct strmap *m, struct arena *arena)
{
    *m = (struct strmap){.arena = arena};
}

static struct strmap_slot *find(const struct strmap *m, struct str key, uint64_t hash)
{
    for (uint32_t i = (uint32_t)hash & m->mask;; i = (i + 1) & m->mask) {
        struct strmap_slot *s = &m->slots[i];
        if (!s->key.p || (s->hash == hash && str_eq(s->key, key)))
            return s;
    }
}

void *strmap_get(const struct strmap *m, struct str key)
{
    return m->slots ? find(m, key, hash_str(key))->value : NULL;
}

static bool grow(struct strmap *m)
{
    uint32_t size = m->slots ? (m->mask + 1) * 2 : 16;
    struct strmap bigger = {m->arena, size ? arena_new(m->arena, struct strmap_slot, size) : NULL,
                            m->count, size - 1};

    if (!bigger.slots)
        return false;
    for (uint32_t i = 0; m->slots && i <= m->mask; i++)
        if (m->slots[i].key.p)
            *find(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    *m = bigger;
    return true;
}

void **strmap_slot(struct strmap *m, struct str key)
{
    ASSERT(key.p);
    uint64_t hash = hash_str(key);

    if ((!m->slots || m->count >= (m->mask + 1) / 4 * 3) && !grow(m))
        return NULL;
    struct strmap_slot *s = find(m, key, hash);
    if (!s->key.p) {
        *s = (struct strmap_slot){.key = key, .hash = hash};
        m->count++;
    }
    return &s->value;
}
