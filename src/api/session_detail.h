/* session_detail - a session with its plan, its graded work and what the learner thought of it. */
#pragma once
#include "api/session_graded.h"
#include "api/session_row.h"

enum { GRADED_MAX = 500 }; /* answers and reviews of a session that are looked at */

/* An objective of a session's or mission's plan. */
struct objective_info {
    struct str id, text, complexity;
};
struct planned_objective {
    struct str id;
    const struct objective_info *info;   /* NULL: not in the catalogue */
    int64_t position, estimated_minutes; /* INT64_MIN: none */
    bool completed;
    int64_t completed_at;
    int64_t time_spent_ms, self_assessment, confidence; /* INT64_MIN: none */
    struct str notes;
};
extern const struct field planned_fields[];

/* Rows of STMT_SESSION_OBJECTIVE_LIST, which have results, or of the missions' objectives. */
MUST_CHECK enum err planned_read(struct api_call *c, const struct rows *rows, struct list *ret);
/* One of them, into zeroed ones; `info` is pointed to. */
void planned_one(struct columns v, struct planned_objective *p, struct objective_info *info);

struct progress {
    int64_t completed, total;
};
extern const struct field progress_fields[];
/* NULL when the list is empty or memory is out. */
const struct progress *progress_of(struct arena *arena, const struct list *planned);
/* The first planned objective that is not done; NULL. */
const struct planned_objective *planned_next(const struct list *planned);

/* Confidence against score, over the answers that told a confidence. */
struct categories {
    int64_t over, under, calibrated;
};
struct calibration {
    int64_t n;
    double gap, bias, brier, reflection, minutes; /* NaN: none */
    const struct interval *bias_interval;
    struct categories categories;
};
extern const struct field calibration_fields[];
/* Begin with a zeroed one; _end() turns the sums into means. */
void calibration_add(struct calibration *k, const struct graded *g);
void calibration_end(struct calibration *k, struct arena *arena);

extern const struct field session_reply_fields[]; /* {"session":…} of GET learning/sessions/{id} */
enum err get_session(struct api_call *c);

/* What every row with a session in its path has first in its input. */
struct session_path {
    struct str id;
};
extern const struct field session_path_fields[];
