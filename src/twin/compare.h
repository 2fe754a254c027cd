/* compare - is one group's mean another's? Welch's test, effect sizes, permutation, CUPED.
 *
 * Pure. Too little data is told by NaN in what cannot be known: a group of fewer than two values
 * has no spread, so there is no test; the difference of the means stands as long as both exist. */
#pragma once
#include "base/rng.h"
#include "twin/stats.h"

#include <stdbool.h>

struct sample {
    int64_t n;
    double mean, variance; /* unbiased, by n - 1; NaN for n < 2 */
};
struct sample compare_sample(const double *v, int32_t n);
/* From sums, as the store keeps them. */
struct sample compare_sample_of_sums(int64_t n, double sum, double sum_sq);

struct difference {
    double estimate; /* mean of a - mean of b */
    struct interval interval;
    double se, t, df, p;     /* p two-sided */
    double g;                /* Hedges' g: in pooled standard deviations, small-sample corrected */
    struct interval g_range; /* Hedges & Olkin 1985, by the normal law; same level */
    int64_t n_a, n_b;
};
/* Welch (1947), degrees of freedom after Satterthwaite (1946), exact t. level: 0.95 for a 95 %
 * interval. Two groups without any spread: p = 1 when they are equal; otherwise t, df, p and the
 * interval are NaN, because nothing tells how sure the values are. */
struct difference compare_welch(const struct sample *a, const struct sample *b, double level);
/* Cohen's d by the pooled standard deviation. */
double compare_cohen_d(const struct sample *a, const struct sample *b);

struct permutation {
    double estimate; /* mean of a - mean of b */
    double p;        /* two-sided */
    int64_t rounds;  /* arrangements looked at */
    bool exact;      /* all of them: p counts the given one among them */
};
enum { COMPARE_EXACT_MAX = 200000, COMPARE_VALUES_MAX = 1 << 20 };
/* Free exchange of labels, |difference of means| as the statistic (the same in the sample and in
 * the rounds). All arrangements when there are at most COMPARE_EXACT_MAX and no more than twenty
 * times `rounds`; otherwise `rounds` random ones with p = (b + 1) / (m + 1) (Phipson & Smyth
 * 2010). Only for values that may be exchanged: not for a series with a memory.
 * scratch: n_a + n_b values. An empty group: NaN. rounds >= 1. */
struct permutation compare_permute(const double *a, int32_t n_a, const double *b, int32_t n_b,
                                   int32_t rounds, struct rng *rng, double *scratch);

struct cuped {
    struct difference difference; /* of the adjusted outcomes; one degree of freedom less */
    double theta;                 /* slope of outcome on covariate, within the groups */
    double reduction;             /* share of the outcome's variance that the covariate explains */
};
/* Difference of outcomes y after taking away what a covariate x from before the treatment explains
 * (Deng, Xu, Kohavi & Walker 2013). A covariate without spread explains nothing. */
struct cuped compare_cuped(const double *x_a, const double *y_a, int32_t n_a, const double *x_b,
                           const double *y_b, int32_t n_b, double level);
