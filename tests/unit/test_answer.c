#include "test.h"

#include "base/rng.h"
#include "cache/answer.h"

#include <brotli/decode.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdatomic.h>
#include <xxhash.h>

enum { GZIP = 1 << FORM_GZIP, BROTLI = 1 << FORM_BROTLI, PLAIN = 1 << FORM_IDENTITY };

static char text[ANSWER_BODY_MAX + 1];
static struct str body_of_any;

/* JSON-like: it shrinks, but not to nothing. */
static struct str body_of(size_t n)
{
    struct rng r;
    size_t at = 0;

    rng_seed(&r, n);
    while (at < n)
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "{\"id\":\"session-%u\",\"minutes\":%u},",
                             (unsigned)rng_below(&r, 1000000), (unsigned)rng_below(&r, 90));
    return (struct str){text, n};
}

static struct answer *make(int32_t status, struct str body)
{
    struct answer_spec spec = {.status = status,
                               .media = "application/json",
                               .cache_control = "private, max-age=60",
                               .body = body,
                               .made_us = 1,
                               .fresh_until_us = 2,
                               .stale_until_us = 3,
                               .cost_us = 4};
    struct answer *a = NULL;

    assert_int_equal(answer_new(&spec, &a), ERR_OK);
    return a;
}

static bool has(struct str s, const char *what)
{
    return memmem(s.p, s.n, what, strlen(what)) != NULL;
}

static void holds_a_copy_and_its_spec(void **state)
{
    (void)state;
    char body[] = "{\"success\":true}";
    struct answer *a = make(200, str_from(body));

    memset(body, 'x', sizeof body - 1);
    const struct answer_spec *spec = answer_spec(a);

    assert_str(spec->body, "{\"success\":true}");
    assert_int_equal(spec->status, 200);
    assert_int_equal(spec->stale_until_us, 3);
    assert_true(answer_bytes(a) >= spec->body.n);
    assert_ptr_equal(answer_ref(a), a);
    answer_unref(a);
    assert_str(answer_spec(a)->body, "{\"success\":true}");
    answer_unref(a);
    answer_unref(NULL);
}

static void the_plain_form_carries_tag_control_and_vary(void **state)
{
    (void)state;
    struct answer *a = make(200, STR("{}"));
    struct answer_view v = answer_view(a, PLAIN | GZIP | BROTLI); /* too small for a form */
    XXH128_hash_t h = XXH3_128bits("{}", 2);
    char etag[64], head[256];

    snprintf(etag, sizeof etag, "\"%016" PRIx64 "%016" PRIx64 "\"", h.high64, h.low64);
    snprintf(head, sizeof head,
             "ETag: %s\r\nCache-Control: private, max-age=60\r\nVary: Accept-Encoding\r\n", etag);
    assert_int_equal(v.form, FORM_IDENTITY);
    assert_str(v.body, "{}");
    assert_str(v.etag, etag);
    assert_str(v.head, head);
    assert_str(v.head_304, head);
    answer_unref(a);
}

static void a_refusal_has_no_entity_tag(void **state)
{
    (void)state;
    struct answer *a = make(404, STR("{}"));
    struct answer_view v = answer_view(a, PLAIN);

    assert_null(v.etag.p);
    assert_str(v.head, "Cache-Control: private, max-age=60\r\nVary: Accept-Encoding\r\n");
    answer_unref(a);
}

static void an_empty_body_is_one_too(void **state)
{
    (void)state;
    struct answer *a = make(200, (struct str){NULL, 0});

    assert_int_equal(answer_view(a, GZIP).body.n, 0);
    assert_true(answer_view(a, GZIP).etag.n > 2);
    answer_unref(a);
}

static void a_body_above_the_bound_is_refused(void **state)
{
    (void)state;
    struct answer_spec spec = {.status = 200, .cache_control = "", .body = {text, sizeof text}};
    struct answer *a = NULL;

    assert_int_equal(answer_new(&spec, &a), ERR_TOO_LARGE);
    assert_null(a);
    spec.body.n--;
    assert_int_equal(answer_new(&spec, &a), ERR_OK);
    assert_int_equal(answer_view(a, GZIP | BROTLI).form, FORM_IDENTITY); /* above ENCODE_MAX */
    answer_unref(a);
}

static size_t gunzip(struct str packed, void *out, size_t room)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    size_t n = 0;

    assert_int_equal(libdeflate_gzip_decompress(d, packed.p, packed.n, out, room, &n), 0);
    libdeflate_free_decompressor(d);
    return n;
}

static size_t unbrotli(struct str packed, void *out, size_t room)
{
    size_t n = room;

    assert_int_equal(
        BrotliDecoderDecompress(packed.n, (const uint8_t *)packed.p, &n, (uint8_t *)out),
        BROTLI_DECODER_RESULT_SUCCESS);
    return n;
}

static void the_forms_unpack_to_the_same(void **state)
{
    (void)state;
    static const size_t sizes[] = {ANSWER_ENCODE_MIN, 1500, 30000, ANSWER_ENCODE_MAX};
    static char out[ANSWER_ENCODE_MAX];

    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct str body = body_of(sizes[i]);
        struct answer *a = make(200, body);
        size_t before = answer_bytes(a);
        struct answer_view gz = answer_view(a, PLAIN | GZIP), br = answer_view(a, BROTLI);

        assert_int_equal(gz.form, FORM_GZIP);
        assert_int_equal(br.form, FORM_BROTLI);
        assert_ptr_equal(gz.body.p, answer_view(a, GZIP).body.p);
        assert_true(gz.body.n < body.n && br.body.n < body.n);
        assert_true(answer_bytes(a) >= before + gz.body.n + br.body.n);
        assert_true(str_eq(body, (struct str){out, gunzip(gz.body, out, sizeof out)}));
        assert_true(str_eq(body, (struct str){out, unbrotli(br.body, out, sizeof out)}));
        answer_unref(a);
    }
}

static void each_form_has_its_own_tag_and_name(void **state)
{
    (void)state;
    struct answer *a = make(200, body_of(8000));
    struct answer_view plain = answer_view(a, PLAIN), gz = answer_view(a, GZIP),
                       br = answer_view(a, PLAIN | GZIP | BROTLI);

    assert_int_equal(br.form, FORM_BROTLI);
    assert_true(br.body.n < gz.body.n && gz.body.n < plain.body.n);
    assert_true(str_starts(gz.head, STR("Content-Encoding: gzip\r\n")));
    assert_true(str_starts(br.head, STR("Content-Encoding: br\r\n")));
    assert_true(str_ends(gz.etag, STR("-gz\"")) && str_ends(br.etag, STR("-br\"")));
    assert_true(has(gz.head, "\r\nETag: \"") && has(gz.head, "\r\nVary: Accept-Encoding\r\n"));
    assert_true(str_starts(gz.head_304, STR("ETag: ")) && str_ends(gz.head, gz.head_304));
    /* the part before the suffix is the same */
    assert_memory_equal(gz.etag.p, plain.etag.p, plain.etag.n - 1);
    assert_memory_equal(br.etag.p, plain.etag.p, plain.etag.n - 1);
    answer_unref(a);
}

static void what_does_not_shrink_stays_plain(void **state)
{
    (void)state;
    random_bytes(text, 2000);
    struct answer *a = make(200, (struct str){text, 2000});
    size_t before = answer_bytes(a);

    assert_int_equal(answer_view(a, PLAIN | GZIP | BROTLI).form, FORM_IDENTITY);
    assert_int_equal(answer_view(a, PLAIN | GZIP | BROTLI).form, FORM_IDENTITY);
    assert_int_equal(answer_bytes(a), before);
    answer_unref(a);
}

/* ---- many at once ---- */

enum { THREADS = 4, ROUNDS = 50 };

struct grown {
    struct answer_home home;
    _Atomic int times[FORM_COUNT];
    uint64_t hash;
};

static void grew(struct answer_home *home, uint64_t hash, struct answer *a, enum answer_form form,
                 size_t saved)
{
    struct grown *g = (struct grown *)home;

    assert_true(hash == g->hash && a && saved > 0);
    atomic_fetch_add(&g->times[form], 1);
}

static void *views(void *p)
{
    struct answer *a = p;

    for (uint32_t accept = 0; accept < 8; accept++) {
        struct answer_view v = answer_view(a, accept);

        assert_true(v.form == FORM_IDENTITY || (accept & 1u << v.form));
        assert_true(v.body.n > 0 && v.head.n > 0 && v.etag.n > 0);
        assert_true((v.form == FORM_IDENTITY) == (v.body.p == answer_spec(a)->body.p));
    }
    answer_unref(a);
    return NULL;
}

static void a_form_is_made_once_whoever_asks(void **state)
{
    (void)state;
    struct str body = body_of(4000);

    for (int round = 0; round < ROUNDS; round++) {
        struct grown g = {.home = {grew}, .hash = (uint64_t)round};
        struct answer *a = make(200, body);
        pthread_t threads[THREADS];

        answer_settle(a, &g.home, g.hash);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, views, answer_ref(a)), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(g.times[FORM_GZIP], 1);
        assert_int_equal(g.times[FORM_BROTLI], 1);
        assert_int_equal(answer_view(a, GZIP).form, FORM_GZIP);
        answer_unref(a);
    }
}

/* ---- packed ---- */

static struct answer *make_packed(struct str body)
{
    struct answer *a = make(200, body), *p = answer_pack(a);

    assert_non_null(p);
    answer_unref(a);
    return p;
}

static void assert_unpacks_to(const struct answer *a, struct str body)
{
    struct buf out;

    buf_init(&out, body.n);
    buf_str(&out, STR("what was there before"));
    assert_int_equal(answer_unpack(a, &out), ERR_OK);
    assert_true(str_eq(buf_view(&out), body));
    buf_fini(&out);
}

static void a_packed_one_is_the_same_in_a_third(void **state)
{
    (void)state;
    struct str body = body_of(4000);
    struct answer *a = make(200, body);
    struct answer_view plain = answer_view(a, PLAIN), gzip = answer_view(a, GZIP);
    struct answer *p = answer_pack(a);

    assert_non_null(p);
    assert_null(answer_pack(p));
    assert_true(answer_bytes(p) < answer_bytes(a) / 2);
    assert_int_equal(answer_spec(p)->fresh_until_us, 2);
    assert_int_equal(answer_spec(p)->body.n, body.n);
    struct answer_view v = answer_view(p, GZIP | BROTLI), w = answer_view(p, PLAIN | BROTLI);
    assert_int_equal(v.form, FORM_GZIP);
    assert_true(v.body.n > 0 && !v.packed && str_eq(v.etag, gzip.etag));
    assert_true(w.form == FORM_IDENTITY && w.packed && !w.body.p && str_eq(w.etag, plain.etag) &&
                str_eq(w.head, plain.head) && str_eq(w.head_304, plain.head_304));
    assert_unpacks_to(p, body);
    answer_unref(a); /* they share nothing */
    assert_unpacks_to(p, body);
    answer_unref(p);
}

static void what_is_asked_for_often_is_unpacked_once(void **state)
{
    (void)state;
    struct str body = body_of(4000);
    struct answer *p = make_packed(body);
    size_t before = answer_bytes(p);
    struct answer_view v = answer_view(p, PLAIN);

    for (int i = 0; i < 15; i++, v = answer_view(p, PLAIN))
        assert_true(v.packed);
    for (int i = 0; i < 3; i++, v = answer_view(p, PLAIN)) {
        v = answer_view(p, PLAIN);
        assert_true(!v.packed && v.form == FORM_IDENTITY && str_eq(v.body, body));
    }
    assert_true(answer_bytes(p) > before + body.n);
    assert_int_equal(answer_view(p, BROTLI | GZIP).form, FORM_BROTLI);
    assert_int_equal(answer_view(p, GZIP).form, FORM_GZIP);
    answer_unref(p);
}

static void what_gains_little_is_not_packed(void **state)
{
    (void)state;
    struct rng r;
    struct answer *small = make(200, body_of(ANSWER_PACK_MIN - 1));

    rng_seed(&r, 1);
    for (int i = 0; i < 4000; i++)
        text[i] = (char)rng_below(&r, 256);
    struct answer *noise = make(200, (struct str){text, 4000});
    assert_null(answer_pack(small));
    assert_null(answer_pack(noise));
    answer_unref(small);
    answer_unref(noise);
}

static void *unpacks(void *p)
{
    struct answer *a = p;
    struct str body = body_of_any; /* made before the threads */

    for (uint32_t accept = 0; accept < 48; accept++) {
        struct answer_view v = answer_view(a, accept % 8);

        assert_true(v.etag.n > 0);
        if (v.packed)
            assert_unpacks_to(a, body);
        else if (v.form == FORM_IDENTITY)
            assert_true(str_eq(v.body, body));
    }
    answer_unref(a);
    return NULL;
}

static void many_unpack_at_once(void **state)
{
    (void)state;
    body_of_any = body_of(4000);
    for (int round = 0; round < ROUNDS; round++) {
        struct answer *p = make_packed(body_of_any);
        pthread_t threads[THREADS];

        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, unpacks, answer_ref(p)), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        answer_unref(p);
    }
}

/* ---- Accept-Encoding ---- */

static void accepts_what_the_client_names(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        uint32_t forms;
    } cases[] = {
        {NULL, 0},
        {"", 0},
        {"gzip", GZIP},
        {"GZip", GZIP},
        {"x-gzip", GZIP},
        {"br", BROTLI},
        {"gzip, deflate, br, zstd", GZIP | BROTLI},
        {"gzip;q=1.0, br;q=0.5", GZIP | BROTLI},
        {"gzip;q=0", 0},
        {"gzip; q=0.000 , br", BROTLI},
        {"gzip;Q=0.001", GZIP},
        {"*", GZIP | BROTLI},
        {"*;q=0", 0},
        {"br;q=0, *", GZIP},
        {"*, br;q=0", GZIP},
        {"*;q=0, gzip", GZIP},
        {"gzip;q=0, gzip", 0},
        {"identity;q=0, br", BROTLI},
        {",, gzip ,,", GZIP},
        {"gzip br", 0},
        {"gzipbr", 0},
        {"gzip;q=", 0},
        {"gzip;q", 0},
        {"gzip;q=2", 0},
        {"gzip;q=1.001", 0},
        {"gzip;q=0.0001", 0},
        {"gzip;q=nan", 0},
        {"gzip;q=-1", 0},
        {"gzip;level=9;q=0.3", GZIP},
        {"gzip;level=9;q=0", 0},
        {"deflate", 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t forms = answer_accepts(str_from(cases[i].header));

        if (forms != (cases[i].forms | PLAIN))
            print_error("%s\n", cases[i].header);
        assert_int_equal(forms, cases[i].forms | PLAIN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_a_copy_and_its_spec),
        cmocka_unit_test(the_plain_form_carries_tag_control_and_vary),
        cmocka_unit_test(a_refusal_has_no_entity_tag),
        cmocka_unit_test(an_empty_body_is_one_too),
        cmocka_unit_test(a_body_above_the_bound_is_refused),
        cmocka_unit_test(the_forms_unpack_to_the_same),
        cmocka_unit_test(each_form_has_its_own_tag_and_name),
        cmocka_unit_test(what_does_not_shrink_stays_plain),
        cmocka_unit_test(a_form_is_made_once_whoever_asks),
        cmocka_unit_test(a_packed_one_is_the_same_in_a_third),
        cmocka_unit_test(what_is_asked_for_often_is_unpacked_once),
        cmocka_unit_test(what_gains_little_is_not_packed),
        cmocka_unit_test(many_unpack_at_once),
        cmocka_unit_test(accepts_what_the_client_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
