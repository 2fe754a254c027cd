/* Strain: the normal is robust, the filter finite, alarms as rare as promised, higher risk never
 * lengthens a session. */
#include "test.h"
#include "twin/strain.h"

#include <string.h>

static struct strain_answer answer(int64_t minute, double seconds, int right, double expected)
{
    return (struct strain_answer){minute * US_PER_MINUTE, seconds, (int8_t)right, expected,
                                  STRAIN_QUESTION};
}

/* A learner in normal times: log-normal response times, outcomes as forecast. */
static struct strain_answer usual(struct rng *rng, int64_t minute)
{
    double p = 0.5 + 0.45 * rng_unit(rng);

    return answer(minute, exp(2.3 + 0.5 * rng_normal(rng)), rng_unit(rng) < p, p);
}

static void the_normal_withstands_outliers(void **state)
{
    (void)state;
    struct strain s;
    struct rng rng;

    strain_init(&s);
    rng_seed(&rng, 1);
    for (int i = 0; i < 2000; i++) {
        struct strain_answer a = usual(&rng, i);

        if (i % 20 == 0)
            a.time_s = 3600; /* went for coffee */
        strain_update(&s, &a, NULL);
        assert_true(strain_valid(&s));
    }
    assert_near(s.times[0].mean, 2.3, 0.2);
    assert_near(exp(s.times[0].log_scale), 0.5, 0.15);
}

static void false_alarms_are_as_rare_as_promised(void **state)
{
    (void)state;
    struct rng rng;
    int64_t answers = 0, began = 0;

    assert_near(strain_run_length(5), 938, 10); /* exact value of the literature: 930 */
    rng_seed(&rng, 2);
    for (int person = 0; person < 60; person++) {
        struct strain s;

        strain_init(&s);
        for (int i = 0; i < 2000; i++, answers++) {
            struct strain_answer a = usual(&rng, i);

            began += strain_update(&s, &a, NULL) == STRAIN_BEGAN;
        }
    }
    /* outcomes are skewed and the normal itself is estimated, so not exactly */
    assert_true(began > 0);
    assert_true((double)answers / (double)began > 500);
}

static void real_strain_is_found_and_ends(void **state)
{
    (void)state;
    struct strain s;
    struct rng rng;
    struct strain_episode e = {0};
    struct strain_view v;
    int64_t began = -1, ended = -1;

    strain_init(&s);
    rng_seed(&rng, 3);
    for (int i = 0; i < 400; i++) {
        struct strain_answer a = usual(&rng, i);

        if (i >= 200 && i < 230) { /* three times as slow, and wrong */
            a.time_s *= 3;
            a.right = 0;
        }
        enum strain_change c = strain_update(&s, &a, &e);
        if (c == STRAIN_BEGAN && i >= 200 && began < 0)
            began = i;
        if (c == STRAIN_RECOVERED && began >= 0 && ended < 0)
            ended = i;
        if (i == 225) {
            strain_view(&s, a.at, &v);
            assert_true(v.sufficient && v.current && v.overload && v.load > 70 && v.slower > 0.3);
            assert_true(v.misses > 0.5 && v.interval.low < v.load && v.load < v.interval.high);
        }
    }
    assert_true(began >= 200 && began < 212);
    assert_true(ended > 225 && ended < 275);
    assert_true(e.end > e.start && e.peak > STRAIN_LEAVE);
}

static void a_pause_breaks_an_episode_off(void **state)
{
    (void)state;
    struct strain s;
    struct rng rng;
    struct strain_episode e;
    struct strain_view v;

    strain_init(&s);
    rng_seed(&rng, 4);
    for (int i = 0; i < 230; i++) {
        struct strain_answer a = usual(&rng, i);

        if (i >= 200)
            a.right = 0, a.time_s *= 3;
        strain_update(&s, &a, &e);
    }
    assert_true(s.episode_at != TIME_NONE);
    strain_view(&s, s.last_at + STRAIN_PAUSE_US + US_PER_HOUR, &v);
    assert_false(v.current);
    assert_false(v.overload); /* nobody is still strained the next morning */
    assert_near(v.load, 30, 3);
    struct strain_answer next = answer(230 + 24 * 60, 10, 1, 0.7);
    assert_int_equal(strain_update(&s, &next, &e), STRAIN_BROKEN_OFF);
    assert_true(e.end == 229 * US_PER_MINUTE);
}

static void bad_input_stays_finite(void **state)
{
    (void)state;
    static const double times[] = {NAN, -1, 0, 1e-300, 1e300, INFINITY, 5};
    static const double expected[] = {NAN, 0, 1, 0.5};
    static const int64_t ats[] = {0, INT64_MAX, INT64_MIN + 1, 5, 5};
    struct strain s;
    struct rng rng;
    struct strain_view v;

    strain_init(&s);
    strain_view(&s, 0, &v);
    assert_false(v.sufficient);
    assert_true(isfinite(v.load) && isfinite(v.trend));
    rng_seed(&rng, 5);
    for (int i = 0; i < 20000; i++) {
        const struct strain_answer a = {ats[rng_below(&rng, 5)], times[rng_below(&rng, 7)],
                                        (int8_t)((int)rng_below(&rng, 3) - 1),
                                        expected[rng_below(&rng, 4)],
                                        rng_below(&rng, 2) ? STRAIN_CARD : STRAIN_QUESTION};

        strain_update(&s, &a, NULL);
        assert_true(strain_valid(&s));
        strain_view(&s, ats[rng_below(&rng, 5)], &v);
        assert_true(v.load >= 0 && v.load <= 100 && v.interval.low <= v.load &&
                    v.load <= v.interval.high && isfinite(v.slower) && isfinite(v.trend));
    }
    /* all right, or all wrong, at one instant */
    for (int right = 0; right < 2; right++) {
        strain_init(&s);
        for (int i = 0; i < 5000; i++) {
            struct strain_answer a = answer(7, 3, right, NAN);

            strain_update(&s, &a, NULL);
            assert_true(strain_valid(&s));
        }
    }
    s.level = NAN;
    assert_false(strain_valid(&s));
    strain_init(&s);
    s.version = 99;
    assert_false(strain_valid(&s));
}

static void rebuilding_gives_the_same_state(void **state)
{
    (void)state;
    struct strain a, b;
    struct rng rng;

    for (int pass = 0; pass < 2; pass++) {
        struct strain *s = pass ? &b : &a;

        memset(s, 0, sizeof *s);
        strain_init(s);
        rng_seed(&rng, 6);
        for (int i = 0; i < 500; i++) {
            struct strain_answer x = usual(&rng, i);

            strain_update(s, &x, NULL);
            if (pass && i == 250) { /* by way of the disk */
                char bytes[sizeof *s];

                memcpy(bytes, s, sizeof bytes);
                memcpy(s, bytes, sizeof bytes);
            }
        }
    }
    assert_true(a.level >= b.level && a.level <= b.level && a.alarm >= b.alarm &&
                a.alarm <= b.alarm && a.n == b.n);
}

static void slower_or_wrong_never_lowers_the_load(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 7);
    for (int i = 0; i < 500; i++) {
        struct strain s, t;
        struct strain_view v, w;

        strain_init(&s);
        for (int j = 0; j < 60; j++) {
            struct strain_answer x = usual(&rng, j);

            strain_update(&s, &x, NULL);
        }
        t = s;
        struct strain_answer better = usual(&rng, 61), worse = better;
        worse.time_s *= 1 + rng_unit(&rng) * 5;
        worse.right = 0;
        strain_update(&s, &better, NULL);
        strain_update(&t, &worse, NULL);
        strain_view(&s, s.last_at, &v);
        strain_view(&t, t.last_at, &w);
        assert_true(w.load >= v.load);
    }
}

static void recovery_counts_the_broken_off_as_censored(void **state)
{
    (void)state;
    struct strain_episode e[6];
    bool recovered[6] = {true, true, true, false, true, false}, happened[6];
    double times[6];
    struct survival_row rows[6];

    for (int i = 0; i < 6; i++)
        e[i] = (struct strain_episode){0, (i + 1) * 10 * US_PER_MINUTE, 85};
    /* Kaplan-Meier by hand: 5/6, 4/6, 3/6 at 30 */
    struct survival_median m = strain_recovery(e, recovered, 6, times, happened, rows);
    assert_near(m.time, 30, 1e-9);
    assert_int_equal(m.events, 4);
    for (int i = 0; i < 6; i++)
        recovered[i] = false;
    assert_true(isnan(strain_recovery(e, recovered, 6, times, happened, rows).time));
    assert_true(isnan(strain_recovery(e, recovered, 0, times, happened, rows).time));
}

static void tolerance_is_named_only_where_it_shows(void **state)
{
    (void)state;
    enum { N = 200, LEARNERS = 60 };
    double load[N], success[N], scratch[N];
    struct strain_tolerance t;
    struct rng rng;
    int named = 0;

    rng_seed(&rng, 8);
    for (int i = 0; i < N; i++) {
        load[i] = 100 * rng_unit(&rng);
        success[i] = 0.85 - 0.012 * fmax(0, load[i] - 60) + 0.1 * rng_normal(&rng);
    }
    assert_int_equal(strain_tolerance(load, success, N, &rng, scratch, &t), ERR_OK);
    assert_near(t.load, 60, 10);
    assert_true(t.slope < -0.05 && t.p < 0.01);
    assert_int_equal(strain_tolerance(load, success, 10, &rng, scratch, &t), ERR_OK);
    assert_true(isnan(t.load) && isnan(t.p) && t.needed == 20);
    load[3] = INFINITY;
    assert_int_equal(strain_tolerance(load, success, N, &rng, scratch, &t), ERR_RANGE);
    for (int l = 0; l < LEARNERS; l++) { /* learners without an effect */
        for (int i = 0; i < 40; i++) {
            load[i] = 100 * rng_unit(&rng);
            success[i] = rng_unit(&rng);
        }
        assert_int_equal(strain_tolerance(load, success, 40, &rng, scratch, &t), ERR_OK);
        named += !isnan(t.load);
    }
    assert_true(named <= LEARNERS * 15 / 100); /* 5 % expected, with room for chance */
}

static void triggers_are_judged_together(void **state)
{
    (void)state;
    struct strain_trigger t[20];
    double p[20];
    int32_t order[20], found = 0;

    for (int i = 0; i < 20; i++)
        t[i] = (struct strain_trigger){.with = {10, 50 + (i % 5), 100}, .without = {40, 50, 100}};
    t[0].with.mean = 75;
    t[1].with = (struct sample){1, 90, NAN}; /* one sitting proves nothing */
    t[2].with.mean = 20;                     /* relief is no trigger */
    strain_triggers(t, 20, 0.1, p, order);
    for (int i = 0; i < 20; i++)
        found += t[i].found;
    assert_true(t[0].found && !t[1].found && isnan(t[1].p) && !t[2].found);
    assert_int_equal(found, 1);
}

static void higher_risk_never_lengthens_a_session(void **state)
{
    (void)state;
    for (int load = -1; load <= 100; load++)
        for (int risk = -1; risk <= 100; risk++) {
            double l = load < 0 ? (double)NAN : load, r = risk < 0 ? (double)NAN : risk;
            double m = strain_session_minutes(50, l, r);

            assert_true(m > 0 && m <= 50);
            assert_true(strain_session_minutes(50, load < 0 ? 0 : l + 1, r) <= m);
            assert_true(strain_session_minutes(50, l, risk < 0 ? 0 : r + 1) <= m);
            assert_true(strain_session_minutes(60, l, r) >= m);
        }
    assert_true(strain_session_minutes(0, 90, 90) <= 0);
}

/* Cards go quicker than questions by nature: neither is strain, nor relief. */
static void cards_and_questions_have_their_own_normal(void **state)
{
    struct strain s;
    struct strain_view v;
    double load[STRAIN_KINDS] = {0};
    int n[STRAIN_KINDS] = {0}, began = 0;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 21);
    strain_init(&s);
    for (int i = 0; i < 4000; i++) {
        struct strain_answer a = usual(&rng, i);
        a.kind = i / 10 % 2 ? STRAIN_CARD : STRAIN_QUESTION;
        a.time_s *= a.kind == STRAIN_CARD ? 0.4 : 1;
        began += strain_update(&s, &a, NULL) == STRAIN_BEGAN;
        strain_view(&s, a.at, &v);
        if (i >= 200 && i % 10 == 9) /* the end of a run of one kind */
            load[a.kind] += v.load, n[a.kind]++;
    }
    assert_near(load[STRAIN_CARD] / n[STRAIN_CARD], load[STRAIN_QUESTION] / n[STRAIN_QUESTION], 3);
    assert_in_range(began, 0, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_normal_withstands_outliers),
        cmocka_unit_test(false_alarms_are_as_rare_as_promised),
        cmocka_unit_test(real_strain_is_found_and_ends),
        cmocka_unit_test(a_pause_breaks_an_episode_off),
        cmocka_unit_test(bad_input_stays_finite),
        cmocka_unit_test(rebuilding_gives_the_same_state),
        cmocka_unit_test(slower_or_wrong_never_lowers_the_load),
        cmocka_unit_test(recovery_counts_the_broken_off_as_censored),
        cmocka_unit_test(tolerance_is_named_only_where_it_shows),
        cmocka_unit_test(triggers_are_judged_together),
        cmocka_unit_test(higher_risk_never_lengthens_a_session),
        cmocka_unit_test(cards_and_questions_have_their_own_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
