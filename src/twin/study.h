/* study - when a learner studies, how long, and where that goes well, from sums alone.
 *
 * Rates are shares of right answers and successful reviews. Cells and lengths with little data are
 * pooled towards the learner's own mean (stats.h), so that three lucky answers do not make a best
 * hour. A preference is named only where an interval lies above that mean: studying more at an hour
 * is no sign that the hour is good. That interval is Bonferroni's for all that is compared, and
 * counts an answer as 1 / (1 + (m - 1) STUDY_TOGETHER) of one, m being the answers of a sitting
 * (Kish 1965). Pure. */
#pragma once
#include "twin/stats.h"

#include <stdbool.h>

/* How much outcomes of one sitting hang together (intraclass correlation): moods, topics,
 * tiredness. As measured of simulated learners without any effect. */
#define STUDY_TOGETHER 0.011

enum {
    STUDY_HOURS = 24,
    STUDY_SLOTS = 7 * STUDY_HOURS, /* weekday (0 = Sunday) * 24 + local hour */
    STUDY_CELL_NEEDED = 10,        /* graded items before a cell may be called good */
    STUDY_CELL_SESSIONS = 3, /* and sessions: the answers of one sitting stand or fall together */
    STUDY_WINDOWS_MAX = 3,
};

struct study_surface {
    struct pool pool;
    double rate[STUDY_SLOTS];              /* pooled; NaN where nothing was graded */
    struct interval interval[STUDY_SLOTS]; /* 95 %, of the pooled rate; NaN likewise */
};
void study_surface(const struct share cells[STUDY_SLOTS], struct study_surface *ret);

/* Neighbouring hours of one weekday that are better than the learner's mean. */
struct study_window {
    int32_t day, start_hour, end_hour; /* both hours belong to it */
    double rate;                       /* pooled */
    struct interval interval;
    int64_t n;
};
/* The best windows by the lower end of their interval; returns how many, <= STUDY_WINDOWS_MAX.
 * sessions: begun in each hour; one that began in the hour before counts for an hour, too. */
int32_t study_windows(const struct share cells[STUDY_SLOTS], const int64_t sessions[STUDY_SLOTS],
                      const struct study_surface *surface,
                      struct study_window ret[STUDY_WINDOWS_MAX]);

/* Sessions by their length in minutes: [0,10) [10,20) [20,30) [30,40) [40,50) [50,60) [60,90)
 * [90,..) */
enum { STUDY_LENGTHS = 8, STUDY_LENGTH_NEEDED = 3 /* sessions in a bucket */ };
extern const int32_t study_length_from[STUDY_LENGTHS + 1]; /* minutes; the last bound is 120 */

struct study_length {
    int64_t sessions, study_ms, graded, succeeded;
};
/* Mean minutes; the spread inside a bucket counts as uniform. */
struct mean_estimate study_length_mean(const struct study_length buckets[STUDY_LENGTHS]);

struct study_length_choice {
    int32_t bucket; /* -1: no length is better than the others by these data */
    double minutes; /* mean length of the bucket's sessions; NaN */
    double rate;    /* pooled success there; NaN */
    struct interval interval;
    double rate_all; /* of all lengths; NaN without graded work */
    int64_t n;       /* graded items in all */
};
struct study_length_choice study_length_best(const struct study_length buckets[STUDY_LENGTHS]);

/* Is there enough for a profile? Six weeks since the first event, 20 sessions, 50 graded items. */
enum { STUDY_WEEKS_NEEDED = 6, STUDY_SESSIONS_NEEDED = 20, STUDY_GRADED_NEEDED = 50 };
struct study_gate {
    int64_t weeks, sessions, graded;                /* what there is */
    int64_t weeks_more, sessions_more, graded_more; /* what is missing; 0 = enough */
    bool sufficient;
    /* Mean of min(1, weeks / 6), min(1, sessions / 50), min(1, graded / 200): how far more data
     * would still sharpen the estimates. */
    double quality;
};
struct study_gate study_gate(int64_t first_at_us, int64_t now_us, int64_t sessions, int64_t graded);
