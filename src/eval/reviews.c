#include "eval/reviews.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One person's past, as far as it has been walked. */
struct pass {
    struct recall_card *cards;   /* their memory by the published weights */
    struct memory_state *fitted; /* and by the person's own */
    uint32_t card_count;
    struct recall_level level;
    struct recall_weights recall;
    struct recall_trust trust; /* in the regression, against the fitted curve */
    const struct memory_prior *fsrs_prior;
    struct memory_fit fsrs;
    int64_t judged, next_fit;
    uint32_t *ends;            /* scratch: where a card's reviews end among the steps */
    struct memory_step *steps; /* scratch: the reviews so far, card by card */
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
    free(p->fitted);
    free(p->ends);
    free(p->steps);
}

static enum err pass_init(struct pass *p, const struct review *r, int64_t count,
                          const struct reviews_prior *prior)
{
    uint32_t n = cards_in(r, count) + 1;

    *p = (struct pass){.card_count = n - 1,
                       .cards = calloc(n, sizeof *p->cards),
                       .fitted = calloc(n, sizeof *p->fitted),
                       .ends = calloc(n, sizeof *p->ends),
                       .steps = calloc((size_t)count + 1, sizeof *p->steps),
                       .fsrs_prior = prior->fsrs ? prior->fsrs : &memory_prior_default,
                       .next_fit = MEMORY_FIT_JUDGED_MIN};
    if (!p->cards || !p->fitted || !p->ends || !p->steps) {
        pass_fini(p);
        return ERR_NOMEM;
    }
    recall_level_init(&p->level);
    recall_weights_init(&p->recall, prior->recall);
    p->fsrs.weights = p->fsrs_prior->mean;
    return ERR_OK;
}

/* Puts r[0..count) card by card, keeping their order within a card. */
static void gather_steps(struct pass *p, const struct review *r, int64_t count)
{
    uint32_t begin = 0;

    memset(p->ends, 0, (p->card_count + 1) * sizeof *p->ends);
    for (int64_t i = 0; i < count; i++)
        p->ends[r[i].card]++;
    for (uint32_t c = 0; c < p->card_count; c++) {
        uint32_t n = p->ends[c];

        p->ends[c] = begin; /* moves on as the card's reviews are put */
        begin += n;
    }
    for (int64_t i = 0; i < count; i++) { /* `days` holds the day for now */
        uint32_t at = p->ends[r[i].card]++;

        p->steps[at] = (struct memory_step){r[i].day, r[i].grade};
    }
    begin = 0;
    for (uint32_t c = 0; c < p->card_count; c++) {
        int32_t last = 0;

        for (uint32_t i = begin; i < p->ends[c]; i++) {
            int32_t day = p->steps[i].days;

            p->steps[i].days = i == begin ? -1 : day > last ? day - last : 0;
            last = i == begin || day > last ? day : last;
        }
        begin = p->ends[c];
    }
}

/* Fits to r[0..count), and walks the cards again with the new weights. */
static enum err fit(struct pass *p, const struct review *r, int64_t count)
{
    uint32_t i = 0;

    gather_steps(p, r, count);
    enum err e = memory_fit(p->steps, (int32_t)count, p->fsrs_prior, &p->fsrs);

    memset(p->fitted, 0, (p->card_count + 1) * sizeof *p->fitted);
    for (uint32_t c = 0; c < p->card_count; c++)
        for (; i < p->ends[c]; i++)
            p->fitted[c] =
                memory_review(&p->fsrs.weights, p->fitted[c], (enum memory_grade)p->steps[i].grade,
                              fmax(p->steps[i].days, 0));
    p->next_fit = p->judged + p->judged / 4 + 1;
    return e;
}

/* The chance of recall that the model sees; NaN: this review is not judged. */
static double step(struct pass *p, const struct review *r, enum reviews_model m)
{
    struct recall_card *card = &p->cards[r->card];
    struct memory_state *fitted = &p->fitted[r->card];
    bool seen = card->memory.stability > 0, judged = seen && r->day > card->last_day,
         remembered = r->grade > GRADE_AGAIN;
    int32_t gap = judged ? r->day - card->last_day : 0;
    double chance = (double)NAN;

    if (judged) {
        double curve = memory_recall(&p->fsrs.weights, fitted->stability, gap);
        struct recall_inputs in;
        struct recall_forecast f;

        p->judged++;
        recall_read(&memory_default, card, &p->level, r->day, r->at_s, &in);
        recall_predict(&p->recall, &in, &f);
        double shown =
            recall_forecast(&p->recall, &memory_default, card, &p->level, r->day, r->at_s);
        chance = m == REVIEWS_DOPPEL        ? recall_trust_average(&p->trust, shown, curve)
                 : m == REVIEWS_RIVAL       ? (double)r->rival
                 : m == REVIEWS_FSRS_FITTED ? curve
                                            : in.curve;
        recall_trust_learn(&p->trust, shown, curve, remembered);
        recall_learn(&p->recall, &in, &f, remembered);
    }
    *fitted = memory_review(&p->fsrs.weights, *fitted, (enum memory_grade)r->grade, gap);
    recall_review(&memory_default, card, &p->level, (enum memory_grade)r->grade, r->day, r->at_s);
    return chance;
}

enum err reviews_forecast(const struct review *r, int64_t count, enum reviews_model m,
                          const struct reviews_prior *prior, struct forecast *ret, int64_t *ret_n,
                          struct reviews_learnt *ret_learnt)
{
    struct pass p;
    int64_t n = 0;

    ASSERT(count >= 0 && count <= REVIEWS_MAX);
    enum err e = pass_init(&p, r, count, prior);
    if (e != ERR_OK)
        return e;
    for (int64_t i = 0; i < count && e == ERR_OK; i++) {
        if (p.judged >= p.next_fit)
            e = fit(&p, r, i);
        double chance = step(&p, &r[i], m);

        if (!isnan(chance))
            ret[n++] = (struct forecast){(float)chance, r[i].grade > GRADE_AGAIN, r[i].card};
    }
    if (e == ERR_OK && ret_learnt)
        e = fit(&p, r, count);
    if (ret_learnt)
        *ret_learnt = (struct reviews_learnt){p.recall, p.fsrs};
    pass_fini(&p);
    *ret_n = n;
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
