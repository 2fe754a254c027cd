/* Why an acknowledged group survives a power cut.
 *
 * With synchronous=FULL, SQLite appends a transaction's pages to the log and calls fdatasync() on
 * it inside of COMMIT, so the one writer stands still while the disk works. Here the connection has
 * synchronous=NORMAL, which leaves out that one call and nothing else, and another thread makes it,
 * while the writer already fills the next transaction.
 *
 * 1. What is told was synced. COMMIT returns after the last write to the log. The sync is begun
 *    after that, on the same inode, and covers all that was written before: this commit and all
 *    earlier ones. Groups are told in the order of their commits, after that call, and never after
 *    one that failed. That a later group builds upon one that is not synced yet does not matter: it
 *    is told after a later sync, which covers both.
 * 2. The log may be emptied in between. Before SQLite begins the log anew it has moved all of it
 *    into the database: log synced, pages written, database synced, and only then the mark that
 *    allows to overwrite the log; the new log's header is synced before its first frame. NORMAL
 *    does all that, as FULL does (the sync flags of checkpoints are the same). A commit whose
 * frames are gone when its sync comes is in the database already.
 * 3. The same file is synced. The log's name is SQLite's own; the connection keeps the log open and
 * a shared lock on the database, so that nobody removes or replaces the log before the connection
 *    closes. The log's entry in its directory was synced by SQLite with the log's first header.
 * 4. No lock is lost. To close a descriptor drops all POSIX locks that the process has on that
 * file. SQLite locks the database and the -shm file, never the log; and this descriptor is closed
 *    after the connection.
 * 5. Nothing is padded. Where a torn sector may take its neighbour along, FULL pads a commit to the
 *    end of the sector. SQLite's Unix files claim otherwise (SQLITE_IOCAP_POWERSAFE_OVERWRITE), so
 *    FULL does not pad either.
 *
 * Readers see a transaction from its COMMIT on, so they may see what a power cut takes away again a
 * few milliseconds later. Nobody has been told that it was kept: the client that sent it is still
 * waiting and sends it again. An answer promises what it shows, not that it will outlast the
 * machine. When the process dies instead, nothing is lost: the system has the pages.
 *
 * When a sync fails, nobody knows which pages are on disk. A second sync would succeed, because the
 * system forgets the failed pages, and would prove nothing. So the first failure is the last:
 * every later sync and transaction fails until the process has been restarted. Nor is the log moved
 * into the database from then on, not even on closing, since its pages in memory may be dropped and
 * come back as what the disk holds. The next process reads the log as after a crash, frame by frame
 * by its checksums, up to the first that is wrong; all that was told lies before. It moves that
 * into the database before it writes, so that no new frame stands behind a doubtful one. (A second
 * process that writes to the same file at that moment, such as an import, knows nothing of this.)
 */
#include "store/sqlite_sync.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void sqlite_sync_init(struct sqlite_sync *s)
{
    s->fd = -1;
    s->sync = fdatasync;
    pthread_mutex_init(&s->lock, NULL);
    atomic_init(&s->failed, 0);
}

enum err sqlite_sync_open(struct sqlite_sync *s, sqlite3 *db, int (*sync)(int fd))
{
    ASSERT(s->fd < 0);
    s->fd = open(sqlite3_filename_wal(sqlite3_db_filename(db, "main")), O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        return ERR_STORE_DOWN;
    if (sync)
        s->sync = sync;
    return ERR_OK;
}

void sqlite_sync_fini(struct sqlite_sync *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    pthread_mutex_destroy(&s->lock);
}

enum err sqlite_sync_run(struct sqlite_sync *s)
{
    ASSERT(s->fd >= 0);
    pthread_mutex_lock(&s->lock);
    if (!sqlite_sync_failed(s) && s->sync(s->fd) != 0)
        atomic_store(&s->failed, errno ? errno : EIO);
    pthread_mutex_unlock(&s->lock);
    return sqlite_sync_failed(s) ? ERR_NOT_READY : ERR_OK;
}

int sqlite_sync_failed(const struct sqlite_sync *s)
{
    return atomic_load(&s->failed);
}
