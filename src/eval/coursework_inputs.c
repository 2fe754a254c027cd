#include "eval/coursework.h"

#include "base/civil.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
static void rank(struct coursework *d, struct place *p, int32_t n, bool scores)
{
    qsort(p, (size_t)n, sizeof *p, by_value);
    for (int32_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && p[end].task == p[i].task;)
            end++;
        for (int32_t j = i, level; j < end; j = level) {
            for (level = j; level < end && !(p[level].value > p[j].value);)
                level++;
            for (int32_t k = j; k < level; k++) {
                struct coursework_handed *h = &d->handed[p[k].handed];

                *(scores ? &h->score_place : &h->day_place) =
                    ((j - i) + (level - j) / 2.0) / (end - i);
            }
        }
    }
}

/* Where each piece stands among those that are there, by score and by day. */
static enum err places_by(struct coursework *d, int32_t day)
{
    struct place *p = calloc((size_t)d->handed_count + 1, sizeof *p);

    if (!p)
        return ERR_NOMEM;
    for (int scores = 0; scores < 2; scores++) {
        int32_t n = 0;

        for (int32_t i = 0; i < d->handed_count; i++) {
            struct coursework_handed *h = &d->handed[i];

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
enum err coursework_cohorts(struct coursework *d, int32_t day)
{
    double present[COURSEWORK_RUNS_MAX] = {0};

    for (int32_t i = 0; i < d->task_count; i++)
        d->tasks[i].n = d->tasks[i].mean = d->tasks[i].sd = 0;
    for (int32_t i = 0; i < d->row_count; i++)
        present[d->rows[i].presentation] += d->rows[i].left > day;
    for (int32_t i = 0; i < d->handed_count; i++) {
        const struct coursework_handed *h = &d->handed[i];
        struct coursework_task *t = &d->tasks[h->task];

        if (h->day > day || isnan(h->score))
            continue;
        double off = h->score - t->mean;

        t->mean += off / ++t->n;
        t->sd += off * (h->score - t->mean);
    }
    for (int32_t i = 0; i < d->task_count; i++) {
        struct coursework_task *t = &d->tasks[i];
        double all = present[t->presentation];

        t->sd = fmax(5, t->n > 1 ? sqrt(t->sd / (t->n - 1)) : 0);
        t->share = all > 0 ? fmin(1, t->n / all) : 0;
    }
    return places_by(d, day);
}

static enum err inputs_of(const struct coursework *d, const struct coursework_row *r, int32_t day,
                          double *ret)
{
    struct warning_task tasks[WARNING_TASKS_MAX];
    struct warning_learner l = {tasks,        0,        r->registered, r->attempts, r->credits,
                                r->education, r->record};
    int32_t at = r->handed_from;

    for (int32_t i = 0; i < d->task_count; i++) {
        const struct coursework_task *t = &d->tasks[i];
        const struct coursework_handed *h = NULL;

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
    const struct coursework_run *p = &d->presentations[r->presentation];

    memset(context, 0, COURSEWORK_CONTEXT * sizeof *context);
    memcpy(context, r->context, sizeof r->context);
    for (int32_t m = 0; m < d->module_count; m++)
        context[COURSEWORK_PERSON + m] = str_eq(p->module, d->modules[m]);
    context[COURSEWORK_PERSON + COURSEWORK_MODULES_MAX] =
        p->name.n > 0 && p->name.p[p->name.n - 1] == 'B';
    return e;
}

/* ---- other runs ---- */

enum { RUN_DAYS = 270 }; /* by then a run is over, and its results are known */

static bool present(const struct coursework_row *r, int32_t day)
{
    return r->left > day && (r->registered == WARNING_NEVER || r->registered <= day);
}

void coursework_left(const struct coursework *d, int32_t run, int32_t day, int32_t *ret_began,
                     int32_t *ret_left)
{
    *ret_began = *ret_left = 0;
    for (int32_t i = 0; i < d->row_count; i++) {
        const struct coursework_row *r = &d->rows[i];

        if (r->presentation == run && present(r, warning_default.landmarks[0].day)) {
            ++*ret_began;
            *ret_left += r->left <= day;
        }
    }
}

/* "2014B" begins with the second month of 2014. INT64_MIN: not known. */
static int64_t begins(struct str name)
{
    int32_t year = 0;

    for (size_t i = 0; i < name.n && i < 4; i++)
        year = name.p[i] >= '0' && name.p[i] <= '9' ? year * 10 + (name.p[i] - '0') : 0;
    if (name.n < 5 || year < 1900 || name.p[4] < 'A' || name.p[4] > 'L')
        return INT64_MIN;
    return civil_epoch_day(year, name.p[4] - 'A' + 1, 1);
}

/* The risk of each row on a day; NaN: not there. */
static enum err risks_on(struct coursework *d, int32_t day, double *ret)
{
    double x[COURSEWORK_INPUTS];
    struct warning_forecast f;
    enum err e = coursework_cohorts(d, day);

    for (int32_t i = 0; i < d->row_count && e == ERR_OK; i++) {
        const struct coursework_row *r = &d->rows[i];

        ret[i] = NAN;
        if (!present(r, day))
            continue;
        e = inputs_of(d, r, day, x);
        if (e == ERR_OK)
            e = warning_forecast(&warning_default, NULL, x, day, &f);
        ret[i] = f.risk;
    }
    return e;
}

struct others {
    int64_t begin, other_begin; /* the runs of these days */
    int64_t day;                /* of the other runs */
    const double *first, *now;  /* risks of the other rows */
};

static void learn_others(struct coursework *d, const struct others *o, struct warning_record *ret)
{
    for (int32_t i = 0, from = 0; i < d->row_count; i++) {
        if (d->rows[i].person != d->rows[from].person)
            from = i;
        if (begins(d->presentations[d->rows[i].presentation].name) != o->begin)
            continue;
        for (int32_t j = from; j < d->row_count && d->rows[j].person == d->rows[i].person; j++) {
            const struct coursework_row *other = &d->rows[j];
            double now = other->left <= o->day ? 1
                         : o->day >= RUN_DAYS  ? other->bad_end
                                               : o->now[j];

            if (j != i && begins(d->presentations[other->presentation].name) == o->other_begin &&
                !isnan(o->first[j]) && !isnan(now))
                warning_record_learn(&ret[i], o->first[j], now);
        }
    }
}

/* The different days on which runs begin. */
static int32_t beginnings(const struct coursework *d, int64_t ret[COURSEWORK_RUNS_MAX])
{
    int32_t n = 0;

    for (int32_t p = 0; p < d->presentation_count; p++) {
        int64_t day = begins(d->presentations[p].name);
        bool seen = day == INT64_MIN;

        for (int32_t i = 0; i < n && !seen; i++)
            seen = ret[i] == day;
        if (!seen)
            ret[n++] = day;
    }
    return n;
}

enum err coursework_records(struct coursework *d, int32_t day)
{
    const int32_t landmark = warning_default.landmarks[0].day;
    int64_t begin[COURSEWORK_RUNS_MAX];
    size_t n = (size_t)d->row_count + 1;
    double *first = calloc(n, sizeof *first), *now = calloc(n, sizeof *now);
    struct warning_record *records = calloc(n, sizeof *records);
    int32_t count = beginnings(d, begin);
    enum err e = first && now && records ? ERR_OK : ERR_NOMEM;

    for (int32_t i = 0; i < d->row_count; i++)
        d->rows[i].record = (struct warning_record){0, 0};
    if (e == ERR_OK)
        e = risks_on(d, landmark, first);
    for (int32_t i = 0; i < count * count && e == ERR_OK; i++) {
        struct others o = {begin[i / count], begin[i % count], 0, first, now};

        o.day = day + o.begin - o.other_begin;
        if (o.day < landmark)
            continue;
        if (o.day < RUN_DAYS)
            e = risks_on(d, (int32_t)o.day, now);
        if (e == ERR_OK)
            learn_others(d, &o, records);
    }
    for (int32_t i = 0; i < d->row_count && e == ERR_OK; i++)
        d->rows[i].record = records[i];
    free(first);
    free(now);
    free(records);
    return e;
}

/* ---- tables ---- */

void coursework_table_free(struct coursework_table *t)
{
    free(t->x);
    free(t->y);
    free(t->cluster);
    free(t->presentation);
}

enum err coursework_table_of(const struct coursework *d, int32_t day, struct coursework_table *ret)
{
    size_t n = (size_t)d->row_count + 1;
    struct coursework_table t = {calloc(n * COURSEWORK_INPUTS, sizeof(double)), calloc(n, 1),
                                 calloc(n, sizeof(uint32_t)), calloc(n, sizeof(int32_t)), 0};
    enum err e = t.x && t.y && t.cluster && t.presentation ? ERR_OK : ERR_NOMEM;

    for (int32_t i = 0; e == ERR_OK && i < d->row_count; i++) {
        const struct coursework_row *r = &d->rows[i];

        if (!present(r, day))
            continue;
        e = inputs_of(d, r, day, t.x + (size_t)t.rows * COURSEWORK_INPUTS);
        t.presentation[t.rows] = r->presentation;
        t.y[t.rows] = r->bad_end;
        t.cluster[t.rows++] = r->cluster;
    }
    if (e == ERR_OK)
        *ret = t;
    else
        coursework_table_free(&t);
    return e;
}
