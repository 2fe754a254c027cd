/* warning - the risk of failing or leaving a course. GET: by the learner's days, which the server
 * knows, and by the set work of a run of a course, as the last night looked at it (course_risk.h).
 * POST: by set work, which another system knows and tells along. Nothing of it is kept; what
 * is told to early-warning/work is (cohort.h), and says where work stands among that of others. */
#include "twin/warning.h"

#include "api/cohort.h"
#include "api/course_risk.h"
#include "base/assert.h"
#include "night/runs.h"

#include <math.h>
#include <stdio.h>

enum { VISIT_DAYS = 14, DAY_MAX = 3650 };

/* ---- GET analytics/early-warning ---- */

struct visits_query {
    int32_t start;
    struct str course;
};
static const struct field visits_query[] = {
    FIELD(F_DATE, struct visits_query, start, "courseStart", .flags = FIELD_NULLABLE,
          .doc = "local day; the learner's first day when left out"),
    FIELD(F_STR, struct visits_query, course, "courseId", .flags = FIELD_NULLABLE, .min = 1,
          .max = EVENT_ID_MAX, .doc = "run of a course; the one that began last when left out"),
    FIELD_END,
};

struct visits {
    int32_t start, end;
    double risk, silence, gap, even, share;
    int64_t days, since;
    bool absent;
    int64_t last_at;
    struct str method, reason;
    int64_t needed;
    const struct course_risk *course;
};
static const struct field visits_fields[] = {
    FIELD(F_BOOL, struct visits, absent, "absent", .doc = "nothing was seen for seven days"),
    FIELD(F_I64, struct visits, since, "daysSinceLastVisit", .flags = FIELD_NULLABLE,
          .doc = "whole days"),
    FIELD(F_TIME, struct visits, last_at, "lastVisitAt", .flags = FIELD_NULLABLE,
          .doc = "the last event with a clock"),
    FIELD(F_F64, struct visits, risk, "risk", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "of ending in the lowest quarter of the course, by its first two weeks"),
    FIELD(F_F64, struct visits, silence, "longestSilenceDays", .flags = FIELD_NULLABLE,
          .doc = "in these, their ends counted"),
    FIELD(F_F64, struct visits, gap, "longestGapDays", .flags = FIELD_NULLABLE,
          .doc = "without a visit before the last one; null: there is none"),
    FIELD(F_F64, struct visits, even, "evenness", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc =
              "how evenly events are spread over the days with any: 0 nearly all on one, 1 as many "
              "on each; null: fewer than two such days"),
    FIELD(F_I64, struct visits, days, "visitDays", .flags = FIELD_NULLABLE,
          .doc = "days with any trace in these"),
    FIELD(F_F64, struct visits, share, "visitDayShare", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "of the fourteen"),
    FIELD(F_DATE, struct visits, start, "windowStart", .flags = FIELD_NULLABLE,
          .doc = "first day of the course"),
    FIELD(F_DATE, struct visits, end, "windowEnd", .flags = FIELD_NULLABLE,
          .doc = "last of the two weeks"),
    FIELD(F_STR, struct visits, method, "method",
          .doc = "how it is computed, and what it is worth"),
    FIELD(F_STR, struct visits, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no risk"),
    FIELD(F_I64, struct visits, needed, "neededDays", .flags = FIELD_NULLABLE,
          .doc = "days until there is one"),
    FIELD(F_OBJECT, struct visits, course, "setWork", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = course_risk_fields, .size = sizeof(struct course_risk),
          .doc = "of a run of a course, by its set work; null: the learner takes none"),
    FIELD_END,
};

/* By whole days, each visit at its noon: gaps between days are right, those to the ends of the
 * window half a day long at least. */
static void first_weeks(const struct rows *days, struct visits *r)
{
    struct warning_visit v[VISIT_DAYS];
    double x[WARNING_VISIT_INPUTS];
    int32_t n = 0;

    for (int32_t i = 0; i < days->count && n < VISIT_DAYS; i++) {
        int64_t day = value_i64(row_at(days, i), 0) - r->start,
                events = value_i64(row_at(days, i) + 1, 0);
        if (day >= 0 && day < VISIT_DAYS)
            v[n++] = (struct warning_visit){.at = day * US_PER_DAY + US_PER_DAY / 2,
                                            .more = (int32_t)(events > INT32_MAX ? INT32_MAX
                                                              : events > 1       ? events - 1
                                                                                 : 0)};
    }
    warning_visits_read(v, n, 0, VISIT_DAYS * US_PER_DAY, x);
    r->risk = round_to(warning_visits_risk(warning_visit_weights, x), 4);
    r->silence = round_to(x[WARNING_VISIT_SILENCE] * VISIT_DAYS, 1);
    r->days = n;
    r->share = round_to(x[WARNING_VISIT_DAYS], 4);
    if (n > 0)
        r->gap = round_to(x[WARNING_VISIT_GAP] * VISIT_DAYS, 1);
    if (n > 1)
        r->even = round_to(x[WARNING_VISIT_EVEN], 4);
}

static enum err get_warning(struct api_call *c)
{
    const struct visits_query *in = c->in;
    bool given = in->start != INT32_MIN;
    const struct value args[] = {V_S(c->learner), given ? V_I(in->start) : V_N, V_I(VISIT_DAYS)};
    const struct value run[] = {V_S(c->learner), v_text(in->course),
                                V_I(runs_today(c->now_us) + 1)};
    struct query q[] = {[1] = {.stmt = STMT_WARNING_DAYS, .args = args, .arg_count = 3},
                        [2] = {.stmt = STMT_RUN_RISK, .args = run, .arg_count = COUNT(run)}};
    struct visits *r = arena_new(c->arena, struct visits, 1);
    struct learner l;
    enum err e = r ? learner_read(c, q, COUNT(q), &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    *r = (struct visits){.risk = NAN,
                         .silence = NAN,
                         .gap = NAN,
                         .even = NAN,
                         .share = NAN,
                         .days = INT64_MIN,
                         .since = INT64_MIN,
                         .last_at = TIME_NONE,
                         .start = INT32_MIN,
                         .end = INT32_MIN,
                         .needed = INT64_MIN,
                         .method = STR("days with a visit, the longest gap before the last one, "
                                       "and how evenly the events are spread over them, of the "
                                       "first two weeks, by local days; fitted on one course of "
                                       "130 people: an order of whom to look at, hardly more")};
    c->reply = r;
    if (!l.analysis) {
        r->reason = reason_disabled;
        return ERR_OK;
    }
    e = course_risk_new(c, &q[2].rows, in->course, &r->course);
    if (e != ERR_OK)
        return e;
    r->last_at = learner_totals(&l)->last_at;
    if (learner_totals(&l)->last_at != TIME_NONE && learner_totals(&l)->last_at <= c->now_us) {
        r->since = (c->now_us - learner_totals(&l)->last_at) / US_PER_DAY;
        r->absent = warning_absent(learner_totals(&l)->last_at, c->now_us);
        answer_until(c, learner_totals(&l)->last_at + (r->since + 1) * US_PER_DAY);
    } else if (learner_totals(&l)->last_at != TIME_NONE) {
        answer_until(c, learner_totals(&l)->last_at);
    }
    if (!given && q[1].rows.count == 0) {
        r->reason = STR("Nothing was seen of the learner yet.");
        return ERR_OK;
    }
    r->start = given ? in->start : (int32_t)value_i64(row_at(&q[1].rows, 0), 0);
    r->end = r->start + VISIT_DAYS - 1;
    if (l.today <= r->end) {
        r->needed = (int64_t)r->end + 1 - l.today;
        r->reason = STR("The first two weeks of the course are not over.");
        return ERR_OK;
    }
    first_weeks(&q[1].rows, r);
    return ERR_OK;
}

/* ---- POST analytics/early-warning ---- */

struct task {
    struct str id;
    int32_t due, handed;
    bool quiz, carried;
    double weight, score, standing, share, score_place, day_place;
};
static const struct field task_fields[] = {
    FIELD(F_STR, struct task, id, "taskId", .flags = FIELD_NULLABLE, .min = 1, .max = EVENT_ID_MAX,
          .doc = "as it was told to early-warning/work"),
    FIELD(F_I32, struct task, due, "dueDay", .flags = FIELD_REQUIRED, .min = -DAY_MAX,
          .max = DAY_MAX, .doc = "of the course; 0 is its first"),
    FIELD(F_I32, struct task, handed, "handedDay", .flags = FIELD_NULLABLE, .min = -DAY_MAX,
          .max = DAY_MAX, .doc = "left out: not yet"),
    FIELD(F_BOOL, struct task, quiz, "quiz", .doc = "marked by a machine"),
    FIELD(F_BOOL, struct task, carried, "carried", .doc = "over from an earlier attempt"),
    FIELD(F_F64, struct task, weight, "weight", .min = 0, .max = 100, .def = "0",
          .doc = "of the final mark, percent"),
    FIELD(F_F64, struct task, score, "score", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "percent; left out: none yet"),
    FIELD(F_F64, struct task, standing, "standing", .flags = FIELD_NULLABLE, .min = -20, .max = 20,
          .doc = "score less the cohort's mean, in its standard deviations"),
    FIELD(F_F64, struct task, share, "cohortShare", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "of the cohort that has handed it in by the day; needed unless the server knows "
                 "the cohort"),
    FIELD(F_F64, struct task, score_place, "scorePlace", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "share of those with a lower score"),
    FIELD(F_F64, struct task, day_place, "dayPlace", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "share of those who were earlier"),
    FIELD_END,
};

/* A course beside this one in which the learner was there on the first landmark's day. */
struct other_course {
    double first, now;
};
static const struct field other_course_fields[] = {
    FIELD(F_F64, struct other_course, first, "firstRisk", .flags = FIELD_REQUIRED, .min = 0,
          .max = 1, .doc = "the risk that was told for its day 14"),
    FIELD(F_F64, struct other_course, now, "risk", .flags = FIELD_REQUIRED, .min = 0, .max = 1,
          .doc = "1: failed or left, 0: passed; while it runs, the risk of today"),
    FIELD_END,
};
enum { OTHER_COURSES_MAX = 64 };

struct work {
    struct str user_id, course;
    int32_t day, registered, attempts, education;
    double credits;
    struct list tasks;
    struct list others;
    int32_t began, gone;
};
static const struct field work_body[] = {
    FIELD_USER_ID(struct work),
    FIELD(F_STR, struct work, course, "courseId", .flags = FIELD_NULLABLE, .min = 1,
          .max = EVENT_ID_MAX,
          .doc = "whose cohort says what the tasks leave out: standing, share and places"),
    FIELD(F_I32, struct work, day, "day", .flags = FIELD_REQUIRED, .min = -DAY_MAX, .max = DAY_MAX,
          .doc = "of the course, by whose end it is asked"),
    FIELD(F_I32, struct work, registered, "registeredDay", .flags = FIELD_NULLABLE, .min = -DAY_MAX,
          .max = DAY_MAX, .doc = "below 0: ahead of the start"),
    FIELD(F_I32, struct work, attempts, "earlierAttempts", .min = 0, .max = 100, .def = "0",
          .doc = "of this course"),
    FIELD(F_F64, struct work, credits, "credits", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "taken at a time, in halves of a full year's"),
    FIELD(F_ENUM, struct work, education, "education", .names = warning_education_names,
          .def = "UNKNOWN", .doc = "the highest completed before"),
    FIELD(F_LIST, struct work, tasks, "tasks", .flags = FIELD_REQUIRED, .sub = task_fields,
          .size = sizeof(struct task), .max = WARNING_TASKS_MAX, .doc = "set work of the course"),
    FIELD(F_LIST, struct work, others, "otherCourses", .sub = other_course_fields,
          .size = sizeof(struct other_course), .max = OTHER_COURSES_MAX,
          .doc = "the learner's, earlier or now, which had not been left by their day 14"),
    FIELD(F_I32, struct work, began, "runBegan", .min = 0, .max = 10000000, .def = "0",
          .doc = "learners of this run of the course who were there on its day 14; 0: not known"),
    FIELD(F_I32, struct work, gone, "runLeft", .min = 0, .max = 10000000, .def = "0",
          .doc = "of these, who have left since, by the day or by day 210 if that is earlier"),
    FIELD_END,
};

struct judged {
    const struct cohort *cohort;
    double risk;
    struct list parts;
    struct str strongest, method, reason;
    int64_t needed, day, tasks, rows, past_learners;
};
static const struct field judged_fields[] = {
    FIELD(F_F64, struct judged, risk, "risk", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "of failing or leaving"),
    FIELD(F_LIST, struct judged, parts, "reasons", .sub = risk_part_fields,
          .size = sizeof(struct risk_part), .doc = "what the risk is made of"),
    FIELD(F_STR, struct judged, strongest, "strongest", .flags = FIELD_NULLABLE,
          .doc = "what raises it most"),
    FIELD(F_I64, struct judged, day, "day", .doc = "as asked"),
    FIELD(F_I64, struct judged, tasks, "n", .doc = "pieces of set work"),
    FIELD(F_I64, struct judged, rows, "fittedOn", .doc = "learners behind the nearest weights"),
    FIELD(F_I64, struct judged, past_learners, "earlierLearners",
          .doc = "of ended runs of the course, as far as the server knows them"),
    FIELD(F_OBJECT, struct judged, cohort, "cohort", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = cohort_fields, .size = sizeof(struct cohort),
          .doc = "what the server knows of it; null: no courseId was told"),
    FIELD(F_STR, struct judged, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct judged, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no risk"),
    FIELD(F_I64, struct judged, needed, "neededDays", .flags = FIELD_NULLABLE,
          .doc = "days until there is one"),
    FIELD_END,
};

static struct warning_task task_of(const struct task *t)
{
    return (struct warning_task){
        .due_day = t->due,
        .handed_day = t->handed == INT32_MIN ? WARNING_NEVER : t->handed,
        .quiz = t->quiz,
        .carried = t->carried,
        .weight = t->weight,
        .score = t->score,
        .standing = t->standing,
        .share = t->share,
        .score_place = t->score_place,
        .day_place = t->day_place,
    };
}

static struct warning_record record_of(const struct work *in)
{
    const struct other_course *other = in->others.p;
    struct warning_record r = {0, 0};

    for (int32_t i = 0; i < in->others.n; i++)
        warning_record_learn(&r, other[i].first, other[i].now);
    return r;
}

/* Tells the tasks where they stand, as far as the server knows it and nobody has said otherwise. */
static enum err ask_cohort(struct api_call *c, const struct work *in, int64_t learners,
                           struct warning_task *tasks, struct judged *r)
{
    struct str *names = arena_new(c->arena, struct str, (size_t)in->tasks.n + 1);
    struct cohort *cohort = arena_new(c->arena, struct cohort, 1);
    const struct task *given = in->tasks.p;
    enum err e = names && cohort ? ERR_OK : ERR_NOMEM;

    for (int32_t i = 0; e == ERR_OK && i < in->tasks.n; i++)
        names[i] = given[i].id;
    if (e == ERR_OK && in->course.p) {
        e = cohort_fill(c, in->course, learners, in->day, names, tasks, in->tasks.n, cohort);
        r->cohort = cohort;
    }
    for (int32_t i = 0; e == ERR_OK && i < in->tasks.n; i++) {
        char path[48];
        snprintf(path, sizeof path, "tasks[%d].cohortShare", (int)i);
        if (isnan(tasks[i].share))
            return api_bad_field(c, path, "missing", "is needed: the cohort is not known");
    }
    return e;
}

/* What the server knows of the run and its course; what the caller tells of the run goes before. */
static void recall_course(const struct work *in, const struct rows *rows, struct judged *r,
                          struct warning_model *m, struct warning_course *course)
{
    struct warning_past past = {.rows = {0}};
    int32_t landmark = 0;

    if (rows->count > 0) {
        const struct value *v = row_at(rows, 0);
        struct str state = value_str(&v[4]);

        if (!state.p || warning_past_decode(state.p, state.n, &past) != ERR_OK)
            past = (struct warning_past){.rows = {0}}; /* of another version: as if not known */
        *course = past.sums;
        if (value_i64(&v[1], INT32_MAX) <= in->day) {
            course->began = (int32_t)value_i64(&v[2], 0);
            course->left = (int32_t)value_i64(&v[3], 0);
        }
    }
    if (in->began > 0) {
        course->began = in->began;
        course->left = in->gone;
    }
    while (landmark + 1 < m->landmark_count && m->landmarks[landmark + 1].day <= in->day)
        landmark++;
    warning_past_model(&past, m);
    r->past_learners = past.rows[landmark];
    r->method = course_risk_method(r->past_learners);
}

static enum err judge(struct api_call *c, const struct work *in, int64_t learners,
                      const struct rows *run, struct judged *r)
{
    struct warning_task *tasks = arena_new(c->arena, struct warning_task, (size_t)in->tasks.n + 1);
    struct risk_part *parts = arena_new(c->arena, struct risk_part, WARNING_REASONS);
    const struct task *given = in->tasks.p;
    double x[WARNING_INPUTS];
    struct warning_forecast f;
    struct warning_course course = {.began = 0};
    struct warning_model model = warning_default;

    if (!tasks || !parts)
        return ERR_NOMEM;
    recall_course(in, run, r, &model, &course);
    for (int32_t i = 0; i < in->tasks.n; i++)
        tasks[i] = task_of(&given[i]);
    enum err e = ask_cohort(c, in, learners, tasks, r);
    if (e != ERR_OK)
        return e;
    const struct warning_learner l = {
        .tasks = tasks,
        .task_count = in->tasks.n,
        .registered_day = in->registered == INT32_MIN ? WARNING_NEVER : in->registered,
        .attempts = in->attempts,
        .record = record_of(in),
        .credits = isnan(in->credits) ? 0 : in->credits,
        .education = (enum warning_education)in->education,
    };
    e = warning_read(&l, in->day, x);
    if (e == ERR_OK)
        e = warning_forecast(&model, &course, x, in->day, &f);
    if (e != ERR_OK)
        return e;
    for (int i = 0; i < WARNING_REASONS; i++)
        parts[i] = (struct risk_part){str_from(warning_reason_names[i]), round_to(f.reasons[i], 6)};
    r->risk = round_to(f.risk, 6);
    r->parts = (struct list){parts, WARNING_REASONS};
    if (f.strongest != WARNING_BASE)
        r->strongest = str_from(warning_reason_names[f.strongest]);
    for (int32_t i = 0; i < warning_default.landmark_count; i++)
        if (warning_default.landmarks[i].day <= in->day)
            r->rows = warning_default.landmarks[i].rows;
    return ERR_OK;
}

static enum err post_warning(struct api_call *c)
{
    const struct work *in = c->in;
    const struct value course[] = {v_text(in->course), V_I(in->day)};
    struct query q[] = {
        [1] = {.stmt = STMT_COHORT_SIZE, .args = course, .arg_count = 1, .rows_max = 1},
        [2] = {.stmt = STMT_RUN_PAST, .args = course, .arg_count = 2, .rows_max = 1}};
    struct judged *r = arena_new(c->arena, struct judged, 1);
    struct learner l;
    enum err e = r ? learner_read(c, q, COUNT(q), &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    *r = (struct judged){.risk = NAN,
                         .needed = INT64_MIN,
                         .day = in->day,
                         .tasks = in->tasks.n,
                         .method = course_risk_method(0)};
    c->reply = r;
    if (!l.analysis) {
        r->reason = reason_disabled;
        return ERR_OK;
    }
    if (in->gone > in->began)
        return api_bad_field(c, "runLeft", "invalid_value", "must not be more than runBegan");
    if (in->day < warning_default.landmarks[0].day) {
        r->needed = (int64_t)warning_default.landmarks[0].day - in->day;
        r->reason = STR("It is too early in the course to say.");
        return ERR_OK;
    }
    return judge(c, in, value_i64(row_at(&q[1].rows, 0), 0), &q[2].rows, r);
}

#define WARNING                                                                              \
    .path = "/api/analytics/early-warning", .tag = "predictions", .envelope = ENVELOPE_DATA, \
    .scopes = SCOPE_READ, .run = RUN_SMALL, .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_warning[] = {
    {WARNING, .method = HTTP_GET, .id = "get_early_warning",
     .summary = "Is the learner about to drop out of sight, or to fail? By visits and set work",
     .learner = LEARNER_QUERY, .round_trips = 1, .query = visits_query,
     .in_size = sizeof(struct visits_query), .reply = visits_fields,
     .cache = {.fresh_s = 300, .stale_s = 1800}, .handler = get_warning},
    {WARNING, .method = HTTP_POST, .id = "judge_early_warning",
     .summary =
         "Risk of failing or leaving a course, by set work that is told along; nothing is kept",
     .learner = LEARNER_BODY, .round_trips = 2, .body = work_body, .in_size = sizeof(struct work),
     .reply = judged_fields, .body_max = 64 * 1024, .handler = post_warning},
    {.path = NULL},
};
