#include "test.h"

#include "base/num.h"
#include "base/rng.h"

static void comparing_and_cutting(void **state)
{
    (void)state;
    struct str s = STR("a,,b"), absent = str_from(NULL);

    assert_null(absent.p);
    assert_true(str_eq(absent, STR("")));
    assert_true(str_eq_nocase(STR("HeLLo[`"), STR("hEllO[`")));
    assert_false(str_eq_nocase(STR("["), STR("{"))); /* differ by the bit of the case only */
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("b"), STR("ab")) > 0);
    assert_int_equal(str_cmp(absent, STR("")), 0);
    assert_true(str_cmp(STR("\x80"), STR("a")) > 0);
    assert_true(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
    assert_str(str_trim(STR(" \t a b\t ")), "a b");
    assert_str(str_trim(STR(" \t ")), "");
    assert_str(str_cut(&s, ','), "a");
    assert_str(str_cut(&s, ','), "");
    assert_str(str_cut(&s, ','), "b");
    assert_str(s, NULL);
    s = STR("a,");
    assert_str(str_cut(&s, ','), "a");
    assert_str(s, "");
    assert_str(str_cut(&s, ','), "");
    assert_str(s, NULL);
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err e;
        int64_t v;
    } cases[] = {
        {"0", ERR_OK, 0},
        {"-0", ERR_OK, 0},
        {"007", ERR_OK, 7},
        {"9223372036854775807", ERR_OK, INT64_MAX},
        {"-9223372036854775808", ERR_OK, INT64_MIN},
        {"9223372036854775808", ERR_RANGE, 0},
        {"-9223372036854775809", ERR_RANGE, 0},
        {"99999999999999999999999", ERR_RANGE, 0},
        {"99999999999999999999999x", ERR_SYNTAX, 0},
        {"", ERR_SYNTAX, 0},
        {"-", ERR_SYNTAX, 0},
        {"+1", ERR_SYNTAX, 0},
        {" 1", ERR_SYNTAX, 0},
        {"1 ", ERR_SYNTAX, 0},
        {"0x10", ERR_SYNTAX, 0},
        {"1.0", ERR_SYNTAX, 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t v = 42;

        assert_int_equal(str_to_i64(str_from(cases[i].text), &v), cases[i].e);
        assert_int_equal(v, cases[i].e == ERR_OK ? cases[i].v : 42);
    }
}

static void decimals(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",     "-",   ".",     "e5",       "1e",   "1e+",
                                        "+1",   " 1",  "1 ",    "0x1p3",    "inf",  "nan",
                                        "-inf", "1,5", "1.2.3", "infinity", "1e5.0"};
    double v = 0;

    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(str_to_f64(str_from(wrong[i]), &v), ERR_SYNTAX);
    assert_int_equal(str_to_f64(STR("1e309"), &v), ERR_RANGE);
    assert_int_equal(str_to_f64(STR("-1e999999999999"), &v), ERR_RANGE);
    assert_int_equal(str_to_f64(STR("1e-999999999999"), &v), ERR_OK);
    assert_true(v == 0);
    assert_int_equal(str_to_f64(STR(".5"), &v), ERR_OK);
    assert_true(v == 0.5);
    assert_int_equal(str_to_f64(STR("5."), &v), ERR_OK);
    assert_true(v == 5);
    assert_int_equal(str_to_f64(STR("-0"), &v), ERR_OK);
    assert_true(v == 0 && signbit(v));
}

static double parsed(const char *text, size_t n)
{
    double v = NAN;

    assert_int_equal(num_parse_f64((struct str){text, n}, &v), ERR_OK);
    return v;
}

/* strtod is right in glibc; ours must give the same bits for any text. */
static void reading_agrees_with_strtod(void **state)
{
    (void)state;
    struct rng r;

    rng_seed(&r, 3);
    for (int i = 0; i < 300000; i++) {
        char text[64];
        uint64_t bits = rng_u64(&r);
        double v, back;
        int n;

        memcpy(&v, &bits, sizeof v);
        switch (i % 4) {
        case 0:
            if (!isfinite(v))
                continue;
            n = snprintf(text, sizeof text, "%.*e", (int)rng_below(&r, 20), v);
            break;
        case 1:
            n = snprintf(text, sizeof text, "%llu.%llu", (unsigned long long)(bits >> (bits & 63)),
                         (unsigned long long)rng_below(&r, 1000000));
            break;
        case 2:
            n = snprintf(text, sizeof text, "%llue%d", (unsigned long long)(bits >> (bits & 63)),
                         (int)rng_below(&r, 60) - 30);
            break;
        default:
            n = snprintf(text, sizeof text, "-0.%0*llu", (int)rng_below(&r, 20),
                         (unsigned long long)(bits >> (bits & 63)));
        }
        v = strtod(text, NULL);
        if (isinf(v))
            continue; /* rounded up by the printing */
        back = parsed(text, (size_t)n);
        assert_memory_equal(&back, &v, sizeof v);
    }
}

/* Digits far beyond a double decide only by being there. */
static void very_long_numbers(void **state)
{
    (void)state;
    static char text[20000];
    size_t n = 0;

    /* 2^53 + 1 lies half way: even below, unless a far digit tips it. */
    n = (size_t)snprintf(text, sizeof text, "9007199254740993.");
    memset(text + n, '0', 10000), n += 10000;
    assert_true(parsed(text, n) == 9007199254740992.0);
    text[n++] = '1';
    assert_true(parsed(text, n) == 9007199254740994.0);

    n = (size_t)snprintf(text, sizeof text, "0.");
    memset(text + n, '0', 10000), n += 10000;
    n += (size_t)snprintf(text + n, sizeof text - n, "25e10002");
    assert_true(parsed(text, n) == 25.0);

    memset(text, '1', 309);
    assert_true(parsed(text, 309) == strtod("1.11111111111111111111e308", NULL));
    double v;

    assert_int_equal(num_parse_f64((struct str){text, 309}, &v), ERR_OK);
    memset(text, '1', 400);
    assert_int_equal(num_parse_f64((struct str){text, 400}, &v), ERR_RANGE);
}

static void shortest_text(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.3, "0.3"},
        {0.1 + 0.2, "0.30000000000000004"},
        {100, "100"},
        {123456789012345, "123456789012345"},
        {1e15, "1e+15"},
        {0.00001, "0.00001"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.0 / 3, "0.6666666666666666"},
        {72.25, "72.25"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[NUM_TEXT_MAX];

        assert_str(((struct str){text, num_print_f64(cases[i].v, text)}), cases[i].text);
    }
    struct rng r;

    rng_seed(&r, 4);
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = rng_u64(&r);
        char text[NUM_TEXT_MAX], general[40];
        double v, back;

        memcpy(&v, &bits, sizeof v);
        if (i % 2)
            v = (double)(int64_t)rng_below(&r, 10000000) / (double)(1 + rng_below(&r, 1000));
        if (!isfinite(v))
            continue;
        size_t n = num_print_f64(v, text);

        assert_true(n <= NUM_TEXT_MAX);
        back = parsed(text, n);
        assert_memory_equal(&back, &v, sizeof v);
        /* as few digits as libc needs */
        size_t digits = 0, theirs = 0;
        bool leading = true;

        for (size_t k = 0; k < n && (text[k] | 0x20) != 'e'; k++) {
            leading = leading && (text[k] == '0' || text[k] == '.' || text[k] == '-');
            digits += !leading && text[k] != '.';
        }
        for (int p = 1; p <= 17; p++) {
            snprintf(general, sizeof general, "%.*g", p, v);
            if (strtod(general, NULL) == v) {
                theirs = (size_t)p;
                break;
            }
        }
        if (v != 0 && fabs(v) < 1e15 && fabs(v) > 1e-5 && v != floor(v))
            assert_int_equal(digits, theirs);
    }
}

static void fixed_text(void **state)
{
    (void)state;
    static const struct {
        double v;
        int decimals;
        const char *text;
    } cases[] = {
        {0, 2, "0.00"},
        {-0.001, 2, "0.00"},
        {0.005, 2, "0.01"},
        {0.125, 2, "0.13"},
        {-0.125, 2, "-0.13"},
        {2.5, 0, "3"},
        {-2.5, 0, "-3"},
        {99.999, 2, "100.00"},
        {12.3456, 3, "12.346"},
        {1e14, 1, "100000000000000.0"},
        {0.1, 9, "0.100000000"},
        {1e300, 2, "1e+300"},
        {7, 0, "7"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[NUM_TEXT_MAX];
        size_t n = num_print_fixed(cases[i].v, cases[i].decimals, text);

        assert_str(((struct str){text, n}), cases[i].text);
    }
}

static void integers_printed(void **state)
{
    (void)state;
    static const int64_t values[] = {0, 9, 10, 99, 100, 101, -1, -10, INT64_MAX, INT64_MIN, 12345};

    for (size_t i = 0; i < COUNT(values); i++) {
        char text[NUM_TEXT_MAX], theirs[32];

        snprintf(theirs, sizeof theirs, "%lld", (long long)values[i]);
        assert_str(((struct str){text, num_print_i64(values[i], text)}), theirs);
    }
    char text[NUM_TEXT_MAX];

    assert_str(((struct str){text, num_print_u64(UINT64_MAX, text)}), "18446744073709551615");
}

/* Every sequence of up to four bytes around the borders, against a decoder written from the RFC's
 * table in the plainest way. */
static bool plain_valid(const unsigned char *p, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t length = p[i] < 0x80       ? 1
                        : p[i] >> 5 == 6  ? 2
                        : p[i] >> 4 == 14 ? 3
                        : p[i] >> 3 == 30 ? 4
                                          : 0;

        if (length == 0 || i + length > n)
            return false;
        uint32_t c = length == 1 ? p[i] : p[i] & (0x7fu >> length);

        for (size_t k = 1; k < length; k++) {
            if (p[i + k] >> 6 != 2)
                return false;
            c = c << 6 | (p[i + k] & 63u);
        }
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

        if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return false;
        i += length;
    }
    return true;
}

static void utf8(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                          0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
                                          0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
    enum { N = sizeof bytes };

    for (unsigned i = 0; i < N * N * N * N; i++) {
        unsigned char text[20] = {bytes[i % N], bytes[i / N % N], bytes[i / N / N % N],
                                  bytes[i / N / N / N]};

        for (size_t n = 0; n <= 4; n++)
            if (utf8_valid((struct str){(char *)text, n}) != plain_valid(text, n))
                fail_msg("%02x %02x %02x %02x, %zu", text[0], text[1], text[2], text[3], n);
        unsigned char far[20];

        memset(far, 'x', sizeof far);
        memcpy(far + 11, text, 4);
        if (utf8_valid((struct str){(char *)far, 15}) != plain_valid(far, 15))
            fail();
    }
    assert_str(utf8_prefix(STR("a\xc3\xa4z"), 2), "a");
    assert_str(utf8_prefix(STR("a\xc3\xa4z"), 3), "a\xc3\xa4");
    assert_str(utf8_prefix(STR("abc"), 9), "abc");
}

static void prints_sixteen_digits_at_once(void **state)
{
    static const char hex[] = "0123456789abcdef", crockford[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t bytes[16];
    char out[32];

    (void)state;
    for (int first = 0; first < 256; first++) {
        for (int i = 0; i < 16; i++)
            bytes[i] = (uint8_t)(first + i * 7);
        num_print_hex16(bytes, out);
        for (int i = 0; i < 16; i++) {
            assert_int_equal(out[2 * i], hex[bytes[i] >> 4]);
            assert_int_equal(out[2 * i + 1], hex[bytes[i] & 15]);
        }
        num_print_base32(bytes, out);
        for (int i = 0; i < 16; i++)
            assert_int_equal(out[i], crockford[bytes[i] & 31]);
    }
}

/* Whatever the length, and wherever they differ. */
static void secrets_compared(void **state)
{
    char a[80], b[80];

    (void)state;
    memset(a, 'x', sizeof a);
    assert_true(str_eq_secret(STR(""), str_from(NULL)));
    for (size_t n = 1; n <= sizeof a; n++) {
        memset(b, 'x', n);
        assert_true(str_eq_secret((struct str){a, n}, (struct str){b, n}));
        assert_false(str_eq_secret((struct str){a, n - 1}, (struct str){b, n}));
        for (size_t i = 0; i < n; i++) {
            b[i] ^= 1;
            assert_false(str_eq_secret((struct str){a, n}, (struct str){b, n}));
            b[i] ^= 1;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing_and_cutting),
        cmocka_unit_test(integers),
        cmocka_unit_test(decimals),
        cmocka_unit_test(reading_agrees_with_strtod),
        cmocka_unit_test(very_long_numbers),
        cmocka_unit_test(shortest_text),
        cmocka_unit_test(fixed_text),
        cmocka_unit_test(integers_printed),
        cmocka_unit_test(prints_sixteen_digits_at_once),
        cmocka_unit_test(secrets_compared),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
