#include "twin/slots.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ROUNDS = 300, BUSY = 30 };

static const struct zone *zone(const char *name)
{
    const struct zone *z;

    assert_int_equal(zone_get(str_from(name), &z), ERR_OK);
    return z;
}

static struct slots_input input(const struct zone *z, int32_t day)
{
    return (struct slots_input){.zone = z,
                                .now_us = civil_day_start(z, day),
                                .day = day,
                                .days = 7,
                                .minutes = 60,
                                .history = true,
                                .wish_hour = -1,
                                .best_from = -1,
                                .best_to = -1,
                                .best_effect = NAN};
}

static void test_score(void **state)
{
    (void)state;
    assert_float_equal(slots_score(86, true, true, 3), 94.4, 1e-9);
    assert_float_equal(slots_score(86, false, true, 9), 64.4, 1e-9);
}

static void test_usual(void **state)
{
    struct slots_input in = input(zone("Europe/Berlin"), 20000);
    struct slot s[SLOTS_MAX];

    (void)state;
    in.history = false;
    in.minutes = 120;
    int32_t n = slots_find(&in, s);
    assert_in_range(n, 3, 5);
    assert_float_equal(s[0].score, 75, 0);
    assert_int_equal(civil_at(in.zone, s[0].start).hour, 7);
    assert_int_equal(civil_at(in.zone, s[0].end).hour, 9);
    assert_float_equal(s[0].confidence, 0.4, 0);
    assert_true(s[0].usual && isnan(s[0].rate));
    bool evening = false;
    for (int32_t i = 0; i < n; i++)
        evening = evening || (civil_at(in.zone, s[i].start).hour == 18 && s[i].score >= 70 &&
                              s[i].score <= 70);
    assert_true(evening);
}

/* Three slots at least, never in busy time, ahead, apart, and as long as they say; on days when the
 * clock changes too. */
static void test_slots_are_free(void **state)
{
    struct slots_busy busy[BUSY];
    struct slot s[SLOTS_MAX];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 3);
    for (int round = 0; round < ROUNDS; round++) {
        const struct zone *z = zone(round % 2 ? "America/New_York" : "Europe/Berlin");
        struct slots_input in =
            input(z, (round % 3 ? civil_epoch_day(2026, 3, 5) : civil_epoch_day(2026, 10, 22)) +
                         (int32_t)rng_below(&rng, 25));
        int64_t at = civil_day_start(z, in.day) + (int64_t)rng_below(&rng, US_PER_DAY);
        in.now_us = at;
        in.minutes = 15 + (int32_t)rng_below(&rng, 166);
        for (int i = 0; i < SLOTS_WEEK; i++) {
            in.hours[i].n = (double)rng_below(&rng, 40);
            in.hours[i].k = floor(in.hours[i].n * rng_unit(&rng));
            in.sessions[i] = (int64_t)rng_below(&rng, 2);
        }
        for (int i = 0; i < BUSY; i++) {
            at += (int64_t)rng_below(&rng, (uint64_t)(8 * US_PER_HOUR));
            busy[i] = (struct slots_busy){at, at + 1 + (int64_t)rng_below(&rng, 5 * US_PER_HOUR),
                                          rng_below(&rng, 4) == 0};
        }
        in.busy = busy;
        in.busy_count = BUSY;
        int32_t n = slots_find(&in, s);
        assert_in_range(n, SLOTS_WANTED, SLOTS_MAX);
        double sure = 0;
        for (int32_t i = 0; i < n; i++) {
            assert_true(s[i].start > in.now_us);
            assert_int_equal(s[i].end - s[i].start, in.minutes * US_PER_MINUTE);
            assert_true(s[i].score >= 0 && s[i].score <= 100);
            assert_true(s[i].interval.low <= s[i].rate && s[i].rate <= s[i].interval.high);
            assert_int_equal(civil_at(z, s[i].start).minute % 30, 0);
            sure += s[i].confidence;
            for (int k = 0; k < BUSY; k++)
                if (!busy[k].soft && busy[k].start < s[i].end && busy[k].end > s[i].start)
                    fail_msg("round %d: slot %d in a busy time", round, i);
            for (int32_t j = 0; j < i; j++)
                assert_true(s[i].start >= s[j].end || s[j].start >= s[i].end);
        }
        assert_float_equal(sure, 1, 1e-6);
    }
}

/* 2026-03-29 has no 02:30 in Berlin. */
static void test_skipped_hour(void **state)
{
    struct slots_input in = input(zone("Europe/Berlin"), civil_epoch_day(2026, 3, 29));
    struct slot s[SLOTS_MAX];

    (void)state;
    in.days = 1;
    for (int w = 0; w < 7; w++)
        in.sessions[w * 24 + 2] = 9;
    in.wish_hour = 2;
    int32_t n = slots_find(&in, s);
    for (int32_t i = 0; i < n; i++)
        assert_int_not_equal(civil_at(in.zone, s[i].start).hour, 2);
    in.day++;
    n = slots_find(&in, s);
    assert_int_equal(civil_at(in.zone, s[0].start).hour, 2);
}

static void test_best_hours_win(void **state)
{
    struct slots_input in = input(zone_utc(), 20000);
    struct slot s[SLOTS_MAX];

    (void)state;
    for (int w = 0; w < 7; w++)
        for (int h = 8; h < 22; h++)
            in.hours[w * 24 + h] = (struct share){h == 9 || h == 10 ? 38 : 24, 40};
    assert_true(slots_find(&in, s) >= 3);
    assert_in_range(s[0].hour, 8, 11);
    assert_true(s[0].confidence > 0.3);
    /* What a nightly analysis found counts, even where the raw shares are level. */
    for (int i = 0; i < SLOTS_WEEK; i++)
        in.hours[i] = (struct share){30, 40};
    in.best_from = 19;
    in.best_to = 20;
    in.best_effect = 0.6;
    assert_true(slots_find(&in, s) >= 3);
    assert_in_range(s[0].hour, 19, 20);
    assert_true(s[0].best);
}

/* Far from the hours that were studied at, little is known, and it shows. */
static void test_far_hours_are_unsure(void **state)
{
    struct slots_input in = input(zone_utc(), 20000);
    struct slot s[SLOTS_MAX];
    double near = 0, far = 1e9;

    (void)state;
    for (int w = 0; w < 7; w++) {
        in.hours[w * 24 + 9] = (struct share){30, 40};
        in.hours[w * 24 + 10] = (struct share){22, 40};
    }
    int32_t n = slots_find(&in, s);
    for (int32_t i = 0; i < n; i++)
        near = fmax(near, s[i].n);
    assert_true(near > 200);
    in.now_us += 16 * US_PER_HOUR;
    in.days = 1;
    n = slots_find(&in, s);
    assert_true(n > 0);
    for (int32_t i = 0; i < n; i++)
        far = fmin(far, s[i].n);
    assert_true(far < 20);
}

/* All of the week is taken: nothing. A tentative event is offered, and said to be in the way. */
static void test_conflicts(void **state)
{
    struct slots_input in = input(zone_utc(), 20000);
    struct slots_busy all = {in.now_us, in.now_us + 30 * US_PER_DAY, false};
    struct slot s[SLOTS_MAX];

    (void)state;
    in.busy = &all;
    in.busy_count = 1;
    assert_int_equal(slots_find(&in, s), 0);
    all.soft = true;
    assert_true(slots_find(&in, s) >= 3);
    assert_int_equal(s[0].soft, 0);
    assert_true(s[0].score <= 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_score),          cmocka_unit_test(test_usual),
        cmocka_unit_test(test_slots_are_free), cmocka_unit_test(test_skipped_hour),
        cmocka_unit_test(test_best_hours_win), cmocka_unit_test(test_far_hours_are_unsure),
        cmocka_unit_test(test_conflicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
