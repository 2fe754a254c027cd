#include "test.h"

#include "base/buf.h"

static void grows_to_its_maximum_and_latches(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 1000);
    for (int i = 0; i < 1000; i++) {
        buf_putc(&b, (char)i);
        assert_false(b.failed);
        assert_true(b.cap <= 1000);
    }
    buf_putc(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.n, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(b.p[i], (char)i);
    buf_clear(&b);
    assert_false(b.failed);
    buf_put(&b, "abc", 3);
    assert_str(buf_view(&b), "abc");
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    buf_putc(&b, 'd'); /* there would be room, but something before it is missing */
    assert_int_equal(b.n, 3);
    buf_fini(&b);
    buf_fini(&b);
    buf_fini(NULL);
    assert_str(buf_view(&b), "");
}

static void reserve_then_write(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 5000);
    char *at = buf_reserve(&b, 4000);

    assert_non_null(at);
    memset(at, 'y', 4000);
    b.n += 4000;
    assert_null(buf_reserve(&b, 1001));
    buf_fini(&b);
    buf_init(&b, 0);
    assert_null(buf_reserve(&b, 1));
    buf_fini(&b);
}

static void formatting(void **state)
{
    (void)state;
    struct buf b;
    char text[3000];

    memset(text, 'q', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    buf_init(&b, 3003);
    buf_printf(&b, "%d,", 12);
    assert_str(buf_view(&b), "12,");
    buf_printf(&b, "%s", text); /* longer than the room that is tried first */
    assert_false(b.failed);
    assert_int_equal(b.n, 3002);
    buf_printf(&b, "%d", 99);
    assert_true(b.failed);
    assert_int_equal(b.n, 3002);
    buf_clear(&b);
    buf_i64(&b, INT64_MIN);
    buf_putc(&b, ' ');
    buf_i64(&b, 0);
    buf_str(&b, STR(" end"));
    assert_str(buf_view(&b), "-9223372036854775808 0 end");
    buf_fini(&b);
}

static void quoting(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 1000);
    buf_quoted(&b, (struct str){NULL, 0});
    buf_quoted(&b, STR("plain, and long enough to be scanned by words"));
    buf_quoted(&b, STR("a\"\\\n\x1f\xc3\xa4\xff"));
    assert_str(buf_view(&b), "\"\"\"plain, and long enough to be scanned by words\""
                             "\"a\\\"\\\\\\n\\u001f\xc3\xa4\xef\xbf\xbd\"");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_to_its_maximum_and_latches),
        cmocka_unit_test(reserve_then_write),
        cmocka_unit_test(formatting),
        cmocka_unit_test(quoting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
