/* pattern_row - a row of patterns as the answers about it show it: its data, and its words. */
#pragma once
#include "api/learner.h"
#include "twin/patterns.h"

/* patternData; what a kind does not have is absent. */
struct pattern_shown {
    int32_t hour, start_hour, end_hour; /* INT32_MIN: absent */
    double minutes;                     /* NaN: absent */
    struct str modality;
    double effect;
    const struct interval *effect_interval, *hour_interval, *interval;
    double p, bayes_factor;
};

struct pattern_row {
    struct str id, user_id;
    int32_t kind, slot, slot_last;
    struct str label;
    bool present;
    int64_t appeared_at, seen_at, vanished_at, first_at; /* TIME_NONE: never */
    int64_t occurrences, n;
    double confidence;
    struct str name;
    struct list evidence; /* of struct str */
    struct pattern_shown data;
};
extern const struct field pattern_row_fields[];

/* From the columns of the statements that list patterns, wherever they begin in the row. */
MUST_CHECK enum err pattern_row_read(struct api_call *c, struct columns v, struct pattern_row *ret);

/* All rows of the query; *ret_rows in the arena. */
MUST_CHECK enum err pattern_rows_read(struct api_call *c, const struct rows *rows,
                                      struct pattern_row **ret_rows);

/* What the learner would gain in the share of right answers by doing all work as the pattern says;
 * 0..1; NaN where that cannot be said. mean: the learner's share, inside of (0, 1). */
double pattern_gain(const struct pattern_row *p, double mean);

/* What the answers about patterns read, in one round trip. */
struct patterns_view {
    struct learner l;
    int64_t analysed_at, asked_at; /* TIME_NONE: never */
    bool unchanged;                /* patterns_fresh() */
    struct pattern_row *patterns;
    int32_t count;
    struct query q[9]; /* 0 learner, 1 analysis, 2 patterns, 3.. the caller's */
};
/* more: queries of the caller's, from q[3] on. */
MUST_CHECK enum err patterns_view_read(struct api_call *c, struct patterns_view *v, int32_t more);
/* Nothing came since the last analysis; an answer that says so depends on all events. */
static inline bool patterns_fresh(const struct patterns_view *v)
{
    learner_totals(&v->l);
    return v->unchanged;
}
/* Why there is nothing to show; *needed is set where more data would help. */
struct str patterns_reason(const struct patterns_view *v, struct arena *arena,
                           const struct needed **needed);
#define FIELD_REASON(struct_)                                                                 \
    FIELD(F_STR, struct_, reason, "reason", .flags = FIELD_NULLABLE,                          \
          .doc = "why there is none; null when there is one"),                                \
        FIELD(F_OBJECT, struct_, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,   \
              .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is missing"), \
        FIELD(F_TIME, struct_, analysed_at, "lastAnalyzedAt", .flags = FIELD_NULLABLE,        \
              .doc = "when the analysis was last made")

/* For people, in the arena; p == NULL: no memory. */
struct pattern_words {
    struct str title, description, action;
    const char *insight_type, *recommendation_type, *category;
};
struct pattern_words pattern_words(struct arena *arena, const struct pattern_row *p);
