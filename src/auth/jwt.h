/* jwt - bearer tokens (RFC 7519) and the keys they are signed with (RFC 7517). Pure: text in,
 * verdict out.
 *
 * The algorithm belongs to the key, not to the token: a token is tried with keys whose own
 * algorithm is the one that it names, so "none" and a public key used as an HMAC secret (RFC
 * 8725, 3.1) cannot succeed. HS256, RS256 (2048 bits and more), ES256 (P-256), EdDSA (Ed25519). */
#pragma once
#include "base/arena.h"

#include <stdint.h>

enum jwt_alg { JWT_HS256, JWT_RS256, JWT_ES256, JWT_EDDSA, JWT_ALG_COUNT };

enum {
    JWT_KEYS_MAX = 64,
    JWT_TOKEN_MAX = 8192,     /* bytes of a token */
    JWT_KEY_TEXT_MAX = 65536, /* bytes of a key or set of keys */
    JWT_KID_MAX = 128,
    JWT_SUBJECT_MAX = 128,
    JWT_SECRET_MIN = 32, /* RFC 7518, 3.2: as long as the hash */
};

struct jwt_keys;

MUST_CHECK enum err jwt_keys_new(struct jwt_keys **ret);
void jwt_keys_free(struct jwt_keys *keys);
int32_t jwt_keys_count(const struct jwt_keys *keys);

/* Adds one key: a PEM public key (or certificate's key), else the text is an HS256 secret; one line
 * break at its end is not part of it. ERR_RANGE: too short, a kind of key not supported, or a public
 * key in a form that is not read here, which must not pass for a secret; ret_detail: at least 200
 * bytes. */
MUST_CHECK enum err jwt_keys_add_text(struct jwt_keys *keys, struct str text, char *ret_detail);
/* Adds a JSON Web Key Set's signature keys; keys of other kinds or uses are passed over.
 * ERR_SYNTAX: not a set. ERR_RANGE: a key that is meant for us but malformed, too many, or none. */
MUST_CHECK enum err jwt_keys_add_set(struct jwt_keys *keys, struct str json, char *ret_detail);

struct jwt_rules {
    int64_t now_s, leeway_s;
    struct str issuer, audience; /* p == NULL: not checked */
};

struct jwt_claims {
    struct str subject; /* in the arena; 1..JWT_SUBJECT_MAX bytes */
    struct str scope;   /* in the arena; p == NULL: no such claim */
    int64_t expires_s;
};

/* ERR_UNAUTHORIZED with *ret_reason (static text). ERR_NOMEM. */
MUST_CHECK enum err jwt_verify(const struct jwt_keys *keys, struct str token,
                               const struct jwt_rules *rules, struct arena *arena,
                               struct jwt_claims *ret, const char **ret_reason);

/* base64url without padding (RFC 7515); out needs 3 * (n / 4) + 3 bytes. ERR_SYNTAX: another
 * character, or bits left over. */
MUST_CHECK enum err base64url_decode(struct str text, unsigned char *out, size_t *ret_n);
/* Returns the length; out needs 4 * (n / 3) + 4 bytes. */
size_t base64url_encode(const unsigned char *p, size_t n, char *out);
