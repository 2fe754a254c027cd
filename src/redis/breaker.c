#include "redis/breaker.h"

static void open_for_a_while(struct breaker *b, int64_t now_us, struct rng *rng)
{
    int32_t doubled = b->pause_ms * 2;
    b->pause_ms = doubled < BREAKER_PAUSE_MIN_MS   ? BREAKER_PAUSE_MIN_MS
                  : doubled > BREAKER_PAUSE_MAX_MS ? BREAKER_PAUSE_MAX_MS
                                                   : doubled;
    double us = b->pause_ms * 1000.0 * (0.8 + 0.4 * rng_unit(rng));
    b->open_until_us = now_us + (int64_t)us;
    b->state = BREAKER_OPEN;
    b->opened++;
}

bool breaker_probe(struct breaker *b, int64_t now_us)
{
    if (b->state != BREAKER_OPEN || now_us < b->open_until_us)
        return false;
    b->state = BREAKER_PROBING;
    return true;
}

void breaker_failure(struct breaker *b, int64_t now_us, struct rng *rng)
{
    if (b->state == BREAKER_OPEN)
        return; /* the rest of what was under way when it opened */
    b->failures++;
    if (b->state == BREAKER_PROBING || b->failures >= BREAKER_FAILURES)
        open_for_a_while(b, now_us, rng);
}

void breaker_success(struct breaker *b)
{
    if (b->state == BREAKER_CLOSED) {
        b->failures = 0;
        b->pause_ms = 0;
    }
}

void breaker_probed(struct breaker *b)
{
    b->state = BREAKER_CLOSED;
    b->failures = BREAKER_FAILURES - 1; /* the next failure opens it again, for longer */
}
