#include "sim/exact.h"

/* GCC does not fuse under -std=c17; clang does unless it is told not to. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define LN2_HIGH 0x1.62e42fefa38p-1 /* 42 bits: times any exponent of a double, it is exact */
#define LN2_LOW 0x1.ef35793c7673p-45

static double power_of_two(int k) /* -1022..1023 */
{
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double d;

    __builtin_memcpy(&d, &bits, sizeof d);
    return d;
}

double exact_exp(double x)
{
    int k = (int)exact_round(x / (LN2_HIGH + LN2_LOW));
    double r = (x - k * LN2_HIGH) - k * LN2_LOW, sum = 1;

    for (int i = 14; i >= 1; i--) /* Taylor, |r| <= 0.35: the next term is below 1e-17 */
        sum = 1 + r * sum / i;
    return k > 1023 ? sum * power_of_two(1023) * 2 : sum * power_of_two(k);
}

double exact_log(double x)
{
    uint64_t bits;

    __builtin_memcpy(&bits, &x, sizeof bits);
    int k = (int)(bits >> 52) - 1023;

    bits = (bits & 0xfffffffffffff) | UINT64_C(1023) << 52;
    double m;

    __builtin_memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951)
        m /= 2, k++;
    /* log m = 2 artanh s, |s| <= 0.172 */
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;

    for (int i = 21; i >= 1; i -= 2)
        sum = sum * s2 + 1.0 / i;
    return k * LN2_HIGH + (2 * s * sum + k * LN2_LOW);
}

double exact_sqrt(double x)
{
    return __builtin_sqrt(x); /* IEEE 754 demands the nearest double */
}

double exact_cos_turn(double t)
{
    const double tau = 6.283185307179586;
    double u = t - (double)exact_round(t), x2, sum = 1; /* -1/2..1/2 of a turn */

    u = u < 0 ? -u : u;
    bool negate = u > 0.25;

    u = negate ? 0.5 - u : u;
    x2 = (tau * u) * (tau * u);
    for (int i = 22; i >= 2; i -= 2)
        sum = 1 - x2 * sum / ((i - 1) * i);
    return negate ? -sum : sum;
}

double exact_sigmoid(double x)
{
    x = x < -30 ? -30 : x > 30 ? 30 : x;
    return 1 / (1 + exact_exp(-x));
}

int64_t exact_round(double x)
{
    return (int64_t)(x < 0 ? x - 0.5 : x + 0.5);
}

double exact_normal(struct rng *r)
{
    for (;;) {
        double u = 2 * rng_unit(r) - 1, v = 2 * rng_unit(r) - 1, q = u * u + v * v;

        if (q > 1e-12 && q < 1)
            return u * exact_sqrt(-2 * exact_log(q) / q);
    }
}
