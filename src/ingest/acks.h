/* acks - tells groups that they are on disk, while their writer runs the next. Inside of ingest.
 *
 * One thread takes all that was committed meanwhile, syncs once, and tells it in the order of the
 * commits. How that keeps what is told: store/sqlite_sync.c, store/postgres_sync.h. */
#pragma once
#include "store/store.h"

struct ack { /* a part of what it tells */
    struct ack *next;
    int64_t mark;
    void (*told)(struct ack *a, enum err e); /* on the thread; `a` may be gone afterwards */
};

struct acks;
/* For a connection with split commits, which outlives it. ERR_NOMEM: also when no thread can be
 * made. */
MUST_CHECK enum err acks_new(struct store_conn *conn, struct acks **ret);
/* After the commit; by the connection's thread. */
void acks_add(struct acks *s, struct ack *a);
/* Tells what was added, and ends the thread. Idempotent. */
void acks_stop(struct acks *s);
void acks_free(struct acks *s); /* stops first; NULL is fine */

struct acks_stats {
    int64_t syncs, sync_us_total;
    bool failed; /* the disk failed, nothing can be written until the process is restarted */
};
/* Any thread. */
void acks_stats(struct acks *s, struct acks_stats *ret);
