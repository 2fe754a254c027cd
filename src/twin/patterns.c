#include "twin/patterns.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>

const char *const pattern_kind_names[] = {"OPTIMAL_STUDY_TIME",
                                          "SESSION_DURATION_PREFERENCE",
                                          "CONTENT_TYPE_PREFERENCE",
                                          "PERFORMANCE_PEAK",
                                          "ATTENTION_CYCLE",
                                          "FORGETTING_CURVE",
                                          NULL};

#define PRIOR_ODDS (1.0 / 3) /* one in four */
#define LOG_EXISTS_MAX 9.2   /* 10,000: more is not remembered, so that it can be lost again */
#define LOG_EXISTS_MIN -9.2
#define MICRO 1e6
#define FORGETTING_SD 0.5 /* prior of a learner's rise against the published curve, log odds */

/* ---- findings ---- */

static struct pattern_finding nothing(enum pattern_kind kind, enum rhythm_reason reason,
                                      int64_t needed, int64_t n)
{
    return (struct pattern_finding){.kind = kind,
                                    .slot = -1,
                                    .reason = reason,
                                    .needed = needed,
                                    .n = n,
                                    .value = NAN,
                                    .interval = {NAN, NAN},
                                    .effect = NAN,
                                    .effect_interval = {NAN, NAN},
                                    .p = NAN,
                                    .bayes_factor = NAN};
}

static struct pattern_finding of_slots(enum pattern_kind kind, const struct rhythm *r)
{
    struct pattern_finding f = nothing(kind, r->reason, r->needed, r->n);

    f.p = r->p;
    f.bayes_factor = r->bayes_factor;
    if (!r->found || r->best < 0)
        return f;
    f.found = true;
    f.slot = r->best;
    f.effect = r->slots[r->best].effect;
    f.effect_interval = r->slots[r->best].interval;
    return f;
}

/* Hours next to the best one that are surely above the mean; false: it stands alone. */
static bool window(const struct rhythm *r, int32_t *ret_first, int32_t *ret_last)
{
    int32_t n = r->count, first = r->best, last = r->best, length = 1;

    if (!(r->slots[r->best].interval.low > 0))
        return false;
    for (; length < n; length++) {
        int32_t before = (first + n - 1) % n, after = (last + 1) % n;
        if (r->slots[before].n && r->slots[before].interval.low > 0)
            first = before;
        else if (r->slots[after].n && r->slots[after].interval.low > 0)
            last = after;
        else
            break;
    }
    *ret_first = first;
    *ret_last = last;
    return length >= 2;
}

void patterns_find_hours(const struct rhythm *hours, struct pattern_finding *ret_time,
                         struct pattern_finding *ret_peak)
{
    struct pattern_finding time = of_slots(PATTERN_STUDY_TIME, hours), peak = time;
    int32_t first, last;

    peak.kind = PATTERN_PEAK;
    if (time.found) {
        time.value = hours->best;
        time.interval = hours->peak_interval;
        peak.found = window(hours, &first, &last);
        peak.reason = peak.found ? RHYTHM_OK : RHYTHM_NO_EFFECT;
        peak.slot = peak.found ? first : -1;
        if (peak.found) {
            peak.value = first;
            peak.interval = (struct interval){first, (last + 1) % hours->count};
        }
    }
    *ret_time = time;
    *ret_peak = peak;
}

void patterns_find_attention(const struct rhythm_fatigue *fatigue, struct pattern_finding *ret)
{
    struct pattern_finding f =
        nothing(PATTERN_ATTENTION, fatigue->reason, fatigue->needed, fatigue->n);

    f.p = fatigue->p;
    f.bayes_factor = fatigue->bayes_factor;
    f.found = fatigue->found && fatigue->reason == RHYTHM_OK;
    if (f.found) {
        f.slot = 0;
        f.value = fatigue->onset;
        f.interval = fatigue->onset_interval;
        /* What the time up to the end of what was seen loses on average: half of the way down. */
        double lost = fmax(0, fatigue->seen_minutes - fatigue->onset) / 2 / 10;
        f.effect = fatigue->slope * lost;
        f.effect_interval = (struct interval){fatigue->slope_interval.low * lost,
                                              fatigue->slope_interval.high * lost};
    }
    *ret = f;
}

void patterns_find_duration(const struct rhythm_fatigue *fatigue, const struct rhythm *lengths,
                            const int32_t *from_minutes, struct pattern_finding *ret)
{
    struct rhythm_length length = rhythm_length(fatigue, lengths, from_minutes);
    struct pattern_finding f;

    if (length.method == RHYTHM_BY_LENGTH) {
        f = of_slots(PATTERN_DURATION, lengths);
    } else {
        patterns_find_attention(fatigue, &f);
        f.kind = PATTERN_DURATION;
        f.slot = f.found ? PATTERN_BY_FATIGUE : -1;
    }
    f.value = length.minutes;
    f.interval = length.interval;
    *ret = f;
}

void patterns_find_content(const struct rhythm *modalities, struct pattern_finding *ret)
{
    *ret = of_slots(PATTERN_CONTENT, modalities);
}

/* Normal-normal Bayes factor of a rise ~ N(0, FORGETTING_SD^2) against none. */
void patterns_find_forgetting(const struct rhythm_sum *reviews, struct pattern_finding *ret)
{
    double u = (double)reviews->part.residual / MICRO, s = (double)reviews->sessions;
    double v = (double)reviews->part.information / MICRO, vv = (double)reviews->weight / MICRO;
    struct pattern_finding f = nothing(PATTERN_FORGETTING, RHYTHM_OK, 0, reviews->part.n);

    f.reason = s < RHYTHM_SESSIONS_NEEDED                 ? RHYTHM_FEW_SESSIONS
               : reviews->part.n < RHYTHM_OUTCOMES_NEEDED ? RHYTHM_FEW_OUTCOMES
                                                          : RHYTHM_OK;
    f.needed = f.reason == RHYTHM_FEW_SESSIONS ? RHYTHM_SESSIONS_NEEDED : RHYTHM_OUTCOMES_NEEDED;
    if (f.reason != RHYTHM_OK || !(v > vv / v)) {
        *ret = f;
        return;
    }
    double rise = u / v, spread = (double)reviews->square / MICRO -
                                  2 * rise * (double)reviews->cross / MICRO + rise * rise * vv;
    double phi = fmax(1, spread / (v - vv / v)), variance = phi / v, t = rise / sqrt(variance);
    double half = dist_t_quantile(0.975, s - 1) * sqrt(variance);
    double ratio = FORGETTING_SD * FORGETTING_SD / variance;

    f.p = dist_t_two_sided(t, s - 1);
    f.bayes_factor = exp(fmin(700, t * t / 2 * ratio / (1 + ratio))) / sqrt(1 + ratio);
    f.found = f.p <= RHYTHM_ALPHA;
    f.reason = f.found ? RHYTHM_OK : RHYTHM_NO_EFFECT;
    f.needed = 0;
    f.slot = f.found ? rise < 0 : -1;
    f.effect = rise;
    f.effect_interval = (struct interval){rise - half, rise + half};
    *ret = f;
}

/* ---- data ---- */

static void add(struct rhythm_part *to, const struct rhythm_part *part)
{
    to->n += part->n;
    to->expected += part->expected;
    to->residual += part->residual;
    to->information += part->information;
}

struct pattern_data patterns_data_slots(const struct rhythm_sum *slots, int32_t count,
                                        int32_t first, int32_t last, double dispersion)
{
    struct pattern_data d = {.dispersion = dispersion};

    for (int32_t i = 0; i < count; i++) {
        bool in = first <= last ? i >= first && i <= last : i >= first || i <= last;
        add(in ? &d.inside : &d.outside, &slots[i].part);
    }
    return d;
}

struct pattern_data patterns_data_minutes(const struct rhythm_minutes *cells, int32_t count,
                                          double onset, double dispersion)
{
    struct pattern_data d = {.dispersion = dispersion};

    for (int32_t i = 0; i < count; i++) {
        double middle = (cells[i].bucket + 0.5) * RHYTHM_BUCKET_MINUTES;
        add(middle < onset ? &d.inside : &d.outside, &cells[i].part);
    }
    return d;
}

/* ---- the life of a pattern ---- */

void patterns_track_init(struct pattern_track *t, enum pattern_kind kind, int32_t slot)
{
    *t = (struct pattern_track){
        .version = PATTERN_TRACK_VERSION, .kind = (int32_t)kind, .slot = slot, .sign = 1};
}

static struct rhythm_part since(const struct rhythm_part *now, const struct rhythm_part *then)
{
    return (struct rhythm_part){now->n - then->n, now->expected - then->expected,
                                now->residual - then->residual,
                                now->information - then->information};
}

/* Score and information of the contrast in what is new. False: nothing to compare yet. */
static bool contrast(const struct pattern_track *t, const struct pattern_data *d, double *ret_u,
                     double *ret_v)
{
    struct rhythm_part in = since(&d->inside, &t->inside), out = since(&d->outside, &t->outside);
    double u1 = (double)in.residual / MICRO, v1 = (double)in.information / MICRO;
    double u0 = (double)out.residual / MICRO, v0 = (double)out.information / MICRO;

    ASSERT(d->dispersion >= 1);
    if (!(v1 > 0) || (!d->alone && !(v0 > 0)))
        return false;
    double share = d->alone ? 1 : v0 / (v1 + v0);
    *ret_u = t->sign * (d->alone ? u1 : u1 * share - u0 * (1 - share)) / d->dispersion;
    *ret_v = v1 * share / d->dispersion;
    return true;
}

static void appear(struct pattern_track *t, double log_evidence, int64_t now_us)
{
    t->present = true;
    t->appeared_at = t->seen_at = now_us;
    t->log_exists = fmin(LOG_EXISTS_MAX, log_evidence);
    t->log_change = 0;
    t->occurrences = 1;
}

/* The first time: by the finding, which has seen all data. */
static enum pattern_change first_time(struct pattern_track *t, const struct pattern_finding *f,
                                      const struct pattern_data *d, int64_t now_us)
{
    if (!f || !f->found || f->slot != t->slot || !(f->bayes_factor >= PATTERN_APPEARS) ||
        !(fabs(f->effect) > 0))
        return PATTERN_SAME;
    t->sign = f->effect < 0 ? -1 : 1;
    t->claim = fabs(f->effect) / 2; /* what is found is found too large */
    t->inside = d->inside;
    t->outside = d->outside;
    appear(t, log(f->bayes_factor), now_us);
    return PATTERN_APPEARED;
}

static bool shrank(const struct pattern_track *t, const struct pattern_data *d)
{
    return d->inside.n < t->inside.n || (!d->alone && d->outside.n < t->outside.n);
}

enum pattern_change patterns_step(struct pattern_track *t, const struct pattern_finding *finding,
                                  const struct pattern_data *data, int64_t now_us)
{
    double u, v;

    ASSERT(!finding || (int32_t)finding->kind == t->kind);
    if (shrank(t, data))
        patterns_track_init(t, (enum pattern_kind)t->kind, t->slot);
    if (!(t->claim > 0))
        return first_time(t, finding, data, now_us);
    if (!contrast(t, data, &u, &v))
        return PATTERN_SAME;

    double gain = t->claim * u - t->claim * t->claim * v / 2;
    t->inside = data->inside;
    t->outside = data->outside;
    t->log_exists = fmax(LOG_EXISTS_MIN, fmin(LOG_EXISTS_MAX, t->log_exists + gain));
    t->log_change = fmax(0, t->log_change + (t->present ? -gain : gain));
    if (!t->present) {
        if (t->log_change < log(PATTERN_CHANGES))
            return PATTERN_SAME;
        appear(t, t->log_change, now_us);
        return PATTERN_APPEARED;
    }
    if (t->log_change >= log(PATTERN_CHANGES)) {
        t->present = false;
        t->vanished_before = true;
        t->vanished_at = now_us;
        t->log_change = 0;
        t->log_exists = fmin(t->log_exists, 0);
        return PATTERN_VANISHED;
    }
    if (gain <= 0)
        return PATTERN_SAME;
    t->seen_at = now_us;
    t->occurrences++;
    return PATTERN_PERSISTED;
}

double patterns_confidence(const struct pattern_track *t)
{
    if (!(t->claim > 0))
        return NAN;
    double odds = PRIOR_ODDS * exp(t->log_exists);
    double still = t->present ? 1 / (1 + exp(t->log_change) / PATTERN_CHANGES) : 1;
    return fmin(PATTERN_CONFIDENCE_MAX, odds / (1 + odds) * still);
}

bool patterns_same(const struct pattern_track *t, const struct pattern_finding *finding)
{
    int32_t apart = abs(t->slot - finding->slot);

    if (t->kind != (int32_t)finding->kind || finding->slot < 0)
        return false;
    if (finding->kind == PATTERN_STUDY_TIME || finding->kind == PATTERN_PEAK)
        return (apart < RHYTHM_HOURS - apart ? apart : RHYTHM_HOURS - apart) <= PATTERN_NEAR_HOURS;
    return apart == 0;
}
