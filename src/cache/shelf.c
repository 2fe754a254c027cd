#include "cache/shelf.h"

#include "base/assert.h"

#include <malloc.h>
#include <stddef.h>

enum {
    BYTES_PER_BUCKET = 512, /* of the budget: about an entry */
    BUCKETS_MIN = 32,
    GHOSTS_PER_BUCKET = 1,
    SMALL_SHARE = 10 /* a tenth */
};

/* ---- life ---- */

static uint32_t power_below(size_t n)
{
    uint32_t power = BUCKETS_MIN;

    while (power < 1u << 30 && power * 2 <= n)
        power *= 2;
    return power;
}

static enum err tables_new(struct shelf *s, uint32_t buckets)
{
    uint32_t places = buckets * GHOSTS_PER_BUCKET;

    s->buckets = calloc(buckets, sizeof(struct entry *));
    s->ghosts.places = calloc(places, sizeof *s->ghosts.places);
    s->ghosts.queued = calloc(places * GHOST_RING / 64, sizeof(uint64_t));
    s->mask = buckets - 1;
    s->ghosts.mask = places - 1;
    return s->buckets && s->ghosts.places && s->ghosts.queued ? ERR_OK : ERR_NOMEM;
}

enum err shelf_init(struct shelf *s, size_t budget, const struct generations *g,
                    const struct stems *stems)
{
    uint32_t n = power_below(budget / BYTES_PER_BUCKET);
    size_t places = (size_t)n * GHOSTS_PER_BUCKET;
    size_t fixed = n * sizeof *s->buckets + places * sizeof(struct ghost) + places / 8 * GHOST_RING;

    *s = (struct shelf){.generations = g, .stems = stems};
    if (budget / 2 < fixed)
        return ERR_OK;
    if (tables_new(s, n) != ERR_OK) {
        shelf_fini(s);
        return ERR_NOMEM;
    }
    s->bytes_fixed = fixed;
    s->room = budget - fixed;
    return ERR_OK;
}

void shelf_fini(struct shelf *s)
{
    for (int q = 0; q < QUEUE_COUNT; q++)
        while (s->queues[q].oldest)
            shelf_remove(s, s->queues[q].oldest, DROP_INVALIDATED);
    entries_free(shelf_take_gone(s));
    free(s->buckets);
    free(s->ghosts.places);
    free(s->ghosts.queued);
    *s = (struct shelf){.buckets = NULL};
}

struct entry *entry_new(const struct cache_key *key, uint16_t stem, size_t stem_n, struct answer *a)
{
    struct str rest = {key->text.p + stem_n, key->text.n - stem_n};
    size_t bytes = offsetof(struct entry, rest) + rest.n;
    struct entry *e = malloc(bytes > sizeof *e ? bytes : sizeof *e);

    if (!e)
        return NULL;
    *e = (struct entry){.hash = key->hash, .answer = a, .stem = stem, .rest_n = (uint16_t)rest.n};
    memcpy(e->rest, rest.p, rest.n);
    return e;
}

static struct str stem_of_entry(const struct shelf *s, const struct entry *e)
{
    return e->stem ? stem_text(s->stems, e->stem) : (struct str){NULL, 0};
}

struct str entry_key(const struct shelf *s, const struct entry *e, char *out)
{
    struct str stem = stem_of_entry(s, e);

    if (stem.n)
        memcpy(out, stem.p, stem.n);
    memcpy(out + stem.n, e->rest, e->rest_n);
    return (struct str){out, stem.n + e->rest_n};
}

void entries_free(struct entry *gone)
{
    while (gone) {
        struct entry *next = gone->chain;

        answer_unref(gone->answer);
        free(gone);
        gone = next;
    }
}

uint32_t entry_cost(const struct entry *e)
{
    return (uint32_t)(malloc_usable_size((void *)e) + answer_bytes(e->answer));
}

/* ---- the table ---- */

static struct entry **bucket_of(const struct shelf *s, uint64_t hash)
{
    return &s->buckets[(uint32_t)hash & s->mask];
}

static bool has_key(const struct shelf *s, const struct entry *e, struct str text)
{
    struct str stem = stem_of_entry(s, e);

    return text.n == stem.n + e->rest_n && memcmp(e->rest, text.p + stem.n, e->rest_n) == 0 &&
           (stem.n == 0 || memcmp(stem.p, text.p, stem.n) == 0);
}

struct entry *shelf_find(const struct shelf *s, const struct cache_key *key)
{
    struct entry *e = s->buckets ? *bucket_of(s, key->hash) : NULL;

    while (e && !(e->hash == key->hash && has_key(s, e, key->text)))
        e = e->chain;
    return e;
}

struct entry *shelf_find_answer(const struct shelf *s, uint64_t hash, const struct answer *a)
{
    struct entry *e = s->buckets ? *bucket_of(s, hash) : NULL;

    while (e && e->answer != a)
        e = e->chain;
    return e;
}

static void table_remove(struct shelf *s, const struct entry *e)
{
    struct entry **at = bucket_of(s, e->hash);

    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
}

/* ---- ghosts ---- */

/* Bits of the hash that choose neither the shard nor, on shelves of usual size, the bucket. */
static uint32_t print_of(uint64_t hash)
{
    uint32_t print = (uint32_t)(hash >> 24);

    return print ? print : 1;
}

static struct ghost *ghost_bucket(const struct ghosts *q, uint32_t print)
{
    return &q->places[print & q->mask & ~(uint32_t)(GHOST_BUCKET - 1)];
}

static uint32_t ring_size(const struct ghosts *q)
{
    return (q->mask + 1) * GHOST_RING;
}

static uint64_t *ring_word(const struct ghosts *q, uint32_t number)
{
    return &q->queued[(number & (ring_size(q) - 1)) / 64];
}

static uint64_t ring_bit(uint32_t number)
{
    return UINT64_C(1) << (number % 64);
}

static bool is_queued(const struct ghosts *q, uint32_t number)
{
    return number - q->tail < q->head - q->tail && (*ring_word(q, number) & ring_bit(number));
}

static void unqueue(struct ghosts *q, uint32_t number)
{
    if (!is_queued(q, number))
        return;
    *ring_word(q, number) &= ~ring_bit(number);
    q->count--;
}

/* The same fingerprint, a free place, or the oldest of the bucket. */
static struct ghost *ghost_place(const struct ghosts *q, uint32_t print)
{
    struct ghost *bucket = ghost_bucket(q, print), *place = bucket;

    for (struct ghost *g = bucket; g < bucket + GHOST_BUCKET; g++) {
        if (g->print == print || g->print == 0)
            return g;
        if (q->head - g->came > q->head - place->came)
            place = g;
    }
    return place;
}

/* As many are remembered as the main queue may have entries: nine tenths of all. */
static void ghost_add(struct shelf *s, uint64_t hash)
{
    struct ghosts *q = &s->ghosts;
    uint32_t print = print_of(hash);
    struct ghost *place = ghost_place(q, print);
    int64_t most = shelf_count(s) * (SMALL_SHARE - 1) / SMALL_SHARE;

    if (place->print)
        unqueue(q, place->came);
    *place = (struct ghost){print, q->head++};
    *ring_word(q, place->came) |= ring_bit(place->came);
    q->count++;
    while (q->count > most || q->head - q->tail >= ring_size(q)) {
        unqueue(q, q->tail);
        q->tail++;
    }
}

static bool ghost_take(struct shelf *s, uint64_t hash)
{
    struct ghosts *q = &s->ghosts;
    uint32_t print = print_of(hash);
    struct ghost *bucket = ghost_bucket(q, print);

    for (struct ghost *g = bucket; g < bucket + GHOST_BUCKET; g++) {
        if (g->print != print)
            continue;
        bool queued = is_queued(q, g->came);

        unqueue(q, g->came);
        g->print = 0;
        return queued;
    }
    return false;
}

/* ---- queues ---- */

static void queue_push(struct shelf *s, enum shelf_queue which, struct entry *e)
{
    struct queue *q = &s->queues[which];

    e->queue = which == QUEUE_MAIN;
    e->newer = NULL;
    e->older = q->newest;
    if (q->newest)
        q->newest->newer = e;
    else
        q->oldest = e;
    q->newest = e;
    q->bytes += e->cost;
    q->count++;
}

static void queue_remove(struct shelf *s, struct entry *e)
{
    struct queue *q = &s->queues[e->queue];

    ASSERT(q->count > 0 && q->bytes >= e->cost);
    if (e->older)
        e->older->newer = e->newer;
    else
        q->oldest = e->newer;
    if (e->newer)
        e->newer->older = e->older;
    else
        q->newest = e->older;
    q->bytes -= e->cost;
    q->count--;
}

/* ---- who goes ---- */

enum cache_drop shelf_fault(const struct shelf *s, const struct entry *e, int64_t now_us)
{
    if (now_us >= answer_error_until_us(e->answer))
        return DROP_EXPIRED;
    return answer_valid(e->answer, s->generations) ? DROP_COUNT : DROP_OUTDATED;
}

/* What is kept only in case the store goes down gives way to what is asked for. */
static enum cache_drop fault_when_full(const struct shelf *s, const struct entry *e)
{
    if (s->now_us >= answer_times(e->answer).stale_until_us)
        return DROP_EXPIRED;
    return shelf_fault(s, e, s->now_us);
}

static bool has_earned_main(const struct entry *e)
{
    return e->queue == QUEUE_MAIN || e->hits > 1;
}

void shelf_remove(struct shelf *s, struct entry *e, enum cache_drop why)
{
    queue_remove(s, e);
    table_remove(s, e);
    if (why == DROP_EVICTED ? e->queue == QUEUE_SMALL
                            : (why == DROP_OUTDATED || why == DROP_EXPIRED) && has_earned_main(e))
        ghost_add(s, e->hash);
    s->dropped[why]++;
    s->ahead_wasted += entry_is_wasted(e);
    e->chain = s->gone;
    s->gone = e;
}

/* Until one went or the queue is empty. */
static void evict_small(struct shelf *s)
{
    struct entry *e;

    while ((e = s->queues[QUEUE_SMALL].oldest)) {
        enum cache_drop fault = fault_when_full(s, e);

        if (fault != DROP_COUNT || e->hits <= 1) {
            shelf_remove(s, e, fault != DROP_COUNT ? fault : DROP_EVICTED);
            return;
        }
        queue_remove(s, e);
        e->hits = 0;
        queue_push(s, QUEUE_MAIN, e);
    }
}

/* Ends: each round takes one of the hits that are there. */
static void evict_main(struct shelf *s)
{
    struct entry *e;

    while ((e = s->queues[QUEUE_MAIN].oldest)) {
        enum cache_drop fault = fault_when_full(s, e);

        if (fault != DROP_COUNT || e->hits == 0) {
            shelf_remove(s, e, fault != DROP_COUNT ? fault : DROP_EVICTED);
            return;
        }
        queue_remove(s, e);
        e->hits--;
        queue_push(s, QUEUE_MAIN, e);
    }
}

static void make_room(struct shelf *s, size_t need)
{
    ASSERT(need <= s->room);
    while (s->queues[QUEUE_SMALL].bytes + s->queues[QUEUE_MAIN].bytes > s->room - need) {
        const struct queue *small = &s->queues[QUEUE_SMALL];

        if (small->count && (small->bytes >= s->room / SMALL_SHARE || !s->queues[QUEUE_MAIN].count))
            evict_small(s);
        else
            evict_main(s);
    }
}

void shelf_add(struct shelf *s, struct entry *e)
{
    bool known = ghost_take(s, e->hash);

    e->cost = entry_cost(e);
    make_room(s, e->cost);
    queue_push(s, known ? QUEUE_MAIN : QUEUE_SMALL, e);
    e->chain = *bucket_of(s, e->hash);
    *bucket_of(s, e->hash) = e;
}

void shelf_recharge(struct shelf *s, struct entry *e)
{
    uint32_t cost = entry_cost(e);
    struct queue *q = &s->queues[e->queue];

    q->bytes = q->bytes - e->cost + cost;
    e->cost = cost;
    make_room(s, 0);
}
