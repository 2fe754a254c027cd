/* Choices of the night: drawn with the chances that are logged, told what came of them, learnt
 * from; and that the better variant wins. */
#include "test.h"

#include "ingest_fixture.h"
#include "night/personalize.h"

#include <math.h>

enum { A_DAY = 20, BEFORE = 28 };

static const char *const start = "2025-03-01T00:00:00Z";
static int told;

/* A day's answers at noon, each right with chance p. */
static void work(struct fixture *f, struct rng *rng, int day, double p)
{
    static char ids[A_DAY][24];
    struct ingest_result results[A_DAY];
    struct event events[A_DAY];
    int64_t noon = at_text(start) + day * US_PER_DAY + 12 * US_PER_HOUR;

    for (int i = 0; i < A_DAY; i++) {
        snprintf(ids[i], sizeof ids[i], "e%d", told++);
        events[i] = an_event(EVENT_ANSWER, ids[i], start);
        events[i].at = noon + i * US_PER_MINUTE;
        events[i].item = STR("item");
        events[i].correct = (int8_t)(rng_unit(rng) < p);
    }
    OK(applier_apply(f->applier, events, A_DAY, noon + US_PER_HOUR, &f->arena, results));
}

static int64_t night_of(int day)
{
    return at_text(start) + day * US_PER_DAY + 2 * US_PER_HOUR;
}

static void run(struct fixture *f, int day, struct night_work *w)
{
    *w = (struct night_work){
        .conn = f->conn, .arena = &f->arena, .deadline_us = INT64_MAX, .now_us = night_of(day)};
    OK(night_compute(w, STR("ann"), night_personalize));
    OK(store_begin(f->conn));
    OK(night_write(w, f->conn));
    OK(store_commit(f->conn));
}

static struct personal_ground look(struct fixture *f, int day)
{
    struct query q[PERSONAL_QUERIES];
    struct personal_ground g;
    struct personal_args args;
    int64_t now = night_of(day);

    int32_t today = (int32_t)(now / US_PER_DAY);
    personal_queries(&args, STR("ann"), now, today - 60, today, q);
    OK(store_read(f->conn, &f->arena, q, PERSONAL_QUERIES, INT64_MAX));
    OK(personal_ground_of(&f->arena, q, &g));
    return g;
}

static const struct personal_row *choice_of(const struct personal_ground *g, int day)
{
    int32_t at = (int32_t)(night_of(day) / US_PER_DAY);

    for (int32_t i = 0; i < g->row_count; i++)
        if (g->rows[i].day == at)
            return &g->rows[i];
    return NULL;
}

/* As the learner's own call does it. */
static void ask(struct fixture *f, int day, double holdout)
{
    struct personal_ground g = look(f, day);
    struct personal_writes w = {.arena = &f->arena};
    int32_t at = (int32_t)(night_of(day) / US_PER_DAY);
    struct personal_lot lot = personal_draw(&g, STR("ann"), PERSONAL_MISSION, at, holdout);

    OK(personal_put_lot(&w, &g, &lot, at, night_of(day), true));
    OK(store_begin(f->conn));
    OK(store_write(f->conn, w.bulks, w.count));
    OK(store_commit(f->conn));
}

static void settle_in(struct fixture *f, enum store_engine engine, struct rng *rng)
{
    fixture_open(f, engine);
    rng_seed(rng, 11);
    for (int day = 0; day < BEFORE; day++)
        work(f, rng, day, 0.7);
}

static void the_better_variant_wins(enum store_engine engine)
{
    enum { DAYS = 120, LATE = 40 };
    static const double success[PERSONAL_VARIANTS] = {0.7, 0.7, 0.9, 0.6};
    int late[PERSONAL_VARIANTS] = {0}, all[PERSONAL_VARIANTS] = {0};
    double expected[PERSONAL_VARIANTS] = {0}, variance[PERSONAL_VARIANTS] = {0};
    struct night_work w;
    struct fixture f;
    struct rng rng;

    settle_in(&f, engine, &rng);
    ask(&f, BEFORE, 0);
    for (int day = BEFORE; day < BEFORE + DAYS; day++) {
        run(&f, day, &w);
        struct personal_ground g = look(&f, day);
        const struct personal_row *row = choice_of(&g, day);
        double chances[BANDIT_ARMS_MAX], sum = 0;

        assert_non_null(row);
        /* what is logged is the chance that the bandit gave before it chose */
        bandit_propensities(&g.bandits[PERSONAL_MISSION], chances);
        assert_near(row->choice.propensity, chances[row->choice.variant], 1e-9);
        assert_near(row->control, chances[PERSONAL_CONSERVATIVE], 1e-9);
        for (int v = 0; v < PERSONAL_VARIANTS; v++) {
            assert_true(chances[v] >= PERSONAL_FLOOR - 1e-9);
            sum += chances[v];
            expected[v] += chances[v];
            variance[v] += chances[v] * (1 - chances[v]);
        }
        assert_near(sum, 1, 1e-9);
        all[row->choice.variant]++;
        if (day >= BEFORE + DAYS - LATE)
            late[row->choice.variant]++;
        work(&f, &rng, day, success[row->choice.variant]);
        arena_clear(&f.arena);
    }
    for (int v = 0; v < PERSONAL_VARIANTS; v++) /* drawn as often as the chances say */
        assert_true(fabs(all[v] - expected[v]) < 4 * sqrt(variance[v]));
    assert_true(late[PERSONAL_PATTERN] > LATE / 2);
    struct personal_ground g = look(&f, BEFORE + DAYS);
    double sure = personal_improves(&g.bandits[PERSONAL_MISSION], PERSONAL_PATTERN);
    if (sure <= 0.8)
        fail_msg("better with %.3f", sure);
    assert_true(g.configs[PERSONAL_MISSION].active);
    fixture_close(&f);
}

static void a_choice_is_told_once(enum store_engine engine)
{
    struct night_work w, late;
    struct fixture f;
    struct rng rng;

    settle_in(&f, engine, &rng);
    ask(&f, BEFORE, 0);
    ask(&f, BEFORE, 0); /* again: the same */
    struct personal_ground g = look(&f, BEFORE);
    assert_int_equal(g.row_count, 1);
    assert_int_equal(choice_of(&g, BEFORE)->choice.settled_at, TIME_NONE);
    work(&f, &rng, BEFORE, 1);
    run(&f, BEFORE, &w); /* the day is not over */
    assert_int_equal(w.bulk_count, 0);

    /* Two nights that saw the same: the second finds it told. */
    late = (struct night_work){.conn = f.conn,
                               .arena = &f.arena,
                               .deadline_us = INT64_MAX,
                               .now_us = night_of(BEFORE + 1) + US_PER_HOUR};
    OK(night_compute(&late, STR("ann"), night_personalize));
    run(&f, BEFORE + 1, &w);
    g = look(&f, BEFORE + 1);
    const struct personal_row told_row = *choice_of(&g, BEFORE);
    assert_true(told_row.choice.reward > 0.6);
    OK(store_begin(f.conn));
    OK(night_write(&late, f.conn));
    OK(store_commit(f.conn));
    g = look(&f, BEFORE + 1);
    assert_int_equal(choice_of(&g, BEFORE)->choice.settled_at, told_row.choice.settled_at);
    assert_int_equal(g.row_count, 2);
    assert_int_equal(g.bandits[PERSONAL_MISSION].arms[told_row.choice.variant].rewards, 1);

    /* A day without work waits, then is given up: it teaches nothing. */
    run(&f, BEFORE + 2, &w);
    g = look(&f, BEFORE + 2);
    assert_int_equal(choice_of(&g, BEFORE + 1)->choice.settled_at, TIME_NONE);
    run(&f, BEFORE + 1 + PERSONAL_WAIT_DAYS + 1, &w);
    g = look(&f, BEFORE + 1 + PERSONAL_WAIT_DAYS + 1);
    assert_true(choice_of(&g, BEFORE + 1)->choice.settled_at != TIME_NONE);
    assert_true(isnan(choice_of(&g, BEFORE + 1)->choice.reward));
    /* Who stays away gets no more choices. */
    run(&f, BEFORE + PERSONAL_IDLE_DAYS + 5, &w);
    g = look(&f, BEFORE + PERSONAL_IDLE_DAYS + 5);
    assert_null(choice_of(&g, BEFORE + PERSONAL_IDLE_DAYS + 5));
    fixture_close(&f);
}

static void the_held_out_get_the_control(enum store_engine engine)
{
    struct night_work w;
    struct fixture f;
    struct rng rng;

    settle_in(&f, engine, &rng);
    ask(&f, BEFORE, 1);
    work(&f, &rng, BEFORE, 0.9);
    run(&f, BEFORE + 1, &w);
    struct personal_ground g = look(&f, BEFORE + 1);
    assert_true(g.configs[PERSONAL_MISSION].held_out);
    for (int day = BEFORE; day <= BEFORE + 1; day++) {
        const struct personal_row *row = choice_of(&g, day);
        assert_int_equal(row->choice.variant, PERSONAL_CONSERVATIVE);
        assert_near(row->choice.propensity, 1, 0);
        assert_false(row->choice.learnable);
    }
    assert_near(g.bandits[PERSONAL_MISSION].arms[PERSONAL_CONSERVATIVE].a, 1, 0);
    fixture_close(&f);
}

static struct rows trials(struct fixture *f)
{
    const struct value args[] = {V_I(0), V_I(10)};
    struct query q = {.stmt = STMT_PERSONAL_TRIALS_SINCE, .args = args, .arg_count = 2};

    OK(store_read(f->conn, &f->arena, &q, 1, INT64_MAX));
    return q.rows;
}

static void sums_for_the_trial_are_kept_for_eight_weeks(enum store_engine engine)
{
    struct night_work w;
    struct fixture f;
    struct rng rng;

    settle_in(&f, engine, &rng);
    ask(&f, BEFORE, 1);
    run(&f, BEFORE, &w);
    assert_int_equal(trials(&f).count, 0); /* no day is over */
    for (int day = BEFORE; day < BEFORE + PERSONAL_TRIAL_DAYS + 10; day++) {
        work(&f, &rng, day, 0.8);
        run(&f, day + 1, &w);
    }
    struct rows rows = trials(&f);
    assert_int_equal(rows.count, 1);
    const struct value *v = row_at(&rows, 0);
    assert_int_equal(value_i64(&v[0], 0), 1);
    assert_int_equal(value_i64(&v[1], 0), night_of(BEFORE) / US_PER_DAY);
    assert_int_equal(value_i64(&v[2], 0), BEFORE * A_DAY);
    assert_int_equal(value_i64(&v[5], 0), PERSONAL_TRIAL_DAYS * A_DAY);
    fixture_close(&f);
}

/* What came of `n` days of one variant, as if it had been drawn with that chance. */
static void came_of(struct fixture *f, const char *learner, const char *variant, int n,
                    double propensity, double reward)
{
    int64_t id;

    OK(learner_put(f->conn, str_from(learner), (struct str){NULL, 0}, 0, &id));
    OK(store_begin(f->conn));
    for (int day = 0; day < n; day++) {
        int64_t at = night_of(BEFORE) / US_PER_DAY - 1 - day;
        const struct value choice[] = {V_I(id),
                                       V_I(at),
                                       V_S(STR("MISSION")),
                                       V_S(str_from(variant)),
                                       V_D(propensity),
                                       V_D(0.2),
                                       V_I(1),
                                       V_S(STR("NIGHT")),
                                       V_I(1)};
        const struct value settle[] = {V_I(id),     V_I(at), V_S(STR("MISSION")),
                                       V_D(reward), V_N,     V_I(2)};
        struct bulk b[] = {
            {.stmt = STMT_PERSONAL_CHOICE_ADD, .rows = 1, .cols = COUNT(choice), .v = choice},
            {.stmt = STMT_PERSONAL_SETTLE, .rows = 1, .cols = COUNT(settle), .v = settle}};
        OK(store_write(f->conn, b, COUNT(b)));
    }
    OK(store_commit(f->conn));
}

static int32_t count_night(struct fixture *f, const char *learner)
{
    struct night_work w = {
        .conn = f->conn, .arena = &f->arena, .deadline_us = INT64_MAX, .now_us = night_of(BEFORE)};

    OK(night_compute(&w, str_from(learner), night_personal_totals));
    OK(store_begin(f->conn));
    OK(night_write(&w, f->conn));
    OK(store_commit(f->conn));
    return w.bulk_count;
}

static int64_t counted(struct fixture *f, const char *variant, int32_t column)
{
    struct query q = {.stmt = STMT_PERSONAL_TOTALS};

    OK(store_read(f->conn, &f->arena, &q, 1, INT64_MAX));
    for (int32_t i = 0; i < q.rows.count; i++)
        if (str_eq(value_str(row_at(&q.rows, i) + 1), str_from(variant)))
            return value_i64(row_at(&q.rows, i) + column, -1);
    return 0;
}

static void a_newcomer_begins_with_what_others_know(enum store_engine engine)
{
    enum { OTHERS = 10, LEARNERS = 2, N = 3, WEIGHT = 4, REWARD = 5 };
    struct fixture f;
    int64_t rows;

    fixture_open(&f, engine);
    for (int i = 0; i < OTHERS; i++) {
        char name[16];

        snprintf(name, sizeof name, "other%d", i);
        came_of(&f, name, "Pattern-heavy", 20, 0.5, 0.9);
        assert_true(count_night(&f, name) > 0);
        assert_int_equal(count_night(&f, name), 0); /* nothing new */
    }
    assert_int_equal(counted(&f, "Pattern-heavy", LEARNERS), OTHERS);
    assert_int_equal(counted(&f, "Pattern-heavy", N), 20 * OTHERS);
    assert_int_equal(counted(&f, "Pattern-heavy", WEIGHT), 40 * OTHERS * 1000000);
    assert_int_equal(counted(&f, "Pattern-heavy", REWARD), 36 * OTHERS * 1000000);
    int64_t id;
    OK(learner_put(f.conn, STR("ann"), (struct str){NULL, 0}, 0, &id));
    struct personal_ground g = look(&f, BEFORE);
    const struct bandit_arm *arm = &g.bandits[PERSONAL_MISSION].arms[PERSONAL_PATTERN];
    assert_true(arm->a > 3 && arm->a + arm->b < 2 + PERSONAL_PRIOR_MAX);
    assert_near(g.bandits[PERSONAL_CONTENT].arms[PERSONAL_PATTERN].a, 1, 0); /* not told of */
    for (int i = 0; i < OTHERS - PERSONAL_PRIOR_LEARNERS + 1; i++) {
        char name[16];

        snprintf(name, sizeof name, "other%d", i);
        OK(learner_erase(f.conn, str_from(name), &rows));
    }
    assert_int_equal(counted(&f, "Pattern-heavy", LEARNERS), PERSONAL_PRIOR_LEARNERS - 1);
    assert_int_equal(counted(&f, "Pattern-heavy", N), 20 * (PERSONAL_PRIOR_LEARNERS - 1));
    g = look(&f, BEFORE); /* too few are left to say what all do */
    assert_near(g.bandits[PERSONAL_MISSION].arms[PERSONAL_PATTERN].a, 1, 0);
    fixture_close(&f);
}

static void names_of_choices(void **state)
{
    (void)state;
    enum personal_context context;
    struct arena arena;
    int32_t day;

    arena_init(&arena, 1 << 16);
    for (int c = 0; c < PERSONAL_CONTEXTS; c++) {
        struct str id = personal_choice_id(&arena, 20000, (enum personal_context)c);
        OK(personal_choice_parse(id, &day, &context));
        assert_int_equal(day, 20000);
        assert_int_equal(context, c);
    }
    static const char *const bad[] = {"",
                                      "2025-11-21",
                                      "2025-11-21-",
                                      "2025-11-21-MISSION",
                                      "2025-13-21-mission",
                                      "mission-2025-11-21",
                                      "2025-11-21-missions"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(personal_choice_parse(str_from(bad[i]), &day, &context), ERR_SYNTAX);
    arena_fini(&arena);
}

BOTH(the_better_variant_wins)
BOTH(a_choice_is_told_once)
BOTH(the_held_out_get_the_control)
BOTH(sums_for_the_trial_are_kept_for_eight_weeks)
BOTH(a_newcomer_begins_with_what_others_know)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_choices),
        cmocka_unit_test(the_better_variant_wins_sqlite),
        cmocka_unit_test(the_better_variant_wins_postgres),
        cmocka_unit_test(a_choice_is_told_once_sqlite),
        cmocka_unit_test(a_choice_is_told_once_postgres),
        cmocka_unit_test(the_held_out_get_the_control_sqlite),
        cmocka_unit_test(the_held_out_get_the_control_postgres),
        cmocka_unit_test(sums_for_the_trial_are_kept_for_eight_weeks_sqlite),
        cmocka_unit_test(sums_for_the_trial_are_kept_for_eight_weeks_postgres),
        cmocka_unit_test(a_newcomer_begins_with_what_others_know_sqlite),
        cmocka_unit_test(a_newcomer_begins_with_what_others_know_postgres),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
