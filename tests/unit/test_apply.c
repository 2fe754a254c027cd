/* What small histories leave in the derived rows, worked out by hand. */
#include "ingest_fixture.h"

#include "ingest/topics.h"

#include <sqlite3.h>

static int setup_on(void **state, enum store_engine engine)
{
    struct fixture *f = calloc(1, sizeof *f);

    fixture_open(f, engine);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_on(state, STORE_SQLITE);
}

static int setup_postgres(void **state)
{
    *state = NULL;
    return postgres_url() ? setup_on(state, STORE_POSTGRES) : 0;
}

static int teardown(void **state)
{
    if (*state)
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
    assert_string_equal(rows_of(f, "hours"), " 34 1800000 1 1 2 1 0 0 0 0\n");  /* Monday, 10 */
    assert_string_equal(rows_of(f, "lengths"), " 3 1 1 1800000 2 1 0 0 0 0\n"); /* [30, 40) */
    assert_string_equal(rows_of(f, "topics"), " 1 \"bio\" 0 1 1 1 0 0 0 0 1740996300000000 "
                                              "1740996300000000\n");
    assert_string_equal(rows_of(f, "totals"),
                        " 4 0 1740996000000000 1740997800000000 1800000 1 1 2 1 0 0 2 13815510 "
                        "95434166 0 0\n");
    assert_verified(f);
}

/* 23:30 to 00:40 New York time, Saturday to Sunday: split at midnight. */
static void study_time_is_split_at_midnight(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {
        of_session(EVENT_SESSION_STARTED, "a", "2025-02-02T04:30:00Z"),
        of_session(EVENT_SESSION_COMPLETED, "b", "2025-02-02T05:40:00Z"),
    };

    set_zone(f, "America/New_York");
    apply(f, e, COUNT(e), NULL);
    /* day 20120 (1 February): 30 minutes of evening, the session, its start event; day 20121: 40
     * minutes of night, the completion event */
    assert_string_equal(rows_of(f, "days"),
                        " 20120 1800000 0 0 0 1800000 1 1 0 0 0 0 0 0 0 0 0 1\n"
                        " 20121 2400000 2400000 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1\n");
    assert_string_equal(rows_of(f, "hours"),
                        " 0 2400000 0 0 0 0 0 0 0 0\n 167 1800000 1 1 0 0 0 0 0 0\n");
    assert_string_equal(rows_of(f, "lengths"), " 6 1 1 4200000 0 0 0 0 0 0\n"); /* [60, 90) */
    assert_verified(f);
}

/* New York, 9 March 2025: at 02:00 it is 03:00. From 01:30, one hour of study ends at 03:30. */
static void the_hour_that_summer_time_skips_has_nothing(void **state)
{
    struct fixture *f = *state;
    struct event e = an_event(EVENT_READING, "a", "2025-03-09T07:30:00Z");

    set_zone(f, "America/New_York");
    e.duration_ms = 3600000;
    apply(f, &e, 1, NULL);
    assert_string_equal(rows_of(f, "days"),
                        " 20156 3600000 3600000 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1\n");
    assert_string_equal(rows_of(f, "hours"),
                        " 1 1800000 0 0 0 0 0 0 0 0\n 3 1800000 0 0 0 0 0 0 0 0\n");
    assert_verified(f);
}

/* Berlin, 26 October 2025: the hour from 02:00 comes twice. Three hours from 01:00 end at 03:00. */
static void the_hour_that_winter_time_repeats_has_both(void **state)
{
    struct fixture *f = *state;
    struct event e = an_event(EVENT_READING, "a", "2025-10-26T02:00:00Z");

    set_zone(f, "Europe/Berlin");
    e.duration_ms = 3 * 3600000;
    apply(f, &e, 1, NULL);
    assert_string_equal(rows_of(f, "hours"),
                        " 1 3600000 0 0 0 0 0 0 0 0\n 2 7200000 0 0 0 0 0 0 0 0\n");
    assert_verified(f);
}

static void pauses_are_taken_off(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {
        of_session(EVENT_SESSION_RESUMED, "c", "2025-03-03T10:25:00Z"), /* before its pause */
        of_session(EVENT_SESSION_COMPLETED, "d", "2025-03-03T11:00:00Z"),
        of_session(EVENT_SESSION_STARTED, "a", "2025-03-03T10:00:00Z"),
        of_session(EVENT_SESSION_PAUSED, "b", "2025-03-03T10:15:00Z"),
    };

    for (size_t i = 0; i < COUNT(e); i++)
        apply(f, &e[i], 1, NULL);
    assert_string_equal(rows_of(f, "lengths"), " 5 1 1 3000000 0 0 0 0 0 0\n"); /* 50 minutes */
    assert_string_equal(rows_of(f, "hours"), " 34 3000000 1 1 0 0 0 0 0 0\n");
    /* two minutes more, told by a second completion; the first one's time stands */
    struct event again = of_session(EVENT_SESSION_COMPLETED, "e", "2025-03-03T11:30:00Z");
    again.data = STR("{\"pausedMs\":120000}");
    apply(f, &again, 1, NULL);
    assert_string_equal(rows_of(f, "lengths"), " 4 1 1 2880000 0 0 0 0 0 0\n"); /* 48 minutes */
    assert_verified(f);
}

/* A start that comes late moves the session to the day before; nothing is left behind. */
static void a_late_start_moves_the_session(void **state)
{
    struct fixture *f = *state;
    struct event done = of_session(EVENT_SESSION_COMPLETED, "b", "2025-03-03T00:20:00Z");
    struct event start = of_session(EVENT_SESSION_STARTED, "a", "2025-03-02T23:50:00Z");

    done.duration_ms = 600000; /* ten minutes, until told otherwise from 00:10 */
    apply(f, &done, 1, NULL);
    assert_string_equal(rows_of(f, "hours"), " 24 600000 1 1 0 0 0 0 0 0\n");
    apply(f, &start, 1, NULL);
    assert_string_equal(rows_of(f, "hours"), " 23 600000 1 1 0 0 0 0 0 0\n");
    assert_string_equal(rows_of(f, "days"), " 20149 600000 0 0 0 600000 1 1 0 0 0 0 0 0 0 0 0 1\n"
                                            " 20150 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1\n");
    assert_verified(f);
}

/* The second review arrives first: the card is new to its session until the real first one comes.
 */
static void a_late_first_review_takes_the_new_card_along(void **state)
{
    struct fixture *f = *state;
    struct event second = review("b", "2025-03-04T10:00:00Z", "s2", 1);
    struct event first = review("a", "2025-03-03T10:00:00Z", "s1", 3);

    apply(f, &second, 1, NULL);
    assert_string_equal(rows_of(f, "cards"),
                        " \"card\" 1 1 0 0 0 1741082400000000 \"b\" \"s2\" 1741082400000000 \"b\" "
                        "1 212000 6413300 20151 1 0\n");
    assert_non_null(strstr(rows_of(f, "sessions"), "1 0 0 1 0 1 1 0")); /* … new_cards 1 */
    apply(f, &first, 1, NULL);
    assert_string_equal(rows_of(f, "cards"),
                        " \"card\" 2 1 0 1 0 1740996000000000 \"a\" \"s1\" 1741082400000000 \"b\" "
                        "1 571299 7394503 20151 2 1\n");
    const char *sessions = rows_of(f, "sessions");
    assert_non_null(strstr(sessions, " \"s1\""));
    assert_non_null(strstr(sessions, "1 0 0 1 1 3 1 0")); /* s1: a review, remembered, good, new */
    assert_non_null(strstr(sessions, "1 0 0 1 0 1 0 0")); /* s2: a review, forgotten, not new */
    assert_verified(f);
}

static void scores_alone_are_answers(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {
        an_event(EVENT_ANSWER, "a", "2025-03-03T10:00:00Z"),
        an_event(EVENT_ANSWER, "b", "2025-03-03T10:00:00Z"),
        an_event(EVENT_ANSWER, "c", "2025-03-03T10:00:00Z"),
        an_event(EVENT_GRADE, "d", "2025-03-03T10:00:00Z"),
    };

    for (size_t i = 0; i < COUNT(e); i++) {
        e[i].course = STR("c");
        e[i].item = STR("q");
    }
    e[0].score = 0.5;  /* right */
    e[1].score = 0.49; /* wrong */
    e[2].score = 0.2;  /* right: correct goes over score */
    e[2].correct = 1;
    e[3].correct = 1; /* a grade without a score: 1 */
    apply(f, e, COUNT(e), NULL);
    assert_string_equal(rows_of(f, "topics"), " 1 \"c\" 0 0 3 2 0 0 4 2190000 1740996000000000 "
                                              "1740996000000000\n");
    assert_string_equal(rows_of(f, "hours"), " 34 0 0 0 3 2 0 0 0 0\n");
}

static void untimed_events_have_no_calendar(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {
        answer("a", "2025-03-03T10:00:00Z", "s1", 1),
        answer("b", "2025-03-03T10:01:00Z", NULL, 0),
    };

    for (size_t i = 0; i < COUNT(e); i++) {
        e[i].untimed = true;
        e[i].duration_ms = 60000;
        e[i].course = STR("c");
    }
    apply(f, e, COUNT(e), NULL);
    assert_string_equal(rows_of(f, "days"), "");
    assert_string_equal(rows_of(f, "hours"), "");
    assert_string_equal(rows_of(f, "lengths"), "");
    assert_string_equal(rows_of(f, "topics"), " 1 \"c\" 120000 1 2 1 0 0 0 0 1740996000000000 "
                                              "1740996060000000\n");
    assert_string_equal(rows_of(f, "totals"), " 2 2 - - 120000 1 0 2 1 0 0 0 0 0 0 0\n");
    assert_verified(f);
}

static void objectives_and_missions_follow_their_events(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {
        an_event(EVENT_MISSION_COMPLETED, "c", "2025-03-04T12:00:00Z"),
        an_event(EVENT_OBJECTIVE_COMPLETED, "b", "2025-03-04T11:00:00Z"),
        an_event(EVENT_SESSION_STARTED, "s", "2025-03-04T10:00:00Z"),
        an_event(EVENT_MISSION_CREATED, "a", "2025-03-03T20:00:00Z"),
    };

    for (size_t i = 0; i < COUNT(e); i++)
        e[i].mission = STR("m");
    e[0].data = STR("{\"actualMinutes\":50,\"difficultyRating\":4}");
    e[1].objective = STR("o2");
    e[1].session = e[2].session = STR("s1");
    e[1].data = STR("{\"selfAssessment\":4,\"confidenceRating\":2,\"timeSpentMs\":90000}");
    e[2].data = STR("{\"objectives\":[\"o1\",{\"objectiveId\":\"o2\",\"estimatedMinutes\":20}]}");
    e[3].data =
        STR("{\"date\":\"2025-03-05\",\"estimatedMinutes\":45,\"objectives\":[{\"objective\":"
            "\"o1\",\"estimatedMinutes\":25}]}");
    apply(f, &e[0], 1, NULL); /* not told yet: the day of its completion */
    assert_non_null(strstr(rows_of(f, "missions"), " \"m\" 20151 \"COMPLETED\""));
    apply(f, &e[1], 3, NULL);
    assert_string_equal(
        rows_of(f, "missions"),
        " \"m\" 20152 \"COMPLETED\" 1741032000000000 1 - 1741089600000000 - 45 45 - 50 0 "
        "0 4 2\n");
    struct event eased[] = {an_event(EVENT_MISSION_EASED, "x", "2025-03-04T13:00:00Z"),
                            an_event(EVENT_MISSION_EASED, "y", "2025-03-04T14:00:00Z")};
    eased[0].mission = eased[1].mission = STR("m");
    eased[0].data = STR("{\"estimatedMinutes\":30}");
    eased[1].data = STR("{\"estimatedMinutes\":60}");
    apply(f, eased, 2, NULL); /* the shortest counts, and none makes it longer */
    assert_non_null(strstr(rows_of(f, "missions"), " 30 45 30 50 0 0 4 4"));
    assert_string_equal(rows_of(f, "mission_objectives"),
                        " \"m\" \"o1\" 0 25 - 0\n \"m\" \"o2\" - 0 1741086000000000 1\n");
    assert_string_equal(rows_of(f, "session_objectives"),
                        " \"s1\" \"o1\" 0 - - - - - - -\n"
                        " \"s1\" \"o2\" 1 20 1741086000000000 90000 4 2 - -\n");
    assert_non_null(
        strstr(rows_of(f, "sessions"), "2 1 1 4 - - 0 \"3o2\"\n")); /* objectives, assessment */
    assert_string_equal(rows_of(f, "topics"), " 3 \"o2\" 90000 1 0 0 0 0 0 0 1741086000000000 "
                                              "1741086000000000\n");
    assert_verified(f);
}

static struct event of_course(enum event_kind kind, const char *id, const char *at)
{
    struct event e = an_event(kind, id, at);

    e.course = STR("AAA/2014J");
    return e;
}

/* In any order: the last score, the first day; who joins again has not left. */
static void set_work_is_kept_by_run_and_piece(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {
        of_course(EVENT_ASSESSMENT, "a", "2014-10-25T23:30:00Z"),
        of_course(EVENT_ASSESSMENT, "b", "2014-10-20T10:00:00Z"),
        of_course(EVENT_ENROLLED, "c", "2014-09-01T10:00:00Z"),
        of_course(EVENT_WITHDRAWN, "d", "2014-11-01T10:00:00Z"),
        of_course(EVENT_GRADE, "e", "2015-06-01T10:00:00Z"),
        of_course(EVENT_GRADE, "f", "2015-07-01T10:00:00Z"),
        of_course(EVENT_ASSESSMENT, "g", "2014-10-20T10:00:00Z"), /* of no piece */
        of_course(EVENT_ENROLLED, "h", "2014-12-01T10:00:00Z"),
    };

    set_zone(f, "Europe/Berlin");
    e[0].item = e[1].item = STR("t1");
    e[0].score = 0.8;
    e[0].data = STR("{\"carried\":true}");
    e[1].score = 0.5;
    e[2].data = STR("{\"earlierAttempts\":1,\"credits\":120,\"creditsPerYear\":120,"
                    "\"education\":\"DEGREE\"}");
    e[4].correct = 0;
    e[5].score = 0.7;
    e[6].score = 1;
    apply(f, &e[3], 1, NULL);
    apply(f, e, 3, NULL);
    apply(f, &e[4], 4, NULL);
    apply(f, e, 8, NULL); /* known already */
    assert_string_equal(
        rows_of(f, "run_work"),
        " \"AAA/2014J\" \"\" 7 16314 1417428000000000 - 0 - - - 16375 16405 16617 1\n"
        " \"AAA/2014J\" \"t1\" 2 16363 1414279800000000 800000 1 - - - - - - -\n");
    assert_verified(f);
}

static void loads_are_kept_and_summed(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {
        an_event(EVENT_LOAD, "a", "2025-03-03T10:00:00Z"),
        an_event(EVENT_LOAD, "b", "2025-03-03T11:00:00Z"),
    };

    e[0].data = STR("{\"loadScore\":62.5,\"confidenceLevel\":0.5,\"stressIndicators\":[1]}");
    e[1].data = STR("{\"loadScore\":40}");
    apply(f, e, COUNT(e), NULL);
    assert_string_equal(rows_of(f, "loads"), " 1740996000000000 \"a\" - 62.5 0.5 \"[1]\"\n"
                                             " 1740999600000000 \"b\" - 40 - \"[]\"\n");
    assert_string_equal(rows_of(f, "days"),
                        " 20150 0 0 0 0 0 0 0 0 0 0 0 0 0 2 102500000 62500000 2\n");
}

static void repeated_and_refused_events_are_told_apart(void **state)
{
    struct fixture *f = *state;
    struct ingest_result r[4];
    struct event e[] = {
        answer("a", "2025-03-03T10:00:00Z", NULL, 1),
        answer("a", "2025-03-03T10:00:00Z", NULL, 1), /* in one batch */
        an_event(EVENT_ANSWER, "b", "2025-03-03T10:00:00Z"),
        answer(NULL, "2025-03-03T10:00:00Z", NULL, 1),
    };

    apply(f, e, COUNT(e), r);
    assert_int_equal(r[0].status, INGEST_ACCEPTED);
    assert_int_equal(r[1].status, INGEST_DUPLICATE);
    assert_int_equal(r[2].status, INGEST_REJECTED);
    assert_string_equal(r[2].code, "VALIDATION_ERROR");
    assert_string_equal(r[2].field, "item");
    assert_int_equal(r[3].status, INGEST_ACCEPTED);
    assert_int_equal(r[3].id.n, 36);
    assert_int_equal(r[3].id.p[14], '7'); /* UUID version 7 */
    e[0].correct = 0;                     /* the same id is the same event, whatever it says */
    e[0].at += US_PER_DAY;
    apply(f, e, 1, r);
    assert_int_equal(r[0].status, INGEST_DUPLICATE);
    assert_string_equal(rows_of(f, "hours"), " 34 0 0 0 2 2 0 0 0 0\n");
    assert_verified(f);
}

static int64_t calls_of(const struct fixture *f, enum stmt stmt)
{
    struct stmt_stats stats;

    store_stmt_stats(f->store, stmt, &stats);
    return stats.calls;
}

/* Groups of new events, of repeated ones, and of both. What was taken for new and was not, fails a
 * transaction and nothing else; from then on the log is asked, until it has long had nothing to
 * say. */
static void repeats_among_new_events_are_found(void **state)
{
    enum { GROUPS = 200, EACH = 3, REPEAT_AT = 10 };
    struct fixture *f = *state;
    struct ingest_result r[EACH];
    char ids[EACH][12];

    if (!f)
        skip();
    for (int g = 0; g < GROUPS; g++) {
        struct event e[EACH];
        for (int i = 0; i < EACH; i++) {
            bool repeated = (g == REPEAT_AT && i == 1) || (g == REPEAT_AT + 1 && i == 0);
            snprintf(ids[i], sizeof ids[i], "%d-%d", g - repeated, i);
            e[i] = answer(ids[i], "2025-03-03T10:00:00Z", "s", 1);
        }
        apply(f, e, EACH, r);
        assert_int_equal(r[0].status, g == REPEAT_AT + 1 ? INGEST_DUPLICATE : INGEST_ACCEPTED);
        assert_int_equal(r[1].status, g == REPEAT_AT ? INGEST_DUPLICATE : INGEST_ACCEPTED);
        assert_int_equal(r[2].status, INGEST_ACCEPTED);
    }
    assert_verified(f);
    int64_t hopeful = calls_of(f, STMT_INGEST_EVENTS_NEW),
            asked = calls_of(f, STMT_INGEST_EVENTS_ADD);
    assert_in_range(asked, 2, GROUPS / 2);
    assert_int_equal(hopeful + asked, GROUPS + 1);
}

static int64_t epoch(struct fixture *f)
{
    struct arena arena;
    struct query q = {.stmt = STMT_CACHE_EPOCH, .rows_max = 1};

    arena_init(&arena, 4096);
    OK(store_read(f->conn, &arena, &q, 1, 0));
    assert_int_equal(q.rows.count, 1);
    int64_t v = row_at(&q.rows, 0)->i;
    arena_fini(&arena);
    return v;
}

/* A program beside the servers tells them with each group that it commits. */
static void servers_are_told_of_each_group(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {answer("a", "2025-03-03T10:00:00Z", "s", 1),
                        answer("b", "2025-03-03T10:00:00Z", "s", 1)};
    struct ingest_result r[2];

    if (!f)
        skip();
    int64_t before = epoch(f);
    apply(f, e, 1, r);
    assert_int_equal(epoch(f), before);
    store_announce(f->store, true);
    apply(f, e + 1, 1, r);
    assert_int_equal(epoch(f), before + 1);
    apply(f, e, 2, r); /* taken for new first, and again */
    assert_in_range(epoch(f), before + 1, before + 2);
    store_announce(f->store, false);
}

/* A session's topics are counted once, also those that give way when there are too many. */
static void topics_count_their_sessions(void **state)
{
    struct fixture *f = *state;
    char names[SESSION_TOPICS_MAX + 9][12];
    struct event e = answer("first", "2025-03-03T10:00:00Z", "s1", 1);
    struct str skill = STR("zoology");

    e.skills = &skill;
    e.skill_count = 1;
    apply(f, &e, 1, NULL);
    e.id = STR("second");
    apply(f, &e, 1, NULL); /* the same session once more */
    assert_non_null(strstr(rows_of(f, "topics"), " 4 \"zoology\" 0 1 2 "));
    for (size_t i = 0; i < COUNT(names); i++) {
        char id[16];
        snprintf(names[i], sizeof names[i], "s%d", (int)i);
        snprintf(id, sizeof id, "n%d", (int)i);
        skill = str_from(names[i]);
        e.id = str_from(id);
        apply(f, &e, 1, NULL);
    }
    assert_non_null(strstr(rows_of(f, "topics"), " 4 \"zoology\" 0 0 2 "));
    assert_verified(f);
}

static void learners_may_refuse_to_be_analysed(void **state)
{
    struct fixture *f = *state;
    struct ingest_result r[2];
    struct event e[] = {
        answer("a", "2025-03-03T10:00:00Z", NULL, 1),
        answer("a", "2025-03-03T10:00:00Z", NULL, 1),
    };
    int64_t id;

    e[1].learner = STR("bob"); /* same id, another learner */
    OK(learner_put(f->conn, STR("bob"), (struct str){NULL, 0}, 1, &id));
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->url + strlen("sqlite:"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE learners SET behavioral_analysis_enabled = 0 WHERE "
                                  "external_id = 'bob'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    apply(f, e, COUNT(e), r);
    assert_int_equal(r[0].status, INGEST_ACCEPTED);
    assert_int_equal(r[1].status, INGEST_REJECTED);
    assert_string_equal(r[1].code, "ANALYSIS_DISABLED");
}

static void an_erased_learner_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct quarantine_row q[] = {
        {.received_at = 1,
         .source = STR("test"),
         .code = STR("X"),
         .field = STR(""),
         .reason = STR("r"),
         .body = STR("{\"a\":{\"learner\":\"bob\"},\"learner\":\"ann\"}")},
        {.received_at = 1,
         .source = STR("test"),
         .code = STR("X"),
         .field = STR(""),
         .reason = STR("r"),
         .body = STR("not \xff json\0 at all")},
    };
    struct event e = answer("a", "2025-03-03T10:00:00Z", "s1", 1);
    int64_t rows = 0, id = 0, again = 0;

    e.course = STR("c");
    apply(f, &e, 1, NULL);
    OK(learner_put(f->conn, STR("ann"), (struct str){NULL, 0}, 1, &id));
    OK(quarantine_put(f->conn, q, COUNT(q), 100));
    OK(learner_erase(f->conn, STR("ann"), &rows));
    /* learner, event, session, day, hour, length, topic, totals, refused event */
    assert_int_equal(rows, 9);
    assert_int_equal(learner_erase(f->conn, STR("ann"), &rows), ERR_NOT_FOUND);
    apply(f, &e, 1, NULL); /* a new learner of the old name */
    OK(learner_put(f->conn, STR("ann"), (struct str){NULL, 0}, 1, &again));
    assert_true(again > id);
    assert_verified(f);
    assert_int_equal(learner_put(f->conn, STR("ann"), STR("Mars/Base"), 1, &id), ERR_NOT_FOUND);
    assert_int_equal(learner_put(f->conn, STR("ann"), STR("../passwd"), 1, &id), ERR_NOT_FOUND);
}

/* What a rebuild mends, a verification names. */
static void differences_are_found_and_mended(void **state)
{
    struct fixture *f = *state;
    struct event e = answer("a", "2025-03-03T10:00:00Z", "s1", 1);
    struct rebuild_report report;
    sqlite3 *db;

    apply(f, &e, 1, NULL);
    assert_int_equal(sqlite3_open(f->url + strlen("sqlite:"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE days SET answers = 7; DELETE FROM lengths; INSERT INTO "
                                  "days (learner_id, day) VALUES (1, 5)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    OK(ingest_rebuild(f->conn, STR("ann"), true, &report));
    assert_int_equal(report.differing_rows, 3);
    assert_string_equal(report.first_difference, "days of learner ann, 20150: is not what the log "
                                                 "gives");
    OK(ingest_rebuild(f->conn, STR("ann"), false, &report));
    assert_verified(f);
    assert_int_equal(ingest_rebuild(f->conn, STR("nobody"), true, &report), ERR_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_summed_up),
        TEST(study_time_is_split_at_midnight),
        TEST(the_hour_that_summer_time_skips_has_nothing),
        TEST(the_hour_that_winter_time_repeats_has_both),
        TEST(pauses_are_taken_off),
        TEST(a_late_start_moves_the_session),
        TEST(a_late_first_review_takes_the_new_card_along),
        TEST(scores_alone_are_answers),
        TEST(untimed_events_have_no_calendar),
        TEST(objectives_and_missions_follow_their_events),
        TEST(set_work_is_kept_by_run_and_piece),
        TEST(loads_are_kept_and_summed),
        TEST(repeated_and_refused_events_are_told_apart),
        TEST(repeats_among_new_events_are_found),
        cmocka_unit_test_setup_teardown(repeats_among_new_events_are_found, setup_postgres,
                                        teardown),
        TEST(servers_are_told_of_each_group),
        cmocka_unit_test_setup_teardown(servers_are_told_of_each_group, setup_postgres, teardown),
        TEST(topics_count_their_sessions),
        TEST(learners_may_refuse_to_be_analysed),
        TEST(an_erased_learner_leaves_nothing),
        TEST(differences_are_found_and_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
