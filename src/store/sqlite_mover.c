#include "store/sqlite_mover.h"

#include "base/assert.h"

#include <signal.h>
#include <stdlib.h>

enum {
    PASSES_MAX = 8,
    REST_PAGES = 500, /* few enough for the writer */
};

struct sqlite_mover {
    const struct sqlite_sync *sync;
    sqlite3 *pin, *db;
    sqlite3_stmt *begin, *look, *end; /* of the pin */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake, idle;
    bool asked, moving, ended, stopping;
};

static bool step(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    return sqlite3_reset(st) == SQLITE_OK && (rc == SQLITE_ROW || rc == SQLITE_DONE);
}

static bool stops(struct sqlite_mover *m)
{
    pthread_mutex_lock(&m->lock);
    bool yes = m->stopping;
    pthread_mutex_unlock(&m->lock);
    return yes;
}

/* Returns how many pages the log still has more than the database; < 0: they could not be moved. */
static int pass(struct sqlite_mover *m)
{
    int log = 0, moved = 0, rc = SQLITE_BUSY;

    if (sqlite_sync_failed(m->sync) || !step(m->begin))
        return -1;
    if (step(m->look)) /* the snapshot begins with the first thing that is read */
        rc = sqlite3_wal_checkpoint_v2(m->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log, &moved);
    step(m->end);
    return rc == SQLITE_OK ? log - moved : -1;
}

static void move(struct sqlite_mover *m)
{
    for (int i = 0; i < PASSES_MAX && !stops(m); i++) {
        int left = pass(m);
        if (left <= REST_PAGES)
            break;
    }
}

static void *mover_main(void *arg)
{
    struct sqlite_mover *m = arg;

    pthread_setname_np(pthread_self(), "mover");
    pthread_mutex_lock(&m->lock);
    while (!m->stopping) {
        if (!m->asked) {
            pthread_cond_wait(&m->wake, &m->lock);
            continue;
        }
        m->moving = true;
        pthread_mutex_unlock(&m->lock);
        move(m);
        pthread_mutex_lock(&m->lock);
        m->asked = m->moving = false;
        m->ended = true;
        pthread_cond_broadcast(&m->idle);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* The log is opened with the first thing that is read. */
static bool connect(const char *file, sqlite3 **ret)
{
    static const char settle[] = "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0;"
                                 "PRAGMA query_only=ON; PRAGMA cache_size=-64;"
                                 "SELECT count(*) FROM sqlite_schema";
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

    if (sqlite3_open_v2(file, ret, flags, NULL) != SQLITE_OK)
        return false;
    sqlite3_busy_timeout(*ret, 1000);
    sqlite3_db_config(*ret, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    bool good = sqlite3_exec(*ret, settle, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_busy_timeout(*ret, 0); /* from here on it never waits for others */
    return good;
}

static bool prepare(struct sqlite_mover *m)
{
    const unsigned long_lived = SQLITE_PREPARE_PERSISTENT;

    return sqlite3_prepare_v3(m->pin, "BEGIN", -1, long_lived, &m->begin, NULL) == SQLITE_OK &&
           sqlite3_prepare_v3(m->pin, "SELECT 1 FROM sqlite_schema LIMIT 1", -1, long_lived,
                              &m->look, NULL) == SQLITE_OK &&
           sqlite3_prepare_v3(m->pin, "COMMIT", -1, long_lived, &m->end, NULL) == SQLITE_OK;
}

enum err sqlite_mover_new(const char *file, const struct sqlite_sync *sync,
                          struct sqlite_mover **ret)
{
    struct sqlite_mover *m = calloc(1, sizeof *m);
    sigset_t all, before;

    if (!m)
        return ERR_NOMEM;
    m->sync = sync;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->wake, NULL);
    pthread_cond_init(&m->idle, NULL);
    if (!connect(file, &m->pin) || !connect(file, &m->db) || !prepare(m)) {
        sqlite_mover_free(m);
        return ERR_STORE_DOWN;
    }
    sigfillset(&all); /* a signal must not cut a sync short */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    m->started = pthread_create(&m->thread, NULL, mover_main, m) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!m->started) {
        sqlite_mover_free(m);
        return ERR_NOMEM;
    }
    *ret = m;
    return ERR_OK;
}

void sqlite_mover_free(struct sqlite_mover *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->lock);
    m->stopping = true;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
    if (m->started)
        pthread_join(m->thread, NULL);
    sqlite3_finalize(m->begin);
    sqlite3_finalize(m->look);
    sqlite3_finalize(m->end);
    int rc = sqlite3_close(m->pin);
    ASSERT(rc == SQLITE_OK);
    rc = sqlite3_close(m->db);
    ASSERT(rc == SQLITE_OK);
    pthread_cond_destroy(&m->wake);
    pthread_cond_destroy(&m->idle);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void sqlite_mover_ask(struct sqlite_mover *m)
{
    pthread_mutex_lock(&m->lock);
    if (!m->asked && !m->ended) {
        m->asked = true;
        pthread_cond_signal(&m->wake);
    }
    pthread_mutex_unlock(&m->lock);
}

bool sqlite_mover_ended(struct sqlite_mover *m)
{
    pthread_mutex_lock(&m->lock);
    bool yes = m->ended;
    m->ended = false;
    pthread_mutex_unlock(&m->lock);
    return yes;
}

void sqlite_mover_settle(struct sqlite_mover *m)
{
    pthread_mutex_lock(&m->lock);
    while (m->asked || m->moving)
        pthread_cond_wait(&m->idle, &m->lock);
    pthread_mutex_unlock(&m->lock);
}
