#include "cache/generation.h"

#include "base/assert.h"
#include "store/statements.h"

#include <stdatomic.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { PLACES = 1 << 16 }; /* of a cache line each; 4 MiB; the first is TAG_ALL's */

/* Numbers of 32 bits: an answer is kept for hours, and in none are there 2^32 writes of a learner.
 */
struct generations {
    _Atomic uint32_t numbers[PLACES][TAG_GROUPS];
};

const uint32_t tag_event_groups = STMT_GROUP_LOG | STMT_GROUP_SESSIONS | STMT_GROUP_MISSIONS |
                                  STMT_GROUP_CARDS | STMT_GROUP_LOADS | STMT_GROUP_TIMES |
                                  STMT_GROUP_TOPICS | STMT_GROUP_SEARCHES | STMT_GROUP_TOTALS;

struct tag tag_of(enum tag_kind kind, struct str name)
{
    if (kind == TAG_ALL)
        return TAG_EVERYTHING;
    /* Not keyed: other nodes must find the same. Who makes ids collide makes some of his own
     * answers invalid more often, and nothing else. */
    uint64_t seed = kind == TAG_SETTLED ? TAG_LEARNER : kind;
    return (struct tag){kind, XXH3_64bits_withSeed(name.p, name.n, seed)};
}

static uint32_t place_of(struct tag tag)
{
    return tag.kind == TAG_ALL ? 0 : 1 + (uint32_t)(tag.hash % (PLACES - 1));
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

static uint32_t number(const struct generations *g, uint32_t place, int group)
{
    return atomic_load_explicit(&g->numbers[place][group], memory_order_acquire);
}

void stamp_take(const struct generations *g, const struct tag *tags, int32_t n, struct stamp *ret)
{
    ASSERT(n >= 0 && n <= STAMP_TAGS_MAX);
    *ret = (struct stamp){.all = number(g, 0, 0), .n = n};
    for (int32_t i = 0; i < n; i++) {
        bool groups = tags[i].kind == TAG_LEARNER || tags[i].kind == TAG_SETTLED;

        ret->places[i] = place_of(tags[i]);
        ret->groups[i] = groups ? TAG_GROUPS_ALL : 1;
        for (int k = 0; k < (groups ? TAG_GROUPS : 1); k++)
            ret->numbers[i][k] = number(g, ret->places[i], k);
    }
}

bool stamp_valid(const struct generations *g, const struct stamp *s)
{
    struct stamp_sum sum = stamp_add_up(s, 0);

    return stamp_sum_valid(g, &sum);
}

struct stamp_sum stamp_add_up(const struct stamp *s, uint32_t without)
{
    struct stamp_sum ret = {.sum = s->all};

    for (int32_t i = 0; i < s->n; i++) {
        uint32_t groups = s->groups[i] == 1 ? 1 : s->groups[i] & ~without;

        ret.places[i] = (uint16_t)s->places[i];
        ret.groups[i] = (uint16_t)groups;
        for (; groups; groups &= groups - 1)
            ret.sum += s->numbers[i][__builtin_ctz(groups)];
    }
    return ret;
}

bool stamp_sum_valid(const struct generations *g, const struct stamp_sum *s)
{
    uint32_t sum = number(g, 0, 0);

    for (int32_t i = 0; i < STAMP_TAGS_MAX; i++)
        for (uint32_t groups = s->groups[i]; groups; groups &= groups - 1)
            sum += number(g, s->places[i], __builtin_ctz(groups));
    return sum == s->sum;
}

/* Sequentially consistent: who was told that the write is done, by whatever way, sees the number.
 */
void generation_raise_groups(struct generations *g, struct tag learner, uint32_t groups)
{
    for (groups &= TAG_GROUPS_ALL; groups; groups &= groups - 1)
        atomic_fetch_add(&g->numbers[place_of(learner)][__builtin_ctz(groups)], 1);
}

void generation_raise(struct generations *g, struct tag tag)
{
    generation_raise_groups(g, tag,
                            tag.kind == TAG_LEARNER   ? tag_event_groups
                            : tag.kind == TAG_SETTLED ? ~tag_event_groups
                                                      : 1);
}
