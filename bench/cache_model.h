/* cache_model - S3-FIFO and LRU as the books have them: no threads, no answers, only who is there.
 * What the real cache is held against, by the simulation beside this and by a unit test.
 *
 * S3-FIFO after Yang et al. (SOSP 2023), algorithm 1; the ghost queue is bounded by the bytes that
 * its entries would have, to those of the main queue, as its authors' simulator does. Keys are
 * numbers below `keys`; each is in at most one queue, so one pair of links serves all. */
#pragma once
#include "base/assert.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum model_kind { MODEL_S3FIFO, MODEL_LRU };
enum model_place { MODEL_NOWHERE, MODEL_SMALL, MODEL_MAIN, MODEL_GHOST, MODEL_PLACES };

struct model_item {
    int32_t older, newer; /* -1: none */
    uint32_t bytes;
    uint8_t place, hits;
};
struct model_queue {
    int32_t oldest, newest;
    uint64_t bytes;
};
struct model {
    enum model_kind kind;
    uint64_t capacity;
    struct model_item *items;
    struct model_queue queues[MODEL_PLACES]; /* LRU has but the main one */
};

static inline void model_init(struct model *m, enum model_kind kind, uint64_t capacity,
                              int32_t keys)
{
    *m = (struct model){.kind = kind, .capacity = capacity};
    m->items = calloc((size_t)keys, sizeof *m->items);
    ASSERT(m->items);
    for (int i = 0; i < MODEL_PLACES; i++)
        m->queues[i] = (struct model_queue){-1, -1, 0};
}

static inline void model_fini(struct model *m)
{
    free(m->items);
}

static inline void model_take(struct model *m, int32_t key)
{
    struct model_item *i = &m->items[key];
    struct model_queue *q = &m->queues[i->place];

    if (i->older >= 0)
        m->items[i->older].newer = i->newer;
    else
        q->oldest = i->newer;
    if (i->newer >= 0)
        m->items[i->newer].older = i->older;
    else
        q->newest = i->older;
    q->bytes -= i->bytes;
    i->place = MODEL_NOWHERE;
}

static inline void model_push(struct model *m, int32_t key, enum model_place place)
{
    struct model_item *i = &m->items[key];
    struct model_queue *q = &m->queues[place];

    i->place = (uint8_t)place;
    i->newer = -1;
    i->older = q->newest;
    if (q->newest >= 0)
        m->items[q->newest].newer = key;
    else
        q->oldest = key;
    q->newest = key;
    q->bytes += i->bytes;
}

static inline void model_remember(struct model *m, int32_t key)
{
    struct model_queue *ghosts = &m->queues[MODEL_GHOST];

    model_push(m, key, MODEL_GHOST);
    while (ghosts->bytes > m->capacity / 10 * 9)
        model_take(m, ghosts->oldest);
}

static inline void model_evict_small(struct model *m)
{
    while (m->queues[MODEL_SMALL].oldest >= 0) {
        int32_t key = m->queues[MODEL_SMALL].oldest;
        bool stays = m->items[key].hits > 1;

        model_take(m, key);
        m->items[key].hits = 0;
        if (!stays) {
            model_remember(m, key);
            return;
        }
        model_push(m, key, MODEL_MAIN);
    }
}

static inline void model_evict_main(struct model *m)
{
    while (m->queues[MODEL_MAIN].oldest >= 0) {
        int32_t key = m->queues[MODEL_MAIN].oldest;

        model_take(m, key);
        if (m->items[key].hits == 0)
            return;
        m->items[key].hits--;
        model_push(m, key, MODEL_MAIN);
    }
}

static inline void model_evict(struct model *m)
{
    const struct model_queue *small = &m->queues[MODEL_SMALL], *main = &m->queues[MODEL_MAIN];

    if (m->kind == MODEL_LRU)
        model_take(m, main->oldest);
    else if (small->oldest >= 0 && (small->bytes >= m->capacity / 10 || main->oldest < 0))
        model_evict_small(m);
    else
        model_evict_main(m);
}

static inline void model_insert(struct model *m, int32_t key, uint32_t bytes)
{
    struct model_item *i = &m->items[key];
    bool ghost = i->place == MODEL_GHOST;

    if (bytes > m->capacity)
        return;
    if (ghost)
        model_take(m, key);
    while (m->queues[MODEL_SMALL].bytes + m->queues[MODEL_MAIN].bytes + bytes > m->capacity)
        model_evict(m);
    i->bytes = bytes;
    i->hits = 0;
    model_push(m, key, ghost || m->kind == MODEL_LRU ? MODEL_MAIN : MODEL_SMALL);
}

/* Was it there? If not, it is now. */
static inline bool model_ask(struct model *m, int32_t key, uint32_t bytes)
{
    struct model_item *i = &m->items[key];

    if (i->place != MODEL_SMALL && i->place != MODEL_MAIN) {
        model_insert(m, key, bytes);
        return false;
    }
    if (m->kind == MODEL_LRU) {
        model_take(m, key);
        model_push(m, key, MODEL_MAIN);
    } else if (i->hits < 3) {
        i->hits++;
    }
    return true;
}
