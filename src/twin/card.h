/* card - one card's place in a learner's memory: as it is stored, as other programs exchange it,
 * and as the older API spoke of it.
 *
 * Stored are whole numbers: after each review the state of memory.h is rounded to millionths, and
 * the next review starts from there. So a state is the same whether the reviews came one by one or
 * are walked again from the log, and does not hang on the last bits of a machine's arithmetic.
 * Days are the learner's, and begin at CARD_DAY_HOUR: who studies past midnight has not begun a new
 * day. Pure: no clock, no globals. */
#pragma once
#include "twin/memory.h"

enum {
    CARD_DAY_HOUR = 4,        /* local; that of Anki */
    CARD_REVIEWS_MAX = 10000, /* in order of time; later ones leave the memory as it is */
    CARD_STEP_MINUTES = 10,   /* until a card that is being learnt comes again */
};

/* Zeroed: no review yet. */
struct card_memory {
    int64_t stability_micro;  /* millionths of a day; 0: no review */
    int64_t difficulty_micro; /* millionths, 1000000..10000000 */
    int32_t day;              /* of the latest review, days since 1970 in the learner's reckoning */
    int32_t reviews, lapses;  /* lapses: forgotten a day or more after the review before */
};

/* The day of an instant `second_of_day` after midnight of local day `epoch_day`. */
int32_t card_day(int32_t epoch_day, int32_t second_of_day);

/* Moves the memory on by a review on `day`; one that seems to lie before the last one counts as the
 * same day. Returns the chance of recall as it was before, NaN where it is not judged: on the same
 * day, at the first review, for a grade outside 1..4, beyond CARD_REVIEWS_MAX. */
double card_review(const struct memory_weights *w, struct card_memory *card,
                   enum memory_grade grade, int32_t day);

/* The chance of recall `days` (>= 0, fractions allowed) after the last review; NaN: no review. */
double card_recall(const struct memory_weights *w, const struct card_memory *card, double days);

/* ---- exchange ---- */

/* The numbers are those of Anki and of the open FSRS libraries. */
enum card_phase { CARD_NEW, CARD_LEARNING, CARD_REVIEWING, CARD_RELEARNING };

/* One card as other programs know it. */
struct card_state {
    enum card_phase phase;
    double stability, difficulty; /* NaN: unknown, or new */
    int64_t due_at, last_at;      /* UTC microseconds; TIME_NONE: new */
    int32_t interval_days;        /* from last_at to due_at; 0 while it is being learnt */
    int32_t reps, lapses;
    double ease; /* of an SM-2 scheduler, >= 1.3; NaN: none. Import only */
};

const char *card_phase_name(enum card_phase p); /* "new" .. "relearning" */

/* last_at, last_grade: of the card's last review; not looked at when there is none.
 * 0 < retention < 1: what to aim at when the card is due. */
void card_export(const struct memory_weights *w, const struct card_memory *card, int64_t last_at,
                 enum memory_grade last_grade, double retention, struct card_state *ret);
/* last_day: that of state->last_at. Without a stability, one is made of `ease` and `interval_days`,
 * taken to have aimed at a recall of 0.9. ERR_RANGE: a number is outside its range or not finite,
 * a card that is not new without last_at, or without anything to tell its memory by. */
MUST_CHECK enum err card_import(const struct memory_weights *w, const struct card_state *state,
                                int32_t last_day, struct card_memory *ret);

/* ---- what the older API speaks of ---- */

/* An exponential curve R = initial * e^(-decay * days) in place of the true one, which falls fast
 * at first and slowly then: the least squares through the logarithms of the cards' mean recall 1,
 * 3, 7, 14, 30 and 90 days after a review. */
struct card_curve {
    double initial;        /* 0.5..1 */
    double decay;          /* a day; CARD_DECAY_MIN..0.5 */
    double half_life_days; /* ln 2 / decay */
};
#define CARD_DECAY_MIN 0.0001

/* false: no card has been reviewed. */
bool card_curve_of(const struct memory_weights *w, const struct card_memory *cards, int32_t count,
                   struct card_curve *ret);
/* Days until the true curve has fallen to one half; NaN: no review. */
double card_half_life(const struct memory_weights *w, const struct card_memory *card);
