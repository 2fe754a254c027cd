#include "api/mission_row.h"

#include "base/assert.h"
#include "twin/success.h"

#include <math.h>

const char *const mission_statuses[] = {"PENDING", "IN_PROGRESS", "COMPLETED", "SKIPPED", NULL};

const struct field mission_fields[] = {
    FIELD(F_STR, struct mission, id, "id", .doc = "mission"),
    FIELD(F_DATE, struct mission, day, "date", .doc = "local day it is for"),
    FIELD(F_STR, struct mission, status, "status",
          .doc = "PENDING, IN_PROGRESS, COMPLETED or SKIPPED"),
    FIELD(F_I64, struct mission, estimated, "estimatedMinutes", .doc = "as planned"),
    FIELD(F_I64, struct mission, actual, "actualMinutes", .flags = FIELD_NULLABLE,
          .doc = "told with its completion; null: not told"),
    FIELD(F_I64, struct mission, due, "reviewCardCount", .doc = "cards that were due in it"),
    FIELD(F_I64, struct mission, fresh, "newContentCount",
          .doc = "objectives that were new to the learner"),
    FIELD(F_I64, struct mission, difficulty, "difficultyRating", .flags = FIELD_NULLABLE,
          .doc = "the learner's, 1 to 5"),
    FIELD(F_I64, struct mission, total, "objectiveCount", .doc = "objectives planned"),
    FIELD(F_I64, struct mission, done, "completedObjectivesCount", .doc = "of these, done"),
    FIELD(F_I64, struct mission, done, "completedObjectiveCount", .doc = "the same"),
    FIELD(F_F64, struct mission, completion, "completionRate", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "percent of the objectives; null without any"),
    FIELD(F_I64, struct mission, sessions, "studySessionCount", .doc = "sessions that serve it"),
    FIELD(F_F64, struct mission, session_minutes, "totalStudyMinutes", .doc = "their study time"),
    FIELD(F_F64, struct mission, success, "successScore", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1,
          .doc = "of objectives done, right answers, time kept, the learner's opinion and the "
                 "streak, as far as known; null unless completed"),
    FIELD(F_STR, struct mission, success_label, "successLabel", .flags = FIELD_NULLABLE,
          .doc = "excellent, good, fair, weak or poor"),
    FIELD(F_TIME, struct mission, created_at, "createdAt", .doc = "when it was made"),
    FIELD(F_TIME, struct mission, started_at, "startedAt", .flags = FIELD_NULLABLE,
          .doc = "when work on it began"),
    FIELD(F_TIME, struct mission, completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was completed"),
    FIELD(F_TIME, struct mission, skipped_at, "skippedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was dropped, or replaced"),
    FIELD(F_I64, struct mission, version, "version",
          .doc = "raised by each event and opinion that tells of it"),
    FIELD_END,
};

struct mission mission_read(struct columns v)
{
    struct mission m = {.id = column_str(&v)};

    m.day = (int32_t)column_i64(&v, INT32_MIN);
    m.status = column_str(&v);
    m.created_at = column_time(&v);
    m.started_at = column_time(&v);
    m.completed_at = column_time(&v);
    m.skipped_at = column_time(&v);
    m.estimated = column_i64(&v, 0);
    m.actual = column_i64(&v, INT64_MIN);
    m.due = column_i64(&v, 0);
    m.fresh = column_i64(&v, 0);
    m.difficulty = column_i64(&v, INT64_MIN);
    m.total = column_i64(&v, 0);
    m.done = column_i64(&v, 0);
    m.version = column_i64(&v, 0); /* without opinions, see missions_judge() */
    m.success = (double)NAN;
    m.completion = m.total > 0 ? round_to(100 * (double)m.done / (double)m.total, 2) : (double)NAN;
    return m;
}

bool mission_is(const struct mission *m, const char *status)
{
    return str_eq(m->status, str_from(status));
}

const struct field mission_session_fields[] = {
    FIELD(F_STR, struct mission_session, id, "id", .doc = "session"),
    FIELD(F_TIME, struct mission_session, started_at, "startedAt", .doc = "when it began"),
    FIELD(F_TIME, struct mission_session, completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "null: not completed"),
    FIELD(F_I64, struct mission_session, duration_ms, "durationMs", .doc = "study time"),
    FIELD(F_I64, struct mission_session, reviews, "reviewsCompleted", .doc = "cards reviewed"),
    FIELD(F_STR, struct mission_session, notes, "sessionNotes", .flags = FIELD_NULLABLE,
          .doc = "the learner's note"),
    FIELD_END,
};

struct mission_session mission_session_read(struct columns v)
{
    struct mission_session s = {.mission = column_str(&v)};

    s.id = column_str(&v);
    struct session_facts f = session_facts_read(&v);

    s.started_at = session_start(&f);
    s.completed_at = f.completed_at;
    s.duration_ms = session_study_ms(&f);
    s.reviews = column_i64(&v, 0);
    s.notes = column_str(&v);
    s.graded = column_i64(&v, 0);
    s.succeeded = column_i64(&v, 0);
    return s;
}

static void add_sessions(struct mission *m, int32_t n, const struct rows *rows)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct mission_session s = mission_session_read(columns_of(rows, i));
        for (int32_t k = 0; k < n; k++) {
            if (!str_eq(m[k].id, s.mission))
                continue;
            m[k].sessions++;
            m[k].session_ms += s.duration_ms;
            m[k].graded += s.graded;
            m[k].succeeded += s.succeeded;
        }
    }
    for (int32_t k = 0; k < n; k++)
        m[k].session_minutes = round_to((double)m[k].session_ms / 60000, 1);
}

/* Counted into the version, too. */
static double opinion_of(struct mission *m, const struct rows *opinions)
{
    for (int32_t i = 0; i < opinions->count; i++) {
        struct columns v = columns_of(opinions, i);
        if (!str_eq(column_str(&v), m->id))
            continue;
        int64_t count = column_i64(&v, 0);
        m->version += count;
        return success_opinion((double)column_i64(&v, 0) / (double)count);
    }
    return (double)NAN;
}

/* Days in a row up to this one; `days` in order. */
static int32_t streak_of(int32_t day, const struct rows *days)
{
    int32_t n = 0;

    for (int32_t i = days->count - 1; i >= 0; i--)
        n += value_i64(row_at(days, i), INT32_MIN) == day - n;
    return n;
}

void missions_judge(struct mission *m, int32_t n, const struct rows *sessions,
                    const struct rows *opinions, const struct rows *days)
{
    add_sessions(m, n, sessions);
    for (int32_t i = 0; i < n; i++) {
        double opinion = opinion_of(&m[i], opinions);
        if (!mission_is(&m[i], "COMPLETED"))
            continue;
        int64_t minutes = m[i].actual;
        if (minutes == INT64_MIN && m[i].session_ms > 0)
            minutes = (m[i].session_ms + 30000) / 60000;
        struct success_parts p = {
            .objectives = m[i].total > 0 ? (double)m[i].done / (double)m[i].total : (double)NAN,
            .right = m[i].graded > 0 ? (double)m[i].succeeded / (double)m[i].graded : (double)NAN,
            .time = success_time_kept(m[i].estimated, minutes),
            .opinion = opinion,
            .streak = success_streak(streak_of(m[i].day, days)),
        };
        m[i].success = round_to(success_score(&p), 3);
        const char *label = success_label(m[i].success);
        m[i].success_label = label ? str_from(label) : (struct str){NULL, 0};
    }
}

const struct field mission_progress_fields[] = {
    FIELD(F_I64, struct mission_progress, total, "total", .doc = "objectives planned"),
    FIELD(F_I64, struct mission_progress, completed, "completed", .doc = "of these, done"),
    FIELD(F_I64, struct mission_progress, percentage, "percentage", .min = 0, .max = 100,
          .doc = "the same in percent"),
    FIELD(F_I64, struct mission_progress, left, "estimatedMinutesRemaining",
          .doc = "of the objectives that are left"),
    FIELD(F_F64, struct mission_progress, spent, "actualMinutesSpent",
          .doc = "study time of its sessions"),
    FIELD_END,
};

void mission_parts_queries(struct api_call *c, struct str id, struct mission_parts_args *a,
                           struct query q[MISSION_PARTS])
{
    *a = (struct mission_parts_args){{V_S(c->learner), V_S(id), V_I(MISSION_SESSIONS_MAX)}};
    q[0] = (struct query){.stmt = STMT_MISSION_FULL, .args = a->v, .arg_count = 2};
    q[1] = (struct query){.stmt = STMT_MISSION_OBJECTIVE_LIST, .args = a->v, .arg_count = 2};
    q[2] = (struct query){.stmt = STMT_MISSION_SESSIONS, .args = a->v, .arg_count = 3};
    q[3] = (struct query){.stmt = STMT_MISSION_OPINIONS, .args = a->v, .arg_count = 2};
    q[4] = (struct query){.stmt = STMT_MISSION_STREAK, .args = a->v, .arg_count = 2};
}

enum err mission_parts_show(struct api_call *c, const struct query q[MISSION_PARTS],
                            struct mission_shown **ret)
{
    struct mission_shown *r = arena_new(c->arena, struct mission_shown, 1);
    struct mission *m = arena_new(c->arena, struct mission, 1);
    int32_t n = q[2].rows.count;
    struct mission_session *s = arena_new(c->arena, struct mission_session, (size_t)n + 1);

    if (!r || !m || !s)
        return ERR_NOMEM;
    if (q[0].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "MISSION_NOT_FOUND", "There is no such mission.");
    *m = mission_read(columns_of(&q[0].rows, 0));
    missions_judge(m, 1, &q[2].rows, &q[3].rows, &q[4].rows);
    for (int32_t i = 0; i < n; i++)
        s[i] = mission_session_read(columns_of(&q[2].rows, i));
    r->mission = m;
    r->sessions = (struct list){s, n};
    r->minutes = m->estimated;
    enum err e = planned_read(c, &q[1].rows, &r->objectives);
    if (e != ERR_OK)
        return e;
    struct mission_progress *p = &r->progress;
    p->total = m->total;
    p->completed = m->done;
    p->percentage = m->total > 0 ? (100 * m->done + m->total / 2) / m->total : 0;
    p->spent = m->session_minutes;
    for (int32_t i = 0; i < r->objectives.n; i++) {
        const struct planned_objective *o = (const struct planned_objective *)r->objectives.p + i;
        if (!o->completed && o->position != INT64_MIN && o->estimated_minutes > 0)
            p->left += o->estimated_minutes;
    }
    *ret = r;
    return ERR_OK;
}

enum err mission_claim_check(struct api_call *c, const struct mission_claim *claim,
                             int64_t version)
{
    return !claim->given || claim->version == version
               ? ERR_OK
               : api_refuse(c, ERR_CONFLICT, "VERSION_CONFLICT", "The mission's version is %lld.",
                            (long long)version);
}

/* The learner's row first: what is read behind it no other writer changes before the end. */
enum err mission_claim_hold(struct api_call *c, struct store_conn *conn,
                            const struct mission_claim *claim, int64_t *ret_learner)
{
    const struct value v[] = {V_S(c->learner), V_S(claim->mission)};
    struct query q[] = {{.stmt = STMT_LEARNER_LOCK, .args = v, .arg_count = 1, .rows_max = 1},
                        {.stmt = STMT_MISSION_VERSION, .args = v, .arg_count = 2, .rows_max = 1}};
    enum err e = store_read(conn, c->arena, q, COUNT(q), 0);

    if (e != ERR_OK)
        return e;
    if (q[1].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "MISSION_NOT_FOUND", "There is no such mission.");
    struct columns read = columns_of(&q[1].rows, 0);
    *ret_learner = column_i64(&read, 0);
    return mission_claim_check(c, claim, column_i64(&read, 0));
}

static enum err claimed_run(struct api_call *c, struct store_conn *conn)
{
    struct mission_claim *claim = c->in;
    int64_t learner;
    enum err e = mission_claim_hold(c, conn, claim, &learner);

    return e == ERR_OK ? ingest_within(conn, claim->events, claim->count, c->now_us, c->arena,
                                       claim->results)
                       : e;
}

static enum err claimed(struct api_call *c)
{
    const struct mission_claim *claim = c->in;
    return claim->then(c, claim->results, claim->count);
}

enum err mission_change(struct api_call *c, struct mission_claim *claim, struct str mission,
                        const struct event *events, int32_t count,
                        enum err (*then)(struct api_call *c, const struct ingest_result *results,
                                         int32_t count))
{
    ASSERT(c->in == (void *)claim && count <= (int32_t)COUNT(claim->results));
    if (!claim->given)
        return api_ingest(c, events, count, then);
    claim->mission = mission;
    claim->events = events;
    claim->count = count;
    claim->then = then;
    return api_change(c, claimed_run, claimed);
}

void mission_event(struct api_call *c, struct event *e, enum event_kind kind, struct str mission)
{
    event_init(e);
    e->learner = c->learner;
    e->at = c->now_us;
    e->kind = kind;
    e->mission = mission;
}

/* The id is made of the mission's, so that of two who see that nothing is left one counts. */
enum err mission_close_event(struct api_call *c, struct str mission, int64_t session_ms,
                             struct event *ret)
{
    mission_event(c, ret, EVENT_MISSION_COMPLETED, mission);
    if (mission.n + 10 <= EVENT_ID_MAX) {
        ret->id = arena_printf(c->arena, STR_FMT "/completed", STR_ARG(mission));
        if (!ret->id.p)
            return ERR_NOMEM;
    }
    if (session_ms > 0) {
        ret->data = arena_printf(c->arena, "{\"actualMinutes\":%lld}",
                                 (long long)((session_ms + 30000) / 60000));
        if (!ret->data.p)
            return ERR_NOMEM;
    }
    return ERR_OK;
}
