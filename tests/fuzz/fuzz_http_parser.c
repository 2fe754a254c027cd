/* One request, head and body: whatever way it is split, the result is the same. */
#include "base/assert.h"
#include "http/body.h"
#include "http/parser.h"

#include <stdlib.h>

enum { BODY_MAX = 4096 };

struct result {
    enum http_parse r;
    enum err why;
    struct http_parser p;
    struct buf body;
};

/* The piece sizes repeat: a, b, a, b … Each call sees memory of exactly its size. */
static void parse(const uint8_t *data, size_t n, size_t a, size_t b, struct result *res)
{
    static const struct http_parser_limits limits = { 2048, 16, 512 };
    size_t have = 0;
    bool odd = false;

    buf_init(&res->body, BODY_MAX + 1);
    http_parser_init(&res->p, &limits);
    do {
        have += odd ? b : a;
        odd = !odd;
        if (have > n)
            have = n;
        char *copy = malloc(have + 1);
        ASSERT(copy);
        if (have)
            memcpy(copy, data, have);
        res->r = http_parse_head(&res->p, copy, have);
        free(copy);
    } while (res->r == HTTP_PARSE_MORE && have < n);
    res->why = res->p.why;
    if (res->r != HTTP_PARSE_DONE)
        return;

    struct http_body body;
    size_t at = res->p.head_n, used;
    ASSERT(at <= n);
    res->r = http_body_begin(&body, &res->p, BODY_MAX, false, &res->body);
    while (res->r == HTTP_PARSE_MORE && at < n) {
        size_t step = odd ? b : a;
        odd = !odd;
        if (step > n - at)
            step = n - at;
        if (step == 0)
            continue;
        char *copy = malloc(step);
        ASSERT(copy);
        memcpy(copy, data + at, step);
        res->r = http_body_read(&body, copy, step, &used);
        ASSERT(used <= step);
        free(copy);
        at += used;
    }
    ASSERT(res->body.n <= BODY_MAX + 1);
    res->why = res->r == HTTP_PARSE_REFUSED ? body.why : ERR_OK;
    http_body_end(&body);
}

static void compare(const struct result *x, const struct result *y)
{
    ASSERT(x->r == y->r && x->why == y->why);
    ASSERT(x->p.field_count == y->p.field_count && x->p.head_n == y->p.head_n);
    ASSERT(x->p.method == y->p.method && x->p.minor == y->p.minor);
    ASSERT(x->p.content_length == y->p.content_length && x->p.chunked == y->p.chunked);
    ASSERT(x->p.keep_alive == y->p.keep_alive && x->p.target.n == y->p.target.n);
    ASSERT(x->r != HTTP_PARSE_DONE || str_eq(buf_view(&x->body), buf_view(&y->body)));
}

static void check_path(const uint8_t *data, const struct http_parser *p)
{
    struct str raw = http_span_str((const char *)data, p->path_raw);
    size_t n;
    if (raw.n == 0 || raw.p[0] != '/')
        return;
    char *out = malloc(raw.n);
    ASSERT(out);
    if (!http_path_decode(raw, out, &n)) {
        ASSERT(n >= 1 && n <= raw.n && out[0] == '/' && utf8_valid((struct str){ out, n }));
        struct str rest = { out + 1, n - 1 };
        while (rest.p) {
            struct str segment = str_cut(&rest, '/');
            ASSERT(!str_eq(segment, STR(".")) && !str_eq(segment, STR("..")));
        }
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t a = data[0], b = data[1];
    if (a + b == 0)
        a = 1;
    data += 2;
    size -= 2;
    struct result whole, parts;
    parse(data, size, size, size + 1, &whole);
    parse(data, size, a, b, &parts);
    compare(&whole, &parts);
    if (whole.r == HTTP_PARSE_DONE)
        check_path(data, &whole.p);
    http_parser_fini(&whole.p);
    http_parser_fini(&parts.p);
    buf_fini(&whole.body);
    buf_fini(&parts.body);
    return 0;
}
