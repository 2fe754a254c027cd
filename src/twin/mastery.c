#include "twin/mastery.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>

const struct mastery_prior mastery_prior_default = {0.65, 4};

/* The fading and the weight of the prior were chosen by log loss on learners held out of the
 * training parts of three public data sets; between 0.8 and 0.95 little changes. */
static const double answer_fades = 0.9;
static const double half_life_days = 90;
static const double prior_answers = 20;
static const double tail = 0.05;

struct mastery_prior mastery_prior_of(int64_t right, int64_t answers)
{
    ASSERT(right >= 0 && answers >= right);
    return (struct mastery_prior){.mean =
                                      ((double)right + prior_answers * mastery_prior_default.mean) /
                                      ((double)answers + prior_answers),
                                  .weight = mastery_prior_default.weight};
}

static double fading(const struct mastery *m, int64_t now_s)
{
    if (!m->last_s || !now_s || now_s <= m->last_s)
        return 1;
    return exp2(-((double)now_s - (double)m->last_s) / 86400 / half_life_days);
}

void mastery_answer(struct mastery *m, double score, int64_t now_s)
{
    double left = fading(m, now_s) * answer_fades;

    ASSERT(score >= 0 && score <= 1);
    m->right = m->right * left + score;
    m->wrong = m->wrong * left + (1 - score);
    m->answers += m->answers < UINT32_MAX;
    if (now_s > m->last_s)
        m->last_s = now_s;
}

/* ---- estimates ---- */

/* The prior's mean is kept off 0 and 1, where it could not be told otherwise. */
static double mean_within(double mean)
{
    return fmin(fmax(mean, 0.02), 0.98);
}

double mastery_probability(const struct mastery *m, const struct mastery_prior *prior,
                           int64_t now_s)
{
    double left = fading(m, now_s), weight = prior->weight;

    return (m->right * left + weight * mean_within(prior->mean)) /
           ((m->right + m->wrong) * left + weight);
}

void mastery_estimate_of(const struct mastery *m, const struct mastery_prior *prior, int64_t now_s,
                         struct mastery_estimate *ret)
{
    ASSERT(prior->mean >= 0 && prior->mean <= 1 && prior->weight > 0 && prior->weight <= 1000);
    double left = fading(m, now_s), mean = mean_within(prior->mean);
    double a = m->right * left + prior->weight * mean,
           b = m->wrong * left + prior->weight * (1 - mean);

    ret->probability = mastery_probability(m, prior, now_s);
    ret->low = dist_beta_quantile(tail, a, b);
    ret->high = dist_beta_quantile(1 - tail, a, b);
    ret->mastered = 1 - dist_beta_cdf(MASTERY_BAR, a, b);
    ret->evidence = (m->right + m->wrong) * left;
}

enum mastery_level mastery_level_of(const struct mastery *m, const struct mastery_estimate *e)
{
    if (m->answers == 0)
        return MASTERY_NOT_STARTED;
    if (e->mastered >= 0.8)
        return MASTERY_MASTERED;
    return e->probability >= 0.7   ? MASTERY_ADVANCED
           : e->probability >= 0.5 ? MASTERY_INTERMEDIATE
                                   : MASTERY_BEGINNER;
}

const char *mastery_level_name(enum mastery_level l)
{
    static const char *const names[] = {"NOT_STARTED", "BEGINNER", "INTERMEDIATE", "ADVANCED",
                                        "MASTERED"};

    ASSERT(l <= MASTERY_MASTERED);
    return names[l];
}

/* ---- prerequisites ---- */

static bool is_good(const struct mastery_edge *e, int32_t count)
{
    return e->objective >= 0 && e->objective < count && e->prerequisite >= 0 &&
           e->prerequisite < count && e->strength >= 0 && e->strength <= 1;
}

/* By how much the learner falls short of people in general, as a share: 0 without evidence. */
static double shortfall(const struct mastery_node *n, double prior_mean, int64_t now_s)
{
    const struct mastery_prior prior = {prior_mean, n->prior.weight};
    double p = mastery_probability(&n->own, &prior, now_s), usual = mean_within(n->prior.mean);

    return fmin(fmax(1 - p / usual, 0), 1);
}

enum err mastery_with_prerequisites(const struct mastery_node *nodes, int32_t count,
                                    const struct mastery_edge *edges, int32_t edge_count,
                                    int64_t now_s, struct mastery_estimate *ret)
{
    if (count < 0 || count > MASTERY_NODES_MAX || edge_count < 0)
        return ERR_RANGE;
    for (int32_t i = 0; i < edge_count; i++)
        if (!is_good(&edges[i], count))
            return ERR_RANGE;
    double *prior = calloc((size_t)count + 1, sizeof *prior),
           *gap = calloc((size_t)count + 1, sizeof *gap);
    enum err e = prior && gap ? ERR_OK : ERR_NOMEM;

    for (int32_t i = 0; i < count && e == ERR_OK; i++)
        prior[i] = nodes[i].prior.mean;
    for (int round = 0; round < MASTERY_ROUNDS && edge_count && e == ERR_OK; round++) {
        for (int32_t i = 0; i < count; i++) {
            gap[i] = shortfall(&nodes[i], prior[i], now_s);
            prior[i] = nodes[i].prior.mean;
        }
        for (int32_t i = 0; i < edge_count; i++)
            if (edges[i].objective != edges[i].prerequisite)
                prior[edges[i].objective] *= 1 - edges[i].strength * gap[edges[i].prerequisite];
    }
    for (int32_t i = 0; i < count && e == ERR_OK; i++)
        mastery_estimate_of(&nodes[i].own, &(struct mastery_prior){prior[i], nodes[i].prior.weight},
                            now_s, &ret[i]);
    free(prior);
    free(gap);
    return e;
}
