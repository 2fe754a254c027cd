/* exchange - one request and its reply: made from a pool, filled, printed, given back. */
#include "base/assert.h"
#include "base/num.h"
#include "http/conn.h"

#include <stdlib.h>

enum { HEAD_OUT_MAX = EXTRA_BYTES_MAX + HEAD_INLINE_BODY_MAX + 1024 };

static const char *const method_names[HTTP_METHOD_COUNT] = {
    [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
    [HTTP_OPTIONS] = "OPTIONS",
};

const char *http_method_name(enum http_method m)
{
    ASSERT(m < HTTP_METHOD_COUNT);
    return method_names[m];
}

struct str http_header_get(const struct http_request *rq, struct str name)
{
    for (int32_t i = 0; i < rq->header_count; i++)
        if (rq->headers[i].name.n == name.n && str_eq_nocase(rq->headers[i].name, name))
            return rq->headers[i].value;
    return (struct str){0};
}

static struct str etag_opaque(struct str tag)
{
    return str_starts(tag, STR("W/")) ? (struct str){tag.p + 2, tag.n - 2} : tag;
}

/* A list of entity tags: commas may stand inside the quotes. RFC 9110 8.8.3, 13.1.2. */
static bool etag_in_list(struct str list, struct str etag)
{
    size_t i = 0;
    while (i < list.n) {
        while (i < list.n && (list.p[i] == ',' || list.p[i] == ' ' || list.p[i] == '\t'))
            i++;
        if (i + 1 < list.n && list.p[i] == 'W' && list.p[i + 1] == '/')
            i += 2;
        size_t start = i;
        if (i == list.n || list.p[i] != '"')
            return false;
        for (i++; i < list.n && list.p[i] != '"';)
            i++;
        if (i == list.n)
            return false;
        i++;
        if (str_eq((struct str){list.p + start, i - start}, etag))
            return true;
    }
    return false;
}

bool http_etag_matches(const struct http_request *rq, struct str etag)
{
    for (int32_t i = 0; i < rq->header_count; i++) {
        const struct http_header *h = &rq->headers[i];
        if (!str_eq_nocase(h->name, STR("if-none-match")))
            continue;
        if (str_eq(str_trim(h->value), STR("*")) || etag_in_list(h->value, etag_opaque(etag)))
            return true;
    }
    return false;
}

void http_reply_header(struct http_exchange *x, const char *name, struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        ASSERT((unsigned char)value.p[i] >= 0x20 && value.p[i] != 0x7f);
    struct str before = str_from(name);
    char *to = buf_reserve(&x->extra, before.n + value.n + 4);
    if (!to)
        return;
    to = str_put(str_put(to, before), STR(": "));
    str_put(str_put(to, value), STR("\r\n"));
    x->extra.n += before.n + value.n + 4;
}

void http_reply_id(struct http_exchange *x)
{
    const struct str name = STR("X-Request-Id: "), id = x->request.id;
    char *to = id.n ? buf_reserve(&x->extra, name.n + id.n + 2) : NULL;
    if (!to)
        return;
    str_put(str_put(str_put(to, name), id), STR("\r\n"));
    x->extra.n += name.n + id.n + 2;
}

struct exchange *exchange_take(struct http_loop *l)
{
    struct exchange *x = l->pool;
    if (x) {
        l->pool = x->next;
        l->pool_count--;
    } else {
        x = calloc(1, sizeof *x);
        if (!x)
            return NULL;
        const struct http_limits *lim = &l->server->limits;
        http_parser_init(&x->parser, &(struct http_parser_limits){
                                         .head_bytes_max = (uint32_t)lim->head_bytes_max,
                                         .header_count_max = (uint32_t)lim->header_count_max,
                                         .url_bytes_max = (uint32_t)lim->url_bytes_max,
                                     });
        buf_init(&x->head, (size_t)lim->head_bytes_max + (size_t)lim->url_bytes_max + 16);
        buf_init(&x->body, 0);
        buf_init(&x->out, HEAD_OUT_MAX);
        buf_init(&x->pub.body, 0);
        buf_init(&x->pub.extra, EXTRA_BYTES_MAX);
        arena_init(&x->arena, 0);
    }
    x->next = NULL;
    x->state = X_HEAD;
    x->started_us = l->now_us;
    x->pub.loop = l;
    x->pub.arena = &x->arena;
    /* Until the application has chosen: enough for a refusal. */
    x->arena.cap = 64 * 1024;
    x->pub.body.max = 64 * 1024;
    l->exchange_count++;
    return x;
}

static void buf_recycle(struct buf *b)
{
    if (b->cap > POOL_BUF_KEEP_MAX) {
        size_t max = b->max;
        buf_fini(b);
        buf_init(b, max);
    } else {
        buf_clear(b);
    }
}

static void exchange_free(struct exchange *x)
{
    http_parser_fini(&x->parser);
    free(x->headers);
    buf_fini(&x->head);
    buf_fini(&x->body);
    buf_fini(&x->out);
    buf_fini(&x->pub.body);
    buf_fini(&x->pub.extra);
    arena_fini(&x->arena);
    free(x);
}

/* Ready for the next request: everything zero but the memory that is kept. */
static void exchange_clear(struct exchange *x)
{
    http_body_end(&x->body_reader);
    http_parser_clear(&x->parser);
    buf_recycle(&x->head);
    buf_recycle(&x->body);
    buf_recycle(&x->out);
    buf_recycle(&x->pub.body);
    buf_recycle(&x->pub.extra);
    arena_clear(&x->arena);
    x->pub = (struct http_exchange){.body = x->pub.body, .extra = x->pub.extra};
    x->conn = NULL;
    x->seen_by_app = x->counted = x->wants_continue = false;
    x->chunked_out = x->static_body = x->keep_alive_1_0 = false;
    x->out_sent = x->body_sent = 0;
    x->stream = NULL;
    known_head_unref(x->known);
    x->known = NULL;
    x->head_hash = 0;
}

void exchange_release(struct exchange *x)
{
    struct http_loop *l = x->pub.loop;
    const struct http_app *app = &l->server->app;

    ASSERT(x->state != X_RUNNING && x->state != X_STREAM);
    if (x->counted)
        atomic_fetch_sub_explicit(&l->server->in_flight, 1, memory_order_relaxed);
    if (x->pub.client_gone)
        count(&l->counters.clients_gone, 1);
    if (x->pub.body_release)
        x->pub.body_release(x->pub.body_owner);
    if (x->seen_by_app && app->on_done)
        app->on_done(app->user, &x->pub);
    if (x->stream)
        stream_free(x->stream);
    l->exchange_count--;
    exchange_clear(x);
    if (l->pool_count < POOL_EXCHANGES_MAX) {
        x->next = l->pool;
        l->pool = x;
        l->pool_count++;
    } else {
        exchange_free(x);
    }
}

void exchange_pool_free(struct http_loop *l)
{
    while (l->pool) {
        struct exchange *x = l->pool;
        l->pool = x->next;
        exchange_free(x);
    }
    l->pool_count = 0;
}

static bool set_headers(struct exchange *x)
{
    const struct http_parser *p = &x->parser;
    if (p->field_count > x->header_cap) {
        struct http_header *grown =
            realloc(x->headers, (size_t)p->field_cap * sizeof(struct http_header));
        if (!grown)
            return false;
        x->headers = grown;
        x->header_cap = p->field_cap;
    }
    for (int32_t i = 0; i < p->field_count; i++) {
        const struct http_field *f = &p->fields[i];
        x->headers[i].name = http_span_str(x->head.p, f->name);
        x->headers[i].value = http_span_str(x->head.p, f->value);
    }
    x->pub.request.headers = x->headers;
    x->pub.request.header_count = p->field_count;
    return true;
}

/* 26 digits of Crockford's base 32. 110 bits of it are random: five of each byte for the first
 * sixteen digits, the other three for what follows. */
void exchange_make_id(struct exchange *x)
{
    const uint64_t low = UINT64_C(0x1f1f1f1f1f1f1f1f);
    uint64_t r[2] = {rng_u64(&x->pub.loop->rng), rng_u64(&x->pub.loop->rng)};
    num_print_base32(r, x->id);
    r[0] = r[0] >> 5 & low;
    r[1] = r[1] >> 5 & low;
    num_print_base32(r, x->id + 16);
    x->pub.request.id = (struct str){x->id, 26};
}

static void set_ids(struct exchange *x)
{
    struct http_request *rq = &x->pub.request;
    const struct http_parser *p = &x->parser;
    if (p->id >= 0 && http_is_plain_id(x->headers[p->id].value))
        rq->id = x->headers[p->id].value;
    if (p->traceparent >= 0 && http_is_traceparent(x->headers[p->traceparent].value))
        rq->traceparent = x->headers[p->traceparent].value;
}

/* A path without escapes and dots is used where it stands; another is decoded behind the head. */
static enum err set_path(struct exchange *x)
{
    struct http_request *rq = &x->pub.request;
    const struct http_parser *p = &x->parser;
    struct str raw = http_span_str(x->head.p, p->path_raw);

    if (p->is_asterisk || raw.n == 0) {
        rq->path = p->is_asterisk ? raw : STR("/");
        return ERR_OK;
    }
    if (!memchr(raw.p, '%', raw.n) && !memchr(raw.p, '.', raw.n)) {
        rq->path = raw;
        return ERR_OK;
    }
    char *to = x->head.p + x->head.n; /* exchange_request() made room */
    size_t n;
    enum err e = http_path_decode(raw, to, &n);
    if (!e)
        rq->path = (struct str){to, n};
    return e;
}

/* What the parser would say of it: only such heads are remembered. */
static void request_known(struct exchange *x)
{
    x->parser.method = (int32_t)x->known->request.method;
    x->parser.minor = 1;
    x->parser.keep_alive = true;
    x->pub.request = x->known->request;
    x->pub.request.received_us = x->pub.loop->now_us;
    x->pub.note = &x->known->note;
}

static bool may_remember(const struct http_parser *p)
{
    return p->method == HTTP_GET && p->minor == 1 && p->keep_alive && p->content_length < 0 &&
           !p->chunked && !p->expects_continue && p->id == -1 && p->traceparent == -1;
}

enum err exchange_request(struct exchange *x, const char **ret_detail)
{
    struct http_request *rq = &x->pub.request;
    const struct http_parser *p = &x->parser;

    if (x->known) {
        request_known(x);
        return ERR_OK;
    }
    *ret_detail = "out of memory";
    if (!buf_reserve(&x->head, p->path_raw.n + 1) || !set_headers(x))
        return ERR_NOMEM;
    rq->method = (enum http_method)p->method;
    rq->target = http_span_str(x->head.p, p->target);
    if (p->has_query)
        rq->query = http_span_str(x->head.p, p->query);
    rq->received_us = x->pub.loop->now_us;
    set_ids(x);
    enum err e = set_path(x);
    if (e)
        *ret_detail = "the path is not well encoded";
    else if (x->head_hash && may_remember(p))
        heads_learn(&x->pub.loop->heads, x->head_hash, (struct str){x->head.p, p->head_n}, rq,
                    x->pub.loop->server->app.note_free);
    return e;
}

static struct str status_line(int status)
{
    switch (status) {
#define S(code, text) \
    case code:        \
        return STR("HTTP/1.1 " #code " " text "\r\n");
        S(200, "OK")
        S(201, "Created")
        S(202, "Accepted")
        S(204, "No Content")
        S(206, "Partial Content")
        S(207, "Multi-Status")
        S(301, "Moved Permanently")
        S(302, "Found")
        S(303, "See Other")
        S(304, "Not Modified")
        S(307, "Temporary Redirect")
        S(308, "Permanent Redirect")
        S(400, "Bad Request")
        S(401, "Unauthorized")
        S(403, "Forbidden")
        S(404, "Not Found")
        S(405, "Method Not Allowed")
        S(406, "Not Acceptable")
        S(408, "Request Timeout")
        S(409, "Conflict")
        S(410, "Gone")
        S(411, "Length Required")
        S(412, "Precondition Failed")
        S(413, "Content Too Large")
        S(414, "URI Too Long")
        S(415, "Unsupported Media Type")
        S(416, "Range Not Satisfiable")
        S(417, "Expectation Failed")
        S(422, "Unprocessable Content")
        S(428, "Precondition Required")
        S(429, "Too Many Requests")
        S(431, "Request Header Fields Too Large")
        S(500, "Internal Server Error")
        S(501, "Not Implemented")
        S(502, "Bad Gateway")
        S(503, "Service Unavailable")
        S(504, "Gateway Timeout")
        S(505, "HTTP Version Not Supported")
        S(507, "Insufficient Storage")
#undef S
    default:
        return (struct str){0};
    }
}

/* RFC 9110 6.4.1, 8.6. */
static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static char *put_framing(struct exchange *x, char *to, size_t body_n)
{
    if (x->state == X_STREAM) {
        if (x->chunked_out)
            to = str_put(to, STR("Transfer-Encoding: chunked\r\n"));
    } else if (!has_no_body(x->pub.status)) {
        to = str_put(to, STR("Content-Length: "));
        to += num_print_u64(body_n, to);
        to = str_put(to, STR("\r\n"));
    }
    if (x->pub.close)
        to = str_put(to, STR("Connection: close\r\n"));
    else if (x->keep_alive_1_0)
        to = str_put(to, STR("Connection: keep-alive\r\n"));
    return to;
}

enum err exchange_format(struct exchange *x, bool keep_alive)
{
    struct http_exchange *pub = &x->pub;
    struct http_loop *l = pub->loop;
    struct str type = str_from(pub->content_type);
    struct str body = x->static_body ? pub->body_static : buf_view(&pub->body);
    bool bare = has_no_body(pub->status) || pub->request.method == HTTP_HEAD;
    size_t body_copied = bare || body.n > HEAD_INLINE_BODY_MAX ? 0 : body.n;

    pub->close |= !keep_alive;
    char *start = buf_reserve(&x->out, 256 + l->common_n + type.n + pub->extra.n + body_copied);
    if (!start)
        return ERR_NOMEM;
    char *to = start;
    struct str line = status_line(pub->status);
    if (line.p) {
        to = str_put(to, line);
    } else {
        to = str_put(to, STR("HTTP/1.1 "));
        to += num_print_u64((uint64_t)pub->status, to);
        to = str_put(to, STR(" \r\n"));
    }
    to = str_put(to, (struct str){l->common, l->common_n});
    if (type.p && !has_no_body(pub->status)) {
        to = str_put(str_put(to, STR("Content-Type: ")), type);
        to = str_put(to, STR("\r\n"));
    }
    to = put_framing(x, to, body.n);
    to = str_put(to, buf_view(&pub->extra));
    to = str_put(to, STR("\r\n"));
    if (body_copied)
        to = str_put(to, body);
    x->out.n += (size_t)(to - start);
    /* Nothing is left to send behind x->out: bare, or copied. */
    if (bare || body_copied == body.n)
        x->body_sent = body.n;
    return ERR_OK;
}
