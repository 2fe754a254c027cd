/* learner - what the answers about one learner share: the learner's row and totals, and the parts
 * of replies that every estimate carries. */
#pragma once
#include "api/api.h"
#include "twin/session.h"
#include "twin/stats.h"

/* Reads the columns of a row one after the other. */
struct columns {
    const struct value *v;
    int32_t left;
};
struct columns columns_of(const struct rows *r, int32_t row);
int64_t column_i64(struct columns *c, int64_t if_null);
double column_f64(struct columns *c); /* NaN for NULL */
struct str column_str(struct columns *c);
bool column_bool(struct columns *c);
int64_t column_time(struct columns *c); /* TIME_NONE for NULL */

/* The row in totals; zeros when there is none. */
struct learner_totals {
    int64_t events, untimed;
    int64_t first_at, last_at; /* of timed events; TIME_NONE */
    int64_t study_ms, sessions, completed, answers, correct, reviews, recalled;
    int64_t latency_n, latency_log_micro, loads, load_micro;
};

/* The row in learners. */
struct learner {
    int64_t learner_id;
    struct str id; /* external */
    const struct zone *zone;
    int32_t today;            /* local day */
    bool analysis, profiling; /* what the learner allows */
    struct learner_totals came_along; /* learner_totals() */
    uint32_t *reads;                  /* the call's */
};
/* They change with every event: whoever looks at them makes an answer that depends on all events.
 */
static inline const struct learner_totals *learner_totals(const struct learner *l)
{
    *l->reads |= STMT_GROUP_TOTALS;
    return &l->came_along;
}
static inline int64_t learner_graded(const struct learner *l)
{
    const struct learner_totals *t = learner_totals(l);
    return t->answers + t->reviews;
}
static inline int64_t learner_succeeded(const struct learner *l)
{
    const struct learner_totals *t = learner_totals(l);
    return t->correct + t->recalled;
}

/* One round trip: queries[0] is filled in here and reads the learner, the others are the caller's.
 * ERR_NOT_FOUND (explained to the caller of the API) when there is no such learner. */
MUST_CHECK enum err learner_read(struct api_call *c, struct query *queries, int32_t count,
                                 struct learner *ret);

/* {"low":0.1,"high":0.4} */
extern const struct field interval_fields[];
/* In the arena; NULL for an interval that is not there (NaN). */
const struct interval *interval_new(struct arena *arena, struct interval in);

/* How much more there must be before an answer can be given; a member that does not matter is
 * absent. */
struct needed {
    int64_t weeks, sessions, graded, load_samples; /* INT64_MIN: absent */
};
extern const struct field needed_fields[];
#define NEEDED_NONE ((struct needed){INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN})
const struct needed *needed_new(struct arena *arena, struct needed n);

/* Why an analysis is withheld: the learner has switched it off. */
extern const struct str reason_disabled;

/* "userId" of a body, for rows with LEARNER_BODY; a member of that name must lie in `in`. */
#define FIELD_USER_ID(struct_)                                     \
    FIELD(F_STR, struct_, user_id, "userId", .min = 1, .max = 128, \
          .doc = "the learner; may be left out with a learner's own key")

/* The same, also as older clients of the routes in snake case name it. */
#define FIELD_USER_ID_EITHER(struct_)                                     \
    FIELD_USER_ID(struct_),                                               \
        FIELD(F_STR, struct_, user_id_too, "user_id", .min = 1, .max = 128, \
              .doc = "the same as userId")

/* A refused event as the call's refusal: 403 where the learner has switched analysis off, else 400.
 */
enum err event_refused(struct api_call *c, const struct ingest_result *r);

/* The answer is true until then at most (UTC). */
void answer_until(struct api_call *c, int64_t at_us);
/* The answer changes as time goes by: it is fresh for five seconds, and for a minute it may be sent
 * while it is made anew. */
void answer_ages(struct api_call *c);

double round_to(double v, int decimals);
/* Times in the query that default to a range ending now. Both inclusive; *from <= *to or
 * ERR_RANGE naming the field. */
MUST_CHECK enum err range_check(struct api_call *c, const char *from_name, int64_t from,
                                int64_t to);
