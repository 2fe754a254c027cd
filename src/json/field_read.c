/* field_read - JSON into structs. The first fault found is the one told, but reading goes on to the
 * end of the object, so that the reader stands behind it whatever was wrong inside. */
#include "json/field_inside.h"

#include "base/assert.h"
#include "base/num.h"

enum { LIST_MAX = 10000, FIELDS_MAX = 256, ALIGN_ANY = 16 };

static void read_object(struct field_reading *c, const struct field_place *at,
                        const struct field *fields, void *out);

static void wrong_type(struct field_reading *c, const struct field_place *at, const char *what)
{
    if (json_skip(c->r, NULL))
        field_refuse(c, at, "invalid_type", "must be %s", what);
}

static void read_number(struct field_reading *c, const struct field_place *at,
                        const struct field *f, void *out)
{
    struct str raw;
    double v;

    if (f->type == F_F64) {
        if (json_read_f64(c->r, &v))
            field_set_f64(c, at, f, v, out);
        return;
    }
    if (!json_skip(c->r, &raw))
        return;
    if (raw.n <= 18 && !memchr(raw.p, 'e', raw.n) && !memchr(raw.p, 'E', raw.n) &&
        !memchr(raw.p, '.', raw.n)) {
        field_set_integer_text(c, at, f, raw, out);
        return;
    }
    /* 5.0 and 1e3 are integers; which of "too large" and "a fraction" it is, the double tells. */
    int64_t i;

    if (num_parse_i64(raw, &i) == ERR_OK)
        field_set_integer(c, at, f, i, out);
    else if (num_parse_f64(raw, &v) == ERR_OK && fabs(v) < 0x1p63)
        field_refuse(c, at, "invalid_type", "must be an integer");
    else
        field_integer_within(c, at, f, field_beyond(raw));
}

static void read_scalar(struct field_reading *c, const struct field_place *at,
                        const struct field *f, enum json_type is, void *out)
{
    struct str s;
    bool flag;

    switch (f->type) {
    case F_BOOL:
        if (is != JSON_BOOL)
            wrong_type(c, at, "true or false");
        else if (json_read_bool(c->r, &flag))
            *(bool *)out = flag;
        return;
    case F_I32:
    case F_I64:
    case F_F64:
        if (is != JSON_NUMBER)
            wrong_type(c, at, f->type == F_F64 ? "a number" : "an integer");
        else
            read_number(c, at, f, out);
        return;
    case F_JSON:
        json_skip(c->r, out);
        return;
    default:
        if (is != JSON_STRING)
            wrong_type(c, at, "a text");
        else if (json_read_str(c->r, &s))
            field_set_text(c, at, f, s, out);
    }
}

/* What was grown; an empty list is not an absent one. */
struct list field_grown(const struct field_growing *g)
{
    static char nothing;

    return (struct list){g->p ? g->p : &nothing, g->n};
}

void *field_grow(struct field_reading *c, struct field_growing *g)
{
    if ((size_t)g->n == g->room) {
        size_t room = g->room ? g->room * 2 : 8;
        char *p = arena_array(c->arena, room, g->size, ALIGN_ANY);

        if (!p) {
            field_no_memory(c);
            return NULL;
        }
        if (g->n)
            memcpy(p, g->p, (size_t)g->n * g->size);
        g->p = p;
        g->room = room;
    }
    return g->p + (size_t)g->n++ * g->size;
}

static void read_value(struct field_reading *c, const struct field_place *at, const struct field *f,
                       void *out);

bool field_count_fits(struct field_reading *c, const struct field_place *at, const struct field *f,
                      double n)
{
    return field_within(c, at, n, fmax(field_bound_min(f), 0), fmin(field_bound_max(f), LIST_MAX),
                        " items");
}

/* After the first fault of the list no more is kept, but all of it is read. */
static void read_list(struct field_reading *c, const struct field_place *at, const struct field *f,
                      struct list *out)
{
    struct field element = field_element(f);
    struct field_growing g = {.size = field_element_size(f)};
    double max = fmin(field_bound_max(f), LIST_MAX);

    if (!json_array_begin(c->r))
        return;
    for (int32_t i = 0; json_next_item(c->r); i++) {
        struct field_place here = {.up = at, .index = i};
        void *item = c->err == ERR_OK && i < max ? field_grow(c, &g) : NULL;

        if (item)
            read_value(c, &here, &element, item);
        else if (json_skip(c->r, NULL) && i >= max)
            field_count_fits(c, at, f, (double)i + 1);
    }
    if (!json_failed(c->r) && c->err == ERR_OK && field_count_fits(c, at, f, g.n))
        *out = field_grown(&g);
}

static void read_map(struct field_reading *c, const struct field_place *at, const struct field *f,
                     struct list *out)
{
    struct field element = field_element(f);
    struct field_growing g = {.size = sizeof(struct map_entry)};
    double max = fmin(field_bound_max(f), LIST_MAX);
    struct str key;

    if (!json_object_begin(c->r))
        return;
    for (int32_t i = 0; json_next_member(c->r, &key); i++) {
        struct field_place here = {.up = at, .key = key};
        struct map_entry *entry = c->err == ERR_OK && i < max ? field_grow(c, &g) : NULL;
        void *value = entry ? arena_alloc(c->arena, field_element_size(f), ALIGN_ANY) : NULL;

        if (entry && !value)
            field_no_memory(c);
        if (value) {
            *entry = (struct map_entry){key, value};
            read_value(c, &here, &element, value);
        } else if (json_skip(c->r, NULL) && i >= max) {
            field_count_fits(c, at, f, (double)i + 1);
        }
    }
    if (!json_failed(c->r) && c->err == ERR_OK && field_count_fits(c, at, f, g.n))
        *out = field_grown(&g);
}

static void read_nested(struct field_reading *c, const struct field_place *at,
                        const struct field *f, void *out)
{
    void *object = out;

    if (f->flags & FIELD_POINTER) {
        object = arena_alloc(c->arena, f->size, ALIGN_ANY);
        if (!object) {
            field_no_memory(c);
            json_skip(c->r, NULL);
            return;
        }
        *(void **)out = object;
    }
    read_object(c, at, f->sub, object);
}

static void read_value(struct field_reading *c, const struct field_place *at, const struct field *f,
                       void *out)
{
    enum json_type is = json_peek(c->r);

    if (is == JSON_NONE)
        return;
    if (is == JSON_NULL && (f->flags & FIELD_NULLABLE)) {
        if (json_read_null(c->r))
            field_set_null(f, out);
        return;
    }
    switch (f->type) {
    case F_OBJECT:
        if (is == JSON_OBJECT)
            read_nested(c, at, f, out);
        else
            wrong_type(c, at, "an object");
        return;
    case F_LIST:
        if (is == JSON_ARRAY)
            read_list(c, at, f, out);
        else
            wrong_type(c, at, "an array");
        return;
    case F_MAP:
        if (is == JSON_OBJECT)
            read_map(c, at, f, out);
        else
            wrong_type(c, at, "an object");
        return;
    default:
        read_scalar(c, at, f, is, out);
    }
}

/* The fields of a table in a row, those of flat objects among them in their place. */
struct walk {
    const struct field *found;
    void *base; /* of the struct that holds it */
    int32_t index, start;
};

/* Finds the name at or after `start`, or before it. */
static bool search(const struct field *fields, void *base, struct str name, struct walk *w,
                   bool before)
{
    for (const struct field *f = fields; f->type != F_END; f++) {
        if (field_is_flat(f)) {
            ASSERT(!(f->flags & FIELD_POINTER)); /* input needs the struct itself */
            if (search(f->sub, field_at(base, f->offset), name, w, before))
                return true;
            continue;
        }
        int32_t index = w->index++;

        if ((index < w->start) != before || strncmp(f->name, name.p, name.n) != 0 ||
            f->name[name.n] != '\0')
            continue;
        *w = (struct walk){f, base, index, index + 1};
        return true;
    }
    return false;
}

/* From behind the field that was found last, as clients keep the order, and then from the front. */
static bool find(const struct field *fields, void *base, struct str name, struct walk *w)
{
    if (name.n && memchr(name.p, 0, name.n))
        return false;
    w->index = 0;
    if (search(fields, base, name, w, false))
        return true;
    w->index = 0;
    return w->start > 0 && search(fields, base, name, w, true);
}

static int32_t require_given(struct field_reading *c, const struct field_place *at,
                             const struct field *fields, const uint64_t *given, int32_t index)
{
    for (const struct field *f = fields; f->type != F_END; f++) {
        struct field_place here = {.up = at, .name = f->name};

        if (field_is_flat(f)) {
            index = require_given(c, at, f->sub, given, index);
            continue;
        }
        ASSERT(index < FIELDS_MAX);
        if ((f->flags & FIELD_REQUIRED) && !(given[index / 64] >> index % 64 & 1))
            field_refuse(c, &here, "missing", "is required");
        index++;
    }
    return index;
}

static void read_object(struct field_reading *c, const struct field_place *at,
                        const struct field *fields, void *out)
{
    uint64_t given[FIELDS_MAX / 64] = {0};
    struct walk w = {.start = 0};
    struct str name;

    field_set_absent(c, fields, out);
    if (!json_object_begin(c->r))
        return;
    while (json_next_member(c->r, &name)) {
        char camel[FIELD_NAME_MAX];
        if (!find(fields, out, name, &w) &&
            !(c->r->snake_names && find(fields, out, field_name_from_snake(name, camel), &w))) {
            json_skip(c->r, NULL);
            c->unknown += c->unknown < INT32_MAX;
            continue;
        }
        int32_t index = w.start - 1;
        struct field_place here = {.up = at, .name = w.found->name};

        ASSERT(index < FIELDS_MAX);
        given[index / 64] |= UINT64_C(1) << index % 64;
        field_mark_seen(w.found, w.base);
        read_value(c, &here, w.found, field_at(w.base, w.found->offset));
    }
    if (!json_failed(c->r))
        require_given(c, at, fields, given, 0);
}

enum err fields_read_json(const struct field *fields, struct json_reader *r, struct arena *arena,
                          void *out, int32_t *ret_unknown, struct field_error *err)
{
    struct field_reading c = {.r = r, .arena = arena, .error = err};

    *err = (struct field_error){.path = ""};
    if (json_peek(r) == JSON_OBJECT)
        read_object(&c, NULL, fields, out);
    else
        wrong_type(&c, NULL, "an object");
    if (json_failed(r)) { /* the text itself is broken: no field is at fault */
        *err = (struct field_error){.code = "invalid_format"};
        snprintf(err->reason, sizeof err->reason, "%s (at byte %zu)", r->reason, r->error_at);
        return r->err;
    }
    if (ret_unknown)
        *ret_unknown = c.unknown;
    return c.err;
}
