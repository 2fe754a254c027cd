#include "eval/reviews.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>

struct pass {
    struct recall_card *cards;
    struct recall_level level;
    struct recall_weights weights;
};

static uint32_t cards_in(const struct review *r, int64_t count)
{
    uint32_t cards = 0;

    for (int64_t i = 0; i < count; i++)
        cards = r[i].card >= cards ? r[i].card + 1 : cards;
    return cards;
}

/* The chance of recall that the model sees; NaN: this review is not judged. */
static double step(struct pass *p, const struct review *r, enum reviews_model m)
{
    struct recall_card *card = &p->cards[r->card];
    bool judged = card->memory.stability > 0 && r->day > card->last_day,
         remembered = r->grade > GRADE_AGAIN;
    double chance = (double)NAN;

    if (judged) {
        struct recall_inputs in;
        struct recall_forecast f;

        recall_read(&memory_default, card, &p->level, r->day, r->at_s, &in);
        recall_predict(&p->weights, &in, &f);
        recall_learn(&p->weights, &in, &f, remembered);
        chance = m == REVIEWS_DOPPEL  ? f.probability
                 : m == REVIEWS_RIVAL ? (double)r->rival
                                      : in.curve;
    }
    recall_review(&memory_default, card, &p->level, (enum memory_grade)r->grade, r->day, r->at_s);
    return chance;
}

enum err reviews_forecast(const struct review *r, int64_t count, enum reviews_model m,
                          const struct recall_weights *prior, struct forecast *ret, int64_t *ret_n,
                          struct recall_weights *ret_weights)
{
    struct pass p = {.cards = calloc((size_t)cards_in(r, count) + 1, sizeof *p.cards)};
    int64_t n = 0;

    if (!p.cards)
        return ERR_NOMEM;
    recall_level_init(&p.level);
    recall_weights_init(&p.weights, prior);
    for (int64_t i = 0; i < count; i++) {
        double chance = step(&p, &r[i], m);

        if (!isnan(chance))
            ret[n++] = (struct forecast){(float)chance, r[i].grade > GRADE_AGAIN, r[i].card};
    }
    free(p.cards);
    *ret_n = n;
    if (ret_weights)
        *ret_weights = p.weights;
    return ERR_OK;
}

enum err reviews_evaluate(const struct review *r, int64_t count, const struct recall_weights *prior,
                          const char *set, const char *split, const char *rival, int32_t resamples,
                          FILE *out)
{
    const char *const names[REVIEWS_MODEL_COUNT] = {"fsrs-6-default", rival, "doppel"};
    struct forecast *f = calloc((size_t)count + 1, sizeof *f);
    enum err e = f ? ERR_OK : ERR_NOMEM;

    for (int m = 0; m < REVIEWS_MODEL_COUNT && e == ERR_OK; m++) {
        struct scores s;
        int64_t n;

        if (!names[m])
            continue;
        e = reviews_forecast(r, count, (enum reviews_model)m, prior, f, &n, NULL);
        if (e == ERR_OK)
            e = scores_of(f, n, cards_in(r, count), resamples, &s);
        if (e == ERR_OK)
            scores_print(out, set, split, names[m], &s);
    }
    free(f);
    return e;
}
