#include "net/timers.h"

#include "base/assert.h"

#include <stdlib.h>

void timers_fini(struct timers *ts)
{
    if (ts) {
        free(ts->heap);
        *ts = (struct timers){0};
    }
}

enum err timers_reserve(struct timers *ts, int32_t n)
{
    if (n <= ts->cap)
        return ERR_OK;
    int32_t cap = ts->cap > n / 2 ? ts->cap * 2 : n;
    struct timer **heap = realloc(ts->heap, (size_t)cap * sizeof(struct timer *));
    if (!heap)
        return ERR_NOMEM;
    ts->heap = heap;
    ts->cap = cap;
    return ERR_OK;
}

static void place(struct timers *ts, struct timer *t, int32_t i)
{
    ts->heap[i] = t;
    t->index = i + 1;
}

static void sift_up(struct timers *ts, struct timer *t, int32_t i)
{
    while (i > 0 && ts->heap[(i - 1) / 2]->at_us > t->at_us) {
        place(ts, ts->heap[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    place(ts, t, i);
}

static void sift_down(struct timers *ts, struct timer *t, int32_t i)
{
    for (;;) {
        int32_t child = 2 * i + 1;
        if (child >= ts->count)
            break;
        if (child + 1 < ts->count && ts->heap[child + 1]->at_us < ts->heap[child]->at_us)
            child++;
        if (ts->heap[child]->at_us >= t->at_us)
            break;
        place(ts, ts->heap[child], i);
        i = child;
    }
    place(ts, t, i);
}

void timer_set(struct timers *ts, struct timer *t, int64_t at_us)
{
    if (at_us == TIMER_NEVER) {
        timer_clear(ts, t);
        return;
    }
    int64_t was = t->at_us;
    t->at_us = at_us;
    if (!t->index) {
        ASSERT(ts->count < ts->cap);
        sift_up(ts, t, ts->count++);
    } else if (at_us < was) {
        sift_up(ts, t, t->index - 1);
    } else {
        sift_down(ts, t, t->index - 1);
    }
}

void timer_clear(struct timers *ts, struct timer *t)
{
    if (!t->index)
        return;
    int32_t i = t->index - 1;
    struct timer *last = ts->heap[--ts->count];
    t->index = 0;
    if (last == t)
        return;
    if (last->at_us < t->at_us)
        sift_up(ts, last, i);
    else
        sift_down(ts, last, i);
}

int64_t timers_next(const struct timers *ts)
{
    return ts->count ? ts->heap[0]->at_us : TIMER_NEVER;
}

struct timer *timers_pop(struct timers *ts, int64_t now_us)
{
    if (!ts->count || ts->heap[0]->at_us > now_us)
        return NULL;
    struct timer *t = ts->heap[0];
    timer_clear(ts, t);
    return t;
}
