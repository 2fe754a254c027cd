/* l2 - see the header. A get goes through two round trips at most: look() reads the value and the
 * tokens; on a miss prepare() makes the tokens that are missing, takes the lock, and looks once
 * more, because another may have put it between the two. All commands of a step go out together,
 * and the last one's callback decides. */
#include "cache/l2.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/num.h"
#include "base/rng.h"
#include "cache/keys.h"
#include "cache/l2_value.h"
#include "redis/breaker.h"
#include "redis/link.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { LOCK_KEY_MAX = HOLDER_MAX + 24, COMMAND_BYTES = 1024, SCAN_STEP_MAX = 16384 };
#define REFUSED_US INT64_C(1000000) /* how long no write is tried after one was refused */
#define DROP_US INT64_C(10000000)   /* of one command of an administrator */
#define DROP_ALL_US INT64_C(60000000)

/* Makes the hash, with its token and its one expiry, unless it is there. */
static const struct str script_open =
    STR("local t=redis.call('HGET',KEYS[1],'g') if t then return t end "
        "redis.call('HSET',KEYS[1],'g',ARGV[1]) redis.call('EXPIRE',KEYS[1],ARGV[2]) "
        "return ARGV[1]");
static const struct str script_put =
    STR("if redis.call('HGET',KEYS[1],'g')~=ARGV[1] then return 0 end "
        "if redis.call('HLEN',KEYS[1])>tonumber(ARGV[4]) and "
        "redis.call('HEXISTS',KEYS[1],ARGV[2])==0 then return -1 end "
        "redis.call('HSET',KEYS[1],ARGV[2],ARGV[3]) return 1");
static const struct str script_unlock =
    STR("if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0");

#define L2_COUNTERS(X)  \
    X(hits)             \
    X(misses)           \
    X(void_tokens)      \
    X(refused_layout)   \
    X(puts)             \
    X(put_failures)     \
    X(bytes_in)         \
    X(bytes_out)        \
    X(timeouts)         \
    X(errors)           \
    X(fallbacks)        \
    X(breaker_opened)   \
    X(locks_taken)      \
    X(locks_waited)     \
    X(reconnects)       \
    X(latency_us_total) \
    X(latency_n)

struct l2_loop {
    struct http_watch watch;
    struct http_loop *loop; /* NULL: nobody asked here yet */
    struct l2 *l2;
    struct redis_link *link;
    struct l2_packer *packer;
    struct buf value, body;
    struct breaker breaker;
    struct rng rng;
    bool up;           /* the link was connected, and its end not yet noticed */
    bool greeted;      /* its becoming ready was noticed */
    bool flush_is_due; /* something was sent in this batch */
    enum err ended;    /* what the last callback of a connection that failed said */
    int64_t connects;
    int64_t refused_until_us;
    struct l2_get *waiting; /* for another node's fill */
    int64_t wake_us;        /* the first of them; INT64_MAX: none */
    _Atomic int health;
#define X(name) _Atomic(int64_t) name;
    L2_COUNTERS(X)
#undef X
};

struct l2 {
    struct l2_options o;
    int64_t timeout_us;
    struct l2_loop *loops;
};

static void count(_Atomic(int64_t) *counter, int64_t n)
{
    int64_t v = atomic_load_explicit(counter, memory_order_relaxed); /* one writer: the loop */
    atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

static void look(struct l2_loop *p, struct l2_get *g);
static void arm(struct l2_loop *p);

/* ---- the connection and its breaker ---- */

static void note_health(struct l2_loop *p)
{
    static const enum l2_health by_state[] = {
        [BREAKER_CLOSED] = L2_UP, [BREAKER_OPEN] = L2_DOWN, [BREAKER_PROBING] = L2_PROBING};
    enum l2_health now = by_state[p->breaker.state];
    enum l2_health was = (enum l2_health)atomic_exchange(&p->health, (int)now);
    if (now == L2_DOWN && was == L2_UP)
        log_event(LOG_WARN, "l2.down", LOG_N("loop", http_loop_index(p->loop)),
                  LOG_C("why", redis_link_detail(p->link)));
    if (now == L2_UP && was != L2_UP)
        log_event(LOG_INFO, "l2.up", LOG_N("loop", http_loop_index(p->loop)));
    atomic_store_explicit(&p->breaker_opened, p->breaker.opened, memory_order_relaxed);
}

static void note_failure(struct l2_loop *p)
{
    breaker_failure(&p->breaker, clock_mono_us(), &p->rng);
    note_health(p);
}

static bool begin_connect(struct l2_loop *p)
{
    p->up = redis_link_connect(p->link, clock_mono_us()) == ERR_OK;
    p->greeted = false;
    p->ended = ERR_IO;
    if (p->up && p->connects++)
        count(&p->reconnects, 1);
    return p->up;
}

/* After anything that may have changed the connection: notices its beginning and its end. */
static void settle(struct l2_loop *p)
{
    enum redis_state state = redis_link_state(p->link);
    if (p->up && state == REDIS_CLOSED) {
        p->up = false;
        http_watch_forget(&p->watch);
        count(p->ended == ERR_DEADLINE ? &p->timeouts : &p->errors, 1);
        note_failure(p);
    }
    if (state != REDIS_CLOSED && p->breaker.state == BREAKER_OPEN) { /* it answers, with errors */
        p->up = false;
        redis_link_close(p->link, ERR_CANCELLED);
        http_watch_forget(&p->watch);
    }
    if (p->up && state == REDIS_READY && !p->greeted) {
        p->greeted = true;
        if (p->breaker.state == BREAKER_PROBING)
            breaker_probed(&p->breaker);
        note_health(p);
    }
    struct redis_link_stats s;
    redis_link_stats(p->link, &s);
    atomic_store_explicit(&p->bytes_in, s.bytes_in, memory_order_relaxed);
    atomic_store_explicit(&p->bytes_out, s.bytes_out, memory_order_relaxed);
}

static void arm(struct l2_loop *p)
{
    int64_t at = redis_link_deadline_us(p->link);
    if (p->breaker.state == BREAKER_OPEN && p->breaker.open_until_us < at)
        at = p->breaker.open_until_us;
    at = p->wake_us < at ? p->wake_us : at;
    if (p->flush_is_due)
        at = 0; /* after this batch */
    http_watch_at(p->loop, &p->watch, at);
    uint32_t wants = redis_link_wants(p->link);
    if (http_watch_fd(p->loop, &p->watch, redis_link_fd(p->link), wants & REDIS_WANTS_READ,
                      wants & REDIS_WANTS_WRITE)) {
        redis_link_close(p->link, ERR_IO);
        settle(p);
    }
}

static void on_ready(struct http_watch *w)
{
    struct l2_loop *p = (struct l2_loop *)w; /* its first member */
    redis_link_event(p->link, clock_mono_us());
    p->flush_is_due = false; /* it wrote what the answers led to, too */
    settle(p);
    arm(p);
}

static void wait_for_others(struct l2_loop *p, struct l2_get *g)
{
    g->next = p->waiting;
    p->waiting = g;
    p->wake_us = g->wake_us < p->wake_us ? g->wake_us : p->wake_us;
}

static void wake_waiting(struct l2_loop *p, int64_t now)
{
    struct l2_get *all = p->waiting;
    if (now < p->wake_us)
        return;
    p->waiting = NULL;
    p->wake_us = INT64_MAX;
    while (all) {
        struct l2_get *g = all;
        all = g->next;
        if (g->wake_us <= now)
            look(p, g);
        else
            wait_for_others(p, g);
    }
}

static void on_due(struct http_watch *w)
{
    struct l2_loop *p = (struct l2_loop *)w;
    int64_t now = clock_mono_us();
    if (breaker_probe(&p->breaker, now)) {
        note_health(p);
        if (!begin_connect(p))
            note_failure(p);
    }
    wake_waiting(p, now);
    p->flush_is_due = false;
    redis_link_flush(p->link, now);
    if (now >= redis_link_deadline_us(p->link)) /* it may be us who were late: read first */
        redis_link_event(p->link, now);
    settle(p);
    arm(p);
}

static enum err loop_begin(struct l2_loop *p, struct http_loop *loop)
{
    const struct redis_link_options o = {.target = p->l2->o.redis,
                                         .reply_bytes_max = L2_VALUE_MAX + 256,
                                         .elements_max = 8,
                                         .commands_max = 8192,
                                         .unsent_bytes_max = 16 << 20};
    uint64_t seed;
    enum err e = ERR_OK;
    if (!p->packer)
        e = l2_packer_new(&p->packer);
    if (!e && !p->link)
        e = redis_link_new(&o, &p->link);
    if (!e) {
        p->watch.ready = on_ready;
        p->watch.due = on_due;
        e = http_watch_join(loop, &p->watch);
    }
    if (e)
        return e;
    random_bytes(&seed, sizeof seed);
    rng_seed(&p->rng, seed);
    buf_init(&p->value, L2_VALUE_MAX);
    buf_init(&p->body, L2_BODY_MAX);
    p->loop = loop;
    return ERR_OK;
}

/* NULL: not now. */
static struct l2_loop *loop_of(struct l2 *l, struct http_loop *loop)
{
    int32_t index = http_loop_index(loop);
    ASSERT(index < l->o.loops);
    struct l2_loop *p = &l->loops[index];
    return p->loop || !loop_begin(p, loop) ? p : NULL;
}

/* Can commands go out? Connects when nothing speaks against it. */
static bool is_open(struct l2_loop *p, int32_t commands)
{
    if (p->breaker.state != BREAKER_CLOSED)
        return false;
    if (redis_link_state(p->link) == REDIS_CLOSED) {
        if (p->up) /* it is just failing; settle() comes */
            return false;
        if (!begin_connect(p)) {
            note_failure(p);
            return false;
        }
    }
    return redis_link_has_room(p->link, commands, (size_t)commands * COMMAND_BYTES);
}

static bool tell(struct l2_loop *p, const struct str *words, int32_t n, redis_done *done, void *arg)
{
    p->flush_is_due = true;
    return redis_link_send(p->link, words, n, clock_mono_us() + p->l2->timeout_us, done, arg) ==
           ERR_OK;
}

/* ---- the end of a get ---- */

static void finish(struct l2_loop *p, struct l2_get *g, enum l2_result r, struct answer *a)
{
    if (r == L2_ABSENT) {
        count(&p->fallbacks, 1);
    } else {
        count(r == L2_HIT ? &p->hits : &p->misses, 1);
        count(&p->latency_us_total, clock_mono_us() - g->begun_us);
        count(&p->latency_n, 1);
    }
    g->done(g, r, a);
}

/* ---- what both steps send ---- */

static uint64_t field_hash(const struct l2_get *g)
{
    return hash_stable(g->key.text.p, g->key.text.n); /* the same on every node */
}

static struct str holder_of(const struct l2_get *g, int32_t tag, char out[HOLDER_MAX])
{
    return holder_print(g->at->l2->o.prefix, g->tags[tag], field_hash(g), out);
}

static struct str lock_print(const struct l2_get *g, char out[LOCK_KEY_MAX])
{
    char holder[HOLDER_MAX], hex[HEX_MAX];
    int n = snprintf(out, LOCK_KEY_MAX, "%s:l:%s", holder_of(g, 0, holder).p,
                     hex_print(field_hash(g), hex).p);
    return (struct str){out, (size_t)n};
}

static void unlock(struct l2_loop *p, const struct l2_get *g)
{
    char key[LOCK_KEY_MAX], token[HEX_MAX];
    const struct str words[] = {STR("EVAL"), script_unlock, STR("1"), lock_print(g, key),
                                hex_print(g->lock_token, token)};
    if (redis_link_state(p->link) == REDIS_READY)
        (void)tell(p, words, 5, NULL, NULL); /* else it expires */
}

/* An error ends the connection, or is Redis's own answer. True: it was one. */
static bool note_error(struct l2_loop *p, struct l2_get *g, enum err e, const struct redis_reply *r)
{
    if (e)
        p->ended = e;
    else if (r->type != REDIS_ERROR)
        return false;
    g->failed = true;
    return true;
}

static void on_token(void *arg, enum err e, const struct redis_reply *r)
{
    struct l2_op *op = arg;
    if (note_error(op->get->at, op->get, e, r))
        return;
    if (r->type != REDIS_TEXT || !hex_parse(r->text, &op->get->tokens[op->tag]))
        op->get->tokens[op->tag] = 0;
}

static void on_value(void *arg, enum err e, const struct redis_reply *r);

static bool ask_value(struct l2_loop *p, struct l2_get *g)
{
    char holder[HOLDER_MAX], field[HEX_MAX];
    const struct str words[] = {STR("HMGET"), holder_of(g, 0, holder), STR("g"),
                                hex_print(field_hash(g), field)};
    return tell(p, words, 4, on_value, g);
}

/* ---- the first step ---- */

/* What this node itself knows of its tags; false: enough not to ask Redis. */
static bool take_known(struct l2_loop *p, struct l2_get *g)
{
    struct bus *bus = p->l2->o.bus;
    if (!bus_trusted(bus))
        return false;
    g->everything = bus_token(bus, TAG_EVERYTHING);
    if (!g->everything)
        return false;
    for (int32_t i = 0; i < g->tag_count; i++) {
        if (!bus_said(bus, g->tags[i]))
            return false;
        g->tokens[i] = tag_has_holder(g->tags[i]) ? 0 : bus_token(bus, g->tags[i]);
        if (!g->tokens[i] && !tag_has_holder(g->tags[i]))
            return false;
    }
    return true;
}

static void look(struct l2_loop *p, struct l2_get *g)
{
    g->failed = g->refused = g->prepared = false;
    g->holder = 0;
    if (!take_known(p, g) || !is_open(p, g->tag_count + 1)) {
        finish(p, g, L2_ABSENT, NULL);
        return;
    }
    for (int32_t i = 1; i < g->tag_count; i++) {
        char holder[HOLDER_MAX];
        if (!tag_has_holder(g->tags[i]))
            continue;
        const struct str words[] = {STR("HGET"), holder_of(g, i, holder), STR("g")};
        ASSERT(tell(p, words, 3, on_token, &g->ops[i])); /* there is room */
    }
    ASSERT(ask_value(p, g));
}

/* ---- the answer ---- */

static uint64_t mixed(uint64_t everything, uint64_t run)
{
    const uint64_t both[] = {everything, run};
    return hash_stable(both, sizeof both);
}

static bool tokens_equal(const struct l2_get *g, const struct l2_value *v)
{
    if (v->everything != g->everything || v->token_count != g->tag_count)
        return false;
    for (int32_t i = 0; i < g->tag_count; i++)
        if (!g->tokens[i] || v->tokens[i] != g->tokens[i])
            return false;
    return true;
}

/* NULL: gone, or no memory. A clock that is behind the writer's does not make it younger than new,
 * nor last longer than it was meant to from then. */
static struct answer *revive(struct l2_loop *p, const struct l2_get *g, const struct l2_value *v)
{
    int64_t now = clock_mono_us(), age = clock_us() - v->made_us;
    age = age < 0 ? 0 : age;
    if (age >= v->stale_until_us - v->made_us)
        return NULL;
    struct str body = l2_value_body(p->packer, v, &p->body);
    if (!body.p) {
        count(&p->refused_layout, 1);
        return NULL;
    }
    const struct answer_spec spec = {
        .status = 200,
        .media = g->media,
        .cache_control = g->cache_control,
        .lines = v->lines,
        .body = body,
        .made_us = now - age,
        .fresh_until_us = now - age + (v->fresh_until_us - v->made_us),
        .stale_until_us = now - age + (v->stale_until_us - v->made_us),
        .error_until_us = now - age + (v->error_until_us - v->made_us),
        .cost_us = v->cost_us,
        .stamp = g->stamp,
        .without = g->without,
    };
    struct answer *a;
    return answer_new(&spec, &a) ? NULL : a;
}

static struct answer *read_value(struct l2_loop *p, const struct l2_get *g, struct str bytes)
{
    struct l2_value v;
    if (!l2_value_decode(bytes, &v)) {
        count(&p->refused_layout, 1);
        return NULL;
    }
    if (!str_eq(v.key, g->key.text))
        return NULL; /* another question with the same hash */
    if (!tokens_equal(g, &v)) {
        count(&p->void_tokens, 1);
        return NULL;
    }
    return revive(p, g, &v);
}

static void prepare(struct l2_loop *p, struct l2_get *g);

static void wait_or_fill(struct l2_loop *p, struct l2_get *g)
{
    int64_t now = clock_mono_us();
    if (g->refused) { /* no token, so nothing can be put */
        p->refused_until_us = now + REFUSED_US;
        finish(p, g, L2_ABSENT, NULL);
        return;
    }
    if (!g->lock || g->locked || now >= g->wait_until_us) {
        count(&p->locks_taken, g->locked);
        finish(p, g, L2_FILL, NULL);
        return;
    }
    count(&p->locks_waited, !g->waited);
    g->waited = true;
    g->wake_us = now + L2_LOOK_AGAIN_MS * 1000 + (int64_t)rng_below(&p->rng, 5000);
    wait_for_others(p, g);
}

static void on_value(void *arg, enum err e, const struct redis_reply *r)
{
    struct l2_get *g = arg;
    struct l2_loop *p = g->at;
    bool good = !note_error(p, g, e, r) && r->type == REDIS_LIST && r->count == 2;
    if (!good || g->failed) {
        if (!e) { /* the connection lives, but this is no way to answer */
            count(&p->errors, 1);
            note_failure(p);
        }
        finish(p, g, L2_ABSENT, NULL);
        return;
    }
    breaker_success(&p->breaker);
    if (r->list[0].type != REDIS_TEXT || !hex_parse(r->list[0].text, &g->holder))
        g->holder = 0;
    if (tag_has_holder(g->tags[0]))
        g->tokens[0] = g->holder;
    if (!g->prepared)
        g->everything = mixed(g->everything, redis_link_run(p->link));
    struct answer *a =
        g->holder && r->list[1].type == REDIS_TEXT ? read_value(p, g, r->list[1].text) : NULL;
    if (a) {
        if (g->locked)
            unlock(p, g);
        g->locked = false;
        finish(p, g, L2_HIT, a);
    } else if (g->prepared) {
        wait_or_fill(p, g);
    } else {
        prepare(p, g);
    }
}

/* ---- the second step ---- */

/* A write that Redis does not take is no failure of reading. */
static void on_opened(void *arg, enum err e, const struct redis_reply *r)
{
    struct l2_op *op = arg;
    if (!e && r->type == REDIS_ERROR)
        op->get->refused = true;
    else if (tag_has_holder(op->get->tags[op->tag])) /* an endpoint's token is the bus's */
        on_token(arg, e, r);
    else
        (void)note_error(op->get->at, op->get, e, r);
}

static void on_locked(void *arg, enum err e, const struct redis_reply *r)
{
    struct l2_get *g = arg;
    if (!e && r->type == REDIS_ERROR)
        g->refused = true;
    else if (!note_error(g->at, g, e, r))
        g->locked = redis_is_status(r, STR("OK"));
}

static void open_holder(struct l2_loop *p, struct l2_get *g, int32_t tag)
{
    char holder[HOLDER_MAX], token[HEX_MAX], life[NUM_TEXT_MAX];
    const struct str words[] = {STR("EVAL"),
                                script_open,
                                STR("1"),
                                holder_of(g, tag, holder),
                                hex_print(rng_u64(&p->rng), token),
                                {life, num_print_i64(L2_HOLDER_S, life)}};
    ASSERT(tell(p, words, 6, on_opened, &g->ops[tag]));
}

static void take_lock(struct l2_loop *p, struct l2_get *g)
{
    char key[LOCK_KEY_MAX], token[HEX_MAX], life[NUM_TEXT_MAX];
    g->lock_token = rng_u64(&p->rng);
    const struct str words[] = {
        STR("SET"), lock_print(g, key), hex_print(g->lock_token, token),
        STR("NX"),  STR("PX"),          {life, num_print_i64(p->l2->o.lock_ms, life)}};
    ASSERT(tell(p, words, 6, on_locked, g));
}

static void prepare(struct l2_loop *p, struct l2_get *g)
{
    bool missing = !g->holder;
    for (int32_t i = 1; i < g->tag_count; i++)
        missing |= !g->tokens[i];
    g->prepared = true;
    if (!missing && !g->lock) {
        finish(p, g, L2_FILL, NULL);
        return;
    }
    if (clock_mono_us() < p->refused_until_us || !is_open(p, g->tag_count + 2)) {
        finish(p, g, L2_ABSENT, NULL);
        return;
    }
    for (int32_t i = 0; i < g->tag_count; i++)
        if (i == 0 ? !g->holder : !g->tokens[i])
            open_holder(p, g, i);
    if (g->lock)
        take_lock(p, g);
    ASSERT(ask_value(p, g));
}

/* ---- the face ---- */

void l2_get(struct l2 *l, struct http_loop *loop, struct l2_get *g)
{
    ASSERT(g->tag_count >= 1 && g->tag_count <= STAMP_TAGS_MAX && g->key.text.n <= CACHE_KEY_MAX);
    struct l2_loop *p = loop_of(l, loop);
    g->at = p;
    g->locked = g->waited = false;
    g->everything = 0;
    for (int32_t i = 0; i < g->tag_count; i++)
        g->ops[i] = (struct l2_op){g, i};
    if (!p) {
        g->done(g, L2_ABSENT, NULL);
        return;
    }
    g->begun_us = clock_mono_us();
    g->wait_until_us = g->begun_us + l->o.lock_ms * INT64_C(1000);
    look(p, g);
    arm(p);
}

static void on_put(void *arg, enum err e, const struct redis_reply *r)
{
    struct l2_loop *p = arg;
    if (e)
        p->ended = e;
    else if (r->type == REDIS_ERROR)
        p->refused_until_us = clock_mono_us() + REFUSED_US;
    bool done = !e && r->type == REDIS_NUMBER && r->number == 1;
    count(done ? &p->puts : &p->put_failures, 1);
}

static bool encode(struct l2_loop *p, const struct l2_get *g, const struct answer *a)
{
    const struct answer_times of = answer_times(a), *t = &of;
    int64_t now = clock_mono_us(), to_utc = clock_us() - now;
    struct l2_value v = {.made_us = t->made_us + to_utc,
                         .fresh_until_us = t->fresh_until_us + to_utc,
                         .stale_until_us = t->stale_until_us + to_utc,
                         .error_until_us = t->error_until_us + to_utc,
                         .cost_us = t->cost_us,
                         .everything = g->everything,
                         .token_count = g->tag_count,
                         .key = g->key.text,
                         .lines = answer_lines(a),
                         .body = answer_body(a)};
    memcpy(v.tokens, g->tokens, sizeof v.tokens);
    buf_clear(&p->value);
    return t->stale_until_us > now && l2_value_encode(p->packer, &v, &p->value) == ERR_OK;
}

static bool send_value(struct l2_loop *p, const struct l2_get *g, const struct answer *a)
{
    char holder[HOLDER_MAX], token[HEX_MAX], field[HEX_MAX], most[NUM_TEXT_MAX];
    if (!g->holder || redis_link_state(p->link) != REDIS_READY ||
        p->breaker.state != BREAKER_CLOSED || !encode(p, g, a) || g->everything == 0)
        return false;
    const struct str words[] = {STR("EVAL"),
                                script_put,
                                STR("1"),
                                holder_of(g, 0, holder),
                                hex_print(g->holder, token),
                                hex_print(field_hash(g), field),
                                buf_view(&p->value),
                                {most, num_print_i64(L2_HOLDER_ANSWERS_MAX, most)}};
    return tell(p, words, 8, on_put, p);
}

void l2_put(struct l2 *l, struct http_loop *loop, const struct l2_get *g, const struct answer *a)
{
    struct l2_loop *p = loop_of(l, loop);
    if (!p || g->at != p)
        return;
    if (a && answer_status(a) == 200 && !send_value(p, g, a))
        count(&p->put_failures, 1);
    if (g->locked)
        unlock(p, g);
    arm(p);
}

enum err l2_new(const struct l2_options *options, struct l2 **ret, char *ret_detail)
{
    ASSERT(options->loops > 0 && options->bus && options->redis);
    ASSERT(options->prefix.n <= BUS_PREFIX_MAX && options->command_timeout_ms > 0);
    struct l2 *l = calloc(1, sizeof *l);
    ret_detail[0] = '\0';
    if (!l)
        return ERR_NOMEM;
    l->o = *options;
    l->timeout_us = options->command_timeout_ms * INT64_C(1000);
    l->loops = calloc((size_t)options->loops, sizeof *l->loops);
    if (!l->loops) {
        free(l);
        return ERR_NOMEM;
    }
    for (int32_t i = 0; i < options->loops; i++)
        l->loops[i] = (struct l2_loop){.l2 = l, .wake_us = INT64_MAX};
    *ret = l;
    return ERR_OK;
}

void l2_free(struct l2 *l)
{
    if (!l)
        return;
    for (int32_t i = 0; i < l->o.loops; i++) {
        struct l2_loop *p = &l->loops[i];
        redis_link_free(p->link); /* answers what it was asked */
        for (struct l2_get *g = p->waiting, *next; g; g = next) {
            next = g->next;
            finish(p, g, L2_ABSENT, NULL);
        }
        l2_packer_free(p->packer);
        buf_fini(&p->value);
        buf_fini(&p->body);
    }
    free(l->loops);
    free(l);
}

void l2_stats(const struct l2 *l, struct l2_stats *ret)
{
    *ret = (struct l2_stats){.health = L2_UP};
    for (int32_t i = 0; i < l->o.loops; i++) {
        const struct l2_loop *p = &l->loops[i];
        enum l2_health h = (enum l2_health)atomic_load(&p->health);
        ret->health = h > ret->health ? h : ret->health;
#define X(name) ret->name += atomic_load_explicit(&p->name, memory_order_relaxed);
        L2_COUNTERS(X)
#undef X
    }
}

/* ---- administration ---- */

struct drop {
    struct redis_link *link;
    struct str prefix;
    int64_t gone;
    bool failed;
    char cursor[32];
    int64_t until_us;
};

static enum err drop_begin(struct l2 *l, struct drop *d)
{
    const struct redis_link_options o = {.target = l->o.redis,
                                         .reply_bytes_max = 8 << 20,
                                         .elements_max = SCAN_STEP_MAX,
                                         .commands_max = 2 * SCAN_STEP_MAX,
                                         .unsent_bytes_max = 8 << 20};
    *d = (struct drop){.prefix = l->o.prefix, .until_us = clock_mono_us() + DROP_ALL_US};
    enum err e = redis_link_new(&o, &d->link);
    return e ? e : redis_link_connect(d->link, clock_mono_us());
}

static int64_t drop_end(struct drop *d, enum err e)
{
    bool whole = !e && redis_link_wait(d->link) == ERR_OK && !d->failed;
    redis_link_free(d->link);
    return whole ? d->gone : -1;
}

static void drop_tell(struct drop *d, const struct str *words, int32_t n, redis_done *done)
{
    if (redis_link_send(d->link, words, n, clock_mono_us() + DROP_US, done, d))
        d->failed = true;
}

static void on_gone(void *arg, enum err e, const struct redis_reply *r)
{
    struct drop *d = arg;
    if (e || r->type != REDIS_NUMBER)
        d->failed = true;
    else
        d->gone += r->number;
}

/* Its token is a field too. What is no hash is a lock. */
static void on_length(void *arg, enum err e, const struct redis_reply *r)
{
    struct drop *d = arg;
    d->failed |= e != ERR_OK;
    if (!e && r->type == REDIS_NUMBER && r->number > 0)
        d->gone += r->number - 1;
}

static void on_unlinked(void *arg, enum err e, const struct redis_reply *r)
{
    struct drop *d = arg;
    d->failed |= e || r->type != REDIS_NUMBER;
}

static void drop_holder(struct drop *d, struct str key)
{
    const struct str length[] = {STR("HLEN"), key}, words[] = {STR("UNLINK"), key};
    drop_tell(d, length, 2, on_length);
    drop_tell(d, words, 2, on_unlinked);
}

int64_t l2_drop(struct l2 *l, struct str key_text, const struct tag *first_tag)
{
    char holder[HOLDER_MAX], field[HEX_MAX];
    uint64_t hash = hash_stable(key_text.p, key_text.n);
    struct drop d;
    enum err e = drop_begin(l, &d);
    const struct str words[] = {STR("HDEL"), holder_print(l->o.prefix, *first_tag, hash, holder),
                                hex_print(hash, field)};
    if (!e)
        drop_tell(&d, words, 3, on_gone);
    return drop_end(&d, e);
}

static void on_scanned(void *arg, enum err e, const struct redis_reply *r)
{
    struct drop *d = arg;
    if (e || r->type != REDIS_LIST || r->count != 2 || r->list[0].type != REDIS_TEXT ||
        r->list[1].type != REDIS_LIST || r->list[0].text.n >= sizeof d->cursor) {
        d->failed = true;
        return;
    }
    memcpy(d->cursor, r->list[0].text.p, r->list[0].text.n);
    d->cursor[r->list[0].text.n] = '\0';
    for (int32_t i = 0; i < r->list[1].count; i++) {
        struct str key = r->list[1].list[i].text;
        struct str rest = {key.p + d->prefix.n, key.n - d->prefix.n};
        if (key.n > d->prefix.n && str_starts(key, d->prefix) && !str_starts(rest, STR("{bus}")))
            drop_holder(d, key);
    }
}

/* The prefix as a pattern that matches it alone, then ours. */
static struct str pattern_print(struct str prefix, char out[2 * BUS_PREFIX_MAX + 8])
{
    size_t n = 0;
    for (size_t i = 0; i < prefix.n; i++) {
        if (memchr("*?[]\\^", prefix.p[i], 6))
            out[n++] = '\\';
        out[n++] = prefix.p[i];
    }
    memcpy(out + n, "{*", 2);
    return (struct str){out, n + 2};
}

int64_t l2_drop_all(struct l2 *l)
{
    char pattern[2 * BUS_PREFIX_MAX + 8];
    struct drop d;
    enum err e = drop_begin(l, &d);
    memcpy(d.cursor, "0", 2);
    do {
        const struct str words[] = {STR("SCAN"),  str_from(d.cursor),
                                    STR("MATCH"), pattern_print(d.prefix, pattern),
                                    STR("COUNT"), STR("512")};
        if (!e)
            drop_tell(&d, words, 6, on_scanned);
        if (!e && redis_link_wait(d.link))
            d.failed = true;
        d.failed |= clock_mono_us() > d.until_us;
    } while (!e && !d.failed && strcmp(d.cursor, "0") != 0);
    return drop_end(&d, e);
}
