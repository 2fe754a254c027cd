#include "twin/success.h"

#include "base/assert.h"

#include <math.h>
#include <stddef.h>

struct success_parts success_parts_none(void)
{
    return (struct success_parts){(double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
}

double success_time_kept(int64_t estimated_minutes, int64_t actual_minutes)
{
    if (estimated_minutes <= 0 || actual_minutes < 0)
        return (double)NAN;
    return fmax(0, 1 - fabs((double)actual_minutes - (double)estimated_minutes) /
                           (double)estimated_minutes);
}

double success_opinion(double stars)
{
    return (stars - 1) / 4;
}

double success_streak(int32_t days)
{
    return days >= SUCCESS_STREAK_FULL ? 1 : (double)(days > 0 ? days : 0) / SUCCESS_STREAK_FULL;
}

double success_score(const struct success_parts *p)
{
    const double parts[][2] = {{0.30, p->objectives},
                               {0.25, p->right},
                               {0.20, p->time},
                               {0.15, p->opinion},
                               {0.10, p->streak}};
    double sum = 0, weight = 0;

    if (isnan(p->objectives) && isnan(p->right))
        return (double)NAN;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (isnan(parts[i][1]))
            continue;
        ASSERT(parts[i][1] >= 0 && parts[i][1] <= 1);
        sum += parts[i][0] * parts[i][1];
        weight += parts[i][0];
    }
    return sum / weight;
}

const char *success_label(double score)
{
    static const struct {
        double from;
        const char *name;
    } labels[] = {{0.9, "excellent"}, {0.75, "good"}, {0.6, "fair"}, {0.4, "weak"}, {0, "poor"}};

    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
        if (score >= labels[i].from)
            return labels[i].name;
    return NULL;
}
