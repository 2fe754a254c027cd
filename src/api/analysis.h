/* analysis - a step of the night, worked out now because somebody asks.
 *
 * The step reads and computes where the call's handler runs, and only what it leaves to be written
 * goes through a writer, in a transaction that does nothing else: others' writes wait for that
 * alone, however far the learner is behind. Each round takes as much as the step takes at a time,
 * and is written before the next one begins, so that what was done stays done when time runs out.
 *
 * Before it writes, a round's transaction looks whether the learner is still there and still allows
 * analysis, and the step's guard (night.h) whether its results have moved meanwhile: then nothing
 * is written and the round is made again. A call with an Idempotency-Key makes its rounds before
 * the transaction that keeps the reply: rounds may be repeated without harm. */
#pragma once
#include "api/api.h"
#include "night/night.h"

struct analysis_ask {
    enum err (*step)(struct night_work *w);
    int32_t days_ahead; /* night.h */
    bool refuse; /* 403 where the learner has switched analysis off; else `then` tells of it */
    enum err (*then)(struct api_call *c);
};

/* Rounds until there is nothing left, or half of the call's time has gone; then ask->then, where a
 * handler of this row runs. Return its value from the handler. ERR_NOT_FOUND: no such learner. */
MUST_CHECK enum err analysis_make(struct api_call *c, const struct analysis_ask *ask);
/* In `then`: how many answers the step has yet to take in (night_work.behind); 0: none. */
int64_t analysis_behind(struct api_call *c);
