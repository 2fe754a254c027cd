#include "twin/forgetting.h"

#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DECAY = 20 };    /* which of the weights */
#define DECAY_HELD 1e-4 /* prior deviation that holds it where it is */
#define SD_MIN 1e-6

struct at_decay {
    double log_likelihood, weight;
    double initial, log_decay, sd; /* of the curve */
};

struct deck {
    struct memory_step *steps;
    int32_t count;
    struct card_memory *cards; /* room for as many as there are reviews */
};

/* The cards as they stand under these weights; returns how many. */
static int32_t walk(const struct deck *d, const struct memory_weights *w)
{
    int32_t day = 0, n = 0;

    for (int32_t i = 0; i < d->count; i++) {
        bool first = d->steps[i].days < 0 || n == 0;

        if (first)
            d->cards[n] = (struct card_memory){0};
        n += first;
        day = first ? 0 : d->steps[i].days < INT32_MAX - day ? day + d->steps[i].days : INT32_MAX;
        card_review(w, &d->cards[n - 1], (enum memory_grade)d->steps[i].grade, day);
    }
    return n;
}

static double log_decay(const struct deck *d, const struct memory_weights *w)
{
    struct card_curve curve;
    int32_t n = walk(d, w);

    return card_curve_of(w, d->cards, n, &curve) ? log(curve.decay) : (double)NAN;
}

/* Of the decay's logarithm, the other weights being as uncertain as the fit says. The slopes are
 * secants over one deviation of each weight, since the curve bends. */
static double curve_sd(const struct deck *d, const struct memory_prior *prior,
                       const struct memory_fit *fit)
{
    double slopes[MEMORY_WEIGHTS] = {0};

    for (int i = 0; i < DECAY; i++) {
        struct memory_weights low = fit->weights, high = fit->weights;
        bool by_log = MEMORY_LOGS >> i & 1;
        double least, most, at = fit->weights.w[i], half = fit->sd[i] / 2;

        memory_weight_range(i, &least, &most);
        low.w[i] = fmax(least, by_log ? at * exp(-half) : at - half);
        high.w[i] = fmin(most, by_log ? at * exp(half) : at + half);
        double wide = by_log ? log(high.w[i] / low.w[i]) : high.w[i] - low.w[i];
        slopes[i] = wide > 0 ? (log_decay(d, &high) - log_decay(d, &low)) / wide : 0;
    }
    return memory_fit_sd(d->steps, d->count, prior, fit, slopes);
}

static enum err fit_at(const struct deck *d, const struct memory_prior *base, double decay,
                       struct at_decay *ret, bool *ret_some)
{
    struct memory_prior prior = *base;
    struct memory_fit fit;
    struct card_curve curve;

    prior.mean.w[DECAY] = decay;
    prior.sd[DECAY] = DECAY_HELD;
    enum err e = memory_fit(d->steps, d->count, &prior, &fit);
    if (e != ERR_OK)
        return e;
    int32_t n = walk(d, &fit.weights);
    *ret_some =
        fit.outcome != MEMORY_FIT_TOO_FEW && card_curve_of(&fit.weights, d->cards, n, &curve);
    if (*ret_some)
        *ret = (struct at_decay){.log_likelihood = -fit.total,
                                 .initial = curve.initial,
                                 .log_decay = log(curve.decay),
                                 .sd = fmax(SD_MIN, curve_sd(d, &prior, &fit))};
    return e;
}

static double quantile(const struct at_decay *at, double p)
{
    double low = -20, high = 5;

    for (int i = 0; i < 50; i++) {
        double mid = (low + high) / 2, below = 0;

        for (int k = 0; k < FORGETTING_DECAYS; k++)
            below += at[k].weight * dist_normal_cdf((mid - at[k].log_decay) / at[k].sd);
        if (below < p)
            low = mid;
        else
            high = mid;
    }
    return (low + high) / 2;
}

static void conclude(struct at_decay *at, struct forgetting *ret)
{
    double best = -INFINITY, sum = 0;

    for (int k = 0; k < FORGETTING_DECAYS; k++)
        best = fmax(best, at[k].log_likelihood);
    for (int k = 0; k < FORGETTING_DECAYS; k++)
        sum += at[k].weight = exp(at[k].log_likelihood - best);
    for (int k = 0; k < FORGETTING_DECAYS; k++) {
        at[k].weight /= sum;
        ret->initial += at[k].weight * at[k].initial;
    }
    ret->decay = exp(quantile(at, 0.5));
    ret->decays = (struct interval){exp(quantile(at, 0.025)), exp(quantile(at, 0.975))};
}

/* Copies every n-th card's reviews, so that there are not too many; returns how many. */
static int32_t thin(const struct memory_step *steps, int32_t count, struct memory_step *ret)
{
    int32_t every = (count - 1) / FORGETTING_REVIEWS_MAX + 1, card = -1, n = 0;

    for (int32_t i = 0; i < count; i++) {
        card += steps[i].days < 0 || i == 0;
        if (card % every == 0)
            ret[n++] = steps[i];
    }
    return n;
}

enum err forgetting_of(const struct memory_step *steps, int32_t count,
                       const struct memory_prior *prior, bool *ret_some, struct forgetting *ret)
{
    struct at_decay at[FORGETTING_DECAYS];
    double low, high;

    *ret_some = false;
    if (count < 0 || count > MEMORY_FIT_REVIEWS_MAX)
        return ERR_RANGE;
    struct deck d = {.steps = malloc(((size_t)count + 1) * sizeof *d.steps),
                     .cards = malloc(((size_t)count + 1) * sizeof *d.cards)};
    bool some = true;
    enum err e = d.steps && d.cards ? ERR_OK : ERR_NOMEM;

    d.count = e == ERR_OK ? thin(steps, count, d.steps) : 0;
    memory_weight_range(DECAY, &low, &high);
    for (int k = 0; e == ERR_OK && some && k < FORGETTING_DECAYS; k++)
        e = fit_at(&d, prior, low + (high - low) * k / (FORGETTING_DECAYS - 1), &at[k], &some);
    if (e == ERR_OK && some) {
        *ret = (struct forgetting){.cards = walk(&d, &prior->mean)};
        conclude(at, ret);
        *ret_some = true;
    }
    free(d.steps);
    free(d.cards);
    return e;
}
