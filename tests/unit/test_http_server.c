/* The server on real sockets: what clients do, and what hostile or vanishing clients do. */
#include "base/assert.h"
#include "base/clock.h"
#include "http/heads.h"
#include "http/router.h"
#include "http/sse.h"
#include "net/workers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

enum { BODY_MAX = 100000, BIG = 8 * 1024 * 1024 };

/* ---- the application under the server ---- */

static struct http_server *server;
static struct workers *workers;
static struct router *router;
static atomic_int heads, requests, rejects, dones, gone;
static atomic_int notes_made, notes_found, notes_freed;

/* Work at /gate stops here until the test lets it go on. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static int gate_arrived, gate_openings;
static bool gate_open;

static void gate_await(int n)
{
    pthread_mutex_lock(&gate_lock);
    while (gate_arrived < n)
        pthread_cond_wait(&gate_changed, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

static void gate_set(bool open)
{
    pthread_mutex_lock(&gate_lock);
    gate_open = open;
    gate_openings += open; /* whoever waits goes on, even if the gate is shut again at once */
    gate_arrived = 0;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_lock);
}

static void reply(struct http_exchange *x, int status, struct str body)
{
    x->status = status;
    x->content_type = "text/plain";
    buf_str(&x->body, body);
    http_send(x);
}

static void do_hello(struct http_exchange *x)
{
    reply(x, 200, STR("hello"));
}

static void do_echo(struct http_exchange *x)
{
    reply(x, 200, x->request.body);
}

static void do_nothing(struct http_exchange *x)
{
    reply(x, 204, STR(""));
}

static void do_etag(struct http_exchange *x)
{
    http_reply_header(x, "ETag", STR("\"v1\""));
    if (http_etag_matches(&x->request, STR("\"v1\"")))
        reply(x, 304, STR(""));
    else
        reply(x, 200, STR("body"));
}

static void do_about(struct http_exchange *x)
{
    const struct http_request *rq = &x->request;
    char peer[PEER_TEXT_MAX];
    net_peer_print(rq->peer, peer);
    buf_printf(&x->body, "%s|" STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT "|%s",
               http_method_name(rq->method), STR_ARG(rq->path), STR_ARG(rq->query), STR_ARG(rq->id),
               STR_ARG(rq->traceparent), peer);
    reply(x, 200, STR(""));
}

static void do_all(struct http_exchange *x)
{
    const struct http_request *rq = &x->request;
    buf_printf(&x->body, "%s|" STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT,
               http_method_name(rq->method), STR_ARG(rq->target), STR_ARG(rq->path),
               STR_ARG(rq->query), STR_ARG(rq->traceparent), STR_ARG(rq->body));
    for (int32_t i = 0; i < rq->header_count; i++)
        buf_printf(&x->body, "|" STR_FMT "=" STR_FMT, STR_ARG(rq->headers[i].name),
                   STR_ARG(rq->headers[i].value));
    reply(x, 200, STR(""));
}

static void do_gate(struct http_exchange *x)
{
    pthread_mutex_lock(&gate_lock);
    int openings = gate_openings;
    gate_arrived++;
    pthread_cond_broadcast(&gate_changed);
    while (!gate_open && gate_openings == openings)
        pthread_cond_wait(&gate_changed, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
    reply(x, 200, STR("gate"));
}

static void do_big(struct http_exchange *x)
{
    char *p = buf_reserve(&x->body, BIG);
    ASSERT(p);
    memset(p, 'b', BIG);
    x->body.n = BIG;
    reply(x, 200, STR(""));
}

static atomic_int released;
static void release(void *owner)
{
    atomic_fetch_add((atomic_int *)owner, 1);
}

static void do_static(struct http_exchange *x)
{
    x->body_static = STR("static");
    x->body_release = release;
    x->body_owner = &released;
    reply(x, 200, STR(""));
}

/* ?n=PIECES&cut: pieces of 1000 bytes; with cut, the end is missing. */
static void do_stream(struct http_exchange *x)
{
    char piece[1000];
    struct str q = x->request.query;
    bool cut = q.p && str_ends(q, STR("cut"));
    long n = q.p ? strtol(q.p, NULL, 10) : 3;
    memset(piece, 's', sizeof piece);
    x->status = 200;
    x->content_type = "text/plain";
    if (http_stream_begin(x)) {
        reply(x, 503, STR(""));
        return;
    }
    enum err e = ERR_OK;
    while (n-- > 0 && !e)
        e = http_stream_write(x, piece, sizeof piece);
    http_stream_end(x, !e && !cut);
}

static struct sse *_Atomic sse;
static atomic_int sse_closed;
static char sse_last_id[64];
static int sse_queue_max = 1000;

static void on_sse_closed(void *user)
{
    atomic_fetch_add((atomic_int *)user, 1);
}

static void do_sse(struct http_exchange *x)
{
    struct sse_options o = { .retry_ms = 700,
                             .heartbeat_ms = 30,
                             .queue_bytes_max = sse_queue_max,
                             .on_closed = on_sse_closed,
                             .user = &sse_closed };
    struct sse *s;
    struct str id = sse_last_event_id(&x->request);
    snprintf(sse_last_id, sizeof sse_last_id, STR_FMT, STR_ARG(id));
    assert_int_equal(sse_open(x, &o, &s), ERR_OK);
    atomic_store(&sse, s);
}

struct row {
    void (*fn)(struct http_exchange *x);
    bool on_worker, body_expected, body_required;
    const char *path;
};
static const struct row rows[] = {
    { do_hello, false, false, false, "/hello" },
    { do_hello, true, false, false, "/worker" },
    { do_echo, false, true, false, "/echo" },
    { do_echo, true, true, true, "/required" },
    { do_nothing, false, false, false, "/nothing" },
    { do_etag, false, false, false, "/etag" },
    { do_about, false, false, false, "/about/{x}" },
    { do_all, false, true, false, "/all/{x}" },
    { do_gate, true, false, false, "/gate" },
    { do_big, true, false, false, "/big" },
    { do_static, false, false, false, "/static" },
    { do_stream, true, false, false, "/stream" },
    { do_sse, false, false, false, "/sse" },
};

static enum err on_head(void *user, struct http_exchange *x, struct http_verdict *ret)
{
    struct route_match m;
    (void)user;
    atomic_fetch_add(&heads, 1);
    router_find(router, x->request.method, x->request.path, &m);
    if (!m.row)
        return m.allowed ? ERR_METHOD : ERR_NOT_FOUND;
    const struct row *row = m.row;
    x->app = (void *)(uintptr_t)row;
    if (x->note && *x->note) {
        ASSERT(*(const struct row **)*x->note == row);
        atomic_fetch_add(&notes_found, 1);
    } else if (x->note) {
        const struct row **note = malloc(sizeof(struct row *));
        ASSERT(note);
        *note = row;
        *x->note = note;
        atomic_fetch_add(&notes_made, 1);
    }
    *ret = (struct http_verdict){ .body_max = BODY_MAX,
                                  .reply_max = BIG + 100,
                                  .arena_max = 65536,
                                  .body_expected = row->body_expected,
                                  .body_required = row->body_required };
    return ERR_OK;
}

struct call {
    struct work work;
    struct http_exchange *x;
};

static void run(struct work *w, void *context)
{
    struct http_exchange *x = ((struct call *)w)->x;
    (void)context;
    ((const struct row *)x->app)->fn(x);
}

static void on_request(void *user, struct http_exchange *x)
{
    const struct row *row = x->app;
    (void)user;
    atomic_fetch_add(&requests, 1);
    if (!row->on_worker) {
        row->fn(x);
        return;
    }
    struct call *c = arena_new(x->arena, struct call, 1);
    ASSERT(c);
    c->work.fn = run;
    c->x = x;
    if (workers_submit(workers, LANE_FAST, &c->work))
        reply(x, 503, STR("full"));
}

static void on_reject(void *user, struct http_exchange *x, enum err why, const char *detail)
{
    (void)user;
    atomic_fetch_add(&rejects, 1);
    ASSERT(x->request.id.n > 0);
    x->content_type = "text/plain";
    buf_printf(&x->body, "%s %s", err_code(why), detail ? detail : "");
}

static void on_done(void *user, struct http_exchange *x)
{
    (void)user;
    atomic_fetch_add(&dones, 1);
    if (x->client_gone)
        atomic_fetch_add(&gone, 1);
    ASSERT(x->client_gone || x->bytes_sent > 0);
}

static void note_free(void *note)
{
    atomic_fetch_add(&notes_freed, 1);
    free(note);
}

static struct http_options defaults(void)
{
    return (struct http_options){
        .listen = STR("127.0.0.1:0"),
        .loops = 2,
        .limits = { .head_bytes_max = 4096,
                    .header_count_max = 20,
                    .url_bytes_max = 1000,
                    .connections_max = 1000,
                    .connections_per_address_max = 1000,
                    .requests_in_flight_max = 1000,
                    .head_timeout_ms = 5000,
                    .body_timeout_ms = 5000,
                    .write_timeout_ms = 5000,
                    .idle_timeout_ms = 5000 },
    };
}

static void start(const struct http_options *o)
{
    static const enum http_method methods[] = { HTTP_GET, HTTP_POST, HTTP_PUT };
    struct http_app app = { .on_head = on_head,
                            .on_request = on_request,
                            .on_reject = on_reject,
                            .on_done = on_done,
                            .note_free = note_free };
    char detail[200];
    atomic_store(&heads, 0);
    atomic_store(&notes_made, 0);
    atomic_store(&notes_found, 0);
    atomic_store(&notes_freed, 0);
    atomic_store(&requests, 0);
    atomic_store(&rejects, 0);
    atomic_store(&dones, 0);
    atomic_store(&gone, 0);
    gate_set(false);
    assert_int_equal(router_new(&router), ERR_OK);
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t m = 0; m < COUNT(methods); m++)
            assert_int_equal(router_add(router, methods[m], rows[i].path, &rows[i]), ERR_OK);
    assert_int_equal(
        workers_new(&(struct workers_options){ .threads = 3, .queue_max = 100000 }, &workers),
        ERR_OK);
    enum err e = http_server_new(o, &app, &server, detail);
    if (e)
        fail_msg("%s: %s", err_text(e), detail);
    assert_int_equal(http_server_start(server), ERR_OK);
}

/* Ends everything, and checks that what was begun was ended. */
static void stop(void)
{
    struct http_stats st;
    gate_set(true);
    assert_true(http_server_stop(server, 5000));
    workers_free(workers);
    http_server_stats(server, &st);
    assert_int_equal(st.connections_open, 0);
    assert_int_equal(st.requests_in_flight, 0);
    http_server_free(server);
    assert_int_equal(atomic_load(&notes_freed), atomic_load(&notes_made));
    router_free(router);
    server = NULL;
}

/* ---- a client ---- */

struct client {
    int fd;
    SSL *ssl;
    char in[65536];
    size_t n;
    int status;
    char head[4096], body[32768], value[256];
};

static int dial(void)
{
    struct str address = http_server_address(server);
    int fd, on = 1;
    struct timeval limit = { .tv_sec = 20 };
    if (str_starts(address, STR("unix:"))) {
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        memcpy(un.sun_path, address.p + 5, address.n - 5);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    } else {
        struct sockaddr_in in = { .sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        in.sin_port = htons((uint16_t)strtol(strrchr(address.p, ':') + 1, NULL, 10));
        fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static struct client *client_new(void)
{
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->fd = dial();
    return c;
}

static void client_free(struct client *c)
{
    SSL_free(c->ssl);
    close(c->fd);
    free(c);
}

static void tell(struct client *c, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = c->ssl ? SSL_write(c->ssl, p, (int)n) : send(c->fd, p, n, MSG_NOSIGNAL);
        if (done < 0) /* the server may have ended already; the reply will show */
            return;
        p += done;
        n -= (size_t)done;
    }
}

/* More bytes; false: the end. */
static bool hear(struct client *c)
{
    assert_true(c->n < sizeof c->in - 1);
    size_t room = sizeof c->in - 1 - c->n;
    ssize_t n = c->ssl ? SSL_read(c->ssl, c->in + c->n, (int)room)
                       : recv(c->fd, c->in + c->n, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("the server is silent");
    if (n <= 0)
        return false;
    c->n += (size_t)n;
    c->in[c->n] = '\0';
    return true;
}

static void drop(struct client *c, size_t n)
{
    c->n -= n;
    memmove(c->in, c->in + n, c->n + 1);
}

static bool at_end(struct client *c)
{
    return c->n == 0 && !hear(c);
}

static const char *find_header(struct client *c, const char *name)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
    const char *at = strcasestr(c->head, wanted);
    if (!at)
        return NULL;
    snprintf(c->value, sizeof c->value, "%.*s", (int)strcspn(at + strlen(wanted), "\r"),
             at + strlen(wanted));
    return c->value;
}

static void take_chunks(struct client *c)
{
    c->body[0] = '\0';
    for (size_t have = 0;;) {
        char *end;
        while (!strstr(c->in, "\r\n"))
            if (!hear(c))
                return;
        size_t n = strtoul(c->in, &end, 16);
        assert_true(end > c->in && memcmp(end, "\r\n", 2) == 0);
        size_t line = (size_t)(end - c->in) + 2;
        while (c->n < line + n + 2)
            if (!hear(c))
                return;
        memcpy(c->body + have, c->in + line, n);
        have += n;
        c->body[have] = '\0';
        drop(c, line + n + 2);
        if (n == 0)
            return;
    }
}

/* Reads one reply; false: the connection ended first. */
static bool take_reply(struct client *c, bool head_only)
{
    char *end;
    c->status = 0;
    while (!(end = strstr(c->in, "\r\n\r\n")))
        if (!hear(c))
            return false;
    snprintf(c->head, sizeof c->head, "%.*s", (int)(end - c->in) + 2, c->in);
    assert_memory_equal(c->head, "HTTP/1.1 ", 9);
    c->status = (int)strtol(c->head + 9, NULL, 10);
    drop(c, (size_t)(end - c->in) + 4);
    c->body[0] = '\0';
    const char *length = find_header(c, "Content-Length");
    if (head_only || c->status < 200 || c->status == 204 || c->status == 304)
        return true;
    if (!length) {
        assert_string_equal(find_header(c, "Transfer-Encoding"), "chunked");
        take_chunks(c);
        return true;
    }
    size_t n = strtoul(length, NULL, 10);
    assert_true(n < sizeof c->body);
    while (c->n < n)
        if (!hear(c))
            return false;
    memcpy(c->body, c->in, n);
    c->body[n] = '\0';
    drop(c, n);
    return true;
}

static int ask(struct client *c, const char *request)
{
    tell(c, request, strlen(request));
    return take_reply(c, strncmp(request, "HEAD", 4) == 0) ? c->status : 0;
}

/* One request on a connection of its own. */
static int ask_once(const char *request, size_t n, char *ret_body, bool *ret_closed)
{
    struct client *c = client_new();
    tell(c, request, n);
    int status = take_reply(c, false) ? c->status : 0;
    if (ret_body)
        snprintf(ret_body, 1000, "%.999s", c->body);
    if (ret_closed)
        *ret_closed = at_end(c);
    client_free(c);
    return status;
}

#define H "Host: a\r\n"
#define L16 "vvvvvvvvvvvvvvvv"
#define L256 L16 L16 L16 L16 L16 L16 L16 L16 L16 L16 L16 L16 L16 L16 L16 L16
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"

/* ---- ordinary use ---- */

static void keeps_connections(void **state)
{
    (void)state;
    struct http_options o = defaults();
    start(&o);
    struct client *c = client_new();
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ask(c, i % 2 ? GET("/hello") : GET("/worker")), 200);
        assert_string_equal(c->body, "hello");
        assert_non_null(find_header(c, "Date"));
        assert_null(find_header(c, "Connection"));
    }
    assert_int_equal(ask(c, GET("/nope")), 404); /* a refusal without a body keeps it, too */
    assert_int_equal(ask(c, "OPTIONS /hello HTTP/1.1\r\n" H "\r\n"), 405);
    assert_int_equal(ask(c, "HEAD /hello HTTP/1.1\r\n" H "\r\n"), 200);
    assert_string_equal(find_header(c, "Content-Length"), "5");
    assert_int_equal(ask(c, GET("/nothing")), 204);
    assert_null(find_header(c, "Content-Length"));
    assert_int_equal(ask(c, GET("/static")), 200);
    assert_string_equal(c->body, "static");
    assert_int_equal(ask(c, "GET /hello HTTP/1.1\r\n" H "Connection: close\r\n\r\n"), 200);
    assert_string_equal(find_header(c, "Connection"), "close");
    assert_true(at_end(c));
    client_free(c);

    c = client_new();
    assert_int_equal(ask(c, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 200);
    assert_string_equal(find_header(c, "Connection"), "keep-alive");
    assert_int_equal(ask(c, "GET /hello HTTP/1.0\r\n\r\n"), 200);
    assert_true(at_end(c));
    client_free(c);
    stop();
    assert_int_equal(atomic_load(&released), 1);
    assert_int_equal(atomic_load(&heads), atomic_load(&dones));
}

static void tells_the_application_who_and_what(void **state)
{
    (void)state;
    struct http_options o = defaults();
    start(&o);
    struct client *c = client_new();
    const char *trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    char text[500];
    snprintf(text, sizeof text,
             "GET /x/../about/%%41%%20b?q=%%20 HTTP/1.1\r\n" H
             "X-Request-Id: my-id_1.a\r\nTraceparent: %s\r\n\r\n", trace);
    assert_int_equal(ask(c, text), 200);
    snprintf(text, sizeof text, "GET|/about/A b|q=%%20|my-id_1.a|%s|127.0.0.1", trace);
    assert_string_equal(c->body, text);
    /* Ids that are not plain are replaced, by ones that differ. */
    char first[64], second[64];
    const char *bad = "GET http://a/about/b HTTP/1.1\r\n" H
                      "X-Request-Id: a b\r\nTraceparent: 00-1\r\n\r\n";
    assert_int_equal(ask(c, bad), 200);
    assert_int_equal(sscanf(c->body, "GET|/about/b||%26[0-9a-z]||127.0.0.1", first), 1);
    assert_int_equal(ask(c, bad), 200);
    assert_int_equal(sscanf(c->body, "GET|/about/b||%26[0-9a-z]||127.0.0.1", second), 1);
    assert_int_equal(strlen(first), 26);
    assert_string_not_equal(first, second);
    client_free(c);
    stop();
}

static const struct again {
    const char *line, *fields;
    bool known; /* is remembered */
} agains[] = {
    { "GET /all/a HTTP/1.1", "", true },
    { "GET /all/a?q=1&q=2 HTTP/1.1", "", true },
    { "GET http://a/all/a?q HTTP/1.1", "", true },
    { "GET /all/a HTTP/1.1", "Accept: */*\r\nACCEPT:  text/plain \r\nEmpty:\r\n", true },
    { "GET /all/a HTTP/1.1", "Authorization: Bearer one\r\n", true },
    { "GET /all/a HTTP/1.1", "Authorization: Bearer two\r\n", true },
    { "GET /all/a HTTP/1.1", "Connection: keep-alive\r\n", true },
    { "GET /all/%41 HTTP/1.1", "", false },
    { "GET /x/../all/b HTTP/1.1", "", false },
    { "HEAD /all/a HTTP/1.1", "", false },
    { "POST /all/a HTTP/1.1", "Content-Length: 0\r\n", false },
    { "GET /all/a HTTP/1.1", "Content-Length: 0\r\n", false },
    { "GET /all/a HTTP/1.1", "X-Request-Id: me\r\n", false },
    { "GET /all/a HTTP/1.1", "Traceparent: no\r\n", false },
    { "GET /all/a HTTP/1.0", "Connection: keep-alive\r\n", false },
    { "GET /all/a HTTP/1.1", "Long: " L256 L256 L256 L256 L256 L256 L256 L256 "\r\n", false },
};

static int notes(void)
{
    return atomic_load(&notes_made) + atomic_load(&notes_found);
}

static void expect_again(struct client *c, bool head_only, const char *body)
{
    assert_true(take_reply(c, head_only));
    assert_int_equal(c->status, 200);
    assert_string_equal(c->body, body);
}

static void asks_again(struct client *c, const struct again *a)
{
    enum { TIMES = 4, KNOWN = TIMES - 2 };
    static char first[sizeof c->body];
    char text[8192];
    bool head_only = a->line[0] == 'H';
    int before = notes();
    size_t n = (size_t)snprintf(text, sizeof text, "%s\r\n" H "%s\r\n", a->line, a->fields);

    for (int i = 0; i < TIMES; i++) {
        tell(c, text, n);
        if (i == 0) {
            assert_true(take_reply(c, head_only));
            memcpy(first, c->body, sizeof first);
        } else {
            expect_again(c, head_only, first);
        }
    }
    if (notes() - before != (a->known ? KNOWN : 0))
        fail_msg("%s %s: known %d times", a->line, a->fields, notes() - before);
    /* In pieces, and two at once, it is parsed as ever. */
    tell(c, text, n / 2);
    usleep(1000);
    tell(c, text + n / 2, n - n / 2);
    expect_again(c, head_only, first);
    memcpy(text + n, text, n);
    tell(c, text, 2 * n);
    expect_again(c, head_only, first);
    expect_again(c, head_only, first);
}

/* A head that came twice is known the third time, and means what it meant when it was parsed. */
static void knows_heads_again(void **state)
{
    (void)state;
    struct http_options o = defaults();
    o.loops = 1;
    start(&o);
    struct client *c = client_new();
    for (size_t i = 0; i < COUNT(agains); i++)
        asks_again(c, &agains[i]);
    /* More than there are places. */
    for (int i = 0; i < 9 * HEADS_MAX; i++) {
        char text[200], want[100];
        snprintf(text, sizeof text, "GET /all/%d HTTP/1.1\r\n" H "\r\n", i / 3);
        snprintf(want, sizeof want, "GET|/all/%d|", i / 3);
        assert_int_equal(ask(c, text), 200);
        assert_memory_equal(c->body, want, strlen(want));
    }
    assert_true(atomic_load(&notes_freed) > 0);
    client_free(c);
    stop();
}

static void answers_conditional_requests(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        int status;
    } cases[] = {
        { "", 200 },
        { "If-None-Match: \"v1\"\r\n", 304 },
        { "If-None-Match: W/\"v1\"\r\n", 304 },
        { "If-None-Match: \"a,b\", W/\"x\" ,\"v1\"\r\n", 304 },
        { "If-None-Match: \"a\"\r\nIf-None-Match: \"v1\"\r\n", 304 },
        { "If-None-Match: *\r\n", 304 },
        { "If-None-Match: \"v2\"\r\n", 200 },
        { "If-None-Match: v1\r\n", 200 },
        { "If-None-Match: \"x, \"v1\"\r\n", 200 },
        { "If-None-Match: \"v1\r\n", 200 },
    };
    struct http_options o = defaults();
    start(&o);
    struct client *c = client_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[200];
        snprintf(text, sizeof text, "GET /etag HTTP/1.1\r\n" H "%s\r\n", cases[i].fields);
        if (ask(c, text) != cases[i].status)
            fail_msg("%s gives %d", cases[i].fields, c->status);
        assert_string_equal(find_header(c, "ETag"), "\"v1\"");
    }
    client_free(c);
    stop();
}

/* Replies leave in the order of the requests, whichever is ready first. */
static void pipelines_in_order(void **state)
{
    (void)state;
    enum { N = 500 };
    struct http_options o = defaults();
    start(&o);
    struct client *c = client_new();
    static char text[N * 80];
    size_t n = 0;
    tell(c, GET("/gate"), strlen(GET("/gate")));
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "GET /about/%d HTTP/1.1\r\n" H "\r\n", i);
    tell(c, text, n);
    gate_await(1);
    struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
    assert_int_equal(poll(&pfd, 1, 50), 0); /* the first is not ready: nothing comes */
    gate_set(true);
    assert_true(take_reply(c, false));
    assert_string_equal(c->body, "gate");
    for (int i = 0; i < N; i++) {
        char want[40];
        assert_true(take_reply(c, false));
        snprintf(want, sizeof want, "GET|/about/%d|", i);
        assert_memory_equal(c->body, want, strlen(want));
    }
    client_free(c);
    stop();
}

/* What follows a request that changes something is not begun before that one is answered. */
static void runs_changes_one_after_another(void **state)
{
    (void)state;
    static const char text[] = "POST /gate HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n" GET("/hello")
        "POST /hello HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n";
    struct http_options o = defaults();
    start(&o);
    struct client *c = client_new();
    tell(c, text, sizeof text - 1);
    gate_await(1);
    struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
    assert_int_equal(poll(&pfd, 1, 50), 0);
    assert_int_equal(atomic_load(&requests), 1);
    gate_set(true);
    for (int i = 0; i < 3; i++) {
        assert_true(take_reply(c, false));
        assert_int_equal(c->status, 200);
        assert_string_equal(c->body, i ? "hello" : "gate");
    }
    /* And such a request waits for reads that are still running. */
    gate_set(false);
    tell(c, GET("/gate"), strlen(GET("/gate")));
    tell(c, text + sizeof "POST /gate HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" - 1 +
                strlen(GET("/hello")),
         strlen("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
    gate_await(1);
    assert_int_equal(poll(&pfd, 1, 50), 0);
    assert_int_equal(atomic_load(&requests), 4);
    gate_set(true);
    assert_true(take_reply(c, false));
    assert_true(take_reply(c, false));
    assert_string_equal(c->body, "hello");
    client_free(c);
    stop();
}

/* ---- bodies ---- */

static void takes_bodies(void **state)
{
    (void)state;
    struct http_options o = defaults();
    start(&o);
    struct client *c = client_new();
    assert_int_equal(ask(c, "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nabcde"), 200);
    assert_string_equal(c->body, "abcde");
    assert_int_equal(ask(c, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                            "3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: x\r\n\r\n"),
                     200);
    assert_string_equal(c->body, "abcde");
    assert_int_equal(ask(c, "POST /echo HTTP/1.1\r\n" H "\r\n"), 200);
    assert_string_equal(c->body, "");
    assert_int_equal(ask(c, "POST /required HTTP/1.1\r\n" H "\r\n"), 411);
    assert_int_equal(ask(c, "POST /required HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"), 200);
    /* A body nobody asked for is dropped. */
    assert_int_equal(ask(c, "POST /hello HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc"), 200);
    assert_int_equal(ask(c, GET("/hello")), 200);
    /* 100 (Continue) comes only after a yes. */
    assert_int_equal(ask(c, "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n"
                            "Expect: 100-continue\r\n\r\n"),
                     100);
    assert_int_equal(ask(c, "abc"), 200);
    assert_string_equal(c->body, "abc");
    assert_int_equal(ask(c, "POST /echo HTTP/1.1\r\n" H "Content-Length: 100001\r\n"
                            "Expect: 100-continue\r\n\r\n"),
                     413);
    assert_true(at_end(c));
    client_free(c);
    c = client_new();
    assert_int_equal(ask(c, "POST /nope HTTP/1.1\r\n" H "Content-Length: 3\r\n"
                            "Expect: 100-continue\r\n\r\n"),
                     404);
    client_free(c);
    stop();
}

static void undoes_gzip(void **state)
{
    (void)state;
    static char plain[200000];
    unsigned char packed[2000];
    char request[4000], body[1000];
    struct http_options o = defaults();
    start(&o);
    memset(plain, 'g', sizeof plain);
    for (int round = 0; round < 3; round++) {
        /* fits; is larger than allowed once unpacked; is cut short */
        size_t plain_n = round == 1 ? sizeof plain : 20000;
        z_stream z = { 0 };
        assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (Bytef *)plain;
        z.avail_in = (uInt)plain_n;
        z.next_out = packed;
        z.avail_out = sizeof packed;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        size_t n = sizeof packed - z.avail_out - (round == 2 ? 9 : 0);
        deflateEnd(&z);
        int head = snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\n" H
                            "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n);
        memcpy(request + head, packed, n);
        int want = round == 0 ? 200 : round == 1 ? 413 : 400;
        struct client *c = client_new();
        tell(c, request, (size_t)head + n);
        assert_true(take_reply(c, false));
        assert_int_equal(c->status, want);
        if (round == 0)
            assert_int_equal(strspn(c->body, "g"), plain_n);
        client_free(c);
    }
    static const char brotli[] = "POST /echo HTTP/1.1\r\n" H "Content-Encoding: br\r\n\r\n";
    assert_int_equal(ask_once(brotli, sizeof brotli - 1, body, NULL), 415);
    stop();
}

/* ---- refusals ---- */

static void refuses_and_closes(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        { "rubbish\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" H H "\r\n", 400 },
        { "GET /hello HTTP/1.1\r\n" H "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
          "0\r\n\r\nGET /hello HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /hello HTTP/1.1\r\n" H "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400 },
        { "GET /%zz HTTP/1.1\r\n" H "\r\n", 400 },
        { "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400 },
        { "POST /echo HTTP/1.1\r\n" H "Content-Length: 100001\r\n\r\nabc", 413 },
        { "POST /hello HTTP/1.1\r\n" H "Content-Length: 70000\r\n\r\nabc", 413 },
        { "POST /nope HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nabc", 404 },
        { "GET / HTTP/1.1\r\n" H "Expect: x\r\n\r\n", 417 },
        { "BREW / HTTP/1.1\r\n" H "\r\n", 501 },
        { "GET / HTTP/2.0\r\n" H "\r\n", 505 },
    };
    struct http_options o = defaults();
    start(&o);
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool closed;
        char body[1000];
        int status =
            ask_once(cases[i].request, strlen(cases[i].request), body, &closed);
        if (status != cases[i].status || !closed)
            fail_msg("%s gives %d \"%s\", closed %d", cases[i].request, status, body, closed);
    }
    static char large[6000];
    memset(large, 'a', sizeof large);
    memcpy(large, "GET /", 5);
    assert_int_equal(ask_once(large, sizeof large, NULL, NULL), 414);
    int n = snprintf(large, sizeof large, "GET / HTTP/1.1\r\n" H "X: ");
    memset(large + n, 'a', sizeof large - (size_t)n);
    assert_int_equal(ask_once(large, sizeof large, NULL, NULL), 431);
    struct http_stats st;
    http_server_stats(server, &st);
    assert_int_equal(st.rejected[ERR_BAD_REQUEST], 7);
    assert_int_equal(st.rejected[ERR_HEADERS_TOO_LARGE], 1);
    stop();
    assert_int_equal(atomic_load(&requests), 0);
    assert_int_equal(atomic_load(&rejects), atomic_load(&dones));
}

/* A client that goes on sending a large body still hears why it is refused. */
static void is_heard_by_clients_that_keep_talking(void **state)
{
    (void)state;
    static char body[500000];
    struct http_options o = defaults();
    start(&o);
    for (int i = 0; i < 20; i++) {
        struct client *c = client_new();
        char head[200];
        int n = snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n",
                         sizeof body);
        tell(c, head, (size_t)n);
        tell(c, body, sizeof body);
        assert_true(take_reply(c, false));
        assert_int_equal(c->status, 413);
        client_free(c);
    }
    stop();
}

/* ---- slow and vanishing clients ---- */

static void cuts_off_slow_clients(void **state)
{
    (void)state;
    struct http_options o = defaults();
    o.limits.head_timeout_ms = 80;
    o.limits.body_timeout_ms = 80;
    o.limits.write_timeout_ms = 80;
    o.limits.idle_timeout_ms = 150;
    start(&o);
    /* A byte now and then does not help: deadlines are absolute. */
    static const char *const slow[] = { GET("/hello"), "POST /echo HTTP/1.1\r\n" H
                                        "Content-Length: 100\r\n\r\n" };
    for (int i = 0; i < 2; i++) {
        struct client *c = client_new();
        int64_t start_us = clock_mono_us();
        struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
        size_t n = strlen(slow[i]), at = i == 0 ? 1 : n;
        tell(c, slow[i], at);
        while (poll(&pfd, 1, 10) == 0) {
            tell(c, at < n - 1 ? slow[i] + at : "x", 1);
            at++;
        }
        assert_true(take_reply(c, false));
        assert_int_equal(c->status, 408);
        int64_t took_ms = (clock_mono_us() - start_us) / 1000;
        assert_in_range(took_ms, 79, 1000);
        assert_true(at_end(c));
        client_free(c);
    }
    /* One that takes no reply. */
    struct client *c = client_new();
    tell(c, GET("/big"), strlen(GET("/big")));
    struct http_stats st;
    do
        http_server_stats(server, &st);
    while (st.timeouts_write == 0);
    client_free(c);
    /* One that says nothing. */
    c = client_new();
    assert_true(at_end(c));
    client_free(c);
    http_server_stats(server, &st);
    assert_int_equal(st.timeouts_head, 1);
    assert_int_equal(st.timeouts_body, 1);
    assert_int_equal(st.timeouts_write, 1);
    stop();
}

/* With a least rate, a body that comes too slowly is cut off before its deadline. */
static void wants_a_least_rate(void **state)
{
    (void)state;
    struct http_options o = defaults();
    o.limits.body_rate_min = 1000;
    start(&o);
    struct client *c = client_new();
    int64_t start_us = clock_mono_us();
    tell(c, "POST /echo HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\nx",
         strlen("POST /echo HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\nx"));
    assert_true(take_reply(c, false));
    assert_int_equal(c->status, 408);
    assert_in_range((clock_mono_us() - start_us) / 1000, 1000, 3000);
    client_free(c);
    stop();
}

static void survives_vanishing_clients(void **state)
{
    (void)state;
    enum { N = 10000, AT_ONCE = 100 };
    static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    struct http_options o = defaults();
    o.limits.requests_in_flight_max = 2 * N;
    o.limits.connections_max = o.limits.connections_per_address_max = 2 * N;
    start(&o);
    int fds[AT_ONCE];
    for (int i = 0; i < N / AT_ONCE; i++) {
        gate_set(false);
        for (int k = 0; k < AT_ONCE; k++) {
            fds[k] = dial();
            /* Some with more behind: half a request, a second one, half a body. */
            static const char *const texts[] = {
                GET("/gate"),
                GET("/gate") GET("/hello") "GET /",
                GET("/gate") "POST /echo HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nabc",
                GET("/gate") "POST /hello HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
            };
            const char *text = texts[k % 4];
            assert_int_equal(send(fds[k], text, strlen(text), 0), strlen(text));
        }
        gate_await(1);
        for (int k = 0; k < AT_ONCE; k++) {
            if (k % 3 == 0)
                setsockopt(fds[k], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            close(fds[k]);
        }
        gate_set(true);
    }
    struct http_stats st;
    do
        http_server_stats(server, &st);
    while (st.connections_open > 0 || st.requests_in_flight > 0);
    stop();
    assert_int_equal(atomic_load(&heads), atomic_load(&dones));
    assert_true(atomic_load(&gone) > 0);
}

/* ---- caps ---- */

static void holds_its_caps(void **state)
{
    (void)state;
    struct http_options o = defaults();
    o.limits.connections_max = 4;
    o.limits.connections_per_address_max = 3;
    o.limits.requests_in_flight_max = 2;
    start(&o);
    struct client *c[3], *refused;
    for (int i = 0; i < 3; i++) {
        c[i] = client_new();
        assert_int_equal(ask(c[i], GET("/hello")), 200);
    }
    refused = client_new();
    assert_true(take_reply(refused, false));
    assert_int_equal(refused->status, 429);
    assert_true(at_end(refused));
    client_free(refused);
    for (int i = 0; i < 2; i++)
        tell(c[i], GET("/gate"), strlen(GET("/gate")));
    gate_await(2);
    assert_int_equal(ask(c[2], GET("/hello")), 503);
    gate_set(true);
    for (int i = 0; i < 2; i++) {
        assert_true(take_reply(c[i], false));
        assert_string_equal(c[i]->body, "gate");
    }
    assert_int_equal(ask(c[2], GET("/hello")), 200); /* the same connection, later */
    for (int i = 0; i < 3; i++)
        client_free(c[i]);
    struct http_stats st;
    do
        http_server_stats(server, &st);
    while (st.connections_open > 0);
    refused = client_new(); /* there is room again */
    assert_int_equal(ask(refused, GET("/hello")), 200);
    client_free(refused);
    stop();

    o = defaults();
    o.limits.connections_max = 1;
    o.limits.requests_per_connection_max = 2;
    start(&o);
    c[0] = client_new();
    assert_int_equal(ask(c[0], GET("/hello")), 200);
    refused = client_new();
    assert_true(take_reply(refused, false));
    assert_int_equal(refused->status, 503);
    client_free(refused);
    assert_int_equal(ask(c[0], GET("/hello")), 200);
    assert_string_equal(find_header(c[0], "Connection"), "close");
    assert_true(at_end(c[0]));
    client_free(c[0]);
    stop();
}

/* Out of files: connections are ended, not left waiting; and later all is well again. */
static void survives_without_files(void **state)
{
    (void)state;
    enum { N = 40 };
    struct rlimit all, few;
    struct http_options o = defaults();
    o.loops = 1;
    start(&o);
    struct client *c[N];
    int fds[N];
    for (int i = 0; i < N; i++)
        c[i] = calloc(1, sizeof *c[i]);
    for (int i = 0; i < N; i++)
        fds[i] = socket(AF_INET, SOCK_STREAM, 0); /* the clients' own, before there are no more */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    few = all;
    few.rlim_cur = (rlim_t)fds[N - 1] + 6;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int answered = 0;
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    in.sin_port = htons((uint16_t)strtol(strrchr(http_server_address(server).p, ':') + 1, NULL, 10));
    for (int i = 0; i < N; i++) {
        struct timeval limit = { .tv_sec = 20 };
        setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        c[i]->fd = fds[i];
        assert_int_equal(connect(fds[i], (struct sockaddr *)&in, sizeof in), 0);
        answered += ask(c[i], GET("/hello")) == 200; /* or the end: not silence */
    }
    assert_int_equal(answered, 5);
    struct http_stats st;
    http_server_stats(server, &st);
    assert_int_equal(st.connections_refused, N - 5);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    for (int i = 0; i < N; i++)
        client_free(c[i]);
    struct client *later = client_new();
    assert_int_equal(ask(later, GET("/hello")), 200);
    client_free(later);
    stop();
}

/* A client that sends and never reads is not read from without end. */
static void pushes_back(void **state)
{
    (void)state;
    struct http_options o = defaults();
    o.loops = 1;
    start(&o);
    struct client *c = client_new();
    static char text[4000];
    for (size_t n = 0; n + strlen(GET("/hello")) < sizeof text; n += strlen(GET("/hello")))
        memcpy(text + n, GET("/hello"), strlen(GET("/hello")) + 1);
    tell(c, GET("/big"), strlen(GET("/big")));
    size_t sent = 0;
    struct pollfd pfd = { .fd = c->fd, .events = POLLOUT };
    while (poll(&pfd, 1, 200) == 1) {
        ssize_t n = send(c->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        assert_true(sent < 64u << 20);
    }
    assert_true(atomic_load(&requests) < 2000);
    client_free(c);
    stop();
}

/* ---- streams ---- */

static void streams(void **state)
{
    (void)state;
    struct http_options o = defaults();
    start(&o);
    struct client *c = client_new();
    assert_int_equal(ask(c, GET("/stream?20")), 200);
    assert_int_equal(strlen(c->body), 20000);
    assert_int_equal(ask(c, GET("/hello")), 200); /* the connection is kept */
    assert_int_equal(ask(c, "HEAD /stream?20 HTTP/1.1\r\n" H "\r\n"), 200);
    assert_int_equal(ask(c, GET("/hello")), 200);
    assert_int_equal(ask(c, GET("/stream?0")), 200);
    assert_string_equal(c->body, "");
    /* Cut off: no last chunk. */
    assert_int_equal(ask(c, GET("/stream?2&cut")), 200);
    assert_true(at_end(c));
    client_free(c);
    /* To an HTTP/1.0 client the end of the connection is the end. */
    c = client_new();
    tell(c, "GET /stream?3 HTTP/1.0\r\n\r\n", strlen("GET /stream?3 HTTP/1.0\r\n\r\n"));
    while (hear(c))
        ;
    assert_non_null(strstr(c->in, "Connection: close\r\n"));
    assert_null(strstr(c->in, "chunked"));
    assert_int_equal(strlen(strstr(c->in, "\r\n\r\n") + 4), 3000);
    client_free(c);
    /* The writer waits for a slow reader, and is told of one that has gone. */
    c = client_new();
    tell(c, GET("/stream?20000"), strlen(GET("/stream?20000")));
    while (c->n < 1000)
        assert_true(hear(c));
    client_free(c);
    struct http_stats st;
    do /* the stream's owner may hear of it after the count */
        http_server_stats(server, &st);
    while (st.requests_in_flight > 0 || atomic_load(&gone) < 2);
    assert_int_equal(atomic_load(&gone), 2); /* the cut one, and this */
    stop();
}

static struct sse *await_sse(void)
{
    struct sse *s;
    while (!(s = atomic_load(&sse)))
        sched_yield();
    atomic_store(&sse, NULL);
    return s;
}

static void await_closed(int n)
{
    while (atomic_load(&sse_closed) < n)
        sched_yield();
}

static void hear_until(struct client *c, const char *text)
{
    while (!strstr(c->in, text))
        if (!hear(c))
            fail_msg("\"%s\" does not come: %s", text, c->in);
}

static void sends_events(void **state)
{
    (void)state;
    static const char open[] = "GET /sse HTTP/1.1\r\n" H "Last-Event-ID: 41\r\n\r\n";
    struct http_options o = defaults();
    atomic_store(&sse_closed, 0);
    start(&o);
    struct client *c = client_new();
    tell(c, open, sizeof open - 1);
    struct sse *s = await_sse();
    assert_string_equal(sse_last_id, "41");
    hear_until(c, "retry: 700\n\n");
    assert_non_null(strstr(c->in, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(c->in, "Cache-Control: no-store\r\n"));
    assert_int_equal(sse_send(s, STR("tick"), STR("42"), STR("a\nb\r\nc\rd")), ERR_OK);
    hear_until(c, "id: 42\nevent: tick\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
    assert_int_equal(sse_send(s, (struct str){ 0 }, (struct str){ 0 }, STR("")), ERR_OK);
    hear_until(c, "data: \n\n");
    hear_until(c, ":\n\n"); /* the heartbeat */
    sse_close(s);
    while (hear(c))
        if (strstr(c->in, "\r\n0\r\n\r\n"))
            break;
    await_closed(1);
    client_free(c);
    /* The client goes. */
    c = client_new();
    tell(c, open, sizeof open - 1);
    s = await_sse();
    hear_until(c, "retry");
    client_free(c);
    await_closed(2);
    /* The client reads nothing: cut off when its queue is full. */
    sse_queue_max = 100000;
    c = client_new();
    tell(c, open, sizeof open - 1);
    s = await_sse();
    static char kilobyte[1000];
    memset(kilobyte, 'k', sizeof kilobyte);
    int sent = 0;
    /* on_closed() comes only after sse_send() has said so. */
    while (!sse_send(s, (struct str){ 0 }, (struct str){ 0 },
                     (struct str){ kilobyte, sizeof kilobyte }))
        sent++;
    assert_true(sent >= 90);
    await_closed(3);
    client_free(c);
    /* The server stops: the stream ends well. */
    sse_queue_max = 1000;
    c = client_new();
    tell(c, open, sizeof open - 1);
    await_sse();
    hear_until(c, "retry");
    /* So does one that waits behind another request. */
    struct client *behind = client_new();
    tell(behind, GET("/gate"), strlen(GET("/gate")));
    tell(behind, open, sizeof open - 1);
    gate_await(1);
    await_sse();
    stop();
    await_closed(5);
    hear_until(c, "\r\n0\r\n\r\n");
    hear_until(behind, "\r\n0\r\n\r\n");
    client_free(c);
    client_free(behind);
}

/* ---- stopping ---- */

enum { STOP_CLIENTS = 8 };
static atomic_bool stop_told;
static atomic_int stop_answered, stop_lost;

/* Asks until told "Connection: close". Every request sent on an open connection must be answered. */
static void *ask_on_and_on(void *arg)
{
    struct client *c = arg;
    for (;;) {
        if (ask(c, GET("/worker")) != 200) {
            atomic_fetch_add(&stop_lost, 1);
            break;
        }
        atomic_fetch_add(&stop_answered, 1);
        if (find_header(c, "Connection"))
            break;
    }
    if (!atomic_load(&stop_told))
        atomic_fetch_add(&stop_lost, 1);
    client_free(c);
    return NULL;
}

static void stops_without_dropping(void **state)
{
    (void)state;
    pthread_t threads[STOP_CLIENTS];
    struct http_options o = defaults();
    for (int round = 0; round < 5; round++) {
        start(&o);
        atomic_store(&stop_told, false);
        atomic_store(&stop_answered, 0);
        atomic_store(&stop_lost, 0);
        struct client *held = client_new();
        tell(held, GET("/gate") GET("/hello"), strlen(GET("/gate") GET("/hello")));
        gate_await(1);
        for (int i = 0; i < STOP_CLIENTS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, ask_on_and_on, client_new()), 0);
        while (atomic_load(&stop_answered) < 100)
            sched_yield();
        atomic_store(&stop_told, true);
        gate_set(true);
        stop();
        for (int i = 0; i < STOP_CLIENTS; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(atomic_load(&stop_lost), 0);
        assert_true(take_reply(held, false));
        assert_string_equal(held->body, "gate");
        assert_true(take_reply(held, false));
        assert_string_equal(held->body, "hello");
        client_free(held);
    }
}

/* Work that outlasts the stop's patience is cut off, and ends safely later. */
static void stops_in_time(void **state)
{
    (void)state;
    struct http_options o = defaults();
    start(&o);
    struct client *c = client_new();
    tell(c, GET("/gate"), strlen(GET("/gate")));
    gate_await(1);
    int64_t start_us = clock_mono_us();
    assert_false(http_server_stop(server, 50));
    assert_in_range((clock_mono_us() - start_us) / 1000, 49, 2000);
    assert_true(at_end(c));
    gate_set(true);
    workers_free(workers);
    http_server_free(server);
    router_free(router);
    client_free(c);
    assert_int_equal(atomic_load(&gone), 1);
    assert_int_equal(atomic_load(&dones), 1);
}

/* ---- addresses, Unix sockets, TLS ---- */

static enum err try_new(struct http_options *o, char *detail)
{
    struct http_app app = { .on_head = on_head, .on_request = on_request };
    struct http_server *s;
    enum err e = http_server_new(o, &app, &s, detail);
    if (!e)
        http_server_free(s);
    return e;
}

static void checks_its_options(void **state)
{
    (void)state;
    static const char *const bad[] = { "",           "127.0.0.1",  "127.0.0.1:", "127.0.0.1:65536",
                                       "example.com:1", "::1:80",  "unix:",      "127.0.0.1:1,",
                                       "[127.0.0.1]:1" };
    char detail[200];
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct http_options o = defaults();
        o.listen = str_from(bad[i]);
        assert_int_equal(try_new(&o, detail), ERR_RANGE);
        assert_int_not_equal(detail[0], 0);
    }
    struct http_options o = defaults();
    o.tls_cert_file = "/nonexistent";
    assert_int_equal(try_new(&o, detail), ERR_RANGE);
    o.tls_key_file = "/nonexistent";
    assert_int_equal(try_new(&o, detail), ERR_IO);
    o = defaults();
    o.loops = 0;
    assert_int_equal(try_new(&o, detail), ERR_RANGE);
    /* A port that is taken, although several loops share one. */
    o = defaults();
    start(&o);
    char taken[100];
    snprintf(taken, sizeof taken, "%s", strstr(http_server_address(server).p, "127."));
    o.listen = str_from(taken);
    assert_int_equal(try_new(&o, detail), ERR_IO);
    assert_non_null(strstr(detail, "in use"));
    stop();
    o.listen = STR("127.0.0.1:0, [::1]:0");
    enum err e = try_new(&o, detail);
    assert_true(e == ERR_OK || strstr(detail, "[::1]")); /* a machine may have no IPv6 */
}

static void listens_on_a_unix_socket(void **state)
{
    (void)state;
    char dir[] = "/tmp/doppel-test-XXXXXX", address[120], path[100], detail[200];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    snprintf(address, sizeof address, "unix:%s", path);
    /* A stale socket is replaced. */
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    memcpy(un.sun_path, path, strlen(path));
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&un, sizeof un), 0);
    close(stale);
    struct http_options o = defaults();
    o.listen = str_from(address);
    start(&o);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_string_equal(http_server_address(server).p, address);
    struct client *c = client_new();
    assert_int_equal(ask(c, GET("/about/x")), 200);
    assert_non_null(strstr(c->body, "|unix"));
    client_free(c);
    assert_int_equal(try_new(&o, detail), ERR_IO); /* a living one is not */
    stop();
    assert_int_equal(stat(path, &st), -1);
    /* Nor is a file that is none of ours. */
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(try_new(&o, detail), ERR_IO);
    unlink(path);
    rmdir(dir);
}

static void speaks_tls(void **state)
{
    (void)state;
    char dir[] = "/tmp/doppel-test-XXXXXX", cert[100], key[100], command[400];
    assert_non_null(mkdtemp(dir));
    snprintf(cert, sizeof cert, "%s/cert", dir);
    snprintf(key, sizeof key, "%s/key", dir);
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
             "-subj /CN=localhost -keyout %s -out %s 2>/dev/null", key, cert);
    assert_int_equal(system(command), 0);
    struct http_options o = defaults();
    o.tls_cert_file = cert;
    o.tls_key_file = key;
    o.limits.head_timeout_ms = 200;
    start(&o);
    assert_true(str_starts(http_server_address(server), STR("https://")));
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct client *c = client_new();
        c->ssl = SSL_new(ctx);
        SSL_set_max_proto_version(c->ssl, version);
        SSL_set_alpn_protos(c->ssl, (const unsigned char *)"\x08http/1.1", 9);
        SSL_set_fd(c->ssl, c->fd);
        int r = SSL_connect(c->ssl);
        assert_int_equal(r == 1, version == TLS1_3_VERSION);
        if (r == 1) {
            const unsigned char *alpn;
            unsigned int alpn_n;
            SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_n);
            assert_int_equal(alpn_n, 8);
            for (int i = 0; i < 10; i++)
                assert_int_equal(ask(c, GET("/worker")), 200);
            assert_int_equal(ask(c, GET("/stream?30")), 200);
            assert_int_equal(strlen(c->body), 30000);
            tell(c, GET("/big"), strlen(GET("/big"))); /* many records, and a full socket */
            size_t total = 0;
            while (total < BIG) {
                c->n = 0;
                assert_true(hear(c));
                total += c->n;
            }
        }
        client_free(c);
    }
    SSL_CTX_free(ctx);
    /* Plain HTTP, and silence, end by the handshake's rules. */
    struct client *c = client_new();
    tell(c, GET("/hello"), strlen(GET("/hello")));
    while (hear(c))
        assert_true(c->n < 100 && memcmp(c->in, "HTTP", 4) != 0);
    client_free(c);
    c = client_new();
    assert_true(at_end(c));
    client_free(c);
    stop();
    unlink(cert);
    unlink(key);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_connections),
        cmocka_unit_test(tells_the_application_who_and_what),
        cmocka_unit_test(knows_heads_again),
        cmocka_unit_test(answers_conditional_requests),
        cmocka_unit_test(pipelines_in_order),
        cmocka_unit_test(runs_changes_one_after_another),
        cmocka_unit_test(takes_bodies),
        cmocka_unit_test(undoes_gzip),
        cmocka_unit_test(refuses_and_closes),
        cmocka_unit_test(is_heard_by_clients_that_keep_talking),
        cmocka_unit_test(cuts_off_slow_clients),
        cmocka_unit_test(wants_a_least_rate),
        cmocka_unit_test(survives_vanishing_clients),
        cmocka_unit_test(holds_its_caps),
        cmocka_unit_test(survives_without_files),
        cmocka_unit_test(pushes_back),
        cmocka_unit_test(streams),
        cmocka_unit_test(sends_events),
        cmocka_unit_test(stops_without_dropping),
        cmocka_unit_test(stops_in_time),
        cmocka_unit_test(checks_its_options),
        cmocka_unit_test(listens_on_a_unix_socket),
        cmocka_unit_test(speaks_tls),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
