#include "test.h"

#include "base/arena.h"

static void memory_is_zeroed_aligned_and_counted(void **state)
{
    (void)state;
    struct arena a;

    arena_init(&a, 1 << 20);
    for (size_t align = 1; align <= 128; align *= 2)
        for (size_t size = 0; size < 300; size += 7) {
            unsigned char *p = arena_alloc(&a, size, align);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xee, size);
        }
    size_t used = a.used;

    arena_clear(&a);
    assert_true(used > 0);
    assert_int_equal(a.used, 0);
    unsigned char *p = arena_alloc(&a, 4000, 1); /* of the block that was kept */

    for (int i = 0; i < 4000; i++)
        assert_int_equal(p[i], 0);
    arena_fini(&a);
    arena_fini(&a);
    arena_fini(NULL);
}

/* Neighbours do not overlap, whatever the order of small and large. */
static void neighbours_keep_apart(void **state)
{
    (void)state;
    enum { N = 3000 };
    static unsigned char *at[N];
    static size_t size[N];
    struct arena a;

    arena_init(&a, SIZE_MAX);
    for (int i = 0; i < N; i++) {
        size[i] = (size_t)(i * 7919 % (i % 50 ? 200 : 90000));
        at[i] = arena_alloc(&a, size[i], 1u << i % 5);
        assert_non_null(at[i]);
        memset(at[i], i & 0xff, size[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(at[i][k], i & 0xff);
    arena_fini(&a);
}

static void the_cap_holds(void **state)
{
    (void)state;
    struct arena a;

    arena_init(&a, 1000);
    assert_non_null(arena_alloc(&a, 600, 8));
    assert_null(arena_alloc(&a, 401, 1));
    assert_non_null(arena_alloc(&a, 400, 1));
    assert_null(arena_alloc(&a, 1, 1));
    assert_int_equal(a.used, 1000);
    assert_str(arena_str(&a, STR("x")), NULL);
    arena_clear(&a);
    assert_str(arena_str(&a, STR("x")), "x");
    assert_null(arena_new(&a, uint64_t, SIZE_MAX / 4)); /* the product overflows */
    assert_null(arena_alloc(&a, SIZE_MAX, 1));
    arena_fini(&a);
    arena_init(&a, SIZE_MAX);
    assert_null(arena_alloc(&a, SIZE_MAX - 8, 64)); /* the block's header would overflow */
    arena_fini(&a);
}

static void copies_end_in_nul(void **state)
{
    (void)state;
    struct arena a;
    char long_text[2000];

    arena_init(&a, 1 << 20);
    struct str s = arena_str(&a, (struct str){"abcdef", 3});

    assert_string_equal(s.p, "abc");
    s = arena_printf(&a, "%s-%d", "x", 7);
    assert_str(s, "x-7");
    assert_int_equal(s.p[s.n], 0);
    memset(long_text, 'z', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    s = arena_printf(&a, "%s!", long_text);
    assert_int_equal(s.n, sizeof long_text);
    assert_int_equal(s.p[s.n - 1], '!');
    assert_int_equal(s.p[s.n], 0);
    arena_fini(&a);
}

static char order[8];
static int ended;

static void note(void *data)
{
    order[ended++] = *(const char *)data;
}

static void cleanups_run_newest_first(void **state)
{
    (void)state;
    struct arena a;
    static char names[] = "abc";

    ended = 0;
    arena_init(&a, 1000);
    for (int i = 0; i < 3; i++)
        assert_int_equal(arena_on_end(&a, note, &names[i]), ERR_OK);
    arena_clear(&a);
    assert_memory_equal(order, "cba", 3);
    assert_int_equal(ended, 3);
    arena_clear(&a);
    assert_int_equal(ended, 3); /* once */
    assert_int_equal(arena_on_end(&a, note, &names[0]), ERR_OK);
    arena_fini(&a);
    assert_int_equal(ended, 4);
    arena_init(&a, 1);
    assert_int_equal(arena_on_end(&a, note, &names[0]), ERR_NOMEM);
    arena_fini(&a);
    assert_int_equal(ended, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_counted),
        cmocka_unit_test(neighbours_keep_apart),
        cmocka_unit_test(the_cap_holds),
        cmocka_unit_test(copies_end_in_nul),
        cmocka_unit_test(cleanups_run_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
