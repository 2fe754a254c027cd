/* Session plans that are kept: what became of them, lists, one, and taken back. */
#include "api/session_plan.h"

#include "api/page.h"
#include "api/plan_make.h"
#include "api/session_row.h"

#include <math.h>
#include <stdlib.h>

enum { SESSIONS_MAX = 3000 };

/* ---- what became of plans ---- */

static const char *const state_names[] = {"PLANNED", "DONE", "MISSED", "CANCELLED", NULL};

static const struct field kept_fields[] = {
    FIELD(F_STR, struct plan_kept, session, "sessionId", .doc = "the session that began nearest"),
    FIELD(F_TIME, struct plan_kept, started_at, "startedAt", .doc = "its start"),
    FIELD(F_F64, struct plan_kept, off_minutes, "offMinutes", .doc = "later than planned by"),
    FIELD(F_BOOL, struct plan_kept, followed, "followed", .doc = "within half an hour"),
    FIELD(F_F64, struct plan_kept, minutes, "actualDuration", .doc = "minutes of study"),
    FIELD_END,
};

const struct field plan_row_fields[] = {
    FIELD(F_STR, struct plan_row, id, "id", .doc = "of the plan"),
    FIELD(F_STR, struct plan_row, user_id, "userId", .doc = "learner"),
    FIELD(F_STR, struct plan_row, mission, "missionId", .flags = FIELD_NULLABLE, .doc = "mission"),
    FIELD(F_TIME, struct plan_row, start, "startTime", .doc = "as planned"),
    FIELD(F_TIME, struct plan_row, end, "endTime", .doc = "as planned"),
    FIELD(F_I64, struct plan_row, minutes, "duration", .doc = "minutes"),
    FIELD(F_I64, struct plan_row, asked, "requestedDuration", .doc = "as asked"),
    FIELD(F_STR, struct plan_row, intensity, "intensity", .doc = "LOW, MEDIUM or HIGH"),
    FIELD(F_F64, struct plan_row, confidence, "confidence", .flags = FIELD_NULLABLE,
          .doc = "as it was made"),
    FIELD(F_TIME, struct plan_row, created_at, "createdAt", .doc = "when it was made"),
    FIELD(F_ENUM, struct plan_row, state, "state", .names = state_names,
          .doc = "MISSED: two hours after its end no session had begun near it"),
    FIELD(F_OBJECT, struct plan_row, kept, "adherence", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = kept_fields, .size = sizeof(struct plan_kept),
          .doc = "how it was followed; null: no session began within two hours of it"),
    FIELD_END,
};

struct plan_row plan_row_read(struct api_call *c, struct columns *v)
{
    struct plan_row r = {.user_id = c->learner, .id = column_str(v)};

    r.mission = column_str(v);
    r.start = column_i64(v, 0);
    r.end = column_i64(v, 0);
    r.minutes = (r.end - r.start) / US_PER_MINUTE;
    r.asked = column_i64(v, 0);
    r.intensity = column_str(v);
    r.confidence = column_f64(v);
    r.created_at = column_i64(v, 0);
    struct str state = column_str(v);
    for (int32_t i = 0; state_names[i]; i++)
        if (str_eq(state, str_from(state_names[i])))
            r.state = i;
    return r;
}

enum err plan_sessions_read(struct api_call *c, const struct rows *rows, struct plan_session **ret,
                            int32_t *ret_count)
{
    struct plan_session *s = arena_new(c->arena, struct plan_session, (size_t)rows->count + 1);
    int32_t n = 0;

    if (!s)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        struct session_facts facts = session_facts_read(&v);
        if (facts.untimed)
            continue;
        struct plan_session made = {.start = session_start(&facts),
                                    .minutes = (double)session_study_ms(&facts) / 60000};
        made.id = column_str(&v);
        made.graded = column_i64(&v, 0);
        made.succeeded = column_i64(&v, 0);
        /* A told start may lie before what came first: so near to sorted that this is quick. */
        int32_t at = n++;
        for (; at > 0 && s[at - 1].start > made.start; at--)
            s[at] = s[at - 1];
        s[at] = made;
    }
    *ret = s;
    *ret_count = n;
    return ERR_OK;
}

struct plan_time {
    int64_t start;
    int32_t number;
};

static int by_time(const void *pa, const void *pb)
{
    const struct plan_time *a = pa, *b = pb;

    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

static const struct plan_kept *kept_new(struct arena *arena, const struct plan_row *p,
                                        const struct plan_session *s)
{
    struct plan_kept *k = arena_new(arena, struct plan_kept, 1);
    double off = (double)(s->start - p->start) / (double)US_PER_MINUTE;

    if (k)
        *k = (struct plan_kept){s->id, s->start, round_to(off, 1), round_to(s->minutes, 1),
                                fabs(off) <= PLAN_NEAR_MINUTES};
    return k;
}

enum err plans_judge(struct api_call *c, struct plan_row *plans, int32_t count,
                     const struct plan_session *sessions, int32_t session_count,
                     int32_t **ret_pairs)
{
    struct plan_time *order = arena_new(c->arena, struct plan_time, (size_t)count + 1);
    int64_t *starts = arena_new(c->arena, int64_t, (size_t)count + 1);
    int64_t *times = arena_new(c->arena, int64_t, (size_t)session_count + 1);
    int32_t *pairs = arena_new(c->arena, int32_t, (size_t)count + 1);
    int32_t *ret = arena_new(c->arena, int32_t, (size_t)count + 1), n = 0;

    if (!order || !starts || !times || !pairs || !ret)
        return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        ret[i] = -1;
        if (plans[i].state != PLAN_CANCELLED)
            order[n++] = (struct plan_time){plans[i].start, i};
    }
    qsort(order, (size_t)n, sizeof *order, by_time);
    for (int32_t i = 0; i < n; i++)
        starts[i] = order[i].start;
    for (int32_t i = 0; i < session_count; i++)
        times[i] = sessions[i].start;
    enum err e = plan_pair(starts, n, times, session_count, pairs);
    for (int32_t i = 0; e == ERR_OK && i < n; i++) {
        struct plan_row *p = &plans[order[i].number];
        bool over = p->end + PLAN_PAIR_MINUTES * US_PER_MINUTE < c->now_us;
        ret[order[i].number] = pairs[i];
        p->state = pairs[i] >= 0 ? PLAN_DONE : over ? PLAN_MISSED : PLAN_PLANNED;
        if (pairs[i] >= 0 && !(p->kept = kept_new(c->arena, p, &sessions[pairs[i]])))
            e = ERR_NOMEM;
    }
    if (ret_pairs)
        *ret_pairs = ret;
    return e;
}

/* ---- GET session-plan ---- */

struct list_query {
    int32_t limit;
    struct str cursor;
    int64_t from, to;
    bool from_given, to_given;
};
static const struct field list_query[] = {
    FIELD(F_I32, struct list_query, limit, "limit", .min = 1, .max = 100, .def = "30",
          .doc = "plans a page"),
    CURSOR_FIELD(struct list_query),
    FIELD(F_TIME, struct list_query, from, "from", .flags = FIELD_DATE_OK,
          .seen = 1 + (uint32_t)offsetof(struct list_query, from_given),
          .doc = "plans that begin then or later"),
    FIELD(F_TIME, struct list_query, to, "to", .flags = FIELD_DATE_OK,
          .seen = 1 + (uint32_t)offsetof(struct list_query, to_given),
          .doc = "plans that begin then or before"),
    FIELD_END,
};
struct list_reply {
    struct list plans;
    struct str next;
};
static const struct field list_reply[] = {
    FIELD(F_LIST, struct list_reply, plans, "plans", .sub = plan_row_fields,
          .size = sizeof(struct plan_row), .max = 100, .doc = "the latest start first"),
    FIELD(F_STR, struct list_reply, next, "nextCursor", .flags = FIELD_NULLABLE,
          .doc = "for the next page, as in the Link header; null at the end"),
    FIELD_END,
};

/* The sessions that may belong to plans. */
static enum err judge(struct api_call *c, struct plan_row *plans, int32_t n)
{
    int64_t near = PLAN_PAIR_MINUTES * US_PER_MINUTE, from = INT64_MAX, to = INT64_MIN;
    struct plan_session *s;
    int32_t count;

    for (int32_t i = 0; i < n; i++) {
        from = plans[i].start < from ? plans[i].start : from;
        to = plans[i].start > to ? plans[i].start : to;
    }
    if (n == 0)
        return ERR_OK;
    const struct value v[] = {V_S(c->learner), V_I(from - near), V_I(to + near), V_I(SESSIONS_MAX)};
    struct query q = {.stmt = STMT_ORCHESTRA_SESSIONS, .args = v, .arg_count = 4};
    enum err e = store_read(c->conn, c->arena, &q, 1, c->deadline_us);
    if (e == ERR_OK)
        e = plan_sessions_read(c, &q.rows, &s, &count);
    return e == ERR_OK ? plans_judge(c, plans, n, s, count, NULL) : e;
}

static enum err get_plans(struct api_call *c)
{
    const struct list_query *in = c->in;
    struct place place;

    if (place_read(c, in->cursor, &place) != ERR_OK)
        return ERR_RANGE;
    const struct value v[] = {V_S(c->learner),
                              V_I(in->from_given ? in->from : TIME_MIN),
                              V_I(in->to_given ? in->to : TIME_MAX),
                              place.given ? V_I(place.at) : V_N,
                              place.given ? V_S(place.id) : V_N,
                              V_I(in->limit + 1)};
    struct query q[2] = {[1] = {.stmt = STMT_SESSION_PLAN_LIST, .args = v, .arg_count = 6}};
    struct list_reply *r = arena_new(c->arena, struct list_reply, 1);
    struct plan_row *plans = arena_new(c->arena, struct plan_row, 101);
    struct learner l;
    enum err e = r && plans ? learner_read(c, q, 2, &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    int32_t n = q[1].rows.count < in->limit ? q[1].rows.count : in->limit;
    for (int32_t i = 0; i < n; i++) {
        struct columns columns = columns_of(&q[1].rows, i);
        plans[i] = plan_row_read(c, &columns);
    }
    e = judge(c, plans, n);
    r->plans = (struct list){plans, n};
    if (q[1].rows.count > n) {
        r->next = place_print(c->arena, plans[n - 1].start, plans[n - 1].id);
        if (!r->next.p)
            return ERR_NOMEM;
        page_link(c, r->next);
    }
    c->reply = r;
    return e;
}

/* ---- one ---- */

struct plan_path {
    struct str id;
    int64_t learner_id;
};
static const struct field plan_path[] = {
    FIELD(F_STR, struct plan_path, id, "id", .flags = FIELD_REQUIRED, .min = 1, .max = PLAN_ID_MAX,
          .doc = "plan"),
    FIELD_END,
};
struct one_reply {
    struct str plan;
    struct plan_row row;
};
static const struct field one_reply[] = {
    FIELD(F_JSON, struct one_reply, plan, "plan", .doc = "in full, as it was made"),
    FIELD(F_OBJECT, struct one_reply, row, "status", .sub = plan_row_fields,
          .size = sizeof(struct plan_row), .doc = "what became of it"),
    FIELD_END,
};

static enum err no_plan(struct api_call *c)
{
    return api_refuse(c, ERR_NOT_FOUND, "PLAN_NOT_FOUND", "There is no such plan.");
}

static enum err get_plan(struct api_call *c)
{
    const struct plan_path *in = c->in;
    const struct value v[] = {V_S(c->learner), V_S(in->id)};
    struct query q[2] = {[1] = {.stmt = STMT_SESSION_PLAN_ONE, .args = v, .arg_count = 2}};
    struct one_reply *r = arena_new(c->arena, struct one_reply, 1);
    struct learner l;
    enum err e = r ? learner_read(c, q, 2, &l) : ERR_NOMEM;

    if (e == ERR_OK && q[1].rows.count == 0)
        return no_plan(c);
    if (e != ERR_OK)
        return e;
    struct columns columns = columns_of(&q[1].rows, 0);
    r->row = plan_row_read(c, &columns);
    column_str(&columns);
    column_i64(&columns, 0);
    r->plan = column_str(&columns);
    c->reply = r;
    return judge(c, &r->row, 1);
}

static enum err plan_cancel(struct api_call *c, struct store_conn *conn)
{
    const struct plan_path *in = c->in;
    const struct value v[] = {V_I(in->learner_id), V_S(in->id), V_I(c->now_us)};
    struct bulk b = {.stmt = STMT_PLANNED_SESSION_CANCEL, .rows = 1, .cols = 3, .v = v};

    return store_write(conn, &b, 1);
}

static enum err plan_cancelled(struct api_call *c)
{
    (void)c;
    return ERR_OK;
}

static enum err delete_plan(struct api_call *c)
{
    struct plan_path *in = c->in;
    const struct value v[] = {V_S(c->learner), V_S(in->id)};
    struct query q[2] = {[1] = {.stmt = STMT_SESSION_PLAN_ONE, .args = v, .arg_count = 2}};
    struct learner l;
    enum err e = learner_read(c, q, 2, &l);

    if (e == ERR_OK && q[1].rows.count == 0)
        return no_plan(c);
    in->learner_id = l.learner_id;
    return e == ERR_OK ? api_change(c, plan_cancel, plan_cancelled) : e;
}

#define ONE(e) (UINT64_C(1) << (e))
#define PLANS "/api/orchestration/session-plan"
#define ROW .tag = "orchestration", .envelope = ENVELOPE_BARE
#define READS                                                                             \
    .run = RUN_SMALL, .method = HTTP_GET, .scopes = SCOPE_READ, .learner = LEARNER_QUERY, \
    .round_trips = 2, .errors = ONE(ERR_NOT_FOUND), .cache = {.fresh_s = 120, .stale_s = 600}

const struct endpoint endpoints_session_plan[] = {
    {ROW, .run = RUN_WORKER, .method = HTTP_POST, .path = PLANS, .id = "make_session_plan",
     .summary = "Plan a session: how long, which breaks, what to do; kept, and in the calendar",
     .scopes = SCOPE_WRITE, .learner = LEARNER_BODY, .body = plan_make_body,
     .in_size = sizeof(struct plan_make_in), .reply = plan_made_reply, .repeats = true,
     .round_trips = 3, .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT),
     .handler = post_session_plan},
    {ROW, READS, .path = PLANS, .id = "get_session_plans",
     .summary = "Plans, and how they were followed", .query = list_query,
     .in_size = sizeof(struct list_query), .reply = list_reply, .handler = get_plans},
    {ROW, READS, .path = PLANS "/{id}", .id = "get_session_plan",
     .summary = "One plan in full, and how it was followed", .params = plan_path,
     .in_size = sizeof(struct plan_path), .reply = one_reply, .handler = get_plan},
    {ROW, .run = RUN_WORKER, .method = HTTP_DELETE, .path = PLANS "/{id}",
     .id = "cancel_session_plan", .summary = "Cancel a plan; calendars are told",
     .scopes = SCOPE_WRITE, .learner = LEARNER_QUERY, .params = plan_path,
     .in_size = sizeof(struct plan_path), .status = 204, .round_trips = 2,
     .errors = ONE(ERR_NOT_FOUND), .handler = delete_plan},
    {.path = NULL},
};
