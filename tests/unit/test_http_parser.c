/* The parser: what it takes and what it refuses, whole, byte by byte, and in all two-part splits. */
#include "base/assert.h"
#include "http/body.h"
#include "http/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
/* after the above, which it needs */
#include <cmocka.h>

static const struct http_parser_limits limits = { 1024, 8, 200 };

struct outcome {
    enum http_parse r;
    enum err why;
    struct http_parser p;
};

/* Feeds the head in pieces of `step` bytes, the first of them `first` long, each time from fresh
 * memory of exactly that size: a read beyond it is seen by the sanitizer. */
static enum http_parse parse_split(struct http_parser *p, struct str text, size_t first, size_t step)
{
    enum http_parse r = HTTP_PARSE_MORE;
    http_parser_init(p, &limits);
    for (size_t n = first; r == HTTP_PARSE_MORE; n += step) {
        if (n > text.n)
            n = text.n;
        char *copy = malloc(n + (n == 0));
        assert_non_null(copy);
        memcpy(copy, text.p, n);
        r = http_parse_head(p, copy, n);
        free(copy);
        if (n == text.n)
            break;
    }
    return r;
}

/* Every way of splitting gives the same. Returns the parser of the whole; the caller ends it. */
static enum http_parse parse(struct http_parser *p, struct str text)
{
    enum http_parse whole = parse_split(p, text, text.n, 1);
    for (size_t first = 0; first <= text.n; first++) {
        struct http_parser q;
        enum http_parse r = parse_split(&q, text, first, first ? text.n : 1);
        if (r != whole || q.why != p->why || q.field_count != p->field_count ||
            q.head_n != p->head_n || q.content_length != p->content_length ||
            q.keep_alive != p->keep_alive)
            fail_msg("split at %zu of \"" STR_FMT "\": %d/%d instead of %d/%d", first,
                     STR_ARG(text), r, q.why, whole, p->why);
        http_parser_fini(&q);
    }
    return whole;
}

#define H "Host: a\r\n"
static const struct good_case {
    const char *text;
    enum http_method method;
    const char *path, *query; /* raw; query NULL: none */
    int64_t content_length;
    bool chunked, keep_alive, gzip, expects;
} good[] = {
    { "GET / HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/", NULL, -1, 0, 1, 0, 0 },
    { "\r\nGET / HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/", NULL, -1, 0, 1, 0, 0 },
    { "HEAD /a?b=c HTTP/1.1\r\n" H "\r\n", HTTP_HEAD, "/a", "b=c", -1, 0, 1, 0, 0 },
    { "GET /? HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/", "", -1, 0, 1, 0, 0 },
    { "GET /a?b?c=/ HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/a", "b?c=/", -1, 0, 1, 0, 0 },
    { "OPTIONS * HTTP/1.1\r\n" H "\r\n", HTTP_OPTIONS, "*", NULL, -1, 0, 1, 0, 0 },
    { "GET http://a/x?y HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/x", "y", -1, 0, 1, 0, 0 },
    { "GET http://A HTTP/1.1\r\n" H "\r\n", HTTP_GET, "", NULL, -1, 0, 1, 0, 0 },
    { "GET HTTPS://a/ HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/", NULL, -1, 0, 1, 0, 0 },
    { "GET / HTTP/1.0\r\n\r\n", HTTP_GET, "/", NULL, -1, 0, 0, 0, 0 },
    { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", HTTP_GET, "/", NULL, -1, 0, 1, 0, 0 },
    { "GET / HTTP/1.1\r\n" H "Connection: x, close\r\n\r\n", HTTP_GET, "/", NULL, -1, 0, 0, 0, 0 },
    { "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", HTTP_POST, "/", NULL, 0, 0, 1, 0, 0 },
    { "PUT / HTTP/1.1\r\n" H "content-length:12 \t\r\n\r\n", HTTP_PUT, "/", NULL, 12, 0, 1, 0, 0 },
    { "PATCH / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n", HTTP_PATCH, "/", NULL, -1, 1, 1,
      0, 0 },
    { "DELETE / HTTP/1.1\r\n" H "Content-Encoding: gzip\r\n\r\n", HTTP_DELETE, "/", NULL, -1, 0, 1, 1,
      0 },
    { "POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\n\r\n", HTTP_POST, "/", NULL, -1, 0, 1, 0, 1 },
    { "GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP_GET, "/", NULL, -1, 0, 1, 0, 0 },
    { "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", HTTP_GET, "/", NULL, -1, 0, 1, 0, 0 },
    { "GET / HTTP/1.1\r\n" H "X:\r\nY: a\tb \x80\xff\r\n\r\n", HTTP_GET, "/", NULL, -1, 0, 1, 0, 0 },
    { "GET /a|b{}[] HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/a|b{}[]", NULL, -1, 0, 1, 0, 0 },
};

static void takes_what_is_well_formed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        const struct good_case *g = &good[i];
        struct http_parser p;
        if (parse(&p, str_from(g->text)) != HTTP_PARSE_DONE)
            fail_msg("refused: %s (%s)", g->text, p.detail);
        assert_int_equal(p.head_n, strlen(g->text));
        assert_int_equal(p.method, g->method);
        assert_true(str_eq(http_span_str(g->text, p.path_raw), str_from(g->path)));
        assert_int_equal(p.has_query, g->query != NULL);
        if (g->query)
            assert_true(str_eq(http_span_str(g->text, p.query), str_from(g->query)));
        assert_int_equal(p.content_length, g->content_length);
        assert_int_equal(p.chunked, g->chunked);
        assert_int_equal(p.keep_alive, g->keep_alive);
        assert_int_equal(p.gzip, g->gzip);
        assert_int_equal(p.expects_continue, g->expects);
        http_parser_fini(&p);
    }
}

#define BAD ERR_BAD_REQUEST
#define TEXT(s) { s, sizeof(s) - 1 }
#define GET1 "GET / HTTP/1.1\r\n"
static const struct bad_case {
    struct str text;
    enum err why;
} bad[] = {
    /* request line */
    { TEXT("GET /\r\n\r\n"), BAD },
    { TEXT("GET  / HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET /  HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT(" GET / HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET / HTTP/1.1 \r\n" H "\r\n"), BAD },
    { TEXT("GET\t/ HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("G(T / HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET / http/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET / HTTP/1.10\r\n" H "\r\n"), BAD },
    { TEXT("GET / HTTP/11\r\n" H "\r\n"), BAD },
    { TEXT("GET / HTTP/a.1\r\n" H "\r\n"), BAD },
    { TEXT("GET / HTTP/1.2\r\n" H "\r\n"), ERR_VERSION },
    { TEXT("GET / HTTP/0.9\r\n" H "\r\n"), ERR_VERSION },
    { TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ERR_VERSION },
    { TEXT("BREW / HTTP/1.1\r\n" H "\r\n"), ERR_NOT_IMPLEMENTED },
    { TEXT("get / HTTP/1.1\r\n" H "\r\n"), ERR_NOT_IMPLEMENTED },
    { TEXT("CONNECT a:1 HTTP/1.1\r\n" H "\r\n"), ERR_NOT_IMPLEMENTED },
    { TEXT("TRACE / HTTP/1.1\r\n" H "\r\n"), ERR_NOT_IMPLEMENTED },
    { TEXT("GET * HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET a HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET ftp://a/ HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET http:// HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET http://u@a/ HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET http://b/ HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET /a#b HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET /\x01 HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET /\0 HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET /\"< HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("\nGET / HTTP/1.1\r\n" H "\r\n"), BAD },
    { TEXT("GET / HTTP/1.1\n" H "\r\n"), BAD },
    { TEXT("GET / HTTP/1.1\r" H "\r\n"), BAD },
    /* fields */
    { TEXT(GET1 H "\n"), BAD },
    { TEXT(GET1 "Host: a\n\r\n"), BAD },
    { TEXT(GET1 H "X: a\rb\r\n\r\n"), BAD },
    { TEXT(GET1 H "X: a\0b\r\n\r\n"), BAD },
    { TEXT(GET1 H "X: \x7f\r\n\r\n"), BAD },
    { TEXT(GET1 H "X : a\r\n\r\n"), BAD },
    { TEXT(GET1 H "X\t: a\r\n\r\n"), BAD },
    { TEXT(GET1 H "X Y: a\r\n\r\n"), BAD },
    { TEXT(GET1 H ": a\r\n\r\n"), BAD },
    { TEXT(GET1 H "X\r\n\r\n"), BAD },
    { TEXT(GET1 H "X\0: a\r\n\r\n"), BAD },
    { TEXT(GET1 H "X: a\r\n folded\r\n\r\n"), BAD },
    { TEXT(GET1 H "X: a\r\n\tfolded\r\n\r\n"), BAD },
    { TEXT(GET1 " Host: a\r\n\r\n"), BAD },
    { TEXT(GET1 "\r\n"), BAD },
    { TEXT(GET1 H H "\r\n"), BAD },
    { TEXT(GET1 "Host: a b\r\n\r\n"), BAD },
    { TEXT(GET1 "Host: a/b\r\n\r\n"), BAD },
    { TEXT(GET1 "Host: a:b\r\n\r\n"), BAD },
    { TEXT(GET1 "Host: a:123456\r\n\r\n"), BAD },
    { TEXT(GET1 "Host: [::1\r\n\r\n"), BAD },
    { TEXT(GET1 "Host: a]\r\n\r\n"), BAD },
    { TEXT(GET1 "Host: u@a\r\n\r\n"), BAD },
    /* framing */
    { TEXT(GET1 H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), BAD },
    { TEXT(GET1 H "Content-Length: 1, 1\r\n\r\n"), BAD },
    { TEXT(GET1 H "Content-Length: +1\r\n\r\n"), BAD },
    { TEXT(GET1 H "Content-Length: -1\r\n\r\n"), BAD },
    { TEXT(GET1 H "Content-Length: 0x1\r\n\r\n"), BAD },
    { TEXT(GET1 H "Content-Length: 1 1\r\n\r\n"), BAD },
    { TEXT(GET1 H "Content-Length:\r\n\r\n"), BAD },
    { TEXT(GET1 H "Content-Length: 18446744073709551617\r\n\r\n"), BAD },
    { TEXT(GET1 H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), BAD },
    { TEXT(GET1 H "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"), BAD },
    { TEXT(GET1 H "Transfer-Encoding: gzip\r\n\r\n"), BAD },
    { TEXT(GET1 H "Transfer-Encoding: gzip, chunked\r\n\r\n"), BAD },
    { TEXT(GET1 H "Transfer-Encoding: chunked, chunked\r\n\r\n"), BAD },
    { TEXT(GET1 H "Transfer-Encoding: xchunked\r\n\r\n"), BAD },
    { TEXT(GET1 H "Transfer-Encoding:\r\n\r\n"), BAD },
    { TEXT(GET1 H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), BAD },
    { TEXT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), BAD },
    { TEXT(GET1 H "Expect: tea\r\n\r\n"), ERR_EXPECTATION },
    { TEXT(GET1 H "Content-Encoding: br\r\n\r\n"), ERR_MEDIA_TYPE },
    { TEXT(GET1 H "Content-Encoding: gzip, gzip\r\n\r\n"), ERR_MEDIA_TYPE },
    { TEXT(GET1 H "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n"), ERR_MEDIA_TYPE },
    /* limits: 8 fields */
    { TEXT(GET1 H "a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\n\r\n"), ERR_HEADERS_TOO_LARGE },
};

static void refuses_what_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct http_parser p;
        enum http_parse r = parse(&p, bad[i].text);
        if (r != HTTP_PARSE_REFUSED || p.why != bad[i].why || !p.detail)
            fail_msg("case %zu, \"" STR_FMT "\": %d, %s", i, STR_ARG(bad[i].text), r,
                     err_code(p.why));
        http_parser_fini(&p);
    }
}

/* A prefix of a good head is never refused and never complete. */
static void waits_for_the_whole(void **state)
{
    (void)state;
    struct str text = str_from(good[8].text);
    for (size_t n = 0; n < text.n; n++) {
        struct http_parser p;
        assert_int_equal(parse(&p, (struct str){ text.p, n }), HTTP_PARSE_MORE);
        http_parser_fini(&p);
    }
}

static enum err refusal_of(struct str text)
{
    struct http_parser p;
    enum http_parse r = parse(&p, text);
    enum err why = r == HTTP_PARSE_REFUSED ? p.why : ERR_OK;
    http_parser_fini(&p);
    return why;
}

static void holds_its_limits(void **state)
{
    (void)state;
    char text[2048];
    for (int n = 198; n <= 202; n++) {
        int len = snprintf(text, sizeof text, "GET /%0*d HTTP/1.1\r\n" H "\r\n", n - 1, 0);
        enum err want = n > 200 ? ERR_URI_TOO_LONG : ERR_OK;
        assert_int_equal(refusal_of((struct str){ text, (size_t)len }), want);
    }
    /* Without an end in sight, too. */
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    assert_int_equal(refusal_of((struct str){ text, 400 }), ERR_URI_TOO_LONG);
    int start = snprintf(text, sizeof text, GET1 H "X: ");
    memset(text + start, 'a', sizeof text - (size_t)start);
    assert_int_equal(refusal_of((struct str){ text, 1023 }), ERR_OK); /* not whole yet */
    assert_int_equal(refusal_of((struct str){ text, 1024 }), ERR_HEADERS_TOO_LARGE);
    assert_int_equal(refusal_of((struct str){ text, sizeof text }), ERR_HEADERS_TOO_LARGE);
    /* The last byte allowed. */
    memcpy(text + 1020, "\r\n\r\n", 4);
    assert_int_equal(refusal_of((struct str){ text, 1024 }), ERR_OK);
    memcpy(text + 1020, "a\r\n\r\n", 5);
    assert_int_equal(refusal_of((struct str){ text, 1025 }), ERR_HEADERS_TOO_LARGE);
}

static const struct path_case {
    const char *raw, *decoded; /* NULL: refused */
} paths[] = {
    { "/", "/" },
    { "/a/b", "/a/b" },
    { "/a%20b", "/a b" },
    { "/%61", "/a" },
    { "/%C3%A9", "/\xc3\xa9" },
    { "/.", "/" },
    { "/..", "/" },
    { "/a/..", "/" },
    { "/a/../b", "/b" },
    { "/a/./b/../../c/", "/c/" },
    { "/../../a", "/a" },
    { "/%2e%2E/a", "/a" },
    { "/a/..b/.c", "/a/..b/.c" },
    { "/a/b/..", "/a/" },
    { "//a", "//a" },
    { "/a//..", "/a/" },
    { "/a..", "/a.." },
    { "/%", NULL },
    { "/%4", NULL },
    { "/%4g", NULL },
    { "/%2f", NULL },
    { "/%00", NULL },
    { "/%0a", NULL },
    { "/%7F", NULL },
    { "/%ff", NULL },
    { "/%C0%AF", NULL },
};

static void decodes_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct str raw = str_from(paths[i].raw);
        char *out = malloc(raw.n);
        size_t n = 0;
        enum err e = http_path_decode(raw, out, &n);
        if (paths[i].decoded ? e || !str_eq((struct str){ out, n }, str_from(paths[i].decoded))
                             : e != ERR_BAD_REQUEST)
            fail_msg("%s gives %s " STR_FMT, paths[i].raw, err_code(e), (int)n, out);
        free(out);
    }
}

/* ---- bodies ---- */

struct body_result {
    enum http_parse r;
    enum err why;
    size_t used;
    struct buf out;
};

static struct body_result read_body(struct http_parser p, size_t max, struct str wire, size_t step)
{
    struct body_result res = { .r = HTTP_PARSE_MORE };
    struct http_body b;
    buf_init(&res.out, max + 1);
    res.r = http_body_begin(&b, &p, max, false, &res.out);
    while (res.r == HTTP_PARSE_MORE && res.used < wire.n) {
        size_t n = wire.n - res.used < step ? wire.n - res.used : step, used;
        char *copy = malloc(n);
        memcpy(copy, wire.p + res.used, n);
        res.r = http_body_read(&b, copy, n, &used);
        free(copy);
        if (res.r == HTTP_PARSE_MORE)
            assert_int_equal(used, n);
        res.used += used;
    }
    res.why = res.r == HTTP_PARSE_REFUSED ? b.why : ERR_OK;
    http_body_end(&b);
    return res;
}

/* The same in pieces of any size; the caller ends out. */
static struct body_result body(struct http_parser p, size_t max, struct str wire)
{
    struct body_result whole = read_body(p, max, wire, wire.n ? wire.n : 1);
    for (size_t step = 1; step < wire.n && step < 40; step++) {
        struct body_result r = read_body(p, max, wire, step);
        assert_int_equal(r.r, whole.r);
        assert_int_equal(r.why, whole.why);
        if (r.r == HTTP_PARSE_DONE) {
            assert_int_equal(r.used, whole.used);
            assert_true(str_eq(buf_view(&r.out), buf_view(&whole.out)));
        }
        buf_fini(&r.out);
    }
    return whole;
}

static const struct chunk_case {
    const char *wire, *data; /* NULL: refused */
    size_t left;             /* bytes behind the end */
} chunked[] = {
    { "0\r\n\r\n", "", 0 },
    { "3\r\nabc\r\n0\r\n\r\n", "abc", 0 },
    { "003\r\nabc\r\n2\r\nde\r\n00\r\n\r\nGET ", "abcde", 4 },
    { "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0 },
    { "3;x=y;z=\"q\"\r\nabc\r\n0;l\r\n\r\n", "abc", 0 },
    { "3\r\nabc\r\n0\r\nX: y\r\nZ:\r\n\r\n", "abc", 0 },
    { "3\r\nabcd\r\n0\r\n\r\n", NULL, 0 },
    { "3\r\nab\r\n0\r\n\r\n", NULL, 0 },
    { "3\nabc\r\n0\r\n\r\n", NULL, 0 },
    { "3\r\nabc\n0\r\n\r\n", NULL, 0 },
    { "3 \r\nabc\r\n0\r\n\r\n", NULL, 0 },
    { " 3\r\nabc\r\n0\r\n\r\n", NULL, 0 },
    { "0x3\r\nabc\r\n0\r\n\r\n", NULL, 0 },
    { "-3\r\nabc\r\n", NULL, 0 },
    { "+3\r\nabc\r\n", NULL, 0 },
    { "\r\nabc\r\n", NULL, 0 },
    { ";x\r\n", NULL, 0 },
    { "g\r\n", NULL, 0 },
    { "FFFFFFFFFFFFFFFFF\r\n", NULL, 0 },
    { "0000000000000000003\r\nabc\r\n", NULL, 0 },
    { "3;\x01\r\nabc\r\n0\r\n\r\n", NULL, 0 },
    { "3;a\nb\r\nabc\r\n0\r\n\r\n", NULL, 0 },
    { "0\r\nX y: z\r\n\r\n", NULL, 0 },
    { "0\r\n: z\r\n\r\n", NULL, 0 },
    { "0\r\nX: \x01\r\n\r\n", NULL, 0 },
    { "0\r\nX: z\n\r\n", NULL, 0 },
    { "0\r\n\n", NULL, 0 },
    { "0\r\n folded\r\n\r\n", NULL, 0 },
};

static void reads_chunks(void **state)
{
    (void)state;
    struct http_parser p = { .chunked = true, .content_length = -1 };
    for (size_t i = 0; i < COUNT(chunked); i++) {
        const struct chunk_case *c = &chunked[i];
        struct body_result r = body(p, 100, str_from(c->wire));
        if (c->data ? r.r != HTTP_PARSE_DONE || !str_eq(buf_view(&r.out), str_from(c->data)) ||
                          r.used != strlen(c->wire) - c->left
                    : r.r != HTTP_PARSE_REFUSED || r.why != ERR_BAD_REQUEST)
            fail_msg("%s: %d, %s", c->wire, r.r, err_code(r.why));
        buf_fini(&r.out);
    }
}

static void bounds_what_chunks_carry(void **state)
{
    (void)state;
    struct http_parser p = { .chunked = true, .content_length = -1 };
    static char wire[8192];
    struct body_result r = body(p, 4, STR("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
    assert_int_equal(r.why, ERR_TOO_LARGE);
    buf_fini(&r.out);
    int n = snprintf(wire, sizeof wire, "1;%0300d\r\na\r\n0\r\n\r\n", 0);
    r = body(p, 4, (struct str){ wire, (size_t)n });
    assert_int_equal(r.why, ERR_BAD_REQUEST);
    buf_fini(&r.out);
    n = snprintf(wire, sizeof wire, "0\r\nX: %05000d\r\n\r\n", 0);
    r = body(p, 4, (struct str){ wire, (size_t)n });
    assert_int_equal(r.why, ERR_BAD_REQUEST);
    buf_fini(&r.out);
}

static struct str gzip(const char *p, size_t n, char *out, size_t out_max)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)p;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)out_max;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t made = out_max - z.avail_out;
    deflateEnd(&z);
    return (struct str){ out, made };
}

static enum err gzip_result(struct str wire, size_t max, struct str want)
{
    struct http_parser p = { .gzip = true, .content_length = (int64_t)wire.n };
    struct body_result r = body(p, max, wire);
    if (r.r == HTTP_PARSE_DONE)
        assert_true(str_eq(buf_view(&r.out), want));
    buf_fini(&r.out);
    return r.why;
}

static void undoes_gzip_within_bounds(void **state)
{
    (void)state;
    static char plain[60000], wire[4096], twice[8192];
    memset(plain, 'a', sizeof plain);
    struct str text = { plain, sizeof plain }, z = gzip(plain, sizeof plain, wire, sizeof wire);

    assert_int_equal(gzip_result(z, sizeof plain, text), ERR_OK);
    assert_int_equal(gzip_result(z, sizeof plain - 1, text), ERR_TOO_LARGE); /* a small bomb */
    for (size_t n = 1; n < z.n; n++)                                        /* half a stream */
        assert_int_equal(gzip_result((struct str){ z.p, n }, sizeof plain, text), ERR_BAD_REQUEST);
    /* Two members are one text; rubbish behind is not. */
    memcpy(twice, z.p, z.n);
    memcpy(twice + z.n, z.p, z.n);
    struct http_parser p = { .gzip = true, .content_length = (int64_t)z.n * 2 };
    struct body_result r = body(p, 2 * sizeof plain, (struct str){ twice, 2 * z.n });
    assert_int_equal(r.r, HTTP_PARSE_DONE);
    assert_int_equal(r.out.n, 2 * sizeof plain);
    buf_fini(&r.out);
    memcpy(twice + z.n, "rubbish behind it", 17);
    assert_int_equal(gzip_result((struct str){ twice, z.n + 17 }, sizeof plain, text),
                     ERR_BAD_REQUEST);
    wire[z.n - 5] ^= 1; /* the checksum or the length */
    assert_int_equal(gzip_result(z, sizeof plain, text), ERR_BAD_REQUEST);
    assert_int_equal(gzip_result(STR("not gzip at all"), 100, text), ERR_BAD_REQUEST);
    assert_int_equal(gzip_result(STR(""), 100, text), ERR_BAD_REQUEST);
}

static void knows_ids_and_trace_contexts(void **state)
{
    (void)state;
    char longest[65];
    memset(longest, 'a', sizeof longest);
    assert_true(http_is_plain_id(STR("aZ09._-")));
    assert_true(http_is_plain_id((struct str){ longest, 64 }));
    assert_false(http_is_plain_id((struct str){ longest, 65 }));
    assert_false(http_is_plain_id(STR("")));
    assert_false(http_is_plain_id(STR("a b")));
    assert_false(http_is_plain_id(STR("a\"")));
#define ID32 "0af7651916cd43dd8448eb211c80319c"
#define ID16 "b7ad6b7169203331"
    assert_true(http_is_traceparent(STR("00-" ID32 "-" ID16 "-01")));
    assert_true(http_is_traceparent(STR("00-" ID32 "-" ID16 "-00")));
    assert_true(http_is_traceparent(STR("cc-" ID32 "-" ID16 "-01-later")));
    assert_false(http_is_traceparent(STR("00-" ID32 "-" ID16 "-01-later")));
    assert_false(http_is_traceparent(STR("ff-" ID32 "-" ID16 "-01")));
    assert_false(http_is_traceparent(STR("00-" ID32 "-" ID16 "-0")));
    assert_false(http_is_traceparent(STR("00-" ID32 "-0000000000000000-01")));
    assert_false(http_is_traceparent(STR("00-00000000000000000000000000000000-" ID16 "-01")));
    assert_false(http_is_traceparent(STR("00-0AF7651916CD43DD8448EB211C80319C-" ID16 "-01")));
    assert_false(http_is_traceparent(STR("00-" ID32 "_" ID16 "-01")));
}

/* Each byte at each place of a value, alone and among others that are at the edge. */
static void values_hold_no_control_bytes(void **state)
{
    (void)state;
    static const char fills[] = {'a', ' ', '~', '\x80', '\xff'};

    for (size_t fill = 0; fill < sizeof fills; fill++)
        for (int c = 0; c < 256; c++)
            for (size_t at = 1; at < 20; at++) {
                struct http_parser p;
                char text[80], value[21];
                memset(value, fills[fill], sizeof value);
                value[0] = value[20] = 'x';
                value[at] = (char)c;
                int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" H "X: ");
                memcpy(text + n, value, sizeof value);
                memcpy(text + n + sizeof value, "\r\n\r\n", 4);
                struct str all = {text, (size_t)n + sizeof value + 4};
                enum http_parse r = parse_split(&p, all, all.n, 1);
                bool taken = (c >= ' ' && c != 0x7f) || c == '\t';
                assert_int_equal(r == HTTP_PARSE_DONE, taken);
                http_parser_fini(&p);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_hold_no_control_bytes),
        cmocka_unit_test(takes_what_is_well_formed),
        cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(waits_for_the_whole),
        cmocka_unit_test(holds_its_limits),
        cmocka_unit_test(decodes_paths),
        cmocka_unit_test(reads_chunks),
        cmocka_unit_test(bounds_what_chunks_carry),
        cmocka_unit_test(undoes_gzip_within_bounds),
        cmocka_unit_test(knows_ids_and_trace_contexts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
