/* overload - spells of overload in a range of days: found on reading, from the sums of the range
 * and of the OVERLOAD_BEFORE_DAYS before it, which say what is usual. */
#pragma once
#include "api/learner.h"
#include "twin/spell.h"

enum { OVERLOAD_BEFORE_DAYS = 90 };

struct overload_past {
    struct list spells;
    int64_t days;
    struct str method, reason;
};
extern const struct field overload_past_fields[];

struct overload_args {
    struct value v[4];
};
/* start, end: UTC microseconds. To be read together with others. */
void overload_query(struct api_call *c, int64_t start, int64_t end, struct overload_args *a,
                    struct query *q);
/* Those that touch the range. */
MUST_CHECK enum err overload_past(struct api_call *c, const struct query *q,
                                  const struct learner *l, int64_t start, int64_t end,
                                  struct overload_past *ret);
