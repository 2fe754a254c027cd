/* The audit's figures against the same computed from the outcomes one by one. */
#include "base/assert.h"
#include "base/rng.h"
#include "twin/audit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { N = 4000 };

static void add(struct audit_bin *bins, double p, bool yes, int sign)
{
    struct audit_bin one = audit_outcome(p, yes);

    audit_add(&bins[audit_bin_of(p)], &one, sign);
}

static void figures_are_those_of_the_outcomes(void **state)
{
    (void)state;
    static double p[N];
    static bool yes[N];
    struct audit_bin bins[AUDIT_BINS] = {0};
    struct audit_report r;
    double brier = 0, loss = 0, won = 0, pairs = 0, all = 0;
    struct rng rng;

    rng_seed(&rng, 1);
    for (int i = 0; i < N; i++) {
        p[i] = rng_beta(&rng, 4, 1.5);
        yes[i] = rng_unit(&rng) < p[i];
        add(bins, p[i], yes[i], 1);
        brier += (p[i] - yes[i]) * (p[i] - yes[i]) / N;
        loss -= log(yes[i] ? p[i] : 1 - p[i]) / N;
        all += yes[i];
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            if (yes[i] && !yes[j]) {
                pairs++;
                won += p[i] > p[j] ? 1 : p[i] < p[j] ? 0 : 0.5;
            }
    audit_report_of(bins, &r);
    assert_true(r.enough);
    assert_int_equal(r.n, N);
    assert_true(r.yes == (int64_t)all);
    assert_true(fabs(r.brier - brier) < 1e-6);
    assert_true(fabs(r.log_loss - loss) < 1e-3);
    assert_true(fabs(r.auc - won / pairs) < 0.003);
    assert_true(r.auc_low < r.auc && r.auc < r.auc_high && r.auc_high - r.auc_low < 0.08);
    assert_true(fabs(r.brier - (r.reliability - r.resolution + r.uncertainty)) < 0.005);
    assert_true(r.calibration_error < 0.04 && fabs(r.bias) < 0.03 && r.bias_p > 0.001);
    assert_true(r.brier_skill > 0 && r.log_loss < r.baseline_log_loss);
    int64_t n = 0;
    for (int i = 0; i < r.bins; i++) {
        assert_true(r.bin[i].low <= r.bin[i].observed && r.bin[i].observed <= r.bin[i].high);
        assert_true(i == 0 || r.bin[i].forecast > r.bin[i - 1].forecast);
        n += r.bin[i].n;
    }
    assert_int_equal(n, N);
    assert_true(r.bins >= 5 && r.bins <= AUDIT_RELIABILITY);
    assert_int_equal(r.true_yes + r.false_yes + r.true_no + r.false_no, N);
}

static void a_biased_forecaster_is_told(void **state)
{
    (void)state;
    struct audit_bin bins[AUDIT_BINS] = {0};
    struct audit_report r;
    struct rng rng;

    rng_seed(&rng, 2);
    for (int i = 0; i < N; i++)
        add(bins, 0.9, rng_unit(&rng) < 0.7, 1);
    audit_report_of(bins, &r);
    assert_true(r.bias > 0.15 && r.bias_p < 1e-6);
    assert_true(r.calibration_error > 0.15);
    assert_true(fabs(r.auc - 0.5) < 1e-9);
    assert_true(r.brier_skill < 0);
}

/* Any order, with some taken out again: the same sums, bit for bit. */
static void order_does_not_matter(void **state)
{
    (void)state;
    struct audit_bin a[AUDIT_BINS] = {0}, b[AUDIT_BINS] = {0};
    double p[500];
    struct rng rng;

    rng_seed(&rng, 3);
    for (int i = 0; i < 500; i++) {
        p[i] = rng_unit(&rng);
        add(a, p[i], i % 3 == 0, 1);
    }
    for (int i = 499; i >= 0; i--) {
        add(b, 1 - p[i], i % 2 == 0, 1);
        add(b, p[i], i % 3 == 0, 1);
    }
    for (int i = 0; i < 500; i++)
        add(b, 1 - p[i], i % 2 == 0, -1);
    assert_memory_equal(a, b, sizeof a);
}

static void ends_and_thin_data(void **state)
{
    (void)state;
    struct audit_bin bins[AUDIT_BINS] = {0};
    struct audit_report r;

    audit_report_of(bins, &r);
    assert_false(r.enough);
    assert_int_equal(audit_bin_of(0), 0);
    assert_int_equal(audit_bin_of(1), AUDIT_BINS - 1);
    assert_int_equal(audit_bin_of(0.5), AUDIT_BINS / 2);
    assert_int_equal(audit_bin_of(0.4999999), AUDIT_BINS / 2 - 1);
    for (int i = 0; i < AUDIT_MIN; i++) { /* all right, forecast with certainty */
        audit_report_of(bins, &r);
        assert_false(r.enough);
        add(bins, 1, true, 1);
    }
    audit_report_of(bins, &r);
    assert_true(r.enough);
    assert_true(isnan(r.auc) && isnan(r.brier_skill));
    assert_true(r.brier == 0 && isfinite(r.log_loss) && isfinite(r.bias_p));
    for (int i = 0; i < AUDIT_MIN; i++)
        add(bins, 1, false, 1); /* and now all wrong */
    audit_report_of(bins, &r);
    assert_true(r.auc > 0.499 && r.auc < 0.501);
    assert_true(r.bias_p < 1e-6 && isfinite(r.log_loss));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_the_outcomes),
        cmocka_unit_test(a_biased_forecaster_is_told),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(ends_and_thin_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
