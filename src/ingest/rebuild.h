/* rebuild - the derived rows of a learner, made anew from the log. Inside of ingest. */
#pragma once
#include "store/store.h"

/* The derived tables: how their rows are listed, and dropped, for one learner. */
struct derived_table {
    const char *name;
    enum stmt rows, drop;
    int32_t keys; /* so many columns of a row are its key */
};
extern const struct derived_table derived_tables[]; /* ends in a row without a name */

/* Inside the transaction that is open; the learner's row is locked. totals.version goes up.
 * ret_events may be NULL. */
MUST_CHECK enum err rebuild_learner(struct store_conn *conn, int64_t learner_id, struct str zone,
                                    int64_t *ret_events);
/* ERR_NOT_FOUND. Locks the row where the engine can. The zone's text lives in the arena. */
MUST_CHECK enum err learner_lock(struct store_conn *conn, struct arena *arena,
                                 struct str external_id, int64_t *ret_id, struct str *ret_zone);
