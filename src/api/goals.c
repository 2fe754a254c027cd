/* goals - what a learner wants to reach, and how far it is.
 *
 * A goal has a metric. Most metrics are measured from the sums (night/goals.h), and each night that
 * is reported; `custom` is told. Each report of progress is a row of its own and raises the goal's
 * version; a report that names an older version is a conflict. Forecast: Theil-Sen over the
 * reports. */
#include "api/goals.h"

#include "base/assert.h"
#include "base/rng.h"
#include "night/goals.h"
#include "twin/trend.h"

#include <math.h>
#include <stdio.h>

enum {
    GOALS_MAX = 200,
    STEPS_MAX = 200,
    DEADLINE_DAYS = 90,
    ID_MAX = 64,
    TEXT_MAX = 500,
};

/* ---- types ---- */

static const char *const type_names[] = {"STUDY_TIME_CONSISTENCY", "SESSION_DURATION",
                                         "RETENTION_IMPROVEMENT",  "CUSTOM",
                                         "INCREASE_RETENTION",     "REDUCE_STRUGGLE",
                                         "IMPROVE_EFFICIENCY",     "OPTIMIZE_TIMING",
                                         "ENHANCE_CONSISTENCY",    NULL};
static const enum goal_metric type_metrics[] = {
    GOAL_ACTIVE_DAYS, GOAL_SESSION_MINUTES, GOAL_HALF_LIFE,       GOAL_CUSTOM,     GOAL_SUCCESS,
    GOAL_ERRORS,      GOAL_EFFICIENCY,      GOAL_SESSION_MINUTES, GOAL_ACTIVE_DAYS};

/* ---- the row ---- */

const struct field goal_fields[] = {
    FIELD(F_STR, struct goal, id, "id", .doc = "of the goal"),
    FIELD(F_STR, struct goal, user_id, "userId", .doc = "learner"),
    FIELD(F_STR, struct goal, type, "goalType", .doc = "as it was given"),
    FIELD(F_STR, struct goal, metric, "targetMetric", .doc = "what is measured"),
    FIELD(F_STR, struct goal, title, "title", .doc = "in a few words"),
    FIELD(F_STR, struct goal, description, "description", .flags = FIELD_NULLABLE,
          .doc = "as the learner says"),
    FIELD(F_BOOL, struct goal, rising, "rising", .doc = "is more better?"),
    FIELD(F_F64, struct goal, start, "startValue", .doc = "when it was set"),
    FIELD(F_F64, struct goal, current, "currentValue", .doc = "as last reported"),
    FIELD(F_F64, struct goal, measured, "measuredValue", .flags = FIELD_NULLABLE,
          .doc = "of today, by the sums; null where it is told, or there is nothing to measure"),
    FIELD(F_F64, struct goal, target, "targetValue", .doc = "to be reached"),
    FIELD(F_F64, struct goal, progress, "progress", .min = 0, .max = 1,
          .doc = "share of the way from the start"),
    FIELD(F_TIME, struct goal, deadline, "deadline", .doc = "until when"),
    FIELD(F_BOOL, struct goal, overdue, "overdue", .doc = "has it passed, the goal not reached?"),
    FIELD(F_STR, struct goal, status, "status", .doc = "ACTIVE, COMPLETED, ABANDONED, PAUSED"),
    FIELD(F_I64, struct goal, version, "version", .doc = "raised by each change"),
    FIELD(F_TIME, struct goal, created_at, "createdAt", .doc = "when it was set"),
    FIELD(F_TIME, struct goal, updated_at, "updatedAt", .doc = "last change"),
    FIELD(F_TIME, struct goal, completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was reached"),
    FIELD_END,
};

static void goal_read(struct api_call *c, struct columns v, const struct goal_measured *m,
                      struct goal *g)
{
    *g = (struct goal){.id = column_str(&v), .user_id = c->learner, .measured = NAN};
    g->type = column_str(&v);
    g->metric = column_str(&v);
    g->title = column_str(&v);
    g->description = column_str(&v);
    g->rising = column_bool(&v);
    g->start = column_f64(&v);
    g->current = column_f64(&v);
    g->target = column_f64(&v);
    g->deadline = column_i64(&v, 0);
    g->status = column_str(&v);
    g->version = column_i64(&v, 0);
    g->created_at = column_i64(&v, 0);
    g->updated_at = column_i64(&v, 0);
    g->completed_at = column_time(&v);
    g->overdue = g->deadline < c->now_us && str_eq(g->status, STR("ACTIVE"));
    if (g->deadline >= c->now_us)
        answer_until(c, g->deadline + 1);
    g->progress = fmax(0, fmin(1, (g->current - g->start) / (g->target - g->start)));
    for (int i = 0; m && goal_metric_names[i]; i++)
        if (str_eq(g->metric, str_from(goal_metric_names[i])))
            g->measured = goal_metric_value((enum goal_metric)i, m);
}

/* ---- GET goals ---- */

struct goals_reply {
    struct list goals;
    int64_t count;
};
static const struct field goals_reply[] = {
    FIELD(F_LIST, struct goals_reply, goals, "goals", .sub = goal_fields,
          .size = sizeof(struct goal), .max = GOALS_MAX, .doc = "the newest first"),
    FIELD(F_I64, struct goals_reply, count, "count", .doc = "of these"),
    FIELD_END,
};

/* Queries 0..2 of every read here: learner, days, curve. */
#define MEASURE_QUERIES(id_)                                        \
    [1] = {.stmt = STMT_STUDY_DAYS, .args = (id_), .arg_count = 2}, \
    [2] = {.stmt = STMT_MEMORY_FIT_OF_LEARNER, .args = (id_), .arg_count = 1, .rows_max = 1}

static enum err get_goals(struct api_call *c)
{
    const struct value id[] = {V_S(c->learner), V_I(c->now_us / US_PER_DAY - GOAL_MONTH - 1)};
    struct query q[4] = {
        MEASURE_QUERIES(id), [3] = {.stmt = STMT_GOALS_OF_LEARNER, .args = id, .arg_count = 1}};
    struct goals_reply *r = arena_new(c->arena, struct goals_reply, 1);
    struct learner l;
    enum err e = r ? learner_read(c, q, 4, &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    struct goal_measured m = goal_measure(&q[1].rows, &q[2].rows, l.today);
    struct goal *goals = arena_new(c->arena, struct goal, (size_t)q[3].rows.count + 1);
    if (!goals)
        return ERR_NOMEM;
    for (int32_t i = 0; i < q[3].rows.count; i++)
        goal_read(c, columns_of(&q[3].rows, i), &m, &goals[i]);
    r->goals = (struct list){goals, q[3].rows.count};
    r->count = r->goals.n;
    c->reply = r;
    return ERR_OK;
}

/* ---- POST goals ---- */

struct goal_in {
    struct str user_id, title, description, id; /* id: made here */
    int32_t type, metric;
    double target, start;
    int64_t deadline, learner_id;
};
static const struct field goal_body[] = {
    FIELD_USER_ID(struct goal_in),
    FIELD(F_ENUM, struct goal_in, type, "goalType", .flags = FIELD_REQUIRED, .names = type_names,
          .doc = "what it is about"),
    FIELD(F_ENUM, struct goal_in, metric, "targetMetric", .flags = FIELD_NULLABLE,
          .names = goal_metric_names, .doc = "left out: the type's own"),
    FIELD(F_F64, struct goal_in, target, "targetValue", .flags = FIELD_REQUIRED, .min = 1e-6,
          .max = 1e9, .doc = "to be reached, in the metric's unit: days, minutes, percent"),
    FIELD(F_TIME, struct goal_in, deadline, "deadline", .flags = FIELD_REQUIRED,
          .doc = "RFC 3339; at most 90 days from now"),
    FIELD(F_STR, struct goal_in, title, "title", .flags = FIELD_NULLABLE, .min = 1, .max = TEXT_MAX,
          .doc = "left out: made of the metric"),
    FIELD(F_STR, struct goal_in, description, "description", .flags = FIELD_NULLABLE,
          .max = 4 * TEXT_MAX, .doc = "free text"),
    FIELD_END,
};
struct goal_reply {
    struct goal goal;
};
static const struct field goal_reply[] = {
    FIELD(F_OBJECT, struct goal_reply, goal, "goal", .sub = goal_fields,
          .size = sizeof(struct goal), .doc = "as it is now"),
    FIELD_END,
};

static enum err goal_show(struct api_call *c, struct str id, struct goal *ret)
{
    const struct value v[] = {V_S(c->learner), V_S(id)};
    struct query q = {.stmt = STMT_GOAL_ONE, .args = v, .arg_count = 2, .rows_max = 1};
    enum err e = store_read(c->conn, c->arena, &q, 1, c->deadline_us);

    if (e == ERR_OK && q.rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "GOAL_NOT_FOUND", "There is no such goal.");
    if (e == ERR_OK)
        goal_read(c, columns_of(&q.rows, 0), NULL, ret);
    return e;
}

static enum err goal_added(struct api_call *c)
{
    const struct goal_in *in = c->in;
    struct goal_reply *r = arena_new(c->arena, struct goal_reply, 1);

    c->reply = r;
    return r ? goal_show(c, in->id, &r->goal) : ERR_NOMEM;
}

static enum err goal_insert(struct api_call *c, struct store_conn *conn)
{
    const struct goal_in *in = c->in;
    const struct value owner = V_I(in->learner_id);
    struct query q = {.stmt = STMT_GOAL_COUNT, .args = &owner, .arg_count = 1, .rows_max = 1};
    const struct value v[] = {
        owner,
        V_S(in->id),
        V_S(str_from(type_names[in->type])),
        V_S(str_from(goal_metric_names[in->metric])),
        V_S(in->title),
        v_text(in->description),
        V_I(in->target > in->start),
        V_D(in->start),
        V_D(in->target),
        V_I(in->deadline),
        V_I(c->now_us),
    };
    const struct value note[] = {V_S(c->learner), V_S(in->id), V_N};
    struct bulk bulks[] = {
        {.stmt = STMT_GOAL_ADD, .rows = 1, .cols = COUNT(v), .v = v},
        {.stmt = STMT_GOAL_STEP_NOTE, .rows = 1, .cols = COUNT(note), .v = note}};
    enum err e = store_read(conn, c->arena, &q, 1, 0);

    if (e == ERR_OK && value_i64(row_at(&q.rows, 0), 0) >= GOALS_MAX)
        return api_refuse(c, ERR_CONFLICT, "TOO_MANY_GOALS", "There are %d goals already.",
                          GOALS_MAX);
    return e == ERR_OK ? store_write(conn, bulks, COUNT(bulks)) : e;
}

static enum err goal_name(struct api_call *c, struct goal_in *in)
{
    uint64_t id[2];

    random_bytes(id, sizeof id);
    in->id = arena_printf(c->arena, "g%016llx%016llx", (unsigned long long)id[0],
                          (unsigned long long)id[1]);
    if (!in->title.p)
        in->title = arena_printf(c->arena, "%s: %.6g", goal_metric_names[in->metric], in->target);
    return in->id.p && in->title.p ? ERR_OK : ERR_NOMEM;
}

static enum err goal_check(struct api_call *c, const struct goal_in *in)
{
    if (in->deadline <= c->now_us) {
        api_bad_field(c, "deadline", "invalid_value", "must lie ahead");
        return api_refuse(c, ERR_RANGE, "INVALID_DEADLINE", "The deadline has passed.");
    }
    if (in->deadline > c->now_us + DEADLINE_DAYS * US_PER_DAY) {
        api_bad_field(c, "deadline", "invalid_value", "must lie within 90 days");
        return api_refuse(c, ERR_RANGE, "DEADLINE_TOO_FAR", "The deadline is over 90 days away.");
    }
    return ERR_OK;
}

static enum err goal_start(struct api_call *c, struct goal_in *in, const struct goal_measured *m)
{
    bool either = in->metric == GOAL_CUSTOM || in->metric == GOAL_SESSION_MINUTES;
    bool falling = in->metric == GOAL_ERRORS;

    in->start = in->metric == GOAL_CUSTOM ? 0 : goal_metric_value((enum goal_metric)in->metric, m);
    if (isnan(in->start))
        return api_refuse(c, ERR_UNPROCESSABLE, "INSUFFICIENT_DATA",
                          "There is nothing yet that %s could be measured from.",
                          goal_metric_names[in->metric]);
    if (in->target == in->start || (!either && (in->target < in->start) != falling)) {
        api_bad_field(c, "targetValue", "invalid_value", "is already reached");
        return api_refuse(c, ERR_RANGE, "INVALID_TARGET_VALUE",
                          "The target is already reached: %.6g.", in->start);
    }
    return ERR_OK;
}

static enum err post_goal(struct api_call *c)
{
    struct goal_in *in = c->in;
    const struct value id[] = {V_S(c->learner), V_I(c->now_us / US_PER_DAY - GOAL_MONTH - 1)};
    struct query q[3] = {MEASURE_QUERIES(id)};
    struct learner l;
    enum err e = goal_check(c, in);

    if (e == ERR_OK)
        e = learner_read(c, q, 3, &l);
    if (e != ERR_OK)
        return e;
    if (in->metric < 0)
        in->metric = (int32_t)type_metrics[in->type];
    struct goal_measured m = goal_measure(&q[1].rows, &q[2].rows, l.today);
    in->learner_id = l.learner_id;
    e = goal_start(c, in, &m);
    if (e == ERR_OK)
        e = goal_name(c, in);
    return e == ERR_OK ? api_change(c, goal_insert, goal_added) : e;
}

/* ---- GET goals/{id} ---- */

struct goal_id {
    struct str id;
};
static const struct field goal_path[] = {
    FIELD(F_STR, struct goal_id, id, "id", .min = 1, .max = ID_MAX, .doc = "goal"),
    FIELD_END,
};
struct goal_point {
    int64_t at;
    double value;
    struct str note;
};
static const struct field point_fields[] = {
    FIELD(F_TIME, struct goal_point, at, "date", .doc = "when"),
    FIELD(F_F64, struct goal_point, value, "value", .doc = "of the metric"),
    FIELD(F_STR, struct goal_point, note, "note", .flags = FIELD_NULLABLE, .doc = "free text"),
    FIELD_END,
};
struct goal_session {
    struct str id;
    int64_t started_at, completed_at;
};
static const struct field session_fields[] = {
    FIELD(F_STR, struct goal_session, id, "id", .doc = "session"),
    FIELD(F_TIME, struct goal_session, started_at, "startedAt", .doc = "its start"),
    FIELD(F_TIME, struct goal_session, completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "its end"),
    FIELD_END,
};
struct goal_detail {
    struct goal goal;
    struct list history, sessions;
    int64_t projected, earliest, latest;
    struct str method, reason;
};
static const struct field goal_detail[] = {
    FIELD(F_OBJECT, struct goal_detail, goal, "goal", .sub = goal_fields,
          .size = sizeof(struct goal), .doc = "as it is now"),
    FIELD(F_LIST, struct goal_detail, history, "progressHistory", .sub = point_fields,
          .size = sizeof(struct goal_point), .max = STEPS_MAX,
          .doc = "the newest reports, oldest first"),
    FIELD(F_LIST, struct goal_detail, sessions, "recentActivity", .sub = session_fields,
          .size = sizeof(struct goal_session), .max = 10,
          .doc = "sessions of the last 30 days, the newest first"),
    FIELD(F_TIME, struct goal_detail, projected, "projectedCompletion", .flags = FIELD_NULLABLE,
          .doc = "when the target is met at the pace so far; may lie beyond the deadline"),
    FIELD(F_TIME, struct goal_detail, earliest, "projectedEarliest", .flags = FIELD_NULLABLE,
          .doc = "by the faster end of the pace's 95 % interval"),
    FIELD(F_TIME, struct goal_detail, latest, "projectedLatest", .flags = FIELD_NULLABLE,
          .doc = "by the slower end; null: maybe never"),
    FIELD(F_STR, struct goal_detail, method, "method", .doc = "of the projection"),
    FIELD(F_STR, struct goal_detail, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no projection"),
    FIELD_END,
};

/* slope: per day. TIME_NONE: never, or beyond ten years. */
static int64_t reached_at(int64_t now_us, double left, double slope)
{
    double in_days = left / slope;
    return in_days >= 0 && in_days < 3653 ? now_us + (int64_t)(in_days * (double)US_PER_DAY)
                                          : TIME_NONE;
}

static enum err project(struct api_call *c, struct goal_detail *r)
{
    const struct goal_point *h = r->history.p;
    double t[STEPS_MAX], y[STEPS_MAX], left = r->goal.target - r->goal.current;
    struct trend trend;
    int32_t n = 0;

    r->projected = r->earliest = r->latest = TIME_NONE;
    r->method = STR("theil-sen");
    for (int32_t i = 0; i < r->history.n; i++) {
        double at = (double)(h[i].at - h[0].at) / (double)US_PER_DAY;
        if (n > 0 && at <= t[n - 1])
            continue; /* several at one instant: the first */
        t[n] = at;
        y[n++] = h[i].value;
    }
    if (!str_eq(r->goal.status, STR("ACTIVE")) || n < TREND_NEEDED) {
        r->reason = n < TREND_NEEDED ? STR("Fewer than four reports of progress.")
                                     : STR("The goal is not active.");
        return ERR_OK;
    }
    enum err e = trend_fit(c->arena, t, y, n, false, 0.95, &trend);
    if (e != ERR_OK)
        return e;
    double fast = left > 0 ? trend.interval.high : trend.interval.low;
    double slow = left > 0 ? trend.interval.low : trend.interval.high;
    r->projected = reached_at(c->now_us, left, trend.slope);
    r->earliest = reached_at(c->now_us, left, fast);
    r->latest = reached_at(c->now_us, left, slow);
    if (r->projected == TIME_NONE)
        r->reason = STR("At the pace so far the target is not met.");
    return ERR_OK;
}

static enum err get_goal(struct api_call *c)
{
    const struct goal_id *in = c->in;
    const struct value id[] = {V_S(c->learner), V_I(c->now_us / US_PER_DAY - GOAL_MONTH - 1)};
    const struct value one[] = {V_S(c->learner), V_S(in->id), V_I(STEPS_MAX)};
    const struct value since[] = {V_S(c->learner), V_I(c->now_us - GOAL_MONTH * US_PER_DAY)};
    struct query q[6] = {
        MEASURE_QUERIES(id), [3] = {.stmt = STMT_GOAL_ONE, .args = one, .arg_count = 2},
        [4] = {.stmt = STMT_GOAL_STEPS, .args = one, .arg_count = 3},
        [5] = {.stmt = STMT_GOAL_SESSIONS, .args = since, .arg_count = 2}};
    struct goal_detail *r = arena_new(c->arena, struct goal_detail, 1);
    struct learner l;
    enum err e = r ? learner_read(c, q, 6, &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    if (q[3].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "GOAL_NOT_FOUND", "There is no such goal.");
    struct goal_measured m = goal_measure(&q[1].rows, &q[2].rows, l.today);
    goal_read(c, columns_of(&q[3].rows, 0), &m, &r->goal);
    struct goal_point *h = arena_new(c->arena, struct goal_point, (size_t)q[4].rows.count + 1);
    struct goal_session *s = arena_new(c->arena, struct goal_session, (size_t)q[5].rows.count + 1);
    if (!h || !s)
        return ERR_NOMEM;
    for (int32_t i = 0; i < q[4].rows.count; i++) {
        struct columns v = columns_of(&q[4].rows, i);
        h[i].at = column_time(&v);
        h[i].value = column_f64(&v);
        h[i].note = column_str(&v);
    }
    for (int32_t i = 0; i < q[5].rows.count; i++) {
        struct columns v = columns_of(&q[5].rows, i);
        s[i].id = column_str(&v);
        s[i].started_at = column_time(&v);
        s[i].completed_at = column_time(&v);
    }
    r->history = (struct list){h, q[4].rows.count};
    r->sessions = (struct list){s, q[5].rows.count};
    answer_ages(c);
    c->reply = r;
    return project(c, r);
}

/* ---- PATCH goals/{id}/progress ---- */

struct step_in {
    struct str id, user_id, note;
    double value;
    int64_t version;
    bool version_given;
};
static const struct field step_path[] = {
    FIELD(F_STR, struct step_in, id, "id", .min = 1, .max = ID_MAX, .doc = "goal"),
    FIELD_END,
};
static const struct field step_body[] = {
    FIELD_USER_ID(struct step_in),
    FIELD(F_F64, struct step_in, value, "currentValue", .flags = FIELD_REQUIRED, .min = -1e9,
          .max = 1e9, .doc = "of the metric"),
    FIELD(F_STR, struct step_in, note, "note", .flags = FIELD_NULLABLE, .max = 4 * TEXT_MAX,
          .doc = "free text"),
    FIELD(F_I64, struct step_in, version, "version", .min = 1, .max = 1e9,
          .seen = 1 + (uint32_t)offsetof(struct step_in, version_given),
          .doc = "of the goal as it was read; left out: whatever it is"),
    FIELD_END,
};
struct step_reply {
    struct goal goal;
    bool completed;
};
static const struct field step_reply[] = {
    FIELD(F_OBJECT, struct step_reply, goal, "goal", .sub = goal_fields,
          .size = sizeof(struct goal), .doc = "as it is now"),
    FIELD(F_BOOL, struct step_reply, completed, "completed", .doc = "is the target reached?"),
    FIELD_END,
};

static enum err step_refused(struct api_call *c, struct store_conn *conn, const struct step_in *in)
{
    const struct value v[] = {V_S(c->learner), V_S(in->id)};
    struct query q = {.stmt = STMT_GOAL_ONE, .args = v, .arg_count = 2, .rows_max = 1};
    struct goal g;
    enum err e = store_read(conn, c->arena, &q, 1, 0);

    if (e != ERR_OK)
        return e;
    if (q.rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "GOAL_NOT_FOUND", "There is no such goal.");
    goal_read(c, columns_of(&q.rows, 0), NULL, &g);
    if (!str_eq(g.status, STR("ACTIVE")))
        return api_refuse(c, ERR_CONFLICT, "INVALID_STATUS", "The goal is " STR_FMT ".",
                          STR_ARG(g.status));
    return api_refuse(c, ERR_CONFLICT, "VERSION_CONFLICT", "The goal's version is %lld.",
                      (long long)g.version);
}

static enum err step_run(struct api_call *c, struct store_conn *conn)
{
    const struct step_in *in = c->in;
    const struct value v[] = {V_S(c->learner), V_S(in->id), V_D(in->value), V_I(c->now_us),
                              in->version_given ? V_I(in->version) : V_N};
    const struct value note[] = {V_S(c->learner), V_S(in->id), v_text(in->note)};
    struct bulk step = {.stmt = STMT_GOAL_STEP, .rows = 1, .cols = COUNT(v), .v = v};
    struct bulk keep = {.stmt = STMT_GOAL_STEP_NOTE, .rows = 1, .cols = COUNT(note), .v = note};
    enum err e = store_write(conn, &step, 1);

    if (e == ERR_OK && step.changed == 0)
        return step_refused(c, conn, in);
    return e == ERR_OK ? store_write(conn, &keep, 1) : e;
}

static enum err stepped(struct api_call *c)
{
    const struct step_in *in = c->in;
    struct step_reply *r = arena_new(c->arena, struct step_reply, 1);
    enum err e = r ? goal_show(c, in->id, &r->goal) : ERR_NOMEM;

    if (e == ERR_OK)
        r->completed = str_eq(r->goal.status, STR("COMPLETED"));
    c->reply = r;
    return e;
}

static enum err patch_goal(struct api_call *c)
{
    return api_change(c, step_run, stepped);
}

enum err goals_active(struct api_call *c, const struct rows *rows, struct list *ret)
{
    struct goal *goals = arena_new(c->arena, struct goal, (size_t)rows->count + 1);
    int32_t n = 0;

    if (!goals)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct goal g;
        int32_t at = n;
        goal_read(c, columns_of(rows, i), NULL, &g);
        if (!str_eq(g.status, STR("ACTIVE")))
            continue;
        for (; at > 0 && goals[at - 1].deadline > g.deadline; at--)
            goals[at] = goals[at - 1];
        goals[at] = g;
        n++;
    }
    *ret = (struct list){goals, n};
    return ERR_OK;
}

#define ONE(e) (UINT64_C(1) << (e))
#define GOALS "/api/analytics/behavioral-insights/goals"

const struct endpoint endpoints_goals[] = {
    {.method = HTTP_GET,
     .path = GOALS,
     .id = "get_goals",
     .tag = "goals",
     .summary = "The learner's goals, and how far they are",
     .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY,
     .reply = goals_reply,
     .envelope = ENVELOPE_DATA,
     .run = RUN_SMALL,
     .round_trips = 1,
     .cache = {.fresh_s = 300, .stale_s = 600},
     .errors = ONE(ERR_NOT_FOUND),
     .handler = get_goals},
    {.method = HTTP_POST,
     .path = GOALS,
     .id = "create_goal",
     .tag = "goals",
     .summary = "Set a goal",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .body = goal_body,
     .in_size = sizeof(struct goal_in),
     .reply = goal_reply,
     .status = 201,
     .envelope = ENVELOPE_DATA,
     .run = RUN_SMALL,
     .round_trips = 2,
     .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT) | ONE(ERR_UNPROCESSABLE),
     .repeats = true,
     .handler = post_goal},
    {.method = HTTP_GET,
     .path = GOALS "/{id}",
     .id = "get_goal",
     .tag = "goals",
     .summary = "One goal: its reports, and when it will be reached",
     .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY,
     .params = goal_path,
     .in_size = sizeof(struct goal_id),
     .reply = goal_detail,
     .envelope = ENVELOPE_DATA,
     .run = RUN_SMALL,
     .round_trips = 1,
     .cache = {.fresh_s = 300, .stale_s = 600},
     .errors = ONE(ERR_NOT_FOUND),
     .handler = get_goal},
    {.method = HTTP_PATCH,
     .path = GOALS "/{id}/progress",
     .id = "report_goal_progress",
     .tag = "goals",
     .summary = "Report how far a goal is",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .params = step_path,
     .body = step_body,
     .in_size = sizeof(struct step_in),
     .reply = step_reply,
     .envelope = ENVELOPE_DATA,
     .run = RUN_SMALL,
     .round_trips = 1,
     .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT),
     .handler = patch_goal},
    {.path = NULL},
};
