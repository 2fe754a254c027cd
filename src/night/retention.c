#include "night/retention.h"

#include "base/assert.h"
#include "base/hash.h"
#include "ingest/audits.h"
#include "night/memory.h"

#include <stdlib.h>
#include <string.h>

enum { ITEMS_BYTES_MAX = 64 << 20, WEEK = 7, CARD_COLS = 5, AUDIT_COLS = 8 };

struct known_card {
    struct str item;
    bool touched;
};

struct retaining {
    struct night_work *w;
    struct retention learner;
    struct retention_prior prior;
    bool has_prior;

    /* the learner's row */
    int64_t version, at, taken, known_at, reviews;
    struct str id, known_id;
    int64_t made_at, people; /* of the prior; TIME_NONE: none was made yet */
    bool anew;               /* from the first review on */

    /* the cards that are known in this run, by number */
    struct arena items;
    struct strmap index; /* item to number + 1 */
    struct retention_card *cards;
    struct known_card *known;
    uint32_t count, room;

    /* the reviews from the first on, where they were needed */
    struct retention_event *events;
    int64_t event_count, event_room;
    bool whole, unfit; /* unfit: too many for a fit */

    struct audit_bin bins[AUDIT_BINS];
};

/* ---- reading ---- */

static void begin_anew(struct retaining *r)
{
    retention_init(&r->learner, r->has_prior ? &r->prior.recall : NULL,
                   r->has_prior ? &r->prior.fsrs : NULL);
    r->at = INT64_MIN;
    r->id = STR("");
    r->taken = 0;
    r->anew = r->whole = true;
}

static enum err read_head(struct retaining *r)
{
    const struct value id = V_I(r->w->learner_id);
    struct query q = {.stmt = STMT_RETENTION_HEAD, .args = &id, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(r->w->conn, r->w->arena, &q, 1, r->w->deadline_us);

    if (e != ERR_OK || q.rows.count == 0)
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    const struct value *v = row_at(&q.rows, 0);
    bool met = v[0].type != V_NULL;
    r->version = value_i64(&v[0], 0);
    r->at = value_i64(&v[1], INT64_MIN);
    r->id = met ? value_str(&v[2]) : STR("");
    r->taken = value_i64(&v[3], 0);
    r->known_at = value_i64(&v[4], INT64_MIN);
    r->known_id = met ? value_str(&v[5]) : STR("");
    r->reviews = value_i64(&v[7], 0);
    r->made_at = value_i64(&v[8], TIME_NONE);
    r->people = value_i64(&v[9], 0);
    r->has_prior =
        r->people >= RETENTION_PEOPLE_MIN && v[10].type == V_BLOB &&
        retention_prior_decode(&r->prior, (const uint8_t *)v[10].s.p, v[10].s.n) == ERR_OK;
    if (r->at == INT64_MIN || r->taken < 0 ||
        retention_decode(&r->learner, (const uint8_t *)v[6].s.p, v[6].s.n) != ERR_OK)
        begin_anew(r);
    return ERR_OK;
}

/* NULL: no memory. */
static struct retention_card *card_of(struct retaining *r, struct str item, uint32_t *ret)
{
    void **place = strmap_slot(&r->index, item);

    if (place && *place) {
        *ret = (uint32_t)(uintptr_t)*place - 1;
        return &r->cards[*ret];
    }
    if (place && r->count == r->room) {
        uint32_t room = r->room ? r->room * 2 : 1024;
        struct retention_card *cards = realloc(r->cards, room * sizeof *cards);
        struct known_card *known = cards ? realloc(r->known, room * sizeof *known) : NULL;

        r->cards = cards ? cards : r->cards;
        r->known = known ? known : r->known;
        r->room = known ? room : r->room;
    }
    if (!place || r->count == r->room)
        return NULL;
    *ret = r->count++;
    r->cards[*ret] = (struct retention_card){.streak = 0};
    r->known[*ret] = (struct known_card){.item = item};
    *place = (void *)(uintptr_t)r->count;
    return &r->cards[*ret];
}

static enum err note_event(struct retaining *r, uint32_t card, int32_t day, uint8_t grade)
{
    if (r->event_count == r->event_room) {
        int64_t room = r->event_room ? r->event_room * 2 : 4096;
        struct retention_event *more = realloc(r->events, (size_t)room * sizeof *more);

        if (!more)
            return ERR_NOMEM;
        r->events = more;
        r->event_room = room;
    }
    r->events[r->event_count++] = (struct retention_event){card, day, grade};
    return ERR_OK;
}

static int32_t day_of(const struct retaining *r, int64_t at)
{
    struct civil c = civil_at(r->w->zone, at);

    return card_day(c.epoch_day, (c.hour * 60 + c.minute) * 60 + c.second);
}

/* The states that the cards of these reviews had when the last run ended. */
static enum err read_cards(struct retaining *r, const struct rows *reviews)
{
    struct night_work *w = r->w;
    struct value *keys = arena_new(w->arena, struct value, 2 * (size_t)reviews->count + 1);
    struct rows rows;
    int32_t n = 0;

    if (!keys)
        return ERR_NOMEM;
    for (int32_t i = 0; i < reviews->count; i++) {
        uint32_t before = r->count, number;

        if (!card_of(r, value_str(&row_at(reviews, i)[2]), &number))
            return ERR_NOMEM;
        if (number < before)
            continue;
        keys[2 * n] = V_I(w->learner_id);
        keys[2 * n++ + 1] = V_S(r->known[number].item);
    }
    enum err e = store_read_bulk(w->conn, w->arena, STMT_RETENTION_CARDS, keys, n, 2, &rows);
    for (int32_t i = 0; e == ERR_OK && i < rows.count; i++) {
        const struct value *v = row_at(&rows, i);
        uint32_t number;
        struct retention_card *card = card_of(r, value_str(&v[0]), &number);

        if (!card)
            return ERR_NOMEM;
        e = retention_card_decode(card, (const uint8_t *)v[1].s.p, v[1].s.n);
    }
    return e;
}

/* ---- the fit ---- */

/* Of the log before this run. Cards that the run has met are further on: they stay as they are. */
struct past {
    struct retaining *r;
    uint32_t met;
};

static enum err take_past(void *user, const struct value *row, int32_t cols)
{
    struct past *p = user;
    struct retaining *r = p->r;
    struct str item = value_str(&row[1]);
    uint8_t grade = (uint8_t)value_i64(&row[2], 0);
    int32_t day = day_of(r, value_i64(&row[0], 0));
    uint32_t number;

    (void)cols;
    if (!strmap_get(&r->index, item))
        item = arena_str(&r->items, item); /* the row's is gone with the row */
    struct retention_card *card = item.p ? card_of(r, item, &number) : NULL;
    if (!card)
        return ERR_NOMEM;
    if (number >= p->met)
        retention_card_move(card, (enum memory_grade)grade, day);
    return note_event(r, number, day, grade);
}

/* batch: the run's reviews up to here. */
static enum err read_past(struct retaining *r, const struct rows *batch, int32_t up_to)
{
    const struct value args[] = {V_I(r->w->learner_id), V_I(r->at), V_S(r->id),
                                 V_I(NIGHT_REVIEWS_MAX + 1)};
    struct past p = {r, r->count};
    enum err e = store_each(r->w->conn, STMT_RETENTION_PAST, args, COUNT(args), take_past, &p);

    for (int32_t i = 0; e == ERR_OK && i < up_to; i++) {
        const struct value *v = row_at(batch, i);
        uint32_t number;

        if (value_i64(&v[4], 0) != 0)
            continue;
        if (!card_of(r, value_str(&v[2]), &number))
            return ERR_NOMEM;
        e = note_event(r, number, day_of(r, value_i64(&v[0], 0)), (uint8_t)value_i64(&v[3], 0));
    }
    r->whole = true;
    return e;
}

static enum err refit(struct retaining *r, const struct rows *batch, int32_t up_to)
{
    enum err e = r->whole ? ERR_OK : read_past(r, batch, up_to);

    r->unfit = r->event_count > NIGHT_REVIEWS_MAX || r->count > RETENTION_CARDS_MAX;
    if (r->unfit)
        r->learner.fitted = r->learner.judged; /* looked at again when there is a quarter more */
    if (e != ERR_OK || r->unfit)
        return e;
    e = retention_refit(&r->learner, r->has_prior ? &r->prior.fsrs : NULL, r->events,
                        r->event_count, r->cards, r->count);
    for (uint32_t i = 0; e == ERR_OK && i < r->count; i++)
        r->known[i].touched = true;
    return e;
}

static enum err refit_where_due(struct retaining *r, const struct rows *batch, int32_t up_to)
{
    return retention_refit_due(&r->learner) && !r->unfit ? refit(r, batch, up_to) : ERR_OK;
}

/* ---- learning ---- */

static int by_place(int64_t at_a, struct str id_a, int64_t at_b, struct str id_b)
{
    return at_a != at_b ? (at_a < at_b ? -1 : 1) : str_cmp(id_a, id_b);
}

static enum err learn_one(struct retaining *r, const struct value *v)
{
    int64_t at = value_i64(&v[0], 0);
    uint8_t grade = (uint8_t)value_i64(&v[3], 0);
    struct retention_before before;
    int32_t day = day_of(r, at);
    uint32_t number;
    struct retention_card *card = card_of(r, value_str(&v[2]), &number);

    if (!card)
        return ERR_NOMEM;
    r->known[number].touched = true;
    if (retention_review(&r->learner, card, (enum memory_grade)grade, day, at / US_PER_S,
                         &before) &&
        by_place(at, value_str(&v[1]), r->known_at, r->known_id) > 0) {
        struct audit_bin one = audit_outcome(before.served, grade > GRADE_AGAIN);

        audit_add(&r->bins[audit_bin_of(before.served)], &one, 1);
    }
    return r->whole ? note_event(r, number, day, grade) : ERR_OK;
}

static enum err learn(struct retaining *r, const struct rows *batch)
{
    enum err e = ERR_OK;

    for (int32_t i = 0; e == ERR_OK && i < batch->count; i++) {
        const struct value *v = row_at(batch, i);

        if (value_i64(&v[4], 0) != 0)
            continue; /* when it was is not known */
        e = refit_where_due(r, batch, i);
        if (e == ERR_OK)
            e = learn_one(r, v);
    }
    return e == ERR_OK ? refit_where_due(r, batch, batch->count) : e;
}

/* The place moves on, or back to the beginning where reviews came late or were taken away. What a
 * replay finds is taken as it is: one is enough, whatever the sums say. */
static void move_on(struct retaining *r, const struct rows *batch, bool cut)
{
    bool replay = r->at < r->known_at || r->at == INT64_MIN;

    if (batch->count > 0) {
        const struct value *last = row_at(batch, batch->count - 1);

        r->at = value_i64(&last[0], 0);
        r->id = value_str(&last[1]);
        if (by_place(r->at, r->id, r->known_at, r->known_id) > 0) {
            r->known_at = r->at;
            r->known_id = r->id;
        }
    }
    r->taken += batch->count;
    if (cut || r->taken == r->reviews)
        return;
    if (replay) {
        r->taken = r->reviews;
        return;
    }
    begin_anew(r);
    for (uint32_t i = 0; i < r->count; i++)
        r->known[i].touched = false; /* cleared */
}

/* ---- writing ---- */

static enum err put_card(const struct retaining *r, uint32_t number, struct value *v)
{
    struct arena *arena = r->w->arena;
    const struct retention_card *card = &r->cards[number];
    struct str item = arena_str(arena, r->known[number].item);
    uint8_t *bytes = arena_new(arena, uint8_t, RETENTION_CARD_BYTES);

    if (!item.p || !bytes)
        return ERR_NOMEM;
    retention_card_encode(card, bytes);
    const struct value row[CARD_COLS] = {
        V_I(r->w->learner_id), V_S(item), V_I(card->memory.reviews),
        V_I(retention_due(&r->learner, card)),
        V_B(((struct str){(const char *)bytes, RETENTION_CARD_BYTES}))};
    memcpy(v, row, sizeof row);
    return ERR_OK;
}

static enum err clear_cards(struct retaining *r)
{
    struct value *v = arena_new(r->w->arena, struct value, 1);

    if (!v)
        return ERR_NOMEM;
    *v = V_I(r->w->learner_id);
    return night_put(r->w, STMT_RETENTION_CARDS_CLEAR, v, 1, 1);
}

static enum err put_cards(struct retaining *r)
{
    enum err e = ERR_OK;
    size_t touched = 0;
    int32_t n = 0;

    for (uint32_t i = 0; i < r->count; i++)
        touched += r->known[i].touched;
    struct value *v = arena_new(r->w->arena, struct value, touched * CARD_COLS + 1);
    if (!v)
        return ERR_NOMEM;
    for (uint32_t i = 0; e == ERR_OK && i < r->count; i++)
        if (r->known[i].touched && r->cards[i].memory.reviews > 0)
            e = put_card(r, i, v + (size_t)CARD_COLS * (size_t)n++);
    if (e == ERR_OK && r->anew && r->version > 0)
        e = clear_cards(r);
    return e == ERR_OK ? night_put(r->w, STMT_RETENTION_CARDS_PUT, v, n, CARD_COLS) : e;
}

static enum err put_audits(struct retaining *r)
{
    struct value *v = arena_new(r->w->arena, struct value, (size_t)AUDIT_BINS * AUDIT_COLS);
    int32_t rows = 0;

    if (!v)
        return ERR_NOMEM;
    for (int i = 0; i < AUDIT_BINS; i++) {
        const struct audit_bin *b = &r->bins[i];
        const struct value row[AUDIT_COLS] = {V_I(r->w->learner_id),
                                              V_I(AUDIT_SERVED * AUDIT_SLOTS + i),
                                              V_I(b->n),
                                              V_I(b->yes),
                                              V_I(b->p_micro),
                                              V_I(b->square_micro),
                                              V_I(b->brier_micro),
                                              V_I(b->loss_micro)};

        if (b->n > 0)
            memcpy(v + (size_t)AUDIT_COLS * (size_t)rows++, row, sizeof row);
    }
    return night_put(r->w, STMT_INGEST_AUDITS_ADD, v, rows, AUDIT_COLS);
}

static enum err put_learner(struct retaining *r)
{
    enum { COLS = 10 };
    struct night_work *w = r->w;
    struct value *v = arena_new(w->arena, struct value, COLS);
    uint8_t *bytes = arena_new(w->arena, uint8_t, RETENTION_BYTES);

    if (!v || !bytes)
        return ERR_NOMEM;
    retention_encode(&r->learner, bytes);
    const struct value row[COLS] = {
        V_I(w->learner_id), V_I(r->version),
        V_I(r->at),         V_S(r->id),
        V_I(r->taken),      V_I(r->known_at),
        V_S(r->known_id),   V_I(r->learner.judged),
        V_I(w->now_us),     V_B(((struct str){(const char *)bytes, RETENTION_BYTES}))};
    memcpy(v, row, sizeof row);
    w->guard = (struct bulk){.stmt = STMT_RETENTION_PUT, .rows = 1, .cols = COLS, .v = v};
    return ERR_OK;
}

/* ---- the run ---- */

static enum err catch_up(struct retaining *r)
{
    struct night_work *w = r->w;
    const struct value args[] = {V_I(w->learner_id), V_I(r->at), V_S(r->id),
                                 V_I(RETENTION_ROUND_MAX)};
    struct query q = {.stmt = STMT_RETENTION_REVIEWS, .args = args, .arg_count = COUNT(args)};
    enum err e = store_read(w->conn, w->arena, &q, 1, w->deadline_us);

    if (e == ERR_OK && !r->anew)
        e = read_cards(r, &q.rows);
    if (e == ERR_OK)
        e = learn(r, &q.rows);
    if (e != ERR_OK)
        return e;
    move_on(r, &q.rows, q.rows.count == RETENTION_ROUND_MAX);
    w->more = true;
    e = put_cards(r);
    if (e == ERR_OK)
        e = put_audits(r);
    return e == ERR_OK ? put_learner(r) : e;
}

/* ---- the population ---- */

static int32_t add_people(const struct rows *rows, struct retention *of,
                          const struct retention **people, int32_t n)
{
    for (int32_t i = 0; i < rows->count && n < RETENTION_PEOPLE_MAX; i++) {
        const struct value *v = row_at(rows, i);

        if (retention_decode(&of[n], (const uint8_t *)v->s.p, v->s.n) == ERR_OK) {
            people[n] = &of[n];
            n++;
        }
    }
    return n;
}

static enum err put_population(struct night_work *w, const struct retention *const *people,
                               int32_t count)
{
    struct value *v = arena_new(w->arena, struct value, 3);
    uint8_t *bytes = arena_new(w->arena, uint8_t, RETENTION_PRIOR_BYTES);
    struct retention_prior prior;

    if (!v || !bytes)
        return ERR_NOMEM;
    v[0] = V_I(w->now_us);
    v[1] = V_I(count);
    v[2] = V_N;
    if (count >= RETENTION_PEOPLE_MIN) {
        enum err e = retention_population(people, count, &prior);
        if (e != ERR_OK)
            return e;
        retention_prior_encode(&prior, bytes);
        v[2] = V_B(((struct str){(const char *)bytes, RETENTION_PRIOR_BYTES}));
    }
    return night_put(w, STMT_RETENTION_POPULATION_PUT, v, 1, 3);
}

static enum err learn_population(struct night_work *w)
{
    const struct value args[] = {V_I(w->learner_id), V_I(RETENTION_PEOPLE_MAX / 2)};
    struct query q[] = {
        {.stmt = STMT_RETENTION_PEOPLE_BEHIND, .args = args, .arg_count = 2},
        {.stmt = STMT_RETENTION_PEOPLE_UP_TO, .args = args, .arg_count = 2},
    };
    struct retention *of = calloc(RETENTION_PEOPLE_MAX, sizeof *of);
    const struct retention **people = calloc(RETENTION_PEOPLE_MAX, sizeof *people);
    enum err e =
        of && people ? store_read(w->conn, w->arena, q, COUNT(q), w->deadline_us) : ERR_NOMEM;

    if (e == ERR_OK) {
        int32_t n = add_people(&q[0].rows, of, people, 0);
        e = put_population(w, people, add_people(&q[1].rows, of, people, n));
    }
    free(of);
    free(people);
    return e;
}

/* Weekly; while there are too few, daily. */
static bool population_is_due(const struct retaining *r)
{
    int64_t days = r->people >= RETENTION_PEOPLE_MIN ? WEEK : 1;

    return r->made_at == TIME_NONE || r->made_at <= r->w->now_us - days * US_PER_DAY;
}

enum err night_retention(struct night_work *w)
{
    struct retaining *r = calloc(1, sizeof *r);
    enum err e = r ? ERR_OK : ERR_NOMEM;

    if (!r)
        return e;
    r->w = w;
    arena_init(&r->items, ITEMS_BYTES_MAX);
    strmap_init(&r->index, &r->items);
    e = read_head(r);
    if (e == ERR_OK && r->taken != r->reviews)
        e = catch_up(r);
    else if (e == ERR_OK && r->reviews > 0 && population_is_due(r))
        e = learn_population(w);
    arena_fini(&r->items);
    free(r->cards);
    free(r->known);
    free(r->events);
    free(r);
    return e;
}
