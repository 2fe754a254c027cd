#include "twin/rhythm_cell.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>
#include <string.h>

enum {
    STARTS_MIN = 5, /* minutes: the onset lies in STARTS_MIN .. STARTS_MAX */
    STARTS_MAX = 90,
    STARTS = STARTS_MAX - STARTS_MIN + 1,
    SHAPES = 3,
    PLACES = SHAPES * STARTS, /* of the posterior: shape by shape, an onset a minute */
    TEST_STEP = 5,            /* of the onsets that the test looks at, in minutes */
    TESTED = (STARTS - 1) / TEST_STEP + 1,
    CELLS = RHYTHM_STRATA * RHYTHM_BUCKETS,
    MINUTE_BUCKETS_NEEDED = 4,
};
#define SLOPE_SD 0.04 /* prior, log odds a minute */
/* How the fall goes on: straight, or ever slower, with these time constants in minutes. Forecasts
 * follow the learner and right answers can be guessed, so that no fall is quite straight; taken for
 * straight, one that slows down seems to begin early. */
static const double shape_minutes[SHAPES] = {INFINITY, 40, 15};

struct fatigue_model {
    struct rhythm_cell cells[CELLS]; /* stratum by stratum */
    double z[CELLS], precision[CELLS];
    double phi, df;
    double past[PLACES][RHYTHM_BUCKETS]; /* fall at a slope of 1, mean over the bucket */
    double mean[PLACES], sd[PLACES];     /* of the slope, before it is cut off at 0 */
    double weight[PLACES];               /* probability of the place */
    int32_t last;                        /* bucket with data */
};

/* Mean over a bucket's minutes of m - onset, or of tau (1 - exp(-(m - onset) / tau)); 0 before. */
static double past_onset(double from, double to, double onset, double tau)
{
    double a = fmax(from, onset) - onset, b = to - onset;

    if (a >= b)
        return 0;
    if (isinf(tau))
        return (b * b - a * a) / 2 / (to - from);
    return tau * (b - a - tau * (exp(-a / tau) - exp(-b / tau))) / (to - from);
}

/* Sums about each stratum's mean: the strata's levels drop out. */
static void regress(const struct fatigue_model *m, const double *past, const double *z,
                    double *ret_sxx, double *ret_sxz)
{
    *ret_sxx = *ret_sxz = 0;
    for (int32_t s = 0; s < RHYTHM_STRATA; s++) {
        double w = 0, wx = 0, wz = 0, wxx = 0, wxz = 0;
        for (int32_t b = 0; b <= m->last; b++) {
            int32_t c = s * RHYTHM_BUCKETS + b;
            double p = m->precision[c], x = -past[b];
            w += p;
            wx += p * x;
            wz += p * z[c];
            wxx += p * x * x;
            wxz += p * x * z[c];
        }
        if (w > 0) {
            *ret_sxx += wxx - wx * wx / w;
            *ret_sxz += wxz - wx * wz / w;
        }
    }
}

/* Linear around the strata's levels, less the fall that is known so far. */
static void fatigue_linearise(struct fatigue_model *m, const double *fall)
{
    for (int32_t s = 0; s < RHYTHM_STRATA; s++) {
        struct rhythm_cell *cells = &m->cells[s * RHYTHM_BUCKETS];
        struct rhythm_cell shifted[RHYTHM_BUCKETS];
        for (int32_t b = 0; b < RHYTHM_BUCKETS; b++) {
            shifted[b] = cells[b];
            shifted[b].logit -= cells[b].k * fall[b];
        }
        double level = rhythm_common_rise(shifted, RHYTHM_BUCKETS);
        for (int32_t b = 0; b < RHYTHM_BUCKETS; b++) {
            int32_t c = s * RHYTHM_BUCKETS + b;
            m->z[c] = rhythm_working(&cells[b], level - fall[b], &m->precision[c]);
            if (cells[b].n <= 0)
                m->z[c] = m->precision[c] = 0;
        }
    }
}

/* phi from the cells about the best line. */
static void fatigue_dispersion(struct fatigue_model *m)
{
    double best = 0, rest = 0;

    m->df = -1;
    for (int32_t s = 0; s < RHYTHM_STRATA; s++) {
        double w = 0, wz = 0, wzz = 0;
        for (int32_t b = 0; b <= m->last; b++) {
            int32_t c = s * RHYTHM_BUCKETS + b;
            w += m->precision[c];
            wz += m->precision[c] * m->z[c];
            wzz += m->precision[c] * m->z[c] * m->z[c];
            m->df += m->precision[c] > 0;
        }
        m->df -= w > 0;
        rest += w > 0 ? wzz - wz * wz / w : 0;
    }
    for (int32_t t = 0; t < STARTS; t++) {
        double sxx, sxz;
        regress(m, m->past[t], m->z, &sxx, &sxz);
        if (sxx > 1e-9)
            best = fmax(best, sxz * sxz / sxx);
    }
    m->df = fmax(1, m->df);
    m->phi = fmax(1, (rest - best) / m->df);
}

/* Posterior over onset and slope; the Bayes factor for any fatigue. With slope ~ N(0, SD) above 0
 * the evidence of an onset is 2 sqrt(v / SD^2) exp(mean^2 / 2 v) P(slope > 0). */
static double fatigue_posterior(struct fatigue_model *m)
{
    double sum = 0;

    for (int32_t t = 0; t < PLACES; t++) {
        double sxx, sxz;
        regress(m, m->past[t], m->z, &sxx, &sxz);
        double v = 1 / (sxx / m->phi + 1 / (SLOPE_SD * SLOPE_SD));
        m->mean[t] = v * sxz / m->phi;
        m->sd[t] = sqrt(v);
        double z = m->mean[t] / m->sd[t];
        m->weight[t] = 2 * m->sd[t] / SLOPE_SD * exp(fmin(600, z * z / 2)) * dist_normal_cdf(z);
        sum += m->weight[t];
    }
    for (int32_t t = 0; t < PLACES; t++)
        m->weight[t] /= sum;
    return sum / PLACES;
}

/* Mean of a normal law cut off below 0. */
static double cut_mean(double mean, double sd)
{
    double z = mean / sd, mass = dist_normal_cdf(z);

    return mass > 1e-12 ? mean + sd * exp(-z * z / 2) / 2.5066282746310002 / mass : sd * 0.02;
}

static void expected_fall(const struct fatigue_model *m, double fall[RHYTHM_BUCKETS])
{
    memset(fall, 0, RHYTHM_BUCKETS * sizeof *fall);
    for (int32_t t = 0; t < PLACES; t++) {
        double slope = cut_mean(m->mean[t], m->sd[t]);
        for (int32_t b = 0; b < RHYTHM_BUCKETS; b++)
            fall[b] += m->weight[t] * slope * m->past[t][b];
    }
}

/* A straight fall from one onset, as regress() sees it: sxz is a weighted sum of the cells' z. */
struct lever {
    double weight[CELLS], sxx;
};

static void make_lever(const struct fatigue_model *m, const double *past, struct lever *l)
{
    double none;

    regress(m, past, m->z, &l->sxx, &none);
    memset(l->weight, 0, sizeof l->weight);
    for (int32_t s = 0; s < RHYTHM_STRATA; s++) {
        const double *precision = &m->precision[s * RHYTHM_BUCKETS];
        double w = 0, wx = 0;
        for (int32_t b = 0; b <= m->last; b++) {
            w += precision[b];
            wx -= precision[b] * past[b];
        }
        for (int32_t b = 0; b <= m->last && w > 0; b++)
            l->weight[s * RHYTHM_BUCKETS + b] = precision[b] * (-past[b] - wx / w);
    }
}

/* Evidence for a straight fall against none, averaged over onsets as the posterior does. Against
 * the largest t over the onsets it loses less for the search. */
static double evidence(const struct lever *levers, const double *z, double phi)
{
    double sum = 0;

    for (int32_t t = 0; t < TESTED; t++) {
        double sxz = 0, v = 1 / (levers[t].sxx + 1 / (SLOPE_SD * SLOPE_SD));
        for (int32_t c = 0; c < CELLS; c++)
            sxz += levers[t].weight[c] * z[c];
        double at = sxz * sqrt(v / phi);
        sum += sqrt(v) * exp(fmin(600, at * at / 2)) * dist_normal_cdf(at);
    }
    return sum;
}

static double test_fatigue(const struct fatigue_model *m, struct rng *rng)
{
    struct lever levers[TESTED];
    double z[CELLS] = {0};
    int32_t as_large = 0, rounds = RHYTHM_ROUNDS;

    for (int32_t t = 0; t < TESTED; t++)
        make_lever(m, m->past[t * TEST_STEP], &levers[t]);
    double seen = evidence(levers, m->z, m->phi);
    for (int32_t round = 0; round < rounds; round++) {
        for (int32_t c = 0; c < CELLS; c++)
            if (m->precision[c] > 0)
                z[c] = rng_normal(rng) / sqrt(m->precision[c]);
        as_large += evidence(levers, z, rhythm_phi_draw(rng, m->phi, m->df)) >= seen;
    }
    return (as_large + 1) / (rounds + 1.0);
}

static double onset_quantile(const struct fatigue_model *m, double p)
{
    double sum = 0;

    for (int32_t t = 0; t < STARTS; t++) {
        double here = 0;
        for (int32_t shape = 0; shape < SHAPES; shape++)
            here += m->weight[shape * STARTS + t];
        if (sum + here >= p)
            return STARTS_MIN + t - 0.5 + (p - sum) / here;
        sum += here;
    }
    return STARTS_MAX;
}

static double slope_quantile(const struct fatigue_model *m, double p)
{
    double low = 0, high = 10 * SLOPE_SD;

    for (int i = 0; i < 40; i++) {
        double mid = (low + high) / 2, below = 0;
        for (int32_t t = 0; t < PLACES; t++) {
            double start = dist_normal_cdf(-m->mean[t] / m->sd[t]);
            if (m->weight[t] > 1e-6 && start < 1 - 1e-12)
                below += m->weight[t] * (dist_normal_cdf((mid - m->mean[t]) / m->sd[t]) - start) /
                         (1 - start);
        }
        if (below < p)
            low = mid;
        else
            high = mid;
    }
    return (low + high) / 2;
}

static void fatigue_conclude(const struct fatigue_model *m, struct rhythm_fatigue *r)
{
    /* An onset within the last bucket leaves hardly a trace: from there on it counts as unseen. */
    double end = r->seen_minutes - RHYTHM_BUCKET_MINUTES;
    double low = onset_quantile(m, 0.025), mid = onset_quantile(m, 0.5),
           high = onset_quantile(m, 0.975);

    r->onset = mid <= end ? mid : NAN;
    r->onset_interval = (struct interval){fmin(low, end), high <= end ? high : INFINITY};
    for (int32_t t = 0; t < PLACES; t++)
        r->slope += m->weight[t] * cut_mean(m->mean[t], m->sd[t]) * 10;
    r->slope_interval =
        (struct interval){slope_quantile(m, 0.025) * 10, slope_quantile(m, 0.975) * 10};
}

static void fatigue_gather(const struct rhythm_minutes *cells, int32_t count,
                           struct fatigue_model *m, struct rhythm_fatigue *r)
{
    struct rhythm_part sums[CELLS] = {{0}};
    int32_t used = 0;

    for (int32_t i = 0; i < count; i++) {
        ASSERT(cells[i].stratum >= 0 && cells[i].stratum < RHYTHM_STRATA);
        ASSERT(cells[i].bucket >= 0 && cells[i].bucket < RHYTHM_BUCKETS);
        if (cells[i].bucket < RHYTHM_BUCKETS - 1) /* the last has no end */
            rhythm_part_add(&sums[cells[i].stratum * RHYTHM_BUCKETS + cells[i].bucket],
                            &cells[i].part, 1);
    }
    for (int32_t b = 0; b < RHYTHM_BUCKETS; b++) {
        bool any = false;
        for (int32_t s = 0; s < RHYTHM_STRATA; s++) {
            int32_t c = s * RHYTHM_BUCKETS + b;
            m->cells[c] = rhythm_cell_of(&sums[c]);
            any |= sums[c].n > 0;
            r->n += sums[c].n;
        }
        used += any;
        m->last = any ? b : m->last;
    }
    r->seen_minutes = r->n ? (m->last + 1) * RHYTHM_BUCKET_MINUTES : 0;
    r->reason = r->n < RHYTHM_OUTCOMES_NEEDED  ? RHYTHM_FEW_OUTCOMES
                : used < MINUTE_BUCKETS_NEEDED ? RHYTHM_FEW_SLOTS
                                               : RHYTHM_OK;
    r->needed = r->reason == RHYTHM_FEW_OUTCOMES ? RHYTHM_OUTCOMES_NEEDED
                : r->reason == RHYTHM_FEW_SLOTS  ? MINUTE_BUCKETS_NEEDED
                                                 : 0;
    for (int32_t t = 0; t < PLACES; t++)
        for (int32_t b = 0; b < RHYTHM_BUCKETS; b++)
            m->past[t][b] = past_onset(b * RHYTHM_BUCKET_MINUTES, (b + 1) * RHYTHM_BUCKET_MINUTES,
                                       STARTS_MIN + t % STARTS, shape_minutes[t / STARTS]);
}

void rhythm_fatigue(const struct rhythm_minutes *cells, int32_t count, uint64_t seed,
                    struct rhythm_fatigue *ret)
{
    static const struct interval unknown = {NAN, NAN};
    struct fatigue_model m = {.phi = 1};
    struct rhythm_fatigue r = {.p = NAN,
                               .bayes_factor = NAN,
                               .dispersion = NAN,
                               .onset = NAN,
                               .onset_interval = {0, INFINITY},
                               .slope_interval = unknown,
                               .break_minutes = NAN};
    double fall[RHYTHM_BUCKETS] = {0};
    struct rng rng;

    fatigue_gather(cells, count, &m, &r);
    if (r.reason != RHYTHM_OK) {
        r.slope = NAN;
        *ret = r;
        return;
    }
    rng_seed(&rng, seed);
    fatigue_linearise(&m, fall);
    fatigue_dispersion(&m);
    r.p = test_fatigue(&m, &rng);
    r.bayes_factor = fatigue_posterior(&m);
    for (int round = 0; round < 2; round++) {
        expected_fall(&m, fall);
        fatigue_linearise(&m, fall);
        fatigue_dispersion(&m);
        fatigue_posterior(&m);
    }
    r.dispersion = m.phi;
    fatigue_conclude(&m, &r);
    r.found = r.p <= RHYTHM_ALPHA;
    r.reason = !r.found ? RHYTHM_NO_EFFECT : isnan(r.onset) ? RHYTHM_BEYOND : RHYTHM_OK;
    if (r.reason == RHYTHM_OK)
        r.break_minutes = 0.9 * r.onset;
    *ret = r;
}

struct rhythm_length rhythm_length(const struct rhythm_fatigue *fatigue,
                                   const struct rhythm *lengths, const int32_t *from_minutes)
{
    struct rhythm_length r = {.method = RHYTHM_BY_NOTHING,
                              .reason = fatigue->reason,
                              .needed = fatigue->needed,
                              .minutes = NAN,
                              .interval = {NAN, NAN},
                              .n = fatigue->n};

    if (fatigue->found && fatigue->reason == RHYTHM_OK) {
        r.method = RHYTHM_BY_FATIGUE;
        r.minutes = fatigue->onset;
        r.interval = fatigue->onset_interval;
        return r;
    }
    if (!lengths || !lengths->found || lengths->best < 0)
        return r;
    r.method = RHYTHM_BY_LENGTH;
    r.reason = RHYTHM_OK;
    r.needed = 0;
    r.n = lengths->n;
    r.minutes = (from_minutes[lengths->best] + from_minutes[lengths->best + 1]) / 2.0;
    for (int32_t i = 0; i < lengths->count; i++)
        if (lengths->slots[i].in_best) {
            r.interval.low = isnan(r.interval.low) ? from_minutes[i] : r.interval.low;
            r.interval.high = from_minutes[i + 1];
        }
    return r;
}
