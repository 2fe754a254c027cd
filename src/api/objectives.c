/* objectives - what a learner works on or has before him or her, one by one. */
#include "api/objectives.h"

#include "api/page.h"
#include "base/assert.h"
#include "twin/card.h"

#include <math.h>

enum { LINKS_MAX = 200, CARDS_MAX = 5000 };

#define METHOD \
    "beta distribution of the share of right answers, older ones fading; prerequisites in mind"
const struct str objective_method = {METHOD, sizeof METHOD - 1};

const struct field objective_fields[] = {
    FIELD(F_STR, struct objective, id, "id", .doc = "objective"),
    FIELD(F_STR, struct objective, text, "objective", .flags = FIELD_NULLABLE,
          .doc = "what is to be learned; null: not in the catalogue"),
    FIELD(F_STR, struct objective, complexity, "complexity", .flags = FIELD_NULLABLE,
          .doc = "BASIC, INTERMEDIATE or ADVANCED"),
    FIELD(F_STR, struct objective, course, "courseId", .flags = FIELD_NULLABLE,
          .doc = "its course"),
    FIELD(F_BOOL, struct objective, high_yield, "isHighYield", .doc = "as the catalogue says"),
    FIELD(F_STR, struct objective, level, "masteryLevel",
          .doc = "NOT_STARTED, BEGINNER, INTERMEDIATE, ADVANCED or MASTERED"),
    FIELD(F_F64, struct objective, probability, "masteryProbability", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "of a right answer now; null: nothing was asked yet"),
    FIELD(F_OBJECT, struct objective, interval, "masteryInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "90 % of it"),
    FIELD(F_F64, struct objective, mastered, "masteredProbability", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "chance that four of five answers would be right"),
    FIELD(F_F64, struct objective, weakness, "weaknessScore", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "1 - masteryProbability"),
    FIELD(F_I64, struct objective, n, "n", .doc = "answers and reviews on it"),
    FIELD(F_I64, struct objective, right, "correct", .doc = "of these, right or remembered"),
    FIELD(F_F64, struct objective, accuracy, "accuracy", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "their share, old and new alike"),
    FIELD(F_I64, struct objective, study_ms, "totalStudyTimeMs", .doc = "time spent on it"),
    FIELD(F_I64, struct objective, sessions, "sessions", .doc = "that touched it"),
    FIELD(F_TIME, struct objective, last_at, "lastStudiedAt", .flags = FIELD_NULLABLE,
          .doc = "null: never"),
    FIELD(F_I64, struct objective, due, "dueCards", .doc = "cards of it that are due today"),
    FIELD_END,
};

enum err objective_of(struct api_call *c, const struct known_objective *k, struct objective *ret)
{
    const struct mastery_now *m = &k->of.mastery;
    bool asked = k->own.answers > 0;
    struct mastery_estimate e = {.mastered = NAN};

    if (asked)
        e = mastery_estimate_of(m);

    *ret = (struct objective){
        .id = k->of.id,
        .text = k->text,
        .complexity = k->complexity,
        .course = k->of.course,
        .level = str_from(mastery_level_name(mastery_level_of(&k->own, m))),
        .high_yield = k->of.high_yield,
        .probability = asked ? round_to(m->probability, 3) : (double)NAN,
        .mastered = asked ? round_to(e.mastered, 3) : (double)NAN,
        .weakness = asked ? round_to(1 - m->probability, 3) : (double)NAN,
        .accuracy = k->of.attempts > 0 ? round_to((double)k->right / (double)k->of.attempts, 3)
                                       : (double)NAN,
        .n = k->of.attempts,
        .right = k->right,
        .study_ms = k->study_ms,
        .sessions = k->of.own_sessions,
        .last_at = k->last_at,
        .due = k->of.due,
    };
    if (!asked)
        return ERR_OK;
    ret->interval =
        interval_new(c->arena, (struct interval){round_to(e.low, 3), round_to(e.high, 3)});
    return ret->interval ? ERR_OK : ERR_NOMEM;
}

bool objective_in(const struct known_objective *k, struct str course)
{
    return !course.p || (k->of.course.p && str_eq(k->of.course, course));
}

enum err objectives_read(struct api_call *c, struct query *queries, int32_t count,
                         struct learner *l, struct study_map *ret)
{
    struct make_args args;

    /* Wherever the learner is, today is not later than this. */
    mission_make_queries(c, (int32_t)(c->now_us / US_PER_DAY) + 1, &args, queries + 1);
    enum err e = learner_read(c, queries, count, l);
    return e == ERR_OK ? map_read(c, queries + 1, l->today, ret) : e;
}

/* ---- GET objectives ---- */

static const char *const level_names[] = {"NOT_STARTED", "BEGINNER", "INTERMEDIATE",
                                          "ADVANCED",    "MASTERED", NULL};
struct list_query {
    struct str course, cursor;
    int32_t limit, level;
    bool high_yield;
};
static const struct field list_query[] = {
    COURSE_FIELD(struct list_query),
    FIELD(F_ENUM, struct list_query, level, "masteryLevel", .names = level_names,
          .doc = "objectives of this level only"),
    FIELD(F_BOOL, struct list_query, high_yield, "highYieldOnly",
          .doc = "true: objectives of high yield only"),
    FIELD(F_I32, struct list_query, limit, "limit", .min = 1, .max = 100, .def = "50",
          .doc = "objectives a page"),
    CURSOR_FIELD(struct list_query),
    FIELD_END,
};
struct objective_list {
    struct list objectives;
    int64_t total;
    struct str next, method, reason;
};
static const struct field list_reply[] = {
    FIELD(F_LIST, struct objective_list, objectives, "objectives", .sub = objective_fields,
          .size = sizeof(struct objective), .doc = "in the order of their ids"),
    FIELD(F_I64, struct objective_list, total, "total", .doc = "of the filter, not of the page"),
    FIELD(F_STR, struct objective_list, next, "nextCursor", .flags = FIELD_NULLABLE,
          .doc = "for the next page, as in the Link header; null at the end"),
    FIELD(F_STR, struct objective_list, method, "method", .doc = "of the estimates"),
    FIELD(F_STR, struct objective_list, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none"),
    FIELD_END,
};

static bool wanted(const struct known_objective *k, const struct list_query *in)
{
    if (!objective_in(k, in->course) || (in->high_yield && !k->of.high_yield))
        return false;
    return in->level < 0 ||
           mastery_level_of(&k->own, &k->of.mastery) == (enum mastery_level)in->level;
}

static enum err get_objectives(struct api_call *c)
{
    const struct list_query *in = c->in;
    struct objective_list *r = arena_new(c->arena, struct objective_list, 1);
    struct objective *o = arena_new(c->arena, struct objective, (size_t)in->limit);
    struct query q[OBJECTIVE_QUERIES];
    struct study_map map;
    struct learner l;
    struct place at;
    enum err e = r && o ? place_read(c, in->cursor, &at) : ERR_NOMEM;

    if (e == ERR_OK)
        e = objectives_read(c, q, OBJECTIVE_QUERIES, &l, &map);
    r->objectives.p = o;
    for (int32_t i = 0; e == ERR_OK && i < map.count; i++) {
        if (!wanted(&map.known[i], in))
            continue;
        r->total++;
        if (at.given && str_cmp(map.known[i].of.id, at.id) <= 0)
            continue;
        if (r->objectives.n < in->limit) {
            e = objective_of(c, &map.known[i], &o[r->objectives.n++]);
        } else if (!r->next.p) {
            r->next = place_print(c->arena, 0, o[in->limit - 1].id);
            if (!r->next.p)
                return ERR_NOMEM;
            page_link(c, r->next);
        }
    }
    if (e != ERR_OK)
        return e;
    r->method = objective_method;
    if (!l.analysis)
        r->reason = reason_disabled;
    else if (r->total == 0)
        r->reason = STR("No objective is known that fits.");
    c->reply = r;
    return ERR_OK;
}

/* ---- GET objectives/{id}, GET objectives/{id}/performance ---- */

struct linked {
    struct str id, text, level;
    double strength, probability;
    bool met;
};
static const struct field linked_fields[] = {
    FIELD(F_STR, struct linked, id, "objectiveId", .doc = "objective"),
    FIELD(F_STR, struct linked, text, "objective", .doc = "what is to be learned"),
    FIELD(F_F64, struct linked, strength, "strength", .min = 0, .max = 1, .doc = "of the link"),
    FIELD(F_STR, struct linked, level, "masteryLevel", .doc = "the learner's, of that objective"),
    FIELD(F_F64, struct linked, probability, "masteryProbability", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "of a right answer now; null: nothing was asked yet"),
    FIELD(F_BOOL, struct linked, met, "met", .doc = "is that chance .7 or more?"),
    FIELD_END,
};
struct card_sum {
    int64_t n, due, own, learnt;
    double recall;
    const struct interval *interval;
    struct str method;
};
static const struct field card_sum_fields[] = {
    FIELD(F_I64, struct card_sum, n, "n", .doc = "cards of it with a review, at most 5,000"),
    FIELD(F_I64, struct card_sum, due, "due", .doc = "of these, due today"),
    FIELD(F_F64, struct card_sum, recall, "meanRecall", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "their mean chance of being remembered now"),
    FIELD(F_OBJECT, struct card_sum, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval),
          .doc = "95 %, by how sure the learner's own weights are; null where not all cards go by "
                 "them"),
    FIELD(F_I64, struct card_sum, own, "own", .doc = "of n, those that go by them"),
    FIELD(F_I64, struct card_sum, learnt, "learntFrom",
          .doc = "reviews of the learner that were forecast and learnt from"),
    FIELD(F_STR, struct card_sum, method, "method", .doc = "how the chance is told"),
    FIELD_END,
};
struct one_forecast {
    double probability;
    const struct interval *interval;
    int64_t made_at, until_at;
};
static const struct field forecast_fields[] = {
    FIELD(F_F64, struct one_forecast, probability, "predictedStruggleProbability", .min = 0,
          .max = 1, .doc = "of struggling with it until then"),
    FIELD(F_OBJECT, struct one_forecast, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "90 %"),
    FIELD(F_TIME, struct one_forecast, made_at, "predictionDate", .doc = "when it was made"),
    FIELD(F_TIME, struct one_forecast, until_at, "predictedFor", .doc = "the end of its time"),
    FIELD_END,
};
struct one {
    struct objective objective;
    struct list prerequisites, opens;
    struct card_sum cards;
    const struct one_forecast *forecast;
    struct str method, reason;
};
#define ONE_FIELDS                                                                                 \
    FIELD(F_OBJECT, struct one, cards, "cards", .sub = card_sum_fields,                            \
          .size = sizeof(struct card_sum), .doc = "what is left of it in memory"),                 \
        FIELD(F_OBJECT, struct one, forecast, "forecast", .flags = FIELD_NULLABLE | FIELD_POINTER, \
              .sub = forecast_fields, .size = sizeof(struct one_forecast),                         \
              .doc = "null: none was made for these days"),                                        \
        FIELD(F_STR, struct one, method, "method", .doc = "of the estimates"),                     \
        FIELD(F_STR, struct one, reason, "reason", .flags = FIELD_NULLABLE,                        \
              .doc = "why there is no estimate")
static const struct field one_reply[] = {
    FIELD(F_OBJECT, struct one, objective, "objective", .sub = objective_fields,
          .size = sizeof(struct objective), .doc = "the objective"),
    FIELD(F_LIST, struct one, prerequisites, "prerequisites", .sub = linked_fields,
          .size = sizeof(struct linked), .max = LINKS_MAX,
          .doc = "what it builds on, the strongest first"),
    FIELD(F_LIST, struct one, opens, "opens", .sub = linked_fields, .size = sizeof(struct linked),
          .max = LINKS_MAX, .doc = "what builds on it"),
    ONE_FIELDS,
    FIELD_END,
};
static const struct field one_performance_reply[] = {
    FIELD(F_OBJECT, struct one, objective, "objective", .flags = FIELD_FLAT,
          .sub = objective_fields, .size = sizeof(struct objective), .doc = "the objective"),
    ONE_FIELDS,
    FIELD_END,
};

static enum err links_read(struct api_call *c, const struct rows *rows, const struct study_map *map,
                           struct list *ret)
{
    struct linked *p = arena_new(c->arena, struct linked, (size_t)rows->count + 1);

    if (!p)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        p[i].id = column_str(&v);
        p[i].text = column_str(&v);
        p[i].strength = column_f64(&v);
        const struct known_objective *k = map_find(map, p[i].id);
        bool asked = k && k->own.answers > 0;
        p[i].probability = asked ? round_to(k->of.mastery.probability, 3) : (double)NAN;
        p[i].met = asked && k->of.mastery.probability >= MISSION_WEAK;
        p[i].level = str_from(mastery_level_name(k ? mastery_level_of(&k->own, &k->of.mastery)
                                                   : MASTERY_NOT_STARTED));
    }
    *ret = (struct list){p, rows->count};
    return ERR_OK;
}

/* The weights are the same for all cards: when they are off, they are off for all, and the ends of
 * the mean's interval are the means of theirs. */
static enum err cards_read(struct api_call *c, const struct rows *rows,
                           const struct retained *retained, int32_t today, struct card_sum *ret)
{
    struct card_sum s = {.n = rows->count, .recall = (double)NAN};
    double recall = 0, low = 0, high = 0, n = (double)s.n;

    s.method = retained_of(retained, &s.learnt);
    for (int32_t i = 0; i < rows->count; i++) {
        struct interval interval;
        struct retained_now now = retained_card(retained, row_at(rows, i), today, &interval);

        recall += now.recall;
        low += interval.low;
        high += interval.high;
        s.due += now.due;
        s.own += now.own;
    }
    if (s.n > 0)
        s.recall = round_to(recall / n, 3);
    if (s.n > 0 && s.own == s.n) {
        s.interval =
            interval_new(c->arena, (struct interval){round_to(low / n, 3), round_to(high / n, 3)});
        if (!s.interval)
            return ERR_NOMEM;
    }
    *ret = s;
    return ERR_OK;
}

static enum err forecast_read(struct api_call *c, const struct rows *rows,
                              const struct one_forecast **ret)
{
    if (rows->count == 0)
        return ERR_OK;
    struct one_forecast *f = arena_new(c->arena, struct one_forecast, 1);
    struct columns v = columns_of(rows, 0);
    if (!f)
        return ERR_NOMEM;
    f->probability = round_to(column_f64(&v), 4);
    double low = round_to(column_f64(&v), 4);
    f->interval = interval_new(c->arena, (struct interval){low, round_to(column_f64(&v), 4)});
    f->made_at = column_time(&v);
    f->until_at = column_time(&v);
    *ret = f;
    return f->interval ? ERR_OK : ERR_NOMEM;
}

/* What the catalogue says of an objective that is not on the map. */
static struct known_objective from_catalogue(const struct rows *rows)
{
    struct columns v = columns_of(rows, 0);
    struct known_objective k = {.last_at = TIME_NONE};

    k.of.id = column_str(&v);
    k.text = column_str(&v);
    k.complexity = column_str(&v);
    k.of.high_yield = column_bool(&v);
    k.of.course = column_str(&v);
    return k;
}

enum { Q_CATALOGUE = OBJECTIVE_QUERIES, Q_NEEDS, Q_OPENS, Q_CARDS, Q_FORECAST, ONE_QUERIES };

static enum err get_objective(struct api_call *c)
{
    const struct known_objective_path *in = c->in;
    const struct value id = V_S(in->id);
    const struct value links[] = {id, V_I(LINKS_MAX)};
    const struct value args[] = {V_S(c->learner), id, V_I(CARDS_MAX)};
    struct query q[ONE_QUERIES] = {
        [Q_CATALOGUE] = {.stmt = STMT_OBJECTIVE_CATALOGUE, .args = &id, .arg_count = 1},
        [Q_NEEDS] = {.stmt = STMT_OBJECTIVE_NEEDS, .args = links, .arg_count = 2},
        [Q_OPENS] = {.stmt = STMT_OBJECTIVE_OPENS, .args = links, .arg_count = 2},
        [Q_CARDS] = {.stmt = STMT_OBJECTIVE_CARDS, .args = args, .arg_count = 3},
        [Q_FORECAST] = {.stmt = STMT_OBJECTIVE_FORECAST, .args = args, .arg_count = 2},
    };
    struct one *r = arena_new(c->arena, struct one, 1);
    struct study_map map;
    struct learner l;
    enum err e = r ? objectives_read(c, q, ONE_QUERIES, &l, &map) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    const struct known_objective *k = map_find(&map, in->id);
    if (!k && q[Q_CATALOGUE].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "OBJECTIVE_NOT_FOUND",
                          "There is no such objective, nor did this learner work on it.");
    struct known_objective fresh;
    if (!k) {
        fresh = from_catalogue(&q[Q_CATALOGUE].rows);
        k = &fresh;
    }
    e = objective_of(c, k, &r->objective);
    if (e == ERR_OK)
        e = links_read(c, &q[Q_NEEDS].rows, &map, &r->prerequisites);
    if (e == ERR_OK)
        e = links_read(c, &q[Q_OPENS].rows, &map, &r->opens);
    if (e == ERR_OK)
        e = forecast_read(c, &q[Q_FORECAST].rows, &r->forecast);
    if (e == ERR_OK)
        e = cards_read(c, &q[Q_CARDS].rows, &map.retained, l.today, &r->cards);
    r->method = objective_method;
    if (!l.analysis)
        r->reason = reason_disabled;
    else if (k->own.answers == 0)
        r->reason = STR("Nothing was asked of it yet.");
    c->reply = r;
    return e;
}

#define OBJECTIVES                                                                        \
    .method = HTTP_GET, .tag = "objectives", .envelope = ENVELOPE_DATA, .run = RUN_SMALL, \
    .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .round_trips = 1,                     \
    .cache = {.fresh_s = 1800, .stale_s = 3600}, .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_objectives[] = {
    {OBJECTIVES, .path = "/api/objectives", .id = "get_objectives",
     .summary = "What the learner works on, or has next, and how surely it is mastered",
     .query = list_query, .in_size = sizeof(struct list_query), .reply = list_reply,
     .handler = get_objectives},
    {OBJECTIVES, .path = "/api/objectives/{id}", .id = "get_objective",
     .summary = "One objective: mastery, cards, forecast, what it builds on and opens",
     .params = known_objective_path, .in_size = sizeof(struct known_objective_path),
     .reply = one_reply, .handler = get_objective},
    {OBJECTIVES, .path = "/api/objectives/{id}/performance", .id = "get_objective_performance",
     .summary = "How the learner does on one objective", .params = known_objective_path,
     .in_size = sizeof(struct known_objective_path), .reply = one_performance_reply,
     .handler = get_objective},
    {.path = NULL},
};
