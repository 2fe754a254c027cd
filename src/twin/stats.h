/* stats - small honest statistics: proportions with intervals, partial pooling, quantiles, and the
 * thinning of long series. Pure; every function says what it gives for too little data. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define STATS_Z95 1.959963984540054 /* standard normal quantile of 0.975 */

struct interval {
    double low, high;
};

/* Wilson score interval of k successes in n trials (Wilson 1927). k and n need not be whole: pooled
 * counts are welcome. 0 <= k <= n; n <= 0 gives [0, 1]. */
struct interval stats_wilson(double k, double n, double z);

/* Jeffreys interval: quantiles of Beta(k + 1/2, n - k + 1/2), 0 at k = 0 and 1 at k = n (Brown, Cai &
 * DasGupta 2001). level: 0.95 for a 95 % interval. The same limits of k and n. */
struct interval stats_jeffreys(double k, double n, double level);

/* A group's successes among its trials. */
struct share {
    double k, n;
};

/* Of the difference of two independent proportions, a - b, from their Wilson intervals (Newcombe
 * 1998, method 10). Both need trials. */
struct interval stats_difference(struct share a, struct share b, double z);

/* Partial pooling of proportions: each group's rate has the prior Beta(m*s, (1-m)*s), with m the
 * rate of all groups together and s ("strength", in trials) from the spread between the groups
 * beyond what chance explains (method of moments; Kleinman 1973). No visible spread: s is
 * STATS_STRENGTH_MAX, so groups all but share one rate. Fewer than two groups with data: s = 8. */
enum { STATS_STRENGTH_MIN = 2, STATS_STRENGTH_MAX = 400 };
struct pool {
    double mean;     /* NaN without any trial */
    double strength; /* >= STATS_STRENGTH_MIN */
    double n;        /* trials in all */
};
struct pool stats_pool(const struct share *groups, int32_t count);
/* The group's rate after pooling, and its 95 % interval (Wilson on the pooled counts).
 * n -> 0 gives the common mean, n -> infinity the group's own rate. */
double stats_pooled_rate(const struct pool *p, struct share group);
struct interval stats_pooled_interval(const struct pool *p, struct share group);

/* Mean with its 95 % interval by Student's t. n < 2: the interval is NaN..NaN. */
struct mean_estimate {
    double mean, sd;
    struct interval interval;
    int64_t n;
};
struct mean_estimate stats_mean(int64_t n, double sum, double sum_sq);

/* Quantile q (0..1) by linear interpolation between order statistics (type 7 of Hyndman & Fan
 * 1996). `sorted` ascends. n == 0: NaN. */
double stats_quantile(const double *sorted, int32_t n, double q);
void stats_sort(double *v, int32_t n); /* ascending; no NaN */

/* Largest-triangle-three-buckets (Steinarsson 2013): the indices of `keep` points that show the
 * series' shape, ascending, first and last included. x ascends. Returns how many were written:
 * min(n, keep); keep >= 2, or nothing when it is less. */
int32_t stats_lttb(const double *x, const double *y, int32_t n, int32_t keep, int32_t *ret_indices);
