#include "twin/mind.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ITEM_SLOTS = 2048, SKILL_SLOTS = 1024 };
_Static_assert((int)ITEM_SLOTS >= 2 * (int)MIND_ITEMS_MAX, "probes stay short");
_Static_assert((int)SKILL_SLOTS >= 2 * (int)MIND_SKILLS_MAX, "probes stay short");

struct thing {
    uint64_t id; /* 0: free */
    struct struggle_count count;
};

/* Open addressing, linear probing, and no tombstones. */
struct things {
    struct thing *slots;
    uint32_t mask, count, max;
};

struct mind {
    struct struggle_count all;
    struct struggle_before before[STRUGGLE_BEFORE];
    uint32_t index;
    struct things items, skills;
    struct thing item_slots[ITEM_SLOTS], skill_slots[SKILL_SLOTS];
};

enum err mind_new(struct mind **ret)
{
    struct mind *m = calloc(1, sizeof *m);

    if (!m)
        return ERR_NOMEM;
    mind_clear(m);
    *ret = m;
    return ERR_OK;
}

void mind_free(struct mind *m)
{
    free(m);
}

void mind_clear(struct mind *m)
{
    memset(m, 0, sizeof *m);
    m->items = (struct things){m->item_slots, ITEM_SLOTS - 1, 0, MIND_ITEMS_MAX};
    m->skills = (struct things){m->skill_slots, SKILL_SLOTS - 1, 0, MIND_SKILLS_MAX};
}

uint32_t mind_answers(const struct mind *m)
{
    return m->index;
}

/* ---- things by id ---- */

static uint32_t home(const struct things *t, uint64_t id)
{
    return (uint32_t)(id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & t->mask;
}

static uint32_t find(const struct things *t, uint64_t id) /* its slot, or the free one for it */
{
    uint32_t at = home(t, id);

    while (t->slots[at].id && t->slots[at].id != id)
        at = (at + 1) & t->mask;
    return at;
}

/* Those behind it that would no longer be found move up. */
static void drop(struct things *t, uint32_t at)
{
    for (uint32_t next = (at + 1) & t->mask; t->slots[next].id; next = (next + 1) & t->mask) {
        uint32_t wanted = home(t, t->slots[next].id);

        if (((next - wanted) & t->mask) < ((next - at) & t->mask))
            continue;
        t->slots[at] = t->slots[next];
        at = next;
    }
    t->slots[at] = (struct thing){0};
    t->count--;
}

/* The least recently met; of several (skills of one answer), the smallest id. */
static uint32_t oldest(const struct things *t)
{
    uint32_t found = UINT32_MAX;

    for (uint32_t i = 0; i <= t->mask; i++) {
        const struct thing *a = &t->slots[i];
        const struct thing *b = found == UINT32_MAX ? NULL : &t->slots[found];

        if (a->id && (!b || a->count.last_index < b->count.last_index ||
                      (a->count.last_index == b->count.last_index && a->id < b->id)))
            found = i;
    }
    return found;
}

static struct struggle_count *count_of(struct things *t, uint64_t id)
{
    uint32_t at = find(t, id);

    if (t->slots[at].id)
        return &t->slots[at].count;
    if (t->count == t->max) {
        drop(t, oldest(t));
        at = find(t, id);
    }
    t->slots[at].id = id;
    t->count++;
    return &t->slots[at].count;
}

/* ---- questions and answers ---- */

static const struct struggle_count *known(const struct things *t, uint64_t id)
{
    static const struct struggle_count nothing = {0};
    const struct thing *thing = &t->slots[find(t, id)];

    return thing->id ? &thing->count : &nothing;
}

void mind_question(const struct mind *m, uint64_t item, const uint64_t *skills, int32_t skill_count,
                   int64_t now_s, struct struggle_question *ret)
{
    ASSERT(item && skill_count >= 0 && skill_count <= STRUGGLE_SKILLS_MAX);
    *ret = (struct struggle_question){.item = item,
                                      .skill_count = skill_count,
                                      .all = &m->all,
                                      .on_item = known(&m->items, item),
                                      .index = m->index,
                                      .now_s = now_s};
    memcpy(ret->before, m->before, sizeof m->before);
    for (int32_t i = 0; i < skill_count; i++) {
        ASSERT(skills[i]);
        ret->skills[i] = skills[i];
        ret->on_skill[i] = known(&m->skills, skills[i]);
    }
}

void mind_answer(struct mind *m, const struct struggle_question *q, bool right, bool shown,
                 double latency_s)
{
    struct struggle_question after = *q;
    bool knows = right || shown;
    double timed = shown ? -1 : latency_s;

    ASSERT(q->index == m->index);
    struggle_count_add(&m->all, knows, timed, q->now_s, q->index);
    struggle_count_add(count_of(&m->items, q->item), knows, timed, q->now_s, q->index);
    for (int32_t i = 0; i < q->skill_count; i++)
        struggle_count_add(count_of(&m->skills, q->skills[i]), knows, timed, q->now_s, q->index);
    struggle_question_after(&after, right && !shown);
    memcpy(m->before, after.before, sizeof m->before);
    m->index = after.index;
}

/* ---- bytes ---- */

static uint8_t *put(uint8_t *out, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *out++ = (uint8_t)(v >> 8 * i);
    return out;
}

static uint8_t *put_float(uint8_t *out, float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    return put(out, bits, 4);
}

static uint8_t *put_count(uint8_t *out, const struct struggle_count *c)
{
    out = put(out, c->attempts, 4);
    out = put(out, c->wins, 4);
    for (int i = 0; i < STRUGGLE_SCALES; i++)
        out = put_float(out, c->recent[i]);
    out = put_float(out, c->latency);
    out = put(out, c->timed, 4);
    out = put(out, (uint64_t)c->last_s, 8);
    out = put(out, c->last_index, 4);
    out = put(out, c->last_correct, 1);
    return put(out, c->history, 1);
}

static int by_id(const void *pa, const void *pb)
{
    uint64_t a = (*(const struct thing *const *)pa)->id, b = (*(const struct thing *const *)pb)->id;

    return (a > b) - (a < b);
}

/* In the order of the ids: where a thing stands in the table depends on what came before. */
static uint8_t *put_things(uint8_t *out, const struct things *t)
{
    const struct thing *order[MIND_ITEMS_MAX > MIND_SKILLS_MAX ? MIND_ITEMS_MAX : MIND_SKILLS_MAX];
    uint32_t n = 0;

    for (uint32_t i = 0; i <= t->mask; i++)
        if (t->slots[i].id)
            order[n++] = &t->slots[i];
    ASSERT(n == t->count);
    qsort(order, n, sizeof order[0], by_id);
    for (uint32_t i = 0; i < n; i++)
        out = put_count(put(out, order[i]->id, 8), &order[i]->count);
    return out;
}

static size_t encode(const struct mind *m, bool with_items, uint8_t *out)
{
    uint8_t *p = out;

    p = put(p, MIND_VERSION, 4);
    p = put(p, with_items ? m->items.count : 0, 4);
    p = put(p, m->skills.count, 4);
    p = put(p, m->index, 4);
    p = put_count(p, &m->all);
    for (int i = 0; i < STRUGGLE_BEFORE; i++) {
        p = put(p, m->before[i].item, 8);
        p = put(p, m->before[i].skill, 8);
        p = put(p, m->before[i].correct, 1);
    }
    if (with_items)
        p = put_things(p, &m->items);
    p = put_things(p, &m->skills);
    ASSERT(p - out <= (with_items ? MIND_BYTES_MAX : MIND_SKILLS_BYTES_MAX));
    return (size_t)(p - out);
}

size_t mind_encode(const struct mind *m, uint8_t *out)
{
    return encode(m, true, out);
}

size_t mind_skills_encode(const struct mind *m, uint8_t *out)
{
    return encode(m, false, out);
}

struct source {
    const uint8_t *p;
};

static uint64_t get(struct source *s, int bytes)
{
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)*s->p++ << 8 * i;
    return v;
}

static float get_float(struct source *s)
{
    uint32_t bits = (uint32_t)get(s, 4);
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

static bool get_count(struct source *s, uint32_t index, struct struggle_count *ret)
{
    bool good = true;

    ret->attempts = (uint32_t)get(s, 4);
    ret->wins = (uint32_t)get(s, 4);
    for (int i = 0; i < STRUGGLE_SCALES; i++) {
        ret->recent[i] = get_float(s);
        good = good && isfinite(ret->recent[i]) && fabsf(ret->recent[i]) < 1e6f;
    }
    ret->latency = get_float(s);
    ret->timed = (uint32_t)get(s, 4);
    ret->last_s = (int64_t)get(s, 8);
    ret->last_index = (uint32_t)get(s, 4);
    ret->last_correct = (uint8_t)get(s, 1);
    ret->history = (uint8_t)get(s, 1);
    return good && ret->wins <= ret->attempts && ret->timed <= ret->attempts &&
           isfinite(ret->latency) && fabsf(ret->latency) < 1e3f && ret->last_correct <= 1 &&
           ret->last_index <= index && ret->last_s >= -STRUGGLE_TIME_MAX &&
           ret->last_s <= STRUGGLE_TIME_MAX;
}

static bool get_things(struct source *s, uint32_t count, uint32_t index, struct things *t)
{
    uint64_t last = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = get(s, 8);

        if (id <= last || !get_count(s, index, count_of(t, id)))
            return false;
        last = id;
    }
    return true;
}

enum { HEAD = 16 + MIND_COUNT_BYTES + STRUGGLE_BEFORE * 17, THING = 8 + MIND_COUNT_BYTES };

static bool get_sizes(struct source *s, size_t n, uint64_t *ret_items, uint64_t *ret_skills)
{
    if (n < HEAD || get(s, 4) != MIND_VERSION)
        return false;
    *ret_items = get(s, 4);
    *ret_skills = get(s, 4);
    return *ret_items <= MIND_ITEMS_MAX && *ret_skills <= MIND_SKILLS_MAX &&
           n == HEAD + (*ret_items + *ret_skills) * THING;
}

static bool get_mind(struct mind *m, struct source *s, size_t n)
{
    uint64_t items, skills;

    if (!get_sizes(s, n, &items, &skills))
        return false;
    m->index = (uint32_t)get(s, 4);
    if (!get_count(s, m->index, &m->all))
        return false;
    for (int i = 0; i < STRUGGLE_BEFORE; i++) {
        m->before[i].item = get(s, 8);
        m->before[i].skill = get(s, 8);
        uint64_t correct = get(s, 1);
        if (correct > 1)
            return false;
        m->before[i].correct = correct;
    }
    return get_things(s, (uint32_t)items, m->index, &m->items) &&
           get_things(s, (uint32_t)skills, m->index, &m->skills);
}

enum err mind_decode(struct mind *m, const uint8_t *bytes, size_t n)
{
    struct source s = {bytes};

    mind_clear(m);
    if (get_mind(m, &s, n))
        return ERR_OK;
    mind_clear(m);
    return ERR_RANGE;
}

enum err mind_skills_find(const uint8_t *bytes, size_t n, struct mind_skills *ret)
{
    struct source s = {bytes};
    uint64_t items, skills;

    if (!get_sizes(&s, n, &items, &skills))
        return ERR_RANGE;
    *ret =
        (struct mind_skills){bytes + HEAD + items * THING, (uint32_t)skills, (uint32_t)get(&s, 4)};
    return ERR_OK;
}

void mind_skill(const struct mind_skills *s, uint64_t id, struct struggle_count *ret)
{
    uint32_t low = 0, high = s->count;

    *ret = (struct struggle_count){0};
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct source at = {s->p + (size_t)middle * THING};
        uint64_t found = get(&at, 8);

        if (found == id) {
            if (!get_count(&at, s->index, ret))
                *ret = (struct struggle_count){0};
            return;
        }
        if (found < id)
            low = middle + 1;
        else
            high = middle;
    }
}
