/* How long a session was, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "twin/session.h"

#define T0 (INT64_C(1760000000) * US_PER_S)
#define MIN(n) ((n)*INT64_C(60000))    /* ms */
#define AT(n) (T0 + (n)*US_PER_MINUTE) /* us */
#define AT_MS(n) (AT(n) / US_PER_MS)

static struct session_facts facts(void)
{
    return (struct session_facts){.first_at = AT(0),
                                  .last_at = AT(40),
                                  .started_at = TIME_NONE,
                                  .completed_at = TIME_NONE,
                                  .declared_ms = SESSION_MS_NONE};
}

static void declared_length_is_bounded_by_a_told_span(void **state)
{
    (void)state;
    struct session_facts s = facts();

    s.completed_at = AT(40);
    s.declared_ms = MIN(50);
    assert_int_equal(session_study_ms(&s), MIN(50)); /* no told start: nothing to bound it */
    s.started_at = AT(0);
    assert_int_equal(session_study_ms(&s), MIN(40));
    s.declared_ms = MIN(25);
    assert_int_equal(session_study_ms(&s), MIN(25));
    s.declared_ms = 0;
    assert_int_equal(session_study_ms(&s), 0);
    s.declared_ms = MIN(25);
    s.started_at = AT(60); /* "started" after its end */
    assert_int_equal(session_study_ms(&s), 0);
}

static void completion_counts_the_span_without_pauses(void **state)
{
    (void)state;
    struct session_facts s = facts();

    s.completed_at = AT(60);
    assert_int_equal(session_study_ms(&s), MIN(60)); /* from the first trace */
    s.started_at = AT(-5);
    assert_int_equal(session_study_ms(&s), MIN(65));

    s.pauses = s.resumes = 2;
    s.pause_ms_sum = AT_MS(10) + AT_MS(30);
    s.resume_ms_sum = AT_MS(15) + AT_MS(33);
    assert_int_equal(session_paused_ms(&s), MIN(8));
    assert_int_equal(session_study_ms(&s), MIN(57));
    s.declared_pause_ms = MIN(7);
    assert_int_equal(session_study_ms(&s), MIN(50));
}

static void an_open_pause_ends_with_the_session(void **state)
{
    (void)state;
    struct session_facts s = facts();

    s.started_at = AT(0);
    s.pauses = 1;
    s.pause_ms_sum = AT_MS(45);
    assert_int_equal(session_paused_ms(&s), 0); /* still open: no end is known */
    s.completed_at = AT(60);
    assert_int_equal(session_paused_ms(&s), MIN(15));
    assert_int_equal(session_study_ms(&s), MIN(45));
}

static void unpaired_pauses_say_nothing(void **state)
{
    (void)state;
    struct session_facts s = facts();

    s.started_at = AT(0);
    s.completed_at = AT(60);
    s.resumes = 1;
    s.resume_ms_sum = AT_MS(20);
    assert_int_equal(session_study_ms(&s), MIN(60));
    s.pauses = 3;
    s.pause_ms_sum = 3 * AT_MS(10);
    assert_int_equal(session_study_ms(&s), MIN(60));
    s.pauses = s.resumes = 1; /* resumed before it was paused */
    s.pause_ms_sum = AT_MS(30);
    s.resume_ms_sum = AT_MS(10);
    assert_int_equal(session_paused_ms(&s), 0);
}

static void an_abandoned_session_counts_its_work(void **state)
{
    (void)state;
    struct session_facts s = facts();

    assert_int_equal(session_study_ms(&s), MIN(40));
    s.active_ms = MIN(12);
    assert_int_equal(session_study_ms(&s), MIN(12));
    s.started_at = AT(-100);
    assert_int_equal(session_study_ms(&s), MIN(12));
}

static void without_a_clock_only_durations_count(void **state)
{
    (void)state;
    struct session_facts s = facts();

    s.untimed = true;
    s.completed_at = AT(600);
    assert_int_equal(session_study_ms(&s), 0);
    s.active_ms = MIN(3);
    assert_int_equal(session_study_ms(&s), MIN(3));
    s.declared_ms = MIN(9);
    assert_int_equal(session_study_ms(&s), MIN(9));
}

static void bounded_at_both_ends(void **state)
{
    (void)state;
    struct session_facts s = facts();

    s.completed_at = AT(60 * 100);
    assert_int_equal(session_study_ms(&s), SESSION_STUDY_MS_MAX);
    s.declared_pause_ms = MIN(60 * 200);
    assert_int_equal(session_study_ms(&s), 0);
    s = facts();
    s.last_at = AT(-3);
    assert_int_equal(session_study_ms(&s), 0);
    s.active_ms = INT64_C(1) << 60;
    assert_int_equal(session_study_ms(&s), SESSION_STUDY_MS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declared_length_is_bounded_by_a_told_span),
        cmocka_unit_test(completion_counts_the_span_without_pauses),
        cmocka_unit_test(an_open_pause_ends_with_the_session),
        cmocka_unit_test(unpaired_pauses_say_nothing),
        cmocka_unit_test(an_abandoned_session_counts_its_work),
        cmocka_unit_test(without_a_clock_only_durations_count),
        cmocka_unit_test(bounded_at_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
