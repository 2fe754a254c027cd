/* mission_strain - what strain and agreed rest leave of a day's mission: the learner's figures by
 * the rule of twin/plan.h. */
#pragma once
#include "api/burnout.h"
#include "api/load_now.h"
#include "twin/plan.h"

enum { MISSION_STRAIN_QUERIES = BURNOUT_QUERIES + LOAD_NOW_QUERIES + 1, MISSION_LIMITS_MAX = 3 };
struct mission_strain_args {
    struct burnout_args burnout;
    struct load_now_args load;
    struct value rest[1];
};
/* For one round trip with others. */
void mission_strain_queries(struct api_call *c, struct mission_strain_args *args,
                            struct query q[MISSION_STRAIN_QUERIES]);

struct mission_strain {
    const struct zone *zone;
    int32_t today;
    double load;                /* 0..100; NaN: none that still holds */
    enum burnout_level burnout; /* LOW where too little is known */
    int64_t rest_until;         /* as the learner agreed; TIME_NONE */
};
MUST_CHECK enum err mission_strain_read(struct api_call *c,
                                        const struct query q[MISSION_STRAIN_QUERIES],
                                        const struct learner *l, struct mission_strain *ret);

/* Of a mission for `day`, today or later. texts: struct str, why, for people; none: no limits.
 * ERR_NOMEM. */
MUST_CHECK enum err mission_strain_limits(struct api_call *c, const struct mission_strain *s,
                                          int32_t day, int32_t asked, struct plan_day *ret,
                                          struct list *ret_texts);
