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
#define SURE 0.8 /* that much of a chance is called mastered */

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

static double probability_of(const struct mastery *m, const struct mastery_prior *prior,
                             double left)
{
    return (m->right * left + prior->weight * mean_within(prior->mean)) /
           ((m->right + m->wrong) * left + prior->weight);
}

double mastery_probability(const struct mastery *m, const struct mastery_prior *prior,
                           int64_t now_s)
{
    return probability_of(m, prior, fading(m, now_s));
}

void mastery_now_of(const struct mastery *m, const struct mastery_prior *prior, int64_t now_s,
                    struct mastery_now *ret)
{
    ASSERT(prior->mean >= 0 && prior->mean <= 1 && prior->weight > 0 && prior->weight <= 1000);
    double left = fading(m, now_s), mean = mean_within(prior->mean);

    ret->a = m->right * left + prior->weight * mean;
    ret->b = m->wrong * left + prior->weight * (1 - mean);
    ret->probability = ret->a / ((m->right + m->wrong) * left + prior->weight);
    ret->evidence = (m->right + m->wrong) * left;
}

double mastery_chance(const struct mastery_now *now, double bar)
{
    return 1 - dist_beta_cdf(bar, now->a, now->b);
}

struct mastery_estimate mastery_estimate_of(const struct mastery_now *now)
{
    return (struct mastery_estimate){.probability = now->probability,
                                     .evidence = now->evidence,
                                     .low = dist_beta_quantile(tail, now->a, now->b),
                                     .high = dist_beta_quantile(1 - tail, now->a, now->b),
                                     .mastered = mastery_chance(now, MASTERY_BAR)};
}

enum mastery_level mastery_level_of(const struct mastery *m, const struct mastery_now *now)
{
    if (m->answers == 0)
        return MASTERY_NOT_STARTED;
    /* By Markov's inequality the chance is at most the mean through the bar. */
    if (now->probability >= 0.99 * SURE * MASTERY_BAR && mastery_chance(now, MASTERY_BAR) >= SURE)
        return MASTERY_MASTERED;
    return now->probability >= 0.7   ? MASTERY_ADVANCED
           : now->probability >= 0.5 ? MASTERY_INTERMEDIATE
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
static double shortfall(const struct mastery_node *n, double prior_mean, double left)
{
    const struct mastery_prior prior = {prior_mean, n->prior.weight};
    double p = probability_of(&n->own, &prior, left), usual = mean_within(n->prior.mean);

    return fmin(fmax(1 - p / usual, 0), 1);
}

enum err mastery_with_prerequisites(const struct mastery_node *nodes, int32_t count,
                                    const struct mastery_edge *edges, int32_t edge_count,
                                    int64_t now_s, struct mastery_now *ret)
{
    if (count < 0 || count > MASTERY_NODES_MAX || edge_count < 0)
        return ERR_RANGE;
    for (int32_t i = 0; i < edge_count; i++)
        if (!is_good(&edges[i], count))
            return ERR_RANGE;
    double *prior = calloc((size_t)count * 3 + 1, sizeof *prior);
    if (!prior)
        return ERR_NOMEM;
    double *gap = prior + count, *left = gap + count;
    for (int32_t i = 0; i < count; i++) {
        prior[i] = nodes[i].prior.mean;
        left[i] = edge_count ? fading(&nodes[i].own, now_s) : 0;
    }
    for (int round = 0; round < MASTERY_ROUNDS && edge_count; round++) {
        for (int32_t i = 0; i < count; i++) {
            gap[i] = shortfall(&nodes[i], prior[i], left[i]);
            prior[i] = nodes[i].prior.mean;
        }
        for (int32_t i = 0; i < edge_count; i++)
            if (edges[i].objective != edges[i].prerequisite)
                prior[edges[i].objective] *= 1 - edges[i].strength * gap[edges[i].prerequisite];
    }
    for (int32_t i = 0; i < count; i++)
        mastery_now_of(&nodes[i].own, &(struct mastery_prior){prior[i], nodes[i].prior.weight},
                       now_s, &ret[i]);
    free(prior);
    return ERR_OK;
}
