#include "api/analysis.h"

#include "api/call.h"
#include "api/learner.h"
#include "base/clock.h"

enum { MOVED_MAX = 8 /* rounds in a row that somebody else was faster in */ };

struct analysis {
    struct analysis_ask ask;
    struct arena arena; /* of the round */
    struct night_work work;
    int64_t until_us; /* monotonic: no round begins later */
    int32_t moved;
    bool withdrawn, beaten; /* what the last round's transaction found */
};

static void analysis_end(void *analysis)
{
    struct analysis *a = analysis;
    arena_fini(&a->arena);
}

static enum err begin(struct api_call *c, const struct analysis_ask *ask, struct analysis **ret)
{
    struct analysis *a = arena_new(c->arena, struct analysis, 1);
    int64_t now_us = clock_mono_us();

    if (!a)
        return ERR_NOMEM;
    *a = (struct analysis){.ask = *ask, .until_us = now_us + (c->deadline_us - now_us) / 2};
    arena_init(&a->arena, NIGHT_ARENA_MAX);
    *ret = a;
    if (arena_on_end(c->arena, analysis_end, a) == ERR_OK)
        return ERR_OK;
    arena_fini(&a->arena);
    return ERR_NOMEM;
}

static enum err nothing_run(struct api_call *c, struct store_conn *conn)
{
    (void)c;
    (void)conn;
    return ERR_OK;
}

/* Under a key, the reply goes by way of a writer, which keeps it. */
static enum err finish(struct api_call *c, const struct analysis *a)
{
    return call_of(c)->idempotency.key.p ? api_change(c, nothing_run, a->ask.then) : a->ask.then(c);
}

static enum err withdrawn(struct api_call *c, const struct analysis *a)
{
    if (a->ask.refuse)
        return api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT, STR_ARG(reason_disabled));
    return finish(c, a);
}

/* In the writer's transaction. The guard comes first: when it finds that somebody was faster,
 * nothing has been written. */
static enum err round_write(struct api_call *c, struct store_conn *conn)
{
    struct analysis *a = call_of(c)->analysis;
    struct night_work *w = &a->work;
    const struct value name = V_S(c->learner);
    struct query q = {.stmt = STMT_NIGHT_LEARNER, .args = &name, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(conn, &a->arena, &q, 1, 0);

    a->withdrawn = a->beaten = false;
    if (e != ERR_OK)
        return e;
    const struct value *v = q.rows.count > 0 ? row_at(&q.rows, 0) : NULL;
    a->withdrawn = !v || value_i64(&v[0], 0) != w->learner_id || value_i64(&v[2], 0) == 0;
    if (a->withdrawn)
        return ERR_OK;
    e = night_write(w, conn);
    a->beaten = e == ERR_CONFLICT && w->guard.rows > 0 && w->guard.changed == 0;
    return a->beaten ? ERR_OK : e;
}

static enum err round_make(struct api_call *c);

static enum err round_written(struct api_call *c)
{
    struct analysis *a = call_of(c)->analysis;

    if (a->withdrawn)
        return withdrawn(c, a);
    a->moved = a->beaten ? a->moved + 1 : 0;
    if (a->moved > MOVED_MAX)
        return ERR_BUSY;
    if (!a->beaten && !a->work.more)
        return finish(c, a);
    if (clock_mono_us() < a->until_us)
        return round_make(c);
    return a->beaten ? ERR_BUSY : finish(c, a);
}

static enum err round_make(struct api_call *c)
{
    struct analysis *a = call_of(c)->analysis;
    struct night_work *w = &a->work;

    arena_clear(&a->arena);
    *w = (struct night_work){.conn = c->conn,
                             .weights = c->api->options.weights,
                             .arena = &a->arena,
                             .deadline_us = c->deadline_us,
                             .now_us = c->now_us,
                             .days_ahead = a->ask.days_ahead,
                             .asked = true};
    enum err e = night_compute(w, c->learner, a->ask.step);
    call_analysed(call_of(c));
    if (e == ERR_NOT_FOUND)
        return api_refuse(c, ERR_NOT_FOUND, NULL, "There is no such learner.");
    if (e != ERR_OK)
        return e;
    if (!w->analysis)
        return withdrawn(c, a);
    if (w->bulk_count == 0 && w->guard.rows == 0)
        return finish(c, a);
    return api_change_ahead(c, round_write, round_written);
}

enum err analysis_make(struct api_call *c, const struct analysis_ask *ask)
{
    enum err e = begin(c, ask, &call_of(c)->analysis);

    return e == ERR_OK ? round_make(c) : e;
}

int64_t analysis_behind(struct api_call *c)
{
    const struct analysis *a = call_of(c)->analysis;

    return a && a->work.more ? a->work.behind : 0;
}
