/* correlate - how two series go together, with how much data there really is.
 *
 * Values next to each other in time resemble each other, so n points are worth fewer: the effective
 * number is n (1 - rx ry) / (1 + rx ry) with the two lag-1 autocorrelations (Bayley & Hammersley
 * 1946; Bretherton et al. 1999). p is by Student's t with that number less two, exactly. Pure. */
#pragma once
#include "twin/stats.h"

#include <stdbool.h>

struct correlation {
    double r;                 /* NaN: fewer than three pairs, or a series without spread */
    int32_t n;                /* pairs, both values present */
    double n_eff;             /* <= n */
    double t, p;              /* two-sided; NaN when n_eff <= 2 */
    struct interval interval; /* 95 %, Fisher z; [-1, 1] when n_eff <= 3 */
};

/* Pairs with a NaN are left out. serial: the pairs are in order of time (equally spaced), and the
 * effective number shall be used; it is never above n. */
struct correlation correlate_pearson(const double *x, const double *y, int32_t n, bool serial);
/* Of the ranks, ties at their mean rank; the interval's variance after Bonett & Wright (2000).
 * scratch: 4 n values. */
struct correlation correlate_spearman(const double *x, const double *y, int32_t n, bool serial,
                                      double *scratch);

double correlate_n_eff(double n, double rx, double ry); /* may exceed n: rx ry < 0 */
/* Lag-1 autocorrelation, corrected for its bias in short series (Kendall 1954), within +-0.99; 0
 * for fewer than five values or no spread. NaN: a gap. */
double correlate_lag1(const double *v, int32_t n);
/* tanh(atanh r +- z / sqrt(n_eff - 3)); |r| = 1: the point. */
struct interval correlate_interval(double r, double n_eff, double level);
double correlate_p(double r, double n_eff);

/* Ranks 1..n, ties at their mean. order: scratch of n. */
void correlate_ranks(const double *v, int32_t n, double *ret_ranks, double *order);
