#include "twin/standing.h"

#include "base/assert.h"
#include "twin/correlate.h"
#include "twin/dist.h"

#include <math.h>

#define DAY_US 86400e6
#define MONTH_DAYS 30
#define WINDOW_DAYS 90
#define MICRO 1e6

const char *const standing_category_names[] = {"dangerous_gap", "bottleneck", "weakness",
                                               "optimization", NULL};

/* Points where every outcome had some, else right or wrong. */
static struct share outcomes_of(const struct standing_sums *s)
{
    if (s->score_n > 0 && s->score_n >= s->graded)
        return (struct share){(double)s->score_micro / MICRO, (double)s->score_n};
    return (struct share){(double)s->succeeded, (double)s->graded};
}

static void score_fill(const struct pool *pool, struct share own, struct standing *r)
{
    double p = stats_pooled_rate(pool, own);
    struct interval i = stats_pooled_interval(pool, own);

    r->score = 100 * p;
    r->score_interval = (struct interval){100 * i.low, 100 * i.high};
    r->score_sd = 100 * sqrt(p * (1 - p) / (own.n + pool->strength + 1));
}

static void gap_fill(const struct standing_sums *s, struct standing *r)
{
    double sum = (double)(s->told_micro - s->told_score_micro) / MICRO;

    r->told = s->told;
    if (s->told < STANDING_TOLD_NEEDED)
        return;
    struct mean_estimate m = stats_mean(s->told, sum, (double)s->told_gap_square_micro / MICRO);
    r->gap = 100 * m.mean;
    r->gap_interval = (struct interval){100 * m.interval.low, 100 * m.interval.high};
}

/* Slope in share a day, and its variance; false: no line. */
static bool line_of(const struct standing_sums *s, double rate, struct meta_item *ret)
{
    double n = (double)s->timed, days = (double)s->day_sum, k = (double)s->timed_succeeded;

    if (s->timed < STANDING_LINE_GRADED || s->sessions < STANDING_LINE_SESSIONS)
        return false;
    double xx = (double)s->day_square_sum - days * days / n;
    double xy = (double)s->day_succeeded_sum - days * k / n;
    if (!(xx > 0.5)) /* of whole days: all on one */
        return false;
    double design = fmax(1, n / (double)s->sessions);
    *ret = (struct meta_item){xy / xx, rate * (1 - rate) * design / xx};
    return ret->variance > 0;
}

/* Hours a day of study on it, from its first to its last answer; NaN: not told, or on one day. */
static double pace_of(const struct standing_sums *s)
{
    double span = (double)(s->last_at - s->first_at) / DAY_US;

    return s->study_ms > 0 && span >= 1 ? (double)s->study_ms / 3600000 / span : (double)NAN;
}

static void gain_fill(struct standing *r, const struct meta_item *own, double gain, double variance)
{
    r->gain = gain;
    r->gain_sd = sqrt(variance);
    if (!isnan(own->estimate) && variance > 0) {
        double weight = variance / (variance + own->variance);
        r->gain = gain + weight * (own->estimate - gain);
        r->gain_sd = sqrt(variance * (1 - weight));
    }
    r->gain_interval =
        (struct interval){r->gain - STATS_Z95 * r->gain_sd, r->gain + STATS_Z95 * r->gain_sd};
}

static void gains(const struct meta_item *own, int32_t count, struct standing *ret,
                  struct standing_all *all)
{
    struct meta m = meta_pool(own, count, 0.95);

    all->lines = m.k;
    all->gain = all->gain_sd = (double)NAN;
    if (m.k < STANDING_LINES_NEEDED)
        return;
    double half = (m.random_interval.high - m.random_interval.low) / 2;
    double variance = m.tau2 + half * half / (STATS_Z95 * STATS_Z95);
    if (!(variance > 0) || !isfinite(variance))
        return;
    all->gain = m.random;
    all->gain_sd = sqrt(variance);
    for (int32_t i = 0; i < count; i++)
        if (ret[i].n >= STANDING_NEEDED)
            gain_fill(&ret[i], &own[i], m.random, variance);
}

static enum err ranks(struct arena *arena, struct standing *list, int32_t count, int32_t counted)
{
    double *v = arena_new(arena, double, (size_t)count + 1);
    double *rank = arena_new(arena, double, (size_t)count + 1);
    double *order = arena_new(arena, double, (size_t)count + 1);
    int32_t n = 0;

    if (!v || !rank || !order)
        return ERR_NOMEM;
    if (counted < STANDING_RANKED_NEEDED)
        return ERR_OK;
    for (int32_t i = 0; i < count; i++)
        if (list[i].n >= STANDING_NEEDED)
            v[n++] = list[i].score;
    correlate_ranks(v, n, rank, order);
    for (int32_t i = 0, at = 0; i < count; i++)
        if (list[i].n >= STANDING_NEEDED)
            list[i].percentile = 100 * (rank[at++] - 0.5) / n;
    return ERR_OK;
}

static void one(const struct standing_sums *s, const struct pool *pool, int64_t now_us,
                struct standing *r, struct meta_item *ret_gain)
{
    struct share own = outcomes_of(s);
    struct meta_item line;
    double pace = pace_of(s);

    score_fill(pool, own, r);
    gap_fill(s, r);
    r->days = fmax(0, (double)(now_us - s->last_at) / DAY_US);
    if (s->study_ms > 0)
        r->minutes_each = (double)s->study_ms / 60000 / own.n;
    if (!line_of(s, r->score / 100, &line))
        return;
    double sd = sqrt(line.variance);
    r->slope = 700 * line.estimate;
    r->slope_interval = (struct interval){700 * (line.estimate - STATS_Z95 * sd),
                                          700 * (line.estimate + STATS_Z95 * sd)};
    if (!isnan(pace))
        *ret_gain =
            (struct meta_item){100 * line.estimate / pace, 1e4 * line.variance / (pace * pace)};
}

enum err standing_of(struct arena *arena, const struct standing_sums *sums, int32_t count,
                     int64_t now_us, struct standing *ret, struct standing_all *ret_all)
{
    struct share *shares = arena_new(arena, struct share, (size_t)count + 1);
    struct meta_item *gain = arena_new(arena, struct meta_item, (size_t)count + 1);
    static const struct interval open = {(double)NAN, (double)NAN};

    ASSERT(count >= 0 && count <= STANDING_MAX);
    if (!shares || !gain)
        return ERR_NOMEM;
    *ret_all = (struct standing_all){.counted = 0};
    for (int32_t i = 0; i < count; i++) {
        struct share own = outcomes_of(&sums[i]);
        if (own.n >= STANDING_NEEDED)
            shares[ret_all->counted++] = own;
    }
    ret_all->pool = stats_pool(shares, ret_all->counted);
    for (int32_t i = 0; i < count; i++) {
        ret[i] = (struct standing){.n = (int64_t)outcomes_of(&sums[i]).n,
                                   .score = (double)NAN,
                                   .score_interval = open,
                                   .percentile = (double)NAN,
                                   .gap = (double)NAN,
                                   .gap_interval = open,
                                   .slope = (double)NAN,
                                   .slope_interval = open,
                                   .gain = (double)NAN,
                                   .gain_interval = open,
                                   .minutes_each = (double)NAN};
        gain[i] = (struct meta_item){(double)NAN, (double)NAN};
        if (ret[i].n >= STANDING_NEEDED)
            one(&sums[i], &ret_all->pool, now_us, &ret[i], &gain[i]);
    }
    gains(gain, count, ret, ret_all);
    return ranks(arena, ret, count, ret_all->counted);
}

bool standing_overconfident(const struct standing *s, double points)
{
    return s->gap > points && s->gap_interval.low > 0;
}

bool standing_underconfident(const struct standing *s, double points)
{
    return s->gap < -points && s->gap_interval.high < 0;
}

int32_t standing_priority(const struct standing *s, enum standing_category *ret)
{
    *ret = STANDING_OPTIMIZATION;
    if (s->score < 60 && standing_overconfident(s, 10)) {
        *ret = STANDING_DANGEROUS_GAP;
        return 10;
    }
    if (s->score < 70 && s->days > MONTH_DAYS) {
        *ret = STANDING_BOTTLENECK;
        return 8;
    }
    if (s->score < 65) {
        *ret = STANDING_WEAKNESS;
        return 6;
    }
    return s->score < 80 ? 4 : 2;
}

int32_t standing_pick_day(const struct standing *list, int32_t count)
{
    int32_t best = -1, most = 0;

    for (int32_t i = 0; i < count; i++) {
        enum standing_category category;
        if (list[i].n < STANDING_NEEDED || list[i].days > WINDOW_DAYS)
            continue;
        int32_t priority = standing_priority(&list[i], &category);
        if (best < 0 || priority > most || (priority == most && list[i].score < list[best].score)) {
            best = i;
            most = priority;
        }
    }
    return best;
}

static int32_t week_points(const struct standing *s)
{
    int32_t points = s->score < 60 ? 10 : s->score < 70 ? 8 : s->score < 80 ? 6 : 4;

    return points + (standing_overconfident(s, 15) ? 3 : 0) + (s->days > MONTH_DAYS ? 2 : 0);
}

int32_t standing_pick_week(const struct standing *list, int32_t count, int32_t ret[STANDING_PICKS])
{
    int32_t n = 0;

    for (int32_t i = 0; i < count; i++) {
        if (list[i].n < STANDING_NEEDED)
            continue;
        int32_t points = week_points(&list[i]), at = n;
        for (; at > 0; at--) {
            const struct standing *other = &list[ret[at - 1]];
            int32_t theirs = week_points(other);
            if (theirs > points || (theirs == points && other->score <= list[i].score))
                break;
            if (at < STANDING_PICKS)
                ret[at] = ret[at - 1];
        }
        if (at == STANDING_PICKS)
            continue;
        ret[at] = i;
        n += n < STANDING_PICKS;
    }
    return n;
}

struct standing_time standing_time_of(const struct standing *s)
{
    struct standing_time t = {(double)NAN, {(double)NAN, (double)NAN}, STANDING_THIN};
    double way = STANDING_MASTERY - s->score;

    if (way <= 0)
        return (struct standing_time){0, {0, 0}, STANDING_OK};
    if (isnan(s->gain) || isnan(s->score))
        return t;
    t.reason = s->gain > 0 ? STANDING_BEYOND : STANDING_STILL;
    if (!(s->gain > 0) || way / s->gain > STANDING_HOURS_MAX)
        return t;
    t.reason = STANDING_OK;
    t.hours = way / s->gain;
    t.interval.low = way / s->gain_interval.high;
    t.interval.high = s->gain_interval.low > 0 ? way / s->gain_interval.low : (double)INFINITY;
    return t;
}

double standing_chance(const struct standing *s, double hours)
{
    bool study = hours > 0;

    if (isnan(s->score) || (study && isnan(s->gain)))
        return (double)NAN;
    double score = s->score + (study ? hours * s->gain : 0);
    double sd = study ? hypot(s->score_sd, hours * s->gain_sd) : s->score_sd;
    if (!(sd > 0))
        return score >= STANDING_MASTERY ? 1 : 0;
    return dist_normal_cdf((score - STANDING_MASTERY) / sd);
}

struct standing_exam standing_exam_of(const struct standing *list, int32_t count)
{
    struct standing_exam e = {(double)NAN, {(double)NAN, (double)NAN}, (double)NAN, 0};
    double sum = 0, variance = 0;

    for (int32_t i = 0; i < count; i++) {
        if (list[i].n < STANDING_NEEDED)
            continue;
        sum += list[i].score;
        variance += list[i].score_sd * list[i].score_sd;
        e.objectives++;
    }
    if (e.objectives == 0)
        return e;
    double n = e.objectives, open = sqrt(variance) / n;
    e.score = sum / n;
    double draw = sqrt(e.score * (100 - e.score) / STANDING_QUESTIONS), all = hypot(draw, open);
    if (!(all > 0)) {
        e.probability = e.score >= STANDING_PASS ? 1 : 0;
        e.interval = (struct interval){e.probability, e.probability};
        return e;
    }
    e.probability = dist_normal_cdf((e.score - STANDING_PASS) / all);
    if (draw > 0) {
        e.interval.low = dist_normal_cdf((e.score - STATS_Z95 * open - STANDING_PASS) / draw);
        e.interval.high = dist_normal_cdf((e.score + STATS_Z95 * open - STANDING_PASS) / draw);
    }
    return e;
}
