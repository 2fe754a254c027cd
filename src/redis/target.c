#include "redis/target.h"

#include "base/assert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

struct redis_target {
    struct redis_url url;
    int32_t connect_timeout_ms;
    bool host_is_number;
    SSL_CTX *tls;
    pthread_mutex_t lock; /* guards the addresses */
    struct redis_address addresses[REDIS_ADDRESSES_MAX];
    int32_t address_count;
    struct redis_address moved; /* n == 0: not moved */
    int64_t moves_since_us;
    int32_t moves;
};

/* OpenSSL writes without MSG_NOSIGNAL; a socket of our own making cannot raise SIGPIPE. */
static int socket_write(BIO *bio, const char *p, int n)
{
    BIO_clear_retry_flags(bio);
    ssize_t sent = send((int)(intptr_t)BIO_get_data(bio), p, (size_t)n, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)sent;
}

static int socket_read(BIO *bio, char *p, int n)
{
    BIO_clear_retry_flags(bio);
    ssize_t got = recv((int)(intptr_t)BIO_get_data(bio), p, (size_t)n, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    return (int)got;
}

static long socket_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* one for the process, as OpenSSL's own are */

static void method_free(void)
{
    BIO_meth_free(method);
}

static void method_make(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (!method)
        return;
    BIO_meth_set_write(method, socket_write);
    BIO_meth_set_read(method, socket_read);
    BIO_meth_set_ctrl(method, socket_ctrl);
    atexit(method_free);
}

static enum err load_tls(struct redis_target *t, struct str ca_file, char *detail)
{
    char file[4097], reason[100];
    if (ca_file.n >= sizeof file)
        return ERR_RANGE;
    if (ca_file.n)
        memcpy(file, ca_file.p, ca_file.n);
    file[ca_file.n] = '\0';
    pthread_once(&method_once, method_make);
    t->tls = SSL_CTX_new(TLS_client_method());
    if (!t->tls || !method)
        return ERR_NOMEM;
    SSL_CTX_set_min_proto_version(t->tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(t->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(t->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(t->tls, SSL_OP_NO_RENEGOTIATION);
    ERR_clear_error();
    if (ca_file.n ? SSL_CTX_load_verify_file(t->tls, file)
                  : SSL_CTX_set_default_verify_paths(t->tls))
        return ERR_OK;
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    ERR_clear_error();
    snprintf(detail, REDIS_DETAIL_MAX, "%.90s: %s", file, reason);
    return ERR_IO;
}

static bool is_number(const char *host)
{
    struct in6_addr v6;
    struct in_addr v4;
    return inet_pton(AF_INET, host, &v4) == 1 || inet_pton(AF_INET6, host, &v6) == 1;
}

enum err redis_target_new(const struct redis_options *options, struct redis_target **ret,
                          char *ret_detail)
{
    struct redis_url url;
    const char *why = "";
    ret_detail[0] = '\0';
    enum err e = redis_url_parse(options->url, &url, &why);
    if (e) {
        snprintf(ret_detail, REDIS_DETAIL_MAX, "%s", why);
        return e;
    }
    struct redis_target *t = calloc(1, sizeof *t);
    if (!t)
        return ERR_NOMEM;
    t->url = url;
    t->connect_timeout_ms = options->connect_timeout_ms;
    t->host_is_number = is_number(url.host);
    pthread_mutex_init(&t->lock, NULL);
    if (url.tls && (e = load_tls(t, options->ca_file, ret_detail))) {
        redis_target_free(t);
        return e;
    }
    (void)!redis_target_resolve(t);
    *ret = t;
    return ERR_OK;
}

void redis_target_free(struct redis_target *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->tls);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static void resolve_unix(struct redis_target *t)
{
    struct redis_address a = {.n = sizeof(struct sockaddr_un)};
    struct sockaddr_un *un = (struct sockaddr_un *)&a.addr;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, t->url.path, strlen(t->url.path) + 1);
    pthread_mutex_lock(&t->lock);
    t->addresses[0] = a;
    t->address_count = 1;
    pthread_mutex_unlock(&t->lock);
}

enum err redis_target_resolve(struct redis_target *t)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV |
                                         (t->host_is_number ? AI_NUMERICHOST : AI_ADDRCONFIG)};
    struct addrinfo *found = NULL;
    char port[8];
    if (t->url.is_unix) {
        resolve_unix(t);
        return ERR_OK;
    }
    snprintf(port, sizeof port, "%u", t->url.port);
    if (getaddrinfo(t->url.host, port, &hints, &found) != 0)
        return ERR_NOT_FOUND;
    pthread_mutex_lock(&t->lock);
    t->address_count = 0;
    for (struct addrinfo *i = found; i && t->address_count < REDIS_ADDRESSES_MAX; i = i->ai_next) {
        struct redis_address *a = &t->addresses[t->address_count++];
        ASSERT(i->ai_addrlen <= sizeof a->addr);
        memcpy(&a->addr, i->ai_addr, i->ai_addrlen);
        a->n = i->ai_addrlen;
    }
    pthread_mutex_unlock(&t->lock);
    freeaddrinfo(found);
    return ERR_OK;
}

const struct redis_url *redis_target_url(const struct redis_target *t)
{
    return &t->url;
}

int32_t redis_target_connect_timeout_ms(const struct redis_target *t)
{
    return t->connect_timeout_ms;
}

bool redis_target_address(struct redis_target *t, uint32_t attempt, struct redis_address *ret)
{
    pthread_mutex_lock(&t->lock);
    uint32_t moved = t->moved.n > 0, n = (uint32_t)t->address_count + moved;
    uint32_t i = n ? attempt % n : 0;
    if (n)
        *ret = i < moved ? t->moved : t->addresses[i - moved];
    pthread_mutex_unlock(&t->lock);
    return n > 0;
}

/* 0: it is none. */
static uint16_t port_parse(struct str s)
{
    uint32_t port = 0;
    for (size_t i = 0; i < s.n && port <= UINT16_MAX; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return 0;
        port = 10 * port + (uint32_t)(s.p[i] - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* "1.2.3.4:6379", "::1:6379" */
static bool address_parse(struct redis_target *t, struct str text, struct redis_address *ret)
{
    const char *colon = memrchr(text.p, ':', text.n);
    char host[INET6_ADDRSTRLEN];
    size_t n = colon ? (size_t)(colon - text.p) : 0;
    uint16_t port = colon ? port_parse((struct str){colon + 1, text.n - n - 1}) : 0;
    if (port == 0 || n >= sizeof host)
        return false;
    memcpy(host, text.p, n);
    host[n] = '\0';
    struct sockaddr_in *v4 = (struct sockaddr_in *)&ret->addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret->addr;
    *ret = (struct redis_address){.n = 0};
    if (n == 0 && t->address_count > 0)
        *ret = t->addresses[0];
    else if (inet_pton(AF_INET, host, &v4->sin_addr) == 1)
        v4->sin_family = AF_INET, ret->n = sizeof *v4;
    else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1)
        v6->sin6_family = AF_INET6, ret->n = sizeof *v6;
    if (ret->addr.ss_family == AF_INET)
        v4->sin_port = htons(port);
    else if (ret->addr.ss_family == AF_INET6)
        v6->sin6_port = htons(port);
    return ret->addr.ss_family == AF_INET || ret->addr.ss_family == AF_INET6;
}

bool redis_target_move(struct redis_target *t, struct str address, int64_t now_us)
{
    struct redis_address to;
    pthread_mutex_lock(&t->lock);
    bool good = address_parse(t, address, &to);
    bool is_new = good && (t->moved.n != to.n || memcmp(&t->moved.addr, &to.addr, to.n) != 0);
    if (is_new && now_us - t->moves_since_us > REDIS_MOVES_MS * INT64_C(1000)) {
        t->moves_since_us = now_us;
        t->moves = 0;
    }
    if (is_new && ++t->moves > REDIS_MOVES_MAX)
        good = false;
    else if (is_new)
        t->moved = to;
    pthread_mutex_unlock(&t->lock);
    return good;
}

SSL *redis_target_tls(struct redis_target *t, int fd)
{
    SSL *ssl = SSL_new(t->tls);
    BIO *bio = ssl ? BIO_new(method) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return NULL;
    }
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_connect_state(ssl);
    X509_VERIFY_PARAM *check = SSL_get0_param(ssl);
    bool named = t->host_is_number ? X509_VERIFY_PARAM_set1_ip_asc(check, t->url.host) == 1
                                   : SSL_set1_host(ssl, t->url.host) == 1 &&
                                         SSL_set_tlsext_host_name(ssl, t->url.host) == 1;
    if (!named) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}
