#include "twin/struggle.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weight kept by what was known before, per attempt: half-lives of 1, 3, 8 and 34 attempts. */
static const float keep[STRUGGLE_SCALES] = {0.5f, 0.8f, 0.92f, 0.98f};
/* Slow, middle and fast learners of the same weights: the stack leans on whichever suits the data.
 */
static const float rates[STRUGGLE_RATES] = {0.03f, 0.09f, 0.25f};
static const float stack_rate = 0.002f;
static const float logit_max = 7.6f; /* 0.0005..0.9995 */

struct struggle_model {
    uint32_t mask;
    float stack[STRUGGLE_RATES + 1]; /* weight of each rate's log odds, and a constant */
    struct slot {
        float w[STRUGGLE_RATES], g[STRUGGLE_RATES]; /* weight; sum of squared gradients */
    } slots[];
};

enum err struggle_model_new(int bits, struct struggle_model **ret)
{
    if (bits < 10 || bits > 26)
        return ERR_RANGE;
    size_t count = (size_t)1 << bits;
    struct struggle_model *m = calloc(1, sizeof *m + count * sizeof m->slots[0]);
    if (!m)
        return ERR_NOMEM;
    m->mask = (uint32_t)count - 1;
    for (int k = 0; k < STRUGGLE_RATES; k++)
        m->stack[k] = 1.0f / STRUGGLE_RATES;
    *ret = m;
    return ERR_OK;
}

void struggle_model_free(struct struggle_model *m)
{
    free(m);
}

/* A mixer, not a keyed hash: an attacker who makes ids collide spoils his own forecasts only. */
static uint32_t mix(uint64_t family, uint64_t a, uint64_t b)
{
    uint64_t x = family * 0x9E3779B97F4A7C15u ^ (a + 1) * 0xC2B2AE3D27D4EB4Fu ^
                 (b + 7) * 0x165667B19E3779F9u;

    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9u;
    return (uint32_t)(x ^ x >> 32);
}

static void put(const struct struggle_model *m, struct struggle_features *f,
                enum struggle_part part, uint32_t hash, float value)
{
    ASSERT(f->n < STRUGGLE_FEATURES_MAX);
    f->slot[f->n] = hash & m->mask;
    f->value[f->n] = value;
    f->part[f->n++] = (uint8_t)part;
}

/* The share of right answers lately; how much of the scale is filled yet goes to *ret_filled. */
static float recent_rate(const struct struggle_count *c, int scale, float *ret_filled)
{
    *ret_filled = 1 - powf(keep[scale], (float)c->attempts);
    return c->attempts ? c->recent[scale] / *ret_filled : 0;
}

enum { SIDE_ALL, SIDE_ITEM, SIDE_SKILL };

/* What is known of the learner on one thing, in about a dozen numbers. id 0: no slopes of its own.
 */
static void put_count(const struct struggle_model *m, struct struggle_features *f,
                      const struct struggle_question *q, const struct struggle_count *c, int side,
                      uint64_t id)
{
    static const enum struggle_part parts[] = {PART_LEARNER, PART_REPETITION, PART_PRACTICE};
    enum struggle_part part = parts[side];
    uint64_t base = 100 + 20 * (uint64_t)side;
    float wins = log1pf((float)c->wins), misses = log1pf((float)(c->attempts - c->wins));

    put(m, f, part, mix(base, 0, 0), wins);
    put(m, f, part, mix(base + 1, 0, 0), misses);
    for (int k = 0; k < STRUGGLE_SCALES; k++) {
        float filled, rate = recent_rate(c, k, &filled);
        put(m, f, part, mix(base + 2 + (uint64_t)k, 0, 0),
            c->attempts ? (rate - 0.7f) * filled : 0);
    }
    if (c->attempts == 0) {
        put(m, f, part, mix(base + 6, 0, 0), 1);
    } else {
        put(m, f, PART_RECENCY, mix(base + 7, 0, 0), log1pf((float)(q->index - c->last_index)));
        if (q->now_s && c->last_s && q->now_s >= c->last_s)
            put(m, f, PART_RECENCY, mix(base + 8, 0, 0),
                log1pf((float)(q->now_s - c->last_s) / 60));
        put(m, f, part, mix(base + 9, c->last_correct, 0), 1);
    }
    if (id) {
        put(m, f, part, mix(base + 10, id, 0), wins);
        put(m, f, part, mix(base + 11, id, 0), misses);
    }
}

/* Several skills are one in the counts: their mean, and the latest of their last times. */
static struct struggle_count mean_count(const struct struggle_question *q)
{
    struct struggle_count mean = {0};
    uint64_t attempts = 0, wins = 0;
    int n = q->skill_count;

    for (int j = 0; j < n; j++) {
        const struct struggle_count *c = q->on_skill[j];
        if (!c)
            continue;
        attempts += c->attempts;
        wins += c->wins;
        for (int k = 0; k < STRUGGLE_SCALES; k++)
            mean.recent[k] += c->recent[k] / (float)n;
        if (c->attempts && c->last_index >= mean.last_index) {
            mean.last_index = c->last_index;
            mean.last_s = c->last_s;
            mean.last_correct = c->last_correct;
        }
    }
    if (attempts) {
        mean.attempts = (uint32_t)((attempts + (uint64_t)n - 1) / (uint64_t)n);
        mean.wins = (uint32_t)(wins / (uint64_t)n);
        if (mean.wins > mean.attempts)
            mean.wins = mean.attempts;
    }
    return mean;
}

void struggle_read(const struct struggle_model *m, const struct struggle_question *q,
                   struct struggle_features *ret)
{
    static const struct struggle_count nothing;
    const struct struggle_count *all = q->all ? q->all : &nothing,
                                *item = q->on_item ? q->on_item : &nothing;
    struct struggle_count skill =
        q->skill_count == 1 && q->on_skill[0] ? *q->on_skill[0] : mean_count(q);
    uint64_t first_skill = q->skill_count ? q->skills[0] : 0;
    float filled, rate;

    ASSERT(q->skill_count >= 0 && q->skill_count <= STRUGGLE_SKILLS_MAX);
    ret->n = 0;
    put(m, ret, PART_BASE, mix(1, 0, 0), 1);
    put(m, ret, PART_ITEM, mix(2, q->item, 0), 1);
    for (int j = 0; j < q->skill_count; j++)
        put(m, ret, PART_SKILL, mix(3, q->skills[j], 0), 1);

    put_count(m, ret, q, all, SIDE_ALL, 0);
    put_count(m, ret, q, item, SIDE_ITEM, q->item);
    put_count(m, ret, q, &skill, SIDE_SKILL, first_skill);

    /* an item is not equally hard for everybody */
    rate = recent_rate(all, 2, &filled);
    put(m, ret, PART_LEARNER, mix(200, q->item, all->attempts ? 1 + (uint64_t)(rate * 5.99f) : 0),
        1);
    put(m, ret, PART_LEARNER, mix(207, first_skill, 0), all->attempts ? rate - 0.7f : 0);
    rate = recent_rate(all, 3, &filled);
    put(m, ret, PART_LEARNER, mix(208, q->item, 0), all->attempts ? rate - 0.7f : 0);

    if (item->attempts)
        put(m, ret, PART_REPETITION,
            mix(203, q->item, item->last_correct * 8u + (item->attempts > 7 ? 7 : item->attempts)),
            1);
    uint32_t attempts = skill.attempts > 15 ? 15 : skill.attempts,
             wins = skill.wins > 15 ? 15 : skill.wins;
    put(m, ret, PART_PRACTICE, mix(204, first_skill, attempts * 16 + wins), 1);
    put(m, ret, PART_PRACTICE, mix(205, attempts, wins), 1);

    if (q->before_item[0]) {
        put(m, ret, PART_CONTEXT, mix(201, q->before_item[0] * 2 + q->before_correct[0], q->item),
            1);
        put(m, ret, PART_CONTEXT, mix(202, q->before_skill * 2 + q->before_correct[0], first_skill),
            1);
    }
    if (q->before_item[1])
        put(m, ret, PART_CONTEXT,
            mix(206, q->before_item[1] * 4 + q->before_correct[1] * 2u + q->before_correct[0],
                q->before_item[0] * 7919 + q->item),
            1);
}

static float bounded(float z)
{
    return z > logit_max ? logit_max : z < -logit_max ? -logit_max : z;
}

void struggle_predict(const struct struggle_model *m, const struct struggle_features *f,
                      struct struggle_prediction *ret)
{
    float z[STRUGGLE_RATES] = {0}, sum = m->stack[STRUGGLE_RATES];

    for (int i = 0; i < f->n; i++) {
        const struct slot *s = &m->slots[f->slot[i]];
        for (int k = 0; k < STRUGGLE_RATES; k++)
            z[k] += s->w[k] * f->value[i];
    }
    for (int k = 0; k < STRUGGLE_RATES; k++) {
        ret->rate_logits[k] = bounded(z[k]);
        sum += m->stack[k] * ret->rate_logits[k];
    }
    sum = bounded(sum);
    ret->logit = (double)sum;
    ret->probability = 1 / (1 + exp(-ret->logit));
}

static float logistic(float z)
{
    return 1 / (1 + expf(-z));
}

void struggle_learn(struct struggle_model *m, const struct struggle_features *f,
                    const struct struggle_prediction *p, bool correct)
{
    float y = correct ? 1 : 0, off[STRUGGLE_RATES], whole = (float)p->probability - y;

    for (int k = 0; k < STRUGGLE_RATES; k++)
        off[k] = logistic(p->rate_logits[k]) - y;
    for (int i = 0; i < f->n; i++) {
        struct slot *s = &m->slots[f->slot[i]];
        for (int k = 0; k < STRUGGLE_RATES; k++) {
            float g = off[k] * f->value[i];
            s->g[k] += g * g;
            s->w[k] -= rates[k] * g / sqrtf(s->g[k] + 1e-3f);
        }
    }
    for (int k = 0; k < STRUGGLE_RATES; k++)
        m->stack[k] -= stack_rate * whole * p->rate_logits[k];
    m->stack[STRUGGLE_RATES] -= stack_rate * whole;
}

void struggle_explain(const struct struggle_model *m, const struct struggle_features *f,
                      double ret_parts[PART_COUNT])
{
    memset(ret_parts, 0, PART_COUNT * sizeof *ret_parts);
    ret_parts[PART_BASE] = (double)m->stack[STRUGGLE_RATES];
    for (int i = 0; i < f->n; i++)
        for (int k = 0; k < STRUGGLE_RATES; k++)
            ret_parts[f->part[i]] +=
                (double)(m->stack[k] * m->slots[f->slot[i]].w[k] * f->value[i]);
}

void struggle_count_add(struct struggle_count *c, bool correct, double latency_s, int64_t now_s,
                        uint32_t index)
{
    if (c->attempts < UINT32_MAX) {
        c->attempts++;
        c->wins += correct;
    }
    for (int k = 0; k < STRUGGLE_SCALES; k++)
        c->recent[k] = c->recent[k] * keep[k] + (correct ? 1 - keep[k] : 0);
    if (latency_s >= 0 && c->timed < UINT32_MAX) {
        c->timed++;
        c->latency += (logf((float)latency_s + 0.05f) - c->latency) / (float)c->timed;
    }
    c->last_s = now_s;
    c->last_index = index;
    c->last_correct = correct;
}
