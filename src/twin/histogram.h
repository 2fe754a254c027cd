/* histogram - many durations in few counts: logarithmic buckets that can be added, and quantiles
 * from them. Sixteen buckets an octave: what comes back is within 1/32 of the truth. Whole numbers
 * only, so that every machine counts alike. Pure. */
#pragma once
#include "twin/stats.h"

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 16 * 61 };

int32_t histogram_bucket(int64_t value); /* below 0 counts as 0; 0..HISTOGRAM_BUCKETS - 1 */
/* Values of the bucket: low <= v < high. */
struct interval histogram_bounds(int32_t bucket);

struct histogram_count {
    int32_t bucket;
    int64_t n;
};
/* Quantile q (0..1) of counts in ascending order of buckets, straight inside of each. NaN: no
 * count. */
double histogram_quantile(const struct histogram_count *c, int32_t count, double q);
/* 95 % for it, by the binomial law of how many lie below (normal approximation); a side that the
 * counts do not reach is NaN. */
struct interval histogram_interval(const struct histogram_count *c, int32_t count, double q);
