#include "test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "json/reader.h"

enum { ARENA = 1 << 22 };

struct outcome {
    enum err e;
    size_t at;
    const char *reason;
};

static struct outcome skip_all(struct str text, int32_t depth_max)
{
    struct arena arena;
    struct json_reader r;

    arena_init(&arena, ARENA);
    json_reader_init(&r, text, &arena, depth_max);
    json_skip(&r, NULL);
    struct outcome o = {json_end(&r), r.error_at, r.reason};

    arena_fini(&arena);
    return o;
}

static void errors_say_where(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t at;
        const char *reason;
    } cases[] = {
        {"", 0, "there is no value"},
        {" \t", 2, "there is no value"},
        {"[1,]", 3, "not a value"},
        {"[1", 2, "expected ',' or ']'"},
        {"[", 1, "the text ends too early"},
        {"[1 2]", 3, "expected ',' or ']'"},
        {"{\"a\" 1}", 5, "expected ':'"},
        {"{\"a\":1,}", 7, "expected a name"},
        {"{\"a\":1 \"b\":2}", 7, "expected ',' or '}'"},
        {"{a:1}", 1, "expected a name"},
        {"[1]x", 3, "something follows the value"},
        {"\"abc", 0, "the string does not end"},
        {"\"a\nc\"", 2, "a control character in a string"},
        {"\"a\\x\"", 2, "not an escape"},
        {"\"\\ud800x\"", 1, "not an escape"},
        {"\"a\xff\"", 2, "not valid UTF-8"},
        {"01", 0, "a number must not start with 0"},
        {"[-]", 2, "expected a digit"},
        {"[1.]", 3, "expected a digit"},
        {"[1e+]", 4, "expected a digit"},
        {"[1e309]", 1, "the number is too large"},
        {"{\"ab\":1,\"\\u0061b\":2}", 8, "the name is there twice in one object"},
        {"nul", 0, "not a value"},
        {"[truE]", 1, "not a value"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct outcome o = skip_all(str_from(cases[i].text), 8);

        if (o.e != ERR_SYNTAX || o.at != cases[i].at)
            print_error("%s: %d at %zu: %s\n", cases[i].text, o.e, o.at, o.reason);
        assert_int_equal(o.e, ERR_SYNTAX);
        assert_int_equal(o.at, cases[i].at);
        assert_string_equal(o.reason, cases[i].reason);
    }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 2];

    for (int32_t depth = 1; depth <= JSON_DEPTH_MAX; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(skip_all((struct str){text, (size_t)depth * 2}, depth).e, ERR_OK);
        if (depth > 1)
            assert_int_equal(skip_all((struct str){text, (size_t)depth * 2}, depth - 1).e,
                             ERR_SYNTAX);
    }
}

/* Large objects, nested in each other, whole and with one name twice at every distance. */
static void duplicates_in_large_objects(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 1 << 20);
    for (int n = 1; n <= JSON_MEMBERS_MAX + 1; n += n < 70 ? 1 : 119) {
        for (int twice = -1; twice < n; twice += 1 + n / 7) {
            buf_clear(&b);
            buf_putc(&b, '{');
            for (int i = 0; i < n; i++)
                buf_printf(&b, "%s\"name%d\":%s", i ? "," : "", i,
                           i == n / 2 ? "{\"name0\":{\"name0\":1,\"name1\":[{\"name0\":2}]}}"
                                      : "0");
            if (twice >= 0)
                buf_printf(&b, ",\"n\\u0061me%d\":0", twice);
            buf_putc(&b, '}');
            assert_false(b.failed);
            assert_int_equal(skip_all(buf_view(&b), 8).e,
                             twice < 0 && n <= JSON_MEMBERS_MAX ? ERR_OK : ERR_SYNTAX);
        }
    }
    /* Siblings share the table that the first one made. */
    buf_clear(&b);
    buf_putc(&b, '[');
    for (int k = 0; k < 5; k++) {
        buf_str(&b, k ? STR(",{") : STR("{"));
        for (int i = 0; i < 100; i++)
            buf_printf(&b, "%s\"%d\":{\"x\":1}", i ? "," : "", i);
        buf_putc(&b, '}');
    }
    buf_putc(&b, ']');
    assert_int_equal(skip_all(buf_view(&b), 8).e, ERR_OK);
    buf_fini(&b);
}

/* Names that share length, first and last bytes have the same quick hash: still told apart. */
static void names_alike(void **state)
{
    (void)state;
    assert_int_equal(skip_all(STR("{\"aaaaaaaaXbbbbbbbb\":1,\"aaaaaaaaYbbbbbbbb\":2,\"\":3}"), 2).e,
                     ERR_OK);
    assert_int_equal(skip_all(STR("{\"aaaaaaaaXbbbbbbbb\":1,\"aaaaaaaaXbbbbbbbb\":2}"), 2).e,
                     ERR_SYNTAX);
    assert_int_equal(skip_all(STR("{\"\":1,\"\":2}"), 2).e, ERR_SYNTAX);
}

static void strings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct str value;
        bool borrowed;
    } cases[] = {
        {"\"\"", {"", 0}, true},
        {"\"plain text, longer than eight\"", {"plain text, longer than eight", 29}, true},
        {"\"\xf0\x9f\x98\x80\xc3\xa4\"", {"\xf0\x9f\x98\x80\xc3\xa4", 6}, true},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", {"\"\\/\b\f\n\r\t", 8}, false},
        {"\"a\\u0000b\"", {"a\0b", 3}, false},
        {"\"\\u00E4\\u20ac\\ud83d\\uDE00z\"", {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z", 10}, false},
        {"\"\\uffff\\u007f\\u0080\\u07ff\\u0800\"",
         {"\xef\xbf\xbf\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80", 11},
         false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        struct json_reader r;
        struct str s = {NULL, 0};

        arena_init(&arena, ARENA);
        json_reader_init(&r, str_from(cases[i].text), &arena, 1);
        assert_true(json_read_str(&r, &s));
        assert_int_equal(json_end(&r), ERR_OK);
        assert_int_equal(s.n, cases[i].value.n);
        assert_memory_equal(s.p, cases[i].value.p, s.n);
        assert_int_equal(s.p == cases[i].text + 1, cases[i].borrowed);
        arena_fini(&arena);
    }
}

/* The scan takes eight bytes at a time: each special byte at each place, and each length. */
static void every_offset_of_a_special_byte(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++)
        for (size_t at = 0; at < n; at++)
            for (int c = 0; c < 256; c++) {
                char text[48];

                memset(text, 'x', sizeof text);
                text[0] = text[n + 1] = '"';
                text[at + 1] = (char)c;
                /* alone, a quote ends too early, a backslash makes \x or escapes the quote */
                bool good = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
                enum err e = skip_all((struct str){text, n + 2}, 1).e;

                if ((e == ERR_OK) != good)
                    fail_msg("byte %02x at %zu of %zu", (unsigned)c, at, n);
            }
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double f64;
        bool integer;
        int64_t i64;
    } cases[] = {
        {"0", 0, true, 0},
        {"-0", -0.0, true, 0},
        {"-0.0", -0.0, true, 0},
        {"5.0", 5, true, 5},
        {"1e3", 1000, true, 1000},
        {"1.5e1", 15, true, 15},
        {"150e-1", 15, true, 15},
        {"1.5", 1.5, false, 0},
        {"0.99999999999999999999", 1, false, 0},
        {"123456789012345678", 123456789012345678.0, true, 123456789012345678},
        {"9223372036854775807", 0x1p63, true, INT64_MAX},
        {"-9223372036854775808", -0x1p63, true, INT64_MIN},
        {"9223372036854775808", 0x1p63, false, 0},
        {"922337203685477580.7e1", 0x1p63, true, INT64_MAX},
        {"1e-400", 0, false, 0},
        {"0e999999999999", 0, true, 0},
        {"1.7976931348623157e308", 1.7976931348623157e308, false, 0},
        {"2.2250738585072011e-308", 2.2250738585072011e-308, false, 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_reader r;
        double v = 42;
        int64_t n = 42;

        json_reader_init(&r, str_from(cases[i].text), NULL, 1);
        assert_true(json_read_f64(&r, &v));
        assert_int_equal(json_end(&r), ERR_OK);
        assert_memory_equal(&v, &cases[i].f64, sizeof v);
        json_reader_init(&r, str_from(cases[i].text), NULL, 1);
        assert_int_equal(json_read_i64(&r, &n), cases[i].integer);
        assert_int_equal(json_end(&r), cases[i].integer ? ERR_OK : ERR_RANGE);
        assert_true(n == (cases[i].integer ? cases[i].i64 : 42));
    }
}

static void other_types_are_a_range_error_that_latches(void **state)
{
    (void)state;
    struct arena arena;
    struct json_reader r;
    struct str s = {NULL, 0};
    double v;
    int64_t n;
    bool b;

    arena_init(&arena, ARENA);
    json_reader_init(&r, STR("[\"a\", 1]"), &arena, 4);
    assert_int_equal(json_peek(&r), JSON_ARRAY);
    assert_true(json_array_begin(&r));
    assert_true(json_next_item(&r));
    assert_int_equal(json_peek(&r), JSON_STRING);
    assert_false(json_read_f64(&r, &v));
    assert_true(json_failed(&r));
    assert_int_equal(r.error_at, 1);
    assert_false(json_read_str(&r, &s));
    assert_false(json_read_i64(&r, &n));
    assert_false(json_read_bool(&r, &b));
    assert_false(json_read_null(&r));
    assert_false(json_object_begin(&r));
    assert_false(json_array_begin(&r));
    assert_false(json_next_item(&r));
    assert_false(json_next_member(&r, &s));
    assert_false(json_skip(&r, &s));
    assert_int_equal(json_peek(&r), JSON_NONE);
    assert_null(s.p);
    assert_int_equal(json_end(&r), ERR_RANGE);
    assert_string_equal(r.reason, "must be a number");
    arena_fini(&arena);
}

static void skipping_gives_the_text(void **state)
{
    (void)state;
    struct arena arena;
    struct json_reader r;
    struct str name, raw;
    static const char *const raws[] = {"1.50", "\"x\\n\"", "[ 1, {} ]", "{\"k\" : [null]}", "true"};
    int i = 0;

    arena_init(&arena, ARENA);
    json_reader_init(&r,
                     STR(" { \"a\" : 1.50 , \"b\":\"x\\n\",\"c\": [ 1, {} ],\"d\":{\"k\" : "
                         "[null]}, \"e\":true } "),
                     &arena, 4);
    assert_true(json_object_begin(&r));
    while (json_next_member(&r, &name)) {
        assert_true(json_skip(&r, &raw));
        assert_str(raw, raws[i++]);
    }
    assert_int_equal(i, 5);
    assert_int_equal(json_end(&r), ERR_OK);
    arena_fini(&arena);
}

/* A caller that stops half way is told so; it is not a success. */
static void an_unfinished_value_is_no_success(void **state)
{
    (void)state;
    struct arena arena;
    struct json_reader r;

    arena_init(&arena, ARENA);
    json_reader_init(&r, STR("[1]"), &arena, 4);
    assert_true(json_array_begin(&r));
    assert_int_equal(json_end(&r), ERR_SYNTAX);
    json_reader_init(&r, STR("1"), &arena, 4);
    assert_int_equal(json_end(&r), ERR_SYNTAX);
    arena_fini(&arena);
}

static void fails_cleanly_until_memory_is_enough(void **state)
{
    (void)state;
    struct buf b;
    enum err e = ERR_NOMEM;
    int failures = 0;

    buf_init(&b, 1 << 16);
    buf_str(&b, STR("{\"\\u0061\":\"\\n\""));
    for (int i = 0; i < 300; i++)
        buf_printf(&b, ",\"n%d\":{\"\\t\":0}", i);
    buf_putc(&b, '}');
    for (size_t cap = 0; e == ERR_NOMEM; cap += 37, failures++) {
        struct arena arena;
        struct json_reader r;
        struct str name;

        arena_init(&arena, cap);
        json_reader_init(&r, buf_view(&b), &arena, 4);
        if (json_object_begin(&r))
            while (json_next_member(&r, &name) && json_skip(&r, NULL))
                ;
        e = json_end(&r);
        arena_fini(&arena);
    }
    assert_int_equal(e, ERR_OK);
    assert_true(failures > 10);
    buf_fini(&b);
}

/* Cut anywhere, a text is refused, and nothing beyond its end is looked at (seen by sanitizers). */
static void every_cut_is_refused(void **state)
{
    (void)state;
    const char *text =
        "{\"a\":[1,-2.5e+10,true,false,null,\"\\u00e4\\ud83d\\ude00\xe2\x82\xac\"],\"b\":{}}";

    for (size_t n = 0; n < strlen(text); n++) {
        char *copy = malloc(n + 1);

        memcpy(copy, text, n);
        copy = realloc(copy, n ? n : 1);
        assert_int_equal(skip_all((struct str){copy, n}, 4).e, ERR_SYNTAX);
        free(copy);
    }
    assert_int_equal(skip_all(str_from(text), 4).e, ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(duplicates_in_large_objects),
        cmocka_unit_test(names_alike),
        cmocka_unit_test(strings),
        cmocka_unit_test(every_offset_of_a_special_byte),
        cmocka_unit_test(numbers),
        cmocka_unit_test(other_types_are_a_range_error_that_latches),
        cmocka_unit_test(skipping_gives_the_text),
        cmocka_unit_test(an_unfinished_value_is_no_success),
        cmocka_unit_test(fails_cleanly_until_memory_is_enough),
        cmocka_unit_test(every_cut_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
