/* Tokens and key sets from strangers. The first byte chooses: a token against keys of all kinds
 * (made once), or a set of keys to be read, against which the rest of the input is tried. Nobody
 * who does not hold a key may get a token through. */
#include "auth/jwt.h"

#include <openssl/evp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char set[] =
    "{\"keys\":["
    "{\"kty\":\"oct\",\"k\":\"YSBzZWNyZXQgdGhhdCBubyBmdXp6ZXIgd2lsbCBldmVyIGd1ZXNz\"},"
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"e\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kty\":\"RSA\",\"kid\":\"r\",\"e\":\"AQAB\",\"n\":"
    "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78"
    "LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-"
    "5JsGY4Hc5n9yBXArwl9"
    "3lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
    "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOp"
    "bISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
    "kEgU8awapJzKnq"
    "DKgw\"}]}";

static enum err try_token(const struct jwt_keys *keys, struct str token)
{
    const struct jwt_rules rules = {.now_s = 1700000000, .leeway_s = 30, .audience = STR("a")};
    struct jwt_claims claims;
    const char *reason = NULL;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    enum err e = jwt_verify(keys, token, &rules, &arena, &claims, &reason);
    if ((e == ERR_UNAUTHORIZED) != (reason != NULL))
        abort();
    arena_fini(&arena);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct jwt_keys *keys;
    char detail[200];

    if (!keys && (jwt_keys_new(&keys) != ERR_OK ||
                  jwt_keys_add_set(keys, str_from(set), detail) != ERR_OK || jwt_keys_count(keys) != 4))
        abort();
    if (size < 1)
        return 0;
    struct str text = {(const char *)data + 1, size - 1};
    if (data[0] & 1) {
        if (try_token(keys, text) == ERR_OK)
            abort();
        return 0;
    }
    struct jwt_keys *theirs;
    if (jwt_keys_new(&theirs) != ERR_OK)
        return 0;
    enum err e = data[0] & 2 ? jwt_keys_add_set(theirs, text, detail)
                             : jwt_keys_add_text(theirs, text, detail);
    if ((e == ERR_OK) != (jwt_keys_count(theirs) > 0) && e == ERR_OK)
        abort();
    (void)!try_token(theirs, text);
    jwt_keys_free(theirs);
    return 0;
}
