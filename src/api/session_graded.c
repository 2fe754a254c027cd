#include "api/session_graded.h"

static const struct field card_course_fields[] = {
    FIELD(F_STR, struct card_course, id, "id", .doc = "course"),
    FIELD(F_STR, struct card_course, name, "name", .doc = "its name"),
    FIELD_END,
};
static const struct field card_lecture_fields[] = {
    FIELD(F_STR, struct card_lecture, id, "id", .doc = "lecture"),
    FIELD(F_STR, struct card_lecture, title, "title", .doc = "its title"),
    FIELD(F_OBJECT, struct card_lecture, course, "course", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = card_course_fields, .size = sizeof(struct card_course), .doc = "its course"),
    FIELD_END,
};
static const struct field card_fields[] = {
    FIELD(F_STR, struct card, id, "id", .doc = "item"),
    FIELD(F_STR, struct card, front, "front", .flags = FIELD_NULLABLE, .doc = "question side"),
    FIELD(F_STR, struct card, back, "back", .flags = FIELD_NULLABLE, .doc = "answer side"),
    FIELD(F_OBJECT, struct card, lecture, "lecture", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = card_lecture_fields, .size = sizeof(struct card_lecture), .doc = "its lecture"),
    FIELD_END,
};

static const char *const rating_names[] = {"AGAIN", "HARD", "GOOD", "EASY", NULL};

const struct field review_fields[] = {
    FIELD(F_STR, struct review, id, "id", .doc = "event"),
    FIELD(F_ENUM, struct review, rating, "rating", .names = rating_names, .doc = "as rated"),
    FIELD(F_TIME, struct review, at, "reviewedAt", .doc = "when"),
    FIELD(F_I64, struct review, latency_ms, "latencyMs", .flags = FIELD_NULLABLE,
          .doc = "time to the response"),
    FIELD(F_I64, struct review, spent_ms, "timeSpentMs", .flags = FIELD_NULLABLE,
          .doc = "time in all"),
    FIELD(F_OBJECT, struct review, card, "card", .sub = card_fields, .size = sizeof(struct card),
          .doc = "what was reviewed"),
    FIELD_END,
};

struct graded graded_read(struct columns v)
{
    struct graded g = {.at = column_i64(&v, 0)};

    g.id = column_str(&v);
    g.kind = column_i64(&v, 0);
    g.item = column_str(&v);
    g.correct = column_i64(&v, -1);
    g.score = column_f64(&v);
    g.rating = column_i64(&v, 0);
    g.latency_ms = column_i64(&v, INT64_MIN);
    g.spent_ms = column_i64(&v, INT64_MIN);
    g.confidence = column_f64(&v);
    g.objective = column_str(&v);
    g.concept = column_str(&v);
    g.front = column_str(&v);
    g.back = column_str(&v);
    g.lecture = column_str(&v);
    g.title = column_str(&v);
    g.course = column_str(&v);
    g.course_name = column_str(&v);
    return g;
}

enum err review_of(struct api_call *c, const struct graded *g, struct review *ret)
{
    *ret = (struct review){
        .id = g->id,
        .rating = (int32_t)g->rating - 1,
        .at = g->at,
        .latency_ms = g->latency_ms,
        .spent_ms = g->spent_ms,
        .card = {.id = g->item, .front = g->front, .back = g->back},
    };
    if (!g->lecture.p)
        return ERR_OK;
    struct card_lecture *lecture = arena_new(c->arena, struct card_lecture, 1);
    struct card_course *course = arena_new(c->arena, struct card_course, 1);
    if (!lecture || !course)
        return ERR_NOMEM;
    *course = (struct card_course){g->course, g->course_name};
    *lecture = (struct card_lecture){g->lecture, g->title, g->course.p ? course : NULL};
    ret->card.lecture = lecture;
    return ERR_OK;
}
