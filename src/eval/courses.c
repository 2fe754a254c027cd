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
    LEVELS = 5,  /* of education */
    PERSON = 12, /* inputs that tell of the person */
    CONTEXT = PERSON + MODULES_MAX + 1,
    INPUTS = WARNING_INPUTS + CONTEXT,
    ARENA_BYTES = 1 << 30,
};
static const double ridge = 256;
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
    bool counts, exam, quiz;
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
    double context[PERSON];
    bool bad_end;
    int32_t handed_from, handed_to;
};

struct handed {
    int32_t row, task, day;
    bool carried;
    double score;
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
            t->counts = weight > 0;
            d->task_count++;
        }
    }
    sheet_close(&s);
    return e == ERR_EOF ? ERR_OK : e;
}

static void read_person(struct sheet *s, double ret[PERSON])
{
    static const char *const education[LEVELS] = {"No Formal quals", "Lower Than A Level",
                                                  "A Level or Equivalent", "HE Qualification",
                                                  "Post Graduate Qualification"};
    struct str band = sheet_text(s, 5), age = sheet_text(s, 6);
    double decile = band.n > 0 && band.p[0] >= '0' && band.p[0] <= '9' ? band.p[0] - '0' : NAN;

    memset(ret, 0, PERSON * sizeof *ret);
    if (band.n > 1 && band.p[1] == '-')
        decile = 0; /* "0-10%"; the others begin with two digits */
    for (int i = 0; i < LEVELS; i++)
        ret[i] = str_eq(sheet_text(s, 4), str_from(education[i]));
    ret[5] = isnan(decile) ? 0 : (decile - 4.5) / 3;
    ret[6] = isnan(decile);
    ret[7] = decile < 2;
    ret[8] = str_eq(sheet_text(s, 3), STR("M"));
    ret[9] = str_eq(age, STR("35-55"));
    ret[10] = str_eq(age, STR("55<="));
    ret[11] = str_eq(sheet_text(s, 9), STR("TRUE"));
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
            d->handed[d->handed_count++] =
                (struct handed){(int32_t)(r - d->rows), (int32_t)(task - d->tasks), (int32_t)day,
                                str_eq(sheet_text(&s, 3), STR("TRUE")), score};
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

/* Of each task: how many have handed it in, and how well that went. A score is taken as known when
 * the work is: the set does not say when it was marked. */
static void cohorts_by(struct data *d, int32_t day)
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
}

static enum err inputs_of(const struct data *d, const struct row *r, int32_t day, double *ret)
{
    struct warning_task tasks[WARNING_TASKS_MAX];
    struct warning_learner l = {tasks, 0, r->registered, r->attempts, r->credits};
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
            .counts = t->counts,
            .quiz = t->quiz,
            .carried = h && h->carried,
            .score = h ? h->score : (double)NAN,
            .standing = h ? (h->score - t->mean) / t->sd : (double)NAN,
            .share = t->share,
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
    double *x;
    uint8_t *y;
    uint32_t *cluster;
    int32_t rows;
};

static void table_free(struct table *t)
{
    free(t->x);
    free(t->y);
    free(t->cluster);
}

/* width: the first inputs of INPUTS */
static enum err table_of(const struct data *d, int32_t day, bool test, int32_t width,
                         struct table *ret)
{
    size_t n = (size_t)d->row_count + 1;
    struct table t = {calloc(n * (size_t)width, sizeof(double)), calloc(n, 1),
                      calloc(n, sizeof(uint32_t)), 0};
    enum err e = t.x && t.y && t.cluster ? ERR_OK : ERR_NOMEM;

    for (int32_t i = 0; e == ERR_OK && i < d->row_count; i++) {
        const struct row *r = &d->rows[i];
        double x[INPUTS];

        if (d->presentations[r->presentation].test != test || r->left <= day ||
            (r->registered != WARNING_NEVER && r->registered > day))
            continue;
        e = inputs_of(d, r, day, x);
        memcpy(t.x + (size_t)t.rows * width, x, (size_t)width * sizeof *x);
        t.y[t.rows] = r->bad_end;
        t.cluster[t.rows++] = r->cluster;
    }
    if (e == ERR_OK)
        *ret = t;
    else
        table_free(&t);
    return e;
}

/* ---- models ---- */

static enum err print_scores(const struct courses_options *o, const struct data *d,
                             const struct forecast *f, int32_t n, int32_t day, const char *model)
{
    struct scores s;
    char split[32];
    enum err e = scores_of(f, n, d->clusters, o->resamples, &s);

    snprintf(split, sizeof split, "day-%" PRId32, day);
    if (e == ERR_OK)
        scores_print(o->out, o->set, split, model, &s);
    return e;
}

static float bounded(double odds)
{
    return (float)(1 / (1 + exp(-odds)));
}

/* The share of bad ends among those who have missed something due, and among the others. */
static void forecast_missed(const struct table *train, const struct table *test, int32_t width,
                            struct forecast *f)
{
    double n[2] = {2, 2}, bad[2] = {1, 1};

    for (int32_t i = 0; i < train->rows; i++) {
        int missed = train->x[(size_t)i * width + WARNING_IN_MISSED_ANY] > 0;

        n[missed]++;
        bad[missed] += train->y[i];
    }
    for (int32_t i = 0; i < test->rows; i++) {
        int missed = test->x[(size_t)i * width + WARNING_IN_MISSED_ANY] > 0;

        f[i].p = (float)(bad[missed] / n[missed]);
    }
}

static enum err evaluate_day(const struct courses_options *o, struct data *d, int32_t day)
{
    struct table train = {0}, test = {0};
    double w[INPUTS];
    struct arena scratch;

    arena_init(&scratch, 1 << 20);
    cohorts_by(d, day);
    enum err e = table_of(d, day, false, INPUTS, &train);
    if (e == ERR_OK)
        e = table_of(d, day, true, INPUTS, &test);
    struct forecast *f = e == ERR_OK ? calloc((size_t)test.rows + 1, sizeof *f) : NULL;
    if (e == ERR_OK && !f)
        e = ERR_NOMEM;
    for (int32_t i = 0; e == ERR_OK && i < test.rows; i++)
        f[i] = (struct forecast){.outcome = test.y[i], .cluster = test.cluster[i]};
    if (e == ERR_OK) {
        forecast_missed(&train, &test, INPUTS, f);
        e = print_scores(o, d, f, test.rows, day, "missed-task");
    }
    for (int32_t i = 0; e == ERR_OK && i < test.rows; i++) {
        struct warning_forecast ret;

        e = warning_forecast(&warning_default, test.x + (size_t)i * INPUTS, day, &ret);
        f[i].p = (float)ret.risk;
    }
    if (e == ERR_OK)
        e = print_scores(o, d, f, test.rows, day, "doppel");
    if (e == ERR_OK)
        e = warning_fit(&scratch, train.x, train.y, train.rows, INPUTS, ridge, NULL, w);
    for (int32_t i = 0; e == ERR_OK && i < test.rows; i++) {
        double odds = 0;

        for (int32_t j = 0; j < INPUTS; j++)
            odds += w[j] * test.x[(size_t)i * INPUTS + j];
        f[i].p = bounded(odds);
    }
    if (e == ERR_OK)
        e = print_scores(o, d, f, test.rows, day, "doppel-context");
    free(f);
    table_free(&train);
    table_free(&test);
    arena_fini(&scratch);
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
        struct table train = {0};
        struct arena scratch;
        double w[WARNING_INPUTS];

        arena_init(&scratch, 1 << 20);
        cohorts_by(d, landmark_days[i]);
        e = table_of(d, landmark_days[i], false, WARNING_INPUTS, &train);
        if (e == ERR_OK)
            e = warning_fit(&scratch, train.x, train.y, train.rows, WARNING_INPUTS, ridge, NULL, w);
        if (e == ERR_OK) {
            fprintf(o->out, "{%" PRId32 ", %" PRId32 ", {", landmark_days[i], train.rows);
            for (int j = 0; j < WARNING_INPUTS; j++)
                fprintf(o->out, "%s%.4f", j ? ", " : "", w[j]);
            fputs("}},\n", o->out);
        }
        table_free(&train);
        arena_fini(&scratch);
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
                           uint32_t mask, double *ret)
{
    struct choice c = {.mask = mask};
    double sum = 0;
    int32_t n = 0;

    for (int k = 0; k < INNER_FOLDS; k++) {
        enum err e = fit_visits(v, fold, k, scratch, &c);

        if (e != ERR_OK)
            return e;
        for (int32_t i = 0; i < v->visitor_count; i++) {
            if (fold[i] != k)
                continue;
            double p = visits_risk(&c, &v->visitors[i]);

            sum -= log(fmax(1e-6, v->visitors[i].low ? p : 1 - p));
            n++;
        }
        arena_clear(scratch);
    }
    *ret = sum / n;
    return ERR_OK;
}

/* Inputs join as long as one lessens the loss within the training part. */
static enum err choose(const struct visits *v, const uint8_t *fold, int out, struct rng *rng,
                       struct arena *scratch, struct choice *ret)
{
    uint8_t inner[VISITORS_MAX];
    struct choice c = {.mask = 1};
    double best = INFINITY;

    for (int32_t i = 0; i < v->visitor_count; i++)
        inner[i] = fold[i] == out ? UINT8_MAX : 0;
    deal(v, INNER_FOLDS, rng, inner);
    enum err e = inner_loss(v, inner, scratch, c.mask, &best);
    for (bool better = true; better && e == ERR_OK;) {
        uint32_t mask = c.mask;

        better = false;
        for (int in = 1; in < WARNING_VISIT_INPUTS && e == ERR_OK; in++) {
            double loss = INFINITY;

            if (mask >> in & 1)
                continue;
            e = inner_loss(v, inner, scratch, mask | 1u << in, &loss);
            if (loss < best) {
                best = loss;
                c.mask = mask | 1u << in;
                better = true;
            }
        }
    }
    if (e == ERR_OK)
        e = fit_visits(v, fold, out, scratch, &c);
    arena_clear(scratch);
    if (e == ERR_OK)
        *ret = c;
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

/* Each visitor's risk is the mean of REPEATS forecasts, none of which had seen that visitor. */
static enum err crossed(const struct visits *v, uint32_t mask, double *ret)
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

            e = mask ? fit_visits(v, fold, k, &scratch, &c)
                     : choose(v, fold, k, &rng, &scratch, &c);
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
        uint32_t mask; /* 0: chosen within the training folds */
    } models[] = {
        {"count-of-actions", 1u << WARNING_VISIT_ONE | 1u << WARNING_VISIT_ACTIONS},
        {"chosen-in-folds", 0},
        {"doppel", 1u << WARNING_VISIT_ONE | 1u << WARNING_VISIT_SILENCE},
    };

    absent_risk(v, risk);
    enum err e = print_visits(o, v, risk, "seven-days-absent");
    for (size_t i = 0; i < COUNT(models) && e == ERR_OK; i++) {
        e = crossed(v, models[i].mask, risk);
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
