/* auth - who calls, what they may do, and how often.
 *
 * Two kinds of credential: API keys ("dpl_<id>_<secret>", only the SHA-256 of the secret part is
 * stored) and JWT bearer tokens (RFC 7519; HS256, RS256, ES256, EdDSA) whose `sub` is the learner.
 */
#pragma once
#include "base/arena.h"
#include "http/http.h"
#include "store/store.h"

enum scope {
    SCOPE_INGEST = 1, /* send events */
    SCOPE_READ = 2,   /* read answers */
    SCOPE_WRITE = 4,  /* profile, sessions, preferences */
    SCOPE_ADMIN = 8,  /* everything, and other learners' erasure, cache, quarantine */
};
/* "ingest,read". ERR_RANGE: an unknown word or none. */
MUST_CHECK enum err scopes_parse(struct str text, uint32_t *ret);
struct str scopes_print(uint32_t scopes, struct arena *arena);

struct principal {
    uint32_t scopes;
    struct str learner; /* {NULL,0}: any learner; else this one only */
    struct str name;    /* for logs and rate limits: key id, or "jwt:" and the subject */
    bool dev;           /* let in without a key by --dev */
    int64_t until_us; /* UTC: the same credential may be believed without asking again; 0: ask each
                         time */
};

struct auth_options {
    bool dev;                 /* calls without credentials from loopback have all scopes */
    const char *jwt_key_file; /* PEM public key, or raw secret for HS256 */
    const char *jwks_file;
    const char *jwt_issuer, *jwt_audience; /* NULL: not checked (a warning is logged at start) */
    int32_t jwt_leeway_s;
    int32_t key_cache_s; /* how long a key is believed without asking the store: a revoked key's
                            last seconds */
};
struct auth;
MUST_CHECK enum err auth_new(const struct auth_options *options, struct auth **ret,
                             char *ret_detail);
void auth_free(struct auth *a);

/* From the Authorization (Bearer) or X-API-Key header, without the store: keys that were seen
 * lately, tokens, --dev. ERR_UNAUTHORIZED: bad or missing. ERR_NOT_FOUND: a well-formed key that is
 * not in the cache; ask auth_check_store(). Any thread. ret_reason is static text. Text of *ret
 * lives in `arena`. */
MUST_CHECK enum err auth_check(struct auth *a, const struct http_request *rq, int64_t now_us,
                               struct arena *arena, struct principal *ret, const char **ret_reason);
/* The same with one look-up in the store (one round trip), remembered afterwards, misses too. */
MUST_CHECK enum err auth_check_store(struct auth *a, struct store_conn *conn,
                                     const struct http_request *rq, int64_t now_us,
                                     struct arena *arena, struct principal *ret,
                                     const char **ret_reason);
void auth_forget(struct auth *a); /* drops what is remembered: keys changed */
/* Raised by auth_forget(): what was believed under another number is to be asked again. */
uint64_t auth_epoch(const struct auth *a);

/* Keys. ret_text is the whole key; it is shown once and cannot be had again. */
enum { KEY_TEXT_MAX = 96, KEY_NAME_MAX = 100, KEY_LEARNER_MAX = 128 /* bytes */ };
struct key_spec {
    uint32_t scopes;
    struct str learner, name;
    int64_t expires_at; /* TIME_NONE: never */
};
MUST_CHECK enum err key_create(struct store_conn *conn, const struct key_spec *spec, int64_t now_us,
                               char ret_text[KEY_TEXT_MAX]);
MUST_CHECK enum err key_revoke(struct store_conn *conn, struct str key_id, int64_t now_us);

/* Token buckets, by any text (a key's name, an address). Bounded memory: idle buckets are full
 * buckets and are dropped. */
struct rate_options {
    double per_second; /* 0: no limit */
    double burst;
    int32_t buckets_max;
};
struct rate;
MUST_CHECK enum err rate_new(const struct rate_options *options, struct rate **ret);
void rate_free(struct rate *r);
/* Takes `cost` tokens. False: *ret_wait_s says when it would succeed (>= 1), for Retry-After. Any
 * thread. */
bool rate_take(struct rate *r, struct str who, double cost, int64_t now_mono_us,
               int32_t *ret_wait_s);
