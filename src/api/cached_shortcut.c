/* The same request from the same credential, answered without reading either again. */
#include "api/cached.h"

#include "api/call.h"

#include <stdlib.h>
#include <xxhash.h>

enum { SHORTCUT_TEXT_MAX = 4096 };

/* What a loop has answered from the cache lately: the same target from the same credential is the
 * same question with the same rights, as long as the credential may be believed. It saves reading
 * both again; everything else is as ever. It lies with the head where that is remembered
 * (http/heads.h), else in a table. Touched by the loop's thread alone. */
struct shortcut {
    int32_t refs;
    struct conditions conditions; /* known only where it lies with a head */
    uint64_t hash, epoch;         /* of the text; auth's */
    int64_t until_us;     /* UTC */
    const struct route *route;
    struct str target, credential, name; /* the rest of the texts, side by side behind */
    struct cache_key key;
    uint32_t scopes;
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
    return s && s->hash == hash && str_eq(s->target, target) &&
           str_eq_secret(s->credential, credential);
}

static struct note *note_of(const struct call *c)
{
    return c->pub.x->note ? *c->pub.x->note : NULL;
}

/* Where the head is remembered, it is asked for nothing more; else by what counts in it. */
static struct shortcut *shortcut_of(const struct call *c, const struct cached_shard *shard)
{
    const struct http_request *rq = &c->pub.x->request;
    const struct note *note = note_of(c);

    if (note)
        return note->shortcut;
    struct str credential = credential_of_request(rq);
    if (!credential.p)
        return NULL;
    uint64_t hash = shortcut_hash(rq->target, credential);
    struct shortcut *s = shard->shortcuts[hash % SHORTCUTS];
    return shortcut_fits(s, hash, rq->target, credential) ? s : NULL;
}

bool cached_shortcut(struct call *c)
{
    struct api *a = c->pub.api;
    struct cached_shard *shard = a->cached_shards[http_loop_index(c->pub.x->loop)];
    struct shortcut *s = shard ? shortcut_of(c, shard) : NULL;

    if (!s || s->route != c->route || s->until_us <= c->pub.now_us ||
        s->epoch != auth_epoch(a->options.auth))
        return false;
    const struct cache_lookup how = {.now_us = c->pub.x->request.received_us,
                                     .age_max_us = tiers_age_max_us(a->tiers),
                                     .early = 1 - rng_unit(&shard->rng)};
    struct answer *found = cache_hit(a->tiers->cache, &s->key, &how);
    if (!found)
        return false;
    s->refs++;
    c->cached.shortcut = s;
    c->cached.conditions = s->conditions;
    c->pub.who = (struct principal){.scopes = s->scopes, .name = s->name};
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
void cached_shortcut_learn(struct call *c, struct cached_shard *shard)
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
    struct note *note = note_of(c);
    *s = (struct shortcut){.refs = 1,
                           .hash = shortcut_hash(rq->target, credential),
                           .epoch = c->auth_epoch,
                           .until_us = who->until_us,
                           .route = c->route,
                           .key = c->cached.key,
                           .scopes = who->scopes};
    if (note)
        s->conditions = cached_conditions(rq);
    char *to = place(s->text, rq->target, &s->target);
    to = place(to, credential, &s->credential);
    to = place(to, who->name, &s->name);
    place(to, c->cached.key.text, &s->key.text);
    struct shortcut **slot = note ? &note->shortcut : &shard->shortcuts[s->hash % SHORTCUTS];
    cached_shortcut_unref(*slot);
    *slot = s;
}

void cached_shortcut_unref(struct shortcut *s)
{
    if (s && --s->refs == 0)
        free(s);
}

void cached_shortcuts_free(struct cached_shard *shard)
{
    for (int i = 0; i < SHORTCUTS; i++)
        cached_shortcut_unref(shard->shortcuts[i]);
}
