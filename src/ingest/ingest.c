/* ingest - the queue and its writers.
 *
 * One mutex guards the queues and the counters; it is held for pushes and pops only. A batch whose
 * learners belong to several writers is split into parts and told when the last part has committed.
 * Checks and ids are made on the submitter's thread, so that a writer only writes. It does
 * not even wait for the disk: it commits, hands what is to be told to `acks`, and goes on. (Where a
 * pooler hides PostgreSQL's sessions, it waits.) While PostgreSQL commits a group, the writer
 * gathers the next one; it is run when the commit is known to have succeeded or failed. */
#include "ingest/ingest.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "ingest/acks.h"
#include "ingest/apply.h"
#include "ingest/rebuild.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    WRITERS_MAX = 16,
    TRIES_BUSY = 8, /* deadlocks and locks held by others */
    IDLE_MS = 100,  /* then the writer looks after the files */
    RETRY_FIRST_MS = 20,
    RETRY_MAX_MS = 500,
    STORE_WAIT_MS = 5000, /* how long a group waits for a store that is away */
};

struct ticket;

/* What one writer has to do: a batch's events of its learners, or a task. */
struct part {
    struct part *next;
    struct ticket *ticket;
    struct ingest_task *task;
    struct ack ack;       /* of the group that begins with this part */
    const int32_t *index; /* of the batch's events; NULL: all */
    int32_t count;
};

/* A batch or a task on its way. */
struct ticket {
    struct ingest *in;
    struct ingest_batch *batch;
    atomic_int pending, failed; /* parts */
    _Atomic(enum err) error;    /* of a part that failed */
    int32_t part_count;
    struct part parts[];
};

/* The parts of one transaction. */
struct group {
    struct part *first;
    struct apply_item *items;
    int32_t count, room;
    struct apply_group *gathered;
    bool ready; /* is it gathered? */
};

struct writer {
    struct ingest *in;
    pthread_t thread;
    bool started;
    pthread_cond_t wake;
    struct part *head, **tail; /* guarded by in->lock */
    struct store_conn *conn;
    struct applier *applier;
    struct acks *acks; /* NULL: a commit is on disk when it returns */
    struct group groups[2];
    struct group *ahead; /* the one that was gathered while the other was committed; or NULL */
    int64_t down_since;  /* monotonic; 0: the store answers */
    bool unsettled;      /* has written since it last looked after the files */
};

struct ingest {
    struct ingest_options options;
    struct store *store;
    pthread_mutex_t lock;
    bool stopping;             /* guarded by lock */
    struct ingest_stats stats; /* guarded by lock */
    int32_t writer_count;
    struct writer writers[WRITERS_MAX];
};

/* ---- submitting ---- */

static uint32_t writer_of(const struct ingest *in, struct str learner)
{
    return in->writer_count == 1 || !learner.p
               ? 0
               : (uint32_t)(hash_str(learner) >> 32) % (uint32_t)in->writer_count;
}

/* A batch that is larger than the bound alone is taken when nothing else waits. */
static bool reserve(struct ingest *in, int64_t events, int64_t bytes)
{
    struct ingest_stats *s = &in->stats;

    pthread_mutex_lock(&in->lock);
    bool empty = s->queued_events == 0;
    bool room =
        !in->stopping && (empty || (s->queued_events + events <= in->options.queue_events_max &&
                                    s->queued_bytes + bytes <= in->options.queue_bytes_max));
    if (room) {
        s->queued_events += events;
        s->queued_bytes += bytes;
    } else {
        s->refused++;
    }
    pthread_mutex_unlock(&in->lock);
    return room;
}

static void release(struct ingest *in, int64_t events, int64_t bytes)
{
    pthread_mutex_lock(&in->lock);
    in->stats.queued_events -= events;
    in->stats.queued_bytes -= bytes;
    pthread_mutex_unlock(&in->lock);
}

static void push(struct writer *w, struct part *p)
{
    p->next = NULL;
    *w->tail = p;
    w->tail = &p->next;
    pthread_cond_signal(&w->wake);
}

/* Each part's index list follows the parts, in one piece of memory. */
static struct ticket *ticket_new(struct ingest *in, struct ingest_batch *b,
                                 struct writer **ret_writers)
{
    int32_t counts[WRITERS_MAX] = {0}, parts = 0;
    bool split = in->writer_count > 1;

    for (int32_t i = 0; split && i < b->count; i++)
        counts[writer_of(in, b->events[i].learner)]++;
    if (!split)
        counts[0] = b->count;
    for (int32_t k = 0; k < in->writer_count; k++)
        parts += counts[k] > 0;
    struct ticket *t = malloc(sizeof *t + (size_t)parts * sizeof t->parts[0] +
                              (split ? (size_t)b->count * sizeof(int32_t) : 0));
    if (!t)
        return NULL;
    *t = (struct ticket){.in = in, .batch = b, .pending = parts, .part_count = parts};
    int32_t *index = (int32_t *)(void *)&t->parts[parts], *of_writer[WRITERS_MAX];
    for (int32_t k = 0, n = 0; k < in->writer_count; k++) {
        of_writer[k] = index;
        if (counts[k] == 0)
            continue;
        ret_writers[n] = &in->writers[k];
        t->parts[n++] =
            (struct part){.ticket = t, .index = split ? index : NULL, .count = counts[k]};
        index += split ? counts[k] : 0;
    }
    for (int32_t i = 0; split && i < b->count; i++)
        *of_writer[writer_of(in, b->events[i].learner)]++ = i;
    return t;
}

enum err ingest_submit(struct ingest *in, struct ingest_batch *b)
{
    struct writer *writers[WRITERS_MAX];
    int64_t bytes = (int64_t)b->bytes;
    int32_t count = b->count;

    ASSERT(count > 0 && b->done);
    if (!reserve(in, count, bytes))
        return ERR_BUSY;
    enum err e = apply_prepare(b->events, count, clock_us(), &b->arena, b->results);
    struct ticket *t = e == ERR_OK ? ticket_new(in, b, writers) : NULL;
    if (!t) {
        release(in, count, bytes);
        return e != ERR_OK ? e : ERR_NOMEM;
    }
    pthread_mutex_lock(&in->lock);
    bool stopping = in->stopping;
    if (!stopping)
        for (int32_t i = 0, n = t->part_count; i < n; i++)
            push(writers[i], &t->parts[i]);
    pthread_mutex_unlock(&in->lock);
    if (!stopping)
        return ERR_OK;
    release(in, count, bytes);
    free(t);
    return ERR_BUSY;
}

enum err ingest_submit_task(struct ingest *in, struct ingest_task *task)
{
    ASSERT(task->run && task->done);
    if (!reserve(in, 1, 0))
        return ERR_BUSY;
    struct ticket *t = malloc(sizeof *t + sizeof t->parts[0]);
    if (!t) {
        release(in, 1, 0);
        return ERR_NOMEM;
    }
    *t = (struct ticket){.in = in, .pending = 1, .part_count = 1};
    t->parts[0] = (struct part){.ticket = t, .task = task};
    pthread_mutex_lock(&in->lock);
    bool stopping = in->stopping;
    if (!stopping)
        push(&in->writers[writer_of(in, task->learner)], &t->parts[0]);
    pthread_mutex_unlock(&in->lock);
    if (!stopping)
        return ERR_OK;
    release(in, 1, 0);
    free(t);
    return ERR_BUSY;
}

/* ---- telling ---- */

static void count_results(struct ingest *in, const struct ingest_batch *b, enum err e)
{
    int64_t n[INGEST_REJECTED + 1] = {0};

    for (int32_t i = 0; e == ERR_OK && i < b->count; i++)
        n[b->results[i].status]++;
    pthread_mutex_lock(&in->lock);
    in->stats.accepted += n[INGEST_ACCEPTED];
    in->stats.duplicates += n[INGEST_DUPLICATE];
    in->stats.rejected += n[INGEST_REJECTED];
    in->stats.batches++;
    in->stats.failed += e != ERR_OK;
    in->stats.queued_events -= b->count;
    in->stats.queued_bytes -= (int64_t)b->bytes;
    pthread_mutex_unlock(&in->lock);
}

/* When other parts of the batch are stored, each event of this one says that it is not. */
static void mark_failed(const struct part *p, enum err e)
{
    const struct ingest_batch *b = p->ticket->batch;

    for (int32_t i = 0; i < p->count; i++) {
        struct ingest_result *r = &b->results[p->index ? p->index[i] : i];
        if (r->status == INGEST_REJECTED && r->code)
            continue;
        r->status = INGEST_REJECTED;
        r->code = err_code(e);
        r->field = "";
        r->reason = err_text(e);
    }
}

static void part_done(struct ingest *in, struct part *p, enum err e)
{
    struct ticket *t = p->ticket;

    if (e != ERR_OK) {
        mark_failed(p, e);
        t->error = e;
        atomic_fetch_add(&t->failed, 1);
    }
    if (atomic_fetch_sub(&t->pending, 1) > 1)
        return;
    struct ingest_batch *b = t->batch;
    enum err told = atomic_load(&t->failed) == t->part_count ? t->error : ERR_OK;

    count_results(in, b, told);
    free(t);
    b->done(b, told);
}

static void task_done(struct part *p, enum err e)
{
    struct ingest_task *t = p->task;
    struct ticket *ticket = p->ticket;

    release(ticket->in, 1, 0);
    free(ticket);
    t->done(t, e);
}

/* A task, or the parts of a group. */
static void group_done(struct part *first, enum err e)
{
    if (first->task) {
        task_done(first, e);
        return;
    }
    for (struct part *p = first, *next; p; p = next) {
        next = p->next; /* the part goes with its ticket */
        part_done(p->ticket->in, p, e);
    }
}

static void group_told(struct ack *a, enum err e)
{
    struct part *first = (struct part *)(void *)((char *)a - offsetof(struct part, ack));

    group_done(first, e);
}

static void group_committed(struct writer *w, struct part *first)
{
    if (!w->acks) {
        group_done(first, ERR_OK);
        return;
    }
    first->ack.told = group_told;
    acks_add(w->acks, &first->ack);
}

/* ---- writing ---- */

static void pause_ms(int64_t ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
        ;
}

static bool is_stopping(struct ingest *in)
{
    pthread_mutex_lock(&in->lock);
    bool stopping = in->stopping;
    pthread_mutex_unlock(&in->lock);
    return stopping;
}

/* How often one thing was tried, and since when. */
struct trial {
    int64_t since;
    int tries;
};

/* Is another try worth it? Waits before it says yes. A store that has been away for long is tried
 * once a group only, so that the queue moves on and callers hear of it. */
static bool try_again(struct writer *w, enum err e, struct trial *t)
{
    int64_t now = clock_mono_us();
    int n = t->tries++;

    if (e == ERR_BUSY || e == ERR_CONFLICT) {
        if (n >= TRIES_BUSY || now - t->since > STORE_WAIT_MS * US_PER_MS)
            return false;
        pause_ms(1 + n * n); /* the other one has to finish first */
        return true;
    }
    if (e != ERR_STORE_DOWN)
        return false;
    int64_t wait = RETRY_FIRST_MS << (n < 5 ? n : 5);
    if (w->down_since == 0) {
        w->down_since = now;
        log_event(LOG_WARN, "ingest.store_down", LOG_N("waitMs", STORE_WAIT_MS));
    }
    if (is_stopping(w->in) || now - w->down_since > STORE_WAIT_MS * US_PER_MS)
        return false;
    pause_ms(wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
    return true;
}

static void store_answers(struct writer *w)
{
    if (w->down_since == 0)
        return;
    log_event(LOG_INFO, "ingest.store_back",
              LOG_N("awayMs", (clock_mono_us() - w->down_since) / US_PER_MS));
    w->down_since = 0;
}

static bool room_for(struct group *g, int32_t count)
{
    if (count <= g->room)
        return true;
    struct apply_item *more = realloc(g->items, (size_t)count * sizeof *more);
    if (!more)
        return false;
    g->items = more;
    g->room = count;
    return true;
}

static void add_items(struct group *g, const struct part *p)
{
    const struct ingest_batch *b = p->ticket->batch;

    for (int32_t i = 0; i < p->count; i++) {
        int32_t k = p->index ? p->index[i] : i;
        g->items[g->count++] =
            (struct apply_item){.event = &b->events[k], .result = &b->results[k]};
    }
}

/* The parts, linked, as one group. */
static enum err gather(struct group *g)
{
    int32_t count = 0;

    for (const struct part *p = g->first; p; p = p->next)
        count += p->count;
    if (!room_for(g, count))
        return ERR_NOMEM;
    g->count = 0;
    for (const struct part *p = g->first; p; p = p->next)
        add_items(g, p);
    enum err e = apply_gather(g->gathered, g->items, g->count, clock_us());
    g->ready = e == ERR_OK;
    return e;
}

static struct part *take_parts(struct writer *w);
static int32_t waiting_events(const struct writer *w, int32_t enough);

/* While the present group is on its way to the disk: gathers the next one. Not one that is much
 * smaller: that had better grow until its turn comes. */
static void look_ahead(struct writer *w, const struct group *present)
{
    struct group *next = &w->groups[present == &w->groups[0]];
    int32_t enough = (present->count + 1) / 2;

    if (w->ahead || !store_goes_ahead(w->conn))
        return;
    pthread_mutex_lock(&w->in->lock);
    next->first = waiting_events(w, enough) >= enough ? take_parts(w) : NULL;
    pthread_mutex_unlock(&w->in->lock);
    if (!next->first)
        return;
    w->ahead = next;
    (void)gather(next); /* without memory it is gathered, or fails, when its turn comes */
}

static enum err attempt(struct writer *w, struct group *g)
{
    struct ingest *in = w->in;
    int64_t commit_us;

    enum err e = g->ready ? ERR_OK : gather(g);
    g->ready = false; /* once run */
    if (e == ERR_OK)
        e = applier_start(w->applier, g->gathered);
    if (e != ERR_OK)
        return e;
    look_ahead(w, g);
    e = applier_finish(w->applier, g->gathered, &commit_us);
    if (e != ERR_OK)
        return e;
    pthread_mutex_lock(&in->lock);
    in->stats.transactions++;
    in->stats.commit_us_total += commit_us;
    if (g->count > in->stats.group_events_max)
        in->stats.group_events_max = g->count;
    pthread_mutex_unlock(&in->lock);
    return ERR_OK;
}

/* In one transaction, tried again where that may help. */
static enum err commit_group(struct writer *w, struct group *g)
{
    struct trial trial = {.since = clock_mono_us()};
    enum err e;

    do
        e = attempt(w, g);
    while (e != ERR_OK && try_again(w, e, &trial));
    if (e != ERR_OK)
        return e;
    store_answers(w);
    w->unsettled = true;
    int32_t changed_count;
    const struct ingest_change *changed = apply_changed(g->gathered, &changed_count);
    if (w->in->options.on_commit && changed_count > 0)
        w->in->options.on_commit(w->in->options.user, changed, changed_count);
    return ERR_OK;
}

/* Would the group have gone through without one of its batches? */
static bool may_be_one_batch(enum err e)
{
    return e != ERR_STORE_DOWN && e != ERR_STORAGE_FULL && e != ERR_IO && e != ERR_BUSY &&
           e != ERR_NOT_READY;
}

static void run_group(struct writer *w, struct group *g)
{
    struct part *first = g->first;

    enum err e = commit_group(w, g);
    if (e == ERR_OK) {
        group_committed(w, first);
        return;
    }
    bool one_by_one = first->next && may_be_one_batch(e);
    log_event(LOG_ERROR, "ingest.failed", LOG_C("code", err_code(e)),
              LOG_C("detail", store_conn_detail(w->conn)),
              LOG_C("next", one_by_one ? "batch by batch" : "none"));
    if (!one_by_one) {
        group_done(first, e);
        return;
    }
    for (struct part *p = first, *next; p; p = next) {
        next = p->next;
        p->next = NULL; /* a group of its own */
        g->first = p;
        e = commit_group(w, g);
        if (e == ERR_OK)
            group_committed(w, p);
        else
            group_done(p, e);
    }
}

/* ---- tasks ---- */

static enum err attempt_task(struct writer *w, struct ingest_task *t, uint32_t *ret_groups)
{
    store_counts_take(w->conn);
    enum err e = store_begin(w->conn);
    if (e != ERR_OK)
        return e;
    e = t->run(t, w->conn);
    if (e == ERR_OK)
        e = store_commit_unsynced(w->conn);
    if (e != ERR_OK)
        store_rollback(w->conn);
    *ret_groups = store_counts_take(w->conn).writes;
    return e;
}

static void run_task(struct writer *w, struct part *p)
{
    struct ingest *in = w->in;
    struct ingest_task *t = p->task;
    struct ingest_change change = {.learner = t->learner};
    struct trial trial = {.since = clock_mono_us()};
    enum err e;

    do
        e = attempt_task(w, t, &change.groups);
    while ((e == ERR_BUSY || e == ERR_STORE_DOWN) && try_again(w, e, &trial));
    if (e != ERR_OK) {
        task_done(p, e);
        return;
    }
    store_answers(w);
    w->unsettled = true;
    if (in->options.on_commit && t->learner.p && change.groups)
        in->options.on_commit(in->options.user, &change, 1);
    group_committed(w, p);
}

/* ---- the thread ---- */

static struct timespec after_us(int64_t us)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    us += ts.tv_nsec / 1000;
    ts.tv_sec += us / US_PER_S;
    ts.tv_nsec = us % US_PER_S * 1000;
    return ts;
}

/* Holds the lock. False: the writer may end. */
static bool wait_for_work(struct writer *w)
{
    struct ingest *in = w->in;

    while (!w->head && !in->stopping) {
        if (!w->unsettled) {
            pthread_cond_wait(&w->wake, &in->lock);
            continue;
        }
        struct timespec until = after_us(IDLE_MS * US_PER_MS);
        if (pthread_cond_timedwait(&w->wake, &in->lock, &until) != ETIMEDOUT || w->head)
            continue;
        pthread_mutex_unlock(&in->lock);
        store_checkpoint(w->conn, false);
        w->unsettled = false;
        pthread_mutex_lock(&in->lock);
    }
    return w->head != NULL;
}

static int32_t waiting_events(const struct writer *w, int32_t enough)
{
    int32_t n = 0;

    for (const struct part *p = w->head; p && !p->task && n < enough; p = p->next)
        n += p->count;
    return n;
}

/* Holds the lock. What goes into one transaction: batches up to the next task, as many as fit, and
 * at least one. */
static struct part *take_parts(struct writer *w)
{
    struct part *first = w->head, **end = &w->head;
    int32_t n = 0;

    while (*end && !(*end)->task && (n == 0 || n + (*end)->count <= w->in->options.group_events)) {
        n += (*end)->count;
        end = &(*end)->next;
    }
    w->head = *end;
    *end = NULL;
    if (!w->head)
        w->tail = &w->head;
    return first;
}

/* Holds the lock. */
static struct part *take_group(struct writer *w)
{
    const struct ingest_options *o = &w->in->options;
    struct timespec until = after_us(o->group_wait_us);

    while (o->group_wait_us > 0 && !w->in->stopping &&
           waiting_events(w, o->group_events) < o->group_events)
        if (pthread_cond_timedwait(&w->wake, &w->in->lock, &until) == ETIMEDOUT)
            break;
    return take_parts(w);
}

/* Holds the lock. */
static struct part *take_task(struct writer *w)
{
    struct part *p = w->head;

    w->head = p->next;
    if (!w->head)
        w->tail = &w->head;
    return p;
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    struct ingest *in = w->in;

    pthread_mutex_lock(&in->lock);
    while (w->ahead || wait_for_work(w)) {
        struct group *g = w->ahead;
        struct part *task = NULL;

        w->ahead = NULL;
        if (!g && w->head->task) {
            task = take_task(w);
        } else if (!g) {
            g = &w->groups[0];
            g->first = take_group(w);
        }
        pthread_mutex_unlock(&in->lock);
        if (task)
            run_task(w, task);
        else
            run_group(w, g);
        pthread_mutex_lock(&in->lock);
    }
    pthread_mutex_unlock(&in->lock);
    return NULL;
}

/* ---- life ---- */

static enum err writer_start(struct ingest *in, struct writer *w)
{
    pthread_condattr_t attr;
    bool split = false;

    w->in = in;
    w->tail = &w->head;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    in->writer_count++;
    enum err e = store_connect(in->store, STORE_WRITER, &w->conn);
    if (e == ERR_OK)
        e = applier_new(w->conn, &w->applier);
    for (size_t i = 0; e == ERR_OK && i < COUNT(w->groups); i++)
        e = apply_group_new(&w->groups[i].gathered);
    if (e == ERR_OK)
        e = store_split_commits(w->conn, &split);
    if (e == ERR_OK && split)
        e = acks_new(w->conn, &w->acks);
    if (e == ERR_OK && pthread_create(&w->thread, NULL, writer_main, w) != 0)
        e = ERR_NOMEM;
    w->started = e == ERR_OK;
    return e;
}

enum err ingest_new(struct store *store, const struct ingest_options *options, struct ingest **ret)
{
    int32_t writers = store_engine(store) == STORE_SQLITE ? 1 : options->writers;
    enum err e = ERR_OK;

    ASSERT(writers >= 1 && writers <= WRITERS_MAX && options->group_events >= 1);
    struct ingest *in = calloc(1, sizeof *in);
    if (!in)
        return ERR_NOMEM;
    in->options = *options;
    in->store = store;
    pthread_mutex_init(&in->lock, NULL);
    for (int32_t i = 0; e == ERR_OK && i < writers; i++)
        e = writer_start(in, &in->writers[i]);
    if (e != ERR_OK) {
        ingest_free(in);
        return e;
    }
    *ret = in;
    return ERR_OK;
}

void ingest_stats(const struct ingest *in, struct ingest_stats *ret)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&in->lock;

    pthread_mutex_lock(lock);
    *ret = in->stats;
    pthread_mutex_unlock(lock);
    for (int32_t i = 0; i < in->writer_count; i++) {
        struct acks_stats acks = {0};
        if (in->writers[i].acks)
            acks_stats(in->writers[i].acks, &acks);
        ret->syncs += acks.syncs;
        ret->sync_us_total += acks.sync_us_total;
        ret->disk_failed |= acks.failed;
    }
}

void ingest_stop(struct ingest *in)
{
    pthread_mutex_lock(&in->lock);
    in->stopping = true;
    for (int32_t i = 0; i < in->writer_count; i++)
        pthread_cond_signal(&in->writers[i].wake);
    pthread_mutex_unlock(&in->lock);
    for (int32_t i = 0; i < in->writer_count; i++) {
        struct writer *w = &in->writers[i];
        if (w->started)
            pthread_join(w->thread, NULL);
        w->started = false;
        if (w->acks)
            acks_stop(w->acks); /* after its last commit */
    }
}

void ingest_free(struct ingest *in)
{
    if (!in)
        return;
    ingest_stop(in);
    for (int32_t i = 0; i < in->writer_count; i++) {
        struct writer *w = &in->writers[i];
        acks_free(w->acks);
        applier_free(w->applier);
        store_disconnect(w->conn);
        pthread_cond_destroy(&w->wake);
        for (size_t k = 0; k < COUNT(w->groups); k++) {
            apply_group_free(w->groups[k].gathered);
            free(w->groups[k].items);
        }
    }
    pthread_mutex_destroy(&in->lock);
    free(in);
}
