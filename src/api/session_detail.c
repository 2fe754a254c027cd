#include "api/session_detail.h"

#include <math.h>

enum { OVERCONFIDENT = 15 /* points between confidence and score */ };

const struct field session_path_fields[] = {
    FIELD(F_STR, struct session_path, id, "id", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "session"),
    FIELD_END,
};

/* ---- objectives ---- */

static const struct field objective_info_fields[] = {
    FIELD(F_STR, struct objective_info, id, "id", .doc = "objective"),
    FIELD(F_STR, struct objective_info, text, "objective", .doc = "what is to be learned"),
    FIELD(F_STR, struct objective_info, complexity, "complexity",
          .doc = "BASIC, INTERMEDIATE or ADVANCED"),
    FIELD_END,
};

const struct field planned_fields[] = {
    FIELD(F_STR, struct planned_objective, id, "objectiveId", .doc = "objective"),
    FIELD(F_OBJECT, struct planned_objective, info, "objective",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = objective_info_fields,
          .size = sizeof(struct objective_info), .doc = "null where the catalogue has none"),
    FIELD(F_I64, struct planned_objective, position, "position", .flags = FIELD_NULLABLE,
          .doc = "place in the plan; null when it was not planned"),
    FIELD(F_I64, struct planned_objective, estimated_minutes, "estimatedMinutes",
          .flags = FIELD_NULLABLE, .doc = "as planned"),
    FIELD(F_BOOL, struct planned_objective, completed, "completed", .doc = "is it done?"),
    FIELD(F_TIME, struct planned_objective, completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was completed"),
    FIELD(F_I64, struct planned_objective, time_spent_ms, "timeSpentMs", .flags = FIELD_NULLABLE,
          .doc = "time it took"),
    FIELD(F_I64, struct planned_objective, self_assessment, "selfAssessment",
          .flags = FIELD_NULLABLE, .min = 1, .max = 5, .doc = "how well it is understood"),
    FIELD(F_I64, struct planned_objective, confidence, "confidenceRating", .flags = FIELD_NULLABLE,
          .min = 1, .max = 5, .doc = "how sure the learner is"),
    FIELD(F_STR, struct planned_objective, notes, "notes", .flags = FIELD_NULLABLE,
          .doc = "the learner's note"),
    FIELD_END,
};

void planned_one(struct columns v, struct planned_objective *p, struct objective_info *info)
{
    p->id = info->id = column_str(&v);
    info->text = column_str(&v);
    info->complexity = column_str(&v);
    if (info->text.p)
        p->info = info;
    p->position = column_i64(&v, INT64_MIN);
    p->estimated_minutes = column_i64(&v, INT64_MIN);
    p->completed_at = column_time(&v);
    p->completed = p->completed_at != TIME_NONE;
    p->time_spent_ms = p->self_assessment = p->confidence = INT64_MIN;
    if (v.left == 0)
        return;
    p->time_spent_ms = column_i64(&v, INT64_MIN);
    p->self_assessment = column_i64(&v, INT64_MIN);
    p->confidence = column_i64(&v, INT64_MIN);
    p->notes = column_str(&v);
}

enum err planned_read(struct api_call *c, const struct rows *rows, struct list *ret)
{
    size_t n = (size_t)rows->count;
    struct planned_objective *p = arena_new(c->arena, struct planned_objective, n);
    struct objective_info *info = arena_new(c->arena, struct objective_info, n);

    if (n > 0 && (!p || !info))
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        planned_one(columns_of(rows, (int32_t)i), &p[i], &info[i]);
    *ret = (struct list){p, rows->count};
    return ERR_OK;
}

const struct field progress_fields[] = {
    FIELD(F_I64, struct progress, completed, "completed", .doc = "objectives done"),
    FIELD(F_I64, struct progress, total, "total", .doc = "objectives planned"),
    FIELD_END,
};

const struct progress *progress_of(struct arena *arena, const struct list *planned)
{
    const struct planned_objective *p = planned->p;
    struct progress *r = planned->n > 0 ? arena_new(arena, struct progress, 1) : NULL;

    for (int32_t i = 0; r && i < planned->n; i++) {
        r->completed += p[i].completed;
        r->total++;
    }
    return r;
}

const struct planned_objective *planned_next(const struct list *planned)
{
    const struct planned_objective *p = planned->p;

    for (int32_t i = 0; i < planned->n; i++)
        if (!p[i].completed && p[i].position != INT64_MIN)
            return &p[i];
    return NULL;
}

/* ---- answers ---- */

struct response {
    struct str objective, concept;
    double score, confidence, delta;
    bool skipped;
    int64_t at;
};
static const struct field response_fields[] = {
    FIELD(F_STR, struct response, objective, "objectiveId", .flags = FIELD_NULLABLE,
          .doc = "objective it belongs to"),
    FIELD(F_STR, struct response, concept, "conceptName", .flags = FIELD_NULLABLE,
          .doc = "its name"),
    FIELD(F_F64, struct response, score, "score", .min = 0, .max = 1,
          .doc = "0 to 1; right or wrong counts 1 or 0"),
    FIELD(F_F64, struct response, confidence, "confidenceLevel", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "as told with the answer"),
    FIELD(F_F64, struct response, delta, "calibrationDelta", .flags = FIELD_NULLABLE,
          .doc = "points by which confidence lies above the score"),
    FIELD(F_BOOL, struct response, skipped, "skipped", .doc = "false: who answered did not skip"),
    FIELD(F_TIME, struct response, at, "respondedAt", .doc = "when"),
    FIELD_END,
};

struct comprehension {
    int64_t attempts, skipped;
    double mean;
    struct list responses;
};
static const struct field comprehension_fields[] = {
    FIELD(F_I64, struct comprehension, attempts, "totalAttempts", .doc = "answers"),
    FIELD(F_F64, struct comprehension, mean, "averageScore", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "mean score; null without an answer"),
    FIELD(F_I64, struct comprehension, skipped, "skippedCount", .flags = FIELD_NULLABLE,
          .doc = "null: events tell what was answered, not what was skipped"),
    FIELD(F_LIST, struct comprehension, responses, "responses", .sub = response_fields,
          .size = sizeof(struct response), .doc = "the answers in order of time"),
    FIELD_END,
};

static const struct field categories_fields[] = {
    FIELD(F_I64, struct categories, over, "overconfident",
          .doc = "answers with confidence more than 15 points above the score"),
    FIELD(F_I64, struct categories, under, "underconfident", .doc = "more than 15 points below"),
    FIELD(F_I64, struct categories, calibrated, "calibrated", .doc = "the others"),
    FIELD_END,
};

const struct field calibration_fields[] = {
    FIELD(F_I64, struct calibration, n, "totalValidations",
          .doc = "answers that told a confidence"),
    FIELD(F_F64, struct calibration, gap, "avgConfidenceVsPerformanceGap", .flags = FIELD_NULLABLE,
          .doc = "mean distance of confidence and score, in points"),
    FIELD(F_F64, struct calibration, bias, "bias", .flags = FIELD_NULLABLE,
          .doc = "mean of confidence minus score: above 0 is overconfidence"),
    FIELD(F_OBJECT, struct calibration, bias_interval, "biasInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Student's t; null for fewer than two"),
    FIELD(F_F64, struct calibration, brier, "brier", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "mean squared distance of confidence and score"),
    FIELD(F_OBJECT, struct calibration, categories, "categoryDistribution",
          .sub = categories_fields, .size = sizeof(struct categories), .doc = "how many of each"),
    FIELD(F_F64, struct calibration, reflection, "reflectionCompletionRate",
          .flags = FIELD_NULLABLE, .doc = "null: no event tells of reflections"),
    FIELD(F_F64, struct calibration, minutes, "calibrationTimeMinutes", .flags = FIELD_NULLABLE,
          .doc = "null: no event tells the time that rating one's confidence took"),
    FIELD_END,
};

/* ---- GET learning/sessions/{id} ---- */

struct mission_detail {
    struct session_mission mission;
    struct list objectives;
};
static const struct field mission_detail_fields[] = {
    FIELD(F_OBJECT, struct mission_detail, mission, "mission", .flags = FIELD_FLAT,
          .sub = session_mission_fields, .size = sizeof(struct session_mission), .doc = "mission"),
    FIELD(F_LIST, struct mission_detail, objectives, "objectives", .sub = planned_fields,
          .size = sizeof(struct planned_objective), .doc = "in order"),
    FIELD_END,
};

struct session_detail {
    struct session_row row;
    const struct mission_detail *mission;
    struct list plan, completions, reviews;
    struct comprehension comprehension;
    struct calibration calibration;
    bool truncated;
};
static const struct field session_detail_fields[] = {
    FIELD(F_OBJECT, struct session_detail, row, "row", .flags = FIELD_FLAT, .sub = session_fields,
          .size = sizeof(struct session_row), .doc = "session"),
    FIELD(F_OBJECT, struct session_detail, mission, "mission",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = mission_detail_fields,
          .size = sizeof(struct mission_detail), .doc = "the mission it serves"),
    FIELD(F_LIST, struct session_detail, plan, "missionObjectives", .sub = planned_fields,
          .size = sizeof(struct planned_objective),
          .doc = "the session's plan and what came of it"),
    FIELD(F_LIST, struct session_detail, completions, "objectiveCompletions", .sub = planned_fields,
          .size = sizeof(struct planned_objective), .doc = "those that are done, planned or not"),
    FIELD(F_LIST, struct session_detail, reviews, "reviews", .sub = review_fields,
          .size = sizeof(struct review), .doc = "cards reviewed, in order of time"),
    FIELD(F_OBJECT, struct session_detail, comprehension, "comprehensionMetrics",
          .sub = comprehension_fields, .size = sizeof(struct comprehension), .doc = "the answers"),
    FIELD(F_OBJECT, struct session_detail, calibration, "calibrationMetrics",
          .sub = calibration_fields, .size = sizeof(struct calibration),
          .doc = "confidence against score"),
    FIELD(F_BOOL, struct session_detail, truncated, "truncated",
          .doc = "more than 500 reviews and answers: the later ones are left out"),
    FIELD_END,
};

struct session_reply {
    const struct session_detail *session;
};
const struct field session_reply_fields[] = {
    FIELD(F_OBJECT, struct session_reply, session, "session", .flags = FIELD_POINTER,
          .sub = session_detail_fields, .size = sizeof(struct session_detail),
          .doc = "the session"),
    FIELD_END,
};

static double score_of(const struct graded *g)
{
    return !isnan(g->score) ? g->score : (double)(g->correct > 0);
}

void calibration_add(struct calibration *k, const struct graded *g)
{
    double delta = 100 * (g->confidence - score_of(g)); /* NaN without a confidence */

    if (isnan(delta))
        return;
    k->n++;
    k->gap += fabs(delta);
    k->bias += delta;
    k->brier += delta * delta;
    if (delta > OVERCONFIDENT)
        k->categories.over++;
    else if (delta < -OVERCONFIDENT)
        k->categories.under++;
    else
        k->categories.calibrated++;
}

void calibration_end(struct calibration *k, struct arena *arena)
{
    struct mean_estimate bias = stats_mean(k->n, k->bias, k->brier);
    double n = (double)k->n;

    k->reflection = k->minutes = (double)NAN;
    k->gap = k->n > 0 ? round_to(k->gap / n, 1) : (double)NAN;
    k->brier = k->n > 0 ? round_to(k->brier / n / 1e4, 4) : (double)NAN;
    k->bias = k->n > 0 ? round_to(k->bias / n, 1) : (double)NAN;
    k->bias_interval = interval_new(arena, bias.interval);
}

static void add_response(const struct graded *g, struct session_detail *d)
{
    struct comprehension *m = &d->comprehension;
    double score = score_of(g), delta = 100 * (g->confidence - score);

    ((struct response *)m->responses.p)[m->responses.n++] =
        (struct response){g->objective, g->concept, score, g->confidence, delta, false, g->at};
    m->attempts++;
    m->mean += score;
    calibration_add(&d->calibration, g);
}

static enum err fill_graded(struct api_call *c, const struct rows *rows, struct session_detail *d)
{
    enum err e = ERR_OK;
    int32_t n = rows->count < GRADED_MAX ? rows->count : GRADED_MAX;

    d->truncated = rows->count > GRADED_MAX;
    d->reviews.p = arena_new(c->arena, struct review, (size_t)n + 1);
    d->comprehension.responses.p = arena_new(c->arena, struct response, (size_t)n + 1);
    if (!d->reviews.p || !d->comprehension.responses.p)
        return ERR_NOMEM;
    for (int32_t i = 0; e == ERR_OK && i < n; i++) {
        struct graded g = graded_read(columns_of(rows, i));
        if (g.kind == EVENT_REVIEW)
            e = review_of(c, &g, (struct review *)d->reviews.p + d->reviews.n++);
        else
            add_response(&g, d);
    }
    struct comprehension *m = &d->comprehension;
    m->mean = m->attempts > 0 ? m->mean / (double)m->attempts : (double)NAN;
    m->skipped = INT64_MIN;
    calibration_end(&d->calibration, c->arena);
    return e;
}

/* Those of the plan that are done, whether or not they were planned; and the plan itself. */
static enum err fill_plan(struct api_call *c, const struct rows *rows, struct session_detail *d)
{
    struct list all;
    enum err e = planned_read(c, rows, &all);
    struct planned_objective *done =
        arena_new(c->arena, struct planned_objective, (size_t)all.n + 1);
    struct planned_objective *plan =
        arena_new(c->arena, struct planned_objective, (size_t)all.n + 1);

    if (e != ERR_OK || !done || !plan)
        return ERR_NOMEM;
    d->plan.p = plan;
    d->completions.p = done;
    for (int32_t i = 0; i < all.n; i++) {
        const struct planned_objective *p = (const struct planned_objective *)all.p + i;
        if (p->completed)
            done[d->completions.n++] = *p;
        if (p->position != INT64_MIN)
            plan[d->plan.n++] = *p;
    }
    return ERR_OK;
}

static enum err fill_mission(struct api_call *c, const struct rows *rows, struct session_detail *d)
{
    if (!d->row.mission)
        return ERR_OK;
    struct mission_detail *m = arena_new(c->arena, struct mission_detail, 1);
    if (!m)
        return ERR_NOMEM;
    m->mission = *d->row.mission;
    d->mission = m;
    return planned_read(c, rows, &m->objectives);
}

enum err get_session(struct api_call *c)
{
    const struct session_path *in = c->in;
    const struct value args[] = {V_S(c->learner), V_S(in->id), V_I(GRADED_MAX + 1)};
    struct query q[5] = {
        [1] = {.stmt = STMT_SESSION_ONE, .args = args, .arg_count = 2},
        [2] = {.stmt = STMT_SESSION_OBJECTIVE_LIST, .args = args, .arg_count = 2},
        [3] = {.stmt = STMT_SESSION_MISSION_OBJECTIVES, .args = args, .arg_count = 2},
        [4] = {.stmt = STMT_SESSION_GRADED, .args = args, .arg_count = 3},
    };
    struct session_reply *r = arena_new(c->arena, struct session_reply, 1);
    struct session_detail *d = arena_new(c->arena, struct session_detail, 1);
    struct learner l;

    if (!r || !d)
        return ERR_NOMEM;
    enum err e = learner_read(c, q, 5, &l);
    if (e != ERR_OK)
        return e;
    if (q[1].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "SESSION_NOT_FOUND", "There is no such session.");
    e = session_row_read(c, columns_of(&q[1].rows, 0), &d->row);
    if (e == ERR_OK)
        e = fill_plan(c, &q[2].rows, d);
    if (e == ERR_OK)
        e = fill_mission(c, &q[3].rows, d);
    if (e == ERR_OK)
        e = fill_graded(c, &q[4].rows, d);
    r->session = d;
    c->reply = r;
    return e;
}
