/* priorities - what to work on first, and why.
 *
 * The order is that by which missions choose (twin/mission.h): what there is to learn and to keep
 * of an objective, a minute; more before an exam that it is on. What waits for prerequisites that
 * are not mastered comes after all that does not. Forecasts of struggle are told as a reason and
 * not counted: they rest on the same answers as mastery does. */
#include "api/objectives.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>

enum { REASONS_MAX = 8 };
#define LIKELY 0.5 /* of struggling, to be worth a word */

static const char *const reason_names[] = {
    "due_cards", "weak", "new", "high_yield", "opens", "struggle_forecast", "waits", "exam"};
enum reason {
    REASON_DUE,
    REASON_WEAK,
    REASON_NEW,
    REASON_YIELD,
    REASON_OPENS,
    REASON_STRUGGLE,
    REASON_WAITS,
    REASON_EXAM
};

struct reason_shown {
    struct str code, text;
};
static const struct field reason_fields[] = {
    FIELD(F_STR, struct reason_shown, code, "code",
          .doc = "exam, due_cards, weak, new, high_yield, opens, struggle_forecast or waits"),
    FIELD(F_STR, struct reason_shown, text, "text", .doc = "for people"),
    FIELD_END,
};
struct priority {
    int64_t rank;
    struct objective objective;
    double score, gain, to_learn, to_keep, factor, minutes, struggle;
    int64_t exam_days;
    struct str exam;
    struct list blocked_by, reasons;
};
static const struct field priority_fields[] = {
    FIELD(F_I64, struct priority, rank, "rank", .min = 1, .doc = "1: the first to work on"),
    FIELD(F_OBJECT, struct priority, objective, "objective", .sub = objective_fields,
          .size = sizeof(struct objective), .doc = "the objective"),
    FIELD(F_F64, struct priority, score, "priorityScore", .min = 0,
          .doc = "gain per hour, by which the list is ordered"),
    FIELD(F_F64, struct priority, gain, "gain", .min = 0, .doc = "(toLearn + toKeep) * factor"),
    FIELD(F_F64, struct priority, to_learn, "toLearn", .min = 0, .max = 1,
          .doc = "1 - the chance of a right answer"),
    FIELD(F_F64, struct priority, to_keep, "toKeep", .min = 0, .max = 1,
          .doc = "what its due cards have lost"),
    FIELD(F_F64, struct priority, factor, "factor", .min = 1, .max = 3,
          .doc = "of high yield (1.5), and of an exam: 2 on its day, 1 a fortnight before"),
    FIELD(F_I64, struct priority, exam_days, "daysUntilExam", .flags = FIELD_NULLABLE,
          .doc = "of the next exam that it is on; null: none is known"),
    FIELD(F_STR, struct priority, exam, "exam", .flags = FIELD_NULLABLE, .doc = "its name"),
    FIELD(F_F64, struct priority, minutes, "estimatedMinutes", .min = 0,
          .doc = "that work on it takes, by its kind and the learner's own sessions"),
    FIELD(F_F64, struct priority, struggle, "predictedStruggleProbability", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "the present forecast, where it is .5 or more"),
    FIELD(F_LIST, struct priority, blocked_by, "blockedBy", .item = F_STR,
          .size = sizeof(struct str), .doc = "prerequisites that are not mastered: these first"),
    FIELD(F_LIST, struct priority, reasons, "reasons", .sub = reason_fields,
          .size = sizeof(struct reason_shown), .doc = "why it stands here"),
    FIELD_END,
};

struct ranked {
    const struct known_objective *known;
    struct mission_worth worth;
    double rate, struggle; /* gain a minute; NaN: no forecast */
    int32_t blockers, opens;
};

static int by_rank(const void *pa, const void *pb)
{
    const struct ranked *a = pa, *b = pb;

    if ((a->blockers > 0) != (b->blockers > 0))
        return a->blockers > 0 ? 1 : -1;
    if (a->rate > b->rate || a->rate < b->rate)
        return a->rate > b->rate ? -1 : 1;
    return str_cmp(a->known->of.id, b->known->of.id);
}

static bool blocks(const struct study_map *m, const struct mission_needs *n)
{
    return n->strength >= MISSION_STRONG &&
           m->known[n->prerequisite].of.mastery.probability < MISSION_WEAK;
}

static enum err rank_all(struct api_call *c, const struct study_map *m,
                         const struct rows *forecasts, struct ranked **ret)
{
    struct ranked *r = arena_new(c->arena, struct ranked, (size_t)m->count + 1);

    if (!r)
        return ERR_NOMEM;
    for (int32_t i = 0; i < m->count; i++) {
        r[i] = (struct ranked){.known = &m->known[i],
                               .worth = mission_worth_of(&m->known[i].of),
                               .struggle = (double)NAN};
        r[i].rate = r[i].worth.gain / r[i].worth.minutes;
    }
    for (int32_t i = 0; i < m->needs_count; i++) {
        if (!blocks(m, &m->needs[i]))
            continue;
        r[m->needs[i].objective].blockers++;
        r[m->needs[i].prerequisite].opens++;
    }
    for (int32_t i = 0; i < forecasts->count; i++) {
        struct columns v = columns_of(forecasts, i);
        const struct known_objective *k = map_find(m, column_str(&v));
        if (k && isnan(r[k - m->known].struggle)) /* the latest of each comes first */
            r[k - m->known].struggle = column_f64(&v);
    }
    qsort(r, (size_t)m->count, sizeof *r, by_rank);
    *ret = r;
    return ERR_OK;
}

static void reason_add(struct list *to, enum reason code, struct str text)
{
    ASSERT(to->n < REASONS_MAX);
    ((struct reason_shown *)to->p)[to->n++] =
        (struct reason_shown){str_from(reason_names[code]), text};
}

static enum err reasons_of(struct api_call *c, const struct ranked *k, struct list *ret)
{
    const struct known_objective *o = k->known;

    *ret = (struct list){arena_new(c->arena, struct reason_shown, REASONS_MAX), 0};
    if (!ret->p)
        return ERR_NOMEM;
    if (k->blockers > 0)
        reason_add(ret, REASON_WAITS,
                   STR("It builds on what is not mastered yet: that comes first."));
    if (known_pressed(o))
        reason_add(ret, REASON_EXAM, exam_words(c, o));
    if (o->of.due > 0)
        reason_add(
            ret, REASON_DUE,
            arena_printf(c->arena, "Cards that are due for review: %lld.", (long long)o->of.due));
    if (k->worth.weak)
        reason_add(ret, REASON_WEAK,
                   arena_printf(c->arena,
                                "Of %lld answers %lld were right; the next is right with a "
                                "chance of %.0f %%.",
                                (long long)o->of.attempts, (long long)o->right,
                                100 * o->of.mastery.probability));
    if (o->own.answers == 0)
        reason_add(ret, REASON_NEW, STR("Nothing was asked of it yet."));
    if (o->of.high_yield)
        reason_add(ret, REASON_YIELD, STR("It is of high yield."));
    if (k->opens > 0)
        reason_add(ret, REASON_OPENS,
                   arena_printf(c->arena, "Objectives that wait for it: %d.", k->opens));
    if (!isnan(k->struggle))
        reason_add(ret, REASON_STRUGGLE,
                   arena_printf(c->arena,
                                "The forecast for the days to come is a struggle, with a "
                                "chance of %.0f %%.",
                                100 * k->struggle));
    const struct reason_shown *shown = ret->p;
    for (int32_t i = 0; i < ret->n; i++)
        if (!shown[i].text.p)
            return ERR_NOMEM;
    return ERR_OK;
}

static enum err priority_of(struct api_call *c, const struct study_map *m, const struct ranked *k,
                            int64_t rank, struct priority *ret)
{
    struct str *by = arena_new(c->arena, struct str, (size_t)k->blockers + 1);
    int32_t objective = (int32_t)(k->known - m->known);

    if (!by)
        return ERR_NOMEM;
    *ret = (struct priority){.rank = rank,
                             .score = round_to(60 * k->rate, 4),
                             .gain = round_to(k->worth.gain, 4),
                             .to_learn = round_to(k->worth.to_learn, 4),
                             .to_keep = round_to(k->worth.to_keep, 4),
                             .factor = round_to(k->worth.factor, 4),
                             .minutes = round_to(k->worth.minutes, 1),
                             .struggle = round_to(k->struggle, 4),
                             .exam_days = isnan(k->known->exam_days) ? INT64_MIN
                                                                     : (int64_t)k->known->exam_days,
                             .exam = k->known->exam,
                             .blocked_by = {by, 0}};
    for (int32_t i = 0; k->blockers > 0 && i < m->needs_count; i++)
        if (m->needs[i].objective == objective && blocks(m, &m->needs[i]))
            by[ret->blocked_by.n++] = m->known[m->needs[i].prerequisite].of.id;
    enum err e = objective_of(c, k->known, &ret->objective);
    return e == ERR_OK ? reasons_of(c, k, &ret->reasons) : e;
}

static enum err ranked_read(struct api_call *c, struct learner *l, struct study_map *m,
                            struct ranked **ret)
{
    const struct value args[] = {V_S(c->learner), V_D(LIKELY)};
    struct query q[OBJECTIVE_QUERIES + 1] = {
        [OBJECTIVE_QUERIES] = {.stmt = STMT_OBJECTIVE_FORECASTS, .args = args, .arg_count = 2}};
    enum err e = objectives_read(c, q, COUNT(q), l, m);

    return e == ERR_OK ? rank_all(c, m, &q[OBJECTIVE_QUERIES].rows, ret) : e;
}

/* ---- GET priorities/objectives ---- */

struct list_query {
    struct str course;
    int32_t limit;
};
static const struct field list_query[] = {
    COURSE_FIELD(struct list_query),
    FIELD(F_I32, struct list_query, limit, "limit", .min = 1, .max = 100, .def = "20",
          .doc = "objectives at most"),
    FIELD_END,
};
struct priority_list {
    struct list priorities;
    int64_t total;
    struct str method, reason;
};
#define METHOD                                                                           \
    "what there is to learn and to keep, a minute, more before an exam; what waits for " \
    "prerequisites comes last"
static const struct field list_reply[] = {
    FIELD(F_LIST, struct priority_list, priorities, "priorities", .sub = priority_fields,
          .size = sizeof(struct priority), .doc = "the first to work on first"),
    FIELD(F_I64, struct priority_list, total, "total", .doc = "of the filter"),
    FIELD(F_STR, struct priority_list, method, "method", .doc = "of the order"),
    FIELD(F_STR, struct priority_list, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none"),
    FIELD_END,
};

static enum err get_priorities(struct api_call *c)
{
    const struct list_query *in = c->in;
    struct priority_list *r = arena_new(c->arena, struct priority_list, 1);
    struct priority *p = arena_new(c->arena, struct priority, (size_t)in->limit);
    struct ranked *ranked;
    struct study_map map;
    struct learner l;
    enum err e = r && p ? ranked_read(c, &l, &map, &ranked) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    r->priorities.p = p;
    for (int32_t i = 0; e == ERR_OK && i < map.count; i++) {
        if (!objective_in(ranked[i].known, in->course))
            continue;
        r->total++;
        if (r->priorities.n < in->limit)
            e = priority_of(c, &map, &ranked[i], i + 1, &p[r->priorities.n++]);
    }
    r->method = STR(METHOD);
    if (!l.analysis)
        r->reason = reason_disabled;
    else if (r->total == 0)
        r->reason = STR("No objective is known that fits.");
    c->reply = r;
    return e;
}

/* ---- GET priorities/objectives/{id} ---- */

struct one {
    struct priority priority;
    int64_t total;
    struct str method;
};
static const struct field one_reply[] = {
    FIELD(F_OBJECT, struct one, priority, "priority", .flags = FIELD_FLAT, .sub = priority_fields,
          .size = sizeof(struct priority), .doc = "where it stands"),
    FIELD(F_I64, struct one, total, "total", .doc = "objectives that are ranked"),
    FIELD(F_STR, struct one, method, "method", .doc = "of the order"),
    FIELD_END,
};

static enum err get_priority(struct api_call *c)
{
    const struct known_objective_path *in = c->in;
    struct one *r = arena_new(c->arena, struct one, 1);
    struct ranked *ranked;
    struct study_map map;
    struct learner l;
    enum err e = r ? ranked_read(c, &l, &map, &ranked) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    r->total = map.count;
    r->method = STR(METHOD);
    c->reply = r;
    for (int32_t i = 0; i < map.count; i++)
        if (str_eq(ranked[i].known->of.id, in->id))
            return priority_of(c, &map, &ranked[i], i + 1, &r->priority);
    c->reply = NULL;
    return api_refuse(c, ERR_NOT_FOUND, "OBJECTIVE_NOT_FOUND",
                      "This learner neither works on such an objective nor has it next.");
}

#define PRIORITIES                                                                        \
    .method = HTTP_GET, .tag = "objectives", .envelope = ENVELOPE_DATA, .run = RUN_SMALL, \
    .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .round_trips = 1,                     \
    .cache = {.fresh_s = 600, .stale_s = 1800}, .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_priorities[] = {
    {PRIORITIES, .path = "/api/priorities/objectives", .id = "get_priorities",
     .summary = "What to work on first, and why", .query = list_query,
     .in_size = sizeof(struct list_query), .reply = list_reply, .handler = get_priorities},
    {PRIORITIES, .path = "/api/priorities/objectives/{id}", .id = "get_priority",
     .summary = "Why one objective stands where it does", .params = known_objective_path,
     .in_size = sizeof(struct known_objective_path), .reply = one_reply, .handler = get_priority},
    {.path = NULL},
};
