#include "ingest/cards.h"

#include "base/assert.h"
#include "base/civil.h"

#include <math.h>
#include <stdlib.h>

enum {
    READ_REVIEWS = 50000, /* from the log at once, about */
    REPLAY_BYTES_MAX = 1 << 30
};

void card_add(struct card_row *card, struct arena *arena, const struct card_event *one,
              bool *failed)
{
    struct card_event *e = arena_new(arena, struct card_event, 1);

    if (!e) {
        *failed = true;
        return;
    }
    *e = *one;
    e->next = card->fresh;
    card->fresh = e;
}

static int by_place(int64_t at_a, struct str id_a, int64_t at_b, struct str id_b)
{
    return at_a != at_b ? (at_a < at_b ? -1 : 1) : str_cmp(id_a, id_b);
}

static int by_time(const void *pa, const void *pb)
{
    const struct card_event *a = pa, *b = pb;

    return by_place(a->at, a->id, b->at, b->id);
}

/* The card's reviews in the group, in order. NULL: out of memory. */
static struct card_event *in_order(struct arena *arena, const struct card_row *card, int32_t *ret_n)
{
    int32_t n = 0;

    for (const struct card_event *e = card->fresh; e; e = e->next)
        n++;
    struct card_event *events = arena_new(arena, struct card_event, (size_t)n);
    if (!events)
        return NULL;
    *ret_n = n;
    for (const struct card_event *e = card->fresh; e; e = e->next)
        events[--n] = *e; /* the list stands backwards */
    qsort(events, (size_t)*ret_n, sizeof *events, by_time);
    return events;
}

static struct card_memory memory_of(const struct card_row *r)
{
    return (struct card_memory){.stability_micro = r->stability,
                                .difficulty_micro = r->difficulty,
                                .day = (int32_t)r->memory_day,
                                .reviews = (int32_t)r->memory_reviews,
                                .lapses = (int32_t)r->lapses};
}

static void keep_memory(struct card_row *r, const struct card_memory *m)
{
    r->stability = m->stability_micro;
    r->difficulty = m->difficulty_micro;
    r->memory_day = m->day;
    r->memory_reviews = m->reviews;
    r->lapses = m->lapses;
}

static void walk(const struct card_work *w, int32_t learner, struct card_memory *m,
                 const struct card_event *e, int sign)
{
    double p = card_review(&memory_default, m, e->grade, e->day);

    if (!isnan(p))
        w->forecast(w->user, learner, p, e->grade > GRADE_AGAIN, sign);
}

/* ---- late reviews ---- */

struct late_card {
    struct card_row *row;
    int64_t learner_id;
    const struct zone *zone;
    struct card_event *fresh; /* in order */
    int32_t fresh_count;
};

static int by_key(int64_t id_a, struct str item_a, int64_t id_b, struct str item_b)
{
    return id_a != id_b ? (id_a < id_b ? -1 : 1) : str_cmp(item_a, item_b);
}

static int by_late_key(const void *pa, const void *pb)
{
    const struct late_card *a = pa, *b = pb;

    return by_key(a->learner_id, a->row->head.key.a, b->learner_id, b->row->head.key.a);
}

/* With the group's reviews, and, to take back what was forecast before them, without. */
static void walk_again(const struct card_work *w, const struct late_card *late,
                       const struct card_event *all, int32_t count)
{
    const struct card_row *before = late->row->head.before;
    struct card_memory now = {0}, then = {0};
    bool known = before && before->stability != NUMBER_NONE;
    int32_t learner = late->row->head.key.learner, met = 0;

    for (int32_t i = 0; i < count; i++) {
        bool fresh = met < late->fresh_count && by_time(&all[i], &late->fresh[met]) == 0;

        met += fresh;
        walk(w, learner, &now, &all[i], 1);
        if (known && !fresh)
            walk(w, learner, &then, &all[i], -1);
    }
    keep_memory(late->row, &now);
}

/* Of rows of the log: learner, item, time, id, rating. */
static int by_card_and_time(const void *pa, const void *pb)
{
    const struct value *a = *(const struct value *const *)pa, *b = *(const struct value *const *)pb;
    int d = by_key(a[0].i, a[1].s, b[0].i, b[1].s);

    return d ? d : by_place(a[2].i, a[3].s, b[2].i, b[3].s);
}

static struct card_event event_of(const struct value *v, const struct zone *zone)
{
    struct civil c = civil_at(zone, v[2].i);

    return (struct card_event){.at = v[2].i,
                               .id = v[3].s,
                               .day =
                                   card_day(c.epoch_day, (c.hour * 60 + c.minute) * 60 + c.second),
                               .grade = (enum memory_grade)value_i64(&v[4], 0)};
}

static enum err read_reviews(const struct card_work *w, const struct late_card *late, int32_t n,
                             struct arena *arena, struct rows *ret)
{
    struct value *keys = arena_new(arena, struct value, (size_t)n * 3);

    if (!keys)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        keys[3 * i] = V_I(late[i].learner_id);
        keys[3 * i + 1] = V_S(late[i].row->head.key.a);
        /* without the group's, there must be as many as count */
        keys[3 * i + 2] = V_I(CARD_REVIEWS_MAX + late[i].fresh_count);
    }
    return store_read_bulk(w->conn, arena, STMT_INGEST_CARD_REVIEWS, keys, n, 3, ret);
}

/* One read for n cards, which are sorted by key. The rows come in any order, and are sorted too. */
static enum err replay(const struct card_work *w, const struct late_card *late, int32_t n,
                       struct arena *arena)
{
    struct rows rows;

    enum err e = read_reviews(w, late, n, arena, &rows);
    if (e != ERR_OK)
        return e;
    const struct value **order = arena_new(arena, const struct value *, (size_t)rows.count);
    struct card_event *events = arena_new(arena, struct card_event, (size_t)rows.count);
    if (!order || !events)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows.count; i++)
        order[i] = row_at(&rows, i);
    qsort(order, (size_t)rows.count, sizeof *order, by_card_and_time);
    int32_t at = 0;
    for (int32_t i = 0; i < n; i++) {
        int32_t count = 0;

        for (; at < rows.count && by_key(order[at][0].i, order[at][1].s, late[i].learner_id,
                                         late[i].row->head.key.a) == 0;
             at++)
            events[count++] = event_of(order[at], late[i].zone);
        ASSERT(count > 0); /* the group's own stand in the log */
        walk_again(w, &late[i], events, count);
    }
    ASSERT(at == rows.count);
    return ERR_OK;
}

static enum err replay_all(const struct card_work *w, struct late_card *late, int32_t n)
{
    enum err e = ERR_OK;
    struct arena arena;

    qsort(late, (size_t)n, sizeof *late, by_late_key);
    arena_init(&arena, REPLAY_BYTES_MAX);
    for (int32_t i = 0; i < n && e == ERR_OK;) {
        int64_t reviews = 0;
        int32_t first = i;

        do {
            int64_t more = late[i].row->reviews;
            reviews += more < CARD_REVIEWS_MAX ? more : CARD_REVIEWS_MAX;
            i++;
        } while (i < n && reviews < READ_REVIEWS);
        e = replay(w, &late[first], i - first, &arena);
        arena_clear(&arena);
    }
    arena_fini(&arena);
    return e;
}

/* ---- */

static bool follows(const struct card_row *before, const struct card_event *first)
{
    return by_place(before->last_at, before->last_id, first->at, first->id) < 0;
}

enum err cards_remember(const struct card_work *w)
{
    struct late_card *late = arena_new(w->arena, struct late_card, (size_t)w->cards->count);
    int32_t late_count = 0;

    if (!late)
        return ERR_NOMEM;
    for (int32_t i = 0; i < w->cards->count; i++) {
        struct card_row *row = (struct card_row *)w->cards->rows[i];
        const struct card_row *before = row->head.before;
        struct card_memory m = {0};
        int32_t n = 0;
        struct card_event *fresh = in_order(w->arena, row, &n);

        if (!fresh)
            return ERR_NOMEM;
        if (before)
            m = memory_of(before);
        if (n > 0 && before && (before->stability == NUMBER_NONE || !follows(before, fresh))) {
            struct card_owner owner = w->owner(w->user, row->head.key.learner);

            late[late_count++] = (struct late_card){row, owner.learner_id, owner.zone, fresh, n};
            continue;
        }
        for (int32_t k = 0; k < n; k++)
            walk(w, row->head.key.learner, &m, &fresh[k], 1);
        keep_memory(row, &m);
    }
    return late_count ? replay_all(w, late, late_count) : ERR_OK;
}
