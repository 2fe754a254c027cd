/* What small histories leave in the derived rows, worked out by hand. */
#include "ingest_fixture.h"

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    fixture_open(f, STORE_SQLITE);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

static void set_zone(struct fixture *f, const char *zone)
{
    int64_t id;

    OK(learner_put(f->conn, STR("ann"), str_from(zone), at_text("2025-01-01T00:00:00Z"), &id));
}

static struct event answer(const char *id, const char *at, const char *session, int correct)
{
    struct event e = an_event(EVENT_ANSWER, id, at);

    e.item = STR("q");
    e.session = str_from(session);
    e.correct = (int8_t)correct;
    return e;
}

static struct event review(const char *id, const char *at, const char *session, int rating)
{
    struct event e = an_event(EVENT_REVIEW, id, at);

    e.item = STR("card");
    e.session = str_from(session);
    e.rating = (int8_t)rating;
    return e;
}

static struct event of_session(enum event_kind kind, const char *id, const char *at)
{
    struct event e = an_event(kind, id, at);

    e.session = STR("s1");
    return e;
}

/* One session, two answers: 10:00 to 10:30 on Monday 2025-03-03. */
static void a_session_is_summed_up(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {
        of_session(EVENT_SESSION_STARTED, "a", "2025-03-03T10:00:00Z"),
        answer("b", "2025-03-03T10:05:00Z", "s1", 1),
        answer("c", "2025-03-03T10:10:00Z", "s1", 0),
        of_session(EVENT_SESSION_COMPLETED, "d", "2025-03-03T10:30:00Z"),
    };

    e[1].latency_ms = 1000;
    e[2].latency_ms = 1000;
    e[1].course = STR("bio");
    apply(f, e, COUNT(e), NULL);
    /* day 20150; 30 minutes in the morning; one session, completed; two answers, one right; two
     * latencies of ln 1000 = 6.907755 each; four events */
    assert_string_equal(rows_of(f, "days"),
                        " 20150 1800000 0 1800000 0 0 1 1 2 1 0 0 2 13815510 0 0 0 4\n");
    assert_string_equal(rows_of(f, "hours"), " 34 1800000 1 1 2 1 0 0 0 0\n"); /* Monday, 10 */
    assert_string_equal(rows_of(f, "lengths"), " 3 1 1 1800000 2 1 0 0\n");    /* [30, 40) */
    assert_string_equal(rows_of(f, "topics"), " 1 \"bio\" 0 1 1 1 0 0 0 0 1740996300000000 "
                                              "1740996300000000\n");
    assert_string_equal(rows_of(f, "totals"),
                        " 4 0 1740996000000000 1740997800000000 1800000 1 1 2 1 0 0 2 13815510 "
                        "95434166 0 0\n");
    assert_verified(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_is_summed_up, setup, teardown),
    };
    (void)review;
    (void)set_zone;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
