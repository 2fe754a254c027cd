#include "test.h"

#include "base/hash.h"

static void a_map_of_many(void **state)
{
    (void)state;
    enum { N = 5000 };
    static int values[N];
    struct arena arena;
    struct strmap m;

    arena_init(&arena, 4 << 20);
    strmap_init(&m, &arena);
    assert_null(strmap_get(&m, STR("nothing")));
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < N; i++) {
            struct str key = arena_printf(&arena, "key %d", i);
            void **slot = strmap_slot(&m, key);

            assert_non_null(slot);
            assert_ptr_equal(*slot, round ? &values[i] : NULL);
            *slot = &values[i];
        }
    assert_int_equal(m.count, N);
    for (int i = 0; i < N; i++) {
        struct str key = arena_printf(&arena, "key %d", i);

        assert_ptr_equal(strmap_get(&m, key), &values[i]);
        key.n--;
        if (i >= 10 && i % 10 == 0) /* "key 1230" without its last digit is another key */
            assert_ptr_equal(strmap_get(&m, key), &values[i / 10]);
    }
    assert_null(strmap_get(&m, STR("key 5000")));
    assert_null(strmap_get(&m, STR("")));
    *strmap_slot(&m, STR("")) = &values[7];
    assert_ptr_equal(strmap_get(&m, STR("")), &values[7]);
    arena_fini(&arena);
}

static void fails_cleanly_until_memory_is_enough(void **state)
{
    (void)state;
    bool whole = false;

    for (size_t cap = 0; !whole; cap += 64) {
        struct arena arena;
        struct strmap m;
        int n = 0;

        arena_init(&arena, cap);
        strmap_init(&m, &arena);
        char keys[40][4];

        for (; n < 40; n++) {
            snprintf(keys[n], sizeof keys[n], "%d", n);
            void **slot = strmap_slot(&m, str_from(keys[n]));

            if (!slot)
                break;
            *slot = keys[n];
        }
        for (int i = 0; i < 40; i++) {
            char key[4];

            snprintf(key, sizeof key, "%d", i);
            assert_ptr_equal(strmap_get(&m, str_from(key)), i < n ? keys[i] : NULL);
        }
        whole = n == 40;
        arena_fini(&arena);
    }
}

static void hashes(void **state)
{
    (void)state;
    /* XXH3's published value of the empty text: stable from run to run */
    assert_true(hash_stable("", 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash_bytes("abc", 3) == hash_bytes("abc", 3));
    assert_true(hash_bytes("abc", 3) != hash_bytes("abd", 3));
    assert_true(hash_bytes("abc", 3) != hash_stable("abc", 3)); /* keyed */
    assert_true(hash_str((struct str){NULL, 0}) == hash_str(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_of_many),
        cmocka_unit_test(fails_cleanly_until_memory_is_enough),
        cmocka_unit_test(hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
