/* interventions - what is proposed where a struggle is likely, applying it, and whether it helps.
 *
 * What is applied to missions goes through the log, as mission_created events: so it outlives a
 * rebuild, and repeating it changes nothing. */
#include "api/learner.h"
#include "base/assert.h"
#include "base/buf.h"
#include "json/writer.h"

#include <math.h>

enum {
    INTERVENTIONS_MAX = 200,
    PREREQUISITES_MAX = 3,
    PREREQUISITE_MINUTES = 15,
    BOOSTS = 3,
    BOOST_MINUTES = 10,
    FOCUS_MINUTES = 25,
    USUAL_MINUTES = 20, /* where a mission does not say */
    JUDGED_MIN = 10,    /* forecasts on each side of a comparison */
    BASELINE_DAYS = 42,
    WEEKS_MAX = 26,
    OUTCOMES_MAX = 5000,
    TEXT_MAX = 4096,
};

static const struct kind {
    const char *name, *description, *reasoning;
} kinds[] = {
    {"PREREQUISITE_REVIEW", "Review what the objective builds on first.",
     "Mastery of its weakest prerequisite is low."},
    {"DIFFICULTY_PROGRESSION", "Take more time for it, from the easy to the hard.",
     "It is harder than others for people in general."},
    {"COGNITIVE_LOAD_REDUCE", "Study less at a time, and rest in between.",
     "The load was high in the last fortnight."},
    {"SPACED_REPETITION_BOOST", "Review its cards after one, three and seven days.",
     "Its cards are fading."},
    {"BREAK_SCHEDULE_ADJUST", "Take five minutes off after every twenty-five.",
     "The load was above the middle in the last fortnight."},
    {"FOCUS_SESSION", "Take one session for it alone, with questions of your own level.",
     "Too few of the answers on it were right so far."},
    {"WORKLOAD_REDUCTION", "Do half of the mission.", "It was asked for."},
    {"CONTENT_SIMPLIFICATION", "Take simpler content, with more support.", "It was asked for."},
    {"DIFFICULTY_REDUCTION", "Take easier work, and more of it as review.", "It was asked for."},
    {"MANDATORY_REST", "Rest, with a light review at most.", "It was asked for."},
};

static const struct kind *kind_find(struct str name)
{
    static const struct kind other = {"", "", ""};

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (str_eq(name, str_from(kinds[i].name)))
            return &kinds[i];
    return &other;
}

/* ---- GET interventions ---- */

struct intervention {
    struct str id, prediction, user_id, type, description, reasoning, status, mission, objective,
        name, actions;
    int64_t priority, created_at, applied_at;
    double effect, type_effect, measure;
};
static const struct field intervention_fields[] = {
    FIELD(F_STR, struct intervention, id, "id", .doc = "of the proposal"),
    FIELD(F_STR, struct intervention, prediction, "predictionId", .flags = FIELD_NULLABLE,
          .doc = "forecast that it is for"),
    FIELD(F_STR, struct intervention, user_id, "userId", .doc = "the learner"),
    FIELD(F_STR, struct intervention, type, "interventionType", .doc = "kind"),
    FIELD(F_STR, struct intervention, objective, "learningObjectiveId", .flags = FIELD_NULLABLE,
          .doc = "objective"),
    FIELD(F_STR, struct intervention, name, "topicName", .flags = FIELD_NULLABLE,
          .doc = "its name, else its id"),
    FIELD(F_STR, struct intervention, description, "description", .doc = "what to do"),
    FIELD(F_STR, struct intervention, reasoning, "reasoning", .doc = "why"),
    FIELD(F_F64, struct intervention, measure, "measure", .flags = FIELD_NULLABLE,
          .doc = "the number behind the reason"),
    FIELD(F_I64, struct intervention, priority, "priority", .min = 1, .max = 10, .doc = "1 to 10"),
    FIELD(F_STR, struct intervention, status, "status", .doc = "PENDING, IN_PROGRESS or COMPLETED"),
    FIELD(F_TIME, struct intervention, created_at, "createdAt", .doc = "when it was proposed"),
    FIELD(F_TIME, struct intervention, applied_at, "appliedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was applied"),
    FIELD(F_STR, struct intervention, mission, "appliedToMissionId", .flags = FIELD_NULLABLE,
          .doc = "mission"),
    FIELD(F_JSON, struct intervention, actions, "appliedActions", .flags = FIELD_NULLABLE,
          .doc = "what was done"),
    FIELD(F_F64, struct intervention, effect, "effectiveness", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "1: no struggle followed, 0: one did; null before that is known"),
    FIELD(F_F64, struct intervention, type_effect, "typeEffectiveness", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "as in effectivenessByType"),
    FIELD_END,
};

struct effect {
    int64_t total, n, avoided;
    double average;
    const struct interval *interval;
};
static const struct field effect_fields[] = {
    FIELD(F_F64, struct effect, average, "avg", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "share that no struggle followed, drawn to that of all kinds as if by four more"),
    FIELD(F_OBJECT, struct effect, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 % (Jeffreys)"),
    FIELD(F_I64, struct effect, n, "count", .doc = "applied, with an outcome"),
    FIELD(F_I64, struct effect, total, "total", .doc = "applied"),
    FIELD_END,
};

struct tally {
    int64_t active, pending, applied;
    double priority;
};
static const struct field tally_fields[] = {
    FIELD(F_I64, struct tally, active, "totalActive", .doc = "pending and applied"),
    FIELD(F_I64, struct tally, pending, "pending", .doc = "of these"),
    FIELD(F_I64, struct tally, applied, "applied", .doc = "of these"),
    FIELD(F_F64, struct tally, priority, "avgPriority", .flags = FIELD_NULLABLE, .doc = "mean"),
    FIELD_END,
};

struct interventions {
    struct list list, effects;
    struct str grouped, reason;
    struct tally tally;
};
static const struct field interventions_fields[] = {
    FIELD(F_LIST, struct interventions, list, "interventions", .sub = intervention_fields,
          .size = sizeof(struct intervention), .doc = "by falling priority"),
    FIELD(F_JSON, struct interventions, grouped, "grouped", .doc = "ids by kind"),
    FIELD(F_MAP, struct interventions, effects, "effectivenessByType", .sub = effect_fields,
          .size = sizeof(struct effect), .doc = "of those that were applied"),
    FIELD(F_OBJECT, struct interventions, tally, "summary", .sub = tally_fields,
          .size = sizeof(struct tally), .doc = "counts"),
    FIELD(F_I64, struct interventions, tally.active, "count", .doc = "how many there are"),
    FIELD(F_STR, struct interventions, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none"),
    FIELD_END,
};

static void intervention_decode(struct api_call *c, struct columns v, struct intervention *i)
{
    i->user_id = c->learner;
    i->id = column_str(&v);
    i->prediction = column_str(&v);
    i->objective = column_str(&v);
    i->name = column_str(&v);
    if (!i->name.p)
        i->name = i->objective;
    i->type = column_str(&v);
    i->description = str_from(kind_find(i->type)->description);
    i->reasoning = str_from(kind_find(i->type)->reasoning);
    i->priority = column_i64(&v, 0);
    i->measure = round_to(column_f64(&v), 4);
    i->status = column_str(&v);
    i->created_at = column_i64(&v, 0);
    i->applied_at = column_time(&v);
    i->mission = column_str(&v);
    i->actions = column_str(&v);
    int64_t struggled = column_i64(&v, -1);
    i->effect =
        i->applied_at == TIME_NONE || struggled < 0 ? (double)NAN : (double)(struggled == 0);
}

static enum err effects_of(struct api_call *c, const struct rows *rows, struct list *ret)
{
    enum { DRAWN_BY = 4 };
    struct map_entry *entries = arena_new(c->arena, struct map_entry, (size_t)rows->count + 1);
    struct effect *effects = arena_new(c->arena, struct effect, (size_t)rows->count + 1);
    int64_t n = 0, avoided = 0;

    if (!entries || !effects)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);

        entries[i] = (struct map_entry){column_str(&v), &effects[i]};
        effects[i].total = column_i64(&v, 0);
        effects[i].n = column_i64(&v, 0);
        effects[i].avoided = column_i64(&v, 0);
        n += effects[i].n;
        avoided += effects[i].avoided;
    }
    for (int32_t i = 0; i < rows->count; i++) {
        struct effect *e = &effects[i];
        double k = (double)e->avoided, m = (double)e->n, all = (double)avoided / (double)n;

        e->average = e->n ? round_to((k + DRAWN_BY * all) / (m + DRAWN_BY), 4) : (double)NAN;
        e->interval = e->n ? interval_new(c->arena, stats_jeffreys(k, m, 0.95)) : NULL;
    }
    *ret = (struct list){entries, rows->count};
    return ERR_OK;
}

static enum err group(struct api_call *c, struct interventions *r)
{
    const struct intervention *all = r->list.p;
    struct json_writer w;
    struct buf b;

    buf_init(&b, 64 * 1024);
    json_writer_init(&w, &b);
    json_object(&w);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        json_name(&w, str_from(kinds[k].name));
        json_array(&w);
        for (int32_t i = 0; i < r->list.n; i++)
            if (str_eq(all[i].type, str_from(kinds[k].name)))
                json_str(&w, all[i].id);
        json_array_end(&w);
    }
    json_object_end(&w);
    r->grouped = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return r->grouped.p ? ERR_OK : ERR_NOMEM;
}

static double effect_of(const struct interventions *r, struct str type)
{
    const struct map_entry *e = r->effects.p;

    for (int32_t i = 0; i < r->effects.n; i++)
        if (str_eq(e[i].key, type))
            return ((const struct effect *)e[i].value)->average;
    return (double)NAN;
}

static enum err get_interventions(struct api_call *c)
{
    const struct value args[] = {V_S(c->learner), V_I(INTERVENTIONS_MAX)};
    struct query q[] = {
        [1] = {.stmt = STMT_INTERVENTIONS_LIST, .args = args, .arg_count = 2},
        [2] = {.stmt = STMT_INTERVENTIONS_EFFECT, .args = args, .arg_count = 1},
    };
    struct interventions *r = arena_new(c->arena, struct interventions, 1);
    struct learner l;
    enum err e = r ? learner_read(c, q, COUNT(q), &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    struct intervention *all =
        arena_new(c->arena, struct intervention, (size_t)q[1].rows.count + 1);
    e = all ? effects_of(c, &q[2].rows, &r->effects) : ERR_NOMEM;
    if (e != ERR_OK)
        return e;
    r->list = (struct list){all, q[1].rows.count};
    for (int32_t i = 0; i < r->list.n; i++) {
        intervention_decode(c, columns_of(&q[1].rows, i), &all[i]);
        all[i].type_effect = effect_of(r, all[i].type);
        r->tally.pending += all[i].applied_at == TIME_NONE;
        r->tally.priority += (double)all[i].priority;
    }
    r->tally.active = r->list.n;
    r->tally.applied = r->list.n - r->tally.pending;
    r->tally.priority = round_to(r->tally.priority / r->list.n, 2);
    if (r->list.n == 0)
        r->reason = l.analysis ? STR("No struggle is forecast as likely.") : reason_disabled;
    c->reply = r;
    return group(c, r);
}

/* ---- POST interventions/{id}/apply ---- */

struct apply {
    struct str user_id, id, mission_wanted;
    /* found out on the way */
    struct str type, objective, prediction, mission, actions;
    int64_t learner_id;
    int32_t today;
    struct event events[BOOSTS];
    int32_t event_count;
};
static const struct field apply_path[] = {
    FIELD(F_STR, struct apply, id, "id", .min = 1, .max = 80, .doc = "proposal"),
    FIELD_END,
};
static const struct field apply_body[] = {
    FIELD_USER_ID(struct apply),
    FIELD(F_STR, struct apply, mission_wanted, "applyToMissionId", .flags = FIELD_NULLABLE,
          .min = 1, .max = 128, .doc = "an open mission; else the next one, else a new one"),
    FIELD_END,
};

struct applied {
    bool applied;
    struct str id, mission, message, actions;
    int64_t applied_at;
};
static const struct field applied_result[] = {
    FIELD(F_BOOL, struct applied, applied, "success", .doc = "true"),
    FIELD(F_STR, struct applied, id, "interventionId", .doc = "proposal"),
    FIELD(F_STR, struct applied, mission, "missionId", .flags = FIELD_NULLABLE,
          .doc = "mission that was changed or made; null: none had to be"),
    FIELD(F_STR, struct applied, message, "message", .doc = "for the learner"),
    FIELD(F_JSON, struct applied, actions, "appliedActions", .doc = "what was done, in words"),
    FIELD_END,
};
struct applied_reply {
    struct applied result;
};
static const struct field applied_reply[] = {
    FIELD(F_BOOL, struct applied_reply, result.applied, "applied", .doc = "true"),
    FIELD(F_STR, struct applied_reply, result.id, "interventionId", .doc = "proposal"),
    FIELD(F_STR, struct applied_reply, result.mission, "missionId", .flags = FIELD_NULLABLE,
          .doc = "as in result"),
    FIELD(F_STR, struct applied_reply, result.message, "message", .doc = "for the learner"),
    FIELD(F_TIME, struct applied_reply, result.applied_at, "appliedAt", .doc = "now"),
    FIELD(F_OBJECT, struct applied_reply, result, "result", .sub = applied_result,
          .size = sizeof(struct applied), .doc = "the same, in the documented form"),
    FIELD_END,
};

struct plan {
    struct str objective[PREREQUISITES_MAX + 1];
    int64_t minutes[PREREQUISITES_MAX + 1];
    int32_t count;
};

/* A mission, or more of one: what is there already stays, and the longer time counts. */
static enum err add_mission(struct api_call *c, struct apply *in, struct str mission, int32_t day,
                            const struct plan *plan)
{
    struct event *e = &in->events[in->event_count];
    char date[DATE_TEXT_MAX];
    struct json_writer w;
    struct buf b;
    int64_t total = 0;

    date_print(day, date);
    for (int32_t i = 0; i < plan->count; i++)
        total += plan->minutes[i];
    buf_init(&b, TEXT_MAX);
    json_writer_init(&w, &b);
    json_object(&w);
    json_kv_cstr(&w, "date", date);
    json_kv_i64(&w, "estimatedMinutes", total);
    json_name(&w, STR("objectives"));
    json_array(&w);
    for (int32_t i = 0; i < plan->count; i++) {
        json_object(&w);
        json_kv_str(&w, "objectiveId", plan->objective[i]);
        json_kv_i64(&w, "estimatedMinutes", plan->minutes[i]);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    event_init(e);
    e->id = arena_printf(c->arena, "apply-" STR_FMT "-%d", STR_ARG(in->id), (int)in->event_count);
    e->learner = c->learner;
    e->at = c->now_us;
    e->kind = EVENT_MISSION_CREATED;
    e->mission = mission;
    e->data = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    if (!e->id.p || !e->data.p || !mission.p)
        return ERR_NOMEM;
    in->event_count++;
    return ERR_OK;
}

static enum err boost(struct api_call *c, struct apply *in)
{
    static const int32_t days[BOOSTS] = {1, 3, 7};
    struct plan plan = {{in->objective}, {BOOST_MINUTES}, 1};
    enum err e = ERR_OK;

    for (int i = 0; e == ERR_OK && i < BOOSTS; i++)
        e = add_mission(c, in,
                        arena_printf(c->arena, "mission-" STR_FMT "-%d", STR_ARG(in->id), days[i]),
                        in->today + days[i], &plan);
    in->actions = STR("[\"Reviews of ten minutes were planned in 1, 3 and 7 days.\"]");
    return e;
}

/* `mission`: minutes that it gives the objective; rows: prerequisites, the strongest first. */
static enum err plan_for(struct api_call *c, struct apply *in, int64_t minutes,
                         const struct rows *rows)
{
    struct plan plan = {.count = 0};

    if (str_eq(in->type, STR("PREREQUISITE_REVIEW"))) {
        for (; plan.count < rows->count; plan.count++) {
            plan.objective[plan.count] = value_str(row_at(rows, plan.count));
            plan.minutes[plan.count] = PREREQUISITE_MINUTES;
        }
        in->actions = STR("[\"Its prerequisites were put into the mission, 15 minutes each.\"]");
    } else if (str_eq(in->type, STR("DIFFICULTY_PROGRESSION"))) {
        int64_t now = minutes > 0 ? minutes : USUAL_MINUTES;

        plan = (struct plan){{in->objective}, {(now * 5 + 3) / 4}, 1};
        in->actions = STR("[\"It was given a quarter more time.\"]");
    } else if (str_eq(in->type, STR("FOCUS_SESSION"))) {
        plan = (struct plan){{in->objective}, {FOCUS_MINUTES}, 1};
        in->actions = STR("[\"It was given 25 minutes of the mission.\"]");
    } else {
        in->mission = (struct str){NULL, 0};
        in->actions = STR("[\"Breaks of five minutes after every twenty-five are recommended; no "
                          "mission was changed.\"]");
        return ERR_OK;
    }
    if (!in->mission.p)
        in->mission = arena_printf(c->arena, "mission-" STR_FMT, STR_ARG(in->id));
    return add_mission(c, in, in->mission, in->today, &plan);
}

static enum err read_apply(struct api_call *c, struct apply *in)
{
    const struct value args[] = {V_S(c->learner), V_S(in->id), v_text(in->mission_wanted),
                                 V_I(c->now_us / US_PER_DAY - 1)};
    struct query q[] = {
        [1] = {.stmt = STMT_INTERVENTION_READ, .args = args, .arg_count = 2},
        [2] = {.stmt = STMT_INTERVENTION_MISSION, .args = args, .arg_count = 4},
        [3] = {.stmt = STMT_INTERVENTION_PREREQUISITES,
               .args = args,
               .arg_count = 2,
               .rows_max = PREREQUISITES_MAX},
    };
    struct learner l;
    enum err e = learner_read(c, q, COUNT(q), &l);

    if (e != ERR_OK)
        return e;
    if (q[1].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, NULL, "There is no such proposal for this learner.");
    struct columns v = columns_of(&q[1].rows, 0);
    in->learner_id = l.learner_id;
    in->today = l.today;
    in->type = column_str(&v);
    if (!str_eq(column_str(&v), STR("PENDING")))
        return api_refuse(c, ERR_CONFLICT, "ALREADY_APPLIED", "It was applied before.");
    in->objective = column_str(&v);
    in->prediction = column_str(&v);
    if (in->mission_wanted.p && q[2].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, NULL, "There is no such open mission.");
    int64_t minutes = 0;
    if (q[2].rows.count > 0) {
        in->mission = value_str(row_at(&q[2].rows, 0));
        minutes = value_i64(row_at(&q[2].rows, 0) + 1, 0);
    }
    return str_eq(in->type, STR("SPACED_REPETITION_BOOST")) ? boost(c, in)
                                                            : plan_for(c, in, minutes, &q[3].rows);
}

static enum err claim_run(struct api_call *c, struct store_conn *conn)
{
    const struct apply *in = c->in;
    const struct value row[] = {V_I(in->learner_id), V_S(in->id), V_I(c->now_us),
                                v_text(in->mission), V_S(in->actions)};
    const struct value prediction[] = {V_I(in->learner_id), v_text(in->prediction)};
    struct bulk b[] = {
        {.stmt = STMT_INTERVENTION_APPLY, .rows = 1, .cols = COUNT(row), .v = row},
        {.stmt = STMT_PREDICTION_TREAT, .rows = 1, .cols = COUNT(prediction), .v = prediction},
    };
    enum err e = store_write(conn, b, COUNT(b));

    if (e == ERR_OK && b[0].changed == 0)
        return api_refuse(c, ERR_CONFLICT, "ALREADY_APPLIED", "It was applied before.");
    return e;
}

static enum err claimed(struct api_call *c)
{
    const struct apply *in = c->in;
    struct applied_reply *r = arena_new(c->arena, struct applied_reply, 1);

    if (!r)
        return ERR_NOMEM;
    r->result = (struct applied){.applied = true,
                                 .id = in->id,
                                 .mission = in->mission,
                                 .message = str_from(kind_find(in->type)->description),
                                 .actions = in->actions,
                                 .applied_at = c->now_us};
    c->reply = r;
    return ERR_OK;
}

static enum err planned(struct api_call *c, const struct ingest_result *results, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        if (results[i].status == INGEST_REJECTED)
            return event_refused(c, &results[i]);
    return api_change(c, claim_run, claimed);
}

static enum err post_apply(struct api_call *c)
{
    struct apply *in = c->in;
    enum err e = read_apply(c, in);

    if (e != ERR_OK)
        return e;
    if (in->event_count > 0)
        return api_ingest(c, in->events, in->event_count, planned);
    return api_change(c, claim_run, claimed);
}

/* ---- GET struggle-reduction ---- */

static const char *const period_names[] = {"week", "month", "all", NULL};
static const int32_t period_days[] = {7, 30, 36500};

struct reduction_query {
    int32_t period;
};
static const struct field reduction_query[] = {
    FIELD(F_ENUM, struct reduction_query, period, "period", .names = period_names, .def = "month",
          .doc = "how far back the present goes"),
    FIELD_END,
};

struct point {
    int32_t start;
    double rate;
    int64_t struggles, n, answers;
    struct str period;
};
static const struct field point_fields[] = {
    FIELD(F_DATE, struct point, start, "date", .doc = "seven days from this one, UTC"),
    FIELD(F_DATE, struct point, start, "week", .doc = "the same"),
    FIELD(F_STR, struct point, period, "period", .doc = "week"),
    FIELD(F_I64, struct point, answers, "reviewCount",
          .doc = "answers and reviews that judged them"),
    FIELD(F_F64, struct point, rate, "struggleRate", .min = 0, .max = 1,
          .doc = "of the forecasts whose time ended then, the share with a struggle"),
    FIELD(F_I64, struct point, struggles, "strugglesCount", .doc = "struggles"),
    FIELD(F_I64, struct point, n, "topicsStudied", .doc = "forecasts that were judged"),
    FIELD_END,
};
struct type_effect {
    struct str type, description;
    struct effect effect;
};
static const struct field type_effect_fields[] = {
    FIELD(F_STR, struct type_effect, type, "interventionType", .doc = "kind"),
    FIELD(F_STR, struct type_effect, type, "type", .doc = "the same"),
    FIELD(F_I64, struct type_effect, effect.total, "applicationsCount", .doc = "times applied"),
    FIELD(F_I64, struct type_effect, effect.n, "count", .doc = "of these, with an outcome"),
    FIELD(F_F64, struct type_effect, effect.average, "successRate", .flags = FIELD_NULLABLE,
          .doc = "as avg of interventions"),
    FIELD(F_F64, struct type_effect, effect.average, "avgEffectiveness", .flags = FIELD_NULLABLE,
          .doc = "the same"),
    FIELD(F_STR, struct type_effect, description, "description", .doc = "what it is"),
    FIELD_END,
};

struct verdict {
    struct str status, message, baseline, current;
};
static const struct field verdict_fields[] = {
    FIELD(F_STR, struct verdict, status, "improvementStatus", .flags = FIELD_NULLABLE,
          .doc = "as beside it"),
    FIELD(F_STR, struct verdict, message, "message", .doc = "for the learner"),
    FIELD(F_STR, struct verdict, baseline, "baselineContext", .doc = "what the baseline rests on"),
    FIELD(F_STR, struct verdict, current, "currentContext", .doc = "what the present rests on"),
    FIELD_END,
};

struct reduction {
    struct verdict summary;
    int64_t baseline_start, baseline_end, current_end, predictions, opinions;
    struct str user_id, period, verdict, reason, method;
    double baseline, current, percent;
    const struct interval *difference;
    int64_t baseline_n, current_n, interventions, weeks, since;
    struct list timeline, effects;
    const struct needed *needed;
};
static const struct field reduction_fields[] = {
    FIELD(F_STR, struct reduction, user_id, "userId", .doc = "the learner"),
    FIELD(F_STR, struct reduction, period, "period", .doc = "as asked"),
    FIELD(F_F64, struct reduction, baseline, "baselineRate", .flags = FIELD_NULLABLE,
          .doc = "struggles per judged forecast, six weeks before the first intervention"),
    FIELD(F_F64, struct reduction, current, "currentRate", .flags = FIELD_NULLABLE,
          .doc = "the same since, in the period"),
    FIELD(F_F64, struct reduction, percent, "reductionPercentage", .flags = FIELD_NULLABLE,
          .doc = "100 * (baseline - current) / baseline; below 0: more struggles"),
    FIELD(F_OBJECT, struct reduction, difference, "difference",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 % interval of baseline - current (Newcombe)"),
    FIELD(F_STR, struct reduction, verdict, "improvementStatus", .flags = FIELD_NULLABLE,
          .doc = "improved or worsened when that interval leaves 0 out, else inconclusive"),
    FIELD(F_STR, struct reduction, method, "method", .doc = "what is compared, and what is not"),
    FIELD(F_I64, struct reduction, baseline_n, "baselineCount", .doc = "forecasts behind it"),
    FIELD(F_I64, struct reduction, current_n, "currentCount", .doc = "forecasts behind it"),
    FIELD(F_TIME, struct reduction, since, "currentPeriodStart", .flags = FIELD_NULLABLE,
          .doc = "first intervention"),
    FIELD(F_TIME, struct reduction, baseline_start, "baselinePeriodStart", .flags = FIELD_NULLABLE,
          .doc = "six weeks before that"),
    FIELD(F_TIME, struct reduction, baseline_end, "baselinePeriodEnd", .flags = FIELD_NULLABLE,
          .doc = "first intervention"),
    FIELD(F_TIME, struct reduction, current_end, "currentPeriodEnd", .flags = FIELD_NULLABLE,
          .doc = "end of the last forecast that was judged"),
    FIELD(F_I64, struct reduction, predictions, "totalPredictions", .doc = "forecasts ever"),
    FIELD(F_I64, struct reduction, opinions, "userFeedbackCount",
          .doc = "of these, with an opinion of the learner"),
    FIELD(F_I64, struct reduction, interventions, "totalInterventionsApplied", .doc = "applied"),
    FIELD(F_I64, struct reduction, interventions, "interventionCount", .doc = "the same"),
    FIELD(F_I64, struct reduction, weeks, "weeksTracked", .doc = "weeks with an outcome"),
    FIELD(F_LIST, struct reduction, timeline, "timeline", .sub = point_fields,
          .size = sizeof(struct point), .doc = "by week, the latest first"),
    FIELD(F_LIST, struct reduction, timeline, "weeklyTimeline", .sub = point_fields,
          .size = sizeof(struct point), .doc = "the same"),
    FIELD(F_OBJECT, struct reduction, summary, "summary", .sub = verdict_fields,
          .size = sizeof(struct verdict), .doc = "in words"),
    FIELD(F_LIST, struct reduction, effects, "interventionEffectiveness", .sub = type_effect_fields,
          .size = sizeof(struct type_effect), .doc = "by kind"),
    FIELD(F_STR, struct reduction, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no figures"),
    FIELD(F_OBJECT, struct reduction, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD_END,
};

/* Rows: made_at, until_at, struggled, answers; the latest first. */
static enum err timeline_of(struct api_call *c, const struct rows *rows, struct reduction *r,
                            int64_t from, struct share *before, struct share *after)
{
    struct point *p = arena_new(c->arena, struct point, WEEKS_MAX);

    if (!p)
        return ERR_NOMEM;
    r->timeline.p = p;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        int64_t made = value_i64(&v[0], 0), until = value_i64(&v[1], 0),
                struggled = value_i64(&v[2], 0);
        int32_t week = (int32_t)(until / (7 * US_PER_DAY)) * 7;
        struct share *side = made >= from ? after : until < r->since ? before : NULL;

        if (r->since != TIME_NONE && side &&
            (side == after || until >= r->since - BASELINE_DAYS * US_PER_DAY)) {
            side->k += (double)struggled;
            side->n++;
        }
        if (r->timeline.n == 0 || p[r->timeline.n - 1].start != week) {
            if (r->timeline.n == WEEKS_MAX)
                continue;
            p[r->timeline.n++] = (struct point){.start = week, .period = STR("week")};
        }
        struct point *last = &p[r->timeline.n - 1];
        last->struggles += struggled;
        last->n++;
        last->answers += value_i64(&v[3], 0);
        last->rate = round_to((double)last->struggles / (double)last->n, 4);
    }
    r->weeks = r->timeline.n;
    return ERR_OK;
}

static void compare(struct api_call *c, struct reduction *r, const struct learner *l,
                    struct share before, struct share after)
{
    struct needed needed = NEEDED_NONE;

    r->baseline = r->current = r->percent = (double)NAN;
    r->baseline_n = (int64_t)before.n;
    r->current_n = (int64_t)after.n;
    if (!l->analysis) {
        r->reason = reason_disabled;
    } else if (r->since == TIME_NONE) {
        r->reason = STR("No intervention was applied yet.");
    } else if (before.n < JUDGED_MIN || after.n < JUDGED_MIN) {
        r->reason = STR("Ten judged forecasts before the first intervention and ten since are "
                        "needed.");
        needed.graded = (int64_t)(fmax(JUDGED_MIN - before.n, 0) + fmax(JUDGED_MIN - after.n, 0)) *
                        3; /* answers a forecast */
        r->needed = needed_new(c->arena, needed);
    } else {
        struct interval d = stats_difference(before, after, STATS_Z95);

        d = (struct interval){round_to(d.low, 4), round_to(d.high, 4)};
        double a = before.k / before.n, b = after.k / after.n;

        r->baseline = round_to(a, 4);
        r->current = round_to(b, 4);
        r->percent = a > 0 ? round_to(100 * (a - b) / a, 1) : (double)NAN;
        r->difference = interval_new(c->arena, d);
        r->verdict = d.low > 0    ? STR("improved")
                     : d.high < 0 ? STR("worsened")
                                  : STR("inconclusive");
    }
}

static enum err put_verdict(struct api_call *c, struct reduction *r)
{
    struct verdict *v = &r->summary;

    v->status = r->verdict;
    v->message = str_eq(r->verdict, STR("improved"))
                     ? STR("There are fewer struggles since you took something on.")
                 : str_eq(r->verdict, STR("worsened"))
                     ? STR("There are more struggles since you took something on.")
                 : r->verdict.p ? STR("It cannot be told yet whether there are fewer struggles.")
                                : r->reason;
    v->baseline = arena_printf(c->arena, "%lld judged forecasts of the six weeks before.",
                               (long long)r->baseline_n);
    v->current = arena_printf(c->arena, "%lld judged forecasts since.", (long long)r->current_n);
    return v->baseline.p && v->current.p ? ERR_OK : ERR_NOMEM;
}

static enum err reduction_effects(struct api_call *c, const struct rows *rows, struct reduction *r)
{
    struct type_effect *t = arena_new(c->arena, struct type_effect, (size_t)rows->count + 1);
    struct list effects = {NULL, 0};
    enum err e = t ? effects_of(c, rows, &effects) : ERR_NOMEM;
    const struct map_entry *entries = effects.p;

    for (int32_t i = 0; e == ERR_OK && i < effects.n; i++) {
        t[i] =
            (struct type_effect){entries[i].key, str_from(kind_find(entries[i].key)->description),
                                 *(const struct effect *)entries[i].value};
        r->interventions += t[i].effect.total;
    }
    r->effects = (struct list){t, effects.n};
    return e;
}

static enum err get_reduction(struct api_call *c)
{
    const struct reduction_query *in = c->in;
    const struct value args[] = {V_S(c->learner), V_I(OUTCOMES_MAX)};
    struct query q[] = {
        [1] = {.stmt = STMT_PREDICTIONS_OUTCOMES, .args = args, .arg_count = 2},
        [2] = {.stmt = STMT_INTERVENTIONS_EFFECT, .args = args, .arg_count = 1},
        [3] = {.stmt = STMT_INTERVENTIONS_SINCE, .args = args, .arg_count = 1},
        [4] = {.stmt = STMT_PREDICTIONS_COUNTS, .args = args, .arg_count = 1},
    };
    struct reduction *r = arena_new(c->arena, struct reduction, 1);
    struct share before = {0, 0}, after = {0, 0};
    struct learner l;
    enum err e = r ? learner_read(c, q, COUNT(q), &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    r->user_id = c->learner;
    r->period = str_from(period_names[in->period]);
    r->method = STR("A comparison of before and after within one learner: other things change in "
                    "that time, too.");
    r->since = value_i64(row_at(&q[3].rows, 0), TIME_NONE);
    int64_t from = c->now_us - period_days[in->period] * US_PER_DAY;
    if (r->since > from)
        from = r->since;
    e = timeline_of(c, &q[1].rows, r, from, &before, &after);
    if (e == ERR_OK)
        e = reduction_effects(c, &q[2].rows, r);
    compare(c, r, &l, before, after);
    r->baseline_start = r->since == TIME_NONE ? TIME_NONE : r->since - BASELINE_DAYS * US_PER_DAY;
    r->baseline_end = r->since;
    r->current_end =
        q[1].rows.count > 0 ? value_i64(row_at(&q[1].rows, 0) + 1, TIME_NONE) : TIME_NONE;
    struct columns v = columns_of(&q[4].rows, 0);
    r->predictions = column_i64(&v, 0);
    r->opinions = column_i64(&v, 0);
    c->reply = r;
    return e == ERR_OK ? put_verdict(c, r) : e;
}

#define INTERVENTIONS .tag = "predictions", .envelope = ENVELOPE_DATA
#define FLAT_INTERVENTIONS .names = NAMES_BOTH, .tag = "predictions", .envelope = ENVELOPE_FLAT
#define READS                                                                             \
    .method = HTTP_GET, .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .run = RUN_SMALL, \
    .round_trips = 1, .cache = {.fresh_s = 300, .stale_s = 1800, .settled = true},        \
    .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_interventions[] = {
    {INTERVENTIONS, READS, .path = "/api/analytics/interventions", .id = "get_interventions",
     .summary = "What could be done where a struggle is likely, and how it went where it was done",
     .reply = interventions_fields, .handler = get_interventions},
    {INTERVENTIONS, READS, .names = NAMES_BOTH, .path = "/api/analytics/struggle-reduction",
     .id = "get_struggle_reduction",
     .summary = "Are there fewer struggles since interventions were applied?",
     .query = reduction_query, .in_size = sizeof(struct reduction_query), .reply = reduction_fields,
     .handler = get_reduction},
    {INTERVENTIONS, .method = HTTP_POST, .path = "/api/analytics/interventions/{id}/apply",
     .id = "apply_intervention", .summary = "Put a proposal into the learner's missions",
     .scopes = SCOPE_WRITE, .learner = LEARNER_BODY, .run = RUN_WORKER, .round_trips = 1,
     .params = apply_path, .body = apply_body, .body_optional = true,
     .in_size = sizeof(struct apply), .reply = applied_reply,
     .errors = UINT64_C(1) << ERR_NOT_FOUND | UINT64_C(1) << ERR_CONFLICT, .repeats = true, .handler = post_apply},
    /* The paths of the former prediction service, flat. */
    {FLAT_INTERVENTIONS, READS, .path = "/interventions", .id = "service_get_interventions",
     .summary = "As /api/analytics/interventions, flat", .reply = interventions_fields,
     .handler = get_interventions},
    {FLAT_INTERVENTIONS, READS, .path = "/struggle-reduction",
     .id = "service_get_struggle_reduction",
     .summary = "As /api/analytics/struggle-reduction, flat", .query = reduction_query,
     .in_size = sizeof(struct reduction_query), .reply = reduction_fields,
     .handler = get_reduction},
    {READS, .tag = "predictions", .path = "/analytics/interventions",
     .id = "service_get_analytics_interventions",
     .summary = "The list of /api/analytics/interventions, bare and in snake case",
     .envelope = ENVELOPE_LIST, .names = NAMES_SNAKE, .reply = interventions_fields,
     .handler = get_interventions},
    {READS, .tag = "predictions", .path = "/analytics/struggle-reduction",
     .id = "service_get_analytics_struggle_reduction",
     .summary = "As /api/analytics/struggle-reduction, bare and in snake case",
     .envelope = ENVELOPE_BARE, .names = NAMES_SNAKE, .query = reduction_query,
     .in_size = sizeof(struct reduction_query), .reply = reduction_fields,
     .handler = get_reduction},
    {FLAT_INTERVENTIONS, .method = HTTP_POST, .path = "/interventions/{id}/apply",
     .id = "service_apply_intervention",
     .summary = "As /api/analytics/interventions/{id}/apply, flat", .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY, .run = RUN_WORKER, .round_trips = 1, .params = apply_path,
     .body = apply_body, .body_optional = true, .in_size = sizeof(struct apply),
     .reply = applied_reply, .errors = UINT64_C(1) << ERR_NOT_FOUND | UINT64_C(1) << ERR_CONFLICT,
     .repeats = true, .handler = post_apply},
    {.path = NULL},
};
