#include "eval/score.h"

#include "base/assert.h"
#include "base/rng.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Probabilities are counted in this many cells; within one they are equal. So a resample costs one
 * pass and no sorting. */
enum { CELLS = 1 << 16, METRICS = 4 };

struct cells {
    /* weights, since a learner may be drawn more than once */
    double yes[CELLS], no[CELLS], p_sum[CELLS];
};

static int cell_of(float p)
{
    int c = (int)(p * CELLS);

    return c >= CELLS ? CELLS - 1 : c;
}

static double log_loss_of(const struct forecast *f)
{
    double p = f->p < 0.0005f ? 0.0005 : f->p > 0.9995f ? 0.9995 : (double)f->p;

    return -log(f->outcome ? p : 1 - p);
}

static double brier_of(const struct forecast *f)
{
    double miss = (double)f->p - f->outcome;

    return miss * miss;
}

static double auc_of(const struct cells *c)
{
    double yes = 0, no = 0, above = 0;

    for (int i = 0; i < CELLS; i++) {
        above += c->yes[i] * (no + c->no[i] / 2);
        yes += c->yes[i];
        no += c->no[i];
    }
    return yes > 0 && no > 0 ? above / (yes * no) : (double)NAN;
}

struct bins {
    double ece, reliability, resolution, uncertainty;
};

/* Bins of equal mass, cut where cells end. n > 0: the mass; share: of yes. */
static struct bins bins_of(const struct cells *c, double n, double share)
{
    struct bins ret = {.uncertainty = share * (1 - share)};
    double mass = 0, yes = 0, p = 0, before = 0; /* of the open bin; of all before it */
    int bin = 1;

    for (int i = 0; i < CELLS; i++) {
        mass += c->yes[i] + c->no[i];
        yes += c->yes[i];
        p += c->p_sum[i];
        if (mass <= 0 || (before + mass < n * bin / SCORE_BINS && i < CELLS - 1))
            continue;
        double off = (p - yes) / mass, apart = yes / mass - share;

        ret.ece += mass / n * fabs(off);
        ret.reliability += mass / n * off * off;
        ret.resolution += mass / n * apart * apart;
        before += mass;
        while (bin < SCORE_BINS && before >= n * bin / SCORE_BINS)
            bin++;
        mass = yes = p = 0;
    }
    return ret;
}

/* weight: by cluster; NULL: each once. */
static void fill_cells(struct cells *c, const struct forecast *f, int64_t n, const uint32_t *weight)
{
    memset(c, 0, sizeof *c);
    for (int64_t i = 0; i < n; i++) {
        double w = weight ? weight[f[i].cluster] : 1;
        int at = cell_of(f[i].p);

        *(f[i].outcome ? &c->yes[at] : &c->no[at]) += w;
        c->p_sum[at] += w * (double)f[i].p;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The middle 95 % of the values that are defined. */
static void interval(double *values, int32_t count, struct score *ret)
{
    int32_t n = 0;

    for (int32_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            values[n++] = values[i];
    if (n < 2)
        return;
    qsort(values, (size_t)n, sizeof *values, by_value);
    ret->low = values[(int32_t)(0.025 * (n - 1))];
    ret->high = values[(int32_t)(0.975 * (n - 1) + 0.5)];
}

/* What a cluster adds to the means. */
struct sums {
    double n, yes, log_loss, brier;
};

struct bootstrap {
    double *values; /* METRICS runs of `times` */
    uint32_t *weight;
    struct sums *sums;
};

static void resample_once(const struct forecast *f, int64_t n, uint32_t clusters, struct rng *rng,
                          struct bootstrap *b, struct cells *cells, double ret[METRICS])
{
    struct sums all = {0};

    memset(b->weight, 0, clusters * sizeof *b->weight);
    for (uint32_t c = 0; c < clusters; c++) {
        const uint64_t drawn = rng_below(rng, clusters);
        const struct sums *s = &b->sums[drawn];

        b->weight[drawn]++;
        all.n += s->n;
        all.yes += s->yes;
        all.log_loss += s->log_loss;
        all.brier += s->brier;
    }
    for (int m = 0; m < METRICS; m++)
        ret[m] = (double)NAN;
    if (all.n <= 0)
        return; /* only clusters without forecasts were drawn */
    fill_cells(cells, f, n, b->weight);
    ret[0] = auc_of(cells);
    ret[1] = all.log_loss / all.n;
    ret[2] = all.brier / all.n;
    ret[3] = bins_of(cells, all.n, all.yes / all.n).ece;
}

static enum err resample(const struct forecast *f, int64_t n, uint32_t clusters, int32_t times,
                         struct cells *cells, struct scores *ret)
{
    struct bootstrap b = {.values = calloc((size_t)times * METRICS, sizeof(double)),
                          .weight = calloc(clusters, sizeof(uint32_t)),
                          .sums = calloc(clusters, sizeof(struct sums))};
    struct score *into[METRICS] = {&ret->auc, &ret->log_loss, &ret->brier, &ret->ece};
    enum err e = b.values && b.weight && b.sums ? ERR_OK : ERR_NOMEM;
    struct rng rng;

    rng_seed(&rng, 1993);
    for (int64_t i = 0; e == ERR_OK && i < n; i++) {
        struct sums *s = &b.sums[f[i].cluster];

        s->n++;
        s->yes += f[i].outcome;
        s->log_loss += log_loss_of(&f[i]);
        s->brier += brier_of(&f[i]);
    }
    for (int32_t t = 0; e == ERR_OK && t < times; t++) {
        double drawn[METRICS];

        resample_once(f, n, clusters, &rng, &b, cells, drawn);
        for (int m = 0; m < METRICS; m++)
            b.values[m * times + t] = drawn[m];
    }
    for (int m = 0; e == ERR_OK && m < METRICS; m++)
        interval(b.values + m * times, times, into[m]);
    free(b.values);
    free(b.weight);
    free(b.sums);
    return e;
}

enum err scores_of(const struct forecast *f, int64_t n, uint32_t clusters, int32_t resamples,
                   struct scores *ret)
{
    const struct score none = {(double)NAN, (double)NAN, (double)NAN};
    struct scores s = {.n = n,
                       .share = (double)NAN,
                       .auc = none,
                       .log_loss = none,
                       .brier = none,
                       .ece = none,
                       .reliability = (double)NAN,
                       .resolution = (double)NAN,
                       .uncertainty = (double)NAN};
    double log_loss = 0, brier = 0, yes = 0;
    enum err e = ERR_OK;

    ASSERT(n >= 0 && resamples >= 0 && resamples <= SCORE_RESAMPLES_MAX);
    if (n == 0) {
        *ret = s;
        return ERR_OK;
    }
    struct cells *cells = malloc(sizeof *cells);
    if (!cells)
        return ERR_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        ASSERT(f[i].p >= 0 && f[i].p <= 1 && f[i].cluster < clusters);
        log_loss += log_loss_of(&f[i]);
        brier += brier_of(&f[i]);
        yes += f[i].outcome;
    }
    fill_cells(cells, f, n, NULL);
    s.share = yes / (double)n;
    struct bins b = bins_of(cells, (double)n, s.share);

    s.auc.value = auc_of(cells);
    s.log_loss.value = log_loss / (double)n;
    s.brier.value = brier / (double)n;
    s.ece.value = b.ece;
    s.reliability = b.reliability;
    s.resolution = b.resolution;
    s.uncertainty = b.uncertainty;
    if (resamples > 1 && clusters > 1)
        e = resample(f, n, clusters, resamples, cells, &s);
    free(cells);
    if (e == ERR_OK)
        *ret = s;
    return e;
}

static void print_number(FILE *out, double v)
{
    if (isnan(v))
        fputs("\t-", out);
    else
        fprintf(out, "\t%.4f", v);
}

void score_print(FILE *out, const char *set, const char *split, const char *model,
                 const char *metric, struct score s, int64_t n)
{
    fprintf(out, "%s\t%s\t%s\t%s", set, split, model, metric);
    print_number(out, s.value);
    print_number(out, s.low);
    print_number(out, s.high);
    fprintf(out, "\t%" PRId64 "\n", n);
}

void scores_print(FILE *out, const char *set, const char *split, const char *model,
                  const struct scores *s)
{
    score_print(out, set, split, model, "auc", s->auc, s->n);
    score_print(out, set, split, model, "logLoss", s->log_loss, s->n);
    score_print(out, set, split, model, "brier", s->brier, s->n);
    score_print(out, set, split, model, "ece", s->ece, s->n);
}
