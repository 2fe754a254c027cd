/* Weeks as one number, and whether that goes with results. */
#include "test.h"
#include "twin/habit.h"

#include <math.h>

static struct habit_week week(int32_t days, int64_t right)
{
    return (struct habit_week){.active_days = days,
                               .sessions = 4,
                               .completed = 3,
                               .answers = 20,
                               .correct = right,
                               .reviews = 10,
                               .recalled = 5,
                               .planned = 4,
                               .done = days / 2};
}

/* consistency 5/7, completion 3/4, retention 1/2 */
static void a_week_is_the_weighted_mean_of_its_parts(void **state)
{
    struct habit_week w[HABIT_WEEKS_NEEDED];
    struct habit h;

    (void)state;
    for (int32_t i = 0; i < HABIT_WEEKS_NEEDED; i++)
        w[i] = week(5, 10 + i);
    habit_of(w, HABIT_WEEKS_NEEDED, HABIT_BEHAVIOR, &h);
    assert_int_equal(h.count, HABIT_WEEKS_NEEDED);
    assert_true(h.completion && h.retention);
    assert_int_equal(h.measure, HABIT_BY_ANSWERS);
    double want = 100 * (0.25 * 5 / 7 + 0.20 * 0.75 + 0.15 * 0.5) / 0.60;
    assert_near(h.points[0].score, want, 1e-9);
    assert_near(h.points[1].result, 55, 1e-9);
    assert_true(isnan(h.plain.r)); /* the score never changes */
}

static void a_part_that_one_week_lacks_is_no_part(void **state)
{
    struct habit_week w[HABIT_WEEKS_NEEDED];
    struct habit h;

    (void)state;
    for (int32_t i = 0; i < HABIT_WEEKS_NEEDED; i++)
        w[i] = week(i % 7, 10);
    w[3].reviews = w[3].recalled = 0;
    habit_of(w, HABIT_WEEKS_NEEDED, HABIT_BEHAVIOR, &h);
    assert_true(h.completion && !h.retention);
    for (int32_t i = 0; i < HABIT_WEEKS_NEEDED; i++)
        w[i].completed = 0; /* never told */
    habit_of(w, HABIT_WEEKS_NEEDED, HABIT_BEHAVIOR, &h);
    assert_false(h.completion);
    assert_near(h.points[2].score, 100 * 2.0 / 7, 1e-9);
}

static void who_only_reviews_is_judged_by_reviews(void **state)
{
    struct habit_week w[10];
    struct habit h;

    (void)state;
    for (int32_t i = 0; i < 10; i++) {
        w[i] = week(1 + i % 5, 0);
        w[i].answers = 0;
        w[i].recalled = 3 + i % 5;
    }
    habit_of(w, 10, HABIT_BEHAVIOR, &h);
    assert_int_equal(h.measure, HABIT_BY_REVIEWS);
    assert_false(h.retention); /* the result is no part of the score */
    assert_near(h.plain.r, 1, 1e-9);
}

/* Two series that both rise, and have nothing else in common: the plain coefficient is high, the
 * one without the lines is not. */
static void a_common_rise_is_told_from_going_together(void **state)
{
    static const int32_t bump[12] = {1, 0, 2, 1, 0, 1, 2, 0, 1, 1, 0, 2};
    static const int32_t other[12] = {2, 1, 0, 1, 0, 2, 2, 2, 2, 0, 0, 0};
    struct habit_week w[24];
    struct habit h;

    (void)state;
    for (int32_t i = 0; i < 24; i++) {
        w[i] = week(7, 2 + i / 2 + other[i % 12]);
        w[i].planned = 40;
        w[i].done = 2 + i + bump[i % 12];
    }
    habit_of(w, 24, HABIT_MISSIONS, &h);
    assert_true(h.plain.r > 0.85);
    assert_true(h.plain.n_eff < 24);
    assert_true(fabs(h.detrended.r) < 0.5);
    assert_true(h.detrended.p > 0.05);
    assert_true(h.detrended.interval.low < h.detrended.r &&
                h.detrended.r < h.detrended.interval.high);
}

static void weeks_without_results_are_gaps(void **state)
{
    struct habit_week w[12];
    struct habit h;

    (void)state;
    for (int32_t i = 0; i < 12; i++)
        w[i] = week(1 + i % 6, 5 + 2 * (i % 6));
    w[4].answers = HABIT_GRADED_NEEDED - 1;
    habit_of(w, 12, HABIT_BEHAVIOR, &h);
    assert_int_equal(h.count, 11);
    assert_int_equal(h.points[4].week, 5);
    assert_int_equal(h.plain.n, 11);
    w[9].planned = 0;
    habit_of(w, 12, HABIT_MISSIONS, &h);
    assert_int_equal(h.count, 10);
    habit_of(w, HABIT_WEEKS_NEEDED, HABIT_BEHAVIOR, &h); /* one of these is a gap */
    assert_true(isnan(h.plain.r) && isnan(h.plain.p));
    habit_of(w, 0, HABIT_BEHAVIOR, &h);
    assert_int_equal(h.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_week_is_the_weighted_mean_of_its_parts),
        cmocka_unit_test(a_part_that_one_week_lacks_is_no_part),
        cmocka_unit_test(who_only_reviews_is_judged_by_reviews),
        cmocka_unit_test(a_common_rise_is_told_from_going_together),
        cmocka_unit_test(weeks_without_results_are_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
