/* burnout - GET analytics/burnout-risk; its row stands in load.c. */
#pragma once
#include "api/api.h"

extern const struct field burnout_fields[];
enum err get_burnout_risk(struct api_call *c);
