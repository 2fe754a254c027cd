/* generation - is what was computed then still true now?
 *
 * A tag (a learner, a course, an endpoint, everything) has a number. Whoever computes an answer
 * takes a stamp of its tags' numbers before it reads the store; whoever commits a write raises the
 * written tags' numbers before it acknowledges. An answer is valid while its stamp equals the
 * numbers: no scan, no list of keys, and no race between a fill and a purge.
 *
 * A learner has a number for each group of tables (src/sql/groups). A write raises those of the
 * groups that it wrote to, and an answer depends on those of the groups that it was read from; that
 * is not known before it is finished, so its stamp is taken of all and cut down then.
 *
 * Tags share a fixed table by hash. Two tags in one place invalidate each other's answers, which
 * costs a recomputation and is never wrong; memory stays what it is for any number of learners. */
#pragma once
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum tag_kind {
    TAG_ALL,
    TAG_ENDPOINT,
    TAG_LEARNER, /* what events change of a learner: TAG_EVENT_GROUPS */
    TAG_COURSE,
    TAG_SETTLED /* all else that is stored of a learner: settings, results */
};
struct tag {
    enum tag_kind kind;
    uint64_t hash; /* of the name; the same on every node; TAG_SETTLED's is TAG_LEARNER's */
};
struct tag tag_of(enum tag_kind kind, struct str name); /* TAG_ALL: the name is not looked at */
#define TAG_EVERYTHING ((struct tag){TAG_ALL, 0})

enum { TAG_GROUPS = 16, TAG_GROUPS_ALL = (1 << TAG_GROUPS) - 1 };
extern const uint32_t tag_event_groups; /* STMT_GROUP_*: those that ingest writes */

enum { STAMP_TAGS_MAX = 3 };
struct stamp {
    uint32_t all; /* TAG_EVERYTHING's number */
    int32_t n;
    uint32_t places[STAMP_TAGS_MAX];
    uint16_t groups[STAMP_TAGS_MAX]; /* 1: a tag without groups */
    uint32_t numbers[STAMP_TAGS_MAX][TAG_GROUPS];
};

struct generations;
MUST_CHECK enum err generations_new(struct generations **ret); /* 4 MiB, touched as it is used */
void generations_free(struct generations *g);                  /* NULL is fine */
/* All of these: any thread, no lock. TAG_ALL belongs to every stamp and need not be named; either
 * tag of a learner stands for all of his groups. A stamp that is taken, or found valid, after
 * generation_raise() has returned knows of it. */
void stamp_take(const struct generations *g, const struct tag *tags, int32_t n, struct stamp *ret);
bool stamp_valid(const struct generations *g, const struct stamp *s);

/* A stamp as answers keep it. Numbers only grow: while their sum is the same, each is (it comes
 * round after 2^32 raises, as they do). */
struct stamp_sum {
    uint32_t sum;
    uint16_t places[STAMP_TAGS_MAX];
    uint16_t groups[STAMP_TAGS_MAX];
};
/* Without these groups of the learner's. */
struct stamp_sum stamp_add_up(const struct stamp *s, uint32_t without);
bool stamp_sum_valid(const struct generations *g, const struct stamp_sum *s);

void generation_raise(struct generations *g, struct tag tag);
void generation_raise_groups(struct generations *g, struct tag learner, uint32_t groups);
