/* load_view - what the answers about load share: the signs as they are shown, the baseline, and the
 * estimate from a session's sums. */
#pragma once
#include "api/learner.h"
#include "api/session_row.h"
#include "twin/load.h"

enum { LOAD_GRADED_NEEDED = 5 /* in a session, for an estimate from its sums */ };
#define LOAD_METHOD_MEASURED "legacy-v1"
#define LOAD_METHOD_ESTIMATE "session-estimate"

struct load_shown {
    int32_t sign, severity;
    double value, contribution;
};
extern const struct field load_indicator_fields[];
void load_indicators_write(struct json_writer *w, const struct load_result *r);
/* In the arena; p == NULL: no memory. */
struct str load_indicators_json(struct arena *arena, const struct load_result *r);

struct load_baseline {
    struct str source, ms_source;
    double ms, performance;
    int64_t n;
};
extern const struct field load_baseline_fields[];
/* What the learner's history says of the usual latency and success. */
struct load_baseline load_baseline_of(const struct learner *l);

/* The formula on what the sums tell; false: too little was graded, or there was no clock. */
bool load_of_session(const struct session_row *s, const struct load_baseline *baseline,
                     struct load_result *ret);
