/* strain - how hard the work is for this learner right now, against what is usual for them.
 *
 * Each answer is compared with the learner's own normal: log response time with a recursive robust
 * location and scale, apart for questions and for cards, which take different times by nature
 * (Huber 1964's psi in a stochastic approximation, Robbins & Monro 1951; the scale follows the
 * median absolute deviation), and the outcome with what was expected of it, so that hard items do
 * not pass for strain and slow right answers weigh less than slow wrong ones. Both give one
 * standardised deviation y, mean 0 and variance 1 in normal times.
 *
 *   level   damped local linear trend (Harvey 1989), a Kalman filter over the real gaps of time:
 *           level and slope fade towards the normal when nothing happens (Ornstein & Uhlenbeck)
 *   alarm   S = max(0, S + y - 1/2) > STRAIN_ALARM (Page 1954); for normal y a false alarm comes
 *           once in strain_run_length(STRAIN_ALARM) answers (Siegmund 1985), 940; with invented
 *           answers of the usual skew it came once in 630
 *   episode begins with an alarm, or when the load's lower bound passes STRAIN_ENTER; ends when the
 *           load comes below STRAIN_LEAVE. A pause above STRAIN_PAUSE_US breaks it off: how long
 *           recovery would have taken is then censored
 *
 * load = 100 / (1 + exp(-(level - .57) * 1.49)): 30 for the normal, 80 one and a half standard
 * deviations above it. That is a convention, made so that the bounds 40, 60, 80 keep their sense.
 * It has not been held against anybody's own report: no data set at hand has one.
 *
 * With no answers: level 0 with the prior's variance, and `sufficient` is false. State is flat
 * memory of fixed size; an update takes well under a microsecond. Pure. */
#pragma once
#include "base/arena.h"
#include "base/civil.h"
#include "base/rng.h"
#include "twin/compare.h"
#include "twin/survival.h"

#include <stdbool.h>

enum { STRAIN_VERSION = 2, STRAIN_NEEDED = 20 /* answers, before the normal is known */ };
#define STRAIN_ALARM 5.0
#define STRAIN_ENTER 80.0
#define STRAIN_LEAVE 60.0
#define STRAIN_PAUSE_US (4 * US_PER_HOUR)
#define STRAIN_CURRENT 0.05 /* with less, load is that of anybody at any time, and no measurement \
                             */

/* Of log seconds, robust. */
struct strain_normal {
    int64_t n;
    double mean, log_scale;
};
enum strain_kind { STRAIN_QUESTION, STRAIN_CARD, STRAIN_KINDS };

struct strain {
    int32_t version;
    int64_t n;       /* answers seen */
    int64_t last_at; /* TIME_NONE: none */
    struct strain_normal times[STRAIN_KINDS];
    double right; /* usual share of right answers where nothing was forecast */
    double level, slope;
    double p_level, p_cross, p_slope; /* covariance */
    double alarm;                     /* S */
    double slow, wrong;               /* recent means of the two deviations */
    int64_t episode_at;               /* TIME_NONE: none is open */
    double episode_peak;
};
void strain_init(struct strain *s);
/* Of the version, all numbers finite and within their ranges: what was read back may be used. */
bool strain_valid(const struct strain *s);

struct strain_answer {
    int64_t at;      /* UTC microseconds; before the last: counts as the same instant */
    double time_s;   /* response time; NaN or <= 0: not known. Held to 0.05 s .. 1 h */
    int8_t right;    /* 1, 0; -1: not graded */
    double expected; /* probability of right that was forecast; NaN: the learner's usual share */
    enum strain_kind kind;
};

enum strain_change { STRAIN_SAME, STRAIN_BEGAN, STRAIN_RECOVERED, STRAIN_BROKEN_OFF };
struct strain_episode {
    int64_t start, end; /* broken off: end is the last answer before the pause */
    double peak;        /* load */
};
/* Takes the answer in. ret_episode (may be NULL) is written for RECOVERED and BROKEN_OFF. One
 * answer may break an episode off and begin none: a new one needs new evidence. */
enum strain_change strain_update(struct strain *s, const struct strain_answer *a,
                                 struct strain_episode *ret_episode);

struct strain_view {
    bool sufficient; /* STRAIN_NEEDED answers */
    bool current;    /* of the level's variance the answers explain STRAIN_CURRENT yet, or more */
    double load;     /* 0..100 */
    struct interval interval;
    double trend;  /* load points in ten minutes, at the present level */
    int direction; /* +1, -1: the slope's |z| is above 1.64; else 0 */
    bool overload; /* an episode is open */
    double slower; /* recent response times against the usual: 0.2 is a fifth longer */
    double misses; /* recent misses beyond the expected, in standard deviations */
};
/* As of now_us: the level has faded since the last answer, and the variance has grown. */
void strain_view(const struct strain *s, int64_t now_us, struct strain_view *ret);

/* Answers until a false alarm of the one-sided sum with the reference 1/2, on average. */
double strain_run_length(double alarm);

/* ---- response to stress, from history ---- */

/* Minutes from an episode's start until recovery; broken off ones are censored. NaN where fewer
 * than half recovered. times, happened, rows: scratch of n. */
struct survival_median strain_recovery(const struct strain_episode *e, const bool *recovered,
                                       int32_t n, double *times, bool *happened,
                                       struct survival_row *rows);

/* The load above which this learner's success falls: success = a + b max(0, load - c) with b < 0,
 * c by least squares on a grid; p by permuting, with the search for c repeated each time. */
enum { STRAIN_TOLERANCE_NEEDED = 30, STRAIN_TOLERANCE_ROUNDS = 999, STRAIN_TOLERANCE_MAX = 4096 };
/* Strict, since the test is made anew each night, and since load and success share the forecasts'
 * errors: of simulated learners without any effect 7 % have a p of .01 or less, 2 % of .0025. */
#define STRAIN_TOLERANCE_ALPHA 0.0025
struct strain_tolerance {
    double load;  /* c; NaN unless p <= STRAIN_TOLERANCE_ALPHA and b < 0 */
    double slope; /* b, for each ten points above it; NaN likewise */
    double p;     /* NaN: too little data, see needed */
    int32_t n, needed;
};
/* One pair a sitting, so that they are nearly independent. scratch: n values. ERR_RANGE: n above
 * STRAIN_TOLERANCE_MAX, a value that is not finite. */
MUST_CHECK enum err strain_tolerance(const double *load, const double *success, int32_t n,
                                     struct rng *rng, double *scratch,
                                     struct strain_tolerance *ret);

/* What goes with high load: sittings with the circumstance against those without. */
struct strain_trigger {
    struct sample with, without; /* loads, one value a sitting */
    /* filled in: */
    struct difference difference;
    double p, p_adjusted; /* one-sided, for higher load; Benjamini-Hochberg over all given */
    bool found;           /* p_adjusted <= share_false */
};
/* NaN p where either side has fewer than two sittings. order: scratch of n. */
void strain_triggers(struct strain_trigger *t, int32_t n, double share_false, double *p,
                     int32_t *order);

/* Minutes a session should take at most, of `planned`: never more than planned, and never more for
 * a higher load or a higher risk of burnout (0..100 each; NaN: not known, then it does not bind).
 */
double strain_session_minutes(double planned, double load, double burnout_risk);
