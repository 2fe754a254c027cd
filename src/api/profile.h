/* profile - GET analytics/learning-profile; its row stands in analytics.c. */
#pragma once
#include "api/api.h"
#include "twin/study.h"

extern const struct field learning_profile_fields[];
enum err get_learning_profile(struct api_call *c);
/* rows: STMT_STUDY_LENGTHS. */
void study_lengths_read(const struct rows *rows, struct study_length ret[STUDY_LENGTHS]);
/* The profile alone, as JSON text in the arena, "null" where there is none: for the export. Needs
 * conn, arena, learner, now_us and deadline_us of the call. */
MUST_CHECK enum err learning_profile_print(struct api_call *c, struct str *ret);
