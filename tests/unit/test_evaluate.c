/* Splits, the order of forecasts, and the layouts, on sets of the test's own making. */
#include "test.h"

#include "base/args.h"
#include "base/rng.h"
#include "eval/answers.h"
#include "eval/coursework.h"
#include "eval/reviews.h"
#include "eval/sets.h"
#include "eval/split.h"
#include "import/import.h"
#include "twin/warning_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* numpy.random.RandomState(42).shuffle(numpy.arange(10)), as its documentation prints it. */
static void shuffles_as_published_splits_do(void **state)
{
    (void)state;
    static const uint32_t expected[10] = {8, 1, 5, 0, 7, 2, 9, 4, 3, 6};
    uint32_t order[10];

    for (uint32_t i = 0; i < 10; i++)
        order[i] = i;
    split_shuffle(42, order, 10);
    assert_memory_equal(order, expected, sizeof order);
    split_shuffle(42, order, 0);
    split_shuffle(42, order, 1);
    assert_int_equal(order[0], 8);
}

static struct event answer(const char *learner, const char *item, int correct)
{
    struct event e;

    event_init(&e);
    e.kind = EVENT_ANSWER;
    e.learner = str_from(learner);
    e.item = str_from(item);
    e.correct = (int8_t)correct;
    e.untimed = true;
    return e;
}

static void add(struct answers *a, const char *learner, const char *item, int correct, bool test)
{
    struct event e = answer(learner, item, correct);

    assert_int_equal(answers_add(a, &e, test), ERR_OK);
}

static void forecasts_come_before_their_outcomes(void **state)
{
    (void)state;
    struct answers *a, *b;
    struct forecast *fa, *fb;
    int64_t na, nb;

    for (int m = 0; m < ANSWERS_MODEL_COUNT; m++) {
        assert_int_equal(answers_new(&a), ERR_OK);
        assert_int_equal(answers_new(&b), ERR_OK);
        /* the same but for the last outcome: no forecast may differ */
        for (int i = 0; i < 40; i++) {
            add(a, "t", i % 2 ? "x" : "y", i % 3 > 0, true);
            add(b, "t", i % 2 ? "x" : "y", i == 39 ? i % 3 == 0 : i % 3 > 0, true);
        }
        assert_int_equal(answers_forecast(a, (enum answers_model)m, &fa, &na), ERR_OK);
        assert_int_equal(answers_forecast(b, (enum answers_model)m, &fb, &nb), ERR_OK);
        assert_int_equal(na, 40);
        assert_int_equal(nb, 40);
        for (int i = 0; i < 40; i++)
            assert_true(fa[i].p == fb[i].p);
        assert_true(fa[39].outcome != fb[39].outcome);
        free(fa);
        free(fb);
        answers_free(a);
        answers_free(b);
    }
}

static void the_training_part_comes_first_whatever_the_order(void **state)
{
    (void)state;
    struct answers *a;
    struct forecast *f;
    int64_t n;

    assert_int_equal(answers_new(&a), ERR_OK);
    add(a, "t", "x", 1, true);
    for (int i = 0; i < 45; i++)
        add(a, "u", "x", 0, false);
    assert_int_equal(answers_forecast(a, ANSWERS_ITEM_MEAN, &f, &n), ERR_OK);
    assert_int_equal(n, 1);
    /* 45 wrong ones: general 1/47, and the item 45 times wrong: 5/47 / 50 */
    assert_near((double)f[0].p, 5.0 / 47 / 50, 1e-6);
    free(f);
    answers_free(a);
}

static void draws_whole_learners(void **state)
{
    (void)state;
    struct answers *a;
    struct forecast *f;
    int64_t n;
    char id[8];

    /* ids as numbers: sorted 0..9; the first fifth of the order above is 8 and 1 */
    assert_int_equal(answers_new(&a), ERR_OK);
    for (int i = 9; i >= 0; i--)
        for (int j = 0; j <= i; j++) {
            snprintf(id, sizeof id, "%d", i);
            add(a, id, "x", 1, false);
        }
    assert_int_equal(answers_split(a, 42, 0.2), ERR_OK);
    assert_int_equal(answers_forecast(a, ANSWERS_ITEM_MEAN, &f, &n), ERR_OK);
    assert_int_equal(n, 9 + 2);
    assert_int_equal(f[0].cluster, 1); /* learners in the order of appearance: 9, 8, 7 … */
    assert_int_equal(f[10].cluster, 8);
    free(f);
    answers_free(a);
}

static void other_kinds_are_passed_over(void **state)
{
    (void)state;
    struct answers *a;
    struct forecast *f;
    struct event e = answer("t", "x", -1);
    int64_t n;

    assert_int_equal(answers_new(&a), ERR_OK);
    e.kind = EVENT_STUDY; /* shown: learnt from, not forecast */
    assert_int_equal(answers_add(a, &e, true), ERR_OK);
    e.kind = EVENT_HINT;
    assert_int_equal(answers_add(a, &e, true), ERR_OK);
    add(a, "t", "x", 1, true);
    assert_int_equal(answers_forecast(a, ANSWERS_DOPPEL, &f, &n), ERR_OK);
    assert_int_equal(n, 1);
    free(f);
    answers_free(a);
}

static void reviews_of_the_same_day_are_not_judged(void **state)
{
    (void)state;
    static const struct review r[] = {
        {.card = 0, .day = 100, .at_s = 8640000, .grade = GRADE_GOOD, .rival = 0.5f},
        {.card = 0, .day = 100, .at_s = 8640600, .grade = GRADE_AGAIN, .rival = 0.5f},
        {.card = 1, .day = 101, .at_s = 8726400, .grade = GRADE_GOOD, .rival = 0.5f},
        {.card = 0, .day = 102, .at_s = 8812800, .grade = GRADE_AGAIN, .rival = 0.25f},
    };
    struct forecast f[4];
    const struct reviews_prior none = {0};
    struct retention learnt;
    int64_t n;

    assert_int_equal(reviews_forecast(r, 4, REVIEWS_RIVAL, &none, f, &n, &learnt), ERR_OK);
    assert_int_equal(n, 1);
    assert_near((double)f[0].p, 0.25, 0);
    assert_int_equal(f[0].outcome, 0);
    assert_int_equal(learnt.recall.reviews, 1);
    assert_int_equal(learnt.fitted, 0);
    assert_memory_equal(&learnt.own, &memory_default, sizeof learnt.own);
    assert_int_equal(reviews_forecast(r, 4, REVIEWS_FSRS_DEFAULT, &none, f, &n, NULL), ERR_OK);
    struct memory_state s = {0};
    s = memory_review(&memory_default, s, GRADE_GOOD, 0);
    s = memory_review(&memory_default, s, GRADE_AGAIN, 0);
    assert_near((double)f[0].p, memory_recall(&memory_default, s.stability, 2), 1e-6);
}

/* ---- folders ---- */

static void write_gz(const char *dir, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    gzFile f = gzopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(gzputs(f, text), (int)strlen(text));
    assert_int_equal(gzclose(f), Z_OK);
}

static char *evaluate(const char *dir, enum err expected)
{
    char *text = NULL, detail[ARGS_DETAIL_MAX];
    size_t n;
    struct sets_options o = {.resamples = 0, .out = open_memstream(&text, &n)};

    assert_non_null(o.out);
    assert_int_equal(sets_evaluate(dir, &o, detail), expected);
    fclose(o.out);
    if (expected != ERR_OK)
        assert_true(*detail);
    char *copy = strdup(text); /* gcc 12 takes the stream's own for a pointer to `text` */
    free(text);
    assert_non_null(copy);
    return copy;
}

static void remove_all(const char *dir, const char *const *names)
{
    char path[256];

    for (; *names; names++) {
        snprintf(path, sizeof path, "%s/%s", dir, *names);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void knows_three_lines_a_learner(void **state)
{
    (void)state;
    char dir[] = "/tmp/doppel-eval.XXXXXX", set[64];

    assert_non_null(mkdtemp(dir));
    snprintf(set, sizeof set, "%s/triples", dir);
    assert_int_equal(mkdir(set, 0700), 0);
    write_gz(set, "train.txt.gz", "2\n7,7\n0,1\n");
    write_gz(set, "test.txt.gz", "3\n7,8,7\n1,1,0\n");
    char *text = evaluate(dir, ERR_OK); /* the folder above: it looks within */

    assert_non_null(strstr(text, "triples\ttest\titem-mean\tauc\t"));
    assert_non_null(strstr(text, "triples\ttest\tbest-lr\tlogLoss\t"));
    assert_non_null(strstr(text, "triples\ttest\tdoppel\tece\t"));
    assert_non_null(strstr(text, "\t-\t-\t3\n")); /* the test learner's three only */
    free(text);
    remove_all(set, (const char *const[]){"train.txt.gz", "test.txt.gz", NULL});
    assert_int_equal(rmdir(dir), 0);
}

#define ROW "Int=1 Priority=1 Difficulty=0.5 "
static void knows_repetitions_and_their_filter(void **state)
{
    (void)state;
    char dir[] = "/tmp/doppel-eval.XXXXXX";
    static const char text[] =
        "Repetition history backup (SuperMemo 18)\nDate=Aug 11, 2023, Fri, 12:18\n"
        "Item #1\n"
        "ElNo=1 Rep=4 Laps=0 Date=09.01.2022 Hour=25.5 Grade=2 expFI=20 " ROW "\n"
        "ElNo=1 Rep=3 Laps=0 Date=03.01.2022 Hour=9 Grade=4 expFI=10 " ROW "\n"
        "ElNo=1 Rep=2 Laps=0 Date=02.01.2022 Hour=9 Grade=4 expFI=10 " ROW "\n"
        "ElNo=1 Rep=1 Laps=0 Date=01.01.2022 Hour=9 Grade=10 expFI=100 " ROW "\n"
        "Item #2\n" /* does not begin with its introduction: left out */
        "ElNo=2 Rep=3 Laps=0 Date=09.01.2022 Hour=9 Grade=4 expFI=10 " ROW "\n"
        "ElNo=2 Rep=2 Laps=0 Date=05.01.2022 Hour=9 Grade=4 expFI=10 " ROW "\n"
        "Item #3\n" /* a row that was not asked: left out */
        "ElNo=3 Rep=3 Laps=0 Date=09.01.2022 Hour=9 Grade=7 expFI=10 " ROW "\n"
        "ElNo=3 Rep=2 Laps=0 Date=05.01.2022 Hour=9 Grade=4 expFI=10 " ROW "\n"
        "ElNo=3 Rep=1 Laps=0 Date=01.01.2022 Hour=9 Grade=10 expFI=100 " ROW "\n";

    assert_non_null(mkdtemp(dir));
    write_gz(dir, "ann.txt.gz", text);
    char *told = evaluate(dir, ERR_OK), expected[96];

    /* judged: the 3rd (remembered, 90 %) and the 9th (forgotten, 80 %) of January */
    snprintf(expected, sizeof expected, "\tann\tsm-15\tlogLoss\t%.4f\t-\t-\t2\n",
             -(log(0.9) + log(0.2)) / 2);
    assert_non_null(strstr(told, expected));
    assert_non_null(strstr(told, "\tann\tdoppel\tbrier\t"));
    free(told);
    remove_all(dir, (const char *const[]){"ann.txt.gz", NULL});
}

/* ---- courses ---- */

#define OU_FILES                                                            \
    {                                                                       \
        "assessment.csv.gz", "student.csv.gz", "student_assessment.csv.gz", \
            "student_registration.csv.gz", NULL                             \
    }
enum { OU_PEOPLE = 60 };

/* Runs of one module: every third learner hands nothing in and fails; every tenth left before the
 * thirtieth day and is not there to be forecast. */
static void write_runs(const char *dir, const char *const *years, int count)
{
    char *text[4] = {0};
    size_t n[4];
    FILE *f[4];
    static const char *const names[] = OU_FILES;

    for (int i = 0; i < 4; i++)
        assert_non_null(f[i] = open_memstream(&text[i], &n[i]));
    fputs("code_module,code_presentation,id_assessment,assessment_type,date,weight\n", f[0]);
    fputs("code_module,code_presentation,id_student,gender,highest_education,imd_band,age_band,"
          "num_of_prev_attempts,studied_credits,disability,final_result\n",
          f[1]);
    fputs("id_assessment,id_student,date_submitted,is_banked,score\n", f[2]);
    fputs("code_module,code_presentation,id_student,date_registration,date_unregistration\n", f[3]);
    for (int y = 0; y < count; y++) {
        fprintf(f[0], "AAA,%s,%d,TMA,20,10\nAAA,%s,%d,CMA,50,5\nAAA,%s,%d,Exam,NA,100\n", years[y],
                100 * y + 1, years[y], 100 * y + 2, years[y], 100 * y + 3);
        for (int i = 0; i < OU_PEOPLE; i++) {
            int id = 1000 * y + i;
            bool fails = i % 3 == 0, left = i % 10 == 1;

            fprintf(f[1], "AAA,%s,%d,F,HE Qualification,NA,0-35,0,60,FALSE,%s\n", years[y], id,
                    left    ? "Withdrawn"
                    : fails ? "Fail"
                            : "Pass");
            fprintf(f[3], "AAA,%s,%d,-30,%s\n", years[y], id, left ? "10" : "NA");
            if (!fails && !left)
                fprintf(f[2], "%d,%d,18,FALSE,%d\n%d,%d,49,FALSE,NA\n", 100 * y + 1, id,
                        60 + i % 30, 100 * y + 2, id);
        }
    }
    for (int i = 0; i < 4; i++) {
        fclose(f[i]);
        write_gz(dir, names[i], text[i]);
        free(text[i]);
    }
}

static void write_coursework(const char *dir, const char *last_year)
{
    write_runs(dir, (const char *const[]){"2013J", last_year}, 2);
}

/* Three people in a run of February 2013 and one of October, two in one of February 2014: one
 * fails the first, one passes, one leaves the second on its day 140. */
static void other_runs_are_known_as_far_as_they_were(void **state)
{
    (void)state;
    char dir[] = "/tmp/doppel-eval.XXXXXX", detail[ARGS_DETAIL_MAX] = "";
    struct courses_options o = {dir, "set", 0, stdout, detail};
    struct coursework *d = NULL;

    assert_non_null(mkdtemp(dir));
    write_gz(dir, "assessment.csv.gz",
             "code_module,code_presentation,id_assessment,assessment_type,date,weight\n"
             "AAA,2013B,1,TMA,20,10\nBBB,2013J,2,TMA,20,10\nCCC,2014B,3,TMA,20,10\n");
    write_gz(
        dir, "student.csv.gz",
        "code_module,code_presentation,id_student,gender,highest_education,imd_band,age_band,"
        "num_of_prev_attempts,studied_credits,disability,final_result\n"
        "AAA,2013B,1,F,,NA,0-35,0,60,FALSE,Fail\nBBB,2013J,1,F,,NA,0-35,0,60,FALSE,Pass\n"
        "AAA,2013B,2,F,,NA,0-35,0,60,FALSE,Pass\nBBB,2013J,2,F,,NA,0-35,0,60,FALSE,Pass\n"
        "CCC,2014B,2,F,,NA,0-35,0,60,FALSE,Fail\n"
        "BBB,2013J,3,F,,NA,0-35,0,60,FALSE,Withdrawn\nCCC,2014B,3,F,,NA,0-35,0,60,FALSE,Fail\n");
    write_gz(dir, "student_registration.csv.gz",
             "code_module,code_presentation,id_student,date_registration,date_unregistration\n"
             "AAA,2013B,1,-30,NA\nBBB,2013J,1,-30,NA\nAAA,2013B,2,-30,NA\nBBB,2013J,2,-30,NA\n"
             "CCC,2014B,2,-30,NA\nBBB,2013J,3,-30,140\nCCC,2014B,3,-30,NA\n");
    write_gz(dir, "student_assessment.csv.gz",
             "id_assessment,id_student,date_submitted,is_banked,score\n1,2,18,FALSE,80\n");
    assert_int_equal(coursework_load(&o, &d), ERR_OK);
    assert_int_equal(d->row_count, 7);

    const struct warning_record *of[7];
    for (int i = 0; i < 7; i++)
        of[i] = &d->rows[i].record;
    assert_int_equal(coursework_records(d, 60), ERR_OK);
    assert_near(of[0]->spread, 0, 0); /* what comes later is not known */
    assert_near(of[2]->spread, 0, 0);
    assert_near(of[5]->spread, 0, 0);
    assert_true(of[1]->surplus > 0.2); /* failed before */
    assert_true(of[3]->surplus < -0.2);
    /* the run of October is at its day 183: the one has left it; of the other it is not yet known
     * that all goes well */
    assert_true(of[6]->surplus > 0.2);
    assert_true(of[4]->surplus > of[3]->surplus);
    assert_int_equal(coursework_records(d, 16), ERR_OK); /* its day 139 */
    assert_true(of[6]->surplus < 0.5);
    coursework_free(d);
    remove_all(dir, (const char *const[])OU_FILES);
}

/* What the server holds of a run of the set. */
static struct warning_run run_of(const struct coursework *d, int32_t presentation,
                                 struct arena *arena)
{
    struct warning_run r = {
        .pieces = arena_new(arena, struct warning_piece, (size_t)d->task_count),
        .members = arena_new(arena, struct warning_member, (size_t)d->row_count),
        .handed = arena_new(arena, struct warning_handed, (size_t)d->handed_count),
    };
    int32_t first = -1;

    for (int32_t i = 0; i < d->task_count; i++) {
        const struct coursework_task *t = &d->tasks[i];
        if (t->presentation != presentation)
            continue;
        first = first < 0 ? i : first;
        r.pieces[r.piece_count++] =
            (struct warning_piece){.due = t->due, .weight = t->weight, .quiz = t->quiz};
    }
    for (int32_t i = 0; i < d->row_count; i++) {
        const struct coursework_row *row = &d->rows[i];
        if (row->presentation != presentation)
            continue;
        int32_t from = r.handed_count;
        for (int32_t h = row->handed_from; h < row->handed_to; h++)
            r.handed[r.handed_count++] = (struct warning_handed){.member = r.member_count,
                                                                 .piece = d->handed[h].task - first,
                                                                 .day = d->handed[h].day,
                                                                 .carried = d->handed[h].carried,
                                                                 .score = d->handed[h].score};
        r.members[r.member_count++] = (struct warning_member){
            .registered = row->registered,
            .left = row->left,
            .attempts = row->attempts,
            .credits = row->credits,
            .education = row->education,
            .outcome = row->bad_end ? WARNING_BAD_END : WARNING_PASSED,
            .counted = true,
            .handed_from = from,
            .handed_to = r.handed_count,
        };
    }
    return r;
}

/* The inputs of everybody, on days within and between the landmarks, to the last bit; who has left
 * by then; and what an ended run teaches: the same weights and sums as of the evaluation's table.
 */
static void the_server_reads_runs_as_the_evaluation_does(void **state)
{
    (void)state;
    static const int32_t days[] = {14, 21, 30, 60, 120};
    char dir[] = "/tmp/doppel-eval.XXXXXX", detail[ARGS_DETAIL_MAX] = "";
    struct courses_options o = {dir, "set", 0, stdout, detail};
    struct coursework *d = NULL;
    struct arena arena, scratch;

    assert_non_null(mkdtemp(dir));
    write_coursework(dir, "2014J");
    assert_int_equal(coursework_load(&o, &d), ERR_OK);
    arena_init(&arena, 1 << 26);
    arena_init(&scratch, 1 << 28);
    struct warning_run r = run_of(d, 0, &arena);
    assert_true(r.member_count > 50 && r.piece_count > 1 && r.handed_count > 50);
    for (size_t k = 0; k < COUNT(days); k++) {
        struct coursework_table t;
        int32_t row = 0, began, left, own_began, own_left;

        assert_int_equal(coursework_cohorts(d, days[k]), ERR_OK);
        assert_int_equal(coursework_table_of(d, days[k], &t), ERR_OK);
        assert_int_equal(warning_run_cohort(&scratch, &r, days[k]), ERR_OK);
        for (int32_t i = 0; i < r.member_count; i++) {
            double x[WARNING_INPUTS];

            if (!warning_run_present(&r.members[i], days[k]))
                continue;
            while (t.presentation[row] != 0)
                row++;
            assert_int_equal(warning_run_read(&r, i, days[k], x), ERR_OK);
            assert_memory_equal(x, t.x + (size_t)row++ * COURSEWORK_INPUTS, sizeof x);
        }
        coursework_table_free(&t);
        coursework_left(d, 0, days[k], &began, &left);
        warning_run_left(&r, days[k], &own_began, &own_left);
        assert_int_equal(own_began, began);
        assert_int_equal(own_left, left);
    }

    struct warning_run *runs[] = {&r};
    struct warning_past past, again;
    struct coursework_table t;
    assert_int_equal(warning_past_learn(&scratch, runs, 1, &past), ERR_OK);
    assert_int_equal(coursework_cohorts(d, 30), ERR_OK);
    assert_int_equal(coursework_table_of(d, 30, &t), ERR_OK);
    double *x = calloc((size_t)t.rows * WARNING_FITTED, sizeof *x), w[WARNING_FITTED];
    uint8_t *y = calloc((size_t)t.rows, 1);
    struct warning_model m = {.landmark_count = 1, .landmarks[0] = warning_default.landmarks[1]};
    struct warning_course sums = {0};
    int32_t n = 0;
    for (int32_t i = 0; i < t.rows; i++)
        if (t.presentation[i] == 0) {
            memcpy(x + (size_t)n * WARNING_FITTED, t.x + (size_t)i * COURSEWORK_INPUTS,
                   WARNING_FITTED * sizeof *x);
            y[n++] = t.y[i];
        }
    assert_int_equal(m.landmarks[0].day, 30);
    assert_int_equal(warning_fit(&scratch, x, y, n, WARNING_FITTED, WARNING_OWN_RIDGE,
                                 m.landmarks[0].weights, w),
                     ERR_OK);
    memcpy(m.landmarks[0].weights + 1, w + 1, (WARNING_FITTED - 1) * sizeof *w);
    for (int32_t i = 0; i < t.rows; i++) {
        struct warning_forecast f;
        if (t.presentation[i] != 0)
            continue;
        assert_int_equal(warning_forecast(&m, NULL, t.x + (size_t)i * COURSEWORK_INPUTS, 30, &f),
                         ERR_OK);
        warning_course_learn(&sums, 1, f.risk, t.y[i]);
    }
    assert_int_equal(past.rows[1], n);
    assert_memory_equal(past.weights[1], w + 1, sizeof past.weights[1]);
    assert_near(past.sums.surplus[1], sums.surplus[1], 0);
    assert_near(past.sums.spread[1], sums.spread[1], 0);
    assert_true(past.sums.spread[1] > 0);

    uint8_t bytes[WARNING_PAST_BYTES_MAX];
    size_t size = warning_past_encode(&past, bytes);
    assert_int_equal(warning_past_decode(bytes, size, &again), ERR_OK);
    assert_memory_equal(again.weights, past.weights, sizeof past.weights);
    assert_memory_equal(again.rows, past.rows, sizeof past.rows);
    assert_near(again.sums.surplus[1], past.sums.surplus[1], 0);
    assert_int_equal(warning_past_decode(bytes, size - 1, &again), ERR_RANGE);
    bytes[0]++;
    assert_int_equal(warning_past_decode(bytes, size, &again), ERR_RANGE);
    free(x);
    free(y);
    coursework_table_free(&t);
    arena_fini(&arena);
    arena_fini(&scratch);
    coursework_free(d);
    remove_all(dir, (const char *const[])OU_FILES);
}

static void forecasts_coursework_of_the_last_year(void **state)
{
    (void)state;
    char dir[] = "/tmp/doppel-eval.XXXXXX";

    assert_non_null(mkdtemp(dir));
    write_coursework(dir, "2014J");
    char *text = evaluate(dir, ERR_OK);

    assert_non_null(strstr(text, "\tday-30\tmissed-task\tauc\t1.0000\t-\t-\t54\n"));
    assert_non_null(strstr(text, "\tday-60\tdoppel\tauc\t1.0000\t-\t-\t54\n"));
    assert_non_null(strstr(text, "\tday-60\tdoppel-online\tauc\t1.0000\t-\t-\t54\n"));
    assert_non_null(strstr(text, "\tday-60\tdoppel-bare\tauc\t1.0000\t-\t-\t54\n"));
    assert_null(strstr(text, "folds")); /* one run cannot be forecast from others */
    assert_non_null(strstr(text, "\tday-120\tdoppel-context\tlogLoss\t0."));
    free(text);
    remove_all(dir, (const char *const[])OU_FILES);

    char again[] = "/tmp/doppel-eval.XXXXXX";
    assert_non_null(mkdtemp(again));
    write_coursework(again, "2013B"); /* nothing that could be a test */
    free(evaluate(again, ERR_UNPROCESSABLE));
    write_gz(again, "assessment.csv.gz", "code_module,code_presentation,id_assessment\n");
    free(evaluate(again, ERR_SYNTAX)); /* columns are missing */
    write_gz(again, "assessment.csv.gz",
             "code_module,code_presentation,id_assessment,assessment_type,date,weight\n"
             "AAA,2013J,seven,TMA,1,1\n");
    free(evaluate(again, ERR_SYNTAX));
    remove_all(again, (const char *const[])OU_FILES);
}

static double figure_after(const char *text, const char *what)
{
    const char *at = strstr(text, what);

    assert_non_null(at);
    return strtod(at + strlen(what), NULL);
}

/* Two runs of the first year are forecast from each other: by a fit on the day, by one on the days
 * about it, and by weights that the course's own run has moved. */
static void forecasts_runs_from_each_other(void **state)
{
    (void)state;
    static const char *const models[] = {"conduct", "record", "around", "doppel"};
    char dir[] = "/tmp/doppel-eval.XXXXXX", line[80];
    double loss[COUNT(models)];

    assert_non_null(mkdtemp(dir));
    write_runs(dir, (const char *const[]){"2013B", "2013J", "2014J"}, 3);
    char *text = evaluate(dir, ERR_OK);

    for (size_t i = 0; i < COUNT(models); i++) {
        snprintf(line, sizeof line, "\tfolds-day-30\t%s\tauc\t1.0000\t", models[i]);
        assert_non_null(strstr(text, line));
        snprintf(line, sizeof line, "\tfolds-day-30\t%s\tlogLoss\t", models[i]);
        loss[i] = figure_after(text, line);
        assert_true(loss[i] > 0 && loss[i] < 0.69);
    }
    assert_true(loss[2] < loss[1]); /* more rows under the same ridge */
    assert_true(loss[3] < loss[2]); /* and the course's own */
    free(text);
    remove_all(dir, (const char *const[])OU_FILES);
}

/* Who comes only in the first days ends low. */
static void forecasts_the_lowest_quarter_from_visits(void **state)
{
    (void)state;
    char dir[] = "/tmp/doppel-eval.XXXXXX", *events, *results;
    size_t n;
    FILE *e = open_memstream(&events, &n), *r = open_memstream(&results, &n);

    assert_true(e && r);
    fputs("Event.context\tuser\ttimecreated\tComponent\tEvent.name\n", e);
    fputs("user\tFinal_grade\n", r);
    for (int i = 0; i < 80; i++) {
        bool low = i % 4 == 0;

        fprintf(r, "u%d\t%d.5\n", i, low ? 1 : 5 + i % 5);
        for (int day = 1; day <= 20; day += 1 + i % 2)
            if (!low || day < 3 || day > 15)
                fprintf(e, "x\tu%d\t2019-09-%02d 10:00:%02d\tSystem\tCourse viewed\n", i, day,
                        i % 60);
        fprintf(e, "x\tu%d\t2019-09-08 12:00:00\tSystem\tCourse activity completion updated\n", i);
    }
    fclose(e);
    fclose(r);
    assert_non_null(mkdtemp(dir));
    write_gz(dir, "events.tsv.gz", events);
    write_gz(dir, "results.tsv.gz", results);
    char *text = evaluate(dir, ERR_OK);

    assert_non_null(strstr(text, "\tday-14\tdoppel\tauc\t1.0000\t-\t-\t80\n"));
    assert_non_null(strstr(text, "\tday-14\tseven-days-absent\tauc\t1.0000\t"));
    free(text);
    write_gz(dir, "results.tsv.gz", "user\tFinal_grade\nu1\t3\nu2\t4\n");
    free(evaluate(dir, ERR_UNPROCESSABLE));
    write_gz(dir, "results.tsv.gz", "user\tFinal_grade\nu1\t3\nu1\t4\n");
    free(evaluate(dir, ERR_SYNTAX));
    remove_all(dir, (const char *const[]){"events.tsv.gz", "results.tsv.gz", NULL});
    free(events);
    free(results);
}

static void evaluates_any_table_by_a_column_map(void **state)
{
    (void)state;
    static const char *const map[] = {"--map=learner=who", "--map=item=what", "--map=correct=ok",
                                      "--kind=answer", "--untimed"};
    char dir[] = "/tmp/doppel-eval.XXXXXX", path[64], detail[ARGS_DETAIL_MAX], *text = NULL;
    size_t n;
    struct sets_options o = {.out = open_memstream(&text, &n)};

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/own.csv.gz", dir);
    write_gz(dir, "own.csv.gz", "who,what,ok\na,x,1\na,y,0\nb,x,1\nc,y,1\nd,x,0\ne,x,1\n");
    assert_int_equal(sets_evaluate_table(path, map, COUNT(map), &o, detail), ERR_OK);
    fflush(o.out);
    assert_non_null(strstr(text, "own\ttest\tdoppel\tlogLoss\t"));
    assert_int_equal(
        sets_evaluate_table(path, (const char *const[]){"--map=learner=nobody"}, 1, &o, detail),
        ERR_RANGE);
    assert_true(*detail);
    write_gz(dir, "own.csv.gz", "who,what,ok\na,x,1\n");
    assert_int_equal(sets_evaluate_table(path, map, COUNT(map), &o, detail), ERR_UNPROCESSABLE);
    assert_true(*detail);
    fclose(o.out);
    free(text);
    remove_all(dir, (const char *const[]){"own.csv.gz", NULL});
}

static void says_what_it_does_not_know(void **state)
{
    (void)state;
    char dir[] = "/tmp/doppel-eval.XXXXXX";

    assert_non_null(mkdtemp(dir));
    free(evaluate(dir, ERR_NOT_FOUND));
    write_gz(dir, "train.txt.gz", "2\n7,7\n0,1\n");
    write_gz(dir, "test.txt.gz", "not a number\n");
    free(evaluate(dir, ERR_SYNTAX));
    remove_all(dir, (const char *const[]){"train.txt.gz", "test.txt.gz", NULL});
    free(evaluate(dir, ERR_IO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffles_as_published_splits_do),
        cmocka_unit_test(forecasts_come_before_their_outcomes),
        cmocka_unit_test(the_training_part_comes_first_whatever_the_order),
        cmocka_unit_test(draws_whole_learners),
        cmocka_unit_test(other_kinds_are_passed_over),
        cmocka_unit_test(reviews_of_the_same_day_are_not_judged),
        cmocka_unit_test(knows_three_lines_a_learner),
        cmocka_unit_test(knows_repetitions_and_their_filter),
        cmocka_unit_test(other_runs_are_known_as_far_as_they_were),
        cmocka_unit_test(the_server_reads_runs_as_the_evaluation_does),
        cmocka_unit_test(forecasts_coursework_of_the_last_year),
        cmocka_unit_test(forecasts_runs_from_each_other),
        cmocka_unit_test(forecasts_the_lowest_quarter_from_visits),
        cmocka_unit_test(evaluates_any_table_by_a_column_map),
        cmocka_unit_test(says_what_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
