/* l2_fixture - a server with one loop on which a test can run things, one node's bus, and its
 * second tier. */
#pragma once
#include "redis_fixture.h"

#include "cache/l2.h"

#include <semaphore.h>

struct l2_node {
    struct redis_target *target, *l2_target; /* of the bus and of the tier: a test may part them */
    struct generations *generations;
    struct bus *bus;
    struct l2 *l2;
    struct http_server *server;
    struct http_exchange *x; /* held open: the way onto the loop */
    sem_t arrived;
    int fd;
};

static inline enum err l2_on_head(void *user, struct http_exchange *x, struct http_verdict *ret)
{
    (void)user, (void)x;
    *ret = (struct http_verdict){.reply_max = 1024, .arena_max = 65536};
    return ERR_OK;
}

static inline void l2_on_request(void *user, struct http_exchange *x)
{
    struct l2_node *n = user;
    n->x = x;
    sem_post(&n->arrived);
}

static inline void l2_on_reject(void *user, struct http_exchange *x, enum err why,
                                const char *detail)
{
    (void)user, (void)why, (void)detail;
    x->status = 400;
}

static inline void l2_on_done(void *user, struct http_exchange *x)
{
    (void)user, (void)x;
}

static inline void l2_server_start(struct l2_node *n)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const struct http_options o = {
        .listen = STR("127.0.0.1:0"),
        .loops = 1,
        .limits = {.head_bytes_max = 4096,
                   .header_count_max = 16,
                   .url_bytes_max = 1024,
                   .connections_max = 16,
                   .connections_per_address_max = 16,
                   .requests_in_flight_max = 16,
                   .head_timeout_ms = 600000,
                   .body_timeout_ms = 600000,
                   .write_timeout_ms = 600000,
                   .idle_timeout_ms = 600000},
    };
    const struct http_app app = {.user = n,
                                 .on_head = l2_on_head,
                                 .on_request = l2_on_request,
                                 .on_reject = l2_on_reject,
                                 .on_done = l2_on_done};
    char detail[REDIS_DETAIL_MAX];
    sem_init(&n->arrived, 0, 0);
    OK(http_server_new(&o, &app, &n->server, detail));
    OK(http_server_start(n->server));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *port = strrchr(http_server_address(n->server).p, ':');
    a.sin_port = htons((uint16_t)strtol(port + 1, NULL, 10));
    n->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(n->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(write(n->fd, request, sizeof request - 1), sizeof request - 1);
    sem_wait(&n->arrived);
}

static inline void l2_node_start_apart(struct l2_node *n, const char *url, const char *l2_url,
                                       int32_t timeout_ms, int32_t lock_ms)
{
    char detail[REDIS_DETAIL_MAX];
    memset(n, 0, sizeof *n);
    n->target = target_of(url);
    n->l2_target = target_of(l2_url);
    OK(generations_new(&n->generations));
    const struct bus_options bus = {.redis = n->target,
                                    .prefix = STR("t[*]:"),
                                    .command_timeout_ms = 5000,
                                    .generations = n->generations};
    OK(bus_new(&bus, &n->bus, detail));
    l2_server_start(n);
    const struct l2_options l2 = {.redis = n->l2_target,
                                  .prefix = STR("t[*]:"),
                                  .loops = 1,
                                  .command_timeout_ms = timeout_ms,
                                  .lock_ms = lock_ms,
                                  .bus = n->bus};
    OK(l2_new(&l2, &n->l2, detail));
}

static inline void l2_node_start(struct l2_node *n, const char *url, int32_t timeout_ms,
                                 int32_t lock_ms)
{
    l2_node_start_apart(n, url, url, timeout_ms, lock_ms);
}

static inline void l2_node_stop(struct l2_node *n)
{
    n->x->status = 200;
    http_send(n->x);
    http_server_stop(n->server, 60000);
    l2_free(n->l2);
    http_server_free(n->server);
    close(n->fd);
    sem_destroy(&n->arrived);
    bus_free(n->bus);
    generations_free(n->generations);
    redis_target_free(n->target);
    redis_target_free(n->l2_target);
}
