#include "twin/mission.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MANY = 40 };

static struct mission_candidate make(struct str id, double p, int64_t attempts)
{
    return (struct mission_candidate){
        .id = id, .complexity = 1, .mastery = {.probability = p}, .attempts = attempts};
}

/* Enough to do: the total keeps within a twentieth of what was asked, whatever that is. */
static void test_budget(void **state)
{
    static char names[MANY][4];
    struct mission_candidate c[MANY];
    struct mission_plan p;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        names[i][0] = (char)('a' + i / 10);
        names[i][1] = (char)('0' + i % 10);
        c[i] = make((struct str){names[i], 2}, 0.02 * i, i % 3);
        c[i].complexity = i % 3;
    }
    for (int32_t minutes = 20; minutes <= 150; minutes++) {
        assert_int_equal(mission_plan_make(c, MANY, NULL, 0, minutes, false, &p), ERR_OK);
        int32_t sum = 0;
        for (int32_t k = 0; k < p.count; k++)
            sum += p.picks[k].minutes;
        assert_int_equal(sum, p.minutes);
        if (fabs((double)(p.minutes - minutes)) > MISSION_TOLERANCE * minutes)
            fail_msg("asked %d, given %d", minutes, p.minutes);
        assert_false(p.short_of_time);
    }
}

static void test_order_of_candidates_does_not_matter(void **state)
{
    struct mission_candidate a[] = {make(STR("x"), 0.3, 4), make(STR("y"), 0.3, 4),
                                    make(STR("z"), 0.9, 9)};
    struct mission_candidate b[] = {a[2], a[1], a[0]};
    struct mission_plan p, q;

    (void)state;
    assert_int_equal(mission_plan_make(a, 3, NULL, 0, 40, false, &p), ERR_OK);
    assert_int_equal(mission_plan_make(b, 3, NULL, 0, 40, false, &q), ERR_OK);
    assert_int_equal(p.count, q.count);
    assert_string_equal(a[p.picks[0].candidate].id.p, "x");
    for (int32_t k = 0; k < p.count; k++)
        assert_true(str_eq(a[p.picks[k].candidate].id, b[q.picks[k].candidate].id));
}

static void test_exams_press(void **state)
{
    struct mission_candidate c[] = {make(STR("x"), 0.3, 4), make(STR("y"), 0.35, 4)};
    const double none[] = {-1, MISSION_EXAM_DAYS, 1e9, NAN};
    struct mission_plan p;

    (void)state;
    for (int day = 0; day < MISSION_EXAM_DAYS; day++)
        assert_true(mission_exam_urgency(day) > mission_exam_urgency(day + 1));
    assert_float_equal(mission_exam_urgency(0), 1, 0);
    for (int i = 0; i < 4; i++)
        assert_float_equal(mission_exam_urgency(none[i]), 0, 0);
    assert_int_equal(mission_plan_make(c, 2, NULL, 0, 20, false, &p), ERR_OK);
    assert_int_equal(p.picks[0].candidate, 0);
    c[1].urgency = mission_exam_urgency(3);
    assert_int_equal(mission_plan_make(c, 2, NULL, 0, 20, false, &p), ERR_OK);
    assert_int_equal(p.picks[0].candidate, 1);
}

static void test_prerequisites_first(void **state)
{
    struct mission_candidate c[] = {make(STR("late"), 0.05, 0), make(STR("early"), 0.5, 3)};
    const struct mission_needs needs[] = {{0, 1, 1.0}};
    struct mission_plan p;

    (void)state;
    assert_int_equal(mission_plan_make(c, 2, needs, 1, 60, false, &p), ERR_OK);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.picks[0].candidate, 1);
    assert_true(p.picks[0].reasons & MISSION_OPENS);
    c[1].mastery.probability = 0.9; /* mastered: nothing to wait for */
    assert_int_equal(mission_plan_make(c, 2, needs, 1, 60, false, &p), ERR_OK);
    assert_int_equal(p.picks[0].candidate, 0);
}

static void test_reasons(void **state)
{
    struct mission_candidate c[] = {make(STR("due"), 0.9, 9), make(STR("new"), 0.5, 0),
                                    make(STR("weak"), 0.2, 5)};
    struct mission_plan p;

    (void)state;
    c[0].due = 20;
    c[0].forgotten = 6;
    assert_int_equal(mission_plan_make(c, 3, NULL, 0, 70, false, &p), ERR_OK);
    assert_int_equal(p.count, 3);
    assert_int_equal(p.due, 20);
    assert_int_equal(p.fresh, 1);
    for (int32_t k = 0; k < 3; k++) {
        static const uint32_t expected[] = {MISSION_DUE, MISSION_NEW, MISSION_WEAK_AREA};
        assert_int_equal(p.picks[k].reasons, expected[p.picks[k].candidate]);
    }
    assert_int_equal(mission_plan_make(c, 3, NULL, 0, 70, true, &p), ERR_OK);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.picks[0].candidate, 2);
    assert_true(p.short_of_time);
}

static void test_limits(void **state)
{
    struct mission_plan p;

    (void)state;
    assert_int_equal(mission_plan_make(NULL, 0, NULL, 0, 50, false, &p), ERR_OK);
    assert_int_equal(p.count, 0);
    assert_true(p.short_of_time);
    assert_int_equal(mission_plan_make(NULL, 0, NULL, 0, 4, false, &p), ERR_RANGE);
    assert_int_equal(mission_plan_make(NULL, 0, NULL, 0, 241, false, &p), ERR_RANGE);
}

static void test_own_pace(void **state)
{
    struct mission_candidate c = make(STR("o"), 0.5, 9);
    double rule = mission_minutes_of(&c);

    (void)state;
    c.own_sessions = 1000;
    c.own_minutes = 40000;
    assert_true(mission_minutes_of(&c) > 39 && rule < 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_exams_press),
        cmocka_unit_test(test_order_of_candidates_does_not_matter),
        cmocka_unit_test(test_prerequisites_first),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_own_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
