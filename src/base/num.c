#include "base/num.h"

#include "base/assert.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>

/* A double is decided by at most 767 digits; beyond, it matters only whether any is not zero. */
enum {
    POWERS = 23,
    DIGITS_MAX = 800,
    EXPONENT_MAX = 100000,   /* far outside double, and still an int */
    WRITTEN_MAX = 100000000, /* of an exponent as written: more than any text can outweigh */
};

static const double powers_of_ten[POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                             1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                             1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const uint64_t powers_u64[10] = {1,      10,      100,      1000,      10000,
                                        100000, 1000000, 10000000, 100000000, 1000000000};

static locale_t c_locale;
static void c_locale_make(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    ASSERT(c_locale);
}

/* A number taken apart: 0.d1d2d3… without its leading zeros, times ten to `exponent`. */
struct decimal {
    bool negative;
    bool cut; /* digits other than 0 were left out */
    int32_t exponent;
    int32_t n;
    char digits[DIGITS_MAX];
};

static void decimal_take(struct decimal *d, struct str s)
{
    const char *p = s.p, *end = s.p + s.n;
    bool point = false, exponent_negative = false;
    int64_t shift = 0;
    int32_t exponent = 0;

    d->n = 0, d->cut = false;
    d->negative = p < end && *p == '-';
    for (p += d->negative; p < end && (*p | 0x20) != 'e'; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        shift += !point;
        if (d->n == 0 && *p == '0')
            shift--;
        else if (d->n < DIGITS_MAX)
            d->digits[d->n++] = *p;
        else
            d->cut |= *p != '0';
    }
    if (p < end) {
        p++;
        exponent_negative = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+'))
            p++;
        for (; p < end; p++)
            exponent = exponent < WRITTEN_MAX ? exponent * 10 + (*p - '0') : exponent;
    }
    shift += exponent_negative ? -exponent : exponent;
    d->exponent = (int32_t)(shift > EXPONENT_MAX    ? EXPONENT_MAX
                            : shift < -EXPONENT_MAX ? -EXPONENT_MAX
                                                    : shift);
}

static double parse_slow(struct str s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct decimal d;
    char text[DIGITS_MAX + 32];
    size_t n = 0;

    pthread_once(&once, c_locale_make);
    decimal_take(&d, s);
    if (d.negative)
        text[n++] = '-';
    text[n++] = '0';
    text[n++] = '.';
    memcpy(text + n, d.digits, (size_t)d.n);
    n += (size_t)d.n;
    text[n++] = d.cut ? '1' : '0';
    snprintf(text + n, sizeof text - n, "e%d", d.exponent);
    return strtod_l(text, NULL, c_locale);
}

enum err num_parse_f64(struct str s, double *ret)
{
    const char *p = s.p, *end = s.p + s.n;
    bool negative = p < end && *p == '-';
    uint64_t mantissa = 0;
    int digits = 0, exponent = 0, written = 0;

    if (s.n > NUM_PARSE_MAX)
        return ERR_RANGE;
    p += negative;
    for (; p < end && (unsigned)(*p - '0') <= 9; p++) {
        mantissa = mantissa * 10 + (unsigned)(*p - '0'); /* may wrap: then digits > 18 */
        digits += mantissa != 0;
    }
    if (p < end && *p == '.')
        for (p++; p < end && (unsigned)(*p - '0') <= 9; p++) {
            mantissa = mantissa * 10 + (unsigned)(*p - '0');
            digits += mantissa != 0;
            exponent--;
        }
    if (p < end && (*p | 0x20) == 'e') {
        bool minus = ++p < end && *p == '-';

        p += p < end && (*p == '-' || *p == '+');
        for (; p < end; p++)
            written = written < WRITTEN_MAX ? written * 10 + (*p - '0') : written;
        exponent += minus ? -written : written;
    }

    double v;

    if (digits <= 18 && mantissa < (UINT64_C(1) << 53) && exponent > -POWERS && exponent < POWERS) {
        v = exponent < 0 ? (double)mantissa / powers_of_ten[-exponent]
                         : (double)mantissa * powers_of_ten[exponent];
        v = negative ? -v : v;
    } else {
        v = parse_slow(s);
    }
    if (isinf(v))
        return ERR_RANGE;
    *ret = v;
    return ERR_OK;
}

static const char digit_pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930"
    "31323334353637383940414243444546474849505152535455565758596061"
    "62636465666768697071727374757677787980818283848586878889909192"
    "93949596979899";

static size_t print_digits(uint64_t v, char *out)
{
    char text[20], *p = text + sizeof text;

    for (; v >= 100; v /= 100)
        p -= 2, memcpy(p, digit_pairs + v % 100 * 2, 2);
    if (v >= 10)
        p -= 2, memcpy(p, digit_pairs + v * 2, 2);
    else
        *--p = (char)('0' + v);
    size_t n = (size_t)(text + sizeof text - p);

    memcpy(out, p, n);
    return n;
}

size_t num_print_u64(uint64_t v, char out[NUM_TEXT_MAX])
{
    return print_digits(v, out);
}

size_t num_print_i64(int64_t v, char out[NUM_TEXT_MAX])
{
    if (v >= 0)
        return print_digits((uint64_t)v, out);
    out[0] = '-';
    return 1 + print_digits(0 - (uint64_t)v, out + 1);
}

/* units / 10^decimals with its point, all decimals shown */
static size_t print_scaled(uint64_t units, int decimals, char *out)
{
    char text[NUM_TEXT_MAX];
    size_t n = print_digits(units, text), d = (size_t)decimals, whole = n > d ? n - d : 0;
    size_t at = 0;

    if (whole)
        memcpy(out, text, whole), at = whole;
    else
        out[at++] = '0';
    if (d == 0)
        return at;
    out[at++] = '.';
    for (size_t zeros = n < d ? d - n : 0; zeros; zeros--)
        out[at++] = '0';
    memcpy(out + at, text + whole, n - whole);
    return at + n - whole;
}

/* Reading back tells when the digits are enough. 15 always survive, but not below the normal range.
 */
static size_t print_general(double v, char out[NUM_TEXT_MAX])
{
    char text[NUM_TEXT_MAX + 1];
    int n = 0;

    for (int digits = fabs(v) < 0x1p-1022 ? 1 : 15; digits <= 17; digits++) {
        double back;

        n = snprintf(text, sizeof text, "%.*g", digits, v);
        ASSERT(n > 0 && n < (int)sizeof text);
        if (num_parse_f64((struct str){text, (size_t)n}, &back) == ERR_OK && back == v)
            break;
    }
    memcpy(out, text, (size_t)n);
    return (size_t)n;
}

size_t num_print_f64(double v, char out[NUM_TEXT_MAX])
{
    double a = fabs(v);
    size_t sign = signbit(v) ? 1 : 0;

    ASSERT(isfinite(v));
    out[0] = '-';
    if (a < 1e15 && a == (double)(uint64_t)a)
        return sign + print_digits((uint64_t)a, out + sign);
    /* At most 15 digits: the nearest decimal of k places, if it reads back, is the shortest. */
    if (a >= 1e-5 && a < 1e15)
        for (int k = 1; k <= 19; k++) {
            double units = rint(a * powers_of_ten[k]);

            if (units >= 1e15)
                break;
            if (units / powers_of_ten[k] == a)
                return sign + print_scaled((uint64_t)units, k, out + sign);
        }
    return print_general(v, out);
}

size_t num_print_fixed(double v, int decimals, char out[NUM_TEXT_MAX])
{
    ASSERT(decimals >= 0 && decimals <= 9 && isfinite(v));
    double units = round(fabs(v) * (double)powers_u64[decimals]);

    if (!(units < 0x1p53))
        return num_print_f64(v, out);
    size_t sign = v < 0 && units > 0 ? 1 : 0;

    out[0] = '-';
    return sign + print_scaled((uint64_t)units, decimals, out + sign);
}
