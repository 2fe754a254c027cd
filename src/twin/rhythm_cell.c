#include "twin/rhythm_cell.h"

#include <math.h>

/* ---- sums ---- */

void rhythm_count(struct rhythm_part *part, double forecast, bool success, int sign)
{
    if (isnan(forecast))
        return;
    double p = fmin(1 - RHYTHM_FORECAST_MIN, fmax(RHYTHM_FORECAST_MIN, forecast));
    int64_t expected = llround(p * RHYTHM_MICRO);

    part->n += sign;
    part->expected += sign * expected;
    part->residual += sign * ((success ? (int64_t)RHYTHM_MICRO : 0) - expected);
    part->information += sign * llround(p * (1 - p) * RHYTHM_MICRO);
}

void rhythm_part_add(struct rhythm_part *to, const struct rhythm_part *part, int sign)
{
    to->n += sign * part->n;
    to->expected += sign * part->expected;
    to->residual += sign * part->residual;
    to->information += sign * part->information;
}

/* a b, both in millionths; towards zero, so that what was added can be taken away. */
static int64_t product(int64_t a, int64_t b)
{
    return (int64_t)((__int128_t)a * b / (int64_t)RHYTHM_MICRO);
}

void rhythm_add(struct rhythm_sum *sum, const struct rhythm_part *session, int sign)
{
    if (session->n <= 0)
        return;
    rhythm_part_add(&sum->part, session, sign);
    sum->sessions += sign;
    sum->square += sign * product(session->residual, session->residual);
    sum->cross += sign * product(session->residual, session->information);
    sum->weight += sign * product(session->information, session->information);
}

/* ---- a cell's mean as a function of the rise in log odds ---- */

struct rhythm_cell rhythm_cell_of(const struct rhythm_part *part)
{
    double n = (double)part->n, mean = (double)part->expected / RHYTHM_MICRO / n;

    if (part->n <= 0)
        return (struct rhythm_cell){0};
    mean = fmin(1 - RHYTHM_FORECAST_MIN, fmax(RHYTHM_FORECAST_MIN, mean));
    double room = n * mean * (1 - mean), info = (double)part->information / RHYTHM_MICRO;
    return (struct rhythm_cell){
        .n = n,
        .y = fmin(n, fmax(0, n * mean + (double)part->residual / RHYTHM_MICRO)),
        .logit = log(mean / (1 - mean)),
        .k = fmin(1, fmax(0.01, info / room))};
}

double rhythm_cell_mean(const struct rhythm_cell *c, double d, double *ret_weight)
{
    double p = 1 / (1 + exp(-(c->logit + c->k * d)));

    *ret_weight = c->n * p * (1 - p) * c->k; /* by d */
    return c->n * p;
}

double rhythm_working(const struct rhythm_cell *c, double d, double *ret_precision)
{
    double w, mean = rhythm_cell_mean(c, d, &w);

    *ret_precision = w;
    return w > 0 ? d + (c->y - mean) / w : 0;
}

/* By Newton's steps kept within bounds. */
double rhythm_common_rise(const struct rhythm_cell *cells, int32_t count)
{
    double d = 0;

    for (int round = 0; round < 30; round++) {
        double miss = 0, slope = 1e-3; /* a little towards 0: all right or all wrong */
        for (int32_t i = 0; i < count; i++) {
            double w;
            miss += cells[i].y - rhythm_cell_mean(&cells[i], d, &w);
            slope += w;
        }
        double step = (miss - 1e-3 * d) / slope;
        d += fmin(1, fmax(-1, step));
        if (fabs(step) < 1e-9)
            break;
    }
    return fmin(6, fmax(-6, d));
}

double rhythm_chi2_draw(struct rng *rng, double df)
{
    return 2 * rng_gamma(rng, df / 2);
}

double rhythm_phi_draw(struct rng *rng, double phi, double df)
{
    double ratio = rhythm_chi2_draw(rng, df) / df;

    return phi > 1 ? ratio : fmax(1, ratio);
}
