/* survival - how long until it happens, when for some it had not happened when we last looked.
 *
 * Kaplan & Meier (1958); variance after Greenwood (1926), interval on the log(-log) scale so that
 * it stays within 0..1 (Kalbfleisch & Prentice 1980); median with the interval of Brookmeyer &
 * Crowley (1982). Pure. */
#pragma once
#include "twin/stats.h"

#include <stdbool.h>

struct survival_row {
    double time;              /* ascending */
    int64_t events, censored; /* at that time; the censored were still at risk for the events */
};
struct survival_point {
    double time, survival; /* P(T > time) */
    struct interval interval;
    int64_t at_risk; /* just before */
};
struct survival_median {
    double time;              /* NaN: fewer than half had the event; never the longest time */
    struct interval interval; /* low NaN: not known; high INFINITY: not reached */
    int64_t n, events;
};
/* Rows from a list of times, one a case: sorted and merged. happened[i]: it did at times[i],
 * otherwise censored there. Returns how many rows; ret_rows has room for n. NaN times are left
 * out. */
int32_t survival_rows(const double *times, const bool *happened, int32_t n,
                      struct survival_row *ret_rows);
/* One point a row. ret_points may be NULL when only the median is wanted. */
struct survival_median survival_fit(const struct survival_row *rows, int32_t count, double level,
                                    struct survival_point *ret_points);
