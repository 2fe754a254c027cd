#include "twin/outlook.h"

#include "base/assert.h"

#include <math.h>
#include <string.h>

/* Of five answers three or fewer right, as a logistic curve of the log odds of one: within 0.02 for
 * chances between 0.3 and 0.95. What memory, due cards and load add is not known before there are
 * outcomes: their weights begin near nothing, and are free to move. */
const struct outlook_model outlook_initial = {
    .w = {0.3, -1.75, 1, 0.2, 0.2},
    .variance = {0.25, 0.25, 1, 0.25, 0.25},
};
/* Of how many answers the struggle model must have learnt to weigh as much as mastery alone. */
static const double trusted_at = 500;
static const double z90 = 1.6448536269514722;
static const double variance_min = 1e-4;
static const double usual_recall = 0.9, usual_load = 0.5;
enum { SCALE = 2 };                     /* of struggle_count.recent */
static const double scale_keeps = 0.92; /* an answer, on that scale */

static double logit(double p)
{
    p = fmin(fmax(p, 0.005), 0.995);
    return log(p / (1 - p));
}

static double logistic(double z)
{
    return 1 / (1 + exp(-z));
}

const char *outlook_part_name(enum outlook_part p)
{
    static const char *const names[] = {"base",     "difficulty",    "learner",
                                        "practice", "prerequisites", "recency",
                                        "memory",   "due",           "load"};
    _Static_assert(sizeof names / sizeof names[0] == OUTLOOK_PARTS, "a name each");

    return names[p];
}

struct mastery outlook_mastery(const struct struggle_count *c)
{
    double filled = 1 - pow(scale_keeps, c->attempts), right = (double)c->recent[SCALE];
    double unit = 1 - scale_keeps;

    right = fmin(fmax(right, 0), filled);
    return (struct mastery){.right = right / unit,
                            .wrong = (filled - right) / unit,
                            .last_s = c->last_s > 0 ? c->last_s : 0,
                            .answers = c->attempts};
}

struct mastery outlook_mastery_since(const struct struggle_count *c, int64_t attempts,
                                     int64_t right, int64_t last_s)
{
    struct mastery m = outlook_mastery(c);
    double n = (double)(attempts - c->attempts), old = pow(scale_keeps, n);

    if (!(n > 0))
        return m;
    double share = fmin(fmax((double)(right - c->wins) / n, 0), 1);
    double fresh = (1 - old) / (1 - scale_keeps);
    m.right = m.right * old + fresh * share;
    m.wrong = m.wrong * old + fresh * (1 - share);
    m.last_s = last_s > m.last_s ? last_s : m.last_s;
    m.answers = (uint32_t)(attempts < UINT32_MAX ? attempts : UINT32_MAX);
    return m;
}

/* Log odds of a right answer, part by part; the sum is returned. */
static double skill_of(const struct outlook_facts *f, double parts[OUTLOOK_PARTS])
{
    double trust = (double)f->learnt / ((double)f->learnt + trusted_at), sum = 0;
    struct mastery none = {0};
    double prior = logit(mastery_probability(&none, &mastery_prior_default, f->now_s));
    double own = logit(mastery_probability(&f->own, &mastery_prior_default, f->now_s));
    double built = logit(f->built.probability);

    memset(parts, 0, OUTLOOK_PARTS * sizeof *parts);
    parts[OUTLOOK_BASE] = trust * f->parts[PART_BASE] + (1 - trust) * prior - logit(OUTLOOK_BAR);
    parts[OUTLOOK_DIFFICULTY] = trust * (f->parts[PART_ITEM] + f->parts[PART_SKILL]);
    parts[OUTLOOK_LEARNER] = trust * f->parts[PART_LEARNER];
    parts[OUTLOOK_PRACTICE] =
        trust * (f->parts[PART_PRACTICE] + f->parts[PART_REPETITION]) + (1 - trust) * (own - prior);
    /* the struggle model knows nothing of prerequisites: they count in full */
    parts[OUTLOOK_PREREQUISITES] = built - own;
    parts[OUTLOOK_RECENCY] = trust * (f->parts[PART_RECENCY] + f->parts[PART_CONTEXT]);
    for (int i = 0; i < OUTLOOK_PARTS; i++)
        sum += parts[i];
    return sum;
}

/* Of the log odds: by the spread of the weights, and of the learner's share of right answers. */
static double variance_of(const struct outlook_model *m, const struct outlook_facts *f,
                          const double *x)
{
    double p = f->built.probability, mass = mastery_prior_default.weight + f->built.evidence;
    double skill = 1 / fmax(mass * p * (1 - p), 0.05);
    double sum = m->w[INPUT_SKILL] * m->w[INPUT_SKILL] * skill;

    for (int i = 0; i < OUTLOOK_INPUTS; i++)
        sum += m->variance[i] * x[i] * x[i];
    return sum;
}

void outlook_of(const struct outlook_model *m, const struct outlook_facts *f, struct outlook *ret)
{
    double *parts = ret->parts, z = 0;
    double skill = skill_of(f, parts);
    double *x = ret->x;

    x[INPUT_LEVEL] = 1;
    x[INPUT_SKILL] = skill;
    x[INPUT_MEMORY] = isnan(f->recall) ? 0 : usual_recall - f->recall;
    x[INPUT_DUE] = isnan(f->due) ? 0 : f->due;
    x[INPUT_LOAD] = isnan(f->load) ? 0 : f->load - usual_load;
    for (int i = 0; i < OUTLOOK_MEMORY; i++)
        parts[i] *= m->w[INPUT_SKILL];
    parts[OUTLOOK_BASE] += m->w[INPUT_LEVEL];
    parts[OUTLOOK_MEMORY] = m->w[INPUT_MEMORY] * x[INPUT_MEMORY];
    parts[OUTLOOK_DUE] = m->w[INPUT_DUE] * x[INPUT_DUE];
    parts[OUTLOOK_LOAD] = m->w[INPUT_LOAD] * x[INPUT_LOAD];
    for (int i = 0; i < OUTLOOK_PARTS; i++)
        z += parts[i];
    double sd = sqrt(variance_of(m, f, x));
    ret->right = logistic(skill + logit(OUTLOOK_BAR));
    ret->probability = logistic(z);
    ret->low = logistic(z - z90 * sd);
    ret->high = logistic(z + z90 * sd);
}

void outlook_learn(struct outlook_model *m, const double x[OUTLOOK_INPUTS], bool struggled)
{
    double z = 0, spread = 0;

    for (int i = 0; i < OUTLOOK_INPUTS; i++) {
        z += m->w[i] * x[i];
        spread += m->variance[i] * x[i] * x[i];
    }
    double p = logistic(z), slope = fmax(p * (1 - p), 0.01);
    double step = (p - struggled) / (1 + slope * spread);
    for (int i = 0; i < OUTLOOK_INPUTS; i++) {
        double v = m->variance[i];

        m->w[i] -= v * x[i] * step;
        m->variance[i] = fmax(v / (1 + slope * v * x[i] * x[i]), variance_min);
    }
    /* better odds of a right answer never make it likelier to struggle */
    m->w[INPUT_SKILL] = fmin(m->w[INPUT_SKILL], -0.1);
    m->outcomes++;
}

static uint8_t *put(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        *out++ = (uint8_t)(v >> 8 * i);
    return out;
}

static uint64_t get(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

void outlook_encode(const struct outlook_model *m, uint8_t out[OUTLOOK_BYTES])
{
    uint64_t bits;

    for (int i = 0; i < OUTLOOK_INPUTS; i++) {
        memcpy(&bits, &m->w[i], sizeof bits);
        out = put(out, bits);
        memcpy(&bits, &m->variance[i], sizeof bits);
        out = put(out, bits);
    }
    put(out, (uint64_t)m->outcomes);
}

enum err outlook_decode(struct outlook_model *m, const uint8_t *bytes, size_t n)
{
    struct outlook_model read;

    if (n != OUTLOOK_BYTES)
        return ERR_RANGE;
    for (int i = 0; i < OUTLOOK_INPUTS; i++, bytes += 16) {
        uint64_t w = get(bytes), v = get(bytes + 8);

        memcpy(&read.w[i], &w, sizeof w);
        memcpy(&read.variance[i], &v, sizeof v);
        if (!isfinite(read.w[i]) || fabs(read.w[i]) > 1e6 || !isfinite(read.variance[i]) ||
            read.variance[i] < variance_min || read.variance[i] > 1e6)
            return ERR_RANGE;
    }
    read.outcomes = (int64_t)get(bytes);
    if (read.outcomes < 0)
        return ERR_RANGE;
    *m = read;
    return ERR_OK;
}
