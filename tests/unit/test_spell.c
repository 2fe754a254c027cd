/* Spells of overload on learners whose truth is known. */
#include "test.h"

#include "base/rng.h"
#include "twin/spell.h"

#include <math.h>

enum { LEARNERS = 300, DAYS = 90, FROM = 40, TO = 47 };

/* Four days in five, a fifth of their noise from the day before; rise in FROM..TO. */
static int32_t life(struct rng *rng, double rise, double lasting, struct spell_day *days)
{
    double noise = 0;
    int32_t n = 0;

    for (int32_t d = 0; d < DAYS; d++) {
        noise = lasting * noise + .05 * rng_normal(rng);
        if (rng_unit(rng) < .2)
            continue;
        double reviews = .3 + .4 * rng_unit(rng);
        double level = 9.2 - .9 * reviews + noise + (d >= FROM && d <= TO ? rise : 0);
        days[n++] = (struct spell_day){1000 + d, 40, 40 * level, reviews};
    }
    return n;
}

static bool within(int32_t day, struct spell_edge e)
{
    return e.low <= e.day && e.day <= e.high && 1000 + day >= e.low && 1000 + day <= e.high;
}

static void intervals_hold_the_truth(void **state)
{
    struct spell_day days[DAYS];
    struct spell spells[SPELLS_MAX];
    int32_t found = 0, first = 0, last = 0, rise = 0, used;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int l = 0; l < LEARNERS; l++) {
        int32_t n = life(&rng, .22, .2, days), k = spells_find(days, n, spells, &used);
        assert_int_equal(used, n);
        for (int32_t i = 0; i < k; i++) {
            if (spells[i].first.day > 1000 + TO || spells[i].last.day < 1000 + FROM)
                continue;
            found++;
            first += within(FROM, spells[i].first);
            last += within(TO, spells[i].last);
            rise += spells[i].rise_interval.low <= .22 && .22 <= spells[i].rise_interval.high;
        }
    }
    assert_in_range(found, LEARNERS * 9 / 10, LEARNERS);
    assert_true(first >= .9 * found && last >= .9 * found && rise >= .9 * found);
}

static int32_t false_findings(double rise, double lasting, uint64_t seed)
{
    struct spell_day days[DAYS];
    struct spell spells[SPELLS_MAX];
    int32_t found = 0, used;
    struct rng rng;

    rng_seed(&rng, seed);
    for (int l = 0; l < LEARNERS; l++) {
        int32_t n = life(&rng, rise, lasting, days);
        found += spells_find(days, n, spells, &used) > 0;
    }
    return found;
}

static void without_a_spell_hardly_any_is_found(void **state)
{
    (void)state;
    assert_in_range(false_findings(0, 0, 2), 0, LEARNERS / 20);
    assert_in_range(false_findings(0, .7, 3), 0, LEARNERS / 20);  /* moods that last */
    assert_in_range(false_findings(.07, 0, 4), 0, LEARNERS / 20); /* too small to be one */
}

static void two_spells_are_two(void **state)
{
    struct spell_day days[60];
    struct spell spells[SPELLS_MAX];
    int32_t used;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 5);
    for (int32_t d = 0; d < 60; d++) {
        bool high = (d >= 10 && d < 17) || d >= 54;
        days[d] =
            (struct spell_day){d, 30, 30 * (9 + (high ? .3 : 0) + .03 * rng_normal(&rng)), .5};
    }
    assert_int_equal(spells_find(days, 60, spells, &used), 2);
    assert_int_equal(spells[0].first.day, 10);
    assert_int_equal(spells[0].last.day, 16);
    assert_false(spells[0].open);
    assert_int_equal(spells[1].first.day, 54);
    assert_true(spells[1].open);
    assert_near(spells[1].rise, .3, .05);
}

static void odd_input_is_taken_calmly(void **state)
{
    static struct spell_day days[1000];
    struct spell spells[SPELLS_MAX];
    int32_t used;

    (void)state;
    assert_int_equal(spells_find(days, 0, spells, &used), 0);
    for (int32_t d = 0; d < 1000; d++)
        days[d] = (struct spell_day){d, 20, 20 * 9.0, .5};
    assert_int_equal(spells_find(days, SPELL_DAYS_NEEDED - 1, spells, &used), 0);
    assert_int_equal(used, SPELL_DAYS_NEEDED - 1);
    assert_int_equal(spells_find(days, 1000, spells, &used), 0); /* all alike */
    assert_int_equal(used, SPELL_DAYS_MAX);
    for (int32_t d = 990; d < 1000; d++)
        days[d].log_sum = 20 * 10.0; /* alike, and then alike */
    assert_int_equal(spells_find(days, 1000, spells, &used), 1);
    assert_int_equal(spells[0].first.day, 990);
    assert_true(isfinite(spells[0].rise_interval.low) && isfinite(spells[0].p));
    for (int32_t d = 0; d < 1000; d++)
        days[d].log_sum = d % 2 ? (double)NAN : 1e308;
    int32_t n = spells_find(days, 1000, spells, &used);
    assert_in_range(n, 0, SPELLS_MAX);
    for (int32_t d = 0; d < 1000; d++)
        days[d] = (struct spell_day){d * 2000000, 20, -20.0 * d, 1};
    assert_in_range(spells_find(days, 1000, spells, &used), 0, SPELLS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_hold_the_truth),
        cmocka_unit_test(without_a_spell_hardly_any_is_found),
        cmocka_unit_test(two_spells_are_two),
        cmocka_unit_test(odd_input_is_taken_calmly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
