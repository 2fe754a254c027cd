/* apply - a group of events, in a transaction. Inside of ingest. */
#pragma once
#include "ingest/ingest.h"

struct apply_item {
    const struct event *event;
    struct ingest_result *result; /* from apply_prepare(); the status is filled */
};

/* Checks each event and gives those without an id one; the text of that lives in the arena. Refused
 * ones are marked so, and applier_run() leaves them alone. No store: any thread. ERR_NOMEM. */
MUST_CHECK enum err apply_prepare(const struct event *events, int32_t count, int64_t now_us,
                                  struct arena *arena, struct ingest_result *results);
/* In a transaction of its own; where commits are split, store_sync() is still to come. On error nothing is stored and the statuses mean nothing; the same
 * items may be run again. ret_commit_us: what the commit alone took. */
MUST_CHECK enum err applier_run(struct applier *a, const struct apply_item *items, int32_t count,
                                int64_t now_us, int64_t *ret_commit_us);
/* Whose data the last run changed. Valid until the next one. */
const struct ingest_change *applier_changed(const struct applier *a, int32_t *ret_count);
/* The learner's zone as its sums see it; UTC, with a word in the log, when it cannot be read. */
struct zone;
const struct zone *apply_zone(struct str name);
