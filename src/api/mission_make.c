#include "api/mission_make.h"

#include "api/objective_map.h"

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
    q[MAKE_DUE] = (struct query){.stmt = STMT_MISSION_DUE, .args = a->due, .arg_count = 3};
    q[3] = (struct query){.stmt = STMT_MISSION_PREREQUISITES, .args = a->needs, .arg_count = 2};
    q[4] = (struct query){.stmt = STMT_MAP_MIND, .args = a->known, .arg_count = 1};
    q[5] = (struct query){.stmt = STMT_EXAMS_OF_LEARNER, .args = a->known, .arg_count = 1};
    q[MAKE_RETAINED] =
        (struct query){.stmt = STMT_RETENTION_OF_LEARNER, .args = a->known, .arg_count = 1};
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

static enum err reasons_of(struct api_call *c, uint32_t bits, const struct known_objective *k,
                           struct list *ret)
{
    struct str *s = arena_new(c->arena, struct str, 7);
    int32_t n = 0;

    if (!s)
        return ERR_NOMEM;
    if (known_pressed(k))
        s[n++] = exam_words(c, k);
    if (bits & MISSION_DUE)
        s[n++] = arena_printf(c->arena, "%d of its cards are due for review.", k->of.due);
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
    for (int32_t i = 0; i < n; i++)
        if (!s[i].p)
            return ERR_NOMEM;
    return ERR_OK;
}

static enum err show_plan(struct api_call *c, const struct known_objective *s,
                          const struct mission_plan *p, struct made_mission *ret)
{
    struct made_objective *m = arena_new(c->arena, struct made_objective, (size_t)p->count + 1);
    enum err e = m ? ERR_OK : ERR_NOMEM;

    *ret = (struct made_mission){
        .objectives = {m, p->count}, .minutes = p->minutes, .due = p->due, .fresh = p->fresh};
    for (int32_t k = 0; e == ERR_OK && k < p->count; k++) {
        const struct mission_pick *pick = &p->picks[k];
        const struct known_objective *from = &s[pick->candidate];
        m[k] = (struct made_objective){.id = from->of.id,
                                       .text = from->text,
                                       .complexity = from->complexity,
                                       .minutes = pick->minutes,
                                       .mastery = round_to(from->of.mastery.probability, 3),
                                       .gain = round_to(pick->gain, 3),
                                       .high_yield = from->of.high_yield,
                                       .due = from->of.due};
        ret->high_yield += from->of.high_yield;
        e = reasons_of(c, pick->reasons, from, &m[k].reasons);
    }
    if (p->count == 0)
        ret->reason = STR("Nothing is known to work on: no course with objectives was studied yet, "
                          "or none of them fits.");
    else if (p->short_of_time)
        ret->reason = STR("There is not enough to work on to fill the time.");
    return e;
}

enum err mission_material(struct api_call *c, const struct query q[MAKE_QUERIES], int32_t day,
                          int32_t spare, struct material *ret)
{
    struct study_map map;
    enum err e = map_read(c, q, day, &map);

    if (e != ERR_OK)
        return e;
    size_t room = (size_t)map.count + (size_t)spare + 1;
    struct material m = {.of = arena_new(c->arena, struct mission_candidate, room),
                         .texts = arena_new(c->arena, struct str, room),
                         .complexities = arena_new(c->arena, struct str, room),
                         .needs = map.needs,
                         .count = map.count,
                         .needs_count = map.needs_count};
    if (!m.of || !m.texts || !m.complexities)
        return ERR_NOMEM;
    for (int32_t i = 0; i < map.count; i++) {
        m.of[i] = map.known[i].of;
        m.texts[i] = map.known[i].text;
        m.complexities[i] = map.known[i].complexity;
    }
    *ret = m;
    return ERR_OK;
}

enum err mission_make(struct api_call *c, const struct query q[MAKE_QUERIES], int32_t day,
                      const struct plan_day *within, bool only_weak, struct made_mission *ret)
{
    struct mission_plan plan;
    struct study_map map;
    enum err e = map_read(c, q, day, &map);

    if (e != ERR_OK)
        return e;
    struct mission_candidate *of =
        arena_new(c->arena, struct mission_candidate, (size_t)map.count + 1);
    if (!of)
        return ERR_NOMEM;
    for (int32_t i = 0; i < map.count; i++) {
        of[i] = map.known[i].of;
        of[i].barred = plan_day_bars(within, &of[i]);
    }
    e = mission_plan_make(of, map.count, map.needs, map.needs_count, within->minutes, only_weak,
                          &plan);
    if (e == ERR_OK && plan.count == 0 && !within->recovery) { /* better a little than nothing */
        for (int32_t i = 0; i < map.count; i++)
            of[i].barred = false;
        e = mission_plan_make(of, map.count, map.needs, map.needs_count, within->minutes, only_weak,
                              &plan);
    }
    if (e == ERR_OK)
        e = show_plan(c, map.known, &plan, ret);
    if (e == ERR_OK && plan.count == 0 && within->recovery)
        ret->reason = STR("It is time to rest, and nothing is due for review.");
    return e;
}
