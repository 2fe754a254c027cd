/* cache_admin - what the cache holds and does, and taking things out of it. For administrators. */
#include "api/cache_admin.h"

#include "api/call.h"
#include "api/warm.h"
#include "base/assert.h"
#include "base/clock.h"

#include <math.h>
#include <stdio.h>

enum { NAMES_MAX = 1000 };

/* ---- POST /api/cache/invalidate ---- */

struct invalidate_in {
    struct list keys, tags; /* struct str */
    struct str pattern;
    bool all;
};
static const struct field invalidate_body[] = {
    FIELD(F_LIST, struct invalidate_in, keys, "keys", .item = F_STR, .size = sizeof(struct str),
          .max = NAMES_MAX, .doc = "keys, as Cache-Status names them to administrators"),
    FIELD(F_LIST, struct invalidate_in, tags, "tags", .item = F_STR, .size = sizeof(struct str),
          .max = NAMES_MAX, .doc = "learner:ID, course:ID, endpoint:OPERATION_ID, or all"),
    FIELD(F_STR, struct invalidate_in, pattern, "pattern", .min = 1, .max = CACHE_KEY_MAX,
          .doc = "keys that match: * any run of characters, ? any one"),
    FIELD(F_BOOL, struct invalidate_in, all, "all", .doc = "everything"),
    FIELD_END,
};

struct dropped {
    int64_t memory, redis; /* redis INT64_MIN: there is none, or it cannot be reached */
    int64_t tags;
};
static const struct field dropped_fields[] = {
    FIELD(F_I64, struct dropped, memory, "memory",
          .doc = "answers dropped from this node's memory"),
    FIELD(F_I64, struct dropped, redis, "redis", .flags = FIELD_NULLABLE,
          .doc = "values deleted from Redis; null without Redis"),
    FIELD(F_I64, struct dropped, tags, "tags", .doc = "tags whose answers are void, on every node"),
    FIELD_END,
};
struct invalidate_reply {
    struct dropped dropped;
};
static const struct field invalidate_fields[] = {
    FIELD(F_OBJECT, struct invalidate_reply, dropped, "dropped", .sub = dropped_fields,
          .size = sizeof(struct dropped), .doc = "what went"),
    FIELD_END,
};

/* False: that is no tag. */
static bool raise_named(struct tiers *t, struct str text)
{
    struct str name = text, word = str_cut(&name, ':');

    if (str_eq(text, STR("all")))
        tiers_raise(t, TAG_EVERYTHING);
    else if (!name.p || name.n == 0)
        return false;
    else if (str_eq(word, STR("learner")))
        tiers_raise_learner(t, name);
    else if (str_eq(word, STR("course")))
        tiers_raise(t, tag_of(TAG_COURSE, name));
    else if (str_eq(word, STR("endpoint")))
        tiers_raise(t, tag_of(TAG_ENDPOINT, name));
    else
        return false;
    return true;
}

static bool is_settled(const struct api *a, struct str id)
{
    for (int32_t i = 0; i < a->route_count; i++)
        if (a->routes[i].row && str_eq(id, str_from(a->routes[i].row->id)))
            return a->routes[i].row->cache.settled;
    return false;
}

/* Under which tag the second tier keeps a key: its learner's, else its endpoint's. cached.c makes
 * the keys. */
static struct tag tag_of_key(const struct api *a, struct str key)
{
    const struct str mark = STR("|learner=");
    const char *at = memmem(key.p, key.n, mark.p, mark.n);
    struct str rest = key, id = str_cut(&rest, '|');

    if (!at)
        return tag_of(TAG_ENDPOINT, id);
    return tag_of(is_settled(a, id) ? TAG_SETTLED : TAG_LEARNER,
                  (struct str){at + mark.n, (size_t)(key.p + key.n - at) - mark.n});
}

/* All shards: what is void goes now, so that it can be counted. */
static int64_t sweep(struct tiers *t)
{
    int64_t n = 0;

    for (int i = 0; i < CACHE_SHARDS; i++)
        n += cache_sweep(t->cache, clock_mono_us(), INT32_MAX);
    return n;
}

static enum err raise_tags(struct api_call *c, const struct list *tags, struct dropped *d)
{
    struct tiers *t = c->api->tiers;
    const struct str *names = tags->p;

    for (int32_t i = 0; i < tags->n; i++) {
        char path[32];
        snprintf(path, sizeof path, "tags[%d]", i);
        if (!raise_named(t, names[i]))
            return api_bad_field(c, path, "invalid_format",
                                 "must be learner:ID, course:ID, endpoint:ID or all");
        d->tags++;
    }
    return ERR_OK;
}

/* Other nodes keep the same keys: they hear of tags only. */
static void drop_keys(struct api *a, const struct list *keys, struct dropped *d)
{
    struct tiers *t = a->tiers;
    const struct str *names = keys->p;

    for (int32_t i = 0; i < keys->n; i++) {
        d->memory += cache_drop_key(t->cache, names[i]);
        struct tag tag = tag_of_key(a, names[i]);
        if (t->bus)
            tiers_raise(t, tag);
        if (t->l2 && d->redis >= 0) {
            int64_t n = l2_drop(t->l2, names[i], &tag);
            d->redis = n < 0 ? INT64_MIN : d->redis + n;
        }
    }
}

static void drop_all(struct tiers *t, struct dropped *d)
{
    d->memory += cache_drop_all(t->cache);
    tiers_raise(t, TAG_EVERYTHING);
    d->tags++;
    if (t->l2) {
        int64_t n = l2_drop_all(t->l2);
        d->redis = n < 0 ? INT64_MIN : n;
    }
}

static enum err post_invalidate(struct api_call *c)
{
    const struct invalidate_in *in = c->in;
    struct tiers *t = c->api->tiers;
    struct invalidate_reply *r = arena_new(c->arena, struct invalidate_reply, 1);

    if (!r)
        return ERR_NOMEM;
    if (in->keys.n == 0 && in->tags.n == 0 && !in->pattern.p && !in->all)
        return api_bad_field(c, "keys", "missing", "give keys, tags, a pattern, or all");
    r->dropped.redis = t->l2 ? 0 : INT64_MIN;
    enum err e = raise_tags(c, &in->tags, &r->dropped);
    if (e != ERR_OK)
        return e;
    drop_keys(c->api, &in->keys, &r->dropped);
    if (in->pattern.p)
        r->dropped.memory += cache_drop_pattern(t->cache, in->pattern);
    if (in->pattern.p && t->bus)
        drop_all(t, &r->dropped); /* Redis and other nodes cannot look for a pattern */
    if (in->all)
        drop_all(t, &r->dropped);
    r->dropped.memory += sweep(t);
    c->reply = r;
    return ERR_OK;
}

/* ---- GET /api/cache/stats ---- */

struct reasons {
    int64_t n[DROP_COUNT];
};
#define REASON(why, name_, doc_) FIELD(F_I64, struct reasons, n[why], name_, .doc = doc_)
static const struct field reason_fields[] = {
    REASON(DROP_EVICTED, "evicted", "no room"),
    REASON(DROP_EXPIRED, "expired", "past their time"),
    REASON(DROP_OUTDATED, "outdated", "a write made them void"),
    REASON(DROP_REPLACED, "replaced", "made anew"),
    REASON(DROP_INVALIDATED, "invalidated", "by an administrator"),
    FIELD_END,
};

struct memory_tier {
    struct cache_stats s;
    struct ahead_stats ahead;
    struct reasons dropped;
    double hit_rate;
};
#define OF_CACHE(member, name_, doc_) FIELD(F_I64, struct memory_tier, s.member, name_, .doc = doc_)
static const struct field memory_fields[] = {
    OF_CACHE(entries, "entries", "answers kept now"),
    OF_CACHE(bytes, "bytes", "memory they take"),
    OF_CACHE(bytes_max, "bytesMax", "memory they may take"),
    OF_CACHE(ghosts, "ghosts", "keys remembered of answers that are gone"),
    OF_CACHE(hits, "hits", "look-ups that found a fresh answer"),
    OF_CACHE(stale_hits, "staleHits", "and one that was being made anew"),
    OF_CACHE(misses, "misses", "look-ups that found none"),
    OF_CACHE(waits, "collapsed", "of these, those that another call's answer served"),
    OF_CACHE(busy, "busy", "refused because too many were waiting"),
    OF_CACHE(fills, "fills", "answers made"),
    OF_CACHE(fill_failures, "fillFailures", "that could not be made"),
    OF_CACHE(early_refreshes, "earlyRefreshes", "made anew before their time"),
    OF_CACHE(ahead_made, "aheadMade", "made again after a write before anybody asked"),
    OF_CACHE(ahead_used, "aheadUsed", "of these, those that were asked for then"),
    OF_CACHE(ahead_wasted, "aheadWasted", "and those that went before anybody asked"),
    FIELD(F_I64, struct memory_tier, ahead.queued, "aheadLearners",
          .doc = "learners whose answers wait to be made again"),
    FIELD(F_I64, struct memory_tier, ahead.full, "aheadLeft",
          .doc = "learners left out because too many waited, or the workers were busy"),
    OF_CACHE(inserted, "inserted", "answers taken in"),
    OF_CACHE(refused_too_large, "refusedTooLarge", "answers too large to be kept"),
    FIELD(F_OBJECT, struct memory_tier, dropped, "dropped", .sub = reason_fields,
          .size = sizeof(struct reasons), .doc = "answers that went, by why"),
    FIELD(F_F64, struct memory_tier, hit_rate, "hitRate", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "share of look-ups served from here"),
    FIELD_END,
};

struct redis_tier {
    struct l2_stats s;
    struct bus_stats bus;
    int32_t health;
    bool trusted;
    double hit_rate, latency_us;
};
static const char *const health_names[] = {"up", "probing", "down", NULL};
#define OF_L2(member, name_, doc_) FIELD(F_I64, struct redis_tier, s.member, name_, .doc = doc_)
#define OF_BUS(member, name_, doc_) FIELD(F_I64, struct redis_tier, bus.member, name_, .doc = doc_)
static const struct field redis_fields[] = {
    FIELD(F_ENUM, struct redis_tier, health, "health", .names = health_names,
          .doc = "of the connections that fetch answers"),
    FIELD(F_BOOL, struct redis_tier, trusted, "heard",
          .doc = "are the other nodes' writes heard? If not, answers are kept for a moment only"),
    OF_L2(hits, "hits", "answers found"),
    OF_L2(misses, "misses", "not found"),
    OF_L2(void_tokens, "outdated", "found, but void by a write"),
    OF_L2(refused_layout, "refusedLayout", "found, but not readable by this version"),
    OF_L2(puts, "puts", "answers written"),
    OF_L2(put_failures, "putFailures", "that could not be written"),
    OF_L2(bytes_in, "bytesRead", "bytes of values read"),
    OF_L2(bytes_out, "bytesWritten", "bytes of values written"),
    OF_L2(timeouts, "timeouts", "commands that took too long"),
    OF_L2(errors, "errors", "replies that were errors or garbage"),
    OF_L2(fallbacks, "fallbacks", "look-ups that went on without Redis"),
    OF_L2(breaker_opened, "breakerOpened", "times that Redis was given up for a while"),
    OF_L2(locks_taken, "locksTaken", "fills locked against other nodes"),
    OF_L2(locks_waited, "locksWaited", "fills that waited for another node"),
    OF_L2(reconnects, "reconnects", "connections made anew"),
    OF_BUS(said, "writesSaid", "tags told to other nodes"),
    OF_BUS(heard, "writesHeard", "tags heard from them"),
    OF_BUS(gaps, "gaps", "times that something may have been missed"),
    OF_BUS(waiting, "writesWaiting", "tags that could not be told yet"),
    FIELD(F_F64, struct redis_tier, hit_rate, "hitRate", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "share of look-ups that found an answer"),
    FIELD(F_F64, struct redis_tier, latency_us, "latencyUs", .flags = FIELD_NULLABLE,
          .doc = "mean time of a look-up"),
    FIELD_END,
};

struct endpoint_use {
    struct str id;
    int64_t n[CACHED_HOW_COUNT];
    double hit_rate, hit_us, fill_us;
    int32_t fresh_s, stale_s;
};
#define USE(how, name_, doc_) FIELD(F_I64, struct endpoint_use, n[how], name_, .doc = doc_)
static const struct field endpoint_fields[] = {
    FIELD(F_STR, struct endpoint_use, id, "id", .doc = "operation"),
    FIELD(F_I32, struct endpoint_use, fresh_s, "freshSeconds", .doc = "how long answers are fresh"),
    FIELD(F_I32, struct endpoint_use, stale_s, "staleSeconds",
          .doc = "and then usable while made anew"),
    USE(CACHED_HIT, "hits", "served fresh from memory"),
    USE(CACHED_STALE, "stale", "served from memory while made anew"),
    USE(CACHED_COLLAPSED, "collapsed", "served by another call's answer"),
    USE(CACHED_L2, "redis", "served from Redis"),
    USE(CACHED_FILLED, "filled", "made"),
    USE(CACHED_FAILED, "refused", "a kept or shared refusal"),
    USE(CACHED_RESCUED, "rescued", "served stale because it could not be made"),
    FIELD(F_F64, struct endpoint_use, hit_rate, "hitRate", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "share that was not made"),
    FIELD(F_F64, struct endpoint_use, hit_us, "hitMicroseconds", .flags = FIELD_NULLABLE,
          .doc = "mean time of a reply from memory"),
    FIELD(F_F64, struct endpoint_use, fill_us, "fillMicroseconds", .flags = FIELD_NULLABLE,
          .doc = "mean time of a reply that was made"),
    FIELD_END,
};

struct legacy {
    int64_t hits, misses, redis_hits, redis_misses, fallbacks;
    struct str hit_rate;
};
static const struct field legacy_fields[] = {
    FIELD(F_I64, struct legacy, hits, "totalHits", .doc = "in either tier"),
    FIELD(F_I64, struct legacy, misses, "totalMisses", .doc = "in both"),
    FIELD(F_STR, struct legacy, hit_rate, "hitRate", .doc = "percent, two decimals"),
    FIELD(F_I64, struct legacy, redis_hits, "redisHits", .doc = "answers found in Redis"),
    FIELD(F_I64, struct legacy, redis_misses, "redisMisses", .doc = "not found there"),
    FIELD(F_I64, struct legacy, fallbacks, "fallbackCount", .doc = "went on without Redis"),
    FIELD_END,
};

struct stats_reply {
    struct str type;
    int64_t entries;
    bool redis_healthy;
    struct legacy legacy;
    struct memory_tier memory;
    const struct redis_tier *redis;
    struct list endpoints;
    int64_t learners_known;
};
static const struct field stats_fields[] = {
    FIELD(F_STR, struct stats_reply, type, "type", .doc = "HYBRID_CACHE"),
    FIELD(F_I64, struct stats_reply, entries, "l1MemorySize", .doc = "answers kept in memory"),
    FIELD(F_BOOL, struct stats_reply, redis_healthy, "redisHealthy",
          .doc = "is Redis in use and up?"),
    FIELD(F_OBJECT, struct stats_reply, legacy, "stats", .sub = legacy_fields,
          .size = sizeof(struct legacy), .doc = "both tiers in short"),
    FIELD(F_OBJECT, struct stats_reply, memory, "memory", .sub = memory_fields,
          .size = sizeof(struct memory_tier), .doc = "the first tier"),
    FIELD(F_OBJECT, struct stats_reply, redis, "redis", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = redis_fields, .size = sizeof(struct redis_tier),
          .doc = "the second tier; null where there is none"),
    FIELD(F_LIST, struct stats_reply, endpoints, "endpoints", .sub = endpoint_fields,
          .size = sizeof(struct endpoint_use), .doc = "operations whose answers are kept"),
    FIELD(F_I64, struct stats_reply, learners_known, "learnersInFilter", .flags = FIELD_NULLABLE,
          .doc = "of the filter of learners; null while it is being made"),
    FIELD_END,
};

static double share(int64_t part, int64_t of)
{
    return of > 0 ? (double)part / (double)of : (double)NAN;
}

static double mean_us(const int64_t *us, const int64_t *n, int32_t how)
{
    return n[how] > 0 ? round((double)us[how] / (double)n[how] * 10) / 10 : (double)NAN;
}

static void endpoint_sum(const struct api *a, const struct route *route, struct endpoint_use *u)
{
    int64_t us[CACHED_HOW_COUNT] = {0}, all = 0;

    *u = (struct endpoint_use){.id = str_from(route->row->id),
                               .fresh_s = route->row->cache.fresh_s,
                               .stale_s = route->row->cache.stale_s};
    for (int l = 0; l < LOOPS_MAX; l++) {
        struct cached_shard *s = atomic_load(&a->cached_shards[l]);
        for (int how = 0; s && how < CACHED_HOW_COUNT; how++) {
            struct cached_counts *counts = &s->routes[route->index];
            u->n[how] += atomic_load_explicit(&counts->count[how], memory_order_relaxed);
            us[how] += atomic_load_explicit(&counts->us[how], memory_order_relaxed);
        }
    }
    for (int how = CACHED_HIT; how < CACHED_HOW_COUNT; how++)
        all += u->n[how];
    u->hit_rate = share(all - u->n[CACHED_FILLED], all);
    u->hit_us = mean_us(us, u->n, CACHED_HIT);
    u->fill_us = mean_us(us, u->n, CACHED_FILLED);
}

static enum err list_endpoints(struct api_call *c, struct list *ret)
{
    const struct api *a = c->api;
    struct endpoint_use *u = arena_new(c->arena, struct endpoint_use, (size_t)a->route_count);

    if (!u)
        return ERR_NOMEM;
    *ret = (struct list){u, 0};
    for (int32_t i = 0; i < a->route_count; i++)
        if (a->routes[i].cached)
            endpoint_sum(a, &a->routes[i], &u[ret->n++]);
    return ERR_OK;
}

static enum err fill_redis(struct api_call *c, struct stats_reply *r)
{
    const struct tiers *t = c->api->tiers;

    if (!t->l2)
        return ERR_OK;
    struct redis_tier *redis = arena_new(c->arena, struct redis_tier, 1);
    if (!redis)
        return ERR_NOMEM;
    l2_stats(t->l2, &redis->s);
    bus_stats(t->bus, &redis->bus);
    redis->health = (int32_t)redis->s.health;
    redis->trusted = bus_trusted(t->bus);
    int64_t found = redis->s.hits, asked = found + redis->s.misses + redis->s.void_tokens;
    redis->hit_rate = share(found, asked);
    redis->latency_us = redis->s.latency_n > 0
                            ? (double)redis->s.latency_us_total / (double)redis->s.latency_n
                            : (double)NAN;
    r->redis = redis;
    r->redis_healthy = redis->s.health == L2_UP && redis->trusted;
    return ERR_OK;
}

static void fill_legacy(struct api_call *c, struct stats_reply *r)
{
    const struct cache_stats *s = &r->memory.s;
    struct legacy *l = &r->legacy;
    char text[24];

    if (r->redis) {
        l->redis_hits = r->redis->s.hits;
        l->redis_misses = r->redis->s.misses + r->redis->s.void_tokens;
        l->fallbacks = r->redis->s.fallbacks;
    }
    l->hits = s->hits + s->stale_hits + s->waits + l->redis_hits;
    l->misses = s->misses - s->waits - l->redis_hits;
    double rate = share(l->hits, l->hits + l->misses);
    int n = snprintf(text, sizeof text, "%.2f%%", isnan(rate) ? 0 : 100 * rate);
    l->hit_rate = arena_str(c->arena, (struct str){text, (size_t)n});
}

static enum err get_stats(struct api_call *c)
{
    struct stats_reply *r = arena_new(c->arena, struct stats_reply, 1);
    struct filter_stats filter;

    if (!r)
        return ERR_NOMEM;
    const struct tiers *t = c->api->tiers;
    cache_stats(t->cache, &r->memory.s);
    memcpy(r->memory.dropped.n, r->memory.s.dropped, sizeof r->memory.dropped.n);
    r->memory.hit_rate = share(r->memory.s.hits + r->memory.s.stale_hits,
                               r->memory.s.hits + r->memory.s.stale_hits + r->memory.s.misses);
    if (t->ahead)
        ahead_stats(t->ahead, &r->memory.ahead);
    r->type = STR("HYBRID_CACHE");
    r->entries = r->memory.s.entries;
    filter_stats(t->filter, &filter);
    r->learners_known = filter.complete ? filter.added : INT64_MIN;
    enum err e = fill_redis(c, r);
    if (e == ERR_OK)
        e = list_endpoints(c, &r->endpoints);
    if (e == ERR_OK)
        fill_legacy(c, r);
    c->reply = r;
    return e;
}

static void ahead_metrics(const struct tiers *t, const struct cache_stats *s,
                          struct metrics_page *p)
{
    struct ahead_stats ahead = {.queued = 0};

    if (t->ahead)
        ahead_stats(t->ahead, &ahead);
    metrics_page_labelled(p, METRIC_CACHE_AHEAD, "fate", STR("made"), (double)s->ahead_made);
    metrics_page_labelled(p, METRIC_CACHE_AHEAD, "fate", STR("used"), (double)s->ahead_used);
    metrics_page_labelled(p, METRIC_CACHE_AHEAD, "fate", STR("wasted"), (double)s->ahead_wasted);
    metrics_page_value(p, METRIC_CACHE_AHEAD_QUEUED, (double)ahead.queued);
    metrics_page_value(p, METRIC_CACHE_AHEAD_LEFT, (double)ahead.full);
}

void cache_metrics(const struct api *a, struct metrics_page *p)
{
    static const char *const reasons[DROP_COUNT] = {"evicted", "expired", "outdated", "replaced",
                                                    "invalidated"};
    struct cache_stats s;

    cache_stats(a->tiers->cache, &s);
    metrics_page_value(p, METRIC_CACHE_ENTRIES, (double)s.entries);
    metrics_page_value(p, METRIC_CACHE_BYTES, (double)s.bytes);
    metrics_page_value(p, METRIC_CACHE_HITS, (double)(s.hits + s.stale_hits));
    metrics_page_value(p, METRIC_CACHE_MISSES, (double)s.misses);
    metrics_page_value(p, METRIC_CACHE_COLLAPSED, (double)s.waits);
    for (int i = 0; i < DROP_COUNT; i++)
        metrics_page_labelled(p, METRIC_CACHE_DROPPED, "reason", str_from(reasons[i]),
                              (double)s.dropped[i]);
    ahead_metrics(a->tiers, &s, p);
    if (!a->tiers->l2)
        return;
    struct l2_stats l2;
    struct bus_stats bus;
    l2_stats(a->tiers->l2, &l2);
    bus_stats(a->tiers->bus, &bus);
    metrics_page_value(p, METRIC_REDIS_UP, l2.health == L2_UP && bus_trusted(a->tiers->bus));
    metrics_page_value(p, METRIC_REDIS_HITS, (double)l2.hits);
    metrics_page_value(p, METRIC_REDIS_MISSES, (double)(l2.misses + l2.void_tokens));
    metrics_page_value(p, METRIC_REDIS_FALLBACKS, (double)l2.fallbacks);
    metrics_page_value(p, METRIC_REDIS_GAPS, (double)bus.gaps);
}

const struct endpoint endpoints_cache[] = {
    {.method = HTTP_POST,
     .path = "/api/cache/invalidate",
     .id = "invalidate_cache",
     .tag = "cache",
     .summary = "Drop kept answers: by key, tag, pattern, or all",
     .scopes = SCOPE_ADMIN,
     .body = invalidate_body,
     .in_size = sizeof(struct invalidate_in),
     .reply = invalidate_fields,
     .run = RUN_SLOW,
     .handler = post_invalidate},
    {.method = HTTP_POST,
     .path = "/api/cache/warm",
     .id = "warm_cache",
     .tag = "cache",
     .summary = "Make learners' answers before they are asked for",
     .scopes = SCOPE_ADMIN,
     .body = warm_body,
     .body_optional = true,
     .in_size = sizeof(struct warm_in),
     .reply = warm_fields,
     .status = 202,
     .run = RUN_SLOW,
     .round_trips = 1,
     .handler = post_warm},
    {.method = HTTP_GET,
     .path = "/api/cache/stats",
     .id = "get_cache_stats",
     .tag = "cache",
     .summary = "What is kept, and how often it served: by tier and by endpoint",
     .scopes = SCOPE_ADMIN,
     .reply = stats_fields,
     .run = RUN_WORKER,
     .cache = {.why_none = "it tells the state of this moment"},
     .handler = get_stats},
    {.path = NULL},
};
