/* foresight - when an objective is mastered and how likely, what is being forgotten, and the chance
 * in a test. From the sums by objective (night/summaries.h); the routes speak snake case. */
#include "api/advice.h"
#include "night/retained.h"

#include <math.h>
#include <stdlib.h>

enum { HOURS_MAX = 200 };

/* ---- time-to-mastery, success-probability ---- */

struct mastery_in {
    struct str objective;
    double hours;
};
static const struct field mastery_path[] = {
    FIELD(F_STR, struct mastery_in, objective, "objectiveId", .min = 1, .max = 128,
          .doc = "objective"),
    FIELD_END,
};
static const struct field success_query[] = {
    FIELD(F_F64, struct mastery_in, hours, "planned_hours", .min = 0, .max = HOURS_MAX, .def = "5",
          .doc = "of study on it from now on"),
    FIELD_END,
};

/* -1: not met so far, but in the catalogue. */
static enum err objective_find(struct api_call *c, struct standing_view *v, struct str id,
                               int32_t *ret, struct str *ret_name)
{
    const struct value args[] = {V_S(id)};

    v->base.q[5] =
        (struct query){.stmt = STMT_OBJECTIVE_KNOWN, .args = args, .arg_count = 1, .rows_max = 1};
    enum err e = standing_view_read(c, v, INT64_MIN, 1);
    v->base.q[5].args = NULL;
    if (e != ERR_OK)
        return e;
    *ret = -1;
    for (int32_t i = 0; i < v->s.count; i++)
        if (str_eq(v->s.objectives[i], id))
            *ret = i;
    if (*ret < 0 && v->base.q[5].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "OBJECTIVE_NOT_FOUND", "There is no such objective.");
    struct str name = {NULL, 0};
    if (v->base.q[5].rows.count > 0)
        name = value_str(row_at(&v->base.q[5].rows, 0));
    *ret_name = objective_name(name, id);
    return ERR_OK;
}

static struct str unmet_reason(const struct standing_view *v)
{
    return v->base.l.analysis
               ? STR("It was not worked on so far, or not among the last 500 objectives.")
               : reason_disabled;
}

static enum err get_time_to_mastery(struct api_call *c)
{
    const struct mastery_in *in = c->in;
    struct time_estimate *r = arena_new(c->arena, struct time_estimate, 1);
    struct standing_view v = {.week_hours = 0};
    struct str name;
    int32_t i = -1;
    enum err e = r ? objective_find(c, &v, in->objective, &i, &name) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    c->reply = r;
    if (i >= 0) {
        *r = time_estimate_of(c, &v, i);
        return ERR_OK;
    }
    *r = (struct time_estimate){.objective = in->objective,
                                .name = name,
                                .score = (double)NAN,
                                .hours = (double)NAN,
                                .weeks = (double)NAN,
                                .low = (double)NAN,
                                .high = (double)NAN,
                                .gain = (double)NAN,
                                .lines = v.s.all.lines,
                                .method = STR("none"),
                                .reason = unmet_reason(&v)};
    return ERR_OK;
}

struct factor {
    struct str name;
    double value;
};
static const struct field factor_fields[] = {
    FIELD(F_STR, struct factor, name, "factor", .doc = "what goes in"),
    FIELD(F_F64, struct factor, value, "value", .flags = FIELD_NULLABLE, .doc = "points, or hours"),
    FIELD_END,
};
struct success_reply {
    struct str objective, name, recommendation, method, reason;
    double hours, probability, now, score, high;
    const struct interval *interval;
    struct list factors;
    int64_t n;
};
static const struct field success_reply[] = {
    FIELD(F_STR, struct success_reply, objective, "objective_id", .doc = "objective"),
    FIELD(F_STR, struct success_reply, name, "objective_name",
          .doc = "in the catalogue, or else its id"),
    FIELD(F_F64, struct success_reply, hours, "planned_hours", .doc = "as asked"),
    FIELD(F_F64, struct success_reply, probability, "probability", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "of 80 points after these hours"),
    FIELD(F_F64, struct success_reply, now, "probability_now", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "without them"),
    FIELD(F_F64, struct success_reply, score, "expected_score", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "after them"),
    FIELD(F_OBJECT, struct success_reply, interval, "confidence_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, of the expected score"),
    FIELD(F_LIST, struct success_reply, factors, "contributing_factors", .sub = factor_fields,
          .size = sizeof(struct factor), .doc = "what the probability is made of"),
    FIELD(F_I64, struct success_reply, n, "n", .doc = "answers and reviews on it"),
    FIELD(F_STR, struct success_reply, recommendation, "recommendation", .flags = FIELD_NULLABLE,
          .doc = "in words"),
    FIELD(F_STR, struct success_reply, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct success_reply, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD_END,
};

static enum err success_fill(struct api_call *c, const struct standing *s, struct success_reply *r)
{
    struct factor *f = arena_new(c->arena, struct factor, 3);
    double study = r->hours > 0 ? r->hours * s->gain : 0;
    double sd = r->hours > 0 ? hypot(s->score_sd, r->hours * s->gain_sd) : s->score_sd;

    if (!f)
        return ERR_NOMEM;
    r->n = s->n;
    r->now = round_to(standing_chance(s, 0), 4);
    r->probability = round_to(standing_chance(s, r->hours), 4);
    f[0] = (struct factor){STR("current_score"), round_to(s->score, 1)};
    f[1] = (struct factor){STR("gain_per_hour"), round_to(s->gain, 3)};
    f[2] = (struct factor){STR("planned_hours"), r->hours};
    r->factors = (struct list){f, 3};
    if (isnan(r->probability)) {
        r->reason = s->n < STANDING_NEEDED ? STR("Too few answers on it.")
                                           : standing_reason_text(STANDING_THIN);
        return ERR_OK;
    }
    double expected = s->score + study;
    r->score = round_to(fmin(100, fmax(0, expected)), 1);
    r->interval =
        interval_tenths(c->arena, (struct interval){fmax(0, expected - STATS_Z95 * sd),
                                                    fmin(100, expected + STATS_Z95 * sd)});
    struct standing_time t = standing_time_of(s);
    if (t.reason == STANDING_OK && t.hours > 0)
        r->recommendation =
            arena_printf(c->arena, "About %.1f hours lead to an even chance.", t.hours);
    else if (t.reason == STANDING_OK)
        r->recommendation = STR("Keep it up with a review now and then.");
    return ERR_OK;
}

static enum err get_success(struct api_call *c)
{
    const struct mastery_in *in = c->in;
    struct success_reply *r = arena_new(c->arena, struct success_reply, 1);
    struct standing_view v = {.week_hours = 0};
    int32_t i = -1;

    if (!r)
        return ERR_NOMEM;
    *r = (struct success_reply){.objective = in->objective,
                                .hours = in->hours,
                                .probability = (double)NAN,
                                .now = (double)NAN,
                                .score = (double)NAN};
    r->method =
        STR("normal law around the pooled score, and the gain an hour with its uncertainty");
    enum err e = objective_find(c, &v, in->objective, &i, &r->name);
    if (e != ERR_OK)
        return e;
    c->reply = r;
    if (i >= 0)
        return success_fill(c, &v.s.list[i], r);
    r->reason = unmet_reason(&v);
    return ERR_OK;
}

/* ---- POST analytics/predictions ---- */

struct fading {
    struct str objective, name;
    double risk;
    int64_t cards;
};
static const struct field fading_fields[] = {
    FIELD(F_STR, struct fading, objective, "objective_id", .doc = "objective"),
    FIELD(F_STR, struct fading, name, "objective_name", .doc = "its name, else its id"),
    FIELD(F_F64, struct fading, risk, "risk", .min = 0, .max = 1,
          .doc = "share of its due cards that is forgotten by now"),
    FIELD(F_I64, struct fading, cards, "n", .doc = "cards that are due"),
    FIELD_END,
};
struct mastery_date {
    struct str objective, name, reason;
    int32_t day;
    double hours;
};
static const struct field mastery_date_fields[] = {
    FIELD(F_STR, struct mastery_date, objective, "objective_id", .doc = "objective"),
    FIELD(F_STR, struct mastery_date, name, "objective_name", .doc = "its name, else its id"),
    FIELD(F_DATE, struct mastery_date, day, "date", .flags = FIELD_NULLABLE,
          .doc = "at the learner's pace of the last weeks"),
    FIELD(F_F64, struct mastery_date, hours, "hours_to_mastery", .flags = FIELD_NULLABLE,
          .doc = "as in time-to-mastery"),
    FIELD(F_STR, struct mastery_date, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no date"),
    FIELD_END,
};
struct exam_success {
    double probability;
    const struct interval *interval;
    struct list factors;
    struct str recommendation;
};
static const struct field exam_success_fields[] = {
    FIELD(F_F64, struct exam_success, probability, "probability", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "as exam_success_probability of recommendations"),
    FIELD(F_OBJECT, struct exam_success, interval, "confidence_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_LIST, struct exam_success, factors, "contributing_factors",
          .sub = standing_ranked_fields, .size = sizeof(struct standing_ranked),
          .doc = "the weakest objectives first"),
    FIELD(F_STR, struct exam_success, recommendation, "recommendation", .flags = FIELD_NULLABLE,
          .doc = "today's, as daily-insight has it"),
    FIELD_END,
};
struct foresight {
    struct exam_success exam;
    struct list fading, dates;
    struct str fading_method;
    int64_t fading_n;
    double accuracy;
    struct str accuracy_reason, reason;
    int64_t generated_at;
};
static const struct field foresight_reply[] = {
    FIELD(F_OBJECT, struct foresight, exam, "exam_success", .sub = exam_success_fields,
          .size = sizeof(struct exam_success), .doc = "the chance in a test"),
    FIELD(F_LIST, struct foresight, fading, "forgetting_risks", .sub = fading_fields,
          .size = sizeof(struct fading), .max = TIME_ESTIMATES_MAX,
          .doc = "where most is being forgotten"),
    FIELD(F_STR, struct foresight, fading_method, "forgetting_method",
          .doc = "how the chance of recall of cards is told"),
    FIELD(F_I64, struct foresight, fading_n, "forgetting_n",
          .doc = "reviews of the learner that were forecast and learnt from for it"),
    FIELD(F_LIST, struct foresight, dates, "mastery_dates", .sub = mastery_date_fields,
          .size = sizeof(struct mastery_date), .max = TIME_ESTIMATES_MAX,
          .doc = "of objectives below 80 points"),
    FIELD(F_F64, struct foresight, accuracy, "model_accuracy", .flags = FIELD_NULLABLE,
          .doc = "null: see model_accuracy_reason"),
    FIELD(F_STR, struct foresight, accuracy_reason, "model_accuracy_reason",
          .doc = "why it is not known"),
    FIELD(F_TIME, struct foresight, generated_at, "generated_at", .doc = "now"),
    FIELD(F_STR, struct foresight, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no chance in a test"),
    FIELD_END,
};

static int by_forgotten(const void *pa, const void *pb)
{
    const struct fading *a = pa, *b = pb;
    double x = a->risk * (double)a->cards, y = b->risk * (double)b->cards;

    return x < y ? 1 : x > y ? -1 : str_cmp(a->objective, b->objective);
}

static struct str name_of(const struct standings *s, struct str id)
{
    for (int32_t i = 0; i < s->count; i++)
        if (str_eq(s->objectives[i], id))
            return objective_name(s->names[i], id);
    return id;
}

/* rows: cards that are due, by objective. */
static enum err fading_list(struct api_call *c, const struct standing_view *v,
                            const struct rows *rows, const struct retained *retained,
                            struct list *ret)
{
    struct fading *f = arena_new(c->arena, struct fading, (size_t)rows->count + 1);
    int32_t n = 0;

    if (!f)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *row = row_at(rows, i);
        struct str id = value_str(&row[0]);
        struct retained_now now = retained_card(retained, &row[1], v->base.l.today, NULL);
        if (!now.due)
            continue; /* not yet, where the learner is */
        if (n == 0 || !str_eq(f[n - 1].objective, id))
            f[n++] = (struct fading){.objective = id};
        f[n - 1].risk += 1 - now.recall;
        f[n - 1].cards++;
    }
    for (int32_t i = 0; i < n; i++)
        f[i].risk = round_to(f[i].risk / (double)f[i].cards, 4);
    qsort(f, (size_t)n, sizeof *f, by_forgotten);
    n = n < TIME_ESTIMATES_MAX ? n : TIME_ESTIMATES_MAX;
    for (int32_t i = 0; i < n; i++)
        f[i].name = name_of(&v->s, f[i].objective);
    *ret = (struct list){f, n};
    return ERR_OK;
}

static enum err date_list(struct api_call *c, const struct standing_view *v, struct list *ret)
{
    struct list times;
    enum err e = time_estimates(c, v, INT64_MIN, &times);
    struct mastery_date *d = arena_new(c->arena, struct mastery_date, TIME_ESTIMATES_MAX);
    const struct time_estimate *t = times.p;

    if (e != ERR_OK || !d)
        return e != ERR_OK ? e : ERR_NOMEM;
    for (int32_t i = 0; i < times.n; i++) {
        bool soon = t[i].weeks >= 0 && t[i].weeks < 520;
        d[i] = (struct mastery_date){
            .objective = t[i].objective,
            .name = t[i].name,
            .reason = t[i].reason.p || soon ? t[i].reason : STR("At this pace not in ten years."),
            .day = soon ? v->base.l.today + (int32_t)ceil(7 * t[i].weeks) : INT32_MIN,
            .hours = t[i].hours};
    }
    *ret = (struct list){d, times.n};
    return ERR_OK;
}

static enum err post_foresight(struct api_call *c)
{
    enum { CARDS_MAX = 20000 };
    const struct value due[] = {V_S(c->learner), V_I(c->now_us / US_PER_DAY + 1), V_I(CARDS_MAX)};
    struct retained retained;
    struct foresight *r = arena_new(c->arena, struct foresight, 1);
    struct day_insight day;
    struct standing_view v = {.week_hours = 0};
    struct summary_queries args;

    if (!r)
        return ERR_NOMEM;
    summary_queries(c, &args, &v.base.q[5]);
    v.base.q[5 + SUMMARY_QUERIES] =
        (struct query){.stmt = STMT_MISSION_DUE, .args = due, .arg_count = 3};
    v.base.q[6 + SUMMARY_QUERIES] =
        (struct query){.stmt = STMT_RETENTION_OF_LEARNER, .args = due, .arg_count = 1};
    enum err e = standing_view_read(c, &v, INT64_MIN, SUMMARY_QUERIES + 2);
    if (e == ERR_OK)
        e = day_insight_of(c, &v, &day);
    if (e == ERR_OK) {
        retained_read(&v.base.q[6 + SUMMARY_QUERIES].rows, &retained);
        r->fading_method = retained_of(&retained, &r->fading_n);
        e = fading_list(c, &v, &v.base.q[5 + SUMMARY_QUERIES].rows, &retained, &r->fading);
    }
    if (e == ERR_OK)
        e = date_list(c, &v, &r->dates);
    if (e == ERR_OK)
        e = standings_ranked(c, &v.s, standing_weakness, &r->exam.factors);
    if (e != ERR_OK)
        return e;
    struct standing_exam exam = standing_exam_of(v.s.list, v.s.count);
    r->exam.probability = round_to(exam.probability, 4);
    r->exam.interval = interval_new(c->arena, exam.interval);
    r->exam.recommendation = day.title;
    r->accuracy = (double)NAN;
    r->accuracy_reason = STR("How exams went is not told to the server; how good its other "
                             "forecasts were, analytics/model-performance says.");
    if (isnan(exam.probability))
        r->reason = day.reason.p ? day.reason : STR("Too few answers for that yet.");
    r->generated_at = c->now_us;
    c->reply = r;
    return ERR_OK;
}

#define ONE(e) (UINT64_C(1) << (e))
#define COMMON                                                                             \
    .tag = "summaries", .scopes = SCOPE_READ, .envelope = ENVELOPE_BARE, .run = RUN_SMALL, \
    .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)
#define KEPT .cache = {.fresh_s = 600, .stale_s = 1800}

const struct endpoint endpoints_foresight[] = {
    {COMMON, .method = HTTP_GET, .path = "/api/analytics/time-to-mastery/{objectiveId}",
     .id = "get_time_to_mastery", .summary = "Hours of study until 80 points on an objective",
     .learner = LEARNER_QUERY, .params = mastery_path, .in_size = sizeof(struct mastery_in),
     .reply = time_estimate_fields, KEPT, .handler = get_time_to_mastery},
    {COMMON, .method = HTTP_GET, .path = "/api/analytics/success-probability/{objectiveId}",
     .id = "get_success_probability",
     .summary = "The chance of 80 points on an objective after so many hours more",
     .learner = LEARNER_QUERY, .params = mastery_path, .query = success_query,
     .in_size = sizeof(struct mastery_in), .reply = success_reply, KEPT, .handler = get_success},
    {COMMON, .method = HTTP_POST, .path = "/api/analytics/predictions",
     .id = "ask_learning_predictions",
     .summary = "The chance in a test, what is being forgotten, when what is mastered; nothing is "
                "kept",
     .learner = LEARNER_BODY, .body = advice_body, .body_optional = true,
     .in_size = sizeof(struct advice_in), .reply = foresight_reply, .handler = post_foresight},
    {.path = NULL},
};
