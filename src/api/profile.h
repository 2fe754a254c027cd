/* profile - GET analytics/learning-profile; its row stands in analytics.c. */
#pragma once
#include "api/api.h"

extern const struct field learning_profile_fields[];
enum err get_learning_profile(struct api_call *c);
