/* The outlook: parts that sum to the whole, a forecast that follows the evidence, and learning. */
#include "twin/outlook.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double logit(double p)
{
    return log(p / (1 - p));
}

static struct outlook_facts facts_of(double right, double wrong)
{
    struct outlook_facts f = {.own = {.right = right, .wrong = wrong, .last_s = 1000, .answers = 9},
                              .now_s = 2000,
                              .recall = NAN,
                              .due = NAN,
                              .load = NAN};

    mastery_now_of(&f.own, &mastery_prior_default, f.now_s, &f.built);
    return f;
}

static void parts_sum_to_the_whole(void **state)
{
    (void)state;
    struct outlook_facts f = facts_of(3, 5);
    struct outlook o;
    double sum = 0;

    for (int i = 0; i < PART_COUNT; i++)
        f.parts[i] = 0.3 * i - 0.9;
    f.learnt = 700;
    f.recall = 0.6;
    f.due = 0.5;
    f.load = 0.8;
    outlook_of(&outlook_initial, &f, &o);
    for (int i = 0; i < OUTLOOK_PARTS; i++)
        sum += o.parts[i];
    assert_true(fabs(sum - logit(o.probability)) < 1e-9);
    assert_true(o.low < o.probability && o.probability < o.high);
    assert_true(o.low > 0 && o.high < 1);
}

static void follows_the_evidence(void **state)
{
    (void)state;
    double last = 2;

    for (int right = 0; right <= 10; right++) {
        struct outlook_facts f = facts_of(right, 10 - right);
        struct outlook o;

        outlook_of(&outlook_initial, &f, &o);
        assert_true(o.probability < last);
        last = o.probability;
    }
    struct outlook_facts few = facts_of(0.5, 0.5), many = facts_of(5, 5);
    struct outlook a, b;
    outlook_of(&outlook_initial, &few, &a);
    outlook_of(&outlook_initial, &many, &b);
    assert_true(a.high - a.low > b.high - b.low);
}

/* Where few cards in memory mean struggle, it comes to know; and it stays finite. */
static void learns_from_outcomes(void **state)
{
    (void)state;
    struct outlook_model m = outlook_initial;
    struct rng r;

    rng_seed(&r, 7);
    for (int i = 0; i < 3000; i++) {
        double faded = rng_unit(&r) - 0.5, x[OUTLOOK_INPUTS] = {1, rng_unit(&r) - 0.5, faded, 0, 0};
        bool struggled = rng_unit(&r) < 1 / (1 + exp(-(4 * faded - x[INPUT_SKILL])));

        outlook_learn(&m, x, struggled);
    }
    assert_int_equal(m.outcomes, 3000);
    assert_true(m.w[INPUT_MEMORY] > 2.5 && m.w[INPUT_MEMORY] < 5.5);
    assert_true(m.w[INPUT_SKILL] < 0);
    for (int i = 0; i < OUTLOOK_INPUTS; i++)
        assert_true(isfinite(m.w[i]) && m.variance[i] > 0);
}

static void stored_and_read_back(void **state)
{
    (void)state;
    struct outlook_model m = outlook_initial, read = {0};
    uint8_t bytes[OUTLOOK_BYTES], nan[8];
    double none = NAN;

    outlook_learn(&m, (const double[OUTLOOK_INPUTS]){1, 0.5, 0.2, 0.1, 0.3}, true);
    outlook_encode(&m, bytes);
    assert_int_equal(outlook_decode(&read, bytes, sizeof bytes), ERR_OK);
    assert_memory_equal(&read, &m, sizeof m);
    assert_int_equal(outlook_decode(&read, bytes, sizeof bytes - 1), ERR_RANGE);
    memcpy(nan, &none, sizeof nan);
    memcpy(bytes, nan, sizeof nan);
    assert_int_equal(outlook_decode(&read, bytes, sizeof bytes), ERR_RANGE);
}

static void weights_stored_slot_by_slot(void **state)
{
    (void)state;
    struct struggle_model *a, *b;
    struct struggle_question q = {.item = 5, .skills = {7}, .skill_count = 1, .now_s = 100};
    struct struggle_features f;
    struct struggle_prediction p, again;
    uint8_t bytes[STRUGGLE_SLOT_BYTES], stack[STRUGGLE_STACK_BYTES];

    assert_int_equal(struggle_model_new(12, STRUGGLE_FULL, &a), ERR_OK);
    assert_int_equal(struggle_model_new(12, STRUGGLE_FULL, &b), ERR_OK);
    struggle_read(a, &q, &f);
    for (int i = 0; i < 20; i++) {
        struggle_predict(a, &f, &p);
        struggle_learn(a, &f, &p, i % 3 > 0);
    }
    for (int i = 0; i < f.n; i++) {
        struggle_slot_encode(a, f.slot[i], bytes);
        assert_int_equal(struggle_slot_decode(b, f.slot[i], bytes, sizeof bytes), ERR_OK);
    }
    struggle_stack_encode(a, stack);
    assert_int_equal(struggle_stack_decode(b, stack, sizeof stack), ERR_OK);
    struggle_predict(a, &f, &p);
    struggle_predict(b, &f, &again);
    assert_true(p.logit >= again.logit && p.logit <= again.logit);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(struggle_slot_decode(b, 1, bytes, sizeof bytes), ERR_RANGE);
    assert_int_equal(struggle_slot_decode(b, 1 << 12, bytes, sizeof bytes), ERR_RANGE);
    assert_int_equal(struggle_slot_decode(b, 1, bytes, 3), ERR_RANGE);
    struggle_model_free(a);
    struggle_model_free(b);
}

static void answers_since_are_mixed_in(void **state)
{
    (void)state;
    struct struggle_count before = {0}, after;

    for (uint32_t i = 0; i < 20; i++)
        struggle_count_add(&before, i % 2, -1, 100 + i, i);
    struct mastery m = outlook_mastery(&before);
    struct mastery same = outlook_mastery_since(&before, 20, 10, 119);
    assert_true(fabs(same.right - m.right) < 1e-12 && fabs(same.wrong - m.wrong) < 1e-12);
    same = outlook_mastery_since(&before, 12, 3, 500); /* fewer than it knows: nothing new */
    assert_true(fabs(same.right - m.right) < 1e-12 && same.last_s == m.last_s);
    after = before;
    for (uint32_t i = 20; i < 26; i++) /* all alike: their order cannot matter */
        struggle_count_add(&after, true, -1, 200 + i, i);
    struct mastery want = outlook_mastery(&after),
                   got = outlook_mastery_since(&before, 26, 16, 225);
    assert_true(fabs(got.right - want.right) < 1e-4 && fabs(got.wrong - want.wrong) < 1e-4);
    assert_int_equal(got.answers, 26);
    assert_int_equal(got.last_s, 225);
    got = outlook_mastery_since(&before, 26, 400, 225); /* sums that do not fit the counts */
    assert_true(got.wrong >= 0 && got.right <= 1 / (1 - 0.92) + 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_sum_to_the_whole),      cmocka_unit_test(follows_the_evidence),
        cmocka_unit_test(learns_from_outcomes),        cmocka_unit_test(stored_and_read_back),
        cmocka_unit_test(weights_stored_slot_by_slot), cmocka_unit_test(answers_since_are_mixed_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
