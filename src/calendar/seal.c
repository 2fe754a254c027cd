#include "calendar/seal.h"

#include "base/assert.h"
#include "base/rng.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <stdio.h>

enum { FORM = 1, NONCE = 12, TAG = 16, HEAD = 2 };

/* ---- keys ---- */

static bool derive(const unsigned char *secret, const char *what, unsigned char *out)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret,
                                          SEAL_KEY_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)what,
                                          strlen(what)),
        OSSL_PARAM_construct_end(),
    };
    bool ok = ctx && EVP_KDF_derive(ctx, out, SEAL_KEY_BYTES, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}

static bool id_valid(struct str id)
{
    if (id.n < 1 || id.n > SEAL_ID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return true;
}

/* Exactly 32 bytes, so exactly 43 digits and a '='. */
static bool secret_decode(struct str text, unsigned char out[SEAL_KEY_BYTES])
{
    unsigned char bytes[SEAL_KEY_BYTES + 1];

    if (text.n != 44 || text.p[43] != '=' || text.p[42] == '=')
        return false;
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)text.p, 44);
    if (n == (int)sizeof bytes)
        memcpy(out, bytes, SEAL_KEY_BYTES);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return n == (int)sizeof bytes;
}

static enum err key_add(struct seal *s, struct str text, char *ret_detail)
{
    unsigned char secret[SEAL_KEY_BYTES];
    struct str rest = text, id = str_cut(&rest, ':');

    if (s->count == SEAL_KEYS_MAX || !rest.p || !id_valid(id)) {
        snprintf(ret_detail, 200,
                 "calendar_key: up to %d keys as ID:BASE64, an id of 1 to %d "
                 "letters or digits",
                 SEAL_KEYS_MAX, SEAL_ID_MAX);
        return ERR_RANGE;
    }
    for (int32_t i = 0; i < s->count; i++) {
        if (str_eq(id, (struct str){s->keys[i].id, s->keys[i].id_n})) {
            snprintf(ret_detail, 200, "calendar_key: the id " STR_FMT " is there twice",
                     STR_ARG(id));
            return ERR_RANGE;
        }
    }
    if (!secret_decode(rest, secret)) {
        snprintf(ret_detail, 200,
                 "calendar_key: key " STR_FMT " must be 32 bytes as base64 "
                 "(openssl rand -base64 32)",
                 STR_ARG(id));
        return ERR_RANGE;
    }
    struct seal_key *k = &s->keys[s->count++];
    memcpy(k->id, id.p, id.n);
    k->id_n = id.n;
    bool ok = derive(secret, "doppel calendar sealing 1", k->sealing) &&
              derive(secret, "doppel calendar signing 1", k->signing);
    OPENSSL_cleanse(secret, sizeof secret);
    if (!ok)
        snprintf(ret_detail, 200, "calendar_key: OpenSSL offers no HKDF");
    return ok ? ERR_OK : ERR_RANGE;
}

enum err seal_init(struct seal *s, struct str setting, char *ret_detail)
{
    enum err e = ERR_OK;

    *s = (struct seal){.count = 0};
    while (e == ERR_OK && setting.n > 0)
        e = key_add(s, str_trim(str_cut(&setting, ',')), ret_detail);
    if (e != ERR_OK)
        seal_fini(s);
    return e;
}

void seal_fini(struct seal *s)
{
    OPENSSL_cleanse(s, sizeof *s);
}

/* ---- sealing ---- */

/* Lengths in front: no two owners give the same bytes. */
static struct str owner_bytes(const struct seal_owner *o, struct arena *arena)
{
    return arena_printf(arena, "doppel calendar 1:%zu:%s:%zu:" STR_FMT, strlen(o->purpose),
                        o->purpose, o->learner.n, STR_ARG(o->learner));
}

static enum err gcm(bool sealing, const struct seal_key *k, const unsigned char *nonce,
                    struct str owner, struct str in, unsigned char *out, unsigned char *tag)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const unsigned char *aad = (const unsigned char *)owner.p;
    int n = 0, m = 0, on = sealing;
    bool ok = ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->sealing, nonce, on) == 1 &&
              EVP_CipherUpdate(ctx, NULL, &n, aad, (int)owner.n) == 1 &&
              EVP_CipherUpdate(ctx, out, &n, (const unsigned char *)in.p, (int)in.n) == 1 &&
              (sealing || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1) &&
              EVP_CipherFinal_ex(ctx, out + n, &m) == 1 &&
              (!sealing || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, tag) == 1);

    EVP_CIPHER_CTX_free(ctx);
    return ok ? ERR_OK : sealing ? ERR_INTERNAL : ERR_UNAUTHORIZED;
}

enum err seal_close(const struct seal *s, const struct seal_owner *owner, struct str text,
                    struct arena *arena, struct str *ret)
{
    if (s->count == 0)
        return ERR_NOT_CONFIGURED;
    if (text.n > SEAL_TEXT_MAX)
        return ERR_RANGE;
    const struct seal_key *k = &s->keys[0];
    size_t head = HEAD + k->id_n, n = head + NONCE + text.n + TAG;
    unsigned char *out = arena_alloc(arena, n, 1);
    struct str aad = owner_bytes(owner, arena);

    if (!out || !aad.p)
        return ERR_NOMEM;
    out[0] = FORM;
    out[1] = (unsigned char)k->id_n;
    memcpy(out + HEAD, k->id, k->id_n);
    random_bytes(out + head, NONCE);
    enum err e = gcm(true, k, out + head, aad, text, out + head + NONCE, out + n - TAG);
    if (e == ERR_OK)
        *ret = (struct str){(const char *)out, n};
    return e;
}

static const struct seal_key *key_find(const struct seal *s, const unsigned char *id, size_t n)
{
    for (int32_t i = 0; i < s->count; i++)
        if (s->keys[i].id_n == n && memcmp(s->keys[i].id, id, n) == 0)
            return &s->keys[i];
    return NULL;
}

enum err seal_open(const struct seal *s, const struct seal_owner *owner, struct str sealed,
                   struct arena *arena, struct str *ret)
{
    const unsigned char *p = (const unsigned char *)sealed.p;
    unsigned char tag[TAG];

    if (sealed.n < HEAD || p[0] != FORM || p[1] > SEAL_ID_MAX ||
        sealed.n < HEAD + (size_t)p[1] + NONCE + TAG ||
        sealed.n > HEAD + (size_t)p[1] + NONCE + SEAL_TEXT_MAX + TAG)
        return ERR_UNAUTHORIZED;
    size_t head = HEAD + (size_t)p[1], n = sealed.n - head - NONCE - TAG;
    const struct seal_key *k = key_find(s, p + HEAD, p[1]);
    if (!k)
        return ERR_NOT_CONFIGURED;
    unsigned char *out = arena_alloc(arena, n + 1, 1);
    struct str aad = owner_bytes(owner, arena);
    if (!out || !aad.p)
        return ERR_NOMEM;
    memcpy(tag, p + sealed.n - TAG, TAG);
    enum err e = gcm(false, k, p + head, aad, (struct str){sealed.p + head + NONCE, n}, out, tag);
    if (e == ERR_OK)
        *ret = (struct str){(const char *)out, n};
    else
        OPENSSL_cleanse(out, n); /* what did not prove itself is not left lying about */
    return e;
}

/* ---- signing ---- */

static bool mac_by(const struct seal_key *k, struct str text, unsigned char out[SEAL_MAC_BYTES])
{
    unsigned int n = 0;
    return HMAC(EVP_sha256(), k->signing, SEAL_KEY_BYTES, (const unsigned char *)text.p, text.n,
                out, &n) != NULL &&
           n == SEAL_MAC_BYTES;
}

enum err seal_sign(const struct seal *s, struct str text, unsigned char ret[SEAL_MAC_BYTES])
{
    if (s->count == 0)
        return ERR_NOT_CONFIGURED;
    return mac_by(&s->keys[0], text, ret) ? ERR_OK : ERR_INTERNAL;
}

bool seal_signed(const struct seal *s, struct str text, const unsigned char mac[SEAL_MAC_BYTES])
{
    unsigned char own[SEAL_MAC_BYTES];
    bool ok = false;

    for (int32_t i = 0; i < s->count; i++)
        ok |= mac_by(&s->keys[i], text, own) && CRYPTO_memcmp(own, mac, sizeof own) == 0;
    return ok;
}

void seal_sha256(struct str text, unsigned char ret[32])
{
    unsigned int n = 0;
    int ok = EVP_Digest(text.p, text.n, ret, &n, EVP_sha256(), NULL);
    ASSERT(ok == 1 && n == 32);
}
