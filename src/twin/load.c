#include "twin/load.h"

#include "base/assert.h"

#include <math.h>

const char *const load_level_names[] = {"LOW", "MODERATE", "HIGH", "CRITICAL", NULL};
const char *const load_severity_names[] = {"LOW", "MEDIUM", "HIGH", NULL};
const char *const load_sign_names[] = {"RESPONSE_LATENCY",    "ERROR_RATE",      "ENGAGEMENT_DROP",
                                       "PERFORMANCE_DECLINE", "DURATION_STRESS", NULL};

static const double weights[LOAD_SIGN_COUNT] = {.30, .25, .20, .15, .10};

/* From which value on a sign shows, and is medium, and is severe (all exclusive). */
static const struct {
    double shown, medium, severe;
} thresholds[LOAD_SIGN_COUNT] = {
    [LOAD_SIGN_LATENCY] = {.15, .30, .50},    [LOAD_SIGN_ERRORS] = {.20, .30, .40},
    [LOAD_SIGN_ENGAGEMENT] = {.20, .30, .40}, [LOAD_SIGN_PERFORMANCE] = {.20, .30, .40},
    [LOAD_SIGN_DURATION] = {60, 60, 90},
};

static double latency_score(double rise)
{
    return rise > .50 ? 100 : rise > .30 ? 75 : rise > .15 ? 50 : rise > .05 ? 25 : 0;
}

static void add_sign(struct load_result *r, enum load_sign sign, double measure, double value)
{
    if (!(measure > thresholds[sign].shown))
        return;
    r->indicators[r->indicator_count++] = (struct load_indicator){
        .sign = sign,
        .severity = measure > thresholds[sign].severe   ? LOAD_SEVERE
                    : measure > thresholds[sign].medium ? LOAD_MEDIUM
                                                        : LOAD_MILD,
        .value = value,
        .contribution = r->factors[sign],
    };
}

static double confidence(const struct load_input *in)
{
    double c = 1;

    if (in->latency_n < 5)
        c *= .7;
    if (in->score_n < LOAD_SCORES_USED)
        c *= .8;
    if (!in->has_engagement)
        c *= .9;
    if (!in->has_baseline)
        c *= .6;
    return c;
}

enum load_level load_level_of(double score)
{
    return score >= 80   ? LOAD_CRITICAL
           : score >= 60 ? LOAD_HIGH
           : score >= 40 ? LOAD_MODERATE
                         : LOAD_LOW;
}

bool load_overload(double score, int32_t severe_signs, enum load_risk *ret_risk)
{
    bool overload = score > 80 || severe_signs >= 2;

    if (ret_risk)
        *ret_risk = overload                         ? LOAD_RISK_CRITICAL
                    : score > 60 || severe_signs > 0 ? LOAD_RISK_HIGH
                    : score > 40                     ? LOAD_RISK_MEDIUM
                                                     : LOAD_RISK_LOW;
    return overload;
}

void load_calculate(const struct load_input *in, struct load_result *ret)
{
    ASSERT(in && ret && in->minutes >= 0 && isfinite(in->minutes));

    double base_ms = in->has_baseline && in->baseline_ms > 0 ? in->baseline_ms : LOAD_BASELINE_MS;
    double base_performance = in->has_baseline && in->baseline_performance > 0
                                  ? in->baseline_performance
                                  : LOAD_BASELINE_PERFORMANCE;
    double rise = in->latency_n > 0 ? (in->latency_ms - base_ms) / base_ms : 0;
    double paused =
        in->has_engagement && in->minutes > 0 ? in->pause_ms / (60000 * in->minutes) : 0;
    double drop = in->score_n >= LOAD_SCORES_USED
                      ? (base_performance - in->score_mean) / base_performance
                      : 0;

    struct load_result r = {.confidence = confidence(in)};
    r.factors[LOAD_SIGN_LATENCY] = latency_score(rise);
    r.factors[LOAD_SIGN_ERRORS] = fmin(100, 100 * in->error_rate);
    r.factors[LOAD_SIGN_ENGAGEMENT] =
        in->has_engagement ? fmin(100, 10 * in->pauses + 50 * paused) : 0;
    r.factors[LOAD_SIGN_PERFORMANCE] = drop >= .20 ? fmin(100, 100 * drop) : 0;
    r.factors[LOAD_SIGN_DURATION] = in->minutes > 90 ? 25 : in->minutes > 60 ? 10 : 0;

    for (int i = 0; i < LOAD_SIGN_COUNT; i++)
        r.score += weights[i] * r.factors[i];
    r.score = fmin(100, fmax(0, r.score));
    r.level = load_level_of(r.score);

    add_sign(&r, LOAD_SIGN_LATENCY, rise, in->latency_ms);
    add_sign(&r, LOAD_SIGN_ERRORS, in->error_rate, in->error_rate);
    add_sign(&r, LOAD_SIGN_ENGAGEMENT, paused, paused);
    add_sign(&r, LOAD_SIGN_PERFORMANCE, drop, drop);
    add_sign(&r, LOAD_SIGN_DURATION, in->minutes, in->minutes);

    int32_t severe = 0;
    for (int32_t i = 0; i < r.indicator_count; i++)
        severe += r.indicators[i].severity == LOAD_SEVERE;
    r.overload = load_overload(r.score, severe, &r.risk);
    *ret = r;
}

int32_t load_advice(const struct load_result *r, const char *ret[LOAD_ADVICE_MAX])
{
    int32_t n = 0;

    if (r->score > 80) {
        ret[n++] = "Stop now and rest for ten minutes.";
        ret[n++] = "Afterwards only review what is known; leave new material for another day.";
        ret[n++] = "If it stays this hard, end the session here.";
    } else if (r->score > 60) {
        ret[n++] = "Go one level easier for a while.";
        ret[n++] = "Rest for five minutes in every twenty.";
        ret[n++] = "Four parts review to one part new material.";
    } else if (r->score > 40) {
        ret[n++] = "Keep this difficulty, with hints and worked examples at hand.";
        ret[n++] = "Take a short break every thirty minutes.";
    }
    for (int32_t i = 0; i < r->indicator_count; i++) {
        const struct load_indicator *s = &r->indicators[i];
        if (s->sign == LOAD_SIGN_LATENCY && s->severity == LOAD_SEVERE)
            ret[n++] = "Answers come much slower than usual: take smaller steps.";
        if (s->sign == LOAD_SIGN_ERRORS && s->severity == LOAD_SEVERE)
            ret[n++] = "Many answers are wrong: go back to what this builds on.";
        if (s->sign == LOAD_SIGN_DURATION)
            ret[n++] = "This has been a long stretch: take fifteen minutes off.";
    }
    ASSERT(n <= LOAD_ADVICE_MAX);
    return n;
}

int load_trend(double latest, double previous)
{
    double d = latest - previous;
    return d > 10 ? 1 : d < -10 ? -1 : 0;
}

int32_t load_episodes(const struct load_sample *s, int32_t n, struct load_episode *ret, int32_t max)
{
    struct load_episode e = {.open = false};
    int32_t count = 0;

    for (int32_t i = 0; i < n; i++) {
        if (!e.open && s[i].score > LOAD_ENTER)
            e = (struct load_episode){.start = s[i].at, .open = true};
        if (!e.open)
            continue;
        e.end = s[i].at;
        if (s[i].score >= LOAD_LEAVE) {
            e.peak = fmax(e.peak, s[i].score);
            e.samples++;
            continue;
        }
        e.open = false;
        if (count < max)
            ret[count] = e;
        count++;
    }
    if (e.open) {
        if (count < max)
            ret[count] = e;
        count++;
    }
    return count;
}

double load_time_mean(const struct load_sample *s, int32_t n, int32_t from, int32_t to)
{
    double weighted = 0, time = 0, sum = 0;

    for (int32_t i = from; i < to; i++) {
        double held = i + 1 < n ? (double)s[i + 1].at - (double)s[i].at : LOAD_HOLD_US;
        double w = fmin(held, LOAD_HOLD_US);
        weighted += w * s[i].score;
        time += w;
        sum += s[i].score;
    }
    return time > 0 ? weighted / time : to > from ? sum / (to - from) : NAN;
}

int64_t load_bucket_start(const struct zone *zone, enum load_grain grain, int64_t at)
{
    struct civil c = civil_at(zone, at);

    switch (grain) {
    case LOAD_RAW:
        return at;
    case LOAD_HOUR:
        /* By subtraction: where the clock goes back, the hour comes twice and is two buckets. */
        return at - (((int64_t)c.minute * 60 + c.second) * US_PER_S + c.us);
    case LOAD_DAY:
        return civil_day_start(zone, c.epoch_day);
    case LOAD_WEEK:
        return civil_day_start(zone, c.epoch_day - (c.weekday + 6) % 7);
    }
    UNREACHABLE();
}

static struct load_bucket bucket(const struct load_sample *s, int32_t n, int64_t start,
                                 int32_t first, int32_t count, double *scratch)
{
    struct load_bucket b = {.start = start, .first = first, .count = count, .peak = first};

    for (int32_t i = 0; i < count; i++) {
        scratch[i] = s[first + i].score;
        b.mean += scratch[i];
        if (scratch[i] > s[b.peak].score)
            b.peak = first + i;
    }
    stats_sort(scratch, count);
    b.mean /= count;
    b.min = scratch[0];
    b.max = scratch[count - 1];
    b.p90 = stats_quantile(scratch, count, .9);
    b.time_mean = load_time_mean(s, n, first, first + count);
    return b;
}

int32_t load_buckets(const struct load_sample *s, int32_t n, const struct zone *zone,
                     enum load_grain grain, double *scratch, struct load_bucket *ret, int32_t max)
{
    int32_t count = 0;

    for (int32_t first = 0, next; first < n; first = next) {
        int64_t start = load_bucket_start(zone, grain, s[first].at);
        for (next = first + 1; next < n && load_bucket_start(zone, grain, s[next].at) == start;
             next++)
            ;
        if (count < max)
            ret[count] = bucket(s, n, start, first, next - first, scratch);
        count++;
    }
    return count;
}
