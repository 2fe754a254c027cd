/* profile - GET analytics/learning-profile; its row stands in analytics.c. */
#pragma once
#include "api/api.h"

extern const struct field learning_profile_fields[];
enum err get_learning_profile(struct api_call *c);
/* The profile alone, as JSON text in the arena, "null" where there is none: for the export. Needs
 * conn, arena, learner, now_us and deadline_us of the call. */
MUST_CHECK enum err learning_profile_print(struct api_call *c, struct str *ret);
