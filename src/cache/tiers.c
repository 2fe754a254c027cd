/* tiers - see the header; the thread that keeps them up is keeper.c. */
#include "cache/tiers.h"
#include "cache/keeper.h"

#include "base/assert.h"
#include "base/civil.h"
#include "base/clock.h"

#include <stdlib.h>

/* Another node has a new learner; or may have, unheard. */
static void on_learner(void *user, uint64_t hash)
{
    struct tiers *t = user;
    filter_add(t->filter, hash);
}

static void on_gap(void *user)
{
    struct tiers *t = user;
    generation_raise(t->generations, TAG_EVERYTHING);
    filter_forget(t->filter);
    keeper_refill(t->keeper);
}

static enum err redis_make(struct tiers *t, const struct tiers_options *o, char *detail)
{
    if (!o->redis)
        return ERR_OK;
    if (o->redis_prefix.n > BUS_PREFIX_MAX)
        return ERR_RANGE;
    memcpy(t->prefix, o->redis_prefix.p, o->redis_prefix.n);
    struct str prefix = {t->prefix, o->redis_prefix.n};
    enum err e = redis_target_new(o->redis, &t->redis, detail);
    if (e == ERR_OK)
        e = bus_new(&(struct bus_options){.redis = t->redis,
                                          .prefix = prefix,
                                          .command_timeout_ms = o->redis_timeout_ms,
                                          .generations = t->generations,
                                          .on_learner = on_learner,
                                          .on_gap = on_gap,
                                          .user = t},
                    &t->bus, detail);
    if (e == ERR_OK)
        e = l2_new(&(struct l2_options){.redis = t->redis,
                                        .prefix = prefix,
                                        .loops = o->loops,
                                        .command_timeout_ms = o->redis_timeout_ms,
                                        .lock_ms = o->lock_ms,
                                        .bus = t->bus},
                   &t->l2, detail);
    return e;
}

enum err tiers_new(const struct tiers_options *options, struct tiers **ret, char *ret_detail)
{
    struct tiers *t = calloc(1, sizeof *t);

    if (!t)
        return ERR_NOMEM;
    t->alone = options->alone;
    t->blind_us = options->blind_ms * US_PER_MS;
    enum err e = generations_new(&t->generations);
    if (e == ERR_OK) {
        struct cache_options own = options->cache;
        own.generations = t->generations;
        e = cache_new(&own, &t->cache);
    }
    if (e == ERR_OK)
        e = filter_new(&t->filter);
    if (e == ERR_OK && options->ahead && cache_keeps(t->cache))
        e = ahead_new(&t->ahead);
    if (e == ERR_OK)
        e = keeper_new(t, options->store, &t->keeper);
    if (e == ERR_OK)
        e = redis_make(t, options, ret_detail);
    if (e == ERR_OK)
        e = keeper_start(t->keeper);
    if (e != ERR_OK) {
        tiers_free(t);
        return e;
    }
    *ret = t;
    return ERR_OK;
}

void tiers_stop(struct tiers *t)
{
    keeper_stop(t->keeper);
    l2_free(t->l2); /* the loops have ended: what still waits for Redis goes on without */
    t->l2 = NULL;
}

void tiers_free(struct tiers *t)
{
    if (!t)
        return;
    if (t->keeper)
        keeper_stop(t->keeper);
    l2_free(t->l2);
    bus_free(t->bus);
    redis_target_free(t->redis);
    keeper_free(t->keeper);
    filter_free(t->filter);
    ahead_free(t->ahead);
    cache_free(t->cache);
    generations_free(t->generations);
    free(t);
}

/* A learner whom the other nodes' filters may not hold: they must be told, or they would say that
 * there is nobody. */
static bool is_new(struct tiers *t, uint64_t hash)
{
    struct filter_stats stats;

    filter_stats(t->filter, &stats);
    return !stats.complete || !filter_may_have(t->filter, hash);
}

void tiers_wrote(void *user, const struct ingest_change *changes, int32_t n)
{
    struct tiers *t = user;
    enum { AT_ONCE = 64 };

    for (int32_t from = 0; from < n; from += AT_ONCE) {
        struct tag tags[2 * AT_ONCE];
        int32_t upto = n - from < AT_ONCE ? n : from + AT_ONCE, count = 0;

        for (int32_t i = from; i < upto; i++) {
            struct tag tag = tag_of(TAG_LEARNER, changes[i].learner);
            if (t->bus && is_new(t, tag.hash))
                bus_say_learner(t->bus, tag.hash);
            filter_add(t->filter, tag.hash);
            generation_raise_groups(t->generations, tag, changes[i].groups);
            tags[count++] = tag;
            if (changes[i].groups & ~tag_event_groups)
                tags[count++] = tag_of(TAG_SETTLED, changes[i].learner);
        }
        if (t->bus)
            bus_say(t->bus, tags, count);
        for (int32_t i = from; t->ahead && i < upto; i++)
            ahead_wrote(t->ahead, changes[i].learner,
                        tag_of(TAG_LEARNER, changes[i].learner).hash);
    }
}

void tiers_raise(struct tiers *t, struct tag tag)
{
    generation_raise(t->generations, tag);
    if (t->bus)
        bus_say(t->bus, &tag, 1);
}

void tiers_raise_learner(struct tiers *t, struct str learner)
{
    tiers_raise(t, tag_of(TAG_LEARNER, learner));
    tiers_raise(t, tag_of(TAG_SETTLED, learner));
}

int64_t tiers_age_max_us(const struct tiers *t)
{
    bool all_heard = t->bus ? bus_trusted(t->bus) : t->alone;
    return all_heard ? INT64_MAX : t->blind_us;
}
