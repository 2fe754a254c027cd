#include "auth/jwt.h"

#include "auth/jwk.h"
#include "base/assert.h"
#include "json/reader.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <stdio.h>

enum { TRIES_MAX = 8 /* keys tried for one token that names none */, JSON_DEPTH = 8 };

static const char *const alg_names[JWT_ALG_COUNT] = {"HS256", "RS256", "ES256", "EdDSA"};

struct head {
    struct str alg, kid;
    bool critical;
};

static bool decode_part(struct arena *arena, struct str text, struct str *ret)
{
    unsigned char *p = arena_alloc(arena, text.n / 4 * 3 + 3, 1);
    size_t n;

    if (!p || text.n == 0 || base64url_decode(text, p, &n) != ERR_OK)
        return false;
    *ret = (struct str){(const char *)p, n};
    return true;
}

static bool read_head(struct arena *arena, struct str text, struct head *ret)
{
    struct json_reader r;
    struct str name;

    *ret = (struct head){.critical = false};
    json_reader_init(&r, text, arena, JSON_DEPTH);
    if (!json_object_begin(&r))
        return false;
    while (json_next_member(&r, &name)) {
        if (str_eq(name, STR("alg"))) {
            json_read_str(&r, &ret->alg);
        } else if (str_eq(name, STR("kid"))) {
            json_read_str(&r, &ret->kid);
        } else {
            ret->critical |= str_eq(name, STR("crit"));
            json_skip(&r, NULL);
        }
    }
    return json_end(&r) == ERR_OK && ret->alg.p;
}

static bool hmac_fits(EVP_PKEY *pkey, struct str text, struct str sig)
{
    unsigned char mac[32];
    size_t n = sizeof mac;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
              EVP_DigestSign(ctx, mac, &n, (const unsigned char *)text.p, text.n) == 1;

    EVP_MD_CTX_free(ctx);
    return ok && n == 32 && sig.n == 32 && CRYPTO_memcmp(mac, sig.p, 32) == 0;
}

/* JWS has r and s side by side (RFC 7518, 3.4); OpenSSL wants them in DER. */
static int der_of(struct str sig, unsigned char out[80])
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)sig.p, 32, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)sig.p + 32, 32, NULL);
    unsigned char *to = out;
    int n = -1;

    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair's now */
        n = i2d_ECDSA_SIG(pair, &to);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return n;
}

static bool signature_fits(const struct jwt_key *key, struct str text, struct str sig)
{
    unsigned char der[80];

    if (key->alg == JWT_HS256)
        return hmac_fits(key->pkey, text, sig);
    if (key->alg == JWT_ES256) {
        int n = sig.n == 64 ? der_of(sig, der) : -1;
        if (n <= 0)
            return false;
        sig = (struct str){(const char *)der, (size_t)n};
    }
    const EVP_MD *md = key->alg == JWT_EDDSA ? NULL : EVP_sha256();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, key->pkey) == 1 &&
              EVP_DigestVerify(ctx, (const unsigned char *)sig.p, sig.n,
                               (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

/* The key that the token names; where it names none, or a key has no name, all of its algorithm. */
static bool any_key_fits(const struct jwt_keys *keys, const struct head *head, struct str text,
                         struct str sig)
{
    int tries = 0;

    for (int32_t i = 0; i < keys->count && tries < TRIES_MAX; i++) {
        const struct jwt_key *key = &keys->keys[i];
        struct str kid = {key->kid, key->kid_n};

        if (!str_eq(head->alg, str_from(alg_names[key->alg])))
            continue;
        if (head->kid.p && kid.n && !str_eq(kid, head->kid))
            continue;
        tries++;
        if (signature_fits(key, text, sig))
            return true;
    }
    return false;
}

/* A NumericDate in whole seconds. */
static bool read_date(struct json_reader *r, int64_t *ret)
{
    double v;

    if (!json_read_f64(r, &v) || !(v > -1e15 && v < 1e15))
        return false;
    *ret = (int64_t)v;
    return true;
}

/* `aud` is one text or a list of them. */
static bool read_audience(struct json_reader *r, struct str wanted, bool *ret_match)
{
    struct str one;

    if (json_peek(r) == JSON_STRING) {
        if (!json_read_str(r, &one))
            return false;
        *ret_match = wanted.p && str_eq(one, wanted);
        return true;
    }
    if (!json_array_begin(r))
        return false;
    while (json_next_item(r))
        if (json_read_str(r, &one) && wanted.p && str_eq(one, wanted))
            *ret_match = true;
    return !json_failed(r);
}

struct payload {
    struct str iss, sub, scope;
    int64_t exp, nbf; /* INT64_MIN: absent */
    bool aud_match;
};

static bool read_payload(struct arena *arena, struct str text, struct str audience,
                         struct payload *ret)
{
    struct json_reader r;
    struct str name;
    bool ok = true;

    *ret = (struct payload){.exp = INT64_MIN, .nbf = INT64_MIN};
    json_reader_init(&r, text, arena, JSON_DEPTH);
    if (!json_object_begin(&r))
        return false;
    while (ok && json_next_member(&r, &name)) {
        if (str_eq(name, STR("exp")))
            ok = read_date(&r, &ret->exp);
        else if (str_eq(name, STR("nbf")))
            ok = read_date(&r, &ret->nbf);
        else if (str_eq(name, STR("iss")))
            ok = json_read_str(&r, &ret->iss);
        else if (str_eq(name, STR("sub")))
            ok = json_read_str(&r, &ret->sub);
        else if (str_eq(name, STR("scope")))
            ok = json_read_str(&r, &ret->scope);
        else if (str_eq(name, STR("aud")))
            ok = read_audience(&r, audience, &ret->aud_match);
        else
            json_skip(&r, NULL);
    }
    return ok && json_end(&r) == ERR_OK;
}

/* NULL: all is well. */
static const char *claims_wrong(const struct payload *p, const struct jwt_rules *rules)
{
    if (p->exp == INT64_MIN)
        return "The token has no expiry (exp).";
    if (rules->now_s - rules->leeway_s >= p->exp)
        return "The token has expired.";
    if (p->nbf != INT64_MIN && rules->now_s + rules->leeway_s < p->nbf)
        return "The token is not valid yet.";
    if (rules->issuer.p && !str_eq(p->iss, rules->issuer))
        return "The token is from another issuer.";
    if (rules->audience.p && !p->aud_match)
        return "The token is for another audience.";
    if (p->sub.n < 1 || p->sub.n > JWT_SUBJECT_MAX)
        return "The token's subject (sub) must have 1 to 128 bytes.";
    for (size_t i = 0; i < p->sub.n; i++)
        if ((unsigned char)p->sub.p[i] < 0x20 || p->sub.p[i] == 0x7f)
            return "The token's subject (sub) holds control characters.";
    return NULL;
}

static enum err refuse(const char **ret_reason, const char *why)
{
    *ret_reason = why;
    return ERR_UNAUTHORIZED;
}

enum err jwt_verify(const struct jwt_keys *keys, struct str token, const struct jwt_rules *rules,
                    struct arena *arena, struct jwt_claims *ret, const char **ret_reason)
{
    struct str head_json, payload_json, sig;
    struct payload payload;
    struct head head;

    if (token.n > JWT_TOKEN_MAX)
        return refuse(ret_reason, "The token is longer than 8192 bytes.");
    struct str rest = token;
    struct str head_text = str_cut(&rest, '.');
    struct str payload_text = rest.p ? str_cut(&rest, '.') : (struct str){NULL, 0};
    if (!rest.p || memchr(rest.p, '.', rest.n))
        return refuse(ret_reason, "The credential is neither a key nor a signed token.");
    struct str signed_text = {token.p, head_text.n + 1 + payload_text.n};
    if (!decode_part(arena, head_text, &head_json) || !decode_part(arena, rest, &sig) ||
        !read_head(arena, head_json, &head))
        return refuse(ret_reason, "The token is malformed.");
    if (head.critical)
        return refuse(ret_reason, "The token demands an extension (crit) that is not known here.");
    if (!any_key_fits(keys, &head, signed_text, sig))
        return refuse(ret_reason, "The token's signature fits none of the keys.");
    /* Only what was signed is read. */
    if (!decode_part(arena, payload_text, &payload_json) ||
        !read_payload(arena, payload_json, rules->audience, &payload))
        return refuse(ret_reason, "The token's claims are malformed.");
    const char *wrong = claims_wrong(&payload, rules);
    if (wrong)
        return refuse(ret_reason, wrong);
    *ret = (struct jwt_claims){
        .subject = arena_str(arena, payload.sub),
        .scope = payload.scope.p ? arena_str(arena, payload.scope) : (struct str){NULL, 0},
        .expires_s = payload.exp,
    };
    return ret->subject.p && (ret->scope.p || !payload.scope.p) ? ERR_OK : ERR_NOMEM;
}
