#include "redis/url.h"

#include <stdio.h>

static enum err bad(const char **ret_detail, const char *why)
{
    *ret_detail = why;
    return ERR_SYNTAX;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes percent-encoding into a text that ends in NUL. */
static enum err decode(struct str s, char *out, size_t max, const char **ret_detail)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return bad(ret_detail, "% must be followed by two hexadecimal digits");
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0')
            return bad(ret_detail, "a NUL cannot be in it");
        if (n == max) {
            *ret_detail = "a part is too long";
            return ERR_RANGE;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return ERR_OK;
}

/* Digits only, so neither "+1" nor "-0" nor "". */
static bool number(struct str s, int32_t min, int32_t max, int32_t *ret)
{
    int64_t v = 0;
    if (s.n < 1 || s.n > 5)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    if (v < min || v > max)
        return false;
    *ret = (int32_t)v;
    return true;
}

static enum err parse_db(struct str s, struct redis_url *u, const char **ret_detail)
{
    if (number(s, 0, REDIS_DB_MAX, &u->db))
        return ERR_OK;
    *ret_detail = "the database must be a number from 0 to 65535";
    return ERR_RANGE;
}

/* "USER:PASSWORD@": up to the first '@', before the first '/'; a password must encode both. */
static enum err parse_user(struct str *rest, struct redis_url *u, const char **ret_detail)
{
    struct str path = *rest;
    struct str authority = str_cut(&path, '/');
    const char *at = authority.n ? memchr(authority.p, '@', authority.n) : NULL;
    if (!at)
        return ERR_OK;
    struct str user = {rest->p, (size_t)(at - rest->p)};
    *rest = (struct str){at + 1, rest->n - user.n - 1};
    struct str password = user;
    user = str_cut(&password, ':');
    if (!password.p || password.n == 0)
        return bad(ret_detail, "a user needs a password: USER:PASSWORD@, or :PASSWORD@");
    u->has_password = true;
    enum err e = decode(user, u->user, REDIS_USER_MAX, ret_detail);
    return e ? e : decode(password, u->password, REDIS_PASSWORD_MAX, ret_detail);
}

static bool host_byte(char c, bool ipv6)
{
    bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    return alnum || c == '.' || (ipv6 ? c == ':' || c == '%' : c == '-' || c == '_');
}

static enum err parse_host(struct str s, struct redis_url *u, const char **ret_detail)
{
    struct str host, port = {NULL, 0};
    bool ipv6 = s.n > 0 && s.p[0] == '[';
    if (ipv6) {
        const char *end = memchr(s.p, ']', s.n);
        if (!end)
            return bad(ret_detail, "']' is missing behind the IPv6 address");
        host = (struct str){s.p + 1, (size_t)(end - s.p) - 1};
        struct str rest = {end + 1, s.n - host.n - 2};
        if (rest.n && rest.p[0] != ':')
            return bad(ret_detail, "only a port may follow the IPv6 address");
        if (rest.n)
            port = (struct str){rest.p + 1, rest.n - 1};
    } else {
        port = s;
        host = str_cut(&port, ':');
    }
    if (host.n < 1 || host.n > REDIS_HOST_MAX)
        return bad(ret_detail, "the host is missing or too long");
    for (size_t i = 0; i < host.n; i++)
        if (!host_byte(host.p[i], ipv6))
            return bad(ret_detail, "the host has a byte that no host has");
    memcpy(u->host, host.p, host.n);
    int32_t number_of_port = REDIS_PORT;
    if (port.p && !number(port, 1, 65535, &number_of_port)) {
        *ret_detail = "the port must be a number from 1 to 65535";
        return ERR_RANGE;
    }
    u->port = (uint16_t)number_of_port;
    return ERR_OK;
}

static enum err parse_tcp(struct str rest, struct redis_url *u, const char **ret_detail)
{
    struct str db = rest;
    struct str host = str_cut(&db, '/');
    enum err e = parse_host(host, u, ret_detail);
    if (e || !db.p || db.n == 0)
        return e;
    return parse_db(db, u, ret_detail);
}

static enum err parse_unix(struct str rest, struct redis_url *u, const char **ret_detail)
{
    struct str query = rest;
    struct str path = str_cut(&query, '?');
    if (path.n < 2 || path.p[0] != '/')
        return bad(ret_detail, "the socket's path must be absolute: unix:///run/redis.sock");
    enum err e = decode(path, u->path, REDIS_PATH_MAX, ret_detail);
    if (e || !query.p)
        return e;
    if (!str_starts(query, STR("db=")))
        return bad(ret_detail, "only ?db=NUMBER may follow the path");
    return parse_db((struct str){query.p + 3, query.n - 3}, u, ret_detail);
}

enum err redis_url_parse(struct str text, struct redis_url *ret, const char **ret_detail)
{
    static const struct {
        struct str start;
        bool tls, is_unix;
    } schemes[] = {
        {STR("redis://"), false, false},
        {STR("rediss://"), true, false},
        {STR("unix://"), false, true},
    };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (!str_starts(text, schemes[i].start))
            continue;
        struct redis_url u = {.tls = schemes[i].tls, .is_unix = schemes[i].is_unix};
        struct str rest = {text.p + schemes[i].start.n, text.n - schemes[i].start.n};
        enum err e = parse_user(&rest, &u, ret_detail);
        if (!e)
            e = (u.is_unix ? parse_unix : parse_tcp)(rest, &u, ret_detail);
        if (!e)
            *ret = u;
        return e;
    }
    return bad(ret_detail, "it must start with redis://, rediss:// or unix://");
}

void redis_url_print(const struct redis_url *u, char out[REDIS_URL_TEXT_MAX])
{
    if (u->is_unix)
        snprintf(out, REDIS_URL_TEXT_MAX, "unix://%s?db=%d", u->path, u->db);
    else
        snprintf(out, REDIS_URL_TEXT_MAX,
                 strchr(u->host, ':') ? "%s://[%s]:%u/%d" : "%s://%s:%u/%d",
                 u->tls ? "rediss" : "redis", u->host, u->port, u->db);
}
