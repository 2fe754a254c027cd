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

static const double ridge = 512;
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

/* Fits the first `width` inputs on the rows of the runs. */
static enum err fit_rows(const struct coursework_table *t, const struct coursework_runs *runs,
                         int32_t width, const double *prior, double *ret_weights)
{
    double *x = calloc((size_t)t->rows * (size_t)width + 1, sizeof *x);
    uint8_t *y = calloc((size_t)t->rows + 1, 1);
    struct arena scratch;
    int32_t n = 0;
    enum err e = x && y ? ERR_OK : ERR_NOMEM;

    arena_init(&scratch, 1 << 20);
    for (int32_t i = 0; e == ERR_OK && i < t->rows; i++) {
        if (!runs->in[t->presentation[i]])
            continue;
        memcpy(x + (size_t)n * width, t->x + (size_t)i * COURSEWORK_INPUTS,
               (size_t)width * sizeof *x);
        y[n++] = t->y[i];
    }
    if (e == ERR_OK)
        e = warning_fit(&scratch, x, y, n, width, ridge, prior, ret_weights);
    arena_fini(&scratch);
    free(x);
    free(y);
    return e;
}

/* What the module's runs among the past ones came to on the day. */
static enum err learn_course(const struct coursework *d, const struct coursework_table *t,
                             const struct warning_model *m, int32_t day, struct str module,
                             const struct coursework_runs *past, struct warning_course *ret)
{
    int32_t landmark = 0;

    memset(ret, 0, sizeof *ret);
    while (landmark + 1 < m->landmark_count && m->landmarks[landmark].day != day)
        landmark++;
    for (int32_t i = 0; i < t->rows; i++) {
        struct warning_forecast f;
        int32_t run = t->presentation[i];

        if (!past->in[run] || !str_eq(d->presentations[run].module, module))
            continue;
        enum err e = warning_forecast(m, NULL, t->x + (size_t)i * COURSEWORK_INPUTS, day, &f);
        if (e != ERR_OK)
            return e;
        warning_course_learn(ret, landmark, f.risk, t->y[i]);
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
enum { KNOWS_PAST = 1, KNOWS_LEFT = 2, KNOWS_RECORD = 4, KNOWS_ALL = 7 };

/* Forecasts the rows of the runs; past: runs whose end is known. */
static enum err forecast_rows(const struct coursework *d, const struct warning_model *m,
                              int32_t day, int knows, const struct coursework_runs *past,
                              const struct coursework_table *t, const struct coursework_runs *runs,
                              struct forecast *f)
{
    struct warning_course *courses = calloc(COURSEWORK_RUNS_MAX, sizeof *courses);
    enum err e = courses ? ERR_OK : ERR_NOMEM;

    for (int32_t p = 0; p < d->presentation_count && e == ERR_OK; p++) {
        if (runs->in[p] && (knows & KNOWS_PAST))
            e = learn_course(d, t, m, day, d->presentations[p].module, past, &courses[p]);
        if (runs->in[p] && (knows & KNOWS_LEFT))
            coursework_left(d, p, day, &courses[p].began, &courses[p].left);
    }
    for (int32_t i = 0; e == ERR_OK && i < t->rows; i++) {
        struct warning_forecast ret;
        int32_t run = t->presentation[i];
        double x[WARNING_INPUTS];

        if (!runs->in[run])
            continue;
        memcpy(x, t->x + (size_t)i * COURSEWORK_INPUTS, sizeof x);
        if (!(knows & KNOWS_RECORD))
            x[WARNING_IN_RECORD] = 0;
        e = warning_forecast(m, &courses[run], x, day, &ret);
        f[i].p = (float)ret.risk;
    }
    free(courses);
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

/* Each presentation of the training part, forecast from the others. */
static enum err cross_folds(const struct coursework *d, const struct coursework_table *t,
                            int32_t day, int32_t width, int knows, struct forecast *f)
{
    const struct coursework_runs train = runs_of(d, false);
    enum err e = ERR_OK;

    for (int32_t p = 0; p < d->presentation_count && e == ERR_OK; p++) {
        struct warning_model m = {.landmark_count = 1, .landmarks[0].day = day};
        struct coursework_runs others = train, one = {{false}};

        if (!train.in[p])
            continue;
        others.in[p] = false;
        one.in[p] = true;
        e = fit_rows(t, &others, width, NULL, m.landmarks[0].weights);
        m.landmarks[0].weights[WARNING_IN_RECORD] = 1;
        m.landmarks[0].left = usual_left(d, &others, day);
        if (e == ERR_OK)
            e = forecast_rows(d, &m, day, knows, &others, t, &one, f);
    }
    return e;
}

/* What the model was chosen by. Nothing is printed where the training part has too little of it. */
static enum err judge_folds(const struct courses_options *o, const struct coursework *d,
                            const struct coursework_table *t, int32_t day)
{
    static const struct {
        const char *model;
        int32_t width; /* the inputs come in the order in which they joined */
        int knows;
    } candidates[] = {
        {"conduct", WARNING_IN_PLACE_DAY, 0},  {"places", WARNING_IN_MARKS_MISSED, 0},
        {"marks", WARNING_IN_EDUCATION, 0},    {"education", WARNING_FITTED, 0},
        {"past", WARNING_FITTED, KNOWS_PAST},  {"left", WARNING_FITTED, KNOWS_PAST | KNOWS_LEFT},
        {"doppel", WARNING_FITTED, KNOWS_ALL},
    };
    const struct coursework_runs train = runs_of(d, false);
    struct forecast *f = forecasts_of(t);
    enum err e = f ? ERR_OK : ERR_NOMEM;
    char split[32];

    snprintf(split, sizeof split, "folds-day-%" PRId32, day);
    for (size_t c = 0; c < COUNT(candidates) && e == ERR_OK; c++) {
        e = cross_folds(d, t, day, candidates[c].width, candidates[c].knows, f);
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
    int32_t landmark = 0;
    struct str now = {"", 0};
    enum err e = ERR_OK;

    while (landmark + 1 < m.landmark_count && m.landmarks[landmark].day != day)
        landmark++;
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
            e = fit_rows(t, &over, WARNING_FITTED, warning_default.landmarks[landmark].weights,
                         m.landmarks[landmark].weights);
        e = e == ERR_RANGE ? ERR_OK : e; /* all ended alike: nothing to learn */
        now = next;
    }
}

/* With what else the set tells of people, and the module. */
static enum err forecast_context(const struct coursework_table *t,
                                 const struct coursework_runs *train, struct forecast *f)
{
    double w[COURSEWORK_INPUTS];
    enum err e = fit_rows(t, train, COURSEWORK_INPUTS, NULL, w);

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
    struct coursework_table t = {0};
    enum err e = coursework_records(d, day);

    if (e == ERR_OK)
        e = coursework_cohorts(d, day);
    if (e == ERR_OK)
        e = coursework_table_of(d, day, &t);
    if (e == ERR_OK)
        e = judge_folds(o, d, &t, day);
    if (e == ERR_OK)
        e = judge_test(o, d, &t, day);
    coursework_table_free(&t);
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
        struct coursework_table t = {0};
        double w[WARNING_INPUTS] = {[WARNING_IN_RECORD] = 1};
        int32_t n = 0;

        e = coursework_cohorts(d, landmark_days[i]);
        if (e == ERR_OK)
            e = coursework_table_of(d, landmark_days[i], &t);
        if (e == ERR_OK)
            e = fit_rows(&t, &train, WARNING_FITTED, NULL, w);
        if (e == ERR_OK) {
            for (int32_t r = 0; r < t.rows; r++)
                n += train.in[t.presentation[r]];
            fprintf(o->out, "{%" PRId32 ", %" PRId32 ", %.4f, {", landmark_days[i], n,
                    usual_left(d, &train, landmark_days[i]));
            for (int j = 0; j < WARNING_INPUTS; j++)
                fprintf(o->out, "%s%.4f", j ? ", " : "", w[j]);
            fputs("}},\n", o->out);
        }
        coursework_table_free(&t);
    }
    coursework_free(d);
    return e;
}
