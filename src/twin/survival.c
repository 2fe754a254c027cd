#include "twin/survival.h"

#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>

static int by_time(const void *pa, const void *pb)
{
    const struct survival_row *a = pa, *b = pb;

    return (a->time > b->time) - (a->time < b->time);
}

int32_t survival_rows(const double *times, const bool *happened, int32_t n,
                      struct survival_row *ret_rows)
{
    int32_t count = 0, out = 0;

    for (int32_t i = 0; i < n; i++)
        if (!isnan(times[i]))
            ret_rows[count++] = (struct survival_row){times[i], happened[i], !happened[i]};
    if (count)
        qsort(ret_rows, (size_t)count, sizeof *ret_rows, by_time);
    for (int32_t i = 0; i < count; i++) {
        if (out && ret_rows[out - 1].time == ret_rows[i].time) {
            ret_rows[out - 1].events += ret_rows[i].events;
            ret_rows[out - 1].censored += ret_rows[i].censored;
        } else {
            ret_rows[out++] = ret_rows[i];
        }
    }
    return out;
}

/* Greenwood's sum is the variance of log S. At S = 1 nothing has happened yet, at S = 0 everything:
 * the formula has no value there, and the interval says only what is certain. */
static struct interval range_of(double s, double greenwood, double z)
{
    if (s >= 1)
        return (struct interval){1, 1};
    if (s <= 0)
        return (struct interval){0, NAN};
    double log_s = log(s), spread = z * sqrt(greenwood) / -log_s;
    return (struct interval){exp(log_s * exp(spread)), exp(log_s * exp(-spread))};
}

struct survival_median survival_fit(const struct survival_row *rows, int32_t count, double level,
                                    struct survival_point *ret_points)
{
    struct survival_median m = {.time = NAN, .interval = {NAN, INFINITY}};
    double z = dist_normal_quantile(0.5 + level / 2), s = 1, greenwood = 0, high = 1;
    bool low_known = false, high_known = false;

    for (int32_t i = 0; i < count; i++)
        m.n += rows[i].events + rows[i].censored;
    int64_t at_risk = m.n;
    for (int32_t i = 0; i < count; i++) {
        int64_t d = rows[i].events, n = at_risk;

        if (d > 0) {
            s = n > d ? s * (double)(n - d) / (double)n : 0;
            greenwood += n > d ? (double)d / ((double)n * (double)(n - d)) : 0;
        }
        struct interval range = range_of(s, greenwood, z);
        if (isnan(range.high)) /* everything happened: as far as the curve went before */
            range.high = high;
        high = range.high;
        m.events += d;
        if (!low_known && range.low <= 0.5)
            low_known = true, m.interval.low = rows[i].time;
        if (isnan(m.time) && s <= 0.5 + 1e-12)
            m.time = rows[i].time;
        if (!high_known && range.high <= 0.5)
            high_known = true, m.interval.high = rows[i].time;
        if (ret_points)
            ret_points[i] = (struct survival_point){rows[i].time, s, range, n};
        at_risk -= d + rows[i].censored;
    }
    return m;
}
