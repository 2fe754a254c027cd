/* load_calculate - POST analytics/cognitive-load/calculate: computes a load and keeps it as a
 * sample. */
#include "twin/adapt.h"

#include "api/load_view.h"
#include "base/assert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    LIST_MAX = 1000, /* latencies or scores in one call */
    OVERLOAD_PRIORITY = 9,
};

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
    struct load_baseline baseline;
    bool stored;
    struct str event_id, reason;
    struct load_result result; /* not shown */
};
static const struct field calculated_fields[] = {
    FIELD(F_F64, struct calculated, score, "loadScore", .min = 0, .max = 100, .doc = "the load"),
    FIELD(F_ENUM, struct calculated, level, "loadLevel", .names = load_level_names,
          .doc = "below 40, 60, 80, or more"),
    FIELD(F_LIST, struct calculated, indicators, "stressIndicators", .sub = load_indicator_fields,
          .size = sizeof(struct load_shown), .doc = "what makes the load"),
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
    FIELD(F_OBJECT, struct calculated, baseline, "baseline", .sub = load_baseline_fields,
          .size = sizeof(struct load_baseline), .doc = "what the sample was compared with"),
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
    r->baseline = load_baseline_of(l);
    if (b->baseline)
        r->baseline = (struct load_baseline){
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
    struct load_shown *signs = arena_new(c->arena, struct load_shown, LOAD_SIGN_COUNT);
    struct str *advice = arena_new(c->arena, struct str, LOAD_ADVICE_MAX);
    const char *texts[LOAD_ADVICE_MAX];

    if (!signs || !advice)
        return ERR_NOMEM;
    for (int32_t i = 0; i < r->result.indicator_count; i++) {
        const struct load_indicator *s = &r->result.indicators[i];
        signs[i] =
            (struct load_shown){(int32_t)s->sign, (int32_t)s->severity, s->value, s->contribution};
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
    r->method = STR(LOAD_METHOD_MEASURED);
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
    load_indicators_write(&w, &r->result);
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

#define LOAD_ROW                                                                  \
    .tag = "load", .envelope = ENVELOPE_FLAT, .run = RUN_SMALL, .round_trips = 1, \
    .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_load_calculate[] = {
    {LOAD_ROW, .method = HTTP_POST, .path = "/api/analytics/cognitive-load/calculate",
     .id = "calculate_cognitive_load",
     .summary = "Compute the present load and keep it as a sample",
     .scopes = SCOPE_INGEST | SCOPE_WRITE, .learner = LEARNER_BODY, .body = calculate_body,
     .in_size = sizeof(struct calculate_body), .reply = calculated_fields, .body_max = 64 * 1024,
     .repeats = true, .handler = post_calculate},
    {.path = NULL},
};
