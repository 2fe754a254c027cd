#include "auth/auth.h"

#include "auth/cache.h"
#include "auth/jwt.h"
#include "auth/key.h"
#include "base/assert.h"
#include "base/civil.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    KNOWN_MAX = 4096,   /* keys and tokens remembered */
    UNKNOWN_MAX = 2048, /* wrong keys remembered, apart: guessing must not push out the good */
    TOKEN_KEPT_S = 300, /* a token is verified again after that, whatever its expiry */
    CREDENTIAL_MAX = JWT_TOKEN_MAX + 64,
};

struct auth {
    struct auth_options options;
    struct str issuer, audience; /* p == NULL: not checked */
    struct jwt_keys *keys;       /* empty: no tokens are accepted */
    struct credential_cache *known, *unknown;
    _Atomic uint64_t epoch;
};

static const struct {
    const char *name;
    uint32_t bit;
} scope_names[] = {
    {"ingest", SCOPE_INGEST},
    {"read", SCOPE_READ},
    {"write", SCOPE_WRITE},
    {"admin", SCOPE_ADMIN},
};

static uint32_t scope_of(struct str word)
{
    for (size_t i = 0; i < COUNT(scope_names); i++)
        if (str_eq(word, str_from(scope_names[i].name)))
            return scope_names[i].bit;
    return 0;
}

enum err scopes_parse(struct str text, uint32_t *ret)
{
    uint32_t scopes = 0;

    while (text.p) {
        uint32_t bit = scope_of(str_trim(str_cut(&text, ',')));
        if (!bit)
            return ERR_RANGE;
        scopes |= bit;
    }
    if (!scopes)
        return ERR_RANGE;
    *ret = scopes;
    return ERR_OK;
}

struct str scopes_print(uint32_t scopes, struct arena *arena)
{
    char text[64];
    int n = 0;

    for (size_t i = 0; i < COUNT(scope_names); i++)
        if (scopes & scope_names[i].bit)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%s", n ? "," : "",
                          scope_names[i].name);
    return arena_str(arena, (struct str){text, (size_t)n});
}

/* "openid read ingest": words of others are passed over. Tokens never carry admin: that right is
 * for keys, which can be revoked. */
static uint32_t scopes_of_token(struct str scope)
{
    uint32_t scopes = 0;

    if (!scope.p)
        return SCOPE_INGEST | SCOPE_READ | SCOPE_WRITE;
    while (scope.p)
        scopes |= scope_of(str_cut(&scope, ' '));
    return scopes & ~(uint32_t)SCOPE_ADMIN;
}

static enum err read_file(const char *path, char *text, size_t size, struct str *ret, char *detail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    ssize_t got = -1;

    while (fd >= 0 && n < size && (got = read(fd, text + n, size - n)) > 0)
        n += (size_t)got;
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (got != 0) {
        snprintf(detail, 300, "%.200s: %s", path,
                 got > 0 ? "the file is too large" : strerror(why));
        return ERR_IO;
    }
    *ret = (struct str){text, n};
    return ERR_OK;
}

static enum err load_keys(struct auth *a, const char *path, bool is_set, char *detail)
{
    char why[256] = "";
    struct str text;
    char *room = malloc(JWT_KEY_TEXT_MAX + 1);

    if (!room)
        return ERR_NOMEM;
    enum err e = read_file(path, room, JWT_KEY_TEXT_MAX + 1, &text, detail);
    if (e == ERR_OK) {
        e = is_set ? jwt_keys_add_set(a->keys, text, why) : jwt_keys_add_text(a->keys, text, why);
        if (e != ERR_OK)
            snprintf(detail, 300, "%.120s: %.170s", path, why);
    }
    OPENSSL_cleanse(room, JWT_KEY_TEXT_MAX + 1);
    free(room);
    return e;
}

static enum err load_all(struct auth *a, char *detail)
{
    const struct auth_options *o = &a->options;
    enum err e = ERR_OK;

    if (o->jwt_key_file)
        e = load_keys(a, o->jwt_key_file, false, detail);
    if (e == ERR_OK && o->jwks_file)
        e = load_keys(a, o->jwks_file, true, detail);
    if (e == ERR_OK && jwt_keys_count(a->keys) > 0 && (!a->issuer.p || !a->audience.p))
        log_event(LOG_WARN, "auth.tokens",
                  LOG_C("text", !a->issuer.p ? "jwt_issuer is not set: tokens of any issuer that "
                                               "these keys signed are accepted"
                                             : "jwt_audience is not set: tokens meant for other "
                                               "programs are accepted"));
    return e;
}

enum err auth_new(const struct auth_options *options, struct auth **ret, char *ret_detail)
{
    struct auth *a = calloc(1, sizeof *a);

    ret_detail[0] = '\0';
    if (!a)
        return ERR_NOMEM;
    a->options = *options;
    a->issuer = str_from(options->jwt_issuer);
    a->audience = str_from(options->jwt_audience);
    enum err e = jwt_keys_new(&a->keys);
    if (e == ERR_OK)
        e = credential_cache_new(KNOWN_MAX, &a->known);
    if (e == ERR_OK)
        e = credential_cache_new(UNKNOWN_MAX, &a->unknown);
    if (e == ERR_OK)
        e = load_all(a, ret_detail);
    if (e != ERR_OK) {
        auth_free(a);
        return e;
    }
    *ret = a;
    return ERR_OK;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    jwt_keys_free(a->keys);
    credential_cache_free(a->known);
    credential_cache_free(a->unknown);
    free(a);
}

void auth_forget(struct auth *a)
{
    atomic_fetch_add(&a->epoch, 1);
    credential_cache_clear(a->known);
    credential_cache_clear(a->unknown);
}

/* "localhost", "127.0.0.1" or "[::1]", with any port. */
static bool is_loopback_name(struct str host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

    for (size_t i = 0; i < COUNT(names); i++) {
        struct str name = str_from(names[i]);
        if (host.n < name.n || !str_eq_nocase((struct str){host.p, name.n}, name))
            continue;
        if (host.n == name.n || host.p[name.n] == ':')
            return true;
    }
    return false;
}

static bool is_loopback_origin(struct str origin)
{
    struct str rest = origin, scheme = str_cut(&rest, ':');

    return (str_eq(scheme, STR("http")) || str_eq(scheme, STR("https"))) &&
           str_starts(rest, STR("//")) && is_loopback_name((struct str){rest.p + 2, rest.n - 2});
}

/* --dev lets in who sits at this machine, and nobody through him: no proxy's clients, no other
 * site's script in his browser (by its Origin), no name that was bent to this address (by Host). */
static bool dev_may(const struct http_request *rq, const char **ret_reason)
{
    static const char *const forwarding[] = {"Forwarded", "X-Forwarded-For", "X-Forwarded-Host",
                                             "X-Real-IP"};
    struct str origin = http_header_get(rq, STR("Origin"));

    *ret_reason = "--dev lets in calls from this machine only.";
    if (!rq->peer->is_unix && !rq->peer->is_loopback)
        return false;
    *ret_reason = "--dev does not let in calls that came through a proxy.";
    for (size_t i = 0; i < COUNT(forwarding); i++)
        if (http_header_get(rq, str_from(forwarding[i])).p)
            return false;
    *ret_reason = "--dev lets in calls to localhost, 127.0.0.1 or [::1] only.";
    if (!rq->peer->is_unix && !is_loopback_name(http_header_get(rq, STR("Host"))))
        return false;
    *ret_reason = "--dev does not let in calls from other sites' pages.";
    return !origin.p || is_loopback_origin(origin);
}

enum credential { CREDENTIAL_NONE, CREDENTIAL_BAD, CREDENTIAL_KEY, CREDENTIAL_TOKEN };

static enum credential credential_of(const struct http_request *rq, struct str *ret,
                                     const char **ret_reason)
{
    struct str auth = http_header_get(rq, STR("Authorization"));
    struct str key = http_header_get(rq, STR("X-API-Key"));

    if (auth.p) {
        struct str rest = auth, scheme = str_cut(&rest, ' ');
        *ret_reason = "Authorization must be of the form: Bearer, a blank, the key or token.";
        *ret = str_trim(rest);
        if (!str_eq_nocase(scheme, STR("Bearer")) || ret->n == 0)
            return CREDENTIAL_BAD;
    } else if (key.p) {
        *ret = str_trim(key);
    } else {
        return CREDENTIAL_NONE;
    }
    *ret_reason = "The key or token is too long.";
    if (ret->n > CREDENTIAL_MAX)
        return CREDENTIAL_BAD;
    *ret_reason = "There is no such key.";
    if (str_starts(*ret, STR("dpl_")) || !auth.p) {
        struct str id, secret;
        return key_split(*ret, &id, &secret) ? CREDENTIAL_KEY : CREDENTIAL_BAD;
    }
    return CREDENTIAL_TOKEN;
}

static enum err check_token(struct auth *a, struct str token, const uint8_t *digest, int64_t now_us,
                            struct arena *arena, struct principal *ret, const char **ret_reason)
{
    const struct jwt_rules rules = {
        .now_s = now_us / US_PER_S,
        .leeway_s = a->options.jwt_leeway_s,
        .issuer = a->issuer,
        .audience = a->audience,
    };
    struct jwt_claims claims;

    *ret_reason = "Tokens are not accepted here: no key for them is set.";
    if (jwt_keys_count(a->keys) == 0)
        return ERR_UNAUTHORIZED;
    enum err e = jwt_verify(a->keys, token, &rules, arena, &claims, ret_reason);
    if (e != ERR_OK)
        return e;
    struct principal who = {
        .scopes = scopes_of_token(claims.scope),
        .learner = claims.subject,
        .name = arena_printf(arena, "jwt:" STR_FMT, STR_ARG(claims.subject)),
    };
    if (!who.name.p)
        return ERR_NOMEM;
    int64_t left_s = claims.expires_s + rules.leeway_s - rules.now_s;
    int64_t kept_s = left_s < TOKEN_KEPT_S ? left_s : TOKEN_KEPT_S;
    who.until_us = now_us + kept_s * US_PER_S;
    credential_cache_put(a->known, digest, now_us, who.until_us, &who);
    *ret = who;
    return ERR_OK;
}

static enum err check_none(struct auth *a, const struct http_request *rq, struct principal *ret,
                           const char **ret_reason)
{
    *ret_reason = "The call needs a key or token: Authorization: Bearer, or X-API-Key.";
    if (!a->options.dev || !dev_may(rq, ret_reason))
        return ERR_UNAUTHORIZED;
    *ret = (struct principal){
        .scopes = SCOPE_INGEST | SCOPE_READ | SCOPE_WRITE | SCOPE_ADMIN,
        .name = STR("dev"),
        .dev = true,
    };
    return ERR_OK;
}

uint64_t auth_epoch(const struct auth *a)
{
    return atomic_load(&a->epoch);
}

enum err auth_check(struct auth *a, const struct http_request *rq, int64_t now_us,
                    struct arena *arena, struct principal *ret, const char **ret_reason)
{
    struct str text;
    struct principal nobody;
    uint8_t digest[CREDENTIAL_DIGEST];
    enum credential kind = credential_of(rq, &text, ret_reason);

    if (kind == CREDENTIAL_NONE)
        return check_none(a, rq, ret, ret_reason);
    if (kind == CREDENTIAL_BAD)
        return ERR_UNAUTHORIZED;
    if (!sha256(text, digest))
        return ERR_NOMEM;
    if (credential_cache_get(a->known, digest, now_us, arena, ret))
        return ERR_OK;
    if (kind == CREDENTIAL_TOKEN)
        return check_token(a, text, digest, now_us, arena, ret, ret_reason);
    if (credential_cache_get(a->unknown, digest, now_us, arena, &nobody))
        return ERR_UNAUTHORIZED;
    return ERR_NOT_FOUND;
}

struct stored_key {
    bool found;
    struct str hash, learner;
    uint32_t scopes;
    int64_t expires_at, revoked_at;
};

static enum err read_key(struct store_conn *conn, struct arena *arena, struct str id,
                         struct stored_key *ret)
{
    const struct value args[] = {V_S(id)};
    struct query q = {.stmt = STMT_API_KEY_GET, .args = args, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(conn, arena, &q, 1, 0);

    if (e != ERR_OK)
        return e;
    *ret = (struct stored_key){.found = q.rows.count > 0};
    if (!ret->found)
        return ERR_OK;
    const struct value *v = row_at(&q.rows, 0);
    ret->hash = value_str(&v[0]);
    ret->scopes = (uint32_t)value_i64(&v[1], 0);
    ret->learner = value_str(&v[2]);
    ret->expires_at = value_i64(&v[3], INT64_MAX);
    ret->revoked_at = value_i64(&v[4], INT64_MAX);
    return ERR_OK;
}

/* The same answer for a wrong id and a wrong secret: it must not tell which ids exist. Only who has
 * the secret learns that the key has ended. */
static const char *key_wrong(const struct stored_key *k, struct str secret, int64_t now_us)
{
    uint8_t hash[32];

    if (!sha256(secret, hash) || !k->found || k->hash.n != sizeof hash ||
        CRYPTO_memcmp(k->hash.p, hash, sizeof hash) != 0)
        return "There is no such key.";
    if (k->revoked_at <= now_us)
        return "The key was revoked.";
    if (k->expires_at <= now_us)
        return "The key has expired.";
    return NULL;
}

enum err auth_check_store(struct auth *a, struct store_conn *conn, const struct http_request *rq,
                          int64_t now_us, struct arena *arena, struct principal *ret,
                          const char **ret_reason)
{
    struct str text, id, secret;
    struct stored_key key;
    uint8_t digest[CREDENTIAL_DIGEST];
    int64_t until_us = now_us + (int64_t)a->options.key_cache_s * US_PER_S;
    enum err e = auth_check(a, rq, now_us, arena, ret, ret_reason);

    if (e != ERR_NOT_FOUND)
        return e;
    if (credential_of(rq, &text, ret_reason) != CREDENTIAL_KEY || !key_split(text, &id, &secret))
        return ERR_UNAUTHORIZED;
    e = read_key(conn, arena, id, &key);
    if (e != ERR_OK)
        return e;
    if (!sha256(text, digest))
        return ERR_NOMEM;
    const char *wrong = key_wrong(&key, secret, now_us);
    if (wrong) {
        const struct principal nobody = {.name = STR("")};
        *ret_reason = wrong;
        credential_cache_put(a->unknown, digest, now_us, until_us, &nobody);
        return ERR_UNAUTHORIZED;
    }
    *ret = (struct principal){.scopes = key.scopes, .learner = key.learner};
    ret->name = arena_str(arena, id);
    if (!ret->name.p)
        return ERR_NOMEM;
    ret->until_us = until_us < key.expires_at ? until_us : key.expires_at;
    credential_cache_put(a->known, digest, now_us, ret->until_us, ret);
    return ERR_OK;
}
