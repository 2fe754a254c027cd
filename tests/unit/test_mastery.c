/* Mastery: bounds, monotony, prerequisites; the beta distribution against known values. */
#include "base/assert.h"
#include "base/rng.h"
#include "twin/mastery.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const int64_t now = 1750000000;
static const struct mastery_prior *const P = &mastery_prior_default;

static void estimate(const struct mastery *m, const struct mastery_prior *prior, int64_t now_s,
                     struct mastery_estimate *ret)
{
    struct mastery_now at;

    mastery_now_of(m, prior, now_s, &at);
    *ret = mastery_estimate_of(&at);
}

static enum mastery_level level(const struct mastery *m, int64_t now_s)
{
    struct mastery_now at;

    mastery_now_of(m, P, now_s, &at);
    return mastery_level_of(m, &at);
}

static void check_bounds(const struct mastery_estimate *e)
{
    assert_true(e->probability > 0 && e->probability < 1);
    assert_true(e->low >= 0 && e->low <= e->probability && e->probability <= e->high &&
                e->high <= 1);
    assert_true(e->mastered >= 0 && e->mastered <= 1);
    assert_true(e->evidence >= 0 && e->evidence <= 10.0001);
}

static void check_now(const struct mastery_now *at)
{
    const struct mastery_estimate e = mastery_estimate_of(at);

    check_bounds(&e);
}

/* No answer: the prior's own beta distribution. Values by an independent implementation. */
static void the_beta_distribution_is_right(void **state)
{
    (void)state;
    struct mastery none = {0}, some = {.right = 9, .wrong = 1, .answers = 10};
    const struct mastery_prior half = {0.5, 2}; /* uniform */
    struct mastery_estimate e;

    estimate(&none, &half, now, &e);
    assert_true(fabs(e.low - 0.05) < 1e-9 && fabs(e.high - 0.95) < 1e-9);
    assert_true(fabs(e.mastered - 0.2) < 1e-9);
    estimate(&some, &half, now, &e); /* beta (10, 2): 1 - I = 1 - x^10 (11 - 10 x) */
    assert_true(fabs(e.mastered - (1 - pow(0.8, 10) * (11 - 8))) < 1e-9);
    assert_true(fabs(pow(e.low, 10) * (11 - 10 * e.low) - 0.05) < 1e-9);
    assert_true(fabs(pow(e.high, 10) * (11 - 10 * e.high) - 0.95) < 1e-9);
    assert_true(fabs(e.probability - 10.0 / 12) < 1e-12);
}

static void nothing_known_is_the_prior(void **state)
{
    (void)state;
    struct mastery m = {0};
    struct mastery_estimate e;

    estimate(&m, P, now, &e);
    check_bounds(&e);
    assert_true(fabs(e.probability - P->mean) < 1e-12);
    assert_true(e.evidence == 0 && e.high - e.low > 0.5);
    assert_int_equal(level(&m, now), MASTERY_NOT_STARTED);
    assert_string_equal(mastery_level_name(MASTERY_NOT_STARTED), "NOT_STARTED");
}

/* One wrong answer turned into a right one never lowers anything, wherever it stands. */
static void right_answers_never_lower(void **state)
{
    (void)state;
    struct rng rng;

    rng_seed(&rng, 1);
    for (int round = 0; round < 400; round++) {
        int n = 1 + (int)rng_below(&rng, 40), flip = (int)rng_below(&rng, (uint64_t)n);
        struct mastery a = {0}, b = {0};
        int64_t t = now;
        struct mastery_estimate ea, eb;

        for (int i = 0; i < n; i++) {
            double score = rng_below(&rng, 3) ? (double)rng_below(&rng, 2) : rng_unit(&rng);
            t += (int64_t)rng_below(&rng, 400000) - 1000;
            mastery_answer(&a, i == flip ? 0 : score, t);
            mastery_answer(&b, i == flip ? 1 : score, t);
        }
        estimate(&a, P, t, &ea);
        estimate(&b, P, t, &eb);
        check_bounds(&ea);
        check_bounds(&eb);
        assert_true(eb.probability > ea.probability);
        assert_true(eb.low >= ea.low && eb.high >= ea.high && eb.mastered >= ea.mastered);
    }
}

static void all_right_and_all_wrong_end_apart(void **state)
{
    (void)state;
    struct mastery right = {0}, wrong = {0};
    struct mastery_estimate e;

    for (int i = 0; i < 1000; i++) {
        mastery_answer(&right, 1, now); /* all at one instant */
        mastery_answer(&wrong, 0, now);
    }
    estimate(&right, P, now, &e);
    check_bounds(&e);
    assert_int_equal(level(&right, now), MASTERY_MASTERED);
    estimate(&wrong, P, now, &e);
    check_bounds(&e);
    assert_int_equal(level(&wrong, now), MASTERY_BEGINNER);
    assert_true(e.mastered < 1e-3);
}

/* The longer the absence, the nearer to what people in general do, and the wider the interval. */
static void absence_fades_what_was_known(void **state)
{
    (void)state;
    struct mastery m = {0};
    struct mastery_estimate e, last;

    for (int i = 0; i < 12; i++)
        mastery_answer(&m, 1, now + i);
    estimate(&m, P, now + 12, &last);
    for (int64_t days = 1; days < 40000; days *= 2) {
        estimate(&m, P, now + 12 + days * 86400, &e);
        check_bounds(&e);
        assert_true(e.probability <= last.probability && e.evidence < last.evidence);
        assert_true(e.low <= last.low);
        last = e;
    }
    assert_true(fabs(e.probability - P->mean) < 1e-3);
    estimate(&m, P, now - 1000000, &e); /* a clock that goes back */
    check_bounds(&e);
    mastery_answer(&m, 0, 5);
    mastery_answer(&m, 0, 0);
    assert_int_equal(m.last_s, now + 11);
}

static void the_prior_follows_people(void **state)
{
    (void)state;
    assert_true(fabs(mastery_prior_of(0, 0).mean - P->mean) < 1e-12);
    assert_true(fabs(mastery_prior_of(900000, 1000000).mean - 0.9) < 1e-3);
    assert_true(mastery_prior_of(0, 1000000).mean < 1e-3);
    struct mastery m = {0};
    struct mastery_estimate e;
    struct mastery_prior never = {0, 4}, always = {1, 4};
    estimate(&m, &never, now, &e);
    check_bounds(&e);
    estimate(&m, &always, now, &e);
    check_bounds(&e);
}

static struct mastery_node node(int right, int wrong)
{
    struct mastery_node n = {.prior = mastery_prior_default};

    for (int i = 0; i < right; i++)
        mastery_answer(&n.own, 1, now);
    for (int i = 0; i < wrong; i++)
        mastery_answer(&n.own, 0, now);
    return n;
}

/* The shortcut of the level leaves nothing out. */
static void levels_follow_the_chance(void **state)
{
    (void)state;

    for (int right = 0; right < 60; right++)
        for (int wrong = 0; wrong < 60; wrong++) {
            const struct mastery m = {right / 3.0, wrong / 3.0, 0, 1};
            struct mastery_now at;

            mastery_now_of(&m, P, now, &at);
            assert_int_equal(mastery_level_of(&m, &at) == MASTERY_MASTERED,
                             mastery_chance(&at, MASTERY_BAR) >= 0.8);
            struct mastery_estimate e = mastery_estimate_of(&at);
            assert_int_equal(e.high < 0.7, mastery_chance(&at, 0.7) < 0.05);
        }
}

static void unmet_prerequisites_lower(void **state)
{
    (void)state;
    struct mastery_node nodes[] = {node(0, 8), node(0, 0), node(0, 0), node(0, 0), node(30, 0)};
    /* 0 <- 1 <- 2, 3 stands alone, 4 knows although 0 is not met */
    struct mastery_edge edges[] = {{1, 0, 1}, {2, 1, 0.5}, {4, 0, 1}};
    struct mastery_now with[5], without[5];

    assert_int_equal(mastery_with_prerequisites(nodes, 5, edges, 3, now, with), ERR_OK);
    assert_int_equal(mastery_with_prerequisites(nodes, 5, NULL, 0, now, without), ERR_OK);
    assert_true(memcmp(&with[0], &without[0], sizeof with[0]) == 0);
    assert_true(memcmp(&with[3], &without[3], sizeof with[3]) == 0);
    assert_true(with[1].probability < without[1].probability - 0.1);
    struct mastery_estimate lower = mastery_estimate_of(&with[1]),
                            higher = mastery_estimate_of(&without[1]);
    assert_true(lower.mastered < higher.mastered && lower.high < higher.high);
    assert_true(with[2].probability < without[2].probability); /* by way of 1 */
    assert_true(with[2].probability > with[1].probability);
    /* own answers outweigh it */
    assert_true(without[4].probability - with[4].probability <
                without[1].probability - with[1].probability);
    for (int i = 0; i < 5; i++)
        check_now(&with[i]);
}

static void what_was_never_asked_holds_nobody_down(void **state)
{
    (void)state;
    struct mastery_node nodes[] = {node(0, 0), node(3, 1)};
    struct mastery_edge edge = {1, 0, 1};
    struct mastery_now with[2], without[2];

    assert_int_equal(mastery_with_prerequisites(nodes, 2, &edge, 1, now, with), ERR_OK);
    assert_int_equal(mastery_with_prerequisites(nodes, 2, NULL, 0, now, without), ERR_OK);
    assert_memory_equal(with, without, sizeof with);
}

/* More strength, or a worse prerequisite, never raises; random graphs, cycles among them. */
static void graphs_of_any_form(void **state)
{
    (void)state;
    enum { N = 30, E = 80 };
    static struct mastery_node nodes[N];
    static struct mastery_edge edges[E], shuffled[E];
    static struct mastery_now a[N], b[N];
    struct rng rng;

    rng_seed(&rng, 7);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < N; i++)
            nodes[i] = node((int)rng_below(&rng, 6), (int)rng_below(&rng, 6));
        for (int i = 0; i < E; i++) /* an edge to itself now and then */
            edges[i] = (struct mastery_edge){(int32_t)rng_below(&rng, N),
                                             (int32_t)rng_below(&rng, N), rng_unit(&rng)};
        assert_int_equal(mastery_with_prerequisites(nodes, N, edges, E, now, a), ERR_OK);
        for (int i = 0; i < N; i++)
            check_now(&a[i]);
        for (int i = 0; i < E; i++)
            shuffled[i] = edges[(i * 37) % E];
        assert_int_equal(mastery_with_prerequisites(nodes, N, shuffled, E, now, b), ERR_OK);
        for (int i = 0; i < N; i++)
            assert_true(fabs(a[i].probability - b[i].probability) < 1e-12);
        mastery_answer(&nodes[rng_below(&rng, N)].own, 1, now);
        edges[rng_below(&rng, E)].strength = 0;
        assert_int_equal(mastery_with_prerequisites(nodes, N, edges, E, now, b), ERR_OK);
        for (int i = 0; i < N; i++)
            assert_true(b[i].probability >= a[i].probability - 1e-12);
    }
}

static void bad_graphs_are_refused(void **state)
{
    (void)state;
    struct mastery_node nodes[] = {node(1, 0), node(0, 1)};
    struct mastery_now e[2];
    const struct mastery_edge bad[] = {{2, 0, 1},   {0, 2, 1},    {-1, 0, 1}, {1, -1, 1},
                                       {1, 0, 1.1}, {1, 0, -0.1}, {1, 0, NAN}};

    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(mastery_with_prerequisites(nodes, 2, &bad[i], 1, now, e), ERR_RANGE);
    assert_int_equal(mastery_with_prerequisites(nodes, -1, NULL, 0, now, e), ERR_RANGE);
    assert_int_equal(mastery_with_prerequisites(nodes, MASTERY_NODES_MAX + 1, NULL, 0, now, e),
                     ERR_RANGE);
    assert_int_equal(mastery_with_prerequisites(NULL, 0, NULL, 0, now, NULL), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_beta_distribution_is_right),
        cmocka_unit_test(nothing_known_is_the_prior),
        cmocka_unit_test(right_answers_never_lower),
        cmocka_unit_test(all_right_and_all_wrong_end_apart),
        cmocka_unit_test(absence_fades_what_was_known),
        cmocka_unit_test(the_prior_follows_people),
        cmocka_unit_test(levels_follow_the_chance),
        cmocka_unit_test(unmet_prerequisites_lower),
        cmocka_unit_test(what_was_never_asked_holds_nobody_down),
        cmocka_unit_test(graphs_of_any_form),
        cmocka_unit_test(bad_graphs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
