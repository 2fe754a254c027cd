#include "twin/trend.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Mann-Kendall and Theil-Sen ---- */

/* P(|S| >= |s|) without ties: S = pairs - 2 (inversions of a random order), whose law is a
 * convolution of uniform ones (Kendall 1938). */
static double exact_p(int32_t n, double s)
{
    enum { PAIRS_MAX = TREND_EXACT_MAX * (TREND_EXACT_MAX - 1) / 2 };
    double law[PAIRS_MAX + 1] = {1}, sums[PAIRS_MAX + 1], tail = 0;
    int32_t pairs = n * (n - 1) / 2, reach = 0;

    for (int32_t k = 2; k <= n; k++) {
        double sum = 0;
        for (int32_t i = 0; i <= reach + k - 1; i++) {
            sum += i <= reach ? law[i] : 0;
            sum -= i >= k ? law[i - k] : 0;
            sums[i] = sum / k;
        }
        reach += k - 1;
        memcpy(law, sums, ((size_t)reach + 1) * sizeof *law);
    }
    /* The law is symmetric; of its two ends, the lower is free of cancellation. */
    for (int32_t i = 0; i <= (pairs - (int32_t)fabs(s)) / 2; i++)
        tail += 2 * law[i];
    return fmin(1, tail);
}

/* Sum over groups of equal values of m (m - 1) (2 m + 5); *ret_pairs: of pairs that are tied. */
static double tie_terms(const double *sorted, int32_t n, double *ret_pairs)
{
    double terms = 0;

    *ret_pairs = 0;
    for (int32_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && sorted[next] == sorted[i]; next++)
            ;
        double m = next - i;
        terms += m * (m - 1) * (2 * m + 5);
        *ret_pairs += m * (m - 1) / 2;
    }
    return terms;
}

/* Yue & Wang: 1 + 2 sum (1 - k/n) rho^k, rho the lag-1 autocorrelation without the trend. Taking
 * away a line that was itself fitted lowers that by about (2 + 4 rho) / n, which is given back. */
static double inflation(const double *t, const double *y, int32_t n, double slope, double *scratch)
{
    double mean = 0, squares = 0, products = 0, sum = 0, largest = 0;

    if (n < 8 || isnan(slope))
        return 1;
    for (int32_t i = 0; i < n; i++) {
        scratch[i] = y[i] - slope * (t[i] - t[0]);
        mean += scratch[i] / n;
        largest = fmax(largest, fmax(fabs(y[i]), fabs(y[i] - scratch[i])));
    }
    for (int32_t i = 0; i < n; i++) {
        squares += (scratch[i] - mean) * (scratch[i] - mean);
        products += i ? (scratch[i] - mean) * (scratch[i - 1] - mean) : 0;
    }
    /* a perfect line leaves what its numbers were rounded by, whose memory is nobody's */
    double rounding = 16 * DBL_EPSILON * largest;
    if (!(squares > n * rounding * rounding))
        return 1;
    double rho = fmin(0.95, (n * (products / squares) + 2) / (n - 4)), power = 1;
    for (int32_t k = 1; k < n; k++) {
        power *= rho;
        sum += (1 - (double)k / n) * power;
    }
    return fmax(1, 1 + 2 * sum);
}

static void test_trend(const double *t, const double *y, int32_t n, bool serial, double *scratch,
                       struct trend *r)
{
    double tied_pairs, pairs = n * (n - 1) / 2.0;

    memcpy(scratch, y, (size_t)n * sizeof *y);
    stats_sort(scratch, n);
    double ties = tie_terms(scratch, n, &tied_pairs);
    r->tau = tied_pairs < pairs ? r->s / sqrt(pairs * (pairs - tied_pairs)) : NAN;
    r->variance = ((double)n * (n - 1) * (2.0 * n + 5) - ties) / 18;
    if (tied_pairs >= pairs) {
        r->p = 1;
        r->z = 0;
        r->variance = 0;
        return;
    }
    if (serial)
        r->inflation = inflation(t, y, n, r->slope, scratch);
    r->variance *= r->inflation;
    r->exact = n <= TREND_EXACT_MAX && tied_pairs == 0 && r->inflation == 1;
    if (r->exact) {
        r->p = exact_p(n, r->s);
        return;
    }
    r->z = r->s == 0 ? 0 : (r->s - copysign(1, r->s)) / sqrt(r->variance);
    r->p = dist_normal_two_sided(r->z);
}

enum err trend_fit(struct arena *arena, const double *t, const double *y, int32_t n, bool serial,
                   double level, struct trend *ret)
{
    struct trend r = {.n = n,
                      .slope = NAN,
                      .interval = {NAN, NAN},
                      .tau = NAN,
                      .variance = NAN,
                      .z = NAN,
                      .p = NAN,
                      .inflation = 1};
    int32_t pairs = 0;

    if (n < 0 || n > TREND_VALUES_MAX)
        return ERR_RANGE;
    if (n < 2) {
        *ret = r;
        return ERR_OK;
    }
    double *slopes = arena_new(arena, double, (size_t)n *(size_t)(n - 1) / 2);
    double *scratch = arena_new(arena, double, (size_t)n);
    if (!slopes || !scratch)
        return ERR_NOMEM;

    for (int32_t i = 0; i < n; i++)
        for (int32_t j = i + 1; j < n; j++) {
            ASSERT(t[j] > t[i]);
            slopes[pairs++] = (y[j] - y[i]) / (t[j] - t[i]);
            r.s += (y[j] > y[i]) - (y[j] < y[i]);
        }
    stats_sort(slopes, pairs);
    r.slope = stats_quantile(slopes, pairs, 0.5);
    if (n >= TREND_NEEDED) {
        test_trend(t, y, n, serial, scratch, &r);
        /* Sen: the slopes at ranks (N -+ z sd) / 2. */
        double wide = dist_normal_quantile(0.5 + level / 2) * sqrt(r.variance);
        int32_t low = (int32_t)lrint((pairs - wide) / 2), high = (int32_t)lrint((pairs + wide) / 2);
        r.interval = (struct interval){slopes[low > 1 ? low - 1 : 0],
                                       slopes[high < pairs - 1 ? high : pairs - 1]};
    }
    *ret = r;
    return ERR_OK;
}

/* ---- interrupted time series ---- */

enum { COLUMNS_MAX = 4 + ITS_SEASON_MAX - 1, RHOS = 71, EFFECTS = 4 };

struct design {
    const int32_t *t;
    const double *y;
    int32_t n, at, season, columns;
    double centre, scale; /* of y: fitted as (y - centre) / scale */
    double span;          /* t runs in units of this */
};

/* Intercept, t, level, slope, then the season as contrasts to its last phase (sum zero). */
static void row_of(const struct design *d, int32_t i, double *x)
{
    double since = (d->t[i] - d->at) / d->span;
    bool after = d->t[i] >= d->at;

    x[0] = 1;
    x[1] = since;
    x[2] = after;
    x[3] = after ? since : 0;
    if (!d->season)
        return;
    int32_t phase = (int32_t)((((int64_t)d->t[i] - d->t[0]) % d->season + d->season) % d->season);
    for (int32_t k = 0; k < d->season - 1; k++)
        x[4 + k] = phase == d->season - 1 ? -1 : phase == k;
}

struct gls {
    double beta[COLUMNS_MAX], inverse[COLUMNS_MAX][COLUMNS_MAX];
    double squares;        /* of the residuals, weighted */
    double log_likelihood; /* restricted */
};

/* In place: the lower Cholesky factor. False: not positive definite. */
static bool cholesky(double a[COLUMNS_MAX][COLUMNS_MAX], int32_t n, double *ret_log_det)
{
    *ret_log_det = 0;
    for (int32_t j = 0; j < n; j++) {
        double whole = a[j][j];
        for (int32_t i = j; i < n; i++) {
            double s = a[i][j];
            for (int32_t k = 0; k < j; k++)
                s -= a[i][k] * a[j][k];
            if (i == j) {
                if (!(s > 1e-11 * whole))
                    return false;
                a[j][j] = sqrt(s);
                *ret_log_det += log(s);
            } else {
                a[i][j] = s / a[j][j];
            }
        }
    }
    return true;
}

static void solve(double l[COLUMNS_MAX][COLUMNS_MAX], int32_t n, double *v)
{
    for (int32_t i = 0; i < n; i++) {
        for (int32_t k = 0; k < i; k++)
            v[i] -= l[i][k] * v[k];
        v[i] /= l[i][i];
    }
    for (int32_t i = n - 1; i >= 0; i--) {
        for (int32_t k = i + 1; k < n; k++)
            v[i] -= l[k][i] * v[k];
        v[i] /= l[i][i];
    }
}

/* Each row less phi times the one before, over sqrt(1 - phi^2), phi = rho^gap: errors independent,
 * all with the stationary variance. */
static bool fit_under(const struct design *d, double rho, struct gls *ret)
{
    double normal[COLUMNS_MAX][COLUMNS_MAX] = {{0}}, moment[COLUMNS_MAX] = {0}, yy = 0;
    double log_v = 0, log_det, before[COLUMNS_MAX] = {0}, y_before = 0;
    int32_t p = d->columns;

    for (int32_t i = 0; i < d->n; i++) {
        double x[COLUMNS_MAX], row[COLUMNS_MAX], y = (d->y[i] - d->centre) / d->scale;
        double phi = i ? pow(rho, d->t[i] - d->t[i - 1]) : 0, unit = 1 / sqrt(1 - phi * phi);

        row_of(d, i, x);
        for (int32_t k = 0; k < p; k++)
            row[k] = (x[k] - phi * before[k]) * unit;
        double v = (y - phi * y_before) * unit;
        log_v += log1p(-phi * phi);
        for (int32_t k = 0; k < p; k++) {
            moment[k] += row[k] * v;
            for (int32_t m = 0; m <= k; m++)
                normal[k][m] += row[k] * row[m];
        }
        yy += v * v;
        memcpy(before, x, (size_t)p * sizeof *x);
        y_before = y;
    }
    if (!cholesky(normal, p, &log_det))
        return false;
    memcpy(ret->beta, moment, sizeof moment);
    solve(normal, p, ret->beta);
    ret->squares = yy;
    for (int32_t k = 0; k < p; k++)
        ret->squares -= ret->beta[k] * moment[k];
    for (int32_t k = 0; k < p; k++) {
        double unit[COLUMNS_MAX] = {0};
        unit[k] = 1;
        solve(normal, p, unit);
        for (int32_t m = 0; m < p; m++)
            ret->inverse[m][k] = unit[m];
    }
    ret->log_likelihood = -log_v / 2 - log_det / 2;
    return true;
}

/* An effect's law: t distributions, one for each rho. */
struct mixture {
    double weight[RHOS], at[RHOS], scale[RHOS], df;
};

static double mixture_below(const struct mixture *m, double x)
{
    double p = 0;

    for (int32_t i = 0; i < RHOS; i++)
        if (m->weight[i] > 1e-9)
            p += m->weight[i] * dist_t_cdf((x - m->at[i]) / m->scale[i], m->df);
    return p;
}

static double mixture_quantile(const struct mixture *m, double p)
{
    double low = INFINITY, high = -INFINITY, q = dist_t_quantile(p, m->df);

    for (int32_t i = 0; i < RHOS; i++)
        if (m->weight[i] > 1e-9) {
            low = fmin(low, m->at[i] + q * m->scale[i]);
            high = fmax(high, m->at[i] + q * m->scale[i]);
        }
    for (int i = 0; i < 50 && high - low > 1e-10 * (fabs(low) + fabs(high)); i++) {
        double mid = (low + high) / 2;
        if (mixture_below(m, mid) < p)
            low = mid;
        else
            high = mid;
    }
    return (low + high) / 2;
}

static struct its_effect effect_of(const struct mixture *m, double unit, double level)
{
    struct its_effect e = {0};

    for (int32_t i = 0; i < RHOS; i++)
        e.estimate += m->weight[i] * m->at[i] * unit;
    e.interval.low = mixture_quantile(m, 0.5 - level / 2) * unit;
    e.interval.high = mixture_quantile(m, 0.5 + level / 2) * unit;
    e.positive = 1 - mixture_below(m, 0);
    e.p = fmin(1, 2 * fmin(e.positive, 1 - e.positive));
    return e;
}

/* Level and slope, as weights of beta[2] and beta[3]. */
static void effect_weights(const struct design *d, double w[EFFECTS][2])
{
    double mean = 0, n = 0;

    for (int32_t i = 0; i < d->n; i++)
        if (d->t[i] >= d->at) {
            mean += (d->t[i] - d->at) / d->span;
            n++;
        }
    const double all[EFFECTS][2] = {
        {1, 0}, {0, 1}, {1, mean / n}, {1, (d->t[d->n - 1] - d->at) / d->span}};
    memcpy(w, all, sizeof all);
}

static enum err its_fit(const struct design *d, double level, struct its *ret)
{
    struct mixture laws[EFFECTS];
    double rhos[RHOS], weights[EFFECTS][2], variance[RHOS], slope[RHOS], best = -INFINITY;
    double df = d->n - d->columns, sum = 0;

    effect_weights(d, weights);
    for (int32_t i = 0; i < RHOS; i++) {
        struct gls g;

        rhos[i] = -0.9 + 1.88 * i / (RHOS - 1); /* -0.9 .. 0.98 */
        if (!fit_under(d, rhos[i], &g) || !(g.squares > 1e-18 * d->n))
            return ERR_UNPROCESSABLE;
        double log_weight = g.log_likelihood - df / 2 * log(g.squares);
        best = fmax(best, log_weight);
        variance[i] = g.squares / df;
        slope[i] = g.beta[1];
        for (int k = 0; k < EFFECTS; k++) {
            double a = weights[k][0], b = weights[k][1];
            laws[k].weight[i] = log_weight;
            laws[k].at[i] = a * g.beta[2] + b * g.beta[3];
            laws[k].scale[i] =
                sqrt(variance[i] * (a * a * g.inverse[2][2] + 2 * a * b * g.inverse[2][3] +
                                    b * b * g.inverse[3][3]));
        }
    }
    for (int32_t i = 0; i < RHOS; i++)
        sum += laws[0].weight[i] = exp(laws[0].weight[i] - best);
    for (int32_t i = 0; i < RHOS; i++) {
        double w = laws[0].weight[i] / sum;
        for (int k = 0; k < EFFECTS; k++)
            laws[k].weight[i] = w;
        ret->rho += w * rhos[i];
        ret->sigma += w * sqrt(variance[i]) * d->scale;
        ret->before_slope += w * slope[i] * d->scale / d->span;
    }
    struct its_effect *effects[EFFECTS] = {&ret->level, &ret->slope, &ret->average,
                                           &ret->sustained};
    for (int k = 0; k < EFFECTS; k++) {
        laws[k].df = df;
        *effects[k] = effect_of(&laws[k], k == 1 ? d->scale / d->span : d->scale, level);
    }
    return ERR_OK;
}

enum err trend_interrupted(const int32_t *t, const double *y, int32_t n, int32_t interrupted_at,
                           int32_t season, double level, struct its *ret)
{
    struct design d = {.t = t,
                       .y = y,
                       .n = n,
                       .at = interrupted_at,
                       .season = season,
                       .columns = 4 + (season > 1 ? season - 1 : 0)};
    struct its r = {0};
    double squares = 0;

    if (n < 0 || n > ITS_VALUES_MAX || season < 0 || season == 1 || season > ITS_SEASON_MAX)
        return ERR_RANGE;
    for (int32_t i = 0; i < n; i++) {
        if ((i && t[i] <= t[i - 1]) || !isfinite(y[i]))
            return ERR_RANGE;
        r.n_before += t[i] < interrupted_at;
        r.n_after += t[i] >= interrupted_at;
        d.centre += (y[i] - d.centre) / (i + 1);
    }
    if (r.n_before < ITS_SIDE_NEEDED || r.n_after < ITS_SIDE_NEEDED || n < d.columns + 4)
        return ERR_UNPROCESSABLE;
    for (int32_t i = 0; i < n; i++)
        squares += (y[i] - d.centre) * (y[i] - d.centre);
    d.scale = sqrt(squares / n);
    d.span = fmax(1, ((double)t[n - 1] - t[0]) / 2);
    if (!(d.scale > 1e-12 * fabs(d.centre)) || !isfinite(d.scale))
        return ERR_UNPROCESSABLE;
    enum err e = its_fit(&d, level, &r);
    if (e == ERR_OK)
        *ret = r;
    return e;
}
