/* mission_make - a mission from what is known of the learner: candidates out of the store, the
 * choice by twin/mission.h. */
#pragma once
#include "api/learner.h"
#include "twin/mission.h"
#include "twin/plan.h"

enum { MAKE_DUE = 2, MAKE_RETAINED = 6, MAKE_QUERIES };
struct make_args {
    struct value known[2], fresh[2], due[3], needs[2];
};
/* Fills in MAKE_QUERIES queries, to be read in one round trip. */
void mission_make_queries(struct api_call *c, int32_t day, struct make_args *args,
                          struct query q[MAKE_QUERIES]);

/* What a mission may be made of. */
struct material {
    struct mission_candidate *of; /* by id */
    struct str *texts, *complexities;
    struct mission_needs *needs;
    int32_t count, needs_count;
};
/* From the queries, after they were read. spare: candidates that the caller may add behind. The
 * statement for due cards (MAKE_DUE) may be another one whose rows begin alike. ERR_NOMEM. */
MUST_CHECK enum err mission_material(struct api_call *c, const struct query q[MAKE_QUERIES],
                                     int32_t day, int32_t spare, struct material *ret);

struct made_objective {
    struct str id, text, complexity;
    int64_t minutes;
    double mastery, gain;
    bool high_yield;
    int64_t due;
    struct list reasons; /* struct str */
};
extern const struct field made_fields[];

struct made_mission {
    struct list objectives; /* struct made_objective, in order of study */
    int64_t minutes, due, fresh, high_yield;
    struct str reason; /* why it is shorter than asked; {NULL,0} */
};
/* From the queries, after they were read. ERR_NOMEM. */
MUST_CHECK enum err mission_make(struct api_call *c, const struct query q[MAKE_QUERIES],
                                 int32_t day, const struct plan_day *within, bool only_weak,
                                 struct made_mission *ret);
