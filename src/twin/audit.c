#include "twin/audit.h"

#include "base/assert.h"
#include "twin/dist.h"
#include "twin/stats.h"

#include <math.h>
#include <string.h>

static const double micro = 1e6;

int32_t audit_bin_of(double p)
{
    ASSERT(p >= 0 && p <= 1);
    double odds = log(fmax(p, 1e-9) / fmax(1 - p, 1e-9)), bin = floor((odds + 6) * AUDIT_BINS / 12);

    return bin < 0 ? 0 : bin >= AUDIT_BINS ? AUDIT_BINS - 1 : (int32_t)bin;
}

struct audit_bin audit_outcome(double p, bool yes)
{
    double off = p - yes, kept = fmin(fmax(p, 0.0005), 0.9995);

    return (struct audit_bin){.n = 1,
                              .yes = yes,
                              .p_micro = llround(p * micro),
                              .square_micro = llround(p * p * micro),
                              .brier_micro = llround(off * off * micro),
                              .loss_micro = llround(-log(yes ? kept : 1 - kept) * micro)};
}

void audit_add(struct audit_bin *into, const struct audit_bin *one, int sign)
{
    into->n += sign * one->n;
    into->yes += sign * one->yes;
    into->p_micro += sign * one->p_micro;
    into->square_micro += sign * one->square_micro;
    into->brier_micro += sign * one->brier_micro;
    into->loss_micro += sign * one->loss_micro;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : (double)NAN;
}

static double entropy(double p)
{
    return p > 0 && p < 1 ? -p * log(p) - (1 - p) * log(1 - p) : 0;
}

/* The chance that a yes was forecast higher than a no. */
static void rank(const struct audit_bin *bins, struct audit_report *r)
{
    double yes = (double)r->yes, no = (double)(r->n - r->yes), below = 0, won = 0;

    r->auc = r->auc_low = r->auc_high = (double)NAN;
    if (!(yes > 0 && no > 0))
        return;
    for (int i = 0; i < AUDIT_BINS; i++) {
        double here = (double)(bins[i].n - bins[i].yes);

        won += (double)bins[i].yes * (below + here / 2);
        below += here;
    }
    double a = r->auc = won / yes / no, q1 = a / (2 - a), q2 = 2 * a * a / (1 + a);
    double variance = (a * (1 - a) + (yes - 1) * (q1 - a * a) + (no - 1) * (q2 - a * a)) / yes / no;
    double reach = STATS_Z95 * sqrt(fmax(variance, 0));
    r->auc_low = fmax(a - reach, 0);
    r->auc_high = fmin(a + reach, 1);
}

static void close_bin(struct audit_report *r, const struct audit_bin *b)
{
    struct audit_reliability *out = &r->bin[r->bins++];
    double n = (double)b->n;
    struct interval i = stats_wilson((double)b->yes, n, STATS_Z95);

    *out = (struct audit_reliability){.n = b->n,
                                      .forecast = (double)b->p_micro / micro / n,
                                      .observed = (double)b->yes / n,
                                      .low = i.low,
                                      .high = i.high};
    double off = out->forecast - out->observed, apart = out->observed - r->share;
    double mass = n / (double)r->n;
    r->reliability += mass * off * off;
    r->resolution += mass * apart * apart;
    r->calibration_error += mass * fabs(off);
}

/* Bins are joined until they hold a tenth of all; what is left at the end joins the last. */
static void calibrate(const struct audit_bin *bins, struct audit_report *r)
{
    struct audit_bin open = {0};
    int64_t left = r->n, wanted = (r->n + AUDIT_RELIABILITY - 1) / AUDIT_RELIABILITY;

    for (int i = 0; i < AUDIT_BINS; i++) {
        audit_add(&open, &bins[i], 1);
        left -= bins[i].n;
        if (open.n >= wanted && left >= wanted) {
            close_bin(r, &open);
            open = (struct audit_bin){0};
        }
    }
    if (open.n)
        close_bin(r, &open);
}

static void decide(const struct audit_bin *bins, struct audit_report *r)
{
    for (int i = 0; i < AUDIT_BINS; i++) {
        int64_t no = bins[i].n - bins[i].yes;

        if (i >= AUDIT_BINS / 2) { /* the middle of the bins is a forecast of one half */
            r->true_yes += bins[i].yes;
            r->false_yes += no;
        } else {
            r->false_no += bins[i].yes;
            r->true_no += no;
        }
    }
    r->accuracy = (double)(r->true_yes + r->true_no) / (double)r->n;
    r->precision = ratio((double)r->true_yes, (double)(r->true_yes + r->false_yes));
    r->recall = ratio((double)r->true_yes, (double)(r->true_yes + r->false_no));
    r->f1 = ratio(2 * (double)r->true_yes, (double)(2 * r->true_yes + r->false_yes + r->false_no));
}

void audit_report_of(const struct audit_bin *bins, struct audit_report *ret)
{
    struct audit_bin all = {0};

    *ret = (struct audit_report){.n = 0};
    for (int i = 0; i < AUDIT_BINS; i++) {
        ASSERT(bins[i].n >= 0 && bins[i].yes >= 0 && bins[i].yes <= bins[i].n);
        audit_add(&all, &bins[i], 1);
    }
    ret->n = all.n;
    ret->yes = all.yes;
    ret->enough = all.n >= AUDIT_MIN;
    if (!ret->enough)
        return;
    double n = (double)all.n, p_sum = (double)all.p_micro / micro;
    ret->share = (double)all.yes / n;
    ret->brier = (double)all.brier_micro / micro / n;
    ret->log_loss = (double)all.loss_micro / micro / n;
    ret->uncertainty = ret->baseline_brier = ret->share * (1 - ret->share);
    ret->baseline_log_loss = entropy(ret->share);
    ret->brier_skill = 1 - ratio(ret->brier, ret->baseline_brier);
    ret->bias = p_sum / n - ret->share;
    double spread = sqrt(fmax(p_sum - (double)all.square_micro / micro, 1e-12));
    ret->bias_p = dist_normal_two_sided(ret->bias * n / spread);
    rank(bins, ret);
    calibrate(bins, ret);
    decide(bins, ret);
}
