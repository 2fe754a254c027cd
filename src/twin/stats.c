#include "twin/stats.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>

struct interval stats_wilson(double k, double n, double z)
{
    if (!(n > 0))
        return (struct interval){0, 1};
    ASSERT(k >= 0 && k <= n * (1 + 1e-12));

    double p = k / n, zz = z * z;
    double centre = (p + zz / (2 * n)) / (1 + zz / n);
    double half = z / (1 + zz / n) * sqrt(fmax(0, p * (1 - p)) / n + zz / (4 * n * n));
    return (struct interval){k <= 0 ? 0 : fmax(0, centre - half),
                             k >= n ? 1 : fmin(1, centre + half)};
}

struct interval stats_difference(struct share a, struct share b, double z)
{
    struct interval wa = stats_wilson(a.k, a.n, z), wb = stats_wilson(b.k, b.n, z);
    double pa = a.k / a.n, pb = b.k / b.n;

    return (struct interval){pa - pb - hypot(pa - wa.low, wb.high - pb),
                             pa - pb + hypot(wa.high - pa, pb - wb.low)};
}

struct interval stats_jeffreys(double k, double n, double level)
{
    if (!(n > 0))
        return (struct interval){0, 1};
    ASSERT(k >= 0 && k <= n * (1 + 1e-12) && level > 0 && level < 1);

    double a = k + 0.5, b = fmax(0, n - k) + 0.5, p = (1 - level) / 2;
    return (struct interval){k <= 0 ? 0 : dist_beta_quantile(p, a, b),
                             k >= n ? 1 : dist_beta_quantile(1 - p, a, b)};
}

/* Var(rate_i) = m(1-m)/n_i * (1 + (n_i - 1) * rho), rho = 1/(s + 1): the weighted sum of squares
 * between the groups has expectation m(1-m) * [(G - 1) + rho * (N - sum n_i^2/N - (G - 1))]. */
struct pool stats_pool(const struct share *groups, int32_t count)
{
    double n = 0, k = 0, squares = 0, used = 0;

    for (int32_t i = 0; i < count; i++) {
        if (!(groups[i].n > 0))
            continue;
        n += groups[i].n;
        k += groups[i].k;
        squares += groups[i].n * groups[i].n;
        used++;
    }
    struct pool p = {.mean = n > 0 ? k / n : NAN, .strength = 8, .n = n};
    double spread = p.mean * (1 - p.mean), room = n > 0 ? n - squares / n - (used - 1) : 0;
    if (used < 2)
        return p;
    p.strength = STATS_STRENGTH_MAX;
    if (!(spread > 0) || !(room > 0))
        return p;

    double between = 0;
    for (int32_t i = 0; i < count; i++) {
        if (!(groups[i].n > 0))
            continue;
        double d = groups[i].k / groups[i].n - p.mean;
        between += groups[i].n * d * d;
    }
    double rho = (between / spread - (used - 1)) / room;
    if (rho > 0)
        p.strength = fmin(STATS_STRENGTH_MAX, fmax(STATS_STRENGTH_MIN, 1 / rho - 1));
    return p;
}

double stats_pooled_rate(const struct pool *p, struct share g)
{
    if (isnan(p->mean))
        return NAN;
    return (g.k + p->mean * p->strength) / (g.n + p->strength);
}

struct interval stats_pooled_interval(const struct pool *p, struct share g)
{
    if (isnan(p->mean))
        return (struct interval){NAN, NAN};
    return stats_wilson(g.k + p->mean * p->strength, g.n + p->strength, STATS_Z95);
}

struct mean_estimate stats_mean(int64_t n, double sum, double sum_sq)
{
    struct mean_estimate e = {NAN, NAN, {NAN, NAN}, n};

    if (n < 1)
        return e;
    e.mean = sum / (double)n;
    if (n < 2)
        return e;
    e.sd = sqrt(fmax(0, (sum_sq - sum * e.mean) / (double)(n - 1)));
    double half = dist_t_quantile(0.975, (double)(n - 1)) * e.sd / sqrt((double)n);
    e.interval = (struct interval){e.mean - half, e.mean + half};
    return e;
}

double stats_quantile(const double *sorted, int32_t n, double q)
{
    if (n <= 0)
        return NAN;
    ASSERT(q >= 0 && q <= 1);
    double at = q * (n - 1), below = floor(at);
    int32_t i = (int32_t)below, j = i + 1 < n ? i + 1 : i;
    return sorted[i] + (at - below) * (sorted[j] - sorted[i]);
}

static int by_value(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

void stats_sort(double *v, int32_t n)
{
    if (n > 1)
        qsort(v, (size_t)n, sizeof *v, by_value);
}

/* Of the points [from, to): the one that makes the largest triangle with the point kept before and
 * the mean of the next bucket [to, end). */
static int32_t largest(const double *x, const double *y, int32_t kept, int32_t from, int32_t to,
                       int32_t end)
{
    double mx = 0, my = 0, best = -1;
    int32_t at = from;

    for (int32_t i = to; i < end; i++) {
        mx += x[i] - x[kept]; /* relative: instants are large numbers */
        my += y[i] - y[kept];
    }
    mx /= end - to;
    my /= end - to;
    for (int32_t i = from; i < to; i++) {
        double area = fabs((x[i] - x[kept]) * my - mx * (y[i] - y[kept]));
        if (area > best) {
            best = area;
            at = i;
        }
    }
    return at;
}

int32_t stats_lttb(const double *x, const double *y, int32_t n, int32_t keep, int32_t *ret_indices)
{
    if (keep < 2 || n <= 0)
        return 0;
    if (n <= keep) {
        for (int32_t i = 0; i < n; i++)
            ret_indices[i] = i;
        return n;
    }

    double every = (double)(n - 2) / (keep - 2 > 0 ? keep - 2 : 1);
    int32_t kept = 0, out = 0;
    ret_indices[out++] = 0;
    for (int32_t b = 0; b < keep - 2; b++) {
        int32_t from = 1 + (int32_t)floor(b * every), to = 1 + (int32_t)floor((b + 1) * every);
        int32_t end = 1 + (int32_t)floor((b + 2) * every);
        if (b == keep - 3) {
            to = n - 1;
            end = n;
        }
        kept = largest(x, y, kept, from, to, end < n ? end : n);
        ret_indices[out++] = kept;
    }
    ret_indices[out++] = n - 1;
    return out;
}
