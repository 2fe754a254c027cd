#include "api/call.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <xxhash.h>

#define MEDIA_PROBLEM "application/problem+json"
#define CORS_HEADERS                                                                        \
    "Authorization, Content-Type, Content-Encoding, X-API-Key, X-Request-Id, traceparent, " \
    "If-None-Match, Idempotency-Key, Last-Event-ID, X-User-Id, X-User-Email"
#define CORS_EXPOSED                                                                       \
    "ETag, Age, Cache-Status, X-Request-Id, Server-Timing, Retry-After, Link, " \
    "Idempotency-Replayed"

static bool origin_allowed(const struct api *a, struct str origin)
{
    if (a->origin_any)
        return true;
    for (int32_t i = 0; i < a->origin_count; i++)
        if (str_eq_nocase(a->origins[i], origin))
            return true;
    return false;
}

/* Credentials of browsers (cookies) are never used here, so the answer may be "any". */
void reply_cors(struct api *a, struct http_exchange *x)
{
    if (!a->origin_any && a->origin_count == 0)
        return;
    if (!a->origin_any)
        http_reply_header(x, "Vary", STR("Origin"));
    struct str origin = http_header_get(&x->request, STR("Origin"));
    if (!origin.p || !origin_allowed(a, origin))
        return;
    http_reply_header(x, "Access-Control-Allow-Origin", a->origin_any ? STR("*") : origin);
    http_reply_header(x, "Access-Control-Expose-Headers", STR(CORS_EXPOSED));
}

static void allow_header(struct http_exchange *x, const char *name, uint32_t allowed)
{
    char text[80];
    int n = 0;

    if (allowed & (1u << HTTP_GET))
        allowed |= 1u << HTTP_HEAD;
    allowed |= 1u << HTTP_OPTIONS;
    for (int m = 0; m < HTTP_METHOD_COUNT; m++)
        if (allowed & (1u << m))
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%s", n ? ", " : "",
                          http_method_name((enum http_method)m));
    http_reply_header(x, name, (struct str){text, (size_t)n});
}

void reply_options(struct api *a, struct http_exchange *x, uint32_t allowed)
{
    const struct http_request *rq = &x->request;
    struct str origin = http_header_get(rq, STR("Origin"));

    x->status = 204;
    allow_header(x, "Allow", allowed);
    http_reply_id(x);
    reply_cors(a, x);
    if (!origin.p || !http_header_get(rq, STR("Access-Control-Request-Method")).p ||
        !origin_allowed(a, origin))
        return;
    allow_header(x, "Access-Control-Allow-Methods", allowed);
    http_reply_header(x, "Access-Control-Allow-Headers", STR(CORS_HEADERS));
    http_reply_header(x, "Access-Control-Max-Age", STR("600"));
}

void reply_nowhere(struct api *a, struct http_exchange *x, uint32_t allowed)
{
    struct problem p = {.code = NULL};

    if (allowed) {
        snprintf(p.detail, sizeof p.detail, "This path does not take %s.",
                 http_method_name(x->request.method));
        reply_problem(a, x, NULL, ERR_METHOD, &p);
        allow_header(x, "Allow", allowed);
    } else {
        snprintf(p.detail, sizeof p.detail, "There is no such path; see /openapi.json for all.");
        reply_problem(a, x, NULL, ERR_NOT_FOUND, &p);
    }
}

static bool has_field(const struct problem *p)
{
    return p->field.code[0] != '\0' || p->field.reason[0] != '\0';
}

static void write_field(struct json_writer *w, const struct field_error *f, const char *path_name)
{
    json_object(w);
    json_name(w, str_from(path_name));
    json_str(w, str_from(f->path));
    json_kv_cstr(w, "code", f->code[0] ? f->code : "invalid_value");
    json_kv_cstr(w, "message", f->reason);
    if ((strcmp(f->code, "too_small") == 0 || strcmp(f->code, "too_big") == 0) && !isnan(f->min)) {
        json_kv_f64(w, "minimum", f->min);
        json_kv_f64(w, "maximum", f->max);
    }
    json_object_end(w);
}

/* A 400 says what to do about it: the field's reason goes into the sentence for people. */
static void detail_of(enum err e, const struct problem *p, char *out, size_t size)
{
    if (p->detail[0])
        snprintf(out, size, "%s", p->detail);
    else if (has_field(p) && p->field.path[0])
        snprintf(out, size, "%s: %s.", p->field.path, p->field.reason);
    else if (has_field(p))
        snprintf(out, size, "The body %s.", p->field.reason);
    else
        snprintf(out, size, "%s", err_text(e));
}

/* RFC 9457, with the members that clients of the older interface read. */
static void write_problem(struct json_writer *w, struct http_exchange *x, enum err e, int status,
                          const struct problem *p)
{
    const char *code = p->code ? p->code : err_code(e);
    char detail[400], type[64];

    detail_of(e, p, detail, sizeof detail);
    snprintf(type, sizeof type, "/problems/%s", err_code(e));
    json_kv_cstr(w, "type", type);
    json_kv_cstr(w, "title", err_text(e));
    json_kv_i64(w, "status", status);
    json_kv_cstr(w, "detail", detail);
    if (x->request.id.n)
        json_kv_str(w, "instance", x->request.id);
    json_kv_cstr(w, "code", code);
    json_name(w, STR("errors"));
    json_array(w);
    if (has_field(p))
        write_field(w, &p->field, "field");
    json_array_end(w);
    json_kv_bool(w, "success", false);
    json_name(w, STR("error"));
    json_object(w);
    json_kv_cstr(w, "code", code);
    json_kv_cstr(w, "message", detail);
    if (has_field(p)) {
        json_name(w, STR("details"));
        json_array(w);
        write_field(w, &p->field, "path");
        json_array_end(w);
    }
    json_object_end(w);
    json_kv_cstr(w, "message", detail);
}

static void retry_headers(struct http_exchange *x, const struct call *c, enum err e, int status)
{
    if (err_may_retry(e) && (status == 429 || status == 503 || status == 507)) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", c && c->retry_after_s > 0 ? c->retry_after_s : 1);
        http_reply_header(x, "Retry-After", (struct str){text, (size_t)n});
    }
    if (status == 401)
        http_reply_header(x, "WWW-Authenticate",
                          http_header_get(&x->request, STR("Authorization")).p
                              ? STR("Bearer realm=\"doppel\", error=\"invalid_token\"")
                              : STR("Bearer realm=\"doppel\""));
}

void reply_problem(struct api *a, struct http_exchange *x, struct call *c, enum err e,
                   const struct problem *p)
{
    static const struct problem none = {.code = NULL};
    struct json_writer w;
    int status = err_http(e);

    if (status < 400) { /* an error that should not leave: ours */
        e = ERR_INTERNAL;
        status = err_http(e);
    }
    if (status == 500) /* 501 and 505 are the client's: it must not fill the log */
        log_event(LOG_ERROR, "request.failed", LOG_S("requestId", x->request.id),
                  LOG_C("endpoint", c ? c->pub.row->id : "none"), LOG_C("error", err_code(e)),
                  LOG_C("detail", p ? p->detail : ""));
    x->status = status;
    x->content_type = MEDIA_PROBLEM;
    buf_clear(&x->body);
    buf_clear(&x->extra);
    json_writer_init(&w, &x->body);
    json_object(&w);
    write_problem(&w, x, e, status, p ? p : &none);
    if (c && c->pub.reply && c->pub.row->reply) { /* a refusal that still has something to tell */
        json_name(&w, STR("data"));
        fields_write_json(c->pub.row->reply, &w, c->pub.reply);
    }
    json_object_end(&w);
    http_reply_id(x);
    http_reply_header(x, "Cache-Control", STR("no-store"));
    retry_headers(x, c, e, status);
    reply_cors(a, x);
}

static void write_reply(struct call *c)
{
    const struct endpoint *row = c->pub.row;
    struct json_writer w;

    json_writer_init(&w, &c->pub.x->body);
    w.names = row->names;
    if (row->envelope == ENVELOPE_BARE) {
        fields_write_json(row->reply, &w, c->pub.reply);
        return;
    }
    if (row->envelope == ENVELOPE_LIST) {
        field_write_json(row->reply, &w, c->pub.reply);
        return;
    }
    json_object(&w);
    json_kv_bool(&w, "success", true);
    if (row->envelope == ENVELOPE_DATA) {
        json_name(&w, STR("data"));
        fields_write_json(row->reply, &w, c->pub.reply);
    } else {
        fields_write_members(row->reply, &w, c->pub.reply);
    }
    json_object_end(&w);
}

static void drop_body(struct http_exchange *x)
{
    buf_clear(&x->body);
    if (x->body_release)
        x->body_release(x->body_owner);
    x->body_static = (struct str){NULL, 0};
    x->body_release = NULL;
    x->content_type = NULL;
}

static void add_etag(struct http_exchange *x)
{
    struct str body = x->body_static.p ? x->body_static : buf_view(&x->body);
    char etag[40];

    if (body.n == 0 || body.n > ETAG_BODY_MAX)
        return;
    XXH128_hash_t h = XXH3_128bits(body.p, body.n);
    int n = snprintf(etag, sizeof etag, "\"%016" PRIx64 "%016" PRIx64 "\"", h.high64, h.low64);
    struct str text = {etag, (size_t)n};
    http_reply_header(x, "ETag", text);
    if (http_etag_matches(&x->request, text)) {
        x->status = 304;
        drop_body(x);
    }
}

/* What the store took, in how many round trips, and the whole until here; what an analysis that was
 * asked for read is told apart. Milliseconds. */
static void server_timing(struct call *c)
{
    int64_t us = clock_mono_us() - c->pub.x->request.received_us;
    struct buf *extra = &c->pub.x->extra;
    char text[192];
    int n = 0;

    if (c->analysed.round_trips > 0)
        n = snprintf(text, sizeof text, "analysis;dur=%.3f;desc=\"%d\", ",
                     (double)c->analysed.us / 1e3, c->analysed.round_trips);
    if (c->spent.round_trips > 0)
        n += snprintf(text + n, sizeof text - (size_t)n, "store;dur=%.3f;desc=\"%d\", ",
                      (double)c->spent.us / 1e3, c->spent.round_trips);
    char *start = buf_reserve(extra, sizeof text + 64), *to = start;
    if (!to)
        return;
    to = str_put(to, STR("Server-Timing: "));
    to = str_put(to, (struct str){text, (size_t)n});
    to = str_put(to, STR("total;dur="));
    to += num_print_i64(us / 1000, to);
    const char decimals[] = {
        '.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10), (char)('0' + us % 10), '\r',
        '\n'};
    to = str_put(to, (struct str){decimals, sizeof decimals});
    extra->n += (size_t)(to - start);
}

/* kept: the exchange is filled from an answer, which has its ETag and Cache-Control. */
static void add_headers(struct call *c, bool kept)
{
    struct http_exchange *x = c->pub.x;
    const struct route *r = c->route;

    if (!kept)
        http_reply_header(x, "Cache-Control", str_from(r->cache_control));
    http_reply_id(x);
    if (c->pub.row->run != RUN_LOOP)
        server_timing(c);
    if (c->pub.who.dev)
        http_reply_header(x, "X-Doppel-Mode", STR("dev: no key was asked for"));
    reply_cors(c->pub.api, x);
    if (r->etag && x->status == 200 && !kept)
        add_etag(x);
}

enum err api_stream_begin(struct api_call *pub, const char *media)
{
    struct call *c = call_of(pub);

    ASSERT(!pub->streaming && pub->row->envelope == ENVELOPE_RAW && pub->conn);
    pub->x->status = 200;
    pub->x->content_type = media;
    add_headers(c, false);
    enum err e = http_stream_begin(pub->x);
    pub->streaming = e == ERR_OK;
    return e;
}

enum err reply_print(struct call *c)
{
    const struct endpoint *row = c->pub.row;
    struct http_exchange *x = c->pub.x;

    x->status = c->pub.status ? c->pub.status : row->status ? row->status : 200;
    if (row->envelope == ENVELOPE_RAW) {
        x->content_type = row->media;
    } else if (row->reply) {
        ASSERT(c->pub.reply);
        x->content_type = MEDIA_JSON;
        write_reply(c);
    } else if (!c->pub.status) {
        x->status = 204;
    }
    if (!x->body.failed)
        return ERR_OK;
    c->pub.reply = NULL;
    return ERR_NOMEM;
}

static void reply_finish(struct call *c, enum err e)
{
    struct http_exchange *x = c->pub.x;

    if (c->cached.flight)
        e = cached_end(c, e);
    if (c->cached.detached) {
        cached_detached_free(c);
        return;
    }
    bool kept = e == ERR_OK && c->cached.answer;
    if (kept)
        e = cached_reply(c); /* first: it takes the handler's own lines out again */
    if (e == ERR_OK) {
        add_headers(c, kept);
    } else {
        answer_unref(c->cached.answer); /* over a rate, after it was found */
        c->cached.answer = NULL;
        reply_problem(c->pub.api, x, c, e, &c->pub.problem);
        cached_status_header(c);
    }
    http_send(x);
}

static void finish_on_loop(void *call)
{
    struct call *c = call;

    c->on_loop = true;
    reply_finish(c, c->failed);
}

void reply_send(struct call *c, enum err e)
{
    if (c->pub.streaming) { /* the head has gone out: a failure can only be shown by cutting off */
        http_stream_end(c->pub.x, e == ERR_OK);
        return;
    }
    if (e == ERR_OK && !c->cached.answer && !c->printed)
        e = reply_print(c);
    if (cached_needs_loop(c)) {
        c->failed = e;
        http_on_loop(c->pub.x, finish_on_loop, c);
        return;
    }
    reply_finish(c, e);
}
