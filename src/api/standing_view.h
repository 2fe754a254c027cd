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
/* Of objectives below STANDING_MASTERY that were met from since_us on, the furthest below first. */
enum { TIME_ESTIMATES_MAX = 20 };
MUST_CHECK enum err time_estimates(struct api_call *c, const struct standing_view *v,
                                   int64_t since_us, struct list *ret);

/* An objective beside the learner's others. */
struct standing_ranked {
    struct str objective, name;
    double score, percentile;
    const struct interval *interval;
    int64_t n;
};
extern const struct field standing_ranked_fields[];
/* Indices by a key, the largest first, at most `room`; NaN is left out. Returns how many. */
int32_t standings_top(const struct standings *s, double (*key)(const struct standing *),
                      int32_t room, int32_t *ret);
/* The same as a list of struct standing_ranked. */
enum { STANDING_SHOWN = 10 };
MUST_CHECK enum err standings_ranked(struct api_call *c, const struct standings *s,
                                     double (*key)(const struct standing *), struct list *ret);
double standing_weakness(const struct standing *s); /* a key: the lowest tenth */

/* "7d" "30d" "90d" "1y" "all", their days (-1: all), and the instant at which each begins. */
extern const char *const standing_range_names[];
extern const int32_t standing_range_days[];
int64_t standing_range_since(const struct api_call *c, int32_t range);

const struct interval *interval_tenths(struct arena *arena, struct interval i);
