#include "eval/reviews.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One person's past, as far as it has been walked. */
struct pass {
    struct retention learner;
    struct retention_card *cards;
    struct retention_event *events;
    uint32_t card_count;
};

static uint32_t cards_in(const struct review *r, int64_t count)
{
    uint32_t cards = 0;

    for (int64_t i = 0; i < count; i++)
        cards = r[i].card >= cards ? r[i].card + 1 : cards;
    return cards;
}

static void pass_fini(struct pass *p)
{
    free(p->cards);
    free(p->events);
}

static enum err pass_init(struct pass *p, const struct review *r, int64_t count,
                          const struct reviews_prior *prior)
{
    uint32_t n = cards_in(r, count) + 1;

    *p = (struct pass){.card_count = n - 1,
                       .cards = calloc(n, sizeof *p->cards),
                       .events = calloc((size_t)count + 1, sizeof *p->events)};
    if (!p->cards || !p->events) {
        pass_fini(p);
        return ERR_NOMEM;
    }
    for (int64_t i = 0; i < count; i++)
        p->events[i] = (struct retention_event){r[i].card, r[i].day, r[i].grade};
    retention_init(&p->learner, prior->recall, prior->fsrs);
    return ERR_OK;
}

/* The chance of recall that the model sees; NaN: this review is not judged. */
static double step(struct pass *p, const struct review *r, enum reviews_model m)
{
    struct retention_before before;

    if (!retention_review(&p->learner, &p->cards[r->card], (enum memory_grade)r->grade, r->day,
                          r->at_s, &before))
        return (double)NAN;
    return m == REVIEWS_DOPPEL        ? before.served
           : m == REVIEWS_RIVAL       ? (double)r->rival
           : m == REVIEWS_FSRS_FITTED ? before.fitted
                                      : before.published;
}

static enum err fit(struct pass *p, const struct reviews_prior *prior, int64_t count)
{
    return retention_refit(&p->learner, prior->fsrs, p->events, count, p->cards, p->card_count);
}

enum err reviews_forecast(const struct review *r, int64_t count, enum reviews_model m,
                          const struct reviews_prior *prior, struct forecast *ret, int64_t *ret_n,
                          struct retention *ret_learnt)
{
    struct pass p;
    int64_t n = 0;

    ASSERT(count >= 0 && count <= REVIEWS_MAX);
    enum err e = pass_init(&p, r, count, prior);
    if (e != ERR_OK)
        return e;
    for (int64_t i = 0; i < count && e == ERR_OK; i++) {
        if (retention_refit_due(&p.learner))
            e = fit(&p, prior, i);
        double chance = step(&p, &r[i], m);

        if (!isnan(chance))
            ret[n++] = (struct forecast){(float)chance, r[i].grade > GRADE_AGAIN, r[i].card};
    }
    if (e == ERR_OK && ret_learnt)
        e = fit(&p, prior, count);
    if (ret_learnt)
        *ret_learnt = p.learner;
    pass_fini(&p);
    *ret_n = n;
    return e;
}

enum err reviews_learn(const struct review *r, int64_t count, const struct reviews_prior *prior,
                       struct retention *ret, struct retention_card *ret_cards)
{
    struct pass p;

    ASSERT(count >= 0 && count <= REVIEWS_MAX);
    enum err e = pass_init(&p, r, count, prior);
    if (e != ERR_OK)
        return e;
    for (int64_t i = 0; i <= count && e == ERR_OK; i++) {
        if (retention_refit_due(&p.learner))
            e = fit(&p, prior, i);
        if (i < count)
            step(&p, &r[i], REVIEWS_DOPPEL);
    }
    *ret = p.learner;
    memcpy(ret_cards, p.cards, p.card_count * sizeof *ret_cards);
    pass_fini(&p);
    return e;
}

enum err reviews_evaluate(const struct review *r, int64_t count, const struct reviews_prior *prior,
                          const char *set, const char *split, const char *rival, int32_t resamples,
                          FILE *out)
{
    const char *const names[REVIEWS_MODEL_COUNT] = {"fsrs-6-default", "fsrs-6-fitted", rival,
                                                    "doppel"};
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
