/* mission_row - a mission as answers show it: its row, plan, sessions, and how it went. */
#pragma once
#include "api/session_detail.h"

enum { MISSION_SESSIONS_MAX = 200 };

extern const char *const mission_statuses[]; /* ends in NULL */

struct mission {
    struct str id, status;
    int32_t day;
    int64_t created_at, started_at, completed_at, skipped_at;
    int64_t estimated, actual, due, fresh, difficulty;
    int64_t total, done;
    int64_t version;
    double completion;
    int64_t sessions, session_ms;
    double session_minutes, success; /* success: twin/success.h; NaN */
    struct str success_label;
    int64_t graded, succeeded; /* in its sessions; not shown */
};
extern const struct field mission_fields[];
struct mission mission_read(struct columns v);
bool mission_is(const struct mission *m, const char *status);

struct mission_session {
    struct str mission, id, notes;
    int64_t started_at, completed_at, duration_ms, reviews;
    int64_t graded, succeeded; /* not shown */
};
extern const struct field mission_session_fields[];
struct mission_session mission_session_read(struct columns v);

/* Credits the sessions to their missions, and says how those went that are completed. opinions:
 * rows of mission, count and sum of helpfulness; days: local days with a completed mission, from
 * SUCCESS_STREAK_FULL days before the first of them on. As many missions as there are on a page. */
void missions_judge(struct mission *m, int32_t n, const struct rows *sessions,
                    const struct rows *opinions, const struct rows *days);

struct mission_progress {
    int64_t total, completed, percentage, left;
    double spent;
};
extern const struct field mission_progress_fields[];

struct mission_shown {
    const struct mission *mission;
    struct list objectives, sessions, made, limits;
    struct mission_progress progress;
    int64_t minutes;
    bool created, recovery;
    struct str message, reason;
};
#define SHOWN_MISSION                                                                        \
    FIELD(F_OBJECT, struct mission_shown, mission, "mission",                                \
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = mission_fields,                    \
          .size = sizeof(struct mission), .doc = "the mission"),                             \
        FIELD(F_LIST, struct mission_shown, objectives, "objectives", .sub = planned_fields, \
              .size = sizeof(struct planned_objective), .doc = "its plan, in order"),        \
        FIELD(F_LIST, struct mission_shown, sessions, "studySessions",                       \
              .sub = mission_session_fields, .size = sizeof(struct mission_session),         \
              .doc = "sessions that serve it, at most 200"),                                 \
        FIELD(F_OBJECT, struct mission_shown, progress, "progress",                          \
              .sub = mission_progress_fields, .size = sizeof(struct mission_progress),       \
              .doc = "how far it has come")

/* One mission with all its parts. The queries, to be read in one round trip; then the answer.
 * ERR_NOT_FOUND. */
enum { MISSION_PARTS = 5 };
struct mission_parts_args {
    struct value v[3];
};
void mission_parts_queries(struct api_call *c, struct str id, struct mission_parts_args *a,
                           struct query q[MISSION_PARTS]);
MUST_CHECK enum err mission_parts_show(struct api_call *c, const struct query q[MISSION_PARTS],
                                       struct mission_shown **ret);

/* The event that closes a mission of which nothing is left. session_ms: study time of its sessions.
 * ERR_NOMEM. */
MUST_CHECK enum err mission_close_event(struct api_call *c, struct str mission, int64_t session_ms,
                                        struct event *ret);
/* The version that a change expects, at the head of the input of calls that change a mission. */
struct mission_claim {
    int64_t version;
    bool given; /* false: whatever it is */
    /* of mission_change() */
    struct str mission;
    const struct event *events;
    int32_t count;
    struct ingest_result results[2];
    enum err (*then)(struct api_call *c, const struct ingest_result *results, int32_t count);
};
#define FIELD_MISSION_VERSION(type)                                         \
    FIELD(F_I64, type, claim.version, "version", .min = 1, .max = 1e9,      \
          .seen = 1 + (uint32_t)offsetof(type, claim.given),                \
          .doc = "of the mission as it was read; left out: whatever it is")
/* Refuses (ERR_CONFLICT) unless `version` is what is claimed. */
MUST_CHECK enum err mission_claim_check(struct api_call *c, const struct mission_claim *claim,
                                        int64_t version);
/* The same in a writer's transaction, where the mission stays as it is read until the end.
 * ERR_NOT_FOUND: there is no such mission. */
MUST_CHECK enum err mission_claim_hold(struct api_call *c, struct store_conn *conn,
                                       const struct mission_claim *claim, int64_t *ret_learner);
/* api_ingest() of at most two events, which count only if the claim holds. claim: the first member
 * of c->in. */
enum err mission_change(struct api_call *c, struct mission_claim *claim, struct str mission,
                        const struct event *events, int32_t count,
                        enum err (*then)(struct api_call *c, const struct ingest_result *results,
                                         int32_t count));

void mission_event(struct api_call *c, struct event *e, enum event_kind kind, struct str mission);
