#include "api/cached.h"

#include "api/call.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <xxhash.h>

enum {
    NEGATIVE_MS =
        5000, /* "no such learner" is kept for so long; the learner's first event ends it */
    SHORTCUT_TEXT_MAX = 4096,
    JITTER_DIVISOR = 10 /* answers made together do not end together: up to a tenth earlier */
};

/* A refusal as an answer: its body is this struct, its media NULL. Never leaves the process. */
struct refusal {
    enum err e;
    struct problem problem;
};

/* ---- the question ---- */

/* The fields that know whether they were given may mean something by it. */
static void put_seen(struct buf *b, const struct field *fields, const void *in)
{
    for (; fields && fields->type != F_END; fields++)
        if (fields->seen)
            buf_putc(b, ((const bool *)in)[fields->seen - 1] ? '1' : '0');
}

static void put_fields(struct buf *b, const struct field *fields, const void *in)
{
    struct json_writer w;

    if (!fields)
        return;
    json_writer_init(&w, b);
    json_object(&w);
    fields_write_members(fields, &w, in);
    json_object_end(&w);
}

/* "analytics.sessions|a2|{"days":30}1|learner=ada". The id and the rights hold no '|', the objects
 * end by themselves, and the learner is the rest: two questions never share a text. Parameters are
 * printed from their decoded values, so that order, defaults and number forms do not matter. */
static bool key_make(struct call *c)
{
    const struct endpoint *row = c->pub.row;
    struct buf b;

    buf_init(&b, CACHE_KEY_MAX);
    buf_str(&b, str_from(row->id));
    buf_printf(&b, "|%c%x|", c->pub.who.learner.p ? 'o' : 'a', c->pub.who.scopes);
    put_fields(&b, row->params, c->pub.in);
    put_fields(&b, row->query, c->pub.in);
    put_seen(&b, row->query, c->pub.in);
    if (c->pub.learner.p) {
        buf_str(&b, STR("|learner="));
        buf_str(&b, c->pub.learner);
    }
    struct str text = b.failed ? (struct str){NULL, 0} : arena_str(c->pub.arena, buf_view(&b));
    buf_fini(&b);
    if (!text.p)
        return false;
    c->cached.key = cache_key_of(text);
    return true;
}

static void tags_make(struct call *c)
{
    struct cached *m = &c->cached;

    if (c->pub.learner.p)
        m->tags[m->tag_count++] = tag_of(TAG_LEARNER, c->pub.learner);
    m->tags[m->tag_count++] = tag_of(TAG_ENDPOINT, str_from(c->pub.row->id));
}

/* ---- waiting and asking: the call is somebody else's until it is resumed on its loop ---- */

enum { LOOK_AFTER_MS = 50 };

static void line_up(struct cached_shard *s, struct call *c)
{
    c->cached.waiting = true;
    c->cached.newer = NULL;
    c->cached.older = s->newest;
    if (s->newest)
        s->newest->cached.newer = c;
    else
        s->oldest = c;
    s->newest = c;
    if (!c->cached.older)
        http_watch_at(c->pub.x->loop, &s->watch,
                      c->pub.x->request.received_us + LOOK_AFTER_MS * US_PER_MS);
}

static void step_out(struct cached_shard *s, struct call *c)
{
    struct cached *m = &c->cached;

    if (!m->waiting)
        return;
    m->waiting = false;
    *(m->older ? &m->older->cached.newer : &s->oldest) = m->newer;
    *(m->newer ? &m->newer->cached.older : &s->newest) = m->older;
}

/* On the loop: those whose time is over are told so; who is being answered just now is left. */
static void look_after(struct http_watch *w)
{
    struct cached_shard *s =
        (struct cached_shard *)((char *)w - offsetof(struct cached_shard, watch));
    int64_t now_us = clock_mono_us();
    struct http_loop *loop = s->oldest ? s->oldest->pub.x->loop : NULL;

    for (struct call *c = s->oldest, *next; c; c = next) {
        next = c->cached.newer;
        if (c->deadline_us > now_us || !flight_leave(c->pub.api->tiers->cache, &c->cached.waiter))
            continue;
        step_out(s, c);
        c->cached.waited = ERR_DEADLINE;
        http_on_loop(c->pub.x, call_resume_on_loop, c);
    }
    if (s->oldest)
        http_watch_at(loop, w, now_us + LOOK_AFTER_MS * US_PER_MS);
}

/* The loop's own, made when it is first needed; NULL: no memory. */
static struct cached_shard *shard_of(struct call *c)
{
    struct api *a = c->pub.api;
    int32_t loop = http_loop_index(c->pub.x->loop);

    ASSERT(loop >= 0 && loop < LOOPS_MAX);
    if (!a->cached_shards[loop]) {
        struct cached_shard *s =
            calloc(1, sizeof *s + (size_t)a->route_count * sizeof s->routes[0]);
        if (s) {
            rng_seed(&s->rng, (uint64_t)clock_mono_us() ^ (uint64_t)loop << 56);
            s->watch = (struct http_watch){.fd = -1, .ready = look_after, .due = look_after};
        }
        if (s && http_watch_join(c->pub.x->loop, &s->watch) != ERR_OK) {
            free(s);
            s = NULL;
        }
        atomic_store(&a->cached_shards[loop], s);
    }
    return a->cached_shards[loop];
}

static void waited(struct waiter *w, struct answer *a, enum err e)
{
    struct call *c = (struct call *)((char *)w - offsetof(struct call, cached.waiter));

    c->cached.answer = a;
    c->cached.waited = e;
    http_on_loop(c->pub.x, call_resume_on_loop, c);
}

static void asked(struct l2_get *g, enum l2_result r, struct answer *a)
{
    struct call *c = (struct call *)((char *)g - offsetof(struct call, cached.l2));

    c->cached.l2_result = r;
    c->cached.answer = a;
    call_resume_on_loop(c);
}

static bool l2_pays(const struct call *c)
{
    const struct api *a = c->pub.api;
    enum cache_l2 l2 = c->pub.row->cache.l2;

    return a->tiers->l2 && (l2 == CACHE_L2_ALWAYS || (l2 == CACHE_L2_REMOTE && !a->embedded));
}

static enum cached_next ask_l2(struct call *c)
{
    struct cached *m = &c->cached;

    m->asked_l2 = true;
    m->l2 = (struct l2_get){.key = m->key,
                            .tags = m->tags,
                            .tag_count = m->tag_count,
                            .stamp = m->stamp,
                            .cache_control = c->route->cache_control,
                            .media = MEDIA_JSON,
                            .lock = true,
                            .done = asked};
    l2_get(c->pub.api->tiers->l2, c->pub.x->loop, &m->l2);
    return CACHED_PARKED;
}

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
static void refresh_begin(const struct call *from, struct flight *flight)
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
    if (!c->pub.learner.p || cached_input(c) != ERR_OK || !key_make(c))
        return false;
    tags_make(c);
    return true;
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

/* The loop's thread. Once a minute is often enough to be remembered for a day. */
static void class_seen(struct cached_shard *s, const struct call *c)
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

/* ---- the shortcut ---- */

/* What a loop has answered from the cache lately: the same target from the same credential is the
 * same question with the same rights, as long as the credential may be believed. It saves reading
 * both again; everything else is as ever. Touched by the loop's thread alone. */
struct shortcut {
    uint64_t hash, epoch; /* of the text; auth's */
    int64_t until_us;     /* UTC */
    const struct route *route;
    struct str target, credential, name; /* the rest of the texts, side by side behind */
    struct cache_key key;
    uint32_t scopes;
    bool own; /* the key speaks for one learner alone */
    char text[];
};

static struct str credential_of_request(const struct http_request *rq)
{
    struct str auth = http_header_get(rq, STR("Authorization"));

    return auth.p ? auth : http_header_get(rq, STR("X-API-Key"));
}

static uint64_t shortcut_hash(struct str target, struct str credential)
{
    return XXH3_64bits_withSeed(credential.p, credential.n, XXH3_64bits(target.p, target.n));
}

static bool shortcut_fits(const struct shortcut *s, uint64_t hash, struct str target,
                          struct str credential)
{
    return s && s->hash == hash && str_eq(s->target, target) && s->credential.n == credential.n &&
           CRYPTO_memcmp(s->credential.p, credential.p, credential.n) == 0;
}

bool cached_shortcut(struct call *c)
{
    struct api *a = c->pub.api;
    const struct http_request *rq = &c->pub.x->request;
    struct str credential = credential_of_request(rq);
    struct cached_shard *shard = a->cached_shards[http_loop_index(c->pub.x->loop)];

    if (!credential.p || !shard)
        return false;
    uint64_t hash = shortcut_hash(rq->target, credential);
    const struct shortcut *s = shard->shortcuts[hash % SHORTCUTS];
    if (!shortcut_fits(s, hash, rq->target, credential) || s->route != c->route ||
        s->until_us <= c->pub.now_us || s->epoch != auth_epoch(a->options.auth))
        return false;
    const struct cache_lookup how = {.now_us = rq->received_us,
                                     .age_max_us = tiers_age_max_us(a->tiers),
                                     .early = 1 - rng_unit(&shard->rng)};
    struct answer *found = cache_hit(a->tiers->cache, &s->key, &how);
    if (!found)
        return false;
    c->pub.who = (struct principal){.scopes = s->scopes, .name = arena_str(c->pub.arena, s->name)};
    c->cached.key = s->key;
    c->cached.how = CACHED_HIT;
    c->cached.answer = found;
    return true;
}

static char *place(char *to, struct str from, struct str *ret)
{
    memcpy(to, from.p, from.n);
    *ret = (struct str){to, from.n};
    return to + from.n;
}

/* After a hit that went the long way. */
static void shortcut_learn(struct call *c, struct cached_shard *shard)
{
    const struct http_request *rq = &c->pub.x->request;
    const struct principal *who = &c->pub.who;
    struct str credential = credential_of_request(rq);

    if (!credential.p || who->dev || who->until_us == 0 ||
        rq->target.n + credential.n > SHORTCUT_TEXT_MAX)
        return;
    struct shortcut *s =
        malloc(sizeof *s + rq->target.n + credential.n + who->name.n + c->cached.key.text.n);
    if (!s)
        return;
    *s = (struct shortcut){.hash = shortcut_hash(rq->target, credential),
                           .epoch = auth_epoch(c->pub.api->options.auth),
                           .until_us = who->until_us,
                           .route = c->route,
                           .key = c->cached.key,
                           .scopes = who->scopes,
                           .own = who->learner.p != NULL};
    char *to = place(s->text, rq->target, &s->target);
    to = place(to, credential, &s->credential);
    to = place(to, who->name, &s->name);
    place(to, c->cached.key.text, &s->key.text);
    struct shortcut **slot = &shard->shortcuts[s->hash % SHORTCUTS];
    free(*slot);
    *slot = s;
}

void cached_shard_free(struct cached_shard *shard)
{
    for (int i = 0; shard && i < SHORTCUTS; i++)
        free(shard->shortcuts[i]);
    free(shard);
}

/* ---- before the handler ---- */

/* Ids that nobody has are refused here; the store hears of them at most while the filter is being
 * filled. */
static bool nobody(const struct call *c)
{
    const struct tiers *t = c->pub.api->tiers;

    return c->pub.learner.p && tiers_age_max_us(t) == INT64_MAX &&
           !filter_may_have(t->filter, c->cached.tags[0].hash);
}

static enum err refused(struct call *c, struct answer *a)
{
    struct refusal r;

    memcpy(&r, answer_spec(a)->body.p, sizeof r);
    answer_unref(a);
    c->cached.answer = NULL;
    c->cached.how = CACHED_FAILED;
    c->pub.problem = r.problem;
    return r.e;
}

/* An answer from the first tier, or from another call's flight. */
static enum cached_next found(struct call *c, struct answer *a, enum err *ret_e)
{
    struct cached *m = &c->cached;

    m->answer = a;
    if (m->how == CACHED_COLLAPSED && answer_spec(a)->fresh_until_us <= m->begun_us)
        m->how = CACHED_RESCUED; /* the flight has failed, and ended with what was kept */
    *ret_e = answer_spec(a)->media ? ERR_OK : refused(c, a);
    return CACHED_SEND;
}

/* Somebody has gone on with the call: what did the wait bring? */
static enum cached_next resumed(struct call *c, enum err *ret_e)
{
    struct cached *m = &c->cached;

    if (m->how == CACHED_COLLAPSED) {
        step_out(shard_of(c), c);
        if (m->answer)
            return found(c, m->answer, ret_e);
        *ret_e = m->waited != ERR_OK ? m->waited : ERR_INTERNAL;
        return CACHED_SEND;
    }
    if (m->l2_result == L2_HIT && m->answer) {
        m->how = CACHED_L2;
        flight_end(c->pub.api->tiers->cache, m->flight, m->answer, true, ERR_OK);
        m->flight = NULL;
        *ret_e = ERR_OK;
        return CACHED_SEND;
    }
    m->begun_us = clock_mono_us();
    return CACHED_GO_ON;
}

enum cached_next cached_begin(struct call *c, enum err *ret_e)
{
    struct tiers *t = c->pub.api->tiers;
    struct cached *m = &c->cached;
    struct flight *flight = NULL;
    struct answer *a = NULL;

    if (m->detached)
        return CACHED_GO_ON;
    if (m->how == CACHED_COLLAPSED || m->asked_l2)
        return resumed(c, ret_e);
    if (!key_make(c))
        return CACHED_GO_ON; /* too long: rare, and answered without the cache */
    tags_make(c);
    if (nobody(c)) {
        m->how = CACHED_FAILED;
        *ret_e = api_refuse(&c->pub, ERR_NOT_FOUND, NULL, "There is no such learner.");
        return CACHED_SEND;
    }
    m->begun_us = clock_mono_us();
    struct cached_shard *shard = shard_of(c);
    if (shard && c->pub.learner.p)
        class_seen(shard, c);
    struct cache_lookup how = {.now_us = m->begun_us,
                               .age_max_us = tiers_age_max_us(t),
                               .early = shard ? 1 - rng_unit(&shard->rng) : 1,
                               .refresh = true,
                               .tags = m->tags,
                               .tag_count = m->tag_count};
    m->waiter = (struct waiter){.done = waited};
    m->how = CACHED_COLLAPSED; /* before the look-up: another thread may end the wait at once */
    switch (cache_find(t->cache, &m->key, &how, shard ? &m->waiter : NULL, &a, &flight)) {
    case CACHE_WAIT: /* it comes back by way of this loop, not before now */
        line_up(shard, c);
        return CACHED_PARKED;
    case CACHE_HIT:
        m->how = CACHED_HIT;
        if (shard && answer_spec(a)->media)
            shortcut_learn(c, shard);
        return found(c, a, ret_e);
    case CACHE_STALE:
        m->how = CACHED_STALE;
        if (flight)
            refresh_begin(c, flight);
        return found(c, a, ret_e);
    case CACHE_BUSY:
        m->how = CACHED_FAILED;
        *ret_e = ERR_BUSY;
        return CACHED_SEND;
    case CACHE_FILL:
        m->how = CACHED_FILLED;
        m->flight = flight;
        if (flight)
            m->stamp = *flight_stamp(flight);
        return flight && l2_pays(c) ? ask_l2(c) : CACHED_GO_ON;
    }
    UNREACHABLE();
}

/* ---- after the handler ---- */

static int64_t jitter(struct call *c, int64_t us)
{
    /* Of the question, not of a generator: any thread may be here. */
    return us -
           (int64_t)((double)us / JITTER_DIVISOR *
                     (double)((c->cached.key.hash ^ (uint64_t)c->cached.begun_us) % 1024) / 1024);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static struct answer *answer_make(struct call *c, const struct answer_spec *what, int64_t fresh_us,
                                  int64_t stale_us, int64_t error_us)
{
    struct answer_spec spec = *what;
    struct answer *a = NULL;
    int64_t now_us = clock_mono_us();
    int64_t valid_us =
        c->pub.valid_until_us ? now_us + (c->pub.valid_until_us - clock_us()) : INT64_MAX;

    spec.made_us = now_us;
    spec.cost_us = now_us - c->cached.begun_us;
    spec.fresh_until_us = earlier(now_us + jitter(c, fresh_us), valid_us);
    spec.stale_until_us = earlier(spec.fresh_until_us + stale_us, valid_us);
    spec.error_until_us = earlier(spec.stale_until_us + error_us, valid_us);
    if (spec.fresh_until_us < now_us)
        spec.fresh_until_us = spec.stale_until_us = spec.error_until_us = now_us;
    spec.stamp = c->cached.stamp;
    if (answer_new(&spec, &a) != ERR_OK)
        a = NULL; /* too large, or no memory: the reply is sent all the same */
    return a;
}

static struct answer *answer_of_reply(struct call *c)
{
    const struct cache_policy *p = &c->pub.row->cache;

    return answer_make(c,
                       &(struct answer_spec){.status = c->pub.x->status,
                                             .media = MEDIA_JSON,
                                             .cache_control = c->route->cache_control,
                                             .lines = buf_view(&c->pub.x->extra),
                                             .body = buf_view(&c->pub.x->body)},
                       p->fresh_s * US_PER_S, p->stale_s * US_PER_S,
                       c->pub.api->config->cache_error_time * US_PER_MS);
}

static struct answer *answer_of_refusal(struct call *c, enum err e)
{
    struct refusal r;

    memset(&r, 0, sizeof r); /* its padding is part of the body */
    r.e = e;
    r.problem = c->pub.problem;
    return answer_make(c,
                       &(struct answer_spec){.status = err_http(e),
                                             .cache_control = "",
                                             .body = {(const char *)&r, sizeof r}},
                       NEGATIVE_MS * US_PER_MS, 0, 0);
}

static bool was_the_store(enum err e)
{
    return err_http(e) >= 500;
}

static void put_l2(struct call *c, const struct answer *a)
{
    struct cached *m = &c->cached;

    if (m->asked_l2 && m->l2_result == L2_FILL)
        l2_put(c->pub.api->tiers->l2, c->pub.x->loop, &m->l2, a);
    m->asked_l2 = false;
}

enum err cached_end(struct call *c, enum err e)
{
    struct tiers *t = c->pub.api->tiers;
    struct cached *m = &c->cached;
    struct answer *a = NULL, *old = NULL;

    if (!m->flight)
        return e;
    if (e == ERR_OK)
        a = answer_of_reply(c);
    else if (was_the_store(e))
        old = cache_peek(t->cache, &m->key, clock_mono_us());
    put_l2(c, e == ERR_OK && c->pub.x->status == 200 ? a : NULL);
    if (e == ERR_OK) {
        flight_end(t->cache, m->flight, a, c->pub.x->status == 200, a ? ERR_OK : ERR_NOMEM);
        m->answer = a;
    } else if (old && answer_spec(old)->media) {
        flight_end(t->cache, m->flight, old, false, ERR_OK);
        m->answer = old;
        m->how = CACHED_RESCUED;
        e = ERR_OK;
    } else {
        a = answer_of_refusal(c, e);
        flight_end(t->cache, m->flight, a, e == ERR_NOT_FOUND && c->pub.learner.p, e);
        answer_unref(a);
        answer_unref(old);
        m->how = CACHED_FAILED;
    }
    m->flight = NULL;
    return e;
}

bool cached_needs_loop(const struct call *c)
{
    return c->cached.asked_l2 && c->cached.flight && !c->on_loop;
}

/* ---- the reply ---- */

#define WORDS(text)           \
    {                         \
        text, sizeof text - 1 \
    }
static const struct str l1_words[CACHED_HOW_COUNT] = {
    [CACHED_NOT] = {NULL, 0},
    [CACHED_HIT] = WORDS("doppel-memory; hit"),
    [CACHED_STALE] = WORDS("doppel-memory; hit"),
    [CACHED_COLLAPSED] = WORDS("doppel-memory; fwd=uri-miss; collapsed"),
    [CACHED_L2] = WORDS("doppel-redis; hit, doppel-memory; fwd=uri-miss; stored"),
    [CACHED_FILLED] = WORDS("doppel-memory; fwd=uri-miss; stored"),
    [CACHED_FAILED] = WORDS("doppel-memory; fwd=uri-miss"),
    [CACHED_RESCUED] = WORDS("doppel-memory; hit; detail=stale-if-error"),
};

static char *put_str(char *to, struct str s)
{
    memcpy(to, s.p, s.n);
    return to + s.n;
}

static char *put_i64(char *to, int64_t v)
{
    char digits[20];
    int n = 0;

    if (v < 0)
        *to++ = '-';
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do
        digits[n++] = (char)('0' + u % 10);
    while (u /= 10);
    while (n)
        *to++ = digits[--n];
    return to;
}

static char *put_key(char *to, struct str key)
{
    to = put_str(to, STR("; key=\""));
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] == '"' || key.p[i] == '\\')
            *to++ = '\\';
        *to++ = key.p[i] >= 0x20 && key.p[i] < 0x7f ? key.p[i] : '?';
    }
    *to++ = '"';
    return to;
}

/* RFC 9211. The key is for administrators: it names the learner and the caller's rights. Printed by
 * hand: it is a good part of what a hit costs. */
static void status_header(struct call *c, const struct answer_spec *spec, int64_t now_us)
{
    struct cached *m = &c->cached;
    struct str words = l1_words[m->how];
    bool with_key = (c->pub.who.scopes & SCOPE_ADMIN) && !c->pub.who.dev && m->key.text.p;
    char *start = buf_reserve(&c->pub.x->extra, 256 + (with_key ? 2 * m->key.text.n : 0)),
         *to = start;

    if (!words.p || !start)
        return;
    to = put_str(to, STR("Cache-Status: "));
    if (m->l2.done && m->how != CACHED_L2)
        to = put_str(to, m->l2_result == L2_FILL ? STR("doppel-redis; fwd=uri-miss; stored, ")
                                                 : STR("doppel-redis; fwd=bypass, "));
    to = put_str(to, words);
    if (spec)
        to = put_i64(put_str(to, STR("; ttl=")), (spec->fresh_until_us - now_us) / US_PER_S);
    if (with_key)
        to = put_key(to, m->key.text);
    to = put_str(to, STR("\r\n"));
    if (spec && m->how != CACHED_FILLED) {
        int64_t age_s = (now_us - spec->made_us) / US_PER_S;
        to = put_i64(put_str(to, STR("Age: ")), age_s < 0 ? 0 : age_s);
        to = put_str(to, STR("\r\n"));
    }
    c->pub.x->extra.n += (size_t)(to - start);
}

void cached_status_header(struct call *c)
{
    status_header(c, NULL, 0);
}

void cached_reply(struct call *c)
{
    struct http_exchange *x = c->pub.x;
    struct answer *a = c->cached.answer;
    const struct answer_spec *spec = answer_spec(a);
    uint32_t accept = answer_accepts(http_header_get(&x->request, STR("Accept-Encoding")));
    struct answer_view view = answer_view(a, accept);
    bool same = view.etag.p && http_etag_matches(&x->request, view.etag);

    buf_clear(&x->body);
    buf_clear(&x->extra); /* the handler's own lines are in the answer's head */
    x->status = same ? 304 : spec->status;
    x->content_type = view.body.n && !same ? spec->media : NULL;
    buf_str(&x->extra, same ? view.head_304 : view.head);
    status_header(c, spec, x->request.received_us);
    c->cached.answer = NULL;
    if (same) {
        answer_unref(a);
        return;
    }
    x->body_static = view.body;
    x->body_release = answer_unref;
    x->body_owner = a;
}

/* ---- counting ---- */

void cached_count(struct call *c, int64_t us)
{
    struct api *a = c->pub.api;
    struct cached_shard *shard = a->cached_shards[http_loop_index(c->pub.x->loop)];

    if (!shard || c->cached.how == CACHED_NOT)
        return;
    struct cached_counts *n = &shard->routes[c->route->index];
    _Atomic int64_t *count = &n->count[c->cached.how], *sum = &n->us[c->cached.how];
    /* One writer, the loop's thread. */
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + us,
                          memory_order_relaxed);
}
