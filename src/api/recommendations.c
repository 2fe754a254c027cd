/* recommendations - what a learner could do differently, by the patterns that hold; how patterns
 * came and went; and the dashboard. Made of the night's rows; nothing is written by reading. */
#include "api/goals.h"
#include "api/pattern_row.h"
#include "base/assert.h"
#include "base/rng.h"
#include "night/patterns.h"

#include <math.h>
#include <stdio.h>

enum { PER_TYPE = 2, SHOWN = 5, DAYS = 30, WEEKS_MAX = 52, ID_MAX = 128, SETTINGS_MAX = 4096 };

/* ---- a recommendation ---- */

static const char *const application_names[] = {"AUTO", "MANUAL", "REMINDER", "GOAL", NULL};

/* Success since it was applied against before: what changed, for whatever reason. */
struct since_applied {
    double before, after, change;
    const struct interval *interval;
    int64_t n;
};
static const struct field since_fields[] = {
    FIELD(F_F64, struct since_applied, before, "successBefore", .doc = "share until then"),
    FIELD(F_F64, struct since_applied, after, "successAfter", .doc = "share since"),
    FIELD(F_F64, struct since_applied, change, "change", .doc = "after - before"),
    FIELD(F_OBJECT, struct since_applied, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 % of the change; not proof of a cause"),
    FIELD(F_I64, struct since_applied, n, "n", .doc = "answers and reviews since"),
    FIELD_END,
};

struct recommendation {
    struct str id, user_id, type, category, title, description, action, status;
    double confidence, impact, priority;
    struct list evidence, sources;
    bool actionable;
    int64_t created_at, applied_at;
    struct str application, tracking;
    const struct since_applied *since;
    bool open; /* not shown: its pattern holds and nothing was applied */
};
static const struct field recommendation_fields[] = {
    FIELD(F_STR, struct recommendation, id, "id", .doc = "of the recommendation"),
    FIELD(F_STR, struct recommendation, user_id, "userId", .doc = "learner"),
    FIELD(F_STR, struct recommendation, type, "recommendationType", .doc = "what it changes"),
    FIELD(F_STR, struct recommendation, category, "category",
          .doc = "TIMING, DURATION, CONTENT, STRATEGY"),
    FIELD(F_STR, struct recommendation, title, "title", .doc = "in a few words"),
    FIELD(F_STR, struct recommendation, description, "description", .doc = "in a sentence"),
    FIELD(F_STR, struct recommendation, action, "actionableText", .doc = "what to do"),
    FIELD(F_STR, struct recommendation, status, "status", .doc = "PENDING or APPLIED"),
    FIELD(F_F64, struct recommendation, confidence, "confidence", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "its pattern's"),
    FIELD(F_F64, struct recommendation, impact, "estimatedImpact", .flags = FIELD_NULLABLE,
          .doc = "rise in the share right if all work went as there; null: cannot be said"),
    FIELD(F_F64, struct recommendation, priority, "priorityScore", .flags = FIELD_NULLABLE,
          .doc = "confidence times impact"),
    FIELD(F_F64, struct recommendation, priority, "priority", .flags = FIELD_NULLABLE,
          .doc = "the same under another name"),
    FIELD(F_LIST, struct recommendation, evidence, "evidence", .item = F_STR,
          .size = sizeof(struct str), .doc = "what speaks for it"),
    FIELD(F_LIST, struct recommendation, sources, "sourcePatternIds", .item = F_STR,
          .size = sizeof(struct str), .doc = "patterns that it follows from"),
    FIELD(F_BOOL, struct recommendation, actionable, "actionable", .doc = "can it be applied now?"),
    FIELD(F_TIME, struct recommendation, created_at, "createdAt", .doc = "when it was found"),
    FIELD(F_TIME, struct recommendation, applied_at, "appliedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was applied"),
    FIELD(F_STR, struct recommendation, application, "applicationType", .flags = FIELD_NULLABLE,
          .doc = "how it was applied"),
    FIELD(F_STR, struct recommendation, tracking, "trackingId", .flags = FIELD_NULLABLE,
          .doc = "of its application"),
    FIELD(F_OBJECT, struct recommendation, since, "sinceApplied",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = since_fields,
          .size = sizeof(struct since_applied), .doc = "null before, or without work since"),
    FIELD_END,
};

/* Difference of two shares by Newcombe's (1998) hybrid of Wilson intervals. */
static const struct since_applied *since_applied(struct api_call *c, const struct learner *l,
                                                 int64_t graded, int64_t succeeded)
{
    double n = (double)(learner_graded(l) - graded), k = (double)(learner_succeeded(l) - succeeded);

    if (graded <= 0 || n <= 0 || k < 0 || k > n)
        return NULL;
    struct since_applied *s = arena_new(c->arena, struct since_applied, 1);
    if (!s)
        return NULL;
    s->before = (double)succeeded / (double)graded;
    s->after = k / n;
    s->change = s->after - s->before;
    struct interval a = stats_wilson(k, n, STATS_Z95);
    struct interval b = stats_wilson((double)succeeded, (double)graded, STATS_Z95);
    s->interval = interval_new(
        c->arena, (struct interval){s->change - hypot(s->after - a.low, b.high - s->before),
                                    s->change + hypot(a.high - s->after, s->before - b.low)});
    s->n = (int64_t)n;
    return s;
}

static enum err recommendation_read(struct api_call *c, struct columns v, const struct learner *l,
                                    struct recommendation *r)
{
    struct pattern_row p;
    double mean = (double)learner_succeeded(l) / (double)learner_graded(l);

    *r = (struct recommendation){.id = column_str(&v), .user_id = c->learner};
    r->created_at = column_time(&v);
    r->applied_at = column_time(&v);
    r->application = column_str(&v);
    r->tracking = column_str(&v);
    int64_t graded = column_i64(&v, 0), succeeded = column_i64(&v, 0);
    enum err e = pattern_row_read(c, v, &p);
    if (e != ERR_OK)
        return e;
    struct pattern_words w = pattern_words(c->arena, &p);
    struct str *source = arena_new(c->arena, struct str, 1);
    if (!w.description.p || !w.action.p || !source)
        return ERR_NOMEM;
    *source = p.id;
    r->sources = (struct list){source, 1};
    r->type = str_from(w.recommendation_type);
    r->category = str_from(w.category);
    r->title = w.title;
    r->description = w.description;
    r->action = w.action;
    r->confidence = p.confidence;
    r->impact = mean > 0 && mean < 1 ? pattern_gain(&p, mean) : NAN;
    r->priority = r->confidence * r->impact;
    r->evidence = p.evidence;
    r->open = r->applied_at == TIME_NONE && p.present && p.appeared_at <= r->created_at;
    r->actionable = r->open;
    r->status = r->applied_at == TIME_NONE ? STR("PENDING") : STR("APPLIED");
    if (r->applied_at != TIME_NONE)
        r->since = since_applied(c, l, graded, succeeded);
    return ERR_OK;
}

static bool comes_before(const struct recommendation *a, const struct recommendation *b)
{
    double pa = isnan(a->priority) ? -1 : a->priority, pb = isnan(b->priority) ? -1 : b->priority;
    return pa > pb;
}

/* By priority; of one type PER_TYPE open ones at most, so that the list is not all of a kind. */
static enum err recommendations_list(struct api_call *c, const struct rows *rows,
                                     const struct learner *l, bool applied, struct list *ret)
{
    struct recommendation *list =
                              arena_new(c->arena, struct recommendation, (size_t)rows->count + 1),
                          one;
    int32_t n = 0, kept = 0;

    if (!list)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        int32_t at = n;
        enum err e = recommendation_read(c, columns_of(rows, i), l, &one);
        if (e != ERR_OK)
            return e;
        if (!one.open && !(applied && one.applied_at != TIME_NONE))
            continue;
        for (; at > 0 && comes_before(&one, &list[at - 1]); at--)
            list[at] = list[at - 1];
        list[at] = one;
        n++;
    }
    for (int32_t i = 0; i < n; i++) {
        int32_t same = 0;
        for (int32_t j = 0; j < kept; j++)
            same += list[j].open && str_eq(list[j].type, list[i].type);
        if (!list[i].open || same < PER_TYPE)
            list[kept++] = list[i];
    }
    *ret = (struct list){list, kept};
    return ERR_OK;
}

/* ---- GET recommendations ---- */

struct list_query {
    bool applied;
    int32_t limit;
};
static const struct field list_query[] = {
    FIELD(F_BOOL, struct list_query, applied, "includeApplied", .def = "false",
          .doc = "also those that were applied"),
    FIELD(F_I32, struct list_query, limit, "limit", .min = 1, .max = 20, .def = "5",
          .doc = "so many at most"),
    FIELD_END,
};
struct list_reply {
    struct list recommendations;
    int64_t count, total;
    struct str method, reason;
    const struct needed *needed;
    int64_t analysed_at;
};
static const struct field list_reply[] = {
    FIELD(F_LIST, struct list_reply, recommendations, "recommendations",
          .sub = recommendation_fields, .size = sizeof(struct recommendation),
          .doc = "the most promising first"),
    FIELD(F_I64, struct list_reply, count, "count", .doc = "of these"),
    FIELD(F_I64, struct list_reply, total, "total", .doc = "without the limit"),
    FIELD(F_STR, struct list_reply, method, "method", .doc = "how they are ordered"),
    FIELD_REASON(struct list_reply),
    FIELD_END,
};

static enum err get_recommendations(struct api_call *c)
{
    const struct list_query *in = c->in;
    const struct value id[] = {V_S(c->learner)};
    struct list_reply *r = arena_new(c->arena, struct list_reply, 1);
    struct patterns_view v = {
        .q[3] = {.stmt = STMT_RECOMMENDATIONS_OF_LEARNER, .args = id, .arg_count = 1}};
    enum err e = r ? patterns_view_read(c, &v, 1) : ERR_NOMEM;

    if (e == ERR_OK)
        e = recommendations_list(c, &v.q[3].rows, &v.l, in->applied, &r->recommendations);
    if (e != ERR_OK)
        return e;
    r->total = r->recommendations.n;
    if (r->recommendations.n > in->limit)
        r->recommendations.n = in->limit;
    r->count = r->recommendations.n;
    r->method =
        STR("confidence that the pattern holds, times the rise in success that it promises");
    r->analysed_at = v.analysed_at;
    if (v.count == 0)
        r->reason = patterns_reason(&v, c->arena, &r->needed);
    c->reply = r;
    return ERR_OK;
}

/* ---- POST recommendations/{id}/apply ---- */

struct apply_in {
    struct str id, user_id, settings, tracking;
    int32_t application;
    int64_t graded, succeeded;
};
static const struct field apply_path[] = {
    FIELD(F_STR, struct apply_in, id, "id", .min = 1, .max = ID_MAX, .doc = "recommendation"),
    FIELD_END,
};
static const struct field apply_body[] = {
    FIELD_USER_ID(struct apply_in),
    FIELD(F_ENUM, struct apply_in, application, "applicationType", .flags = FIELD_REQUIRED,
          .names = application_names, .doc = "how it is applied"),
    FIELD(F_JSON, struct apply_in, settings, "settings", .flags = FIELD_NULLABLE,
          .max = SETTINGS_MAX, .doc = "an object, kept as it is"),
    FIELD_END,
};
struct applied {
    struct str id, application;
    int64_t at;
};
static const struct field applied_fields[] = {
    FIELD(F_STR, struct applied, id, "id", .doc = "recommendation"),
    FIELD(F_STR, struct applied, application, "applicationType", .doc = "how"),
    FIELD(F_TIME, struct applied, at, "appliedAt", .doc = "when"),
    FIELD_END,
};
struct apply_reply {
    bool success;
    struct applied applied;
    struct str tracking;
};
static const struct field apply_reply[] = {
    FIELD(F_BOOL, struct apply_reply, success, "success", .doc = "true"),
    FIELD(F_OBJECT, struct apply_reply, applied, "appliedRecommendation", .sub = applied_fields,
          .size = sizeof(struct applied), .doc = "what was applied"),
    FIELD(F_STR, struct apply_reply, tracking, "trackingId", .doc = "of this application"),
    FIELD_END,
};

static enum err apply_run(struct api_call *c, struct store_conn *conn)
{
    const struct apply_in *in = c->in;
    const struct value v[] = {
        V_S(c->learner),      V_S(in->id),
        V_I(c->now_us),       V_S(str_from(application_names[in->application])),
        v_text(in->settings), V_S(in->tracking),
        V_I(in->graded),      V_I(in->succeeded)};
    struct bulk b = {.stmt = STMT_RECOMMENDATION_APPLY, .rows = 1, .cols = COUNT(v), .v = v};
    enum err e = store_write(conn, &b, 1);

    if (e == ERR_OK && b.changed == 0)
        return api_refuse(c, ERR_CONFLICT, "ALREADY_APPLIED", "It is applied already.");
    return e;
}

static enum err apply_done(struct api_call *c)
{
    const struct apply_in *in = c->in;
    struct apply_reply *r = arena_new(c->arena, struct apply_reply, 1);

    if (!r)
        return ERR_NOMEM;
    r->success = true;
    r->applied = (struct applied){in->id, str_from(application_names[in->application]), c->now_us};
    r->tracking = in->tracking;
    c->reply = r;
    return ERR_OK;
}

static enum err post_apply(struct api_call *c)
{
    struct apply_in *in = c->in;
    const struct value id[] = {V_S(c->learner)};
    struct query q[2] = {
        [1] = {.stmt = STMT_RECOMMENDATIONS_OF_LEARNER, .args = id, .arg_count = 1}};
    struct learner l;
    uint64_t tracking[2];
    bool known = false;
    enum err e = learner_read(c, q, 2, &l);

    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < q[1].rows.count; i++)
        known |= str_eq(value_str(row_at(&q[1].rows, i)), in->id);
    if (!known)
        return api_refuse(c, ERR_NOT_FOUND, "RECOMMENDATION_NOT_FOUND",
                          "There is no such recommendation.");
    if (in->settings.p && in->settings.p[0] != '{')
        return api_bad_field(c, "settings", "invalid_type", "must be an object");
    if (in->settings.n > SETTINGS_MAX)
        return api_bad_field(c, "settings", "too_big", "must be at most %d bytes", SETTINGS_MAX);
    random_bytes(tracking, sizeof tracking);
    in->tracking = arena_printf(c->arena, "t%016llx%016llx", (unsigned long long)tracking[0],
                                (unsigned long long)tracking[1]);
    in->graded = learner_graded(&l);
    in->succeeded = learner_succeeded(&l);
    return in->tracking.p ? api_change(c, apply_run, apply_done) : ERR_NOMEM;
}

/* ---- GET patterns/evolution ---- */

static const char *const status_names[] = {"new", "existing", "disappeared", NULL};
enum status { STATUS_NEW, STATUS_EXISTING, STATUS_DISAPPEARED };

struct week_pattern {
    struct str id;
    int32_t kind, status;
    double confidence;
    struct pattern_row *row;
};
static const struct field week_pattern_fields[] = {
    FIELD(F_STR, struct week_pattern, id, "id", .doc = "pattern"),
    FIELD(F_ENUM, struct week_pattern, kind, "patternType", .names = pattern_kind_names,
          .doc = "what is lasting"),
    FIELD(F_F64, struct week_pattern, confidence, "confidence", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "as it was that week"),
    FIELD(F_OBJECT, struct week_pattern, row, "metadata", .flags = FIELD_POINTER,
          .sub = pattern_row_fields, .size = sizeof(struct pattern_row), .doc = "as it is now"),
    FIELD(F_ENUM, struct week_pattern, status, "status", .names = status_names,
          .doc = "against the week before"),
    FIELD_END,
};
struct evolution_week {
    int32_t number;
    int64_t start, end;
    struct list patterns;
};
static const struct field evolution_week_fields[] = {
    FIELD(F_I32, struct evolution_week, number, "weekNumber", .doc = "from 1"),
    FIELD(F_TIME, struct evolution_week, start, "weekStart", .doc = "Monday, local"),
    FIELD(F_TIME, struct evolution_week, end, "weekEnd", .doc = "a millisecond before the next"),
    FIELD(F_LIST, struct evolution_week, patterns, "patterns", .sub = week_pattern_fields,
          .size = sizeof(struct week_pattern), .doc = "that held, or vanished in it"),
    FIELD_END,
};
struct evolution_meta {
    int32_t weeks;
    int64_t start, end, patterns;
    int32_t filter;
};
static const struct field evolution_meta_fields[] = {
    FIELD(F_I32, struct evolution_meta, weeks, "totalWeeks", .doc = "as asked"),
    FIELD(F_TIME, struct evolution_meta, start, "startDate", .doc = "of the first week"),
    FIELD(F_TIME, struct evolution_meta, end, "endDate", .doc = "of the last week"),
    FIELD(F_I64, struct evolution_meta, patterns, "totalPatterns", .doc = "different ones"),
    FIELD(F_ENUM, struct evolution_meta, filter, "patternTypeFilter", .names = pattern_kind_names,
          .flags = FIELD_NULLABLE, .doc = "as asked"),
    FIELD_END,
};
struct evolution_query {
    int32_t weeks, kind;
};
static const struct field evolution_query[] = {
    FIELD(F_I32, struct evolution_query, weeks, "weeks", .min = 1, .max = WEEKS_MAX, .def = "12",
          .doc = "up to this one"),
    FIELD(F_ENUM, struct evolution_query, kind, "patternType", .names = pattern_kind_names,
          .flags = FIELD_NULLABLE, .doc = "left out: all"),
    FIELD_END,
};
struct evolution_reply {
    struct list weeks;
    struct evolution_meta meta;
};
static const struct field evolution_reply[] = {
    FIELD(F_LIST, struct evolution_reply, weeks, "evolution", .sub = evolution_week_fields,
          .size = sizeof(struct evolution_week), .max = WEEKS_MAX, .doc = "oldest first"),
    FIELD(F_OBJECT, struct evolution_reply, meta, "meta", .sub = evolution_meta_fields,
          .size = sizeof(struct evolution_meta), .doc = "what was asked"),
    FIELD_END,
};

/* How one pattern stood in a week: by its last row at or before it. A week without a row is like
 * the one before: nothing new came. */
struct stand {
    bool known, present;
    double confidence;
};
static struct stand stand_at(const struct rows *history, struct str pattern, int32_t week)
{
    struct stand s = {.confidence = NAN};

    for (int32_t i = 0; i < history->count; i++) {
        const struct value *v = row_at(history, i);
        if (value_i64(&v[0], 0) > week)
            break;
        if (!str_eq(value_str(&v[1]), pattern))
            continue;
        s = (struct stand){true, value_i64(&v[2], 0) != 0, value_f64(&v[3], NAN)};
    }
    return s;
}

static enum err week_fill(struct api_call *c, const struct patterns_view *v, int32_t monday,
                          int32_t kind, bool *seen, struct evolution_week *w)
{
    struct week_pattern *out = arena_new(c->arena, struct week_pattern, (size_t)v->count + 1);
    int32_t n = 0;

    if (!out)
        return ERR_NOMEM;
    for (int32_t i = 0; i < v->count; i++) {
        struct pattern_row *p = &v->patterns[i];
        if (kind >= 0 && p->kind != kind)
            continue;
        struct stand now = stand_at(&v->q[3].rows, p->id, monday);
        struct stand then = stand_at(&v->q[3].rows, p->id, monday - 7);
        if (!now.present && !then.present)
            continue;
        seen[i] = true;
        out[n++] = (struct week_pattern){.id = p->id,
                                         .kind = p->kind,
                                         .row = p,
                                         .confidence = now.confidence,
                                         .status = !now.present    ? STATUS_DISAPPEARED
                                                   : !then.present ? STATUS_NEW
                                                                   : STATUS_EXISTING};
    }
    w->start = civil_day_start(v->l.zone, monday);
    w->end = civil_day_start(v->l.zone, monday + 7) - US_PER_MS;
    w->patterns = (struct list){out, n};
    return ERR_OK;
}

static enum err get_evolution(struct api_call *c)
{
    const struct evolution_query *in = c->in;
    const struct value args[] = {V_S(c->learner),
                                 V_I(c->now_us / US_PER_DAY - 7 * (2 * WEEKS_MAX + 2))};
    struct patterns_view v = {.q[3] = {.stmt = STMT_PATTERN_WEEKS, .args = args, .arg_count = 2}};
    struct evolution_reply *r = arena_new(c->arena, struct evolution_reply, 1);
    struct evolution_week *w = arena_new(c->arena, struct evolution_week, WEEKS_MAX);
    bool seen[NIGHT_PATTERNS_MAX] = {false};
    enum err e = r && w ? patterns_view_read(c, &v, 1) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    if (v.count > NIGHT_PATTERNS_MAX)
        v.count = NIGHT_PATTERNS_MAX;
    int32_t monday = v.l.today - (v.l.today + 3) % 7;
    for (int32_t i = 0; e == ERR_OK && i < in->weeks; i++) {
        w[i].number = i + 1;
        e = week_fill(c, &v, monday - 7 * (in->weeks - 1 - i), in->kind, seen, &w[i]);
    }
    for (int32_t i = 0; i < v.count; i++)
        r->meta.patterns += seen[i];
    r->weeks = (struct list){w, in->weeks};
    r->meta.weeks = in->weeks;
    r->meta.start = w[0].start;
    r->meta.end = w[in->weeks - 1].end;
    r->meta.filter = in->kind;
    c->reply = r;
    return e;
}

/* ---- GET dashboard ---- */

/* 0..100, whole; null with a reason where there is nothing to measure. */
struct figure {
    double value;
    const struct interval *interval;
    int64_t n;
    struct str method, reason;
};
static const struct field figure_fields[] = {
    FIELD(F_F64, struct figure, value, "value", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "0 to 100"),
    FIELD(F_OBJECT, struct figure, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_I64, struct figure, n, "n", .doc = "days, or answers and reviews, behind it"),
    FIELD(F_STR, struct figure, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct figure, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD_END,
};
struct figures {
    struct figure consistency, focus, retention, efficiency;
};
static const struct field estimates_fields[] = {
    FIELD(F_OBJECT, struct figures, consistency, "consistency", .sub = figure_fields,
          .size = sizeof(struct figure), .doc = "days with study"),
    FIELD(F_OBJECT, struct figures, focus, "focus", .sub = figure_fields,
          .size = sizeof(struct figure), .doc = "sessions that were brought to their end"),
    FIELD(F_OBJECT, struct figures, retention, "retention", .sub = figure_fields,
          .size = sizeof(struct figure), .doc = "right answers and successful reviews"),
    FIELD(F_OBJECT, struct figures, efficiency, "efficiency", .sub = figure_fields,
          .size = sizeof(struct figure), .doc = "successes a minute against the learner's usual"),
    FIELD_END,
};
static const struct field metrics_fields[] = {
    FIELD(F_F64, struct figures, consistency.value, "consistency", .flags = FIELD_NULLABLE,
          .doc = "see estimates"),
    FIELD(F_F64, struct figures, focus.value, "focus", .flags = FIELD_NULLABLE,
          .doc = "see estimates"),
    FIELD(F_F64, struct figures, retention.value, "retention", .flags = FIELD_NULLABLE,
          .doc = "see estimates"),
    FIELD(F_F64, struct figures, efficiency.value, "efficiency", .flags = FIELD_NULLABLE,
          .doc = "see estimates"),
    FIELD_END,
};
struct dashboard_meta {
    int64_t patterns, recommendations, goals, insights, updated_at;
};
static const struct field dashboard_meta_fields[] = {
    FIELD(F_I64, struct dashboard_meta, patterns, "patternsCount", .doc = "that hold"),
    FIELD(F_I64, struct dashboard_meta, recommendations, "recommendationsCount",
          .doc = "not yet applied"),
    FIELD(F_I64, struct dashboard_meta, goals, "activeGoalsCount", .doc = "active"),
    FIELD(F_I64, struct dashboard_meta, insights, "recentInsightsCount",
          .doc = "insights of the last seven days"),
    FIELD(F_TIME, struct dashboard_meta, updated_at, "lastUpdated", .flags = FIELD_NULLABLE,
          .doc = "last study"),
    FIELD_END,
};
struct dashboard {
    struct str correlation;
    struct list patterns, recommendations, goals;
    struct figures figures;
    struct dashboard_meta meta;
    struct str reason;
    const struct needed *needed;
    int64_t analysed_at;
};
static const struct field dashboard_fields[] = {
    FIELD(F_LIST, struct dashboard, patterns, "patterns", .sub = pattern_row_fields,
          .size = sizeof(struct pattern_row), .max = SHOWN, .doc = "the likeliest that hold"),
    FIELD(F_LIST, struct dashboard, recommendations, "recommendations",
          .sub = recommendation_fields, .size = sizeof(struct recommendation), .max = SHOWN,
          .doc = "the most promising"),
    FIELD(F_LIST, struct dashboard, goals, "goals", .sub = goal_fields, .size = sizeof(struct goal),
          .doc = "active, the earliest deadline first"),
    FIELD(F_OBJECT, struct dashboard, figures, "metrics", .sub = metrics_fields,
          .size = sizeof(struct figures), .doc = "of the last 30 days, 0 to 100"),
    FIELD(F_OBJECT, struct dashboard, figures, "estimates", .sub = estimates_fields,
          .size = sizeof(struct figures), .doc = "the same with what they rest on"),
    FIELD(F_JSON, struct dashboard, correlation, "correlationData", .flags = FIELD_NULLABLE,
          .doc = "null: behavioral-insights/correlation has it"),
    FIELD(F_OBJECT, struct dashboard, meta, "meta", .sub = dashboard_meta_fields,
          .size = sizeof(struct dashboard_meta), .doc = "how many there are"),
    FIELD_REASON(struct dashboard),
    FIELD_END,
};

static struct figure share_figure(struct arena *arena, int64_t k, int64_t n, struct str method)
{
    struct figure f = {.value = NAN, .n = n, .method = method};

    if (n <= 0) {
        f.reason = STR("Nothing of the last 30 days to measure it from.");
        return f;
    }
    struct interval i = stats_wilson((double)k, (double)n, STATS_Z95);
    f.value = round(100 * (double)k / (double)n);
    f.interval = interval_new(arena, (struct interval){100 * i.low, 100 * i.high});
    return f;
}

static void figures_make(struct api_call *c, const struct learner *l, const struct rows *days,
                         struct figures *r)
{
    int64_t active = 0, study_ms = 0, graded = 0, succeeded = 0;

    for (int32_t i = 0; i < days->count; i++) {
        const struct value *v = row_at(days, i);
        int32_t ago = l->today - (int32_t)value_i64(&v[0], 0);
        if (ago < 0 || ago >= DAYS)
            continue;
        active += value_i64(&v[1], 0) > 0 || value_i64(&v[7], 0) > 0;
        study_ms += value_i64(&v[1], 0);
        graded += value_i64(&v[7], 0);
        succeeded += value_i64(&v[8], 0);
    }
    r->consistency = share_figure(c->arena, active, learner_totals(l)->events > 0 ? DAYS : 0,
                                  STR("share of days with study; Wilson"));
    r->focus = share_figure(c->arena, learner_totals(l)->completed, learner_totals(l)->sessions,
                            STR("share of all sessions that were brought to their end; Wilson"));
    if (learner_totals(l)->completed == 0 && learner_totals(l)->sessions > 0) {
        /* Imported reviews never tell that a session ended. */
        r->focus.value = NAN;
        r->focus.interval = NULL;
        r->focus.reason = STR("No session was ever told to have ended.");
    }
    r->retention = share_figure(c->arena, succeeded, graded,
                                STR("share of right answers and successful reviews; Wilson"));
    r->efficiency = (struct figure){
        .value = NAN,
        .n = graded,
        .method = STR("successes a minute, of it and of the learner's mean taken together; 50 is "
                      "the mean")};
    double now = (double)succeeded / (double)study_ms;
    double usual = (double)learner_succeeded(l) / (double)learner_totals(l)->study_ms;
    if (study_ms > 0 && learner_totals(l)->study_ms > 0 && usual > 0)
        r->efficiency.value = round(100 * now / (now + usual));
    else
        r->efficiency.reason = STR("Nothing of the last 30 days to measure it from.");
}

static enum err get_dashboard(struct api_call *c)
{
    const struct value id[] = {V_S(c->learner), V_I(c->now_us / US_PER_DAY - DAYS - 1)};
    const struct value week[] = {V_S(c->learner), V_I(c->now_us - 7 * US_PER_DAY)};
    struct patterns_view v = {
        .q[3] = {.stmt = STMT_RECOMMENDATIONS_OF_LEARNER, .args = id, .arg_count = 1},
        .q[4] = {.stmt = STMT_GOALS_OF_LEARNER, .args = id, .arg_count = 1},
        .q[5] = {.stmt = STMT_STUDY_DAYS, .args = id, .arg_count = 2},
        .q[6] = {.stmt = STMT_INSIGHTS_RECENT, .args = week, .arg_count = 2, .rows_max = 1}};
    struct dashboard *r = arena_new(c->arena, struct dashboard, 1);
    int32_t n = 0;
    enum err e = r ? patterns_view_read(c, &v, 4) : ERR_NOMEM;

    if (e == ERR_OK)
        e = recommendations_list(c, &v.q[3].rows, &v.l, false, &r->recommendations);
    if (e == ERR_OK)
        e = goals_active(c, &v.q[4].rows, &r->goals);
    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < v.count; i++)
        if (v.patterns[i].present && v.patterns[i].confidence >= 0.7)
            v.patterns[n++] = v.patterns[i];
    r->meta = (struct dashboard_meta){n, r->recommendations.n, r->goals.n,
                                      value_i64(row_at(&v.q[6].rows, 0), 0),
                                      learner_totals(&v.l)->last_at};
    r->patterns = (struct list){v.patterns, n < SHOWN ? n : SHOWN};
    if (r->recommendations.n > SHOWN)
        r->recommendations.n = SHOWN;
    figures_make(c, &v.l, &v.q[5].rows, &r->figures);
    r->analysed_at = v.analysed_at;
    if (n == 0)
        r->reason = patterns_reason(&v, c->arena, &r->needed);
    c->reply = r;
    return ERR_OK;
}

#define ONE(e) (UINT64_C(1) << (e))
#define INSIGHTS "/api/analytics/behavioral-insights"
#define READS                                                                              \
    .method = HTTP_GET, .tag = "patterns", .scopes = SCOPE_READ, .learner = LEARNER_QUERY, \
    .envelope = ENVELOPE_DATA, .run = RUN_SMALL, .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)
#define EVOLUTION                                                                              \
    .summary = "Which patterns held in which week, and how certain", .query = evolution_query, \
    .in_size = sizeof(struct evolution_query), .reply = evolution_reply,                       \
    .cache = {.fresh_s = 300, .stale_s = 1800, .settled = true}, .handler = get_evolution

const struct endpoint endpoints_recommendations[] = {
    {READS, .path = INSIGHTS "/recommendations", .id = "get_recommendations",
     .summary = "What the learner could do differently, the most promising first",
     .query = list_query, .in_size = sizeof(struct list_query), .reply = list_reply,
     .cache = {.fresh_s = 600, .stale_s = 1800, .settled = true}, .handler = get_recommendations},
    {.method = HTTP_POST,
     .path = INSIGHTS "/recommendations/{id}/apply",
     .id = "apply_recommendation",
     .tag = "patterns",
     .summary = "Say that a recommendation is applied; once",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .params = apply_path,
     .body = apply_body,
     .in_size = sizeof(struct apply_in),
     .reply = apply_reply,
     .envelope = ENVELOPE_DATA,
     .run = RUN_SMALL,
     .round_trips = 1,
     .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT),
     .repeats = true,
     .handler = post_apply},
    {READS, .path = "/api/analytics/patterns/evolution", .id = "get_patterns_evolution", EVOLUTION},
    {READS, .path = INSIGHTS "/patterns/evolution", .id = "get_insights_evolution", EVOLUTION},
    {READS, .path = INSIGHTS "/dashboard", .id = "get_insights_dashboard",
     .summary = "Patterns, recommendations, goals and the last 30 days in one answer",
     .reply = dashboard_fields, .cache = {.fresh_s = 300, .stale_s = 600},
     .handler = get_dashboard},
    {.path = NULL},
};
