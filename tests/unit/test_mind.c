/* Minds: what they hold against counts kept without bounds, their bytes, and bytes that are none.
 */
#include "base/assert.h"
#include "base/rng.h"
#include "twin/mind.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t bytes[MIND_BYTES_MAX], again[MIND_BYTES_MAX];

/* n answers to `items` items and `skills` skills; plain (may be NULL) counts the items as well. */
static void answer_some(struct mind *m, struct rng *r, int n, uint64_t items, uint64_t skills,
                        struct struggle_count *plain)
{
    for (int i = 0; i < n; i++) {
        uint64_t item = 1 + rng_below(r, items), of[3];
        int32_t k = (int32_t)rng_below(r, 4);
        bool shown = rng_below(r, 20) == 0, right = rng_below(r, 3) > 0 && !shown;
        int64_t now = 1700000000 + (int64_t)mind_answers(m) * 30;
        double latency = rng_below(r, 2) ? rng_unit(r) * 20 : -1;
        struct struggle_question q;

        for (int32_t j = 0; j < k; j++)
            of[j] = 1 + (rng_below(r, skills) / 3 * 3 + (uint64_t)j); /* differ */
        mind_question(m, item, of, k, now, &q);
        assert_int_equal(q.index, mind_answers(m));
        if (plain) {
            assert_memory_equal(q.on_item, &plain[item], sizeof *plain);
            struggle_count_add(&plain[item], right || shown, shown ? -1 : latency, now, q.index);
        }
        mind_answer(m, &q, right, shown, latency);
    }
}

static struct mind *fresh(void)
{
    struct mind *m;

    assert_int_equal(mind_new(&m), ERR_OK);
    return m;
}

static void counts_are_those_of_the_answers(void **state)
{
    (void)state;
    struct struggle_count *plain = calloc(MIND_ITEMS_MAX + 1, sizeof *plain);
    struct mind *m = fresh();
    struct rng r;

    assert_non_null(plain);
    rng_seed(&r, 1);
    answer_some(m, &r, 20000, MIND_ITEMS_MAX, 90, plain);
    mind_free(m);
    free(plain);
}

/* What is met again and again stays, however much else comes by; the newest is known, too. */
static void full_tables_forget_the_least_recent(void **state)
{
    (void)state;
    const uint64_t kept = 7, skill = 3;
    struct mind *m = fresh();
    struct struggle_question q;

    for (uint64_t i = 0; i < 5 * MIND_ITEMS_MAX; i++) {
        uint64_t skills[] = {skill, 1000 + i};
        mind_question(m, i % 10 ? 100 + i : kept, skills, 2, (int64_t)i, &q);
        mind_answer(m, &q, true, false, 1);
    }
    mind_question(m, kept, &skill, 1, 0, &q);
    assert_int_equal(q.on_item->attempts, 5 * MIND_ITEMS_MAX / 10);
    assert_int_equal(q.on_skill[0]->attempts, 5 * MIND_ITEMS_MAX);
    mind_question(m, 100 + 5 * MIND_ITEMS_MAX - 1, NULL, 0, 0, &q);
    assert_int_equal(q.on_item->attempts, 1);
    mind_question(m, 101, NULL, 0, 0, &q); /* of the first */
    assert_int_equal(q.on_item->attempts, 0);
    assert_true(mind_encode(m, bytes) == MIND_BYTES_MAX);
    mind_free(m);
}

/* Stored and read again in the middle, a mind goes on as if nothing had been. */
static void bytes_hold_the_whole_mind(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct mind *a = fresh(), *b = fresh();
        struct rng r, same;
        uint64_t items = seed % 2 ? 50 : 5000;

        rng_seed(&r, seed);
        answer_some(a, &r, (int)rng_below(&r, 4000), items, 2000, NULL);
        size_t n = mind_encode(a, bytes);
        assert_true(n <= MIND_BYTES_MAX);
        assert_int_equal(mind_decode(b, bytes, n), ERR_OK);
        assert_true(mind_encode(b, again) == n);
        assert_memory_equal(bytes, again, n);
        same = r;
        answer_some(a, &r, 3000, items, 2000, NULL);
        answer_some(b, &same, 3000, items, 2000, NULL);
        n = mind_encode(a, bytes);
        assert_true(mind_encode(b, again) == n);
        assert_memory_equal(bytes, again, n);
        mind_free(a);
        mind_free(b);
    }
}

/* Each skill is found in the bytes as the whole mind has it; so is that one was never met. */
static void skills_are_found_in_the_bytes(void **state)
{
    (void)state;
    struct mind_skills skills, of_alone;
    struct mind *m = fresh();
    struct rng r;

    rng_seed(&r, 9);
    answer_some(m, &r, 3000, 500, 900, NULL);
    size_t n = mind_encode(m, bytes);
    size_t alone = mind_skills_encode(m, again);
    assert_true(alone <= MIND_SKILLS_BYTES_MAX && alone < n);
    assert_int_equal(mind_skills_find(bytes, n, &skills), ERR_OK);
    assert_true(skills.count > 0 && skills.count <= MIND_SKILLS_MAX);
    assert_int_equal(mind_skills_find(again, alone, &of_alone), ERR_OK);
    assert_int_equal(of_alone.count, skills.count);
    for (uint64_t id = 1; id <= 1000; id++) {
        struct struggle_question q;
        struct struggle_count found;

        mind_question(m, id, &id, 1, 0, &q);
        mind_skill(&skills, id, &found);
        assert_memory_equal(&found, q.on_skill[0], sizeof found);
        mind_skill(&of_alone, id, &found);
        assert_memory_equal(&found, q.on_skill[0], sizeof found);
    }
    for (size_t cut = 0; cut < n; cut += cut < 300 ? 1 : 97)
        assert_int_equal(mind_skills_find(bytes, cut, &skills), ERR_RANGE);
    mind_free(m);
}

static void an_empty_mind_has_bytes_too(void **state)
{
    (void)state;
    struct mind *m = fresh();
    size_t n = mind_encode(m, bytes);

    assert_int_equal(mind_decode(m, bytes, n), ERR_OK);
    assert_int_equal(mind_answers(m), 0);
    mind_free(m);
    mind_free(NULL);
}

/* Cut, lengthened, of another version, or with any bit turned: refused, or a mind that is sound. */
static void bytes_that_are_no_mind(void **state)
{
    (void)state;
    struct mind *m = fresh();
    struct rng r;

    rng_seed(&r, 5);
    answer_some(m, &r, 300, 60, 30, NULL);
    size_t n = mind_encode(m, bytes);
    for (size_t cut = 0; cut < n; cut += cut < 300 ? 1 : 97)
        assert_int_equal(mind_decode(m, bytes, cut), ERR_RANGE);
    assert_int_equal(mind_decode(m, bytes, n + 1), ERR_RANGE);
    assert_int_equal(mind_answers(m), 0);
    for (int round = 0; round < 4000; round++) {
        size_t at = rng_below(&r, n);
        uint8_t was = bytes[at];

        bytes[at] ^= (uint8_t)(1 + rng_below(&r, 255));
        if (mind_decode(m, bytes, n) == ERR_OK) {
            struct struggle_question q;
            uint64_t skill = 4;

            assert_true(mind_encode(m, again) == n);
            mind_question(m, 3, &skill, 1, 1800000000, &q);
            mind_answer(m, &q, true, false, 2);
        }
        bytes[at] = was;
    }
    bytes[0] = MIND_VERSION + 1;
    assert_int_equal(mind_decode(m, bytes, n), ERR_RANGE);
    mind_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_the_answers),
        cmocka_unit_test(full_tables_forget_the_least_recent),
        cmocka_unit_test(bytes_hold_the_whole_mind),
        cmocka_unit_test(skills_are_found_in_the_bytes),
        cmocka_unit_test(an_empty_mind_has_bytes_too),
        cmocka_unit_test(bytes_that_are_no_mind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
