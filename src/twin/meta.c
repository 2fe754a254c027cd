#include "twin/meta.h"

#include "twin/dist.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static bool is_usable(const struct meta_item *x)
{
    return isfinite(x->estimate) && isfinite(x->variance) && x->variance > 0;
}

/* Weighted mean under a further variance tau2, and what belongs to it. */
struct mean_under {
    double mean, weight, squares; /* sum of weights; sum of w (y - mean)^2 */
};

static struct mean_under mean_under(const struct meta_item *items, int32_t count, double tau2)
{
    struct mean_under m = {0};

    for (int32_t i = 0; i < count; i++) {
        if (!is_usable(&items[i]))
            continue;
        double w = 1 / (items[i].variance + tau2);
        m.weight += w;
        m.mean += w / m.weight * (items[i].estimate - m.mean);
    }
    for (int32_t i = 0; i < count; i++)
        if (is_usable(&items[i])) {
            double d = items[i].estimate - m.mean;
            m.squares += d * d / (items[i].variance + tau2);
        }
    return m;
}

struct meta meta_pool(const struct meta_item *items, int32_t count, double level)
{
    struct meta r = {.fixed = NAN,
                     .fixed_p = NAN,
                     .fixed_interval = {NAN, NAN},
                     .random = NAN,
                     .random_p = NAN,
                     .random_interval = {NAN, NAN},
                     .tau2 = NAN,
                     .q = NAN,
                     .q_p = NAN,
                     .i2 = NAN};
    double squares = 0;

    for (int32_t i = 0; i < count; i++)
        if (is_usable(&items[i])) {
            r.k++;
            squares += 1 / items[i].variance / items[i].variance;
        }
    if (!r.k)
        return r;

    struct mean_under fixed = mean_under(items, count, 0);
    double se = 1 / sqrt(fixed.weight), half = dist_normal_quantile(0.5 + level / 2) * se;
    r.fixed = r.random = fixed.mean;
    r.fixed_p = r.random_p = dist_normal_two_sided(fixed.mean / se);
    r.fixed_interval = r.random_interval = (struct interval){fixed.mean - half, fixed.mean + half};
    r.tau2 = 0;
    r.q = fixed.squares;
    if (r.k < 2)
        return r;

    double df = r.k - 1, room = fixed.weight - squares / fixed.weight;
    r.q_p = dist_chi2_tail(r.q, df);
    r.i2 = r.q > df ? (r.q - df) / r.q : 0;
    r.tau2 = fmax(0, (r.q - df) / room);
    struct mean_under random = mean_under(items, count, r.tau2);
    se = sqrt(fmax(1, random.squares / df) / random.weight);
    half = dist_t_quantile(0.5 + level / 2, df) * se;
    r.random = random.mean;
    r.random_p = dist_t_two_sided(random.mean / se, df);
    r.random_interval = (struct interval){random.mean - half, random.mean + half};
    return r;
}

struct meta_item meta_of_correlation(double r, double n_eff)
{
    bool usable = fabs(r) < 1 && n_eff > 3;

    return (struct meta_item){.estimate = usable ? atanh(r) : NAN,
                              .variance = usable ? 1 / (n_eff - 3) : NAN};
}

static int by_p(const void *pa, const void *pb, void *data)
{
    const double *p = data;
    int32_t a = *(const int32_t *)pa, b = *(const int32_t *)pb;

    if (p[a] < p[b] || p[a] > p[b])
        return p[a] < p[b] ? -1 : 1;
    return (a > b) - (a < b);
}

void meta_benjamini_hochberg(const double *p, int32_t n, double *ret_adjusted, int32_t *order)
{
    int32_t count = 0;
    double best = 1;

    for (int32_t i = 0; i < n; i++)
        if (isnan(p[i]))
            ret_adjusted[i] = NAN;
        else
            order[count++] = i;
    qsort_r(order, (size_t)count, sizeof *order, by_p, (void *)(uintptr_t)p);
    for (int32_t k = count; k > 0; k--) {
        best = fmin(best, p[order[k - 1]] * count / k);
        ret_adjusted[order[k - 1]] = best;
    }
}
