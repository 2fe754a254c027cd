/* load - GET analytics/cognitive-load/current: the present load, its age and its trend. */
#include "api/load_now.h"
#include "api/load_view.h"
#include "api/strain.h"
#include "base/assert.h"

#include <math.h>
#include <string.h>

enum {
    LATEST = 8, /* samples read to find one strictly earlier than the newest */
    SESSIONS_LATEST = 20,
    STALE_S = 3600,
};
#define ACTIVE_US (12 * US_PER_HOUR) /* an open session without events for longer is abandoned */

static const char *const trend_names[] = {"down", "stable", "up", NULL};

struct better_time {
    int64_t hours, minutes;
};
static const struct field better_time_fields[] = {
    FIELD(F_I64, struct better_time, hours, "avoidNextHours", .doc = "hours to leave out"),
    FIELD(F_I64, struct better_time, minutes, "recommendedDelay",
          .doc = "minutes until the strain will have faded below 60"),
    FIELD_END,
};

struct current {
    double score;
    int32_t level;
    struct str indicators;
    int64_t at;
    int32_t trend;
    bool active;
    double confidence;
    int64_t age_s;
    bool stale;
    struct str session_id, method;
    const struct load_baseline *baseline;
    const struct strain_shown *strain;
    const struct better_time *better;
    struct str reason;
    const struct needed *needed;
};
static const struct field current_fields[] = {
    FIELD(F_F64, struct current, score, "loadScore", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "the newest load; null: see the reason"),
    FIELD(F_ENUM, struct current, level, "loadLevel", .flags = FIELD_NULLABLE,
          .names = load_level_names, .doc = "below 40, 60, 80, or more"),
    FIELD(F_JSON, struct current, indicators, "stressIndicators",
          .doc = "list of {type, severity, value, contribution}"),
    FIELD(F_TIME, struct current, at, "timestamp", .flags = FIELD_NULLABLE, .doc = "of this load"),
    FIELD(F_ENUM, struct current, trend, "trend", .flags = FIELD_NULLABLE, .names = trend_names,
          .doc = "against the load before: more than 10 points up or down"),
    FIELD(F_BOOL, struct current, active, "sessionActive", .doc = "is its session still open?"),
    FIELD(F_F64, struct current, confidence, "confidenceLevel", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "falls with everything that was not observed"),
    FIELD(F_I64, struct current, age_s, "ageSeconds", .flags = FIELD_NULLABLE,
          .doc = "how old this load is"),
    FIELD(F_BOOL, struct current, stale, "stale", .doc = "older than an hour: not the present"),
    FIELD(F_STR, struct current, session_id, "sessionId", .flags = FIELD_NULLABLE,
          .doc = "its session"),
    FIELD(F_STR, struct current, method, "method", .flags = FIELD_NULLABLE,
          .doc = LOAD_METHOD_MEASURED ": measured or reported; " LOAD_METHOD_ESTIMATE
                                      ": by the same formula from a session's sums"),
    FIELD(F_OBJECT, struct current, baseline, "baseline", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = load_baseline_fields, .size = sizeof(struct load_baseline),
          .doc = "what an estimate was compared with"),
    FIELD(F_OBJECT, struct current, strain, "strain", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = strain_shown_fields, .size = sizeof(struct strain_shown),
          .doc = "the load against the learner's own normal, by every answer"),
    FIELD(F_OBJECT, struct current, better, "optimalTimeRecommendation",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = better_time_fields,
          .size = sizeof(struct better_time), .doc = "null: nothing speaks against now"),
    FIELD(F_STR, struct current, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no load"),
    FIELD(F_OBJECT, struct current, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD_END,
};

static void current_aged(struct api_call *c, struct current *r)
{
    r->age_s = c->now_us > r->at ? (c->now_us - r->at) / US_PER_S : 0;
    r->stale = r->age_s > STALE_S;
    r->level = (int32_t)load_level_of(r->score);
}

static bool current_measured(struct api_call *c, const struct rows *rows, struct current *r)
{
    if (rows->count == 0)
        return false;
    struct columns v = columns_of(rows, 0);
    r->at = column_i64(&v, 0);
    column_str(&v); /* id */
    r->session_id = column_str(&v);
    r->score = column_f64(&v);
    r->confidence = column_f64(&v);
    r->indicators = column_str(&v);
    r->active = column_bool(&v);
    r->method = STR(LOAD_METHOD_MEASURED);
    r->trend = 1;
    for (int32_t i = 1; i < rows->count; i++) {
        struct columns p = columns_of(rows, i);
        if (column_i64(&p, 0) == r->at)
            continue;
        column_str(&p);
        column_str(&p);
        r->trend = 1 + load_trend(r->score, column_f64(&p));
        break;
    }
    current_aged(c, r);
    return true;
}

static enum err current_estimated(struct api_call *c, const struct rows *rows,
                                  const struct learner *l, struct current *r)
{
    struct load_baseline *baseline = arena_new(c->arena, struct load_baseline, 1);
    bool have = false;

    if (!baseline)
        return ERR_NOMEM;
    *baseline = load_baseline_of(l);
    for (int32_t i = 0; i < rows->count; i++) {
        struct session_row s;
        struct load_result load;
        enum err e = session_row_read(c, columns_of(rows, i), &s);
        if (e != ERR_OK)
            return e;
        if (!load_of_session(&s, baseline, &load))
            continue;
        if (have) {
            r->trend = 1 + load_trend(r->score, load.score);
            break;
        }
        have = true;
        r->score = load.score;
        r->confidence = round_to(load.confidence, 6);
        r->at = s.facts.last_at;
        r->session_id = s.id;
        r->active = s.state != SESSION_COMPLETED && c->now_us - s.facts.last_at <= ACTIVE_US;
        r->indicators = load_indicators_json(c->arena, &load);
        r->method = STR(LOAD_METHOD_ESTIMATE);
        r->baseline = baseline;
        r->trend = 1;
    }
    if (have)
        current_aged(c, r);
    return have && !r->indicators.p ? ERR_NOMEM : ERR_OK;
}

void load_now_queries(struct api_call *c, struct load_now_args *a, struct query q[LOAD_NOW_QUERIES])
{
    const struct value sessions[] = {V_S(c->learner), V_I(INT64_MIN + 1), V_I(INT64_MAX),
                                     V_I(SESSIONS_LATEST)};

    a->latest[0] = V_S(c->learner);
    a->latest[1] = V_I(LATEST);
    a->latest[2] = V_I(c->now_us - ACTIVE_US);
    memcpy(a->sessions, sessions, sizeof sessions);
    q[0] = (struct query){.stmt = STMT_LOAD_LATEST, .args = a->latest, .arg_count = 3};
    q[1] = (struct query){.stmt = STMT_LOAD_SESSIONS, .args = a->sessions, .arg_count = 4};
}

static enum err current_read(struct api_call *c, const struct query q[LOAD_NOW_QUERIES],
                             const struct learner *l, struct current *r)
{
    *r = (struct current){.score = NAN,
                          .level = -1,
                          .indicators = STR("[]"),
                          .at = TIME_NONE,
                          .trend = -1,
                          .confidence = NAN,
                          .age_s = INT64_MIN};
    if (!l->analysis) {
        r->reason = reason_disabled;
        return ERR_OK;
    }
    if (current_measured(c, &q[0].rows, r))
        return ERR_OK;
    enum err e = current_estimated(c, &q[1].rows, l, r);
    if (e != ERR_OK || !isnan(r->score))
        return e;
    struct needed needed = NEEDED_NONE;
    needed.load_samples = 1;
    needed.graded = LOAD_GRADED_NEEDED;
    r->needed = needed_new(c->arena, needed);
    r->reason = STR("No load was measured, and no recent session has five graded items.");
    return ERR_OK;
}

enum err load_now_read(struct api_call *c, const struct query q[LOAD_NOW_QUERIES],
                       const struct learner *l, struct load_now *ret)
{
    struct current r;
    enum err e = current_read(c, q, l, &r);

    if (e == ERR_OK)
        *ret =
            (struct load_now){r.score, r.confidence, r.at, r.age_s, r.method, r.reason, r.needed};
    return e;
}

/* Above 60 it is better to wait until the load has faded. */
static enum err current_strain(struct api_call *c, const struct query *q, bool analysis,
                               struct current *r)
{
    struct strain_shown *shown;
    struct strain_now now;
    enum err e = strain_now(c, q, &now);

    if (e == ERR_OK)
        e = strain_show(c, &now, analysis, &shown);
    if (e != ERR_OK)
        return e;
    r->strain = shown;
    double wait = strain_fade_minutes(&now.state.strain, c->now_us);
    if (!analysis || !(wait > 0))
        return ERR_OK;
    struct better_time *better = arena_new(c->arena, struct better_time, 1);
    if (!better)
        return ERR_NOMEM;
    *better = (struct better_time){(int64_t)ceil(wait / 60), (int64_t)wait};
    r->better = better;
    return ERR_OK;
}

static enum err get_current(struct api_call *c)
{
    struct query q[1 + LOAD_NOW_QUERIES + STRAIN_QUERIES];
    struct load_now_args args;
    struct strain_args strain;
    struct current *r = arena_new(c->arena, struct current, 1);
    struct learner l;

    if (!r)
        return ERR_NOMEM;
    load_now_queries(c, &args, q + 1);
    strain_queries(c, &strain, q + 1 + LOAD_NOW_QUERIES);
    enum err e = learner_read(c, q, COUNT(q), &l);
    if (e == ERR_OK)
        e = current_read(c, q + 1, &l, r);
    if (e == ERR_OK)
        e = current_strain(c, q + 1 + LOAD_NOW_QUERIES, l.analysis, r);
    c->reply = r;
    return e;
}

#define LOAD_ROW                                                                  \
    .tag = "load", .envelope = ENVELOPE_FLAT, .run = RUN_SMALL, .round_trips = 1, \
    .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_load[] = {
    {LOAD_ROW, .method = HTTP_GET, .path = "/api/analytics/cognitive-load/current",
     .id = "get_current_cognitive_load", .summary = "The newest load, its age and its trend",
     .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .reply = current_fields,
     .cache = {.fresh_s = 120, .stale_s = 300}, .handler = get_current},
    {.path = NULL},
};
