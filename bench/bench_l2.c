/* A hit of the second tier against a bare GET of the same bytes, through hiredis, pipelined as
 * deep.
 *
 *   redis=$(tools/redis_private.sh start DIR); build/bench/bench_l2 "$redis";
 * tools/redis_private.sh stop DIR
 *
 * Rounds of both alternate; printed are the medians in microseconds for one answer, and their
 * ratio. One loop and one client thread are busy at a time. */
#include "base/clock.h"
#include "base/rng.h"
#include "cache/l2.h"
#include "redis/target.h"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEYS = 64, DEPTH_MAX = 64, ROUNDS = 9 };

static struct bus *bus;
static struct l2 *l2;
static struct http_server *server;
static struct http_exchange *exchange;
static struct generations *generations;
static sem_t arrived, over;
static char body[300000];
static size_t body_bytes;
static long to_do, under_way, hits, misses;

static void die(const char *what)
{
    fprintf(stderr, "bench_l2: %s\n", what);
    exit(1);
}

/* JSON-like: numbers and names, so that it compresses as answers do. */
static void make_body(size_t n)
{
    struct rng rng;
    rng_seed(&rng, 7);
    size_t at = 0;
    while (at < n)
        at += (size_t)snprintf(body + at, sizeof body - at,
                               "{\"day\":\"2026-03-%02d\",\"minutes\":%d,\"recall\":%.3f},",
                               (int)(1 + rng_below(&rng, 28)), (int)rng_below(&rng, 90),
                               rng_unit(&rng));
    body_bytes = n;
}

/* ---- the second tier ---- */

struct ask {
    struct l2_get get;
    struct tag tags[2];
    char key[64];
};
static struct ask asks[DEPTH_MAX];

static void ask_next(struct ask *a);

static void on_done(struct l2_get *g, enum l2_result r, struct answer *got)
{
    struct ask *a = (struct ask *)g;
    struct answer *mine = NULL;
    int64_t now = clock_mono_us();
    if (r == L2_HIT) {
        hits++;
        answer_unref(got);
    } else {
        misses++;
        const struct answer_spec s = {.status = 200,
                                      .media = "application/json",
                                      .cache_control = "private",
                                      .body = {body, body_bytes},
                                      .made_us = now,
                                      .fresh_until_us = now + 600000000,
                                      .stale_until_us = now + 600000000,
                                      .stamp = g->stamp};
        if (r == L2_FILL && answer_new(&s, &mine) == ERR_OK)
            l2_put(l2, exchange->loop, g, mine);
        answer_unref(mine);
    }
    ask_next(a);
}

static void ask_next(struct ask *a)
{
    if (to_do <= 0) {
        if (--under_way == 0)
            sem_post(&over);
        return;
    }
    long i = to_do-- % KEYS;
    int n =
        snprintf(a->key, sizeof a->key, "GET /api/learners/%ld/patterns?days=%zu", i, body_bytes);
    a->tags[0] = tag_of(TAG_LEARNER, (struct str){a->key, (size_t)n});
    a->tags[1] = tag_of(TAG_ENDPOINT, STR("patterns"));
    a->get = (struct l2_get){.key = {{a->key, (size_t)n}, 0},
                             .tags = a->tags,
                             .tag_count = 2,
                             .cache_control = "private",
                             .media = "application/json",
                             .done = on_done};
    stamp_take(generations, a->tags, 2, &a->get.stamp);
    l2_get(l2, exchange->loop, &a->get);
}

static void start_asks(void *arg)
{
    long depth = *(long *)arg;
    under_way = depth;
    for (long i = 0; i < depth; i++)
        ask_next(&asks[i]);
}

static double tier_us(long n, long depth)
{
    hits = misses = 0;
    to_do = n;
    int64_t begun = clock_mono_us();
    http_on_loop(exchange, start_asks, &depth);
    sem_wait(&over);
    return (double)(clock_mono_us() - begun) / (double)n;
}

/* ---- the bare client ---- */

static double bare_us(redisContext *c, long n, long depth)
{
    int64_t begun = clock_mono_us();
    long sent = 0, got = 0;
    for (; sent < depth && sent < n; sent++)
        redisAppendCommand(c, "GET bench:%d", (int)(sent % KEYS));
    while (got < n) {
        void *r = NULL;
        long batch = 0;
        if (redisGetReply(c, &r) != REDIS_OK)
            die("the bare client lost Redis");
        do { /* what has come already, then as many new ones in one write */
            if (((redisReply *)r)->type != REDIS_REPLY_STRING)
                die("a value is missing");
            freeReplyObject(r);
            got++;
            batch++;
            r = NULL;
        } while (redisReaderGetReply(c->reader, &r) == REDIS_OK && r);
        for (; batch > 0 && sent < n; batch--, sent++)
            redisAppendCommand(c, "GET bench:%d", (int)(sent % KEYS));
    }
    return (double)(clock_mono_us() - begun) / (double)n;
}

static int by_value(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static void compare(redisContext *c, size_t bytes, long depth)
{
    double tier[ROUNDS], bare[ROUNDS];
    long n = depth == 1 ? 1000 : bytes > 10000 ? 2000 : 8000;
    make_body(bytes);
    for (int i = 0; i < KEYS; i++)
        freeReplyObject(redisCommand(c, "SET bench:%d %b", i, body, bytes));
    do
        tier_us(4 * KEYS, 1);
    while (hits < 4 * KEYS);
    for (int i = 0; i < ROUNDS; i++) {
        bare[i] = bare_us(c, n, depth);
        tier[i] = tier_us(n, depth);
        if (hits != n)
            die("not every answer was a hit");
    }
    qsort(tier, ROUNDS, sizeof tier[0], by_value);
    qsort(bare, ROUNDS, sizeof bare[0], by_value);
    printf("%7zu bytes  depth %2ld  tier %7.1f us  bare GET %7.1f us  ratio %.2f\n", bytes, depth,
           tier[ROUNDS / 2], bare[ROUNDS / 2], tier[ROUNDS / 2] / bare[ROUNDS / 2]);
}

/* ---- a server, for its loop ---- */

static enum err on_head(void *user, struct http_exchange *x, struct http_verdict *ret)
{
    (void)user, (void)x;
    *ret = (struct http_verdict){.reply_max = 1024, .arena_max = 65536};
    return ERR_OK;
}

static void on_request(void *user, struct http_exchange *x)
{
    (void)user;
    exchange = x;
    sem_post(&arrived);
}

static void on_reject(void *user, struct http_exchange *x, enum err why, const char *detail)
{
    (void)user, (void)why, (void)detail;
    x->status = 400;
}

static void on_exchange_done(void *user, struct http_exchange *x)
{
    (void)user, (void)x;
}

static int start_server(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const struct http_options o = {.listen = STR("127.0.0.1:0"),
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
                                              .idle_timeout_ms = 600000}};
    const struct http_app app = {.on_head = on_head,
                                 .on_request = on_request,
                                 .on_reject = on_reject,
                                 .on_done = on_exchange_done};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char detail[REDIS_DETAIL_MAX];
    if (http_server_new(&o, &app, &server, detail) || http_server_start(server))
        die("the server does not start");
    const char *port = strrchr(http_server_address(server).p, ':');
    a.sin_port = htons((uint16_t)strtol(port + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) || write(fd, request, sizeof request - 1) < 0)
        die("the server does not answer");
    sem_wait(&arrived);
    return fd;
}

int main(int argc, char **argv)
{
    struct redis_target *target;
    char detail[REDIS_DETAIL_MAX];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2)
        die("usage: bench_l2 redis://127.0.0.1:PORT/0");
    const struct redis_options r = {.url = str_from(argv[1]), .connect_timeout_ms = 5000};
    if (redis_target_new(&r, &target, detail) || generations_new(&generations))
        die(detail);
    const struct bus_options b = {.redis = target,
                                  .prefix = STR("bench:"),
                                  .command_timeout_ms = 5000,
                                  .generations = generations};
    if (bus_new(&b, &bus, detail))
        die(detail);
    sem_init(&arrived, 0, 0);
    sem_init(&over, 0, 0);
    int fd = start_server();
    const struct l2_options l = {.redis = target,
                                 .prefix = STR("bench:"),
                                 .loops = 1,
                                 .command_timeout_ms = 5000,
                                 .lock_ms = 1000,
                                 .bus = bus};
    if (l2_new(&l, &l2, detail))
        die(detail);
    const struct redis_url *u = redis_target_url(target);
    redisContext *c = u->is_unix ? redisConnectUnix(u->path) : redisConnect(u->host, u->port);
    if (!c || c->err)
        die("the bare client cannot connect");
    for (int64_t begun = clock_mono_us(); !bus_trusted(bus);)
        if (clock_mono_us() - begun > 10000000)
            die("Redis does not answer");
        else
            usleep(1000);
    const size_t sizes[] = {1500, 8000, 30000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        compare(c, sizes[i], 1);
        compare(c, sizes[i], 16);
        compare(c, sizes[i], 64);
    }
    redisFree(c);
    exchange->status = 200;
    http_send(exchange);
    http_server_stop(server, 5000);
    l2_free(l2);
    http_server_free(server);
    close(fd);
    bus_free(bus);
    generations_free(generations);
    redis_target_free(target);
    return 0;
}
