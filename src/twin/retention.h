/* retention - the chance that a learner still remembers a card, as it is served: the average, by
 * how well each has done for this learner (recall_trust), of the regression of recall.h and of FSRS
 * with weights fitted to the learner (memory_fit.h).
 *
 * Reviews come in the order of time. Each is forecast, then learnt from; when the judged ones have
 * grown by a quarter, FSRS is fitted anew to all of them, and the cards are walked again with the
 * new weights. The evaluation and the server call the same functions, so the same reviews give the
 * same forecasts. States of cards are rounded to millionths after each review, as card.h does.
 *
 * Pure: no clock, no I/O. */
#pragma once
#include "twin/card.h"
#include "twin/memory_fit.h"
#include "twin/recall.h"
#include "twin/stats.h"

/* One learner. */
struct retention {
    struct recall_weights recall;
    struct recall_level level;
    struct recall_trust trust; /* in the regression, against the fitted curve */
    struct memory_weights own; /* fitted; until there are enough reviews the prior's mean */
    double own_sd[MEMORY_WEIGHTS];
    int64_t judged; /* reviews a day or more after the card's last one */
    int64_t fitted; /* of these when `own` was fitted; 0: it was not */
};

/* One card. Zeroed: never reviewed. */
struct retention_card {
    struct card_memory memory;                         /* by the published weights */
    int64_t own_stability_micro, own_difficulty_micro; /* by the learner's own */
    int32_t streak;                                    /* remembered in a row */
    int32_t last_gap; /* days between the two latest reviews a day or more apart; 0: none */
    uint8_t last_grade;
};

/* What was forecast just before a review, each the chance of recall. */
struct retention_before {
    double served, fitted, published;
};

/* The prior of a new learner; NULL: "as the curve says", and memory_prior_default. */
void retention_init(struct retention *r, const struct recall_weights *recall,
                    const struct memory_prior *fsrs);

/* Forecasts, learns, and moves the card on. false: nothing was forecast, as on the same day, at the
 * first review, or where card_review() does not judge. now_s 0: unknown. */
bool retention_review(struct retention *r, struct retention_card *card, enum memory_grade grade,
                      int32_t day, int64_t now_s, struct retention_before *ret);

/* Moves only the card on, and leaves out what hangs on the learner's weights. */
void retention_card_move(struct retention_card *card, enum memory_grade grade, int32_t day);

/* To be asked before each review: shall FSRS be fitted anew first? */
bool retention_refit_due(const struct retention *r);
struct retention_event {
    uint32_t card;
    int32_t day;
    uint8_t grade;
};
/* Fits to all reviews so far, in the order of time, and gives the cards 0..card_count-1 their
 * states by the new weights. fsrs: the prior. ERR_NOMEM, ERR_RANGE as memory_fit(). */
MUST_CHECK enum err retention_refit(struct retention *r, const struct memory_prior *fsrs,
                                    const struct retention_event *events, int64_t count,
                                    struct retention_card *cards, uint32_t card_count);

/* The chance of recall on `day` (one before the card's last: as on that). A longer absence never
 * raises it. The card must have been reviewed. ret_interval, where wanted: 95 % of what is known of
 * the regression's weights. */
double retention_recall(const struct retention *r, const struct retention_card *card, int32_t day,
                        int64_t now_s, struct interval *ret_interval);

/* The first day after the card's last on which the chance is RETENTION_WANTED or less, the
 * learner's form of a day left out. MEMORY_S_MAX days after it at most. */
#define RETENTION_WANTED 0.9
int32_t retention_due(const struct retention *r, const struct retention_card *card);

/* ---- as stored ---- */

enum { RETENTION_BYTES = 2605, RETENTION_CARD_BYTES = 40 };
void retention_encode(const struct retention *r, uint8_t out[RETENTION_BYTES]);
/* ERR_RANGE: of another version, cut, or with numbers that cannot be. */
MUST_CHECK enum err retention_decode(struct retention *r, const uint8_t *bytes, size_t n);
void retention_card_encode(const struct retention_card *c, uint8_t out[RETENTION_CARD_BYTES]);
MUST_CHECK enum err retention_card_decode(struct retention_card *c, const uint8_t *bytes, size_t n);

/* ---- what others came to ---- */

enum { RETENTION_PEOPLE_MIN = 20 }; /* a prior is of so many, that nobody's weights show in it */
struct retention_prior {
    struct recall_weights recall; /* covariances are left out */
    struct memory_prior fsrs;
};
/* recall_population() and memory_prior_from(), the published differences counting as one person.
 * count >= 1. ERR_NOMEM. */
MUST_CHECK enum err retention_population(const struct retention *const *learners, int32_t count,
                                         struct retention_prior *ret);
enum { RETENTION_PRIOR_BYTES = 689 };
void retention_prior_encode(const struct retention_prior *p, uint8_t out[RETENTION_PRIOR_BYTES]);
MUST_CHECK enum err retention_prior_decode(struct retention_prior *p, const uint8_t *bytes,
                                           size_t n);
