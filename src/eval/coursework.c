#include "eval/coursework.h"

#include "base/args.h"
#include "eval/sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS_MAX = 4096, ROWS_MAX = 200000, HANDED_MAX = 1 << 20, ARENA_BYTES = 1 << 30 };

static int32_t presentation_of(struct coursework *d, struct str module, struct str name)
{
    for (int32_t i = 0; i < d->presentation_count; i++)
        if (str_eq(d->presentations[i].module, module) && str_eq(d->presentations[i].name, name))
            return i;
    if (d->presentation_count == COURSEWORK_RUNS_MAX)
        return -1;
    struct coursework_run *p = &d->presentations[d->presentation_count];
    p->module = arena_str(&d->arena, module);
    p->name = arena_str(&d->arena, name);
    return p->module.p && p->name.p ? d->presentation_count++ : -1;
}

static enum err read_tasks(const struct courses_options *o, struct coursework *d)
{
    static const char *const names[] = {
        "code_module", "code_presentation", "id_assessment", "assessment_type", "date", "weight",
        NULL};
    struct sheet s;
    enum err e = sheet_open(&s, o->folder, "assessment.csv.gz", names, o->detail);

    while (e == ERR_OK && (e = sheet_next(&s)) == ERR_OK) {
        struct coursework_task *t = &d->tasks[d->task_count];
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

static void read_person(struct sheet *s, double ret[COURSEWORK_PERSON])
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

static enum err read_rows(const struct courses_options *o, struct coursework *d)
{
    static const char *const names[] = {"code_module", "code_presentation",    "id_student",
                                        "gender",      "highest_education",    "imd_band",
                                        "age_band",    "num_of_prev_attempts", "studied_credits",
                                        "disability",  "final_result",         NULL};
    struct sheet s;
    enum err e = sheet_open(&s, o->folder, "student.csv.gz", names, o->detail);

    while (e == ERR_OK && (e = sheet_next(&s)) == ERR_OK) {
        struct coursework_row *r = &d->rows[d->row_count];
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
    const struct coursework_row *a = pa, *b = pb;

    if (a->person != b->person)
        return a->person < b->person ? -1 : 1;
    return a->presentation - b->presentation;
}

static struct coursework_row *row_of(const struct coursework *d, int64_t person,
                                     int32_t presentation)
{
    const struct coursework_row key = {.person = person, .presentation = presentation};

    return bsearch(&key, d->rows, (size_t)d->row_count, sizeof *d->rows, by_person);
}

static enum err read_registrations(const struct courses_options *o, struct coursework *d)
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
        struct coursework_row *r =
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
    const struct coursework_task *a = pa, *b = pb;

    return (a->id > b->id) - (a->id < b->id);
}

static enum err read_handed(const struct courses_options *o, struct coursework *d)
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
        const struct coursework_task key = {.id = (int64_t)id},
                                     *task = bsearch(&key, d->tasks, (size_t)d->task_count,
                                                     sizeof key, by_task_id);
        const struct coursework_row *r =
            task ? row_of(d, (int64_t)person, task->presentation) : NULL;
        if (r)
            d->handed[d->handed_count++] =
                (struct coursework_handed){(int32_t)(r - d->rows),
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
    const struct coursework_handed *a = pa, *b = pb;

    if (a->row != b->row)
        return a->row - b->row;
    return a->task != b->task ? a->task - b->task : a->day - b->day;
}

static void index_rows(struct coursework *d)
{
    int32_t at = 0;

    qsort(d->handed, (size_t)d->handed_count, sizeof *d->handed, by_row);
    for (int32_t i = 0; i < d->row_count; i++) {
        struct coursework_row *r = &d->rows[i];

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
static enum err split_years(const struct courses_options *o, struct coursework *d)
{
    struct str last = {"", 0};
    bool both = false;

    for (int32_t i = 0; i < d->presentation_count; i++) {
        struct str name = d->presentations[i].name, year = {name.p, name.n < 4 ? name.n : 4};

        if (i == 0 || str_cmp(year, last) > 0)
            last = year;
    }
    for (int32_t i = 0; i < d->presentation_count; i++) {
        struct coursework_run *p = &d->presentations[i];
        int32_t m = 0;

        p->test = str_starts(p->name, last);
        both = both || !p->test;
        while (m < d->module_count && !str_eq(d->modules[m], p->module))
            m++;
        if (!p->test && m == d->module_count && m < COURSEWORK_MODULES_MAX)
            d->modules[d->module_count++] = p->module;
    }
    if (!both)
        snprintf(o->detail, ARGS_DETAIL_MAX, "%.200s: presentations of one year only", o->folder);
    return both ? ERR_OK : ERR_UNPROCESSABLE;
}

void coursework_free(struct coursework *d)
{
    if (d)
        arena_fini(&d->arena);
    free(d);
}

enum err coursework_load(const struct courses_options *o, struct coursework **ret)
{
    struct coursework *d = calloc(1, sizeof *d);
    enum err e = ERR_NOMEM;

    if (!d)
        return e;
    arena_init(&d->arena, ARENA_BYTES);
    d->tasks = arena_new(&d->arena, struct coursework_task, TASKS_MAX + 1);
    d->rows = arena_new(&d->arena, struct coursework_row, ROWS_MAX + 1);
    d->handed = arena_new(&d->arena, struct coursework_handed, HANDED_MAX + 1);
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
        coursework_free(d);
    else
        *ret = d;
    return e;
}
