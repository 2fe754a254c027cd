/* The family of events: sending them, their form, and those that were refused. */
#include "api/call.h"
#include "api/page.h"

#include "base/assert.h"
#include "json/reader.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ITEMS_FIRST = 16,            /* room for so many at first; doubled when full */
    QUARANTINE_BODY_MAX = 65536, /* a larger refused event is not kept */
    QUARANTINE_PAGE_MAX = 500,
    REPLAY_MAX = 1000,
};

/* One element of the request: an event that goes to ingest, or a refusal. */
struct item {
    struct str id;  /* of a refused event, if it had one */
    struct str raw; /* its text as it came */
    int32_t event;  /* index in intake.events; -1 refused here */
    const char *code;
    struct str field, reason;
    int64_t quarantine_id; /* of a replay */
};

/* Everything of one request; lives at api_call.in. */
struct intake {
    struct api_call *c;
    struct event_rules rules;
    struct item *items;
    int32_t item_count, item_room, item_max;
    struct event *events;
    int32_t event_count, event_room;
    int32_t unknown;
    /* Replay: rows that are gone from quarantine when their event is stored. */
    struct value *drop;
    int32_t drop_count, missing;
    int64_t next_after;
};

enum item_status { ITEM_ACCEPTED, ITEM_DUPLICATE, ITEM_REJECTED };
static const char *const item_statuses[] = {"accepted", "duplicate", "rejected", NULL};

struct item_reply {
    int64_t quarantine_id;
    struct str id;
    int32_t status;
    struct str code, field, message;
};
static const struct field item_fields[] = {
    FIELD(F_STR, struct item_reply, id, "id", .flags = FIELD_NULLABLE,
          .doc = "the event's id, also one that was made here; null when a refused event had none"),
    FIELD(F_ENUM, struct item_reply, status, "status", .names = item_statuses,
          .doc = "what became of it; a duplicate was stored before and is not applied again"),
    FIELD(F_STR, struct item_reply, code, "code", .flags = FIELD_OMIT,
          .doc = "machine code of the refusal"),
    FIELD(F_STR, struct item_reply, field, "field", .flags = FIELD_OMIT, .doc = "member at fault"),
    FIELD(F_STR, struct item_reply, message, "message", .flags = FIELD_OMIT,
          .doc = "what was wrong"),
    FIELD_END,
};

struct intake_reply {
    int32_t accepted, duplicates, rejected, unknown_fields;
    struct list results;
};
static const struct field intake_fields[] = {
    FIELD(F_I32, struct intake_reply, accepted, "accepted", .min = 0, .max = 100000,
          .doc = "events that are now on disk"),
    FIELD(F_I32, struct intake_reply, duplicates, "duplicates", .min = 0, .max = 100000,
          .doc = "events that were on disk before"),
    FIELD(F_I32, struct intake_reply, rejected, "rejected", .min = 0, .max = 100000,
          .doc = "events that were refused"),
    FIELD(F_I32, struct intake_reply, unknown_fields, "unknownFields", .min = 0, .max = INT32_MAX,
          .doc = "members that were ignored because no event has them"),
    FIELD(F_LIST, struct intake_reply, results, "results", .sub = item_fields,
          .size = sizeof(struct item_reply), .doc = "one per event, in the order of the request"),
    FIELD_END,
};

/* Room for one more element of an array in the arena; the old one stays behind until the end. */
static void *grow(struct arena *arena, void *old, int32_t count, int32_t *room, size_t size)
{
    if (count < *room)
        return old;
    int32_t more = *room ? *room * 2 : ITEMS_FIRST;
    void *p = arena_array(arena, (size_t)more, size, _Alignof(max_align_t));
    if (!p)
        return NULL;
    if (count > 0)
        memcpy(p, old, (size_t)count * size);
    *room = more;
    return p;
}

static struct item *item_add(struct intake *in, struct str raw)
{
    struct item *items =
        grow(in->c->arena, in->items, in->item_count, &in->item_room, sizeof *items);
    if (!items)
        return NULL;
    in->items = items;
    struct item *it = &items[in->item_count++];
    *it = (struct item){.event = -1, .raw = raw};
    return it;
}

/* ERR_NOMEM: the arena's cap. */
static enum err item_refuse(struct intake *in, struct item *it, const char *code, const char *field,
                            const char *reason)
{
    it->code = code;
    it->field = arena_str(in->c->arena, str_from(field));
    it->reason = arena_str(in->c->arena, str_from(reason));
    return it->field.p && it->reason.p ? ERR_OK : ERR_NOMEM;
}

static enum err item_accept(struct intake *in, struct item *it, const struct event *e)
{
    struct event *events =
        grow(in->c->arena, in->events, in->event_count, &in->event_room, sizeof *events);
    if (!events)
        return ERR_NOMEM;
    in->events = events;
    it->event = in->event_count;
    events[in->event_count++] = *e;
    return ERR_OK;
}

static enum err too_many(struct intake *in)
{
    return api_refuse(in->c, ERR_TOO_LARGE, "TOO_MANY_EVENTS",
                      "One request may carry %d events at most; nothing of it was stored.",
                      in->item_max);
}

/* A learner's own key writes of that learner only; said per event, as the others beside it are
 * good. */
static bool foreign(const struct intake *in, const struct event *e)
{
    return in->c->who.learner.p && !str_eq(in->c->who.learner, e->learner);
}

static enum err read_event(struct intake *in, struct json_reader *r)
{
    struct event_error error = {.code = NULL};
    struct event event;
    const char *from = r->p;

    if (in->item_count == in->item_max)
        return too_many(in);
    event_init(&event);
    enum err e = event_read(r, in->c->arena, &in->rules, &event, &in->unknown, &error);
    if (e != ERR_OK && e != ERR_RANGE)
        return e;
    struct item *it = item_add(in, (struct str){from, (size_t)(r->p - from)});
    if (!it)
        return ERR_NOMEM;
    it->id = event.id;
    if (e == ERR_RANGE)
        return item_refuse(in, it, error.code ? error.code : err_code(e), error.field.path,
                           error.field.reason);
    if (foreign(in, &event))
        return item_refuse(in, it, "FORBIDDEN_LEARNER", "learner",
                           "the key speaks for another learner only");
    return item_accept(in, it, &event);
}

static enum err read_array(struct intake *in, struct json_reader *r)
{
    if (!json_array_begin(r))
        return r->err;
    while (json_next_item(r)) {
        enum err e = read_event(in, r);
        if (e != ERR_OK)
            return e;
    }
    return r->err;
}

/* {"events":[…]}: read in place. *ret_found false: there is no such member, it is one event. */
static enum err read_wrapped(struct intake *in, struct json_reader *r, bool *ret_found)
{
    struct str name;

    *ret_found = false;
    if (!json_object_begin(r))
        return r->err;
    while (json_next_member(r, &name)) {
        enum err e = ERR_OK;
        if (!str_eq(name, STR("events"))) {
            json_skip(r, NULL);
            continue;
        }
        if (json_peek(r) != JSON_ARRAY)
            return json_failed(r)
                       ? r->err
                       : api_bad_field(in->c, "events", "invalid_type", "must be an array");
        *ret_found = true;
        e = read_array(in, r);
        if (e != ERR_OK)
            return e;
    }
    return r->err;
}

static enum err broken(struct intake *in, const struct json_reader *r)
{
    int32_t line = 1;

    for (size_t i = 0; i < r->error_at && r->start + i < r->end; i++)
        line += r->start[i] == '\n';
    return api_refuse(
        in->c, ERR_SYNTAX, NULL,
        "The body is not well-formed JSON at byte %zu (line %d): %s. Nothing of it was "
        "stored.",
        r->error_at, line, r->reason ? r->reason : "syntax");
}

static enum err read_json(struct intake *in, struct str body)
{
    struct json_reader r;
    bool wrapped = true;
    enum err e;

    json_reader_init(&r, body, in->c->arena, BODY_DEPTH_MAX);
    switch (json_peek(&r)) {
    case JSON_ARRAY:
        e = read_array(in, &r);
        break;
    case JSON_OBJECT:
        e = read_wrapped(in, &r, &wrapped);
        if (e == ERR_OK && !wrapped) {
            e = json_end(&r);
            if (e != ERR_OK)
                break;
            json_reader_init(&r, body, in->c->arena, BODY_DEPTH_MAX);
            e = read_event(in, &r);
        }
        break;
    case JSON_NONE:
        e = json_failed(&r) ? r.err : ERR_SYNTAX;
        break;
    default:
        return api_bad_field(in->c, "", "invalid_type",
                             "must be an event, an array of events, or {\"events\": [...]}");
    }
    if (e == ERR_OK)
        e = json_end(&r);
    return e == ERR_SYNTAX ? broken(in, &r) : e;
}

/* A broken line is one refused item: what stands on the others can still be read. */
static enum err read_line(struct intake *in, struct str line)
{
    struct json_reader r;
    int32_t items = in->item_count, events = in->event_count;

    json_reader_init(&r, line, in->c->arena, BODY_DEPTH_MAX);
    enum err e = read_event(in, &r);
    if (e == ERR_OK)
        e = json_end(&r);
    if (e != ERR_SYNTAX)
        return e;
    in->item_count = items;
    in->event_count = events;
    struct item *it = item_add(in, line);
    return it ? item_refuse(in, it, err_code(ERR_SYNTAX), "", r.reason ? r.reason : "not JSON")
              : ERR_NOMEM;
}

static enum err read_lines(struct intake *in, struct str body)
{
    while (body.p && body.n > 0) {
        struct str line = str_trim(str_cut(&body, '\n'));
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0)
            continue;
        if (in->item_count == in->item_max)
            return too_many(in);
        enum err e = read_line(in, line);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

enum form { FORM_JSON, FORM_LINES, FORM_OTHER };

static enum form form_of_media(struct str media)
{
    static const struct {
        const char *type;
        enum form form;
    } known[] = {
        {"application/json", FORM_JSON},         {"application/x-ndjson", FORM_LINES},
        {"application/ndjson", FORM_LINES},      {"application/jsonl", FORM_LINES},
        {"application/x-jsonlines", FORM_LINES},
    };
    struct str type = str_trim(str_cut(&media, ';'));

    for (size_t i = 0; i < COUNT(known); i++)
        if (str_eq_nocase(type, str_from(known[i].type)))
            return known[i].form;
    return FORM_OTHER;
}

/* Lines sent as application/json: a whole object on the first line and another one behind it. */
static bool looks_like_lines(struct str body)
{
    struct str rest = body, first = str_trim(str_cut(&rest, '\n'));

    if (first.n > 0 && first.p[first.n - 1] == '\r')
        first.n--;
    if (!rest.p || first.n < 2 || first.p[0] != '{' || first.p[first.n - 1] != '}')
        return false;
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] != ' ' && rest.p[i] != '\t' && rest.p[i] != '\r' && rest.p[i] != '\n')
            return rest.p[i] == '{';
    return false;
}

static void intake_begin(struct intake *in, struct api_call *c, int64_t item_max)
{
    *in = (struct intake){.c = c, .item_max = (int32_t)item_max};
    in->rules.now_us = c->now_us;
    in->rules.future_max_us = c->api->config->event_future_max * US_PER_MS;
    in->rules.default_learner = c->who.learner;
    if (c->who.dev)
        in->rules.default_learner = http_header_get(&c->x->request, STR("X-User-Id"));
}

/* Results in the order of the request: refused here, or told by ingest (NULL: nothing was sent). */
static enum err intake_reply(struct intake *in, const struct ingest_result *results)
{
    struct api_call *c = in->c;
    struct intake_reply *r = arena_new(c->arena, struct intake_reply, 1);
    struct item_reply *out = arena_new(c->arena, struct item_reply, (size_t)in->item_count + 1);

    if (!r || !out)
        return ERR_NOMEM;
    for (int32_t i = 0; i < in->item_count; i++) {
        const struct item *it = &in->items[i];
        const struct ingest_result *res = it->event >= 0 ? &results[it->event] : NULL;

        out[i] = (struct item_reply){.id = it->id, .status = ITEM_REJECTED};
        if (res) {
            out[i].id = res->id;
            out[i].status = (int32_t)res->status;
        }
        if (out[i].status == ITEM_REJECTED) {
            out[i].code = res ? str_from(res->code) : str_from(it->code);
            out[i].field = res ? str_from(res->field) : it->field;
            out[i].message = res ? str_from(res->reason) : it->reason;
            if (out[i].field.n == 0)
                out[i].field = (struct str){NULL, 0};
        }
        out[i].quarantine_id = it->quarantine_id;
        r->accepted += out[i].status == ITEM_ACCEPTED;
        r->duplicates += out[i].status == ITEM_DUPLICATE;
        r->rejected += out[i].status == ITEM_REJECTED;
    }
    r->unknown_fields = in->unknown;
    r->results = (struct list){out, in->item_count};
    c->reply = r;
    return ERR_OK;
}

static enum err keep_refused(struct api_call *c, struct store_conn *conn)
{
    const struct intake *in = c->in;
    const struct intake_reply *r = c->reply;
    const struct item_reply *results = r->results.p;
    struct quarantine_row *rows = arena_new(c->arena, struct quarantine_row, (size_t)r->rejected);
    int32_t n = 0;

    if (!rows)
        return ERR_NOMEM;
    for (int32_t i = 0; i < in->item_count; i++) {
        struct str raw = in->items[i].raw;
        if (results[i].status != ITEM_REJECTED || raw.n > QUARANTINE_BODY_MAX || !utf8_valid(raw) ||
            memchr(raw.p, 0, raw.n))
            continue;
        rows[n++] = (struct quarantine_row){
            .received_at = c->now_us,
            .source = c->who.name.p ? c->who.name : STR("none"),
            .code = results[i].code,
            .field = results[i].field.p ? results[i].field : STR(""),
            .reason = results[i].message,
            .body = raw,
        };
    }
    return n ? quarantine_put(conn, rows, n, (int32_t)c->api->config->quarantine_rows_max) : ERR_OK;
}

/* 422 only when not one event is in the store: then there is nothing that went well. */
static enum err intake_verdict(struct api_call *c)
{
    const struct intake_reply *r = c->reply;

    if (r->rejected == 0 || r->accepted + r->duplicates > 0)
        return ERR_OK;
    return api_refuse(c, ERR_UNPROCESSABLE, "ALL_REJECTED",
                      "No event was accepted; data.results says why, one by one.");
}

static enum err intake_done(struct api_call *c, const struct ingest_result *results, int32_t count)
{
    struct intake *in = c->in;

    (void)count;
    enum err e = intake_reply(in, results);
    if (e != ERR_OK)
        return e;
    const struct intake_reply *r = c->reply;
    /* The good events are stored by now: a quarantine that cannot be written must not make the
     * caller send them again. */
    if (r->rejected > 0 && c->api->config->quarantine)
        return api_change_beside(c, keep_refused, intake_verdict);
    return intake_verdict(c);
}

static enum err post_events(struct api_call *c)
{
    struct intake *in = c->in;
    const struct http_request *rq = &c->x->request;
    enum form form = form_of_media(http_header_get(rq, STR("Content-Type")));

    if (form == FORM_OTHER)
        return api_refuse(c, ERR_MEDIA_TYPE, NULL,
                          "Events come as application/json or application/x-ndjson.");
    intake_begin(in, c, c->api->config->events_per_request_max);
    if (form == FORM_JSON && looks_like_lines(rq->body))
        form = FORM_LINES;
    enum err e = form == FORM_LINES ? read_lines(in, rq->body) : read_json(in, rq->body);
    if (in->unknown > 0)
        metrics_add(c->api->metrics, METRIC_UNKNOWN_FIELDS, 0, in->unknown);
    if (e != ERR_OK)
        return e;
    return in->event_count ? api_ingest(c, in->events, in->event_count, intake_done)
                           : intake_done(c, NULL, 0);
}

struct kind_reply {
    struct str kind, text;
};
static const struct field kind_fields[] = {
    FIELD(F_STR, struct kind_reply, kind, "kind", .doc = "value of an event's kind"),
    FIELD(F_STR, struct kind_reply, text, "text", .doc = "what it says of the learner"),
    FIELD_END,
};
struct schema_reply {
    struct str schema;
    struct list kinds;
};
static const struct field schema_fields[] = {
    FIELD(F_JSON, struct schema_reply, schema, "schema",
          .doc = "JSON Schema (2020-12) of one event"),
    FIELD(F_LIST, struct schema_reply, kinds, "kinds", .sub = kind_fields,
          .size = sizeof(struct kind_reply), .doc = "every kind of event"),
    FIELD_END,
};

static enum err get_events_schema(struct api_call *c)
{
    static struct kind_reply kinds[] = {
#define KIND(number, NAME, wire, needs, text) {{wire, sizeof wire - 1}, {text, sizeof text - 1}},
#include "ingest/kinds.def"
#undef KIND
    };
    struct schema_reply *r = arena_new(c->arena, struct schema_reply, 1);
    struct json_writer w;
    struct buf text;

    if (!r)
        return ERR_NOMEM;
    buf_init(&text, 256 * 1024);
    json_writer_init(&w, &text);
    fields_write_schema(event_fields(), &w, true);
    r->schema = text.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&text));
    buf_fini(&text);
    if (!r->schema.p)
        return ERR_NOMEM;
    r->kinds = (struct list){kinds, COUNT(kinds)};
    c->reply = r;
    return ERR_OK;
}

/* Refused events that were kept. */

struct page_in {
    int64_t cursor;
    int32_t limit;
};
static const struct field page_query[] = {
    FIELD(F_I64, struct page_in, cursor, "cursor", .min = 1, .max = 9007199254740991.0,
          .def = "9007199254740991", .doc = "show what was refused before this id"),
    FIELD(F_I32, struct page_in, limit, "limit", .min = 1, .max = QUARANTINE_PAGE_MAX, .def = "50",
          .doc = "rows at most"),
    FIELD_END,
};
struct refused_reply {
    int64_t id, received_at;
    struct str source, code, field, reason, body;
};
static const struct field refused_fields[] = {
    FIELD(F_I64, struct refused_reply, id, "id", .doc = "for replay and deletion"),
    FIELD(F_TIME, struct refused_reply, received_at, "receivedAt", .doc = "when it came"),
    FIELD(F_STR, struct refused_reply, source, "source", .doc = "key or importer that sent it"),
    FIELD(F_STR, struct refused_reply, code, "code", .doc = "why it was refused, for programs"),
    FIELD(F_STR, struct refused_reply, field, "field", .doc = "member at fault, or empty"),
    FIELD(F_STR, struct refused_reply, reason, "message", .doc = "why it was refused"),
    FIELD(F_STR, struct refused_reply, body, "body", .doc = "the event's text as it came"),
    FIELD_END,
};
struct page_reply {
    struct list items;
    int64_t next;
};
static const struct field page_fields[] = {
    FIELD(F_LIST, struct page_reply, items, "items", .sub = refused_fields,
          .size = sizeof(struct refused_reply), .doc = "newest first"),
    FIELD(F_I64, struct page_reply, next, "nextCursor", .flags = FIELD_NULLABLE,
          .doc = "cursor of the next page; null on the last"),
    FIELD_END,
};

static struct refused_reply refused_of(const struct value *v)
{
    return (struct refused_reply){
        .id = value_i64(&v[0], 0),
        .received_at = value_i64(&v[1], 0),
        .source = value_str(&v[2]),
        .code = value_str(&v[3]),
        .field = value_str(&v[4]),
        .reason = value_str(&v[5]),
        .body = value_str(&v[6]),
    };
}

static enum err get_quarantine(struct api_call *c)
{
    const struct page_in *in = c->in;
    struct query q = {
        .stmt = STMT_QUARANTINE_PAGE,
        .args = (const struct value[]){V_I(in->cursor), V_I(in->limit + 1)},
        .arg_count = 2,
    };
    enum err e = store_read(c->conn, c->arena, &q, 1, c->deadline_us);
    if (e != ERR_OK)
        return e;
    int32_t n = q.rows.count < in->limit ? q.rows.count : in->limit;
    struct page_reply *r = arena_new(c->arena, struct page_reply, 1);
    struct refused_reply *rows = arena_new(c->arena, struct refused_reply, (size_t)n + 1);
    if (!r || !rows)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++)
        rows[i] = refused_of(row_at(&q.rows, i));
    r->items = (struct list){rows, n};
    r->next = q.rows.count > n ? rows[n - 1].id : INT64_MIN;
    if (r->next != INT64_MIN)
        page_link_number(c, "cursor", r->next);
    c->reply = r;
    return ERR_OK;
}

struct replay_in {
    struct list ids;
    bool all;
    int64_t after;
    int32_t limit;
    struct intake intake;
};
static const struct field replay_body[] = {
    FIELD(F_LIST, struct replay_in, ids, "ids", .item = F_I64, .size = sizeof(int64_t), .min = 0,
          .max = REPLAY_MAX, .doc = "which to try again"),
    FIELD(F_BOOL, struct replay_in, all, "all", .doc = "try the oldest ones, whatever they are"),
    FIELD(F_I64, struct replay_in, after, "after", .min = 0, .max = 9007199254740991.0, .def = "0",
          .doc = "with all: only those behind this id (nextAfter of the last reply)"),
    FIELD(F_I32, struct replay_in, limit, "limit", .min = 1, .max = REPLAY_MAX, .def = "1000",
          .doc = "with all: so many at most"),
    FIELD_END,
};
static const struct field replayed_fields[] = {
    FIELD(F_I64, struct item_reply, quarantine_id, "id", .doc = "id in quarantine"),
    FIELD(F_STR, struct item_reply, id, "eventId", .flags = FIELD_NULLABLE,
          .doc = "the event's id"),
    FIELD(F_ENUM, struct item_reply, status, "status", .names = item_statuses,
          .doc = "what became of it now"),
    FIELD(F_STR, struct item_reply, code, "code", .flags = FIELD_OMIT,
          .doc = "machine code of the refusal"),
    FIELD(F_STR, struct item_reply, field, "field", .flags = FIELD_OMIT, .doc = "member at fault"),
    FIELD(F_STR, struct item_reply, message, "message", .flags = FIELD_OMIT,
          .doc = "what is still wrong"),
    FIELD_END,
};
struct replay_reply {
    struct intake_reply sums;
    int32_t missing;
    int64_t next_after;
};
static const struct field replay_fields[] = {
    FIELD(F_I32, struct replay_reply, sums.accepted, "accepted", .min = 0, .max = REPLAY_MAX,
          .doc = "events that are now on disk, and out of quarantine"),
    FIELD(F_I32, struct replay_reply, sums.duplicates, "duplicates", .min = 0, .max = REPLAY_MAX,
          .doc = "events that were on disk before; they left quarantine too"),
    FIELD(F_I32, struct replay_reply, sums.rejected, "rejected", .min = 0, .max = REPLAY_MAX,
          .doc = "events that are still refused and stay"),
    FIELD(F_I32, struct replay_reply, missing, "missing", .min = 0, .max = REPLAY_MAX,
          .doc = "ids that are not in quarantine"),
    FIELD(F_I64, struct replay_reply, next_after, "nextAfter", .flags = FIELD_NULLABLE,
          .doc = "with all: go on from here; null when that was the end"),
    FIELD(F_LIST, struct replay_reply, sums.results, "results", .sub = replayed_fields,
          .size = sizeof(struct item_reply), .doc = "one per event"),
    FIELD_END,
};

static enum err replay_drop(struct api_call *c, struct store_conn *conn)
{
    const struct replay_in *in = c->in;
    struct bulk drop = {
        .stmt = STMT_QUARANTINE_DROP,
        .rows = in->intake.drop_count,
        .cols = 1,
        .v = in->intake.drop,
    };
    return store_write(conn, &drop, 1);
}

static enum err replay_done(struct api_call *c, const struct ingest_result *results, int32_t count)
{
    struct intake *in = &((struct replay_in *)c->in)->intake;
    struct replay_reply *r = arena_new(c->arena, struct replay_reply, 1);

    (void)count;
    enum err e = r ? intake_reply(in, results) : ERR_NOMEM;
    if (e != ERR_OK)
        return e;
    r->sums = *(const struct intake_reply *)c->reply;
    r->missing = in->missing;
    r->next_after = in->next_after;
    c->reply = r;
    in->drop = arena_new(c->arena, struct value, (size_t)in->item_count + 1);
    in->drop_count = 0;
    if (!in->drop)
        return ERR_NOMEM;
    const struct item_reply *items = r->sums.results.p;
    for (int32_t i = 0; i < in->item_count; i++)
        if (items[i].status != ITEM_REJECTED)
            in->drop[in->drop_count++] = V_I(items[i].quarantine_id);
    return in->drop_count ? api_change(c, replay_drop, NULL) : ERR_OK;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static enum err replay_by_ids(struct api_call *c, struct replay_in *in, struct rows *ret)
{
    int64_t *ids = in->ids.p;
    struct value *keys = arena_new(c->arena, struct value, (size_t)in->ids.n);
    int32_t n = 0;

    if (!keys)
        return ERR_NOMEM;
    qsort(ids, (size_t)in->ids.n, sizeof *ids, by_number);
    for (int32_t i = 0; i < in->ids.n; i++)
        if (i == 0 || ids[i] != ids[i - 1])
            keys[n++] = V_I(ids[i]);
    enum err e = store_read_bulk(c->conn, c->arena, STMT_QUARANTINE_BY_ID, keys, n, 1, ret);
    if (e == ERR_OK)
        in->intake.missing = n - ret->count;
    in->intake.next_after = INT64_MIN;
    return e;
}

static enum err replay_oldest(struct api_call *c, struct replay_in *in, struct rows *ret)
{
    struct query q = {
        .stmt = STMT_QUARANTINE_OLDEST,
        .args = (const struct value[]){V_I(in->after), V_I(in->limit)},
        .arg_count = 2,
    };
    enum err e = store_read(c->conn, c->arena, &q, 1, c->deadline_us);
    if (e != ERR_OK)
        return e;
    *ret = q.rows;
    in->intake.next_after =
        ret->count == in->limit ? value_i64(row_at(ret, ret->count - 1), 0) : INT64_MIN;
    return ERR_OK;
}

static enum err post_quarantine_replay(struct api_call *c)
{
    struct replay_in *in = c->in;
    struct rows rows;

    if (in->all == (in->ids.n > 0))
        return api_bad_field(c, "ids", "invalid_value", "give either ids or all, and not both");
    intake_begin(&in->intake, c, REPLAY_MAX);
    in->intake.rules.default_learner = (struct str){NULL, 0};
    enum err e = in->all ? replay_oldest(c, in, &rows) : replay_by_ids(c, in, &rows);
    for (int32_t i = 0; e == ERR_OK && i < rows.count; i++) {
        const struct value *v = row_at(&rows, i);
        e = read_line(&in->intake, value_str(&v[6]));
        if (e == ERR_OK)
            in->intake.items[i].quarantine_id = value_i64(&v[0], 0);
    }
    if (e != ERR_OK)
        return e;
    return in->intake.event_count
               ? api_ingest(c, in->intake.events, in->intake.event_count, replay_done)
               : replay_done(c, NULL, 0);
}

struct drop_in {
    struct list ids;
    int64_t until;
};
static const struct field drop_query[] = {
    FIELD(F_LIST, struct drop_in, ids, "ids", .item = F_I64, .size = sizeof(int64_t), .min = 0,
          .max = REPLAY_MAX, .doc = "which to delete"),
    FIELD(F_I64, struct drop_in, until, "until", .min = 0, .max = 9007199254740991.0, .def = "0",
          .doc = "delete everything up to this id"),
    FIELD_END,
};
struct drop_reply {
    int64_t deleted;
};
static const struct field drop_fields[] = {
    FIELD(F_I64, struct drop_reply, deleted, "deleted", .doc = "how many went"),
    FIELD_END,
};

static enum err drop_run(struct api_call *c, struct store_conn *conn)
{
    const struct drop_in *in = c->in;
    struct drop_reply *r = c->reply;
    int64_t *ids = in->ids.p;
    struct value *keys = arena_new(c->arena, struct value, (size_t)in->ids.n + 1);
    int32_t n = 0;

    if (!keys)
        return ERR_NOMEM;
    if (in->ids.n > 0)
        qsort(ids, (size_t)in->ids.n, sizeof *ids, by_number);
    for (int32_t i = 0; i < in->ids.n; i++)
        if (i == 0 || ids[i] != ids[i - 1])
            keys[n++] = V_I(ids[i]);
    if (in->ids.n == 0)
        keys[n++] = V_I(in->until);
    struct bulk drop = {
        .stmt = in->ids.n ? STMT_QUARANTINE_DROP : STMT_QUARANTINE_DROP_UNTIL,
        .rows = n,
        .cols = 1,
        .v = keys,
    };
    enum err e = store_write(conn, &drop, 1);
    r->deleted = drop.changed;
    return e;
}

static enum err delete_quarantine(struct api_call *c)
{
    const struct drop_in *in = c->in;

    if ((in->ids.n > 0) == (in->until > 0))
        return api_bad_field(c, "ids", "invalid_value", "give either ids or until, and not both");
    c->reply = arena_new(c->arena, struct drop_reply, 1);
    return c->reply ? api_change(c, drop_run, NULL) : ERR_NOMEM;
}

#define ERR_BIT(e) (UINT64_C(1) << (e))

const struct endpoint endpoints_events[] = {
    {.method = HTTP_POST,
     .path = "/api/events",
     .id = "post_events",
     .tag = "events",
     .summary = "Send events: one, an array, {\"events\": [...]}, or a line each (NDJSON)",
     .scopes = SCOPE_INGEST,
     .body_raw = true,
     .in_size = sizeof(struct intake),
     .reply = intake_fields,
     .run = RUN_LOOP,
     .errors = ERR_BIT(ERR_TOO_LARGE) | ERR_BIT(ERR_MEDIA_TYPE) | ERR_BIT(ERR_UNPROCESSABLE) |
               ERR_BIT(ERR_STORAGE_FULL),
     .handler = post_events},
    {.method = HTTP_GET,
     .path = "/api/events/schema",
     .id = "get_events_schema",
     .tag = "events",
     .summary = "The form of an event, and every kind",
     .reply = schema_fields,
     .run = RUN_LOOP,
     .cache = {.fresh_s = 60, .shared = true},
     .handler = get_events_schema},
    {.method = HTTP_GET,
     .path = "/api/events/quarantine",
     .id = "get_quarantine",
     .tag = "events",
     .summary = "Events that were refused and kept, newest first",
     .scopes = SCOPE_ADMIN,
     .query = page_query,
     .in_size = sizeof(struct page_in),
     .reply = page_fields,
     .run = RUN_WORKER,
     .round_trips = 1,
     .cache = {.why_none = "an administrator's view of this moment"},
     .handler = get_quarantine},
    {.method = HTTP_POST,
     .path = "/api/events/quarantine/replay",
     .id = "post_quarantine_replay",
     .tag = "events",
     .summary = "Try refused events again; those that are stored leave quarantine",
     .scopes = SCOPE_ADMIN,
     .body = replay_body,
     .in_size = sizeof(struct replay_in),
     .reply = replay_fields,
     .run = RUN_SLOW,
     .round_trips = 1,
     .deadline_ms = 30000,
     .errors = ERR_BIT(ERR_MEDIA_TYPE) | ERR_BIT(ERR_STORAGE_FULL),
     .handler = post_quarantine_replay},
    {.method = HTTP_DELETE,
     .path = "/api/events/quarantine",
     .id = "delete_quarantine",
     .tag = "events",
     .summary = "Delete refused events",
     .scopes = SCOPE_ADMIN,
     .query = drop_query,
     .in_size = sizeof(struct drop_in),
     .reply = drop_fields,
     .run = RUN_WORKER,
     .errors = ERR_BIT(ERR_STORAGE_FULL),
     .handler = delete_quarantine},
    {.path = NULL},
};
