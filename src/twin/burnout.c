#include "twin/burnout.h"

#include "base/assert.h"
#include "twin/meta.h"

#include <math.h>
#include <stddef.h>

const char *const mission_status_names[] = {"PENDING", "IN_PROGRESS", "COMPLETED", "SKIPPED", NULL};
const char *const burnout_level_names[] = {"LOW", "MEDIUM", "HIGH", "CRITICAL", NULL};
const char *const burnout_factor_names[] = {
    "Study Intensity",
    "Performance Decline",
    "Chronic Cognitive Load",
    "Schedule Irregularity",
    "Engagement Decay",
    "Recovery Deficit",
    NULL,
};
const char *const burnout_signal_names[] = {
    "CHRONIC_OVERLOAD",  "PERFORMANCE_DROP", "ENGAGEMENT_LOSS",
    "IRREGULAR_PATTERN", "NO_RECOVERY",      NULL,
};
const double burnout_weights[BURNOUT_FACTORS] = {.20, .25, .25, .15, .10, .05};

enum { LAST = BURNOUT_DAYS - 1, ENOUGH_DAYS = 7, ENOUGH_MISSIONS = 7 };

/* 0, 25, 50, 75, 100 by the four exclusive bounds. NaN gives 0. */
static double stairs(double v, double b25, double b50, double b75, double b100)
{
    return v > b100 ? 100 : v > b75 ? 75 : v > b50 ? 50 : v > b25 ? 25 : 0;
}

enum burnout_level burnout_level_of(double score)
{
    return score >= 75   ? BURNOUT_CRITICAL
           : score >= 50 ? BURNOUT_HIGH
           : score >= 25 ? BURNOUT_MEDIUM
                         : BURNOUT_LOW;
}

static bool is_active(const struct burnout_day *d)
{
    return d->study_ms > 0 || d->sessions > 0 || d->load_n > 0 || d->graded > 0;
}

static bool is_recovery(const struct burnout_input *in, int32_t day)
{
    const struct burnout_day *d = &in->days[day];
    if (d->load_n > 0)
        return d->load_mean < 40;
    return (day < LAST || in->last_is_over) && !is_active(d);
}

static void set_factor(struct burnout_result *r, enum burnout_factor f, double score,
                       double measure)
{
    r->factors[f].score = score;
    r->factors[f].contribution = burnout_weights[f] * score;
    r->factors[f].measure = measure;
    r->factors[f].severity = burnout_level_of(score);
    r->score += r->factors[f].contribution;
}

static void raise_signal(struct burnout_result *r, enum burnout_signal s, bool severe,
                         int32_t since, double measure)
{
    r->signals[s].raised = true;
    r->signals[s].severe = severe;
    r->signals[s].since_day = since;
    r->signals[s].measure = measure;
}

/* Relative drop of the success rate between the first `early` and the last `late` days that have
 * graded work. NaN when the earlier rate is 0. ret_from: the day on which the later part begins. */
static double success_drop(const struct burnout_input *in, int32_t graded_days, int32_t early,
                           int32_t late, int32_t *ret_from)
{
    double k[2] = {0, 0}, n[2] = {0, 0};
    int32_t seen = 0;

    *ret_from = LAST;
    for (int32_t i = 0; i < BURNOUT_DAYS; i++) {
        const struct burnout_day *d = &in->days[i];
        if (d->graded <= 0)
            continue;
        if (seen < early) {
            k[0] += (double)d->succeeded;
            n[0] += (double)d->graded;
        }
        if (seen >= graded_days - late) {
            if (seen == graded_days - late)
                *ret_from = i;
            k[1] += (double)d->succeeded;
            n[1] += (double)d->graded;
        }
        seen++;
    }
    if (!(k[0] > 0) || !(n[1] > 0))
        return NAN;
    double before = k[0] / n[0], after = k[1] / n[1];
    return (before - after) / before;
}

static void count_all(const struct burnout_input *in, struct burnout_result *r)
{
    r->days_since_rest = -1;
    r->mission_count = in->mission_count;
    for (int32_t i = 0; i < BURNOUT_DAYS; i++) {
        const struct burnout_day *d = &in->days[i];
        r->sessions += d->sessions;
        r->load_samples += d->load_n;
        r->graded += d->graded;
        r->study_ms += d->study_ms;
        r->active_days += is_active(d);
        r->load_days += d->load_n > 0;
        r->graded_days += d->graded > 0;
        if (is_recovery(in, i)) {
            r->days_since_rest = LAST - i;
            r->recovery_days += i > LAST - BURNOUT_RECENT_DAYS;
        }
    }
    r->sufficient = r->sessions >= BURNOUT_SESSIONS_NEEDED && r->active_days >= BURNOUT_DAYS_NEEDED;
    r->confidence = 1;
    if (r->sessions < 10)
        r->confidence *= .7;
    if (r->sessions < 5)
        r->confidence *= .5;
    if (r->load_samples < 20)
        r->confidence *= .8;
    if (r->load_samples < 10)
        r->confidence *= .6;
}

static void assess_load(const struct burnout_input *in, struct burnout_result *r)
{
    int32_t high = 0, recent = 0, since = LAST;
    double sum = 0, days = 0;

    for (int32_t i = 0; i < BURNOUT_DAYS; i++) {
        const struct burnout_day *d = &in->days[i];
        if (d->load_n <= 0)
            continue;
        high += d->load_mean > 60;
        sum += d->load_mean;
        days++;
        recent += i > LAST - BURNOUT_RECENT_DAYS;
        if (high >= 7 && sum / days > 60 && i < since)
            since = i;
    }
    double ratio = days > 0 ? high / days : NAN;
    set_factor(r, BURNOUT_CHRONIC_LOAD, stairs(ratio, .1, .2, .35, .5), ratio);
    if (high >= 7 && sum / days > 60)
        raise_signal(r, BURNOUT_SIGNAL_OVERLOAD, high >= 10, since, high);
    if (recent > 0 && r->recovery_days == 0)
        raise_signal(r, BURNOUT_SIGNAL_NO_RECOVERY, true,
                     r->days_since_rest < 0 ? 0 : LAST - r->days_since_rest + 1,
                     BURNOUT_RECENT_DAYS);
}

static void assess_success(const struct burnout_input *in, struct burnout_result *r)
{
    int32_t from = LAST, half = r->graded_days / 2;
    double drop = NAN;

    if (r->graded_days >= ENOUGH_DAYS)
        drop = success_drop(in, r->graded_days, half, r->graded_days - half, &from);
    set_factor(r, BURNOUT_DECLINE, stairs(drop, .05, .15, .25, .35), drop);
    if (r->graded_days < ENOUGH_DAYS)
        return;
    drop = success_drop(in, r->graded_days, ENOUGH_DAYS, ENOUGH_DAYS, &from);
    if (drop > .20)
        raise_signal(r, BURNOUT_SIGNAL_DROP, drop > .35, from, drop);
}

/* Missions of the window: skipped ones, those that say little engagement, and those left undone. */
static void assess_missions(const struct burnout_input *in, struct burnout_result *r)
{
    int32_t skipped = 0, weary = 0, undone = 0, undone_since = LAST;

    for (int32_t i = 0; i < in->mission_count; i++) {
        const struct burnout_mission *m = &in->missions[i];
        skipped += m->status == MISSION_SKIPPED;
        weary += m->status == MISSION_SKIPPED || (m->difficulty >= 1 && m->difficulty <= 2);
        undone += m->status == MISSION_SKIPPED || m->status == MISSION_IN_PROGRESS;
        if (undone == 3 && m->day < undone_since)
            undone_since = m->day;
    }
    double n = in->mission_count, missed = BURNOUT_DAYS - (n - skipped);
    bool enough = in->mission_count >= ENOUGH_MISSIONS;
    double miss_rate = enough ? (double)skipped / BURNOUT_DAYS : NAN;
    double weary_rate = n > 0 ? weary / n : NAN;

    set_factor(r, BURNOUT_IRREGULARITY, stairs(miss_rate, .05, .1, .2, .3), miss_rate);
    set_factor(r, BURNOUT_ENGAGEMENT, stairs(weary_rate, .1, .2, .3, .4), weary_rate);
    if (undone >= 3)
        raise_signal(r, BURNOUT_SIGNAL_DISENGAGED, undone >= 5, undone_since, undone);
    if (enough && missed > 3) {
        int32_t since = 0, done = 0, next = 0;
        for (; since < LAST; since++) { /* first day by whose end more than three were missed */
            for (; next < in->mission_count && in->missions[next].day <= since; next++)
                done += in->missions[next].status != MISSION_SKIPPED;
            if (since + 1 - done > 3)
                break;
        }
        raise_signal(r, BURNOUT_SIGNAL_IRREGULAR, missed > 5, since, missed);
    }
}

void burnout_assess(const struct burnout_input *in, struct burnout_result *ret)
{
    ASSERT(in && ret && in->mission_count >= 0);

    struct burnout_result r = {0};
    count_all(in, &r);

    double hours = (double)r.study_ms / 3.6e6 / 2;
    set_factor(&r, BURNOUT_INTENSITY, hours > 0 ? fmax(25, stairs(hours, 0, 20, 30, 40)) : 0,
               hours);
    assess_success(in, &r);
    assess_load(in, &r);
    assess_missions(in, &r);
    static const double by_recovery[] = {100, 50, 25};
    double deficit = r.active_days > 0 && r.recovery_days < (int32_t)COUNT(by_recovery)
                         ? by_recovery[r.recovery_days]
                         : 0;
    set_factor(&r, BURNOUT_RECOVERY, deficit,
               r.active_days > 0 ? (double)r.recovery_days : (double)NAN);

    r.score = fmin(100, fmax(0, r.score));
    r.level = burnout_level_of(r.score);
    for (int i = 0; i < BURNOUT_FACTORS; i++)
        r.factors[i].share = r.score > 0 ? r.factors[i].contribution / r.score : NAN;
    *ret = r;
}

double burnout_progress(double before, double now)
{
    return before > 0 ? fmin(1, fmax(0, (before - now) / before)) : NAN;
}

static const char *const by_level[][3] = {
    [BURNOUT_LOW] = {"Keep this rhythm.", "Keep one day a week free of study.", NULL},
    [BURNOUT_MEDIUM] = {"Study about a third less for the next three days.",
                        "Plan two days of rest this week.", "Prefer review to new material."},
    [BURNOUT_HIGH] = {"Halve what is planned for the next three days.",
                      "Keep sessions to twenty or thirty minutes.",
                      "Take at least one full day off now."},
    [BURNOUT_CRITICAL] = {"Stop studying for three days, or keep below fifteen minutes a day.",
                          "Move what can be moved to later.",
                          "Talk to somebody you trust about how you are."},
};
static const char *const by_factor[BURNOUT_FACTORS] = {
    "The hours are very many: set an upper limit for each day.",
    "Success is falling: return to what was solid, in short sessions.",
    "The load has been high for long: choose easier material for a while.",
    "The schedule is uneven: plan fewer missions, at times that work.",
    "Missions are left undone or feel bad: make them smaller.",
    "There is no day of rest: put one into this week.",
};

int32_t burnout_advice(const struct burnout_result *r, const char *ret[BURNOUT_ADVICE_MAX])
{
    int32_t n = 0;

    if (!r->sufficient)
        return 0; /* advice for everybody is advice for nobody */
    for (size_t i = 0; i < COUNT(by_level[0]); i++)
        if (by_level[r->level][i])
            ret[n++] = by_level[r->level][i];
    for (int i = 0; i < BURNOUT_FACTORS && n < BURNOUT_ADVICE_MAX; i++)
        if (r->factors[i].score >= 75)
            ret[n++] = by_factor[i];
    return n;
}

/* ---- trends ---- */

const char *const burnout_series_names[] = {"load", "success", "study", NULL};

/* NaN: the day does not have the measure. */
static double day_value(const struct burnout_input *in, enum burnout_series s, int32_t day)
{
    const struct burnout_day *d = &in->days[day];

    switch (s) {
    case BURNOUT_SERIES_LOAD:
        return d->load_n > 0 ? d->load_mean : (double)NAN;
    case BURNOUT_SERIES_SUCCESS:
        return d->graded > 0 ? (double)d->succeeded / (double)d->graded : (double)NAN;
    default:
        return day < LAST || in->last_is_over ? (double)d->study_ms / 60000 : (double)NAN;
    }
}

static enum err fit_series(struct arena *scratch, const struct burnout_input *in,
                           enum burnout_series s, bool any_active, struct burnout_trend *ret)
{
    static const char *const reasons[] = {"too few days with a measured load",
                                          "too few days with graded work",
                                          "too few days with study"};
    double t[BURNOUT_DAYS], y[BURNOUT_DAYS];

    *ret = (struct burnout_trend){.p_adjusted = (double)NAN};
    for (int32_t day = 0; day < BURNOUT_DAYS; day++) {
        double v = day_value(in, s, day);

        if (isnan(v) || (s == BURNOUT_SERIES_STUDY && !any_active))
            continue;
        t[ret->days] = day;
        y[ret->days++] = v;
    }
    if (ret->days < BURNOUT_TREND_NEEDED) {
        ret->needed = BURNOUT_TREND_NEEDED - ret->days;
        ret->reason = reasons[s];
        return ERR_OK;
    }
    return trend_fit(scratch, t, y, ret->days, true, 0.95, &ret->trend);
}

enum err burnout_trends(struct arena *scratch, const struct burnout_input *in,
                        struct burnout_trend ret[BURNOUT_SERIES_COUNT])
{
    double p[BURNOUT_SERIES_COUNT];
    int32_t order[BURNOUT_SERIES_COUNT];
    bool any_active = false;

    for (int32_t day = 0; day < BURNOUT_DAYS; day++)
        any_active = any_active || is_active(&in->days[day]);
    for (int s = 0; s < BURNOUT_SERIES_COUNT; s++) {
        enum err e = fit_series(scratch, in, (enum burnout_series)s, any_active, &ret[s]);

        if (e != ERR_OK)
            return e;
        p[s] = ret[s].reason ? (double)NAN : ret[s].trend.p;
    }
    meta_benjamini_hochberg(p, BURNOUT_SERIES_COUNT, p, order);
    for (int s = 0; s < BURNOUT_SERIES_COUNT; s++) {
        struct burnout_trend *r = &ret[s];

        r->p_adjusted = p[s];
        /* tau's sign: the median slope can be 0 where many days are equal */
        if (p[s] < 0.05)
            r->direction = (r->trend.s > 0) - (r->trend.s < 0);
        r->worse = s == BURNOUT_SERIES_SUCCESS ? r->direction < 0 : r->direction > 0;
    }
    return ERR_OK;
}
