#include "test.h"

#include "cache/generation.h"

#include <pthread.h>
#include <stdatomic.h>

static struct generations *g;

static int set_up(void **state)
{
    (void)state;
    return generations_new(&g) != ERR_OK;
}

static int tear_down(void **state)
{
    (void)state;
    generations_free(g);
    return 0;
}

static struct tag learner(const char *id)
{
    return tag_of(TAG_LEARNER, str_from(id));
}

static void tags_are_told_apart_by_kind_and_name(void **state)
{
    (void)state;
    struct tag a = learner("a");

    assert_int_equal(a.hash, learner("a").hash);
    assert_int_not_equal(a.hash, learner("b").hash);
    assert_int_not_equal(a.hash, tag_of(TAG_COURSE, STR("a")).hash);
    assert_int_equal(tag_of(TAG_ALL, STR("x")).hash, TAG_EVERYTHING.hash);
}

/* Other nodes, of other versions too, must find the same number for the same learner. */
static void the_hash_of_a_name_is_fixed(void **state)
{
    (void)state;
    assert_int_equal(learner("learner-1").hash, UINT64_C(0x83ff8f728693b4a1));
}

static void a_raise_ends_what_was_stamped_before_and_nothing_else(void **state)
{
    (void)state;
    struct tag both[] = {learner("a"), tag_of(TAG_ENDPOINT, STR("load"))};
    struct tag other = learner("b");
    struct stamp before, other_stamp, after;

    stamp_take(g, both, 2, &before);
    stamp_take(g, &other, 1, &other_stamp);
    assert_true(stamp_valid(g, &before));
    generation_raise(g, both[1]);
    assert_false(stamp_valid(g, &before));
    assert_true(stamp_valid(g, &other_stamp));
    stamp_take(g, both, 2, &after);
    assert_true(stamp_valid(g, &after));
    generation_raise(g, both[0]);
    assert_false(stamp_valid(g, &after));
    assert_true(stamp_valid(g, &other_stamp));
}

/* What an answer was not read from does not end it. */
static void a_group_ends_what_depends_on_it(void **state)
{
    (void)state;
    struct tag tags[] = {learner("a"), tag_of(TAG_ENDPOINT, STR("load"))};
    struct tag settled = tag_of(TAG_SETTLED, STR("a"));
    enum { ONE = 1 << 3, OTHER = 1 << 7, NO_EVENT = 1 << 12 };
    struct stamp s;

    for (uint32_t depends = 0; depends < 1 << 4; depends++) {
        uint32_t groups = (depends & 1 ? ONE : 0) | (depends & 2 ? OTHER : 0) |
                          (depends & 4 ? NO_EVENT : 0) | (depends & 8 ? 1 : 0);
        static const uint32_t raises[] = {ONE, OTHER, NO_EVENT, 1, ONE | NO_EVENT};

        for (size_t i = 0; i < COUNT(raises); i++) {
            stamp_take(g, tags, 2, &s);
            struct stamp_sum sum = stamp_add_up(&s, ~groups);
            assert_true(stamp_sum_valid(g, &sum));
            generation_raise_groups(g, tags[0], raises[i]);
            assert_int_equal(stamp_sum_valid(g, &sum), !(groups & raises[i]));
            assert_false(stamp_valid(g, &s)); /* whole, it depends on all */
        }
        for (int kind = 0; kind < 3; kind++) {
            stamp_take(g, tags, 2, &s);
            struct stamp_sum sum = stamp_add_up(&s, ~groups);
            generation_raise(g, kind == 0 ? tags[0] : kind == 1 ? settled : tags[1]);
            bool ends = kind == 0   ? groups & tag_event_groups
                        : kind == 1 ? groups & ~tag_event_groups
                                    : true;
            assert_int_equal(stamp_sum_valid(g, &sum), !ends);
        }
    }
}

static void everything_ends_all_stamps_even_those_without_tags(void **state)
{
    (void)state;
    struct tag a = learner("a");
    struct stamp none, one;

    stamp_take(g, NULL, 0, &none);
    stamp_take(g, &a, 1, &one);
    generation_raise(g, a);
    assert_true(stamp_valid(g, &none));
    stamp_take(g, &a, 1, &one);
    generation_raise(g, TAG_EVERYTHING);
    assert_false(stamp_valid(g, &none));
    assert_false(stamp_valid(g, &one));
}

static void naming_everything_as_a_tag_is_the_same(void **state)
{
    (void)state;
    struct tag all = TAG_EVERYTHING;
    struct stamp s;

    stamp_take(g, &all, 1, &s);
    assert_true(stamp_valid(g, &s));
    generation_raise(g, all);
    assert_false(stamp_valid(g, &s));
}

/* The promise that the cache stands on: a value is written, the tag raised, and whoever holds a
 * valid stamp from before his reading has read a value at least that new. */
enum { WRITES = 20000 };
static _Atomic int64_t value;
static _Atomic bool written;

static void *writes(void *unused)
{
    struct tag a = learner("a");

    for (int64_t i = 1; i <= WRITES; i++) {
        atomic_store_explicit(&value, i, memory_order_relaxed);
        generation_raise(g, a);
    }
    atomic_store(&written, true);
    return unused;
}

static void what_a_valid_stamp_covers_is_not_older_than_the_raise(void **state)
{
    (void)state;
    struct tag a = learner("a");
    pthread_t thread;
    bool last = false;

    assert_int_equal(pthread_create(&thread, NULL, writes, NULL), 0);
    while (!last) {
        struct stamp s;

        last = atomic_load(&written);
        stamp_take(g, &a, 1, &s);
        int64_t read = atomic_load_explicit(&value, memory_order_relaxed);

        assert_true(read >= (int64_t)s.numbers[0][1]); /* as many raises as writes */
        if (last)
            assert_true(read == WRITES && stamp_valid(g, &s));
    }
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tags_are_told_apart_by_kind_and_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_hash_of_a_name_is_fixed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_raise_ends_what_was_stamped_before_and_nothing_else,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_group_ends_what_depends_on_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(everything_ends_all_stamps_even_those_without_tags, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(naming_everything_as_a_tag_is_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_valid_stamp_covers_is_not_older_than_the_raise,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
