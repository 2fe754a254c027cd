/* forgetting - how fast a learner forgets, as one exponential, with all that is not known about it.
 *
 * The curve is card_curve_of(): the exponential through the mean recall of the learner's cards up
 * to 90 days after a review. Reviews come long before that, while recall is still near nine in ten,
 * so what lies behind them hangs on the shape of the tail, FSRS's decay, of which one learner's
 * reviews say little. Whoever plugs in one decay, fitted or published, is too sure. So the decay
 * goes through the whole range that it may have, none more likely than another beforehand; at each
 * the other weights are fitted anew, and the fits are weighed by how well they do. The half-life's
 * logarithm is a mixture of normal laws, one a decay, as wide as the other weights leave it open
 * there (delta method); reported are its median and its central 95 %. Pure; allocates for the
 * cards' states. */
#pragma once
#include "twin/card.h"
#include "twin/memory_fit.h"
#include "twin/stats.h"

enum {
    FORGETTING_DECAYS = 8,
    /* Where there are more reviews, every second, third ... card stands for all. */
    FORGETTING_REVIEWS_MAX = 10000,
};

struct forgetting {
    double initial, decay;  /* the curve: initial * e^(-decay * days) */
    struct interval decays; /* 95 % */
    int32_t cards;          /* that were looked at */
};
/* False: no card, or too few judged reviews (MEMORY_FIT_JUDGED_MIN); *ret is then not written.
 * ERR_RANGE as memory_fit(); ERR_NOMEM. */
MUST_CHECK enum err forgetting_of(const struct memory_step *steps, int32_t count,
                                  const struct memory_prior *prior, bool *ret_some,
                                  struct forgetting *ret);
