/* The scores against values computed by hand. */
#include "test.h"

#include "base/rng.h"
#include "eval/score.h"

#include <stdlib.h>

static void four_forecasts_by_hand(void **state)
{
    (void)state;
    static const struct forecast f[] = {{0.8f, 1, 0}, {0.6f, 0, 0}, {0.6f, 1, 1}, {0.2f, 0, 1}};
    struct scores s;

    assert_int_equal(scores_of(f, 4, 2, 0, &s), ERR_OK);
    assert_int_equal(s.n, 4);
    assert_near(s.share, 0.5, 1e-12);
    /* pairs (yes, no): .8>.6, .8>.2, .6=.6 (half), .6>.2: 3.5 of 4 */
    assert_near(s.auc.value, 0.875, 1e-12);
    assert_near(s.log_loss.value, -(log(0.8) + log(0.4) + log(0.6) + log(0.8)) / 4, 1e-6);
    assert_near(s.brier.value, (0.04 + 0.36 + 0.16 + 0.04) / 4, 1e-6);
    /* bins: {.2}, {.6, .6}, {.8}: off by .2, .1 (.6 against .5), .2 */
    assert_near(s.ece.value, 0.25 * 0.2 + 0.5 * 0.1 + 0.25 * 0.2, 1e-6);
    assert_near(s.reliability, 0.25 * 0.04 + 0.5 * 0.01 + 0.25 * 0.04, 1e-6);
    assert_near(s.resolution, 0.25 * 0.25 + 0.25 * 0.25, 1e-6);
    assert_near(s.uncertainty, 0.25, 1e-12);
    /* Murphy: Brier = reliability - resolution + uncertainty, when a bin holds one probability */
    assert_near(s.brier.value, s.reliability - s.resolution + s.uncertainty, 1e-6);
    assert_true(isnan(s.auc.low) && isnan(s.ece.high));
}

static void a_sure_miss_costs_a_bounded_loss(void **state)
{
    (void)state;
    static const struct forecast f[] = {{1, 0, 0}, {0, 1, 0}};
    struct scores s;

    assert_int_equal(scores_of(f, 2, 1, 100, &s), ERR_OK);
    assert_near(s.log_loss.value, -log(0.0005), 1e-9);
    assert_near(s.auc.value, 0, 1e-12);
    assert_near(s.brier.value, 1, 1e-12);
    assert_near(s.ece.value, 1, 1e-12);
    assert_true(isnan(s.log_loss.low)); /* one learner has no interval */
}

static void what_is_undefined_is_nan(void **state)
{
    (void)state;
    static const struct forecast f[] = {{0.7f, 1, 0}, {0.9f, 1, 1}};
    struct scores s;

    assert_int_equal(scores_of(f, 2, 2, 50, &s), ERR_OK);
    assert_true(isnan(s.auc.value) && isnan(s.auc.low)); /* all right: nothing to rank */
    assert_false(isnan(s.log_loss.low));
    assert_int_equal(scores_of(NULL, 0, 0, 50, &s), ERR_OK);
    assert_true(isnan(s.share) && isnan(s.brier.value) && isnan(s.uncertainty));
}

/* Learners who are alike in themselves: resampling answers would give a far narrower interval. */
static void intervals_are_of_whole_learners(void **state)
{
    (void)state;
    enum { LEARNERS = 100, EACH = 50, ROUNDS = 40 };
    static struct forecast f[LEARNERS * EACH];
    struct rng rng;
    int covered = 0;
    double width = 0;

    rng_seed(&rng, 5);
    for (int round = 0; round < ROUNDS; round++) {
        struct scores s;

        for (uint32_t i = 0; i < LEARNERS; i++) {
            double q = i % 2 ? 0.9 : 0.1; /* half of the learners are far better than the rest */
            bool drawn = rng_unit(&rng) < 0.5;

            for (int j = 0; j < EACH; j++)
                f[i * EACH + (uint32_t)j] =
                    (struct forecast){(float)(drawn ? 0.5 : 0.9), rng_unit(&rng) < q, i};
        }
        assert_int_equal(scores_of(f, LEARNERS * EACH, LEARNERS, 200, &s), ERR_OK);
        /* expected Brier: .25 for drawn; .9*.01+.1*.81 = .09 or .1*.01+.9*.81 = .73 else */
        covered += s.brier.low <= 0.33 && 0.33 <= s.brier.high;
        width += s.brier.high - s.brier.low;
        assert_true(s.brier.low <= s.brier.value && s.brier.value <= s.brier.high);
    }
    assert_true(covered >= ROUNDS * 8 / 10);
    /* the standard deviation between learners is .24: 4 * .24 / sqrt(100) */
    assert_near(width / ROUNDS, 0.094, 0.02);
}

static void calibrated_forecasts_have_little_error(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct forecast *f = calloc(N, sizeof *f);
    struct scores s;
    struct rng rng;

    assert_non_null(f);
    rng_seed(&rng, 9);
    for (int i = 0; i < N; i++) {
        float p = (float)rng_unit(&rng);

        f[i] = (struct forecast){p, rng_unit(&rng) < (double)p, 0};
    }
    assert_int_equal(scores_of(f, N, 1, 0, &s), ERR_OK);
    assert_true(s.ece.value < 0.006);
    assert_near(s.auc.value, 5.0 / 6, 0.003); /* of p uniform */
    assert_near(s.brier.value, 1.0 / 6, 0.003);
    assert_near(s.log_loss.value, 0.5, 0.005);
    free(f);
}

static void prints_tab_separated_lines(void **state)
{
    (void)state;
    char text[512] = "";
    FILE *out = fmemopen(text, sizeof text, "w");

    assert_non_null(out);
    score_print(out, "a", "test", "m", "auc", (struct score){0.5, (double)NAN, 0.75}, 12);
    fclose(out);
    assert_string_equal(text, "a\ttest\tm\tauc\t0.5000\t-\t0.7500\t12\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_forecasts_by_hand),
        cmocka_unit_test(a_sure_miss_costs_a_bounded_loss),
        cmocka_unit_test(what_is_undefined_is_nan),
        cmocka_unit_test(intervals_are_of_whole_learners),
        cmocka_unit_test(calibrated_forecasts_have_little_error),
        cmocka_unit_test(prints_tab_separated_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
