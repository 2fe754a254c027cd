/* missions - what to work on, day by day.
 *
 * A mission is its events (docs/events.md): making one sends mission_created, dropping one
 * mission_skipped, so that a replaced mission keeps its sessions. Names are made of the day and a
 * number, and event ids of the mission's name: who asks twice, or at the same time from two places,
 * gets one mission. */
#include "api/call.h"
#include "api/mission_make.h"
#include "api/session_detail.h"

#include <math.h>
#include <stdio.h>

enum {
    DAYS_AHEAD_MAX = 90,
    SESSIONS_MAX = 200,
    MINUTES_MIN = 15,
    MINUTES_MAX = 120,
    PLAN_TEXT = 8192
};

/* ---- rows ---- */

static const char *const status_names[] = {"PENDING", "IN_PROGRESS", "COMPLETED", "SKIPPED", NULL};

struct mission {
    struct str id, status;
    int32_t day;
    int64_t created_at, started_at, completed_at, skipped_at;
    int64_t estimated, actual, due, fresh, difficulty;
    int64_t total, done;
    double completion;
    int64_t sessions, session_ms;
    double session_minutes;
};
static const struct field mission_fields[] = {
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
    FIELD(F_TIME, struct mission, created_at, "createdAt", .doc = "when it was made"),
    FIELD(F_TIME, struct mission, started_at, "startedAt", .flags = FIELD_NULLABLE,
          .doc = "when work on it began"),
    FIELD(F_TIME, struct mission, completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was completed"),
    FIELD(F_TIME, struct mission, skipped_at, "skippedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was dropped, or replaced"),
    FIELD_END,
};

static struct mission mission_read(struct columns v)
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
    m.completion = m.total > 0 ? round_to(100 * (double)m.done / (double)m.total, 2) : (double)NAN;
    return m;
}

static bool status_is(const struct mission *m, const char *status)
{
    return str_eq(m->status, str_from(status));
}

struct mission_session {
    struct str mission, id, notes;
    int64_t started_at, completed_at, duration_ms, reviews;
};
static const struct field mission_session_fields[] = {
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

static struct mission_session mission_session_read(struct columns v)
{
    struct mission_session s = {.mission = column_str(&v)};

    s.id = column_str(&v);
    struct session_facts f = session_facts_read(&v);

    s.started_at = session_start(&f);
    s.completed_at = f.completed_at;
    s.duration_ms = session_study_ms(&f);
    s.reviews = column_i64(&v, 0);
    s.notes = column_str(&v);
    return s;
}

/* Credits the sessions to their missions; as many as there are on a page. */
static void add_sessions(const struct rows *rows, struct mission *m, int32_t n)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct mission_session s = mission_session_read(columns_of(rows, i));
        for (int32_t k = 0; k < n; k++) {
            if (!str_eq(m[k].id, s.mission))
                continue;
            m[k].sessions++;
            m[k].session_ms += s.duration_ms;
        }
    }
    for (int32_t k = 0; k < n; k++)
        m[k].session_minutes = round_to((double)m[k].session_ms / 60000, 1);
}

/* ---- one mission with all its parts ---- */

struct mission_progress {
    int64_t total, completed, percentage, left;
    double spent;
};
static const struct field mission_progress_fields[] = {
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

struct shown {
    const struct mission *mission;
    struct list objectives, sessions, made;
    struct mission_progress progress;
    int64_t minutes;
    bool created;
    struct str message, reason;
};
#define SHOWN_MISSION                                                                          \
    FIELD(F_OBJECT, struct shown, mission, "mission", .flags = FIELD_NULLABLE | FIELD_POINTER, \
          .sub = mission_fields, .size = sizeof(struct mission), .doc = "the mission"),        \
        FIELD(F_LIST, struct shown, objectives, "objectives", .sub = planned_fields,           \
              .size = sizeof(struct planned_objective), .doc = "its plan, in order"),          \
        FIELD(F_LIST, struct shown, sessions, "studySessions", .sub = mission_session_fields,  \
              .size = sizeof(struct mission_session),                                          \
              .doc = "sessions that serve it, at most 200"),                                   \
        FIELD(F_OBJECT, struct shown, progress, "progress", .sub = mission_progress_fields,    \
              .size = sizeof(struct mission_progress), .doc = "how far it has come")
static const struct field shown_reply[] = {
    SHOWN_MISSION,
    FIELD(F_STR, struct shown, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no mission"),
    FIELD_END,
};
static const struct field generated_reply[] = {
    SHOWN_MISSION,
    FIELD(F_I64, struct shown, minutes, "estimatedMinutes", .doc = "of the mission"),
    FIELD(F_BOOL, struct shown, created, "created",
          .doc = "was it made by this call? false: the day had one"),
    FIELD(F_LIST, struct shown, made, "choice", .sub = made_fields,
          .flags = FIELD_NULLABLE | FIELD_OMIT, .size = sizeof(struct made_objective),
          .doc = "why these objectives; only where the mission is new"),
    FIELD(F_STR, struct shown, message, "message", .flags = FIELD_NULLABLE, .doc = "what was done"),
    FIELD(F_STR, struct shown, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why it is shorter than asked"),
    FIELD_END,
};

enum { PARTS = 3 };
struct parts_args {
    struct value v[3];
};
static void parts_queries(struct api_call *c, struct str id, struct parts_args *a,
                          struct query q[PARTS])
{
    *a = (struct parts_args){{V_S(c->learner), V_S(id), V_I(SESSIONS_MAX)}};
    q[0] = (struct query){.stmt = STMT_MISSION_FULL, .args = a->v, .arg_count = 2};
    q[1] = (struct query){.stmt = STMT_MISSION_OBJECTIVE_LIST, .args = a->v, .arg_count = 2};
    q[2] = (struct query){.stmt = STMT_MISSION_SESSIONS, .args = a->v, .arg_count = 3};
}

static enum err parts_show(struct api_call *c, const struct query q[PARTS], struct shown **ret)
{
    struct shown *r = arena_new(c->arena, struct shown, 1);
    struct mission *m = arena_new(c->arena, struct mission, 1);
    int32_t n = q[2].rows.count;
    struct mission_session *s = arena_new(c->arena, struct mission_session, (size_t)n + 1);

    if (!r || !m || !s)
        return ERR_NOMEM;
    if (q[0].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "MISSION_NOT_FOUND", "There is no such mission.");
    *m = mission_read(columns_of(&q[0].rows, 0));
    add_sessions(&q[2].rows, m, 1);
    for (int32_t i = 0; i < n; i++)
        s[i] = mission_session_read(columns_of(&q[2].rows, i));
    r->mission = m;
    r->sessions = (struct list){s, n};
    r->minutes = m->estimated;
    enum err e = planned_read(c, &q[1].rows, false, &r->objectives);
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

/* Shows the mission as it is now; one round trip. */
static enum err show(struct api_call *c, struct str id, struct shown **ret)
{
    struct query q[PARTS];
    struct parts_args a;

    parts_queries(c, id, &a, q);
    enum err e = store_read(c->conn, c->arena, q, PARTS, c->deadline_us);
    if (e == ERR_OK)
        e = parts_show(c, q, ret);
    if (e == ERR_OK)
        c->reply = *ret;
    return e;
}

/* ---- GET learning/mission/today, GET learning/mission/{id} ---- */

static enum err day_missions(struct api_call *c, int32_t day, struct query *more, int32_t count)
{
    const struct value args[] = {V_S(c->learner), V_I(day)};

    more[0] = (struct query){.stmt = STMT_MISSIONS_OF_DAY, .args = args, .arg_count = 2};
    enum err e = store_read(c->conn, c->arena, more, count, c->deadline_us);
    more[0].args = NULL;
    return e;
}

static enum err get_today(struct api_call *c)
{
    struct query head[1], q[1];
    struct shown *r;
    struct learner l;
    enum err e = learner_read(c, head, 1, &l);

    if (e == ERR_OK)
        e = day_missions(c, l.today, q, 1);
    if (e != ERR_OK)
        return e;
    if (q[0].rows.count > 0)
        return show(c, mission_read(columns_of(&q[0].rows, 0)).id, &r);
    c->reply = r = arena_new(c->arena, struct shown, 1);
    if (!r)
        return ERR_NOMEM;
    r->reason = l.analysis ? STR("No mission was made for today yet: POST "
                                 "/api/learning/mission/generate makes one.")
                           : reason_disabled;
    return ERR_OK;
}

struct mission_path {
    struct str id;
};
static const struct field mission_path[] = {
    FIELD(F_STR, struct mission_path, id, "id", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "mission"),
    FIELD_END,
};

static enum err get_mission(struct api_call *c)
{
    const struct mission_path *in = c->in;
    struct query q[1 + PARTS];
    struct parts_args a;
    struct shown *r;
    struct learner l;

    parts_queries(c, in->id, &a, q + 1);
    enum err e = learner_read(c, q, 1 + PARTS, &l);
    if (e == ERR_OK)
        e = parts_show(c, q + 1, &r);
    if (e == ERR_OK)
        c->reply = r;
    return e;
}

/* ---- GET learning/mission/history ---- */

struct history_query {
    int32_t limit, status;
    struct str cursor;
};
static const struct field history_query[] = {
    FIELD(F_I32, struct history_query, limit, "limit", .min = 1, .max = 100, .def = "30",
          .doc = "missions a page"),
    FIELD(F_ENUM, struct history_query, status, "status", .names = status_names,
          .doc = "missions of this status only"),
    FIELD(F_STR, struct history_query, cursor, "cursor", .max = EVENT_ID_MAX + 24,
          .doc = "nextCursor of the page before"),
    FIELD_END,
};

struct history_filter {
    int32_t status, limit;
};
static const struct field history_filter_fields[] = {
    FIELD(F_ENUM, struct history_filter, status, "status", .flags = FIELD_NULLABLE,
          .names = status_names, .doc = "as asked"),
    FIELD(F_I32, struct history_filter, limit, "limit", .doc = "as asked"),
    FIELD_END,
};
struct history {
    struct list missions;
    int64_t total;
    struct history_filter filter;
    struct str next;
};
static const struct field history_reply[] = {
    FIELD(F_LIST, struct history, missions, "missions", .sub = mission_fields,
          .size = sizeof(struct mission), .doc = "latest day first"),
    FIELD(F_I64, struct history, total, "total", .doc = "of the filter, not of the page"),
    FIELD(F_OBJECT, struct history, filter, "filter", .sub = history_filter_fields,
          .size = sizeof(struct history_filter), .doc = "as asked"),
    FIELD(F_STR, struct history, next, "nextCursor", .flags = FIELD_NULLABLE,
          .doc = "for the next page; null at the end"),
    FIELD_END,
};

static enum err get_history(struct api_call *c)
{
    const struct history_query *in = c->in;
    struct str rest = in->cursor, status = {NULL, 0};
    int64_t day = 0;

    if (in->cursor.p) {
        struct str at = str_cut(&rest, '.');
        if (!rest.p || rest.n == 0 || rest.n > EVENT_ID_MAX || str_to_i64(at, &day) != ERR_OK)
            return api_bad_field(c, "cursor", "invalid_format", "is not a cursor of this list");
    }
    if (in->status >= 0)
        status = str_from(status_names[in->status]);
    const struct value args[] = {V_S(c->learner), v_text(status), in->cursor.p ? V_I(day) : V_N,
                                 in->cursor.p ? V_S(rest) : V_N, V_I(in->limit + 1)};
    struct query q[4] = {
        [1] = {.stmt = STMT_MISSION_HISTORY, .args = args, .arg_count = 5},
        [2] = {.stmt = STMT_MISSION_HISTORY_SESSIONS, .args = args, .arg_count = 5},
        [3] = {.stmt = STMT_MISSION_COUNT, .args = args, .arg_count = 2},
    };
    struct history *r = arena_new(c->arena, struct history, 1);
    struct learner l;
    enum err e = learner_read(c, q, 4, &l);

    if (e != ERR_OK || !r)
        return e != ERR_OK ? e : ERR_NOMEM;
    int32_t n = q[1].rows.count < in->limit ? q[1].rows.count : in->limit;
    struct mission *m = arena_new(c->arena, struct mission, (size_t)n + 1);
    if (!m)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++)
        m[i] = mission_read(columns_of(&q[1].rows, i));
    add_sessions(&q[2].rows, m, n);
    struct columns total = columns_of(&q[3].rows, 0);
    *r = (struct history){{m, n}, column_i64(&total, 0), {in->status, in->limit}, {NULL, 0}};
    if (q[1].rows.count > n) {
        r->next = arena_printf(c->arena, "%d." STR_FMT, m[n - 1].day, STR_ARG(m[n - 1].id));
        if (!r->next.p)
            return ERR_NOMEM;
    }
    c->reply = r;
    return ERR_OK;
}

/* ---- GET learning/mission/preview ---- */

/* A day as clients send it: "2025-10-20", or an instant, which lies on one of the learner's days.
 * From today on. */
static enum err day_read(struct api_call *c, const struct learner *l, struct str text, int32_t def,
                         int32_t *ret)
{
    int32_t day = def;
    int64_t at;

    if (text.p && date_parse(text, &day) != ERR_OK) {
        if (time_parse(text, &at) != ERR_OK)
            return api_bad_field(c, "date", "invalid_format", "must be a date or a time");
        day = civil_at(l->zone, at).epoch_day;
    }
    if (day < l->today || day > l->today + DAYS_AHEAD_MAX)
        return api_bad_field(c, "date", "invalid_value", "must lie between today and in %d days",
                             DAYS_AHEAD_MAX);
    *ret = day;
    return ERR_OK;
}

struct preview_query {
    struct str date;
};
static const struct field preview_query[] = {
    FIELD(F_STR, struct preview_query, date, "date", .min = 1, .max = 40,
          .doc = "day or instant; tomorrow when left out"),
    FIELD_END,
};
struct breakdown {
    int64_t high_yield, total, due, fresh;
};
static const struct field breakdown_fields[] = {
    FIELD(F_I64, struct breakdown, high_yield, "highYield", .doc = "objectives of high yield"),
    FIELD(F_I64, struct breakdown, total, "total", .doc = "objectives"),
    FIELD(F_I64, struct breakdown, due, "dueCards", .doc = "cards that are due in them"),
    FIELD(F_I64, struct breakdown, fresh, "newContent", .doc = "objectives new to the learner"),
    FIELD_END,
};
struct preview {
    bool preview;
    int32_t day;
    struct list objectives;
    int64_t minutes, target;
    struct breakdown breakdown;
    struct str reason;
};
static const struct field preview_reply[] = {
    FIELD(F_BOOL, struct preview, preview, "preview", .doc = "true: nothing was made"),
    FIELD(F_DATE, struct preview, day, "date", .doc = "local day"),
    FIELD(F_LIST, struct preview, objectives, "objectives", .sub = made_fields,
          .size = sizeof(struct made_objective), .doc = "in order"),
    FIELD(F_I64, struct preview, minutes, "estimatedMinutes", .doc = "in sum"),
    FIELD(F_I64, struct preview, target, "targetMinutes", .doc = "the learner's setting"),
    FIELD(F_OBJECT, struct preview, breakdown, "priorityBreakdown", .sub = breakdown_fields,
          .size = sizeof(struct breakdown), .doc = "what it is made of"),
    FIELD(F_STR, struct preview, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why it is shorter than the setting, or empty"),
    FIELD_END,
};

/* The learner, and how many minutes of mission he or she likes. */
static enum err settings_read(struct api_call *c, struct learner *l, int32_t *ret_minutes)
{
    const struct value args[] = {V_S(c->learner)};
    struct query q[2] = {[1] = {.stmt = STMT_MISSION_SETTINGS, .args = args, .arg_count = 1}};
    enum err e = learner_read(c, q, 2, l);

    if (e != ERR_OK)
        return e;
    struct columns v = columns_of(&q[1].rows, 0);
    *ret_minutes = (int32_t)column_i64(&v, MISSION_DEFAULT_MINUTES);
    return ERR_OK;
}

static enum err get_preview(struct api_call *c)
{
    const struct preview_query *in = c->in;
    struct preview *r = arena_new(c->arena, struct preview, 1);
    struct made_mission made = {.reason = reason_disabled};
    struct query q[MAKE_QUERIES];
    struct make_args args;
    struct learner l;
    int32_t minutes, day;
    enum err e = r ? settings_read(c, &l, &minutes) : ERR_NOMEM;

    if (e == ERR_OK)
        e = day_read(c, &l, in->date, l.today + 1, &day);
    if (e != ERR_OK)
        return e;
    if (l.analysis) {
        mission_make_queries(c, day, &args, q);
        e = store_read(c->conn, c->arena, q, MAKE_QUERIES, c->deadline_us);
        if (e == ERR_OK)
            e = mission_make(c, q, day, minutes, false, &made);
    }
    *r = (struct preview){
        true,         day,     made.objectives,
        made.minutes, minutes, {made.high_yield, made.objectives.n, made.due, made.fresh},
        made.reason};
    c->reply = r;
    return e;
}

/* ---- POST learning/mission/generate, POST learning/mission/{id}/regenerate ---- */

struct generate {
    struct str path; /* of regenerate */
    struct str user_id, date;
    int32_t minutes;
    bool regenerate, only_weak;
    /* kept until the events are stored */
    char id[40];
    struct made_mission made;
    struct event events[2];
};
static const struct field regenerate_path[] = {
    FIELD(F_STR, struct generate, path, "id", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "mission to replace"),
    FIELD_END,
};
#define TARGET_FIELD                                                                          \
    FIELD(F_I32, struct generate, minutes, "targetMinutes", .min = MINUTES_MIN,               \
          .max = MINUTES_MAX,                                                                 \
          .doc = "time to fill, to within a twentieth; the learner's setting when left out"), \
        FIELD(F_BOOL, struct generate, only_weak, "prioritizeWeakAreas",                      \
              .doc = "only what has not gone well so far")
static const struct field generate_body[] = {
    FIELD_USER_ID(struct generate),
    FIELD(F_STR, struct generate, date, "date", .min = 1, .max = 40,
          .doc = "day or instant; today when left out"),
    TARGET_FIELD,
    FIELD(F_BOOL, struct generate, regenerate, "regenerate",
          .doc = "replace the day's mission if there is one that is not completed"),
    FIELD_END,
};
static const struct field regenerate_body[] = {TARGET_FIELD, FIELD_END};

static enum err generated(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    struct generate *in = c->in;
    struct shown *r;

    for (int32_t i = 0; i < n; i++)
        if (results[i].status == INGEST_REJECTED)
            return event_refused(c, &results[i]);
    enum err e = show(c, str_from(in->id), &r);
    if (e != ERR_OK)
        return e;
    /* Somebody else's choice when another call was faster. */
    bool ours = results[n - 1].status == INGEST_ACCEPTED;
    r->message = ours ? STR("The mission is made.") : STR("The day has a mission already.");
    if (ours) {
        r->made = in->made.objectives;
        r->reason = in->made.reason;
    }
    r->created = ours;
    return ERR_OK;
}

static struct str created_data(struct api_call *c, int32_t day, const struct made_mission *m)
{
    const struct made_objective *o = m->objectives.p;
    char date[DATE_TEXT_MAX];
    struct json_writer w;
    struct buf b;

    buf_init(&b, PLAN_TEXT);
    json_writer_init(&w, &b);
    json_object(&w);
    date_print(day, date);
    json_kv_str(&w, "date", str_from(date));
    json_kv_i64(&w, "estimatedMinutes", m->minutes);
    json_kv_i64(&w, "reviewCardCount", m->due);
    json_kv_i64(&w, "newContentCount", m->fresh);
    json_name(&w, STR("objectives"));
    json_array(&w);
    for (int32_t i = 0; i < m->objectives.n; i++) {
        json_object(&w);
        json_kv_str(&w, "objectiveId", o[i].id);
        json_kv_i64(&w, "estimatedMinutes", o[i].minutes);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    struct str text = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

static void mission_event(struct api_call *c, struct event *e, enum event_kind kind,
                          struct str mission)
{
    event_init(e);
    e->learner = c->learner;
    e->at = c->now_us;
    e->kind = kind;
    e->mission = mission;
}

/* The events that make the day's `number`th mission, in the place of `old` if there is one. */
static enum err send_mission(struct api_call *c, int32_t day, int32_t number,
                             const struct mission *old)
{
    struct generate *in = c->in;
    char date[DATE_TEXT_MAX];
    int32_t n = 0;

    date_print(day, date);
    if (number > 1)
        snprintf(in->id, sizeof in->id, "mission-%s-%d", date, number);
    else
        snprintf(in->id, sizeof in->id, "mission-%s", date);
    struct event *e = &in->events[n];
    if (old) {
        mission_event(c, e, EVENT_MISSION_SKIPPED, old->id);
        e->id = arena_printf(c->arena, "%s/replaces", in->id);
        if (!e->id.p)
            return ERR_NOMEM;
        e = &in->events[++n];
    }
    mission_event(c, e, EVENT_MISSION_CREATED, str_from(in->id));
    e->id = arena_printf(c->arena, "%s/created", in->id);
    e->data = created_data(c, day, &in->made);
    return e->id.p && e->data.p ? api_ingest(c, in->events, n + 1, generated) : ERR_NOMEM;
}

static enum err refuse_disabled(struct api_call *c)
{
    return api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT, STR_ARG(reason_disabled));
}

/* Reads the day's missions and what one is made of, and makes it. */
static enum err make(struct api_call *c, int32_t day, int32_t minutes, struct rows *ret_day)
{
    struct generate *in = c->in;
    struct query q[1 + MAKE_QUERIES];
    struct make_args args;

    mission_make_queries(c, day, &args, q + 1);
    enum err e = day_missions(c, day, q, 1 + MAKE_QUERIES);
    if (e == ERR_OK)
        e = mission_make(c, q + 1, day, in->minutes > 0 ? in->minutes : minutes, in->only_weak,
                         &in->made);
    *ret_day = q[0].rows;
    return e;
}

static enum err nothing_to_do(struct api_call *c)
{
    const struct generate *in = c->in;
    return api_refuse(c, ERR_UNPROCESSABLE, "NOTHING_TO_STUDY", STR_FMT, STR_ARG(in->made.reason));
}

static enum err post_generate(struct api_call *c)
{
    struct generate *in = c->in;
    struct mission present, *old = NULL;
    struct rows rows;
    struct learner l;
    struct shown *r;
    int32_t minutes, day;
    enum err e = settings_read(c, &l, &minutes);

    if (e == ERR_OK)
        e = day_read(c, &l, in->date, l.today, &day);
    if (e == ERR_OK && !l.analysis)
        e = refuse_disabled(c);
    if (e == ERR_OK)
        e = make(c, day, minutes, &rows);
    if (e != ERR_OK)
        return e;
    if (rows.count > 0) {
        present = mission_read(columns_of(&rows, 0));
        if (!status_is(&present, "SKIPPED"))
            old = &present;
    }
    if (old && in->regenerate && status_is(old, "COMPLETED"))
        return api_refuse(c, ERR_CONFLICT, "MISSION_COMPLETED",
                          "The day's mission is completed already.");
    if (old && !in->regenerate) {
        e = show(c, old->id, &r);
        if (e == ERR_OK)
            r->message = STR("The day has a mission already.");
        return e;
    }
    if (in->made.objectives.n == 0)
        return nothing_to_do(c);
    return send_mission(c, day, rows.count + 1, old);
}

static enum err post_regenerate(struct api_call *c)
{
    struct generate *in = c->in;
    const struct value args[] = {V_S(c->learner), V_S(in->path)};
    struct query q[3] = {
        [1] = {.stmt = STMT_MISSION_FULL, .args = args, .arg_count = 2},
        [2] = {.stmt = STMT_MISSION_SETTINGS, .args = args, .arg_count = 1},
    };
    struct mission old;
    struct rows rows;
    struct learner l;
    enum err e = learner_read(c, q, 3, &l);

    if (e == ERR_OK && q[1].rows.count == 0)
        e = api_refuse(c, ERR_NOT_FOUND, "MISSION_NOT_FOUND", "There is no such mission.");
    if (e == ERR_OK && !l.analysis)
        e = refuse_disabled(c);
    if (e != ERR_OK)
        return e;
    struct columns v = columns_of(&q[2].rows, 0);
    int32_t minutes = (int32_t)column_i64(&v, MISSION_DEFAULT_MINUTES);
    old = mission_read(columns_of(&q[1].rows, 0));
    if (status_is(&old, "COMPLETED") || status_is(&old, "SKIPPED"))
        return api_refuse(c, ERR_CONFLICT, "MISSION_CLOSED",
                          "The mission is " STR_FMT " and is not replaced.", STR_ARG(old.status));
    e = make(c, old.day, minutes, &rows);
    if (e != ERR_OK)
        return e;
    return in->made.objectives.n == 0 ? nothing_to_do(c)
                                      : send_mission(c, old.day, rows.count + 1, &old);
}

/* ---- PATCH learning/mission/{id}/objectives/{objectiveId}/complete ---- */

struct tick {
    struct str id, objective, notes;
    struct event events[2];
};
static const struct field tick_path[] = {
    FIELD(F_STR, struct tick, id, "id", .flags = FIELD_REQUIRED, .min = 1, .max = EVENT_ID_MAX,
          .doc = "mission"),
    FIELD(F_STR, struct tick, objective, "objectiveId", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "objective"),
    FIELD_END,
};
static const struct field tick_body[] = {
    FIELD(F_STR, struct tick, notes, "notes", .flags = FIELD_NULLABLE, .max = 1000,
          .doc = "the learner's note"),
    FIELD_END,
};

struct tick_progress {
    int64_t completed, total, percentage;
    bool all;
};
static const struct field tick_progress_fields[] = {
    FIELD(F_I64, struct tick_progress, completed, "completed", .doc = "objectives done"),
    FIELD(F_I64, struct tick_progress, total, "total", .doc = "objectives planned"),
    FIELD(F_I64, struct tick_progress, percentage, "percentage", .min = 0, .max = 100,
          .doc = "the same in percent"),
    FIELD(F_BOOL, struct tick_progress, all, "allComplete", .doc = "is nothing left?"),
    FIELD_END,
};
struct ticked {
    const struct planned_objective *objective, *next;
    const struct mission *mission;
    struct tick_progress progress;
};
static const struct field ticked_reply[] = {
    FIELD(F_OBJECT, struct ticked, objective, "objective", .flags = FIELD_POINTER,
          .sub = planned_fields, .size = sizeof(struct planned_objective), .doc = "as it is now"),
    FIELD(F_OBJECT, struct ticked, mission, "mission", .flags = FIELD_POINTER,
          .sub = mission_fields, .size = sizeof(struct mission), .doc = "as it is now"),
    FIELD(F_OBJECT, struct ticked, progress, "progress", .sub = tick_progress_fields,
          .size = sizeof(struct tick_progress), .doc = "how far the mission has come"),
    FIELD(F_OBJECT, struct ticked, next, "nextObjective", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = planned_fields, .size = sizeof(struct planned_objective),
          .doc = "what comes next"),
    FIELD_END,
};

static const struct planned_objective *objective_of(const struct shown *s, struct str id)
{
    const struct planned_objective *p = s->objectives.p;

    for (int32_t i = 0; i < s->objectives.n; i++)
        if (str_eq(p[i].id, id))
            return &p[i];
    return NULL;
}

static enum err show_ticked(struct api_call *c, const struct shown *s)
{
    const struct tick *in = c->in;
    struct ticked *r = arena_new(c->arena, struct ticked, 1);

    if (!r)
        return ERR_NOMEM;
    r->objective = objective_of(s, in->objective);
    if (!r->objective)
        return ERR_INTERNAL;
    r->mission = s->mission;
    r->next = planned_next(&s->objectives);
    r->progress = (struct tick_progress){s->progress.completed, s->progress.total,
                                         s->progress.percentage, r->next == NULL};
    c->reply = r;
    return ERR_OK;
}

static enum err closed(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    const struct tick *in = c->in;
    struct shown *s;

    (void)n;
    if (results[0].status == INGEST_REJECTED)
        return event_refused(c, &results[0]);
    enum err e = show(c, in->id, &s);
    return e == ERR_OK ? show_ticked(c, s) : e;
}

/* Whoever sees that nothing is left closes the mission: of two at once both may, and one counts. */
static enum err close_or_show(struct api_call *c, const struct shown *s)
{
    struct tick *in = c->in;

    if (planned_next(&s->objectives) || status_is(s->mission, "COMPLETED"))
        return show_ticked(c, s);
    mission_event(c, &in->events[0], EVENT_MISSION_COMPLETED, in->id);
    if (in->id.n + 10 <= EVENT_ID_MAX)
        in->events[0].id = arena_printf(c->arena, STR_FMT "/completed", STR_ARG(in->id));
    if (s->mission->session_ms > 0) {
        in->events[0].data = arena_printf(c->arena, "{\"actualMinutes\":%lld}",
                                          (long long)((s->mission->session_ms + 30000) / 60000));
        if (!in->events[0].data.p)
            return ERR_NOMEM;
    }
    return api_ingest(c, &in->events[0], 1, closed);
}

static enum err ticked(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    const struct tick *in = c->in;
    struct shown *s;

    for (int32_t i = 0; i < n; i++)
        if (results[i].status == INGEST_REJECTED)
            return event_refused(c, &results[i]);
    enum err e = show(c, in->id, &s);
    return e == ERR_OK ? close_or_show(c, s) : e;
}

static enum err note_data(struct api_call *c, struct str notes, struct str *ret)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, EVENT_DATA_MAX);
    json_writer_init(&w, &b);
    json_object(&w);
    json_kv_str(&w, "notes", notes);
    json_object_end(&w);
    *ret = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return ret->p ? ERR_OK : ERR_NOMEM;
}

static enum err patch_objective(struct api_call *c)
{
    struct tick *in = c->in;
    struct query q[1 + PARTS];
    struct parts_args a;
    struct learner l;
    struct shown *s;
    int32_t n = 0;

    parts_queries(c, in->id, &a, q + 1);
    enum err e = learner_read(c, q, 1 + PARTS, &l);
    if (e == ERR_OK)
        e = parts_show(c, q + 1, &s);
    if (e != ERR_OK)
        return e;
    const struct planned_objective *o = objective_of(s, in->objective);
    if (!o)
        return api_refuse(c, ERR_NOT_FOUND, "OBJECTIVE_NOT_FOUND",
                          "The mission has no such objective.");
    if (status_is(s->mission, "SKIPPED"))
        return api_refuse(c, ERR_CONFLICT, "MISSION_CLOSED",
                          "The mission was dropped or replaced.");
    if (o->completed)
        return close_or_show(c, s);
    if (s->mission->started_at == TIME_NONE)
        mission_event(c, &in->events[n++], EVENT_MISSION_STARTED, in->id);
    struct event *event = &in->events[n++];
    mission_event(c, event, EVENT_OBJECTIVE_COMPLETED, in->id);
    event->objective = in->objective;
    if (in->notes.p && in->notes.n > 0)
        e = note_data(c, in->notes, &event->data);
    return e == ERR_OK ? api_ingest(c, in->events, n, ticked) : e;
}

#define ONE(e) (UINT64_C(1) << (e))
#define MISSIONS .tag = "missions", .envelope = ENVELOPE_DATA, .run = RUN_SMALL
#define READS \
    .method = HTTP_GET, .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .errors = ONE(ERR_NOT_FOUND)
#define CHANGES                              \
    .scopes = SCOPE_WRITE, .round_trips = 3, \
    .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT) | ONE(ERR_UNPROCESSABLE)

const struct endpoint endpoints_missions[] = {
    {MISSIONS, CHANGES, .method = HTTP_POST, .path = "/api/learning/mission/generate",
     .id = "generate_mission", .summary = "Make the mission of a day", .learner = LEARNER_BODY,
     .body = generate_body, .body_optional = true, .in_size = sizeof(struct generate),
     .reply = generated_reply, .repeats = true, .handler = post_generate},
    {MISSIONS, READS, .round_trips = 3, .path = "/api/learning/mission/today",
     .id = "get_mission_today", .summary = "Today's mission", .reply = shown_reply,
     .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_today},
    {MISSIONS, READS, .round_trips = 1, .path = "/api/learning/mission/history",
     .id = "get_mission_history", .summary = "Missions, latest day first", .query = history_query,
     .in_size = sizeof(struct history_query), .reply = history_reply,
     .cache = {.fresh_s = 300, .stale_s = 1800}, .handler = get_history},
    {MISSIONS, READS, .round_trips = 2, .path = "/api/learning/mission/preview",
     .id = "preview_mission", .summary = "The mission that a day would get", .query = preview_query,
     .in_size = sizeof(struct preview_query), .reply = preview_reply,
     .cache = {.fresh_s = 300, .stale_s = 600}, .handler = get_preview},
    {MISSIONS, READS, .round_trips = 1, .path = "/api/learning/mission/{id}", .id = "get_mission",
     .summary = "One mission with its plan and sessions", .params = mission_path,
     .in_size = sizeof(struct mission_path), .reply = shown_reply,
     .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_mission},
    {MISSIONS, CHANGES, .method = HTTP_POST, .path = "/api/learning/mission/{id}/regenerate",
     .id = "regenerate_mission", .summary = "Replace a mission that is not completed",
     .learner = LEARNER_QUERY, .params = regenerate_path, .body = regenerate_body,
     .body_optional = true, .in_size = sizeof(struct generate), .reply = generated_reply,
     .repeats = true, .handler = post_regenerate},
    {MISSIONS, CHANGES, .method = HTTP_PATCH,
     .path = "/api/learning/mission/{id}/objectives/{objectiveId}/complete",
     .id = "complete_mission_objective", .summary = "Complete an objective of a mission",
     .learner = LEARNER_QUERY, .params = tick_path, .body = tick_body, .body_optional = true,
     .in_size = sizeof(struct tick), .reply = ticked_reply, .handler = patch_objective},
    {.path = NULL},
};
