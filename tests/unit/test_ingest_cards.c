/* What reviews leave in memory, whenever they arrive: against a walk through the reviews in order,
 * and how many round trips it takes. */
#include "base/rng.h"
#include "ingest_fixture.h"
#include "twin/audit.h"
#include "twin/card.h"

enum { REVIEWS = 240, CARDS = 5 };

struct story {
    struct event events[REVIEWS];
    char ids[REVIEWS][16], items[REVIEWS][16];
};

/* Months of reviews, at odd hours, some at the same instant, some without a clock. */
static void tell(struct story *s, uint64_t seed)
{
    struct rng r;

    rng_seed(&r, seed);
    for (int i = 0; i < REVIEWS; i++) {
        struct event *e = &s->events[i];

        snprintf(s->ids[i], sizeof s->ids[i], "e%03d", i);
        snprintf(s->items[i], sizeof s->items[i], "i%d", (int)rng_below(&r, CARDS));
        *e = an_event(EVENT_REVIEW, s->ids[i], "2025-01-05T00:30:00Z");
        e->at += (int64_t)rng_below(&r, 700) * 4 * US_PER_HOUR;
        e->item = str_from(s->items[i]);
        e->rating = (int8_t)(1 + rng_below(&r, 4));
        e->untimed = rng_below(&r, 20) == 0;
    }
}

static int by_time(const void *pa, const void *pb)
{
    const struct event *a = pa, *b = pb;

    return a->at != b->at ? (a->at > b->at ? 1 : -1) : str_cmp(a->id, b->id);
}

/* The rows that `cards` should end in, and the audit's sum of outcomes; events are sorted by it. */
static void check_memory(struct fixture *f, struct event *events, int n)
{
    const struct zone *zone;
    struct card_memory m[CARDS] = {0};
    int64_t judged = 0, recalled = 0;
    char want[100];

    OK(zone_get(STR("Europe/Berlin"), &zone));
    qsort(events, (size_t)n, sizeof *events, by_time);
    for (int i = 0; i < n; i++) {
        struct civil c = civil_at(zone, events[i].at);
        int32_t day = card_day(c.epoch_day, (c.hour * 60 + c.minute) * 60 + c.second);

        if (events[i].untimed)
            continue;
        double p = card_review(&memory_default, &m[events[i].item.p[1] - '0'],
                               (enum memory_grade)events[i].rating, day);
        judged += !isnan(p);
        recalled += !isnan(p) && events[i].rating > 1;
    }
    const char *rows = rows_of(f, "cards");
    for (int k = 0; k < CARDS; k++) {
        snprintf(want, sizeof want, " %d %d %d %d %d\n", (int)m[k].stability_micro,
                 (int)m[k].difficulty_micro, (int)m[k].day, (int)m[k].reviews, (int)m[k].lapses);
        if (m[k].reviews && !strstr(rows, want))
            fail_msg("card %d should end in%s, but there is\n%s", k, want, rows);
    }
    int64_t n_sum = 0, yes_sum = 0;
    for (const char *at = rows_of(f, "audits"); *at; at = strchr(at, '\n') + 1) {
        long long slot, slot_n, slot_yes;

        assert_int_equal(sscanf(at, " %lld %lld %lld", &slot, &slot_n, &slot_yes), 3);
        assert_true(slot / 64 == AUDIT_RECALL && slot % 64 < AUDIT_BINS && slot_n > 0);
        n_sum += slot_n;
        yes_sum += slot_yes;
    }
    assert_int_equal(n_sum, judged);
    assert_int_equal(yes_sum, recalled);
}

static void in_batches(struct fixture *f, const struct event *events, struct rng *r)
{
    for (int at = 0, n; at < REVIEWS; at += n) {
        n = 1 + (int)rng_below(r, 25);
        n = n < REVIEWS - at ? n : REVIEWS - at;
        apply(f, events + at, n, NULL);
        arena_clear(&f->arena);
    }
}

static void whenever_they_come(enum store_engine engine, uint64_t seeds)
{
    struct story *s = calloc(1, sizeof *s);
    int64_t id;

    assert_non_null(s);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct fixture f;
        struct rng r;

        tell(s, seed);
        rng_seed(&r, seed + 1000);
        fixture_open(&f, engine);
        OK(learner_put(f.conn, STR("ann"), STR("Europe/Berlin"), 1, &id));
        if (seed % 3 == 0) /* backwards */
            for (int i = 0; i < REVIEWS / 2; i++) {
                struct event t = s->events[i];
                s->events[i] = s->events[REVIEWS - 1 - i];
                s->events[REVIEWS - 1 - i] = t;
            }
        else if (seed % 3 == 1)
            qsort(s->events, REVIEWS, sizeof *s->events, by_time);
        in_batches(&f, s->events, &r);
        check_memory(&f, s->events, REVIEWS);
        assert_verified(&f);
        fixture_close(&f);
    }
    free(s);
}

static void memory_is_that_of_the_reviews_in_order(void **state)
{
    (void)state;
    whenever_they_come(STORE_SQLITE, 9);
}

static void memory_is_that_of_the_reviews_in_order_on_postgresql(void **state)
{
    (void)state;
    if (!postgres_url())
        skip();
    whenever_they_come(STORE_POSTGRES, 3);
}

static int trips(struct fixture *f, const struct event *e, int n)
{
    store_counts_take(f->conn);
    apply(f, e, n, NULL);
    return store_counts_take(f->conn).round_trips;
}

static void only_late_reviews_cost_a_round_trip(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {an_event(EVENT_REVIEW, "a", "2025-03-01T10:00:00Z"),
                        an_event(EVENT_REVIEW, "b", "2025-03-05T10:00:00Z"),
                        an_event(EVENT_REVIEW, "c", "2025-03-03T10:00:00Z"),
                        an_event(EVENT_ACTIVITY, "d", "2025-03-06T10:00:00Z")};

    for (size_t i = 0; i < COUNT(e); i++) {
        e[i].item = STR("card");
        e[i].rating = e[i].kind == EVENT_REVIEW ? 3 : 0;
    }
    e[3].session = STR("sitting"); /* asks for a row as well */
    apply(f, e, 1, NULL);          /* makes the learner */
    int plain = trips(f, &e[3], 1), on_time = trips(f, &e[1], 1);
    assert_int_equal(on_time, plain); /* the card's row is asked for along with the others */
    assert_int_equal(trips(f, &e[2], 1), on_time + 1);
    assert_verified(f);
}

/* As after a migration of an older database. */
static void a_card_without_a_memory_gets_one(void **state)
{
    struct fixture *f = *state;
    struct event e[] = {an_event(EVENT_REVIEW, "a", "2025-03-01T10:00:00Z"),
                        an_event(EVENT_REVIEW, "b", "2025-03-05T10:00:00Z"),
                        an_event(EVENT_REVIEW, "c", "2025-03-09T10:00:00Z")};

    for (size_t i = 0; i < COUNT(e); i++) {
        e[i].item = STR("card");
        e[i].rating = 3;
    }
    apply(f, e, 2, NULL);
    struct value v[] = {V_I(1),       V_S(STR("card")), V_I(2),       V_I(0),       V_I(0),
                        V_I(2),       V_I(0),           V_I(e[0].at), V_S(e[0].id), V_N,
                        V_I(e[1].at), V_S(e[1].id),     V_I(3),       V_N,          V_I(0),
                        V_I(0),       V_I(0),           V_I(0)};
    struct value ann = V_I(1);
    struct bulk bulks[] = {{.stmt = STMT_INGEST_CARDS_PUT, .rows = 1, .cols = 18, .v = v},
                           {.stmt = STMT_LEARNER_DROP_AUDITS, .rows = 1, .cols = 1, .v = &ann}};
    OK(store_begin(f->conn));
    OK(store_write(f->conn, bulks, 2));
    OK(store_commit(f->conn));
    apply(f, &e[2], 1, NULL);
    assert_verified(f);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_that_of_the_reviews_in_order),
        cmocka_unit_test(memory_is_that_of_the_reviews_in_order_on_postgresql),
        cmocka_unit_test_setup_teardown(only_late_reviews_cost_a_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(a_card_without_a_memory_gets_one, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
