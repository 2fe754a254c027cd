/* rhythm_cell - the sums of rhythm.h, and a cell's mean as a function of the rise in log odds: what
 * the models of slots and of fatigue stand on. Seen by these two alone. */
#pragma once
#include "base/rng.h"
#include "twin/rhythm.h"

#define RHYTHM_MICRO 1e6 /* sums are in millionths */

void rhythm_part_add(struct rhythm_part *to, const struct rhythm_part *part, int sign);

struct rhythm_cell {
    double n, y;     /* outcomes, successes */
    double logit, k; /* of the mean forecast; how much of a rise arrives, (0, 1] */
};
/* No data: all 0. */
struct rhythm_cell rhythm_cell_of(const struct rhythm_part *part);

/* Successes when the log odds rise by d; *ret_weight: the change by d there. */
double rhythm_cell_mean(const struct rhythm_cell *c, double d, double *ret_weight);

/* Linear around d: the response that a Gaussian model sees, with variance 1 / *ret_precision. The
 * binomial variance is n p (1 - p) k, too: cells of mixed forecasts vary less. */
double rhythm_working(const struct rhythm_cell *c, double d, double *ret_precision);

/* The rise common to cells[], within -6 .. 6. */
double rhythm_common_rise(const struct rhythm_cell *cells, int32_t count);

double rhythm_chi2_draw(struct rng *rng, double df);

/* How large a chance quotient's denominator would be: phi was estimated with df, and kept >= 1. */
double rhythm_phi_draw(struct rng *rng, double phi, double df);
