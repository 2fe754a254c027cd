/* target - the Redis that the settings name: its URL, its addresses, how to trust it over TLS.
 *
 * Made once and shared by all links of the process. Looking up a name may block for seconds, so it
 * is done when the target is made and by redis_target_resolve(), never by a link. */
#pragma once
#include "redis/url.h"

#include <stdint.h>
#include <sys/socket.h>

enum { REDIS_DETAIL_MAX = 200, REDIS_ADDRESSES_MAX = 8 };

struct redis_options {
    struct str url;             /* url.h */
    struct str ca_file;         /* PEM; n == 0: the system's authorities */
    int32_t connect_timeout_ms; /* until Redis has answered the first commands */
};

struct redis_target;
/* A name that cannot be looked up now is no error: it is tried again. ERR_SYNTAX, ERR_RANGE: the
 * URL; ERR_IO: the file of authorities; ret_detail (REDIS_DETAIL_MAX bytes) says what. */
MUST_CHECK enum err redis_target_new(const struct redis_options *options, struct redis_target **ret,
                                     char *ret_detail);
void redis_target_free(struct redis_target *t); /* after all its links; NULL is fine */
/* Looks the name up again; blocks. Any thread. ERR_NOT_FOUND: no such host; the addresses known
 * before stay. */
MUST_CHECK enum err redis_target_resolve(struct redis_target *t);

const struct redis_url *redis_target_url(const struct redis_target *t);
int32_t redis_target_connect_timeout_ms(const struct redis_target *t);

/* A server of a Redis Cluster says that another has the keys: "1.2.3.4:6379", or ":6379" for its
 * own host. From now on that address is tried before those of the URL, to which links come back
 * when it does not answer. False: it is no such address, or they send each other's way (the keys do
 * not lie in one slot). */
enum { REDIS_MOVES_MAX = 8, REDIS_MOVES_MS = 10000 };
bool redis_target_move(struct redis_target *t, struct str address, int64_t now_us);

/* For links. The address to try `attempt`-th; false: none is known. */
struct redis_address {
    struct sockaddr_storage addr;
    socklen_t n;
};
bool redis_target_address(struct redis_target *t, uint32_t attempt, struct redis_address *ret);
/* A client's SSL object for that socket, which checks the host's name; NULL: out of memory. */
struct ssl_st *redis_target_tls(struct redis_target *t, int fd);
