/* exams - what plans look ahead to. */
#include "api/orchestra.h"
#include "base/assert.h"

enum { DAYS_AHEAD_MAX = 365, EXAMS_MAX = 200, ID_MAX = 64 };

static const struct field exam_fields[] = {
    FIELD(F_STR, struct exam, id, "id", .doc = "of the exam"),
    FIELD(F_STR, struct exam, course, "courseId", .flags = FIELD_NULLABLE,
          .doc = "null: it is on everything"),
    FIELD(F_STR, struct exam, name, "name", .doc = "for people"),
    FIELD(F_DATE, struct exam, day, "date", .doc = "day of the learner's zone"),
    FIELD(F_TIME, struct exam, created_at, "createdAt", .doc = "when it was told"),
    FIELD_END,
};
struct exams_reply {
    struct list exams;
};
static const struct field exams_reply[] = {
    FIELD(F_LIST, struct exams_reply, exams, "exams", .sub = exam_fields,
          .size = sizeof(struct exam), .max = EXAMS_MAX, .doc = "by date"),
    FIELD_END,
};

static enum err get_exams(struct api_call *c)
{
    const struct value id[] = {V_S(c->learner)};
    struct query q[2] = {[1] = {.stmt = STMT_EXAMS_OF_LEARNER, .args = id, .arg_count = 1}};
    struct exams_reply *r = arena_new(c->arena, struct exams_reply, 1);
    struct learner l;
    enum err e = r ? learner_read(c, q, 2, &l) : ERR_NOMEM;

    if (e == ERR_OK)
        e = exams_read(c, &q[1].rows, &r->exams);
    c->reply = r;
    return e;
}

struct exam_reply;
struct exam_in {
    struct str user_id, course, name, id;
    int32_t day;
    int64_t learner_id;
    struct exam_reply *shown;
};
static const struct field exam_body[] = {
    FIELD_USER_ID(struct exam_in),
    FIELD(F_STR, struct exam_in, name, "name", .flags = FIELD_REQUIRED, .min = 1, .max = 200,
          .doc = "for people"),
    FIELD(F_DATE, struct exam_in, day, "date", .flags = FIELD_REQUIRED,
          .doc = "day of the learner's zone"),
    FIELD(F_STR, struct exam_in, course, "courseId", .flags = FIELD_NULLABLE, .min = 1, .max = 128,
          .doc = "left out: it is on everything"),
    FIELD_END,
};
struct exam_reply {
    struct exam exam;
};
static const struct field exam_reply[] = {
    FIELD(F_OBJECT, struct exam_reply, exam, "exam", .sub = exam_fields,
          .size = sizeof(struct exam), .doc = "as it is kept"),
    FIELD_END,
};

static enum err exam_write(struct api_call *c, struct store_conn *conn)
{
    const struct exam_in *in = c->in;
    const struct value owner = V_I(in->learner_id);
    struct query q = {.stmt = STMT_EXAM_COUNT, .args = &owner, .arg_count = 1, .rows_max = 1};
    const struct value v[] = {owner,         V_S(in->id),  v_text(in->course),
                              V_S(in->name), V_I(in->day), V_I(c->now_us)};
    struct bulk b = {.stmt = STMT_EXAM_PUT, .rows = 1, .cols = COUNT(v), .v = v};
    enum err e = store_read(conn, c->arena, &q, 1, 0);

    if (e == ERR_OK && value_i64(row_at(&q.rows, 0), 0) >= EXAMS_MAX)
        return api_refuse(c, ERR_CONFLICT, "TOO_MANY_EXAMS", "There are %d exams already.",
                          EXAMS_MAX);
    return e == ERR_OK ? store_write(conn, &b, 1) : e;
}

static enum err exam_written(struct api_call *c)
{
    const struct exam_in *in = c->in;

    c->reply = in->shown;
    return ERR_OK;
}

static enum err post_exam(struct api_call *c)
{
    struct exam_reply *r = arena_new(c->arena, struct exam_reply, 1);
    struct exam_in *in = c->in;
    struct query q[1];
    struct learner l;
    enum err e = r ? learner_read(c, q, 1, &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    if (in->day < l.today - DAYS_AHEAD_MAX || in->day > l.today + 5 * DAYS_AHEAD_MAX)
        return api_bad_field(c, "date", "invalid_value",
                             "must lie between a year ago and five years ahead");
    in->learner_id = l.learner_id;
    in->id = orchestra_id(c, 'x');
    r->exam = (struct exam){in->id, in->course, in->name, in->day, c->now_us};
    in->shown = r;
    return in->id.p ? api_change(c, exam_write, exam_written) : ERR_NOMEM;
}

struct exam_path {
    struct str id;
    int64_t learner_id, changed;
};
static const struct field exam_path[] = {
    FIELD(F_STR, struct exam_path, id, "id", .flags = FIELD_REQUIRED, .min = 1, .max = ID_MAX,
          .doc = "exam"),
    FIELD_END,
};

static enum err exam_remove(struct api_call *c, struct store_conn *conn)
{
    const struct exam_path *in = c->in;
    const struct value v[] = {V_I(in->learner_id), V_S(in->id)};
    struct bulk b = {.stmt = STMT_EXAM_DROP, .rows = 1, .cols = 2, .v = v};
    enum err e = store_write(conn, &b, 1);

    if (e == ERR_OK && b.changed == 0)
        return api_refuse(c, ERR_NOT_FOUND, "EXAM_NOT_FOUND", "There is no such exam.");
    return e;
}

static enum err exam_removed(struct api_call *c)
{
    (void)c;
    return ERR_OK;
}

static enum err delete_exam(struct api_call *c)
{
    struct exam_path *in = c->in;
    struct query q[1];
    struct learner l;
    enum err e = learner_read(c, q, 1, &l);

    in->learner_id = l.learner_id;
    return e == ERR_OK ? api_change(c, exam_remove, exam_removed) : e;
}

#define ONE(e) (UINT64_C(1) << (e))
#define ROOT "/api/orchestration"
#define ROW .tag = "orchestration", .envelope = ENVELOPE_BARE
#define READS                                                                             \
    .run = RUN_SMALL, .method = HTTP_GET, .scopes = SCOPE_READ, .learner = LEARNER_QUERY, \
    .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)
#define CHANGES .run = RUN_WORKER, .scopes = SCOPE_WRITE, .round_trips = 2

const struct endpoint endpoints_exams[] = {
    {ROW, READS, .path = ROOT "/exams", .id = "get_exams",
     .summary = "Exams that plans look ahead to", .reply = exams_reply,
     .cache = {.fresh_s = 600, .stale_s = 1800, .settled = true}, .handler = get_exams},
    {ROW, CHANGES, .method = HTTP_POST, .repeats = true, .path = ROOT "/exams", .id = "add_exam",
     .summary = "Tell of an exam", .status = 201, .learner = LEARNER_BODY, .body = exam_body,
     .in_size = sizeof(struct exam_in), .reply = exam_reply,
     .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT), .handler = post_exam},
    {ROW, CHANGES, .method = HTTP_DELETE, .path = ROOT "/exams/{id}", .id = "remove_exam",
     .summary = "Take an exam back", .learner = LEARNER_QUERY, .params = exam_path,
     .in_size = sizeof(struct exam_path), .status = 204, .errors = ONE(ERR_NOT_FOUND),
     .handler = delete_exam},
    {.path = NULL},
};
