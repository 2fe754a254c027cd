#include "api/call.h"

#include "base/assert.h"
#include "json/reader.h"

#include <stdio.h>
#include <stdlib.h>

/* Whom the call names, before it is known whether it may: {NULL,0} nobody. */
struct named {
    struct str user_id;
};
static const struct field named_fields[] = {
    FIELD(F_STR, struct named, user_id, "userId", .min = 1, .max = LEARNER_ID_MAX),
    FIELD_END,
};

/* Older clients of the routes in snake case say it their way. */
static bool names_learner(struct str name)
{
    return str_eq(name, STR("userId")) || str_eq(name, STR("user_id"));
}

static enum err bad_input(struct call *c, enum err e, const struct field_error *f)
{
    if (e == ERR_RANGE)
        c->pub.problem.field = *f;
    return e;
}

static enum err read_params(struct call *c)
{
    const struct endpoint *row = c->pub.row;
    const struct http_request *rq = &c->pub.x->request;
    struct query_pair pairs[ROUTE_PARAMS_MAX];
    struct route_match match;
    struct field_error error = {.path = ""};

    router_find(c->pub.api->router, rq->method, rq->path, &match);
    for (int32_t i = 0; i < match.param_count; i++) {
        ASSERT(row->params[i].type != F_END);
        pairs[i] = (struct query_pair){str_from(row->params[i].name), match.params[i]};
    }
    enum err e =
        fields_read_query(row->params, pairs, match.param_count, c->pub.arena, c->pub.in, &error);
    return bad_input(c, e, &error);
}

static enum err bad_learner(struct call *c, const char *code, const char *why)
{
    return api_bad_field(&c->pub, "userId", code, "%s", why);
}

static enum err check_learner_id(struct call *c, struct str id)
{
    if (id.n < 1)
        return bad_learner(c, "too_small", "must not be empty");
    if (id.n > LEARNER_ID_MAX)
        return bad_learner(c, "too_big", "must be at most 128 bytes");
    for (size_t i = 0; i < id.n; i++)
        if ((unsigned char)id.p[i] < 0x20 || id.p[i] == 0x7f)
            return bad_learner(c, "invalid_format", "must not hold control characters");
    if (!utf8_valid(id))
        return bad_learner(c, "invalid_format", "must be UTF-8");
    return ERR_OK;
}

static enum err read_query(struct call *c, struct str *ret_user_id)
{
    const struct endpoint *row = c->pub.row;
    struct str query = c->pub.x->request.query;
    struct query_pair *pairs = NULL;
    struct field_error error = {.path = ""};
    int32_t n = 0;

    if (query.n > 0) {
        enum err e = query_split(query, c->pub.arena, &pairs, &n);
        if (e == ERR_SYNTAX)
            return api_refuse(&c->pub, e, NULL, "The query is not well formed.");
        if (e == ERR_RANGE)
            return api_refuse(&c->pub, e, NULL, "The query has more than %d parameters.",
                              QUERY_PAIRS_MAX);
        if (e != ERR_OK)
            return e;
    }
    for (int32_t i = 0; row->learner != LEARNER_NONE && i < n; i++) {
        if (!names_learner(pairs[i].name))
            continue;
        if (ret_user_id->p)
            return bad_learner(c, "invalid_value", "must be given once");
        *ret_user_id = pairs[i].value;
    }
    if (!row->query)
        return ERR_OK;
    for (int32_t i = 0; row->names != NAMES_AS_IS && i < n; i++) {
        char name[FIELD_NAME_MAX];
        pairs[i].name = arena_str(c->pub.arena, field_name_from_snake(pairs[i].name, name));
        if (!pairs[i].name.p)
            return ERR_NOMEM;
    }
    return bad_input(c, fields_read_query(row->query, pairs, n, c->pub.arena, c->pub.in, &error),
                     &error);
}

/* application/json, or any application/…+json; parameters (charset) are ignored: JSON is UTF-8. */
static bool is_json(struct str media)
{
    struct str type = str_trim(str_cut(&media, ';'));

    if (str_eq_nocase(type, STR("application/json")))
        return true;
    struct str app = STR("application/"), tail = STR("+json");
    return type.n > app.n + tail.n && str_eq_nocase((struct str){type.p, app.n}, app) &&
           str_eq_nocase((struct str){type.p + type.n - tail.n, tail.n}, tail);
}

static enum err syntax_error(struct call *c, const struct json_reader *r)
{
    int32_t line = 1;
    size_t from = 0;

    for (size_t i = 0; i < r->error_at && r->start + i < r->end; i++) {
        if (r->start[i] == '\n') {
            line++;
            from = i + 1;
        }
    }
    return api_refuse(&c->pub, ERR_SYNTAX, NULL,
                      "The body is not well-formed JSON at byte %zu (line %d, column %zu): %s.",
                      r->error_at, line, r->error_at - from + 1, r->reason ? r->reason : "syntax");
}

static enum err read_object(struct call *c, const struct field *fields, void *out,
                            int32_t *ret_unknown)
{
    struct field_error error = {.path = ""};
    struct json_reader r;

    json_reader_init(&r, c->pub.x->request.body, c->pub.arena, BODY_DEPTH_MAX);
    r.snake_names = c->pub.row->names != NAMES_AS_IS;
    enum err e = fields_read_json(fields, &r, c->pub.arena, out, ret_unknown, &error);
    if (e == ERR_OK)
        e = json_end(&r);
    if (e == ERR_SYNTAX)
        return syntax_error(c, &r);
    return bad_input(c, e, &error);
}

static const struct field *find_field(const struct field *fields, const char *name)
{
    for (; fields && fields->type != F_END; fields++)
        if (strcmp(fields->name, name) == 0)
            return fields;
    return NULL;
}

/* userId in the body, whether or not the row's own table knows it. */
static enum err body_learner(struct call *c, struct str *ret_user_id)
{
    bool listed = false;

    for (const struct field *f = c->pub.row->body; f->type != F_END; f++) {
        if (f->type != F_STR || !names_learner(str_from(f->name)))
            continue;
        const struct str *id = (const void *)((const char *)c->pub.in + f->offset);
        if (id->p && ret_user_id->p && !str_eq(*id, *ret_user_id))
            return bad_learner(c, "invalid_value", "must be given once");
        if (id->p)
            *ret_user_id = *id;
        listed = true;
    }
    if (listed)
        return ERR_OK;
    struct named named = {{NULL, 0}};
    enum err e = read_object(c, named_fields, &named, NULL);
    if (e == ERR_OK && named.user_id.p)
        *ret_user_id = named.user_id;
    return e;
}

static enum err read_body(struct call *c, struct str *ret_user_id)
{
    const struct endpoint *row = c->pub.row;
    const struct http_request *rq = &c->pub.x->request;
    int32_t unknown = 0;

    if (!row->body || row->body_raw)
        return ERR_OK;
    if (rq->body.n == 0 && row->body_optional)
        return ERR_OK;
    if (rq->body.n == 0)
        return api_refuse(&c->pub, ERR_RANGE, NULL, "The request needs a JSON body.");
    if (!is_json(http_header_get(rq, STR("Content-Type"))))
        return api_refuse(&c->pub, ERR_MEDIA_TYPE, NULL,
                          "The body must be JSON, with Content-Type: application/json.");
    enum err e = read_object(c, row->body, c->pub.in, &unknown);
    if (e == ERR_OK && row->learner == LEARNER_BODY) {
        struct str in_body = {NULL, 0};
        e = body_learner(c, &in_body);
        if (in_body.p && unknown > 0 && !find_field(row->body, "userId"))
            unknown--;
        if (in_body.p)
            *ret_user_id = in_body;
    }
    if (unknown > 0)
        metrics_add(c->pub.api->metrics, METRIC_UNKNOWN_FIELDS, 0, unknown);
    return e;
}

enum err input_read(struct call *c)
{
    const struct endpoint *row = c->pub.row;
    struct str user_id = {NULL, 0};
    enum err e = ERR_OK;

    if (row->in_size > 0) {
        c->pub.in = arena_alloc(c->pub.arena, row->in_size, _Alignof(max_align_t));
        if (!c->pub.in)
            return ERR_NOMEM;
    }
    if (row->params)
        e = read_params(c);
    if (e == ERR_OK && (row->query || row->learner != LEARNER_NONE))
        e = read_query(c, &user_id);
    if (e == ERR_OK)
        e = read_body(c, &user_id);
    if (e == ERR_OK && user_id.p)
        e = check_learner_id(c, user_id);
    if (e == ERR_OK && row->learner != LEARNER_NONE)
        c->pub.learner = user_id;
    return e;
}

/* Only calls let in by --dev may choose by header: it is a convenience for one's own machine. */
bool input_learner_needs_store(const struct call *c)
{
    return c->pub.who.dev && c->pub.row->learner != LEARNER_NONE &&
           http_header_get(&c->pub.x->request, STR("X-User-Email")).p != NULL;
}

static enum err learner_by_email(struct call *c, struct str email)
{
    struct query q = {
        .stmt = STMT_LEARNER_BY_EMAIL,
        .args = (const struct value[]){V_S(email)},
        .arg_count = 1,
        .rows_max = 1,
    };
    if (!utf8_valid(email) || email.n < 1 || email.n > 254)
        return api_bad_field(&c->pub, "X-User-Email", "invalid_format",
                             "must be an e-mail address");
    enum err e = store_read(c->pub.conn, c->pub.arena, &q, 1, c->pub.deadline_us);
    if (e != ERR_OK)
        return e;
    if (q.rows.count == 0)
        return api_refuse(&c->pub, ERR_NOT_FOUND, NULL,
                          "No learner has the address in X-User-Email.");
    c->pub.learner = value_str(row_at(&q.rows, 0));
    return ERR_OK;
}

static enum err dev_learner(struct call *c)
{
    const struct http_request *rq = &c->pub.x->request;
    struct str id = http_header_get(rq, STR("X-User-Id"));
    struct str email = http_header_get(rq, STR("X-User-Email"));

    if (id.p) {
        c->pub.learner = id;
        return check_learner_id(c, id);
    }
    if (email.p)
        return learner_by_email(c, email);
    if (c->pub.api->config->dev_learner.n > 0)
        c->pub.learner = c->pub.api->config->dev_learner;
    return ERR_OK;
}

enum err input_learner(struct call *c)
{
    const struct principal *who = &c->pub.who;
    enum err e = ERR_OK;

    if (c->pub.row->learner == LEARNER_NONE)
        return ERR_OK;
    if (!c->pub.learner.p && who->learner.p)
        c->pub.learner = who->learner;
    if (!c->pub.learner.p && who->dev)
        e = dev_learner(c);
    if (e != ERR_OK)
        return e;
    if (!c->pub.learner.p)
        return bad_learner(c, "missing", "is required: the key speaks for no single learner");
    if (api_may_see(&c->pub, c->pub.learner) == ERR_OK)
        return ERR_OK;
    metrics_add(c->pub.api->metrics, METRIC_AUTH_FAILURES, AUTH_FAILED_LEARNER, 1);
    return api_refuse(&c->pub, ERR_NOT_FOUND, NULL, "There is no such learner here.");
}
