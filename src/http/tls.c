/* tls - TLS 1.3 over a non-blocking socket, by OpenSSL. */
#include "http/conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

struct tls_context {
    SSL_CTX *ctx;
};
/* A connection's state is OpenSSL's own; the name keeps its headers out of ours. */

static SSL *ssl_of(struct tls_conn *t)
{
    return (SSL *)t;
}

static enum err fail(struct tls_context *t, const char *file, char *detail)
{
    char reason[120];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    snprintf(detail, LISTEN_DETAIL_MAX, "%.70s: %s", file, reason);
    ERR_clear_error();
    tls_context_free(t);
    return ERR_IO;
}

/* A client that offers protocols must offer ours. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                           const unsigned char *in, unsigned int in_n, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_n, ours, sizeof ours - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

enum err tls_context_new(const char *cert_file, const char *key_file, struct tls_context **ret,
                         char *ret_detail)
{
    struct tls_context *t = calloc(1, sizeof *t);
    if (!t)
        return ERR_NOMEM;
    t->ctx = SSL_CTX_new(TLS_server_method());
    if (!t->ctx || SSL_CTX_set_min_proto_version(t->ctx, TLS1_3_VERSION) != 1)
        return fail(t, "TLS", ret_detail);
    if (SSL_CTX_use_certificate_chain_file(t->ctx, cert_file) != 1)
        return fail(t, cert_file, ret_detail);
    if (SSL_CTX_use_PrivateKey_file(t->ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(t->ctx) != 1)
        return fail(t, key_file, ret_detail);
    /* An idle connection keeps no buffers. */
    SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(t->ctx, 1);
    SSL_CTX_set_alpn_select_cb(t->ctx, choose_protocol, NULL);
    *ret = t;
    return ERR_OK;
}

void tls_context_free(struct tls_context *t)
{
    if (t) {
        SSL_CTX_free(t->ctx);
        free(t);
    }
}

struct tls_conn *tls_conn_new(struct tls_context *t, int fd)
{
    SSL *ssl = SSL_new(t->ctx);
    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ssl = NULL;
    }
    if (ssl)
        SSL_set_accept_state(ssl);
    return (struct tls_conn *)ssl;
}

void tls_conn_free(struct tls_conn *t)
{
    SSL_free(ssl_of(t));
}

enum tls_result tls_handshake(struct tls_conn *t)
{
    ERR_clear_error();
    int r = SSL_do_handshake(ssl_of(t));
    if (r == 1)
        return TLS_OK;
    int why = SSL_get_error(ssl_of(t), r);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? TLS_AGAIN : TLS_FAILED;
}

static ssize_t result(struct tls_conn *t, int r)
{
    if (r > 0)
        return r;
    switch (SSL_get_error(ssl_of(t), r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        errno = ECONNRESET;
        return -1;
    }
}

ssize_t tls_read(struct tls_conn *t, void *p, size_t n)
{
    ERR_clear_error();
    return result(t, SSL_read(ssl_of(t), p, (int)n));
}

ssize_t tls_write(struct tls_conn *t, const void *p, size_t n)
{
    ERR_clear_error();
    ssize_t r = result(t, SSL_write(ssl_of(t), p, (int)n));
    if (r == 0) {
        errno = EPIPE;
        return -1;
    }
    return r;
}

void tls_shutdown(struct tls_conn *t)
{
    ERR_clear_error();
    if (SSL_is_init_finished(ssl_of(t)))
        SSL_shutdown(ssl_of(t));
    ERR_clear_error();
}
