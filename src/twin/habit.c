#include "twin/habit.h"

#include "base/assert.h"

#include <math.h>

#define CONSISTENCY 0.25
#define COMPLETION 0.20
#define RETENTION 0.15

static double share(int64_t k, int64_t n)
{
    return n > 0 ? (double)k / (double)n : (double)NAN;
}

static bool has_result(const struct habit_week *w, enum habit_measure measure)
{
    return (measure == HABIT_BY_ANSWERS ? w->answers : w->reviews) >= HABIT_GRADED_NEEDED;
}

static enum habit_measure measure_of(const struct habit_week *weeks, int32_t count)
{
    int32_t answers = 0, reviews = 0;

    for (int32_t i = 0; i < count; i++) {
        answers += has_result(&weeks[i], HABIT_BY_ANSWERS);
        reviews += has_result(&weeks[i], HABIT_BY_REVIEWS);
    }
    return answers >= HABIT_WEEKS_NEEDED || answers >= reviews ? HABIT_BY_ANSWERS
                                                               : HABIT_BY_REVIEWS;
}

static bool counts(const struct habit_week *w, enum habit_metric metric, enum habit_measure measure)
{
    return has_result(w, measure) && (metric == HABIT_BEHAVIOR || w->planned > 0);
}

/* A part that nobody ever tells of (no session was ever completed) is none. */
static void parts_of(const struct habit_week *weeks, int32_t count, enum habit_metric metric,
                     struct habit *h)
{
    int64_t completed = 0;

    h->completion = true;
    h->retention = h->measure == HABIT_BY_ANSWERS;
    for (int32_t i = 0; i < count; i++) {
        if (!counts(&weeks[i], metric, h->measure))
            continue;
        completed += weeks[i].completed;
        h->completion = h->completion && weeks[i].sessions > 0;
        h->retention = h->retention && weeks[i].reviews > 0;
    }
    h->completion = h->completion && completed > 0;
}

static double score_of(const struct habit_week *w, const struct habit *h)
{
    double sum = CONSISTENCY * w->active_days / 7.0, weight = CONSISTENCY;

    if (h->completion) {
        sum += COMPLETION * share(w->completed, w->sessions);
        weight += COMPLETION;
    }
    if (h->retention) {
        sum += RETENTION * share(w->recalled, w->reviews);
        weight += RETENTION;
    }
    return 100 * fmin(1, sum / weight);
}

/* Takes the least-squares line through time away; NaN: a gap. */
static void detrend(double *v, int32_t count)
{
    double n = 0, mt = 0, mv = 0, tt = 0, tv = 0;

    for (int32_t i = 0; i < count; i++) {
        if (isnan(v[i]))
            continue;
        n++;
        mt += (i - mt) / n;
        mv += (v[i] - mv) / n;
    }
    for (int32_t i = 0; i < count; i++) {
        if (isnan(v[i]))
            continue;
        tt += (i - mt) * (i - mt);
        tv += (i - mt) * (v[i] - mv);
    }
    for (int32_t i = 0; i < count; i++)
        v[i] -= mv + (tt > 0 ? tv / tt : 0) * (i - mt);
}

/* Of residuals: what rounding leaves is no spread. */
static bool has_spread(const double *v, int32_t count)
{
    double most = 0;

    for (int32_t i = 0; i < count; i++)
        if (!isnan(v[i]))
            most = fmax(most, fabs(v[i]));
    return most > 1e-9;
}

static const struct correlation unknown = {
    .r = (double)NAN, .t = (double)NAN, .p = (double)NAN, .interval = {-1, 1}};

/* Weeks that do not count are gaps, so that neighbours in the series are neighbours in time. */
static void correlations(struct habit *h, int32_t count)
{
    double x[HABIT_WEEKS_MAX], y[HABIT_WEEKS_MAX], scratch[4 * HABIT_WEEKS_MAX];

    h->plain = h->detrended = h->ranks = unknown;
    h->plain.n = h->detrended.n = h->ranks.n = h->count;
    if (h->count < HABIT_WEEKS_NEEDED)
        return;
    for (int32_t i = 0; i < count; i++)
        x[i] = y[i] = (double)NAN;
    for (int32_t i = 0; i < h->count; i++) {
        x[h->points[i].week] = h->points[i].score;
        y[h->points[i].week] = h->points[i].result;
    }
    h->plain = correlate_pearson(x, y, count, true);
    h->ranks = correlate_spearman(x, y, count, true, scratch);
    detrend(x, count);
    detrend(y, count);
    if (!has_spread(x, count) || !has_spread(y, count))
        return;
    struct correlation d = correlate_pearson(x, y, count, true);
    d.n_eff = fmax(0, d.n_eff - 1); /* the line: one degree of freedom, as of a partial r */
    d.p = correlate_p(d.r, d.n_eff);
    d.t = d.n_eff > 2 ? d.r * sqrt((d.n_eff - 2) / ((1 - d.r) * (1 + d.r))) : (double)NAN;
    d.interval = correlate_interval(d.r, d.n_eff, 0.95);
    h->detrended = d;
}

void habit_of(const struct habit_week *weeks, int32_t count, enum habit_metric metric,
              struct habit *ret)
{
    ASSERT(count >= 0 && count <= HABIT_WEEKS_MAX);
    *ret = (struct habit){.measure = measure_of(weeks, count)};
    parts_of(weeks, count, metric, ret);
    for (int32_t i = 0; i < count; i++) {
        const struct habit_week *w = &weeks[i];
        bool answers = ret->measure == HABIT_BY_ANSWERS;
        if (!counts(w, metric, ret->measure))
            continue;
        ret->points[ret->count++] = (struct habit_point){
            .week = i,
            .score = metric == HABIT_MISSIONS ? 100 * share(w->done, w->planned) : score_of(w, ret),
            .result =
                100 * (answers ? share(w->correct, w->answers) : share(w->recalled, w->reviews)),
            .n = answers ? w->answers : w->reviews};
    }
    correlations(ret, count);
}
