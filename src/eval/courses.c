#include "eval/courses.h"

#include "base/args.h"
#include "base/assert.h"
#include "base/civil.h"
#include "base/hash.h"
#include "base/rng.h"
#include "eval/score.h"
#include "eval/sheet.h"
#include "twin/stats.h"
#include "twin/warning.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRESENTATIONS_MAX = 256,
    TASKS_MAX = 4096,
    ROWS_MAX = 200000,
    HANDED_MAX = 1 << 20,
    MODULES_MAX = 16,
    PERSON = 7, /* inputs that tell of the person */
    CONTEXT = PERSON + MODULES_MAX + 1,
    INPUTS = WARNING_INPUTS + CONTEXT,
    ARENA_BYTES = 1 << 30,
};
static const double ridge = 512;
static const int32_t days[] = {30, 60, 120};
static const int32_t landmark_days[] = {14, 30, 60, 90, 120, 150, 180, 210};

struct presentation {
    struct str module, name;
    int32_t task_from, task_to; /* in tasks[], which are grouped */
    bool test;
};

struct task {
    int32_t presentation, due;
    int64_t id;
    double weight;
    bool exam, quiz;
    /* of the cohort by a day, see cohorts_by() */
    double n, mean, sd, share;
};

struct row {
    int32_t presentation;
    int64_t person;
    uint32_t cluster;
    int32_t registered, left; /* WARNING_NEVER */
    int32_t attempts;
    double credits;
    enum warning_education education;
    double context[PERSON];
    bool bad_end;
    int32_t handed_from, handed_to;
};

struct handed {
    int32_t row, task, day;
    bool carried;
    double score;
    double score_place, day_place; /* by a day, see places_by() */
};

struct data {
    struct arena arena;
    struct presentation presentations[PRESENTATIONS_MAX];
    struct task *tasks;
    struct row *rows;
    struct handed *handed;
    int32_t presentation_count, task_count, row_count, handed_count, module_count;
    struct str modules[MODULES_MAX]; /* of the training part */
    uint32_t clusters;
};

static int32_t presentation_of(struct data *d, struct str module, struct str name)
{
    for (int32_t i = 0; i < d->presentation_count; i++)
        if (str_eq(d->presentations[i].module, module) && str_eq(d->presentations[i].name, name))
            return i;
    if (d->presentation_count == PRESENTATIONS_MAX)
        return -1;
    struct presentation *p = &d->presentations[d->presentation_count];
    p->module = arena_str(&d->arena, module);
    p->name = arena_str(&d->arena, name);
    return p->module.p && p->name.p ? d->presentation_count++ : -1;
}

/* ---- reading ---- */

static enum err read_tasks(const struct courses_options *o, struct data *d)
{
    static const char *const names[] = {
        "code_module", "code_presentation", "id_assessment", "assessment_type", "date", "weight",
        NULL};
    struct sheet s;
    enum err e = sheet_open(&s, o->folder, "assessment.csv.gz", names, o->detail);

    while (e == ERR_OK && (e = sheet_next(&s)) == ERR_OK) {
        struct task *t = &d->tasks[d->task_count];
        double id, due, weight;

        if (d->task_count == TASKS_MAX || !sheet_number(&s, 2, &id) || isnan(id))
            e = sheet_bad(&s);
        else if (!sheet_number(&s, 4, &due) || !sheet_number(&s, 5, &weight))
            e = sheet_bad(&s);
        else if ((t->presentation = presentation_of(d, sheet_text(&s, 0), sheet_text(&s, 1))) < 0)
            e = ERR_NOMEM;
        else {
            t->id = (int64_t)id;
            t->quiz = str_eq(sheet_text(&s, 3), STR("CMA"));
            t->exam = str_eq(sheet_text(&s, 3), STR("Exam")) || isnan(due);
            t->due = isnan(due) ? WARNING_NEVER : (int32_t)due;
            t->weight = weight > 0 ? fmin(weight, 100) : 0;
            d->task_count++;
        }
    }
    sheet_close(&s);
    return e == ERR_EOF ? ERR_OK : e;
}

static enum warning_education education_of(struct str s)
{
    static const char *const names[WARNING_EDUCATIONS] = {
        [WARNING_EDUCATION_UNKNOWN] = "", "No Formal quals",  "Lower Than A Level",
        "A Level or Equivalent",          "HE Qualification", "Post Graduate Qualification"};

    for (int i = 1; i < WARNING_EDUCATIONS; i++)
        if (str_eq(s, str_from(names[i])))
            return (enum warning_education)i;
    return WARNING_EDUCATION_UNKNOWN;
}

static void read_person(struct sheet *s, double ret[PERSON])
{
    struct str band = sheet_text(s, 5), age = sheet_text(s, 6);
    double decile = band.n > 0 && band.p[0] >= '0' && band.p[0] <= '9' ? band.p[0] - '0' : NAN;

    if (band.n > 1 && band.p[1] == '-')
        decile = 0; /* "0-10%"; the others begin with two digits */
    ret[0] = isnan(decile) ? 0 : (decile - 4.5) / 3;
    ret[1] = isnan(decile);
    ret[2] = decile < 2;
    ret[3] = str_eq(sheet_text(s, 3), STR("M"));
    ret[4] = str_eq(age, STR("35-55"));
    ret[5] = str_eq(age, STR("55<="));
    ret[6] = str_eq(sheet_text(s, 9), STR("TRUE"));
}

static enum err read_rows(const struct courses_options *o, struct data *d)
{
    static const char *const names[] = {"code_module", "code_presentation",    "id_student",
                                        "gender",      "highest_education",    "imd_band",
                                        "age_band",    "num_of_prev_attempts", "studied_credits",
                                        "disability",  "final_result",         NULL};
    struct sheet s;
    enum err e = sheet_open(&s, o->folder, "student.csv.gz", names, o->detail);

    while (e == ERR_OK && (e = sheet_next(&s)) == ERR_OK) {
        struct row *r = &d->rows[d->row_count];
        double person, attempts, credits;

        if (d->row_count == ROWS_MAX || !sheet_number(&s, 2, &person) || isnan(person) ||
            !sheet_number(&s, 7, &attempts) || !(attempts >= 0 && attempts < 1000) ||
            !sheet_number(&s, 8, &credits)) {
            e = sheet_bad(&s);
            break;
        }
        r->presentation = presentation_of(d, sheet_text(&s, 0), sheet_text(&s, 1));
        if (r->presentation < 0) {
            e = ERR_NOMEM;
            break;
        }
        r->person = (int64_t)person;
        r->attempts = (int32_t)attempts;
        r->credits = isnan(credits) ? 0 : credits / 60;
        r->registered = r->left = WARNING_NEVER;
        r->bad_end =
            str_eq(sheet_text(&s, 10), STR("Fail")) || str_eq(sheet_text(&s, 10), STR("Withdrawn"));
        r->education = education_of(sheet_text(&s, 4));
        read_person(&s, r->context);
        d->row_count++;
    }
    sheet_close(&s);
    return e == ERR_EOF ? ERR_OK : e;
}

static int by_person(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;

    if (a->person != b->person)
        return a->person < b->person ? -1 : 1;
    return a->presentation - b->presentation;
}

static struct row *row_of(const struct data *d, int64_t person, int32_t presentation)
{
    const struct row key = {.person = person, .presentation = presentation};

    return bsearch(&key, d->rows, (size_t)d->row_count, sizeof *d->rows, by_person);
}

static enum err read_registrations(const struct courses_options *o, struct data *d)
{
    static const char *const names[] = {"code_module",       "code_presentation",   "id_student",
                                        "date_registration", "date_unregistration", NULL};
    struct sheet s;
    enum err e = sheet_open(&s, o->folder, "student_registration.csv.gz", names, o->detail);

    while (e == ERR_OK && (e = sheet_next(&s)) == ERR_OK) {
        double person, in, out;

        if (!sheet_number(&s, 2, &person) || isnan(person) || !sheet_number(&s, 3, &in) ||
            !sheet_number(&s, 4, &out)) {
            e = sheet_bad(&s);
            break;
        }
        struct row *r =
            row_of(d, (int64_t)person, presentation_of(d, sheet_text(&s, 0), sheet_text(&s, 1)));
        if (r) {
            r->registered = isnan(in) ? WARNING_NEVER : (int32_t)in;
            r->left = isnan(out) ? WARNING_NEVER : (int32_t)out;
        }
    }
    sheet_close(&s);
    return e == ERR_EOF ? ERR_OK : e;
}

static int by_task_id(const void *pa, const void *pb)
{
    const struct task *a = pa, *b = pb;

    return (a->id > b->id) - (a->id < b->id);
}

static enum err read_handed(const struct courses_options *o, struct data *d)
{
    static const char *const names[] = {"id_assessment", "id_student", "date_submitted",
                                        "is_banked",     "score",      NULL};
    struct sheet s;
    enum err e = sheet_open(&s, o->folder, "student_assessment.csv.gz", names, o->detail);

    while (e == ERR_OK && (e = sheet_next(&s)) == ERR_OK) {
        double id, person, day, score;

        if (d->handed_count == HANDED_MAX || !sheet_number(&s, 0, &id) || isnan(id) ||
            !sheet_number(&s, 1, &person) || isnan(person) || !sheet_number(&s, 2, &day) ||
            isnan(day) || !sheet_number(&s, 4, &score) || score < 0 || score > 100) {
            e = sheet_bad(&s);
            break;
        }
        const struct task key = {.id = (int64_t)id},
                          *task = bsearch(&key, d->tasks, (size_t)d->task_count, sizeof key,
                                          by_task_id);
        const struct row *r = task ? row_of(d, (int64_t)person, task->presentation) : NULL;
        if (r)
            d->handed[d->handed_count++] = (struct handed){(int32_t)(r - d->rows),
                                                           (int32_t)(task - d->tasks),
                                                           (int32_t)day,
                                                           str_eq(sheet_text(&s, 3), STR("TRUE")),
                                                           score,
                                                           0,
                                                           0};
    }
    sheet_close(&s);
    return e == ERR_EOF ? ERR_OK : e;
}

static int by_row(const void *pa, const void *pb)
{
    const struct handed *a = pa, *b = pb;

    if (a->row != b->row)
        return a->row - b->row;
    return a->task != b->task ? a->task - b->task : a->day - b->day;
}

static void index_rows(struct data *d)
{
    int32_t at = 0;

    qsort(d->handed, (size_t)d->handed_count, sizeof *d->handed, by_row);
    for (int32_t i = 0; i < d->row_count; i++) {
        struct row *r = &d->rows[i];

        r->handed_from = at;
        while (at < d->handed_count && d->handed[at].row == i)
            at++;
        r->handed_to = at;
        if (i > 0 && d->rows[i - 1].person != r->person)
            d->clusters++;
        r->cluster = d->clusters;
    }
    d->clusters += d->row_count > 0;
}

/* "2014J" is later than "2013J" by its year; the last year is the test. */
static enum err split_years(const struct courses_options *o, struct data *d)
{
    struct str last = {"", 0};
    bool both = false;

    for (int32_t i = 0; i < d->presentation_count; i++) {
        struct str name = d->presentations[i].name, year = {name.p, name.n < 4 ? name.n : 4};

        if (i == 0 || str_cmp(year, last) > 0)
            last = year;
    }
    for (int32_t i = 0; i < d->presentation_count; i++) {
        struct presentation *p = &d->presentations[i];
        int32_t m = 0;

        p->test = str_starts(p->name, last);
        both = both || !p->test;
        while (m < d->module_count && !str_eq(d->modules[m], p->module))
            m++;
        if (!p->test && m == d->module_count && m < MODULES_MAX)
            d->modules[d->module_count++] = p->module;
    }
    if (!both)
        snprintf(o->detail, ARGS_DETAIL_MAX, "%.200s: presentations of one year only", o->folder);
    return both ? ERR_OK : ERR_UNPROCESSABLE;
}

static void data_free(struct data *d)
{
    if (d)
        arena_fini(&d->arena);
    free(d);
}

static enum err data_load(const struct courses_options *o, struct data **ret)
{
    struct data *d = calloc(1, sizeof *d);
    enum err e = ERR_NOMEM;

    if (!d)
        return e;
    arena_init(&d->arena, ARENA_BYTES);
    d->tasks = arena_new(&d->arena, struct task, TASKS_MAX + 1);
    d->rows = arena_new(&d->arena, struct row, ROWS_MAX + 1);
    d->handed = arena_new(&d->arena, struct handed, HANDED_MAX + 1);
    if (d->tasks && d->rows && d->handed)
        e = read_tasks(o, d);
    if (e == ERR_OK)
        e = read_rows(o, d);
    if (e == ERR_OK) {
        qsort(d->tasks, (size_t)d->task_count, sizeof *d->tasks, by_task_id);
        qsort(d->rows, (size_t)d->row_count, sizeof *d->rows, by_person);
        e = read_registrations(o, d);
    }
    if (e == ERR_OK)
        e = read_handed(o, d);
    if (e == ERR_OK) {
        index_rows(d);
        e = split_years(o, d);
    }
    if (e != ERR_OK)
        data_free(d);
    else
        *ret = d;
    return e;
}

/* ---- inputs ---- */

struct place {
    double value;
    int32_t task, handed;
};

static int by_value(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;

    if (a->task != b->task)
        return a->task - b->task;
    return (a->value > b->value) - (a->value < b->value);
}

/* Ranks runs of one task, those level in the middle of their places; 0..1. */
static void rank(struct data *d, struct place *p, int32_t n, bool scores)
{
    qsort(p, (size_t)n, sizeof *p, by_value);
    for (int32_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && p[end].task == p[i].task;)
            end++;
        for (int32_t j = i, level; j < end; j = level) {
            for (level = j; level < end && !(p[level].value > p[j].value);)
                level++;
            for (int32_t k = j; k < level; k++) {
                struct handed *h = &d->handed[p[k].handed];

                *(scores ? &h->score_place : &h->day_place) =
                    ((j - i) + (level - j) / 2.0) / (end - i);
            }
        }
    }
}

/* Where each piece stands among those that are there, by score and by day. */
static enum err places_by(struct data *d, int32_t day)
{
    struct place *p = calloc((size_t)d->handed_count + 1, sizeof *p);

    if (!p)
        return ERR_NOMEM;
    for (int scores = 0; scores < 2; scores++) {
        int32_t n = 0;

        for (int32_t i = 0; i < d->handed_count; i++) {
            struct handed *h = &d->handed[i];

            *(scores ? &h->score_place : &h->day_place) = NAN;
            if (h->day <= day && d->rows[h->row].left > day &&
                (scores ? !isnan(h->score) : !h->carried))
                p[n++] = (struct place){scores ? h->score : h->day, h->task, i};
        }
        rank(d, p, n, scores);
    }
    free(p);
    return ERR_OK;
}

/* Of each task: how many have handed it in, and how well that went. A score is taken as known when
 * the work is: the set does not say when it was marked. */
static enum err cohorts_by(struct data *d, int32_t day)
{
    double present[PRESENTATIONS_MAX] = {0};

    for (int32_t i = 0; i < d->task_count; i++)
        d->tasks[i].n = d->tasks[i].mean = d->tasks[i].sd = 0;
    for (int32_t i = 0; i < d->row_count; i++)
        present[d->rows[i].presentation] += d->rows[i].left > day;
    for (int32_t i = 0; i < d->handed_count; i++) {
        const struct handed *h = &d->handed[i];
        struct task *t = &d->tasks[h->task];

        if (h->day > day || isnan(h->score))
            continue;
        double off = h->score - t->mean;

        t->mean += off / ++t->n;
        t->sd += off * (h->score - t->mean);
    }
    for (int32_t i = 0; i < d->task_count; i++) {
        struct task *t = &d->tasks[i];
        double all = present[t->presentation];

        t->sd = fmax(5, t->n > 1 ? sqrt(t->sd / (t->n - 1)) : 0);
        t->share = all > 0 ? fmin(1, t->n / all) : 0;
    }
    return places_by(d, day);
}

static enum err inputs_of(const struct data *d, const struct row *r, int32_t day, double *ret)
{
    struct warning_task tasks[WARNING_TASKS_MAX];
    struct warning_learner l = {tasks, 0, r->registered, r->attempts, r->credits, r->education};
    int32_t at = r->handed_from;

    for (int32_t i = 0; i < d->task_count; i++) {
        const struct task *t = &d->tasks[i];
        const struct handed *h = NULL;

        while (at < r->handed_to && d->handed[at].task < i)
            at++;
        if (at < r->handed_to && d->handed[at].task == i)
            h = &d->handed[at];
        if (t->presentation != r->presentation || t->exam || l.task_count == WARNING_TASKS_MAX)
            continue;
        tasks[l.task_count++] = (struct warning_task){
            .due_day = t->due,
            .handed_day = h ? h->day : WARNING_NEVER,
            .quiz = t->quiz,
            .carried = h && h->carried,
            .weight = t->weight,
            .score = h ? h->score : (double)NAN,
            .standing = h ? (h->score - t->mean) / t->sd : (double)NAN,
            .share = t->share,
            .score_place = h ? h->score_place : (double)NAN,
            .day_place = h ? h->day_place : (double)NAN,
        };
    }
    enum err e = warning_read(&l, day, ret);
    double *context = ret + WARNING_INPUTS;
    const struct presentation *p = &d->presentations[r->presentation];

    memset(context, 0, CONTEXT * sizeof *context);
    memcpy(context, r->context, sizeof r->context);
    for (int32_t m = 0; m < d->module_count; m++)
        context[PERSON + m] = str_eq(p->module, d->modules[m]);
    context[PERSON + MODULES_MAX] = p->name.n > 0 && p->name.p[p->name.n - 1] == 'B';
    return e;
}

/* Those present on a day: registered, and not gone. */
struct table {
    double *x; /* runs of INPUTS */
    uint8_t *y;
    uint32_t *cluster;
    int32_t *presentation;
    int32_t rows;
};

static void table_free(struct table *t)
{
    free(t->x);
    free(t->y);
    free(t->cluster);
    free(t->presentation);
}

static enum err table_of(const struct data *d, int32_t day, struct table *ret)
{
    size_t n = (size_t)d->row_count + 1;
    struct table t = {calloc(n * INPUTS, sizeof(double)), calloc(n, 1), calloc(n, sizeof(uint32_t)),
                      calloc(n, sizeof(int32_t)), 0};
    enum err e = t.x && t.y && t.cluster && t.presentation ? ERR_OK : ERR_NOMEM;

    for (int32_t i = 0; e == ERR_OK && i < d->row_count; i++) {
        const struct row *r = &d->rows[i];

        if (r->left <= day || (r->registered != WARNING_NEVER && r->registered > day))
            continue;
        e = inputs_of(d, r, day, t.x + (size_t)t.rows * INPUTS);
        t.presentation[t.rows] = r->presentation;
        t.y[t.rows] = r->bad_end;
        t.cluster[t.rows++] = r->cluster;
    }
    if (e == ERR_OK)
        *ret = t;
    else
        table_free(&t);
    return e;
}

/* Some of the presentations. */
struct runs {
    bool in[PRESENTATIONS_MAX];
};

static struct runs runs_of(const struct data *d, bool test)
{
    struct runs r = {{false}};

    for (int32_t i = 0; i < d->presentation_count; i++)
        r.in[i] = d->presentations[i].test == test;
    return r;
}

/* Fits the first `width` inputs on the rows of the runs. */
static enum err fit_rows(const struct table *t, const struct runs *runs, int32_t width,
                         const double *prior, double *ret_weights)
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
        memcpy(x + (size_t)n * width, t->x + (size_t)i * INPUTS, (size_t)width * sizeof *x);
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
static enum err learn_course(const struct data *d, const struct table *t,
                             const struct warning_model *m, int32_t day, struct str module,
                             const struct runs *past, struct warning_course *ret)
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
        enum err e = warning_forecast(m, NULL, t->x + (size_t)i * INPUTS, day, &f);
        if (e != ERR_OK)
            return e;
        warning_course_learn(ret, landmark, f.risk, t->y[i]);
    }
    return ERR_OK;
}

/* ---- models ---- */

/* Of the rows of the runs; the forecasts are of the whole table. */
static enum err print_scores(const struct courses_options *o, const struct data *d,
                             const struct forecast *f, const struct table *t,
                             const struct runs *runs, const char *split, const char *model)
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

static struct forecast *forecasts_of(const struct table *t)
{
    struct forecast *f = calloc((size_t)t->rows + 1, sizeof *f);

    for (int32_t i = 0; f && i < t->rows; i++)
        f[i] = (struct forecast){.outcome = t->y[i], .cluster = t->cluster[i]};
    return f;
}

/* The share of bad ends among those who have missed something due, and among the others. */
static void forecast_missed(const struct table *t, const struct runs *train, struct forecast *f)
{
    double n[2] = {2, 2}, bad[2] = {1, 1};

    for (int32_t i = 0; i < t->rows; i++) {
        int missed = t->x[(size_t)i * INPUTS + WARNING_IN_MISSED_ANY] > 0;

        n[missed] += train->in[t->presentation[i]];
        bad[missed] += train->in[t->presentation[i]] && t->y[i];
    }
    for (int32_t i = 0; i < t->rows; i++) {
        int missed = t->x[(size_t)i * INPUTS + WARNING_IN_MISSED_ANY] > 0;

        f[i].p = (float)(bad[missed] / n[missed]);
    }
}

/* Forecasts the rows of the runs, with what the past runs of each module came to; past NULL: with
 * nothing known of courses. */
static enum err forecast_rows(const struct data *d, const struct warning_model *m, int32_t day,
                              const struct runs *past, const struct table *t,
                              const struct runs *runs, struct forecast *f)
{
    struct warning_course *courses = calloc(PRESENTATIONS_MAX, sizeof *courses);
    enum err e = courses ? ERR_OK : ERR_NOMEM;

    for (int32_t p = 0; past && p < d->presentation_count && e == ERR_OK; p++)
        if (runs->in[p])
            e = learn_course(d, t, m, day, d->presentations[p].module, past, &courses[p]);
    for (int32_t i = 0; e == ERR_OK && i < t->rows; i++) {
        struct warning_forecast ret;
        int32_t run = t->presentation[i];

        if (!runs->in[run])
            continue;
        e = warning_forecast(m, past ? &courses[run] : NULL, t->x + (size_t)i * INPUTS, day, &ret);
        f[i].p = (float)ret.risk;
    }
    free(courses);
    return e;
}

/* Each presentation of the training part, forecast from the others. */
static enum err cross_folds(const struct data *d, const struct table *t, int32_t day, int32_t width,
                            bool course, struct forecast *f)
{
    const struct runs train = runs_of(d, false);
    enum err e = ERR_OK;

    for (int32_t p = 0; p < d->presentation_count && e == ERR_OK; p++) {
        struct warning_model m = {.landmark_count = 1, .landmarks[0].day = day};
        struct runs others = train, one = {{false}};

        if (!train.in[p])
            continue;
        others.in[p] = false;
        one.in[p] = true;
        e = fit_rows(t, &others, width, NULL, m.landmarks[0].weights);
        if (e == ERR_OK)
            e = forecast_rows(d, &m, day, course ? &others : NULL, t, &one, f);
    }
    return e;
}

/* What the model was chosen by. Nothing is printed where the training part has too little of it. */
static enum err judge_folds(const struct courses_options *o, const struct data *d,
                            const struct table *t, int32_t day)
{
    static const struct {
        const char *model;
        int32_t width; /* the inputs come in the order in which they joined */
        bool course;
    } candidates[] = {
        {"conduct", WARNING_IN_PLACE_DAY, false}, {"places", WARNING_IN_MARKS_MISSED, false},
        {"marks", WARNING_IN_EDUCATION, false},   {"education", WARNING_INPUTS, false},
        {"doppel", WARNING_INPUTS, true},
    };
    const struct runs train = runs_of(d, false);
    struct forecast *f = forecasts_of(t);
    enum err e = f ? ERR_OK : ERR_NOMEM;
    char split[32];

    snprintf(split, sizeof split, "folds-day-%" PRId32, day);
    for (size_t c = 0; c < COUNT(candidates) && e == ERR_OK; c++) {
        e = cross_folds(d, t, day, candidates[c].width, candidates[c].course, f);
        if (e == ERR_OK)
            e = print_scores(o, d, f, t, &train, split, candidates[c].model);
    }
    free(f);
    return e == ERR_RANGE ? ERR_OK : e;
}

/* As a server that refits: the runs of the test year in the order of their start, and those that
 * are over have moved the shipped weights before the next ones are forecast. */
static enum err forecast_online(const struct data *d, const struct table *t, int32_t day,
                                struct forecast *f)
{
    const struct runs test = runs_of(d, true);
    struct warning_model m = warning_default;
    struct runs past = runs_of(d, false), over = {{false}};
    int32_t landmark = 0;
    struct str now = {"", 0};
    enum err e = ERR_OK;

    while (landmark + 1 < m.landmark_count && m.landmarks[landmark].day != day)
        landmark++;
    for (;;) {
        struct runs starting = {{false}};
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
        e = forecast_rows(d, &m, day, &past, t, &starting, f);
        for (int32_t p = 0; p < d->presentation_count; p++) {
            past.in[p] |= starting.in[p];
            over.in[p] |= starting.in[p];
        }
        if (e == ERR_OK)
            e = fit_rows(t, &over, WARNING_INPUTS, warning_default.landmarks[landmark].weights,
                         m.landmarks[landmark].weights);
        e = e == ERR_RANGE ? ERR_OK : e; /* all ended alike: nothing to learn */
        now = next;
    }
}

/* With what else the set tells of people, and the module. */
static enum err forecast_context(const struct table *t, const struct runs *train,
                                 struct forecast *f)
{
    double w[INPUTS];
    enum err e = fit_rows(t, train, INPUTS, NULL, w);

    for (int32_t i = 0; e == ERR_OK && i < t->rows; i++) {
        double odds = 0;

        for (int32_t j = 0; j < INPUTS; j++)
            odds += w[j] * t->x[(size_t)i * INPUTS + j];
        f[i].p = (float)(1 / (1 + exp(-odds)));
    }
    return e;
}

/* As a server that knows nothing of what was learnt before. */
static void forget_education(struct table *t)
{
    for (int32_t i = 0; i < t->rows; i++)
        memset(t->x + (size_t)i * INPUTS + WARNING_IN_EDUCATION, 0,
               (WARNING_EDUCATIONS - 1) * sizeof *t->x);
}

static enum err judge_test(const struct courses_options *o, const struct data *d, struct table *t,
                           int32_t day)
{
    const struct runs train = runs_of(d, false), test = runs_of(d, true);
    struct forecast *f = forecasts_of(t);
    enum err e = f ? ERR_OK : ERR_NOMEM;
    char split[32];

    snprintf(split, sizeof split, "day-%" PRId32, day);
    if (e == ERR_OK) {
        forecast_missed(t, &train, f);
        e = print_scores(o, d, f, t, &test, split, "missed-task");
    }
    if (e == ERR_OK)
        e = forecast_rows(d, &warning_default, day, &train, t, &test, f);
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
        e = forecast_rows(d, &warning_default, day, NULL, t, &test, f);
    }
    if (e == ERR_OK)
        e = print_scores(o, d, f, t, &test, split, "doppel-bare");
    free(f);
    return e;
}

static enum err evaluate_day(const struct courses_options *o, struct data *d, int32_t day)
{
    struct table t = {0};
    enum err e = cohorts_by(d, day);

    if (e == ERR_OK)
        e = table_of(d, day, &t);
    if (e == ERR_OK)
        e = judge_folds(o, d, &t, day);
    if (e == ERR_OK)
        e = judge_test(o, d, &t, day);
    table_free(&t);
    return e;
}

enum err courses_evaluate_coursework(const struct courses_options *o)
{
    struct data *d = NULL;
    enum err e = data_load(o, &d);

    for (size_t i = 0; i < COUNT(days) && e == ERR_OK; i++)
        e = evaluate_day(o, d, days[i]);
    if (d && e != ERR_NOMEM && e != ERR_OK && !*o->detail)
        snprintf(o->detail, ARGS_DETAIL_MAX, "%.200s: nothing to fit or to judge", o->folder);
    data_free(d);
    return e;
}

enum err courses_print_weights(const struct courses_options *o)
{
    struct data *d = NULL;
    enum err e = data_load(o, &d);

    for (size_t i = 0; i < COUNT(landmark_days) && e == ERR_OK; i++) {
        const struct runs train = runs_of(d, false);
        struct table t = {0};
        double w[WARNING_INPUTS];
        int32_t n = 0;

        e = cohorts_by(d, landmark_days[i]);
        if (e == ERR_OK)
            e = table_of(d, landmark_days[i], &t);
        if (e == ERR_OK)
            e = fit_rows(&t, &train, WARNING_INPUTS, NULL, w);
        if (e == ERR_OK) {
            for (int32_t r = 0; r < t.rows; r++)
                n += train.in[t.presentation[r]];
            fprintf(o->out, "{%" PRId32 ", %" PRId32 ", {", landmark_days[i], n);
            for (int j = 0; j < WARNING_INPUTS; j++)
                fprintf(o->out, "%s%.4f", j ? ", " : "", w[j]);
            fputs("}},\n", o->out);
        }
        table_free(&t);
    }
    data_free(d);
    return e;
}

/* ---- visits ---- */

enum {
    VISITORS_MAX = 4096,
    VISITORS_NEEDED = 40, /* four in a fold */
    VISITS_MAX = 4000000,
    FOLDS = 10,
    INNER_FOLDS = 5,
    REPEATS = 5,
    WINDOW_DAYS = 14,
};
static const double visits_ridge = 1;

struct visitor {
    struct str name;
    double grade;
    double x[WARNING_VISIT_INPUTS];
    bool absent; /* at the end of the window */
    uint8_t low; /* grade in the lowest quarter */
};

struct visit {
    int32_t visitor;
    struct warning_visit visit;
};

struct visits {
    struct arena arena;
    struct visitor *visitors;
    struct visit *all;
    int32_t visitor_count, count;
};

static enum err read_results(const struct courses_options *o, struct visits *v,
                             struct strmap *by_name)
{
    static const char *const names[] = {"user", "Final_grade", NULL};
    struct sheet s;
    enum err e = sheet_open(&s, o->folder, "results.tsv.gz", names, o->detail);

    while (e == ERR_OK && (e = sheet_next(&s)) == ERR_OK) {
        struct visitor *p = &v->visitors[v->visitor_count];

        if (v->visitor_count == VISITORS_MAX || !sheet_number(&s, 1, &p->grade) ||
            isnan(p->grade)) {
            e = sheet_bad(&s);
            break;
        }
        p->name = arena_str(&v->arena, sheet_text(&s, 0));
        void **slot = p->name.p ? strmap_slot(by_name, p->name) : NULL;
        e = !slot ? ERR_NOMEM : *slot ? sheet_bad(&s) : ERR_OK; /* twice the same person */
        if (e == ERR_OK)
            *slot = &v->visitors[v->visitor_count++];
    }
    sheet_close(&s);
    return e == ERR_EOF ? ERR_OK : e;
}

static bool contains(struct str s, const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i + n <= s.n; i++)
        if (memcmp(s.p + i, part, n) == 0)
            return true;
    return false;
}

/* "2019-10-26 09:37:12" */
static bool read_time(struct str s, int64_t *ret)
{
    static const int8_t at[6] = {0, 5, 8, 11, 14, 17};
    int32_t part[6] = {0};

    if (s.n != 19)
        return false;
    for (int i = 0; i < 6; i++)
        for (int j = at[i]; j < 19 && s.p[j] >= '0' && s.p[j] <= '9'; j++)
            part[i] = part[i] * 10 + (s.p[j] - '0');
    if (part[0] < 1970 || part[0] > 2200 || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
        part[2] > 31 || part[3] > 23 || part[4] > 59 || part[5] > 60)
        return false;
    *ret = civil_epoch_day(part[0], part[1], part[2]) * US_PER_DAY + part[3] * US_PER_HOUR +
           part[4] * US_PER_MINUTE + part[5] * US_PER_S;
    return true;
}

static enum err read_events(const struct courses_options *o, struct visits *v,
                            struct strmap *by_name)
{
    static const char *const names[] = {"user", "timecreated", "Component", "Event.name", NULL};
    struct sheet s;
    enum err e = sheet_open(&s, o->folder, "events.tsv.gz", names, o->detail);

    while (e == ERR_OK && (e = sheet_next(&s)) == ERR_OK) {
        struct visit *to = &v->all[v->count];
        struct str name = sheet_text(&s, 3);
        const struct visitor *who = strmap_get(by_name, sheet_text(&s, 0));

        if (v->count == VISITS_MAX || !read_time(sheet_text(&s, 1), &to->visit.at)) {
            e = sheet_bad(&s);
            break;
        }
        /* the course notes completions by itself, also when nobody is there */
        if (!who || contains(name, "completion updated"))
            continue;
        to->visitor = (int32_t)(who - v->visitors);
        to->visit.post = contains(name, "Post created") || contains(name, "Discussion created");
        to->visit.handed = contains(name, "has been submitted") ||
                           contains(name, "attempt submitted") || contains(name, "uploaded");
        v->count++;
    }
    sheet_close(&s);
    return e == ERR_EOF ? ERR_OK : e;
}

static int by_visitor(const void *pa, const void *pb)
{
    const struct visit *a = pa, *b = pb;

    if (a->visitor != b->visitor)
        return a->visitor - b->visitor;
    return (a->visit.at > b->visit.at) - (a->visit.at < b->visit.at);
}

static enum err describe(struct visits *v)
{
    struct warning_visit *own = arena_new(&v->arena, struct warning_visit, (size_t)v->count + 1);
    double *grades = arena_new(&v->arena, double, (size_t)v->visitor_count + 1);
    int64_t from = INT64_MAX;
    int32_t at = 0;

    if (!own || !grades)
        return ERR_NOMEM;
    qsort(v->all, (size_t)v->count, sizeof *v->all, by_visitor);
    for (int32_t i = 0; i < v->count; i++) {
        own[i] = v->all[i].visit;
        from = own[i].at < from ? own[i].at : from;
    }
    for (int32_t i = 0; i < v->visitor_count; i++)
        grades[i] = v->visitors[i].grade;
    if (v->count == 0 || v->visitor_count < VISITORS_NEEDED)
        return ERR_UNPROCESSABLE;
    stats_sort(grades, v->visitor_count);
    from -= from % US_PER_DAY;
    int64_t to = from + WINDOW_DAYS * US_PER_DAY;
    for (int32_t i = 0; i < v->visitor_count; i++) {
        struct visitor *p = &v->visitors[i];
        int32_t first = at;
        int64_t last = from;

        for (; at < v->count && v->all[at].visitor == i; at++)
            last = own[at].at < to && own[at].at > last ? own[at].at : last;
        warning_visits_read(own + first, at - first, from, to, p->x);
        p->absent = warning_absent(last, to);
        p->low = p->grade <= stats_quantile(grades, v->visitor_count, 0.25);
    }
    return ERR_OK;
}

/* Fits on the visitors whose fold is not `out`, with the inputs of the mask. */
struct choice {
    uint32_t mask; /* of inputs; the constant always */
    double weights[WARNING_VISIT_INPUTS];
};

static enum err fit_visits(const struct visits *v, const uint8_t *fold, int out,
                           struct arena *scratch, struct choice *c)
{
    int32_t rows = 0, width = 0;
    double *x = arena_new(scratch, double, (size_t)v->visitor_count *WARNING_VISIT_INPUTS);
    uint8_t *y = arena_new(scratch, uint8_t, (size_t)v->visitor_count);
    double w[WARNING_VISIT_INPUTS];

    if (!x || !y)
        return ERR_NOMEM;
    for (int32_t i = 0; i < v->visitor_count; i++) {
        int32_t j = 0;

        if (fold[i] == out || fold[i] == UINT8_MAX)
            continue;
        for (int in = 0; in < WARNING_VISIT_INPUTS; in++)
            if (c->mask >> in & 1)
                x[(size_t)rows * WARNING_VISIT_INPUTS + j++] = v->visitors[i].x[in];
        width = j;
        y[rows++] = v->visitors[i].low;
    }
    for (int32_t i = 0; i < rows; i++) /* closer together, now that the width is known */
        memmove(x + (size_t)i * width, x + (size_t)i * WARNING_VISIT_INPUTS,
                (size_t)width * sizeof *x);
    enum err e = warning_fit(scratch, x, y, rows, width, visits_ridge, NULL, w);
    int32_t j = 0;
    for (int in = 0; in < WARNING_VISIT_INPUTS; in++)
        c->weights[in] = c->mask >> in & 1 ? w[j++] : 0;
    return e;
}

static double visits_risk(const struct choice *c, const struct visitor *p)
{
    return warning_visits_risk(c->weights, p->x);
}

/* Deals the visitors whose fold is not UINT8_MAX into folds of like shares of `low`. */
static void deal(const struct visits *v, int folds, struct rng *rng, uint8_t *fold)
{
    int32_t order[VISITORS_MAX], n = 0;
    int next = 0;

    for (int32_t i = 0; i < v->visitor_count; i++)
        if (fold[i] != UINT8_MAX)
            order[n++] = i;
    for (int32_t i = n; i-- > 1;) {
        int32_t j = (int32_t)rng_below(rng, (uint64_t)i + 1), kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
    for (int low = 0; low < 2; low++)
        for (int32_t i = 0; i < n; i++)
            if (v->visitors[order[i]].low == low)
                fold[order[i]] = (uint8_t)(next++ % folds);
}

/* Log loss over folds within the training part. */
static enum err inner_loss(const struct visits *v, const uint8_t *fold, struct arena *scratch,
                           uint32_t mask, double *ret, double *ret_se)
{
    struct choice c = {.mask = mask};
    double sum = 0, squares = 0;
    int32_t n = 0;

    for (int k = 0; k < INNER_FOLDS; k++) {
        enum err e = fit_visits(v, fold, k, scratch, &c);

        if (e != ERR_OK)
            return e;
        for (int32_t i = 0; i < v->visitor_count; i++) {
            if (fold[i] != k)
                continue;
            double p = visits_risk(&c, &v->visitors[i]);

            double loss = -log(fmax(1e-6, v->visitors[i].low ? p : 1 - p));

            sum += loss;
            squares += loss * loss;
            n++;
        }
        arena_clear(scratch);
    }
    *ret = sum / n;
    *ret_se = sqrt(fmax(0, squares / n - *ret * *ret) / n);
    return ERR_OK;
}

/* Deals the training part into inner folds and tries every subset of the inputs there. */
enum { SUBSETS = 1 << (WARNING_VISIT_INPUTS - 1) };
struct tried {
    double loss[SUBSETS], se[SUBSETS]; /* by mask / 2 */
    uint32_t best;
};

static enum err try_subsets(const struct visits *v, const uint8_t *fold, int out, struct rng *rng,
                            struct arena *scratch, struct tried *ret)
{
    uint8_t inner[VISITORS_MAX];
    enum err e = ERR_OK;

    for (int32_t i = 0; i < v->visitor_count; i++)
        inner[i] = fold[i] == out ? UINT8_MAX : 0;
    deal(v, INNER_FOLDS, rng, inner);
    ret->best = 0;
    for (uint32_t s = 0; s < SUBSETS && e == ERR_OK; s++) {
        e = inner_loss(v, inner, scratch, s << 1 | 1, &ret->loss[s], &ret->se[s]);
        ret->best = e == ERR_OK && ret->loss[s] < ret->loss[ret->best] ? s : ret->best;
    }
    return e;
}

/* The fewest inputs whose loss is within a standard error of the least (Breiman, Friedman, Olshen &
 * Stone 1984), the best of those as few; or, not `simple`, those of the least. */
static enum err choose(const struct visits *v, const uint8_t *fold, int out, bool simple,
                       struct rng *rng, struct arena *scratch, struct choice *ret)
{
    struct tried t;
    enum err e = try_subsets(v, fold, out, rng, scratch, &t);

    if (e != ERR_OK)
        return e;
    uint32_t chosen = t.best;
    for (uint32_t s = 0; simple && s < SUBSETS; s++) {
        int fewer = __builtin_popcount(chosen) - __builtin_popcount(s);

        if (t.loss[s] <= t.loss[t.best] + t.se[t.best] &&
            (fewer > 0 || (fewer == 0 && t.loss[s] < t.loss[chosen])))
            chosen = s;
    }
    *ret = (struct choice){.mask = chosen << 1 | 1};
    e = fit_visits(v, fold, out, scratch, ret);
    arena_clear(scratch);
    return e;
}

/* The mean of the models of all subsets of the inputs, each weighed by its likelihood of what it
 * had not seen of the training part (pseudo Bayesian model averaging; Geisser & Eddy 1979). */
static enum err average(const struct visits *v, const uint8_t *fold, int out, struct rng *rng,
                        struct arena *scratch, struct choice *ret)
{
    struct tried t;
    double sum = 0;
    int32_t n = 0;
    enum err e = try_subsets(v, fold, out, rng, scratch, &t);

    for (int32_t i = 0; i < v->visitor_count; i++)
        n += fold[i] != out;
    *ret = (struct choice){.mask = UINT32_MAX};
    for (uint32_t s = 0; s < SUBSETS && e == ERR_OK; s++) {
        struct choice c = {.mask = s << 1 | 1};
        double weight = exp((t.loss[t.best] - t.loss[s]) * n);

        e = fit_visits(v, fold, out, scratch, &c);
        for (int i = 0; i < WARNING_VISIT_INPUTS; i++)
            ret->weights[i] += weight * c.weights[i];
        sum += weight;
        arena_clear(scratch);
    }
    for (int i = 0; i < WARNING_VISIT_INPUTS && e == ERR_OK; i++)
        ret->weights[i] /= sum;
    return e;
}

static enum err print_visits(const struct courses_options *o, const struct visits *v,
                             const double *risk, const char *model)
{
    struct forecast f[VISITORS_MAX];
    struct scores s;

    for (int32_t i = 0; i < v->visitor_count; i++)
        f[i] = (struct forecast){(float)risk[i], v->visitors[i].low, (uint32_t)i};
    enum err e = scores_of(f, v->visitor_count, (uint32_t)v->visitor_count, o->resamples, &s);
    if (e == ERR_OK)
        scores_print(o->out, o->set, "day-14", model, &s);
    return e;
}

enum way { WAY_FIXED, WAY_BEST, WAY_SIMPLE, WAY_AVERAGE };

/* Each visitor's risk is the mean of REPEATS forecasts, none of which had seen that visitor. */
static enum err crossed(const struct visits *v, enum way way, uint32_t mask, double *ret)
{
    uint8_t fold[VISITORS_MAX];
    struct arena scratch;
    struct rng rng;
    enum err e = ERR_OK;

    arena_init(&scratch, 64 << 20);
    rng_seed(&rng, 2019);
    memset(ret, 0, (size_t)v->visitor_count * sizeof *ret);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        memset(fold, 0, sizeof fold);
        deal(v, FOLDS, &rng, fold);
        for (int k = 0; k < FOLDS && e == ERR_OK; k++) {
            struct choice c = {.mask = mask};

            e = way == WAY_FIXED     ? fit_visits(v, fold, k, &scratch, &c)
                : way == WAY_AVERAGE ? average(v, fold, k, &rng, &scratch, &c)
                                     : choose(v, fold, k, way == WAY_SIMPLE, &rng, &scratch, &c);
            for (int32_t i = 0; e == ERR_OK && i < v->visitor_count; i++)
                if (fold[i] == k)
                    ret[i] += visits_risk(&c, &v->visitors[i]) / REPEATS;
            arena_clear(&scratch);
        }
    }
    arena_fini(&scratch);
    return e;
}

/* The hard rule as probabilities: the shares of low ends on its two sides, of the others. */
static void absent_risk(const struct visits *v, double *ret)
{
    double n[2] = {1, 1}, low[2] = {0.5, 0.5};

    for (int32_t i = 0; i < v->visitor_count; i++) {
        n[v->visitors[i].absent]++;
        low[v->visitors[i].absent] += v->visitors[i].low;
    }
    for (int32_t i = 0; i < v->visitor_count; i++)
        ret[i] = low[v->visitors[i].absent] / n[v->visitors[i].absent];
}

static enum err judge_visits(const struct courses_options *o, const struct visits *v, double *risk)
{
    static const struct {
        const char *model;
        enum way way;
        uint32_t mask;
    } models[] = {
        {"count-of-actions", WAY_FIXED, 1u << WARNING_VISIT_ONE | 1u << WARNING_VISIT_ACTIONS},
        {"best-in-folds", WAY_BEST, 0},
        {"averaged-in-folds", WAY_AVERAGE, 0},
        {"simplest-in-folds", WAY_SIMPLE, 0},
        {"doppel", WAY_FIXED, 1u << WARNING_VISIT_ONE | 1u << WARNING_VISIT_SILENCE},
    };

    absent_risk(v, risk);
    enum err e = print_visits(o, v, risk, "seven-days-absent");
    for (size_t i = 0; i < COUNT(models) && e == ERR_OK; i++) {
        e = crossed(v, models[i].way, models[i].mask, risk);
        if (e == ERR_OK)
            e = print_visits(o, v, risk, models[i].model);
    }
    return e;
}

/* Of all visitors: what is shipped. */
static enum err print_visit_weights(const struct courses_options *o, const struct visits *v)
{
    static const uint8_t fold[VISITORS_MAX];
    struct choice c = {.mask = 1u << WARNING_VISIT_ONE | 1u << WARNING_VISIT_SILENCE};
    struct arena scratch;

    arena_init(&scratch, 64 << 20);
    enum err e = fit_visits(v, fold, -1, &scratch, &c);
    for (int in = 0; in < WARNING_VISIT_INPUTS && e == ERR_OK; in++)
        fprintf(o->out, "%s%.4f", in ? ", " : "{", c.weights[in]);
    if (e == ERR_OK)
        fputs("}\n", o->out);
    arena_fini(&scratch);
    return e;
}

static enum err with_visits(const struct courses_options *o, bool weights)
{
    struct visits *v = calloc(1, sizeof *v);
    double *risk = calloc(VISITORS_MAX, sizeof *risk);
    struct strmap by_name;
    enum err e = ERR_NOMEM;

    if (v && risk) {
        arena_init(&v->arena, ARENA_BYTES);
        strmap_init(&by_name, &v->arena);
        v->visitors = arena_new(&v->arena, struct visitor, VISITORS_MAX + 1);
        v->all = arena_new(&v->arena, struct visit, VISITS_MAX + 1);
        if (v->visitors && v->all)
            e = read_results(o, v, &by_name);
        if (e == ERR_OK)
            e = read_events(o, v, &by_name);
        if (e == ERR_OK)
            e = describe(v);
        if (e == ERR_UNPROCESSABLE)
            snprintf(o->detail, ARGS_DETAIL_MAX, "%.200s: no visits, or fewer than %d people",
                     o->folder, VISITORS_NEEDED);
        if (e == ERR_OK)
            e = weights ? print_visit_weights(o, v) : judge_visits(o, v, risk);
        arena_fini(&v->arena);
    }
    free(v);
    free(risk);
    return e;
}

enum err courses_evaluate_visits(const struct courses_options *o)
{
    return with_visits(o, false);
}

enum err courses_print_visit_weights(const struct courses_options *o)
{
    return with_visits(o, true);
}
