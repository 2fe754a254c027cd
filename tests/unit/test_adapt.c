/* Adapting to the load: the agreed bands, and that more load never asks for more. */
#include "test.h"
#include "twin/adapt.h"

#include <math.h>

static void bands_are_the_agreed_ones(void **state)
{
    (void)state;
    static const struct {
        double load;
        enum adapt_action action;
        int32_t levels;
        double review;
        int32_t every;
    } cases[] = {
        {10, ADAPT_INCREASE, 1, 0.5, -1},    {30, ADAPT_INCREASE, 0, 0.5, -1},
        {40, ADAPT_MAINTAIN, 0, 0.6, 30},    {60, ADAPT_MAINTAIN, 0, 0.6, 30},
        {60.1, ADAPT_REDUCE, -1, 0.8, 20},   {80, ADAPT_REDUCE, -1, 0.8, 20},
        {80.1, ADAPT_EMERGENCY, -2, 1.0, 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct adapt_difficulty d = adapt_difficulty(cases[i].load, NAN);
        assert_int_equal(d.action, cases[i].action);
        assert_int_equal(d.levels, cases[i].levels);
        assert_true(d.review_share == cases[i].review);
        assert_int_equal(d.break_every, cases[i].every);
    }
    assert_true(isnan(adapt_difficulty(50, NAN).validation));
}

static void errors_lower_and_support(void **state)
{
    (void)state;
    for (double load = 0; load <= 100; load += 5) {
        struct adapt_difficulty a = adapt_difficulty(load, 0.3), b = adapt_difficulty(load, 0.31);
        assert_int_equal(b.complexity, a.complexity > ADAPT_BASIC ? a.complexity - 1 : ADAPT_BASIC);
        assert_int_equal(b.scaffold,
                         a.scaffold < ADAPT_EXTENSIVE ? a.scaffold + 1 : ADAPT_EXTENSIVE);
    }
}

static void challenge_is_the_agreed_one(void **state)
{
    (void)state;
    static const struct {
        double load;
        bool rising;
        enum adapt_level level;
        int32_t complexity;
    } cases[] = {
        {20, false, ADAPT_CHALLENGING, 8}, {35, false, ADAPT_MEDIUM, 5},
        {50, false, ADAPT_MEDIUM, 6},      {55, true, ADAPT_MEDIUM, 4},
        {65, false, ADAPT_MEDIUM, 4},      {66, false, ADAPT_EASY, 2},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct adapt_challenge c = adapt_challenge(cases[i].load, 65, 40, 60, cases[i].rising);
        assert_int_equal(c.level, cases[i].level);
        assert_int_equal(c.complexity, cases[i].complexity);
    }
    assert_int_equal(adapt_challenge(66, NAN, 40, 60, false).complexity, 4);
    assert_int_equal(adapt_challenge(81, NAN, 40, 60, false).level, ADAPT_EASY);
}

static void more_load_never_asks_for_more(void **state)
{
    (void)state;
    struct adapt_difficulty before = adapt_difficulty(0, NAN);

    for (int i = 1; i <= 1000; i++) {
        struct adapt_difficulty d = adapt_difficulty(i / 10.0, NAN);
        assert_true(d.levels <= before.levels && d.review_share >= before.review_share);
        assert_true(d.complexity <= before.complexity && d.prompt <= before.prompt);
        assert_true(d.scaffold >= before.scaffold && d.urgency >= before.urgency);
        before = d;
    }
    for (int32_t m = 0; m < 500; m++) {
        assert_true(adapt_mission_minutes(m) <= m);
        assert_true(adapt_mission_minutes(m + 1) >= adapt_mission_minutes(m));
    }
    assert_int_equal(adapt_mission_minutes(60), 30);
    assert_int_equal(adapt_mission_minutes(20), 15);
    assert_int_equal(adapt_mission_minutes(10), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bands_are_the_agreed_ones),
        cmocka_unit_test(errors_lower_and_support),
        cmocka_unit_test(challenge_is_the_agreed_one),
        cmocka_unit_test(more_load_never_asks_for_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
