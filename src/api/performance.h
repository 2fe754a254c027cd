/* performance - GET analytics/model-performance; its row stands in analytics.c. */
#pragma once
#include "api/api.h"

extern const struct field performance_fields[];
enum err get_model_performance(struct api_call *c);
