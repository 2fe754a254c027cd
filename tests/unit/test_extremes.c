/* The models on what no learner does: nothing, one thing, everything at one instant, time running
 * backwards, all right, all wrong, numbers at their ends. What they answer stays finite and within
 * its bounds, and where an order is promised not to matter it does not. */
#include "base/civil.h"
#include "base/rng.h"
#include "test.h"
#include "twin/adapt.h"
#include "twin/habit.h"
#include "twin/load.h"
#include "twin/mastery.h"
#include "twin/mind.h"
#include "twin/outlook.h"
#include "twin/patterns.h"
#include "twin/session.h"
#include "twin/study.h"

#include <string.h>

static const int64_t wild[] = {0,
                               1,
                               -1,
                               1000,
                               INT64_MAX,
                               INT64_MIN,
                               INT64_MAX - 1,
                               INT64_MIN + 1,
                               INT64_C(1) << 62,
                               US_PER_DAY,
                               -US_PER_DAY,
                               INT64_C(1700000000000000)};

static int64_t any(struct rng *rng)
{
    return wild[rng_below(rng, COUNT(wild))];
}

static int64_t any_count(struct rng *rng)
{
    static const int64_t counts[] = {0, 1, 2, 19, 1000, 10000000, INT64_C(1) << 40};

    return counts[rng_below(rng, COUNT(counts))];
}

static double share_of(struct rng *rng)
{
    static const double shares[] = {0, 1, 0.5, 1e-300, 1 - 1e-16};

    return shares[rng_below(rng, COUNT(shares))];
}

static void sessions(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 1);
    for (int i = 0; i < 200000; i++) {
        const struct session_facts s = {.first_at = any(&rng),
                                        .last_at = any(&rng),
                                        .started_at = any(&rng),
                                        .completed_at = any(&rng),
                                        .declared_ms = any(&rng),
                                        .declared_pause_ms = any(&rng),
                                        .pauses = any_count(&rng),
                                        .pause_ms_sum = any(&rng),
                                        .resumes = any_count(&rng),
                                        .resume_ms_sum = any(&rng),
                                        .active_ms = any(&rng),
                                        .untimed = rng_below(&rng, 2) > 0};
        int64_t ms = session_study_ms(&s);

        assert_true(ms >= 0 && ms <= SESSION_STUDY_MS_MAX);
        assert_true(session_paused_ms(&s) >= 0);
    }
}

static void loads(void **state)
{
    (void)state;
    static const double sizes[] = {0, 1, 1e-300, 1e9, 1e300};
    struct rng rng;

    rng_seed(&rng, 2);
    for (int i = 0; i < 100000; i++) {
        struct load_input in = {.latency_n = (int32_t)rng_below(&rng, 3),
                                .latency_ms = sizes[rng_below(&rng, 5)],
                                .error_rate = share_of(&rng),
                                .has_engagement = rng_below(&rng, 2) > 0,
                                .pauses = sizes[rng_below(&rng, 5)],
                                .pause_ms = sizes[rng_below(&rng, 5)],
                                .score_n = (int32_t)rng_below(&rng, 8),
                                .score_mean = share_of(&rng),
                                .minutes = sizes[rng_below(&rng, 5)],
                                .has_baseline = rng_below(&rng, 2) > 0,
                                .baseline_ms = sizes[rng_below(&rng, 5)],
                                .baseline_performance = share_of(&rng)};
        struct load_result r;

        load_calculate(&in, &r);
        assert_true(r.score >= 0 && r.score <= 92.5 && r.confidence >= 0 && r.confidence <= 1);
        assert_true(r.indicator_count >= 0 && r.indicator_count <= LOAD_SIGN_COUNT);
        for (int f = 0; f < LOAD_SIGN_COUNT; f++)
            assert_true(r.factors[f] >= 0 && r.factors[f] <= 100);
        struct adapt_difficulty a = adapt_difficulty(r.score, share_of(&rng));
        assert_true(a.review_share >= 0 && a.review_share <= 1 && a.prompt >= 0 && a.prompt <= 1);
    }
    /* samples at one instant, and at the ends of time */
    struct load_sample s[] = {{INT64_MIN, 90}, {INT64_MIN, 30}, {0, 85}, {0, 85}, {INT64_MAX, 20}};
    struct load_episode e[2];
    for (int32_t n = 0; n <= 5; n++) {
        double mean = load_time_mean(s, n, 0, n);

        assert_true(n == 0 || (mean >= 20 && mean <= 90));
        assert_true(load_episodes(s, n, e, 2) <= n);
    }
}

static void masteries(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 3);
    for (int round = 0; round < 300; round++) {
        struct mastery m = {0};
        int kind = round % 3; /* all right, all wrong, anything */

        for (int i = 0; i < 100; i++) {
            int64_t now = any(&rng);
            struct mastery_prior prior = {share_of(&rng), i % 2 ? 1000 : 1e-9};
            struct mastery_now at;

            mastery_now_of(&m, &prior, now, &at);
            struct mastery_estimate e = mastery_estimate_of(&at);
            assert_true(e.probability > 0 && e.probability < 1);
            assert_true(e.low >= 0 && e.low <= e.high && e.high <= 1);
            assert_true(e.mastered >= 0 && e.mastered <= 1 && e.evidence >= 0 && e.evidence <= 10);
            mastery_answer(&m, kind == 0 ? 1 : kind == 1 ? 0 : share_of(&rng), now);
            assert_true(isfinite(m.right) && isfinite(m.wrong) && m.right >= 0 && m.wrong >= 0);
        }
    }
}

static void minds(void **state)
{
    (void)state;
    static uint8_t bytes[MIND_BYTES_MAX];
    struct struggle_model *model;
    struct mind *m, *again;
    struct rng rng;

    rng_seed(&rng, 4);
    assert_int_equal(struggle_model_new(10, STRUGGLE_FULL, &model), ERR_OK);
    assert_int_equal(mind_new(&m), ERR_OK);
    assert_int_equal(mind_new(&again), ERR_OK);
    for (int kind = 0; kind < 4; kind++) { /* all right, all wrong, one instant, backwards */
        mind_clear(m);
        for (int i = 0; i < 3000; i++) {
            uint64_t skills[] = {1 + rng_below(&rng, 3), 900};
            int64_t now = kind == 2 ? 1700000000 : kind == 3 ? 1700000000 - 3600 * i : any(&rng);
            struct struggle_question q;
            struct struggle_features f;
            struct struggle_prediction p;
            double parts[PART_COUNT], sum = 0;
            bool right = kind == 0 || (kind > 1 && rng_below(&rng, 2));

            mind_question(m, 1 + rng_below(&rng, 5), skills, 2, now, &q);
            struggle_read(model, &q, &f);
            struggle_predict(model, &f, &p);
            struggle_explain(model, &f, parts);
            for (int part = 0; part < PART_COUNT; part++)
                sum += parts[part];
            assert_true(p.probability > 0 && p.probability < 1 && isfinite(sum));
            struggle_learn(model, &f, &p, right);
            mind_answer(m, &q, right, rng_below(&rng, 9) == 0, i % 7 ? 1e300 : -1);
        }
        size_t n = mind_encode(m, bytes);
        assert_int_equal(mind_decode(again, bytes, n), ERR_OK);
        assert_int_equal(mind_answers(again), mind_answers(m));
    }
    mind_free(m);
    mind_free(again);
    struggle_model_free(model);
}

static void outlooks(void **state)
{
    (void)state;
    struct outlook_model model = outlook_initial;
    struct rng rng;

    rng_seed(&rng, 5);
    for (int i = 0; i < 50000; i++) {
        static const double maybe[] = {0, 1, 0.5, NAN};
        struct outlook_facts f = {.learnt = any_count(&rng),
                                  .now_s = any(&rng),
                                  .recall = maybe[rng_below(&rng, 4)],
                                  .due = maybe[rng_below(&rng, 4)],
                                  .load = maybe[rng_below(&rng, 4)]};
        struct outlook o;
        double sum = 0;

        for (int part = 0; part < PART_COUNT; part++)
            f.parts[part] = 20 * rng_normal(&rng);
        for (int k = (int)rng_below(&rng, 4); k > 0; k--)
            mastery_answer(&f.own, rng_below(&rng, 2) ? 1 : 0, any(&rng));
        mastery_now_of(&f.own, &mastery_prior_default, f.now_s, &f.built);
        outlook_of(&model, &f, &o);
        assert_true(o.probability >= 0 && o.probability <= 1 && o.right >= 0 && o.right <= 1);
        assert_true(o.low <= o.probability && o.probability <= o.high);
        for (int part = 0; part < OUTLOOK_PARTS; part++)
            sum += o.parts[part];
        assert_true(isfinite(sum));
        outlook_learn(&model, o.x, rng_below(&rng, 2));
        for (int k = 0; k < OUTLOOK_INPUTS; k++)
            assert_true(isfinite(model.w[k]) && model.variance[k] > 0);
    }
}

static void studies(void **state)
{
    (void)state;
    struct share cells[STUDY_SLOTS];
    int64_t begun[STUDY_SLOTS];
    struct study_surface surface;
    struct study_window w[STUDY_WINDOWS_MAX];
    struct study_length lengths[STUDY_LENGTHS];
    struct rng rng;

    rng_seed(&rng, 6);
    for (int round = 0; round < 2000; round++) {
        int kind = round % 4; /* nothing, all right, all wrong, anything */

        for (int i = 0; i < STUDY_SLOTS; i++) {
            double n = kind && rng_below(&rng, 2) ? (double)any_count(&rng) : 0;

            cells[i] = (struct share){kind == 1 ? n : kind == 2 ? 0 : floor(n * rng_unit(&rng)), n};
            begun[i] = (int64_t)fmin(n, 1e6);
        }
        study_surface(cells, &surface);
        for (int i = 0; i < STUDY_SLOTS; i++)
            assert_true(cells[i].n > 0 ? surface.rate[i] >= 0 && surface.rate[i] <= 1 &&
                                             surface.interval[i].low <= surface.interval[i].high
                                       : isnan(surface.rate[i]));
        int32_t n = study_windows(cells, begun, &surface, w);
        assert_true(n >= 0 && n <= STUDY_WINDOWS_MAX && (kind > 2 || n == 0));
        for (int i = 0; i < STUDY_LENGTHS; i++) {
            int64_t graded = kind ? any_count(&rng) : 0;
            lengths[i] = (struct study_length){any_count(&rng), any_count(&rng), graded,
                                               kind == 1   ? graded
                                               : kind == 2 ? 0
                                                           : graded / 3};
        }
        struct study_length_choice c = study_length_best(lengths);
        assert_true(c.bucket >= -1 && c.bucket < STUDY_LENGTHS);
        assert_true(isnan(c.rate_all) || (c.rate_all >= 0 && c.rate_all <= 1));
        struct study_gate g = study_gate(any(&rng), any(&rng), any_count(&rng), any_count(&rng));
        assert_true(g.quality >= 0 && g.quality <= 1);
        assert_true(g.weeks_more >= 0 && g.sessions_more >= 0 && g.graded_more >= 0);
        assert_true(g.sufficient == (g.weeks_more + g.sessions_more + g.graded_more == 0));
    }
}

static void habits(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 7);
    for (int round = 0; round < 3000; round++) {
        struct habit_week weeks[HABIT_WEEKS_MAX];
        struct habit h;

        for (int i = 0; i < HABIT_WEEKS_MAX; i++) {
            int64_t n = any_count(&rng), r = any_count(&rng), s = any_count(&rng);
            weeks[i] = (struct habit_week){(int32_t)rng_below(&rng, 8),
                                           s,
                                           s / 2,
                                           n,
                                           round % 2 ? n : 0,
                                           r,
                                           round % 2 ? 0 : r,
                                           any_count(&rng),
                                           0};
        }
        habit_of(weeks, (int32_t)rng_below(&rng, HABIT_WEEKS_MAX + 1),
                 rng_below(&rng, 2) ? HABIT_BEHAVIOR : HABIT_MISSIONS, &h);
        assert_true(h.count >= 0 && h.count <= HABIT_WEEKS_MAX);
        for (int i = 0; i < h.count; i++)
            assert_true(h.points[i].score >= 0 && h.points[i].score <= 100 &&
                        h.points[i].result >= 0 && h.points[i].result <= 100);
        assert_true(isnan(h.plain.r) || fabs(h.plain.r) <= 1);
    }
}

/* Rhythm's sums count the same in any order, and data that shrinks begins a pattern anew. */
static void rhythms_and_patterns(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 8);
    for (int round = 0; round < 200; round++) {
        static const double forecasts[] = {0, 1, NAN, 0.5, 1e-300};
        struct rhythm_part there = {0}, back = {0};
        double f[50];
        bool y[50];

        for (int i = 0; i < 50; i++) {
            f[i] = forecasts[rng_below(&rng, 5)];
            y[i] = round % 3 == 0 || (round % 3 == 2 && rng_below(&rng, 2));
            rhythm_count(&there, f[i], y[i], 1);
        }
        for (int i = 50; i-- > 0;)
            rhythm_count(&back, f[i], y[i], 1);
        assert_memory_equal(&there, &back, sizeof there);

        struct rhythm_sum slots[RHYTHM_HOURS] = {0};
        struct pattern_track t;
        struct pattern_data d;
        for (int s = 0; s < RHYTHM_HOURS; s++)
            for (int k = (int)rng_below(&rng, 3); k > 0; k--)
                rhythm_add(&slots[s], &there, 1);
        patterns_track_init(&t, PATTERN_PEAK, 3);
        assert_true(isnan(patterns_confidence(&t)));
        for (int step = 0; step < 5; step++) { /* the clock runs backwards, the data shrinks */
            if (step == 3)
                memset(slots, 0, sizeof slots);
            d = patterns_data_slots(slots, RHYTHM_HOURS, 22, 3, 1 + 1e6 * (step % 2));
            patterns_step(&t, NULL, &d, -step * US_PER_DAY);
            assert_true(isfinite(t.log_exists) && isfinite(t.log_change) && t.log_change >= 0);
        }
        for (int i = 0; i < 50; i++)
            rhythm_count(&there, f[i], y[i], -1);
        const struct rhythm_part none = {0};
        assert_memory_equal(&there, &none, sizeof none);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions),  cmocka_unit_test(loads),
        cmocka_unit_test(masteries), cmocka_unit_test(minds),
        cmocka_unit_test(outlooks),  cmocka_unit_test(studies),
        cmocka_unit_test(habits),    cmocka_unit_test(rhythms_and_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
