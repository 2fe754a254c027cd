/* server - options in, loops started and stopped; what the application calls from any thread. */
#include "base/assert.h"
#include "base/clock.h"
#include "http/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ADDRESSES_MAX = 16, SERVER_NAME_MAX = 64, LOOPS_MAX = 256 };

int net_peer_print(const struct net_peer *peer, char out[PEER_TEXT_MAX])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (peer->is_unix)
        return snprintf(out, PEER_TEXT_MAX, "unix");
    bool v4 = memcmp(peer->address, mapped, sizeof mapped) == 0;
    const void *a = v4 ? peer->address + 12 : peer->address;
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, a, out, PEER_TEXT_MAX))
        out[0] = '\0';
    return (int)strlen(out);
}

static enum err bad_option(char *detail, const char *what)
{
    snprintf(detail, LISTEN_DETAIL_MAX, "%s", what);
    return ERR_RANGE;
}

static enum err check_options(const struct http_options *o, char *detail)
{
    const struct http_limits *l = &o->limits;
    if (o->loops < 1 || o->loops > LOOPS_MAX)
        return bad_option(detail, "loops must be 1 to 256");
    if (l->head_bytes_max < 256 || l->head_bytes_max > 1 << 24 || l->header_count_max < 1 ||
        l->url_bytes_max < 1 || l->url_bytes_max > l->head_bytes_max)
        return bad_option(detail, "head_bytes_max, header_count_max or url_bytes_max");
    if (l->connections_max < 1 || l->connections_per_address_max < 1 ||
        l->requests_in_flight_max < 1 || l->requests_per_connection_max < 0)
        return bad_option(detail, "a cap of connections or requests is below 1");
    if (l->head_timeout_ms < 1 || l->body_timeout_ms < 1 || l->write_timeout_ms < 1 ||
        l->idle_timeout_ms < 1 || l->body_rate_min < 0)
        return bad_option(detail, "a timeout is below 1 ms");
    if (!o->tls_cert_file != !o->tls_key_file)
        return bad_option(detail, "TLS needs both a certificate and a key");
    if (o->server_name && strlen(o->server_name) > SERVER_NAME_MAX)
        return bad_option(detail, "server_name is too long");
    return ERR_OK;
}

static enum err parse_addresses(struct http_server *s, struct str list, char *detail)
{
    s->addresses = calloc(ADDRESSES_MAX, sizeof *s->addresses);
    if (!s->addresses)
        return ERR_NOMEM;
    while (list.p) {
        struct str one = str_trim(str_cut(&list, ','));
        if (s->address_count == ADDRESSES_MAX)
            return bad_option(detail, "too many addresses to listen on");
        if (listen_parse(one, &s->addresses[s->address_count], detail))
            return ERR_RANGE;
        s->address_count++;
    }
    return ERR_OK;
}

/* A TCP address is opened by each loop for itself; a Unix socket is opened once and shared. */
static enum err open_address(struct http_server *s, struct listen_address *a, char *detail)
{
    int shared_fd = -1;
    for (int32_t i = 0; i < s->loop_count; i++) {
        int fd;
        if (a->is_unix && i > 0) {
            fd = fcntl(shared_fd, F_DUPFD_CLOEXEC, 0);
            if (fd < 0)
                return ERR_IO;
        } else {
            enum err e = listen_open(a, s->loop_count > 1, i == 0, &fd, detail);
            if (e)
                return e;
            shared_fd = fd;
        }
        loop_listen(s->loops[i], fd, a->is_unix);
    }
    return ERR_OK;
}

static void print_first_address(struct http_server *s)
{
    char text[LISTEN_TEXT_MAX];
    const struct listen_address *a = &s->addresses[0];
    listen_print(a, text);
    snprintf(s->first_address, sizeof s->first_address, "%s%s",
             a->is_unix ? ""
             : s->tls   ? "https://"
                        : "http://",
             text);
}

static enum err build(struct http_server *s, const struct http_options *o, char *detail)
{
    enum err e = parse_addresses(s, o->listen, detail);
    if (e)
        return e;
    if (o->server_name && !(s->server_name = strdup(o->server_name)))
        return ERR_NOMEM;
    if (o->tls_cert_file) {
        e = tls_context_new(o->tls_cert_file, o->tls_key_file, &s->tls, detail);
        if (e)
            return e;
    }
    s->loops = calloc((size_t)o->loops, sizeof(struct http_loop *));
    if (!s->loops)
        return ERR_NOMEM;
    for (; s->loop_count < o->loops; s->loop_count++) {
        e = loop_new(s, s->loop_count, &s->loops[s->loop_count]);
        if (e) {
            loop_free(s->loops[s->loop_count]);
            snprintf(detail, LISTEN_DETAIL_MAX, "cannot make an event loop: %s", strerror(errno));
            return e;
        }
    }
    for (int32_t i = 0; i < s->address_count; i++) {
        e = open_address(s, &s->addresses[i], detail);
        if (e)
            return e;
    }
    print_first_address(s);
    return ERR_OK;
}

enum err http_server_new(const struct http_options *options, const struct http_app *app,
                         struct http_server **ret, char *ret_detail)
{
    ASSERT(app->on_head && app->on_request);
    ret_detail[0] = '\0';
    enum err e = check_options(options, ret_detail);
    if (e)
        return e;
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    s->app = *app;
    s->limits = options->limits;
    pthread_mutex_init(&s->lock, NULL);
    e = build(s, options, ret_detail);
    if (e) {
        http_server_free(s);
        return e;
    }
    *ret = s;
    return ERR_OK;
}

enum err http_server_start(struct http_server *s)
{
    /* Signals are for the main thread. OpenSSL writes without MSG_NOSIGNAL: blocked, SIGPIPE stays
     * pending on this thread for good. */
    sigset_t all, before;
    enum err e = ERR_OK;

    ASSERT(!s->started);
    s->started = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int32_t i = 0; i < s->loop_count && !e; i++) {
        struct http_loop *l = s->loops[i];
        l->thread_started = pthread_create(&l->thread, NULL, loop_main, l) == 0;
        if (!l->thread_started)
            e = ERR_NOMEM;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e)
        http_server_stop(s, 0);
    return e;
}

struct str http_server_address(const struct http_server *s)
{
    return str_from(s->first_address);
}

struct http_loop *http_server_loop(const struct http_server *s, int32_t index)
{
    return s->loops[index];
}

bool http_server_stop(struct http_server *s, int32_t timeout_ms)
{
    bool whole = true;
    if (!s->started || s->stopped)
        return true;
    s->stopped = true;
    s->stop_timeout_ms = timeout_ms > 0 ? timeout_ms : 0;
    for (int32_t i = 0; i < s->loop_count; i++)
        if (s->loops[i]->thread_started)
            mailbox_push(&s->loops[i]->mailbox, &s->loops[i]->stop_mail);
    for (int32_t i = 0; i < s->loop_count; i++) {
        struct http_loop *l = s->loops[i];
        if (!l->thread_started)
            continue;
        pthread_join(l->thread, NULL);
        whole &= l->cut_off == 0;
    }
    for (int32_t i = 0; i < s->address_count; i++)
        if (s->addresses[i].is_unix)
            unlink(((struct sockaddr_un *)&s->addresses[i].addr)->sun_path);
    return whole;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    http_server_stop(s, 0);
    for (int32_t i = 0; i < s->loop_count; i++)
        loop_free(s->loops[i]);
    free(s->loops);
    free(s->addresses);
    free(s->server_name);
    free(s->peers);
    tls_context_free(s->tls);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static struct exchange *exchange_of_mail(struct mail *m)
{
    return (struct exchange *)((char *)m - offsetof(struct exchange, mail));
}

static void on_send(struct mail *m)
{
    exchange_ready(exchange_of_mail(m));
}

void http_send(struct http_exchange *x)
{
    struct exchange *ex = (struct exchange *)x;
    struct http_loop *l = x->loop;
    if (current_loop == l) {
        exchange_ready(ex);
    } else {
        ex->mail.fn = on_send;
        mailbox_push(&l->mailbox, &ex->mail);
    }
}

struct loop_call {
    struct mail mail;
    void (*fn)(void *arg);
    void *arg;
};

static void on_call(struct mail *m)
{
    struct loop_call call = *(struct loop_call *)m;
    free(m);
    call.fn(call.arg);
}

void http_on_loop(struct http_exchange *x, void (*fn)(void *arg), void *arg)
{
    struct loop_call *call = malloc(sizeof *call);
    ASSERT(call); /* there is nobody to tell */
    *call = (struct loop_call){.mail.fn = on_call, .fn = fn, .arg = arg};
    mailbox_push(&x->loop->mailbox, &call->mail);
}

int32_t http_loop_index(const struct http_loop *loop)
{
    return loop->index;
}

void http_server_stats(const struct http_server *s, struct http_stats *ret)
{
    *ret = (struct http_stats){
        .connections_open = atomic_load_explicit(&s->connections, memory_order_relaxed),
        .requests_in_flight = atomic_load_explicit(&s->in_flight, memory_order_relaxed),
    };
    for (int32_t i = 0; i < s->loop_count; i++) {
        const struct loop_counters *n = &s->loops[i]->counters;
#define X(name) ret->name += atomic_load_explicit(&n->name, memory_order_relaxed);
        LOOP_COUNTERS(X)
#undef X
        for (size_t k = 0; k < COUNT(ret->rejected); k++)
            ret->rejected[k] += atomic_load_explicit(&n->rejected[k], memory_order_relaxed);
    }
}
