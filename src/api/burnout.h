/* burnout - GET analytics/burnout-risk; its row stands in load.c. */
#pragma once
#include "api/api.h"
#include "twin/burnout.h"

/* The risk of the fourteen days up to `today`, from STMT_STUDY_DAYS and STMT_MISSION_DAYS. */
MUST_CHECK enum err burnout_of_rows(struct api_call *c, const struct rows *days,
                                    const struct rows *missions, int32_t today,
                                    struct burnout_result *ret);

extern const struct field burnout_fields[];
enum err get_burnout_risk(struct api_call *c);
