/* warm - answers made before anybody asks: by POST /api/cache/warm, and before each learner's usual
 * hour.
 *
 * One learner after the other, each as a piece of work of its own on the slow lane: other slow work
 * gets its turn between two of them, and the threads kept for quick work are never taken. */
#include "api/warm.h"

#include "api/call.h"
#include "base/assert.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    WARM_LEARNERS_MAX = 1000,
    USUAL_EACH_US = 5 * 1000 * 1000, /* between two looks at who comes soon */
    LOOK_US = 5 * 1000 * 1000,
    WARM_AT_ONCE = 4 /* calls of this that are at work */
};

struct warm {
    struct work work;
    struct api *api;
    struct http_loop *loop;
    struct cached_class classes[CLASSES_MAX];
    int32_t class_count;
    int32_t count, next;   /* of learners */
    struct str learners[]; /* their texts lie behind */
};

/* ---- the work ---- */

bool warm_may_ask(const struct endpoint *row, struct cached_class class)
{
    return (class.scopes & (row->scopes | SCOPE_ADMIN)) != 0;
}

bool warm_is_possible(const struct route *r)
{
    const struct endpoint *row = r->row;

    if (!r->cached || row->learner != LEARNER_QUERY || row->params)
        return false;
    for (const struct field *f = row->query; f && f->type != F_END; f++)
        if (f->flags & FIELD_REQUIRED)
            return false;
    return true;
}

static int32_t answers_of_learner(const struct warm *w)
{
    int32_t n = 0;

    for (int32_t i = 0; i < w->api->route_count; i++)
        for (int32_t k = 0; k < w->class_count; k++)
            n += warm_is_possible(&w->api->routes[i]) && warm_may_ask(w->api->routes[i].row, w->classes[k]);
    return n;
}

static void warm_learner(struct warm *w, struct str learner, struct store_conn *conn)
{
    struct api *a = w->api;

    if (!filter_may_have(a->tiers->filter, tag_of(TAG_LEARNER, learner).hash))
        return;
    for (int32_t i = 0; i < a->route_count; i++)
        for (int32_t k = 0; k < w->class_count && warm_is_possible(&a->routes[i]); k++)
            if (warm_may_ask(a->routes[i].row, w->classes[k]))
                cached_warm(a, &a->routes[i], w->loop, w->classes[k], learner, conn);
}

static void warm_free(struct warm *w)
{
    atomic_fetch_sub(&w->api->warming, 1);
    free(w);
}

/* On a worker. A full queue, or the end of the server, ends it: warming is never urgent. */
static void warm_some(struct work *work, void *context)
{
    struct warm *w = (struct warm *)((char *)work - offsetof(struct warm, work));
    struct worker_context *ctx = context;

    if (ctx->conn)
        warm_learner(w, w->learners[w->next], ctx->conn);
    w->next++;
    w->work = (struct work){.fn = warm_some};
    if (!ctx->conn || w->next == w->count ||
        workers_submit(w->api->workers, LANE_SLOW, &w->work) != ERR_OK)
        warm_free(w);
}

/* NULL: no memory. */
static struct warm *warm_new(struct api *a, struct http_loop *loop, const struct list *learners)
{
    const struct str *names = learners->p;
    size_t bytes = sizeof(struct warm) + (size_t)learners->n * sizeof(struct str);

    for (int32_t i = 0; i < learners->n; i++)
        bytes += names[i].n;
    struct warm *w = malloc(bytes);
    if (!w)
        return NULL;
    *w = (struct warm){.work = {.fn = warm_some}, .api = a, .loop = loop, .count = learners->n};
    char *text = (char *)(w->learners + learners->n);
    for (int32_t i = 0; i < learners->n; i++) {
        memcpy(text, names[i].p, names[i].n);
        w->learners[i] = (struct str){text, names[i].n};
        text += names[i].n;
    }
    w->class_count = cached_classes(a, w->classes);
    return w;
}

static enum err warm_begin(struct warm *w)
{
    enum err e = workers_submit(w->api->workers, LANE_SLOW, &w->work);

    if (e != ERR_OK)
        warm_free(w);
    return e;
}

/* ---- before the usual hour ---- */

static enum err names_of(struct arena *arena, const struct rows *rows, struct list *ret)
{
    struct str *names = arena_new(arena, struct str, (size_t)rows->count + 1);

    if (!names)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++)
        names[i] = value_str(row_at(rows, i));
    *ret = (struct list){names, rows->count};
    return ERR_OK;
}

struct usual {
    struct work work;
    struct api *api;
    int64_t from_us, until_us;
};

static enum err read_usual(const struct usual *u, struct store_conn *conn, struct arena *arena,
                           struct list *ret)
{
    const struct value args[] = {V_I(u->from_us), V_I(u->until_us), V_I(WARM_LEARNERS_MAX)};
    struct query q = {.stmt = STMT_CACHE_LEARNERS_USUAL, .args = args, .arg_count = COUNT(args)};
    enum err e = store_read(conn, arena, &q, 1, clock_mono_us() + LOOK_US);

    return e == ERR_OK ? names_of(arena, &q.rows, ret) : e;
}

/* On a worker. What fails is left: the answers are made when they are asked for. */
static void usual_look(struct work *work, void *context)
{
    struct usual *u = (struct usual *)((char *)work - offsetof(struct usual, work));
    struct worker_context *ctx = context;
    struct api *a = u->api;
    struct http_server *server = atomic_load(&a->server);
    struct list learners = {NULL, 0};
    struct arena arena;

    arena_init(&arena, 1 << 20);
    if (ctx->conn && server && read_usual(u, ctx->conn, &arena, &learners) == ERR_OK &&
        learners.n > 0) {
        struct warm *w = warm_new(a, http_server_loop(server, 0), &learners);
        atomic_fetch_add(&a->warming, w != NULL);
        if (w)
            (void)warm_begin(w); /* a full queue: they are not warmed */
    }
    arena_fini(&arena);
    free(u);
}

void warm_usual(struct api *a, int64_t now_us)
{
    int64_t until_us = now_us + a->config->cache_warm_ahead * US_PER_MS;

    if (a->config->cache_warm_ahead == 0 || !cache_keeps(a->tiers->cache))
        return;
    if (a->warmed_until_us == 0)
        a->warmed_until_us = until_us;
    if (until_us - a->warmed_until_us < USUAL_EACH_US)
        return;
    struct usual *u = malloc(sizeof *u);
    if (!u)
        return;
    *u = (struct usual){{.fn = usual_look}, a, a->warmed_until_us, until_us};
    a->warmed_until_us = until_us;
    if (workers_submit(a->workers, LANE_SLOW, &u->work) != ERR_OK)
        free(u);
}

/* ---- the call ---- */

const struct field warm_body[] = {
    FIELD(F_LIST, struct warm_in, learners, "learners", .item = F_STR, .size = sizeof(struct str),
          .max = WARM_LEARNERS_MAX, .doc = "whose; without them those who studied last"),
    FIELD_END,
};

struct warm_reply {
    int64_t learners, answers;
};
const struct field warm_fields[] = {
    FIELD(F_I64, struct warm_reply, learners, "learners", .doc = "how many learners"),
    FIELD(F_I64, struct warm_reply, answers, "answers",
          .doc = "answers being made, one after the other; those that are fresh are left"),
    FIELD_END,
};

static enum err check(struct api_call *c, const struct list *learners)
{
    const struct str *names = learners->p;
    char path[32];

    for (int32_t i = 0; i < learners->n; i++) {
        if (names[i].n >= 1 && names[i].n <= LEARNER_ID_MAX)
            continue;
        snprintf(path, sizeof path, "learners[%d]", i);
        return api_bad_field(c, path, "invalid_format", "must be 1 to %d bytes", LEARNER_ID_MAX);
    }
    return ERR_OK;
}

static enum err read_latest(struct api_call *c, struct list *ret)
{
    const struct value most = V_I(WARM_LEARNERS_MAX);
    struct query q = {.stmt = STMT_CACHE_LEARNERS_LATELY,
                      .args = &most,
                      .arg_count = 1,
                      .rows_max = WARM_LEARNERS_MAX};
    enum err e = store_read(c->conn, c->arena, &q, 1, c->deadline_us);

    return e == ERR_OK ? names_of(c->arena, &q.rows, ret) : e;
}

static enum err begin(struct api_call *c, const struct list *learners, struct warm_reply *r)
{
    struct api *a = c->api;

    if (learners->n == 0)
        return ERR_OK;
    if (atomic_fetch_add(&a->warming, 1) >= WARM_AT_ONCE) {
        atomic_fetch_sub(&a->warming, 1);
        return api_refuse(c, ERR_BUSY, NULL, "Answers are being made already.");
    }
    struct warm *w = warm_new(a, c->x->loop, learners);
    if (!w) {
        atomic_fetch_sub(&a->warming, 1);
        return ERR_NOMEM;
    }
    r->learners = w->count;
    r->answers = (int64_t)w->count * answers_of_learner(w);
    return warm_begin(w);
}

enum err post_warm(struct api_call *c)
{
    const struct warm_in *in = c->in;
    struct list learners = in->learners;
    struct warm_reply *r = arena_new(c->arena, struct warm_reply, 1);
    enum err e = r ? check(c, &learners) : ERR_NOMEM;

    if (e == ERR_OK && learners.n == 0)
        e = read_latest(c, &learners);
    if (e == ERR_OK)
        e = begin(c, &learners, r);
    c->reply = r;
    return e;
}
