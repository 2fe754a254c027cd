/* The dispatcher, driven through a real server over a fresh SQLite file: rows of this test's own
 * for each way that a call can go, beside the families of events and of operating. */
#include "api/api.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "cache/tiers.h"
#include "cli/config.h"
#include "json/reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

/* ---- rows of the test ---- */

struct echo_in {
    struct str name;
    int32_t hour;
    struct str note;
    int32_t count;
};
static const struct field echo_params[] = {
    FIELD(F_STR, struct echo_in, name, "name", .min = 1, .max = 20),
    FIELD_END,
};
static const struct field echo_query[] = {
    FIELD(F_I32, struct echo_in, hour, "hour", .min = 0, .max = 23, .def = "7"),
    FIELD_END,
};
static const struct field echo_body[] = {
    FIELD(F_I32, struct echo_in, count, "count", .flags = FIELD_REQUIRED, .min = 1, .max = 5),
    FIELD(F_STR, struct echo_in, note, "note", .max = 10),
    FIELD_END,
};
struct echo_reply {
    struct str name, learner, note, where;
    int32_t hour, count;
};
static const struct field echo_fields[] = {
    FIELD(F_STR, struct echo_reply, name, "name", .flags = FIELD_OMIT),
    FIELD(F_STR, struct echo_reply, learner, "learner", .flags = FIELD_NULLABLE),
    FIELD(F_STR, struct echo_reply, note, "note", .flags = FIELD_OMIT),
    FIELD(F_STR, struct echo_reply, where, "where", .flags = FIELD_OMIT),
    FIELD(F_I32, struct echo_reply, hour, "hour"),
    FIELD(F_I32, struct echo_reply, count, "count"),
    FIELD_END,
};

static struct echo_reply *reply_new(struct api_call *c)
{
    struct echo_reply *r = arena_new(c->arena, struct echo_reply, 1);
    r->learner = c->learner;
    c->reply = r;
    return r;
}

static enum err echo(struct api_call *c)
{
    const struct echo_in *in = c->in;
    struct echo_reply *r = reply_new(c);

    r->name = in->name;
    r->hour = in->hour;
    r->note = in->note;
    r->count = in->count;
    return ERR_OK;
}

static enum err do_ping(struct api_call *c)
{
    struct query q = {.stmt = STMT_STORE_PING};
    return store_read(c->conn, c->arena, &q, 1, c->deadline_us);
}

/* On a loop there are two milliseconds: this one finds them too few. */
static enum err slow_there(struct api_call *c)
{
    bool little = c->deadline_us - clock_mono_us() < 3000;
    struct echo_reply *r = reply_new(c);

    http_reply_header(c->x, "X-Attempt", little ? STR("loop") : STR("worker"));
    if (little)
        return ERR_DEADLINE;
    r->where = STR("worker");
    return do_ping(c);
}

static enum err ping_here(struct api_call *c)
{
    struct echo_reply *r = reply_new(c);
    r->where = c->deadline_us - clock_mono_us() < 3000 ? STR("loop") : STR("worker");
    return do_ping(c);
}

struct fail_in {
    struct str code;
};
static const struct field fail_params[] = {
    FIELD(F_STR, struct fail_in, code, "code", .min = 1, .max = 40),
    FIELD_END,
};
static enum err fail_as_told(struct api_call *c)
{
    const struct fail_in *in = c->in;

    for (int e = 1; e < ERR_COUNT; e++)
        if (str_eq(in->code, str_from(err_code((enum err)e))))
            return (enum err)e;
    return api_refuse(c, ERR_CONFLICT, "MY_OWN", "Because of \"%s\".", "quotes\n");
}

static enum err too_big_a_reply(struct api_call *c)
{
    struct echo_reply *r = reply_new(c);
    char *text = arena_alloc(c->arena, 9000, 1);

    memset(text, 'x', 9000);
    r->note = (struct str){text, 9000};
    return ERR_OK;
}

static enum err nothing(struct api_call *c)
{
    (void)c;
    return ERR_OK;
}

static enum err change_run(struct api_call *c, struct store_conn *conn)
{
    const struct echo_in *in = c->in;
    int64_t id;

    if (in->count == 5)
        return api_refuse(c, ERR_CONFLICT, "FIVE", "Five is right out.");
    return learner_put(conn, in->note, STR("Europe/Berlin"), c->now_us, &id);
}

/* Reads its own write. */
static enum err change_then(struct api_call *c)
{
    const struct echo_in *in = c->in;
    struct query q = {.stmt = STMT_LEARNER_BY_EMAIL,
                      .args = (const struct value[]){V_S(STR("nobody"))},
                      .arg_count = 1};
    enum err e = store_read(c->conn, c->arena, &q, 1, c->deadline_us);

    reply_new(c)->note = in->note;
    return e;
}

static enum err change(struct api_call *c)
{
    return api_change(c, change_run, change_then);
}

/* Its change fails as that of /t/change does; that does not matter here. */
static enum err change_beside(struct api_call *c)
{
    return api_change_beside(c, change_run, change_then);
}

static sem_t entered, leave;
static enum err wait_for_the_test(struct api_call *c)
{
    sem_post(&entered);
    sem_wait(&leave);
    reply_new(c);
    return ERR_OK;
}

static enum err nobody_named(struct api_call *c, struct store_conn *conn)
{
    (void)c, (void)conn;
    return ERR_OK;
}

static enum err wait_then_change(struct api_call *c)
{
    enum err e = wait_for_the_test(c);
    return e == ERR_OK ? api_change(c, nobody_named, NULL) : e;
}

static const struct endpoint endpoints_test[] = {
    {.method = HTTP_GET,
     .path = "/t/echo/{name}",
     .id = "t_echo",
     .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY,
     .params = echo_params,
     .query = echo_query,
     .in_size = sizeof(struct echo_in),
     .reply = echo_fields,
     .run = RUN_LOOP,
     .cache = {.fresh_s = 120, .stale_s = 600}, /* here; a browser must ask each time */
     .handler = echo},
    {.method = HTTP_POST,
     .path = "/t/body",
     .id = "t_body",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .body = echo_body,
     .in_size = sizeof(struct echo_in),
     .reply = echo_fields,
     .envelope = ENVELOPE_FLAT,
     .status = 201,
     .run = RUN_LOOP,
     .body_max = 100000,
     .handler = echo},
    {.method = HTTP_PUT,
     .path = "/t/body",
     .id = "t_optional",
     .scopes = SCOPE_WRITE,
     .body = echo_body,
     .body_optional = true,
     .in_size = sizeof(struct echo_in),
     .reply = echo_fields,
     .envelope = ENVELOPE_BARE,
     .run = RUN_LOOP,
     .handler = echo},
    {.method = HTTP_GET,
     .path = "/t/slow",
     .id = "t_slow",
     .reply = echo_fields,
     .run = RUN_SMALL,
     .handler = slow_there},
    {.method = HTTP_GET,
     .path = "/t/small",
     .id = "t_small",
     .reply = echo_fields,
     .run = RUN_SMALL,
     .handler = ping_here},
    {.method = HTTP_GET,
     .path = "/t/worker",
     .id = "t_worker",
     .reply = echo_fields,
     .run = RUN_WORKER,
     .handler = ping_here},
    {.method = HTTP_GET,
     .path = "/t/fail/{code}",
     .id = "t_fail",
     .params = fail_params,
     .in_size = sizeof(struct fail_in),
     .reply = echo_fields,
     .run = RUN_LOOP,
     .handler = fail_as_told},
    {.method = HTTP_GET,
     .path = "/t/big",
     .id = "t_big",
     .reply = echo_fields,
     .run = RUN_LOOP,
     .reply_max = 8192,
     .handler = too_big_a_reply},
    {.method = HTTP_DELETE,
     .path = "/t/nothing",
     .id = "t_nothing",
     .run = RUN_LOOP,
     .handler = nothing},
    {.method = HTTP_POST,
     .path = "/t/change",
     .id = "t_change",
     .body = echo_body,
     .in_size = sizeof(struct echo_in),
     .reply = echo_fields,
     .run = RUN_SMALL,
     .handler = change},
    {.method = HTTP_POST,
     .path = "/t/beside",
     .id = "t_change_beside",
     .body = echo_body,
     .in_size = sizeof(struct echo_in),
     .reply = echo_fields,
     .run = RUN_WORKER,
     .handler = change_beside},
    {.method = HTTP_GET,
     .path = "/t/wait",
     .id = "t_wait",
     .reply = echo_fields,
     .run = RUN_WORKER,
     .handler = wait_for_the_test},
    {.method = HTTP_POST,
     .path = "/t/wait",
     .id = "t_wait_then_change",
     .reply = echo_fields,
     .run = RUN_WORKER,
     .handler = wait_then_change},
    {.path = NULL},
};
/* In place of the program's own list. */
const struct endpoint *const endpoint_families[] = {endpoints_events, endpoints_operate,
                                                    endpoints_test, NULL};

/* ---- a server, and a client ---- */

struct fixture {
    char dir[64];
    struct arena arena;
    struct config config;
    struct store *store;
    struct tiers *tiers;
    struct ingest *ingest;
    struct auth *auth;
    struct api *api;
    struct http_app app;
    struct http_server *server;
    uint16_t port;
    char reader[KEY_TEXT_MAX], ada[KEY_TEXT_MAX], admin[KEY_TEXT_MAX];
};

static char detail[CONFIG_DETAIL_MAX];

static void make_key(struct fixture *f, struct store_conn *conn, uint32_t scopes,
                     struct str learner, char *key)
{
    (void)f;
    const struct key_spec spec = {.scopes = scopes, .learner = learner, .expires_at = TIME_NONE};

    OK(store_begin(conn));
    OK(key_create(conn, &spec, clock_us(), key));
    OK(store_commit(conn));
}

static atomic_bool disk_fails;

static int disk_sync(int fd)
{
    (void)fd;
    errno = EIO;
    return atomic_load(&disk_fails) ? -1 : 0;
}

static void store_up(struct fixture *f)
{
    int32_t from, to;
    struct store_conn *conn;

    OK(store_open(&(struct store_options){.url = f->config.database,
                                          .busy_timeout_ms = 5000,
                                          .connect_timeout_ms = 5000,
                                          .statement_timeout_ms = 5000,
                                          .sqlite_cache_kib = 1024,
                                          .sqlite_checkpoint_pages = 1000,
                                          .sqlite_full_sync = true,
                                          .sqlite_sync = disk_sync},
                  &f->store, detail));
    OK(store_migrate(f->store, &from, &to, detail));
    OK(store_connect(f->store, STORE_WRITER, &conn));
    make_key(f, conn, SCOPE_READ | SCOPE_WRITE | SCOPE_INGEST, (struct str){NULL, 0}, f->reader);
    make_key(f, conn, SCOPE_READ | SCOPE_WRITE | SCOPE_INGEST, STR("ada"), f->ada);
    make_key(f, conn, SCOPE_ADMIN, (struct str){NULL, 0}, f->admin);
    store_disconnect(conn);
}

/* settings: pairs of name and value, ending in NULL. */
static void up(struct fixture *f, const char *const *settings)
{
    const struct config_origin origin = {.source = CONFIG_FROM_FLAG};

    *f = (struct fixture){.port = 0};
    arena_init(&f->arena, 64 << 20);
    snprintf(f->dir, sizeof f->dir, "/tmp/doppel-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    config_init(&f->config);
    OK(config_set(&f->config, STR("database"), arena_printf(&f->arena, "sqlite:%s/test.db", f->dir),
                  origin, detail));
    OK(config_set(&f->config, STR("access_log"), STR("false"), origin, detail));
    for (; settings[0]; settings += 2)
        if (config_set(&f->config, str_from(settings[0]), str_from(settings[1]), origin, detail))
            fail_msg("%s", detail);
    store_up(f);
    OK(tiers_new(&(struct tiers_options){.cache = {.bytes_max = 8 << 20, .waiters_max = 100},
                                         .alone = true,
                                         .store = f->store,
                                         .loops = 2},
                 &f->tiers, detail));
    OK(ingest_new(
        f->store,
        &(struct ingest_options){.writers = 1,
                                 .queue_events_max = (int32_t)f->config.ingest_queue_events,
                                 .queue_bytes_max = f->config.ingest_queue_bytes,
                                 .group_events = 1000,
                                 .on_commit = tiers_wrote,
                                 .user = f->tiers},
        &f->ingest));
    OK(auth_new(&(struct auth_options){.dev = f->config.dev, .key_cache_s = 5}, &f->auth, detail));
    OK(api_new(&(struct api_options){.config = &f->config,
                                     .tiers = f->tiers,
                                     .store = f->store,
                                     .ingest = f->ingest,
                                     .auth = f->auth},
               &f->api, detail));
    f->app = api_http_app;
    f->app.user = f->api;
    OK(http_server_new(&(struct http_options){.listen = STR("127.0.0.1:0"),
                                              .loops = 2,
                                              .limits = {.head_bytes_max = 16384,
                                                         .header_count_max = 100,
                                                         .url_bytes_max = 8192,
                                                         .connections_max = 100,
                                                         .connections_per_address_max = 100,
                                                         .requests_in_flight_max = 100,
                                                         .head_timeout_ms = 10000,
                                                         .body_timeout_ms = 10000,
                                                         .write_timeout_ms = 10000,
                                                         .idle_timeout_ms = 10000}},
                       &f->app, &f->server, detail));
    api_set_server(f->api, f->server);
    OK(http_server_start(f->server));
    struct str address = http_server_address(f->server);
    const char *colon = memrchr(address.p, ':', address.n);
    int64_t port;
    OK(str_to_i64((struct str){colon + 1, address.n - (size_t)(colon + 1 - address.p)}, &port));
    f->port = (uint16_t)port;
}
#define UP(f, ...) up((f), (const char *const[]){__VA_ARGS__, NULL})

/* After http_server_stop(), in the order of `doppel serve`. */
static void take_down(struct fixture *f)
{
    ingest_stop(f->ingest);
    api_stop(f->api);
    http_server_free(f->server);
    api_free(f->api);
    ingest_free(f->ingest);
    tiers_free(f->tiers);
    auth_free(f->auth);
    store_close(f->store);
    static const char *const files[] = {"test.db", "test.db-wal", "test.db-shm"};
    for (size_t i = 0; i < COUNT(files); i++)
        unlink(arena_printf(&f->arena, "%s/%s", f->dir, files[i]).p);
    rmdir(f->dir);
    config_fini(&f->config);
    arena_fini(&f->arena);
}

static void down(struct fixture *f)
{
    assert_true(http_server_stop(f->server, 10000));
    take_down(f);
}

struct reply {
    int status;
    struct str head, body;
};

static int dial(const struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void send_all(int fd, struct str text)
{
    while (text.n > 0) {
        ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);
        if (n <= 0) /* refused early: the reply says why */
            return;
        text.p += n;
        text.n -= (size_t)n;
    }
}

static struct reply read_reply(struct fixture *f, int fd)
{
    struct reply r = {.status = 0};
    struct buf all;
    ssize_t n;

    buf_init(&all, 16 << 20);
    for (;;) {
        char *to = buf_reserve(&all, 65536);
        n = to ? read(fd, to, 65536) : -1;
        if (n <= 0)
            break;
        all.n += (size_t)n;
    }
    close(fd);
    struct str text = arena_str(&f->arena, buf_view(&all));
    buf_fini(&all);
    const char *end = memmem(text.p, text.n, "\r\n\r\n", 4);
    assert_non_null(end);
    r.head = (struct str){text.p, (size_t)(end + 2 - text.p)};
    r.body = (struct str){end + 4, text.n - (size_t)(end + 4 - text.p)};
    assert_int_equal(sscanf(text.p, "HTTP/1.1 %d", &r.status), 1);
    return r;
}

/* key NULL: none. headers: further lines, each ending in CRLF. body NULL: none. */
static struct reply ask(struct fixture *f, const char *method, const char *target, const char *key,
                        const char *headers, struct str body)
{
    struct buf out;
    int fd = dial(f);

    buf_init(&out, 64 << 20);
    buf_printf(&out, "%s %s HTTP/1.1\r\nConnection: close\r\n", method, target);
    if (!headers || !strstr(headers, "Host:"))
        buf_printf(&out, "Host: localhost\r\n");
    if (key)
        buf_printf(&out, "Authorization: Bearer %s\r\n", key);
    if (headers)
        buf_printf(&out, "%s", headers);
    if (body.p)
        buf_printf(&out, "Content-Length: %zu\r\n", body.n);
    buf_printf(&out, "\r\n");
    buf_str(&out, body.p ? body : STR(""));
    send_all(fd, buf_view(&out));
    buf_fini(&out);
    return read_reply(f, fd);
}

static struct reply get(struct fixture *f, const char *target, const char *key, const char *headers)
{
    return ask(f, "GET", target, key, headers, (struct str){NULL, 0});
}

#define JSON_TYPE "Content-Type: application/json\r\n"
static struct reply post(struct fixture *f, const char *target, const char *key, const char *body)
{
    return ask(f, "POST", target, key, JSON_TYPE, str_from(body));
}

static bool has(struct str text, const char *part)
{
    return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

static struct str header(const struct reply *r, const char *name)
{
    struct str rest = r->head;

    while (rest.p && rest.n) {
        struct str line = str_cut(&rest, '\n'), key = str_cut(&line, ':');
        if (line.p && str_eq_nocase(key, str_from(name))) {
            if (line.n && line.p[line.n - 1] == '\r')
                line.n--;
            return str_trim(line);
        }
    }
    return (struct str){NULL, 0};
}

static void has_part(struct reply r, const char *part, int line)
{
    if (has(r.body, part))
        return;
    print_error("no %s in %d " STR_FMT "\n", part, r.status, STR_ARG(r.body));
    _fail(__FILE__, line);
}
#define assert_has(r, part) has_part(r, part, __LINE__)

static void header_is(struct reply r, const char *name, const char *value, int line)
{
    struct str got = header(&r, name);
    if (str_eq(got, str_from(value)))
        return;
    print_error("%s: " STR_FMT ", wanted %s\n", name, STR_ARG(got), value);
    _fail(__FILE__, line);
}
#define assert_header(r, name, value) header_is(r, name, value, __LINE__)

static bool is_json(struct fixture *f, struct str text)
{
    struct json_reader r;

    json_reader_init(&r, text, &f->arena, 32);
    json_skip(&r, NULL);
    return json_end(&r) == ERR_OK;
}

/* Status and code, and every member that a problem must have. */
static void problem_is(struct fixture *f, struct reply r, int want, const char *code, int line)
{
    static const char *const parts[] = {"\"success\":false", "\"title\":",  "\"type\":\"/problems/",
                                        "\"message\":",      "\"status\":", "\"detail\":",
                                        "\"errors\":[",      "\"error\":{", "\"instance\":"};

    if (r.status != want) {
        print_error("%d, wanted %d: " STR_FMT "\n", r.status, want, STR_ARG(r.body));
        _fail(__FILE__, line);
    }
    header_is(r, "Content-Type", "application/problem+json", line);
    header_is(r, "Cache-Control", "no-store", line);
    has_part(r, arena_printf(&f->arena, "\"code\":\"%s\"", code).p, line);
    for (size_t i = 0; i < COUNT(parts); i++)
        has_part(r, parts[i], line);
    if (!is_json(f, r.body) || header(&r, "X-Request-Id").n == 0)
        _fail(__FILE__, line);
}
#define assert_problem(f, r, want, code) problem_is(f, r, want, code, __LINE__)

/* ---- tests ---- */

static void who_may_do_what(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "false");
    r = get(&f, "/t/echo/x?userId=ada", NULL, NULL);
    assert_problem(&f, r, 401, "UNAUTHORIZED");
    assert_header(r, "WWW-Authenticate", "Bearer realm=\"doppel\"");
    r = get(&f, "/t/echo/x?userId=ada", "dpl_nonsense", NULL);
    assert_problem(&f, r, 401, "UNAUTHORIZED");
    assert_true(has(r.head, "error=\"invalid_token\""));
    r = get(&f, "/t/echo/x?userId=ada", f.reader, NULL);
    assert_int_equal(r.status, 200);
    assert_has(r, "{\"success\":true,\"data\":{\"name\":\"x\",\"learner\":\"ada\",\"hour\":7,");
    r = get(&f, "/api/events/quarantine", f.reader, NULL);
    assert_problem(&f, r, 403, "FORBIDDEN");
    assert_has(r, "admin");
    r = get(&f, "/t/echo/x?userId=ada", f.admin, NULL); /* admin includes read */
    assert_int_equal(r.status, 200);
    down(&f);
}

static void userId_is_honoured_where_it_may_be(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;
    char too_long[200] = "/t/echo/x?userId=";

    UP(&f, "dev", "true");
    r = get(&f, "/t/echo/x", f.ada, NULL);
    assert_has(r, "\"learner\":\"ada\"");
    r = get(&f, "/t/echo/x?userId=ada", f.ada, NULL);
    assert_has(r, "\"learner\":\"ada\"");
    r = get(&f, "/t/echo/x?userId=bob", f.ada, NULL);
    assert_problem(&f, r, 404, "NOT_FOUND"); /* not 403: it does not tell who exists */
    r = get(&f, "/t/echo/x", f.reader, NULL);
    assert_problem(&f, r, 400, "VALIDATION_ERROR");
    assert_has(r, "\"field\":\"userId\",\"code\":\"missing\"");
    assert_problem(&f, get(&f, "/t/echo/x?userId=", f.reader, NULL), 400, "VALIDATION_ERROR");
    assert_problem(&f, get(&f, "/t/echo/x?userId=a&userId=b", f.reader, NULL), 400,
                   "VALIDATION_ERROR");
    assert_problem(&f, get(&f, "/t/echo/x?userId=a%0Ab", f.reader, NULL), 400, "VALIDATION_ERROR");
    memset(too_long + strlen(too_long), 'x', 129);
    assert_problem(&f, get(&f, too_long, f.reader, NULL), 400, "VALIDATION_ERROR");

    r = post(&f, "/t/body", f.reader, "{\"count\":1,\"userId\":\"bob\"}");
    assert_int_equal(r.status, 201);
    assert_has(r, "\"success\":true,\"learner\":\"bob\"");
    assert_has(post(&f, "/t/body?userId=eve", f.reader, "{\"count\":1}"), "\"learner\":\"eve\"");
    assert_problem(&f, post(&f, "/t/body", f.ada, "{\"count\":1,\"userId\":\"bob\"}"), 404,
                   "NOT_FOUND");
    assert_problem(&f, post(&f, "/t/body", f.reader, "{\"count\":1,\"userId\":7}"), 400,
                   "VALIDATION_ERROR");

    /* By header only where --dev let the call in. */
    assert_has(get(&f, "/t/echo/x", NULL, "X-User-Id: cleo\r\n"), "\"learner\":\"cleo\"");
    assert_problem(&f, get(&f, "/t/echo/x", f.reader, "X-User-Id: cleo\r\n"), 400,
                   "VALIDATION_ERROR");
    r = get(&f, "/t/echo/x", NULL, NULL);
    assert_problem(&f, r, 400, "VALIDATION_ERROR");
    assert_problem(&f, get(&f, "/t/echo/x", NULL, "X-User-Email: a@b.example\r\n"), 404,
                   "NOT_FOUND");
    assert_has(get(&f, "/t/echo/x", NULL, "X-User-Id: cleo\r\n"), "\"hour\":7");
    r = get(&f, "/t/echo/x?userId=z", NULL, NULL);
    assert_true(header(&r, "X-Doppel-Mode").n > 0);
    assert_problem(&f, get(&f, "/t/echo/x?userId=z", NULL, "Host: evil.example\r\n"), 401,
                   "UNAUTHORIZED");
    down(&f);
}

static void bad_input_names_its_field(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "true");
    r = get(&f, "/t/echo/x?userId=a&hour=24", NULL, NULL);
    assert_problem(&f, r, 400, "VALIDATION_ERROR");
    assert_has(r, "\"errors\":[{\"field\":\"hour\",\"code\":\"too_big\"");
    assert_has(r, "\"minimum\":0,\"maximum\":23");
    assert_has(r, "\"details\":[{\"path\":\"hour\"");
    assert_problem(&f, get(&f, "/t/echo/x?userId=a&hour=1&hour=2", NULL, NULL), 400,
                   "VALIDATION_ERROR");
    assert_problem(&f, get(&f, "/t/echo/x?userId=%zz", NULL, NULL), 400, "SYNTAX_ERROR");
    assert_problem(&f, get(&f, "/t/echo/xxxxxxxxxxxxxxxxxxxxxxxxx?userId=a", NULL, NULL), 400,
                   "VALIDATION_ERROR");
    r = post(&f, "/t/body?userId=a", NULL, "{\"note\":\"n\"}");
    assert_problem(&f, r, 400, "VALIDATION_ERROR");
    assert_has(r, "\"field\":\"count\",\"code\":\"missing\"");
    r = post(&f, "/t/body?userId=a", NULL, "{\"count\":1,\n \"note\":}");
    assert_problem(&f, r, 400, "SYNTAX_ERROR");
    assert_has(r, "line 2");
    assert_problem(&f, post(&f, "/t/body?userId=a", NULL, "{\"count\":1} x"), 400, "SYNTAX_ERROR");
    assert_problem(&f, post(&f, "/t/body?userId=a", NULL, "[]"), 400, "VALIDATION_ERROR");
    assert_problem(&f, post(&f, "/t/body?userId=a", NULL, ""), 400, "VALIDATION_ERROR");
    r = ask(&f, "POST", "/t/body?userId=a", NULL, "Content-Type: text/plain\r\n",
            STR("{\"count\":1}"));
    assert_problem(&f, r, 415, "UNSUPPORTED_MEDIA_TYPE");
    r = ask(&f, "POST", "/t/body?userId=a", NULL,
            "Content-Type: application/merge-patch+json; charset=utf-8\r\n", STR("{\"count\":1}"));
    assert_int_equal(r.status, 201);
    r = ask(&f, "POST", "/t/body?userId=a", NULL, JSON_TYPE, (struct str){NULL, 0});
    assert_problem(&f, r, 411, "LENGTH_REQUIRED");
    r = ask(&f, "PUT", "/t/body", NULL, NULL, (struct str){NULL, 0});
    assert_int_equal(r.status, 200);
    assert_has(r, "{\"learner\":null,");

    /* A large body is decoded by a worker, and a larger one refused before it is read. */
    struct str big = arena_printf(&f.arena, "{\"count\":2,\"ignored\":\"%050000d\"}", 0);
    r = ask(&f, "POST", "/t/body?userId=a", NULL, JSON_TYPE, big);
    assert_int_equal(r.status, 201);
    assert_has(r, "\"count\":2");
    big = arena_printf(&f.arena, "{\"count\":2,\"ignored\":\"%0200000d\"}", 0);
    r = ask(&f, "POST", "/t/body?userId=a", NULL, JSON_TYPE, big);
    assert_problem(&f, r, 413, "PAYLOAD_TOO_LARGE");
    r = get(&f, "/metrics", NULL, NULL);
    assert_has(r, "doppel_unknown_fields_total 1\n");
    down(&f);
}

static void methods_and_paths(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "true");
    assert_problem(&f, get(&f, "/nowhere", NULL, NULL), 404, "NOT_FOUND");
    r = ask(&f, "DELETE", "/t/body", NULL, NULL, (struct str){NULL, 0});
    assert_problem(&f, r, 405, "METHOD_NOT_ALLOWED");
    assert_header(r, "Allow", "POST, PUT, OPTIONS");
    r = ask(&f, "OPTIONS", "/t/small", NULL, NULL, (struct str){NULL, 0});
    assert_int_equal(r.status, 204);
    assert_header(r, "Allow", "GET, HEAD, OPTIONS");
    r = ask(&f, "OPTIONS", "*", NULL, NULL, (struct str){NULL, 0});
    assert_int_equal(r.status, 204);
    assert_header(r, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    r = ask(&f, "DELETE", "/t/nothing", NULL, NULL, (struct str){NULL, 0});
    assert_int_equal(r.status, 204);
    assert_int_equal(r.body.n, 0);
    struct reply whole = get(&f, "/t/echo/x?userId=a", NULL, NULL);
    r = ask(&f, "HEAD", "/t/echo/x?userId=a", NULL, NULL, (struct str){NULL, 0});
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.n, 0);
    assert_true(str_eq(header(&r, "Content-Length"), header(&whole, "Content-Length")));
    assert_true(str_eq(header(&r, "ETag"), header(&whole, "ETag")));
    r = get(&f, "/t/small", NULL, "X-Request-Id: my-own-id\r\n");
    assert_header(r, "X-Request-Id", "my-own-id");
    down(&f);
}

static void every_error_has_its_document(void **state)
{
    (void)state;
    struct fixture f;

    UP(&f, "dev", "true");
    for (int e = 1; e < ERR_COUNT; e++) {
        struct str path = arena_printf(&f.arena, "/t/fail/%s", err_code((enum err)e));
        struct reply r = get(&f, path.p, NULL, NULL);
        int want = err_http((enum err)e);
        bool inside = want == 0;

        assert_int_equal(r.status, inside ? 500 : want);
        assert_true(is_json(&f, r.body));
        assert_has(r, "\"success\":false");
        if (err_may_retry((enum err)e) && (want == 429 || want == 503 || want == 507))
            assert_true(header(&r, "Retry-After").n > 0);
        if (inside)
            continue;
        path = arena_printf(&f.arena, "/problems/%s", err_code((enum err)e));
        r = get(&f, path.p, NULL, NULL); /* the type can be looked up */
        assert_int_equal(r.status, 200);
        assert_has(r, err_text((enum err)e));
    }
    struct reply r = get(&f, "/t/fail/mine", NULL, NULL);
    assert_problem(&f, r, 409, "MY_OWN");
    assert_has(r, "Because of \\\"quotes\\n\\\".");
    assert_has(r, "\"type\":\"/problems/CONFLICT\"");
    assert_problem(&f, get(&f, "/problems/NO_SUCH", NULL, NULL), 404, "NOT_FOUND");
    assert_problem(&f, get(&f, "/t/big", NULL, NULL), 503, "OUT_OF_MEMORY");
    down(&f);
}

static void small_reads_stay_on_the_loop_while_they_are_small(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "true");
    r = get(&f, "/t/small", NULL, NULL);
    assert_has(r, "\"where\":\"loop\"");
    assert_true(has(header(&r, "Server-Timing"), "store;dur="));
    assert_true(has(header(&r, "Server-Timing"), "desc=\"1\"")); /* one round trip */
    r = get(&f, "/t/worker", NULL, NULL);
    assert_has(r, "\"where\":\"worker\"");
    r = get(&f, "/t/slow", NULL, NULL);
    assert_int_equal(r.status, 200);
    assert_has(r, "\"where\":\"worker\"");
    assert_header(r, "X-Attempt", "worker"); /* nothing of the first attempt is left */
    assert_has(get(&f, "/metrics", NULL, NULL), "doppel_small_reads_moved_total 1\n");
    down(&f);
}

static void changes_go_through_the_writer(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "true");
    r = post(&f, "/t/change", NULL, "{\"count\":1,\"note\":\"new-one\"}");
    assert_int_equal(r.status, 200);
    assert_has(r, "\"note\":\"new-one\"");
    assert_problem(&f, post(&f, "/t/change", NULL, "{\"count\":5,\"note\":\"new-two\"}"), 409,
                   "FIVE");
    r = post(&f, "/t/beside", NULL, "{\"count\":5,\"note\":\"new-two\"}");
    assert_int_equal(r.status, 200); /* its change was lost as well, and is not the point */
    assert_has(r, "\"note\":\"new-two\"");
    assert_int_equal(post(&f, "/t/beside", NULL, "{\"count\":1,\"note\":\"x\"}").status, 200);
    down(&f);
}

static void entity_tags(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "true");
    r = get(&f, "/t/echo/x?userId=a", NULL, NULL);
    struct str tag = header(&r, "ETag");
    assert_int_equal(tag.n, 34);
    assert_header(r, "Cache-Control", "private, no-cache");
    struct str ask_for = arena_printf(&f.arena, "If-None-Match: W/" STR_FMT "\r\n", STR_ARG(tag));
    r = get(&f, "/t/echo/x?userId=a", NULL, ask_for.p);
    assert_int_equal(r.status, 304);
    assert_int_equal(r.body.n, 0);
    assert_true(str_eq(header(&r, "ETag"), tag));
    r = get(&f, "/t/echo/y?userId=a", NULL, ask_for.p);
    assert_int_equal(r.status, 200);
    r = get(&f, "/healthz", NULL, NULL);
    assert_header(r, "Cache-Control", "no-store");
    assert_null(header(&r, "ETag").p);
    r = get(&f, "/openapi.json", NULL, NULL);
    assert_header(r, "Cache-Control", "public, max-age=60, s-maxage=60, stale-while-revalidate=0");
    assert_true(is_json(&f, r.body));
    down(&f);
}

static void browsers_from_listed_origins(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "cors_origins", "https://app.example, http://localhost:5173", "dev", "false");
#define PREFLIGHT "Access-Control-Request-Method: GET\r\n"
    r = ask(&f, "OPTIONS", "/t/small", NULL, "Origin: https://app.example\r\n" PREFLIGHT,
            (struct str){NULL, 0});
    assert_int_equal(r.status, 204);
    assert_header(r, "Access-Control-Allow-Origin", "https://app.example");
    assert_header(r, "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
    assert_true(has(header(&r, "Access-Control-Allow-Headers"), "Authorization"));
    assert_header(r, "Vary", "Origin");
    r = ask(&f, "OPTIONS", "/t/small", NULL, "Origin: https://evil.example\r\n" PREFLIGHT,
            (struct str){NULL, 0});
    assert_null(header(&r, "Access-Control-Allow-Origin").p);
    assert_null(header(&r, "Access-Control-Allow-Methods").p);
    assert_header(r, "Vary", "Origin");
    r = get(&f, "/t/small", NULL, "Origin: http://localhost:5173\r\n");
    assert_header(r, "Access-Control-Allow-Origin", "http://localhost:5173");
    r = get(&f, "/t/echo/x", NULL, "Origin: https://app.example\r\n");
    assert_problem(&f, r, 401, "UNAUTHORIZED"); /* readable by the page */
    assert_header(r, "Access-Control-Allow-Origin", "https://app.example");
    down(&f);

    UP(&f, "cors_origins", "*", "dev", "false");
    r = get(&f, "/t/small", NULL, "Origin: https://evil.example\r\n");
    assert_header(r, "Access-Control-Allow-Origin", "*");
    assert_null(header(&r, "Access-Control-Allow-Credentials").p);
    down(&f);

    UP(&f, "dev", "false");
    r = get(&f, "/t/small", NULL, "Origin: https://app.example\r\n");
    assert_null(header(&r, "Access-Control-Allow-Origin").p);
    assert_null(header(&r, "Vary").p);
    down(&f);
}

static void rates_are_limited(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "rate_per_key", "1", "rate_per_key_burst", "3");
    for (int i = 0; i < 3; i++)
        assert_int_equal(get(&f, "/t/echo/x", f.ada, NULL).status, 200);
    r = get(&f, "/t/echo/x", f.ada, NULL);
    assert_problem(&f, r, 429, "RATE_LIMITED");
    assert_header(r, "Retry-After", "1");
    assert_int_equal(get(&f, "/t/echo/x?userId=a", f.reader, NULL).status, 200);
    assert_has(get(&f, "/metrics", NULL, NULL), "doppel_rate_limited_total{by=\"key\"} 1\n");
    down(&f);
    UP(&f, "rate_per_address", "1", "rate_per_address_burst", "2");
    assert_int_equal(get(&f, "/healthz", NULL, NULL).status, 200);
    assert_int_equal(get(&f, "/t/echo/x", "bad", NULL).status, 401); /* guessing costs, too */
    assert_int_equal(get(&f, "/healthz", NULL, NULL).status, 429);
    down(&f);
}

static void full_queues_refuse_at_once(void **state)
{
    (void)state;
    struct fixture f;
    int fds[2];

    sem_init(&entered, 0, 0);
    sem_init(&leave, 0, 0);
    UP(&f, "workers", "1", "workers_reserved", "0", "worker_queue", "1");
    for (int i = 0; i < 2; i++) {
        fds[i] = dial(&f);
        send_all(fds[i], STR("GET /t/wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        if (i == 0)
            sem_wait(&entered); /* it holds the worker; the next one waits in the queue */
    }
    while (!has(get(&f, "/metrics", NULL, NULL).body, "doppel_workers_queued 1\n"))
        continue; /* told on a loop, which needs no worker */
    struct reply r = get(&f, "/t/worker", NULL, NULL);
    assert_problem(&f, r, 503, "BUSY");
    assert_header(r, "Retry-After", "1");
    assert_int_equal(get(&f, "/readyz", NULL, NULL).status, 200); /* that waits for nobody */
    sem_post(&leave);
    sem_post(&leave);
    assert_int_equal(read_reply(&f, fds[0]).status, 200);
    assert_int_equal(read_reply(&f, fds[1]).status, 200);
    down(&f);
}

static void a_client_that_leaves_harms_nobody(void **state)
{
    (void)state;
    struct fixture f;

    sem_init(&entered, 0, 0);
    sem_init(&leave, 0, 0);
    UP(&f, "dev", "true");
    for (int i = 0; i < 50; i++) {
        int fd = dial(&f);
        send_all(fd, STR("GET /t/wait HTTP/1.1\r\nHost: x\r\n\r\n"));
        sem_wait(&entered);
        close(fd);
        sem_post(&leave);
    }
    assert_int_equal(get(&f, "/healthz", NULL, NULL).status, 200);
    down(&f);
}

/* One call waits in a worker, the other goes on to the writers: both when the server has given up
 * waiting, and the writers have stopped. */
/* What the client did wrong is no error of ours, whatever its status; what is ours is told once. */
static void only_our_faults_are_errors_in_the_log(void **state)
{
    (void)state;
    struct fixture f;
    char text[4096] = "";
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    UP(&f, "dev", "true");
    log_configure(LOG_ERROR, LOG_FORMAT_JSON, ends[1]);
    assert_int_equal(ask(&f, "FOO", "/healthz", NULL, NULL, (struct str){NULL, 0}).status, 501);
    assert_int_equal(get(&f, "/t/fail/IO_ERROR", NULL, NULL).status, 500);
    down(&f);
    log_configure(LOG_INFO, LOG_FORMAT_TEXT, STDERR_FILENO);
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    assert_non_null(strstr(text, "\"error\":\"IO_ERROR\""));
    assert_null(strstr(text, "NOT_IMPLEMENTED"));
}

static void calls_may_outlive_the_servers_patience(void **state)
{
    static const struct str requests[] = {
        {"GET /t/wait HTTP/1.1\r\nHost: x\r\n\r\n", 33},
        {"POST /t/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 53},
    };
    struct fixture f;
    int fds[COUNT(requests)];

    (void)state;
    sem_init(&entered, 0, 0);
    sem_init(&leave, 0, 0);
    UP(&f, "dev", "true");
    for (size_t i = 0; i < COUNT(requests); i++) {
        fds[i] = dial(&f);
        send_all(fds[i], requests[i]);
        sem_wait(&entered);
    }
    api_drain(f.api);
    assert_false(http_server_stop(f.server, 20));
    ingest_stop(f.ingest);
    for (size_t i = 0; i < COUNT(requests); i++)
        sem_post(&leave);
    take_down(&f);
    for (size_t i = 0; i < COUNT(requests); i++)
        close(fds[i]);
}

/* ---- events ---- */

#define EVENT(id, learner)                      \
    "{\"id\":\"" id "\",\"learner\":\"" learner \
    "\",\"kind\":\"study\",\"at\":\"2025-10-20T14:30:00Z\",\"durationMs\":1000}"

static void events_are_taken_in_every_form(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "true");
    r = post(&f, "/api/events", NULL, EVENT("a", "ada"));
    assert_int_equal(r.status, 200);
    assert_has(r, "{\"success\":true,\"data\":{\"accepted\":1,\"duplicates\":0,\"rejected\":0,"
                  "\"unknownFields\":0,\"results\":[{\"id\":\"a\",\"status\":\"accepted\"}]}}");
    r = post(&f, "/api/events", NULL, "[" EVENT("a", "ada") "," EVENT("b", "ada") "]");
    assert_has(r, "\"accepted\":1,\"duplicates\":1,\"rejected\":0");
    assert_has(r,
               "[{\"id\":\"a\",\"status\":\"duplicate\"},{\"id\":\"b\",\"status\":\"accepted\"}]");
    r = post(&f, "/api/events", NULL, "{\"note\":[1],\"events\":[" EVENT("c", "bob") "]}");
    assert_has(r, "\"accepted\":1");
    r = ask(
        &f, "POST", "/api/events", NULL, "Content-Type: application/x-ndjson\r\n",
        STR(EVENT("d", "bob") "\r\n\n{broken\n" EVENT("e", "bob") "\n[]\n{\"kind\":\"study\"}"));
    assert_int_equal(r.status, 200);
    assert_has(r, "\"accepted\":2,\"duplicates\":0,\"rejected\":3");
    assert_has(r, "\"status\":\"rejected\",\"code\":\"SYNTAX_ERROR\"");
    r = post(&f, "/api/events", NULL, EVENT("f", "bob") "\n" EVENT("g", "bob") "\n"); /* detected */
    assert_has(r, "\"accepted\":2");
    r = post(&f, "/api/events", NULL, "[]");
    assert_int_equal(r.status, 200);
    assert_has(r, "\"accepted\":0,\"duplicates\":0,\"rejected\":0");
    r = post(&f, "/api/events", NULL, "{\"learner\":\"bob\",\"kind\":\"study\",\"shoe\":44}");
    assert_has(r, "\"unknownFields\":1");
    assert_has(get(&f, "/metrics", NULL, NULL),
               "doppel_ingest_events_total{result=\"accepted\"} 8\n");
    down(&f);
}

static void bad_events_do_not_block_the_good(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "true");
    r = post(
        &f, "/api/events", NULL,
        "[" EVENT("a", "ada") ",{\"id\":\"x\",\"learner\":\"ada\",\"kind\":\"dancing\"}," EVENT(
            "b", "ada") ",17]");
    assert_int_equal(r.status, 200);
    assert_has(r, "\"accepted\":2,\"duplicates\":0,\"rejected\":2");
    assert_has(
        r, "{\"id\":\"x\",\"status\":\"rejected\",\"code\":\"UNKNOWN_KIND\",\"field\":\"kind\"");
    r = post(&f, "/api/events", NULL, "[{\"learner\":\"ada\",\"kind\":\"dancing\"}]");
    assert_problem(&f, r, 422, "ALL_REJECTED");
    assert_has(r, "\"data\":{\"accepted\":0,\"duplicates\":0,\"rejected\":1,");

    /* A broken array: nothing of it is stored, and the place is told. */
    r = post(&f, "/api/events", NULL,
             "[" EVENT("n1", "ada") ",\n" EVENT("n2", "ada") ",\n{\"id\":]");
    assert_problem(&f, r, 400, "SYNTAX_ERROR");
    assert_has(r, "line 3");
    r = post(&f, "/api/events", NULL, EVENT("n1", "ada"));
    assert_has(r, "\"accepted\":1");
    assert_problem(&f, post(&f, "/api/events", NULL, "7"), 400, "VALIDATION_ERROR");
    assert_problem(&f, post(&f, "/api/events", NULL, "{\"events\":{}}"), 400, "VALIDATION_ERROR");
    assert_problem(&f, post(&f, "/api/events", NULL, ""), 400, "SYNTAX_ERROR");
    assert_problem(&f, post(&f, "/api/events", NULL, "[" EVENT("q", "ada") "] []"), 400,
                   "SYNTAX_ERROR");
    r = ask(&f, "POST", "/api/events", NULL, "Content-Type: text/plain\r\n",
            STR(EVENT("t", "ada")));
    assert_problem(&f, r, 415, "UNSUPPORTED_MEDIA_TYPE");
    down(&f);
}

static struct str many_events(struct fixture *f, int n, bool lines)
{
    struct buf b;

    buf_init(&b, 64 << 20);
    if (!lines)
        buf_putc(&b, '[');
    for (int i = 0; i < n; i++)
        buf_printf(&b, "%s{\"id\":\"m%d\",\"learner\":\"mia\",\"kind\":\"study\"}",
                   i == 0  ? ""
                   : lines ? "\n"
                           : ",",
                   i);
    if (!lines)
        buf_putc(&b, ']');
    struct str text = arena_str(&f->arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

static struct str gzip(struct fixture *f, struct str text)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text.p, .avail_in = (uInt)text.n};
    size_t max = text.n + 1024;
    char *out = arena_alloc(&f->arena, max, 1);

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)max;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    deflateEnd(&z);
    return (struct str){out, n};
}

static void batches_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "true");
    r = ask(&f, "POST", "/api/events", NULL, JSON_TYPE, many_events(&f, 1001, false));
    assert_problem(&f, r, 413, "TOO_MANY_EVENTS");
    assert_has(r, "1000 events");
    r = ask(&f, "POST", "/api/events", NULL, "Content-Type: application/x-ndjson\r\n",
            many_events(&f, 1001, true));
    assert_problem(&f, r, 413, "TOO_MANY_EVENTS");
    r = ask(&f, "POST", "/api/events", NULL, JSON_TYPE, many_events(&f, 200000, false));
    assert_problem(&f, r, 413, "PAYLOAD_TOO_LARGE");
    assert_has(get(&f, "/metrics", NULL, NULL),
               "doppel_ingest_events_total{result=\"accepted\"} 0\n");
    /* At the bound, over the size that is decoded on a loop, and compressed. */
    r = ask(&f, "POST", "/api/events", NULL, JSON_TYPE "Content-Encoding: gzip\r\n",
            gzip(&f, many_events(&f, 1000, false)));
    assert_int_equal(r.status, 200);
    assert_has(r, "\"accepted\":1000,");
    assert_has(r, "{\"id\":\"m999\",\"status\":\"accepted\"}]");
    struct str half = gzip(&f, many_events(&f, 10, false));
    half.n /= 2;
    r = ask(&f, "POST", "/api/events", NULL, JSON_TYPE "Content-Encoding: gzip\r\n", half);
    assert_int_equal(r.status, 400);
    down(&f);
}

static void a_learners_key_writes_of_its_learner(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "false");
    r = post(&f, "/api/events", f.ada,
             "[" EVENT("a", "ada") "," EVENT("b", "bob") ",{\"id\":\"c\",\"kind\":\"study\"}]");
    assert_int_equal(r.status, 200);
    assert_has(r, "\"accepted\":2,\"duplicates\":0,\"rejected\":1");
    assert_has(r, "{\"id\":\"b\",\"status\":\"rejected\",\"code\":\"FORBIDDEN_LEARNER\","
                  "\"field\":\"learner\"");
    assert_problem(&f, post(&f, "/api/events", f.ada, EVENT("d", "bob")), 422, "ALL_REJECTED");
    assert_problem(&f, post(&f, "/api/events", NULL, EVENT("d", "bob")), 401, "UNAUTHORIZED");
    down(&f);
}

static void refused_events_can_be_kept_and_replayed(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "quarantine", "true", "dev", "false");
    r = post(&f, "/api/events", f.ada,
             "[" EVENT("a", "ada") "," EVENT("b", "bob") ",{\"kind\":1}]");
    assert_has(r, "\"accepted\":1,\"duplicates\":0,\"rejected\":2");
    r = get(&f, "/api/events/quarantine?limit=1", f.admin, NULL);
    assert_int_equal(r.status, 200);
    assert_has(r, "\"body\":\"{\\\"kind\\\":1}\"");
    assert_has(r, "\"nextCursor\":2");
    r = get(&f, "/api/events/quarantine?limit=1&cursor=2", f.admin, NULL);
    assert_has(r, "\"code\":\"FORBIDDEN_LEARNER\",\"field\":\"learner\"");
    assert_has(r, "\"nextCursor\":null");
    r = post(&f, "/api/events/quarantine/replay", f.admin, "{\"ids\":[2,1,1,99]}");
    assert_int_equal(r.status, 200);
    assert_has(r, "\"accepted\":1,\"duplicates\":0,\"rejected\":1,\"missing\":1");
    assert_has(r, "\"eventId\":\"b\",\"status\":\"accepted\"");
    r = get(&f, "/api/events/quarantine", f.admin, NULL);
    assert_has(r, "\"id\":2");
    assert_false(has(r.body, "\"id\":1,"));
    r = post(&f, "/api/events/quarantine/replay", f.admin, "{\"all\":true}");
    assert_has(r,
               "\"accepted\":0,\"duplicates\":0,\"rejected\":1,\"missing\":0,\"nextAfter\":null");
    assert_problem(&f, post(&f, "/api/events/quarantine/replay", f.admin, "{}"), 400,
                   "VALIDATION_ERROR");
    r = ask(&f, "DELETE", "/api/events/quarantine?ids=2,3", f.admin, NULL, (struct str){NULL, 0});
    assert_has(r, "\"deleted\":1");
    r = ask(&f, "DELETE", "/api/events/quarantine", f.admin, NULL, (struct str){NULL, 0});
    assert_problem(&f, r, 400, "VALIDATION_ERROR");
    down(&f);
}

/* ---- operating ---- */

static void readiness_follows_the_server(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "false");
    r = get(&f, "/readyz", NULL, NULL);
    assert_int_equal(r.status, 200);
    assert_has(r, "\"status\":\"ready\",\"store\":{\"ok\":true");
    assert_has(r, "\"disk\":{\"ok\":true");
    assert_int_equal(get(&f, "/readyz", NULL, NULL).status, 200);
    api_drain(f.api);
    r = get(&f, "/readyz", NULL, NULL);
    assert_problem(&f, r, 503, "NOT_READY");
    assert_has(r, "\"draining\":{\"ok\":false");
    assert_true(header(&r, "Retry-After").n > 0);
    r = get(&f, "/healthz", NULL, NULL);
    assert_int_equal(r.status, 200);
    assert_has(r, "{\"success\":true,\"status\":\"ok\"}");
    assert_int_equal(get(&f, "/", NULL, NULL).status, 200);
    r = get(&f, "/api/events/schema", NULL, NULL);
    assert_int_equal(r.status, 200);
    assert_has(r, "\"kind\":\"session_started\"");
    assert_true(is_json(&f, r.body));
    r = get(&f, "/metrics", NULL, NULL);
    assert_header(r, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    assert_has(r, "doppel_http_requests_total{endpoint=\"get_readyz\",class=\"5xx\"} 1\n");
    assert_has(r, "doppel_ready 0\n");
    assert_has(r, "doppel_store_calls_total{statement=\"store_ping\"} ");
    down(&f);
}

/* Nothing is acknowledged that may not be on disk, then or later, and the balancer hears of it. */
static void a_failed_disk_is_told(void **state)
{
    (void)state;
    struct fixture f;
    struct reply r;

    UP(&f, "dev", "true");
    assert_int_equal(post(&f, "/api/events", NULL, EVENT("a", "ada")).status, 200);
    assert_int_equal(get(&f, "/readyz", NULL, NULL).status, 200);
    atomic_store(&disk_fails, true);
    r = post(&f, "/api/events", NULL, EVENT("b", "ada"));
    assert_problem(&f, r, 503, "NOT_READY");
    assert_true(header(&r, "Retry-After").n > 0);
    atomic_store(&disk_fails, false);
    assert_problem(&f, post(&f, "/api/events", NULL, EVENT("c", "ada")), 503, "NOT_READY");
    r = get(&f, "/readyz", NULL, NULL);
    assert_problem(&f, r, 503, "NOT_READY");
    assert_has(r, "\"ingest\":{\"ok\":false,\"detail\":\"the disk failed");
    assert_has(get(&f, "/metrics", NULL, NULL), "doppel_ready 0\n");
    assert_int_equal(get(&f, "/api/events/schema", NULL, NULL).status, 200);
    down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_do_what),
        cmocka_unit_test(userId_is_honoured_where_it_may_be),
        cmocka_unit_test(bad_input_names_its_field),
        cmocka_unit_test(methods_and_paths),
        cmocka_unit_test(every_error_has_its_document),
        cmocka_unit_test(small_reads_stay_on_the_loop_while_they_are_small),
        cmocka_unit_test(changes_go_through_the_writer),
        cmocka_unit_test(entity_tags),
        cmocka_unit_test(browsers_from_listed_origins),
        cmocka_unit_test(rates_are_limited),
        cmocka_unit_test(full_queues_refuse_at_once),
        cmocka_unit_test(a_client_that_leaves_harms_nobody),
        cmocka_unit_test(calls_may_outlive_the_servers_patience),
        cmocka_unit_test(only_our_faults_are_errors_in_the_log),
        cmocka_unit_test(events_are_taken_in_every_form),
        cmocka_unit_test(bad_events_do_not_block_the_good),
        cmocka_unit_test(batches_are_bounded),
        cmocka_unit_test(a_learners_key_writes_of_its_learner),
        cmocka_unit_test(refused_events_can_be_kept_and_replayed),
        cmocka_unit_test(readiness_follows_the_server),
        cmocka_unit_test(a_failed_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
