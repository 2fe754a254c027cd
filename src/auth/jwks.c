/* jwks - the keys themselves: from PEM, from a secret, from a JSON Web Key Set. */
#include "auth/jwk.h"
#include "json/reader.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_MAX = 512 * 1024, NUMBER_MAX = 1024 /* bytes of one member of a key */ };

enum err jwt_keys_new(struct jwt_keys **ret)
{
    struct jwt_keys *keys = calloc(1, sizeof *keys);
    if (!keys)
        return ERR_NOMEM;
    *ret = keys;
    return ERR_OK;
}

void jwt_keys_free(struct jwt_keys *keys)
{
    if (!keys)
        return;
    for (int32_t i = 0; i < keys->count; i++)
        EVP_PKEY_free(keys->keys[i].pkey);
    free(keys);
}

int32_t jwt_keys_count(const struct jwt_keys *keys)
{
    return keys->count;
}

/* The one algorithm that this key is for; JWT_ALG_COUNT: none of ours. */
static enum jwt_alg alg_of(const EVP_PKEY *pkey)
{
    char group[32] = "";

    if (EVP_PKEY_is_a(pkey, "HMAC"))
        return JWT_HS256;
    if (EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= 2048)
        return JWT_RS256;
    if (EVP_PKEY_is_a(pkey, "EC") &&
        EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
        strcmp(group, "prime256v1") == 0)
        return JWT_ES256;
    return EVP_PKEY_is_a(pkey, "ED25519") ? JWT_EDDSA : JWT_ALG_COUNT;
}

/* Takes pkey over, also when it fails. */
static enum err add(struct jwt_keys *keys, EVP_PKEY *pkey, struct str kid, char *detail)
{
    enum jwt_alg alg = alg_of(pkey);

    if (alg == JWT_ALG_COUNT || keys->count == JWT_KEYS_MAX || kid.n > JWT_KID_MAX) {
        snprintf(detail, 200, "%s",
                 alg == JWT_ALG_COUNT
                     ? "a key must be RSA of 2048 bits or more, EC P-256, Ed25519, or a secret"
                 : kid.n > JWT_KID_MAX ? "a kid is longer than 128 bytes"
                                       : "more than 64 keys");
        EVP_PKEY_free(pkey);
        return ERR_RANGE;
    }
    struct jwt_key *key = &keys->keys[keys->count++];
    key->pkey = pkey;
    key->alg = alg;
    key->kid_n = kid.n;
    if (kid.n)
        memcpy(key->kid, kid.p, kid.n);
    return ERR_OK;
}

static enum err add_secret(struct jwt_keys *keys, const unsigned char *p, size_t n, struct str kid,
                           char *detail)
{
    if (n < JWT_SECRET_MIN) {
        snprintf(detail, 200, "an HS256 secret must have at least %d bytes", JWT_SECRET_MIN);
        return ERR_RANGE;
    }
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, p, n);
    return pkey ? add(keys, pkey, kid, detail) : ERR_NOMEM;
}

static EVP_PKEY *read_pem(struct str text)
{
    BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

    if (bio && !pkey && BIO_reset(bio) == 1) {
        X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        pkey = cert ? X509_get_pubkey(cert) : NULL;
        X509_free(cert);
    }
    BIO_free(bio);
    ERR_clear_error();
    return pkey;
}

/* Key files that are public: taken for a secret, everybody could sign. Also where they are not at
 * the very beginning, behind a comment, a blank line or a byte order mark. */
static const char *public_form(struct str text)
{
    struct str rest = text;

    while (rest.n && (strchr(" \t\r\n\xef\xbb\xbf", rest.p[0])) && rest.p[0])
        rest.p++, rest.n--;
    if (str_starts(rest, STR("{")) &&
        (memmem(rest.p, rest.n, "\"kty\"", 5) || memmem(rest.p, rest.n, "\"keys\"", 6)))
        return "a JSON Web Key or set of them: name it with jwks_file";
    if (str_starts(rest, STR("ssh-")) || str_starts(rest, STR("ecdsa-sha2-")))
        return "an SSH key; PEM is needed (ssh-keygen -e -m PKCS8)";
    const unsigned char *der = (const unsigned char *)text.p;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &der, (long)text.n);
    X509 *cert = NULL;
    if (!pkey) {
        der = (const unsigned char *)text.p;
        cert = d2i_X509(NULL, &der, (long)text.n);
    }
    bool is_der = pkey || cert;
    EVP_PKEY_free(pkey);
    X509_free(cert);
    ERR_clear_error();
    return is_der ? "a key in DER; PEM is needed" : NULL;
}

enum err jwt_keys_add_text(struct jwt_keys *keys, struct str text, char *ret_detail)
{
    static const struct str none = {NULL, 0};

    if (text.n > JWT_KEY_TEXT_MAX) {
        snprintf(ret_detail, 200, "longer than %d bytes", JWT_KEY_TEXT_MAX);
        return ERR_RANGE;
    }
    if (text.n && memmem(text.p, text.n, "-----BEGIN ", 11)) {
        EVP_PKEY *pkey = read_pem(text);
        if (pkey)
            return add(keys, pkey, none, ret_detail);
        snprintf(ret_detail, 200, "not a PEM public key or certificate");
        return ERR_RANGE;
    }
    const char *form = public_form(text);
    if (form) {
        snprintf(ret_detail, 200, "%s", form);
        return ERR_RANGE;
    }
    if (text.n > 0 && text.p[text.n - 1] == '\n')
        text.n--;
    if (text.n > 0 && text.p[text.n - 1] == '\r')
        text.n--;
    return add_secret(keys, (const unsigned char *)text.p, text.n, none, ret_detail);
}

/* One key of a set, as text. */
struct jwk {
    struct str kty, use, alg, kid, crv, k, n, e, x, y;
};

static bool read_jwk(struct json_reader *r, struct jwk *ret)
{
    const struct {
        struct str name;
        struct str *to;
    } members[] = {
        {STR("kty"), &ret->kty}, {STR("use"), &ret->use}, {STR("alg"), &ret->alg},
        {STR("kid"), &ret->kid}, {STR("crv"), &ret->crv}, {STR("k"), &ret->k},
        {STR("n"), &ret->n},     {STR("e"), &ret->e},     {STR("x"), &ret->x},
        {STR("y"), &ret->y},
    };
    struct str name;

    *ret = (struct jwk){.kty = {NULL, 0}};
    if (!json_object_begin(r))
        return false;
    while (json_next_member(r, &name)) {
        struct str *to = NULL;
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
            if (str_eq(members[i].name, name))
                to = members[i].to;
        if (to)
            json_read_str(r, to);
        else
            json_skip(r, NULL);
    }
    return !json_failed(r);
}

/* A member's bytes; false: not base64url, or longer than any key of ours. */
static bool bytes_of(struct str text, unsigned char out[NUMBER_MAX + 3], size_t *ret_n)
{
    return text.p && text.n > 0 && text.n <= (size_t)NUMBER_MAX / 3 * 4 &&
           base64url_decode(text, out, ret_n) == ERR_OK && *ret_n > 0;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        (void)!EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *rsa_of(const struct jwk *k)
{
    unsigned char bytes[NUMBER_MAX + 3];
    BIGNUM *n = NULL, *e = NULL;
    EVP_PKEY *pkey = NULL;
    size_t len;

    if (bytes_of(k->n, bytes, &len))
        n = BN_bin2bn(bytes, (int)len, NULL);
    if (bytes_of(k->e, bytes, &len))
        e = BN_bin2bn(bytes, (int)len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    /* An even or tiny exponent or modulus is no RSA key; a huge exponent costs time per token. */
    bool sound = n && e && BN_is_odd(n) && BN_is_odd(e) && BN_num_bits(e) > 1 &&
                 BN_num_bits(e) <= 64 && BN_num_bits(n) <= 8192;
    if (build && sound && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e))
        pkey = from_params("RSA", build);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    return pkey;
}

/* The point as SEC 1 writes it: 4, x, y. OpenSSL checks that it lies on the curve. */
static EVP_PKEY *ec_of(const struct jwk *k)
{
    unsigned char x[NUMBER_MAX + 3], y[NUMBER_MAX + 3], point[65] = {4};
    EVP_PKEY *pkey = NULL;
    size_t xn, yn;

    if (!str_eq(k->crv, STR("P-256")) || !bytes_of(k->x, x, &xn) || !bytes_of(k->y, y, &yn) ||
        xn != 32 || yn != 32)
        return NULL;
    memcpy(point + 1, x, 32);
    memcpy(point + 33, y, 32);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (build &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point))
        pkey = from_params("EC", build);
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

static EVP_PKEY *okp_of(const struct jwk *k)
{
    unsigned char x[NUMBER_MAX + 3];
    size_t n;

    if (!str_eq(k->crv, STR("Ed25519")) || !bytes_of(k->x, x, &n) || n != 32)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, n);
}

static bool alg_fits(struct str alg, const char *ours)
{
    return !alg.p || str_eq(alg, str_from(ours));
}

/* Keys that are not for our algorithms (encryption, P-521 …) are passed over: a set may hold them.
 */
static enum err add_jwk(struct jwt_keys *keys, const struct jwk *k, char *detail)
{
    unsigned char bytes[NUMBER_MAX + 3];
    EVP_PKEY *pkey = NULL;
    size_t n = 0;

    if (k->use.p && !str_eq(k->use, STR("sig")))
        return ERR_OK;
    if (str_eq(k->kty, STR("oct")) && alg_fits(k->alg, "HS256"))
        return bytes_of(k->k, bytes, &n) ? add_secret(keys, bytes, n, k->kid, detail) : ERR_RANGE;
    if (str_eq(k->kty, STR("RSA")) && alg_fits(k->alg, "RS256"))
        pkey = rsa_of(k);
    else if (str_eq(k->kty, STR("EC")) && str_eq(k->crv, STR("P-256")) && alg_fits(k->alg, "ES256"))
        pkey = ec_of(k);
    else if (str_eq(k->kty, STR("OKP")) && str_eq(k->crv, STR("Ed25519")) &&
             (alg_fits(k->alg, "EdDSA") || alg_fits(k->alg, "Ed25519")))
        pkey = okp_of(k);
    else
        return ERR_OK;
    ERR_clear_error();
    return pkey ? add(keys, pkey, k->kid, detail) : ERR_RANGE;
}

static enum err read_set(struct jwt_keys *keys, struct json_reader *r, char *detail)
{
    enum err e = ERR_OK;
    struct str name;
    struct jwk jwk;

    if (!json_object_begin(r))
        return r->err;
    while (json_next_member(r, &name)) {
        if (!str_eq(name, STR("keys"))) {
            json_skip(r, NULL);
            continue;
        }
        if (!json_array_begin(r))
            return r->err;
        for (int32_t i = 0; e == ERR_OK && json_next_item(r); i++) {
            if (!read_jwk(r, &jwk))
                return r->err;
            snprintf(detail, 200, "key %d of the set is malformed", i + 1);
            e = add_jwk(keys, &jwk, detail);
        }
        if (e != ERR_OK)
            return e;
    }
    return json_end(r);
}

enum err jwt_keys_add_set(struct jwt_keys *keys, struct str json, char *ret_detail)
{
    int32_t before = keys->count;
    struct json_reader r;
    struct arena arena;

    if (json.n > JWT_KEY_TEXT_MAX) {
        snprintf(ret_detail, 200, "longer than %d bytes", JWT_KEY_TEXT_MAX);
        return ERR_RANGE;
    }
    arena_init(&arena, ARENA_MAX);
    json_reader_init(&r, json, &arena, 8);
    enum err e = read_set(keys, &r, ret_detail);
    if (json_failed(&r)) {
        snprintf(ret_detail, 200, "not a JSON Web Key Set at byte %zu: %s", r.error_at,
                 r.reason ? r.reason : "syntax");
        e = r.err == ERR_RANGE ? ERR_SYNTAX : r.err;
    } else if (e == ERR_OK && keys->count == before) {
        snprintf(ret_detail, 200, "the set holds no key for HS256, RS256, ES256 or EdDSA");
        e = ERR_RANGE;
    }
    arena_fini(&arena);
    return e;
}
