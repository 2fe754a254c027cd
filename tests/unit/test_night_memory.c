/* The night's fit: when it is made, and that it tells learners apart. */
#include "base/rng.h"
#include "ingest_fixture.h"
#include "night/memory.h"
#include "twin/memory.h"

enum { CARDS = 40, EVENTS_MAX = 1000 };

static char ids[EVENTS_MAX][16], items[EVENTS_MAX][16];

/* Cards reviewed every few days by one who forgets `faster` times as fast as the curve says. */
static int invent(struct event *events, double faster, int first, int per_card, uint64_t seed)
{
    struct rng r;
    int n = 0;

    rng_seed(&r, seed);
    for (int c = 0; c < CARDS; c++) {
        struct memory_state s = {0, 0};
        int day = 0;

        for (int k = 0; k < per_card; k++, n++) {
            int gap = k ? 1 + (int)rng_below(&r, 9) : 0;
            bool recalled =
                k == 0 || rng_unit(&r) < memory_recall(&memory_default, s.stability / faster, gap);
            enum memory_grade grade = recalled ? GRADE_GOOD : GRADE_AGAIN;

            s = memory_review(&memory_default, s, grade, gap);
            snprintf(ids[n], sizeof ids[n], "e%d-%d", first, n);
            snprintf(items[n], sizeof items[n], "card%d", c);
            events[n] = an_event(EVENT_REVIEW, ids[n], "2025-01-10T12:00:00Z");
            events[n].at += (int64_t)(first + (day += gap)) * US_PER_DAY + n * US_PER_MINUTE;
            events[n].item = str_from(items[n]);
            events[n].rating = (int8_t)grade;
        }
    }
    return n;
}

/* The values that are to be written; NULL: none. */
static const struct value *night(struct fixture *f, struct night_work *w)
{
    *w = (struct night_work){.conn = f->conn,
                             .arena = &f->arena,
                             .deadline_us = INT64_MAX,
                             .now_us = at_text("2025-06-01T00:00:00Z")};
    OK(night_compute(w, STR("ann"), night_memory));
    if (w->bulk_count == 0)
        return NULL;
    assert_int_equal(w->bulk_count, 1);
    OK(store_begin(f->conn));
    OK(night_write(w, f->conn));
    OK(store_commit(f->conn));
    return w->bulks[0].v;
}

static void made_when_there_is_enough_that_is_new(enum store_engine engine)
{
    static struct event events[EVENTS_MAX];
    struct night_work w;
    struct fixture f;

    fixture_open(&f, engine);
    apply(&f, events, invent(events, 1, 0, 1, 1), NULL); /* 40 first reviews: nothing to judge */
    assert_null(night(&f, &w));
    apply(&f, events, invent(events, 1, 10, 6, 2), NULL);
    const struct value *v = night(&f, &w);
    assert_non_null(v);
    assert_int_equal(v[2].i, CARDS * 7);
    assert_int_equal(v[3].i, CARDS * 6); /* the second story goes on with the cards of the first */
    assert_true(v[5].d <= v[4].d);
    assert_true(v[6].s.n > 60 && v[6].s.p[0] == '[' && v[6].s.p[v[6].s.n - 1] == ']');
    assert_int_equal(v[9].i, CARDS);
    assert_null(night(&f, &w)); /* nothing came since */
    apply(&f, events, invent(events, 1, 90, 1, 3), NULL);
    assert_null(night(&f, &w)); /* 40 more: a seventh */
    apply(&f, events, invent(events, 1, 120, 2, 4), NULL);
    assert_non_null(night(&f, &w));
    fixture_close(&f);
}

static void on_sqlite(void **state)
{
    (void)state;
    made_when_there_is_enough_that_is_new(STORE_SQLITE);
}

static void on_postgresql(void **state)
{
    (void)state;
    if (!postgres_url())
        skip();
    made_when_there_is_enough_that_is_new(STORE_POSTGRES);
}

static void who_forgets_fast_has_a_short_half_life(void **state)
{
    (void)state;
    static struct event events[EVENTS_MAX];
    double decay[2];

    for (int k = 0; k < 2; k++) {
        struct night_work w;
        struct fixture f;

        fixture_open(&f, STORE_SQLITE);
        apply(&f, events, invent(events, k ? 30 : 0.2, 0, 12, 7), NULL);
        const struct value *v = night(&f, &w);
        assert_non_null(v);
        decay[k] = v[8].d;
        assert_true(v[5].d < v[4].d);
        fixture_close(&f);
    }
    assert_true(decay[1] > 1.5 * decay[0]);
}

static void nobody_and_nothing(void **state)
{
    (void)state;
    struct event e = an_event(EVENT_ACTIVITY, "a", "2025-01-10T12:00:00Z");
    struct night_work w;
    struct fixture f;

    fixture_open(&f, STORE_SQLITE);
    w = (struct night_work){.conn = f.conn, .arena = &f.arena, .deadline_us = INT64_MAX};
    assert_int_equal(night_compute(&w, STR("ann"), night_memory), ERR_NOT_FOUND);
    apply(&f, &e, 1, NULL);
    assert_null(night(&f, &w));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_sqlite),
        cmocka_unit_test(on_postgresql),
        cmocka_unit_test(who_forgets_fast_has_a_short_half_life),
        cmocka_unit_test(nobody_and_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
