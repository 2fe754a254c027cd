/* exact - the few functions that a simulation needs, the same to the last bit on every machine.
 *
 * The C library's exp and log differ between systems in the last digit, which would sooner or later
 * turn a right answer into a wrong one. These use only + - * / and the square root, which IEEE 754
 * fixes; the build must not fuse them (see exact.c). Accuracy: about 1e-14. */
#pragma once
#include "base/rng.h"

#include <stdbool.h>

double exact_exp(double x);      /* |x| <= 700 */
double exact_log(double x);      /* x > 0, normal */
double exact_sqrt(double x);     /* x >= 0 */
double exact_cos_turn(double t); /* cos(2 pi t); |t| < 1e9 */
double exact_sigmoid(double x);
int64_t exact_round(double x); /* half away from zero; |x| < 1e15 */
/* Mean 0, sd 1: Marsaglia's polar method, one value a call. */
double exact_normal(struct rng *r);
