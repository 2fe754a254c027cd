/* weights - the shared weights of twin/struggle.h, as this process read or wrote them last.
 *
 * Slots are hashes, so the few thousand that a run wants lie on nearly every page of their table.
 * Here they are at hand, and only those that nobody asked for yet are read.
 *
 * What is kept is true for one count of outcomes that the weights have learnt from: it stands in
 * struggle_shared, and who writes weights raises it in the same transaction. A run begins by
 * reading the count. When it is greater than the one that is kept, somebody else wrote, and all is
 * forgotten; a run with a smaller one was overtaken, and reads the store. What a run of this
 * process wrote comes in after its commit. Any thread. */
#pragma once
#include "store/store.h"
#include "twin/struggle.h"

struct weights;
/* 6 MiB, taken from the system as they are filled. `bits` as of the model. ERR_NOMEM. */
MUST_CHECK enum err weights_new(int bits, struct weights **ret);
void weights_free(struct weights *w); /* NULL is fine */

/* Loads those of the slots (V_INT) that are known for this count into the model; the others go to
 * ret_others, which has room for all, in the same order. Returns how many these are. */
MUST_CHECK enum err weights_load(struct weights *w, int64_t outcomes, const struct value *slots,
                                 int32_t count, struct struggle_model *m, struct value *ret_others,
                                 int32_t *ret_count);
/* The store was asked for these slots by a run with that count; rows: slot and state, where there
 * is one. */
void weights_keep(struct weights *w, int64_t outcomes, const struct value *slots, int32_t count,
                  const struct rows *rows);
/* A transaction raised the count to `outcomes`, by `learnt`, and wrote these pairs of slot and
 * state.
 */
void weights_written(struct weights *w, int64_t outcomes, int64_t learnt, const struct value *pairs,
                     int32_t count);
