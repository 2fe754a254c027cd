/* The simulator: same seed, same bytes; every event is one that the server takes; and the truth it
 * tells is the truth that its events show. */
#include "test.h"

#include "base/civil.h"
#include "base/hash.h"
#include "ingest/event.h"
#include "sim/exact.h"
#include "sim/life.h"
#include "sim/sim.h"
#include "json/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct text {
    char *p;
    size_t n;
};

static struct text read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct text t = {NULL, 0};

    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    t.n = (size_t)ftell(f);
    rewind(f);
    t.p = malloc(t.n + 1);
    assert_non_null(t.p);
    assert_int_equal(fread(t.p, 1, t.n, f), t.n);
    fclose(f);
    t.p[t.n] = 0;
    return t;
}

/* sim_run() with these arguments, NULL behind them. */
static enum err run(const char *const *given, char *ret_detail)
{
    char *argv[ARGS_OPTIONS_MAX];
    struct args args;
    int argc = 0;

    while (given[argc]) {
        argv[argc] = (char *)(uintptr_t)given[argc]; /* reordered, not written to */
        argc++;
    }
    assert_int_equal(args_parse(sim_options, argc, argv, &args, ret_detail), ERR_OK);
    return sim_run(&args, ret_detail);
}

/* The events that these options give, and the truth. */
static struct text simulate(const char *learners, const char *days, const char *seed,
                            struct text *ret_truth)
{
    char out[] = "/tmp/doppel-sim-XXXXXX", truth[] = "/tmp/doppel-sim-XXXXXX";
    int fds[] = {mkstemp(out), mkstemp(truth)};
    const char *const argv[] = {"--learners", learners, "--days",  days,  "--seed", seed,
                                "--out",      out,      "--truth", truth, NULL};
    char detail[ARGS_DETAIL_MAX];

    assert_true(fds[0] >= 0 && fds[1] >= 0);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(run(argv, detail), ERR_OK);
    struct text events = read_file(out);

    if (ret_truth)
        *ret_truth = read_file(truth);
    unlink(out);
    unlink(truth);
    return events;
}

static void same_seed_same_bytes(void **state)
{
    struct text truth_a, truth_b;
    struct text a = simulate("3", "30", "42", &truth_a), b = simulate("3", "30", "42", &truth_b);
    struct text c = simulate("3", "30", "43", NULL);

    (void)state;
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
    assert_string_equal(truth_a.p, truth_b.p);
    assert_true(a.n != c.n || memcmp(a.p, c.p, a.n) != 0);
    /* Pinned: the same on every machine and with every compiler. A change of the model changes it,
     * and then the model's number in the truth too. */
    assert_int_equal(hash_stable(a.p, a.n), UINT64_C(0xd5540d46c49c5e89));
    assert_int_equal(hash_stable(truth_a.p, truth_a.n), UINT64_C(0x4b6b75e02f11f88a));
    free(a.p);
    free(b.p);
    free(c.p);
    free(truth_a.p);
    free(truth_b.p);
}

/* More learners do not change those that were there. */
static void learners_are_independent(void **state)
{
    struct text one = simulate("1", "20", "7", NULL), two = simulate("2", "20", "7", NULL);

    (void)state;
    assert_true(one.n < two.n);
    assert_memory_equal(one.p, two.p, one.n);
    free(one.p);
    free(two.p);
}

/* What a session completes, its mission has completed. */
static void check_mission(const struct event *e, char session_mission[EVENT_ID_MAX + 1])
{
    if (e->kind == EVENT_SESSION_STARTED)
        snprintf(session_mission, EVENT_ID_MAX + 1, STR_FMT, STR_ARG(e->mission));
    else if (e->kind == EVENT_OBJECTIVE_COMPLETED)
        assert_true(str_eq(e->mission, str_from(session_mission)));
}

static void every_event_is_taken_and_in_order(void **state)
{
    struct text text = simulate("4", "60", "5", NULL);
    struct str all = {text.p, text.n}, line;
    struct event_rules rules = {.now_us = TIME_MAX, .future_max_us = 0};
    bool kinds[EVENT_KIND_COUNT] = {false};
    char learner[EVENT_ID_MAX + 1] = "", session_mission[EVENT_ID_MAX + 1] = "";
    int64_t last = TIME_NONE;
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (line = str_cut(&all, '\n'); all.p; line = str_cut(&all, '\n')) {
        struct json_reader r;
        struct event e;
        struct event_error error = {0};
        int32_t unknown = 0;

        json_reader_init(&r, line, &arena, 32);
        if (event_read(&r, &arena, &rules, &e, &unknown, &error) != ERR_OK ||
            json_end(&r) != ERR_OK)
            fail_msg("%.*s: %s %s", (int)line.n, line.p, error.field.path, error.field.reason);
        assert_int_equal(unknown, 0);
        assert_false(e.untimed);
        if (!str_eq(e.learner, str_from(learner))) {
            snprintf(learner, sizeof learner, STR_FMT, STR_ARG(e.learner));
            last = TIME_NONE;
        }
        assert_true(e.at > last);
        last = e.at;
        kinds[e.kind] = true;
        check_mission(&e, session_mission);
        arena_clear(&arena);
    }
    const enum event_kind needed[] = {EVENT_ANSWER,
                                      EVENT_REVIEW,
                                      EVENT_READING,
                                      EVENT_SESSION_STARTED,
                                      EVENT_SESSION_PAUSED,
                                      EVENT_SESSION_RESUMED,
                                      EVENT_SESSION_COMPLETED,
                                      EVENT_OBJECTIVE_COMPLETED,
                                      EVENT_MISSION_CREATED,
                                      EVENT_MISSION_STARTED,
                                      EVENT_MISSION_COMPLETED,
                                      EVENT_MISSION_SKIPPED,
                                      EVENT_LOAD,
                                      EVENT_SEARCH,
                                      EVENT_SEARCH_CLICK,
                                      EVENT_ASSESSMENT};

    for (size_t i = 0; i < COUNT(needed); i++)
        assert_true(kinds[needed[i]]);
    arena_fini(&arena);
    free(text.p);
}

/* ---- truth ---- */

struct lives {
    struct sim_world *w;
    struct sim_learner l;
    struct sim_tally t;
};

/* Lives learner after learner of a class, and tells of each. */
static void live_all(int32_t learners, int32_t days, void (*tell)(const struct lives *, void *),
                     void *user)
{
    struct sim_options o = {.learners = learners,
                            .days = days,
                            .seed = 11,
                            .start_day = civil_epoch_day(2025, 1, 6),
                            .learner_prefix = STR("l-")};
    struct lives *x = calloc(1, sizeof *x);
    FILE *nowhere = fopen("/dev/null", "w");
    struct sim_out out;
    struct rng rng;

    assert_non_null(x);
    assert_non_null(nowhere);
    x->w = calloc(1, sizeof *x->w);
    assert_int_equal(sim_world_init(x->w, &o), ERR_OK);
    sim_out_init(&out, nowhere, x->w);
    for (int32_t i = 0; i < learners; i++) {
        sim_learner_init(&x->l, x->w, i, &rng);
        assert_int_equal(sim_live(x->w, &x->l, &rng, &out, &x->t), ERR_OK);
        tell(x, user);
    }
    sim_out_fini(&out);
    fclose(nowhere);
    free(x->w);
    free(x);
}

/* Right answers near the best hour against those far from it, with and without the effect. */
struct by_hour {
    int64_t near_n, near_right, far_n, far_right;
};
struct hours {
    struct by_hour with, without;
};

static void tell_hours(const struct lives *x, void *user)
{
    struct hours *h = user;
    struct by_hour *to = x->l.hour_effect >= 500 ? &h->with : &h->without;

    if (x->l.hour_effect > 0 && x->l.hour_effect < 500)
        return;
    for (int32_t hour = 0; hour < 24; hour++) {
        int32_t effect = hour - x->l.best_hour, turn = (effect + 24) % 24;
        bool near = turn <= 3 || turn >= 21, far = turn >= 8 && turn <= 16;

        to->near_n += near ? x->t.answers_by_hour[hour] : 0;
        to->near_right += near ? x->t.correct_by_hour[hour] : 0;
        to->far_n += far ? x->t.answers_by_hour[hour] : 0;
        to->far_right += far ? x->t.correct_by_hour[hour] : 0;
    }
}

static void answers_show_the_best_hour(void **state)
{
    struct hours h = {0};

    (void)state;
    live_all(60, 60, tell_hours, &h);
    assert_true(h.with.far_n > 1000 && h.without.far_n > 1000);
    double with = (double)h.with.near_right / (double)h.with.near_n -
                  (double)h.with.far_right / (double)h.with.far_n;
    double without = (double)h.without.near_right / (double)h.without.near_n -
                     (double)h.without.far_right / (double)h.without.far_n;

    assert_true(with > 0.08);
    assert_near(without, 0, 0.03);
}

struct ranges {
    int32_t no_effect, burnout, overload, hour, learners;
    double ability_sum, right_by_ability; /* for a covariance */
    double right_sum;
};

static void tell_ranges(const struct lives *x, void *user)
{
    struct ranges *r = user;
    const struct sim_learner *l = &x->l;
    const struct sim_tally *t = &x->t;
    double right = t->answers ? (double)t->correct / (double)t->answers : 0;

    r->learners++;
    r->no_effect += l->no_effect;
    r->burnout += l->burnout_day >= 0;
    r->overload += l->overload_count > 0;
    r->hour += l->hour_effect > 0;
    r->ability_sum += l->ability, r->right_sum += right, r->right_by_ability += right * l->ability;
    if (l->no_effect)
        assert_true(!l->hour_effect && !l->fatigue_minute && l->modality < 0 &&
                    !l->overload_count && l->burnout_day < 0);
    assert_true(l->best_hour >= 0 && l->best_hour <= 23);
    assert_true(t->sessions > 0 && t->completed <= t->sessions && t->correct <= t->answers);
    assert_true(t->recalled <= t->reviews && t->reviews > 0);
    /* Reviewed when due, that is at nine in ten: what is recalled lies near that. */
    assert_true((double)t->recalled / (double)t->reviews > 0.5);
    for (int32_t i = 0; i < l->overload_count; i++)
        assert_true(l->overload[i].first_day >= 0 && l->overload[i].last_day < 60 &&
                    l->overload[i].first_day <= l->overload[i].last_day);
    for (int32_t i = 0; i < x->w->exam_count; i++)
        assert_in_range(t->exam_score_centi[i], 0, 100);
    for (int32_t c = 0; c < SIM_ALL_CARDS; c++)
        assert_true((t->cards[c].reviews > 0) == (t->cards[c].stability_milli >= 100));
}

static void truth_is_in_its_ranges(void **state)
{
    struct ranges r = {0};

    (void)state;
    live_all(200, 60, tell_ranges, &r);
    assert_in_range(r.no_effect, 20, 60); /* 20 % */
    assert_in_range(r.hour, 80, 128);     /* 65 % of the rest */
    assert_in_range(r.burnout, 6, 40);
    assert_in_range(r.overload, 30, 120);
    double n = r.learners;

    assert_true(r.right_by_ability / n - r.ability_sum / n * r.right_sum / n >
                20); /* the able are right more often */
}

static void a_fixed_zone_and_short_classes_work(void **state)
{
    struct text truth, one = simulate("1", "1", "0", &truth);

    (void)state;
    assert_non_null(strstr(truth.p, "\"exams\":[]"));
    free(one.p);
    free(truth.p);
    char detail[ARGS_DETAIL_MAX];

    assert_int_equal(run((const char *[]){"--zone", "Nowhere/Land", NULL}, detail), ERR_RANGE);
    assert_non_null(strstr(detail, "Nowhere/Land"));
    assert_int_equal(run((const char *[]){"--days", "0", NULL}, detail), ERR_RANGE);
    assert_int_equal(run((const char *[]){"--start", "2024-02-30", NULL}, detail), ERR_RANGE);
    assert_int_equal(run((const char *[]){"--out", "/nowhere/at/all", NULL}, detail), ERR_IO);
}

/* Nobody has what was left out, and all else of a learner's making is as it would have been. */
static void what_is_left_out_nobody_has(void **state)
{
    struct sim_options o = {
        .learners = 1, .days = 60, .seed = 4, .start_day = civil_epoch_day(2025, 1, 6)};
    struct sim_world *w = calloc(1, sizeof *w);
    struct rng rng;
    int32_t had = 0;

    (void)state;
    assert_non_null(w);
    assert_int_equal(sim_world_init(w, &o), ERR_OK);
    for (int32_t i = 0; i < 50; i++) {
        struct sim_learner with, left;

        w->o.without = 0;
        sim_learner_init(&with, w, i, &rng);
        uint64_t next = rng_u64(&rng);
        for (uint32_t e = 0; e < SIM_EFFECT_COUNT; e++) {
            w->o.without = 1u << e;
            sim_learner_init(&left, w, i, &rng);
            assert_int_equal(rng_u64(&rng), next);
            had += with.hour_effect != left.hour_effect;
            assert_int_equal(left.hour_effect, e == SIM_HOUR ? 0 : with.hour_effect);
            assert_int_equal(left.fatigue_minute, e == SIM_FATIGUE ? 0 : with.fatigue_minute);
            assert_int_equal(left.fatigue_slope, e == SIM_FATIGUE ? 0 : with.fatigue_slope);
            assert_int_equal(left.modality, e == SIM_MODALITY ? -1 : with.modality);
            assert_int_equal(left.overload_count, e == SIM_OVERLOAD ? 0 : with.overload_count);
            assert_int_equal(left.burnout_day, e == SIM_BURNOUT ? -1 : with.burnout_day);
            assert_int_equal(left.ability, with.ability);
            assert_int_equal(left.session_minutes, with.session_minutes);
        }
    }
    assert_true(had > 10);
    free(w);
    char detail[ARGS_DETAIL_MAX];

    assert_int_equal(run((const char *[]){"--without", "hour,weather", NULL}, detail), ERR_RANGE);
    assert_non_null(strstr(detail, "weather"));
    assert_int_equal(run((const char *[]){"--without", "", NULL}, detail), ERR_RANGE);
}

/* Against the C library, to far more digits than anything here needs. */
static void exact_functions_are_right(void **state)
{
    (void)state;
    for (double x = -30; x <= 30; x += 0.37) {
        assert_near(exact_exp(x) / exp(x), 1, 1e-13);
        assert_near(exact_log(exp(x)), x, 1e-13 * (1 + fabs(x)));
        assert_near(exact_cos_turn(x), cos(2 * 3.14159265358979323846 * x), 1e-12);
        assert_near(exact_sigmoid(x), 1 / (1 + exp(-x)), 1e-13);
    }
    assert_int_equal(exact_round(-2.5), -3);
    assert_int_equal(exact_round(2.4), 2);
    struct rng r;
    double sum = 0, squares = 0;

    rng_seed(&r, 3);
    for (int i = 0; i < 100000; i++) {
        double z = exact_normal(&r);

        sum += z, squares += z * z;
    }
    assert_near(sum / 100000, 0, 0.02);
    assert_near(squares / 100000, 1, 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_functions_are_right),
        cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(learners_are_independent),
        cmocka_unit_test(every_event_is_taken_and_in_order),
        cmocka_unit_test(answers_show_the_best_hour),
        cmocka_unit_test(truth_is_in_its_ranges),
        cmocka_unit_test(a_fixed_zone_and_short_classes_work),
        cmocka_unit_test(what_is_left_out_nobody_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
