/* spell - runs of days on which answers took lastingly longer than usual: overload that is not over
 * with the sitting (strain.h finds what is).
 *
 * Each day with SPELL_DAY_ANSWERS response times and more has the mean of their logarithms, less
 * what the share of reviews explains (least squares over the learner's days), so that a day of
 * cards does not pass for a quick one. A spell is a run of days, SPELL_DAYS_MIN of them with data,
 * at most SPELL_LENGTH_MAX from first to last, whose level is higher than that of the other days.
 * All runs are compared (a scan statistic); the best is put aside and the rest searched again
 * (binary segmentation; Scott & Knott 1974, Olshen et al. 2004). Then each is fitted anew with the
 * others left out:
 *
 *   test   t of its rise, times the number of runs compared (Bonferroni), at most SPELL_ALPHA
 *   size   the lower end of the rise's 95 % interval is at least SPELL_RISE_MIN: less is no
 *          overload, however sure
 *   edges  posterior over all runs, uniform before, level and noise integrated out; the marginal
 *          95 % intervals of first and last day. Days without data next to an edge belong to it
 *
 * Noise that lasts from day to day widens all of it by (1 + r) / (1 - r), r the residuals' lag-one
 * autocorrelation, corrected for its bias. Pure; no draws: same days, same result. */
#pragma once
#include "twin/stats.h"

#include <stdbool.h>

enum {
    SPELL_DAYS_MAX = 400,   /* days looked at, the latest */
    SPELL_DAYS_NEEDED = 20, /* days with enough answers */
    SPELL_DAY_ANSWERS = 10,
    SPELL_DAYS_MIN = 3,
    SPELL_USUAL_MIN = 10, /* days outside, to know what is usual */
    SPELL_LENGTH_MAX = 28,
    SPELLS_MAX = 6,
};
#define SPELL_ALPHA 0.025
#define SPELL_RISE_MIN 0.1 /* of the logarithm: a tenth longer */

struct spell_day {
    int32_t day;
    int64_t n;      /* response times */
    double log_sum; /* of their natural logarithms */
    double reviews; /* share of reviews among what was graded, 0..1 */
};

struct spell_edge {
    int32_t day, low, high; /* 95 % */
};
struct spell {
    struct spell_edge first, last;
    double rise; /* of the mean logarithm: 0.1 is 10.5 % longer */
    struct interval rise_interval;
    double p;     /* after Bonferroni */
    int32_t days; /* with data, in it */
    bool open;    /* it may go on: the last day with data may belong to it */
};
/* Days in order, each once. Days with fewer answers or numbers that are not finite are passed over.
 * Spells in order of time; returns how many. *ret_days: days that count, of SPELL_DAYS_NEEDED. */
int32_t spells_find(const struct spell_day *days, int32_t count, struct spell ret[SPELLS_MAX],
                    int32_t *ret_days);
