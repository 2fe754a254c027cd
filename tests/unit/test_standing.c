/* How a learner stands on each objective: scores, gaps, gains, what comes first, how long it takes.
 */
#include "base/rng.h"
#include "test.h"
#include "twin/standing.h"

#include <math.h>

#define DAY_US INT64_C(86400000000)
enum { OBJECTIVES = 40, DAYS = 60, EACH = 6 };
static const int64_t now_us = 20000 * DAY_US;

static struct standing_sums plain(int64_t n, int64_t k, int64_t days_ago)
{
    return (struct standing_sums){.graded = n,
                                  .succeeded = k,
                                  .sessions = 1,
                                  .first_at = now_us - days_ago * DAY_US,
                                  .last_at = now_us - days_ago * DAY_US};
}

static void tell(struct standing_sums *s, int64_t n, double confidence, double score)
{
    double gap = confidence - score;

    s->told += n;
    s->told_micro += llround(1e6 * confidence * (double)n);
    s->told_score_micro += llround(1e6 * score * (double)n);
    s->told_gap_square_micro += llround(1e6 * gap * gap * (double)n);
}

static void scores_are_pooled(void **state)
{
    struct standing_sums s[] = {plain(2, 2, 1), plain(200, 100, 1), plain(200, 190, 1),
                                plain(1, 1, 1)};
    struct standing r[4];
    struct standing_all all;
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_int_equal(standing_of(&arena, s, 4, now_us, r, &all), ERR_OK);
    assert_int_equal(all.counted, 3);
    assert_true(r[0].score > 70 && r[0].score < 95); /* two right answers are no 100 points */
    assert_near(r[1].score, 50, 1.5);
    assert_near(r[2].score, 95, 1.5);
    assert_true(r[0].score_interval.high - r[0].score_interval.low >
                r[2].score_interval.high - r[2].score_interval.low);
    assert_true(isnan(r[3].score));      /* one answer says nothing */
    assert_true(isnan(r[1].percentile)); /* of three, ranks say nothing */
    assert_true(isnan(r[1].gap) && isnan(r[1].gain) && isnan(r[1].minutes_each));
    arena_fini(&arena);
}

static void points_count_where_all_outcomes_have_some(void **state)
{
    struct standing_sums s[] = {plain(400, 400, 1), plain(400, 0, 1)};
    struct standing r[2];
    struct standing_all all;
    struct arena arena;

    (void)state;
    s[0].score_n = 400;
    s[0].score_micro = 240 * 1000000; /* each right in part */
    arena_init(&arena, 1 << 20);
    assert_int_equal(standing_of(&arena, s, 2, now_us, r, &all), ERR_OK);
    assert_near(r[0].score, 60, 2);
    s[0].score_n = 10; /* few of them: right and wrong */
    assert_int_equal(standing_of(&arena, s, 2, now_us, r, &all), ERR_OK);
    assert_true(r[0].score > 95);
    arena_fini(&arena);
}

static void gaps_need_to_be_sure(void **state)
{
    struct standing_sums s[] = {plain(20, 8, 1), plain(20, 8, 1), plain(20, 8, 1)};
    struct standing r[3];
    struct standing_all all;
    struct arena arena;
    enum standing_category category;

    (void)state;
    tell(&s[0], 10, 0.9, 0.4); /* always 50 points too sure */
    tell(&s[1], 3, 1, 0);      /* as often as right: spread */
    tell(&s[1], 3, 0, 1);
    tell(&s[2], 4, 0.9, 0.4); /* too few */
    arena_init(&arena, 1 << 20);
    assert_int_equal(standing_of(&arena, s, 3, now_us, r, &all), ERR_OK);
    assert_near(r[0].gap, 50, 1e-6);
    assert_true(standing_overconfident(&r[0], 15) && !standing_underconfident(&r[0], 15));
    assert_near(r[1].gap, 0, 1e-6);
    assert_false(standing_overconfident(&r[1], 0));
    assert_true(isnan(r[2].gap));
    assert_int_equal(standing_priority(&r[0], &category), 10);
    assert_int_equal(category, STANDING_DANGEROUS_GAP);
    assert_int_equal(standing_priority(&r[2], &category), 6);
    assert_int_equal(category, STANDING_WEAKNESS);
    arena_fini(&arena);
}

/* Straight from the numbers: score, sure gap or none, days. */
static struct standing standing(double score, double gap, double days)
{
    return (struct standing){.n = 20,
                             .score = score,
                             .score_sd = 5,
                             .gap = gap,
                             .gap_interval = {gap - 1, gap + 1},
                             .days = days,
                             .gain = (double)NAN};
}

static void what_comes_first(void **state)
{
    struct standing list[] = {standing(85, 0, 1),  standing(72, 0, 1),  standing(63, 0, 1),
                              standing(68, 0, 31), standing(55, 12, 1), standing(50, 0, 1),
                              standing(20, 40, 91)};
    enum standing_category c;
    int32_t week[STANDING_PICKS];

    (void)state;
    assert_int_equal(standing_priority(&list[0], &c), 2);
    assert_int_equal(standing_priority(&list[1], &c), 4);
    assert_int_equal(c, STANDING_OPTIMIZATION);
    assert_int_equal(standing_priority(&list[2], &c), 6);
    assert_int_equal(standing_priority(&list[3], &c), 8);
    assert_int_equal(c, STANDING_BOTTLENECK);
    assert_int_equal(standing_pick_day(list, 7), 4); /* the last one: too long ago */
    assert_int_equal(standing_pick_day(list, 4), 3);
    assert_int_equal(standing_pick_day(list, 0), -1);
    list[1].score = list[2].score = 62;
    list[1].score = 61;
    assert_int_equal(standing_pick_day(list, 3), 1); /* the lowest of equals */
    /* 15: 20 points, sure gap, month old; then 10 each: the lowest first */
    assert_int_equal(standing_pick_week(list, 7, week), 3);
    assert_int_equal(week[0], 6);
    assert_int_equal(week[1], 5);
    assert_int_equal(week[2], 4); /* before the one with 8 + 2, and 68 points */
    list[4].n = 1;
    assert_int_equal(standing_pick_week(list, 7, week), 3);
    assert_int_equal(week[2], 3);
    assert_int_equal(standing_pick_week(list, 2, week), 2);
    assert_int_equal(standing_pick_week(list, 0, week), 0);
}

/* A learner whose every objective rises by `gain` points an hour, half an hour a day, in one
 * session a day. */
static void learner(struct rng *rng, double gain, struct standing_sums *s)
{
    for (int32_t i = 0; i < OBJECTIVES; i++) {
        double from = 0.35 + 0.2 * rng_unit(rng);
        s[i] = (struct standing_sums){.sessions = DAYS,
                                      .study_ms = DAYS * 1800000,
                                      .first_at = now_us - DAYS * DAY_US,
                                      .last_at = now_us};
        for (int32_t day = 0; day < DAYS; day++)
            for (int32_t k = 0; k < EACH; k++) {
                bool right = rng_unit(rng) < from + gain / 100 * 0.5 * day;
                s[i].graded++;
                s[i].timed++;
                s[i].succeeded += right;
                s[i].timed_succeeded += right;
                s[i].day_sum += day;
                s[i].day_square_sum += day * day;
                s[i].day_succeeded_sum += right * day;
            }
    }
}

static void the_gain_is_found(void **state)
{
    struct standing_sums s[OBJECTIVES];
    struct standing r[OBJECTIVES];
    struct standing_all all;
    struct arena arena;
    struct rng rng;
    int32_t covered = 0, pooled = 0, still = 0;

    (void)state;
    rng_seed(&rng, 7);
    for (int32_t round = 0; round < 20; round++) {
        arena_init(&arena, 1 << 20);
        learner(&rng, 1, s);
        assert_int_equal(standing_of(&arena, s, OBJECTIVES, now_us, r, &all), ERR_OK);
        assert_int_equal(all.lines, OBJECTIVES);
        pooled += fabs(all.gain - 1) < 2 * all.gain_sd;
        for (int32_t i = 0; i < OBJECTIVES; i++) {
            covered += r[i].gain_interval.low <= 1 && 1 <= r[i].gain_interval.high;
            struct standing_time t = standing_time_of(&r[i]);
            assert_int_equal(t.reason, STANDING_OK);
            assert_near(t.hours, (STANDING_MASTERY - r[i].score) / r[i].gain, 1e-9);
            assert_true(t.interval.low <= t.hours && t.hours <= t.interval.high);
        }
        learner(&rng, 0, s);
        assert_int_equal(standing_of(&arena, s, OBJECTIVES, now_us, r, &all), ERR_OK);
        for (int32_t i = 0; i < OBJECTIVES; i++)
            still += r[i].gain_interval.low > 0 || r[i].gain_interval.high < 0;
        arena_fini(&arena);
    }
    print_message("covered %d of %d, pooled %d of 20, false %d\n", covered, 20 * OBJECTIVES, pooled,
                  still);
    assert_true(covered >=
                20 * OBJECTIVES * 90 / 100); /* sessions as one observation: too careful */
    assert_true(pooled >= 18);
    assert_true(still <= 20 * OBJECTIVES * 5 / 100);
}

static void time_to_mastery_is_said_or_not(void **state)
{
    struct standing s = standing(60, 0, 1);
    struct standing_time t = standing_time_of(&s);

    (void)state;
    assert_true(isnan(t.hours));
    assert_int_equal(t.reason, STANDING_THIN);
    s.gain = 2;
    s.gain_sd = 1.2;
    s.gain_interval = (struct interval){-0.4, 4.4};
    t = standing_time_of(&s);
    assert_near(t.hours, 10, 1e-12);
    assert_near(t.interval.low, 20 / 4.4, 1e-12);
    assert_true(isinf(t.interval.high)); /* it may be nothing */
    s.gain = -1;
    assert_int_equal(standing_time_of(&s).reason, STANDING_STILL);
    s.gain = 0.001;
    assert_int_equal(standing_time_of(&s).reason, STANDING_BEYOND);
    s.score = 80;
    assert_near(standing_time_of(&s).hours, 0, 0);
}

static void chances(void **state)
{
    struct standing s = standing(70, 0, 1), list[10];

    (void)state;
    assert_near(standing_chance(&s, 0), 0.022750131948, 1e-9); /* two standard deviations away */
    assert_true(isnan(standing_chance(&s, 5)));
    s.gain = 2;
    s.gain_sd = 0;
    assert_near(standing_chance(&s, 5), 0.5, 1e-12);
    assert_true(standing_chance(&s, 10) > standing_chance(&s, 5));
    for (int i = 0; i < 10; i++)
        list[i] = standing(70, 0, 1);
    struct standing_exam e = standing_exam_of(list, 10);
    assert_near(e.probability, 0.5, 1e-12);
    assert_true(e.interval.low < 0.5 && 0.5 < e.interval.high);
    for (int i = 0; i < 10; i++)
        list[i].score = 95;
    assert_true(standing_exam_of(list, 10).probability > 0.99);
    assert_true(isnan(standing_exam_of(list, 0).probability));
}

static void ranks_are_in_the_middle(void **state)
{
    struct standing_sums s[5];
    struct standing r[5];
    struct standing_all all;
    struct arena arena;

    (void)state;
    for (int i = 0; i < 5; i++)
        s[i] = plain(50, 10 * i, 1);
    arena_init(&arena, 1 << 20);
    assert_int_equal(standing_of(&arena, s, 5, now_us, r, &all), ERR_OK);
    for (int i = 0; i < 5; i++)
        assert_near(r[i].percentile, 10 + 20 * i, 1e-9);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_pooled),
        cmocka_unit_test(points_count_where_all_outcomes_have_some),
        cmocka_unit_test(gaps_need_to_be_sure),
        cmocka_unit_test(what_comes_first),
        cmocka_unit_test(the_gain_is_found),
        cmocka_unit_test(time_to_mastery_is_said_or_not),
        cmocka_unit_test(chances),
        cmocka_unit_test(ranks_are_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
