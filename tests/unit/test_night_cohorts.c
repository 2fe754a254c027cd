/* Set work over all learners: counted once, brought up to date, taken back; and that it is what the
 * learners' own rows come to. */
#include "ingest_fixture.h"
#include "night/cohorts.h"

static void tell(struct fixture *f, const char *learner, const char *task, int day, int64_t score)
{
    int64_t id;

    OK(learner_put(f->conn, str_from(learner), (struct str){NULL, 0}, 0, &id));
    const struct value v[] = {
        V_I(id), V_S(STR("c")), V_S(str_from(task)), V_I(day), score < 0 ? V_N : V_I(score),
        V_I(1)};
    struct bulk b = {.stmt = STMT_WORK_PUT, .rows = 1, .cols = COUNT(v), .v = v};

    OK(store_begin(f->conn));
    OK(store_write(f->conn, &b, 1));
    OK(store_commit(f->conn));
}

static int32_t night(struct fixture *f, const char *learner)
{
    struct night_work w = {
        .conn = f->conn, .arena = &f->arena, .deadline_us = INT64_MAX, .now_us = US_PER_DAY};

    OK(night_compute(&w, str_from(learner), night_cohorts));
    OK(store_begin(f->conn));
    OK(night_write(&w, f->conn));
    OK(store_commit(f->conn));
    return w.bulk_count;
}

static int64_t size(struct fixture *f)
{
    const struct value course = V_S(STR("c"));
    struct query q = {.stmt = STMT_COHORT_SIZE, .args = &course, .arg_count = 1};

    OK(store_read(f->conn, &f->arena, &q, 1, INT64_MAX));
    return value_i64(row_at(&q.rows, 0), -1);
}

/* n, scored, sums, worse, level, sooner, same day: of task "t" by day 20, for 60 % on day 10. */
static void assert_places(struct fixture *f, const int64_t expected[8])
{
    const struct value key[] = {V_S(STR("c")), V_S(STR("t")), V_I(20), V_I(10), V_I(12)};
    struct rows rows;

    OK(store_read_bulk(f->conn, &f->arena, STMT_COHORT_PLACES, key, 1, COUNT(key), &rows));
    assert_int_equal(rows.count, expected ? 1 : 0);
    for (int i = 0; expected && i < 8; i++)
        assert_int_equal(value_i64(row_at(&rows, 0) + 1 + i, -1), expected[i]);
}

static void sums_follow_what_is_told(enum store_engine engine)
{
    struct fixture f;
    int64_t rows;

    fixture_open(&f, engine);
    assert_places(&f, NULL);
    static const struct {
        const char *learner;
        int day;
        int64_t score;
    } told[] = {
        {"ann", 8, 5000}, {"bob", 10, 6000}, {"cid", 10, 6250}, {"dan", 12, -1}, {"eva", 30, 9000}};
    for (size_t i = 0; i < COUNT(told); i++) {
        tell(&f, told[i].learner, "", 0, -1);
        tell(&f, told[i].learner, "t", told[i].day, told[i].score);
        assert_true(night(&f, told[i].learner) > 0);
        assert_int_equal(night(&f, told[i].learner), 0); /* nothing new */
    }
    assert_int_equal(size(&f), 5);
    assert_places(&f,
                  (int64_t[]){4, 3, 17250, 5000 * 5000 + 6000 * 6000 + 6250 * 6250, 1, 2, 1, 2});
    tell(&f, "dan", "t", 12, 8000); /* marked by now */
    assert_true(night(&f, "dan") > 0);
    assert_places(&f,
                  (int64_t[]){4, 4, 25250, 5000 * 5000 + 6000 * 6000 + 6250 * 6250 + 8000 * 8000, 1,
                              2, 1, 2});
    OK(learner_erase(f.conn, STR("ann"), &rows));
    OK(learner_erase(f.conn, STR("dan"), &rows));
    assert_int_equal(size(&f), 3);
    assert_places(&f, (int64_t[]){2, 2, 12250, 6000 * 6000 + 6250 * 6250, 0, 2, 0, 2});
    for (size_t i = 0; i < COUNT(told); i++)
        if (i != 0 && i != 3)
            OK(learner_erase(f.conn, str_from(told[i].learner), &rows));
    assert_places(&f, NULL); /* no empty rows stay */
    fixture_close(&f);
}

BOTH(sums_follow_what_is_told)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_follow_what_is_told_sqlite),
        cmocka_unit_test(sums_follow_what_is_told_postgres),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
