/* mission_history - missions of the past, page by page, in the two forms that clients know. */
#include "api/mission_row.h"
#include "api/page.h"
#include "base/assert.h"

enum { PLANS_MAX = 5000 }; /* objectives of a page, as in STMT_MISSION_HISTORY_OBJECTIVES */

struct history_query {
    int32_t limit, status;
    int64_t offset;
    struct str cursor;
};
#define STATUS_FIELD                                                                     \
    FIELD(F_ENUM, struct history_query, status, "status", .names = mission_statuses, \
          .doc = "missions of this status only")
static const struct field history_query[] = {
    FIELD(F_I32, struct history_query, limit, "limit", .min = 1, .max = 100, .def = "30",
          .doc = "missions a page"),
    STATUS_FIELD,
    CURSOR_FIELD(struct history_query),
    FIELD_END,
};
static const struct field book_query[] = {
    FIELD(F_I32, struct history_query, limit, "limit", .min = 1, .max = 100, .def = "50",
          .doc = "missions a page"),
    FIELD(F_I64, struct history_query, offset, "offset", .max = PAGE_OFFSET_MAX, .def = "0",
          .doc = "missions to leave out; with a cursor, behind it"),
    STATUS_FIELD,
    CURSOR_FIELD(struct history_query),
    FIELD_END,
};

/* What both forms are made of. */
struct page {
    struct list missions;
    int64_t total;
    struct str next;
};

enum { QUERIES = 7, PLANS_QUERY = 6 };

/* One round trip: the learner, the page with what belongs to it, and the count. with_plans also
 * reads the objectives, into q[PLANS_QUERY]. */
static enum err page_of(struct api_call *c, bool with_plans, struct query q[QUERIES],
                        struct page *ret)
{
    const struct history_query *in = c->in;
    struct str status =
        in->status >= 0 ? str_from(mission_statuses[in->status]) : (struct str){NULL, 0};
    struct place at;
    struct learner l;
    enum err e = place_read(c, in->cursor, &at);

    if (e != ERR_OK)
        return e;
    const struct value args[] = {V_S(c->learner),
                                 v_text(status),
                                 at.given ? V_I(at.at) : V_N,
                                 at.given ? V_S(at.id) : V_N,
                                 V_I(in->limit + 1),
                                 V_I(in->offset)};
    static const enum stmt stmts[] = {STMT_MISSION_HISTORY, STMT_MISSION_HISTORY_SESSIONS,
                                      STMT_MISSION_HISTORY_OPINIONS, STMT_MISSION_HISTORY_STREAK};
    int32_t n = 1;
    for (size_t i = 0; i < COUNT(stmts); i++)
        q[n++] = (struct query){.stmt = stmts[i], .args = args, .arg_count = COUNT(args)};
    q[n++] = (struct query){.stmt = STMT_MISSION_COUNT, .args = args, .arg_count = 2};
    if (with_plans)
        q[n++] = (struct query){
            .stmt = STMT_MISSION_HISTORY_OBJECTIVES, .args = args, .arg_count = COUNT(args)};
    e = learner_read(c, q, n, &l);
    if (e != ERR_OK)
        return e;
    n = q[1].rows.count < in->limit ? q[1].rows.count : in->limit;
    struct mission *m = arena_new(c->arena, struct mission, (size_t)n + 1);
    if (!m)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++)
        m[i] = mission_read(columns_of(&q[1].rows, i));
    missions_judge(m, n, &q[2].rows, &q[3].rows, &q[4].rows);
    *ret = (struct page){{m, n}, value_i64(row_at(&q[5].rows, 0), 0), {NULL, 0}};
    if (q[1].rows.count > n) {
        ret->next = place_print(c->arena, m[n - 1].day, m[n - 1].id);
        if (!ret->next.p)
            return ERR_NOMEM;
        page_link(c, ret->next);
    }
    return ERR_OK;
}

/* ---- GET learning/mission/history ---- */

struct history_filter {
    int32_t status, limit;
};
static const struct field history_filter_fields[] = {
    FIELD(F_ENUM, struct history_filter, status, "status", .flags = FIELD_NULLABLE,
          .names = mission_statuses, .doc = "as asked"),
    FIELD(F_I32, struct history_filter, limit, "limit", .doc = "as asked"),
    FIELD_END,
};
struct history {
    struct page page;
    struct history_filter filter;
};
static const struct field history_reply[] = {
    FIELD(F_LIST, struct history, page.missions, "missions", .sub = mission_fields,
          .size = sizeof(struct mission), .doc = "latest day first"),
    FIELD(F_I64, struct history, page.total, "total", .doc = "of the filter, not of the page"),
    FIELD(F_OBJECT, struct history, filter, "filter", .sub = history_filter_fields,
          .size = sizeof(struct history_filter), .doc = "as asked"),
    FIELD(F_STR, struct history, page.next, "nextCursor", .flags = FIELD_NULLABLE,
          .doc = "for the next page, as in the Link header; null at the end"),
    FIELD_END,
};

static enum err get_history(struct api_call *c)
{
    const struct history_query *in = c->in;
    struct history *r = arena_new(c->arena, struct history, 1);
    struct query q[QUERIES];

    if (!r)
        return ERR_NOMEM;
    r->filter = (struct history_filter){in->status, in->limit};
    c->reply = r;
    return page_of(c, false, q, &r->page);
}

/* ---- GET missions/history ---- */

struct book_mission {
    struct mission mission;
    struct list objectives;
};
static const struct field book_fields[] = {
    FIELD(F_OBJECT, struct book_mission, mission, "mission", .flags = FIELD_FLAT,
          .sub = mission_fields, .size = sizeof(struct mission), .doc = "the mission"),
    FIELD(F_LIST, struct book_mission, objectives, "objectives", .sub = planned_fields,
          .size = sizeof(struct planned_objective), .doc = "its plan, in order"),
    FIELD_END,
};
struct book_pages {
    int64_t total, limit, offset;
    bool more;
    struct str next;
};
static const struct field book_page_fields[] = {
    FIELD(F_I64, struct book_pages, total, "total", .doc = "of the filter"),
    FIELD(F_I64, struct book_pages, limit, "limit", .doc = "as asked"),
    FIELD(F_I64, struct book_pages, offset, "offset", .doc = "as asked"),
    FIELD(F_BOOL, struct book_pages, more, "hasMore", .doc = "are there older ones?"),
    FIELD(F_STR, struct book_pages, next, "nextCursor", .flags = FIELD_NULLABLE,
          .doc = "for the next page, as in the Link header"),
    FIELD_END,
};
struct book {
    struct list missions;
    struct book_pages pages;
    bool cut;
};
static const struct field book_reply[] = {
    FIELD(F_LIST, struct book, missions, "missions", .sub = book_fields,
          .size = sizeof(struct book_mission), .doc = "latest day first"),
    FIELD(F_OBJECT, struct book, pages, "pagination", .sub = book_page_fields,
          .size = sizeof(struct book_pages), .doc = "where the page lies"),
    FIELD(F_BOOL, struct book, cut, "objectivesCut",
          .doc = "there are more than 5,000 objectives on the page; the last are left out"),
    FIELD_END,
};

/* Rows lie in the order of the missions; the first column says whose they are. */
static enum err add_plans(struct api_call *c, const struct rows *rows, struct book_mission *m,
                          int32_t n)
{
    for (int32_t i = 0, from = 0; i < n; i++) {
        int32_t to = from;
        while (to < rows->count && str_eq(value_str(row_at(rows, to)), m[i].mission.id))
            to++;
        struct planned_objective *p =
            arena_new(c->arena, struct planned_objective, (size_t)(to - from) + 1);
        struct objective_info *info =
            arena_new(c->arena, struct objective_info, (size_t)(to - from) + 1);
        if (!p || !info)
            return ERR_NOMEM;
        for (int32_t k = from; k < to; k++) {
            struct columns v = columns_of(rows, k);
            column_str(&v); /* the mission */
            planned_one(v, &p[k - from], &info[k - from]);
        }
        m[i].objectives = (struct list){p, to - from};
        from = to;
    }
    return ERR_OK;
}

static enum err get_book(struct api_call *c)
{
    const struct history_query *in = c->in;
    struct book *r = arena_new(c->arena, struct book, 1);
    struct query q[QUERIES];
    struct page page;
    enum err e = r ? page_of(c, true, q, &page) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    struct book_mission *m = arena_new(c->arena, struct book_mission, (size_t)page.missions.n + 1);
    if (!m)
        return ERR_NOMEM;
    for (int32_t i = 0; i < page.missions.n; i++)
        m[i].mission = ((const struct mission *)page.missions.p)[i];
    r->missions = (struct list){m, page.missions.n};
    r->pages =
        (struct book_pages){page.total, in->limit, in->offset, page.next.p != NULL, page.next};
    r->cut = q[PLANS_QUERY].rows.count == PLANS_MAX;
    c->reply = r;
    return add_plans(c, &q[PLANS_QUERY].rows, m, page.missions.n);
}

#define READS                                                                               \
    .tag = "missions", .envelope = ENVELOPE_DATA, .run = RUN_SMALL, .method = HTTP_GET,     \
    .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .errors = UINT64_C(1) << ERR_NOT_FOUND, \
    .round_trips = 1, .in_size = sizeof(struct history_query)

const struct endpoint endpoints_mission_history[] = {
    {READS, .path = "/api/learning/mission/history", .id = "get_mission_history",
     .summary = "Missions, latest day first", .query = history_query, .reply = history_reply,
     .cache = {.fresh_s = 300, .stale_s = 1800}, .handler = get_history},
    {READS, .path = "/api/missions/history", .id = "get_missions_history",
     .summary = "Missions with their plans, latest day first", .query = book_query,
     .reply = book_reply, .cache = {.fresh_s = 300, .stale_s = 1800}, .handler = get_book},
    {.path = NULL},
};
