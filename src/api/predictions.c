/* predictions - which objectives a learner is likely to struggle with, why, and what came of it.
 *
 * The forecasts are made at night or on demand (night/struggle.h) and kept; these answers read
 * them. */
#include "api/analysis.h"
#include "api/learner.h"
#include "api/page.h"
#include "api/performance.h"
#include "base/assert.h"
#include "night/struggle.h"
#include "json/reader.h"

#include <math.h>
#include <stdlib.h>

enum {
    LIST_MAX = 500,
    ALERTS_MAX = 5,
};
#define RISK_HIGH 0.7
#define RISK_MEDIUM 0.5

static const char *const status_names[] = {
    "PENDING", "CONFIRMED", "FALSE_POSITIVE", "MISSED", "DISMISSED", "RESOLVED", NULL};

/* ---- why ---- */

static const struct {
    const char *indicator, *against, *in_favour; /* of struggling: what raises, what lowers it */
} parts[OUTLOOK_PARTS] = {
    [OUTLOOK_BASE] = {"PERFORMANCE", "objectives in general turn out hard",
                      "objectives in general turn out well"},
    [OUTLOOK_DIFFICULTY] = {"COMPLEXITY_MISMATCH", "it is harder than others for people in general",
                            "it is easier than others for people in general"},
    [OUTLOOK_LEARNER] = {"HISTORICAL_STRUGGLE_PATTERN", "few of the answers lately were right",
                         "most of the answers lately were right"},
    [OUTLOOK_PRACTICE] = {"PERFORMANCE", "the answers on it so far went badly",
                          "the answers on it so far went well"},
    [OUTLOOK_PREREQUISITES] = {"PREREQUISITE_GAP", "what it builds on is not mastered yet",
                               "what it builds on is mastered"},
    [OUTLOOK_RECENCY] = {"BEHAVIORAL", "it was met long ago", "it was met not long ago"},
    [OUTLOOK_MEMORY] = {"LOW_RETENTION", "its cards are fading", "its cards are well remembered"},
    [OUTLOOK_DUE] = {"LOW_RETENTION", "many of its cards are due",
                     "many of its cards are due, which has gone with success"},
    [OUTLOOK_LOAD] = {"COGNITIVE_OVERLOAD", "the load was high lately", "the load was low lately"},
};

struct contribution {
    struct str part, text;
    double log_odds, points;
};
static const struct field contribution_fields[] = {
    FIELD(F_STR, struct contribution, part, "part", .doc = "what it comes from"),
    FIELD(F_F64, struct contribution, log_odds, "logOdds",
          .doc = "what it adds; all of them sum to the log odds of the probability"),
    FIELD(F_F64, struct contribution, points, "points", .min = -1, .max = 1,
          .doc = "by how much the probability would differ without it"),
    FIELD(F_STR, struct contribution, text, "text", .doc = "the same in words"),
    FIELD_END,
};

struct indicator {
    struct str type, severity, text;
    double value;
};
static const struct field indicator_fields[] = {
    FIELD(F_STR, struct indicator, type, "indicatorType", .doc = "kind"),
    FIELD(F_STR, struct indicator, severity, "severity", .doc = "LOW, MEDIUM or HIGH"),
    FIELD(F_F64, struct indicator, value, "contribution", .doc = "log odds that it adds"),
    FIELD(F_STR, struct indicator, text, "context", .doc = "in words"),
    FIELD_END,
};

struct features {
    double gap, history, complexity, retention, load, similarity;
};
#define FEATURE(member, name_, doc_) \
    FIELD(F_F64, struct features, member, name_, .flags = FIELD_NULLABLE, .doc = doc_)
static const struct field features_fields[] = {
    FEATURE(gap, "prerequisiteGap", "1 - mastery of the weakest prerequisite that was met"),
    FEATURE(history, "historicalStruggle", "1 - the chance that the next answer on it is right"),
    FEATURE(complexity, "contentComplexity", "0.3 basic, 0.6 intermediate, 0.9 advanced"),
    FEATURE(retention, "retentionRate", "mean recall of its cards"),
    FEATURE(load, "cognitiveLoad", "mean load of the last fortnight, 0 to 1"),
    FEATURE(similarity, "topicSimilarity", "not measured"),
    FIELD_END,
};

struct course_ref {
    struct str name;
};
static const struct field course_fields[] = {
    FIELD(F_STR, struct course_ref, name, "name", .flags = FIELD_NULLABLE, .doc = "course"),
    FIELD_END,
};
struct lecture_ref {
    struct str title;
    struct course_ref course;
};
static const struct field lecture_fields[] = {
    FIELD(F_STR, struct lecture_ref, title, "title", .flags = FIELD_NULLABLE, .doc = "lecture"),
    FIELD(F_OBJECT, struct lecture_ref, course, "course", .sub = course_fields,
          .size = sizeof(struct course_ref), .doc = "course"),
    FIELD_END,
};
struct objective_ref {
    struct str id, name, complexity;
    struct lecture_ref lecture;
};
static const struct field objective_fields[] = {
    FIELD(F_STR, struct objective_ref, id, "id", .doc = "objective"),
    FIELD(F_STR, struct objective_ref, name, "objective", .flags = FIELD_NULLABLE,
          .doc = "its name in the catalogue"),
    FIELD(F_STR, struct objective_ref, complexity, "complexity", .flags = FIELD_NULLABLE,
          .doc = "BASIC, INTERMEDIATE or ADVANCED"),
    FIELD(F_OBJECT, struct objective_ref, lecture, "lecture", .sub = lecture_fields,
          .size = sizeof(struct lecture_ref), .doc = "where it is taught"),
    FIELD_END,
};

/* What was proposed for a forecast, and what the learner said of it. */
struct help {
    struct str prediction, id, type, status;
    int64_t priority, created_at, applied_at;
};
static const struct field help_fields[] = {
    FIELD(F_STR, struct help, id, "id", .doc = "as in interventions"),
    FIELD(F_STR, struct help, type, "interventionType", .doc = "kind"),
    FIELD(F_I64, struct help, priority, "priority", .min = 1, .max = 10, .doc = "1 to 10"),
    FIELD(F_STR, struct help, status, "status",
          .doc = "PENDING, IN_PROGRESS, COMPLETED, SKIPPED or FAILED"),
    FIELD(F_TIME, struct help, created_at, "createdAt", .doc = "when it was proposed"),
    FIELD(F_TIME, struct help, applied_at, "appliedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was applied"),
    FIELD_END,
};
struct opinion {
    struct str kind, comments;
    int64_t given_at, helpfulness;
    bool struggle;
};
static const struct field opinion_fields[] = {
    FIELD(F_STR, struct opinion, kind, "feedbackType", .doc = "as it was given"),
    FIELD(F_BOOL, struct opinion, struggle, "actualStruggle", .doc = "did it feel like one?"),
    FIELD(F_I64, struct opinion, helpfulness, "helpfulness", .flags = FIELD_NULLABLE,
          .doc = "1 to 5"),
    FIELD(F_STR, struct opinion, comments, "comments", .flags = FIELD_NULLABLE,
          .doc = "in the learner's words"),
    FIELD(F_TIME, struct opinion, given_at, "submittedAt", .doc = "when"),
    FIELD_END,
};

struct prediction {
    struct list help, opinions;
    struct str id, user_id, objective_id, name, status, outcome, risk, reasoning, course, reason;
    int64_t made_at, until_at, resolved_at, n, graded, wrong;
    double probability, confidence, right;
    struct interval interval;
    struct features features;
    struct list contributions, indicators;
    struct objective_ref objective;
};
static const struct field prediction_fields[] = {
    FIELD(F_STR, struct prediction, id, "id", .doc = "one a day and objective"),
    FIELD(F_STR, struct prediction, user_id, "userId", .doc = "the learner"),
    FIELD(F_STR, struct prediction, objective_id, "learningObjectiveId", .doc = "objective"),
    FIELD(F_STR, struct prediction, objective_id, "topicId", .doc = "the same"),
    FIELD(F_STR, struct prediction, name, "topicName", .doc = "its name, else its id"),
    FIELD(F_STR, struct prediction, objective.name, "objectiveName", .flags = FIELD_NULLABLE,
          .doc = "its name in the catalogue"),
    FIELD(F_STR, struct prediction, course, "courseName", .flags = FIELD_NULLABLE,
          .doc = "its course"),
    FIELD(F_OBJECT, struct prediction, objective, "learningObjective", .sub = objective_fields,
          .size = sizeof(struct objective_ref), .doc = "from the catalogue"),
    FIELD(F_TIME, struct prediction, made_at, "predictionDate", .doc = "when it was made"),
    FIELD(F_TIME, struct prediction, until_at, "predictedFor", .doc = "end of the time it is for"),
    FIELD(F_F64, struct prediction, probability, "predictedStruggleProbability", .min = 0, .max = 1,
          .doc =
              "that of three or more answers and reviews in that time fewer than 65 % are right"),
    FIELD(F_OBJECT, struct prediction, interval, "interval", .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "90 %, of the probability"),
    FIELD(F_F64, struct prediction, confidence, "predictionConfidence", .min = 0, .max = 1,
          .doc = "1 - width of the interval"),
    FIELD(F_F64, struct prediction, confidence, "confidence", .min = 0, .max = 1,
          .doc = "the same"),
    FIELD(F_F64, struct prediction, right, "rightAnswerProbability", .min = 0, .max = 1,
          .doc = "of the next new question on it"),
    FIELD(F_I64, struct prediction, n, "n",
          .doc = "the learner's answers on it behind the forecast"),
    FIELD(F_STR, struct prediction, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why it is less certain than others"),
    FIELD(F_STR, struct prediction, status, "predictionStatus",
          .doc = "PENDING; CONFIRMED, FALSE_POSITIVE, MISSED by what happened; RESOLVED when too "
                 "little was asked to tell; DISMISSED"),
    FIELD(F_JSON, struct prediction, outcome, "actualOutcome", .flags = FIELD_NULLABLE,
          .doc = "true or false: did the learner struggle? By answers and reviews, not by opinion"),
    FIELD(F_I64, struct prediction, graded, "outcomeAnswers", .doc = "asked in that time so far"),
    FIELD(F_I64, struct prediction, wrong, "outcomeWrong", .doc = "of these, wrong"),
    FIELD(F_TIME, struct prediction, resolved_at, "resolvedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was judged"),
    FIELD(F_STR, struct prediction, risk, "riskLevel",
          .doc = "HIGH from 0.7, MEDIUM from 0.5, else LOW"),
    FIELD(F_STR, struct prediction, reasoning, "reasoning", .doc = "what counts most, in words"),
    FIELD(F_OBJECT, struct prediction, features, "features", .sub = features_fields,
          .size = sizeof(struct features), .doc = "what was known when it was made"),
    FIELD(F_OBJECT, struct prediction, features, "featureVector", .sub = features_fields,
          .size = sizeof(struct features), .doc = "the same"),
    FIELD(F_LIST, struct prediction, contributions, "contributions", .sub = contribution_fields,
          .size = sizeof(struct contribution), .doc = "by falling size"),
    FIELD(F_LIST, struct prediction, indicators, "indicators", .sub = indicator_fields,
          .size = sizeof(struct indicator), .doc = "those that raise it clearly"),
    FIELD(F_LIST, struct prediction, help, "interventions", .sub = help_fields,
          .size = sizeof(struct help), .doc = "what was proposed for it"),
    FIELD(F_LIST, struct prediction, opinions, "feedbacks", .sub = opinion_fields,
          .size = sizeof(struct opinion), .doc = "what the learner said of it: the last word"),
    FIELD_END,
};

struct alert {
    struct str id, type, title, message, severity, prediction, intervention;
    double priority;
    int64_t created_at;
};
static const struct field alert_fields[] = {
    FIELD(F_STR, struct alert, id, "id", .doc = "of the alert"),
    FIELD(F_STR, struct alert, type, "type", .doc = "PREREQUISITE_ALERT or PROACTIVE_WARNING"),
    FIELD(F_STR, struct alert, title, "title", .doc = "of what"),
    FIELD(F_STR, struct alert, message, "message", .doc = "why"),
    FIELD(F_STR, struct alert, severity, "severity", .doc = "MEDIUM or HIGH"),
    FIELD(F_F64, struct alert, priority, "priority", .min = 0, .max = 100,
          .doc = "100 * the lower end of the probability's interval"),
    FIELD(F_STR, struct alert, prediction, "predictionId", .doc = "forecast"),
    FIELD(F_STR, struct alert, intervention, "interventionId", .flags = FIELD_NULLABLE,
          .doc = "the first of what is proposed for it"),
    FIELD(F_TIME, struct alert, created_at, "createdAt", .doc = "when that was made"),
    FIELD_END,
};

struct stats {
    int64_t total, pending, confirmed, false_positives, missed;
    double probability, confidence;
};
static const struct field stats_fields[] = {
    FIELD(F_I64, struct stats, total, "total", .doc = "all of the learner's, of any status"),
    FIELD(F_I64, struct stats, pending, "pending", .doc = "of these"),
    FIELD(F_I64, struct stats, confirmed, "confirmed", .doc = "of these"),
    FIELD(F_I64, struct stats, false_positives, "falsePositives", .doc = "of these"),
    FIELD(F_I64, struct stats, missed, "missed", .doc = "of these"),
    FIELD(F_F64, struct stats, probability, "avgProbability", .flags = FIELD_NULLABLE,
          .doc = "mean"),
    FIELD(F_F64, struct stats, confidence, "avgConfidence", .flags = FIELD_NULLABLE, .doc = "mean"),
    FIELD_END,
};
struct summary {
    int64_t total, high, medium, interventions;
};
static const struct field summary_fields[] = {
    FIELD(F_I64, struct summary, total, "totalPredictions", .doc = "in this answer"),
    FIELD(F_I64, struct summary, high, "highRiskCount", .doc = "from 0.7"),
    FIELD(F_I64, struct summary, medium, "mediumRiskCount", .doc = "from 0.5 to 0.7"),
    FIELD(F_I64, struct summary, interventions, "interventionsGenerated",
          .doc = "proposals that are open"),
    FIELD_END,
};

struct predictions {
    struct str user_id, reason;
    struct list list, alerts;
    struct stats stats;
    struct summary summary;
    int64_t generated_at, low, behind;
    bool truncated;
    const struct needed *needed;
};
static const struct field predictions_fields[] = {
    FIELD(F_STR, struct predictions, user_id, "userId", .doc = "the learner"),
    FIELD(F_LIST, struct predictions, list, "predictions", .sub = prediction_fields,
          .size = sizeof(struct prediction), .doc = "the newest day first, by falling probability"),
    FIELD(F_LIST, struct predictions, alerts, "alerts", .sub = alert_fields,
          .size = sizeof(struct alert), .doc = "at most five, of open forecasts from 0.7"),
    FIELD(F_OBJECT, struct predictions, stats, "stats", .sub = stats_fields,
          .size = sizeof(struct stats), .doc = "over all"),
    FIELD(F_OBJECT, struct predictions, summary, "summary", .sub = summary_fields,
          .size = sizeof(struct summary), .doc = "of this answer"),
    FIELD(F_I64, struct predictions, summary.total, "count", .doc = "forecasts in this answer"),
    FIELD(F_I64, struct predictions, summary.total, "totalCount", .doc = "the same"),
    FIELD(F_I64, struct predictions, summary.high, "highRiskCount", .doc = "from 0.7"),
    FIELD(F_I64, struct predictions, summary.medium, "mediumRiskCount", .doc = "from 0.5 to 0.7"),
    FIELD(F_I64, struct predictions, low, "lowRiskCount", .doc = "below 0.5"),
    FIELD(F_BOOL, struct predictions, truncated, "truncated", .doc = "were there more?"),
    FIELD(F_TIME, struct predictions, generated_at, "generatedAt", .flags = FIELD_NULLABLE,
          .doc = "when the newest was made"),
    FIELD(F_STR, struct predictions, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none, or no new ones"),
    FIELD(F_I64, struct predictions, behind, "answersBehind", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "of predictions/generate: answers that there was no time to learn from; 0: none"),
    FIELD(F_OBJECT, struct predictions, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD_END,
};

/* ---- from the rows ---- */

static int by_size(const void *pa, const void *pb)
{
    double a = fabs(((const struct contribution *)pa)->log_odds),
           b = fabs(((const struct contribution *)pb)->log_odds);
    return (a < b) - (a > b);
}

static double logistic(double z)
{
    return 1 / (1 + exp(-z));
}

static enum err explain(struct arena *arena, struct str json, struct prediction *p)
{
    struct contribution *c = arena_new(arena, struct contribution, OUTLOOK_PARTS);
    struct indicator *ind = arena_new(arena, struct indicator, OUTLOOK_PARTS);
    double v[OUTLOOK_PARTS], z = 0;
    struct json_reader r;
    int n = 0;

    if (!c || !ind)
        return ERR_NOMEM;
    json_reader_init(&r, json, arena, 2);
    if (json_peek(&r) == JSON_ARRAY && json_array_begin(&r))
        while (n < OUTLOOK_PARTS && json_next_item(&r) && json_read_f64(&r, &v[n]))
            z += v[n++];
    p->contributions.p = c;
    p->indicators.p = ind;
    for (int i = 0; i < n; i++) {
        struct str text = str_from(v[i] > 0 ? parts[i].against : parts[i].in_favour);

        if (fabs(v[i]) < 0.0005)
            continue;
        c[p->contributions.n++] =
            (struct contribution){str_from(outlook_part_name((enum outlook_part)i)), text,
                                  round_to(v[i], 4), round_to(logistic(z) - logistic(z - v[i]), 4)};
        if (v[i] > 0.3 && i != OUTLOOK_BASE)
            ind[p->indicators.n++] = (struct indicator){str_from(parts[i].indicator),
                                                        v[i] > 1.5    ? STR("HIGH")
                                                        : v[i] > 0.75 ? STR("MEDIUM")
                                                                      : STR("LOW"),
                                                        text, round_to(v[i], 4)};
    }
    qsort(c, (size_t)p->contributions.n, sizeof *c, by_size);
    return ERR_OK;
}

/* The two largest parts beside the general level. */
static enum err put_in_words(struct arena *arena, struct prediction *p)
{
    const struct contribution *c = p->contributions.p, *found[2] = {NULL, NULL};
    int n = 0;

    for (int32_t i = 0; i < p->contributions.n && n < 2; i++)
        if (!str_eq(c[i].part, STR("base")))
            found[n++] = &c[i];
    p->reasoning =
        n == 0   ? STR("Nothing is known but how objectives turn out in general.")
        : n == 1 ? arena_printf(arena, "What counts most: " STR_FMT ".", STR_ARG(found[0]->text))
                 : arena_printf(arena, "What counts most: " STR_FMT "; " STR_FMT ".",
                                STR_ARG(found[0]->text), STR_ARG(found[1]->text));
    return p->reasoning.p ? ERR_OK : ERR_NOMEM;
}

static double complexity_of(struct str name)
{
    return str_eq(name, STR("BASIC"))          ? 0.3
           : str_eq(name, STR("INTERMEDIATE")) ? 0.6
           : str_eq(name, STR("ADVANCED"))     ? 0.9
                                               : (double)NAN;
}

/* The last columns of a row: none, when the learner said nothing. */
static enum err take_opinion(struct arena *arena, struct columns *v, struct prediction *p)
{
    int64_t given_at = column_time(v);
    struct opinion *o = given_at == TIME_NONE ? NULL : arena_new(arena, struct opinion, 1);

    p->opinions = (struct list){o, o != NULL};
    if (given_at == TIME_NONE)
        return ERR_OK;
    if (!o)
        return ERR_NOMEM;
    o->given_at = given_at;
    o->struggle = column_bool(v);
    o->kind = column_str(v);
    o->helpfulness = column_i64(v, INT64_MIN);
    o->comments = column_str(v);
    return ERR_OK;
}

static enum err prediction_decode(struct api_call *c, struct columns v, struct prediction *p)
{
    p->user_id = c->learner;
    p->id = column_str(&v);
    p->objective_id = p->objective.id = column_str(&v);
    p->objective.name = column_str(&v);
    p->name = p->objective.name.p ? p->objective.name : p->objective_id;
    p->objective.complexity = column_str(&v);
    p->objective.lecture.course.name = p->course = column_str(&v);
    p->objective.lecture.title = column_str(&v);
    column_i64(&v, 0); /* day */
    p->made_at = column_i64(&v, 0);
    p->until_at = column_i64(&v, 0);
    p->probability = round_to(column_f64(&v), 4);
    double low = column_f64(&v), high = column_f64(&v);
    p->interval = (struct interval){round_to(low, 4), round_to(high, 4)};
    p->confidence = round_to(1 - (high - low), 4);
    p->right = round_to(column_f64(&v), 4);
    p->n = column_i64(&v, 0);
    p->features = (struct features){.retention = column_f64(&v)};
    column_f64(&v); /* share of cards that are due: a contribution tells of it */
    p->features.load = column_f64(&v);
    p->features.gap = column_f64(&v);
    p->features.history = round_to(1 - p->right, 4);
    p->features.complexity = complexity_of(p->objective.complexity);
    p->features.similarity = (double)NAN;
    struct str why = column_str(&v);
    p->status = column_str(&v);
    p->graded = column_i64(&v, 0);
    p->wrong = column_i64(&v, 0);
    int64_t struggled = column_i64(&v, -1);
    p->outcome = struggled < 0 ? (struct str){NULL, 0} : struggled ? STR("true") : STR("false");
    p->resolved_at = column_time(&v);
    enum err e = take_opinion(c->arena, &v, p);
    p->risk = p->probability >= RISK_HIGH     ? STR("HIGH")
              : p->probability >= RISK_MEDIUM ? STR("MEDIUM")
                                              : STR("LOW");
    if (p->n == 0)
        p->reason = STR("It was not asked yet: judged by the learner's other answers.");
    if (e == ERR_OK)
        e = explain(c->arena, why, p);
    return e == ERR_OK ? put_in_words(c->arena, p) : e;
}

/* The part of `all`, which lies by forecast, that belongs to `id`. */
static struct list help_of(struct help *all, int32_t count, struct str id)
{
    int32_t low = 0, high = count, n = 0;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (str_cmp(all[middle].prediction, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + n < count && str_eq(all[low + n].prediction, id))
        n++;
    return (struct list){all + low, n};
}

static int by_rank(const void *pa, const void *pb)
{
    const struct help *a = pa, *b = pb;
    int order = str_cmp(a->prediction, b->prediction);

    return order                        ? order
           : a->priority != b->priority ? (a->priority < b->priority ? 1 : -1)
                                        : str_cmp(a->id, b->id);
}

/* What was proposed for the forecasts of the list. */
static enum err read_help(struct api_call *c, const struct prediction *p, int32_t count,
                          struct rows *ret)
{
    struct value *keys = arena_new(c->arena, struct value, (size_t)count * 2 + 1);

    if (!keys)
        return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        keys[2 * i] = V_S(c->learner);
        keys[2 * i + 1] = V_S(p[i].id);
    }
    if (count > 0)
        return store_read_bulk(c->conn, c->arena, STMT_PREDICTIONS_HELP, keys, count, 2, ret);
    *ret = (struct rows){0};
    return ERR_OK;
}

static enum err add_help(struct api_call *c, struct prediction *p, int32_t count,
                         const struct rows *rows)
{
    struct help *all = arena_new(c->arena, struct help, (size_t)rows->count + 1);

    if (!all)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        all[i].prediction = column_str(&v);
        all[i].id = column_str(&v);
        all[i].type = column_str(&v);
        all[i].priority = column_i64(&v, 0);
        all[i].status = column_str(&v);
        all[i].created_at = column_i64(&v, 0);
        all[i].applied_at = column_time(&v);
    }
    qsort(all, (size_t)rows->count, sizeof *all, by_rank);
    for (int32_t i = 0; i < count; i++)
        p[i].help = help_of(all, rows->count, p[i].id);
    return ERR_OK;
}

/* Of all that are present: proposals that are open, as interventions_open counts them. */
static int64_t count_open(const struct prediction *p, int32_t count)
{
    int64_t n = 0;

    for (int32_t i = 0; i < count; i++) {
        const struct help *help = p[i].help.p;
        bool open = p[i].resolved_at == TIME_NONE && str_eq(p[i].status, STR("PENDING"));

        for (int32_t k = 0; open && k < p[i].help.n; k++)
            n += str_eq(help[k].status, STR("PENDING"));
    }
    return n;
}

static enum err alerts_of(struct api_call *c, struct predictions *r)
{
    const struct prediction *p = r->list.p;
    struct alert *alerts = arena_new(c->arena, struct alert, ALERTS_MAX);

    if (!alerts)
        return ERR_NOMEM;
    r->alerts.p = alerts;
    for (int32_t i = 0; i < r->list.n && r->alerts.n < ALERTS_MAX; i++) {
        bool gap = p[i].features.gap > 0.5;

        if (p[i].probability < RISK_HIGH || !str_eq(p[i].status, STR("PENDING")))
            continue;
        alerts[r->alerts.n++] = (struct alert){
            .id = arena_printf(c->arena, "alert-" STR_FMT, STR_ARG(p[i].id)),
            .type = gap ? STR("PREREQUISITE_ALERT") : STR("PROACTIVE_WARNING"),
            .title = p[i].name,
            .message = p[i].reasoning,
            .severity = p[i].interval.low >= RISK_MEDIUM ? STR("HIGH") : STR("MEDIUM"),
            .priority = round_to(100 * p[i].interval.low, 1),
            .prediction = p[i].id,
            .intervention =
                p[i].help.n > 0 ? ((const struct help *)p[i].help.p)->id : (struct str){NULL, 0},
            .created_at = p[i].made_at};
    }
    return ERR_OK;
}

/* ---- GET, POST generate ---- */

struct predictions_query {
    int32_t status, limit, offset;
    double at_least;
};
static const struct field predictions_query[] = {
    FIELD(F_ENUM, struct predictions_query, status, "status", .names = status_names,
          .flags = FIELD_NULLABLE, .doc = "only these; all when absent"),
    FIELD(F_F64, struct predictions_query, at_least, "minProbability", .min = 0, .max = 1,
          .def = "0.5", .doc = "only those as likely"),
    FIELD(F_I32, struct predictions_query, limit, "limit", .min = 1, .max = LIST_MAX, .def = "200",
          .doc = "at most so many"),
    FIELD(F_I32, struct predictions_query, offset, "offset", .min = 0, .max = 100000, .def = "0",
          .doc = "behind so many"),
    FIELD_END,
};

static void no_predictions(struct api_call *c, struct predictions *r, const struct learner *l)
{
    struct needed needed = NEEDED_NONE;

    if (!l->analysis) {
        r->reason = reason_disabled;
    } else if (r->stats.total == 0 && learner_graded(l) == 0) {
        needed.graded = 1;
        r->reason = STR("Nothing was answered or reviewed yet.");
        r->needed = needed_new(c->arena, needed);
    } else if (r->stats.total == 0) {
        r->reason =
            STR("None were made yet: they are made at night and by predictions/generate, of "
                "objectives that answers or missions name.");
    }
}

/* The forecasts, and how many proposals of the present ones are open. */
static enum err take_list(struct api_call *c, const struct rows *rows, int32_t n,
                          struct predictions *r)
{
    struct prediction *p = arena_new(c->arena, struct prediction, (size_t)n + 1);
    enum err e = p ? ERR_OK : ERR_NOMEM;

    r->list = (struct list){p, n};
    r->generated_at = TIME_NONE;
    r->behind = INT64_MIN;
    for (int32_t i = 0; e == ERR_OK && i < n; i++) {
        e = prediction_decode(c, columns_of(rows, i), &p[i]);
        r->summary.high += p[i].probability >= RISK_HIGH;
        r->summary.medium += p[i].probability >= RISK_MEDIUM && p[i].probability < RISK_HIGH;
        if (p[i].made_at > r->generated_at)
            r->generated_at = p[i].made_at;
    }
    r->summary.total = n;
    r->low = n - r->summary.high - r->summary.medium;
    return e;
}

/* in: NULL: all the present ones. */
static enum err list_predictions(struct api_call *c, const struct predictions_query *in)
{
    const struct value list[] = {
        V_S(c->learner), in && in->status >= 0 ? V_S(str_from(status_names[in->status])) : V_N,
        V_D(in ? in->at_least : 0), V_I(in ? in->limit + 1 : 0), V_I(in ? in->offset : 0)};
    const struct value present[] = {V_S(c->learner), V_I(LIST_MAX + 1)};
    struct query q[] = {
        [1] =
            in ? (struct query){.stmt = STMT_PREDICTIONS_LIST, .args = list, .arg_count = 5}
               : (struct query){.stmt = STMT_PREDICTIONS_PRESENT, .args = present, .arg_count = 2},
        [2] = {.stmt = STMT_PREDICTIONS_STATS, .args = list, .arg_count = 1},
        [3] = {.stmt = in ? STMT_INTERVENTIONS_OPEN : STMT_PREDICTIONS_PRESENT_HELP,
               .args = list,
               .arg_count = 1},
    };
    struct predictions *r = arena_new(c->arena, struct predictions, 1);
    int32_t limit = in ? in->limit : LIST_MAX;
    struct learner l;
    enum err e = r ? learner_read(c, q, COUNT(q), &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    r->user_id = c->learner;
    r->truncated = q[1].rows.count > limit;
    if (r->truncated && c->row->method == HTTP_GET)
        page_link_number(c, "offset", in->offset + limit);
    int32_t n = r->truncated ? limit : q[1].rows.count;
    e = take_list(c, &q[1].rows, n, r);
    struct prediction *p = e == ERR_OK ? (struct prediction *)r->list.p : NULL;
    struct rows help = q[3].rows;
    if (e == ERR_OK && in)
        e = read_help(c, p, n, &help);
    if (e == ERR_OK)
        e = add_help(c, p, n, &help);
    if (e != ERR_OK)
        return e;
    struct columns v = columns_of(&q[2].rows, 0);
    r->stats.total = column_i64(&v, 0);
    r->stats.pending = column_i64(&v, 0);
    r->stats.confirmed = column_i64(&v, 0);
    r->stats.false_positives = column_i64(&v, 0);
    r->stats.missed = column_i64(&v, 0);
    r->stats.probability = round_to(column_f64(&v), 4);
    r->stats.confidence = round_to(1 - column_f64(&v), 4);
    r->summary.interventions = in ? value_i64(row_at(&q[3].rows, 0), 0) : count_open(p, n);
    no_predictions(c, r, &l);
    c->reply = r;
    return alerts_of(c, r);
}

static enum err get_predictions(struct api_call *c)
{
    return list_predictions(c, c->in);
}

struct generate_body {
    struct str user_id;
    int32_t days;
};
static const struct field generate_body[] = {
    FIELD_USER_ID(struct generate_body),
    FIELD(F_I32, struct generate_body, days, "daysAhead", .min = 1, .max = 30, .def = "7",
          .doc = "days that are looked ahead"),
    FIELD_END,
};

static enum err generate_then(struct api_call *c)
{
    enum err e = list_predictions(c, NULL);
    struct predictions *r = c->reply;

    if (e != ERR_OK)
        return e;
    r->behind = analysis_behind(c);
    if (r->behind == 0)
        return ERR_OK;
    r->reason = arena_printf(c->arena,
                             "The time was not enough: %lld answers are still to be learnt from; "
                             "no new forecasts were made. Ask again, or wait for the night.",
                             (long long)r->behind);
    return r->reason.p ? ERR_OK : ERR_NOMEM;
}

static enum err post_generate(struct api_call *c)
{
    const struct generate_body *in = c->in;

    return analysis_make(c, &(struct analysis_ask){.step = night_struggle,
                                                   .days_ahead = in->days,
                                                   .then = generate_then});
}

/* ---- feedback, dismissal ---- */

static const char *const feedback_names[] = {"HELPFUL",           "NOT_HELPFUL",      "INACCURATE",
                                             "INTERVENTION_GOOD", "INTERVENTION_BAD", NULL};

struct feedback_body {
    struct str user_id, id, comments;
    bool struggle;
    int32_t kind, helpfulness;
};
static const struct field feedback_path[] = {
    FIELD(F_STR, struct feedback_body, id, "id", .min = 1, .max = 64, .doc = "forecast"),
    FIELD_END,
};
static const struct field feedback_body[] = {
    FIELD_USER_ID(struct feedback_body),
    FIELD(F_BOOL, struct feedback_body, struggle, "actualStruggle", .flags = FIELD_REQUIRED,
          .doc = "did it feel like a struggle?"),
    FIELD(F_ENUM, struct feedback_body, kind, "feedbackType", .names = feedback_names,
          .def = "HELPFUL", .doc = "opinion"),
    FIELD(F_I32, struct feedback_body, helpfulness, "helpfulness", .flags = FIELD_NULLABLE,
          .min = 1, .max = 5, .doc = "1 to 5"),
    FIELD(F_STR, struct feedback_body, comments, "comments", .flags = FIELD_NULLABLE, .max = 1000,
          .doc = "in the learner's words"),
    FIELD_END,
};
struct feedback_reply {
    bool recorded;
    struct str id, prediction, status, outcome, message;
    int64_t submitted_at;
    double accuracy;
};
static const struct field feedback_reply[] = {
    FIELD(F_BOOL, struct feedback_reply, recorded, "feedbackRecorded", .doc = "true"),
    FIELD(F_STR, struct feedback_reply, id, "feedbackId", .doc = "of the opinion"),
    FIELD(F_STR, struct feedback_reply, prediction, "predictionId", .doc = "forecast"),
    FIELD(F_STR, struct feedback_reply, status, "predictionStatus",
          .doc = "by what happened; an opinion does not change it"),
    FIELD(F_JSON, struct feedback_reply, outcome, "actualOutcome", .flags = FIELD_NULLABLE,
          .doc = "what the answers say, if they do already"),
    FIELD(F_F64, struct feedback_reply, accuracy, "modelAccuracyUpdate", .flags = FIELD_NULLABLE,
          .doc = "share of judged forecasts that were right; null before there is one"),
    FIELD(F_STR, struct feedback_reply, message, "message", .doc = "for the learner"),
    FIELD(F_TIME, struct feedback_reply, submitted_at, "submittedAt", .doc = "now"),
    FIELD_END,
};

static enum err find_prediction(struct api_call *c, struct store_conn *conn, struct str id,
                                struct rows *ret)
{
    const struct value args[] = {V_S(c->learner), V_S(id)};
    struct query q = {.stmt = STMT_PREDICTION_READ, .args = args, .arg_count = 2, .rows_max = 1};
    enum err e = store_read(conn, c->arena, &q, 1, 0); /* on a writer: it waits for nobody */

    *ret = q.rows;
    if (e == ERR_OK && q.rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, NULL, "There is no such forecast of this learner.");
    return e;
}

static enum err feedback_run(struct api_call *c, struct store_conn *conn)
{
    const struct feedback_body *in = c->in;
    struct rows found;
    enum err e = find_prediction(c, conn, in->id, &found);

    if (e != ERR_OK)
        return e;
    const struct value v[] = {*row_at(&found, 0),
                              V_S(in->id),
                              V_I(c->now_us),
                              V_I(in->struggle),
                              V_S(str_from(feedback_names[in->kind])),
                              in->helpfulness == INT32_MIN ? V_N : V_I(in->helpfulness),
                              v_text(in->comments)};
    struct bulk b = {.stmt = STMT_FEEDBACK_PUT, .rows = 1, .cols = COUNT(v), .v = v};
    return store_write(conn, &b, 1);
}

static enum err prediction_state(struct api_call *c, struct str id, const char *message)
{
    struct feedback_reply *r = arena_new(c->arena, struct feedback_reply, 1);
    const struct value args[] = {V_S(c->learner), V_S(id)};
    struct query q[] = {{.stmt = STMT_PREDICTION_READ, .args = args, .arg_count = 2},
                        {.stmt = STMT_PREDICTIONS_STATS, .args = args, .arg_count = 1},
                        {.stmt = STMT_PREDICTIONS_RIGHT, .args = args, .arg_count = 1}};
    enum err e = r ? store_read(c->conn, c->arena, q, COUNT(q), c->deadline_us) : ERR_NOMEM;

    if (e != ERR_OK || q[0].rows.count == 0)
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    const struct value *v = row_at(&q[0].rows, 0);
    int64_t struggled = value_i64(&v[3], -1);
    r->recorded = true;
    r->id = arena_printf(c->arena, "feedback-" STR_FMT, STR_ARG(id));
    r->prediction = id;
    r->status = value_str(&v[2]);
    r->outcome = struggled < 0 ? (struct str){NULL, 0} : struggled ? STR("true") : STR("false");
    v = row_at(&q[2].rows, 0);
    int64_t judged = value_i64(&v[0], 0);
    r->accuracy = judged ? round_to((double)value_i64(&v[1], 0) / (double)judged, 4) : (double)NAN;
    r->message = str_from(message);
    r->submitted_at = c->now_us;
    c->reply = r;
    return ERR_OK;
}

static enum err feedback_then(struct api_call *c)
{
    const struct feedback_body *in = c->in;
    return prediction_state(c, in->id, "Thank you: your opinion is kept.");
}

static enum err post_feedback(struct api_call *c)
{
    return api_change(c, feedback_run, feedback_then);
}

struct dismiss_body {
    struct str user_id, id;
};
static const struct field dismiss_path[] = {
    FIELD(F_STR, struct dismiss_body, id, "id", .min = 1, .max = 64, .doc = "forecast"),
    FIELD_END,
};
static const struct field dismiss_body[] = {
    FIELD_USER_ID(struct dismiss_body),
    FIELD_END,
};

static enum err dismiss_run(struct api_call *c, struct store_conn *conn)
{
    const struct dismiss_body *in = c->in;
    struct rows found;
    enum err e = find_prediction(c, conn, in->id, &found);

    if (e != ERR_OK)
        return e;
    const struct value v[] = {*row_at(&found, 0), V_S(in->id)};
    struct bulk b = {.stmt = STMT_PREDICTION_DISMISS, .rows = 1, .cols = 2, .v = v};
    return store_write(conn, &b, 1);
}

static enum err dismiss_then(struct api_call *c)
{
    const struct dismiss_body *in = c->in;
    return prediction_state(c, in->id, "The forecast is not shown among the open ones any more.");
}

static enum err post_dismiss(struct api_call *c)
{
    return api_change(c, dismiss_run, dismiss_then);
}

#define PREDICTIONS \
    .tag = "predictions", .envelope = ENVELOPE_DATA, .errors = UINT64_C(1) << ERR_NOT_FOUND
#define FLAT_PREDICTIONS                                                  \
    .names = NAMES_BOTH, .tag = "predictions", .envelope = ENVELOPE_FLAT, \
    .errors = UINT64_C(1) << ERR_NOT_FOUND
#define CHANGES \
    .method = HTTP_POST, .scopes = SCOPE_WRITE, .learner = LEARNER_BODY, .run = RUN_WORKER

const struct endpoint endpoints_predictions[] = {
    {PREDICTIONS, .method = HTTP_GET, .path = "/api/analytics/predictions", .id = "get_predictions",
     .summary = "With which objectives the learner is likely to struggle, and why",
     .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .query = predictions_query,
     .in_size = sizeof(struct predictions_query), .reply = predictions_fields, .run = RUN_SMALL,
     .round_trips = 2, .cache = {.fresh_s = 300, .stale_s = 1800, .settled = true},
     .handler = get_predictions},
    {PREDICTIONS, CHANGES, .path = "/api/analytics/predictions/generate",
     .id = "generate_predictions",
     .summary = "Learn from the answers since the last time, make today's forecasts, and give them",
     .body = generate_body, .in_size = sizeof(struct generate_body), .reply = predictions_fields,
     .status = 201, .repeats = true, .round_trips = 2, .handler = post_generate},
    {PREDICTIONS, CHANGES, .path = "/api/analytics/predictions/{id}/feedback",
     .id = "post_prediction_feedback", .summary = "The learner's opinion on a forecast",
     .params = feedback_path, .body = feedback_body, .in_size = sizeof(struct feedback_body),
     .reply = feedback_reply, .repeats = true, .round_trips = 1, .handler = post_feedback},
    {PREDICTIONS, CHANGES, .path = "/api/analytics/predictions/{id}/dismiss",
     .id = "dismiss_prediction", .summary = "Take a forecast off the open ones",
     .params = dismiss_path, .body = dismiss_body, .body_optional = true,
     .in_size = sizeof(struct dismiss_body), .reply = feedback_reply, .round_trips = 1,
     .handler = post_dismiss},
    /* The paths of the former prediction service, flat. */
    {FLAT_PREDICTIONS, .method = HTTP_GET, .path = "/predictions", .id = "service_get_predictions",
     .summary = "As /api/analytics/predictions, flat", .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY, .query = predictions_query,
     .in_size = sizeof(struct predictions_query), .reply = predictions_fields, .run = RUN_SMALL,
     .round_trips = 2, .cache = {.fresh_s = 300, .stale_s = 1800, .settled = true},
     .handler = get_predictions},
    {FLAT_PREDICTIONS, CHANGES, .path = "/predictions/generate",
     .id = "service_generate_predictions",
     .summary = "As /api/analytics/predictions/generate, flat", .body = generate_body,
     .in_size = sizeof(struct generate_body), .reply = predictions_fields, .status = 201,
     .repeats = true, .round_trips = 2, .handler = post_generate},
    {FLAT_PREDICTIONS, CHANGES, .path = "/predictions/{id}/feedback",
     .id = "service_post_prediction_feedback",
     .summary = "As /api/analytics/predictions/{id}/feedback, flat", .params = feedback_path,
     .body = feedback_body, .in_size = sizeof(struct feedback_body), .reply = feedback_reply,
     .repeats = true, .round_trips = 1, .handler = post_feedback},
    {FLAT_PREDICTIONS, .method = HTTP_GET, .path = "/model-performance",
     .id = "service_get_model_performance", .summary = "As /api/analytics/model-performance, flat",
     .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .reply = performance_fields, .run = RUN_SMALL,
     .round_trips = 1, .cache = {.fresh_s = 300, .stale_s = 1800},
     .handler = get_model_performance},
    {.tag = "predictions",
     .method = HTTP_GET,
     .path = "/analytics/model-performance",
     .id = "service_get_analytics_model_performance",
     .summary = "As /api/analytics/model-performance, bare and in snake case",
     .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY,
     .reply = performance_fields,
     .envelope = ENVELOPE_BARE,
     .names = NAMES_SNAKE,
     .run = RUN_SMALL,
     .round_trips = 1,
     .cache = {.fresh_s = 300, .stale_s = 1800},
     .errors = UINT64_C(1) << ERR_NOT_FOUND,
     .handler = get_model_performance},
    {.path = NULL},
};
