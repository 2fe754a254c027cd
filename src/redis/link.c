/* link - see the header. In the buffer of what is to be sent the greeting (AUTH, SELECT, INFO,
 * PING) comes first; `gate` is where it ends, and nothing behind it is written before the greeting
 * has been answered well: on the wrong database, commands would do harm. */
#include "redis/link.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/num.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,
    READS_MAX = 8,    /* of one event: others on this thread want their turn */
    WORDS_BYTES = 24, /* what a word costs beside its bytes, at most */
    GREETING_COMMANDS = 4,
    GREETING_BYTES = 4096,
    COMPACT_BYTES = 64 * 1024,
    INFO_BYTES_MAX = 16 * 1024 /* of the greeting's replies, whatever the owner expects */
};

struct command {
    int64_t deadline_us;
    redis_done *done;
    void *arg;
};

enum phase { PHASE_NONE, PHASE_SOCKET, PHASE_TLS, PHASE_TALK };

struct redis_link {
    struct redis_link_options o;
    enum redis_state state;
    enum phase phase;
    int fd;
    SSL *ssl;
    bool tls_wants_write;
    bool failing; /* the commands of the connection before */
    uint32_t attempt, connection;
    struct buf out;
    size_t sent, gate;
    struct command *ring; /* commands waiting for replies, oldest at head */
    uint32_t head, count, mask;
    int64_t earliest_us; /* no deadline in the ring is before this */
    int64_t connect_deadline_us;
    struct redis_reader *reader;
    uint64_t run;
    char detail[REDIS_DETAIL_MAX];
    struct redis_link_stats stats;
};

enum err redis_link_new(const struct redis_link_options *options, struct redis_link **ret)
{
    struct redis_link *l = calloc(1, sizeof *l);
    if (!l)
        return ERR_NOMEM;
    l->o = *options;
    l->fd = -1;
    l->earliest_us = INT64_MAX;
    ASSERT(options->commands_max > 0);
    uint32_t cap = 16;
    while (cap < (uint32_t)options->commands_max + GREETING_COMMANDS)
        cap *= 2;
    l->mask = cap - 1;
    l->ring = calloc(cap, sizeof *l->ring);
    buf_init(&l->out, options->unsent_bytes_max + GREETING_BYTES);
    *ret = l;
    if (l->ring)
        return ERR_OK;
    redis_link_free(l);
    return ERR_NOMEM;
}

void redis_link_free(struct redis_link *l)
{
    if (!l)
        return;
    redis_link_close(l, ERR_CANCELLED);
    buf_fini(&l->out);
    free(l->ring);
    free(l);
}

/* ---- the end of a connection ---- */

static void fail_commands(struct redis_link *l, enum err why)
{
    l->failing = true;
    while (l->count) { /* nothing joins: the link is closed */
        struct command c = l->ring[l->head];
        l->head = (l->head + 1) & l->mask;
        l->count--;
        if (c.done)
            c.done(c.arg, why, NULL);
    }
    l->failing = false;
}

void redis_link_close(struct redis_link *l, enum err why)
{
    if (l->state == REDIS_CLOSED)
        return;
    l->state = REDIS_CLOSED;
    l->phase = PHASE_NONE;
    l->connection++;
    SSL_free(l->ssl);
    l->ssl = NULL;
    close(l->fd);
    l->fd = -1;
    redis_reader_free(l->reader);
    l->reader = NULL;
    buf_clear(&l->out);
    l->sent = l->gate = 0;
    l->run = 0;
    l->earliest_us = INT64_MAX;
    fail_commands(l, why);
}

static void close_because(struct redis_link *l, enum err why, const char *what)
{
    snprintf(l->detail, sizeof l->detail, "%s", what);
    redis_link_close(l, why);
}

static void close_tls(struct redis_link *l, const char *what)
{
    char text[REDIS_DETAIL_MAX];
    long verified = SSL_get_verify_result(l->ssl);
    unsigned long code = ERR_get_error();
    const char *reason = verified != X509_V_OK ? X509_verify_cert_error_string(verified)
                         : code                ? ERR_reason_error_string(code)
                                               : NULL;
    snprintf(text, sizeof text, "%s: %s", what, reason ? reason : "the connection was closed");
    ERR_clear_error();
    close_because(l, verified != X509_V_OK ? ERR_FORBIDDEN : ERR_IO, text);
}

/* ---- sending ---- */

bool redis_link_has_room(const struct redis_link *l, int32_t commands, size_t bytes)
{
    return l->state != REDIS_CLOSED && commands >= 0 &&
           l->count + (uint32_t)commands <= (uint32_t)l->o.commands_max &&
           bytes <= l->o.unsent_bytes_max && l->out.n - l->sent <= l->o.unsent_bytes_max - bytes;
}

static size_t bytes_of(const struct str *words, int32_t n)
{
    size_t bytes = WORDS_BYTES;
    for (int32_t i = 0; i < n; i++)
        bytes += words[i].n + WORDS_BYTES;
    return bytes;
}

static void put_count(struct buf *b, char sign, size_t n)
{
    buf_putc(b, sign);
    buf_i64(b, (int64_t)n);
    buf_put(b, "\r\n", 2);
}

static enum err enqueue(struct redis_link *l, const struct str *words, int32_t n,
                        int64_t deadline_us, redis_done *done, void *arg)
{
    size_t before = l->out.n;
    put_count(&l->out, '*', (size_t)n);
    for (int32_t i = 0; i < n; i++) {
        put_count(&l->out, '$', words[i].n);
        buf_str(&l->out, words[i]);
        buf_put(&l->out, "\r\n", 2);
    }
    if (l->out.failed) {
        l->out.n = before;
        l->out.failed = false;
        return ERR_BUSY;
    }
    l->ring[(l->head + l->count++) & l->mask] = (struct command){deadline_us, done, arg};
    if (deadline_us < l->earliest_us)
        l->earliest_us = deadline_us;
    return ERR_OK;
}

enum err redis_link_send(struct redis_link *l, const struct str *words, int32_t n,
                         int64_t deadline_us, redis_done *done, void *arg)
{
    if (l->state == REDIS_CLOSED)
        return ERR_NOT_READY;
    if (!redis_link_has_room(l, 1, bytes_of(words, n)))
        return ERR_BUSY;
    if (l->sent >= COMPACT_BYTES && l->sent * 2 >= l->out.n) {
        memmove(l->out.p, l->out.p + l->sent, l->out.n - l->sent);
        l->out.n -= l->sent;
        l->gate = l->gate > l->sent ? l->gate - l->sent : 0;
        l->sent = 0;
    }
    return enqueue(l, words, n, deadline_us, done, arg);
}

/* ---- the greeting ---- */

static void refuse(struct redis_link *l, const char *what, const struct redis_reply *r)
{
    char text[REDIS_DETAIL_MAX];
    snprintf(text, sizeof text, "%s: " STR_FMT, what, (int)(r->text.n < 120 ? r->text.n : 120),
             r->text.p ? r->text.p : "an answer that Redis does not give");
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    close_because(l, ERR_FORBIDDEN, text);
}

static void on_auth(void *arg, enum err e, const struct redis_reply *r)
{
    if (!e && !redis_is_status(r, STR("OK")))
        refuse(arg, "user or password", r);
}

static void on_select(void *arg, enum err e, const struct redis_reply *r)
{
    if (!e && !redis_is_status(r, STR("OK")))
        refuse(arg, "database", r);
}

/* run_id: 40 random hexadecimal digits, made at each start of the server. */
static void on_info(void *arg, enum err e, const struct redis_reply *r)
{
    static const struct str name = STR("\nrun_id:");
    struct redis_link *l = arg;
    if (e)
        return;
    const char *at = r->type == REDIS_TEXT ? memmem(r->text.p, r->text.n, name.p, name.n) : NULL;
    if (!at || (size_t)(r->text.p + r->text.n - at) < name.n + 40) {
        refuse(l, "INFO server", r);
        return;
    }
    l->run = hash_stable(at + name.n, 40);
    l->run += l->run == 0;
}

/* While it loads its data Redis answers INFO, but not PING. */
static void on_ping(void *arg, enum err e, const struct redis_reply *r)
{
    struct redis_link *l = arg;
    if (e)
        return;
    if (!redis_is_status(r, STR("PONG"))) {
        refuse(l, "PING", r);
        return;
    }
    l->state = REDIS_READY;
    l->detail[0] = '\0';
}

static enum err greet(struct redis_link *l)
{
    const struct redis_url *u = redis_target_url(l->o.target);
    const struct str auth[] = {STR("AUTH"), str_from(u->user), str_from(u->password)};
    const struct str auth_default[] = {STR("AUTH"), str_from(u->password)};
    const struct str info[] = {STR("INFO"), STR("server")}, ping[] = {STR("PING")};
    char db[NUM_TEXT_MAX];
    const struct str select[] = {STR("SELECT"), {db, num_print_i64(u->db, db)}};
    int64_t until = l->connect_deadline_us;
    enum err e = ERR_OK;
    if (u->has_password)
        e = u->user[0] ? enqueue(l, auth, 3, until, on_auth, l)
                       : enqueue(l, auth_default, 2, until, on_auth, l);
    if (!e && u->db)
        e = enqueue(l, select, 2, until, on_select, l);
    if (!e)
        e = enqueue(l, info, 2, until, on_info, l);
    if (!e)
        e = enqueue(l, ping, 1, until, on_ping, l);
    l->gate = l->out.n;
    return e;
}

/* ---- connecting ---- */

enum err redis_link_connect(struct redis_link *l, int64_t now_us)
{
    struct redis_address a;
    ASSERT(l->state == REDIS_CLOSED);
    if (l->failing)
        return ERR_BUSY;
    if (!redis_target_address(l->o.target, l->attempt++, &a)) {
        snprintf(l->detail, sizeof l->detail, "the host's name has no address");
        return ERR_IO;
    }
    int fd = socket(a.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool started =
        fd >= 0 && (connect(fd, (struct sockaddr *)&a.addr, a.n) == 0 || errno == EINPROGRESS);
    size_t bytes_max =
        l->o.reply_bytes_max > INFO_BYTES_MAX ? l->o.reply_bytes_max : INFO_BYTES_MAX;
    if (!started || redis_reader_new(bytes_max, l->o.elements_max, &l->reader)) {
        snprintf(l->detail, sizeof l->detail, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    if (a.addr.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    l->fd = fd;
    l->state = REDIS_CONNECTING;
    l->phase = PHASE_SOCKET;
    l->connect_deadline_us = now_us + redis_target_connect_timeout_ms(l->o.target) * INT64_C(1000);
    l->stats.connects++;
    if (greet(l)) {
        close_because(l, ERR_NOMEM, "out of memory");
        return ERR_IO;
    }
    return ERR_OK;
}

static void socket_connected(struct redis_link *l)
{
    int error = 0;
    socklen_t n = sizeof error;
    struct pollfd p = {.fd = l->fd, .events = POLLOUT};
    if (poll(&p, 1, 0) != 1)
        return;
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error) {
        close_because(l, ERR_IO, strerror(error ? error : errno));
        return;
    }
    l->attempt--; /* this address is good: the next connection begins with it */
    if (!redis_target_url(l->o.target)->tls) {
        l->phase = PHASE_TALK;
        return;
    }
    l->ssl = redis_target_tls(l->o.target, l->fd);
    l->phase = PHASE_TLS;
    if (!l->ssl)
        close_because(l, ERR_NOMEM, "out of memory");
}

static void tls_handshake(struct redis_link *l)
{
    ERR_clear_error();
    int r = SSL_do_handshake(l->ssl);
    int why = r == 1 ? SSL_ERROR_NONE : SSL_get_error(l->ssl, r);
    l->tls_wants_write = why == SSL_ERROR_WANT_WRITE;
    if (r == 1)
        l->phase = PHASE_TALK;
    else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        close_tls(l, "TLS");
}

/* ---- talking ---- */

/* As send() and recv(). */
static ssize_t tls_result(struct redis_link *l, int r)
{
    if (r > 0)
        return r;
    switch (SSL_get_error(l->ssl, r)) {
    case SSL_ERROR_WANT_WRITE:
        l->tls_wants_write = true;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_WANT_READ:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        errno = ECONNRESET;
        return -1;
    }
}

static ssize_t raw_send(struct redis_link *l, const char *p, size_t n)
{
    if (!l->ssl)
        return send(l->fd, p, n, MSG_NOSIGNAL);
    ERR_clear_error();
    return tls_result(l, SSL_write(l->ssl, p, (int)(n < INT32_MAX ? n : INT32_MAX)));
}

static ssize_t raw_recv(struct redis_link *l, char *p, size_t n)
{
    if (!l->ssl)
        return recv(l->fd, p, n, 0);
    ERR_clear_error();
    return tls_result(l, SSL_read(l->ssl, p, (int)n));
}

static void flush(struct redis_link *l)
{
    size_t end = l->state == REDIS_READY ? l->out.n : l->gate;
    l->tls_wants_write = false;
    while (l->sent < end) {
        ssize_t n = raw_send(l, l->out.p + l->sent, end - l->sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close_because(l, ERR_IO, n ? strerror(errno) : "the connection was closed");
            return;
        }
        l->sent += (size_t)n;
        l->stats.bytes_out += n;
    }
    if (l->sent == l->out.n && l->sent) {
        buf_clear(&l->out);
        l->sent = l->gate = 0;
    }
}

void redis_link_flush(struct redis_link *l, int64_t now_us)
{
    (void)now_us;
    if (l->state == REDIS_READY)
        flush(l);
}

static bool is_message(const struct redis_reply *r)
{
    return r->type == REDIS_LIST && r->count == 3 && r->list[0].type == REDIS_TEXT &&
           str_eq(r->list[0].text, STR("message")) && r->list[1].type == REDIS_TEXT &&
           r->list[2].type == REDIS_TEXT;
}

/* "MOVED 3999 127.0.0.1:6381": all of our keys lie in one slot, so the whole link goes there. */
static bool is_moved(struct redis_link *l, const struct redis_reply *r)
{
    struct str rest = r->text;
    if (r->type != REDIS_ERROR || !str_eq(str_cut(&rest, ' '), STR("MOVED")))
        return false;
    str_cut(&rest, ' ');
    if (!rest.p || !redis_target_move(l->o.target, rest, clock_mono_us()))
        return false;
    l->attempt = 0;
    close_because(l, ERR_IO, "the keys are on another server of the cluster");
    return true;
}

/* True: there may be more. */
static bool take_reply(struct redis_link *l)
{
    const struct redis_reply *r = NULL;
    uint32_t connection = l->connection;
    if (redis_reader_next(l->reader, &r)) {
        close_because(l, ERR_SYNTAX, "the answer is not Redis's, or larger than it can be");
        return false;
    }
    if (!r)
        return false;
    if (l->o.on_message && is_message(r)) {
        l->o.on_message(l->o.user, r->list[1].text, r->list[2].text);
        return l->connection == connection;
    }
    if (l->count == 0) {
        close_because(l, ERR_SYNTAX, "an answer that nothing was asked for");
        return false;
    }
    if (is_moved(l, r))
        return false;
    struct command c = l->ring[l->head];
    l->head = (l->head + 1) & l->mask;
    l->count--;
    if (l->count == 0)
        l->earliest_us = INT64_MAX;
    if (c.done)
        c.done(c.arg, ERR_OK, r);
    return l->connection == connection;
}

static void receive(struct redis_link *l)
{
    char bytes[READ_BYTES];
    uint32_t connection = l->connection;
    for (int i = 0; i < READS_MAX || (l->ssl && SSL_pending(l->ssl)); i++) {
        ssize_t n = raw_recv(l, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close_because(l, ERR_IO, n ? strerror(errno) : "the connection was closed");
            return;
        }
        l->stats.bytes_in += n;
        enum err e = redis_reader_feed(l->reader, bytes, (size_t)n);
        if (e) {
            close_because(l, ERR_SYNTAX, err_text(e));
            return;
        }
        while (take_reply(l))
            ;
        if (l->connection != connection || (!l->ssl && (size_t)n < sizeof bytes))
            return;
    }
}

void redis_link_event(struct redis_link *l, int64_t now_us)
{
    if (l->phase == PHASE_SOCKET)
        socket_connected(l);
    if (l->phase == PHASE_TLS)
        tls_handshake(l);
    if (l->phase == PHASE_TALK)
        flush(l);
    if (l->phase == PHASE_TALK)
        receive(l);
    if (l->phase == PHASE_TALK)
        flush(l); /* what the greeting held back, and what callbacks sent */
    redis_link_tick(l, now_us);
}

void redis_link_tick(struct redis_link *l, int64_t now_us)
{
    if (l->state == REDIS_CONNECTING && now_us >= l->connect_deadline_us) {
        close_because(l, ERR_DEADLINE, "no answer while connecting");
        return;
    }
    if (now_us < l->earliest_us)
        return;
    l->earliest_us = INT64_MAX;
    for (uint32_t i = 0; i < l->count; i++) {
        int64_t at = l->ring[(l->head + i) & l->mask].deadline_us;
        l->earliest_us = at < l->earliest_us ? at : l->earliest_us;
    }
    if (now_us >= l->earliest_us)
        close_because(l, ERR_DEADLINE, "no answer in time");
}

enum redis_state redis_link_state(const struct redis_link *l)
{
    return l->state;
}

uint32_t redis_link_connection(const struct redis_link *l)
{
    return l->connection;
}

uint64_t redis_link_run(const struct redis_link *l)
{
    return l->run;
}

const char *redis_link_detail(const struct redis_link *l)
{
    return l->detail;
}

int redis_link_fd(const struct redis_link *l)
{
    return l->fd;
}

uint32_t redis_link_wants(const struct redis_link *l)
{
    switch (l->phase) {
    case PHASE_NONE:
        return 0;
    case PHASE_SOCKET:
        return REDIS_WANTS_WRITE;
    case PHASE_TLS:
        return l->tls_wants_write ? REDIS_WANTS_WRITE : REDIS_WANTS_READ;
    case PHASE_TALK:
        break;
    }
    size_t end = l->state == REDIS_READY ? l->out.n : l->gate;
    return REDIS_WANTS_READ | (l->tls_wants_write || l->sent < end ? REDIS_WANTS_WRITE : 0u);
}

int64_t redis_link_deadline_us(const struct redis_link *l)
{
    int64_t at = l->earliest_us;
    if (l->state == REDIS_CONNECTING && l->connect_deadline_us < at)
        at = l->connect_deadline_us;
    return at;
}

int32_t redis_link_waiting(const struct redis_link *l)
{
    return (int32_t)l->count;
}

enum err redis_link_wait(struct redis_link *l)
{
    uint32_t connection = l->connection;
    redis_link_flush(l, clock_mono_us());
    while (l->connection == connection && l->count) {
        uint32_t wants = redis_link_wants(l);
        struct pollfd p = {.fd = l->fd,
                           .events = (short)((wants & REDIS_WANTS_READ ? POLLIN : 0) |
                                             (wants & REDIS_WANTS_WRITE ? POLLOUT : 0))};
        int64_t left_ms = (redis_link_deadline_us(l) - clock_mono_us() + 999) / 1000;
        poll(&p, 1, left_ms < 0 ? 0 : left_ms > 1000 ? 1000 : (int)left_ms);
        redis_link_event(l, clock_mono_us());
    }
    return l->connection == connection ? ERR_OK : ERR_IO;
}

void redis_link_stats(const struct redis_link *l, struct redis_link_stats *ret)
{
    *ret = l->stats;
}
