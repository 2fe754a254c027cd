/* plan_effect - were plans followed, and did it help: GET orchestration/effectiveness.
 *
 * Who follows plans does so on good days, and at hours that suit. So a session that followed a plan
 * is compared with others of the same part of the day, on workdays or weekends, and by how much it
 * went better than the learner's level just before it; what days are good for cannot be taken away
 * like that, and the answer says so. */
#include "api/orchestra.h"
#include "api/session_plan.h"
#include "base/assert.h"

#include <math.h>

enum {
    DAYS_MAX = 365,
    RUN_UP_DAYS = 30, /* before the range, to know the learner's level at its beginning */
    PLANS_MAX = 500,
    SESSIONS_MAX = 5000,
    GRADED_NEEDED = 5, /* in a session, for a result */
    LEVEL_SESSIONS = 3,
    INSIGHTS_MAX = 6,
};
#define LEVEL_KEEP 0.9 /* of what is known of the level, from session to session */

struct effect_stats {
    int64_t total, orchestrated, alone;
    double orchestrated_mean, alone_mean;
    int64_t orchestrated_graded, alone_graded;
};
static const struct field effect_stats_fields[] = {
    FIELD(F_I64, struct effect_stats, total, "totalSessions", .doc = "in the range"),
    FIELD(F_I64, struct effect_stats, orchestrated, "orchestratedSessions",
          .doc = "begun within half an hour of a plan"),
    FIELD(F_I64, struct effect_stats, alone, "selfScheduledSessions", .doc = "all others"),
    FIELD(F_F64, struct effect_stats, orchestrated_mean, "orchestratedAvgPerformance",
          .flags = FIELD_NULLABLE, .min = 0, .max = 100, .doc = "percent right; null: none graded"),
    FIELD(F_F64, struct effect_stats, alone_mean, "selfScheduledAvgPerformance",
          .flags = FIELD_NULLABLE, .min = 0, .max = 100, .doc = "percent right; null: none graded"),
    FIELD(F_I64, struct effect_stats, orchestrated_graded, "orchestratedGraded",
          .doc = "sessions with five graded items at least"),
    FIELD(F_I64, struct effect_stats, alone_graded, "selfScheduledGraded", .doc = "likewise"),
    FIELD_END,
};

struct effect_plans {
    int64_t due, done, followed, cancelled;
    const struct interval *interval;
    double optimal, durations, overall, crude;
    struct str method;
};
static const struct field effect_plans_fields[] = {
    FIELD(F_I64, struct effect_plans, due, "due", .doc = "plans whose time has passed"),
    FIELD(F_I64, struct effect_plans, done, "done", .doc = "with a session within two hours"),
    FIELD(F_I64, struct effect_plans, followed, "followed", .doc = "within half an hour"),
    FIELD(F_I64, struct effect_plans, cancelled, "cancelled", .doc = "taken back; not counted"),
    FIELD(F_OBJECT, struct effect_plans, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, of adherenceRate"),
    FIELD(F_F64, struct effect_plans, optimal, "optimalTimeAccuracy", .flags = FIELD_NULLABLE,
          .min = 0, .max = 100, .doc = "percent of the followed that went 75 % right or better"),
    FIELD(F_F64, struct effect_plans, durations, "durationAccuracy", .flags = FIELD_NULLABLE,
          .min = 0, .max = 100, .doc = "percent within ten minutes of the length planned"),
    FIELD(F_F64, struct effect_plans, crude, "crudeGain", .flags = FIELD_NULLABLE,
          .doc = "percent, followed plans against others, nothing allowed for"),
    FIELD(F_F64, struct effect_plans, overall, "overallEffectiveness", .flags = FIELD_NULLABLE,
          .doc = ".3 adherence + .4 crude gain + .2 optimal time + .1 duration"),
    FIELD(F_STR, struct effect_plans, method, "method", .doc = "how it is computed"),
    FIELD_END,
};

struct effect_difference {
    double points;
    const struct interval *interval, *relative;
    int64_t n_a, n_b;
    struct str method, reason;
    const struct needed *needed;
};
static const struct field effect_difference_fields[] = {
    FIELD(F_F64, struct effect_difference, points, "points", .flags = FIELD_NULLABLE,
          .doc = "percentage points by which sessions that followed a plan went better"),
    FIELD(F_OBJECT, struct effect_difference, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, of the points"),
    FIELD(F_OBJECT, struct effect_difference, relative, "relativeInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, of performanceImprovement"),
    FIELD(F_I64, struct effect_difference, n_a, "orchestratedCompared", .doc = "sessions used"),
    FIELD(F_I64, struct effect_difference, n_b, "selfScheduledCompared", .doc = "sessions used"),
    FIELD(F_STR, struct effect_difference, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct effect_difference, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD(F_OBJECT, struct effect_difference, needed, "needed",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = needed_fields,
          .size = sizeof(struct needed), .doc = "what is missing"),
    FIELD_END,
};

struct effect_range {
    int32_t days;
    int64_t start, end;
};
static const struct field effect_range_fields[] = {
    FIELD(F_I32, struct effect_range, days, "days", .doc = "as asked"),
    FIELD(F_TIME, struct effect_range, start, "start", .doc = "inclusive"),
    FIELD(F_TIME, struct effect_range, end, "end", .doc = "now"),
    FIELD_END,
};

struct effect {
    double adherence, improvement, confidence;
    struct list insights;
    struct effect_stats stats;
    struct effect_plans plans;
    struct effect_difference difference;
    struct effect_range range;
    struct str reason;
    const struct needed *needed;
};
static const struct field effect_fields[] = {
    FIELD(F_F64, struct effect, adherence, "adherenceRate", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "percent of the plans that were due and followed; see plans"),
    FIELD(F_F64, struct effect, improvement, "performanceImprovement", .flags = FIELD_NULLABLE,
          .doc = "percent by which following a plan went with better results; see comparison"),
    FIELD(F_F64, struct effect, confidence, "avgConfidence", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "mean of the plans' own"),
    FIELD(F_LIST, struct effect, insights, "insights", .item = F_STR, .size = sizeof(struct str),
          .doc = "the same in words"),
    FIELD(F_OBJECT, struct effect, stats, "stats", .sub = effect_stats_fields,
          .size = sizeof(struct effect_stats), .doc = "sessions"),
    FIELD(F_OBJECT, struct effect, plans, "plans", .sub = effect_plans_fields,
          .size = sizeof(struct effect_plans), .doc = "how plans were followed"),
    FIELD(F_OBJECT, struct effect, difference, "comparison", .sub = effect_difference_fields,
          .size = sizeof(struct effect_difference), .doc = "like with like"),
    FIELD(F_OBJECT, struct effect, range, "dateRange", .sub = effect_range_fields,
          .size = sizeof(struct effect_range), .doc = "what was looked at"),
    FIELD(F_STR, struct effect, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no adherence rate"),
    FIELD(F_OBJECT, struct effect, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "plans that must come due"),
    FIELD_END,
};

struct effect_query {
    struct str range;
};
static const struct field effect_query[] = {
    FIELD(F_STR, struct effect_query, range, "dateRange", .min = 1, .max = 8, .def = "30",
          .doc = "days up to now, as 30 or 30d; at most 365"),
    FIELD_END,
};

static double performance_of(const struct plan_session *s)
{
    return s->graded >= GRADED_NEEDED ? 100 * (double)s->succeeded / (double)s->graded : NAN;
}

static double rounded(double v, int decimals)
{
    return isnan(v) ? NAN : round_to(v, decimals);
}

struct effect_work {
    struct api_call *c;
    const struct learner *l;
    const struct plan_session *sessions;
    int32_t session_count;
    struct plan_row *plans;
    int32_t plan_count;
    int32_t *pairs;
    bool *follows; /* by session */
    int64_t from;
};

static enum err show_plans(struct effect_work *w, struct effect *r)
{
    struct plan_outcome *o = arena_new(w->c->arena, struct plan_outcome, (size_t)w->plan_count + 1);
    double confidence = 0;
    struct plan_followed f;
    int32_t n = 0, sure = 0;

    if (!o)
        return ERR_NOMEM;
    for (int32_t i = 0; i < w->plan_count; i++) {
        const struct plan_row *p = &w->plans[i];
        const struct plan_session *s = w->pairs[i] >= 0 ? &w->sessions[w->pairs[i]] : NULL;
        r->plans.cancelled += p->state == PLAN_CANCELLED;
        if (p->state != PLAN_DONE && p->state != PLAN_MISSED)
            continue;
        r->plans.done += p->state == PLAN_DONE;
        if (!isnan(p->confidence)) {
            confidence += p->confidence;
            sure++;
        }
        if (s && p->kept->followed)
            w->follows[w->pairs[i]] = true;
        o[n++] = (struct plan_outcome){.off_minutes = s ? p->kept->off_minutes : NAN,
                                       .performance = s ? performance_of(s) : NAN,
                                       .planned = (double)p->minutes,
                                       .actual = s ? s->minutes : NAN};
    }
    plan_followed_of(o, n, &f);
    r->adherence = rounded(f.adherence, 1);
    r->confidence = sure > 0 ? round_to(confidence / sure, 4) : NAN;
    r->plans.due = f.n;
    r->plans.followed = f.followed;
    r->plans.interval = interval_new(w->c->arena, f.interval);
    r->plans.optimal = rounded(f.optimal, 1);
    r->plans.durations = rounded(f.durations, 1);
    r->plans.crude = rounded(f.gain, 1);
    r->plans.overall = rounded(f.overall, 1);
    if (isnan(f.adherence)) {
        struct needed needed = NEEDED_NONE;
        needed.sessions = PLAN_OUTCOMES_NEEDED - n;
        r->needed = needed_new(w->c->arena, needed);
        r->reason = STR("Too few plans have come due to speak of a rate.");
    }
    return ERR_OK;
}

/* Workdays and weekends, by quarter of the day. */
static int32_t stratum_of(const struct zone *zone, int64_t at)
{
    struct civil c = civil_at(zone, at);

    return (c.weekday == 0 || c.weekday == 6) * 4 + c.hour / 6;
}

static enum err show_difference(struct effect_work *w, struct effect *r)
{
    struct plan_sample *s =
        arena_new(w->c->arena, struct plan_sample, (size_t)w->session_count + 1);
    double sums[2] = {0, 0}, level = 0, weight = 0;
    int64_t counts[2] = {0, 0};
    struct plan_difference d;
    int32_t n = 0, known = 0;

    if (!s)
        return ERR_NOMEM;
    for (int32_t i = 0; i < w->session_count; i++) {
        double p = performance_of(&w->sessions[i]);
        bool inside = w->sessions[i].start >= w->from, follows = w->follows[i];
        r->stats.total += inside;
        r->stats.orchestrated += inside && follows;
        if (isnan(p))
            continue;
        if (inside) {
            sums[follows] += p;
            counts[follows]++;
            if (known >= LEVEL_SESSIONS)
                s[n++] = (struct plan_sample){
                    p - level / weight, stratum_of(w->l->zone, w->sessions[i].start), follows};
        }
        level = LEVEL_KEEP * level + p;
        weight = LEVEL_KEEP * weight + 1;
        known++;
    }
    r->stats.alone = r->stats.total - r->stats.orchestrated;
    r->stats.orchestrated_graded = counts[1];
    r->stats.alone_graded = counts[0];
    double alone = counts[0] > 0 ? sums[0] / (double)counts[0] : NAN;
    r->stats.alone_mean = rounded(alone, 1);
    r->stats.orchestrated_mean = counts[1] > 0 ? round_to(sums[1] / (double)counts[1], 1) : NAN;
    plan_compare(s, n, &d);
    r->difference.points = rounded(d.estimate, 2);
    r->difference.interval = interval_new(w->c->arena, d.interval);
    r->difference.n_a = d.n_a;
    r->difference.n_b = d.n_b;
    if (isnan(d.estimate)) {
        struct needed needed = NEEDED_NONE;
        int32_t fewer = d.n_a < d.n_b ? d.n_a : d.n_b;
        needed.sessions = PLAN_OUTCOMES_NEEDED - fewer;
        r->difference.needed = needed_new(w->c->arena, needed);
        r->difference.reason =
            STR("Too few sessions with and without a plan at like times to compare them.");
    } else if (alone > 0) {
        r->improvement = round_to(100 * d.estimate / alone, 1);
        r->difference.relative =
            interval_new(w->c->arena, (struct interval){100 * d.interval.low / alone,
                                                        100 * d.interval.high / alone});
    }
    return ERR_OK;
}

static enum err show_insights(struct api_call *c, struct effect *r)
{
    struct str *s = arena_new(c->arena, struct str, INSIGHTS_MAX);
    const struct interval *i = r->difference.interval;
    int32_t n = 0;

    if (!s)
        return ERR_NOMEM;
    if (r->plans.due == 0)
        s[n++] = STR("No plan has come due in this time.");
    else
        s[n++] = arena_printf(c->arena, "%lld of %lld plans were begun within half an hour.",
                              (long long)r->plans.followed, (long long)r->plans.due);
    if (i && i->low > 0)
        s[n++] = arena_printf(c->arena,
                              "Sessions that followed a plan went %.1f points better than others "
                              "at like times.",
                              r->difference.points);
    else if (i && i->high < 0)
        s[n++] = arena_printf(c->arena,
                              "Sessions that followed a plan went %.1f points worse than others at "
                              "like times.",
                              -r->difference.points);
    else if (i)
        s[n++] = STR("With and without a plan, sessions at like times went alike, as far as can be "
                     "told from so many.");
    if (r->plans.durations < 50)
        s[n++] = STR("Most sessions last longer or shorter than planned: ask for another length.");
    for (int32_t k = 0; k < n; k++)
        if (!s[k].p)
            return ERR_NOMEM;
    r->insights = (struct list){s, n};
    return ERR_OK;
}

static enum err effect_make(struct api_call *c, const struct learner *l, const struct query *q,
                            struct effect *r)
{
    struct effect_work w = {.c = c, .l = l, .from = r->range.start, .plan_count = q[1].rows.count};
    struct plan_session *sessions;
    enum err e = plan_sessions_read(c, &q[2].rows, &sessions, &w.session_count);

    if (e != ERR_OK)
        return e;
    w.sessions = sessions;
    w.plans = arena_new(c->arena, struct plan_row, (size_t)w.plan_count + 1);
    w.follows = arena_new(c->arena, bool, (size_t)w.session_count + 1);
    if (!w.plans || !w.follows)
        return ERR_NOMEM;
    for (int32_t i = 0; i < w.plan_count; i++) {
        struct columns v = columns_of(&q[1].rows, i);
        w.plans[i] = plan_row_read(c, &v);
    }
    e = plans_judge(c, w.plans, w.plan_count, sessions, w.session_count, &w.pairs);
    if (e == ERR_OK)
        e = show_plans(&w, r);
    if (e == ERR_OK)
        e = show_difference(&w, r);
    return e == ERR_OK ? show_insights(c, r) : e;
}

static enum err days_read(struct api_call *c, struct str text, int32_t *ret)
{
    struct str rest = text, digits = str_cut(&rest, 'd');
    int64_t days;

    if ((rest.p && rest.n > 0) || str_to_i64(digits, &days) != ERR_OK || days < 1 ||
        days > DAYS_MAX)
        return api_bad_field(c, "dateRange", "invalid_format",
                             "must be a number of days from 1 to %d, as 30 or 30d", DAYS_MAX);
    *ret = (int32_t)days;
    return ERR_OK;
}

static enum err get_effect(struct api_call *c)
{
    const struct effect_query *in = c->in;
    struct effect *r = arena_new(c->arena, struct effect, 1);
    struct learner l;
    int32_t days = 0;
    enum err e = r ? days_read(c, in->range, &days) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    int64_t from = c->now_us - days * US_PER_DAY;
    const struct value plans[] = {V_S(c->learner), V_I(from), V_I(c->now_us), V_N, V_N,
                                  V_I(PLANS_MAX)};
    const struct value sessions[] = {V_S(c->learner), V_I(from - RUN_UP_DAYS * US_PER_DAY),
                                     V_I(c->now_us), V_I(SESSIONS_MAX)};
    struct query q[3] = {[1] = {.stmt = STMT_SESSION_PLAN_LIST, .args = plans, .arg_count = 6},
                         [2] = {.stmt = STMT_ORCHESTRA_SESSIONS, .args = sessions, .arg_count = 4}};
    e = learner_read(c, q, 3, &l);
    if (e != ERR_OK)
        return e;
    r->adherence = r->improvement = r->confidence = NAN;
    r->range = (struct effect_range){days, from, c->now_us};
    r->stats.orchestrated_mean = r->stats.alone_mean = r->difference.points = NAN;
    r->plans = (struct effect_plans){
        .optimal = NAN,
        .durations = NAN,
        .overall = NAN,
        .crude = NAN,
        .method = STR("plans and sessions paired by the nearest start, two hours apart at most; "
                      "share begun within half an hour; Wilson")};
    r->difference.method =
        STR("results above the learner's level before, within part of day and workday or weekend, "
            "weighted by the followed; Student's interval with pooled variances. Not at random: a "
            "good day may make both plan and result");
    c->reply = r;
    if (!l.analysis) {
        r->reason = r->difference.reason = reason_disabled;
        return ERR_OK;
    }
    return effect_make(c, &l, q, r);
}

const struct endpoint endpoints_plan_effect[] = {
    {.method = HTTP_GET,
     .path = "/api/orchestration/effectiveness",
     .id = "get_plan_effectiveness",
     .tag = "orchestration",
     .summary = "Whether plans were followed, and whether that went with better results",
     .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY,
     .query = effect_query,
     .in_size = sizeof(struct effect_query),
     .reply = effect_fields,
     .envelope = ENVELOPE_BARE,
     .run = RUN_SMALL,
     .round_trips = 1,
     .cache = {.fresh_s = 300, .stale_s = 1800},
     .errors = UINT64_C(1) << ERR_NOT_FOUND,
     .handler = get_effect},
    {.path = NULL},
};
