/* Rhythm on learners whose truth is known: the simulator's people, living a life of the same shape,
 * with forecasts that err. */
#include "test.h"

#include "base/civil.h"
#include "base/rng.h"
#include "sim/world.h"
#include "twin/rhythm.h"
#include "twin/study.h"

#include <math.h>
#include <string.h>

enum { LEARNERS = 250, DAYS = 120 };

/* One learner's sums, as the server keeps them. */
struct sums {
    struct rhythm_sum hours[24], lengths[STUDY_LENGTHS];
    struct rhythm_part minutes[STUDY_LENGTHS][RHYTHM_BUCKETS];
};

struct life {
    const struct sim_world *w;
    const struct sim_learner *l;
    struct rng rng;
    double level;  /* what a forecaster that follows the learner believes, log odds */
    bool shuffled; /* hours are given to sessions at random, afterwards */
    bool fresh;    /* nobody tires */
};

static int32_t between(struct life *x, int32_t low, int32_t high)
{
    return low + (int32_t)rng_below(&x->rng, (uint64_t)(high - low + 1));
}

static int32_t session_hour(struct life *x)
{
    int32_t h = rng_unit(&x->rng) < .6 ? x->l->usual_hour + between(x, -1, 1) : between(x, 6, 22);

    return h < 6 ? 6 : h > 22 ? 22 : h;
}

static int32_t length_bucket(double minutes)
{
    int32_t b = 0;

    while (b < STUDY_LENGTHS - 1 && minutes >= study_length_from[b + 1])
        b++;
    return b;
}

static void session(struct life *x, int32_t day, struct sums *s)
{
    struct rhythm_part parts[RHYTHM_BUCKETS] = {{0}}, all = {0};
    int32_t hour = session_hour(x);
    int32_t minutes = x->l->session_minutes * between(x, 70, 130) / 100;
    bool overloaded = sim_overloaded(x->l, day);
    double minute = 0;

    minutes = overloaded ? minutes * 13 / 10 : minutes;
    while (minute < minutes) {
        if (rng_unit(&x->rng) < .2) { /* reading: nothing to judge */
            minute += between(x, 3, 9);
            continue;
        }
        for (int n = between(x, 5, 12); n > 0; n--) {
            double know = x->l->ability / 1000.0 + .4 - rng_normal(&x->rng);
            double state = sim_hour_effect(x->l, hour) / 1000.0 - (overloaded ? .6 : 0) -
                           sim_burnout(x->w, x->l, day) * .0009;
            if (!x->fresh)
                state += sim_fatigue(x->l, (int32_t)minute) / 1000.0;
            double p = .05 + .93 / (1 + exp(-(know + state)));
            /* The forecaster knows the item but not exactly, and follows the learner's level. */
            double believed = know + .4 * rng_normal(&x->rng) + x->level;
            double forecast = .05 + .93 / (1 + exp(-.95 * believed));
            bool right = rng_unit(&x->rng) < p;
            int32_t b = minute < RHYTHM_MINUTES_MAX ? (int32_t)minute / RHYTHM_BUCKET_MINUTES
                                                    : RHYTHM_BUCKETS - 1;

            minute += (20 + 30 * rng_unit(&x->rng)) / 60;
            rhythm_count(&parts[b], forecast, right, 1);
            rhythm_count(&all, forecast, right, 1);
            x->level += .004 * (right - forecast);
        }
    }
    int32_t slot = x->shuffled ? between(x, 6, 22) : hour, length = length_bucket(minute);
    rhythm_add(&s->hours[slot], &all, 1);
    rhythm_add(&s->lengths[length], &all, 1);
    for (int b = 0; b < RHYTHM_BUCKETS; b++) {
        struct rhythm_part *to = &s->minutes[length][b];
        to->n += parts[b].n;
        to->expected += parts[b].expected;
        to->residual += parts[b].residual;
        to->information += parts[b].information;
    }
}

static void live(struct life *x, struct sums *s)
{
    memset(s, 0, sizeof *s);
    for (int32_t day = 0; day < DAYS; day++)
        if (between(x, 0, 999) < x->l->study_permille[day % 7])
            for (int n = rng_unit(&x->rng) < .25 ? 2 : 1; n > 0; n--)
                session(x, day, s);
}

static int32_t minutes_of(const struct sums *s, struct rhythm_minutes *ret)
{
    int32_t n = 0;

    for (int32_t l = 0; l < STUDY_LENGTHS; l++)
        for (int32_t b = 0; b < RHYTHM_BUCKETS; b++)
            if (s->minutes[l][b].n)
                ret[n++] = (struct rhythm_minutes){l, b, s->minutes[l][b]};
    return n;
}

static void world(struct sim_world *w, uint64_t seed)
{
    struct sim_options o = {.learners = LEARNERS, .days = DAYS, .seed = seed};

    assert_int_equal(zone_get((struct str)STR("UTC"), &o.zone), ERR_OK);
    assert_int_equal(sim_world_init(w, &o), ERR_OK);
}

static bool within(double v, struct interval i)
{
    return i.low <= v && v <= i.high;
}

static bool on_arc(double hour, struct interval arc)
{
    return arc.low <= arc.high ? within(hour, arc) : hour >= arc.low || hour <= arc.high;
}

struct tally {
    int effect, found, peak, slot, tired, fatigue_found, onset, onset_of_found, slope, fresh,
        fresh_found, none, none_found, effects, effects_in, length, length_in, bounded;
};

static void judge_hours(const struct sim_learner *l, const struct sums *s, struct tally *t)
{
    struct rhythm r;

    rhythm_slots(s->hours, 24, RHYTHM_CIRCLE, (uint64_t)l->number, &r);
    if (!l->hour_effect) {
        t->none++;
        t->none_found += r.found;
        return;
    }
    t->effect++;
    t->found += r.found;
    t->peak += on_arc(l->best_hour, r.peak_interval);
    /* The best hour among those that the learner has been seen in. */
    int32_t best = -1;
    double mean = 0, n = 0;
    for (int32_t h = 0; h < 24; h++) {
        if (r.slots[h].sessions >= RHYTHM_SLOT_SESSIONS &&
            (best < 0 || sim_hour_effect(l, h) > sim_hour_effect(l, best)))
            best = h;
        mean += (double)r.slots[h].n * sim_hour_effect(l, h);
        n += (double)r.slots[h].n;
    }
    t->slot += r.slots[best].in_best;
    for (int32_t h = 6; h <= 22; h++) {
        t->effects++;
        t->effects_in += within((sim_hour_effect(l, h) - mean / n) / 1000, r.slots[h].interval);
    }
}

static void judge_fatigue(const struct sim_learner *l, const struct sums *s, struct tally *t)
{
    struct rhythm_minutes cells[STUDY_LENGTHS * RHYTHM_BUCKETS];
    struct rhythm_fatigue f;
    int32_t n = minutes_of(s, cells);

    rhythm_fatigue(cells, n, (uint64_t)l->number, &f);
    struct rhythm_length length = rhythm_length(&f, NULL, study_length_from);
    if (!l->fatigue_minute) {
        t->fresh++;
        t->fresh_found += f.found;
        return;
    }
    t->tired++;
    t->fatigue_found += f.found;
    bool in = within(l->fatigue_minute, f.onset_interval);
    t->onset += in;
    t->onset_of_found += f.found && in;
    t->bounded += f.found && isfinite(f.onset_interval.high);
    t->slope += within(l->fatigue_slope / 100.0, f.slope_interval);
    if (length.method == RHYTHM_BY_FATIGUE) {
        t->length++;
        t->length_in += within(l->fatigue_minute, length.interval);
    }
}

static void class_with_known_truth(void **state)
{
    (void)state;
    static struct sim_world w;
    struct tally t = {0};

    world(&w, 11);
    for (int32_t i = 0; i < LEARNERS; i++) {
        struct sim_learner l;
        struct life x = {.w = &w, .l = &l};
        struct sums s;

        sim_learner_init(&l, &w, i, &x.rng);
        live(&x, &s);
        judge_hours(&l, &s, &t);
        judge_fatigue(&l, &s, &t);
    }
    print_message("hours: %d of %d found, peak in %d, best in %d; without: %d of %d found\n",
                  t.found, t.effect, t.peak, t.slot, t.none_found, t.none);
    print_message("fatigue: %d of %d found, onset in %d, among found %d (%d bounded), slope in %d; "
                  "without: %d of %d found\n",
                  t.fatigue_found, t.tired, t.onset, t.onset_of_found, t.bounded, t.slope,
                  t.fresh_found, t.fresh);
    /* Power, and 95 % intervals that hold the truth. */
    assert_true(t.found > .95 * t.effect);
    assert_true(t.peak >= .93 * t.effect && t.slot >= .93 * t.effect);
    assert_true(t.fatigue_found > .5 * t.tired);
    assert_true(t.onset >= .93 * t.tired && t.onset_of_found >= .9 * t.fatigue_found);
    assert_true(t.length_in >= .9 * t.length && t.length > .9 * t.fatigue_found);
    assert_true(t.bounded > .7 * t.fatigue_found); /* not by saying nothing */
    assert_true(t.none_found <= .05 * t.none && t.fresh_found <= .05 * t.fresh);
}

/* Everything else stays, but hours are dealt out at random and nobody tires: whoever reports
 * something is wrong. */
static void shuffled_times(void **state)
{
    (void)state;
    static struct sim_world w;
    int hours = 0, fatigue = 0, lengths = 0, hour_evidence = 0, fatigue_evidence = 0;

    world(&w, 23);
    for (int32_t i = 0; i < LEARNERS; i++) {
        struct sim_learner l;
        struct life x = {.w = &w, .l = &l, .shuffled = true, .fresh = true};
        struct rhythm_minutes cells[STUDY_LENGTHS * RHYTHM_BUCKETS];
        struct rhythm_fatigue f;
        struct rhythm r;
        struct sums s;

        sim_learner_init(&l, &w, i, &x.rng);
        memset(l.overload, 0, sizeof l.overload);
        l.overload_count = 0; /* it makes sessions longer and worse: lengths would differ */
        live(&x, &s);
        rhythm_slots(s.hours, 24, RHYTHM_CIRCLE, 1, &r);
        hours += r.found;
        hour_evidence += r.bayes_factor >= 20;
        rhythm_slots(s.lengths, STUDY_LENGTHS, RHYTHM_GROUPS, 1, &r);
        lengths += r.found;
        rhythm_fatigue(cells, minutes_of(&s, cells), 1, &f);
        fatigue += f.found;
        fatigue_evidence += f.bayes_factor >= 20;
    }
    print_message("of %d: hours %d, lengths %d, fatigue %d\n", LEARNERS, hours, lengths, fatigue);
    assert_true(hours <= .05 * LEARNERS && lengths <= .05 * LEARNERS);
    assert_true(fatigue <= .05 * LEARNERS);
    assert_true(hour_evidence <= .05 * LEARNERS && fatigue_evidence <= .05 * LEARNERS);
}

static void assert_bounded(const struct rhythm *r)
{
    double best = 0;

    for (int32_t i = 0; i < r->count; i++) {
        const struct rhythm_slot *s = &r->slots[i];
        assert_true(isfinite(s->effect) && s->interval.low <= s->interval.high);
        assert_true(isfinite(s->interval.low) && isfinite(s->interval.high));
        assert_true(isnan(s->rate) ? !r->n : s->rate > 0 && s->rate < 1);
        assert_true(s->best >= 0 && s->best <= 1);
        best += s->best;
    }
    assert_true(best == 0 || fabs(best - 1) < 1e-9);
    assert_true(isnan(r->p) || (r->p > 0 && r->p <= 1));
    assert_true(isnan(r->p) ? !r->found && r->needed > 0 : r->bayes_factor >= 0);
    assert_true(r->shape == RHYTHM_GROUPS ||
                (r->peak >= 0 && r->peak < 24 && r->amplitude_interval.low <= r->amplitude));
}

static void extremes(void **state)
{
    (void)state;
    static const double forecasts[] = {0, .5, 1, .97};
    struct rhythm r;

    for (int outcome = 0; outcome < 3; outcome++) /* all wrong, all right, by turns */
        for (size_t f = 0; f < COUNT(forecasts); f++)
            for (int sessions = 0; sessions < 3000; sessions = sessions * 7 + 1)
                for (int spread = 1; spread <= 24; spread += 23) {
                    struct rhythm_sum slots[24] = {0};
                    struct rhythm_minutes cell = {0};
                    struct rhythm_fatigue fatigue;
                    for (int s = 0; s < sessions; s++) {
                        struct rhythm_part part = {0};
                        for (int i = 0; i < 40; i++)
                            rhythm_count(&part, forecasts[f], outcome == 2 ? i % 2 : outcome == 1,
                                         1);
                        rhythm_add(&slots[s % spread], &part, 1);
                        cell.part = part;
                    }
                    rhythm_slots(slots, 24, RHYTHM_CIRCLE, 1, &r);
                    assert_bounded(&r);
                    rhythm_slots(slots, 5, RHYTHM_GROUPS, 1, &r);
                    assert_bounded(&r);
                    rhythm_fatigue(&cell, sessions > 0, 1, &fatigue);
                    assert_true(!fatigue.found && fatigue.reason != RHYTHM_OK);
                    assert_true(fatigue.needed > 0 && isnan(fatigue.onset));
                }
    struct rhythm_part part = {0};
    rhythm_count(&part, NAN, true, 1);
    assert_int_equal(part.n, 0);
}

/* What is taken away leaves nothing, and the order of sessions does not matter. */
static void sums_are_order_free(void **state)
{
    (void)state;
    struct rhythm_sum a = {0}, b = {0}, zero = {0};
    struct rhythm_part parts[50] = {{0}};
    struct rng rng;

    rng_seed(&rng, 9);
    for (int i = 0; i < 50; i++)
        for (int k = 0; k < 30; k++)
            rhythm_count(&parts[i], rng_unit(&rng), rng_unit(&rng) < .6, 1);
    for (int i = 0; i < 50; i++) {
        rhythm_add(&a, &parts[i], 1);
        rhythm_add(&b, &parts[49 - i], 1);
    }
    assert_memory_equal(&a, &b, sizeof a);
    for (int i = 0; i < 50; i++)
        rhythm_add(&a, &parts[(i * 7) % 50], -1);
    assert_memory_equal(&a, &zero, sizeof a);
}

/* Little data: near the learner's mean; much: what the slot itself says. */
static void pooling(void **state)
{
    (void)state;
    double before = 0;

    for (int sessions = 3; sessions <= 3000; sessions *= 10) {
        struct rhythm_sum slots[4] = {0};
        struct rhythm r;
        for (int k = 0; k < 4; k++)
            for (int s = 0; s < sessions; s++) {
                struct rhythm_part part = {0};
                for (int i = 0; i < 20; i++) /* 75 % in slot 2, 60 % elsewhere; forecast 60 % */
                    rhythm_count(&part, .6, i < (k == 2 ? 15 : 12), 1);
                rhythm_add(&slots[k], &part, 1);
            }
        rhythm_slots(slots, 4, RHYTHM_GROUPS, 3, &r);
        assert_true(r.slots[2].effect > before && r.best == 2);
        before = r.slots[2].effect;
    }
    assert_near(before, .75 * (log(3) - log(1.5)), .01); /* against the mean of the four */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(class_with_known_truth),
        cmocka_unit_test(shuffled_times),
        cmocka_unit_test(extremes),
        cmocka_unit_test(sums_are_order_free),
        cmocka_unit_test(pooling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
