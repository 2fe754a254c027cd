/* filter - which learners are there? A Bloom filter (Bloom 1970) that keeps nonsense ids from the
 * store.
 *
 * "No" is certain once the filter is complete; "yes" may be wrong (about 1 in 100 at its capacity),
 * and then the store is asked as before. Erased learners stay in it until it is next rebuilt. */
#pragma once
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct filter;
MUST_CHECK enum err
filter_new(struct filter **ret); /* empty and incomplete: everything may be there */
void filter_free(struct filter *f);
/* A rebuild: begin with the number expected (a tenth more is made room for), add all, commit. Adds
 * from other threads that happen meanwhile go into both. Until the first commit filter_may_have()
 * says true. When adds exceed the room, it says so by filter_is_full() and goes on being right,
 * less sharply. */
MUST_CHECK enum err filter_rebuild_begin(struct filter *f, int64_t expected);
void filter_rebuild_add(struct filter *f, struct str id);
void filter_rebuild_end(struct filter *f,
                        bool complete);           /* false: given up; the former one stays */
void filter_add(struct filter *f, struct str id); /* any thread, also before it is acknowledged */
bool filter_may_have(const struct filter *f, struct str id); /* any thread, no lock */
void filter_forget(
    struct filter *f); /* others may have added: everything may be there, until rebuilt */
bool filter_is_full(const struct filter *f);
struct filter_stats {
    int64_t bits, added;
    bool complete;
};
void filter_stats(const struct filter *f, struct filter_stats *ret);
