/* conn - one connection's life on its loop: bytes to exchanges, replies to bytes, deadlines. */
#include "http/conn.h"

#include "base/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    LINGER_US = 1000 * 1000,    /* how long a client may take to hear a refusal */
    LINGER_BYTES_MAX = 1 << 20, /* and how much of what it still sends is thrown away */
    LINGERING_MAX = 256,        /* on one loop */
    ROUNDS_MAX = 16,            /* reads in a row before others have their turn */
    IOV_MAX_HERE = 2 * PIPELINE_MAX,
    STOP_RECENT_US = 1000 * 1000 /* idle for longer: nothing is on its way to us */
};

static struct http_conn *conn_of_timer(struct timer *t)
{
    return (struct http_conn *)((char *)t - offsetof(struct http_conn, timer));
}

static void list_add(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    c->next = l->conns;
    if (c->next)
        c->next->prev = c;
    l->conns = c;
    l->conn_count++;
}

static void list_remove(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    if (c->prev)
        c->prev->next = c->next;
    else
        l->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    l->conn_count--;
}

static void chain(struct http_conn *c, struct exchange *x)
{
    x->conn = c;
    if (c->last)
        c->last->next = x;
    else
        c->first = x;
    c->last = x;
    c->exchange_count++;
    c->reading = x;
}

static void unchain_last(struct http_conn *c)
{
    struct exchange *before = NULL;
    for (struct exchange *x = c->first; x != c->last; x = x->next)
        before = x;
    c->last = before;
    if (before)
        before->next = NULL;
    else
        c->first = NULL;
    c->exchange_count--;
}

void conn_todo(struct http_conn *c)
{
    if (c->in_todo || c->in_service || c->dead)
        return;
    c->in_todo = true;
    c->todo_next = c->loop->todo;
    c->loop->todo = c;
}

/* The exchange has no connection any more. What the application still holds stays alive. */
static void abandon(struct exchange *x)
{
    x->conn = NULL;
    x->next = NULL;
    if (x->state == X_RUNNING)
        return;
    if (x->state == X_STREAM) {
        stream_gone(x->stream); /* may release x */
        return;
    }
    x->state = X_READY;
    x->pub.client_gone = x->seen_by_app;
    exchange_release(x);
}

static void abandon_all(struct http_conn *c)
{
    struct exchange *x = c->first;
    c->first = c->last = c->reading = NULL;
    c->exchange_count = c->running = 0;
    while (x) {
        struct exchange *next = x->next;
        abandon(x);
        x = next;
    }
}

void conn_close(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    struct http_server *s = l->server;

    if (c->dead)
        return;
    c->dead = true;
    abandon_all(c);
    timer_clear(&l->timers, &c->timer);
    tls_conn_free(c->tls);
    c->tls = NULL;
    close(c->fd);
    free(c->stash);
    c->stash = NULL;
    if (c->lingering)
        l->lingering_count--;
    if (c->counted_address)
        address_leave(s, &c->peer);
    if (!c->refused)
        atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
    list_remove(c);
    c->next = l->graves;
    l->graves = c;
}

void conn_free_graves(struct http_loop *l)
{
    struct http_conn *c = l->graves, *kept = NULL;
    while (c) {
        struct http_conn *next = c->next;
        if (c->in_todo) { /* still named by the list */
            c->next = kept;
            kept = c;
        } else {
            free(c);
        }
        c = next;
    }
    l->graves = kept;
}

/* The last reply is out. A client that may still be sending would get a reset, and might lose the
 * reply with it: so the sending side ends first, and what comes is thrown away. RFC 9112 9.6. */
static void finish(struct http_conn *c, bool unread)
{
    struct http_loop *l = c->loop;
    if (c->lingering)
        return;
    if (c->tls)
        tls_shutdown(c->tls);
    if (c->eof || !(unread || c->stash_n) || l->lingering_count >= LINGERING_MAX) {
        conn_close(c);
        return;
    }
    abandon_all(c);
    free(c->stash);
    c->stash = NULL;
    c->stash_n = c->stash_at = 0;
    shutdown(c->fd, SHUT_WR);
    c->lingering = true;
    c->readable = true;
    c->linger_deadline_us = l->now_us + LINGER_US;
    c->write_deadline_us = 0;
    l->lingering_count++;
}

/* ---- reading ---- */

static bool is_safe(const struct exchange *x)
{
    enum http_method m = x->pub.request.method;
    return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_OPTIONS;
}

static bool wants_input(const struct http_conn *c)
{
    if (c->dead || c->eof)
        return false;
    if (c->lingering || c->reading)
        return true;
    if (c->no_more || c->write_blocked || c->exchange_count >= PIPELINE_MAX ||
        c->unsent > UNSENT_BYTES_MAX)
        return false;
    /* What follows a request that changes something waits for its answer: RFC 9112 9.3.2. */
    const struct exchange *x = c->last;
    return !x || x->state == X_READY || (x->state == X_RUNNING && is_safe(x));
}

/* Does the connection end with this reply, because the server stops? Not while a request that has
 * come already waits behind it. */
static bool is_last_one(const struct http_conn *c, const struct exchange *x)
{
    char byte;
    if (!c->loop->stopping || x->next || c->stash_n)
        return false;
    return c->tls || c->loop->now_us >= c->loop->stop_grace_us ||
           recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

static bool may_keep_alive(struct http_conn *c, struct exchange *x)
{
    if (!x->parser.keep_alive || x->pub.close || c->refused)
        return false;
    if (!is_last_one(c, x))
        return true;
    c->no_more = true;
    return false;
}

/* The reply is filled in: print it and put it in line. */
static void reply(struct http_conn *c, struct exchange *x)
{
    ASSERT(x->pub.status >= 200 && x->pub.status <= 599);
    x->static_body = x->pub.body_static.p != NULL;
    x->keep_alive_1_0 = x->parser.minor == 0;
    x->state = X_READY;
    size_t interim = x->out.n;
    if (exchange_format(x, may_keep_alive(c, x)) || x->pub.extra.failed) {
        conn_close(c);
        return;
    }
    size_t body_n = x->static_body ? x->pub.body_static.n : x->pub.body.n;
    c->unsent += x->out.n - interim + body_n - x->body_sent;
    conn_todo(c);
}

void conn_reject(struct http_conn *c, struct exchange *x, enum err why, const char *detail,
                 bool fatal)
{
    const struct http_app *app = &c->loop->server->app;
    int status = err_http(why);

    ASSERT(x->state != X_RUNNING && x->state != X_STREAM);
    if (c->reading == x)
        c->reading = NULL;
    if (!x->pub.request.id.p)
        exchange_make_id(x);
    x->pub.request.peer = &c->peer;
    count(&c->loop->counters.rejected[why], 1);
    x->seen_by_app = true;
    x->wants_continue = false;
    buf_clear(&x->pub.body);
    buf_clear(&x->pub.extra);
    if (x->pub.body.max < 64 * 1024)
        x->pub.body.max = 64 * 1024;
    x->pub.status = status ? status : 500;
    x->pub.close |= fatal;
    c->no_more |= fatal;
    if (app->on_reject)
        app->on_reject(app->user, &x->pub, why, detail);
    reply(c, x);
}

static void dispatch(struct http_conn *c, struct exchange *x)
{
    struct http_server *s = c->loop->server;
    int32_t max = s->limits.requests_in_flight_max;

    if (atomic_fetch_add_explicit(&s->in_flight, 1, memory_order_relaxed) >= max) {
        atomic_fetch_sub_explicit(&s->in_flight, 1, memory_order_relaxed);
        conn_reject(c, x, ERR_BUSY, "too many requests are being answered", false);
        return;
    }
    x->counted = true;
    x->state = X_RUNNING;
    c->running++;
    s->app.on_request(s->app.user, &x->pub);
}

/* Requests that change something wait until all earlier ones are answered. */
static void dispatch_waiting(struct http_conn *c)
{
    struct exchange *x = c->last;
    if (!c->dead && c->running == 0 && x && x->state == X_WAITING)
        dispatch(c, x);
}

void exchange_ready(struct exchange *x)
{
    struct http_conn *c = x->conn;

    ASSERT(x->state == X_RUNNING);
    x->state = X_WAITING;
    if (!c) {
        x->state = X_READY;
        x->pub.client_gone = true;
        exchange_release(x);
        return;
    }
    c->running--;
    if (x->pub.body.failed)
        conn_reject(c, x, ERR_INTERNAL, "the reply does not fit", false);
    else
        reply(c, x);
    dispatch_waiting(c);
}

/* On the loop: the application begins a stream instead. */
void exchange_stream(struct exchange *x)
{
    struct http_conn *c = x->conn;
    ASSERT(x->state == X_RUNNING && x->stream);
    x->state = X_STREAM;
    if (!c) {
        stream_gone(x->stream);
        return;
    }
    x->chunked_out = x->parser.minor >= 1 && x->pub.request.method != HTTP_HEAD;
    x->keep_alive_1_0 = x->parser.minor == 0;
    size_t interim = x->out.n;
    bool keep_alive = may_keep_alive(c, x) && (x->parser.minor >= 1);
    if (exchange_format(x, keep_alive) || x->pub.extra.failed) {
        conn_close(c);
        return;
    }
    c->unsent += x->out.n - interim;
    if (c->loop->stopping && stream_is_live(x->stream))
        stream_stop(x->stream);
    conn_todo(c);
}

static void request_whole(struct http_conn *c, struct exchange *x)
{
    int32_t served_max = c->loop->server->limits.requests_per_connection_max;
    c->reading = NULL;
    x->wants_continue = false;
    x->pub.request.body = buf_view(&x->body);
    http_body_end(&x->body_reader);
    c->served++;
    if (served_max > 0 && c->served >= served_max)
        x->parser.keep_alive = false;
    c->no_more |= !x->parser.keep_alive;
    x->state = X_WAITING;
    if (c->running == 0 || is_safe(x))
        dispatch(c, x);
}

static void begin_body(struct http_conn *c, struct exchange *x, bool body_came)
{
    const struct http_parser *p = &x->parser;
    const struct http_verdict *v = &x->verdict;
    size_t max = v->body_expected ? v->body_max : HTTP_BODY_DROP_MAX;

    if (v->body_required && !p->chunked && p->content_length < 0) {
        conn_reject(c, x, ERR_LENGTH, "the request needs a body", false);
        return;
    }
    x->body.max = max + 1;
    switch (http_body_begin(&x->body_reader, p, max, !v->body_expected, &x->body)) {
    case HTTP_PARSE_DONE:
        request_whole(c, x);
        break;
    case HTTP_PARSE_REFUSED:
        conn_reject(c, x, x->body_reader.why, x->body_reader.detail, http_has_body(p));
        break;
    case HTTP_PARSE_MORE:
        x->state = X_BODY;
        x->wants_continue = p->expects_continue && !body_came;
        x->body_started_us = x->wants_continue ? 0 : c->loop->now_us;
        break;
    }
}

static void head_whole(struct http_conn *c, struct exchange *x, bool body_came)
{
    struct http_server *s = c->loop->server;
    const char *detail;

    count(&c->loop->counters.requests, 1);
    enum err e = exchange_request(x, &detail);
    x->pub.request.peer = &c->peer;
    if (!x->pub.request.id.p)
        exchange_make_id(x);
    if (e) {
        conn_reject(c, x, e, detail, true);
        return;
    }
    x->seen_by_app = true;
    x->verdict = (struct http_verdict){0};
    e = s->app.on_head(s->app.user, &x->pub, &x->verdict);
    x->arena.cap = x->verdict.arena_max;
    x->pub.body.max = x->verdict.reply_max;
    if (e)
        conn_reject(c, x, e, NULL, http_has_body(&x->parser));
    else
        begin_body(c, x, body_came);
}

/* True: the bytes are a whole head that the loop knows. */
static bool feed_known(struct http_conn *c, struct exchange *x, const char *p, size_t n)
{
    x->head_hash = heads_hash(p, n);
    if (!x->head_hash)
        return false;
    x->known = heads_find(&c->loop->heads, x->head_hash, (struct str){p, n});
    if (!x->known)
        return false;
    head_whole(c, x, false); /* may be the end of x */
    return true;
}

/* A head that comes in one piece is parsed where it was read and copied once; one in several pieces
 * is put together first. */
static size_t feed_head(struct http_conn *c, struct exchange *x, const char *p, size_t n)
{
    size_t had = x->head.n, max = x->parser.limits.head_bytes_max;
    if (had == 0 && feed_known(c, x, p, n))
        return n;
    const char *base = p;
    size_t have = n;
    if (had > 0) {
        size_t take = n < max - had ? n : max - had;
        buf_put(&x->head, p, take);
        base = x->head.p;
        have = had + take;
    }
    enum http_parse r =
        x->head.failed ? HTTP_PARSE_REFUSED : http_parse_head(&x->parser, base, have);
    if (r == HTTP_PARSE_REFUSED) {
        conn_reject(c, x, x->head.failed ? ERR_NOMEM : x->parser.why, x->parser.detail, true);
        return n;
    }
    size_t used = r == HTTP_PARSE_DONE ? x->parser.head_n - had : n;
    if (r != HTTP_PARSE_DONE || used < n)
        x->head_hash = 0; /* not a head alone in one read */
    if (had == 0)
        buf_put(&x->head, p, used);
    else
        x->head.n = had + used;
    if (x->head.failed)
        conn_reject(c, x, ERR_NOMEM, "out of memory", true);
    else if (r == HTTP_PARSE_DONE)
        head_whole(c, x, used < n);
    return used;
}

static size_t feed_body(struct http_conn *c, struct exchange *x, const char *p, size_t n)
{
    size_t used;
    if (!x->body_started_us)
        x->body_started_us = c->loop->now_us;
    switch (http_body_read(&x->body_reader, p, n, &used)) {
    case HTTP_PARSE_DONE:
        request_whole(c, x);
        return used;
    case HTTP_PARSE_REFUSED:
        conn_reject(c, x, x->body_reader.why, x->body_reader.detail, true);
        return n;
    default:
        return used;
    }
}

static size_t feed(struct http_conn *c, const char *p, size_t n)
{
    size_t used = 0;
    while (used < n && wants_input(c)) {
        if (c->lingering) {
            c->linger_bytes += (int32_t)(n - used);
            if (c->linger_bytes > LINGER_BYTES_MAX)
                conn_close(c);
            return n;
        }
        struct exchange *x = c->reading;
        if (!x) {
            x = exchange_take(c->loop);
            if (!x) {
                conn_close(c);
                return n;
            }
            chain(c, x);
        }
        used += x->state == X_HEAD ? feed_head(c, x, p + used, n - used)
                                   : feed_body(c, x, p + used, n - used);
    }
    return used;
}

/* Input that must wait, until what came before is answered. At most one read. */
static void stash(struct http_conn *c, const char *p, size_t n)
{
    if (c->dead)
        return;
    c->stash = malloc(n);
    if (!c->stash) {
        conn_close(c);
        return;
    }
    memcpy(c->stash, p, n);
    c->stash_n = (uint32_t)n;
    c->stash_at = 0;
}

static void feed_stash(struct http_conn *c)
{
    char *p = c->stash;
    uint32_t n = c->stash_n, at = c->stash_at;
    c->stash = NULL; /* it is ours while the connection may end */
    c->stash_n = 0;
    at += (uint32_t)feed(c, p + at, n - at);
    if (c->dead || at == n) {
        free(p);
        return;
    }
    c->stash = p;
    c->stash_n = n;
    c->stash_at = at;
}

static void on_eof(struct http_conn *c)
{
    c->eof = c->no_more = true;
    c->readable = false;
    if (c->reading) {
        struct exchange *x = c->reading;
        c->reading = NULL;
        unchain_last(c);
        abandon(x);
    }
    if (!c->first)
        conn_close(c);
}

/* One read's worth. False: there is nothing to read now. */
static bool read_some(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    if (c->stash_n) {
        feed_stash(c);
        return true;
    }
    if (!c->readable)
        return false;
    ssize_t n = c->tls ? tls_read(c->tls, l->read_buffer, READ_BYTES)
                       : recv(c->fd, l->read_buffer, READ_BYTES, 0);
    if (n > 0) {
        count(&l->counters.bytes_in, n);
        /* A short read has emptied the socket; the next bytes raise a new edge. A half-closed one
         * is read to its end, which raises none. */
        if (!c->tls && n < READ_BYTES && !c->half_closed)
            c->readable = false;
        size_t used = feed(c, l->read_buffer, (size_t)n);
        if (used < (size_t)n)
            stash(c, l->read_buffer + used, (size_t)n - used);
        return true;
    }
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        c->readable = false;
        return false;
    }
    if (n == 0)
        on_eof(c);
    else
        conn_close(c);
    return false;
}

/* ---- writing ---- */

static struct str body_of(const struct exchange *x)
{
    return x->static_body ? x->pub.body_static : buf_view(&x->pub.body);
}

static void want_continue(struct http_conn *c, struct exchange *x)
{
    x->wants_continue = false;
    x->body_started_us = c->loop->now_us;
    buf_str(&x->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    c->unsent += x->out.n;
}

static void add_iov(struct iovec *iov, int *n, struct str s, size_t at)
{
    if (s.n > at)
        iov[(*n)++] = (struct iovec){(void *)(uintptr_t)(s.p + at), s.n - at};
}

/* What can go out now, in order of the requests. */
static int gather(struct http_conn *c, struct iovec *iov)
{
    int n = 0;
    for (struct exchange *x = c->first; x && n + 3 <= IOV_MAX_HERE; x = x->next) {
        if (x->wants_continue && x == c->first)
            want_continue(c, x);
        add_iov(iov, &n, buf_view(&x->out), x->out_sent);
        if (x->state == X_STREAM) {
            add_iov(iov, &n, stream_peek(x->stream), 0);
            break;
        }
        if (x->state != X_READY)
            break;
        add_iov(iov, &n, body_of(x), x->body_sent);
        if (x->pub.close)
            break;
    }
    return n;
}

static ssize_t send_tls(struct http_conn *c, const struct iovec *iov, int n)
{
    /* Small pieces become one record. The loop's buffer is free: nothing is being read. */
    char *buffer = c->loop->read_buffer;
    size_t have = 0;
    for (int i = 0; i < n && have < 16 * 1024; i++) {
        size_t take = 16 * 1024 - have < iov[i].iov_len ? 16 * 1024 - have : iov[i].iov_len;
        memcpy(buffer + have, iov[i].iov_base, take);
        have += take;
    }
    return tls_write(c->tls, buffer, have);
}

static ssize_t send_some(struct http_conn *c, struct iovec *iov, int n)
{
    if (c->tls)
        return send_tls(c, iov, n);
    if (n == 1)
        return send(c->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    return sendmsg(c->fd, &m, MSG_NOSIGNAL);
}

static size_t take(size_t *at, size_t end, size_t n)
{
    size_t step = end - *at < n ? end - *at : n;
    *at += step;
    return step;
}

/* The first exchange's reply is out. False: the connection has come to its end. */
static bool pop(struct http_conn *c)
{
    struct exchange *x = c->first;
    bool close = x->pub.close, unread = x->body_reader.why || x->parser.why || c->refused ||
                                        !x->pub.request.received_us || !x->body_reader.done;
    c->first = x->next;
    if (!c->first)
        c->last = NULL;
    c->exchange_count--;
    c->write_deadline_us = 0;
    c->idle_since_us = c->loop->now_us;
    c->running -= x->state == X_STREAM;
    x->next = NULL;
    x->state = X_READY;
    exchange_release(x);
    if (close)
        finish(c, unread);
    else
        dispatch_waiting(c);
    return !close;
}

/* Takes n sent bytes off the exchanges. False: the connection has ended or will. */
static bool advance(struct http_conn *c, size_t n)
{
    while (c->first) {
        struct exchange *x = c->first;
        size_t step = take(&x->out_sent, x->out.n, n);
        if (x->state == X_READY)
            step += take(&x->body_sent, body_of(x).n, n - step);
        c->unsent -= step;
        x->pub.bytes_sent += step;
        n -= step;
        if (x->state == X_STREAM && n > 0) {
            stream_sent(x->stream, n);
            x->pub.bytes_sent += n;
            n = 0;
            c->write_deadline_us = 0; /* a stream's deadline is for each piece */
        }
        bool complete = true;
        if (x->out_sent < x->out.n || (x->state == X_READY && x->body_sent < body_of(x).n))
            return true;
        if (x->state != X_READY && !(x->state == X_STREAM && stream_at_end(x->stream, &complete)))
            return true;
        if (!complete) {
            x->state = X_READY;
            conn_close(c);
            return false;
        }
        if (!pop(c))
            return false;
    }
    return true;
}

static void flush(struct http_conn *c)
{
    struct iovec iov[IOV_MAX_HERE];
    while (c->first && !c->dead && !c->lingering && !c->write_blocked) {
        int n = gather(c, iov);
        if (n == 0) {
            /* A stream may end without further bytes. */
            if (c->first->state == X_STREAM)
                advance(c, 0);
            return;
        }
        ssize_t sent = send_some(c, iov, n);
        if (sent >= 0) {
            count(&c->loop->counters.bytes_out, sent);
            if (!advance(c, (size_t)sent))
                return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            c->write_blocked = true;
            if (!c->write_deadline_us)
                c->write_deadline_us =
                    c->loop->now_us + c->loop->server->limits.write_timeout_ms * INT64_C(1000);
        } else if (errno != EINTR) {
            conn_close(c);
        }
    }
}

/* ---- deadlines ---- */

enum wait {
    WAIT_NOTHING,
    WAIT_LINGER,
    WAIT_HANDSHAKE,
    WAIT_HEAD,
    WAIT_BODY,
    WAIT_IDLE,
    WAIT_WRITE
};

static int64_t earlier(int64_t at, int64_t other, enum wait what, enum wait *why)
{
    if (other >= at)
        return at;
    *why = what;
    return other;
}

/* The whole body by its deadline, and after the first second at no less than the least rate. */
static int64_t body_deadline(const struct http_limits *lim, const struct exchange *x)
{
    if (!x->body_started_us)
        return TIMER_NEVER; /* it is not our client's turn yet: no 100 (Continue) so far */
    int64_t at = x->body_started_us + lim->body_timeout_ms * INT64_C(1000);
    if (lim->body_rate_min > 0) {
        int64_t received = (int64_t)x->body_reader.received;
        int64_t by_rate = x->body_started_us + 1000000 + received * 1000000 / lim->body_rate_min;
        at = by_rate < at ? by_rate : at;
    }
    return at;
}

static int64_t deadline(const struct http_conn *c, enum wait *why)
{
    const struct http_limits *lim = &c->loop->server->limits;
    int64_t at = TIMER_NEVER;

    *why = WAIT_NOTHING;
    if (c->lingering) {
        *why = WAIT_LINGER;
        return c->linger_deadline_us;
    }
    if (c->write_deadline_us)
        at = earlier(at, c->write_deadline_us, WAIT_WRITE, why);
    if (c->handshaking)
        return earlier(at, c->idle_since_us + lim->head_timeout_ms * INT64_C(1000), WAIT_HANDSHAKE,
                       why);
    if (c->reading && c->reading->state == X_HEAD)
        at = earlier(at, c->reading->started_us + lim->head_timeout_ms * INT64_C(1000), WAIT_HEAD,
                     why);
    else if (c->reading)
        at = earlier(at, body_deadline(lim, c->reading), WAIT_BODY, why);
    else if (!c->first)
        at = earlier(at, c->idle_since_us + lim->idle_timeout_ms * INT64_C(1000), WAIT_IDLE, why);
    return at;
}

/* Moves the timer only when it would come too late: see net/timers.h. */
static void arm(struct http_conn *c)
{
    enum wait why;
    int64_t at = deadline(c, &why);
    if (!c->timer.index || at < c->timer.at_us)
        timer_set(&c->loop->timers, &c->timer, at);
}

static void on_timer(struct timer *t)
{
    struct http_conn *c = conn_of_timer(t);
    struct loop_counters *n = &c->loop->counters;
    enum wait why;

    if (deadline(c, &why) > c->loop->now_us) {
        arm(c);
        return;
    }
    switch (why) {
    case WAIT_HEAD:
        count(&n->timeouts_head, 1);
        conn_reject(c, c->reading, ERR_TIMEOUT, "the head took too long", true);
        conn_service(c);
        return;
    case WAIT_BODY:
        count(&n->timeouts_body, 1);
        conn_reject(c, c->reading, ERR_TIMEOUT, "the body took too long", true);
        conn_service(c);
        return;
    case WAIT_WRITE:
        count(&n->timeouts_write, 1);
        break;
    default:
        break;
    }
    conn_close(c);
}

/* ---- events ---- */

/* True: the handshake is over and went well. */
static bool shake_hands(struct http_conn *c)
{
    switch (tls_handshake(c->tls)) {
    case TLS_OK:
        c->handshaking = false;
        c->idle_since_us = c->loop->now_us;
        return true;
    case TLS_AGAIN:
        arm(c);
        return false;
    default:
        conn_close(c);
        return false;
    }
}

void conn_service(struct http_conn *c)
{
    if (c->dead || c->in_service || (c->handshaking && !shake_hands(c)))
        return;
    bool again = false;
    c->in_service = true;
    for (int rounds = 0;; rounds++) {
        flush(c);
        if (!wants_input(c))
            break;
        if (rounds == ROUNDS_MAX) {
            again = true;
            break;
        }
        if (!read_some(c))
            break;
    }
    c->in_service = false;
    if (c->dead)
        return;
    if (again)
        conn_todo(c);
    const struct http_loop *l = c->loop;
    bool stops = l->stopping && l->now_us >= l->stop_grace_us;
    if ((c->no_more || stops) && !c->first && !c->stash_n && !c->lingering)
        finish(c, false);
    if (!c->dead)
        arm(c);
}

void conn_event(struct http_conn *c, uint32_t events)
{
    if (c->dead)
        return;
    if (events & (EPOLLERR | EPOLLHUP)) {
        conn_close(c);
        return;
    }
    if (events & EPOLLRDHUP) {
        c->half_closed = true;
        /* Nobody listens to an event stream with half a connection. */
        if (c->first && c->first->state == X_STREAM && stream_is_live(c->first->stream)) {
            conn_close(c);
            return;
        }
    }
    c->readable |= (events & (EPOLLIN | EPOLLRDHUP)) != 0;
    if (events & EPOLLOUT)
        c->write_blocked = false;
    conn_service(c);
}

void conn_stop(struct http_conn *c)
{
    const struct http_loop *l = c->loop;
    if (c->handshaking) {
        conn_close(c);
        return;
    }
    for (struct exchange *x = c->first; x; x = x->next)
        if (x->state == X_STREAM && stream_is_live(x->stream))
            stream_stop(x->stream);
    if (c->first || c->stash_n || c->lingering)
        return;
    /* A client that was active a moment ago may have sent its next request already. */
    if (l->now_us < l->stop_grace_us && l->now_us - c->idle_since_us < STOP_RECENT_US)
        return;
    c->readable = true;
    conn_service(c);
    if (!c->dead && !c->first)
        finish(c, false);
}

void conn_new(struct http_loop *l, int fd, const struct net_peer *peer, enum err refuse)
{
    struct http_server *s = l->server;
    struct http_conn *c = calloc(1, sizeof *c);
    bool plain = !s->tls || peer->is_unix;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};

    if (c && !plain)
        c->tls = tls_conn_new(s->tls, fd);
    if (!c || (!plain && !c->tls) ||
        loop_reserve_timer(l) ||
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        if (c)
            tls_conn_free(c->tls);
        free(c);
        close(fd);
        if (!refuse) {
            address_leave(s, peer);
            atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
        }
        return;
    }
    c->source.kind = SOURCE_CONN;
    c->fd = fd;
    c->loop = l;
    c->peer = *peer;
    c->peer.is_tls = c->tls != NULL;
    c->handshaking = c->tls != NULL;
    c->idle_since_us = l->now_us;
    c->timer.fire = on_timer;
    c->refused = refuse != ERR_OK;
    c->counted_address = refuse == ERR_OK;
    list_add(c);
    if (!refuse) {
        arm(c);
        return;
    }
    struct exchange *x = exchange_take(l);
    if (!x) {
        conn_close(c);
        return;
    }
    chain(c, x);
    conn_reject(c, x, refuse, "too many connections", true);
    conn_service(c);
}
