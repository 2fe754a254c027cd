/* Strain at night: what goes with load, what helps against it, and rows made once. */
#include "ingest_fixture.h"
#include "night/strain.h"
#include "night/struggle.h"

enum { DAY_ANSWERS = 20, EVENTS_MAX = 40 };

static char ids[EVENTS_MAX][24], items[EVENTS_MAX][24];
static const char *const start = "2025-03-01T08:00:00Z";
static int told;

/* A sitting of twenty answers from `at` on; latencies about `ms`. */
static void sit(struct fixture *f, struct rng *rng, int64_t at, double ms, int right_percent)
{
    struct ingest_result results[EVENTS_MAX];
    static struct event events[EVENTS_MAX];

    for (int i = 0; i < DAY_ANSWERS; i++) {
        struct event *e = &events[i];

        snprintf(ids[i], sizeof ids[i], "e%d", told);
        snprintf(items[i], sizeof items[i], "item%d", told++);
        *e = an_event(EVENT_ANSWER, ids[i], start);
        e->at = at + i * US_PER_MINUTE;
        e->item = str_from(items[i]);
        e->objective = STR("o");
        e->latency_ms = (int64_t)(ms * (0.7 + 0.6 * rng_unit(rng)));
        e->correct = (int8_t)(rng_below(rng, 100) < (uint64_t)right_percent);
    }
    OK(applier_apply(f->applier, events, DAY_ANSWERS, at + US_PER_DAY, &f->arena, results));
}

/* The night until nothing is left. */
static void night(struct fixture *f, int64_t now)
{
    for (bool more = true; more;) {
        struct night_work *w = arena_new(&f->arena, struct night_work, 1);

        assert_non_null(w);
        *w = (struct night_work){
            .conn = f->conn, .arena = &f->arena, .deadline_us = INT64_MAX, .now_us = now};
        OK(night_compute(w, STR("ann"), night_struggle));
        OK(store_begin(f->conn));
        OK(night_write(w, f->conn));
        OK(store_commit(f->conn));
        more = w->more;
    }
}

static struct rows look(struct fixture *f, enum stmt stmt)
{
    const struct value args[] = {V_S(STR("ann"))};
    struct query q = {.stmt = stmt, .args = args, .arg_count = 1};

    OK(store_read(f->conn, &f->arena, &q, 1, INT64_MAX));
    return q.rows;
}

/* The present pattern of that condition; NULL: none. */
static const struct value *pattern(struct fixture *f, const char *condition)
{
    struct rows rows = look(f, STMT_STRESS_PATTERNS_PRESENT);

    for (int32_t i = 0; i < rows.count; i++)
        if (str_eq(value_str(row_at(&rows, i) + 2), str_from(condition)))
            return row_at(&rows, i);
    return NULL;
}

static int64_t learner_id(struct fixture *f)
{
    struct rows rows = look(f, STMT_NIGHT_LEARNER);

    return value_i64(row_at(&rows, 0), 0);
}

static void relief(struct fixture *f, const char *id, const char *type, int64_t from, int64_t to)
{
    const struct value v[] = {V_I(learner_id(f)),
                              V_S(str_from(id)),
                              V_S(str_from(type)),
                              V_I(9),
                              V_N,
                              V_I(from),
                              V_N,
                              V_S(STR("[]")),
                              V_I(to)};
    struct bulk b = {.stmt = STMT_RELIEF_PUT, .rows = 1, .cols = COUNT(v), .v = v};

    OK(store_begin(f->conn));
    OK(store_write(f->conn, &b, 1));
    OK(store_commit(f->conn));
}

/* Every other day is after rest and goes well; late evenings go badly. */
static void what_goes_with_load_and_what_helps(enum store_engine engine)
{
    struct fixture f;
    struct rng rng;
    int64_t t0 = at_text(start);

    fixture_open(&f, engine);
    rng_seed(&rng, 5);
    for (int day = 0; day < 40; day++) {
        int64_t at = t0 + day * US_PER_DAY;

        sit(&f, &rng, at, day % 2 ? 5000 : 9000, 80);
        if (day % 3 == 0)
            sit(&f, &rng, at + 15 * US_PER_HOUR, 16000, 60); /* from 23:00 on */
        if (day % 2) {
            char id[24];
            snprintf(id, sizeof id, "rest%d", day);
            relief(&f, id, "MANDATORY_REST", at - US_PER_HOUR, at + 2 * US_PER_HOUR);
        }
    }
    night(&f, t0 + 40 * US_PER_DAY);
    const struct value *late = pattern(&f, "night"), *rest = pattern(&f, "MANDATORY_REST");
    assert_non_null(late);
    assert_true(value_f64(&late[8], 0) > 5);                      /* a higher load */
    assert_true(value_f64(&late[6], 0) > value_f64(&late[7], 0)); /* with, without */
    assert_int_equal(value_i64(&late[4], 0), 14);
    assert_non_null(rest);
    assert_true(str_eq(value_str(&rest[1]), STR("COPING")));
    assert_true(value_f64(&rest[8], 0) < -3); /* a lower one */
    assert_true(value_f64(&rest[9], 0) < value_f64(&rest[10], 0) && value_f64(&rest[10], 0) < 0);
    assert_null(pattern(&f, "evening"));
    int64_t first_at = value_i64(&late[13], 0);

    /* it is still the same pattern later, and nothing new changes nothing */
    sit(&f, &rng, t0 + 41 * US_PER_DAY, 6000, 80);
    night(&f, t0 + 42 * US_PER_DAY);
    late = pattern(&f, "night");
    assert_non_null(late);
    assert_int_equal(value_i64(&late[13], 0), first_at);
    struct rows before = look(&f, STMT_STRESS_PROFILE);
    night(&f, t0 + 44 * US_PER_DAY);
    struct rows after = look(&f, STMT_STRESS_PROFILE);
    assert_int_equal(value_i64(row_at(&before, 0), 0), value_i64(row_at(&after, 0), 0));
    fixture_close(&f);
}

static void tell(struct fixture *f, enum event_kind kind, const char *id, int64_t at)
{
    struct ingest_result result;
    struct event e = an_event(kind, id, start);

    e.at = at;
    e.session = STR("s");
    OK(applier_apply(f->applier, &e, 1, at + US_PER_DAY, &f->arena, &result));
}

static void a_sitting_begins_with_its_session_and_leaves_pauses_out(enum store_engine engine)
{
    struct fixture f;
    struct rng rng;
    int64_t t0 = at_text(start), t1 = t0 + US_PER_DAY;

    fixture_open(&f, engine);
    rng_seed(&rng, 7);
    sit(&f, &rng, t0, 5000, 80); /* so that the normal is known */
    night(&f, t0 + US_PER_HOUR * 20);
    tell(&f, EVENT_SESSION_STARTED, "begin", t1);
    tell(&f, EVENT_SESSION_PAUSED, "pause", t1 + 3 * US_PER_MINUTE);
    tell(&f, EVENT_SESSION_RESUMED, "on", t1 + 7 * US_PER_MINUTE);
    sit(&f, &rng, t1 + 8 * US_PER_MINUTE, 5000, 80); /* nineteen minutes */
    night(&f, t1 + US_PER_DAY);
    const struct value args[] = {V_I(learner_id(&f)), V_I(1)};
    struct query q = {.stmt = STMT_STRAIN_SITTINGS, .args = args, .arg_count = 2};
    OK(store_read(f.conn, &f.arena, &q, 1, INT64_MAX));
    assert_int_equal(q.rows.count, 1);
    assert_int_equal(value_i64(row_at(&q.rows, 0), 0), t1);
    assert_true(value_f64(row_at(&q.rows, 0) + 1, 0) == 23); /* 3 + 1 + 19 */
    fixture_close(&f);
}

static void a_pattern_goes_when_it_does_not_hold_any_more(enum store_engine engine)
{
    struct fixture f;
    struct rng rng;
    int64_t t0 = at_text(start);

    fixture_open(&f, engine);
    rng_seed(&rng, 6);
    for (int day = 0; day < 24; day++) {
        sit(&f, &rng, t0 + day * US_PER_DAY, 6000, 80);
        if (day % 3 == 0)
            sit(&f, &rng, t0 + day * US_PER_DAY + 15 * US_PER_HOUR, 16000, 60);
    }
    night(&f, t0 + 25 * US_PER_DAY);
    assert_non_null(pattern(&f, "night"));
    for (int day = 30; day < 130; day++) {
        sit(&f, &rng, t0 + day * US_PER_DAY, 9000, 70);
        sit(&f, &rng, t0 + day * US_PER_DAY + 15 * US_PER_HOUR, 6000, 90);
    }
    night(&f, t0 + 131 * US_PER_DAY);
    assert_null(pattern(&f, "night"));
    fixture_close(&f);
}

BOTH(what_goes_with_load_and_what_helps)
BOTH(a_pattern_goes_when_it_does_not_hold_any_more)
BOTH(a_sitting_begins_with_its_session_and_leaves_pauses_out)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_with_load_and_what_helps_sqlite),
        cmocka_unit_test(what_goes_with_load_and_what_helps_postgres),
        cmocka_unit_test(a_pattern_goes_when_it_does_not_hold_any_more_sqlite),
        cmocka_unit_test(a_pattern_goes_when_it_does_not_hold_any_more_postgres),
        cmocka_unit_test(a_sitting_begins_with_its_session_and_leaves_pauses_out_sqlite),
        cmocka_unit_test(a_sitting_begins_with_its_session_and_leaves_pauses_out_postgres),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
