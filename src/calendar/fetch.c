#include "calendar/fetch.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER_VALUE_MAX = 1024, SLOW_SECONDS = 10, SLOW_BYTES = 32 };

struct fetch {
    struct fetch_policy policy;
    CURL *curl;
    bool refused; /* of the request that runs: an address was not allowed */
    struct buf body;
    char etag[HEADER_VALUE_MAX], modified[HEADER_VALUE_MAX], location[FETCH_URL_MAX];
    char reason[200];
};

/* ---- addresses ---- */

static bool v4_public(uint32_t a)
{
    static const struct {
        uint32_t net;
        int bits;
    } refused[] = {
        /* RFC 6890 and its registry: what is not a machine somewhere on the internet */
        {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
        {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
        {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4},
    };

    for (size_t i = 0; i < COUNT(refused); i++)
        if (((a ^ refused[i].net) >> (32 - refused[i].bits)) == 0)
            return false;
    return true;
}

static uint32_t v4_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Global unicast is 2000::/3; in it, what leads back into IPv4 or nowhere is refused. */
static bool v6_public(const uint8_t *p)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

    if (memcmp(p, mapped, 12) == 0 || memcmp(p, nat64, 12) == 0)
        return v4_public(v4_at(p + 12));
    if ((p[0] & 0xe0) != 0x20)
        return false;
    if (p[0] == 0x20 && p[1] == 0x02) /* 6to4 */
        return v4_public(v4_at(p + 2));
    if (p[0] == 0x20 && p[1] == 0x01 && p[2] < 0x02) /* 2001::/23: Teredo, ORCHID, benchmarks */
        return false;
    if (p[0] == 0x20 && p[1] == 0x01 && p[2] == 0x0d && p[3] == 0xb8) /* documentation */
        return false;
    return !(p[0] == 0x3f && p[1] == 0xff && p[2] < 0x10); /* 3fff::/20: documentation */
}

bool fetch_address_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return v4_public(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        return v6_public(in.sin6_addr.s6_addr);
    }
    return false;
}

static CURLU *url_parse(struct str url, struct str base)
{
    char text[FETCH_URL_MAX];
    CURLU *u = curl_url();

    if (!u || url.n >= sizeof text || base.n >= sizeof text) {
        curl_url_cleanup(u);
        return NULL;
    }
    CURLUcode code = CURLUE_OK;
    if (base.p) {
        snprintf(text, sizeof text, STR_FMT, STR_ARG(base));
        code = curl_url_set(u, CURLUPART_URL, text, CURLU_DISALLOW_USER);
    }
    snprintf(text, sizeof text, STR_FMT, STR_ARG(url));
    if (code == CURLUE_OK)
        code = curl_url_set(u, CURLUPART_URL, text, CURLU_DISALLOW_USER);
    if (code != CURLUE_OK) {
        curl_url_cleanup(u);
        return NULL;
    }
    return u;
}

static struct str url_part(CURLU *u, CURLUPart part, struct arena *arena)
{
    struct str s = {NULL, 0};
    char *text = NULL;

    if (curl_url_get(u, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) == CURLUE_OK)
        s = arena_str(arena, str_from(text));
    curl_free(text);
    return s;
}

static bool plain(struct str url)
{
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= ' ' || (unsigned char)url.p[i] >= 0x7f)
            return false;
    return url.n > 0;
}

bool fetch_url_valid(struct str url)
{
    struct arena arena;
    CURLU *u = plain(url) ? url_parse(url, (struct str){NULL, 0}) : NULL;

    if (!u)
        return false;
    arena_init(&arena, 8 * FETCH_URL_MAX);
    struct str scheme = url_part(u, CURLUPART_SCHEME, &arena);
    bool ok = (str_eq(scheme, STR("http")) || str_eq(scheme, STR("https"))) &&
              url_part(u, CURLUPART_HOST, &arena).n > 0 &&
              !url_part(u, CURLUPART_FRAGMENT, &arena).p;
    curl_url_cleanup(u);
    arena_fini(&arena);
    return ok;
}

struct str fetch_url_join(struct arena *arena, struct str from, struct str to)
{
    struct str s = {NULL, 0};
    CURLU *u = plain(to) ? url_parse(to, from) : NULL;

    if (u)
        s = url_part(u, CURLUPART_URL, arena);
    curl_url_cleanup(u);
    return fetch_url_valid(s) ? s : (struct str){NULL, 0};
}

bool fetch_same_server(struct str a, struct str b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    CURLU *ua = url_parse(a, (struct str){NULL, 0}), *ub = url_parse(b, (struct str){NULL, 0});
    bool same = ua && ub;
    struct arena arena;

    arena_init(&arena, 16 * FETCH_URL_MAX);
    for (size_t i = 0; same && i < COUNT(parts); i++)
        same = str_eq_nocase(url_part(ua, parts[i], &arena), url_part(ub, parts[i], &arena));
    arena_fini(&arena);
    curl_url_cleanup(ua);
    curl_url_cleanup(ub);
    return same;
}

/* ---- what libcurl calls ---- */

static curl_socket_t on_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch *f = user;

    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    if (!f->policy.private_ok && !fetch_address_public(&address->addr)) {
        f->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_body(char *p, size_t size, size_t n, void *user)
{
    struct fetch *f = user;

    buf_put(&f->body, p, size * n);
    return f->body.failed ? 0 : size * n;
}

static void keep(struct str line, struct str name, char *out, size_t size)
{
    struct str value = line, own = str_cut(&value, ':');

    if (!value.p || !str_eq_nocase(own, name))
        return;
    while (value.n > 0 && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == '\n'))
        value.n--;
    value = str_trim(value);
    if (value.n < size && plain(value))
        snprintf(out, size, STR_FMT, STR_ARG(value));
}

/* A date has blanks, which `plain` refuses. */
static void keep_date(struct str line, char *out, size_t size)
{
    struct str value = line, own = str_cut(&value, ':');

    if (!value.p || !str_eq_nocase(own, STR("Last-Modified")))
        return;
    size_t n = 0;
    value = str_trim(value);
    while (n < value.n && (unsigned char)value.p[n] >= ' ' && (unsigned char)value.p[n] < 0x7f)
        n++;
    if (n < size)
        snprintf(out, size, "%.*s", (int)n, value.p);
}

static size_t on_header(char *p, size_t size, size_t n, void *user)
{
    struct fetch *f = user;
    struct str line = {p, size * n};

    if (str_starts(line, STR("HTTP/"))) /* another head: of a 100, or after it */
        f->etag[0] = f->modified[0] = f->location[0] = '\0';
    keep(line, STR("ETag"), f->etag, sizeof f->etag);
    keep(line, STR("Location"), f->location, sizeof f->location);
    keep_date(line, f->modified, sizeof f->modified);
    return size * n;
}

/* ---- one exchange ---- */

static void library_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum err fetch_new(const struct fetch_policy *policy, struct fetch **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, library_init);
    struct fetch *f = calloc(1, sizeof *f);
    if (!f)
        return ERR_NOMEM;
    f->policy = *policy;
    buf_init(&f->body, policy->bytes_max);
    f->curl = curl_easy_init();
    if (!f->curl) {
        fetch_free(f);
        return ERR_NOMEM;
    }
    *ret = f;
    return ERR_OK;
}

void fetch_free(struct fetch *f)
{
    if (!f)
        return;
    curl_easy_cleanup(f->curl);
    buf_fini(&f->body);
    free(f);
}

const char *fetch_reason(const struct fetch *f)
{
    return f->reason;
}

static enum err fail(struct fetch *f, enum err e, const char *why)
{
    snprintf(f->reason, sizeof f->reason, "%s", why);
    return e;
}

static struct curl_slist *headers_of(const struct fetch_request *rq, bool credentials)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no waiting for a 100 */
    char line[4096];

    for (int i = 0; list && i < FETCH_HEADERS_MAX && rq->headers[i]; i++) {
        struct curl_slist *longer = curl_slist_append(list, rq->headers[i]);
        if (!longer)
            curl_slist_free_all(list);
        list = longer;
    }
    if (list && credentials && rq->bearer.p && rq->bearer.n < sizeof line - 32) {
        snprintf(line, sizeof line, "Authorization: Bearer " STR_FMT, STR_ARG(rq->bearer));
        struct curl_slist *longer = curl_slist_append(list, line);
        if (!longer)
            curl_slist_free_all(list);
        list = longer;
    }
    return list;
}

static void set_bounds(struct fetch *f, int64_t left_ms)
{
    CURL *c = f->curl;
    long connect = left_ms < FETCH_CONNECT_MS ? (long)left_ms : FETCH_CONNECT_MS;

    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left_ms);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, connect);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)SLOW_SECONDS);
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)f->policy.bytes_max);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "doppel/" DOPPEL_VERSION);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, f);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
}

static enum err explain(struct fetch *f, CURLcode code)
{
    if (f->refused)
        return fail(f, ERR_RANGE, "the address belongs to a private network");
    if (f->body.failed || code == CURLE_FILESIZE_EXCEEDED)
        return fail(f, ERR_TOO_LARGE, "the reply is too large");
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return fail(f, ERR_DEADLINE, "the server took too long");
    case CURLE_COULDNT_RESOLVE_HOST:
        return fail(f, ERR_UPSTREAM, "the server's name is not known");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
        return fail(f, ERR_UPSTREAM, "the server could not prove its identity (TLS)");
    case CURLE_COULDNT_CONNECT:
        return fail(f, ERR_UPSTREAM, "the server cannot be reached");
    default:
        return fail(f, ERR_UPSTREAM, "the server's answer cannot be understood");
    }
}

/* url ends in NUL. */
static enum err once(struct fetch *f, const struct fetch_request *rq, const char *url,
                     bool credentials, int *ret_status)
{
    char user[512], password[512];
    int64_t left_ms = (f->policy.deadline_us - clock_mono_us()) / 1000;
    CURL *c = f->curl;
    long status = 0;

    if (left_ms <= 0)
        return fail(f, ERR_DEADLINE, "the time for all requests is over");
    struct curl_slist *headers = headers_of(rq, credentials);
    if (!headers)
        return ERR_NOMEM;
    buf_clear(&f->body);
    f->etag[0] = f->modified[0] = f->location[0] = '\0';
    f->refused = false;
    curl_easy_reset(c); /* options only: connections stay */
    set_bounds(f, left_ms);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (rq->body.p) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body.n);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, rq->body.p);
    }
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, rq->method);
    if (credentials && rq->user.p && rq->user.n < sizeof user && rq->password.n < sizeof password) {
        snprintf(user, sizeof user, STR_FMT, STR_ARG(rq->user));
        snprintf(password, sizeof password, STR_FMT, STR_ARG(rq->password));
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, password);
        explicit_bzero(password, sizeof password);
    }
    CURLcode code = curl_easy_perform(c);
    curl_slist_free_all(headers);
    if (code != CURLE_OK)
        return explain(f, code);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    *ret_status = (int)status;
    return ERR_OK;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 307 || status == 308;
}

static bool is_https(struct str url)
{
    return url.n > 6 && str_eq_nocase((struct str){url.p, 6}, STR("https:"));
}

static enum err follow(struct fetch *f, const struct fetch_request *rq, struct arena *arena,
                       struct str *url, int *ret_status)
{
    bool credentials = rq->user.p || rq->bearer.p;
    struct str first = *url;

    for (int hops = 0; hops <= FETCH_REDIRECTS_MAX; hops++) {
        if (credentials && !is_https(*url) && !f->policy.private_ok)
            return fail(f, ERR_RANGE, "passwords are sent by https only");
        enum err e = once(f, rq, url->p, credentials, ret_status);
        if (e != ERR_OK || !is_redirect(*ret_status) || !f->location[0])
            return e;
        struct str next = fetch_url_join(arena, *url, str_from(f->location));
        if (!next.p)
            return fail(f, ERR_RANGE, "the server redirects to what is no address");
        if (is_https(*url) && !is_https(next))
            return fail(f, ERR_RANGE, "the server redirects from https to http");
        credentials = credentials && fetch_same_server(first, next);
        *url = next;
    }
    return fail(f, ERR_RANGE, "the server redirects too often");
}

enum err fetch_do(struct fetch *f, const struct fetch_request *rq, struct arena *arena,
                  struct fetch_reply *ret)
{
    int status = 0;

    f->reason[0] = '\0';
    if (rq->url.n >= FETCH_URL_MAX || !fetch_url_valid(rq->url))
        return fail(f, ERR_RANGE, "an address begins with http:// or https:// and a host");
    struct str url = arena_str(arena, rq->url);
    enum err e = url.p ? follow(f, rq, arena, &url, &status) : ERR_NOMEM;
    if (e != ERR_OK)
        return e;
    struct fetch_reply r = {.status = status, .url = url};
    r.body = arena_str(arena, buf_view(&f->body));
    if (f->etag[0])
        r.etag = arena_str(arena, str_from(f->etag));
    if (f->modified[0])
        r.modified = arena_str(arena, str_from(f->modified));
    if (!r.body.p)
        return ERR_NOMEM;
    *ret = r;
    return ERR_OK;
}
