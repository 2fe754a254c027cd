/* workers - a bounded pool of threads for what may block: the store, large bodies, streams.
 *
 * Two lanes: LANE_FAST work may use every thread, LANE_SLOW work at most threads - reserved, so that
 * slow work never takes the last threads. Each thread has a context made by the owner (its store
 * connection, scratch memory). The queue is bounded; a full one refuses at once. */
#pragma once
#include "base/err.h"

#include <stdint.h>

enum lane { LANE_FAST, LANE_SLOW, LANE_COUNT };

struct workers;

struct workers_options {
    int32_t threads;  /* 1..256 */
    int32_t reserved; /* kept free of slow work; 0..threads-1 */
    int32_t queue_max;
    void *(*context_new)(void *user, int32_t index); /* on the thread; NULL: the pool does not start */
    void (*context_free)(void *context);
    void *user;
};

/* One piece of work, embedded in the caller's object; must live until fn is called. */
struct work {
    void (*fn)(struct work *w, void *context);
    struct work *next;
    int64_t queued_us; /* monotonic */
};

struct workers_stats {
    int32_t threads, busy, queued;
    int64_t done, refused;
    int64_t wait_us_total, run_us_total;
};

MUST_CHECK enum err workers_new(const struct workers_options *options, struct workers **ret);
/* ERR_BUSY: the queue is full, or the pool is stopping. */
MUST_CHECK enum err workers_submit(struct workers *p, enum lane lane, struct work *w);
void workers_stats(const struct workers *p, struct workers_stats *ret);
/* Runs what is queued, then ends the threads; what is submitted later is ERR_BUSY. Idempotent. */
void workers_stop(struct workers *p);
void workers_free(struct workers *p); /* stops first; NULL is fine */
