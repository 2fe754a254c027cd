/* apply - a group of events, in a transaction. Inside of ingest.
 *
 * A group is gathered in memory first, which needs no store, then run. On PostgreSQL most of a run
 * goes ahead of its answers, and while a writer waits for the commit it may gather the next group.
 */
#pragma once
#include "ingest/ingest.h"

struct apply_item {
    const struct event *event;
    struct ingest_result *result; /* from apply_prepare(); the status is filled */
};

/* Checks each event and gives those without an id one; the text of that lives in the arena. Refused
 * ones are marked so, and a run leaves them alone. No store: any thread. ERR_NOMEM. */
MUST_CHECK enum err apply_prepare(const struct event *events, int32_t count, int64_t now_us,
                                  struct arena *arena, struct ingest_result *results);
/* What is to go to the store, gathered: one run's. */
struct apply_group;
MUST_CHECK enum err apply_group_new(struct apply_group **ret);
void apply_group_free(struct apply_group *g);
/* Items and their events stay until the run is over. No store, and no run of this group meanwhile.
 * ERR_NOMEM. */
MUST_CHECK enum err apply_gather(struct apply_group *g, const struct apply_item *items,
                                 int32_t count, int64_t now_us);

/* A transaction of the group's own, up to its commit, which is on its way then; and the wait for
 * it. Where commits are split, store_sync() is still to come. On error, of either, nothing is
 * stored, the statuses mean nothing, and the items may be gathered and run again: ERR_CONFLICT can
 * mean that an event was there that was taken for new, and the next runs look first. ret_commit_us:
 * the wait. */
MUST_CHECK enum err applier_start(struct applier *a, struct apply_group *g);
MUST_CHECK enum err applier_finish(struct applier *a, struct apply_group *g,
                                   int64_t *ret_commit_us);
/* Whose data the run changed. Valid until the group is gathered anew. */
const struct ingest_change *apply_changed(const struct apply_group *g, int32_t *ret_count);
/* The learner's zone as its sums see it; UTC, with a word in the log, when it cannot be read. */
struct zone;
const struct zone *apply_zone(struct str name);
