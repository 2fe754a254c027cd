/* conn - how the server is put together inside: server, loops, connections, exchanges.
 *
 * Rules:
 *  1. A loop, its connections and its exchanges are touched by the loop's thread alone. Exceptions:
 *     an exchange that is RUNNING belongs to the application, which may hand it back from any
 *     thread by the loop's mailbox; a stream has a lock of its own.
 *  2. An exchange points to its connection until the connection ends, then to NULL; it lives on
 *     until the application has handed it back.
 *  3. A connection that ended is freed after the epoll batch that may still name it.
 *  4. Each wait has an absolute deadline, kept in the connection; its one timer is armed at or
 *     before the earliest (net/timers.h). */
#pragma once
#include "base/rng.h"
#include "http/body.h"
#include "http/heads.h"
#include "http/http.h"
#include "http/parser.h"
#include "net/listen.h"
#include "net/mailbox.h"
#include "net/timers.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    READ_BYTES = 64 * 1024,       /* one read; the loop's buffer */
    PIPELINE_MAX = 64,            /* requests read ahead on one connection */
    UNSENT_BYTES_MAX = 1 << 20,   /* replies waiting; above it no further request is read */
    EXTRA_BYTES_MAX = 32 * 1024,  /* header lines added by the application */
    HEAD_INLINE_BODY_MAX = 4096,  /* a body up to this size is copied behind its head */
    REFUSED_MAX = 128,            /* connections over a cap that are told so, on one loop */
    POOL_EXCHANGES_MAX = 128,     /* unused exchanges kept by a loop */
    POOL_BUF_KEEP_MAX = 16 * 1024 /* a larger buffer is not kept with its exchange */
};

enum exchange_state {
    X_HEAD,    /* its head is arriving */
    X_BODY,    /* its body is arriving */
    X_WAITING, /* whole, but earlier requests must be answered first */
    X_RUNNING, /* the application has it */
    X_STREAM,  /* the head of a stream is out; pieces follow */
    X_READY    /* the reply is whole */
};

struct http_conn;
struct http_stream;
struct tls_conn;
struct tls_context;

struct exchange {
    struct http_exchange pub; /* first: one is the other */
    struct http_conn *conn;   /* NULL: gone */
    struct exchange *next;    /* on the connection, by order of requests; or in the pool */
    enum exchange_state state;
    bool seen_by_app; /* on_done() is due */
    bool counted;     /* in requests_in_flight */
    bool wants_continue;
    bool chunked_out, static_body;
    bool keep_alive_1_0;
    int64_t started_us, body_started_us;
    struct mail mail; /* http_send() and the stream's beginning, from another thread */
    struct http_parser parser;
    struct http_verdict verdict;
    struct http_body body_reader;
    struct arena arena;
    struct http_header *headers;
    int32_t header_cap;
    struct buf head; /* bytes of the head, then the decoded path; empty when it is known */
    struct known_head *known; /* a reference; NULL: this head was parsed */
    uint64_t head_hash;       /* of a head that may be remembered; 0: not */
    struct buf body; /* of the request */
    struct buf out;  /* what goes out first: interim reply, head, small body */
    size_t out_sent, body_sent;
    struct http_stream *stream;
    char id[32];
};

enum source_kind { SOURCE_CONN, SOURCE_LISTENER, SOURCE_MAILBOX, SOURCE_WATCH };
struct source {
    enum source_kind kind; /* what an epoll event points to */
};

struct http_conn {
    struct source source;
    int fd;
    struct http_loop *loop;
    struct http_conn *prev, *next; /* of the loop */
    struct http_conn *todo_next;
    struct exchange *first, *last;
    struct exchange *reading; /* == last, while its head or body arrives */
    char *stash;              /* input that must wait */
    uint32_t stash_n, stash_at;
    int32_t exchange_count, running;
    size_t unsent;
    struct tls_conn *tls;
    struct timer timer;
    int64_t idle_since_us, write_deadline_us, linger_deadline_us;
    int64_t served;
    int32_t linger_bytes;
    bool dead, in_todo, in_service, readable, half_closed, eof, write_blocked;
    bool no_more;   /* no further request is read */
    bool lingering; /* the last reply is out; what comes is thrown away */
    bool handshaking;
    bool refused; /* over a cap: one reply, then the end */
    bool counted_address;
    struct net_peer peer;
};

struct listener {
    struct source source;
    int fd;
    bool is_unix, paused;
};

/* One writer, the loop's thread; read by http_server_stats(). */
#define LOOP_COUNTERS(X)    \
    X(connections_accepted) \
    X(connections_refused)  \
    X(requests)             \
    X(bytes_in)             \
    X(bytes_out)            \
    X(timeouts_head)        \
    X(timeouts_body)        \
    X(timeouts_write)       \
    X(clients_gone)
struct loop_counters {
#define X(name) _Atomic(int64_t) name;
    LOOP_COUNTERS(X)
#undef X
    _Atomic(int64_t) rejected[64];
};

struct http_loop {
    struct http_server *server;
    int32_t index;
    int epoll_fd, reserve_fd;
    pthread_t thread;
    bool thread_started;
    struct listener *listeners;
    int32_t listener_count;
    struct source mailbox_source;
    struct mailbox mailbox;
    struct timers timers;
    struct timer accept_timer;
    int64_t now_us, wall_s;
    struct http_conn *conns, *todo, *graves;
    int32_t conn_count, lingering_count, stream_count, watch_count;
    int32_t exchange_count; /* alive outside the pool */
    struct exchange *pool;
    int32_t pool_count;
    struct rng rng;
    char common[160]; /* the header lines of every reply: Date, Server */
    size_t common_n;
    bool stopping, stop_swept;
    int64_t stop_grace_us, stop_deadline_us;
    int32_t cut_off; /* exchanges not answered when the loop ended */
    struct mail stop_mail;
    struct loop_counters counters;
    struct heads heads;
    char read_buffer[READ_BYTES];
};

struct address_count;
struct http_server {
    struct http_app app;
    struct http_limits limits;
    char *server_name;
    int32_t loop_count;
    struct http_loop **loops;
    struct listen_address *addresses;
    int32_t address_count;
    char first_address[LISTEN_TEXT_MAX + 8];
    struct tls_context *tls;
    atomic_int connections, in_flight;
    pthread_mutex_t lock;        /* guards the next two lines */
    struct address_count *peers; /* addresses.c */
    uint32_t peer_count, peer_mask;
    bool started, stopped;
    int32_t stop_timeout_ms;
};

static inline void count(_Atomic(int64_t) *counter, int64_t n)
{
    int64_t v = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

/* conn.c */
void conn_new(struct http_loop *l, int fd, const struct net_peer *peer, enum err refuse);
void conn_event(struct http_conn *c, uint32_t events);
void conn_service(struct http_conn *c); /* writes and reads what can be; sets the timer */
void conn_close(struct http_conn *c);   /* at once */
void conn_todo(struct http_conn *c);    /* conn_service() at the end of the batch */
void conn_free_graves(struct http_loop *l);
void conn_stop(struct http_conn *c); /* the server stops: end it if it is idle */
void conn_reject(struct http_conn *c, struct exchange *x, enum err why, const char *detail,
                 bool fatal);

/* exchange.c */
struct exchange *exchange_take(struct http_loop *l); /* NULL: out of memory */
void exchange_release(struct exchange *x); /* on_done() if it is due; back into the pool */
void exchange_pool_free(struct http_loop *l);
/* Makes the request out of the parsed head, or of x->known. ERR_BAD_REQUEST, ERR_NOMEM. */
MUST_CHECK enum err exchange_request(struct exchange *x, const char **ret_detail);
void exchange_make_id(struct exchange *x);
/* Prints the head, and the body if it is small, into x->out. ERR_NOMEM. */
MUST_CHECK enum err exchange_format(struct exchange *x, bool keep_alive);
void exchange_ready(struct exchange *x); /* on the loop: the application has handed it back */

void exchange_stream(struct exchange *x); /* on the loop: it became a stream */

/* loop.c */
extern _Thread_local struct http_loop *current_loop;
MUST_CHECK enum err loop_new(struct http_server *s, int32_t index, struct http_loop **ret);
void loop_free(struct http_loop *l);
void loop_listen(struct http_loop *l, int fd, bool is_unix); /* takes fd over; before the start */
void *loop_main(void *arg);
void loop_run_mail(struct http_loop *l);
void loop_tick(struct http_loop *l); /* reads the clocks */
/* Room for the timers of all that the loop has, and of one more. */
MUST_CHECK enum err loop_reserve_timer(struct http_loop *l);

/* addresses.c */
MUST_CHECK bool address_enter(struct http_server *s, const struct net_peer *peer);
void address_leave(struct http_server *s, const struct net_peer *peer);

/* stream.c */
/* What can be written now: bytes taken from the stream's queue. */
struct str stream_peek(struct http_stream *s);
void stream_sent(struct http_stream *s, size_t n);
bool stream_is_live(const struct http_stream *s); /* events without end: sse.h */
void stream_stop(struct http_stream *s);          /* the server stops: end it */
bool stream_at_end(struct http_stream *s, bool *ret_complete);
void stream_gone(struct http_stream *s); /* the client has gone; the writer is told */
void stream_free(struct http_stream *s);

/* tls.c */
MUST_CHECK enum err tls_context_new(const char *cert_file, const char *key_file,
                                    struct tls_context **ret, char *ret_detail);
void tls_context_free(struct tls_context *t);
struct tls_conn *tls_conn_new(struct tls_context *t, int fd); /* NULL: out of memory */
void tls_conn_free(struct tls_conn *t);
enum tls_result { TLS_OK, TLS_AGAIN, TLS_FAILED };
enum tls_result tls_handshake(struct tls_conn *t);
/* As recv() and send(): bytes, 0 at the end, -1 with errno. */
ssize_t tls_read(struct tls_conn *t, void *p, size_t n);
ssize_t tls_write(struct tls_conn *t, const void *p, size_t n);
void tls_shutdown(struct tls_conn *t);
