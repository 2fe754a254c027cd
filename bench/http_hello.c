/* http_hello - the server with nothing behind it: a fixed small JSON reply, on the loop and by way
 * of a worker.
 *
 *     http_hello LISTEN [LOOPS [WORKERS]]     (defaults: 1 loop, 4 workers)
 *
 * GET /inline is answered on the loop, GET /worker on a worker thread, anything else with 404.
 * Prints the address; ends on SIGTERM or SIGINT with the totals on standard error. */
#include "http/router.h"
#include "net/workers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLY_BYTES = 1300 }; /* with its head about 1.5 KB, as the floor's */

struct call {
    struct work work; /* first */
    struct http_exchange *x;
};

static struct workers *workers;
static struct router *router;
static char text[REPLY_BYTES + 1];
static const char row_inline, row_worker;

static void answer(struct http_exchange *x)
{
    x->status = 200;
    x->content_type = "application/json";
    buf_put(&x->body, text, REPLY_BYTES);
    http_send(x);
}

static void run(struct work *w, void *context)
{
    (void)context;
    answer(((struct call *)w)->x);
}

static enum err on_head(void *user, struct http_exchange *x, struct http_verdict *ret)
{
    struct route_match match;
    (void)user;
    router_find(router, x->request.method, x->request.path, &match);
    if (!match.row)
        return match.allowed ? ERR_METHOD : ERR_NOT_FOUND;
    x->app = (void *)(uintptr_t)match.row;
    *ret = (struct http_verdict){.arena_max = 1 << 16, .reply_max = 1 << 16};
    return ERR_OK;
}

static void on_request(void *user, struct http_exchange *x)
{
    (void)user;
    if (x->app == &row_inline) {
        answer(x);
        return;
    }
    struct call *c = arena_new(x->arena, struct call, 1);
    if (c) {
        c->work.fn = run;
        c->x = x;
        if (!workers_submit(workers, LANE_FAST, &c->work))
            return;
    }
    x->status = 503;
    http_send(x);
}

int main(int argc, char **argv)
{
    char detail[200];
    struct http_server *s;
    sigset_t set;
    int got;

    if (argc < 2) {
        fprintf(stderr, "usage: http_hello LISTEN [LOOPS [WORKERS]]\n");
        return 2;
    }
    struct http_options o = {
        .listen = str_from(argv[1]),
        .loops = argc > 2 ? (int32_t)strtol(argv[2], NULL, 10) : 1,
        .server_name = "doppel",
        .limits = {.head_bytes_max = 16384,
                   .header_count_max = 100,
                   .url_bytes_max = 8192,
                   .connections_max = 20000,
                   .connections_per_address_max = 20000,
                   .requests_in_flight_max = 16384,
                   .head_timeout_ms = 10000,
                   .body_timeout_ms = 30000,
                   .write_timeout_ms = 30000,
                   .idle_timeout_ms = 75000},
    };
    struct workers_options w = {.threads = argc > 3 ? (int32_t)strtol(argv[3], NULL, 10) : 4,
                                .queue_max = 4096};
    struct http_app app = {.on_head = on_head, .on_request = on_request};
    int n = snprintf(text, sizeof text, "{\"success\":true,\"data\":\"");
    memset(text + n, 'x', (size_t)(REPLY_BYTES - n - 2));
    memcpy(text + REPLY_BYTES - 2, "\"}", 3);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (router_new(&router) || router_add(router, HTTP_GET, "/inline", &row_inline) ||
        router_add(router, HTTP_GET, "/worker", &row_worker) || workers_new(&w, &workers))
        return 1;
    enum err e = http_server_new(&o, &app, &s, detail);
    if (e || http_server_start(s)) {
        fprintf(stderr, "http_hello: %s: %s\n", err_text(e), detail);
        return 1;
    }
    printf(STR_FMT "\n", STR_ARG(http_server_address(s)));
    fflush(stdout);
    sigwait(&set, &got);
    bool whole = http_server_stop(s, 5000);
    workers_free(workers);
    struct http_stats st;
    http_server_stats(s, &st);
    fprintf(stderr, "requests %lld, connections %lld, %s\n", (long long)st.requests,
            (long long)st.connections_accepted, whole ? "nothing cut off" : "some cut off");
    http_server_free(s);
    router_free(router);
    return 0;
}
