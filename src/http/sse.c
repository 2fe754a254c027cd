#include "base/assert.h"
#include "http/stream.h"

#include <stdio.h>
#include <stdlib.h>

struct str sse_last_event_id(const struct http_request *rq)
{
    struct str id = http_header_get(rq, STR("last-event-id"));
    return id.p ? id : STR("");
}

/* ---- on the loop ---- */

static void on_beat(struct timer *t)
{
    struct sse *s = (struct sse *)((char *)t - offsetof(struct sse, beat));
    struct http_loop *l = s->stream.x->pub.loop;
    int64_t every_us = s->options.heartbeat_ms * INT64_C(1000);
    int64_t due_us = s->last_us + every_us;

    if (due_us <= l->now_us) {
        pthread_mutex_lock(&s->stream.lock);
        if (s->stream.unsent == 0 && !s->stream.ended)
            stream_do_put(&s->stream, ":\n\n", 3);
        pthread_mutex_unlock(&s->stream.lock);
        if (s->stream.x->conn)
            conn_todo(s->stream.x->conn);
        due_us = l->now_us + every_us;
    }
    timer_set(&l->timers, t, due_us);
}

void sse_begin(struct sse *s)
{
    struct http_loop *l = s->stream.x->pub.loop;
    l->stream_count++;
    if (s->options.retry_ms > 0) {
        char text[40];
        int n = snprintf(text, sizeof text, "retry: %d\n\n", s->options.retry_ms);
        pthread_mutex_lock(&s->stream.lock);
        stream_do_put(&s->stream, text, (size_t)n);
        pthread_mutex_unlock(&s->stream.lock);
    }
    s->last_us = l->now_us;
    s->beat.fire = on_beat;
    /* Without memory for a heartbeat the stream works; the client may then reconnect more often. */
    if (s->options.heartbeat_ms > 0 &&
        !loop_reserve_timer(l))
        timer_set(&l->timers, &s->beat, l->now_us + s->options.heartbeat_ms * INT64_C(1000));
}

void sse_end(struct sse *s)
{
    struct http_loop *l = s->stream.x->pub.loop;
    l->stream_count--;
    timer_clear(&l->timers, &s->beat);
    if (s->options.on_closed)
        s->options.on_closed(s->options.user);
}

/* ---- on any thread ---- */

enum err sse_open(struct http_exchange *x, const struct sse_options *options, struct sse **ret)
{
    ASSERT(options->queue_bytes_max > 0);
    struct sse *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    s->options = *options;
    s->stream.sse = s;
    if (!x->status)
        x->status = 200;
    x->content_type = "text/event-stream";
    http_reply_header(x, "Cache-Control", STR("no-store"));
    *ret = s; /* before it starts: on_closed() may come at once */
    stream_begin(&s->stream, (struct exchange *)x, (size_t)options->queue_bytes_max + 64);
    return ERR_OK;
}

static void put_field(struct buf *b, const char *name, struct str value)
{
    ASSERT(!memchr(value.p, '\n', value.n) && !memchr(value.p, '\r', value.n));
    buf_str(b, str_from(name));
    buf_str(b, value);
    buf_putc(b, '\n');
}

/* One "data:" line for each line of the text; CR, LF and CRLF all end one. */
static void put_data(struct buf *b, struct str data)
{
    for (;;) {
        size_t n = 0;
        while (n < data.n && data.p[n] != '\n' && data.p[n] != '\r')
            n++;
        put_field(b, "data: ", (struct str){data.p, n});
        if (n == data.n)
            return;
        n += data.n - n >= 2 && data.p[n] == '\r' && data.p[n + 1] == '\n' ? 2 : 1;
        data.p += n;
        data.n -= n;
    }
}

enum err sse_send(struct sse *s, struct str event, struct str id, struct str data)
{
    struct buf text;
    buf_init(&text, (size_t)s->options.queue_bytes_max);
    if (id.p)
        put_field(&text, "id: ", id);
    if (event.p)
        put_field(&text, "event: ", event);
    put_data(&text, data.p ? data : STR(""));
    buf_putc(&text, '\n');

    struct http_stream *st = &s->stream;
    pthread_mutex_lock(&st->lock);
    bool closed = st->gone || st->ended || st->cut;
    bool fits = !text.failed && st->unsent + text.n <= (size_t)s->options.queue_bytes_max;
    if (closed) {
        pthread_mutex_unlock(&st->lock);
    } else if (!fits || !stream_do_put(st, text.p, text.n)) {
        fits = false;
        st->cut = true;
        stream_unlock_post(st);
    } else {
        stream_unlock_post(st);
    }
    buf_fini(&text);
    return closed || !fits ? ERR_CANCELLED : ERR_OK;
}

void sse_close(struct sse *s)
{
    struct http_stream *st = &s->stream;
    pthread_mutex_lock(&st->lock);
    if (!st->ended)
        stream_do_end(st, true);
    stream_unlock_post(st);
}
