/* session_graded - the answers and reviews of sessions as rows, and a review's form in replies. */
#pragma once
#include "api/learner.h"

struct card_course {
    struct str id, name;
};
struct card_lecture {
    struct str id, title;
    const struct card_course *course;
};
struct card {
    struct str id, front, back;
    const struct card_lecture *lecture;
};
struct review {
    struct str id;
    int32_t rating;
    int64_t at, latency_ms, spent_ms;
    struct card card;
};
extern const struct field review_fields[];

/* One row of STMT_SESSION_GRADED, from its first column on. */
struct graded {
    int64_t at, kind, correct, rating, latency_ms, spent_ms;
    struct str id, item, objective, concept, front, back, lecture, title, course, course_name;
    double score, confidence;
};
struct graded graded_read(struct columns v);
/* ERR_NOMEM. */
MUST_CHECK enum err review_of(struct api_call *c, const struct graded *g, struct review *ret);
