#include "eval/split.h"

enum { WORDS = 624, APART = 397 };

struct twister {
    uint32_t s[WORDS];
    int at;
};

static void seed_words(struct twister *t, uint32_t seed)
{
    t->s[0] = seed;
    for (uint32_t i = 1; i < WORDS; i++)
        t->s[i] = 1812433253u * (t->s[i - 1] ^ t->s[i - 1] >> 30) + i;
    t->at = WORDS;
}

static uint32_t draw(struct twister *t)
{
    if (t->at == WORDS) {
        for (int i = 0; i < WORDS; i++) {
            uint32_t y = (t->s[i] & 0x80000000u) | (t->s[(i + 1) % WORDS] & 0x7fffffffu);

            t->s[i] = t->s[(i + APART) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        t->at = 0;
    }
    uint32_t y = t->s[t->at++];

    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* 0..max */
static uint32_t draw_upto(struct twister *t, uint32_t max)
{
    uint32_t mask = max, drawn;

    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        drawn = draw(t) & mask;
    while (drawn > max);
    return drawn;
}

void split_shuffle(uint32_t seed, uint32_t *order, uint32_t n)
{
    struct twister t;

    seed_words(&t, seed);
    for (uint32_t i = n; i-- > 1;) {
        uint32_t j = draw_upto(&t, i), kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
}
