/* Which objectives the learner is likely to struggle with, why, and what could be done. */
#include "base/assert.h"
#include "base/hash.h"
#include "base/num.h"
#include "night/retained.h"
#include "night/struggle.h"
#include "twin/card.h"

#include <math.h>
#include <stdio.h>

enum { CARDS_MAX = 5000, LOAD_DAYS = 14, TEXT_MAX = 512, NODES_MAX = 4096, PER_FORECAST = 3 };

struct subject {
    struct str objective, id;
    const struct struggle_features *features; /* where nothing stands */
    struct mastery own;
    double recall_sum, gap; /* gap: NaN without prerequisites that were met */
    int64_t cards, due;
    struct outlook outlook;
    bool stands; /* today's forecast is there already */
};

struct looking {
    struct struggle_run *run;
    struct subject *subjects;
    struct struggle_features *features; /* of those without a forecast of today */
    int32_t count, fresh;               /* fresh: those without a forecast of today */
    struct strmap index; /* objective -> 1 + number of its node; subjects come first */
    struct mastery_node *nodes;
    struct mastery_now *estimates;
    int32_t node_count;
    struct mastery_edge *edges;
    int32_t edge_count;
    double load;
    int32_t card_day;
};

/* ---- reading ---- */

static int32_t node_add(struct looking *l, struct str objective)
{
    void **slot = strmap_slot(&l->index, objective);
    struct struggle_question q;
    uint64_t id = struggle_objective_id(objective);

    if (!slot)
        return -1;
    if (*slot)
        return (int32_t)((char *)*slot - (char *)l->nodes) / (int32_t)sizeof *l->nodes;
    if (l->node_count == NODES_MAX)
        return -1;
    struct mastery_node *n = &l->nodes[l->node_count];
    mind_question(l->run->mind, id, &id, 1, l->run->w->now_us / 1000000, &q);
    *n = (struct mastery_node){outlook_mastery(q.on_skill[0]), mastery_prior_default};
    *slot = n;
    return l->node_count++;
}

static struct subject *subject_of(struct looking *l, struct str objective)
{
    const struct mastery_node *n = strmap_get(&l->index, objective);

    return n && n - l->nodes < l->count ? &l->subjects[n - l->nodes] : NULL;
}

static enum err take_objectives(struct looking *l, const struct rows *rows)
{
    /* the same item for all: one that was never met */
    static const uint64_t new_question = UINT64_C(0x6e65772071756573);

    l->subjects = arena_new(l->run->w->arena, struct subject, (size_t)rows->count + 1);
    l->features = arena_new(l->run->w->arena, struct struggle_features, (size_t)rows->count + 1);
    if (!l->subjects || !l->features)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct subject *s = &l->subjects[l->count];
        uint64_t skill;
        struct struggle_question q;

        s->objective = value_str(row_at(rows, i));
        int32_t node = node_add(l, s->objective);
        if (node != l->count)
            return ERR_NOMEM; /* a row each */
        s->id = struggle_prediction_id(l->run->w->arena, l->run->w->today, s->objective);
        if (!s->id.p)
            return ERR_NOMEM;
        s->own = l->nodes[node].own;
        s->gap = (double)NAN;
        s->stands = strmap_get(&l->run->made, s->id) != NULL;
        l->count++;
        if (s->stands)
            continue; /* others may build on it all the same */
        skill = struggle_objective_id(s->objective);
        mind_question(l->run->mind, new_question, &skill, 1, l->run->w->now_us / 1000000, &q);
        s->features = &l->features[l->fresh];
        struggle_read(l->run->model, &q, &l->features[l->fresh++]);
    }
    return ERR_OK;
}

static void take_cards(struct looking *l, const struct rows *rows, const struct retained *retained)
{
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        struct subject *s = subject_of(l, value_str(&v[0]));
        struct retained_now now;

        if (!s)
            continue;
        now = retained_card(retained, &v[1], l->card_day, NULL);
        s->recall_sum += now.recall;
        s->due += now.due;
        s->cards++;
    }
}

static enum err read_facts(struct looking *l)
{
    struct night_work *w = l->run->w;
    const struct value cards[] = {V_I(w->learner_id), V_I(CARDS_MAX)}, learner = V_S(w->learner);
    const struct value load[] = {V_I(w->learner_id), V_I(w->now_us - LOAD_DAYS * US_PER_DAY)};
    struct query q[] = {
        {.stmt = STMT_OUTLOOK_CARDS, .args = cards, .arg_count = 2},
        {.stmt = STMT_OUTLOOK_LOAD, .args = load, .arg_count = 2},
        {.stmt = STMT_RETENTION_OF_LEARNER, .args = &learner, .arg_count = 1},
    };
    struct retained retained;
    enum err e = store_read(w->conn, w->arena, q, COUNT(q), w->deadline_us);

    if (e != ERR_OK)
        return e;
    struct civil c = civil_at(w->zone, w->now_us);
    l->card_day = card_day(c.epoch_day, (c.hour * 60 + c.minute) * 60 + c.second);
    retained_read(&q[2].rows, &retained);
    take_cards(l, &q[0].rows, &retained);
    const struct value *v = row_at(&q[1].rows, 0);
    l->load = value_i64(&v[0], 0) > 0 ? value_f64(&v[1], 0) / 100 : (double)NAN;
    return ERR_OK;
}

static enum err read_prerequisites(struct looking *l)
{
    struct arena *arena = l->run->w->arena;
    struct value *keys = arena_new(arena, struct value, (size_t)l->count + 1);
    struct rows rows;

    if (!keys)
        return ERR_NOMEM;
    for (int32_t i = 0; i < l->count; i++)
        keys[i] = V_S(l->subjects[i].objective);
    enum err e = store_read_bulk(l->run->w->conn, arena, STMT_OUTLOOK_PREREQUISITES, keys, l->count,
                                 1, &rows);
    if (e != ERR_OK)
        return e;
    l->edges = arena_new(arena, struct mastery_edge, (size_t)rows.count + 1);
    if (!l->edges)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows.count; i++) {
        const struct value *v = row_at(&rows, i);
        int32_t from = node_add(l, value_str(&v[0])), to = node_add(l, value_str(&v[1]));

        if (from >= 0 && to >= 0)
            l->edges[l->edge_count++] = (struct mastery_edge){from, to, value_f64(&v[2], 1)};
    }
    return ERR_OK;
}

/* ---- forecasting ---- */

static enum err forecast(struct looking *l)
{
    struct struggle_run *run = l->run;
    int64_t now_s = run->w->now_us / 1000000;
    enum err e = mastery_with_prerequisites(l->nodes, l->node_count, l->edges, l->edge_count, now_s,
                                            l->estimates);

    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < l->edge_count; i++) {
        const struct mastery_edge *edge = &l->edges[i];
        double gap = 1 - l->estimates[edge->prerequisite].probability;
        struct subject *s = edge->objective < l->count ? &l->subjects[edge->objective] : NULL;

        if (s && l->nodes[edge->prerequisite].own.answers > 0)
            s->gap = fmax(gap, isnan(s->gap) ? 0 : s->gap);
    }
    for (int32_t i = 0; i < l->count; i++) {
        struct subject *s = &l->subjects[i];
        double n = (double)s->cards;
        if (s->stands)
            continue;
        struct outlook_facts facts = {.learnt = run->learnt + run->learned,
                                      .own = s->own,
                                      .built = l->estimates[i],
                                      .now_s = now_s,
                                      .recall = s->cards ? s->recall_sum / n : (double)NAN,
                                      .due = s->cards ? (double)s->due / n : (double)NAN,
                                      .load = l->load};

        struggle_explain(run->model, s->features, facts.parts);
        outlook_of(&run->outlook, &facts, &s->outlook);
    }
    return ERR_OK;
}

/* Six digits that count, as "%.6g" has them, but quicker. */
static size_t print_number(double x, char out[NUM_TEXT_MAX])
{
    double a = fabs(x);
    int decimals = 5;

    if (a == 0 || !(a >= 1e-4 && a < 99999))
        return (size_t)snprintf(out, NUM_TEXT_MAX, "%.6g", x);
    for (double ten = 1; a < ten; ten /= 10)
        decimals++;
    for (double ten = 10; a >= ten; ten *= 10)
        decimals--;
    size_t n = num_print_fixed(x, decimals, out);
    while (out[n - 1] == '0')
        n--;
    return out[n - 1] == '.' ? n - 1 : n;
}

static struct str numbers(struct arena *arena, const double *x, int n)
{
    char text[TEXT_MAX];
    size_t at = 0;

    ASSERT(n * (NUM_TEXT_MAX + 1) + 2 <= TEXT_MAX);
    for (int i = 0; i < n; i++) {
        text[at++] = i ? ',' : '[';
        at += print_number(x[i], text + at);
    }
    text[at++] = ']';
    return arena_str(arena, (struct str){text, at});
}

static enum err put_forecasts(struct looking *l)
{
    enum { COLS = 17 };
    struct night_work *w = l->run->w;
    int32_t ahead = w->days_ahead ? w->days_ahead : NIGHT_DAYS_AHEAD;
    struct value *v = arena_new(w->arena, struct value, (size_t)l->fresh * COLS + 1);
    int32_t rows = 0;

    if (!v)
        return ERR_NOMEM;
    for (int32_t i = 0; i < l->count; i++) {
        struct subject *s = &l->subjects[i];
        const struct outlook *o = &s->outlook;

        if (s->stands)
            continue;
        struct str inputs = numbers(w->arena, o->x, OUTLOOK_INPUTS),
                   parts = numbers(w->arena, o->parts, OUTLOOK_PARTS);
        if (!inputs.p || !parts.p)
            return ERR_NOMEM;
        double n = (double)s->cards;
        const struct value row[COLS] = {V_I(w->learner_id),
                                        V_S(s->id),
                                        V_S(s->objective),
                                        V_I(w->today),
                                        V_I(w->now_us),
                                        V_I(w->now_us + ahead * US_PER_DAY),
                                        V_D(o->probability),
                                        V_D(o->low),
                                        V_D(o->high),
                                        V_D(o->right),
                                        V_I(s->own.answers),
                                        s->cards ? V_D(s->recall_sum / n) : V_N,
                                        s->cards ? V_D((double)s->due / n) : V_N,
                                        v_real(l->load),
                                        v_real(s->gap),
                                        V_S(inputs),
                                        V_S(parts)};
        memcpy(v + (size_t)rows++ * COLS, row, sizeof row);
    }
    return night_put(w, STMT_PREDICTIONS_PUT, v, rows, COLS);
}

/* What could be done where a struggle is likely, by what makes it so. A change of format is never
 * proposed: there is no evidence that it helps. */
struct proposal {
    const char *type;
    int64_t priority; /* 1..10 */
    double measure;
};

static int32_t propose(const struct looking *l, const struct subject *s, struct proposal *out)
{
    double recall = s->cards ? s->recall_sum / (double)s->cards : 1;
    int32_t n = 0;

    if (s->outlook.probability < 0.5)
        return 0;
    if (s->gap > 0.5)
        out[n++] = (struct proposal){"PREREQUISITE_REVIEW", 9, s->gap};
    if (s->outlook.parts[OUTLOOK_DIFFICULTY] > 0.8)
        out[n++] =
            (struct proposal){"DIFFICULTY_PROGRESSION", 8, s->outlook.parts[OUTLOOK_DIFFICULTY]};
    if (l->load > 0.7)
        out[n++] = (struct proposal){"COGNITIVE_LOAD_REDUCE", 8, l->load};
    if (n < PER_FORECAST && recall < 0.8)
        out[n++] = (struct proposal){"SPACED_REPETITION_BOOST", 6, recall};
    if (n < PER_FORECAST && l->load > 0.6 && l->load <= 0.7)
        out[n++] = (struct proposal){"BREAK_SCHEDULE_ADJUST", 5, l->load};
    if (n == 0) /* nothing but too little success so far: more of it, in smaller steps */
        out[n++] = (struct proposal){"FOCUS_SESSION", 4, s->outlook.right};
    return n;
}

static enum err put_proposals(struct looking *l)
{
    enum { COLS = 8 };
    struct night_work *w = l->run->w;
    struct value *v = arena_new(w->arena, struct value, (size_t)l->fresh * PER_FORECAST * COLS + 1);
    int32_t rows = 0;

    if (!v)
        return ERR_NOMEM;
    for (int32_t i = 0; i < l->count; i++) {
        const struct subject *s = &l->subjects[i];
        struct proposal p[PER_FORECAST];
        int32_t n = s->stands ? 0 : propose(l, s, p);

        for (int32_t k = 0; k < n; k++) {
            struct str id = arena_printf(w->arena, STR_FMT "-%s", STR_ARG(s->id), p[k].type);
            if (!id.p)
                return ERR_NOMEM;
            const struct value row[COLS] = {V_I(w->learner_id),
                                            V_S(id),
                                            V_S(s->id),
                                            V_S(s->objective),
                                            V_S(str_from(p[k].type)),
                                            V_I(p[k].priority),
                                            V_D(p[k].measure),
                                            V_I(w->now_us)};
            memcpy(v + (size_t)rows++ * COLS, row, sizeof row);
        }
    }
    return night_put(w, STMT_INTERVENTIONS_PUT, v, rows, COLS);
}

enum err struggle_look_ahead(struct struggle_run *run)
{
    struct arena *arena = run->w->arena;
    struct looking *l = arena_new(arena, struct looking, 1);
    uint32_t *slots;
    int32_t count;

    if (run->taken == 0)
        return ERR_OK; /* nothing is known of this learner */
    if (l)
        *l = (struct looking){.run = run,
                              .nodes = arena_new(arena, struct mastery_node, NODES_MAX),
                              .estimates = arena_new(arena, struct mastery_now, NODES_MAX)};
    if (!l || !l->nodes || !l->estimates)
        return ERR_NOMEM;
    strmap_init(&l->index, arena);
    enum err e = take_objectives(l, &run->objectives);
    if (e != ERR_OK || l->fresh == 0)
        return e;
    e = read_facts(l);
    if (e == ERR_OK)
        e = read_prerequisites(l);
    if (e == ERR_OK)
        e = struggle_load(run, l->features, l->fresh, &slots, &count);
    if (e == ERR_OK)
        e = forecast(l);
    if (e == ERR_OK)
        e = put_forecasts(l);
    return e == ERR_OK ? put_proposals(l) : e;
}
