#include "api/summaries.h"

#include "api/analysis.h"

#include "night/summaries.h"

#include <math.h>

enum { ACTIONS_MAX = 4, RATIONALE_MAX = 200 };

/* ---- what is kept ---- */

void summary_queries(struct api_call *c, struct summary_queries *a, struct query *q)
{
    int64_t utc = c->now_us / US_PER_DAY; /* the learner's day is this one, or next to it */

    a->day[0] = a->week[0] = V_S(c->learner);
    a->day[1] = V_I(SUMMARY_DAY);
    a->week[1] = V_I(SUMMARY_WEEK);
    a->day[2] = V_I(utc - 1);
    a->week[2] = V_I(utc - 8);
    a->day[3] = a->week[3] = V_I(utc + 1);
    q[0] = (struct query){.stmt = STMT_SUMMARIES_OF, .args = a->day, .arg_count = 4};
    q[1] = (struct query){.stmt = STMT_SUMMARIES_OF, .args = a->week, .arg_count = 4};
}

/* Those of the day that are kept, else what is picked now; returns how many. */
static int32_t picks_of(const struct standing_view *v, enum summary_kind kind, int32_t day,
                        struct summary ret[STANDING_PICKS])
{
    const struct rows *rows = &v->base.q[kind == SUMMARY_DAY ? 5 : 6].rows;
    int32_t n = 0;

    for (int32_t i = 0; i < rows->count && n < STANDING_PICKS; i++) {
        ret[n] = summary_read(row_at(rows, i));
        n += ret[n].day == day;
    }
    return n > 0 ? n : summaries_pick(&v->s, kind, ret);
}

static const struct interval *interval_1(struct arena *arena, struct interval i)
{
    return interval_new(arena, (struct interval){round_to(i.low, 1), round_to(i.high, 1)});
}

/* ---- the day ---- */

static const struct field past_day_fields[] = {
    FIELD(F_DATE, struct past_day, date, "date", .doc = "local"),
    FIELD(F_F64, struct past_day, minutes, "study_minutes", .doc = "of study"),
    FIELD(F_F64, struct past_day, usual_minutes, "usual_minutes",
          .doc = "mean of the 27 days before"),
    FIELD(F_I64, struct past_day, n, "n", .doc = "answers and reviews"),
    FIELD(F_F64, struct past_day, success, "success", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "percent right; null without any"),
    FIELD(F_OBJECT, struct past_day, interval, "success_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Wilson"),
    FIELD(F_F64, struct past_day, usual_success, "usual_success", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "of the 27 days before"),
    FIELD_END,
};

const struct field day_insight_fields[] = {
    FIELD(F_STR, struct day_insight, user_id, "user_id", .doc = "learner"),
    FIELD(F_STR, struct day_insight, objective, "priority_objective_id", .flags = FIELD_NULLABLE,
          .doc = "that matters most today; null: see reason"),
    FIELD(F_STR, struct day_insight, name, "priority_objective_name", .flags = FIELD_NULLABLE,
          .doc = "in the catalogue, or else its id"),
    FIELD(F_ENUM, struct day_insight, category, "insight_category", .flags = FIELD_NULLABLE,
          .names = standing_category_names, .doc = "why it matters"),
    FIELD(F_STR, struct day_insight, title, "title", .flags = FIELD_NULLABLE,
          .doc = "in a few words"),
    FIELD(F_STR, struct day_insight, description, "description", .flags = FIELD_NULLABLE,
          .doc = "with the numbers"),
    FIELD(F_LIST, struct day_insight, actions, "action_items", .item = F_STR,
          .size = sizeof(struct str), .max = ACTIONS_MAX, .doc = "what to do"),
    FIELD(F_F64, struct day_insight, minutes, "estimated_time_minutes", .flags = FIELD_NULLABLE,
          .min = 1, .max = SUMMARY_MINUTES_MAX,
          .doc = "for ten questions at the learner's own pace; null: no times were told"),
    FIELD(F_F64, struct day_insight, score, "score", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "share right, in percent, pooled with the other objectives"),
    FIELD(F_OBJECT, struct day_insight, score_interval, "score_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_I64, struct day_insight, n, "n", .doc = "answers and reviews on it"),
    FIELD(F_F64, struct day_insight, gap, "calibration_delta", .flags = FIELD_NULLABLE,
          .doc = "confidence minus score, points; null: told with fewer than five answers"),
    FIELD(F_OBJECT, struct day_insight, gap_interval, "calibration_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Student's t"),
    FIELD(F_I64, struct day_insight, told, "confidences", .doc = "answers that told a confidence"),
    FIELD(F_OBJECT, struct day_insight, yesterday, "yesterday", .sub = past_day_fields,
          .size = sizeof(struct past_day), .doc = "the local day before"),
    FIELD(F_TIME, struct day_insight, generated_at, "generated_at",
          .doc = "when it was picked: at night, on demand, or now"),
    FIELD(F_BOOL, struct day_insight, kept, "kept", .doc = "does it stand for today?"),
    FIELD(F_STR, struct day_insight, method, "method", .doc = "how it is picked"),
    FIELD(F_STR, struct day_insight, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD(F_OBJECT, struct day_insight, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is missing"),
    FIELD_END,
};

static struct past_day past_day(struct api_call *c, const struct standing_view *v)
{
    struct past_day r = {.date = v->base.l.today - 1, .success = (double)NAN};
    double n = 0, k = 0, study_ms = 0, usual_n = 0, usual_k = 0;

    r.usual_success = (double)NAN;
    for (int32_t i = 0; i < v->base.q[4].rows.count; i++) {
        const struct value *d = row_at(&v->base.q[4].rows, i);
        int64_t ago = v->base.l.today - value_i64(&d[0], 0);
        if (ago == 1) {
            r.minutes = round_to((double)value_i64(&d[1], 0) / 60000, 1);
            n = (double)value_i64(&d[7], 0);
            k = (double)value_i64(&d[8], 0);
        } else if (ago > 1 && ago <= STANDING_DAYS) {
            study_ms += (double)value_i64(&d[1], 0);
            usual_n += (double)value_i64(&d[7], 0);
            usual_k += (double)value_i64(&d[8], 0);
        }
    }
    r.usual_minutes = round_to(study_ms / 60000 / (STANDING_DAYS - 1), 1);
    r.n = (int64_t)n;
    if (n > 0) {
        struct interval i = stats_wilson(k, n, STATS_Z95);
        r.success = round_to(100 * k / n, 1);
        r.interval = interval_1(c->arena, (struct interval){100 * i.low, 100 * i.high});
    }
    if (usual_n > 0)
        r.usual_success = round_to(100 * usual_k / usual_n, 1);
    return r;
}

static const char *title_of(const struct summary *s)
{
    switch ((enum standing_category)s->category) {
    case STANDING_DANGEROUS_GAP:
        return "Surer than right";
    case STANDING_BOTTLENECK:
        return "Not met for a month";
    case STANDING_WEAKNESS:
        return "Weak so far";
    case STANDING_OPTIMIZATION:
        break;
    }
    return s->score < STANDING_MASTERY ? "Nearly there" : "To be kept up";
}

static bool gap_is_sure(const struct summary *s)
{
    return s->told >= STANDING_TOLD_NEEDED && (s->gap_interval.low > 0 || s->gap_interval.high < 0);
}

static struct str describe(struct arena *arena, const struct summary *s, int64_t days)
{
    struct str name = objective_short(s->name, s->objective), gap = STR("");

    if (gap_is_sure(s))
        gap = arena_printf(arena,
                           " The confidence told beforehand lay %.0f points %s than the results.",
                           fabs(s->gap), s->gap > 0 ? "higher" : "lower");
    return arena_printf(arena,
                        STR_FMT " stands at %.0f of 100 points (95 %%: %.0f to %.0f) over %lld "
                                "answers and reviews, the last %lld day%s ago." STR_FMT,
                        STR_ARG(name), s->score, s->score_interval.low, s->score_interval.high,
                        (long long)s->n, (long long)days, days == 1 ? "" : "s", STR_ARG(gap));
}

static enum err day_actions(struct arena *arena, const struct summary *s, struct list *ret)
{
    struct str *a = arena_new(arena, struct str, ACTIONS_MAX), name;
    int32_t n = 0;

    if (!a)
        return ERR_NOMEM;
    name = objective_short(s->name, s->objective);
    if (s->category == STANDING_DANGEROUS_GAP)
        a[n++] = STR(
            "Write down how sure you are before each answer, and look at those that went wrong.");
    if (s->category == STANDING_BOTTLENECK)
        a[n++] = STR("Recall what you know of it before you read anything.");
    if (s->score < STANDING_MASTERY)
        a[n++] =
            STR("Go through what was answered wrongly, and say why the right answer is right.");
    a[n++] =
        arena_printf(arena, "Answer %d questions on " STR_FMT ".", SUMMARY_OUTCOMES, STR_ARG(name));
    if (n < ACTIONS_MAX)
        a[n++] = STR("Come back to it tomorrow with a few questions more.");
    for (int32_t i = 0; i < n; i++)
        if (!a[i].p)
            return ERR_NOMEM;
    *ret = (struct list){a, n};
    return ERR_OK;
}

static int64_t days_since(const struct api_call *c, int64_t at)
{
    return at < c->now_us ? (c->now_us - at) / US_PER_DAY : 0;
}

enum err day_insight_of(struct api_call *c, const struct standing_view *v, struct day_insight *r)
{
    struct summary s[STANDING_PICKS];
    int32_t n = picks_of(v, SUMMARY_DAY, v->base.l.today, s);

    *r = (struct day_insight){.user_id = c->learner,
                              .category = -1,
                              .minutes = (double)NAN,
                              .score = (double)NAN,
                              .gap = (double)NAN,
                              .generated_at = c->now_us,
                              .yesterday = past_day(c, v)};
    r->method =
        STR("the objective of the last 90 days with the highest priority: results below 60 with "
            "surely too much confidence, below 70 and a month old, below 65, below 80; then the "
            "lowest score");
    if (n == 0) {
        r->reason = standing_view_reason(c, v, &r->needed);
        return ERR_OK;
    }
    r->objective = s->objective;
    r->name = objective_name(s->name, s->objective);
    r->category = s->category;
    r->title = arena_printf(c->arena, "%s: " STR_FMT, title_of(s),
                            STR_ARG(objective_short(s->name, s->objective)));
    r->description = describe(c->arena, s, days_since(c, s->last_at));
    r->minutes = s->minutes;
    r->score = round_to(s->score, 1);
    r->score_interval = interval_1(c->arena, s->score_interval);
    r->n = s->n;
    r->gap = round_to(s->gap, 1);
    r->gap_interval = interval_1(c->arena, s->gap_interval);
    r->told = s->told;
    r->kept = s->made_at != TIME_NONE;
    if (r->kept)
        r->generated_at = s->made_at;
    return r->title.p && r->description.p ? day_actions(c->arena, s, &r->actions) : ERR_NOMEM;
}

/* ---- the week ---- */

const struct field week_item_fields[] = {
    FIELD(F_STR, struct week_item, objective, "objective_id", .flags = FIELD_NULLABLE,
          .doc = "null: there is no other; see reason"),
    FIELD(F_STR, struct week_item, name, "objective_name", .flags = FIELD_NULLABLE,
          .doc = "in the catalogue, or else its id"),
    FIELD(F_STR, struct week_item, rationale, "rationale", .doc = "why, with the numbers"),
    FIELD(
        F_F64, struct week_item, hours, "estimated_hours", .flags = FIELD_NULLABLE,
        .doc =
            "to mastery at the learner's own gain; mastered: for ten questions; null: see reason"),
    FIELD(F_F64, struct week_item, low, "hours_low", .flags = FIELD_NULLABLE, .doc = "95 %"),
    FIELD(F_F64, struct week_item, high, "hours_high", .flags = FIELD_NULLABLE,
          .doc = "null: maybe never"),
    FIELD(F_I32, struct week_item, place, "place", .doc = "from 1"),
    FIELD(F_ENUM, struct week_item, category, "category", .flags = FIELD_NULLABLE,
          .names = standing_category_names, .doc = "why it matters"),
    FIELD(F_F64, struct week_item, score, "score", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "share right, in percent, pooled"),
    FIELD(F_OBJECT, struct week_item, score_interval, "score_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_I64, struct week_item, n, "n", .doc = "answers and reviews on it"),
    FIELD(F_TIME, struct week_item, generated_at, "generated_at", .doc = "when it was picked"),
    FIELD(F_BOOL, struct week_item, kept, "kept", .doc = "does it stand for this week?"),
    FIELD(F_STR, struct week_item, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no objective, or no estimate"),
    FIELD_END,
};

static struct week_item week_item(struct api_call *c, const struct summary *s)
{
    int64_t days = days_since(c, s->last_at);
    struct week_item r = {.objective = s->objective,
                          .name = objective_name(s->name, s->objective),
                          .place = s->place,
                          .category = s->category,
                          .hours = round_to(s->hours, 2),
                          .low = round_to(s->hours_interval.low, 2),
                          .high = round_to(s->hours_interval.high, 2),
                          .score = round_to(s->score, 1),
                          .score_interval = interval_1(c->arena, s->score_interval),
                          .n = s->n,
                          .generated_at = c->now_us,
                          .kept = s->made_at != TIME_NONE};

    if (r.kept)
        r.generated_at = s->made_at;
    if (!(s->hours > 0)) { /* reached, or not to be said */
        r.low = r.high = (double)NAN;
        r.hours = s->hours == 0 && s->minutes > 0 ? round_to(s->minutes / 60, 2) : (double)NAN;
    }
    if (isnan(r.hours))
        r.reason = s->hours == 0 ? STR("No times were told.")
                                 : STR("How fast results rise with study is not known.");
    r.rationale = arena_printf(c->arena,
                               "%s: %.0f of 100 points (95 %%: %.0f to %.0f) over %lld answers and "
                               "reviews, the last %lld day%s ago%s.",
                               title_of(s), s->score, s->score_interval.low, s->score_interval.high,
                               (long long)s->n, (long long)days, days == 1 ? "" : "s",
                               !gap_is_sure(s) ? ""
                               : s->gap > 0    ? "; surer than right"
                                               : "; righter than sure");
    return r;
}

enum err week_items_of(struct api_call *c, const struct standing_view *v,
                       struct week_item ret[STANDING_PICKS])
{
    struct summary s[STANDING_PICKS];
    int32_t n = picks_of(v, SUMMARY_WEEK, summary_monday(v->base.l.today), s);
    const struct needed *needed;

    for (int32_t i = 0; i < STANDING_PICKS; i++) {
        if (i < n) {
            ret[i] = week_item(c, &s[i]);
            if (!ret[i].rationale.p)
                return ERR_NOMEM;
            continue;
        }
        ret[i] = (struct week_item){.place = i + 1,
                                    .category = -1,
                                    .hours = (double)NAN,
                                    .low = (double)NAN,
                                    .high = (double)NAN,
                                    .score = (double)NAN,
                                    .generated_at = c->now_us};
        ret[i].reason = n > 0 ? STR("There is no other objective with two answers or reviews yet.")
                              : standing_view_reason(c, v, &needed);
        ret[i].rationale = ret[i].reason;
    }
    return ERR_OK;
}

/* ---- endpoints ---- */

struct whom {
    struct str user_id, user_id_too;
};
static const struct field whom_body[] = {
    FIELD_USER_ID_EITHER(struct whom),
    FIELD_END,
};
struct week_reply {
    struct list items;
};
static const struct field week_reply[] = {
    FIELD(F_LIST, struct week_reply, items, "items", .sub = week_item_fields,
          .size = sizeof(struct week_item), .min = STANDING_PICKS, .max = STANDING_PICKS,
          .doc = "the first is the most pressing"),
    FIELD_END,
};

static enum err view_read(struct api_call *c, struct standing_view *v)
{
    struct summary_queries args;

    *v = (struct standing_view){.week_hours = 0};
    summary_queries(c, &args, &v->base.q[5]);
    return standing_view_read(c, v, INT64_MIN, SUMMARY_QUERIES);
}

static enum err get_day(struct api_call *c)
{
    struct day_insight *r = arena_new(c->arena, struct day_insight, 1);
    struct standing_view v;
    enum err e = r ? view_read(c, &v) : ERR_NOMEM;

    c->reply = r;
    return e == ERR_OK ? day_insight_of(c, &v, r) : e;
}

static enum err get_week(struct api_call *c)
{
    struct week_reply *r = arena_new(c->arena, struct week_reply, 1);
    struct week_item *items = arena_new(c->arena, struct week_item, STANDING_PICKS);
    struct standing_view v;
    enum err e = r && items ? view_read(c, &v) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    r->items = (struct list){items, STANDING_PICKS};
    c->reply = r;
    return week_items_of(c, &v, items);
}

static enum err post_day(struct api_call *c)
{
    return analysis_make(
        c, &(struct analysis_ask){.step = night_day_summary, .refuse = true, .then = get_day});
}

static enum err post_week(struct api_call *c)
{
    return analysis_make(
        c, &(struct analysis_ask){.step = night_week_summary, .refuse = true, .then = get_week});
}

#define ONE(e) (UINT64_C(1) << (e))
#define READS                                                                               \
    .method = HTTP_GET, .tag = "summaries", .scopes = SCOPE_READ, .learner = LEARNER_QUERY, \
    .run = RUN_SMALL, .round_trips = 1, .cache = {.fresh_s = 1800, .stale_s = 3600},        \
    .errors = ONE(ERR_NOT_FOUND)
#define MAKES                                                                                   \
    .method = HTTP_POST, .tag = "summaries", .scopes = SCOPE_WRITE, .learner = LEARNER_BODY,    \
    .body = whom_body, .body_optional = true, .in_size = sizeof(struct whom), .run = RUN_SMALL, \
    .round_trips = 2, .errors = ONE(ERR_NOT_FOUND)
#define DAY \
    .path = "/api/analytics/daily-insight", .reply = day_insight_fields, .envelope = ENVELOPE_BARE
#define WEEK .path = "/api/analytics/weekly-summary", .reply = week_reply, .envelope = ENVELOPE_LIST

const struct endpoint endpoints_summaries[] = {
    {READS, DAY, .id = "get_daily_insight", .summary = "The objective that matters most today",
     .handler = get_day},
    {MAKES, DAY, .id = "make_daily_insight",
     .summary = "Pick today's objective anew; it stands until tomorrow", .handler = post_day},
    {READS, WEEK, .id = "get_weekly_summary", .summary = "Three objectives for this week",
     .handler = get_week},
    {MAKES, WEEK, .id = "make_weekly_summary",
     .summary = "Pick the week's objectives anew; they stand until Monday", .handler = post_week},
    {.path = NULL},
};
