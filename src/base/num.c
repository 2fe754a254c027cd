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

enum err num_parse_i64(struct str s, int64_t *ret)
{
    const char *p = s.p, *end = s.p + s.n, *mark = p;
    bool negative = p < end && *p == '-', point = false;
    int64_t places = 0, written = 0; /* digits of the whole part, once the exponent has its say */
    uint64_t v = 0, limit = (uint64_t)INT64_MAX + negative;

    if (s.n > NUM_PARSE_MAX)
        return ERR_RANGE;
    p += negative;
    for (mark = p; mark < end && (*mark | 0x20) != 'e'; mark++) {
        point |= *mark == '.';
        places += !point;
    }
    if (mark < end) {
        const char *e = mark + 1;
        bool minus = e < end && *e == '-';

        for (e += e < end && (*e == '-' || *e == '+'); e < end; e++)
            written = written < WRITTEN_MAX ? written * 10 + (*e - '0') : written;
        places += minus ? -written : written;
    }
    for (; p < mark; p++) {
        unsigned digit = (unsigned)(*p - '0');

        if (*p == '.')
            continue;
        if (places-- <= 0) {
            if (digit)
                return ERR_RANGE; /* a fraction */
            continue;
        }
        if (v > (limit - digit) / 10)
            return ERR_RANGE;
        v = v * 10 + digit;
    }
    for (; places > 0 && v; places--) {
        if (v > limit / 10)
            return ERR_RANGE;
        v *= 10;
    }
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
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

/* Reading back tells when the digits are enough. 15 survive always, but not below the normal range.
 */
static size_t print_general(double v, char *out)
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

/* a = mantissa / 2^shift is `units` / 10^places, rounded to nearest. Exact: below 2^53 * 10^22 all
 * fits 128 bits. *ret_same: it reads back as a, being nearer than half the way to a's neighbours
 * (a quarter where a power of two has its lower neighbour closer). */
static uint64_t to_units(uint64_t mantissa, int shift, int places, bool *ret_same)
{
    unsigned __int128 power = (unsigned __int128)(uint64_t)powers_of_ten[places < 16 ? places : 16];

    for (int i = 16; i < places; i++)
        power *= 10;
    unsigned __int128 exact = mantissa * power, one = (unsigned __int128)1 << shift;
    uint64_t units = (uint64_t)((exact + one / 2) >> shift);
    unsigned __int128 back = (unsigned __int128)units << shift;
    unsigned __int128 off = back > exact ? back - exact : exact - back;

    *ret_same = off < power / (mantissa == UINT64_C(1) << 52 ? 4 : 2);
    return units;
}

/* 1e-5 <= a < 1e15: the fewest of 15, 16 or 17 digits that read back, without their last zeros.
 * 15-digit decimals lie so far apart that no shorter text can do when the nearest of them cannot.
 */
static size_t print_usual(double a, char *out)
{
    int exponent;
    uint64_t mantissa = (uint64_t)(frexp(a, &exponent) * 0x1p53), units = 0;
    int ten = -5, places = 0;
    bool same = false;

    while (ten < 14 && a >= (ten + 1 < 0 ? 1 / powers_of_ten[-ten - 1] : powers_of_ten[ten + 1]))
        ten++;
    for (int digits = 15; digits <= 17 && !same; digits++) {
        places = digits - 1 - ten;
        units = to_units(mantissa, 53 - exponent, places, &same);
    }
    for (; places > 0 && units % 10 == 0; places--)
        units /= 10;
    return print_scaled(units, places, out);
}

size_t num_print_f64(double v, char out[NUM_TEXT_MAX])
{
    double a = fabs(v);
    size_t sign = signbit(v) ? 1 : 0;

    ASSERT(isfinite(v));
    out[0] = '-';
    if (a < 1e15 && a == (double)(uint64_t)a)
        return sign + print_digits((uint64_t)a, out + sign);
    if (a >= 1e-5 && a < 1e15)
        return sign + print_usual(a, out + sign);
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

/* ---- sixteen digits at once ---- */

typedef uint8_t bytes16 __attribute__((vector_size(16)));

static bytes16 hex_digits(bytes16 v)
{
    return v + '0' + ((bytes16)(v > 9) & ('a' - '9' - 1));
}

void num_print_hex16(const void *bytes, char out[32])
{
    bytes16 v;

    memcpy(&v, bytes, sizeof v);
    bytes16 high = v >> 4, low = v & 15;
    bytes16 front = hex_digits(__builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20,
                                                       5, 21, 6, 22, 7, 23));
    bytes16 back = hex_digits(__builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12,
                                                      28, 13, 29, 14, 30, 15, 31));
    memcpy(out, &front, sizeof front);
    memcpy(out + 16, &back, sizeof back);
}

/* 0-9, then the letters without i, l, o and u: each comparison that holds is one more to skip. */
void num_print_base32(const void *bytes, char out[16])
{
    bytes16 v;

    memcpy(&v, bytes, sizeof v);
    v &= 31;
    bytes16 skipped = (bytes16)(v > 17) + (bytes16)(v > 19) + (bytes16)(v > 21) + (bytes16)(v > 26);
    v = hex_digits(v) - skipped;
    memcpy(out, &v, sizeof v);
}
