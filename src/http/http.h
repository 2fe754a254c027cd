/* http - the HTTP/1.1 server: requests in, replies out. RFC 9110, 9112; nothing of the product.
 *
 * One epoll loop per thread, SO_REUSEPORT; a connection lives on one loop for life, and loops never
 * block. The application is three callbacks. on_request() must lead to exactly one http_send() or
 * http_stream_begin() for its exchange, at once or later, on any thread; until then the exchange
 * and its arena belong to the application. Replies on one connection leave in the order of their
 * requests, pipelined ones coalesced into one write. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "net/timers.h"

#include <netinet/in.h>
#include <sys/un.h>

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHOD_COUNT
};
const char *http_method_name(enum http_method m);

struct http_header {
    struct str name, value; /* the name as sent; compare without case */
};

/* Who called. */
struct net_peer {
    uint8_t address[16]; /* IPv6, or IPv4 mapped into it; zeros on a Unix socket */
    uint16_t port;
    bool is_unix, is_loopback, is_tls;
};
enum { PEER_TEXT_MAX = 64 };
int net_peer_print(const struct net_peer *peer, char out[PEER_TEXT_MAX]); /* the address alone */

struct http_loop;

struct http_request {
    enum http_method method;
    struct str target; /* as sent */
    struct str path;   /* percent-decoded, no "." or ".." segments left; starts with '/' */
    struct str query;  /* behind '?', not decoded; p == NULL when there is none */
    const struct http_header *headers;
    int32_t header_count;
    struct str body; /* whole; chunked and gzip undone */
    struct str id;          /* request id: the client's X-Request-Id if it is plain, else made here */
    struct str traceparent; /* W3C trace context, checked; p == NULL when absent or malformed */
    const struct net_peer *peer;
    int64_t received_us; /* monotonic, when the head was complete */
};

/* First header of that name, or {NULL, 0}. */
struct str http_header_get(const struct http_request *rq, struct str name);

/* Does If-None-Match name this entity tag ("\"x\"" or "W/\"x\"", compared weakly), or "*"? Then a
 * GET or HEAD is answered 304. */
bool http_etag_matches(const struct http_request *rq, struct str etag);

struct http_exchange {
    struct http_request request;
    struct arena *arena; /* of this exchange; gone after on_done() */
    void *app;           /* the application's own */
    /* Where the application may keep something of its own with this request's head, until
     * note_free(): there again when the same bytes come again. NULL: the head is not remembered. */
    void **note;
    struct http_loop *loop;

    /* The reply, filled by the application before http_send(). */
    int status;
    const char *content_type; /* static text; NULL: no body type */
    struct buf body;          /* kept until it is written. Its maximum is set from the head's verdict */
    struct buf extra;         /* further header lines, each ending in CRLF; see http_reply_header() */
    /* Instead of `body`: bytes owned elsewhere, for which body_release(body_owner) is called once
     * written. Used by caches; a finished head may come with it. */
    struct str body_static;
    void (*body_release)(void *owner);
    void *body_owner;
    bool close; /* close the connection after this reply */

    /* Set by the server before on_done(). */
    uint64_t bytes_sent;
    bool client_gone; /* the reply could not be written whole */
};

/* What the application says when it has seen the head. */
struct http_verdict {
    size_t body_max;    /* larger bodies get 413 before they are read */
    size_t reply_max;   /* bound of exchange->body */
    size_t arena_max;   /* bound of exchange->arena */
    bool body_expected; /* false: a body is read and dropped up to a small bound, else 413 */
    bool body_required; /* neither Content-Length nor chunked: 411 */
};

struct http_app {
    void *user;
    /* On the loop, when the head is complete: chooses the bounds. ERR_OK to go on. Otherwise
     * on_reject() is asked for the reply, and the connection closes when a body was under way. */
    enum err (*on_head)(void *user, struct http_exchange *x, struct http_verdict *ret);
    /* On the loop: the request is whole. */
    void (*on_request)(void *user, struct http_exchange *x);
    /* On the loop: the server itself refuses (malformed, too large, too slow, too many …). Fill
     * status, headers and body (small); it is sent on return. The request may be half-empty. */
    void (*on_reject)(void *user, struct http_exchange *x, enum err why, const char *detail);
    /* On the loop: the reply is written or the client is gone. Last chance to read the exchange. Once
     * for each exchange that on_head() or on_reject() saw. */
    void (*on_done)(void *user, struct http_exchange *x);
    void (*note_free)(void *note); /* on a loop, or when the server is freed; NULL is fine */
};

struct http_limits {
    int32_t head_bytes_max, header_count_max, url_bytes_max;
    int32_t connections_max, connections_per_address_max, requests_in_flight_max;
    int32_t head_timeout_ms, body_timeout_ms, write_timeout_ms, idle_timeout_ms;
    int32_t body_rate_min; /* bytes a second after the first second; 0 = only the absolute deadline */
    int32_t requests_per_connection_max; /* then "Connection: close"; 0 = no limit */
};

struct http_options {
    struct str listen; /* "127.0.0.1:8080", "[::]:80", "unix:/run/doppel.sock"; several: comma */
    int32_t loops;     /* threads; >= 1 */
    struct http_limits limits;
    const char *tls_cert_file, *tls_key_file; /* both or none; TLS 1.3 only */
    const char *server_name;                  /* the Server header; NULL = none */
};

struct http_server;

/* ERR_RANGE: an option; ERR_IO: an address cannot be bound, or a file cannot be read; the reason is
 * in ret_detail (at least 200 bytes). */
MUST_CHECK enum err http_server_new(const struct http_options *options, const struct http_app *app,
                                    struct http_server **ret, char *ret_detail);
/* Starts the loops. Addresses are listening when it returns. */
MUST_CHECK enum err http_server_start(struct http_server *s);
/* "http://127.0.0.1:8080": the first address with the port that was bound (port 0 = any free). */
struct str http_server_address(const struct http_server *s);
struct http_loop *http_server_loop(const struct http_server *s, int32_t index); /* as http_loop_index() */
/* Stops accepting, lets running exchanges finish (at most timeout_ms), closes idle connections.
 * True: nothing was cut off. */
bool http_server_stop(struct http_server *s, int32_t timeout_ms);
/* After http_server_stop(). Work that was still running then must have called http_send() by now;
 * its on_done() is called here. NULL is fine. */
void http_server_free(struct http_server *s);

/* Adds "Name: value\r\n". Values with control bytes are a bug of the caller (ASSERT). */
void http_reply_header(struct http_exchange *x, const char *name, struct str value);
void http_reply_id(struct http_exchange *x); /* X-Request-Id, if there is one */
/* Sends the reply; the exchange must not be touched afterwards except in on_done(). Any thread. */
void http_send(struct http_exchange *x);
/* Runs fn(arg) on the exchange's loop soon. Any thread. */
void http_on_loop(struct http_exchange *x, void (*fn)(void *arg), void *arg);
int32_t http_loop_index(const struct http_loop *loop); /* 0..loops-1 */
int64_t http_loop_now_us(const struct http_loop *loop); /* monotonic, of this batch; its thread */

/* A socket and a time of another module on a loop, embedded in its object and zeroed at first. All
 * on the loop's thread. The callbacks may come once without cause; they run as long as the loop
 * does, also while the server stops. When the loop has ended (http_server_stop()) it touches the
 * watch no more, and the watch's functions may not be called any more. */
struct http_watch {
    uint32_t kind; /* the loop's own; first */
    bool reads, writes, joined;
    int fd; /* meaningless before it was joined; -1: none */
    struct timer timer;
    void (*ready)(struct http_watch *w); /* the socket can be read or written, or has failed */
    void (*due)(struct http_watch *w);
};
/* Before the others; ready() and due() are set. ERR_NOMEM. */
MUST_CHECK enum err http_watch_join(struct http_loop *loop, struct http_watch *w);
/* Adds, changes or (with -1) removes the socket; level-triggered. ERR_IO: the kernel refuses. */
MUST_CHECK enum err http_watch_fd(struct http_loop *loop, struct http_watch *w, int fd, bool reads,
                                  bool writes);
/* The socket was closed, which took it off the loop: forgets its number. */
void http_watch_forget(struct http_watch *w);
/* TIMER_NEVER: not. A time that has come calls due() before the loop next sleeps. */
void http_watch_at(struct http_loop *loop, struct http_watch *w, int64_t at_us);

/* A reply whose length is not known: head now, then pieces (chunked), then the end. From worker
 * threads only, never from a loop: write waits while more than STREAM_HIGH_WATER bytes are unsent,
 * up to the write timeout. ERR_CANCELLED: the client has gone; end it all the same. */
enum { STREAM_HIGH_WATER = 256 * 1024 };
MUST_CHECK enum err http_stream_begin(struct http_exchange *x);
MUST_CHECK enum err http_stream_write(struct http_exchange *x, const void *p, size_t n);
void http_stream_end(struct http_exchange *x, bool complete); /* false: cut the connection off */

/* Counters since start, for metrics. */
struct http_stats {
    int64_t connections_accepted, connections_open, connections_refused;
    int64_t requests, requests_in_flight;
    int64_t bytes_in, bytes_out;
    int64_t rejected[64];   /* by enum err */
    int64_t timeouts_head, timeouts_body, timeouts_write, clients_gone;
};
void http_server_stats(const struct http_server *s, struct http_stats *ret);
