#include "http/stream.h"

#include "base/assert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct http_stream *stream_of_mail(struct mail *m)
{
    return (struct http_stream *)((char *)m - offsetof(struct http_stream, mail));
}

/* ---- on the loop ---- */

static bool is_over(struct http_stream *s)
{
    pthread_mutex_lock(&s->lock);
    bool over = s->ended && !s->posted;
    pthread_mutex_unlock(&s->lock);
    return over;
}

/* Without a connection a stream lives until its writer has ended it. */
static void release_if_over(struct http_stream *s)
{
    struct exchange *x = s->x;
    if (!is_over(s))
        return;
    x->state = X_READY;
    x->pub.client_gone = true;
    exchange_release(x); /* frees s */
}

void stream_gone(struct http_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->gone = true;
    if (s->sse)
        s->ended = true; /* nobody else would end it */
    pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
    release_if_over(s);
}

static void on_mail(struct mail *m)
{
    struct http_stream *s = stream_of_mail(m);
    struct http_conn *c = s->x->conn;
    pthread_mutex_lock(&s->lock);
    s->posted = false;
    bool cut = s->cut;
    pthread_mutex_unlock(&s->lock);
    if (!c)
        release_if_over(s);
    else if (cut)
        conn_close(c);
    else
        conn_todo(c);
}

struct str stream_peek(struct http_stream *s)
{
    if (s->sent == s->sending.n) {
        buf_clear(&s->sending);
        s->sent = 0;
        pthread_mutex_lock(&s->lock);
        struct buf swap = s->queue;
        s->queue = s->sending;
        s->sending = swap;
        pthread_mutex_unlock(&s->lock);
    }
    struct str whole = buf_view(&s->sending);
    return (struct str){whole.p + s->sent, whole.n - s->sent};
}

void stream_sent(struct http_stream *s, size_t n)
{
    ASSERT(n <= s->sending.n - s->sent);
    s->sent += n;
    if (s->sse)
        s->sse->last_us = s->x->pub.loop->now_us;
    pthread_mutex_lock(&s->lock);
    s->unsent -= n;
    if (s->unsent <= STREAM_HIGH_WATER)
        pthread_cond_signal(&s->room);
    pthread_mutex_unlock(&s->lock);
}

bool stream_at_end(struct http_stream *s, bool *ret_complete)
{
    pthread_mutex_lock(&s->lock);
    bool end = s->ended && !s->posted && s->unsent == 0;
    *ret_complete = s->complete;
    pthread_mutex_unlock(&s->lock);
    return end;
}

bool stream_is_live(const struct http_stream *s)
{
    return s->sse != NULL;
}

void stream_stop(struct http_stream *s)
{
    struct http_conn *c = s->x->conn;
    pthread_mutex_lock(&s->lock);
    if (!s->ended)
        stream_do_end(s, true);
    pthread_mutex_unlock(&s->lock);
    if (c)
        conn_todo(c);
}

void stream_free(struct http_stream *s)
{
    struct sse *sse = s->sse;
    if (sse)
        sse_end(sse);
    buf_fini(&s->queue);
    buf_fini(&s->sending);
    pthread_cond_destroy(&s->room);
    pthread_mutex_destroy(&s->lock);
    free(sse ? (void *)sse : (void *)s);
}

static void on_begin(struct mail *m)
{
    struct exchange *x = (struct exchange *)((char *)m - offsetof(struct exchange, mail));
    if (x->stream->sse)
        sse_begin(x->stream->sse);
    exchange_stream(x);
}

/* ---- on any thread ---- */

void stream_begin(struct http_stream *s, struct exchange *x, size_t queue_max)
{
    pthread_condattr_t attr;
    s->x = x;
    s->discard = x->pub.request.method == HTTP_HEAD;
    s->chunked = x->parser.minor >= 1 && !s->discard;
    s->mail.fn = on_mail;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->room, &attr);
    pthread_condattr_destroy(&attr);
    buf_init(&s->queue, queue_max);
    buf_init(&s->sending, queue_max);
    x->stream = s;
    x->mail.fn = on_begin;
    if (current_loop == x->pub.loop)
        on_begin(&x->mail);
    else
        mailbox_push(&x->pub.loop->mailbox, &x->mail);
}

bool stream_do_put(struct http_stream *s, const void *p, size_t n)
{
    size_t before = s->queue.n;
    char size[24];
    if (s->discard || n == 0)
        return true;
    if (s->chunked)
        buf_put(&s->queue, size, (size_t)snprintf(size, sizeof size, "%zx\r\n", n));
    buf_put(&s->queue, p, n);
    if (s->chunked)
        buf_put(&s->queue, "\r\n", 2);
    if (s->queue.failed) {
        s->queue.n = before;
        s->queue.failed = false;
        return false;
    }
    s->unsent += s->queue.n - before;
    return true;
}

void stream_do_end(struct http_stream *s, bool complete)
{
    s->ended = true;
    s->complete = complete;
    if (!complete || !s->chunked || s->gone)
        return;
    buf_put(&s->queue, "0\r\n\r\n", 5);
    if (s->queue.failed)
        s->complete = false;
    else
        s->unsent += 5;
}

void stream_unlock_post(struct http_stream *s)
{
    struct mailbox *mailbox = &s->x->pub.loop->mailbox;
    bool push = !s->posted;
    s->posted = true; /* keeps the stream alive until the mail has come */
    pthread_mutex_unlock(&s->lock);
    if (push)
        mailbox_push(mailbox, &s->mail);
}

enum err http_stream_begin(struct http_exchange *pub)
{
    struct http_stream *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    stream_begin(s, (struct exchange *)pub, STREAM_HIGH_WATER + STREAM_PIECE_MAX + 64);
    return ERR_OK;
}

/* Waits for room. False: the client has gone, or takes nothing any more. */
static bool do_wait(struct http_stream *s)
{
    struct timespec until;
    int32_t ms = s->x->pub.loop->server->limits.write_timeout_ms;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (!s->gone && s->unsent > STREAM_HIGH_WATER)
        if (pthread_cond_timedwait(&s->room, &s->lock, &until) == ETIMEDOUT)
            s->gone = true;
    return !s->gone;
}

enum err http_stream_write(struct http_exchange *pub, const void *p, size_t n)
{
    struct http_stream *s = ((struct exchange *)pub)->stream;
    const char *from = p;

    ASSERT(s && !s->sse && current_loop != pub->loop);
    while (n > 0) {
        size_t step = n < STREAM_PIECE_MAX ? n : STREAM_PIECE_MAX;
        pthread_mutex_lock(&s->lock);
        if (!do_wait(s) || !stream_do_put(s, from, step)) {
            s->gone = true;
            pthread_mutex_unlock(&s->lock);
            return ERR_CANCELLED;
        }
        stream_unlock_post(s);
        from += step;
        n -= step;
    }
    return ERR_OK;
}

void http_stream_end(struct http_exchange *pub, bool complete)
{
    struct http_stream *s = ((struct exchange *)pub)->stream;
    pthread_mutex_lock(&s->lock);
    if (s->gone)
        complete = false;
    stream_do_end(s, complete); /* cut off only after what was written before */
    stream_unlock_post(s);
}
