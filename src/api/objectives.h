/* objectives - an objective as answers show it: what it is, and how surely the learner masters it.
 */
#pragma once
#include "api/objective_map.h"

struct objective {
    struct str id, text, complexity, course, level;
    bool high_yield;
    double probability, mastered, weakness, accuracy; /* NaN: nothing was asked yet */
    const struct interval *interval;                  /* 90 % */
    int64_t n, right, study_ms, sessions, last_at, due;
};
extern const struct field objective_fields[];
MUST_CHECK enum err objective_of(struct api_call *c, const struct known_objective *k,
                                 struct objective *ret);

/* One round trip: the learner and the map, and `more` queries of the caller behind them. `queries`
 * has room for all: 1 + MAKE_QUERIES + more; the caller fills those behind OBJECTIVE_QUERIES. */
enum { OBJECTIVE_QUERIES = 1 + MAKE_QUERIES };
MUST_CHECK enum err objectives_read(struct api_call *c, struct query *queries, int32_t count,
                                    struct learner *l, struct study_map *ret);
/* Is it of this course? course p == NULL: any. */
bool objective_in(const struct known_objective *k, struct str course);
#define COURSE_FIELD(struct_)                                                \
    FIELD(F_STR, struct_, course, "courseId", .min = 1, .max = EVENT_ID_MAX, \
          .doc = "objectives of this course only")
/* How estimates are made, for replies. */
extern const struct str objective_method;
