/* The knowledge tracing model on worlds whose truth is known. */
#include "base/assert.h"
#include "base/rng.h"
#include "twin/struggle.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS = 60, SKILLS = 6, ANSWERS = 120 };

struct world {
    double difficulty[ITEMS];
};

struct totals {
    double loss, blind_loss, predicted, right;
    int n;
};

/* One learner of a Rasch world with learning: log odds = ability - difficulty + 0.15 per try of the
 * skill. */
static void play(struct struggle_model *m, const struct world *w, struct rng *rng, struct totals *t)
{
    struct struggle_count all = {0}, items[ITEMS] = {{0}}, skills[SKILLS] = {{0}};
    double ability = rng_normal(rng);
    struct struggle_question q = {0};

    for (uint32_t i = 0; i < ANSWERS; i++) {
        uint32_t item = (uint32_t)rng_below(rng, ITEMS), skill = item % SKILLS;
        double z = ability - w->difficulty[item] + 0.05 * fmin(skills[skill].attempts, 10);
        bool right = rng_unit(rng) < 1 / (1 + exp(-z));
        struct struggle_features f;
        struct struggle_prediction p;

        q.item = item + 1;
        q.skill_count = 1;
        q.skills[0] = skill + 1;
        q.all = &all;
        q.on_item = &items[item];
        q.on_skill[0] = &skills[skill];
        struggle_read(m, &q, &f);
        struggle_predict(m, &f, &p);
        t->loss -= log(right ? p.probability : 1 - p.probability);
        t->blind_loss += log(2);
        t->predicted += p.probability;
        t->right += right;
        t->n++;
        struggle_learn(m, &f, &p, right);
        struggle_count_add(&all, right, -1, 0, i);
        struggle_count_add(&items[item], right, -1, 0, i);
        struggle_count_add(&skills[skill], right, -1, 0, i);
        struggle_question_after(&q, right);
    }
}

/* One of which a few slots are there forecasts and learns as the whole one does. */
static void a_sparse_model_is_the_same(void **state)
{
    (void)state;
    struct struggle_model *whole, *sparse;
    struct struggle_count all = {0}, items[ITEMS] = {{0}};
    struct struggle_question q = {.skill_count = 1, .all = &all};
    struct rng rng;

    rng_seed(&rng, 3);
    assert_int_equal(struggle_model_new(14, STRUGGLE_FULL, &whole), ERR_OK);
    assert_int_equal(struggle_model_sparse_new(14, STRUGGLE_FULL, &sparse), ERR_OK);
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t item = (uint32_t)rng_below(&rng, ITEMS);
        bool right = rng_below(&rng, 3) > 0;
        struct struggle_features f, g;
        struct struggle_prediction a, b;
        uint8_t as_whole[STRUGGLE_SLOT_BYTES], as_sparse[STRUGGLE_SLOT_BYTES];

        q.item = item + 1;
        q.skills[0] = item % SKILLS + 1;
        q.on_item = q.on_skill[0] = &items[item];
        struggle_read(whole, &q, &f);
        struggle_read(sparse, &q, &g);
        assert_int_equal(f.n, g.n);
        assert_memory_equal(f.slot, g.slot, (size_t)f.n * sizeof f.slot[0]);
        struggle_predict(whole, &f, &a);
        struggle_predict(sparse, &g, &b); /* some of its slots were never claimed */
        assert_memory_equal(&a.probability, &b.probability, sizeof a.probability);
        assert_memory_equal(a.learner_logits, b.learner_logits, sizeof a.learner_logits);
        for (int k = 0; k < g.n; k++)
            assert_int_equal(struggle_slot_claim(sparse, g.slot[k]), ERR_OK);
        struggle_learn(whole, &f, &a, right);
        struggle_learn(sparse, &g, &b, right);
        struggle_slot_encode(whole, f.slot[0], as_whole);
        struggle_slot_encode(sparse, f.slot[0], as_sparse);
        assert_memory_equal(as_whole, as_sparse, sizeof as_whole);
        struggle_count_add(&all, right, -1, 0, i);
        struggle_count_add(&items[item], right, -1, 0, i);
        struggle_question_after(&q, right);
    }
    struggle_model_free(whole);
    struggle_model_free(sparse);
    struggle_model_free(NULL);
}

static void learns_a_known_world_and_is_calibrated(void **state)
{
    (void)state;
    struct struggle_model *m;
    struct world w;
    struct rng rng;
    struct totals early = {0}, late = {0};

    rng_seed(&rng, 7);
    for (int i = 0; i < ITEMS; i++)
        w.difficulty[i] = 1.5 * rng_normal(&rng);
    assert_int_equal(struggle_model_new(16, STRUGGLE_FULL, &m), ERR_OK);
    for (int learner = 0; learner < 50; learner++)
        play(m, &w, &rng, &early);
    for (int learner = 0; learner < 400; learner++)
        play(m, &w, &rng, &late);
    assert_true(late.loss / late.n < early.loss / early.n);
    assert_true(late.loss / late.n < 0.54); /* a coin is 0.693; knowing the truth is about 0.49 */
    assert_true(fabs(late.predicted - late.right) / late.n < 0.02);
    struggle_model_free(m);
}

static void the_parts_sum_to_the_whole(void **state)
{
    (void)state;
    struct struggle_model *m;
    struct world w = {{0}};
    struct rng rng;
    struct totals t = {0};
    double parts[PART_COUNT], sum = 0;

    rng_seed(&rng, 3);
    assert_int_equal(struggle_model_new(14, STRUGGLE_FULL, &m), ERR_OK);
    for (int learner = 0; learner < 20; learner++)
        play(m, &w, &rng, &t);
    struct struggle_count c = {0};
    for (uint32_t i = 0; i < 9; i++)
        struggle_count_add(&c, i % 3 != 0, 2.5, 1000 + i * 60, i);
    struct struggle_question q = {.item = 5,
                                  .skills = {2, 3},
                                  .skill_count = 2,
                                  .all = &c,
                                  .on_item = &c,
                                  .on_skill = {&c, NULL},
                                  .index = 9,
                                  .now_s = 2000};
    struct struggle_features f;
    struct struggle_prediction p;
    struggle_read(m, &q, &f);
    struggle_predict(m, &f, &p);
    struggle_explain(m, &f, parts);
    for (int i = 0; i < PART_COUNT; i++)
        sum += parts[i];
    assert_true(fabs(sum - p.logit) < 1e-4);
    struggle_model_free(m);
}

/* One item that is always right: the log odds run into their bound. */
static void the_parts_sum_at_the_bounds_too(void **state)
{
    (void)state;
    struct struggle_model *m;
    struct struggle_count c = {0};
    struct struggle_question q = {
        .item = 5, .skills = {2}, .skill_count = 1, .all = &c, .on_item = &c, .on_skill = {&c}};
    struct struggle_features f;
    struct struggle_prediction p;
    double parts[PART_COUNT], sum = 0;

    assert_int_equal(struggle_model_new(14, STRUGGLE_FULL, &m), ERR_OK);
    for (uint32_t i = 0; i < 60000; i++) {
        struggle_read(m, &q, &f);
        struggle_predict(m, &f, &p);
        struggle_learn(m, &f, &p, true);
        struggle_count_add(&c, true, 2, 0, q.index);
        struggle_question_after(&q, true);
    }
    struggle_read(m, &q, &f);
    struggle_predict(m, &f, &p);
    assert_true(p.probability > 0.999 && p.probability <= 0.9995);
    struggle_explain(m, &f, parts);
    for (int i = 0; i < PART_COUNT; i++)
        sum += parts[i];
    assert_true(fabs(sum - p.logit) < 1e-3);
    struggle_model_free(m);
}

/* Right and wrong in turn: only the order of outcomes tells the next one. */
static double loss_of_turns(enum struggle_depth depth)
{
    struct struggle_model *m;
    struct struggle_features f;
    struct struggle_prediction p;
    double loss = 0;

    assert_int_equal(struggle_model_new(14, depth, &m), ERR_OK);
    for (int learner = 0; learner < 100; learner++) {
        struct struggle_count c = {0};
        struct struggle_question q = {
            .item = 1, .skills = {2}, .skill_count = 1, .all = &c, .on_item = &c, .on_skill = {&c}};

        for (uint32_t i = 0; i < 20; i++) {
            bool right = (i + (uint32_t)learner) % 2;

            struggle_read(m, &q, &f);
            struggle_predict(m, &f, &p);
            loss -= log(right ? p.probability : 1 - p.probability);
            struggle_learn(m, &f, &p, right);
            struggle_count_add(&c, right, -1, 0, q.index);
            struggle_question_after(&q, right);
        }
    }
    struggle_model_free(m);
    return loss / 2000;
}

static void the_order_of_outcomes_tells(void **state)
{
    (void)state;
    assert_true(loss_of_turns(STRUGGLE_FULL) < 0.15);
    assert_true(loss_of_turns(STRUGGLE_BEST_LR) > 0.25); /* counts say little of it */
}

static void before_holds_the_latest_first(void **state)
{
    (void)state;
    struct struggle_question q = {0};

    for (uint64_t i = 1; i <= STRUGGLE_BEFORE + 2; i++) {
        q.item = i;
        q.skill_count = i % 2 ? 1 : 0;
        q.skills[0] = i + 100;
        struggle_question_after(&q, i % 2);
    }
    assert_int_equal(q.index, STRUGGLE_BEFORE + 2);
    assert_int_equal(q.before[0].item, STRUGGLE_BEFORE + 2);
    assert_int_equal(q.before[0].skill, 0);
    assert_int_equal(q.before[1].skill, STRUGGLE_BEFORE + 101);
    assert_true(q.before[1].correct && !q.before[0].correct);
    assert_int_equal(q.before[STRUGGLE_BEFORE - 1].item, 3);
}

static void anything_gives_a_finite_probability(void **state)
{
    (void)state;
    struct struggle_model *m;
    struct rng rng;
    struct struggle_count c = {
        .attempts = UINT32_MAX, .wins = UINT32_MAX, .last_s = INT64_MAX, .timed = UINT32_MAX};

    assert_int_equal(struggle_model_new(10, STRUGGLE_FULL, &m),
                     ERR_OK); /* small: many ids collide */
    rng_seed(&rng, 11);
    for (int i = 0; i < 20000; i++) {
        struct struggle_question q = {.item = rng_u64(&rng),
                                      .index = (uint32_t)rng_u64(&rng),
                                      .now_s = (int64_t)(rng_u64(&rng) >> 1)};
        struct struggle_features f;
        struct struggle_prediction p;
        q.skill_count = (int32_t)rng_below(&rng, STRUGGLE_SKILLS_MAX + 1);
        for (int j = 0; j < q.skill_count; j++) {
            q.skills[j] = rng_u64(&rng);
            q.on_skill[j] = rng_below(&rng, 2) ? &c : NULL;
        }
        q.all = rng_below(&rng, 2) ? &c : NULL;
        q.on_item = rng_below(&rng, 2) ? &c : NULL;
        for (int j = 0; j < STRUGGLE_BEFORE; j++)
            q.before[j] = (struct struggle_before){rng_below(&rng, 4) ? rng_u64(&rng) : 0,
                                                   rng_u64(&rng), rng_below(&rng, 2)};
        struggle_read(m, &q, &f);
        struggle_predict(m, &f, &p);
        assert_true(p.probability > 0 && p.probability < 1);
        struggle_learn(m, &f, &p, rng_below(&rng, 2));
    }
    struggle_count_add(&c, true, 1e300, INT64_MIN, UINT32_MAX);
    assert_int_equal(c.attempts, UINT32_MAX);
    struggle_model_free(m);
}

static void refuses_silly_sizes(void **state)
{
    (void)state;
    struct struggle_model *m;

    assert_int_equal(struggle_model_new(9, STRUGGLE_FULL, &m), ERR_RANGE);
    assert_int_equal(struggle_model_new(27, STRUGGLE_FULL, &m), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sparse_model_is_the_same),
        cmocka_unit_test(learns_a_known_world_and_is_calibrated),
        cmocka_unit_test(the_parts_sum_to_the_whole),
        cmocka_unit_test(the_parts_sum_at_the_bounds_too),
        cmocka_unit_test(the_order_of_outcomes_tells),
        cmocka_unit_test(before_holds_the_latest_first),
        cmocka_unit_test(anything_gives_a_finite_probability),
        cmocka_unit_test(refuses_silly_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
