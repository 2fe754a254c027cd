/* standing_view - what the answers about a learner's objectives read, and how they put it. */
#pragma once
#include "api/pattern_row.h"
#include "night/summaries.h"

enum { STANDING_DAYS = 28 /* over which the learner's study a week is counted */ };

struct standing_view {
    struct patterns_view base; /* q[3] objectives, q[4] days; q[5] .. q[8] the caller's */
    struct standings s;
    double week_hours; /* of study, mean of the last STANDING_DAYS days */
};
/* One round trip. since_us: objectives met from then on. more: the caller's queries. */
MUST_CHECK enum err standing_view_read(struct api_call *c, struct standing_view *v,
                                       int64_t since_us, int32_t more);
/* Why there is nothing to show of any objective. */
struct str standing_view_reason(struct api_call *c, const struct standing_view *v,
                                const struct needed **needed);

/* The catalogue's, or else the id. */
struct str objective_name(struct str name, struct str id);
/* Not too long for a title: at most 48 bytes, cut between characters. */
struct str objective_short(struct str name, struct str id);

/* Hours (weeks) to mastery of one objective, as replies show them. */
struct time_estimate {
    struct str objective, name;
    double score;
    const struct interval *score_interval;
    int64_t n;
    double hours, weeks;
    double low, high;
    double gain;
    const struct interval *gain_interval;
    int32_t lines;
    struct str method, reason;
};
extern const struct field time_estimate_fields[];
/* objective: an index into v->s. */
struct time_estimate time_estimate_of(struct api_call *c, const struct standing_view *v,
                                      int32_t objective);
struct str standing_reason_text(enum standing_reason r);
