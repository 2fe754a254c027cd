/* field_schema - the JSON schema of fields. */
#include "json/field_inside.h"

#include "base/assert.h"

static void put_type(struct json_writer *w, const char *type, bool nullable)
{
    json_name(w, STR("type"));
    if (nullable) {
        json_array(w);
        json_str(w, str_from(type));
        json_str(w, STR("null"));
        json_array_end(w);
    } else {
        json_str(w, str_from(type));
    }
}

static void put_bounds(const struct field *f, struct json_writer *w, const char *min_name,
                       const char *max_name)
{
    double min = field_bound_min(f), max = field_bound_max(f);

    if (isfinite(min)) {
        json_name(w, str_from(min_name));
        json_f64(w, min);
    }
    if (isfinite(max)) {
        json_name(w, str_from(max_name));
        json_f64(w, max);
    }
}

static void put_enum(const struct field *f, struct json_writer *w, bool nullable)
{
    put_type(w, "string", nullable);
    json_name(w, STR("enum"));
    json_array(w);
    for (int32_t i = 0; f->names[i]; i++)
        json_str(w, str_from(f->names[i]));
    if (nullable)
        json_null(w);
    json_array_end(w);
}

static void put_time(const struct field *f, struct json_writer *w, bool nullable, bool input)
{
    static const char *const formats[] = {"date-time", "date"};

    put_type(w, "string", nullable);
    if (!input || !(f->flags & FIELD_DATE_OK)) {
        json_kv_cstr(w, "format", "date-time");
        return;
    }
    json_name(w, STR("anyOf"));
    json_array(w);
    for (size_t i = 0; i < COUNT(formats); i++) {
        json_object(w);
        json_kv_cstr(w, "format", formats[i]);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_default(const struct field *f, struct json_writer *w)
{
    json_name(w, STR("default"));
    switch (f->type) {
    case F_BOOL:
        json_bool(w, f->def[0] == 't' || f->def[0] == '1');
        break;
    case F_I32:
    case F_I64:
    case F_F64:
    case F_JSON:
        json_raw(w, str_from(f->def));
        break;
    default:
        json_str(w, str_from(f->def));
    }
}

static void put_object(const struct field *fields, struct json_writer *w, bool input,
                       bool nullable);
static void put_value(const struct field *f, struct json_writer *w, bool input);

static void put_element(const struct field *f, struct json_writer *w, bool input)
{
    struct field element = field_element(f);

    if (!input && element.type == F_F64)
        element.flags |= FIELD_NULLABLE; /* NaN among the numbers prints as null */
    json_object(w);
    put_value(&element, w, input);
    json_object_end(w);
}

/* The members of the value's schema, into an object that is open. */
static void put_value(const struct field *f, struct json_writer *w, bool input)
{
    bool nullable = (f->flags & FIELD_NULLABLE) != 0;

    switch (f->type) {
    case F_BOOL:
        put_type(w, "boolean", nullable);
        break;
    case F_I32:
    case F_I64:
        put_type(w, "integer", nullable);
        json_kv_cstr(w, "format", f->type == F_I32 ? "int32" : "int64");
        put_bounds(f, w, "minimum", "maximum");
        break;
    case F_F64:
        put_type(w, "number", nullable);
        put_bounds(f, w, "minimum", "maximum");
        break;
    case F_STR:
        put_type(w, "string", nullable);
        put_bounds(f, w, "minLength", "maxLength");
        break;
    case F_ENUM:
        put_enum(f, w, nullable);
        break;
    case F_TIME:
        put_time(f, w, nullable, input);
        break;
    case F_DATE:
        put_type(w, "string", nullable);
        json_kv_cstr(w, "format", "date");
        break;
    case F_OBJECT:
        nullable |= !input && (f->flags & FIELD_POINTER) && !(f->flags & FIELD_OMIT);
        put_object(f->sub, w, input, nullable);
        break;
    case F_LIST:
        put_type(w, "array", nullable);
        json_name(w, STR("items"));
        put_element(f, w, input);
        put_bounds(f, w, "minItems", "maxItems");
        break;
    case F_MAP:
        put_type(w, "object", nullable);
        json_name(w, STR("additionalProperties"));
        put_element(f, w, input);
        put_bounds(f, w, "minProperties", "maxProperties");
        break;
    case F_JSON: /* any value */
    case F_END:
        break;
    }
    if (input && f->def && f->type != F_LIST)
        put_default(f, w);
}

static void put_property(const struct field *f, struct json_writer *w, bool input)
{
    json_object(w);
    put_value(f, w, input);
    if (f->doc)
        json_kv_cstr(w, "description", f->doc);
    json_object_end(w);
}

static void put_properties(const struct field *fields, struct json_writer *w, bool input)
{
    for (const struct field *f = fields; f->type != F_END; f++) {
        if (field_is_flat(f)) {
            put_properties(f->sub, w, input);
            continue;
        }
        UNDER_EACH_NAME(w, f, put_property(f, w, input));
    }
}

/* The names that are always there; *open: the array has been begun. */
static void put_required(const struct field *fields, struct json_writer *w, bool input, bool *open)
{
    for (const struct field *f = fields; f->type != F_END; f++) {
        bool always = input ? (f->flags & FIELD_REQUIRED) != 0 : !(f->flags & FIELD_OMIT);

        if (field_is_flat(f)) {
            if (!(f->flags & FIELD_POINTER)) /* else the members may be missing together */
                put_required(f->sub, w, input, open);
            continue;
        }
        if (!always)
            continue;
        if (!*open) {
            json_name(w, STR("required"));
            json_array(w);
            *open = true;
        }
        char buffer[FIELD_NAME_MAX];
        struct str snake = field_name_to_snake(f->name, buffer);
        if (w->names != NAMES_SNAKE || str_eq(snake, str_from(f->name)))
            json_str(w, str_from(f->name));
        if (w->names != NAMES_AS_IS && !str_eq(snake, str_from(f->name)))
            json_str(w, snake);
    }
}

static void put_object(const struct field *fields, struct json_writer *w, bool input, bool nullable)
{
    bool open = false;

    put_type(w, "object", nullable);
    json_name(w, STR("properties"));
    json_object(w);
    put_properties(fields, w, input);
    json_object_end(w);
    put_required(fields, w, input, &open);
    if (open)
        json_array_end(w);
    if (!input) /* clients must bear what later versions add */
        json_kv_bool(w, "additionalProperties", true);
}

void fields_write_schema(const struct field *fields, struct json_writer *w, bool input)
{
    json_object(w);
    put_object(fields, w, input, false);
    json_object_end(w);
}

void field_write_schema(const struct field *f, struct json_writer *w, bool input)
{
    json_object(w);
    put_value(f, w, input);
    json_object_end(w);
}
