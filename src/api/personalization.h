/* personalization - what the answers about personalisation share: what is known of the learner,
 * whether it is enough and wanted, and the parameters that follow. */
#pragma once
#include "api/learner.h"
#include "night/personalize.h"
#include "twin/study.h"

enum personal_verdict {
    VERDICT_OPEN,
    VERDICT_ANALYSIS,  /* the learner has switched analysis off */
    VERDICT_PROFILING, /* or the learning profile */
    VERDICT_OFF,       /* or this context */
    VERDICT_THIN,      /* too little data for anything */
    VERDICT_BELOW,     /* too little for the level that the learner wants */
};

enum { KNOWN_QUERIES = 10, VIEW_QUERIES = 1 + PERSONAL_QUERIES + KNOWN_QUERIES };

struct personal_view {
    struct learner l;
    struct personal_ground g;
    struct personal_known known;
    struct study_gate gate;
    struct study_window windows[STUDY_WINDOWS_MAX];
    int32_t window_count;
    double curve_initial, curve_decay; /* NaN: none */
    struct query q[VIEW_QUERIES];
};

/* Everything in one round trip, but for the days' sums. */
MUST_CHECK enum err personal_view_read(struct api_call *c, struct personal_view *v);
/* The ground alone, with `conn`: a reader's, or a writer's in its transaction. ERR_NOT_FOUND,
 * explained. first_day and last_day: of the days' sums. */
MUST_CHECK enum err personal_ground_read(struct api_call *c, struct store_conn *conn,
                                         int32_t first_day, int32_t last_day, struct learner *l,
                                         struct personal_ground *g);
/* Locks the learner's row where the engine can: nothing is kept of one that is being erased. */
MUST_CHECK enum err personal_hold(struct api_call *c, struct store_conn *conn);
enum personal_verdict personal_verdict(const struct personal_view *v,
                                       enum personal_context context);
/* For people; p == NULL: no memory. */
struct str personal_verdict_text(struct arena *arena, const struct personal_view *v,
                                 enum personal_verdict verdict);
/* The choice of that day, or NULL. */
const struct personal_row *personal_choice_of(const struct personal_ground *g, int32_t day,
                                              enum personal_context context);

/* What the caller told with its call. */
struct personal_params {
    struct str date, topic;
    struct str difficulty; /* JSON */
    double minutes;        /* NaN: not told */
};
/* A JSON object. What disabled_features names is left out. ERR_NOMEM. */
MUST_CHECK enum err personal_parameters(struct api_call *c, const struct personal_view *v,
                                        enum personal_context context,
                                        enum personal_variant variant,
                                        const struct personal_params *params, struct str *ret);
extern const char *const personal_strategies[]; /* by context */

/* personalization_outcome.c, _effect.c, _history.c: their rows stand in personalization.c. */
struct personal_outcome_in {
    struct str user_id, id, decision, content_type, difficulty;
    int32_t type, context;
    int64_t at;
    double retention, performance, retention_score, performance_score;
    double completion, satisfaction, engagement, minutes;
    /* found on the way */
    int32_t day;
    bool known; /* the outcome was there already */
};
extern const struct field personal_outcome_body[], personal_outcome_reply[];
enum err post_personal_outcome(struct api_call *c);

struct personal_period {
    int64_t start, end; /* TIME_NONE: left out */
};
struct effectiveness_query {
    struct personal_period period;
    int32_t metric;
};
struct personal_history_query {
    struct personal_period period;
    int32_t limit;
    int64_t offset;
    struct str cursor;
};
extern const struct field effectiveness_query[], effectiveness_reply[], personal_history_query[],
    personal_history_reply[];
enum err get_effectiveness(struct api_call *c);
enum err get_personal_history(struct api_call *c);
/* What was left out is filled in: `days` before the end, the end now. ERR_RANGE names the field. */
MUST_CHECK enum err personal_period_check(struct api_call *c, int32_t days,
                                          struct personal_period *p);

/* personalization_trial.c */
extern const struct field personal_trial_reply[];
enum err get_personal_trial(struct api_call *c);
/* The same as comparisons among others, for administrators. args lives as long as the query. */
void personal_trial_query(const struct api_call *c, struct value args[2], struct query *q);
extern const struct field ab_test_fields[];
struct ab_test {
    struct str name, metric, control, treatment, status, method, reason;
    int64_t control_n, treatment_n;
    double difference, p, p_adjusted, g;
    const struct interval *interval;
    bool significant;
};
enum { AB_TESTS_MAX = 2 };
/* list of struct ab_test, from the query's rows; empty where nobody began lately. ERR_NOMEM. */
MUST_CHECK enum err personal_ab_tests(struct api_call *c, const struct rows *rows,
                                      struct list *ret);
int64_t personal_holdout_percent(const struct api_call *c); /* the setting */
