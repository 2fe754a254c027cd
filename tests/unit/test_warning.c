/* Early warning: bounds, reasons that sum, order independence, monotone misses, and a fit that
 * finds what made the data. */
#include "base/civil.h"
#include "base/rng.h"
#include "test.h"
#include "twin/warning.h"

#include <string.h>

static struct warning_task task(int32_t due, int32_t handed, double score, double standing)
{
    return (struct warning_task){due, handed, true, false, false, score, standing, 0.8};
}

static double risk_of(const struct warning_learner *l, int32_t day)
{
    double x[WARNING_INPUTS];
    struct warning_forecast f;

    assert_int_equal(warning_read(l, day, x), ERR_OK);
    assert_int_equal(warning_forecast(&warning_default, x, day, &f), ERR_OK);
    return f.risk;
}

static void good_work_is_less_risk_than_none(void **state)
{
    (void)state;
    const struct warning_task good[] = {task(19, 18, 85, 0.6), task(54, 52, 80, 0.4)},
                              poor[] = {task(19, 27, 35, -1.8), task(54, 60, 30, -2)},
                              none[] = {task(19, WARNING_NEVER, NAN, NAN),
                                        task(54, WARNING_NEVER, NAN, NAN)};
    struct warning_learner l = {good, 2, -60, 0, 1};
    double a = risk_of(&l, 70), b, c;

    l.tasks = poor;
    b = risk_of(&l, 70);
    l.tasks = none;
    c = risk_of(&l, 70);
    assert_true(a < 0.3 && b > a + 0.2 && c > b && c > 0.9);
}

static void only_the_past_is_read(void **state)
{
    (void)state;
    struct warning_task t[] = {task(19, 18, 70, 0), task(54, 50, 10, -3)};
    struct warning_learner l = {t, 2, -60, 0, 1};
    double before[WARNING_INPUTS], after[WARNING_INPUTS];

    assert_int_equal(warning_read(&l, 40, before), ERR_OK);
    t[1] = task(54, WARNING_NEVER, NAN, NAN);
    assert_int_equal(warning_read(&l, 40, after), ERR_OK);
    assert_memory_equal(before, after, sizeof before);
}

static struct warning_task any_task(struct rng *rng)
{
    struct warning_task t = {
        (int32_t)rng_below(rng, 240), WARNING_NEVER, rng_below(rng, 4) > 0, rng_below(rng, 2) > 0,
        rng_below(rng, 10) == 0,      (double)NAN,   (double)NAN,           rng_unit(rng)};

    if (rng_below(rng, 3)) {
        t.handed_day = t.due_day - 10 + (int32_t)rng_below(rng, 30);
        t.score = 100 * rng_unit(rng);
        t.standing = 2 * rng_normal(rng);
    }
    return t;
}

static void forecasts_are_bounded_and_their_reasons_sum(void **state)
{
    (void)state;
    struct warning_task t[WARNING_TASKS_MAX], back[WARNING_TASKS_MAX];
    struct rng rng;

    rng_seed(&rng, 1);
    for (int i = 0; i < 3000; i++) {
        int32_t n = (int32_t)rng_below(&rng, 20), day = 14 + (int32_t)rng_below(&rng, 300);
        struct warning_learner l = {t, n, (int32_t)rng_below(&rng, 200) - 150,
                                    (int32_t)rng_below(&rng, 3), rng_unit(&rng) * 3};
        double x[WARNING_INPUTS], y[WARNING_INPUTS], sum = 0;
        struct warning_forecast f;

        for (int32_t j = 0; j < n; j++)
            t[j] = back[n - 1 - j] = any_task(&rng);
        assert_int_equal(warning_read(&l, day, x), ERR_OK);
        l.tasks = back;
        assert_int_equal(warning_read(&l, day, y), ERR_OK);
        for (int j = 0; j < WARNING_INPUTS; j++)
            assert_near(x[j], y[j], 1e-9);
        assert_int_equal(warning_forecast(&warning_default, x, day, &f), ERR_OK);
        for (int r = 0; r < WARNING_REASONS; r++)
            sum += f.reasons[r];
        assert_true(f.risk >= 0 && f.risk <= 1);
        assert_near(f.risk, 1 / (1 + exp(-sum)), 1e-9);
    }
}

static void mixes_between_landmarks(void **state)
{
    (void)state;
    const struct warning_task t[] = {task(10, 9, 70, 0)};
    const struct warning_learner l = {t, 1, -60, 0, 1};
    const struct warning_model *m = &warning_default;
    double x[WARNING_INPUTS];
    struct warning_forecast at[3], late;

    assert_int_equal(warning_read(&l, 13, x), ERR_OK);
    assert_int_equal(warning_forecast(m, x, 13, &late), ERR_RANGE);
    for (int i = 0; i < 3; i++)
        assert_int_equal(warning_forecast(m, x, 30 + 15 * i, &at[i]), ERR_OK);
    for (int r = 0; r < WARNING_REASONS; r++)
        assert_near(at[1].reasons[r], (at[0].reasons[r] + at[2].reasons[r]) / 2, 1e-9);
    assert_int_equal(warning_forecast(m, x, 210, &at[0]), ERR_OK);
    assert_int_equal(warning_forecast(m, x, INT32_MAX, &late), ERR_OK);
    assert_near(at[0].risk, late.risk, 1e-12);
    for (int32_t i = 0; i < m->landmark_count; i++) {
        assert_true(i == 0 || m->landmarks[i].day > m->landmarks[i - 1].day);
        assert_true(m->landmarks[i].rows > 5000);
    }
}

static void bad_input_is_refused_or_harmless(void **state)
{
    (void)state;
    struct warning_task t = task(10, 9, 70, 0);
    struct warning_learner l = {&t, 1, WARNING_NEVER, 0, 0};
    double x[WARNING_INPUTS];

    assert_int_equal(warning_read(&l, 30, x), ERR_OK);
    t.score = 101;
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    t = task(10, 9, 70, INFINITY);
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    t = task(10, 9, 70, 0);
    t.share = NAN;
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    t = task(INT32_MAX, INT32_MIN, 0, -1e300); /* absurd, but a day is a day */
    l.registered_day = INT32_MIN;
    l.credits = 1e300;
    assert_int_equal(warning_read(&l, INT32_MAX - 1, x), ERR_OK);
    for (int j = 0; j < WARNING_INPUTS; j++)
        assert_true(isfinite(x[j]) && fabs(x[j]) < 100);
    l.task_count = WARNING_TASKS_MAX + 1;
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    l = (struct warning_learner){NULL, 0, WARNING_NEVER, 0, 0};
    assert_int_equal(warning_read(&l, 0, x), ERR_OK);
    l.attempts = -1;
    assert_int_equal(warning_read(&l, 0, x), ERR_RANGE);
}

static void seven_days_are_seven_days(void **state)
{
    (void)state;
    assert_false(warning_absent(0, 7 * US_PER_DAY - 1));
    assert_true(warning_absent(0, 7 * US_PER_DAY));
    assert_false(warning_absent(5, 4));
    assert_true(warning_absent(INT64_MIN, INT64_MAX));
    assert_false(warning_absent(INT64_MAX, INT64_MIN));
}

static void visits_are_read_by_hand(void **state)
{
    (void)state;
    struct warning_visit v[] = {{-5, false, false},
                                {US_PER_DAY, true, false},
                                {US_PER_DAY + US_PER_MINUTE, false, true},
                                {4 * US_PER_DAY, true, false},
                                {99 * US_PER_DAY, true, true}};
    double x[WARNING_VISIT_INPUTS];

    warning_visits_read(v, 5, 0, 14 * US_PER_DAY, x);
    assert_near(x[WARNING_VISIT_SILENCE], 10.0 / 14, 1e-12);
    assert_near(x[WARNING_VISIT_DAYS], 2.0 / 14, 1e-12);
    assert_near(x[WARNING_VISIT_SESSIONS], log(3), 1e-12);
    assert_near(x[WARNING_VISIT_ACTIONS], log(4), 1e-12);
    assert_near(x[WARNING_VISIT_POSTS], log(3), 1e-12);
    assert_near(x[WARNING_VISIT_HANDED], log(2), 1e-12);
    double before = warning_visits_risk(warning_visit_weights, x);
    warning_visits_read(NULL, 0, 0, US_PER_DAY, x);
    assert_near(x[WARNING_VISIT_SILENCE], 1, 0);
    assert_true(warning_visits_risk(warning_visit_weights, x) > before); /* longer silence */
}

static void fitting_finds_the_weights_and_heeds_the_prior(void **state)
{
    (void)state;
    enum { N = 5000, K = 4 };
    static const double truth[K] = {-0.5, 1.2, -0.8, 0};
    static double x[N * K];
    static uint8_t y[N];
    double w[K], few[K], prior[K] = {2, 2, 2, 2};
    struct arena scratch;
    struct rng rng;

    rng_seed(&rng, 9);
    for (int i = 0; i < N; i++) {
        double odds = 0;

        for (int j = 0; j < K; j++) {
            x[i * K + j] = j ? rng_normal(&rng) : 1;
            odds += truth[j] * x[i * K + j];
        }
        y[i] = rng_unit(&rng) < 1 / (1 + exp(-odds));
    }
    arena_init(&scratch, 1 << 20);
    assert_int_equal(warning_fit(&scratch, x, y, N, K, 0.01, NULL, w), ERR_OK);
    for (int j = 0; j < K; j++)
        assert_near(w[j], truth[j], 0.12);
    assert_int_equal(warning_fit(&scratch, x, y, 12, K, 1000, prior, few), ERR_OK);
    for (int j = 1; j < K; j++)
        assert_near(few[j], 2, 0.1); /* twelve rows do not outweigh it */
    /* separable: finite all the same */
    for (int i = 0; i < N; i++)
        y[i] = x[i * K + 1] > 0;
    assert_int_equal(warning_fit(&scratch, x, y, N, K, 1, NULL, w), ERR_OK);
    for (int j = 0; j < K; j++)
        assert_true(isfinite(w[j]));
    memset(y, 0, sizeof y);
    assert_int_equal(warning_fit(&scratch, x, y, N, K, 1, NULL, w), ERR_RANGE);
    assert_int_equal(warning_fit(&scratch, x, y, 0, K, 1, NULL, w), ERR_RANGE);
    y[0] = 1;
    x[7] = NAN;
    assert_int_equal(warning_fit(&scratch, x, y, N, K, 1, NULL, w), ERR_RANGE);
    arena_fini(&scratch);
    arena_init(&scratch, 16);
    x[7] = 0;
    assert_int_equal(warning_fit(&scratch, x, y, N, K, 1, NULL, w), ERR_NOMEM);
    arena_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_work_is_less_risk_than_none),
        cmocka_unit_test(only_the_past_is_read),
        cmocka_unit_test(forecasts_are_bounded_and_their_reasons_sum),
        cmocka_unit_test(mixes_between_landmarks),
        cmocka_unit_test(bad_input_is_refused_or_harmless),
        cmocka_unit_test(seven_days_are_seven_days),
        cmocka_unit_test(visits_are_read_by_hand),
        cmocka_unit_test(fitting_finds_the_weights_and_heeds_the_prior),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
