#include "twin/mission.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>

#define HIGH_YIELD_FACTOR 1.5
#define SAME_COURSE_FACTOR 0.7
#define LEAST_GAIN 0.02
#define STRETCH 1.35 /* of a pick's minutes, to fill the time */
#define PRESS 0.75   /* and to keep it */

struct state {
    double gain, minutes;
    bool chosen, barred;
};

static const double base_minutes[] = {12, 20, 32};

double mission_minutes_of(const struct mission_candidate *c)
{
    double rule = base_minutes[c->complexity] * (1.4 - 0.7 * c->mastery.probability);
    double weight = 2 + (double)c->own_sessions;
    double own = c->own_sessions > 0 ? c->own_minutes : 0;

    return fmax(MISSION_MINUTES_MIN, (2 * rule + own) / weight);
}

double mission_exam_urgency(double days)
{
    return days >= 0 && days < MISSION_EXAM_DAYS ? 1 - days / MISSION_EXAM_DAYS : 0;
}

static bool is_weak(const struct mission_candidate *c)
{
    return c->attempts > 0 && c->mastery.probability < MISSION_WEAK;
}

struct mission_worth mission_worth_of(const struct mission_candidate *c)
{
    struct mission_worth w = {
        .to_learn = 1 - c->mastery.probability,
        .to_keep = c->forgotten / (1 + c->forgotten),
        .factor = (1 + c->urgency) * (c->high_yield ? HIGH_YIELD_FACTOR : 1),
        .minutes = mission_minutes_of(c),
        .weak = is_weak(c),
    };

    w.gain = (w.to_learn + w.to_keep) * w.factor;
    return w;
}

/* Waits for a prerequisite that is not mastered and not in the mission. */
static bool waits(const struct mission_candidate *c, const struct state *s, int32_t i,
                  const struct mission_needs *needs, int32_t needs_count)
{
    for (int32_t k = 0; k < needs_count; k++)
        if (needs[k].objective == i && needs[k].strength >= MISSION_STRONG &&
            c[needs[k].prerequisite].mastery.probability < MISSION_WEAK &&
            !s[needs[k].prerequisite].chosen)
            return true;
    return false;
}

static double course_factor(const struct mission_candidate *c, const struct mission_plan *p,
                            int32_t i)
{
    double factor = 1;

    for (int32_t k = 0; k < p->count; k++) {
        struct str other = c[p->picks[k].candidate].course;
        if (other.p && c[i].course.p && str_eq(other, c[i].course))
            factor *= SAME_COURSE_FACTOR;
    }
    return factor;
}

/* The best gain per minute among what still fits; ties go to the smaller id. -1: none. */
static int32_t best_of(const struct mission_candidate *c, int32_t count, const struct state *s,
                       const struct mission_needs *needs, int32_t needs_count,
                       const struct mission_plan *p, double left)
{
    int32_t best = -1;
    double best_rate = 0;

    for (int32_t i = 0; i < count; i++) {
        if (s[i].chosen || s[i].barred || s[i].gain < LEAST_GAIN || s[i].minutes * PRESS > left)
            continue;
        double rate = s[i].gain / s[i].minutes * course_factor(c, p, i);
        if (rate < best_rate ||
            (best >= 0 && !(rate > best_rate) && str_cmp(c[i].id, c[best].id) > 0))
            continue;
        if (waits(c, s, i, needs, needs_count))
            continue;
        best = i;
        best_rate = rate;
    }
    return best;
}

static uint32_t reasons_of(const struct mission_candidate *c)
{
    uint32_t r = (c->due > 0 ? (uint32_t)MISSION_DUE : 0) |
                 (is_weak(c) ? (uint32_t)MISSION_WEAK_AREA : 0) |
                 (c->attempts == 0 ? (uint32_t)MISSION_NEW : 0);

    if (r == 0)
        r = MISSION_KEEPS;
    return c->high_yield ? r | MISSION_HIGH_YIELD : r;
}

/* Whole minutes in proportion to the estimates, so that they add up to the time as well as the
 * limits of stretching allow. */
static void fit_minutes(struct mission_plan *p, double sum, int32_t minutes)
{
    double factor = fmin(STRETCH, fmax(PRESS, minutes / sum)), exact = 0;
    int32_t given = 0;

    for (int32_t k = 0; k < p->count; k++) {
        exact += p->picks[k].minutes * factor; /* rounding the running sum loses nothing */
        int32_t up_to = (int32_t)lround(exact);
        p->picks[k].minutes = up_to - given;
        given = up_to;
    }
    p->minutes = given;
    p->short_of_time = given < minutes * (1 - MISSION_TOLERANCE);
}

enum err mission_plan_make(const struct mission_candidate *c, int32_t count,
                           const struct mission_needs *needs, int32_t needs_count, int32_t minutes,
                           bool only_weak, struct mission_plan *ret)
{
    struct mission_plan p = {.count = 0};
    double sum = 0;

    ASSERT(ret && (c || count == 0) && (needs || needs_count == 0));
    if (count < 0 || count > MISSION_CANDIDATES_MAX || needs_count < 0 ||
        minutes < MISSION_MINUTES_MIN || minutes > MISSION_MINUTES_MAX)
        return ERR_RANGE;
    struct state *s = calloc((size_t)count + 1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        struct mission_worth w = mission_worth_of(&c[i]);
        s[i] = (struct state){w.gain, w.minutes, false, c[i].barred || (only_weak && !w.weak)};
    }
    while (p.count < MISSION_PICKS_MAX && sum < minutes * (1 - MISSION_TOLERANCE)) {
        int32_t i = best_of(c, count, s, needs, needs_count, &p, minutes - sum * PRESS);
        if (i < 0 || (sum + s[i].minutes) * PRESS > minutes)
            break;
        s[i].chosen = true;
        int32_t estimate = (int32_t)lround(s[i].minutes);
        p.picks[p.count++] =
            (struct mission_pick){i, estimate, estimate, s[i].gain, reasons_of(&c[i])};
        sum += estimate;
        p.due += c[i].due;
        p.fresh += c[i].attempts == 0;
        for (int32_t k = 0; k < needs_count; k++)
            for (int32_t j = 0; j + 1 < p.count; j++)
                if (needs[k].objective == i && needs[k].prerequisite == p.picks[j].candidate)
                    p.picks[j].reasons |= MISSION_OPENS;
    }
    p.short_of_time = true;
    if (p.count > 0)
        fit_minutes(&p, sum, minutes);
    free(s);
    *ret = p;
    return ERR_OK;
}
