/* weights - the shared weights of twin/struggle.h, which this process has at hand.
 *
 * Slots are hashes, so the few thousand that a run wants lie all over; and 40 answers move a
 * thousand of them. So the store has no row for each: a run adds what it moved, as a row or a few
 * (learnt_weights), numbered by the count of outcomes that the weights have learnt from. The run
 * raises that count in the same transaction, and PostgreSQL holds its row until the commit, so rows
 * become visible in the order of their numbers, and whoever has all up to one number need only read
 * those behind it. That is how a process hears of what others learnt, and of what it learnt itself:
 * nothing is kept that was not read from the store.
 *
 * When the rows have grown to several times the weights, all are written as they are up to a number
 * and the rows up to it are dropped: at night, or, where no nights are done, by who finds very
 * many. Any thread. */
#pragma once
#include "store/store.h"
#include "twin/struggle.h"

enum {
    WEIGHTS_PART = 4096,          /* slots of a row at most */
    WEIGHTS_TAIL_NIGHT = 1 << 17, /* slots in rows of runs, from which on they are put together */
    WEIGHTS_TAIL_MAX = 1 << 19,
};

struct weights;
/* 6 MiB, taken from the system as they are filled. `bits` as of the model. ERR_NOMEM. */
MUST_CHECK enum err weights_new(int bits, struct weights **ret);
void weights_free(struct weights *w); /* NULL is fine */

/* Reads what came since, if this count of outcomes says that something did. Errors are the store's.
 */
MUST_CHECK enum err weights_catch_up(struct weights *w, struct store_conn *conn, int64_t outcomes);
/* Loads those of the slots that were ever moved into the model. ERR_NOMEM. */
MUST_CHECK enum err weights_load(struct weights *w, const uint32_t *slots, int32_t count,
                                 struct struggle_model *m);

/* ---- to be written ---- */

/* The model's weights of these ascending slots, as rows of learnt_weights_add. Slots less than one
 * part: one row. ERR_NOMEM: the arena. */
MUST_CHECK enum err weights_moved(const struct struggle_model *m, const uint32_t *slots,
                                  int32_t count, struct arena *arena, struct value **ret,
                                  int32_t *ret_rows);
/* How many slots stand in rows of runs. */
int64_t weights_tail(struct weights *w);
/* All that is at hand, as rows of learnt_weights_put_whole; the rows up to that number are then to
 * be dropped first (learnt_weights_drop: one value). The values live as long as the arena, but are
 * not of its size. */
MUST_CHECK enum err weights_whole(struct weights *w, struct arena *arena, struct value **ret,
                                  int32_t *ret_rows, struct value **ret_number);
