/* trend - does a series rise or fall, and did it change when something was done?
 *
 * Mann-Kendall (Mann 1945; Kendall 1975): exact for up to TREND_EXACT_MAX values without ties,
 * otherwise normal with the variance corrected for ties and, when asked, for autocorrelation (Yue &
 * Wang 2004; only ever upwards). Theil-Sen slope with Sen's interval (1968) from that variance.
 *
 * Interrupted time series: y = a + b t + level [t >= T] + slope (t - T) [t >= T] + season + e, e
 * autoregressive of order one with gaps allowed (Wagner et al. 2002; Bernal et al. 2017). Given rho
 * the fit is generalised least squares (the transformation of Prais & Winsten 1954); rho itself is
 * integrated over, on a grid, weighted by the restricted likelihood (Harville 1974), which is the
 * posterior under flat priors. So each effect's law is a mixture of t distributions, whose interval
 * does not pretend that rho is known. Pure. */
#pragma once
#include "base/arena.h"
#include "twin/stats.h"

enum {
    TREND_VALUES_MAX = 1024, /* the slopes are n (n - 1) / 2 */
    TREND_EXACT_MAX = 40,
    TREND_NEEDED = 4, /* values, before a trend is tested */
};

struct trend {
    int32_t n;
    double slope;             /* per unit of t; NaN: fewer than two different times */
    struct interval interval; /* of the slope; NaN for n < TREND_NEEDED */
    double tau;               /* Kendall's tau-b, with ties accounted for; NaN: no spread */
    double s, variance;       /* of S, corrected */
    double z, p;              /* two-sided; z NaN when exact; all-equal values: p = 1 */
    double inflation;         /* of the variance, by autocorrelation; >= 1 */
    bool exact;
};
/* t strictly ascends. serial: correct for autocorrelation (equally spaced values). ERR_RANGE: n
 * above TREND_VALUES_MAX, or below 0. ERR_NOMEM: 8 bytes for each pair are taken from the arena. */
MUST_CHECK enum err trend_fit(struct arena *arena, const double *t, const double *y, int32_t n,
                              bool serial, double level, struct trend *ret);

enum { ITS_SIDE_NEEDED = 8, ITS_VALUES_MAX = 4096, ITS_SEASON_MAX = 7 };

struct its_effect {
    double estimate;
    struct interval interval;
    double positive; /* probability that it is above 0 */
    double p;        /* two-sided: twice the smaller of that and its complement */
};
struct its {
    int32_t n_before, n_after;
    struct its_effect level;     /* jump at T against the line from before */
    struct its_effect slope;     /* change of slope, per unit of t */
    struct its_effect average;   /* mean distance to that line, over the times after */
    struct its_effect sustained; /* distance to that line at the last time */
    double rho;                  /* posterior mean of the autocorrelation at distance 1 */
    double before_slope, sigma;  /* sigma: of the errors */
};
/* t: whole numbers (days, weeks), strictly ascending; missing ones may be left out. season: 0, or
 * the period of an additive cycle in t (7: weekday). level: of the intervals.
 * ERR_UNPROCESSABLE: fewer than ITS_SIDE_NEEDED values on a side, or values that leave nothing to
 * estimate an error from. ERR_RANGE: n, season, or t out of order. */
MUST_CHECK enum err trend_interrupted(const int32_t *t, const double *y, int32_t n,
                                      int32_t interrupted_at, int32_t season, double level,
                                      struct its *ret);
