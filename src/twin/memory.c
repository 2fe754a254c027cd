#include "twin/memory.h"

#include "base/assert.h"

#include <math.h>

const struct memory_weights memory_default = {
    {0.212,  1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001,  1.8722, 0.1666, 0.796,
     1.4835, 0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542},
};

static const double ranges[MEMORY_WEIGHTS][2] = {
    {0.001, 100},  {0.001, 100},  {0.001, 100}, {0.001, 100}, {1, 10},      {0.001, 4},
    {0.001, 4},    {0.001, 0.75}, {0, 4.5},     {0, 0.8},     {0.001, 3.5}, {0.001, 5},
    {0.001, 0.25}, {0.001, 0.9},  {0, 4},       {0, 1},       {1, 6},       {0, 2},
    {0, 2},        {0, 0.8},      {0.1, 0.8},
};

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

void memory_weight_range(int i, double *ret_min, double *ret_max)
{
    ASSERT(i >= 0 && i < MEMORY_WEIGHTS);
    *ret_min = ranges[i][0];
    *ret_max = ranges[i][1];
}

enum err memory_weights_from(const double *numbers, int count, struct memory_weights *ret)
{
    double w[MEMORY_WEIGHTS] = {0};

    if (count != 17 && count != 19 && count != 21)
        return ERR_RANGE;
    for (int i = 0; i < count; i++) {
        if (!isfinite(numbers[i]))
            return ERR_RANGE;
        w[i] = numbers[i];
    }
    if (count == 17) { /* version 4.5 had a linear first difficulty and no same-day rule */
        w[4] += 2 * w[5];
        w[5] = log(1 + 3 * w[5]) / 3;
        w[6] += 0.5;
    }
    if (count < 21)
        w[20] = 0.5;
    for (int i = 0; i < MEMORY_WEIGHTS; i++)
        ret->w[i] = clamp(w[i], ranges[i][0], ranges[i][1]);
    return ERR_OK;
}

/* R(t) = (1 + factor t / S)^decay, with decay = -w20 and factor chosen so that R(S) = 0.9. */
static double curve_factor(double decay)
{
    return exp(log(0.9) / decay) - 1;
}

double memory_recall(const struct memory_weights *w, double stability, double days)
{
    double decay = -w->w[20];

    if (!(days > 0))
        return 1;
    return exp(decay * log1p(curve_factor(decay) * days / stability));
}

double memory_pace(const struct memory_weights *w)
{
    return curve_factor(-w->w[20]);
}

double memory_interval(const struct memory_weights *w, double stability, double retention)
{
    double decay = -w->w[20];

    return stability / curve_factor(decay) * expm1(log(retention) / decay);
}

int32_t memory_interval_days(const struct memory_weights *w, double stability, double retention,
                             int32_t max_days)
{
    double days = nearbyint(memory_interval(w, stability, retention));

    return (int32_t)clamp(days, 1, max_days);
}

/* Not clamped: the pull of later difficulties towards D0(Easy) uses it as it is. */
static double first_difficulty(const double *w, int grade)
{
    return w[4] - exp(w[5] * (grade - 1)) + 1;
}

static double next_difficulty(const double *w, double d, int grade)
{
    double moved = d + (10 - d) * (-w[6] * (grade - 3)) / 9;

    return clamp(w[7] * first_difficulty(w, GRADE_EASY) + (1 - w[7]) * moved, 1, 10);
}

static double stability_recalled(const double *w, double s, double d, double r, int grade)
{
    double hard = grade == GRADE_HARD ? w[15] : 1, easy = grade == GRADE_EASY ? w[16] : 1;

    return s * (1 + exp(w[8]) * (11 - d) * pow(s, -w[9]) * expm1((1 - r) * w[10]) * hard * easy);
}

static double stability_forgotten(const double *w, double s, double d, double r)
{
    double long_term = w[11] * pow(d, -w[12]) * (pow(s + 1, w[13]) - 1) * exp((1 - r) * w[14]);

    return fmin(long_term, s / exp(w[17] * w[18]));
}

static double stability_same_day(const double *w, double s, int grade)
{
    double growth = exp(w[17] * (grade - 3 + w[18])) * pow(s, -w[19]);

    if (grade >= GRADE_HARD && growth < 1)
        growth = 1;
    return s * growth;
}

struct memory_state memory_review(const struct memory_weights *weights, struct memory_state state,
                                  enum memory_grade grade, double days)
{
    const double *w = weights->w;
    double s = state.stability, d = state.difficulty;
    struct memory_state next;

    if (grade < GRADE_AGAIN || grade > GRADE_EASY)
        return state;
    if (!(s > 0)) {
        next.stability = w[grade - 1];
        next.difficulty = clamp(first_difficulty(w, grade), 1, 10);
    } else {
        double r = memory_recall(weights, s, days);

        if (!(days >= 1))
            next.stability = stability_same_day(w, s, grade);
        else if (grade == GRADE_AGAIN)
            next.stability = stability_forgotten(w, s, d, r);
        else
            next.stability = stability_recalled(w, s, d, r, grade);
        next.difficulty = next_difficulty(w, d, grade);
    }
    next.stability = clamp(next.stability, MEMORY_S_MIN, MEMORY_S_MAX);
    return next;
}

struct memory_state memory_from_sm2(const struct memory_weights *weights, double ease,
                                    double interval_days, double retention)
{
    const double *w = weights->w;
    double decay = -w[20];
    struct memory_state ret;

    ret.stability = clamp(fmax(interval_days, MEMORY_S_MIN) * curve_factor(decay) /
                              expm1(log(retention) / decay),
                          MEMORY_S_MIN, MEMORY_S_MAX);
    double growth = exp(w[8]) * pow(ret.stability, -w[9]) * expm1((1 - retention) * w[10]);
    ret.difficulty = clamp(11 - (ease - 1) / growth, 1, 10);
    return ret;
}

void memory_fuzz_range(double interval_days, int32_t max_days, int32_t *ret_low, int32_t *ret_high)
{
    static const struct {
        double from, to, share;
    } parts[] = {{2.5, 7, 0.15}, {7, 20, 0.1}, {20, HUGE_VAL, 0.05}};
    double half = 1;

    if (interval_days < 2.5) {
        *ret_low = *ret_high = (int32_t)clamp(nearbyint(interval_days), 1, max_days);
        return;
    }
    for (int i = 0; i < 3; i++)
        half += parts[i].share * fmax(0, fmin(interval_days, parts[i].to) - parts[i].from);
    *ret_high = (int32_t)clamp(round(interval_days + half), 2, max_days);
    *ret_low = (int32_t)clamp(round(interval_days - half), 2, *ret_high);
}
