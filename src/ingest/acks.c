#include "ingest/acks.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct acks {
    struct store_conn *conn;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct ack *head, **tail; /* guarded by lock, as the rest */
    bool stopping;
    struct acks_stats stats;
};

static void tell(struct ack *first, enum err e)
{
    for (struct ack *a = first, *next; a; a = next) {
        next = a->next;
        a->told(a, e);
    }
}

static void *acks_main(void *arg)
{
    struct acks *s = arg;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->head && !s->stopping)
            pthread_cond_wait(&s->wake, &s->lock);
        struct ack *first = s->head;
        if (!first)
            break;
        int64_t mark = first->mark;
        struct ack **end = &s->head;
        while (*end && (*end)->mark == mark)
            end = &(*end)->next;
        s->head = *end;
        *end = NULL;
        if (!s->head)
            s->tail = &s->head;
        pthread_mutex_unlock(&s->lock);

        int64_t start = clock_mono_us();
        enum err e = store_sync(s->conn, mark);
        int64_t us = clock_mono_us() - start;
        pthread_mutex_lock(&s->lock);
        s->stats.syncs++;
        s->stats.sync_us_total += us;
        bool first_failure = e == ERR_NOT_READY && !s->stats.failed;
        s->stats.failed |= first_failure;
        pthread_mutex_unlock(&s->lock);
        if (first_failure)
            log_event(LOG_ERROR, "ingest.disk_failed",
                      LOG_C("message", "the log could not be synced; nothing more is stored until "
                                       "the server is restarted"));
        tell(first, e);

        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

enum err acks_new(struct store_conn *conn, struct acks **ret)
{
    struct acks *s = calloc(1, sizeof *s);
    sigset_t all, before;

    if (!s)
        return ERR_NOMEM;
    s->conn = conn;
    s->tail = &s->head;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    sigfillset(&all); /* a signal must not cut a sync short: that would count as a failure */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(&s->thread, NULL, acks_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->started = rc == 0;
    if (rc != 0) {
        acks_free(s);
        return ERR_NOMEM;
    }
    *ret = s;
    return ERR_OK;
}

void acks_add(struct acks *s, struct ack *a)
{
    a->next = NULL;
    a->mark = store_commit_mark(s->conn);
    pthread_mutex_lock(&s->lock);
    *s->tail = a;
    s->tail = &a->next;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void acks_stop(struct acks *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->started)
        pthread_join(s->thread, NULL);
    s->started = false;
}

void acks_free(struct acks *s)
{
    if (!s)
        return;
    acks_stop(s);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void acks_stats(struct acks *s, struct acks_stats *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->stats;
    pthread_mutex_unlock(&s->lock);
}
