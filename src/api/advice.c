/* advice - what to do today and this week, what would help, how long mastery takes, and the chance
 * in a test. From the sums by objective (night/summaries.h); the routes speak snake case. */
#include "api/advice.h"

#include <math.h>

enum { HELP_MAX = 4 };

/* ---- GET, POST analytics/recommendations ---- */

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

#define FIELD_PERIOD                                                                      \
    FIELD(F_ENUM, struct advice_in, period, "period", .names = period_names, .def = "7d", \
          .doc = "what is advised and estimated is of objectives met within it")
static const char *const period_names[] = {"7d", "30d", "90d", NULL}; /* the first of the ranges */
static const struct field advice_query[] = {
    FIELD_PERIOD,
    FIELD_END,
};
const struct field advice_body[] = {
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
          .size = sizeof(struct time_estimate), .max = TIME_ESTIMATES_MAX,
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

static enum err get_advice(struct api_call *c)
{
    const struct advice_in *in = c->in;
    struct advice *r = arena_new(c->arena, struct advice, 1);
    struct week_item *week = arena_new(c->arena, struct week_item, STANDING_PICKS);
    struct standing_view v = {.week_hours = 0};
    struct summary_queries args;
    int64_t since_us = standing_range_since(c, in->period);
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
        e = time_estimates(c, &v, since_us, &r->times);
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

/* ---- POST analytics/interventions ---- */

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
    return e == ERR_OK ? help_list(c, &v, standing_range_since(c, in->period), &r->help) : e;
}

#define ONE(e) (UINT64_C(1) << (e))
#define COMMON                                                                             \
    .tag = "summaries", .scopes = SCOPE_READ, .envelope = ENVELOPE_BARE, .run = RUN_SMALL, \
    .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)
#define KEPT .cache = {.fresh_s = 600, .stale_s = 1800}
#define ADVICE                                                                     \
    .path = "/api/analytics/recommendations", .in_size = sizeof(struct advice_in), \
    .reply = advice_fields, .handler = get_advice

const struct endpoint endpoints_advice[] = {
    {COMMON, ADVICE, .method = HTTP_GET, .id = "get_learning_recommendations",
     .summary = "Today, this week, what would help, how long it takes, and the chance in a test",
     .learner = LEARNER_QUERY, .query = advice_query, KEPT},
    {COMMON, ADVICE, .method = HTTP_POST, .id = "ask_learning_recommendations",
     .summary = "The same, for older clients; nothing is kept", .learner = LEARNER_BODY,
     .body = advice_body, .body_optional = true},
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
    {.path = NULL},
};
