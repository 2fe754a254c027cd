#include "twin/warning_run.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool warning_run_present(const struct warning_member *m, int32_t day)
{
    return m->left > day && (m->registered == WARNING_NEVER || m->registered <= day);
}

void warning_run_left(const struct warning_run *r, int32_t day, int32_t *ret_began,
                      int32_t *ret_left)
{
    const int32_t first = warning_default.landmarks[0].day,
                  last = warning_default.landmarks[warning_default.landmark_count - 1].day;

    *ret_began = *ret_left = 0;
    for (int32_t i = 0; i < r->member_count; i++) {
        const struct warning_member *m = &r->members[i];

        if (m->counted && warning_run_present(m, first)) {
            ++*ret_began;
            *ret_left += m->left <= (day < last ? day : last);
        }
    }
}

/* ---- the cohort by a day ---- */

struct place {
    double value;
    int32_t piece, handed;
};

static int by_value(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;

    if (a->piece != b->piece)
        return a->piece - b->piece;
    return (a->value > b->value) - (a->value < b->value);
}

static int32_t end_of_level(const struct place *p, int32_t from, int32_t end)
{
    int32_t i = from;

    while (i < end && !(p[i].value > p[from].value))
        i++;
    return i;
}

/* Ranks those who count, each piece for itself; those level in the middle of their places. */
static void rank(struct warning_run *r, struct place *p, int32_t n, bool scores)
{
    qsort(p, (size_t)n, sizeof *p, by_value);
    for (int32_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && p[end].piece == p[i].piece;)
            end++;
        for (int32_t j = i, level; j < end; j = level) {
            level = end_of_level(p, j, end);
            for (int32_t k = j; k < level; k++) {
                struct warning_handed *h = &r->handed[p[k].handed];

                *(scores ? &h->score_place : &h->day_place) =
                    ((j - i) + (level - j) / 2.0) / (end - i);
            }
        }
    }
}

static bool has_place(const struct warning_run *r, const struct warning_handed *h, int32_t day,
                      bool scores)
{
    const struct warning_member *m = &r->members[h->member];

    return m->counted && h->day <= day && m->left > day &&
           (scores ? !isnan(h->score) : !h->carried);
}

static enum err places_by(struct arena *scratch, struct warning_run *r, int32_t day)
{
    struct place *p = arena_new(scratch, struct place, (size_t)r->handed_count + 1);

    if (!p)
        return ERR_NOMEM;
    for (int scores = 0; scores < 2; scores++) {
        int32_t n = 0;

        for (int32_t i = 0; i < r->handed_count; i++) {
            struct warning_handed *h = &r->handed[i];

            *(scores ? &h->score_place : &h->day_place) = NAN;
            if (has_place(r, h, day, scores))
                p[n++] = (struct place){scores ? h->score : h->day, h->piece, i};
        }
        rank(r, p, n, scores);
    }
    return ERR_OK;
}

static int32_t last_landmark(int32_t day)
{
    int32_t i = warning_default.landmark_count - 1;

    while (i >= 0 && warning_default.landmarks[i].day > day)
        i--;
    return i;
}

static void learn_others(struct warning_run *r, int32_t day)
{
    for (int32_t i = 0; i < r->member_count; i++) {
        r->members[i].record = (struct warning_record){0, 0};
        r->members[i].others = 0;
    }
    for (int32_t i = 0; i < r->other_count; i++) {
        const struct warning_other *o = &r->others[i];
        struct warning_member *m = &r->members[o->member];
        int32_t mark = last_landmark(day + o->shift);
        double now = NAN;

        if (mark < 0 || isnan(o->bare[0]))
            continue;
        if (o->left <= day + o->shift)
            now = 1;
        else if (o->ends > day + o->shift)
            now = o->bare[mark];
        else if (o->outcome != WARNING_OPEN)
            now = o->outcome == WARNING_BAD_END;
        if (isnan(now))
            continue;
        warning_record_learn(&m->record, o->bare[0], now);
        m->others++;
    }
}

enum err warning_run_cohort(struct arena *scratch, struct warning_run *r, int32_t day)
{
    static const double sd_least = 5;
    double present = 0;

    learn_others(r, day);
    for (int32_t i = 0; i < r->piece_count; i++)
        r->pieces[i].n = r->pieces[i].mean = r->pieces[i].sd = 0;
    for (int32_t i = 0; i < r->member_count; i++)
        present += r->members[i].counted && r->members[i].left > day;
    for (int32_t i = 0; i < r->handed_count; i++) {
        const struct warning_handed *h = &r->handed[i];
        struct warning_piece *p = &r->pieces[h->piece];

        if (!r->members[h->member].counted || h->day > day || isnan(h->score))
            continue;
        double off = h->score - p->mean;

        p->mean += off / ++p->n;
        p->sd += off * (h->score - p->mean);
    }
    for (int32_t i = 0; i < r->piece_count; i++) {
        struct warning_piece *p = &r->pieces[i];

        p->sd = fmax(sd_least, p->n > 1 ? sqrt(p->sd / (p->n - 1)) : 0);
        p->share = present > 0 ? fmin(1, p->n / present) : 0;
    }
    return places_by(scratch, r, day);
}

enum err warning_run_read(const struct warning_run *r, int32_t member, int32_t day,
                          double ret[WARNING_INPUTS])
{
    const struct warning_member *m = &r->members[member];
    struct warning_task tasks[WARNING_TASKS_MAX];
    struct warning_learner l = {.tasks = tasks,
                                .registered_day = m->registered,
                                .attempts = m->attempts,
                                .credits = m->credits,
                                .education = m->education,
                                .record = m->record};

    ASSERT(r->piece_count <= WARNING_TASKS_MAX);
    for (int32_t i = 0, at = m->handed_from; i < r->piece_count; i++) {
        const struct warning_piece *p = &r->pieces[i];
        const struct warning_handed *h = NULL;

        while (at < m->handed_to && r->handed[at].piece < i)
            at++;
        if (at < m->handed_to && r->handed[at].piece == i)
            h = &r->handed[at];
        tasks[l.task_count++] = (struct warning_task){
            .due_day = p->due,
            .handed_day = h ? h->day : WARNING_NEVER,
            .quiz = p->quiz,
            .carried = h && h->carried,
            .weight = p->weight,
            .score = h ? h->score : (double)NAN,
            .standing = h ? (h->score - p->mean) / p->sd : (double)NAN,
            .share = p->share,
            .score_place = h ? h->score_place : (double)NAN,
            .day_place = h ? h->day_place : (double)NAN,
        };
    }
    return warning_read(&l, day, ret);
}

/* ---- what ended runs teach ---- */

struct table {
    double *x; /* runs of WARNING_INPUTS */
    uint8_t *y;
    int32_t rows;
};

static bool teaches(const struct warning_member *m, int32_t day)
{
    return m->counted && m->outcome != WARNING_OPEN && warning_run_present(m, day);
}

static enum err read_runs(struct arena *scratch, struct warning_run *const *runs, int32_t count,
                          int32_t day, struct table *ret)
{
    size_t n = 0;

    for (int32_t k = 0; k < count; k++)
        n += (size_t)runs[k]->member_count;
    *ret = (struct table){.x = arena_new(scratch, double, n *WARNING_INPUTS + 1),
                          .y = arena_new(scratch, uint8_t, n + 1)};
    if (!ret->x || !ret->y)
        return ERR_NOMEM;
    for (int32_t k = 0; k < count; k++) {
        enum err e = warning_run_cohort(scratch, runs[k], day);

        for (int32_t i = 0; e == ERR_OK && i < runs[k]->member_count; i++) {
            if (!teaches(&runs[k]->members[i], day))
                continue;
            e = warning_run_read(runs[k], i, day, ret->x + (size_t)ret->rows * WARNING_INPUTS);
            ret->y[ret->rows++] = runs[k]->members[i].outcome == WARNING_BAD_END;
        }
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* The fit sees the fitted inputs alone. */
static enum err fit(struct arena *scratch, const struct table *t, const double *prior, double *ret)
{
    double *x = arena_new(scratch, double, (size_t)t->rows *WARNING_FITTED + 1);

    if (!x)
        return ERR_NOMEM;
    for (int32_t i = 0; i < t->rows; i++)
        memcpy(x + (size_t)i * WARNING_FITTED, t->x + (size_t)i * WARNING_INPUTS,
               WARNING_FITTED * sizeof *x);
    return warning_fit(scratch, x, t->y, t->rows, WARNING_FITTED, WARNING_OWN_RIDGE, prior, ret);
}

static enum err learn_landmark(struct arena *scratch, struct warning_run *const *runs,
                               int32_t count, int32_t landmark, struct warning_past *p)
{
    struct warning_model m = {.landmark_count = 1,
                              .landmarks[0] = warning_default.landmarks[landmark]};
    double w[WARNING_FITTED], *own = m.landmarks[0].weights;
    struct table t;
    enum err e = read_runs(scratch, runs, count, m.landmarks[0].day, &t);

    if (e != ERR_OK || t.rows == 0)
        return e;
    e = fit(scratch, &t, own, w);
    if (e == ERR_OK)
        memcpy(own + 1, w + 1, (WARNING_FITTED - 1) * sizeof *w);
    else if (e != ERR_RANGE) /* all ended alike: the weights stay */
        return e;
    p->rows[landmark] = t.rows;
    memcpy(p->weights[landmark], own + 1, sizeof p->weights[landmark]);
    for (int32_t i = 0; i < t.rows; i++) {
        struct warning_forecast f;

        e = warning_forecast(&m, NULL, t.x + (size_t)i * WARNING_INPUTS, m.landmarks[0].day, &f);
        if (e != ERR_OK)
            return e;
        warning_course_learn(&p->sums, landmark, f.risk, t.y[i]);
    }
    return ERR_OK;
}

enum err warning_past_learn(struct arena *scratch, struct warning_run *const *runs, int32_t count,
                            struct warning_past *ret)
{
    enum err e = ERR_OK;

    *ret = (struct warning_past){.rows = {0}};
    for (int32_t i = 0; e == ERR_OK && i < warning_default.landmark_count; i++) {
        e = learn_landmark(scratch, runs, count, i, ret);
        arena_clear(scratch);
    }
    return e;
}

void warning_past_model(const struct warning_past *p, struct warning_model *ret)
{
    *ret = warning_default;
    for (int32_t i = 0; i < ret->landmark_count; i++)
        if (p->rows[i] > 0)
            memcpy(ret->landmarks[i].weights + 1, p->weights[i], sizeof p->weights[i]);
}

/* ---- kept ---- */

static uint8_t *put(uint8_t *at, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        *at++ = (uint8_t)(v >> 8 * i);
    return at;
}

static uint8_t *put_real(uint8_t *at, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return put(at, bits, 8);
}

size_t warning_past_encode(const struct warning_past *p, uint8_t *ret)
{
    uint8_t *at = put(ret, WARNING_PAST_VERSION, 4);

    at = put(at, (uint64_t)warning_default.landmark_count, 4);
    for (int32_t i = 0; i < warning_default.landmark_count; i++) {
        at = put(at, (uint64_t)p->rows[i], 4);
        at = put_real(at, p->sums.surplus[i]);
        at = put_real(at, p->sums.spread[i]);
        for (int j = 0; j < (int)WARNING_FITTED - 1; j++)
            at = put_real(at, p->weights[i][j]);
    }
    return (size_t)(at - ret);
}

static uint64_t get(const uint8_t **at, size_t bytes)
{
    uint64_t v = 0;

    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t) * (*at)++ << 8 * i;
    return v;
}

static bool get_real(const uint8_t **at, double *ret)
{
    uint64_t bits = get(at, 8);

    memcpy(ret, &bits, sizeof bits);
    return isfinite(*ret);
}

enum err warning_past_decode(const void *bytes, size_t n, struct warning_past *ret)
{
    const uint8_t *at = bytes;
    const size_t each = 4 + 8 + 8 + 8 * ((size_t)WARNING_FITTED - 1);
    struct warning_past p = {.rows = {0}};
    bool good = true;

    if (n != 8 + each * (size_t)warning_default.landmark_count ||
        get(&at, 4) != WARNING_PAST_VERSION ||
        get(&at, 4) != (uint64_t)warning_default.landmark_count)
        return ERR_RANGE;
    for (int32_t i = 0; i < warning_default.landmark_count; i++) {
        p.rows[i] = (int32_t)get(&at, 4);
        good = get_real(&at, &p.sums.surplus[i]) && good;
        good = get_real(&at, &p.sums.spread[i]) && p.sums.spread[i] >= 0 && p.rows[i] >= 0 && good;
        for (int j = 0; j < (int)WARNING_FITTED - 1; j++)
            good = get_real(&at, &p.weights[i][j]) && good;
    }
    if (!good)
        return ERR_RANGE;
    *ret = p;
    return ERR_OK;
}
