/* comprehension - what a learner's answers say of what is understood: strengths and weaknesses, and
 * how confidence fits. From the sums by objective (night/summaries.h); the route speaks snake case.
 */
#include "api/standing_view.h"
#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>

enum { INSIGHTS_MAX = 6 };

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
    FIELD(F_ENUM, struct comprehension_in, range, "date_range", .names = standing_range_names,
          .def = "90d", .doc = "objectives met within it, with all that is known of them"),
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
    FIELD(F_LIST, struct comprehension, strengths, "strengths", .sub = standing_ranked_fields,
          .size = sizeof(struct standing_ranked), .max = STANDING_SHOWN,
          .doc = "at or above the learner's own 90th percentile, the best first"),
    FIELD(F_LIST, struct comprehension, weaknesses, "weaknesses", .sub = standing_ranked_fields,
          .size = sizeof(struct standing_ranked), .max = STANDING_SHOWN,
          .doc = "at or below the 10th, the worst first"),
    FIELD(F_LIST, struct comprehension, issues, "calibration_issues", .sub = issue_fields,
          .size = sizeof(struct issue), .max = STANDING_SHOWN,
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

static double strength_key(const struct standing *s)
{
    return s->percentile >= 90 ? s->score : (double)NAN;
}

static double issue_key(const struct standing *s)
{
    bool over = standing_overconfident(s, 15) || (s->score < 60 && standing_overconfident(s, 10));

    return over || standing_underconfident(s, 15) ? fabs(s->gap) : (double)NAN;
}

static enum err issue_list(struct api_call *c, const struct standings *s, struct list *ret)
{
    struct issue *r = arena_new(c->arena, struct issue, STANDING_SHOWN);
    int32_t picks[STANDING_SHOWN], n = standings_top(s, issue_key, STANDING_SHOWN, picks);

    if (!r)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        const struct standing *o = &s->list[picks[i]];
        bool over = o->gap > 0;
        r[i] = (struct issue){.objective = s->objectives[picks[i]],
                              .name = objective_name(s->names[picks[i]], s->objectives[picks[i]]),
                              .gap = round_to(o->gap, 1),
                              .interval = interval_tenths(c->arena, o->gap_interval),
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
    const struct standing_ranked *first = list->p;
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

    if (standings_top(s, issue_key, 1, &widest) == 1) {
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
    enum err e =
        r && range ? standing_view_read(c, &v, standing_range_since(c, in->range), 0) : ERR_NOMEM;

    if (e == ERR_OK)
        e = standings_ranked(c, &v.s, strength_key, &r->strengths);
    if (e == ERR_OK)
        e = standings_ranked(c, &v.s, standing_weakness, &r->weaknesses);
    if (e == ERR_OK)
        e = issue_list(c, &v.s, &r->issues);
    if (e == ERR_OK)
        e = insight_list(c, &v, r, &r->insights);
    if (e != ERR_OK)
        return e;
    range[1] = v.base.l.today;
    range[0] = standing_range_days[in->range] >= 0 ? v.base.l.today - standing_range_days[in->range]
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

#define ONE(e) (UINT64_C(1) << (e))
#define COMMON                                                                             \
    .tag = "summaries", .scopes = SCOPE_READ, .envelope = ENVELOPE_BARE, .run = RUN_SMALL, \
    .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)

const struct endpoint endpoints_comprehension[] = {
    {COMMON, .method = HTTP_POST, .path = "/api/analytics/patterns", .id = "analyze_comprehension",
     .summary = "What is understood: strengths, weaknesses, and how confidence fits",
     .learner = LEARNER_BODY, .body = comprehension_body,
     .in_size = sizeof(struct comprehension_in), .reply = comprehension_fields,
     .handler = post_comprehension},
    {.path = NULL},
};
