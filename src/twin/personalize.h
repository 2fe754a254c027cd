/* personalize - what a learner's study is fitted to, and what came of it.
 *
 * Four contexts (mission, content, assessment, session), each in one of four variants, which differ
 * in what they go by: the conservative one in nothing but the learner's own settings (the control),
 * the pattern-heavy one in what was found of the learner, the prediction-heavy one in forecasts,
 * the balanced one in both, half way. Which variant is whose is chosen by lot (twin/bandit.h), once
 * for each local day and context, so that the days can be compared.
 *
 * Safety comes last and holds for every variant: with a high load or a high risk of burnout no
 * mission gets longer, whatever else is known.
 *
 * What came of a day is measured against the learner's own four weeks before. An effect is the
 * difference between days with and without personalisation, each weighted by the chance that it had
 * of being what it was (augmented inverse propensity weighting; Robins, Rotnitzky & Zhao 1994). The
 * day's share less the share of the weeks before is what is compared (after the manner of CUPED:
 * Deng, Xu, Kohavi & Walker 2013). Propensities depend on the past only, so the terms are a
 * martingale and their mean is unbiased although the lots learn. Pure. */
#pragma once
#include "base/arena.h"
#include "twin/bandit.h"
#include "twin/burnout.h"
#include "twin/load.h"

enum personal_context {
    PERSONAL_MISSION,
    PERSONAL_CONTENT,
    PERSONAL_ASSESSMENT,
    PERSONAL_SESSION,
    PERSONAL_CONTEXTS
};
extern const char *const personal_context_names[]; /* "MISSION" .., NULL */

enum personal_variant {
    PERSONAL_CONSERVATIVE = BANDIT_CONTROL,
    PERSONAL_BALANCED,
    PERSONAL_PATTERN,
    PERSONAL_PREDICTION,
    PERSONAL_VARIANTS
};
extern const char *const personal_variant_names[]; /* "Conservative" "Balanced" .., NULL */

/* ---- who wants what ---- */

enum personal_level { PERSONAL_NONE, PERSONAL_LOW, PERSONAL_MEDIUM, PERSONAL_HIGH };
extern const char *const personal_level_names[]; /* "NONE" .. "HIGH", NULL */

/* Has the level this context switched on, unless the learner says otherwise? */
bool personal_preset(enum personal_level level, enum personal_context context);

#define PERSONAL_QUALITY_NEEDED 0.6                   /* below, nothing is personalised */
double personal_threshold(enum personal_level level); /* of the data quality, 0.6..1 */

/* ---- the bandit ---- */

#define PERSONAL_FLOOR 0.1   /* least chance of each variant: the control is never given up */
#define PERSONAL_MEMORY 0.98 /* what a reward leaves of the evidence before it */

/* What one variant brought over all learners: rewards, and the sums of 1 / propensity and of reward
 * / propensity, so that a variant that only those got whom it suits is not taken for a better one.
 */
struct personal_sum {
    int64_t learners, n;
    double weight, reward;
};
enum { PERSONAL_PRIOR_LEARNERS = 8, PERSONAL_PRIOR_REWARDS = 100 };
#define PERSONAL_PRIOR_MAX 5.0 /* rewards that the prior of a variant is worth at most */
struct personal_prior {
    double mean[PERSONAL_VARIANTS];
    double strength; /* 0: too little is known; below PERSONAL_PRIOR_MAX */
};
/* Each mean is drawn to that of all variants, as if by 20 rewards more. The strength rises with the
 * rewards that stand behind it, half of the most at PERSONAL_PRIOR_REWARDS; none with fewer than
 * PERSONAL_PRIOR_LEARNERS learners behind each variant that has any. */
struct personal_prior personal_prior_of(const struct personal_sum s[PERSONAL_VARIANTS]);

/* One day's choice for one context, as it is kept. */
struct personal_choice {
    enum personal_variant variant;
    double propensity;
    bool learnable;
    double reward;      /* 0..1; NaN: not told */
    int64_t settled_at; /* when it was told, or given up with a NaN; TIME_NONE: still open */
};
/* The bandit that these choices lead to: rewards are learnt from in the order in which they were
 * told. `order`: scratch of n. prior: NULL none. ERR_RANGE: a choice that cannot have been. */
MUST_CHECK enum err personal_bandit(const struct personal_choice *choices, int32_t n,
                                    int32_t *order, const struct personal_prior *prior,
                                    struct bandit *ret);
/* The chance that the variant is better than the control; NaN for the control. */
double personal_improves(const struct bandit *b, enum personal_variant variant);

/* ---- what came of a day ---- */

enum { PERSONAL_BASELINE_DAYS = 28, PERSONAL_BASELINE_NEEDED = 10 };
#define PERSONAL_FULL_Z 3.0 /* so far from what is usual is as far as a day can get */

struct personal_day {
    int64_t reviews, recalled, answers, correct, sessions, completed;
    int64_t study_ms;
};
/* retention, performance: how far the day's number of successes lies from what the share before
 * lets expect, in standard deviations of chance (both days' counts), PERSONAL_FULL_Z of them being
 * 1 or -1: a day of three answers moves little, and the scale is used. Where one of the two has no
 * data, the other stands for it. completion: completed of the sessions begun, 0.5 without any;
 * satisfaction NaN. False: nothing was graded, or fewer than PERSONAL_BASELINE_NEEDED outcomes came
 * before. */
bool personal_outcome(const struct personal_day *day, const struct personal_day *before,
                      struct bandit_outcome *ret);

enum personal_metric {
    PERSONAL_RETENTION,   /* share of reviews recalled */
    PERSONAL_PERFORMANCE, /* share of answers right */
    PERSONAL_COMPLETION,  /* share of sessions completed */
    PERSONAL_ENGAGEMENT,  /* log(1 + minutes), so that e^d - 1 is a relative change */
    PERSONAL_METRICS
};
/* The day's measure less that of the days before (n_before days in sum); NaN: no data for it. A day
 * without study has an engagement. */
double personal_measure(enum personal_metric m, const struct personal_day *day,
                        const struct personal_day *before, int32_t n_before);

/* ---- effects ---- */

struct personal_trial {
    double y; /* NaN: left out */
    bool treated;
    double chance; /* of being treated, 0 < chance < 1; others are left out */
};
enum { PERSONAL_SIDE_NEEDED = 8 };
struct personal_effect {
    double estimate, se,
        p; /* NaN: fewer than PERSONAL_SIDE_NEEDED trials on a side, or no spread */
    struct interval interval;
    int32_t n, n_treated, n_control;
};
/* Treated less control, by Student's t on the smaller side's degrees of freedom. */
struct personal_effect personal_effect(const struct personal_trial *t, int32_t n, double level);

/* ---- what is recommended ---- */

enum { PERSONAL_REVIEW_DEFAULT = 20, PERSONAL_BURNOUT_MINUTES = 30, PERSONAL_BREAKS_MAX = 2 };
#define PERSONAL_CURVE_SURE 0.7   /* a half-life is gone by from this confidence on */
#define PERSONAL_TOPIC_LIKELY 0.7 /* a topic is put first from this chance of struggle on */

/* What is known of the learner; sources that are missing say so. */
struct personal_known {
    double default_minutes; /* of a mission, as the learner has set it; 5..240 */
    bool patterns;          /* was anything found of the learner's habits? */
    double quality;         /* of the data, 0..1 */
    double optimal_minutes; /* NaN: no length is better */
    double half_life_days;  /* NaN: no curve */
    double curve_confidence;
    int32_t modalities;          /* in use */
    double attention_confidence; /* of the attention cycle; NaN: none */
    int32_t forecasts;           /* of struggle that stand open */
    int32_t planned, kept;       /* sessions that were planned and are over; of these, held */
    double planned_minutes;      /* of the next planned session; NaN */
    bool load;                   /* was any measured lately? */
    double load_now, load_mean;  /* 0..100; NaN */
    bool burnout_known;
    enum burnout_level burnout;
};

enum personal_intensity { INTENSITY_LOW, INTENSITY_MEDIUM, INTENSITY_HIGH };
extern const char *const personal_intensity_names[]; /* "LOW" "MEDIUM" "HIGH", NULL */

struct personal_mission {
    int32_t minutes;
    enum personal_intensity intensity;
    bool use_times; /* the learner's good hours */
};
struct personal_content {
    int32_t review_frequency; /* 10..50 */
    bool use_preferences, use_topics;
};
struct personal_assessment {
    enum personal_intensity validation;
    const char *progression;       /* "GRADUAL" "MODERATE" "AGGRESSIVE" */
    const char *comprehensiveness; /* "STANDARD" "COMPREHENSIVE" */
    bool use_curve;
};
struct personal_session {
    int32_t minutes;
    struct {
        int32_t after, minutes; /* of study, and of rest */
    } breaks[PERSONAL_BREAKS_MAX];
    int32_t break_count;
    bool mixing, attention;
};
struct personal_plan {
    struct personal_mission mission;
    struct personal_content content;
    struct personal_assessment assessment;
    struct personal_session session;
    double coverage;  /* min(1, .5 + .30 patterns + .25 forecasts + .25 plans + .20 load) */
    double adherence; /* kept / planned; NaN */
};
struct personal_plan personal_plan(const struct personal_known *k, enum personal_variant variant);
