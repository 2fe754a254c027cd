#include "twin/struggle.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weight kept by what was known before, per attempt: half-lives of 1, 3, 8 and 34 attempts. */
static const float keep[STRUGGLE_SCALES] = {0.5f, 0.8f, 0.92f, 0.98f};
static const float keep_log[STRUGGLE_SCALES] = {-0.693147f, -0.223144f, -0.083382f, -0.020203f};
/* The Bayesian learners' prior variances, as multiples of a feature's; the AdaGrad learner's rate.
 * Chosen, like the spreads below, on learners held out of training parts. */
enum { SPARSE_ROOM = 4096 };
enum { CAUTIOUS, BOLD, ADAGRAD, BAYESIAN = ADAGRAD };
static const float boldness[BAYESIAN] = {0.15f, 0.9f};
static const float adagrad_rate = 0.05f, adagrad_floor = 1e-3f;
static const float stack_rate = 0.001f;
static const float logit_max = 7.6f; /* 0.0005..0.9995 */

/* How far weights are thought to lie from zero before anything is known: variances. */
#define SPREAD_BASE 1.0f   /* the general level, an item */
#define SPREAD_SKILL 0.3f  /* a skill, on top of its items */
#define SPREAD_SLOPE 0.2f  /* slopes of one item or skill */
#define SPREAD_SHARED 0.1f /* what holds for all items, and single cases */
/* Pairs of items far apart: too many to be trusted each, so that the Bayesian learners, which let
 * every new weight speak, do worse with them; AdaGrad's small steps add them up. */
#define SPREAD_ADAGRAD_ONLY 0.0f

struct struggle_model {
    uint32_t mask;
    enum struggle_depth depth;
    float stack[STRUGGLE_LEARNERS + 1]; /* weight of each learner's log odds, and a constant */
    uint32_t *index;     /* sparse: a slot's place; 0: not claimed. NULL: its number */
    uint32_t used, room; /* sparse: places; the first stands for what is not claimed */
    struct slot {
        float w[STRUGGLE_LEARNERS];
        float state[STRUGGLE_LEARNERS]; /* variance, 0: the prior's; sum of squared gradients */
    } * slots;
};

static struct slot *slot_of(const struct struggle_model *m, uint32_t slot)
{
    return &m->slots[m->index ? m->index[slot] : slot];
}

static enum err model_new(int bits, enum struggle_depth depth, bool sparse,
                          struct struggle_model **ret)
{
    if (bits < 10 || bits > 26)
        return ERR_RANGE;
    size_t count = (size_t)1 << bits;
    struct struggle_model *m = calloc(1, sizeof *m);
    if (!m)
        return ERR_NOMEM;
    m->room = sparse ? SPARSE_ROOM : (uint32_t)count;
    m->used = 1;
    m->slots = calloc(m->room, sizeof m->slots[0]);
    m->index = sparse ? calloc(count, sizeof *m->index) : NULL;
    if (!m->slots || (sparse && !m->index)) {
        struggle_model_free(m);
        return ERR_NOMEM;
    }
    m->mask = (uint32_t)count - 1;
    m->depth = depth;
    for (int k = 0; k < STRUGGLE_LEARNERS; k++)
        m->stack[k] = 1.0f / STRUGGLE_LEARNERS;
    *ret = m;
    return ERR_OK;
}

enum err struggle_model_new(int bits, enum struggle_depth depth, struct struggle_model **ret)
{
    return model_new(bits, depth, false, ret);
}

enum err struggle_model_sparse_new(int bits, enum struggle_depth depth, struct struggle_model **ret)
{
    return model_new(bits, depth, true, ret);
}

void struggle_model_free(struct struggle_model *m)
{
    if (!m)
        return;
    free(m->slots);
    free(m->index);
    free(m);
}

enum err struggle_slot_claim(struct struggle_model *m, uint32_t slot)
{
    ASSERT(slot <= m->mask);
    if (!m->index || m->index[slot])
        return ERR_OK;
    if (m->used == m->room) {
        struct slot *more = realloc(m->slots, (size_t)m->room * 2 * sizeof *more);
        if (!more)
            return ERR_NOMEM;
        memset(more + m->room, 0, m->room * sizeof *more);
        m->slots = more;
        m->room *= 2;
    }
    m->index[slot] = m->used++;
    return ERR_OK;
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
                enum struggle_part part, float spread, uint32_t hash, float value)
{
    ASSERT(f->n < STRUGGLE_FEATURES_MAX);
    f->slot[f->n] = hash & m->mask;
    f->value[f->n] = value;
    f->spread[f->n] = spread;
    f->part[f->n++] = (uint8_t)part;
}

/* The share of right answers lately; how much of the scale is filled yet goes to *ret_filled. */
static float recent_rate(const struct struggle_count *c, int scale, float *ret_filled)
{
    *ret_filled = 1 - expf(keep_log[scale] * (float)c->attempts);
    return c->attempts ? c->recent[scale] / *ret_filled : 0;
}

/* The last outcomes, at most `length`, with a one above them: shorter ones stay apart. */
static uint32_t pattern(const struct struggle_count *c, uint32_t length)
{
    uint32_t n = c->attempts < length ? c->attempts : length;

    return (c->history & ((1u << n) - 1)) | 1u << n;
}

static bool gap_known(const struct struggle_question *q, const struct struggle_count *c)
{
    return q->now_s && c->attempts && c->last_s && q->now_s >= c->last_s;
}

/* Log of the minutes since the last attempt. */
static float log_gap(const struct struggle_question *q, const struct struggle_count *c)
{
    return gap_known(q, c) ? log1pf((float)((double)q->now_s - (double)c->last_s) / 60) : 0;
}

static const float usual_rate = 0.7f; /* rates are counted from here */

enum side { SIDE_ALL, SIDE_ITEM, SIDE_SKILL };

/* What is known of the learner on one thing, in about a dozen numbers. id 0: no slopes of its own.
 */
static void put_count(const struct struggle_model *m, struct struggle_features *f,
                      const struct struggle_question *q, const struct struggle_count *c,
                      enum side side, uint64_t id)
{
    static const enum struggle_part parts[] = {PART_LEARNER, PART_REPETITION, PART_PRACTICE};
    enum struggle_part part = parts[side];
    uint64_t base = 100 + 20 * (uint64_t)side;
    float wins = log1pf((float)c->wins), misses = log1pf((float)(c->attempts - c->wins));

    put(m, f, part, SPREAD_SHARED, mix(base, 0, 0), wins);
    put(m, f, part, SPREAD_SHARED, mix(base + 1, 0, 0), misses);
    if (m->depth == STRUGGLE_BEST_LR)
        return;
    for (int k = 0; k < STRUGGLE_SCALES; k++) {
        float filled, rate = recent_rate(c, k, &filled);
        put(m, f, part, SPREAD_SHARED, mix(base + 2 + (uint64_t)k, 0, 0),
            c->attempts ? (rate - usual_rate) * filled : 0);
    }
    if (c->attempts == 0) {
        put(m, f, part, SPREAD_SHARED, mix(base + 6, 0, 0), 1);
    } else {
        put(m, f, PART_RECENCY, SPREAD_SHARED, mix(base + 7, 0, 0),
            log1pf((float)(q->index - c->last_index)));
        if (gap_known(q, c))
            put(m, f, PART_RECENCY, SPREAD_SHARED, mix(base + 8, 0, 0), log_gap(q, c));
        put(m, f, part, SPREAD_SHARED, mix(base + 9, c->last_correct, 0), 1);
    }
    if (id) {
        put(m, f, part, SPREAD_SLOPE, mix(base + 10, id, 0), wins);
        put(m, f, part, SPREAD_SLOPE, mix(base + 11, id, 0), misses);
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
            mean.history = c->history;
            mean.latency = c->latency;
            mean.timed = c->timed;
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

/* An item is not equally hard for everybody, nor a skill. */
static void put_crossings(const struct struggle_model *m, struct struggle_features *f,
                          const struct struggle_question *q, const struct struggle_count *all,
                          uint64_t skill)
{
    float filled, rate = recent_rate(all, 2, &filled);
    uint64_t level = all->attempts ? 1 + (uint64_t)(rate * 5.99f) : 0;

    put(m, f, PART_LEARNER, SPREAD_SHARED, mix(200, q->item, level), 1);
    put(m, f, PART_LEARNER, SPREAD_SLOPE, mix(207, skill, 0),
        all->attempts ? rate - usual_rate : 0);
    rate = recent_rate(all, 3, &filled);
    put(m, f, PART_LEARNER, SPREAD_SLOPE, mix(208, q->item, 0),
        all->attempts ? rate - usual_rate : 0);
}

/* Single cases: how often, and in which order, the tries went well. */
static void put_cases(const struct struggle_model *m, struct struggle_features *f,
                      const struct struggle_question *q, const struct struggle_count *item,
                      const struct struggle_count *practice, uint64_t skill)
{
    uint32_t attempts = practice->attempts > 15 ? 15 : practice->attempts,
             wins = practice->wins > 15 ? 15 : practice->wins;

    if (item->attempts)
        put(m, f, PART_REPETITION, SPREAD_SHARED,
            mix(203, q->item, item->last_correct * 8u + (item->attempts > 7 ? 7 : item->attempts)),
            1);
    put(m, f, PART_PRACTICE, SPREAD_SHARED, mix(204, skill, attempts * 16 + wins), 1);
    put(m, f, PART_PRACTICE, SPREAD_SHARED, mix(205, attempts, wins), 1);
    put(m, f, PART_PRACTICE, SPREAD_SHARED, mix(210, skill, pattern(practice, 5)), 1);
    put(m, f, PART_PRACTICE, SPREAD_SHARED, mix(211, 0, pattern(practice, 5)), 1);
    put(m, f, PART_PRACTICE, SPREAD_SHARED, mix(213, q->item, pattern(practice, 3)), 1);
}

static void put_context(const struct struggle_model *m, struct struggle_features *f,
                        const struct struggle_question *q, uint64_t skill)
{
    const struct struggle_before *b = q->before;

    if (b[0].item) {
        put(m, f, PART_CONTEXT, SPREAD_SHARED, mix(201, b[0].item * 2 + b[0].correct, q->item), 1);
        put(m, f, PART_CONTEXT, SPREAD_SHARED, mix(202, b[0].skill * 2 + b[0].correct, skill), 1);
    }
    if (b[1].item)
        put(m, f, PART_CONTEXT, SPREAD_SHARED,
            mix(206, b[1].item * 4 + b[1].correct * 2u + b[0].correct, b[0].item * 7919 + q->item),
            1);
    for (int i = 1; i < STRUGGLE_BEFORE && b[i].item; i++)
        put(m, f, PART_CONTEXT, SPREAD_ADAGRAD_ONLY,
            mix(214, b[i].item * 2 + b[i].correct, q->item), 1);
}

/* How forgetting goes, as a case for each length of the gap; half powers of e, in minutes. */
static void put_gap(const struct struggle_model *m, struct struggle_features *f,
                    const struct struggle_question *q, const struct struggle_count *c,
                    uint64_t family)
{
    uint64_t length = (uint64_t)(log_gap(q, c) * 2);

    put(m, f, PART_RECENCY, SPREAD_SHARED,
        mix(family, length, c->last_correct + 2u * (c->attempts > 0)), 1);
}

static void put_times(const struct struggle_model *m, struct struggle_features *f,
                      const struct struggle_question *q, const struct struggle_count *all,
                      const struct struggle_count *item, const struct struggle_count *practice,
                      uint64_t skill)
{
    if (q->now_s) {
        put(m, f, PART_RECENCY, SPREAD_SLOPE, mix(225, q->item, 0), log_gap(q, item) / 5);
        put(m, f, PART_RECENCY, SPREAD_SLOPE, mix(226, skill, 0), log_gap(q, practice) / 5);
        put_gap(m, f, q, item, 227);
        put_gap(m, f, q, practice, 228);
        put_gap(m, f, q, all, 229);
    }
    if (!all->timed)
        return;
    put(m, f, PART_LEARNER, SPREAD_SHARED, mix(230, 0, 0), all->latency - 1.5f);
    if (practice->timed)
        put(m, f, PART_PRACTICE, SPREAD_SHARED, mix(231, 0, 0), practice->latency - all->latency);
    if (item->timed) {
        float slower = item->latency - all->latency;

        put(m, f, PART_REPETITION, SPREAD_SHARED, mix(232, 0, 0), slower);
        put(m, f, PART_REPETITION, SPREAD_SHARED, mix(232, item->last_correct, 1), slower);
    }
}

void struggle_read(const struct struggle_model *m, const struct struggle_question *q,
                   struct struggle_features *ret)
{
    static const struct struggle_count nothing;
    const struct struggle_count *all = q->all ? q->all : &nothing,
                                *item = q->on_item ? q->on_item : &nothing;
    struct struggle_count practice =
        q->skill_count == 1 && q->on_skill[0] ? *q->on_skill[0] : mean_count(q);
    uint64_t skill = q->skill_count ? q->skills[0] : 0;

    ASSERT(q->skill_count >= 0 && q->skill_count <= STRUGGLE_SKILLS_MAX);
    ret->n = 0;
    put(m, ret, PART_BASE, SPREAD_BASE, mix(1, 0, 0), 1);
    put(m, ret, PART_ITEM, SPREAD_BASE, mix(2, q->item, 0), 1);
    for (int j = 0; j < q->skill_count; j++)
        put(m, ret, PART_SKILL, SPREAD_SKILL, mix(3, q->skills[j], 0), 1);
    put_count(m, ret, q, all, SIDE_ALL, 0);
    put_count(m, ret, q, item, SIDE_ITEM, q->item);
    put_count(m, ret, q, &practice, SIDE_SKILL, skill);
    if (m->depth == STRUGGLE_BEST_LR)
        return;
    put_crossings(m, ret, q, all, skill);
    put_cases(m, ret, q, item, &practice, skill);
    put_context(m, ret, q, skill);
    put_times(m, ret, q, all, item, &practice, skill);
}

void struggle_question_after(struct struggle_question *q, bool correct)
{
    memmove(q->before + 1, q->before, sizeof q->before - sizeof q->before[0]);
    q->before[0] = (struct struggle_before){
        .item = q->item, .skill = q->skill_count ? q->skills[0] : 0, .correct = correct};
    q->index++;
}

static float bounded(float z)
{
    return z > logit_max ? logit_max : z < -logit_max ? -logit_max : z;
}

void struggle_predict(const struct struggle_model *m, const struct struggle_features *f,
                      struct struggle_prediction *ret)
{
    float z[STRUGGLE_LEARNERS] = {0}, sum = m->stack[STRUGGLE_LEARNERS];

    for (int i = 0; i < f->n; i++) {
        const struct slot *s = slot_of(m, f->slot[i]);
        for (int k = 0; k < STRUGGLE_LEARNERS; k++)
            z[k] += s->w[k] * f->value[i];
    }
    for (int k = 0; k < STRUGGLE_LEARNERS; k++) {
        ret->learner_logits[k] = bounded(z[k]);
        sum += m->stack[k] * ret->learner_logits[k];
    }
    sum = bounded(sum);
    ret->logit = (double)sum;
    ret->probability = 1 / (1 + exp(-ret->logit));
}

static float logistic(float z)
{
    return 1 / (1 + expf(-z));
}

static float variance_of(const struct slot *s, int k, float spread)
{
    return s->state[k] > 0 ? s->state[k] : boldness[k] * spread;
}

/* One step of assumed density filtering with a variance for each weight: the answer's surprise is
 * shared out by how uncertain each weight is, and what was used grows more certain. */
static void learn_bayesian(struct struggle_model *m, const struct struggle_features *f, int k,
                           float p, float off)
{
    float slope = p * (1 - p), variance = 0;

    if (slope < 0.01f)
        slope = 0.01f; /* a sure forecast still learns from its miss */
    for (int i = 0; i < f->n; i++)
        variance +=
            variance_of(slot_of(m, f->slot[i]), k, f->spread[i]) * f->value[i] * f->value[i];
    float step = off / (1 + slope * variance);

    for (int i = 0; i < f->n; i++) {
        struct slot *s = slot_of(m, f->slot[i]);
        float v = variance_of(s, k, f->spread[i]), x = f->value[i];

        s->w[k] -= v * x * step;
        s->state[k] = v / (1 + slope * v * x * x);
    }
}

static void learn_adagrad(struct struggle_model *m, const struct struggle_features *f, float off)
{
    for (int i = 0; i < f->n; i++) {
        struct slot *s = slot_of(m, f->slot[i]);
        float g = off * f->value[i];

        s->state[ADAGRAD] += g * g;
        s->w[ADAGRAD] -= adagrad_rate * g / sqrtf(s->state[ADAGRAD] + adagrad_floor);
    }
}

void struggle_learn(struct struggle_model *m, const struct struggle_features *f,
                    const struct struggle_prediction *p, bool correct)
{
    for (int i = 0; m->index && i < f->n; i++)
        ASSERT(m->index[f->slot[i]]);
    float y = correct ? 1 : 0, whole = (float)p->probability - y;

    for (int k = 0; k < BAYESIAN; k++) {
        float pk = logistic(p->learner_logits[k]);

        learn_bayesian(m, f, k, pk, pk - y);
    }
    learn_adagrad(m, f, logistic(p->learner_logits[ADAGRAD]) - y);
    for (int k = 0; k < STRUGGLE_LEARNERS; k++)
        m->stack[k] -= stack_rate * whole * p->learner_logits[k];
    m->stack[STRUGGLE_LEARNERS] -= stack_rate * whole;
}

void struggle_explain(const struct struggle_model *m, const struct struggle_features *f,
                      double ret_parts[PART_COUNT])
{
    double z[STRUGGLE_LEARNERS] = {0}, share[STRUGGLE_LEARNERS], whole = 0;
    struct struggle_prediction p;

    struggle_predict(m, f, &p);
    for (int i = 0; i < f->n; i++)
        for (int k = 0; k < STRUGGLE_LEARNERS; k++)
            z[k] += (double)(slot_of(m, f->slot[i])->w[k] * f->value[i]);
    /* where a forecast was kept within bounds, all of its parts shrink alike */
    for (int k = 0; k < STRUGGLE_LEARNERS; k++) {
        bool kept = fabs(z[k]) > (double)logit_max;

        share[k] = (double)m->stack[k] * (kept ? (double)p.learner_logits[k] / z[k] : 1);
    }
    memset(ret_parts, 0, PART_COUNT * sizeof *ret_parts);
    ret_parts[PART_BASE] = (double)m->stack[STRUGGLE_LEARNERS];
    for (int i = 0; i < f->n; i++)
        for (int k = 0; k < STRUGGLE_LEARNERS; k++)
            ret_parts[f->part[i]] +=
                share[k] * (double)(slot_of(m, f->slot[i])->w[k] * f->value[i]);
    for (int i = 0; i < PART_COUNT; i++)
        whole += ret_parts[i];
    for (int i = 0; i < PART_COUNT && fabs(whole) > (double)logit_max; i++)
        ret_parts[i] *= p.logit / whole;
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
        c->latency += (logf((float)fmin(latency_s, STRUGGLE_LATENCY_MAX) + 0.05f) - c->latency) /
                      (float)c->timed;
    }
    c->last_s = now_s >= -STRUGGLE_TIME_MAX && now_s <= STRUGGLE_TIME_MAX ? now_s : 0;
    c->last_index = index;
    c->last_correct = correct;
    c->history = (uint8_t)(c->history << 1 | correct);
}

/* ---- weights as stored bytes ---- */

static void put_floats(uint8_t *out, const float *v, int n)
{
    for (int i = 0; i < n; i++) {
        uint32_t bits;

        memcpy(&bits, &v[i], sizeof bits);
        for (int k = 0; k < 4; k++)
            *out++ = (uint8_t)(bits >> 8 * k);
    }
}

static bool get_floats(const uint8_t *in, float *v, int n)
{
    for (int i = 0; i < n; i++) {
        uint32_t bits = 0;

        for (int k = 0; k < 4; k++)
            bits |= (uint32_t)*in++ << 8 * k;
        memcpy(&v[i], &bits, sizeof bits);
        if (!isfinite(v[i]) || fabsf(v[i]) > 1e6f)
            return false;
    }
    return true;
}

void struggle_slot_encode(const struct struggle_model *m, uint32_t slot,
                          uint8_t out[STRUGGLE_SLOT_BYTES])
{
    ASSERT(slot <= m->mask);
    const struct slot *s = slot_of(m, slot);
    put_floats(out, s->w, STRUGGLE_LEARNERS);
    put_floats(out + 4 * STRUGGLE_LEARNERS, s->state, STRUGGLE_LEARNERS);
}

enum err struggle_slot_decode(struct struggle_model *m, uint32_t slot, const uint8_t *bytes,
                              size_t n)
{
    struct slot s;

    if (slot > m->mask || n != STRUGGLE_SLOT_BYTES || !get_floats(bytes, s.w, STRUGGLE_LEARNERS) ||
        !get_floats(bytes + 4 * STRUGGLE_LEARNERS, s.state, STRUGGLE_LEARNERS))
        return ERR_RANGE;
    for (int k = 0; k < STRUGGLE_LEARNERS; k++)
        if (s.state[k] < 0)
            return ERR_RANGE;
    enum err e = struggle_slot_claim(m, slot);
    if (e == ERR_OK)
        *slot_of(m, slot) = s;
    return e;
}

void struggle_stack_encode(const struct struggle_model *m, uint8_t out[STRUGGLE_STACK_BYTES])
{
    put_floats(out, m->stack, STRUGGLE_LEARNERS + 1);
}

enum err struggle_stack_decode(struct struggle_model *m, const uint8_t *bytes, size_t n)
{
    float stack[STRUGGLE_LEARNERS + 1];

    if (n != STRUGGLE_STACK_BYTES || !get_floats(bytes, stack, STRUGGLE_LEARNERS + 1))
        return ERR_RANGE;
    memcpy(m->stack, stack, sizeof stack);
    return ERR_OK;
}
