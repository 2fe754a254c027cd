/* answers - a data set of answers, and the forecasts that models make on it.
 *
 * Every model sees the answers in the same order, forecasts each before it learns from it, and goes
 * through the data once: first the training learners, then those of the test part, whose forecasts
 * are judged. */
#pragma once
#include "eval/score.h"
#include "ingest/event.h"

enum { ANSWERS_MAX = 20000000, ANSWERS_LEARNERS_MAX = 1000000, ANSWERS_NAMES_BYTES_MAX = 1 << 30 };

enum answers_model {
    ANSWERS_ITEM_MEAN, /* share of right answers to the item so far, drawn to the general one */
    ANSWERS_MASTERY,   /* mastery of the skills alone, whichever the item; the mean of several */
    ANSWERS_BEST_LR,   /* the served model's machinery with best-LR's features only */
    ANSWERS_DOPPEL,    /* what is served */
    ANSWERS_MODEL_COUNT
};
const char *answers_model_name(enum answers_model m);

struct answers;
MUST_CHECK enum err answers_new(struct answers **ret);
void answers_free(struct answers *a);
/* Answers with an outcome, and study (shown, not asked); other kinds are passed over. A learner's
 * events come in the order of time; learners may alternate. ERR_TOO_LARGE, ERR_NOMEM. */
MUST_CHECK enum err answers_add(struct answers *a, const struct event *e, bool test);
/* Draws the test learners: those whose ids stand first after sorting (as numbers if all are) and
 * split_shuffle(seed). share: 0..1, rounded to whole learners. ERR_NOMEM. */
MUST_CHECK enum err answers_split(struct answers *a, uint32_t seed, double share);
/* Forecasts of the test answers, by malloc; clusters are learners. ERR_NOMEM. */
MUST_CHECK enum err answers_forecast(const struct answers *a, enum answers_model m,
                                     struct forecast **ret, int64_t *ret_n);
uint32_t answers_learners(const struct answers *a);
/* ERR_NOMEM. Prints a line a metric for each model. */
MUST_CHECK enum err answers_evaluate(const struct answers *a, const char *set, int32_t resamples,
                                     FILE *out);
