/* listen - from "127.0.0.1:8080", "[::]:80" or "unix:/run/x.sock" to a listening socket. */
#pragma once
#include "base/str.h"

#include <sys/socket.h>
#include <sys/un.h>

enum { LISTEN_DETAIL_MAX = 200, LISTEN_TEXT_MAX = 160 };

struct listen_address {
    struct sockaddr_storage addr;
    socklen_t addr_n;
    bool is_unix;
};

/* One address, numeric only. ERR_SYNTAX with the reason in ret_detail (LISTEN_DETAIL_MAX bytes). */
MUST_CHECK enum err listen_parse(struct str text, struct listen_address *ret, char *ret_detail);

/* A listening, non-blocking socket. `shared`: others of this process will listen on the same port
 * (SO_REUSEPORT). A port that another process holds is ERR_IO even so, and so is a Unix socket that
 * somebody listens on; a stale one is replaced. With port 0 *a gets the port that was bound. */
MUST_CHECK enum err listen_open(struct listen_address *a, bool shared, bool first, int *ret_fd,
                                char *ret_detail);
/* "127.0.0.1:8080", "[::1]:80", "unix:/path" */
void listen_print(const struct listen_address *a, char out[LISTEN_TEXT_MAX]);
