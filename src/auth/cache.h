/* cache - credentials that were checked lately: SHA-256 of the whole credential to a principal.
 *
 * Bounded: 64 shards with a lock each, sets of 8 entries; a full set gives up what expires first.
 * The digest is compared without telling by time how much of it agreed. */
#pragma once
#include "auth/auth.h"

enum { CREDENTIAL_DIGEST = 32, CREDENTIAL_NAME_MAX = 160, CREDENTIAL_LEARNER_MAX = 128 };

struct credential_cache;

/* entries_max: rounded down to a power of two, at least 512. */
MUST_CHECK enum err credential_cache_new(int32_t entries_max, struct credential_cache **ret);
void credential_cache_free(struct credential_cache *c);
/* False: not known, or not any more. Text is copied to the arena; on want of memory also false. */
bool credential_cache_get(struct credential_cache *c, const uint8_t digest[CREDENTIAL_DIGEST],
                          int64_t now_us, struct arena *arena, struct principal *ret);
void credential_cache_put(struct credential_cache *c, const uint8_t digest[CREDENTIAL_DIGEST],
                          int64_t now_us, int64_t until_us, const struct principal *who);
void credential_cache_clear(struct credential_cache *c);
