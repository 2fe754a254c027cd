#include "api/api.h"

#include "api/again.h"
#include "api/calendar.h"
#include "api/call.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA_MAX = 16 << 20, NOWHERE_ARENA_MAX = 64 * 1024, NOWHERE_REPLY_MAX = 64 * 1024 };

static int32_t count_rows(void)
{
    int32_t n = 0;
    for (int f = 0; endpoint_families[f]; f++)
        for (const struct endpoint *row = endpoint_families[f]; row->path; row++)
            n++;
    return n;
}

static size_t or_setting(size_t own, int64_t setting)
{
    return own ? own : (size_t)setting;
}

/* What open rows say of keeping is for everybody. A learner's answers are kept by the server, which
 * knows when an event makes them old; a browser does not and has to ask (If-None-Match) each time.
 */
static void cache_control(struct route *r)
{
    const struct endpoint *row = r->row;

    if (row->cache.fresh_s > 0 && row->cache.shared)
        snprintf(r->cache_control, sizeof r->cache_control,
                 "public, max-age=%d, s-maxage=%d, stale-while-revalidate=%d", row->cache.fresh_s,
                 row->cache.fresh_s, row->cache.stale_s);
    else if (row->cache.fresh_s > 0 && row->learner == LEARNER_NONE)
        snprintf(r->cache_control, sizeof r->cache_control, "private, max-age=%d",
                 row->cache.fresh_s);
    else
        snprintf(r->cache_control, sizeof r->cache_control, "%s",
                 row->learner != LEARNER_NONE && row->method == HTTP_GET ? "private, no-cache"
                                                                         : "no-store");
    r->etag = row->method == HTTP_GET && strcmp(r->cache_control, "no-store") != 0;
    r->cached = row->method == HTTP_GET && row->cache.fresh_s > 0 && row->run != RUN_LOOP &&
                row->reply && row->envelope != ENVELOPE_RAW;
}

static void route_init(const struct api *a, struct route *r, const struct endpoint *row,
                       int32_t index)
{
    const struct config *cf = a->config;

    *r = (struct route){
        .kind = APP_ROUTE,
        .row = row,
        .index = index,
        .deadline_ms = row->deadline_ms ? row->deadline_ms : (int32_t)cf->request_timeout,
        .lane = row->run == RUN_SLOW ? LANE_SLOW : LANE_FAST,
        .verdict =
            {
                .body_expected = row->body || row->body_raw,
                .body_required = row->body_raw || (row->body && !row->body_optional),
                .body_max = or_setting(row->body_max, row->body_raw ? cf->events_body_bytes_max
                                                                    : cf->body_bytes_max),
                .reply_max = or_setting(row->reply_max, cf->reply_bytes_max),
                .arena_max = or_setting(row->arena_max, cf->request_arena_max),
            },
    };
    cache_control(r);
}

static enum err routes_make(struct api *a, char *detail)
{
    a->route_count = count_rows();
    ASSERT(a->route_count + 1 <= METRIC_ENDPOINTS_MAX);
    a->routes = arena_new(&a->arena, struct route, (size_t)a->route_count);
    a->route_names = arena_new(&a->arena, const char *, (size_t)a->route_count + 1);
    if (!a->routes || !a->route_names)
        return ERR_NOMEM;
    enum err e = router_new(&a->router);
    int32_t i = 0;
    for (int f = 0; e == ERR_OK && endpoint_families[f]; f++) {
        for (const struct endpoint *row = endpoint_families[f]; e == ERR_OK && row->path;
             row++, i++) {
            route_init(a, &a->routes[i], row, i);
            a->route_names[i] = row->id;
            e = router_add(a->router, row->method, row->path, &a->routes[i]);
            if (e != ERR_OK)
                snprintf(detail, 200, "endpoint %s: %s", row->id, err_text(e));
        }
    }
    a->nowhere = (struct route){
        .kind = APP_ROUTE,
        .index = i,
        .verdict = {.reply_max = NOWHERE_REPLY_MAX, .arena_max = NOWHERE_ARENA_MAX},
    };
    a->route_names[i] = "none";
    return e;
}

static enum err origins_make(struct api *a, char *detail)
{
    struct str rest = arena_str(&a->arena, a->config->cors_origins);

    while (rest.n > 0) {
        struct str origin = str_trim(str_cut(&rest, ','));
        if (origin.n == 0)
            continue;
        if (str_eq(origin, STR("*"))) {
            a->origin_any = true;
            continue;
        }
        if (a->origin_count == ORIGINS_MAX) {
            snprintf(detail, 200, "cors_origins: more than %d origins", ORIGINS_MAX);
            return ERR_RANGE;
        }
        for (size_t i = 0; i < origin.n; i++) {
            if (origin.p[i] <= ' ' || origin.p[i] == 0x7f) {
                snprintf(detail, 200, "cors_origins: not an origin: " STR_FMT, STR_ARG(origin));
                return ERR_RANGE;
            }
        }
        a->origins[a->origin_count++] = origin;
    }
    return ERR_OK;
}

static enum err rates_make(struct api *a)
{
    const struct config *cf = a->config;
    enum err e = ERR_OK;

    if (cf->rate_per_key > 0)
        e = rate_new(&(struct rate_options){.per_second = (double)cf->rate_per_key,
                                            .burst = (double)cf->rate_per_key_burst,
                                            .buckets_max = 100000},
                     &a->by_key);
    if (e == ERR_OK && cf->rate_per_address > 0)
        e = rate_new(&(struct rate_options){.per_second = (double)cf->rate_per_address,
                                            .burst = (double)cf->rate_per_address_burst,
                                            .buckets_max = 100000},
                     &a->by_address);
    return e;
}

/* The folder whose disk must not fill up; "" when the database is another server's. */
static struct str database_dir(struct api *a)
{
    struct str url = a->config->database, prefix = STR("sqlite:");

    if (!a->embedded || !str_starts(url, prefix))
        return STR("");
    struct str path = {url.p + prefix.n, url.n - prefix.n};
    while (path.n > 1 && path.p[path.n - 1] != '/')
        path.n--;
    return path.n && path.p[path.n - 1] == '/' ? arena_str(&a->arena, path) : STR(".");
}

static void *context_new(void *user, int32_t index)
{
    struct api *a = user;
    struct worker_context *ctx = calloc(1, sizeof *ctx);

    (void)index;
    if (ctx && store_connect(a->options.store, STORE_READER, &ctx->conn) != ERR_OK) {
        free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static void context_free(void *context)
{
    struct worker_context *ctx = context;
    store_disconnect(ctx->conn);
    free(ctx);
}

static enum err workers_make(struct api *a, char *detail)
{
    const struct config *cf = a->config;
    int64_t reserved = cf->workers_reserved < cf->workers ? cf->workers_reserved : cf->workers - 1;
    enum err e = workers_new(&(struct workers_options){.threads = (int32_t)cf->workers,
                                                       .reserved = (int32_t)reserved,
                                                       .queue_max = (int32_t)cf->worker_queue,
                                                       .context_new = context_new,
                                                       .context_free = context_free,
                                                       .user = a},
                             &a->workers);
    if (e != ERR_OK)
        snprintf(detail, 200, "the workers cannot start: %s", err_text(e));
    return e;
}

enum err api_new(const struct api_options *options, struct api **ret, char *ret_detail)
{
    struct api *a = calloc(1, sizeof *a);

    if (!a)
        return ERR_NOMEM;
    a->options = *options;
    a->config = options->config;
    a->tiers = options->tiers;
    a->embedded = store_engine(options->store) == STORE_SQLITE;
    arena_init(&a->arena, ARENA_MAX);
    health_init(a);
    enum err e = routes_make(a, ret_detail);
    if (e == ERR_OK)
        e = origins_make(a, ret_detail);
    a->database_dir = database_dir(a);
    if (e == ERR_OK)
        e = rates_make(a);
    if (e == ERR_OK)
        e = calendar_setup_init(&a->calendar, a->config, ret_detail);
    if (e == ERR_OK)
        e = metrics_new(a->route_count + 1, &a->metrics);
    if (e == ERR_OK && a->config->access_log)
        e = access_new(&a->access);
    if (e == ERR_OK)
        e = workers_make(a, ret_detail);
    if (e == ERR_OK && a->tiers->ahead)
        e = again_new(a, &a->again);
    if (e == ERR_OK)
        e = health_start(a);
    if (e != ERR_OK) {
        api_free(a);
        return e;
    }
    if (a->config->dev)
        log_event(LOG_WARN, "dev.open",
                  LOG_C("text", "--dev: every call from this machine is let in without a key, with "
                                "all rights. Never use it where others can reach."));
    *ret = a;
    return ERR_OK;
}

void api_set_server(struct api *a, struct http_server *s)
{
    atomic_store(&a->server, s);
}

void api_drain(struct api *a)
{
    atomic_store(&a->draining, true);
}

void api_stop(struct api *a)
{
    workers_stop(a->workers);
    health_stop(a);
}

void api_free(struct api *a)
{
    if (!a)
        return;
    workers_free(a->workers);
    again_free(a->again);
    for (int i = 0; i < LOOPS_MAX; i++)
        store_disconnect(a->loop_conns[i]);
    for (int i = 0; i < LOOPS_MAX; i++)
        cached_shard_free(a->cached_shards[i]);
    access_free(a->access);
    metrics_free(a->metrics);
    rate_free(a->by_key);
    rate_free(a->by_address);
    router_free(a->router);
    health_fini(a);
    calendar_setup_fini(&a->calendar);
    arena_fini(&a->arena);
    free(a);
}

/* The same head leads to the same row. */
static const struct route *find_route(struct api *a, struct http_exchange *x)
{
    struct note *note = x->note ? *x->note : NULL;
    struct route_match match;

    if (note)
        return note->route;
    router_find(a->router, x->request.method, x->request.path, &match);
    const struct route *route = match.row ? match.row : &a->nowhere;
    if (x->note && (note = malloc(sizeof *note))) {
        *note = (struct note){.route = route};
        *x->note = note;
    }
    return route;
}

static void note_free(void *p)
{
    struct note *note = p;

    cached_shortcut_unref(note->shortcut);
    free(note);
}

static enum err on_head(void *user, struct http_exchange *x, struct http_verdict *ret)
{
    const struct route *route = find_route(user, x);

    x->app = (void *)(uintptr_t)route;
    *ret = route->verdict;
    return ERR_OK;
}

static void on_request(void *user, struct http_exchange *x)
{
    struct api *a = user;
    const struct route *route = x->app;

    if (route->row) {
        call_begin(a, x, route);
        return;
    }
    struct route_match match;
    router_find(a->router, x->request.method, x->request.path, &match);
    if (str_eq(x->request.path, STR("*"))) /* OPTIONS alone may ask so: what the server takes */
        match.allowed = (1u << HTTP_METHOD_COUNT) - 1;
    if (x->request.method == HTTP_OPTIONS && match.allowed)
        reply_options(a, x, match.allowed);
    else
        reply_nowhere(a, x, match.allowed);
    http_send(x);
}

static void on_reject(void *user, struct http_exchange *x, enum err why, const char *detail)
{
    struct api *a = user;
    struct problem p = {.code = NULL};

    if (!x->app)
        x->app = &a->nowhere;
    if (detail)
        snprintf(p.detail, sizeof p.detail, "%s", detail);
    reply_problem(a, x, NULL, why, &p);
}

static void on_done(void *user, struct http_exchange *x)
{
    struct api *a = user;
    const enum app_kind *kind = x->app;
    struct call *c = kind && *kind == APP_CALL ? x->app : NULL;
    const struct route *route = c ? c->route : kind ? (const void *)kind : &a->nowhere;
    const struct http_request *rq = &x->request;
    int64_t us = rq->received_us ? clock_mono_us() - rq->received_us : 0;
    int32_t loop = http_loop_index(x->loop);

    metrics_request(a->metrics, loop, route->index, x->status, us);
    if (a->access)
        access_put(a->access, loop,
                   &(struct access_record){.method = http_method_name(rq->method),
                                           .endpoint = a->route_names[route->index],
                                           .status = x->status,
                                           .client_gone = x->client_gone,
                                           .duration_us = us,
                                           .bytes = x->bytes_sent,
                                           .id = rq->id,
                                           .traceparent = rq->traceparent,
                                           .who = c ? c->pub.who.name : (struct str){NULL, 0}});
    if (c)
        cached_done(c, us);
}

const struct http_app api_http_app = {
    .on_head = on_head,
    .on_request = on_request,
    .on_reject = on_reject,
    .on_done = on_done,
    .note_free = note_free,
};
