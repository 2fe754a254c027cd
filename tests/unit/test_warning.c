/* Early warning: bounds, reasons that sum, order independence, monotone misses, and a fit that
 * finds what made the data. */
#include "base/civil.h"
#include "base/rng.h"
#include "test.h"
#include "twin/warning_run.h"

#include <string.h>

static struct warning_task task(int32_t due, int32_t handed, double score, double standing)
{
    return (struct warning_task){due, handed, false, false, 20, score, standing, 0.8, NAN, NAN};
}

static double risk_of(const struct warning_learner *l, int32_t day)
{
    double x[WARNING_INPUTS];
    struct warning_forecast f;

    assert_int_equal(warning_read(l, day, x), ERR_OK);
    assert_int_equal(warning_forecast(&warning_default, NULL, x, day, &f), ERR_OK);
    return f.risk;
}

static void good_work_is_less_risk_than_none(void **state)
{
    (void)state;
    const struct warning_task good[] = {task(19, 18, 85, 0.6), task(54, 52, 80, 0.4)},
                              poor[] = {task(19, 27, 35, -1.8), task(54, 60, 30, -2)},
                              none[] = {task(19, WARNING_NEVER, NAN, NAN),
                                        task(54, WARNING_NEVER, NAN, NAN)};
    struct warning_learner l = {good, 2, -60, 0, 1, WARNING_EDUCATION_UNKNOWN, {0, 0}};
    double a = risk_of(&l, 70), b, c;

    l.tasks = poor;
    b = risk_of(&l, 70);
    l.tasks = none;
    c = risk_of(&l, 70);
    assert_true(a < 0.3 && b > a + 0.2 && c > b && c > 0.9);
}

static void only_the_past_is_read(void **state)
{
    (void)state;
    struct warning_task t[] = {task(19, 18, 70, 0), task(54, 50, 10, -3)};
    struct warning_learner l = {t, 2, -60, 0, 1, WARNING_EDUCATION_UNKNOWN, {0, 0}};
    double before[WARNING_INPUTS], after[WARNING_INPUTS];

    assert_int_equal(warning_read(&l, 40, before), ERR_OK);
    t[1] = task(54, WARNING_NEVER, NAN, NAN);
    assert_int_equal(warning_read(&l, 40, after), ERR_OK);
    assert_memory_equal(before, after, sizeof before);
}

static struct warning_task any_task(struct rng *rng)
{
    struct warning_task t = {
        .due_day = (int32_t)rng_below(rng, 240),
        .handed_day = WARNING_NEVER,
        .quiz = rng_below(rng, 2) > 0,
        .carried = rng_below(rng, 10) == 0,
        .weight = rng_below(rng, 4) > 0 ? 30 * rng_unit(rng) : 0,
        .score = (double)NAN,
        .standing = (double)NAN,
        .share = rng_unit(rng),
        .score_place = (double)NAN,
        .day_place = (double)NAN,
    };

    if (rng_below(rng, 3)) {
        t.handed_day = t.due_day - 10 + (int32_t)rng_below(rng, 30);
        t.score = 100 * rng_unit(rng);
        t.standing = 2 * rng_normal(rng);
        t.score_place = rng_below(rng, 5) ? rng_unit(rng) : (double)NAN;
        t.day_place = rng_below(rng, 5) ? rng_unit(rng) : (double)NAN;
    }
    return t;
}

static void forecasts_are_bounded_and_their_reasons_sum(void **state)
{
    (void)state;
    struct warning_task t[WARNING_TASKS_MAX], back[WARNING_TASKS_MAX];
    struct rng rng;

    rng_seed(&rng, 1);
    for (int i = 0; i < 3000; i++) {
        int32_t n = (int32_t)rng_below(&rng, 20), day = 14 + (int32_t)rng_below(&rng, 300);
        struct warning_learner l = {t,
                                    n,
                                    (int32_t)rng_below(&rng, 200) - 150,
                                    (int32_t)rng_below(&rng, 3),
                                    rng_unit(&rng) * 3,
                                    (enum warning_education)rng_below(&rng, WARNING_EDUCATIONS),
                                    {rng_normal(&rng), rng_unit(&rng)}};
        double x[WARNING_INPUTS], y[WARNING_INPUTS], sum = 0;
        struct warning_forecast f;

        for (int32_t j = 0; j < n; j++)
            t[j] = back[n - 1 - j] = any_task(&rng);
        assert_int_equal(warning_read(&l, day, x), ERR_OK);
        l.tasks = back;
        assert_int_equal(warning_read(&l, day, y), ERR_OK);
        for (int j = 0; j < WARNING_INPUTS; j++)
            assert_near(x[j], y[j], 1e-9);
        assert_int_equal(warning_forecast(&warning_default, NULL, x, day, &f), ERR_OK);
        for (int r = 0; r < WARNING_REASONS; r++)
            sum += f.reasons[r];
        assert_true(f.risk >= 0 && f.risk <= 1);
        assert_near(f.risk, 1 / (1 + exp(-sum)), 1e-9);
    }
}

static void mixes_between_landmarks(void **state)
{
    (void)state;
    const struct warning_task t[] = {task(10, 9, 70, 0)};
    const struct warning_learner l = {t, 1, -60, 0, 1, WARNING_EDUCATION_UNKNOWN, {0, 0}};
    const struct warning_model *m = &warning_default;
    double x[WARNING_INPUTS];
    struct warning_forecast at[3], late;

    assert_int_equal(warning_read(&l, 13, x), ERR_OK);
    assert_int_equal(warning_forecast(m, NULL, x, 13, &late), ERR_RANGE);
    for (int i = 0; i < 3; i++)
        assert_int_equal(warning_forecast(m, NULL, x, 30 + 15 * i, &at[i]), ERR_OK);
    for (int r = 0; r < WARNING_REASONS; r++)
        assert_near(at[1].reasons[r], (at[0].reasons[r] + at[2].reasons[r]) / 2, 1e-9);
    assert_int_equal(warning_forecast(m, NULL, x, 210, &at[0]), ERR_OK);
    assert_int_equal(warning_forecast(m, NULL, x, INT32_MAX, &late), ERR_OK);
    assert_near(at[0].risk, late.risk, 1e-12);
    for (int32_t i = 0; i < m->landmark_count; i++) {
        assert_true(i == 0 || m->landmarks[i].day > m->landmarks[i - 1].day);
        assert_true(m->landmarks[i].rows > 5000);
    }
}

static void what_is_not_known_stands_in_the_middle(void **state)
{
    (void)state;
    const struct warning_task t[] = {task(10, 9, 70, 0), task(54, 52, 80, 0.4)};
    struct warning_learner l = {t, 2, -60, 0, 1, WARNING_EDUCATION_UNKNOWN, {0, 0}};
    double unknown = risk_of(&l, 60), low = 1, high = 0;

    for (int i = 1; i < WARNING_EDUCATIONS; i++) {
        l.education = (enum warning_education)i;
        low = fmin(low, risk_of(&l, 60));
        high = fmax(high, risk_of(&l, 60));
    }
    assert_true(low < unknown && unknown < high);
    l.education = WARNING_EDUCATION_SCHOOL;
    double school = risk_of(&l, 60);
    l.education = WARNING_EDUCATION_POSTGRADUATE;
    assert_true(risk_of(&l, 60) < school);
}

static void a_course_learns_from_its_earlier_runs(void **state)
{
    (void)state;
    const struct warning_task t[] = {task(10, 9, 70, 0)};
    const struct warning_learner l = {t, 1, -60, 0, 1, WARNING_EDUCATION_UNKNOWN, {0, 0}};
    struct warning_course course = {0};
    struct warning_forecast plain, same, few, many, between;
    double x[WARNING_INPUTS];

    assert_int_equal(warning_read(&l, 30, x), ERR_OK);
    assert_int_equal(warning_forecast(&warning_default, NULL, x, 30, &plain), ERR_OK);
    assert_int_equal(warning_forecast(&warning_default, &course, x, 30, &same), ERR_OK);
    assert_near(plain.risk, same.risk, 0);
    for (int i = 0; i < 10; i++)
        warning_course_learn(&course, 1, 0.5, i < 6);
    assert_int_equal(warning_forecast(&warning_default, &course, x, 30, &few), ERR_OK);
    for (int i = 0; i < 990; i++)
        warning_course_learn(&course, 1, 0.5, i % 10 < 6);
    assert_int_equal(warning_forecast(&warning_default, &course, x, 30, &many), ERR_OK);
    assert_true(plain.risk < few.risk && few.risk < many.risk);
    assert_near(many.reasons[WARNING_COURSE], log(0.6 / 0.4), 0.03); /* what such odds mean */
    assert_int_equal(warning_forecast(&warning_default, &course, x, 45, &between), ERR_OK);
    assert_near(between.reasons[WARNING_COURSE], many.reasons[WARNING_COURSE] / 2, 1e-9);
    /* certain forecasts and absurd counts leave it finite */
    for (int i = 0; i < 1000; i++)
        warning_course_learn(&course, 7, 0, true);
    assert_int_equal(warning_forecast(&warning_default, &course, x, 300, &many), ERR_OK);
    assert_true(many.risk >= 0 && many.risk <= 1 && isfinite(many.reasons[WARNING_COURSE]));
}

static void a_run_that_is_left_is_a_risk(void **state)
{
    (void)state;
    const struct warning_task t[] = {task(10, 9, 70, 0)};
    const struct warning_learner l = {t, 1, -60, 0, 1, WARNING_EDUCATION_UNKNOWN, {0, 0}};
    double x[WARNING_INPUTS], before = -HUGE_VAL;
    const struct warning_landmark *at = &warning_default.landmarks[2];
    struct warning_course course = {.began = 10000};
    struct warning_forecast f;

    assert_int_equal(warning_read(&l, at->day, x), ERR_OK);
    for (course.left = 0; course.left <= course.began; course.left += 50) {
        assert_int_equal(warning_forecast(&warning_default, &course, x, at->day, &f), ERR_OK);
        assert_true(f.reasons[WARNING_COURSE] > before || before > 1.4999); /* the bound */
        assert_true(fabs(f.reasons[WARNING_COURSE]) <= 1.5);
        before = f.reasons[WARNING_COURSE];
    }
    course.left = (int32_t)lround(at->left * course.began); /* as usual: says nothing */
    assert_int_equal(warning_forecast(&warning_default, &course, x, at->day, &f), ERR_OK);
    assert_near(f.reasons[WARNING_COURSE], 0, 0.001);
    course = (struct warning_course){.began = 10, .left = 2}; /* a handful hardly tells */
    assert_int_equal(warning_forecast(&warning_default, &course, x, at->day, &f), ERR_OK);
    assert_true(f.reasons[WARNING_COURSE] > 0 && f.reasons[WARNING_COURSE] < 0.02);
    for (int32_t i = 1; i < warning_default.landmark_count; i++)
        assert_true(warning_default.landmarks[i].left > warning_default.landmarks[i - 1].left);
}

static void other_courses_count_as_they_went(void **state)
{
    (void)state;
    const struct warning_task t[] = {task(10, 9, 70, 0)};
    struct warning_learner l = {t, 1, -60, 0, 1, WARNING_EDUCATION_UNKNOWN, {0, 0}};
    double plain = risk_of(&l, 30), failed, worse;
    double x[WARNING_INPUTS];

    warning_record_learn(&l.record, 0.4, 0.4); /* runs as was thought: says nothing */
    assert_near(risk_of(&l, 30), plain, 0);
    warning_record_learn(&l.record, 0.4, 0.6);
    worse = risk_of(&l, 30);
    assert_true(worse > plain);
    l.record = (struct warning_record){0, 0};
    warning_record_learn(&l.record, 0.4, 1);
    failed = risk_of(&l, 30);
    assert_true(failed > worse);
    assert_int_equal(warning_read(&l, 30, x), ERR_OK);
    assert_near(x[WARNING_IN_RECORD], 0.6 / (0.24 + 0.64), 1e-12); /* by hand */
    l.record = (struct warning_record){0, 0};
    warning_record_learn(&l.record, 0.4, 0);
    assert_true(risk_of(&l, 30) < plain);
    l.record.surplus = 1e9;
    assert_int_equal(warning_read(&l, 30, x), ERR_OK);
    assert_near(x[WARNING_IN_RECORD], 1.5, 0);
    for (int32_t i = 0; i < warning_default.landmark_count; i++)
        assert_near(warning_default.landmarks[i].weights[WARNING_IN_RECORD], 1, 0);
    l.record.surplus = NAN;
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    l.record = (struct warning_record){0, -1};
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
}

/* Who has done what few have, before it is due, is ahead by more than who has done what most have.
 */
static void ahead_of_the_cohort_counts_by_who_is_not(void **state)
{
    (void)state;
    struct warning_task t[] = {task(33, 25, 70, 0), task(40, 26, 70, 0), task(50, 20, 70, 0),
                               task(20, 18, 70, 0), task(35, WARNING_NEVER, NAN, NAN)};
    struct warning_learner l = {t, 5, -60, 0, 1, WARNING_EDUCATION_UNKNOWN, {0, 0}};
    double x[WARNING_INPUTS], few, most;

    t[0].share = 0.25;
    t[1].share = 0.9;
    t[2].share = 0.05; /* hardly begun: nothing is said by it */
    assert_int_equal(warning_read(&l, 30, x), ERR_OK);
    assert_near(x[WARNING_IN_AHEAD_ALONE], 0.75 + 0.1, 1e-12);
    assert_int_equal(warning_read(&l, 33, x), ERR_OK); /* the first is due */
    assert_near(x[WARNING_IN_AHEAD_ALONE], 0.1, 1e-12);
    assert_int_equal(warning_read(&l, 24, x), ERR_OK); /* none of the two is there yet */
    assert_near(x[WARNING_IN_AHEAD_ALONE], 0, 0);
    few = risk_of(&l, 30);
    t[0].share = 0.9;
    most = risk_of(&l, 30);
    assert_true(few < most);
}

static void bad_input_is_refused_or_harmless(void **state)
{
    (void)state;
    struct warning_task t = task(10, 9, 70, 0);
    struct warning_learner l = {&t, 1, WARNING_NEVER, 0, 0, WARNING_EDUCATION_UNKNOWN, {0, 0}};
    double x[WARNING_INPUTS];

    assert_int_equal(warning_read(&l, 30, x), ERR_OK);
    t.score = 101;
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    t = task(10, 9, 70, INFINITY);
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    t = task(10, 9, 70, 0);
    t.share = NAN;
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    t = task(10, 9, 70, 0);
    t.weight = NAN;
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    t = task(10, 9, 70, 0);
    t.score_place = 1.5;
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    t = task(10, 9, 70, 0);
    t.day_place = -1;
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    t = task(INT32_MAX, INT32_MIN, 0, -1e300); /* absurd, but a day is a day */
    l.registered_day = INT32_MIN;
    l.credits = 1e300;
    assert_int_equal(warning_read(&l, INT32_MAX - 1, x), ERR_OK);
    for (int j = 0; j < WARNING_INPUTS; j++)
        assert_true(isfinite(x[j]) && fabs(x[j]) < 100);
    l.task_count = WARNING_TASKS_MAX + 1;
    assert_int_equal(warning_read(&l, 30, x), ERR_RANGE);
    l = (struct warning_learner){NULL, 0, WARNING_NEVER, 0, 0, WARNING_EDUCATION_UNKNOWN, {0, 0}};
    assert_int_equal(warning_read(&l, 0, x), ERR_OK);
    l.attempts = -1;
    assert_int_equal(warning_read(&l, 0, x), ERR_RANGE);
}

static void seven_days_are_seven_days(void **state)
{
    (void)state;
    assert_false(warning_absent(0, 7 * US_PER_DAY - 1));
    assert_true(warning_absent(0, 7 * US_PER_DAY));
    assert_false(warning_absent(5, 4));
    assert_true(warning_absent(INT64_MIN, INT64_MAX));
    assert_false(warning_absent(INT64_MAX, INT64_MIN));
}

static void visits_are_read_by_hand(void **state)
{
    (void)state;
    struct warning_visit v[] = {{-5, false, false, 0},
                                {US_PER_DAY, true, false, 0},
                                {US_PER_DAY + US_PER_MINUTE, false, true, 2},
                                {4 * US_PER_DAY, true, false, 0},
                                {99 * US_PER_DAY, true, true, 0}};
    double x[WARNING_VISIT_INPUTS];

    warning_visits_read(v, 5, 0, 14 * US_PER_DAY, x);
    assert_near(x[WARNING_VISIT_SILENCE], 10.0 / 14, 1e-12);
    assert_near(x[WARNING_VISIT_DAYS], 2.0 / 14, 1e-12);
    assert_near(x[WARNING_VISIT_SESSIONS], log(3), 1e-12);
    assert_near(x[WARNING_VISIT_ACTIONS], log(6), 1e-12);
    assert_near(x[WARNING_VISIT_POSTS], log(3), 1e-12);
    assert_near(x[WARNING_VISIT_HANDED], log(2), 1e-12);
    assert_near(x[WARNING_VISIT_GAP], (3.0 - 1.0 / (24 * 60)) / 14, 1e-12);
    assert_near(x[WARNING_VISIT_EVEN], (log(5) - 4 * log(4) / 5) / log(2), 1e-12); /* 4 and 1 */
    double before = warning_visits_risk(warning_visit_weights, x);
    warning_visits_read(v + 1, 1, 0, 14 * US_PER_DAY, x); /* came once, and was gone */
    assert_near(x[WARNING_VISIT_EVEN], 1, 0);
    double once = warning_visits_risk(warning_visit_weights, x);
    assert_true(once > before);
    warning_visits_read(NULL, 0, 0, US_PER_DAY, x);
    assert_near(x[WARNING_VISIT_SILENCE], 1, 0);
    assert_near(x[WARNING_VISIT_GAP], 1, 0);
    assert_true(warning_visits_risk(warning_visit_weights, x) > once);
}

static void visits_are_bounded_however_many(void **state)
{
    (void)state;
    struct warning_visit v[60];
    double x[WARNING_VISIT_INPUTS], same[WARNING_VISIT_INPUTS];
    struct rng rng;

    rng_seed(&rng, 14);
    for (int round = 0; round < 500; round++) {
        int32_t n = (int32_t)rng_below(&rng, COUNT(v) + 1);
        int64_t at = -US_PER_DAY;

        for (int32_t i = 0; i < n; i++) {
            at += (int64_t)rng_below(&rng, US_PER_DAY);
            v[i] = (struct warning_visit){at, rng_below(&rng, 2), rng_below(&rng, 2),
                                          rng_below(&rng, 3) ? 0 : INT32_MAX};
        }
        warning_visits_read(v, n, 0, 14 * US_PER_DAY, x);
        for (int j = 0; j < WARNING_VISIT_INPUTS; j++)
            assert_true(isfinite(x[j]) && x[j] >= 0 && x[j] < 30);
        assert_true(x[WARNING_VISIT_DAYS] <= 1 && x[WARNING_VISIT_EVEN] <= 1);
        assert_true(x[WARNING_VISIT_GAP] <= x[WARNING_VISIT_SILENCE]);
        for (int32_t i = 0; i < n; i++)
            v[i].more = 6;
        warning_visits_read(v, n, 0, 14 * US_PER_DAY, x);
        for (int32_t i = 0; i < n; i++)
            v[i].more = 0;
        warning_visits_read(v, n, 0, 14 * US_PER_DAY, same);
        assert_near(x[WARNING_VISIT_EVEN], same[WARNING_VISIT_EVEN], 1e-9); /* seven times all */
    }
}

static void fitting_finds_the_weights_and_heeds_the_prior(void **state)
{
    (void)state;
    enum { N = 5000, K = 4 };
    static const double truth[K] = {-0.5, 1.2, -0.8, 0};
    static double x[N * K];
    static uint8_t y[N];
    double w[K], few[K], prior[K] = {2, 2, 2, 2};
    struct arena scratch;
    struct rng rng;

    rng_seed(&rng, 9);
    for (int i = 0; i < N; i++) {
        double odds = 0;

        for (int j = 0; j < K; j++) {
            x[i * K + j] = j ? rng_normal(&rng) : 1;
            odds += truth[j] * x[i * K + j];
        }
        y[i] = rng_unit(&rng) < 1 / (1 + exp(-odds));
    }
    arena_init(&scratch, 1 << 20);
    assert_int_equal(warning_fit(&scratch, x, y, N, K, 0.01, NULL, w), ERR_OK);
    for (int j = 0; j < K; j++)
        assert_near(w[j], truth[j], 0.12);
    assert_int_equal(warning_fit(&scratch, x, y, 12, K, 1000, prior, few), ERR_OK);
    for (int j = 1; j < K; j++)
        assert_near(few[j], 2, 0.1); /* twelve rows do not outweigh it */
    /* separable: finite all the same */
    for (int i = 0; i < N; i++)
        y[i] = x[i * K + 1] > 0;
    assert_int_equal(warning_fit(&scratch, x, y, N, K, 1, NULL, w), ERR_OK);
    for (int j = 0; j < K; j++)
        assert_true(isfinite(w[j]));
    memset(y, 0, sizeof y);
    assert_int_equal(warning_fit(&scratch, x, y, N, K, 1, NULL, w), ERR_RANGE);
    assert_int_equal(warning_fit(&scratch, x, y, 0, K, 1, NULL, w), ERR_RANGE);
    y[0] = 1;
    x[7] = NAN;
    assert_int_equal(warning_fit(&scratch, x, y, N, K, 1, NULL, w), ERR_RANGE);
    arena_fini(&scratch);
    arena_init(&scratch, 16);
    x[7] = 0;
    assert_int_equal(warning_fit(&scratch, x, y, N, K, 1, NULL, w), ERR_NOMEM);
    arena_fini(&scratch);
}

/* ---- runs ---- */

enum { RUN_PEOPLE = 30 };

/* All have handed in the first of two pieces, scores rising; every other one the second. */
static void make_run(struct warning_run *r, struct warning_piece *pieces,
                     struct warning_member *members, struct warning_handed *handed)
{
    *r = (struct warning_run){.pieces = pieces, .members = members, .handed = handed};
    pieces[0] = (struct warning_piece){.due = 10, .weight = 50};
    pieces[1] = (struct warning_piece){.due = 40, .weight = 50};
    for (int32_t i = 0; i < RUN_PEOPLE; i++) {
        members[i] = (struct warning_member){.registered = -20,
                                             .left = WARNING_NEVER,
                                             .outcome = WARNING_OPEN,
                                             .counted = true,
                                             .handed_from = r->handed_count};
        handed[r->handed_count++] =
            (struct warning_handed){.member = i, .piece = 0, .day = 9, .score = 40 + i};
        if (i % 2)
            handed[r->handed_count++] =
                (struct warning_handed){.member = i, .piece = 1, .day = 39, .score = 50};
        members[i].handed_to = r->handed_count;
    }
    r->piece_count = 2;
    r->member_count = RUN_PEOPLE;
}

static void other_runs_count_as_far_as_they_had_come(void **state)
{
    (void)state;
    struct warning_piece pieces[2];
    struct warning_member members[RUN_PEOPLE];
    struct warning_handed handed[2 * RUN_PEOPLE];
    struct warning_run r;
    struct arena scratch;
    /* begun 100 days earlier: 0 left on its day 150, 1 passed on its day 200, 2 was never there on
     * the first landmark, 3 is twenty days behind */
    struct warning_other others[] = {
        {.member = 0, .shift = 100, .left = 150, .ends = 200, .outcome = WARNING_BAD_END},
        {.member = 1, .shift = 100, .left = WARNING_NEVER, .ends = 200, .outcome = WARNING_PASSED},
        {.member = 2, .shift = 100, .left = WARNING_NEVER, .ends = 200, .outcome = WARNING_BAD_END},
        {.member = 3, .shift = -20, .left = WARNING_NEVER, .ends = 200, .outcome = WARNING_OPEN},
    };

    make_run(&r, pieces, members, handed);
    for (size_t i = 0; i < COUNT(others); i++)
        for (int k = 0; k < WARNING_LANDMARKS_MAX; k++)
            others[i].bare[k] = i == 2 && k == 0 ? (double)NAN : 0.4 + 0.01 * k;
    r.others = others;
    r.other_count = COUNT(others);
    arena_init(&scratch, 1 << 20);
    assert_int_equal(warning_run_cohort(&scratch, &r, 30), ERR_OK); /* their day 130; of 3 day 10 */
    assert_near(members[0].record.surplus, 0.04, 1e-12); /* still there: day 120's risk */
    assert_int_equal(members[1].others, 1);
    assert_int_equal(members[2].others, 0);
    assert_int_equal(members[3].others, 0);
    assert_int_equal(warning_run_cohort(&scratch, &r, 50), ERR_OK); /* day 150; of 3 day 30 */
    assert_near(members[0].record.surplus, 0.6, 1e-12);
    assert_near(members[1].record.surplus, 0.05, 1e-12);
    assert_near(members[3].record.surplus, 0.01, 1e-12);
    assert_int_equal(warning_run_cohort(&scratch, &r, 100), ERR_OK); /* day 200: it is over */
    assert_near(members[1].record.surplus, -0.4, 1e-12);
    assert_near(members[1].record.spread, 0.24, 1e-12);
    arena_fini(&scratch);
}

static void who_does_not_count_is_in_nobodys_cohort(void **state)
{
    (void)state;
    struct warning_piece pieces[2];
    struct warning_member members[RUN_PEOPLE];
    struct warning_handed handed[2 * RUN_PEOPLE];
    struct warning_run r, *runs[] = {&r};
    struct warning_past past;
    struct arena scratch;
    double x[WARNING_INPUTS];
    int32_t began, left;

    make_run(&r, pieces, members, handed);
    arena_init(&scratch, 1 << 24);
    assert_int_equal(warning_run_cohort(&scratch, &r, 45), ERR_OK);
    assert_near(pieces[0].mean, 54.5, 1e-9);
    assert_near(pieces[1].share, 0.5, 1e-12);
    assert_near(pieces[1].sd, 5, 1e-12); /* equal scores make no outliers */
    assert_near(handed[0].score_place, 0.5 / RUN_PEOPLE, 1e-12);
    members[1].counted = false; /* both pieces, 41 on the first */
    members[2].left = 44;
    assert_int_equal(warning_run_cohort(&scratch, &r, 45), ERR_OK);
    assert_near(pieces[0].mean, (54.5 * 30 - 41) / 29, 1e-9); /* who has left did hand it in */
    assert_near(pieces[1].share, 14.0 / 28, 1e-12);
    assert_near(handed[0].score_place, 0.5 / 28, 1e-12);
    assert_int_equal(warning_run_read(&r, 1, 45, x), ERR_OK); /* but is forecast */
    warning_run_left(&r, 45, &began, &left);
    assert_int_equal(began, 29);
    assert_int_equal(left, 1);
    assert_int_equal(warning_past_learn(&scratch, runs, 1, &past), ERR_OK); /* nothing is known */
    assert_int_equal(past.rows[0], 0);
    for (int32_t i = 0; i < RUN_PEOPLE; i++)
        members[i].outcome = WARNING_BAD_END; /* all alike: the weights stay, the sums do not */
    assert_int_equal(warning_past_learn(&scratch, runs, 1, &past), ERR_OK);
    assert_int_equal(past.rows[0], 29);
    assert_memory_equal(past.weights[0], warning_default.landmarks[0].weights + 1,
                        sizeof past.weights[0]);
    assert_true(past.sums.surplus[0] > 5);
    arena_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_work_is_less_risk_than_none),
        cmocka_unit_test(only_the_past_is_read),
        cmocka_unit_test(forecasts_are_bounded_and_their_reasons_sum),
        cmocka_unit_test(mixes_between_landmarks),
        cmocka_unit_test(what_is_not_known_stands_in_the_middle),
        cmocka_unit_test(a_course_learns_from_its_earlier_runs),
        cmocka_unit_test(a_run_that_is_left_is_a_risk),
        cmocka_unit_test(other_courses_count_as_they_went),
        cmocka_unit_test(ahead_of_the_cohort_counts_by_who_is_not),
        cmocka_unit_test(other_runs_count_as_far_as_they_had_come),
        cmocka_unit_test(who_does_not_count_is_in_nobodys_cohort),
        cmocka_unit_test(bad_input_is_refused_or_harmless),
        cmocka_unit_test(seven_days_are_seven_days),
        cmocka_unit_test(visits_are_read_by_hand),
        cmocka_unit_test(visits_are_bounded_however_many),
        cmocka_unit_test(fitting_finds_the_weights_and_heeds_the_prior),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
