#include "eval/courses.h"

#include "base/args.h"
#include "base/assert.h"
#include "eval/coursework.h"
#include "eval/score.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* around: five rows of a person are less than five people */
static const double ridge = 512, around_ridge = 1024, own_ridge = 2048;
static const int32_t days[] = {30, 60, 120};
static const int32_t landmark_days[] = {14, 30, 60, 90, 120, 150, 180, 210};

/* Some of the presentations. */
struct coursework_runs {
    bool in[COURSEWORK_RUNS_MAX];
};

static struct coursework_runs runs_of(const struct coursework *d, bool test)
{
    struct coursework_runs r = {{false}};

    for (int32_t i = 0; i < d->presentation_count; i++)
        r.in[i] = d->presentations[i].test == test;
    return r;
}

/* ---- fitting ---- */

/* What everybody's weights are fitted on: those of a landmark's day and, as rows of their own,
 * those of the days about it, for they are many looks at the same people, and weights change
 * slowly. */
enum { AROUND_MAX = 4 };
static const int32_t around_days[AROUND_MAX] = {-14, -7, 7, 14};
struct coursework_around {
    struct coursework_table of[1 + AROUND_MAX]; /* the day's first */
    int32_t count;
};

static void around_free(struct coursework_around *a)
{
    for (int32_t i = 0; i < a->count; i++)
        coursework_table_free(&a->of[i]);
    a->count = 0;
}

/* Leaves the cohorts of the day behind. No day before the first landmark is a neighbour. */
static enum err around_read(struct coursework *d, int32_t day, struct coursework_around *ret)
{
    enum err e = ERR_OK;

    ret->count = 0;
    for (int32_t i = 0; i < AROUND_MAX && e == ERR_OK; i++) {
        int32_t about = day + around_days[i];

        if (about < landmark_days[0])
            continue;
        e = coursework_cohorts(d, about);
        if (e == ERR_OK)
            e = coursework_table_of(d, about, &ret->of[1 + ret->count]);
        ret->count += e == ERR_OK;
    }
    if (e == ERR_OK)
        e = coursework_cohorts(d, day);
    if (e == ERR_OK)
        e = coursework_table_of(d, day, &ret->of[0]);
    if (e == ERR_OK) {
        ret->count++;
        return ERR_OK;
    }
    for (int32_t i = 1; i <= ret->count; i++)
        coursework_table_free(&ret->of[i]);
    ret->count = 0;
    return e;
}

struct fit_rows {
    double *x; /* runs of `inputs` */
    uint8_t *y;
    int32_t rows, inputs;
};

static void fit_rows_free(struct fit_rows *f)
{
    free(f->x);
    free(f->y);
}

/* The first `width` inputs of the runs' rows, and columns for each run and each day but the first:
 * both differ in how many fail, which is not to pass for what an input does. Under the ridge, and
 * with half of the unit, a run's intercept has a prior deviation of about a tenth. */
static enum err gather(const struct coursework_table *t, int32_t tables,
                       const struct coursework_runs *runs, int32_t width, bool intercepts,
                       struct fit_rows *ret)
{
    int32_t column[COURSEWORK_RUNS_MAX], inputs = width;
    size_t n = 1;

    for (int32_t p = 0; p < COURSEWORK_RUNS_MAX; p++)
        column[p] = intercepts && runs->in[p] ? inputs++ : -1;
    inputs += intercepts ? tables - 1 : 0;
    _Static_assert((int)WARNING_FITTED + COURSEWORK_RUNS_MAX + AROUND_MAX <= WARNING_FIT_INPUTS_MAX,
                   "an intercept for each run and day");
    _Static_assert((int)COURSEWORK_INPUTS <= WARNING_FIT_INPUTS_MAX,
                   "what forecast_context() fits");
    for (int32_t k = 0; k < tables; k++)
        n += (size_t)t[k].rows;
    *ret = (struct fit_rows){calloc(n * (size_t)inputs, sizeof(double)), calloc(n, 1), 0, inputs};
    if (!ret->x || !ret->y) {
        fit_rows_free(ret);
        return ERR_NOMEM;
    }
    for (int32_t k = 0; k < tables; k++)
        for (int32_t i = 0; i < t[k].rows; i++) {
            int32_t run = t[k].presentation[i];
            double *x = ret->x + (size_t)ret->rows * inputs;

            if (!runs->in[run])
                continue;
            memcpy(x, t[k].x + (size_t)i * COURSEWORK_INPUTS, (size_t)width * sizeof *x);
            if (intercepts)
                x[column[run]] = 0.5;
            if (intercepts && k > 0)
                x[inputs - tables + k] = 1;
            ret->y[ret->rows++] = t[k].y[i];
        }
    return ERR_OK;
}

static enum err fit(const struct fit_rows *f, double by, const double *prior, double *ret)
{
    struct arena scratch;

    arena_init(&scratch, 1 << 22);
    enum err e = warning_fit(&scratch, f->x, f->y, f->rows, f->inputs, by, prior, ret);
    arena_fini(&scratch);
    return e;
}

/* Fits the first `width` inputs on the rows of the runs, on the day alone. */
static enum err fit_day(const struct coursework_table *t, const struct coursework_runs *runs,
                        int32_t width, double by, const double *prior, double *ret_weights)
{
    struct fit_rows f;
    enum err e = gather(t, 1, runs, width, false, &f);

    if (e != ERR_OK)
        return e;
    e = fit(&f, by, prior, ret_weights);
    fit_rows_free(&f);
    return e;
}

/* Fits all inputs on the day and those about it. */
static enum err fit_around(const struct coursework_around *a, const struct coursework_runs *runs,
                           double ret_weights[WARNING_INPUTS])
{
    double w[WARNING_FIT_INPUTS_MAX];
    struct fit_rows f;
    enum err e = gather(a->of, a->count, runs, WARNING_FITTED, true, &f);

    if (e != ERR_OK)
        return e;
    e = fit(&f, around_ridge, NULL, w);
    if (e == ERR_OK)
        memcpy(ret_weights, w, WARNING_FITTED * sizeof *w);
    fit_rows_free(&f);
    return e;
}

/* ---- courses ---- */

static int32_t landmark_of(const struct warning_model *m, int32_t day)
{
    int32_t landmark = 0;

    while (landmark + 1 < m->landmark_count && m->landmarks[landmark].day != day)
        landmark++;
    return landmark;
}

/* Those of the runs that are of the module. */
static struct coursework_runs runs_of_module(const struct coursework *d,
                                             const struct coursework_runs *runs, struct str module)
{
    struct coursework_runs r = *runs;

    for (int32_t p = 0; p < d->presentation_count; p++)
        r.in[p] = r.in[p] && str_eq(d->presentations[p].module, module);
    return r;
}

/* Moves the weights of the day to what these runs of a course say, but for the constant, which
 * learn_course() knows better. Nothing to learn from: stays. */
static enum err move_weights(const struct coursework_table *t, const struct coursework_runs *own,
                             int32_t day, struct warning_model *m)
{
    double *weights = m->landmarks[landmark_of(m, day)].weights, w[WARNING_INPUTS];
    enum err e = fit_day(t, own, WARNING_FITTED, own_ridge, weights, w);

    if (e == ERR_OK)
        memcpy(weights + 1, w + 1, (WARNING_FITTED - 1) * sizeof *w);
    return e == ERR_RANGE ? ERR_OK : e;
}

/* What these runs of a course came to on the day. */
static enum err learn_course(const struct coursework_table *t, const struct warning_model *m,
                             int32_t day, const struct coursework_runs *own,
                             struct warning_course *ret)
{
    for (int32_t i = 0; i < t->rows; i++) {
        struct warning_forecast f;

        if (!own->in[t->presentation[i]])
            continue;
        enum err e = warning_forecast(m, NULL, t->x + (size_t)i * COURSEWORK_INPUTS, day, &f);
        if (e != ERR_OK)
            return e;
        warning_course_learn(ret, landmark_of(m, day), f.risk, t->y[i]);
    }
    return ERR_OK;
}

/* ---- models ---- */

/* Of the rows of the runs; the forecasts are of the whole table. */
static enum err print_scores(const struct courses_options *o, const struct coursework *d,
                             const struct forecast *f, const struct coursework_table *t,
                             const struct coursework_runs *runs, const char *split,
                             const char *model)
{
    struct forecast *some = calloc((size_t)t->rows + 1, sizeof *some);
    struct scores s;
    int32_t n = 0;

    if (!some)
        return ERR_NOMEM;
    for (int32_t i = 0; i < t->rows; i++)
        if (runs->in[t->presentation[i]])
            some[n++] = f[i];
    enum err e = scores_of(some, n, d->clusters, o->resamples, &s);
    if (e == ERR_OK)
        scores_print(o->out, o->set, split, model, &s);
    free(some);
    return e;
}

static struct forecast *forecasts_of(const struct coursework_table *t)
{
    struct forecast *f = calloc((size_t)t->rows + 1, sizeof *f);

    for (int32_t i = 0; f && i < t->rows; i++)
        f[i] = (struct forecast){.outcome = t->y[i], .cluster = t->cluster[i]};
    return f;
}

/* The share of bad ends among those who have missed something due, and among the others. */
static void forecast_missed(const struct coursework_table *t, const struct coursework_runs *train,
                            struct forecast *f)
{
    double n[2] = {2, 2}, bad[2] = {1, 1};

    for (int32_t i = 0; i < t->rows; i++) {
        int missed = t->x[(size_t)i * COURSEWORK_INPUTS + WARNING_IN_MISSED_ANY] > 0;

        n[missed] += train->in[t->presentation[i]];
        bad[missed] += train->in[t->presentation[i]] && t->y[i];
    }
    for (int32_t i = 0; i < t->rows; i++) {
        int missed = t->x[(size_t)i * COURSEWORK_INPUTS + WARNING_IN_MISSED_ANY] > 0;

        f[i].p = (float)(bad[missed] / n[missed]);
    }
}

/* What a forecast may know beside the learner's work in this run. */
enum { KNOWS_PAST = 1, KNOWS_LEFT = 2, KNOWS_RECORD = 4, KNOWS_OWN = 8, KNOWS_ALL = 15 };

static enum err forecast_run(const struct coursework *d, const struct warning_model *common,
                             int32_t day, int knows, const struct coursework_runs *past,
                             const struct coursework_table *t, int32_t run, struct forecast *f)
{
    const struct coursework_runs own = runs_of_module(d, past, d->presentations[run].module);
    struct warning_model m = *common;
    struct warning_course course = {0};
    enum err e = knows & KNOWS_OWN ? move_weights(t, &own, day, &m) : ERR_OK;

    if (e == ERR_OK && (knows & KNOWS_PAST))
        e = learn_course(t, &m, day, &own, &course);
    if (knows & KNOWS_LEFT)
        coursework_left(d, run, day, &course.began, &course.left);
    for (int32_t i = 0; e == ERR_OK && i < t->rows; i++) {
        struct warning_forecast ret;
        double x[WARNING_INPUTS];

        if (t->presentation[i] != run)
            continue;
        memcpy(x, t->x + (size_t)i * COURSEWORK_INPUTS, sizeof x);
        if (!(knows & KNOWS_RECORD))
            x[WARNING_IN_RECORD] = 0;
        e = warning_forecast(&m, &course, x, day, &ret);
        f[i].p = (float)ret.risk;
    }
    return e;
}

/* Forecasts the rows of the runs; past: runs whose end is known. */
static enum err forecast_rows(const struct coursework *d, const struct warning_model *m,
                              int32_t day, int knows, const struct coursework_runs *past,
                              const struct coursework_table *t, const struct coursework_runs *runs,
                              struct forecast *f)
{
    enum err e = ERR_OK;

    for (int32_t p = 0; p < d->presentation_count && e == ERR_OK; p++)
        if (runs->in[p])
            e = forecast_run(d, m, day, knows, past, t, p, f);
    return e;
}

/* Of those there on the first landmark's day, the share that has left, the runs' mean. */
static double usual_left(const struct coursework *d, const struct coursework_runs *runs,
                         int32_t day)
{
    double sum = 0;
    int32_t n = 0;

    for (int32_t p = 0; p < d->presentation_count; p++) {
        int32_t began = 0, left = 0;

        if (runs->in[p])
            coursework_left(d, p, day, &began, &left);
        sum += began ? (double)left / began : 0;
        n += began > 0;
    }
    return n ? sum / n : 0;
}

struct candidate {
    const char *model;
    int32_t width; /* the inputs come in the order in which they joined */
    int knows;
    bool around; /* fitted with the days about it, and intercepts of runs */
};

/* Each presentation of the training part, forecast from the others. */
static enum err cross_folds(const struct coursework *d, const struct coursework_around *a,
                            int32_t day, const struct candidate *c, struct forecast *f)
{
    const struct coursework_runs train = runs_of(d, false);
    const struct coursework_table *t = &a->of[0];
    enum err e = ERR_OK;

    for (int32_t p = 0; p < d->presentation_count && e == ERR_OK; p++) {
        struct warning_model m = {.landmark_count = 1, .landmarks[0].day = day};
        struct coursework_runs others = train, one = {{false}};

        if (!train.in[p])
            continue;
        others.in[p] = false;
        one.in[p] = true;
        e = c->around ? fit_around(a, &others, m.landmarks[0].weights)
                      : fit_day(t, &others, c->width, ridge, NULL, m.landmarks[0].weights);
        m.landmarks[0].weights[WARNING_IN_RECORD] = 1;
        m.landmarks[0].left = usual_left(d, &others, day);
        if (e == ERR_OK)
            e = forecast_rows(d, &m, day, c->knows, &others, t, &one, f);
    }
    return e;
}

/* What the model was chosen by. Nothing is printed where the training part has too little of it. */
static enum err judge_folds(const struct courses_options *o, const struct coursework *d,
                            const struct coursework_around *a, int32_t day)
{
    static const struct candidate candidates[] = {
        {"conduct", WARNING_IN_PLACE_DAY, 0, false},
        {"places", WARNING_IN_MARKS_MISSED, 0, false},
        {"marks", WARNING_IN_EDUCATION, 0, false},
        {"education", WARNING_IN_AHEAD_ALONE, 0, false},
        {"past", WARNING_IN_AHEAD_ALONE, KNOWS_PAST, false},
        {"left", WARNING_IN_AHEAD_ALONE, KNOWS_PAST | KNOWS_LEFT, false},
        {"record", WARNING_IN_AHEAD_ALONE, KNOWS_ALL & ~KNOWS_OWN, false},
        {"around", WARNING_FITTED, KNOWS_ALL & ~KNOWS_OWN, true},
        {"doppel", WARNING_FITTED, KNOWS_ALL, true},
    };
    const struct coursework_runs train = runs_of(d, false);
    const struct coursework_table *t = &a->of[0];
    struct forecast *f = forecasts_of(t);
    enum err e = f ? ERR_OK : ERR_NOMEM;
    char split[32];

    snprintf(split, sizeof split, "folds-day-%" PRId32, day);
    for (size_t c = 0; c < COUNT(candidates) && e == ERR_OK; c++) {
        e = cross_folds(d, a, day, &candidates[c], f);
        if (e == ERR_OK)
            e = print_scores(o, d, f, t, &train, split, candidates[c].model);
    }
    free(f);
    return e == ERR_RANGE ? ERR_OK : e;
}

/* As a server that refits: the runs of the test year in the order of their start, and those that
 * are over have moved the shipped weights before the next ones are forecast. */
static enum err forecast_online(const struct coursework *d, const struct coursework_table *t,
                                int32_t day, struct forecast *f)
{
    const struct coursework_runs test = runs_of(d, true);
    struct warning_model m = warning_default;
    struct coursework_runs past = runs_of(d, false), over = {{false}};
    int32_t landmark = landmark_of(&m, day);
    struct str now = {"", 0};
    enum err e = ERR_OK;

    for (;;) {
        struct coursework_runs starting = {{false}};
        struct str next = {NULL, 0};

        for (int32_t p = 0; p < d->presentation_count; p++) {
            struct str name = d->presentations[p].name;
            if (test.in[p] && str_cmp(name, now) > 0 && (!next.p || str_cmp(name, next) < 0))
                next = name;
        }
        if (!next.p || e != ERR_OK)
            return e;
        for (int32_t p = 0; p < d->presentation_count; p++)
            starting.in[p] = test.in[p] && str_eq(d->presentations[p].name, next);
        e = forecast_rows(d, &m, day, KNOWS_ALL, &past, t, &starting, f);
        for (int32_t p = 0; p < d->presentation_count; p++) {
            past.in[p] |= starting.in[p];
            over.in[p] |= starting.in[p];
        }
        if (e == ERR_OK)
            e = fit_day(t, &over, WARNING_FITTED, ridge,
                        warning_default.landmarks[landmark].weights, m.landmarks[landmark].weights);
        e = e == ERR_RANGE ? ERR_OK : e; /* all ended alike: nothing to learn */
        now = next;
    }
}

/* With what else the set tells of people, and the module. */
static enum err forecast_context(const struct coursework_table *t,
                                 const struct coursework_runs *train, struct forecast *f)
{
    double w[COURSEWORK_INPUTS];
    enum err e = fit_day(t, train, COURSEWORK_INPUTS, ridge, NULL, w);

    w[WARNING_IN_RECORD] = 1;
    for (int32_t i = 0; e == ERR_OK && i < t->rows; i++) {
        double odds = 0;

        for (int32_t j = 0; j < COURSEWORK_INPUTS; j++)
            odds += w[j] * t->x[(size_t)i * COURSEWORK_INPUTS + j];
        f[i].p = (float)(1 / (1 + exp(-odds)));
    }
    return e;
}

/* As a server that knows nothing of what was learnt before. */
static void forget_education(struct coursework_table *t)
{
    for (int32_t i = 0; i < t->rows; i++)
        memset(t->x + (size_t)i * COURSEWORK_INPUTS + WARNING_IN_EDUCATION, 0,
               (WARNING_EDUCATIONS - 1) * sizeof *t->x);
}

static enum err judge_test(const struct courses_options *o, const struct coursework *d,
                           struct coursework_table *t, int32_t day)
{
    const struct coursework_runs train = runs_of(d, false), test = runs_of(d, true);
    struct forecast *f = forecasts_of(t);
    enum err e = f ? ERR_OK : ERR_NOMEM;
    char split[32];

    snprintf(split, sizeof split, "day-%" PRId32, day);
    if (e == ERR_OK) {
        forecast_missed(t, &train, f);
        e = print_scores(o, d, f, t, &test, split, "missed-task");
    }
    if (e == ERR_OK)
        e = forecast_rows(d, &warning_default, day, KNOWS_ALL, &train, t, &test, f);
    if (e == ERR_OK)
        e = print_scores(o, d, f, t, &test, split, "doppel");
    if (e == ERR_OK)
        e = forecast_online(d, t, day, f);
    if (e == ERR_OK)
        e = print_scores(o, d, f, t, &test, split, "doppel-online");
    if (e == ERR_OK)
        e = forecast_context(t, &train, f);
    if (e == ERR_OK)
        e = print_scores(o, d, f, t, &test, split, "doppel-context");
    if (e == ERR_OK) {
        forget_education(t);
        e = forecast_rows(d, &warning_default, day, 0, &train, t, &test, f);
    }
    if (e == ERR_OK)
        e = print_scores(o, d, f, t, &test, split, "doppel-bare");
    free(f);
    return e;
}

static enum err evaluate_day(const struct courses_options *o, struct coursework *d, int32_t day)
{
    struct coursework_around a = {.count = 0};
    enum err e = coursework_records(d, day);

    if (e == ERR_OK)
        e = around_read(d, day, &a);
    if (e == ERR_OK)
        e = judge_folds(o, d, &a, day);
    if (e == ERR_OK)
        e = judge_test(o, d, &a.of[0], day);
    around_free(&a);
    return e;
}

enum err courses_evaluate_coursework(const struct courses_options *o)
{
    struct coursework *d = NULL;
    enum err e = coursework_load(o, &d);

    for (size_t i = 0; i < COUNT(days) && e == ERR_OK; i++)
        e = evaluate_day(o, d, days[i]);
    if (d && e != ERR_NOMEM && e != ERR_OK && !*o->detail)
        snprintf(o->detail, ARGS_DETAIL_MAX, "%.200s: nothing to fit or to judge", o->folder);
    coursework_free(d);
    return e;
}

enum err courses_print_weights(const struct courses_options *o)
{
    struct coursework *d = NULL;
    enum err e = coursework_load(o, &d);

    for (size_t i = 0; i < COUNT(landmark_days) && e == ERR_OK; i++) {
        const struct coursework_runs train = runs_of(d, false);
        struct coursework_around a = {.count = 0};
        double w[WARNING_INPUTS] = {[WARNING_IN_RECORD] = 1};
        int32_t n = 0;

        e = around_read(d, landmark_days[i], &a);
        if (e == ERR_OK)
            e = fit_around(&a, &train, w);
        if (e == ERR_OK) {
            for (int32_t r = 0; r < a.of[0].rows; r++)
                n += train.in[a.of[0].presentation[r]];
            fprintf(o->out, "{%" PRId32 ", %" PRId32 ", %.4f, {", landmark_days[i], n,
                    usual_left(d, &train, landmark_days[i]));
            for (int j = 0; j < WARNING_INPUTS; j++)
                fprintf(o->out, "%s%.4f", j ? ", " : "", w[j]);
            fputs("}},\n", o->out);
        }
        around_free(&a);
    }
    coursework_free(d);
    return e;
}
