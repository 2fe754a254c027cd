#include "twin/compare.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>
#include <string.h>

static const struct interval unknown = {NAN, NAN};

struct sample compare_sample(const double *v, int32_t n)
{
    struct sample s = {.n = n, .mean = NAN, .variance = NAN};
    double mean = 0, squares = 0;

    for (int32_t i = 0; i < n; i++) { /* Welford 1962 */
        double d = v[i] - mean;
        mean += d / (i + 1);
        squares += d * (v[i] - mean);
    }
    if (n > 0)
        s.mean = mean;
    if (n > 1)
        s.variance = squares / (n - 1);
    return s;
}

struct sample compare_sample_of_sums(int64_t n, double sum, double sum_sq)
{
    struct mean_estimate e = stats_mean(n, sum, sum_sq);

    return (struct sample){.n = n, .mean = e.mean, .variance = e.sd * e.sd};
}

double compare_cohen_d(const struct sample *a, const struct sample *b)
{
    double df = (double)(a->n + b->n - 2);
    double pooled = ((double)(a->n - 1) * a->variance + (double)(b->n - 1) * b->variance) / df;

    return a->mean == b->mean && pooled <= 0 ? 0 : (a->mean - b->mean) / sqrt(pooled);
}

static void effect_size(const struct sample *a, const struct sample *b, double z,
                        struct difference *d)
{
    double df = (double)(a->n + b->n - 2);
    /* Hedges' correction exactly: Gamma(df/2) / (sqrt(df/2) Gamma((df-1)/2)). */
    int sign;
    double shrink = exp(lgamma_r(df / 2, &sign) - lgamma_r((df - 1) / 2, &sign)) / sqrt(df / 2);

    d->g = compare_cohen_d(a, b) * shrink;
    if (!isfinite(d->g)) {
        d->g = NAN;
        return;
    }
    double n = (double)(a->n + b->n);
    double se = sqrt(n / ((double)a->n * (double)b->n) + d->g * d->g / (2 * n));
    d->g_range = (struct interval){d->g - z * se, d->g + z * se};
}

/* Fills t, p and the interval from the estimate, se and df. */
static void judge(struct difference *d, double level)
{
    if (!(d->se > 0)) { /* no spread anywhere */
        if (d->estimate == 0) {
            d->p = 1;
            d->t = 0;
            d->interval = (struct interval){0, 0};
        }
        return;
    }
    double half = dist_t_quantile(0.5 + level / 2, d->df) * d->se;
    d->t = d->estimate / d->se;
    d->p = dist_t_two_sided(d->t, d->df);
    d->interval = (struct interval){d->estimate - half, d->estimate + half};
}

struct difference compare_welch(const struct sample *a, const struct sample *b, double level)
{
    struct difference d = {.estimate = a->mean - b->mean,
                           .interval = unknown,
                           .se = NAN,
                           .t = NAN,
                           .df = NAN,
                           .p = NAN,
                           .g = NAN,
                           .g_range = unknown,
                           .n_a = a->n,
                           .n_b = b->n};

    ASSERT(level > 0 && level < 1);
    if (a->n < 1 || b->n < 1)
        d.estimate = NAN;
    if (a->n < 2 || b->n < 2)
        return d;
    double va = a->variance / (double)a->n, vb = b->variance / (double)b->n, v = va + vb;
    d.se = sqrt(v);
    if (v > 0) {
        double pa = va / v, pb = vb / v; /* shares: the squares of tiny variances vanish */
        d.df = 1 / (pa * pa / (double)(a->n - 1) + pb * pb / (double)(b->n - 1));
    }
    judge(&d, level);
    effect_size(a, b, dist_normal_quantile(0.5 + level / 2), &d);
    return d;
}

/* ---- permutation ---- */

/* C(n, k), or more than the largest count that is of interest. */
static int64_t arrangements(int32_t n, int32_t k)
{
    int64_t c = 1;

    if (k > n - k)
        k = n - k;
    for (int32_t i = 1; i <= k; i++) {
        c = c * (n - k + i) / i;
        if (c > COMPARE_EXACT_MAX)
            return COMPARE_EXACT_MAX + 1;
    }
    return c;
}

/* Sums over all ways to choose k of n: the next combination in lexicographic order. */
static bool next_choice(int32_t *choice, int32_t k, int32_t n)
{
    int32_t i = k - 1;

    while (i >= 0 && choice[i] == n - k + i)
        i--;
    if (i < 0)
        return false;
    choice[i]++;
    for (int32_t j = i + 1; j < k; j++)
        choice[j] = choice[j - 1] + 1;
    return true;
}

/* Of the arrangements, how many are at least as far from equality. |mean_a - mean_b| grows with
 * |sum_a - n_a * mean|, which is what is compared; rounding must not part equal ones. */
static int64_t count_all(const double *all, int32_t n, int32_t k, double centre, double limit)
{
    int32_t choice[64];
    int64_t as_far = 0;

    for (int32_t i = 0; i < k; i++)
        choice[i] = i;
    do {
        double sum = 0;
        for (int32_t i = 0; i < k; i++)
            sum += all[choice[i]];
        as_far += fabs(sum - centre) >= limit;
    } while (next_choice(choice, k, n));
    return as_far;
}

static int64_t count_some(double *all, int32_t n, int32_t k, double centre, double limit,
                          int32_t rounds, struct rng *rng)
{
    int64_t as_far = 0;

    for (int32_t round = 0; round < rounds; round++) {
        double sum = 0;
        for (int32_t i = 0; i < k; i++) { /* the first k places of a shuffle */
            int32_t j = i + (int32_t)rng_below(rng, (uint64_t)(n - i));
            double t = all[i];
            all[i] = all[j];
            all[j] = t;
            sum += all[i];
        }
        as_far += fabs(sum - centre) >= limit;
    }
    return as_far;
}

struct permutation compare_permute(const double *a, int32_t n_a, const double *b, int32_t n_b,
                                   int32_t rounds, struct rng *rng, double *scratch)
{
    struct permutation r = {.estimate = NAN, .p = NAN};

    ASSERT(rounds >= 1 && n_a <= COMPARE_VALUES_MAX && n_b <= COMPARE_VALUES_MAX);
    if (n_a < 1 || n_b < 1)
        return r;
    memcpy(scratch, a, (size_t)n_a * sizeof *a);
    memcpy(scratch + n_a, b, (size_t)n_b * sizeof *b);

    int32_t n = n_a + n_b;
    double total = 0, sum_a = 0, largest = 0;
    for (int32_t i = 0; i < n; i++) {
        total += scratch[i];
        sum_a += i < n_a ? scratch[i] : 0;
        largest = fmax(largest, fabs(scratch[i]));
    }
    r.estimate = sum_a / n_a - (total - sum_a) / n_b;
    double centre = total * n_a / n;
    double limit = fabs(sum_a - centre) - 1e-12 * largest * n;

    int64_t all = arrangements(n, n_a);
    if (all <= COMPARE_EXACT_MAX && all / 20 <= rounds) {
        /* Choosing the smaller group is the same: its sum's distance is equal. */
        int32_t k = n_a <= n_b ? n_a : n_b;
        double mirrored = n_a <= n_b ? centre : total - centre;
        ASSERT(k <= 64);
        r.exact = true;
        r.rounds = all;
        r.p = (double)count_all(scratch, n, k, mirrored, limit) / (double)all;
        return r;
    }
    r.rounds = rounds;
    r.p = (double)(count_some(scratch, n, n_a, centre, limit, rounds, rng) + 1) / (rounds + 1.0);
    return r;
}

/* ---- CUPED ---- */

struct products {
    double mean_x, mean_y, xx, xy, yy; /* about the means */
};

static struct products products_of(const double *x, const double *y, int32_t n)
{
    struct products p = {0};

    for (int32_t i = 0; i < n; i++) {
        p.mean_x += x[i] / n;
        p.mean_y += y[i] / n;
    }
    for (int32_t i = 0; i < n; i++) {
        p.xx += (x[i] - p.mean_x) * (x[i] - p.mean_x);
        p.xy += (x[i] - p.mean_x) * (y[i] - p.mean_y);
        p.yy += (y[i] - p.mean_y) * (y[i] - p.mean_y);
    }
    return p;
}

struct cuped compare_cuped(const double *x_a, const double *y_a, int32_t n_a, const double *x_b,
                           const double *y_b, int32_t n_b, double level)
{
    struct products a = products_of(x_a, y_a, n_a), b = products_of(x_b, y_b, n_b);
    double xx = a.xx + b.xx, xy = a.xy + b.xy, yy = a.yy + b.yy;
    /* A spread that is only rounding is none. */
    double scale = fmax(fabs(a.mean_x), fabs(b.mean_x)), noise = 1e-24 * scale * scale;
    struct cuped c = {.theta = xx > noise * (n_a + n_b) ? xy / xx : 0};

    /* The residuals' sum of squares about the adjusted means, by group. */
    double rest_a = a.yy - 2 * c.theta * a.xy + c.theta * c.theta * a.xx;
    double rest_b = b.yy - 2 * c.theta * b.xy + c.theta * c.theta * b.xx;
    struct sample sa = {.n = n_a,
                        .mean = n_a > 0 ? a.mean_y - c.theta * a.mean_x : NAN,
                        .variance = n_a > 1 ? fmax(0, rest_a) / (n_a - 1) : NAN};
    struct sample sb = {.n = n_b,
                        .mean = n_b > 0 ? b.mean_y - c.theta * b.mean_x : NAN,
                        .variance = n_b > 1 ? fmax(0, rest_b) / (n_b - 1) : NAN};
    c.difference = compare_welch(&sa, &sb, level);
    c.reduction = yy > 0 ? fmin(1, c.theta * xy / yy) : NAN;

    struct difference *d = &c.difference;
    if (c.theta != 0 && d->se > 0) { /* theta was estimated: it costs a degree, and adds its own
                                        error where the covariate's means differ */
        double n = n_a + n_b, gap = a.mean_x - b.mean_x;
        double error = fmax(0, yy - c.theta * xy) / fmax(1, n - 3);
        d->se = sqrt(d->se * d->se * (n - 2) / fmax(1, n - 3) + gap * gap * error / xx);
        d->df = d->df - 1;
        d->interval = unknown;
        d->t = d->p = NAN;
        if (d->df > 0)
            judge(d, level);
    }
    return c;
}
