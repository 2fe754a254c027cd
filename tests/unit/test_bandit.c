/* Bandit: propensities are the true ones, rewards may be late, other policies are valued rightly.
 */
#include "test.h"
#include "twin/bandit.h"

#include <stdlib.h>
#include <string.h>

static void rewards_are_the_contracts(void **state)
{
    (void)state;
    static const struct {
        struct bandit_outcome o;
        double legacy;
    } rows[] = {
        {{.2, .15, .9, 4.5}, .69625}, {{-.1, -.05, .4, 2}, .525},  {{.1, .1, .8, NAN}, .615},
        {{.3, .2, .85, NAN}, .675},   {{-.2, -.1, .3, NAN}, .475}, {{1, 1, 1, 5}, 1},
        {{-1, -1, 0, 1}, .15},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_near(bandit_reward_legacy(&rows[i].o), rows[i].legacy, 1e-12);
    /* ours uses the whole range, and leaves no outcome's place to chance */
    assert_near(bandit_reward_of(&rows[5].o), 1, 1e-12);
    assert_near(bandit_reward_of(&rows[6].o), 0, 1e-12);
    assert_near(bandit_reward_of(&(struct bandit_outcome){0, 0, .5, NAN}), .5, 1e-12);
    assert_near(bandit_reward_of(&(struct bandit_outcome){0, 0, .5, 3}), .5, 1e-12);
    assert_true(bandit_reward_of(&rows[1].o) < .5 && bandit_reward_of(&rows[4].o) < .5);
    assert_near(bandit_confidence_legacy(0, 1, 1), .5, 0);
    assert_near(bandit_confidence_legacy(1, 2, 1), .0499, 5e-5);
    assert_near(bandit_confidence_legacy(20, 21, 1), .4528, 5e-5);
    assert_near(bandit_confidence_legacy(50, 51, 1), .8790, 5e-5);
    assert_near(bandit_confidence_legacy(100, 101, 1), .9608, 5e-5);
}

static struct bandit made(int32_t arms, double floor, double memory)
{
    struct bandit b;

    assert_int_equal(bandit_init(&b, arms, floor, memory), ERR_OK);
    assert_true(bandit_valid(&b));
    return b;
}

static void propensities_are_the_chances_to_be_best(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    static const double shapes[][4][2] = {
        {{1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {{3, 7}, {5, 5}, {2, 2}, {9, 4}},
        {{600, 400}, {620, 380}, {590, 410}, {1, 1}},
        {{1e5, 1e5}, {1, 300}, {40, 2}, {1e5, 1.01e5}},
    };
    struct rng rng;

    rng_seed(&rng, 1);
    for (size_t s = 0; s < COUNT(shapes); s++) {
        struct bandit b = made(4, 0, 1);
        double p[BANDIT_ARMS_MAX], best[4] = {0}, sum = 0;

        for (int i = 0; i < 4; i++)
            b.arms[i].a = shapes[s][i][0], b.arms[i].b = shapes[s][i][1];
        bandit_propensities(&b, p);
        for (int d = 0; d < DRAWS; d++) {
            int at = 0;
            double top = -1;

            for (int i = 0; i < 4; i++) {
                double v = rng_beta(&rng, b.arms[i].a, b.arms[i].b);

                if (v > top)
                    top = v, at = i;
            }
            best[at]++;
        }
        for (int i = 0; i < 4; i++) {
            assert_near(p[i], best[i] / DRAWS, 0.008);
            sum += p[i];
        }
        assert_near(sum, 1, 1e-12);
        assert_true(p[4] <= 0 && p[7] <= 0);
        b.floor = 0.05;
        bandit_propensities(&b, p);
        for (int i = 0; i < 4; i++)
            assert_true(p[i] >= 0.05);
    }
}

static void choices_follow_the_logged_propensities(void **state)
{
    (void)state;
    enum { N = 4000 };
    struct bandit b = made(3, 0.02, 1);
    double chosen[3] = {0}, p[BANDIT_ARMS_MAX];
    struct rng rng;

    b.arms[1].a = 8;
    b.arms[2].b = 3;
    bandit_propensities(&b, p);
    rng_seed(&rng, 2);
    for (int i = 0; i < N; i++) {
        struct bandit_decision d = bandit_choose(&b, &rng);

        assert_true(d.learnable && d.propensity >= p[d.arm] && d.propensity <= p[d.arm]);
        chosen[d.arm]++;
    }
    for (int i = 0; i < 3; i++)
        assert_near(chosen[i] / N, p[i], 0.03);
}

static void the_best_arm_is_found_though_rewards_are_late(void **state)
{
    (void)state;
    enum { LATE = 20, ROUNDS = 600 };
    static const double mean[4] = {.6, .55, .8, .5};
    struct bandit b = made(4, 0.01, 1);
    struct bandit_decision open[ROUNDS];
    struct rng rng;
    int late_half[4] = {0};

    rng_seed(&rng, 3);
    for (int i = 0; i < ROUNDS; i++) {
        open[i] = bandit_choose(&b, &rng);
        late_half[open[i].arm] += i >= ROUNDS / 2;
        if (i < LATE)
            continue;
        const struct bandit_decision *d = &open[i - LATE];
        assert_int_equal(bandit_reward(&b, d, rng_unit(&rng) < mean[d->arm]), ERR_OK);
        assert_true(bandit_valid(&b));
    }
    assert_true(late_half[2] > ROUNDS / 2 * 7 / 10);
    for (int i = ROUNDS - LATE; i < ROUNDS; i++)
        assert_int_equal(bandit_expire(&b, &open[i]), ERR_OK);
    assert_int_equal(bandit_expire(&b, &open[0]), ERR_CONFLICT);
    assert_int_equal(bandit_reward(&b, &open[0], 1), ERR_CONFLICT);
}

static void fading_memory_follows_a_change(void **state)
{
    (void)state;
    struct bandit b = made(2, 0.05, 0.98);
    struct rng rng;
    int good = 0;

    rng_seed(&rng, 4);
    for (int i = 0; i < 2000; i++) {
        struct bandit_decision d = bandit_choose(&b, &rng);
        int better = i < 1000 ? 0 : 1;

        good += i >= 1500 && d.arm == better;
        assert_int_equal(bandit_reward(&b, &d, rng_unit(&rng) < (d.arm == better ? .7 : .3)),
                         ERR_OK);
    }
    assert_true(good > 375);
}

static void frozen_means_frozen(void **state)
{
    (void)state;
    struct bandit b = made(3, 0.1, 1);
    struct rng rng;

    b.arms[2].a = 3;
    b.frozen = true;
    rng_seed(&rng, 5);
    for (int i = 0; i < 50; i++) {
        struct bandit_decision d = bandit_choose(&b, &rng);

        assert_true(d.arm == 2 && d.propensity >= 1 && !d.learnable);
        assert_int_equal(bandit_reward(&b, &d, 0), ERR_OK);
    }
    assert_near(b.arms[2].a, 3, 0);
    assert_near(b.arms[2].b, 1, 0);
    assert_int_equal(b.arms[2].rewards, 50);
}

static void the_holdout_stays_and_has_its_share(void **state)
{
    (void)state;
    int held = 0, both = 0;

    for (int i = 0; i < 20000; i++) {
        char id[16];
        int n = snprintf(id, sizeof id, "u%d", i);
        struct str s = {id, (size_t)n};
        bool out = bandit_held_out(s, 7, 0.1);

        assert_true(out == bandit_held_out(s, 7, 0.1));
        assert_true(!out || bandit_held_out(s, 7, 0.2)); /* a larger share keeps the old ones */
        assert_false(bandit_held_out(s, 7, 0));
        assert_true(bandit_held_out(s, 7, 1));
        held += out;
        both += out && bandit_held_out(s, 8, 0.1);
    }
    assert_true(held > 1800 && held < 2200);
    assert_true(both < 300); /* another salt, another holdout */
}

/* Logs from a lopsided policy; the other policy's true value must lie within the intervals about as
 * often as they say. */
static void other_policies_are_valued_rightly(void **state)
{
    (void)state;
    enum { N = 400, LOGS = 200 };
    static const double mean[3] = {.3, .5, .7}, logged[3] = {.6, .3, .1}, target[3] = {.1, .1, .8};
    struct bandit_log *log = calloc(N, sizeof *log);
    double truth = .03 + .05 + .56, ips_width = 0, dr_width = 0;
    int in[3] = {0};
    struct rng rng;

    assert_non_null(log);
    rng_seed(&rng, 6);
    for (int l = 0; l < LOGS; l++) {
        struct bandit_evaluation e;

        for (int i = 0; i < N; i++) {
            double u = rng_unit(&rng);
            int arm = u < .6 ? 0 : u < .9 ? 1 : 2;

            log[i] = (struct bandit_log){arm, logged[arm], rng_unit(&rng) < mean[arm], {0}};
            memcpy(log[i].target, target, sizeof target);
        }
        assert_int_equal(bandit_evaluate(log, N, 3, &e), ERR_OK);
        const struct bandit_value *v[3] = {&e.ips, &e.snips, &e.doubly_robust};
        for (int k = 0; k < 3; k++)
            in[k] += v[k]->interval.low <= truth && truth <= v[k]->interval.high;
        ips_width += e.ips.interval.high - e.ips.interval.low;
        dr_width += e.doubly_robust.interval.high - e.doubly_robust.interval.low;
    }
    for (int k = 0; k < 3; k++)
        assert_true(in[k] >= LOGS * 88 / 100);
    assert_true(dr_width < ips_width * 0.8); /* what it is for */
    free(log);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    struct bandit b;
    struct bandit_evaluation e;
    struct bandit_log row = {0, .5, .5, {1}};

    assert_int_equal(bandit_init(&b, 0, 0, 1), ERR_RANGE);
    assert_int_equal(bandit_init(&b, BANDIT_ARMS_MAX + 1, 0, 1), ERR_RANGE);
    assert_int_equal(bandit_init(&b, 4, .3, 1), ERR_RANGE);
    assert_int_equal(bandit_init(&b, 4, NAN, 1), ERR_RANGE);
    assert_int_equal(bandit_init(&b, 4, 0, 0), ERR_RANGE);
    b = made(2, 0, 1);
    struct rng rng;
    rng_seed(&rng, 1);
    struct bandit_decision d = bandit_choose(&b, &rng), wrong = {5, .5, true};
    assert_int_equal(bandit_reward(&b, &d, NAN), ERR_RANGE);
    assert_int_equal(bandit_reward(&b, &d, 1.01), ERR_RANGE);
    assert_int_equal(bandit_reward(&b, &wrong, 1), ERR_RANGE);
    b.arms[0].a = NAN;
    assert_false(bandit_valid(&b));
    assert_int_equal(bandit_evaluate(&row, 1, 2, &e), ERR_OK);
    assert_true(isnan(e.ips.value) && isnan(e.doubly_robust.value)); /* one row is no evidence */
    assert_int_equal(bandit_evaluate(NULL, 0, 2, &e), ERR_OK);
    row.propensity = 0;
    assert_int_equal(bandit_evaluate(&row, 1, 2, &e), ERR_RANGE);
    row = (struct bandit_log){0, .5, .5, {.5, .4}};
    assert_int_equal(bandit_evaluate(&row, 1, 2, &e), ERR_RANGE);
    row = (struct bandit_log){2, .5, .5, {.5, .5}};
    assert_int_equal(bandit_evaluate(&row, 1, 2, &e), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewards_are_the_contracts),
        cmocka_unit_test(propensities_are_the_chances_to_be_best),
        cmocka_unit_test(choices_follow_the_logged_propensities),
        cmocka_unit_test(the_best_arm_is_found_though_rewards_are_late),
        cmocka_unit_test(fading_memory_follows_a_change),
        cmocka_unit_test(frozen_means_frozen),
        cmocka_unit_test(the_holdout_stays_and_has_its_share),
        cmocka_unit_test(other_policies_are_valued_rightly),
        cmocka_unit_test(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
