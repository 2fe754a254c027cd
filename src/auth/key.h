/* key - the text of an API key: "dpl_" id(16, a-z2-7) "_" secret(43, base64url of 32 bytes). */
#pragma once
#include "auth/auth.h"

enum { KEY_ID_LEN = 16, KEY_SECRET_LEN = 43, KEY_LEN = 4 + KEY_ID_LEN + 1 + KEY_SECRET_LEN };

/* False: not of that form. */
bool key_split(struct str text, struct str *ret_id, struct str *ret_secret);
/* SHA-256; false when the library fails (out of memory). */
bool sha256(struct str text, uint8_t ret[32]);
