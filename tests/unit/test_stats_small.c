/* Intervals, pooling, quantiles, thinning: against hand-computed values and their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/rng.h"
#include "twin/stats.h"

#include <math.h>
#include <stdbool.h>

#define NEAR(a, b, e) assert_true(fabs((a) - (b)) < (e))

static void wilson(void **state)
{
    (void)state;
    struct interval i = stats_wilson(0, 3, STATS_Z95);

    assert_true(i.low == 0);
    NEAR(i.high, .56149, 5e-5);
    i = stats_wilson(3, 3, STATS_Z95);
    NEAR(i.low, 1 - .56149, 5e-5);
    assert_true(i.high == 1);
    i = stats_wilson(5, 10, STATS_Z95); /* 0.5 +- 1.96/(1+.3841)*sqrt(.025+.0096) */
    NEAR(i.low, .236593, 5e-6);
    NEAR(i.high, .763407, 5e-6);
    i = stats_wilson(0, 0, STATS_Z95);
    assert_true(i.low == 0 && i.high == 1);
}

static void wilson_covers(void **state)
{
    (void)state;
    struct rng rng;
    int covered = 0, rounds = 20000;

    rng_seed(&rng, 7);
    for (int r = 0; r < rounds; r++) {
        double rate = .05 + .9 * rng_unit(&rng);
        int k = 0;
        for (int i = 0; i < 30; i++)
            k += rng_unit(&rng) < rate;
        struct interval in = stats_wilson(k, 30, STATS_Z95);
        covered += in.low <= rate && rate <= in.high;
    }
    assert_true(covered > .94 * rounds && covered < .965 * rounds);
}

static void pooling_goes_from_the_mean_to_the_group(void **state)
{
    (void)state;
    struct share groups[] = {{90, 100}, {50, 100}, {70, 100}, {0, 0}, {2, 2}};
    struct pool p = stats_pool(groups, COUNT(groups));

    NEAR(p.mean, 212.0 / 302, 1e-12);
    assert_true(p.strength >= STATS_STRENGTH_MIN && p.strength < 60); /* the groups do differ */
    assert_true(stats_pooled_rate(&p, (struct share){0, 0}) == p.mean);
    NEAR(stats_pooled_rate(&p, (struct share){9e8, 1e9}), .9, 1e-6);
    double two = stats_pooled_rate(&p, groups[4]);
    assert_true(two > p.mean && two < .85); /* two lucky answers are not 100 % */

    struct share alike[] = {{70, 100}, {71, 100}, {69, 100}};
    p = stats_pool(alike, COUNT(alike));
    assert_true(p.strength == STATS_STRENGTH_MAX);

    p = stats_pool(alike, 1);
    assert_true(p.strength == 8);
    p = stats_pool(NULL, 0);
    assert_true(isnan(p.mean) && isnan(stats_pooled_rate(&p, alike[0])));
    struct share sure[] = {{5, 5}, {9, 9}};
    p = stats_pool(sure, 2);
    assert_true(p.mean == 1 && stats_pooled_rate(&p, sure[0]) == 1);
    assert_true(stats_pooled_interval(&p, sure[0]).low > .9);
}

/* Rates drawn from Beta(14, 6), 40 groups of 50: the strength, 20, is found again. */
static void pooling_finds_the_spread(void **state)
{
    (void)state;
    struct rng rng;
    double log_sum = 0;

    rng_seed(&rng, 99);
    for (int round = 0; round < 50; round++) {
        struct share g[40];
        for (int i = 0; i < 40; i++) {
            double rate = rng_beta(&rng, 14, 6);
            g[i] = (struct share){0, 50};
            for (int k = 0; k < 50; k++)
                g[i].k += rng_unit(&rng) < rate;
        }
        log_sum += log(stats_pool(g, 40).strength);
    }
    double found = exp(log_sum / 50);
    assert_true(found > 15 && found < 27);
}

static void means_with_intervals(void **state)
{
    (void)state;
    /* 2 4 4 4 5 5 7 9: mean 5, sd sqrt(32/7), t(7, .975) = 2.364624 */
    struct mean_estimate e = stats_mean(8, 40, 232);

    NEAR(e.mean, 5, 1e-12);
    NEAR(e.sd, 2.13809, 5e-6);
    NEAR(e.interval.high - 5, 2.364624 * 2.138090 / sqrt(8), 2e-3);
    e = stats_mean(2, 3, 5); /* 1 2: t(1) = 12.7062 */
    NEAR(e.interval.high, 1.5 + 12.706205 * .70710678 / sqrt(2), 1e-5);
    e = stats_mean(1, 3, 9);
    assert_true(e.mean == 3 && isnan(e.interval.low));
    assert_true(isnan(stats_mean(0, 0, 0).mean));
}

static void quantiles(void **state)
{
    (void)state;
    double v[] = {4, 1, 3, 2};

    stats_sort(v, 4);
    assert_true(v[0] == 1 && v[3] == 4);
    NEAR(stats_quantile(v, 4, .5), 2.5, 1e-12);
    NEAR(stats_quantile(v, 4, .9), 3.7, 1e-12);
    assert_true(stats_quantile(v, 4, 0) == 1 && stats_quantile(v, 4, 1) == 4);
    assert_true(stats_quantile(v, 1, .9) == 1);
    assert_true(isnan(stats_quantile(v, 0, .5)));
}

static void thinning_keeps_ends_and_peaks(void **state)
{
    (void)state;
    enum { N = 5000 };
    static double x[N], y[N];
    static int32_t kept[N];

    for (int i = 0; i < N; i++) {
        x[i] = 1.76e15 + i;
        y[i] = sin(i / 300.0);
    }
    y[1234] = 50;
    for (int32_t keep = 2; keep < 60; keep++) {
        assert_int_equal(stats_lttb(x, y, N, keep, kept), keep);
        assert_int_equal(kept[0], 0);
        assert_int_equal(kept[keep - 1], N - 1);
        bool peak = keep < 3;
        for (int32_t i = 1; i < keep; i++) {
            assert_true(kept[i] > kept[i - 1]);
            peak |= kept[i] == 1234;
        }
        assert_true(peak);
    }
    for (int32_t n = 1; n < 40; n++) /* every small length against every small wish */
        for (int32_t keep = 2; keep < 45; keep++)
            assert_int_equal(stats_lttb(x, y, n, keep, kept), n < keep ? n : keep);
    assert_int_equal(stats_lttb(x, y, 0, 10, kept), 0);
    assert_int_equal(stats_lttb(x, y, 10, 1, kept), 0);
}

/* Newcombe 1998, table II, method 10. */
static void difference_of_two_proportions(void **state)
{
    (void)state;
    static const struct {
        double k, n, l, m, low, high;
    } cases[] = {{56, 70, 48, 80, 0.0524, 0.3339},
                 {9, 10, 3, 10, 0.1705, 0.8090},
                 {10, 10, 0, 20, 0.6791, 1.0},
                 {0, 10, 0, 20, -0.1611, 0.2775}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct interval d = stats_difference((struct share){cases[i].k, cases[i].n},
                                             (struct share){cases[i].l, cases[i].m}, STATS_Z95);
        assert_true(fabs(d.low - cases[i].low) < 6e-5);
        assert_true(fabs(d.high - cases[i].high) < 6e-5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(difference_of_two_proportions),
        cmocka_unit_test(wilson),
        cmocka_unit_test(wilson_covers),
        cmocka_unit_test(pooling_goes_from_the_mean_to_the_group),
        cmocka_unit_test(pooling_finds_the_spread),
        cmocka_unit_test(means_with_intervals),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(thinning_keeps_ends_and_peaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
