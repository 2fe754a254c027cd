/* shard - what the cache consists of: shards, each with a lock, a shelf and its open flights.
 * Room-internal: the cache's two files share it. */
#pragma once
#include "cache/shelf.h"

#include <pthread.h>
#include <stdatomic.h>

enum { FLIGHT_CHAINS = 64, CACHE_LINE = 64 };

struct flight {
    struct flight *chain;
    uint64_t hash;
    struct stamp stamp;
    struct waiter *first, *last;
    bool listed;  /* in its chain: can be joined */
    bool dropped; /* its key was invalidated meanwhile: the answer is not kept */
    bool ahead;   /* nobody has asked yet: cache_again() */
    uint8_t unasked;
    uint16_t key_n;
    char key[];
};

/* All of it is guarded by the lock. */
struct shard {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct shelf shelf;
    struct flight *flights[FLIGHT_CHAINS];
    uint32_t sweep_bucket;
    struct cache_stats counts; /* what it counts itself: from hits on, but for `dropped` */
};

struct cache {
    struct sample_set samples[CACHE_FAMILIES];
    struct stems stems;
    struct shard *shards;
    uint32_t shard_count;
    size_t bytes_max;
    const struct generations *generations;
    int32_t waiters_max;
    _Atomic int32_t waiters;
    _Atomic uint32_t sweep_shard;
};

static inline struct shard *shard_of(const struct cache *c, uint64_t hash)
{
    return &c->shards[(hash >> 58) & (c->shard_count - 1)];
}

static inline struct flight **chain_of(struct shard *s, uint64_t hash)
{
    return &s->flights[hash & (FLIGHT_CHAINS - 1)];
}

/* Gives the lock back, and frees what went meanwhile. */
static inline void shard_unlock(struct shard *s)
{
    struct entry *gone = shelf_take_gone(&s->shelf);

    pthread_mutex_unlock(&s->lock);
    entries_free(gone);
}

/* Both with the lock held. The flight to join, or NULL; one that began before a tag was raised goes
 * on for those who came before, unlisted. */
struct flight *flight_of(struct shard *s, const struct cache_key *key);
void flight_unlist(struct shard *s, struct flight *f);
