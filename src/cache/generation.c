#include "cache/generation.h"

#include "base/assert.h"

#include <stdatomic.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLOTS = 1 << 18 }; /* 2 MiB; slot 0 is TAG_ALL's */

struct generations {
    _Atomic uint64_t numbers[SLOTS];
};

struct tag tag_of(enum tag_kind kind, struct str name)
{
    if (kind == TAG_ALL)
        return TAG_EVERYTHING;
    /* Not keyed: other nodes must find the same. Who makes ids collide makes some of his own
     * answers invalid more often, and nothing else. */
    return (struct tag){kind, XXH3_64bits_withSeed(name.p, name.n, (XXH64_hash_t)kind)};
}

static uint32_t slot_of(struct tag tag)
{
    return tag.kind == TAG_ALL ? 0 : 1 + (uint32_t)(tag.hash % (SLOTS - 1));
}

enum err generations_new(struct generations **ret)
{
    struct generations *g = calloc(1, sizeof *g); /* fresh pages: zero until touched */

    if (!g)
        return ERR_NOMEM;
    *ret = g;
    return ERR_OK;
}

void generations_free(struct generations *g)
{
    free(g);
}

static uint64_t number(const struct generations *g, uint32_t slot)
{
    return atomic_load_explicit(&g->numbers[slot], memory_order_acquire);
}

void stamp_take(const struct generations *g, const struct tag *tags, int32_t n, struct stamp *ret)
{
    ASSERT(n >= 0 && n <= STAMP_TAGS_MAX);
    *ret = (struct stamp){.all = number(g, 0), .n = n};
    for (int32_t i = 0; i < n; i++) {
        ret->slots[i] = slot_of(tags[i]);
        ret->numbers[i] = number(g, ret->slots[i]);
    }
}

bool stamp_valid(const struct generations *g, const struct stamp *s)
{
    if (number(g, 0) != s->all)
        return false;
    for (int32_t i = 0; i < s->n; i++)
        if (number(g, s->slots[i]) != s->numbers[i])
            return false;
    return true;
}

struct stamp_sum stamp_add_up(const struct stamp *s)
{
    struct stamp_sum ret = {.sum = s->all};

    for (int32_t i = 0; i < STAMP_TAGS_MAX; i++) {
        ret.slots[i] = i < s->n ? s->slots[i] : 0;
        ret.sum += i < s->n ? s->numbers[i] : s->all;
    }
    return ret;
}

bool stamp_sum_valid(const struct generations *g, const struct stamp_sum *s)
{
    uint64_t sum = number(g, 0);

    for (int32_t i = 0; i < STAMP_TAGS_MAX; i++)
        sum += number(g, s->slots[i]);
    return sum == s->sum;
}

/* Sequentially consistent: who was told that the write is done, by whatever way, sees the number.
 */
void generation_raise(struct generations *g, struct tag tag)
{
    atomic_fetch_add(&g->numbers[slot_of(tag)], 1);
}
