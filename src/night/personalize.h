/* personalize - the day's choices: made, taken back, and told what came of them.
 *
 * A choice is made once for each local day and context, by who comes first: the learner's own call
 * or the night. Its lot is drawn from the learner's id, the day and the context, so that it can be
 * drawn again. The night tells each choice of a day that is over what that day's work was like
 * against the four weeks before; an outcome that a client has told was there first and stands. A
 * day without work is given up after PERSONAL_WAIT_DAYS: silence is no outcome.
 *
 * For the comparison of learners who are held out with the others, each learner's sums of the four
 * weeks before personalisation began and of the eight weeks since are kept, too.
 *
 * The bandit of a context is made of its choices of the last PERSONAL_CHOICES_DAYS days (with
 * PERSONAL_MEMORY, older ones weigh nothing), so that there is no state that two writers could
 * spoil: a choice is added or is there, its first outcome stands.
 *
 * Where a learner's own rewards say nothing yet, those of all say something: the night keeps what
 * each variant brought over all learners, each reward weighted by the chance that it had of being
 * drawn, and every bandit begins with that as a prior of bounded strength. What of a learner is in
 * these sums is kept beside them, so that erasing takes it out again. */
#pragma once
#include "night/night.h"
#include "twin/personalize.h"

enum {
    PERSONAL_CHOICES_DAYS = 180,
    PERSONAL_WAIT_DAYS = 3,
    PERSONAL_IDLE_DAYS = 14,  /* the night draws for whoever has studied since */
    PERSONAL_TRIAL_DAYS = 56, /* since the beginning, that held-out and others are compared by */
    PERSONAL_QUERIES = 5,
    PERSONAL_CHOICES_MAX = (PERSONAL_CHOICES_DAYS + 2) * PERSONAL_CONTEXTS,
};

struct personal_preferences {
    enum personal_level level;
    bool on[PERSONAL_CONTEXTS], auto_adapt;
    struct str disabled_features; /* a JSON array */
    bool off[PERSONAL_CONTEXTS];  /* by disabled_features */
    int64_t version, updated_at;  /* 0, TIME_NONE: never changed */
};

struct personal_config {
    bool known, active, held_out;
    enum personal_variant variant;
    int32_t day;
    int64_t activated_at, deactivated_at; /* TIME_NONE */
};

/* A row of choices. */
struct personal_row {
    int32_t day;
    enum personal_context context;
    double control; /* chance of the control */
    int64_t made_at;
    struct personal_choice choice;
};

struct personal_ground {
    int64_t learner_id;
    double default_minutes;
    bool profiling; /* does the learner allow a learning profile? */
    struct personal_preferences preferences;
    struct personal_config configs[PERSONAL_CONTEXTS];
    struct personal_row *rows; /* by day, then context's name */
    int32_t row_count;
    struct personal_prior priors[PERSONAL_CONTEXTS];
    struct bandit bandits[PERSONAL_CONTEXTS];
    struct rows days; /* STMT_PERSONAL_DAYS, for personal_day_at() */
};

struct personal_args {
    struct value id, choices[3], days[3];
};
/* Queries 0..PERSONAL_QUERIES-1, to be read in one round trip: the choices of the last
 * PERSONAL_CHOICES_DAYS days, and the sums of first_day to last_day. */
void personal_queries(struct personal_args *args, struct str learner, int64_t now_us,
                      int32_t first_day, int32_t last_day, struct query q[PERSONAL_QUERIES]);
/* After they were read; the text lives where the rows live. ERR_NOMEM. */
MUST_CHECK enum err personal_ground_of(struct arena *arena, const struct query q[PERSONAL_QUERIES],
                                       struct personal_ground *ret);

/* The row of STMT_PERSONAL_SETTINGS. */
void personal_preferences_of(struct arena *arena, const struct value *row,
                             struct personal_preferences *ret);
/* The rows of STMT_PERSONAL_CHOICES. ERR_NOMEM. */
MUST_CHECK enum err personal_rows_of(struct arena *arena, const struct rows *rows,
                                     struct personal_row **ret, int32_t *ret_count);

/* The sums of one day, and those of the days before it; zeros for a day that is not there. */
struct personal_day personal_day_at(const struct rows *days, int32_t day);
struct personal_day personal_days_before(const struct rows *days, int32_t day);

/* Sets p->off by p->disabled_features. */
void personal_features(struct arena *arena, struct personal_preferences *p);
/* Is the context switched on by the learner? */
bool personal_wanted(const struct personal_preferences *p, enum personal_context context);

/* What was drawn. */
struct personal_lot {
    enum personal_context context;
    enum personal_variant variant;
    double propensity, control;
    bool learnable, held_out;
};
/* holdout: the share of learners that always get the control, where the learner has no config yet.
 */
struct personal_lot personal_draw(const struct personal_ground *g, struct str learner,
                                  enum personal_context context, int32_t day, double holdout);

/* Rows to be written in one transaction, in this order. */
enum { PERSONAL_BULKS_MAX = 16 };
struct personal_writes {
    struct arena *arena;
    struct bulk bulks[PERSONAL_BULKS_MAX];
    struct value *values[PERSONAL_BULKS_MAX]; /* of the bulks, with room to grow */
    int32_t count;
};
/* The choice, the config that follows from it, and an event when the variant is another one than
 * before. ERR_NOMEM. */
MUST_CHECK enum err personal_put_lot(struct personal_writes *w, const struct personal_ground *g,
                                     const struct personal_lot *lot, int32_t day, int64_t now_us,
                                     bool asked);
/* A choice's reward, with an event that says how the variant stands now. NaN: given up. */
MUST_CHECK enum err personal_put_reward(struct personal_writes *w, const struct personal_ground *g,
                                        const struct personal_row *row, double reward,
                                        struct str outcome, int64_t now_us);
/* The context is not personalised any more. */
MUST_CHECK enum err personal_put_off(struct personal_writes *w, const struct personal_ground *g,
                                     enum personal_context context, int64_t now_us,
                                     const char *reason);

/* "2025-11-21-mission"; p == NULL: no memory. */
struct str personal_choice_id(struct arena *arena, int32_t day, enum personal_context context);
/* ERR_SYNTAX. */
MUST_CHECK enum err personal_choice_parse(struct str id, int32_t *ret_day,
                                          enum personal_context *ret_context);
/* -1: none of these. */
int32_t personal_name(const char *const *names, struct str name);

/* The night's steps: the choices; and, of the last, the sums over all learners. */
MUST_CHECK enum err night_personalize(struct night_work *w);
MUST_CHECK enum err night_personal_totals(struct night_work *w);
