/* model_admin - how good the forecasts of struggle were over all learners, and what the model that
 * they share has come to. Sums over everybody: for administrators only, and nobody is named. */
#include "api/api.h"
#include "api/learner.h"
#include "api/personalization.h"
#include "base/assert.h"
#include "twin/audit.h"
#include "twin/outlook.h"

#include <math.h>

enum { SLOT_FIRST = AUDIT_STRUGGLE * 64, SHARED_MAX = 8 };

struct matrix {
    int64_t true_yes, false_yes, true_no, false_no;
};
static const struct field matrix_fields[] = {
    FIELD(F_I64, struct matrix, true_yes, "truePositive", .doc = "foretold, and it came"),
    FIELD(F_I64, struct matrix, false_yes, "falsePositive", .doc = "foretold, and it did not"),
    FIELD(F_I64, struct matrix, true_no, "trueNegative", .doc = "not foretold, nor did it come"),
    FIELD(F_I64, struct matrix, false_no, "falseNegative", .doc = "not foretold, and it came"),
    FIELD_END,
};
struct feature {
    struct str name;
    double importance, weight, sd, change;
};
static const struct field feature_fields[] = {
    FIELD(F_STR, struct feature, name, "feature", .doc = "input of the forecast"),
    FIELD(F_F64, struct feature, importance, "importance", .min = 0,
          .doc = "size of the weight, in its own standard deviations"),
    FIELD(F_F64, struct feature, weight, "weight",
          .doc = "log odds of struggling a unit of the input"),
    FIELD(F_F64, struct feature, sd, "standardDeviation", .doc = "of the weight: how open it is"),
    FIELD(F_F64, struct feature, change, "change", .doc = "from the weight before any outcome"),
    FIELD_END,
};
struct model_reply {
    struct matrix matrix;
    double accuracy, precision, recall, f1, auc, brier, baseline, skill, log_loss, calibration;
    const struct interval *auc_interval;
    struct list features, tests;
    struct str type, version, reason;
    int64_t updated_at, predictions, judged, outcomes, needed;
};
#define FIGURE(member_, name_, doc_) \
    FIELD(F_F64, struct model_reply, member_, name_, .flags = FIELD_NULLABLE, .doc = doc_)
static const struct field model_reply[] = {
    FIELD(F_OBJECT, struct model_reply, matrix, "confusionMatrix", .sub = matrix_fields,
          .size = sizeof(struct matrix), .doc = "of judged forecasts, foretold from one half on"),
    FIGURE(accuracy, "accuracy", "share of them that were right"),
    FIGURE(precision, "precision", "share of the foretold that came"),
    FIGURE(recall, "recall", "share of what came that was foretold"),
    FIGURE(f1, "f1Score", "harmonic mean of the two"),
    FIGURE(auc, "aucRoc", "area under the ROC curve"),
    FIELD(F_OBJECT, struct model_reply, auc_interval, "aucInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIGURE(brier, "brierScore", "mean squared error"),
    FIGURE(baseline, "baselineBrierScore", "of the same share said for all"),
    FIGURE(skill, "brierSkill", "1 - the one by the other"),
    FIGURE(log_loss, "logLoss", "mean"),
    FIGURE(calibration, "calibrationError", "mean distance of forecast and share"),
    FIELD(F_LIST, struct model_reply, features, "featureImportance", .sub = feature_fields,
          .size = sizeof(struct feature), .max = OUTLOOK_INPUTS, .doc = "the largest first"),
    FIELD(F_LIST, struct model_reply, tests, "abTests", .sub = ab_test_fields,
          .size = sizeof(struct ab_test), .max = AB_TESTS_MAX,
          .doc = "what is tried on learners by lot: personalisation against those held out; empty "
                 "before anybody has begun"),
    FIELD(F_STR, struct model_reply, type, "modelType", .doc = "what the forecasts are made by"),
    FIELD(F_STR, struct model_reply, version, "modelVersion", .doc = "by the outcomes learnt from"),
    FIELD(F_I64, struct model_reply, outcomes, "outcomesLearnt", .doc = "by the shared weights"),
    FIELD(F_TIME, struct model_reply, updated_at, "lastUpdated", .flags = FIELD_NULLABLE,
          .doc = "when a forecast was last judged"),
    FIELD(F_I64, struct model_reply, predictions, "totalPredictions", .doc = "kept forecasts"),
    FIELD(F_I64, struct model_reply, judged, "dataPoints", .doc = "forecasts with an outcome"),
    FIELD(F_STR, struct model_reply, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no figures"),
    FIELD(F_I64, struct model_reply, needed, "needed", .flags = FIELD_NULLABLE,
          .doc = "outcomes still missing"),
    FIELD_END,
};

static void report_fill(struct api_call *c, const struct rows *rows, struct model_reply *r)
{
    struct audit_bin bins[AUDIT_BINS] = {{0}};
    struct audit_report a;

    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        int64_t slot = value_i64(&v[0], 0) - SLOT_FIRST;
        if (slot >= 0 && slot < AUDIT_BINS)
            bins[slot] =
                (struct audit_bin){value_i64(&v[1], 0), value_i64(&v[2], 0), value_i64(&v[3], 0),
                                   value_i64(&v[4], 0), value_i64(&v[5], 0), value_i64(&v[6], 0)};
    }
    audit_report_of(bins, &a);
    r->judged = a.n;
    r->needed = INT64_MIN;
    if (!a.enough) {
        r->accuracy = r->precision = r->recall = r->f1 = r->auc = (double)NAN;
        r->brier = r->baseline = r->skill = r->log_loss = r->calibration = (double)NAN;
        r->reason = STR("Fewer than 30 forecasts of struggle have been judged.");
        r->needed = AUDIT_MIN - a.n;
        return;
    }
    r->matrix = (struct matrix){a.true_yes, a.false_yes, a.true_no, a.false_no};
    r->accuracy = round_to(a.accuracy, 4);
    r->precision = round_to(a.precision, 4);
    r->recall = round_to(a.recall, 4);
    r->f1 = round_to(a.f1, 4);
    r->auc = round_to(a.auc, 4);
    r->auc_interval = interval_new(c->arena, (struct interval){a.auc_low, a.auc_high});
    r->brier = round_to(a.brier, 5);
    r->baseline = round_to(a.baseline_brier, 5);
    r->skill = round_to(a.brier_skill, 4);
    r->log_loss = round_to(a.log_loss, 5);
    r->calibration = round_to(a.calibration_error, 4);
}

static enum err features_fill(struct api_call *c, const struct rows *rows, struct model_reply *r)
{
    static const char *const names[OUTLOOK_INPUTS] = {"level", "skill", "memory", "due", "load"};
    struct feature *f = arena_new(c->arena, struct feature, OUTLOOK_INPUTS);
    struct outlook_model m = outlook_initial;
    int32_t n = 0;

    if (!f)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        if (!str_eq(value_str(&v[0]), STR("outlook")))
            continue;
        r->outcomes = value_i64(&v[1], 0);
        if (outlook_decode(&m, (const uint8_t *)v[2].s.p, v[2].s.n) != ERR_OK)
            m = outlook_initial; /* unreadable: it begins anew */
    }
    for (int32_t i = 0; i < OUTLOOK_INPUTS; i++) {
        double sd = sqrt(m.variance[i]);
        struct feature one = {.name = str_from(names[i]),
                              .importance = sd > 0 ? round_to(fabs(m.w[i]) / sd, 3) : 0,
                              .weight = round_to(m.w[i], 4),
                              .sd = round_to(sd, 4),
                              .change = round_to(m.w[i] - outlook_initial.w[i], 4)};
        int32_t at = n++;
        for (; at > 0 && f[at - 1].importance < one.importance; at--)
            f[at] = f[at - 1];
        f[at] = one;
    }
    r->features = (struct list){f, n};
    r->version = arena_printf(c->arena, "outlook-%lld", (long long)r->outcomes);
    return r->version.p ? ERR_OK : ERR_NOMEM;
}

static enum err get_model_admin(struct api_call *c)
{
    const struct value slots[] = {V_I(SLOT_FIRST), V_I(SLOT_FIRST + AUDIT_BINS - 1)};
    const struct value one[] = {V_I(SHARED_MAX)};
    struct value trial[2];
    struct query q[4] = {
        {.stmt = STMT_MODEL_OUTCOMES, .args = slots, .arg_count = 2},
        {.stmt = STMT_STRUGGLE_SHARED_READ, .args = one, .arg_count = 1},
        {.stmt = STMT_MODEL_FORECASTS, .args = one, .arg_count = 1, .rows_max = 1},
    };
    struct model_reply *r = arena_new(c->arena, struct model_reply, 1);
    personal_trial_query(c, trial, &q[3]);
    enum err e = r ? store_read(c->conn, c->arena, q, COUNT(q), c->deadline_us) : ERR_NOMEM;
    if (e == ERR_OK)
        e = personal_ab_tests(c, &q[3].rows, &r->tests);
    if (e != ERR_OK)
        return e;
    report_fill(c, &q[0].rows, r);
    const struct value *v = row_at(&q[2].rows, 0);
    r->predictions = value_i64(&v[0], 0);
    r->updated_at = value_i64(&v[1], TIME_NONE);
    r->type = STR("Bayesian logistic regression on the struggle model's parts, memory and load");
    c->reply = r;
    return features_fill(c, &q[1].rows, r);
}

const struct endpoint endpoints_model_admin[] = {
    {.method = HTTP_GET,
     .path = "/api/analytics/model-performance/admin",
     .id = "get_model_performance_admin",
     .tag = "predictions",
     .summary = "How good the forecasts of struggle were, over all learners",
     .scopes = SCOPE_ADMIN,
     .learner = LEARNER_NONE,
     .reply = model_reply,
     .envelope = ENVELOPE_DATA,
     .run = RUN_SLOW,
     .round_trips = 1,
     .cache = {.why_none = "an administrator's report, seldom asked for"},
     .handler = get_model_admin},
    {.path = NULL},
};
