#include "api/session_write.h"

#include "api/call.h"
#include "api/mission_row.h"
#include "base/rng.h"
#include "json/reader.h"

#include <math.h>
#include <stdio.h>

enum { NOTES_CHARS_MAX = 1000, NOTES_BYTES_MAX = 4 * NOTES_CHARS_MAX, DEPTH_MAX = 16 };

/* ---- shared steps ---- */

/* Reads the learner and the session; ERR_NOT_FOUND when it is not this learner's. */
static enum err session_load(struct api_call *c, struct str id, struct query *q, int32_t count,
                             struct session_row *ret)
{
    struct learner l;
    enum err e = learner_read(c, q, count, &l);

    if (e != ERR_OK)
        return e;
    if (q[1].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "SESSION_NOT_FOUND", "There is no session " STR_FMT ".",
                          STR_ARG(id));
    return session_row_read(c, columns_of(&q[1].rows, 0), ret);
}

static enum err session_load_alone(struct api_call *c, struct str id, struct session_row *ret)
{
    const struct value args[] = {V_S(c->learner), V_S(id)};
    struct query q[2] = {[1] = {.stmt = STMT_SESSION_ONE, .args = args, .arg_count = 2}};

    return session_load(c, id, q, 2, ret);
}

static enum err refuse_completed(struct api_call *c)
{
    return api_refuse(c, ERR_CONFLICT, "SESSION_ALREADY_COMPLETED",
                      "The session is already completed.");
}

static void session_event_init(struct event *e, struct api_call *c, enum event_kind kind,
                               struct str session)
{
    event_init(e);
    e->learner = c->learner;
    e->at = c->now_us;
    e->kind = kind;
    e->session = session;
}

/* A small JSON object for an event's data, in the arena. */
struct data {
    struct buf buf;
    struct json_writer w;
};

static void data_begin(struct data *d)
{
    buf_init(&d->buf, EVENT_DATA_MAX);
    json_writer_init(&d->w, &d->buf);
    json_object(&d->w);
}

/* {NULL,0}: too long, or no memory. */
static struct str data_end(struct data *d, struct arena *arena)
{
    json_object_end(&d->w);
    struct str text = d->buf.failed ? (struct str){NULL, 0} : arena_str(arena, buf_view(&d->buf));
    buf_fini(&d->buf);
    return text;
}

static enum err check_notes(struct api_call *c, struct str notes)
{
    int32_t characters = 0;

    for (size_t i = 0; i < notes.n; i++)
        characters += ((unsigned char)notes.p[i] & 0xc0) != 0x80; /* not a continuation byte */
    if (characters <= NOTES_CHARS_MAX)
        return ERR_OK;
    return api_bad_field(c, "notes", "too_big", "must be at most %d characters", NOTES_CHARS_MAX);
}

/* ---- pause, resume, notes: {"session":…,"message":…} ---- */

struct changed {
    struct session_shown session;
    struct str message;
};
const struct field changed_reply[] = {
    FIELD(F_OBJECT, struct changed, session, "session", .sub = session_shown_fields,
          .size = sizeof(struct session_shown), .doc = "the session as it is now"),
    FIELD(F_STR, struct changed, message, "message", .doc = "what was done"),
    FIELD_END,
};

static enum err show_changed(struct api_call *c, const struct session_row *row, const char *message)
{
    struct changed *r = arena_new(c->arena, struct changed, 1);

    if (!r)
        return ERR_NOMEM;
    r->session = (struct session_shown){.row = *row, .mission = row->mission};
    r->message = str_from(message);
    c->reply = r;
    return ERR_OK;
}

static enum err changed(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    const struct session_change *in = c->in;
    struct session_row row;

    (void)n;
    if (results[0].status == INGEST_REJECTED)
        return event_refused(c, &results[0]);
    enum err e = session_load_alone(c, in->path.id, &row);
    return e == ERR_OK ? show_changed(c, &row, in->message) : e;
}

/* To pause what is paused changes nothing, and is no error: the wish is fulfilled. */
static enum err change_state(struct api_call *c, enum session_state wanted, enum event_kind kind,
                             const char *message)
{
    struct session_change *in = c->in;
    struct session_row row;
    enum err e = session_load_alone(c, in->path.id, &row);

    if (e != ERR_OK)
        return e;
    if (row.state == SESSION_COMPLETED)
        return refuse_completed(c);
    if (row.state == (int32_t)wanted)
        return show_changed(c, &row, message);
    in->message = message;
    session_event_init(&in->event, c, kind, in->path.id);
    return api_ingest(c, &in->event, 1, changed);
}

enum err patch_pause(struct api_call *c)
{
    return change_state(c, SESSION_PAUSED, EVENT_SESSION_PAUSED, "The session is paused.");
}

enum err patch_resume(struct api_call *c)
{
    return change_state(c, SESSION_ACTIVE, EVENT_SESSION_RESUMED, "The session goes on.");
}

const struct field notes_body[] = {
    FIELD(F_STR, struct session_notes, notes, "notes", .flags = FIELD_REQUIRED,
          .max = NOTES_BYTES_MAX,
          .doc = "at most 1,000 characters; replaces the note; empty text clears it"),
    FIELD_END,
};

enum err patch_notes(struct api_call *c)
{
    struct session_notes *in = c->in;
    struct session_row row;
    struct data d;
    enum err e = check_notes(c, in->notes);

    if (e == ERR_OK)
        e = session_load_alone(c, in->change.path.id, &row);
    if (e != ERR_OK)
        return e;
    in->change.message = "The note is kept.";
    session_event_init(&in->change.event, c, EVENT_SESSION_NOTED, in->change.path.id);
    data_begin(&d);
    json_kv_str(&d.w, "notes", in->notes);
    in->change.event.data = data_end(&d, c->arena);
    return in->change.event.data.p ? api_ingest(c, &in->change.event, 1, changed) : ERR_NOMEM;
}

/* ---- complete ---- */

const struct field complete_body[] = {
    FIELD(F_I64, struct session_complete, paused_ms, "pausedDurationMs", .min = 0,
          .max = EVENT_DURATION_MS_MAX, .def = "0",
          .doc = "pauses that were not told by pause and resume"),
    FIELD_END,
};

struct complete_stats {
    int64_t duration;
    struct str formatted;
    int64_t reviews, new_cards, answers;
    struct str cards_per_minute;
};
static const struct field complete_stats_fields[] = {
    FIELD(F_I64, struct complete_stats, duration, "duration", .doc = "study time in ms"),
    FIELD(F_STR, struct complete_stats, formatted, "durationFormatted", .doc = "HH:MM:SS"),
    FIELD(F_I64, struct complete_stats, reviews, "reviewsCompleted", .doc = "cards reviewed"),
    FIELD(F_I64, struct complete_stats, new_cards, "newCardsStudied",
          .doc = "cards whose first review ever lies here"),
    FIELD(F_I64, struct complete_stats, answers, "answers", .doc = "items answered"),
    FIELD(F_STR, struct complete_stats, cards_per_minute, "cardsPerMinute", .flags = FIELD_NULLABLE,
          .doc = "reviews and answers a minute, as text with one decimal; null without study time"),
    FIELD_END,
};

struct completed {
    struct changed changed;
    struct complete_stats stats;
};
const struct field complete_reply[] = {
    FIELD(F_OBJECT, struct completed, changed, "changed", .flags = FIELD_FLAT, .sub = changed_reply,
          .size = sizeof(struct changed), .doc = "the session"),
    FIELD(F_OBJECT, struct completed, stats, "stats", .sub = complete_stats_fields,
          .size = sizeof(struct complete_stats), .doc = "what was done in it"),
    FIELD_END,
};

static enum err completed(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    const struct session_complete *in = c->in;
    struct session_row row;

    (void)n;
    if (results[0].status == INGEST_REJECTED)
        return event_refused(c, &results[0]);
    enum err e = session_load_alone(c, in->change.path.id, &row);
    struct completed *r = arena_new(c->arena, struct completed, 1);
    if (e != ERR_OK || !r)
        return e != ERR_OK ? e : ERR_NOMEM;

    int64_t s = row.duration_ms / 1000;
    r->changed.session = (struct session_shown){.row = row, .mission = row.mission};
    r->changed.message = STR("The session is completed.");
    r->stats = (struct complete_stats){
        .duration = row.duration_ms,
        .formatted = arena_printf(c->arena, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60),
                                  (int)(s % 60)),
        .reviews = row.reviews,
        .new_cards = row.new_cards,
        .answers = row.answers,
    };
    if (row.duration_ms > 0)
        r->stats.cards_per_minute =
            arena_printf(c->arena, "%.1f",
                         (double)(row.reviews + row.answers) * 60000 / (double)row.duration_ms);
    c->reply = r;
    return r->stats.formatted.p ? ERR_OK : ERR_NOMEM;
}

enum err patch_complete(struct api_call *c)
{
    struct session_complete *in = c->in;
    struct session_row row;
    struct data d;
    enum err e = session_load_alone(c, in->change.path.id, &row);

    if (e != ERR_OK)
        return e;
    if (row.state == SESSION_COMPLETED)
        return refuse_completed(c);
    session_event_init(&in->change.event, c, EVENT_SESSION_COMPLETED, in->change.path.id);
    data_begin(&d);
    json_kv_i64(&d.w, "pausedMs", in->paused_ms);
    in->change.event.data = data_end(&d, c->arena);
    return in->change.event.data.p ? api_ingest(c, &in->change.event, 1, completed) : ERR_NOMEM;
}

/* ---- start ---- */

const struct field start_body[] = {
    FIELD_USER_ID(struct session_begin),
    FIELD(F_STR, struct session_begin, mission, "missionId", .flags = FIELD_NULLABLE, .min = 1,
          .max = EVENT_ID_MAX, .doc = "mission that the session serves"),
    FIELD_END,
};

struct started {
    struct session_shown session;
    const struct planned_objective *current;
    const struct progress *progress;
    struct str message;
};
const struct field start_reply[] = {
    FIELD(F_OBJECT, struct started, session, "session", .sub = session_shown_fields,
          .size = sizeof(struct session_shown), .doc = "the new session"),
    FIELD(F_OBJECT, struct started, current, "currentObjective",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = planned_fields,
          .size = sizeof(struct planned_objective), .doc = "with what to begin"),
    FIELD(F_OBJECT, struct started, progress, "missionProgress",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = progress_fields,
          .size = sizeof(struct progress), .doc = "of the mission"),
    FIELD(F_STR, struct started, message, "message", .doc = "what was done"),
    FIELD_END,
};

static void uuid4(char out[SESSION_ID_TEXT])
{
    uint8_t b[16];

    random_bytes(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(out, SESSION_ID_TEXT,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

/* {"objectives":[{"objectiveId":…,"estimatedMinutes":…},…]} */
static struct str plan_json(struct api_call *c, const struct list *plan)
{
    const struct planned_objective *p = plan->p;
    struct data d;

    data_begin(&d);
    json_name(&d.w, STR("objectives"));
    json_array(&d.w);
    for (int32_t i = 0; i < plan->n; i++) {
        json_object(&d.w);
        json_kv_str(&d.w, "objectiveId", p[i].id);
        if (p[i].estimated_minutes != INT64_MIN)
            json_kv_i64(&d.w, "estimatedMinutes", p[i].estimated_minutes);
        json_object_end(&d.w);
    }
    json_array_end(&d.w);
    return data_end(&d, c->arena);
}

static enum err started(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    const struct session_begin *in = c->in;
    const struct value args[] = {V_S(c->learner), V_S(in->event.session)};
    struct query q[3] = {
        [1] = {.stmt = STMT_SESSION_ONE, .args = args, .arg_count = 2},
        [2] = {.stmt = STMT_SESSION_MISSION_OBJECTIVES, .args = args, .arg_count = 2},
    };
    struct started *r = arena_new(c->arena, struct started, 1);
    struct session_row row;
    struct list plan;

    (void)n;
    if (!r)
        return ERR_NOMEM;
    if (results[0].status == INGEST_REJECTED)
        return event_refused(c, &results[0]);
    enum err e = session_load(c, in->event.session, q, 3, &row);
    if (e == ERR_OK)
        e = planned_read(c, &q[2].rows, &plan);
    if (e != ERR_OK)
        return e;
    r->session = (struct session_shown){.row = row, .mission = row.mission};
    r->current = planned_next(&plan);
    r->progress = progress_of(c->arena, &plan);
    r->message = STR("The session has begun.");
    c->reply = r;
    return ERR_OK;
}

enum err post_session(struct api_call *c)
{
    struct session_begin *in = c->in;
    const struct value args[] = {V_S(c->learner), v_text(in->mission)};
    struct query q[3] = {
        [1] = {.stmt = STMT_MISSION_ONE, .args = args, .arg_count = 2},
        [2] = {.stmt = STMT_MISSION_OBJECTIVE_LIST, .args = args, .arg_count = 2},
    };
    struct learner l;
    struct list plan;
    enum err e = learner_read(c, q, 3, &l);

    if (e == ERR_OK && in->mission.p && q[1].rows.count == 0)
        e = api_refuse(c, ERR_NOT_FOUND, "MISSION_NOT_FOUND", "There is no such mission.");
    if (e == ERR_OK)
        e = planned_read(c, &q[2].rows, &plan);
    if (e != ERR_OK)
        return e;
    uuid4(in->id);
    session_event_init(&in->event, c, EVENT_SESSION_STARTED, str_from(in->id));
    if (in->mission.p) {
        in->event.mission = in->mission;
        in->event.data = plan_json(c, &plan);
        if (!in->event.data.p)
            return ERR_NOMEM;
    }
    return api_ingest(c, &in->event, 1, started);
}

/* ---- an objective is completed ---- */

const struct field objective_path[] = {
    FIELD(F_STR, struct session_objective, path.id, "id", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "session"),
    FIELD(F_STR, struct session_objective, objective, "objectiveId", .flags = FIELD_REQUIRED,
          .min = 1, .max = EVENT_ID_MAX, .doc = "objective"),
    FIELD_END,
};
const struct field objective_body[] = {
    FIELD(F_I32, struct session_objective, self_assessment, "selfAssessment",
          .flags = FIELD_REQUIRED, .min = 1, .max = 5, .doc = "how well it is understood"),
    FIELD(F_I32, struct session_objective, confidence, "confidenceRating", .flags = FIELD_REQUIRED,
          .min = 1, .max = 5, .doc = "how sure the learner is"),
    FIELD(F_I64, struct session_objective, spent_ms, "timeSpentMs", .flags = FIELD_REQUIRED,
          .min = 0, .max = EVENT_DURATION_MS_MAX, .doc = "time it took"),
    FIELD(F_STR, struct session_objective, notes, "notes", .flags = FIELD_NULLABLE,
          .max = NOTES_BYTES_MAX, .doc = "the learner's note, at most 1,000 characters"),
    FIELD(F_I64, struct session_objective, clinical_ms, "clinicalScenarioTime", .min = 0,
          .max = EVENT_DURATION_MS_MAX,
          .seen = 1 + (uint32_t)offsetof(struct session_objective, clinical_given),
          .doc = "of this, on scenarios"),
    FIELD_END,
};

struct session_progress {
    int64_t completed, total;
};
static const struct field session_progress_fields[] = {
    FIELD(F_I64, struct session_progress, completed, "completedObjectives",
          .doc = "done in this session"),
    FIELD(F_I64, struct session_progress, total, "totalObjectives", .doc = "planned for it"),
    FIELD_END,
};
struct objective_done {
    const struct planned_objective *next;
    const struct progress *mission;
    struct session_progress session;
};
const struct field objective_reply[] = {
    FIELD(F_OBJECT, struct objective_done, next, "nextObjective",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = planned_fields,
          .size = sizeof(struct planned_objective), .doc = "null when the plan is done"),
    FIELD(F_OBJECT, struct objective_done, mission, "missionProgress",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = progress_fields,
          .size = sizeof(struct progress), .doc = "of the mission, if there is one"),
    FIELD(F_OBJECT, struct objective_done, session, "sessionProgress",
          .sub = session_progress_fields, .size = sizeof(struct session_progress),
          .doc = "of the session"),
    FIELD_END,
};

struct objective_seen {
    struct session_row row;
    struct list plan, mission;
    int64_t mission_ms; /* study time of the mission's sessions */
};

static enum err objective_load(struct api_call *c, struct objective_seen *seen)
{
    const struct session_objective *in = c->in;
    const struct value args[] = {V_S(c->learner), V_S(in->path.id)};
    struct query q[5] = {
        [1] = {.stmt = STMT_SESSION_ONE, .args = args, .arg_count = 2},
        [2] = {.stmt = STMT_SESSION_OBJECTIVE_LIST, .args = args, .arg_count = 2},
        [3] = {.stmt = STMT_SESSION_MISSION_OBJECTIVES, .args = args, .arg_count = 2},
        [4] = {.stmt = STMT_SESSION_MISSION_SESSIONS, .args = args, .arg_count = 2},
    };
    enum err e = session_load(c, in->path.id, q, 5, &seen->row);

    if (e == ERR_OK)
        e = planned_read(c, &q[2].rows, &seen->plan);
    if (e == ERR_OK)
        e = planned_read(c, &q[3].rows, &seen->mission);
    seen->mission_ms = 0;
    for (int32_t i = 0; e == ERR_OK && i < q[4].rows.count; i++)
        seen->mission_ms += mission_session_read(columns_of(&q[4].rows, i)).duration_ms;
    return e;
}

/* The objective is done, whatever became of this. */
static enum err mission_closed(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    (void)c;
    (void)results;
    (void)n;
    return ERR_OK;
}

static int32_t planned_count(const struct list *planned)
{
    const struct planned_objective *p = planned->p;
    int32_t n = 0;

    for (int32_t i = 0; i < planned->n; i++)
        n += p[i].position != INT64_MIN;
    return n;
}

/* With the last objective of its mission a session has completed the mission, too. */
static enum err close_mission(struct api_call *c, const struct objective_seen *seen)
{
    struct session_objective *in = c->in;
    const struct session_mission *m = seen->row.mission;

    if (!m || planned_count(&seen->mission) == 0 || planned_next(&seen->mission) ||
        str_eq(m->status, STR("COMPLETED")) || str_eq(m->status, STR("SKIPPED")))
        return ERR_OK;
    enum err e = mission_close_event(c, m->id, seen->mission_ms, &in->events[0]);
    return e == ERR_OK ? api_ingest(c, &in->events[0], 1, mission_closed) : e;
}

static enum err objective_done(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    struct objective_done *r = arena_new(c->arena, struct objective_done, 1);
    struct objective_seen seen;

    (void)n;
    if (!r)
        return ERR_NOMEM;
    if (results[0].status == INGEST_REJECTED)
        return event_refused(c, &results[0]);
    enum err e = objective_load(c, &seen);
    if (e != ERR_OK)
        return e;
    r->next = planned_next(&seen.plan);
    r->mission = progress_of(c->arena, &seen.mission);
    r->session = (struct session_progress){seen.row.objectives_done, seen.row.objectives_total};
    c->reply = r;
    return close_mission(c, &seen);
}

/* Of a session with a plan, only planned objectives can be completed, each once. */
static enum err check_objective(struct api_call *c, const struct session_row *row,
                                const struct list *plan, struct str objective)
{
    const struct planned_objective *p = plan->p, *found = NULL;

    if (row->state == SESSION_COMPLETED)
        return refuse_completed(c);
    for (int32_t i = 0; i < plan->n; i++)
        if (str_eq(p[i].id, objective))
            found = &p[i];
    if (!found && row->objectives_total > 0)
        return api_refuse(c, ERR_NOT_FOUND, "OBJECTIVE_NOT_FOUND",
                          "The session's plan has no such objective.");
    if (found && found->completed)
        return api_refuse(c, ERR_CONFLICT, "OBJECTIVE_ALREADY_COMPLETED",
                          "The objective is already completed in this session.");
    return ERR_OK;
}

enum err post_objective_complete(struct api_call *c)
{
    struct session_objective *in = c->in;
    struct objective_seen seen;
    struct data d;
    int32_t n = 0;
    enum err e = check_notes(c, in->notes);

    if (e == ERR_OK)
        e = objective_load(c, &seen);
    if (e == ERR_OK)
        e = check_objective(c, &seen.row, &seen.plan, in->objective);
    if (e != ERR_OK)
        return e;
    struct event *event = &in->events[n++];
    session_event_init(event, c, EVENT_OBJECTIVE_COMPLETED, in->path.id);
    event->objective = in->objective;
    event->mission = seen.row.mission_id;
    event->duration_ms = in->spent_ms;
    if (seen.row.mission && str_eq(seen.row.mission->status, STR("PENDING")))
        mission_event(c, &in->events[n++], EVENT_MISSION_STARTED, seen.row.mission_id);
    data_begin(&d);
    json_kv_i64(&d.w, "selfAssessment", in->self_assessment);
    json_kv_i64(&d.w, "confidenceRating", in->confidence);
    json_kv_i64(&d.w, "timeSpentMs", in->spent_ms);
    if (in->notes.p)
        json_kv_str(&d.w, "notes", in->notes);
    if (in->clinical_given)
        json_kv_i64(&d.w, "clinicalMs", in->clinical_ms);
    event->data = data_end(&d, c->arena);
    return event->data.p ? api_ingest(c, in->events, n, objective_done) : ERR_NOMEM;
}

/* ---- POST analytics/session-event ---- */

enum told { TOLD_PAUSE, TOLD_RESUME, TOLD_OBJECTIVE, TOLD_REVIEW, TOLD_ASSESSMENT };
static const char *const told_names[] = {
    "pause", "resume", "objective_complete", "card_review", "assessment_complete", NULL,
};
static const char *const rating_names[] = {"AGAIN", "HARD", "GOOD", "EASY", NULL};

const struct field session_event_body[] = {
    FIELD_USER_ID(struct session_told),
    FIELD(F_STR, struct session_told, session, "sessionId", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "session"),
    FIELD(F_ENUM, struct session_told, told, "eventType", .flags = FIELD_REQUIRED,
          .names = told_names, .doc = "what happened"),
    FIELD(F_JSON, struct session_told, data, "eventData",
          .doc =
              "an object; objectiveId, cardId, rating, score, timeSpentMs and the like are read"),
    FIELD(F_TIME, struct session_told, at, "timestamp",
          .seen = 1 + (uint32_t)offsetof(struct session_told, at_given), .doc = "now if left out"),
    FIELD_END,
};

/* What is read out of eventData. */
struct told_data {
    struct str objective, card, rating_text;
    int8_t rating; /* 1 to 4; 0: none */
    double score;
    bool score_given;
    int64_t spent_ms, latency_ms;
    bool spent_given, latency_given;
};
#define SEEN(member) .seen = 1 + (uint32_t)offsetof(struct told_data, member)
static const struct field told_data_fields[] = {
    FIELD(F_STR, struct told_data, objective, "objectiveId", .min = 1, .max = EVENT_ID_MAX),
    FIELD(F_STR, struct told_data, card, "cardId", .min = 1, .max = EVENT_ID_MAX),
    FIELD(F_JSON, struct told_data, rating_text, "rating"),
    FIELD(F_F64, struct told_data, score, "score", .min = 0, .max = 1, SEEN(score_given)),
    FIELD(F_I64, struct told_data, spent_ms, "timeSpentMs", .min = 0, .max = EVENT_DURATION_MS_MAX,
          SEEN(spent_given)),
    FIELD(F_I64, struct told_data, latency_ms, "latencyMs", .min = 0, .max = EVENT_DURATION_MS_MAX,
          SEEN(latency_given)),
    FIELD_END,
};

struct event_shown {
    struct str id, user_id, data, kind;
    int32_t told;
    int64_t at;
};
static const struct field event_shown_fields[] = {
    FIELD(F_STR, struct event_shown, id, "id", .doc = "event"),
    FIELD(F_STR, struct event_shown, user_id, "userId", .doc = "learner"),
    FIELD(F_ENUM, struct event_shown, told, "eventType", .names = told_names,
          .doc = "as it was sent"),
    FIELD(F_STR, struct event_shown, kind, "kind", .doc = "kind of event that was kept"),
    FIELD(F_JSON, struct event_shown, data, "eventData", .flags = FIELD_NULLABLE,
          .doc = "as it was sent"),
    FIELD(F_TIME, struct event_shown, at, "timestamp", .doc = "when it happened"),
    FIELD_END,
};
struct session_event_done {
    struct event_shown event;
};
const struct field session_event_reply[] = {
    FIELD(F_OBJECT, struct session_event_done, event, "event", .sub = event_shown_fields,
          .size = sizeof(struct event_shown), .doc = "the event that was kept"),
    FIELD_END,
};

/* AGAIN, HARD, GOOD and EASY, or 1 to 4, as an event has it. */
static enum err read_rating(struct api_call *c, struct told_data *d)
{
    struct str s = d->rating_text;

    if (!s.p || str_eq(s, STR("null")))
        return ERR_OK;
    if (s.n > 2 && s.p[0] == '"')
        s = (struct str){s.p + 1, s.n - 2};
    for (int8_t i = 0; rating_names[i]; i++)
        if (str_eq(s, str_from(rating_names[i])) || (s.n == 1 && s.p[0] == '1' + i))
            d->rating = (int8_t)(i + 1);
    if (d->rating)
        return ERR_OK;
    return api_bad_field(c, "eventData.rating", "invalid_value",
                         "must be AGAIN, HARD, GOOD, EASY, or 1 to 4");
}

static enum err read_told(struct api_call *c, struct str text, struct told_data *ret)
{
    struct field_error error = {.path = ""};
    struct json_reader r;

    *ret = (struct told_data){.rating = 0};
    if (!text.p)
        return ERR_OK;
    if (text.n > EVENT_DATA_MAX)
        return api_bad_field(c, "eventData", "too_big", "must be at most %d bytes", EVENT_DATA_MAX);
    json_reader_init(&r, text, c->arena, DEPTH_MAX);
    enum err e = fields_read_json(told_data_fields, &r, c->arena, ret, NULL, &error);
    if (e == ERR_OK)
        e = json_end(&r);
    if (e == ERR_OK)
        return read_rating(c, ret);
    if (e != ERR_RANGE && e != ERR_SYNTAX)
        return e;
    char path[128];
    snprintf(path, sizeof path, "eventData%s%.100s", error.path[0] ? "." : "", error.path);
    return api_bad_field(c, path, error.code[0] ? error.code : "invalid_type", "%s",
                         error.reason[0] ? error.reason : "must be an object");
}

/* Where the data lacks what a kind needs, the trace is kept as mere activity. */
static enum event_kind kind_of(enum told told, const struct told_data *d)
{
    switch (told) {
    case TOLD_PAUSE:
        return EVENT_SESSION_PAUSED;
    case TOLD_RESUME:
        return EVENT_SESSION_RESUMED;
    case TOLD_OBJECTIVE:
        return d->objective.p ? EVENT_OBJECTIVE_COMPLETED : EVENT_ACTIVITY;
    case TOLD_REVIEW:
        return d->card.p && d->rating ? EVENT_REVIEW : EVENT_ACTIVITY;
    case TOLD_ASSESSMENT:
        return d->score_given ? EVENT_ASSESSMENT : EVENT_ACTIVITY;
    }
    return EVENT_ACTIVITY;
}

static enum err session_event_kept(struct api_call *c, const struct ingest_result *results,
                                   int32_t n)
{
    const struct session_told *in = c->in;
    struct session_event_done *r = arena_new(c->arena, struct session_event_done, 1);

    (void)n;
    if (!r)
        return ERR_NOMEM;
    if (results[0].status == INGEST_REJECTED)
        return event_refused(c, &results[0]);
    r->event = (struct event_shown){
        .id = results[0].id,
        .user_id = c->learner,
        .data = in->data,
        .kind = str_from(event_kind_name(in->event.kind)),
        .told = in->told,
        .at = in->event.at,
    };
    c->reply = r;
    return ERR_OK;
}

/* The writers take any time; what comes from outside is held to the bounds of POST /api/events. */
static enum err check_told_time(struct api_call *c, int64_t at)
{
    int64_t ahead_us = at - c->now_us; /* both lie within the years 1 to 9999 */

    if (at < TIME_MIN)
        return api_bad_field(c, "timestamp", "too_small", "lies before 1990");
    if (ahead_us > c->api->config->event_future_max * US_PER_MS)
        return api_bad_field(c, "timestamp", "too_big", "lies too far in the future");
    return ERR_OK;
}

enum err post_session_event(struct api_call *c)
{
    struct session_told *in = c->in;
    struct session_row row;
    struct told_data d;
    enum err e = read_told(c, in->data, &d);

    if (e == ERR_OK && in->at_given)
        e = check_told_time(c, in->at);
    if (e == ERR_OK)
        e = session_load_alone(c, in->session, &row);
    if (e != ERR_OK)
        return e;
    if (row.state == SESSION_COMPLETED && (in->told == TOLD_PAUSE || in->told == TOLD_RESUME))
        return refuse_completed(c);
    struct event *event = &in->event;
    session_event_init(event, c, kind_of((enum told)in->told, &d), in->session);
    if (in->at_given)
        event->at = in->at;
    event->objective = d.objective;
    event->item = d.card;
    event->rating = d.rating;
    if (d.score_given)
        event->score = d.score;
    if (d.spent_given)
        event->duration_ms = d.spent_ms;
    if (d.latency_given)
        event->latency_ms = d.latency_ms;
    event->data = in->data;
    return api_ingest(c, event, 1, session_event_kept);
}
