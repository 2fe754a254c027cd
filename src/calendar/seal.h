/* seal - secrets at rest: what opens a learner's calendars (tokens, passwords, private addresses).
 *
 * AES-256-GCM by OpenSSL. A sealed text is bound to whose it is and what for: the additional data
 * hold the learner and the purpose, so that a row copied to another learner does not open. Layout:
 *
 *     1 byte form (1) | 1 byte length of the key's id | id | 12 bytes nonce | text | 16 bytes tag
 *
 * The setting lists the keys, "ID:BASE64,ID:BASE64": the first seals, all of them open; so a key is
 * changed by putting a new one in front, and dropped when nothing is sealed with it any more.
 * From each, HKDF-SHA256 (RFC 5869) makes one key for sealing and one for signing. */
#pragma once
#include "base/arena.h"

#include <stdint.h>

enum {
    SEAL_KEYS_MAX = 8,
    SEAL_ID_MAX = 16, /* bytes of a key's id: letters, digits, - and _ */
    SEAL_KEY_BYTES = 32,
    SEAL_TEXT_MAX = 16384,
    SEAL_MAC_BYTES = 32,
};

struct seal_key {
    char id[SEAL_ID_MAX];
    size_t id_n;
    unsigned char sealing[SEAL_KEY_BYTES], signing[SEAL_KEY_BYTES];
};

struct seal {
    struct seal_key keys[SEAL_KEYS_MAX];
    int32_t count; /* 0: nothing can be sealed */
};

/* "" gives no keys. ERR_RANGE: ret_detail (200 bytes) says what is wrong, without the key. */
MUST_CHECK enum err seal_init(struct seal *s, struct str setting, char *ret_detail);
void seal_fini(struct seal *s); /* wipes the keys */

/* What a sealed text belongs to. */
struct seal_owner {
    struct str learner; /* external id */
    const char *purpose;
};

/* In the arena. ERR_NOT_CONFIGURED: there is no key. ERR_RANGE: longer than SEAL_TEXT_MAX. */
MUST_CHECK enum err seal_close(const struct seal *s, const struct seal_owner *owner,
                               struct str text, struct arena *arena, struct str *ret);
/* ERR_NOT_CONFIGURED: its key is not among ours. ERR_UNAUTHORIZED: not this owner's, or damaged. */
MUST_CHECK enum err seal_open(const struct seal *s, const struct seal_owner *owner,
                              struct str sealed, struct arena *arena, struct str *ret);

/* HMAC-SHA256 with the first key. ERR_NOT_CONFIGURED. */
MUST_CHECK enum err seal_sign(const struct seal *s, struct str text,
                              unsigned char ret[SEAL_MAC_BYTES]);
/* By any of the keys; in constant time. */
bool seal_signed(const struct seal *s, struct str text, const unsigned char mac[SEAL_MAC_BYTES]);

void seal_sha256(struct str text, unsigned char ret[32]);
