/* sqlite_sync - makes SQLite's write-ahead log durable, apart from the commit that filled it. */
#pragma once
#include "base/err.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

struct sqlite_sync {
    int fd; /* -1: not in use */
    int (*sync)(int fd);
    pthread_mutex_t lock; /* a failure is told to one caller only: one at a time asks */
    atomic_int failed;    /* the system's error of the first failure; 0: none */
};

void sqlite_sync_init(struct sqlite_sync *s);
/* For the database's writer, whose log is open: it has read at least once. sync: instead of
 * fdatasync(), or NULL. ERR_STORE_DOWN: errno says why. */
MUST_CHECK enum err sqlite_sync_open(struct sqlite_sync *s, sqlite3 *db, int (*sync)(int fd));
/* After the connection was closed. */
void sqlite_sync_fini(struct sqlite_sync *s);

/* All commits that returned before the call are on disk when it returns ERR_OK. Any thread, also
 * while the connection writes. ERR_NOT_READY: they are not, and none ever will be. */
MUST_CHECK enum err sqlite_sync_run(struct sqlite_sync *s);
/* The system's error, or 0. */
int sqlite_sync_failed(const struct sqlite_sync *s);
