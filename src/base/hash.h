/* hash - a keyed hash for tables, and the table.
 *
 * The key is random per process, so that a client cannot choose colliding ids (XXH3, seeded). Not
 * for secrets and not stable between runs; hash_stable() is stable and unkeyed. */
#pragma once
#include "base/arena.h"

#include <stdint.h>

uint64_t hash_bytes(const void *p, size_t n);
static inline uint64_t hash_str(struct str s)
{
    return hash_bytes(s.p, s.n);
}
uint64_t hash_stable(const void *p, size_t n);

/* Text to pointer, open addressing, grows in an arena. Keys are borrowed and must outlive the map.
 */
struct strmap {
    struct arena *arena;
    struct strmap_slot *slots;
    uint32_t count, mask;
};

void strmap_init(struct strmap *m, struct arena *arena);
void *strmap_get(const struct strmap *m, struct str key); /* NULL: absent */
/* The value's place for this key, made (holding NULL) when absent. NULL: out of memory. */
void **strmap_slot(struct strmap *m, struct str key);
