/* export - everything that is stored about one learner, in pieces.
 *
 * The same text for GET /api/analytics/export and for `doppel export`. Constant memory: rows are
 * written as they are read. Each table is read as of one moment, the tables one after the other.
 *
 * JSON: one object whose last member is "contentHash", the SHA-256 of all bytes before the comma
 * in front of it. Lines (NDJSON): {"type":"export",…}, then {"table":…,"row":{…}} for each row,
 * last {"type":"end",…} with the SHA-256 of all bytes of the lines before. */
#pragma once
#include "store/store.h"

enum { EXPORT_VERSION = 1 }; /* of the form: raised when a member changes its meaning */

struct export_sink {
    enum err (*write)(void *user, const void *p, size_t n); /* other than ERR_OK ends the export */
    void *user;
    bool lines; /* false: one JSON object */
};

/* `learner`: the external id. ERR_NOT_FOUND: before anything is written. The pieces together are
 * whole only when ERR_OK is returned. */
MUST_CHECK enum err export_write(struct store_conn *conn, struct str learner, int64_t now_us,
                                 const struct export_sink *sink);
