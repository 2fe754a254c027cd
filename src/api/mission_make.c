#include "api/mission_make.h"

#include "twin/card.h"

#include <math.h>
#include <stdlib.h>

enum {
    KNOWN_MAX = 2000,
    NEW_MAX = MISSION_CANDIDATES_MAX - KNOWN_MAX,
    DUE_MAX = 20000,
    NEEDS_MAX = 6000
};

void mission_make_queries(struct api_call *c, int32_t day, struct make_args *a,
                          struct query q[MAKE_QUERIES])
{
    a->known[0] = a->fresh[0] = a->due[0] = a->needs[0] = V_S(c->learner);
    a->known[1] = V_I(KNOWN_MAX);
    a->fresh[1] = V_I(NEW_MAX);
    a->due[1] = V_I(day);
    a->due[2] = V_I(DUE_MAX);
    a->needs[1] = V_I(NEEDS_MAX);
    q[0] = (struct query){.stmt = STMT_MISSION_KNOWN, .args = a->known, .arg_count = 2};
    q[1] = (struct query){.stmt = STMT_MISSION_NEW, .args = a->fresh, .arg_count = 2};
    q[2] = (struct query){.stmt = STMT_MISSION_DUE, .args = a->due, .arg_count = 3};
    q[3] = (struct query){.stmt = STMT_MISSION_PREREQUISITES, .args = a->needs, .arg_count = 2};
}

const struct field made_fields[] = {
    FIELD(F_STR, struct made_objective, id, "objectiveId", .doc = "objective"),
    FIELD(F_STR, struct made_objective, text, "objective", .flags = FIELD_NULLABLE,
          .doc = "what is to be learned; null: not in the catalogue"),
    FIELD(F_STR, struct made_objective, complexity, "complexity", .flags = FIELD_NULLABLE,
          .doc = "BASIC, INTERMEDIATE or ADVANCED"),
    FIELD(F_I64, struct made_objective, minutes, "estimatedMinutes",
          .doc = "its share of the time"),
    FIELD(F_F64, struct made_objective, mastery, "masteryProbability", .min = 0, .max = 1,
          .doc = "of a right answer now"),
    FIELD(F_F64, struct made_objective, gain, "gain",
          .doc = "what there is to learn and to keep: by it, a minute, objectives are chosen"),
    FIELD(F_BOOL, struct made_objective, high_yield, "isHighYield", .doc = "as the catalogue says"),
    FIELD(F_I64, struct made_objective, due, "dueCards", .doc = "cards that are due"),
    FIELD(F_LIST, struct made_objective, reasons, "reasons", .item = F_STR,
          .size = sizeof(struct str), .doc = "why it was chosen, for people"),
    FIELD_END,
};

/* A candidate with what the reply shows of it. Sorted by id. */
struct source {
    struct mission_candidate of;
    struct str text, complexity;
    struct mastery own;
};

static int by_id(const void *pa, const void *pb)
{
    return str_cmp(((const struct source *)pa)->of.id, ((const struct source *)pb)->of.id);
}

static struct source *find(struct source *s, int32_t n, struct str id)
{
    struct source key = {.of = {.id = id}};
    return n > 0 ? bsearch(&key, s, (size_t)n, sizeof *s, by_id) : NULL;
}

static void source_read(struct columns v, struct source *s)
{
    s->of.id = column_str(&v);
    s->text = column_str(&v);
    s->complexity = column_str(&v);
    s->of.complexity = str_eq(s->complexity, STR("BASIC"))      ? 0
                       : str_eq(s->complexity, STR("ADVANCED")) ? 2
                                                                : 1;
    s->of.high_yield = column_bool(&v);
    s->of.course = column_str(&v);
    s->of.own_minutes = (double)column_i64(&v, 0) / 60000;
    s->of.own_sessions = column_i64(&v, 0);
    s->of.attempts = column_i64(&v, 0);
    int64_t right = column_i64(&v, 0), last_at = column_i64(&v, 0);
    s->own = (struct mastery){(double)right, (double)(s->of.attempts - right), last_at / US_PER_S,
                              (uint32_t)s->of.attempts};
}

static void add_due(const struct rows *rows, int32_t day, struct source *s, int32_t n)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        struct source *to = find(s, n, column_str(&v));
        double stability = (double)column_i64(&v, 0) / 1e6, gap = (double)(day - column_i64(&v, 0));
        if (!to)
            continue;
        to->of.due++;
        to->of.forgotten += 1 - memory_recall(&memory_default, stability, fmax(0, gap));
    }
}

/* The prerequisites among the candidates, both as the choice needs them and as mastery does. */
static int32_t needs_read(const struct rows *rows, struct source *s, int32_t n,
                          struct mission_needs *needs, struct mastery_edge *edges)
{
    int32_t count = 0;

    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        const struct source *objective = find(s, n, column_str(&v));
        const struct source *prerequisite = find(s, n, column_str(&v));
        double strength = column_f64(&v);
        if (!objective || !prerequisite)
            continue;
        edges[count] =
            (struct mastery_edge){(int32_t)(objective - s), (int32_t)(prerequisite - s), strength};
        needs[count] =
            (struct mission_needs){edges[count].objective, edges[count].prerequisite, strength};
        count++;
    }
    return count;
}

static enum err reasons_of(struct api_call *c, uint32_t bits, int64_t due, struct list *ret)
{
    struct str *s = arena_new(c->arena, struct str, 6);
    int32_t n = 0;

    if (!s)
        return ERR_NOMEM;
    if (bits & MISSION_DUE)
        s[n++] = arena_printf(c->arena, "%lld of its cards are due for review.", (long long)due);
    if (bits & MISSION_WEAK_AREA)
        s[n++] = STR("It has not gone well so far.");
    if (bits & MISSION_NEW)
        s[n++] = STR("It is new.");
    if (bits & MISSION_HIGH_YIELD)
        s[n++] = STR("It is of high yield.");
    if (bits & MISSION_OPENS)
        s[n++] = STR("Another objective of this mission builds on it.");
    if (bits & MISSION_KEEPS)
        s[n++] = STR("Practice keeps it fresh.");
    *ret = (struct list){s, n};
    return n > 0 && !s[0].p ? ERR_NOMEM : ERR_OK;
}

static enum err show_plan(struct api_call *c, const struct source *s, const struct mission_plan *p,
                          struct made_mission *ret)
{
    struct made_objective *m = arena_new(c->arena, struct made_objective, (size_t)p->count + 1);
    enum err e = m ? ERR_OK : ERR_NOMEM;

    *ret = (struct made_mission){
        .objectives = {m, p->count}, .minutes = p->minutes, .due = p->due, .fresh = p->fresh};
    for (int32_t k = 0; e == ERR_OK && k < p->count; k++) {
        const struct mission_pick *pick = &p->picks[k];
        const struct source *from = &s[pick->candidate];
        m[k] = (struct made_objective){.id = from->of.id,
                                       .text = from->text,
                                       .complexity = from->complexity,
                                       .minutes = pick->minutes,
                                       .mastery = round_to(from->of.mastery.probability, 3),
                                       .gain = round_to(pick->gain, 3),
                                       .high_yield = from->of.high_yield,
                                       .due = from->of.due};
        ret->high_yield += from->of.high_yield;
        e = reasons_of(c, pick->reasons, from->of.due, &m[k].reasons);
    }
    if (p->count == 0)
        ret->reason = STR("Nothing is known to work on: no course with objectives was studied yet, "
                          "or none of them fits.");
    else if (p->short_of_time)
        ret->reason = STR("There is not enough to work on to fill the time.");
    return e;
}

/* Estimates with prerequisites in mind, into the candidates. */
static enum err estimate_all(struct api_call *c, struct source *s, int32_t n,
                             const struct mastery_edge *edges, int32_t edge_count)
{
    struct mastery_node *nodes = arena_new(c->arena, struct mastery_node, (size_t)n + 1);
    struct mastery_estimate *e = arena_new(c->arena, struct mastery_estimate, (size_t)n + 1);

    if (!nodes || !e)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++)
        nodes[i] = (struct mastery_node){s[i].own, mastery_prior_default};
    enum err r = mastery_with_prerequisites(nodes, n, edges, edge_count, c->now_us / US_PER_S, e);
    for (int32_t i = 0; r == ERR_OK && i < n; i++)
        s[i].of.mastery = e[i];
    return r;
}

struct sources {
    struct source *s;
    struct mission_needs *needs;
    int32_t count, needs_count;
};

static enum err sources_read(struct api_call *c, const struct query q[MAKE_QUERIES], int32_t day,
                             struct sources *ret)
{
    int32_t known = q[0].rows.count, n = known + q[1].rows.count;
    size_t edges_max = (size_t)q[3].rows.count + 1;
    struct source *s = arena_new(c->arena, struct source, (size_t)n + 1);
    struct mission_needs *needs = arena_new(c->arena, struct mission_needs, edges_max);
    struct mastery_edge *edges = arena_new(c->arena, struct mastery_edge, edges_max);

    if (!s || !needs || !edges)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++)
        source_read(columns_of(i < known ? &q[0].rows : &q[1].rows, i < known ? i : i - known),
                    &s[i]);
    qsort(s, (size_t)n, sizeof *s, by_id);
    add_due(&q[2].rows, day, s, n);
    int32_t edge_count = needs_read(&q[3].rows, s, n, needs, edges);
    *ret = (struct sources){s, needs, n, edge_count};
    return estimate_all(c, s, n, edges, edge_count);
}

enum err mission_material(struct api_call *c, const struct query q[MAKE_QUERIES], int32_t day,
                          int32_t spare, struct material *ret)
{
    struct sources from;
    enum err e = sources_read(c, q, day, &from);

    if (e != ERR_OK)
        return e;
    size_t room = (size_t)from.count + (size_t)spare + 1;
    struct material m = {.of = arena_new(c->arena, struct mission_candidate, room),
                         .texts = arena_new(c->arena, struct str, room),
                         .complexities = arena_new(c->arena, struct str, room),
                         .needs = from.needs,
                         .count = from.count,
                         .needs_count = from.needs_count};
    if (!m.of || !m.texts || !m.complexities)
        return ERR_NOMEM;
    for (int32_t i = 0; i < from.count; i++) {
        m.of[i] = from.s[i].of;
        m.texts[i] = from.s[i].text;
        m.complexities[i] = from.s[i].complexity;
    }
    *ret = m;
    return ERR_OK;
}

enum err mission_make(struct api_call *c, const struct query q[MAKE_QUERIES], int32_t day,
                      int32_t minutes, bool only_weak, struct made_mission *ret)
{
    struct mission_plan plan;
    struct sources from;
    enum err e = sources_read(c, q, day, &from);

    if (e != ERR_OK)
        return e;
    struct mission_candidate *of =
        arena_new(c->arena, struct mission_candidate, (size_t)from.count + 1);
    if (!of)
        return ERR_NOMEM;
    for (int32_t i = 0; i < from.count; i++)
        of[i] = from.s[i].of;
    e = mission_plan_make(of, from.count, from.needs, from.needs_count, minutes, only_weak, &plan);
    return e == ERR_OK ? show_plan(c, from.s, &plan, ret) : e;
}
