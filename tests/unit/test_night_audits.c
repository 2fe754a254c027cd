/* Forecasts over all learners: counted once, brought up to date, taken back. */
#include "ingest/audits.h"
#include "ingest_fixture.h"
#include "night/audits.h"

enum { EVENTS_MAX = 80 };

static char ids[EVENTS_MAX][24], items[EVENTS_MAX][24];

/* `n` cards, each reviewed twice; two of three are remembered. */
static void tell(struct fixture *f, const char *learner, int n, int first)
{
    static struct event events[EVENTS_MAX];
    int count = 0;

    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++, count++) {
            snprintf(ids[count], sizeof ids[count], "%s-%d-%d", learner, first + i, k);
            snprintf(items[count], sizeof items[count], "card%d", first + i);
            events[count] = an_event(EVENT_REVIEW, ids[count], "2025-01-10T12:00:00Z");
            events[count].learner = str_from(learner);
            events[count].at += k * 3 * US_PER_DAY + (first + i) * US_PER_MINUTE;
            events[count].item = str_from(items[count]);
            events[count].rating = (int8_t)(k && i % 3 == 0 ? 1 : 3);
        }
    apply(f, events, count, NULL);
}

static int32_t night(struct fixture *f, const char *learner)
{
    struct night_work w = {.conn = f->conn,
                           .arena = &f->arena,
                           .deadline_us = INT64_MAX,
                           .now_us = at_text("2025-06-01T00:00:00Z")};

    OK(night_compute(&w, str_from(learner), night_audits));
    OK(store_begin(f->conn));
    OK(night_write(&w, f->conn));
    OK(store_commit(f->conn));
    return w.bulk_count;
}

static void sums(struct fixture *f, enum stmt stmt, struct audit_bin *ret)
{
    struct query q = {.stmt = stmt};

    OK(store_read(f->conn, &f->arena, &q, 1, INT64_MAX));
    audits_of(&q.rows, AUDIT_RECALL, ret);
}

static int64_t count(const struct audit_bin *bins)
{
    int64_t n = 0;

    for (int i = 0; i < AUDIT_BINS; i++)
        n += bins[i].n;
    return n;
}

/* The totals are what every learner's own figures come to. */
static int64_t assert_all_counted(struct fixture *f)
{
    struct audit_bin kept[AUDIT_BINS], made[AUDIT_BINS];

    sums(f, STMT_AUDIT_TOTALS, kept);
    sums(f, STMT_AUDIT_OF_ALL, made);
    assert_memory_equal(kept, made, sizeof kept);
    return count(kept);
}

static void totals_follow_the_learners(enum store_engine engine)
{
    struct audit_bin kept[AUDIT_BINS];
    struct fixture f;
    int64_t rows;

    fixture_open(&f, engine);
    tell(&f, "ann", 30, 0);
    tell(&f, "bob", 20, 0);
    assert_true(night(&f, "ann") > 0);
    assert_int_equal(night(&f, "ann"), 0); /* nothing new */
    sums(&f, STMT_AUDIT_TOTALS, kept);
    assert_int_equal(count(kept), 30);
    night(&f, "bob");
    assert_int_equal(assert_all_counted(&f), 50);
    tell(&f, "ann", 10, 30);
    night(&f, "ann");
    night(&f, "bob");
    assert_int_equal(assert_all_counted(&f), 60);
    OK(learner_erase(f.conn, STR("ann"), &rows));
    assert_int_equal(assert_all_counted(&f), 20);
    fixture_close(&f);
}

static void count_in(struct fixture *f, const char *learner, bool yes)
{
    int64_t id;

    OK(learner_put(f->conn, str_from(learner), (struct str){NULL, 0}, 0, &id));
    const struct value v[] = {V_I(id),          V_N,    V_N,    V_I(1),   V_I(1), V_I(50),
                              V_S(STR("AUTO")), V_N,    V_N,    V_I(yes), V_I(1), V_I(1),
                              V_I(1),           V_I(0), V_I(0), V_N,      V_N};
    struct bulk b = {.stmt = STMT_PROFILE_WRITE, .rows = 1, .cols = COUNT(v), .v = v};

    OK(store_begin(f->conn));
    OK(store_write(f->conn, &b, 1));
    OK(store_commit(f->conn));
    assert_int_equal(b.changed, 1);
}

static void who_is_left_out_of_sums_is_left_out(enum store_engine engine)
{
    struct audit_bin kept[AUDIT_BINS];
    struct fixture f;

    fixture_open(&f, engine);
    tell(&f, "ann", 30, 0);
    night(&f, "ann");
    count_in(&f, "ann", false);
    assert_true(night(&f, "ann") > 0);
    sums(&f, STMT_AUDIT_TOTALS, kept);
    assert_int_equal(count(kept), 0);
    assert_int_equal(night(&f, "ann"), 0);
    count_in(&f, "ann", true);
    night(&f, "ann");
    assert_int_equal(assert_all_counted(&f), 30);
    fixture_close(&f);
}

BOTH(totals_follow_the_learners)
BOTH(who_is_left_out_of_sums_is_left_out)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_follow_the_learners_sqlite),
        cmocka_unit_test(totals_follow_the_learners_postgres),
        cmocka_unit_test(who_is_left_out_of_sums_is_left_out_sqlite),
        cmocka_unit_test(who_is_left_out_of_sums_is_left_out_postgres),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
