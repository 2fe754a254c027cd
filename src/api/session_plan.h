/* session_plan - a stored plan as lists show it, and what became of it: the session that began
 * nearest to it. Nothing of that is kept; it follows from the sessions. */
#pragma once
#include "api/learner.h"

enum plan_state { PLAN_PLANNED, PLAN_DONE, PLAN_MISSED, PLAN_CANCELLED };

struct plan_kept {
    struct str session;
    int64_t started_at;
    double off_minutes, minutes;
    bool followed;
};
struct plan_row {
    struct str id, user_id, mission;
    int64_t start, end, minutes, asked;
    struct str intensity;
    double confidence;
    int64_t created_at;
    int32_t state;
    const struct plan_kept *kept; /* NULL: no session belongs to it */
};
extern const struct field plan_row_fields[];

/* A session with what its result is judged by. */
struct plan_session {
    struct str id;
    int64_t start, graded, succeeded;
    double minutes;
};

/* Rows of STMT_ORCHESTRA_SESSIONS without those that have no clock, by start. */
MUST_CHECK enum err plan_sessions_read(struct api_call *c, const struct rows *rows,
                                       struct plan_session **ret, int32_t *ret_count);
/* The first columns of STMT_SESSION_PLAN_LIST and _ONE. */
struct plan_row plan_row_read(struct api_call *c, struct columns *v);
/* Says what became of each; plans in any order. ret_pairs, unless NULL: for each plan the number of
 * its session, or -1; in the arena. */
MUST_CHECK enum err plans_judge(struct api_call *c, struct plan_row *plans, int32_t count,
                                const struct plan_session *sessions, int32_t session_count,
                                int32_t **ret_pairs);
