#include "api/performance.h"

#include "api/learner.h"
#include "base/assert.h"
#include "ingest/audits.h"
#include "twin/outlook.h"
#include "json/reader.h"

#include <math.h>

struct diagram_bin {
    int64_t n;
    double forecast, observed;
    const struct interval *interval;
};
static const struct field diagram_fields[] = {
    FIELD(F_I64, struct diagram_bin, n, "n", .doc = "forecasts in the bin"),
    FIELD(F_F64, struct diagram_bin, forecast, "forecast", .min = 0, .max = 1, .doc = "their mean"),
    FIELD(F_F64, struct diagram_bin, observed, "observed", .min = 0, .max = 1,
          .doc = "share that came about"),
    FIELD(F_OBJECT, struct diagram_bin, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "its 95 % Wilson interval"),
    FIELD_END,
};

struct baseline {
    double share, brier, log_loss, skill;
};
static const struct field baseline_fields[] = {
    FIELD(F_F64, struct baseline, share, "share", .flags = FIELD_NULLABLE,
          .doc = "what it forecasts for all: the share that came about, known in hindsight only"),
    FIELD(F_F64, struct baseline, brier, "brier", .flags = FIELD_NULLABLE,
          .doc = "its mean squared error"),
    FIELD(F_F64, struct baseline, log_loss, "logLoss", .flags = FIELD_NULLABLE,
          .doc = "its log loss"),
    FIELD(F_F64, struct baseline, skill, "brierSkill", .flags = FIELD_NULLABLE,
          .doc = "1 - the model's Brier score / the baseline's: above 0, the model is better"),
    FIELD_END,
};

struct confusion {
    int64_t true_yes, false_yes, true_no, false_no;
};
static const struct field confusion_fields[] = {
    FIELD(F_I64, struct confusion, true_yes, "truePositive", .doc = "forecast, and it came about"),
    FIELD(F_I64, struct confusion, false_yes, "falsePositive", .doc = "forecast, but it did not"),
    FIELD(F_I64, struct confusion, true_no, "trueNegative", .doc = "not forecast, nor did it"),
    FIELD(F_I64, struct confusion, false_no, "falseNegative", .doc = "not forecast, but it did"),
    FIELD_END,
};

struct metrics {
    double precision, recall, f1;
};
static const struct field metrics_fields[] = {
    FIELD(F_F64, struct metrics, precision, "precision", .flags = FIELD_NULLABLE,
          .doc = "as above"),
    FIELD(F_F64, struct metrics, recall, "recall", .flags = FIELD_NULLABLE, .doc = "as above"),
    FIELD(F_F64, struct metrics, f1, "f1_score", .flags = FIELD_NULLABLE, .doc = "as above"),
    FIELD_END,
};

struct parts {
    double reliability, resolution, uncertainty;
};
static const struct field parts_fields[] = {
    FIELD(F_F64, struct parts, reliability, "reliability", .flags = FIELD_NULLABLE,
          .doc = "what bad calibration adds"),
    FIELD(F_F64, struct parts, resolution, "resolution", .flags = FIELD_NULLABLE,
          .doc = "what telling cases apart takes away"),
    FIELD(F_F64, struct parts, uncertainty, "uncertainty", .flags = FIELD_NULLABLE,
          .doc = "what lies in the outcomes"),
    FIELD_END,
};

/* The diagram's columns one by one, as older clients read them. */
struct calibration {
    struct list forecast, observed, n;
};
static const struct field calibration_fields[] = {
    FIELD(F_LIST, struct calibration, forecast, "predicted", .item = F_F64, .size = sizeof(double),
          .max = AUDIT_RELIABILITY, .doc = "mean forecast of each bin of reliabilityBins"),
    FIELD(F_LIST, struct calibration, observed, "actual", .item = F_F64, .size = sizeof(double),
          .max = AUDIT_RELIABILITY, .doc = "share that came about"),
    FIELD(F_LIST, struct calibration, n, "counts", .item = F_I64, .size = sizeof(int64_t),
          .max = AUDIT_RELIABILITY, .doc = "forecasts"),
    FIELD_END,
};

struct figures {
    const struct calibration *calibration;
    struct str model, version, task, method, reason;
    int64_t data_points;
    double accuracy, precision, recall, f1, auc, brier, log_loss, ece, bias, bias_p;
    const struct interval *auc_interval;
    struct parts parts;
    struct list bins;
    struct baseline baseline;
    const struct confusion *confusion;
    struct metrics metrics;
    const struct needed *needed;
};
#define FIGURE(member, name_, doc_) \
    FIELD(F_F64, struct figures, member, name_, .flags = FIELD_NULLABLE, .doc = doc_)
static const struct field figures_fields[] = {
    FIELD(F_STR, struct figures, task, "task", .doc = "what was forecast"),
    FIELD(F_STR, struct figures, model, "modelType", .doc = "what made the forecasts"),
    FIELD(F_STR, struct figures, version, "modelVersion", .doc = "of its parameters"),
    FIELD(F_STR, struct figures, method, "method", .doc = "which forecasts are judged"),
    FIELD(F_I64, struct figures, data_points, "dataPoints", .doc = "outcomes behind it"),
    FIGURE(accuracy, "accuracy", "share right, at a threshold of one half"),
    FIGURE(precision, "precision", "of those that were forecast, the share that came about"),
    FIGURE(recall, "recall", "of those that came about, the share that was forecast"),
    FIGURE(f1, "f1Score", "harmonic mean of precision and recall"),
    FIGURE(auc, "aucRoc", "area under the ROC curve; null unless both outcomes occur"),
    FIELD(F_OBJECT, struct figures, auc_interval, "aucInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Hanley & McNeil"),
    FIGURE(brier, "brier", "mean squared error; 0 is perfect"),
    FIELD(F_OBJECT, struct figures, parts, "brierParts", .sub = parts_fields,
          .size = sizeof(struct parts),
          .doc = "reliability - resolution + uncertainty is the score, but for what differs inside "
                 "of a bin"),
    FIGURE(log_loss, "logLoss", "mean, natural logarithm"),
    FIGURE(ece, "calibrationError", "mean distance of forecast and observed over the bins"),
    FIGURE(bias, "bias", "mean forecast - share that came about"),
    FIGURE(bias_p, "biasPValue", "how often a calibrated forecaster would be as far off"),
    FIELD(F_LIST, struct figures, bins, "reliabilityBins", .sub = diagram_fields,
          .size = sizeof(struct diagram_bin), .doc = "by rising forecast, at most ten"),
    FIELD(F_OBJECT, struct figures, calibration, "calibration",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = calibration_fields,
          .size = sizeof(struct calibration), .doc = "the same bins, column by column"),
    FIELD(F_OBJECT, struct figures, baseline, "baseline", .sub = baseline_fields,
          .size = sizeof(struct baseline), .doc = "the forecaster to beat"),
    FIELD(F_OBJECT, struct figures, confusion, "confusionMatrix",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = confusion_fields,
          .size = sizeof(struct confusion), .doc = "at a threshold of one half"),
    FIELD(F_OBJECT, struct figures, metrics, "metrics", .sub = metrics_fields,
          .size = sizeof(struct metrics), .doc = "the same three once more, for older clients"),
    FIELD(F_STR, struct figures, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no figures"),
    FIELD(F_OBJECT, struct figures, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD_END,
};

struct week {
    int32_t start, end;
    int64_t n;
    double accuracy;
};
static const struct field week_fields[] = {
    FIELD(F_DATE, struct week, start, "weekStart", .doc = "seven days from this one, UTC"),
    FIELD(F_DATE, struct week, start, "date", .doc = "the same"),
    FIELD(F_DATE, struct week, start, "week", .doc = "the same"),
    FIELD(F_DATE, struct week, end, "weekEnd", .doc = "its last day"),
    FIELD(F_F64, struct week, accuracy, "accuracy", .doc = "share of forecasts that were right"),
    FIELD(F_I64, struct week, n, "dataPoints", .doc = "forecasts whose time ended then"),
    FIELD_END,
};

struct importance {
    struct str feature;
    double importance;
    int64_t occurrences;
};
static const struct field importance_fields[] = {
    FIELD(F_STR, struct importance, feature, "feature",
          .doc = "what forecasts of struggle are made of"),
    FIELD(F_F64, struct importance, importance, "importance",
          .doc = "its mean size in log odds over the learner's latest forecasts"),
    FIELD(F_I64, struct importance, occurrences, "occurrences",
          .doc = "forecasts where it said something"),
    FIELD_END,
};

struct health {
    struct str health, advice;
};
static const struct field health_fields[] = {
    FIELD(F_STR, struct health, health, "overallHealth", .flags = FIELD_NULLABLE,
          .doc = "as beside it"),
    FIELD(F_STR, struct health, advice, "recommendation", .doc = "what to make of the forecasts"),
    FIELD_END,
};

struct performance {
    struct health summary;
    struct str user_id, health;
    int64_t updated_at;
    struct figures recall, published, answers, struggle;
    struct list weeks, importance;
};
const struct field performance_fields[] = {
    FIELD(F_STR, struct performance, user_id, "userId", .doc = "the learner"),
    FIELD(F_TIME, struct performance, updated_at, "lastUpdated", .flags = FIELD_NULLABLE,
          .doc = "the learner's latest event"),
    FIELD(F_OBJECT, struct performance, recall, "recall", .flags = FIELD_FLAT,
          .sub = figures_fields, .size = sizeof(struct figures), .doc = "forecasts of recall"),
    FIELD(F_OBJECT, struct performance, published, "recallBaseline", .sub = figures_fields,
          .size = sizeof(struct figures),
          .doc = "what FSRS-6 with its published weights would have forecast: the baseline"),
    FIELD(F_OBJECT, struct performance, answers, "answers", .sub = figures_fields,
          .size = sizeof(struct figures), .doc = "forecasts of every answer"),
    FIELD(F_OBJECT, struct performance, struggle, "predictions", .sub = figures_fields,
          .size = sizeof(struct figures), .doc = "forecasts of struggle with an objective"),
    FIELD(F_LIST, struct performance, weeks, "trends", .sub = week_fields,
          .size = sizeof(struct week), .doc = "forecasts of struggle by week, the latest first"),
    FIELD(F_LIST, struct performance, weeks, "accuracyTrend", .sub = week_fields,
          .size = sizeof(struct week), .doc = "the same"),
    FIELD(F_LIST, struct performance, weeks, "trend", .sub = week_fields,
          .size = sizeof(struct week), .doc = "the same"),
    FIELD(F_OBJECT, struct performance, summary, "summary", .sub = health_fields,
          .size = sizeof(struct health), .doc = "in words"),
    FIELD(F_LIST, struct performance, importance, "featureImportance", .sub = importance_fields,
          .size = sizeof(struct importance), .doc = "of forecasts of struggle"),
    FIELD(F_STR, struct performance, health, "overallHealth", .flags = FIELD_NULLABLE,
          .doc =
              "by the accuracy of forecasts of struggle: Excellent from 0.8, Good from 0.7, Fair "
              "from 0.6, else Needs Improvement"),
    FIELD_END,
};

/* Older clients look for the three at the root. */
struct performance_twice {
    struct performance performance;
};
const struct field performance_twice_fields[] = {
    FIELD(F_OBJECT, struct performance_twice, performance, "data", .sub = performance_fields,
          .size = sizeof(struct performance), .doc = "the answer"),
    FIELD(F_OBJECT, struct performance_twice, performance.recall.metrics, "metrics",
          .sub = metrics_fields, .size = sizeof(struct metrics), .doc = "as data has them"),
    FIELD_END,
};

struct overall {
    struct figures recall, published, answers, struggle;
};
const struct field overall_performance_fields[] = {
    FIELD(F_OBJECT, struct overall, recall, "recall", .sub = figures_fields,
          .size = sizeof(struct figures), .doc = "forecasts of recall"),
    FIELD(F_OBJECT, struct overall, published, "recallBaseline", .sub = figures_fields,
          .size = sizeof(struct figures),
          .doc = "what FSRS-6 with its published weights would have forecast: the baseline"),
    FIELD(F_OBJECT, struct overall, answers, "answers", .sub = figures_fields,
          .size = sizeof(struct figures), .doc = "forecasts of every answer"),
    FIELD(F_OBJECT, struct overall, struggle, "predictions", .sub = figures_fields,
          .size = sizeof(struct figures), .doc = "forecasts of struggle with an objective"),
    FIELD_END,
};

static void no_figures(struct api_call *c, struct figures *p, const struct learner *l,
                       struct str why)
{
    struct needed needed = NEEDED_NONE;

    p->accuracy = p->precision = p->recall = p->f1 = p->auc = (double)NAN;
    p->brier = p->log_loss = p->ece = p->bias = p->bias_p = (double)NAN;
    p->parts = (struct parts){(double)NAN, (double)NAN, (double)NAN};
    p->baseline = (struct baseline){(double)NAN, (double)NAN, (double)NAN, (double)NAN};
    p->metrics = (struct metrics){(double)NAN, (double)NAN, (double)NAN};
    p->reason = l->analysis ? why : reason_disabled;
    needed.graded = AUDIT_MIN - p->data_points;
    if (l->analysis)
        p->needed = needed_new(c->arena, needed);
}

static enum err calibration_of(struct arena *arena, const struct audit_report *r,
                               const struct calibration **ret)
{
    struct calibration *k = arena_new(arena, struct calibration, 1);
    double *forecast = arena_new(arena, double, AUDIT_RELIABILITY);
    double *observed = arena_new(arena, double, AUDIT_RELIABILITY);
    int64_t *n = arena_new(arena, int64_t, AUDIT_RELIABILITY);

    if (!k || !forecast || !observed || !n)
        return ERR_NOMEM;
    for (int32_t i = 0; i < r->bins; i++) {
        forecast[i] = round_to(r->bin[i].forecast, 4);
        observed[i] = round_to(r->bin[i].observed, 4);
        n[i] = r->bin[i].n;
    }
    *k = (struct calibration){{forecast, r->bins}, {observed, r->bins}, {n, r->bins}};
    *ret = k;
    return ERR_OK;
}

static enum err fill_figures(struct api_call *c, struct figures *p, const struct audit_report *r)
{
    struct diagram_bin *bins = arena_new(c->arena, struct diagram_bin, AUDIT_RELIABILITY);
    struct confusion *confusion = arena_new(c->arena, struct confusion, 1);

    if (!bins || !confusion)
        return ERR_NOMEM;
    p->accuracy = round_to(r->accuracy, 4);
    p->metrics =
        (struct metrics){round_to(r->precision, 4), round_to(r->recall, 4), round_to(r->f1, 4)};
    p->precision = p->metrics.precision;
    p->recall = p->metrics.recall;
    p->f1 = p->metrics.f1;
    p->auc = round_to(r->auc, 4);
    p->auc_interval = interval_new(
        c->arena, (struct interval){round_to(r->auc_low, 4), round_to(r->auc_high, 4)});
    p->brier = round_to(r->brier, 4);
    p->log_loss = round_to(r->log_loss, 4);
    p->ece = round_to(r->calibration_error, 4);
    p->bias = round_to(r->bias, 4);
    p->bias_p = round_to(r->bias_p, 6);
    p->parts = (struct parts){round_to(r->reliability, 4), round_to(r->resolution, 4),
                              round_to(r->uncertainty, 4)};
    p->baseline = (struct baseline){round_to(r->share, 4), round_to(r->baseline_brier, 4),
                                    round_to(r->baseline_log_loss, 4), round_to(r->brier_skill, 4)};
    for (int32_t i = 0; i < r->bins; i++)
        bins[i] = (struct diagram_bin){
            .n = r->bin[i].n,
            .forecast = round_to(r->bin[i].forecast, 4),
            .observed = round_to(r->bin[i].observed, 4),
            .interval = interval_new(c->arena, (struct interval){r->bin[i].low, r->bin[i].high})};
    p->bins = (struct list){bins, r->bins};
    *confusion = (struct confusion){r->true_yes, r->false_yes, r->true_no, r->false_no};
    p->confusion = confusion;
    return calibration_of(c->arena, r, &p->calibration);
}

static enum err figures_of(struct api_call *c, const struct rows *rows, enum audit_model model,
                           const struct learner *l, struct str why_none, struct figures *p)
{
    struct audit_bin bins[AUDIT_BINS];
    struct audit_report report;

    audits_of(rows, model, bins);
    audit_report_of(bins, &report);
    p->data_points = report.n;
    if (report.enough && l->analysis)
        return fill_figures(c, p, &report);
    no_figures(c, p, l, why_none);
    return ERR_OK;
}

static enum err weeks_of(struct api_call *c, const struct rows *rows, struct performance *p)
{
    struct week *w = arena_new(c->arena, struct week, (size_t)rows->count + 1);

    if (!w)
        return ERR_NOMEM;
    p->weeks = (struct list){w, rows->count};
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        int64_t week = column_i64(&v, 0), n = column_i64(&v, 0), right = column_i64(&v, 0);

        w[i] = (struct week){(int32_t)(week * 7), (int32_t)(week * 7 + 6), n,
                             round_to((double)right / (double)n, 4)};
    }
    return ERR_OK;
}

static enum err importance_of(struct api_call *c, const struct rows *rows, struct performance *p)
{
    struct importance *all = arena_new(c->arena, struct importance, OUTLOOK_PARTS);

    if (!all)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct json_reader r;
        double v;
        int k = 0;

        json_reader_init(&r, value_str(row_at(rows, i)), c->arena, 2);
        if (json_peek(&r) != JSON_ARRAY || !json_array_begin(&r))
            continue;
        for (; k < OUTLOOK_PARTS && json_next_item(&r) && json_read_f64(&r, &v); k++) {
            all[k].importance += fabs(v) / rows->count;
            all[k].occurrences += fabs(v) >= 0.0005;
        }
    }
    for (int k = 0; k < OUTLOOK_PARTS; k++) {
        all[k].feature = str_from(outlook_part_name((enum outlook_part)k));
        all[k].importance = round_to(all[k].importance, 4);
    }
    p->importance = (struct list){all, rows->count ? OUTLOOK_PARTS : 0};
    return ERR_OK;
}

static struct str health_of(double accuracy)
{
    if (isnan(accuracy))
        return (struct str){NULL, 0};
    return accuracy >= 0.8   ? STR("Excellent")
           : accuracy >= 0.7 ? STR("Good")
           : accuracy >= 0.6 ? STR("Fair")
                             : STR("Needs Improvement");
}

static struct str advice_of(double accuracy)
{
    if (isnan(accuracy))
        return STR("It is not known yet how good they are: take them as a first guess.");
    return accuracy >= 0.8   ? STR("They can be planned with.")
           : accuracy >= 0.7 ? STR("They can be planned with, if not to the letter.")
           : accuracy >= 0.6 ? STR("They show where to look; look before acting.")
                             : STR("Do not act on them alone.");
}

static void name_figures(struct figures *answers, struct figures *struggle)
{
    answers->task = STR("a right answer, or a review that is not AGAIN");
    answers->model = STR("online knowledge tracing");
    answers->version = STR("struggle-1");
    answers->method = STR("each forecast before its outcome was learnt from, in order of time; "
                          "answers that came late are left out");
    struggle->task = STR("struggle with an objective in the days after the forecast");
    struggle->model = STR("online logistic regression");
    struggle->version = STR("outlook-1");
    struggle->method = STR("every forecast, likely or not, of whose objective three or more were "
                           "asked in its time, unless an intervention was applied");
}

/* What is served, beside its baseline; where the nights have not judged enough, the baseline twice.
 */
static enum err recall_of(struct api_call *c, const struct rows *rows, const struct learner *l,
                          struct str why_none, struct figures *served, struct figures *published)
{
    struct audit_bin bins[AUDIT_BINS];
    struct audit_report report;

    published->task = STR("recall of a card, reviewed a day or more after its last review");
    published->model = STR("FSRS-6");
    published->version = STR("fsrs-6-default");
    published->method = STR("each forecast from the card's reviews before, in order of time");
    enum err e = figures_of(c, rows, AUDIT_RECALL, l, why_none, published);
    audits_of(rows, AUDIT_SERVED, bins);
    audit_report_of(bins, &report);
    *served = *published;
    if (e != ERR_OK || !report.enough || !l->analysis)
        return e;
    *served = (struct figures){.task = published->task};
    served->model = STR("FSRS-6 fitted to the learner, averaged with an online regression");
    served->version = STR("retention-1");
    served->method = STR("each forecast before its outcome was learnt from, in order of time; "
                         "reviews that came late are left out");
    return figures_of(c, rows, AUDIT_SERVED, l, why_none, served);
}

enum err get_model_performance(struct api_call *c)
{
    const struct value args[] = {V_S(c->learner)};
    struct query q[] = {[1] = {.stmt = STMT_AUDIT_OF_LEARNER, .args = args, .arg_count = 1},
                        [2] = {.stmt = STMT_PREDICTIONS_WEEKS, .args = args, .arg_count = 1},
                        [3] = {.stmt = STMT_PREDICTIONS_PARTS, .args = args, .arg_count = 1}};
    struct performance *p = arena_new(c->arena, struct performance, 1);
    struct learner l;
    enum err e = p ? learner_read(c, q, COUNT(q), &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    c->reply = p;
    p->user_id = c->learner;
    p->updated_at = learner_totals(&l)->last_at;
    name_figures(&p->answers, &p->struggle);
    e = recall_of(c, &q[1].rows, &l,
                  STR("Too few cards were reviewed again a day or more after their last review."),
                  &p->recall, &p->published);
    if (e == ERR_OK)
        e = figures_of(c, &q[1].rows, AUDIT_ANSWER, &l,
                       STR("Too few answers were forecast: they are at night, and when predictions "
                           "are generated."),
                       &p->answers);
    if (e == ERR_OK)
        e = figures_of(c, &q[1].rows, AUDIT_STRUGGLE, &l,
                       STR("Too few forecasts have come to their end with enough asked to tell."),
                       &p->struggle);
    p->health = health_of(p->struggle.accuracy);
    p->summary = (struct health){p->health, advice_of(p->struggle.accuracy)};
    if (e == ERR_OK)
        e = weeks_of(c, &q[2].rows, p);
    return e == ERR_OK ? importance_of(c, &q[3].rows, p) : e;
}

enum err get_overall_performance(struct api_call *c)
{
    const struct learner nobody = {.analysis = true};
    struct query q = {.stmt = STMT_AUDIT_TOTALS};
    struct overall *p = arena_new(c->arena, struct overall, 1);
    enum err e = p ? store_read(c->conn, c->arena, &q, 1, c->deadline_us) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    c->reply = p;
    name_figures(&p->answers, &p->struggle);
    struct str why = STR("Too few forecasts of learners whose night has come have an outcome.");
    e = recall_of(c, &q.rows, &nobody, why, &p->recall, &p->published);
    if (e == ERR_OK)
        e = figures_of(c, &q.rows, AUDIT_ANSWER, &nobody, why, &p->answers);
    return e == ERR_OK ? figures_of(c, &q.rows, AUDIT_STRUGGLE, &nobody, why, &p->struggle) : e;
}
