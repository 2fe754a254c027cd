/* export - everything that is stored about one learner, as one JSON object, in pieces.
 *
 * The same text for GET /api/analytics/export and for `doppel export`. Constant memory: rows are
 * written as they are read. */
#pragma once
#include "store/store.h"

struct export_sink {
    enum err (*write)(void *user, const void *p, size_t n); /* other than ERR_OK ends the export */
    void *user;
};

/* `learner`: the external id. ERR_NOT_FOUND: before anything is written. The pieces together are
 * one JSON object only when ERR_OK is returned. */
MUST_CHECK enum err export_write(struct store_conn *conn, struct str learner, int64_t now_us,
                                 const struct export_sink *sink);
