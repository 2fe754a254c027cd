/* burnout - GET analytics/burnout-risk; and the risk for other answers. */
#pragma once
#include "api/api.h"
#include "twin/burnout.h"

/* The risk of the fourteen days up to `today`, from STMT_STUDY_DAYS and STMT_MISSION_DAYS. */
MUST_CHECK enum err burnout_of_rows(struct api_call *c, const struct rows *days,
                                    const struct rows *missions, int32_t today,
                                    struct burnout_result *ret);

#include "api/learner.h"
#include "twin/burnout.h"

/* The present risk for other answers. args and queries: STUDY_DAYS and MISSION_DAYS, for one round
 * trip with others; days' columns are those of STMT_STUDY_DAYS. */
enum { BURNOUT_QUERIES = 2 };
struct burnout_args {
    struct value v[3];
};
void burnout_queries(struct api_call *c, struct burnout_args *args,
                     struct query q[BURNOUT_QUERIES]);
MUST_CHECK enum err burnout_read(struct api_call *c, const struct query q[BURNOUT_QUERIES],
                                 const struct learner *l, struct burnout_result *ret);
