/* shelf - one shard's entries: a table by key, and the queues of S3-FIFO that decide who goes.
 *
 * Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023. What is new enters a
 * small queue (a tenth of the bytes); what was asked for more than once there moves to the main
 * queue, the rest leaves only a fingerprint, and comes back into the main queue if it is asked for
 * while that is remembered. The main queue is a FIFO that gives what was asked for another round,
 * up to three. A hit writes nothing but a two-bit count.
 *
 * Beyond the paper: what is no longer true or too old goes first, and one that had earned the main
 * queue leaves its fingerprint, so that its successor needs not earn it again.
 *
 * Not for threads: the shard's lock is held. Nothing is freed here; what goes is chained on `gone`,
 * for the caller to free when the lock is given back. Room-internal. */
#pragma once
#include "cache/cache.h"
#include "cache/stems.h"

enum shelf_queue { QUEUE_SMALL, QUEUE_MAIN, QUEUE_COUNT };

struct entry {
    struct entry *chain; /* same bucket; or the next that is gone */
    uint64_t hash;
    struct answer *answer;
    struct entry *older, *newer;
    uint32_t retry_ms; /* no refresh before, if `retry`; the clock's lower bits */
    uint32_t cost;     /* bytes charged */
    uint16_t rest_n;
    uint16_t stem;    /* of the key; 0: the rest is all of it */
    uint8_t hits; /* 0..3 */
    uint8_t retry : 1;
    uint8_t queue : 1;
    uint8_t asked : 1;   /* since its answer came; so is one that was made for somebody */
    uint8_t ahead : 1;   /* its answer was made before anybody asked */
    uint8_t unasked : 2; /* how many such came in a row before it, and nobody asked; at most 3 */
    char rest[];
};

struct queue {
    struct entry *oldest, *newest;
    size_t bytes;
    int64_t count;
};

/* The ghost queue: fingerprints in buckets of eight, each with its number in the order of arrival,
 * and a ring of bits that tells which numbers are still in the queue. Nothing is ever moved. */
struct ghost {
    uint32_t print; /* 0: free */
    uint32_t came;
};
enum { GHOST_BUCKET = 8, GHOST_RING = 4 /* bits for each place: most gaps fit */ };
struct ghosts {
    struct ghost *places;
    uint64_t *queued; /* ring of bits by number */
    uint32_t mask;    /* of places */
    uint32_t tail, head;
    uint32_t count;
};

struct shelf {
    const struct generations *generations;
    const struct stems *stems;
    struct entry **buckets; /* NULL: nothing is kept */
    uint32_t mask;
    struct ghosts ghosts;
    size_t room;        /* bytes for entries */
    size_t bytes_fixed; /* the tables' */
    int64_t now_us;     /* the latest that was told */
    struct queue queues[QUEUE_COUNT];
    struct entry *gone;
    int64_t dropped[DROP_COUNT];
    int64_t ahead_wasted; /* answers made ahead that went before anybody asked */
};

/* ERR_NOMEM. A budget too small for anything gives a shelf that keeps nothing. */
MUST_CHECK enum err shelf_init(struct shelf *s, size_t budget, const struct generations *g,
                               const struct stems *stems);
void shelf_fini(struct shelf *s); /* entries too */

/* The answer's reference goes into the entry. NULL: no memory. */
struct entry *entry_new(const struct cache_key *key, uint16_t stem, size_t stem_n,
                        struct answer *a);
void entries_free(struct entry *gone); /* a chain; lets the answers go */
uint32_t entry_cost(const struct entry *e);

/* The whole key, written at `out`: CACHE_KEY_MAX bytes. */
struct str entry_key(const struct shelf *s, const struct entry *e, char *out);

struct entry *shelf_find(const struct shelf *s, const struct cache_key *key);
struct entry *shelf_find_answer(const struct shelf *s, uint64_t hash, const struct answer *a);
static inline void entry_touch(struct entry *e)
{
    if (e->hits < 3)
        e->hits++;
}
static inline bool entry_is_wasted(const struct entry *e)
{
    return e->ahead && !e->asked;
}
/* Why this entry may not be used at now_us; DROP_COUNT: it may. */
enum cache_drop shelf_fault(const struct shelf *s, const struct entry *e, int64_t now_us);
/* Makes room and takes the entry in. Its cost is at most the room; no entry of that key is there.
 */
void shelf_add(struct shelf *s, struct entry *e);
void shelf_remove(struct shelf *s, struct entry *e, enum cache_drop why);
/* The entry's cost has changed; it may be among those that go. */
void shelf_recharge(struct shelf *s, struct entry *e);
static inline size_t shelf_bytes(const struct shelf *s)
{
    return s->bytes_fixed + s->queues[QUEUE_SMALL].bytes + s->queues[QUEUE_MAIN].bytes;
}
static inline int64_t shelf_count(const struct shelf *s)
{
    return s->queues[QUEUE_SMALL].count + s->queues[QUEUE_MAIN].count;
}
static inline struct entry *shelf_take_gone(struct shelf *s)
{
    struct entry *gone = s->gone;

    s->gone = NULL;
    return gone;
}
