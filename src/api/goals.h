/* goals - a goal as answers show it. */
#pragma once
#include "api/learner.h"

struct goal {
    struct str id, user_id, type, metric, title, description, status;
    bool rising, overdue;
    double start, current, target, measured, progress;
    int64_t deadline, version, created_at, updated_at, completed_at;
};
extern const struct field goal_fields[];

/* The active ones of STMT_GOALS_OF_LEARNER, the earliest deadline first; without measurements. */
MUST_CHECK enum err goals_active(struct api_call *c, const struct rows *rows, struct list *ret);
