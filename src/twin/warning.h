/* warning - the risk that a learner fails or leaves a course, from what is known by a day.
 *
 * Landmarking (van Houwelingen 2007): at each of some days of the course a logistic regression with
 * a ridge was fitted on those who were still there; between two of them the log odds are mixed by
 * the days. The inputs are conduct: set work missed, late, early, how well it went against the
 * cohort, and what it has cost of the final mark; and how one came to the course, with what one had
 * learnt before. Nothing of the person's origin, sex, age, health or means is asked, though a model
 * that has those forecasts somewhat better in the first weeks.
 *
 * Courses differ in how many fail, by more than their work tells. What earlier runs of a course
 * came to, against what was forecast for them, shifts its forecasts: a random intercept, by one
 * step of empirical Bayes (Breslow & Clayton 1993), from two sums a landmark that a server keeps.
 * So does how many of this run have left already, against what is usual by the day. And so do
 * learners differ: what became of one's other courses, against what was forecast there on the first
 * landmark, shifts one's forecasts in the same way.
 *
 * Log odds are a sum, so a forecast splits exactly into reasons. Weights are a plain table: a
 * server begins with warning_default and, when courses of its own have ended, moves it by
 * warning_fit() with the old weights as prior, which a few rows hardly change and thousands
 * replace. A course that has run before can have weights of its own in the same way, with a stiffer
 * prior (a ridge of 2048 served best). Pure. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { WARNING_TASKS_MAX = 128, WARNING_LANDMARKS_MAX = 8, WARNING_FIT_INPUTS_MAX = 384 };
#define WARNING_NEVER INT32_MAX

/* One piece of set work that has a day on which it is due. */
struct warning_task {
    int32_t due_day;    /* of the course: 0 is its first */
    int32_t handed_day; /* WARNING_NEVER: not yet */
    bool quiz;          /* marked by a machine, not by a person */
    bool carried;       /* over from an earlier attempt: says nothing of timeliness */
    double weight;      /* of the final mark, 0..100 */
    double score;       /* 0..100; NaN: none (yet) */
    double standing;    /* (score - the cohort's mean) / its sd; NaN */
    double share;       /* of the cohort that has handed it in by now, 0..1 */
    /* places among those of the cohort who have handed it in by now: the share before, and half of
     * those level; 0..1; NaN: not known */
    double score_place; /* share with a lower score */
    double day_place;   /* share that was earlier */
};

enum warning_education { /* the highest completed before the course */
                         WARNING_EDUCATION_UNKNOWN,
                         WARNING_EDUCATION_NONE,
                         WARNING_EDUCATION_SCHOOL,  /* some, but no school-leaving examination */
                         WARNING_EDUCATION_LEAVING, /* what lets one study, A levels */
                         WARNING_EDUCATION_DEGREE,
                         WARNING_EDUCATION_POSTGRADUATE,
                         WARNING_EDUCATIONS
};
extern const char *const warning_education_names[]; /* "UNKNOWN" .., NULL */

/* What became of the learner's other courses. Zeroed: nothing known. */
struct warning_record {
    double surplus; /* what came, less what was forecast */
    double spread;  /* how much there was to learn */
};
/* Of one other course in which the learner was there on the first landmark's day: the risk of that
 * day, and the outcome, 1: failed or left, 0: passed; or, while it runs, the risk of today. */
void warning_record_learn(struct warning_record *r, double first, double now);

struct warning_learner {
    const struct warning_task *tasks; /* in any order */
    int32_t task_count;               /* <= WARNING_TASKS_MAX */
    int32_t registered_day;           /* before 0: ahead of the start; WARNING_NEVER: not known */
    int32_t attempts;                 /* earlier ones of this course, >= 0 */
    double credits; /* taken at a time, in units of half a full-time year's; <= 0: not known */
    enum warning_education education;
    struct warning_record record;
};

enum warning_reason {
    WARNING_BASE,   /* what holds for everybody */
    WARNING_MISSED, /* work that was due and did not come */
    WARNING_LATE,
    WARNING_SCORES,
    WARNING_START,  /* when one registered, attempts, credits, education, other courses */
    WARNING_COURSE, /* how earlier runs of the course ended, how many have left this one */
    WARNING_REASONS
};
extern const char *const warning_reason_names[]; /* "base" .., NULL */

enum warning_input {
    WARNING_IN_ONE, /* constant */
    WARNING_IN_MISSED_SHARE,
    WARNING_IN_MISSED_ANY,
    WARNING_IN_MISSED,
    WARNING_IN_MISSED_ALONE,  /* misses, each weighed by the share of the cohort that did it */
    WARNING_IN_MISSED_MARKED, /* of those that a person marks */
    WARNING_IN_MISSED_LAST,
    WARNING_IN_NOTHING,
    WARNING_IN_AHEAD, /* pieces handed in that are not due yet */
    WARNING_IN_AHEAD_ANY,
    WARNING_IN_CARRIED,
    WARNING_IN_CARRIED_ONLY,
    WARNING_IN_SILENT_DAYS, /* since something was handed in */
    WARNING_IN_LATE_SHARE,
    WARNING_IN_LATENESS,
    WARNING_IN_LATENESS_LAST,
    WARNING_IN_STANDING,
    WARNING_IN_STANDING_LOW,
    WARNING_IN_STANDING_POOR,
    WARNING_IN_STANDING_MARKED, /* what a person marked */
    WARNING_IN_STANDING_QUIZ,
    WARNING_IN_NO_QUIZ, /* none has been handed in */
    WARNING_IN_STANDING_LAST,
    WARNING_IN_STANDING_LEAST,
    WARNING_IN_STANDING_CHANGE,
    WARNING_IN_SCORE,
    WARNING_IN_SCORE_LOW,
    WARNING_IN_SCORE_HIGH,
    WARNING_IN_SCORE_LAST_POOR,
    WARNING_IN_REGISTERED,
    WARNING_IN_REGISTERED_LATE,
    WARNING_IN_REGISTERED_AFTER,
    WARNING_IN_REGISTERED_EARLY,
    WARNING_IN_ATTEMPTS,
    WARNING_IN_REPEATS,
    WARNING_IN_CREDITS,
    WARNING_IN_CREDITS_MANY,
    WARNING_IN_CREDITS_FEW,
    WARNING_IN_PLACE_DAY, /* places about the middle, -.5 (soonest, least) .. .5 */
    WARNING_IN_PLACE_DAY_LAST,
    WARNING_IN_PLACE_SCORE,
    WARNING_IN_PLACE_SCORE_LAST,
    WARNING_IN_PLACE_SCORE_LEAST,
    WARNING_IN_PLACE_SCORE_TOP,
    WARNING_IN_PLACE_SCORE_LOW,
    WARNING_IN_PLACE_BOTH, /* score by day */
    WARNING_IN_MARKS_MISSED,
    WARNING_IN_MARKS_LOST,
    WARNING_IN_MARKS_GOT,
    WARNING_IN_MARKS_NEEDED, /* of what is yet to come, for forty of a hundred */
    WARNING_IN_MARKS_OUT_OF_REACH,
    WARNING_IN_SCORE_NOTHING, /* a score below one */
    WARNING_IN_EDUCATION,     /* one of each level, about its share; all 0: not known */
    WARNING_IN_AHEAD_ALONE =
        WARNING_IN_EDUCATION + WARNING_EDUCATIONS - 1, /* pieces ahead, each weighed by the share of
                                                        * the cohort that has not done it */
    WARNING_IN_RECORD,                                 /* log odds already; its weight is 1 */
    WARNING_INPUTS,
    WARNING_FITTED = WARNING_IN_RECORD /* the inputs before have fitted weights */
};

/* Only what had happened by the end of `day` is read; a score counts from the day of its work.
 * Every input is finite and bounded, and the order of tasks does not matter. ERR_RANGE: too many
 * tasks, a negative count, or a score, standing, weight, share, place or record that is infinite or
 * out of range. */
MUST_CHECK enum err warning_read(const struct warning_learner *l, int32_t day,
                                 double ret[WARNING_INPUTS]);

struct warning_model {
    int32_t landmark_count;
    struct warning_landmark {
        int32_t day;
        int32_t rows; /* learners it was fitted on */
        double left;  /* usual share of those there on the first landmark's day who have left */
        double weights[WARNING_INPUTS];
    } landmarks[WARNING_LANDMARKS_MAX]; /* ascending days */
};
/* Fitted on the 2013 presentations of the Open University's data set (warning_table.c). */
extern const struct warning_model warning_default;

struct warning_forecast {
    double risk;                     /* 0..1 */
    double reasons[WARNING_REASONS]; /* log odds; they sum to those of the risk */
    enum warning_reason strongest;   /* raises the risk most; WARNING_BASE: none does */
};
/* What is known of a course. Zeroed: nothing. */
struct warning_course {
    /* earlier runs: sums over those who were there on the landmark's day, of the forecasts made
     * without this */
    double surplus[WARNING_LANDMARKS_MAX]; /* bad ends less the risks */
    double spread[WARNING_LANDMARKS_MAX];  /* risk * (1 - risk) */
    /* this run: who was there on the first landmark's day, and how many of these have left by the
     * day of the forecast or, if that is earlier, of the last landmark; 0 <= left <= began */
    int32_t began, left;
};
void warning_course_learn(struct warning_course *c, int32_t landmark, double risk, bool bad_end);
/* course NULL: nothing known. Before the first landmark: ERR_RANGE, too early to say. After the
 * last: as on the last. */
MUST_CHECK enum err warning_forecast(const struct warning_model *m,
                                     const struct warning_course *course,
                                     const double inputs[WARNING_INPUTS], int32_t day,
                                     struct warning_forecast *ret);

/* The rule to beat: nothing seen of the learner for seven days. */
enum { WARNING_ABSENT_DAYS = 7 };
bool warning_absent(int64_t last_visit_us, int64_t now_us);

/* What the visits of a course's first days say, where nothing has been due yet. */
enum warning_visit_input {
    WARNING_VISIT_ONE,
    WARNING_VISIT_SILENCE, /* longest gap between visits, share of the window; its ends count */
    WARNING_VISIT_DAYS,    /* share of days with a visit */
    WARNING_VISIT_SESSIONS,
    WARNING_VISIT_ACTIONS,
    WARNING_VISIT_POSTS, /* log(1 + n) of these */
    WARNING_VISIT_HANDED,
    WARNING_VISIT_GAP,  /* as silence, but up to the last visit only; 1: none */
    WARNING_VISIT_EVEN, /* how evenly what was done is spread over the days with a visit: entropy
                         * over its greatest; 0 .. 1: no day stands out, or fewer than two */
    WARNING_VISIT_INPUTS
};
struct warning_visit {
    int64_t at; /* UTC microseconds, ascending */
    bool post, handed;
    int32_t more; /* further actions at that moment, where they are counted together; >= 0 */
};
/* Visits outside [from, to) are passed over. Days are counted from `from`. from < to. */
void warning_visits_read(const struct warning_visit *v, int32_t n, int64_t from, int64_t to,
                         double ret[WARNING_VISIT_INPUTS]);

/* Chance of ending in the lowest quarter of the course: logistic, by the longest gap before the
 * last visit, the days with a visit, and how even these are, for they lack a day of real work.
 * Fitted on one course of 130 people (warning_table.c): an order of whom to look at, hardly more.
 */
extern const double warning_visit_weights[WARNING_VISIT_INPUTS];
double warning_visits_risk(const double weights[WARNING_VISIT_INPUTS],
                           const double inputs[WARNING_VISIT_INPUTS]);

/* Logistic regression: maximises the likelihood less ridge/2 * sum of v_j * (w_j - prior_j)^2 over
 * the inputs but the first, the constant, with v_j the input's variance in these rows (at least
 * WARNING_SPREAD_MIN, so that an input that hardly ever varies is not believed). Newton steps with
 * halving. prior NULL: zeros. x: `rows` runs of `inputs` <= WARNING_FIT_INPUTS_MAX; y: 0 or 1.
 * ridge > 0. ERR_RANGE: no rows, a value that is not finite, or only one outcome. ERR_NOMEM. */
#define WARNING_SPREAD_MIN 0.05
MUST_CHECK enum err warning_fit(struct arena *scratch, const double *x, const uint8_t *y,
                                int32_t rows, int32_t inputs, double ridge, const double *prior,
                                double *ret_weights);
