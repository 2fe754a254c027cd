/* Hours, lengths and the gate of the learning profile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/civil.h"
#include "base/rng.h"
#include "twin/study.h"

#include <math.h>

/* Sessions enough in every hour. */
static int64_t often[STUDY_SLOTS];

static void one_sitting_proves_no_hour(void **state)
{
    (void)state;
    struct share cells[STUDY_SLOTS];
    int64_t sessions[STUDY_SLOTS] = {0};
    struct study_surface s;
    struct study_window w[STUDY_WINDOWS_MAX];

    for (int i = 0; i < STUDY_SLOTS; i++)
        cells[i] = (struct share){i == 60 ? 190 : 100, 200};
    study_surface(cells, &s);
    sessions[60] = 2;
    assert_int_equal(study_windows(cells, sessions, &s, w), 0);
    sessions[59] = 1; /* reaches into the hour */
    assert_int_equal(study_windows(cells, sessions, &s, w), 1);
}

static void a_good_morning_is_found(void **state)
{
    (void)state;
    struct share cells[STUDY_SLOTS] = {{0, 0}};
    struct study_surface s;
    struct study_window w[STUDY_WINDOWS_MAX];
    struct rng rng;

    rng_seed(&rng, 11);
    for (int day = 0; day < 7; day++)
        for (int hour = 8; hour < 20; hour++)
            cells[day * 24 + hour] = (struct share){60, 100};
    for (int day = 1; day < 6; day++) /* working days, nine to eleven */
        cells[day * 24 + 9].k = cells[day * 24 + 10].k = 90 + 2 * (day == 3);
    cells[24 + 23] = (struct share){3, 3}; /* three lucky answers */
    study_surface(cells, &s);
    assert_int_equal(study_windows(cells, often, &s, w), STUDY_WINDOWS_MAX);
    assert_int_equal(w[0].day, 3);
    for (int i = 0; i < STUDY_WINDOWS_MAX; i++) {
        assert_int_equal(w[i].start_hour, 9);
        assert_int_equal(w[i].end_hour, 10);
        assert_int_equal(w[i].n, 200);
        assert_true(w[i].rate > .75 && w[i].rate < .92 && w[i].interval.low > s.pool.mean);
    }
    assert_true(isnan(s.rate[0]) && isnan(s.interval[0].low));
    assert_true(s.rate[24 + 23] < .85);
}

static void windows_stay_within_a_day_and_are_ranked(void **state)
{
    (void)state;
    struct share cells[STUDY_SLOTS];
    struct study_surface s;
    struct study_window w[STUDY_WINDOWS_MAX];

    for (int i = 0; i < STUDY_SLOTS; i++)
        cells[i] = (struct share){100, 200};
    static const int good[] = {23, 24, 60, 100, 140}; /* Sunday 23 h, Monday 0 h, ... */
    for (size_t i = 0; i < COUNT(good); i++)
        cells[good[i]].k = 150 + 8 * (double)i;
    study_surface(cells, &s);
    assert_int_equal(study_windows(cells, often, &s, w), 3);
    assert_int_equal(w[0].day * 24 + w[0].start_hour, 140);
    assert_int_equal(w[1].day * 24 + w[1].start_hour, 100);
    assert_int_equal(w[2].day * 24 + w[2].start_hour, 60);
    assert_int_equal(w[0].start_hour, w[0].end_hour);
}

/* A learner who is equally good at all hours is mostly told so. */
static void chance_seldom_makes_a_best_hour(void **state)
{
    (void)state;
    struct rng rng;
    int named = 0;

    rng_seed(&rng, 5);
    for (int round = 0; round < 400; round++) {
        struct share cells[STUDY_SLOTS];
        struct study_surface s;
        struct study_window w[STUDY_WINDOWS_MAX];
        for (int i = 0; i < STUDY_SLOTS; i++) {
            cells[i] = (struct share){0, (double)rng_below(&rng, 40)};
            for (int k = 0; k < (int)cells[i].n; k++)
                cells[i].k += rng_unit(&rng) < .75;
        }
        study_surface(cells, &s);
        named += study_windows(cells, often, &s, w) > 0;
    }
    assert_true(named < 20); /* without pooling: nearly all 400 */
}

/* Answers of a sitting that stand or fall together make no best hour either. */
static void sittings_that_hang_together_seldom_make_one(void **state)
{
    (void)state;
    struct rng rng;
    int named = 0;

    rng_seed(&rng, 6);
    for (int round = 0; round < 400; round++) {
        struct share cells[STUDY_SLOTS] = {{0, 0}};
        int64_t sessions[STUDY_SLOTS] = {0};
        struct study_surface s;
        struct study_window w[STUDY_WINDOWS_MAX];
        for (int i = 0; i < 60; i++) {
            int slot = (int)rng_below(&rng, 7) * 24 + 17 + (int)rng_below(&rng, 4);
            double p = .7 + .06 * rng_normal(&rng);
            sessions[slot]++;
            for (int k = 0; k < 80; k++, cells[slot].n++)
                cells[slot].k += rng_unit(&rng) < p;
        }
        study_surface(cells, &s);
        named += study_windows(cells, sessions, &s, w) > 0;
    }
    assert_true(named <= 20);
}

static void lengths(void **state)
{
    (void)state;
    struct study_length b[STUDY_LENGTHS] = {{0}};
    struct study_length_choice c = study_length_best(b);

    assert_int_equal(c.bucket, -1);
    assert_true(isnan(c.rate_all) && isnan(study_length_mean(b).mean));

    b[1] = (struct study_length){10, 10 * 15 * 60000, 300, 180};
    b[2] = (struct study_length){10, 10 * 25 * 60000, 300, 270};
    b[6] = (struct study_length){2, 2 * 75 * 60000, 300, 299}; /* two sessions prove nothing */
    c = study_length_best(b);
    assert_int_equal(c.bucket, 2);
    assert_true(c.minutes == 25 && c.interval.low > c.rate_all);
    struct mean_estimate m = study_length_mean(b);
    assert_int_equal(m.n, 22);
    assert_true(fabs(m.mean - 550.0 / 22) < 1e-12);
    assert_true(m.interval.low < m.mean && m.mean < m.interval.high);
}

static void gate(void **state)
{
    (void)state;
    int64_t now = INT64_C(1760000000) * US_PER_S;
    struct study_gate g = study_gate(TIME_NONE, now, 0, 0);

    assert_false(g.sufficient);
    assert_int_equal(g.weeks_more, 6);
    assert_int_equal(g.sessions_more, 20);
    assert_int_equal(g.graded_more, 50);
    assert_true(g.quality == 0);
    g = study_gate(now - 42 * US_PER_DAY, now, 20, 50);
    assert_true(g.sufficient);
    assert_true(fabs(g.quality - (1 + .4 + .25) / 3) < 1e-12);
    g = study_gate(now - 42 * US_PER_DAY + 1, now, 20, 50);
    assert_false(g.sufficient);
    assert_int_equal(g.weeks_more, 1);
    g = study_gate(now - 400 * US_PER_DAY, now, 500, 5000);
    assert_true(g.quality == 1);
}

int main(void)
{
    for (int i = 0; i < STUDY_SLOTS; i++)
        often[i] = STUDY_CELL_SESSIONS;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_sitting_proves_no_hour),
        cmocka_unit_test(a_good_morning_is_found),
        cmocka_unit_test(windows_stay_within_a_day_and_are_ranked),
        cmocka_unit_test(chance_seldom_makes_a_best_hour),
        cmocka_unit_test(sittings_that_hang_together_seldom_make_one),
        cmocka_unit_test(lengths),
        cmocka_unit_test(gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
