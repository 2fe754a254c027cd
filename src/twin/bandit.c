#include "twin/bandit.h"

#include "base/assert.h"
#include "base/hash.h"
#include "twin/dist.h"

#include <math.h>

enum { CELLS = 256 };

enum err bandit_init(struct bandit *b, int32_t arm_count, double floor, double memory)
{
    if (arm_count < 1 || arm_count > BANDIT_ARMS_MAX || !(floor >= 0 && floor * arm_count <= 1) ||
        !(memory > 0 && memory <= 1))
        return ERR_RANGE;
    *b = (struct bandit){
        .version = BANDIT_VERSION, .arm_count = arm_count, .floor = floor, .memory = memory};
    for (int i = 0; i < arm_count; i++)
        b->arms[i].a = b->arms[i].b = b->arms[i].prior_a = b->arms[i].prior_b = 1;
    return ERR_OK;
}

void bandit_set_prior(struct bandit *b, int32_t arm, double mean, double strength)
{
    struct bandit_arm *a = &b->arms[arm];

    ASSERT(arm >= 0 && arm < b->arm_count && a->rewards == 0);
    ASSERT(mean >= 0 && mean <= 1 && strength >= 0 && strength < 1e6);
    a->a = a->prior_a = 1 + strength * mean;
    a->b = a->prior_b = 1 + strength * (1 - mean);
}

bool bandit_valid(const struct bandit *b)
{
    bool ok = b->version == BANDIT_VERSION && b->arm_count >= 1 &&
              b->arm_count <= BANDIT_ARMS_MAX && b->floor >= 0 && b->floor * b->arm_count <= 1 &&
              b->memory > 0 && b->memory <= 1;

    for (int i = 0; ok && i < b->arm_count; i++) {
        const struct bandit_arm *arm = &b->arms[i];

        ok = arm->a >= 1 && arm->a < 1e12 && arm->b >= 1 && arm->b < 1e12 && arm->prior_a >= 1 &&
             arm->prior_a < 1e12 && arm->prior_b >= 1 && arm->prior_b < 1e12 && arm->rewards >= 0 &&
             arm->expired >= 0 && arm->chosen >= 0 && arm->rewards <= arm->chosen - arm->expired &&
             arm->reward_sum >= 0 && arm->reward_sum <= (double)arm->rewards + 1e-6;
    }
    return ok;
}

static double mean_of(const struct bandit_arm *arm)
{
    return arm->a / (arm->a + arm->b);
}

static int32_t best_arm(const struct bandit *b)
{
    int32_t best = 0;

    for (int32_t i = 1; i < b->arm_count; i++)
        if (mean_of(&b->arms[i]) > mean_of(&b->arms[best]))
            best = i;
    return best;
}

/* ---- propensities ---- */

/* The range in which the best arm's value lies: cells are spent there, not on empty ends. */
static struct interval range_of(const struct bandit *b)
{
    struct interval r = {0, 1};

    for (int i = 0; i < b->arm_count; i++) {
        const struct bandit_arm *arm = &b->arms[i];
        double sd = sqrt(arm->a * arm->b / (arm->a + arm->b + 1)) / (arm->a + arm->b);

        r.low = fmax(r.low, mean_of(arm) - 8 * sd); /* the maximum is hardly below any of these */
        r.high = i == 0 ? mean_of(arm) + 8 * sd : fmax(r.high, mean_of(arm) + 8 * sd);
    }
    r.high = fmin(1, r.high);
    return r;
}

/* Integral of f_i times the product of the others' F, as a sum over cells with the other factors
 * at the mean of the cell's two ends. */
static void chances(const struct bandit *b, double *ret)
{
    struct interval r = range_of(b);
    double before[BANDIT_ARMS_MAX], now[BANDIT_ARMS_MAX], sum = 0;

    for (int i = 0; i < b->arm_count; i++) {
        before[i] = dist_beta_cdf(r.low, b->arms[i].a, b->arms[i].b);
        ret[i] = 0;
    }
    for (int c = 1; c <= CELLS; c++) {
        double x = r.low + (r.high - r.low) * c / CELLS;

        for (int i = 0; i < b->arm_count; i++)
            now[i] = dist_beta_cdf(x, b->arms[i].a, b->arms[i].b);
        for (int i = 0; i < b->arm_count; i++) {
            double others = 1;

            for (int j = 0; j < b->arm_count; j++)
                others *= j == i ? 1 : (before[j] + now[j]) / 2;
            ret[i] += (now[i] - before[i]) * others;
        }
        for (int i = 0; i < b->arm_count; i++)
            before[i] = now[i];
    }
    for (int i = 0; i < b->arm_count; i++)
        sum += ret[i];
    ASSERT(sum > 0.5);
    for (int i = 0; i < b->arm_count; i++)
        ret[i] /= sum;
}

void bandit_propensities(const struct bandit *b, double ret[BANDIT_ARMS_MAX])
{
    for (int i = 0; i < BANDIT_ARMS_MAX; i++)
        ret[i] = 0;
    if (b->frozen) {
        ret[best_arm(b)] = 1;
        return;
    }
    chances(b, ret);
    for (int i = 0; i < b->arm_count; i++)
        ret[i] = b->floor + (1 - b->floor * b->arm_count) * ret[i];
}

struct bandit_decision bandit_choose(struct bandit *b, struct rng *rng)
{
    double p[BANDIT_ARMS_MAX], drawn = rng_unit(rng);
    int32_t arm = 0;

    bandit_propensities(b, p);
    for (; arm + 1 < b->arm_count && drawn >= p[arm]; arm++)
        drawn -= p[arm];
    while (!(p[arm] > 0)) /* only rounding leads behind the last arm that has a chance */
        arm--;
    b->arms[arm].chosen++;
    return (struct bandit_decision){arm, p[arm], !b->frozen};
}

/* ---- rewards ---- */

static bool pending(const struct bandit *b, const struct bandit_decision *d)
{
    return b->arms[d->arm].chosen > b->arms[d->arm].rewards + b->arms[d->arm].expired;
}

enum err bandit_reward(struct bandit *b, const struct bandit_decision *d, double reward)
{
    if (d->arm < 0 || d->arm >= b->arm_count || !(reward >= 0 && reward <= 1))
        return ERR_RANGE;
    if (!pending(b, d))
        return ERR_CONFLICT;

    struct bandit_arm *arm = &b->arms[d->arm];
    arm->rewards++;
    arm->reward_sum += reward;
    if (b->frozen || !d->learnable)
        return ERR_OK;
    for (int i = 0; i < b->arm_count; i++) {
        struct bandit_arm *fading = &b->arms[i];
        fading->a = fading->prior_a + b->memory * (fading->a - fading->prior_a);
        fading->b = fading->prior_b + b->memory * (fading->b - fading->prior_b);
    }
    arm->a += reward;
    arm->b += 1 - reward;
    return ERR_OK;
}

enum err bandit_expire(struct bandit *b, const struct bandit_decision *d)
{
    if (d->arm < 0 || d->arm >= b->arm_count)
        return ERR_RANGE;
    if (!pending(b, d))
        return ERR_CONFLICT;
    b->arms[d->arm].expired++;
    return ERR_OK;
}

bool bandit_held_out(struct str learner_id, uint64_t salt, double share)
{
    struct rng rng;

    rng_fork(&rng, salt, hash_stable(learner_id.p, learner_id.n));
    return rng_unit(&rng) < share;
}

double bandit_reward_legacy(const struct bandit_outcome *o)
{
    double sum = 0.4 * o->retention + 0.3 * o->performance + 0.2 * o->completion +
                 (isnan(o->satisfaction) ? 0 : 0.1 * (o->satisfaction - 1) / 4);

    return fmin(1, fmax(0, (sum + 1) / 2));
}

double bandit_reward_of(const struct bandit_outcome *o)
{
    double sum =
               0.4 * (o->retention + 1) / 2 + 0.3 * (o->performance + 1) / 2 + 0.2 * o->completion,
           weight = 0.9;

    if (!isnan(o->satisfaction)) {
        sum += 0.1 * (o->satisfaction - 1) / 4;
        weight = 1;
    }
    return fmin(1, fmax(0, sum / weight));
}

double bandit_confidence_legacy(int64_t pulls, double a, double b)
{
    if (pulls <= 0)
        return 0.5;
    double sd = sqrt(a * b / (a + b + 1)) / (a + b);
    double c = 0.6 / (1 + exp(-0.1 * ((double)pulls - 25))) + 0.4 * fmax(0, 1 - 10 * sd);

    return fmin(1, fmax(0, c));
}

/* ---- off-policy ---- */

static bool row_ok(const struct bandit_log *row, int32_t arm_count)
{
    double sum = 0;
    bool ok = row->arm >= 0 && row->arm < arm_count && row->propensity > 0 &&
              row->propensity <= 1 && row->reward >= 0 && row->reward <= 1;

    for (int i = 0; i < arm_count; i++) {
        ok = ok && row->target[i] >= 0;
        sum += row->target[i];
    }
    return ok && fabs(sum - 1) <= 1e-6;
}

static double weight_of(const struct bandit_log *row)
{
    return row->target[row->arm] / row->propensity;
}

static struct bandit_value value_of(double mean, double variance_of_mean, double low, double high)
{
    double half = STATS_Z95 * sqrt(variance_of_mean);

    return (struct bandit_value){mean, {fmax(low, mean - half), fmin(high, mean + half)}};
}

struct arm_sums {
    double n[BANDIT_ARMS_MAX], rewards[BANDIT_ARMS_MAX], all_n, all_rewards;
};

/* Mean reward of an arm without the row itself, drawn to the mean of all by two rewards' worth. */
static double arm_mean(const struct arm_sums *s, int arm, const struct bandit_log *without)
{
    bool same = without->arm == arm;
    double all_n = s->all_n - 1;
    double all = all_n > 0 ? (s->all_rewards - without->reward) / all_n : 0.5;

    return (s->rewards[arm] - (same ? without->reward : 0) + 2 * all) / (s->n[arm] - same + 2);
}

static double doubly_robust(const struct arm_sums *s, const struct bandit_log *row,
                            int32_t arm_count)
{
    double v = weight_of(row) * (row->reward - arm_mean(s, row->arm, row));

    for (int i = 0; i < arm_count; i++)
        v += row->target[i] > 0 ? row->target[i] * arm_mean(s, i, row) : 0;
    return v;
}

enum err bandit_evaluate(const struct bandit_log *log, int64_t n, int32_t arm_count,
                         struct bandit_evaluation *ret)
{
    const struct bandit_value none = {(double)NAN, {(double)NAN, (double)NAN}};
    struct bandit_evaluation e = {.ips = none, .snips = none, .doubly_robust = none, .n = n};
    struct arm_sums sums = {0};
    double w = 0, ww = 0, wr = 0, count = (double)n;

    if (n < 0 || arm_count < 1 || arm_count > BANDIT_ARMS_MAX)
        return ERR_RANGE;
    for (int64_t i = 0; i < n; i++) {
        if (!row_ok(&log[i], arm_count))
            return ERR_RANGE;
        double v = weight_of(&log[i]);

        w += v;
        ww += v * v;
        wr += v * log[i].reward;
        e.weight_max = fmax(e.weight_max, v);
        sums.n[log[i].arm]++;
        sums.rewards[log[i].arm] += log[i].reward;
        sums.all_n++;
        sums.all_rewards += log[i].reward;
    }
    e.n_effective = ww > 0 ? w * w / ww : 0;
    *ret = e;
    if (e.n_effective < BANDIT_EFFECTIVE_NEEDED)
        return ERR_OK;

    double ips = wr / count, snips = wr / w, dr = 0, ips_ss = 0, snips_ss = 0, dr_ss = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = weight_of(&log[i]), a = v * log[i].reward - ips, b = v * (log[i].reward - snips),
               x = doubly_robust(&sums, &log[i], arm_count), off = x - dr;

        ips_ss += a * a;
        snips_ss += b * b;
        dr += off / (double)(i + 1);
        dr_ss += off * (x - dr);
    }
    ret->ips = value_of(ips, ips_ss / (count * (count - 1)), 0, INFINITY);
    ret->snips = value_of(snips, snips_ss / (w * w), 0, 1);
    ret->doubly_robust = value_of(dr, dr_ss / (count * (count - 1)), -INFINITY, INFINITY);
    return ERR_OK;
}
