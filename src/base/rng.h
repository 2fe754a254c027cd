/* rng - random numbers that a test or a simulation can repeat, and random bytes nobody can.
 *
 * xoshiro256++ (Blackman & Vigna 2019), seeded by splitmix64. Not for secrets. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
/* An independent stream for (seed, key): the same pair always gives the same stream. */
void rng_fork(struct rng *ret, uint64_t seed, uint64_t key);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0..n-1, unbiased; n > 0 */
double rng_unit(struct rng *r);                /* [0, 1), 53 bits */
double rng_normal(struct rng *r);              /* mean 0, sd 1 */
double rng_gamma(struct rng *r, double shape); /* scale 1, shape > 0 (Marsaglia & Tsang 2000) */
double rng_beta(struct rng *r, double a, double b);
double rng_exponential(struct rng *r); /* mean 1 */

void random_bytes(void *p,
                  size_t n); /* from the operating system; ends the process when it cannot */
