/* The recall forecast on learners whose forgetting is known. */
#include "base/assert.h"
#include "base/rng.h"
#include "twin/recall.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { CARDS = 200, DAYS = 120 };

struct outcome {
    double loss, curve_loss, predicted, recalled;
    int n;
};

/* A learner who forgets `faster` times as fast as the curve says. */
static void live(double faster, uint64_t seed, struct recall_weights *w, struct outcome *o)
{
    static struct recall_card cards[CARDS];
    struct recall_level level;
    struct rng rng;

    memset(cards, 0, sizeof cards);
    recall_level_init(&level);
    rng_seed(&rng, seed);
    for (int32_t day = 0; day < DAYS; day++) {
        for (int i = 0; i < CARDS; i++) {
            struct recall_card *c = &cards[i];
            bool fresh = !(c->memory.stability > 0);
            if (fresh ? rng_below(&rng, 30) : rng_below(&rng, 6))
                continue;
            int64_t now = (int64_t)day * 86400 + i * 20;
            enum memory_grade grade = GRADE_GOOD;
            if (!fresh && day > c->last_day) {
                double truth = memory_recall(&memory_default, c->memory.stability / faster, day - c->last_day);
                bool remembered = rng_unit(&rng) < truth;
                struct recall_inputs in;
                struct recall_forecast f;
                recall_read(&memory_default, c, &level, day, now, &in);
                recall_predict(w, &in, &f);
                recall_learn(w, &in, &f, remembered);
                grade = remembered ? GRADE_GOOD : GRADE_AGAIN;
                if (day > DAYS / 2) { /* scored once it has had time to learn */
                    double curve = fmin(fmax(in.curve, 0.001), 0.999);
                    o->loss -= log(remembered ? f.probability : 1 - f.probability);
                    o->curve_loss -= log(remembered ? curve : 1 - curve);
                    o->predicted += f.probability;
                    o->recalled += remembered;
                    o->n++;
                }
            }
            recall_review(&memory_default, c, &level, grade, day, now);
        }
    }
}

static void calibrates_to_a_learner_unlike_the_curve(void **state)
{
    (void)state;
    static const double faster[] = { 0.25, 1, 4, 12 };

    for (size_t i = 0; i < COUNT(faster); i++) {
        struct recall_weights w;
        struct outcome o = { 0 };
        recall_weights_init(&w, NULL);
        live(faster[i], 100 + i, &w, &o);
        assert_true(o.n > 1000);
        /* three standard errors of a share */
        assert_true(fabs(o.predicted - o.recalled) / o.n < 3 * sqrt(0.25 / o.n));
        if (faster[i] > 1)
            assert_true(o.loss < o.curve_loss);
        else
            assert_true(o.loss < o.curve_loss + 0.01 * o.n); /* where the curve is right little is lost */
    }
}

static void a_new_learner_gets_what_the_curve_says(void **state)
{
    (void)state;
    struct recall_weights w;
    struct recall_card c = { 0 };
    struct recall_level level;
    struct recall_inputs in;
    struct recall_forecast f;

    recall_weights_init(&w, NULL);
    recall_level_init(&level);
    recall_review(&memory_default, &c, &level, GRADE_GOOD, 10, 0);
    recall_read(&memory_default, &c, &level, 14, 0, &in);
    recall_predict(&w, &in, &f);
    assert_true(fabs(1 / (1 + exp(-f.logit)) - in.curve) < 1e-12);
    assert_true(f.variance > 0);
    assert_true(fabs(f.probability - 0.5) <= fabs(in.curve - 0.5)); /* unsure weights pull to the middle */
}

static void hostile_histories_stay_finite(void **state)
{
    (void)state;
    struct recall_weights w;
    struct recall_card c = { 0 };
    struct recall_level level;
    struct rng rng;

    recall_weights_init(&w, NULL);
    recall_level_init(&level);
    rng_seed(&rng, 5);
    for (int i = 0; i < 5000; i++) {
        /* days also run backwards, and grades out of range */
        int32_t day = (int32_t)rng_below(&rng, 40000) - 20000;
        int64_t now = (int64_t)rng_u64(&rng) / 4;
        if (c.memory.stability > 0) {
            struct recall_inputs in;
            struct recall_forecast f;
            recall_read(&memory_default, &c, &level, day, now, &in);
            recall_predict(&w, &in, &f);
            assert_true(f.probability >= 0.001 && f.probability <= 0.999 && f.variance >= -1e-9);
            recall_learn(&w, &in, &f, rng_below(&rng, 2));
        }
        recall_review(&memory_default, &c, &level, (enum memory_grade)rng_below(&rng, 6), day, now);
    }
    for (int i = 0; i < RECALL_INPUTS; i++)
        assert_true(isfinite(w.mean[i]) && w.covariance[i][i] > 0);
}

static void a_population_is_the_prior_of_the_next(void **state)
{
    (void)state;
    struct recall_weights a, b, ret, curve;
    const struct recall_weights *both[] = {&a, &b};

    recall_weights_init(&curve, NULL);
    recall_population(NULL, 0, &ret);
    assert_memory_equal(&ret, &curve, sizeof ret);
    a = b = curve;
    a.mean[3] = 0.5, b.mean[3] = -0.1;
    a.covariance[3][3] = 0.01, b.covariance[3][3] = 0.03;
    a.covariance[3][4] = a.covariance[4][3] = 0.005;
    a.reviews = 900;
    recall_population(both, 2, &ret);
    assert_true(fabs(ret.mean[3] - 0.2) < 1e-12);
    /* each is 0.3 from the mean; uncertain by 0.02 on average */
    assert_true(fabs(ret.covariance[3][3] - (0.09 + 0.02)) < 1e-12);
    assert_true(fabs(ret.covariance[3][4]) < 1e-12);
    assert_true(fabs(ret.mean[1] - 1) < 1e-12);
    recall_weights_init(&b, &ret);
    assert_int_equal(b.reviews, 0);
    assert_true(fabs(b.covariance[3][3] - 0.11) < 1e-12);
}

/* The promise of the average, on a pair of which either may be right. */
static void the_average_loses_little_to_the_better(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 9);
    for (int which = 0; which < 3; which++) {
        struct recall_trust t = { 0 };
        double loss[2] = { 0, 0 }, ours = 0;
        for (int i = 0; i < 5000; i++) {
            double p[2] = { rng_unit(&rng), rng_unit(&rng) };
            bool y = rng_unit(&rng) < (which < 2 ? p[which] : i % 2); /* 2: neither knows */
            double q = recall_trust_average(&t, p[0], p[1]);
            assert_true(q >= fmin(fmin(p[0], p[1]), 0.999) && q <= fmax(fmax(p[0], p[1]), 0.001));
            recall_trust_learn(&t, p[0], p[1], y);
            ours -= log(y ? q : 1 - q);
            for (int j = 0; j < 2; j++) {
                double r = fmin(fmax(p[j], 0.001), 0.999);
                loss[j] -= log(y ? r : 1 - r);
            }
        }
        assert_true(ours <= fmin(loss[0], loss[1]) + log(2) + 1e-6);
        assert_true(isfinite(t.log_odds));
    }
}

/* Weights of a learner who seems to remember better what was left longer: the regression believes
 * it, what is shown does not. */
static void longer_absence_never_raises_what_is_shown(void **state)
{
    (void)state;
    struct rng rng;
    int raised = 0;

    rng_seed(&rng, 77);
    for (int round = 0; round < 60; round++) {
        struct recall_weights w;
        struct recall_level level;
        struct recall_card c = { 0 };
        int32_t day = 0;

        recall_weights_init(&w, NULL);
        recall_level_init(&level);
        for (int i = 0; i < 80; i++) { /* longer gaps are remembered, short ones are not */
            int32_t gap = (int32_t)rng_below(&rng, 3) ? (int32_t)rng_below(&rng, 40) : 0;
            bool remembered = gap > 10 ? rng_below(&rng, 10) > 0 : rng_below(&rng, 10) < 4;

            day += gap;
            if (c.memory.stability > 0 && gap > 0) {
                struct recall_inputs in;
                struct recall_forecast f;

                recall_read(&memory_default, &c, &level, day, 0, &in);
                recall_predict(&w, &in, &f);
                recall_learn(&w, &in, &f, remembered);
            }
            recall_review(&memory_default, &c, &level, remembered ? GRADE_GOOD : GRADE_AGAIN, day, 0);
        }
        level.day = INT32_MIN; /* no form of the day: absence is all that changes */
        double last = 1, last_raw = 1;
        for (int32_t gap = 0; gap < 100000; gap += 1 + gap / 10 * (int32_t)(1 + rng_below(&rng, 3)) / 2) {
            struct recall_inputs in;
            struct recall_forecast f;
            double p = recall_forecast(&w, &memory_default, &c, &level, day + gap, 0);

            recall_read(&memory_default, &c, &level, day + gap, 0, &in);
            recall_predict(&w, &in, &f);
            assert_true(p >= 0.001 && p <= 0.999);
            assert_true(p <= last + 1e-12);
            raised += f.probability > last_raw + 1e-6;
            last = p;
            last_raw = f.probability;
        }
        assert_true(recall_forecast(&w, &memory_default, &c, &level, INT32_MAX, 0) <= last + 1e-12);
        /* a day that lies before the last review is the same day */
        assert_true(recall_forecast(&w, &memory_default, &c, &level, INT32_MIN + 1, 0) >= last);
    }
    assert_true(raised > 100); /* or this would have shown nothing */
}

/* Where the regression does not rise by itself, what is shown is what it says. */
static void what_is_shown_is_the_forecast(void **state)
{
    (void)state;
    struct recall_weights w;
    struct recall_level level;
    struct recall_card c = { 0 };

    recall_weights_init(&w, NULL);
    recall_level_init(&level);
    for (int i = 0; i < 4; i++)
        recall_review(&memory_default, &c, &level, GRADE_GOOD, i * i, 0);
    for (int32_t gap = 1; gap < 400; gap += gap) {
        for (int32_t g = gap; g <= gap + gap / 2; g += 1 + gap / 2) {
            struct recall_inputs in;
            struct recall_forecast f;

            recall_read(&memory_default, &c, &level, 9 + g, 0, &in);
            recall_predict(&w, &in, &f);
            double p = recall_forecast(&w, &memory_default, &c, &level, 9 + g, 0);
            assert_true(fabs(p - f.probability) < (g == gap ? 1e-12 : 0.02));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_average_loses_little_to_the_better),
        cmocka_unit_test(longer_absence_never_raises_what_is_shown),
        cmocka_unit_test(what_is_shown_is_the_forecast),
        cmocka_unit_test(a_population_is_the_prior_of_the_next),
        cmocka_unit_test(calibrates_to_a_learner_unlike_the_curve),
        cmocka_unit_test(a_new_learner_gets_what_the_curve_says),
        cmocka_unit_test(hostile_histories_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
