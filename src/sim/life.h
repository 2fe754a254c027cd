/* life - a learner's days, as events in the order of time. */
#pragma once
#include "sim/print.h"

struct sim_card {
    int32_t stability_milli; /* days, times 1000; 0: never seen */
    int32_t reviews;
    int64_t last_at; /* us */
};

/* What happened, for the truth file. */
struct sim_tally {
    int64_t events, sessions, completed, answers, correct, reviews, recalled, study_ms;
    int32_t answers_by_hour[24], correct_by_hour[24];
    uint8_t studied[(SIM_DAYS_MAX + 7) / 8]; /* a bit a day */
    int32_t exam_score_centi[SIM_EXAMS_MAX]; /* -1: not taken */
    struct sim_card cards[SIM_ALL_CARDS];
    int32_t practised[SIM_ALL_OBJECTIVES]; /* answers so far */
};

/* ERR_IO: the events cannot be written. */
MUST_CHECK enum err sim_live(const struct sim_world *w, const struct sim_learner *l,
                             struct rng *rng, struct sim_out *out, struct sim_tally *ret);
