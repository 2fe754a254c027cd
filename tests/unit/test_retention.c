/* The chance of recall that is served: bounds, monotony, states that survive being stored. */
#include "twin/retention.h"

#include "base/assert.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { CARDS = 30, REVIEWS = 1200 };

struct life {
    struct retention learner;
    struct retention_card cards[CARDS];
    struct retention_event events[REVIEWS];
    int32_t day;
};

static void live(struct life *l, uint64_t seed, double forgets)
{
    struct rng r;

    memset(l, 0, sizeof *l);
    retention_init(&l->learner, NULL, NULL);
    rng_seed(&r, seed);
    for (int i = 0; i < REVIEWS; i++) {
        uint32_t c = (uint32_t)rng_below(&r, CARDS);
        bool first = l->cards[c].memory.reviews == 0;
        enum memory_grade grade =
            !first && rng_unit(&r) < forgets ? GRADE_AGAIN : (enum memory_grade)(2 + i % 3);
        struct retention_before before;

        if (retention_refit_due(&l->learner))
            assert_int_equal(retention_refit(&l->learner, NULL, l->events, i, l->cards, CARDS),
                             ERR_OK);
        l->day += rng_below(&r, 9) == 0;
        l->events[i] = (struct retention_event){c, l->day, (uint8_t)grade};
        if (retention_review(&l->learner, &l->cards[c], grade, l->day, 86400 * l->day + i,
                             &before)) {
            assert_false(first);
            assert_true(before.served > 0 && before.served < 1);
            assert_true(before.fitted > 0 && before.published > 0);
        }
    }
    assert_true(l->learner.fitted > 0);
}

static void absence_never_helps(void **state)
{
    (void)state;
    static const double forgets[] = {0, 0.1, 0.5, 0.95};
    struct life l;

    for (size_t k = 0; k < COUNT(forgets); k++) {
        live(&l, k + 1, forgets[k]);
        for (int c = 0; c < CARDS; c++) {
            double before = 1;

            for (int32_t gap = 0; gap < 40000; gap = gap < 40 ? gap + 1 : gap * 5 / 4) {
                struct interval i;
                int32_t day = l.cards[c].memory.day + gap;
                /* on the last days the learner's form of the day counts */
                double p = retention_recall(&l.learner, &l.cards[c], day, 0, &i);

                assert_true(p > 0 && p < 1 && i.low <= p && p <= i.high && i.low > 0 && i.high < 1);
                assert_true(p == retention_recall(&l.learner, &l.cards[c], day, 0, NULL));
                if (day > l.day + 1)
                    assert_true(p <= before + 1e-12);
                before = day > l.day ? p : 1;
            }
        }
    }
}

static void due_is_the_first_day_below(void **state)
{
    (void)state;
    struct life l;

    live(&l, 7, 0.15);
    l.learner.level.today = 0; /* the form of a day is left out of it */
    for (int c = 0; c < CARDS; c++) {
        int32_t due = retention_due(&l.learner, &l.cards[c]), last = l.cards[c].memory.day;

        assert_true(due > last && due <= last + (int32_t)MEMORY_S_MAX);
        if (due < last + (int32_t)MEMORY_S_MAX)
            assert_true(retention_recall(&l.learner, &l.cards[c], due, 0, NULL) <=
                        RETENTION_WANTED);
        if (due > last + 1)
            assert_true(retention_recall(&l.learner, &l.cards[c], due - 1, 0, NULL) >
                        RETENTION_WANTED);
    }
}

static void stored_and_read_again(void **state)
{
    (void)state;
    uint8_t bytes[RETENTION_BYTES], card[RETENTION_CARD_BYTES];
    struct retention read;
    struct retention_card c;
    struct life l;

    live(&l, 3, 0.2);
    retention_encode(&l.learner, bytes);
    assert_int_equal(retention_decode(&read, bytes, sizeof bytes), ERR_OK);
    assert_memory_equal(&read.recall.mean, &l.learner.recall.mean, sizeof read.recall.mean);
    assert_memory_equal(&read.recall.covariance, &l.learner.recall.covariance,
                        sizeof read.recall.covariance);
    assert_memory_equal(&read.own, &l.learner.own, sizeof read.own);
    assert_memory_equal(&read.level.recent, &l.learner.level.recent, sizeof read.level.recent);
    assert_int_equal(read.judged, l.learner.judged);
    for (int i = 0; i < CARDS; i++) {
        retention_card_encode(&l.cards[i], card);
        assert_int_equal(retention_card_decode(&c, card, sizeof card), ERR_OK);
        assert_true(retention_recall(&read, &c, l.day + 9, 0, NULL) ==
                    retention_recall(&l.learner, &l.cards[i], l.day + 9, 0, NULL));
    }
}

/* What is stored may be cut or broken: it is refused, or gives finite numbers. */
static void broken_states(void **state)
{
    (void)state;
    uint8_t bytes[RETENTION_BYTES], card[RETENTION_CARD_BYTES], prior[RETENTION_PRIOR_BYTES];
    struct retention_prior p;
    struct retention_card c;
    struct retention read;
    struct life l;
    struct rng r;

    live(&l, 3, 0.2);
    rng_seed(&r, 1);
    assert_int_equal(retention_decode(&read, bytes, 0), ERR_RANGE);
    assert_int_equal(retention_card_decode(&c, card, 0), ERR_RANGE);
    assert_int_equal(retention_prior_decode(&p, prior, 0), ERR_RANGE);
    for (int i = 0; i < 20000; i++) {
        retention_encode(&l.learner, bytes);
        retention_card_encode(&l.cards[i % CARDS], card);
        for (int k = 0; k < 3; k++) {
            bytes[rng_below(&r, sizeof bytes)] ^= (uint8_t)(1 << rng_below(&r, 8));
            card[rng_below(&r, sizeof card)] ^= (uint8_t)(1 << rng_below(&r, 8));
        }
        bool fine = retention_decode(&read, bytes, sizeof bytes) == ERR_OK;
        if (retention_card_decode(&c, card, sizeof card) == ERR_OK && fine) {
            double chance = retention_recall(&read, &c, l.day + 3, 0, NULL);
            assert_true(chance >= 0 && chance <= 1);
            assert_true(retention_due(&read, &c) > c.memory.day);
        }
    }
}

static void others_narrow_it_down(void **state)
{
    (void)state;
    static struct life lives[RETENTION_PEOPLE_MIN];
    const struct retention *people[RETENTION_PEOPLE_MIN];
    uint8_t bytes[RETENTION_PRIOR_BYTES];
    struct retention_prior prior, read;
    struct retention fresh;

    for (int i = 0; i < RETENTION_PEOPLE_MIN; i++) {
        live(&lives[i], 100 + (uint64_t)i, 0.2);
        people[i] = &lives[i].learner;
    }
    assert_int_equal(retention_population(people, RETENTION_PEOPLE_MIN, &prior), ERR_OK);
    retention_prior_encode(&prior, bytes);
    assert_int_equal(retention_prior_decode(&read, bytes, sizeof bytes), ERR_OK);
    assert_memory_equal(&read.fsrs, &prior.fsrs, sizeof read.fsrs);
    assert_memory_equal(&read.recall.covariance, &prior.recall.covariance,
                        sizeof read.recall.covariance);
    retention_init(&fresh, &read.recall, &read.fsrs);
    assert_int_equal(fresh.judged, 0);
    for (int i = 0; i < RECALL_INPUTS; i++) {
        double mean = 0;

        for (int k = 0; k < RETENTION_PEOPLE_MIN; k++)
            mean += people[k]->recall.mean[i] / RETENTION_PEOPLE_MIN;
        assert_true(fabs(fresh.recall.mean[i] - mean) < 1e-12);
    }
}

static void what_is_no_review(void **state)
{
    (void)state;
    struct retention_before before;
    struct retention_card card = {.streak = 0};
    struct retention r;

    retention_init(&r, NULL, NULL);
    assert_false(retention_review(&r, &card, (enum memory_grade)0, 10, 0, &before));
    assert_false(retention_review(&r, &card, (enum memory_grade)5, 10, 0, &before));
    assert_int_equal(card.memory.reviews, 0);
    assert_false(retention_review(&r, &card, GRADE_GOOD, 10, 0, &before));  /* the first */
    assert_false(retention_review(&r, &card, GRADE_AGAIN, 10, 0, &before)); /* the same day */
    assert_false(retention_review(&r, &card, GRADE_GOOD, 5, 0, &before));   /* before the last */
    assert_true(retention_review(&r, &card, GRADE_GOOD, 12, 0, &before));
    assert_int_equal(r.judged, 1);
    card.memory.reviews = CARD_REVIEWS_MAX;
    assert_false(retention_review(&r, &card, GRADE_GOOD, 20, 0, &before));
    assert_int_equal(r.judged, 1);
    assert_false(retention_refit_due(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absence_never_helps),   cmocka_unit_test(due_is_the_first_day_below),
        cmocka_unit_test(stored_and_read_again), cmocka_unit_test(broken_states),
        cmocka_unit_test(others_narrow_it_down), cmocka_unit_test(what_is_no_review),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
