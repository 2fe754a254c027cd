#include "api/idempotency.h"

#include "api/call.h"
#include "auth/key.h"
#include "base/assert.h"

static int64_t horizon(const struct call *c)
{
    return c->pub.now_us - (int64_t)IDEMPOTENCY_DAY_S * US_PER_S;
}

static bool key_valid(struct str key)
{
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] <= 0x20 || key.p[i] > 0x7e)
            return false;
    return key.n >= 1 && key.n <= IDEMPOTENCY_KEY_MAX;
}

/* What was asked: the operation, where, with what, about whom. */
static enum err request_hash(struct call *c)
{
    const struct http_request *rq = &c->pub.x->request;
    const struct str parts[] = {str_from(c->pub.row->id), rq->target, c->pub.learner, rq->body};
    size_t n = 0;

    for (size_t i = 0; i < COUNT(parts); i++)
        n += parts[i].n + 1;
    char *text = arena_alloc(c->pub.arena, n, 1);
    if (!text)
        return ERR_NOMEM;
    n = 0;
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (parts[i].n > 0)
            memcpy(text + n, parts[i].p, parts[i].n);
        n += parts[i].n;
        text[n++] = '\0'; /* none of the first three can hold one */
    }
    return sha256((struct str){text, n}, c->idempotency.request) ? ERR_OK : ERR_NOMEM;
}

static enum err replay(struct call *c, const struct value *row)
{
    const struct idempotency *k = &c->idempotency;
    struct http_exchange *x = c->pub.x;

    if (row[0].s.n != sizeof k->request || memcmp(row[0].s.p, k->request, sizeof k->request) != 0)
        return api_refuse(&c->pub, ERR_UNPROCESSABLE, "IDEMPOTENCY_KEY_REUSED",
                          "This Idempotency-Key was sent with another request before.");
    if (row[2].type == V_NULL)
        return api_refuse(&c->pub, ERR_CONFLICT, "REPLY_NOT_KEPT",
                          "The request was carried out; its reply was too long to be kept.");
    x->status = (int)value_i64(&row[1], 200);
    x->content_type = MEDIA_JSON;
    buf_clear(&x->body);
    buf_str(&x->body, row[2].s);
    if (x->body.failed)
        return ERR_NOMEM;
    http_reply_header(x, "Idempotency-Replayed", STR("true"));
    c->printed = true;
    return ERR_OK;
}

static enum err find(struct call *c, struct store_conn *conn)
{
    const struct value args[] = {V_S(c->pub.learner), V_S(c->pub.who.name), V_S(c->idempotency.key),
                                 V_I(horizon(c))};
    struct query q = {
        .stmt = STMT_IDEMPOTENCY_FIND, .args = args, .arg_count = COUNT(args), .rows_max = 1};
    enum err e = store_read(conn, c->pub.arena, &q, 1, c->pub.deadline_us);

    return e == ERR_OK && q.rows.count > 0 ? replay(c, row_at(&q.rows, 0)) : e;
}

enum err idempotency_begin(struct call *c)
{
    struct str key = {NULL, 0};

    if (c->pub.row->repeats)
        key = http_header_get(&c->pub.x->request, STR("Idempotency-Key"));
    c->idempotency.key = key;
    if (!key.p)
        return ERR_OK;
    ASSERT(c->pub.learner.p && c->pub.conn);
    if (!key_valid(key))
        return api_bad_field(&c->pub, "Idempotency-Key", "invalid_format",
                             "must be 1 to %d visible ASCII characters", IDEMPOTENCY_KEY_MAX);
    enum err e = request_hash(c);
    return e == ERR_OK ? find(c, c->pub.conn) : e;
}

static enum err keep(struct call *c, struct store_conn *conn)
{
    struct http_exchange *x = c->pub.x;
    struct str body = buf_view(&x->body);
    struct str request = {(const char *)c->idempotency.request, sizeof c->idempotency.request};
    const struct value owner[] = {V_S(c->pub.learner), V_I(horizon(c))};
    const struct value v[] = {
        V_S(c->pub.learner),     V_S(c->pub.who.name),
        V_S(c->idempotency.key), V_B(request),
        V_I(x->status),          body.n <= IDEMPOTENCY_BODY_MAX ? V_B(body) : V_N,
        V_I(c->pub.now_us),      owner[1]};
    struct query q = {
        .stmt = STMT_IDEMPOTENCY_COUNT, .args = owner, .arg_count = COUNT(owner), .rows_max = 1};
    struct bulk bulks[] = {
        {.stmt = STMT_IDEMPOTENCY_KEEP, .rows = 1, .cols = COUNT(v), .v = v},
        {.stmt = STMT_IDEMPOTENCY_EXPIRE, .rows = 1, .cols = 1, .v = &owner[1]},
    };
    enum err e = store_read(conn, c->pub.arena, &q, 1, 0);

    if (e == ERR_OK && value_i64(row_at(&q.rows, 0), 0) >= IDEMPOTENCY_KEYS_MAX)
        return api_refuse(&c->pub, ERR_TOO_MANY, "TOO_MANY_KEYS",
                          "%d Idempotency-Keys of this learner are remembered for today.",
                          IDEMPOTENCY_KEYS_MAX);
    if (e == ERR_OK)
        e = store_write(conn, bulks, COUNT(bulks));
    return e == ERR_OK && bulks[0].changed == 0 ? ERR_BUSY : e;
}

static enum err step(struct call *c, struct store_conn *conn)
{
    enum pending pending = c->pending;
    enum err e;

    c->pending = PENDING_NONE;
    c->pub.pending = false;
    if (pending == PENDING_EVENTS) {
        e = ingest_within(conn, c->batch->events, c->batch->count, c->pub.now_us, c->pub.arena,
                          c->batch->results);
        return e != ERR_OK ? e : c->then_events(&c->pub, c->batch->results, c->batch->count);
    }
    e = c->change(&c->pub, conn);
    return e == ERR_OK && c->then_change ? c->then_change(&c->pub) : e;
}

enum err idempotency_run(struct call *c, struct store_conn *conn)
{
    const struct call before = *c; /* of what the steps change, for when this is run again */

    c->pub.conn = conn;
    c->pub.deadline_us = c->deadline_us; /* no more a loop's */
    c->pub.reply = NULL;
    c->pub.status = 0;
    buf_clear(&c->pub.x->body);
    buf_clear(&c->pub.x->extra);
    enum err e = find(c, conn);
    while (e == ERR_OK && !c->printed && c->pending != PENDING_NONE)
        e = step(c, conn);
    if (e == ERR_OK && !c->printed) {
        e = reply_print(c);
        c->printed = e == ERR_OK;
        if (e == ERR_OK)
            e = keep(c, conn);
    }
    c->pending = before.pending;
    c->batch = before.batch;
    c->change = before.change;
    c->then_change = before.then_change;
    c->then_events = before.then_events;
    c->pub.conn = NULL;
    if (e != ERR_OK) {
        c->pub.reply = NULL;
        c->printed = false;
    }
    return e;
}
