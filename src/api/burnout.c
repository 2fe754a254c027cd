#include "api/burnout.h"

#include "api/learner.h"
#include "base/clock.h"
#include "twin/burnout.h"

#include <math.h>
#include <stdio.h>

enum { MISSIONS_MAX = 1000 };

struct factor_metadata {
    int64_t days_since_rest, recovery_days;
};
static const struct field factor_metadata_fields[] = {
    FIELD(F_I64, struct factor_metadata, days_since_rest, "daysSinceRest", .flags = FIELD_NULLABLE,
          .doc = "since the last day of rest or light load; null: none in fourteen days"),
    FIELD(F_I64, struct factor_metadata, recovery_days, "recoveryDays",
          .doc = "days of rest or light load in the last seven"),
    FIELD_END,
};

struct factor {
    int32_t factor, severity;
    double score, percentage, weight, contribution, share, measure;
    struct str description;
    const struct factor_metadata *metadata;
};
static const struct field factor_fields[] = {
    FIELD(F_ENUM, struct factor, factor, "factor", .names = burnout_factor_names, .doc = "which"),
    FIELD(F_F64, struct factor, score, "score", .min = 0, .max = 100,
          .doc = "0, 25, 50, 75 or 100"),
    FIELD(F_F64, struct factor, percentage, "percentage", .doc = "its weight in percent"),
    FIELD(F_ENUM, struct factor, severity, "severity", .names = burnout_level_names,
          .doc = "of the score"),
    FIELD(F_F64, struct factor, weight, "weight", .doc = "the weights add up to 1"),
    FIELD(F_F64, struct factor, contribution, "contribution", .doc = "weight x score"),
    FIELD(F_F64, struct factor, share, "share", .flags = FIELD_NULLABLE,
          .doc = "of the whole risk; null when that is 0"),
    FIELD(F_F64, struct factor, measure, "measure", .flags = FIELD_NULLABLE,
          .doc = "what the score was made from; null: no data for it"),
    FIELD(F_STR, struct factor, description, "description", .doc = "the same in words"),
    FIELD(F_OBJECT, struct factor, metadata, "metadata", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = factor_metadata_fields, .size = sizeof(struct factor_metadata),
          .doc = "of Recovery Deficit; null: of others"),
    FIELD_END,
};

struct signal {
    int32_t type, severity;
    bool detected;
    struct str description;
    int64_t first_detected_at;
};
static const struct field signal_fields[] = {
    FIELD(F_ENUM, struct signal, type, "type", .names = burnout_signal_names, .doc = "which"),
    FIELD(F_BOOL, struct signal, detected, "detected", .doc = "always true: others are not listed"),
    FIELD(F_ENUM, struct signal, severity, "severity", .names = burnout_level_names,
          .doc = "MEDIUM or HIGH"),
    FIELD(F_STR, struct signal, description, "description", .doc = "what was seen"),
    FIELD(F_TIME, struct signal, first_detected_at, "firstDetectedAt",
          .doc = "start of the local day on which it first held"),
    FIELD_END,
};

struct weights {
    double intensity, decline, load, irregularity, engagement, recovery;
};
static const struct field weights_fields[] = {
    FIELD(F_F64, struct weights, intensity, "studyIntensity", .doc = "weight"),
    FIELD(F_F64, struct weights, decline, "performanceDecline", .doc = "weight"),
    FIELD(F_F64, struct weights, load, "chronicCognitiveLoad", .doc = "weight"),
    FIELD(F_F64, struct weights, irregularity, "scheduleIrregularity", .doc = "weight"),
    FIELD(F_F64, struct weights, engagement, "engagementDecay", .doc = "weight"),
    FIELD(F_F64, struct weights, recovery, "recoveryDeficit", .doc = "weight"),
    FIELD_END,
};

struct burnout_metadata {
    struct str window, algorithm, zone;
    struct weights weights;
    double ms, progress, before;
};
static const struct field burnout_metadata_fields[] = {
    FIELD(F_STR, struct burnout_metadata, window, "analysisWindow", .doc = "what is looked at"),
    FIELD(F_STR, struct burnout_metadata, algorithm, "algorithm", .doc = "how it is computed"),
    FIELD(F_OBJECT, struct burnout_metadata, weights, "weights", .sub = weights_fields,
          .size = sizeof(struct weights), .doc = "of the factors"),
    FIELD(F_F64, struct burnout_metadata, ms, "executionTimeMs", .doc = "time this answer took"),
    FIELD(F_F64, struct burnout_metadata, progress, "recoveryProgress", .flags = FIELD_NULLABLE,
          .min = 0, .max = 100,
          .doc = "percent by which the risk fell against fourteen days earlier; null without data"),
    FIELD(F_F64, struct burnout_metadata, before, "previousRiskScore", .flags = FIELD_NULLABLE,
          .doc = "risk fourteen days earlier"),
    FIELD(F_STR, struct burnout_metadata, zone, "timeZone", .doc = "whose midnight ends a day"),
    FIELD_END,
};

struct data_quality {
    bool sufficient;
    int64_t sessions, study_days, load_samples, load_days, graded_days, missions;
    struct list missing;
    const struct needed *needed;
};
static const struct field data_quality_fields[] = {
    FIELD(F_BOOL, struct data_quality, sufficient, "sufficient",
          .doc = "five sessions and three active days at least"),
    FIELD(F_I64, struct data_quality, sessions, "sessions", .doc = "in the window"),
    FIELD(F_I64, struct data_quality, study_days, "activeDays", .doc = "days with any trace"),
    FIELD(F_I64, struct data_quality, load_samples, "loadSamples", .doc = "in the window"),
    FIELD(F_I64, struct data_quality, load_days, "loadDays", .doc = "days with a load sample"),
    FIELD(F_I64, struct data_quality, graded_days, "gradedDays", .doc = "days with graded work"),
    FIELD(F_I64, struct data_quality, missions, "missions", .doc = "in the window"),
    FIELD(F_LIST, struct data_quality, missing, "withoutData", .item = F_STR,
          .size = sizeof(struct str), .doc = "factors that count 0 because nothing is known"),
    FIELD(F_OBJECT, struct data_quality, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD_END,
};

struct shown_trend {
    int32_t series;
    double slope, p, p_adjusted;
    const struct interval *interval;
    int64_t days;
    int32_t direction;
    bool worse;
    struct str reason;
    int64_t needed;
};
static const char *const direction_names[] = {"down", "stable", "up", NULL};
static const struct field shown_trend_fields[] = {
    FIELD(F_ENUM, struct shown_trend, series, "series", .names = burnout_series_names,
          .doc = "mean load of the day, share right, or minutes of study"),
    FIELD(F_F64, struct shown_trend, slope, "slopePerDay", .flags = FIELD_NULLABLE,
          .doc = "Theil-Sen"),
    FIELD(F_OBJECT, struct shown_trend, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, of the slope"),
    FIELD(F_F64, struct shown_trend, p, "p", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "Mann-Kendall, corrected for memory of the series"),
    FIELD(F_F64, struct shown_trend, p_adjusted, "adjustedP", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "over the three"),
    FIELD(F_ENUM, struct shown_trend, direction, "direction", .flags = FIELD_NULLABLE,
          .names = direction_names, .doc = "up or down where adjustedP is below 0.05"),
    FIELD(F_BOOL, struct shown_trend, worse, "worse", .doc = "it goes the strained way"),
    FIELD(F_I64, struct shown_trend, days, "n", .doc = "days with the measure"),
    FIELD(F_STR, struct shown_trend, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no trend"),
    FIELD(F_I64, struct shown_trend, needed, "neededDays", .flags = FIELD_NULLABLE,
          .doc = "days with the measure that are missing"),
    FIELD_END,
};

struct override {
    bool skip, rest;
    int64_t days;
};
static const struct field override_fields[] = {
    FIELD(F_BOOL, struct override, skip, "skipGeneration",
          .doc = "make no mission, or a light one"),
    FIELD(F_BOOL, struct override, rest, "mandatoryRest", .doc = "rest first"),
    FIELD(F_I64, struct override, days, "recoveryDays", .doc = "so many days"),
    FIELD_END,
};

struct burnout {
    struct list trends;
    const struct override *override;
    double score;
    int32_t level;
    struct list factors, signals, advice;
    int64_t at;
    double confidence;
    bool insufficient;
    struct str reason;
    struct data_quality quality;
    struct burnout_metadata metadata;
};
static const struct field burnout_fields[] = {
    FIELD(F_F64, struct burnout, score, "riskScore", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "the risk; with insufficientData it means little"),
    FIELD(F_ENUM, struct burnout, level, "riskLevel", .flags = FIELD_NULLABLE,
          .names = burnout_level_names, .doc = "from 25, 50, 75 on"),
    FIELD(F_LIST, struct burnout, factors, "contributingFactors", .sub = factor_fields,
          .size = sizeof(struct factor), .doc = "the six factors, always in the same order"),
    FIELD(F_LIST, struct burnout, signals, "warningSignals", .sub = signal_fields,
          .size = sizeof(struct signal), .doc = "the detected ones"),
    FIELD(F_LIST, struct burnout, advice, "recommendations", .item = F_STR,
          .size = sizeof(struct str), .doc = "none with insufficient data"),
    FIELD(F_LIST, struct burnout, trends, "trends", .sub = shown_trend_fields,
          .size = sizeof(struct shown_trend),
          .doc = "where the days of the window are heading; empty without analysis"),
    FIELD(F_OBJECT, struct burnout, override, "missionOverride",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = override_fields,
          .size = sizeof(struct override), .doc = "from HIGH on; null: missions as usual"),
    FIELD(F_TIME, struct burnout, at, "assessmentDate", .doc = "now: each call assesses anew"),
    FIELD(F_F64, struct burnout, confidence, "confidence", .min = 0, .max = 1,
          .doc = "by how many sessions and load samples there are"),
    FIELD(F_BOOL, struct burnout, insufficient, "insufficientData",
          .doc = "too little is known to speak of a risk"),
    FIELD(F_STR, struct burnout, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why it says little or nothing"),
    FIELD(F_OBJECT, struct burnout, quality, "dataQuality", .sub = data_quality_fields,
          .size = sizeof(struct data_quality), .doc = "what the risk rests on"),
    FIELD(F_OBJECT, struct burnout, metadata, "metadata", .sub = burnout_metadata_fields,
          .size = sizeof(struct burnout_metadata), .doc = "how it was computed"),
    FIELD_END,
};

/* The window of fourteen days that ends with local day `last`. */
static void window_fill(const struct rows *days, int32_t last, struct burnout_input *in)
{
    for (int32_t i = 0; i < days->count; i++) {
        struct columns v = columns_of(days, i);
        int64_t at = column_i64(&v, 0) - (last - BURNOUT_DAYS + 1);
        if (at < 0 || at >= BURNOUT_DAYS)
            continue;
        struct burnout_day *d = &in->days[at];
        d->study_ms = column_i64(&v, 0);
        for (int quarter = 0; quarter < 4; quarter++)
            column_i64(&v, 0);
        d->sessions = column_i64(&v, 0);
        d->graded = column_i64(&v, 0);
        d->succeeded = column_i64(&v, 0);
        d->load_n = column_i64(&v, 0);
        d->load_mean = d->load_n > 0 ? (double)column_i64(&v, 0) / 1e6 / (double)d->load_n : 0;
    }
}

static enum err window_missions(struct api_call *c, const struct rows *rows, int32_t last,
                                struct burnout_input *in)
{
    struct burnout_mission *m =
        arena_new(c->arena, struct burnout_mission, (size_t)rows->count + 1);

    if (!m)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        int64_t at = column_i64(&v, 0) - (last - BURNOUT_DAYS + 1);
        struct str status = column_str(&v);
        if (at < 0 || at >= BURNOUT_DAYS)
            continue;
        struct burnout_mission *p = &m[in->mission_count++];
        p->day = (int32_t)at;
        p->difficulty = (int32_t)column_i64(&v, 0);
        for (int s = 0; mission_status_names[s]; s++)
            if (str_eq(status, str_from(mission_status_names[s])))
                p->status = (enum mission_status)s;
    }
    in->missions = m;
    return ERR_OK;
}

enum err burnout_of_rows(struct api_call *c, const struct rows *days, const struct rows *missions,
                         int32_t today, struct burnout_result *ret)
{
    struct burnout_input in = {.last_is_over = false};

    window_fill(days, today, &in);
    enum err e = window_missions(c, missions, today, &in);
    if (e == ERR_OK)
        burnout_assess(&in, ret);
    return e;
}

static struct str factor_text(struct arena *arena, const struct burnout_result *r,
                              enum burnout_factor f)
{
    double m = r->factors[f].measure;

    switch (f) {
    case BURNOUT_INTENSITY:
        return arena_printf(arena, "%.1f hours of study a week.", m);
    case BURNOUT_DECLINE:
        if (isnan(m))
            return STR("Needs seven days with graded work.");
        return m > 0 ? arena_printf(arena, "Success fell by %.0f %% within the window.", 100 * m)
                     : STR("Success did not fall within the window.");
    case BURNOUT_CHRONIC_LOAD:
        return isnan(m) ? STR("No load was measured.")
                        : arena_printf(arena, "Mean load above 60 on %.0f %% of the measured days.",
                                       100 * m);
    case BURNOUT_IRREGULARITY:
        return isnan(m)
                   ? STR("Needs seven missions.")
                   : arena_printf(arena, "A mission was skipped on %.0f %% of the days.", 100 * m);
    case BURNOUT_ENGAGEMENT:
        return isnan(m) ? STR("There were no missions.")
                        : arena_printf(arena, "%.0f %% of the missions were skipped or rated low.",
                                       100 * m);
    case BURNOUT_RECOVERY:
        return isnan(m) ? STR("Nothing is known of this fortnight.")
                        : arena_printf(arena, "%.0f of the last seven days were rest or light.", m);
    case BURNOUT_FACTORS:
        break;
    }
    return (struct str){NULL, 0};
}

static enum err show_factors(struct api_call *c, const struct burnout_result *b, struct burnout *r)
{
    struct factor *f = arena_new(c->arena, struct factor, BURNOUT_FACTORS);
    struct str *missing = arena_new(c->arena, struct str, BURNOUT_FACTORS);
    struct factor_metadata *metadata = arena_new(c->arena, struct factor_metadata, 1);

    if (!f || !missing || !metadata)
        return ERR_NOMEM;
    *metadata = (struct factor_metadata){b->days_since_rest < 0 ? INT64_MIN : b->days_since_rest,
                                         b->recovery_days};
    for (int i = 0; i < BURNOUT_FACTORS; i++) {
        f[i] = (struct factor){
            .factor = i,
            .severity = (int32_t)b->factors[i].severity,
            .score = b->factors[i].score,
            .percentage = 100 * burnout_weights[i],
            .weight = burnout_weights[i],
            .contribution = b->factors[i].contribution,
            .share = b->factors[i].share,
            .measure = b->factors[i].measure,
            .description = factor_text(c->arena, b, (enum burnout_factor)i),
            .metadata = i == BURNOUT_RECOVERY ? metadata : NULL,
        };
        if (isnan(f[i].measure))
            missing[r->quality.missing.n++] = str_from(burnout_factor_names[i]);
    }
    r->factors = (struct list){f, BURNOUT_FACTORS};
    r->quality.missing.p = missing;
    return ERR_OK;
}

static struct str signal_text(struct arena *arena, const struct burnout_result *b,
                              enum burnout_signal s)
{
    double m = b->signals[s].measure;

    switch (s) {
    case BURNOUT_SIGNAL_OVERLOAD:
        return arena_printf(arena, "Mean load above 60 on %.0f days.", m);
    case BURNOUT_SIGNAL_DROP:
        return arena_printf(arena, "Success fell by %.1f %% from the first to the last week.",
                            100 * m);
    case BURNOUT_SIGNAL_DISENGAGED:
        return arena_printf(arena, "%.0f missions were skipped or left unfinished.", m);
    case BURNOUT_SIGNAL_IRREGULAR:
        return arena_printf(arena, "No mission was done on %.0f of fourteen days.", m);
    case BURNOUT_SIGNAL_NO_RECOVERY:
        return STR("None of the last seven days was rest or light.");
    case BURNOUT_SIGNALS:
        break;
    }
    return (struct str){NULL, 0};
}

static enum err show_signals(struct api_call *c, const struct burnout_result *b,
                             const struct learner *l, struct burnout *r)
{
    struct signal *s = arena_new(c->arena, struct signal, BURNOUT_SIGNALS);
    struct str *advice = arena_new(c->arena, struct str, BURNOUT_ADVICE_MAX);
    const char *texts[BURNOUT_ADVICE_MAX];
    int32_t n = 0;

    if (!s || !advice)
        return ERR_NOMEM;
    for (int i = 0; i < BURNOUT_SIGNALS; i++) {
        if (!b->signals[i].raised)
            continue;
        int32_t day = l->today - BURNOUT_DAYS + 1 + b->signals[i].since_day;
        s[n++] = (struct signal){
            .type = i,
            .severity = b->signals[i].severe ? BURNOUT_HIGH : BURNOUT_MEDIUM,
            .detected = true,
            .description = signal_text(c->arena, b, (enum burnout_signal)i),
            .first_detected_at = civil_day_start(l->zone, day),
        };
    }
    r->signals = (struct list){s, n};
    n = burnout_advice(b, texts);
    for (int32_t i = 0; i < n; i++)
        advice[i] = str_from(texts[i]);
    r->advice = (struct list){advice, n};
    return ERR_OK;
}

static void show_quality(struct api_call *c, const struct burnout_result *b, struct burnout *r)
{
    struct data_quality *q = &r->quality;

    q->sufficient = b->sufficient;
    q->sessions = b->sessions;
    q->study_days = b->active_days;
    q->load_samples = b->load_samples;
    q->load_days = b->load_days;
    q->graded_days = b->graded_days;
    q->missions = b->mission_count;
    r->insufficient = !b->sufficient;
    if (b->sufficient)
        return;
    struct needed needed = NEEDED_NONE;
    needed.sessions =
        b->sessions < BURNOUT_SESSIONS_NEEDED ? BURNOUT_SESSIONS_NEEDED - b->sessions : 0;
    needed.load_samples =
        b->load_samples < BURNOUT_LOADS_NEEDED ? BURNOUT_LOADS_NEEDED - b->load_samples : 0;
    q->needed = needed_new(c->arena, needed);
    r->reason = STR("Fewer than five sessions or three active days in the last fourteen days.");
}

static enum err show_trends(struct api_call *c, const struct burnout_input *now, struct burnout *r)
{
    struct shown_trend *s = arena_new(c->arena, struct shown_trend, BURNOUT_SERIES_COUNT);
    struct burnout_trend t[BURNOUT_SERIES_COUNT];
    enum err e = s ? burnout_trends(c->arena, now, t) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    for (int i = 0; i < BURNOUT_SERIES_COUNT; i++) {
        bool have = !t[i].reason;

        s[i] = (struct shown_trend){
            .series = i,
            .slope = have ? round_to(t[i].trend.slope, 6) : (double)NAN,
            .p = have ? round_to(t[i].trend.p, 6) : (double)NAN,
            .p_adjusted = have ? round_to(t[i].p_adjusted, 6) : (double)NAN,
            .interval = have ? interval_new(c->arena, t[i].trend.interval) : NULL,
            .days = t[i].days,
            .direction = have ? 1 + t[i].direction : -1,
            .worse = have && t[i].worse,
            .reason = have ? (struct str){NULL, 0} : str_from(t[i].reason),
            .needed = have ? INT64_MIN : t[i].needed,
        };
    }
    r->trends = (struct list){s, BURNOUT_SERIES_COUNT};
    return ERR_OK;
}

/* What a risk of this level asks for first. */
static enum err show_override(struct api_call *c, const struct burnout_result *b, struct burnout *r)
{
    enum { REST_DAYS = 5, LIGHT_DAYS = 4 };
    struct override *o = arena_new(c->arena, struct override, 1);

    if (!o)
        return ERR_NOMEM;
    bool rest = b->level == BURNOUT_CRITICAL;
    *o = (struct override){true, rest, rest ? REST_DAYS : LIGHT_DAYS};
    if (b->sufficient && b->level >= BURNOUT_HIGH)
        r->override = o;
    return ERR_OK;
}

static enum err show(struct api_call *c, const struct rows *days, const struct rows *missions,
                     const struct learner *l, struct burnout *r)
{
    struct burnout_input now = {.last_is_over = false}, before = {.last_is_over = true};
    struct burnout_result b, earlier;

    window_fill(days, l->today, &now);
    window_fill(days, l->today - BURNOUT_DAYS, &before);
    enum err e = window_missions(c, missions, l->today, &now);
    if (e == ERR_OK)
        e = window_missions(c, missions, l->today - BURNOUT_DAYS, &before);
    if (e != ERR_OK)
        return e;
    burnout_assess(&now, &b);
    burnout_assess(&before, &earlier);
    r->score = b.score;
    r->level = (int32_t)b.level;
    r->confidence = round_to(b.confidence, 6);
    if (b.sufficient && earlier.sufficient) {
        r->metadata.before = earlier.score;
        r->metadata.progress = round_to(100 * burnout_progress(earlier.score, b.score), 1);
    }
    show_quality(c, &b, r);
    e = show_trends(c, &now, r);
    if (e == ERR_OK)
        e = show_override(c, &b, r);
    if (e == ERR_OK)
        e = show_factors(c, &b, r);
    return e == ERR_OK ? show_signals(c, &b, l, r) : e;
}

void burnout_queries(struct api_call *c, struct burnout_args *a, struct query q[BURNOUT_QUERIES])
{
    /* A day more at each side: the learner's day is not known before the read. */
    a->v[0] = V_S(c->learner);
    a->v[1] = V_I(c->now_us / US_PER_DAY - 2 * BURNOUT_DAYS - 1);
    a->v[2] = V_I(MISSIONS_MAX);
    q[0] = (struct query){.stmt = STMT_STUDY_DAYS, .args = a->v, .arg_count = 2};
    q[1] = (struct query){.stmt = STMT_MISSION_DAYS, .args = a->v, .arg_count = 3};
}

enum err burnout_read(struct api_call *c, const struct query q[BURNOUT_QUERIES],
                      const struct learner *l, struct burnout_result *ret)
{
    struct burnout_input now = {.last_is_over = false};

    window_fill(&q[0].rows, l->today, &now);
    enum err e = window_missions(c, &q[1].rows, l->today, &now);
    if (e == ERR_OK)
        burnout_assess(&now, ret);
    return e;
}

static enum err get_burnout_risk(struct api_call *c)
{
    int64_t began_us = clock_mono_us();
    struct burnout_args args;
    struct query q[1 + BURNOUT_QUERIES];
    struct burnout *r = arena_new(c->arena, struct burnout, 1);
    struct learner l;
    char ms[32];

    if (!r)
        return ERR_NOMEM;
    burnout_queries(c, &args, q + 1);
    enum err e = learner_read(c, q, 1 + BURNOUT_QUERIES, &l);
    if (e != ERR_OK)
        return e;
    r->at = c->now_us;
    r->score = NAN;
    r->level = -1;
    r->metadata = (struct burnout_metadata){
        .window = STR("14 days"),
        .algorithm = STR("weighted staircases by local day; a behavioural proxy, no diagnosis"),
        .zone = zone_name(l.zone),
        .weights = {burnout_weights[0], burnout_weights[1], burnout_weights[2], burnout_weights[3],
                    burnout_weights[4], burnout_weights[5]},
        .progress = NAN,
        .before = NAN,
    };
    if (l.analysis)
        e = show(c, &q[1].rows, &q[2].rows, &l, r);
    else {
        r->insufficient = true;
        r->reason = reason_disabled;
    }
    r->metadata.ms = round_to((double)(clock_mono_us() - began_us) / 1000, 3);
    snprintf(ms, sizeof ms, "%.2f", r->metadata.ms);
    http_reply_header(c->x, "X-Assessment-Time", str_from(ms));
    c->reply = r;
    return e;
}

const struct endpoint endpoints_burnout[] = {
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
