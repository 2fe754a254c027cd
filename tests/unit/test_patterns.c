/* Patterns: found in what is there, not in what is not; kept, let go, and found again by data only.
 */
#include "test.h"

#include "base/rng.h"
#include "twin/patterns.h"
#include "twin/study.h"

#include <math.h>
#include <string.h>

struct learner {
    struct rhythm_sum hours[24];
    struct rng rng;
    double effect; /* at 9 o'clock, log odds; minus as much at 21 */
};

static void week(struct learner *l)
{
    for (int s = 0; s < 7; s++) {
        int hour = 7 + (int)rng_below(&l->rng, 16);
        double d = l->effect * cos(2 * M_PI * (hour - 9) / 24);
        struct rhythm_part part = {0};

        for (int i = 0; i < 40; i++) {
            double logit = .8 + rng_normal(&l->rng);
            bool right = rng_unit(&l->rng) < 1 / (1 + exp(-logit - d));
            rhythm_count(&part, 1 / (1 + exp(-logit)), right, 1);
        }
        rhythm_add(&l->hours[hour], &part, 1);
    }
}

/* One weekly analysis of one track, as the server makes it. */
static enum pattern_change analyse(struct learner *l, struct pattern_track *t, int64_t now)
{
    struct pattern_finding time, peak;
    struct pattern_data data;
    struct rhythm r;

    rhythm_slots(l->hours, 24, RHYTHM_CIRCLE, 1, &r);
    patterns_find_hours(&r, &time, &peak);
    if (!(t->claim > 0) && time.found)
        t->slot = time.slot;
    data = patterns_data_slots(l->hours, 24, (t->slot + 22) % 24, (t->slot + 2) % 24, r.dispersion);
    return patterns_step(t, &time, &data, now);
}

static void a_life(void **state)
{
    (void)state;
    struct learner l = {.effect = .6};
    struct pattern_track t;
    int appeared = 0, vanished = 0, again = 0;

    rng_seed(&l.rng, 5);
    patterns_track_init(&t, PATTERN_STUDY_TIME, 0);
    assert_true(isnan(patterns_confidence(&t)));
    for (int w = 1; w <= 150; w++) {
        if (w == 40)
            l.effect = 0; /* the habit's advantage is gone */
        if (w == 100)
            l.effect = .6;
        week(&l);
        enum pattern_change change = analyse(&l, &t, w);
        double confidence = patterns_confidence(&t);
        if (change == PATTERN_APPEARED) {
            *(w < 40 ? &appeared : &again) = w;
            assert_true(t.appeared_at == w && t.present && confidence > .8);
        }
        if (change == PATTERN_VANISHED) {
            vanished = w;
            assert_true(!t.present && t.vanished_at == w && confidence <= .25);
        }
        assert_true(isnan(confidence) || (confidence >= 0 && confidence <= PATTERN_CONFIDENCE_MAX));
        struct pattern_track before = t;
        if (w % 25 == 0) { /* asking again is no data */
            assert_int_equal(analyse(&l, &t, w + 1000), PATTERN_SAME);
            assert_memory_equal(&t, &before, sizeof t);
        }
    }
    assert_true(appeared > 0 && appeared < 20 && abs(t.slot - 9) <= 3);
    print_message("appeared %d, vanished %d, again %d\n", appeared, vanished, again);
    assert_true(vanished > 40 && vanished < 80 && again > 100 && again < 140);
    assert_true(t.present && t.occurrences > 3);
}

/* Looking every week for a year: at most one learner in twenty without an effect gets a pattern,
 * and a lasting one is hardly ever let go. */
static void looking_often(void **state)
{
    (void)state;
    enum { LEARNERS = 40, WEEKS = 40 };
    int false_ones = 0, found = 0, lost = 0;

    for (int i = 0; i < 2 * LEARNERS; i++) {
        struct learner l = {.effect = i < LEARNERS ? 0 : .5};
        struct pattern_track t;
        bool ever = false, gone = false;

        rng_seed(&l.rng, 100 + (uint64_t)i);
        patterns_track_init(&t, PATTERN_STUDY_TIME, 0);
        for (int w = 1; w <= WEEKS; w++) {
            week(&l);
            if (w % 4)
                continue;
            enum pattern_change change = analyse(&l, &t, w);
            ever |= change == PATTERN_APPEARED;
            gone |= change == PATTERN_VANISHED;
        }
        false_ones += i < LEARNERS && ever;
        found += i >= LEARNERS && ever;
        lost += i >= LEARNERS && gone;
    }
    print_message("false %d, found %d, lost %d of %d\n", false_ones, found, lost, LEARNERS);
    assert_true(false_ones <= .05 * LEARNERS);
    assert_true(found >= .9 * LEARNERS && lost <= .1 * LEARNERS);
}

static void hours_and_their_window(void **state)
{
    (void)state;
    struct learner l = {.effect = .9};
    struct pattern_finding time, peak;
    struct pattern_track t;
    struct rhythm r;

    rng_seed(&l.rng, 2);
    rhythm_slots(l.hours, 24, RHYTHM_CIRCLE, 1, &r);
    patterns_find_hours(&r, &time, &peak);
    assert_true(!time.found && time.reason == RHYTHM_FEW_SESSIONS && time.slot == -1);
    assert_true(time.needed == RHYTHM_SESSIONS_NEEDED && isnan(time.value) && isnan(time.p));
    for (int w = 0; w < 40; w++)
        week(&l);
    rhythm_slots(l.hours, 24, RHYTHM_CIRCLE, 1, &r);
    patterns_find_hours(&r, &time, &peak);
    assert_true(time.found && time.n == 40 * 7 * 40 && time.p <= RHYTHM_ALPHA);
    assert_true(time.effect_interval.low > 0 && fabs(time.value - 9) <= 2);
    assert_true(peak.found && peak.value <= time.value && peak.interval.high > time.value);
    assert_true(peak.interval.high - peak.interval.low >= 2);

    patterns_track_init(&t, PATTERN_STUDY_TIME, 23);
    time.slot = 1;
    assert_true(patterns_same(&t, &time)); /* over midnight */
    time.slot = 2;
    assert_true(!patterns_same(&t, &time));
    assert_true(!patterns_same(&t, &peak));
}

static void forgetting(void **state)
{
    (void)state;
    struct rng rng;
    int false_ones = 0;

    rng_seed(&rng, 4);
    for (int i = 0; i < 200; i++) {
        struct rhythm_sum sum = {0};
        struct pattern_finding f;
        bool remembers = i % 2;

        for (int s = 0; s < 60; s++) {
            struct rhythm_part part = {0};
            for (int k = 0; k < 20; k++) {
                double p = .7 + .25 * rng_unit(&rng),
                       logit = log(p / (1 - p)) + (remembers ? .5 : 0);
                rhythm_count(&part, p, rng_unit(&rng) < 1 / (1 + exp(-logit)), 1);
            }
            rhythm_add(&sum, &part, 1);
        }
        patterns_find_forgetting(&sum, &f);
        if (remembers)
            assert_true(f.found && f.slot == 0 && f.effect > 0 && f.bayes_factor > 20);
        else
            false_ones += f.found;
    }
    assert_true(false_ones <= 5);
    struct rhythm_sum none = {0};
    struct pattern_finding f;
    patterns_find_forgetting(&none, &f);
    assert_true(!f.found && f.needed == RHYTHM_SESSIONS_NEEDED && isnan(f.effect));
}

static void attention_and_duration(void **state)
{
    (void)state;
    struct rhythm_minutes cells[12];
    struct rhythm_fatigue fatigue;
    struct pattern_finding attention, duration;

    for (int b = 0; b < 12; b++) { /* 80 % as forecast, from minute 30 on ever less */
        double rate = .8 - (b < 6 ? 0 : .05 * (b - 5));
        cells[b] = (struct rhythm_minutes){.stratum = 5, .bucket = b};
        for (int i = 0; i < 400; i++)
            rhythm_count(&cells[b].part, .8, i < 400 * rate, 1);
    }
    rhythm_fatigue(cells, 12, 1, &fatigue);
    patterns_find_attention(&fatigue, &attention);
    patterns_find_duration(&fatigue, NULL, study_length_from, &duration);
    assert_true(attention.found && attention.bayes_factor > PATTERN_APPEARS);
    assert_true(attention.value > 24 && attention.value < 36 && attention.effect > 0);
    assert_true(duration.kind == PATTERN_DURATION && duration.slot == PATTERN_BY_FATIGUE);
    assert_true(duration.value == attention.value);

    struct pattern_data d = patterns_data_minutes(cells, 12, 30, 1);
    assert_true(d.inside.n == 2400 && d.outside.n == 2400 && d.outside.residual < 0);
    struct pattern_track t;
    patterns_track_init(&t, PATTERN_ATTENTION, 0);
    assert_int_equal(patterns_step(&t, &attention, &d, 7), PATTERN_APPEARED);
    assert_true(patterns_confidence(&t) > .8);
    d.inside.n = 1; /* erased: nothing is left of what had been concluded */
    assert_int_equal(patterns_step(&t, NULL, &d, 8), PATTERN_SAME);
    assert_true(isnan(patterns_confidence(&t)) && !t.present);

    rhythm_fatigue(NULL, 0, 1, &fatigue);
    patterns_find_attention(&fatigue, &attention);
    patterns_find_duration(&fatigue, NULL, study_length_from, &duration);
    assert_true(!attention.found && !duration.found && isnan(duration.value));
    assert_true(duration.needed == RHYTHM_OUTCOMES_NEEDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life),
        cmocka_unit_test(looking_often),
        cmocka_unit_test(hours_and_their_window),
        cmocka_unit_test(forgetting),
        cmocka_unit_test(attention_and_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
