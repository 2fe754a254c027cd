#include "test.h"

#include "night/usual.h"

static void it_is_the_weekdays_own_where_that_is_known(void **state)
{
    (void)state;
    double done[USUAL_HOURS] = {0};

    for (int day = 1; day <= 5; day++)
        done[day * 24 + 18] = 60;
    done[6 * 24 + 9] = 90;
    assert_int_equal(usual_hour(done, 3), 18);
    assert_int_equal(usual_hour(done, 6), 9);
    assert_int_equal(usual_hour(done, 0), 18); /* never on a Sunday: as on all days */
}

static void without_a_habit_there_is_none(void **state)
{
    (void)state;
    double done[USUAL_HOURS] = {0};

    assert_int_equal(usual_hour(done, 1), -1);
    for (int i = 0; i < USUAL_HOURS; i++)
        done[i] = 1;
    assert_int_equal(usual_hour(done, 1), -1);
    done[24 + 7] = 30;
    assert_int_equal(usual_hour(done, 1), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_weekdays_own_where_that_is_known),
        cmocka_unit_test(without_a_habit_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
