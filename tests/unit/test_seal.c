/* Secrets at rest: what opens, for whom, and with which key. */
#include "calendar/seal.h"

#include "base/assert.h"
#include "test.h"

#define KEY_A "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "b:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="

static char detail[200];

static void keys_of(struct seal *s, const char *setting)
{
    if (seal_init(s, str_from(setting), detail) != ERR_OK)
        fail_msg("%s", detail);
}

static const struct seal_owner ann = {.learner = {"ann", 3}, .purpose = "GOOGLE"};

static void opens_for_its_owner_only(void **state)
{
    const struct seal_owner others[] = {
        {.learner = {"bob", 3}, .purpose = "GOOGLE"},
        {.learner = {"ann", 3}, .purpose = "CALDAV"},
        {.learner = {"anna", 4}, .purpose = "GOOGLE"},
    };
    struct str text = STR("a token"), sealed, again, opened;
    struct arena arena;
    struct seal s;

    (void)state;
    arena_init(&arena, 1 << 20);
    keys_of(&s, KEY_A);
    assert_int_equal(seal_close(&s, &ann, text, &arena, &sealed), ERR_OK);
    assert_null(memmem(sealed.p, sealed.n, text.p, text.n));
    assert_int_equal(seal_open(&s, &ann, sealed, &arena, &opened), ERR_OK);
    assert_true(str_eq(opened, text));
    assert_int_equal(seal_close(&s, &ann, text, &arena, &again), ERR_OK);
    assert_false(str_eq(sealed, again)); /* another nonce each time */
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(seal_open(&s, &others[i], sealed, &arena, &opened), ERR_UNAUTHORIZED);
    seal_fini(&s);
    arena_fini(&arena);
}

static void every_changed_bit_shows(void **state)
{
    struct str sealed, opened;
    struct arena arena;
    struct seal s;

    (void)state;
    arena_init(&arena, 1 << 20);
    keys_of(&s, KEY_A);
    assert_int_equal(seal_close(&s, &ann, STR("secret"), &arena, &sealed), ERR_OK);
    char *p = (char *)(uintptr_t)sealed.p;
    for (size_t i = 0; i < sealed.n * 8; i++) {
        p[i / 8] ^= (char)(1 << (i % 8));
        assert_int_not_equal(seal_open(&s, &ann, sealed, &arena, &opened), ERR_OK);
        p[i / 8] ^= (char)(1 << (i % 8));
    }
    for (size_t n = 0; n < sealed.n; n++)
        assert_int_not_equal(seal_open(&s, &ann, (struct str){p, n}, &arena, &opened), ERR_OK);
    assert_int_equal(seal_open(&s, &ann, sealed, &arena, &opened), ERR_OK);
    seal_fini(&s);
    arena_fini(&arena);
}

static void keys_are_changed_by_putting_one_in_front(void **state)
{
    struct str sealed, opened;
    struct arena arena;
    struct seal old, both, new;
    unsigned char mac[SEAL_MAC_BYTES];

    (void)state;
    arena_init(&arena, 1 << 20);
    keys_of(&old, KEY_A);
    keys_of(&both, KEY_B ", " KEY_A);
    keys_of(&new, KEY_B);
    assert_int_equal(seal_close(&old, &ann, STR("x"), &arena, &sealed), ERR_OK);
    assert_int_equal(seal_open(&both, &ann, sealed, &arena, &opened), ERR_OK);
    assert_int_equal(seal_open(&new, &ann, sealed, &arena, &opened), ERR_NOT_CONFIGURED);
    assert_int_equal(seal_close(&both, &ann, STR("y"), &arena, &sealed), ERR_OK);
    assert_int_equal(seal_open(&new, &ann, sealed, &arena, &opened), ERR_OK);
    assert_int_equal(seal_open(&old, &ann, sealed, &arena, &opened), ERR_NOT_CONFIGURED);
    assert_int_equal(seal_sign(&old, STR("text"), mac), ERR_OK);
    assert_true(seal_signed(&both, STR("text"), mac));
    assert_false(seal_signed(&new, STR("text"), mac));
    assert_false(seal_signed(&both, STR("texT"), mac));
    arena_fini(&arena);
}

static void without_a_key_nothing_is_sealed(void **state)
{
    unsigned char mac[SEAL_MAC_BYTES];
    struct arena arena;
    struct str sealed;
    struct seal s;

    (void)state;
    arena_init(&arena, 1 << 20);
    keys_of(&s, "");
    assert_int_equal(seal_close(&s, &ann, STR("x"), &arena, &sealed), ERR_NOT_CONFIGURED);
    assert_int_equal(seal_sign(&s, STR("x"), mac), ERR_NOT_CONFIGURED);
    assert_false(seal_signed(&s, STR("x"), mac));
    arena_fini(&arena);
}

static void bad_settings_are_refused_without_being_told(void **state)
{
    static const char *const bad[] = {
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",     /* no id */
        ":AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",    /* an empty one */
        "a b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", /* a blank in it */
        "12345678901234567:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", /* 31 bytes */
        "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", /* 33 bytes */
        "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh!=", /* no base64 */
        KEY_A "," KEY_A,
    };
    struct seal s;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        detail[0] = '\0';
        assert_int_equal(seal_init(&s, str_from(bad[i]), detail), ERR_RANGE);
        assert_non_null(strstr(detail, "calendar_key"));
        assert_null(strstr(detail, "AAECAwQ"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_for_its_owner_only),
        cmocka_unit_test(every_changed_bit_shows),
        cmocka_unit_test(keys_are_changed_by_putting_one_in_front),
        cmocka_unit_test(without_a_key_nothing_is_sealed),
        cmocka_unit_test(bad_settings_are_refused_without_being_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
