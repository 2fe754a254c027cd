#include "api/standing_view.h"

#include <math.h>

enum { SHORT_MAX = 48 };

enum err standing_view_read(struct api_call *c, struct standing_view *v, int64_t since_us,
                            int32_t more)
{
    const struct value objectives[] = {V_S(c->learner), V_I(STANDING_MAX)};
    const struct value days[] = {V_S(c->learner), V_I(c->now_us / US_PER_DAY - STANDING_DAYS - 2)};
    double study_ms = 0;

    v->base.q[3] = (struct query){.stmt = STMT_STANDINGS, .args = objectives, .arg_count = 2};
    v->base.q[4] = (struct query){.stmt = STMT_STUDY_DAYS, .args = days, .arg_count = 2};
    enum err e = patterns_view_read(c, &v->base, 2 + more);
    if (e == ERR_OK)
        e = standings_read(c->arena, &v->base.q[3].rows, since_us, c->now_us, &v->s);
    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < v->base.q[4].rows.count; i++) {
        const struct value *d = row_at(&v->base.q[4].rows, i);
        int64_t ago = v->base.l.today - value_i64(&d[0], 0);
        if (ago >= 0 && ago < STANDING_DAYS)
            study_ms += (double)value_i64(&d[1], 0);
    }
    v->week_hours = study_ms / 3600000 * 7 / STANDING_DAYS;
    return ERR_OK;
}

struct str standing_view_reason(struct api_call *c, const struct standing_view *v,
                                const struct needed **needed)
{
    struct needed n = NEEDED_NONE;
    int64_t most = 0;

    if (!v->base.l.analysis)
        return reason_disabled;
    if (v->s.count == 0 && learner_graded(&v->base.l) > 0)
        return STR("No answer or review of that time names an objective.");
    for (int32_t i = 0; i < v->s.count; i++)
        most = v->s.list[i].n > most ? v->s.list[i].n : most;
    n.graded = STANDING_NEEDED - most;
    if (n.graded <= 0) /* there is enough, but long ago */
        return STR("No objective was worked on within the last 90 days.");
    *needed = needed_new(c->arena, n);
    return STR("No objective has two answers or reviews yet.");
}

struct str objective_name(struct str name, struct str id)
{
    return name.p && name.n > 0 ? name : id;
}

struct str objective_short(struct str name, struct str id)
{
    return utf8_prefix(objective_name(name, id), SHORT_MAX);
}

struct str standing_reason_text(enum standing_reason r)
{
    switch (r) {
    case STANDING_OK:
        break;
    case STANDING_THIN:
        return STR("How fast results rise with study is not known yet: that needs three objectives "
                   "with ten timed answers each, in three sessions on several days, and the time "
                   "that they took.");
    case STANDING_STILL:
        return STR("By what there is, results do not rise with the hours of study.");
    case STANDING_BEYOND:
        return STR("At the pace so far it would take more than 500 hours.");
    }
    return (struct str){NULL, 0};
}

const struct field time_estimate_fields[] = {
    FIELD(F_STR, struct time_estimate, objective, "objective_id", .doc = "objective"),
    FIELD(F_STR, struct time_estimate, name, "objective_name",
          .doc = "in the catalogue, or else its id"),
    FIELD(F_F64, struct time_estimate, score, "current_score", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "share right, in percent, pooled with the other objectives"),
    FIELD(F_OBJECT, struct time_estimate, score_interval, "score_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_I64, struct time_estimate, n, "n", .doc = "answers and reviews behind the score"),
    FIELD(F_F64, struct time_estimate, hours, "hours_to_mastery", .flags = FIELD_NULLABLE,
          .doc = "of study, until 80 points; 0: reached; null: see reason"),
    FIELD(F_F64, struct time_estimate, low, "hours_low", .flags = FIELD_NULLABLE,
          .doc = "lower end, 95 %"),
    FIELD(F_F64, struct time_estimate, high, "hours_high", .flags = FIELD_NULLABLE,
          .doc = "upper end; null: maybe never"),
    FIELD(F_F64, struct time_estimate, weeks, "weeks_to_mastery", .flags = FIELD_NULLABLE,
          .doc = "if all study, as much as in the last 28 days, went there; null without any"),
    FIELD(F_F64, struct time_estimate, gain, "gain_per_hour", .flags = FIELD_NULLABLE,
          .doc = "points"),
    FIELD(F_OBJECT, struct time_estimate, gain_interval, "gain_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_I32, struct time_estimate, lines, "lines",
          .doc = "objectives whose course through time the gain is taken from"),
    FIELD(F_STR, struct time_estimate, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct time_estimate, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no hours"),
    FIELD_END,
};

static const struct interval *interval_round(struct arena *arena, struct interval i)
{
    return interval_new(arena, (struct interval){round_to(i.low, 2), round_to(i.high, 2)});
}

struct time_estimate time_estimate_of(struct api_call *c, const struct standing_view *v,
                                      int32_t objective)
{
    const struct standing *o = &v->s.list[objective];
    struct standing_time t = standing_time_of(o);
    struct time_estimate r = {
        .objective = v->s.objectives[objective],
        .name = objective_name(v->s.names[objective], v->s.objectives[objective]),
        .score = round_to(o->score, 1),
        .score_interval = interval_round(c->arena, o->score_interval),
        .n = o->n,
        .hours = round_to(t.hours, 2),
        .weeks = (double)NAN,
        .low = round_to(t.interval.low, 2),
        .high = isinf(t.interval.high) ? (double)NAN : round_to(t.interval.high, 2),
        .gain = round_to(o->gain, 3),
        .gain_interval = interval_round(c->arena, o->gain_interval),
        .lines = v->s.all.lines,
        .reason = standing_reason_text(t.reason)};

    r.method =
        STR("least-squares line of results through days, an hour of study by the objective's own "
            "hours; drawn to what all objectives show together");
    if (v->week_hours > 0)
        r.weeks = round_to(t.hours / v->week_hours, 1);
    if (o->n < STANDING_NEEDED)
        r.reason = STR("Too few answers on it.");
    return r;
}

static double below_key(const struct standing *s)
{
    return s->score < STANDING_MASTERY ? -s->score : (double)NAN;
}

enum err time_estimates(struct api_call *c, const struct standing_view *v, int64_t since_us,
                        struct list *ret)
{
    struct time_estimate *t = arena_new(c->arena, struct time_estimate, TIME_ESTIMATES_MAX);
    int32_t *picks = arena_new(c->arena, int32_t, STANDING_MAX), n = 0;

    if (!t || !picks)
        return ERR_NOMEM;
    int32_t count = standings_top(&v->s, below_key, STANDING_MAX, picks);
    for (int32_t i = 0; i < count && n < TIME_ESTIMATES_MAX; i++)
        if (v->s.sums[picks[i]].last_at >= since_us)
            t[n++] = time_estimate_of(c, v, picks[i]);
    *ret = (struct list){t, n};
    return ERR_OK;
}

/* ---- beside each other ---- */

const struct field standing_ranked_fields[] = {
    FIELD(F_STR, struct standing_ranked, objective, "objective_id", .doc = "objective"),
    FIELD(F_STR, struct standing_ranked, name, "objective_name",
          .doc = "in the catalogue, or else its id"),
    FIELD(F_F64, struct standing_ranked, score, "score", .min = 0, .max = 100,
          .doc = "share right, in percent, pooled with the other objectives"),
    FIELD(F_F64, struct standing_ranked, percentile, "percentile_rank", .min = 0, .max = 100,
          .doc = "mid-rank among the learner's own objectives"),
    FIELD(F_OBJECT, struct standing_ranked, interval, "score_interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_I64, struct standing_ranked, n, "n", .doc = "answers and reviews"),
    FIELD_END,
};

int32_t standings_top(const struct standings *s, double (*key)(const struct standing *),
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

double standing_weakness(const struct standing *s)
{
    return s->percentile <= 10 ? -s->score : (double)NAN;
}

enum err standings_ranked(struct api_call *c, const struct standings *s,
                          double (*key)(const struct standing *), struct list *ret)
{
    struct standing_ranked *r = arena_new(c->arena, struct standing_ranked, STANDING_SHOWN);
    int32_t picks[STANDING_SHOWN], n = standings_top(s, key, STANDING_SHOWN, picks);

    if (!r)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        const struct standing *o = &s->list[picks[i]];
        r[i] = (struct standing_ranked){
            .objective = s->objectives[picks[i]],
            .name = objective_name(s->names[picks[i]], s->objectives[picks[i]]),
            .score = round_to(o->score, 1),
            .percentile = round_to(o->percentile, 1),
            .interval = interval_tenths(c->arena, o->score_interval),
            .n = o->n};
    }
    *ret = (struct list){r, n};
    return ERR_OK;
}

/* ---- ranges of time ---- */

const char *const standing_range_names[] = {"7d", "30d", "90d", "1y", "all", NULL};
const int32_t standing_range_days[] = {7, 30, 90, 365, -1};

int64_t standing_range_since(const struct api_call *c, int32_t range)
{
    return standing_range_days[range] < 0 ? INT64_MIN
                                          : c->now_us - standing_range_days[range] * US_PER_DAY;
}

const struct interval *interval_tenths(struct arena *arena, struct interval i)
{
    return interval_new(arena, (struct interval){round_to(i.low, 1), round_to(i.high, 1)});
}
