#include "api/objective_map.h"

#include "night/struggle.h"
#include "twin/card.h"

#include <math.h>
#include <stdlib.h>

const struct field known_objective_path[] = {
    FIELD(F_STR, struct known_objective_path, id, "id", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "objective"),
    FIELD_END,
};

static int by_id(const void *pa, const void *pb)
{
    return str_cmp(((const struct known_objective *)pa)->of.id,
                   ((const struct known_objective *)pb)->of.id);
}

struct known_objective *map_find(const struct study_map *m, struct str id)
{
    struct known_objective key = {.of = {.id = id}};

    return m->count > 0 ? bsearch(&key, m->known, (size_t)m->count, sizeof key, by_id) : NULL;
}

static void known_read(struct columns v, struct known_objective *k)
{
    k->of.id = column_str(&v);
    k->exam_days = NAN;
    k->text = column_str(&v);
    k->complexity = column_str(&v);
    k->of.complexity = str_eq(k->complexity, STR("BASIC"))      ? 0
                       : str_eq(k->complexity, STR("ADVANCED")) ? 2
                                                                : 1;
    k->of.high_yield = column_bool(&v);
    k->of.course = column_str(&v);
    k->study_ms = column_i64(&v, 0);
    k->of.own_minutes = (double)k->study_ms / 60000;
    k->of.own_sessions = column_i64(&v, 0);
    k->of.attempts = column_i64(&v, 0);
    k->right = column_i64(&v, 0);
    k->last_at = column_time(&v);
    int64_t last_s = k->last_at == TIME_NONE ? 0 : k->last_at / US_PER_S;
    k->own = (struct mastery){(double)k->right, (double)(k->of.attempts - k->right), last_s,
                              (uint32_t)k->of.attempts};
}

/* Where the learner's mind knows the order of the answers, older ones count for less. */
static void fade(const struct rows *rows, struct study_map *m)
{
    struct mind_skills skills;

    if (rows->count == 0)
        return;
    struct str state = row_at(rows, 0)->s;
    m->faded = mind_skills_find((const uint8_t *)state.p, state.n, &skills) == ERR_OK;
    for (int32_t i = 0; m->faded && i < m->count; i++) {
        struct known_objective *k = &m->known[i];
        struct struggle_count count;

        mind_skill(&skills, struggle_objective_id(k->of.id), &count);
        k->own = outlook_mastery_since(&count, k->of.attempts, k->right, k->own.last_s);
    }
}

static void add_due(const struct rows *rows, const struct retained *retained, int32_t day,
                    const struct study_map *m)
{
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        struct known_objective *to = map_find(m, value_str(&v[0]));
        struct retained_now now;

        if (to)
            now = retained_card(retained, &v[1], day, NULL);
        if (!to || !now.due)
            continue;
        to->of.due++;
        to->of.forgotten += 1 - now.recall;
    }
}

bool known_pressed(const struct known_objective *k)
{
    return mission_exam_urgency(k->exam_days) > 0;
}

struct str exam_words(struct api_call *c, const struct known_objective *k)
{
    return k->exam_days > 0
               ? arena_printf(c->arena, "An exam that it is on (" STR_FMT ") comes in %.0f day%s.",
                              STR_ARG(k->exam), k->exam_days, k->exam_days > 1 ? "s" : "")
               : arena_printf(c->arena, "An exam that it is on (" STR_FMT ") is on that day.",
                              STR_ARG(k->exam));
}

/* rows: by day, so that the first that fits comes first. */
static void add_exams(const struct rows *rows, int32_t day, const struct study_map *m)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        column_str(&v); /* its id */
        struct str course = column_str(&v), name = column_str(&v);
        double days = (double)(column_i64(&v, 0) - day);
        if (days < 0)
            continue;
        for (int32_t k = 0; k < m->count; k++) {
            struct known_objective *o = &m->known[k];
            if (!isnan(o->exam_days) ||
                (course.p && !(o->of.course.p && str_eq(o->of.course, course))))
                continue;
            o->exam_days = days;
            o->exam = name;
            o->of.urgency = mission_exam_urgency(days);
        }
    }
}

/* The prerequisites among the candidates, both as the choice needs them and as mastery does. */
static void needs_read(const struct rows *rows, struct study_map *m, struct mastery_edge *edges)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        const struct known_objective *objective = map_find(m, column_str(&v));
        const struct known_objective *prerequisite = map_find(m, column_str(&v));
        double strength = column_f64(&v);
        if (!objective || !prerequisite)
            continue;
        struct mastery_edge edge = {(int32_t)(objective - m->known),
                                    (int32_t)(prerequisite - m->known), strength};
        edges[m->needs_count] = edge;
        m->needs[m->needs_count++] =
            (struct mission_needs){edge.objective, edge.prerequisite, strength};
    }
}

static enum err estimate_all(struct api_call *c, const struct study_map *m,
                             const struct mastery_edge *edges)
{
    struct mastery_node *nodes = arena_new(c->arena, struct mastery_node, (size_t)m->count + 1);
    struct mastery_now *e = arena_new(c->arena, struct mastery_now, (size_t)m->count + 1);

    if (!nodes || !e)
        return ERR_NOMEM;
    for (int32_t i = 0; i < m->count; i++)
        nodes[i] = (struct mastery_node){m->known[i].own, mastery_prior_default};
    enum err r =
        mastery_with_prerequisites(nodes, m->count, edges, m->needs_count, c->now_us / US_PER_S, e);
    for (int32_t i = 0; r == ERR_OK && i < m->count; i++)
        m->known[i].of.mastery = e[i];
    return r;
}

enum err map_read(struct api_call *c, const struct query q[MAKE_QUERIES], int32_t day,
                  struct study_map *ret)
{
    int32_t known = q[0].rows.count;
    size_t edges_max = (size_t)q[3].rows.count + 1;
    struct study_map m = {.count = known + q[1].rows.count};
    struct mastery_edge *edges = arena_new(c->arena, struct mastery_edge, edges_max);

    m.known = arena_new(c->arena, struct known_objective, (size_t)m.count + 1);
    m.needs = arena_new(c->arena, struct mission_needs, edges_max);
    if (!m.known || !m.needs || !edges)
        return ERR_NOMEM;
    for (int32_t i = 0; i < m.count; i++)
        known_read(columns_of(i < known ? &q[0].rows : &q[1].rows, i < known ? i : i - known),
                   &m.known[i]);
    qsort(m.known, (size_t)m.count, sizeof *m.known, by_id);
    fade(&q[4].rows, &m);
    retained_read(&q[MAKE_RETAINED].rows, &m.retained);
    add_due(&q[MAKE_DUE].rows, &m.retained, day, &m);
    add_exams(&q[5].rows, day, &m);
    needs_read(&q[3].rows, &m, edges);
    enum err e = estimate_all(c, &m, edges);
    *ret = m;
    return e;
}
