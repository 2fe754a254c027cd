/* sqlite_mover - moves a long write-ahead log into the database while the writer goes on.
 *
 * Moving 16,384 pages takes the disk tenths of a second, in which the writer, if it did that
 * itself, would tell nobody that anything is stored. So a thread with a connection of its own moves
 * them, in passes, since more is written meanwhile; the last few hundred pages are left to the
 * writer, which alone can see to it that the log is then begun anew: only when all of it has been
 * moved.
 *
 * Versions of SQLite before 3.51.3 can lose commits when the log is begun anew just as a checkpoint
 * begins that still believes in the old one. That is made impossible: through each pass another
 * connection keeps a snapshot open, and as long as somebody reads from the log, nobody begins it
 * anew. Where the snapshot does not need the log, because all of it is in the database, the pass
 * has nothing to do, and cannot: to write into the database it would need the lock that this
 * snapshot holds. The writer itself moves pages only while no pass goes on, else SQLite tells it
 * that somebody is at it, and it is put off. */
#pragma once
#include "store/sqlite_sync.h"

#include <stdbool.h>

struct sqlite_mover;
/* `sync` is the writer's: after a failure nothing is moved any more. Both are borrowed. ERR_NOMEM,
 * ERR_STORE_DOWN: the file cannot be opened once more. */
MUST_CHECK enum err sqlite_mover_new(const char *file, const struct sqlite_sync *sync,
                                     struct sqlite_mover **ret);
void sqlite_mover_free(struct sqlite_mover *m); /* waits for the pass; NULL is fine */
/* There is much to be moved; while it is at it, nothing new. */
void sqlite_mover_ask(struct sqlite_mover *m);
/* Has it come to its end since the last time that it was asked, so that the writer is to move what
 * is left? Once. */
bool sqlite_mover_ended(struct sqlite_mover *m);
/* Waits until no pass goes on. */
void sqlite_mover_settle(struct sqlite_mover *m);
