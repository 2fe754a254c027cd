#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 4096, UNIX_MODE = 0660 };

static enum err fail(char *detail, struct str text, const char *why)
{
    snprintf(detail, LISTEN_DETAIL_MAX, STR_FMT ": %s", (int)(text.n < 100 ? text.n : 100), text.p,
             why);
    return ERR_SYNTAX;
}

static enum err parse_unix(struct str text, struct listen_address *a, char *detail)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&a->addr;
    struct str path = {text.p + 5, text.n - 5};
    if (path.n == 0 || path.n >= sizeof un->sun_path)
        return fail(detail, text, "the path must have 1 to 107 bytes");
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path.p, path.n);
    a->addr_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
    a->is_unix = true;
    return ERR_OK;
}

enum err listen_parse(struct str text, struct listen_address *ret, char *ret_detail)
{
    struct listen_address a = {0};
    char host[64];
    size_t colon = text.n;
    int64_t port;

    if (str_starts(text, STR("unix:"))) {
        enum err e = parse_unix(text, &a, ret_detail);
        if (!e)
            *ret = a;
        return e;
    }
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return fail(ret_detail, text, "a port is missing (HOST:PORT, [IPv6]:PORT or unix:PATH)");
    if (str_to_i64((struct str){text.p + colon, text.n - colon}, &port) || port < 0 || port > 65535)
        return fail(ret_detail, text, "the port must be 0 to 65535");
    struct str name = {text.p, colon - 1};
    bool bracketed = name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';
    if (bracketed)
        name = (struct str){name.p + 1, name.n - 2};
    if (name.n >= sizeof host)
        return fail(ret_detail, text, "the host is not a numeric address");
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    struct sockaddr_in *in = (struct sockaddr_in *)&a.addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a.addr;
    if (strcmp(host, "localhost") == 0)
        memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
    if (!bracketed && inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        a.addr_n = sizeof *in;
    } else if (bracketed && inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        a.addr_n = sizeof *in6;
    } else {
        return fail(ret_detail, text, "the host is not a numeric address");
    }
    *ret = a;
    return ERR_OK;
}

static enum err fail_io(const struct listen_address *a, char *detail, const char *what)
{
    char text[LISTEN_TEXT_MAX];
    int error = errno;
    listen_print(a, text);
    snprintf(detail, LISTEN_DETAIL_MAX, "%.120s: %s: %s", text, what, strerror(error));
    return ERR_IO;
}

/* SO_REUSEPORT would let a second server share the port unnoticed: ask without it first. */
static bool is_taken(const struct listen_address *a)
{
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->addr.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    bool taken = bind(fd, (const struct sockaddr *)&a->addr, a->addr_n) < 0 && errno == EADDRINUSE;
    close(fd);
    if (taken)
        errno = EADDRINUSE;
    return taken;
}

/* Removes a socket file that nobody listens on; false (errno set): somebody does. */
static bool clear_stale(const struct listen_address *a)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&a->addr;
    struct stat st;
    if (lstat(un->sun_path, &st) < 0)
        return true;
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool dead =
        connect(fd, (const struct sockaddr *)&a->addr, a->addr_n) < 0 && errno == ECONNREFUSED;
    close(fd);
    if (!dead)
        errno = EADDRINUSE;
    return dead && unlink(un->sun_path) == 0;
}

static bool set_options(int fd, const struct listen_address *a, bool shared)
{
    int on = 1;
    if (a->is_unix)
        return true;
    if (a->addr.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return false;
    /* Accepted sockets inherit TCP_NODELAY. */
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
}

enum err listen_open(struct listen_address *a, bool shared, bool first, int *ret_fd,
                     char *ret_detail)
{
    if (a->is_unix ? !clear_stale(a) : first && is_taken(a))
        return fail_io(a, ret_detail, "cannot listen");
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_io(a, ret_detail, "cannot make a socket");
    /* A Unix socket is made with its mode, not given it a moment later. */
    bool ok = set_options(fd, a, shared);
    if (ok && a->is_unix)
        ok = fchmod(fd, UNIX_MODE) == 0;
    ok = ok && bind(fd, (const struct sockaddr *)&a->addr, a->addr_n) == 0;
    if (ok && a->is_unix)
        ok = chmod(((const struct sockaddr_un *)&a->addr)->sun_path, UNIX_MODE) == 0;
    if (!ok || listen(fd, BACKLOG) < 0) {
        enum err e = fail_io(a, ret_detail, "cannot listen");
        close(fd);
        return e;
    }
    if (!a->is_unix) {
        socklen_t n = sizeof a->addr;
        getsockname(fd, (struct sockaddr *)&a->addr, &n);
    }
    *ret_fd = fd;
    return ERR_OK;
}

void listen_print(const struct listen_address *a, char out[LISTEN_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *in = (const struct sockaddr_in *)&a->addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->addr;
    if (a->is_unix) {
        snprintf(out, LISTEN_TEXT_MAX, "unix:%s", ((const struct sockaddr_un *)&a->addr)->sun_path);
    } else if (a->addr.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(out, LISTEN_TEXT_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, LISTEN_TEXT_MAX, "%s:%u", host, ntohs(in->sin_port));
    }
}
