/* The state that /readyz tells: a thread looks at the store, its schema and its disk once a second,
 * with a connection of its own, so that the answer is always known and waits for nobody, least of
 * all for workers that are busy because something is wrong. */
#include "api/call.h"
#include "api/warm.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

#include <sys/statvfs.h>

enum {
    LOOK_EACH_S = 1,
    SCHEMA_EACH = 60,         /* looks: a schema in order hardly changes while a server runs */
    DISK_FREE_MIN = 64 << 20, /* bytes */
    DISK_FREE_SHARE = 100,    /* and a hundredth of the disk */
};

static bool check_disk(const struct api *a, int64_t *ret_free, int64_t *ret_total)
{
    struct statvfs fs;

    *ret_free = *ret_total = -1;
    if (a->database_dir.n == 0)
        return true;
    if (statvfs(a->database_dir.p, &fs) != 0)
        return false;
    *ret_free = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    *ret_total = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
    return *ret_free >= DISK_FREE_MIN && *ret_free >= *ret_total / DISK_FREE_SHARE;
}

static bool ping(struct store_conn *conn, int64_t *ret_us)
{
    struct query q = {.stmt = STMT_STORE_PING, .rows_max = 1};
    struct arena arena;
    int64_t from = clock_mono_us();

    arena_init(&arena, 64 * 1024);
    enum err e = store_read(conn, &arena, &q, 1, from + HEALTH_STUCK_US);
    arena_fini(&arena);
    *ret_us = clock_mono_us() - from;
    return e == ERR_OK;
}

/* Only health's own thread changes what is seen, so it reads that without the lock. */
static void look(struct api *a)
{
    struct health *h = &a->health;
    struct store *store = a->options.store;
    struct health_seen seen = h->seen;

    pthread_mutex_lock(&h->lock);
    h->looking_since_us = clock_mono_us();
    pthread_mutex_unlock(&h->lock);

    if (!h->conn && store_connect(store, STORE_READER, &h->conn) != ERR_OK)
        h->conn = NULL;
    seen.store_ok = h->conn && ping(h->conn, &seen.store_us);
    if (!seen.store_ok || !seen.schema_ok || ++h->looks % SCHEMA_EACH == 0)
        seen.schema_ok = seen.store_ok &&
                         store_schema(store, &seen.schema_have, &seen.schema_want) == ERR_OK &&
                         seen.schema_have == seen.schema_want;
    seen.disk_ok = check_disk(a, &seen.disk_free, &seen.disk_total);
    seen.at_us = clock_mono_us();
    if (h->seen.at_us && (h->seen.store_ok != seen.store_ok || h->seen.disk_ok != seen.disk_ok))
        log_event(seen.store_ok && seen.disk_ok ? LOG_INFO : LOG_WARN, "health.changed",
                  LOG_C("store", seen.store_ok ? "ok" : "failed"),
                  LOG_C("disk", seen.disk_ok ? "ok" : "full"));

    pthread_mutex_lock(&h->lock);
    h->seen = seen;
    h->looking_since_us = 0;
    pthread_mutex_unlock(&h->lock);
}

static void *health_main(void *arg)
{
    struct api *a = arg;
    struct health *h = &a->health;

    pthread_setname_np(pthread_self(), "health");
    pthread_mutex_lock(&h->lock);
    while (!h->stopping) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_EACH_S;
        if (pthread_cond_timedwait(&h->wake, &h->lock, &until) == 0)
            continue;
        pthread_mutex_unlock(&h->lock);
        look(a);
        warm_usual(a, clock_us());
        pthread_mutex_lock(&h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

void health_init(struct api *a)
{
    struct health *h = &a->health;
    pthread_condattr_t attr;

    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&h->wake, &attr);
    pthread_condattr_destroy(&attr);
}

enum err health_start(struct api *a)
{
    struct health *h = &a->health;

    look(a);
    h->started = pthread_create(&h->thread, NULL, health_main, a) == 0;
    return h->started ? ERR_OK : ERR_NOMEM;
}

void health_stop(struct api *a)
{
    struct health *h = &a->health;

    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    if (h->started)
        pthread_join(h->thread, NULL);
    h->started = false;
}

void health_fini(struct api *a)
{
    struct health *h = &a->health;

    health_stop(a);
    store_disconnect(h->conn);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
}

struct health_seen health_seen(struct api *a)
{
    struct health *h = &a->health;

    pthread_mutex_lock(&h->lock);
    struct health_seen seen = h->seen;
    if (h->looking_since_us && clock_mono_us() - h->looking_since_us > HEALTH_STUCK_US) {
        seen.stuck = true;
        seen.store_ok = false;
    }
    pthread_mutex_unlock(&h->lock);
    return seen;
}
