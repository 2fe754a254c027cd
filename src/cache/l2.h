/* l2 - the second tier: answers in Redis, shared by the nodes.
 *
 * One connection for each loop, pipelined, used on that loop's thread only.
 *
 * Where. An answer lies with its first tag: a field of the hash that is that tag's (keys.h), beside
 * the field "g", the hash's token. Give the learner first, else the course, else the endpoint. The
 * hash gets its expiry when it is made (L2_HOLDER_S), and never another: nothing in it outlives
 * that, and each answer says itself when it ends before. Raising a learner or a course takes its
 * hash away with all that is in it, so erasing a learner is one command.
 *
 * When it is believed. An answer names the tokens of its tags. Those of learners and courses are
 * read with it, in one round trip (HMGET for the first, HGET for others, which may lie in another
 * slot of a cluster); those of endpoints and of everything each node knows from the bus; the latter
 * is mixed with the identity of the running Redis, so that what a restarted or promoted server
 * still has from before is void. Read is only what decodes to the last byte, has the same whole key
 * and equal tokens, on a node whose bus is trusted and has said all it had to say about these tags.
 *
 * How it is filled. Tokens are made, or read, before the store is: what is written by then is in
 * the answer, what is written later takes the token away. An answer is put only if the token is
 * still there.
 *
 * Failures cost at most the command timeout, once: after some in a row the breaker opens (redis/
 * breaker.h), calls answer L2_ABSENT at once, and the connection is probed in the background. A
 * Redis that takes no writes (full) is still read. */
#pragma once
#include "cache/answer.h"
#include "cache/bus.h"
#include "cache/cache.h"
#include "http/http.h"

struct l2;
struct redis_target; /* redis/target.h */

enum { L2_HOLDER_S = 3600, L2_HOLDER_ANSWERS_MAX = 1024, L2_LOOK_AGAIN_MS = 20 };

struct l2_options {
    struct redis_target *redis; /* borrowed */
    struct str prefix;          /* the bus's; borrowed: must outlive this */
    int32_t loops;
    int32_t command_timeout_ms;
    int32_t lock_ms; /* how long another node may take to fill before we do it too */
    struct bus *bus; /* borrowed */
};
MUST_CHECK enum err l2_new(const struct l2_options *options, struct l2 **ret, char *ret_detail);
/* After the loops have ended. Gets that wait still are answered L2_ABSENT here. NULL is fine. */
void l2_free(struct l2 *l);

enum l2_result {
    L2_HIT,   /* `a` is a reference for the callee; its stamp is the one given */
    L2_FILL,  /* not there (or not valid): the caller computes it, then l2_put(); it may hold the
                 fill lock */
    L2_ABSENT /* Redis cannot help now: compute, do not put */
};
struct l2_loop;
struct l2_get {
    /* Set by the caller; must live until done(). Text is borrowed until then, and in l2_put(). */
    struct cache_key key;
    const struct tag *tags; /* at least one; the first is where it lies. Borrowed likewise */
    int32_t tag_count;
    struct stamp stamp;        /* local, taken before */
    uint32_t without;          /* groups that the answer does not depend on: answer.h */
    const char *cache_control; /* static text for the answer */
    const char *media;         /* static text */
    bool lock;                 /* on a miss: one node fills; the others look again until lock_ms */
    void (*done)(struct l2_get *g, enum l2_result r, struct answer *a);
    /* l2's own, and what l2_put() needs. */
    uint64_t tokens[STAMP_TAGS_MAX], everything, holder, lock_token;
    bool locked;
    bool failed, refused, waited, prepared;
    struct l2_loop *at;
    struct l2_get *next;
    struct l2_op {
        struct l2_get *get;
        int32_t tag;
    } ops[STAMP_TAGS_MAX];
    int64_t begun_us, wake_us, wait_until_us;
};
/* On the loop's thread; done() is called on it, later or at once. */
void l2_get(struct l2 *l, struct http_loop *loop, struct l2_get *g);
/* On the loop's thread. Writes the answer under the tokens that g found, and gives the lock back;
 * with a NULL answer, or one whose status is not 200, only the latter. Returns at once; the outcome
 * is only counted. g need not live on. */
void l2_put(struct l2 *l, struct http_loop *loop, const struct l2_get *g, const struct answer *a);

/* Administration, blocking, on a worker. Return how many answers went, -1: Redis cannot be reached
 * or does not do it. */
int64_t l2_drop(struct l2 *l, struct str key_text, const struct tag *first_tag);
int64_t l2_drop_all(struct l2 *l); /* SCAN in steps under the prefix */

enum l2_health { L2_UP, L2_PROBING, L2_DOWN };
struct l2_stats {
    enum l2_health health; /* of the worst loop */
    int64_t hits, misses, void_tokens, refused_layout, puts, put_failures, bytes_in, bytes_out;
    int64_t timeouts, errors, fallbacks, breaker_opened, locks_taken, locks_waited, reconnects;
    int64_t latency_us_total, latency_n; /* of gets that Redis answered */
};
void l2_stats(const struct l2 *l, struct l2_stats *ret);
