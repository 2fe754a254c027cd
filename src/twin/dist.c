#include "twin/dist.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

enum { FRACTION_STEPS = 20000, ROOT_STEPS = 300 };
#define SQRT2 1.4142135623730951
#define SQRT_2PI 2.5066282746310002
#define TINY 1e-300

double dist_normal_cdf(double z)
{
    return 0.5 * erfc(-z / SQRT2);
}

double dist_normal_two_sided(double z)
{
    return erfc(fabs(z) / SQRT2);
}

static double polynomial(const double *c, int degree, double x)
{
    double v = c[degree];

    for (int i = degree - 1; i >= 0; i--)
        v = v * x + c[i];
    return v;
}

/* Wichura's PPND7: seven digits; the caller sharpens them. p is below one half. */
static double lower_quantile_rough(double p)
{
    static const double a[] = {3.3871327179, 50.434271938, 159.29113202, 59.109374720},
                        b[] = {1, 17.895169469, 78.757757664, 67.187563600},
                        c[] = {1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103},
                        d[] = {1, 0.73700164250, 0.12021132975},
                        e[] = {6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997},
                        f[] = {1, 0.24197894225, 0.012258202635};
    double q = p - 0.5;

    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;
        return q * polynomial(a, 3, r) / polynomial(b, 3, r);
    }
    double r = sqrt(-log(p));
    if (r <= 5)
        return -polynomial(c, 3, r - 1.6) / polynomial(d, 2, r - 1.6);
    return -polynomial(e, 3, r - 5) / polynomial(f, 2, r - 5);
}

double dist_normal_quantile(double p)
{
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (p <= 0 || p >= 1)
        return p <= 0 ? -INFINITY : INFINITY;
    if (p > 0.5)
        return -dist_normal_quantile(1 - p);

    double z = lower_quantile_rough(p);
    for (int i = 0; i < 2; i++) { /* Halley: f = Phi(z) - p, f''/f' = -z */
        double u = (dist_normal_cdf(z) - p) / (exp(-z * z / 2) / SQRT_2PI);
        if (!isfinite(u)) /* beyond the density's smallest value: the rough one stands */
            break;
        z -= u / (1 + z * u / 2);
    }
    return z;
}

/* ---- incomplete beta ---- */

/* log Gamma(x) - [(x - 1/2) log x - x + log sqrt(2 pi)] for x >= 10 (DLMF 5.11.1). */
static double stirling_rest(double x)
{
    static const double c[] = {1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188};

    return polynomial(c, 4, 1 / (x * x)) / x;
}

static double log_gamma(double x)
{
    int sign;

    return lgamma_r(x, &sign);
}

/* v - log(1 + v), which is small for small v. */
static double minus_log1p(double v)
{
    if (fabs(v) > 0.02)
        return v - log1p(v);
    double sum = 0, power = v;
    for (int k = 2; k < 14; k++) {
        power *= -v;
        sum -= power / k;
    }
    return sum;
}

/* log Gamma(a + b) - log Gamma(a), b < 10: for large a the two nearly cancel. */
static double log_rising(double a, double b)
{
    if (a < 10)
        return log_gamma(a + b) - log_gamma(a);
    return (a - 0.5) * log1p(b / a) + b * log(a + b) - b + stirling_rest(a + b) - stirling_rest(a);
}

/* What does not depend on x. */
struct beta {
    double a, b;
    double rising, small; /* one shape below 10: logs */
    double scale, rest;   /* else */
    bool large;
};

static struct beta beta_of(double a, double b)
{
    struct beta s = {.a = a, .b = b, .large = a >= 10 && b >= 10};
    double n = a + b;

    if (s.large) {
        s.scale = sqrt(a * b / (2 * M_PI * n));
        s.rest = stirling_rest(n) - stirling_rest(a) - stirling_rest(b);
    } else {
        s.small = log_gamma(fmin(a, b));
        s.rising = log_rising(fmax(a, b), fmin(a, b));
    }
    return s;
}

/* x^a y^b / B(a, b), y = 1 - x. For large shapes the three factors nearly cancel: then their
 * quotient with the value at the mean is taken. */
static double beta_front(const struct beta *s, double x, double y)
{
    double a = s->a, b = s->b;

    if (!s->large) {
        double log_x = x < y ? log(x) : log1p(-y), log_y = x < y ? log1p(-x) : log(y);
        return exp(a * log_x + b * log_y + s->rising - s->small);
    }
    double n = a + b, e = x < y ? x * n - a : b - y * n; /* distance from the mean, times n */
    double off = -a * minus_log1p(e / a) - b * minus_log1p(-e / b);
    return s->scale * exp(off + s->rest);
}

static double beta_fraction(double x, double a, double b)
{
    double c = 1, d = 1 - (a + b) * x / (a + 1);

    d = 1 / (fabs(d) < TINY ? TINY : d);
    double h = d;
    for (int m = 1; m <= FRACTION_STEPS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));

        d = 1 + even * d, c = 1 + even / c;
        d = 1 / (fabs(d) < TINY ? TINY : d), c = fabs(c) < TINY ? TINY : c;
        h *= d * c;
        d = 1 + odd * d, c = 1 + odd / c;
        d = 1 / (fabs(d) < TINY ? TINY : d), c = fabs(c) < TINY ? TINY : c;
        h *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON)
            break;
    }
    return h;
}

/* I_x(a, b), with y = 1 - x given by itself: near 1 the difference would lose it. */
static double beta_lower_of(const struct beta *s, double x, double y, double front)
{
    if (x * (s->a + s->b + 2) < s->a + 1)
        return front * beta_fraction(x, s->a, s->b) / s->a;
    return 1 - front * beta_fraction(y, s->b, s->a) / s->b;
}

static double beta_lower(double x, double y, double a, double b)
{
    if (x <= 0 || y <= 0)
        return x <= 0 ? 0 : 1;
    const struct beta s = beta_of(a, b);
    return beta_lower_of(&s, x, y, beta_front(&s, x, y));
}

static bool is_shape(double a)
{
    return a > 0 && isfinite(a);
}

double dist_beta_cdf(double x, double a, double b)
{
    if (!is_shape(a) || !is_shape(b) || isnan(x))
        return NAN;
    return fmin(1, beta_lower(x, 1 - x, a, b));
}

/* Where to begin: the logit is about normal, its variance about 1/a + 1/b. */
static double beta_guess(double p, double a, double b, bool mirrored)
{
    if (a <= 1 || b <= 1)
        return 0.25;
    double z = dist_normal_quantile(p),
           logit = log((a - 1.0 / 3) / (b - 1.0 / 3)) + z * sqrt(1 / a + 1 / b);
    double x = 1 / (1 + exp(mirrored ? logit : -logit));
    return x > 0 && x < 0.5 ? x : 0.25;
}

/* The smaller of x and 1 - x is found, by Newton's steps kept within a bracket that shrinks.
 * *ret_mirrored: it is 1 - x. */
static double beta_root(double p, double a, double b, bool *ret_mirrored)
{
    const struct beta s = beta_of(a, b);
    bool mirrored = beta_lower_of(&s, 0.5, 0.5, beta_front(&s, 0.5, 0.5)) < p;
    double low = 0, high = 0.5, x = beta_guess(p, a, b, mirrored);

    for (int i = 0; i < ROOT_STEPS && high - low > 2 * DBL_EPSILON * high; i++) {
        /* I_{1-x}(a, b) as it is, not as 1 - I_x(b, a): a small p would be lost. */
        double at = mirrored ? 1 - x : x, rest = mirrored ? x : 1 - x;
        double front = beta_front(&s, at, rest), f = beta_lower_of(&s, at, rest, front) - p;
        if (mirrored)
            f = -f;
        if (f > 0)
            high = x;
        else
            low = x;
        double next = x - f * x * (1 - x) / front;
        if (fabs(next - x) <= 2 * DBL_EPSILON * x) /* from here on it would only go to and fro */
            break;
        if (!(next > low && next < high)) /* far below: halve the exponent, not the value */
            next = low > 0 ? (low + high) / 2 : high / (i % 8 == 7 ? 1e6 : 4);
        if (next == x)
            break;
        x = next;
    }
    *ret_mirrored = mirrored;
    return x;
}

double dist_beta_quantile(double p, double a, double b)
{
    bool mirrored;

    if (!is_shape(a) || !is_shape(b) || !(p >= 0 && p <= 1))
        return NAN;
    if (p <= 0 || p >= 1)
        return p <= 0 ? 0 : 1;
    double x = beta_root(p, a, b, &mirrored);
    return mirrored ? 1 - x : x;
}

/* ---- t and F ---- */

double dist_t_two_sided(double t, double df)
{
    if (!(df > 0) || isnan(t))
        return NAN;
    if (isinf(df) || df > 1e15)
        return dist_normal_two_sided(t);
    if (isinf(t))
        return 0;
    double s = df + t * t;
    return beta_lower(df / s, t * t / s, df / 2, 0.5);
}

double dist_t_cdf(double t, double df)
{
    double tail = dist_t_two_sided(t, df) / 2;

    return t > 0 ? 1 - tail : tail;
}

double dist_t_quantile(double p, double df)
{
    bool mirrored;

    if (!(df > 0) || !(p >= 0 && p <= 1))
        return NAN;
    if (isinf(df) || df > 1e15)
        return dist_normal_quantile(p);
    if (p <= 0 || p >= 1)
        return p <= 0 ? -INFINITY : INFINITY;
    if (p > 0.5)
        return -dist_t_quantile(1 - p, df);
    if (p == 0.5)
        return 0;

    double x = beta_root(2 * p, df / 2, 0.5, &mirrored); /* df / (df + t^2), or t^2 / (df + t^2) */
    return -sqrt(mirrored ? df * x / (1 - x) : df * (1 - x) / x);
}

double dist_f_tail(double f, double df1, double df2)
{
    if (!is_shape(df1) || !is_shape(df2) || isnan(f))
        return NAN;
    if (f <= 0 || isinf(f))
        return f <= 0 ? 1 : 0;
    double s = df2 + df1 * f;
    return beta_lower(df2 / s, df1 * f / s, df2 / 2, df1 / 2);
}

/* ---- incomplete gamma ---- */

static double gamma_front(double x, double a) /* x^a e^-x / Gamma(a) */
{
    if (a < 10)
        return exp(a * log(x) - x - log_gamma(a));
    double v = (x - a) / a;
    return sqrt(a / (2 * M_PI)) * exp(-a * minus_log1p(v) - stirling_rest(a));
}

double dist_gamma_tail(double x, double a)
{
    if (!is_shape(a) || isnan(x))
        return NAN;
    if (x <= 0 || isinf(x))
        return x <= 0 ? 1 : 0;
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (int n = 1; n < FRACTION_STEPS && term > sum * DBL_EPSILON / 4; n++) {
            term *= x / (a + n);
            sum += term;
        }
        return fmax(0, 1 - gamma_front(x, a) * sum);
    }
    double b = x + 1 - a, c = 1 / TINY, d = 1 / b, h = d;
    for (int n = 1; n < FRACTION_STEPS; n++) {
        double an = -n * (n - a);
        b += 2;
        d = an * d + b, c = b + an / c;
        d = 1 / (fabs(d) < TINY ? TINY : d), c = fabs(c) < TINY ? TINY : c;
        h *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON)
            break;
    }
    return gamma_front(x, a) * h;
}

double dist_chi2_tail(double x, double df)
{
    return dist_gamma_tail(x / 2, df / 2);
}
