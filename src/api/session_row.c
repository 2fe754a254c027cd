#include "api/session_row.h"

#include "api/session_graded.h"

#include <math.h>

static const char *const state_names[] = {"ACTIVE", "PAUSED", "COMPLETED", "ABANDONED", NULL};

const struct field session_mission_fields[] = {
    FIELD(F_STR, struct session_mission, id, "id", .doc = "mission"),
    FIELD(F_DATE, struct session_mission, day, "date", .doc = "local day it is for"),
    FIELD(F_STR, struct session_mission, status, "status",
          .doc = "PENDING, IN_PROGRESS, COMPLETED or SKIPPED"),
    FIELD(F_I64, struct session_mission, estimated_minutes, "estimatedMinutes",
          .flags = FIELD_NULLABLE, .doc = "as planned"),
    FIELD(F_I64, struct session_mission, actual_minutes, "actualMinutes", .flags = FIELD_NULLABLE,
          .doc = "as it was"),
    FIELD(F_TIME, struct session_mission, completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "when it was completed"),
    FIELD_END,
};

const struct field session_fields[] = {
    FIELD(F_STR, struct session_row, id, "id", .doc = "session"),
    FIELD(F_STR, struct session_row, user_id, "userId", .doc = "learner"),
    FIELD(F_STR, struct session_row, mission_id, "missionId", .flags = FIELD_NULLABLE,
          .doc = "mission it serves"),
    FIELD(F_TIME, struct session_row, started_at, "startedAt",
          .doc = "told start, or else its first event"),
    FIELD(F_TIME, struct session_row, completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "null while it is open, and for ever if it was abandoned"),
    FIELD(F_I64, struct session_row, duration_ms, "durationMs",
          .doc = "study time, pauses taken out; so far, while it is open"),
    FIELD(F_I64, struct session_row, paused_ms, "pausedMs", .doc = "time paused"),
    FIELD(F_ENUM, struct session_row, state, "state", .names = state_names,
          .doc = "ABANDONED: never completed, and nothing happened in it for twelve hours"),
    FIELD(F_I64, struct session_row, reviews, "reviewsCompleted", .doc = "cards reviewed"),
    FIELD(F_I64, struct session_row, recalled, "reviewsRecalled",
          .doc = "of these, not rated AGAIN"),
    FIELD(F_I64, struct session_row, answers, "answers", .doc = "items answered"),
    FIELD(F_I64, struct session_row, correct, "correctAnswers", .doc = "of these, right"),
    FIELD(F_I64, struct session_row, new_cards, "newCardsStudied",
          .doc = "cards whose first review ever lies here"),
    FIELD(F_F64, struct session_row, average_rating, "averageRating", .flags = FIELD_NULLABLE,
          .doc = "AGAIN 1 to EASY 4; null without a review"),
    FIELD(F_F64, struct session_row, success, "successRate", .flags = FIELD_NULLABLE,
          .doc = "share of right answers and successful reviews"),
    FIELD(F_I64, struct session_row, objectives_done, "objectivesCompleted",
          .doc = "objectives completed"),
    FIELD(F_I64, struct session_row, objectives_total, "objectivesTotal",
          .doc = "objectives planned"),
    FIELD(F_F64, struct session_row, completion, "completionRate", .flags = FIELD_NULLABLE,
          .doc = "percent of the planned objectives; null without a plan"),
    FIELD(F_F64, struct session_row, self_assessment, "averageSelfAssessment",
          .flags = FIELD_NULLABLE, .doc = "1 to 5"),
    FIELD(F_STR, struct session_row, notes, "sessionNotes", .flags = FIELD_NULLABLE,
          .doc = "the learner's note"),
    FIELD(F_I64, struct session_row, objective_index, "currentObjectiveIndex",
          .doc = "how many planned objectives are done"),
    FIELD(F_BOOL, struct session_row, untimed, "untimed",
          .doc = "its source had no clock: the times tell the order only"),
    FIELD_END,
};

const struct field session_shown_fields[] = {
    FIELD(F_OBJECT, struct session_shown, row, "row", .flags = FIELD_FLAT, .sub = session_fields,
          .size = sizeof(struct session_row), .doc = "session"),
    FIELD(F_OBJECT, struct session_shown, mission, "mission",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = session_mission_fields,
          .size = sizeof(struct session_mission), .doc = "the mission it serves"),
    FIELD(F_LIST, struct session_shown, reviews, "reviews", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .sub = review_fields, .size = sizeof(struct review),
          .doc = "in order; only with include=reviews"),
    FIELD_END,
};

const struct field session_stat_fields[] = {
    FIELD(F_STR, struct session_row, id, "id", .doc = "session"),
    FIELD(F_TIME, struct session_row, started_at, "startedAt",
          .doc = "told start, or else its first event"),
    FIELD(F_TIME, struct session_row, completed_at, "completedAt", .flags = FIELD_NULLABLE,
          .doc = "null while it is open, and for ever if it was abandoned"),
    FIELD(F_I64, struct session_row, duration_ms, "durationMs",
          .doc = "study time, pauses taken out; so far, while it is open"),
    FIELD(F_F64, struct session_row, duration_minutes, "durationMinutes", .doc = "the same"),
    FIELD(F_BOOL, struct session_row, is_completed, "isCompleted", .doc = "was it completed?"),
    FIELD(F_F64, struct session_row, completion, "completionRate", .flags = FIELD_NULLABLE,
          .doc = "percent of the planned objectives; null without a plan"),
    FIELD(F_I64, struct session_row, reviews, "reviewsCompleted", .doc = "cards reviewed"),
    FIELD(F_I64, struct session_row, answers, "answers", .doc = "items answered"),
    FIELD(F_F64, struct session_row, success, "successRate", .flags = FIELD_NULLABLE,
          .doc = "share of right answers and successful reviews"),
    FIELD(F_I64, struct session_row, new_cards, "newCardsStudied",
          .doc = "cards whose first review ever lies here"),
    FIELD(F_F64, struct session_row, average_rating, "averageRating", .flags = FIELD_NULLABLE,
          .doc = "AGAIN 1 to EASY 4; null without a review"),
    FIELD(F_STR, struct session_row, mission_id, "missionId", .flags = FIELD_NULLABLE,
          .doc = "mission it serves"),
    FIELD(F_DATE, struct session_row, mission_day, "missionDate", .flags = FIELD_NULLABLE,
          .doc = "local day of the mission"),
    FIELD(F_STR, struct session_row, notes, "notes", .flags = FIELD_NULLABLE,
          .doc = "the learner's note"),
    FIELD_END,
};

struct session_facts session_facts_read(struct columns *v)
{
    struct session_facts f = {.first_at = column_i64(v, 0)};

    f.last_at = column_i64(v, f.first_at);
    f.started_at = column_time(v);
    f.completed_at = column_time(v);
    f.declared_ms = column_i64(v, SESSION_MS_NONE);
    f.declared_pause_ms = column_i64(v, 0);
    f.pauses = column_i64(v, 0);
    f.pause_ms_sum = column_i64(v, 0);
    f.resumes = column_i64(v, 0);
    f.resume_ms_sum = column_i64(v, 0);
    f.active_ms = column_i64(v, 0);
    f.untimed = column_bool(v);
    return f;
}

static bool is_forgotten(const struct session_facts *f, int64_t now_us)
{
    return now_us - f->last_at > SESSION_STUDY_MS_MAX * US_PER_MS;
}

/* An open session lasts until now as far as anybody knows, if it was really started and is not
 * forgotten; a running pause ends it for the time being. */
static int64_t duration_so_far(const struct session_facts *f, int64_t now_us)
{
    struct session_facts open = *f;

    if (f->completed_at != TIME_NONE || f->untimed || f->started_at == TIME_NONE ||
        is_forgotten(f, now_us))
        return session_study_ms(f);
    open.completed_at = now_us > f->last_at ? now_us : f->last_at;
    return session_study_ms(&open);
}

/* Where nothing grows there is one change to come: that it will have been forgotten. */
static void row_ages(struct api_call *c, const struct session_facts *f, int64_t duration_ms)
{
    if (f->completed_at != TIME_NONE || is_forgotten(f, c->now_us))
        return;
    if (duration_ms != session_study_ms(f) || (f->started_at != TIME_NONE && !f->untimed))
        answer_ages(c);
    answer_until(c, f->last_at + SESSION_STUDY_MS_MAX * US_PER_MS + 1);
}

static enum err mission_read(struct api_call *c, struct columns *v, struct session_row *s)
{
    struct session_mission m = {.id = s->mission_id};

    m.day = s->mission_day = (int32_t)column_i64(v, INT32_MIN);
    m.status = column_str(v);
    m.estimated_minutes = column_i64(v, INT64_MIN);
    m.actual_minutes = column_i64(v, INT64_MIN);
    m.completed_at = column_time(v);
    if (!m.status.p)
        return ERR_OK; /* no mission, or one that nobody described */
    struct session_mission *p = arena_new(c->arena, struct session_mission, 1);
    if (!p)
        return ERR_NOMEM;
    *p = m;
    s->mission = p;
    return ERR_OK;
}

static double ratio(int64_t a, int64_t b)
{
    return b > 0 ? (double)a / (double)b : (double)NAN;
}

enum err session_row_read(struct api_call *c, struct columns v, struct session_row *ret)
{
    struct session_row s = {.user_id = c->learner};

    s.id = column_str(&v);
    s.facts = session_facts_read(&v);
    s.mission_id = column_str(&v);
    column_i64(&v, 0); /* events */
    s.answers = column_i64(&v, 0);
    s.correct = column_i64(&v, 0);
    s.reviews = column_i64(&v, 0);
    s.recalled = column_i64(&v, 0);
    s.average_rating = ratio(column_i64(&v, 0), s.reviews);
    s.new_cards = column_i64(&v, 0);
    s.latency_n = column_i64(&v, 0);
    s.latency_ms_sum = column_i64(&v, 0);
    s.latency_log_micro = column_i64(&v, 0);
    s.objectives_total = column_i64(&v, 0);
    s.objectives_done = column_i64(&v, 0);
    int64_t assessments = column_i64(&v, 0);
    s.self_assessment = ratio(column_i64(&v, 0), assessments);
    s.notes = column_str(&v);

    const struct session_facts *f = &s.facts;
    s.untimed = f->untimed;
    s.started_at = session_start(f);
    s.completed_at = f->completed_at;
    s.state = f->completed_at != TIME_NONE ? SESSION_COMPLETED
              : is_forgotten(f, c->now_us) ? SESSION_ABANDONED
              : f->pauses > f->resumes     ? SESSION_PAUSED
                                           : SESSION_ACTIVE;
    s.duration_ms = duration_so_far(f, c->now_us);
    row_ages(c, f, s.duration_ms);
    s.duration_minutes = round_to((double)s.duration_ms / 60000, 1);
    s.is_completed = s.state == SESSION_COMPLETED;
    s.paused_ms = session_paused_ms(f);
    s.success = ratio(s.correct + s.recalled, s.answers + s.reviews);
    if (s.objectives_total > 0)
        s.completion = fmin(100, 100 * ratio(s.objectives_done, s.objectives_total));
    else
        s.completion = NAN;
    s.objective_index =
        s.objectives_done < s.objectives_total ? s.objectives_done : s.objectives_total;
    *ret = s;
    return mission_read(c, &v, ret);
}
