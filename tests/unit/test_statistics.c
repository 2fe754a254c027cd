/* The statistics that every model shares, against published and independently computed values, and
 * in simulations whose truth is known. script/oracle_stats.py compares many more with scipy. */
#include "test.h"

#include "base/arena.h"
#include "base/rng.h"
#include "twin/compare.h"
#include "twin/correlate.h"
#include "twin/dist.h"
#include "twin/meta.h"
#include "twin/survival.h"
#include "twin/trend.h"

#include <math.h>
#include <string.h>

#define NEAR(a, b, e) assert_true(fabs((a) - (b)) < (e))
#define CLOSE(a, b) assert_true(fabs((a) / (b)-1) < 1e-5) /* relative */

static void t_tails(void **state)
{
    (void)state;
    static const struct {
        double t, df, p;
    } known[] = {{2.228, 10, .0500}, {.5, 10, .6279}, {1, 5, .3632},       {2.086, 20, .0500},
                 {2.042, 30, .0500}, {3, 38, .00475}, {1.96, 1000, .05027}};

    for (size_t i = 0; i < COUNT(known); i++)
        NEAR(dist_t_two_sided(known[i].t, known[i].df), known[i].p, 6e-5);
    for (double df = .5; df < 1e7; df *= 3)
        for (double p = 1e-14; p < .5; p *= 7) {
            double t = dist_t_quantile(p, df);
            CLOSE(dist_t_cdf(t, df), p);
            NEAR(dist_t_cdf(-t, df), 1 - p, 1e-9);
        }
}

/* Bounds, monotonicity, and mirrored arguments, over shapes from tiny to large. */
static void laws_are_laws(void **state)
{
    (void)state;
    static const double shapes[] = {1e-3, .1, .5, 1, 3, 12, 150, 4e3, 1e6};

    for (size_t i = 0; i < COUNT(shapes); i++)
        for (size_t k = 0; k < COUNT(shapes); k++) {
            double a = shapes[i], b = shapes[k], before = 0;
            for (double x = 0; x <= 1; x += 1 / 64.0) {
                double p = dist_beta_cdf(x, a, b);
                assert_true(p >= before - 1e-11 && p <= 1);
                NEAR(p + dist_beta_cdf(1 - x, b, a), 1, 1e-9);
                before = p;
            }
            for (double p = 0; p <= 1; p += 1 / 16.0) {
                double x = dist_beta_quantile(p, a, b);
                assert_true(x >= 0 && x <= 1);
                if (x > 1e-15 && x < 1 - 1e-9)
                    NEAR(dist_beta_cdf(x, a, b), p, 1e-7);
            }
            assert_true(dist_f_tail(.7, a, b) >= 0 && dist_f_tail(.7, a, b) <= 1);
        }
    for (double a = 1e-3; a < 1e6; a *= 5)
        for (double x = 0, before = 1; x < 4 * a + 10; x += a / 3 + .1) {
            double p = dist_gamma_tail(x, a);
            assert_true(p >= 0 && p <= before + 1e-10);
            before = p;
        }
    assert_true(isnan(dist_beta_cdf(.5, 0, 1)) && isnan(dist_beta_quantile(.5, 1, -1)));
    assert_true(isnan(dist_t_cdf(NAN, 3)) && isnan(dist_t_quantile(.5, 0)));
    assert_true(isnan(dist_t_quantile(1.5, 3)) && isnan(dist_normal_quantile(-.1)));
    assert_true(isnan(dist_gamma_tail(1, INFINITY)) && isnan(dist_f_tail(NAN, 1, 1)));
    assert_true(dist_normal_quantile(0) == -INFINITY && dist_t_quantile(1, 3) == INFINITY);
    assert_true(dist_t_two_sided(INFINITY, 3) == 0 && dist_t_two_sided(0, 3) == 1);
    assert_true(dist_f_tail(0, 2, 3) == 1 && dist_chi2_tail(INFINITY, 3) == 0);
    NEAR(dist_chi2_tail(3.841458820694124, 1), .05, 1e-12);
    NEAR(dist_normal_quantile(.975), STATS_Z95, 1e-15);
}

static void jeffreys(void **state)
{
    (void)state;
    struct interval i = stats_jeffreys(0, 10, .95); /* Beta(.5, 10.5) */

    assert_true(i.low == 0);
    NEAR(i.high, .217196, 2e-6);
    i = stats_jeffreys(5, 10, .95);
    NEAR(i.low + i.high, 1, 1e-12);
    i = stats_jeffreys(0, 0, .95);
    assert_true(i.low == 0 && i.high == 1);
    i = stats_jeffreys(7, 7, .95);
    assert_true(i.high == 1 && i.low > .5);
}

static void correlation_tails(void **state)
{
    (void)state;
    static const struct {
        double r, n, p;
    } known[] = {{.3, 12, .343439},    {.5, 12, .0978546}, {.576, 12, .0499917},
                 {.6, 12, .0391629},   {.7, 12, .0112573}, {.5, 20, .0247696},
                 {.7, 20, .000590058}, {.3, 52, .030712},  {.97, 30, 9.75e-19}};

    for (size_t i = 0; i < COUNT(known); i++)
        assert_true(fabs(correlate_p(known[i].r, known[i].n) / known[i].p - 1) < 1e-3);

    static const double x[] = {65, 72, 78, 81, 85, 88, 90, 92, 93, 94};
    static const double y[] = {70, 75, 80, 82, 88, 90, 92, 94, 95, 96};
    struct correlation c = correlate_pearson(x, y, 10, false);
    NEAR(c.r, .996198, 5e-7);
    NEAR(c.interval.low, .983379, 5e-7);
    NEAR(c.interval.high, .999135, 5e-7);
}

static void correlations_of_little(void **state)
{
    (void)state;
    static const double up[] = {1, 2, 3, 4, 5, 6}, same[] = {.3, .3, .3, .3, .3, .3};
    double gaps[] = {NAN, 4, NAN, 2, 1, NAN}, scratch[24];

    for (int32_t n = 0; n <= 6; n++) {
        struct correlation c = correlate_pearson(up, same, n, true);
        assert_true(isnan(c.r) && isnan(c.p) && c.interval.low == -1 && c.interval.high == 1);
        c = correlate_spearman(up, up, n, n & 1, scratch);
        assert_int_equal(c.n, n);
        assert_true(n < 3 ? isnan(c.r) : c.r == 1);
    }
    struct correlation c = correlate_pearson(up, up, 6, false);
    assert_true(c.r == 1 && c.p == 0 && c.interval.low == 1 && c.interval.high == 1);
    c = correlate_pearson(up, gaps, 6, true);
    assert_true(c.n == 3 && isfinite(c.r) && c.r < 0);
    NEAR(correlate_n_eff(20, 0, .9), 20, 1e-12);
    NEAR(correlate_n_eff(20, .5, .5), 12, 1e-12);
    double ranks[5];
    correlate_ranks((const double[]){3, 1, 3, -2, 3}, 5, ranks, scratch);
    assert_true(ranks[0] == 4 && ranks[1] == 2 && ranks[2] == 4 && ranks[3] == 1 && ranks[4] == 4);
}

static void autoregressive(struct rng *rng, double rho, double *v, int32_t n)
{
    v[0] = rng_normal(rng);
    for (int32_t i = 1; i < n; i++)
        v[i] = rho * v[i - 1] + sqrt(1 - rho * rho) * rng_normal(rng);
}

/* Two series that have nothing to do with each other, both with a memory of .6: the plain test
 * finds something three times too often, the one for series does not. */
static void series_are_worth_less(void **state)
{
    (void)state;
    enum { ROUNDS = 4000, N = 40 };
    int plain = 0, serial = 0;
    double x[N], y[N];
    struct rng rng;

    rng_seed(&rng, 5);
    for (int i = 0; i < ROUNDS; i++) {
        autoregressive(&rng, .6, x, N);
        autoregressive(&rng, .6, y, N);
        plain += correlate_pearson(x, y, N, false).p < .05;
        serial += correlate_pearson(x, y, N, true).p < .05;
    }
    assert_true(plain > ROUNDS * .12);
    assert_true(serial < ROUNDS * .07);
}

static void welch_of_two_arms(void **state)
{
    (void)state;
    double a[20], b[20], scratch[40];
    struct rng rng;

    for (int i = 0; i < 20; i++) {
        a[i] = .85 + .02 * (i % 5 - 2);
        b[i] = .65 + .02 * (i % 5 - 2);
    }
    struct sample sa = compare_sample(a, 20), sb = compare_sample(b, 20);
    struct difference d = compare_welch(&sa, &sb, .95);
    NEAR(d.t, 21.7945, 5e-5);
    NEAR(d.df, 38, 1e-9);
    assert_true(d.p < 1e-20 && d.g > 6 && d.g_range.low > 4 && d.interval.low > .18);

    d = compare_welch(&sa, &sa, .95);
    assert_true(d.estimate == 0 && d.p == 1);
    rng_seed(&rng, 1);
    struct permutation p = compare_permute(a, 20, b, 20, 999, &rng, scratch);
    assert_true(!p.exact && p.p == .001 && p.rounds == 999);
}

static void little_to_compare(void **state)
{
    (void)state;
    static const double same[] = {2, 2, 2}, other[] = {3, 3, 3};
    double scratch[8];
    struct rng rng;
    struct sample none = compare_sample(NULL, 0), one = compare_sample(same, 1),
                  a = compare_sample(same, 3), b = compare_sample(other, 3);

    rng_seed(&rng, 1);
    assert_true(isnan(compare_welch(&none, &a, .95).estimate));
    struct difference d = compare_welch(&one, &b, .95);
    assert_true(d.estimate == -1 && isnan(d.p));
    d = compare_welch(&a, &a, .95);
    assert_true(d.p == 1 && d.interval.low == 0 && d.g == 0);
    d = compare_welch(&a, &b, .95);
    assert_true(d.estimate == -1 && isnan(d.p) && isnan(d.interval.low) && isnan(d.g));
    assert_true(isnan(compare_permute(same, 0, other, 3, 99, &rng, scratch).p));
    assert_true(compare_permute(same, 3, same, 3, 99, &rng, scratch).p == 1);
    struct permutation p = compare_permute(same, 3, other, 3, 99, &rng, scratch);
    assert_true(p.exact && p.rounds == 20);
    NEAR(p.p, .1, 1e-12); /* this arrangement and its mirror image */
    struct sample sums = compare_sample_of_sums(3, 9, 29); /* 2 3 4 */
    assert_true(sums.mean == 3 && fabs(sums.variance - 1) < 1e-12);
}

/* Two phases with, two without: exactly two of 184,756 arrangements are as far apart. */
static void exact_permutation(void **state)
{
    (void)state;
    static const double base[] = {60, 62, 61, 63, 64, 65, 66, 64, 67, 68};
    static const double with[] = {75, 77, 76, 78, 79, 80, 81, 79, 82, 83};
    double scratch[20];
    struct rng rng;

    rng_seed(&rng, 1);
    struct permutation p = compare_permute(with, 10, base, 10, 10000, &rng, scratch);
    struct sample a = compare_sample(with, 10), b = compare_sample(base, 10);
    assert_true(p.exact && p.rounds == 184756);
    NEAR(p.estimate, 15, 1e-12);
    CLOSE(p.p, 2 / 184756.0);
    NEAR(compare_cohen_d(&a, &b), 5.809475, 5e-7);
}

/* A covariate that explains 80 % of the outcome: the interval shrinks to less than half, and
 * still covers. */
static void cuped_keeps_its_promise(void **state)
{
    (void)state;
    enum { ROUNDS = 3000, N = 20 };
    double x[2][N], y[2][N];
    int covers = 0, plain = 0;
    double width = 0, plain_width = 0;
    struct rng rng;

    rng_seed(&rng, 3);
    for (int r = 0; r < ROUNDS; r++) {
        for (int g = 0; g < 2; g++)
            for (int i = 0; i < N; i++) {
                x[g][i] = rng_normal(&rng);
                y[g][i] = .9 * x[g][i] + .45 * rng_normal(&rng) + (g ? 0 : .3);
            }
        struct cuped c = compare_cuped(x[0], y[0], N, x[1], y[1], N, .95);
        struct sample a = compare_sample(y[0], N), b = compare_sample(y[1], N);
        struct difference d = compare_welch(&a, &b, .95);
        covers += c.difference.interval.low <= .3 && .3 <= c.difference.interval.high;
        plain += d.interval.low <= .3 && .3 <= d.interval.high;
        width += c.difference.interval.high - c.difference.interval.low;
        plain_width += d.interval.high - d.interval.low;
    }
    assert_true(covers > .94 * ROUNDS && covers < .96 * ROUNDS);
    assert_true(plain > .94 * ROUNDS && width < .5 * plain_width);

    static const double flat[] = {1, 1, 1}, some[] = {1, 2, 4};
    struct cuped c = compare_cuped(flat, some, 3, flat, some, 3, .95);
    assert_true(c.theta == 0 && c.difference.p == 1);
    c = compare_cuped(flat, some, 0, flat, some, 3, .95);
    assert_true(isnan(c.difference.estimate) && isnan(c.difference.p));
}

static void pooled_studies(void **state)
{
    (void)state;
    struct meta_item alike[] = {{.3, .04}, {.3, .01}, {.3, .02}},
                     bad[] = {{NAN, 1}, {1, 0}, {1, -1}};
    struct meta m = meta_pool(alike, 3, .95);

    assert_true(m.tau2 == 0 && m.q < 1e-20 && m.i2 == 0 && m.k == 3);
    NEAR(m.random, .3, 1e-12);
    assert_true(m.random_interval.low < m.fixed_interval.low); /* agreement by luck is no proof */
    m = meta_pool(alike, 1, .95);
    assert_true(m.random == .3 && m.random_interval.low == m.fixed_interval.low && isnan(m.i2));
    m = meta_pool(bad, 3, .95);
    assert_true(m.k == 0 && isnan(m.fixed) && isnan(m.random));
    assert_true(isnan(meta_of_correlation(1, 20).estimate));
    NEAR(tanh(meta_of_correlation(.5, 20).estimate), .5, 1e-12);
}

/* Five studies with true spread .3: the interval of the random effects covers, the fixed does not.
 */
static void random_effects_cover(void **state)
{
    (void)state;
    enum { ROUNDS = 4000, K = 5 };
    int fixed = 0, random = 0;
    struct rng rng;

    rng_seed(&rng, 8);
    for (int r = 0; r < ROUNDS; r++) {
        struct meta_item items[K];
        for (int i = 0; i < K; i++) {
            double v = .02 + .08 * rng_unit(&rng);
            items[i] = (struct meta_item){.5 + sqrt(.09 + v) * rng_normal(&rng), v};
        }
        struct meta m = meta_pool(items, K, .95);
        fixed += m.fixed_interval.low <= .5 && .5 <= m.fixed_interval.high;
        random += m.random_interval.low <= .5 && .5 <= m.random_interval.high;
    }
    assert_true(fixed < .88 * ROUNDS);
    assert_true(random > .93 * ROUNDS && random < .985 * ROUNDS);
}

static void false_discoveries(void **state)
{
    (void)state;
    static const double p[] = {.01, NAN, .04, .03, .005};
    double adjusted[5];
    int32_t order[64];

    meta_benjamini_hochberg(p, 5, adjusted, order);
    NEAR(adjusted[4], .02, 1e-12);
    NEAR(adjusted[0], .02, 1e-12);
    NEAR(adjusted[3], .04, 1e-12);
    NEAR(adjusted[2], .04, 1e-12);
    assert_true(isnan(adjusted[1]));
    meta_benjamini_hochberg(p, 0, adjusted, order);

    int false_alarms = 0, rounds = 2000;
    struct rng rng;
    rng_seed(&rng, 4);
    for (int r = 0; r < rounds; r++) {
        double many[50], q[50];
        bool any = false;
        for (int i = 0; i < 50; i++)
            many[i] = rng_unit(&rng);
        meta_benjamini_hochberg(many, 50, q, order);
        for (int i = 0; i < 50; i++)
            any |= q[i] <= .1;
        false_alarms += any;
    }
    assert_true(false_alarms < .125 * rounds && false_alarms > .07 * rounds);
}

static void survival_by_hand(void **state)
{
    (void)state;
    /* 6 MP of Freireich et al. (1963): the curve of every textbook. */
    static const double times[] = {6,  6,  6,  6,  7,  9,  10, 10, 11, 13, 16,
                                   17, 19, 20, 22, 23, 25, 32, 32, 34, 35};
    static const bool happened[] = {1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0};
    struct survival_row rows[21];
    struct survival_point points[21];
    int32_t n = survival_rows(times, happened, 21, rows);

    assert_int_equal(n, 16);
    struct survival_median m = survival_fit(rows, n, .95, points);
    assert_true(m.time == 23 && m.n == 21 && m.events == 9);
    NEAR(points[0].survival, .857143, 5e-7);
    NEAR(points[1].survival, .806723, 5e-7);
    NEAR(points[n - 1].survival, .448179, 5e-7);
    NEAR(points[n - 1].interval.low, .188052, 2e-6);
    NEAR(points[n - 1].interval.high, .680143, 2e-6);
    assert_true(m.interval.low == 13 && m.interval.high == INFINITY);

    struct survival_row censored[] = {{5, 0, 3}, {9, 0, 4}};
    m = survival_fit(censored, 2, .95, NULL);
    assert_true(isnan(m.time) && m.events == 0 && m.interval.high == INFINITY); /* not 9 */
    struct survival_row all[] = {{5, 4, 0}};
    m = survival_fit(all, 1, .95, points);
    assert_true(m.time == 5 && points[0].survival == 0);
    m = survival_fit(NULL, 0, .95, NULL);
    assert_true(isnan(m.time) && m.n == 0);
}

static void trends_of_little(void **state)
{
    (void)state;
    double t[64], y[64];
    struct arena arena;
    struct trend r;

    arena_init(&arena, 1 << 20);
    for (int i = 0; i < 64; i++)
        t[i] = i, y[i] = i * i;
    for (int32_t n = 0; n < 64; n++) {
        assert_int_equal(trend_fit(&arena, t, y, n, n & 1, .95, &r), ERR_OK);
        if (n < 2)
            assert_true(isnan(r.slope));
        if (n < TREND_NEEDED)
            assert_true(isnan(r.p) && isnan(r.interval.low));
        else
            assert_true(r.tau == 1 && r.p > 0 && r.p <= 1 && r.interval.low <= r.slope);
    }
    assert_true(r.slope == 62 || fabs(r.slope - 62) < 2);
    for (int i = 0; i < 64; i++)
        y[i] = 3;
    assert_int_equal(trend_fit(&arena, t, y, 64, true, .95, &r), ERR_OK);
    assert_true(r.slope == 0 && r.p == 1 && isnan(r.tau) && r.interval.high == 0);
    assert_int_equal(trend_fit(&arena, t, y, TREND_VALUES_MAX + 1, true, .95, &r), ERR_RANGE);
    arena_fini(&arena);

    /* n = 4, all rising: 2 of the 24 orders are as extreme. */
    arena_init(&arena, 1 << 20);
    assert_int_equal(trend_fit(&arena, t, t, 4, false, .95, &r), ERR_OK);
    assert_true(r.exact);
    NEAR(r.p, 2 / 24.0, 1e-12);
    arena_fini(&arena);

    enum err e = ERR_NOMEM; /* every cap too small fails cleanly */
    r.n = -1;
    for (size_t cap = 0; e == ERR_NOMEM; cap += 64) {
        assert_int_equal(r.n, -1);
        arena_init(&arena, cap);
        e = trend_fit(&arena, t, t, 12, false, .95, &r);
        arena_fini(&arena);
    }
    assert_int_equal(e, ERR_OK);
}

/* What a perfect line leaves is rounding, and no memory of the series. */
static void lines_are_trends(void **state)
{
    (void)state;
    static const double slopes[] = {0.1, -1.0 / 3, 1e-9, 1e9, 2}, starts[] = {0, 0.7, -1e6, 12345.678};
    double t[60], y[60];
    struct arena arena;
    struct trend r;

    arena_init(&arena, 1 << 20);
    for (int n = 8; n <= 60; n++)
        for (size_t s = 0; s < COUNT(slopes); s++)
            for (size_t b = 0; b < COUNT(starts); b++) {
                if (fabs(starts[b]) > 1e4 && slopes[s] < 1e-8 && slopes[s] > 0)
                    continue; /* a line no more: steps of rounding */
                for (int i = 0; i < n; i++) {
                    t[i] = i;
                    y[i] = starts[b] + slopes[s] * i;
                }
                assert_int_equal(trend_fit(&arena, t, y, n, true, .95, &r), ERR_OK);
                assert_true(r.inflation == 1 && r.p < .001);
                assert_true(r.s * slopes[s] > 0);
                arena_clear(&arena);
            }
    arena_fini(&arena);
}

/* A memory of .5 and no trend: plain Mann-Kendall cries wolf, the corrected one hardly. And Sen's
 * interval covers the slope of independent values. */
static void trends_in_series(void **state)
{
    (void)state;
    enum { ROUNDS = 1000, N = 60 };
    double t[N], y[N];
    int plain = 0, serial = 0, covers = 0;
    struct arena arena;
    struct rng rng;
    struct trend r;

    rng_seed(&rng, 12);
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < N; i++)
        t[i] = i;
    for (int k = 0; k < ROUNDS; k++) {
        arena_clear(&arena);
        autoregressive(&rng, .5, y, N);
        assert_int_equal(trend_fit(&arena, t, y, N, false, .95, &r), ERR_OK);
        plain += r.p < .05;
        assert_int_equal(trend_fit(&arena, t, y, N, true, .95, &r), ERR_OK);
        serial += r.p < .05;
        for (int i = 0; i < N; i++)
            y[i] = .02 * i + rng_normal(&rng);
        assert_int_equal(trend_fit(&arena, t, y, N, false, .95, &r), ERR_OK);
        covers += r.interval.low <= .02 && .02 <= r.interval.high;
    }
    arena_fini(&arena);
    assert_true(plain > .17 * ROUNDS && serial < .08 * ROUNDS);
    assert_true(covers > .92 * ROUNDS && covers < .98 * ROUNDS);
}

static void interrupted_without_noise(void **state)
{
    (void)state;
    enum { N = 90 };
    int32_t t[N];
    double y[N];
    struct rng rng;
    struct its r;

    rng_seed(&rng, 2);
    for (int i = 0; i < N; i++) {
        t[i] = i;
        y[i] = (i < 45 ? 70 + .1 * i : 75 + .15 * (i - 45)) + 1e-3 * rng_normal(&rng);
    }
    assert_int_equal(trend_interrupted(t, y, N, 45, 0, .95, &r), ERR_OK);
    NEAR(r.level.estimate, .5, 2e-3); /* against 74.5, where the old line would be */
    NEAR(r.slope.estimate, .05, 1e-4);
    NEAR(r.average.estimate, .5 + .05 * 22, 3e-3);
    NEAR(r.sustained.estimate, .5 + .05 * 44, 3e-3);
    assert_true(r.level.positive > .999 && r.level.p < .01 && r.n_before == 45 && r.n_after == 45);
    for (int i = 0; i < N; i++)
        y[i] += 4 * (i % 7 == 2) - 3 * (i % 7 == 5); /* a week's cycle is not an effect */
    assert_int_equal(trend_interrupted(t, y, N, 45, 7, .95, &r), ERR_OK);
    NEAR(r.level.estimate, .5, 3e-3);

    assert_int_equal(trend_interrupted(t, y, N, 7, 0, .95, &r), ERR_UNPROCESSABLE);
    assert_int_equal(trend_interrupted(t, y, N, 83, 0, .95, &r), ERR_UNPROCESSABLE);
    assert_int_equal(trend_interrupted(t, y, 0, 3, 0, .95, &r), ERR_UNPROCESSABLE);
    assert_int_equal(trend_interrupted(t, y, N, 45, 8, .95, &r), ERR_RANGE);
    for (int i = 0; i < N; i++)
        y[i] = 5;
    assert_int_equal(trend_interrupted(t, y, N, 45, 0, .95, &r), ERR_UNPROCESSABLE);
    y[3] = NAN;
    assert_int_equal(trend_interrupted(t, y, N, 45, 0, .95, &r), ERR_RANGE);
    for (int i = 0; i < N; i++)
        t[i] = 1;
    y[3] = 5;
    assert_int_equal(trend_interrupted(t, y, N, 45, 0, .95, &r), ERR_RANGE);
}

/* A placebo date in a series with memory: 95 % intervals hold nothing in about 95 %, although rho
 * is estimated and the series is short. */
static void interrupted_covers(void **state)
{
    (void)state;
    enum { ROUNDS = 300, N = 40 };
    int32_t t[N], level = 0, slope = 0, average = 0;
    double y[N];
    struct rng rng;

    rng_seed(&rng, 6);
    for (int k = 0; k < ROUNDS; k++) {
        struct its r;
        autoregressive(&rng, .4, y, N);
        for (int i = 0; i < N; i++)
            t[i] = i, y[i] += .03 * i;
        assert_int_equal(trend_interrupted(t, y, N, 20, 0, .95, &r), ERR_OK);
        level += r.level.interval.low <= 0 && 0 <= r.level.interval.high;
        slope += r.slope.interval.low <= 0 && 0 <= r.slope.interval.high;
        average += r.average.interval.low <= 0 && 0 <= r.average.interval.high;
    }
    assert_true(level > .91 * ROUNDS && level < .99 * ROUNDS);
    assert_true(slope > .89 * ROUNDS && average > .89 * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_tails),
        cmocka_unit_test(laws_are_laws),
        cmocka_unit_test(jeffreys),
        cmocka_unit_test(correlation_tails),
        cmocka_unit_test(correlations_of_little),
        cmocka_unit_test(series_are_worth_less),
        cmocka_unit_test(welch_of_two_arms),
        cmocka_unit_test(little_to_compare),
        cmocka_unit_test(exact_permutation),
        cmocka_unit_test(cuped_keeps_its_promise),
        cmocka_unit_test(pooled_studies),
        cmocka_unit_test(random_effects_cover),
        cmocka_unit_test(false_discoveries),
        cmocka_unit_test(survival_by_hand),
        cmocka_unit_test(trends_of_little),
        cmocka_unit_test(lines_are_trends),
        cmocka_unit_test(trends_in_series),
        cmocka_unit_test(interrupted_without_noise),
        cmocka_unit_test(interrupted_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
