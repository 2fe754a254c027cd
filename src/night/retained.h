/* retained - the chance of recall of stored cards, as answers and forecasts have it: what the
 * nights learnt (night/retention.h) where it still holds, FSRS with its published weights
 * otherwise, that is for who was never met at night, and for a card that was reviewed since. (Such
 * a card was reviewed today, but for nights that are late: it is not due, and both say so.)
 *
 * Chances are those in the middle of a session: how long the learner has paused before is left out,
 * as it is where a card's day is set. */
#pragma once
#include "store/store.h"
#include "twin/retention.h"

struct retained {
    bool learnt; /* false: nothing is known of the learner's own memory */
    struct retention learner;
};
/* From the rows of retention_of_learner. */
void retained_read(const struct rows *rows, struct retained *ret);

/* A row's columns from some place on: stability_micro (> 0), memory_day; due_day and the state
 * where they hold, else NULL. */
enum { RETAINED_COLUMNS = 4 };
struct retained_now {
    double recall;
    bool due; /* on that day */
    bool own; /* by the learner's own memory, not by the published weights */
};
/* ret_interval, where wanted: 95 %, NaN where the card goes by the published weights. */
struct retained_now retained_card(const struct retained *r, const struct value *columns,
                                  int32_t day, struct interval *ret_interval);
/* For replies: how chances are told, and how many reviews were forecast and learnt from for it. */
struct str retained_of(const struct retained *r, int64_t *ret_n);
