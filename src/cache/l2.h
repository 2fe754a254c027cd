/* l2 - the second tier: answers in Redis, shared by the nodes.
 *
 * One connection for each loop, pipelined, used on that loop's thread only. A value lies at
 * PREFIX{t<slot>}:v:<hash of key> beside its first tag's token PREFIX{t<slot>}:g (one Redis Cluster
 * slot, so one MGET reads both); the value names its layout's version, its whole key, its times
 * (UTC), its tokens, and the body, compressed with zstd when that pays. Read is only what decodes
 * to the last byte, has the same key and equal tokens. A token that is not there makes the value
 * void; the next fill sets it (NX). Values always have an expiry, set once when they are written.
 *
 * Failures cost at most the command timeout, once: after some in a row the breaker opens, calls
 * answer L2_ABSENT at once, and a probe is let through after 50 ms, doubling to 2 s. */
#pragma once
#include "cache/answer.h"
#include "cache/bus.h"
#include "cache/cache.h"
#include "http/http.h"

struct l2;
struct l2_options {
    const struct redis_options *redis;
    struct str prefix;
    int32_t loops;
    int32_t command_timeout_ms;
    int32_t lock_ms; /* how long another node may take to fill before we do it too */
    struct bus *bus; /* borrowed */
};
MUST_CHECK enum err l2_new(const struct l2_options *options, struct l2 **ret, char *ret_detail);
void l2_free(struct l2 *l); /* after the loops have ended; NULL is fine */

enum l2_result {
    L2_HIT,   /* `a` is a reference for the callee; its stamp is the one given */
    L2_FILL,  /* not there (or not valid): the caller computes it, then l2_put(); it may hold the
                 fill lock */
    L2_ABSENT /* Redis cannot help now: compute, do not put */
};
struct l2_get {
    /* Set by the caller; must live until done(). Text is borrowed until then. */
    struct cache_key key;
    const struct tag *tags; /* at least one; the first is where it lies */
    int32_t tag_count;
    struct stamp stamp;        /* local, taken before */
    const char *cache_control; /* static text for the answer */
    const char *media;         /* static text */
    bool lock;                 /* on a miss: one node fills; the others look again until lock_ms */
    void (*done)(struct l2_get *g, enum l2_result r, struct answer *a);
    /* l2's own, and what l2_put() needs. */
    uint64_t tokens[STAMP_TAGS_MAX];
    bool locked;
    struct l2_get *next;
    int64_t deadline_us;
};
/* On the loop's thread; done() is called on it, later or at once. */
void l2_get(struct l2 *l, struct http_loop *loop, struct l2_get *g);
/* On the loop's thread. Writes the answer under the tokens that g found, and gives the lock back;
 * with a NULL answer only that. Returns at once; the outcome is only counted. g need not live on.
 */
void l2_put(struct l2 *l, struct http_loop *loop, const struct l2_get *g, const struct answer *a);
/* Administration, blocking, on a worker: takes values out by key, or all (SCAN in steps under the
 * prefix). Returns how many went, -1: Redis cannot be reached. */
int64_t l2_drop(struct l2 *l, struct str key_text, const struct tag *first_tag);
int64_t l2_drop_all(struct l2 *l);

enum l2_health { L2_UP, L2_PROBING, L2_DOWN };
struct l2_stats {
    enum l2_health health;
    int64_t hits, misses, void_tokens, refused_layout, puts, put_failures, bytes_in, bytes_out;
    int64_t timeouts, errors, fallbacks, breaker_opened, locks_taken, locks_waited, reconnects;
    int64_t latency_us_total, latency_n; /* of gets */
};
void l2_stats(const struct l2 *l, struct l2_stats *ret);
