/* score - how good forecasts were: the proper scores, with intervals.
 *
 * A forecast is a probability of a yes and what came of it. Answers of one learner hang together,
 * so intervals come from resampling whole learners (cluster bootstrap, percentile, 95 %; Efron &
 * Tibshirani 1993), with a fixed seed: the same forecasts give the same figures. */
#pragma once
#include "base/err.h"

#include <stdint.h>
#include <stdio.h>

struct forecast {
    float p;          /* 0..1 */
    uint8_t outcome;  /* 0 or 1 */
    uint32_t cluster; /* what is resampled as a whole, the learner: 0..clusters-1 */
};

struct score {
    double value, low, high; /* NaN where it is not defined */
};

struct scores {
    int64_t n;
    double share;          /* of yes; NaN without forecasts */
    struct score auc;      /* area under the ROC curve, ties half (Mann & Whitney 1947); p is
                              compared in steps of 2^-16 */
    struct score log_loss; /* mean, natural logarithm; p is kept within 0.0005 of the ends */
    struct score brier;    /* mean squared error */
    struct score ece; /* expected calibration error over 20 bins of equal mass; its interval lies
                         high, as resampling adds noise to every bin */
    double reliability, resolution, uncertainty; /* of the Brier score (Murphy 1973), same bins */
};

enum { SCORE_BINS = 20, SCORE_RESAMPLES_MAX = 10000 };

/* resamples: 0 for no intervals; without two clusters there are none either. A probability that is
 * NaN or outside 0..1 is the caller's bug. ERR_NOMEM. */
MUST_CHECK enum err scores_of(const struct forecast *f, int64_t n, uint32_t clusters,
                              int32_t resamples, struct scores *ret);
/* "set split model metric value low high n", tab-separated, one line; "-" where undefined. */
void score_print(FILE *out, const char *set, const char *split, const char *model,
                 const char *metric, struct score s, int64_t n);
/* The same for auc, logLoss, brier and ece. */
void scores_print(FILE *out, const char *set, const char *split, const char *model,
                  const struct scores *s);
