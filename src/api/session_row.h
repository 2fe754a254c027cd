/* session_row - one row of STMT_SESSION_ONE or STMT_SESSION_LIST, and its form in replies. */
#pragma once
#include "api/learner.h"

enum session_state { SESSION_ACTIVE, SESSION_PAUSED, SESSION_COMPLETED, SESSION_ABANDONED };

struct session_mission {
    struct str id;
    int32_t day;
    struct str status;
    int64_t estimated_minutes, actual_minutes; /* INT64_MIN: none */
    int64_t completed_at;
};
extern const struct field session_mission_fields[];

/* All that a reply needs; the first part is shown as it is. */
struct session_row {
    struct str id, user_id, mission_id;
    int64_t started_at, completed_at;
    int64_t duration_ms, paused_ms;
    int32_t state;
    int64_t reviews, recalled, answers, correct, new_cards;
    double average_rating, success; /* NaN: none */
    int64_t objectives_done, objectives_total;
    double completion;      /* percent; NaN without a plan */
    double self_assessment; /* mean; NaN */
    struct str notes;
    int64_t objective_index;
    const struct session_mission *mission;
    bool untimed;
    double duration_minutes;
    bool is_completed;
    int32_t mission_day; /* INT32_MIN: none */
    /* not shown */
    struct session_facts facts;
    int64_t latency_n, latency_ms_sum, latency_log_micro;
};
extern const struct field session_fields[];      /* members in learning/sessions, without mission */
extern const struct field session_stat_fields[]; /* and in analytics/sessions */

/* A session as learning/sessions shows it. */
struct session_shown {
    struct session_row row;
    const struct session_mission *mission;
    struct list reviews; /* struct review; p == NULL: not asked for */
};
extern const struct field session_shown_fields[];

/* ERR_NOMEM. */
MUST_CHECK enum err session_row_read(struct api_call *c, struct columns v, struct session_row *ret);
/* The twelve columns of STMT_SESSION_SPANS. */
struct session_facts session_facts_read(struct columns *v);
