/* strain - the strain of the moment and of the past, from what the night kept and what was answered
 * since. Answers since the night have no forecast: they are held against the usual share. */
#pragma once
#include "api/learner.h"
#include "twin/sitting.h"

enum { STRAIN_TAIL_MAX = 500 /* answers since the night, the latest */ };
#define STRAIN_METHOD "strain-1"

enum { STRAIN_QUERIES = 2 };
struct strain_args {
    struct value v[2];
};
/* To be read together with others. */
void strain_queries(struct api_call *c, struct strain_args *a, struct query q[STRAIN_QUERIES]);

/* What came of the answers since the night. */
struct strain_now {
    struct sittings state; /* up to the last answer */
    struct sitting *closed;
    int32_t closed_count;
    struct strain_episode *ended;
    bool *recovered;
    int32_t ended_count;
};
MUST_CHECK enum err strain_now(struct api_call *c, const struct query q[STRAIN_QUERIES],
                               struct strain_now *ret);

struct strain_shown {
    double load, trend, slower, misses;
    const struct interval *interval;
    int32_t level, direction;
    bool sufficient, overload;
    int64_t answers, at, overload_since;
    struct str method, reason;
    const struct needed *needed;
};
extern const struct field strain_shown_fields[];
/* NULL with ERR_NOMEM. analysis: what the learner allows. */
MUST_CHECK enum err strain_show(struct api_call *c, const struct strain_now *now, bool analysis,
                                struct strain_shown **ret);

/* Minutes until the load has faded below 60 when nothing more is done; 0: it is not above, NaN: the
 * normal is not known yet. */
double strain_fade_minutes(const struct strain *s, int64_t now_us);

/* The sittings in a range, with overloads. */
struct strain_past {
    struct list points, episodes;
    double mean, max;
    struct str method, reason;
};
extern const struct field strain_past_fields[];
enum { STRAIN_PAST_QUERIES = 2 };
struct strain_past_args {
    struct value sittings[4], episodes[4];
};
void strain_past_queries(struct api_call *c, int64_t from, int64_t to, struct strain_past_args *a,
                         struct query q[STRAIN_PAST_QUERIES]);
MUST_CHECK enum err strain_past(struct api_call *c, const struct strain_now *now,
                                const struct query q[STRAIN_PAST_QUERIES], int64_t from, int64_t to,
                                struct strain_past *ret);
