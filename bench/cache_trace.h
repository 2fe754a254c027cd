/* cache_trace - made-up sequences of questions that look like those a cache meets; the same seed
 * gives the same. */
#pragma once
#include "base/assert.h"
#include "base/rng.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

struct trace {
    int32_t *keys; /* 0 .. key_count - 1 */
    int64_t n;
    uint32_t *sizes; /* by key: bytes of the body */
    int32_t key_count;
};

static inline void trace_alloc(struct trace *t, int64_t n, int32_t keys)
{
    *t = (struct trace){.n = n, .key_count = keys};
    t->keys = calloc((size_t)n, sizeof *t->keys);
    t->sizes = calloc((size_t)keys, sizeof *t->sizes);
    ASSERT(t->keys && t->sizes);
}

static inline void trace_fini(struct trace *t)
{
    free(t->keys);
    free(t->sizes);
}

/* Answers of a few hundred bytes to some thousands, log-normal. */
static inline void trace_sizes(struct trace *t, struct rng *r)
{
    for (int32_t i = 0; i < t->key_count; i++) {
        double size = 900 * exp(0.8 * rng_normal(r));

        t->sizes[i] = (uint32_t)(size < 80 ? 80 : size > 30000 ? 30000 : size);
    }
}

/* `popular` keys asked for by Zipf's law of that skew; a share of all requests goes over keys that
 * are asked for in their order, round by round: what an export or a crawler does. */
static inline void trace_zipf(struct trace *t, uint64_t seed, int64_t n, int32_t popular,
                              double skew, int32_t scanned, double scan_share)
{
    double *sums = calloc((size_t)popular, sizeof *sums), sum = 0;
    struct rng r;
    int32_t at = 0;

    ASSERT(sums);
    trace_alloc(t, n, popular + scanned);
    rng_seed(&r, seed);
    trace_sizes(t, &r);
    for (int32_t i = 0; i < popular; i++)
        sums[i] = sum += 1 / pow(i + 1, skew);
    for (int64_t k = 0; k < n; k++) {
        if (scanned && rng_unit(&r) < scan_share) {
            t->keys[k] = popular + at;
            at = (at + 1) % scanned;
            continue;
        }
        double where = rng_unit(&r) * sum;
        int32_t low = 0, high = popular - 1;

        while (low < high) {
            int32_t middle = low + (high - low) / 2;

            if (sums[middle] < where)
                low = middle + 1;
            else
                high = middle;
        }
        t->keys[k] = low;
    }
    free(sums);
}
