#include "api/course_risk.h"

#include "api/call.h"
#include "api/page.h"
#include "base/assert.h"
#include "night/night.h"
#include "night/runs.h"

#include <math.h>

const struct field risk_part_fields[] = {
    FIELD(F_STR, struct risk_part, reason, "reason", .doc = "what it is"),
    FIELD(F_F64, struct risk_part, log_odds, "logOdds", .doc = "they sum to those of the risk"),
    FIELD_END,
};

struct mark {
    int64_t day;
    double risk;
};
static const struct field mark_fields[] = {
    FIELD(F_I64, struct mark, day, "day", .doc = "of the course"),
    FIELD(F_F64, struct mark, risk, "risk", .min = 0, .max = 1,
          .doc = "by what was known by the end of that day"),
    FIELD_END,
};

const struct field course_risk_fields[] = {
    FIELD(F_STR, struct course_risk, course, "courseId", .doc = "one run of a course"),
    FIELD(F_STR, struct course_risk, of, "course", .flags = FIELD_NULLABLE,
          .doc = "of which it is a run; null: the catalogue does not tell"),
    FIELD(F_DATE, struct course_risk, begins, "begins", .flags = FIELD_NULLABLE,
          .doc = "its day 0"),
    FIELD(F_DATE, struct course_risk, ends, "ends", .flags = FIELD_NULLABLE, .doc = "its last day"),
    FIELD(F_I64, struct course_risk, day, "day", .flags = FIELD_NULLABLE,
          .doc = "of the course, by whose end the risk holds"),
    FIELD(F_I64, struct course_risk, landmark, "landmark", .flags = FIELD_NULLABLE,
          .doc = "the last day at or before it for which weights were fitted"),
    FIELD(F_BOOL, struct course_risk, ended, "ended", .doc = "the run is over"),
    FIELD(F_STR, struct course_risk, outcome, "outcome", .flags = FIELD_NULLABLE,
          .doc = "PASSED, FAILED or LEFT; null: not known yet"),
    FIELD(F_F64, struct course_risk, risk, "risk", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "of failing or leaving"),
    FIELD(F_LIST, struct course_risk, parts, "reasons", .sub = risk_part_fields,
          .size = sizeof(struct risk_part), .doc = "what the risk is made of"),
    FIELD(F_STR, struct course_risk, strongest, "strongest", .flags = FIELD_NULLABLE,
          .doc = "what raises it most"),
    FIELD(F_LIST, struct course_risk, history, "history", .sub = mark_fields,
          .size = sizeof(struct mark), .doc = "the risk on the landmarks that have passed"),
    FIELD(F_I64, struct course_risk, pieces, "n", .doc = "pieces of set work that are known"),
    FIELD(F_I64, struct course_risk, members, "learners",
          .doc = "who are there and are counted: the cohort"),
    FIELD(F_I64, struct course_risk, fitted_on, "fittedOn",
          .doc = "learners behind the common weights of the landmark"),
    FIELD(F_I64, struct course_risk, past_learners, "earlierLearners",
          .doc = "of ended runs of the course, behind its own part"),
    FIELD(F_I64, struct course_risk, others, "otherCourses",
          .doc = "the learner's other runs that tell something"),
    FIELD(F_STR, struct course_risk, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct course_risk, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no risk"),
    FIELD(F_I64, struct course_risk, needed_days, "neededDays", .flags = FIELD_NULLABLE,
          .doc = "days until there may be one"),
    FIELD(F_I64, struct course_risk, needed_learners, "neededLearners", .flags = FIELD_NULLABLE,
          .doc = "learners more, for there to be a cohort"),
    FIELD_END,
};

struct str course_risk_method(int64_t past_learners)
{
    return past_learners > 0
               ? STR("logistic regressions at days of a course, with a ridge: the weights of the "
                     "Open University's courses of 2013, moved by the ended runs of this course; "
                     "shifted by what these came to, by how many have left this run, and by the "
                     "learner's other courses")
               : STR("logistic regressions at days of a course, with a ridge: the weights of the "
                     "Open University's courses of 2013; shifted by how many have left this run, "
                     "and by the learner's other courses. No ended run of this course is known");
}

static enum err read_history(struct api_call *c, struct str text, struct list *ret)
{
    struct mark *m = arena_new(c->arena, struct mark, WARNING_LANDMARKS_MAX);
    struct run_marks marks;
    int32_t n = 0;

    if (!m)
        return ERR_NOMEM;
    run_marks_read(text, c->arena, &marks);
    for (int32_t i = 0; i < warning_default.landmark_count; i++)
        if (!isnan(marks.risk[i]))
            m[n++] = (struct mark){warning_default.landmarks[i].day, round_to(marks.risk[i], 6)};
    *ret = (struct list){m, n};
    return ERR_OK;
}

/* v: the parts behind the base's, or all; the strongest of those that raise the risk. */
static struct str strongest_of(const struct value *v)
{
    struct str best = {NULL, 0};
    double most = 0;

    for (int i = WARNING_BASE + 1; i < WARNING_REASONS; i++) {
        double part = value_f64(&v[i - 1], 0);
        if (part > most) {
            most = part;
            best = str_from(warning_reason_names[i]);
        }
    }
    return best;
}

static enum err read_parts(struct api_call *c, const struct value *v, struct course_risk *r)
{
    struct risk_part *p = arena_new(c->arena, struct risk_part, WARNING_REASONS);

    if (!p)
        return ERR_NOMEM;
    for (int i = 0; i < WARNING_REASONS; i++)
        p[i] =
            (struct risk_part){str_from(warning_reason_names[i]), round_to(value_f64(&v[i], 0), 6)};
    r->parts = (struct list){p, WARNING_REASONS};
    r->strongest = strongest_of(v + 1);
    return ERR_OK;
}

static struct str outcome_of(const struct value *left, const struct value *joined,
                             const struct value *passed)
{
    int64_t gone = value_i64(left, -1);

    if (value_i64(passed, -1) >= 0)
        return value_i64(passed, 0) ? STR("PASSED") : STR("FAILED");
    return gone >= 0 && gone >= value_i64(joined, -1) ? STR("LEFT") : (struct str){NULL, 0};
}

static void explain(struct course_risk *r, bool looked, bool left)
{
    const int32_t first = warning_default.landmarks[0].day;

    if (!looked) {
        r->reason = STR("The night has not looked at this run yet.");
    } else if (left) {
        r->reason = STR("The learner has left the run.");
    } else if (r->day < first) {
        r->reason = STR("It is too early in the course to say.");
        r->needed_days = first - r->day;
    } else if (r->pieces == 0) {
        r->reason = STR("The catalogue tells of no set work of this run.");
    } else if (r->members < RUNS_MEMBERS_NEEDED) {
        r->reason = STR("Fewer than twenty learners are known who take the run.");
        r->needed_learners = RUNS_MEMBERS_NEEDED - r->members;
    } else {
        r->reason = STR("The learner was not registered by that day.");
    }
}

static struct course_risk *blank(struct api_call *c, struct str course)
{
    struct course_risk *r = arena_new(c->arena, struct course_risk, 1);

    if (r)
        *r = (struct course_risk){.course = course,
                                  .begins = INT32_MIN,
                                  .ends = INT32_MIN,
                                  .day = INT64_MIN,
                                  .landmark = INT64_MIN,
                                  .risk = NAN,
                                  .needed_days = INT64_MIN,
                                  .needed_learners = INT64_MIN,
                                  .method = course_risk_method(0)};
    return r;
}

static enum err fill(struct api_call *c, const struct value *v, struct course_risk *r)
{
    const struct value *k = v + 10; /* of run_risks */
    bool looked = value_str(&k[11]).p != NULL;
    enum err e = ERR_OK;

    r->of = value_str(&v[1]);
    r->begins = (int32_t)value_i64(&v[2], INT32_MIN);
    r->ends = (int32_t)value_i64(&v[3], INT32_MIN);
    r->day = value_i64(&v[5], INT64_MIN);
    r->members = value_i64(&v[6], 0);
    r->ended = runs_today(c->now_us) > r->ends;
    r->outcome = outcome_of(&v[7], &v[8], &v[9]);
    r->pieces = value_i64(&k[7], 0);
    r->fitted_on = value_i64(&k[8], 0);
    r->past_learners = value_i64(&k[9], 0);
    r->others = value_i64(&k[10], 0);
    r->method = course_risk_method(r->past_learners);
    for (int32_t i = 0; i < warning_default.landmark_count; i++)
        if (warning_default.landmarks[i].day <= r->day)
            r->landmark = warning_default.landmarks[i].day;
    if (value_i64(&v[4], 0) > c->now_us) /* the next look */
        answer_until(c, value_i64(&v[4], 0));
    e = read_history(c, value_str(&k[11]), &r->history);
    if (e != ERR_OK || k[0].type == V_NULL) {
        explain(r, looked, str_eq(r->outcome, STR("LEFT")));
        return e;
    }
    r->risk = (double)value_i64(&k[0], 0) / 1e6;
    return read_parts(c, k + 1, r);
}

enum err course_risk_new(struct api_call *c, const struct rows *rows, struct str asked,
                         const struct course_risk **ret)
{
    *ret = NULL;
    if (rows->count == 0 && !asked.p)
        return ERR_OK;
    struct course_risk *r = blank(c, rows->count ? value_str(row_at(rows, 0)) : asked);
    if (!r)
        return ERR_NOMEM;
    *ret = r;
    if (rows->count > 0)
        return fill(c, row_at(rows, 0), r);
    r->reason = STR("The learner does not take this run, or the catalogue does not tell when it "
                    "begins and ends.");
    return ERR_OK;
}

/* ---- GET analytics/early-warning/learners ---- */

struct list_query {
    struct str course, cursor;
    int32_t limit;
};
static const struct field list_query[] = {
    FIELD(F_STR, struct list_query, course, "courseId", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "one run of a course"),
    FIELD(F_I32, struct list_query, limit, "limit", .min = 1, .max = 500, .def = "50",
          .doc = "of a page"),
    CURSOR_FIELD(struct list_query),
    FIELD_END,
};

struct listed {
    struct str learner, strongest;
    double risk;
};
static const struct field listed_fields[] = {
    FIELD(F_STR, struct listed, learner, "userId", .doc = "learner"),
    FIELD(F_F64, struct listed, risk, "risk", .min = 0, .max = 1, .doc = "of failing or leaving"),
    FIELD(F_STR, struct listed, strongest, "strongest", .flags = FIELD_NULLABLE,
          .doc = "what raises it most"),
    FIELD_END,
};
struct listing {
    struct str course, of;
    int32_t begins, ends;
    int64_t day, members, past_learners;
    bool ended;
    struct list learners;
    struct str next, method;
};
static const struct field listing_fields[] = {
    FIELD(F_STR, struct listing, course, "courseId", .doc = "as asked"),
    FIELD(F_STR, struct listing, of, "course", .doc = "of which it is a run"),
    FIELD(F_DATE, struct listing, begins, "begins", .doc = "its day 0"),
    FIELD(F_DATE, struct listing, ends, "ends", .doc = "its last day"),
    FIELD(F_I64, struct listing, day, "day", .flags = FIELD_NULLABLE,
          .doc = "of the course, by whose end the risks hold; null: nobody has looked yet"),
    FIELD(F_BOOL, struct listing, ended, "ended", .doc = "the run is over"),
    FIELD(F_I64, struct listing, members, "n", .doc = "who are there and are counted"),
    FIELD(F_I64, struct listing, past_learners, "earlierLearners", .flags = FIELD_NULLABLE,
          .doc = "of ended runs of the course, behind the risks; null: an empty page"),
    FIELD(F_LIST, struct listing, learners, "learners", .sub = listed_fields,
          .size = sizeof(struct listed), .doc = "who have a risk, the greatest first"),
    FIELD(F_STR, struct listing, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct listing, next, "nextCursor", .flags = FIELD_NULLABLE,
          .doc = "for the next page, as in the Link header"),
    FIELD_END,
};

static enum err read_listing(struct api_call *c, const struct rows *head, const struct rows *rows,
                             int32_t limit, struct listing *r)
{
    const struct value *h = row_at(head, 0);
    int32_t n = rows->count < limit ? rows->count : limit;
    struct listed *l = arena_new(c->arena, struct listed, (size_t)n + 1);

    if (!l)
        return ERR_NOMEM;
    *r = (struct listing){.course = value_str(&h[0]),
                          .of = value_str(&h[1]),
                          .begins = (int32_t)value_i64(&h[2], 0),
                          .ends = (int32_t)value_i64(&h[3], 0),
                          .day = value_i64(&h[4], INT64_MIN),
                          .members = value_i64(&h[5], 0),
                          .past_learners = INT64_MIN,
                          .learners = {l, n}};
    r->ended = runs_today(c->now_us) > r->ends;
    for (int32_t i = 0; i < n; i++) {
        const struct value *v = row_at(rows, i);
        l[i] = (struct listed){value_str(&v[0]), strongest_of(&v[2]),
                               (double)value_i64(&v[1], 0) / 1e6};
        r->past_learners = value_i64(&v[7], 0);
    }
    r->method = course_risk_method(r->past_learners);
    if (rows->count <= n)
        return ERR_OK;
    r->next = place_print(c->arena, value_i64(row_at(rows, n - 1) + 1, 0), l[n - 1].learner);
    if (!r->next.p)
        return ERR_NOMEM;
    page_link(c, r->next);
    return ERR_OK;
}

static enum err get_learners(struct api_call *c)
{
    static const int64_t above_all = 1000001; /* risks are millionths */
    const struct list_query *in = c->in;
    struct place at;
    enum err e = place_read(c, in->cursor, &at);

    if (c->who.learner.p)
        return api_refuse(c, ERR_FORBIDDEN, NULL,
                          "A key of one learner's does not tell of the others.");
    if (e != ERR_OK)
        return e;
    const struct value args[] = {V_S(in->course), V_I(at.given ? at.at : above_all),
                                 at.given ? V_S(at.id) : V_N, V_I(in->limit + 1)};
    struct query q[] = {{.stmt = STMT_RUN_HEAD, .args = args, .arg_count = 1, .rows_max = 1},
                        {.stmt = STMT_RUN_RISKS_PAGE, .args = args, .arg_count = COUNT(args)}};
    struct listing *r = arena_new(c->arena, struct listing, 1);

    e = r ? store_read(c->conn, c->arena, q, COUNT(q), c->deadline_us) : ERR_NOMEM;
    if (e == ERR_OK && q[0].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, NULL, "The catalogue does not tell of this run.");
    if (e == ERR_OK)
        e = read_listing(c, &q[0].rows, &q[1].rows, in->limit, r);
    c->reply = r;
    return e;
}

/* ---- POST analytics/early-warning/look ---- */

struct look {
    struct str course;
    bool known;
};
static const struct field look_body[] = {
    FIELD(F_STR, struct look, course, "courseId", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "one run of a course"),
    FIELD_END,
};
static const struct field look_fields[] = {
    FIELD(F_STR, struct look, course, "courseId", .doc = "as asked"),
    FIELD_END,
};

static enum err look_run(struct api_call *c, struct store_conn *conn)
{
    struct look *in = c->in;
    const struct value key = V_S(in->course);
    struct bulk b = {.stmt = STMT_RUN_LOOK_NOW, .rows = 1, .cols = 1, .v = &key};
    enum err e = store_write(conn, &b, 1);

    in->known = b.changed > 0;
    return e;
}

static enum err look_done(struct api_call *c)
{
    const struct look *in = c->in;

    if (!in->known)
        return api_refuse(c, ERR_NOT_FOUND, NULL, "The catalogue does not tell of this run.");
    night_look(c->api->options.night);
    c->reply = c->in;
    return ERR_OK;
}

static enum err post_look(struct api_call *c)
{
    if (!c->api->options.night)
        return api_refuse(c, ERR_CONFLICT, "NIGHTS_OFF",
                          "This process does no nights: the setting night is off.");
    return api_change(c, look_run, look_done);
}

#define RISK .tag = "predictions", .learner = LEARNER_NONE, .envelope = ENVELOPE_DATA

const struct endpoint endpoints_course_risk[] = {
    {RISK, .method = HTTP_GET, .path = "/api/analytics/early-warning/learners",
     .id = "list_course_risks", .summary = "Who may fail or leave a run of a course",
     .scopes = SCOPE_READ, .run = RUN_SMALL, .round_trips = 1, .query = list_query,
     .in_size = sizeof(struct list_query), .reply = listing_fields,
     .cache = {.why_none = "of many learners: any of them may be erased, and a night renews it"},
     .errors = UINT64_C(1) << ERR_NOT_FOUND, .handler = get_learners},
    {RISK, .method = HTTP_POST, .path = "/api/analytics/early-warning/look", .id = "look_at_course",
     .summary = "Have a run of a course looked at now: forecasts, and lessons when it has ended",
     .scopes = SCOPE_ADMIN, .run = RUN_SMALL, .round_trips = 1, .status = 202, .body = look_body,
     .in_size = sizeof(struct look), .reply = look_fields,
     .errors = UINT64_C(1) << ERR_NOT_FOUND | UINT64_C(1) << ERR_CONFLICT, .handler = post_look},
    {.path = NULL},
};
