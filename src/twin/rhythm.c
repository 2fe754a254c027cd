#include "twin/rhythm_cell.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Slots, and behind them the first harmonic's two coefficients. */
enum { H = RHYTHM_SLOTS_MAX + 2 };

const char *const rhythm_reason_names[] = {
    "ok", "few_sessions", "few_outcomes", "few_slots", "no_effect", "beyond", NULL};

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
    struct rhythm_cell cells[H];
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
        m->z[i] = rhythm_working(&m->cells[i], level + effects[i], &m->precision[i]);
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
        double u = (double)slots[i].part.residual / RHYTHM_MICRO,
               uv = (double)slots[i].cross / RHYTHM_MICRO;
        double v = (double)slots[i].part.information / RHYTHM_MICRO,
               vv = (double)slots[i].weight / RHYTHM_MICRO;
        if (slots[i].sessions < 2 || !(v > 0))
            continue;
        squares += (double)slots[i].square / RHYTHM_MICRO - 2 * u / v * uv + u * u / (v * v) * vv;
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
        r[i] = m->cells[i].y - rhythm_cell_mean(&m->cells[i], level, &w[i]);
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
        as_large += score(m, r, w) / rhythm_phi_draw(rng, m->phi, m->df) >= seen;
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
            double unit[H], draw[H], scale = sqrt(m->df / rhythm_chi2_draw(rng, m->df));
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
            mean += rhythm_cell_mean(&m->cells[k], level + r->slots[i].effect, &w);
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
        m.cells[i] = rhythm_cell_of(&slots[i].part);
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

    double level = rhythm_common_rise(m.cells, count);
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
