/* What the nights learn of a learner's cards: the same as the evaluation does in one go, whatever
 * the pieces; what is late, made anew, erased; and the population. */
#include "base/rng.h"
#include "eval/reviews.h"
#include "ingest/audits.h"
#include "ingest_fixture.h"
#include "night/retention.h"

enum { CARDS = 60, EVENTS_MAX = 10000, ROUNDS_MAX = 40 };
#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

struct story {
    struct event events[EVENTS_MAX];
    struct review reviews[EVENTS_MAX];
    char ids[EVENTS_MAX][16], items[CARDS][16];
    int n;
};

/* One who forgets `faster` times as fast as the curve says, over `days` days. */
static void invent(struct story *s, const char *learner, double faster, int days, uint64_t seed)
{
    const int64_t begin = at_text("2025-01-10T12:00:00Z");
    struct memory_state memory[CARDS] = {0};
    int last[CARDS] = {0}, next[CARDS];
    struct rng r;

    rng_seed(&r, seed);
    s->n = 0;
    for (int c = 0; c < CARDS; c++) {
        snprintf(s->items[c], sizeof s->items[c], "card%d", c);
        next[c] = c / 4;
    }
    for (int day = 0; day < days; day++)
        for (int c = 0; c < CARDS && s->n < EVENTS_MAX; c++) {
            if (next[c] != day)
                continue;
            int gap = day - last[c], i = s->n++;
            bool first = memory[c].stability == 0;
            bool recalled =
                first ||
                rng_unit(&r) < memory_recall(&memory_default, memory[c].stability / faster, gap);
            enum memory_grade grade = recalled ? (c % 7 ? GRADE_GOOD : GRADE_HARD) : GRADE_AGAIN;

            memory[c] = memory_review(&memory_default, memory[c], grade, gap);
            last[c] = day;
            next[c] = day + (recalled ? 1 + (int)rng_below(&r, 12) : !rng_below(&r, 2));
            next[c] += next[c] == day; /* those of the same day are told below */
            snprintf(s->ids[i], sizeof s->ids[i], "e%d", i);
            s->events[i] = an_event(EVENT_REVIEW, s->ids[i], "2025-01-10T12:00:00Z");
            s->events[i].learner = str_from(learner);
            s->events[i].at = begin + day * US_PER_DAY + i % 400 * US_PER_MINUTE / 4;
            s->events[i].item = str_from(s->items[c]);
            s->events[i].rating = (int8_t)grade;
            s->reviews[i] = (struct review){.card = (uint32_t)c,
                                            .day = (int32_t)(begin / US_PER_DAY) + day,
                                            .at_s = s->events[i].at / US_PER_S,
                                            .grade = (uint8_t)grade};
        }
    for (int i = 1; i < s->n; i++) /* in the order of time, as the evaluation has them */
        if (s->events[i].at < s->events[i - 1].at) {
            s->events[i].at = s->events[i - 1].at + 1;
            s->reviews[i].at_s = s->events[i].at / US_PER_S;
        }
}

/* One round of the night. false: nothing was to be written. */
static bool night(struct fixture *f, const char *learner, struct night_work *w)
{
    *w = (struct night_work){.conn = f->conn,
                             .arena = &f->arena,
                             .deadline_us = INT64_MAX,
                             .now_us = at_text("2026-02-01T00:00:00Z")};
    OK(night_compute(w, str_from(learner), night_retention));
    if (w->bulk_count == 0 && w->guard.rows == 0)
        return false;
    OK(store_begin(f->conn));
    OK(night_write(w, f->conn));
    OK(store_commit(f->conn));
    return true;
}

static void nights(struct fixture *f, const char *learner)
{
    struct night_work w;
    int rounds = 0;

    while (night(f, learner, &w) && w.more)
        assert_true(++rounds < ROUNDS_MAX);
}

static struct rows read_some(struct fixture *f, enum stmt stmt, const struct value *args, int n)
{
    struct query q = {.stmt = stmt, .args = args, .arg_count = n};

    OK(store_read(f->conn, &f->arena, &q, 1, INT64_MAX));
    return q.rows;
}

static bool learnt_of(struct fixture *f, const char *learner, struct retention *ret)
{
    const struct value id = V_S(str_from(learner));
    struct rows rows = read_some(f, STMT_RETENTION_OF_LEARNER, &id, 1);

    if (rows.count == 0)
        return false;
    const struct str s = row_at(&rows, 0)->s;
    OK(retention_decode(ret, (const uint8_t *)s.p, s.n));
    return true;
}

static int64_t id_of(struct fixture *f, const char *learner)
{
    const struct value id = V_S(str_from(learner));
    struct rows rows = read_some(f, STMT_NIGHT_LEARNER, &id, 1);

    return value_i64(row_at(&rows, 0), 0);
}

static int32_t cards_of(struct fixture *f, const struct story *s, const char *learner,
                        struct retention_card *ret)
{
    struct value keys[2 * CARDS];
    struct rows rows;

    memset(ret, 0, CARDS * sizeof *ret);
    for (int c = 0; c < CARDS; c++) {
        keys[2 * c] = V_I(id_of(f, learner));
        keys[2 * c + 1] = V_S(str_from(s->items[c]));
    }
    OK(store_read_bulk(f->conn, &f->arena, STMT_RETENTION_CARDS, keys, CARDS, 2, &rows));
    for (int i = 0; i < rows.count; i++) {
        const struct value *v = row_at(&rows, i);
        int c = 0;

        while (!str_eq(v[0].s, str_from(s->items[c])))
            c++;
        OK(retention_card_decode(&ret[c], (const uint8_t *)v[1].s.p, v[1].s.n));
    }
    return rows.count;
}

/* The server's forecasts are the evaluation's, on days to come. */
static void assert_as_evaluated(struct fixture *f, const struct story *s, const char *learner)
{
    static struct retention_card server[CARDS], paper[CARDS];
    const struct reviews_prior none = {0};
    struct retention learnt, evaluated;

    memset(paper, 0, sizeof paper);
    OK(reviews_learn(s->reviews, s->n, &none, &evaluated, paper));
    assert_true(learnt_of(f, learner, &learnt));
    assert_int_equal(cards_of(f, s, learner, server), CARDS);
    assert_int_equal(learnt.judged, evaluated.judged);
    assert_int_equal(learnt.fitted, evaluated.fitted);
    assert_true(evaluated.fitted > 0);
    for (int c = 0; c < CARDS; c++)
        for (int gap = 0; gap < 500; gap = gap * 2 + 1) {
            int32_t day = paper[c].memory.day + gap;
            int64_t now_s = day * INT64_C(86400);

            NEAR(retention_recall(&learnt, &server[c], day, now_s, NULL),
                 retention_recall(&evaluated, &paper[c], day, now_s, NULL));
        }
}

static double audited(struct fixture *f, const char *learner, int64_t *ret_n)
{
    const struct value id = V_S(str_from(learner));
    struct rows rows = read_some(f, STMT_AUDIT_OF_LEARNER, &id, 1);
    struct audit_bin bins[AUDIT_BINS];
    double loss = 0;

    *ret_n = 0;
    audits_of(&rows, AUDIT_SERVED, bins);
    for (int i = 0; i < AUDIT_BINS; i++) {
        loss += (double)bins[i].loss_micro / 1e6;
        *ret_n += bins[i].n;
    }
    return loss;
}

static void pieces_and_the_whole(enum store_engine engine)
{
    static const int pieces[] = {1, 7, 200, 31, 400, 2};
    static struct story s;
    struct forecast judged[EVENTS_MAX];
    const struct reviews_prior none = {0};
    struct fixture f;
    int64_t n, outcomes;
    double loss = 0;

    fixture_open(&f, engine);
    invent(&s, "ann", 3, 150, 1);
    assert_true(s.n > 1000);
    for (int i = 0, k = 0; i < s.n; k++) {
        int piece = k < (int)COUNT(pieces) ? pieces[k] : s.n - i;

        apply(&f, s.events + i, piece, NULL);
        nights(&f, "ann");
        i += piece;
    }
    assert_as_evaluated(&f, &s, "ann");
    OK(reviews_forecast(s.reviews, s.n, REVIEWS_DOPPEL, &none, judged, &n, NULL));
    for (int64_t i = 0; i < n; i++) {
        double p = fmin(fmax((double)judged[i].p, 0.0005), 0.9995);
        loss -= log(judged[i].outcome ? p : 1 - p);
    }
    double own = audited(&f, "ann", &outcomes);
    assert_int_equal(outcomes, n);
    assert_true(fabs(own - loss) < 1e-5 * (double)n);

    struct night_work w;
    bool again = night(&f, "ann", &w); /* of the population, once a day, none was made yet */
    assert_false(again && w.guard.rows);
    assert_false(night(&f, "ann", &w));
    fixture_close(&f);
}
BOTH(pieces_and_the_whole)

static void late_ones_and_a_rebuild(enum store_engine engine)
{
    static struct story s;
    struct fixture f;
    int64_t n, after;

    fixture_open(&f, engine);
    invent(&s, "ann", 0.5, 120, 2);
    apply(&f, s.events, 300, NULL);
    apply(&f, s.events + 340, s.n - 340, NULL);
    nights(&f, "ann");
    audited(&f, "ann", &n);
    apply(&f, s.events + 300, 40, NULL); /* late */
    nights(&f, "ann");
    assert_as_evaluated(&f, &s, "ann");
    audited(&f, "ann", &after);
    assert_int_equal(after, n); /* judged once, and never what came late */

    static struct retention_card cards[CARDS];
    OK(store_begin(f.conn));
    OK(rebuild_learner(f.conn, id_of(&f, "ann"), STR("UTC"), NULL));
    OK(store_commit(f.conn));
    assert_int_equal(cards_of(&f, &s, "ann", cards), 0);
    nights(&f, "ann");
    assert_as_evaluated(&f, &s, "ann");
    audited(&f, "ann", &after);
    assert_int_equal(after, n);
    assert_verified(&f);
    fixture_close(&f);
}
BOTH(late_ones_and_a_rebuild)

/* Nothing is learnt anew where nothing was late: so many runs as there were pieces. */
static void only_what_is_new(enum store_engine engine)
{
    static struct story s;
    struct fixture f;

    fixture_open(&f, engine);
    invent(&s, "ann", 1, 90, 5);
    for (int i = 0; i < 5; i++) {
        struct night_work w;

        apply(&f, s.events + 100 * i, 100, NULL);
        while (night(&f, "ann", &w) && w.more)
            for (int k = 0; k < w.bulk_count; k++)
                assert_int_not_equal(w.bulks[k].stmt, STMT_RETENTION_CARDS_CLEAR);
    }
    struct retention learnt;
    assert_true(learnt_of(&f, "ann", &learnt));
    assert_true(learnt.judged > 300);
    fixture_close(&f);
}
BOTH(only_what_is_new)

/* More than one run can take, and late ones among them. */
static void in_rounds(enum store_engine engine)
{
    static struct story s;
    struct fixture f;
    int64_t n, after;

    fixture_open(&f, engine);
    invent(&s, "ann", 2, 1300, 4);
    assert_true(s.n > RETENTION_ROUND_MAX + 500);
    apply(&f, s.events, 500, NULL);
    apply(&f, s.events + 510, s.n - 510, NULL);
    nights(&f, "ann");
    audited(&f, "ann", &n);
    apply(&f, s.events + 500, 10, NULL);
    nights(&f, "ann");
    assert_as_evaluated(&f, &s, "ann");
    audited(&f, "ann", &after);
    assert_int_equal(after, n);
    fixture_close(&f);
}
BOTH(in_rounds)

static void two_at_once(enum store_engine engine)
{
    static struct story s;
    struct night_work a, b;
    struct fixture f;

    fixture_open(&f, engine);
    invent(&s, "ann", 1, 60, 3);
    apply(&f, s.events, s.n, NULL);
    a = b = (struct night_work){.conn = f.conn,
                                .arena = &f.arena,
                                .deadline_us = INT64_MAX,
                                .now_us = at_text("2026-02-01T00:00:00Z")};
    OK(night_compute(&a, STR("ann"), night_retention));
    OK(night_compute(&b, STR("ann"), night_retention));
    OK(store_begin(f.conn));
    OK(night_write(&a, f.conn));
    OK(store_commit(f.conn));
    OK(store_begin(f.conn));
    assert_int_equal(night_write(&b, f.conn), ERR_CONFLICT);
    store_rollback(f.conn);
    assert_as_evaluated(&f, &s, "ann");
    fixture_close(&f);
}
BOTH(two_at_once)

static int64_t population(struct fixture *f, struct retention_prior *ret, int64_t *ret_made_at)
{
    const struct value id = V_I(id_of(f, "l0"));
    struct rows rows = read_some(f, STMT_RETENTION_HEAD, &id, 1);
    const struct value *v = row_at(&rows, 0);

    *ret_made_at = value_i64(&v[8], TIME_NONE);
    if (v[10].type == V_BLOB)
        OK(retention_prior_decode(ret, (const uint8_t *)v[10].s.p, v[10].s.n));
    assert_true((v[10].type == V_BLOB) == (value_i64(&v[9], 0) >= RETENTION_PEOPLE_MIN));
    return value_i64(&v[9], 0);
}

static void others_are_the_prior(enum store_engine engine)
{
    static struct story s;
    struct retention_prior prior;
    struct retention fresh;
    struct fixture f;
    char name[8];
    int64_t made_at, rows;

    fixture_open(&f, engine);
    for (int l = 0; l < RETENTION_PEOPLE_MIN; l++) {
        snprintf(name, sizeof name, "l%d", l);
        invent(&s, name, 4, 40, (uint64_t)l + 10);
        apply(&f, s.events, s.n, NULL);
        nights(&f, name);
        if (l == 0)
            assert_int_equal(population(&f, &prior, &made_at), 1); /* too few: none is made */
    }
    assert_int_equal(population(&f, &prior, &made_at), 1); /* nor looked for again that day */
    struct night_work w = {.conn = f.conn,
                           .arena = &f.arena,
                           .deadline_us = INT64_MAX,
                           .now_us = at_text("2026-02-02T00:00:00Z")};
    OK(night_compute(&w, STR("l3"), night_retention));
    OK(store_begin(f.conn));
    OK(night_write(&w, f.conn));
    OK(store_commit(f.conn));
    assert_int_equal(population(&f, &prior, &made_at), RETENTION_PEOPLE_MIN);
    assert_true(prior.fsrs.mean.w[2] < memory_default.w[2]); /* they forget fast */

    invent(&s, "new", 1, 3, 99);
    apply(&f, s.events, 3, NULL);
    nights(&f, "new");
    assert_true(learnt_of(&f, "new", &fresh));
    assert_memory_equal(&fresh.own, &prior.fsrs.mean, sizeof fresh.own);

    OK(store_begin(f.conn)); /* one less: nothing is left of it with the next night */
    OK(learner_erase(f.conn, STR("l7"), &rows));
    OK(store_commit(f.conn));
    assert_int_equal(population(&f, &prior, &made_at), RETENTION_PEOPLE_MIN);
    assert_int_equal(made_at, 0);
    assert_true(night(&f, "l3", &w));
    assert_int_equal(population(&f, &prior, &made_at), RETENTION_PEOPLE_MIN - 1);
    assert_false(learnt_of(&f, "l7", &fresh));
    fixture_close(&f);
}
BOTH(others_are_the_prior)

static void nobody_and_nothing(void **state)
{
    (void)state;
    struct event e = an_event(EVENT_ACTIVITY, "a", "2025-01-10T12:00:00Z");
    struct retention none;
    struct night_work w;
    struct fixture f;

    fixture_open(&f, STORE_SQLITE);
    w = (struct night_work){.conn = f.conn, .arena = &f.arena, .deadline_us = INT64_MAX};
    assert_int_equal(night_compute(&w, STR("ann"), night_retention), ERR_NOT_FOUND);
    apply(&f, &e, 1, NULL);
    assert_false(night(&f, "ann", &w));
    assert_false(learnt_of(&f, "ann", &none));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_and_the_whole_sqlite),
        cmocka_unit_test(pieces_and_the_whole_postgres),
        cmocka_unit_test(late_ones_and_a_rebuild_sqlite),
        cmocka_unit_test(late_ones_and_a_rebuild_postgres),
        cmocka_unit_test(only_what_is_new_sqlite),
        cmocka_unit_test(only_what_is_new_postgres),
        cmocka_unit_test(in_rounds_sqlite),
        cmocka_unit_test(in_rounds_postgres),
        cmocka_unit_test(two_at_once_sqlite),
        cmocka_unit_test(two_at_once_postgres),
        cmocka_unit_test(others_are_the_prior_sqlite),
        cmocka_unit_test(others_are_the_prior_postgres),
        cmocka_unit_test(nobody_and_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
