/* meta - many estimates at once: pooled into one, or judged together.
 *
 * Pooling: fixed effect by inverse variance; random effects with tau^2 after DerSimonian & Laird
 * (1986) and the interval after Hartung & Knapp (2001) with k - 1 degrees of freedom, its factor
 * kept at one or more (Roever, Knapp & Friede 2015), so that agreement by luck does not shrink it.
 * Judging: adjusted p values after Benjamini & Hochberg (1995). Pure. */
#pragma once
#include "twin/stats.h"

struct meta_item {
    double estimate, variance; /* variance > 0; others are left out, as are NaN */
};
struct meta {
    int32_t k; /* used */
    double fixed, fixed_p;
    struct interval fixed_interval;
    double random, random_p; /* k = 1: as fixed */
    struct interval random_interval;
    double tau2, q, q_p, i2; /* heterogeneity; q_p and i2 NaN for k < 2 */
};
/* k = 0: everything NaN. */
struct meta meta_pool(const struct meta_item *items, int32_t count, double level);

/* Correlations go in as z with variance 1 / (n_eff - 3); back with tanh. */
struct meta_item meta_of_correlation(double r, double n_eff);

/* ret_adjusted[i] <= q: reject i while at most a share q of the rejected is expected to be false.
 * NaN stays NaN and does not count. order: scratch of n. p and ret_adjusted may be the same. */
void meta_benjamini_hochberg(const double *p, int32_t n, double *ret_adjusted, int32_t *order);
