/* correlation - do weeks of steady study go with good results (twin/habit.h); and how sessions of
 * different lengths went. */
#include "api/learner.h"
#include "api/profile.h"
#include "api/session_row.h"
#include "twin/habit.h"
#include "twin/study.h"

#include <math.h>

enum { SESSIONS_MAX = 200, WEEK = 7, INSIGHTS_MAX = 6 };

/* ---- GET behavioral-insights/correlation ---- */

static const char *const metric_names[] = {"behavioral", "mission", NULL};
static const char *const measure_names[] = {"answers", "reviews", NULL};

struct correlation_query {
    int32_t weeks, metric;
};
static const struct field correlation_query[] = {
    FIELD(F_I32, struct correlation_query, weeks, "weeks", .min = HABIT_WEEKS_NEEDED,
          .max = HABIT_WEEKS_MAX, .def = "12", .doc = "whole weeks before this one"),
    FIELD(F_ENUM, struct correlation_query, metric, "metric", .names = metric_names,
          .def = "behavioral", .doc = "what is put against results: the score, or missions done"),
    FIELD_END,
};

struct week_point {
    int32_t date;
    double score, result;
    int64_t n;
};
static const struct field week_point_fields[] = {
    FIELD(F_DATE, struct week_point, date, "date", .doc = "Monday of the week"),
    FIELD(F_F64, struct week_point, score, "behavioralScore", .min = 0, .max = 100,
          .doc = "whole; how much was kept at it, or done of the missions"),
    FIELD(F_F64, struct week_point, result, "academicScore", .min = 0, .max = 100,
          .doc = "share right, in percent"),
    FIELD(F_I64, struct week_point, n, "n", .doc = "answers or reviews behind the result"),
    FIELD_END,
};

struct quality {
    int64_t n, weeks, missing;
};
static const struct field quality_fields[] = {
    FIELD(F_I64, struct quality, n, "sampleSize", .doc = "weeks with a score and a result"),
    FIELD(F_I64, struct quality, weeks, "weeksOfData", .doc = "weeks looked at"),
    FIELD(F_I64, struct quality, missing, "missingDataPoints", .doc = "the others"),
    FIELD_END,
};

struct figure {
    double r, p, n_eff;
    const struct interval *interval;
};
static const struct field figure_fields[] = {
    FIELD(F_F64, struct figure, r, "coefficient", .flags = FIELD_NULLABLE, .min = -1, .max = 1,
          .doc = "null: nothing is left to go together"),
    FIELD(F_F64, struct figure, p, "pValue", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "two-sided"),
    FIELD(F_F64, struct figure, n_eff, "effectiveSampleSize", .flags = FIELD_NULLABLE,
          .doc = "neighbours in time resemble each other"),
    FIELD(F_OBJECT, struct figure, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %, Fisher"),
    FIELD_END,
};

struct correlation_reply {
    double r, p, n_eff;
    struct str interpretation, method, reason;
    struct list interval, points, insights, parts;
    struct quality quality;
    int32_t metric, measure;
    struct figure detrended, ranks;
};
static const struct field correlation_reply[] = {
    FIELD(F_F64, struct correlation_reply, r, "coefficient", .flags = FIELD_NULLABLE, .min = -1,
          .max = 1, .doc = "Pearson's, of the weeks' values; null: one of the two never changes"),
    FIELD(F_F64, struct correlation_reply, p, "pValue", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "two-sided, Student's t with the effective sample size"),
    FIELD(F_F64, struct correlation_reply, n_eff, "effectiveSampleSize", .flags = FIELD_NULLABLE,
          .doc = "weeks, fewer the more neighbours resemble each other"),
    FIELD(F_STR, struct correlation_reply, interpretation, "interpretation", .doc = "in words"),
    FIELD(F_LIST, struct correlation_reply, interval, "confidenceInterval", .item = F_F64,
          .size = sizeof(double), .min = 2, .max = 2, .doc = "95 %, Fisher: low, high"),
    FIELD(F_LIST, struct correlation_reply, points, "timeSeriesData", .sub = week_point_fields,
          .size = sizeof(struct week_point), .max = HABIT_WEEKS_MAX, .doc = "oldest first"),
    FIELD(F_LIST, struct correlation_reply, insights, "insights", .item = F_STR,
          .size = sizeof(struct str), .max = INSIGHTS_MAX,
          .doc = "what it says and what it does not"),
    FIELD(F_OBJECT, struct correlation_reply, quality, "dataQuality", .sub = quality_fields,
          .size = sizeof(struct quality), .doc = "how much there was"),
    FIELD(F_ENUM, struct correlation_reply, metric, "metric", .names = metric_names,
          .doc = "as asked"),
    FIELD(F_ENUM, struct correlation_reply, measure, "academicMeasure", .names = measure_names,
          .doc = "what results are taken from"),
    FIELD(F_LIST, struct correlation_reply, parts, "behavioralParts", .item = F_STR,
          .size = sizeof(struct str), .max = 3, .doc = "what the score is made of"),
    FIELD(F_OBJECT, struct correlation_reply, detrended, "detrended", .sub = figure_fields,
          .size = sizeof(struct figure),
          .doc = "the same of what is left without each one's line through time"),
    FIELD(F_OBJECT, struct correlation_reply, ranks, "rank", .sub = figure_fields,
          .size = sizeof(struct figure), .doc = "Spearman's"),
    FIELD(F_STR, struct correlation_reply, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct correlation_reply, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no coefficient"),
    FIELD_END,
};

/* NULL: outside of them. */
static struct habit_week *week_of(struct habit_week *weeks, int32_t count, int32_t first,
                                  int64_t day)
{
    return day >= first && day < first + WEEK * count ? &weeks[(day - first) / WEEK] : NULL;
}

static void take_days(const struct rows *rows, int32_t first, int32_t count,
                      struct habit_week *weeks)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        struct habit_week *w = week_of(weeks, count, first, column_i64(&v, 0));
        if (!w)
            continue;
        int64_t study_ms = column_i64(&v, 0);
        w->sessions += column_i64(&v, 0);
        w->completed += column_i64(&v, 0);
        int64_t answers = column_i64(&v, 0);
        w->answers += answers;
        w->correct += column_i64(&v, 0);
        int64_t reviews = column_i64(&v, 0);
        w->reviews += reviews;
        w->recalled += column_i64(&v, 0);
        w->active_days += study_ms > 0 || answers + reviews > 0;
    }
}

static void take_missions(const struct rows *rows, int32_t first, int32_t count,
                          struct habit_week *weeks)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        struct habit_week *w = week_of(weeks, count, first, column_i64(&v, 0));
        if (!w)
            continue;
        w->planned += column_i64(&v, 0);
        w->done += column_i64(&v, 0);
    }
}

static struct figure figure_of(struct arena *arena, const struct correlation *k)
{
    struct figure f = {(double)NAN, (double)NAN, (double)NAN, NULL};

    if (isnan(k->r))
        return f;
    f.r = round_to(k->r, 4);
    f.p = k->p;
    f.n_eff = round_to(k->n_eff, 1);
    f.interval = interval_new(arena, k->interval);
    return f;
}

static const char *strength_of(double r)
{
    double size = fabs(r);
    return size >= 0.7   ? "A strong"
           : size >= 0.4 ? "A moderate"
           : size >= 0.2 ? "A weak"
                         : "Hardly any";
}

static struct str interpret(struct arena *arena, const struct correlation *k)
{
    if (isnan(k->r))
        return STR("One of the two never changes, so that nothing can go with it (p=none).");
    if (isnan(k->p))
        return arena_printf(
            arena,
            "%s %s connection (r=%.2f, p=none): the weeks resemble each other so much that "
            "they are worth too few.",
            strength_of(k->r), k->r < 0 ? "negative" : "positive", k->r);
    return arena_printf(arena, "%s %s connection (r=%.2f, p=%.3g), %s chance.", strength_of(k->r),
                        k->r < 0 ? "negative" : "positive", k->r, k->p,
                        k->p < 0.05 ? "more than to be expected by" : "not to be told from");
}

/* The latest four weeks, where they lie all together high or low. */
static struct str level_remark(const struct habit *h)
{
    double score = 0, result = 0;

    for (int32_t i = h->count - 4; i < h->count; i++) {
        score += h->points[i].score / 4;
        result += h->points[i].result / 4;
    }
    if (score > 70 && result > 70)
        return STR("Over the latest four weeks both lie above 70.");
    if (score < 50 && result < 50)
        return STR("Over the latest four weeks both lie below 50.");
    return (struct str){NULL, 0};
}

static enum err remarks(struct api_call *c, const struct habit *h, struct list *ret)
{
    struct str *s = arena_new(c->arena, struct str, INSIGHTS_MAX);
    const struct correlation *k = &h->plain, *d = &h->detrended;
    int32_t n = 0;

    if (!s)
        return ERR_NOMEM;
    s[n++] = STR("That two things go together does not say that one makes the other: a quiet month "
                 "may be good for both.");
    s[n++] = arena_printf(c->arena,
                          "It rests on %d weeks, worth %.1f independent ones; with 95 %% the true "
                          "coefficient lies between %.2f and %.2f.",
                          (int)k->n, k->n_eff, k->interval.low, k->interval.high);
    if (isnan(d->r))
        s[n++] = STR("Apart from their course through the weeks nothing is left to compare.");
    else
        s[n++] = arena_printf(
            c->arena, "Without what rose or fell steadily over the weeks: r=%.2f, %s.", d->r,
            d->p < 0.05 ? "still more than chance" : "not to be told from chance");
    struct str level = level_remark(h);
    if (level.p)
        s[n++] = level;
    for (int32_t i = 0; i < n; i++)
        if (!s[i].p)
            return ERR_NOMEM;
    *ret = (struct list){s, n};
    return ERR_OK;
}

static enum err correlation_fill(struct api_call *c, const struct habit *h, int32_t first,
                                 struct correlation_reply *r)
{
    static struct str part_names[] = {{"consistency", 11}, {"completion", 10}, {"retention", 9}};
    static struct str mission_part[] = {{"missions", 8}};
    struct week_point *points = arena_new(c->arena, struct week_point, (size_t)h->count + 1);
    struct str *parts = arena_new(c->arena, struct str, 3);
    double *interval = arena_new(c->arena, double, 2);
    int32_t n = 0;

    if (!points || !parts || !interval)
        return ERR_NOMEM;
    for (int32_t i = 0; i < h->count; i++)
        points[i] = (struct week_point){first + WEEK * h->points[i].week, round(h->points[i].score),
                                        round_to(h->points[i].result, 1), h->points[i].n};
    parts[n++] = part_names[0];
    if (h->completion)
        parts[n++] = part_names[1];
    if (h->retention)
        parts[n++] = part_names[2];
    r->parts =
        r->metric == HABIT_MISSIONS ? (struct list){mission_part, 1} : (struct list){parts, n};
    struct figure f = figure_of(c->arena, &h->plain);
    r->r = f.r;
    r->p = f.p;
    r->n_eff = f.n_eff;
    interval[0] = h->plain.interval.low;
    interval[1] = h->plain.interval.high;
    r->interval = (struct list){interval, 2};
    r->points = (struct list){points, h->count};
    r->measure = (int32_t)h->measure;
    r->detrended = figure_of(c->arena, &h->detrended);
    r->ranks = figure_of(c->arena, &h->ranks);
    r->interpretation = interpret(c->arena, &h->plain);
    r->method =
        STR("Pearson's r of whole weeks; p by Student's t with the effective sample size of "
            "two autocorrelated series; interval by Fisher's z");
    if (isnan(h->plain.r))
        r->reason = STR("One of the two never changes.");
    if (!r->interpretation.p)
        return ERR_NOMEM;
    return remarks(c, h, &r->insights);
}

static enum err get_correlation(struct api_call *c)
{
    const struct correlation_query *in = c->in;
    /* Days of UTC, a week more on either side than any zone needs. */
    int32_t utc = (int32_t)(c->now_us / US_PER_DAY);
    const struct value days[] = {V_S(c->learner), V_I(utc - WEEK * (in->weeks + 2)), V_I(utc + 1)};
    struct query q[3] = {[1] = {.stmt = STMT_HABIT_DAYS, .args = days, .arg_count = 3},
                         [2] = {.stmt = STMT_HABIT_MISSIONS, .args = days, .arg_count = 3}};
    struct correlation_reply *r = arena_new(c->arena, struct correlation_reply, 1);
    struct habit_week *weeks = arena_new(c->arena, struct habit_week, HABIT_WEEKS_MAX);
    struct habit *h = arena_new(c->arena, struct habit, 1);
    struct learner l;
    enum err e = r && weeks && h ? learner_read(c, q, 3, &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    if (!l.analysis)
        return api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT, STR_ARG(reason_disabled));
    int32_t first = l.today - (l.today + 3) % WEEK - WEEK * in->weeks;
    take_days(&q[1].rows, first, in->weeks, weeks);
    take_missions(&q[2].rows, first, in->weeks, weeks);
    habit_of(weeks, in->weeks, (enum habit_metric)in->metric, h);
    if (h->count < HABIT_WEEKS_NEEDED)
        return api_refuse(c, ERR_UNPROCESSABLE, "INSUFFICIENT_DATA",
                          "There are %d of %d weeks with results%s; %d are needed.", (int)h->count,
                          (int)in->weeks, in->metric == HABIT_MISSIONS ? " and missions" : "",
                          HABIT_WEEKS_NEEDED);
    r->metric = in->metric;
    r->quality = (struct quality){h->count, in->weeks, in->weeks - h->count};
    c->reply = r;
    return correlation_fill(c, h, first, r);
}

/* ---- GET session-performance ---- */

enum time_of_day { MORNING, AFTERNOON, EVENING };
static const char *const time_names[] = {"morning", "afternoon", "evening", NULL};

struct session_point {
    struct str id;
    int64_t started_at;
    double minutes, performance;
    int32_t time;
    int64_t n;
};
static const struct field session_point_fields[] = {
    FIELD(F_STR, struct session_point, id, "id", .doc = "session"),
    FIELD(F_TIME, struct session_point, started_at, "startedAt", .doc = "its start"),
    FIELD(F_F64, struct session_point, minutes, "duration", .doc = "minutes of study"),
    FIELD(F_F64, struct session_point, performance, "performance", .min = 0, .max = 100,
          .doc = "share right, in percent"),
    FIELD(F_ENUM, struct session_point, time, "timeOfDay", .names = time_names,
          .doc = "local, of its start: morning from 5, afternoon from 12, evening from 18"),
    FIELD(F_I64, struct session_point, n, "n", .doc = "answers and reviews in it"),
    FIELD_END,
};
struct level {
    double minutes, performance;
    const struct interval *interval;
    int64_t n;
    struct str method, reason;
};
static const struct field level_fields[] = {
    FIELD(F_F64, struct level, minutes, "duration", .flags = FIELD_NULLABLE,
          .doc = "minutes; null: cannot be said"),
    FIELD(F_F64, struct level, performance, "performance", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "share right, in percent"),
    FIELD(F_OBJECT, struct level, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval),
          .doc = "95 %, of the performance"),
    FIELD(F_I64, struct level, n, "n", .doc = "answers and reviews behind it"),
    FIELD(F_STR, struct level, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct level, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD_END,
};
struct performance_query {
    int32_t limit;
};
static const struct field performance_query[] = {
    FIELD(F_I32, struct performance_query, limit, "limit", .min = 1, .max = SESSIONS_MAX,
          .def = "50", .doc = "so many sessions, the latest"),
    FIELD_END,
};
struct performance_reply {
    struct list sessions;
    struct level current, recommended;
    struct str reason;
};
static const struct field performance_reply[] = {
    FIELD(F_LIST, struct performance_reply, sessions, "sessions", .sub = session_point_fields,
          .size = sizeof(struct session_point), .max = SESSIONS_MAX,
          .doc = "with graded work, oldest first"),
    FIELD(F_OBJECT, struct performance_reply, current, "currentAverage", .sub = level_fields,
          .size = sizeof(struct level), .doc = "of these sessions"),
    FIELD(F_OBJECT, struct performance_reply, recommended, "recommended", .sub = level_fields,
          .size = sizeof(struct level), .doc = "the length that goes best, if one does"),
    FIELD(F_STR, struct performance_reply, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no session"),
    FIELD_END,
};

static struct level current_level(struct arena *arena, const struct session_point *s, int32_t n)
{
    struct level l = {.minutes = (double)NAN, .performance = (double)NAN};
    double minutes = 0, right = 0, graded = 0;

    l.method = STR("mean length; share right of all answers and reviews, Wilson interval");
    for (int32_t i = 0; i < n; i++) {
        minutes += s[i].minutes / n;
        right += s[i].performance / 100 * (double)s[i].n;
        graded += (double)s[i].n;
    }
    if (n == 0) {
        l.reason = STR("There is no session with graded work.");
        return l;
    }
    struct interval i = stats_wilson(fmin(right, graded), graded, STATS_Z95);
    l.minutes = round_to(minutes, 1);
    l.performance = round_to(100 * right / graded, 1);
    l.interval = interval_new(arena, (struct interval){100 * i.low, 100 * i.high});
    l.n = (int64_t)graded;
    return l;
}

static struct level best_level(struct arena *arena, const struct rows *rows)
{
    struct study_length buckets[STUDY_LENGTHS];
    struct level l = {.minutes = (double)NAN, .performance = (double)NAN};

    study_lengths_read(rows, buckets);
    struct study_length_choice best = study_length_best(buckets);
    l.method = STR("success by session length over all sessions, partially pooled");
    l.n = best.n;
    if (best.bucket < 0) {
        l.reason = best.n < 2 * STUDY_CELL_NEEDED
                       ? STR("Too few graded answers in sessions.")
                       : STR("No session length is clearly better than the mean.");
        return l;
    }
    l.minutes = round_to(best.minutes, 0);
    l.performance = round_to(100 * best.rate, 1);
    l.interval =
        interval_new(arena, (struct interval){100 * best.interval.low, 100 * best.interval.high});
    return l;
}

static enum err get_session_performance(struct api_call *c)
{
    const struct performance_query *in = c->in;
    const struct value args[] = {V_S(c->learner), V_I(SESSIONS_MAX)};
    struct query q[3] = {[1] = {.stmt = STMT_SESSION_PERFORMANCES, .args = args, .arg_count = 2},
                         [2] = {.stmt = STMT_STUDY_LENGTHS, .args = args, .arg_count = 1}};
    struct performance_reply *r = arena_new(c->arena, struct performance_reply, 1);
    struct session_point *s = arena_new(c->arena, struct session_point, SESSIONS_MAX);
    int32_t from = SESSIONS_MAX; /* filled from the end: rows come newest first */
    struct learner l;
    enum err e = r && s ? learner_read(c, q, 3, &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < q[1].rows.count && SESSIONS_MAX - from < in->limit; i++) {
        struct columns v = columns_of(&q[1].rows, i);
        struct str id = column_str(&v);
        struct session_facts facts = session_facts_read(&v);
        int64_t graded = column_i64(&v, 0), succeeded = column_i64(&v, 0);
        if (graded == 0 || facts.untimed)
            continue;
        int32_t hour = civil_at(l.zone, session_start(&facts)).hour;
        s[--from] =
            (struct session_point){.id = id,
                                   .started_at = session_start(&facts),
                                   .minutes = round_to((double)session_study_ms(&facts) / 60000, 1),
                                   .performance = 100 * (double)succeeded / (double)graded,
                                   .time = hour < 5    ? EVENING
                                           : hour < 12 ? MORNING
                                           : hour < 18 ? AFTERNOON
                                                       : EVENING,
                                   .n = graded};
    }
    r->sessions = (struct list){s + from, SESSIONS_MAX - from};
    r->current = current_level(c->arena, s + from, SESSIONS_MAX - from);
    r->recommended = best_level(c->arena, &q[2].rows);
    for (int32_t i = from; i < SESSIONS_MAX; i++)
        s[i].performance = round_to(s[i].performance, 1);
    if (r->sessions.n == 0)
        r->reason = l.analysis ? STR("There is no session with graded work.") : reason_disabled;
    c->reply = r;
    return ERR_OK;
}

#define ONE(e) (UINT64_C(1) << (e))
#define READS                                                                             \
    .method = HTTP_GET, .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .run = RUN_SMALL, \
    .round_trips = 1

const struct endpoint endpoints_correlation[] = {
    {READS, .path = "/api/analytics/behavioral-insights/correlation",
     .id = "get_insights_correlation", .tag = "patterns",
     .summary = "Do weeks of steady study go with good results?", .query = correlation_query,
     .in_size = sizeof(struct correlation_query), .reply = correlation_reply,
     .envelope = ENVELOPE_DATA, .cache = {.fresh_s = 600, .stale_s = 3600},
     .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_UNPROCESSABLE), .handler = get_correlation},
    {READS, .path = "/api/analytics/session-performance", .id = "get_session_performance",
     .tag = "analytics",
     .summary = "Length and success of the latest sessions, and the best length",
     .query = performance_query, .in_size = sizeof(struct performance_query),
     .reply = performance_reply, .envelope = ENVELOPE_BARE,
     .cache = {.fresh_s = 300, .stale_s = 600}, .handler = get_session_performance,
     .errors = ONE(ERR_NOT_FOUND)},
    {.path = NULL},
};
