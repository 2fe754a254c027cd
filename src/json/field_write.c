/* field_write - structs as JSON. */
#include "json/field_inside.h"

#include "base/assert.h"

static bool is_null(const struct field *f, const void *in)
{
    bool may = (f->flags & (FIELD_NULLABLE | FIELD_OMIT)) != 0;

    switch (f->type) {
    case F_I32:
        return may && *(const int32_t *)in == INT32_MIN;
    case F_I64:
        return may && *(const int64_t *)in == INT64_MIN;
    case F_TIME:
        return *(const int64_t *)in == TIME_NONE;
    case F_F64:
        return !isfinite(*(const double *)in);
    case F_STR:
    case F_JSON:
        return !((const struct str *)in)->p;
    case F_ENUM:
        return *(const int32_t *)in < 0;
    case F_DATE:
        return *(const int32_t *)in == INT32_MIN;
    case F_OBJECT:
        return (f->flags & FIELD_POINTER) && !*(void *const *)in;
    case F_LIST:
    case F_MAP:
        return may && !((const struct list *)in)->p;
    case F_BOOL:
    case F_END:
        break;
    }
    return false;
}

static void write_value(const struct field *f, struct json_writer *w, const void *in);

static void write_list(const struct field *f, struct json_writer *w, const struct list *list)
{
    struct field element = field_element(f);
    size_t size = field_element_size(f);

    json_array(w);
    for (int32_t i = 0; i < list->n; i++)
        write_value(&element, w, (const char *)list->p + (size_t)i * size);
    json_array_end(w);
}

static void write_map(const struct field *f, struct json_writer *w, const struct list *list)
{
    struct field element = field_element(f);
    const struct map_entry *entries = list->p;

    json_object(w);
    for (int32_t i = 0; i < list->n; i++) {
        json_name(w, entries[i].key);
        write_value(&element, w, entries[i].value);
    }
    json_object_end(w);
}

static void write_value(const struct field *f, struct json_writer *w, const void *in)
{
    char date[DATE_TEXT_MAX];

    if (is_null(f, in)) {
        json_null(w);
        return;
    }
    switch (f->type) {
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
    case F_ENUM:
        json_str(w, str_from(f->names[*(const int32_t *)in]));
        break;
    case F_TIME:
        json_time(w, *(const int64_t *)in);
        break;
    case F_DATE:
        json_str(w, (struct str){date, (size_t)date_print(*(const int32_t *)in, date)});
        break;
    case F_JSON:
        json_raw(w, *(const struct str *)in);
        break;
    case F_OBJECT:
        fields_write_json(f->sub, w, f->flags & FIELD_POINTER ? *(void *const *)in : in);
        break;
    case F_LIST:
        write_list(f, w, in);
        break;
    case F_MAP:
        write_map(f, w, in);
        break;
    case F_END:
        UNREACHABLE();
    }
}

void fields_write_members(const struct field *fields, struct json_writer *w, const void *in)
{
    for (const struct field *f = fields; f->type != F_END; f++) {
        const void *at = field_member(in, f);

        if (field_is_flat(f)) {
            at = f->flags & FIELD_POINTER ? *(void *const *)at : at;
            if (at)
                fields_write_members(f->sub, w, at);
        } else if (!(f->flags & FIELD_OMIT) || !is_null(f, at)) {
            UNDER_EACH_NAME(w, f, write_value(f, w, at));
        }
    }
}

void fields_write_json(const struct field *fields, struct json_writer *w, const void *in)
{
    json_object(w);
    fields_write_members(fields, w, in);
    json_object_end(w);
}

void field_write_json(const struct field *f, struct json_writer *w, const void *in)
{
    write_value(f, w, field_member(in, f));
}
