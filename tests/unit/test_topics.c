/* A session's topics: sorted, once each, the first so many whatever came first. */
#include "ingest/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 24);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static struct str added(struct str text, enum topic_kind kind, const char *name)
{
    struct topic t = {kind, str_from(name)};
    struct str ret;

    assert_int_equal(topics_add(&arena, text, &t, 1, &ret), ERR_OK);
    return ret;
}

static void each_is_there_once_in_order(void **state)
{
    struct str text = {NULL, 0};

    (void)state;
    text = added(text, TOPIC_SKILL, "b");
    text = added(text, TOPIC_COURSE, "z");
    text = added(text, TOPIC_SKILL, "a");
    text = added(text, TOPIC_SKILL, "b");
    text = added(text, TOPIC_SKILL, "ab");
    assert_true(str_eq(text, STR("1z\n4a\n4ab\n4b")));
    struct topic t;
    assert_true(topics_next(&text, &t));
    assert_int_equal(t.kind, TOPIC_COURSE);
    assert_true(str_eq(t.name, STR("z")));
    for (int i = 0; i < 3; i++)
        assert_true(topics_next(&text, &t));
    assert_true(str_eq(t.name, STR("b")));
    assert_false(topics_next(&text, &t));
}

static void many_join_as_if_one_by_one(void **state)
{
    const struct topic more[] = {
        {TOPIC_COURSE, STR("a")}, {TOPIC_COURSE, STR("c")}, {TOPIC_MODALITY, STR("video")}};
    struct str text = added(added((struct str){NULL, 0}, TOPIC_COURSE, "b"), TOPIC_COURSE, "c");

    (void)state;
    assert_int_equal(topics_add(&arena, text, more, 3, &text), ERR_OK);
    assert_true(str_eq(text, STR("1a\n1b\n1c\n5video")));
    assert_int_equal(topics_add(&arena, text, NULL, 0, &text), ERR_OK);
    assert_true(str_eq(text, STR("1a\n1b\n1c\n5video")));
}

/* Forwards and backwards, the same ones stay. */
static void the_first_so_many_stay(void **state)
{
    struct str up = {NULL, 0}, down = {NULL, 0};
    char name[16];
    int n = 0;

    (void)state;
    for (int i = 0; i < SESSION_TOPICS_MAX + 50; i++) {
        snprintf(name, sizeof name, "s%04d", i);
        up = added(up, TOPIC_SKILL, name);
        snprintf(name, sizeof name, "s%04d", SESSION_TOPICS_MAX + 49 - i);
        down = added(down, TOPIC_SKILL, name);
    }
    assert_true(str_eq(up, down));
    for (struct topic t; topics_next(&up, &t); n++) {
        snprintf(name, sizeof name, "s%04d", n);
        assert_true(str_eq(t.name, str_from(name)));
    }
    assert_int_equal(n, SESSION_TOPICS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_is_there_once_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(many_join_as_if_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_so_many_stay, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
