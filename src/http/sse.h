/* sse - server-sent events (WHATWG HTML, "text/event-stream") over an exchange.
 *
 * Events are pushed from any thread and written by the connection's loop; a slow client's queue is
 * bounded, and the connection is cut when it overflows (the client reconnects with Last-Event-ID).
 * A comment line is sent as heartbeat when nothing else was for heartbeat_ms. */
#pragma once
#include "http/http.h"

struct sse;

struct sse_options {
    int32_t retry_ms;      /* told to the client; 0 = not */
    int32_t heartbeat_ms;  /* 0 = none */
    int32_t queue_bytes_max;
    /* On the loop, once: the client has gone or sse_close() has finished. After it `sse` is gone. */
    void (*on_closed)(void *user);
    void *user;
};

/* Takes the exchange over. Call instead of http_send(), on any thread. */
MUST_CHECK enum err sse_open(struct http_exchange *x, const struct sse_options *options, struct sse **ret);
/* What the client asked to go on from ("" if it did not). Read it before sse_open(). */
struct str sse_last_event_id(const struct http_request *rq);
/* event and id may be {NULL,0}; data may hold line breaks. ERR_CANCELLED: gone, or cut off now. */
MUST_CHECK enum err sse_send(struct sse *s, struct str event, struct str id, struct str data);
void sse_close(struct sse *s);
