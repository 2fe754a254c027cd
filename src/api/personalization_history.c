/* personalization_history - GET personalization/history: the log of what changed. */
#include "api/page.h"
#include "api/personalization.h"

enum { HISTORY_DAYS = 30, PERIOD_DAYS_MAX = 366 };

static const char *const type_names[] = {"APPLIED", "REMOVED", "EFFECTIVENESS_CHANGED", NULL};

enum err personal_period_check(struct api_call *c, int32_t days, struct personal_period *p)
{
    if (p->end == TIME_NONE)
        p->end = c->now_us;
    if (p->start == TIME_NONE)
        p->start = p->end - days * US_PER_DAY;
    if (p->start >= p->end)
        return api_bad_field(c, "startDate", "invalid_value", "must lie before the end");
    if (p->end - p->start > PERIOD_DAYS_MAX * US_PER_DAY)
        return api_bad_field(c, "startDate", "invalid_value", "must lie within %d days of the end",
                             PERIOD_DAYS_MAX);
    if (p->start < TIME_MIN || p->end > TIME_MAX)
        return api_bad_field(c, p->start < TIME_MIN ? "startDate" : "endDate", "invalid_value",
                             "must lie between the years 1990 and 2100");
    return ERR_OK;
}

const struct field personal_history_query[] = {
    FIELD(F_TIME, struct personal_history_query, period.start, "startDate", .flags = FIELD_DATE_OK,
          .doc = "inclusive; thirty days before the end when left out"),
    FIELD(F_TIME, struct personal_history_query, period.end, "endDate", .flags = FIELD_DATE_OK,
          .doc = "inclusive; now when left out"),
    FIELD(F_I32, struct personal_history_query, limit, "limit", .min = 1, .max = 200, .def = "50",
          .doc = "events a page"),
    FIELD(F_I64, struct personal_history_query, offset, "offset", .max = PAGE_OFFSET_MAX,
          .def = "0", .doc = "events to skip; a cursor is better"),
    CURSOR_FIELD(struct personal_history_query),
    FIELD_END,
};

struct change {
    struct str id;
    int64_t at;
    int32_t type, context;
    struct str personalization, old_value, new_value, reason, config, variant;
    double score;
};
static const struct field change_fields[] = {
    FIELD(F_STR, struct change, id, "id", .doc = "of the event"),
    FIELD(F_TIME, struct change, at, "timestamp", .doc = "when"),
    FIELD(F_ENUM, struct change, type, "eventType", .names = type_names, .doc = "what happened"),
    FIELD(F_STR, struct change, personalization, "personalizationType", .doc = "the strategy"),
    FIELD(F_ENUM, struct change, context, "context", .names = personal_context_names,
          .doc = "of what"),
    FIELD(F_JSON, struct change, old_value, "previousValue", .flags = FIELD_NULLABLE,
          .doc = "an object: what it was before"),
    FIELD(F_JSON, struct change, new_value, "newValue", .flags = FIELD_NULLABLE,
          .doc = "an object: what it is since"),
    FIELD(F_STR, struct change, reason, "reason", .doc = "why"),
    FIELD(F_F64, struct change, score, "effectivenessScore", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "of the variant, after an outcome: its posterior mean in percent"),
    FIELD(F_STR, struct change, config, "configId", .doc = "the context that it is about"),
    FIELD(F_STR, struct change, variant, "strategyVariant", .doc = "which"),
    FIELD_END,
};

struct history_meta {
    int64_t total;
    int32_t limit;
    int64_t offset;
    bool more;
    struct str next;
};
static const struct field history_meta_fields[] = {
    FIELD(F_I64, struct history_meta, total, "total", .doc = "events of the period"),
    FIELD(F_I32, struct history_meta, limit, "limit", .doc = "as asked"),
    FIELD(F_I64, struct history_meta, offset, "offset", .doc = "as asked; 0 with a cursor"),
    FIELD(F_BOOL, struct history_meta, more, "hasMore", .doc = "are there older ones?"),
    FIELD(F_STR, struct history_meta, next, "nextCursor", .flags = FIELD_NULLABLE,
          .doc = "for the next page, as in the Link header"),
    FIELD_END,
};

struct history_page {
    struct list events;
    struct history_meta meta;
    struct str reason;
};
static const struct field history_page[] = {
    FIELD(F_LIST, struct history_page, events, "events", .sub = change_fields,
          .size = sizeof(struct change), .doc = "the newest first"),
    FIELD(F_OBJECT, struct history_page, meta, "meta", .sub = history_meta_fields,
          .size = sizeof(struct history_meta), .doc = "of the page"),
    FIELD(F_STR, struct history_page, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none"),
    FIELD_END,
};

/* The same twice: older clients read the top level, others `data`. */
struct history {
    struct history_page top, data;
};
const struct field personal_history_reply[] = {
    FIELD(F_OBJECT, struct history, top, "top", .flags = FIELD_FLAT, .sub = history_page,
          .size = sizeof(struct history_page), .doc = "the page"),
    FIELD(F_OBJECT, struct history, data, "data", .sub = history_page,
          .size = sizeof(struct history_page), .doc = "the same again"),
    FIELD_END,
};

static void change_read(struct columns v, struct change *h)
{
    h->at = column_time(&v);
    h->id = column_str(&v);
    h->type = personal_name(type_names, column_str(&v));
    h->context = personal_name(personal_context_names, column_str(&v));
    h->variant = column_str(&v);
    h->old_value = column_str(&v);
    h->new_value = column_str(&v);
    h->reason = column_str(&v);
    h->score = round_to(column_f64(&v), 2);
    if (h->context >= 0) {
        h->personalization = str_from(personal_strategies[h->context]);
        h->config = str_from(personal_context_names[h->context]);
    }
}

enum err get_personal_history(struct api_call *c)
{
    struct personal_history_query *in = c->in;
    struct history *r = arena_new(c->arena, struct history, 1);
    struct place from = {.given = false};
    struct learner l;
    enum err e = personal_period_check(c, HISTORY_DAYS, &in->period);

    if (e == ERR_OK)
        e = place_read(c, in->cursor, &from);
    if (e != ERR_OK || !r)
        return e != ERR_OK ? e : ERR_NOMEM;
    int64_t offset = from.given ? 0 : in->offset;
    const struct value args[] = {V_S(c->learner),     V_I(in->period.start),
                                 V_I(in->period.end), from.given ? V_I(from.at) : V_N,
                                 v_text(from.id),     V_I(in->limit + 1),
                                 V_I(offset)};
    struct query q[3] = {
        [1] = {.stmt = STMT_PERSONAL_EVENTS, .args = args, .arg_count = 7},
        [2] = {.stmt = STMT_PERSONAL_EVENT_COUNT, .args = args, .arg_count = 3},
    };
    e = learner_read(c, q, 3, &l);
    if (e != ERR_OK)
        return e;
    int32_t n = q[1].rows.count < in->limit ? q[1].rows.count : in->limit;
    struct change *events = arena_new(c->arena, struct change, (size_t)n + 1);
    if (!events)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++)
        change_read(columns_of(&q[1].rows, i), &events[i]);
    struct columns total = columns_of(&q[2].rows, 0);
    r->top.events = (struct list){events, n};
    r->top.meta = (struct history_meta){
        column_i64(&total, 0), in->limit, offset, q[1].rows.count > n, {NULL, 0}};
    if (!l.analysis)
        r->top.reason = reason_disabled;
    if (r->top.meta.more) {
        r->top.meta.next = place_print(c->arena, events[n - 1].at, events[n - 1].id);
        if (!r->top.meta.next.p)
            return ERR_NOMEM;
        page_link(c, r->top.meta.next);
    }
    r->data = r->top;
    c->reply = r;
    return ERR_OK;
}
