#include "twin/correlate.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>
#include <string.h>

double correlate_n_eff(double n, double rx, double ry)
{
    return n * (1 - rx * ry) / (1 + rx * ry);
}

double correlate_lag1(const double *v, int32_t n)
{
    double mean = 0, squares = 0, products = 0;
    int32_t there = 0;

    for (int32_t i = 0; i < n; i++)
        if (!isnan(v[i]))
            mean += v[i], there++;
    if (there < 5)
        return 0;
    mean /= there;
    for (int32_t i = 0; i < n; i++) {
        if (isnan(v[i]))
            continue;
        squares += (v[i] - mean) * (v[i] - mean);
        if (i && !isnan(v[i - 1]))
            products += (v[i] - mean) * (v[i - 1] - mean);
    }
    if (!(squares > 0))
        return 0;
    double r = (there * (products / squares) + 1) / (there - 4);
    return fmin(0.99, fmax(-0.99, r));
}

double correlate_p(double r, double n_eff)
{
    double df = n_eff - 2;

    if (isnan(r) || !(df > 0))
        return NAN;
    /* t^2 / df = r^2 / (1 - r^2): the same probability, without dividing by 0 at |r| = 1. */
    return fabs(r) >= 1 ? 0 : dist_t_two_sided(r * sqrt(df / ((1 - r) * (1 + r))), df);
}

/* scale: of the variance of Fisher's z. */
static struct interval interval_of(double r, double n_eff, double scale, double level)
{
    if (isnan(r) || !(n_eff > 3))
        return (struct interval){-1, 1};
    if (fabs(r) >= 1)
        return (struct interval){r, r};
    double z = atanh(r);
    double half = dist_normal_quantile(0.5 + level / 2) * sqrt(scale / (n_eff - 3));
    return (struct interval){tanh(z - half), tanh(z + half)};
}

struct interval correlate_interval(double r, double n_eff, double level)
{
    return interval_of(r, n_eff, 1, level);
}

static bool is_pair(double x, double y)
{
    return !isnan(x) && !isnan(y);
}

/* Correlation of the pairs; n and r only. */
static struct correlation product_moment(const double *x, const double *y, int32_t n)
{
    struct correlation c = {.r = NAN, .t = NAN, .p = NAN, .interval = {-1, 1}};
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0, largest_x = 0, largest_y = 0;

    for (int32_t i = 0; i < n; i++) {
        if (!is_pair(x[i], y[i]))
            continue;
        c.n++;
        mx += (x[i] - mx) / c.n;
        my += (y[i] - my) / c.n;
        largest_x = fmax(largest_x, fabs(x[i]));
        largest_y = fmax(largest_y, fabs(y[i]));
    }
    c.n_eff = c.n;
    for (int32_t i = 0; i < n; i++) {
        if (!is_pair(x[i], y[i]))
            continue;
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    /* A spread of no more than rounding is none. */
    double floor_x = 1e-14 * largest_x, floor_y = 1e-14 * largest_y;
    if (c.n < 3 || sqrt(xx / c.n) <= floor_x || sqrt(yy / c.n) <= floor_y)
        return c;
    c.r = fmin(1, fmax(-1, xy / sqrt(xx) / sqrt(yy)));
    if (1 - fabs(c.r) < 1e-15)
        c.r = copysign(1, c.r);
    return c;
}

static void conclude(struct correlation *c, double scale)
{
    double df = c->n_eff - 2;

    if (isnan(c->r))
        return;
    c->p = correlate_p(c->r, c->n_eff);
    if (df > 0)
        c->t = c->r * sqrt(df / ((1 - c->r) * (1 + c->r)));
    c->interval = interval_of(c->r, c->n_eff, scale, 0.95);
}

static double effective(double n, double rx, double ry)
{
    return fmin(n, fmax(0, correlate_n_eff(n, rx, ry)));
}

struct correlation correlate_pearson(const double *x, const double *y, int32_t n, bool serial)
{
    struct correlation c = product_moment(x, y, n);

    if (serial)
        c.n_eff = effective(c.n, correlate_lag1(x, n), correlate_lag1(y, n));
    conclude(&c, 1);
    return c;
}

void correlate_ranks(const double *v, int32_t n, double *ret_ranks, double *order)
{
    memcpy(order, v, (size_t)(n > 0 ? n : 0) * sizeof *v);
    stats_sort(order, n);
    for (int32_t i = 0; i < n; i++) {
        int32_t low = 0, high = n; /* first not below, first above */
        while (low < high) {
            int32_t mid = low + (high - low) / 2;
            if (order[mid] < v[i])
                low = mid + 1;
            else
                high = mid;
        }
        int32_t first = low;
        high = n;
        while (low < high) {
            int32_t mid = low + (high - low) / 2;
            if (order[mid] <= v[i])
                low = mid + 1;
            else
                high = mid;
        }
        ret_ranks[i] = (first + 1 + low) / 2.0;
    }
}

struct correlation correlate_spearman(const double *x, const double *y, int32_t n, bool serial,
                                      double *scratch)
{
    double *px = scratch, *py = scratch + (n > 0 ? n : 0), *order = py + (n > 0 ? n : 0);
    int32_t pairs = 0;

    for (int32_t i = 0; i < n; i++)
        if (is_pair(x[i], y[i])) {
            px[pairs] = x[i];
            py[pairs++] = y[i];
        }
    double rx = serial ? correlate_lag1(px, pairs) : 0, ry = serial ? correlate_lag1(py, pairs) : 0;

    /* In place: the ranks of x are made of a copy that is sorted in `order`. */
    for (int k = 0; k < 2; k++) {
        double *v = k ? py : px;
        memcpy(order, v, (size_t)pairs * sizeof *v);
        correlate_ranks(order, pairs, v, scratch + 3 * (n > 0 ? n : 0));
    }
    struct correlation c = product_moment(px, py, pairs);
    if (serial)
        c.n_eff = effective(c.n, rx, ry);
    conclude(&c, 1 + c.r * c.r / 2);
    return c;
}
