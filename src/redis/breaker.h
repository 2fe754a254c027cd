/* breaker - when to stop asking a service that does not answer, and when to try it again.
 *
 * Closed: everything goes through. After BREAKER_FAILURES failures in a row it opens for 50 ms;
 * then one probe may go. Each failing probe doubles the pause, up to 2 s, with a random fifth more
 * or less, so that many callers do not come back at one moment. A probe that succeeds closes it,
 * but the pause is forgotten only when real work has succeeded too.
 *
 * Pure: the clock and the chance are arguments. One owner. */
#pragma once
#include "base/rng.h"

#include <stdbool.h>
#include <stdint.h>

enum { BREAKER_FAILURES = 3, BREAKER_PAUSE_MIN_MS = 50, BREAKER_PAUSE_MAX_MS = 2000 };

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

struct breaker { /* a zeroed one is closed */
    enum breaker_state state;
    int32_t failures; /* in a row */
    int32_t pause_ms; /* the last one; 0: none yet */
    int64_t open_until_us;
    int64_t opened; /* how often */
};

/* Only when open: its pause is over, and the caller sends the one probe. */
bool breaker_probe(struct breaker *b, int64_t now_us);
void breaker_failure(struct breaker *b, int64_t now_us, struct rng *rng);
void breaker_success(struct breaker *b); /* of real work */
void breaker_probed(struct breaker *b);  /* the probe has succeeded */
