#include "api/orchestra.h"

#include "api/pattern_row.h"
#include "base/rng.h"
#include "twin/study.h"

#include <stdlib.h>

enum { RECENT_DAYS = 7, SESSIONS_MAX = 500 };
/* A load says something of a session to come for a day; burnout looks at the fortnight. */

const char *const adaptation_names[] = {"TIME_SHIFT", "DURATION_CHANGE", "INTENSITY_ADJUSTMENT",
                                        "FREQUENCY_CHANGE", NULL};

const struct field chance_fields[] = {
    FIELD(F_F64, struct chance, value, "value", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "probability; null: see the reason"),
    FIELD(F_OBJECT, struct chance, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_I64, struct chance, n, "n", .doc = "sessions behind it"),
    FIELD(F_STR, struct chance, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct chance, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD_END,
};

const struct field strain_fields[] = {
    FIELD(F_F64, struct strain, load, "load", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "cognitive load; null: none is known"),
    FIELD(F_ENUM, struct strain, level, "level", .flags = FIELD_NULLABLE,
          .names = plan_intensity_names, .doc = "below 40, up to 70, above"),
    FIELD(F_F64, struct strain, confidence, "confidence", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "of the load"),
    FIELD(F_TIME, struct strain, at, "measuredAt", .flags = FIELD_NULLABLE,
          .doc = "older than a day it limits nothing"),
    FIELD(F_STR, struct strain, method, "method", .flags = FIELD_NULLABLE,
          .doc = "how the load was computed"),
    FIELD(F_STR, struct strain, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no load"),
    FIELD(F_OBJECT, struct strain, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is missing for one"),
    FIELD(F_ENUM, struct strain, burnout, "burnoutRisk", .flags = FIELD_NULLABLE,
          .names = burnout_level_names, .doc = "of the last fourteen days; null: not known"),
    FIELD(F_F64, struct strain, burnout_score, "burnoutScore", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "the same as a number"),
    FIELD(F_STR, struct strain, burnout_reason, "burnoutReason", .flags = FIELD_NULLABLE,
          .doc = "why there is no burnout risk"),
    FIELD_END,
};

struct strain orchestra_strain(const struct orchestra *o)
{
    struct strain s = {.load = o->load.score,
                       .level = -1,
                       .confidence = o->load.confidence,
                       .at = o->load.at,
                       .method = o->load.method,
                       .reason = o->load.reason,
                       .needed = o->load.needed,
                       .burnout = -1,
                       .burnout_score = NAN};

    if (!isnan(s.load))
        s.level = (int32_t)plan_load_level(s.load);
    if (o->burnout_known) {
        s.burnout = (int32_t)o->burnout.level;
        s.burnout_score = o->burnout.score;
    } else {
        s.burnout_reason =
            o->l.analysis
                ? STR("Fewer than five sessions or three active days in the last fourteen days.")
                : reason_disabled;
    }
    return s;
}

int32_t orchestra_strain_texts(struct api_call *c, const struct orchestra *o, struct str texts[4])
{
    const struct plan_limits *l = &o->limits;
    int32_t n = 0;

    if (l->by_load)
        texts[n++] = arena_printf(c->arena,
                                  l->share < 1 ? "Load is at %.0f: a shorter session, more breaks, "
                                                 "nothing new."
                                               : "Load is at %.0f: one more break.",
                                  o->load.score);
    if (l->by_burnout && l->minutes_max < PLAN_MINUTES_MAX)
        texts[n++] = arena_printf(c->arena,
                                  "Burnout risk is %s: half of the time, and no more than %d "
                                  "minutes.",
                                  burnout_level_names[o->burnout.level], l->minutes_max);
    else if (l->by_burnout)
        texts[n++] = arena_printf(c->arena, "Burnout risk is %s: %.0f %% of the time.",
                                  burnout_level_names[o->burnout.level], 100 * l->share);
    if (l->rest_days > 0)
        texts[n++] = arena_printf(c->arena, "%d day%s of rest would do good.", l->rest_days,
                                  l->rest_days == 1 ? "" : "s");
    return n;
}

struct chance orchestra_chance(struct api_call *c, const struct orchestra *o, int32_t minutes)
{
    struct chance r = {.value = NAN,
                       .method = STR("share of sessions of like length that were completed, pooled "
                                     "over lengths; Wilson")};
    struct pool pool = stats_pool(o->lengths, STUDY_LENGTHS);
    int32_t bucket = STUDY_LENGTHS - 1;

    if (!o->l.analysis) {
        r.reason = reason_disabled;
        return r;
    }
    while (bucket > 0 && minutes < study_length_from[bucket])
        bucket--;
    r.n = (int64_t)pool.n;
    if (r.n == 0) {
        r.reason = STR("There was no session yet.");
        return r;
    }
    struct interval i = stats_pooled_interval(&pool, o->lengths[bucket]);
    r.value = round_to(stats_pooled_rate(&pool, o->lengths[bucket]), 4);
    r.interval = interval_new(c->arena, (struct interval){round_to(i.low, 4), round_to(i.high, 4)});
    return r;
}

/* ---- reading ---- */

static void take_hours(const struct rows *rows, struct slots_input *in)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        int64_t slot = column_i64(&v, 0);
        in->sessions[slot] = column_i64(&v, 0);
        in->hours[slot].n = (double)column_i64(&v, 0);
        in->hours[slot].k = (double)column_i64(&v, 0);
        in->history = in->history || in->sessions[slot] > 0;
    }
}

static void take_recent(const struct rows *rows, int64_t now_us, struct orchestra *o)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct session_facts facts = {0};
        struct columns v = columns_of(rows, i);
        facts.first_at = column_i64(&v, 0);
        column_i64(&v, 0);
        facts.started_at = column_time(&v);
        int64_t at = session_start(&facts);
        if (at > now_us - RECENT_DAYS * US_PER_DAY)
            o->slots.recent[civil_at(o->l.zone, at).hour]++;
    }
}

static enum err take_patterns(struct api_call *c, const struct rows *rows, struct orchestra *o)
{
    struct pattern_row *p;
    enum err e = pattern_rows_read(c, rows, &p);

    for (int32_t i = 0; e == ERR_OK && i < rows->count; i++) {
        if (!p[i].present)
            continue;
        if (p[i].kind == PATTERN_ATTENTION && isnan(o->stretch))
            o->stretch = 0.9 * p[i].data.minutes;
        if ((p[i].kind == PATTERN_ATTENTION || p[i].kind == PATTERN_DURATION) &&
            isnan(o->usual_minutes))
            o->usual_minutes = p[i].data.minutes;
        if ((p[i].kind == PATTERN_PEAK || p[i].kind == PATTERN_STUDY_TIME) &&
            o->slots.best_from < 0 && p[i].data.effect > 0) {
            o->slots.best_from = p[i].slot;
            o->slots.best_to = p[i].slot_last;
            o->slots.best_effect = p[i].data.effect;
        }
    }
    return e;
}

static int by_start(const void *pa, const void *pb)
{
    const struct busy *a = pa, *b = pb;

    if (a->time.start != b->time.start)
        return a->time.start < b->time.start ? -1 : 1;
    return (a->time.end > b->time.end) - (a->time.end < b->time.end);
}

/* Busy times of calendars, and planned sessions as busy times without a title. */
static enum err take_busy(struct api_call *c, const struct rows *busy_rows,
                          const struct rows *planned_rows, struct orchestra *o)
{
    struct planned *planned;
    struct busy *busy;
    int32_t busy_count, planned_count, n = 0;
    enum err e = calendar_busy_rows(busy_rows, c->arena, &busy, &busy_count);

    if (e == ERR_OK)
        e = calendar_planned_rows(planned_rows, c->arena, &planned, &planned_count);
    if (e != ERR_OK)
        return e;
    size_t room = (size_t)busy_count + (size_t)planned_count + 1;
    struct busy *all = arena_new(c->arena, struct busy, room);
    o->taken = arena_new(c->arena, struct slots_busy, room);
    o->taken_by = arena_new(c->arena, const struct busy *, room);
    o->plan_ids = arena_new(c->arena, struct str, room);
    if (!all || !o->taken || !o->taken_by || !o->plan_ids)
        return ERR_NOMEM;
    for (int32_t i = 0; i < busy_count; i++)
        all[n++] = busy[i];
    for (int32_t i = 0; i < planned_count; i++) {
        if (!str_eq(planned[i].state, STR("PLANNED")) || planned[i].end <= c->now_us)
            continue;
        o->planned_count += planned[i].start < c->now_us + RECENT_DAYS * US_PER_DAY;
        all[n++] = (struct busy){
            .time = {.start = planned[i].start, .end = planned[i].end, .event = planned[i].plan},
            .provider = PROVIDERS};
    }
    qsort(all, (size_t)n, sizeof *all, by_start);
    for (int32_t i = 0; i < n; i++) {
        o->taken[i] =
            (struct slots_busy){all[i].time.start, all[i].time.end, all[i].time.tentative};
        o->plan_ids[i] = all[i].time.event;
        o->taken_by[i] = all[i].provider == PROVIDERS ? NULL : &all[i];
    }
    o->taken_count = n;
    return ERR_OK;
}

static void take_adaptations(const struct rows *rows, struct orchestra *o)
{
    for (int a = 0; a < ADAPTATIONS; a++)
        o->measures[a] = INT64_MIN;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        struct str type = column_str(&v);
        int64_t measure = column_i64(&v, INT64_MIN);
        for (int a = 0; a < ADAPTATIONS; a++)
            if (o->measures[a] == INT64_MIN && str_eq(type, str_from(adaptation_names[a])))
                o->measures[a] = measure;
    }
    if (o->measures[ADAPT_TIME] != INT64_MIN)
        o->slots.wish_hour = (int32_t)o->measures[ADAPT_TIME];
}

/* The profile's free text says an hour if it begins like "19" or "19:30". */
static void take_preference(const struct rows *rows, struct orchestra *o)
{
    struct str rest = rows->count > 0 ? value_str(row_at(rows, 0)) : (struct str){NULL, 0};
    struct str head = str_cut(&rest, ':');
    int64_t hour;

    if (o->slots.wish_hour < 0 && head.p && head.n <= 2 && str_to_i64(head, &hour) == ERR_OK &&
        hour >= 0 && hour < 24)
        o->slots.wish_hour = (int32_t)hour;
}

enum err exams_read(struct api_call *c, const struct rows *rows, struct list *ret)
{
    struct exam *x = arena_new(c->arena, struct exam, (size_t)rows->count + 1);

    if (!x)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        x[i].id = column_str(&v);
        x[i].course = column_str(&v);
        x[i].name = column_str(&v);
        x[i].day = (int32_t)column_i64(&v, 0);
        x[i].created_at = column_i64(&v, 0);
    }
    *ret = (struct list){x, rows->count};
    return ERR_OK;
}

struct str orchestra_id(struct api_call *c, char letter)
{
    uint64_t id[2];

    random_bytes(id, sizeof id);
    return arena_printf(c->arena, "%c%016llx%016llx", letter, (unsigned long long)id[0],
                        (unsigned long long)id[1]);
}

static void take_week(const struct rows *days, struct orchestra *o)
{
    int64_t ms = 0;

    for (int32_t i = 0; i < days->count; i++) {
        struct columns v = columns_of(days, i);
        int64_t ago = o->l.today - column_i64(&v, 0);
        if (ago >= 0 && ago < RECENT_DAYS)
            ms += column_i64(&v, 0);
    }
    o->week_hours = (double)ms / 3.6e6;
}

static void take_lengths(const struct rows *rows, struct orchestra *o)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        int64_t bucket = column_i64(&v, 0);
        o->lengths[bucket].n = (double)column_i64(&v, 0);
        o->lengths[bucket].k = fmin(o->lengths[bucket].n, (double)column_i64(&v, 0));
    }
}

/* What the learner has switched analysis off for is not looked at; what they asked for is. */
static enum err take_all(struct api_call *c, struct orchestra *o)
{
    enum err e = load_now_read(c, o->q + 3, &o->l, &o->load);

    o->slots.zone = o->l.zone;
    o->slots.now_us = c->now_us;
    if (e == ERR_OK)
        e = take_busy(c, &o->q[5].rows, &o->q[6].rows, o);
    if (e == ERR_OK)
        e = exams_read(c, &o->q[7].rows, &o->exams);
    take_adaptations(&o->q[8].rows, o);
    take_preference(&o->q[13].rows, o);
    if (e == ERR_OK && o->l.analysis) {
        e = burnout_read(c, o->q + 1, &o->l, &o->burnout);
        o->burnout_known = e == ERR_OK && o->burnout.sufficient;
        take_week(&o->q[1].rows, o);
        take_hours(&o->q[9].rows, &o->slots);
        take_recent(&o->q[10].rows, c->now_us, o);
        take_lengths(&o->q[11].rows, o);
        if (e == ERR_OK)
            e = take_patterns(c, &o->q[12].rows, o);
    }
    plan_limits_of(o->load.age_s >= 0 && o->load.age_s <= LOAD_HOLDS_S ? o->load.score : NAN,
                   o->burnout_known ? o->burnout.level : BURNOUT_LOW, &o->limits);
    return e;
}

enum err orchestra_read(struct api_call *c, int64_t from, struct orchestra *o)
{
    enum { QUERIES = 14 };
    const struct value id[] = {V_S(c->learner)};
    const struct value recent[] = {V_S(c->learner), V_I(c->now_us - (RECENT_DAYS + 1) * US_PER_DAY),
                                   V_I(c->now_us), V_I(SESSIONS_MAX)};
    struct value busy[3], planned[3];
    struct burnout_args burnout;
    struct load_now_args load;

    *o = (struct orchestra){.usual_minutes = NAN, .stretch = NAN};
    o->slots.wish_hour = o->slots.best_from = o->slots.best_to = -1;
    o->slots.best_effect = NAN;
    int64_t begin = from < c->now_us ? from : c->now_us; /* what is planned for the week too */
    o->taken_until = (from > c->now_us ? from : c->now_us) + (ORCHESTRA_DAYS + 1) * US_PER_DAY;
    burnout_queries(c, &burnout, o->q + 1);
    load_now_queries(c, &load, o->q + 3);
    calendar_busy_query(&o->q[5], busy, c->learner, begin, o->taken_until);
    calendar_planned_query(&o->q[6], planned, c->learner, begin - PLAN_MINUTES_MAX * US_PER_MINUTE,
                           o->taken_until);
    o->q[7] = (struct query){.stmt = STMT_EXAMS_OF_LEARNER, .args = id, .arg_count = 1};
    o->q[8] = (struct query){.stmt = STMT_ORCHESTRA_ADAPTATIONS, .args = id, .arg_count = 1};
    o->q[9] = (struct query){.stmt = STMT_ORCHESTRA_HOURS, .args = id, .arg_count = 1};
    o->q[10] = (struct query){.stmt = STMT_ORCHESTRA_SESSIONS, .args = recent, .arg_count = 4};
    o->q[11] = (struct query){.stmt = STMT_ORCHESTRA_LENGTHS, .args = id, .arg_count = 1};
    o->q[12] = (struct query){.stmt = STMT_PATTERNS_OF_LEARNER, .args = id, .arg_count = 1};
    o->q[13] = (struct query){.stmt = STMT_ORCHESTRA_PREFERENCE, .args = id, .arg_count = 1};
    enum err e = learner_read(c, o->q, QUERIES, &o->l);
    return e == ERR_OK ? take_all(c, o) : e;
}
