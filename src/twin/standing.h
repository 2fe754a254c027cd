/* standing - how a learner stands on each objective, what to turn to first, and how long it takes.
 *
 * From sums alone, all objectives of a learner at once:
 *
 *   score  0..100: the share right, partially pooled over the objectives (stats.h), so that two
 *          lucky answers are no mastery; where every outcome had points, the mean of these. Its
 *          interval is Wilson's on the pooled counts.
 *   gap    mean confidence told beforehand minus mean score, in points; above 0: overconfident.
 *          Student's t; something is said of it only where the interval leaves out 0.
 *   line   least squares of right (1) and wrong (0) over local days; what its slope leaves open
 *          counts each session as one observation, since the answers of one sitting stand or fall
 *          together.
 *   gain   points an hour of study: the line's slope times the days, by the hours that went into
 *          the objective between its first and its last answer. Each objective's is drawn to
 *          what all of them show together (random effects, meta.h; empirical Bayes), and where it
 *          has no line of its own it is that.
 *
 * Time to mastery is the way to STANDING_MASTERY at that gain; its interval comes from the gain's,
 * and has no upper end where the gain may be nothing. Progress that slows down as it nears the top
 * is not in a straight line: the time is more likely too short than too long. Pure. */
#pragma once
#include "base/arena.h"
#include "twin/meta.h"
#include "twin/stats.h"

#include <stdbool.h>

#define STANDING_MASTERY 80.0
#define STANDING_HOURS_MAX 500.0 /* longer is no plan */
enum {
    STANDING_MAX = 500,        /* those worked on last */
    STANDING_NEEDED = 2,       /* outcomes, before anything is said of an objective */
    STANDING_TOLD_NEEDED = 5,  /* confidences, before a gap is */
    STANDING_LINE_GRADED = 10, /* outcomes and sessions, before a line is drawn */
    STANDING_LINE_SESSIONS = 3,
    STANDING_LINES_NEEDED = 3,  /* lines, before they say something of the others */
    STANDING_RANKED_NEEDED = 5, /* objectives, before ranks among them are told */
    STANDING_PICKS = 3,
};

/* Whole numbers; confidences and points in millionths; days counted from any day. */
struct standing_sums {
    int64_t graded, succeeded; /* answers and reviews */
    int64_t score_n, score_micro;
    int64_t study_ms, sessions;
    int64_t first_at, last_at; /* us */
    int64_t timed, timed_succeeded, day_sum, day_square_sum, day_succeeded_sum;
    int64_t told, told_micro, told_score_micro, told_gap_square_micro;
};

struct standing {
    int64_t n;                      /* outcomes; below STANDING_NEEDED the rest is not filled in */
    double score;                   /* 0..100 */
    struct interval score_interval; /* 95 % */
    double score_sd;                /* of what the score leaves open, points */
    double percentile;              /* 0..100, mid-rank among the learner's own; NaN: too few */
    int64_t told;
    double gap; /* points; NaN: too few told */
    struct interval gap_interval;
    double days;  /* since the last answer */
    double slope; /* points a week; NaN: no line */
    struct interval slope_interval;
    double gain, gain_sd; /* points an hour; NaN: unknown */
    struct interval gain_interval;
    double minutes_each; /* of study for an outcome; NaN: no durations were told */
};

/* What all objectives together say. */
struct standing_all {
    struct pool pool;
    int32_t counted, lines;
    double gain, gain_sd; /* of an objective without a line of its own; NaN */
};

/* ret: `count` of them, in order. count <= STANDING_MAX. ERR_NOMEM. */
MUST_CHECK enum err standing_of(struct arena *arena, const struct standing_sums *sums,
                                int32_t count, int64_t now_us, struct standing *ret,
                                struct standing_all *ret_all);

enum standing_category {
    STANDING_DANGEROUS_GAP,
    STANDING_BOTTLENECK,
    STANDING_WEAKNESS,
    STANDING_OPTIMIZATION
};
extern const char *const standing_category_names[]; /* "dangerous_gap" .., NULL */

/* Is the gap that wide, and surely above (below) 0? */
bool standing_overconfident(const struct standing *s, double points);
bool standing_underconfident(const struct standing *s, double points);
/* Which objective matters today: 10 below 60 points and overconfident by more than 10; 8 below 70
 * and not met for a month; 6 below 65; 4 up to 80; else 2. */
int32_t standing_priority(const struct standing *s, enum standing_category *ret);
/* The highest priority of those met within the last 90 days, the lowest score first where these are
 * equal; -1: none. */
int32_t standing_pick_day(const struct standing *list, int32_t count);
/* Three for the week: 10, 8, 6, 4 by score below 60, 70, 80, or above; 3 more when overconfident by
 * more than 15, 2 more when not met for a month. Returns how many there are. */
int32_t standing_pick_week(const struct standing *list, int32_t count, int32_t ret[STANDING_PICKS]);

enum standing_reason {
    STANDING_OK,
    STANDING_THIN,   /* too few lines to know the gain from */
    STANDING_STILL,  /* it does not rise with study, by these */
    STANDING_BEYOND, /* over STANDING_HOURS_MAX */
};
struct standing_time {
    double hours;             /* 0: reached; NaN: see reason */
    struct interval interval; /* 95 %; high INFINITY: may be never; NaN without hours */
    enum standing_reason reason;
};
struct standing_time standing_time_of(const struct standing *s);

/* Probability that the share right will be STANDING_MASTERY or more after so many more hours, by
 * the normal law; NaN: the gain is not known and hours are above 0. */
double standing_chance(const struct standing *s, double hours);

/* A test of STANDING_QUESTIONS new questions, spread evenly over the objectives met so far, is
 * passed with STANDING_PASS points. */
enum { STANDING_QUESTIONS = 50 };
#define STANDING_PASS 70.0
struct standing_exam {
    double probability;       /* NaN: no objective */
    struct interval interval; /* 95 %: what is open about the scores */
    double score;             /* expected */
    int32_t objectives;
};
struct standing_exam standing_exam_of(const struct standing *list, int32_t count);
