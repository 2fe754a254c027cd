#include "test.h"

#include "base/rng.h"
#include "cache/filter.h"
#include "cache/generation.h"

#include <pthread.h>
#include <stdatomic.h>

static struct filter *f;

static int set_up(void **state)
{
    (void)state;
    return filter_new(&f) != ERR_OK;
}

static int tear_down(void **state)
{
    (void)state;
    filter_free(f);
    return 0;
}

static uint64_t hash_of(int64_t id)
{
    char text[32];
    int n = snprintf(text, sizeof text, "learner-%ld", (long)id);

    return tag_of(TAG_LEARNER, (struct str){text, (size_t)n}).hash;
}

static void rebuild(int64_t expected, int64_t from, int64_t to)
{
    assert_int_equal(filter_rebuild_begin(f, expected), ERR_OK);
    for (int64_t i = from; i < to; i++)
        filter_rebuild_add(f, hash_of(i));
    filter_rebuild_end(f, true);
}

static void before_it_is_complete_everything_may_be_there(void **state)
{
    (void)state;
    struct filter_stats s;

    assert_true(filter_may_have(f, hash_of(1)));
    filter_add(f, hash_of(2));
    assert_true(filter_may_have(f, hash_of(1)));
    assert_false(filter_is_full(f));
    assert_int_equal(filter_rebuild_begin(f, 10), ERR_OK);
    assert_true(filter_may_have(f, hash_of(1)));
    filter_rebuild_end(f, false);
    assert_true(filter_may_have(f, hash_of(1)));
    filter_stats(f, &s);
    assert_false(s.complete);
    rebuild(0, 0, 0);
    assert_false(filter_may_have(f, hash_of(1)));
    filter_stats(f, &s);
    assert_true(s.complete && s.added == 0);
}

static void never_denies_what_is_there_and_seldom_affirms_the_rest(void **state)
{
    (void)state;
    static const int64_t counts[] = {1, 1000, 50000, 200000};

    for (size_t k = 0; k < COUNT(counts); k++) {
        int64_t n = counts[k], wrong = 0;

        rebuild(n, 0, n);
        for (int64_t i = 0; i < n; i++)
            assert_true(filter_may_have(f, hash_of(i)));
        for (int64_t i = n; i < n + 100000; i++)
            wrong += filter_may_have(f, hash_of(i));
        assert_true(wrong < 1000); /* 1 in 100 */
        assert_false(filter_is_full(f));
    }
}

static void more_than_expected_is_told_and_right(void **state)
{
    (void)state;
    rebuild(2000, 0, 2000);
    for (int64_t i = 2000; i < 4000; i++) {
        filter_add(f, hash_of(i));
        assert_true(filter_may_have(f, hash_of(i)));
    }
    assert_true(filter_is_full(f));
    for (int64_t i = 0; i < 4000; i++)
        assert_true(filter_may_have(f, hash_of(i)));
    rebuild(4000, 0, 4000);
    assert_false(filter_is_full(f));
}

static void what_is_added_during_a_rebuild_is_in_both(void **state)
{
    (void)state;
    rebuild(1000, 0, 500);
    assert_int_equal(filter_rebuild_begin(f, 1000), ERR_OK);
    filter_add(f, hash_of(700));
    assert_true(filter_may_have(f, hash_of(700)));
    filter_rebuild_end(f, true);
    assert_true(filter_may_have(f, hash_of(700)));
    assert_false(filter_may_have(f, hash_of(1))); /* gone meanwhile */
    assert_int_equal(filter_rebuild_begin(f, 1000), ERR_OK);
    filter_rebuild_end(f, false);
    assert_true(filter_may_have(f, hash_of(700)));
    assert_false(filter_may_have(f, hash_of(1)));
}

static void after_a_gap_only_a_rebuild_begun_later_counts(void **state)
{
    (void)state;
    rebuild(1000, 0, 10);
    assert_false(filter_may_have(f, hash_of(99)));
    filter_forget(f);
    assert_true(filter_may_have(f, hash_of(99)));
    assert_int_equal(filter_rebuild_begin(f, 1000), ERR_OK);
    filter_forget(f);
    filter_rebuild_end(f, true);
    assert_true(filter_may_have(f, hash_of(99)));
    rebuild(1000, 0, 10);
    assert_false(filter_may_have(f, hash_of(99)));
    assert_true(filter_may_have(f, hash_of(9)));
}

/* Learners come while the filter is rebuilt over and over from those that have come. */
enum { COME = 20000, REBUILDS_MIN = 20 };
static _Atomic int64_t committed, acknowledged;

/* What there is, is read after the beginning. */
static void rebuild_from_committed(void)
{
    assert_int_equal(filter_rebuild_begin(f, 1000), ERR_OK);
    for (int64_t i = 0, n = atomic_load(&committed); i < n; i++)
        filter_rebuild_add(f, hash_of(i));
    filter_rebuild_end(f, true);
}

static void *comes(void *p)
{
    for (int64_t i = 0; i < COME; i++) {
        atomic_store(&committed, i + 1);
        filter_add(f, hash_of(i));
        atomic_store(&acknowledged, i + 1);
    }
    return p;
}

static void *asks(void *p)
{
    struct rng r;
    int64_t n;

    rng_seed(&r, 1);
    do {
        n = atomic_load(&acknowledged);
        if (n == 0)
            continue;
        ASSERT(filter_may_have(f, hash_of((int64_t)rng_below(&r, (uint64_t)n))));
        ASSERT(filter_may_have(f, hash_of(n - 1)));
    } while (n < COME);
    return p;
}

static void no_learner_is_lost_between_two_tables(void **state)
{
    (void)state;
    pthread_t coming, asking;

    assert_int_equal(pthread_create(&coming, NULL, comes, NULL), 0);
    assert_int_equal(pthread_create(&asking, NULL, asks, NULL), 0);
    for (int round = 0; round < REBUILDS_MIN || atomic_load(&acknowledged) < COME; round++)
        rebuild_from_committed();
    pthread_join(coming, NULL);
    pthread_join(asking, NULL);
    for (int64_t i = 0; i < COME; i++)
        assert_true(filter_may_have(f, hash_of(i)));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(before_it_is_complete_everything_may_be_there),
        TEST(never_denies_what_is_there_and_seldom_affirms_the_rest),
        TEST(more_than_expected_is_told_and_right),
        TEST(what_is_added_during_a_rebuild_is_in_both),
        TEST(after_a_gap_only_a_rebuild_begun_later_counts),
        TEST(no_learner_is_lost_between_two_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
