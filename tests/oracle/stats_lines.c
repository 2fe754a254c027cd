/* Lines of a function's name and its numbers in, lines of results out: so that
 * script/oracle_stats.py can compare them with scipy's. A list is its length, then its values. */
#include "base/assert.h"
#include "twin/compare.h"
#include "twin/correlate.h"
#include "twin/dist.h"
#include "twin/meta.h"
#include "twin/survival.h"
#include "twin/trend.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1 << 20, LIST_MAX = 4096 };

static char line[LINE_MAX_BYTES];
static char *at;

static double number(void)
{
    return strtod(at, &at);
}

static int32_t list(double *ret)
{
    int32_t n = (int32_t)number();

    ASSERT(n >= 0 && n <= LIST_MAX);
    for (int32_t i = 0; i < n; i++)
        ret[i] = number();
    return n;
}

static double va[LIST_MAX], vb[LIST_MAX], vc[LIST_MAX], vd[LIST_MAX], scratch[4 * LIST_MAX];

static void put(const double *v, int n)
{
    for (int i = 0; i < n; i++)
        printf("%.17g%c", v[i], i + 1 < n ? ' ' : '\n');
}
#define PUT(...) put((const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / 8)

static void welch(void)
{
    int32_t n = list(va), m = list(vb);
    struct sample a = compare_sample(va, n), b = compare_sample(vb, m);
    struct difference d = compare_welch(&a, &b, 0.95);

    PUT(d.t, d.df, d.p, d.interval.low, d.interval.high);
}

static void permute(void)
{
    int32_t n = list(va), m = list(vb);
    struct rng rng;

    rng_seed(&rng, 1);
    struct permutation p = compare_permute(va, n, vb, m, 20000, &rng, scratch);
    PUT(p.p, p.exact, (double)p.rounds);
}

static void cuped(void)
{
    int32_t n = list(va), m;

    ASSERT(list(vb) == n);
    m = list(vc);
    ASSERT(list(vd) == m);
    struct cuped c = compare_cuped(va, vb, n, vc, vd, m, 0.95);
    PUT(c.theta, c.difference.estimate, c.difference.se, c.reduction);
}

static void correlate(bool ranks)
{
    int32_t n = list(va);

    ASSERT(list(vb) == n);
    struct correlation c =
        ranks ? correlate_spearman(va, vb, n, false, scratch) : correlate_pearson(va, vb, n, false);
    PUT(c.r, c.p, c.interval.low, c.interval.high);
}

static void trend(void)
{
    int32_t n = list(va);
    struct arena arena;
    struct trend t;

    ASSERT(list(vb) == n);
    arena_init(&arena, 64 << 20);
    ASSERT(trend_fit(&arena, va, vb, n, false, 0.95, &t) == ERR_OK);
    arena_fini(&arena);
    PUT(t.slope, t.interval.low, t.interval.high, t.tau, t.p, t.inflation);
}

static void meta(void)
{
    static struct meta_item items[LIST_MAX];
    int32_t n = list(va);

    ASSERT(list(vb) == n);
    for (int32_t i = 0; i < n; i++)
        items[i] = (struct meta_item){va[i], vb[i]};
    struct meta m = meta_pool(items, n, 0.95);
    PUT(m.fixed, m.fixed_interval.low, m.random, m.random_interval.low, m.random_interval.high,
        m.tau2, m.q, m.q_p, m.i2);
}

static void adjust(void)
{
    static int32_t order[LIST_MAX];
    int32_t n = list(va);

    meta_benjamini_hochberg(va, n, vb, order);
    put(vb, n);
}

static void survive(void)
{
    static struct survival_row rows[LIST_MAX];
    static struct survival_point points[LIST_MAX];
    static bool happened[LIST_MAX];
    int32_t n = list(va);

    ASSERT(list(vb) == n);
    for (int32_t i = 0; i < n; i++)
        happened[i] = vb[i] > 0;
    int32_t count = survival_rows(va, happened, n, rows), k = 0;
    struct survival_median m = survival_fit(rows, count, 0.95, points);
    scratch[k++] = m.time;
    for (int32_t i = 0; i < count; i++) {
        scratch[k++] = points[i].survival;
        scratch[k++] = points[i].interval.low;
        scratch[k++] = points[i].interval.high;
    }
    put(scratch, k);
}

static void interrupted(void)
{
    static int32_t times[LIST_MAX];
    struct its r;
    int32_t n = list(va), where;

    ASSERT(list(vb) == n);
    where = (int32_t)number();
    for (int32_t i = 0; i < n; i++)
        times[i] = (int32_t)va[i];
    ASSERT(trend_interrupted(times, vb, n, where, 0, 0.95, &r) == ERR_OK);
    PUT(r.level.estimate, r.level.interval.low, r.level.interval.high, r.slope.estimate,
        r.slope.interval.low, r.slope.interval.high, r.rho, r.level.positive);
}

static void interval(struct interval i)
{
    PUT(i.low, i.high);
}

/* The arguments are read in order, which a call's list would not promise. */
static void distribution(const char *name)
{
    double a = number(), b = number(), c = number();

    if (!strcmp(name, "normal_cdf"))
        PUT(dist_normal_cdf(a));
    else if (!strcmp(name, "normal_quantile"))
        PUT(dist_normal_quantile(a));
    else if (!strcmp(name, "beta_cdf"))
        PUT(dist_beta_cdf(a, b, c));
    else if (!strcmp(name, "beta_quantile"))
        PUT(dist_beta_quantile(a, b, c));
    else if (!strcmp(name, "t_two_sided"))
        PUT(dist_t_two_sided(a, b));
    else if (!strcmp(name, "t_quantile"))
        PUT(dist_t_quantile(a, b));
    else if (!strcmp(name, "gamma_tail"))
        PUT(dist_gamma_tail(a, b));
    else if (!strcmp(name, "f_tail"))
        PUT(dist_f_tail(a, b, c));
    else if (!strcmp(name, "wilson"))
        interval(stats_wilson(a, b, STATS_Z95));
    else if (!strcmp(name, "jeffreys"))
        interval(stats_jeffreys(a, b, c));
    else
        UNREACHABLE();
}

int main(void)
{
    while (fgets(line, sizeof line, stdin)) {
        char *name = line;

        at = line + strcspn(line, " \n");
        *at++ = 0;
        if (!strcmp(name, "welch"))
            welch();
        else if (!strcmp(name, "permute"))
            permute();
        else if (!strcmp(name, "cuped"))
            cuped();
        else if (!strcmp(name, "pearson") || !strcmp(name, "spearman"))
            correlate(*name == 's');
        else if (!strcmp(name, "trend"))
            trend();
        else if (!strcmp(name, "meta"))
            meta();
        else if (!strcmp(name, "adjust"))
            adjust();
        else if (!strcmp(name, "survive"))
            survive();
        else if (!strcmp(name, "interrupted"))
            interrupted();
        else
            distribution(name);
    }
    return 0;
}
