#include "twin/slots.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>

enum {
    HALVES = 48,
    DAY_FROM = 6, /* hours that are offered to everybody */
    DAY_TO = 21,
    SESSIONS_OWN = 2, /* and those at which the learner has studied */
    LEAD_MINUTES = 5,
    APART_MINUTES = 30,
    GRID = 96,
};
#define KAPPA 6.0            /* of the kernel over the hours */
#define OTHER_WEEKDAY 0.6    /* weight of another weekday's outcomes */
#define NEUTRAL 50.0         /* an hour's part of the score where nothing was graded */
#define USUAL_CONFIDENCE 0.4 /* of what is usual, not measured */

double slots_score(double hour, bool free, bool preferred, int64_t recent)
{
    return 0.4 * hour + 0.3 * (free ? 100 : 0) + 0.2 * (preferred ? 100 : 50) +
           0.1 * fmin(100, (double)recent / 3 * 100);
}

bool slots_is_busy(const struct slots_busy *busy, int32_t count, int64_t start, int64_t end,
                   int32_t *ret_soft)
{
    int32_t soft = -1;

    for (int32_t i = 0; i < count && busy[i].start < end; i++) {
        if (busy[i].end <= start)
            continue;
        if (!busy[i].soft)
            return true;
        soft = soft < 0 ? i : soft;
    }
    if (ret_soft)
        *ret_soft = soft;
    return false;
}

struct model {
    double kernel[24];
    struct pool pool;
};

static void model_make(const struct slots_input *in, struct model *m)
{
    struct share day[24] = {0};

    for (int h = 0; h < 24; h++)
        m->kernel[h] = exp(KAPPA * (cos(2 * M_PI * h / 24) - 1));
    for (int i = 0; i < SLOTS_WEEK; i++) {
        day[i % 24].k += in->hours[i].k;
        day[i % 24].n += in->hours[i].n;
    }
    m->pool = stats_pool(day, 24);
}

static bool in_window(const struct slots_input *in, int32_t hour)
{
    if (in->best_from < 0)
        return false;
    return in->best_from <= in->best_to ? hour >= in->best_from && hour <= in->best_to
                                        : hour >= in->best_from || hour <= in->best_to;
}

static double shift(double p, double log_odds)
{
    double odds = p / (1 - p) * exp(log_odds);

    return p <= 0 || p >= 1 || !isfinite(odds) ? p : odds / (1 + odds);
}

/* The hour's rate: outcomes of other hours count for a part, far ones for next to nothing. */
static void rate_of(const struct slots_input *in, const struct model *m, int32_t weekday,
                    struct slot *s)
{
    struct share own = {0, 0};

    s->rate = NAN;
    s->interval = (struct interval){NAN, NAN};
    if (isnan(m->pool.mean))
        return;
    for (int i = 0; i < SLOTS_WEEK; i++) {
        double w =
            m->kernel[(s->hour - i % 24 + 24) % 24] * (i / 24 == weekday ? 1 : OTHER_WEEKDAY);
        own.k += w * in->hours[i].k;
        own.n += w * in->hours[i].n;
    }
    s->n = own.n;
    s->rate = stats_pooled_rate(&m->pool, own);
    s->interval = stats_pooled_interval(&m->pool, own);
    if (s->best && isfinite(in->best_effect)) {
        s->rate = shift(s->rate, in->best_effect);
        s->interval.low = shift(s->interval.low, in->best_effect);
        s->interval.high = shift(s->interval.high, in->best_effect);
    }
}

static bool offered(const struct slots_input *in, int32_t hour)
{
    int64_t own = 0;

    if (hour >= DAY_FROM && hour <= DAY_TO)
        return true;
    for (int w = 0; w < 7; w++)
        own += in->sessions[w * 24 + hour];
    return own >= SESSIONS_OWN;
}

/* The learner uses to study then, within an hour on that weekday, or wishes to. */
static bool preferred(const struct slots_input *in, int32_t weekday, int32_t hour)
{
    int64_t own = 0;

    if (in->wish_hour >= 0)
        return abs(in->wish_hour - hour) <= 1;
    for (int32_t h = hour - 1; h <= hour + 1; h++)
        own += h >= 0 && h < 24 ? in->sessions[weekday * 24 + h] : 0;
    return own >= SESSIONS_OWN;
}

/* A slot that begins at a local wall time, as far as there is that time, ahead and free. */
static bool slot_at(const struct slots_input *in, int32_t day, int32_t second, struct slot *s)
{
    *s = (struct slot){.start = civil_to_us(in->zone, day, second)};
    struct civil c = civil_at(in->zone, s->start);

    if (c.epoch_day != day || c.hour * 3600 + c.minute * 60 + c.second != second)
        return false; /* skipped by the clock */
    s->end = s->start + in->minutes * US_PER_MINUTE;
    s->hour = c.hour;
    return s->start >= in->now_us + LEAD_MINUTES * US_PER_MINUTE &&
           !slots_is_busy(in->busy, in->busy_count, s->start, s->end, &s->soft);
}

static int by_score(const void *pa, const void *pb)
{
    const struct slot *a = pa, *b = pb;

    if (a->score > b->score || a->score < b->score)
        return a->score > b->score ? -1 : 1;
    return (a->start > b->start) - (a->start < b->start);
}

static bool apart(const struct slot *s, const struct slot *taken, int32_t count)
{
    int64_t gap = APART_MINUTES * US_PER_MINUTE;

    for (int32_t i = 0; i < count; i++)
        if (s->start < taken[i].end + gap && taken[i].start < s->end + gap)
            return false;
    return true;
}

static int32_t day_slots(const struct slots_input *in, const struct model *m, int32_t day,
                         struct slot *ret)
{
    int32_t n = 0;

    for (int32_t half = 0; half < HALVES; half++) {
        struct slot s;
        if (!offered(in, half / 2) || !slot_at(in, day, half * 1800, &s))
            continue;
        int32_t weekday = civil_at(in->zone, s.start).weekday;
        s.best = in_window(in, s.hour);
        s.preferred = preferred(in, weekday, s.hour);
        s.recent = in->recent[s.hour];
        rate_of(in, m, weekday, &s);
        s.score =
            slots_score(isnan(s.rate) ? NEUTRAL : 100 * s.rate, s.soft < 0, s.preferred, s.recent);
        ret[n++] = s;
    }
    return n;
}

/* Seven and eighteen o'clock, or the next free half hour within three. */
static int32_t usual_slots(const struct slots_input *in, int32_t day, struct slot *ret)
{
    static const struct {
        int32_t hour;
        double score;
    } usual[] = {{7, 75}, {18, 70}};
    int32_t n = 0;

    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        for (int32_t half = 0; half < 6; half++) {
            struct slot s;
            if (!slot_at(in, day, usual[i].hour * 3600 + half * 1800, &s) || s.soft >= 0)
                continue;
            s.usual = true;
            s.rate = NAN;
            s.interval = (struct interval){NAN, NAN};
            s.score = usual[i].score;
            s.confidence = USUAL_CONFIDENCE;
            ret[n++] = s;
            break;
        }
    }
    return n;
}

/* Chance of each to be the best: normal posteriors, taken as independent, over a grid. */
static void confidences(struct slot *s, int32_t n)
{
    double low = INFINITY, high = -INFINITY, total = 0, sd[SLOTS_MAX];

    for (int32_t i = 0; i < n; i++) {
        if (isnan(s[i].rate)) {
            for (int32_t j = 0; j < n; j++)
                s[j].confidence =
                    s[j].usual ? USUAL_CONFIDENCE : 1.0 / n; /* nothing tells them apart */
            return;
        }
        sd[i] = fmax(1e-4, (s[i].interval.high - s[i].interval.low) / (2 * STATS_Z95));
        low = fmin(low, s[i].rate - 5 * sd[i]);
        high = fmax(high, s[i].rate + 5 * sd[i]);
    }
    for (int32_t i = 0; i < n; i++)
        s[i].confidence = 0;
    for (int g = 0; g < GRID; g++) {
        double x = low + (high - low) * (g + 0.5) / GRID;
        for (int32_t i = 0; i < n; i++) {
            double z = (x - s[i].rate) / sd[i], p = exp(-0.5 * z * z) / sd[i];
            for (int32_t j = 0; j < n; j++)
                p *= j == i ? 1 : dist_normal_cdf((x - s[j].rate) / sd[j]);
            s[i].confidence += p;
            total += p;
        }
    }
    for (int32_t i = 0; i < n; i++)
        s[i].confidence = total > 0 ? s[i].confidence / total : 1.0 / n;
}

int32_t slots_find(const struct slots_input *in, struct slot ret[SLOTS_MAX])
{
    struct slot found[HALVES];
    struct model m;
    int32_t count = 0;

    ASSERT(in->zone && in->minutes > 0 && in->days >= 1 && in->days <= SLOTS_DAYS_MAX);
    if (in->history)
        model_make(in, &m);
    for (int32_t d = 0; d < in->days && count < SLOTS_WANTED; d++) {
        int32_t n = in->history ? day_slots(in, &m, in->day + d, found)
                                : usual_slots(in, in->day + d, found);
        qsort(found, (size_t)n, sizeof *found, by_score);
        for (int32_t i = 0; i < n && count < SLOTS_MAX; i++)
            if (apart(&found[i], ret, count))
                ret[count++] = found[i];
    }
    qsort(ret, (size_t)count, sizeof *ret, by_score);
    if (in->history)
        confidences(ret, count);
    return count;
}
