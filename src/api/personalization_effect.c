/* personalization_effect - GET personalization/effectiveness.
 *
 * The unit is a context on a local day: the lot gave it the control, or another variant, with
 * chances that are on record. What is compared is the day's measure less that of the learner's own
 * four weeks before (twin/personalize.h). Beside it stand: what other policies would have brought
 * by the same record (doubly robust), and success by day before and after personalisation began
 * (segmented regression with autoregressive errors), which is all that can be said where nothing
 * was left to chance. */
#include "api/personalization.h"
#include "base/assert.h"
#include "twin/correlate.h"
#include "twin/dist.h"
#include "twin/meta.h"
#include "twin/trend.h"

#include <math.h>

enum {
    EFFECT_DAYS = 14,
    DAILY_DAYS = 31, /* longer periods are shown by weeks */
    WEEK = 7,
    PERIOD_DAYS = 367,
    POLICIES = PERSONAL_VARIANTS + 1,
};
#define LEVEL 0.95
#define ALPHA 0.05

static const char *const metric_queries[] = {"retention", "performance", "completion", "all", NULL};
enum { METRIC_ALL = 3 };
static const struct str metric_names[PERSONAL_METRICS] = {
    {"retentionImprovement", 20},
    {"performanceImprovement", 22},
    {"completionRateChange", 20},
    {"engagementChange", 16},
};

const struct field effectiveness_query[] = {
    FIELD(F_TIME, struct effectiveness_query, period.start, "startDate", .flags = FIELD_DATE_OK,
          .doc = "fourteen days before the end when left out; the local day counts whole"),
    FIELD(F_TIME, struct effectiveness_query, period.end, "endDate", .flags = FIELD_DATE_OK,
          .doc = "now when left out; the local day counts whole"),
    FIELD(F_ENUM, struct effectiveness_query, metric, "metric", .names = metric_queries,
          .def = "all", .doc = "which measures"),
    FIELD_END,
};

/* ---- what is shown ---- */

struct missing_days {
    int64_t personalised, control;
};
static const struct field missing_fields[] = {
    FIELD(F_I64, struct missing_days, personalised, "personalizedDays", .doc = "still missing"),
    FIELD(F_I64, struct missing_days, control, "controlDays", .doc = "still missing"),
    FIELD_END,
};

struct effect {
    double value;
    const struct interval *interval;
    double p, p_adjusted;
    bool significant;
    int64_t n, personalised, control;
    struct str method, reason;
    const struct missing_days *needed;
};
static const struct field effect_fields[] = {
    FIELD(F_F64, struct effect, value, "value", .flags = FIELD_NULLABLE,
          .doc = "personalised less control: percent points, or percent of the study time"),
    FIELD(F_OBJECT, struct effect, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_F64, struct effect, p, "pValue", .flags = FIELD_NULLABLE, .doc = "two-sided"),
    FIELD(F_F64, struct effect, p_adjusted, "pAdjusted", .flags = FIELD_NULLABLE,
          .doc = "for the measures being several (Benjamini & Hochberg)"),
    FIELD(F_BOOL, struct effect, significant, "isStatisticallySignificant",
          .doc = "is the adjusted p below 0.05?"),
    FIELD(F_I64, struct effect, n, "n", .doc = "contexts and days with a lot and a measure"),
    FIELD(F_I64, struct effect, personalised, "personalizedDays", .doc = "of these"),
    FIELD(F_I64, struct effect, control, "controlDays", .doc = "of these"),
    FIELD(F_STR, struct effect, method, "method", .doc = "how it is estimated"),
    FIELD(F_STR, struct effect, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no value"),
    FIELD(F_OBJECT, struct effect, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = missing_fields, .size = sizeof(struct missing_days), .doc = "what is missing"),
    FIELD_END,
};

struct statistical {
    int64_t sample_size;
    double correlation;
    const struct interval *correlation_interval;
    double n_effective, p;
    bool significant;
    double value;
    const struct interval *interval;
    struct str method, reason;
    const struct missing_days *needed;
};
static const struct field statistical_fields[] = {
    FIELD(F_I64, struct statistical, sample_size, "sampleSize",
          .doc = "contexts and days with a lot and a reward"),
    FIELD(F_F64, struct statistical, correlation, "correlation", .flags = FIELD_NULLABLE,
          .doc = "of how much was personalised on a day with its reward; null: too little"),
    FIELD(F_OBJECT, struct statistical, correlation_interval, "correlationInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Fisher z with the effective number"),
    FIELD(F_F64, struct statistical, n_effective, "nEffective", .flags = FIELD_NULLABLE,
          .doc = "days that the correlation is worth"),
    FIELD(F_F64, struct statistical, p, "pValue", .flags = FIELD_NULLABLE,
          .doc = "two-sided, of the effect on the reward"),
    FIELD(F_BOOL, struct statistical, significant, "isStatisticallySignificant",
          .doc = "is that below 0.05?"),
    FIELD(F_F64, struct statistical, value, "effect", .flags = FIELD_NULLABLE,
          .doc = "on the reward, which is 0 to 1"),
    FIELD(F_OBJECT, struct statistical, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 % of the effect"),
    FIELD(F_STR, struct statistical, method, "method", .doc = "how it is estimated"),
    FIELD(F_STR, struct statistical, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD(F_OBJECT, struct statistical, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = missing_fields, .size = sizeof(struct missing_days), .doc = "what is missing"),
    FIELD_END,
};

struct active {
    int32_t context, variant;
    struct str strategy;
    double confidence, mean, improves;
    const struct interval *interval;
    int64_t n, activated_at;
};
static const struct field active_fields[] = {
    FIELD(F_ENUM, struct active, context, "context", .names = personal_context_names,
          .doc = "of what"),
    FIELD(F_STR, struct active, strategy, "strategy", .doc = "what it goes by"),
    FIELD(F_F64, struct active, confidence, "confidence", .min = 0, .max = 1,
          .doc = "the data quality"),
    FIELD(F_ENUM, struct active, variant, "strategyVariant", .names = personal_variant_names,
          .doc = "the last that was drawn"),
    FIELD(F_F64, struct active, mean, "meanReward", .flags = FIELD_NULLABLE,
          .doc = "posterior mean; null before any reward"),
    FIELD(F_OBJECT, struct active, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval),
          .doc = "95 % of the posterior law"),
    FIELD(F_I64, struct active, n, "n", .doc = "rewards"),
    FIELD(F_F64, struct active, improves, "probabilityImproves", .flags = FIELD_NULLABLE,
          .doc = "chance that it is better than the control; null for the control"),
    FIELD(F_TIME, struct active, activated_at, "activatedAt", .doc = "since when"),
    FIELD_END,
};

struct policy {
    struct str policy, method, reason;
    double value, n_effective;
    const struct interval *interval;
    int64_t n;
};
static const struct field policy_fields[] = {
    FIELD(F_STR, struct policy, policy, "policy",
          .doc = "always this variant; Present: the chances as they are now"),
    FIELD(F_F64, struct policy, value, "expectedReward", .flags = FIELD_NULLABLE,
          .doc = "that it would have brought; null: too few choices like it"),
    FIELD(F_OBJECT, struct policy, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_F64, struct policy, n_effective, "nEffective", .doc = "choices that it rests on"),
    FIELD(F_I64, struct policy, n, "n", .doc = "choices on record"),
    FIELD(F_STR, struct policy, method, "method", .doc = "how it is estimated"),
    FIELD(F_STR, struct policy, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no value"),
    FIELD_END,
};

struct before_after {
    int64_t since;
    double level, p, slope, rho;
    const struct interval *interval, *slope_interval;
    int64_t n_before, n_after;
    struct str method, reason;
};
static const struct field before_after_fields[] = {
    FIELD(F_TIME, struct before_after, since, "since", .flags = FIELD_NULLABLE,
          .doc = "start of the local day on which personalisation began"),
    FIELD(F_F64, struct before_after, level, "level", .flags = FIELD_NULLABLE,
          .doc = "jump in the share of success against the line from before, in percent points"),
    FIELD(F_OBJECT, struct before_after, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_F64, struct before_after, p, "pValue", .flags = FIELD_NULLABLE, .doc = "two-sided"),
    FIELD(F_F64, struct before_after, slope, "slopeChange", .flags = FIELD_NULLABLE,
          .doc = "percent points a day"),
    FIELD(F_OBJECT, struct before_after, slope_interval, "slopeInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_F64, struct before_after, rho, "autocorrelation", .flags = FIELD_NULLABLE,
          .doc = "from one day to the next"),
    FIELD(F_I64, struct before_after, n_before, "daysBefore", .doc = "with graded work"),
    FIELD(F_I64, struct before_after, n_after, "daysAfter", .doc = "with graded work"),
    FIELD(F_STR, struct before_after, method, "method",
          .doc = "how it is estimated; it shows no cause"),
    FIELD(F_STR, struct before_after, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD_END,
};

struct point {
    int32_t date;
    int64_t start, end;
    double values[PERSONAL_METRICS], composite;
    bool significant;
    int64_t n;
};
static const struct field point_fields[] = {
    FIELD(F_DATE, struct point, date, "date", .doc = "its first local day"),
    FIELD(F_TIME, struct point, start, "startDate", .doc = "its start"),
    FIELD(F_TIME, struct point, end, "endDate", .doc = "its end, not included"),
    FIELD(F_F64, struct point, values[PERSONAL_RETENTION], "retentionImprovement",
          .flags = FIELD_NULLABLE, .doc = "percent points against the four weeks before"),
    FIELD(F_F64, struct point, values[PERSONAL_PERFORMANCE], "performanceImprovement",
          .flags = FIELD_NULLABLE, .doc = "percent points against the four weeks before"),
    FIELD(F_F64, struct point, values[PERSONAL_COMPLETION], "completionRateChange",
          .flags = FIELD_NULLABLE, .doc = "percent points against the four weeks before"),
    FIELD(F_F64, struct point, values[PERSONAL_ENGAGEMENT], "engagementChange",
          .flags = FIELD_NULLABLE, .doc = "percent of the study time of the four weeks before"),
    FIELD(F_F64, struct point, composite, "compositeScore", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "mean reward of its choices in percent; null without any"),
    FIELD(F_BOOL, struct point, significant, "isStatisticallySignificant",
          .doc =
              "does the 95 % interval of the change in success leave 0 out? No proof of a cause"),
    FIELD(F_I64, struct point, n, "n", .doc = "answers and reviews"),
    FIELD_END,
};

struct effectiveness {
    bool has;
    struct str message, reason;
    struct list metrics, estimates, baseline; /* of struct map_entry */
    struct statistical statistical;
    struct list active, policies, timeline;
    struct before_after before_after;
};
static const struct field effectiveness_fields[] = {
    FIELD(F_BOOL, struct effectiveness, has, "hasPersonalization",
          .doc = "is anything in force, or was anything chosen in the period?"),
    FIELD(F_STR, struct effectiveness, message, "message", .flags = FIELD_NULLABLE,
          .doc = "where there is nothing"),
    FIELD(F_STR, struct effectiveness, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "the same"),
    FIELD(F_MAP, struct effectiveness, metrics, "metrics", .item = F_F64,
          .doc = "values of the estimates; null: see there"),
    FIELD(F_MAP, struct effectiveness, estimates, "estimates", .sub = effect_fields,
          .size = sizeof(struct effect), .doc = "by measure, with what they rest on"),
    FIELD(F_MAP, struct effectiveness, baseline, "baseline", .item = F_F64,
          .doc = "the learner's measures in the four weeks before the period: percent; "
                 "engagement: minutes a day"),
    FIELD(F_OBJECT, struct effectiveness, statistical, "statistical", .sub = statistical_fields,
          .size = sizeof(struct statistical), .doc = "of the reward, which sums the measures up"),
    FIELD(F_LIST, struct effectiveness, active, "activeConfigs", .sub = active_fields,
          .size = sizeof(struct active), .doc = "what is in force"),
    FIELD(F_LIST, struct effectiveness, policies, "policies", .sub = policy_fields,
          .size = sizeof(struct policy), .doc = "what others would have brought, by the record"),
    FIELD(F_OBJECT, struct effectiveness, before_after, "beforeAfter", .sub = before_after_fields,
          .size = sizeof(struct before_after), .doc = "success by day since it began"),
    FIELD(F_LIST, struct effectiveness, timeline, "timeline", .sub = point_fields,
          .size = sizeof(struct point), .doc = "by days, or weeks for over 31 days"),
    FIELD_END,
};
struct period_shown {
    int64_t start, end, days;
};
static const struct field period_fields[] = {
    FIELD(F_TIME, struct period_shown, start, "startDate", .doc = "as asked"),
    FIELD(F_TIME, struct period_shown, end, "endDate", .doc = "as asked"),
    FIELD(F_I64, struct period_shown, days, "days", .doc = "begun"),
    FIELD_END,
};
struct effectiveness_shown {
    struct effectiveness effectiveness;
    struct period_shown period;
    struct list timeline;
};
const struct field effectiveness_reply[] = {
    FIELD(F_OBJECT, struct effectiveness_shown, effectiveness, "effectiveness",
          .sub = effectiveness_fields, .size = sizeof(struct effectiveness),
          .doc = "what it brings"),
    FIELD(F_OBJECT, struct effectiveness_shown, period, "period", .sub = period_fields,
          .size = sizeof(struct period_shown), .doc = "what was looked at"),
    FIELD(F_LIST, struct effectiveness_shown, timeline, "timeline", .sub = point_fields,
          .size = sizeof(struct point), .doc = "the same as in effectiveness"),
    FIELD_END,
};

/* ---- the period's record ---- */

struct record {
    struct api_call *c;
    const struct learner *l;
    const struct personal_ground *g;
    int32_t first, last; /* local days */
    struct personal_row *rows;
    int32_t count;
    struct personal_trial *trials; /* room for count */
    bool lots;                     /* was anything left to chance? */
};

/* rows: of STMT_PERSONAL_CHOICES, with a day more on both ends. */
static enum err record_of(struct api_call *c, const struct learner *l,
                          const struct personal_ground *g, const struct personal_period *p,
                          const struct rows *rows, struct record *x)
{
    int32_t n = 0;

    *x = (struct record){.c = c,
                         .l = l,
                         .g = g,
                         .first = civil_at(l->zone, p->start).epoch_day,
                         .last = civil_at(l->zone, p->end).epoch_day};
    if (x->last > l->today)
        x->last = l->today;
    enum err e = personal_rows_of(c->arena, rows, &x->rows, &n);
    if (e != ERR_OK)
        return e;
    x->trials = arena_new(c->arena, struct personal_trial, (size_t)n + 1);
    for (int32_t i = 0; i < n; i++) {
        if (x->rows[i].day < x->first || x->rows[i].day > x->last)
            continue;
        x->rows[x->count++] = x->rows[i];
        x->lots |= x->rows[i].control > 0 && x->rows[i].control < 1;
    }
    return x->trials ? ERR_OK : ERR_NOMEM;
}

static bool treated(const struct personal_row *row)
{
    return row->choice.variant != PERSONAL_CONSERVATIVE;
}

/* Today is not over: its measures say nothing yet. */
static struct personal_effect effect_on(struct record *x, enum personal_metric m)
{
    int32_t n = 0;

    for (int32_t i = 0; i < x->count; i++) {
        const struct personal_row *row = &x->rows[i];
        if (row->day >= x->l->today)
            continue;
        struct personal_day day = personal_day_at(&x->g->days, row->day);
        struct personal_day before = personal_days_before(&x->g->days, row->day);
        x->trials[n++] =
            (struct personal_trial){personal_measure(m, &day, &before, PERSONAL_BASELINE_DAYS),
                                    treated(row), 1 - row->control};
    }
    return personal_effect(x->trials, n, LEVEL);
}

static struct personal_effect effect_on_reward(struct record *x)
{
    for (int32_t i = 0; i < x->count; i++)
        x->trials[i] = (struct personal_trial){x->rows[i].choice.reward, treated(&x->rows[i]),
                                               1 - x->rows[i].control};
    return personal_effect(x->trials, x->count, LEVEL);
}

static struct str why_none(const struct record *x, const struct personal_effect *e)
{
    if (x->count == 0)
        return STR("Nothing was chosen in this period.");
    if (!x->lots)
        return STR("The choices were fixed, not drawn: there is nothing to compare.");
    if (isnan(e->estimate))
        return STR("Fewer than eight days with data on a side.");
    return isnan(e->p) ? STR("All days are alike: nothing tells how sure this is.")
                       : (struct str){NULL, 0};
}

static const struct missing_days *missing_of(struct arena *arena, const struct personal_effect *e)
{
    struct missing_days *m = arena_new(arena, struct missing_days, 1);

    if (m && isnan(e->estimate))
        *m = (struct missing_days){
            e->n_treated < PERSONAL_SIDE_NEEDED ? PERSONAL_SIDE_NEEDED - e->n_treated : 0,
            e->n_control < PERSONAL_SIDE_NEEDED ? PERSONAL_SIDE_NEEDED - e->n_control : 0};
    return isnan(e->estimate) ? m : NULL;
}

static const struct str method_text = {
    "lots by day and context, weighted by their chances (AIPW); measures less those of the four "
    "weeks before; Student's t",
    sizeof "lots by day and context, weighted by their chances (AIPW); measures less those of the "
           "four weeks before; Student's t" -
        1};

/* In percent points; the study time's logarithm as percent. */
static double percent(enum personal_metric m, double v)
{
    return round_to(100 * (m == PERSONAL_ENGAGEMENT ? expm1(v) : v), 2);
}

static struct effect effect_shown(struct record *x, enum personal_metric m,
                                  const struct personal_effect *e, double adjusted)
{
    return (struct effect){
        .value = percent(m, e->estimate),
        .interval = interval_new(x->c->arena, (struct interval){percent(m, e->interval.low),
                                                                percent(m, e->interval.high)}),
        .p = e->p,
        .p_adjusted = adjusted,
        .significant = adjusted < ALPHA,
        .n = e->n,
        .personalised = e->n_treated,
        .control = e->n_control,
        .method = method_text,
        .reason = why_none(x, e),
        .needed = missing_of(x->c->arena, e),
    };
}

static enum err put_effects(struct record *x, int32_t metric, struct effectiveness *r)
{
    struct map_entry *values = arena_new(x->c->arena, struct map_entry, PERSONAL_METRICS);
    struct map_entry *entries = arena_new(x->c->arena, struct map_entry, PERSONAL_METRICS);
    struct effect *shown = arena_new(x->c->arena, struct effect, PERSONAL_METRICS);
    struct personal_effect effects[PERSONAL_METRICS];
    double p[PERSONAL_METRICS];
    int32_t order[PERSONAL_METRICS], n = 0;

    if (!values || !entries || !shown)
        return ERR_NOMEM;
    for (int i = 0; i < PERSONAL_METRICS; i++) {
        effects[i] = effect_on(x, (enum personal_metric)i);
        p[i] = effects[i].p;
    }
    meta_benjamini_hochberg(p, PERSONAL_METRICS, p, order);
    for (int i = 0; i < PERSONAL_METRICS; i++) {
        if (metric != METRIC_ALL && metric != i)
            continue;
        shown[n] = effect_shown(x, (enum personal_metric)i, &effects[i], p[i]);
        entries[n] = (struct map_entry){metric_names[i], &shown[n]};
        values[n] = (struct map_entry){metric_names[i], &shown[n].value};
        n++;
    }
    r->metrics = (struct list){values, n};
    r->estimates = (struct list){entries, n};
    return ERR_OK;
}

/* By day: the share of its contexts that were personalised, and their mean reward. */
static struct correlation correlation_of(struct record *x)
{
    double share[PERIOD_DAYS], reward[PERIOD_DAYS];
    int32_t n = 0;

    for (int32_t i = 0; i < x->count && n < PERIOD_DAYS;) {
        double on = 0, sum = 0, seen = 0;
        int32_t day = x->rows[i].day;

        for (; i < x->count && x->rows[i].day == day; i++) {
            if (isnan(x->rows[i].choice.reward))
                continue;
            seen++;
            on += treated(&x->rows[i]);
            sum += x->rows[i].choice.reward;
        }
        if (seen > 0) {
            share[n] = on / seen;
            reward[n++] = sum / seen;
        }
    }
    return correlate_pearson(share, reward, n, true);
}

static void put_statistical(struct record *x, struct statistical *s)
{
    struct personal_effect e = effect_on_reward(x);
    struct correlation r = correlation_of(x);

    *s = (struct statistical){
        .sample_size = e.n,
        .correlation = round_to(r.r, 4),
        .correlation_interval = isnan(r.r) ? NULL : interval_new(x->c->arena, r.interval),
        .n_effective = isnan(r.r) ? (double)NAN : round_to(r.n_eff, 1),
        .p = e.p,
        .significant = e.p < ALPHA,
        .value = round_to(e.estimate, 4),
        .interval = interval_new(x->c->arena, e.interval),
        .method = method_text,
        .reason = why_none(x, &e),
        .needed = missing_of(x->c->arena, &e),
    };
}

static enum err put_active(struct record *x, const struct study_gate *gate, struct effectiveness *r)
{
    struct active *a = arena_new(x->c->arena, struct active, PERSONAL_CONTEXTS);
    int32_t n = 0;

    if (!a)
        return ERR_NOMEM;
    for (int i = 0; i < PERSONAL_CONTEXTS; i++) {
        const struct personal_config *config = &x->g->configs[i];
        if (!config->active)
            continue;
        const struct bandit_arm *arm = &x->g->bandits[i].arms[config->variant];
        bool any = arm->rewards > 0;
        a[n++] = (struct active){
            .context = i,
            .variant = (int32_t)config->variant,
            .strategy = str_from(personal_strategies[i]),
            .confidence = round_to(gate->quality, 4),
            .mean = any ? round_to(arm->a / (arm->a + arm->b), 4) : (double)NAN,
            .improves = round_to(personal_improves(&x->g->bandits[i], config->variant), 4),
            .interval =
                any ? interval_new(x->c->arena,
                                   (struct interval){dist_beta_quantile(0.025, arm->a, arm->b),
                                                     dist_beta_quantile(0.975, arm->a, arm->b)})
                    : NULL,
            .n = arm->rewards,
            .activated_at = config->activated_at,
        };
    }
    r->active = (struct list){a, n};
    return ERR_OK;
}

/* ---- other policies ---- */

static void policy_value(struct record *x, const struct bandit_log *log, int32_t n, struct str name,
                         struct policy *ret)
{
    struct bandit_evaluation v;
    enum err e = bandit_evaluate(log, n, PERSONAL_VARIANTS, &v);

    ASSERT(e == ERR_OK); /* the record is checked when it is read */
    *ret = (struct policy){
        .policy = name,
        .value = round_to(v.doubly_robust.value, 4),
        .n_effective = round_to(v.n_effective, 1),
        .interval = interval_new(x->c->arena, v.doubly_robust.interval),
        .n = n,
        .method = STR("doubly robust, from the chances on record"),
        .reason = isnan(v.doubly_robust.value)
                      ? STR("Fewer than ten choices' worth of what it would have done.")
                      : (struct str){NULL, 0},
    };
}

static enum err put_policies(struct record *x, struct effectiveness *r)
{
    struct bandit_log *log = arena_new(x->c->arena, struct bandit_log, (size_t)x->count + 1);
    struct policy *policies = arena_new(x->c->arena, struct policy, POLICIES);
    double present[PERSONAL_CONTEXTS][BANDIT_ARMS_MAX];
    enum personal_context *contexts =
        arena_new(x->c->arena, enum personal_context, (size_t)x->count + 1);
    int32_t n = 0;

    if (!log || !policies || !contexts)
        return ERR_NOMEM;
    for (int i = 0; i < PERSONAL_CONTEXTS; i++)
        bandit_propensities(&x->g->bandits[i], present[i]);
    for (int32_t i = 0; i < x->count; i++) {
        const struct personal_choice *c = &x->rows[i].choice;
        if (isnan(c->reward))
            continue;
        contexts[n] = x->rows[i].context;
        log[n++] = (struct bandit_log){
            .arm = (int32_t)c->variant, .propensity = c->propensity, .reward = c->reward};
    }
    for (int32_t p = 0; p < POLICIES; p++) {
        for (int32_t i = 0; i < n; i++)
            for (int v = 0; v < PERSONAL_VARIANTS; v++)
                log[i].target[v] = p < PERSONAL_VARIANTS ? v == p : present[contexts[i]][v];
        policy_value(x, log, n,
                     p < PERSONAL_VARIANTS ? str_from(personal_variant_names[p]) : STR("Present"),
                     &policies[p]);
    }
    r->policies = (struct list){policies, POLICIES};
    return ERR_OK;
}

/* ---- before and after ---- */

static int64_t began_at(const struct personal_ground *g)
{
    int64_t at = TIME_NONE;

    for (int i = 0; i < PERSONAL_CONTEXTS; i++)
        if (g->configs[i].active && (at == TIME_NONE || g->configs[i].activated_at < at))
            at = g->configs[i].activated_at;
    return at;
}

static enum err put_before_after(struct record *x, struct before_after *r)
{
    const struct rows *days = &x->g->days;
    int32_t *t = arena_new(x->c->arena, int32_t, (size_t)days->count + 1), n = 0;
    double *y = arena_new(x->c->arena, double, (size_t)days->count + 1);
    int64_t began = began_at(x->g);
    struct its its;

    *r = (struct before_after){.since = TIME_NONE,
                               .level = NAN,
                               .p = NAN,
                               .slope = NAN,
                               .rho = NAN,
                               .method = STR("segmented regression of success by day, errors "
                                             "autoregressive")};
    if (!t || !y)
        return ERR_NOMEM;
    if (began == TIME_NONE) {
        r->reason = STR("Nothing is in force.");
        return ERR_OK;
    }
    int32_t at = civil_at(x->l->zone, began).epoch_day;
    r->since = civil_day_start(x->l->zone, at);
    for (int32_t i = 0; i < days->count; i++) {
        int32_t day = (int32_t)value_i64(row_at(days, i), 0);
        struct personal_day d = personal_day_at(days, day);
        if (d.answers + d.reviews == 0 || day > x->last || day >= x->l->today)
            continue;
        t[n] = day;
        y[n++] = (double)(d.correct + d.recalled) / (double)(d.answers + d.reviews);
        r->n_before += day < at;
        r->n_after += day >= at;
    }
    enum err e = trend_interrupted(t, y, n, at, 0, LEVEL, &its);
    if (e == ERR_UNPROCESSABLE || e == ERR_RANGE) {
        r->reason = STR("Fewer than eight days with graded work on a side, or all alike.");
        return ERR_OK;
    }
    if (e != ERR_OK)
        return e;
    r->level = round_to(100 * its.level.estimate, 2);
    r->interval = interval_new(x->c->arena, (struct interval){100 * its.level.interval.low,
                                                              100 * its.level.interval.high});
    r->p = its.level.p;
    r->slope = round_to(100 * its.slope.estimate, 4);
    r->slope_interval = interval_new(x->c->arena, (struct interval){100 * its.slope.interval.low,
                                                                    100 * its.slope.interval.high});
    r->rho = round_to(its.rho, 4);
    return ERR_OK;
}

/* ---- the timeline ---- */

static struct personal_day sum_of(const struct rows *days, int32_t from, int32_t to)
{
    struct personal_day sum = {0};

    for (int32_t day = from; day <= to; day++) {
        struct personal_day d = personal_day_at(days, day);
        sum.reviews += d.reviews;
        sum.recalled += d.recalled;
        sum.answers += d.answers;
        sum.correct += d.correct;
        sum.sessions += d.sessions;
        sum.completed += d.completed;
        sum.study_ms += d.study_ms;
    }
    return sum;
}

/* Newcombe's (1998) hybrid of Wilson intervals, of all graded work. */
static bool changed(const struct personal_day *now, const struct personal_day *before)
{
    double n = (double)(now->answers + now->reviews), k = (double)(now->correct + now->recalled);
    double n0 = (double)(before->answers + before->reviews);
    double k0 = (double)(before->correct + before->recalled);

    if (!(n > 0) || n0 < PERSONAL_BASELINE_NEEDED)
        return false;
    struct interval a = stats_wilson(k, n, STATS_Z95), b = stats_wilson(k0, n0, STATS_Z95);
    double d = k / n - k0 / n0;
    return d - hypot(k / n - a.low, b.high - k0 / n0) > 0 ||
           d + hypot(a.high - k / n, k0 / n0 - b.low) < 0;
}

static double mean_reward(const struct record *x, int32_t from, int32_t to)
{
    double sum = 0;
    int64_t n = 0;

    for (int32_t i = 0; i < x->count; i++) {
        const struct personal_row *row = &x->rows[i];
        if (row->day < from || row->day > to || isnan(row->choice.reward))
            continue;
        sum += row->choice.reward;
        n++;
    }
    return n > 0 ? sum / (double)n : (double)NAN;
}

static void point_fill(const struct record *x, int32_t from, int32_t to, struct point *p)
{
    const struct rows *days = &x->g->days;
    struct personal_day now = sum_of(days, from, to), before = personal_days_before(days, from);

    *p = (struct point){.date = from,
                        .start = civil_day_start(x->l->zone, from),
                        .end = civil_day_start(x->l->zone, to + 1),
                        .composite = round_to(100 * mean_reward(x, from, to), 2),
                        .significant = changed(&now, &before),
                        .n = now.answers + now.reviews};
    for (int m = 0; m < PERSONAL_ENGAGEMENT; m++)
        p->values[m] = round_to(
            100 * personal_measure((enum personal_metric)m, &now, &before, PERSONAL_BASELINE_DAYS),
            2);
    p->values[PERSONAL_ENGAGEMENT] =
        before.study_ms > 0
            ? round_to(100 * ((double)now.study_ms / (to - from + 1) /
                                  ((double)before.study_ms / PERSONAL_BASELINE_DAYS) -
                              1),
                       2)
            : (double)NAN;
}

static enum err put_timeline(struct record *x, struct list *ret)
{
    int32_t count = x->last - x->first + 1, step = count > DAILY_DAYS ? WEEK : 1, n = 0;
    struct point *points =
        arena_new(x->c->arena, struct point, (size_t)(count > 0 ? count : 0) + 1);

    if (!points)
        return ERR_NOMEM;
    for (int32_t day = x->first; day <= x->last; day += step) {
        int32_t to = day + step - 1 < x->last ? day + step - 1 : x->last;
        point_fill(x, day, to, &points[n++]);
    }
    *ret = (struct list){points, n};
    return ERR_OK;
}

static double share_of(int64_t k, int64_t n)
{
    return n > 0 ? round_to(100 * (double)k / (double)n, 2) : (double)NAN;
}

static enum err put_baseline(struct record *x, struct list *ret)
{
    static const struct str names[PERSONAL_METRICS] = {
        {"retention", 9}, {"performance", 11}, {"completion", 10}, {"engagement", 10}};
    struct personal_day b = personal_days_before(&x->g->days, x->first);
    struct map_entry *entries = arena_new(x->c->arena, struct map_entry, PERSONAL_METRICS);
    double *v = arena_new(x->c->arena, double, PERSONAL_METRICS);

    if (!entries || !v)
        return ERR_NOMEM;
    v[PERSONAL_RETENTION] = share_of(b.recalled, b.reviews);
    v[PERSONAL_PERFORMANCE] = share_of(b.correct, b.answers);
    v[PERSONAL_COMPLETION] = share_of(b.completed, b.sessions);
    v[PERSONAL_ENGAGEMENT] = round_to((double)b.study_ms / 60000 / PERSONAL_BASELINE_DAYS, 2);
    for (int i = 0; i < PERSONAL_METRICS; i++)
        entries[i] = (struct map_entry){names[i], &v[i]};
    *ret = (struct list){entries, PERSONAL_METRICS};
    return ERR_OK;
}

/* ---- GET effectiveness ---- */

static enum err show(struct record *x, int32_t metric, struct effectiveness_shown *r)
{
    struct effectiveness *f = &r->effectiveness;
    struct study_gate gate = study_gate(learner_totals(x->l)->first_at, x->c->now_us,
                                        learner_totals(x->l)->sessions, learner_graded(x->l));
    enum err e = put_effects(x, metric, f);

    if (e == ERR_OK)
        e = put_baseline(x, &f->baseline);
    if (e == ERR_OK)
        e = put_active(x, &gate, f);
    if (e == ERR_OK)
        e = put_policies(x, f);
    if (e == ERR_OK)
        e = put_before_after(x, &f->before_after);
    if (e == ERR_OK)
        e = put_timeline(x, &f->timeline);
    put_statistical(x, &f->statistical);
    f->has = f->active.n > 0 || x->count > 0;
    if (!f->has)
        f->message = f->reason = STR("Nothing is or was personalised: POST personalization/apply "
                                     "draws the first variant.");
    r->timeline = f->timeline;
    return e;
}

static void show_disabled(struct effectiveness *f)
{
    f->message = f->reason = reason_disabled;
    f->statistical = (struct statistical){.correlation = NAN,
                                          .n_effective = NAN,
                                          .p = NAN,
                                          .value = NAN,
                                          .method = method_text,
                                          .reason = reason_disabled};
    f->before_after = (struct before_after){.since = TIME_NONE,
                                            .level = NAN,
                                            .p = NAN,
                                            .slope = NAN,
                                            .rho = NAN,
                                            .method = STR("none"),
                                            .reason = reason_disabled};
}

enum err get_effectiveness(struct api_call *c)
{
    struct effectiveness_query *in = c->in;
    struct effectiveness_shown *r = arena_new(c->arena, struct effectiveness_shown, 1);
    struct query q[2 + PERSONAL_QUERIES];
    struct personal_ground g;
    struct personal_args args;
    struct record x;
    struct learner l;
    enum err e = r ? personal_period_check(c, EFFECT_DAYS, &in->period) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    r->period =
        (struct period_shown){in->period.start, in->period.end,
                              (in->period.end - in->period.start + US_PER_DAY - 1) / US_PER_DAY};
    int32_t first = (int32_t)(in->period.start / US_PER_DAY) - 1;
    int32_t last = (int32_t)(in->period.end / US_PER_DAY) + 1;
    const struct value period[] = {V_S(c->learner), V_I(first), V_I(last)};
    personal_queries(&args, c->learner, c->now_us, first - PERSONAL_BASELINE_DAYS, last, q + 1);
    q[1 + PERSONAL_QUERIES] =
        (struct query){.stmt = STMT_PERSONAL_CHOICES, .args = period, .arg_count = 3};
    e = learner_read(c, q, COUNT(q), &l);
    c->reply = r;
    if (e != ERR_OK)
        return e;
    if (!l.analysis) {
        show_disabled(&r->effectiveness);
        return ERR_OK;
    }
    e = personal_ground_of(c->arena, q + 1, &g);
    if (e == ERR_OK)
        e = record_of(c, &l, &g, &in->period, &q[1 + PERSONAL_QUERIES].rows, &x);
    return e == ERR_OK ? show(&x, in->metric, r) : e;
}
