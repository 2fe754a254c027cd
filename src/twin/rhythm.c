#include "twin/rhythm.h"

#include "base/assert.h"
#include "base/rng.h"
#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Slots, and behind them the first harmonic's two coefficients. */
enum { H = RHYTHM_SLOTS_MAX + 2 };
#define MICRO 1e6

const char *const rhythm_reason_names[] = {
    "ok", "few_sessions", "few_outcomes", "few_slots", "no_effect", "beyond", NULL};

/* ---- sums ---- */

void rhythm_count(struct rhythm_part *part, double forecast, bool success, int sign)
{
    if (isnan(forecast))
        return;
    double p = fmin(1 - RHYTHM_FORECAST_MIN, fmax(RHYTHM_FORECAST_MIN, forecast));
    int64_t expected = llround(p * MICRO);

    part->n += sign;
    part->expected += sign * expected;
    part->residual += sign * ((success ? (int64_t)MICRO : 0) - expected);
    part->information += sign * llround(p * (1 - p) * MICRO);
}

static void part_add(struct rhythm_part *to, const struct rhythm_part *part, int sign)
{
    to->n += sign * part->n;
    to->expected += sign * part->expected;
    to->residual += sign * part->residual;
    to->information += sign * part->information;
}

/* a b, both in millionths; towards zero, so that what was added can be taken away. */
static int64_t product(int64_t a, int64_t b)
{
    return (int64_t)((__int128_t)a * b / (int64_t)MICRO);
}

void rhythm_add(struct rhythm_sum *sum, const struct rhythm_part *session, int sign)
{
    if (session->n <= 0)
        return;
    part_add(&sum->part, session, sign);
    sum->sessions += sign;
    sum->square += sign * product(session->residual, session->residual);
    sum->cross += sign * product(session->residual, session->information);
    sum->weight += sign * product(session->information, session->information);
}

/* ---- a cell's mean as a function of the rise in log odds ---- */

struct cell {
    double n, y;     /* outcomes, successes */
    double logit, k; /* of the mean forecast; how much of a rise arrives, (0, 1] */
};

static struct cell cell_of(const struct rhythm_part *part)
{
    double n = (double)part->n, mean = (double)part->expected / MICRO / n;

    if (part->n <= 0)
        return (struct cell){0};
    mean = fmin(1 - RHYTHM_FORECAST_MIN, fmax(RHYTHM_FORECAST_MIN, mean));
    double room = n * mean * (1 - mean), info = (double)part->information / MICRO;
    return (struct cell){.n = n,
                         .y = fmin(n, fmax(0, n * mean + (double)part->residual / MICRO)),
                         .logit = log(mean / (1 - mean)),
                         .k = fmin(1, fmax(0.01, info / room))};
}

static double cell_mean(const struct cell *c, double d, double *ret_weight)
{
    double p = 1 / (1 + exp(-(c->logit + c->k * d)));

    *ret_weight = c->n * p * (1 - p) * c->k; /* by d */
    return c->n * p;
}

/* Linear around d: the response that a Gaussian model sees, with variance 1 / *ret_precision. The
 * binomial variance is n p (1 - p) k, too: cells of mixed forecasts vary less. */
static double working(const struct cell *c, double d, double *ret_precision)
{
    double w, mean = cell_mean(c, d, &w);

    *ret_precision = w;
    return w > 0 ? d + (c->y - mean) / w : 0;
}

/* The rise common to cells[], by Newton's steps kept within bounds. */
static double common_rise(const struct cell *cells, int32_t count)
{
    double d = 0;

    for (int round = 0; round < 30; round++) {
        double miss = 0, slope = 1e-3; /* a little towards 0: all right or all wrong */
        for (int32_t i = 0; i < count; i++) {
            double w;
            miss += cells[i].y - cell_mean(&cells[i], d, &w);
            slope += w;
        }
        double step = (miss - 1e-3 * d) / slope;
        d += fmin(1, fmax(-1, step));
        if (fabs(step) < 1e-9)
            break;
    }
    return fmin(6, fmax(-6, d));
}

static double chi2_draw(struct rng *rng, double df)
{
    return 2 * rng_gamma(rng, df / 2);
}

/* How large a chance quotient's denominator would be: phi was estimated with df, and kept >= 1. */
static double phi_draw(struct rng *rng, double phi, double df)
{
    double ratio = chi2_draw(rng, df) / df;

    return phi > 1 ? ratio : fmax(1, ratio);
}

/* ---- slots ---- */

struct sizes {
    double first, second, own; /* standard deviations of the parts, log odds */
    double prior;
};
/* First of each: no effect. What sizes are usual: chronotype effects on performance are a few
 * tenths of a logit. */
static const double first_sizes[] = {0, .1, .2, .35, .55, .8}, second_sizes[] = {0, .15},
                    circle_own[] = {0, .06, .15}, group_own[] = {0, .08, .15, .25, .4, .65, 1};
/* A plain wave is the rule, so that half a day without data does not leave everything open; what
 * the data shows beyond it is found nevertheless. */
static const double second_prior[] = {.97, .03}, own_prior[] = {.96, .03, .01};
enum { SIZES_MAX = COUNT(first_sizes) * COUNT(second_sizes) * COUNT(circle_own) };

struct slots_model {
    int32_t count;
    enum rhythm_shape shape;
    struct cell cells[H];
    double z[H], precision[H]; /* linearised; precision includes 1 / phi */
    double phi, df;
    double share[H]; /* of the learner's work: effects are against its mean */
    struct sizes sizes[SIZES_MAX];
    double log_likelihood[SIZES_MAX], weight[SIZES_MAX]; /* weight: of those with an effect */
    int32_t size_count;
    int32_t unknowns; /* count, and on the circle two more */
    double cosine[RHYTHM_HOURS];
};

/* Covariance of two effects; count and count + 1 stand for the first harmonic's cosine and sine. */
static double kernel(const struct slots_model *m, const struct sizes *s, int32_t i, int32_t k)
{
    double first = s->first * s->first, second = s->second * s->second, own = s->own * s->own;
    const double *turn = m->cosine;

    if (i >= m->count && k >= m->count)
        return i == k ? first : 0;
    if (i >= m->count) /* the sine is the cosine a quarter earlier */
        return first * turn[i == m->count ? k : (k + 18) % 24];
    if (k >= m->count)
        return kernel(m, s, k, i);
    if (m->shape == RHYTHM_GROUPS)
        return i == k ? own : 0;
    int32_t apart = abs(i - k);
    return first * turn[apart] + second * turn[2 * apart % 24] + (i == k ? own : 0);
}

static void grid_of(struct slots_model *m)
{
    for (int32_t i = 0; i < RHYTHM_HOURS; i++)
        m->cosine[i] = cos(2 * M_PI * i / RHYTHM_HOURS);
    if (m->shape == RHYTHM_GROUPS) {
        for (size_t i = 0; i < COUNT(group_own); i++)
            m->sizes[m->size_count++] = (struct sizes){0, 0, group_own[i], 1};
        return;
    }
    for (size_t i = 0; i < COUNT(first_sizes); i++)
        for (size_t j = 0; j < COUNT(second_sizes); j++)
            for (size_t k = 0; k < COUNT(circle_own); k++)
                m->sizes[m->size_count++] = (struct sizes){
                    first_sizes[i], second_sizes[j], circle_own[k], second_prior[j] * own_prior[k]};
}

static bool is_null(const struct sizes *s)
{
    return s->first == 0 && s->second == 0 && s->own == 0;
}

/* Lower Cholesky factor in place; a ridge keeps rounding from ending it. */
static double cholesky(double a[H][H], int32_t n, double ridge)
{
    double log_det = 0;

    for (int32_t j = 0; j < n; j++)
        for (int32_t i = j; i < n; i++) {
            double s = a[i][j] + (i == j ? ridge : 0);
            for (int32_t k = 0; k < j; k++)
                s -= a[i][k] * a[j][k];
            if (i == j) {
                a[j][j] = sqrt(fmax(s, 1e-14));
                log_det += 2 * log(a[j][j]);
            } else {
                a[i][j] = s / a[j][j];
            }
        }
    return log_det;
}

static void forward(double l[H][H], int32_t n, double *v)
{
    for (int32_t i = 0; i < n; i++) {
        for (int32_t k = 0; k < i; k++)
            v[i] -= l[i][k] * v[k];
        v[i] /= l[i][i];
    }
}

#define LEVEL_VARIANCE 4.0 /* of the level common to all slots: the forecast's own error */

/* Posterior of the effects of all slots, those without data included, given sizes; and how well the
 * sizes explain the data. */
static double posterior(const struct slots_model *m, const struct sizes *s, double mean[H],
                        double cov[H][H])
{
    int32_t seen[H], n = 0;
    double k[H][H] = {{0}}, half[H], quad = 0;

    for (int32_t i = 0; i < m->count; i++)
        if (m->precision[i] > 0)
            seen[n++] = i;
    for (int32_t a = 0; a < n; a++)
        for (int32_t b = 0; b <= a; b++)
            k[a][b] = kernel(m, s, seen[a], seen[b]) + LEVEL_VARIANCE +
                      (a == b ? 1 / m->precision[seen[a]] : 0);
    double log_det = cholesky(k, n, 0);
    for (int32_t a = 0; a < n; a++)
        half[a] = m->z[seen[a]];
    forward(k, n, half);
    for (int32_t a = 0; a < n; a++)
        quad += half[a] * half[a];

    if (mean) {
        double cross[H][H];
        for (int32_t i = 0; i < m->unknowns; i++) {
            for (int32_t a = 0; a < n; a++)
                cross[i][a] = kernel(m, s, i, seen[a]); /* without the level */
            forward(k, n, cross[i]);
        }
        for (int32_t i = 0; i < m->unknowns; i++) {
            mean[i] = 0;
            for (int32_t a = 0; a < n; a++)
                mean[i] += cross[i][a] * half[a];
            for (int32_t j = 0; j <= i; j++) {
                double c = kernel(m, s, i, j);
                for (int32_t a = 0; a < n; a++)
                    c -= cross[i][a] * cross[j][a];
                cov[i][j] = cov[j][i] = c;
            }
        }
    }
    return -(quad + log_det) / 2;
}

/* Weights of the sizes; the Bayes factor of any against none. */
static double weigh(struct slots_model *m)
{
    double best = -INFINITY, sum = 0, none = 0, priors = 0;

    for (int32_t i = 0; i < m->size_count; i++) {
        m->log_likelihood[i] = posterior(m, &m->sizes[i], NULL, NULL);
        if (is_null(&m->sizes[i]))
            none = m->log_likelihood[i];
        else
            best = fmax(best, m->log_likelihood[i]), priors += m->sizes[i].prior;
    }
    for (int32_t i = 0; i < m->size_count; i++) {
        double prior = is_null(&m->sizes[i]) ? 0 : m->sizes[i].prior;
        m->weight[i] = prior * exp(m->log_likelihood[i] - best);
        sum += m->weight[i];
    }
    for (int32_t i = 0; i < m->size_count; i++)
        m->weight[i] /= sum;
    return exp(fmin(700, best - none)) * sum / priors;
}

/* Effects as the mixture has them, less the learner's mean: for the next linearisation. */
static void mean_effects(const struct slots_model *m, double ret[H])
{
    double mean[H], cov[H][H];

    memset(ret, 0, H * sizeof *ret);
    for (int32_t g = 0; g < m->size_count; g++) {
        if (m->weight[g] < 1e-3)
            continue;
        posterior(m, &m->sizes[g], mean, cov);
        for (int32_t i = 0; i < m->count; i++)
            ret[i] += m->weight[g] * mean[i];
    }
}

static void linearise(struct slots_model *m, double level, const double *effects)
{
    for (int32_t i = 0; i < m->count; i++) {
        m->z[i] = working(&m->cells[i], level + effects[i], &m->precision[i]);
        m->precision[i] = m->cells[i].n > 0 ? m->precision[i] / m->phi : 0;
        m->z[i] -= level;
    }
}

/* The spread of sessions about their slot's rise d = u / v, against what their answers alone give:
 * the sum over sessions of (u_s - v_s d)^2 has the expectation phi (v - sum v_s^2 / v). */
static void dispersion(const struct rhythm_sum *slots, int32_t count, struct slots_model *m)
{
    double squares = 0, expected = 0;

    for (int32_t i = 0; i < count; i++) {
        double u = (double)slots[i].part.residual / MICRO, uv = (double)slots[i].cross / MICRO;
        double v = (double)slots[i].part.information / MICRO, vv = (double)slots[i].weight / MICRO;
        if (slots[i].sessions < 2 || !(v > 0))
            continue;
        squares += (double)slots[i].square / MICRO - 2 * u / v * uv + u * u / (v * v) * vv;
        expected += v - vv / v;
        m->df += (double)slots[i].sessions - 1;
    }
    m->phi = expected > 0 ? fmax(1, squares / expected) : 1;
    m->df = fmax(1, m->df);
}

/* Score statistic of the variance components, at unit noise: r are the residuals under no effect.
 */
static double score(const struct slots_model *m, const double *r, const double *w)
{
    double own = 0, total = 0, c[4] = {0};

    for (int32_t i = 0; i < m->count; i++) {
        own += r[i] * r[i];
        total += w[i];
        if (m->shape == RHYTHM_CIRCLE) {
            const double *turn = m->cosine;
            c[0] += r[i] * turn[i], c[1] += r[i] * turn[(i + 18) % 24];
            c[2] += r[i] * turn[2 * i % 24], c[3] += r[i] * turn[(2 * i + 18) % 24];
        }
    }
    if (m->shape == RHYTHM_GROUPS)
        return own / total;
    /* In proportion to the variances that are usual. */
    return (c[0] * c[0] + c[1] * c[1] + 0.1 * (c[2] * c[2] + c[3] * c[3]) + 0.1 * own) / total;
}

static double test_slots(const struct slots_model *m, double level, struct rng *rng)
{
    double r[H], w[H], total = 0;
    int32_t as_large = 0;

    for (int32_t i = 0; i < m->count; i++) {
        r[i] = m->cells[i].y - cell_mean(&m->cells[i], level, &w[i]);
        total += w[i];
    }
    double seen = score(m, r, w) / m->phi;
    for (int round = 0; round < RHYTHM_ROUNDS; round++) {
        double sum = 0;
        for (int32_t i = 0; i < m->count; i++) {
            r[i] = w[i] > 0 ? sqrt(w[i]) * rng_normal(rng) : 0;
            sum += r[i];
        }
        for (int32_t i = 0; i < m->count; i++)
            r[i] -= w[i] * sum / total;
        as_large += score(m, r, w) / phi_draw(rng, m->phi, m->df) >= seen;
    }
    return (as_large + 1) / (RHYTHM_ROUNDS + 1.0);
}

/* What draws from the posterior are counted into. */
enum { PHASES = 960 /* 1.5 minutes */, HEIGHTS = 400 /* hundredths of a logit */ };
struct counts {
    int32_t best[H], phase[PHASES], height[HEIGHTS], draws;
};

static void count_draw(const struct rhythm *r, const double *effects, struct counts *c)
{
    int32_t best = -1;

    for (int32_t i = 0; i < r->count; i++)
        if (r->slots[i].sessions >= RHYTHM_SLOT_SESSIONS &&
            (best < 0 || effects[i] > effects[best]))
            best = i;
    c->draws++;
    if (best >= 0)
        c->best[best]++;
    if (r->shape == RHYTHM_GROUPS)
        return;
    double x = effects[r->count], y = effects[r->count + 1];
    int32_t phase = (int32_t)floor(atan2(y, x) / (2 * M_PI) * PHASES),
            height = (int32_t)fmin(HEIGHTS - 1, hypot(x, y) * 100);
    c->phase[(phase % PHASES + PHASES) % PHASES]++;
    c->height[height]++;
}

/* A slot's effect is a mixture over the sizes of t laws. */
struct law {
    double at[SIZES_MAX], sd[SIZES_MAX];
};

static struct interval mixture_interval(const struct slots_model *m, const struct law *law)
{
    double ends[2];

    for (int side = 0; side < 2; side++) {
        double low = -20, high = 20, target = side ? 0.975 : 0.025;
        for (int i = 0; i < 40; i++) {
            double mid = (low + high) / 2, p = 0;
            for (int32_t g = 0; g < m->size_count; g++)
                if (m->weight[g] > 1e-4)
                    p += m->weight[g] * (law->sd[g] > 0
                                             ? dist_normal_cdf((mid - law->at[g]) / law->sd[g])
                                             : mid >= law->at[g]);
            if (p < target)
                low = mid;
            else
                high = mid;
        }
        ends[side] = (low + high) / 2;
    }
    return (struct interval){ends[0], ends[1]};
}

/* Draws, and each slot's law, one size after the other. */
static void explore(const struct slots_model *m, struct rng *rng, struct rhythm *r,
                    struct law laws[H], struct counts *counts)
{
    double mean[H], cov[H][H], factor[H][H];
    /* phi is known from df degrees only: normal intervals grow as t's do. */
    double wider = dist_t_quantile(0.975, m->df) / STATS_Z95;

    for (int32_t g = 0; g < m->size_count; g++) {
        if (m->weight[g] < 1e-4)
            continue;
        posterior(m, &m->sizes[g], mean, cov);
        for (int32_t i = 0; i < m->count; i++) {
            double at = mean[i], variance = cov[i][i];
            for (int32_t k = 0; k < m->count; k++) {
                at -= m->share[k] * mean[k];
                variance -= 2 * m->share[k] * cov[i][k];
                for (int32_t l = 0; l < m->count; l++)
                    variance += m->share[k] * m->share[l] * cov[k][l];
            }
            laws[i].at[g] = at;
            laws[i].sd[g] = sqrt(fmax(0, variance)) * wider;
            r->slots[i].effect += m->weight[g] * at;
        }
        memcpy(factor, cov, sizeof factor);
        cholesky(factor, m->unknowns, 1e-12);
        for (int n = (int)lround(m->weight[g] * RHYTHM_DRAWS); n > 0; n--) {
            double unit[H], draw[H], scale = sqrt(m->df / chi2_draw(rng, m->df));
            for (int32_t i = 0; i < m->unknowns; i++)
                unit[i] = rng_normal(rng);
            for (int32_t i = 0; i < m->unknowns; i++) {
                draw[i] = 0;
                for (int32_t k = 0; k <= i; k++)
                    draw[i] += factor[i][k] * unit[k];
                draw[i] = mean[i] + scale * draw[i];
            }
            count_draw(r, draw, counts);
        }
    }
}

/* The arc around the most likely direction that leaves 2.5 % on either side. */
static void conclude_peak(const struct counts *c, struct rhythm *r)
{
    double x = 0, y = 0;

    for (int32_t i = 0; i < PHASES; i++) {
        x += c->phase[i] * cos(2 * M_PI * (i + 0.5) / PHASES);
        y += c->phase[i] * sin(2 * M_PI * (i + 0.5) / PHASES);
    }
    int32_t centre = ((int32_t)floor(atan2(y, x) / (2 * M_PI) * PHASES) % PHASES + PHASES) % PHASES;
    int32_t first = centre - PHASES / 2, below = 0, ends[3] = {0};
    static const double at[] = {0.025, 0.5, 0.975};
    for (int32_t i = 0, k = 0; i < PHASES && k < 3; i++) {
        below += c->phase[((first + i) % PHASES + PHASES) % PHASES];
        while (k < 3 && below >= at[k] * c->draws)
            ends[k++] = first + i;
    }
    double hours[3];
    for (int k = 0; k < 3; k++) /* the bin's lower edge, middle, upper edge */
        hours[k] =
            fmod((ends[k] + k / 2.0) * RHYTHM_HOURS / PHASES + 2 * RHYTHM_HOURS, RHYTHM_HOURS);
    r->peak = hours[1];
    r->peak_interval = (struct interval){hours[0], hours[2]};

    double sum = 0;
    below = 0;
    for (int32_t i = 0, k = 0; i < HEIGHTS; i++) {
        below += c->height[i];
        sum += c->height[i] * (i + 0.5) / 100;
        for (; k < 2 && below >= (k ? 0.975 : 0.025) * c->draws; k++)
            *(k ? &r->amplitude_interval.high : &r->amplitude_interval.low) = (i + k) / 100.0;
    }
    r->amplitude = sum / c->draws;
}

static void conclude_best(const struct counts *c, struct rhythm *r)
{
    int32_t left = 0, held = 0;

    for (int32_t i = 0; i < r->count; i++) {
        r->slots[i].best = (double)c->best[i] / c->draws;
        left += c->best[i];
        if (c->best[i] && (r->best < 0 || c->best[i] > c->best[r->best]))
            r->best = i;
    }
    while (held < 0.95 * left) {
        int32_t next = -1;
        for (int32_t i = 0; i < r->count; i++)
            if (!r->slots[i].in_best && (next < 0 || c->best[i] > c->best[next]))
                next = i;
        r->slots[next].in_best = true;
        held += c->best[next];
    }
}

/* Is there enough to say anything? */
static bool is_enough(const struct rhythm_sum *slots, struct rhythm *r)
{
    int32_t used = 0, wanted = r->shape == RHYTHM_CIRCLE ? 3 : 2;

    for (int32_t i = 0; i < r->count; i++)
        used += slots[i].sessions >= RHYTHM_SLOT_SESSIONS && slots[i].part.n > 0;
    r->reason = r->sessions < RHYTHM_SESSIONS_NEEDED ? RHYTHM_FEW_SESSIONS
                : r->n < RHYTHM_OUTCOMES_NEEDED      ? RHYTHM_FEW_OUTCOMES
                : used < wanted                      ? RHYTHM_FEW_SLOTS
                                                     : RHYTHM_OK;
    r->needed = r->reason == RHYTHM_FEW_SESSIONS   ? RHYTHM_SESSIONS_NEEDED
                : r->reason == RHYTHM_FEW_OUTCOMES ? RHYTHM_OUTCOMES_NEEDED
                : r->reason == RHYTHM_FEW_SLOTS    ? wanted
                                                   : 0;
    return r->reason == RHYTHM_OK;
}

static void slot_rates(const struct slots_model *m, double level, struct rhythm *r)
{
    for (int32_t i = 0; i < r->count; i++) { /* the learner's average work, at this slot's effect */
        double mean = 0, n = 0, w;
        for (int32_t k = 0; k < r->count; k++) {
            mean += cell_mean(&m->cells[k], level + r->slots[i].effect, &w);
            n += m->cells[k].n;
        }
        r->slots[i].rate = n > 0 ? mean / n : NAN;
    }
}

void rhythm_slots(const struct rhythm_sum *slots, int32_t count, enum rhythm_shape shape,
                  uint64_t seed, struct rhythm *ret)
{
    struct slots_model m = {
        .count = count, .shape = shape, .unknowns = count + (shape == RHYTHM_CIRCLE ? 2 : 0)};
    struct rhythm r = {.shape = shape,
                       .count = count,
                       .p = NAN,
                       .bayes_factor = NAN,
                       .dispersion = 1,
                       .best = -1,
                       .peak = NAN,
                       .peak_interval = {NAN, NAN},
                       .amplitude = NAN,
                       .amplitude_interval = {NAN, NAN}};
    struct counts counts = {0};
    struct law laws[H];
    double effects[H] = {0}, total = 0;
    struct rng rng;

    ASSERT(count > 0 && count <= H && (shape == RHYTHM_GROUPS || count == RHYTHM_HOURS));
    rng_seed(&rng, seed);
    for (int32_t i = 0; i < count; i++) {
        m.cells[i] = cell_of(&slots[i].part);
        m.share[i] = m.cells[i].n;
        total += m.cells[i].n;
        r.slots[i].n = slots[i].part.n;
        r.slots[i].sessions = slots[i].sessions;
        r.n += slots[i].part.n;
        r.sessions += slots[i].sessions;
    }
    for (int32_t i = 0; i < count; i++)
        m.share[i] = total > 0 ? m.share[i] / total : 1.0 / count;
    dispersion(slots, count, &m);
    r.dispersion = m.phi;
    grid_of(&m);

    double level = common_rise(m.cells, count);
    linearise(&m, level, effects);
    r.bayes_factor = weigh(&m);
    for (int round = 0; round < 2; round++) {
        mean_effects(&m, effects);
        linearise(&m, level, effects);
        weigh(&m);
    }
    explore(&m, &rng, &r, laws, &counts);
    for (int32_t i = 0; i < count; i++)
        r.slots[i].interval = mixture_interval(&m, &laws[i]);
    slot_rates(&m, level, &r);
    conclude_best(&counts, &r);
    if (shape == RHYTHM_CIRCLE)
        conclude_peak(&counts, &r);
    if (is_enough(slots, &r)) {
        r.p = test_slots(&m, level, &rng);
        r.found = r.p <= RHYTHM_ALPHA;
        r.reason = r.found ? RHYTHM_OK : RHYTHM_NO_EFFECT;
    } else {
        r.bayes_factor = NAN;
    }
    *ret = r;
}

/* ---- fatigue ---- */

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
    struct cell cells[CELLS]; /* stratum by stratum */
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
        struct cell *cells = &m->cells[s * RHYTHM_BUCKETS];
        struct cell shifted[RHYTHM_BUCKETS];
        for (int32_t b = 0; b < RHYTHM_BUCKETS; b++) {
            shifted[b] = cells[b];
            shifted[b].logit -= cells[b].k * fall[b];
        }
        double level = common_rise(shifted, RHYTHM_BUCKETS);
        for (int32_t b = 0; b < RHYTHM_BUCKETS; b++) {
            int32_t c = s * RHYTHM_BUCKETS + b;
            m->z[c] = working(&cells[b], level - fall[b], &m->precision[c]);
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
        as_large += evidence(levers, z, phi_draw(rng, m->phi, m->df)) >= seen;
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
            part_add(&sums[cells[i].stratum * RHYTHM_BUCKETS + cells[i].bucket], &cells[i].part, 1);
    }
    for (int32_t b = 0; b < RHYTHM_BUCKETS; b++) {
        bool any = false;
        for (int32_t s = 0; s < RHYTHM_STRATA; s++) {
            int32_t c = s * RHYTHM_BUCKETS + b;
            m->cells[c] = cell_of(&sums[c]);
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
