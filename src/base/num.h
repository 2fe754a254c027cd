/* num - numbers to decimal text and back, exactly and quickly.
 *
 * Reading: a mantissa below 2^53 and a power of ten up to 22 are both exact doubles, so one
 * multiplication or division rounds once, correctly (Clinger 1990). The rest goes to strtod in the
 * "C" locale. Printing: the shortest decimal text that reads back as the same double. */
#pragma once
#include "base/str.h"

/* s must be -?digits[.digits][e[+-]digits], with at least one digit before the exponent; blanks and
 * other texts are the caller's bug. Too small becomes 0. ERR_RANGE: too large for a double, or
 * longer than NUM_PARSE_MAX bytes. */
enum { NUM_PARSE_MAX = 1 << 20 };
MUST_CHECK enum err num_parse_f64(struct str s, double *ret);

/* The same texts, as an exact integer: "1e3" and "5.0" are. ERR_RANGE: it has a fraction, or does
 * not fit. */
MUST_CHECK enum err num_parse_i64(struct str s, int64_t *ret);

/* 16 bytes as 32 digits, and as 16 digits of Crockford's base 32 (the low five bits of each). */
void num_print_hex16(const void *bytes, char out[32]);
void num_print_base32(const void *bytes, char out[16]);

enum { NUM_TEXT_MAX = 32 };
/* Each returns the length; no NUL is added. */
size_t num_print_u64(uint64_t v, char out[NUM_TEXT_MAX]);
size_t num_print_i64(int64_t v, char out[NUM_TEXT_MAX]);
size_t num_print_f64(double v, char out[NUM_TEXT_MAX]); /* finite; -0 as "-0" */
/* Exactly `decimals` (0..9) places, half away from zero, never "-0". Above 2^53 units: as
 * num_print_f64. */
size_t num_print_fixed(double v, int decimals, char out[NUM_TEXT_MAX]);
