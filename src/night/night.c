/* night - see the header. */
#include "night/night.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "night/runs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <xxhash.h>

enum {
    LOOK_MS = 30000,      /* between two looks when nobody is due */
    DUE_ROWS = 64,        /* learners of one look */
    WORK_US = 10000000,   /* for one learner's reading and computing */
    RETRY_US = 600000000, /* a learner whose night failed comes again */
    RUN_US = 60000000,    /* for the look at a run of a course */
    RUNS_AFTER = 60,      /* minutes behind the nights' begin, UTC */
    DAY_MINUTES = 1440,
};

struct night {
    struct night_options options;
    struct store_conn *conn;
    pthread_t thread;
    bool started;
    _Atomic int64_t learners, failed, behind_us;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool stopping, task_done, asked;
    enum err task_err;
};

enum err night_put(struct night_work *w, enum stmt stmt, const struct value *values, int32_t rows,
                   int32_t cols)
{
    if (rows == 0)
        return ERR_OK;
    if (w->bulk_count == NIGHT_BULKS_MAX)
        return ERR_NOMEM;
    w->bulks[w->bulk_count++] =
        (struct bulk){.stmt = stmt, .rows = rows, .cols = cols, .v = values};
    return ERR_OK;
}

/* ---- one learner ---- */

static enum err read_learner(struct night_work *w, struct str learner)
{
    const struct value id = V_S(learner);
    struct query q = {.stmt = STMT_NIGHT_LEARNER, .args = &id, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(w->conn, w->arena, &q, 1, w->deadline_us);

    if (e != ERR_OK)
        return e;
    if (q.rows.count == 0)
        return ERR_NOT_FOUND;
    const struct value *v = row_at(&q.rows, 0);
    w->learner_id = value_i64(&v[0], 0);
    if (zone_get(value_str(&v[1]), &w->zone) != ERR_OK)
        w->zone = zone_utc();
    w->analysis = value_i64(&v[2], 0) != 0;
    return ERR_OK;
}

enum err night_compute(struct night_work *w, struct str learner,
                       enum err (*step)(struct night_work *w))
{
    enum err e = w->learner_id == 0 ? read_learner(w, learner) : ERR_OK;

    if (e != ERR_OK)
        return e;
    w->learner = learner;
    w->usual_at = TIME_NONE;
    w->today = civil_at(w->zone, w->now_us).epoch_day;
    w->seed = XXH3_64bits_withSeed(learner.p, learner.n, (uint64_t)w->today);
    if (!w->analysis)
        return ERR_OK;
    if (step)
        return step(w);
    for (const struct night_step *s = night_steps; e == ERR_OK && s->name && !w->more; s++)
        e = s->run(w);
    return e;
}

enum err night_write(struct night_work *w, struct store_conn *writer)
{
    if (w->guard.rows > 0) {
        enum err e = store_write(writer, &w->guard, 1);
        if (e != ERR_OK)
            return e;
        if (w->guard.changed == 0)
            return ERR_CONFLICT;
    }
    return w->bulk_count > 0 ? store_write(writer, w->bulks, w->bulk_count) : ERR_OK;
}

/* ---- the runner ---- */

struct night_task {
    struct ingest_task task;
    struct night *night;
    struct night_work *work;
    int64_t due_at, next_at;
};

/* Another process may have done it meanwhile, or the learner has withdrawn from analysis: then
 * nothing is written. Who has withdrawn is still due, and has no results the next time. */
static enum err task_run(struct ingest_task *task, struct store_conn *conn)
{
    struct night_task *t = task->user;
    const struct value claim[] = {V_I(t->work->learner_id), V_I(t->due_at), V_I(t->next_at),
                                  V_I(t->work->bulk_count > 0), v_time(t->work->usual_at)};
    struct bulk bulk = {.stmt = STMT_NIGHT_CLAIM, .rows = 1, .cols = COUNT(claim), .v = claim};
    enum err e = store_write(conn, &bulk, 1);

    if (e != ERR_OK || bulk.changed == 0)
        return e;
    return night_write(t->work, conn);
}

static void task_done(struct ingest_task *task, enum err e)
{
    struct night_task *t = task->user;
    struct night *n = t->night;

    pthread_mutex_lock(&n->lock);
    n->task_done = true;
    n->task_err = e;
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
}

static bool stopping(struct night *n)
{
    pthread_mutex_lock(&n->lock);
    bool yes = n->stopping;
    pthread_mutex_unlock(&n->lock);
    return yes;
}

static enum err write_through(struct night *n, struct night_work *w, int64_t due_at,
                              int64_t next_at)
{
    struct night_task t = {.night = n, .work = w, .due_at = due_at, .next_at = next_at};

    t.task = (struct ingest_task){.run = task_run, .done = task_done, .user = &t};
    if (w->bulk_count > 0)
        t.task.learner = w->learner; /* a claim alone makes nothing untrue that was answered */
    pthread_mutex_lock(&n->lock);
    n->task_done = false;
    pthread_mutex_unlock(&n->lock);
    enum err e = ingest_submit_task(n->options.ingest, &t.task);
    if (e != ERR_OK)
        return e;
    pthread_mutex_lock(&n->lock);
    while (!n->task_done)
        pthread_cond_wait(&n->wake, &n->lock);
    e = n->task_err;
    pthread_mutex_unlock(&n->lock);
    return e;
}

/* The first begin of a night after now. */
static int64_t next_night(const struct night *n, const struct night_work *w)
{
    int64_t at = civil_to_us(w->zone, w->today, n->options.minute * 60);

    return at > w->now_us ? at : civil_to_us(w->zone, w->today + 1, n->options.minute * 60);
}

/* Not the store's, nor somebody else's who was faster: it would fail again at once. */
static bool is_its_own_fault(enum err e)
{
    return e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_CONFLICT && e != ERR_BUSY &&
           e != ERR_STORE_DOWN && e != ERR_STORAGE_FULL && e != ERR_NOT_READY;
}

static enum err run_one(struct night *n, struct str learner, int64_t due_at)
{
    struct night_work *w = calloc(1, sizeof *w);
    struct arena arena;

    if (!w)
        return ERR_NOMEM;
    arena_init(&arena, NIGHT_ARENA_MAX);
    w->conn = n->conn;
    w->weights = n->options.weights;
    w->arena = &arena;
    w->deadline_us = clock_mono_us() + WORK_US;
    w->now_us = clock_us();
    enum err e = night_compute(w, learner, NULL);
    if (e == ERR_OK)
        e = write_through(n, w, due_at, w->more ? w->now_us : next_night(n, w));
    if (e == ERR_OK && w->more)
        night_look(n); /* there is more to do at once */
    if (is_its_own_fault(e) && w->learner.p) {
        log_event(LOG_WARN, "night.failed", LOG_C("error", err_code(e)),
                  LOG_C("detail", store_conn_detail(n->conn)));
        w->bulk_count = w->guard.rows = 0; /* the others must not wait for this one for ever */
        if (write_through(n, w, due_at, w->now_us + RETRY_US) != ERR_OK)
            e = ERR_STORE_DOWN;
    }
    arena_fini(&arena);
    free(w);
    return e;
}

/* Returns how many were due. */
static int32_t run_due(struct night *n)
{
    struct arena arena;
    const struct value args[] = {V_I(clock_us()), V_I(DUE_ROWS)};
    struct query q = {.stmt = STMT_NIGHT_DUE, .args = args, .arg_count = 2, .rows_max = DUE_ROWS};

    arena_init(&arena, 1 << 20);
    enum err e = store_read(n->conn, &arena, &q, 1, clock_mono_us() + WORK_US);
    int32_t count = e == ERR_OK ? q.rows.count : 0;
    n->behind_us = 0;
    for (int32_t i = 0; e == ERR_OK && i < count && !stopping(n); i++) {
        const struct value *v = row_at(&q.rows, i);
        int64_t due_at = value_i64(&v[1], 0);
        e = run_one(n, value_str(&v[0]), due_at);
        n->behind_us = due_at > 0 ? clock_us() - due_at : 0;
        atomic_fetch_add(e == ERR_OK ? &n->learners : &n->failed, 1);
        if (is_its_own_fault(e) || e == ERR_CONFLICT || e == ERR_NOT_FOUND)
            e = ERR_OK; /* the next one */
    }
    if (e == ERR_STORE_DOWN) {
        store_disconnect(n->conn);
        n->conn = NULL;
        count = 0;
    }
    arena_fini(&arena);
    return e == ERR_OK ? count : 0;
}

/* One run of a course between two looks at learners, so that neither waits for all of the other.
 * Was one due? */
static bool look_at_run(struct night *n)
{
    bool looked = false;
    enum err e = n->conn && !stopping(n) ? runs_look(n->conn, n->options.ingest,
                                                     (n->options.minute + RUNS_AFTER) % DAY_MINUTES,
                                                     clock_mono_us() + RUN_US, &looked)
                                         : ERR_OK;

    if (e == ERR_STORE_DOWN) {
        store_disconnect(n->conn);
        n->conn = NULL;
    }
    return e == ERR_OK && looked;
}

static void nap(struct night *n)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_MS / 1000;
    pthread_mutex_lock(&n->lock);
    if (!n->stopping && !n->asked)
        pthread_cond_timedwait(&n->wake, &n->lock, &until);
    n->asked = false;
    pthread_mutex_unlock(&n->lock);
}

void night_look(struct night *n)
{
    pthread_mutex_lock(&n->lock);
    n->asked = true;
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
}

static void *night_main(void *arg)
{
    struct night *n = arg;

    pthread_setname_np(pthread_self(), "night");
    while (!stopping(n)) {
        if (!n->conn && store_connect(n->options.store, STORE_READER, &n->conn) != ERR_OK)
            n->conn = NULL;
        bool more = n->conn && run_due(n) >= DUE_ROWS;
        more = look_at_run(n) || more;
        if (!more)
            nap(n);
    }
    store_disconnect(n->conn);
    return NULL;
}

enum err night_new(const struct night_options *options, struct night **ret)
{
    struct night *n = calloc(1, sizeof *n);
    pthread_condattr_t attr;

    if (!n)
        return ERR_NOMEM;
    n->options = *options;
    pthread_mutex_init(&n->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&n->wake, &attr);
    pthread_condattr_destroy(&attr);
    n->started = pthread_create(&n->thread, NULL, night_main, n) == 0;
    if (!n->started) {
        night_free(n);
        return ERR_NOMEM;
    }
    *ret = n;
    return ERR_OK;
}

void night_stats(const struct night *n, struct night_stats *ret)
{
    *ret = (struct night_stats){
        .learners = atomic_load(&n->learners),
        .failed = atomic_load(&n->failed),
        .behind_us = atomic_load(&n->behind_us),
    };
}

void night_stop(struct night *n)
{
    pthread_mutex_lock(&n->lock);
    n->stopping = true;
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
    if (n->started)
        pthread_join(n->thread, NULL);
    n->started = false;
}

void night_free(struct night *n)
{
    if (!n)
        return;
    night_stop(n);
    pthread_cond_destroy(&n->wake);
    pthread_mutex_destroy(&n->lock);
    free(n);
}
