/* timers - what happens when: a heap of deadlines for one thread.
 *
 * Owners move their deadlines lazily: one that moved later is left where it is, and when it comes
 * up its owner looks whether it is really due and sets it again. So a request on a busy connection
 * costs no work here. */
#pragma once
#include "base/err.h"

#include <stdint.h>

#define TIMER_NEVER INT64_MAX

struct timer {
    void (*fire)(struct timer *t); /* the timer is not armed any more when this is called */
    int64_t at_us;
    int32_t index; /* place in the heap + 1; 0: not armed. A zeroed timer is ready for use. */
};

struct timers {
    struct timer **heap;
    int32_t count, cap;
};

void timers_fini(struct timers *ts); /* a zeroed struct timers is empty */
/* Room for n armed timers. Whoever makes a timer makes room, so that arming cannot fail. */
MUST_CHECK enum err timers_reserve(struct timers *ts, int32_t n);
void timer_set(struct timers *ts, struct timer *t, int64_t at_us); /* TIMER_NEVER: clears */
void timer_clear(struct timers *ts, struct timer *t);
int64_t timers_next(const struct timers *ts); /* TIMER_NEVER: nothing is armed */
/* Takes out the earliest timer that is due; NULL: none. */
struct timer *timers_pop(struct timers *ts, int64_t now_us);
