/* personalization_view - what is known of a learner, and the parameters that follow from it. */
#include "api/burnout.h"
#include "api/personalization.h"
#include "base/assert.h"
#include "twin/load.h"
#include "twin/patterns.h"
#include "json/reader.h"

#include <math.h>

enum {
    MODALITIES_MAX = 100,
    MISSIONS_MAX = 1000,
    TOPICS_MAX = 10,
    LOAD_DAYS = 7,
    FEATURES_DEPTH = 2,
    PARAMETERS_MAX = 64 * 1024
};
#define LOAD_FRESH_US (12 * US_PER_HOUR) /* an older sample does not speak of now */
#define CURVE_PRIOR 30.0                 /* reviews judged that make a curve half certain */

const char *const personal_strategies[] = {"pattern-based", "learning-style-adaptive",
                                           "forgetting-curve-optimized", "attention-cycle-based"};

/* ---- reading ---- */

enum known_query {
    KNOWN_HOURS = 1 + PERSONAL_QUERIES,
    KNOWN_LENGTHS,
    KNOWN_MODALITIES,
    KNOWN_CURVE,
    KNOWN_DAYS,
    KNOWN_MISSIONS,
    KNOWN_LOAD,
    KNOWN_TOPICS,
    KNOWN_PLANS,
    KNOWN_ATTENTION,
};
_Static_assert(KNOWN_ATTENTION + 1 == VIEW_QUERIES, "the view has room for its queries");

static void fill_windows(const struct rows *hours, struct personal_view *v)
{
    struct share cells[STUDY_SLOTS] = {{0, 0}};
    int64_t sessions[STUDY_SLOTS] = {0};
    struct study_surface surface;

    for (int32_t i = 0; i < hours->count; i++) {
        const struct value *row = row_at(hours, i);
        int64_t slot = value_i64(&row[0], 0);

        sessions[slot] = value_i64(&row[2], 0);
        cells[slot] = (struct share){.n = value_f64(&row[3], 0), .k = value_f64(&row[4], 0)};
    }
    study_surface(cells, &surface);
    v->window_count = study_windows(cells, sessions, &surface, v->windows);
}

static double best_minutes(const struct rows *rows)
{
    struct study_length buckets[STUDY_LENGTHS] = {{0}};

    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *row = row_at(rows, i);
        buckets[value_i64(&row[0], 0)] =
            (struct study_length){value_i64(&row[1], 0), value_i64(&row[3], 0),
                                  value_i64(&row[4], 0), value_i64(&row[5], 0)};
    }
    struct study_length_choice best = study_length_best(buckets);
    return best.bucket >= 0 ? best.minutes : (double)NAN;
}

static void fill_curve(const struct rows *rows, struct personal_view *v)
{
    v->curve_initial = v->curve_decay = v->known.half_life_days = NAN;
    if (rows->count == 0)
        return;
    const struct value *row = row_at(rows, 0);
    double judged = value_f64(&row[1], 0);
    v->curve_initial = value_f64(&row[4], NAN);
    v->curve_decay = value_f64(&row[5], NAN);
    v->known.half_life_days = log(2) / v->curve_decay;
    v->known.curve_confidence = judged / (judged + CURVE_PRIOR);
}

static void fill_load(const struct api_call *c, const struct query *q, struct personal_view *v)
{
    const struct rows *days = &q[KNOWN_DAYS].rows, *latest = &q[KNOWN_LOAD].rows;
    double n = 0, micro = 0;

    for (int32_t i = 0; i < days->count; i++) {
        const struct value *row = row_at(days, i);
        if (value_i64(&row[0], 0) <= v->l.today - LOAD_DAYS)
            continue;
        n += value_f64(&row[9], 0);
        micro += value_f64(&row[10], 0);
    }
    v->known.load = n > 0;
    v->known.load_mean = n > 0 ? micro / n / 1e6 : (double)NAN;
    v->known.load_now = NAN;
    if (latest->count > 0 && value_i64(row_at(latest, 0), 0) >= c->now_us - LOAD_FRESH_US)
        v->known.load_now = value_f64(row_at(latest, 0) + 3, NAN);
}

/* The next planned session, and how the last ones went. */
static void fill_plans(const struct api_call *c, const struct rows *rows, struct personal_known *k)
{
    k->planned_minutes = NAN;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *row = row_at(rows, i);
        int64_t start = value_i64(&row[0], 0), end = value_i64(&row[1], 0);
        bool kept = str_eq(value_str(&row[2]), STR("DONE"));

        if (kept || str_eq(value_str(&row[2]), STR("MISSED"))) {
            k->planned++;
            k->kept += kept;
        } else if (start > c->now_us && isnan(k->planned_minutes)) {
            k->planned_minutes = (double)(end - start) / (double)US_PER_MINUTE;
        }
    }
}

static enum err fill_known(struct api_call *c, struct personal_view *v)
{
    const struct query *q = v->q;
    struct burnout_result burnout;

    v->known = (struct personal_known){.default_minutes = v->g.default_minutes,
                                       .quality = v->gate.quality};
    fill_windows(&q[KNOWN_HOURS].rows, v);
    v->known.optimal_minutes = best_minutes(&q[KNOWN_LENGTHS].rows);
    fill_curve(&q[KNOWN_CURVE].rows, v);
    fill_load(c, q, v);
    fill_plans(c, &q[KNOWN_PLANS].rows, &v->known);
    v->known.modalities = q[KNOWN_MODALITIES].rows.count;
    v->known.forecasts = q[KNOWN_TOPICS].rows.count;
    v->known.attention_confidence = value_f64(row_at(&q[KNOWN_ATTENTION].rows, 0), NAN);
    v->known.patterns = v->gate.quality >= PERSONAL_QUALITY_NEEDED;
    enum err e =
        burnout_of_rows(c, &q[KNOWN_DAYS].rows, &q[KNOWN_MISSIONS].rows, v->l.today, &burnout);
    v->known.burnout_known = e == ERR_OK && burnout.sufficient;
    v->known.burnout = e == ERR_OK ? burnout.level : BURNOUT_LOW;
    return e;
}

enum err personal_ground_read(struct api_call *c, struct store_conn *conn, int32_t first_day,
                              int32_t last_day, struct learner *l, struct personal_ground *g)
{
    struct query q[1 + PERSONAL_QUERIES];
    struct store_conn *own = c->conn;
    int64_t deadline_us = c->deadline_us;
    struct personal_args args;

    personal_queries(&args, c->learner, c->now_us, first_day, last_day, q + 1);
    c->conn = conn;
    c->deadline_us = conn == own ? deadline_us : 0; /* a writer's work is not cut off */
    enum err e = learner_read(c, q, COUNT(q), l);
    c->conn = own;
    c->deadline_us = deadline_us;
    return e == ERR_OK ? personal_ground_of(c->arena, q + 1, g) : e;
}

enum err personal_hold(struct api_call *c, struct store_conn *conn)
{
    const struct value id = V_S(c->learner);
    struct query q = {.stmt = STMT_LEARNER_LOCK, .args = &id, .arg_count = 1, .rows_max = 1};

    return store_read(conn, c->arena, &q, 1, 0);
}

enum err personal_view_read(struct api_call *c, struct personal_view *v)
{
    int64_t since = c->now_us / US_PER_DAY - BURNOUT_DAYS - 1;
    const struct value id[] = {V_S(c->learner), V_I(MODALITIES_MAX)};
    const struct value days[] = {V_S(c->learner), V_I(since), V_I(MISSIONS_MAX)};
    const struct value load[] = {V_S(c->learner), V_I(1), V_I(c->now_us)};
    const struct value topics[] = {V_S(c->learner), V_D(PERSONAL_TOPIC_LIKELY), V_I(TOPICS_MAX)};
    const struct value plans[] = {V_S(c->learner),
                                  V_I(c->now_us - PERSONAL_BASELINE_DAYS * US_PER_DAY),
                                  V_I(c->now_us + 2 * US_PER_DAY)};
    const struct value attention[] = {V_S(c->learner), V_I(PATTERN_ATTENTION)};
    struct personal_args args;
    struct query *q = v->q;

    int32_t today = (int32_t)(c->now_us / US_PER_DAY); /* the days' sums are not needed here */
    personal_queries(&args, c->learner, c->now_us, today, today, q + 1);
    q[KNOWN_HOURS] = (struct query){.stmt = STMT_STUDY_HOURS, .args = id, .arg_count = 1};
    q[KNOWN_LENGTHS] = (struct query){.stmt = STMT_STUDY_LENGTHS, .args = id, .arg_count = 1};
    q[KNOWN_MODALITIES] = (struct query){.stmt = STMT_TOPIC_MODALITIES, .args = id, .arg_count = 2};
    q[KNOWN_CURVE] = (struct query){.stmt = STMT_MEMORY_FIT_OF_LEARNER, .args = id, .arg_count = 1};
    q[KNOWN_DAYS] = (struct query){.stmt = STMT_STUDY_DAYS, .args = days, .arg_count = 2};
    q[KNOWN_MISSIONS] = (struct query){.stmt = STMT_MISSION_DAYS, .args = days, .arg_count = 3};
    q[KNOWN_LOAD] = (struct query){.stmt = STMT_LOAD_LATEST, .args = load, .arg_count = 3};
    q[KNOWN_TOPICS] = (struct query){.stmt = STMT_PERSONAL_TOPICS, .args = topics, .arg_count = 3};
    q[KNOWN_PLANS] = (struct query){.stmt = STMT_PERSONAL_PLANS, .args = plans, .arg_count = 3};
    q[KNOWN_ATTENTION] =
        (struct query){.stmt = STMT_PERSONAL_PATTERN, .args = attention, .arg_count = 2};
    enum err e = learner_read(c, q, VIEW_QUERIES, &v->l);
    if (e == ERR_OK)
        e = personal_ground_of(c->arena, q + 1, &v->g);
    if (e != ERR_OK)
        return e;
    v->gate = study_gate(learner_totals(&v->l)->first_at, c->now_us,
                         learner_totals(&v->l)->sessions, learner_graded(&v->l));
    return fill_known(c, v);
}

/* ---- is it wanted, and is there enough? ---- */

enum personal_verdict personal_verdict(const struct personal_view *v, enum personal_context context)
{
    if (!v->l.analysis)
        return VERDICT_ANALYSIS;
    if (!v->l.profiling)
        return VERDICT_PROFILING;
    if (!personal_wanted(&v->g.preferences, context))
        return VERDICT_OFF;
    if (v->gate.quality < PERSONAL_QUALITY_NEEDED)
        return VERDICT_THIN;
    if (v->gate.quality < personal_threshold(v->g.preferences.level))
        return VERDICT_BELOW;
    return VERDICT_OPEN;
}

struct str personal_verdict_text(struct arena *arena, const struct personal_view *v,
                                 enum personal_verdict verdict)
{
    switch (verdict) {
    case VERDICT_OPEN:
        return STR("Personalised by what is known of the learner.");
    case VERDICT_ANALYSIS:
        return reason_disabled;
    case VERDICT_PROFILING:
        return STR("The learning profile is disabled by the learner.");
    case VERDICT_OFF:
        return STR("Personalisation is disabled by the learner's preferences.");
    case VERDICT_THIN:
        return arena_printf(arena, "Insufficient data: the quality is %.2f, and %.2f is needed.",
                            v->gate.quality, PERSONAL_QUALITY_NEEDED);
    case VERDICT_BELOW:
        return arena_printf(arena,
                            "The data quality of %.2f is below threshold: %.2f for level %s.",
                            v->gate.quality, personal_threshold(v->g.preferences.level),
                            personal_level_names[v->g.preferences.level]);
    }
    return (struct str){NULL, 0};
}

const struct personal_row *personal_choice_of(const struct personal_ground *g, int32_t day,
                                              enum personal_context context)
{
    for (int32_t i = g->row_count; i-- > 0 && g->rows[i].day >= day;)
        if (g->rows[i].day == day && g->rows[i].context == context)
            return &g->rows[i];
    return NULL;
}

/* ---- parameters ---- */

struct writing {
    struct json_writer w;
    struct arena *arena;
    struct str disabled; /* a JSON array */
    const struct personal_view *v;
    struct personal_plan plan;
};

/* Writes the name of a parameter; false: the learner does not want it. */
static bool name(struct writing *x, const char *parameter)
{
    struct json_reader r;
    struct str feature;

    json_reader_init(&r, x->disabled, x->arena, FEATURES_DEPTH);
    if (json_array_begin(&r))
        while (json_next_item(&r) && json_read_str(&r, &feature))
            if (str_eq_nocase(feature, str_from(parameter)))
                return false;
    json_name(&x->w, str_from(parameter));
    return true;
}

static void put_times(struct writing *x, bool use)
{
    if (!name(x, "optimalStudyTimes"))
        return;
    json_array(&x->w);
    for (int32_t i = 0; use && i < x->v->window_count; i++) {
        const struct study_window *s = &x->v->windows[i];
        json_object(&x->w);
        json_kv_i64(&x->w, "dayOfWeek", s->day);
        json_kv_i64(&x->w, "startHour", s->start_hour);
        json_kv_i64(&x->w, "endHour", s->end_hour + 1);
        json_kv_f64(&x->w, "effectiveness", round_to(s->rate, 4));
        json_object_end(&x->w);
    }
    json_array_end(&x->w);
}

/* Share of the time by modality. */
static void put_preferences(struct writing *x, bool use)
{
    const struct rows *rows = &x->v->q[KNOWN_MODALITIES].rows;
    double total = 0;

    if (!name(x, "contentPreferences"))
        return;
    json_object(&x->w);
    for (int32_t i = 0; i < rows->count; i++)
        total += value_f64(row_at(rows, i) + 3, 0);
    for (int32_t i = 0; use && total > 0 && i < rows->count; i++) {
        double ms = value_f64(row_at(rows, i) + 3, 0);
        if (ms <= 0)
            continue;
        json_name(&x->w, value_str(row_at(rows, i)));
        json_f64(&x->w, round_to(ms / total, 4));
    }
    json_object_end(&x->w);
}

static void put_topics(struct writing *x, bool use)
{
    const struct rows *rows = &x->v->q[KNOWN_TOPICS].rows;

    if (!name(x, "focusObjectives"))
        return;
    json_array(&x->w);
    for (int32_t i = 0; use && i < rows->count; i++) {
        const struct value *row = row_at(rows, i);
        json_object(&x->w);
        json_kv_str(&x->w, "objectiveId", value_str(&row[0]));
        json_kv_str(&x->w, "name", value_str(&row[1]));
        json_kv_f64(&x->w, "probability", round_to(value_f64(&row[2], NAN), 4));
        json_object_end(&x->w);
    }
    json_array_end(&x->w);
}

static void put_curve(struct writing *x, bool use)
{
    if (!name(x, "forgettingCurve"))
        return;
    if (!use || isnan(x->v->curve_decay)) {
        json_null(&x->w);
        return;
    }
    json_object(&x->w);
    json_kv_f64(&x->w, "initialRetention", round_to(x->v->curve_initial, 4));
    json_kv_f64(&x->w, "decayRate", round_to(x->v->curve_decay, 6));
    json_kv_f64(&x->w, "halfLife", round_to(x->v->known.half_life_days, 2));
    json_kv_f64(&x->w, "confidence", round_to(x->v->known.curve_confidence, 4));
    json_object_end(&x->w);
}

static void put_breaks(struct writing *x)
{
    const struct personal_session *s = &x->plan.session;

    if (!name(x, "breaks"))
        return;
    json_array(&x->w);
    for (int32_t i = 0; i < s->break_count; i++) {
        json_object(&x->w);
        json_kv_i64(&x->w, "afterMinutes", s->breaks[i].after);
        json_kv_i64(&x->w, "minutes", s->breaks[i].minutes);
        json_object_end(&x->w);
    }
    json_array_end(&x->w);
}

static void put_mission(struct writing *x, const struct personal_params *params)
{
    const struct personal_mission *m = &x->plan.mission;

    put_times(x, m->use_times);
    if (name(x, "recommendedDuration"))
        json_i64(&x->w, m->minutes);
    put_preferences(x, m->use_times);
    if (name(x, "intensity"))
        json_str(&x->w, str_from(personal_intensity_names[m->intensity]));
    if (params->date.p && name(x, "missionDate"))
        json_str(&x->w, params->date);
}

static void put_content(struct writing *x, const struct personal_params *params)
{
    const struct personal_content *t = &x->plan.content;

    if (name(x, "learningStyleProfile"))
        json_null(&x->w); /* never estimated: see the learning profile */
    put_preferences(x, t->use_preferences);
    put_topics(x, t->use_topics);
    if (name(x, "reviewFrequency"))
        json_i64(&x->w, t->review_frequency);
    if (params->topic.p && name(x, "topicId"))
        json_str(&x->w, params->topic);
}

static void put_assessment(struct writing *x, const struct personal_params *params)
{
    const struct personal_assessment *a = &x->plan.assessment;

    put_curve(x, a->use_curve);
    if (name(x, "validationFrequency"))
        json_str(&x->w, str_from(personal_intensity_names[a->validation]));
    if (name(x, "difficultyProgression"))
        json_str(&x->w, str_from(a->progression));
    if (name(x, "comprehensiveness"))
        json_str(&x->w, str_from(a->comprehensiveness));
    if (params->difficulty.p && name(x, "currentDifficulty"))
        json_raw(&x->w, params->difficulty);
}

static void put_session(struct writing *x, const struct personal_params *params)
{
    const struct personal_session *s = &x->plan.session;
    bool strained = x->plan.mission.intensity == INTENSITY_LOW;
    double minutes = isnan(params->minutes)                     ? s->minutes
                     : strained && s->minutes < params->minutes ? s->minutes
                                                                : params->minutes;

    if (name(x, "sessionDuration"))
        json_f64(&x->w, minutes);
    if (name(x, "learningStyle"))
        json_null(&x->w);
    if (name(x, "learningStyleProfile"))
        json_null(&x->w);
    put_breaks(x);
    if (name(x, "contentMixing"))
        json_bool(&x->w, s->mixing);
    if (name(x, "attentionCycleAdaptation"))
        json_bool(&x->w, s->attention);
}

enum err personal_parameters(struct api_call *c, const struct personal_view *v,
                             enum personal_context context, enum personal_variant variant,
                             const struct personal_params *params, struct str *ret)
{
    static void (*const put[])(struct writing *, const struct personal_params *) = {
        put_mission, put_content, put_assessment, put_session};
    struct writing x = {.arena = c->arena,
                        .disabled = v->g.preferences.disabled_features,
                        .v = v,
                        .plan = personal_plan(&v->known, variant)};
    struct buf b;

    buf_init(&b, PARAMETERS_MAX);
    json_writer_init(&x.w, &b);
    json_object(&x.w);
    put[context](&x, params);
    json_object_end(&x.w);
    *ret = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return ret->p ? ERR_OK : ERR_NOMEM;
}
