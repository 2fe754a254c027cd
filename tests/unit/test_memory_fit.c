/* The fit of FSRS's weights: derivatives against differences, learners whose weights are known, and
 * histories that no learner has. */
#include "base/assert.h"
#include "base/rng.h"
#include "twin/memory_fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS_MAX = 20000 };

static struct memory_step steps[STEPS_MAX];

/* Cards of a learner who forgets by `truth`, reviewed at mixed gaps, some on the same day. */
static int32_t invent(const struct memory_weights *truth, uint64_t seed, int32_t count)
{
    struct memory_state s = {0, 0};
    struct rng rng;

    rng_seed(&rng, seed);
    for (int32_t i = 0; i < count; i++) {
        bool first = i % 8 == 0;
        int32_t days = -1;
        enum memory_grade grade;

        if (first) {
            s = (struct memory_state){0, 0};
            grade = (enum memory_grade)(1 + rng_below(&rng, 4));
        } else {
            double wanted = memory_interval(truth, s.stability, 0.7 + 0.29 * rng_unit(&rng));

            days = rng_below(&rng, 6) ? (int32_t)fmin(fmax(1, wanted), 2000) : 0;
            bool recalled = rng_unit(&rng) < memory_recall(truth, s.stability, days);
            grade = recalled ? (enum memory_grade)(2 + rng_below(&rng, 3)) : GRADE_AGAIN;
        }
        steps[i] = (struct memory_step){days, (uint8_t)grade};
        s = memory_review(truth, s, grade, days < 0 ? 0 : days);
    }
    return count;
}

static struct memory_weights other_learner(void)
{
    struct memory_weights w = memory_default;

    w.w[0] = 0.6, w.w[1] = 0.9, w.w[2] = 5, w.w[3] = 14;
    w.w[8] = 1.4, w.w[11] = 1.2, w.w[13] = 0.35, w.w[17] = 0.8, w.w[20] = 0.35;
    return w;
}

/* The same loss by the plain recursions of memory.h. */
static double plain_loss(const struct memory_weights *w, int32_t count)
{
    struct memory_state s = {0, 0};
    double loss = 0;

    for (int32_t i = 0; i < count; i++) {
        if (steps[i].days < 0)
            s = (struct memory_state){0, 0};
        if (steps[i].days >= 1) {
            double r = memory_recall(w, s.stability, steps[i].days);

            loss -= log(steps[i].grade > GRADE_AGAIN ? r : 1 - r);
        }
        s = memory_review(w, s, (enum memory_grade)steps[i].grade, fmax(steps[i].days, 0));
    }
    return loss;
}

static void the_loss_is_that_of_the_model(void **state)
{
    (void)state;
    struct memory_weights w = other_learner();
    double g[MEMORY_WEIGHTS];
    int32_t n = invent(&memory_default, 3, 4000);

    assert_true(fabs(memory_fit_loss(&w, steps, n, g) / plain_loss(&w, n) - 1) < 1e-10);
    assert_true(
        fabs(memory_fit_loss(&memory_default, steps, n, g) / plain_loss(&memory_default, n) - 1) <
        1e-10);
}

static void derivatives_equal_differences(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 5);
    for (int round = 0; round < 20; round++) {
        struct memory_weights w = other_learner();
        double g[MEMORY_WEIGHTS], ignored[MEMORY_WEIGHTS];
        int32_t n = invent(&w, 50 + (uint64_t)round, 400);

        for (int i = 0; i < MEMORY_WEIGHTS; i++) { /* somewhere else, within the ranges */
            double low, high;
            memory_weight_range(i, &low, &high);
            w.w[i] = fmin(fmax(w.w[i] * (0.7 + 0.6 * rng_unit(&rng)), low), high);
        }
        memory_fit_loss(&w, steps, n, g);
        for (int i = 0; i < MEMORY_WEIGHTS; i++) {
            double h = 1e-5 * fmax(w.w[i], 0.01);
            struct memory_weights up = w, down = w;

            up.w[i] += h, down.w[i] -= h;
            double d = (memory_fit_loss(&up, steps, n, ignored) -
                        memory_fit_loss(&down, steps, n, ignored)) /
                       (2 * h);
            /* a bend (a clamp, the lapse's cap) may lie between the two points */
            if (fabs(d - g[i]) > 1e-4 * (1 + fabs(g[i])))
                assert_true(fabs(d - g[i]) < 0.05 * (1 + fabs(g[i])));
        }
    }
}

static void finds_a_learner_unlike_the_published(void **state)
{
    (void)state;
    struct memory_weights truth = other_learner();
    struct memory_fit fit;
    int32_t n = invent(&truth, 11, 12000);

    assert_int_equal(memory_fit(steps, n, &memory_prior_default, &fit), ERR_OK);
    assert_int_equal(fit.outcome, MEMORY_FIT_DONE);
    assert_true(fit.loss < fit.loss_before);
    assert_true(fit.steps < MEMORY_FIT_STEPS_MAX);
    for (int i = 0; i < 4; i++) /* the first stabilities are what the reviews tell best */
        assert_true(fabs(log(fit.weights.w[i] / truth.w[i])) < 4 * fit.sd[i]);
    for (int i = 0; i < MEMORY_WEIGHTS; i++)
        assert_true(fit.sd[i] > 0 && fit.sd[i] <= memory_prior_default.sd[i] * 1.0001);

    n = invent(&truth, 12, 12000); /* reviews that it has not seen */
    double best = plain_loss(&truth, n), ours = plain_loss(&fit.weights, n),
           published = plain_loss(&memory_default, n);
    assert_true(ours < published);
    /* one learner's 9,000 outcomes leave some room for 21 weights */
    assert_true(ours - best < 0.35 * (published - best));
}

static void leaves_a_published_learner_alone(void **state)
{
    (void)state;
    struct memory_fit fit;
    int32_t n = invent(&memory_default, 21, 12000);

    assert_int_equal(memory_fit(steps, n, &memory_prior_default, &fit), ERR_OK);
    n = invent(&memory_default, 22, 12000);
    double g[MEMORY_WEIGHTS], judged = fit.judged;
    assert_true(memory_fit_loss(&fit.weights, steps, n, g) / judged <
                memory_fit_loss(&memory_default, steps, n, g) / judged + 0.003);
}

static void the_same_reviews_give_the_same_bits(void **state)
{
    (void)state;
    struct memory_fit a, b;
    int32_t n = invent(&memory_default, 31, 3000);

    assert_int_equal(memory_fit(steps, n, &memory_prior_default, &a), ERR_OK);
    assert_int_equal(memory_fit(steps, n, &memory_prior_default, &b), ERR_OK);
    assert_memory_equal(&a.weights, &b.weights, sizeof a.weights);
}

static void a_local_minimum_pushes_nowhere(void **state)
{
    (void)state;
    const struct memory_prior *prior = &memory_prior_default;
    struct memory_weights truth = other_learner();
    struct memory_fit fit;
    double g[MEMORY_WEIGHTS];
    int32_t n = invent(&truth, 41, 6000);

    assert_int_equal(memory_fit(steps, n, prior, &fit), ERR_OK);
    memory_fit_loss(&fit.weights, steps, n, g);
    for (int i = 0; i < MEMORY_WEIGHTS; i++) {
        double low, high, x = fit.weights.w[i], mean = prior->mean.w[i];
        bool log_scale = MEMORY_LOGS >> i & 1;

        memory_weight_range(i, &low, &high);
        assert_true(x >= low && x <= high);
        double slope = log_scale ? g[i] * x + log(x / mean) / (prior->sd[i] * prior->sd[i])
                                 : g[i] + (x - mean) / (prior->sd[i] * prior->sd[i]);
        if (x > low && x < high) /* less than 0.05 nats to gain; bends are why it is not less */
            assert_true(fabs(slope) * fit.sd[i] < 0.3);
    }
}

static void too_little_gives_the_prior(void **state)
{
    (void)state;
    struct memory_fit fit;

    assert_int_equal(memory_fit(NULL, 0, &memory_prior_default, &fit), ERR_OK);
    assert_int_equal(fit.outcome, MEMORY_FIT_TOO_FEW);
    assert_int_equal(fit.judged, 0);
    assert_true(isnan(fit.loss));
    assert_memory_equal(&fit.weights, &memory_default, sizeof fit.weights);
    steps[0] = (struct memory_step){-1, GRADE_GOOD};
    assert_int_equal(memory_fit(steps, 1, &memory_prior_default, &fit), ERR_OK);
    assert_int_equal(fit.outcome, MEMORY_FIT_TOO_FEW);
    for (int i = 0; i < 500; i++) /* nothing but first reviews */
        steps[i] = (struct memory_step){-1, GRADE_AGAIN};
    assert_int_equal(memory_fit(steps, 500, &memory_prior_default, &fit), ERR_OK);
    assert_int_equal(fit.outcome, MEMORY_FIT_TOO_FEW);
}

static void expect_sane(int32_t n)
{
    struct memory_fit fit;

    assert_int_equal(memory_fit(steps, n, &memory_prior_default, &fit), ERR_OK);
    for (int i = 0; i < MEMORY_WEIGHTS; i++) {
        double low, high;

        memory_weight_range(i, &low, &high);
        assert_true(fit.weights.w[i] >= low && fit.weights.w[i] <= high);
        assert_true(isfinite(fit.sd[i]) && fit.sd[i] > 0);
    }
    assert_true(isfinite(fit.loss) && fit.loss <= fit.loss_before + 1e-9);
}

static void odd_histories_give_finite_weights(void **state)
{
    (void)state;
    static const int32_t gaps[] = {0, 1, 30, 36500, INT32_MAX};

    for (size_t g = 0; g < COUNT(gaps); g++)
        for (int grade = 0; grade <= 5; grade++) {
            for (int i = 0; i < 600; i++)
                steps[i] = (struct memory_step){i % 40 ? gaps[g] : -1, (uint8_t)grade};
            if (gaps[g] == 0 || grade == 0 || grade == 5)
                steps[599] = (struct memory_step){3, GRADE_GOOD}; /* so that one is judged */
            steps[598] = (struct memory_step){1, GRADE_GOOD};
            expect_sane(600);
        }
    struct rng rng;
    rng_seed(&rng, 77);
    for (int round = 0; round < 30; round++) { /* noise, never begun cards, no grades */
        for (int i = 0; i < 500; i++)
            steps[i] =
                (struct memory_step){(int32_t)rng_below(&rng, 12) - 1, (uint8_t)rng_below(&rng, 6)};
        expect_sane(500);
    }
}

static void bad_priors_and_counts_are_refused(void **state)
{
    (void)state;
    struct memory_prior p = memory_prior_default;
    struct memory_fit fit;

    assert_int_equal(memory_fit(steps, -1, &p, &fit), ERR_RANGE);
    assert_int_equal(memory_fit(steps, MEMORY_FIT_REVIEWS_MAX + 1, &p, &fit), ERR_RANGE);
    p.sd[4] = 0;
    assert_int_equal(memory_fit(steps, 0, &p, &fit), ERR_RANGE);
    p.sd[4] = NAN;
    assert_int_equal(memory_fit(steps, 0, &p, &fit), ERR_RANGE);
    p = memory_prior_default;
    p.mean.w[20] = 5;
    assert_int_equal(memory_fit(steps, 0, &p, &fit), ERR_RANGE);
}

static void a_population_moves_the_prior(void **state)
{
    (void)state;
    struct memory_weights truth = other_learner();
    static struct memory_fit fits[6];
    const struct memory_fit *learners[6];
    struct memory_prior none, some;

    for (int i = 0; i < 6; i++) {
        int32_t n = invent(&truth, 60 + (uint64_t)i, 8000);
        assert_int_equal(memory_fit(steps, n, &memory_prior_default, &fits[i]), ERR_OK);
        learners[i] = &fits[i];
    }
    memory_prior_from(NULL, 0, &memory_prior_default, 2, &none);
    for (int i = 0; i < MEMORY_WEIGHTS; i++) {
        assert_true(fabs(none.mean.w[i] - memory_default.w[i]) < 1e-9);
        assert_true(fabs(none.sd[i] - memory_prior_default.sd[i]) < 1e-9);
    }
    memory_prior_from(learners, 6, &memory_prior_default, 2, &some);
    int32_t n = invent(&truth, 99, 200); /* a new learner with few reviews gains by it */
    struct memory_fit with, without;
    assert_int_equal(memory_fit(steps, n, &some, &with), ERR_OK);
    assert_int_equal(memory_fit(steps, n, &memory_prior_default, &without), ERR_OK);
    n = invent(&truth, 100, 12000);
    assert_true(plain_loss(&with.weights, n) < plain_loss(&without.weights, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_that_of_the_model),
        cmocka_unit_test(derivatives_equal_differences),
        cmocka_unit_test(finds_a_learner_unlike_the_published),
        cmocka_unit_test(leaves_a_published_learner_alone),
        cmocka_unit_test(the_same_reviews_give_the_same_bits),
        cmocka_unit_test(a_local_minimum_pushes_nowhere),
        cmocka_unit_test(too_little_gives_the_prior),
        cmocka_unit_test(odd_histories_give_finite_weights),
        cmocka_unit_test(bad_priors_and_counts_are_refused),
        cmocka_unit_test(a_population_moves_the_prior),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
