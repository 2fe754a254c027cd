#include "json/field.h"

#include "base/assert.h"
#include "json/reader.h"
#include "json/writer.h"

#include <stdio.h>

enum { LIST_COUNT_MAX = 10000 };

static void *member_at(void *base, const struct field *f)
{
    return (char *)base + f->offset;
}

static const void *member_of(const void *base, const struct field *f)
{
    return (const char *)base + f->offset;
}

static size_t size_of(enum field_type type)
{
    switch (type) {
    case F_BOOL:
        return sizeof(bool);
    case F_I32:
    case F_ENUM:
    case F_DATE:
        return sizeof(int32_t);
    case F_I64:
    case F_TIME:
        return sizeof(int64_t);
    case F_F64:
        return sizeof(double);
    case F_STR:
    case F_JSON:
        return sizeof(struct str);
    default:
        UNREACHABLE();
    }
}

/* ---- refusals ---- */

static enum err refuse(struct field_error *e, const char *code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static enum err refuse(struct field_error *e, const char *code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(e->reason, sizeof e->reason, fmt, args);
    va_end(args);
    snprintf(e->code, sizeof e->code, "%s", code);
    return ERR_RANGE;
}

/* Puts a name, or an index when name is NULL, before what the path holds already. */
static void path_prepend(struct field_error *e, const char *name, int32_t index)
{
    char rest[sizeof e->path];
    const char *dot = e->path[0] && e->path[0] != '[' ? "." : "";

    memcpy(rest, e->path, sizeof rest);
    int n = name ? snprintf(e->path, sizeof e->path, "%s%s", name, dot)
                 : snprintf(e->path, sizeof e->path, "[%d]%s", index, dot);
    if (n >= 0 && (size_t)n < sizeof e->path)
        snprintf(e->path + n, sizeof e->path - (size_t)n, "%.*s",
                 (int)(sizeof e->path - (size_t)n - 1), rest);
}

/* ---- bounds ---- */

static bool bounded(const struct field *f)
{
    return f->min != 0 || f->max != 0;
}

static enum err check_bounds(const struct field *f, double v, const char *what,
                             struct field_error *e)
{
    if (!bounded(f) || (v >= f->min && v <= f->max))
        return ERR_OK;
    e->min = f->min;
    e->max = f->max;
    return refuse(e, v < f->min ? "too_small" : "too_big", "%smust be between %g and %g", what,
                  f->min, f->max);
}

static enum err check_i64(const struct field *f, enum field_type type, int64_t v, void *out,
                          struct field_error *e)
{
    if (type == F_I32 && (v < INT32_MIN || v > INT32_MAX))
        return refuse(e, v < 0 ? "too_small" : "too_big", "must be an integer of 32 bits");
    enum err bad = check_bounds(f, (double)v, "", e);
    if (bad)
        return bad;
    if (type == F_I32)
        *(int32_t *)out = (int32_t)v;
    else
        *(int64_t *)out = v;
    return ERR_OK;
}

/* Scalars that are written as text, in JSON and in queries alike. */
static enum err from_text(const struct field *f, enum field_type type, struct str s, void *out,
                          struct field_error *e)
{
    enum err bad;

    switch (type) {
    case F_STR:
        if (memchr(s.p, 0, s.n))
            return refuse(e, "invalid_value", "must not hold a NUL byte");
        if (bounded(f) && ((double)s.n < f->min || (double)s.n > f->max)) {
            e->min = f->min;
            e->max = f->max;
            return refuse(e, (double)s.n < f->min ? "too_small" : "too_big",
                          "must have %g to %g bytes", f->min, f->max);
        }
        *(struct str *)out = s;
        return ERR_OK;
    case F_ENUM:
        for (int32_t i = 0; f->names[i]; i++) {
            if (str_eq(s, str_from(f->names[i]))) {
                *(int32_t *)out = i;
                return ERR_OK;
            }
        }
        bad = refuse(e, "invalid_value", "must be one of");
        for (int32_t i = 0; f->names[i]; i++) {
            size_t n = strlen(e->reason);
            snprintf(e->reason + n, sizeof e->reason - n, "%s %s", i ? "," : "", f->names[i]);
        }
        return bad;
    case F_TIME: {
        int32_t day;
        int64_t us;
        if (f->flags & FIELD_DATE_OK && date_parse(s, &day) == ERR_OK)
            us = day * US_PER_DAY;
        else if (time_parse(s, &us) != ERR_OK)
            return refuse(e, "invalid_format", "must be a time like 2025-10-20T14:30:00Z");
        *(int64_t *)out = us;
        return ERR_OK;
    }
    case F_DATE:
        if (date_parse(s, (int32_t *)out) != ERR_OK)
            return refuse(e, "invalid_format", "must be a date like 2025-10-20");
        return ERR_OK;
    default:
        UNREACHABLE();
    }
}

/* A scalar from a query parameter or a default. */
static enum err from_query(const struct field *f, enum field_type type, struct str s, void *out,
                           struct field_error *e)
{
    int64_t i;
    double d;

    switch (type) {
    case F_BOOL:
        if (!str_eq(s, STR("true")) && !str_eq(s, STR("false")) && !str_eq(s, STR("1")) &&
            !str_eq(s, STR("0")))
            return refuse(e, "invalid_type", "must be true or false");
        *(bool *)out = s.p[0] == 't' || s.p[0] == '1';
        return ERR_OK;
    case F_I32:
    case F_I64:
        switch (str_to_i64(s, &i)) {
        case ERR_OK:
            return check_i64(f, type, i, out, e);
        case ERR_RANGE:
            return refuse(e, s.p[0] == '-' ? "too_small" : "too_big", "is out of range");
        default:
            return refuse(e, "invalid_type", "must be an integer");
        }
    case F_F64:
        if (str_to_f64(s, &d) != ERR_OK)
            return refuse(e, "invalid_type", "must be a number");
        *(double *)out = d;
        return check_bounds(f, d, "", e);
    case F_JSON:
        *(struct str *)out = s;
        return ERR_OK;
    default:
        return from_text(f, type, s, out, e);
    }
}

/* ---- defaults ---- */

static void set_null(enum field_type type, void *out)
{
    switch (type) {
    case F_I64:
    case F_TIME:
        *(int64_t *)out = INT64_MIN;
        break;
    case F_F64:
        *(double *)out = (double)NAN;
        break;
    case F_ENUM:
        *(int32_t *)out = -1;
        break;
    case F_DATE:
        *(int32_t *)out = INT32_MIN;
        break;
    default:
        break; /* zeroed is the null of the others */
    }
}

static void set_default(const struct field *f, struct arena *arena, void *out);

static void set_defaults(const struct field *fields, struct arena *arena, void *out)
{
    for (const struct field *f = fields; f->type != F_END; f++)
        set_default(f, arena, member_at(out, f));
}

static void set_default(const struct field *f, struct arena *arena, void *out)
{
    struct field_error e = {.path = ""};

    if (f->type == F_OBJECT) {
        if (!(f->flags & FIELD_POINTER))
            set_defaults(f->sub, arena, out);
    } else if (f->type != F_LIST && f->type != F_MAP) {
        if (f->def)
            ASSERT(from_query(f, f->type, str_from(f->def), out, &e) ==
                   ERR_OK); /* the table is wrong */
        else if (f->flags & FIELD_NULLABLE || f->type == F_TIME || f->type == F_DATE ||
                 f->type == F_ENUM || f->type == F_F64)
            set_null(f->type, out);
    }
}

static void mark_seen(const struct field *f, void *out)
{
    if (f->seen)
        *(bool *)((char *)out + f->seen - 1) = true;
}

/* ---- JSON in ---- */

static enum err read_object(const struct field *fields, struct json_reader *r, struct arena *arena,
                            void *out, int32_t *unknown, struct field_error *e);

static enum err wrong_type(struct json_reader *r, struct field_error *e, const char *must)
{
    /* the value is passed over, so that what stands behind it can still be read */
    return json_skip(r, NULL) ? refuse(e, "invalid_type", "must be %s", must) : r->err;
}

static enum err read_scalar(const struct field *f, enum field_type type, struct json_reader *r,
                            void *out, struct field_error *e)
{
    enum json_type is = json_peek(r);
    struct str s;

    if (is == JSON_NONE)
        return r->err;
    switch (type) {
    case F_BOOL:
        if (is != JSON_BOOL)
            return wrong_type(r, e, "true or false");
        return json_read_bool(r, out) ? ERR_OK : r->err;
    case F_I32:
    case F_I64: {
        double d;
        int64_t i = 0;
        if (is != JSON_NUMBER)
            return wrong_type(r, e, "an integer");
        if (!json_skip(r, &s))
            return r->err;
        if (str_to_i64(s, &i) != ERR_OK) { /* 5.0 and 1e3 are integers too */
            if (str_to_f64(s, &d) != ERR_OK || d != trunc(d) || fabs(d) > 9007199254740992.0)
                return refuse(e, "invalid_type", "must be an integer");
            i = (int64_t)d;
        }
        return check_i64(f, type, i, out, e);
    }
    case F_F64:
        if (is != JSON_NUMBER)
            return wrong_type(r, e, "a number");
        if (!json_read_f64(r, out))
            return r->err;
        return check_bounds(f, *(double *)out, "", e);
    case F_JSON:
        return json_skip(r, out) ? ERR_OK : r->err;
    default:
        if (is != JSON_STRING)
            return wrong_type(r, e, "a text");
        return json_read_str(r, &s) ? from_text(f, type, s, out, e) : r->err;
    }
}

static enum err read_list(const struct field *f, struct json_reader *r, struct arena *arena,
                          struct list *out, int32_t *unknown, struct field_error *e)
{
    size_t size = f->sub ? f->size : size_of(f->item), cap = 0;
    int32_t count_max = f->max > 0 ? (int32_t)f->max : LIST_COUNT_MAX;
    char *p = NULL;
    int32_t n = 0;

    if (json_peek(r) != JSON_ARRAY)
        return json_failed(r) ? r->err : wrong_type(r, e, "an array");
    if (!json_array_begin(r))
        return r->err;
    for (; json_next_item(r); n++) {
        if (n == count_max) {
            e->max = count_max;
            return refuse(e, "too_big", "must have at most %d items", count_max);
        }
        if ((size_t)n == cap) {
            cap = cap ? cap * 2 : 8;
            char *more = arena_array(arena, cap, size, 16);
            if (!more)
                return ERR_NOMEM;
            if (n)
                memcpy(more, p, (size_t)n * size);
            p = more;
        }
        void *at = p + (size_t)n * size;
        enum err bad;
        if (f->sub) {
            bad = read_object(f->sub, r, arena, at, unknown, e);
        } else {
            struct field one = {.name = f->name, .type = f->item, .names = f->names};
            bad = read_scalar(&one, f->item, r, at, e);
        }
        if (bad) {
            path_prepend(e, NULL, n);
            return bad;
        }
    }
    if (json_failed(r))
        return r->err;
    if (f->min > 0 && n < f->min) {
        e->min = f->min;
        return refuse(e, "too_small", "must have at least %g items", f->min);
    }
    *out = (struct list){p, n};
    return ERR_OK;
}

static enum err read_member(const struct field *f, struct json_reader *r, struct arena *arena,
                            void *out, int32_t *unknown, struct field_error *e)
{
    if (json_peek(r) == JSON_NULL && f->type != F_JSON) {
        if (!(f->flags & FIELD_NULLABLE))
            return wrong_type(r, e, "given, not null");
        set_null(f->type, out);
        return json_read_null(r) ? ERR_OK : r->err;
    }
    if (f->type == F_LIST)
        return read_list(f, r, arena, out, unknown, e);
    if (f->type != F_OBJECT)
        return read_scalar(f, f->type, r, out, e);
    if (f->flags & FIELD_POINTER) {
        void *object = arena_alloc(arena, f->size, 16);
        if (!object)
            return ERR_NOMEM;
        *(void **)out = object;
        out = object;
    }
    return read_object(f->sub, r, arena, out, unknown, e);
}

/* Fields are looked for from the one behind the last that was found: clients keep the order. */
static const struct field *find_field(const struct field *fields, const struct field **hint,
                                      struct str name)
{
    for (const struct field *f = *hint; f->type != F_END; f++)
        if (str_eq(name, str_from(f->name))) {
            *hint = f + 1;
            return f;
        }
    for (const struct field *f = fields; f != *hint; f++)
        if (str_eq(name, str_from(f->name))) {
            *hint = f + 1;
            return f;
        }
    return NULL;
}

enum { FIELDS_MAX = 128 };

static enum err read_object(const struct field *fields, struct json_reader *r, struct arena *arena,
                            void *out, int32_t *unknown, struct field_error *e)
{
    const struct field *hint = fields;
    bool given[FIELDS_MAX] = {false};
    struct str name;

    if (json_peek(r) != JSON_OBJECT)
        return json_failed(r) ? r->err : wrong_type(r, e, "an object");
    set_defaults(fields, arena, out);
    if (!json_object_begin(r))
        return r->err;
    while (json_next_member(r, &name)) {
        const struct field *f = find_field(fields, &hint, name);
        if (!f) {
            if (!json_skip(r, NULL))
                return r->err;
            if (unknown && *unknown < INT32_MAX)
                ++*unknown;
            continue;
        }
        enum err bad = read_member(f, r, arena, member_at(out, f), unknown, e);
        if (bad) {
            path_prepend(e, f->name, 0);
            return bad;
        }
        ASSERT(f - fields < FIELDS_MAX);
        given[f - fields] = true;
        mark_seen(f, out);
    }
    if (json_failed(r))
        return r->err;
    for (const struct field *f = fields; f->type != F_END; f++)
        if (f->flags & FIELD_REQUIRED && !given[f - fields]) {
            enum err bad = refuse(e, "missing", "is required");
            path_prepend(e, f->name, 0);
            return bad;
        }
    return ERR_OK;
}

enum err fields_read_json(const struct field *fields, struct json_reader *r, struct arena *arena,
                          void *out, int32_t *ret_unknown, struct field_error *e)
{
    *e = (struct field_error){.path = ""};
    if (ret_unknown)
        *ret_unknown = 0;
    enum err bad = read_object(fields, r, arena, out, ret_unknown, e);
    if (bad == ERR_OK || !json_failed(r))
        return bad;
    /* the text itself is broken: no field is at fault */
    *e = (struct field_error){.path = ""};
    refuse(e, "invalid_format", "%s (at byte %zu)", r->reason, r->error_at);
    return r->err;
}

/* ---- queries ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static enum err percent_decode(struct str in, struct arena *arena, struct str *ret)
{
    char *out = arena_alloc(arena, in.n + 1, 1);
    size_t n = 0;

    if (!out)
        return ERR_NOMEM;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '%') {
            int high = in.n - i >= 3 ? hex_digit(in.p[i + 1]) : -1,
                low = high >= 0 ? hex_digit(in.p[i + 2]) : -1;
            if (low < 0)
                return ERR_SYNTAX;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (c == 0)
            return ERR_SYNTAX;
        out[n++] = c;
    }
    *ret = (struct str){out, n};
    return utf8_valid(*ret) ? ERR_OK : ERR_SYNTAX;
}

enum err query_split(struct str query, struct arena *arena, struct query_pair **ret,
                     int32_t *ret_count)
{
    struct query_pair *pairs = arena_new(arena, struct query_pair, QUERY_PAIRS_MAX);
    int32_t n = 0;

    if (!pairs)
        return ERR_NOMEM;
    while (query.p) {
        struct str part = str_cut(&query, '&'), name;
        enum err e;
        if (part.n == 0)
            continue;
        if (n == QUERY_PAIRS_MAX)
            return ERR_RANGE;
        name = str_cut(&part, '=');
        if ((e = percent_decode(name, arena, &pairs[n].name)) ||
            (e = percent_decode(part.p ? part : STR(""), arena, &pairs[n].value)))
            return e;
        n++;
    }
    *ret = pairs;
    *ret_count = n;
    return ERR_OK;
}

static enum err query_list(const struct field *f, struct str text, struct arena *arena,
                           struct list *out, struct field_error *e)
{
    int32_t count_max = f->max > 0 ? (int32_t)f->max : LIST_COUNT_MAX, n = 0;
    size_t count = text.n ? 1 : 0, size = size_of(f->item);
    struct field one = {.name = f->name, .type = f->item, .names = f->names};

    for (size_t i = 0; i < text.n; i++)
        count += text.p[i] == ',';
    if (count > (size_t)count_max) {
        e->max = count_max;
        return refuse(e, "too_big", "must have at most %d items", count_max);
    }
    if ((double)count < f->min) {
        e->min = f->min;
        return refuse(e, "too_small", "must have at least %g items", f->min);
    }
    char *p = arena_array(arena, count ? count : 1, size, 16);
    if (!p)
        return ERR_NOMEM;
    while (text.n && text.p) {
        enum err bad = from_query(&one, f->item, str_cut(&text, ','), p + (size_t)n * size, e);
        if (bad) {
            path_prepend(e, NULL, n);
            return bad;
        }
        n++;
    }
    *out = (struct list){p, n};
    return ERR_OK;
}

enum err fields_read_query(const struct field *fields, const struct query_pair *pairs,
                           int32_t count, struct arena *arena, void *out, struct field_error *e)
{
    *e = (struct field_error){.path = ""};
    set_defaults(fields, arena, out);
    for (const struct field *f = fields; f->type != F_END; f++) {
        const struct query_pair *found = NULL;
        enum err bad = ERR_OK;
        for (int32_t i = 0; i < count; i++) {
            if (!str_eq(pairs[i].name, str_from(f->name)))
                continue;
            if (found)
                bad = refuse(e, "invalid_value", "is given twice");
            found = &pairs[i];
        }
        if (!found) {
            if (f->flags & FIELD_REQUIRED)
                bad = refuse(e, "missing", "is required");
        } else if (!bad) {
            void *at = member_at(out, f);
            bad = f->type == F_LIST ? query_list(f, found->value, arena, at, e)
                                    : from_query(f, f->type, found->value, at, e);
            mark_seen(f, out);
        }
        if (bad) {
            path_prepend(e, f->name, 0);
            return bad;
        }
    }
    return ERR_OK;
}

/* ---- JSON out ---- */

static bool is_null(enum field_type type, const struct field *f, const void *in)
{
    switch (type) {
    case F_I64:
        return f->flags & (FIELD_NULLABLE | FIELD_OMIT) && *(const int64_t *)in == INT64_MIN;
    case F_TIME:
        return *(const int64_t *)in == TIME_NONE;
    case F_F64:
        return !isfinite(*(const double *)in);
    case F_STR:
    case F_JSON:
        return ((const struct str *)in)->p == NULL;
    case F_ENUM:
        return *(const int32_t *)in < 0;
    case F_DATE:
        return *(const int32_t *)in == INT32_MIN;
    case F_I32:
        return f->flags & (FIELD_NULLABLE | FIELD_OMIT) && *(const int32_t *)in == INT32_MIN;
    case F_OBJECT:
        return f->flags & FIELD_POINTER && *(void *const *)in == NULL;
    case F_LIST:
    case F_MAP:
        return f->flags & (FIELD_NULLABLE | FIELD_OMIT) && ((const struct list *)in)->p == NULL;
    default:
        return false;
    }
}

static void write_scalar(const struct field *f, enum field_type type, struct json_writer *w,
                         const void *in)
{
    char date[DATE_TEXT_MAX];

    if (is_null(type, f, in)) {
        json_null(w);
        return;
    }
    switch (type) {
    case F_BOOL:
        json_bool(w, *(const bool *)in);
        break;
    case F_I32:
        json_i64(w, *(const int32_t *)in);
        break;
    case F_I64:
        json_i64(w, *(const int64_t *)in);
        break;
    case F_F64:
        json_f64(w, *(const double *)in);
        break;
    case F_STR:
        json_str(w, *(const struct str *)in);
        break;
    case F_JSON:
        json_raw(w, *(const struct str *)in);
        break;
    case F_ENUM:
        json_str(w, str_from(f->names[*(const int32_t *)in]));
        break;
    case F_TIME:
        json_time(w, *(const int64_t *)in);
        break;
    case F_DATE:
        json_str(w, (struct str){date, (size_t)date_print(*(const int32_t *)in, date)});
        break;
    default:
        UNREACHABLE();
    }
}

static void write_element(const struct field *f, struct json_writer *w, const void *in)
{
    if (f->sub)
        fields_write_json(f->sub, w, in);
    else
        write_scalar(f, f->item, w, in);
}

static void write_value(const struct field *f, struct json_writer *w, const void *in)
{
    const struct list *list = in;

    if (is_null(f->type, f, in)) {
        json_null(w);
        return;
    }
    switch (f->type) {
    case F_OBJECT:
        fields_write_json(f->sub, w, f->flags & FIELD_POINTER ? *(void *const *)in : in);
        break;
    case F_LIST: {
        size_t size = f->sub ? f->size : size_of(f->item);
        json_array(w);
        for (int32_t i = 0; i < list->n; i++)
            write_element(f, w, (const char *)list->p + (size_t)i * size);
        json_array_end(w);
        break;
    }
    case F_MAP: {
        const struct map_entry *entries = list->p;
        json_object(w);
        for (int32_t i = 0; i < list->n; i++) {
            json_name(w, entries[i].key);
            write_element(f, w, entries[i].value);
        }
        json_object_end(w);
        break;
    }
    default:
        write_scalar(f, f->type, w, in);
    }
}

void fields_write_members(const struct field *fields, struct json_writer *w, const void *in)
{
    for (const struct field *f = fields; f->type != F_END; f++) {
        const void *at = member_of(in, f);
        if (f->flags & FIELD_OMIT && is_null(f->type, f, at))
            continue;
        if (f->type == F_OBJECT && f->flags & FIELD_FLAT) {
            at = f->flags & FIELD_POINTER ? *(void *const *)at : at;
            if (at)
                fields_write_members(f->sub, w, at);
            continue;
        }
        json_name(w, str_from(f->name));
        write_value(f, w, at);
    }
}

void fields_write_json(const struct field *fields, struct json_writer *w, const void *in)
{
    json_object(w);
    fields_write_members(fields, w, in);
    json_object_end(w);
}

/* ---- schema ---- */

static void write_type(struct json_writer *w, const char *type, bool nullable)
{
    json_name(w, STR("type"));
    if (!nullable) {
        json_str(w, str_from(type));
        return;
    }
    json_array(w);
    json_str(w, str_from(type));
    json_str(w, STR("null"));
    json_array_end(w);
}

static void write_bounds(const struct field *f, struct json_writer *w, const char *low,
                         const char *high)
{
    if (!bounded(f))
        return;
    json_name(w, str_from(low));
    json_f64(w, f->min);
    json_name(w, str_from(high));
    json_f64(w, f->max);
}

static void write_scalar_schema(const struct field *f, enum field_type type, struct json_writer *w,
                                bool nullable)
{
    switch (type) {
    case F_BOOL:
        write_type(w, "boolean", nullable);
        break;
    case F_I32:
    case F_I64:
        write_type(w, "integer", nullable);
        if (f->type == type) {
            json_kv_cstr(w, "format", type == F_I32 ? "int32" : "int64");
            write_bounds(f, w, "minimum", "maximum");
        }
        break;
    case F_F64:
        write_type(w, "number", nullable);
        if (f->type == type)
            write_bounds(f, w, "minimum", "maximum");
        break;
    case F_STR:
        write_type(w, "string", nullable);
        if (f->type == type)
            write_bounds(f, w, "minLength", "maxLength");
        break;
    case F_ENUM:
        write_type(w, "string", nullable);
        json_name(w, STR("enum"));
        json_array(w);
        for (int32_t i = 0; f->names[i]; i++)
            json_str(w, str_from(f->names[i]));
        if (nullable)
            json_null(w);
        json_array_end(w);
        break;
    case F_TIME:
        write_type(w, "string", nullable);
        if (!(f->flags & FIELD_DATE_OK))
            json_kv_cstr(w, "format", "date-time");
        break;
    case F_DATE:
        write_type(w, "string", nullable);
        json_kv_cstr(w, "format", "date");
        break;
    default:
        break; /* F_JSON: anything */
    }
}

static void write_default(const struct field *f, struct json_writer *w)
{
    json_name(w, STR("default"));
    if (f->type == F_BOOL || f->type == F_I32 || f->type == F_I64 || f->type == F_F64)
        json_raw(w, str_from(f->def));
    else
        json_str(w, str_from(f->def));
}

/* The members of the value's schema, inside braces that are open already. */
static void write_value_schema(const struct field *f, struct json_writer *w, bool input)
{
    bool nullable = f->flags & FIELD_NULLABLE;

    switch (f->type) {
    case F_OBJECT:
        if (nullable || (f->flags & FIELD_POINTER && !input && !(f->flags & FIELD_OMIT))) {
            json_name(w, STR("oneOf"));
            json_array(w);
            fields_write_schema(f->sub, w, input);
            json_object(w);
            write_type(w, "null", false);
            json_object_end(w);
            json_array_end(w);
        } else {
            json_name(w, STR("allOf"));
            json_array(w);
            fields_write_schema(f->sub, w, input);
            json_array_end(w);
        }
        break;
    case F_LIST:
    case F_MAP:
        write_type(w, f->type == F_LIST ? "array" : "object", nullable);
        json_name(w, f->type == F_LIST ? STR("items") : STR("additionalProperties"));
        if (f->sub) {
            fields_write_schema(f->sub, w, input);
        } else {
            json_object(w);
            write_scalar_schema(f, f->item, w, !input && f->item == F_F64);
            json_object_end(w);
        }
        if (f->type == F_LIST && bounded(f)) {
            json_kv_f64(w, "minItems", f->min);
            json_kv_f64(w, "maxItems", f->max);
        }
        break;
    default:
        write_scalar_schema(f, f->type, w, nullable);
        if (input && f->def)
            write_default(f, w);
    }
}

void field_write_schema(const struct field *f, struct json_writer *w, bool input)
{
    json_object(w);
    write_value_schema(f, w, input);
    json_object_end(w);
}

static void write_properties(const struct field *fields, struct json_writer *w, bool input)
{
    for (const struct field *f = fields; f->type != F_END; f++) {
        if (f->type == F_OBJECT && f->flags & FIELD_FLAT) {
            write_properties(f->sub, w, input);
            continue;
        }
        json_name(w, str_from(f->name));
        json_object(w);
        write_value_schema(f, w, input);
        if (f->doc)
            json_kv_cstr(w, "description", f->doc);
        json_object_end(w);
    }
}

static bool required(const struct field *f, bool input)
{
    return input ? f->flags & FIELD_REQUIRED : !(f->flags & FIELD_OMIT);
}

static bool any_required(const struct field *fields, bool input)
{
    for (const struct field *f = fields; f->type != F_END; f++) {
        if (f->type == F_OBJECT && f->flags & FIELD_FLAT ? any_required(f->sub, input)
                                                         : required(f, input))
            return true;
    }
    return false;
}

static void write_required(const struct field *fields, struct json_writer *w, bool input)
{
    for (const struct field *f = fields; f->type != F_END; f++) {
        if (f->type == F_OBJECT && f->flags & FIELD_FLAT) {
            if (!(f->flags & FIELD_POINTER))
                write_required(f->sub, w, input);
        } else if (required(f, input)) {
            json_str(w, str_from(f->name));
        }
    }
}

void fields_write_schema(const struct field *fields, struct json_writer *w, bool input)
{
    json_object(w);
    json_kv_cstr(w, "type", "object");
    json_name(w, STR("properties"));
    json_object(w);
    write_properties(fields, w, input);
    json_object_end(w);
    if (any_required(fields, input)) {
        json_name(w, STR("required"));
        json_array(w);
        write_required(fields, w, input);
        json_array_end(w);
    }
    json_object_end(w);
}
