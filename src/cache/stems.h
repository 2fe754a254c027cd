/* stems - what many keys have in common, kept once.
 *
 * "get_study_time|a2|{"days":30}|learner=" begins the key of every learner's answer to that
 * question: of what an entry takes it would be a good part. A stem that has come a few times gets a
 * number; keys with it are kept as that number and their rest. Numbers stay as long as the cache,
 * so there is a bound, and what comes later is kept whole.
 *
 * Any thread, no lock. Room-internal. */
#pragma once
#include "base/str.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
    STEMS_MAX = 1024, /* a power of two */
    STEM_TEXT_MAX = 255
};

struct stem {
    uint64_t hash;
    uint8_t n;
    char text[];
};
/* Zeroed is empty. */
struct stems {
    _Atomic(struct stem *) places[STEMS_MAX];
    _Atomic uint32_t
        tries[STEMS_MAX]; /* by who wanted a place there last: fingerprint, and times */
};
void stems_fini(struct stems *s);
/* The number of that key's stem, 1..STEMS_MAX; 0: it has none, or none that is kept. */
uint16_t stem_of(struct stems *s, struct str key);
static inline struct str stem_text(const struct stems *s, uint16_t number)
{
    const struct stem *stem = atomic_load_explicit(&s->places[number - 1], memory_order_acquire);

    return (struct str){stem->text, stem->n};
}
