#include "cache/cache.h"

#include "base/assert.h"
#include "base/hash.h"
#include "cache/shard.h"

#include <math.h>

/* Waiters taken off a flight under one hold of the lock. */
enum { CALLED_AT_ONCE = 64 };

/* ---- life ---- */

struct cache_key cache_key_of(struct str text)
{
    ASSERT(text.n >= 1 && text.n <= CACHE_KEY_MAX);
    return (struct cache_key){text, hash_str(text)};
}

static uint32_t shards_for(size_t bytes_max)
{
    uint32_t n = CACHE_SHARDS;

    while (n > 1 && bytes_max > 0 && bytes_max / n < CACHE_SHARD_MIN)
        n /= 2;
    return n;
}

/* Waiting threads spin a little first: the lock is held for less than a switch costs. */
static void lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

enum err cache_new(const struct cache_options *options, struct cache **ret)
{
    uint32_t shards = shards_for(options->bytes_max);
    size_t fixed = sizeof(struct cache) + shards * sizeof(struct shard);
    size_t budget = options->bytes_max > fixed ? (options->bytes_max - fixed) / shards : 0;
    struct cache *c = calloc(1, sizeof *c);

    if (!c)
        return ERR_NOMEM;
    c->shards = aligned_alloc(CACHE_LINE, shards * sizeof(struct shard));
    if (!c->shards) {
        free(c);
        return ERR_NOMEM;
    }
    memset(c->shards, 0, shards * sizeof(struct shard));
    c->bytes_max = options->bytes_max;
    c->generations = options->generations;
    c->waiters_max = options->waiters_max;
    for (uint32_t i = 0; i < shards; i++) {
        if (shelf_init(&c->shards[i].shelf, budget, options->generations, &c->stems) != ERR_OK) {
            cache_free(c);
            return ERR_NOMEM;
        }
        lock_init(&c->shards[i].lock);
        c->shard_count++;
    }
    *ret = c;
    return ERR_OK;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->shard_count; i++) {
        struct shard *s = &c->shards[i];

        for (int k = 0; k < FLIGHT_CHAINS; k++)
            ASSERT(!s->flights[k]);
        shelf_fini(&s->shelf);
        pthread_mutex_destroy(&s->lock);
    }
    for (int i = 0; i < CACHE_FAMILIES; i++)
        sample_set_fini(&c->samples[i]);
    stems_fini(&c->stems);
    free(c->shards);
    free(c);
}

/* ---- keeping ---- */

bool cache_keeps(const struct cache *c)
{
    return c->shards->shelf.buckets != NULL; /* all alike */
}

static void let_go(struct shard *s, struct entry *e)
{
    e->chain = s->shelf.gone;
    s->shelf.gone = e;
}

static bool is_worth_keeping(const struct shard *s, const struct answer *a, const struct entry *old)
{
    if (!answer_valid(a, s->shelf.generations))
        return false;
    if (!old || shelf_fault(&s->shelf, old, s->shelf.now_us) != DROP_COUNT)
        return true;
    return old->answer != a && answer_made_us(old->answer) <= answer_made_us(a);
}

/* In its place: what the key has earned stays. */
static void replace(struct shard *s, struct entry *old, struct entry *e)
{
    struct answer *a = e->answer;

    s->shelf.ahead_wasted += entry_is_wasted(old);
    old->asked = e->asked;
    old->ahead = e->ahead;
    old->unasked = e->unasked;
    e->answer = old->answer;
    let_go(s, e);
    old->answer = a;
    old->retry = false;
    s->shelf.dropped[DROP_REPLACED]++;
    shelf_recharge(&s->shelf, old);
}

/* The lock is held. Takes the entry over, whatever becomes of it; returns whether it is kept. */
static bool do_keep(struct shard *s, const struct cache_key *key, struct entry *e)
{
    struct entry *old = shelf_find(&s->shelf, key);

    if (!is_worth_keeping(s, e->answer, old)) {
        let_go(s, e);
        return false;
    }
    if (entry_cost(e) > s->shelf.room) {
        s->counts.refused_too_large++;
        let_go(s, e);
        return false;
    }
    s->counts.inserted++;
    s->counts.ahead_made += e->ahead;
    s->counts.ahead_used += e->ahead && e->asked;
    if (old)
        replace(s, old, e);
    else
        shelf_add(&s->shelf, e);
    return true;
}

/* NULL: nothing is kept here, or there is no memory. */
static struct entry *entry_for(struct cache *c, const struct cache_key *key, struct answer *a)
{
    if (!cache_keeps(c))
        return NULL;
    uint16_t stem = stem_of(&c->stems, key->text);
    struct entry *e = entry_new(key, stem, stem ? stem_text(&c->stems, stem).n : 0, a);

    if (e) {
        answer_ref(a);
        e->asked = true;
    }
    return e;
}

void cache_put(struct cache *c, const struct cache_key *key, struct answer *a)
{
    struct shard *s = shard_of(c, key->hash);
    struct entry *e = entry_for(c, key, a);

    if (!e)
        return;
    pthread_mutex_lock(&s->lock);
    do_keep(s, key, e);
    shard_unlock(s);
}

size_t cache_cost(const struct cache_key *key, const struct answer *a)
{
    struct entry *e = entry_new(key, 0, 0, (struct answer *)a); /* as large as the real one */
    size_t cost = e ? entry_cost(e) : 0;

    free(e);
    return cost;
}

/* The entry is looked for by the answer: it may have gone. */
void cache_grew(struct cache *c, const struct cache_key *key, struct answer *a, uint32_t made)
{
    struct shard *s = shard_of(c, key->hash);

    pthread_mutex_lock(&s->lock);
    struct entry *e = shelf_find_answer(&s->shelf, key->hash, a);

    if (e)
        shelf_recharge(&s->shelf, e);
    for (int form = 0; form < FORM_COUNT; form++)
        s->counts.encoded[form] += made >> form & 1;
    shard_unlock(s);
}

struct answer *cache_pack(struct cache *c, uint32_t family, const struct answer *a)
{
    return cache_keeps(c) ? answer_pack(a, &c->samples[family % CACHE_FAMILIES]) : NULL;
}

/* ---- flights ---- */

static struct flight *flight_new(const struct cache_key *key)
{
    struct flight *f = malloc(sizeof *f + key->text.n);

    if (!f)
        return NULL;
    *f = (struct flight){.hash = key->hash, .key_n = (uint16_t)key->text.n};
    memcpy(f->key, key->text.p, key->text.n);
    return f;
}

void flight_unlist(struct shard *s, struct flight *f)
{
    struct flight **at = chain_of(s, f->hash);

    if (!f->listed)
        return;
    while (*at != f)
        at = &(*at)->chain;
    *at = f->chain;
    f->listed = false;
}

struct flight *flight_of(struct shard *s, const struct cache_key *key)
{
    struct flight *f = *chain_of(s, key->hash);

    while (f && !(f->hash == key->hash && str_eq(key->text, (struct str){f->key, f->key_n})))
        f = f->chain;
    if (f && !stamp_valid(s->shelf.generations, &f->stamp)) {
        flight_unlist(s, f);
        return NULL;
    }
    return f;
}

static void join(const struct cache *c, struct shard *s, struct flight *f, struct waiter *w)
{
    w->flight = f;
    w->shard = (uint64_t)(s - c->shards);
    w->next = NULL;
    w->prev = f->last;
    if (f->last)
        f->last->next = w;
    else
        f->first = w;
    f->last = w;
}

static void leave(struct flight *f, struct waiter *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        f->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        f->last = w->prev;
    w->flight = NULL;
}

bool flight_leave(struct cache *c, struct waiter *w)
{
    struct shard *s = &c->shards[w->shard];

    pthread_mutex_lock(&s->lock);
    bool waited = w->flight != NULL;

    if (waited) {
        leave(w->flight, w);
        atomic_fetch_sub_explicit(&c->waiters, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&s->lock);
    return waited;
}

const struct stamp *flight_stamp(const struct flight *f)
{
    return &f->stamp;
}

/* The lock is held. The first of those who wait, off the flight; the last one's `next` is NULL. */
static struct waiter *take_some(struct flight *f)
{
    struct waiter *first = f->first, *last = NULL;

    for (int i = 0; i < CALLED_AT_ONCE && f->first; i++) {
        last = f->first;
        f->first = last->next;
        last->flight = NULL;
    }
    if (last)
        last->next = NULL;
    if (f->first)
        f->first->prev = NULL;
    else
        f->last = NULL;
    return first;
}

static void call(struct cache *c, struct waiter *w, struct answer *a, enum err e)
{
    while (w) {
        struct waiter *next = w->next; /* done() may be the end of w */

        atomic_fetch_sub_explicit(&c->waiters, 1, memory_order_relaxed);
        w->done(w, a ? answer_ref(a) : NULL, e);
        w = next;
    }
}

static uint32_t ms_of(int64_t us)
{
    return (uint32_t)(us / 1000);
}

/* Nothing is kept for so long that the clock's lower bits would come round. */
static bool may_retry(const struct entry *e, int64_t now_us)
{
    return !e->retry || (int32_t)(ms_of(now_us) - e->retry_ms) >= 0;
}

/* The lock is held. */
static void note_end(struct shard *s, const struct flight *f, const struct answer *a)
{
    if (a) {
        s->counts.fills++;
        return;
    }
    s->counts.fill_failures++;
    struct cache_key key = {{f->key, f->key_n}, f->hash};
    struct entry *e = shelf_find(&s->shelf, &key);

    if (e) { /* what is stale serves on; not each reader of it tries again */
        e->retry = true;
        e->retry_ms = ms_of(s->shelf.now_us + CACHE_RETRY_US);
    }
}

bool flight_end(struct cache *c, struct flight *f, struct answer *a, bool keep, enum err e)
{
    ASSERT(a || e != ERR_OK);
    if (!f)
        return false;
    struct shard *s = shard_of(c, f->hash);
    struct cache_key key = {{f->key, f->key_n}, f->hash};
    struct entry *entry = a && keep ? entry_for(c, &key, a) : NULL;
    struct waiter *some;
    bool kept = false;

    pthread_mutex_lock(&s->lock);
    flight_unlist(s, f);
    note_end(s, f, a);
    if (entry && f->ahead) {
        entry->ahead = true;
        entry->asked = f->first != NULL; /* somebody came meanwhile */
        entry->unasked = (unsigned)f->unasked & 3u;
    }
    if (entry && !f->dropped)
        kept = do_keep(s, &key, entry);
    else if (entry)
        let_go(s, entry);
    while ((some = take_some(f))) {
        shard_unlock(s);
        call(c, some, a, a ? ERR_OK : e);
        pthread_mutex_lock(&s->lock);
    }
    shard_unlock(s);
    free(f);
    return kept;
}

/* ---- looking up ---- */

struct find {
    struct cache *c;
    struct shard *s;
    const struct cache_key *key;
    const struct cache_lookup *how;
    struct waiter *w;
    struct flight *spare; /* made outside the lock, for when one is needed */
    bool no_memory;       /* it could not be made */
    struct answer *answer;
    struct flight *flight;
};
enum { NEEDS_FLIGHT = -1 }; /* beside cache_result's: again, with a spare one */

static void begin(struct find *f)
{
    struct flight **chain = chain_of(f->s, f->key->hash);

    if (!f->spare)
        return;
    f->flight = f->spare;
    f->spare = NULL;
    stamp_take(f->s->shelf.generations, f->how->tags, f->how->tag_count, &f->flight->stamp);
    f->flight->listed = true;
    f->flight->chain = *chain;
    *chain = f->flight;
}

/* -ln of any `early` that a generator of 53 bits gives is below 37: mostly there is no need to
 * take it. */
static bool is_early(int64_t left_us, int64_t cost_us, const struct cache_lookup *how)
{
    if (cost_us <= 0 || left_us / 37 >= cost_us || !(how->early > 0 && how->early < 1))
        return false;
    return (double)cost_us * -log(how->early) >= (double)left_us;
}

static void note_asked(struct shard *s, struct entry *e)
{
    entry_touch(e);
    if (e->asked)
        return;
    e->asked = true;
    s->counts.ahead_used += e->ahead;
}

static int found(struct find *f, struct entry *e)
{
    const struct answer_times times = answer_times(e->answer);
    const struct cache_lookup *how = f->how;
    bool stale = how->now_us >= times.fresh_until_us;

    if (how->refresh && may_retry(e, how->now_us) &&
        (stale || is_early(times.fresh_until_us - how->now_us, times.cost_us, how)) &&
        !flight_of(f->s, f->key)) {
        if (!f->spare && !f->no_memory)
            return NEEDS_FLIGHT;
        begin(f);
    }
    note_asked(f->s, e);
    f->answer = answer_ref(e->answer);
    if (stale)
        f->s->counts.stale_hits++;
    else
        f->s->counts.hits++;
    if (!stale && f->flight)
        f->s->counts.early_refreshes++;
    return stale || f->flight ? CACHE_STALE : CACHE_HIT;
}

static int wait_for(struct find *f, struct flight *flight)
{
    struct cache *c = f->c;

    if (atomic_fetch_add_explicit(&c->waiters, 1, memory_order_relaxed) >= c->waiters_max) {
        atomic_fetch_sub_explicit(&c->waiters, 1, memory_order_relaxed);
        f->s->counts.busy++;
        return CACHE_BUSY;
    }
    join(c, f->s, flight, f->w);
    f->s->counts.waits++;
    return CACHE_WAIT;
}

static int missed(struct find *f)
{
    struct flight *flight = flight_of(f->s, f->key);

    if (flight && f->w)
        return wait_for(f, flight);
    if (!flight && !f->spare && !f->no_memory)
        return NEEDS_FLIGHT;
    if (!flight)
        begin(f);
    f->s->counts.misses++;
    return CACHE_FILL;
}

/* The lock is held. */
static int do_find(struct find *f)
{
    struct shelf *shelf = &f->s->shelf;
    int64_t now_us = f->how->now_us;
    struct entry *e = shelf_find(shelf, f->key);

    if (now_us > shelf->now_us)
        shelf->now_us = now_us;
    if (!e)
        return missed(f);
    enum cache_drop fault = shelf_fault(shelf, e, now_us);

    if (fault != DROP_COUNT) {
        shelf_remove(shelf, e, fault);
        return missed(f);
    }
    const struct answer_times times = answer_times(e->answer);

    if (now_us >= times.stale_until_us || now_us - times.made_us > f->how->age_max_us)
        return missed(f);
    return found(f, e);
}

enum cache_result cache_find(struct cache *c, const struct cache_key *key,
                             const struct cache_lookup *how, struct waiter *w,
                             struct answer **ret_answer, struct flight **ret_flight)
{
    struct find f = {.c = c, .s = shard_of(c, key->hash), .key = key, .how = how, .w = w};
    int result;

    ASSERT(key->text.n >= 1 && key->text.n <= CACHE_KEY_MAX);
    for (;;) {
        pthread_mutex_lock(&f.s->lock);
        result = do_find(&f);
        shard_unlock(f.s);
        if (result != NEEDS_FLIGHT)
            break;
        f.spare = flight_new(key);
        f.no_memory = !f.spare;
    }
    free(f.spare);
    *ret_answer = f.answer;
    *ret_flight = f.flight;
    return (enum cache_result)result;
}

/* But for what writes have done. What is fresh has not expired. */
static bool is_fresh(const struct answer *a, const struct cache_lookup *how)
{
    int64_t left_us = answer_fresh_until_us(a) - how->now_us;

    return left_us > 0 && how->now_us - answer_made_us(a) <= how->age_max_us &&
           !is_early(left_us, answer_cost_us(a), how);
}

struct answer *cache_hit(struct cache *c, const struct cache_key *key,
                         const struct cache_lookup *how)
{
    struct shard *s = shard_of(c, key->hash);
    struct answer *a = NULL;

    pthread_mutex_lock(&s->lock);
    struct entry *e = shelf_find(&s->shelf, key);

    if (how->now_us > s->shelf.now_us)
        s->shelf.now_us = how->now_us;
    if (e && is_fresh(e->answer, how) && answer_valid(e->answer, c->generations)) {
        a = answer_ref(e->answer);
        note_asked(s, e);
        s->counts.hits++;
    }
    pthread_mutex_unlock(&s->lock);
    return a;
}

/* The lock is held. True: again, with a spare flight. */
static bool do_again(struct find *f, uint32_t worth, struct cache_again *ret)
{
    struct shelf *shelf = &f->s->shelf;
    struct entry *e = shelf_find(shelf, f->key);
    bool is_filled = flight_of(f->s, f->key) != NULL;

    *ret = (struct cache_again){.known = e || is_filled};
    if (!e || is_filled || shelf_fault(shelf, e, f->how->now_us) != DROP_OUTDATED)
        return false;
    int32_t unasked = e->asked                         ? 0
                      : e->unasked < CACHE_UNASKED_MAX ? e->unasked + 1
                                                       : CACHE_UNASKED_MAX;
    bool is_worth_it = worth >> unasked & 1;

    if (is_worth_it && !f->spare && !f->no_memory)
        return true;
    *ret = (struct cache_again){.known = true,
                                .outdated = true,
                                .ahead = e->ahead,
                                .unasked = e->unasked,
                                .asked = e->asked};
    if (!is_worth_it) {
        shelf_remove(shelf, e, DROP_OUTDATED);
        return false;
    }
    begin(f);
    if (f->flight) {
        f->flight->ahead = true;
        f->flight->unasked = (uint8_t)unasked;
    }
    return false;
}

struct cache_again cache_again(struct cache *c, const struct cache_key *key,
                               const struct cache_lookup *how, uint32_t worth)
{
    struct find f = {.c = c, .s = shard_of(c, key->hash), .key = key, .how = how};
    struct cache_again ret;
    bool again = true;

    while (again) {
        pthread_mutex_lock(&f.s->lock);
        again = do_again(&f, worth, &ret);
        shard_unlock(f.s);
        if (again) {
            f.spare = flight_new(key);
            f.no_memory = !f.spare;
        }
    }
    free(f.spare);
    ret.flight = f.flight;
    return ret;
}

struct answer *cache_peek(struct cache *c, const struct cache_key *key, int64_t now_us)
{
    struct shard *s = shard_of(c, key->hash);
    struct answer *a = NULL;

    pthread_mutex_lock(&s->lock);
    struct entry *e = shelf_find(&s->shelf, key);

    if (e && shelf_fault(&s->shelf, e, now_us) == DROP_COUNT)
        a = answer_ref(e->answer);
    pthread_mutex_unlock(&s->lock);
    return a;
}
