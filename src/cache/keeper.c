#include "cache/keeper.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "cache/tiers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    PAGE_ROWS = 5000,
    PAGE_ARENA_MAX = 4 << 20,
    READ_US = 2000000,
    SWEEP_ENTRIES = 2000, /* of one step: well under a millisecond */
};

struct keeper {
    struct tiers *tiers;
    struct store *store;
    struct store_conn *conn;
    int64_t epoch; /* INT64_MIN: not read yet */
    bool forget;   /* the second tier may hold what another program has erased */
    atomic_bool refill;

    pthread_mutex_t lock; /* guards `stopping` */
    pthread_cond_t wake;
    bool stopping;
    pthread_t thread;
    bool started;
};

/* A database that is away is not the keeper's to mourn: the requests say so. */
static bool connected(struct keeper *k)
{
    if (!k->conn && k->store && store_connect(k->store, STORE_READER, &k->conn) != ERR_OK)
        k->conn = NULL;
    return k->conn != NULL;
}

static enum err read_one(struct keeper *k, struct arena *arena, struct query *q)
{
    enum err e = store_read(k->conn, arena, q, 1, clock_mono_us() + READ_US);

    if (e == ERR_STORE_DOWN) {
        store_disconnect(k->conn);
        k->conn = NULL;
    }
    return e;
}

/* Another program has written what this one cannot know: all is old, and as a learner may have been
 * erased, nothing of it stays in memory. */
static void forget_all(struct keeper *k)
{
    tiers_raise(k->tiers, TAG_EVERYTHING);
    filter_forget(k->tiers->filter);
    for (int i = 0; i < CACHE_SHARDS; i++)
        cache_sweep(k->tiers->cache, clock_mono_us(), INT32_MAX);
    k->refill = true;
    k->forget = k->tiers->l2 != NULL;
}

static void look_at_epoch(struct keeper *k)
{
    struct query q = {.stmt = STMT_CACHE_EPOCH, .rows_max = 1};
    struct arena arena;

    arena_init(&arena, 4096);
    if (read_one(k, &arena, &q) == ERR_OK && q.rows.count == 1) {
        int64_t now = value_i64(row_at(&q.rows, 0), 0);
        if (k->epoch != INT64_MIN && now != k->epoch)
            forget_all(k);
        else if (k->forget) /* once, when the other program is done; again if Redis was away */
            k->forget = l2_drop_all(k->tiers->l2) < 0;
        k->epoch = now;
    }
    arena_fini(&arena);
}

static bool stopping(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    bool yes = k->stopping;
    pthread_mutex_unlock(&k->lock);
    return yes;
}

/* One page behind `after`, whose text is moved on. */
static enum err add_page(struct keeper *k, struct arena *arena, char *after, size_t *after_n,
                         bool *ret_end)
{
    const struct value args[] = {V_S(((struct str){after, *after_n})), V_I(PAGE_ROWS)};
    struct query q = {
        .stmt = STMT_CACHE_LEARNERS, .args = args, .arg_count = 2, .rows_max = PAGE_ROWS};
    enum err e = read_one(k, arena, &q);

    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < q.rows.count; i++) {
        struct str id = value_str(row_at(&q.rows, i));
        filter_rebuild_add(k->tiers->filter, tag_of(TAG_LEARNER, id).hash);
        if (i == q.rows.count - 1 && id.n <= CACHE_KEY_MAX) {
            memcpy(after, id.p, id.n);
            *after_n = id.n;
        }
    }
    *ret_end = q.rows.count < PAGE_ROWS;
    return ERR_OK;
}

/* From the store, in pages: the server may answer meanwhile, "may be there" to everything. */
static void refill(struct keeper *k)
{
    struct filter_stats before;
    char after[CACHE_KEY_MAX];
    size_t after_n = 0;
    struct arena arena;
    bool end = false;

    filter_stats(k->tiers->filter, &before);
    if (filter_rebuild_begin(k->tiers->filter, before.added < 10000 ? 10000 : 2 * before.added) !=
        ERR_OK)
        return; /* no memory; at the next look */
    k->refill = false;
    arena_init(&arena, PAGE_ARENA_MAX);
    enum err e = ERR_OK;
    while (e == ERR_OK && !end && !stopping(k)) {
        e = connected(k) ? add_page(k, &arena, after, &after_n, &end) : ERR_STORE_DOWN;
        arena_clear(&arena);
    }
    arena_fini(&arena);
    filter_rebuild_end(k->tiers->filter, end);
    if (!end)
        k->refill = true; /* at the next look */
}

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;

    pthread_setname_np(pthread_self(), "cache");
    while (!stopping(k)) {
        if (connected(k))
            look_at_epoch(k);
        if (k->store && (k->refill || filter_is_full(k->tiers->filter)))
            refill(k);
        cache_sweep(k->tiers->cache, clock_mono_us(), SWEEP_ENTRIES);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TIERS_EPOCH_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_mutex_lock(&k->lock);
        if (!k->stopping)
            pthread_cond_timedwait(&k->wake, &k->lock, &until);
        pthread_mutex_unlock(&k->lock);
    }
    store_disconnect(k->conn);
    return NULL;
}

enum err keeper_new(struct tiers *tiers, struct store *store, struct keeper **ret)
{
    struct keeper *k = calloc(1, sizeof *k);
    pthread_condattr_t attr;

    if (!k)
        return ERR_NOMEM;
    *k = (struct keeper){.tiers = tiers, .store = store, .epoch = INT64_MIN, .refill = true};
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wake, &attr);
    pthread_condattr_destroy(&attr);
    *ret = k;
    return ERR_OK;
}

enum err keeper_start(struct keeper *k)
{
    k->started = pthread_create(&k->thread, NULL, keeper_main, k) == 0;
    return k->started ? ERR_OK : ERR_NOMEM;
}

void keeper_refill(struct keeper *k)
{
    k->refill = true;
}

void keeper_stop(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    if (k->started)
        pthread_join(k->thread, NULL);
    k->started = false;
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    keeper_stop(k);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
