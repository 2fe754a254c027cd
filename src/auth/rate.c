/* rate - token buckets in a table of fixed size: 16 shards with a lock each, sets of 8 buckets.
 *
 * A full set gives up its fullest bucket: that caller has asked for little lately and loses nothing
 * that matters, while those who are being held back stay known. */
#include "auth/auth.h"
#include "base/assert.h"
#include "base/hash.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum { SHARDS = 16, WAYS = 8 };

struct bucket {
    uint64_t who; /* keyed hash; 0: never used */
    double tokens;
    int64_t at_us;
};

struct shard {
    pthread_mutex_t lock; /* guards its buckets */
} __attribute__((aligned(64)));

struct rate {
    struct rate_options options;
    struct bucket *buckets; /* sets of WAYS; a set belongs to the shard of its number */
    uint64_t sets;          /* a power of two */
    struct shard shards[SHARDS];
};

enum err rate_new(const struct rate_options *options, struct rate **ret)
{
    if (!(options->per_second >= 0) || !(options->burst >= 1) || options->buckets_max < 1)
        return ERR_RANGE;
    struct rate *r = aligned_alloc(64, (sizeof *r + 63) / 64 * 64);
    if (!r)
        return ERR_NOMEM;
    memset(r, 0, sizeof *r);
    r->options = *options;
    r->sets = 1;
    while (r->sets * 2 * WAYS <= (uint64_t)options->buckets_max)
        r->sets *= 2;
    r->buckets = calloc(r->sets * WAYS, sizeof *r->buckets);
    if (!r->buckets) {
        free(r);
        return ERR_NOMEM;
    }
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_init(&r->shards[i].lock, NULL);
    *ret = r;
    return ERR_OK;
}

void rate_free(struct rate *r)
{
    if (!r)
        return;
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&r->shards[i].lock);
    free(r->buckets);
    free(r);
}

static double tokens_now(const struct rate *r, const struct bucket *b, int64_t now_us)
{
    if (b->who == 0)
        return INFINITY; /* the first to be taken */
    double more = now_us > b->at_us ? (double)(now_us - b->at_us) / 1e6 * r->options.per_second : 0;
    return fmin(r->options.burst, b->tokens + more);
}

/* The caller's bucket, filled up to now. The set's lock is held. */
static struct bucket *bucket_of(struct rate *r, struct bucket *set, uint64_t who, int64_t now_us)
{
    struct bucket *fullest = set;

    for (int i = 0; i < WAYS; i++) {
        if (set[i].who == who) {
            set[i].tokens = tokens_now(r, &set[i], now_us);
            set[i].at_us = now_us > set[i].at_us ? now_us : set[i].at_us;
            return &set[i];
        }
        if (tokens_now(r, &set[i], now_us) > tokens_now(r, fullest, now_us))
            fullest = &set[i];
    }
    *fullest = (struct bucket){.who = who, .tokens = r->options.burst, .at_us = now_us};
    return fullest;
}

bool rate_take(struct rate *r, struct str who, double cost, int64_t now_mono_us,
               int32_t *ret_wait_s)
{
    if (r->options.per_second <= 0)
        return true;
    uint64_t h = hash_str(who);
    uint64_t set = h & (r->sets - 1);
    struct shard *shard = &r->shards[set % SHARDS];

    if (h == 0)
        h = 1;
    pthread_mutex_lock(&shard->lock);
    struct bucket *b = bucket_of(r, r->buckets + set * WAYS, h, now_mono_us);
    bool ok = b->tokens >= cost;
    double missing = cost - b->tokens;
    if (ok)
        b->tokens -= cost;
    pthread_mutex_unlock(&shard->lock);
    if (!ok) {
        double wait = ceil(missing / r->options.per_second);
        *ret_wait_s = wait < 1 ? 1 : wait > 86400 ? 86400 : (int32_t)wait;
    }
    return ok;
}
