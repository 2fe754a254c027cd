#include "twin/plan.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MANY = 60, NEEDS = 40, ROUNDS = 400 };

/* Strain only ever takes away. */
static void test_strain_never_lengthens(void **state)
{
    (void)state;
    for (int32_t asked = 15; asked <= 180; asked++) {
        for (int b = BURNOUT_LOW; b <= BURNOUT_CRITICAL; b++) {
            int32_t before = asked;
            for (double load = 0; load <= 100; load += 0.5) {
                struct plan_limits l, riskier;
                plan_limits_of(load, (enum burnout_level)b, &l);
                int32_t m = plan_minutes_of(&l, asked);
                if (m > before || m < 1)
                    fail_msg("load %g, burnout %d: %d of %d, before %d", load, b, m, asked, before);
                before = m;
                if (b == BURNOUT_CRITICAL)
                    continue;
                plan_limits_of(load, (enum burnout_level)(b + 1), &riskier);
                assert_true(plan_minutes_of(&riskier, asked) <= m);
                assert_true(riskier.intensity <= l.intensity);
            }
        }
        struct plan_limits unknown;
        plan_limits_of(NAN, BURNOUT_LOW, &unknown);
        assert_int_equal(plan_minutes_of(&unknown, asked), asked);
    }
}

static void test_a_strained_day(void **state)
{
    const struct mission_candidate due = {.due = 1, .complexity = 2}, fresh = {.complexity = 0},
                                   advanced = {.attempts = 3, .complexity = 2},
                                   known = {.attempts = 3};
    struct plan_day d;

    (void)state;
    for (int b = BURNOUT_LOW; b <= BURNOUT_CRITICAL; b++)
        for (double load = 0; load <= 100; load += 5)
            for (int rest = 0; rest < 2; rest++)
                for (int32_t asked = 15; asked <= 120; asked++) {
                    plan_day_of(load, (enum burnout_level)b, rest, asked, &d);
                    assert_true(d.minutes >= 5 && d.minutes <= asked);
                    assert_int_equal(d.recovery, rest || b >= BURNOUT_HIGH);
                    assert_true(!d.recovery || d.minutes <= PLAN_RECOVERY_MINUTES);
                    assert_false(plan_day_bars(&d, &due));
                }
    plan_day_of(NAN, BURNOUT_LOW, false, 50, &d);
    assert_int_equal(d.minutes, 50);
    assert_false(plan_day_bars(&d, &fresh) || plan_day_bars(&d, &advanced));
    plan_day_of(NAN, BURNOUT_MEDIUM, false, 50, &d);
    assert_int_equal(d.minutes, 35);
    assert_true(plan_day_bars(&d, &advanced) && !plan_day_bars(&d, &fresh));
    plan_day_of(75, BURNOUT_LOW, false, 50, &d);
    assert_int_equal(d.minutes, 30);
    assert_true(plan_day_bars(&d, &advanced) && plan_day_bars(&d, &fresh));
    assert_false(plan_day_bars(&d, &known));
    plan_day_of(NAN, BURNOUT_HIGH, false, 50, &d);
    assert_int_equal(d.minutes, 15);
    assert_true(plan_day_bars(&d, &known));
    for (int b = BURNOUT_LOW; b < BURNOUT_CRITICAL; b++)
        assert_true(plan_recovery_days((enum burnout_level)b) <
                    plan_recovery_days((enum burnout_level)(b + 1)));
}

static void test_strain_of_known_cases(void **state)
{
    struct plan_limits l;
    struct plan_breaks b;

    (void)state;
    plan_limits_of(85, BURNOUT_LOW, &l);
    assert_int_equal(plan_minutes_of(&l, 60), 36);
    assert_true(l.easy);
    assert_int_equal(l.rest_days, 2);
    plan_breaks_make(60, NAN, 0, &b);
    assert_int_equal(b.count, 2);
    plan_breaks_make(36, NAN, b.count + l.more_breaks, &b);
    assert_int_equal(b.count, 4);
    plan_limits_of(75, BURNOUT_LOW, &l);
    assert_true(l.easy);
    assert_int_equal(l.rest_days, 0);
    plan_limits_of(70, BURNOUT_LOW, &l);
    assert_int_equal(plan_minutes_of(&l, 60), 60);
    plan_limits_of(10, BURNOUT_HIGH, &l);
    assert_int_equal(plan_minutes_of(&l, 60), 30);
    assert_int_equal(plan_minutes_of(&l, 180), 30);
    assert_int_equal(l.intensity, PLAN_LOW);
    plan_limits_of(10, BURNOUT_CRITICAL, &l);
    assert_int_equal(plan_minutes_of(&l, 120), 15);
    assert_true(l.easy);
    assert_int_equal(plan_load_level(30), PLAN_LOW);
    assert_int_equal(plan_load_level(50), PLAN_MEDIUM);
    assert_int_equal(plan_load_level(70), PLAN_MEDIUM);
    assert_int_equal(plan_load_level(75), PLAN_HIGH);
}

static void check_length(double usual, int32_t complexity, bool best, double hours, int32_t minutes,
                         int32_t low, int32_t high)
{
    struct plan_length l = plan_length_of(usual, complexity, best, hours);

    assert_int_equal(l.minutes, minutes);
    assert_int_equal(l.low, low);
    assert_int_equal(l.high, high);
}

static void test_lengths(void **state)
{
    (void)state;
    check_length(50, 0, true, 21, 41, 33, 49);
    check_length(50, 1, true, 21, 51, 41, 61);
    check_length(50, 2, true, 21, 66, 53, 79);
    check_length(50, 2, false, 21, 50, 40, 60);
    check_length(50, 0, false, 21, 31, 25, 37);
    check_length(NAN, 1, false, 0, 45, 36, 54);
}

static void check_breaks(int32_t minutes, int32_t count, int32_t total)
{
    struct plan_breaks b;

    plan_breaks_make(minutes, 25, 0, &b);
    assert_int_equal(b.count, count);
    assert_int_equal(b.total, total);
    for (int32_t i = 0; i < count; i++)
        assert_int_equal(b.at[i], 25 * (i + 1));
}

static void test_breaks(void **state)
{
    int32_t p[PLAN_PHASES];
    struct plan_breaks b;

    (void)state;
    check_breaks(25, 0, 0);
    check_breaks(45, 1, 5);
    check_breaks(60, 2, 10);
    check_breaks(90, 3, 15);
    check_breaks(120, 4, 25);
    plan_phases_of(30, p);
    assert_true(p[0] == 6 && p[1] == 18 && p[2] == 6);
    plan_phases_of(60, p);
    assert_true(p[0] == 12 && p[1] == 36 && p[2] == 12);
    plan_phases_of(120, p);
    assert_true(p[0] == 15 && p[1] == 72 && p[2] == 24);
    for (int32_t minutes = 5; minutes <= 180; minutes++)
        for (int32_t least = 0; least < 30; least++) {
            plan_breaks_make(minutes, 1 + least * 3, least, &b);
            int32_t at = 0;
            for (int32_t i = 0; i < b.count; i++) {
                assert_true(b.at[i] > at);
                at = b.at[i] + b.minutes[i];
            }
            assert_true(at < minutes);
        }
}

/* A made-up learner: prerequisites only point to smaller numbers, as if there were an order. */
struct world {
    char ids[MANY][4];
    struct plan_objective o[MANY];
    struct mission_needs needs[NEEDS];
};

static void world_make(struct world *w, struct rng *rng)
{
    for (int i = 0; i < MANY; i++) {
        struct plan_objective *o = &w->o[i];
        w->ids[i][0] = (char)('a' + i / 10);
        w->ids[i][1] = (char)('0' + i % 10);
        *o = (struct plan_objective){.exam_days = NAN, .due_difficulty = 1 + 9 * rng_unit(rng)};
        o->of = (struct mission_candidate){.id = {w->ids[i], 2},
                                           .complexity = (int32_t)rng_below(rng, 3),
                                           .mastery = {.probability = rng_unit(rng)},
                                           .attempts = (int64_t)rng_below(rng, 3)};
        o->of.due = rng_below(rng, 2) ? (int32_t)rng_below(rng, 30) : 0;
        o->of.forgotten = o->of.due * 0.3 * rng_unit(rng);
        o->in_mission = rng_below(rng, 4) == 0;
        if (rng_below(rng, 5) == 0)
            o->exam_days = (double)rng_below(rng, 20);
    }
    for (int k = 0; k < NEEDS; k++) {
        int32_t objective = 1 + (int32_t)rng_below(rng, MANY - 1);
        w->needs[k] = (struct mission_needs){
            objective, (int32_t)rng_below(rng, (uint64_t)objective), rng_unit(rng)};
    }
}

/* The objective of the n-th card that is reviewed. */
static int32_t objective_of_card(const struct plan_content *c, int32_t n)
{
    int32_t part = 0;

    for (; part < c->part_count && n >= c->parts[part].cards; part++)
        n -= c->parts[part].cards;
    assert_true(part < c->part_count);
    return c->parts[part].objective;
}

static void check_order(const struct world *w, const struct plan_content *c)
{
    int32_t first[MANY], at = 0;

    for (int i = 0; i < MANY; i++)
        first[i] = INT32_MAX;
    for (int32_t i = 0; i < c->count; i++) {
        const struct plan_item *it = &c->items[i];
        for (int32_t k = 0; k < it->cards; k++) {
            int32_t o = objective_of_card(c, it->first_card + k);
            first[o] = first[o] < at ? first[o] : at++;
        }
        if (it->objective >= 0 && it->cards == 0 && first[it->objective] == INT32_MAX)
            first[it->objective] = at++;
    }
    for (int k = 0; k < NEEDS; k++) {
        int32_t o = first[w->needs[k].objective], p = first[w->needs[k].prerequisite];
        if (o != INT32_MAX && p != INT32_MAX && o < p)
            fail_msg("%d before its prerequisite %d", w->needs[k].objective,
                     w->needs[k].prerequisite);
    }
}

static void check_weak_wait(const struct world *w, const struct plan_content *c)
{
    for (int32_t i = 0; i < c->count; i++) {
        if (c->items[i].kind != PLAN_LEARN)
            continue;
        for (int k = 0; k < NEEDS; k++) {
            bool there = false;
            if (w->needs[k].objective != c->items[i].objective || w->needs[k].strength < 0.5 ||
                w->o[w->needs[k].prerequisite].of.mastery.probability >= MISSION_WEAK)
                continue;
            for (int32_t j = 0; j < i; j++)
                there = there || c->items[j].objective == w->needs[k].prerequisite;
            assert_true(there);
        }
    }
}

static void check_content(const struct plan_input *in, const struct plan_content *c)
{
    int32_t cards[MANY] = {0}, at = 0, breaks = 0, card = 0;

    for (int32_t i = 0; i < c->count; i++) {
        const struct plan_item *it = &c->items[i];
        assert_int_equal(it->start, at);
        assert_true(it->minutes > 0);
        at += it->minutes;
        if (it->kind == PLAN_BREAK) {
            assert_int_equal(it->start, in->breaks->at[breaks]);
            breaks++;
        } else {
            assert_in_range(it->objective, 0, MANY - 1);
            if (it->cards > 0)
                assert_int_equal(it->first_card, card);
            for (int32_t k = 0; k < it->cards; k++)
                cards[objective_of_card(c, card++)]++;
        }
        if (in->easy)
            assert_int_not_equal(it->kind, PLAN_LEARN);
    }
    for (int i = 0; i < MANY; i++)
        assert_true(cards[i] <= in->objectives[i].of.due);
    assert_int_equal(at, c->minutes);
    assert_int_equal(breaks, in->breaks->count);
    assert_int_equal(c->phases[0] + c->phases[1] + c->phases[2], c->minutes);
}

static void test_fills_the_time(void **state)
{
    struct plan_content c;
    struct plan_breaks b;
    struct world w;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 5);
    for (int round = 0; round < ROUNDS; round++) {
        int32_t minutes = 5 + (int32_t)rng_below(&rng, 176);
        world_make(&w, &rng);
        plan_breaks_make(minutes, 10 + 50 * rng_unit(&rng), (int32_t)rng_below(&rng, 4), &b);
        struct plan_input in = {.objectives = w.o,
                                .count = MANY,
                                .needs = w.needs,
                                .needs_count = NEEDS,
                                .minutes = minutes,
                                .breaks = &b,
                                .card_minutes = 0.1 + 2 * rng_unit(&rng),
                                .easy = rng_below(&rng, 4) == 0};
        assert_int_equal(plan_fill(&in, &c), ERR_OK);
        if (c.minutes != minutes)
            fail_msg("asked %d, given %d", minutes, c.minutes);
        assert_false(c.short_of_material);
        check_content(&in, &c);
        check_order(&w, &c);
        check_weak_wait(&w, &c);
    }
}

static void test_little_to_do(void **state)
{
    struct plan_objective o = {.cards_only = true, .exam_days = NAN, .due_difficulty = 3};
    struct plan_content c;
    struct plan_breaks b;
    struct plan_input in = {.minutes = 60, .breaks = &b, .card_minutes = 1};

    (void)state;
    plan_breaks_make(60, NAN, 0, &b);
    assert_int_equal(plan_fill(&in, &c), ERR_OK);
    assert_true(c.short_of_material && c.minutes == 0 && c.count == 0);
    o.of = (struct mission_candidate){.id = STR("cards"), .due = 3, .forgotten = 1};
    in.objectives = &o;
    in.count = 1;
    assert_int_equal(plan_fill(&in, &c), ERR_OK);
    assert_int_equal(c.minutes, 60);
    assert_int_equal(c.items[0].kind, PLAN_REVIEW);
    assert_int_equal(c.items[0].cards, 3);
    in.minutes = 0;
    assert_int_equal(plan_fill(&in, &c), ERR_RANGE);
}

static void test_mission_and_exam_come_first(void **state)
{
    struct plan_objective o[3];
    struct plan_content c;
    struct plan_breaks b = {.count = 0};
    static const char ids[3][2] = {"a", "b", "c"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        o[i] = (struct plan_objective){.exam_days = NAN};
        o[i].of = (struct mission_candidate){
            .id = {ids[i], 1}, .complexity = 1, .mastery = {.probability = 0.4}, .attempts = 2};
    }
    struct plan_input in = {
        .objectives = o, .count = 3, .minutes = 18, .breaks = &b, .card_minutes = 1};
    assert_int_equal(plan_fill(&in, &c), ERR_OK);
    assert_int_equal(c.items[0].objective, 0);
    o[2].exam_days = 2;
    assert_int_equal(plan_fill(&in, &c), ERR_OK);
    assert_int_equal(c.items[0].objective, 2);
    o[1].in_mission = true;
    assert_int_equal(plan_fill(&in, &c), ERR_OK);
    assert_int_equal(c.items[0].objective, 1);
}

static void test_followed(void **state)
{
    struct plan_outcome o[10];
    struct plan_followed f;

    (void)state;
    for (int i = 0; i < 10; i++)
        o[i] = (struct plan_outcome){i < 6 ? 10 : 90, i < 6 ? 80 : 60, 50, 52};
    plan_followed_of(o, 10, &f);
    assert_int_equal(f.followed, 6);
    assert_float_equal(f.adherence, 60, 1e-9);
    assert_float_equal(f.gain, 33.3333, 1e-3);
    assert_float_equal(f.optimal, 100, 1e-9);
    assert_float_equal(f.durations, 100, 1e-9);
    assert_int_equal(lround(f.overall), 61);
    assert_true(f.interval.low < 60 && f.interval.high > 60);
    plan_followed_of(o, 4, &f);
    assert_true(isnan(f.adherence) && isnan(f.overall));
    plan_followed_of(o, 6, &f);
    assert_float_equal(f.adherence, 100, 1e-9);
    assert_true(isnan(f.gain) && isnan(f.overall));
}

static void test_pairs(void **state)
{
    const int64_t m = US_PER_MINUTE;
    const int64_t plans[] = {0, 60 * m, 600 * m}, sessions[] = {-200 * m, 10 * m, 55 * m, 900 * m};
    int32_t of[3];

    (void)state;
    assert_int_equal(plan_pair(plans, 3, sessions, 4, of), ERR_OK);
    assert_int_equal(of[0], 1);
    assert_int_equal(of[1], 2);
    assert_int_equal(of[2], -1);
    assert_int_equal(plan_pair(NULL, 0, sessions, 4, of), ERR_OK);
}

/* 95 % intervals hold the truth, and what differs between strata alone is no difference. */
static void test_compare_covers(void **state)
{
    struct plan_sample s[60];
    struct plan_difference d;
    struct rng rng;
    int inside = 0;

    (void)state;
    rng_seed(&rng, 9);
    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < 60; i++) {
            s[i].stratum = (int32_t)rng_below(&rng, 4);
            s[i].a = rng_unit(&rng) < 0.2 + 0.2 * s[i].stratum;
            s[i].value = 2.0 * s[i].stratum + 0.5 * s[i].a + rng_normal(&rng);
        }
        plan_compare(s, 60, &d);
        inside += d.interval.low <= 0.5 && d.interval.high >= 0.5;
    }
    assert_in_range(inside, 930, 970);
    plan_compare(s, 6, &d);
    assert_true(isnan(d.estimate));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strain_never_lengthens),
        cmocka_unit_test(test_a_strained_day),
        cmocka_unit_test(test_strain_of_known_cases),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_breaks),
        cmocka_unit_test(test_fills_the_time),
        cmocka_unit_test(test_little_to_do),
        cmocka_unit_test(test_mission_and_exam_come_first),
        cmocka_unit_test(test_followed),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_compare_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
