/* mission_analytics - are missions done, do they help, and how should the next ones be?
 *
 * Counted are missions whose day is over or that are closed; one that was replaced by another of
 * its day is none. How a session went is judged against the learner's own level before it: the
 * share of right answers and recalled cards so far, so that a learner who gets better all the time
 * does not make whatever came last look good. */
#include "api/learner.h"
#include "api/session_row.h"
#include "base/hash.h"
#include "twin/compare.h"
#include "twin/correlate.h"
#include "twin/success.h"

#include <math.h>

enum {
    MISSIONS_MAX = 2000,
    WORK_MAX = 5000,
    LEVEL_MIN = 10, /* answers and reviews, before there is a level to compare with */
    GROUP_MIN = 3,  /* sessions of a kind, to be compared */
    PAIRS_MIN = 7,
    ADVICE_MISSIONS = 14,
    ADVICE_MIN = 7,
    DAYS_MAX = 366,
};

struct done_mission {
    struct str id;
    int32_t day;
    bool completed, skipped, counted;
    int64_t estimated, actual, total, done; /* actual INT64_MIN: not known */
    /* from its sessions */
    int64_t graded, succeeded, study_ms;
    double gain_sum;
    int32_t gains;
    double opinion; /* mean of 1..5; NaN: none */
    double success; /* twin/success.h */
};

struct work {
    struct str mission;
    struct session_facts facts;
    int64_t graded, succeeded, study_ms;
    double gain; /* NaN: nothing graded, or no level yet */
};

struct window {
    struct learner learner;
    struct done_mission *missions; /* latest first */
    struct work *work;             /* earliest first */
    int32_t mission_count, work_count;
};

static struct done_mission mission_read(struct columns v, int32_t today)
{
    struct done_mission m = {.id = column_str(&v)};

    m.day = (int32_t)column_i64(&v, 0);
    struct str status = column_str(&v);
    m.estimated = column_i64(&v, 0);
    m.actual = column_i64(&v, INT64_MIN);
    m.total = column_i64(&v, 0);
    m.done = column_i64(&v, 0);
    m.opinion = (double)NAN;
    m.completed = str_eq(status, STR("COMPLETED"));
    m.skipped = str_eq(status, STR("SKIPPED"));
    m.counted = m.day < today || (m.day == today && (m.completed || m.skipped));
    return m;
}

/* What was skipped on a day that has another mission was replaced. Missions of a day stand side by
 * side. */
static void leave_out_replaced(struct done_mission *m, int32_t n)
{
    for (int32_t from = 0, to; from < n; from = to) {
        bool other = false;
        for (to = from; to < n && m[to].day == m[from].day; to++)
            other = other || !m[to].skipped;
        for (int32_t i = from; i < to; i++)
            if (m[i].skipped && (other || i > from))
                m[i].counted = false;
    }
}

static enum err add_work(struct api_call *c, struct window *w)
{
    int64_t graded = 0, succeeded = 0;
    struct strmap by_id;

    strmap_init(&by_id, c->arena);
    for (int32_t k = 0; k < w->mission_count; k++) {
        void **place = strmap_slot(&by_id, w->missions[k].id);
        if (!place)
            return ERR_NOMEM;
        *place = &w->missions[k];
    }
    for (int32_t i = 0; i < w->work_count; i++) {
        struct work *s = &w->work[i];
        struct done_mission *m = s->mission.p ? strmap_get(&by_id, s->mission) : NULL;

        s->gain = (double)NAN;
        if (s->graded > 0 && graded >= LEVEL_MIN)
            s->gain = (double)s->succeeded / (double)s->graded - (double)succeeded / (double)graded;
        graded += s->graded;
        succeeded += s->succeeded;
        if (!m)
            continue;
        m->graded += s->graded;
        m->succeeded += s->succeeded;
        m->study_ms += s->study_ms;
        m->gain_sum += isnan(s->gain) ? 0 : s->gain;
        m->gains += !isnan(s->gain);
    }
    for (int32_t k = 0; k < w->mission_count; k++)
        if (w->missions[k].actual == INT64_MIN && w->missions[k].study_ms > 0)
            w->missions[k].actual = (w->missions[k].study_ms + 30000) / 60000;
    return ERR_OK;
}

static void add_opinions(struct api_call *c, struct window *w, const struct rows *rows)
{
    struct strmap means;

    if (rows->count == 0)
        return;
    strmap_init(&means, c->arena);
    for (int32_t i = 0; i < rows->count; i++) {
        struct str mission = value_str(row_at(rows, i));
        void **place = strmap_slot(&means, mission);
        if (place)
            *place = (void *)row_at(rows, i);
    }
    for (int32_t k = 0; k < w->mission_count; k++) {
        const struct value *v = strmap_get(&means, w->missions[k].id);
        if (v)
            w->missions[k].opinion = (double)value_i64(&v[2], 0) / (double)value_i64(&v[1], 1);
    }
}

static double success_of(const struct window *w, const struct done_mission *m)
{
    int32_t streak = 0;

    for (int32_t i = (int32_t)(m - w->missions); i < w->mission_count; i++)
        streak += w->missions[i].completed && w->missions[i].day == m->day - streak;
    const struct success_parts p = {
        .objectives = m->total > 0 ? (double)m->done / (double)m->total : (double)NAN,
        .right = m->graded > 0 ? (double)m->succeeded / (double)m->graded : (double)NAN,
        .time = success_time_kept(m->estimated, m->actual),
        .opinion = success_opinion(m->opinion),
        .streak = success_streak(streak),
    };
    return success_score(&p);
}

/* One round trip: all of it, for the level and for streaks. */
static enum err window_read(struct api_call *c, struct window *w)
{
    const struct value missions[] = {V_S(c->learner), V_I(INT32_MIN), V_I(MISSIONS_MAX)};
    const struct value work[] = {V_S(c->learner), V_I(TIME_MIN), V_I(WORK_MAX)};
    struct query q[4] = {
        [1] = {.stmt = STMT_MISSION_WINDOW, .args = missions, .arg_count = 3},
        [2] = {.stmt = STMT_MISSION_WINDOW_WORK, .args = work, .arg_count = 3},
        [3] = {.stmt = STMT_MISSION_WINDOW_OPINIONS, .args = missions, .arg_count = 1},
    };
    enum err e = learner_read(c, q, 4, &w->learner);

    if (e != ERR_OK)
        return e;
    w->mission_count = q[1].rows.count;
    w->work_count = q[2].rows.count;
    w->missions = arena_new(c->arena, struct done_mission, (size_t)w->mission_count + 1);
    w->work = arena_new(c->arena, struct work, (size_t)w->work_count + 1);
    if (!w->missions || !w->work)
        return ERR_NOMEM;
    for (int32_t i = 0; i < w->mission_count; i++)
        w->missions[i] = mission_read(columns_of(&q[1].rows, i), w->learner.today);
    for (int32_t i = 0; i < w->work_count; i++) {
        struct columns v = columns_of(&q[2].rows, w->work_count - 1 - i);
        struct work *s = &w->work[i];
        s->mission = column_str(&v);
        s->facts = session_facts_read(&v);
        s->study_ms = session_study_ms(&s->facts);
        s->graded = column_i64(&v, 0);
        s->succeeded = column_i64(&v, 0);
    }
    leave_out_replaced(w->missions, w->mission_count);
    e = add_work(c, w);
    if (e != ERR_OK)
        return e;
    add_opinions(c, w, &q[3].rows);
    for (int32_t i = 0; i < w->mission_count; i++)
        w->missions[i].success = success_of(w, &w->missions[i]);
    return ERR_OK;
}

static const char *const period_names[] = {"7d", "30d", "90d", "all", NULL};
static const int32_t period_days[] = {7, 30, 90, 1 << 20};

static const char *const confidence_names[] = {"LOW", "MEDIUM", "HIGH", NULL};
static int32_t confidence_of(double p, int64_t n)
{
    return p < 0.01 && n >= 30 ? 2 : p < 0.05 && n >= 14 ? 1 : 0;
}

/* ---- GET analytics/missions/summary ---- */

struct summary_query {
    int32_t period;
};
static const struct field summary_query[] = {
    FIELD(F_ENUM, struct summary_query, period, "period", .names = period_names, .def = "7d",
          .doc = "days back from today"),
    FIELD_END,
};
struct streak {
    int64_t current, longest;
};
static const struct field streak_fields[] = {
    FIELD(F_I64, struct streak, current, "current",
          .doc = "days in a row with a completed mission, up to today or yesterday"),
    FIELD(F_I64, struct streak, longest, "longest", .doc = "the longest ever"),
    FIELD_END,
};
struct counts {
    int64_t completed, skipped, total;
};
static const struct field counts_fields[] = {
    FIELD(F_I64, struct counts, completed, "completed", .doc = "completed"),
    FIELD(F_I64, struct counts, skipped, "skipped", .doc = "skipped, and not replaced"),
    FIELD(F_I64, struct counts, total, "total", .doc = "all that are closed or whose day is over"),
    FIELD_END,
};
struct group {
    int64_t sessions;
    double improvement, completion, efficiency;
};
static const struct field group_fields[] = {
    FIELD(F_I64, struct group, sessions, "sessions", .doc = "sessions"),
    FIELD(F_F64, struct group, improvement, "masteryImprovement", .flags = FIELD_NULLABLE,
          .doc = "mean of success in a session minus the learner's share of success before it"),
    FIELD(F_F64, struct group, completion, "completionRate", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "share of the sessions that were completed"),
    FIELD(F_F64, struct group, efficiency, "efficiency", .flags = FIELD_NULLABLE,
          .doc = "right answers and recalled cards an hour"),
    FIELD_END,
};
struct versus {
    struct group guided, free;
    double percent, p, g;
    const struct interval *interval;
    int32_t confidence;
    struct str insight, method;
};
static const struct field versus_fields[] = {
    FIELD(F_OBJECT, struct versus, guided, "missionGuided", .sub = group_fields,
          .size = sizeof(struct group), .doc = "sessions that serve a mission"),
    FIELD(F_OBJECT, struct versus, free, "freeStudy", .sub = group_fields,
          .size = sizeof(struct group), .doc = "the others"),
    FIELD(F_F64, struct versus, percent, "improvementPercentage", .flags = FIELD_NULLABLE,
          .doc = "difference of the improvements, in points of a hundred"),
    FIELD(F_OBJECT, struct versus, interval, "improvementInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, of the same"),
    FIELD(F_F64, struct versus, g, "effectSize", .flags = FIELD_NULLABLE, .doc = "Hedges' g"),
    FIELD(F_F64, struct versus, p, "pValue", .flags = FIELD_NULLABLE,
          .doc = "Welch's test, two-sided; null for fewer than three sessions of a kind"),
    FIELD(F_ENUM, struct versus, confidence, "confidence", .names = confidence_names,
          .doc = "HIGH: p < .01 and 30 sessions; MEDIUM: p < .05 and 14"),
    FIELD(F_STR, struct versus, insight, "insight", .doc = "the same, for people"),
    FIELD(F_STR, struct versus, method, "method", .doc = "how it was found"),
    FIELD_END,
};
struct mission_summary {
    double completion, success;
    const struct interval *completion_interval;
    int64_t success_n;
    struct streak streak;
    struct counts counts;
    struct list insights;
    struct versus versus;
    struct str reason;
};
static const struct field summary_reply[] = {
    FIELD(F_F64, struct mission_summary, completion, "completionRate", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "completed of all; null without a mission"),
    FIELD(F_OBJECT, struct mission_summary, completion_interval, "completionInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Wilson"),
    FIELD(F_OBJECT, struct mission_summary, streak, "streak", .sub = streak_fields,
          .size = sizeof(struct streak), .doc = "days in a row"),
    FIELD(F_F64, struct mission_summary, success, "successScore", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1,
          .doc =
              "mean over the completed missions of objectives done (.3), right answers (.25), time "
              "kept (.2), the learner's opinion (.15) and the streak (.1), weighted anew where one "
              "is not known"),
    FIELD(F_I64, struct mission_summary, success_n, "successScoreN", .doc = "missions behind it"),
    FIELD(F_OBJECT, struct mission_summary, counts, "missions", .sub = counts_fields,
          .size = sizeof(struct counts), .doc = "how many"),
    FIELD(F_LIST, struct mission_summary, insights, "insights", .item = F_STR,
          .size = sizeof(struct str), .doc = "what stands out, at most three"),
    FIELD(F_OBJECT, struct mission_summary, versus, "comparison", .sub = versus_fields,
          .size = sizeof(struct versus), .doc = "with and without missions"),
    FIELD(F_STR, struct mission_summary, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no figures"),
    FIELD_END,
};

/* Missions come latest day first. */
static struct streak streak_of(const struct window *w)
{
    struct streak s = {0, 0};
    int64_t run = 0;
    int32_t last = INT32_MAX;
    bool unbroken = false;

    for (int32_t i = 0; i < w->mission_count; i++) {
        const struct done_mission *m = &w->missions[i];
        if (!m->completed || m->day == last)
            continue;
        if (last == INT32_MAX)
            unbroken = m->day >= w->learner.today - 1;
        else if (m->day != last - 1)
            unbroken = false;
        run = last != INT32_MAX && m->day == last - 1 ? run + 1 : 1;
        s.current = unbroken ? run : s.current;
        last = m->day;
        s.longest = run > s.longest ? run : s.longest;
    }
    return s;
}

struct group_sums {
    struct group shown;
    double gain, gain_sq;
    int64_t gains, completed, succeeded, study_ms;
};

static void group_end(struct group_sums *g)
{
    double n = (double)g->shown.sessions, hours = (double)g->study_ms / 3.6e6;

    g->shown.improvement = g->gains > 0 ? round_to(g->gain / (double)g->gains, 3) : (double)NAN;
    g->shown.completion = n > 0 ? round_to((double)g->completed / n, 3) : (double)NAN;
    g->shown.efficiency = hours > 0 ? round_to((double)g->succeeded / hours, 2) : (double)NAN;
}

static struct versus versus_of(struct api_call *c, const struct window *w, int64_t from_us)
{
    struct group_sums sums[2] = {0};
    struct versus v = {.percent = (double)NAN, .p = (double)NAN, .g = (double)NAN};

    for (int32_t i = 0; i < w->work_count; i++) {
        const struct work *s = &w->work[i];
        struct group_sums *g = &sums[s->mission.p == NULL];
        if (s->facts.first_at < from_us)
            continue;
        g->shown.sessions++;
        g->completed += s->facts.completed_at != TIME_NONE;
        g->succeeded += s->succeeded;
        g->study_ms += s->study_ms;
        if (isnan(s->gain))
            continue;
        g->gains++;
        g->gain += s->gain;
        g->gain_sq += s->gain * s->gain;
    }
    group_end(&sums[0]);
    group_end(&sums[1]);
    v.guided = sums[0].shown;
    v.free = sums[1].shown;
    v.method = STR("Welch's test of success against the learner's own level before");
    v.insight = STR("Too few sessions with and without missions to compare them.");
    if (sums[0].gains < GROUP_MIN || sums[1].gains < GROUP_MIN)
        return v;
    struct sample a = compare_sample_of_sums(sums[0].gains, sums[0].gain, sums[0].gain_sq);
    struct sample b = compare_sample_of_sums(sums[1].gains, sums[1].gain, sums[1].gain_sq);
    struct difference d = compare_welch(&a, &b, 0.95);
    v.percent = round_to(100 * d.estimate, 1);
    v.p = round_to(d.p, 3);
    v.g = round_to(d.g, 3);
    v.interval =
        interval_new(c->arena, (struct interval){100 * d.interval.low, 100 * d.interval.high});
    v.confidence = confidence_of(d.p, sums[0].gains + sums[1].gains);
    v.insight = !(d.p < 0.05)    ? STR("No difference can be told from chance.")
                : d.estimate > 0 ? STR("Sessions with a mission go better than those without.")
                                 : STR("Sessions without a mission go better.");
    return v;
}

static enum err insights_of(struct api_call *c, const struct mission_summary *r, struct list *ret)
{
    struct str *s = arena_new(c->arena, struct str, 3);
    int32_t n = 0;

    if (!s)
        return ERR_NOMEM;
    if (r->completion_interval && r->completion_interval->low > 0.8)
        s[n++] = STR("Missions are kept: surely more than four of five.");
    if (r->completion_interval && r->completion_interval->high < 0.5)
        s[n++] = STR("Fewer than half of the missions are completed: make them shorter.");
    if (r->streak.current >= 3)
        s[n++] = arena_printf(c->arena, "%lld days in a row.", (long long)r->streak.current);
    if (n < 3 && r->versus.p < 0.05)
        s[n++] = r->versus.insight;
    *ret = (struct list){s, n};
    return ERR_OK;
}

static enum err get_mission_summary(struct api_call *c)
{
    const struct summary_query *in = c->in;
    struct mission_summary *r = arena_new(c->arena, struct mission_summary, 1);
    struct window w;
    double success = 0;
    enum err e = r ? window_read(c, &w) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    int32_t from = w.learner.today - period_days[in->period] + 1;
    for (int32_t i = 0; i < w.mission_count; i++) {
        const struct done_mission *m = &w.missions[i];
        if (!m->counted || m->day < from)
            continue;
        r->counts.total++;
        r->counts.completed += m->completed;
        r->counts.skipped += m->skipped;
        double score = m->completed ? m->success : (double)NAN;
        success += isnan(score) ? 0 : score;
        r->success_n += !isnan(score);
    }
    double n = (double)r->counts.total, k = (double)r->counts.completed;
    r->completion = n > 0 ? round_to(k / n, 3) : (double)NAN;
    r->completion_interval = n > 0 ? interval_new(c->arena, stats_wilson(k, n, STATS_Z95)) : NULL;
    r->success = r->success_n > 0 ? round_to(success / (double)r->success_n, 3) : (double)NAN;
    r->streak = streak_of(&w);
    r->versus =
        versus_of(c, &w, in->period == 3 ? INT64_MIN : civil_day_start(w.learner.zone, from));
    if (r->counts.total == 0)
        r->reason = w.learner.analysis ? STR("No mission in this time.") : reason_disabled;
    c->reply = r;
    return insights_of(c, r, &r->insights);
}

/* ---- GET analytics/missions/correlation ---- */

struct point {
    double completion, improvement;
};
static const struct field point_fields[] = {
    FIELD(F_F64, struct point, completion, "completionRate", .doc = "share of the objectives done"),
    FIELD(F_F64, struct point, improvement, "masteryImprovement",
          .doc = "success in its sessions minus the level before"),
    FIELD_END,
};
struct pairing {
    double r, p, n_eff;
    const struct interval *interval;
    int64_t n, needed;
    int32_t confidence;
    struct str insight, method, reason;
    struct list points;
};
static const struct field pairing_reply[] = {
    FIELD(F_F64, struct pairing, r, "correlationCoefficient", .flags = FIELD_NULLABLE,
          .doc = "Pearson's; null for fewer than seven missions, or without spread"),
    FIELD(F_OBJECT, struct pairing, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %, Fisher"),
    FIELD(F_F64, struct pairing, p, "pValue", .flags = FIELD_NULLABLE, .doc = "two-sided"),
    FIELD(F_I64, struct pairing, n, "sampleSize", .doc = "missions with a plan and graded work"),
    FIELD(F_F64, struct pairing, n_eff, "effectiveSampleSize", .flags = FIELD_NULLABLE,
          .doc = "neighbours in time resemble each other"),
    FIELD(F_ENUM, struct pairing, confidence, "confidence", .names = confidence_names,
          .doc = "HIGH: p < .01 and 30 missions; MEDIUM: p < .05 and 14"),
    FIELD(F_STR, struct pairing, insight, "insight", .doc = "the same, for people"),
    FIELD(F_STR, struct pairing, method, "method", .doc = "how it was found"),
    FIELD(F_LIST, struct pairing, points, "dataPoints", .sub = point_fields,
          .size = sizeof(struct point), .doc = "in order of time"),
    FIELD(F_STR, struct pairing, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no figure"),
    FIELD(F_I64, struct pairing, needed, "needed", .flags = FIELD_NULLABLE,
          .doc = "missions still missing"),
    FIELD_END,
};

static enum err get_mission_correlation(struct api_call *c)
{
    struct pairing *r = arena_new(c->arena, struct pairing, 1);
    struct window w;
    enum err e = r ? window_read(c, &w) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    size_t max = (size_t)w.mission_count + 1;
    double *x = arena_new(c->arena, double, max), *y = arena_new(c->arena, double, max);
    struct point *points = arena_new(c->arena, struct point, max);
    int32_t n = 0;
    if (!x || !y || !points)
        return ERR_NOMEM;
    for (int32_t i = w.mission_count - 1; i >= 0; i--) {
        const struct done_mission *m = &w.missions[i];
        if (!m->counted || m->total == 0 || m->gains == 0)
            continue;
        x[n] = (double)m->done / (double)m->total;
        y[n] = m->gain_sum / m->gains;
        points[n] = (struct point){round_to(x[n], 3), round_to(y[n], 3)};
        n++;
    }
    *r = (struct pairing){.r = (double)NAN,
                          .p = (double)NAN,
                          .n_eff = (double)NAN,
                          .n = n,
                          .points = {points, n},
                          .needed = INT64_MIN};
    r->method = STR("Pearson, effective sample size by autocorrelation; all missions, done or not");
    r->insight = STR("No connection can be told from chance.");
    c->reply = r;
    if (n < PAIRS_MIN) {
        r->insight = r->reason = w.learner.analysis
                                     ? STR("Too few missions with a plan and graded work.")
                                     : reason_disabled;
        r->needed = PAIRS_MIN - n;
        return ERR_OK;
    }
    struct correlation k = correlate_pearson(x, y, n, true);
    r->r = round_to(k.r, 3);
    r->p = round_to(k.p, 4);
    r->n_eff = round_to(k.n_eff, 1);
    r->confidence = confidence_of(k.p, n);
    if (isnan(k.r))
        r->reason = STR("All missions are alike in one of the two.");
    else
        r->interval = interval_new(c->arena, k.interval);
    if (k.p < 0.05)
        r->insight = k.r > 0 ? STR("Where more of a mission is done, its sessions go better.")
                             : STR("Where more of a mission is done, its sessions go worse.");
    return ERR_OK;
}

/* ---- GET analytics/missions/trends ---- */

static const char *const metric_names[] = {"completion_rate", "avg_duration", "success_score",
                                           NULL};
static const char *const grain_names[] = {"daily", "weekly", "monthly", NULL};

struct trends_query {
    int32_t metric, grain, period, start, end;
};
static const struct field trends_query[] = {
    FIELD(F_ENUM, struct trends_query, metric, "metric", .names = metric_names,
          .def = "completion_rate", .doc = "what to follow"),
    FIELD(F_ENUM, struct trends_query, grain, "granularity", .names = grain_names, .def = "daily",
          .doc = "a value for each"),
    FIELD(F_ENUM, struct trends_query, period, "period", .names = period_names,
          .doc = "days back from today; wins over the dates"),
    FIELD(F_DATE, struct trends_query, start, "startDate", .doc = "first local day"),
    FIELD(F_DATE, struct trends_query, end, "endDate", .doc = "last local day"),
    FIELD_END,
};
struct spot {
    struct str key;
    int32_t start;
    double value;
    int64_t n;
};
static const struct field spot_fields[] = {
    FIELD(F_STR, struct spot, key, "date", .doc = "2025-10-20, 2025-W43 (ISO 8601) or 2025-10"),
    FIELD(F_DATE, struct spot, start, "periodStart", .doc = "first day of it"),
    FIELD(F_F64, struct spot, value, "value", .flags = FIELD_NULLABLE, .doc = "null: no mission"),
    FIELD(F_I64, struct spot, n, "n", .doc = "missions behind it"),
    FIELD_END,
};
struct span {
    int32_t start, end;
};
static const struct field span_fields[] = {
    FIELD(F_DATE, struct span, start, "start", .doc = "first day"),
    FIELD(F_DATE, struct span, end, "end", .doc = "last day"),
    FIELD_END,
};
struct trend_meta {
    int32_t metric, grain;
    struct span span;
};
static const struct field trend_meta_fields[] = {
    FIELD(F_ENUM, struct trend_meta, metric, "metric", .names = metric_names, .doc = "as asked"),
    FIELD(F_ENUM, struct trend_meta, grain, "granularity", .names = grain_names, .doc = "as asked"),
    FIELD(F_OBJECT, struct trend_meta, span, "period", .sub = span_fields,
          .size = sizeof(struct span), .doc = "local days"),
    FIELD_END,
};
struct trends {
    struct list data;
    struct trend_meta meta;
};
static const struct field trends_reply[] = {
    FIELD(F_LIST, struct trends, data, "data", .sub = spot_fields, .size = sizeof(struct spot),
          .doc = "in order; times without a mission are there with null"),
    FIELD(F_OBJECT, struct trends, meta, "metadata", .sub = trend_meta_fields,
          .size = sizeof(struct trend_meta), .doc = "what was asked"),
    FIELD_END,
};

static int32_t bucket_start(int32_t day, int32_t grain)
{
    int32_t year, month, of_month;

    if (grain == 0)
        return day;
    if (grain == 1)
        return day - (day + 3) % 7; /* 1970-01-01 was a Thursday */
    civil_from_day(day, &year, &month, &of_month);
    return day - of_month + 1;
}

static int32_t bucket_next(int32_t start, int32_t grain)
{
    return grain == 0 ? start + 1 : grain == 1 ? start + 7 : bucket_start(start + 31, grain);
}

static struct str bucket_key(struct arena *arena, int32_t start, int32_t grain)
{
    int32_t year, month, day, week;

    civil_from_day(start, &year, &month, &day);
    if (grain == 0)
        return arena_printf(arena, "%04d-%02d-%02d", year, month, day);
    if (grain == 2)
        return arena_printf(arena, "%04d-%02d", year, month);
    civil_iso_week(start, &year, &week);
    return arena_printf(arena, "%04d-W%02d", year, week);
}

static double metric_of(const struct done_mission *m, int32_t metric)
{
    if (metric == 0)
        return m->completed;
    if (!m->completed)
        return (double)NAN;
    if (metric == 2)
        return m->success;
    return m->actual == INT64_MIN ? (double)NAN : (double)m->actual;
}

static enum err get_mission_trends(struct api_call *c)
{
    const struct trends_query *in = c->in;
    struct trends *r = arena_new(c->arena, struct trends, 1);
    struct spot *spots = arena_new(c->arena, struct spot, DAYS_MAX + 1);
    struct window w;
    enum err e = r && spots ? window_read(c, &w) : ERR_NOMEM;
    int32_t n = 0;

    if (e != ERR_OK)
        return e;
    struct span span = {w.learner.today - 29, w.learner.today};
    if (in->period >= 0) {
        span.start = w.learner.today - (in->period == 3 ? DAYS_MAX : period_days[in->period]) + 1;
    } else {
        span.end = in->end != INT32_MIN ? in->end : span.end;
        span.start = in->start != INT32_MIN ? in->start : span.end - 29;
    }
    if (span.start > span.end || (int64_t)span.end - span.start >= DAYS_MAX)
        return api_bad_field(c, "startDate", "invalid_value",
                             "must lie at most %d days before the end, and not after it", DAYS_MAX);
    for (int32_t at = bucket_start(span.start, in->grain); at <= span.end && n < DAYS_MAX;
         at = bucket_next(at, in->grain)) {
        struct spot *s = &spots[n++];
        *s = (struct spot){bucket_key(c->arena, at, in->grain), at, 0, 0};
        if (!s->key.p)
            return ERR_NOMEM;
        int32_t end = bucket_next(at, in->grain);
        for (int32_t i = 0; i < w.mission_count; i++) {
            const struct done_mission *m = &w.missions[i];
            if (!m->counted || m->day < at || m->day >= end || m->day < span.start ||
                m->day > span.end || isnan(metric_of(m, in->metric)))
                continue;
            s->value += metric_of(m, in->metric);
            s->n++;
        }
        s->value = s->n > 0 ? round_to(s->value / (double)s->n, 3) : (double)NAN;
    }
    *r = (struct trends){{spots, n}, {in->metric, in->grain, span}};
    c->reply = r;
    return ERR_OK;
}

/* ---- GET analytics/missions/recommendations ---- */

static const char *const advice_names[] = {"DURATION", "COMPLEXITY", "TIMING", "OBJECTIVE_BALANCE",
                                           NULL};
static const char *const priority_names[] = {"HIGH", "MEDIUM", "LOW", NULL};
struct advice_value {
    int64_t duration;
};
static const struct field advice_value_fields[] = {
    FIELD(F_I64, struct advice_value, duration, "duration", .doc = "minutes"),
    FIELD_END,
};
struct advice {
    struct str id, title, description, rationale, action;
    int32_t type, priority;
    int64_t current, recommended;
    const struct advice_value *value;
};
static const struct field advice_fields[] = {
    FIELD(F_STR, struct advice, id, "id", .doc = "steady while the advice is"),
    FIELD(F_ENUM, struct advice, type, "type", .names = advice_names, .doc = "what to change"),
    FIELD(F_STR, struct advice, title, "title", .doc = "in a few words"),
    FIELD(F_STR, struct advice, description, "description", .doc = "what was seen"),
    FIELD(F_STR, struct advice, rationale, "rationale", .doc = "how sure that is"),
    FIELD(F_STR, struct advice, rationale, "reason", .doc = "the same"),
    FIELD(F_STR, struct advice, action, "action", .doc = "what to do"),
    FIELD(F_ENUM, struct advice, priority, "priority", .names = priority_names,
          .doc = "how much it matters"),
    FIELD(F_I64, struct advice, current, "current", .doc = "minutes planned now, the median"),
    FIELD(F_I64, struct advice, recommended, "recommended", .doc = "minutes to plan"),
    FIELD(F_OBJECT, struct advice, value, "value", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = advice_value_fields, .size = sizeof(struct advice_value), .doc = "to be set"),
    FIELD_END,
};
struct advices {
    struct list list;
    struct str rationale, reason;
    int64_t n, needed;
    double completion;
    const struct interval *interval;
};
static const struct field advices_reply[] = {
    FIELD(F_LIST, struct advices, list, "recommendations", .sub = advice_fields,
          .size = sizeof(struct advice), .doc = "may be empty: all is well"),
    FIELD(F_STR, struct advices, rationale, "rationale", .doc = "what it rests on"),
    FIELD(F_I64, struct advices, n, "n", .doc = "missions looked at, the latest fourteen"),
    FIELD(F_F64, struct advices, completion, "completionRate", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "of these"),
    FIELD(F_OBJECT, struct advices, interval, "completionInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "80 %, Jeffreys"),
    FIELD(F_STR, struct advices, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no advice"),
    FIELD(F_I64, struct advices, needed, "needed", .flags = FIELD_NULLABLE,
          .doc = "missions still missing"),
    FIELD_END,
};

static enum err advise(struct api_call *c, struct advices *r, enum err ok, struct advice a)
{
    struct advice_value *v = arena_new(c->arena, struct advice_value, 1);

    if (!v || ok != ERR_OK)
        return ERR_NOMEM;
    v->duration = a.recommended;
    a.value = v;
    a.rationale = r->rationale;
    ((struct advice *)r->list.p)[r->list.n++] = a;
    return ERR_OK;
}

static int64_t minutes_within(double minutes)
{
    return (int64_t)lround(fmin(120, fmax(15, minutes)));
}

static enum err get_mission_advice(struct api_call *c)
{
    struct advices *r = arena_new(c->arena, struct advices, 1);
    struct advice *list = arena_new(c->arena, struct advice, 4);
    double planned[ADVICE_MISSIONS], pace[ADVICE_MISSIONS];
    int32_t n = 0, paced = 0, completed = 0;
    struct window w;
    enum err e = r && list ? window_read(c, &w) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < w.mission_count && n < ADVICE_MISSIONS; i++) {
        const struct done_mission *m = &w.missions[i];
        if (!m->counted)
            continue;
        planned[n++] = (double)m->estimated;
        completed += m->completed;
        if (m->completed && m->estimated > 0 && m->actual != INT64_MIN)
            pace[paced++] = (double)m->actual / (double)m->estimated;
    }
    *r =
        (struct advices){.list = {list, 0}, .n = n, .needed = INT64_MIN, .completion = (double)NAN};
    c->reply = r;
    r->rationale = STR("Fewer than seven missions are closed.");
    if (n < ADVICE_MIN) {
        r->reason = w.learner.analysis ? STR("Too few missions to tell.") : reason_disabled;
        r->needed = ADVICE_MIN - n;
        return ERR_OK;
    }
    struct interval range = stats_jeffreys(completed, n, 0.8);
    r->completion = round_to((double)completed / n, 3);
    r->interval = interval_new(c->arena, range);
    r->rationale = arena_printf(c->arena,
                                "%d of the latest %d missions were completed; the rate "
                                "lies between %.0f %% and %.0f %% with a chance of 80 %%.",
                                completed, n, 100 * range.low, 100 * range.high);
    if (!r->rationale.p)
        return ERR_NOMEM;
    stats_sort(planned, n);
    stats_sort(pace, paced);
    double median = stats_quantile(planned, n, 0.5), ratio = stats_quantile(pace, paced, 0.5);
    if (range.high < 0.7)
        e = advise(
            c, r, e,
            (struct advice){.id = STR("shorter"),
                            .type = 0,
                            .priority = 0,
                            .title = STR("Shorter missions"),
                            .description = STR("Fewer than seven of ten missions are completed."),
                            .action = STR("Plan less time for a mission."),
                            .current = (int64_t)median,
                            .recommended = minutes_within(0.85 * median)});
    if (range.low > 0.9)
        e = advise(
            c, r, e,
            (struct advice){.id = STR("harder"),
                            .type = 1,
                            .priority = 1,
                            .title = STR("More in a mission"),
                            .description = STR("More than nine of ten missions are completed."),
                            .action = STR("Plan more, or harder objectives."),
                            .current = (int64_t)median,
                            .recommended = minutes_within(1.15 * median)});
    if (paced >= ADVICE_MIN && fabs(log(fmax(ratio, 1e-3))) > log(1.2))
        e = advise(c, r, e,
                   (struct advice){.id = STR("estimates"),
                                   .type = 2,
                                   .priority = 1,
                                   .title = STR("Time as it is"),
                                   .description = ratio > 1
                                                      ? STR("Missions take longer than planned.")
                                                      : STR("Missions take less than planned."),
                                   .action = STR("Plan the time that missions really take."),
                                   .current = (int64_t)median,
                                   .recommended = minutes_within(ratio * median)});
    return e;
}

#define ONE(e) (UINT64_C(1) << (e))
#define READS                                                                           \
    .method = HTTP_GET, .tag = "missions", .envelope = ENVELOPE_DATA, .run = RUN_SMALL, \
    .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .round_trips = 1,                   \
    .errors = ONE(ERR_NOT_FOUND), .cache = {.fresh_s = 900, .stale_s = 3600}

const struct endpoint endpoints_mission_analytics[] = {
    {READS, .path = "/api/analytics/missions/summary", .id = "get_mission_summary",
     .summary = "How missions go", .query = summary_query, .in_size = sizeof(struct summary_query),
     .reply = summary_reply, .handler = get_mission_summary},
    {READS, .path = "/api/analytics/missions/trends", .id = "get_mission_trends",
     .summary = "How missions went, day by day, week by week or month by month",
     .query = trends_query, .in_size = sizeof(struct trends_query), .reply = trends_reply,
     .handler = get_mission_trends},
    {READS, .path = "/api/analytics/missions/correlation", .id = "get_mission_correlation",
     .summary = "Do missions that are done go with sessions that go well?", .reply = pairing_reply,
     .handler = get_mission_correlation},
    {READS, .path = "/api/analytics/missions/recommendations", .id = "get_mission_recommendations",
     .summary = "How the next missions should be", .reply = advices_reply,
     .handler = get_mission_advice},
    {.path = NULL},
};
