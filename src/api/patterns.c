/* patterns - what is lasting in how a learner studies, and what follows from it: patterns, their
 * evolution, insights, recommendations, the dashboard. Computed at night (night/patterns.h), or on
 * demand; here it is read, and answered to. */
#include "api/patterns.h"
#include "base/assert.h"
#include "night/patterns.h"

enum { ANALYZE_EVERY_S = 86400, INSIGHTS_SHOWN = 5, ID_MAX = 128 };
#define METHOD                                                                                  \
    "outcomes against the learner's own level before each session; a pattern appears when its " \
    "Bayes "                                                                                    \
    "factor reaches 20, and is let go when later data is 200 times likelier without it"

/* ---- GET analytics/patterns, patterns/all ---- */

struct patterns_query {
    int32_t kind;
    double min_confidence;
    int32_t limit;
};
static const struct field patterns_query[] = {
    FIELD(F_ENUM, struct patterns_query, kind, "patternType", .names = pattern_kind_names,
          .flags = FIELD_NULLABLE, .doc = "left out: all"),
    FIELD(F_F64, struct patterns_query, min_confidence, "minConfidence", .min = 0, .max = 1,
          .def = "0.6", .doc = "at least so likely"),
    FIELD(F_I32, struct patterns_query, limit, "limit", .min = 1, .max = 100, .def = "20",
          .doc = "so many at most"),
    FIELD_END,
};

struct patterns_reply {
    struct list patterns;
    int64_t count;
    struct str method, reason;
    const struct needed *needed;
    int64_t analysed_at;
};
static const struct field patterns_reply[] = {
    FIELD(F_LIST, struct patterns_reply, patterns, "patterns", .sub = pattern_row_fields,
          .size = sizeof(struct pattern_row), .doc = "the likeliest first"),
    FIELD(F_I64, struct patterns_reply, count, "count", .doc = "of these"),
    FIELD(F_STR, struct patterns_reply, method, "method", .doc = "how they are found"),
    FIELD_REASON(struct patterns_reply),
    FIELD_END,
};

static enum err patterns_answer(struct api_call *c, int32_t kind, double min_confidence,
                                int32_t limit, bool vanished)
{
    struct patterns_reply *r = arena_new(c->arena, struct patterns_reply, 1);
    struct patterns_view v = {.count = 0};
    int32_t n = 0;
    enum err e = r ? patterns_view_read(c, &v, 0) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < v.count && n < limit; i++) {
        const struct pattern_row *p = &v.patterns[i];
        if ((kind >= 0 && p->kind != kind) || (!vanished && !p->present) ||
            (min_confidence > 0 && !(p->confidence >= min_confidence)))
            continue;
        v.patterns[n++] = *p;
    }
    r->patterns = (struct list){v.patterns, n};
    r->count = n;
    r->method = STR(METHOD);
    r->analysed_at = v.analysed_at;
    if (n == 0)
        r->reason = patterns_reason(&v, c->arena, &r->needed);
    c->reply = r;
    return ERR_OK;
}

static enum err get_patterns(struct api_call *c)
{
    const struct patterns_query *in = c->in;
    return patterns_answer(c, in->kind, in->min_confidence, in->limit, false);
}

static enum err get_all_patterns(struct api_call *c)
{
    return patterns_answer(c, -1, 0, NIGHT_PATTERNS_MAX, true);
}

/* ---- DELETE patterns/all ---- */

struct deleted_counts {
    int64_t patterns, insights, recommendations, profiles;
};
static const struct field deleted_counts_fields[] = {
    FIELD(F_I64, struct deleted_counts, patterns, "patterns", .doc = "patterns"),
    FIELD(F_I64, struct deleted_counts, insights, "insights", .doc = "insights"),
    FIELD(F_I64, struct deleted_counts, recommendations, "recommendations",
          .doc = "recommendations"),
    FIELD(F_I64, struct deleted_counts, profiles, "profiles", .doc = "fitted forgetting curves"),
    FIELD_END,
};
struct deleted_reply {
    struct str message;
    struct deleted_counts counts;
};
static const struct field deleted_reply[] = {
    FIELD(F_STR, struct deleted_reply, message, "message", .doc = "for people"),
    FIELD(F_OBJECT, struct deleted_reply, counts, "deletedCounts", .sub = deleted_counts_fields,
          .size = sizeof(struct deleted_counts), .doc = "what is gone"),
    FIELD_END,
};

static enum err patterns_delete(struct api_call *c, struct store_conn *conn)
{
    const struct value id[] = {V_S(c->learner)};
    static const enum stmt drops[] = {
        STMT_PATTERNS_DROP_PATTERNS,        STMT_PATTERNS_DROP_INSIGHTS,
        STMT_PATTERNS_DROP_RECOMMENDATIONS, STMT_PATTERNS_DROP_MEMORY,
        STMT_PATTERNS_DROP_PATTERN_HISTORY, STMT_PATTERNS_DROP_ANALYSES};
    struct bulk bulks[COUNT(drops)];
    struct deleted_reply *r = c->reply;

    for (size_t i = 0; i < COUNT(drops); i++)
        bulks[i] = (struct bulk){.stmt = drops[i], .rows = 1, .cols = 1, .v = id};
    enum err e = store_write(conn, bulks, COUNT(drops));
    r->counts = (struct deleted_counts){bulks[0].changed, bulks[1].changed, bulks[2].changed,
                                        bulks[3].changed};
    return e;
}

static enum err deleted(struct api_call *c)
{
    struct deleted_reply *r = c->reply;
    r->message = STR("What was found of the learner is erased; what was recorded stays.");
    return ERR_OK;
}

static enum err delete_patterns(struct api_call *c)
{
    struct query q[1];
    struct learner l;
    enum err e = learner_read(c, q, 1, &l);

    if (e != ERR_OK)
        return e;
    c->reply = arena_new(c->arena, struct deleted_reply, 1);
    return c->reply ? api_change(c, patterns_delete, deleted) : ERR_NOMEM;
}

/* ---- insights ---- */

const struct field insight_fields[] = {
    FIELD(F_STR, struct insight, id, "id", .doc = "of the insight"),
    FIELD(F_STR, struct insight, user_id, "userId", .doc = "learner"),
    FIELD(F_STR, struct insight, type, "insightType", .doc = "what it is about"),
    FIELD(F_STR, struct insight, title, "title", .doc = "in a few words"),
    FIELD(F_STR, struct insight, description, "description", .doc = "in a sentence"),
    FIELD(F_STR, struct insight, action, "actionableRecommendation", .doc = "what to do with it"),
    FIELD(F_F64, struct insight, confidence, "confidence", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "its pattern's"),
    FIELD(F_TIME, struct insight, created_at, "createdAt", .doc = "when it was found"),
    FIELD(F_TIME, struct insight, acknowledged_at, "acknowledgedAt", .flags = FIELD_NULLABLE,
          .doc = "when the learner first said so"),
    FIELD(F_BOOL, struct insight, applied, "applied", .doc = "as the learner says"),
    FIELD(F_LIST, struct insight, patterns, "supportingPatterns", .sub = pattern_row_fields,
          .size = sizeof(struct pattern_row), .doc = "what it follows from"),
    FIELD_END,
};

static enum err insight_read(struct api_call *c, struct columns v, struct insight *ret)
{
    struct pattern_row *p = arena_new(c->arena, struct pattern_row, 1);

    if (!p)
        return ERR_NOMEM;
    *ret = (struct insight){.id = column_str(&v), .user_id = c->learner};
    ret->created_at = column_time(&v);
    ret->acknowledged_at = column_time(&v);
    ret->applied = column_bool(&v);
    enum err e = pattern_row_read(c, v, p);
    if (e != ERR_OK)
        return e;
    struct pattern_words w = pattern_words(c->arena, p);
    ret->type = str_from(w.insight_type);
    ret->title = w.title;
    ret->description = w.description;
    ret->action = w.action;
    ret->confidence = p->confidence;
    ret->patterns = (struct list){p, 1};
    return w.description.p && w.action.p ? ERR_OK : ERR_NOMEM;
}

/* Into its place among the n before, the likeliest first. */
static void insight_insert(struct insight *list, int32_t n, const struct insight *one)
{
    for (; n > 0 && list[n - 1].confidence < one->confidence; n--)
        list[n] = list[n - 1];
    list[n] = *one;
}

/* Those whose pattern holds and that the learner has not yet acknowledged, the likeliest first. */
static enum err insights_open(struct api_call *c, const struct rows *rows, int32_t limit,
                              struct list *ret)
{
    struct insight *list = arena_new(c->arena, struct insight, (size_t)rows->count + 1), one;
    int32_t n = 0;

    if (!list)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        enum err e = insight_read(c, columns_of(rows, i), &one);
        const struct pattern_row *p = one.patterns.p;
        if (e != ERR_OK)
            return e;
        if (one.acknowledged_at != TIME_NONE || !p->present || p->appeared_at > one.created_at)
            continue;
        insight_insert(list, n++, &one);
    }
    *ret = (struct list){list, n < limit ? n : limit};
    return ERR_OK;
}

/* ---- all of both, for the export ---- */

const struct field pattern_linked_fields[] = {
    FIELD(F_OBJECT, struct pattern_linked, row, "pattern", .flags = FIELD_FLAT,
          .sub = pattern_row_fields, .size = sizeof(struct pattern_row), .doc = "the pattern"),
    FIELD(F_LIST, struct pattern_linked, insights, "linkedInsights", .item = F_STR,
          .size = sizeof(struct str), .doc = "insights that follow from it"),
    FIELD_END,
};

static enum err insights_linked(struct arena *arena, const struct list *insights,
                                struct pattern_linked *p)
{
    struct str *ids = arena_new(arena, struct str, (size_t)insights->n + 1);
    const struct insight *list = insights->p;
    int32_t n = 0;

    if (!ids)
        return ERR_NOMEM;
    for (int32_t i = 0; i < insights->n; i++) {
        const struct pattern_row *of = list[i].patterns.p;
        if (str_eq(of->id, p->row.id))
            ids[n++] = list[i].id;
    }
    p->insights = (struct list){ids, n};
    return ERR_OK;
}

enum err patterns_show(struct api_call *c, struct patterns_shown *ret)
{
    const struct value id[] = {V_S(c->learner)};
    struct patterns_view v = {
        .q[3] = {.stmt = STMT_INSIGHTS_OF_LEARNER, .args = id, .arg_count = 1}};
    const struct rows *rows = &v.q[3].rows;
    enum err e = patterns_view_read(c, &v, 1);

    if (e != ERR_OK)
        return e;
    struct insight *insights = arena_new(c->arena, struct insight, (size_t)rows->count + 1), one;
    struct pattern_linked *patterns =
        arena_new(c->arena, struct pattern_linked, (size_t)v.count + 1);
    if (!insights || !patterns)
        return ERR_NOMEM;
    *ret = (struct patterns_shown){{patterns, v.count}, {insights, 0}};
    for (int32_t i = 0; e == ERR_OK && i < rows->count; i++) {
        e = insight_read(c, columns_of(rows, i), &one);
        if (e == ERR_OK)
            insight_insert(insights, ret->insights.n++, &one);
    }
    for (int32_t i = 0; e == ERR_OK && i < v.count; i++) {
        patterns[i].row = v.patterns[i];
        e = insights_linked(c->arena, &ret->insights, &patterns[i]);
    }
    return e;
}

/* ---- GET analytics/insights ---- */

struct insights_reply {
    struct list insights;
    int64_t count;
    bool insufficient;
    struct str reason;
    const struct needed *needed;
    int64_t analysed_at;
};
static const struct field insights_reply[] = {
    FIELD(F_LIST, struct insights_reply, insights, "insights", .sub = insight_fields,
          .size = sizeof(struct insight), .doc = "not yet acknowledged; the likeliest first"),
    FIELD(F_I64, struct insights_reply, count, "count", .doc = "of these"),
    FIELD(F_BOOL, struct insights_reply, insufficient, "insufficientData",
          .doc = "is there too little to find any?"),
    FIELD_REASON(struct insights_reply),
    FIELD_END,
};
/* At the root, too, where older clients look. */
struct insights_twice {
    struct insights_reply reply;
};
static const struct field insights_twice[] = {
    FIELD(F_OBJECT, struct insights_twice, reply, "data", .sub = insights_reply,
          .size = sizeof(struct insights_reply), .doc = "the answer"),
    FIELD(F_OBJECT, struct insights_twice, reply, "root", .flags = FIELD_FLAT,
          .sub = insights_reply, .size = sizeof(struct insights_reply), .doc = "once more"),
    FIELD_END,
};

static enum err get_insights(struct api_call *c)
{
    const struct value id[] = {V_S(c->learner)};
    struct insights_reply *r = arena_new(c->arena, struct insights_reply, 1);
    struct patterns_view v = {
        .q[3] = {.stmt = STMT_INSIGHTS_OF_LEARNER, .args = id, .arg_count = 1}};
    enum err e = r ? patterns_view_read(c, &v, 1) : ERR_NOMEM;

    if (e == ERR_OK)
        e = insights_open(c, &v.q[3].rows, INT32_MAX, &r->insights);
    if (e != ERR_OK)
        return e;
    r->count = r->insights.n;
    r->analysed_at = v.analysed_at;
    if (v.count == 0)
        r->reason = patterns_reason(&v, c->arena, &r->needed);
    r->insufficient = r->needed != NULL;
    c->reply = r;
    return ERR_OK;
}

struct acknowledge_in {
    struct str id, user_id;
    bool applied, applied_given;
};
static const struct field insight_path[] = {
    FIELD(F_STR, struct acknowledge_in, id, "id", .min = 1, .max = ID_MAX, .doc = "insight"),
    FIELD_END,
};
static const struct field acknowledge_body[] = {
    FIELD_USER_ID(struct acknowledge_in),
    FIELD(F_BOOL, struct acknowledge_in, applied, "applied",
          .seen = 1 + (uint32_t)offsetof(struct acknowledge_in, applied_given),
          .doc = "did the learner do as it says?"),
    FIELD_END,
};
struct insight_reply {
    struct insight insight;
};
static const struct field insight_reply[] = {
    FIELD(F_OBJECT, struct insight_reply, insight, "insight", .sub = insight_fields,
          .size = sizeof(struct insight), .doc = "as it is now"),
    FIELD_END,
};

static enum err acknowledge_run(struct api_call *c, struct store_conn *conn)
{
    const struct acknowledge_in *in = c->in;
    const struct value v[] = {V_S(c->learner), V_S(in->id), V_I(c->now_us),
                              in->applied_given ? V_I(in->applied) : V_N};
    struct bulk b = {.stmt = STMT_INSIGHT_ACKNOWLEDGE, .rows = 1, .cols = COUNT(v), .v = v};
    enum err e = store_write(conn, &b, 1);

    if (e == ERR_OK && b.changed == 0)
        return api_refuse(c, ERR_NOT_FOUND, "INSIGHT_NOT_FOUND", "There is no such insight.");
    return e;
}

static enum err acknowledged(struct api_call *c)
{
    const struct acknowledge_in *in = c->in;
    const struct value id[] = {V_S(c->learner)};
    struct insight_reply *r = arena_new(c->arena, struct insight_reply, 1);
    struct query q = {.stmt = STMT_INSIGHTS_OF_LEARNER, .args = id, .arg_count = 1};
    enum err e = r ? store_read(c->conn, c->arena, &q, 1, c->deadline_us) : ERR_NOMEM;

    c->reply = r;
    for (int32_t i = 0; e == ERR_OK && i < q.rows.count; i++)
        if (str_eq(value_str(row_at(&q.rows, i)), in->id))
            return insight_read(c, columns_of(&q.rows, i), &r->insight);
    return e == ERR_OK
               ? api_refuse(c, ERR_NOT_FOUND, "INSIGHT_NOT_FOUND", "There is no such insight.")
               : e;
}

static enum err patch_insight(struct api_call *c)
{
    return api_change(c, acknowledge_run, acknowledged);
}

/* ---- POST patterns/analyze ---- */

struct analyze_in {
    struct str user_id;
    bool force;
    struct night_work *work; /* not of the body: what is to be written */
};
static const struct field analyze_body[] = {
    FIELD_USER_ID(struct analyze_in),
    FIELD(F_BOOL, struct analyze_in, force, "forceReanalysis",
          .doc = "taken for older clients: an analysis is made whenever there is something new"),
    FIELD_END,
};

struct requirements {
    int64_t weeks, sessions, reviews;
};
static const struct field requirements_fields[] = {
    FIELD(F_I64, struct requirements, weeks, "weeksNeeded",
          .doc = "none: patterns are found by how much was done, not by how long"),
    FIELD(F_I64, struct requirements, sessions, "sessionsNeeded", .doc = "still missing"),
    FIELD(F_I64, struct requirements, reviews, "reviewsNeeded",
          .doc = "answers and reviews still missing"),
    FIELD_END,
};
struct analyzed {
    struct list patterns, insights;
    bool insufficient;
    const struct requirements *requirements;
    struct str message;
    int64_t analysed_at;
};
static const struct field analyzed_fields[] = {
    FIELD(F_LIST, struct analyzed, patterns, "patterns", .sub = pattern_row_fields,
          .size = sizeof(struct pattern_row), .doc = "that hold now, the likeliest first"),
    FIELD(F_LIST, struct analyzed, insights, "insights", .sub = insight_fields,
          .size = sizeof(struct insight), .max = INSIGHTS_SHOWN,
          .doc = "not yet acknowledged, the likeliest first"),
    FIELD(F_BOOL, struct analyzed, insufficient, "insufficientData",
          .doc = "is there too little to find any?"),
    FIELD(F_OBJECT, struct analyzed, requirements, "dataRequirements",
          .flags = FIELD_NULLABLE | FIELD_OMIT | FIELD_POINTER, .sub = requirements_fields,
          .size = sizeof(struct requirements), .doc = "what is missing"),
    FIELD(F_STR, struct analyzed, message, "message", .flags = FIELD_NULLABLE,
          .doc = "why there is nothing; null when there is something"),
    FIELD(F_TIME, struct analyzed, analysed_at, "lastAnalyzedAt", .flags = FIELD_NULLABLE,
          .doc = "when the analysis was last made"),
    FIELD_END,
};

static enum err analyzed(struct api_call *c)
{
    const struct value id[] = {V_S(c->learner)};
    struct analyzed *r = arena_new(c->arena, struct analyzed, 1);
    struct patterns_view v = {
        .q[3] = {.stmt = STMT_INSIGHTS_OF_LEARNER, .args = id, .arg_count = 1}};
    const struct needed *needed = NULL;
    int32_t n = 0;
    enum err e = r ? patterns_view_read(c, &v, 1) : ERR_NOMEM;

    if (e == ERR_OK)
        e = insights_open(c, &v.q[3].rows, INSIGHTS_SHOWN, &r->insights);
    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < v.count; i++)
        if (v.patterns[i].present)
            v.patterns[n++] = v.patterns[i];
    r->patterns = (struct list){v.patterns, n};
    r->analysed_at = v.analysed_at;
    if (n == 0)
        r->message = patterns_reason(&v, c->arena, &needed);
    if (needed) {
        struct requirements *more = arena_new(c->arena, struct requirements, 1);
        if (!more)
            return ERR_NOMEM;
        more->sessions = needed->sessions > 0 ? needed->sessions : 0;
        more->reviews = needed->graded > 0 ? needed->graded : 0;
        r->requirements = more;
        r->insufficient = true;
    }
    c->reply = r;
    return ERR_OK;
}

static enum err refuse_soon(struct api_call *c, int64_t asked_at)
{
    int64_t wait_s = ANALYZE_EVERY_S - (c->now_us - asked_at) / US_PER_S;

    call_of(c)->retry_after_s = wait_s > 0 ? (int32_t)wait_s : 1;
    return api_refuse(c, ERR_TOO_MANY, "ANALYZED_TODAY",
                      "An analysis can be asked for once a day; another is made each night.");
}

/* Analysis may have been switched off meanwhile, and all been erased: then nothing is kept. */
static enum err analyze_run(struct api_call *c, struct store_conn *conn)
{
    const struct analyze_in *in = c->in;
    struct night_work *w = in->work;
    const struct value name = V_S(c->learner);
    struct query q = {.stmt = STMT_NIGHT_LEARNER, .args = &name, .arg_count = 1, .rows_max = 1};
    const struct value asked[] = {V_I(w->learner_id), V_I(c->now_us),
                                  V_I(c->now_us - ANALYZE_EVERY_S * US_PER_S)};
    struct bulk b = {.stmt = STMT_ANALYSIS_ASKED, .rows = 1, .cols = COUNT(asked), .v = asked};
    enum err e = store_read(conn, c->arena, &q, 1, 0);

    if (e == ERR_OK && (q.rows.count == 0 || value_i64(row_at(&q.rows, 0) + 2, 0) == 0))
        return api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT, STR_ARG(reason_disabled));
    if (e == ERR_OK)
        e = night_write(w, conn);
    if (e == ERR_OK)
        e = store_write(conn, &b, 1);
    if (e == ERR_OK && b.changed == 0)
        return refuse_soon(c, c->now_us);
    c->conn = conn; /* what has been written is read where it is seen already */
    c->deadline_us = call_of(c)->deadline_us; /* no more a loop's */
    if (e == ERR_OK)
        e = analyzed(c);
    c->conn = NULL;
    return e;
}

static enum err post_analyze(struct api_call *c)
{
    struct analyze_in *in = c->in;
    struct patterns_view v = {.count = 0};
    enum err e = patterns_view_read(c, &v, 0);

    if (e != ERR_OK)
        return e;
    if (!v.l.analysis)
        return api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT, STR_ARG(reason_disabled));
    if (patterns_fresh(&v) || learner_totals(&v.l)->events == 0)
        return analyzed(c);
    if (v.asked_at != TIME_NONE && c->now_us - v.asked_at < ANALYZE_EVERY_S * US_PER_S)
        return refuse_soon(c, v.asked_at);
    in->work = arena_new(c->arena, struct night_work, 1);
    if (!in->work)
        return ERR_NOMEM;
    *in->work = (struct night_work){.conn = c->conn,
                                    .arena = c->arena,
                                    .deadline_us = c->deadline_us,
                                    .now_us = c->now_us,
                                    .learner_id = v.l.learner_id,
                                    .zone = v.l.zone,
                                    .analysis = v.l.analysis};
    e = night_compute(in->work, c->learner, night_patterns);
    if (e != ERR_OK)
        return e;
    return in->work->bulk_count > 0 ? api_change(c, analyze_run, NULL) : analyzed(c);
}

#define ONE(e) (UINT64_C(1) << (e))
#define PATTERNS                                                                           \
    .method = HTTP_GET, .tag = "patterns", .scopes = SCOPE_READ, .learner = LEARNER_QUERY, \
    .envelope = ENVELOPE_DATA, .run = RUN_SMALL, .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)

const struct endpoint endpoints_patterns[] = {
    {PATTERNS, .path = "/api/analytics/patterns", .id = "get_patterns",
     .summary = "What is lasting in how a learner studies", .query = patterns_query,
     .in_size = sizeof(struct patterns_query), .reply = patterns_reply,
     .cache = {.fresh_s = 600, .stale_s = 1800, .settled = true}, .handler = get_patterns},
    {PATTERNS, .path = "/api/analytics/patterns/all", .id = "get_all_patterns",
     .summary = "All patterns, also those that have vanished (64 at most)", .reply = patterns_reply,
     .cache = {.fresh_s = 600, .stale_s = 1800, .settled = true}, .handler = get_all_patterns},
    {.method = HTTP_DELETE,
     .path = "/api/analytics/patterns/all",
     .id = "delete_patterns",
     .tag = "patterns",
     .summary = "Erase what was found of the learner: patterns and what followed",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_QUERY,
     .reply = deleted_reply,
     .envelope = ENVELOPE_DATA,
     .run = RUN_SMALL,
     .round_trips = 1,
     .errors = ONE(ERR_NOT_FOUND),
     .handler = delete_patterns},
    {.method = HTTP_POST,
     .path = "/api/analytics/patterns/analyze",
     .id = "analyze_patterns",
     .tag = "patterns",
     .summary = "Look for patterns now, if there is anything new; once a day",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .body = analyze_body,
     .in_size = sizeof(struct analyze_in),
     .reply = analyzed_fields,
     .envelope = ENVELOPE_DATA,
     .run = RUN_WORKER,
     .round_trips = 3,
     .arena_max = NIGHT_ARENA_MAX,
     .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_FORBIDDEN),
     .repeats = true,
     .handler = post_analyze},
    {.method = HTTP_GET,
     .tag = "patterns",
     .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY,
     .envelope = ENVELOPE_FLAT,
     .run = RUN_SMALL,
     .round_trips = 1,
     .errors = UINT64_C(1) << ERR_NOT_FOUND,
     .path = "/api/analytics/insights",
     .id = "get_insights",
     .summary = "What follows from the patterns, not yet acknowledged",
     .reply = insights_twice,
     .cache = {.fresh_s = 600, .stale_s = 1800, .settled = true},
     .handler = get_insights},
    {.method = HTTP_PATCH,
     .path = "/api/analytics/insights/{id}/acknowledge",
     .id = "acknowledge_insight",
     .tag = "patterns",
     .summary = "Say that an insight was seen; the first time counts",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .params = insight_path,
     .body = acknowledge_body,
     .in_size = sizeof(struct acknowledge_in),
     .reply = insight_reply,
     .envelope = ENVELOPE_DATA,
     .run = RUN_SMALL,
     .round_trips = 1,
     .errors = ONE(ERR_NOT_FOUND),
     .handler = patch_insight},
    {.path = NULL},
};
