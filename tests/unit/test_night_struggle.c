/* Minds and forecasts of struggle: learnt once, in order, judged when their time is over. */
#include "ingest/audits.h"
#include "ingest_fixture.h"
#include "night/struggle.h"
#include "night/weights.h"

enum { EVENTS_MAX = 600 };

static char ids[EVENTS_MAX][24], items[EVENTS_MAX][24];
static struct event events[EVENTS_MAX];
static const char *const start = "2025-03-01T08:00:00Z";

/* `n` answers a minute apart; every `miss`th is wrong (1: all, 0: none). */
static void tell(struct fixture *f, int first, int n, const char *objective, int64_t at, int miss)
{
    struct ingest_result results[EVENTS_MAX];

    for (int i = 0; i < n; i++) {
        struct event *e = &events[i];

        snprintf(ids[i], sizeof ids[i], "e%d", first + i);
        snprintf(items[i], sizeof items[i], "item%d", first + i);
        *e = an_event(EVENT_ANSWER, ids[i], start);
        e->at = at + i * US_PER_MINUTE;
        e->item = str_from(items[i]);
        e->objective = str_from(objective);
        e->correct = (int8_t) !(miss && i % miss == 0);
    }
    OK(applier_apply(f->applier, events, n, at + US_PER_DAY, &f->arena, results));
}

/* One run at `now`; what it leaves is written. */
static void run(struct fixture *f, int64_t now, struct night_work *w)
{
    *w = (struct night_work){.conn = f->conn,
                             .arena = &f->arena,
                             .deadline_us = INT64_MAX,
                             .now_us = now,
                             .asked = true};
    OK(night_compute(w, STR("ann"), night_struggle));
    OK(store_begin(f->conn));
    OK(night_write(w, f->conn));
    OK(store_commit(f->conn));
}

static struct rows look(struct fixture *f, enum stmt stmt)
{
    const struct value args[] = {V_S(STR("ann"))};
    struct query q = {.stmt = stmt, .args = args, .arg_count = 1};

    OK(store_read(f->conn, &f->arena, &q, 1, INT64_MAX));
    return q.rows;
}

static int64_t stat_of(struct fixture *f, int column)
{
    struct rows rows = look(f, STMT_PREDICTIONS_STATS);

    return value_i64(row_at(&rows, 0) + column, 0);
}

static int64_t judged(struct fixture *f, int64_t model)
{
    struct rows rows = look(f, STMT_AUDIT_OF_LEARNER);
    int64_t n = 0;

    for (int32_t i = 0; i < rows.count; i++)
        if (value_i64(row_at(&rows, i), 0) / 64 == model)
            n += value_i64(row_at(&rows, i) + 1, 0);
    return n;
}

static void outcomes_are_told_by_answers(enum store_engine engine)
{
    struct fixture f;
    struct night_work w;
    int64_t t0 = at_text(start);

    fixture_open(&f, engine);
    tell(&f, 0, 12, "bad", t0, 1);
    tell(&f, 100, 12, "good", t0 + US_PER_HOUR, 0);
    tell(&f, 200, 12, "quiet", t0 + 2 * US_PER_HOUR, 2);
    run(&f, t0 + 12 * US_PER_HOUR, &w);
    assert_int_equal(stat_of(&f, 1), 3); /* pending */
    assert_int_equal(judged(&f, AUDIT_ANSWER), 36);

    /* within the week: one goes badly as foretold, one goes badly against the forecast */
    tell(&f, 300, 6, "bad", t0 + 2 * US_PER_DAY, 1);
    tell(&f, 400, 6, "good", t0 + 3 * US_PER_DAY, 1);
    run(&f, t0 + 4 * US_PER_DAY, &w);
    assert_int_equal(judged(&f, AUDIT_STRUGGLE), 0);
    run(&f, t0 + 8 * US_PER_DAY, &w);
    struct rows right = look(&f, STMT_PREDICTIONS_RIGHT);
    assert_int_equal(value_i64(row_at(&right, 0), 0), 2);
    assert_int_equal(value_i64(row_at(&right, 0) + 1, 0), 1);
    assert_int_equal(judged(&f, AUDIT_STRUGGLE), 2);
    assert_int_equal(stat_of(&f, 2), 1); /* confirmed */
    assert_int_equal(stat_of(&f, 4), 1); /* missed */
    run(&f, t0 + 8 * US_PER_DAY, &w);    /* once */
    assert_int_equal(judged(&f, AUDIT_STRUGGLE), 2);
    assert_int_equal(judged(&f, AUDIT_ANSWER), 48);
    fixture_close(&f);
}

static void of_two_runs_at_once_one_is_kept(enum store_engine engine)
{
    struct fixture f;
    struct night_work w, other;
    int64_t t0 = at_text(start);

    fixture_open(&f, engine);
    tell(&f, 0, 20, "o", t0, 3);
    other = (struct night_work){
        .conn = f.conn, .arena = &f.arena, .deadline_us = INT64_MAX, .now_us = t0 + US_PER_DAY};
    OK(night_compute(&other, STR("ann"), night_struggle));
    run(&f, t0 + US_PER_DAY, &w);
    OK(store_begin(f.conn));
    assert_int_equal(night_write(&other, f.conn), ERR_CONFLICT);
    store_rollback(f.conn);
    assert_int_equal(judged(&f, AUDIT_ANSWER), 20);
    fixture_close(&f);
}

static void a_mind_that_cannot_be_read_is_made_anew(enum store_engine engine)
{
    struct fixture f;
    struct night_work w;
    int64_t t0 = at_text(start);

    fixture_open(&f, engine);
    tell(&f, 0, 20, "o", t0, 3);
    run(&f, t0 + US_PER_DAY, &w);
    struct rows rows = look(&f, STMT_EXPORT_MINDS);
    struct str before = value_str(row_at(&rows, 0) + 3);
    int64_t id;
    OK(learner_put(f.conn, STR("ann"), (struct str){NULL, 0}, t0, &id));
    const struct value broken[] = {V_I(id),
                                   V_I(1),
                                   V_I(t0 + 3 * US_PER_DAY),
                                   V_S(STR("z")),
                                   V_I(7),
                                   V_I(t0 + 3 * US_PER_DAY),
                                   V_S(STR("z")),
                                   V_I(t0),
                                   V_B(STR("nonsense")),
                                   V_B(STR("nonsense"))};
    struct bulk b = {.stmt = STMT_MIND_PUT, .rows = 1, .cols = COUNT(broken), .v = broken};
    OK(store_begin(f.conn));
    OK(store_write(f.conn, &b, 1));
    OK(store_commit(f.conn));
    assert_int_equal(b.changed, 1);
    run(&f, t0 + US_PER_DAY, &w);
    rows = look(&f, STMT_EXPORT_MINDS);
    struct str after = value_str(row_at(&rows, 0) + 3);
    assert_true(str_eq(before, after));
    assert_int_equal(judged(&f, AUDIT_ANSWER), 20); /* not again */
    fixture_close(&f);
}

/* Does the stored mind know the skill? Its id stands there, lowest byte first. */
static bool knows(struct fixture *f, const char *skill)
{
    struct rows rows = look(f, STMT_EXPORT_MINDS);
    uint64_t id = struggle_item_id(str_from(skill));
    char hex[17], state[1 << 16];
    struct str text = value_str(row_at(&rows, 0) + 3);

    for (int i = 0; i < 8; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)(id >> 8 * i & 255));
    assert_true(text.n < sizeof state);
    memcpy(state, text.p, text.n);
    state[text.n] = 0;
    return strstr(state, hex) != NULL;
}

static void list(struct fixture *f, const char *item, const char *skill)
{
    const struct value of_skill[] = {V_S(str_from(skill)), V_S(str_from(skill)), V_I(0)},
                       of_item[] = {V_S(str_from(item)), V_N, V_N, V_N, V_N, V_N, V_N, V_I(0)},
                       both[] = {V_S(str_from(item)), V_S(str_from(skill))};
    struct bulk b[] = {{.stmt = STMT_IMPORT_SKILL, .rows = 1, .cols = 3, .v = of_skill},
                       {.stmt = STMT_IMPORT_ITEM, .rows = 1, .cols = 8, .v = of_item},
                       {.stmt = STMT_IMPORT_ITEM_SKILL, .rows = 1, .cols = 2, .v = both}};

    OK(store_begin(f->conn));
    OK(store_write(f->conn, b, 3));
    OK(store_commit(f->conn));
}

static void skills_come_from_the_catalogue_where_events_name_none(enum store_engine engine)
{
    struct fixture f;
    struct night_work w;
    int64_t t0 = at_text(start);
    struct str own = STR("own");
    struct ingest_result result;
    char name[16];

    fixture_open(&f, engine);
    list(&f, "item1", "algebra");
    list(&f, "item2", "algebra");
    list(&f, "item2", "geometry");
    list(&f, "tagged", "unwanted");
    for (int i = 0; i < 40; i++) { /* more than an answer may have */
        snprintf(name, sizeof name, "many%02d", i);
        list(&f, "item3", name);
    }
    struct event e = an_event(EVENT_ANSWER, "t", start);
    e.at = t0;
    e.item = STR("tagged");
    e.skills = &own;
    e.skill_count = 1;
    e.correct = 1;
    OK(applier_apply(f.applier, &e, 1, t0 + US_PER_DAY, &f.arena, &result));
    tell(&f, 1, 5, "o", t0 + US_PER_HOUR, 2);
    run(&f, t0 + US_PER_DAY, &w);
    assert_true(knows(&f, "algebra") && knows(&f, "geometry") && knows(&f, "own"));
    assert_true(knows(&f, "many00") && !knows(&f, "many39"));
    assert_false(knows(&f, "unwanted")); /* the event knows better */
    fixture_close(&f);
}

/* Runs that keep weights beside the store, between them some of another process, which keeps none,
 * and some that are rolled back. Into *ret_stack what has been learnt, and returned the forecasts.
 */
static struct str learn_by_turns(struct fixture *f, struct weights *kept, struct str *ret_stack)
{
    int64_t t0 = at_text(start);
    const struct value two = V_I(2);
    struct query q = {.stmt = STMT_STRUGGLE_SHARED_READ, .args = &two, .arg_count = 1};
    struct buf b;

    for (int turn = 0; turn < 12; turn++) {
        bool other = turn % 4 == 2, fails = turn % 5 == 4;
        struct night_work w = {.conn = f->conn,
                               .weights = other ? NULL : kept,
                               .arena = &f->arena,
                               .deadline_us = INT64_MAX,
                               .now_us = t0 + (turn + 1) * US_PER_DAY,
                               .asked = true};

        tell(f, 100 * turn, 30, turn % 2 ? "odd" : "even", t0 + turn * US_PER_DAY, 2 + turn % 3);
        OK(night_compute(&w, STR("ann"), night_struggle));
        OK(store_begin(f->conn));
        OK(night_write(&w, f->conn));
        if (fails) {
            store_rollback(f->conn);
            continue;
        }
        OK(store_commit(f->conn));
        night_written(&w);
    }
    OK(store_read(f->conn, &f->arena, &q, 1, INT64_MAX));
    for (int32_t i = 0; i < q.rows.count; i++)
        if (str_eq(value_str(row_at(&q.rows, i)), STR("stack")))
            *ret_stack = row_at(&q.rows, i)[2].s;
    struct rows rows = look(f, STMT_EXPORT_STRUGGLE_PREDICTIONS);
    buf_init(&b, 1 << 20);
    for (int32_t i = 0; i < rows.count * rows.cols; i++) {
        const struct value *v = &rows.v[i];

        if (v->type == V_TEXT)
            buf_str(&b, v->s);
        else if (v->type != V_NULL)
            buf_printf(&b, "%.17g", value_f64(v, 0));
        buf_putc(&b, ' ');
    }
    struct str text = arena_str(&f->arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

static void what_is_kept_of_the_weights_is_what_is_stored(enum store_engine engine)
{
    struct fixture with, without;
    struct weights *kept;
    struct str stack, forecasts;
    char stack_without[STRUGGLE_STACK_BYTES], *without_text;

    OK(weights_new(STRUGGLE_BITS, &kept));
    fixture_open(&without, engine);
    forecasts = learn_by_turns(&without, NULL, &stack);
    without_text = strndup(forecasts.p, forecasts.n);
    assert_int_equal(stack.n, sizeof stack_without);
    memcpy(stack_without, stack.p, sizeof stack_without);
    fixture_close(&without);
    fixture_open(&with, engine);
    forecasts = learn_by_turns(&with, kept, &stack);
    assert_int_equal(stack.n, sizeof stack_without);
    assert_memory_equal(stack.p, stack_without, sizeof stack_without);
    assert_true(forecasts.n > 100 && str_eq(forecasts, str_from(without_text)));
    fixture_close(&with);
    free(without_text);
    weights_free(kept);
}

static void a_name_tells_the_day_and_the_objective(void **state)
{
    struct arena arena;
    int32_t day = 0;
    uint64_t id = 0;
    static const char *const others[] = {"",
                                         "20000-",
                                         "-0123456789abcdef",
                                         "20000-0123456789ABCDEF",
                                         "2000x-0123456789abcdef",
                                         "20000_0123456789abcdef",
                                         "12345678-0123456789abcdef",
                                         "20000-0123456789abcde"};

    (void)state;
    arena_init(&arena, 4096);
    struct str name = struggle_prediction_id(&arena, 20778, STR("o1"));
    assert_true(struggle_prediction_parse(name, &day, &id));
    assert_int_equal(day, 20778);
    assert_true(id == struggle_objective_id(STR("o1")));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(struggle_prediction_parse(str_from(others[i]), &day, &id));
    arena_fini(&arena);
}

BOTH(what_is_kept_of_the_weights_is_what_is_stored)
BOTH(outcomes_are_told_by_answers)
BOTH(of_two_runs_at_once_one_is_kept)
BOTH(a_mind_that_cannot_be_read_is_made_anew)
BOTH(skills_come_from_the_catalogue_where_events_name_none)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_of_the_weights_is_what_is_stored_sqlite),
        cmocka_unit_test(what_is_kept_of_the_weights_is_what_is_stored_postgres),
        cmocka_unit_test(a_name_tells_the_day_and_the_objective),
        cmocka_unit_test(outcomes_are_told_by_answers_sqlite),
        cmocka_unit_test(outcomes_are_told_by_answers_postgres),
        cmocka_unit_test(of_two_runs_at_once_one_is_kept_sqlite),
        cmocka_unit_test(of_two_runs_at_once_one_is_kept_postgres),
        cmocka_unit_test(a_mind_that_cannot_be_read_is_made_anew_sqlite),
        cmocka_unit_test(a_mind_that_cannot_be_read_is_made_anew_postgres),
        cmocka_unit_test(skills_come_from_the_catalogue_where_events_name_none_sqlite),
        cmocka_unit_test(skills_come_from_the_catalogue_where_events_name_none_postgres),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
