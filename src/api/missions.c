/* missions - what to work on, day by day.
 *
 * A mission is its events (docs/events.md): making one sends mission_created, dropping one
 * mission_skipped, so that a replaced mission keeps its sessions. Names are made of the day and a
 * number, and event ids of the mission's name: who asks twice, or at the same time from two places,
 * gets one mission. A new one heeds strain (mission_strain.h): whoever must rest gets reviews. */
#include "api/call.h"
#include "api/mission_make.h"
#include "api/mission_row.h"
#include "api/mission_strain.h"

#include <math.h>
#include <stdio.h>

enum {
    DAYS_AHEAD_MAX = 90,
    MINUTES_MIN = 15,
    MINUTES_MAX = 120,
    PLAN_TEXT = 8192
};

static const struct field shown_reply[] = {
    SHOWN_MISSION,
    FIELD(F_STR, struct mission_shown, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no mission"),
    FIELD_END,
};
static const struct field generated_reply[] = {
    SHOWN_MISSION,
    FIELD(F_I64, struct mission_shown, minutes, "estimatedMinutes", .doc = "of the mission"),
    FIELD(F_BOOL, struct mission_shown, created, "created",
          .doc = "was it made by this call? false: the day had one"),
    FIELD(F_LIST, struct mission_shown, made, "choice", .sub = made_fields,
          .flags = FIELD_NULLABLE | FIELD_OMIT, .size = sizeof(struct made_objective),
          .doc = "why these objectives; only where the mission is new"),
    FIELD(F_BOOL, struct mission_shown, recovery, "recovery",
          .doc = "was it made as a light review, because rest is needed?"),
    FIELD(F_LIST, struct mission_shown, limits, "limits", .item = F_STR, .size = sizeof(struct str),
          .max = MISSION_LIMITS_MAX,
          .doc = "what of strain made it shorter or lighter than asked, where it is new"),
    FIELD(F_STR, struct mission_shown, message, "message", .flags = FIELD_NULLABLE, .doc = "what was done"),
    FIELD(F_STR, struct mission_shown, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why it is shorter than asked"),
    FIELD_END,
};

/* Shows the mission as it is now; one round trip. */
static enum err show(struct api_call *c, struct str id, struct mission_shown **ret)
{
    struct query q[MISSION_PARTS];
    struct mission_parts_args a;

    mission_parts_queries(c, id, &a, q);
    enum err e = store_read(c->conn, c->arena, q, MISSION_PARTS, c->deadline_us);
    if (e == ERR_OK)
        e = mission_parts_show(c, q, ret);
    if (e == ERR_OK)
        c->reply = *ret;
    return e;
}

/* ---- GET learning/mission/today, GET learning/mission/{id} ---- */

static enum err day_missions(struct api_call *c, int32_t day, struct query *more, int32_t count)
{
    const struct value args[] = {V_S(c->learner), V_I(day)};

    more[0] = (struct query){.stmt = STMT_MISSIONS_OF_DAY, .args = args, .arg_count = 2};
    enum err e = store_read(c->conn, c->arena, more, count, c->deadline_us);
    more[0].args = NULL;
    return e;
}

static enum err get_today(struct api_call *c)
{
    struct query head[1], q[1];
    struct mission_shown *r;
    struct learner l;
    enum err e = learner_read(c, head, 1, &l);

    if (e == ERR_OK)
        e = day_missions(c, l.today, q, 1);
    if (e != ERR_OK)
        return e;
    if (q[0].rows.count > 0)
        return show(c, mission_read(columns_of(&q[0].rows, 0)).id, &r);
    c->reply = r = arena_new(c->arena, struct mission_shown, 1);
    if (!r)
        return ERR_NOMEM;
    r->reason = l.analysis ? STR("No mission was made for today yet: POST "
                                 "/api/learning/mission/generate makes one.")
                           : reason_disabled;
    return ERR_OK;
}

struct mission_path {
    struct str id;
};
static const struct field mission_path[] = {
    FIELD(F_STR, struct mission_path, id, "id", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "mission"),
    FIELD_END,
};

static enum err get_mission(struct api_call *c)
{
    const struct mission_path *in = c->in;
    struct query q[1 + MISSION_PARTS];
    struct mission_parts_args a;
    struct mission_shown *r;
    struct learner l;

    mission_parts_queries(c, in->id, &a, q + 1);
    enum err e = learner_read(c, q, 1 + MISSION_PARTS, &l);
    if (e == ERR_OK)
        e = mission_parts_show(c, q + 1, &r);
    if (e == ERR_OK)
        c->reply = r;
    return e;
}

/* ---- GET learning/mission/preview ---- */

/* A day as clients send it: "2025-10-20", or an instant, which lies on one of the learner's days.
 * From today on. */
static enum err day_read(struct api_call *c, const struct learner *l, struct str text, int32_t def,
                         int32_t *ret)
{
    int32_t day = def;
    int64_t at;

    if (text.p && date_parse(text, &day) != ERR_OK) {
        if (time_parse(text, &at) != ERR_OK)
            return api_bad_field(c, "date", "invalid_format", "must be a date or a time");
        day = civil_at(l->zone, at).epoch_day;
    }
    if (day < l->today || day > l->today + DAYS_AHEAD_MAX)
        return api_bad_field(c, "date", "invalid_value", "must lie between today and in %d days",
                             DAYS_AHEAD_MAX);
    *ret = day;
    return ERR_OK;
}

struct preview_query {
    struct str date;
};
static const struct field preview_query[] = {
    FIELD(F_STR, struct preview_query, date, "date", .min = 1, .max = 40,
          .doc = "day or instant; tomorrow when left out"),
    FIELD_END,
};
struct breakdown {
    int64_t high_yield, total, due, fresh;
};
static const struct field breakdown_fields[] = {
    FIELD(F_I64, struct breakdown, high_yield, "highYield", .doc = "objectives of high yield"),
    FIELD(F_I64, struct breakdown, total, "total", .doc = "objectives"),
    FIELD(F_I64, struct breakdown, due, "dueCards", .doc = "cards that are due in them"),
    FIELD(F_I64, struct breakdown, fresh, "newContent", .doc = "objectives new to the learner"),
    FIELD_END,
};
struct preview {
    bool preview, recovery;
    int32_t day;
    struct list objectives, limits;
    int64_t minutes, target;
    struct breakdown breakdown;
    struct str reason;
};
static const struct field preview_reply[] = {
    FIELD(F_BOOL, struct preview, preview, "preview", .doc = "true: nothing was made"),
    FIELD(F_DATE, struct preview, day, "date", .doc = "local day"),
    FIELD(F_LIST, struct preview, objectives, "objectives", .sub = made_fields,
          .size = sizeof(struct made_objective), .doc = "in order"),
    FIELD(F_I64, struct preview, minutes, "estimatedMinutes", .doc = "in sum"),
    FIELD(F_I64, struct preview, target, "targetMinutes", .doc = "the learner's setting"),
    FIELD(F_OBJECT, struct preview, breakdown, "priorityBreakdown", .sub = breakdown_fields,
          .size = sizeof(struct breakdown), .doc = "what it is made of"),
    FIELD(F_BOOL, struct preview, recovery, "recovery",
          .doc = "a light review, because rest is needed"),
    FIELD(F_LIST, struct preview, limits, "limits", .item = F_STR, .size = sizeof(struct str),
          .max = MISSION_LIMITS_MAX, .doc = "what of strain makes it shorter or lighter"),
    FIELD(F_STR, struct preview, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why it is shorter than the setting, or empty"),
    FIELD_END,
};

/* The learner, how many minutes of mission he or she likes, and how strained he or she is; `more`
 * may be NULL. */
static enum err settings_read(struct api_call *c, struct query *more, struct learner *l,
                              int32_t *ret_minutes, struct mission_strain *ret_strain)
{
    enum { STRAIN = 2, MORE = STRAIN + MISSION_STRAIN_QUERIES };
    const struct value args[] = {V_S(c->learner)};
    struct query q[MORE + 1] = {[1] = {.stmt = STMT_MISSION_SETTINGS, .args = args, .arg_count = 1}};
    struct mission_strain_args strain;

    mission_strain_queries(c, &strain, q + STRAIN);
    if (more)
        q[MORE] = *more;
    enum err e = learner_read(c, q, more ? MORE + 1 : MORE, l);
    if (e != ERR_OK)
        return e;
    if (more)
        *more = q[MORE];
    struct columns v = columns_of(&q[1].rows, 0);
    *ret_minutes = (int32_t)column_i64(&v, MISSION_DEFAULT_MINUTES);
    return mission_strain_read(c, q + STRAIN, l, ret_strain);
}

static enum err get_preview(struct api_call *c)
{
    const struct preview_query *in = c->in;
    struct preview *r = arena_new(c->arena, struct preview, 1);
    struct made_mission made = {.reason = reason_disabled};
    struct query q[MAKE_QUERIES];
    struct mission_strain strain;
    struct make_args args;
    struct plan_day within = {.recovery = false};
    struct list limits = {NULL, 0};
    struct learner l;
    int32_t minutes, day;
    enum err e = r ? settings_read(c, NULL, &l, &minutes, &strain) : ERR_NOMEM;

    if (e == ERR_OK)
        e = day_read(c, &l, in->date, l.today + 1, &day);
    if (e != ERR_OK)
        return e;
    if (l.analysis) {
        mission_make_queries(c, day, &args, q);
        e = store_read(c->conn, c->arena, q, MAKE_QUERIES, c->deadline_us);
        if (e == ERR_OK)
            e = mission_strain_limits(c, &strain, day, minutes, &within, &limits);
        if (e == ERR_OK)
            e = mission_make(c, q, day, &within, false, &made);
    }
    *r = (struct preview){
        .preview = true,
        .recovery = within.recovery,
        .day = day,
        .objectives = made.objectives,
        .limits = limits,
        .minutes = made.minutes,
        .target = minutes,
        .breakdown = {made.high_yield, made.objectives.n, made.due, made.fresh},
        .reason = made.reason,
    };
    c->reply = r;
    return e;
}

/* ---- POST learning/mission/generate, POST learning/mission/{id}/regenerate ---- */

struct generate {
    struct mission_claim claim; /* of the mission that is replaced */
    struct str path;            /* of regenerate */
    struct str user_id, date;
    int32_t minutes;
    bool regenerate, only_weak;
    /* kept until the events are stored */
    char id[40];
    struct made_mission made;
    struct plan_day within;
    struct list limits;
    struct event events[2];
};
static const struct field regenerate_path[] = {
    FIELD(F_STR, struct generate, path, "id", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "mission to replace"),
    FIELD_END,
};
#define TARGET_FIELD                                                                          \
    FIELD_MISSION_VERSION(struct generate),                                                   \
    FIELD(F_I32, struct generate, minutes, "targetMinutes", .min = MINUTES_MIN,               \
          .max = MINUTES_MAX,                                                                 \
          .doc = "time to fill, to within a twentieth; the learner's setting when left out"), \
        FIELD(F_BOOL, struct generate, only_weak, "prioritizeWeakAreas",                      \
              .doc = "only what has not gone well so far")
static const struct field generate_body[] = {
    FIELD_USER_ID(struct generate),
    FIELD(F_STR, struct generate, date, "date", .min = 1, .max = 40,
          .doc = "day or instant; today when left out"),
    TARGET_FIELD,
    FIELD(F_BOOL, struct generate, regenerate, "regenerate",
          .doc = "replace the day's mission if there is one that is not completed"),
    FIELD_END,
};
static const struct field regenerate_body[] = {TARGET_FIELD, FIELD_END};

static enum err generated(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    struct generate *in = c->in;
    struct mission_shown *r;

    for (int32_t i = 0; i < n; i++)
        if (results[i].status == INGEST_REJECTED)
            return event_refused(c, &results[i]);
    enum err e = show(c, str_from(in->id), &r);
    if (e != ERR_OK)
        return e;
    /* Somebody else's choice when another call was faster. */
    bool ours = results[n - 1].status == INGEST_ACCEPTED;
    r->message = ours ? STR("The mission is made.") : STR("The day has a mission already.");
    if (ours) {
        r->made = in->made.objectives;
        r->reason = in->made.reason;
        r->recovery = in->within.recovery;
        r->limits = in->limits;
    }
    r->created = ours;
    return ERR_OK;
}

static struct str created_data(struct api_call *c, int32_t day, const struct made_mission *m)
{
    const struct made_objective *o = m->objectives.p;
    char date[DATE_TEXT_MAX];
    struct json_writer w;
    struct buf b;

    buf_init(&b, PLAN_TEXT);
    json_writer_init(&w, &b);
    json_object(&w);
    date_print(day, date);
    json_kv_str(&w, "date", str_from(date));
    json_kv_i64(&w, "estimatedMinutes", m->minutes);
    json_kv_i64(&w, "reviewCardCount", m->due);
    json_kv_i64(&w, "newContentCount", m->fresh);
    json_name(&w, STR("objectives"));
    json_array(&w);
    for (int32_t i = 0; i < m->objectives.n; i++) {
        json_object(&w);
        json_kv_str(&w, "objectiveId", o[i].id);
        json_kv_i64(&w, "estimatedMinutes", o[i].minutes);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    struct str text = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

/* The events that make the day's `number`th mission, in the place of `old` if there is one. */
static enum err send_mission(struct api_call *c, int32_t day, int32_t number,
                             const struct mission *old)
{
    struct generate *in = c->in;
    char date[DATE_TEXT_MAX];
    int32_t n = 0;

    date_print(day, date);
    if (number > 1)
        snprintf(in->id, sizeof in->id, "mission-%s-%d", date, number);
    else
        snprintf(in->id, sizeof in->id, "mission-%s", date);
    struct event *e = &in->events[n];
    if (old) {
        mission_event(c, e, EVENT_MISSION_SKIPPED, old->id);
        e->id = arena_printf(c->arena, "%s/replaces", in->id);
        if (!e->id.p)
            return ERR_NOMEM;
        e = &in->events[++n];
    }
    mission_event(c, e, EVENT_MISSION_CREATED, str_from(in->id));
    e->id = arena_printf(c->arena, "%s/created", in->id);
    e->data = created_data(c, day, &in->made);
    if (!e->id.p || !e->data.p)
        return ERR_NOMEM;
    return old ? mission_change(c, &in->claim, old->id, in->events, n + 1, generated)
               : api_ingest(c, in->events, n + 1, generated);
}

static enum err refuse_disabled(struct api_call *c)
{
    return api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT, STR_ARG(reason_disabled));
}

/* Reads the day's missions and what one is made of, and makes it. */
static enum err make(struct api_call *c, const struct mission_strain *strain, int32_t day,
                     int32_t minutes, struct rows *ret_day)
{
    struct generate *in = c->in;
    struct query q[1 + MAKE_QUERIES];
    struct make_args args;

    mission_make_queries(c, day, &args, q + 1);
    enum err e = day_missions(c, day, q, 1 + MAKE_QUERIES);
    if (e == ERR_OK)
        e = mission_strain_limits(c, strain, day, in->minutes > 0 ? in->minutes : minutes,
                                  &in->within, &in->limits);
    if (e == ERR_OK)
        e = mission_make(c, q + 1, day, &in->within, in->only_weak, &in->made);
    *ret_day = q[0].rows;
    return e;
}

static enum err nothing_to_do(struct api_call *c)
{
    const struct generate *in = c->in;
    return api_refuse(c, ERR_UNPROCESSABLE, "NOTHING_TO_STUDY", STR_FMT, STR_ARG(in->made.reason));
}

static enum err post_generate(struct api_call *c)
{
    struct generate *in = c->in;
    struct mission present, *old = NULL;
    struct rows rows;
    struct learner l;
    struct mission_shown *r;
    struct mission_strain strain;
    int32_t minutes, day;
    enum err e = settings_read(c, NULL, &l, &minutes, &strain);

    if (e == ERR_OK)
        e = day_read(c, &l, in->date, l.today, &day);
    if (e == ERR_OK && !l.analysis)
        e = refuse_disabled(c);
    if (e == ERR_OK)
        e = make(c, &strain, day, minutes, &rows);
    if (e != ERR_OK)
        return e;
    if (rows.count > 0) {
        present = mission_read(columns_of(&rows, 0));
        if (!mission_is(&present, "SKIPPED"))
            old = &present;
    }
    if (old && in->regenerate && mission_is(old, "COMPLETED"))
        return api_refuse(c, ERR_CONFLICT, "MISSION_COMPLETED",
                          "The day's mission is completed already.");
    if (old && !in->regenerate) {
        e = show(c, old->id, &r);
        if (e == ERR_OK)
            r->message = STR("The day has a mission already.");
        return e;
    }
    if (in->made.objectives.n == 0)
        return nothing_to_do(c);
    return send_mission(c, day, rows.count + 1, old);
}

static enum err post_regenerate(struct api_call *c)
{
    struct generate *in = c->in;
    const struct value args[] = {V_S(c->learner), V_S(in->path)};
    struct query q = {.stmt = STMT_MISSION_FULL, .args = args, .arg_count = 2};
    struct mission_strain strain;
    struct mission old;
    struct rows rows;
    struct learner l;
    int32_t minutes;
    enum err e = settings_read(c, &q, &l, &minutes, &strain);

    if (e == ERR_OK && q.rows.count == 0)
        e = api_refuse(c, ERR_NOT_FOUND, "MISSION_NOT_FOUND", "There is no such mission.");
    if (e == ERR_OK && !l.analysis)
        e = refuse_disabled(c);
    if (e != ERR_OK)
        return e;
    old = mission_read(columns_of(&q.rows, 0));
    if (mission_is(&old, "COMPLETED") || mission_is(&old, "SKIPPED"))
        return api_refuse(c, ERR_CONFLICT, "MISSION_CLOSED",
                          "The mission is " STR_FMT " and is not replaced.", STR_ARG(old.status));
    e = make(c, &strain, old.day, minutes, &rows);
    if (e != ERR_OK)
        return e;
    return in->made.objectives.n == 0 ? nothing_to_do(c)
                                      : send_mission(c, old.day, rows.count + 1, &old);
}

/* ---- PATCH learning/mission/{id}/objectives/{objectiveId}/complete ---- */

struct tick {
    struct mission_claim claim;
    struct str id, objective, notes;
    struct event events[2];
};
static const struct field tick_path[] = {
    FIELD(F_STR, struct tick, id, "id", .flags = FIELD_REQUIRED, .min = 1, .max = EVENT_ID_MAX,
          .doc = "mission"),
    FIELD(F_STR, struct tick, objective, "objectiveId", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "objective"),
    FIELD_END,
};
static const struct field tick_body[] = {
    FIELD_MISSION_VERSION(struct tick),
    FIELD(F_STR, struct tick, notes, "notes", .flags = FIELD_NULLABLE, .max = 1000,
          .doc = "the learner's note"),
    FIELD_END,
};

struct tick_progress {
    int64_t completed, total, percentage;
    bool all;
};
static const struct field tick_progress_fields[] = {
    FIELD(F_I64, struct tick_progress, completed, "completed", .doc = "objectives done"),
    FIELD(F_I64, struct tick_progress, total, "total", .doc = "objectives planned"),
    FIELD(F_I64, struct tick_progress, percentage, "percentage", .min = 0, .max = 100,
          .doc = "the same in percent"),
    FIELD(F_BOOL, struct tick_progress, all, "allComplete", .doc = "is nothing left?"),
    FIELD_END,
};
struct ticked {
    const struct planned_objective *objective, *next;
    const struct mission *mission;
    struct tick_progress progress;
};
static const struct field ticked_reply[] = {
    FIELD(F_OBJECT, struct ticked, objective, "objective", .flags = FIELD_POINTER,
          .sub = planned_fields, .size = sizeof(struct planned_objective), .doc = "as it is now"),
    FIELD(F_OBJECT, struct ticked, mission, "mission", .flags = FIELD_POINTER,
          .sub = mission_fields, .size = sizeof(struct mission), .doc = "as it is now"),
    FIELD(F_OBJECT, struct ticked, progress, "progress", .sub = tick_progress_fields,
          .size = sizeof(struct tick_progress), .doc = "how far the mission has come"),
    FIELD(F_OBJECT, struct ticked, next, "nextObjective", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = planned_fields, .size = sizeof(struct planned_objective),
          .doc = "what comes next"),
    FIELD_END,
};

static const struct planned_objective *objective_of(const struct mission_shown *s, struct str id)
{
    const struct planned_objective *p = s->objectives.p;

    for (int32_t i = 0; i < s->objectives.n; i++)
        if (str_eq(p[i].id, id))
            return &p[i];
    return NULL;
}

static enum err show_ticked(struct api_call *c, const struct mission_shown *s)
{
    const struct tick *in = c->in;
    struct ticked *r = arena_new(c->arena, struct ticked, 1);

    if (!r)
        return ERR_NOMEM;
    r->objective = objective_of(s, in->objective);
    if (!r->objective)
        return ERR_INTERNAL;
    r->mission = s->mission;
    r->next = planned_next(&s->objectives);
    r->progress = (struct tick_progress){s->progress.completed, s->progress.total,
                                         s->progress.percentage, r->next == NULL};
    c->reply = r;
    return ERR_OK;
}

static enum err closed(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    const struct tick *in = c->in;
    struct mission_shown *s;

    (void)n;
    if (results[0].status == INGEST_REJECTED)
        return event_refused(c, &results[0]);
    enum err e = show(c, in->id, &s);
    return e == ERR_OK ? show_ticked(c, s) : e;
}

/* Whoever sees that nothing is left closes the mission: of two at once both may, and one counts. */
static enum err close_or_show(struct api_call *c, const struct mission_shown *s)
{
    struct tick *in = c->in;

    if (planned_next(&s->objectives) || mission_is(s->mission, "COMPLETED"))
        return show_ticked(c, s);
    enum err e = mission_close_event(c, in->id, s->mission->session_ms, &in->events[0]);
    return e == ERR_OK ? api_ingest(c, &in->events[0], 1, closed) : e;
}

static enum err ticked(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    const struct tick *in = c->in;
    struct mission_shown *s;

    for (int32_t i = 0; i < n; i++)
        if (results[i].status == INGEST_REJECTED)
            return event_refused(c, &results[i]);
    enum err e = show(c, in->id, &s);
    return e == ERR_OK ? close_or_show(c, s) : e;
}

static enum err note_data(struct api_call *c, struct str notes, struct str *ret)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, EVENT_DATA_MAX);
    json_writer_init(&w, &b);
    json_object(&w);
    json_kv_str(&w, "notes", notes);
    json_object_end(&w);
    *ret = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return ret->p ? ERR_OK : ERR_NOMEM;
}

static enum err patch_objective(struct api_call *c)
{
    struct tick *in = c->in;
    struct query q[1 + MISSION_PARTS];
    struct mission_parts_args a;
    struct learner l;
    struct mission_shown *s;
    int32_t n = 0;

    mission_parts_queries(c, in->id, &a, q + 1);
    enum err e = learner_read(c, q, 1 + MISSION_PARTS, &l);
    if (e == ERR_OK)
        e = mission_parts_show(c, q + 1, &s);
    if (e != ERR_OK)
        return e;
    const struct planned_objective *o = objective_of(s, in->objective);
    if (!o)
        return api_refuse(c, ERR_NOT_FOUND, "OBJECTIVE_NOT_FOUND",
                          "The mission has no such objective.");
    if (mission_is(s->mission, "SKIPPED"))
        return api_refuse(c, ERR_CONFLICT, "MISSION_CLOSED",
                          "The mission was dropped or replaced.");
    if (o->completed) {
        e = mission_claim_check(c, &in->claim, s->mission->version);
        return e == ERR_OK ? close_or_show(c, s) : e;
    }
    if (s->mission->started_at == TIME_NONE)
        mission_event(c, &in->events[n++], EVENT_MISSION_STARTED, in->id);
    struct event *event = &in->events[n++];
    mission_event(c, event, EVENT_OBJECTIVE_COMPLETED, in->id);
    event->objective = in->objective;
    if (in->notes.p && in->notes.n > 0)
        e = note_data(c, in->notes, &event->data);
    return e == ERR_OK ? mission_change(c, &in->claim, in->id, in->events, n, ticked) : e;
}

#define ONE(e) (UINT64_C(1) << (e))
#define MISSIONS .tag = "missions", .envelope = ENVELOPE_DATA, .run = RUN_SMALL
#define READS \
    .method = HTTP_GET, .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .errors = ONE(ERR_NOT_FOUND)
#define CHANGES                              \
    .scopes = SCOPE_WRITE, .round_trips = 3, \
    .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT) | ONE(ERR_UNPROCESSABLE)

const struct endpoint endpoints_missions[] = {
    {MISSIONS, CHANGES, .method = HTTP_POST, .path = "/api/learning/mission/generate",
     .id = "generate_mission", .summary = "Make the mission of a day", .learner = LEARNER_BODY,
     .body = generate_body, .body_optional = true, .in_size = sizeof(struct generate),
     .reply = generated_reply, .repeats = true, .handler = post_generate},
    {MISSIONS, READS, .round_trips = 3, .path = "/api/learning/mission/today",
     .id = "get_mission_today", .summary = "Today's mission", .reply = shown_reply,
     .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_today},
    {MISSIONS, READS, .round_trips = 2, .path = "/api/learning/mission/preview",
     .id = "preview_mission", .summary = "The mission that a day would get", .query = preview_query,
     .in_size = sizeof(struct preview_query), .reply = preview_reply,
     .cache = {.fresh_s = 300, .stale_s = 600}, .handler = get_preview},
    {MISSIONS, READS, .round_trips = 1, .path = "/api/learning/mission/{id}", .id = "get_mission",
     .summary = "One mission with its plan and sessions", .params = mission_path,
     .in_size = sizeof(struct mission_path), .reply = shown_reply,
     .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_mission},
    {MISSIONS, READS, .round_trips = 1, .path = "/api/missions/{id}", .id = "get_missions_mission",
     .summary = "As /api/learning/mission/{id}", .params = mission_path,
     .in_size = sizeof(struct mission_path), .reply = shown_reply,
     .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_mission},
    {MISSIONS, CHANGES, .method = HTTP_POST, .path = "/api/learning/mission/{id}/regenerate",
     .id = "regenerate_mission", .summary = "Replace a mission that is not completed",
     .learner = LEARNER_QUERY, .params = regenerate_path, .body = regenerate_body,
     .body_optional = true, .in_size = sizeof(struct generate), .reply = generated_reply,
     .repeats = true, .handler = post_regenerate},
    {MISSIONS, CHANGES, .method = HTTP_PATCH,
     .path = "/api/learning/mission/{id}/objectives/{objectiveId}/complete",
     .id = "complete_mission_objective", .summary = "Complete an objective of a mission",
     .learner = LEARNER_QUERY, .params = tick_path, .body = tick_body, .body_optional = true,
     .in_size = sizeof(struct tick), .reply = ticked_reply, .handler = patch_objective},
    {.path = NULL},
};
