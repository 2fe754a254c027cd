/* ahead - whose answers are to be made again: learners who were written to, for whom somebody had
 * asked.
 *
 * The writers put a learner here after each commit; whoever makes answers takes him. He stands here
 * once, however often he is written to. Nothing waits for anything: where the queue is full he is
 * left out, and his answers are made when they are asked for. Writes of learners for whom nobody
 * asks cost a look at one bit.
 *
 * Any thread, but for ahead_take(): one at a time. */
#pragma once
#include "base/str.h"

#include <stdint.h>

enum {
    AHEAD_QUEUE = 256,    /* learners who wait */
    AHEAD_NAME_MAX = 128, /* longer ids are left out */
    AHEAD_MARKS = 1 << 18 /* bits: 32 KiB, touched as they are used */
};

struct ahead;
MUST_CHECK enum err ahead_new(struct ahead **ret);
void ahead_free(struct ahead *a); /* NULL is fine */
/* Called by the writers when there is somebody and nobody is at it: then the callee, or whom it
 * tells, takes until ahead_take() returns false. wake false: it could not; those who wait are let
 * go. fn NULL: nobody takes. */
void ahead_listen(struct ahead *a, bool (*wake)(void *user), void *user);

/* Somebody asks for answers about this learner (the hash of his TAG_LEARNER). */
void ahead_mark(struct ahead *a, uint64_t learner);
void ahead_unmark(struct ahead *a, uint64_t learner); /* nothing is kept about him */
/* He was written to, and it is committed. */
void ahead_wrote(struct ahead *a, struct str name, uint64_t learner);
/* The one who waits longest; his name is not kept here. False: none, and from now on the next one
 * wakes. */
bool ahead_take(struct ahead *a, char name[AHEAD_NAME_MAX], size_t *ret_n);
void ahead_give_up(struct ahead *a); /* as if all had been taken */

struct ahead_stats {
    int64_t queued;             /* now */
    int64_t came, joined, full; /* were put here; stood here already; found no room, or no worker */
};
void ahead_stats(struct ahead *a, struct ahead_stats *ret);
