#include "twin/card.h"

#include "base/assert.h"
#include "base/civil.h"

#include <math.h>

static const double micro = 1e6;

static struct memory_state state_of(const struct card_memory *card)
{
    return (struct memory_state){(double)card->stability_micro / micro,
                                 (double)card->difficulty_micro / micro};
}

static void keep_state(struct card_memory *card, struct memory_state s)
{
    card->stability_micro = llround(s.stability * micro);
    card->difficulty_micro = llround(s.difficulty * micro);
}

int32_t card_day(int32_t epoch_day, int32_t second_of_day)
{
    return epoch_day - (second_of_day < CARD_DAY_HOUR * 3600);
}

double card_review(const struct memory_weights *w, struct card_memory *card,
                   enum memory_grade grade, int32_t day)
{
    bool seen = card->stability_micro > 0;
    int64_t gap = seen && day > card->day ? (int64_t)day - card->day : 0;
    double recall = (double)NAN;

    if (grade < GRADE_AGAIN || grade > GRADE_EASY || card->reviews >= CARD_REVIEWS_MAX)
        return recall;
    if (gap > 0) {
        recall = memory_recall(w, state_of(card).stability, (double)gap);
        card->lapses += grade == GRADE_AGAIN;
    }
    keep_state(card, memory_review(w, state_of(card), grade, (double)gap));
    card->day = seen && day < card->day ? card->day : day;
    card->reviews++;
    return recall;
}

double card_recall(const struct memory_weights *w, const struct card_memory *card, double days)
{
    return card->stability_micro > 0 ? memory_recall(w, state_of(card).stability, days)
                                     : (double)NAN;
}

/* ---- exchange ---- */

const char *card_phase_name(enum card_phase p)
{
    static const char *const names[] = {"new", "learning", "review", "relearning"};

    ASSERT(p <= CARD_RELEARNING);
    return names[p];
}

static enum card_phase phase_of(const struct card_memory *card, enum memory_grade last_grade)
{
    if (card->stability_micro == 0)
        return CARD_NEW;
    if (last_grade == GRADE_AGAIN && card->lapses > 0)
        return CARD_RELEARNING;
    return last_grade == GRADE_AGAIN || card->stability_micro < 500000 ? CARD_LEARNING
                                                                       : CARD_REVIEWING;
}

void card_export(const struct memory_weights *w, const struct card_memory *card, int64_t last_at,
                 enum memory_grade last_grade, double retention, struct card_state *ret)
{
    struct memory_state s = state_of(card);

    ASSERT(retention > 0 && retention < 1);
    *ret = (struct card_state){.phase = phase_of(card, last_grade),
                               .stability = (double)NAN,
                               .difficulty = (double)NAN,
                               .due_at = TIME_NONE,
                               .last_at = TIME_NONE,
                               .ease = (double)NAN};
    if (ret->phase == CARD_NEW)
        return;
    ret->stability = s.stability;
    ret->difficulty = s.difficulty;
    ret->reps = card->reviews;
    ret->lapses = card->lapses;
    ret->last_at = last_at;
    if (ret->phase == CARD_REVIEWING) {
        ret->interval_days = memory_interval_days(w, s.stability, retention, (int32_t)MEMORY_S_MAX);
        ret->due_at = last_at + ret->interval_days * US_PER_DAY;
    } else {
        ret->due_at = last_at + CARD_STEP_MINUTES * US_PER_MINUTE;
    }
}

static bool within(double x, double low, double high) /* false for NaN */
{
    return x >= low && x <= high;
}

enum err card_import(const struct memory_weights *w, const struct card_state *state,
                     int32_t last_day, struct card_memory *ret)
{
    struct memory_state s = {state->stability, state->difficulty};

    if (state->phase > CARD_RELEARNING || state->reps < 0 || state->lapses < 0 ||
        state->lapses > state->reps || state->interval_days < 0)
        return ERR_RANGE;
    if (state->phase == CARD_NEW) {
        *ret = (struct card_memory){0};
        return state->reps == 0 ? ERR_OK : ERR_RANGE;
    }
    if (state->last_at < TIME_MIN || state->last_at > TIME_MAX || state->reps == 0)
        return ERR_RANGE;
    if (isnan(s.stability) && within(state->ease, 1.3, 10) &&
        within(state->interval_days, 1, MEMORY_S_MAX))
        s = memory_from_sm2(w, state->ease, state->interval_days, 0.9);
    if (!within(s.stability, MEMORY_S_MIN, MEMORY_S_MAX) || !within(s.difficulty, 1, 10))
        return ERR_RANGE;
    *ret = (struct card_memory){.day = last_day, .reviews = state->reps, .lapses = state->lapses};
    keep_state(ret, s);
    return ERR_OK;
}

/* ---- what the older API speaks of ---- */

bool card_curve_of(const struct memory_weights *w, const struct card_memory *cards, int32_t count,
                   struct card_curve *ret)
{
    static const double days[] = {1, 3, 7, 14, 30, 90};
    enum { POINTS = COUNT(days) };
    double recall[POINTS] = {0}, mean_x = 0, mean_y = 0, xy = 0, xx = 0;
    int32_t n = 0;

    for (int32_t i = 0; i < count; i++) {
        if (cards[i].stability_micro == 0)
            continue;
        n++;
        for (int p = 0; p < POINTS; p++)
            recall[p] += memory_recall(w, state_of(&cards[i]).stability, days[p]);
    }
    if (n == 0)
        return false;
    for (int p = 0; p < POINTS; p++) {
        mean_x += days[p] / POINTS;
        mean_y += log(recall[p] / n) / POINTS;
    }
    for (int p = 0; p < POINTS; p++) {
        xy += (days[p] - mean_x) * (log(recall[p] / n) - mean_y);
        xx += (days[p] - mean_x) * (days[p] - mean_x);
    }
    ret->decay = fmin(fmax(-xy / xx, CARD_DECAY_MIN), 0.5);
    ret->initial = fmin(fmax(exp(mean_y + ret->decay * mean_x), 0.5), 1);
    ret->half_life_days = log(2) / ret->decay;
    return true;
}

double card_half_life(const struct memory_weights *w, const struct card_memory *card)
{
    return card->stability_micro > 0 ? memory_interval(w, state_of(card).stability, 0.5)
                                     : (double)NAN;
}
