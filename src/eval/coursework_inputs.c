#include "eval/coursework.h"

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
    struct warning_learner l = {tasks, 0, r->registered, r->attempts, r->credits, r->education};
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

        if (r->left <= day || (r->registered != WARNING_NEVER && r->registered > day))
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
