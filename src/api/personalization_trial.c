/* personalization_trial - GET personalization/trial: are learners who are personalised better off
 * than those who are held out?
 *
 * Who is held out is decided by a hash of the id when personalisation begins, so that the two
 * groups differ by chance alone. Each learner's eight weeks since then are compared, adjusted by
 * the four weeks before (CUPED, twin/compare.h), whatever the learner switched off later: what is
 * compared is the offer. Beside Student's t stands a permutation test, which asks for no law of the
 * values. */
#include "api/personalization.h"
#include "base/assert.h"
#include "twin/compare.h"
#include "twin/meta.h"

#include <math.h>

enum {
    TRIALS_MAX = 5000, /* the newest */
    TRIAL_AGE_DAYS = 400,
    GRADED_NEEDED = 20, /* on both sides of the beginning */
    LEARNERS_NEEDED = 8,
    ROUNDS = 999,
};
#define LEVEL 0.95

enum measure { MEASURE_SUCCESS, MEASURE_MINUTES, MEASURES };

struct missing_learners {
    int64_t personalised, held_out;
};
static const struct field missing_fields[] = {
    FIELD(F_I64, struct missing_learners, personalised, "personalized", .doc = "still missing"),
    FIELD(F_I64, struct missing_learners, held_out, "heldOut", .doc = "still missing"),
    FIELD_END,
};

struct outcome {
    double value, p, p_adjusted, p_permutation, g, variance_explained;
    const struct interval *interval, *g_interval;
    int64_t personalised, held_out;
    bool significant;
    struct str method, reason;
    const struct missing_learners *needed;
};
static const struct field outcome_fields[] = {
    FIELD(F_F64, struct outcome, value, "value", .flags = FIELD_NULLABLE,
          .doc = "mean of the personalised less that of the held-out, adjusted"),
    FIELD(F_OBJECT, struct outcome, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_F64, struct outcome, p, "pValue", .flags = FIELD_NULLABLE, .doc = "two-sided, by t"),
    FIELD(F_F64, struct outcome, p_adjusted, "pAdjusted", .flags = FIELD_NULLABLE,
          .doc = "for the measures being several (Benjamini & Hochberg)"),
    FIELD(F_F64, struct outcome, p_permutation, "pPermutation", .flags = FIELD_NULLABLE,
          .doc = "two-sided, by exchanging who was held out"),
    FIELD(F_F64, struct outcome, g, "hedgesG", .flags = FIELD_NULLABLE,
          .doc = "in standard deviations"),
    FIELD(F_OBJECT, struct outcome, g_interval, "hedgesGInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_F64, struct outcome, variance_explained, "varianceExplained", .flags = FIELD_NULLABLE,
          .doc = "share of the spread that the weeks before account for"),
    FIELD(F_BOOL, struct outcome, significant, "isStatisticallySignificant",
          .doc = "is the adjusted p below 0.05?"),
    FIELD(F_I64, struct outcome, personalised, "personalized", .doc = "learners with the measure"),
    FIELD(F_I64, struct outcome, held_out, "heldOut", .doc = "learners with the measure"),
    FIELD(F_STR, struct outcome, method, "method", .doc = "how it is estimated"),
    FIELD(F_STR, struct outcome, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no value"),
    FIELD(F_OBJECT, struct outcome, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = missing_fields, .size = sizeof(struct missing_learners), .doc = "what is missing"),
    FIELD_END,
};

struct trial {
    int64_t holdout_percent, learners;
    struct outcome outcomes[MEASURES];
};
const struct field personal_trial_reply[] = {
    FIELD(F_I64, struct trial, holdout_percent, "holdoutPercent",
          .doc = "the setting, for learners who begin now"),
    FIELD(F_I64, struct trial, learners, "learners",
          .doc = "who began in the last 400 days and may be counted"),
    FIELD(F_OBJECT, struct trial, outcomes[MEASURE_SUCCESS], "success", .sub = outcome_fields,
          .size = sizeof(struct outcome), .doc = "share of answers and reviews, in percent points"),
    FIELD(F_OBJECT, struct trial, outcomes[MEASURE_MINUTES], "studyTime", .sub = outcome_fields,
          .size = sizeof(struct outcome), .doc = "minutes a day"),
    FIELD_END,
};

/* Of one measure: covariate and outcome, the personalised from the front, the held-out behind them
 * from the end of the room. */
struct groups {
    double *x, *y;
    int32_t personalised, held_out, room;
};

static void groups_add(struct groups *g, bool held_out, double x, double y)
{
    int32_t at = held_out ? g->room - ++g->held_out : g->personalised++;

    g->x[at] = x;
    g->y[at] = y;
}

static void take(struct groups g[MEASURES], const struct value *row, int32_t today)
{
    bool held_out = value_i64(&row[0], 0) != 0;
    double days = fmin(PERSONAL_TRIAL_DAYS, today - value_f64(&row[1], 0));
    double before_n = value_f64(&row[2], 0), after_n = value_f64(&row[5], 0);

    if (before_n >= GRADED_NEEDED && after_n >= GRADED_NEEDED)
        groups_add(&g[MEASURE_SUCCESS], held_out, 100 * value_f64(&row[3], 0) / before_n,
                   100 * value_f64(&row[6], 0) / after_n);
    if (days >= 1)
        groups_add(&g[MEASURE_MINUTES], held_out,
                   value_f64(&row[4], 0) / 60000 / PERSONAL_BASELINE_DAYS,
                   value_f64(&row[7], 0) / 60000 / days);
}

/* Of what the covariate leaves over; the same statistic as the estimate. */
static double permuted(const struct groups *g, const double *ax, const double *ay, const double *bx,
                       const double *by, double theta, double *scratch)
{
    double *a = scratch, *b = a + g->personalised, *rest = b + g->held_out;
    struct rng rng;

    rng_seed(&rng, 1); /* the same question, the same answer */
    for (int32_t i = 0; i < g->personalised; i++)
        a[i] = ay[i] - theta * ax[i];
    for (int32_t i = 0; i < g->held_out; i++)
        b[i] = by[i] - theta * bx[i];
    return compare_permute(a, g->personalised, b, g->held_out, ROUNDS, &rng, rest).p;
}

static enum err judge(struct api_call *c, const struct groups *g, struct outcome *r)
{
    int32_t behind = g->room - g->held_out;
    const double *ax = g->x, *ay = g->y, *bx = g->x + behind, *by = g->y + behind;
    double *scratch = arena_new(c->arena, double, 2 * (size_t)g->room + 2);
    struct missing_learners *needed = arena_new(c->arena, struct missing_learners, 1);

    if (!scratch || !needed)
        return ERR_NOMEM;
    *r = (struct outcome){.value = NAN,
                          .p = NAN,
                          .p_adjusted = NAN,
                          .p_permutation = NAN,
                          .g = NAN,
                          .variance_explained = NAN,
                          .personalised = g->personalised,
                          .held_out = g->held_out,
                          .method =
                              STR("CUPED by the four weeks before, Welch's t; by permutation")};
    if (g->personalised < LEARNERS_NEEDED || g->held_out < LEARNERS_NEEDED) {
        needed->personalised =
            g->personalised < LEARNERS_NEEDED ? LEARNERS_NEEDED - g->personalised : 0;
        needed->held_out = g->held_out < LEARNERS_NEEDED ? LEARNERS_NEEDED - g->held_out : 0;
        r->needed = needed;
        r->reason = STR("Fewer than eight learners with data in a group.");
        return ERR_OK;
    }
    struct cuped cuped = compare_cuped(ax, ay, g->personalised, bx, by, g->held_out, LEVEL);
    const struct difference *d = &cuped.difference;
    r->value = round_to(d->estimate, 4);
    r->interval = interval_new(c->arena, d->interval);
    r->p = r->p_adjusted = d->p;
    r->g = round_to(d->g, 4);
    r->g_interval = interval_new(c->arena, d->g_range);
    r->variance_explained = round_to(cuped.reduction, 4);
    r->p_permutation = permuted(g, ax, ay, bx, by, cuped.theta, scratch);
    return ERR_OK;
}

static enum err trial_of(struct api_call *c, const struct rows *rows, struct trial *r)
{
    int32_t today = (int32_t)(c->now_us / US_PER_DAY), order[MEASURES];
    struct groups g[MEASURES];
    double p[MEASURES];
    enum err e = ERR_OK;

    for (int m = 0; m < MEASURES; m++) {
        g[m] = (struct groups){.x = arena_new(c->arena, double, (size_t)rows->count + 1),
                               .y = arena_new(c->arena, double, (size_t)rows->count + 1),
                               .room = rows->count};
        if (!g[m].x || !g[m].y)
            return ERR_NOMEM;
    }
    for (int32_t i = 0; i < rows->count; i++)
        take(g, row_at(rows, i), today);
    for (int m = 0; e == ERR_OK && m < MEASURES; m++) {
        e = judge(c, &g[m], &r->outcomes[m]);
        p[m] = r->outcomes[m].p;
    }
    if (e != ERR_OK)
        return e;
    meta_benjamini_hochberg(p, MEASURES, p, order);
    for (int m = 0; m < MEASURES; m++) {
        r->outcomes[m].p_adjusted = p[m];
        r->outcomes[m].significant = p[m] < 1 - LEVEL;
    }
    r->learners = rows->count;
    return ERR_OK;
}

void personal_trial_query(const struct api_call *c, struct value args[2], struct query *q)
{
    args[0] = V_I(c->now_us / US_PER_DAY - TRIAL_AGE_DAYS);
    args[1] = V_I(TRIALS_MAX);
    *q = (struct query){.stmt = STMT_PERSONAL_TRIALS_SINCE, .args = args, .arg_count = 2};
}

enum err get_personal_trial(struct api_call *c)
{
    struct value args[2];
    struct query q;
    struct trial *r = arena_new(c->arena, struct trial, 1);

    personal_trial_query(c, args, &q);
    enum err e = r ? store_read(c->conn, c->arena, &q, 1, c->deadline_us) : ERR_NOMEM;
    if (e == ERR_OK)
        e = trial_of(c, &q.rows, r);
    if (e != ERR_OK)
        return e;
    r->holdout_percent = personal_holdout_percent(c);
    c->reply = r;
    return ERR_OK;
}

/* ---- among other comparisons ---- */

const struct field ab_test_fields[] = {
    FIELD(F_STR, struct ab_test, name, "name", .doc = "what is compared"),
    FIELD(F_STR, struct ab_test, metric, "metric", .doc = "by what, as in personalization/trial"),
    FIELD(F_STR, struct ab_test, control, "control", .doc = "one group"),
    FIELD(F_STR, struct ab_test, treatment, "treatment", .doc = "the other"),
    FIELD(F_STR, struct ab_test, status, "status",
          .doc = "RUNNING: it goes on as long as learners begin"),
    FIELD(F_I64, struct ab_test, control_n, "controlCount", .doc = "learners with the measure"),
    FIELD(F_I64, struct ab_test, treatment_n, "treatmentCount", .doc = "learners with the measure"),
    FIELD(F_F64, struct ab_test, difference, "difference", .flags = FIELD_NULLABLE,
          .doc = "treatment less control, adjusted by the weeks before"),
    FIELD(F_OBJECT, struct ab_test, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_F64, struct ab_test, p, "pValue", .flags = FIELD_NULLABLE, .doc = "two-sided"),
    FIELD(F_F64, struct ab_test, p_adjusted, "pAdjusted", .flags = FIELD_NULLABLE,
          .doc = "over the comparisons"),
    FIELD(F_F64, struct ab_test, g, "hedgesG", .flags = FIELD_NULLABLE,
          .doc = "in standard deviations"),
    FIELD(F_BOOL, struct ab_test, significant, "isStatisticallySignificant",
          .doc = "is the adjusted p below 0.05?"),
    FIELD(F_STR, struct ab_test, method, "method", .doc = "how it is estimated"),
    FIELD(F_STR, struct ab_test, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no difference to tell"),
    FIELD_END,
};

enum err personal_ab_tests(struct api_call *c, const struct rows *rows, struct list *ret)
{
    static const char *const metrics[MEASURES] = {"success", "studyTime"};
    struct ab_test *t = arena_new(c->arena, struct ab_test, MEASURES);
    struct trial trial = {.learners = 0};

    _Static_assert((int)AB_TESTS_MAX == (int)MEASURES, "one each");
    if (!t)
        return ERR_NOMEM;
    *ret = (struct list){t, 0};
    if (rows->count == 0)
        return ERR_OK;
    enum err e = trial_of(c, rows, &trial);
    for (int m = 0; e == ERR_OK && m < MEASURES; m++) {
        const struct outcome *o = &trial.outcomes[m];
        t[ret->n++] = (struct ab_test){.name = STR("personalization"),
                                       .metric = str_from(metrics[m]),
                                       .control = STR("held out"),
                                       .treatment = STR("personalized"),
                                       .status = STR("RUNNING"),
                                       .method = o->method,
                                       .reason = o->reason,
                                       .control_n = o->held_out,
                                       .treatment_n = o->personalised,
                                       .difference = o->value,
                                       .p = o->p,
                                       .p_adjusted = o->p_adjusted,
                                       .g = o->g,
                                       .interval = o->interval,
                                       .significant = o->significant};
    }
    return e;
}
