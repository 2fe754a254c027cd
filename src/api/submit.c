#include "api/call.h"

#include "base/assert.h"
#include "base/log.h"

/* Submission is the dispatcher's last act on its thread, after the handler has returned: a writer
 * may have answered the client before ingest_submit() is back. */

enum err api_ingest(struct api_call *pub, const struct event *events, int32_t count,
                    enum err (*then)(struct api_call *c, const struct ingest_result *results,
                                     int32_t count))
{
    struct call *c = call_of(pub);
    ASSERT(c->pending == PENDING_NONE && count > 0 && then);

    struct ingest_result *results = arena_new(pub->arena, struct ingest_result, (size_t)count);
    c->batch = arena_new(pub->arena, struct ingest_batch, 1);
    if (!results || !c->batch)
        return ERR_NOMEM;
    *c->batch = (struct ingest_batch){
        .events = events,
        .count = count,
        .results = results,
        .bytes = pub->arena->used + pub->x->request.body.n,
    };
    c->then_events = then;
    c->then_change = NULL;
    c->ahead = false;
    c->pending = PENDING_EVENTS;
    pub->pending = true;
    return ERR_OK;
}

enum err api_change(struct api_call *pub,
                    enum err (*run)(struct api_call *c, struct store_conn *conn),
                    enum err (*then)(struct api_call *c))
{
    struct call *c = call_of(pub);
    ASSERT(c->pending == PENDING_NONE && run);

    c->change = run;
    c->then_change = then;
    c->then_events = NULL;
    c->ahead = false;
    c->pending = PENDING_CHANGE;
    pub->pending = true;
    return ERR_OK;
}

enum err api_change_ahead(struct api_call *pub,
                          enum err (*run)(struct api_call *c, struct store_conn *conn),
                          enum err (*then)(struct api_call *c))
{
    enum err e = api_change(pub, run, then);
    call_of(pub)->ahead = true;
    return e;
}

enum err api_change_beside(struct api_call *pub,
                           enum err (*run)(struct api_call *c, struct store_conn *conn),
                           enum err (*then)(struct api_call *c))
{
    call_of(pub)->beside = true;
    return api_change(pub, run, then);
}

static void went_through(struct call *c, enum err e)
{
    if (c->beside && e != ERR_OK) {
        log_event(LOG_WARN, "request.change_lost", LOG_S("requestId", c->pub.x->request.id),
                  LOG_C("endpoint", c->pub.row->id), LOG_C("error", err_code(e)));
        c->pub.problem = (struct problem){.code = NULL};
        e = ERR_OK;
    }
    if (e != ERR_OK)
        c->printed = false; /* what was not stored is not told */
    c->pending = PENDING_NONE;
    c->pub.pending = false;
    c->submitted = e;
    c->stage = STAGE_THEN;
    call_resume(c);
}

static void batch_done(struct ingest_batch *b, enum err e)
{
    went_through(b->user, e);
}

static enum err change_run(struct ingest_task *t, struct store_conn *conn)
{
    struct call *c = t->user;
    return c->idempotency.key.p && !c->ahead ? idempotency_run(c, conn) : c->change(&c->pub, conn);
}

static void change_done(struct ingest_task *t, enum err e)
{
    went_through(t->user, e);
}

static void batch_end(void *batch)
{
    struct ingest_batch *b = batch;
    arena_fini(&b->arena);
}

/* Results' text lives in the batch's own arena, which ends with the call's. */
static enum err submit_events(struct call *c)
{
    arena_init(&c->batch->arena, c->route->verdict.arena_max);
    if (arena_on_end(c->pub.arena, batch_end, c->batch) != ERR_OK)
        return ERR_NOMEM;
    c->batch->done = batch_done;
    c->batch->user = c;
    return ingest_submit(c->pub.api->options.ingest, c->batch);
}

void submit_pending(struct call *c)
{
    enum err e;

    if (c->pending == PENDING_EVENTS && !c->idempotency.key.p) {
        e = submit_events(c);
    } else {
        c->task = (struct ingest_task){
            .run = change_run, .done = change_done, .learner = c->pub.learner, .user = c};
        e = ingest_submit_task(c->pub.api->options.ingest, &c->task);
    }
    if (e != ERR_OK && c->beside) {
        went_through(c, e);
    } else if (e != ERR_OK) {
        c->pending = PENDING_NONE;
        reply_send(c, e);
    }
}
