#include "api/cached.h"

#include "api/call.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

enum {
    NEGATIVE_MS =
        5000, /* "no such learner" is kept for so long; the learner's first event ends it */
    JITTER_DIVISOR = 10, /* answers made together do not end together: up to a tenth earlier */
    AGING_FRESH_S = 5,
    AGING_STALE_S = 55
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

bool cached_question(struct call *c)
{
    struct cached *m = &c->cached;
    struct str learner = c->pub.learner;

    if (!key_make(c))
        return false;
    if (learner.p)
        m->tags[m->tag_count++] =
            tag_of(c->pub.row->cache.settled ? TAG_SETTLED : TAG_LEARNER, learner);
    m->tags[m->tag_count++] = tag_of(TAG_ENDPOINT, str_from(c->pub.row->id));
    return true;
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

struct cached_l2 {
    struct l2_get get;
    struct call *call;
};

static void asked(struct l2_get *g, enum l2_result r, struct answer *a)
{
    struct call *c = ((struct cached_l2 *)g)->call; /* its first member */

    c->cached.l2_result = r;
    c->cached.answer = a;
    call_resume_on_loop(c);
}

bool cached_in_l2(const struct api *a, const struct endpoint *row)
{
    enum cache_l2 l2 = row->cache.l2;

    return a->tiers->l2 && (l2 == CACHE_L2_ALWAYS || (l2 == CACHE_L2_REMOTE && !a->embedded));
}

static enum cached_next ask_l2(struct call *c)
{
    struct cached *m = &c->cached;

    m->l2 = arena_new(c->pub.arena, struct cached_l2, 1);
    if (!m->l2)
        return CACHED_GO_ON;
    m->asked_l2 = true;
    m->l2->call = c;
    m->l2->get = (struct l2_get){.key = m->key,
                                 .tags = m->tags,
                                 .tag_count = m->tag_count,
                                 .stamp = m->stamp,
                                 .cache_control = c->route->cache_control,
                                 .media = MEDIA_JSON,
                                 .without = c->pub.row->cache.settled ? tag_event_groups : 0,
                                 .lock = true,
                                 .done = asked};
    l2_get(c->pub.api->tiers->l2, c->pub.x->loop, &m->l2->get);
    return CACHED_PARKED;
}

/* ---- how a flight ends well ---- */

/* Whether an answer that is packed may go to this caller as it is. */
static bool takes_gzip(const struct call *c)
{
    struct str accept = http_header_get(&c->pub.x->request, STR("Accept-Encoding"));

    return answer_accepts(accept) & 1u << FORM_GZIP;
}

/* What is kept is packed if that pays; the call goes on with the form that it can send. */
static void end_flight(struct call *c, struct answer *a, bool keep)
{
    struct cache *cache = c->pub.api->tiers->cache;
    struct answer *packed = keep ? cache_pack(cache, (uint32_t)c->route->index, a) : NULL;

    c->cached.kept = flight_end(cache, c->cached.flight, packed ? packed : a, keep, ERR_OK);
    c->cached.flight = NULL;
    c->cached.answer = a;
    if (packed && (!answer_holds_gzip(packed) || takes_gzip(c))) {
        c->cached.answer = packed;
        packed = a;
    }
    answer_unref(packed);
}

void cached_shard_free(struct cached_shard *shard)
{
    if (shard)
        cached_shortcuts_free(shard);
    free(shard);
}

/* ---- before the handler ---- */

/* Ids that nobody has are refused here; the store hears of them at most while the filter is being
 * filled. */
static bool nobody(const struct call *c)
{
    const struct tiers *t = c->pub.api->tiers;

    return c->pub.learner.p && tiers_age_max_us(t) == INT64_MAX &&
           !filter_may_have(t->filter, tag_of(TAG_LEARNER, c->pub.learner).hash);
}

static enum err refused(struct call *c, struct answer *a)
{
    struct refusal r;

    memcpy(&r, answer_body(a).p, sizeof r);
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
    if (m->how == CACHED_COLLAPSED && answer_fresh_until_us(a) <= m->begun_us)
        m->how = CACHED_RESCUED; /* the flight has failed, and ended with what was kept */
    *ret_e = answer_media(a) ? ERR_OK : refused(c, a);
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
        end_flight(c, m->answer, true);
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
    if (!cached_question(c))
        return CACHED_GO_ON; /* too long: rare, and answered without the cache */
    if (nobody(c)) {
        m->how = CACHED_FAILED;
        *ret_e = api_refuse(&c->pub, ERR_NOT_FOUND, NULL, "There is no such learner.");
        return CACHED_SEND;
    }
    m->begun_us = clock_mono_us();
    struct cached_shard *shard = shard_of(c);
    if (shard && c->pub.learner.p)
        cached_class_seen(shard, c);
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
        if (shard && answer_media(a))
            cached_shortcut_learn(c, shard);
        return found(c, a, ret_e);
    case CACHE_STALE:
        m->how = CACHED_STALE;
        if (flight)
            cached_refresh(c, flight);
        return found(c, a, ret_e);
    case CACHE_BUSY:
        m->how = CACHED_FAILED;
        *ret_e = ERR_BUSY;
        return CACHED_SEND;
    case CACHE_FILL:
        m->how = CACHED_FILLED;
        m->flight = flight;
        if (t->ahead && c->pub.learner.p)
            ahead_mark(t->ahead, m->tags[0].hash);
        if (flight)
            m->stamp = *flight_stamp(flight);
        return flight && cached_in_l2(c->pub.api, c->pub.row) ? ask_l2(c) : CACHED_GO_ON;
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

/* The groups of the learner's tables that the answer was made of. */
static uint32_t reads_of(const struct call *c)
{
    return c->spent.reads | c->analysed.reads | c->pub.reads;
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
    spec.without = ~reads_of(c);
    if (answer_new(&spec, &a) != ERR_OK)
        a = NULL; /* too large, or no memory: the reply is sent all the same */
    return a;
}

static struct answer *answer_of_reply(struct call *c)
{
    const struct cache_policy *p = &c->pub.row->cache;
    bool ages = c->pub.ages;
    int32_t fresh_s = ages && p->fresh_s > AGING_FRESH_S ? AGING_FRESH_S : p->fresh_s;
    int32_t stale_s = ages && p->stale_s > AGING_STALE_S ? AGING_STALE_S : p->stale_s;

    return answer_make(c,
                       &(struct answer_spec){.status = c->pub.x->status,
                                             .media = MEDIA_JSON,
                                             .cache_control = c->route->cache_control,
                                             .lines = buf_view(&c->pub.x->extra),
                                             .body = buf_view(&c->pub.x->body)},
                       fresh_s * US_PER_S, stale_s * US_PER_S,
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

/* Of a learner who is not there; his first event ends it. Nobody has asked for a refresh: whom it
 * does not find was erased. */
static bool is_kept_refusal(const struct call *c, enum err e)
{
    return e == ERR_NOT_FOUND && c->pub.learner.p && !c->cached.detached;
}

static bool was_the_store(enum err e)
{
    return err_http(e) >= 500;
}

/* In Redis nothing is known of groups: what lies with TAG_SETTLED outlives all events. */
static bool may_share(const struct call *c)
{
    return !(c->pub.row->cache.settled && (reads_of(c) & tag_event_groups));
}

static void put_l2(struct call *c, const struct answer *a)
{
    struct cached *m = &c->cached;

    if (m->asked_l2 && m->l2_result == L2_FILL)
        l2_put(c->pub.api->tiers->l2, c->pub.x->loop, &m->l2->get, a);
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
    put_l2(c, e == ERR_OK && c->pub.x->status == 200 && may_share(c) ? a : NULL);
    if (a) {
        end_flight(c, a, c->pub.x->status == 200);
    } else if (e == ERR_OK) {
        flight_end(t->cache, m->flight, NULL, false, ERR_NOMEM);
    } else if (old && answer_media(old)) {
        flight_end(t->cache, m->flight, old, false, ERR_OK);
        m->answer = old;
        m->how = CACHED_RESCUED;
        e = ERR_OK;
    } else {
        a = answer_of_refusal(c, e);
        flight_end(t->cache, m->flight, a, is_kept_refusal(c, e), e);
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
