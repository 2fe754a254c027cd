/* The half-life with its interval: what it holds, and what bad input does to it. test_truth.c holds
 * it against the truth of the simulator. */
#include "test.h"

#include "base/rng.h"
#include "twin/forgetting.h"

#include <math.h>
#include <stdlib.h>

enum { CARDS = 60, REVIEWS = 10, MANY = 3000 };

/* Cards of one who forgets as FSRS says with this decay, `faster` times as fast. */
static int32_t invent(struct memory_step *steps, int32_t cards, double decay, double faster,
                      uint64_t seed)
{
    struct memory_weights w = memory_default;
    struct rng r;
    int32_t n = 0;

    w.w[20] = decay;
    rng_seed(&r, seed);
    for (int32_t c = 0; c < cards; c++) {
        struct memory_state s = {0, 0};

        for (int k = 0; k < REVIEWS; k++, n++) {
            int32_t gap = k ? 1 + (int32_t)(s.stability / faster * (.5 + rng_unit(&r))) : -1;
            bool recalled = !k || rng_unit(&r) < memory_recall(&w, s.stability / faster, gap);

            steps[n] = (struct memory_step){gap, recalled ? GRADE_GOOD : GRADE_AGAIN};
            s = memory_review(&w, s, (enum memory_grade)steps[n].grade, k ? gap : 0);
        }
    }
    return n;
}

static struct forgetting look(const struct memory_step *steps, int32_t n)
{
    struct forgetting f;
    bool some;

    assert_int_equal(forgetting_of(steps, n, &memory_prior_default, &some, &f), ERR_OK);
    assert_true(some);
    assert_true(f.initial >= .5 && f.initial <= 1);
    assert_true(f.decays.low <= f.decay && f.decay <= f.decays.high && f.decays.low > 0);
    return f;
}

static void whoever_forgets_faster_has_a_shorter_half_life(void **state)
{
    (void)state;
    static struct memory_step steps[CARDS * REVIEWS];
    double before = 0;

    for (double faster = .25; faster < 20; faster *= 4) {
        struct forgetting f = look(steps, invent(steps, CARDS, .3, faster, 4));

        assert_int_equal(f.cards, CARDS);
        assert_true(f.decay > before);
        before = f.decay;
    }
}

/* Whatever the tail's shape, the interval is wide enough, and more reviews do not make it lie. */
static void any_tail_is_held(void **state)
{
    (void)state;
    static struct memory_step steps[CARDS * REVIEWS];
    int held = 0, all = 0;

    for (double decay = .15; decay < .8; decay += .3)
        for (uint64_t seed = 0; seed < 20; seed++, all++) {
            struct memory_weights w = memory_default;
            struct card_memory cards[CARDS] = {{0}};
            int32_t n = invent(steps, CARDS, decay, 1, seed), day = 0, card = -1;
            struct forgetting f = look(steps, n);
            struct card_curve truth;

            w.w[20] = decay;
            for (int32_t i = 0; i < n; i++) {
                card += steps[i].days < 0;
                day = steps[i].days < 0 ? 0 : day + steps[i].days;
                card_review(&w, &cards[card], (enum memory_grade)steps[i].grade, day);
            }
            assert_true(card_curve_of(&w, cards, CARDS, &truth));
            held += f.decays.low <= truth.decay && truth.decay <= f.decays.high;
        }
    print_message("held %d of %d\n", held, all);
    assert_true(held >= .9 * all);
}

static void of_many_cards_some_stand_for_all(void **state)
{
    (void)state;
    struct memory_step *steps = calloc((size_t)MANY * REVIEWS, sizeof *steps);

    assert_non_null(steps);
    struct forgetting f = look(steps, invent(steps, MANY, .3, 1, 9));
    assert_int_equal(f.cards, MANY / 3);
    assert_true(f.decays.high / f.decays.low < 2);
    free(steps);
}

static void little_and_strange(void **state)
{
    (void)state;
    static struct memory_step steps[400];
    struct forgetting f;
    struct rng r;
    bool some = true;

    assert_int_equal(forgetting_of(steps, 0, &memory_prior_default, &some, &f), ERR_OK);
    assert_false(some);
    for (int i = 0; i < 20; i++)
        steps[i] = (struct memory_step){i ? 3 : -1, GRADE_GOOD};
    assert_int_equal(forgetting_of(steps, 20, &memory_prior_default, &some, &f), ERR_OK);
    assert_false(some);
    assert_int_equal(forgetting_of(steps, -1, &memory_prior_default, &some, &f), ERR_RANGE);
    assert_int_equal(
        forgetting_of(steps, MEMORY_FIT_REVIEWS_MAX + 1, &memory_prior_default, &some, &f),
        ERR_RANGE);
    rng_seed(&r, 2);
    for (int sort = 0; sort < 4; sort++) { /* all right, all wrong, anything, no card begins */
        for (int i = 0; i < 400; i++)
            steps[i] = (struct memory_step){
                i % 8 || sort == 3 ? (int32_t)rng_below(&r, sort == 2 ? 1000000 : 30) : -1,
                (uint8_t)(sort == 0   ? GRADE_EASY
                          : sort == 1 ? GRADE_AGAIN
                                      : rng_below(&r, 7))};
        assert_int_equal(forgetting_of(steps, 400, &memory_prior_default, &some, &f), ERR_OK);
        assert_true(!some || (isfinite(f.decay) && isfinite(f.decays.low) &&
                              f.decays.low <= f.decay && f.decay <= f.decays.high));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_forgets_faster_has_a_shorter_half_life),
        cmocka_unit_test(any_tail_is_held),
        cmocka_unit_test(of_many_cards_some_stand_for_all),
        cmocka_unit_test(little_and_strange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
