/* url - where Redis is, as one text.
 *
 *   redis://[USER:PASSWORD@]HOST[:PORT][/DB]    TCP; ":PASSWORD@" alone is the default user's
 *   rediss://…                                  the same over TLS
 *   unix://[USER:PASSWORD@]/PATH[?db=DB]        a Unix socket
 *
 * HOST is a name, an IPv4 address or an IPv6 address in brackets. User, password and path may be
 * percent-encoded. */
#pragma once
#include "base/str.h"

enum {
    REDIS_HOST_MAX = 253,
    REDIS_USER_MAX = 256,
    REDIS_PASSWORD_MAX = 1024,
    REDIS_PATH_MAX = 107, /* of sockaddr_un */
    REDIS_DB_MAX = 65535,
    REDIS_PORT = 6379
};

struct redis_url {
    bool is_unix, tls, has_password;
    uint16_t port;
    int32_t db;
    /* The texts end in NUL and hold no other. */
    char host[REDIS_HOST_MAX + 1]; /* without brackets; the path of a Unix socket is in `path` */
    char path[REDIS_PATH_MAX + 1];
    char user[REDIS_USER_MAX + 1]; /* "": the default user */
    char password[REDIS_PASSWORD_MAX + 1];
};

/* ERR_SYNTAX, ERR_RANGE (a port, a database, a length); *ret_detail is static text that does not
 * repeat the URL, which has a password in it. */
MUST_CHECK enum err redis_url_parse(struct str text, struct redis_url *ret,
                                    const char **ret_detail);
enum { REDIS_URL_TEXT_MAX = 320 };
/* For people: without user and password. */
void redis_url_print(const struct redis_url *u, char out[REDIS_URL_TEXT_MAX]);
