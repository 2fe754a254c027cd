/* load - cognitive load: calculate and keep a sample, the present, the past; and burnout's row. */
#include "twin/adapt.h"

#include "api/burnout.h"
#include "api/learner.h"
#include "api/load_now.h"
#include "api/overload.h"
#include "api/session_row.h"
#include "api/strain.h"
#include "base/assert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIST_MAX = 1000,      /* latencies or scores in one call */
    BASELINE_NEEDED = 20, /* observations before a baseline counts as learned */
    GRADED_NEEDED = 5,    /* in a session, for an estimate from its sums */
    LATEST = 8,           /* samples read to find one strictly earlier than the newest */
    SESSIONS_LATEST = 20,
    SAMPLES_MAX = 20000, /* read for one history */
    SESSIONS_MAX = 1000,
    POINTS_MAX = 1000, /* returned by one history */
    EPISODES_MAX = 200,
    STALE_S = 3600,
    OVERLOAD_PRIORITY = 9,
};
#define ACTIVE_US (12 * US_PER_HOUR) /* an open session without events for longer is abandoned */
#define METHOD_MEASURED "legacy-v1"
#define METHOD_ESTIMATE "session-estimate"

/* ---- parts that the answers share ---- */

struct indicator {
    int32_t sign, severity;
    double value, contribution;
};
static const struct field indicator_fields[] = {
    FIELD(F_ENUM, struct indicator, sign, "type", .names = load_sign_names, .doc = "what shows"),
    FIELD(F_ENUM, struct indicator, severity, "severity", .names = load_severity_names,
          .doc = "how clearly"),
    FIELD(F_F64, struct indicator, value, "value",
          .doc = "mean ms, error rate, share of time paused, relative drop, or minutes"),
    FIELD(F_F64, struct indicator, contribution, "contribution", .min = 0, .max = 100,
          .doc = "the factor's own score, not weighted"),
    FIELD_END,
};

struct baseline {
    struct str source, ms_source;
    double ms, performance;
    int64_t n;
};
static const struct field baseline_fields[] = {
    FIELD(F_STR, struct baseline, source, "source",
          .doc =
              "request; learned: the learner's own history; default: a constant, costs confidence"),
    FIELD(F_F64, struct baseline, ms, "avgResponseLatency",
          .doc = "ms; geometric mean when learned, and the sample is then compared by its own"),
    FIELD(F_STR, struct baseline, ms_source, "latencySource",
          .doc = "of avgResponseLatency: likewise; default, too, where hardly an answer told its "
                 "time"),
    FIELD(F_F64, struct baseline, performance, "baselinePerformance", .doc = "share right"),
    FIELD(F_I64, struct baseline, n, "n", .doc = "observations behind it; 0 for a constant"),
    FIELD_END,
};

/* What the learner's history says of the usual latency and success. */
static struct baseline baseline_of(const struct learner *l)
{
    struct baseline b = {.source = STR("default"),
                         .ms_source = STR("default"),
                         .ms = LOAD_BASELINE_MS,
                         .performance = LOAD_BASELINE_PERFORMANCE};
    int64_t graded = learner_graded(l);

    if (learner_totals(l)->latency_n >= BASELINE_NEEDED) {
        b.ms = exp((double)learner_totals(l)->latency_log_micro / 1e6 /
                   (double)learner_totals(l)->latency_n);
        b.source = b.ms_source = STR("learned");
        b.n = learner_totals(l)->latency_n;
    }
    if (graded >= BASELINE_NEEDED && learner_succeeded(l) > 0) {
        b.performance = (double)learner_succeeded(l) / (double)graded;
        b.source = STR("learned");
        b.n = b.n > 0 && b.n < graded ? b.n : graded;
    }
    return b;
}

static void indicators_write(struct json_writer *w, const struct load_result *r)
{
    json_array(w);
    for (int32_t i = 0; i < r->indicator_count; i++) {
        const struct load_indicator *s = &r->indicators[i];
        struct indicator shown = {(int32_t)s->sign, (int32_t)s->severity, s->value,
                                  s->contribution};
        fields_write_json(indicator_fields, w, &shown);
    }
    json_array_end(w);
}

static struct str indicators_json(struct arena *arena, const struct load_result *r)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, EVENT_DATA_MAX);
    json_writer_init(&w, &b);
    indicators_write(&w, r);
    struct str text = b.failed ? (struct str){NULL, 0} : arena_str(arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

/* ---- POST analytics/cognitive-load/calculate ---- */

struct engagement {
    double pauses, pause_ms, interactions;
};
static const struct field engagement_fields[] = {
    FIELD(F_F64, struct engagement, pauses, "pauseCount", .flags = FIELD_REQUIRED, .min = 0,
          .max = 10000, .doc = "pauses"),
    FIELD(F_F64, struct engagement, pause_ms, "pauseDurationMs", .flags = FIELD_REQUIRED, .min = 0,
          .max = EVENT_DURATION_MS_MAX, .doc = "time paused"),
    FIELD(F_F64, struct engagement, interactions, "cardInteractions", .flags = FIELD_REQUIRED,
          .min = 0, .max = 1e6, .doc = "kept for older clients; not used by this method"),
    FIELD_END,
};

struct given_baseline {
    double ms, performance;
};
static const struct field given_baseline_fields[] = {
    FIELD(F_F64, struct given_baseline, ms, "avgResponseLatency", .flags = FIELD_REQUIRED, .min = 0,
          .max = EVENT_DURATION_MS_MAX, .doc = "ms; 0 means the default"),
    FIELD(F_F64, struct given_baseline, performance, "baselinePerformance", .flags = FIELD_REQUIRED,
          .min = 0, .max = 1, .doc = "0 to 1; 0 means the default"),
    FIELD_END,
};

struct behaviour {
    struct list latencies, scores;
    double error_rate, minutes;
    const struct engagement *engagement;
    const struct given_baseline *baseline;
};
static const struct field behaviour_fields[] = {
    FIELD(F_LIST, struct behaviour, latencies, "responseLatencies", .item = F_F64,
          .size = sizeof(double), .max = LIST_MAX, .doc = "ms, 0 to a day each"),
    FIELD(F_F64, struct behaviour, error_rate, "errorRate", .min = 0, .max = 1, .def = "0",
          .doc = "share of wrong answers"),
    FIELD(F_OBJECT, struct behaviour, engagement, "engagementMetrics", .flags = FIELD_POINTER,
          .sub = engagement_fields, .size = sizeof(struct engagement), .doc = "pauses"),
    FIELD(F_LIST, struct behaviour, scores, "performanceScores", .item = F_F64,
          .size = sizeof(double), .max = LIST_MAX, .doc = "0 to 1 each; the last five are used"),
    FIELD(F_F64, struct behaviour, minutes, "sessionDuration", .flags = FIELD_REQUIRED, .min = 0,
          .max = 1440, .doc = "minutes so far"),
    FIELD(F_OBJECT, struct behaviour, baseline, "baselineData", .flags = FIELD_POINTER,
          .sub = given_baseline_fields, .size = sizeof(struct given_baseline),
          .doc = "left out: the learner's own history"),
    FIELD_END,
};

struct calculate_body {
    struct str user_id, session_id;
    struct behaviour data;
};
static const struct field calculate_body[] = {
    FIELD_USER_ID(struct calculate_body),
    FIELD(F_STR, struct calculate_body, session_id, "sessionId", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "session that was measured"),
    FIELD(F_OBJECT, struct calculate_body, data, "behavioralData", .flags = FIELD_REQUIRED,
          .sub = behaviour_fields, .size = sizeof(struct behaviour), .doc = "what was observed"),
    FIELD_END,
};

struct breaks {
    int64_t every, minutes;
    int64_t next;
};
static const struct field breaks_fields[] = {
    FIELD(F_I64, struct breaks, every, "breakEvery", .doc = "minutes; 0: now"),
    FIELD(F_I64, struct breaks, minutes, "breakMinutes", .doc = "of a break"),
    FIELD(F_TIME, struct breaks, next, "nextBreak", .doc = "the first of them"),
    FIELD_END,
};
static const char *const intensity_names[] = {"LOW", "MEDIUM", "HIGH", NULL};

struct calculated {
    double score;
    int32_t level, intensity;
    const struct breaks *breaks;
    struct str intervention;
    struct value proposal[8]; /* not shown */
    struct list indicators;
    bool overload;
    struct list advice;
    double confidence;
    int64_t at;
    struct str method;
    struct baseline baseline;
    bool stored;
    struct str event_id, reason;
    struct load_result result; /* not shown */
};
static const struct field calculated_fields[] = {
    FIELD(F_F64, struct calculated, score, "loadScore", .min = 0, .max = 100, .doc = "the load"),
    FIELD(F_ENUM, struct calculated, level, "loadLevel", .names = load_level_names,
          .doc = "below 40, 60, 80, or more"),
    FIELD(F_LIST, struct calculated, indicators, "stressIndicators", .sub = indicator_fields,
          .size = sizeof(struct indicator), .doc = "what makes the load"),
    FIELD(F_BOOL, struct calculated, overload, "overloadDetected",
          .doc = "load above 80, or two severe indicators"),
    FIELD(F_LIST, struct calculated, advice, "recommendations", .item = F_STR,
          .size = sizeof(struct str), .doc = "what to do now; may be empty"),
    FIELD(F_F64, struct calculated, confidence, "confidenceLevel", .min = 0, .max = 1,
          .doc = "falls with everything that was not observed"),
    FIELD(F_ENUM, struct calculated, intensity, "suggestedIntensity", .names = intensity_names,
          .doc = "of what comes next: HIGH below 40, MEDIUM to 70, else LOW"),
    FIELD(F_OBJECT, struct calculated, breaks, "breakSchedule",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = breaks_fields,
          .size = sizeof(struct breaks), .doc = "null below 40: breaks as usual"),
    FIELD(F_STR, struct calculated, intervention, "interventionId", .flags = FIELD_NULLABLE,
          .doc = "proposed against the overload, once a day; see interventions"),
    FIELD(F_TIME, struct calculated, at, "timestamp", .doc = "of the sample"),
    FIELD(F_STR, struct calculated, method, "method", .doc = "how it is computed"),
    FIELD(F_OBJECT, struct calculated, baseline, "baseline", .sub = baseline_fields,
          .size = sizeof(struct baseline), .doc = "what the sample was compared with"),
    FIELD(F_BOOL, struct calculated, stored, "stored", .doc = "is the sample kept?"),
    FIELD(F_STR, struct calculated, event_id, "eventId", .flags = FIELD_NULLABLE,
          .doc = "of the sample"),
    FIELD(F_STR, struct calculated, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why it is not kept"),
    FIELD_END,
};

static enum err check_numbers(struct api_call *c, const char *name, const struct list *list,
                              double max)
{
    const double *v = list->p;
    char path[96];

    for (int32_t i = 0; i < list->n; i++) {
        if (v[i] >= 0 && v[i] <= max)
            continue;
        snprintf(path, sizeof path, "behavioralData.%s[%d]", name, i);
        return api_bad_field(c, path, v[i] > max ? "too_big" : "too_small",
                             "must be between 0 and %g", max);
    }
    return ERR_OK;
}

static double mean_of(const struct list *list, int32_t from, bool geometric)
{
    const double *v = list->p;
    double sum = 0;

    for (int32_t i = from; i < list->n; i++)
        sum += geometric ? log(fmax(1, v[i])) : v[i];
    double mean = list->n > from ? sum / (list->n - from) : 0;
    return geometric && list->n > from ? exp(mean) : mean;
}

static void calculate(const struct behaviour *b, const struct learner *l, struct calculated *r)
{
    r->baseline = baseline_of(l);
    if (b->baseline)
        r->baseline = (struct baseline){
            .source = STR("request"),
            .ms_source = b->baseline->ms > 0 ? STR("request") : STR("default"),
            .ms = b->baseline->ms > 0 ? b->baseline->ms : LOAD_BASELINE_MS,
            .performance =
                b->baseline->performance > 0 ? b->baseline->performance : LOAD_BASELINE_PERFORMANCE,
        };
    bool learned = str_eq(r->baseline.source, STR("learned"));
    int32_t last = b->scores.n > LOAD_SCORES_USED ? b->scores.n - LOAD_SCORES_USED : 0;
    struct load_input in = {
        .latency_n = b->latencies.n,
        /* Latencies are skewed: their plain mean against a geometric one would always look slow. */
        .latency_ms = mean_of(&b->latencies, 0, learned),
        .error_rate = b->error_rate,
        .has_engagement = b->engagement != NULL,
        .pauses = b->engagement ? b->engagement->pauses : 0,
        .pause_ms = b->engagement ? b->engagement->pause_ms : 0,
        .score_n = b->scores.n,
        .score_mean = mean_of(&b->scores, last, false),
        .minutes = b->minutes,
        .has_baseline = learned || b->baseline,
        .baseline_ms = r->baseline.ms,
        .baseline_performance = r->baseline.performance,
    };
    load_calculate(&in, &r->result);
}

static enum err show_result(struct api_call *c, struct calculated *r)
{
    struct indicator *signs = arena_new(c->arena, struct indicator, LOAD_SIGN_COUNT);
    struct str *advice = arena_new(c->arena, struct str, LOAD_ADVICE_MAX);
    const char *texts[LOAD_ADVICE_MAX];

    if (!signs || !advice)
        return ERR_NOMEM;
    for (int32_t i = 0; i < r->result.indicator_count; i++) {
        const struct load_indicator *s = &r->result.indicators[i];
        signs[i] =
            (struct indicator){(int32_t)s->sign, (int32_t)s->severity, s->value, s->contribution};
    }
    int32_t n = load_advice(&r->result, texts);
    for (int32_t i = 0; i < n; i++)
        advice[i] = str_from(texts[i]);
    r->score = r->result.score;
    r->level = (int32_t)r->result.level;
    r->indicators = (struct list){signs, r->result.indicator_count};
    r->overload = r->result.overload;
    r->advice = (struct list){advice, n};
    r->confidence = round_to(r->result.confidence, 6);
    r->at = c->now_us;
    r->method = STR(METHOD_MEASURED);
    return ERR_OK;
}

/* The event's data: {"loadScore":…,"confidenceLevel":…,"overload":…,"stressIndicators":[…]} */
static struct str sample_json(struct arena *arena, const struct calculated *r)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, EVENT_DATA_MAX);
    json_writer_init(&w, &b);
    json_object(&w);
    json_kv_f64(&w, "loadScore", r->score);
    json_kv_cstr(&w, "loadLevel", load_level_names[r->level]);
    json_kv_f64(&w, "confidenceLevel", r->confidence);
    json_kv_bool(&w, "overload", r->overload);
    json_kv_str(&w, "method", r->method);
    json_name(&w, STR("stressIndicators"));
    indicators_write(&w, &r->result);
    json_object_end(&w);
    struct str text = b.failed ? (struct str){NULL, 0} : arena_str(arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

static enum err propose_run(struct api_call *c, struct store_conn *conn)
{
    const struct calculated *r = c->reply;
    struct bulk b = {
        .stmt = STMT_INTERVENTIONS_PUT, .rows = 1, .cols = COUNT(r->proposal), .v = r->proposal};

    return store_write(conn, &b, 1);
}

static enum err proposed(struct api_call *c)
{
    (void)c;
    return ERR_OK;
}

static enum err calculate_stored(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    struct calculated *r = c->reply;

    (void)n;
    if (results[0].status == INGEST_REJECTED)
        return event_refused(c, &results[0]);
    r->stored = true;
    r->event_id = results[0].id;
    return r->intervention.p ? api_change(c, propose_run, proposed) : ERR_OK;
}

static enum err show_relief(struct api_call *c, double error_rate, struct calculated *r)
{
    struct adapt_difficulty d = adapt_difficulty(r->score, error_rate);
    struct breaks *b = arena_new(c->arena, struct breaks, 1);

    if (!b)
        return ERR_NOMEM;
    r->intensity = r->score < 40 ? 2 : r->score <= 70 ? 1 : 0;
    *b = (struct breaks){d.break_every, d.break_minutes, c->now_us + d.break_every * US_PER_MINUTE};
    r->breaks = d.break_every >= 0 ? b : NULL;
    return ERR_OK;
}

/* Against an overload: to study less, one proposal a day. */
static enum err propose(struct api_call *c, const struct learner *l, struct calculated *r)
{
    r->intervention = arena_printf(c->arena, "overload-%d", (int)l->today);
    const struct value v[] = {V_I(l->learner_id),
                              V_S(r->intervention),
                              V_N,
                              V_N,
                              V_S(STR("COGNITIVE_LOAD_REDUCE")),
                              V_I(OVERLOAD_PRIORITY),
                              V_D(r->score),
                              V_I(c->now_us)};
    _Static_assert(COUNT(v) == COUNT(r->proposal), "a row");
    memcpy(r->proposal, v, sizeof v);
    return r->intervention.p ? ERR_OK : ERR_NOMEM;
}

static enum err post_calculate(struct api_call *c)
{
    const struct calculate_body *in = c->in;
    struct query q[1];
    struct learner l;
    struct calculated *r = arena_new(c->arena, struct calculated, 1);
    struct event *event = arena_new(c->arena, struct event, 1);

    if (!r || !event)
        return ERR_NOMEM;
    enum err e = check_numbers(c, "responseLatencies", &in->data.latencies, EVENT_DURATION_MS_MAX);
    if (e == ERR_OK)
        e = check_numbers(c, "performanceScores", &in->data.scores, 1);
    if (e == ERR_OK)
        e = learner_read(c, q, 1, &l);
    if (e != ERR_OK)
        return e;
    calculate(&in->data, &l, r);
    e = show_result(c, r);
    if (e == ERR_OK)
        e = show_relief(c, in->data.error_rate, r);
    if (e == ERR_OK && r->overload && l.analysis)
        e = propose(c, &l, r);
    if (e != ERR_OK)
        return e;
    c->reply = r;
    if (!l.analysis) {
        r->reason = reason_disabled;
        return ERR_OK;
    }
    event_init(event);
    event->learner = c->learner;
    event->at = c->now_us;
    event->kind = EVENT_LOAD;
    event->session = in->session_id;
    event->data = sample_json(c->arena, r);
    return event->data.p ? api_ingest(c, event, 1, calculate_stored) : ERR_NOMEM;
}

/* ---- estimates from a session's sums ---- */

/* The same formula on what the sums tell; false: too little was graded, or there was no clock. */
static bool session_load(const struct session_row *s, const struct baseline *baseline,
                         struct load_result *ret)
{
    int64_t graded = s->answers + s->reviews;
    bool learned = str_eq(baseline->source, STR("learned"));

    if (graded < GRADED_NEEDED || s->untimed)
        return false;
    struct load_input in = {
        .latency_n = (int32_t)(s->latency_n < INT32_MAX ? s->latency_n : INT32_MAX),
        .latency_ms =
            s->latency_n > 0 ? exp((double)s->latency_log_micro / 1e6 / (double)s->latency_n) : 0,
        .error_rate = 1 - s->success,
        .has_engagement = s->facts.started_at != TIME_NONE,
        .pauses = (double)s->facts.pauses,
        .pause_ms = (double)s->paused_ms,
        .minutes = (double)s->duration_ms / 60000,
        .has_baseline = learned,
        .baseline_ms = baseline->ms,
        .baseline_performance = baseline->performance,
    };
    load_calculate(&in, ret);
    return true;
}

/* ---- GET analytics/cognitive-load/current ---- */

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
    const struct baseline *baseline;
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
          .doc = METHOD_MEASURED ": measured or reported; " METHOD_ESTIMATE
                                 ": by the same formula from a session's sums"),
    FIELD(F_OBJECT, struct current, baseline, "baseline", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = baseline_fields, .size = sizeof(struct baseline),
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
    r->method = STR(METHOD_MEASURED);
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
    struct baseline *baseline = arena_new(c->arena, struct baseline, 1);
    bool have = false;

    if (!baseline)
        return ERR_NOMEM;
    *baseline = baseline_of(l);
    for (int32_t i = 0; i < rows->count; i++) {
        struct session_row s;
        struct load_result load;
        enum err e = session_row_read(c, columns_of(rows, i), &s);
        if (e != ERR_OK)
            return e;
        if (!session_load(&s, baseline, &load))
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
        r->indicators = indicators_json(c->arena, &load);
        r->method = STR(METHOD_ESTIMATE);
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
    needed.graded = GRADED_NEEDED;
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

/* ---- GET analytics/cognitive-load/history ---- */

static const char *const grain_names[] = {"raw", "hour", "day", "week", NULL};

struct history_query {
    int64_t start, end;
    bool start_given, end_given;
    int32_t grain;
};
static const struct field history_query[] = {
    FIELD(F_TIME, struct history_query, start, "startDate", .flags = FIELD_DATE_OK,
          .seen = 1 + (uint32_t)offsetof(struct history_query, start_given),
          .doc = "inclusive; seven days before the end when left out"),
    FIELD(F_TIME, struct history_query, end, "endDate", .flags = FIELD_DATE_OK,
          .seen = 1 + (uint32_t)offsetof(struct history_query, end_given),
          .doc = "inclusive; now when left out"),
    FIELD(F_ENUM, struct history_query, grain, "granularity", .names = grain_names, .def = "hour",
          .doc = "buckets of a local hour, local day or ISO week; raw: the samples"),
    FIELD_END,
};

struct point {
    int64_t at;
    double score;
    int32_t level;
    struct str indicators, session_id;
    double confidence, min, max, p90, time_mean;
    int64_t count;
};
static const struct field point_fields[] = {
    FIELD(F_TIME, struct point, at, "timestamp", .doc = "of the sample, or start of the bucket"),
    FIELD(F_F64, struct point, score, "loadScore", .doc = "the load, or its mean in the bucket"),
    FIELD(F_ENUM, struct point, level, "loadLevel", .names = load_level_names,
          .doc = "of loadScore"),
    FIELD(F_JSON, struct point, indicators, "stressIndicators",
          .doc =
              "list of {type, severity, value, contribution}; in a bucket: of its highest sample"),
    FIELD(F_STR, struct point, session_id, "sessionId", .flags = FIELD_NULLABLE,
          .doc = "null where a bucket holds several sessions"),
    FIELD(F_F64, struct point, confidence, "confidenceLevel", .flags = FIELD_NULLABLE,
          .doc = "of the sample; mean in a bucket"),
    FIELD(F_F64, struct point, min, "minLoad", .doc = "lowest in the bucket"),
    FIELD(F_F64, struct point, max, "maxLoad", .doc = "highest in the bucket"),
    FIELD(F_F64, struct point, p90, "p90Load", .doc = "nine tenths lie below"),
    FIELD(F_F64, struct point, time_mean, "timeWeightedLoad",
          .doc = "mean over time, each sample held until the next, at most half an hour"),
    FIELD(F_I64, struct point, count, "count", .doc = "samples in the bucket"),
    FIELD_END,
};

struct episode {
    int64_t start, end;
    double minutes, peak;
    int64_t samples;
    bool open;
};
static const struct field episode_fields[] = {
    FIELD(F_TIME, struct episode, start, "start", .doc = "first sample above 80"),
    FIELD(F_TIME, struct episode, end, "end", .doc = "first sample below 60 after it, or the last"),
    FIELD(F_F64, struct episode, minutes, "durationMinutes", .doc = "from start to end"),
    FIELD(F_F64, struct episode, peak, "peakLoad", .doc = "highest load in it"),
    FIELD(F_I64, struct episode, samples, "samples", .doc = "samples in it"),
    FIELD(F_BOOL, struct episode, open, "open", .doc = "no sample below 60 has followed"),
    FIELD_END,
};

struct date_range {
    int64_t start, end;
};
static const struct field date_range_fields[] = {
    FIELD(F_TIME, struct date_range, start, "start", .doc = "inclusive"),
    FIELD(F_TIME, struct date_range, end, "end", .doc = "inclusive"),
    FIELD_END,
};

struct history_summary {
    double mean, time_mean, max;
    int64_t episode_count, samples;
    struct date_range range;
    int32_t grain;
    struct list episodes;
    bool truncated, downsampled;
    struct str zone, method;
};
static const struct field history_summary_fields[] = {
    FIELD(F_F64, struct history_summary, mean, "avgLoad", .flags = FIELD_NULLABLE,
          .doc = "plain mean of the samples"),
    FIELD(F_F64, struct history_summary, time_mean, "timeWeightedLoad", .flags = FIELD_NULLABLE,
          .doc = "mean over time, each sample held until the next, at most half an hour"),
    FIELD(F_F64, struct history_summary, max, "maxLoad", .flags = FIELD_NULLABLE,
          .doc = "highest sample"),
    FIELD(F_I64, struct history_summary, episode_count, "overloadEpisodes",
          .doc = "times it rose above 80; an episode ends below 60"),
    FIELD(F_I64, struct history_summary, samples, "totalDataPoints", .doc = "samples in the range"),
    FIELD(F_OBJECT, struct history_summary, range, "dateRange", .sub = date_range_fields,
          .size = sizeof(struct date_range), .doc = "what was asked for"),
    FIELD(F_ENUM, struct history_summary, grain, "granularity", .names = grain_names,
          .doc = "of the points"),
    FIELD(F_LIST, struct history_summary, episodes, "episodes", .sub = episode_fields,
          .size = sizeof(struct episode), .doc = "at most 200"),
    FIELD(F_BOOL, struct history_summary, truncated, "truncated",
          .doc = "the range holds more than 20,000 samples: the oldest were left out"),
    FIELD(F_BOOL, struct history_summary, downsampled, "downsampled",
          .doc = "thinned to 1,000 points that keep the shape"),
    FIELD(F_STR, struct history_summary, zone, "timeZone", .doc = "whose hours and days these are"),
    FIELD(F_STR, struct history_summary, method, "method", .flags = FIELD_NULLABLE,
          .doc = METHOD_MEASURED ": measured or reported; " METHOD_ESTIMATE
                                 ": one a session, from its sums, where nothing was measured"),
    FIELD_END,
};

struct history {
    struct list points;
    struct history_summary summary;
    struct strain_past strain;
    struct overload_past overload;
    struct str reason;
};
static const struct field history_fields[] = {
    FIELD(F_LIST, struct history, points, "dataPoints", .sub = point_fields,
          .size = sizeof(struct point), .doc = "oldest first, at most 1,000"),
    FIELD(F_OBJECT, struct history, summary, "summary", .sub = history_summary_fields,
          .size = sizeof(struct history_summary), .doc = "of all samples in the range"),
    FIELD(F_OBJECT, struct history, strain, "strain", .sub = strain_past_fields,
          .size = sizeof(struct strain_past),
          .doc = "sitting by sitting, against the learner's own normal"),
    FIELD(F_OBJECT, struct history, overload, "overload", .sub = overload_past_fields,
          .size = sizeof(struct overload_past), .doc = "overload that lasted for days"),
    FIELD(F_STR, struct history, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no points"),
    FIELD_END,
};

/* The samples as points, oldest first, and as the model's series beside them. */
struct series {
    struct point *points;
    struct load_sample *samples;
    int32_t n;
};

static void series_add(struct series *s, struct point p)
{
    p.level = (int32_t)load_level_of(p.score);
    p.min = p.max = p.p90 = p.time_mean = p.score;
    p.count = 1;
    s->samples[s->n] = (struct load_sample){p.at, p.score};
    s->points[s->n++] = p;
}

static enum err series_new(struct api_call *c, int32_t n, struct series *ret)
{
    *ret = (struct series){.points = arena_new(c->arena, struct point, (size_t)n + 1),
                           .samples = arena_new(c->arena, struct load_sample, (size_t)n + 1)};
    return ret->points && ret->samples ? ERR_OK : ERR_NOMEM;
}

static enum err series_measured(struct api_call *c, const struct rows *rows, struct series *s)
{
    enum err e = series_new(c, rows->count, s);

    for (int32_t i = rows->count - 1; e == ERR_OK && i >= 0; i--) { /* they come newest first */
        struct columns v = columns_of(rows, i);
        struct point p = {.at = column_i64(&v, 0)};
        p.session_id = column_str(&v);
        p.score = column_f64(&v);
        p.confidence = column_f64(&v);
        p.indicators = column_str(&v);
        series_add(s, p);
    }
    return e;
}

static int by_time(const void *pa, const void *pb)
{
    const struct point *a = pa, *b = pb;
    return (a->at > b->at) - (a->at < b->at);
}

static enum err series_estimated(struct api_call *c, const struct rows *rows,
                                 const struct learner *l, struct series *s)
{
    const struct baseline baseline = baseline_of(l);
    enum err e = series_new(c, rows->count, s);

    for (int32_t i = rows->count - 1; e == ERR_OK && i >= 0; i--) {
        struct session_row row;
        struct load_result load;
        e = session_row_read(c, columns_of(rows, i), &row);
        if (e != ERR_OK || !session_load(&row, &baseline, &load))
            continue;
        struct point p = {.at = row.facts.last_at,
                          .score = load.score,
                          .session_id = row.id,
                          .confidence = round_to(load.confidence, 6),
                          .indicators = indicators_json(c->arena, &load)};
        if (!p.indicators.p)
            return ERR_NOMEM;
        series_add(s, p);
    }
    if (e != ERR_OK)
        return e;
    /* Sessions are in order of their beginnings, the points lie at their ends. */
    qsort(s->points, (size_t)s->n, sizeof *s->points, by_time);
    for (int32_t i = 0; i < s->n; i++)
        s->samples[i] = (struct load_sample){s->points[i].at, s->points[i].score};
    return ERR_OK;
}

static struct point bucket_point(const struct series *s, const struct load_bucket *b)
{
    struct point p = s->points[b->peak];
    double confidence = 0;
    int32_t known = 0;

    p.session_id = s->points[b->first].session_id;
    for (int32_t i = b->first; i < b->first + b->count; i++) {
        if (!str_eq(s->points[i].session_id, p.session_id))
            p.session_id = (struct str){NULL, 0};
        if (isnan(s->points[i].confidence))
            continue;
        confidence += s->points[i].confidence;
        known++;
    }
    p.at = b->start;
    p.score = b->mean;
    p.level = (int32_t)load_level_of(b->mean);
    p.confidence = known > 0 ? confidence / known : (double)NAN;
    p.min = b->min;
    p.max = b->max;
    p.p90 = b->p90;
    p.time_mean = b->time_mean;
    p.count = b->count;
    return p;
}

static enum err history_points(struct api_call *c, const struct series *s, enum load_grain grain,
                               const struct zone *zone, struct history *r)
{
    struct point *points = s->points;
    int32_t n = s->n;

    if (grain != LOAD_RAW && n > 0) {
        double *scratch = arena_new(c->arena, double, (size_t)n);
        struct load_bucket *buckets = arena_new(c->arena, struct load_bucket, (size_t)n);
        points = arena_new(c->arena, struct point, (size_t)n);
        if (!scratch || !buckets || !points)
            return ERR_NOMEM;
        n = load_buckets(s->samples, s->n, zone, grain, scratch, buckets, s->n);
        for (int32_t i = 0; i < n; i++)
            points[i] = bucket_point(s, &buckets[i]);
    }
    if (n > POINTS_MAX) {
        double *x = arena_new(c->arena, double, (size_t)n),
               *y = arena_new(c->arena, double, (size_t)n);
        int32_t *kept = arena_new(c->arena, int32_t, POINTS_MAX);
        if (!x || !y || !kept)
            return ERR_NOMEM;
        for (int32_t i = 0; i < n; i++) {
            x[i] = (double)(points[i].at - points[0].at);
            y[i] = points[i].score;
        }
        n = stats_lttb(x, y, n, POINTS_MAX, kept);
        for (int32_t i = 0; i < n; i++)
            points[i] = points[kept[i]]; /* kept[i] >= i */
        r->summary.downsampled = true;
    }
    r->points = (struct list){points, n};
    return ERR_OK;
}

static enum err history_summary(struct api_call *c, const struct series *s,
                                struct history_summary *r)
{
    struct load_episode *found = arena_new(c->arena, struct load_episode, EPISODES_MAX);
    struct episode *shown = arena_new(c->arena, struct episode, EPISODES_MAX);
    double sum = 0;

    if (!found || !shown)
        return ERR_NOMEM;
    int32_t n = load_episodes(s->samples, s->n, found, EPISODES_MAX);
    int32_t kept = n < EPISODES_MAX ? n : EPISODES_MAX;
    for (int32_t i = 0; i < kept; i++)
        shown[i] = (struct episode){
            found[i].start,
            found[i].end,
            round_to((double)(found[i].end - found[i].start) / (double)US_PER_MINUTE, 1),
            found[i].peak,
            found[i].samples,
            found[i].open,
        };
    r->mean = r->max = NAN;
    for (int32_t i = 0; i < s->n; i++) {
        sum += s->samples[i].score;
        r->max = fmax(r->max, s->samples[i].score);
    }
    if (s->n > 0)
        r->mean = sum / s->n;
    r->time_mean = load_time_mean(s->samples, s->n, 0, s->n);
    r->episode_count = n;
    r->episodes = (struct list){shown, kept};
    r->samples = s->n;
    return ERR_OK;
}

static enum err get_history(struct api_call *c)
{
    const struct history_query *in = c->in;
    int64_t end = in->end_given ? in->end : c->now_us;
    int64_t start = in->start_given ? in->start : end - 7 * US_PER_DAY;
    const struct value samples[] = {V_S(c->learner), V_I(start), V_I(end), V_I(SAMPLES_MAX + 1)};
    const struct value sessions[] = {V_S(c->learner), V_I(start), V_I(end), V_I(SESSIONS_MAX)};
    struct strain_past_args past;
    struct strain_args strain;
    struct overload_args days;
    struct query q[3 + STRAIN_QUERIES + STRAIN_PAST_QUERIES + 1] = {
        [1] = {.stmt = STMT_LOAD_BETWEEN, .args = samples, .arg_count = 4},
        [2] = {.stmt = STMT_LOAD_SESSIONS, .args = sessions, .arg_count = 4},
    };
    struct history *r = arena_new(c->arena, struct history, 1);
    struct strain_now now;
    struct learner l;
    struct series s;

    if (!r)
        return ERR_NOMEM;
    strain_queries(c, &strain, q + 3);
    strain_past_queries(c, start, end, &past, q + 3 + STRAIN_QUERIES);
    overload_query(c, start, end, &days, &q[COUNT(q) - 1]);
    enum err e = range_check(c, "startDate", start, end);
    if (e == ERR_OK)
        e = learner_read(c, q, COUNT(q), &l);
    if (e == ERR_OK)
        e = strain_now(c, q + 3, &now);
    if (e == ERR_OK)
        e = strain_past(c, &now, q + 3 + STRAIN_QUERIES, start, end, &r->strain);
    if (e == ERR_OK)
        e = overload_past(c, &q[COUNT(q) - 1], &l, start, end, &r->overload);
    if (e != ERR_OK)
        return e;
    if (!l.analysis)
        r->strain.reason = reason_disabled;
    r->summary.range = (struct date_range){start, end};
    r->summary.grain = in->grain;
    r->summary.zone = zone_name(l.zone);
    r->summary.truncated = q[1].rows.count > SAMPLES_MAX;
    if (r->summary.truncated)
        q[1].rows.count = SAMPLES_MAX; /* the newest come first */
    bool measured = q[1].rows.count > 0;
    if (!l.analysis)
        e = series_new(c, 0, &s);
    else if (measured)
        e = series_measured(c, &q[1].rows, &s);
    else
        e = series_estimated(c, &q[2].rows, &l, &s);
    if (e == ERR_OK)
        e = history_points(c, &s, (enum load_grain)in->grain, l.zone, r);
    if (e == ERR_OK)
        e = history_summary(c, &s, &r->summary);
    if (s.n > 0)
        r->summary.method = measured ? STR(METHOD_MEASURED) : STR(METHOD_ESTIMATE);
    else
        r->reason = !l.analysis ? reason_disabled
                                : STR("Nothing was measured in this range, and no session in it "
                                      "has five graded items.");
    c->reply = r;
    return e;
}

#define LOAD_ROW                                                                  \
    .tag = "load", .envelope = ENVELOPE_FLAT, .run = RUN_SMALL, .round_trips = 1, \
    .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_load[] = {
    {LOAD_ROW, .method = HTTP_POST, .path = "/api/analytics/cognitive-load/calculate",
     .id = "calculate_cognitive_load",
     .summary = "Compute the present load and keep it as a sample",
     .scopes = SCOPE_INGEST | SCOPE_WRITE, .learner = LEARNER_BODY, .body = calculate_body,
     .in_size = sizeof(struct calculate_body), .reply = calculated_fields, .body_max = 64 * 1024,
     .repeats = true, .handler = post_calculate},
    {LOAD_ROW, .method = HTTP_GET, .path = "/api/analytics/cognitive-load/current",
     .id = "get_current_cognitive_load", .summary = "The newest load, its age and its trend",
     .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .reply = current_fields,
     .cache = {.fresh_s = 120, .stale_s = 300}, .handler = get_current},
    {LOAD_ROW, .method = HTTP_GET, .path = "/api/analytics/cognitive-load/history",
     .id = "get_cognitive_load_history", .summary = "Load over time, by hour, day or week",
     .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .query = history_query,
     .in_size = sizeof(struct history_query), .reply = history_fields,
     .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_history},
    {.method = HTTP_GET,
     .path = "/api/analytics/burnout-risk",
     .id = "get_burnout_risk",
     .tag = "load",
     .summary = "Risk of burnout by behaviour over fourteen local days",
     .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY,
     .reply = burnout_fields,
     .envelope = ENVELOPE_DATA,
     .run = RUN_SMALL,
     .round_trips = 1,
     .cache = {.fresh_s = 300, .stale_s = 1800},
     .errors = UINT64_C(1) << ERR_NOT_FOUND,
     .handler = get_burnout_risk},
    {.path = NULL},
};
