#include "test.h"

#include "base/buf.h"
#include "base/civil.h"
#include "base/rng.h"
#include "json/reader.h"
#include "json/writer.h"

static struct buf out;
static struct json_writer w;

static void begin(void)
{
    buf_init(&out, 1 << 20);
    json_writer_init(&w, &out);
}

static void check(const char *expected)
{
    assert_false(out.failed);
    assert_str(buf_view(&out), expected);
    buf_fini(&out);
}

static void nesting_and_commas(void **state)
{
    (void)state;
    begin();
    json_object(&w);
    json_kv_i64(&w, "a", 1);
    json_name(&w, STR("b"));
    json_array(&w);
    json_array(&w);
    json_array_end(&w);
    json_object(&w);
    json_object_end(&w);
    json_bool(&w, false);
    json_null(&w);
    json_raw(&w, STR("[0]"));
    json_array_end(&w);
    json_kv_cstr(&w, "c", "x");
    json_kv_null(&w, "d");
    json_object_end(&w);
    check("{\"a\":1,\"b\":[[],{},false,null,[0]],\"c\":\"x\",\"d\":null}");
    begin();
    for (int i = 0; i < 63; i++)
        json_array(&w);
    for (int i = 0; i < 63; i++)
        json_array_end(&w);
    assert_int_equal(out.n, 126);
    buf_fini(&out);
}

static void texts(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *json;
    } cases[] = {
        {{NULL, 0}, "null"},
        {{"", 0}, "\"\""},
        {{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""},
        {{"\b\t\n\f\r\x01\x1f\x7f", 8}, "\"\\b\\t\\n\\f\\r\\u0001\\u001f\x7f\""},
        {{"\0", 1}, "\"\\u0000\""},
        {{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9}, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {{"a\xff\xc3", 3}, "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"long enough for the scan of eight\n", 34}, "\"long enough for the scan of eight\\n\""},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        begin();
        json_str(&w, cases[i].text);
        check(cases[i].json);
    }
    begin();
    json_object(&w);
    json_name(&w, STR("n\n"));
    json_str(&w, STR("v"));
    json_object_end(&w);
    check("{\"n\\n\":\"v\"}");
}

static void numbers_and_times(void **state)
{
    (void)state;
    begin();
    json_array(&w);
    json_i64(&w, INT64_MIN);
    json_f64(&w, 0.1);
    json_f64(&w, NAN);
    json_f64(&w, -(double)INFINITY);
    json_f64(&w, 3);
    json_fixed(&w, 2.345, 2);
    json_fixed(&w, -0.001, 2);
    json_fixed(&w, NAN, 2);
    json_time(&w, 0);
    json_time(&w, TIME_NONE);
    json_array_end(&w);
    check(
        "[-9223372036854775808,0.1,null,null,3,2.35,0.00,null,\"1970-01-01T00:00:00.000Z\",null]");
}

/* Any bytes at all come out as JSON that reads back, equal where they were UTF-8. */
static void any_bytes_make_a_valid_string(void **state)
{
    (void)state;
    struct rng r;

    rng_seed(&r, 7);
    for (int i = 0; i < 50000; i++) {
        char bytes[40];
        struct str text = {bytes, rng_below(&r, sizeof bytes)}, back;
        struct arena arena;
        struct json_reader reader;

        for (size_t k = 0; k < text.n; k++)
            bytes[k] = (char)(i % 3 ? rng_u64(&r) : rng_below(&r, 128));
        begin();
        json_str(&w, text);
        arena_init(&arena, 4096);
        json_reader_init(&reader, buf_view(&out), &arena, 1);
        assert_true(json_read_str(&reader, &back));
        assert_int_equal(json_end(&reader), ERR_OK);
        if (utf8_valid(text))
            assert_true(str_eq(text, back));
        arena_fini(&arena);
        buf_fini(&out);
    }
}

static void a_full_buffer_latches(void **state)
{
    (void)state;
    for (size_t max = 0; max < 60; max++) {
        buf_init(&out, max);
        json_writer_init(&w, &out);
        json_object(&w);
        json_kv_cstr(&w, "name", "va\nlue");
        json_kv_f64(&w, "number", 0.123456789012345678);
        json_kv_time(&w, "t", 0);
        json_object_end(&w);
        assert_true(out.failed);
        assert_true(out.n <= max);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_and_commas),    cmocka_unit_test(texts),
        cmocka_unit_test(numbers_and_times),     cmocka_unit_test(any_bytes_make_a_valid_string),
        cmocka_unit_test(a_full_buffer_latches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
