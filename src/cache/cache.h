/* cache - the first tier: finished answers in this process's memory, and one flight per question.
 *
 * Bounded in bytes; eviction is S3-FIFO (Yang et al., "FIFO queues are all you need for cache
 * eviction", SOSP 2023: a small queue of a tenth, a main queue, a ghost queue of fingerprints).
 * Shards by key hash, each with a lock that is held for a look-up or an insertion and never
 * across I/O, compression or a callback; a hit takes a reference and copies nothing.
 *
 * One flight: the first caller that misses becomes the one that fills; the others wait for it, each
 * with its own deadline, and get the same answer or the same failure. */
#pragma once
#include "cache/answer.h"

struct cache;
struct flight;

/* Why an entry went; also the label of the metric. */
enum cache_drop {
    DROP_EVICTED,  /* no room */
    DROP_EXPIRED,  /* past its last time; or past its stale time, and the room was needed */
    DROP_OUTDATED, /* a tag's generation has been raised */
    DROP_REPLACED,
    DROP_INVALIDATED, /* by name, by an administrator */
    DROP_COUNT
};

enum {
    CACHE_KEY_MAX = 2048,
    CACHE_FAMILIES = 256,
    CACHE_SHARDS = 16,           /* fewer when a shard would have less than CACHE_SHARD_MIN */
    CACHE_SHARD_MIN = 4 << 20,   /* an answer is at most a shard large */
    CACHE_RETRY_US = 1000 * 1000 /* no new refresh of a key this soon after one has failed */
};

struct cache_options {
    size_t bytes_max;    /* entries with their keys, forms and bookkeeping, ghosts too, always; what
                            went but is still being sent comes on top. 0: nothing is kept, flights
                            work */
    int32_t waiters_max; /* callers waiting in flights, in all; more are told ERR_BUSY */
    const struct generations *generations; /* borrowed */
};
MUST_CHECK enum err cache_new(const struct cache_options *options, struct cache **ret);
void cache_free(struct cache *c); /* no flight may be open */
bool cache_keeps(const struct cache *c); /* false: bytes_max is too little for anything */

/* Canonical text of the question; the hash is of the text, and of this process only. */
struct cache_key {
    struct str text; /* 1..CACHE_KEY_MAX bytes; compared whole */
    uint64_t hash;
};
struct cache_key cache_key_of(struct str text);

/* A caller that waits: embedded in its call; must live until `done` was called or flight_leave()
 * returned true. */
struct waiter {
    /* Any thread, no lock held; perhaps before cache_find() has returned. `a` is a reference for
     * the callee, or NULL with the failure's code. */
    void (*done)(struct waiter *w, struct answer *a, enum err e);
    struct waiter *next, *prev;
    struct flight *flight;
    uint64_t shard; /* cache's own */
};

enum cache_result {
    CACHE_HIT,   /* *ret_answer is a reference: fresh and valid */
    CACHE_STALE, /* the same, past its fresh time; valid. *ret_flight not NULL: the caller should
                    refresh it, and must end the flight */
    CACHE_FILL,  /* nothing: the caller fills; *ret_flight is its duty to end */
    CACHE_WAIT,  /* nothing, and another fills: `w` waits */
    CACHE_BUSY   /* nothing, and too many wait */
};
struct cache_lookup {
    int64_t now_us;     /* monotonic */
    int64_t age_max_us; /* an answer older than this is not used (other nodes cannot be heard);
                           INT64_MAX */
    double
        early;    /* uniform in (0,1]: XFetch (Vattani et al., VLDB 2015): a fresh answer whose
                     age + cost * -ln(early) passes fresh_until is CACHE_STALE for this caller alone */
    bool refresh; /* false: never CACHE_STALE with a flight (this caller cannot refresh) */
    /* The question's tags. A flight is stamped when it begins; who comes after one of its tags was
     * raised does not join it but begins another, and so reads what he has written. */
    const struct tag *tags;
    int32_t tag_count;
};
/* Looks up; on a miss joins or begins the flight of that key, in one step under the shard's lock.
 * An entry that is not valid or past its last time is dropped here; one past its stale time is a
 * miss, and stays for cache_peek() until an answer replaces it. w may be NULL: then CACHE_FILL
 * comes instead of CACHE_WAIT with *ret_flight NULL (fill for yourself), as when there is no memory
 * for a flight. */
enum cache_result cache_find(struct cache *c, const struct cache_key *key,
                             const struct cache_lookup *how, struct waiter *w,
                             struct answer **ret_answer, struct flight **ret_flight);
/* The fresh, valid answer, counted as a hit; NULL: go the way of cache_find(). */
struct answer *cache_hit(struct cache *c, const struct cache_key *key,
                         const struct cache_lookup *how);
/* After a write, for whoever makes answers again before they are asked for: what became of the one
 * under that key? When a write has made it void, and nobody fills it, and bit n of `worth` is set, n
 * being for how many answers in a row nobody had asked (0: for this one somebody did; 3: three or
 * more), a flight begins, which is the caller's duty; when the bit is not set, the answer goes. */
struct cache_again {
    bool known;      /* there is one, true or not, or it is being made */
    bool outdated;   /* there was such a one; else nothing of what follows is told: */
    bool ahead;      /* it had been made in this way, */
    int32_t unasked; /* after so many in a row for which nobody asked, */
    bool asked;      /* and then somebody did */
    struct flight *flight;
};
struct cache_again cache_again(struct cache *c, const struct cache_key *key,
                               const struct cache_lookup *how, uint32_t worth);
enum { CACHE_UNASKED_MAX = 3 };
/* Taken when the flight began: the stamp for the answer that ends it. */
const struct stamp *flight_stamp(const struct flight *f);
/* Ends the flight (NULL: nothing to end): with an answer (the caller keeps its reference; kept in
 * the cache if `keep`), or a failure. All waiters' done() run here, after the lock is given back.
 * An answer whose stamp is not valid any more still goes to the waiters that came before that, and
 * is not kept. Returns whether it was kept. */
bool flight_end(struct cache *c, struct flight *f, struct answer *a, bool keep, enum err e);
/* The waiter's deadline has passed, or its client has gone. False: done() has been or is being
 * called. */
bool flight_leave(struct cache *c, struct waiter *w);
/* Keeps an answer without a flight (warming, a value that another tier gave), unless it is outdated
 * or a younger one lies there. An answer is kept under one key only. */
void cache_put(struct cache *c, const struct cache_key *key, struct answer *a);
/* The same answer as it should be kept (answer_pack()), by samples of that family; NULL: as it is. */
struct answer *cache_pack(struct cache *c, uint32_t family, const struct answer *a);
/* answer_view() has made forms of an answer that may be kept under that key. */
void cache_grew(struct cache *c, const struct cache_key *key, struct answer *a, uint32_t made);
/* For when the store is down: fresh or not, however old other nodes' silence lets an answer be, as
 * long as its generations are valid and `error_until_us` has not passed. NULL: nothing. */
struct answer *cache_peek(struct cache *c, const struct cache_key *key, int64_t now_us);

/* For administrators: entries whose key is that text; or matches the pattern (fnmatch-like: '*' any
 * run, '?' any byte; bounded time: linear in key length for each '*'). Return how many went.
 * Flights of such keys that are under way end without being kept, and later callers do not join
 * them. */
int64_t cache_drop_key(struct cache *c, struct str text);
int64_t cache_drop_pattern(struct cache *c, struct str pattern);
int64_t cache_drop_all(struct cache *c);
/* Drops what is outdated or expired now rather than when it is next asked for; looks at no more
 * than `max` entries of the next shard, so that a housekeeping thread may call it often. */
int64_t cache_sweep(struct cache *c, int64_t now_us, int32_t max);

/* What keeping the answer under that key counts as now. */
size_t cache_cost(const struct cache_key *key, const struct answer *a);

struct cache_stats {
    int64_t entries, bytes, bytes_max, ghosts;
    int64_t hits, stale_hits, misses, waits, busy, fills, fill_failures, early_refreshes;
    int64_t inserted, refused_too_large;
    /* Answers made before anybody asked: kept; asked for at least once; gone before that. */
    int64_t ahead_made, ahead_used, ahead_wasted;
    int64_t dropped[DROP_COUNT];
    int64_t encoded[FORM_COUNT];
};
void cache_stats(const struct cache *c, struct cache_stats *ret);
