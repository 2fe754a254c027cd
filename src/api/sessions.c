/* sessions - lists of study sessions, and the rows of everything about sessions. */
#include "api/page.h"
#include "api/session_compare.h"
#include "api/session_detail.h"
#include "api/session_graded.h"
#include "api/session_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPANS_MAX = 5000, OFFSET_MAX = 1000000, LIST_REVIEWS_MAX = 500 };

struct list_range {
    int64_t from, to;
    struct str mission;
    struct place cursor;
    int32_t limit, offset;
};

/* The arguments of STMT_SESSION_LIST; one row more than asked for tells whether there is more. */
enum { LIST_ARGS = 8 };
static void list_args(struct api_call *c, const struct list_range *r, struct value v[LIST_ARGS])
{
    v[0] = V_S(c->learner);
    v[1] = V_I(r->from);
    v[2] = V_I(r->to);
    v[3] = v_text(r->mission);
    v[4] = r->cursor.given ? V_I(r->cursor.at) : V_N;
    v[5] = r->cursor.given ? V_S(r->cursor.id) : V_N;
    v[6] = V_I(r->limit + 1);
    v[7] = V_I(r->offset);
}

struct page {
    struct session_row *rows;
    int32_t n;
    bool more;
    struct str next; /* cursor; p == NULL at the end */
};

static enum err page_read(struct api_call *c, const struct rows *rows, int32_t limit,
                          struct page *ret)
{
    int32_t n = rows->count < limit ? rows->count : limit;
    struct page p = {.rows = arena_new(c->arena, struct session_row, (size_t)n + 1),
                     .n = n,
                     .more = rows->count > limit};

    if (!p.rows)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        enum err e = session_row_read(c, columns_of(rows, i), &p.rows[i]);
        if (e != ERR_OK)
            return e;
    }
    if (p.more) {
        p.next = place_print(c->arena, p.rows[n - 1].facts.first_at, p.rows[n - 1].id);
        if (!p.next.p)
            return ERR_NOMEM;
        page_link(c, p.next);
    }
    *ret = p;
    return ERR_OK;
}

/* ---- GET analytics/sessions ---- */

struct stats_query {
    struct str mission, cursor;
    int64_t start, end;
    bool start_given, end_given;
    int32_t limit;
};
static const struct field stats_query[] = {
    FIELD(F_STR, struct stats_query, mission, "missionId", .min = 1, .max = EVENT_ID_MAX,
          .doc = "sessions of this mission only"),
    FIELD(F_TIME, struct stats_query, start, "dateRangeStart", .flags = FIELD_DATE_OK,
          .seen = 1 + (uint32_t)offsetof(struct stats_query, start_given),
          .doc = "begun at or after"),
    FIELD(F_TIME, struct stats_query, end, "dateRangeEnd", .flags = FIELD_DATE_OK,
          .seen = 1 + (uint32_t)offsetof(struct stats_query, end_given),
          .doc = "begun at or before"),
    FIELD(F_I32, struct stats_query, limit, "limit", .min = 1, .max = 500, .def = "100",
          .doc = "sessions a page"),
    CURSOR_FIELD(struct stats_query),
    FIELD_END,
};

struct stats {
    int64_t total, completed, duration_ms, reviews, answers;
    double duration_minutes, average_ms, average_minutes, average_reviews, completion;
    int64_t planned;
    bool truncated;
};
static const struct field stats_fields[] = {
    FIELD(F_I64, struct stats, total, "totalSessions", .doc = "of the filter, not of the page"),
    FIELD(F_I64, struct stats, completed, "completedSessions", .doc = "of these, completed"),
    FIELD(F_I64, struct stats, duration_ms, "totalDurationMs", .doc = "study time"),
    FIELD(F_F64, struct stats, duration_minutes, "totalDurationMinutes", .doc = "the same"),
    FIELD(F_F64, struct stats, average_ms, "averageDurationMs", .flags = FIELD_NULLABLE,
          .doc = "a session; null without one"),
    FIELD(F_F64, struct stats, average_minutes, "averageDurationMinutes", .flags = FIELD_NULLABLE,
          .doc = "the same"),
    FIELD(F_I64, struct stats, reviews, "totalReviews", .doc = "cards reviewed"),
    FIELD(F_I64, struct stats, answers, "totalAnswers", .doc = "items answered"),
    FIELD(F_F64, struct stats, average_reviews, "averageReviewsPerSession", .flags = FIELD_NULLABLE,
          .doc = "null without a session"),
    FIELD(F_F64, struct stats, completion, "averageCompletionRate", .flags = FIELD_NULLABLE,
          .doc = "mean percent of planned objectives that were done; null without a plan"),
    FIELD(F_I64, struct stats, planned, "plannedSessions", .doc = "sessions with a plan"),
    FIELD(F_BOOL, struct stats, truncated, "truncated",
          .doc = "the durations are those of the newest 5,000 sessions of the filter"),
    FIELD_END,
};

struct session_stats {
    struct list sessions;
    struct stats stats;
    struct pagination pagination;
};
static const struct field session_stats_fields[] = {
    FIELD(F_LIST, struct session_stats, sessions, "sessions", .sub = session_stat_fields,
          .size = sizeof(struct session_row), .doc = "newest first"),
    FIELD(F_OBJECT, struct session_stats, stats, "stats", .sub = stats_fields,
          .size = sizeof(struct stats), .doc = "of all sessions of the filter"),
    FIELD(F_OBJECT, struct session_stats, pagination, "pagination", .sub = pagination_fields,
          .size = sizeof(struct pagination), .doc = "where the page lies"),
    FIELD_END,
};

/* One row of STMT_SESSION_SUMS, or of STMT_SESSION_LENGTH_SUMS, which has the same columns and the
 * time behind them. `spans`: the lengths of a filter's sessions, summed by the one function that
 * knows them; NULL: all sessions, of which no row is read. */
static struct stats stats_of(const struct learner *l, const struct rows *sums,
                             const struct rows *spans)
{
    struct columns v = columns_of(sums, 0);
    struct stats s = {.total = column_i64(&v, 0)};
    int64_t timed = s.total;

    s.completed = column_i64(&v, 0);
    s.reviews = column_i64(&v, 0);
    s.answers = column_i64(&v, 0);
    s.planned = column_i64(&v, 0);
    double completion = (double)column_i64(&v, 0);
    s.completion = s.planned > 0 ? round_to(completion / 1e4 / (double)s.planned, 2) : (double)NAN;
    if (!spans) {
        s.duration_ms = column_i64(&v, 0);
        s.total = learner_totals(l)->sessions; /* those without times too */
        s.completed = learner_totals(l)->completed;
    } else {
        s.truncated = spans->count > SPANS_MAX;
        timed = s.truncated ? SPANS_MAX : spans->count;
        for (int32_t i = 0; i < timed; i++) {
            struct columns span = columns_of(spans, i);
            struct session_facts f = session_facts_read(&span);
            s.duration_ms += session_study_ms(&f);
        }
    }
    s.duration_minutes = round_to((double)s.duration_ms / 60000, 1);
    s.average_ms = timed > 0 ? round((double)s.duration_ms / (double)timed) : (double)NAN;
    s.average_minutes = round_to(s.average_ms / 60000, 1);
    s.average_reviews = timed > 0 ? round_to((double)s.reviews / (double)timed, 2) : (double)NAN;
    return s;
}

static enum err get_session_stats(struct api_call *c)
{
    const struct stats_query *in = c->in;
    struct list_range range = {.from = in->start_given ? in->start : INT64_MIN + 1,
                               .to = in->end_given ? in->end : INT64_MAX,
                               .mission = in->mission,
                               .limit = in->limit};
    bool filtered = in->start_given || in->end_given || in->mission.p;
    struct session_stats *r = arena_new(c->arena, struct session_stats, 1);
    struct learner l;
    struct page page;

    if (!r)
        return ERR_NOMEM;
    enum err e = range_check(c, "dateRangeStart", range.from, range.to);
    if (e == ERR_OK)
        e = place_read(c, in->cursor, &range.cursor);
    if (e != ERR_OK)
        return e;
    struct value list[LIST_ARGS];
    list_args(c, &range, list);
    const struct value spans[] = {list[0], list[1], list[2], list[3], V_I(SPANS_MAX + 1)};
    struct query q[4] = {
        [1] = {.stmt = STMT_SESSION_LIST, .args = list, .arg_count = LIST_ARGS},
        [2] = {.stmt = STMT_SESSION_LENGTH_SUMS, .args = list, .arg_count = 1},
        [3] = {.stmt = STMT_SESSION_SPANS, .args = spans, .arg_count = 5},
    };
    if (filtered) {
        q[2].stmt = STMT_SESSION_SUMS;
        q[2].arg_count = 4;
    }
    e = learner_read(c, q, filtered ? 4 : 3, &l);
    if (e == ERR_OK)
        e = page_read(c, &q[1].rows, in->limit, &page);
    if (e != ERR_OK)
        return e;
    r->sessions = (struct list){page.rows, page.n};
    r->stats = stats_of(&l, &q[2].rows, filtered ? &q[3].rows : NULL);
    r->pagination = (struct pagination){in->limit, 0, page.more, page.next};
    c->reply = r;
    return ERR_OK;
}

/* ---- GET learning/sessions ---- */

struct list_query {
    int64_t start, end;
    bool start_given, end_given;
    int32_t limit, offset;
    struct str cursor;
    int32_t include;
};
static const char *const include_names[] = {"reviews", NULL};
static const struct field list_query[] = {
    FIELD(F_TIME, struct list_query, start, "startDate", .flags = FIELD_DATE_OK,
          .seen = 1 + (uint32_t)offsetof(struct list_query, start_given),
          .doc = "begun at or after"),
    FIELD(F_TIME, struct list_query, end, "endDate", .flags = FIELD_DATE_OK,
          .seen = 1 + (uint32_t)offsetof(struct list_query, end_given),
          .doc = "begun at or before"),
    FIELD(F_I32, struct list_query, limit, "limit", .min = 1, .max = 100, .def = "50",
          .doc = "sessions a page"),
    FIELD(F_I32, struct list_query, offset, "offset", .min = 0, .max = OFFSET_MAX, .def = "0",
          .doc = "sessions to skip; a cursor is better"),
    CURSOR_FIELD(struct list_query),
    FIELD(F_ENUM, struct list_query, include, "include", .names = include_names,
          .doc = "also the reviews of each session, the newest 500 of the page"),
    FIELD_END,
};

struct brief {
    struct str id;
    int64_t started_at, duration_ms, reviews;
};
static const struct field brief_fields[] = {
    FIELD(F_STR, struct brief, id, "id", .doc = "session"),
    FIELD(F_TIME, struct brief, started_at, "startedAt", .doc = "when it began"),
    FIELD(F_I64, struct brief, duration_ms, "durationMs", .doc = "study time"),
    FIELD(F_I64, struct brief, reviews, "reviewsCompleted", .doc = "cards reviewed"),
    FIELD_END,
};

struct session_list {
    struct list sessions, by_date;
    int64_t total, study_ms;
    struct pagination pagination;
    bool reviews_cut;
};
static const struct field session_list_fields[] = {
    FIELD(F_LIST, struct session_list, sessions, "sessions", .sub = session_shown_fields,
          .size = sizeof(struct session_shown), .doc = "newest first"),
    FIELD(F_I64, struct session_list, total, "total", .doc = "sessions of the range"),
    FIELD(F_I64, struct session_list, study_ms, "totalStudyTime",
          .doc = "ms of the sessions of this page"),
    FIELD(F_MAP, struct session_list, by_date, "sessionsByDate", .item = F_JSON,
          .doc = "local day to a list of {id, startedAt, durationMs, reviewsCompleted}"),
    FIELD(F_OBJECT, struct session_list, pagination, "pagination", .sub = pagination_fields,
          .size = sizeof(struct pagination), .doc = "where the page lies"),
    FIELD(F_BOOL, struct session_list, reviews_cut, "reviewsTruncated",
          .doc = "the page has more reviews than are given: the oldest are left out"),
    FIELD_END,
};

/* The run of sessions rows[from..to) that began on one local day, as JSON. */
static struct str day_json(struct api_call *c, const struct session_row *rows, int32_t from,
                           int32_t to)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, 64 * 1024);
    json_writer_init(&w, &b);
    json_array(&w);
    for (int32_t i = from; i < to; i++) {
        struct brief brief = {rows[i].id, rows[i].started_at, rows[i].duration_ms, rows[i].reviews};
        fields_write_json(brief_fields, &w, &brief);
    }
    json_array_end(&w);
    struct str text = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

static int by_start(const void *pa, const void *pb)
{
    const struct session_row *a = pa, *b = pb;
    return (a->started_at < b->started_at) - (a->started_at > b->started_at);
}

static enum err group_by_day(struct api_call *c, const struct learner *l, const struct page *page,
                             struct list *ret)
{
    struct map_entry *days = arena_new(c->arena, struct map_entry, (size_t)page->n + 1);
    struct str *texts = arena_new(c->arena, struct str, (size_t)page->n + 1);
    struct session_row *rows = arena_new(c->arena, struct session_row, (size_t)page->n + 1);
    int32_t n = 0;

    if (!days || !texts || !rows)
        return ERR_NOMEM;
    memcpy(rows, page->rows, (size_t)page->n * sizeof *rows);
    /* The page is in order of first events; a told start may lie later than another's. */
    qsort(rows, (size_t)page->n, sizeof *rows, by_start);
    for (int32_t from = 0, to; from < page->n; from = to) {
        int32_t day = civil_at(l->zone, rows[from].started_at).epoch_day;
        char name[DATE_TEXT_MAX];
        for (to = from + 1; to < page->n; to++)
            if (civil_at(l->zone, rows[to].started_at).epoch_day != day)
                break;
        int length = date_print(day, name);
        texts[n] = day_json(c, rows, from, to);
        days[n].key = arena_str(c->arena, (struct str){name, (size_t)length});
        days[n].value = &texts[n];
        if (!texts[n].p || !days[n].key.p)
            return ERR_NOMEM;
        n++;
    }
    *ret = (struct list){days, n};
    return ERR_OK;
}

/* Which of the page is this; the page is short enough for looking at each. */
static struct session_shown *shown_find(struct session_shown *shown, int32_t n, struct str id)
{
    for (int32_t i = 0; i < n; i++)
        if (str_eq(shown[i].row.id, id))
            return &shown[i];
    return NULL;
}

/* Rows come newest first; a session's reviews are given in order. */
static enum err spread_reviews(struct api_call *c, const struct rows *rows,
                               struct session_shown *shown, int32_t n)
{
    struct session_shown **of =
        arena_new(c->arena, struct session_shown *, (size_t)rows->count + 1);

    if (!of)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        of[i] = shown_find(shown, n, column_str(&v));
        if (of[i])
            of[i]->reviews.n++;
    }
    for (int32_t i = 0; i < n; i++) {
        shown[i].reviews.p = arena_new(c->arena, struct review, (size_t)shown[i].reviews.n + 1);
        if (!shown[i].reviews.p)
            return ERR_NOMEM;
        shown[i].reviews.n = 0;
    }
    for (int32_t i = rows->count - 1; i >= 0; i--) {
        if (!of[i])
            continue;
        struct columns v = columns_of(rows, i);
        column_str(&v); /* session */
        struct graded g = graded_read(v);
        struct list *to = &of[i]->reviews;
        enum err e = review_of(c, &g, (struct review *)to->p + to->n++);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static enum err add_reviews(struct api_call *c, struct session_shown *shown, int32_t n,
                            bool *ret_cut)
{
    int64_t from = INT64_MAX, to = INT64_MIN;

    for (int32_t i = 0; i < n; i++) {
        const struct session_facts *f = &shown[i].row.facts;
        from = f->first_at < from ? f->first_at : from;
        to = f->last_at > to ? f->last_at : to;
    }
    const struct value args[] = {V_S(c->learner), V_I(from), V_I(to), V_I(LIST_REVIEWS_MAX + 1)};
    struct query q = {.stmt = STMT_SESSION_REVIEWS_BETWEEN, .args = args, .arg_count = 4};
    enum err e = store_read(c->conn, c->arena, &q, 1, c->deadline_us);
    if (e != ERR_OK)
        return e;
    *ret_cut = q.rows.count > LIST_REVIEWS_MAX;
    q.rows.count -= *ret_cut;
    return spread_reviews(c, &q.rows, shown, n);
}

static enum err get_session_list(struct api_call *c)
{
    const struct list_query *in = c->in;
    struct list_range range = {.from = in->start_given ? in->start : INT64_MIN + 1,
                               .to = in->end_given ? in->end : INT64_MAX,
                               .limit = in->limit};
    struct session_list *r = arena_new(c->arena, struct session_list, 1);
    struct learner l;
    struct page page;

    if (!r)
        return ERR_NOMEM;
    enum err e = range_check(c, "startDate", range.from, range.to);
    if (e == ERR_OK)
        e = place_read(c, in->cursor, &range.cursor);
    if (e != ERR_OK)
        return e;
    range.offset = range.cursor.given ? 0 : in->offset;
    struct value list[LIST_ARGS];
    list_args(c, &range, list);
    struct query q[3] = {
        [1] = {.stmt = STMT_SESSION_LIST, .args = list, .arg_count = LIST_ARGS},
        [2] = {.stmt = STMT_SESSION_SUMS, .args = list, .arg_count = 4},
    };
    /* how many there are at all, the learner's row knows */
    bool ranged = in->start_given || in->end_given;
    e = learner_read(c, q, ranged ? 3 : 2, &l);
    if (e == ERR_OK)
        e = page_read(c, &q[1].rows, in->limit, &page);
    if (e == ERR_OK)
        e = group_by_day(c, &l, &page, &r->by_date);
    if (e != ERR_OK)
        return e;
    struct session_shown *shown = arena_new(c->arena, struct session_shown, (size_t)page.n + 1);
    if (!shown)
        return ERR_NOMEM;
    for (int32_t i = 0; i < page.n; i++) {
        shown[i] = (struct session_shown){.row = page.rows[i], .mission = page.rows[i].mission};
        r->study_ms += page.rows[i].duration_ms;
    }
    if (in->include >= 0 && page.n > 0)
        e = add_reviews(c, shown, page.n, &r->reviews_cut);
    if (e != ERR_OK)
        return e;
    r->total = learner_totals(&l)->sessions;
    if (ranged) {
        struct columns sums = columns_of(&q[2].rows, 0);
        r->total = column_i64(&sums, 0);
    }
    r->sessions = (struct list){shown, page.n};
    r->pagination = (struct pagination){in->limit, range.offset, page.more, page.next};
    c->reply = r;
    return ERR_OK;
}

#define ONE(e) (UINT64_C(1) << (e))
#define SESSIONS .tag = "sessions", .envelope = ENVELOPE_DATA, .run = RUN_SMALL
#define READS \
    .method = HTTP_GET, .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .errors = ONE(ERR_NOT_FOUND)
#define WRITES .round_trips = 2, .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT)
#define PATCHES                                                            \
    .method = HTTP_PATCH, .scopes = SCOPE_WRITE, .learner = LEARNER_QUERY, \
    .params = session_path_fields

const struct endpoint endpoints_sessions[] = {
    {SESSIONS, READS, .round_trips = 1, .path = "/api/analytics/sessions",
     .id = "get_session_stats", .summary = "Sessions with their figures, and the sums of them all",
     .query = stats_query, .in_size = sizeof(struct stats_query), .reply = session_stats_fields,
     .cache = {.fresh_s = 300, .stale_s = 1800}, .handler = get_session_stats},
    {SESSIONS, READS, .path = "/api/learning/sessions", .id = "list_sessions",
     .summary = "Sessions, newest first", .query = list_query, .in_size = sizeof(struct list_query),
     .round_trips = 2, .reply = session_list_fields, .cache = {.fresh_s = 300, .stale_s = 1800},
     .handler = get_session_list},
    {SESSIONS, READS, .round_trips = 1, .path = "/api/learning/sessions/{id}", .id = "get_session",
     .summary = "One session with its plan, reviews and answers", .params = session_path_fields,
     .in_size = sizeof(struct session_path), .reply = session_reply_fields,
     .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_session},
    {SESSIONS, READS, .round_trips = 1, .path = "/api/learning/sessions/recent",
     .id = "get_recent_sessions", .summary = "The newest sessions, summed up",
     .query = recent_query, .in_size = sizeof(struct recent_query), .reply = recent_reply,
     .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_recent_sessions},
    {SESSIONS, READS, .round_trips = 1, .path = "/api/learning/sessions/compare",
     .id = "compare_sessions", .summary = "Two to five sessions beside each other",
     .query = compare_query, .in_size = sizeof(struct compare_query), .reply = compare_reply,
     .cache = {.fresh_s = 300, .stale_s = 1800}, .handler = get_session_comparison},
    {SESSIONS, READS, .round_trips = 1, .path = "/api/learning/sessions/{id}/analytics",
     .id = "get_session_analytics", .summary = "One session against its plan",
     .params = session_path_fields, .in_size = sizeof(struct session_path),
     .reply = session_analytics_reply, .cache = {.fresh_s = 120, .stale_s = 600},
     .handler = get_session_analytics},
    {SESSIONS, WRITES, .method = HTTP_POST, .path = "/api/learning/sessions", .id = "start_session",
     .summary = "Begin a session", .scopes = SCOPE_WRITE, .learner = LEARNER_BODY,
     .body = start_body, .body_optional = true, .in_size = sizeof(struct session_begin),
     .reply = start_reply, .status = 201, .repeats = true, .handler = post_session},
    {SESSIONS, WRITES, PATCHES, .path = "/api/learning/sessions/{id}/pause", .id = "pause_session",
     .summary = "Pause a session; pausing a paused one changes nothing",
     .in_size = sizeof(struct session_change), .reply = changed_reply, .handler = patch_pause},
    {SESSIONS, WRITES, PATCHES, .path = "/api/learning/sessions/{id}/resume",
     .id = "resume_session", .summary = "Go on with a paused session",
     .in_size = sizeof(struct session_change), .reply = changed_reply, .handler = patch_resume},
    {SESSIONS, WRITES, PATCHES, .path = "/api/learning/sessions/{id}/complete",
     .id = "complete_session", .summary = "End a session", .body = complete_body,
     .body_optional = true, .in_size = sizeof(struct session_complete), .reply = complete_reply,
     .handler = patch_complete},
    {SESSIONS, WRITES, PATCHES, .path = "/api/learning/sessions/{id}/notes", .id = "note_session",
     .summary = "Write the learner's note on a session", .body = notes_body,
     .in_size = sizeof(struct session_notes), .reply = changed_reply, .handler = patch_notes},
    {SESSIONS, WRITES, .method = HTTP_POST,
     .path = "/api/learning/sessions/{id}/objectives/{objectiveId}/complete",
     .id = "complete_session_objective", .summary = "Complete an objective of a session",
     .scopes = SCOPE_WRITE, .learner = LEARNER_QUERY, .params = objective_path,
     .body = objective_body, .in_size = sizeof(struct session_objective), .reply = objective_reply,
     .repeats = true, .handler = post_objective_complete},
    {SESSIONS, WRITES, .method = HTTP_POST, .path = "/api/analytics/session-event",
     .id = "post_session_event", .summary = "Tell what happened in a session",
     .scopes = SCOPE_INGEST | SCOPE_WRITE, .learner = LEARNER_BODY, .body = session_event_body,
     .in_size = sizeof(struct session_told), .reply = session_event_reply, .status = 201,
     .repeats = true, .handler = post_session_event},
    {.path = NULL},
};
