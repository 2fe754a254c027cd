/* The family for those who run the server: is it alive, is it ready, what does it count, what can
 * it do. Open to all: nothing here tells of a learner. */
#include "api/cache_admin.h"
#include "api/call.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "night/night.h"

#include <stdio.h>

struct alive_reply {
    struct str status;
};
static const struct field alive_fields[] = {
    FIELD(F_STR, struct alive_reply, status, "status", .doc = "always \"ok\""),
    FIELD_END,
};

static enum err get_healthz(struct api_call *c)
{
    static struct alive_reply alive = {{"ok", 2}};
    c->reply = &alive;
    return ERR_OK;
}

struct check_reply {
    bool ok;
    struct str detail;
};
static const struct field check_fields[] = {
    FIELD(F_BOOL, struct check_reply, ok, "ok", .doc = "may requests rely on this?"),
    FIELD(F_STR, struct check_reply, detail, "detail", .doc = "what was seen"),
    FIELD_END,
};
struct ready_reply {
    struct str status;
    struct check_reply store, schema, disk, ingest, draining;
    int64_t checked_ms_ago;
};
#define CHECK(member, text)                                                   \
    FIELD(F_OBJECT, struct ready_reply, member, #member, .sub = check_fields, \
          .size = sizeof(struct check_reply), .doc = text)
static const struct field ready_fields[] = {
    FIELD(F_STR, struct ready_reply, status, "status", .doc = "\"ready\" or \"not ready\""),
    CHECK(store, "the database answers"),
    CHECK(schema, "its schema is the one this program needs"),
    CHECK(disk, "its disk has at least 1 % and 64 MiB left"),
    CHECK(ingest, "the queue of events has room, and the disk takes what is written"),
    CHECK(draining, "the server is not about to stop"),
    FIELD(F_I64, struct ready_reply, checked_ms_ago, "checkedMsAgo",
          .doc = "age of the answers of store, schema and disk"),
    FIELD_END,
};

static void health_print(struct api *a, struct arena *arena, struct ready_reply *r)
{
    struct health_seen h = health_seen(a);

    r->checked_ms_ago = (clock_mono_us() - h.at_us) / US_PER_MS;
    r->store.ok = h.store_ok;
    r->store.detail = h.stuck ? STR("does not answer")
                      : h.store_ok
                          ? arena_printf(arena, "answers in %.1f ms", (double)h.store_us / 1000.0)
                          : STR("cannot be reached");
    r->schema.ok = h.schema_ok;
    r->schema.detail = arena_printf(arena, "version %d, needed %d", h.schema_have, h.schema_want);
    r->disk.ok = h.disk_ok;
    r->disk.detail = h.disk_free >= 0    ? arena_printf(arena, "%lld of %lld MiB free",
                                                        (long long)(h.disk_free >> 20),
                                                        (long long)(h.disk_total >> 20))
                     : a->database_dir.n ? STR("cannot be read")
                                         : STR("the database is on another server");
}

static bool ingest_takes(const struct api *a, const struct ingest_stats *s)
{
    const struct config *cf = a->config;

    return s->queued_events < cf->ingest_queue_events && s->queued_bytes < cf->ingest_queue_bytes &&
           !s->disk_failed;
}

static void ingest_print(struct api *a, struct arena *arena, struct check_reply *r)
{
    const struct config *cf = a->config;
    struct ingest_stats s;

    ingest_stats(a->options.ingest, &s);
    r->ok = ingest_takes(a, &s);
    if (s.disk_failed) {
        r->detail = STR("the disk failed; nothing is stored until the server is restarted");
        return;
    }
    r->detail = arena_printf(arena, "%lld of %lld events wait", (long long)s.queued_events,
                             (long long)cf->ingest_queue_events);
}

/* From what is known: it never waits. */
static enum err get_readyz(struct api_call *c)
{
    struct api *a = c->api;
    struct ready_reply *r = arena_new(c->arena, struct ready_reply, 1);

    if (!r)
        return ERR_NOMEM;
    health_print(a, c->arena, r);
    ingest_print(a, c->arena, &r->ingest);
    r->draining.ok = !atomic_load(&a->draining);
    r->draining.detail = r->draining.ok ? STR("no") : STR("the server is stopping");
    bool ready = r->store.ok && r->schema.ok && r->disk.ok && r->ingest.ok && r->draining.ok;
    r->status = ready ? STR("ready") : STR("not ready");
    c->reply = r;
    if (!ready)
        return api_refuse(c, ERR_NOT_READY, NULL, "The server is not ready; data says why.");
    return ERR_OK;
}

static void print_ingest(struct metrics_page *p, const struct ingest_stats *s)
{
    metrics_page_labelled(p, METRIC_INGEST_EVENTS, "result", STR("accepted"), (double)s->accepted);
    metrics_page_labelled(p, METRIC_INGEST_EVENTS, "result", STR("duplicate"),
                          (double)s->duplicates);
    metrics_page_labelled(p, METRIC_INGEST_EVENTS, "result", STR("rejected"), (double)s->rejected);
    metrics_page_value(p, METRIC_INGEST_BATCHES, (double)s->batches);
    metrics_page_value(p, METRIC_INGEST_TRANSACTIONS, (double)s->transactions);
    metrics_page_value(p, METRIC_INGEST_FAILED, (double)s->failed);
    metrics_page_value(p, METRIC_INGEST_REFUSED, (double)s->refused);
    metrics_page_value(p, METRIC_INGEST_QUEUED, (double)s->queued_events);
    metrics_page_value(p, METRIC_INGEST_QUEUED_BYTES, (double)s->queued_bytes);
    metrics_page_value(p, METRIC_INGEST_COMMIT, (double)s->commit_us_total / 1e6);
    metrics_page_value(p, METRIC_INGEST_SYNC, (double)s->sync_us_total / 1e6);
    metrics_page_value(p, METRIC_INGEST_SYNCS, (double)s->syncs);
    metrics_page_value(p, METRIC_INGEST_GROUP_MAX, (double)s->group_events_max);
}

static void print_night(struct metrics_page *p, const struct night *n)
{
    struct night_stats s;

    night_stats(n, &s);
    metrics_page_value(p, METRIC_NIGHT_LEARNERS, (double)s.learners);
    metrics_page_value(p, METRIC_NIGHT_FAILED, (double)s.failed);
    metrics_page_value(p, METRIC_NIGHT_BEHIND, (double)s.behind_us / US_PER_S);
}

static bool is_ready(struct api *a)
{
    struct health_seen h = health_seen(a);
    struct ingest_stats s;

    ingest_stats(a->options.ingest, &s);
    return h.store_ok && h.schema_ok && h.disk_ok && ingest_takes(a, &s) &&
           !atomic_load(&a->draining);
}

static enum err get_metrics(struct api_call *c)
{
    struct api *a = c->api;
    struct http_server *server = atomic_load(&a->server);
    struct metrics_page p;
    struct workers_stats workers;
    struct ingest_stats ingest;

    metrics_page_init(&p, &c->x->body);
    metrics_page_labelled(&p, METRIC_BUILD_INFO, "version", STR(DOPPEL_VERSION), 1);
    metrics_page_value(&p, METRIC_READY, is_ready(a));
    metrics_print_requests(a->metrics, &p, a->route_names);
    if (server) {
        struct http_stats http;
        http_server_stats(server, &http);
        metrics_print_http(&p, &http);
    }
    metrics_print_counts(a->metrics, &p);
    ingest_stats(a->options.ingest, &ingest);
    print_ingest(&p, &ingest);
    workers_stats(a->workers, &workers);
    metrics_print_workers(&p, &workers);
    metrics_print_store(&p, a->options.store);
    cache_metrics(a, &p);
    if (a->options.night)
        print_night(&p, a->options.night);
    metrics_page_value(&p, METRIC_LOG_DROPPED, (double)log_dropped());
    if (a->access)
        metrics_page_value(&p, METRIC_ACCESS_DROPPED, (double)access_dropped(a->access));
    metrics_print_process(&p);
    return ERR_OK;
}

/* Printed once; it never changes while the program runs. */
static struct buf openapi_text;
static void openapi_make(void)
{
    struct json_writer w;

    buf_init(&openapi_text, 4 << 20);
    json_writer_init(&w, &openapi_text);
    openapi_write(&w);
}

static enum err get_openapi(struct api_call *c)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, openapi_make);
    if (openapi_text.failed)
        return ERR_NOMEM;
    c->x->body_static = buf_view(&openapi_text);
    return ERR_OK;
}

struct link_reply {
    struct str href, text;
};
static const struct field link_fields[] = {
    FIELD(F_STR, struct link_reply, href, "href", .doc = "path on this server"),
    FIELD(F_STR, struct link_reply, text, "text", .doc = "what is there"),
    FIELD_END,
};
struct index_reply {
    struct str name, version;
    struct list links;
};
static const struct field index_fields[] = {
    FIELD(F_STR, struct index_reply, name, "name", .doc = "name of the program"),
    FIELD(F_STR, struct index_reply, version, "version", .doc = "its version"),
    FIELD(F_LIST, struct index_reply, links, "links", .sub = link_fields,
          .size = sizeof(struct link_reply), .doc = "where to go from here"),
    FIELD_END,
};

static enum err get_index(struct api_call *c)
{
#define LINK(h, t)           \
    {                        \
        {h, sizeof(h) - 1},  \
        {                    \
            t, sizeof(t) - 1 \
        }                    \
    }
    static struct link_reply links[] = {
        LINK("/openapi.json", "every endpoint, with its parameters and replies"),
        LINK("/healthz", "is the server alive"),
        LINK("/readyz", "is it ready to answer, and if not, why"),
        LINK("/metrics", "what it counts, for Prometheus"),
        LINK("/api/events/schema", "the form of an event"),
    };
#undef LINK
    static struct index_reply index = {
        .name = {"doppel", 6},
        .version = {DOPPEL_VERSION, sizeof DOPPEL_VERSION - 1},
        .links = {links, COUNT(links)},
    };
    c->reply = &index;
    return ERR_OK;
}

struct problem_in {
    struct str code;
};
static const struct field problem_params[] = {
    FIELD(F_STR, struct problem_in, code, "code", .flags = FIELD_REQUIRED, .min = 1, .max = 64,
          .doc = "last part of a problem's type"),
    FIELD_END,
};
struct problem_reply {
    struct str code, title;
    int32_t status;
    bool may_retry;
};
static const struct field problem_fields[] = {
    FIELD(F_STR, struct problem_reply, code, "code", .doc = "machine code of the problem"),
    FIELD(F_STR, struct problem_reply, title, "title", .doc = "what it means"),
    FIELD(F_I32, struct problem_reply, status, "status", .min = 400, .max = 599,
          .doc = "HTTP status that carries it"),
    FIELD(F_BOOL, struct problem_reply, may_retry, "mayRetry",
          .doc = "may the same request succeed later?"),
    FIELD_END,
};

static enum err get_problem(struct api_call *c)
{
    const struct problem_in *in = c->in;

    for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
        if (err_http((enum err)e) == 0 || !str_eq(in->code, str_from(err_code((enum err)e))))
            continue;
        struct problem_reply *r = arena_new(c->arena, struct problem_reply, 1);
        if (!r)
            return ERR_NOMEM;
        r->code = str_from(err_code((enum err)e));
        r->title = str_from(err_text((enum err)e));
        r->status = err_http((enum err)e);
        r->may_retry = err_may_retry((enum err)e);
        c->reply = r;
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

#define ALWAYS_NOW                                      \
    {                                                   \
        .why_none = "it tells the state of this moment" \
    }

const struct endpoint endpoints_operate[] = {
    {.method = HTTP_GET,
     .path = "/",
     .id = "get_index",
     .tag = "operate",
     .summary = "Name, version, and where to go from here",
     .reply = index_fields,
     .run = RUN_LOOP,
     .arena_max = 64 * 1024,
     .cache = {.fresh_s = 60, .shared = true},
     .handler = get_index},
    {.method = HTTP_GET,
     .path = "/healthz",
     .id = "get_healthz",
     .tag = "operate",
     .summary = "Is the server alive?",
     .reply = alive_fields,
     .envelope = ENVELOPE_FLAT,
     .run = RUN_LOOP,
     .arena_max = 64 * 1024,
     .cache = ALWAYS_NOW,
     .handler = get_healthz},
    {.method = HTTP_GET,
     .path = "/health",
     .id = "get_health",
     .tag = "operate",
     .summary = "As /healthz: the former prediction service's path",
     .reply = alive_fields,
     .envelope = ENVELOPE_FLAT,
     .run = RUN_LOOP,
     .arena_max = 64 * 1024,
     .cache = ALWAYS_NOW,
     .handler = get_healthz},
    {.method = HTTP_GET,
     .path = "/readyz",
     .id = "get_readyz",
     .tag = "operate",
     .summary = "Is it ready to answer? 200 or 503, with the state of each check",
     .reply = ready_fields,
     .run = RUN_LOOP,
     .arena_max = 64 * 1024,
     .cache = ALWAYS_NOW,
     .handler = get_readyz},
    {.method = HTTP_GET,
     .path = "/metrics",
     .id = "get_metrics",
     .tag = "operate",
     .summary = "Counters and histograms in Prometheus' text format",
     .envelope = ENVELOPE_RAW,
     .media = "text/plain; version=0.0.4; charset=utf-8",
     .run = RUN_LOOP,
     .arena_max = 64 * 1024,
     .reply_max = 4 << 20,
     .cache = ALWAYS_NOW,
     .handler = get_metrics},
    {.method = HTTP_GET,
     .path = "/openapi.json",
     .id = "get_openapi",
     .tag = "operate",
     .summary = "This interface as an OpenAPI 3.1 document",
     .envelope = ENVELOPE_RAW,
     .media = "application/json",
     .run = RUN_LOOP,
     .arena_max = 64 * 1024,
     .cache = {.fresh_s = 60, .shared = true},
     .handler = get_openapi},
    {.method = HTTP_GET,
     .path = "/problems/{code}",
     .id = "get_problem",
     .tag = "operate",
     .summary = "What a problem's type means",
     .params = problem_params,
     .in_size = sizeof(struct problem_in),
     .reply = problem_fields,
     .run = RUN_LOOP,
     .arena_max = 64 * 1024,
     .errors = UINT64_C(1) << ERR_NOT_FOUND,
     .cache = {.fresh_s = 3600, .shared = true},
     .handler = get_problem},
    {.path = NULL},
};
