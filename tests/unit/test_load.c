/* Cognitive load: the vectors of the first formula, and what is made of a series of samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "twin/load.h"

#include <math.h>

static double mean(const double *v, int32_t from, int32_t n)
{
    double sum = 0;
    for (int32_t i = from; i < n; i++)
        sum += v[i];
    return n > from ? sum / (n - from) : 0;
}

struct vector {
    const char *name;
    double latencies[5];
    int32_t latency_n;
    double errors;
    bool engagement;
    double pauses, pause_ms;
    double scores[5];
    int32_t score_n;
    double minutes;
    bool baseline;
    double base_ms, base_performance;
    double score;
    enum load_level level;
    bool overload;
    double confidence;
};

/* clang-format off */
#define SAME(x) { x, x, x, x, x }, 5
static const struct vector vectors[] = {
    { "L1", { 2000, 2200, 2400, 2600, 2800 }, 5, .3, true, 5, 180000, { .9, .85, .8, .75, .7 }, 5, 65, true, 2000, .9, 33.961538, LOAD_LOW, false, 1 },
    { "L2", { 3000 }, 1, .4, true, 0, 0, SAME(.5), 95, true, 2000, .9, 41.666667, LOAD_MODERATE, true, .7 },
    { "L3", { 10000 }, 1, 1, true, 20, 600000, SAME(.1), 120, true, 2000, .9, 90.833333, LOAD_CRITICAL, true, .7 },
    { "L4", { 1500 }, 1, 0, true, 0, 0, SAME(.95), 30, true, 2000, .9, 0, LOAD_LOW, false, .7 },
    { "L5", { 2400, 2500, 2600 }, 3, .1, false, 0, 0, SAME(.8), 30, true, 2000, .8, 17.5, LOAD_LOW, false, .63 },
    { "L6", { 2000 }, 1, .35, false, 0, 0, SAME(.8), 30, true, 2000, .8, 8.75, LOAD_LOW, false, .63 },
    { "L7", { 2000 }, 1, .1, true, 8, 720000, SAME(.8), 30, true, 2000, .8, 22.5, LOAD_LOW, false, .7 },
    { "L8", { 2000 }, 1, .1, false, 0, 0, SAME(.8), 75, true, 2000, .8, 3.5, LOAD_LOW, false, .63 },
    { "L9", { 5000 }, 1, .6, true, 10, 600000, SAME(.3), 100, true, 2000, .9, 77.5, LOAD_HIGH, true, .7 },
    { "L10", { 3000 }, 1, .35, true, 5, 300000, SAME(.6), 70, true, 2000, .8, 46.714286, LOAD_MODERATE, false, .7 },
    { "L11", { 2600 }, 1, .45, false, 0, 0, SAME(.65), 70, true, 2000, .8, 27.25, LOAD_LOW, false, .63 },
    { "L12", { 3500 }, 1, .65, true, 8, 450000, SAME(.5), 90, true, 2000, .8, 69.708333, LOAD_HIGH, true, .7 },
    { "L13", { 8000 }, 1, .9, true, 15, 900000, SAME(.2), 120, true, 2000, .9, 86.666667, LOAD_CRITICAL, true, .7 },
    { "L14", { 0 }, 0, 0, false, 0, 0, { 0 }, 0, 0, false, 0, 0, 0, LOAD_LOW, false, .3024 },
    { "L15", { 1e7 }, 1, 1, true, 1000, 8e7, SAME(0), 1000, true, 1, 1, 92.5, LOAD_CRITICAL, true, .7 },
    { "L16", { 0 }, 0, 0, true, 0, 0, { 0 }, 0, 0, false, 0, 0, 0, LOAD_LOW, false, .336 },
};
/* clang-format on */

static struct load_result run(const struct vector *v)
{
    struct load_input in = {
        .latency_n = v->latency_n,
        .latency_ms = mean(v->latencies, 0, v->latency_n),
        .error_rate = v->errors,
        .has_engagement = v->engagement,
        .pauses = v->pauses,
        .pause_ms = v->pause_ms,
        .score_n = v->score_n,
        .score_mean = mean(v->scores, 0, v->score_n),
        .minutes = v->minutes,
        .has_baseline = v->baseline,
        .baseline_ms = v->base_ms,
        .baseline_performance = v->base_performance,
    };
    struct load_result r;
    load_calculate(&in, &r);
    return r;
}

static void vectors_of_the_formula(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct load_result r = run(v);

        if (fabs(r.score - v->score) > 5e-7 || r.level != v->level || r.overload != v->overload ||
            fabs(r.confidence - v->confidence) > 1e-9)
            fail_msg("%s: score %.9f level %d overload %d confidence %.6f", v->name, r.score,
                     r.level, r.overload, r.confidence);
    }
}

static void expect_sign(const char *vector, enum load_sign sign, enum load_severity severity,
                        double value)
{
    for (size_t i = 0; i < COUNT(vectors); i++) {
        if (strcmp(vectors[i].name, vector) != 0)
            continue;
        struct load_result r = run(&vectors[i]);
        for (int32_t k = 0; k < r.indicator_count; k++)
            if (r.indicators[k].sign == sign) {
                assert_int_equal(r.indicators[k].severity, severity);
                assert_true(fabs(r.indicators[k].value - value) < 1e-9);
                assert_true(r.indicators[k].contribution == r.factors[sign]);
                return;
            }
    }
    fail_msg("%s: no such sign", vector);
}

static void signs_of_the_vectors(void **state)
{
    (void)state;
    expect_sign("L1", LOAD_SIGN_LATENCY, LOAD_MILD, 2400);
    expect_sign("L1", LOAD_SIGN_ERRORS, LOAD_MILD, .3);
    expect_sign("L1", LOAD_SIGN_DURATION, LOAD_MEDIUM, 65);
    assert_int_equal(run(&vectors[0]).indicator_count, 3);
    expect_sign("L5", LOAD_SIGN_LATENCY, LOAD_MILD, 2500);
    expect_sign("L6", LOAD_SIGN_ERRORS, LOAD_MEDIUM, .35);
    expect_sign("L7", LOAD_SIGN_ENGAGEMENT, LOAD_MEDIUM, .4);
    expect_sign("L8", LOAD_SIGN_DURATION, LOAD_MEDIUM, 75);
    expect_sign("L2", LOAD_SIGN_DURATION, LOAD_SEVERE, 95);
    assert_int_equal(run(&vectors[13]).indicator_count, 0);
}

static void overload_and_risk(void **state)
{
    (void)state;
    static const struct {
        double score;
        int32_t severe;
        bool overload;
        enum load_risk risk;
    } cases[] = {
        {85, 0, true, LOAD_RISK_CRITICAL}, {60, 2, true, LOAD_RISK_CRITICAL},
        {35, 0, false, LOAD_RISK_LOW},     {80, 0, false, LOAD_RISK_HIGH},
        {60, 0, false, LOAD_RISK_MEDIUM},  {40, 0, false, LOAD_RISK_LOW},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum load_risk risk;
        assert_int_equal(load_overload(cases[i].score, cases[i].severe, &risk), cases[i].overload);
        assert_int_equal(risk, cases[i].risk);
    }
    assert_int_equal(load_level_of(25), LOAD_LOW);
    assert_int_equal(load_level_of(50), LOAD_MODERATE);
    assert_int_equal(load_level_of(70), LOAD_HIGH);
    assert_int_equal(load_level_of(85), LOAD_CRITICAL);
    assert_int_equal(load_level_of(80), LOAD_CRITICAL);
    assert_int_equal(load_trend(75, 60), 1);
    assert_int_equal(load_trend(45, 60), -1);
    assert_int_equal(load_trend(65, 60), 0);
    assert_int_equal(load_trend(70, 60), 0);
}

static void advice_repeats_nothing_and_fits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct load_result r = run(&vectors[i]);
        const char *advice[LOAD_ADVICE_MAX];
        int32_t n = load_advice(&r, advice);

        assert_true(r.score > 40 ? n >= 2 : n <= 3);
        for (int32_t a = 0; a < n; a++)
            for (int32_t b = a + 1; b < n; b++)
                assert_string_not_equal(advice[a], advice[b]);
    }
}

#define T0 (INT64_C(1760000000) * US_PER_S) /* 2025-10-09 08:53:20 UTC, a Thursday */
#define MINUTE(n) (T0 + (n)*US_PER_MINUTE)

static void episodes_end_below_sixty(void **state)
{
    (void)state;
    static const struct load_sample s[] = {
        {MINUTE(0), 70},  {MINUTE(5), 81},  {MINUTE(10), 65}, {MINUTE(15), 90},
        {MINUTE(20), 60}, {MINUTE(25), 59}, {MINUTE(30), 79}, {MINUTE(35), 80.5},
    };
    struct load_episode e[2];

    assert_int_equal(load_episodes(s, COUNT(s), e, 2), 2);
    assert_int_equal(e[0].start, MINUTE(5));
    assert_int_equal(e[0].end, MINUTE(25));
    assert_int_equal(e[0].samples, 4);
    assert_false(e[0].open);
    assert_true(e[0].peak == 90);
    assert_int_equal(e[1].start, MINUTE(35));
    assert_true(e[1].open);
    assert_int_equal(load_episodes(s, COUNT(s), e, 1), 2); /* all are counted */
    assert_int_equal(load_episodes(s, 1, e, 2), 0);
    assert_int_equal(load_episodes(s, 0, e, 2), 0);
}

static void samples_weigh_by_their_time(void **state)
{
    (void)state;
    static const struct load_sample s[] = {{MINUTE(0), 80}, {MINUTE(10), 20}, {MINUTE(300), 50}};

    /* 10 minutes of 80, 30 (the bound) of 20, 30 of 50 */
    assert_true(fabs(load_time_mean(s, 3, 0, 3) - (800.0 + 600 + 1500) / 70) < 1e-12);
    assert_true(load_time_mean(s, 3, 1, 2) == 20);
    assert_true(isnan(load_time_mean(s, 3, 1, 1)));
}

static void hours_split_the_series(void **state)
{
    (void)state;
    static const struct load_sample s[] = {
        {MINUTE(0), 10}, {MINUTE(2), 30}, {MINUTE(6), 20}, {MINUTE(7), 70}, {MINUTE(1000), 40}};
    struct load_bucket b[4];
    double scratch[5];

    assert_int_equal(load_buckets(s, 5, zone_utc(), LOAD_HOUR, scratch, b, 4), 3);
    assert_int_equal(b[0].start, T0 - (53 * 60 + 20) * US_PER_S);
    assert_int_equal(b[0].count, 3); /* 08:53:20, 08:55:20, 08:59:20 */
    assert_true(b[0].mean == 20 && b[0].min == 10 && b[0].max == 30);
    assert_true(fabs(b[0].p90 - 28) < 1e-12);
    assert_int_equal(b[0].peak, 1);
    assert_int_equal(b[1].count, 1); /* 09:00:20 */
    assert_int_equal(load_buckets(s, 5, zone_utc(), LOAD_DAY, scratch, b, 4), 2);
    assert_int_equal(b[0].start, INT64_C(1759968000) * US_PER_S);
    assert_int_equal(load_buckets(s, 5, zone_utc(), LOAD_WEEK, scratch, b, 4), 1);
    assert_int_equal(b[0].start, INT64_C(1759708800) * US_PER_S); /* Monday 2025-10-06 */
    assert_int_equal(load_buckets(s, 5, zone_utc(), LOAD_RAW, scratch, b, 4), 5);
    assert_int_equal(load_buckets(s, 0, zone_utc(), LOAD_DAY, scratch, b, 4), 0);
}

/* More of anything that strains never lowers the load. */
static void never_falls_when_strain_rises(void **state)
{
    (void)state;
    struct load_input in = {.latency_n = 9,
                            .has_engagement = true,
                            .score_n = 9,
                            .has_baseline = true,
                            .baseline_ms = 2000,
                            .baseline_performance = .8};
    double before = -1;

    for (int i = 0; i <= 400; i++) {
        double u = i / 400.0;
        in.latency_ms = 1000 + 4000 * u;
        in.error_rate = u;
        in.pauses = floor(12 * u);
        in.score_mean = 1 - u;
        in.minutes = 120;
        in.pause_ms = 3600000 * u;
        struct load_result r;
        load_calculate(&in, &r);
        assert_true(r.score >= before && r.score <= 92.5);
        before = r.score;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_formula),
        cmocka_unit_test(signs_of_the_vectors),
        cmocka_unit_test(overload_and_risk),
        cmocka_unit_test(advice_repeats_nothing_and_fits),
        cmocka_unit_test(episodes_end_below_sixty),
        cmocka_unit_test(samples_weigh_by_their_time),
        cmocka_unit_test(hours_split_the_series),
        cmocka_unit_test(never_falls_when_strain_rises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
