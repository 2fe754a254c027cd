/* stream - a reply that is made piece by piece on another thread, inside the server.
 *
 * The writer appends framed bytes to `queue` under the lock and posts the stream's mail; the loop
 * takes the queue whole, writes it, and tells the writer about the room. The loop frees a stream
 * when its end was seen and no mail of it is under way. */
#pragma once
#include "http/conn.h"
#include "http/sse.h"

enum { STREAM_PIECE_MAX = 64 * 1024 };

struct http_stream {
    struct exchange *x;
    bool chunked, discard; /* fixed when it is made */

    pthread_mutex_t lock; /* guards the next five */
    pthread_cond_t room;
    struct buf queue;
    size_t unsent; /* in `queue` and `sending` */
    bool posted;   /* the mail is under way */
    bool ended, complete, gone, cut;

    struct mail mail;

    /* The loop only. */
    struct buf sending;
    size_t sent;
    struct sse *sse; /* NULL: a plain stream */
};

struct sse {
    struct http_stream stream;
    struct sse_options options;
    struct timer beat;
    int64_t last_us; /* the loop only: something was sent */
};

/* sse.c, on the loop. */
void sse_begin(struct sse *s);
void sse_end(struct sse *s);

/* Initialises s and hands it to the exchange's loop. Any thread. */
void stream_begin(struct http_stream *s, struct exchange *x, size_t queue_max);
/* With the lock held. False: there is no room. */
bool stream_do_put(struct http_stream *s, const void *p, size_t n);
void stream_do_end(struct http_stream *s, bool complete);
/* Releases the lock; the loop will look at the stream. */
void stream_unlock_post(struct http_stream *s);
