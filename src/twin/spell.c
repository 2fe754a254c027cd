#include "twin/spell.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { D = SPELL_DAYS_MAX };

/* The days that are searched: those of no other spell. */
struct search {
    int32_t day[D];
    double sum[D + 1], squares[D + 1]; /* of the first i */
    int32_t n;
};

struct run {
    int32_t first, last; /* places in the search */
    double rss, rise;
};

static void search_init(struct search *s, const int32_t *day, const double *x, const int32_t *spell,
                        int32_t n, int32_t mine)
{
    s->n = 0;
    s->sum[0] = s->squares[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        if (spell[i] != 0 && spell[i] != mine)
            continue;
        s->day[s->n] = day[i];
        s->sum[s->n + 1] = s->sum[s->n] + x[i];
        s->squares[s->n + 1] = s->squares[s->n] + x[i] * x[i];
        s->n++;
    }
}

static bool run_at(const struct search *s, int32_t first, int32_t last, struct run *ret)
{
    int32_t in = last - first + 1, out = s->n - in;
    double inside = s->sum[last + 1] - s->sum[first], all = s->sum[s->n];

    if (out < SPELL_USUAL_MIN)
        return false;
    double high = inside / in, low = (all - inside) / out;
    *ret = (struct run){first, last, s->squares[s->n] - in * high * high - out * low * low,
                        high - low};
    /* days that are all alike leave rounding only */
    ret->rss = fmax(ret->rss, 1e-9 + 1e-12 * s->squares[s->n]);
    return ret->rise > 0;
}

/* Calls for each run that may be a spell. */
static void each_run(const struct search *s,
                     void (*take)(const struct search *, const struct run *, void *), void *user)
{
    struct run r;

    for (int32_t a = 0; a < s->n; a++)
        for (int32_t b = a + SPELL_DAYS_MIN - 1;
             b < s->n && s->day[b] - s->day[a] < SPELL_LENGTH_MAX; b++)
            if (run_at(s, a, b, &r))
                take(s, &r, user);
}

struct best {
    struct run run;
    int32_t runs;
};

static void take_best(const struct search *s, const struct run *r, void *user)
{
    struct best *best = user;

    (void)s;
    if (best->runs++ == 0 || r->rss < best->run.rss)
        best->run = *r;
}

/* wider: by what noise that lasts enlarges variances. */
static bool judge(const struct search *s, const struct best *best, double wider, struct spell *ret)
{
    int32_t in = best->run.last - best->run.first + 1, df = s->n - 4; /* two levels, two edges */
    double variance = wider * best->run.rss / df * (1.0 / in + 1.0 / (s->n - in));
    double half = dist_t_quantile(0.975, df) * sqrt(variance);

    ret->rise = best->run.rise;
    ret->rise_interval = (struct interval){ret->rise - half, ret->rise + half};
    ret->p = fmin(1, dist_t_two_sided(ret->rise / sqrt(variance), df) * best->runs);
    ret->days = in;
    return ret->p <= SPELL_ALPHA && ret->rise_interval.low >= SPELL_RISE_MIN;
}

struct edges {
    double power, rss, first[D], last[D], total;
};

static void take_weight(const struct search *s, const struct run *r, void *user)
{
    struct edges *e = user;
    double weight = exp(-e->power * log(r->rss / e->rss));

    (void)s;
    e->first[r->first] += weight;
    e->last[r->last] += weight;
    e->total += weight;
}

/* Places within which 95 % of the weight lies. */
static void middle_of(const double *weight, int32_t n, double total, int32_t ends[2])
{
    double below = 0;

    ends[0] = -1;
    ends[1] = n - 1;
    for (int32_t i = 0; i < n; i++) {
        below += weight[i];
        if (ends[0] < 0 && below >= 0.025 * total)
            ends[0] = i;
        if (below >= 0.975 * total) {
            ends[1] = i;
            return;
        }
    }
}

static void place(const struct search *s, const struct best *best, double wider, struct edges *e,
                  struct spell *ret)
{
    int32_t first[2], last[2], end = s->n - 1;

    memset(e, 0, sizeof *e);
    e->rss = best->run.rss;
    e->power = (s->n - 2) / 2.0 / wider;
    each_run(s, take_weight, e);
    middle_of(e->first, s->n, e->total, first);
    middle_of(e->last, s->n, e->total, last);
    ret->first =
        (struct spell_edge){s->day[best->run.first],
                            first[0] > 0 ? s->day[first[0] - 1] + 1 : s->day[0], s->day[first[1]]};
    ret->last = (struct spell_edge){s->day[best->run.last], s->day[last[0]],
                                    last[1] < end ? s->day[last[1] + 1] - 1 : s->day[end]};
    ret->open = last[1] == end;
}

/* Mean logarithms, less what the share of reviews explains. */
static int32_t levels(const struct spell_day *days, int32_t count, int32_t *day, double *x)
{
    double share[D], mean_x = 0, mean_s = 0, both = 0, squares = 0;
    int32_t n = 0, skip = 0, good = 0;

    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < count; i++) {
            const struct spell_day *d = &days[i];
            if (d->n < SPELL_DAY_ANSWERS || !isfinite(d->log_sum) || !(d->reviews >= 0) ||
                d->reviews > 1)
                continue;
            if (pass == 0) {
                good++;
                skip = good > D ? good - D : 0;
                continue;
            }
            if (skip > 0) {
                skip--;
                continue;
            }
            day[n] = d->day;
            x[n] = d->log_sum / (double)d->n;
            share[n++] = d->reviews;
        }
    for (int32_t i = 0; i < n; i++)
        mean_x += x[i] / n, mean_s += share[i] / n;
    for (int32_t i = 0; i < n; i++) {
        both += (share[i] - mean_s) * (x[i] - mean_x);
        squares += (share[i] - mean_s) * (share[i] - mean_s);
    }
    for (int32_t i = 0; i < n && squares > 1e-9; i++)
        x[i] -= both / squares * (share[i] - mean_s);
    return n;
}

/* By how much lasting noise enlarges variances: (1 + r) / (1 - r). spell: 0 the usual days. */
static double widening(const double *x, const int32_t *spell, int32_t n)
{
    double mean[SPELLS_MAX + 1] = {0}, product = 0, squares = 0, before = 0;
    int32_t in[SPELLS_MAX + 1] = {0};

    for (int32_t i = 0; i < n; i++)
        mean[spell[i]] += x[i], in[spell[i]]++;
    for (int32_t i = 0; i < n; i++) {
        double e = x[i] - mean[spell[i]] / in[spell[i]];
        product += i > 0 ? e * before : 0;
        squares += e * e;
        before = e;
    }
    double r = squares > 0 ? product / squares + 1.0 / n : 0;
    r = fmin(0.8, fmax(0, r));
    return (1 + r) / (1 - r);
}

static int by_day(const void *pa, const void *pb)
{
    const struct spell *a = pa, *b = pb;
    return (a->first.day > b->first.day) - (a->first.day < b->first.day);
}

int32_t spells_find(const struct spell_day *days, int32_t count, struct spell ret[SPELLS_MAX],
                    int32_t *ret_days)
{
    int32_t day[D], spell[D] = {0}, tried = 0, kept = 0;
    double x[D];
    struct search s;
    struct edges edges;
    struct spell one = {0};

    ASSERT(count >= 0);
    int32_t n = *ret_days = levels(days, count, day, x);
    if (n < SPELL_DAYS_NEEDED)
        return 0;
    while (tried < SPELLS_MAX) {
        struct best best = {0};
        search_init(&s, day, x, spell, n, 0);
        each_run(&s, take_best, &best);
        if (best.runs == 0 || !judge(&s, &best, 1, &one))
            break;
        tried++;
        for (int32_t i = 0; i < n; i++)
            if (spell[i] == 0 && day[i] >= s.day[best.run.first] && day[i] <= s.day[best.run.last])
                spell[i] = tried;
    }
    double wider = widening(x, spell, n);
    for (int32_t k = 1; k <= tried; k++) {
        struct best best = {0};
        search_init(&s, day, x, spell, n, k);
        each_run(&s, take_best, &best);
        if (best.runs == 0 || !judge(&s, &best, wider, &one))
            continue;
        place(&s, &best, wider, &edges, &one);
        ret[kept++] = one;
    }
    qsort(ret, (size_t)kept, sizeof *ret, by_day);
    return kept;
}
