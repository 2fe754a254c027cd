/* The reader and the writer against an oracle: random documents, whole and broken. */
#include "base/assert.h"
#include "base/rng.h"
#include "json/reader.h"
#include "json/writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dlfcn.h>

enum { DEPTH = 40 };

static enum err check(struct str text)
{
    struct arena arena;
    struct json_reader r;

    arena_init(&arena, 1 << 22);
    json_reader_init(&r, text, &arena, DEPTH);
    json_skip(&r, NULL);
    enum err e = json_end(&r);
    arena_fini(&arena);
    return e;
}

static void random_value(struct rng *rng, struct json_writer *w, int depth)
{
    static const char *const texts[] = {
        "",           "a",   "\"\\/\b\f\n\r\t\x01\x1f", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
        "plain text", "\x7f"};

    switch (rng_below(rng, depth > 5 ? 6 : 8)) {
    case 0:
        json_null(w);
        break;
    case 1:
        json_bool(w, rng_below(rng, 2));
        break;
    case 2:
        json_i64(w, (int64_t)rng_u64(rng) >> rng_below(rng, 64));
        break;
    case 3:
        json_f64(w, ldexp(rng_normal(rng), (int)rng_below(rng, 200) - 100));
        break;
    case 4:
        json_fixed(w, rng_normal(rng) * 1000, (int)rng_below(rng, 5));
        break;
    case 5:
        json_str(w, str_from(texts[rng_below(rng, COUNT(texts))]));
        break;
    case 6:
        json_array(w);
        for (uint64_t n = rng_below(rng, 5); n; n--)
            random_value(rng, w, depth + 1);
        json_array_end(w);
        break;
    default:
        json_object(w);
        for (uint64_t n = rng_below(rng, 40), i = 0; i < n / (uint64_t)(1 + depth); i++) {
            char name[32];
            snprintf(name, sizeof name, "%s%d", texts[rng_below(rng, COUNT(texts))], (int)i);
            json_name(w, str_from(name));
            random_value(rng, w, depth + 1);
        }
        json_object_end(w);
    }
}

/* The oracle is jansson, loaded by hand: some of its names are ours too. */
struct oracle_error {
    int line, column, position;
    char source[80], text[160]; /* the last byte is the error's code */
};
static void *(*oracle_load)(const char *, size_t, size_t, struct oracle_error *);
static char *(*oracle_dumps)(const void *, size_t);
static void (*oracle_delete)(void *);

static int load_oracle(void **state)
{
    (void)state;
    void *library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return -1;
    *(void **)&oracle_load = dlsym(library, "json_loadb");
    *(void **)&oracle_dumps = dlsym(library, "json_dumps");
    *(void **)&oracle_delete = dlsym(library, "json_delete");
    return oracle_load && oracle_dumps && oracle_delete ? 0 : -1;
}

/* What the oracle makes of the text, in its own words (the caller frees them); NULL: refused.
 * *ret_known false: it refused what it cannot hold, not what is wrong: integers beyond 64 bits, and
 * NUL in a name. */
static char *oracle(struct str text, bool *ret_known)
{
    enum { REJECT_DUPLICATES = 1, DECODE_ANY = 4, INT_AS_REAL = 8, ALLOW_NUL = 16 };
    enum { COMPACT = 0x20, PRESERVE_ORDER = 0x100, ENCODE_ANY = 0x200 };
    enum { NULL_BYTE_IN_KEY = 13, NUMERIC_OVERFLOW = 15 };
    struct oracle_error error = {0};
    void *j = oracle_load(text.p, text.n, REJECT_DUPLICATES | DECODE_ANY | INT_AS_REAL | ALLOW_NUL,
                          &error);
    char code = error.text[sizeof error.text - 1];
    char *words = j ? oracle_dumps(j, COMPACT | PRESERVE_ORDER | ENCODE_ANY) : NULL;

    if (j)
        oracle_delete(j);
    *ret_known = j || (code != NUMERIC_OVERFLOW && code != NULL_BYTE_IN_KEY);
    return words;
}

/* Reads and writes again, value by value. */
static void copy(struct json_reader *r, struct json_writer *w)
{
    struct str s;
    double v;
    bool b;

    switch (json_peek(r)) {
    case JSON_OBJECT:
        assert_true(json_object_begin(r));
        json_object(w);
        while (json_next_member(r, &s)) {
            json_name(w, s);
            copy(r, w);
        }
        json_object_end(w);
        break;
    case JSON_ARRAY:
        assert_true(json_array_begin(r));
        json_array(w);
        while (json_next_item(r))
            copy(r, w);
        json_array_end(w);
        break;
    case JSON_STRING:
        assert_true(json_read_str(r, &s));
        json_str(w, s);
        break;
    case JSON_NUMBER:
        assert_true(json_read_f64(r, &v));
        json_f64(w, v);
        break;
    case JSON_BOOL:
        assert_true(json_read_bool(r, &b));
        json_bool(w, b);
        break;
    default:
        assert_true(json_read_null(r));
        json_null(w);
    }
}

/* What we read of the text is what the oracle reads of it, by the oracle's own words. */
static void compare_values(struct str text, const char *words)
{
    struct arena arena;
    struct buf b;
    struct json_reader r;
    struct json_writer w;
    bool known;

    arena_init(&arena, 1 << 22);
    buf_init(&b, 1 << 20);
    json_reader_init(&r, text, &arena, DEPTH);
    json_writer_init(&w, &b);
    copy(&r, &w);
    assert_int_equal(json_end(&r), ERR_OK);
    char *again = oracle(buf_view(&b), &known);

    assert_non_null(again);
    assert_string_equal(again, words);
    free(again);
    buf_fini(&b);
    arena_fini(&arena);
}

/* One text: the same verdict, and the same values. Returns 1 when both refuse it. */
static int compare(struct str text)
{
    bool known;
    char *words = oracle(text, &known);
    enum err e = check(text);

    if (known && (e == ERR_OK) != (words != NULL))
        print_error("%.*s\n", (int)text.n, text.p);
    assert_true(!known || (e == ERR_OK) == (words != NULL));
    if (words)
        compare_values(text, words);
    free(words);
    return known && e != ERR_OK;
}

static void agrees_with_an_oracle_on_whole_and_broken_documents(void **state)
{
    (void)state;
    static const char bytes[] = "{}[],:\"\\0123456789.eE+-tfnu \x01\x80\xC3\xED\xF4";
    struct rng rng;
    struct buf b;
    int refused = 0;

    buf_init(&b, 1 << 20);
    rng_seed(&rng, 42);
    for (int i = 0; i < 20000; i++) {
        struct json_writer w;

        buf_clear(&b);
        json_writer_init(&w, &b);
        random_value(&rng, &w, 0);
        assert_false(b.failed);
        assert_int_equal(check(buf_view(&b)), ERR_OK);
        compare(buf_view(&b));
        for (int k = 0; k < 5 && b.n; k++) {
            size_t at = rng_below(&rng, b.n);

            b.p[at] = bytes[rng_below(&rng, sizeof bytes - 1)];
            refused += compare(buf_view(&b));
        }
    }
    assert_true(refused > 1000);
    buf_fini(&b);
}

static void doubles_read_back_the_same(void **state)
{
    (void)state;
    static const double some[] = {0,
                                  -0.0,
                                  0.1,
                                  0.3,
                                  1.0 / 3,
                                  5e-324,
                                  1.7976931348623157e308,
                                  123456.789,
                                  1e15,
                                  1e16,
                                  1e22,
                                  1e23,
                                  9007199254740993.0,
                                  0.000001,
                                  33.961538,
                                  2.2250738585072014e-308};
    struct arena arena;
    struct rng rng;
    struct buf b;

    buf_init(&b, 4096);
    rng_seed(&rng, 9);
    for (size_t i = 0; i < COUNT(some) + 200000; i++) {
        struct json_writer w;
        struct json_reader r;
        double v, back = -1;
        if (i < COUNT(some)) {
            v = some[i];
        } else {
            uint64_t bits = rng_u64(&rng);
            if (i % 2)
                v = (double)(int64_t)rng_below(&rng, 100000000) / 1000;
            else
                memcpy(&v, &bits, sizeof v);
            if (!isfinite(v))
                continue;
        }
        buf_clear(&b);
        arena_init(&arena, 4096);
        json_writer_init(&w, &b);
        json_f64(&w, v);
        json_reader_init(&r, buf_view(&b), &arena, 1);
        assert_true(json_read_f64(&r, &back));
        assert_int_equal(json_end(&r), ERR_OK);
        if (v != back)
            print_message("%.17g became %.*s\n", v, (int)b.n, b.p);
        assert_true(v == back);
        arena_fini(&arena);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_oracle_on_whole_and_broken_documents),
        cmocka_unit_test(doubles_read_back_the_same),
    };
    return cmocka_run_group_tests(tests, load_oracle, NULL);
}
