/* analytics - when, how long and on what a learner studies: answers from the sums alone. */
#include "api/learner.h"
#include "api/performance.h"
#include "api/profile.h"
#include "twin/study.h"

#include <math.h>
#include <stdio.h>

enum {
    DAILY = 30,
    WEEKLY = 12,
    DAYS_READ = 7 * WEEKLY + 8 /* a zone may lie a day behind or ahead */
};
enum { LOCAL_DAY_SLACK = 1 };

static double minutes_of(int64_t ms)
{
    return round_to((double)ms / 60000, 1);
}

static int32_t utc_day(int64_t now_us)
{
    return (int32_t)(now_us / US_PER_DAY);
}

/* ---- GET analytics/study-time ---- */

enum period { PERIOD_TODAY, PERIOD_WEEK, PERIOD_MONTH, PERIOD_ALL };
static const char *const period_names[] = {"today", "week", "month", "all", NULL};
static const int32_t period_days[] = {1, 7, 30};

struct study_time_query {
    int32_t period;
};
static const struct field study_time_query[] = {
    FIELD(F_ENUM, struct study_time_query, period, "period", .names = period_names, .def = "week",
          .doc = "what the totals cover; days end at the learner's midnight"),
    FIELD_END,
};

struct day_time {
    int32_t day;
    double minutes;
    int64_t sessions;
};
static const struct field day_time_fields[] = {
    FIELD(F_DATE, struct day_time, day, "date", .doc = "local day"),
    FIELD(F_F64, struct day_time, minutes, "minutes", .doc = "time studied"),
    FIELD(F_I64, struct day_time, sessions, "sessions", .doc = "sessions that began on this day"),
    FIELD_END,
};

struct week_time {
    struct str week;
    int32_t start;
    double minutes;
    int64_t sessions;
};
static const struct field week_time_fields[] = {
    FIELD(F_STR, struct week_time, week, "week", .doc = "ISO 8601 week, as 2025-W41"),
    FIELD(F_DATE, struct week_time, start, "weekStart", .doc = "its Monday"),
    FIELD(F_F64, struct week_time, minutes, "minutes", .doc = "time studied"),
    FIELD(F_I64, struct week_time, sessions, "sessions", .doc = "sessions that began in this week"),
    FIELD_END,
};

struct quarters {
    double morning, afternoon, evening, night;
};
static const struct field quarters_fields[] = {
    FIELD(F_F64, struct quarters, morning, "morning", .doc = "minutes from 6 to 12 h"),
    FIELD(F_F64, struct quarters, afternoon, "afternoon", .doc = "minutes from 12 to 18 h"),
    FIELD(F_F64, struct quarters, evening, "evening", .doc = "minutes from 18 to 24 h"),
    FIELD(F_F64, struct quarters, night, "night", .doc = "minutes from 0 to 6 h"),
    FIELD_END,
};

struct study_time_metadata {
    int32_t period, from;
    struct str zone;
    int64_t untimed;
};
static const struct field study_time_metadata[] = {
    FIELD(F_ENUM, struct study_time_metadata, period, "period", .names = period_names,
          .doc = "what the totals cover"),
    FIELD(F_DATE, struct study_time_metadata, from, "from", .flags = FIELD_NULLABLE,
          .doc = "first local day of the period; null for all"),
    FIELD(F_STR, struct study_time_metadata, zone, "timeZone", .doc = "whose midnight ends a day"),
    FIELD(F_I64, struct study_time_metadata, untimed, "untimedEvents",
          .doc = "events without a clock: in the totals of `all`, on no day"),
    FIELD_END,
};

struct study_time {
    struct list daily, weekly;
    double average, total;
    int64_t streak, sessions;
    bool active_today;
    struct quarters quarters;
    struct study_time_metadata metadata;
};
static const struct field study_time_fields[] = {
    FIELD(F_LIST, struct study_time, daily, "dailyTime", .sub = day_time_fields,
          .size = sizeof(struct day_time), .doc = "the last 30 local days, oldest first"),
    FIELD(F_LIST, struct study_time, weekly, "weeklyTime", .sub = week_time_fields,
          .size = sizeof(struct week_time), .doc = "the last 12 ISO weeks, oldest first"),
    FIELD(F_F64, struct study_time, average, "avgSessionLength", .flags = FIELD_NULLABLE,
          .doc = "minutes a session in the period; null without a session"),
    FIELD(
        F_I64, struct study_time, streak, "streak",
        .doc =
            "days in a row with study; today counts once there is some and breaks nothing before"),
    FIELD(F_BOOL, struct study_time, active_today, "activeToday", .doc = "is there study today?"),
    FIELD(F_OBJECT, struct study_time, quarters, "timeOfDay", .sub = quarters_fields,
          .size = sizeof(struct quarters), .doc = "minutes of the period by time of day"),
    FIELD(F_I64, struct study_time, sessions, "totalSessions", .doc = "sessions of the period"),
    FIELD(F_F64, struct study_time, total, "totalStudyTime", .doc = "minutes of the period"),
    FIELD(F_OBJECT, struct study_time, metadata, "metadata", .sub = study_time_metadata,
          .size = sizeof(struct study_time_metadata), .doc = "what the numbers stand for"),
    FIELD_END,
};

/* Milliseconds, while they are summed. */
struct period_sum {
    int64_t study_ms, sessions, quarters[4]; /* night, morning, afternoon, evening */
    int64_t week_ms[WEEKLY];
};

static enum err study_series(struct api_call *c, const struct learner *l, struct study_time *r)
{
    struct day_time *days = arena_new(c->arena, struct day_time, DAILY);
    struct week_time *weeks = arena_new(c->arena, struct week_time, WEEKLY);
    int32_t monday = l->today - (l->today + 3) % 7; /* day 0 was a Thursday */

    if (!days || !weeks)
        return ERR_NOMEM;
    for (int32_t i = 0; i < DAILY; i++)
        days[i].day = l->today - (DAILY - 1) + i;
    for (int32_t i = 0; i < WEEKLY; i++) {
        int32_t year, week;
        weeks[i].start = monday - 7 * (WEEKLY - 1 - i);
        civil_iso_week(weeks[i].start, &year, &week);
        weeks[i].week = arena_printf(c->arena, "%04d-W%02d", year, week);
        if (!weeks[i].week.p)
            return ERR_NOMEM;
    }
    r->daily = (struct list){days, DAILY};
    r->weekly = (struct list){weeks, WEEKLY};
    return ERR_OK;
}

/* Adds one row of STMT_STUDY_DAYS to the series and, where it lies inside, to the period. */
static void study_day_add(struct columns v, const struct learner *l, int32_t from,
                          struct study_time *r, struct period_sum *sum)
{
    struct day_time *days = r->daily.p;
    struct week_time *weeks = r->weekly.p;
    int32_t day = (int32_t)column_i64(&v, 0);
    int64_t ms = column_i64(&v, 0), quarters[4];

    for (int i = 0; i < 4; i++)
        quarters[i] = column_i64(&v, 0);
    int64_t sessions = column_i64(&v, 0);
    if (day > l->today)
        return;
    if (day >= days[0].day) {
        days[day - days[0].day].minutes = minutes_of(ms);
        days[day - days[0].day].sessions = sessions;
    }
    if (day >= weeks[0].start) {
        int32_t week = (day - weeks[0].start) / 7;
        sum->week_ms[week] += ms;
        weeks[week].minutes = minutes_of(sum->week_ms[week]);
        weeks[week].sessions += sessions;
    }
    if (day < from)
        return;
    sum->study_ms += ms;
    sum->sessions += sessions;
    for (int i = 0; i < 4; i++)
        sum->quarters[i] += quarters[i];
}

static void study_all(const struct learner *l, const struct rows *hours, struct period_sum *sum)
{
    *sum = (struct period_sum){.study_ms = learner_totals(l)->study_ms,
                               .sessions = learner_totals(l)->sessions};
    for (int32_t i = 0; i < hours->count; i++) {
        struct columns v = columns_of(hours, i);
        int64_t slot = column_i64(&v, 0);
        sum->quarters[slot % STUDY_HOURS / 6] += column_i64(&v, 0);
    }
}

static enum err get_study_time(struct api_call *c)
{
    const struct study_time_query *in = c->in;
    int32_t newest = utc_day(c->now_us) + LOCAL_DAY_SLACK;
    const struct value recent[] = {V_S(c->learner), V_I(newest - DAYS_READ)};
    const struct value streak[] = {V_S(c->learner), V_I(newest)};
    struct query q[4] = {
        [1] = {.stmt = STMT_STUDY_DAYS, .args = recent, .arg_count = 2},
        [2] = {.stmt = STMT_STUDY_STREAK, .args = streak, .arg_count = 2},
        [3] = {.stmt = STMT_STUDY_HOURS, .args = recent, .arg_count = 1},
    };
    struct learner l;
    struct study_time *r = arena_new(c->arena, struct study_time, 1);
    if (!r)
        return ERR_NOMEM;
    enum err e = learner_read(c, q, in->period == PERIOD_ALL ? 4 : 3, &l);
    if (e == ERR_OK)
        e = study_series(c, &l, r);
    if (e != ERR_OK)
        return e;

    struct period_sum sum = {0};
    int32_t from = in->period == PERIOD_ALL ? INT32_MIN : l.today - period_days[in->period] + 1;
    for (int32_t i = 0; i < q[1].rows.count; i++)
        study_day_add(columns_of(&q[1].rows, i), &l, from, r, &sum);
    if (in->period == PERIOD_ALL)
        study_all(&l, &q[3].rows, &sum);

    struct columns run = columns_of(&q[2].rows, 0);
    int64_t last = column_i64(&run, INT32_MIN), length = column_i64(&run, 0);
    r->streak = last >= l.today - 1 ? length : 0;
    r->active_today = last == l.today;
    r->sessions = sum.sessions;
    r->total = minutes_of(sum.study_ms);
    r->average = sum.sessions > 0 ? minutes_of(sum.study_ms / sum.sessions) : NAN;
    r->quarters = (struct quarters){minutes_of(sum.quarters[1]), minutes_of(sum.quarters[2]),
                                    minutes_of(sum.quarters[3]), minutes_of(sum.quarters[0])};
    r->metadata = (struct study_time_metadata){in->period, from, zone_name(l.zone),
                                               learner_totals(&l)->untimed};
    c->reply = r;
    return ERR_OK;
}

/* ---- GET analytics/study-time-heatmap ---- */

struct heatmap_query {
    int32_t weeks;
};
static const struct field heatmap_query[] = {
    FIELD(F_I32, struct heatmap_query, weeks, "weeks", .min = 1, .max = 52, .def = "6",
          .doc = "accepted for older clients: the sums cover all time, see metadata.window"),
    FIELD_END,
};

struct heat_cell {
    int32_t day, hour;
    double performance, minutes;
    const struct interval *interval;
    int64_t sessions, n;
};
static const struct field heat_cell_fields[] = {
    FIELD(F_I32, struct heat_cell, day, "day", .min = 0, .max = 6, .doc = "weekday, 0 = Sunday"),
    FIELD(F_I32, struct heat_cell, hour, "hour", .min = 0, .max = 23, .doc = "local hour"),
    FIELD(F_F64, struct heat_cell, performance, "avgPerformance", .flags = FIELD_NULLABLE,
          .doc = "percent right, pooled towards the learner's mean; null where nothing was graded"),
    FIELD(F_OBJECT, struct heat_cell, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval),
          .doc = "95 % interval of avgPerformance"),
    FIELD(F_I64, struct heat_cell, n, "n", .doc = "answers and reviews in this hour"),
    FIELD(F_I64, struct heat_cell, sessions, "sessionCount", .doc = "sessions begun in this hour"),
    FIELD(F_F64, struct heat_cell, minutes, "studyMinutes", .doc = "time studied in this hour"),
    FIELD_END,
};

struct heat_window {
    int32_t day, start_hour, end_hour;
    double score;
    const struct interval *interval;
    int64_t n;
};
static const struct field heat_window_fields[] = {
    FIELD(F_I32, struct heat_window, day, "day", .min = 0, .max = 6, .doc = "weekday, 0 = Sunday"),
    FIELD(F_I32, struct heat_window, start_hour, "startHour", .min = 0, .max = 23,
          .doc = "first hour"),
    FIELD(F_I32, struct heat_window, end_hour, "endHour", .min = 0, .max = 23,
          .doc = "last hour, itself inside"),
    FIELD(F_F64, struct heat_window, score, "score", .doc = "percent right there, pooled"),
    FIELD(F_OBJECT, struct heat_window, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 % interval of the score"),
    FIELD(F_I64, struct heat_window, n, "n", .doc = "answers and reviews behind it"),
    FIELD_END,
};

struct heatmap_metadata {
    struct str window, zone, method;
    int32_t weeks;
    double overall, strength;
    int64_t n;
};
static const struct field heatmap_metadata[] = {
    FIELD(F_STR, struct heatmap_metadata, window, "window", .doc = "what the cells cover"),
    FIELD(F_I32, struct heatmap_metadata, weeks, "requestedWeeks", .doc = "what was asked for"),
    FIELD(F_STR, struct heatmap_metadata, zone, "timeZone", .doc = "whose hours these are"),
    FIELD(F_F64, struct heatmap_metadata, overall, "overallPerformance", .flags = FIELD_NULLABLE,
          .doc = "percent right at all hours"),
    FIELD(F_F64, struct heatmap_metadata, strength, "poolingStrength", .flags = FIELD_NULLABLE,
          .doc = "how many answers at the learner's mean each cell is mixed with"),
    FIELD(F_I64, struct heatmap_metadata, n, "n", .doc = "answers and reviews in all"),
    FIELD(F_STR, struct heatmap_metadata, method, "method", .doc = "how it is computed"),
    FIELD_END,
};

struct heatmap {
    struct list cells, windows;
    struct str reason;
    const struct needed *needed;
    struct heatmap_metadata metadata;
};
static const struct field heatmap_fields[] = {
    FIELD(F_LIST, struct heatmap, cells, "heatmapData", .sub = heat_cell_fields,
          .size = sizeof(struct heat_cell), .doc = "all 168 hours of the week"),
    FIELD(F_LIST, struct heatmap, windows, "optimalWindows", .sub = heat_window_fields,
          .size = sizeof(struct heat_window),
          .doc = "at most three, best first: where the interval of at least ten answers in three "
                 "sessions lies above the learner's mean"),
    FIELD(F_STR, struct heatmap, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no window"),
    FIELD(F_OBJECT, struct heatmap, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD(F_OBJECT, struct heatmap, metadata, "metadata", .sub = heatmap_metadata,
          .size = sizeof(struct heatmap_metadata), .doc = "what the numbers stand for"),
    FIELD_END,
};

static struct interval percent(struct interval in)
{
    return (struct interval){round_to(100 * in.low, 1), round_to(100 * in.high, 1)};
}

static enum err heat_windows(struct api_call *c, const struct share cells[STUDY_SLOTS],
                             const int64_t sessions[STUDY_SLOTS],
                             const struct study_surface *surface, struct heatmap *r)
{
    struct study_window found[STUDY_WINDOWS_MAX];
    int32_t n = study_windows(cells, sessions, surface, found);
    struct heat_window *w = arena_new(c->arena, struct heat_window, STUDY_WINDOWS_MAX);

    if (!w)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++)
        w[i] = (struct heat_window){
            .day = found[i].day,
            .start_hour = found[i].start_hour,
            .end_hour = found[i].end_hour,
            .score = round_to(100 * found[i].rate, 1),
            .interval = interval_new(c->arena, percent(found[i].interval)),
            .n = found[i].n,
        };
    r->windows = (struct list){w, n};
    if (n > 0)
        return ERR_OK;
    int64_t missing = 2 * STUDY_CELL_NEEDED - (int64_t)surface->pool.n;
    r->reason = missing > 0 ? STR("Too few graded answers to compare hours.")
                            : STR("No hour is clearly better than the learner's mean.");
    if (missing > 0) {
        struct needed needed = NEEDED_NONE;
        needed.graded = missing;
        r->needed = needed_new(c->arena, needed);
    }
    return ERR_OK;
}

static enum err get_heatmap(struct api_call *c)
{
    const struct heatmap_query *in = c->in;
    const struct value args[] = {V_S(c->learner)};
    struct query q[2] = {[1] = {.stmt = STMT_STUDY_HOURS, .args = args, .arg_count = 1}};
    struct heatmap *r = arena_new(c->arena, struct heatmap, 1);
    struct heat_cell *cells = arena_new(c->arena, struct heat_cell, STUDY_SLOTS);
    struct share shares[STUDY_SLOTS] = {{0, 0}};
    int64_t sessions[STUDY_SLOTS] = {0};
    struct study_surface surface;
    struct learner l;

    if (!r || !cells)
        return ERR_NOMEM;
    enum err e = learner_read(c, q, 2, &l);
    if (e != ERR_OK)
        return e;
    c->reply = r;
    r->metadata = (struct heatmap_metadata){
        .window = STR("all"),
        .zone = zone_name(l.zone),
        .weeks = in->weeks,
        .overall = NAN,
        .strength = NAN,
        .method = STR("share right, partially pooled (beta-binomial), Wilson intervals"),
    };
    if (!l.analysis) {
        r->reason = reason_disabled;
        return ERR_OK;
    }
    for (int32_t i = 0; i < q[1].rows.count; i++) {
        struct columns v = columns_of(&q[1].rows, i);
        int64_t slot = column_i64(&v, 0);
        cells[slot].minutes = minutes_of(column_i64(&v, 0));
        cells[slot].sessions = sessions[slot] = column_i64(&v, 0);
        cells[slot].n = column_i64(&v, 0);
        shares[slot] = (struct share){(double)column_i64(&v, 0), (double)cells[slot].n};
    }
    study_surface(shares, &surface);
    for (int32_t i = 0; i < STUDY_SLOTS; i++) {
        cells[i].day = i / STUDY_HOURS;
        cells[i].hour = i % STUDY_HOURS;
        cells[i].performance = round_to(100 * surface.rate[i], 1);
        cells[i].interval = interval_new(c->arena, percent(surface.interval[i]));
    }
    r->cells = (struct list){cells, STUDY_SLOTS};
    r->metadata.overall = round_to(100 * surface.pool.mean, 1);
    r->metadata.strength = surface.pool.n > 0 ? round_to(surface.pool.strength, 1) : NAN;
    r->metadata.n = (int64_t)surface.pool.n;
    return heat_windows(c, shares, sessions, &surface, r);
}

/* ---- GET analytics/time-per-topic ---- */

enum { TOPIC_GROUPS = 5 };
enum { TOPIC_COURSE, TOPIC_LECTURE, TOPIC_OBJECTIVE, TOPIC_SKILL, TOPIC_MODALITY };

struct topics_query {
    int32_t limit;
};
static const struct field topics_query[] = {
    FIELD(F_I32, struct topics_query, limit, "limit", .min = 1, .max = 500, .def = "100",
          .doc = "topics of each kind, the most studied first"),
    FIELD_END,
};

struct topic {
    struct str id, name, course;
    double minutes, success;
    const struct interval *interval;
    int64_t sessions, n;
};
#define TOPIC_NUMBERS                                                                        \
    FIELD(F_F64, struct topic, minutes, "minutes", .doc = "time studied"),                   \
        FIELD(F_I64, struct topic, sessions, "sessions", .doc = "sessions that touched it"), \
        FIELD(F_F64, struct topic, success, "successRate", .flags = FIELD_NULLABLE,          \
              .doc = "share of right answers and successful reviews; null without any"),     \
        FIELD(F_OBJECT, struct topic, interval, "interval",                                  \
              .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,               \
              .size = sizeof(struct interval), .doc = "its 95 % Wilson interval"),           \
        FIELD(F_I64, struct topic, n, "n", .doc = "answers and reviews"), FIELD_END

static const struct field course_fields[] = {
    FIELD(F_STR, struct topic, id, "id", .doc = "course"),
    FIELD(F_STR, struct topic, name, "name", .doc = "its name, or the id where there is none"),
    TOPIC_NUMBERS,
};
static const struct field lecture_fields[] = {
    FIELD(F_STR, struct topic, id, "id", .doc = "lecture"),
    FIELD(F_STR, struct topic, name, "title", .doc = "its title, or the id where there is none"),
    FIELD(F_STR, struct topic, course, "courseName", .flags = FIELD_NULLABLE,
          .doc = "name of its course"),
    TOPIC_NUMBERS,
};
static const struct field objective_fields[] = {
    FIELD(F_STR, struct topic, id, "id", .doc = "objective"),
    FIELD(F_STR, struct topic, name, "name", .doc = "its name, or the id where there is none"),
    FIELD(F_STR, struct topic, course, "courseName", .flags = FIELD_NULLABLE,
          .doc = "name of its course"),
    TOPIC_NUMBERS,
};
static const struct field tag_fields[] = {
    FIELD(F_STR, struct topic, id, "tag", .doc = "skill"),
    FIELD(F_STR, struct topic, name, "name", .doc = "its name, or the id where there is none"),
    TOPIC_NUMBERS,
};
static const struct field modality_fields[] = {
    FIELD(F_STR, struct topic, id, "modality", .doc = "such as text, video, quiz"),
    TOPIC_NUMBERS,
};

struct unattributed {
    double course, lecture, objective, tag, modality;
};
static const struct field unattributed_fields[] = {
    FIELD(F_F64, struct unattributed, course, "course", .doc = "minutes without a course"),
    FIELD(F_F64, struct unattributed, lecture, "lecture", .doc = "minutes without a lecture"),
    FIELD(F_F64, struct unattributed, objective, "objective",
          .doc = "minutes without an objective"),
    FIELD(F_F64, struct unattributed, tag, "tag", .doc = "minutes without a skill"),
    FIELD(F_F64, struct unattributed, modality, "modality", .doc = "minutes without a modality"),
    FIELD_END,
};

struct topics {
    struct list groups[TOPIC_GROUPS];
    struct unattributed unattributed;
    double total;
    bool truncated;
};
#define TOPIC_LIST(kind, name_, sub_, doc_)                                                      \
    FIELD(F_LIST, struct topics, groups[kind], name_, .sub = sub_, .size = sizeof(struct topic), \
          .doc = doc_)
static const struct field topics_fields[] = {
    TOPIC_LIST(TOPIC_COURSE, "byCourse", course_fields, "most time first"),
    TOPIC_LIST(TOPIC_LECTURE, "byLecture", lecture_fields, "most time first"),
    TOPIC_LIST(TOPIC_SKILL, "byTag", tag_fields, "by skill, most time first"),
    TOPIC_LIST(TOPIC_OBJECTIVE, "byObjective", objective_fields, "most time first"),
    TOPIC_LIST(TOPIC_MODALITY, "byModality", modality_fields, "most time first"),
    FIELD(F_OBJECT, struct topics, unattributed, "unattributed", .sub = unattributed_fields,
          .size = sizeof(struct unattributed), .doc = "time that named no topic of the kind"),
    FIELD(F_F64, struct topics, total, "totalMinutes", .doc = "all time studied"),
    FIELD(F_BOOL, struct topics, truncated, "truncated", .doc = "did the limit cut a list?"),
    FIELD_END,
};

static enum err topic_list(struct api_call *c, const struct rows *rows, struct list *ret)
{
    struct topic *t = arena_new(c->arena, struct topic, (size_t)rows->count);

    if (!t && rows->count > 0)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        t[i].id = column_str(&v);
        t[i].name = column_str(&v);
        if (!t[i].name.p)
            t[i].name = t[i].id;
        t[i].course = column_str(&v);
        t[i].minutes = minutes_of(column_i64(&v, 0));
        t[i].sessions = column_i64(&v, 0);
        t[i].n = column_i64(&v, 0);
        double k = (double)column_i64(&v, 0), n = (double)t[i].n;
        t[i].success = n > 0 ? k / n : NAN;
        if (n > 0)
            t[i].interval = interval_new(c->arena, stats_wilson(k, n, STATS_Z95));
    }
    *ret = (struct list){t, rows->count};
    return ERR_OK;
}

static enum err get_topics(struct api_call *c)
{
    static const enum stmt stmts[TOPIC_GROUPS] = {
        STMT_TOPIC_COURSES, STMT_TOPIC_LECTURES,   STMT_TOPIC_OBJECTIVES,
        STMT_TOPIC_SKILLS,  STMT_TOPIC_MODALITIES,
    };
    const struct topics_query *in = c->in;
    const struct value args[] = {V_S(c->learner), V_I(in->limit)};
    struct query q[TOPIC_GROUPS + 2] = {
        [1] = {.stmt = STMT_TOPIC_SUMS, .args = args, .arg_count = 1},
    };
    struct topics *r = arena_new(c->arena, struct topics, 1);
    struct learner l;

    if (!r)
        return ERR_NOMEM;
    for (int i = 0; i < TOPIC_GROUPS; i++)
        q[2 + i] = (struct query){.stmt = stmts[i], .args = args, .arg_count = 2};
    enum err e = learner_read(c, q, TOPIC_GROUPS + 2, &l);
    for (int i = 0; i < TOPIC_GROUPS && e == ERR_OK; i++)
        e = topic_list(c, &q[2 + i].rows, &r->groups[i]);
    if (e != ERR_OK)
        return e;

    int64_t named[TOPIC_GROUPS] = {0};
    for (int32_t i = 0; i < q[1].rows.count; i++) {
        struct columns v = columns_of(&q[1].rows, i);
        int64_t kind = column_i64(&v, 0) - 1, count = column_i64(&v, 0);
        named[kind] = column_i64(&v, 0);
        r->truncated |= count > in->limit;
    }
    double rest[TOPIC_GROUPS];
    for (int i = 0; i < TOPIC_GROUPS; i++) /* one event may count for several skills */
        rest[i] = minutes_of(
            named[i] < learner_totals(&l)->study_ms ? learner_totals(&l)->study_ms - named[i] : 0);
    r->unattributed =
        (struct unattributed){rest[TOPIC_COURSE], rest[TOPIC_LECTURE], rest[TOPIC_OBJECTIVE],
                              rest[TOPIC_SKILL], rest[TOPIC_MODALITY]};
    r->total = minutes_of(learner_totals(&l)->study_ms);
    c->reply = r;
    return ERR_OK;
}

#define ANALYTICS                                                                           \
    .method = HTTP_GET, .tag = "analytics", .scopes = SCOPE_READ, .learner = LEARNER_QUERY, \
    .envelope = ENVELOPE_DATA, .run = RUN_SMALL, .round_trips = 1,                          \
    .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_analytics[] = {
    {ANALYTICS, .path = "/api/analytics/study-time", .id = "get_study_time",
     .summary = "Time studied by day, week and time of day, and the streak",
     .query = study_time_query, .in_size = sizeof(struct study_time_query),
     .reply = study_time_fields, .cache = {.fresh_s = 120, .stale_s = 600},
     .handler = get_study_time},
    {ANALYTICS, .path = "/api/analytics/study-time-heatmap", .id = "get_study_time_heatmap",
     .summary =
         "Success and time for every hour of the week, and the hours that are clearly better",
     .query = heatmap_query, .in_size = sizeof(struct heatmap_query), .reply = heatmap_fields,
     .cache = {.fresh_s = 300, .stale_s = 1800}, .handler = get_heatmap},
    {ANALYTICS, .path = "/api/analytics/time-per-topic", .id = "get_time_per_topic",
     .summary = "Time and success by course, lecture, objective, skill and modality",
     .query = topics_query, .in_size = sizeof(struct topics_query), .reply = topics_fields,
     .cache = {.fresh_s = 300, .stale_s = 1800}, .handler = get_topics},
    {ANALYTICS, .path = "/api/analytics/learning-profile", .id = "get_learning_profile",
     .summary = "How a learner studies: times, lengths, modalities, each with its certainty",
     .reply = learning_profile_fields, .cache = {.fresh_s = 300, .stale_s = 1800},
     .handler = get_learning_profile},
    {.method = HTTP_GET, .tag = "analytics", .scopes = SCOPE_READ, .learner = LEARNER_QUERY,
     .envelope = ENVELOPE_FLAT, .run = RUN_SMALL, .round_trips = 1,
     .errors = UINT64_C(1) << ERR_NOT_FOUND, .path = "/api/analytics/model-performance",
     .id = "get_model_performance",
     .summary = "How good the server's own forecasts for the learner were",
     .reply = performance_twice_fields, .cache = {.fresh_s = 300, .stale_s = 1800},
     .handler = get_model_performance},
    {.method = HTTP_GET, .tag = "analytics", .scopes = SCOPE_ADMIN, .envelope = ENVELOPE_DATA,
     .run = RUN_SMALL, .round_trips = 1, .path = "/api/analytics/model-performance/all",
     .id = "get_overall_performance",
     .summary = "How good the server's own forecasts were, over all learners, as of their last night",
     .reply = overall_performance_fields,
     .cache = {.why_none = "a few rows that the nights keep, for an administrator"},
     .handler = get_overall_performance},
    {.path = NULL},
};
