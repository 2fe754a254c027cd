#include "night/retained.h"

#include "base/assert.h"

#include <math.h>

void retained_read(const struct rows *rows, struct retained *ret)
{
    const struct value *v = rows->count > 0 ? row_at(rows, 0) : NULL;

    ret->learnt = v && v->type == V_BLOB &&
                  retention_decode(&ret->learner, (const uint8_t *)v->s.p, v->s.n) == ERR_OK;
}

static bool own_of(const struct retained *r, const struct value *state, struct retention_card *ret)
{
    return r->learnt && state->type == V_BLOB &&
           retention_card_decode(ret, (const uint8_t *)state->s.p, state->s.n) == ERR_OK;
}

struct retained_now retained_card(const struct retained *r, const struct value *columns,
                                  int32_t day, struct interval *ret_interval)
{
    struct retention_card card;
    double stability = (double)value_i64(&columns[0], 0) / 1e6,
           gap = fmax(0, (double)(day - value_i64(&columns[1], 0)));

    ASSERT(stability > 0);
    if (own_of(r, &columns[3], &card))
        return (struct retained_now){.recall =
                                         retention_recall(&r->learner, &card, day, 0, ret_interval),
                                     .due = day >= value_i64(&columns[2], INT32_MAX),
                                     .own = true};
    if (ret_interval)
        *ret_interval = (struct interval){(double)NAN, (double)NAN};
    return (struct retained_now){.recall = memory_recall(&memory_default, stability, gap),
                                 .due = gap >= stability};
}

struct str retained_of(const struct retained *r, int64_t *ret_n)
{
    *ret_n = r->learnt ? r->learner.judged : 0;
    return r->learnt ? STR("the average of FSRS-6 fitted to the learner and of a regression that "
                           "learns with every review, by how well each has done; FSRS-6 with its "
                           "published weights for cards reviewed since the night")
                     : STR("FSRS-6 with its published weights: nothing was learnt yet");
}
