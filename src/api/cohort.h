/* cohort - set work that other systems tell of, kept for each learner and course, and where one's
 * own work stands among that of all who take the course. */
#pragma once
#include "api/learner.h"
#include "twin/warning.h"

enum {
    COHORT_DAY_MAX = 3650,
    COHORT_COURSES_MAX = 16, /* of a learner */
    COHORT_NEEDED = 20,      /* learners of a course, before it says anything */
    COHORT_HANDED = 10,      /* who handed a piece in, before it has places */
};

struct cohort {
    struct str course;
    int64_t learners; /* of the course, as of their last nights */
    int64_t tasks;    /* that the cohort said something of */
    struct str reason;
};
extern const struct field cohort_fields[];
/* Fills in what was left out (NaN) of the tasks' standing, share and places, by the end of `day`.
 * names: of the tasks, p NULL unknown. One round trip beside the size, which was read with
 * STMT_COHORT_SIZE. ERR_NOMEM. */
MUST_CHECK enum err cohort_fill(struct api_call *c, struct str course, int64_t learners,
                                int32_t day, const struct str *names, struct warning_task *tasks,
                                int32_t count, struct cohort *ret);
extern const struct endpoint endpoints_cohort[];
