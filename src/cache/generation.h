/* generation - is what was computed then still true now?
 *
 * A tag (a learner, a course, an endpoint, everything) has a number. Whoever computes an answer
 * takes a stamp of its tags' numbers before it reads the store; whoever commits a write raises the
 * written tags' numbers before it acknowledges. An answer is valid while its stamp equals the
 * numbers: no scan, no list of keys, and no race between a fill and a purge.
 *
 * Tags share a fixed table by hash. Two tags in one slot invalidate each other's answers, which
 * costs a recomputation and is never wrong; memory stays what it is for any number of learners. */
#pragma once
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum tag_kind {
    TAG_ALL,
    TAG_ENDPOINT,
    TAG_LEARNER, /* all that is stored of a learner */
    TAG_COURSE,
    TAG_SETTLED /* what is stored of a learner but for what events change: settings, results */
};
struct tag {
    enum tag_kind kind;
    uint64_t hash; /* of the name; the same on every node */
};
struct tag tag_of(enum tag_kind kind, struct str name); /* TAG_ALL: the name is not looked at */
#define TAG_EVERYTHING ((struct tag){TAG_ALL, 0})

enum { STAMP_TAGS_MAX = 4 };
struct stamp {
    uint64_t all; /* TAG_EVERYTHING's number */
    uint64_t numbers[STAMP_TAGS_MAX];
    uint32_t slots[STAMP_TAGS_MAX];
    int32_t n;
};

struct generations;
MUST_CHECK enum err generations_new(struct generations **ret); /* 2 MiB, touched as it is used */
void generations_free(struct generations *g);                  /* NULL is fine */
/* All of these: any thread, no lock. TAG_ALL belongs to every stamp and need not be named. A stamp
 * that is taken, or found valid, after generation_raise() has returned knows of it. */
void stamp_take(const struct generations *g, const struct tag *tags, int32_t n, struct stamp *ret);
bool stamp_valid(const struct generations *g, const struct stamp *s);

/* A stamp as answers keep it. Numbers only grow: while their sum is the same, each is. */
struct stamp_sum {
    uint64_t sum;
    uint32_t slots[STAMP_TAGS_MAX]; /* TAG_EVERYTHING's where there is no tag */
};
struct stamp_sum stamp_add_up(const struct stamp *s);
bool stamp_sum_valid(const struct generations *g, const struct stamp_sum *s);
void generation_raise(struct generations *g, struct tag tag);
