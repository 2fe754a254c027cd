/* Calls without a client: what makes a stale answer anew, and what makes one before anybody asks.
 */
#include "api/cached.h"

#include "api/call.h"
#include "base/clock.h"

#include <stdlib.h>

/* ---- refreshing: a call without a client ---- */

struct refresh {
    struct http_exchange x; /* of no connection */
    struct arena arena;
    struct call call;
};

/* Everything but the question and who asks it. */
static void refresh_init(struct refresh *r, struct api *a, const struct route *route,
                         struct http_loop *loop)
{
    static const struct net_peer nobody = {.is_unix = true};
    const struct http_verdict *v = &route->verdict;
    int64_t now_us = clock_mono_us();

    arena_init(&r->arena, v->arena_max);
    buf_init(&r->x.body, v->reply_max);
    buf_init(&r->x.extra, 4096);
    r->x.loop = loop;
    r->x.arena = &r->arena;
    r->x.app = &r->call;
    r->x.request = (struct http_request){
        .method = HTTP_GET, .id = STR("refresh"), .peer = &nobody, .received_us = now_us};
    r->call = (struct call){
        .kind = APP_CALL,
        .route = route,
        .stage = STAGE_INPUT,
        .pub = {.x = &r->x, .arena = &r->arena, .row = route->row, .api = a, .now_us = clock_us()},
        .cached = {.detached = true, .how = CACHED_FILLED, .begun_us = now_us},
        .deadline_us = now_us + (int64_t)route->deadline_ms * US_PER_MS};
}

static bool refresh_fill(struct refresh *r, const struct call *from)
{
    const struct http_request *rq = &from->pub.x->request;
    struct call *c = &r->call;

    refresh_init(r, from->pub.api, from->route, from->pub.x->loop);
    r->x.request.path = arena_str(&r->arena, rq->path);
    r->x.request.query = arena_str(&r->arena, rq->query);
    r->x.request.id = arena_str(&r->arena, rq->id);
    c->pub.who = from->pub.who;
    c->pub.who.learner = arena_str(&r->arena, from->pub.who.learner);
    c->pub.who.name = arena_str(&r->arena, from->pub.who.name);
    c->pub.learner = arena_str(&r->arena, from->pub.learner);
    c->cached.key =
        (struct cache_key){arena_str(&r->arena, from->cached.key.text), from->cached.key.hash};
    memcpy(c->cached.tags, from->cached.tags, sizeof c->cached.tags);
    c->cached.tag_count = from->cached.tag_count;
    return r->x.request.path.p && c->cached.key.text.p &&
           (c->pub.learner.p || !from->pub.learner.p);
}

/* Whom it is about, a header of the first call may have said. */
enum err cached_input(struct call *c)
{
    struct str learner = c->pub.learner;
    enum err e = input_read(c);

    c->pub.learner = learner;
    return e;
}

void cached_detached_free(struct call *c)
{
    struct refresh *r = (struct refresh *)((char *)c - offsetof(struct refresh, call));

    answer_unref(c->cached.answer);
    buf_fini(&r->x.body);
    buf_fini(&r->x.extra);
    arena_fini(&r->arena);
    free(r);
}

/* Takes the flight over. */
void cached_refresh(const struct call *from, struct flight *flight)
{
    struct tiers *t = from->pub.api->tiers;
    struct refresh *r = calloc(1, sizeof *r);

    if (!r || !refresh_fill(r, from)) {
        if (r)
            cached_detached_free(&r->call);
        flight_end(t->cache, flight, NULL, false, ERR_NOMEM);
        return;
    }
    r->call.cached.flight = flight;
    r->call.cached.stamp = *flight_stamp(flight);
    call_resume_on_loop(&r->call);
}

/* ---- warming: a call that nobody has made yet ---- */

/* A row's answer without parameters, for those who may ask for it. */
static bool warm_prepare(struct refresh *r, struct cached_class class, struct str learner)
{
    struct call *c = &r->call;

    r->x.request.path = str_from(c->pub.row->path);
    c->pub.learner = arena_str(&r->arena, learner);
    c->pub.who = (struct principal){.scopes = class.scopes, .name = STR("warm")};
    if (class.own)
        c->pub.who.learner = c->pub.learner;
    return c->pub.learner.p && cached_input(c) == ERR_OK && cached_question(c);
}

bool cached_warm(struct api *a, const struct route *route, struct http_loop *loop,
                 struct cached_class class, struct str learner, struct store_conn *conn)
{
    struct refresh *r = calloc(1, sizeof *r);
    struct answer *found = NULL;
    struct flight *flight = NULL;

    if (!r)
        return false;
    refresh_init(r, a, route, loop);
    struct call *c = &r->call;
    if (warm_prepare(r, class, learner)) {
        const struct cache_lookup how = {.now_us = c->cached.begun_us,
                                         .age_max_us = tiers_age_max_us(a->tiers),
                                         .early = 1,
                                         .refresh = true,
                                         .tags = c->cached.tags,
                                         .tag_count = c->cached.tag_count};
        cache_find(a->tiers->cache, &c->cached.key, &how, NULL, &found, &flight);
        answer_unref(found);
    }
    if (a->tiers->ahead)
        ahead_mark(a->tiers->ahead, tag_of(TAG_LEARNER, learner).hash);
    if (!flight) { /* it is there, or another makes it */
        cached_detached_free(c);
        return false;
    }
    c->cached.flight = flight;
    c->cached.stamp = *flight_stamp(flight);
    c->stage = STAGE_HANDLER;
    call_run_on_worker(c, conn);
    return true;
}

struct str cached_key_before_learner(struct api *a, const struct route *route,
                                     struct http_loop *loop, struct cached_class class)
{
    struct refresh *r = calloc(1, sizeof *r);
    struct str ret = {NULL, 0};
    char *copy = NULL;

    if (!r)
        return ret;
    refresh_init(r, a, route, loop);
    if (warm_prepare(r, class, STR("x"))) {
        const struct str text = r->call.cached.key.text;
        copy = malloc(text.n);
        if (copy) {
            memcpy(copy, text.p, text.n);
            ret = (struct str){copy, text.n - 1};
        }
    }
    cached_detached_free(&r->call);
    return ret;
}

void cached_again(struct api *a, const struct cached_again *what, struct store_conn *conn)
{
    struct refresh *r = calloc(1, sizeof *r);
    bool ready = false;

    if (r) {
        refresh_init(r, a, what->route, what->loop);
        r->call.pub.now_us = what->now_us;
        ready = warm_prepare(r, what->class, what->learner) &&
                str_eq(r->call.cached.key.text, what->key.text);
    }
    if (!ready) {
        if (r)
            cached_detached_free(&r->call);
        flight_end(a->tiers->cache, what->flight, NULL, false, ERR_NOMEM);
        return;
    }
    r->call.cached.flight = what->flight;
    r->call.cached.stamp = *flight_stamp(what->flight);
    r->call.stage = STAGE_HANDLER;
    call_run_on_worker(&r->call, conn);
}

/* ---- whose rights to warm for ---- */

/* The loop's thread. Once a minute is often enough to be remembered for a day. */
void cached_class_seen(struct cached_shard *s, const struct call *c)
{
    const struct principal *who = &c->pub.who;
    uint64_t what = (uint64_t)who->scopes << 1 | (who->learner.p != NULL);
    int32_t oldest = 0;

    for (int32_t i = 0; i < CLASSES_MAX; i++) {
        struct class_seen *k = &s->classes[i];
        int64_t at_us = atomic_load_explicit(&k->at_us, memory_order_relaxed);

        if (at_us && atomic_load_explicit(&k->what, memory_order_relaxed) == what) {
            if (c->cached.begun_us - at_us > US_PER_MINUTE)
                atomic_store_explicit(&k->at_us, c->cached.begun_us, memory_order_relaxed);
            return;
        }
        if (at_us < atomic_load_explicit(&s->classes[oldest].at_us, memory_order_relaxed))
            oldest = i;
    }
    atomic_store_explicit(&s->classes[oldest].at_us, 0, memory_order_relaxed);
    atomic_store_explicit(&s->classes[oldest].what, what, memory_order_release);
    atomic_store_explicit(&s->classes[oldest].at_us, c->cached.begun_us, memory_order_release);
}

static void class_add(struct cached_class *classes, int32_t *count, uint64_t what)
{
    struct cached_class class = {(uint32_t)(what >> 1), what & 1};

    for (int32_t i = 0; i < *count; i++)
        if (classes[i].scopes == class.scopes && classes[i].own == class.own)
            return;
    if (*count < CLASSES_MAX)
        classes[(*count)++] = class;
}

int32_t cached_classes(struct api *a, struct cached_class *ret)
{
    int64_t since_us = clock_mono_us() - US_PER_DAY;
    int32_t n = 0;

    for (int l = 0; l < LOOPS_MAX; l++) {
        struct cached_shard *s = atomic_load(&a->cached_shards[l]);
        for (int32_t i = 0; s && i < CLASSES_MAX; i++) {
            int64_t at_us = atomic_load_explicit(&s->classes[i].at_us, memory_order_acquire);
            if (at_us > 0 && at_us > since_us)
                class_add(ret, &n, atomic_load_explicit(&s->classes[i].what, memory_order_acquire));
        }
    }
    if (n == 0) { /* as after a start: the usual ones */
        class_add(ret, &n, (uint64_t)SCOPE_READ << 1);
        class_add(ret, &n, (uint64_t)SCOPE_READ << 1 | 1);
    }
    return n;
}
