#include "net/workers.h"

#include "base/assert.h"
#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct lane_queue {
    struct work *first, **end;
};

struct workers {
    struct workers_options options;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t work_came, thread_started;
    struct lane_queue lanes[LANE_COUNT];
    int32_t queued, busy, busy_slow, idle;
    bool waking; /* one thread was woken and has not taken its work yet */
    bool stopping;
    int32_t started, failed;
    int64_t done, refused, wait_us_total, run_us_total;
    int32_t thread_count;
    int32_t to_join; /* not guarded: of those who make, stop and free */
    pthread_t threads[];
};

/* Fast work first; slow work only while it leaves the reserved threads free. */
static struct work *take(struct workers *p, enum lane *ret_lane)
{
    int32_t slow_max = p->options.threads - p->options.reserved;
    for (int lane = LANE_FAST; lane < LANE_COUNT; lane++) {
        struct lane_queue *q = &p->lanes[lane];
        if (!q->first || (lane == LANE_SLOW && p->busy_slow >= slow_max))
            continue;
        struct work *w = q->first;
        q->first = w->next;
        if (!q->first)
            q->end = &q->first;
        p->queued--;
        *ret_lane = (enum lane)lane;
        return w;
    }
    return NULL;
}

/* Threads wake one another: a burst costs its sender one wake-up, not one for each piece of work.
 */
static void wake_one(struct workers *p)
{
    if (p->idle > 0 && !p->waking) {
        p->waking = true;
        pthread_cond_signal(&p->work_came);
    }
}

static bool is_takable(const struct workers *p)
{
    return p->lanes[LANE_FAST].first ||
           (p->lanes[LANE_SLOW].first && p->busy_slow < p->options.threads - p->options.reserved);
}

/* Holds the lock on entry and on return. */
static void do_run(struct workers *p, struct work *w, enum lane lane, void *context)
{
    int64_t start_us = clock_mono_us();
    p->wait_us_total += start_us - w->queued_us;
    p->busy++;
    p->busy_slow += lane == LANE_SLOW;
    if (is_takable(p))
        wake_one(p);
    pthread_mutex_unlock(&p->lock);

    w->fn(w, context); /* `w` may be gone after this */

    int64_t end_us = clock_mono_us();
    pthread_mutex_lock(&p->lock);
    p->busy--;
    p->busy_slow -= lane == LANE_SLOW;
    p->done++;
    p->run_us_total += end_us - start_us;
}

static void serve(struct workers *p, void *context)
{
    pthread_mutex_lock(&p->lock);
    for (;;) {
        enum lane lane;
        struct work *w = take(p, &lane);
        if (w) {
            do_run(p, w, lane, context);
            continue;
        }
        if (p->stopping && p->queued == 0)
            break;
        p->idle++;
        pthread_cond_wait(&p->work_came, &p->lock);
        p->idle--;
        p->waking = false;
    }
    pthread_cond_broadcast(&p->work_came); /* the last slow work may have kept others waiting */
    pthread_mutex_unlock(&p->lock);
}

static void *thread_main(void *arg)
{
    struct workers *p = arg;
    const struct workers_options *o = &p->options;

    pthread_mutex_lock(&p->lock);
    int32_t index = p->started++;
    pthread_mutex_unlock(&p->lock);
    void *context = o->context_new ? o->context_new(o->user, index) : p;
    pthread_mutex_lock(&p->lock);
    p->failed += context == NULL;
    p->thread_count++;
    pthread_cond_signal(&p->thread_started);
    pthread_mutex_unlock(&p->lock);
    if (!context)
        return NULL;
    serve(p, context);
    if (o->context_new && o->context_free)
        o->context_free(context);
    return NULL;
}

void workers_stop(struct workers *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->work_came);
    pthread_mutex_unlock(&p->lock);
    for (int32_t i = 0; i < p->to_join; i++)
        pthread_join(p->threads[i], NULL);
    p->to_join = 0;
    ASSERT(p->queued == 0 || p->failed);
}

void workers_free(struct workers *p)
{
    if (!p)
        return;
    workers_stop(p);
    pthread_cond_destroy(&p->work_came);
    pthread_cond_destroy(&p->thread_started);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

enum err workers_new(const struct workers_options *options, struct workers **ret)
{
    if (options->threads < 1 || options->threads > 256 || options->reserved < 0 ||
        options->reserved >= options->threads || options->queue_max < 1)
        return ERR_RANGE;
    struct workers *p = calloc(1, sizeof *p + (size_t)options->threads * sizeof p->threads[0]);
    if (!p)
        return ERR_NOMEM;
    p->options = *options;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        p->lanes[lane].end = &p->lanes[lane].first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work_came, NULL);
    pthread_cond_init(&p->thread_started, NULL);

    /* Signals are for the main thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int32_t made = 0;
    while (made < options->threads && pthread_create(&p->threads[made], NULL, thread_main, p) == 0)
        made++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    p->to_join = made;

    pthread_mutex_lock(&p->lock);
    while (p->thread_count < made)
        pthread_cond_wait(&p->thread_started, &p->lock);
    bool ok = made == options->threads && p->failed == 0;
    pthread_mutex_unlock(&p->lock);
    if (!ok) {
        workers_free(p);
        return ERR_NOMEM;
    }
    *ret = p;
    return ERR_OK;
}

enum err workers_submit(struct workers *p, enum lane lane, struct work *w)
{
    ASSERT(w->fn && lane < LANE_COUNT);
    w->next = NULL;
    w->queued_us = clock_mono_us();
    pthread_mutex_lock(&p->lock);
    bool full = p->stopping || p->queued >= p->options.queue_max;
    if (full) {
        p->refused++;
    } else {
        struct lane_queue *q = &p->lanes[lane];
        *q->end = w;
        q->end = &w->next;
        p->queued++;
        if (is_takable(p))
            wake_one(p);
    }
    pthread_mutex_unlock(&p->lock);
    return full ? ERR_BUSY : ERR_OK;
}

void workers_stats(const struct workers *p, struct workers_stats *ret)
{
    struct workers *locked = (struct workers *)p; /* const for callers; the lock is ours */
    pthread_mutex_lock(&locked->lock);
    *ret = (struct workers_stats){
        .threads = p->options.threads,
        .busy = p->busy,
        .queued = p->queued,
        .done = p->done,
        .refused = p->refused,
        .wait_us_total = p->wait_us_total,
        .run_us_total = p->run_us_total,
    };
    pthread_mutex_unlock(&locked->lock);
}
