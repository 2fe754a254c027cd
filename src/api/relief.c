/* relief - what a learner takes on against too much load: a shorter mission, breaks, simpler or
 * easier work, rest.
 *
 * Each is a row among the interventions, one a mission, session or day, so asking twice does what
 * asking once does. A mission is made shorter by an event, which outlives a rebuild. Nothing here
 * ever raises what is asked of the learner. */
#include "twin/adapt.h"

#include "api/learner.h"
#include "base/assert.h"
#include "base/hash.h"

#include <math.h>

enum {
    PRIORITY = 9,
    BREAK_EVERY = 15, /* minutes, unless said otherwise */
    BREAK_MINUTES = 5,
    REST_DAYS = 3,
    REST_DAYS_MAX = 30,
};
#define FRESH_US US_PER_HOUR /* an older load is not the present one */
#define REDUCED_FROM 60.1    /* who asks for less gets at least what is given above 60 */
#define ZONE_LOW 40.0        /* where work goes well: the middle of the scale */
#define ZONE_HIGH 60.0

enum relief { WORKLOAD, BREAKS, SIMPLER, EASIER, REST };
static const char *const relief_names[] = {"WORKLOAD_REDUCTION",     "BREAK_SCHEDULE_ADJUST",
                                           "CONTENT_SIMPLIFICATION", "DIFFICULTY_REDUCTION",
                                           "MANDATORY_REST",         NULL};
static const char *const messages[] = {
    "The mission was made shorter.", "Take the breaks as planned.",
    "Take simpler content for the rest of the day.", "Take easier work for the rest of the day.",
    "Rest until then; a light review at most."};

struct context {
    double load, error_rate;
};
static const struct field context_fields[] = {
    FIELD(F_F64, struct context, load, "currentLoad", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "as below"),
    FIELD(F_F64, struct context, error_rate, "errorRate", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "share of wrong answers"),
    FIELD_END,
};
struct metadata {
    struct str mission;
    double load;
    int32_t every, minutes, rest_days;
    const struct context *context;
};
static const struct field metadata_fields[] = {
    FIELD(F_STR, struct metadata, mission, "missionId", .min = 1, .max = EVENT_ID_MAX,
          .doc = "WORKLOAD_REDUCTION: the mission; else the next open one"),
    FIELD(F_F64, struct metadata, load, "currentLoad", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "else what was measured within the last hour"),
    FIELD(F_I32, struct metadata, every, "breakFrequencyMinutes", .min = 5, .max = 120, .def = "15",
          .doc = "BREAK_SCHEDULE_ADJUST: minutes between breaks"),
    FIELD(F_I32, struct metadata, minutes, "breakDurationMinutes", .min = 1, .max = 60, .def = "5",
          .doc = "BREAK_SCHEDULE_ADJUST: of a break"),
    FIELD(F_I32, struct metadata, rest_days, "restDays", .min = 1, .max = REST_DAYS_MAX, .def = "3",
          .doc = "MANDATORY_REST: days, today among them"),
    FIELD(F_OBJECT, struct metadata, context, "sessionContext", .flags = FIELD_POINTER,
          .sub = context_fields, .size = sizeof(struct context),
          .doc = "CONTENT_SIMPLIFICATION needs it"),
    FIELD_END,
};
struct wish {
    struct str user_id, session;
    int32_t type;
    bool accepted;
    const struct metadata *metadata;
    /* found out on the way */
    struct event event;
    struct value row[9];
};
static const struct field wish_body[] = {
    FIELD_USER_ID(struct wish),
    FIELD(F_ENUM, struct wish, type, "interventionType", .flags = FIELD_REQUIRED,
          .names = relief_names, .doc = "what is taken on"),
    FIELD(F_BOOL, struct wish, accepted, "accepted", .flags = FIELD_REQUIRED,
          .doc = "false: it is declined, and nothing is done"),
    FIELD(F_STR, struct wish, session, "sessionId", .min = 1, .max = EVENT_ID_MAX,
          .doc = "session that it is for; else the day"),
    FIELD(F_OBJECT, struct wish, metadata, "metadata", .flags = FIELD_POINTER,
          .sub = metadata_fields, .size = sizeof(struct metadata), .doc = "more about it"),
    FIELD_END,
};

struct eased_mission {
    struct str id, status;
    int32_t day;
    int64_t minutes, planned;
};
static const struct field eased_mission_fields[] = {
    FIELD(F_STR, struct eased_mission, id, "id", .doc = "mission"),
    FIELD(F_DATE, struct eased_mission, day, "date", .doc = "local day that it is for"),
    FIELD(F_STR, struct eased_mission, status, "status", .doc = "PENDING or IN_PROGRESS"),
    FIELD(F_I64, struct eased_mission, minutes, "estimatedMinutes",
          .doc = "half of what was planned, but a quarter of an hour at least"),
    FIELD(F_I64, struct eased_mission, planned, "plannedMinutes", .doc = "before"),
    FIELD_END,
};
struct content {
    int32_t complexity, scaffold;
    double prompt, review;
};
static const struct field content_fields[] = {
    FIELD(F_ENUM, struct content, complexity, "maxComplexity", .names = adapt_complexity_names,
          .doc = "of content, at most"),
    FIELD(F_F64, struct content, prompt, "promptComplexity", .doc = "of questions, 0 to 1"),
    FIELD(F_ENUM, struct content, scaffold, "scaffolding", .names = adapt_scaffold_names,
          .doc = "support"),
    FIELD(F_F64, struct content, review, "reviewRatio", .doc = "of the work, 0 to 1"),
    FIELD_END,
};
struct recovery {
    int64_t every, minutes, next, rest_days, resume;
    bool light;
    const struct content *content;
};
static const struct field recovery_fields[] = {
    FIELD(F_I64, struct recovery, every, "breakFrequency", .flags = FIELD_NULLABLE,
          .doc = "minutes between breaks"),
    FIELD(F_I64, struct recovery, minutes, "breakDuration", .flags = FIELD_NULLABLE,
          .doc = "minutes"),
    FIELD(F_TIME, struct recovery, next, "nextBreak", .flags = FIELD_NULLABLE,
          .doc = "the first of them"),
    FIELD(F_I64, struct recovery, rest_days, "restDays", .flags = FIELD_NULLABLE,
          .doc = "today among them"),
    FIELD(F_TIME, struct recovery, resume, "resumeDate", .flags = FIELD_NULLABLE,
          .doc = "start of the first local day after the rest"),
    FIELD(F_BOOL, struct recovery, light, "lightReviewOnly", .doc = "nothing but a light review"),
    FIELD(F_OBJECT, struct recovery, content, "contentRecommendation",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = content_fields,
          .size = sizeof(struct content), .doc = "what content to take"),
    FIELD_END,
};
struct challenge {
    int32_t level;
    int64_t complexity, minutes, every;
    double fresh;
};
static const struct field challenge_fields[] = {
    FIELD(F_ENUM, struct challenge, level, "level", .names = adapt_level_names, .doc = "in a word"),
    FIELD(F_I64, struct challenge, complexity, "complexity", .doc = "2 to 8"),
    FIELD(F_F64, struct challenge, fresh, "newContentRatio", .doc = "of the work, 0 to 1"),
    FIELD(F_I64, struct challenge, minutes, "sessionMinutes", .doc = "of a session"),
    FIELD(F_I64, struct challenge, every, "breakEvery", .doc = "minutes"),
    FIELD_END,
};
struct adjustment {
    int32_t action, urgency, scaffold, complexity;
    int64_t levels, every, minutes;
    double review, validation, prompt;
    struct challenge challenge;
};
static const char *const urgency_names[] = {"LOW", "MEDIUM", "HIGH", "CRITICAL", NULL};
static const struct field adjustment_fields[] = {
    FIELD(F_ENUM, struct adjustment, action, "action", .names = adapt_action_names,
          .doc = "REDUCE or EMERGENCY: it is never raised here"),
    FIELD(F_I64, struct adjustment, levels, "levelChange", .doc = "of difficulty, -2 or -1"),
    FIELD(F_F64, struct adjustment, review, "reviewRatio", .doc = "of the work, 0 to 1"),
    FIELD(F_ENUM, struct adjustment, urgency, "urgency", .names = urgency_names, .doc = "how soon"),
    FIELD(F_F64, struct adjustment, validation, "validationComplexity", .flags = FIELD_NULLABLE,
          .doc = "of questions of comprehension, 0 to 1"),
    FIELD(F_I64, struct adjustment, every, "breakEvery", .doc = "minutes; 0: now"),
    FIELD(F_I64, struct adjustment, minutes, "breakMinutes", .doc = "of a break"),
    FIELD(F_ENUM, struct adjustment, scaffold, "scaffolding", .names = adapt_scaffold_names,
          .doc = "support"),
    FIELD(F_ENUM, struct adjustment, complexity, "maxComplexity", .names = adapt_complexity_names,
          .doc = "of content"),
    FIELD(F_F64, struct adjustment, prompt, "promptComplexity", .doc = "of questions, 0 to 1"),
    FIELD(F_OBJECT, struct adjustment, challenge, "challenge", .sub = challenge_fields,
          .size = sizeof(struct challenge), .doc = "what a session may ask at this load"),
    FIELD_END,
};

struct relieved {
    bool applied;
    int32_t type;
    struct str id, message;
    const struct eased_mission *mission;
    const struct recovery *plan;
    const struct adjustment *adjustment;
    double load;
    int64_t at, until;
};
static const struct field relieved_fields[] = {
    FIELD(F_BOOL, struct relieved, applied, "applied", .doc = "was anything done?"),
    FIELD(F_ENUM, struct relieved, type, "interventionType", .names = relief_names,
          .doc = "as asked"),
    FIELD(F_STR, struct relieved, id, "interventionId", .flags = FIELD_NULLABLE,
          .doc = "of what was taken on; asked for again it is the same one"),
    FIELD(F_OBJECT, struct relieved, mission, "updatedMission",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = eased_mission_fields,
          .size = sizeof(struct eased_mission), .doc = "mission that was made shorter"),
    FIELD(F_OBJECT, struct relieved, plan, "recoveryPlan", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = recovery_fields, .size = sizeof(struct recovery), .doc = "breaks, rest, content"),
    FIELD(F_OBJECT, struct relieved, adjustment, "difficultyAdjustment",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = adjustment_fields,
          .size = sizeof(struct adjustment), .doc = "how much easier"),
    FIELD(F_F64, struct relieved, load, "currentLoad", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "that it goes by; null: none is known"),
    FIELD(F_TIME, struct relieved, at, "appliedAt", .flags = FIELD_NULLABLE, .doc = "now"),
    FIELD(F_TIME, struct relieved, until, "until", .flags = FIELD_NULLABLE,
          .doc = "so long it holds"),
    FIELD(F_STR, struct relieved, message, "message", .doc = "for the learner"),
    FIELD_END,
};

/* ---- what each means ---- */

static const struct metadata plain_metadata = {
    .load = NAN, .every = BREAK_EVERY, .minutes = BREAK_MINUTES, .rest_days = REST_DAYS};

static double present_load(const struct api_call *c, const struct metadata *m,
                           const struct rows *latest)
{
    if (m->context && !isnan(m->context->load))
        return m->context->load;
    if (!isnan(m->load))
        return m->load;
    if (latest->count == 0)
        return (double)NAN;
    const struct value *v = row_at(latest, 0);
    return c->now_us - value_i64(&v[0], 0) <= FRESH_US ? value_f64(&v[3], NAN) : (double)NAN;
}

/* Who asks for less gets less, whatever the load. */
static struct adapt_difficulty reduced(double load, const struct context *context)
{
    return adapt_difficulty(load > REDUCED_FROM ? load : REDUCED_FROM,
                            context ? context->error_rate : (double)NAN);
}

static enum err ease_difficulty(struct api_call *c, const struct context *context,
                                struct relieved *r)
{
    struct adapt_difficulty d = reduced(r->load, context);
    struct adapt_challenge ch = adapt_challenge(r->load > REDUCED_FROM ? r->load : REDUCED_FROM,
                                                NAN, ZONE_LOW, ZONE_HIGH, false);
    struct adjustment *a = arena_new(c->arena, struct adjustment, 1);

    if (!a)
        return ERR_NOMEM;
    *a = (struct adjustment){
        .action = (int32_t)d.action,
        .urgency = (int32_t)d.urgency,
        .scaffold = (int32_t)d.scaffold,
        .complexity = (int32_t)d.complexity,
        .levels = d.levels,
        .every = d.break_every,
        .minutes = d.break_minutes,
        .review = d.review_share,
        .validation = d.validation,
        .prompt = d.prompt,
        .challenge = {(int32_t)ch.level, ch.complexity, ch.minutes, ch.break_every, ch.new_share},
    };
    r->adjustment = a;
    return ERR_OK;
}

static enum err plan_recovery(struct api_call *c, const struct learner *l, enum relief type,
                              const struct metadata *m, struct relieved *r)
{
    struct recovery *p = arena_new(c->arena, struct recovery, 1);
    struct content *content = arena_new(c->arena, struct content, 1);

    if (!p || !content)
        return ERR_NOMEM;
    *p = (struct recovery){INT64_MIN, INT64_MIN, TIME_NONE, INT64_MIN, TIME_NONE, false, NULL};
    if (type == BREAKS) {
        p->every = m->every;
        p->minutes = m->minutes;
        p->next = c->now_us + m->every * US_PER_MINUTE;
    } else if (type == REST) {
        p->rest_days = m->rest_days;
        p->resume = civil_day_start(l->zone, l->today + m->rest_days);
        p->light = true;
        r->until = p->resume;
    } else {
        struct adapt_difficulty d = reduced(r->load, m->context);
        *content =
            (struct content){(int32_t)d.complexity, (int32_t)d.scaffold, d.prompt, d.review_share};
        p->content = content;
    }
    r->plan = p;
    return ERR_OK;
}

/* The mission, and the event that makes it shorter. */
static enum err ease_mission(struct api_call *c, const struct metadata *m, const struct rows *rows,
                             struct relieved *r)
{
    struct wish *in = c->in;
    struct eased_mission *e = arena_new(c->arena, struct eased_mission, 1);

    if (!e)
        return ERR_NOMEM;
    if (rows->count == 0 && m->mission.p)
        return api_refuse(c, ERR_NOT_FOUND, "MISSION_NOT_FOUND", "There is no such mission.");
    if (rows->count == 0) {
        r->applied = false;
        r->message = STR("There is no open mission to make shorter.");
        return ERR_OK;
    }
    struct columns v = columns_of(rows, 0);
    e->id = column_str(&v);
    e->day = (int32_t)column_i64(&v, 0);
    e->status = column_str(&v);
    e->planned = column_i64(&v, 0);
    e->minutes = adapt_mission_minutes((int32_t)e->planned);
    if (str_eq(e->status, STR("COMPLETED")) || str_eq(e->status, STR("SKIPPED")))
        return api_refuse(c, ERR_CONFLICT, "MISSION_CLOSED", "The mission is " STR_FMT ".",
                          STR_ARG(e->status));
    r->mission = e;
    event_init(&in->event);
    in->event.id =
        arena_printf(c->arena, "ease-%016llx", (unsigned long long)hash_stable(e->id.p, e->id.n));
    in->event.learner = c->learner;
    in->event.at = c->now_us;
    in->event.kind = EVENT_MISSION_EASED;
    in->event.mission = e->id;
    in->event.data = arena_printf(c->arena, "{\"estimatedMinutes\":%lld}", (long long)e->minutes);
    return in->event.id.p && in->event.data.p ? ERR_OK : ERR_NOMEM;
}

/* ---- keeping it ---- */

static enum err keep_run(struct api_call *c, struct store_conn *conn)
{
    const struct wish *in = c->in;
    struct bulk b = {.stmt = STMT_RELIEF_PUT, .rows = 1, .cols = COUNT(in->row), .v = in->row};

    return store_write(conn, &b, 1);
}

static enum err kept(struct api_call *c)
{
    (void)c;
    return ERR_OK;
}

static enum err eased(struct api_call *c, const struct ingest_result *results, int32_t count)
{
    if (count == 1 && results[0].status == INGEST_REJECTED)
        return event_refused(c, &results[0]);
    return api_change(c, keep_run, kept);
}

/* One a mission, session or day. */
static enum err name_it(struct api_call *c, const struct learner *l, struct relieved *r)
{
    static const char *const stems[] = {"workload", "breaks", "simpler", "easier", "rest"};
    struct wish *in = c->in;
    struct str about = r->mission        ? r->mission->id
                       : r->type == REST ? (struct str){NULL, 0}
                                         : in->session;

    r->id = about.p ? arena_printf(c->arena, "relief-%s-%016llx", stems[in->type],
                                   (unsigned long long)hash_stable(about.p, about.n))
                    : arena_printf(c->arena, "relief-%s-%d", stems[in->type], (int)l->today);
    struct str actions = arena_printf(c->arena, "[\"%s\"]", messages[in->type]);
    if (!r->id.p || !actions.p)
        return ERR_NOMEM;
    const struct value row[COUNT(in->row)] = {
        V_I(l->learner_id), V_S(r->id),     V_S(str_from(relief_names[in->type])),  V_I(PRIORITY),
        v_real(r->load),    V_I(c->now_us), r->mission ? V_S(r->mission->id) : V_N, V_S(actions),
        V_I(r->until),
    };
    memcpy(in->row, row, sizeof row);
    return ERR_OK;
}

static enum err relieve(struct api_call *c, const struct learner *l, const struct metadata *m,
                        const struct rows *missions, struct relieved *r)
{
    const struct wish *in = c->in;
    enum err e = ERR_OK;

    r->applied = true;
    r->message = str_from(messages[in->type]);
    r->at = c->now_us;
    r->until = civil_day_start(l->zone, l->today + 1);
    if (in->type == WORKLOAD)
        e = ease_mission(c, m, missions, r);
    else if (in->type == EASIER)
        e = ease_difficulty(c, m->context, r);
    else
        e = plan_recovery(c, l, (enum relief)in->type, m, r);
    if (e == ERR_OK && r->mission)
        r->until = civil_day_start(l->zone, r->mission->day + 1);
    return e == ERR_OK && r->applied ? name_it(c, l, r) : e;
}

static enum err post_relief(struct api_call *c)
{
    struct wish *in = c->in;
    const struct metadata *m = in->metadata ? in->metadata : &plain_metadata;
    const struct value latest[] = {V_S(c->learner), V_I(1), V_I(c->now_us)},
                       wanted[] = {V_S(c->learner), v_text(m->mission),
                                   V_I(c->now_us / US_PER_DAY - 1)};
    struct query q[] = {
        [1] = {.stmt = STMT_LOAD_LATEST, .args = latest, .arg_count = 3},
        [2] = {.stmt = STMT_RELIEF_MISSION, .args = wanted, .arg_count = 3, .rows_max = 1},
    };
    struct relieved *r = arena_new(c->arena, struct relieved, 1);
    struct learner l;
    enum err e = r ? ERR_OK : ERR_NOMEM;

    if (e == ERR_OK && in->accepted && in->type == SIMPLER && !m->context)
        e = api_bad_field(c, "metadata.sessionContext", "missing", "is needed");
    if (e == ERR_OK)
        e = learner_read(c, q, COUNT(q), &l);
    if (e != ERR_OK)
        return e;
    *r = (struct relieved){.type = in->type,
                           .load = present_load(c, m, &q[1].rows),
                           .at = TIME_NONE,
                           .until = TIME_NONE,
                           .message = STR("Declined; nothing was changed.")};
    c->reply = r;
    if (!in->accepted)
        return ERR_OK;
    if (!l.analysis)
        return api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT, STR_ARG(reason_disabled));
    e = relieve(c, &l, m, &q[2].rows, r);
    if (e != ERR_OK || !r->applied)
        return e;
    return r->mission ? api_ingest(c, &in->event, 1, eased) : api_change(c, keep_run, kept);
}

const struct endpoint endpoints_relief[] = {
    {.tag = "load",
     .envelope = ENVELOPE_FLAT,
     .run = RUN_WORKER,
     .round_trips = 1,
     .method = HTTP_POST,
     .path = "/api/analytics/interventions/apply",
     .id = "apply_relief",
     .summary = "Take on something against too much load: a shorter mission, breaks, rest",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .body = wish_body,
     .in_size = sizeof(struct wish),
     .reply = relieved_fields,
     .errors = UINT64_C(1) << ERR_NOT_FOUND | UINT64_C(1) << ERR_CONFLICT,
     .handler = post_relief},
    {.path = NULL},
};
