#include "test.h"

#include "cache/stems.h"

#include <pthread.h>
#include <stdio.h>

static struct stems stems;

static int tear_down(void **state)
{
    (void)state;
    stems_fini(&stems);
    memset(&stems, 0, sizeof stems);
    return 0;
}

static uint16_t number(const char *key)
{
    return stem_of(&stems, str_from(key));
}

static uint16_t number_at_last(const char *key)
{
    uint16_t n = 0;

    for (int i = 0; i < 8 && n == 0; i++)
        n = number(key);
    return n;
}

static void what_comes_again_gets_a_number(void **state)
{
    (void)state;
    assert_int_equal(number("get_a|a2|{}|learner=ada"), 0);
    uint16_t a = number_at_last("get_a|a2|{}|learner=bob");

    assert_int_not_equal(a, 0);
    assert_str(stem_text(&stems, a), "get_a|a2|{}|learner=");
    assert_int_equal(number("get_a|a2|{}|learner=cy"), a);
    assert_int_equal(number("get_a|a2|{}|learner="), a);
    assert_int_not_equal(number_at_last("get_b|a2|{}|learner=ada"), a);
}

static void what_is_general_or_too_long_gets_none(void **state)
{
    char key[2 * STEM_TEXT_MAX];

    (void)state;
    assert_int_equal(number_at_last("get_courses|a2|{}"), 0);
    snprintf(key, sizeof key, "%0*d|learner=ada", STEM_TEXT_MAX - 9, 1);
    assert_int_not_equal(number_at_last(key), 0);
    snprintf(key, sizeof key, "%0*d|learner=ada", STEM_TEXT_MAX - 8, 1);
    assert_int_equal(number_at_last(key), 0);
}

/* A learner's name may look like the end of a stem: it is the rest, for the first end counts. */
static void the_first_end_counts(void **state)
{
    (void)state;
    uint16_t a = number_at_last("get_a|a2|{}|learner=x|learner=y");

    assert_str(stem_text(&stems, a), "get_a|a2|{}|learner=");
}

static void there_is_a_bound(void **state)
{
    char key[64];
    int numbered = 0;

    (void)state;
    for (int i = 0; i < 4 * STEMS_MAX; i++) {
        snprintf(key, sizeof key, "get_a|a2|{\"limit\":%d}|learner=ada", i);
        uint16_t n = number_at_last(key);

        assert_true(n <= STEMS_MAX);
        numbered += n != 0;
        if (n)
            assert_true(str_eq(stem_text(&stems, n), (struct str){key, strlen(key) - 3}));
    }
    assert_in_range(numbered, STEMS_MAX / 2, STEMS_MAX);
}

static void *all_of_them(void *arg)
{
    char key[64];

    for (int round = 0; round < 50; round++)
        for (int i = 0; i < 64; i++) {
            snprintf(key, sizeof key, "get_%d|a2|{}|learner=%s", i, (const char *)arg);
            uint16_t n = number(key);

            if (n && !str_eq(stem_text(&stems, n),
                             (struct str){key, strlen(key) - strlen((const char *)arg)}))
                return arg;
        }
    return NULL;
}

static void threads_agree(void **state)
{
    pthread_t threads[4];
    static char names[][4] = {"ada", "bob", "cy", "dan"};

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, all_of_them, names[i]), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;

        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    for (int i = 0; i < STEMS_MAX; i++)
        for (int k = 0; k < i; k++)
            assert_false(stems.places[i] && stems.places[k] &&
                         stems.places[i]->hash == stems.places[k]->hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_comes_again_gets_a_number, tear_down),
        cmocka_unit_test_teardown(what_is_general_or_too_long_gets_none, tear_down),
        cmocka_unit_test_teardown(the_first_end_counts, tear_down),
        cmocka_unit_test_teardown(there_is_a_bound, tear_down),
        cmocka_unit_test_teardown(threads_agree, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
