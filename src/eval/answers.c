#include "eval/answers.h"

#include "base/assert.h"
#include "base/civil.h"
#include "base/hash.h"
#include "eval/split.h"
#include "twin/mastery.h"
#include "twin/mind.h"

#include <math.h>
#include <stdlib.h>

struct answer {
    uint32_t learner, item, first_skill;
    int8_t outcome; /* -1: shown, not asked */
    uint8_t skill_count;
    bool test;
    float latency_s; /* < 0: not timed */
    int64_t at_s;    /* 0: unknown */
};

struct names {
    struct strmap map; /* to number + 1 */
    uint32_t count;
};

struct answers {
    struct arena arena; /* of the names */
    struct names learners, items, skills;
    struct str *learner_ids;
    uint32_t learner_cap;
    struct answer *rows;
    int64_t count, cap;
    uint32_t *skill_ids; /* of all rows, one after the other */
    int64_t skill_count, skill_cap;
};

static const char *const model_names[ANSWERS_MODEL_COUNT] = {"item-mean", "mastery", "best-lr",
                                                             "doppel"};

const char *answers_model_name(enum answers_model m)
{
    return model_names[m];
}

/* ---- reading ---- */

enum err answers_new(struct answers **ret)
{
    struct answers *a = calloc(1, sizeof *a);

    if (!a)
        return ERR_NOMEM;
    arena_init(&a->arena, ANSWERS_NAMES_BYTES_MAX);
    strmap_init(&a->learners.map, &a->arena);
    strmap_init(&a->items.map, &a->arena);
    strmap_init(&a->skills.map, &a->arena);
    *ret = a;
    return ERR_OK;
}

void answers_free(struct answers *a)
{
    if (!a)
        return;
    arena_fini(&a->arena);
    free(a->learner_ids);
    free(a->rows);
    free(a->skill_ids);
    free(a);
}

/* The name's number, in the order of appearance. */
static enum err number_of(struct answers *a, struct names *n, struct str name, uint32_t *ret)
{
    uintptr_t known = (uintptr_t)strmap_get(&n->map, name);

    if (!known) {
        struct str key = arena_str(&a->arena, name);
        void **slot = key.p ? strmap_slot(&n->map, key) : NULL;

        if (!slot)
            return ERR_NOMEM;
        known = ++n->count;
        *slot = (void *)known;
    }
    *ret = (uint32_t)(known - 1);
    return ERR_OK;
}

/* Room for `more` elements of an array that doubles. */
static enum err grow(void *array, int64_t *cap, int64_t count, int64_t more, size_t size)
{
    void **p = array;

    if (count + more <= *cap)
        return ERR_OK;
    int64_t wanted = *cap ? *cap * 2 : 4096;
    void *bigger = realloc(*p, (size_t)(wanted > count + more ? wanted : count + more) * size);

    if (!bigger)
        return ERR_NOMEM;
    *p = bigger;
    *cap = wanted > count + more ? wanted : count + more;
    return ERR_OK;
}

static enum err add_learner(struct answers *a, struct str id, uint32_t *ret)
{
    uint32_t before = a->learners.count;
    int64_t cap = a->learner_cap;
    enum err e = before < ANSWERS_LEARNERS_MAX ? ERR_OK : ERR_TOO_LARGE;

    if (e == ERR_OK)
        e = grow(&a->learner_ids, &cap, before, 1, sizeof *a->learner_ids);
    a->learner_cap = (uint32_t)cap;
    if (e == ERR_OK)
        e = number_of(a, &a->learners, id, ret);
    if (e == ERR_OK && *ret == before) {
        a->learner_ids[before] = arena_str(&a->arena, id);
        e = a->learner_ids[before].p ? ERR_OK : ERR_NOMEM;
    }
    return e;
}

enum err answers_add(struct answers *a, const struct event *e, bool test)
{
    bool asked = e->kind == EVENT_ANSWER && e->correct >= 0;
    struct answer row = {
        .outcome = asked ? e->correct : -1,
        .skill_count = (uint8_t)e->skill_count,
        .test = test,
        .latency_s = e->latency_ms >= 0 ? (float)e->latency_ms / 1000 : -1,
        .at_s = e->untimed || e->at == TIME_NONE ? 0 : e->at / US_PER_S,
    };

    if ((!asked && e->kind != EVENT_STUDY) || !e->item.p)
        return ERR_OK;
    if (a->count >= ANSWERS_MAX)
        return ERR_TOO_LARGE;
    ASSERT(e->skill_count >= 0 && e->skill_count <= STRUGGLE_SKILLS_MAX);
    enum err err = grow(&a->rows, &a->cap, a->count, 1, sizeof *a->rows);

    if (err == ERR_OK)
        err = grow(&a->skill_ids, &a->skill_cap, a->skill_count, e->skill_count,
                   sizeof *a->skill_ids);
    if (err == ERR_OK)
        err = add_learner(a, e->learner, &row.learner);
    if (err == ERR_OK)
        err = number_of(a, &a->items, e->item, &row.item);
    row.first_skill = (uint32_t)a->skill_count;
    for (int32_t i = 0; i < e->skill_count && err == ERR_OK; i++)
        err = number_of(a, &a->skills, e->skills[i], &a->skill_ids[a->skill_count + i]);
    if (err != ERR_OK)
        return err;
    a->skill_count += e->skill_count;
    a->rows[a->count++] = row;
    return ERR_OK;
}

uint32_t answers_learners(const struct answers *a)
{
    return a->learners.count;
}

/* ---- splitting ---- */

static int by_bytes(const void *pa, const void *pb, void *user)
{
    const struct answers *a = user;

    return str_cmp(a->learner_ids[*(const uint32_t *)pa], a->learner_ids[*(const uint32_t *)pb]);
}

static int by_number(const void *pa, const void *pb, void *user)
{
    const struct answers *a = user;
    int64_t x = 0, y = 0;

    if (str_to_i64(a->learner_ids[*(const uint32_t *)pa], &x) != ERR_OK ||
        str_to_i64(a->learner_ids[*(const uint32_t *)pb], &y) != ERR_OK)
        UNREACHABLE();
    return (x > y) - (x < y);
}

enum err answers_split(struct answers *a, uint32_t seed, double share)
{
    uint32_t n = a->learners.count, tested = (uint32_t)lrint(share * n);
    uint32_t *order = calloc((size_t)n + 1, sizeof *order);
    bool *test = calloc((size_t)n + 1, sizeof *test), numbers = true;
    int64_t v;

    if (!order || !test) {
        free(order);
        free(test);
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
        numbers = numbers && str_to_i64(a->learner_ids[i], &v) == ERR_OK;
    }
    qsort_r(order, n, sizeof *order, numbers ? by_number : by_bytes, a);
    split_shuffle(seed, order, n);
    for (uint32_t i = 0; i < tested && i < n; i++)
        test[order[i]] = true;
    for (int64_t i = 0; i < a->count; i++)
        a->rows[i].test = test[a->rows[i].learner];
    free(order);
    free(test);
    return ERR_OK;
}

/* ---- forecasting ---- */

/* Numbers of the rows: training part first, learners in the order of appearance, each one's rows in
 * order. By counting, as this is what keeps equal rows in order. */
static enum err row_order(const struct answers *a, int64_t **ret)
{
    size_t keys = (size_t)a->learners.count * 2;
    int64_t *at = calloc(keys + 1, sizeof *at),
            *order = calloc((size_t)a->count + 1, sizeof *order);

    if (!at || !order) {
        free(at);
        free(order);
        return ERR_NOMEM;
    }
    for (int64_t i = 0; i < a->count; i++)
        at[(a->rows[i].test ? a->learners.count : 0) + a->rows[i].learner + 1]++;
    for (size_t i = 1; i <= keys; i++)
        at[i] += at[i - 1];
    for (int64_t i = 0; i < a->count; i++)
        order[at[(a->rows[i].test ? a->learners.count : 0) + a->rows[i].learner]++] = i;
    free(at);
    *ret = order;
    return ERR_OK;
}

/* One learner at a time, with the memory that a server has for one. */
struct tracker {
    struct struggle_model *model;
    struct mind *mind;
    uint32_t learner;
};

static void tracker_fini(struct tracker *t)
{
    struggle_model_free(t->model);
    mind_free(t->mind);
}

static enum err tracker_init(struct tracker *t, bool best_lr)
{
    *t = (struct tracker){.learner = UINT32_MAX};
    enum err e = mind_new(&t->mind);

    if (e == ERR_OK)
        e = struggle_model_new(STRUGGLE_BITS_DEFAULT, best_lr ? STRUGGLE_BEST_LR : STRUGGLE_FULL,
                               &t->model);
    if (e != ERR_OK)
        tracker_fini(t);
    return e;
}

static double track(struct tracker *t, const struct answers *a, const struct answer *r)
{
    uint64_t skills[STRUGGLE_SKILLS_MAX];
    struct struggle_question q;
    double p = (double)NAN;

    for (int j = 0; j < r->skill_count; j++)
        skills[j] = a->skill_ids[r->first_skill + (uint32_t)j] + UINT64_C(1);
    mind_question(t->mind, r->item + UINT64_C(1), skills, r->skill_count, r->at_s, &q);
    if (r->outcome >= 0) {
        struct struggle_features f;
        struct struggle_prediction prediction;

        struggle_read(t->model, &q, &f);
        struggle_predict(t->model, &f, &prediction);
        struggle_learn(t->model, &f, &prediction, r->outcome);
        p = prediction.probability;
    }
    mind_answer(t->mind, &q, r->outcome == 1, r->outcome < 0, (double)r->latency_s);
    return p;
}

/* Share of right answers to an item so far, drawn to the general share as if by five answers. */
struct share {
    double right, n;
};

static double take_mean(struct share *item, struct share *all, int outcome)
{
    const double drawn = 5;
    double general = (all->right + 1) / (all->n + 2),
           p = (item->right + drawn * general) / (item->n + drawn);

    item->right += outcome, item->n++;
    all->right += outcome, all->n++;
    return p;
}

static enum err forecast_means(const struct answers *a, const int64_t *order, struct forecast *f,
                               int64_t *ret_n)
{
    struct share *items = calloc((size_t)a->items.count + 1, sizeof *items), all = {0};
    int64_t n = 0;

    if (!items)
        return ERR_NOMEM;
    for (int64_t i = 0; i < a->count; i++) {
        const struct answer *r = &a->rows[order[i]];

        if (r->outcome < 0)
            continue;
        double p = take_mean(&items[r->item], &all, r->outcome);

        if (r->test)
            f[n++] = (struct forecast){(float)p, (uint8_t)r->outcome, r->learner};
    }
    free(items);
    *ret_n = n;
    return ERR_OK;
}

/* A learner's skills, and what people in general do on them. */
struct skill_state {
    struct mastery own;
    uint32_t learner; /* + 1, whose it is */
    int64_t right, answers;
};

static double take_mastery(struct skill_state *skills, const struct answers *a,
                           const struct answer *r)
{
    double sum = 0;

    for (int j = 0; j < r->skill_count; j++) {
        struct skill_state *s = &skills[a->skill_ids[r->first_skill + (uint32_t)j]];
        struct mastery_prior prior = mastery_prior_of(s->right, s->answers);

        if (s->learner != r->learner + 1)
            s->own = (struct mastery){0}, s->learner = r->learner + 1;
        sum += mastery_probability(&s->own, &prior, r->at_s);
        mastery_answer(&s->own, r->outcome, r->at_s);
        s->right += r->outcome, s->answers++;
    }
    return r->skill_count ? sum / r->skill_count : mastery_prior_default.mean;
}

static enum err forecast_mastery(const struct answers *a, const int64_t *order, struct forecast *f,
                                 int64_t *ret_n)
{
    struct skill_state *skills = calloc((size_t)a->skills.count + 1, sizeof *skills);
    int64_t n = 0;

    if (!skills)
        return ERR_NOMEM;
    for (int64_t i = 0; i < a->count; i++) {
        const struct answer *r = &a->rows[order[i]];

        if (r->outcome < 0)
            continue;
        double p = take_mastery(skills, a, r);

        if (r->test)
            f[n++] = (struct forecast){(float)p, (uint8_t)r->outcome, r->learner};
    }
    free(skills);
    *ret_n = n;
    return ERR_OK;
}

static enum err forecast_tracker(const struct answers *a, const int64_t *order, bool best_lr,
                                 struct forecast *f, int64_t *ret_n)
{
    struct tracker t;
    int64_t n = 0;
    enum err e = tracker_init(&t, best_lr);

    if (e != ERR_OK)
        return e;
    for (int64_t i = 0; i < a->count; i++) {
        const struct answer *r = &a->rows[order[i]];

        if (r->learner != t.learner) {
            mind_clear(t.mind);
            t.learner = r->learner;
        }
        double p = track(&t, a, r);

        if (r->test && r->outcome >= 0)
            f[n++] = (struct forecast){(float)p, (uint8_t)r->outcome, r->learner};
    }
    tracker_fini(&t);
    *ret_n = n;
    return ERR_OK;
}

enum err answers_forecast(const struct answers *a, enum answers_model m, struct forecast **ret,
                          int64_t *ret_n)
{
    int64_t *order = NULL;
    struct forecast *f = calloc((size_t)a->count + 1, sizeof *f);
    enum err e = f ? row_order(a, &order) : ERR_NOMEM;

    if (e == ERR_OK)
        e = m == ANSWERS_ITEM_MEAN ? forecast_means(a, order, f, ret_n)
            : m == ANSWERS_MASTERY ? forecast_mastery(a, order, f, ret_n)
                                   : forecast_tracker(a, order, m == ANSWERS_BEST_LR, f, ret_n);
    free(order);
    if (e != ERR_OK)
        free(f);
    else
        *ret = f;
    return e;
}

/* Learners of the test part only, numbered without gaps: who was not asked is not resampled. */
static enum err number_clusters(const struct answers *a, struct forecast *f, int64_t n,
                                uint32_t *ret_clusters)
{
    uint32_t *number = calloc((size_t)a->learners.count + 1, sizeof *number), clusters = 0;

    if (!number)
        return ERR_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        if (!number[f[i].cluster])
            number[f[i].cluster] = ++clusters;
        f[i].cluster = number[f[i].cluster] - 1;
    }
    free(number);
    *ret_clusters = clusters;
    return ERR_OK;
}

enum err answers_evaluate(const struct answers *a, const char *set, int32_t resamples, FILE *out)
{
    enum err e = ERR_OK;

    for (int m = 0; m < ANSWERS_MODEL_COUNT && e == ERR_OK; m++) {
        struct forecast *f = NULL;
        struct scores s;
        uint32_t clusters = 0;
        int64_t n = 0;

        e = answers_forecast(a, (enum answers_model)m, &f, &n);
        if (e == ERR_OK)
            e = number_clusters(a, f, n, &clusters);
        if (e == ERR_OK)
            e = scores_of(f, n, clusters, resamples, &s);
        if (e == ERR_OK)
            scores_print(out, set, "test", model_names[m], &s);
        free(f);
    }
    return e;
}
