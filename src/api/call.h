/* call - the dispatcher's own view of a call; handlers see api.h only.
 *
 * A call goes through stages (who, input, handler, then). Each runs on the exchange's loop or on a
 * worker; the call belongs to exactly one thread at a time and is handed on as the last act of its
 * holder. After reply_send() or a hand-over the call must not be touched any more.
 *
 *   api.c    making and ending, the callbacks of the HTTP server
 *   call.c   the stages, and where they run
 *   cached.c the cache: what is asked before the handler, what is kept after it
 *   input.c  path, query and body into row->in_size bytes; whom the call is about
 *   reply.c  envelopes, problems, ETag, CORS: everything that leaves
 *   submit.c events and changes by way of the writers
 *   idempotency.c  the same request twice
 *   analysis.c  rounds of a night's step, on demand */
#pragma once
#include "api/api.h"
#include "api/cached.h"
#include "api/idempotency.h"
#include "calendar/sync.h"
#include "cli/config.h"
#include "http/router.h"
#include "net/workers.h"
#include "obs/access.h"
#include "obs/metrics.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    LOOPS_MAX = METRIC_SHARDS_MAX,
    LOOP_BUDGET_US = 2000,     /* of a small read on a loop; then a worker runs it again */
    LOOP_BODY_MAX = 32 * 1024, /* larger bodies are decoded by a worker */
    BODY_DEPTH_MAX = 32,
    LEARNER_ID_MAX = 128,
    ETAG_BODY_MAX = 256 * 1024,
    ORIGINS_MAX = 64,
};

/* What exchange->app points to begins with one of these. */
enum app_kind { APP_ROUTE, APP_CALL };

/* A row with what the dispatcher needs at hand. */
struct route {
    enum app_kind kind;
    const struct endpoint *row;
    int32_t index; /* of its metrics */
    struct http_verdict verdict;
    int32_t deadline_ms;
    enum lane lane;
    char cache_control[96];
    bool etag;
    bool cached; /* answers are kept: cached.h */
};

/* What is kept with a request's head, for when it comes again: http_exchange.note. */
struct note {
    const struct route *route;
    struct shortcut *shortcut; /* NULL: none */
};

enum pending { PENDING_NONE, PENDING_EVENTS, PENDING_CHANGE };
enum stage { STAGE_WHO, STAGE_INPUT, STAGE_CACHE, STAGE_HANDLER, STAGE_THEN };

#define MEDIA_JSON "application/json"

struct call {
    enum app_kind kind;
    const struct route *route;
    struct api_call pub;
    enum stage stage;
    bool heavy;          /* its body is large: not on a loop any more */
    bool moved;          /* its small read took too long: the same */
    bool who_from_store; /* the key must be looked up */
    bool on_loop;        /* where its present holder runs */
    struct cached cached;
    int64_t deadline_us; /* monotonic, of the whole call; a small read on a loop gets less */
    struct store_counts spent;
    const char *auth_reason;
    uint64_t auth_epoch; /* when the credential was looked at */
    int32_t retry_after_s; /* of a 429; 0: one second */
    struct work work;

    /* The way through a writer; prepared by api_ingest() and api_change(). */
    enum pending pending;
    struct ingest_batch *batch; /* in the call's arena */
    struct ingest_task task;
    enum err (*then_events)(struct api_call *c, const struct ingest_result *results, int32_t count);
    enum err (*change)(struct api_call *c, struct store_conn *conn);
    enum err (*then_change)(struct api_call *c);
    bool beside;        /* the call succeeds even where its change fails */
    bool ahead;         /* the change that is pending is not the one that a key is for */
    struct analysis *analysis; /* analysis.c; NULL: none */
    struct store_counts analysed; /* what its rounds read; not in `spent` */
    struct idempotency idempotency;
    bool printed;       /* the reply lies in the exchange, finished but for its headers */
    enum err submitted; /* how the writer ended */
    enum err failed;    /* how the handler ended, while the call goes back to its loop */
};

static inline struct call *call_of(struct api_call *c)
{
    return (struct call *)((char *)c - offsetof(struct call, pub));
}

struct worker_context {
    struct store_conn *conn;
};

/* A look that takes longer has failed. */
enum { HEALTH_STUCK_US = 3000000 };

struct health_seen {
    int64_t at_us; /* monotonic */
    bool store_ok, schema_ok, disk_ok, stuck;
    int32_t schema_have, schema_want;
    int64_t store_us, disk_free, disk_total; /* disk: -1 not known, or the database is elsewhere */
};

/* See health.c. */
struct health {
    pthread_t thread;
    bool started;
    struct store_conn *conn; /* the thread's */
    int32_t looks;           /* the thread's */
    pthread_mutex_t lock;    /* guards what follows */
    pthread_cond_t wake;
    bool stopping;
    int64_t looking_since_us; /* 0: resting */
    struct health_seen seen;
};

struct api {
    struct api_options options;
    const struct config *config;
    bool embedded; /* the store is in this process: small reads may run on the loops */
    struct router *router;
    struct route *routes;
    int32_t route_count;
    const char **route_names; /* by metrics index */
    struct route nowhere;     /* no such path, wrong method, or refused by the server */
    struct workers *workers;
    struct store_conn *loop_conns[LOOPS_MAX]; /* each touched by its loop only */
    struct rate *by_key, *by_address;         /* NULL: no limit */
    struct tiers *tiers;
    struct cached_shard *_Atomic cached_shards[LOOPS_MAX]; /* NULL until the loop's first request */
    _Atomic int32_t warming; /* calls of warm.c at work */
    struct again *again;     /* NULL: answers are made when they are asked for */
    int64_t warmed_until_us; /* UTC: usual hours until then were looked at; the health thread's */
    struct metrics *metrics;
    struct access *access; /* NULL: no access log */
    struct http_server *_Atomic server;
    _Atomic bool draining;
    struct str origins[ORIGINS_MAX];
    int32_t origin_count;
    bool origin_any;
    struct str database_dir; /* "" when the database is elsewhere */
    struct health health;
    struct calendar_setup calendar;
    struct arena arena; /* of all that lives as long as the api */
};

/* call.c */
void call_begin(struct api *a, struct http_exchange *x, const struct route *route);
/* Goes on from call->stage where it may run; the caller's hold on the call ends here. */
void call_resume(struct call *c);
void call_resume_on_loop(void *call);
void call_run_on_worker(struct call *c, struct store_conn *conn); /* the same, on the worker's thread */

/* Counts what the connection has read since the stage began as an analysis' own: it is bounded by
 * the rounds, not by the row's round trips. */
void call_analysed(struct call *c);

/* input.c */
MUST_CHECK enum err input_read(struct call *c);
MUST_CHECK enum err input_learner(struct call *c); /* may use c->pub.conn (--dev's X-User-Email) */
bool input_learner_needs_store(const struct call *c);

/* reply.c */
void reply_send(struct call *c, enum err e);
/* What the handler made, into the exchange. ERR_NOMEM: longer than may be. */
MUST_CHECK enum err reply_print(struct call *c);
/* Fills x with a problem document. c may be NULL: the server refuses. */
void reply_problem(struct api *a, struct http_exchange *x, struct call *c, enum err e,
                   const struct problem *p);
/* OPTIONS, preflight or plain; and a path that is not there. */
void reply_options(struct api *a, struct http_exchange *x, uint32_t allowed);
void reply_nowhere(struct api *a, struct http_exchange *x, uint32_t allowed);
void reply_cors(struct api *a, struct http_exchange *x);

/* submit.c */
void submit_pending(struct call *c);
/* As api_change(), for what may be done twice without harm: also under an Idempotency-Key a
 * transaction of its own, ahead of the one that keeps the reply. */
MUST_CHECK enum err api_change_ahead(struct api_call *c,
                                     enum err (*run)(struct api_call *c, struct store_conn *conn),
                                     enum err (*then)(struct api_call *c));

/* operate.c */
void health_init(struct api *a);
/* Looks once, then begins the thread. ERR_NOMEM. */
MUST_CHECK enum err health_start(struct api *a);
void health_stop(struct api *a); /* idempotent */
void health_fini(struct api *a); /* stops first */
/* What was seen last, a second ago or so. Any thread, at once. */
struct health_seen health_seen(struct api *a);
