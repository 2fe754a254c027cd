/* serve - `doppel serve`: starts the parts in order, waits for a signal, stops them in reverse. */
#include "api/api.h"
#include "auth/auth.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "cache/tiers.h"
#include "cli/command.h"
#include "ingest/ingest.h"
#include "night/night.h"
#include "night/struggle.h"
#include "night/weights.h"
#include "redis/url.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    FILES_BESIDE_CONNECTIONS = 256, /* database files, loops, logs, what libraries open */
    LOOPS_MAX = 256,
    WRITERS_MAX = 16,
};

struct parts {
    struct store *store;
    struct tiers *tiers;
    struct ingest *ingest;
    struct weights *weights;
    struct night *night;
    struct auth *auth;
    struct api *api;
    struct http_app app; /* the server's callbacks, bound to api */
    struct http_server *server;
};

/* ---- systemd's notification, without its library: a datagram to a socket that it names ---- */

static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (to.sun_path[0] == '@')
        to.sun_path[0] = 0; /* the abstract namespace */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));

    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size) < 0)
        log_event(LOG_WARN, "serve.notify", LOG_C("error", strerror(errno)));
    close(fd);
}

/* ---- checks before anything is opened ---- */

static bool is_loopback(struct str address)
{
    return str_starts(address, STR("127.")) || str_starts(address, STR("[::1]:")) ||
           str_starts(address, STR("localhost:")) || str_starts(address, STR("unix:"));
}

static int check(const struct command_call *call)
{
    const struct config *c = call->config;
    struct str rest = c->listen;
    struct redis_url redis;
    const char *why = NULL;

    if (c->workers_reserved >= c->workers)
        return command_misused(call->command,
                               "workers_reserved (%d) must be less than workers (%d)",
                               (int)c->workers_reserved, (int)c->workers);
    if ((c->tls_cert.n == 0) != (c->tls_key.n == 0))
        return command_misused(call->command, "tls_cert and tls_key only work together");
    if (c->redis.n && redis_url_parse(c->redis, &redis, &why))
        return command_misused(call->command, "redis must be a URL: %s", why);
    if (!bus_prefix_valid(c->redis_prefix))
        return command_misused(
            call->command, "redis_prefix holds braces only as one {hash tag} that is not empty");
    while (c->dev && rest.p) {
        struct str address = str_trim(str_cut(&rest, ','));

        if (!is_loopback(address))
            return command_misused(
                call->command,
                "--dev lets everybody in: it refuses to listen on \"%.*s\", which "
                "is not a loopback address",
                address.n < 64 ? (int)address.n : 64, address.p);
    }
    return EXIT_SUCCESS;
}

static rlim_t files_wanted(const struct config *c)
{
    return (rlim_t)(c->connections_max + 4 * c->workers + FILES_BESIDE_CONNECTIONS);
}

/* Room for every connection the settings allow, as far as the system lets us. */
static void raise_file_limit(const struct config *c)
{
    struct rlimit limit;
    rlim_t need = files_wanted(c);

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
        return;
    struct rlimit wish = {
        .rlim_cur = need,
        .rlim_max = need > limit.rlim_max ? need : limit.rlim_max,
    };

    if (setrlimit(RLIMIT_NOFILE, &wish) == 0)
        return;
    limit.rlim_cur = limit.rlim_max; /* raising the hard limit is not ours to do */
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void warn_of_file_limit(const struct config *c)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < files_wanted(c))
        log_event(LOG_WARN, "serve.files", LOG_N("limit", limit.rlim_cur),
                  LOG_N("wanted", files_wanted(c)),
                  LOG_C("hint", "raise LimitNOFILE or lower connections_max"));
}

static int32_t processors(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int32_t loops_wanted(const struct config *c)
{
    int32_t n = c->loops > 0 ? (int32_t)c->loops : processors();

    return n < 1 ? 1 : n > LOOPS_MAX ? LOOPS_MAX : n;
}

/* A second writer on two processors only takes time from the first one's backend. */
static int32_t writers_wanted(const struct config *c)
{
    int32_t n = c->writers > 0 ? (int32_t)c->writers : processors() / 2;

    return n < 1 ? 1 : n > WRITERS_MAX ? WRITERS_MAX : n;
}

/* ---- start, in order ---- */

static const char *path_or_null(struct str s)
{
    return s.n ? s.p : NULL;
}

/* SQLite's file is served by one process alone. */
static enum err start_tiers(const struct config *c, struct parts *p, char *ret_detail)
{
    const struct redis_options redis = {
        .url = c->redis,
        .ca_file = c->redis_ca_file,
        .connect_timeout_ms = (int32_t)c->redis_connect_timeout,
    };
    struct tiers_options options = {
        .cache = {.bytes_max = (size_t)c->cache_bytes_max,
                  .waiters_max = (int32_t)c->requests_in_flight_max},
        .alone = store_engine(p->store) == STORE_SQLITE || c->cache_alone,
        .ahead = c->cache_ahead > 0,
        .blind_ms = (int32_t)c->cache_blind_time,
        .store = p->store,
        .redis = c->redis.n ? &redis : NULL,
        .redis_prefix = c->redis_prefix,
        .redis_timeout_ms = (int32_t)c->redis_timeout,
        .lock_ms = (int32_t)c->redis_lock,
        .loops = loops_wanted(c),
    };

    return tiers_new(&options, &p->tiers, ret_detail);
}

static enum err start_ingest(const struct config *c, struct parts *p)
{
    struct ingest_options options = {
        .writers = store_engine(p->store) == STORE_SQLITE ? 1 : writers_wanted(c),
        .queue_events_max = (int32_t)c->ingest_queue_events,
        .queue_bytes_max = c->ingest_queue_bytes,
        .group_events = (int32_t)c->group_events,
        .group_wait_us = (int32_t)c->group_wait_us,
        .on_commit = tiers_wrote,
        .user = p->tiers,
    };

    return ingest_new(p->store, &options, &p->ingest);
}

static enum err start_night(const struct config *c, struct parts *p)
{
    enum err e = weights_new(STRUGGLE_BITS, &p->weights);

    if (e != ERR_OK || !c->night)
        return e;
    return night_new(&(struct night_options){.store = p->store,
                                             .ingest = p->ingest,
                                             .weights = p->weights,
                                             .minute = (int32_t)c->night_minute},
                     &p->night);
}

static enum err start_auth(const struct config *c, struct parts *p, char *ret_detail)
{
    struct auth_options options = {
        .dev = c->dev,
        .jwt_key_file = path_or_null(c->jwt_key_file),
        .jwks_file = path_or_null(c->jwks_file),
        .jwt_issuer = path_or_null(c->jwt_issuer),
        .jwt_audience = path_or_null(c->jwt_audience),
        .jwt_leeway_s = (int32_t)(c->jwt_leeway / 1000),
        .key_cache_s = (int32_t)(c->key_cache / 1000),
    };

    return auth_new(&options, &p->auth, ret_detail);
}

static struct http_limits http_limits_of(const struct config *c)
{
    return (struct http_limits){
        .head_bytes_max = (int32_t)c->head_bytes_max,
        .header_count_max = (int32_t)c->header_count_max,
        .url_bytes_max = (int32_t)c->url_bytes_max,
        .connections_max = (int32_t)c->connections_max,
        .connections_per_address_max = (int32_t)c->connections_per_address_max,
        .requests_in_flight_max = (int32_t)c->requests_in_flight_max,
        .head_timeout_ms = (int32_t)c->head_timeout,
        .body_timeout_ms = (int32_t)c->body_timeout,
        .write_timeout_ms = (int32_t)c->write_timeout,
        .idle_timeout_ms = (int32_t)c->idle_timeout,
        .body_rate_min = (int32_t)c->body_rate_min,
        .requests_per_connection_max = (int32_t)c->requests_per_connection_max,
    };
}

static enum err start_http(const struct config *c, struct parts *p, char *ret_detail)
{
    struct http_options options = {
        .listen = c->listen,
        .loops = loops_wanted(c),
        .limits = http_limits_of(c),
        .tls_cert_file = path_or_null(c->tls_cert),
        .tls_key_file = path_or_null(c->tls_key),
    };
    p->app = api_http_app;
    p->app.user = p->api;
    enum err e = http_server_new(&options, &p->app, &p->server, ret_detail);

    if (e != ERR_OK)
        return e;
    api_set_server(p->api, p->server);
    return http_server_start(p->server);
}

static int start(const struct command_call *call, struct parts *p)
{
    char detail[CONFIG_DETAIL_MAX] = "";
    int code =
        command_store(call, call->config->migrate ? SCHEMA_MIGRATE : SCHEMA_CURRENT, &p->store);

    if (code != EXIT_SUCCESS)
        return code;
    if (store_serve_alone(p->store) != ERR_OK)
        return command_failed(call->command, "another server uses this database file");
    store_log(p->store, (int32_t)call->config->slow_statement);
    store_announce(p->store, false); /* the caches of this process are told as it commits */
    enum err e = start_tiers(call->config, p, detail);

    if (e != ERR_OK)
        return command_failed(call->command, "cannot set up the cache: %s",
                              *detail ? detail : err_text(e));
    e = start_ingest(call->config, p);

    if (e != ERR_OK)
        return command_failed(call->command, "cannot start the writers: %s", err_text(e));
    e = start_night(call->config, p);
    if (e != ERR_OK)
        return command_failed(call->command, "cannot start the nightly analysis: %s", err_text(e));
    e = start_auth(call->config, p, detail);
    if (e != ERR_OK)
        return command_failed(call->command, "cannot set up rights: %s",
                              *detail ? detail : err_text(e));
    struct api_options options = {
        .config = call->config,
        .tiers = p->tiers,
        .store = p->store,
        .ingest = p->ingest,
        .auth = p->auth,
        .night = p->night,
        .weights = p->weights,
    };

    e = api_new(&options, &p->api, detail);
    if (e != ERR_OK)
        return command_failed(call->command, "cannot start: %s", *detail ? detail : err_text(e));
    e = start_http(call->config, p, detail);
    if (e != ERR_OK)
        return command_failed(call->command, "cannot listen: %s", *detail ? detail : err_text(e));
    return EXIT_SUCCESS;
}

/* ---- run and stop ---- */

static void die_at_once(int sig)
{
    _exit(128 + sig);
}

/* From here on a second SIGTERM or SIGINT does not wait. */
static void arm_second_signal(const sigset_t *waited)
{
    struct sigaction action = {.sa_handler = die_at_once};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, waited, NULL);
}

/* Until SIGTERM or SIGINT. */
static void wait_for_stop(struct parts *p, const sigset_t *waited)
{
    for (;;) {
        int sig = sigwaitinfo(waited, NULL);

        if (sig == SIGHUP) {
            auth_forget(p->auth);
            log_event(LOG_INFO, "serve.keys_forgotten", LOG_C("signal", "SIGHUP"));
        } else if (sig > 0) {
            log_event(LOG_INFO, "serve.stopping",
                      LOG_C("signal", sig == SIGINT ? "SIGINT" : "SIGTERM"));
            return;
        }
    }
}

/* In reverse; what was not started is NULL. A call that outlives the server's patience may be with
 * the writers or the workers, and hands on from one to the other: each is stopped before any is
 * freed, and the calls end with the server, whose last callbacks need the api. */
static void stop(const struct config *c, struct parts *p)
{
    bool clean = true;

    if (p->api)
        api_drain(p->api);
    if (p->server)
        clean = http_server_stop(p->server, (int32_t)c->stop_timeout);
    if (!clean)
        log_event(LOG_WARN, "serve.cut_off", LOG_N("stopTimeoutMs", c->stop_timeout));
    if (p->night)
        night_stop(p->night);
    if (p->ingest)
        ingest_stop(p->ingest);
    if (p->api)
        api_stop(p->api);
    if (p->tiers)
        tiers_stop(p->tiers);
    http_server_free(p->server);
    api_free(p->api);
    night_free(p->night);
    weights_free(p->weights);
    ingest_free(p->ingest);
    tiers_free(p->tiers);
    auth_free(p->auth);
    store_close(p->store);
}

static void announce(const struct config *c, struct parts *p, int64_t begun_us)
{
    struct str address = http_server_address(p->server), url = store_display_url(p->store);

    printf("listening on " STR_FMT "\n", STR_ARG(address));
    fflush(stdout);
    log_event(LOG_INFO, "serve.ready", LOG_S("address", address), LOG_S("database", url),
              LOG_N("ms", (double)(clock_mono_us() - begun_us) / 1000),
              LOG_C("version", DOPPEL_VERSION));
    if (c->cron_secret.n > 0 && c->cron_secret.n < CRON_SECRET_MIN)
        log_event(LOG_WARN, "serve.cron_secret", LOG_N("bytesWanted", CRON_SECRET_MIN),
                  LOG_C("hint", "it is too short, and not used"));
    if (c->dev && !log_enabled(LOG_WARN)) /* the log says it at every other level */
        fprintf(stderr, "*** --dev: calls from this machine need no key and may do everything. "
                        "Not for machines that others use. ***\n");
    notify("READY=1");
}

int cmd_serve(const struct command_call *call)
{
    int64_t begun_us = clock_mono_us();
    struct parts parts = {0};
    sigset_t waited;
    int code = check(call);

    if (code != EXIT_SUCCESS)
        return code;
    /* Before the first thread: all of them inherit this, and signals reach sigwaitinfo() only. */
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGINT);
    sigaddset(&waited, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &waited, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a full disk: write() says EFBIG */
    raise_file_limit(call->config);
    if (log_start() != ERR_OK)
        return command_failed(call->command, "cannot start the log's thread");
    code = start(call, &parts);
    if (code == EXIT_SUCCESS) {
        announce(call->config, &parts, begun_us);
        warn_of_file_limit(call->config);
        wait_for_stop(&parts, &waited);
        notify("STOPPING=1");
        arm_second_signal(&waited);
    }
    stop(call->config, &parts);
    if (code == EXIT_SUCCESS)
        log_event(LOG_INFO, "serve.stopped");
    log_stop();
    return code;
}
