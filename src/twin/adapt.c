#include "twin/adapt.h"

#include "base/assert.h"

#include <math.h>

const char *const adapt_action_names[] = {"INCREASE", "MAINTAIN", "REDUCE", "EMERGENCY", NULL};
const char *const adapt_scaffold_names[] = {"NONE", "MINIMAL", "MODERATE", "EXTENSIVE", NULL};
const char *const adapt_complexity_names[] = {"BASIC", "INTERMEDIATE", "ADVANCED", NULL};
const char *const adapt_level_names[] = {"EASY", "MODERATE", "CHALLENGING", NULL};

/* clang-format off: a table reads better in its own columns */
static const struct adapt_difficulty bands[] = {
    [ADAPT_INCREASE] = {ADAPT_INCREASE, 0, 0.5, LOAD_RISK_LOW, 1.0, -1, 0, ADAPT_NONE,
                        ADAPT_ADVANCED, 1.0},
    [ADAPT_MAINTAIN] = {ADAPT_MAINTAIN, 0, 0.6, LOAD_RISK_MEDIUM, NAN, 30, 5, ADAPT_MINIMAL,
                        ADAPT_INTERMEDIATE, 0.8},
    [ADAPT_REDUCE] = {ADAPT_REDUCE, -1, 0.8, LOAD_RISK_HIGH, 0.5, 20, 5, ADAPT_MODERATE,
                      ADAPT_INTERMEDIATE, 0.6},
    [ADAPT_EMERGENCY] = {ADAPT_EMERGENCY, -2, 1.0, LOAD_RISK_CRITICAL, 0.0, 0, 10, ADAPT_EXTENSIVE,
                         ADAPT_BASIC, 0.3},
};
/* clang-format on */

struct adapt_difficulty adapt_difficulty(double load, double error_rate)
{
    ASSERT(load >= 0 && load <= 100);
    struct adapt_difficulty d = bands[load > 80    ? ADAPT_EMERGENCY
                                      : load > 60  ? ADAPT_REDUCE
                                      : load >= 40 ? ADAPT_MAINTAIN
                                                   : ADAPT_INCREASE];

    if (load < 30)
        d.levels = 1;
    if (error_rate > 0.3) {
        if (d.complexity > ADAPT_BASIC)
            d.complexity--;
        if (d.scaffold < ADAPT_EXTENSIVE)
            d.scaffold++;
    }
    return d;
}

struct adapt_challenge adapt_challenge(double load, double tolerance, double low, double high,
                                       bool rising)
{
    ASSERT(load >= 0 && load <= 100 && low <= high);
    if (load > tolerance || load > 80) /* NaN compares false */
        return (struct adapt_challenge){ADAPT_EASY, 2, 0, 20, 15};
    if (load > 60 || (rising && load > 50))
        return (struct adapt_challenge){ADAPT_MEDIUM, 4, 0.2, 30, 20};
    if (load >= low && load <= high)
        return (struct adapt_challenge){ADAPT_MEDIUM, 6, 0.5, 45, 30};
    if (load < 30)
        return (struct adapt_challenge){ADAPT_CHALLENGING, 8, 0.6, 60, 30};
    return (struct adapt_challenge){ADAPT_MEDIUM, 5, 0.5, 45, 25};
}

int32_t adapt_mission_minutes(int32_t planned)
{
    int32_t half = planned / 2 > 15 ? planned / 2 : 15;

    ASSERT(planned >= 0);
    return planned < half ? planned : half;
}
