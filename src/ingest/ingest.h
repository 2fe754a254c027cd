/* ingest - from events to rows: the queue, the group commit, and the sums.
 *
 * Batches are queued; a writer gathers what is there (at most group_events, waiting at most
 * group_wait_us for more) into one transaction, and tells each batch after the commit. SQLite has
 * one writer; PostgreSQL several, each owning a hash range of learners, so that one learner's
 * events are applied in order. Whatever is acknowledged is on disk, together with the sums it
 * changed; a writer fills the next transaction while the disk takes the last.
 *
 * Applying is order-free: the rows after any order of arrival, with any duplicates, equal those of
 * ingest_rebuild(). docs/events.md has the rules. */
#pragma once
#include "ingest/event.h"
#include "store/store.h"

enum ingest_status { INGEST_ACCEPTED, INGEST_DUPLICATE, INGEST_REJECTED };

struct ingest_result {
    enum ingest_status status;
    struct str id;      /* the event's id, also one that was made here */
    const char *code;   /* of a rejection */
    const char *field;  /* of a rejection; may be "" */
    const char *reason; /* of a rejection */
};

/* Belongs to the submitter, who keeps it, and all text in it, until done() is called. */
struct ingest_batch {
    const struct event *events;
    int32_t count;
    struct ingest_result *results; /* `count` of them, filled before done() */
    size_t bytes;                  /* about how much memory it holds, for the queue's bound */
    /* On a thread of ingest's, after the commit is on disk, or after failure. ERR_OK: see results.
     * Otherwise nothing of the batch is stored (ERR_STORAGE_FULL, ERR_STORE_DOWN, ERR_DEADLINE, …;
     * after ERR_NOT_READY it may be, as after a lost connection). With several writers a
     * batch of several learners may be stored in part: it is ERR_OK then, and each event that is
     * not stored is rejected with the failure's code. Sending an event again is always safe. */
    void (*done)(struct ingest_batch *b, enum err e);
    void *user;
    struct arena arena; /* the results' text: begun by the submitter with its cap, and ended */
};

/* What a commit has changed of a learner's. */
struct ingest_change {
    struct str learner; /* external id */
    uint32_t groups;    /* STMT_GROUP_* */
};

struct ingest_options {
    int32_t writers; /* 1 on SQLite; 1..16 on PostgreSQL */
    int32_t queue_events_max;
    int64_t queue_bytes_max;
    int32_t group_events;  /* per transaction */
    int32_t group_wait_us; /* 0: take what is there */
    /* After each commit and before done(), on the writer thread: whose data changed. For caches.
     * Readers see the commit already; the disk has it by the time of done(). May be NULL. */
    void (*on_commit)(void *user, const struct ingest_change *changes, int32_t n);
    void *user;
};

struct ingest_stats {
    int64_t accepted, duplicates, rejected, batches, transactions, failed;
    int64_t queued_events, queued_bytes, refused;
    int64_t commit_us_total, group_events_max;
    int64_t syncs, sync_us_total; /* of a log that is synced apart from the commits */
    bool disk_failed; /* a sync failed: all is refused (ERR_NOT_READY) until the process restarts */
};

struct ingest;
MUST_CHECK enum err ingest_new(struct store *store, const struct ingest_options *options,
                               struct ingest **ret);
/* ERR_BUSY: the queue is full or stopping (503 with Retry-After). Any thread. */
MUST_CHECK enum err ingest_submit(struct ingest *in, struct ingest_batch *b);
void ingest_stats(const struct ingest *in, struct ingest_stats *ret);
/* Finishes what is queued and ends the writers; what is submitted later is ERR_BUSY. Idempotent. */
void ingest_stop(struct ingest *in);
void ingest_free(struct ingest *in); /* stops first; NULL is fine */

/* The same step without the queue, for importers: one transaction on a writer connection that the
 * caller owns. Results' text lives in `arena`. */
struct applier; /* scratch memory of one writer */
MUST_CHECK enum err applier_new(struct store_conn *conn, struct applier **ret);
void applier_free(struct applier *a);
MUST_CHECK enum err applier_apply(struct applier *a, const struct event *events, int32_t count,
                                  int64_t now_us, struct arena *arena,
                                  struct ingest_result *results);

/* Events as a part of the transaction that is open, a task's: whoever opened it commits it and tells
 * the caches. An error spoils the transaction; a rejected event does not. */
MUST_CHECK enum err ingest_within(struct store_conn *conn, const struct event *events,
                                  int32_t count, int64_t now_us, struct arena *arena,
                                  struct ingest_result *results);

/* Recomputes every derived row of one learner (external id) or of all ({NULL,0}) from the log, each
 * learner in a transaction of its own. With `verify`, changes nothing and counts the rows that
 * differ instead. */
struct rebuild_report {
    int64_t learners, events, differing_rows;
    char first_difference[200];
};
MUST_CHECK enum err ingest_rebuild(struct store_conn *conn, struct str learner, bool verify,
                                   struct rebuild_report *ret);

/* The next three take part in the transaction that is open (a task's), or make one of their own. */

/* Refused events kept for later. The body is the event's JSON, cut at 32 KiB. Bounded: the oldest
 * beyond rows_max go. */
struct quarantine_row {
    int64_t quarantine_id, received_at;
    struct str source, code, field, reason, body;
};
MUST_CHECK enum err quarantine_put(struct store_conn *conn, const struct quarantine_row *rows,
                                   int32_t n, int32_t rows_max);

/* Takes everything of a learner out, in one transaction: log, sums, profile, consents,
 * keys, calendars, planned sessions, refused events that name the learner. ERR_NOT_FOUND. ret_rows: how many rows went. */
MUST_CHECK enum err learner_erase(struct store_conn *conn, struct str external_id,
                                  int64_t *ret_rows);
/* The same but for the learner's settings, consents, keys and calendars: what is left when the learner
 * withdraws from analysis. */
MUST_CHECK enum err learner_forget(struct store_conn *conn, struct str external_id,
                                   int64_t *ret_rows);
/* Finds or makes the learner; zone {NULL,0} leaves it as it is. A changed zone rebuilds the sums in
 * the same transaction. ERR_NOT_FOUND: unknown zone. */
MUST_CHECK enum err learner_put(struct store_conn *conn, struct str external_id, struct str zone,
                                int64_t now_us, int64_t *ret_learner_id);

/* Work for a writer thread that is not an event (profile, keys, erasure, quarantine): runs between
 * two groups, in order, in a transaction of its own, and is told after the commit. */
struct ingest_task {
    /* Inside the transaction. Run again when that was lost to a deadlock or a broken connection. */
    enum err (*run)(struct ingest_task *t, struct store_conn *conn);
    void (*done)(struct ingest_task *t, enum err e); /* after commit or rollback */
    struct str learner; /* whose data changes, {NULL,0} none: picks the writer, tells on_commit */
    void *user;
};
MUST_CHECK enum err ingest_submit_task(struct ingest *in, struct ingest_task *t);
