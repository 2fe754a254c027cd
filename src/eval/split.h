/* split - who is in the test part, where a data set comes in one piece.
 *
 * Published figures on such sets use numpy's RandomState(seed).shuffle() over the sorted learners;
 * to be comparable, the same learners must be drawn here. The generator is MT19937 (Matsumoto &
 * Nishimura 1998), the shuffle Fisher-Yates from the end, a draw below n by masking and
 * rejection. */
#pragma once
#include <stdint.h>

/* Puts order[0..n) into the order that RandomState(seed).shuffle(order) gives. */
void split_shuffle(uint32_t seed, uint32_t *order, uint32_t n);
