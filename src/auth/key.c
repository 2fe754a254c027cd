#include "auth/key.h"

#include "auth/jwt.h"
#include "base/assert.h"
#include "base/civil.h"
#include "base/rng.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>

enum { ID_BYTES = 10, SECRET_BYTES = 32 };

static const char id_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

bool key_split(struct str text, struct str *ret_id, struct str *ret_secret)
{
    unsigned char secret[KEY_SECRET_LEN];
    size_t n;

    if (text.n != KEY_LEN || !str_starts(text, STR("dpl_")) || text.p[4 + KEY_ID_LEN] != '_')
        return false;
    for (size_t i = 4; i < 4 + KEY_ID_LEN; i++)
        if (!text.p[i] || !strchr(id_digits, text.p[i]))
            return false;
    *ret_id = (struct str){text.p + 4, KEY_ID_LEN};
    *ret_secret = (struct str){text.p + 4 + KEY_ID_LEN + 1, KEY_SECRET_LEN};
    bool ok = base64url_decode(*ret_secret, secret, &n) == ERR_OK;
    OPENSSL_cleanse(secret, sizeof secret);
    return ok;
}

/* A digest context per thread: making one costs more than hashing a key. */
static pthread_key_t context_key;
static pthread_once_t context_once = PTHREAD_ONCE_INIT;

static void context_free(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void context_key_make(void)
{
    ASSERT(pthread_key_create(&context_key, context_free) == 0);
}

bool sha256(struct str text, uint8_t ret[32])
{
    pthread_once(&context_once, context_key_make);
    EVP_MD_CTX *ctx = pthread_getspecific(context_key);
    if (!ctx) {
        ctx = EVP_MD_CTX_new();
        if (!ctx || pthread_setspecific(context_key, ctx) != 0) {
            EVP_MD_CTX_free(ctx);
            return false;
        }
    }
    return EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(ctx, text.p, text.n) == 1 && EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
}

static void id_print(const unsigned char bytes[ID_BYTES], char out[KEY_ID_LEN])
{
    uint32_t bits = 0;
    int have = 0, n = 0;

    for (int i = 0; i < ID_BYTES; i++) {
        bits = (bits << 8 | bytes[i]) & 0xffff;
        for (have += 8; have >= 5; have -= 5)
            out[n++] = id_digits[bits >> (have - 5) & 31];
    }
    ASSERT(n == KEY_ID_LEN && have == 0);
}

enum err key_create(struct store_conn *conn, const struct key_spec *spec, int64_t now_us,
                    char ret_text[KEY_TEXT_MAX])
{
    unsigned char random[ID_BYTES + SECRET_BYTES];
    char text[KEY_LEN + 1];
    uint8_t hash[32];

    if (spec->scopes == 0 || spec->name.n > KEY_NAME_MAX || spec->learner.n > KEY_LEARNER_MAX ||
        (spec->learner.p && spec->learner.n == 0) ||
        (spec->expires_at != TIME_NONE && spec->expires_at <= now_us))
        return ERR_RANGE;
    random_bytes(random, sizeof random);
    memcpy(text, "dpl_", 4);
    id_print(random, text + 4);
    text[4 + KEY_ID_LEN] = '_';
    base64url_encode(random + ID_BYTES, SECRET_BYTES, text + 4 + KEY_ID_LEN + 1);
    text[KEY_LEN] = '\0';
    OPENSSL_cleanse(random, sizeof random);
    if (!sha256((struct str){text + 4 + KEY_ID_LEN + 1, KEY_SECRET_LEN}, hash))
        return ERR_NOMEM;
    const struct value args[] = {
        V_S(((struct str){text + 4, KEY_ID_LEN})),
        V_B(((struct str){(const char *)hash, sizeof hash})),
        V_I((int64_t)spec->scopes),
        v_text(spec->learner),
        V_S(spec->name.p ? spec->name : STR("")),
        V_I(now_us),
        v_time(spec->expires_at),
    };
    struct bulk put = {.stmt = STMT_API_KEY_PUT, .rows = 1, .cols = COUNT(args), .v = args};
    enum err e = store_write(conn, &put, 1);
    if (e == ERR_OK)
        memcpy(ret_text, text, sizeof text);
    OPENSSL_cleanse(text, sizeof text);
    return e;
}

enum err key_revoke(struct store_conn *conn, struct str key_id, int64_t now_us)
{
    const struct value args[] = {V_S(key_id), V_I(now_us)};
    struct bulk revoke = {.stmt = STMT_API_KEY_REVOKE, .rows = 1, .cols = COUNT(args), .v = args};
    enum err e = store_write(conn, &revoke, 1);

    return e == ERR_OK && revoke.changed == 0 ? ERR_NOT_FOUND : e;
}
