#include "api/performance.h"

#include "api/learner.h"
#include "ingest/audits.h"

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
          .doc = "share that was remembered"),
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
          .doc = "what it forecasts for all: the share remembered, known in hindsight only"),
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
    FIELD(F_I64, struct confusion, true_yes, "truePositive", .doc = "forecast and remembered"),
    FIELD(F_I64, struct confusion, false_yes, "falsePositive", .doc = "forecast, but forgotten"),
    FIELD(F_I64, struct confusion, true_no, "trueNegative", .doc = "not forecast, and forgotten"),
    FIELD(F_I64, struct confusion, false_no, "falseNegative",
          .doc = "not forecast, but remembered"),
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

struct performance {
    struct str user_id, model, version, task, method, reason;
    int64_t data_points, updated_at;
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
    FIELD(F_F64, struct performance, member, name_, .flags = FIELD_NULLABLE, .doc = doc_)
const struct field performance_fields[] = {
    FIELD(F_STR, struct performance, user_id, "userId", .doc = "the learner"),
    FIELD(F_STR, struct performance, task, "task", .doc = "what was forecast"),
    FIELD(F_STR, struct performance, model, "modelType", .doc = "what made the forecasts"),
    FIELD(F_STR, struct performance, version, "modelVersion", .doc = "of its parameters"),
    FIELD(F_STR, struct performance, method, "method", .doc = "which forecasts are judged"),
    FIELD(F_I64, struct performance, data_points, "dataPoints", .doc = "outcomes behind it"),
    FIELD(F_TIME, struct performance, updated_at, "lastUpdated", .flags = FIELD_NULLABLE,
          .doc = "the learner's latest event"),
    FIGURE(accuracy, "accuracy", "share right, at a threshold of one half"),
    FIGURE(precision, "precision", "of those forecast to be remembered, the share that was"),
    FIGURE(recall, "recall", "of those remembered, the share that was forecast so"),
    FIGURE(f1, "f1Score", "harmonic mean of precision and recall"),
    FIGURE(auc, "aucRoc", "area under the ROC curve; null unless both outcomes occur"),
    FIELD(F_OBJECT, struct performance, auc_interval, "aucInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Hanley & McNeil"),
    FIGURE(brier, "brier", "mean squared error; 0 is perfect"),
    FIELD(F_OBJECT, struct performance, parts, "brierParts", .sub = parts_fields,
          .size = sizeof(struct parts),
          .doc = "reliability - resolution + uncertainty is the score, but for what differs inside "
                 "of a bin"),
    FIGURE(log_loss, "logLoss", "mean, natural logarithm"),
    FIGURE(ece, "calibrationError", "mean distance of forecast and observed over the bins"),
    FIGURE(bias, "bias", "mean forecast - share remembered"),
    FIGURE(bias_p, "biasPValue", "how often a calibrated forecaster would be as far off"),
    FIELD(F_LIST, struct performance, bins, "reliabilityBins", .sub = diagram_fields,
          .size = sizeof(struct diagram_bin), .doc = "by rising forecast, at most ten"),
    FIELD(F_OBJECT, struct performance, baseline, "baseline", .sub = baseline_fields,
          .size = sizeof(struct baseline), .doc = "the forecaster to beat"),
    FIELD(F_OBJECT, struct performance, confusion, "confusionMatrix",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = confusion_fields,
          .size = sizeof(struct confusion), .doc = "at a threshold of one half"),
    FIELD(F_OBJECT, struct performance, metrics, "metrics", .sub = metrics_fields,
          .size = sizeof(struct metrics), .doc = "the same three once more, for older clients"),
    FIELD(F_STR, struct performance, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no figures"),
    FIELD(F_OBJECT, struct performance, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD_END,
};

static void no_figures(struct api_call *c, struct performance *p, const struct learner *l)
{
    struct needed needed = NEEDED_NONE;

    p->accuracy = p->precision = p->recall = p->f1 = p->auc = (double)NAN;
    p->brier = p->log_loss = p->ece = p->bias = p->bias_p = (double)NAN;
    p->parts = (struct parts){(double)NAN, (double)NAN, (double)NAN};
    p->baseline = (struct baseline){(double)NAN, (double)NAN, (double)NAN, (double)NAN};
    p->metrics = (struct metrics){(double)NAN, (double)NAN, (double)NAN};
    p->reason = l->analysis ? STR("Too few cards were reviewed again a day or more after their "
                                  "last review.")
                            : reason_disabled;
    needed.graded = AUDIT_MIN - p->data_points;
    if (l->analysis)
        p->needed = needed_new(c->arena, needed);
}

static enum err fill_figures(struct api_call *c, struct performance *p,
                             const struct audit_report *r)
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
    return ERR_OK;
}

enum err get_model_performance(struct api_call *c)
{
    const struct value args[] = {V_S(c->learner)};
    struct query q[2] = {[1] = {.stmt = STMT_AUDIT_OF_LEARNER, .args = args, .arg_count = 1}};
    struct performance *p = arena_new(c->arena, struct performance, 1);
    struct audit_bin bins[AUDIT_BINS];
    struct audit_report report;
    struct learner l;

    if (!p)
        return ERR_NOMEM;
    enum err e = learner_read(c, q, 2, &l);
    if (e != ERR_OK)
        return e;
    audits_of(&q[1].rows, AUDIT_RECALL, bins);
    audit_report_of(bins, &report);
    c->reply = p;
    p->user_id = c->learner;
    p->task = STR("recall of a card, reviewed a day or more after its last review");
    p->model = STR("FSRS-6");
    p->version = STR("fsrs-6-default");
    p->method = STR("each forecast from the card's reviews before, in order of time");
    p->updated_at = l.last_at;
    p->data_points = report.n;
    if (report.enough && l.analysis)
        return fill_figures(c, p, &report);
    no_figures(c, p, &l);
    return ERR_OK;
}
