/* reviews - one person's flashcard reviews, and the forecasts of recall that models make on them.
 *
 * Online: each review is forecast from those before it, then learnt from. Judged are reviews at
 * least a day after the card's last one. */
#pragma once
#include "eval/score.h"
#include "twin/retention.h"

enum { REVIEWS_MAX = MEMORY_FIT_REVIEWS_MAX };

struct review {
    uint32_t card;
    int32_t day;   /* since 1970, in the person's reckoning */
    int64_t at_s;  /* reviews stand in the order of time */
    uint8_t grade; /* enum memory_grade */
    float rival;   /* another scheduler's forecast of recall; NaN: none */
};

enum reviews_model {
    REVIEWS_FSRS_DEFAULT, /* the curve with the published default weights */
    REVIEWS_FSRS_FITTED,  /* with the person's own weights, fitted to what came before */
    REVIEWS_RIVAL,        /* what the source itself forecast; only where it did for all */
    REVIEWS_DOPPEL,       /* what is served */
    REVIEWS_MODEL_COUNT
};

/* What other people came to, to begin with. NULL: "as the curve says", and the published weights
 * (memory_prior_default). */
struct reviews_prior {
    const struct recall_weights *recall;
    const struct memory_prior *fsrs;
};
/* Fills ret[0..*ret_n) with at most `count` forecasts; clusters are cards, as there is but one
 * person. FSRS is fitted anew when the judged reviews have grown by a quarter; a fit sees only what
 * came before it. ret_learnt: what it all taught; NULL is fine. ERR_NOMEM. */
MUST_CHECK enum err reviews_forecast(const struct review *r, int64_t count, enum reviews_model m,
                                     const struct reviews_prior *prior, struct forecast *ret,
                                     int64_t *ret_n, struct retention *ret_learnt);
/* What the next forecast would be made of: ret_cards has room for the greatest card's number, and
 * one. ERR_NOMEM. */
MUST_CHECK enum err reviews_learn(const struct review *r, int64_t count,
                                  const struct reviews_prior *prior, struct retention *ret,
                                  struct retention_card *ret_cards);
/* One line a metric for each model. `split` is the person's name when there are several.
 * rival: the rival's name; NULL: there is none. ERR_NOMEM. */
MUST_CHECK enum err reviews_evaluate(const struct review *r, int64_t count,
                                     const struct reviews_prior *prior, const char *set,
                                     const char *split, const char *rival, int32_t resamples,
                                     FILE *out);
