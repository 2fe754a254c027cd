#include "test.h"

#include "cache/ahead.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static struct ahead *a;
static int woken;
static bool may_wake;

static bool wake(void *user)
{
    assert_ptr_equal(user, &woken);
    woken++;
    return may_wake;
}

static int set_up(void **state)
{
    (void)state;
    woken = 0;
    may_wake = true;
    if (ahead_new(&a) != ERR_OK)
        return 1;
    ahead_listen(a, wake, &woken);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ahead_free(a);
    return 0;
}

static void write_of(const char *name, uint64_t hash)
{
    ahead_wrote(a, str_from(name), hash);
}

static bool take(char name[AHEAD_NAME_MAX + 1])
{
    size_t n = 0;
    bool any = ahead_take(a, name, &n);

    name[any ? n : 0] = 0;
    return any;
}

static struct ahead_stats stats(void)
{
    struct ahead_stats s;

    ahead_stats(a, &s);
    return s;
}

static void who_is_not_asked_for_does_not_come_in(void **state)
{
    (void)state;
    char name[AHEAD_NAME_MAX + 1];

    write_of("ann", 7);
    assert_int_equal(woken, 0);
    assert_false(take(name));
    ahead_mark(a, 7);
    write_of("ann", 7);
    write_of("bob", 8);
    assert_int_equal(woken, 1);
    assert_true(take(name));
    assert_string_equal(name, "ann");
    assert_false(take(name));
    ahead_unmark(a, 7);
    write_of("ann", 7);
    assert_int_equal(woken, 1);
}

static void many_writes_are_one_turn(void **state)
{
    (void)state;
    char name[AHEAD_NAME_MAX + 1];

    ahead_mark(a, 7);
    ahead_mark(a, 8);
    for (int i = 0; i < 1000; i++) {
        write_of("ann", 7);
        write_of("bob", 8);
    }
    assert_int_equal(woken, 1);
    assert_int_equal(stats().queued, 2);
    assert_int_equal(stats().came, 2);
    assert_int_equal(stats().joined, 1998);
    assert_true(take(name));
    assert_string_equal(name, "ann");
    write_of("ann", 7); /* while he has his turn: he gets another */
    assert_true(take(name));
    assert_string_equal(name, "bob");
    assert_true(take(name));
    assert_string_equal(name, "ann");
    assert_int_equal(woken, 1); /* whoever takes has not come to the end */
    assert_false(take(name));
    write_of("ann", 7);
    assert_int_equal(woken, 2);
}

static void the_queue_is_bounded(void **state)
{
    (void)state;
    char text[32], name[AHEAD_NAME_MAX + 1];

    for (uint64_t i = 0; i < 1000; i++) {
        ahead_mark(a, i);
        snprintf(text, sizeof text, "learner-%d", (int)i);
        write_of(text, i);
    }
    assert_int_equal(stats().queued, AHEAD_QUEUE);
    assert_int_equal(stats().full, 1000 - AHEAD_QUEUE);
    for (int i = 0; i < AHEAD_QUEUE; i++) {
        snprintf(text, sizeof text, "learner-%d", i);
        assert_true(take(name));
        assert_string_equal(name, text);
    }
    assert_false(take(name));
    for (int round = 0; round < 3 * AHEAD_QUEUE; round++) { /* around the ring */
        write_of("again", 1);
        assert_true(take(name));
        assert_string_equal(name, "again");
    }
}

static void whom_no_worker_takes_is_let_go(void **state)
{
    (void)state;
    char name[AHEAD_NAME_MAX + 1];

    ahead_mark(a, 7);
    may_wake = false;
    write_of("ann", 7);
    assert_int_equal(woken, 1);
    assert_int_equal(stats().queued, 0);
    assert_int_equal(stats().full, 1);
    may_wake = true;
    write_of("ann", 7); /* and the next one is tried again */
    assert_int_equal(woken, 2);
    assert_true(take(name));
    ahead_listen(a, NULL, NULL);
    write_of("ann", 7);
    assert_false(take(name));
}

static void names_have_a_limit(void **state)
{
    (void)state;
    char longest[AHEAD_NAME_MAX + 2], name[AHEAD_NAME_MAX + 1];

    memset(longest, 'x', sizeof longest);
    ahead_mark(a, 7);
    ahead_wrote(a, (struct str){longest, AHEAD_NAME_MAX + 1}, 7);
    ahead_wrote(a, STR(""), 7);
    assert_int_equal(woken, 0);
    ahead_wrote(a, (struct str){longest, AHEAD_NAME_MAX}, 7);
    assert_true(take(name));
    assert_int_equal(strlen(name), AHEAD_NAME_MAX);
}

/* ---- several threads ---- */

enum { WRITERS = 3, WRITES = 20000, LEARNERS = 50 };

static _Atomic int wanted, writing;

static bool want(void *user)
{
    (void)user;
    atomic_fetch_add(&wanted, 1);
    return true;
}

static void *writes(void *p)
{
    char text[8];

    (void)p;
    for (int i = 0; i < WRITES; i++) {
        snprintf(text, sizeof text, "l%d", i % LEARNERS);
        ahead_mark(a, (uint64_t)(i % LEARNERS));
        write_of(text, (uint64_t)(i % LEARNERS));
        if (i % 100 == 0)
            ahead_unmark(a, (uint64_t)(i % LEARNERS));
    }
    atomic_fetch_sub(&writing, 1);
    return NULL;
}

static void takes_while_others_write(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    char name[AHEAD_NAME_MAX + 1];
    int64_t taken = 0;
    int served = 0;

    atomic_store(&wanted, 0);
    atomic_store(&writing, WRITERS);
    ahead_listen(a, want, NULL);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, writes, NULL), 0);
    while (atomic_load(&writing) > 0) /* each wish once, and each to its end */
        for (; served < atomic_load(&wanted); served++)
            while (take(name))
                taken++;
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    for (; served < atomic_load(&wanted); served++)
        while (take(name))
            taken++;
    assert_int_equal(stats().queued, 0);
    assert_int_equal(taken, stats().came);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(who_is_not_asked_for_does_not_come_in),
        TEST(many_writes_are_one_turn),
        TEST(the_queue_is_bounded),
        TEST(whom_no_worker_takes_is_let_go),
        TEST(names_have_a_limit),
        TEST(takes_while_others_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
