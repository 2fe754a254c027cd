/* schedule - when to study: recommended times, what the learner wants changed, and the present load
 * as the schedule's views show it. */
#include "api/orchestra.h"
#include "base/assert.h"
#include "twin/load.h"
#include "json/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DAYS_AHEAD_MAX = 365,
    SLOT_MINUTES = 60,
    SLOTS_KEPT_DAYS = 90,
    ADAPTATIONS_KEPT = 200,
    VALUE_MAX = 4000,
    TREND_DAYS = 7,
    PER_WEEK_MAX = 28,
};

/* ---- a recommended time ---- */

struct conflict_shown {
    struct str id, summary, provider;
    int64_t start, end;
};
static const struct field conflict_fields[] = {
    FIELD(F_STR, struct conflict_shown, id, "id", .doc = "of the event, in its calendar"),
    FIELD(F_STR, struct conflict_shown, summary, "summary", .doc = "its title"),
    FIELD(F_STR, struct conflict_shown, provider, "provider", .doc = "which calendar"),
    FIELD(F_TIME, struct conflict_shown, start, "start", .doc = "of the event"),
    FIELD(F_TIME, struct conflict_shown, end, "end", .doc = "of the event"),
    FIELD_END,
};

static const char *const basis_names[] = {"history", "usual", NULL};
static const char *const status_names[] = {"available", "suboptimal", "busy", NULL};

struct slot_shown {
    struct str id;
    int64_t start, end;
    int64_t minutes;
    double score, confidence, performance;
    const struct interval *interval;
    int64_t n;
    int32_t status, basis;
    bool conflict;
    struct list conflicts, reasoning;
    struct str reason;
};
static const struct field slot_fields[] = {
    FIELD(F_STR, struct slot_shown, id, "id", .doc = "of this time and length; the same each time"),
    FIELD(F_TIME, struct slot_shown, start, "startTime",
          .doc = "a half hour of the learner's zone"),
    FIELD(F_TIME, struct slot_shown, end, "endTime", .doc = "startTime + duration"),
    FIELD(F_I64, struct slot_shown, minutes, "duration", .doc = "minutes"),
    FIELD(F_F64, struct slot_shown, score, "score", .min = 0, .max = 100,
          .doc = ".4 share right at that hour, .3 free, .2 preference, .1 recency"),
    FIELD(F_F64, struct slot_shown, confidence, "confidence", .min = 0, .max = 1,
          .doc = "chance that it is the best of those offered; of usual times a default"),
    FIELD(F_F64, struct slot_shown, performance, "estimatedPerformance", .flags = FIELD_NULLABLE,
          .min = 0, .max = 100,
          .doc = "percent right expected at that hour; null: nothing was graded yet"),
    FIELD(F_OBJECT, struct slot_shown, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, of estimatedPerformance"),
    FIELD(F_I64, struct slot_shown, n, "n", .doc = "answers and reviews behind it, smoothed"),
    FIELD(F_ENUM, struct slot_shown, status, "status", .names = status_names,
          .doc = "suboptimal: something tentative is in the way"),
    FIELD(F_ENUM, struct slot_shown, basis, "basis", .names = basis_names,
          .doc = "usual: not of this learner's making"),
    FIELD(F_BOOL, struct slot_shown, conflict, "calendarConflict",
          .doc = "tentative only: firm busy times are not offered"),
    FIELD(F_LIST, struct slot_shown, conflicts, "conflictingEvents", .sub = conflict_fields,
          .size = sizeof(struct conflict_shown), .doc = "what is in the way"),
    FIELD(F_LIST, struct slot_shown, reasoning, "reasoning", .item = F_STR,
          .size = sizeof(struct str), .doc = "why, for people"),
    FIELD(F_STR, struct slot_shown, reason, "reason", .doc = "the first of these"),
    FIELD_END,
};

static enum err slot_reasons(struct api_call *c, const struct orchestra *o, const struct slot *s,
                             struct slot_shown *r)
{
    struct str *texts = arena_new(c->arena, struct str, 8);
    int32_t n = 0;

    if (!texts)
        return ERR_NOMEM;
    if (s->usual)
        texts[n++] = STR("A usual time to study: nothing is known of this learner's hours yet.");
    else if (s->best)
        texts[n++] = STR("The learner does best at this time of day.");
    if (!isnan(s->rate))
        texts[n++] =
            arena_printf(c->arena, "About %.0f %% right is to be expected then.", 100 * s->rate);
    if (s->preferred)
        texts[n++] = o->slots.wish_hour >= 0 ? STR("The learner asked for this time.")
                                             : STR("The learner often studies then.");
    if (s->recent > 0)
        texts[n++] = arena_printf(c->arena, "%lld session%s at this hour in the last week.",
                                  (long long)s->recent, s->recent == 1 ? "" : "s");
    if (s->soft >= 0)
        texts[n++] = STR("Something tentative stands in the calendar.");
    else
        texts[n++] = STR("Nothing stands in the calendar.");
    for (int32_t i = 0; i < n; i++)
        if (!texts[i].p)
            return ERR_NOMEM;
    r->reasoning = (struct list){texts, n};
    r->reason = texts[0];
    return ERR_OK;
}

static enum err slot_show(struct api_call *c, const struct orchestra *o, const struct slot *s,
                          struct slot_shown *r)
{
    int64_t minutes = (s->end - s->start) / US_PER_MINUTE;

    *r = (struct slot_shown){.start = s->start,
                             .end = s->end,
                             .minutes = minutes,
                             .score = round_to(s->score, 1),
                             .confidence = round_to(s->confidence, 4),
                             .performance = isnan(s->rate) ? NAN : round_to(100 * s->rate, 1),
                             .n = llround(s->n),
                             .status = s->soft >= 0,
                             .basis = s->usual,
                             .conflict = s->soft >= 0};
    r->interval = interval_new(c->arena, (struct interval){round_to(100 * s->interval.low, 1),
                                                           round_to(100 * s->interval.high, 1)});
    r->id = arena_printf(c->arena, "slot-%lld-%lld", (long long)(s->start / US_PER_MINUTE),
                         (long long)minutes);
    struct conflict_shown *x = arena_new(c->arena, struct conflict_shown, 1);
    if (!r->id.p || !x)
        return ERR_NOMEM;
    if (s->soft >= 0 && o->taken_by[s->soft]) {
        const struct busy *b = o->taken_by[s->soft];
        *x = (struct conflict_shown){b->time.event, b->time.title,
                                     str_from(provider_names[b->provider]), b->time.start,
                                     b->time.end};
        r->conflicts = (struct list){x, 1};
    }
    return slot_reasons(c, o, s, r);
}

/* ---- recommendations ---- */

struct week_target {
    int64_t wanted, planned;
};
static const struct field week_target_fields[] = {
    FIELD(F_I64, struct week_target, wanted, "wanted", .flags = FIELD_NULLABLE,
          .doc = "as the learner asked; null: never"),
    FIELD(F_I64, struct week_target, planned, "planned", .doc = "in the next seven days"),
    FIELD_END,
};

struct slots_data {
    struct list slots;
};
static const struct field slots_data_fields[] = {
    FIELD(F_LIST, struct slots_data, slots, "timeSlots", .sub = slot_fields,
          .size = sizeof(struct slot_shown), .max = SLOTS_MAX, .doc = "the recommendations"),
    FIELD_END,
};

struct recommended {
    struct list slots;
    struct slots_data data;
    double load;
    struct str load_reason;
    struct strain strain;
    bool withheld, load_warning, burnout_warning, recovery;
    struct list adjustments;
    struct week_target week;
    struct str zone, reason;
    const struct needed *needed;
    int64_t at;
};
static const struct field recommended_fields[] = {
    FIELD(F_LIST, struct recommended, slots, "recommendations", .sub = slot_fields,
          .size = sizeof(struct slot_shown), .max = SLOTS_MAX,
          .doc = "the best first; of the day asked, and of the next ones while there are less than "
                 "three"),
    FIELD(F_OBJECT, struct recommended, data, "data", .sub = slots_data_fields,
          .size = sizeof(struct slots_data), .doc = "the same under another name"),
    FIELD(F_F64, struct recommended, load, "cognitiveLoad", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "the present load; null: none is known"),
    FIELD(F_OBJECT, struct recommended, strain, "strain", .sub = strain_fields,
          .size = sizeof(struct strain), .doc = "load and burnout, which the times heed"),
    FIELD(F_BOOL, struct recommended, withheld, "withheld",
          .doc = "no times, because the burnout risk is HIGH or CRITICAL"),
    FIELD(F_BOOL, struct recommended, load_warning, "highLoadWarning", .doc = "load above 70"),
    FIELD(F_BOOL, struct recommended, burnout_warning, "burnoutRiskWarning",
          .doc = "burnout risk MEDIUM or more"),
    FIELD(F_BOOL, struct recommended, recovery, "recoveryRecommended", .doc = "rest comes first"),
    FIELD(F_LIST, struct recommended, adjustments, "loadBasedAdjustments", .item = F_STR,
          .size = sizeof(struct str), .doc = "what load and burnout risk change"),
    FIELD(F_OBJECT, struct recommended, week, "sessionsPerWeek", .sub = week_target_fields,
          .size = sizeof(struct week_target), .doc = "how many there are to be"),
    FIELD(F_STR, struct recommended, zone, "timeZone", .doc = "whose hours they are"),
    FIELD(F_STR, struct recommended, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none, or only usual ones"),
    FIELD(F_OBJECT, struct recommended, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is missing"),
    FIELD(F_TIME, struct recommended, at, "generatedAt", .doc = "now"),
    FIELD_END,
};

struct recommend_in {
    struct str user_id, date, mission;
    struct orchestra o;
    const struct value *rows; /* to be written */
    int32_t row_count;
};
#define RECOMMEND_FIELDS                                                                           \
    FIELD(F_STR, struct recommend_in, date, "date", .min = 1, .max = 40,                           \
          .doc = "a date, or an instant of one of the learner's days; today when left out"),       \
        FIELD(F_STR, struct recommend_in, mission, "missionId", .flags = FIELD_NULLABLE, .min = 1, \
              .max = EVENT_ID_MAX, .doc = "kept for older clients; times do not depend on it")
static const struct field recommend_body[] = {FIELD_USER_ID(struct recommend_in), RECOMMEND_FIELDS,
                                              FIELD_END};
static const struct field recommend_query[] = {RECOMMEND_FIELDS, FIELD_END};

/* "2025-10-20", or an instant, which lies on one of the learner's days; midnight in UTC is meant as
 * a date. Before the learner is known the day is that of UTC, for what is read around it. */
static enum err date_read(struct api_call *c, struct str text, const struct zone *zone,
                          int32_t *ret_day)
{
    int64_t at = c->now_us;
    int32_t day;

    if (text.p && date_parse(text, &day) == ERR_OK) {
        *ret_day = day;
        return ERR_OK;
    }
    if (text.p && time_parse(text, &at) != ERR_OK)
        return api_bad_field(c, "date", "invalid_format", "must be a date or a time");
    if (at < TIME_MIN || at > TIME_MAX)
        return api_bad_field(c, "date", "invalid_value", "is too far away");
    bool midnight = text.p && at % US_PER_DAY == 0;
    *ret_day = civil_at(midnight ? zone_utc() : zone, at).epoch_day;
    return ERR_OK;
}

static int32_t slot_minutes(const struct orchestra *o)
{
    int64_t asked = o->measures[ADAPT_DURATION];

    if (asked == INT64_MIN && !o->slots.history)
        return plan_minutes_of(&o->limits, SLOTS_USUAL_MINUTES);
    return plan_minutes_of(&o->limits, asked == INT64_MIN ? SLOT_MINUTES : (int32_t)asked);
}

static void why_usual(struct api_call *c, const struct orchestra *o, struct recommended *r)
{
    struct needed needed = NEEDED_NONE;

    if (!o->l.analysis) {
        r->reason = reason_disabled;
    } else if (!o->slots.history) {
        r->reason = STR("There was no session with a time of day yet.");
        needed.sessions = 1;
        r->needed = needed_new(c->arena, needed);
    } else if (r->slots.n == 0) {
        r->reason = STR("No time of the next days is free.");
    }
}

/* The times of day `day` and those after it. */
static enum err recommend(struct api_call *c, struct orchestra *o, int32_t day,
                          struct recommended *r)
{
    struct slot found[SLOTS_MAX];
    struct slot_shown *shown = arena_new(c->arena, struct slot_shown, SLOTS_MAX);
    struct str *texts = arena_new(c->arena, struct str, 4);
    enum err e = shown && texts ? ERR_OK : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    r->adjustments = (struct list){texts, orchestra_strain_texts(c, o, texts)};
    r->strain = orchestra_strain(o);
    r->load = o->load.score;
    r->load_warning = o->load.score > 70;
    r->burnout_warning = o->burnout_known && o->burnout.level >= BURNOUT_MEDIUM;
    r->withheld = o->burnout_known && o->burnout.level >= BURNOUT_HIGH;
    r->recovery = r->withheld || o->limits.rest_days > 0;
    r->week = (struct week_target){o->measures[ADAPT_FREQUENCY], o->planned_count};
    r->zone = zone_name(o->l.zone);
    r->at = c->now_us;
    if (r->withheld) {
        r->reason = STR("The burnout risk is high: rest comes before any plan.");
        return ERR_OK;
    }
    o->slots.day = day;
    o->slots.days = ORCHESTRA_DAYS - 1;
    o->slots.minutes = slot_minutes(o);
    o->slots.busy = o->taken;
    o->slots.busy_count = o->taken_count;
    int32_t n = slots_find(&o->slots, found);
    for (int32_t i = 0; e == ERR_OK && i < n; i++)
        e = slot_show(c, o, &found[i], &shown[i]);
    r->slots = r->data.slots = (struct list){shown, n};
    why_usual(c, o, r);
    return e;
}

static enum err recommend_for(struct api_call *c, struct recommend_in *in, struct recommended **ret)
{
    struct recommended *r = arena_new(c->arena, struct recommended, 1);
    int32_t day = 0;
    enum err e = r ? date_read(c, in->date, zone_utc(), &day) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    if (day > c->now_us / US_PER_DAY + DAYS_AHEAD_MAX)
        return api_bad_field(c, "date", "invalid_value", "must lie within %d days", DAYS_AHEAD_MAX);
    e = orchestra_read(c, (day - 1) * US_PER_DAY, &in->o);
    if (e == ERR_OK)
        e = date_read(c, in->date, in->o.l.zone, &day);
    if (e != ERR_OK)
        return e;
    if (day < in->o.l.today)
        return api_bad_field(c, "date", "invalid_value", "must not lie before today");
    *ret = r;
    return recommend(c, &in->o, day, r);
}

static enum err get_recommendations(struct api_call *c)
{
    struct recommended *r = NULL;
    enum err e = recommend_for(c, c->in, &r);

    /* The first that begins ends the answer. */
    const struct slot_shown *s = e == ERR_OK ? r->slots.p : NULL;
    for (int32_t i = 0; s && i < r->slots.n; i++)
        if (s[i].start < c->valid_until_us)
            c->valid_until_us = s[i].start;
    c->reply = r;
    return e;
}

static enum err slots_write(struct api_call *c, struct store_conn *conn)
{
    struct recommend_in *in = c->in;
    const struct value trim[] = {V_I(in->o.l.learner_id),
                                 V_I(c->now_us - SLOTS_KEPT_DAYS * US_PER_DAY)};
    struct bulk bulks[] = {
        {.stmt = STMT_SCHEDULE_SLOT_PUT, .rows = in->row_count, .cols = 8, .v = in->rows},
        {.stmt = STMT_SCHEDULE_SLOT_TRIM, .rows = 1, .cols = 2, .v = trim}};

    return store_write(conn, bulks, COUNT(bulks));
}

static enum err written(struct api_call *c)
{
    (void)c;
    return ERR_OK; /* the reply was made before */
}

static enum err slot_rows(struct api_call *c, struct recommend_in *in, const struct recommended *r)
{
    enum { COLS = 8 };
    const struct slot_shown *s = r->slots.p;
    struct value *v = arena_new(c->arena, struct value, SLOTS_MAX * COLS);

    if (!v)
        return ERR_NOMEM;
    for (int32_t i = 0; i < r->slots.n; i++) {
        const struct value row[COLS] = {
            V_I(in->o.l.learner_id), V_S(s[i].id),         V_I(s[i].start), V_I(s[i].end),
            V_D(s[i].score),         V_D(s[i].confidence), V_I(s[i].basis), V_I(c->now_us)};
        memcpy(v + (size_t)i * COLS, row, sizeof row);
    }
    in->rows = v;
    in->row_count = r->slots.n;
    return ERR_OK;
}

static enum err post_recommendations(struct api_call *c)
{
    struct recommend_in *in = c->in;
    struct recommended *r = NULL;
    enum err e = recommend_for(c, in, &r);

    c->reply = r;
    if (e != ERR_OK || r->slots.n == 0 || !in->o.l.analysis)
        return e;
    e = slot_rows(c, in, r);
    return e == ERR_OK ? api_change(c, slots_write, written) : e;
}

/* ---- adapt-schedule ---- */

struct adapted;
struct adapt_in {
    struct str user_id, reason, old_value, new_value, id;
    int32_t type;
    struct orchestra o;
    int64_t measure;
    struct adapted *shown;
};
static const struct field adapt_body[] = {
    FIELD_USER_ID(struct adapt_in),
    FIELD(F_ENUM, struct adapt_in, type, "adaptationType", .flags = FIELD_REQUIRED,
          .names = adaptation_names, .doc = "what is to change"),
    FIELD(F_STR, struct adapt_in, reason, "reason", .flags = FIELD_REQUIRED, .min = 1, .max = 1000,
          .doc = "why, in the learner's words"),
    FIELD(F_JSON, struct adapt_in, old_value, "oldValue", .doc = "as it was; any value, kept"),
    FIELD(F_JSON, struct adapt_in, new_value, "newValue",
          .doc = "as it shall be: an hour (9, \"09:30\", a time), minutes, LOW, MEDIUM or HIGH, "
                 "sessions a week; or an object with it"),
    FIELD_END,
};

struct affected {
    struct str id;
    int64_t start, end;
    struct str why;
};
static const struct field affected_fields[] = {
    FIELD(F_STR, struct affected, id, "id", .doc = "plan"),
    FIELD(F_TIME, struct affected, start, "startTime", .doc = "of the plan"),
    FIELD(F_TIME, struct affected, end, "endTime", .doc = "of the plan"),
    FIELD(F_STR, struct affected, why, "reason", .doc = "what does not fit any more"),
    FIELD_END,
};

static const char *const severity_names[] = {"MINOR", "MODERATE", "MAJOR", NULL};

struct adapted {
    bool success;
    struct str id;
    int32_t type, severity;
    struct str reason, old_value, new_value, message, unclear;
    int64_t measure;
    struct list slots, affected;
    bool withheld;
    struct str why_none;
};
static const struct field adapted_fields[] = {
    FIELD(F_BOOL, struct adapted, success, "success", .doc = "always true"),
    FIELD(F_STR, struct adapted, id, "adaptationId", .doc = "of the change"),
    FIELD(F_ENUM, struct adapted, type, "adaptationType", .names = adaptation_names,
          .doc = "as asked"),
    FIELD(F_STR, struct adapted, reason, "reason", .doc = "as given"),
    FIELD(F_JSON, struct adapted, old_value, "oldValue", .flags = FIELD_NULLABLE,
          .doc = "as given"),
    FIELD(F_JSON, struct adapted, new_value, "newValue", .flags = FIELD_NULLABLE,
          .doc = "as given"),
    FIELD(F_I64, struct adapted, measure, "understoodAs", .flags = FIELD_NULLABLE,
          .doc = "hour, minutes, 0 to 2 (LOW to HIGH), or sessions a week; null: not understood"),
    FIELD(F_STR, struct adapted, unclear, "understoodReason", .flags = FIELD_NULLABLE,
          .doc = "why it changes nothing"),
    FIELD(F_LIST, struct adapted, slots, "updatedRecommendations", .sub = slot_fields,
          .size = sizeof(struct slot_shown), .max = SLOTS_MAX, .doc = "times to study from now on"),
    FIELD(F_ENUM, struct adapted, severity, "impact", .names = severity_names,
          .doc = "by how many of the coming plans it does not leave as they are"),
    FIELD(F_LIST, struct adapted, affected, "affectedPlans", .sub = affected_fields,
          .size = sizeof(struct affected), .doc = "plans of the next days that do not fit it"),
    FIELD(F_BOOL, struct adapted, withheld, "withheld", .doc = "as in recommendations"),
    FIELD(F_STR, struct adapted, why_none, "recommendationReason", .flags = FIELD_NULLABLE,
          .doc = "why there are no times, or only usual ones"),
    FIELD(F_STR, struct adapted, message, "message", .doc = "for people"),
    FIELD_END,
};

/* The members under which clients send what they mean. */
static bool is_measure_name(enum adaptation type, struct str name)
{
    static const char *const names[ADAPTATIONS][6] = {
        {"hour", "time", "startTime", "preferredHour", "preferredTime", NULL},
        {"duration", "minutes", "sessionDuration", NULL},
        {"intensity", "intensityLevel", "level", NULL},
        {"sessionsPerWeek", "frequency", "perWeek", "sessions", NULL}};

    for (int i = 0; names[type][i]; i++)
        if (str_eq(name, str_from(names[type][i])))
            return true;
    return false;
}

static int64_t measure_of_text(enum adaptation type, struct str s, const struct zone *zone)
{
    int64_t v, at;

    if (type == ADAPT_INTENSITY) {
        for (int i = 0; plan_intensity_names[i]; i++)
            if (str_eq(s, str_from(plan_intensity_names[i])))
                return i;
        return INT64_MIN;
    }
    if (type == ADAPT_TIME && time_parse(s, &at) == ERR_OK)
        return civil_at(zone, at).hour;
    struct str rest = s, head = type == ADAPT_TIME ? str_cut(&rest, ':') : s;
    return str_to_i64(head, &v) == ERR_OK ? v : INT64_MIN;
}

static int64_t measure_read(struct json_reader *r, enum adaptation type, const struct zone *zone)
{
    int64_t found = INT64_MIN;
    struct str s;
    double d;

    switch (json_peek(r)) {
    case JSON_NUMBER:
        return json_read_f64(r, &d) && fabs(d) < 1e6 ? llround(d) : INT64_MIN;
    case JSON_STRING:
        return json_read_str(r, &s) ? measure_of_text(type, s, zone) : INT64_MIN;
    case JSON_OBJECT:
        if (json_object_begin(r))
            while (json_next_member(r, &s)) {
                bool means = found == INT64_MIN && is_measure_name(type, s);
                bool plain = json_peek(r) == JSON_NUMBER || json_peek(r) == JSON_STRING;
                if (means && plain)
                    found = measure_read(r, type, zone);
                else
                    json_skip(r, NULL);
            }
        return found;
    default:
        return INT64_MIN;
    }
}

/* INT64_MIN: it does not say what, or not within bounds. */
static int64_t measure_of(struct api_call *c, const struct adapt_in *in, const struct zone *zone)
{
    static const int64_t least[] = {0, PLAN_MINUTES_MIN, 0, 1};
    static const int64_t most[] = {23, PLAN_MINUTES_MAX, 2, PER_WEEK_MAX};
    struct json_reader r;

    if (!in->new_value.p)
        return INT64_MIN;
    json_reader_init(&r, in->new_value, c->arena, JSON_DEPTH_MAX);
    int64_t m = measure_read(&r, (enum adaptation)in->type, zone);
    return m >= least[in->type] && m <= most[in->type] ? m : INT64_MIN;
}

static struct str why_affected(const struct adapt_in *in, const struct zone *zone,
                               const struct slots_busy *t)
{
    int64_t minutes = (t->end - t->start) / US_PER_MINUTE;
    int32_t hour = civil_at(zone, t->start).hour;

    if (in->type == ADAPT_TIME && llabs(hour - in->measure) > 1)
        return STR("It begins at another hour.");
    if (in->type == ADAPT_DURATION && llabs(minutes - in->measure) > PLAN_LENGTH_NEAR_MINUTES)
        return STR("It has another length.");
    if (in->type == ADAPT_INTENSITY)
        return STR("It was planned before.");
    return (struct str){NULL, 0};
}

/* Coming plans that the change does not leave as they are. */
static enum err show_affected(struct api_call *c, const struct adapt_in *in, struct adapted *r)
{
    const struct orchestra *o = &in->o;
    struct affected *a = arena_new(c->arena, struct affected, (size_t)o->taken_count + 1);
    int32_t n = 0, over = 0;

    if (!a)
        return ERR_NOMEM;
    for (int32_t i = 0; i < o->taken_count && in->measure != INT64_MIN; i++) {
        if (o->taken_by[i] || o->taken[i].start <= c->now_us)
            continue;
        struct str why = why_affected(in, o->l.zone, &o->taken[i]);
        if (in->type == ADAPT_FREQUENCY && ++over > in->measure)
            why = STR("There are more than that many in the coming week.");
        if (why.p)
            a[n++] = (struct affected){o->plan_ids[i], o->taken[i].start, o->taken[i].end, why};
    }
    r->affected = (struct list){a, n};
    r->severity = n > 2 ? 2 : n > 0;
    return ERR_OK;
}

static enum err adapt_write(struct api_call *c, struct store_conn *conn)
{
    const struct adapt_in *in = c->in;
    const struct value v[] = {
        V_I(in->o.l.learner_id), V_S(in->id),           V_S(str_from(adaptation_names[in->type])),
        V_S(in->reason),         v_text(in->old_value), v_text(in->new_value),
        v_time(in->measure),     V_I(c->now_us)};
    const struct value trim[] = {V_I(in->o.l.learner_id), V_I(ADAPTATIONS_KEPT)};
    struct bulk bulks[] = {
        {.stmt = STMT_SCHEDULE_ADAPTATION_PUT, .rows = 1, .cols = COUNT(v), .v = v},
        {.stmt = STMT_SCHEDULE_ADAPTATION_TRIM, .rows = 1, .cols = 2, .v = trim}};

    return store_write(conn, bulks, COUNT(bulks));
}

static enum err adapt_written(struct api_call *c)
{
    const struct adapt_in *in = c->in;

    c->reply = in->shown;
    return ERR_OK;
}

static struct str adapted_message(const struct adapted *r)
{
    if (r->measure == INT64_MIN)
        return STR("It is kept, but changes nothing.");
    return r->affected.n > 0 ? STR("It is kept. Some plans do not fit it: make them anew.")
                             : STR("It is kept, and times are recommended by it from now on.");
}

static enum err post_adapt(struct api_call *c)
{
    struct recommended *times = arena_new(c->arena, struct recommended, 1);
    struct adapted *r = arena_new(c->arena, struct adapted, 1);
    struct adapt_in *in = c->in;

    if (!times || !r)
        return ERR_NOMEM;
    if (in->old_value.n > VALUE_MAX || in->new_value.n > VALUE_MAX)
        return api_bad_field(c, in->new_value.n > VALUE_MAX ? "newValue" : "oldValue", "too_big",
                             "must be at most %d bytes", VALUE_MAX);
    enum err e = orchestra_read(c, c->now_us, &in->o);
    if (e != ERR_OK)
        return e;
    in->measure = measure_of(c, in, in->o.l.zone);
    if (in->measure != INT64_MIN) {
        in->o.measures[in->type] = in->measure;
        if (in->type == ADAPT_TIME)
            in->o.slots.wish_hour = (int32_t)in->measure;
    }
    in->id = orchestra_id(c, 'a');
    e = in->id.p ? recommend(c, &in->o, in->o.l.today, times) : ERR_NOMEM;
    *r = (struct adapted){.success = true,
                          .id = in->id,
                          .type = in->type,
                          .reason = in->reason,
                          .old_value = in->old_value,
                          .new_value = in->new_value,
                          .measure = in->measure,
                          .slots = times->slots,
                          .withheld = times->withheld,
                          .why_none = times->reason};
    if (in->measure == INT64_MIN)
        r->unclear = in->new_value.p ? STR("The new value does not say what is meant.")
                                     : STR("There is no new value.");
    if (e == ERR_OK)
        e = show_affected(c, in, r);
    r->message = adapted_message(r);
    in->shown = r;
    return e == ERR_OK ? api_change(c, adapt_write, adapt_written) : e;
}

/* ---- GET cognitive-load ---- */

struct load_query {
    bool trend;
};
static const struct field load_query[] = {
    FIELD(F_BOOL, struct load_query, trend, "includeTrend", .def = "false",
          .doc = "the last seven local days, too"),
    FIELD_END,
};

struct load_trend_shown {
    int32_t direction;
    double percentage;
};
static const char *const direction_names[] = {"down", "stable", "up", NULL};
static const struct field load_trend_fields[] = {
    FIELD(F_ENUM, struct load_trend_shown, direction, "direction", .flags = FIELD_NULLABLE,
          .names = direction_names, .doc = "the later of the days against the earlier"),
    FIELD(F_F64, struct load_trend_shown, percentage, "percentage", .flags = FIELD_NULLABLE,
          .doc = "by how much, in percent of the earlier; null: too few days"),
    FIELD_END,
};
struct load_day {
    int32_t day;
    double load;
};
static const struct field load_day_fields[] = {
    FIELD(F_DATE, struct load_day, day, "date", .doc = "local day"),
    FIELD(F_F64, struct load_day, load, "load", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "its mean; null: nothing was measured"),
    FIELD_END,
};
struct load_data {
    double load;
    int32_t level;
    struct load_trend_shown trend;
    struct list days;
    struct str advice;
};
static const struct field load_data_fields[] = {
    FIELD(F_F64, struct load_data, load, "currentLoad", .flags = FIELD_NULLABLE, .doc = "the load"),
    FIELD(F_ENUM, struct load_data, level, "status", .flags = FIELD_NULLABLE,
          .names = plan_intensity_names, .doc = "its level"),
    FIELD(F_OBJECT, struct load_data, trend, "trend", .sub = load_trend_fields,
          .size = sizeof(struct load_trend_shown), .doc = "over the week"),
    FIELD(F_LIST, struct load_data, days, "historicalData", .sub = load_day_fields,
          .size = sizeof(struct load_day), .doc = "oldest first"),
    FIELD(F_STR, struct load_data, advice, "recommendation", .doc = "what to do"),
    FIELD_END,
};
struct load_reply {
    double load;
    int32_t level;
    struct str advice, reason;
    struct list means; /* double; p == NULL: not asked for */
    struct load_data data;
    struct strain strain;
};
static const struct field load_fields[] = {
    FIELD(F_F64, struct load_reply, load, "load", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "0 to 100, whole; null: none is known"),
    FIELD(F_ENUM, struct load_reply, level, "level", .flags = FIELD_NULLABLE,
          .names = plan_intensity_names, .doc = "below 40 LOW, up to 70 MEDIUM, above HIGH"),
    FIELD(F_STR, struct load_reply, advice, "recommendation", .doc = "what to do"),
    FIELD(F_LIST, struct load_reply, means, "trend", .flags = FIELD_OMIT, .item = F_F64,
          .size = sizeof(double), .max = TREND_DAYS,
          .doc = "mean of each of the last seven local days, oldest first; null: not measured"),
    FIELD(F_STR, struct load_reply, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no load"),
    FIELD(F_OBJECT, struct load_reply, strain, "strain", .sub = strain_fields,
          .size = sizeof(struct strain), .doc = "how and when it was measured"),
    FIELD(F_OBJECT, struct load_reply, data, "data", .sub = load_data_fields,
          .size = sizeof(struct load_data), .doc = "the same under other names"),
    FIELD_END,
};

static struct str load_advice_text(const struct load_reply *r)
{
    if (isnan(r->load))
        return STR("Study as usual: nothing is known of the load.");
    if (r->load > 80)
        return STR("Rest now; then light review only.");
    if (r->level == PLAN_HIGH)
        return STR("Keep it short and easy, with more breaks, and nothing new.");
    return r->level == PLAN_MEDIUM ? STR("Go on as planned, and keep to the breaks.")
                                   : STR("There is room for something hard.");
}

/* The days' means; where they head, by the later half of the measured days against the earlier. */
static enum err load_days(struct api_call *c, const struct rows *rows, const struct learner *l,
                          struct load_data *r, double *means)
{
    struct load_day *d = arena_new(c->arena, struct load_day, TREND_DAYS);
    double halves[2] = {0, 0};
    int32_t n = 0, seen = 0;

    if (!d)
        return ERR_NOMEM;
    for (int32_t i = 0; i < TREND_DAYS; i++) {
        d[i] = (struct load_day){l->today - TREND_DAYS + 1 + i, NAN};
        for (int32_t k = 0; k < rows->count && l->analysis; k++) {
            const struct value *v = row_at(rows, k);
            if (value_i64(&v[0], 0) == d[i].day && value_i64(&v[9], 0) > 0)
                d[i].load =
                    round_to((double)value_i64(&v[10], 0) / 1e6 / (double)value_i64(&v[9], 1), 2);
        }
        means[i] = d[i].load;
        n += !isnan(d[i].load);
    }
    for (int32_t i = 0; i < TREND_DAYS; i++) {
        if (isnan(d[i].load))
            continue;
        int32_t half = n / 2; /* of an odd number the one in the middle counts for neither */
        if (seen < half)
            halves[0] += d[i].load / half;
        else if (seen >= n - half)
            halves[1] += d[i].load / half;
        seen++;
    }
    r->days = (struct list){d, TREND_DAYS};
    r->trend = (struct load_trend_shown){-1, NAN};
    if (n >= 2) {
        r->trend.direction = 1 + load_trend(halves[1], halves[0]);
        r->trend.percentage =
            halves[0] > 0 ? round_to(100 * (halves[1] - halves[0]) / halves[0], 1) : NAN;
    }
    return ERR_OK;
}

static enum err get_load(struct api_call *c)
{
    const struct load_query *in = c->in;
    struct load_reply *r = arena_new(c->arena, struct load_reply, 1);
    double *means = arena_new(c->arena, double, TREND_DAYS);
    struct orchestra o;
    enum err e = r && means ? orchestra_read(c, c->now_us, &o) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    r->load = isnan(o.load.score) ? NAN : floor(o.load.score + 0.5);
    r->level = isnan(o.load.score) ? -1 : (int32_t)plan_load_level(o.load.score);
    r->advice = load_advice_text(r);
    r->strain = orchestra_strain(&o);
    r->reason = o.load.reason;
    e = load_days(c, &o.q[1].rows, &o.l, &r->data, means);
    r->data.load = r->load;
    r->data.level = r->level;
    r->data.advice = r->advice;
    if (in->trend)
        r->means = (struct list){means, TREND_DAYS};
    c->reply = r;
    return e;
}

#define ONE(e) (UINT64_C(1) << (e))
#define ROOT "/api/orchestration"
#define ROW .tag = "orchestration", .envelope = ENVELOPE_BARE
#define READS                                                                             \
    .run = RUN_SMALL, .method = HTTP_GET, .scopes = SCOPE_READ, .learner = LEARNER_QUERY, \
    .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)
#define CHANGES .run = RUN_WORKER, .scopes = SCOPE_WRITE, .round_trips = 2

const struct endpoint endpoints_schedule[] = {
    {ROW, READS, .path = ROOT "/recommendations", .id = "get_schedule_recommendations",
     .summary = "Free times to study, the best first; nothing is kept", .query = recommend_query,
     .in_size = sizeof(struct recommend_in), .reply = recommended_fields,
     .cache = {.fresh_s = 600, .stale_s = 600}, .handler = get_recommendations},
    {ROW, CHANGES, .method = HTTP_POST, .path = ROOT "/recommendations",
     .id = "make_schedule_recommendations",
     .summary = "Free times to study, kept, so that it can be told whether they were followed",
     .learner = LEARNER_BODY, .body = recommend_body, .in_size = sizeof(struct recommend_in),
     .reply = recommended_fields, .errors = ONE(ERR_NOT_FOUND), .handler = post_recommendations},
    {ROW, CHANGES, .method = HTTP_POST, .repeats = true, .path = ROOT "/adapt-schedule",
     .id = "adapt_schedule",
     .summary = "Ask for another time, length, intensity or frequency from now on",
     .learner = LEARNER_BODY, .body = adapt_body, .in_size = sizeof(struct adapt_in),
     .reply = adapted_fields, .errors = ONE(ERR_NOT_FOUND), .handler = post_adapt},
    {ROW, READS, .path = ROOT "/cognitive-load", .id = "get_orchestration_load",
     .summary = "The present load as a schedule needs it", .query = load_query,
     .in_size = sizeof(struct load_query), .reply = load_fields,
     .cache = {.fresh_s = 120, .stale_s = 300}, .handler = get_load},
    {.path = NULL},
};
