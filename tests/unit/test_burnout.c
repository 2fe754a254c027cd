/* Burnout risk: the vectors, its signals, and that strain never lowers it. */
#include "test.h"

#include "base/rng.h"
#include "twin/burnout.h"

#include <string.h>

struct fixture {
    struct burnout_input in;
    struct burnout_mission missions[40];
};

static void add_mission(struct fixture *f, int32_t day, enum mission_status s, int32_t difficulty)
{
    f->missions[f->in.mission_count++] = (struct burnout_mission){day, s, difficulty};
    f->in.missions = f->missions;
}

/* `days` days, the last is today. */
static void study_days(struct fixture *f, int32_t days, int64_t minutes, double load,
                       double success)
{
    for (int32_t i = BURNOUT_DAYS - days; i < BURNOUT_DAYS; i++) {
        struct burnout_day *d = &f->in.days[i];
        d->sessions = minutes > 0;
        d->study_ms = minutes * 60000;
        d->load_n = load >= 0;
        d->load_mean = load;
        d->graded = success >= 0 ? 100 : 0;
        d->succeeded = llround(100 * fmax(0, success));
    }
}

static void later_half_success(struct fixture *f, double success)
{
    for (int32_t i = 7; i < BURNOUT_DAYS; i++)
        f->in.days[i].succeeded = llround(100 * success);
}

static void missions_skipping_every(struct fixture *f, int32_t every, int32_t difficulty)
{
    for (int32_t i = 0; i < BURNOUT_DAYS; i++)
        add_mission(f, i, i % every ? MISSION_COMPLETED : MISSION_SKIPPED, difficulty);
}

static void expect(const struct fixture *f, const double factors[BURNOUT_FACTORS], double score,
                   enum burnout_level level, double confidence, const char *signals)
{
    struct burnout_result r;
    char got[BURNOUT_SIGNALS + 1] = "";

    burnout_assess(&f->in, &r);
    for (int i = 0; i < BURNOUT_FACTORS; i++)
        if (r.factors[i].score != factors[i])
            fail_msg("%s: %g, expected %g", burnout_factor_names[i], r.factors[i].score,
                     factors[i]);
    assert_true(fabs(r.score - score) < 1e-9);
    assert_int_equal(r.level, level);
    assert_true(fabs(r.confidence - confidence) < 1e-9);
    for (int i = 0; i < BURNOUT_SIGNALS; i++)
        got[i] = !r.signals[i].raised ? '.' : r.signals[i].severe ? 'H' : 'M';
    assert_string_equal(got, signals); /* overload, drop, disengaged, irregular, no recovery */
}

static void b1(void **state)
{
    (void)state;
    struct fixture f = {0};
    study_days(&f, 14, 60, 65, .8);
    later_half_success(&f, .65);
    missions_skipping_every(&f, 4, 3);
    expect(&f, (double[]){25, 50, 100, 75, 50, 100}, 63.75, BURNOUT_HIGH, .8, "H.MMH");
}

static void b2(void **state)
{
    (void)state;
    struct fixture f = {0};
    study_days(&f, 14, 180, 50, .8);
    for (int32_t i = 0; i < 8; i++)
        f.in.days[i].load_mean = 65;
    later_half_success(&f, .48);
    missions_skipping_every(&f, 3, 3);
    /* mean load 58.57: high on eight days, but not chronic by the mean */
    expect(&f, (double[]){50, 100, 100, 100, 75, 100}, 87.5, BURNOUT_CRITICAL, .8, ".HHMH");
}

static void b3(void **state)
{
    (void)state;
    struct fixture f = {0};
    study_days(&f, 14, 240, 75, .85);
    later_half_success(&f, .5);
    missions_skipping_every(&f, 2, 2);
    expect(&f, (double[]){50, 100, 100, 100, 100, 100}, 90, BURNOUT_CRITICAL, .8, "HHHHH");
}

static void b4(void **state)
{
    (void)state;
    struct fixture f = {0};
    study_days(&f, 10, 45, 45, .85);
    for (int32_t i = 4; i < BURNOUT_DAYS; i++)
        add_mission(&f, i, MISSION_COMPLETED, 3);
    expect(&f, (double[]){25, 0, 0, 0, 0, 100}, 10, BURNOUT_LOW, .8, "...MH");
}

static void b5_nothing_known_raises_nothing(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct burnout_result r;
    const char *advice[BURNOUT_ADVICE_MAX];

    expect(&f, (double[]){0, 0, 0, 0, 0, 0}, 0, BURNOUT_LOW, .168, ".....");
    burnout_assess(&f.in, &r);
    assert_false(r.sufficient);
    assert_int_equal(burnout_advice(&r, advice), 0);
    assert_true(isnan(r.factors[BURNOUT_CHRONIC_LOAD].share));
    assert_int_equal(r.days_since_rest, 1);
}

static void b6(void **state)
{
    (void)state;
    struct fixture f = {0};
    study_days(&f, 8, 0, 50, -1);
    for (int32_t i = 9; i < BURNOUT_DAYS; i++) {
        f.in.days[i].sessions = 1;
        f.in.days[i].study_ms = 3600000;
    }
    expect(&f, (double[]){25, 0, 0, 0, 0, 100}, 10, BURNOUT_LOW, .336, "....H");
}

static void b7_five_samples_on_a_day_are_one_day(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct burnout_result r;
    for (int32_t i = 0; i < BURNOUT_DAYS; i++) {
        f.in.days[i].load_n = 5;
        f.in.days[i].load_mean = (65 + 4 * 30) / 5.0;
    }
    burnout_assess(&f.in, &r);
    assert_true(r.factors[BURNOUT_CHRONIC_LOAD].score == 0);
    assert_true(r.score == 0);
    assert_int_equal(r.recovery_days, 7);
}

static void signals_alone(void **state)
{
    (void)state;
    struct burnout_result r;
    struct fixture f = {0};

    study_days(&f, 14, 30, 50, -1);
    for (int32_t i = 0; i < 9; i++)
        f.in.days[i].load_mean = 70;
    burnout_assess(&f.in, &r);
    assert_true(r.signals[BURNOUT_SIGNAL_OVERLOAD].raised);
    assert_false(r.signals[BURNOUT_SIGNAL_OVERLOAD].severe);
    assert_int_equal(r.signals[BURNOUT_SIGNAL_OVERLOAD].since_day, 6); /* the seventh high day */

    f = (struct fixture){0};
    study_days(&f, 14, 30, -1, .8);
    later_half_success(&f, .6);
    burnout_assess(&f.in, &r);
    assert_true(r.signals[BURNOUT_SIGNAL_DROP].raised && !r.signals[BURNOUT_SIGNAL_DROP].severe);
    assert_true(fabs(r.signals[BURNOUT_SIGNAL_DROP].measure - .25) < 1e-12);
    assert_int_equal(r.signals[BURNOUT_SIGNAL_DROP].since_day, 7);

    f = (struct fixture){0};
    for (int32_t i = 0; i < 4; i++)
        add_mission(&f, 2 * i, i == 3 ? MISSION_IN_PROGRESS : MISSION_SKIPPED, 0);
    burnout_assess(&f.in, &r);
    assert_true(r.signals[BURNOUT_SIGNAL_DISENGAGED].raised);
    assert_false(r.signals[BURNOUT_SIGNAL_DISENGAGED].severe);
    assert_int_equal(r.signals[BURNOUT_SIGNAL_DISENGAGED].since_day, 4);

    f = (struct fixture){0};
    for (int32_t i = 0; i < 8; i++)
        add_mission(&f, i + 6, MISSION_COMPLETED, 0);
    burnout_assess(&f.in, &r);
    assert_true(r.signals[BURNOUT_SIGNAL_IRREGULAR].severe);
    assert_true(r.signals[BURNOUT_SIGNAL_IRREGULAR].measure == 6);
    assert_int_equal(r.signals[BURNOUT_SIGNAL_IRREGULAR].since_day, 3);

    f = (struct fixture){0};
    study_days(&f, 14, 30, 60, -1);
    burnout_assess(&f.in, &r);
    assert_true(r.signals[BURNOUT_SIGNAL_NO_RECOVERY].raised);
    assert_int_equal(r.days_since_rest, -1);
    f.in.days[9] = (struct burnout_day){0}; /* a free day is recovery */
    burnout_assess(&f.in, &r);
    assert_false(r.signals[BURNOUT_SIGNAL_NO_RECOVERY].raised);
    assert_int_equal(r.days_since_rest, 4);
    assert_true(r.factors[BURNOUT_RECOVERY].score == 50);
}

static void weights_and_shares_add_up(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct burnout_result r;
    double weights = 0, shares = 0, sum = 0;

    study_days(&f, 14, 60, 65, .8);
    missions_skipping_every(&f, 4, 3);
    burnout_assess(&f.in, &r);
    for (int i = 0; i < BURNOUT_FACTORS; i++) {
        weights += burnout_weights[i];
        shares += r.factors[i].share;
        sum += r.factors[i].contribution;
    }
    assert_true(fabs(weights - 1) < 1e-12 && fabs(shares - 1) < 1e-12);
    assert_true(fabs(sum - r.score) < 1e-12);
    assert_true(fabs(burnout_progress(70, 45) - .357143) < 5e-7);
    assert_true(fabs(burnout_progress(65, 20) - .692308) < 5e-7);
    assert_true(burnout_progress(20, 65) == 0);
    assert_true(isnan(burnout_progress(0, 10)));
}

static double risk(const struct fixture *f)
{
    struct burnout_input in = f->in;
    struct burnout_result r;
    in.missions = f->missions;
    burnout_assess(&in, &r);
    assert_true(r.score >= 0 && r.score <= 100 && r.confidence > 0 && r.confidence <= 1);
    return r.score;
}

/* Higher load on a day, longer study, a lost day of rest, a skipped mission: never a lower risk. */
static void strain_never_lowers_the_risk(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 20251020);

    for (int round = 0; round < 20000; round++) {
        struct fixture f = {0}, g;
        for (int32_t i = 0; i < BURNOUT_DAYS; i++) {
            struct burnout_day *d = &f.in.days[i];
            if (rng_below(&rng, 4) == 0)
                continue;
            d->sessions = (int64_t)rng_below(&rng, 4);
            d->study_ms = d->sessions * (int64_t)rng_below(&rng, 7200000);
            d->load_n = (int64_t)rng_below(&rng, 3);
            d->load_mean = 100 * rng_unit(&rng);
            d->graded = (int64_t)rng_below(&rng, 50);
            d->succeeded = (int64_t)rng_below(&rng, (uint64_t)d->graded + 1);
        }
        for (int32_t i = 0; i < BURNOUT_DAYS; i++)
            if (rng_below(&rng, 3))
                add_mission(&f, i, (enum mission_status)rng_below(&rng, 4),
                            (int32_t)rng_below(&rng, 6));
        double before = risk(&f);
        int32_t day = (int32_t)rng_below(&rng, BURNOUT_DAYS);

        g = f;
        g.in.days[day].study_ms += (int64_t)rng_below(&rng, 36000000);
        assert_true(risk(&g) >= before);
        g = f;
        g.in.days[day].load_mean += (100 - g.in.days[day].load_mean) * rng_unit(&rng);
        assert_true(risk(&g) >= before);
        if (f.in.mission_count > 0) {
            g = f;
            g.missions[rng_below(&rng, (uint64_t)f.in.mission_count)].status = MISSION_SKIPPED;
            assert_true(risk(&g) >= before);
        }
    }
}

static void trends_need_days_and_say_so(void **state)
{
    (void)state;
    struct burnout_input in = {.last_is_over = true};
    struct burnout_trend t[BURNOUT_SERIES_COUNT];
    static const double jitter[5] = {0, .4, -.3, .2, -.5};
    struct arena scratch;

    arena_init(&scratch, 64 << 10);
    assert_int_equal(burnout_trends(&scratch, &in, t), ERR_OK);
    for (int s = 0; s < BURNOUT_SERIES_COUNT; s++)
        assert_true(t[s].reason && t[s].needed == BURNOUT_TREND_NEEDED && t[s].direction == 0 &&
                    !t[s].worse);
    for (int i = 0; i < BURNOUT_DAYS; i++)
        in.days[i] = (struct burnout_day){.study_ms = 60 * 60000,
                                          .sessions = 1,
                                          .load_n = 5,
                                          .load_mean = 40 + 2 * i + jitter[i % 5],
                                          .graded = 200,
                                          .succeeded = 180 - 10 * i + (int)(10 * jitter[i % 5])};
    in.days[3].load_n = 0; /* a gap is left out, not counted as rest */
    assert_int_equal(burnout_trends(&scratch, &in, t), ERR_OK);
    assert_null(t[BURNOUT_SERIES_LOAD].reason);
    assert_int_equal(t[BURNOUT_SERIES_LOAD].days, 13);
    assert_near(t[BURNOUT_SERIES_LOAD].trend.slope, 2, .1);
    assert_true(t[BURNOUT_SERIES_LOAD].worse && t[BURNOUT_SERIES_LOAD].direction == 1);
    assert_near(t[BURNOUT_SERIES_SUCCESS].trend.slope, -.05, .01);
    assert_true(t[BURNOUT_SERIES_SUCCESS].worse && t[BURNOUT_SERIES_SUCCESS].direction == -1);
    assert_true(t[BURNOUT_SERIES_STUDY].direction == 0 && !t[BURNOUT_SERIES_STUDY].worse);
    for (int i = 6; i < BURNOUT_DAYS; i++)
        in.days[i].load_n = 0;
    assert_int_equal(burnout_trends(&scratch, &in, t), ERR_OK);
    assert_true(t[BURNOUT_SERIES_LOAD].reason && t[BURNOUT_SERIES_LOAD].needed == 2);
    arena_fini(&scratch);
    arena_init(&scratch, 0);
    assert_int_equal(burnout_trends(&scratch, &in, t), ERR_NOMEM);
    arena_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b1),
        cmocka_unit_test(b2),
        cmocka_unit_test(b3),
        cmocka_unit_test(b4),
        cmocka_unit_test(b5_nothing_known_raises_nothing),
        cmocka_unit_test(b6),
        cmocka_unit_test(b7_five_samples_on_a_day_are_one_day),
        cmocka_unit_test(signals_alone),
        cmocka_unit_test(weights_and_shares_add_up),
        cmocka_unit_test(strain_never_lowers_the_risk),
        cmocka_unit_test(trends_need_days_and_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
