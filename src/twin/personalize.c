#include "twin/personalize.h"

#include "base/assert.h"
#include "base/civil.h"
#include "twin/dist.h"

#include <math.h>
#include <string.h>

const char *const personal_context_names[] = {"MISSION", "CONTENT", "ASSESSMENT", "SESSION", NULL};
const char *const personal_variant_names[] = {"Conservative", "Balanced", "Pattern-heavy",
                                              "Prediction-heavy", NULL};
const char *const personal_level_names[] = {"NONE", "LOW", "MEDIUM", "HIGH", NULL};
const char *const personal_intensity_names[] = {"LOW", "MEDIUM", "HIGH", NULL};

bool personal_preset(enum personal_level level, enum personal_context context)
{
    if (level == PERSONAL_LOW)
        return context == PERSONAL_MISSION || context == PERSONAL_SESSION;
    return level != PERSONAL_NONE;
}

double personal_threshold(enum personal_level level)
{
    static const double thresholds[] = {1, 0.85, 0.7, 0.6};

    return thresholds[level];
}

/* ---- the bandit ---- */

/* By the time of settling, then as given; open ones are left out. */
static int32_t settled_in_order(const struct personal_choice *c, int32_t n, int32_t *order)
{
    int32_t count = 0;

    for (int32_t i = 0; i < n; i++) {
        int32_t at = count;

        if (c[i].settled_at == TIME_NONE)
            continue;
        for (; at > 0 && c[order[at - 1]].settled_at > c[i].settled_at; at--)
            order[at] = order[at - 1]; /* nearly in order already */
        order[at] = i;
        count++;
    }
    return count;
}

struct personal_prior personal_prior_of(const struct personal_sum s[PERSONAL_VARIANTS])
{
    enum { DRAWN_BY = 20 };
    struct personal_prior p = {.strength = 0};
    double weight = 0, reward = 0, n = 0;
    bool enough = true;

    for (int i = 0; i < PERSONAL_VARIANTS; i++) {
        weight += s[i].weight;
        reward += s[i].reward;
        n += (double)s[i].n;
        enough = enough && (s[i].n == 0 || s[i].learners >= PERSONAL_PRIOR_LEARNERS);
    }
    if (!enough || !(n > 0) || !(weight > 0))
        return p;
    double all = fmax(0, fmin(1, reward / weight));
    for (int i = 0; i < PERSONAL_VARIANTS; i++) {
        double own = s[i].weight > 0 ? fmax(0, fmin(1, s[i].reward / s[i].weight)) : all;
        p.mean[i] = ((double)s[i].n * own + DRAWN_BY * all) / ((double)s[i].n + DRAWN_BY);
    }
    p.strength = PERSONAL_PRIOR_MAX * n / (n + PERSONAL_PRIOR_REWARDS);
    return p;
}

enum err personal_bandit(const struct personal_choice *choices, int32_t n, int32_t *order,
                         const struct personal_prior *prior, struct bandit *ret)
{
    struct bandit b;
    enum err e = bandit_init(&b, PERSONAL_VARIANTS, PERSONAL_FLOOR, PERSONAL_MEMORY);

    for (int32_t i = 0; e == ERR_OK && prior && i < PERSONAL_VARIANTS; i++)
        bandit_set_prior(&b, i, prior->mean[i], prior->strength);
    for (int32_t i = 0; e == ERR_OK && i < n; i++) {
        if ((int)choices[i].variant < 0 || choices[i].variant >= PERSONAL_VARIANTS)
            return ERR_RANGE;
        b.arms[choices[i].variant].chosen++;
    }
    int32_t settled = e == ERR_OK ? settled_in_order(choices, n, order) : 0;
    for (int32_t i = 0; e == ERR_OK && i < settled; i++) {
        const struct personal_choice *c = &choices[order[i]];
        const struct bandit_decision d = {(int32_t)c->variant, c->propensity, c->learnable};

        e = isnan(c->reward) ? bandit_expire(&b, &d) : bandit_reward(&b, &d, c->reward);
    }
    if (e == ERR_OK)
        *ret = b;
    return e;
}

double personal_improves(const struct bandit *b, enum personal_variant variant)
{
    double p[BANDIT_ARMS_MAX];
    struct bandit two;

    if (variant == PERSONAL_CONSERVATIVE || bandit_init(&two, 2, 0, 1) != ERR_OK)
        return NAN;
    two.arms[0] = b->arms[PERSONAL_CONSERVATIVE];
    two.arms[1] = b->arms[variant];
    bandit_propensities(&two, p);
    return p[1];
}

/* ---- what came of a day ---- */

static double change(int64_t k, int64_t n, int64_t k_before, int64_t n_before)
{
    if (n <= 0 || n_before < PERSONAL_BASELINE_NEEDED)
        return NAN;
    double share = ((double)k_before + 0.5) / ((double)n_before + 1), count = (double)n;
    double variance = count * share * (1 - share) * (1 + count / (double)n_before);
    double z = ((double)k - count * share) / sqrt(variance);
    return fmax(-1, fmin(1, z / PERSONAL_FULL_Z));
}

bool personal_outcome(const struct personal_day *day, const struct personal_day *before,
                      struct bandit_outcome *ret)
{
    double retention = change(day->recalled, day->reviews, before->recalled, before->reviews);
    double performance = change(day->correct, day->answers, before->correct, before->answers);

    if (isnan(retention) && isnan(performance))
        return false;
    *ret = (struct bandit_outcome){
        .retention = isnan(retention) ? performance : retention,
        .performance = isnan(performance) ? retention : performance,
        .completion =
            day->sessions > 0 ? fmin(1, (double)day->completed / (double)day->sessions) : 0.5,
        .satisfaction = NAN,
    };
    return true;
}

static double share_less(int64_t k, int64_t n, int64_t k_before, int64_t n_before)
{
    if (n <= 0 || n_before < PERSONAL_BASELINE_NEEDED)
        return NAN;
    return (double)k / (double)n - (double)k_before / (double)n_before;
}

double personal_measure(enum personal_metric m, const struct personal_day *day,
                        const struct personal_day *before, int32_t n_before)
{
    switch (m) {
    case PERSONAL_RETENTION:
        return share_less(day->recalled, day->reviews, before->recalled, before->reviews);
    case PERSONAL_PERFORMANCE:
        return share_less(day->correct, day->answers, before->correct, before->answers);
    case PERSONAL_COMPLETION:
        return share_less(day->completed, day->sessions, before->completed, before->sessions);
    case PERSONAL_ENGAGEMENT:
        if (n_before <= 0 || before->study_ms <= 0)
            return NAN;
        return log1p((double)day->study_ms / 60000) -
               log1p((double)before->study_ms / 60000 / n_before);
    case PERSONAL_METRICS:
        break;
    }
    return NAN;
}

/* ---- effects ---- */

static bool counts(const struct personal_trial *t)
{
    return !isnan(t->y) && t->chance > 0 && t->chance < 1;
}

struct personal_effect personal_effect(const struct personal_trial *t, int32_t n, double level)
{
    struct personal_effect r = {
        (double)NAN, (double)NAN, (double)NAN, {(double)NAN, (double)NAN}, 0, 0, 0};
    double sum[2] = {0, 0}, mean = 0, square = 0;

    for (int32_t i = 0; i < n; i++) {
        if (!counts(&t[i]))
            continue;
        *(t[i].treated ? &r.n_treated : &r.n_control) += 1;
        sum[t[i].treated] += t[i].y;
        r.n++;
    }
    if (r.n_treated < PERSONAL_SIDE_NEEDED || r.n_control < PERSONAL_SIDE_NEEDED)
        return r;
    for (int32_t i = 0, seen = 0; i < n; i++) {
        if (!counts(&t[i]))
            continue;
        /* The sides' means without this trial, so that it does not judge itself. */
        double m[2] = {(sum[0] - (t[i].treated ? 0 : t[i].y)) / (r.n_control - !t[i].treated),
                       (sum[1] - (t[i].treated ? t[i].y : 0)) / (r.n_treated - t[i].treated)};
        double residual = t[i].y - m[t[i].treated];
        double psi =
            m[1] - m[0] + (t[i].treated ? residual / t[i].chance : -residual / (1 - t[i].chance));
        double off = psi - mean;

        mean += off / ++seen;
        square += off * (psi - mean);
    }
    r.estimate = mean;
    r.se = sqrt(square / (r.n - 1) / r.n);
    if (!(r.se > 0)) {
        r.se = NAN;
        return r;
    }
    double df = fmin(r.n_treated, r.n_control) - 1;
    double half = dist_t_quantile((1 + level) / 2, df) * r.se;
    r.interval = (struct interval){mean - half, mean + half};
    r.p = dist_t_two_sided(mean / r.se, df);
    return r;
}

/* ---- what is recommended ---- */

/* How far a variant goes by patterns, 0..1. */
static double pattern_weight(enum personal_variant v)
{
    return v == PERSONAL_PATTERN ? 1 : v == PERSONAL_BALANCED ? 0.5 : 0;
}

static bool uses_forecasts(enum personal_variant v)
{
    return v == PERSONAL_BALANCED || v == PERSONAL_PREDICTION;
}

static bool load_high(const struct personal_known *k)
{
    return k->load && k->load_now >= 60; /* HIGH and CRITICAL of load_level_of() */
}

static bool burnout_high(const struct personal_known *k)
{
    return k->burnout_known && k->burnout >= BURNOUT_HIGH;
}

static int32_t safe_minutes(const struct personal_known *k, double minutes)
{
    if (load_high(k))
        minutes = floor(0.7 * minutes);
    if (burnout_high(k))
        minutes = fmin(minutes, PERSONAL_BURNOUT_MINUTES);
    return (int32_t)fmax(1, round(minutes));
}

static double study_minutes(const struct personal_known *k, enum personal_variant v)
{
    double minutes = k->default_minutes, weight = pattern_weight(v);

    if (uses_forecasts(v) && !isnan(k->planned_minutes))
        minutes = k->planned_minutes;
    if (k->patterns && k->quality >= 0.7 && !isnan(k->optimal_minutes))
        minutes += weight * (k->optimal_minutes - minutes);
    return minutes;
}

static struct personal_content plan_content(const struct personal_known *k, enum personal_variant v)
{
    bool patterns = pattern_weight(v) > 0 && k->patterns;
    struct personal_content c = {PERSONAL_REVIEW_DEFAULT, patterns, uses_forecasts(v)};

    if (pattern_weight(v) > 0 && k->half_life_days > 0 &&
        k->curve_confidence >= PERSONAL_CURVE_SURE)
        c.review_frequency = (int32_t)fmin(50, fmax(10, floor(100 / k->half_life_days)));
    return c;
}

static struct personal_assessment plan_assessment(const struct personal_known *k,
                                                  enum personal_variant v)
{
    struct personal_assessment a = {INTENSITY_MEDIUM, "MODERATE", "STANDARD", false};

    if (pattern_weight(v) > 0 && k->half_life_days > 0) {
        a.use_curve = true;
        a.validation = k->half_life_days < 3   ? INTENSITY_HIGH
                       : k->half_life_days > 7 ? INTENSITY_LOW
                                               : INTENSITY_MEDIUM;
    }
    if (uses_forecasts(v) && k->forecasts >= 3)
        a.comprehensiveness = "COMPREHENSIVE";
    if (v != PERSONAL_CONSERVATIVE && k->load && k->load_now < 40 && !burnout_high(k))
        a.progression = "AGGRESSIVE";
    if (load_high(k) || burnout_high(k))
        a.progression = "GRADUAL";
    return a;
}

static struct personal_session plan_session(const struct personal_known *k, enum personal_variant v)
{
    struct personal_session s = {.minutes = safe_minutes(k, study_minutes(k, v))};
    int32_t first = load_high(k) || burnout_high(k) ? 20 : 25;

    s.breaks[0].after = first;
    s.breaks[0].minutes = 5;
    s.break_count = 1;
    if (load_high(k) || (k->load && k->load_mean > 70)) {
        s.breaks[1].after = 2 * first;
        s.breaks[1].minutes = 10;
        s.break_count = 2;
    }
    s.mixing = pattern_weight(v) > 0 && k->modalities >= 2;
    s.attention = pattern_weight(v) > 0 && k->attention_confidence >= 0.7;
    return s;
}

struct personal_plan personal_plan(const struct personal_known *k, enum personal_variant v)
{
    bool strained = load_high(k) || burnout_high(k);
    double coverage = 0.5 + 0.30 * k->patterns + 0.25 * (k->forecasts > 0) +
                      0.25 * (k->planned > 0 || !isnan(k->planned_minutes)) + 0.20 * k->load;

    return (struct personal_plan){
        .mission = {safe_minutes(k, study_minutes(k, v)),
                    strained ? INTENSITY_LOW : INTENSITY_MEDIUM,
                    pattern_weight(v) > 0 && k->patterns},
        .content = plan_content(k, v),
        .assessment = plan_assessment(k, v),
        .session = plan_session(k, v),
        .coverage = fmin(1, coverage),
        .adherence = k->planned > 0 ? (double)k->kept / k->planned : (double)NAN,
    };
}
