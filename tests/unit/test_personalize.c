/* Personalisation: what is recommended, that safety comes last, and that effects are found where
 * there are any, and only there. */
#include "base/civil.h"
#include "test.h"
#include "twin/personalize.h"

#include <string.h>

static struct personal_known nothing(void)
{
    return (struct personal_known){.default_minutes = 50,
                                   .optimal_minutes = NAN,
                                   .half_life_days = NAN,
                                   .attention_confidence = NAN,
                                   .planned_minutes = NAN,
                                   .load_now = NAN,
                                   .load_mean = NAN};
}

static void defaults_without_data(void **state)
{
    (void)state;
    struct personal_known k = nothing();

    for (int v = 0; v < PERSONAL_VARIANTS; v++) {
        struct personal_plan p = personal_plan(&k, (enum personal_variant)v);

        assert_int_equal(p.mission.minutes, 50);
        assert_int_equal(p.mission.intensity, INTENSITY_MEDIUM);
        assert_int_equal(p.session.break_count, 1);
        assert_int_equal(p.session.breaks[0].after, 25);
        assert_int_equal(p.session.breaks[0].minutes, 5);
        assert_int_equal(p.content.review_frequency, 20);
        assert_near(p.coverage, 0.5, 1e-12);
        assert_true(isnan(p.adherence));
    }
}

static void sources_are_used(void **state)
{
    (void)state;
    struct personal_known k = nothing();

    k.patterns = true;
    k.quality = 0.8;
    k.optimal_minutes = 30;
    assert_near(personal_plan(&k, PERSONAL_PATTERN).coverage, 0.8, 1e-12);
    assert_int_equal(personal_plan(&k, PERSONAL_PATTERN).mission.minutes, 30);
    assert_int_equal(personal_plan(&k, PERSONAL_BALANCED).mission.minutes, 40);
    assert_int_equal(personal_plan(&k, PERSONAL_PREDICTION).mission.minutes, 50);
    assert_int_equal(personal_plan(&k, PERSONAL_CONSERVATIVE).mission.minutes, 50);
    k.quality = 0.65; /* too little to go by a length */
    assert_int_equal(personal_plan(&k, PERSONAL_PATTERN).mission.minutes, 50);

    k.load = true;
    assert_near(personal_plan(&k, PERSONAL_PATTERN).coverage, 1, 1e-12);
    k.planned = 4;
    k.kept = 3;
    assert_near(personal_plan(&k, PERSONAL_PATTERN).adherence, 0.75, 1e-12);
    k.half_life_days = 2.8;
    k.curve_confidence = 0.8;
    assert_int_equal(personal_plan(&k, PERSONAL_PATTERN).content.review_frequency, 35);
    assert_int_equal(personal_plan(&k, PERSONAL_CONSERVATIVE).content.review_frequency, 20);
    k.curve_confidence = 0.6;
    assert_int_equal(personal_plan(&k, PERSONAL_PATTERN).content.review_frequency, 20);
    k.half_life_days = 2.3;
    assert_int_equal(personal_plan(&k, PERSONAL_PATTERN).assessment.validation, INTENSITY_HIGH);
    k.half_life_days = 8;
    assert_int_equal(personal_plan(&k, PERSONAL_PATTERN).assessment.validation, INTENSITY_LOW);
    k.forecasts = 3;
    assert_string_equal(personal_plan(&k, PERSONAL_PREDICTION).assessment.comprehensiveness,
                        "COMPREHENSIVE");
    k.load_now = 20;
    assert_string_equal(personal_plan(&k, PERSONAL_BALANCED).assessment.progression, "AGGRESSIVE");
}

static void safety_comes_last(void **state)
{
    (void)state;
    struct personal_known k = nothing();

    k.patterns = k.burnout_known = true;
    k.quality = 0.8;
    k.optimal_minutes = 60;
    k.burnout = BURNOUT_HIGH;
    for (int v = 0; v < PERSONAL_VARIANTS; v++) {
        struct personal_plan p = personal_plan(&k, (enum personal_variant)v);

        assert_int_equal(p.mission.minutes, 30);
        assert_int_equal(p.mission.intensity, INTENSITY_LOW);
        assert_string_equal(p.assessment.progression, "GRADUAL");
    }
    k.burnout = BURNOUT_LOW;
    k.quality = 0.65;
    k.load = true;
    k.load_now = 75;
    for (int v = 0; v < PERSONAL_VARIANTS; v++) {
        struct personal_plan p = personal_plan(&k, (enum personal_variant)v);

        assert_int_equal(p.mission.minutes, 35);
        assert_int_equal(p.session.breaks[0].after, 20);
        assert_int_equal(p.session.breaks[1].after, 40);
        assert_int_equal(p.session.breaks[1].minutes, 10);
    }
    k.load_now = NAN;
    k.load_mean = 75;
    assert_int_equal(personal_plan(&k, PERSONAL_BALANCED).session.breaks[1].after, 50);
}

static void more_strain_never_means_more_work(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 1);
    for (int i = 0; i < 2000; i++) {
        struct personal_known k = nothing();
        int32_t before = INT32_MAX, session_before = INT32_MAX;
        enum personal_variant v = (enum personal_variant)rng_below(&rng, PERSONAL_VARIANTS);

        k.default_minutes = 5 + (double)rng_below(&rng, 236);
        k.patterns = rng_below(&rng, 2);
        k.quality = rng_unit(&rng);
        k.optimal_minutes = rng_below(&rng, 2) ? 5 + 115 * rng_unit(&rng) : (double)NAN;
        k.planned_minutes = rng_below(&rng, 2) ? 5 + 115 * rng_unit(&rng) : (double)NAN;
        k.load = k.burnout_known = true;
        for (int step = 0; step < 8; step++) {
            k.load_now = step < 4 ? 30 * step : 90;
            k.burnout = step < 4 ? BURNOUT_LOW : (enum burnout_level)(step - 4);
            struct personal_plan p = personal_plan(&k, v);

            assert_true(p.mission.minutes >= 1 && p.mission.minutes <= before);
            assert_true(p.session.minutes <= session_before);
            before = p.mission.minutes;
            session_before = p.session.minutes;
        }
    }
}

static void levels(void **state)
{
    (void)state;
    static const bool on[4][PERSONAL_CONTEXTS] = {
        {false, false, false, false},
        {true, false, false, true},
        {true, true, true, true},
        {true, true, true, true},
    };
    static const double thresholds[4] = {1, 0.85, 0.7, 0.6};

    for (int l = 0; l < 4; l++) {
        assert_near(personal_threshold((enum personal_level)l), thresholds[l], 0);
        for (int c = 0; c < PERSONAL_CONTEXTS; c++)
            assert_int_equal(personal_preset((enum personal_level)l, (enum personal_context)c),
                             on[l][c]);
    }
}

static void a_day_is_measured_against_the_weeks_before(void **state)
{
    (void)state;
    const struct personal_day before = {.answers = 100, .correct = 75, .study_ms = 28 * 1800000};
    struct personal_day day = {.answers = 20, .correct = 15, .study_ms = 1800000};
    struct bandit_outcome o;

    assert_true(personal_outcome(&day, &before, &o));
    assert_true(fabs(o.performance) < 0.02);
    assert_near(o.retention, o.performance, 0); /* stands for what there is no data of */
    assert_near(o.completion, 0.5, 0);
    assert_near(bandit_reward_of(&o), 0.5, 0.02);
    day.correct = 20;
    assert_true(personal_outcome(&day, &before, &o) && o.performance > 0.5 && o.performance < 1);
    day.correct = 0;
    assert_true(personal_outcome(&day, &before, &o));
    assert_near(o.performance, -1, 0);
    day.answers = 0;
    assert_false(personal_outcome(&day, &before, &o));
    assert_near(personal_measure(PERSONAL_ENGAGEMENT, &day, &before, 28), 0, 1e-12);
    assert_true(isnan(personal_measure(PERSONAL_PERFORMANCE, &day, &before, 28)));
    assert_true(isnan(personal_measure(PERSONAL_RETENTION, &day, &before, 28)));
    day = (struct personal_day){.answers = 5, .correct = 5, .sessions = 2, .completed = 1};
    assert_false(personal_outcome(&day, &(struct personal_day){.answers = 9, .correct = 9}, &o));
}

/* Days whose chance of treatment moves with what was seen, as the bandit's does. */
static int32_t draw_trials(struct rng *rng, double effect, struct personal_trial *t, int32_t n)
{
    double sums[2] = {0, 0}, counts[2] = {1, 1};

    for (int32_t i = 0; i < n; i++) {
        double ahead = sums[1] / counts[1] - sums[0] / counts[0];

        t[i].chance = 0.1 + 0.8 / (1 + exp(-4 * ahead));
        t[i].treated = rng_unit(rng) < t[i].chance;
        t[i].y = 0.3 * rng_normal(rng) + (t[i].treated ? effect : 0);
        sums[t[i].treated] += t[i].y;
        counts[t[i].treated]++;
    }
    return n;
}

static void effects_are_covered_and_not_invented(void **state)
{
    (void)state;
    enum { SETS = 1000, DAYS = 90 };
    static const double effects[] = {0, 0.2};
    struct personal_trial t[DAYS];
    struct rng rng;

    rng_seed(&rng, 7);
    for (size_t k = 0; k < COUNT(effects); k++) {
        int covered = 0, found = 0, known = 0;
        double mean = 0;

        for (int s = 0; s < SETS; s++) {
            struct personal_effect e =
                personal_effect(t, draw_trials(&rng, effects[k], t, DAYS), 0.95);

            if (isnan(e.estimate))
                continue;
            known++;
            mean += e.estimate;
            covered += e.interval.low <= effects[k] && effects[k] <= e.interval.high;
            found += e.p < 0.05;
        }
        assert_true(known > 0.8 * SETS);
        assert_near(mean / known, effects[k], 0.02);
        assert_true(covered >= 0.94 * known);
        if (effects[k] == 0)
            assert_true(found <= 0.055 * known);
        else
            assert_true(found > 0.4 * known);
    }
}

/* Contexts share their days, and so what these days were like; their lots are their own. */
static void days_that_contexts_share_invent_nothing(void **state)
{
    (void)state;
    enum { SETS = 1000, DAYS = 60 };
    struct personal_trial t[DAYS * PERSONAL_CONTEXTS];
    int covered = 0, known = 0;
    struct rng rng;

    rng_seed(&rng, 3);
    for (int s = 0; s < SETS; s++) {
        for (int d = 0; d < DAYS; d++) {
            double y = 0.3 * rng_normal(&rng);

            for (int c = 0; c < PERSONAL_CONTEXTS; c++)
                t[d * PERSONAL_CONTEXTS + c] =
                    (struct personal_trial){y, rng_unit(&rng) < 0.75, 0.75};
        }
        struct personal_effect e = personal_effect(t, COUNT(t), 0.95);

        if (isnan(e.estimate))
            continue;
        known++;
        covered += e.interval.low <= 0 && 0 <= e.interval.high;
    }
    assert_int_equal(known, SETS);
    assert_true(covered >= 0.935 * SETS);
}

static void thin_data_gives_no_effect(void **state)
{
    (void)state;
    struct personal_trial t[40];

    for (int i = 0; i < 40; i++)
        t[i] = (struct personal_trial){i % 3, i >= 7, 0.5};
    struct personal_effect e = personal_effect(t, 40, 0.95);
    assert_int_equal(e.n_control, 7);
    assert_true(isnan(e.estimate) && isnan(e.p) && isnan(e.interval.low));
    for (int i = 0; i < 40; i++)
        t[i].chance = 1; /* nothing was left to chance */
    assert_int_equal(personal_effect(t, 40, 0.95).n, 0);
    for (int i = 0; i < 40; i++)
        t[i] = (struct personal_trial){1, i % 2, 0.5};
    e = personal_effect(t, 40, 0.95);
    assert_near(e.estimate, 0, 1e-12);
    assert_true(isnan(e.p));
}

static void a_bandit_is_what_its_choices_say(void **state)
{
    (void)state;
    struct personal_choice c[] = {
        {PERSONAL_PATTERN, 0.25, true, 0.9, 20},
        {PERSONAL_BALANCED, 0.25, true, 0.4, 10},
        {PERSONAL_BALANCED, 0.25, true, NAN, TIME_NONE},
        {PERSONAL_CONSERVATIVE, 0.25, true, NAN, 15},
        {PERSONAL_PATTERN, 1, false, 1, 30},
    };
    int32_t order[COUNT(c)];
    struct bandit b, direct;

    assert_int_equal(personal_bandit(c, COUNT(c), order, NULL, &b), ERR_OK);
    assert_true(bandit_valid(&b));
    assert_int_equal(b.arms[PERSONAL_BALANCED].chosen, 2);
    assert_int_equal(b.arms[PERSONAL_CONSERVATIVE].expired, 1);
    assert_int_equal(b.arms[PERSONAL_PATTERN].rewards, 2);
    assert_int_equal(bandit_init(&direct, PERSONAL_VARIANTS, PERSONAL_FLOOR, PERSONAL_MEMORY),
                     ERR_OK);
    direct.arms[PERSONAL_BALANCED].chosen = direct.arms[PERSONAL_PATTERN].chosen = 1;
    assert_int_equal(
        bandit_reward(&direct, &(struct bandit_decision){PERSONAL_BALANCED, 0.25, true}, 0.4),
        ERR_OK);
    assert_int_equal(
        bandit_reward(&direct, &(struct bandit_decision){PERSONAL_PATTERN, 0.25, true}, 0.9),
        ERR_OK);
    for (int i = 0; i < PERSONAL_VARIANTS; i++) {
        assert_near(b.arms[i].a, direct.arms[i].a, 1e-12);
        assert_near(b.arms[i].b, direct.arms[i].b, 1e-12);
    }
    assert_true(personal_improves(&b, PERSONAL_PATTERN) > 0.5);
    assert_true(isnan(personal_improves(&b, PERSONAL_CONSERVATIVE)));
    c[0].variant = (enum personal_variant)7;
    assert_int_equal(personal_bandit(c, COUNT(c), order, NULL, &b), ERR_RANGE);
}

static struct personal_sum brought(int64_t learners, int64_t n, double mean)
{
    return (struct personal_sum){learners, n, 4 * (double)n, 4 * (double)n * mean};
}

static void the_prior_is_that_of_all_and_bounded(void **state)
{
    (void)state;
    struct personal_sum s[PERSONAL_VARIANTS] = {
        brought(20, 200, 0.5), brought(20, 200, 0.5), brought(20, 200, 0.8), brought(20, 200, 0.4)};
    struct personal_prior p = personal_prior_of(s);
    struct bandit b;

    assert_true(p.strength > PERSONAL_PRIOR_MAX / 2 && p.strength < PERSONAL_PRIOR_MAX);
    assert_true(p.mean[2] > 0.75 && p.mean[2] < 0.8); /* drawn to all */
    assert_int_equal(personal_bandit(NULL, 0, NULL, &p, &b), ERR_OK);
    assert_true(bandit_valid(&b));
    assert_true(personal_improves(&b, PERSONAL_PATTERN) > 0.6);
    s[3] = brought(PERSONAL_PRIOR_LEARNERS - 1, 200, 0.4);
    assert_float_equal(personal_prior_of(s).strength, 0, 0); /* nobody stands out */
    s[3] = (struct personal_sum){0};
    assert_true(personal_prior_of(s).strength > 0);
    assert_near(personal_prior_of(s).mean[3], 0.6, 1e-9); /* nothing known: as all */
    struct personal_sum none[PERSONAL_VARIANTS] = {0};
    assert_float_equal(personal_prior_of(none).strength, 0, 0);
}

/* Mean reward of the first `days` days, over learners of one kind. */
static double early_reward(const struct personal_prior *prior, const double *mean, int days,
                           uint64_t seed)
{
    enum { LEARNERS = 60 };
    double sum = 0;

    for (int l = 0; l < LEARNERS; l++) {
        struct bandit b;
        struct rng rng;

        rng_seed(&rng, seed + (uint64_t)l);
        assert_int_equal(personal_bandit(NULL, 0, NULL, prior, &b), ERR_OK);
        for (int day = 0; day < days; day++) {
            struct bandit_decision d = bandit_choose(&b, &rng);
            double reward = rng_unit(&rng) < mean[d.arm];

            sum += reward;
            assert_int_equal(bandit_reward(&b, &d, reward), ERR_OK);
        }
    }
    return sum / LEARNERS / days;
}

static void a_prior_helps_the_newcomer_and_is_forgotten(void **state)
{
    (void)state;
    static const double mean[PERSONAL_VARIANTS] = {0.5, 0.55, 0.7, 0.45},
                        other[PERSONAL_VARIANTS] = {0.55, 0.7, 0.45, 0.5};
    struct personal_sum s[PERSONAL_VARIANTS];

    for (int i = 0; i < PERSONAL_VARIANTS; i++)
        s[i] = brought(30, 400, mean[i]);
    struct personal_prior p = personal_prior_of(s);
    double with = early_reward(&p, mean, 20, 5), without = early_reward(NULL, mean, 20, 5);
    if (with < without + 0.01)
        fail_msg("with %.4f, without %.4f", with, without);
    /* who is not like the others loses little, and finds his own in the end */
    with = early_reward(&p, other, 150, 9);
    without = early_reward(NULL, other, 150, 9);
    if (with < without - 0.02)
        fail_msg("unlike the others: with %.4f, without %.4f", with, without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_prior_is_that_of_all_and_bounded),
        cmocka_unit_test(a_prior_helps_the_newcomer_and_is_forgotten),
        cmocka_unit_test(defaults_without_data),
        cmocka_unit_test(sources_are_used),
        cmocka_unit_test(safety_comes_last),
        cmocka_unit_test(more_strain_never_means_more_work),
        cmocka_unit_test(levels),
        cmocka_unit_test(a_day_is_measured_against_the_weeks_before),
        cmocka_unit_test(effects_are_covered_and_not_invented),
        cmocka_unit_test(days_that_contexts_share_invent_nothing),
        cmocka_unit_test(thin_data_gives_no_effect),
        cmocka_unit_test(a_bandit_is_what_its_choices_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
