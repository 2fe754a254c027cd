#include "ingest/table.h"

#include "base/assert.h"
#include "base/hash.h"

enum { SLOTS_MIN = 32 };

struct table_slot {
    uint64_t hash;
    struct row_key *row; /* NULL: free */
};

void table_init(struct table *t, struct arena *arena, size_t row_size, bool *failed)
{
    ASSERT(row_size >= sizeof(struct row_key));
    *t = (struct table){.arena = arena, .row_size = row_size, .failed = failed};
}

static uint64_t hash_of(const struct row_key *k)
{
    uint64_t h =
        ((uint64_t)(uint32_t)k->learner << 32 | (uint32_t)k->num) * UINT64_C(0x9e3779b97f4a7c15);

    h ^= h >> 29;
    if (k->a.n)
        h = (h ^ hash_str(k->a)) * UINT64_C(0xbf58476d1ce4e5b9);
    if (k->b.n)
        h = (h ^ hash_str(k->b)) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 32;
}

static bool same(const struct row_key *x, const struct row_key *y)
{
    return x->learner == y->learner && x->num == y->num && str_eq(x->a, y->a) && str_eq(x->b, y->b);
}

/* The key's slot, or the free one where it belongs. */
static struct table_slot *slot_of(struct table_slot *slots, uint32_t mask, uint64_t hash,
                                  const struct row_key *key)
{
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        struct table_slot *s = &slots[i];

        if (!s->row || (s->hash == hash && same(s->row, key)))
            return s;
    }
}

static bool grow(struct table *t)
{
    uint32_t n = t->slots ? (t->mask + 1) * 2 : SLOTS_MIN;
    if (n > UINT32_MAX / 4)
        return false;
    struct table_slot *slots = arena_new(t->arena, struct table_slot, n);
    struct row_key **rows = arena_new(t->arena, struct row_key *, n);

    if (!slots || !rows)
        return false;
    for (uint32_t i = 0; t->slots && i <= t->mask; i++) {
        const struct table_slot *s = &t->slots[i];
        if (s->row)
            *slot_of(slots, n - 1, s->hash, s->row) = *s;
    }
    if (t->count)
        memcpy(rows, t->rows, (size_t)t->count * sizeof(struct row_key *));
    t->slots = slots;
    t->mask = n - 1;
    t->rows = rows;
    t->room = (int32_t)(n - n / 4);
    return true;
}

/* The last resort: even this may fail, and then there is no memory to speak of. */
static void *spare(struct table *t)
{
    static _Thread_local _Alignas(16) unsigned char last_resort[1024];

    ASSERT(t->row_size <= sizeof last_resort);
    *t->failed = true;
    return memset(last_resort, 0, sizeof last_resort);
}

static struct row_key *row_of(struct table *t, const struct row_key *key, bool *ret_new)
{
    uint64_t hash = hash_of(key);
    struct table_slot *s = t->slots ? slot_of(t->slots, t->mask, hash, key) : NULL;

    if (s && s->row)
        return s->row;
    *ret_new = true;
    if (t->count >= t->room) {
        if (!grow(t))
            return spare(t);
        s = slot_of(t->slots, t->mask, hash, key);
    }
    struct row_key *row = arena_alloc(t->arena, t->row_size, _Alignof(max_align_t));
    if (!row)
        return spare(t);
    *row = *key;
    *s = (struct table_slot){.hash = hash, .row = row};
    t->rows[t->count++] = row;
    return row;
}

void *table_row(struct table *t, const struct row_key *key, bool *ret_new)
{
    struct row_key **recent = &t->recent[(uint32_t)key->num % TABLE_RECENT];
    bool made = false;

    if (!*recent || !same(*recent, key))
        *recent = row_of(t, key, &made);
    if (ret_new)
        *ret_new = made;
    return *recent;
}

void *table_find(const struct table *t, const struct row_key *key)
{
    return t->slots ? slot_of(t->slots, t->mask, hash_of(key), key)->row : NULL;
}
