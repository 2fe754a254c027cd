/* course_risk - what the nights say of learners who take a run of a course (night/runs.h). */
#pragma once
#include "api/learner.h"
#include "twin/warning_run.h"

/* A part of a risk; parts sum to its log odds. */
struct risk_part {
    struct str reason;
    double log_odds;
};
extern const struct field risk_part_fields[];

struct course_risk {
    struct str course, of;
    int32_t begins, ends;
    int64_t day, landmark;
    bool ended;
    struct str outcome;
    double risk;
    struct list parts, history;
    struct str strongest;
    int64_t pieces, members, fitted_on, past_learners, others;
    struct str method, reason;
    int64_t needed_days, needed_learners;
};
extern const struct field course_risk_fields[];
/* Of rows of STMT_RUN_RISK. None: a reason where a run was asked for, else *ret is NULL. */
MUST_CHECK enum err course_risk_new(struct api_call *c, const struct rows *rows, struct str asked,
                                    const struct course_risk **ret);
/* How a risk comes about that so many learners of ended runs have taught. */
struct str course_risk_method(int64_t past_learners);
extern const struct endpoint endpoints_course_risk[];
