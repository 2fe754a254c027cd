/* openapi - the published description of the interface (OpenAPI 3.1), from the endpoint tables.
 * What it says is what the dispatcher does: both read the same rows. */
#include "api/api.h"
#include "base/assert.h"

#include <stdio.h>

#define PROBLEM_REF "{\"$ref\":\"#/components/responses/Problem\"}"

static void schema_ref(struct json_writer *w, const char *name)
{
    char ref[80];

    snprintf(ref, sizeof ref, "#/components/schemas/%s", name);
    json_object(w);
    json_kv_cstr(w, "$ref", ref);
    json_object_end(w);
}

static bool seen_path(const char *path, int family, int row)
{
    for (int f = 0; f <= family; f++)
        for (int i = 0; endpoint_families[f][i].path && (f < family || i < row); i++)
            if (strcmp(endpoint_families[f][i].path, path) == 0)
                return true;
    return false;
}

static bool has_field(const struct field *fields, const char *name)
{
    for (; fields && fields->type != F_END; fields++)
        if (strcmp(fields->name, name) == 0)
            return true;
    return false;
}

static void parameter(struct json_writer *w, const struct field *f, const char *in)
{
    bool path = strcmp(in, "path") == 0;

    json_object(w);
    json_kv_cstr(w, "name", f->name);
    json_kv_cstr(w, "in", in);
    json_kv_bool(w, "required", path || (f->flags & FIELD_REQUIRED) != 0);
    if (f->doc)
        json_kv_cstr(w, "description", f->doc);
    if (f->type == F_LIST) {
        json_kv_cstr(w, "style", "form");
        json_kv_bool(w, "explode", false);
    }
    json_name(w, STR("schema"));
    field_write_schema(f, w, true);
    json_object_end(w);
}

static const struct field user_id = {
    .name = "userId",
    .type = F_STR,
    .min = 1,
    .max = 128,
    .doc = "Whom the call is about. Needed where the key speaks for no single learner; otherwise "
           "it must be the key's own learner.",
};

static const char idempotency_key[] =
    "{\"name\":\"Idempotency-Key\",\"in\":\"header\",\"required\":false,\"description\":\"The same "
    "request again under the same key, within a day, is not carried out again: it gets the first "
    "reply, with Idempotency-Replayed: true. Another request under the key is a 422.\",\"schema\":"
    "{\"type\":\"string\",\"minLength\":1,\"maxLength\":128,\"pattern\":\"^[!-~]+$\"}}";

static void parameters(struct json_writer *w, const struct endpoint *row)
{
    bool named = has_field(row->query, "userId");
    bool in_query = row->learner == LEARNER_QUERY || (row->learner == LEARNER_BODY && !row->body);

    if (!row->params && !row->query && !in_query && !row->repeats)
        return;
    json_name(w, STR("parameters"));
    json_array(w);
    for (const struct field *f = row->params; f && f->type != F_END; f++)
        parameter(w, f, "path");
    if (in_query && !named)
        parameter(w, &user_id, "query");
    for (const struct field *f = row->query; f && f->type != F_END; f++)
        parameter(w, f, "query");
    if (row->repeats)
        json_raw(w, str_from(idempotency_key));
    json_array_end(w);
}

/* The form of POST /api/events, which no single table can say. */
static void events_body(struct json_writer *w)
{
    json_name(w, STR("application/json"));
    json_object(w);
    json_name(w, STR("schema"));
    json_object(w);
    json_name(w, STR("oneOf"));
    json_array(w);
    schema_ref(w, "Event");
    json_raw(w, STR("{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Event\"}}"));
    json_raw(w, STR("{\"type\":\"object\",\"required\":[\"events\"],\"properties\":{\"events\":"
                    "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Event\"}}}}"));
    json_array_end(w);
    json_object_end(w);
    json_name(w, STR("example"));
    json_raw(w,
             STR("{\"events\":[{\"id\":\"a-1\",\"learner\":\"ada\",\"at\":\"2025-10-20T14:30:00Z\","
                 "\"kind\":\"answer\",\"session\":\"s-1\",\"item\":\"q-17\",\"skills\":[\"add\"],"
                 "\"correct\":true,\"durationMs\":5200}]}"));
    json_object_end(w);
    json_name(w, STR("application/x-ndjson"));
    json_raw(w, STR("{\"schema\":{\"type\":\"string\",\"description\":\"One event a line.\"}}"));
}

static void json_body(struct json_writer *w, const struct endpoint *row)
{
    bool add = row->learner == LEARNER_BODY && !has_field(row->body, "userId");

    json_name(w, STR("application/json"));
    json_object(w);
    json_name(w, STR("schema"));
    if (add) {
        json_object(w);
        json_name(w, STR("allOf"));
        json_array(w);
    }
    fields_write_schema(row->body, w, true);
    if (add) {
        json_object(w);
        json_kv_cstr(w, "type", "object");
        json_name(w, STR("properties"));
        json_object(w);
        json_name(w, STR("userId"));
        field_write_schema(&user_id, w, true);
        json_object_end(w);
        json_object_end(w);
        json_array_end(w);
        json_object_end(w);
    }
    json_object_end(w);
}

static void request_body(struct json_writer *w, const struct endpoint *row)
{
    if (!row->body && !row->body_raw)
        return;
    json_name(w, STR("requestBody"));
    json_object(w);
    json_kv_bool(w, "required", !row->body_optional);
    json_name(w, STR("content"));
    json_object(w);
    if (row->body)
        json_body(w, row);
    else
        events_body(w);
    json_object_end(w);
    json_object_end(w);
}

static void success_schema(struct json_writer *w)
{
    json_raw(w, STR("{\"const\":true,\"description\":\"true in every reply that is no problem\"}"));
}

static void reply_schema(struct json_writer *w, const struct endpoint *row)
{
    if (row->envelope == ENVELOPE_BARE) {
        fields_write_schema(row->reply, w, false);
        return;
    }
    if (row->envelope == ENVELOPE_LIST) {
        field_write_schema(row->reply, w, false);
        return;
    }
    json_object(w);
    if (row->envelope == ENVELOPE_FLAT) {
        json_name(w, STR("allOf"));
        json_array(w);
        json_object(w);
    }
    json_kv_cstr(w, "type", "object");
    json_name(w, STR("required"));
    json_raw(w,
             row->envelope == ENVELOPE_FLAT ? STR("[\"success\"]") : STR("[\"success\",\"data\"]"));
    json_name(w, STR("properties"));
    json_object(w);
    json_name(w, STR("success"));
    success_schema(w);
    if (row->envelope == ENVELOPE_DATA) {
        json_name(w, STR("data"));
        fields_write_schema(row->reply, w, false);
    }
    json_object_end(w);
    if (row->envelope == ENVELOPE_FLAT) {
        json_object_end(w);
        fields_write_schema(row->reply, w, false);
        json_array_end(w);
    }
    json_object_end(w);
}

static void raw_schema(struct json_writer *w, const char *content_type)
{
    struct str rest = str_from(content_type), media = str_trim(str_cut(&rest, ';'));
    bool json = str_eq(media, STR("application/json"));

    json_name(w, media);
    json_raw(w, json ? STR("{\"schema\":{\"type\":\"object\"}}")
                     : STR("{\"schema\":{\"type\":\"string\"}}"));
}

static void success(struct json_writer *w, const struct endpoint *row)
{
    bool content = row->reply || row->envelope == ENVELOPE_RAW;
    char status[16];

    snprintf(status, sizeof status, "%d", row->status ? row->status : content ? 200 : 204);
    json_name(w, str_from(status));
    json_object(w);
    json_kv_cstr(w, "description", content ? "As asked." : "Done; there is nothing to tell.");
    if (content) {
        json_name(w, STR("content"));
        json_object(w);
        if (row->envelope == ENVELOPE_RAW) {
            raw_schema(w, row->media);
            if (row->media_other)
                raw_schema(w, row->media_other);
        } else {
            json_name(w, STR("application/json"));
            json_object(w);
            json_name(w, STR("schema"));
            w->names = row->names;
            reply_schema(w, row);
            w->names = NAMES_AS_IS;
            json_object_end(w);
        }
        json_object_end(w);
    }
    json_object_end(w);
    if (row->method == HTTP_GET && (row->learner != LEARNER_NONE || row->cache.fresh_s > 0)) {
        json_name(w, STR("304"));
        json_raw(w, STR("{\"description\":\"What If-None-Match names is still so.\"}"));
    }
}

static uint64_t bit(enum err e)
{
    return UINT64_C(1) << e;
}

static uint64_t errors_of(const struct endpoint *row)
{
    uint64_t errors = row->errors | bit(ERR_TOO_MANY) | bit(ERR_INTERNAL) | bit(ERR_BUSY);

    if (row->params || row->query || row->body || row->body_raw || row->learner != LEARNER_NONE)
        errors |= bit(ERR_RANGE);
    if (row->scopes)
        errors |= bit(ERR_UNAUTHORIZED) | bit(ERR_FORBIDDEN);
    if (row->learner != LEARNER_NONE)
        errors |= bit(ERR_NOT_FOUND);
    if (row->repeats)
        errors |= bit(ERR_RANGE) | bit(ERR_CONFLICT) | bit(ERR_UNPROCESSABLE);
    if (row->body || row->body_raw)
        errors |= bit(ERR_TOO_LARGE) | bit(ERR_MEDIA_TYPE);
    return errors;
}

/* Each status once, in order: several errors share some. */
static void problems(struct json_writer *w, const struct endpoint *row)
{
    uint64_t errors = errors_of(row);

    for (int status = 400; status < 600; status++) {
        bool here = false;
        for (int e = 1; e < ERR_COUNT; e++)
            here |= (errors & bit((enum err)e)) && err_http((enum err)e) == status;
        if (!here)
            continue;
        char name[16];
        snprintf(name, sizeof name, "%d", status);
        json_name(w, str_from(name));
        json_raw(w, STR(PROBLEM_REF));
    }
    /* Whatever the server itself may refuse: a head too large, a body too slow, a wrong version. */
    json_name(w, STR("default"));
    json_raw(w, STR(PROBLEM_REF));
}

static void security(struct json_writer *w, uint32_t scopes)
{
    static const struct {
        uint32_t scope;
        const char *name;
    } names[] = {
        {SCOPE_INGEST, "ingest"},
        {SCOPE_READ, "read"},
        {SCOPE_WRITE, "write"},
        {SCOPE_ADMIN, "admin"},
    };
    static const char *const schemes[] = {"bearer", "apiKey"};

    json_name(w, STR("security"));
    json_array(w);
    for (size_t s = 0; s < COUNT(schemes); s++) {
        for (size_t i = 0; i < COUNT(names); i++) {
            if (!(scopes & names[i].scope))
                continue;
            json_object(w);
            json_name(w, str_from(schemes[s]));
            json_array(w);
            json_str(w, str_from(names[i].name));
            json_array_end(w);
            json_object_end(w);
        }
    }
    json_array_end(w);
}

/* How the server itself keeps the answers, and what makes them void. */
static void kept(struct json_writer *w, const struct endpoint *row)
{
    const struct cache_policy *p = &row->cache;

    json_name(w, STR("x-kept"));
    json_object(w);
    json_kv_i64(w, "freshSeconds", p->fresh_s);
    if (p->fresh_s > 0) {
        json_kv_i64(w, "staleSeconds", p->stale_s);
        json_kv_cstr(w, "endsWith",
                     row->learner == LEARNER_NONE ? "time"
                                                  : "writes to what it was made of, and time");
    } else {
        json_kv_cstr(w, "why", p->why_none ? p->why_none : "");
    }
    json_object_end(w);
}

static void operation(struct json_writer *w, const struct endpoint *row)
{
    static const char *const methods[HTTP_METHOD_COUNT] = {
        [HTTP_GET] = "get",         [HTTP_HEAD] = "head",   [HTTP_POST] = "post",
        [HTTP_PUT] = "put",         [HTTP_PATCH] = "patch", [HTTP_DELETE] = "delete",
        [HTTP_OPTIONS] = "options",
    };

    json_name(w, str_from(methods[row->method]));
    json_object(w);
    json_kv_cstr(w, "operationId", row->id);
    json_name(w, STR("tags"));
    json_array(w);
    json_str(w, str_from(row->tag));
    json_array_end(w);
    json_kv_cstr(w, "summary", row->summary);
    if (row->run != RUN_LOOP)
        json_kv_i64(w, "x-store-round-trips", row->round_trips + row->repeats); /* and the key's */
    if (row->method == HTTP_GET)
        kept(w, row);
    security(w, row->scopes);
    parameters(w, row);
    request_body(w, row);
    json_name(w, STR("responses"));
    json_object(w);
    success(w, row);
    problems(w, row);
    json_object_end(w);
    json_object_end(w);
}

static void path_item(struct json_writer *w, const char *path)
{
    json_name(w, str_from(path));
    json_object(w);
    for (int f = 0; endpoint_families[f]; f++)
        for (const struct endpoint *row = endpoint_families[f]; row->path; row++)
            if (strcmp(row->path, path) == 0)
                operation(w, row);
    json_object_end(w);
}

static void paths(struct json_writer *w)
{
    json_name(w, STR("paths"));
    json_object(w);
    for (int f = 0; endpoint_families[f]; f++)
        for (int i = 0; endpoint_families[f][i].path; i++)
            if (!seen_path(endpoint_families[f][i].path, f, i))
                path_item(w, endpoint_families[f][i].path);
    json_object_end(w);
}

static void tags(struct json_writer *w)
{
    static const struct {
        const char *name, *text;
    } known[] = {
        {"events", "What learners do, sent as it happens, or later; the only input."},
        {"sessions", "Study sessions: start, pause, resume, complete."},
        {"analytics", "What the events say of a learner."},
        {"load", "Cognitive load and burnout risk."},
        {"calendar", "A learner's calendars: busy times in, planned sessions out."},
        {"user", "A learner's profile, preferences, privacy and data."},
        {"operate", "For those who run the server."},
    };

    json_name(w, STR("tags"));
    json_array(w);
    for (size_t i = 0; i < COUNT(known); i++) {
        json_object(w);
        json_kv_cstr(w, "name", known[i].name);
        json_kv_cstr(w, "description", known[i].text);
        json_object_end(w);
    }
    json_array_end(w);
}

static const char problem_schema[] =
    "{\"type\":\"object\",\"description\":\"RFC 9457, with members for older clients.\","
    "\"required\":[\"type\",\"title\",\"status\",\"detail\",\"code\",\"errors\",\"success\","
    "\"error\","
    "\"message\"],\"properties\":{"
    "\"type\":{\"type\":\"string\",\"format\":\"uri-reference\",\"description\":\"says what it "
    "means "
    "when fetched\"},"
    "\"title\":{\"type\":\"string\"},"
    "\"status\":{\"type\":\"integer\",\"minimum\":400,\"maximum\":599},"
    "\"detail\":{\"type\":\"string\"},"
    "\"instance\":{\"type\":\"string\",\"description\":\"the request's id, as in the log\"},"
    "\"code\":{\"type\":\"string\",\"description\":\"for programs; stable\"},"
    "\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"field\","
    "\"code\","
    "\"message\"],\"properties\":{\"field\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"},"
    "\"message\":{\"type\":\"string\"},\"minimum\":{\"type\":[\"number\",\"null\"]},"
    "\"maximum\":{\"type\":[\"number\",\"null\"]}}}},"
    "\"success\":{\"const\":false},"
    "\"error\":{\"type\":\"object\",\"required\":[\"code\",\"message\"],\"properties\":{"
    "\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
    "\"details\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}},"
    "\"message\":{\"type\":\"string\"},"
    "\"data\":{\"type\":\"object\",\"description\":\"what there is to tell in spite of the "
    "refusal\"}}}";

static const char problem_response[] =
    "{\"Problem\":{\"description\":\"Refused or failed; the body says why. 429 and 503 carry "
    "Retry-After.\",\"headers\":{\"X-Request-Id\":{\"description\":\"the request's id\",\"schema\":"
    "{\"type\":\"string\"}},\"Retry-After\":{\"description\":\"seconds to wait, where waiting "
    "helps\",\"schema\":{\"type\":\"integer\"}}},\"content\":{\"application/"
    "problem+json\":{\"schema\":"
    "{\"$ref\":\"#/components/schemas/Problem\"}}}}}";

static const char security_schemes[] =
    "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":\"An API key (dpl_...), "
    "or a "
    "JWT whose sub is the learner. One of the scopes named at the operation is needed; admin "
    "includes all.\"},\"apiKey\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\","
    "\"description\":\"An API key.\"}}";

static void components(struct json_writer *w)
{
    json_name(w, STR("components"));
    json_object(w);
    json_name(w, STR("securitySchemes"));
    json_raw(w, str_from(security_schemes));
    json_name(w, STR("schemas"));
    json_object(w);
    json_name(w, STR("Event"));
    fields_write_schema(event_fields(), w, true);
    json_name(w, STR("Problem"));
    json_raw(w, str_from(problem_schema));
    json_object_end(w);
    json_name(w, STR("responses"));
    json_raw(w, str_from(problem_response));
    json_object_end(w);
}

void openapi_write(struct json_writer *w)
{
    json_object(w);
    json_kv_cstr(w, "openapi", "3.1.0");
    json_name(w, STR("info"));
    json_object(w);
    json_kv_cstr(w, "title", "Doppel");
    json_kv_cstr(w, "version", DOPPEL_VERSION);
    json_kv_cstr(w, "description",
                 "A self-hosted adaptive-learning server: study events in, answers about the "
                 "learner out.");
    json_name(w, STR("license"));
    json_raw(w, STR("{\"name\":\"MIT\",\"identifier\":\"MIT\"}"));
    json_object_end(w);
    json_name(w, STR("servers"));
    json_raw(w, STR("[{\"url\":\"/\"}]"));
    tags(w);
    paths(w);
    components(w);
    json_object_end(w);
}
