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

/* How many forecasts a list has, with the sums beside it. */
static void assert_lists(struct fixture *f, int present, int over)
{
    const struct value all[] = {V_S(STR("ann")), V_N, V_D(0), V_I(100), V_I(0)},
                       now[] = {V_S(STR("ann")), V_I(100)},
                       page[] = {V_S(STR("ann")), V_N, V_D(0), V_I(2), V_I(present)};
    struct query q[] = {{.stmt = STMT_PREDICTIONS_LIST, .args = all, .arg_count = 5},
                        {.stmt = STMT_PREDICTIONS_PRESENT, .args = now, .arg_count = 2},
                        {.stmt = STMT_PREDICTIONS_LIST, .args = page, .arg_count = 5},
                        {.stmt = STMT_PREDICTIONS_STATS, .args = all, .arg_count = 1},
                        {.stmt = STMT_PREDICTIONS_PRESENT_HELP, .args = all, .arg_count = 1}};
    double sum = 0;

    OK(store_read(f->conn, &f->arena, q, COUNT(q), INT64_MAX));
    assert_int_equal(q[0].rows.count, present + over);
    assert_int_equal(q[1].rows.count, present);
    assert_int_equal(q[2].rows.count, over < 2 ? over : 2);
    for (int32_t i = 0; i < q[2].rows.count; i++) /* behind the present ones */
        assert_true(
            str_eq(value_str(row_at(&q[2].rows, i)), value_str(row_at(&q[0].rows, present + i))));
    for (int32_t i = 0; i < q[0].rows.count; i++) {
        const struct value *v = row_at(&q[0].rows, i);
        sum += value_f64(&v[9], 0);
        assert_true(i < present || v[23].type == V_INT); /* resolved_at */
    }
    for (int32_t i = 0; i < q[4].rows.count; i++) {
        int32_t k = 0;
        while (k < present &&
               !str_eq(value_str(row_at(&q[4].rows, i)), value_str(row_at(&q[1].rows, k))))
            k++;
        assert_true(k < present);
    }
    const struct value *stats = row_at(&q[3].rows, 0);
    assert_int_equal(value_i64(&stats[0], 0), present + over);
    assert_true(fabs(value_f64(&stats[5], 0) - sum / (present + over)) < 1e-6);
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
    assert_lists(&f, 3, 0);
    run(&f, t0 + 8 * US_PER_DAY, &w);
    assert_lists(&f, 3, 3); /* those of the fourth day are neither present nor over */
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

static struct struggle_model *a_model(float seed, const uint32_t *slots, int32_t count)
{
    struct struggle_model *m;
    uint8_t bytes[STRUGGLE_SLOT_BYTES] = {0};

    OK(struggle_model_sparse_new(STRUGGLE_BITS, STRUGGLE_FULL, &m));
    for (int32_t i = 0; i < count; i++) {
        for (int k = 0; k < 2 * STRUGGLE_LEARNERS; k++) {
            float x = seed + (float)slots[i] / 1024 + (float)k;
            memcpy(bytes + 4 * k, &x, sizeof x);
        }
        OK(struggle_slot_decode(m, slots[i], bytes, sizeof bytes));
    }
    return m;
}

/* A run that moved these slots, and then stood at `outcomes`. */
static void add_moved(struct fixture *f, float seed, const uint32_t *slots, int32_t count,
                      int64_t learnt)
{
    struct struggle_model *m = a_model(seed, slots, count);
    const struct value stack[] = {V_S(STR("stack")), V_I(learnt), V_B(STR("-"))};
    struct value *v;
    int32_t rows;

    OK(weights_moved(m, slots, count, &f->arena, &v, &rows));
    assert_int_equal(rows, (count + WEIGHTS_PART - 1) / WEIGHTS_PART);
    struct bulk b[] = {{.stmt = STMT_STRUGGLE_SHARED_PUT, .rows = 1, .cols = 3, .v = stack},
                       {.stmt = STMT_LEARNT_WEIGHTS_ADD, .rows = rows, .cols = 3, .v = v}};
    OK(store_begin(f->conn));
    OK(store_write(f->conn, b, 2));
    OK(store_commit(f->conn));
    struggle_model_free(m);
}

static void put_whole(struct fixture *f, struct weights *w)
{
    struct value *v, *number;
    int32_t rows;

    OK(weights_whole(w, &f->arena, &v, &rows, &number));
    struct bulk b[] = {{.stmt = STMT_LEARNT_WEIGHTS_DROP, .rows = 1, .cols = 1, .v = number},
                       {.stmt = STMT_LEARNT_WEIGHTS_PUT_WHOLE, .rows = rows, .cols = 4, .v = v}};
    OK(store_begin(f->conn));
    OK(store_write(f->conn, b, 2));
    OK(store_commit(f->conn));
}

/* What a process has at hand of a slot that was moved with this seed. */
static void assert_slot(struct weights *w, uint32_t slot, float seed)
{
    struct struggle_model *is, *should = a_model(seed, &slot, 1);
    uint8_t a[STRUGGLE_SLOT_BYTES], b[STRUGGLE_SLOT_BYTES];

    OK(struggle_model_sparse_new(STRUGGLE_BITS, STRUGGLE_FULL, &is));
    OK(weights_load(w, &slot, 1, is));
    struggle_slot_encode(is, slot, a);
    struggle_slot_encode(should, slot, b);
    assert_memory_equal(a, b, sizeof a);
    struggle_model_free(is);
    struggle_model_free(should);
}

/* One process learns, another hears of it; a third comes after all was put together, by the first
 * and, from what it knew earlier, by the second. */
static void weights_are_put_together_and_read_by_others(enum store_engine engine)
{
    enum { MANY = 2 * WEIGHTS_PART + 7 };
    static uint32_t many[MANY];
    const uint32_t few[] = {0, 3, 4096, (1 << STRUGGLE_BITS) - 1}, last[] = {3, 5};
    struct weights *one, *two, *three;
    struct fixture f;

    fixture_open(&f, engine);
    OK(weights_new(STRUGGLE_BITS, &one));
    OK(weights_new(STRUGGLE_BITS, &two));
    OK(weights_new(STRUGGLE_BITS, &three));
    for (uint32_t i = 0; i < MANY; i++)
        many[i] = 7 * i;
    add_moved(&f, 1, many, MANY, 100);
    OK(weights_catch_up(two, f.conn, 100));
    assert_int_equal(weights_tail(two), MANY);
    assert_slot(two, 7 * (MANY - 1), 1);
    add_moved(&f, 2, few, COUNT(few), 10);
    OK(weights_catch_up(two, f.conn, 100)); /* nothing says that there is more */
    assert_slot(two, 0, 1);
    OK(weights_catch_up(one, f.conn, 110));
    assert_slot(one, 0, 2);
    add_moved(&f, 3, last, COUNT(last), 1);
    put_whole(&f, one); /* up to 110 */
    assert_int_equal(weights_tail(one), 0);
    put_whole(&f, two); /* up to 100 */
    OK(weights_catch_up(one, f.conn, 111));
    OK(weights_catch_up(two, f.conn, 111));
    OK(weights_catch_up(three, f.conn, 111));
    assert_int_equal(weights_tail(three), COUNT(last));
    for (int i = 0; i < 3; i++) {
        struct weights *w = i == 0 ? one : i == 1 ? two : three;
        assert_slot(w, 0, 2);
        assert_slot(w, 3, 3);
        assert_slot(w, 5, 3);
        assert_slot(w, 4096, 2);
        assert_slot(w, 7, 1);
        assert_slot(w, (1 << STRUGGLE_BITS) - 1, 2);
    }
    weights_free(one);
    weights_free(two);
    weights_free(three);
    fixture_close(&f);
}

/* Rows that nobody of us wrote move what can be read of them, and nothing else. */
static void rows_that_make_no_sense_are_passed_over(enum store_engine engine)
{
    char state[3 * STRUGGLE_SLOT_BYTES] = {0};
    const struct str states = {state, sizeof state}, torn = {state, 30};
    const struct value v[] = {
        V_I(1),
        V_I(0),
        V_S(STR("")),
        V_B(states), /* */
        V_I(1),
        V_I(1),
        V_S(STR("9,x,1")),
        V_B(states), /* */
        V_I(1),
        V_I(2),
        V_S(STR("4,99999999999999")),
        V_B(states),
        V_I(1),
        V_I(3),
        V_S(STR("5,262143")),
        V_B(states), /* */
        V_I(1),
        V_I(4),
        V_S(STR("-1")),
        V_B(states), /* */
        V_I(1),
        V_I(5),
        V_S(STR("6,6,6,6,6")),
        V_B(torn), /* */
        V_I(1),
        V_I(6),
        V_S(STR("")),
        V_B(STR("")),
    };
    struct bulk b = {.stmt = STMT_LEARNT_WEIGHTS_PUT_WHOLE, .rows = 7, .cols = 4, .v = v};
    struct value *whole, *number;
    struct weights *w;
    struct fixture f;
    int32_t rows;

    fixture_open(&f, engine);
    OK(store_begin(f.conn));
    OK(store_write(f.conn, &b, 1));
    OK(store_commit(f.conn));
    OK(weights_new(STRUGGLE_BITS, &w));
    OK(weights_catch_up(w, f.conn, 1));
    OK(weights_whole(w, &f.arena, &whole, &rows, &number));
    assert_int_equal(rows, 1);
    assert_true(str_eq(value_str(&whole[2]), STR("4,1,1,3")));
    weights_free(w);
    fixture_close(&f);
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
BOTH(weights_are_put_together_and_read_by_others)
BOTH(rows_that_make_no_sense_are_passed_over)
BOTH(outcomes_are_told_by_answers)
BOTH(of_two_runs_at_once_one_is_kept)
BOTH(a_mind_that_cannot_be_read_is_made_anew)
BOTH(skills_come_from_the_catalogue_where_events_name_none)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_of_the_weights_is_what_is_stored_sqlite),
        cmocka_unit_test(what_is_kept_of_the_weights_is_what_is_stored_postgres),
        cmocka_unit_test(weights_are_put_together_and_read_by_others_sqlite),
        cmocka_unit_test(weights_are_put_together_and_read_by_others_postgres),
        cmocka_unit_test(rows_that_make_no_sense_are_passed_over_sqlite),
        cmocka_unit_test(rows_that_make_no_sense_are_passed_over_postgres),
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
