#include "twin/histogram.h"

#include "base/assert.h"

#include <math.h>

enum { STEPS = 16, STEP_BITS = 4 };

int32_t histogram_bucket(int64_t value)
{
    uint64_t v = value > 0 ? (uint64_t)value : 0;

    if (v < STEPS)
        return (int32_t)v;
    int octave = 63 - __builtin_clzll(v); /* 4..62 */
    return (octave - STEP_BITS + 1) * STEPS + (int32_t)(v >> (octave - STEP_BITS) & (STEPS - 1));
}

struct interval histogram_bounds(int32_t bucket)
{
    ASSERT(bucket >= 0 && bucket < HISTOGRAM_BUCKETS);
    if (bucket < STEPS)
        return (struct interval){bucket, bucket + 1};
    int octave = bucket / STEPS - 1; /* above the first whole one */
    double width = ldexp(1, octave), low = (STEPS + bucket % STEPS) * width;

    return (struct interval){low, low + width};
}

static double total(const struct histogram_count *c, int32_t count)
{
    double n = 0;

    for (int32_t i = 0; i < count; i++)
        n += (double)c[i].n;
    return n;
}

/* The value below which `rank` of the counts lie. */
static double at_rank(const struct histogram_count *c, int32_t count, double rank)
{
    double below = 0;

    for (int32_t i = 0; i < count; i++) {
        double n = (double)c[i].n;
        if (rank <= below + n && n > 0) {
            struct interval b = histogram_bounds(c[i].bucket);
            return b.low + (b.high - b.low) * fmax(0, rank - below) / n;
        }
        below += n;
    }
    return (double)NAN;
}

double histogram_quantile(const struct histogram_count *c, int32_t count, double q)
{
    double n = total(c, count);

    return n > 0 ? at_rank(c, count, q * n) : (double)NAN;
}

struct interval histogram_interval(const struct histogram_count *c, int32_t count, double q)
{
    double n = total(c, count), half = STATS_Z95 * sqrt(n * q * (1 - q));
    double low = n * q - half, high = n * q + half;

    return (struct interval){low > 0 ? at_rank(c, count, low) : (double)NAN,
                             high < n ? at_rank(c, count, high) : (double)NAN};
}
