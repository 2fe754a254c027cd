#include "twin/strain.h"

#include "base/assert.h"
#include "twin/dist.h"
#include "twin/meta.h"

#include <math.h>

/* Chosen by what they mean, not fitted. */
static const double time_gain_min = 0.01, /* the normal follows the last hundred answers or so */
    time_start = 2.0,                     /* log seconds: 7.4 s, and */
    scale_start = -0.5,                   /* log of 0.6, until the learner's own are known: */
    times_needed = 10,                    /* times of its kind before one is compared */
    huber = 1.5,                          /* deviations count up to here */
    deviation_max = 3,                    /* no single answer decides */
    right_gain = 0.02,                    /* of the usual share */
    recent_gain = 0.2,                    /* of `slow` and `wrong` */
    fade_minutes = 45,                    /* level */
    slope_fade_minutes = 15, level_spread = 0.7, /* sd of the level when nothing is known */
    slope_spread = 0.02,                         /* per minute */
    load_at = 0.57, load_by = 1.49;

void strain_init(struct strain *s)
{
    *s = (struct strain){
        .version = STRAIN_VERSION,
        .last_at = TIME_NONE,
        .times = {{0, time_start, scale_start}, {0, time_start, scale_start}},
        .right = 0.75,
        .p_level = level_spread * level_spread,
        .p_slope = slope_spread * slope_spread,
        .episode_at = TIME_NONE,
    };
}

static bool normal_valid(const struct strain_normal *t, int64_t n)
{
    return t->n >= 0 && t->n <= n && fabs(t->mean) < 20 && fabs(t->log_scale) < 20;
}

bool strain_valid(const struct strain *s)
{
    return s->version == STRAIN_VERSION && s->n >= 0 && normal_valid(&s->times[0], s->n) &&
           normal_valid(&s->times[1], s->n) && s->right > 0 && s->right < 1 &&
           fabs(s->level) < 100 && fabs(s->slope) < 100 && s->p_level >= 0 && s->p_level < 100 &&
           s->p_slope >= 0 && s->p_slope < 100 &&
           s->p_cross * s->p_cross <= s->p_level * s->p_slope * (1 + 1e-9) && s->alarm >= 0 &&
           s->alarm < 1e6 && fabs(s->slow) < 100 && fabs(s->wrong) < 100 && s->episode_peak >= 0 &&
           s->episode_peak <= 100;
}

static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

static double load_of(double level)
{
    return 100 / (1 + exp(-(level - load_at) * load_by));
}

/* ---- the learner's normal ---- */

/* Deviation of a response time, in the scale of the times before it; then the normal moves. NaN:
 * the normal is not known yet. */
static double take_time(struct strain_normal *t, double seconds)
{
    double x = log(clamp(seconds, 0.05, 3600)), scale = exp(t->log_scale);
    double r = (x - t->mean) / scale;
    double gain = fmax(time_gain_min, 1 / ((double)++t->n + 1));

    /* psi'(0) of Huber's psi holds for 87 % of a normal law: hence the larger step */
    t->mean += gain * scale * clamp(r, -huber, huber) / 0.87;
    /* 0.6745 sd is a normal law's median absolute deviation */
    t->log_scale += 2 * gain * ((fabs(r) > 0.6745) - 0.5);
    t->log_scale = clamp(t->log_scale, -3, 1.5);
    return (double)t->n > times_needed ? clamp(r, -deviation_max, deviation_max) : (double)NAN;
}

static double take_outcome(struct strain *s, bool right, double expected)
{
    double p = clamp(isnan(expected) ? s->right : expected, 0.02, 0.98);

    s->right = clamp(s->right + right_gain * (right - s->right), 0.02, 0.98);
    return clamp((p - right) / sqrt(p * (1 - p)), -deviation_max, deviation_max);
}

/* ---- the filter ---- */

struct faded {
    double level, slope, p_level, p_cross, p_slope;
};

/* level' = f level + m slope, slope' = g slope; the noise keeps the prior's variance when nothing
 * is observed for long. */
static struct faded fade(const struct strain *s, double minutes)
{
    double f = exp(-minutes / fade_minutes), g = exp(-minutes / slope_fade_minutes);
    double m = slope_fade_minutes * (1 - g) * f; /* how far the slope carries */

    return (struct faded){
        .level = f * s->level + m * s->slope,
        .slope = g * s->slope,
        .p_level = f * f * s->p_level + 2 * f * m * s->p_cross + m * m * s->p_slope +
                   level_spread * level_spread * (1 - f * f),
        .p_cross = g * (f * s->p_cross + m * s->p_slope),
        .p_slope = g * g * s->p_slope + slope_spread * slope_spread * (1 - g * g),
    };
}

static double minutes_since(const struct strain *s, int64_t at)
{
    if (s->last_at == TIME_NONE || at <= s->last_at)
        return 0;
    return fmin((double)((uint64_t)at - (uint64_t)s->last_at) / (double)US_PER_MINUTE, 1e6);
}

static void observe(struct strain *s, const struct faded *p, double y)
{
    double spread = p->p_level + 1, gain = p->p_level / spread, drift = p->p_cross / spread;

    s->level = clamp(p->level + gain * (y - p->level), -10, 10);
    s->slope = clamp(p->slope + drift * (y - p->level), -10, 10);
    s->p_level = (1 - gain) * p->p_level;
    s->p_cross = (1 - gain) * p->p_cross;
    s->p_slope = fmax(0, p->p_slope - drift * p->p_cross);
}

/* ---- episodes ---- */

static void end_episode(struct strain *s, int64_t end, struct strain_episode *ret)
{
    if (ret)
        *ret = (struct strain_episode){s->episode_at, end, s->episode_peak};
    s->episode_at = TIME_NONE;
    s->episode_peak = 0;
    s->alarm = 0;
}

static enum strain_change move_episode(struct strain *s, int64_t at, struct strain_episode *ret)
{
    double load = load_of(s->level), low = load_of(s->level - STATS_Z95 * sqrt(s->p_level));

    if (s->episode_at != TIME_NONE) {
        s->episode_peak = fmax(s->episode_peak, load);
        if (load >= STRAIN_LEAVE || s->alarm > STRAIN_ALARM)
            return STRAIN_SAME;
        end_episode(s, at, ret);
        return STRAIN_RECOVERED;
    }
    if (s->n < STRAIN_NEEDED || (s->alarm <= STRAIN_ALARM && low <= STRAIN_ENTER))
        return STRAIN_SAME;
    s->episode_at = at;
    s->episode_peak = load;
    return STRAIN_BEGAN;
}

enum strain_change strain_update(struct strain *s, const struct strain_answer *a,
                                 struct strain_episode *ret_episode)
{
    double slow = 0, wrong = 0, minutes = minutes_since(s, a->at);
    bool timed = a->time_s > 0 && isfinite(a->time_s), graded = a->right >= 0;
    int64_t at = s->last_at == TIME_NONE || a->at > s->last_at ? a->at : s->last_at;
    enum strain_change change = STRAIN_SAME;

    ASSERT(a->kind < STRAIN_KINDS);
    if (!timed && !graded)
        return STRAIN_SAME;
    if (minutes * (double)US_PER_MINUTE > (double)STRAIN_PAUSE_US) {
        if (s->episode_at != TIME_NONE) {
            end_episode(s, s->last_at, ret_episode);
            change = STRAIN_BROKEN_OFF;
        }
        s->alarm = s->slow = s->wrong = 0;
    }
    struct faded p = fade(s, minutes);
    if (timed)
        slow = take_time(&s->times[a->kind], a->time_s);
    timed = timed && !isnan(slow);
    slow = timed ? slow : 0;
    if (graded)
        wrong = take_outcome(s, a->right > 0, a->expected);
    s->slow += recent_gain * (timed ? slow - s->slow : 0);
    s->wrong += recent_gain * (graded ? wrong - s->wrong : 0);
    s->n++;
    s->last_at = at;

    double y = timed && graded ? (slow + wrong) / sqrt(2) : slow + wrong;
    observe(s, &p, y);
    /* while the normal is still being learnt nothing is an alarm; an open sum has a ceiling, so
     * that recovery is seen as soon as it comes */
    s->alarm = s->n < STRAIN_NEEDED ? 0 : clamp(s->alarm + y - 0.5, 0, STRAIN_ALARM + 3);
    return change != STRAIN_SAME ? change : move_episode(s, at, ret_episode);
}

void strain_view(const struct strain *s, int64_t now_us, struct strain_view *ret)
{
    struct faded p = fade(s, minutes_since(s, now_us));
    const struct strain_normal *usual = &s->times[s->times[1].n > s->times[0].n];
    double sd = sqrt(p.p_level), load = load_of(p.level),
           z = p.slope / sqrt(fmax(p.p_slope, 1e-12));
    bool fresh = minutes_since(s, now_us) * (double)US_PER_MINUTE <= (double)STRAIN_PAUSE_US;

    *ret = (struct strain_view){
        .sufficient = s->n >= STRAIN_NEEDED,
        .current = p.p_level <= (1 - STRAIN_CURRENT) * level_spread * level_spread,
        .load = load,
        .interval = {load_of(p.level - STATS_Z95 * sd), load_of(p.level + STATS_Z95 * sd)},
        .trend = load_by * load * (1 - load / 100) * 10 * p.slope,
        .direction = z > 1.64    ? 1
                     : z < -1.64 ? -1
                                 : 0,
        .overload = s->episode_at != TIME_NONE && fresh,
        .slower = exp(s->slow * exp(usual->log_scale)) - 1,
        .misses = s->wrong,
    };
}

double strain_run_length(double alarm)
{
    double b = alarm + 1.166; /* half the mean overshoot on both sides; reference 1/2 */

    return 2 * (exp(b) - b - 1);
}

/* ---- response to stress ---- */

struct survival_median strain_recovery(const struct strain_episode *e, const bool *recovered,
                                       int32_t n, double *times, bool *happened,
                                       struct survival_row *rows)
{
    for (int32_t i = 0; i < n; i++) {
        times[i] = e[i].end > e[i].start
                       ? (double)((uint64_t)e[i].end - (uint64_t)e[i].start) / (double)US_PER_MINUTE
                       : 0;
        happened[i] = recovered[i];
    }
    return survival_fit(rows, survival_rows(times, happened, n, rows), 0.95, NULL);
}

struct kink {
    double at, slope, gain; /* gain: of the sum of squares against a constant */
};

/* Falls only: a rise of success with load is no tolerance. */
static struct kink best_kink(const double *x, const double *y, int32_t n)
{
    struct kink best = {(double)NAN, (double)NAN, 0};

    for (double c = 20; c <= 90; c += 5) {
        double h_mean = 0, y_mean = 0, hh = 0, hy = 0;
        int32_t above = 0;

        for (int32_t i = 0; i < n; i++) {
            double h = fmax(0, x[i] - c), off = h - h_mean;

            above += x[i] > c;
            h_mean += off / (i + 1);
            hh += off * (h - h_mean);
            y_mean += (y[i] - y_mean) / (i + 1);
            hy += off * (y[i] - y_mean);
        }
        if (above < 5 || n - above < 5 || !(hh > 1e-9))
            continue;
        if (hy < 0 && hy * hy / hh > best.gain)
            best = (struct kink){c, hy / hh, hy * hy / hh};
    }
    return best;
}

enum err strain_tolerance(const double *load, const double *success, int32_t n, struct rng *rng,
                          double *scratch, struct strain_tolerance *ret)
{
    struct strain_tolerance t = {(double)NAN, (double)NAN, (double)NAN, n, 0};
    int32_t as_good = 0;

    if (n < 0 || n > STRAIN_TOLERANCE_MAX)
        return ERR_RANGE;
    for (int32_t i = 0; i < n; i++) {
        if (!isfinite(load[i]) || !isfinite(success[i]))
            return ERR_RANGE;
        scratch[i] = success[i];
    }
    t.needed = n < STRAIN_TOLERANCE_NEEDED ? STRAIN_TOLERANCE_NEEDED - n : 0;
    *ret = t;
    if (t.needed > 0)
        return ERR_OK;

    struct kink k = best_kink(load, success, n);
    for (int round = 0; round < STRAIN_TOLERANCE_ROUNDS; round++) {
        for (int32_t i = n; i-- > 1;) {
            int32_t j = (int32_t)rng_below(rng, (uint64_t)i + 1);
            double kept = scratch[i];

            scratch[i] = scratch[j];
            scratch[j] = kept;
        }
        as_good += best_kink(load, scratch, n).gain >= k.gain;
    }
    ret->p = (as_good + 1.0) / (STRAIN_TOLERANCE_ROUNDS + 1);
    if (ret->p <= STRAIN_TOLERANCE_ALPHA && k.gain > 0) {
        ret->load = k.at;
        ret->slope = 10 * k.slope;
    }
    return ERR_OK;
}

void strain_triggers(struct strain_trigger *t, int32_t n, double share_false, double *p,
                     int32_t *order)
{
    for (int32_t i = 0; i < n; i++) {
        t[i].difference = compare_welch(&t[i].with, &t[i].without, 0.95);
        t[i].p = isnan(t[i].difference.t) ? (double)NAN
                                          : dist_t_cdf(-t[i].difference.t, t[i].difference.df);
        p[i] = t[i].p;
    }
    meta_benjamini_hochberg(p, n, p, order);
    for (int32_t i = 0; i < n; i++) {
        t[i].p_adjusted = p[i];
        t[i].found = p[i] <= share_false; /* false for NaN */
    }
}

double strain_session_minutes(double planned, double load, double burnout_risk)
{
    /* whole up to the first bound, then falling to the least share at 100 */
    double by_load = isnan(load) ? 1 : 1 - 0.6 * clamp((load - 60) / 40, 0, 1);
    double by_risk = isnan(burnout_risk) ? 1 : 1 - 0.75 * clamp((burnout_risk - 25) / 50, 0, 1);

    ASSERT(planned >= 0);
    return planned * fmin(by_load, by_risk);
}
