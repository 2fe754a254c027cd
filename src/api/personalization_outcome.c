/* personalization_outcome - POST personalization/outcomes: what came of a choice.
 *
 * Taken once, by its id; the first outcome of a choice is its reward. A choice that is named
 * decides the context; else it is the one of the context on the outcome's local day, if there is
 * one. */
#include "api/personalization.h"
#include "base/assert.h"

#include <math.h>

enum { ID_MAX = 128, OUTCOME_DAYS_MAX = PERSONAL_CHOICES_DAYS };

static const char *const outcome_names[] = {"MISSION_COMPLETED", "SESSION_COMPLETED",
                                            "ASSESSMENT_COMPLETED", "CONTENT_ENGAGED", NULL};
static const enum personal_context outcome_contexts[] = {PERSONAL_MISSION, PERSONAL_SESSION,
                                                         PERSONAL_ASSESSMENT, PERSONAL_CONTENT};

const struct field personal_outcome_body[] = {
    FIELD_USER_ID(struct personal_outcome_in),
    FIELD(F_STR, struct personal_outcome_in, id, "id", .flags = FIELD_REQUIRED, .min = 1,
          .max = ID_MAX, .doc = "the caller's own; the same id again is the same outcome"),
    FIELD(F_STR, struct personal_outcome_in, decision, "decisionId", .flags = FIELD_NULLABLE,
          .min = 1, .max = ID_MAX,
          .doc = "of a choice; left out: the context's choice of that day"),
    FIELD(F_ENUM, struct personal_outcome_in, type, "outcomeType", .flags = FIELD_REQUIRED,
          .names = outcome_names, .doc = "what it is the outcome of"),
    FIELD(F_ENUM, struct personal_outcome_in, context, "context", .flags = FIELD_NULLABLE,
          .names = personal_context_names, .doc = "left out: the type's own"),
    FIELD(F_TIME, struct personal_outcome_in, at, "timestamp", .flags = FIELD_NULLABLE,
          .doc = "when; left out: now. Within the last 180 days"),
    FIELD(F_F64, struct personal_outcome_in, retention, "retentionChange", .flags = FIELD_NULLABLE,
          .min = -1, .max = 1, .doc = "against what is usual for the learner"),
    FIELD(F_F64, struct personal_outcome_in, performance, "performanceChange",
          .flags = FIELD_NULLABLE, .min = -1, .max = 1,
          .doc = "against what is usual for the learner"),
    FIELD(F_F64, struct personal_outcome_in, retention_score, "retentionScore",
          .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "instead of the change: compared with the four weeks before"),
    FIELD(F_F64, struct personal_outcome_in, performance_score, "performanceScore",
          .flags = FIELD_NULLABLE, .min = 0, .max = 1, .doc = "likewise"),
    FIELD(F_F64, struct personal_outcome_in, completion, "completionRate", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "share of what was planned"),
    FIELD(F_F64, struct personal_outcome_in, satisfaction, "satisfaction", .flags = FIELD_NULLABLE,
          .min = 1, .max = 5, .doc = "as the learner says"),
    FIELD(F_F64, struct personal_outcome_in, engagement, "engagementScore", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1, .doc = "kept, and not part of the reward"),
    FIELD(F_F64, struct personal_outcome_in, minutes, "sessionDuration", .flags = FIELD_NULLABLE,
          .min = 0, .max = 1440, .doc = "minutes"),
    FIELD(F_STR, struct personal_outcome_in, content_type, "contentType", .flags = FIELD_NULLABLE,
          .max = 64, .doc = "kept as it is"),
    FIELD(F_STR, struct personal_outcome_in, difficulty, "difficultyLevel", .flags = FIELD_NULLABLE,
          .max = 64, .doc = "kept as it is"),
    FIELD_END,
};
struct outcome_shown {
    struct str id, type, context, decision, variant;
    int64_t at;
    double retention, performance, completion, satisfaction, reward, composite, propensity;
    bool applied;
};
static const struct field outcome_fields[] = {
    FIELD(F_STR, struct outcome_shown, id, "id", .doc = "the caller's own"),
    FIELD(F_STR, struct outcome_shown, type, "outcomeType", .doc = "as it was told"),
    FIELD(F_STR, struct outcome_shown, context, "context", .doc = "what it belongs to"),
    FIELD(F_TIME, struct outcome_shown, at, "timestamp", .doc = "when"),
    FIELD(F_STR, struct outcome_shown, decision, "decisionId", .flags = FIELD_NULLABLE,
          .doc = "the choice that it is the outcome of; null: of none"),
    FIELD(F_BOOL, struct outcome_shown, applied, "personalizationApplied",
          .doc = "is there such a choice?"),
    FIELD(F_STR, struct outcome_shown, variant, "strategyVariant", .flags = FIELD_NULLABLE,
          .doc = "of that choice"),
    FIELD(F_F64, struct outcome_shown, propensity, "propensity", .flags = FIELD_NULLABLE,
          .doc = "of that choice"),
    FIELD(F_F64, struct outcome_shown, retention, "retentionChange", .flags = FIELD_NULLABLE,
          .doc = "as told, or worked out"),
    FIELD(F_F64, struct outcome_shown, performance, "performanceChange", .flags = FIELD_NULLABLE,
          .doc = "as told, or worked out"),
    FIELD(F_F64, struct outcome_shown, completion, "completionRate", .flags = FIELD_NULLABLE,
          .doc = "as told"),
    FIELD(F_F64, struct outcome_shown, satisfaction, "satisfaction", .flags = FIELD_NULLABLE,
          .doc = "as told"),
    FIELD(F_F64, struct outcome_shown, reward, "reward", .min = 0, .max = 1,
          .doc = "what is learnt from: 0 the worst, 1 the best, 0.5 as usual"),
    FIELD(F_F64, struct outcome_shown, composite, "compositeReward", .min = 0, .max = 1,
          .doc = "(.4 retention + .3 performance + .2 completion + .1 satisfaction + 1) / 2"),
    FIELD_END,
};
struct outcome_reply {
    struct outcome_shown outcome;
    bool created, learnt;
    struct str message;
};
const struct field personal_outcome_reply[] = {
    FIELD(F_OBJECT, struct outcome_reply, outcome, "outcome", .sub = outcome_fields,
          .size = sizeof(struct outcome_shown), .doc = "as it is kept"),
    FIELD(F_BOOL, struct outcome_reply, created, "created",
          .doc = "false: it was there already, and nothing was changed"),
    FIELD(F_BOOL, struct outcome_reply, learnt, "learnt",
          .doc = "has the choice learnt from it? The first outcome of a choice counts"),
    FIELD(F_STR, struct outcome_reply, message, "message", .doc = "the same in words"),
    FIELD_END,
};

static struct bandit_outcome outcome_of(double retention, double performance, double completion,
                                        double satisfaction)
{
    return (struct bandit_outcome){isnan(retention) ? 0 : retention,
                                   isnan(performance) ? 0 : performance,
                                   isnan(completion) ? 0.5 : completion, satisfaction};
}

static enum err outcome_told(struct api_call *c)
{
    const struct personal_outcome_in *in = c->in;
    const struct value args[] = {V_S(c->learner), V_S(in->id)};
    struct query q = {.stmt = STMT_PERSONAL_OUTCOME_ONE, .args = args, .arg_count = 2};
    struct outcome_reply *r = arena_new(c->arena, struct outcome_reply, 1);
    enum err e = r ? store_read(c->conn, c->arena, &q, 1, c->deadline_us) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    if (q.rows.count == 0) /* erased in between */
        return api_refuse(c, ERR_NOT_FOUND, NULL, "There is no such outcome.");
    struct columns v = columns_of(&q.rows, 0);
    struct outcome_shown *o = &r->outcome;
    o->id = column_str(&v);
    o->at = column_time(&v);
    o->type = column_str(&v);
    o->context = column_str(&v);
    int32_t day = (int32_t)column_i64(&v, INT32_MIN);
    o->retention = column_f64(&v);
    o->performance = column_f64(&v);
    o->completion = column_f64(&v);
    o->satisfaction = column_f64(&v);
    o->reward = round_to(column_f64(&v), 9);
    o->variant = column_str(&v);
    o->propensity = column_f64(&v);
    r->learnt = column_bool(&v);
    r->created = !in->known;
    o->applied = o->variant.p != NULL;
    int32_t context = personal_name(personal_context_names, o->context);
    if (o->applied && context >= 0)
        o->decision = personal_choice_id(c->arena, day, (enum personal_context)context);
    struct bandit_outcome b =
        outcome_of(o->retention, o->performance, o->completion, o->satisfaction);
    o->composite = round_to(bandit_reward_legacy(&b), 9);
    r->message = in->known    ? STR("The outcome was told before.")
                 : r->learnt  ? STR("The choice has learnt from the outcome.")
                 : o->applied ? STR("The outcome is kept; its choice does not learn from it.")
                              : STR("The outcome is kept; no choice was made for it.");
    c->reply = r;
    return ERR_OK;
}

/* A score less what is usual; NaN without enough to compare with. */
static double change_of(double score, int64_t k, int64_t n)
{
    return n < PERSONAL_BASELINE_NEEDED ? (double)NAN : score - (double)k / (double)n;
}

static void outcome_changes(struct personal_outcome_in *in, const struct personal_ground *g)
{
    struct personal_day before = personal_days_before(&g->days, in->day);

    if (isnan(in->retention))
        in->retention = change_of(in->retention_score, before.recalled, before.reviews);
    if (isnan(in->performance))
        in->performance = change_of(in->performance_score, before.correct, before.answers);
}

static enum err outcome_write(struct api_call *c, struct store_conn *conn,
                              const struct personal_ground *g, const struct personal_row *row)
{
    struct personal_outcome_in *in = c->in;
    struct bandit_outcome o =
        outcome_of(in->retention, in->performance, in->completion, in->satisfaction);
    double reward = bandit_reward_of(&o);
    struct personal_writes w = {.arena = c->arena};
    const struct value v[] = {V_I(g->learner_id),
                              V_S(in->id),
                              V_I(in->at),
                              V_S(str_from(outcome_names[in->type])),
                              V_S(str_from(personal_context_names[in->context])),
                              row ? V_I(row->day) : V_N,
                              V_I(0),
                              v_real(in->retention),
                              v_real(in->performance),
                              v_real(in->completion),
                              v_real(in->satisfaction),
                              v_real(in->engagement),
                              v_real(in->minutes),
                              v_text(in->content_type),
                              v_text(in->difficulty),
                              V_D(reward),
                              V_I(c->now_us)};
    struct bulk add = {.stmt = STMT_PERSONAL_OUTCOME_ADD, .rows = 1, .cols = COUNT(v), .v = v};
    enum err e = store_write(conn, &add, 1);

    in->known = e == ERR_OK && add.changed == 0;
    if (e != ERR_OK || in->known || !row || row->choice.settled_at != TIME_NONE)
        return e;
    e = personal_put_reward(&w, g, row, reward, in->id, c->now_us);
    return e == ERR_OK ? store_write(conn, w.bulks, w.count) : e;
}

static enum err outcome_run(struct api_call *c, struct store_conn *conn)
{
    struct personal_outcome_in *in = c->in;
    struct personal_ground g;
    struct learner l;
    enum personal_context context = (enum personal_context)in->context;
    int32_t day = in->decision.p ? in->day : (int32_t)(in->at / US_PER_DAY); /* or a day off */
    enum err e = personal_hold(c, conn);

    if (e == ERR_OK)
        e = personal_ground_read(c, conn, day - PERSONAL_BASELINE_DAYS - 1, day + 1, &l, &g);
    if (e == ERR_OK && !l.analysis)
        return api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT, STR_ARG(reason_disabled));
    if (e != ERR_OK)
        return e;
    if (!in->decision.p)
        in->day = civil_at(l.zone, in->at).epoch_day;
    const struct personal_row *row = personal_choice_of(&g, in->day, context);
    if (in->decision.p && !row)
        return api_refuse(c, ERR_NOT_FOUND, "DECISION_NOT_FOUND", "There is no such choice.");
    outcome_changes(in, &g);
    return outcome_write(c, conn, &g, row);
}

static enum err outcome_check(struct api_call *c, struct personal_outcome_in *in)
{
    enum personal_context context;

    if (in->at == TIME_NONE)
        in->at = c->now_us;
    if (in->at > c->now_us + 5 * US_PER_MINUTE ||
        in->at < c->now_us - OUTCOME_DAYS_MAX * US_PER_DAY)
        return api_bad_field(c, "timestamp", "invalid_value", "must lie within the last %d days",
                             OUTCOME_DAYS_MAX);
    if (isnan(in->retention) && isnan(in->performance) && isnan(in->retention_score) &&
        isnan(in->performance_score) && isnan(in->completion) && isnan(in->satisfaction))
        return api_bad_field(c, "retentionChange", "missing",
                             "must be there, or another measure of the outcome");
    if (!in->decision.p) {
        if (in->context < 0)
            in->context = (int32_t)outcome_contexts[in->type];
        return ERR_OK;
    }
    if (personal_choice_parse(in->decision, &in->day, &context) != ERR_OK)
        return api_refuse(c, ERR_NOT_FOUND, "DECISION_NOT_FOUND", "There is no such choice.");
    if (in->context >= 0 && in->context != (int32_t)context)
        return api_bad_field(c, "context", "invalid_value", "must be the choice's own");
    in->context = (int32_t)context;
    return ERR_OK;
}

enum err post_personal_outcome(struct api_call *c)
{
    enum err e = outcome_check(c, c->in);

    return e == ERR_OK ? api_change(c, outcome_run, outcome_told) : e;
}
