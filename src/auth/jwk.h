/* jwk - what the two halves of jwt.h share: a key as it lies in memory. */
#pragma once
#include "auth/jwt.h"

#include <openssl/evp.h>

struct jwt_key {
    EVP_PKEY *pkey;
    enum jwt_alg alg; /* the only one that this key verifies */
    size_t kid_n;     /* 0: none */
    char kid[JWT_KID_MAX];
};

struct jwt_keys {
    struct jwt_key keys[JWT_KEYS_MAX];
    int32_t count;
};
