#include "api/session_compare.h"

#include "base/assert.h"
#include "twin/trend.h"

#include <math.h>

enum { SET_MIN = 2, SET_MAX = 5, RECENT_MAX = 50 };

static double ratio(double a, double b)
{
    return b > 0 ? a / b : (double)NAN;
}

/* ---- what objectives and items took ---- */

struct effort {
    int64_t objective_n, objective_ms, confidence_n, confidence_sum;
};

static struct effort effort_of(const struct rows *rows, struct str session)
{
    struct effort e = {0};

    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        if (!str_eq(column_str(&v), session))
            continue;
        e.objective_n = column_i64(&v, 0);
        e.objective_ms = column_i64(&v, 0);
        e.confidence_n = column_i64(&v, 0);
        e.confidence_sum = column_i64(&v, 0);
    }
    return e;
}

/* ---- GET learning/sessions/recent ---- */

const struct field recent_query[] = {
    FIELD(F_I32, struct recent_query, limit, "limit", .min = 1, .max = RECENT_MAX, .def = "10",
          .doc = "sessions to give"),
    FIELD(F_STR, struct recent_query, mission, "missionId", .min = 1, .max = EVENT_ID_MAX,
          .doc = "sessions of this mission only"),
    FIELD_END,
};

struct time_parts {
    int64_t total_ms, objective_ms, card_ms;
};
static const struct field time_parts_fields[] = {
    FIELD(F_I64, struct time_parts, total_ms, "totalMs", .doc = "study time"),
    FIELD(F_I64, struct time_parts, objective_ms, "objectiveMs",
          .doc = "as told with the objectives that were completed"),
    FIELD(F_I64, struct time_parts, card_ms, "cardMs",
          .doc = "until the responses to cards and questions"),
    FIELD_END,
};

struct summary {
    int64_t done, planned, cards;
    double completion, accuracy, assessment;
    const struct interval *interval;
    struct time_parts time;
};
static const struct field summary_fields[] = {
    FIELD(F_I64, struct summary, done, "objectivesCompleted", .doc = "objectives done"),
    FIELD(F_I64, struct summary, planned, "totalObjectives", .doc = "objectives planned"),
    FIELD(F_F64, struct summary, completion, "completionRate", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "percent of the plan; null without a plan"),
    FIELD(F_I64, struct summary, cards, "totalCards", .doc = "cards and questions"),
    FIELD(F_F64, struct summary, accuracy, "cardAccuracy", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "share recalled or right; null without any"),
    FIELD(F_OBJECT, struct summary, interval, "cardAccuracyInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Wilson"),
    FIELD(F_F64, struct summary, assessment, "averageSelfAssessment", .flags = FIELD_NULLABLE,
          .doc = "1 to 5"),
    FIELD(F_OBJECT, struct summary, time, "timeBreakdown", .sub = time_parts_fields,
          .size = sizeof(struct time_parts), .doc = "where the time went"),
    FIELD_END,
};

struct recent {
    struct session_row row;
    const struct session_mission *mission;
    struct summary summary;
};
static const struct field recent_fields[] = {
    FIELD(F_STR, struct recent, row.id, "id", .doc = "session"),
    FIELD(F_TIME, struct recent, row.started_at, "startedAt", .doc = "when it began"),
    FIELD(F_TIME, struct recent, row.completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "null: not completed"),
    FIELD(F_I64, struct recent, row.duration_ms, "durationMs", .doc = "study time"),
    FIELD(F_STR, struct recent, row.mission_id, "missionId", .flags = FIELD_NULLABLE,
          .doc = "mission it serves"),
    FIELD(F_OBJECT, struct recent, mission, "mission", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = session_mission_fields, .size = sizeof(struct session_mission),
          .doc = "the mission"),
    FIELD(F_OBJECT, struct recent, summary, "summary", .sub = summary_fields,
          .size = sizeof(struct summary), .doc = "what was done in it"),
    FIELD_END,
};

struct recent_sums {
    int64_t sessions, study_ms, objectives, cards, succeeded;
    double average_ms, accuracy;
    const struct interval *interval;
};
static const struct field recent_sums_fields[] = {
    FIELD(F_I64, struct recent_sums, sessions, "totalSessions", .doc = "of those given"),
    FIELD(F_I64, struct recent_sums, study_ms, "totalStudyTimeMs", .doc = "their study time"),
    FIELD(F_I64, struct recent_sums, objectives, "totalObjectivesCompleted",
          .doc = "objectives done"),
    FIELD(F_I64, struct recent_sums, cards, "totalCardsReviewed", .doc = "cards and questions"),
    FIELD(F_F64, struct recent_sums, average_ms, "averageSessionDurationMs",
          .flags = FIELD_NULLABLE, .doc = "null without a session"),
    FIELD(F_F64, struct recent_sums, accuracy, "averageCardAccuracy", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "of all cards and questions together"),
    FIELD(F_OBJECT, struct recent_sums, interval, "averageCardAccuracyInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Wilson"),
    FIELD_END,
};

struct recent_page {
    int64_t limit, returned;
};
static const struct field recent_page_fields[] = {
    FIELD(F_I64, struct recent_page, limit, "limit", .doc = "as asked"),
    FIELD(F_I64, struct recent_page, returned, "returned", .doc = "sessions given"),
    FIELD_END,
};

struct recent_answer {
    struct list sessions;
    struct recent_sums sums;
    struct recent_page page;
};
const struct field recent_reply[] = {
    FIELD(F_LIST, struct recent_answer, sessions, "sessions", .sub = recent_fields,
          .size = sizeof(struct recent), .doc = "newest first"),
    FIELD(F_OBJECT, struct recent_answer, sums, "aggregateStats", .sub = recent_sums_fields,
          .size = sizeof(struct recent_sums), .doc = "of the sessions given"),
    FIELD(F_OBJECT, struct recent_answer, page, "pagination", .sub = recent_page_fields,
          .size = sizeof(struct recent_page), .doc = "how many"),
    FIELD_END,
};

static const struct interval *wilson_new(struct arena *arena, int64_t k, int64_t n)
{
    return n > 0 ? interval_new(arena, stats_wilson((double)k, (double)n, STATS_Z95)) : NULL;
}

static struct summary summarise(struct api_call *c, const struct session_row *s,
                                const struct effort *e)
{
    int64_t succeeded = s->correct + s->recalled, cards = s->answers + s->reviews;

    return (struct summary){
        .done = s->objectives_done,
        .planned = s->objectives_total,
        .cards = cards,
        .completion = round_to(s->completion, 2),
        .accuracy = round_to(s->success, 4),
        .interval = wilson_new(c->arena, succeeded, cards),
        .assessment = round_to(s->self_assessment, 2),
        .time = {s->duration_ms, e->objective_ms, s->latency_ms_sum},
    };
}

enum err get_recent_sessions(struct api_call *c)
{
    const struct recent_query *in = c->in;
    const struct value list[] = {V_S(c->learner),
                                 V_I(INT64_MIN + 1),
                                 V_I(INT64_MAX),
                                 v_text(in->mission),
                                 V_N,
                                 V_N,
                                 V_I(in->limit),
                                 V_I(0)};
    const struct value efforts[] = {V_S(c->learner), V_I(in->limit), v_text(in->mission)};
    struct query q[3] = {
        [1] = {.stmt = STMT_SESSION_LIST, .args = list, .arg_count = 8},
        [2] = {.stmt = STMT_SESSION_LIST_EFFORTS, .args = efforts, .arg_count = 2},
    };
    if (in->mission.p) {
        q[2].stmt = STMT_SESSION_MISSION_EFFORTS;
        q[2].arg_count = 3;
    }
    struct recent_answer *r = arena_new(c->arena, struct recent_answer, 1);
    struct learner l;
    enum err e = learner_read(c, q, 3, &l);

    if (e != ERR_OK || !r)
        return e != ERR_OK ? e : ERR_NOMEM;
    int32_t n = q[1].rows.count;
    struct recent *of = arena_new(c->arena, struct recent, (size_t)n + 1);
    if (!of)
        return ERR_NOMEM;
    struct recent_sums *sums = &r->sums;
    for (int32_t i = 0; i < n; i++) {
        struct session_row *s = &of[i].row;
        e = session_row_read(c, columns_of(&q[1].rows, i), s);
        if (e != ERR_OK)
            return e;
        struct effort effort = effort_of(&q[2].rows, s->id);
        of[i].mission = s->mission;
        of[i].summary = summarise(c, s, &effort);
        sums->study_ms += s->duration_ms;
        sums->objectives += s->objectives_done;
        sums->cards += s->answers + s->reviews;
        sums->succeeded += s->correct + s->recalled;
    }
    sums->sessions = n;
    sums->average_ms = round(ratio((double)sums->study_ms, n));
    sums->accuracy = round_to(ratio((double)sums->succeeded, (double)sums->cards), 4);
    sums->interval = wilson_new(c->arena, sums->succeeded, sums->cards);
    r->sessions = (struct list){of, n};
    r->page = (struct recent_page){in->limit, n};
    c->reply = r;
    return ERR_OK;
}

/* ---- GET learning/sessions/compare ---- */

const struct field compare_query[] = {
    FIELD(F_LIST, struct compare_query, ids, "sessionIds", .flags = FIELD_REQUIRED, .item = F_STR,
          .size = sizeof(struct str), .min = SET_MIN, .max = SET_MAX,
          .doc = "two to five sessions, separated by commas"),
    FIELD_END,
};

struct ratings {
    int64_t of[4];
};
static const struct field ratings_fields[] = {
    FIELD(F_I64, struct ratings, of[0], "again", .doc = "not recalled"),
    FIELD(F_I64, struct ratings, of[1], "hard", .doc = "recalled with trouble"),
    FIELD(F_I64, struct ratings, of[2], "good", .doc = "recalled"),
    FIELD(F_I64, struct ratings, of[3], "easy", .doc = "recalled at once"),
    FIELD_END,
};

struct compared {
    struct session_row row;
    double accuracy, card_ms, objective_ms, confidence, efficiency;
    const struct interval *interval;
    int64_t succeeded, cards, objective_ms_sum;
    struct ratings ratings;
};
#define FIGURE(member, name_, doc_) \
    FIELD(F_F64, struct compared, member, name_, .flags = FIELD_NULLABLE, .doc = doc_)
static const struct field compared_fields[] = {
    FIELD(F_STR, struct compared, row.id, "sessionId", .doc = "session"),
    FIELD(F_TIME, struct compared, row.started_at, "startedAt", .doc = "when it began"),
    FIELD(F_TIME, struct compared, row.completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "null: not completed"),
    FIELD(F_I64, struct compared, row.duration_ms, "durationMs", .doc = "study time"),
    FIELD(F_I64, struct compared, row.objectives_done, "objectivesCompleted",
          .doc = "objectives done"),
    FIELD(F_I64, struct compared, row.objectives_total, "totalObjectives",
          .doc = "objectives planned"),
    FIGURE(row.completion, "completionRate", "percent of the plan; null without a plan"),
    FIGURE(accuracy, "cardAccuracy", "share of cards and questions recalled or right"),
    FIELD(F_OBJECT, struct compared, interval, "cardAccuracyInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Wilson"),
    FIELD(F_I64, struct compared, cards, "totalCardsReviewed", .doc = "cards and questions"),
    FIGURE(card_ms, "averageCardTimeMs", "until the response to a card or question"),
    FIELD(F_OBJECT, struct compared, ratings, "cardsByRating", .sub = ratings_fields,
          .size = sizeof(struct ratings), .doc = "reviews of cards"),
    FIGURE(objective_ms, "averageObjectiveTimeMs", "of an objective completed"),
    FIELD(F_I64, struct compared, objective_ms_sum, "totalObjectiveTimeMs", .doc = "of them all"),
    FIGURE(row.self_assessment, "averageSelfAssessment", "1 to 5"),
    FIGURE(confidence, "averageConfidenceRating", "1 to 5"),
    FIGURE(efficiency, "efficiency", "cards and questions mastered a minute of study"),
    FIELD_END,
};

static const char *const trend_names[] = {"improving", "stable", "declining", "unknown", NULL};
enum { IMPROVING, STABLE, DECLINING, UNKNOWN };

struct course_of {
    int32_t trend;
    double change, percent, p;
    const struct interval *interval;
    int64_t n;
};
static const struct field course_of_fields[] = {
    FIELD(F_ENUM, struct course_of, trend, "trend", .names = trend_names,
          .doc = "stable: the change is below a twentieth of the sessions' mean; unknown: fewer "
                 "than two sessions have the figure"),
    FIELD(F_F64, struct course_of, change, "change", .flags = FIELD_NULLABLE,
          .doc = "from the first to the last, along the Theil-Sen line through all"),
    FIELD(F_F64, struct course_of, percent, "percentChange", .flags = FIELD_NULLABLE,
          .doc = "of the mean; null where that is 0"),
    FIELD(F_OBJECT, struct course_of, interval, "changeInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %; null for fewer than four sessions"),
    FIELD(F_F64, struct course_of, p, "pValue", .flags = FIELD_NULLABLE,
          .doc = "Mann-Kendall, exact; null for fewer than four sessions"),
    FIELD(F_I64, struct course_of, n, "n", .doc = "sessions that have the figure"),
    FIELD_END,
};

struct courses_of {
    struct course_of accuracy, assessment, completion, efficiency;
};
#define COURSE(member, name_, doc_)                                            \
    FIELD(F_OBJECT, struct courses_of, member, name_, .sub = course_of_fields, \
          .size = sizeof(struct course_of), .doc = doc_)
static const struct field courses_of_fields[] = {
    COURSE(accuracy, "cardAccuracy", "share recalled or right"),
    COURSE(assessment, "selfAssessment", "what the learner thought of it"),
    COURSE(completion, "completionRate", "percent of the plan"),
    COURSE(efficiency, "efficiency", "cards and questions mastered a minute"),
    FIELD_END,
};

struct comparison {
    struct list sessions;
    struct courses_of trends;
    struct list improvements;
};
const struct field compare_reply[] = {
    FIELD(F_LIST, struct comparison, sessions, "sessions", .sub = compared_fields,
          .size = sizeof(struct compared), .doc = "in order of time"),
    FIELD(F_OBJECT, struct comparison, trends, "trends", .sub = courses_of_fields,
          .size = sizeof(struct courses_of), .doc = "how the figures moved"),
    FIELD(F_LIST, struct comparison, improvements, "improvements", .item = F_STR,
          .size = sizeof(struct str), .doc = "what the last did better than the first, for people"),
    FIELD_END,
};

static enum err course_find(struct api_call *c, const struct compared *s, int32_t count,
                            size_t member, struct course_of *ret)
{
    struct course_of r = {UNKNOWN, (double)NAN, (double)NAN, (double)NAN, NULL, 0};
    double t[SET_MAX], y[SET_MAX], sum = 0;
    struct trend trend;

    for (int32_t i = 0; i < count; i++) {
        double v = *(const double *)((const char *)&s[i] + member);
        if (isnan(v))
            continue;
        t[r.n] = i;
        y[r.n++] = v;
        sum += v;
    }
    *ret = r;
    if (r.n < SET_MIN)
        return ERR_OK;
    enum err e = trend_fit(c->arena, t, y, (int32_t)r.n, false, 0.95, &trend);
    if (e != ERR_OK)
        return e;
    double span = t[r.n - 1] - t[0], mean = sum / (double)r.n, change = trend.slope * span;
    r.change = round_to(change, 4);
    if (mean > 0)
        r.percent = round_to(100 * change / mean, 1);
    r.trend = fabs(change) <= 0.05 * fabs(mean) ? STABLE : change > 0 ? IMPROVING : DECLINING;
    if (r.n >= TREND_NEEDED) {
        r.p = round_to(trend.p, 4);
        r.interval = interval_new(
            c->arena, (struct interval){trend.interval.low * span, trend.interval.high * span});
    }
    *ret = r;
    return ERR_OK;
}

/* Newcombe's interval (1998, method 10) of a difference of two shares lies above 0. */
static bool surely_more(const struct compared *a, const struct compared *b)
{
    if (a->cards == 0 || b->cards == 0)
        return false;
    struct interval ia = stats_wilson((double)a->succeeded, (double)a->cards, STATS_Z95);
    struct interval ib = stats_wilson((double)b->succeeded, (double)b->cards, STATS_Z95);
    return b->accuracy - a->accuracy > hypot(b->accuracy - ib.low, ia.high - a->accuracy);
}

static enum err improvements_of(struct api_call *c, const struct compared *a,
                                const struct compared *b, struct list *ret)
{
    enum { REMARKS = 5 };
    struct str *s = arena_new(c->arena, struct str, REMARKS);
    int32_t n = 0;

    if (!s)
        return ERR_NOMEM;
    if (surely_more(a, b))
        s[n++] = arena_printf(c->arena,
                              "Accuracy rose from %.0f %% to %.0f %%, more than chance "
                              "explains.",
                              100 * a->accuracy, 100 * b->accuracy);
    if (b->row.self_assessment - a->row.self_assessment >= 0.5)
        s[n++] = arena_printf(c->arena, "Self-assessment rose from %.1f to %.1f.",
                              a->row.self_assessment, b->row.self_assessment);
    if (b->row.completion - a->row.completion >= 20)
        s[n++] = arena_printf(c->arena, "%.0f %% of the plan was done, after %.0f %%.",
                              b->row.completion, a->row.completion);
    if (b->card_ms <= 0.9 * a->card_ms)
        s[n++] = arena_printf(c->arena, "A response took %.1f s, after %.1f s.", b->card_ms / 1e3,
                              a->card_ms / 1e3);
    if (b->cards >= a->cards + 5)
        s[n++] = arena_printf(c->arena, "%lld cards and questions, after %lld.",
                              (long long)b->cards, (long long)a->cards);
    for (int32_t i = 0; i < n; i++)
        if (!s[i].p)
            return ERR_NOMEM;
    *ret = (struct list){s, n};
    return ERR_OK;
}

static enum err compared_read(struct api_call *c, const struct query *q, int32_t i,
                              struct compared *s)
{
    enum err e = session_row_read(c, columns_of(&q[1].rows, i), &s->row);

    if (e != ERR_OK)
        return e;
    struct session_row *row = &s->row;
    struct effort effort = effort_of(&q[2].rows, row->id);
    s->succeeded = row->correct + row->recalled;
    s->cards = row->answers + row->reviews;
    s->accuracy = round_to(row->success, 4);
    s->interval = wilson_new(c->arena, s->succeeded, s->cards);
    s->card_ms = round(ratio((double)row->latency_ms_sum, (double)row->latency_n));
    s->objective_ms_sum = effort.objective_ms;
    s->objective_ms = round(ratio((double)effort.objective_ms, (double)effort.objective_n));
    s->confidence = round_to(ratio((double)effort.confidence_sum, (double)effort.confidence_n), 2);
    s->efficiency =
        s->cards == 0 ? (double)NAN
                      : round_to(ratio((double)s->succeeded, (double)row->duration_ms / 60000), 4);
    row->completion = round_to(row->completion, 2);
    row->self_assessment = round_to(row->self_assessment, 2);
    for (int32_t k = 0; k < q[3].rows.count; k++) {
        struct columns v = columns_of(&q[3].rows, k);
        if (!str_eq(column_str(&v), row->id))
            continue;
        int64_t rating = column_i64(&v, 0);
        if (rating >= 1 && rating <= 4)
            s->ratings.of[rating - 1] = column_i64(&v, 0);
    }
    return ERR_OK;
}

static enum err check_ids(struct api_call *c, const struct list *ids)
{
    const struct str *id = ids->p;

    for (int32_t i = 0; i < ids->n; i++) {
        if (id[i].n == 0 || id[i].n > EVENT_ID_MAX)
            return api_bad_field(c, "sessionIds", "invalid_format", "must be 1 to %d bytes each",
                                 EVENT_ID_MAX);
        for (int32_t k = 0; k < i; k++)
            if (str_eq(id[i], id[k]))
                return api_bad_field(c, "sessionIds", "invalid_value", "names a session twice");
    }
    return ERR_OK;
}

static enum err courses_find(struct api_call *c, const struct compared *s, int32_t n,
                             struct courses_of *ret)
{
    enum err e = course_find(c, s, n, offsetof(struct compared, accuracy), &ret->accuracy);

    if (e == ERR_OK)
        e = course_find(c, s, n, offsetof(struct compared, row.self_assessment), &ret->assessment);
    if (e == ERR_OK)
        e = course_find(c, s, n, offsetof(struct compared, row.completion), &ret->completion);
    if (e == ERR_OK)
        e = course_find(c, s, n, offsetof(struct compared, efficiency), &ret->efficiency);
    return e;
}

enum err get_session_comparison(struct api_call *c)
{
    const struct compare_query *in = c->in;
    const struct str *id = in->ids.p;
    struct value args[1 + SET_MAX] = {V_S(c->learner)};
    struct comparison *r = arena_new(c->arena, struct comparison, 1);
    struct compared *s = arena_new(c->arena, struct compared, SET_MAX);
    struct learner l;
    enum err e = check_ids(c, &in->ids);

    if (e != ERR_OK || !r || !s)
        return e != ERR_OK ? e : ERR_NOMEM;
    for (int32_t i = 0; i < SET_MAX; i++)
        args[1 + i] = i < in->ids.n ? V_S(id[i]) : V_N;
    struct query q[4] = {
        [1] = {.stmt = STMT_SESSION_SET, .args = args, .arg_count = 1 + SET_MAX},
        [2] = {.stmt = STMT_SESSION_SET_EFFORTS, .args = args, .arg_count = 1 + SET_MAX},
        [3] = {.stmt = STMT_SESSION_SET_RATINGS, .args = args, .arg_count = 1 + SET_MAX},
    };
    e = learner_read(c, q, 4, &l);
    if (e != ERR_OK)
        return e;
    int32_t n = q[1].rows.count;
    if (n < in->ids.n)
        return api_refuse(c, ERR_NOT_FOUND, "SESSION_NOT_FOUND",
                          "%d of these sessions are not there.", in->ids.n - n);
    for (int32_t i = 0; e == ERR_OK && i < n; i++)
        e = compared_read(c, q, i, &s[i]);
    if (e == ERR_OK)
        e = courses_find(c, s, n, &r->trends);
    if (e == ERR_OK)
        e = improvements_of(c, &s[0], &s[n - 1], &r->improvements);
    r->sessions = (struct list){s, n};
    c->reply = r;
    return e;
}
