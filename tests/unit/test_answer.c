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

/* Of the answer's forms, in turn: a few at a time. */
static struct str head_of(const struct answer *a, enum answer_form form, bool not_modified)
{
    static _Thread_local char heads[8][1024];
    static _Thread_local unsigned turn;
    char *to = heads[turn++ % 8];

    assert_true(answer_head_max(a) <= sizeof heads[0]);
    return (struct str){to, (size_t)(answer_head(a, form, not_modified, to) - to)};
}

static struct str etag_of(const struct answer *a, enum answer_form form)
{
    static _Thread_local char tags[8][ANSWER_ETAG_MAX];
    static _Thread_local unsigned turn;

    return answer_etag(a, form, tags[turn++ % 8]);
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
    assert_str(answer_body(a), "{\"success\":true}");
    assert_int_equal(answer_status(a), 200);
    assert_int_equal(answer_times(a).stale_until_us, 3);
    assert_int_equal(answer_times(a).error_until_us, 3);
    assert_true(answer_bytes(a) >= sizeof body - 1);
    assert_ptr_equal(answer_ref(a), a);
    answer_unref(a);
    assert_str(answer_body(a), "{\"success\":true}");
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
    assert_str(etag_of(a, v.form), etag);
    assert_str(head_of(a, v.form, false), head);
    assert_str(head_of(a, v.form, true), head);
    answer_unref(a);
}

static void a_refusal_has_no_entity_tag(void **state)
{
    (void)state;
    struct answer *a = make(404, STR("{}"));

    assert_null(etag_of(a, FORM_IDENTITY).p);
    assert_str(head_of(a, FORM_IDENTITY, false),
               "Cache-Control: private, max-age=60\r\nVary: Accept-Encoding\r\n");
    answer_unref(a);
}

static void an_empty_body_is_one_too(void **state)
{
    (void)state;
    struct answer *a = make(200, (struct str){NULL, 0});

    assert_int_equal(answer_view(a, GZIP).body.n, 0);
    assert_true(etag_of(a, FORM_IDENTITY).n > 2);
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
    struct str head = head_of(a, gz.form, false);
    assert_true(str_starts(head, STR("Content-Encoding: gzip\r\n")));
    assert_true(str_starts(head_of(a, br.form, false), STR("Content-Encoding: br\r\n")));
    assert_true(str_ends(etag_of(a, gz.form), STR("-gz\"")) &&
                str_ends(etag_of(a, br.form), STR("-br\"")));
    assert_true(has(head, "\r\nETag: \"") && has(head, "\r\nVary: Accept-Encoding\r\n"));
    assert_true(str_starts(head_of(a, gz.form, true), STR("ETag: ")) &&
                str_ends(head, head_of(a, gz.form, true)));
    /* the part before the suffix is the same */
    struct str tag = etag_of(a, plain.form);
    assert_memory_equal(etag_of(a, gz.form).p, tag.p, tag.n - 1);
    assert_memory_equal(etag_of(a, br.form).p, tag.p, tag.n - 1);
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

static _Atomic int times_made[FORM_COUNT];

static void *views(void *p)
{
    struct answer *a = p;

    for (uint32_t accept = 0; accept < 8; accept++) {
        struct answer_view v = answer_view(a, accept);

        assert_true(v.form == FORM_IDENTITY || (accept & 1u << v.form));
        for (int form = 0; form < FORM_COUNT; form++)
            times_made[form] += v.made >> form & 1;
        assert_true(v.body.n > 0);
        assert_true((v.form == FORM_IDENTITY) == (v.body.p == answer_body(a).p));
    }
    answer_unref(a);
    return NULL;
}

static void a_form_is_made_once_whoever_asks(void **state)
{
    (void)state;
    struct str body = body_of(4000);

    for (int round = 0; round < ROUNDS; round++) {
        struct answer *a = make(200, body);
        pthread_t threads[THREADS];

        times_made[FORM_GZIP] = times_made[FORM_BROTLI] = 0;
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, views, answer_ref(a)), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(times_made[FORM_GZIP], 1);
        assert_int_equal(times_made[FORM_BROTLI], 1);
        assert_int_equal(answer_view(a, GZIP).form, FORM_GZIP);
        answer_unref(a);
    }
}

/* ---- packed ---- */

static struct answer *make_packed(struct str body)
{
    struct answer *a = make(200, body), *p = answer_pack(a, NULL);

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
    struct answer *p = answer_pack(a, NULL);

    assert_non_null(p);
    assert_null(answer_pack(p, NULL));
    assert_true(answer_bytes(p) < answer_bytes(a) / 2 && answer_holds_gzip(p));
    assert_int_equal(answer_times(p).fresh_until_us, 2);
    assert_int_equal(answer_body(p).n, body.n);
    struct answer_view v = answer_view(p, GZIP | BROTLI), w = answer_view(p, PLAIN | BROTLI);
    assert_int_equal(v.form, FORM_GZIP);
    assert_true(v.body.n > 0 && !v.packed && w.form == FORM_IDENTITY && w.packed && !w.body.p);
    for (enum answer_form form = 0; form < FORM_COUNT; form++)
        assert_true(str_eq(head_of(p, form, false), head_of(a, form, false)) &&
                    str_eq(head_of(p, form, true), head_of(a, form, true)));
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
    assert_null(answer_pack(small, NULL));
    assert_null(answer_pack(noise, NULL));
    answer_unref(small);
    answer_unref(noise);
}

/* Of small ones of a family the later are kept as what is new in them. */
static void small_ones_are_packed_by_a_sample(void **state)
{
    (void)state;
    struct sample_set set = {NULL};
    struct answer *p[8];
    char all[8][ANSWER_GZIP_MIN];
    size_t gzipped = 0, differences = 0;

    for (int i = 0; i < 8; i++) {
        struct str body = {all[i], 1500 + 200 * (size_t)i};
        memcpy(all[i], body_of((size_t)(1500 + 200 * i)).p, body.n);
        struct answer *a = make(200, body), *gz = answer_pack(a, NULL);
        p[i] = answer_pack(a, &set);
        assert_true(p[i] && gz && !answer_holds_gzip(p[i]));
        assert_true(answer_view(p[i], GZIP | BROTLI).packed);
        gzipped += answer_bytes(gz);
        differences += answer_bytes(p[i]);
        answer_unref(a);
        answer_unref(gz);
    }
    assert_true(differences < gzipped);
    for (int i = 0; i < 8; i++) {
        assert_unpacks_to(p[i], (struct str){all[i], 1500 + 200 * (size_t)i});
        for (int k = 0; k < 16; k++)
            assert_int_equal(answer_view(p[i], PLAIN).body.n, 1500 + 200 * (size_t)i);
        assert_true(
            str_eq(answer_view(p[i], PLAIN).body, (struct str){all[i], 1500 + 200 * (size_t)i}));
        assert_int_equal(answer_view(p[i], GZIP).form, FORM_GZIP);
        answer_unref(p[i]);
    }
    struct answer *large = make(200, body_of(ANSWER_GZIP_MIN)), *packed = answer_pack(large, &set);
    assert_true(answer_holds_gzip(packed));
    answer_unref(large);
    answer_unref(packed);
    sample_set_fini(&set);
}

static void *unpacks(void *p)
{
    struct answer *a = p;
    struct str body = body_of_any; /* made before the threads */

    for (uint32_t accept = 0; accept < 48; accept++) {
        struct answer_view v = answer_view(a, accept % 8);

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
        cmocka_unit_test(small_ones_are_packed_by_a_sample),
        cmocka_unit_test(many_unpack_at_once),
        cmocka_unit_test(accepts_what_the_client_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
