/* What administrators and housekeeping do to the whole cache: drop, sweep, count. */
#include "cache/shard.h"

/* Buckets looked through under one hold of a lock. */
enum { BUCKETS_AT_ONCE = 256 };

int64_t cache_drop_key(struct cache *c, struct str text)
{
    if (text.n < 1 || text.n > CACHE_KEY_MAX)
        return 0;
    struct cache_key key = cache_key_of(text);
    struct shard *s = shard_of(c, key.hash);

    pthread_mutex_lock(&s->lock);
    struct entry *e = shelf_find(&s->shelf, &key);
    struct flight *f = flight_of(s, &key);

    if (e)
        shelf_remove(&s->shelf, e, DROP_INVALIDATED);
    if (f) {
        f->dropped = true;
        flight_unlist(s, f);
    }
    shard_unlock(s);
    return e != NULL;
}

/* '*' any run, '?' any byte. On a mismatch only the last '*' takes one more: an earlier one could
 * not do better. */
static bool matches(struct str pattern, struct str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;

    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = ++p;
            resume = t;
        } else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == text.p[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

static void drop_flights(struct shard *s, struct str pattern)
{
    for (int i = 0; i < FLIGHT_CHAINS; i++)
        for (struct flight *f = s->flights[i], *next; f; f = next) {
            next = f->chain;
            if (matches(pattern, (struct str){f->key, f->key_n})) {
                f->dropped = true;
                flight_unlist(s, f);
            }
        }
}

static int64_t drop_entries(struct shelf *shelf, uint32_t bucket, struct str pattern)
{
    char key[CACHE_KEY_MAX];
    int64_t n = 0;

    for (struct entry *e = shelf->buckets[bucket], *next; e; e = next) {
        next = e->chain;
        if (matches(pattern, entry_key(shelf, e, key))) {
            shelf_remove(shelf, e, DROP_INVALIDATED);
            n++;
        }
    }
    return n;
}

int64_t cache_drop_pattern(struct cache *c, struct str pattern)
{
    int64_t n = 0;

    for (uint32_t i = 0; i < c->shard_count; i++) {
        struct shard *s = &c->shards[i];
        uint32_t bucket = 0;

        pthread_mutex_lock(&s->lock);
        drop_flights(s, pattern); /* first: they must not put back what was just dropped */
        while (s->shelf.buckets && bucket <= s->shelf.mask) {
            n += drop_entries(&s->shelf, bucket, pattern);
            if (++bucket % BUCKETS_AT_ONCE == 0) {
                shard_unlock(s);
                pthread_mutex_lock(&s->lock);
            }
        }
        shard_unlock(s);
    }
    return n;
}

int64_t cache_drop_all(struct cache *c)
{
    return cache_drop_pattern(c, STR("*"));
}

int64_t cache_sweep(struct cache *c, int64_t now_us, int32_t max)
{
    uint32_t turn = atomic_fetch_add_explicit(&c->sweep_shard, 1, memory_order_relaxed);
    struct shard *s = &c->shards[turn & (c->shard_count - 1)];
    struct shelf *shelf = &s->shelf;
    int64_t n = 0;

    if (!shelf->buckets)
        return 0;
    pthread_mutex_lock(&s->lock);
    for (uint32_t k = 0; k <= shelf->mask && max > 0; k++) {
        uint32_t bucket = s->sweep_bucket++ & shelf->mask;

        max -= shelf->buckets[bucket] == NULL; /* an empty one takes time too */
        for (struct entry *e = shelf->buckets[bucket], *next; e; e = next, max--) {
            enum cache_drop fault = shelf_fault(shelf, e, now_us);

            next = e->chain;
            if (fault != DROP_COUNT) {
                shelf_remove(shelf, e, fault);
                n++;
            }
        }
    }
    shard_unlock(s);
    return n;
}

static void add_counts(struct cache_stats *sum, const struct shard *s)
{
    const struct cache_stats *n = &s->counts;

    sum->entries += shelf_count(&s->shelf);
    sum->bytes += (int64_t)(sizeof *s + shelf_bytes(&s->shelf));
    sum->ghosts += s->shelf.ghosts.count;
    sum->hits += n->hits;
    sum->stale_hits += n->stale_hits;
    sum->misses += n->misses;
    sum->waits += n->waits;
    sum->busy += n->busy;
    sum->fills += n->fills;
    sum->fill_failures += n->fill_failures;
    sum->early_refreshes += n->early_refreshes;
    sum->inserted += n->inserted;
    sum->refused_too_large += n->refused_too_large;
    sum->ahead_made += n->ahead_made;
    sum->ahead_used += n->ahead_used;
    sum->ahead_wasted += s->shelf.ahead_wasted;
    for (int i = 0; i < DROP_COUNT; i++)
        sum->dropped[i] += s->shelf.dropped[i];
    for (int i = 0; i < FORM_COUNT; i++)
        sum->encoded[i] += n->encoded[i];
}

void cache_stats(const struct cache *c, struct cache_stats *ret)
{
    *ret = (struct cache_stats){.bytes_max = (int64_t)c->bytes_max, .bytes = sizeof *c};
    for (uint32_t i = 0; i < c->shard_count; i++) {
        struct shard *s = &c->shards[i];

        pthread_mutex_lock(&s->lock);
        add_counts(ret, s);
        pthread_mutex_unlock(&s->lock);
    }
}
