/* What leaves: a kept answer's head and body, and the headers that say where it is from. */
#include "api/cached.h"

#include "api/call.h"
#include "base/clock.h"
#include "base/num.h"

#define WORDS(text)           \
    {                         \
        text, sizeof text - 1 \
    }
static const struct str l1_words[CACHED_HOW_COUNT] = {
    [CACHED_NOT] = {NULL, 0},
    [CACHED_HIT] = WORDS("doppel-memory; hit"),
    [CACHED_STALE] = WORDS("doppel-memory; hit"),
    [CACHED_COLLAPSED] = WORDS("doppel-memory; fwd=uri-miss; collapsed"),
    [CACHED_L2] = WORDS("doppel-redis; hit, doppel-memory; fwd=uri-miss"),
    [CACHED_FILLED] = WORDS("doppel-memory; fwd=uri-miss"),
    [CACHED_FAILED] = WORDS("doppel-memory; fwd=uri-miss"),
    [CACHED_RESCUED] = WORDS("doppel-memory; hit; detail=stale-if-error"),
};

static char *put_number(char *to, int64_t v)
{
    return to + num_print_i64(v, to);
}

static char *put_key(char *to, struct str key)
{
    to = str_put(to, STR("; key=\""));
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
static void status_header(struct call *c, const struct answer *a, int64_t now_us)
{
    struct cached *m = &c->cached;
    struct str words = l1_words[m->how];
    bool with_key = (c->pub.who.scopes & SCOPE_ADMIN) && !c->pub.who.dev && m->key.text.p;
    char *start = buf_reserve(&c->pub.x->extra, 256 + (with_key ? 2 * m->key.text.n : 0)),
         *to = start;

    if (!words.p || !start)
        return;
    to = str_put(to, STR("Cache-Status: "));
    if (m->l2 && m->how != CACHED_L2)
        to = str_put(to, m->l2_result == L2_FILL ? STR("doppel-redis; fwd=uri-miss; stored, ")
                                                 : STR("doppel-redis; fwd=bypass, "));
    to = str_put(to, words);
    if (m->kept)
        to = str_put(to, STR("; stored"));
    if (a)
        to = put_number(str_put(to, STR("; ttl=")), (answer_fresh_until_us(a) - now_us) / US_PER_S);
    if (with_key)
        to = put_key(to, m->key.text);
    to = str_put(to, STR("\r\n"));
    if (a && m->how != CACHED_FILLED) {
        int64_t age_s = (now_us - answer_made_us(a)) / US_PER_S;
        to = put_number(str_put(to, STR("Age: ")), age_s < 0 ? 0 : age_s);
        to = str_put(to, STR("\r\n"));
    }
    c->pub.x->extra.n += (size_t)(to - start);
}

void cached_status_header(struct call *c)
{
    status_header(c, NULL, 0);
}

/* Which form's tag the client has named, of those that it may be sent: none needs to be made. */
static bool has_already(const struct call *c, const struct answer *a, uint32_t accept,
                        enum answer_form *ret_form)
{
    char etag[ANSWER_ETAG_MAX];

    if (!c->cached.conditions.has_tag)
        return false;
    for (enum answer_form form = FORM_IDENTITY; form < FORM_COUNT; form++) {
        struct str tag = answer_etag(a, form, etag);
        if (tag.p && (accept & 1u << form) && http_etag_matches(&c->pub.x->request, tag)) {
            *ret_form = form;
            return true;
        }
    }
    return false;
}

static void put_head(struct buf *extra, const struct answer *a, enum answer_form form, bool same)
{
    char *to = buf_reserve(extra, answer_head_max(a));

    if (to)
        extra->n += (size_t)(answer_head(a, form, same, to) - to);
}

struct conditions cached_conditions(const struct http_request *rq)
{
    return (struct conditions){
        .known = true,
        .has_tag = http_header_get(rq, STR("If-None-Match")).p != NULL,
        .accept = (uint8_t)answer_accepts(http_header_get(rq, STR("Accept-Encoding"))),
    };
}

enum err cached_reply(struct call *c)
{
    struct http_exchange *x = c->pub.x;
    struct answer *a = c->cached.answer;
    if (!c->cached.conditions.known)
        c->cached.conditions = cached_conditions(&x->request);
    uint32_t accept = c->cached.conditions.accept;
    struct answer_view view = {.form = FORM_IDENTITY};
    bool same = has_already(c, a, accept, &view.form);
    enum err e = ERR_OK;

    if (!same)
        view = answer_view(a, accept);
    if (view.made)
        cache_grew(c->pub.api->tiers->cache, &c->cached.key, a, view.made);
    buf_clear(&x->body);
    buf_clear(&x->extra); /* the handler's own lines are in the answer's head */
    x->status = same ? 304 : answer_status(a);
    x->content_type = view.body.n ? answer_media(a) : NULL;
    put_head(&x->extra, a, view.form, same);
    status_header(c, a, x->request.received_us);
    c->cached.answer = NULL;
    if (!same && !view.packed) {
        x->body_static = view.body;
        x->body_release = answer_unref;
        x->body_owner = a;
        return ERR_OK;
    }
    if (!same)
        e = answer_unpack(a, &x->body);
    answer_unref(a);
    return e;
}

/* ---- counting ---- */

void cached_done(struct call *c, int64_t us)
{
    struct api *a = c->pub.api;
    struct cached_shard *shard = a->cached_shards[http_loop_index(c->pub.x->loop)];

    cached_shortcut_unref(c->cached.shortcut); /* the caller's name lies in it */
    c->cached.shortcut = NULL;
    c->pub.who.name = (struct str){NULL, 0};
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
