/* postgres_sync - commits that do not wait for the server's disk, and a second session that does.
 *
 * The writer commits with synchronous_commit = off: the transaction can be seen and stands in the
 * server's log, which reaches the disk later. Then the second session commits a transaction of its
 * own, which waits for whatever the server is told to wait for (replicas included). A log is
 * written in order: what the writer committed before is as safe then.
 *
 * That holds unless the server crashed in between and lost the end of its log. A crash ends all
 * sessions; so a second session that was there before the writer's commit and answers after it is
 * the proof that there was none. Each second session has a `mark`; commits under an earlier mark
 * cannot be vouched for. The proof needs two sessions of one server, not of a pooler or of two
 * hosts: struct pg_server tells. */
#pragma once
#include "base/err.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pg_server {    /* whom a session is with */
    char started[40]; /* the server's start; no two servers share the microsecond */
    bool direct;      /* no pooler in between: the server knows the session by the same number */
};

struct pg_sync {
    pthread_mutex_t lock; /* guards pg while another thread syncs */
    PGconn *pg;           /* NULL: commits are whole */
    int64_t mark;
    atomic_bool broken; /* the second session is gone */
};

void pg_sync_init(struct pg_sync *s);
void pg_sync_fini(struct pg_sync *s);

/* By the writer, between two commits: pg, which becomes its own, is the second session from now on.
 * NULL: there is none, and the writer's commits are whole again. */
void pg_sync_renew(struct pg_sync *s, PGconn *pg);
/* Any thread: returns ERR_OK when all commits under that mark that returned before the call are
 * safe. ERR_STORE_DOWN, ERR_DEADLINE: nobody knows. until: monotonic us. ret_detail: as DETAIL_MAX.
 */
MUST_CHECK enum err pg_sync_run(struct pg_sync *s, int64_t mark, int64_t until, char *ret_detail);
