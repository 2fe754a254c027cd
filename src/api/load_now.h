/* load_now - the newest load of a learner, for answers that heed it; as analytics/cognitive-load/current has it (load.c). */
#pragma once
#include "api/learner.h"

enum { LOAD_NOW_QUERIES = 2, LOAD_HOLDS_S = 24 * 3600 /* an older one says nothing of now */ };
struct load_now_args {
    struct value latest[3], sessions[4];
};
/* For one round trip with others. */
void load_now_queries(struct api_call *c, struct load_now_args *args,
                      struct query q[LOAD_NOW_QUERIES]);

struct load_now {
    double score; /* 0..100; NaN: none is known */
    double confidence;
    int64_t at, age_s; /* at TIME_NONE: none */
    struct str method; /* measured, or an estimate from a session's sums */
    struct str reason; /* why there is none; p == NULL */
    const struct needed *needed;
};
MUST_CHECK enum err load_now_read(struct api_call *c, const struct query q[LOAD_NOW_QUERIES],
                                  const struct learner *l, struct load_now *ret);
