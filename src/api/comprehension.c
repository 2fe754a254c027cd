/* comprehension - what a learner's answers say of what is understood: strengths and weaknesses, how
 * confidence fits, what would help, how long mastery takes, and how likely it is. All of it from
 * the sums by objective (night/summaries.h); the routes speak snake case. */
#include "api/summaries.h"
#include "base/assert.h"
#include "night/retained.h"
#include "twin/card.h"
#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>

enum { SHOWN_MAX = 10, ESTIMATES_MAX = 20, INSIGHTS_MAX = 6, HELP_MAX = 4, HOURS_MAX = 200 };

static const char *const range_names[] = {"7d", "30d", "90d", "1y", "all", NULL};
static const int32_t range_days[] = {7, 30, 90, 365, -1};

static int64_t since_of(const struct api_call *c, int32_t range)
{
    return range_days[range] < 0 ? INT64_MIN : c->now_us - range_days[range] * US_PER_DAY;
}

static const struct interval *interval_1(struct arena *arena, struct interval i)
{
    return interval_new(arena, (struct interval){round_to(i.low, 1), round_to(i.high, 1)});
}

/* ---- POST analytics/patterns ---- */

struct ranked {
    struct str objective, name;
    double score, percentile;
    const struct interval *interval;
    int64_t n;
};
static const struct field ranked_fields[] = {
    FIELD(F_STR, struct ranked, objective, "objective_id", .doc = "objective"),
    FIELD(F_STR, struct ranked, name, "objective_name", .doc = "in the catalogue, or else its id"),
    FIELD(F_F64, struct ranked, score, "score", .min = 0, .max = 100,
          .doc = "share right, in percent, pooled with the other objectives"),
    FIELD(F_F64, struct ranked, percentile, "percentile_rank", .min = 0, .max = 100,
          .doc = "mid-rank among the learner's own objectives"),
    FIELD(F_OBJECT, struct ranked, interval, "score_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_I64, struct ranked, n, "n", .doc = "answers and reviews"),
    FIELD_END,
};

static const char *const issue_names[] = {"overconfident", "underconfident", "dangerous_gap", NULL};
enum issue_category { ISSUE_OVER, ISSUE_UNDER, ISSUE_DANGEROUS };
struct issue {
    struct str objective, name, description;
    double gap;
    const struct interval *interval;
    int64_t n;
    int32_t category;
};
static const struct field issue_fields[] = {
    FIELD(F_STR, struct issue, objective, "objective_id", .doc = "objective"),
    FIELD(F_STR, struct issue, name, "objective_name", .doc = "in the catalogue, or else its id"),
    FIELD(F_F64, struct issue, gap, "calibration_delta", .doc = "confidence minus score, points"),
    FIELD(F_OBJECT, struct issue, interval, "calibration_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Student's t; leaves out 0"),
    FIELD(F_I64, struct issue, n, "n", .doc = "answers that told a confidence"),
    FIELD(F_ENUM, struct issue, category, "category", .names = issue_names,
          .doc = "dangerous_gap: below 60 points and surer than right"),
    FIELD(F_STR, struct issue, description, "description", .doc = "in words"),
    FIELD_END,
};

static const char *const insight_names[] = {"strength", "weakness", "pattern", "recommendation",
                                            NULL};
enum insight_category { INSIGHT_STRENGTH, INSIGHT_WEAKNESS, INSIGHT_PATTERN, INSIGHT_ADVICE };
struct observation {
    int32_t category;
    struct str observation, action;
    double confidence;
};
static const struct field observation_fields[] = {
    FIELD(F_ENUM, struct observation, category, "category", .names = insight_names,
          .doc = "what sort"),
    FIELD(F_STR, struct observation, observation, "observation", .doc = "what was seen"),
    FIELD(F_STR, struct observation, action, "action", .doc = "what to do"),
    FIELD(F_F64, struct observation, confidence, "confidence", .min = 0, .max = 1,
          .doc = "probability that it is so"),
    FIELD_END,
};

struct comprehension_in {
    struct str user_id, user_id_too;
    int32_t range;
};
static const struct field comprehension_body[] = {
    FIELD_USER_ID_EITHER(struct comprehension_in),
    FIELD(F_ENUM, struct comprehension_in, range, "date_range", .names = range_names, .def = "90d",
          .doc = "objectives met within it, with all that is known of them"),
    FIELD_END,
};
struct comprehension {
    struct str user_id, method, reason;
    struct list strengths, weaknesses, issues, insights, range;
    int64_t generated_at, objectives;
    const struct needed *needed;
};
static const struct field comprehension_fields[] = {
    FIELD(F_STR, struct comprehension, user_id, "user_id", .doc = "learner"),
    FIELD(F_LIST, struct comprehension, strengths, "strengths", .sub = ranked_fields,
          .size = sizeof(struct ranked), .max = SHOWN_MAX,
          .doc = "at or above the learner's own 90th percentile, the best first"),
    FIELD(F_LIST, struct comprehension, weaknesses, "weaknesses", .sub = ranked_fields,
          .size = sizeof(struct ranked), .max = SHOWN_MAX,
          .doc = "at or below the 10th, the worst first"),
    FIELD(F_LIST, struct comprehension, issues, "calibration_issues", .sub = issue_fields,
          .size = sizeof(struct issue), .max = SHOWN_MAX,
          .doc = "where confidence and results surely part, the widest first"),
    FIELD(F_LIST, struct comprehension, insights, "ai_insights", .sub = observation_fields,
          .size = sizeof(struct observation), .max = INSIGHTS_MAX,
          .doc = "by rule, from these numbers; no language model has a part in it"),
    FIELD(F_LIST, struct comprehension, range, "analysis_date_range", .item = F_DATE,
          .size = sizeof(int32_t), .min = 2, .max = 2, .doc = "first and last local day"),
    FIELD(F_TIME, struct comprehension, generated_at, "generated_at", .doc = "now"),
    FIELD(F_I64, struct comprehension, objectives, "objectives_analyzed",
          .doc = "with two answers or more"),
    FIELD(F_STR, struct comprehension, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct comprehension, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no ranks"),
    FIELD(F_OBJECT, struct comprehension, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is missing"),
    FIELD_END,
};

/* Indices by a key, the largest first, at most `room`; NaN is left out. Returns how many. */
static int32_t top_of(const struct standings *s, double (*key)(const struct standing *),
                      int32_t room, int32_t *ret)
{
    int32_t n = 0;

    for (int32_t i = 0; i < s->count; i++) {
        double mine = key(&s->list[i]);
        int32_t at = n;
        if (isnan(mine))
            continue;
        for (; at > 0 && key(&s->list[ret[at - 1]]) < mine; at--)
            if (at < room)
                ret[at] = ret[at - 1];
        if (at == room)
            continue;
        ret[at] = i;
        n += n < room;
    }
    return n;
}

static double strength_key(const struct standing *s)
{
    return s->percentile >= 90 ? s->score : (double)NAN;
}

static double weakness_key(const struct standing *s)
{
    return s->percentile <= 10 ? -s->score : (double)NAN;
}

static double issue_key(const struct standing *s)
{
    bool over = standing_overconfident(s, 15) || (s->score < 60 && standing_overconfident(s, 10));

    return over || standing_underconfident(s, 15) ? fabs(s->gap) : (double)NAN;
}

static enum err rank_list(struct api_call *c, const struct standings *s,
                          double (*key)(const struct standing *), struct list *ret)
{
    struct ranked *r = arena_new(c->arena, struct ranked, SHOWN_MAX);
    int32_t picks[SHOWN_MAX], n = top_of(s, key, SHOWN_MAX, picks);

    if (!r)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        const struct standing *o = &s->list[picks[i]];
        r[i] = (struct ranked){.objective = s->objectives[picks[i]],
                               .name = objective_name(s->names[picks[i]], s->objectives[picks[i]]),
                               .score = round_to(o->score, 1),
                               .percentile = round_to(o->percentile, 1),
                               .interval = interval_1(c->arena, o->score_interval),
                               .n = o->n};
    }
    *ret = (struct list){r, n};
    return ERR_OK;
}

static enum err issue_list(struct api_call *c, const struct standings *s, struct list *ret)
{
    struct issue *r = arena_new(c->arena, struct issue, SHOWN_MAX);
    int32_t picks[SHOWN_MAX], n = top_of(s, issue_key, SHOWN_MAX, picks);

    if (!r)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        const struct standing *o = &s->list[picks[i]];
        bool over = o->gap > 0;
        r[i] = (struct issue){.objective = s->objectives[picks[i]],
                              .name = objective_name(s->names[picks[i]], s->objectives[picks[i]]),
                              .gap = round_to(o->gap, 1),
                              .interval = interval_1(c->arena, o->gap_interval),
                              .n = o->told,
                              .category = !over           ? ISSUE_UNDER
                                          : o->score < 60 ? ISSUE_DANGEROUS
                                                          : ISSUE_OVER};
        r[i].description = arena_printf(
            c->arena, "Told confidence lies %.0f points %s the results, by %lld answers.",
            fabs(o->gap), over ? "above" : "below", (long long)o->told);
        if (!r[i].description.p)
            return ERR_NOMEM;
    }
    *ret = (struct list){r, n};
    return ERR_OK;
}

/* Probability that the objective's true score lies beyond the learner's mean; sign 1: above. */
static double beyond_mean(const struct standings *s, const struct standing *o, int sign)
{
    double away = sign * (o->score - 100 * s->all.pool.mean);

    return o->score_sd > 0 ? dist_normal_cdf(away / o->score_sd) : away > 0 ? 1 : 0;
}

static void observe_rank(struct api_call *c, const struct standings *s, const struct list *list,
                         int sign, struct observation *o, int32_t *n)
{
    const struct ranked *first = list->p;
    struct str name;

    if (list->n == 0)
        return;
    for (int32_t i = 0; i < s->count; i++) {
        if (!str_eq(s->objectives[i], first->objective))
            continue;
        name = objective_short(s->names[i], s->objectives[i]);
        o[*n] = (struct observation){
            .category = sign > 0 ? INSIGHT_STRENGTH : INSIGHT_WEAKNESS,
            .observation = arena_printf(
                c->arena, STR_FMT " stands at %.0f of 100 points, the mean of all at %.0f.",
                STR_ARG(name), s->list[i].score, 100 * s->all.pool.mean),
            .action = sign > 0
                          ? STR("Let reviews of it come less often, and spend the time elsewhere.")
                          : STR("Begin the next session with it."),
            .confidence = round_to(beyond_mean(s, &s->list[i], sign), 3)};
        ++*n;
    }
}

static void observe_pattern(struct api_call *c, const struct patterns_view *v,
                            struct observation *o, int32_t *n)
{
    for (int32_t i = 0; i < v->count; i++) {
        const struct pattern_row *p = &v->patterns[i];
        if (!p->present || isnan(p->confidence))
            continue;
        struct pattern_words w = pattern_words(c->arena, p);
        o[*n] = (struct observation){INSIGHT_PATTERN, w.description, w.action,
                                     round_to(p->confidence, 3)};
        ++*n;
        return; /* they come the likeliest first */
    }
}

/* Of the widest gap, and of whether study raises results at all. */
static void observe_advice(struct api_call *c, const struct standings *s, struct observation *o,
                           int32_t *n)
{
    int32_t widest;

    if (top_of(s, issue_key, 1, &widest) == 1) {
        const struct standing *w = &s->list[widest];
        double se = (w->gap_interval.high - w->gap_interval.low) / (2 * STATS_Z95);
        o[*n] = (struct observation){
            INSIGHT_ADVICE,
            arena_printf(c->arena, "On " STR_FMT " confidence and results part by %.0f points.",
                         STR_ARG(objective_short(s->names[widest], s->objectives[widest])),
                         fabs(w->gap)),
            w->gap > 0 ? STR("Test yourself before you call it known.")
                       : STR("Trust the first answer more, and move on sooner."),
            round_to(se > 0 ? dist_normal_cdf(fabs(w->gap) / se) : 1, 3)};
        ++*n;
    }
    if (isnan(s->all.gain) || !(s->all.gain > 0))
        return;
    o[*n] = (struct observation){
        INSIGHT_ADVICE,
        arena_printf(c->arena, "An hour of study on an objective raises it by %.1f points.",
                     s->all.gain),
        STR("Plan hours for the objectives furthest below 80 points."),
        round_to(dist_normal_cdf(s->all.gain / s->all.gain_sd), 3)};
    ++*n;
}

static enum err insight_list(struct api_call *c, const struct standing_view *v,
                             const struct comprehension *r, struct list *ret)
{
    struct observation *o = arena_new(c->arena, struct observation, INSIGHTS_MAX);
    int32_t n = 0;

    if (!o)
        return ERR_NOMEM;
    observe_rank(c, &v->s, &r->strengths, 1, o, &n);
    observe_rank(c, &v->s, &r->weaknesses, -1, o, &n);
    observe_pattern(c, &v->base, o, &n);
    observe_advice(c, &v->s, o, &n);
    ASSERT(n <= INSIGHTS_MAX);
    for (int32_t i = 0; i < n; i++)
        if (!o[i].observation.p || !o[i].action.p)
            return ERR_NOMEM;
    *ret = (struct list){o, n};
    return ERR_OK;
}

static void thin_reason(struct api_call *c, const struct standing_view *v, struct comprehension *r)
{
    if (v->s.all.counted == 0) {
        r->reason = standing_view_reason(c, v, &r->needed);
        return;
    }
    if (v->s.all.counted < STANDING_RANKED_NEEDED)
        r->reason = STR("Fewer than five objectives: ranks among them say nothing.");
}

static enum err post_comprehension(struct api_call *c)
{
    const struct comprehension_in *in = c->in;
    struct comprehension *r = arena_new(c->arena, struct comprehension, 1);
    int32_t *range = arena_new(c->arena, int32_t, 2);
    struct standing_view v = {.week_hours = 0};
    enum err e = r && range ? standing_view_read(c, &v, since_of(c, in->range), 0) : ERR_NOMEM;

    if (e == ERR_OK)
        e = rank_list(c, &v.s, strength_key, &r->strengths);
    if (e == ERR_OK)
        e = rank_list(c, &v.s, weakness_key, &r->weaknesses);
    if (e == ERR_OK)
        e = issue_list(c, &v.s, &r->issues);
    if (e == ERR_OK)
        e = insight_list(c, &v, r, &r->insights);
    if (e != ERR_OK)
        return e;
    range[1] = v.base.l.today;
    range[0] = range_days[in->range] >= 0 ? v.base.l.today - range_days[in->range]
               : learner_totals(&v.base.l)->first_at != TIME_NONE
                   ? civil_at(v.base.l.zone, learner_totals(&v.base.l)->first_at).epoch_day
                   : v.base.l.today;
    r->range = (struct list){range, 2};
    r->user_id = c->learner;
    r->generated_at = c->now_us;
    r->objectives = v.s.all.counted;
    r->method =
        STR("pooled shares with Wilson intervals, mid-ranks among the learner's own objectives, "
            "mean confidence minus mean score with Student's t");
    thin_reason(c, &v, r);
    c->reply = r;
    return ERR_OK;
}

/* ---- analytics/recommendations ---- */

static const char *const help_names[] = {"more_failure_challenges", "foundational_review",
                                         "immediate_review", "spaced_repetition", NULL};
enum help_type { HELP_CHALLENGE, HELP_FOUNDATION, HELP_REVIEW, HELP_SPACING };
static const char *const level_names[] = {"high", "medium", "low", NULL};
enum help_level { LEVEL_HIGH, LEVEL_MEDIUM, LEVEL_LOW };

struct help {
    struct str pattern, description;
    int32_t type, level;
    double hours;
    int64_t n;
};
static const struct field help_fields[] = {
    FIELD(F_STR, struct help, pattern, "pattern_detected", .doc = "what it answers to"),
    FIELD(F_ENUM, struct help, type, "intervention_type", .names = help_names, .doc = "what to do"),
    FIELD(F_STR, struct help, description, "description", .doc = "in words"),
    FIELD(F_ENUM, struct help, level, "priority", .names = level_names,
          .doc = "high: three objectives or more; medium: two; low: one"),
    FIELD(F_F64, struct help, hours, "estimated_time_hours", .flags = FIELD_NULLABLE,
          .doc = "for ten questions on each, at the learner's own pace; null: no times were told"),
    FIELD(F_I64, struct help, n, "objectives", .doc = "that it is about"),
    FIELD_END,
};

struct exam {
    double probability, score;
    const struct interval *interval;
    int32_t objectives;
};

struct advice_in {
    struct str user_id, user_id_too;
    int32_t period;
};
#define FIELD_PERIOD                                                                      \
    FIELD(F_ENUM, struct advice_in, period, "period", .names = period_names, .def = "7d", \
          .doc = "what is advised and estimated is of objectives met within it")
static const char *const period_names[] = {"7d", "30d", "90d", NULL}; /* the first of the ranges */
static const struct field advice_query[] = {
    FIELD_PERIOD,
    FIELD_END,
};
static const struct field advice_body[] = {
    FIELD_USER_ID_EITHER(struct advice_in),
    FIELD_PERIOD,
    FIELD_END,
};
struct advice {
    struct str user_id, exam_method, reason;
    struct day_insight day;
    struct list week, help, times;
    struct exam exam;
    int64_t generated_at;
    const struct needed *needed;
};
static const struct field advice_fields[] = {
    FIELD(F_STR, struct advice, user_id, "user_id", .doc = "learner"),
    FIELD(F_OBJECT, struct advice, day, "daily_insight", .sub = day_insight_fields,
          .size = sizeof(struct day_insight), .doc = "as analytics/daily-insight has it"),
    FIELD(F_LIST, struct advice, week, "weekly_top3", .sub = week_item_fields,
          .size = sizeof(struct week_item), .min = STANDING_PICKS, .max = STANDING_PICKS,
          .doc = "as analytics/weekly-summary has them"),
    FIELD(F_LIST, struct advice, help, "interventions", .sub = help_fields,
          .size = sizeof(struct help), .max = HELP_MAX, .doc = "what would help"),
    FIELD(F_LIST, struct advice, times, "time_estimates", .sub = time_estimate_fields,
          .size = sizeof(struct time_estimate), .max = ESTIMATES_MAX,
          .doc = "of objectives below 80 points, the furthest below first"),
    FIELD(F_F64, struct advice, exam.probability, "exam_success_probability",
          .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "of 70 % right in 50 new questions spread evenly over all objectives met so far"),
    FIELD(F_OBJECT, struct advice, exam.interval, "exam_success_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, of what is open about the scores"),
    FIELD(F_F64, struct advice, exam.score, "exam_expected_score", .flags = FIELD_NULLABLE,
          .min = 0, .max = 100, .doc = "percent"),
    FIELD(F_I32, struct advice, exam.objectives, "exam_objectives", .doc = "it is spread over"),
    FIELD(F_STR, struct advice, exam_method, "exam_method", .doc = "how that is computed"),
    FIELD(F_TIME, struct advice, generated_at, "generated_at", .doc = "now"),
    FIELD(F_STR, struct advice, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is nothing"),
    FIELD(F_OBJECT, struct advice, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is missing"),
    FIELD_END,
};

/* Is this objective in need of that kind of help? */
static bool needs(const struct standing *s, enum help_type type)
{
    switch (type) {
    case HELP_CHALLENGE:
        return standing_overconfident(s, 10);
    case HELP_FOUNDATION:
        return s->score_interval.high < 60;
    case HELP_REVIEW:
        return s->slope_interval.high < 0; /* results surely fall */
    case HELP_SPACING:
        return s->score < 70 && s->days > 7;
    }
    return false;
}

static struct str help_pattern(enum help_type type)
{
    switch (type) {
    case HELP_CHALLENGE:
        return STR("overconfidence");
    case HELP_FOUNDATION:
        return STR("bottleneck");
    case HELP_REVIEW:
        return STR("regression");
    case HELP_SPACING:
        break;
    }
    return STR("fading");
}

static const char *help_text(enum help_type type)
{
    switch (type) {
    case HELP_CHALLENGE:
        return "Questions hard enough to be got wrong, with the confidence told before each";
    case HELP_FOUNDATION:
        return "What they build on, before more questions";
    case HELP_REVIEW:
        return "Review them now, as their results have been falling";
    case HELP_SPACING:
        break;
    }
    return "Short reviews at growing distances, as they have not been met for a week";
}

static enum err help_list(struct api_call *c, const struct standing_view *v, int64_t since_us,
                          struct list *ret)
{
    struct help *h = arena_new(c->arena, struct help, HELP_MAX);
    int32_t n = 0;

    if (!h)
        return ERR_NOMEM;
    for (enum help_type type = HELP_CHALLENGE; type <= HELP_SPACING; type++) {
        struct help one = {.type = (int32_t)type, .hours = (double)NAN};
        struct str first = {NULL, 0};
        double minutes = 0;
        for (int32_t i = 0; i < v->s.count; i++) {
            const struct standing *s = &v->s.list[i];
            if (s->n < STANDING_NEEDED || v->s.sums[i].last_at < since_us || !needs(s, type))
                continue;
            if (!first.p)
                first = objective_short(v->s.names[i], v->s.objectives[i]);
            minutes +=
                SUMMARY_OUTCOMES * (isnan(s->minutes_each) ? v->s.minutes_each : s->minutes_each);
            one.n++;
        }
        if (one.n == 0)
            continue;
        one.pattern = help_pattern(type);
        one.hours = round_to(minutes / 60, 2);
        one.level = one.n >= 3 ? LEVEL_HIGH : one.n == 2 ? LEVEL_MEDIUM : LEVEL_LOW;
        one.description = arena_printf(c->arena, "%s: " STR_FMT "%s.", help_text(type),
                                       STR_ARG(first), one.n > 1 ? " and others" : "");
        if (!one.description.p)
            return ERR_NOMEM;
        h[n++] = one;
    }
    *ret = (struct list){h, n};
    return ERR_OK;
}

static double below_key(const struct standing *s)
{
    return s->score < STANDING_MASTERY ? -s->score : (double)NAN;
}

static enum err time_list(struct api_call *c, const struct standing_view *v, int64_t since_us,
                          struct list *ret)
{
    struct time_estimate *t = arena_new(c->arena, struct time_estimate, ESTIMATES_MAX);
    int32_t *picks = arena_new(c->arena, int32_t, STANDING_MAX), n = 0;

    if (!t || !picks)
        return ERR_NOMEM;
    int32_t count = top_of(&v->s, below_key, STANDING_MAX, picks);
    for (int32_t i = 0; i < count && n < ESTIMATES_MAX; i++)
        if (v->s.sums[picks[i]].last_at >= since_us)
            t[n++] = time_estimate_of(c, v, picks[i]);
    *ret = (struct list){t, n};
    return ERR_OK;
}

static enum err get_advice(struct api_call *c)
{
    const struct advice_in *in = c->in;
    struct advice *r = arena_new(c->arena, struct advice, 1);
    struct week_item *week = arena_new(c->arena, struct week_item, STANDING_PICKS);
    struct standing_view v = {.week_hours = 0};
    struct summary_queries args;
    int64_t since_us = since_of(c, in->period);
    enum err e = r && week ? ERR_OK : ERR_NOMEM;

    summary_queries(c, &args, &v.base.q[5]);
    if (e == ERR_OK)
        e = standing_view_read(c, &v, INT64_MIN, SUMMARY_QUERIES);
    if (e == ERR_OK)
        e = day_insight_of(c, &v, &r->day);
    if (e == ERR_OK)
        e = week_items_of(c, &v, week);
    if (e == ERR_OK)
        e = help_list(c, &v, since_us, &r->help);
    if (e == ERR_OK)
        e = time_list(c, &v, since_us, &r->times);
    if (e != ERR_OK)
        return e;
    struct standing_exam exam = standing_exam_of(v.s.list, v.s.count);
    r->exam = (struct exam){round_to(exam.probability, 4), round_to(exam.score, 1),
                            interval_new(c->arena, exam.interval), exam.objectives};
    r->exam_method = STR("normal law of the mean pooled score, its own uncertainty and the draw of "
                         "questions taken together");
    r->week = (struct list){week, STANDING_PICKS};
    r->user_id = c->learner;
    r->generated_at = c->now_us;
    r->reason = r->day.reason;
    r->needed = r->day.needed;
    c->reply = r;
    return ERR_OK;
}

/* ---- time-to-mastery, success-probability ---- */

struct mastery_in {
    struct str objective;
    double hours;
};
static const struct field mastery_path[] = {
    FIELD(F_STR, struct mastery_in, objective, "objectiveId", .min = 1, .max = 128,
          .doc = "objective"),
    FIELD_END,
};
static const struct field success_query[] = {
    FIELD(F_F64, struct mastery_in, hours, "planned_hours", .min = 0, .max = HOURS_MAX, .def = "5",
          .doc = "of study on it from now on"),
    FIELD_END,
};

/* -1: not met so far, but in the catalogue. */
static enum err objective_find(struct api_call *c, struct standing_view *v, struct str id,
                               int32_t *ret, struct str *ret_name)
{
    const struct value args[] = {V_S(id)};

    v->base.q[5] =
        (struct query){.stmt = STMT_OBJECTIVE_KNOWN, .args = args, .arg_count = 1, .rows_max = 1};
    enum err e = standing_view_read(c, v, INT64_MIN, 1);
    v->base.q[5].args = NULL;
    if (e != ERR_OK)
        return e;
    *ret = -1;
    for (int32_t i = 0; i < v->s.count; i++)
        if (str_eq(v->s.objectives[i], id))
            *ret = i;
    if (*ret < 0 && v->base.q[5].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "OBJECTIVE_NOT_FOUND", "There is no such objective.");
    struct str name = {NULL, 0};
    if (v->base.q[5].rows.count > 0)
        name = value_str(row_at(&v->base.q[5].rows, 0));
    *ret_name = objective_name(name, id);
    return ERR_OK;
}

static struct str unmet_reason(const struct standing_view *v)
{
    return v->base.l.analysis
               ? STR("It was not worked on so far, or not among the last 500 objectives.")
               : reason_disabled;
}

static enum err get_time_to_mastery(struct api_call *c)
{
    const struct mastery_in *in = c->in;
    struct time_estimate *r = arena_new(c->arena, struct time_estimate, 1);
    struct standing_view v = {.week_hours = 0};
    struct str name;
    int32_t i = -1;
    enum err e = r ? objective_find(c, &v, in->objective, &i, &name) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    c->reply = r;
    if (i >= 0) {
        *r = time_estimate_of(c, &v, i);
        return ERR_OK;
    }
    *r = (struct time_estimate){.objective = in->objective,
                                .name = name,
                                .score = (double)NAN,
                                .hours = (double)NAN,
                                .weeks = (double)NAN,
                                .low = (double)NAN,
                                .high = (double)NAN,
                                .gain = (double)NAN,
                                .lines = v.s.all.lines,
                                .method = STR("none"),
                                .reason = unmet_reason(&v)};
    return ERR_OK;
}

struct factor {
    struct str name;
    double value;
};
static const struct field factor_fields[] = {
    FIELD(F_STR, struct factor, name, "factor", .doc = "what goes in"),
    FIELD(F_F64, struct factor, value, "value", .flags = FIELD_NULLABLE, .doc = "points, or hours"),
    FIELD_END,
};
struct success_reply {
    struct str objective, name, recommendation, method, reason;
    double hours, probability, now, score, high;
    const struct interval *interval;
    struct list factors;
    int64_t n;
};
static const struct field success_reply[] = {
    FIELD(F_STR, struct success_reply, objective, "objective_id", .doc = "objective"),
    FIELD(F_STR, struct success_reply, name, "objective_name",
          .doc = "in the catalogue, or else its id"),
    FIELD(F_F64, struct success_reply, hours, "planned_hours", .doc = "as asked"),
    FIELD(F_F64, struct success_reply, probability, "probability", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "of 80 points after these hours"),
    FIELD(F_F64, struct success_reply, now, "probability_now", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "without them"),
    FIELD(F_F64, struct success_reply, score, "expected_score", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "after them"),
    FIELD(F_OBJECT, struct success_reply, interval, "confidence_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, of the expected score"),
    FIELD(F_LIST, struct success_reply, factors, "contributing_factors", .sub = factor_fields,
          .size = sizeof(struct factor), .doc = "what the probability is made of"),
    FIELD(F_I64, struct success_reply, n, "n", .doc = "answers and reviews on it"),
    FIELD(F_STR, struct success_reply, recommendation, "recommendation", .flags = FIELD_NULLABLE,
          .doc = "in words"),
    FIELD(F_STR, struct success_reply, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct success_reply, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD_END,
};

static enum err success_fill(struct api_call *c, const struct standing *s, struct success_reply *r)
{
    struct factor *f = arena_new(c->arena, struct factor, 3);
    double study = r->hours > 0 ? r->hours * s->gain : 0;
    double sd = r->hours > 0 ? hypot(s->score_sd, r->hours * s->gain_sd) : s->score_sd;

    if (!f)
        return ERR_NOMEM;
    r->n = s->n;
    r->now = round_to(standing_chance(s, 0), 4);
    r->probability = round_to(standing_chance(s, r->hours), 4);
    f[0] = (struct factor){STR("current_score"), round_to(s->score, 1)};
    f[1] = (struct factor){STR("gain_per_hour"), round_to(s->gain, 3)};
    f[2] = (struct factor){STR("planned_hours"), r->hours};
    r->factors = (struct list){f, 3};
    if (isnan(r->probability)) {
        r->reason = s->n < STANDING_NEEDED ? STR("Too few answers on it.")
                                           : standing_reason_text(STANDING_THIN);
        return ERR_OK;
    }
    double expected = s->score + study;
    r->score = round_to(fmin(100, fmax(0, expected)), 1);
    r->interval = interval_1(c->arena, (struct interval){fmax(0, expected - STATS_Z95 * sd),
                                                         fmin(100, expected + STATS_Z95 * sd)});
    struct standing_time t = standing_time_of(s);
    if (t.reason == STANDING_OK && t.hours > 0)
        r->recommendation =
            arena_printf(c->arena, "About %.1f hours lead to an even chance.", t.hours);
    else if (t.reason == STANDING_OK)
        r->recommendation = STR("Keep it up with a review now and then.");
    return ERR_OK;
}

static enum err get_success(struct api_call *c)
{
    const struct mastery_in *in = c->in;
    struct success_reply *r = arena_new(c->arena, struct success_reply, 1);
    struct standing_view v = {.week_hours = 0};
    int32_t i = -1;

    if (!r)
        return ERR_NOMEM;
    *r = (struct success_reply){.objective = in->objective,
                                .hours = in->hours,
                                .probability = (double)NAN,
                                .now = (double)NAN,
                                .score = (double)NAN};
    r->method =
        STR("normal law around the pooled score, and the gain an hour with its uncertainty");
    enum err e = objective_find(c, &v, in->objective, &i, &r->name);
    if (e != ERR_OK)
        return e;
    c->reply = r;
    if (i >= 0)
        return success_fill(c, &v.s.list[i], r);
    r->reason = unmet_reason(&v);
    return ERR_OK;
}

/* ---- POST analytics/interventions, POST analytics/predictions ---- */

struct helps {
    struct list help;
};
static const struct field helps_reply[] = {
    FIELD(F_LIST, struct helps, help, "interventions", .sub = help_fields,
          .size = sizeof(struct help), .max = HELP_MAX, .doc = "what would help"),
    FIELD_END,
};

static enum err post_helps(struct api_call *c)
{
    const struct advice_in *in = c->in;
    struct helps *r = arena_new(c->arena, struct helps, 1);
    struct standing_view v = {.week_hours = 0};
    enum err e = r ? standing_view_read(c, &v, INT64_MIN, 0) : ERR_NOMEM;

    c->reply = r;
    return e == ERR_OK ? help_list(c, &v, since_of(c, in->period), &r->help) : e;
}

struct fading {
    struct str objective, name;
    double risk;
    int64_t cards;
};
static const struct field fading_fields[] = {
    FIELD(F_STR, struct fading, objective, "objective_id", .doc = "objective"),
    FIELD(F_STR, struct fading, name, "objective_name", .doc = "its name, else its id"),
    FIELD(F_F64, struct fading, risk, "risk", .min = 0, .max = 1,
          .doc = "share of its due cards that is forgotten by now"),
    FIELD(F_I64, struct fading, cards, "n", .doc = "cards that are due"),
    FIELD_END,
};
struct mastery_date {
    struct str objective, name, reason;
    int32_t day;
    double hours;
};
static const struct field mastery_date_fields[] = {
    FIELD(F_STR, struct mastery_date, objective, "objective_id", .doc = "objective"),
    FIELD(F_STR, struct mastery_date, name, "objective_name", .doc = "its name, else its id"),
    FIELD(F_DATE, struct mastery_date, day, "date", .flags = FIELD_NULLABLE,
          .doc = "at the learner's pace of the last weeks"),
    FIELD(F_F64, struct mastery_date, hours, "hours_to_mastery", .flags = FIELD_NULLABLE,
          .doc = "as in time-to-mastery"),
    FIELD(F_STR, struct mastery_date, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no date"),
    FIELD_END,
};
struct exam_success {
    double probability;
    const struct interval *interval;
    struct list factors;
    struct str recommendation;
};
static const struct field exam_success_fields[] = {
    FIELD(F_F64, struct exam_success, probability, "probability", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "as exam_success_probability of recommendations"),
    FIELD(F_OBJECT, struct exam_success, interval, "confidence_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_LIST, struct exam_success, factors, "contributing_factors", .sub = ranked_fields,
          .size = sizeof(struct ranked), .doc = "the weakest objectives first"),
    FIELD(F_STR, struct exam_success, recommendation, "recommendation", .flags = FIELD_NULLABLE,
          .doc = "today's, as daily-insight has it"),
    FIELD_END,
};
struct foresight {
    struct exam_success exam;
    struct list fading, dates;
    struct str fading_method;
    int64_t fading_n;
    double accuracy;
    struct str accuracy_reason, reason;
    int64_t generated_at;
};
static const struct field foresight_reply[] = {
    FIELD(F_OBJECT, struct foresight, exam, "exam_success", .sub = exam_success_fields,
          .size = sizeof(struct exam_success), .doc = "the chance in a test"),
    FIELD(F_LIST, struct foresight, fading, "forgetting_risks", .sub = fading_fields,
          .size = sizeof(struct fading), .max = ESTIMATES_MAX,
          .doc = "where most is being forgotten"),
    FIELD(F_STR, struct foresight, fading_method, "forgetting_method",
          .doc = "how the chance of recall of cards is told"),
    FIELD(F_I64, struct foresight, fading_n, "forgetting_n",
          .doc = "reviews of the learner that were forecast and learnt from for it"),
    FIELD(F_LIST, struct foresight, dates, "mastery_dates", .sub = mastery_date_fields,
          .size = sizeof(struct mastery_date), .max = ESTIMATES_MAX,
          .doc = "of objectives below 80 points"),
    FIELD(F_F64, struct foresight, accuracy, "model_accuracy", .flags = FIELD_NULLABLE,
          .doc = "null: see model_accuracy_reason"),
    FIELD(F_STR, struct foresight, accuracy_reason, "model_accuracy_reason",
          .doc = "why it is not known"),
    FIELD(F_TIME, struct foresight, generated_at, "generated_at", .doc = "now"),
    FIELD(F_STR, struct foresight, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no chance in a test"),
    FIELD_END,
};

static int by_forgotten(const void *pa, const void *pb)
{
    const struct fading *a = pa, *b = pb;
    double x = a->risk * (double)a->cards, y = b->risk * (double)b->cards;

    return x < y ? 1 : x > y ? -1 : str_cmp(a->objective, b->objective);
}

static struct str name_of(const struct standings *s, struct str id)
{
    for (int32_t i = 0; i < s->count; i++)
        if (str_eq(s->objectives[i], id))
            return objective_name(s->names[i], id);
    return id;
}

/* rows: cards that are due, by objective. */
static enum err fading_list(struct api_call *c, const struct standing_view *v,
                            const struct rows *rows, const struct retained *retained,
                            struct list *ret)
{
    struct fading *f = arena_new(c->arena, struct fading, (size_t)rows->count + 1);
    int32_t n = 0;

    if (!f)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *row = row_at(rows, i);
        struct str id = value_str(&row[0]);
        struct retained_now now = retained_card(retained, &row[1], v->base.l.today, NULL);
        if (!now.due)
            continue; /* not yet, where the learner is */
        if (n == 0 || !str_eq(f[n - 1].objective, id))
            f[n++] = (struct fading){.objective = id};
        f[n - 1].risk += 1 - now.recall;
        f[n - 1].cards++;
    }
    for (int32_t i = 0; i < n; i++)
        f[i].risk = round_to(f[i].risk / (double)f[i].cards, 4);
    qsort(f, (size_t)n, sizeof *f, by_forgotten);
    n = n < ESTIMATES_MAX ? n : ESTIMATES_MAX;
    for (int32_t i = 0; i < n; i++)
        f[i].name = name_of(&v->s, f[i].objective);
    *ret = (struct list){f, n};
    return ERR_OK;
}

static enum err date_list(struct api_call *c, const struct standing_view *v, struct list *ret)
{
    struct list times;
    enum err e = time_list(c, v, INT64_MIN, &times);
    struct mastery_date *d = arena_new(c->arena, struct mastery_date, ESTIMATES_MAX);
    const struct time_estimate *t = times.p;

    if (e != ERR_OK || !d)
        return e != ERR_OK ? e : ERR_NOMEM;
    for (int32_t i = 0; i < times.n; i++) {
        bool soon = t[i].weeks >= 0 && t[i].weeks < 520;
        d[i] = (struct mastery_date){
            .objective = t[i].objective,
            .name = t[i].name,
            .reason = t[i].reason.p || soon ? t[i].reason : STR("At this pace not in ten years."),
            .day = soon ? v->base.l.today + (int32_t)ceil(7 * t[i].weeks) : INT32_MIN,
            .hours = t[i].hours};
    }
    *ret = (struct list){d, times.n};
    return ERR_OK;
}

static enum err post_foresight(struct api_call *c)
{
    enum { CARDS_MAX = 20000 };
    const struct value due[] = {V_S(c->learner), V_I(c->now_us / US_PER_DAY + 1), V_I(CARDS_MAX)};
    struct retained retained;
    struct foresight *r = arena_new(c->arena, struct foresight, 1);
    struct day_insight day;
    struct standing_view v = {.week_hours = 0};
    struct summary_queries args;

    if (!r)
        return ERR_NOMEM;
    summary_queries(c, &args, &v.base.q[5]);
    v.base.q[5 + SUMMARY_QUERIES] =
        (struct query){.stmt = STMT_MISSION_DUE, .args = due, .arg_count = 3};
    v.base.q[6 + SUMMARY_QUERIES] =
        (struct query){.stmt = STMT_RETENTION_OF_LEARNER, .args = due, .arg_count = 1};
    enum err e = standing_view_read(c, &v, INT64_MIN, SUMMARY_QUERIES + 2);
    if (e == ERR_OK)
        e = day_insight_of(c, &v, &day);
    if (e == ERR_OK) {
        retained_read(&v.base.q[6 + SUMMARY_QUERIES].rows, &retained);
        r->fading_method = retained_of(&retained, &r->fading_n);
        e = fading_list(c, &v, &v.base.q[5 + SUMMARY_QUERIES].rows, &retained, &r->fading);
    }
    if (e == ERR_OK)
        e = date_list(c, &v, &r->dates);
    if (e == ERR_OK)
        e = rank_list(c, &v.s, weakness_key, &r->exam.factors);
    if (e != ERR_OK)
        return e;
    struct standing_exam exam = standing_exam_of(v.s.list, v.s.count);
    r->exam.probability = round_to(exam.probability, 4);
    r->exam.interval = interval_new(c->arena, exam.interval);
    r->exam.recommendation = day.title;
    r->accuracy = (double)NAN;
    r->accuracy_reason = STR("How exams went is not told to the server; how good its other "
                             "forecasts were, analytics/model-performance says.");
    if (isnan(exam.probability))
        r->reason = day.reason.p ? day.reason : STR("Too few answers for that yet.");
    r->generated_at = c->now_us;
    c->reply = r;
    return ERR_OK;
}

#define ONE(e) (UINT64_C(1) << (e))
#define COMMON                                                                             \
    .tag = "summaries", .scopes = SCOPE_READ, .envelope = ENVELOPE_BARE, .run = RUN_SMALL, \
    .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)
#define KEPT .cache = {.fresh_s = 600, .stale_s = 1800}
#define ADVICE                                                                     \
    .path = "/api/analytics/recommendations", .in_size = sizeof(struct advice_in), \
    .reply = advice_fields, .handler = get_advice

const struct endpoint endpoints_comprehension[] = {
    {COMMON, .method = HTTP_POST, .path = "/api/analytics/patterns", .id = "analyze_comprehension",
     .summary = "What is understood: strengths, weaknesses, and how confidence fits",
     .learner = LEARNER_BODY, .body = comprehension_body,
     .in_size = sizeof(struct comprehension_in), .reply = comprehension_fields,
     .handler = post_comprehension},
    {COMMON, ADVICE, .method = HTTP_GET, .id = "get_learning_recommendations",
     .summary = "Today, this week, what would help, how long it takes, and the chance in a test",
     .learner = LEARNER_QUERY, .query = advice_query, KEPT},
    {COMMON, ADVICE, .method = HTTP_POST, .id = "ask_learning_recommendations",
     .summary = "The same, for older clients; nothing is kept", .learner = LEARNER_BODY,
     .body = advice_body, .body_optional = true},
    {COMMON, .method = HTTP_POST, .path = "/api/analytics/predictions",
     .id = "ask_learning_predictions",
     .summary = "The chance in a test, what is being forgotten, when what is mastered; nothing is "
                "kept",
     .learner = LEARNER_BODY, .body = advice_body, .body_optional = true,
     .in_size = sizeof(struct advice_in), .reply = foresight_reply, .handler = post_foresight},
    {.tag = "summaries",
     .scopes = SCOPE_READ,
     .envelope = ENVELOPE_LIST,
     .run = RUN_SMALL,
     .round_trips = 1,
     .errors = ONE(ERR_NOT_FOUND),
     .method = HTTP_POST,
     .path = "/api/analytics/interventions",
     .id = "ask_learning_interventions",
     .summary = "What would help, as in recommendations; nothing is kept",
     .learner = LEARNER_BODY,
     .body = advice_body,
     .body_optional = true,
     .in_size = sizeof(struct advice_in),
     .reply = helps_reply,
     .handler = post_helps},
    {COMMON, .method = HTTP_GET, .path = "/api/analytics/time-to-mastery/{objectiveId}",
     .id = "get_time_to_mastery", .summary = "Hours of study until 80 points on an objective",
     .learner = LEARNER_QUERY, .params = mastery_path, .in_size = sizeof(struct mastery_in),
     .reply = time_estimate_fields, KEPT, .handler = get_time_to_mastery},
    {COMMON, .method = HTTP_GET, .path = "/api/analytics/success-probability/{objectiveId}",
     .id = "get_success_probability",
     .summary = "The chance of 80 points on an objective after so many hours more",
     .learner = LEARNER_QUERY, .params = mastery_path, .query = success_query,
     .in_size = sizeof(struct mastery_in), .reply = success_reply, KEPT, .handler = get_success},
    {.path = NULL},
};
