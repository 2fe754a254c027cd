#include "api/call.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

#include <math.h>
#include <stdio.h>

/* May this call's present stage run on its loop? */
static bool loop_may(const struct call *c)
{
    const struct api *a = c->pub.api;
    enum api_run run = c->pub.row->run;

    if (c->stage == STAGE_THEN && (c->submitted != ERR_OK || c->printed))
        return true; /* there is only something to be sent */
    if ((c->heavy || c->moved) && c->stage != STAGE_CACHE)
        return false;
    switch (c->stage) {
    case STAGE_WHO:
        return !c->who_from_store || a->embedded;
    case STAGE_INPUT:
        return a->embedded || !input_learner_needs_store(c);
    case STAGE_CACHE:
        return true;
    case STAGE_HANDLER:
    case STAGE_THEN:
        return run == RUN_LOOP || (run == RUN_SMALL && a->embedded);
    }
    UNREACHABLE();
}

/* The loop's own connection, made when it is first needed: opening a file is quick. */
static struct store_conn *loop_conn(struct api *a, const struct http_exchange *x)
{
    int32_t i = http_loop_index(x->loop);

    ASSERT(i >= 0 && i < LOOPS_MAX);
    if (!a->loop_conns[i]) {
        struct store_conn *conn;
        if (store_connect(a->options.store, STORE_READER, &conn) == ERR_OK)
            a->loop_conns[i] = conn;
    }
    return a->loop_conns[i];
}

static bool stage_needs_store(const struct call *c)
{
    switch (c->stage) {
    case STAGE_WHO:
        return c->who_from_store;
    case STAGE_INPUT:
        return input_learner_needs_store(c);
    case STAGE_CACHE:
        return false;
    case STAGE_HANDLER:
    case STAGE_THEN:
        return c->submitted == ERR_OK && !c->printed && (c->pub.row->run != RUN_LOOP || c->moved);
    }
    UNREACHABLE();
}

/* IPv6 callers own a /64 at least: that is one caller. */
static bool address_limited(struct call *c, int64_t now_us)
{
    const struct net_peer *peer = c->pub.x->request.peer;
    static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
    struct api *a = c->pub.api;

    if (!a->by_address || peer->is_unix)
        return false;
    size_t n = memcmp(peer->address, v4, sizeof v4) == 0 ? 16 : 8;
    if (rate_take(a->by_address, (struct str){(const char *)peer->address, n}, 1, now_us,
                  &c->retry_after_s))
        return false;
    metrics_add(a->metrics, METRIC_RATE_LIMITED, RATE_LIMITED_ADDRESS, 1);
    return true;
}

static enum err check_scopes(struct call *c)
{
    const struct endpoint *row = c->pub.row;

    if (c->pub.who.scopes & (row->scopes | SCOPE_ADMIN))
        return ERR_OK;
    metrics_add(c->pub.api->metrics, METRIC_AUTH_FAILURES, AUTH_FAILED_SCOPE, 1);
    struct str needed = scopes_print(row->scopes, c->pub.arena);
    return api_refuse(&c->pub, ERR_FORBIDDEN, NULL,
                      "This call needs one of these scopes: " STR_FMT ".", STR_ARG(needed));
}

static bool key_limited(struct call *c)
{
    struct api *a = c->pub.api;

    if (!a->by_key || c->pub.who.dev ||
        rate_take(a->by_key, c->pub.who.name, 1, c->pub.x->request.received_us, &c->retry_after_s))
        return false;
    metrics_add(a->metrics, METRIC_RATE_LIMITED, RATE_LIMITED_KEY, 1);
    return true;
}

/* ERR_NOT_FOUND: ask again with the store. */
static enum err stage_who(struct call *c)
{
    struct api *a = c->pub.api;
    const struct http_request *rq = &c->pub.x->request;
    enum err e;

    c->auth_epoch = auth_epoch(a->options.auth); /* before: a key that goes meanwhile was not seen */
    if (c->who_from_store)
        e = auth_check_store(a->options.auth, c->pub.conn, rq, c->pub.now_us, c->pub.arena,
                             &c->pub.who, &c->auth_reason);
    else
        e = auth_check(a->options.auth, rq, c->pub.now_us, c->pub.arena, &c->pub.who,
                       &c->auth_reason);
    if (e == ERR_NOT_FOUND && !c->who_from_store)
        return e;
    if (e == ERR_NOT_FOUND)
        e = ERR_UNAUTHORIZED;
    if (e == ERR_UNAUTHORIZED) {
        metrics_add(a->metrics, METRIC_AUTH_FAILURES, AUTH_FAILED_WHO, 1);
        return api_refuse(&c->pub, e, NULL, "%s", c->auth_reason ? c->auth_reason : err_text(e));
    }
    if (e != ERR_OK)
        return e;
    return key_limited(c) ? ERR_TOO_MANY : check_scopes(c);
}

static void counts_add(struct store_counts *to, struct store_conn *conn)
{
    struct store_counts n = store_counts_take(conn);

    to->round_trips += n.round_trips;
    to->statements += n.statements;
    to->rows += n.rows;
    to->us += n.us;
    to->reads |= n.reads;
    to->writes |= n.writes;
}

void call_analysed(struct call *c)
{
    counts_add(&c->analysed, c->pub.conn);
}

/* Runs the stage where the caller is; goes to the next one on success. */
static enum err stage_run(struct call *c)
{
    struct api_call *pub = &c->pub;
    enum err e;

    switch (c->stage) {
    case STAGE_WHO:
        e = pub->row->scopes ? stage_who(c) : ERR_OK;
        break;
    case STAGE_INPUT:
        e = c->cached.detached ? cached_input(c) : input_read(c);
        if (e == ERR_OK && !c->cached.detached)
            e = input_learner(c);
        if (e == ERR_OK && !c->route->cached)
            c->stage++;
        break;
    case STAGE_CACHE: /* call_run()'s own */
    case STAGE_HANDLER:
        e = idempotency_begin(c);
        return e == ERR_OK && !c->printed ? pub->row->handler(pub) : e;
    case STAGE_THEN:
        if (c->submitted != ERR_OK || c->printed)
            return c->submitted;
        return c->then_events   ? c->then_events(pub, c->batch->results, c->batch->count)
               : c->then_change ? c->then_change(pub)
                                : ERR_OK;
    default:
        UNREACHABLE();
    }
    if (e == ERR_OK)
        c->stage++;
    return e;
}

/* As if the handler had not run: a small read that took too long starts again on a worker. */
static void handler_undo(struct call *c)
{
    c->moved = true;
    c->printed = false;
    c->pending = PENDING_NONE;
    c->pub.pending = false;
    c->pub.reply = NULL;
    c->pub.reads = 0;
    c->pub.status = 0;
    c->pub.problem = (struct problem){.code = NULL};
    buf_clear(&c->pub.x->body);
    buf_clear(&c->pub.x->extra);
    metrics_add(c->pub.api->metrics, METRIC_LOOP_RETRIES, 0, 1);
}

static void call_run(struct call *c, struct store_conn *conn, bool on_loop);

static void on_worker(struct work *w, void *context)
{
    struct call *c = (struct call *)((char *)w - offsetof(struct call, work));
    struct worker_context *ctx = context;

    call_run(c, ctx->conn, false);
}

/* The way to a worker; false: no room, the call stays the caller's. */
static bool hand_over(struct call *c)
{
    c->work = (struct work){.fn = on_worker};
    return workers_submit(c->pub.api->workers, c->route->lane, &c->work) == ERR_OK;
}

static bool stage_setup(struct call *c, struct store_conn *conn, bool on_loop, int64_t deadline_us)
{
    c->pub.conn = NULL;
    c->pub.deadline_us = deadline_us;
    if (!stage_needs_store(c))
        return true;
    c->pub.conn = on_loop ? loop_conn(c->pub.api, c->pub.x) : conn;
    if (!c->pub.conn)
        return false;
    store_counts_take(c->pub.conn);
    int64_t now_us = clock_mono_us();
    /* What is stored already deserves its answer, even if the commit took all the time. */
    if (c->stage == STAGE_THEN && deadline_us < now_us + US_PER_S)
        c->pub.deadline_us = now_us + US_PER_S;
    if (on_loop && c->stage >= STAGE_HANDLER && now_us + LOOP_BUDGET_US < c->pub.deadline_us)
        c->pub.deadline_us = now_us + LOOP_BUDGET_US;
    return true;
}

/* conn: of the worker; on a loop it is found when it is needed. */
static void call_run(struct call *c, struct store_conn *conn, bool on_loop)
{
    const int64_t deadline_us = c->deadline_us;
    enum err e;

    c->on_loop = on_loop;
    for (;;) {
        if (c->stage == STAGE_CACHE) {
            if (!on_loop) {
                http_on_loop(c->pub.x, call_resume_on_loop, c);
                return;
            }
            enum cached_next next = cached_begin(c, &e);
            if (next == CACHED_PARKED)
                return;
            if (next == CACHED_SEND)
                break;
            c->stage = STAGE_HANDLER;
        }
        if (on_loop && !loop_may(c)) {
            if (!hand_over(c))
                reply_send(c, ERR_BUSY);
            return;
        }
        enum stage stage = c->stage;
        const struct store_counts before = c->spent;
        if (!stage_setup(c, conn, on_loop, deadline_us)) {
            e = ERR_STORE_DOWN;
            break;
        }
        if (!on_loop && stage <= STAGE_HANDLER && clock_mono_us() > deadline_us) {
            e = ERR_DEADLINE; /* it waited too long for a worker: nobody waits for the answer */
            break;
        }
        e = stage_run(c);
        if (c->pub.conn)
            counts_add(&c->spent, c->pub.conn);
        if (stage == STAGE_WHO && e == ERR_NOT_FOUND && !c->who_from_store) {
            c->who_from_store = true;
            continue;
        }
        if (on_loop && stage >= STAGE_HANDLER && e == ERR_DEADLINE && c->submitted == ERR_OK) {
            handler_undo(c);
            c->spent =
                before; /* of a run that was thrown away; the counters of retries tell of it */
            continue;
        }
        if (stage >= STAGE_HANDLER || e != ERR_OK)
            break;
    }
    if (e == ERR_OK && c->pending != PENDING_NONE)
        submit_pending(c);
    else
        reply_send(c, e);
}

void call_begin(struct api *a, struct http_exchange *x, const struct route *route)
{
    struct call *c = arena_new(x->arena, struct call, 1);

    if (!c) {
        reply_problem(a, x, NULL, ERR_NOMEM, NULL);
        http_send(x);
        return;
    }
    c->kind = APP_CALL;
    c->route = route;
    c->pub.x = x;
    c->pub.arena = x->arena;
    c->pub.row = route->row;
    c->pub.api = a;
    c->pub.now_us = clock_us();
    c->heavy = x->request.body.n > LOOP_BODY_MAX;
    /* A body may have been on its way for long; that is not the answer's time. */
    int64_t begun_us = route->verdict.body_expected ? clock_mono_us() : x->request.received_us;
    c->deadline_us = begun_us + (int64_t)route->deadline_ms * US_PER_MS;
    x->app = c;
    if (address_limited(c, x->request.received_us))
        reply_send(c, ERR_TOO_MANY);
    else if (route->cached && cached_shortcut(c))
        reply_send(c, key_limited(c) ? ERR_TOO_MANY : ERR_OK);
    else
        call_run(c, NULL, true);
}

void call_resume_on_loop(void *call)
{
    struct call *c = call;
    call_run(c, NULL, true);
}

void call_run_on_worker(struct call *c, struct store_conn *conn)
{
    call_run(c, conn, false);
}

void call_resume(struct call *c)
{
    if (loop_may(c)) {
        http_on_loop(c->pub.x, call_resume_on_loop, c);
        return;
    }
    if (hand_over(c))
        return;
    if (c->pub.row->run == RUN_LOOP) {
        c->heavy = false; /* needs no store: better a slow moment on the loop than no answer */
        http_on_loop(c->pub.x, call_resume_on_loop, c);
        return;
    }
    /* What was sent is stored, only its answer cannot be made; the same request again is answered
     * without being applied twice. */
    reply_send(c, ERR_BUSY);
}

enum err api_bad_field(struct api_call *c, const char *path, const char *code, const char *fmt, ...)
{
    struct field_error *f = &c->problem.field;
    va_list ap;

    snprintf(f->path, sizeof f->path, "%s", path);
    snprintf(f->code, sizeof f->code, "%s", code);
    f->min = f->max = (double)NAN; /* the words say it */
    va_start(ap, fmt);
    vsnprintf(f->reason, sizeof f->reason, fmt, ap);
    va_end(ap);
    return ERR_RANGE;
}

enum err api_refuse(struct api_call *c, enum err e, const char *code, const char *fmt, ...)
{
    va_list ap;

    c->problem.code = code;
    va_start(ap, fmt);
    vsnprintf(c->problem.detail, sizeof c->problem.detail, fmt, ap);
    va_end(ap);
    return e;
}

enum err api_may_see(const struct api_call *c, struct str learner)
{
    if (!c->who.learner.p || str_eq(c->who.learner, learner))
        return ERR_OK;
    return ERR_NOT_FOUND;
}
