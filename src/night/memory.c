#include "night/memory.h"

#include "base/assert.h"
#include "base/buf.h"
#include "twin/forgetting.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHTS_TEXT_MAX = 1024 };

struct past {
    const struct zone *zone;
    struct memory_step *steps;
    int32_t count, cap;
    char item[EVENT_ID_MAX]; /* of the row before */
    size_t item_n;
    int32_t last_day;
};

/* Enough reviews to fit, and enough more than at the last fit? */
static enum err is_due(struct night_work *w, bool *ret, int64_t *ret_reviews)
{
    const struct value id = V_I(w->learner_id);
    struct query q = {.stmt = STMT_MEMORY_FIT_DUE, .args = &id, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(w->conn, w->arena, &q, 1, w->deadline_us);

    *ret = false;
    if (e != ERR_OK || q.rows.count == 0)
        return e;
    const struct value *v = row_at(&q.rows, 0);
    int64_t fitted = value_i64(&v[1], 0);
    *ret_reviews = value_i64(&v[0], 0);
    *ret = *ret_reviews >= MEMORY_FIT_JUDGED_MIN && *ret_reviews > fitted + fitted / 4;
    return ERR_OK;
}

static enum err take_review(void *user, const struct value *row, int32_t cols)
{
    struct past *p = user;
    struct str item = value_str(&row[0]);
    struct civil c = civil_at(p->zone, value_i64(&row[1], 0));
    int32_t day = card_day(c.epoch_day, (c.hour * 60 + c.minute) * 60 + c.second);
    bool same = p->count > 0 && str_eq(item, (struct str){p->item, p->item_n});

    (void)cols;
    if (p->count == p->cap) {
        int32_t cap = p->cap ? p->cap * 2 : 4096;
        struct memory_step *more = realloc(p->steps, (size_t)cap * sizeof *more);

        if (!more)
            return ERR_NOMEM;
        p->steps = more;
        p->cap = cap;
    }
    p->steps[p->count++] = (struct memory_step){
        same ? (day > p->last_day ? day - p->last_day : 0) : -1, (uint8_t)value_i64(&row[2], 0)};
    if (!same) {
        p->item_n = item.n < sizeof p->item ? item.n : sizeof p->item;
        memcpy(p->item, item.p, p->item_n);
    }
    p->last_day = same && day < p->last_day ? p->last_day : day;
    return ERR_OK;
}

static enum err weights_text(struct arena *arena, const struct memory_weights *w, struct str *ret)
{
    struct buf text;

    buf_init(&text, WEIGHTS_TEXT_MAX);
    for (int i = 0; i < MEMORY_WEIGHTS; i++)
        buf_printf(&text, "%c%.6g", i ? ',' : '[', w->w[i]);
    buf_putc(&text, ']');
    *ret = text.failed ? (struct str){NULL, 0} : arena_str(arena, buf_view(&text));
    buf_fini(&text);
    return ret->p ? ERR_OK : ERR_NOMEM;
}

static enum err put(struct night_work *w, int64_t reviews, const struct memory_fit *fit,
                    const struct forgetting *curve)
{
    struct value *v = arena_new(w->arena, struct value, 12);
    struct str weights;
    enum err e = v ? weights_text(w->arena, &fit->weights, &weights) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    const struct value values[] = {
        V_I(w->learner_id),    V_I(w->now_us),    V_I(reviews),           V_I(fit->judged),
        V_D(fit->loss_before), V_D(fit->loss),    V_S(weights),           V_D(curve->initial),
        V_D(curve->decay),     V_I(curve->cards), V_D(curve->decays.low), V_D(curve->decays.high)};
    memcpy(v, values, sizeof values);
    return night_put(w, STMT_MEMORY_FIT_PUT, v, 1, COUNT(values));
}

static enum err fit_and_put(struct night_work *w, const struct past *p, int64_t reviews)
{
    struct memory_fit fit;
    struct forgetting curve;
    bool some;
    enum err e = memory_fit(p->steps, p->count, &memory_prior_default, &fit);

    if (e == ERR_OK)
        e = forgetting_of(p->steps, p->count, &memory_prior_default, &some, &curve);
    return e == ERR_OK && some ? put(w, reviews, &fit, &curve) : e;
}

enum err night_memory(struct night_work *w)
{
    const struct value args[] = {V_I(w->learner_id), V_I(NIGHT_REVIEWS_MAX)};
    struct past p = {.zone = w->zone};
    int64_t reviews = 0;
    bool due;
    enum err e = is_due(w, &due, &reviews);

    if (e != ERR_OK || !due)
        return e;
    e = store_each(w->conn, STMT_MEMORY_REVIEWS, args, 2, take_review, &p);
    if (e == ERR_OK)
        e = fit_and_put(w, &p, reviews);
    free(p.steps);
    return e;
}
