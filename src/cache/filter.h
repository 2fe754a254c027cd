/* filter - which learners are there? A Bloom filter (Bloom 1970) that keeps nonsense ids from the
 * store.
 *
 * "No" is certain once the filter is complete; "yes" may be wrong (about 1 in 100 at its capacity),
 * and then the store is asked as before. Erased learners stay in it until it is next rebuilt.
 *
 * Its element is a tag's hash, tag_of(TAG_LEARNER, id).hash: what nodes tell each other. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { FILTER_EXPECTED_MAX = 1 << 30 }; /* 1.5 GiB; more are taken in less sharply */

struct filter;
/* Empty and incomplete: everything may be there. */
MUST_CHECK enum err filter_new(struct filter **ret);
void filter_free(struct filter *f); /* NULL is fine */
/* A rebuild, by one thread at a time: begin with the number expected (a tenth more is made room
 * for), then read all there are and add them, then end. Adds from other threads that happen
 * meanwhile go into both. Until the first end filter_may_have() says true. When adds exceed the
 * room, it says so by filter_is_full() and goes on being right, less sharply. */
MUST_CHECK enum err filter_rebuild_begin(struct filter *f, int64_t expected);
void filter_rebuild_add(struct filter *f, uint64_t hash);
/* complete = false: given up; the former one stays. */
void filter_rebuild_end(struct filter *f, bool complete);
/* Any thread. After the learner is committed and before that is acknowledged: a rebuild then either
 * takes this, or begins later and reads it. */
void filter_add(struct filter *f, uint64_t hash);
bool filter_may_have(struct filter *f, uint64_t hash); /* any thread, no lock */
/* Others may have added: everything may be there, until a rebuild that begins after this has ended.
 */
void filter_forget(struct filter *f);
bool filter_is_full(struct filter *f);
struct filter_stats {
    int64_t bits, added; /* of the one in use; an id added twice mostly counts once */
    bool complete;
};
void filter_stats(struct filter *f, struct filter_stats *ret);
