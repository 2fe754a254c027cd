#include "obs/access.h"

#include "base/assert.h"
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { ID_MAX = 64, TRACE_MAX = 55, WHO_MAX = 48, WAKE_MS = 100 };

struct slot {
    const char *method, *endpoint;
    int64_t duration_us;
    uint64_t bytes;
    int16_t status;
    bool client_gone;
    uint8_t id_n, trace_n, who_n;
    char id[ID_MAX], trace[TRACE_MAX], who[WHO_MAX];
};

/* One producer (the loop), one consumer (the thread): two counters that only grow. */
struct ring {
    _Atomic uint32_t head; /* written by the producer */
    _Atomic uint64_t dropped;
    _Atomic uint32_t tail __attribute__((aligned(64))); /* written by the consumer */
    struct slot slots[ACCESS_RING_RECORDS] __attribute__((aligned(64)));
};

struct access {
    struct ring *_Atomic rings[ACCESS_RINGS_MAX];
    pthread_t thread;
    pthread_mutex_t lock; /* guards stop, for the condition */
    pthread_cond_t wake;
    bool stop;
};

static uint8_t copy(char *to, size_t max, struct str s)
{
    size_t n = s.n < max ? s.n : max;
    if (n)
        memcpy(to, s.p, n);
    return (uint8_t)n;
}

static struct ring *ring_get(struct access *a, int32_t i)
{
    struct ring *r = atomic_load_explicit(&a->rings[i], memory_order_relaxed);
    if (__builtin_expect(!r, 0)) {
        r = aligned_alloc(64, (sizeof *r + 63) / 64 * 64);
        if (!r)
            return NULL;
        atomic_init(&r->head, 0);
        atomic_init(&r->tail, 0);
        atomic_init(&r->dropped, 0);
        atomic_store_explicit(&a->rings[i], r, memory_order_release);
    }
    return r;
}

void access_put(struct access *a, int32_t i, const struct access_record *rec)
{
    ASSERT(i >= 0 && i < ACCESS_RINGS_MAX);
    struct ring *r = ring_get(a, i);
    if (!r)
        return;
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint32_t queued = head - atomic_load_explicit(&r->tail, memory_order_acquire);
    if (queued == ACCESS_RING_RECORDS) {
        atomic_fetch_add_explicit(&r->dropped, 1, memory_order_relaxed);
        return;
    }
    struct slot *s = &r->slots[head % ACCESS_RING_RECORDS];
    s->method = rec->method;
    s->endpoint = rec->endpoint;
    s->duration_us = rec->duration_us;
    s->bytes = rec->bytes;
    s->status = (int16_t)rec->status;
    s->client_gone = rec->client_gone;
    s->id_n = copy(s->id, ID_MAX, rec->id);
    s->trace_n = copy(s->trace, TRACE_MAX, rec->traceparent);
    /* A token's subject may be an e-mail address; those do not go into logs. */
    bool address = rec->who.n && memchr(rec->who.p, '@', rec->who.n);
    s->who_n = copy(s->who, WHO_MAX, address ? STR("jwt") : rec->who);
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
    if (queued == ACCESS_RING_RECORDS / 2) /* else the thread's own pace is enough */
        pthread_cond_signal(&a->wake);
}

static void write_line(const struct slot *s)
{
    struct log_pair pairs[9] = {
        LOG_S("requestId", ((struct str){s->id, s->id_n})),
        LOG_C("method", s->method),
        LOG_C("endpoint", s->endpoint),
        LOG_N("status", s->status),
        LOG_N("durationMs", (double)s->duration_us / 1000.0),
        LOG_N("bytes", s->bytes),
    };
    int n = 6;

    if (s->who_n)
        pairs[n++] = LOG_S("who", ((struct str){s->who, s->who_n}));
    if (s->trace_n)
        pairs[n++] = LOG_S("traceparent", ((struct str){s->trace, s->trace_n}));
    if (s->client_gone)
        pairs[n++] = LOG_C("client", "gone");
    log_write(LOG_INFO, "request", pairs, n);
}

static bool drain(struct access *a)
{
    bool any = false;

    for (int i = 0; i < ACCESS_RINGS_MAX; i++) {
        struct ring *r = atomic_load_explicit(&a->rings[i], memory_order_acquire);
        if (!r)
            continue;
        uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
        uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
        for (; tail != head; tail++) {
            write_line(&r->slots[tail % ACCESS_RING_RECORDS]);
            atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
            any = true;
        }
    }
    return any;
}

static void *run(void *arg)
{
    struct access *a = arg;

    pthread_mutex_lock(&a->lock);
    while (!a->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += WAKE_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&a->wake, &a->lock, &until);
        pthread_mutex_unlock(&a->lock);
        drain(a);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

enum err access_new(struct access **ret)
{
    struct access *a = calloc(1, sizeof *a);
    pthread_condattr_t attr;

    if (!a)
        return ERR_NOMEM;
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&a->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&a->thread, NULL, run, a) != 0) {
        pthread_cond_destroy(&a->wake);
        pthread_mutex_destroy(&a->lock);
        free(a);
        return ERR_NOMEM;
    }
    *ret = a;
    return ERR_OK;
}

void access_free(struct access *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    drain(a);
    for (int i = 0; i < ACCESS_RINGS_MAX; i++)
        free(atomic_load(&a->rings[i]));
    pthread_cond_destroy(&a->wake);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

uint64_t access_dropped(const struct access *a)
{
    uint64_t n = 0;
    for (int i = 0; i < ACCESS_RINGS_MAX; i++) {
        const struct ring *r = atomic_load_explicit(&a->rings[i], memory_order_acquire);
        if (r)
            n += atomic_load_explicit(&r->dropped, memory_order_relaxed);
    }
    return n;
}
