#include "api/cohort.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>

const struct field cohort_fields[] = {
    FIELD(F_STR, struct cohort, course, "courseId", .doc = "course"),
    FIELD(F_I64, struct cohort, learners, "learners",
          .doc = "who take it and may be counted, as of their last nights"),
    FIELD(F_I64, struct cohort, tasks, "tasks", .doc = "pieces that the cohort was asked about"),
    FIELD(F_STR, struct cohort, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why it says nothing"),
    FIELD_END,
};

/* ---- where one's own work stands ---- */

static int64_t bin_of(double score)
{
    return isnan(score) ? -1 : (int64_t)(lround(score * 100) / 500);
}

static void place(const struct value *v, double learners, struct warning_task *t)
{
    double n = value_f64(&v[1], 0), scored = value_f64(&v[2], 0);
    double mean = value_f64(&v[3], 0) / 100 / scored;
    double variance = value_f64(&v[4], 0) / 1e4 / scored - mean * mean;

    if (isnan(t->share))
        t->share = fmin(1, n / learners);
    if (scored >= COHORT_HANDED && !isnan(t->score)) {
        if (isnan(t->standing) && variance > 1e-6)
            t->standing = fmax(-20, fmin(20, (t->score - mean) / sqrt(variance)));
        if (isnan(t->score_place))
            t->score_place = fmin(1, (value_f64(&v[5], 0) + value_f64(&v[6], 0) / 2) / scored);
    }
    if (n >= COHORT_HANDED && isnan(t->day_place) && t->handed_day != WARNING_NEVER)
        t->day_place = fmin(1, (value_f64(&v[7], 0) + value_f64(&v[8], 0) / 2) / n);
}

enum err cohort_fill(struct api_call *c, struct str course, int64_t learners, int32_t day,
                     const struct str *names, struct warning_task *tasks, int32_t count,
                     struct cohort *ret)
{
    struct value *keys = arena_new(c->arena, struct value, (size_t)count * 5 + 1);
    struct rows rows;
    int32_t n = 0;

    *ret = (struct cohort){.course = course, .learners = learners};
    if (!keys)
        return ERR_NOMEM;
    if (learners < COHORT_NEEDED) {
        ret->reason = STR("Fewer than twenty learners are known who take the course.");
        return ERR_OK;
    }
    for (int32_t i = 0; i < count; i++) {
        const struct warning_task *t = &tasks[i];
        if (!names[i].p)
            continue;
        struct value *v = keys + (size_t)n++ * 5;
        v[0] = V_S(course);
        v[1] = V_S(names[i]);
        v[2] = V_I(day);
        v[3] = V_I(t->handed_day == WARNING_NEVER ? COHORT_DAY_MAX + 1 : t->handed_day);
        v[4] = V_I(bin_of(t->score));
    }
    ret->tasks = n;
    if (n == 0) {
        ret->reason = STR("No task has a taskId.");
        return ERR_OK;
    }
    enum err e = store_read_bulk(c->conn, c->arena, STMT_COHORT_PLACES, keys, n, 5, &rows);
    for (int32_t i = 0; e == ERR_OK && i < count; i++) {
        bool found = false;
        for (int32_t k = 0; names[i].p && !found && k < rows.count; k++) {
            found = str_eq(value_str(row_at(&rows, k)), names[i]);
            if (found)
                place(row_at(&rows, k), (double)learners, &tasks[i]);
        }
        if (!found && names[i].p && isnan(tasks[i].share))
            tasks[i].share = 0; /* nobody has handed it in */
    }
    return e;
}

/* ---- POST analytics/early-warning/work ---- */

struct piece {
    struct str task;
    int32_t handed;
    double score;
};
static const struct field piece_fields[] = {
    FIELD(F_STR, struct piece, task, "taskId", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "piece of set work, the same for all who take the course"),
    FIELD(F_I32, struct piece, handed, "handedDay", .flags = FIELD_REQUIRED, .min = -COHORT_DAY_MAX,
          .max = COHORT_DAY_MAX, .doc = "of the course; 0 is its first"),
    FIELD(F_F64, struct piece, score, "score", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "percent; left out: none yet"),
    FIELD_END,
};
struct told {
    struct str user_id, course;
    struct list pieces;
    int64_t learner_id;
};
static const struct field told_body[] = {
    FIELD_USER_ID(struct told),
    FIELD(F_STR, struct told, course, "courseId", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "one run of a course: those who take it are the cohort"),
    FIELD(F_LIST, struct told, pieces, "tasks", .flags = FIELD_REQUIRED, .sub = piece_fields,
          .size = sizeof(struct piece), .max = WARNING_TASKS_MAX,
          .doc = "all that was handed in so far; it stands in the place of what was told before"),
    FIELD_END,
};
struct kept {
    struct str course;
    int64_t tasks;
};
static const struct field kept_fields[] = {
    FIELD(F_STR, struct kept, course, "courseId", .doc = "course"),
    FIELD(F_I64, struct kept, tasks, "tasks",
          .doc = "pieces that are kept; counted from the night"),
    FIELD_END,
};

static enum err told_run(struct api_call *c, struct store_conn *conn)
{
    const struct told *in = c->in;
    const struct piece *p = in->pieces.p;
    const struct value course[] = {V_I(in->learner_id), V_S(in->course)};
    struct query q = {.stmt = STMT_WORK_COURSES, .args = course, .arg_count = 2, .rows_max = 1};
    struct value *v = arena_new(c->arena, struct value, ((size_t)in->pieces.n + 1) * 6);
    enum err e = v ? store_read(conn, c->arena, &q, 1, 0) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    if (value_i64(row_at(&q.rows, 0), 0) >= COHORT_COURSES_MAX)
        return api_refuse(c, ERR_CONFLICT, "TOO_MANY_COURSES",
                          "Set work of %d courses is kept already.", COHORT_COURSES_MAX);
    for (int32_t i = 0; i <= in->pieces.n; i++) { /* the last says that the course is taken */
        bool own = i < in->pieces.n;
        const struct value row[] = {course[0],
                                    course[1],
                                    own ? V_S(p[i].task) : V_S(STR("")),
                                    V_I(own ? p[i].handed : 0),
                                    own && !isnan(p[i].score) ? V_I(lround(p[i].score * 100)) : V_N,
                                    V_I(c->now_us)};
        for (int k = 0; k < 6; k++)
            v[(size_t)i * 6 + (size_t)k] = row[k];
    }
    struct bulk b[] = {
        {.stmt = STMT_WORK_DROP_COURSE, .rows = 1, .cols = 2, .v = course},
        {.stmt = STMT_WORK_PUT, .rows = in->pieces.n + 1, .cols = 6, .v = v},
    };
    return store_write(conn, b, COUNT(b));
}

static enum err told_done(struct api_call *c)
{
    const struct told *in = c->in;
    struct kept *r = arena_new(c->arena, struct kept, 1);

    if (!r)
        return ERR_NOMEM;
    *r = (struct kept){in->course, in->pieces.n};
    c->reply = r;
    return ERR_OK;
}

static int by_task(const void *pa, const void *pb)
{
    return str_cmp(((const struct piece *)pa)->task, ((const struct piece *)pb)->task);
}

static enum err post_told(struct api_call *c)
{
    struct told *in = c->in;
    struct piece *p = (struct piece *)in->pieces.p;
    struct query q[1];
    struct learner l;
    enum err e = learner_read(c, q, COUNT(q), &l);

    if (e == ERR_OK && !l.analysis)
        e = api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT, STR_ARG(reason_disabled));
    if (e != ERR_OK)
        return e;
    in->learner_id = l.learner_id;
    if (in->pieces.n > 1)
        qsort(p, (size_t)in->pieces.n, sizeof *p, by_task);
    for (int32_t i = 1; i < in->pieces.n; i++)
        if (str_eq(p[i].task, p[i - 1].task))
            return api_bad_field(c, "tasks", "invalid_value", "names " STR_FMT " twice",
                                 STR_ARG(p[i].task));
    return api_change(c, told_run, told_done);
}

const struct endpoint endpoints_cohort[] = {
    {.method = HTTP_POST,
     .path = "/api/analytics/early-warning/work",
     .id = "tell_set_work",
     .tag = "predictions",
     .summary = "Tell what set work of a course was handed in; it is kept, for the cohort",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .body = told_body,
     .in_size = sizeof(struct told),
     .reply = kept_fields,
     .envelope = ENVELOPE_DATA,
     .body_max = 64 * 1024,
     .run = RUN_SMALL,
     .round_trips = 1,
     .errors = UINT64_C(1) << ERR_NOT_FOUND | UINT64_C(1) << ERR_CONFLICT,
     .handler = post_told},
    {.path = NULL},
};
