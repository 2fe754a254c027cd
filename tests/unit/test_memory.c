/* Vectors: published ones of the open FSRS implementations, and histories computed independently. */
#include "base/assert.h"
#include "twin/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define near(got, want, tolerance) assert_true(fabs((got) - (want)) <= (tolerance))

static const struct memory_weights *const W = &memory_default;

static struct memory_state run(const struct memory_weights *w, const int *grades, const double *days, int n)
{
    struct memory_state s = { 0, 0 };
    for (int i = 0; i < n; i++)
        s = memory_review(w, s, (enum memory_grade)grades[i], days[i]);
    return s;
}

static void recall_follows_the_published_curve(void **state)
{
    (void)state;
    static const double s[] = { 1, 2, 3, 4, 4, 2 }, want[] = { 1, 0.9403443, 0.9253786, 0.9185229, 0.9, 0.8261359 };
    static const double w20_02[] = { 1, 0.9, 0.84028935, 0.7985001 }, plain[] = { 1, 0.9, 0.84588465, 0.8093881 };
    struct memory_weights other = memory_default;

    for (int t = 0; t < 6; t++)
        near(memory_recall(W, s[t], t), want[t], 1e-6);
    other.w[20] = 0.2;
    for (int t = 0; t < 4; t++) {
        near(memory_recall(W, 1, t), plain[t], 1e-8);
        near(memory_recall(&other, 1, t), w20_02[t], 1e-7);
    }
    for (double x = 0.01; x < 30000; x *= 3) {
        near(memory_recall(W, x, x), 0.9, 1e-12);
        near(memory_interval(W, x, 0.9), x, 1e-9 * x);
    }
}

static void first_reviews(void **state)
{
    (void)state;
    static const double s[] = { 0.212, 1.2931, 2.3065, 8.2956 }, d[] = { 6.4133, 5.11217071, 2.11810397, 1 };
    struct memory_state none = { 0, 0 };

    for (int g = 1; g <= 4; g++) {
        struct memory_state got = memory_review(W, none, (enum memory_grade)g, 0);
        near(got.stability, s[g - 1], 1e-12);
        near(got.difficulty, d[g - 1], 1e-7);
    }
    near(memory_recall(W, 8.2956, 8), 0.9024733, 1e-7);
}

static void difficulty_moves(void **state)
{
    (void)state;
    static const double want[] = { 8.34176237, 6.66599536, 4.99022837, 3.31446137 };

    for (int g = 1; g <= 4; g++) {
        struct memory_state s = { 5, 5 };
        near(memory_review(W, s, (enum memory_grade)g, 1).difficulty, want[g - 1], 1e-7);
    }
}

static void stability_after_forgetting_and_on_the_same_day(void **state)
{
    (void)state;
    static const double d[] = { 1, 2, 3, 4 }, r[] = { .9, .8, .7, .6 };
    static const double forgotten[] = { 1.05253961, 1.18943295, 1.36808387, 1.58498896 };
    static const double recalled[] = { 0, 28.22657096, 58.65599107, 127.2266925 };
    static const double same_day[] = { 1.596818, 5, 5, 8.12960956 };

    for (int i = 0; i < 4; i++) {
        /* the gap at which recall has fallen to r */
        double days = memory_interval(W, 5, r[i]);
        struct memory_state s = { 5, d[i] };

        near(memory_review(W, s, GRADE_AGAIN, days).stability, forgotten[i], 1e-6);
        if (i > 0)
            near(memory_review(W, s, (enum memory_grade)(i + 1), days).stability, recalled[i], 1e-5);
        near(memory_review(W, s, (enum memory_grade)(i + 1), 0).stability, same_day[i], 1e-6);
    }
}

static void two_reviews_of_the_same_grade(void **state)
{
    (void)state;
    static const struct {
        int grade, days;
        double s, d;
    } rows[] = {
        { 1, 1, 0.10088589, 8.806304 },  { 2, 1, 3.2494123, 6.7404594 }, { 3, 1, 7.3153, 2.1112142 },
        { 4, 1, 18.014914, 1 },          { 1, 2, 0.112798266, 8.806304 }, { 2, 2, 4.4694576, 6.7404594 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memory_state s = run(W, (int[]){ rows[i].grade, rows[i].grade }, (double[]){ 0, rows[i].days }, 2);
        near(s.stability, rows[i].s, 1e-4);
        near(s.difficulty, rows[i].d, 1e-4);
    }
}

static void the_libraries_six_review_history(void **state)
{
    (void)state;
    static const int grades[] = { 1, 3, 3, 3, 3, 3 };
    static const double days[] = { 0, 0, 1, 3, 8, 21 };
    struct memory_weights long_term = memory_default;
    struct memory_state s = run(W, grades, days, 6);

    near(s.stability, 53.62691, 1e-4);
    near(s.difficulty, 6.3574867, 1e-5);
    long_term.w[17] = long_term.w[18] = long_term.w[19] = 0;
    s = run(&long_term, grades, days, 6);
    near(s.stability, 53.335106, 1e-4);
    near(s.difficulty, 6.3574867, 1e-5);
}

static void intervals(void **state)
{
    (void)state;
    static const int32_t want[] = { 3116769, 34793, 2508, 387, 90, 27, 9, 3, 1, 1 };
    static const double table[4][6] = {
        { 9.287911, 3.315960, 1.906426, 1, 0.402559, 0.222768 },
        { 46.439556, 16.579799, 9.532131, 5, 2.012793, 1.113842 },
        { 185.758224, 66.319196, 38.128523, 20, 8.051174, 4.455369 },
        { 928.791118, 331.595979, 190.642613, 100, 40.255869, 22.276844 },
    };
    static const double stabilities[] = { 1, 5, 20, 100 }, retentions[] = { .7, .8, .85, .9, .95, .97 };

    for (int i = 0; i < 10; i++)
        assert_int_equal(memory_interval_days(W, 1, (i + 1) / 10.0, INT32_MAX), want[i]);
    assert_int_equal(memory_interval_days(W, 1e4, 0.5, 36500), 36500);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 6; j++)
            near(memory_interval(W, stabilities[i], retentions[j]), table[i][j], 1e-6);
}

struct step {
    int grade;
    double days, r, s, d;
    int interval;
};

static void check_history(const struct step *steps, int n)
{
    struct memory_state s = { 0, 0 };

    for (int i = 0; i < n; i++) {
        if (i > 0)
            near(memory_recall(W, s.stability, steps[i].days), steps[i].r, 1e-7);
        s = memory_review(W, s, (enum memory_grade)steps[i].grade, steps[i].days);
        near(s.stability / steps[i].s, 1, 1e-6);
        near(s.difficulty, steps[i].d, 1e-6);
        assert_int_equal(memory_interval_days(W, s.stability, 0.9, 36500), steps[i].interval);
    }
}

static void histories_step_by_step(void **state)
{
    (void)state;
    static const struct step a[] = {
        { 3, 0, 0, 2.3065, 2.118104, 2 },           { 3, 2, 0.90949326, 10.964332, 2.1112142, 11 },
        { 3, 11, 0.89977672, 46.280217, 2.1043314, 46 }, { 3, 46, 0.90041669, 162.8622, 2.0974554, 163 },
        { 3, 163, 0.89994189, 497.44719, 2.0905863, 497 }, { 3, 497, 0.90006178, 1345.5288, 2.0837241, 1346 },
    };
    static const struct step b[] = {
        { 3, 0, 0, 2.3065, 2.118104, 2 },           { 3, 2, 0.90949326, 10.964332, 2.1112142, 11 },
        { 1, 11, 0.89977672, 1.5383372, 7.3922381, 2 }, { 3, 1, 0.92679221, 3.55391, 7.3800743, 4 },
        { 3, 4, 0.89167262, 9.6528542, 7.3679226, 10 }, { 3, 9, 0.90473849, 21.962732, 7.355783, 22 },
    };
    static const struct step c[] = {
        { 1, 0, 0, 0.212, 6.4133, 1 },              { 1, 0, 1, 0.083356717, 8.8063045, 1 },
        { 2, 0, 1, 0.083356717, 9.1927976, 1 },     { 3, 0, 1, 0.10314065, 9.1788332, 1 },
        { 4, 0, 1, 0.21649012, 8.8896659, 1 },      { 3, 1, 0.76823056, 0.99316201, 8.8760046, 1 },
    };
    static const struct step d[] = {
        { 2, 0, 0, 1.2931, 5.1121707, 1 },          { 2, 1, 0.91666972, 3.2494118, 6.7404595, 3 },
        { 4, 3, 0.90539212, 14.083626, 5.6365013, 14 }, { 2, 10, 0.92176242, 26.300451, 7.0885346, 26 },
        { 1, 30, 0.89070608, 2.1821763, 9.0282495, 2 }, { 2, 1, 0.94439053, 2.8508923, 9.3401351, 3 },
    };
    static const struct step e[] = {
        { 4, 0, 0, 8.2956, 1, 8 },                  { 3, 100, 0.67480120, 120.32657, 1, 120 },
        { 3, 365, 0.80835575, 700.8435, 1, 701 },   { 1, 2000, 0.81402800, 9.2742922, 7.0269896, 9 },
    };
    static const struct step f[] = {
        { 1, 0, 0, 0.212, 6.4133, 1 },              { 1, 1, 0.76619573, 0.10088579, 8.8063045, 1 },
        { 1, 1, 0.69368176, 0.05503453, 9.5928688, 1 }, { 1, 1, 0.63602986, 0.033369187, 9.8514071, 1 },
        { 1, 1, 0.59072809, 0.021934476, 9.9363869, 1 }, { 3, 1, 0.55468861, 0.14388542, 9.9216789, 1 },
    };
    static const struct step h[] = {
        { 4, 0, 0, 8.2956, 1, 8 },                  { 4, 8, 0.90247330, 65.624226, 1, 66 },
        { 4, 166, 0.82507149, 660.3308, 1, 660 },   { 4, 3000, 0.76983899, 6142.1561, 1, 6142 },
        { 4, 36500, 0.74365935, 36500, 1, 36500 },
    };

    check_history(a, COUNT(a));
    check_history(b, COUNT(b));
    check_history(c, COUNT(c));
    check_history(d, COUNT(d));
    check_history(e, COUNT(e));
    check_history(f, COUNT(f));
    check_history(h, COUNT(h));
}

static void a_schedule_reviewed_when_due(void **state)
{
    (void)state;
    static const int grades[] = { 3, 3, 3, 3, 3, 3, 1, 1, 3, 3, 3, 3, 3 };
    /* the first Good and the two Again stay in the learning steps: the next review is the same day */
    static const int32_t want[] = { 0, 2, 11, 46, 163, 498, 0, 0, 2, 4, 7, 12, 21 };
    struct memory_state s = { 0, 0 };
    double days = 0;

    for (size_t i = 0; i < COUNT(grades); i++) {
        s = memory_review(W, s, (enum memory_grade)grades[i], days);
        days = want[i] == 0 ? 0 : memory_interval_days(W, s.stability, 0.9, 36500);
        assert_int_equal((int32_t)days, want[i]);
    }
}

static void other_weights(void **state)
{
    (void)state;
    static const double nineteen[] = { 0.6845422, 1.6790825, 4.7349424, 10.042885, 7.4410233, 0.64219797, 1.071918,
                                       0.0025195254, 1.432437, 0.1544, 0.8692766, 2.0696752, 0.0953, 0.2975,
                                       2.4691248, 0.19542035, 3.201072, 0.18046261, 0.121442534 };
    static const double seventeen[] = { 0.4, 0.6, 2.4, 5.8, 4.93, 0.94, 0.86, 0.01, 1.49, 0.14, 0.94, 2.18, 0.05,
                                        0.34, 1.26, 0.29, 2.61 };
    static const double from_seventeen[] = { 0.4, 0.6, 2.4, 5.8, 6.81, 0.44675013, 1.36, 0.01, 1.49, 0.14, 0.94, 2.18,
                                             0.05, 0.34, 1.26, 0.29, 2.61, 0, 0, 0, 0.5 };
    static const double after[4][2] = {
        { 2.9691455, 8.000659 }, { 17.091452, 7.6913934 }, { 31.722992, 7.382128 }, { 71.7502, 7.0728626 }
    };
    struct memory_weights w;

    assert_int_equal(memory_weights_from(nineteen, 19, &w), ERR_OK);
    for (int g = 1; g <= 4; g++) {
        struct memory_state s = run(&w, (int[]){ 1, 3, 3, 3, g }, (double[]){ 0, 1, 3, 8, 21 }, 5);
        near(s.stability / after[g - 1][0], 1, 2e-5);
        near(s.difficulty, after[g - 1][1], 1e-4);
    }
    struct memory_state one = memory_review(&w, (struct memory_state){ 20.925528, 7.005062 }, GRADE_GOOD, 21);
    near(one.stability, 40.87456, 1e-3);
    near(one.difficulty, 6.9913807, 1e-5);

    assert_int_equal(memory_weights_from(seventeen, 17, &w), ERR_OK);
    for (int i = 0; i < MEMORY_WEIGHTS; i++)
        near(w.w[i], from_seventeen[i], 1e-6);
    assert_int_equal(memory_weights_from(seventeen, 16, &w), ERR_RANGE);
    assert_int_equal(memory_weights_from((double[17]){ NAN }, 17, &w), ERR_RANGE);
}

static void long_term_only_schedule(void **state)
{
    (void)state;
    static const double numbers[] = { 0.4197, 1.1869, 3.0412, 15.2441, 7.1434, 0.6477, 1.0007, 0.0674, 1.6597, 0.1712,
                                      1.1178, 2.0225, 0.0904, 0.3025, 2.1214, 0.2498, 2.9466, 0, 0 };
    static const int grades[] = { 3, 3, 3, 3, 3, 3, 1, 1, 3, 3, 3, 3, 3 };
    static const double s[] = { 3.0412, 13.09130698, 48.15848988, 154.93732625, 445.05562739, 1158.07779739, 16.63063166,
                                3.01732209, 11.42247264, 37.37521902, 111.8752758, 306.5974569, 772.94026648 };
    static const double d[] = { 4.49094334, 4.26664289, 4.05746029, 3.86237659, 3.68044154, 3.51076891, 4.69833071,
                                5.55956298, 5.26323756, 4.98688448, 4.72915759, 4.4888015, 4.26464541 };
    static const int32_t interval[] = { 3, 13, 48, 155, 445, 1158, 17, 3, 11, 37, 112, 307, 773 };
    struct memory_weights w;
    struct memory_state at = { 0, 0 };
    double days = 0;

    assert_int_equal(memory_weights_from(numbers, 19, &w), ERR_OK);
    for (size_t i = 0; i < COUNT(grades); i++) {
        at = memory_review(&w, at, (enum memory_grade)grades[i], days);
        near(at.stability / s[i], 1, 1e-6);
        near(at.difficulty, d[i], 1e-6);
        days = memory_interval_days(&w, at.stability, 0.9, 36500);
        assert_int_equal((int32_t)days, interval[i]);
    }
}

static void from_sm2(void **state)
{
    (void)state;
    static const double rows[][5] = { { 2.5, 10, .9, 10, 6.9140563 },
                                      { 2.5, 10, .8, 3.01572, 9.393428 },
                                      { 2.5, 10, .95, 24.841097, 1.2974405 },
                                      { 1.3, 20, .9, 20, 10 } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct memory_state s = memory_from_sm2(W, rows[i][0], rows[i][1], rows[i][2]);
        near(s.stability, rows[i][3], 1e-4);
        near(s.difficulty, rows[i][4], 1e-4);
    }
}

static void fuzz_ranges(void **state)
{
    (void)state;
    static const int32_t rows[][3] = { { 3, 2, 4 },    { 5, 4, 6 },    { 7, 5, 9 },     { 10, 8, 12 },
                                       { 20, 17, 23 }, { 50, 46, 54 }, { 100, 93, 107 }, { 365, 345, 385 } };
    int32_t low, high;

    for (size_t i = 0; i < COUNT(rows); i++) {
        memory_fuzz_range(rows[i][0], 36500, &low, &high);
        assert_int_equal(low, rows[i][1]);
        assert_int_equal(high, rows[i][2]);
    }
    memory_fuzz_range(2, 36500, &low, &high);
    assert_int_equal(low, 2);
    assert_int_equal(high, 2);
}

static void a_loss_over_four_cards(void **state)
{
    (void)state;
    static const double days[4][6] = { { 0, 0, 0, 0, 1, 3 }, { 0, 0, 0, 1, 3, 6 }, { 0, 0, 0, 1, 3, 6 }, { 0, 0, 1, 3, 5, 12 } };
    static const int grades[4][6] = { { 1, 3, 1, 4, 3, 2 }, { 2, 4, 4, 3, 1, 3 }, { 3, 2, 4, 3, 3, 3 }, { 4, 4, 3, 3, 3, 4 } };
    static const double gap[] = { 4, 11, 12, 23 }, s_want[] = { 2.888476, 7.747411, 39.651828, 133.616876 };
    static const double r_want[] = { 0.876123, 0.874173, 0.960729, 0.976242 };
    double loss = 0;

    for (int i = 0; i < 4; i++) {
        struct memory_state s = run(W, grades[i], days[i], 6);
        double r = memory_recall(W, s.stability, gap[i]);
        near(s.stability / s_want[i], 1, 1e-6);
        near(r, r_want[i], 1e-6);
        loss -= log(i == 3 ? 1 - r : r);
    }
    near(loss, 4.0466048, 1e-6);
}

/* Bounds and monotony that hold for any history. */
static void properties(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;

    for (int trial = 0; trial < 2000; trial++) {
        struct memory_state s = { 0, 0 };
        for (int i = 0; i < 30; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            s = memory_review(W, s, (enum memory_grade)(x % 4 + 1), (double)(x / 7 % 4 == 0 ? 0 : x / 29 % 4000));
            assert_true(s.stability >= MEMORY_S_MIN && s.stability <= MEMORY_S_MAX);
            assert_true(s.difficulty >= 1 && s.difficulty <= 10);
        }
        double last = 1;
        for (double t = 0.1; t < 1e5; t *= 2) {
            double r = memory_recall(W, s.stability, t);
            assert_true(r > 0 && r < last); /* longer absence never raises recall */
            last = r;
        }
        struct memory_state same = memory_review(W, s, (enum memory_grade)0, 3);
        assert_true(same.stability == s.stability && same.difficulty == s.difficulty);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recall_follows_the_published_curve),
        cmocka_unit_test(first_reviews),
        cmocka_unit_test(difficulty_moves),
        cmocka_unit_test(stability_after_forgetting_and_on_the_same_day),
        cmocka_unit_test(two_reviews_of_the_same_grade),
        cmocka_unit_test(the_libraries_six_review_history),
        cmocka_unit_test(intervals),
        cmocka_unit_test(histories_step_by_step),
        cmocka_unit_test(a_schedule_reviewed_when_due),
        cmocka_unit_test(other_weights),
        cmocka_unit_test(long_term_only_schedule),
        cmocka_unit_test(from_sm2),
        cmocka_unit_test(fuzz_ranges),
        cmocka_unit_test(a_loss_over_four_cards),
        cmocka_unit_test(properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
