#include "eval/courses.h"

#include "base/assert.h"
#include "base/rng.h"
#include "eval/score.h"
#include "eval/visits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDS = 10, INNER_FOLDS = 5, REPEATS = 5 };
static const double visits_ridge = 1;
/* the inputs of the shipped weights */
static const uint32_t shipped = 1u << WARNING_VISIT_ONE | 1u << WARNING_VISIT_DAYS |
                                1u << WARNING_VISIT_GAP | 1u << WARNING_VISIT_EVEN;

/* Fits on the visitors whose fold is not `out`, with the inputs of the mask. */
struct choice {
    uint32_t mask; /* of inputs; the constant always */
    double weights[WARNING_VISIT_INPUTS];
};

static enum err fit_visits(const struct visits *v, const uint8_t *fold, int out,
                           struct arena *scratch, struct choice *c)
{
    int32_t rows = 0, width = 0;
    double *x = arena_new(scratch, double, (size_t)v->visitor_count *WARNING_VISIT_INPUTS);
    uint8_t *y = arena_new(scratch, uint8_t, (size_t)v->visitor_count);
    double w[WARNING_VISIT_INPUTS];

    if (!x || !y)
        return ERR_NOMEM;
    for (int32_t i = 0; i < v->visitor_count; i++) {
        int32_t j = 0;

        if (fold[i] == out || fold[i] == UINT8_MAX)
            continue;
        for (int in = 0; in < WARNING_VISIT_INPUTS; in++)
            if (c->mask >> in & 1)
                x[(size_t)rows * WARNING_VISIT_INPUTS + j++] = v->visitors[i].x[in];
        width = j;
        y[rows++] = v->visitors[i].low;
    }
    for (int32_t i = 0; i < rows; i++) /* closer together, now that the width is known */
        memmove(x + (size_t)i * width, x + (size_t)i * WARNING_VISIT_INPUTS,
                (size_t)width * sizeof *x);
    enum err e = warning_fit(scratch, x, y, rows, width, visits_ridge, NULL, w);
    int32_t j = 0;
    for (int in = 0; in < WARNING_VISIT_INPUTS; in++)
        c->weights[in] = c->mask >> in & 1 ? w[j++] : 0;
    return e;
}

static double visits_risk(const struct choice *c, const struct visitor *p)
{
    return warning_visits_risk(c->weights, p->x);
}

/* Deals the visitors whose fold is not UINT8_MAX into folds of like shares of `low`. */
static void deal(const struct visits *v, int folds, struct rng *rng, uint8_t *fold)
{
    int32_t order[VISITORS_MAX], n = 0;
    int next = 0;

    for (int32_t i = 0; i < v->visitor_count; i++)
        if (fold[i] != UINT8_MAX)
            order[n++] = i;
    for (int32_t i = n; i-- > 1;) {
        int32_t j = (int32_t)rng_below(rng, (uint64_t)i + 1), kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
    for (int low = 0; low < 2; low++)
        for (int32_t i = 0; i < n; i++)
            if (v->visitors[order[i]].low == low)
                fold[order[i]] = (uint8_t)(next++ % folds);
}

/* Log loss over folds within the training part. */
static enum err inner_loss(const struct visits *v, const uint8_t *fold, struct arena *scratch,
                           uint32_t mask, double *ret, double *ret_se)
{
    struct choice c = {.mask = mask};
    double sum = 0, squares = 0;
    int32_t n = 0;

    for (int k = 0; k < INNER_FOLDS; k++) {
        enum err e = fit_visits(v, fold, k, scratch, &c);

        if (e != ERR_OK)
            return e;
        for (int32_t i = 0; i < v->visitor_count; i++) {
            if (fold[i] != k)
                continue;
            double p = visits_risk(&c, &v->visitors[i]);

            double loss = -log(fmax(1e-6, v->visitors[i].low ? p : 1 - p));

            sum += loss;
            squares += loss * loss;
            n++;
        }
        arena_clear(scratch);
    }
    *ret = sum / n;
    *ret_se = sqrt(fmax(0, squares / n - *ret * *ret) / n);
    return ERR_OK;
}

/* Deals the training part into inner folds and tries every subset of the inputs there. */
enum { SUBSETS = 1 << (WARNING_VISIT_INPUTS - 1) };
struct tried {
    double loss[SUBSETS], se[SUBSETS]; /* by mask / 2 */
    uint32_t best;
};

static enum err try_subsets(const struct visits *v, const uint8_t *fold, int out, struct rng *rng,
                            struct arena *scratch, struct tried *ret)
{
    uint8_t inner[VISITORS_MAX];
    enum err e = ERR_OK;

    for (int32_t i = 0; i < v->visitor_count; i++)
        inner[i] = fold[i] == out ? UINT8_MAX : 0;
    deal(v, INNER_FOLDS, rng, inner);
    ret->best = 0;
    for (uint32_t s = 0; s < SUBSETS && e == ERR_OK; s++) {
        e = inner_loss(v, inner, scratch, s << 1 | 1, &ret->loss[s], &ret->se[s]);
        ret->best = e == ERR_OK && ret->loss[s] < ret->loss[ret->best] ? s : ret->best;
    }
    return e;
}

/* The fewest inputs whose loss is within a standard error of the least (Breiman, Friedman, Olshen &
 * Stone 1984), the best of those as few; or, not `simple`, those of the least. */
static enum err choose(const struct visits *v, const uint8_t *fold, int out, bool simple,
                       struct rng *rng, struct arena *scratch, struct choice *ret)
{
    struct tried t;
    enum err e = try_subsets(v, fold, out, rng, scratch, &t);

    if (e != ERR_OK)
        return e;
    uint32_t chosen = t.best;
    for (uint32_t s = 0; simple && s < SUBSETS; s++) {
        int fewer = __builtin_popcount(chosen) - __builtin_popcount(s);

        if (t.loss[s] <= t.loss[t.best] + t.se[t.best] &&
            (fewer > 0 || (fewer == 0 && t.loss[s] < t.loss[chosen])))
            chosen = s;
    }
    *ret = (struct choice){.mask = chosen << 1 | 1};
    e = fit_visits(v, fold, out, scratch, ret);
    arena_clear(scratch);
    return e;
}

/* The mean of the models of all subsets of the inputs, each weighed by its likelihood of what it
 * had not seen of the training part (pseudo Bayesian model averaging; Geisser & Eddy 1979). */
static enum err average(const struct visits *v, const uint8_t *fold, int out, struct rng *rng,
                        struct arena *scratch, struct choice *ret)
{
    struct tried t;
    double sum = 0;
    int32_t n = 0;
    enum err e = try_subsets(v, fold, out, rng, scratch, &t);

    for (int32_t i = 0; i < v->visitor_count; i++)
        n += fold[i] != out;
    *ret = (struct choice){.mask = UINT32_MAX};
    for (uint32_t s = 0; s < SUBSETS && e == ERR_OK; s++) {
        struct choice c = {.mask = s << 1 | 1};
        double weight = exp((t.loss[t.best] - t.loss[s]) * n);

        e = fit_visits(v, fold, out, scratch, &c);
        for (int i = 0; i < WARNING_VISIT_INPUTS; i++)
            ret->weights[i] += weight * c.weights[i];
        sum += weight;
        arena_clear(scratch);
    }
    for (int i = 0; i < WARNING_VISIT_INPUTS && e == ERR_OK; i++)
        ret->weights[i] /= sum;
    return e;
}

static enum err print_visits(const struct courses_options *o, const struct visits *v,
                             const double *risk, const char *model)
{
    struct forecast f[VISITORS_MAX];
    struct scores s;

    for (int32_t i = 0; i < v->visitor_count; i++)
        f[i] = (struct forecast){(float)risk[i], v->visitors[i].low, (uint32_t)i};
    enum err e = scores_of(f, v->visitor_count, (uint32_t)v->visitor_count, o->resamples, &s);
    if (e == ERR_OK)
        scores_print(o->out, o->set, "day-14", model, &s);
    return e;
}

enum way { WAY_FIXED, WAY_BEST, WAY_SIMPLE, WAY_AVERAGE };

/* Each visitor's risk is the mean of REPEATS forecasts, none of which had seen that visitor. */
static enum err crossed(const struct visits *v, enum way way, uint32_t mask, double *ret)
{
    uint8_t fold[VISITORS_MAX];
    struct arena scratch;
    struct rng rng;
    enum err e = ERR_OK;

    arena_init(&scratch, 64 << 20);
    rng_seed(&rng, 2019);
    memset(ret, 0, (size_t)v->visitor_count * sizeof *ret);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        memset(fold, 0, sizeof fold);
        deal(v, FOLDS, &rng, fold);
        for (int k = 0; k < FOLDS && e == ERR_OK; k++) {
            struct choice c = {.mask = mask};

            e = way == WAY_FIXED     ? fit_visits(v, fold, k, &scratch, &c)
                : way == WAY_AVERAGE ? average(v, fold, k, &rng, &scratch, &c)
                                     : choose(v, fold, k, way == WAY_SIMPLE, &rng, &scratch, &c);
            for (int32_t i = 0; e == ERR_OK && i < v->visitor_count; i++)
                if (fold[i] == k)
                    ret[i] += visits_risk(&c, &v->visitors[i]) / REPEATS;
            arena_clear(&scratch);
        }
    }
    arena_fini(&scratch);
    return e;
}

/* The hard rule as probabilities: the shares of low ends on its two sides, of the others. */
static void absent_risk(const struct visits *v, double *ret)
{
    double n[2] = {1, 1}, low[2] = {0.5, 0.5};

    for (int32_t i = 0; i < v->visitor_count; i++) {
        n[v->visitors[i].absent]++;
        low[v->visitors[i].absent] += v->visitors[i].low;
    }
    for (int32_t i = 0; i < v->visitor_count; i++)
        ret[i] = low[v->visitors[i].absent] / n[v->visitors[i].absent];
}

static enum err judge_visits(const struct courses_options *o, const struct visits *v)
{
    static const struct {
        const char *model;
        enum way way;
        uint32_t mask;
    } models[] = {
        {"count-of-actions", WAY_FIXED, 1u << WARNING_VISIT_ONE | 1u << WARNING_VISIT_ACTIONS},
        {"best-in-folds", WAY_BEST, 0},
        {"averaged-in-folds", WAY_AVERAGE, 0},
        {"simplest-in-folds", WAY_SIMPLE, 0},
        {"longest-silence", WAY_FIXED, 1u << WARNING_VISIT_ONE | 1u << WARNING_VISIT_SILENCE},
        {"doppel", WAY_FIXED, shipped},
    };

    double risk[VISITORS_MAX];

    absent_risk(v, risk);
    enum err e = print_visits(o, v, risk, "seven-days-absent");
    for (size_t i = 0; i < COUNT(models) && e == ERR_OK; i++) {
        e = crossed(v, models[i].way, models[i].mask, risk);
        if (e == ERR_OK)
            e = print_visits(o, v, risk, models[i].model);
    }
    return e;
}

/* Of all visitors: what is shipped. */
static enum err print_visit_weights(const struct courses_options *o, const struct visits *v)
{
    static const uint8_t fold[VISITORS_MAX];
    struct choice c = {.mask = shipped};
    struct arena scratch;

    arena_init(&scratch, 64 << 20);
    enum err e = fit_visits(v, fold, -1, &scratch, &c);
    for (int in = 0; in < WARNING_VISIT_INPUTS && e == ERR_OK; in++)
        fprintf(o->out, "%s%.4f", in ? ", " : "{", c.weights[in]);
    if (e == ERR_OK)
        fputs("}\n", o->out);
    arena_fini(&scratch);
    return e;
}

enum err courses_evaluate_visits(const struct courses_options *o)
{
    struct visits *v = NULL;
    enum err e = visits_load(o, &v);

    if (e == ERR_OK)
        e = judge_visits(o, v);
    visits_free(v);
    return e;
}

enum err courses_print_visit_weights(const struct courses_options *o)
{
    struct visits *v = NULL;
    enum err e = visits_load(o, &v);

    if (e == ERR_OK)
        e = print_visit_weights(o, v);
    visits_free(v);
    return e;
}
