/* performance - GET analytics/model-performance, of a learner and of all; their rows stand in
 * analytics.c. */
#pragma once
#include "api/api.h"

extern const struct field performance_fields[], performance_twice_fields[];
enum err get_model_performance(struct api_call *c);
extern const struct field overall_performance_fields[];
enum err get_overall_performance(struct api_call *c);
