/* tiers - the cache as the rest of the program sees it: its parts, put together and kept up.
 *
 * Whoever commits a write calls tiers_wrote() before the write is acknowledged. Writes by other
 * programs (an import while the server runs) are found within TIERS_EPOCH_MS: they move the
 * store's cache epoch in their own transactions, and a thread here looks at it, sweeps what is old,
 * and keeps the filter of learners complete.
 *
 * How old may an answer be that no tag has made void? Alone on its database: as its row says. With
 * Redis: the same while the other nodes can be heard, else blind_ms. Without Redis on a database
 * that others may write to: blind_ms. */
#pragma once
#include "cache/ahead.h"
#include "cache/bus.h"
#include "cache/cache.h"
#include "cache/filter.h"
#include "cache/l2.h"
#include "ingest/ingest.h"
#include "redis/target.h"
#include "store/store.h"

enum { TIERS_EPOCH_MS = 500 };

struct tiers_options {
    struct cache_options cache; /* generations: set here */
    bool alone;                 /* no other process serves this database */
    bool ahead; /* whoever was written to waits for his answers to be made again */
    int32_t blind_ms;
    struct store *store;               /* borrowed: the filter and the epoch; NULL: neither */
    const struct redis_options *redis; /* NULL: none */
    struct str redis_prefix;
    int32_t loops, redis_timeout_ms, lock_ms;
};

/* Parts may be used directly; bus and l2 are NULL without Redis, ahead is where it is not wanted. */
struct tiers {
    struct generations *generations;
    struct cache *cache;
    struct filter *filter;
    struct ahead *ahead;
    struct redis_target *redis;
    struct bus *bus;
    struct l2 *l2;
    bool alone;
    int64_t blind_us;
    struct keeper *keeper;
    char prefix[BUS_PREFIX_MAX + 1];
};

MUST_CHECK enum err tiers_new(const struct tiers_options *options, struct tiers **ret,
                              char *ret_detail);
/* Ends the threads and the second tier; after http_server_stop() and before http_server_free().
 * Idempotent. */
void tiers_stop(struct tiers *t);
void tiers_free(struct tiers *t); /* stops first; NULL is fine */

/* The signature of ingest's on_commit: these learners' data has changed, and is committed. Other
 * nodes are not told the groups: what only events wrote is TAG_LEARNER to them, all else
 * TAG_SETTLED too. */
void tiers_wrote(void *tiers, const struct ingest_change *changes, int32_t n);
void tiers_raise(struct tiers *t, struct tag tag);             /* here and on the other nodes */
void tiers_raise_learner(struct tiers *t, struct str learner); /* whatever is stored of him */
/* For an entry of cache_find(): the oldest answer that may be used now. */
int64_t tiers_age_max_us(const struct tiers *t);
