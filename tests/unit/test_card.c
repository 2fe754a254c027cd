/* Cards: whole-number states against the model's own, exchange, and the older API's curve. */
#include "base/assert.h"
#include "base/civil.h"
#include "base/rng.h"
#include "twin/card.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct memory_weights *const W = &memory_default;
static const int64_t noon = 20000 * US_PER_DAY + 12 * US_PER_HOUR;

static void rounding_stays_small(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 1);
    for (int round = 0; round < 200; round++) {
        struct card_memory card = {0};
        struct memory_state exact = {0, 0};
        int32_t day = 20000;

        for (int i = 0; i < 30; i++) {
            enum memory_grade grade = (enum memory_grade)(1 + rng_below(&rng, 4));
            int32_t gap = i ? (int32_t)rng_below(&rng, 20) : 0;
            double want = gap ? memory_recall(W, exact.stability, gap) : (double)NAN;
            double got = card_review(W, &card, grade, day += gap);

            assert_true(gap ? fabs(got - want) < 1e-3 : isnan(got));
            exact = memory_review(W, exact, grade, gap);
            double s = (double)card.stability_micro / 1e6;
            assert_true(fabs(s / exact.stability - 1) < 0.01);
            assert_true(card.difficulty_micro >= 1000000 && card.difficulty_micro <= 10000000);
        }
        assert_int_equal(card.reviews, 30);
    }
}

static void days_begin_at_four(void **state)
{
    (void)state;
    assert_int_equal(card_day(100, 0), 99);
    assert_int_equal(card_day(100, 4 * 3600 - 1), 99);
    assert_int_equal(card_day(100, 4 * 3600), 100);
    assert_int_equal(card_day(100, 86399), 100);
}

/* Identical times, days that go backwards, no grade, ends of the calendar. */
static void odd_reviews_stay_sane(void **state)
{
    (void)state;
    static const int32_t days[] = {20000, 20000, 19000, INT32_MIN, 20001, INT32_MAX, 5};
    struct card_memory card = {0};

    for (size_t i = 0; i < COUNT(days); i++)
        for (int grade = 0; grade <= 5; grade++) {
            struct card_memory before = card;
            double p = card_review(W, &card, (enum memory_grade)grade, days[i]);

            assert_true(isnan(p) || (p >= 0 && p <= 1));
            if (grade < 1 || grade > 4) {
                assert_memory_equal(&before, &card, sizeof card);
                continue;
            }
            assert_true(card.stability_micro >= 1000 &&
                        card.stability_micro <= INT64_C(36500000000));
            assert_true(before.reviews == 0 || card.day >= before.day);
            assert_true(card.lapses <= card.reviews);
        }
}

static void reviews_are_bounded(void **state)
{
    (void)state;
    struct card_memory card = {0}, before;

    for (int i = 0; i < CARD_REVIEWS_MAX; i++)
        card_review(W, &card, i % 3 ? GRADE_GOOD : GRADE_AGAIN, 10000 + i);
    before = card;
    assert_true(isnan(card_review(W, &card, GRADE_AGAIN, 30000)));
    assert_memory_equal(&before, &card, sizeof card);
}

static void longer_absence_never_raises_recall(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 2);
    for (int round = 0; round < 300; round++) {
        struct card_memory card = {0};
        double last = 1, half;

        for (int i = 0, n = 1 + (int)rng_below(&rng, 10); i < n; i++)
            card_review(W, &card, (enum memory_grade)(1 + rng_below(&rng, 4)), 100 + 7 * i);
        for (double t = 0; t < 1e6; t = t * 1.3 + 0.1) {
            double r = card_recall(W, &card, t);
            assert_true(r <= last && r > 0);
            last = r;
        }
        half = card_half_life(W, &card);
        assert_true(fabs(card_recall(W, &card, half) - 0.5) < 1e-9);
    }
}

static void a_new_card_has_no_memory(void **state)
{
    (void)state;
    struct card_memory card = {0};
    struct card_state s;
    struct card_curve curve;

    assert_true(isnan(card_recall(W, &card, 3)));
    assert_true(isnan(card_half_life(W, &card)));
    card_export(W, &card, TIME_NONE, GRADE_AGAIN, 0.9, &s);
    assert_int_equal(s.phase, CARD_NEW);
    assert_true(isnan(s.stability) && s.due_at == TIME_NONE && s.last_at == TIME_NONE);
    assert_false(card_curve_of(W, &card, 1, &curve));
    assert_false(card_curve_of(W, NULL, 0, &curve));
}

static void phases_and_due_times(void **state)
{
    (void)state;
    struct card_memory card = {0};
    struct card_state s;

    card_review(W, &card, GRADE_AGAIN, 20000);
    card_export(W, &card, noon, GRADE_AGAIN, 0.9, &s);
    assert_int_equal(s.phase, CARD_LEARNING);
    assert_true(s.due_at == noon + 10 * US_PER_MINUTE);
    card_review(W, &card, GRADE_EASY, 20003);
    card_export(W, &card, noon, GRADE_EASY, 0.9, &s);
    assert_int_equal(s.phase, CARD_REVIEWING);
    assert_true(s.due_at == noon + s.interval_days * US_PER_DAY);
    assert_true(fabs(s.interval_days - s.stability) <= 0.5 || s.interval_days == 1);
    struct card_state sooner;
    card_export(W, &card, noon, GRADE_EASY, 0.95, &sooner);
    assert_true(sooner.interval_days <= s.interval_days);
    card_review(W, &card, GRADE_AGAIN, 20030);
    card_export(W, &card, noon, GRADE_AGAIN, 0.9, &s);
    assert_int_equal(s.phase, CARD_RELEARNING);
    assert_int_equal(s.lapses, 1);
    assert_string_equal(card_phase_name(s.phase), "relearning");
}

static void exported_cards_come_back(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 4);
    for (int round = 0; round < 200; round++) {
        struct card_memory card = {0}, back;
        enum memory_grade grade = GRADE_GOOD;
        struct card_state s;

        for (int i = 0, n = (int)rng_below(&rng, 12); i < n; i++) {
            grade = (enum memory_grade)(1 + rng_below(&rng, 4));
            card_review(W, &card, grade, 20000 + 3 * i);
        }
        card_export(W, &card, noon, grade, 0.9, &s);
        assert_int_equal(card_import(W, &s, card.day, &back), ERR_OK);
        assert_memory_equal(&card, &back, sizeof card);
    }
}

static void an_sm2_card_gets_a_memory(void **state)
{
    (void)state;
    struct card_state s = {.phase = CARD_REVIEWING,
                           .stability = NAN,
                           .difficulty = NAN,
                           .last_at = noon,
                           .interval_days = 10,
                           .reps = 4,
                           .ease = 2.5};
    struct card_memory card;

    assert_int_equal(card_import(W, &s, 20000, &card), ERR_OK);
    assert_true(card.stability_micro == 10000000);
    assert_true(llabs(card.difficulty_micro - 6914056) <= 1);
}

static void bad_states_are_refused(void **state)
{
    (void)state;
    const struct card_state good = {.phase = CARD_REVIEWING,
                                    .stability = 5,
                                    .difficulty = 5,
                                    .last_at = noon,
                                    .reps = 3,
                                    .lapses = 1,
                                    .ease = NAN};
    struct card_state s;
    struct card_memory card;

    assert_int_equal(card_import(W, &good, 1, &card), ERR_OK);
#define REFUSED(change)                                            \
    do {                                                           \
        s = good;                                                  \
        change;                                                    \
        assert_int_equal(card_import(W, &s, 1, &card), ERR_RANGE); \
    } while (0)
    REFUSED(s.stability = NAN);
    REFUSED(s.stability = INFINITY);
    REFUSED(s.stability = 0);
    REFUSED(s.stability = 36501);
    REFUSED(s.difficulty = 0.5);
    REFUSED(s.difficulty = NAN);
    REFUSED(s.lapses = 4);
    REFUSED(s.lapses = -1);
    REFUSED(s.reps = 0);
    REFUSED(s.last_at = TIME_NONE);
    REFUSED(s.interval_days = -1);
    REFUSED(s.phase = (enum card_phase)9);
    REFUSED(s.phase = CARD_NEW); /* with reviews */
#undef REFUSED
}

static void the_older_curve_follows_the_cards(void **state)
{
    (void)state;
    struct card_memory weak = {
        .stability_micro = 2000000, .difficulty_micro = 5000000, .reviews = 1};
    struct card_memory strong = {
        .stability_micro = 60000000, .difficulty_micro = 5000000, .reviews = 1};
    struct card_memory both[] = {weak, strong, {0}};
    struct card_curve a, b, mixed;

    assert_true(card_curve_of(W, &weak, 1, &a));
    assert_true(card_curve_of(W, &strong, 1, &b));
    assert_true(card_curve_of(W, both, 3, &mixed));
    assert_true(a.decay > mixed.decay && mixed.decay > b.decay);
    assert_true(a.half_life_days < b.half_life_days);
    assert_true(a.initial >= 0.5 && a.initial <= 1 && b.initial <= 1);
    for (int64_t s = 1000; s <= INT64_C(36500000000); s *= 10) {
        weak.stability_micro = s;
        assert_true(card_curve_of(W, &weak, 1, &a));
        assert_true(isfinite(a.half_life_days) && a.half_life_days > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_stays_small),
        cmocka_unit_test(days_begin_at_four),
        cmocka_unit_test(odd_reviews_stay_sane),
        cmocka_unit_test(reviews_are_bounded),
        cmocka_unit_test(longer_absence_never_raises_recall),
        cmocka_unit_test(a_new_card_has_no_memory),
        cmocka_unit_test(phases_and_due_times),
        cmocka_unit_test(exported_cards_come_back),
        cmocka_unit_test(an_sm2_card_gets_a_memory),
        cmocka_unit_test(bad_states_are_refused),
        cmocka_unit_test(the_older_curve_follows_the_cards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
