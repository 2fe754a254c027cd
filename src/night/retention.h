/* retention - what learners retain (twin/retention.h) is learnt from the reviews that have come.
 *
 * A run reads the reviews behind the place of the last one, in order, and the states of their
 * cards; forecasts each, judges the forecast (AUDIT_SERVED), learns from it, and leaves the
 * learner's state and those of the cards, with the day each is due, to be written. Work is in
 * proportion to what is new, but for the fits: when the judged reviews have grown by a quarter all
 * are read once more, and all cards walked with the new weights, which over the years reads each
 * review five times or so.
 *
 * A run takes RETENTION_ROUND_MAX reviews; night_work.more says that there are others, and also
 * that something is to be written: what comes after this step reads it from the store. A review
 * that comes late, behind the place, is seen by the count of all; a rebuild (or another zone) says
 * by itself that the cards were made anew. Then all is learnt anew from the log, beginning with
 * what is known of others by then, and the cards go by the published weights meanwhile. What had
 * been judged is not judged again.
 *
 * When nothing is new and it is a week old, the prior of new learners is made anew from up to
 * RETENTION_PEOPLE_MAX learners who count in sums over many and of whom enough is known, those
 * about this one: none of fewer than RETENTION_PEOPLE_MIN. */
#pragma once
#include "night/night.h"
#include "twin/retention.h"

enum {
    RETENTION_ROUND_MAX = 8000,
    RETENTION_CARDS_MAX = 30000, /* with more cards, or more than NIGHT_REVIEWS_MAX reviews, weights
                                    are not fitted any more: those that there are stay */
    RETENTION_PEOPLE_MAX = 500,
};

/* The first step. */
MUST_CHECK enum err night_retention(struct night_work *w);
