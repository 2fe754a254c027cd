#include "cache/filter.h"

#include "base/assert.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A blocked filter (Putze, Sanders, Singler 2007): all bits of an element lie in one cache line. It
 * takes 12 bits an element for what a plain one does with 10, and touches memory once. */
enum { BLOCK_WORDS = 8, BLOCK_BITS = 512, BITS_EACH = 12, PROBES = 6, EXPECTED_MIN = 1000 };

struct block {
    _Alignas(64) _Atomic uint64_t words[BLOCK_WORDS];
};

struct table {
    struct block *blocks;
    uint64_t count; /* of blocks */
    int64_t room;   /* elements */
    _Atomic int64_t added;
    _Atomic uint64_t covers; /* it is complete as long as this is filter.era */
};

/* Two tables, one in use and one that is being made or lies idle. Who touches a table pins its
 * place first, then looks again whether it is still in use: what is idle and not pinned is
 * nobody's. */
struct filter {
    struct table tables[2];
    _Atomic int64_t pins[2];
    _Atomic int32_t current;
    _Atomic int32_t next;  /* -1: none is being made */
    _Atomic uint64_t era;  /* starts at 1; a new one when others may have added unheard */
    uint64_t era_at_begin; /* the rebuilder's */
};

enum err filter_new(struct filter **ret)
{
    struct filter *f = calloc(1, sizeof *f);

    if (!f)
        return ERR_NOMEM;
    atomic_init(&f->next, -1);
    atomic_init(&f->era, 1);
    *ret = f;
    return ERR_OK;
}

void filter_free(struct filter *f)
{
    if (!f)
        return;
    free(f->tables[0].blocks);
    free(f->tables[1].blocks);
    free(f);
}

/* ---- pins ---- */

/* The place that `which` (current or next) names; -1: none. */
static int32_t pin(struct filter *f, const _Atomic int32_t *which)
{
    for (;;) {
        int32_t place = atomic_load(which);

        if (place < 0)
            return -1;
        atomic_fetch_add(&f->pins[place], 1);
        if (atomic_load(which) == place)
            return place;
        atomic_fetch_sub(&f->pins[place], 1);
    }
}

static void unpin(struct filter *f, int32_t place)
{
    atomic_fetch_sub_explicit(&f->pins[place], 1, memory_order_release);
}

/* ---- a table ---- */

/* The hash is public: another's choice of ids can make this filter say yes, which costs a look. Six
 * positions of nine bits come from a second mixing (the finish of splitmix64). */
static uint64_t positions_of(uint64_t hash)
{
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

static struct block *block_of(const struct table *t, uint64_t hash)
{
    return &t->blocks[(uint64_t)(((unsigned __int128)hash * t->count) >> 64)];
}

static void table_add(struct table *t, uint64_t hash)
{
    if (!t->blocks)
        return;
    struct block *b = block_of(t, hash);
    bool is_new = false;

    for (uint64_t at = positions_of(hash), i = 0; i < PROBES; i++, at >>= 9) {
        uint64_t bit = UINT64_C(1) << (at % 64);
        _Atomic uint64_t *word = &b->words[at / 64 % BLOCK_WORDS];

        if (!(atomic_load_explicit(word, memory_order_relaxed) & bit))
            is_new |= !(atomic_fetch_or_explicit(word, bit, memory_order_relaxed) & bit);
    }
    if (is_new)
        atomic_fetch_add_explicit(&t->added, 1, memory_order_relaxed);
}

static bool table_may_have(const struct table *t, uint64_t hash)
{
    struct block *b = block_of(t, hash);

    for (uint64_t at = positions_of(hash), i = 0; i < PROBES; i++, at >>= 9) {
        uint64_t word =
            atomic_load_explicit(&b->words[at / 64 % BLOCK_WORDS], memory_order_relaxed);

        if (!(word & UINT64_C(1) << (at % 64)))
            return false;
    }
    return true;
}

/* ---- rebuilding ---- */

static int64_t room_for(int64_t expected)
{
    if (expected > FILTER_EXPECTED_MAX)
        expected = FILTER_EXPECTED_MAX;
    if (expected < EXPECTED_MIN)
        expected = EXPECTED_MIN;
    return expected + expected / 10;
}

enum err filter_rebuild_begin(struct filter *f, int64_t expected)
{
    int32_t place = 1 - atomic_load(&f->current);
    struct table *t = &f->tables[place];
    int64_t room = room_for(expected);
    uint64_t count = ((uint64_t)room * BITS_EACH + BLOCK_BITS - 1) / BLOCK_BITS;

    ASSERT(atomic_load(&f->next) < 0);
    struct block *blocks = aligned_alloc(sizeof *blocks, count * sizeof *blocks);

    if (!blocks)
        return ERR_NOMEM;
    memset(blocks, 0, count * sizeof *blocks);
    while (atomic_load(&f->pins[place])) /* they hold it for some instructions only */
        sched_yield();
    free(t->blocks);
    *t = (struct table){.blocks = blocks, .count = count, .room = room};
    f->era_at_begin = atomic_load(&f->era);
    atomic_store(&f->next, place);
    return ERR_OK;
}

void filter_rebuild_add(struct filter *f, uint64_t hash)
{
    table_add(&f->tables[atomic_load(&f->next)], hash);
}

void filter_rebuild_end(struct filter *f, bool complete)
{
    int32_t place = atomic_load(&f->next);

    ASSERT(place >= 0);
    if (complete) {
        atomic_store(&f->tables[place].covers, f->era_at_begin);
        atomic_store(&f->current, place); /* first: whoever adds finds it as one or the other */
    }
    atomic_store(&f->next, -1);
}

void filter_forget(struct filter *f)
{
    atomic_fetch_add(&f->era, 1);
}

/* ---- use ---- */

/* First into the one that is being made: if that becomes the current one in between, it is added
 * there once more; the other way round it would be missed. */
void filter_add(struct filter *f, uint64_t hash)
{
    int32_t next = pin(f, &f->next);

    if (next >= 0) {
        table_add(&f->tables[next], hash);
        unpin(f, next);
    }
    int32_t current = pin(f, &f->current);

    table_add(&f->tables[current], hash);
    unpin(f, current);
}

bool filter_may_have(struct filter *f, uint64_t hash)
{
    int32_t place = pin(f, &f->current);
    const struct table *t = &f->tables[place];
    bool may = atomic_load(&t->covers) != atomic_load(&f->era) || table_may_have(t, hash);

    unpin(f, place);
    return may;
}

void filter_stats(struct filter *f, struct filter_stats *ret)
{
    int32_t place = pin(f, &f->current);
    const struct table *t = &f->tables[place];

    *ret = (struct filter_stats){.bits = (int64_t)(t->count * BLOCK_BITS),
                                 .added = atomic_load(&t->added),
                                 .complete = atomic_load(&t->covers) == atomic_load(&f->era)};
    unpin(f, place);
}

bool filter_is_full(struct filter *f)
{
    int32_t place = pin(f, &f->current);
    const struct table *t = &f->tables[place];
    bool full = t->blocks && atomic_load(&t->added) > t->room;

    unpin(f, place);
    return full;
}
