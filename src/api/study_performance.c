/* study_performance - how a learner does: the days beside those before them, where it is weak, how
 * much is mastered. Served from sums, and only while the learner lets performance be tracked. */
#include "api/objectives.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>

enum { DAYS_MAX = 90 };

#define UNTRACKED "The learner has switched the tracking of performance off."
static const struct str reason_untracked = {UNTRACKED, sizeof UNTRACKED - 1};

/* {NULL,0}: go on. */
static struct str untracked(const struct learner *l, const struct rows *allowed)
{
    if (!l->analysis)
        return reason_disabled;
    return allowed->count > 0 && value_i64(row_at(allowed, 0), 1) == 0 ? reason_untracked
                                                                       : (struct str){NULL, 0};
}

/* ---- GET performance/metrics ---- */

static const char *const period_names[] = {"7d", "30d", "90d", NULL};
static const int32_t period_days[] = {7, 30, 90};
static const char *const grain_names[] = {"daily", "weekly", NULL};

struct metrics_query {
    int32_t period, grain;
};
static const struct field metrics_query[] = {
    FIELD(F_ENUM, struct metrics_query, period, "period", .names = period_names, .def = "30d",
          .doc = "local days up to today, beside as many before them"),
    FIELD(F_ENUM, struct metrics_query, grain, "granularity", .names = grain_names, .def = "daily",
          .doc = "of the series"),
    FIELD_END,
};

/* A share, with what it was before. */
struct rate {
    double value, before;
    const struct interval *interval, *change;
    int64_t n, before_n;
    struct str verdict;
};
static const struct field rate_fields[] = {
    FIELD(F_F64, struct rate, value, "value", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "null: none"),
    FIELD(F_OBJECT, struct rate, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %, Wilson"),
    FIELD(F_I64, struct rate, n, "n", .doc = "behind it"),
    FIELD(F_F64, struct rate, before, "before", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "of the days before"),
    FIELD(F_I64, struct rate, before_n, "beforeN", .doc = "behind that"),
    FIELD(F_OBJECT, struct rate, change, "changeInterval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval),
          .doc = "95 % of value - before, Newcombe"),
    FIELD(F_STR, struct rate, verdict, "trend", .flags = FIELD_NULLABLE,
          .doc =
              "improving or declining when that interval leaves 0 out, else stable; null: one of "
              "the two is not there"),
    FIELD_END,
};
struct day_point {
    int32_t start;
    int64_t study_ms, sessions, answers, correct, reviews, recalled;
    double minutes, accuracy, retention;
};
static const struct field point_fields[] = {
    FIELD(F_DATE, struct day_point, start, "date", .doc = "local day, or the week's Monday"),
    FIELD(F_F64, struct day_point, minutes, "studyMinutes", .doc = "studied"),
    FIELD(F_I64, struct day_point, sessions, "sessions", .doc = "begun"),
    FIELD(F_I64, struct day_point, answers, "answers", .doc = "given"),
    FIELD(F_F64, struct day_point, accuracy, "accuracy", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "right of them"),
    FIELD(F_I64, struct day_point, reviews, "reviews", .doc = "of cards"),
    FIELD(F_F64, struct day_point, retention, "retentionScore", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "remembered of them"),
    FIELD_END,
};
struct metrics {
    int32_t from, to;
    struct rate success, accuracy, retention;
    double minutes, minutes_before;
    int64_t sessions, sessions_before, active, active_before;
    struct list points;
    struct str reason;
};
static const struct field metrics_reply[] = {
    FIELD(F_DATE, struct metrics, from, "from", .doc = "first local day"),
    FIELD(F_DATE, struct metrics, to, "to", .doc = "last local day: today"),
    FIELD(F_OBJECT, struct metrics, success, "success", .sub = rate_fields,
          .size = sizeof(struct rate), .doc = "right answers and remembered cards"),
    FIELD(F_OBJECT, struct metrics, accuracy, "accuracy", .sub = rate_fields,
          .size = sizeof(struct rate), .doc = "right of the answers"),
    FIELD(F_OBJECT, struct metrics, retention, "retention", .sub = rate_fields,
          .size = sizeof(struct rate), .doc = "remembered of the reviews"),
    FIELD(F_F64, struct metrics, minutes, "studyMinutes", .doc = "studied"),
    FIELD(F_F64, struct metrics, minutes_before, "studyMinutesBefore", .doc = "in the days before"),
    FIELD(F_I64, struct metrics, sessions, "sessions", .doc = "begun"),
    FIELD(F_I64, struct metrics, sessions_before, "sessionsBefore", .doc = "in the days before"),
    FIELD(F_I64, struct metrics, active, "activeDays", .doc = "with study"),
    FIELD(F_I64, struct metrics, active_before, "activeDaysBefore", .doc = "of the days before"),
    FIELD(F_LIST, struct metrics, points, "trends", .sub = point_fields,
          .size = sizeof(struct day_point),
          .doc = "days or weeks with study in the period, the earliest first"),
    FIELD(F_STR, struct metrics, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no figures"),
    FIELD_END,
};

static struct day_point day_read(struct columns v)
{
    struct day_point d = {.start = (int32_t)column_i64(&v, 0)};

    d.study_ms = column_i64(&v, 0);
    d.sessions = column_i64(&v, 0);
    d.answers = column_i64(&v, 0);
    d.correct = column_i64(&v, 0);
    d.reviews = column_i64(&v, 0);
    d.recalled = column_i64(&v, 0);
    return d;
}

static void day_add(struct day_point *to, const struct day_point *d)
{
    to->study_ms += d->study_ms;
    to->sessions += d->sessions;
    to->answers += d->answers;
    to->correct += d->correct;
    to->reviews += d->reviews;
    to->recalled += d->recalled;
}

static double part(int64_t k, int64_t n)
{
    return n > 0 ? round_to((double)k / (double)n, 4) : (double)NAN;
}

static const struct interval *rounded(struct api_call *c, struct interval i)
{
    return interval_new(c->arena, (struct interval){round_to(i.low, 4), round_to(i.high, 4)});
}

static enum err rate_of(struct api_call *c, struct share now, struct share before, struct rate *ret)
{
    *ret = (struct rate){.value = part((int64_t)now.k, (int64_t)now.n),
                         .before = part((int64_t)before.k, (int64_t)before.n),
                         .n = (int64_t)now.n,
                         .before_n = (int64_t)before.n};
    if (now.n > 0) {
        ret->interval = rounded(c, stats_wilson(now.k, now.n, STATS_Z95));
        if (!ret->interval)
            return ERR_NOMEM;
    }
    if (!(now.n > 0 && before.n > 0))
        return ERR_OK;
    struct interval d = stats_difference(now, before, STATS_Z95);
    ret->change = rounded(c, d);
    ret->verdict = d.low > 0 ? STR("improving") : d.high < 0 ? STR("declining") : STR("stable");
    return ret->change ? ERR_OK : ERR_NOMEM;
}

static struct share share_of(int64_t k, int64_t n)
{
    return (struct share){(double)k, (double)n};
}

static enum err rates_of(struct api_call *c, const struct day_point *now,
                         const struct day_point *before, struct metrics *r)
{
    enum err e =
        rate_of(c, share_of(now->correct + now->recalled, now->answers + now->reviews),
                share_of(before->correct + before->recalled, before->answers + before->reviews),
                &r->success);
    if (e == ERR_OK)
        e = rate_of(c, share_of(now->correct, now->answers),
                    share_of(before->correct, before->answers), &r->accuracy);
    if (e == ERR_OK)
        e = rate_of(c, share_of(now->recalled, now->reviews),
                    share_of(before->recalled, before->reviews), &r->retention);
    r->minutes = round_to((double)now->study_ms / 60000, 1);
    r->minutes_before = round_to((double)before->study_ms / 60000, 1);
    r->sessions = now->sessions;
    r->sessions_before = before->sessions;
    return e;
}

static enum err get_metrics(struct api_call *c)
{
    const struct metrics_query *in = c->in;
    int32_t days = period_days[in->period], guess = (int32_t)(c->now_us / US_PER_DAY);
    const struct value args[] = {V_S(c->learner), V_I(guess - 2 * days), V_I(guess + 1)};
    struct query q[] = {[1] = {.stmt = STMT_PERFORMANCE_DAYS, .args = args, .arg_count = 3},
                        [2] = {.stmt = STMT_PERFORMANCE_ALLOWED, .args = args, .arg_count = 1}};
    struct metrics *r = arena_new(c->arena, struct metrics, 1);
    struct day_point *p = arena_new(c->arena, struct day_point, DAYS_MAX + 3);
    struct day_point now = {.start = 0}, before = {.start = 0};
    struct learner l;
    enum err e = r && p ? learner_read(c, q, COUNT(q), &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    r->from = l.today - days + 1;
    r->to = l.today;
    r->points.p = p;
    r->reason = untracked(&l, &q[2].rows);
    for (int32_t i = 0; !r->reason.p && i < q[1].rows.count; i++) {
        struct day_point d = day_read(columns_of(&q[1].rows, i));
        bool active = d.study_ms > 0 || d.answers + d.reviews > 0;
        if (d.start > l.today || d.start <= l.today - 2 * days)
            continue;
        bool present = d.start >= r->from;
        day_add(present ? &now : &before, &d);
        *(present ? &r->active : &r->active_before) += active;
        if (!present || !active)
            continue;
        int32_t start = in->grain == 1 ? d.start - (d.start + 3) % 7 : d.start; /* a Monday */
        if (r->points.n == 0 || p[r->points.n - 1].start != start)
            p[r->points.n++] = (struct day_point){.start = start};
        day_add(&p[r->points.n - 1], &d);
    }
    for (int32_t i = 0; i < r->points.n; i++) {
        p[i].minutes = round_to((double)p[i].study_ms / 60000, 1);
        p[i].accuracy = part(p[i].correct, p[i].answers);
        p[i].retention = part(p[i].recalled, p[i].reviews);
    }
    if (!r->reason.p && now.answers + now.reviews == 0)
        r->reason = STR("Nothing was answered or reviewed in these days.");
    c->reply = r;
    return rates_of(c, &now, &before, r);
}

/* ---- GET performance/weak-areas ---- */

struct weak_query {
    struct str course;
    int32_t limit;
};
static const struct field weak_query[] = {
    COURSE_FIELD(struct weak_query),
    FIELD(F_I32, struct weak_query, limit, "limit", .min = 1, .max = 100, .def = "10",
          .doc = "objectives at most"),
    FIELD_END,
};
struct weak {
    struct objective objective;
    bool sure;
};
static const struct field weak_fields[] = {
    FIELD(F_OBJECT, struct weak, objective, "objective", .flags = FIELD_FLAT,
          .sub = objective_fields, .size = sizeof(struct objective), .doc = "the objective"),
    FIELD(F_BOOL, struct weak, sure, "sure",
          .doc = "does the interval, too, lie below .7? else there may be too few answers yet"),
    FIELD_END,
};
struct weak_list {
    struct list areas;
    int64_t total, looked_at;
    struct str method, reason;
};
static const struct field weak_reply[] = {
    FIELD(F_LIST, struct weak_list, areas, "weakAreas", .sub = weak_fields,
          .size = sizeof(struct weak), .doc = "below .7, the surest first, then the weakest"),
    FIELD(F_I64, struct weak_list, total, "total", .doc = "below .7"),
    FIELD(F_I64, struct weak_list, looked_at, "n", .doc = "objectives with an answer"),
    FIELD(F_STR, struct weak_list, method, "method", .doc = "of the estimates"),
    FIELD(F_STR, struct weak_list, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none"),
    FIELD_END,
};

/* Does the 90 % interval lie below? */
static bool sure_of(const struct known_objective *k)
{
    return mastery_chance(&k->of.mastery, MISSION_WEAK) < 0.05;
}

struct found {
    const struct known_objective *of;
    bool sure;
};

static int by_weakness(const void *pa, const void *pb)
{
    const struct found *a = pa, *b = pb;
    double pa_ = a->of->of.mastery.probability, pb_ = b->of->of.mastery.probability;

    if (a->sure != b->sure)
        return b->sure - a->sure;
    if (pa_ < pb_ || pa_ > pb_)
        return pa_ < pb_ ? -1 : 1;
    return str_cmp(a->of->of.id, b->of->of.id);
}

static enum err get_weak_areas(struct api_call *c)
{
    const struct weak_query *in = c->in;
    const struct value args[] = {V_S(c->learner)};
    struct query q[OBJECTIVE_QUERIES + 1] = {
        [OBJECTIVE_QUERIES] = {.stmt = STMT_PERFORMANCE_ALLOWED, .args = args, .arg_count = 1}};
    struct weak_list *r = arena_new(c->arena, struct weak_list, 1);
    struct study_map map;
    struct learner l;
    enum err e = r ? objectives_read(c, q, COUNT(q), &l, &map) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    struct found *weak = arena_new(c->arena, struct found, (size_t)map.count + 1);
    struct weak *shown = arena_new(c->arena, struct weak, (size_t)in->limit);
    if (!weak || !shown)
        return ERR_NOMEM;
    r->reason = untracked(&l, &q[OBJECTIVE_QUERIES].rows);
    for (int32_t i = 0; !r->reason.p && i < map.count; i++) {
        const struct known_objective *k = &map.known[i];
        if (!objective_in(k, in->course) || k->own.answers == 0)
            continue;
        r->looked_at++;
        if (k->of.mastery.probability < MISSION_WEAK)
            weak[r->total++] = (struct found){k, sure_of(k)};
    }
    qsort(weak, (size_t)r->total, sizeof *weak, by_weakness);
    r->areas.p = shown;
    for (; e == ERR_OK && r->areas.n < r->total && r->areas.n < in->limit; r->areas.n++) {
        e = objective_of(c, weak[r->areas.n].of, &shown[r->areas.n].objective);
        shown[r->areas.n].sure = weak[r->areas.n].sure;
    }
    if (!r->reason.p && r->looked_at == 0)
        r->reason = STR("Nothing was asked yet.");
    else if (!r->reason.p && r->total == 0)
        r->reason = STR("Of all that was asked, nothing is weak.");
    r->method = objective_method;
    c->reply = r;
    return e;
}

/* ---- GET performance/mastery-summary ---- */

struct levels {
    int64_t count[MASTERY_MASTERED + 1];
};
static const struct field level_fields[] = {
    FIELD(F_I64, struct levels, count[MASTERY_NOT_STARTED], "NOT_STARTED", .doc = "never asked"),
    FIELD(F_I64, struct levels, count[MASTERY_BEGINNER], "BEGINNER", .doc = "below .5"),
    FIELD(F_I64, struct levels, count[MASTERY_INTERMEDIATE], "INTERMEDIATE", .doc = "from .5"),
    FIELD(F_I64, struct levels, count[MASTERY_ADVANCED], "ADVANCED", .doc = "from .7"),
    FIELD(F_I64, struct levels, count[MASTERY_MASTERED], "MASTERED",
          .doc = "four of five would be right, with a chance of .8"),
    FIELD_END,
};
struct mastery_sum {
    struct str course;
    struct levels levels;
    int64_t objectives, asked, due;
    double mean;
    double sum; /* not shown */
};
#define SUM_FIELDS                                                                               \
    FIELD(F_OBJECT, struct mastery_sum, levels, "levels", .sub = level_fields,                   \
          .size = sizeof(struct levels), .doc = "how many objectives"),                          \
        FIELD(F_I64, struct mastery_sum, objectives, "objectives", .doc = "in all"),             \
        FIELD(F_I64, struct mastery_sum, asked, "n", .doc = "of these, with an answer"),         \
        FIELD(F_F64, struct mastery_sum, mean, "meanMastery", .flags = FIELD_NULLABLE, .min = 0, \
              .max = 1, .doc = "mean chance of a right answer, over those"),                     \
        FIELD(F_I64, struct mastery_sum, due, "dueCards", .doc = "cards that are due today")
static const struct field course_sum_fields[] = {
    FIELD(F_STR, struct mastery_sum, course, "courseId", .flags = FIELD_NULLABLE,
          .doc = "null: objectives that the catalogue puts nowhere"),
    SUM_FIELDS,
    FIELD_END,
};
static const struct field all_sum_fields[] = {SUM_FIELDS, FIELD_END};
struct mastery_summary {
    struct mastery_sum all;
    struct list courses;
    struct str method, reason;
};
static const struct field mastery_reply[] = {
    FIELD(F_OBJECT, struct mastery_summary, all, "summary", .sub = all_sum_fields,
          .flags = FIELD_FLAT, .size = sizeof(struct mastery_sum), .doc = "over all courses"),
    FIELD(F_LIST, struct mastery_summary, courses, "byCourse", .sub = course_sum_fields,
          .size = sizeof(struct mastery_sum), .doc = "the most objectives first"),
    FIELD(F_STR, struct mastery_summary, method, "method", .doc = "of the estimates"),
    FIELD(F_STR, struct mastery_summary, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none"),
    FIELD_END,
};

static void sum_add(struct mastery_sum *s, const struct known_objective *k)
{
    s->objectives++;
    s->due += k->of.due;
    s->levels.count[mastery_level_of(&k->own, &k->of.mastery)]++;
    if (k->own.answers > 0) {
        s->asked++;
        s->sum += k->of.mastery.probability;
    }
    s->mean = s->asked > 0 ? round_to(s->sum / (double)s->asked, 3) : (double)NAN;
}

static int by_size(const void *pa, const void *pb)
{
    const struct mastery_sum *a = pa, *b = pb;

    if (a->objectives != b->objectives)
        return a->objectives < b->objectives ? 1 : -1;
    return str_cmp(a->course, b->course);
}

static enum err get_mastery_summary(struct api_call *c)
{
    const struct value args[] = {V_S(c->learner)};
    struct query q[OBJECTIVE_QUERIES + 1] = {
        [OBJECTIVE_QUERIES] = {.stmt = STMT_PERFORMANCE_ALLOWED, .args = args, .arg_count = 1}};
    struct mastery_summary *r = arena_new(c->arena, struct mastery_summary, 1);
    struct study_map map;
    struct learner l;
    enum err e = r ? objectives_read(c, q, COUNT(q), &l, &map) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    struct mastery_sum *s = arena_new(c->arena, struct mastery_sum, (size_t)map.count + 1);
    if (!s)
        return ERR_NOMEM;
    r->reason = untracked(&l, &q[OBJECTIVE_QUERIES].rows);
    r->all.mean = (double)NAN;
    r->courses.p = s;
    for (int32_t i = 0; !r->reason.p && i < map.count; i++) {
        struct str course = map.known[i].of.course;
        int32_t k = 0;
        while (k < r->courses.n && !((!s[k].course.p && !course.p) ||
                                     (s[k].course.p && course.p && str_eq(s[k].course, course))))
            k++;
        if (k == r->courses.n) /* few: those that the learner works on */
            s[r->courses.n++] = (struct mastery_sum){.course = course};
        sum_add(&s[k], &map.known[i]);
        sum_add(&r->all, &map.known[i]);
    }
    qsort(s, (size_t)r->courses.n, sizeof *s, by_size);
    if (!r->reason.p && r->all.objectives == 0)
        r->reason = STR("No objective is known of this learner.");
    r->method = objective_method;
    c->reply = r;
    return ERR_OK;
}

#define PERFORMANCE                                                                        \
    .method = HTTP_GET, .tag = "performance", .envelope = ENVELOPE_DATA, .run = RUN_SMALL, \
    .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .round_trips = 1,                      \
    .cache = {.fresh_s = 300, .stale_s = 1800}, .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_performance[] = {
    {PERFORMANCE, .path = "/api/performance/metrics", .id = "get_performance_metrics",
     .summary = "How the learner does lately, beside the time before", .query = metrics_query,
     .in_size = sizeof(struct metrics_query), .reply = metrics_reply, .handler = get_metrics},
    {PERFORMANCE, .path = "/api/performance/weak-areas", .id = "get_weak_areas",
     .summary = "Objectives that do not go well, the surest first", .query = weak_query,
     .in_size = sizeof(struct weak_query), .reply = weak_reply, .handler = get_weak_areas},
    {PERFORMANCE, .path = "/api/performance/mastery-summary", .id = "get_mastery_summary",
     .summary = "How much is mastered, in all and course by course", .reply = mastery_reply,
     .handler = get_mastery_summary},
    {.path = NULL},
};
