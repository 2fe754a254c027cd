/* cache - `doppel cache stats`, `invalidate`, `warm`: what the administrator's endpoints do, asked
 * of a running server. */
#include "base/arena.h"
#include "base/buf.h"
#include "cli/command.h"
#include "json/reader.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    URL_MAX = 1024,
    KEY_HEADER_MAX = 8192, /* the longest token that the server takes */
    REPLY_MAX = 16 << 20,
    ARENA_MAX = 32 << 20,
    BODY_MAX = 1 << 20,
    PATH_MAX_BYTES = 512,
    CONNECT_MS = 5000,
    TIME_MS = 60000
};

struct remote {
    char url[URL_MAX];    /* without the endpoint's path */
    char socket[URL_MAX]; /* of a unix: address; "" */
    char authorization[KEY_HEADER_MAX];
};

/* ---- where the server is ---- */

/* "0.0.0.0:8080": whoever listens everywhere listens on loopback. */
static struct str reachable(struct str address, char room[URL_MAX])
{
    static const struct {
        const char *any, *here;
    } names[] = {{"0.0.0.0:", "127.0.0.1:"}, {"[::]:", "[::1]:"}, {"*:", "127.0.0.1:"}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i].any);
        if (!str_starts(address, str_from(names[i].any)))
            continue;
        int length =
            snprintf(room, URL_MAX, "%s%.*s", names[i].here, (int)(address.n - n), address.p + n);
        return (struct str){room, (size_t)length};
    }
    return address;
}

/* From --server, else the first address of the setting `listen`. False: it is no address. */
static bool find_server(const struct command_call *call, struct remote *r)
{
    const char *given = command_option(call, "server");
    struct str rest = given ? str_from(given) : call->config->listen;
    struct str address = given ? rest : str_trim(str_cut(&rest, ','));
    const char *scheme = given ? "" : call->config->tls_cert.n ? "https://" : "http://";
    char room[URL_MAX];

    if (address.n < 1 || address.n >= URL_MAX / 2)
        return false;
    for (size_t i = 0; i < address.n; i++)
        if ((unsigned char)address.p[i] <= ' ' || (unsigned char)address.p[i] >= 0x7f)
            return false;
    if (str_starts(address, STR("unix:"))) {
        snprintf(r->socket, sizeof r->socket, "%.*s", (int)address.n - 5, address.p + 5);
        snprintf(r->url, sizeof r->url, "http://localhost");
        return true;
    }
    if (given && !str_starts(address, STR("http://")) && !str_starts(address, STR("https://")))
        return false;
    if (!given)
        address = reachable(address, room);
    while (address.n && address.p[address.n - 1] == '/')
        address.n--;
    snprintf(r->url, sizeof r->url, "%s%.*s", scheme, (int)address.n, address.p);
    return true;
}

static bool find_key(const struct command_call *call, struct remote *r)
{
    const char *key = command_option(call, "api-key");

    key = key ? key : getenv("DOPPEL_KEY");
    if (!key || !*key)
        return true;
    for (const char *p = key; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
            return false;
    int n = snprintf(r->authorization, sizeof r->authorization, "Authorization: Bearer %s", key);
    return n > 0 && (size_t)n < sizeof r->authorization;
}

/* ---- what it says ---- */

struct printing {
    struct json_reader json;
    struct buf out;
    char path[PATH_MAX_BYTES];
};

static void print_value(struct printing *p, size_t at);

/* The members of one object; an `id` in a list's item, whose number stands from `number` on, is the
 * item's name. */
static void print_object(struct printing *p, size_t at, size_t number, bool item)
{
    struct str name, id;

    if (!json_object_begin(&p->json))
        return;
    while (json_next_member(&p->json, &name)) {
        if (item && str_eq(name, STR("id")) && json_peek(&p->json) == JSON_STRING) {
            if (!json_read_str(&p->json, &id))
                return;
            snprintf(p->path + number, sizeof p->path - number, STR_FMT, STR_ARG(id));
            at = strlen(p->path);
            continue;
        }
        snprintf(p->path + at, sizeof p->path - at, "%s" STR_FMT, at ? "." : "", STR_ARG(name));
        print_value(p, strlen(p->path));
        p->path[at] = '\0';
    }
}

static void print_list(struct printing *p, size_t at)
{
    if (!json_array_begin(&p->json))
        return;
    for (int32_t i = 0; json_next_item(&p->json); i++) {
        snprintf(p->path + at, sizeof p->path - at, "%s%d", at ? "." : "", i);
        if (json_peek(&p->json) == JSON_OBJECT)
            print_object(p, strlen(p->path), at ? at + 1 : 0, true);
        else
            print_value(p, strlen(p->path));
        p->path[at] = '\0';
    }
}

/* One line for each figure: its path and its value. Depth is bounded by the reader. */
static void print_value(struct printing *p, size_t at)
{
    struct str text;

    switch (json_peek(&p->json)) {
    case JSON_OBJECT:
        print_object(p, at, at, false);
        return;
    case JSON_ARRAY:
        print_list(p, at);
        return;
    case JSON_STRING:
        if (json_read_str(&p->json, &text))
            buf_printf(&p->out, "%s\t" STR_FMT "\n", p->path, STR_ARG(text));
        return;
    default:
        if (json_skip(&p->json, &text))
            buf_printf(&p->out, "%s\t" STR_FMT "\n", p->path, STR_ARG(text));
    }
}

/* The reply's `data`, or the `detail` of a refusal. */
static bool read_reply(struct printing *p, struct str reply, const char *member,
                       struct arena *arena)
{
    struct str name;
    bool found = false;

    json_reader_init(&p->json, reply, arena, 16);
    if (json_object_begin(&p->json)) {
        while (json_next_member(&p->json, &name)) {
            bool wanted = str_eq(name, str_from(member));
            found |= wanted;
            if (wanted)
                print_value(p, 0);
            else if (!json_skip(&p->json, NULL))
                break;
        }
    }
    return json_end(&p->json) == ERR_OK && found && !p->out.failed;
}

static int tell(const struct command_call *call, const struct remote *r, long status,
                struct str reply)
{
    struct printing p = {.path = ""};
    struct arena arena;
    int code;

    arena_init(&arena, ARENA_MAX);
    buf_init(&p.out, REPLY_MAX);
    bool ok = status >= 200 && status < 300;
    if (!read_reply(&p, reply, ok ? "data" : "detail", &arena))
        code = command_failed(call->command, "%s answers with %ld, and not as a Doppel server does",
                              r->url, status);
    else if (ok)
        code = command_print(call->command, buf_view(&p.out));
    else
        code =
            command_failed(call->command, "%s refuses (%ld): %.*s", r->url, status,
                           (int)p.out.n - 2, p.out.p + 1); /* between the tab and the line's end */
    buf_fini(&p.out);
    arena_fini(&arena);
    return code;
}

/* ---- one request ---- */

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    struct buf *b = user;

    buf_put(b, data, size * n);
    return b->failed ? 0 : size * n;
}

static bool set_up(CURL *c, const struct remote *r, const char *path, struct str body,
                   struct buf *reply, struct curl_slist **headers)
{
    char url[URL_MAX + 64];
    struct curl_slist *more = NULL;

    *headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (*headers && *r->authorization) {
        more = curl_slist_append(*headers, r->authorization);
        if (!more)
            return false;
    }
    snprintf(url, sizeof url, "%s%s", r->url, path);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)TIME_MS);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, reply);
    if (*r->socket)
        curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, r->socket);
    if (body.p) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.p);
    }
    return *headers != NULL;
}

/* body {NULL,0}: GET. */
static int ask(const struct command_call *call, const char *path, struct str body)
{
    struct remote r = {.url = ""};
    struct curl_slist *headers = NULL;
    struct buf reply;
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;

    if (!find_server(call, &r))
        return command_misused(call->command,
                               "--server takes http://HOST:PORT, https://HOST or unix:PATH");
    if (!find_key(call, &r))
        return command_misused(call->command, "this is no key: it holds blanks, or is too long");
    CURL *c = curl_easy_init();
    buf_init(&reply, REPLY_MAX);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (c && set_up(c, &r, path, body, &reply, &headers)) {
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
        code = curl_easy_perform(c);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    }
    int exit_code = code == CURLE_OK ? tell(call, &r, status, buf_view(&reply))
                                     : command_failed(call->command, "cannot ask %s: %s", r.url,
                                                      *why ? why : curl_easy_strerror(code));
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    buf_fini(&reply);
    explicit_bzero(r.authorization, sizeof r.authorization);
    return exit_code;
}

/* ---- the commands ---- */

int cmd_cache_stats(const struct command_call *call)
{
    return ask(call, "/api/cache/stats", (struct str){NULL, 0});
}

static int send_body(const struct command_call *call, const char *path, struct buf *body)
{
    int code = body->failed ? command_misused(call->command, "these are too many at once")
                            : ask(call, path, buf_view(body));

    buf_fini(body);
    return code;
}

/* "name":["…","…"] of an option that may be given several times; returns how many. */
static int put_names(const struct command_call *call, struct buf *b, const char *option,
                     const char *member)
{
    int cursor = 0, n = 0;
    const char *value;

    while ((value = args_each(call->command->options, &call->args, option, &cursor))) {
        if (n++)
            buf_putc(b, ',');
        else
            buf_printf(b, "%s\"%s\":[", b->n > 1 ? "," : "", member);
        buf_quoted(b, str_from(value));
    }
    if (n)
        buf_putc(b, ']');
    return n;
}

int cmd_cache_invalidate(const struct command_call *call)
{
    const char *pattern = command_option(call, "pattern");
    bool all = command_option(call, "all") != NULL;
    struct buf body;

    buf_init(&body, BODY_MAX);
    buf_putc(&body, '{');
    int given = put_names(call, &body, "key", "keys") + put_names(call, &body, "tag", "tags");
    if (pattern) {
        buf_printf(&body, "%s\"pattern\":", body.n > 1 ? "," : "");
        buf_quoted(&body, str_from(pattern));
    }
    if (all)
        buf_printf(&body, "%s\"all\":true", body.n > 1 ? "," : "");
    buf_putc(&body, '}');
    if (given == 0 && !pattern && !all) {
        buf_fini(&body);
        return command_misused(call->command, "needs --key, --tag, --pattern or --all");
    }
    return send_body(call, "/api/cache/invalidate", &body);
}

int cmd_cache_warm(const struct command_call *call)
{
    struct buf body;

    buf_init(&body, BODY_MAX);
    buf_putc(&body, '{');
    for (int i = 0; i < call->args.operand_count; i++) {
        buf_str(&body, i ? STR(",") : STR("\"learners\":["));
        buf_quoted(&body, str_from(call->args.operands[i]));
    }
    buf_str(&body, call->args.operand_count ? STR("]}") : STR("}"));
    return send_body(call, "/api/cache/warm", &body);
}
