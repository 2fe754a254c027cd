/* How a mission went: known parts only, weighted anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "twin/success.h"

#include <math.h>

static void near(double have, double want)
{
    assert_true(fabs(have - want) < 1e-12);
}

static void all_parts(void **state)
{
    (void)state;
    struct success_parts p = {1, 1, 1, 1, 1};

    near(success_score(&p), 1);
    p = (struct success_parts){0.5, 0.8, 0.9, 0.75, 0.2};
    near(success_score(&p), 0.15 + 0.2 + 0.18 + 0.1125 + 0.02);
}

static void what_is_not_known_is_left_out(void **state)
{
    (void)state;
    struct success_parts p = success_parts_none();

    assert_true(isnan(success_score(&p)));
    p.streak = p.opinion = p.time = 1; /* say nothing of success by themselves */
    assert_true(isnan(success_score(&p)));
    p.objectives = 0.5;
    near(success_score(&p), (0.15 + 0.2 + 0.15 + 0.1) / 0.75);
    p = success_parts_none();
    p.right = 0.7;
    near(success_score(&p), 0.7);
}

static void parts(void **state)
{
    (void)state;

    near(success_time_kept(40, 50), 0.75);
    near(success_time_kept(40, 30), 0.75);
    near(success_time_kept(40, 100), 0);
    near(success_time_kept(1, INT64_MAX), 0);
    assert_true(isnan(success_time_kept(0, 10)));
    assert_true(isnan(success_time_kept(10, INT64_MIN)));
    near(success_opinion(1), 0);
    near(success_opinion(5), 1);
    near(success_streak(3), 0.3);
    near(success_streak(400), 1);
    near(success_streak(-1), 0);
}

static void labels(void **state)
{
    (void)state;
    static const struct {
        double score;
        const char *label;
    } cases[] = {{1, "excellent"}, {0.9, "excellent"}, {0.89, "good"}, {0.75, "good"},
                 {0.6, "fair"},    {0.4, "weak"},      {0.39, "poor"}, {0, "poor"}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(success_label(cases[i].score), cases[i].label);
    assert_null(success_label((double)NAN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_parts),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(parts),
        cmocka_unit_test(labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
