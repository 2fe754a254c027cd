/* memory_fit - FSRS's weights for one learner, from that learner's reviews.
 *
 * The weights are the most probable ones given the reviews and what is known of other learners:
 * the smallest sum of log loss over reviews at least a day after the card's last one, and of
 * squared distances to the prior's mean in units of its standard deviations. Scales (MEMORY_LOGS)
 * are compared by their logarithm, the others as they are. The derivatives are exact: stability and
 * difficulty carry theirs with respect to all weights through the recursions of memory.h (forward
 * accumulation). The minimum is sought by Fisher scoring, damped (Levenberg 1944, Marquardt 1963)
 * and kept within the weights' ranges by leaving out those that stand at an end and push outwards.
 *
 * Pure and deterministic; needs no memory but its stack (some 25 KiB); stops after
 * MEMORY_FIT_STEPS_MAX passes over the reviews, about half a microsecond each review. */
#pragma once
#include "twin/memory.h"

enum {
    MEMORY_FIT_REVIEWS_MAX = 1000000,
    MEMORY_FIT_JUDGED_MIN = 32, /* with fewer judged reviews the prior's mean stands */
    MEMORY_FIT_STEPS_MAX = 60,
};

/* Reviews of a card stand together, in the order of time; the order of the cards is free. */
struct memory_step {
    int32_t days;  /* whole days since the card's review before; < 0: the card's first */
    uint8_t grade; /* enum memory_grade; any other is no review */
};

/* Bit i: weight i is compared by its logarithm. */
#define MEMORY_LOGS 0x000fu

/* What is known before: mean, and standard deviation (of the logarithm for MEMORY_LOGS). */
struct memory_prior {
    struct memory_weights mean;
    double sd[MEMORY_WEIGHTS]; /* > 0 */
};
/* The published defaults, and how people differ from them. */
extern const struct memory_prior memory_prior_default;

enum memory_fit_outcome {
    MEMORY_FIT_DONE,
    MEMORY_FIT_TOO_FEW, /* judged reviews: the weights are the prior's mean */
    MEMORY_FIT_NO_GAIN, /* the prior's mean is as good as anything near it */
};

struct memory_fit {
    struct memory_weights weights;
    double sd[MEMORY_WEIGHTS]; /* after the reviews (Laplace), as in struct memory_prior */
    enum memory_fit_outcome outcome;
    int32_t judged, recalled; /* reviews a day or more after the one before */
    int32_t steps;
    double total; /* what was made small: loss summed, and the prior's part; NaN: TOO_FEW */
    double loss_before, loss; /* mean log loss over the judged, by the prior's mean and by the
                                 weights; NaN when none is judged */
};

/* ERR_RANGE: count < 0 or beyond MEMORY_FIT_REVIEWS_MAX, a prior that is not within the ranges or
 * has a deviation that is not positive. */
MUST_CHECK enum err memory_fit(const struct memory_step *steps, int32_t count,
                               const struct memory_prior *prior, struct memory_fit *ret);

/* How surely a function of the weights is known after the fit: its standard deviation by the delta
 * method, from its derivatives at the fitted weights (by the logarithm for MEMORY_LOGS). steps,
 * prior: those of the fit. */
double memory_fit_sd(const struct memory_step *steps, int32_t count,
                     const struct memory_prior *prior, const struct memory_fit *fit,
                     const double derivatives[MEMORY_WEIGHTS]);

/* What the fit makes small, at `w` (which must lie within the ranges): log loss summed over the
 * judged reviews, without the prior; its derivatives by the weights as they are. */
double memory_fit_loss(const struct memory_weights *w, const struct memory_step *steps,
                       int32_t count, double ret_gradient[MEMORY_WEIGHTS]);

/* The prior for one more learner out of the population of these: mean, and as deviations how they
 * differ and how uncertain each one's weights are (empirical Bayes, by moments), as if `base` had
 * been base_learners (> 0) more. Never narrower than a quarter of the base's. */
void memory_prior_from(const struct memory_fit *const *learners, int32_t count,
                       const struct memory_prior *base, double base_learners,
                       struct memory_prior *ret);
