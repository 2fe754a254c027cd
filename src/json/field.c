/* field - see the header. The first fault found is the one told, but reading goes on to the end of
 * the object, so that the reader stands behind it whatever was wrong inside. */
#include "json/field.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/num.h"
#include "json/reader.h"
#include "json/writer.h"

enum { LIST_MAX = 10000, FIELDS_MAX = 256, ALIGN_ANY = 16, TEXT_SHOWN_MAX = 80, TEXT_DEPTH = 32 };

/* Where a value stands: a name or, when name is NULL, an index in what `up` names. */
struct place {
    const struct place *up;
    const char *name; /* a field's; else key, else index */
    struct str key;
    int32_t index;
};

struct reading {
    struct json_reader *r; /* NULL: not JSON */
    struct arena *arena;
    struct field_error *error;
    enum err err; /* ERR_RANGE: *error says why. ERR_NOMEM */
    int32_t unknown;
};

static void *at_offset(void *base, uint32_t offset)
{
    return (char *)base + offset;
}

static const void *member_of(const void *base, const struct field *f)
{
    return (const char *)base + f->offset;
}

/* ---- names in snake case ---- */

static bool is_upper(char ch)
{
    return ch >= 'A' && ch <= 'Z';
}

/* "f1Score" is f1_score, "overallCTR" overall_ctr; what has no capital behind a small letter, or
 * begins with one, stays as it is. */
static struct str to_snake(const char *name, char out[FIELD_NAME_MAX])
{
    size_t n = 0;

    if (is_upper(name[0]))
        return str_from(name);
    for (size_t i = 0; name[i]; i++) {
        ASSERT(n + 2 < FIELD_NAME_MAX);
        if (is_upper(name[i]) && i > 0 && !is_upper(name[i - 1]))
            out[n++] = '_';
        out[n++] = is_upper(name[i]) ? (char)(name[i] - 'A' + 'a') : name[i];
    }
    return (struct str){out, n};
}

struct str field_name_from_snake(struct str name, char out[FIELD_NAME_MAX])
{
    size_t n = 0;

    if (name.n >= FIELD_NAME_MAX)
        return name;
    for (size_t i = 0; i < name.n; i++) {
        bool next = name.p[i] == '_' && i > 0 && i + 1 < name.n && name.p[i + 1] >= 'a' &&
                    name.p[i + 1] <= 'z';
        out[n++] = next ? (char)(name.p[++i] - 'a' + 'A') : name.p[i];
    }
    return (struct str){out, n};
}

/* Runs `print` under each name that the writer wants of this one. */
#define UNDER_EACH_NAME(w, field, print)                                        \
    do {                                                                        \
        char buffer_[FIELD_NAME_MAX];                                           \
        enum json_names_as names_ = (w)->names;                                 \
        struct str plain_ = str_from((field)->name);                            \
        struct str snake_ = names_ ? to_snake((field)->name, buffer_) : plain_; \
        bool alike_ = str_eq(plain_, snake_);                                   \
        if (alike_ || names_ != NAMES_SNAKE) {                                  \
            (w)->names = alike_ ? names_ : NAMES_AS_IS;                         \
            json_name(w, plain_);                                               \
            print;                                                              \
        }                                                                       \
        if (!alike_) {                                                          \
            (w)->names = NAMES_SNAKE;                                           \
            json_name(w, snake_);                                               \
            print;                                                              \
        }                                                                       \
        (w)->names = names_;                                                    \
    } while (0)

static bool is_flat(const struct field *f)
{
    return f->type == F_OBJECT && (f->flags & FIELD_FLAT);
}

static size_t scalar_size(enum field_type type)
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
    case F_END:
    case F_OBJECT:
    case F_LIST:
    case F_MAP:
        break;
    }
    UNREACHABLE();
}

static size_t element_size(const struct field *f)
{
    return f->sub ? f->size : scalar_size(f->item);
}

/* The element of a list or map as a field of its own; the bounds were those of the count. */
static struct field element_of(const struct field *f)
{
    return (struct field){.type = f->sub ? F_OBJECT : f->item,
                          .flags = (uint16_t)(f->flags & FIELD_DATE_OK),
                          .names = f->names,
                          .sub = f->sub,
                          .size = f->size};
}

/* ---- refusals ---- */

static void put_path(struct buf *b, const struct place *at)
{
    if (!at)
        return;
    put_path(b, at->up);
    if (!at->name && !at->key.p) {
        buf_printf(b, "[%d]", at->index);
        return;
    }
    if (b->n)
        buf_putc(b, '.');
    buf_str(b, at->name ? str_from(at->name) : utf8_prefix(at->key, TEXT_SHOWN_MAX));
}

static void tell_place(struct field_error *e, const struct place *at)
{
    struct buf b;

    buf_init(&b, 4096);
    put_path(&b, at);
    struct str path = utf8_prefix(buf_view(&b), sizeof e->path - 1);

    memcpy(e->path, path.p, path.n);
    e->path[path.n] = '\0';
    buf_fini(&b);
}

static void refuse(struct reading *c, const struct place *at, const char *code, const char *fmt,
                   ...) PRINTF_LIKE(4, 5);
static void refuse(struct reading *c, const struct place *at, const char *code, const char *fmt,
                   ...)
{
    va_list args;

    if (c->err != ERR_OK)
        return;
    c->err = ERR_RANGE;
    tell_place(c->error, at);
    snprintf(c->error->code, sizeof c->error->code, "%s", code);
    va_start(args, fmt);
    vsnprintf(c->error->reason, sizeof c->error->reason, fmt, args);
    va_end(args);
}

static void no_memory(struct reading *c)
{
    c->err = ERR_NOMEM;
}

/* The bounds of a number, of a text's bytes or of a count. 0,0 is none; a maximum below the minimum
 * was not given. */
static double bound_max(const struct field *f)
{
    return (f->min == 0 && f->max == 0) || f->max < f->min ? (double)INFINITY : f->max;
}

static double bound_min(const struct field *f)
{
    return f->min == 0 && f->max == 0 ? -(double)INFINITY : f->min;
}

/* unit: " bytes" or " items", as in "must have 1 to 9 bytes"; "" for the value itself. */
static bool within(struct reading *c, const struct place *at, double v, double min, double max,
                   const char *unit)
{
    const char *verb = unit[0] ? "have" : "be", *between = unit[0] ? "" : "between ",
               *to = unit[0] ? "to" : "and";

    if (v >= min && v <= max)
        return true;
    if (c->err != ERR_OK)
        return false;
    const char *code = v < min ? "too_small" : "too_big";

    if (isinf(max))
        refuse(c, at, code, "must %s at least %.15g%s", verb, min, unit);
    else if (isinf(min) || (unit[0] && min <= 0))
        refuse(c, at, code, "must %s at most %.15g%s", verb, max, unit);
    else
        refuse(c, at, code, "must %s %s%.15g %s %.15g%s", verb, between, min, to, max, unit);
    c->error->min = isinf(min) ? 0 : min;
    c->error->max = isinf(max) ? 0 : max;
    return false;
}

/* ---- values ---- */

/* v may be infinite: an integer beyond 64 bits, which lies beyond any bounds. */
static bool integer_within(struct reading *c, const struct place *at, const struct field *f,
                           double v)
{
    bool narrow = f->type == F_I32;

    return within(c, at, v, fmax(bound_min(f), narrow ? INT32_MIN : -0x1p63),
                  fmin(bound_max(f), narrow ? INT32_MAX : 0x1p63), "");
}

static double beyond(struct str digits)
{
    return digits.p[0] == '-' ? -(double)INFINITY : (double)INFINITY;
}

static void set_integer(struct reading *c, const struct place *at, const struct field *f, int64_t v,
                        void *out)
{
    if (!integer_within(c, at, f, (double)v))
        return;
    if (f->type == F_I32)
        *(int32_t *)out = (int32_t)v;
    else
        *(int64_t *)out = v;
}

static void set_f64(struct reading *c, const struct place *at, const struct field *f, double v,
                    void *out)
{
    if (within(c, at, v, bound_min(f), bound_max(f), ""))
        *(double *)out = v;
}

static void set_enum(struct reading *c, const struct place *at, const struct field *f, struct str s,
                     void *out)
{
    char known[sizeof c->error->reason] = "";
    size_t n = 0;

    for (int32_t i = 0; f->names[i]; i++)
        if (str_eq(s, str_from(f->names[i]))) {
            *(int32_t *)out = i;
            return;
        }
    for (int32_t i = 0; f->names[i] && n + 1 < sizeof known; i++) {
        int put = snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", f->names[i]);

        n += put > 0 ? (size_t)put : 0;
    }
    refuse(c, at, "invalid_value", "must be one of %.140s", known);
}

static void set_time(struct reading *c, const struct place *at, const struct field *f, struct str s,
                     void *out)
{
    int64_t us = 0;
    int32_t day;
    bool date_ok = (f->flags & FIELD_DATE_OK) != 0, is_date = false;
    enum err e = time_parse(s, &us);

    if (e == ERR_SYNTAX && date_ok) {
        is_date = date_parse(s, &day) == ERR_OK;
        us = is_date ? day * US_PER_DAY : 0;
    }
    if (e != ERR_OK && !is_date) {
        refuse(c, at, "invalid_format", "must be a time like 2025-10-20T14:30:00Z%s",
               date_ok ? ", or a date like 2025-10-20" : "");
        return;
    }
    if (within(c, at, (double)us, bound_min(f), bound_max(f), ""))
        *(int64_t *)out = us;
}

static void set_str(struct reading *c, const struct place *at, const struct field *f, struct str s,
                    void *out)
{
    if (s.n && memchr(s.p, 0, s.n)) {
        refuse(c, at, "invalid_value", "must not hold a NUL character");
        return;
    }
    if (within(c, at, (double)s.n, bound_min(f), bound_max(f), " bytes"))
        *(struct str *)out = s;
}

/* What is a text in JSON as well. */
static void set_text(struct reading *c, const struct place *at, const struct field *f, struct str s,
                     void *out)
{
    switch (f->type) {
    case F_STR:
        set_str(c, at, f, s, out);
        return;
    case F_ENUM:
        set_enum(c, at, f, s, out);
        return;
    case F_TIME:
        set_time(c, at, f, s, out);
        return;
    case F_DATE:
        if (date_parse(s, out) != ERR_OK)
            refuse(c, at, "invalid_format", "must be a date like 2025-10-20");
        return;
    default:
        UNREACHABLE();
    }
}

static void set_integer_text(struct reading *c, const struct place *at, const struct field *f,
                             struct str s, void *out)
{
    int64_t v;

    switch (str_to_i64(s, &v)) {
    case ERR_OK:
        set_integer(c, at, f, v, out);
        return;
    case ERR_RANGE:
        integer_within(c, at, f, beyond(s));
        return;
    default:
        refuse(c, at, "invalid_type", "must be an integer");
    }
}

/* A scalar written plainly: a query parameter or a default. */
static void set_plain(struct reading *c, const struct place *at, const struct field *f,
                      struct str s, void *out)
{
    double v;
    struct json_reader r;

    switch (f->type) {
    case F_BOOL:
        if (str_eq(s, STR("true")) || str_eq(s, STR("1")))
            *(bool *)out = true;
        else if (str_eq(s, STR("false")) || str_eq(s, STR("0")))
            *(bool *)out = false;
        else
            refuse(c, at, "invalid_type", "must be true or false");
        return;
    case F_I32:
    case F_I64:
        set_integer_text(c, at, f, s, out);
        return;
    case F_F64:
        if (str_to_f64(s, &v) == ERR_OK)
            set_f64(c, at, f, v, out);
        else
            refuse(c, at, "invalid_type", "must be a number");
        return;
    case F_JSON:
        json_reader_init(&r, s, c->arena, TEXT_DEPTH);
        json_skip(&r, out);
        switch (json_end(&r)) {
        case ERR_OK:
            return;
        case ERR_NOMEM:
            no_memory(c);
            return;
        default:
            refuse(c, at, "invalid_format", "must be JSON: %s", r.reason);
        }
        return;
    default:
        set_text(c, at, f, s, out);
    }
}

/* ---- absent and null ---- */

static void set_null(const struct field *f, void *out)
{
    switch (f->type) {
    case F_I32:
        *(int32_t *)out = f->flags & FIELD_NULLABLE ? INT32_MIN : 0;
        break;
    case F_I64:
        *(int64_t *)out = f->flags & FIELD_NULLABLE ? INT64_MIN : 0;
        break;
    case F_TIME:
        *(int64_t *)out = TIME_NONE;
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

static void set_absent_all(struct reading *c, const struct field *fields, void *out);

static void set_absent(struct reading *c, const struct field *f, void *out)
{
    struct field_error error = {.path = ""};
    struct reading def = {.arena = c->arena, .error = &error};

    if (f->type == F_OBJECT && !(f->flags & FIELD_POINTER)) {
        set_absent_all(c, f->sub, out);
    } else if (f->def && f->type != F_LIST) {
        set_plain(&def, NULL, f, str_from(f->def), out);
        ASSERT(def.err == ERR_OK); /* the table's own default must fit its bounds */
    } else {
        set_null(f, out);
    }
}

static void set_absent_all(struct reading *c, const struct field *fields, void *out)
{
    for (const struct field *f = fields; f->type != F_END; f++)
        set_absent(c, f, at_offset(out, f->offset));
}

static void mark_seen(const struct field *f, void *base)
{
    if (f->seen)
        *(bool *)at_offset(base, f->seen - 1) = true;
}

/* ---- JSON in ---- */

static void read_object(struct reading *c, const struct place *at, const struct field *fields,
                        void *out);

static void wrong_type(struct reading *c, const struct place *at, const char *what)
{
    if (json_skip(c->r, NULL))
        refuse(c, at, "invalid_type", "must be %s", what);
}

static void read_number(struct reading *c, const struct place *at, const struct field *f, void *out)
{
    struct str raw;
    double v;

    if (f->type == F_F64) {
        if (json_read_f64(c->r, &v))
            set_f64(c, at, f, v, out);
        return;
    }
    if (!json_skip(c->r, &raw))
        return;
    if (raw.n <= 18 && !memchr(raw.p, 'e', raw.n) && !memchr(raw.p, 'E', raw.n) &&
        !memchr(raw.p, '.', raw.n)) {
        set_integer_text(c, at, f, raw, out);
        return;
    }
    /* 5.0 and 1e3 are integers; which of "too large" and "a fraction" it is, the double tells. */
    int64_t i;

    if (num_parse_i64(raw, &i) == ERR_OK)
        set_integer(c, at, f, i, out);
    else if (num_parse_f64(raw, &v) == ERR_OK && fabs(v) < 0x1p63)
        refuse(c, at, "invalid_type", "must be an integer");
    else
        integer_within(c, at, f, beyond(raw));
}

static void read_scalar(struct reading *c, const struct place *at, const struct field *f,
                        enum json_type is, void *out)
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
            set_text(c, at, f, s, out);
    }
}

/* Items that grow by doubling in the arena. */
struct growing {
    char *p;
    size_t size, room;
    int32_t n;
};

/* What was grown; an empty list is not an absent one. */
static struct list grown(const struct growing *g)
{
    static char nothing;

    return (struct list){g->p ? g->p : &nothing, g->n};
}

static void *grow(struct reading *c, struct growing *g)
{
    if ((size_t)g->n == g->room) {
        size_t room = g->room ? g->room * 2 : 8;
        char *p = arena_array(c->arena, room, g->size, ALIGN_ANY);

        if (!p) {
            no_memory(c);
            return NULL;
        }
        if (g->n)
            memcpy(p, g->p, (size_t)g->n * g->size);
        g->p = p;
        g->room = room;
    }
    return g->p + (size_t)g->n++ * g->size;
}

static void read_value(struct reading *c, const struct place *at, const struct field *f, void *out);

static bool count_fits(struct reading *c, const struct place *at, const struct field *f, double n)
{
    return within(c, at, n, fmax(bound_min(f), 0), fmin(bound_max(f), LIST_MAX), " items");
}

/* After the first fault of the list no more is kept, but all of it is read. */
static void read_list(struct reading *c, const struct place *at, const struct field *f,
                      struct list *out)
{
    struct field element = element_of(f);
    struct growing g = {.size = element_size(f)};
    double max = fmin(bound_max(f), LIST_MAX);

    if (!json_array_begin(c->r))
        return;
    for (int32_t i = 0; json_next_item(c->r); i++) {
        struct place here = {.up = at, .index = i};
        void *item = c->err == ERR_OK && i < max ? grow(c, &g) : NULL;

        if (item)
            read_value(c, &here, &element, item);
        else if (json_skip(c->r, NULL) && i >= max)
            count_fits(c, at, f, (double)i + 1);
    }
    if (!json_failed(c->r) && c->err == ERR_OK && count_fits(c, at, f, g.n))
        *out = grown(&g);
}

static void read_map(struct reading *c, const struct place *at, const struct field *f,
                     struct list *out)
{
    struct field element = element_of(f);
    struct growing g = {.size = sizeof(struct map_entry)};
    double max = fmin(bound_max(f), LIST_MAX);
    struct str key;

    if (!json_object_begin(c->r))
        return;
    for (int32_t i = 0; json_next_member(c->r, &key); i++) {
        struct place here = {.up = at, .key = key};
        struct map_entry *entry = c->err == ERR_OK && i < max ? grow(c, &g) : NULL;
        void *value = entry ? arena_alloc(c->arena, element_size(f), ALIGN_ANY) : NULL;

        if (entry && !value)
            no_memory(c);
        if (value) {
            *entry = (struct map_entry){key, value};
            read_value(c, &here, &element, value);
        } else if (json_skip(c->r, NULL) && i >= max) {
            count_fits(c, at, f, (double)i + 1);
        }
    }
    if (!json_failed(c->r) && c->err == ERR_OK && count_fits(c, at, f, g.n))
        *out = grown(&g);
}

static void read_nested(struct reading *c, const struct place *at, const struct field *f, void *out)
{
    void *object = out;

    if (f->flags & FIELD_POINTER) {
        object = arena_alloc(c->arena, f->size, ALIGN_ANY);
        if (!object) {
            no_memory(c);
            json_skip(c->r, NULL);
            return;
        }
        *(void **)out = object;
    }
    read_object(c, at, f->sub, object);
}

static void read_value(struct reading *c, const struct place *at, const struct field *f, void *out)
{
    enum json_type is = json_peek(c->r);

    if (is == JSON_NONE)
        return;
    if (is == JSON_NULL && (f->flags & FIELD_NULLABLE)) {
        if (json_read_null(c->r))
            set_null(f, out);
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
        if (is_flat(f)) {
            ASSERT(!(f->flags & FIELD_POINTER)); /* input needs the struct itself */
            if (search(f->sub, at_offset(base, f->offset), name, w, before))
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

static int32_t require_given(struct reading *c, const struct place *at, const struct field *fields,
                             const uint64_t *given, int32_t index)
{
    for (const struct field *f = fields; f->type != F_END; f++) {
        struct place here = {.up = at, .name = f->name};

        if (is_flat(f)) {
            index = require_given(c, at, f->sub, given, index);
            continue;
        }
        ASSERT(index < FIELDS_MAX);
        if ((f->flags & FIELD_REQUIRED) && !(given[index / 64] >> index % 64 & 1))
            refuse(c, &here, "missing", "is required");
        index++;
    }
    return index;
}

static void read_object(struct reading *c, const struct place *at, const struct field *fields,
                        void *out)
{
    uint64_t given[FIELDS_MAX / 64] = {0};
    struct walk w = {.start = 0};
    struct str name;

    set_absent_all(c, fields, out);
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
        struct place here = {.up = at, .name = w.found->name};

        ASSERT(index < FIELDS_MAX);
        given[index / 64] |= UINT64_C(1) << index % 64;
        mark_seen(w.found, w.base);
        read_value(c, &here, w.found, at_offset(w.base, w.found->offset));
    }
    if (!json_failed(c->r))
        require_given(c, at, fields, given, 0);
}

enum err fields_read_json(const struct field *fields, struct json_reader *r, struct arena *arena,
                          void *out, int32_t *ret_unknown, struct field_error *err)
{
    struct reading c = {.r = r, .arena = arena, .error = err};

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

/* ---- queries ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Borrowed when there is nothing to decode. */
static enum err percent_decode(struct str in, struct arena *arena, struct str *ret)
{
    struct str text = {in.p ? in.p : "", in.n};
    bool coded = in.n && (memchr(in.p, '%', in.n) || memchr(in.p, '+', in.n));

    if (coded) {
        char *out = arena_alloc(arena, in.n, 1);

        if (!out)
            return ERR_NOMEM;
        text = (struct str){out, 0};
        for (size_t i = 0; i < in.n; i++) {
            char c = in.p[i];

            if (c == '%') {
                int high = in.n - i > 2 ? hex_digit(in.p[i + 1]) : -1;
                int low = high >= 0 ? hex_digit(in.p[i + 2]) : -1;

                if (low < 0)
                    return ERR_SYNTAX;
                c = (char)(high * 16 + low);
                i += 2;
            } else if (c == '+') {
                c = ' ';
            }
            out[text.n++] = c;
        }
    }
    if ((text.n && memchr(text.p, 0, text.n)) || !utf8_valid(text))
        return ERR_SYNTAX;
    *ret = text;
    return ERR_OK;
}

enum err query_split(struct str query, struct arena *arena, struct query_pair **ret,
                     int32_t *ret_count)
{
    struct query_pair *pairs = arena_new(arena, struct query_pair, QUERY_PAIRS_MAX);
    int32_t n = 0;

    if (!pairs)
        return ERR_NOMEM;
    while (query.n) {
        struct str value = str_cut(&query, '&'), name;

        if (value.n == 0)
            continue;
        if (n == QUERY_PAIRS_MAX)
            return ERR_RANGE;
        name = str_cut(&value, '=');
        enum err e = percent_decode(name, arena, &pairs[n].name);

        if (e == ERR_OK)
            e = percent_decode(value, arena, &pairs[n].value);
        if (e != ERR_OK)
            return e;
        n++;
    }
    *ret = pairs;
    *ret_count = n;
    return ERR_OK;
}

static void query_list(struct reading *c, const struct place *at, const struct field *f,
                       struct str text, struct list *out)
{
    struct field element = element_of(f);
    struct growing g = {.size = element_size(f)};
    double count = text.n ? 1 : 0;

    ASSERT(!f->sub);
    for (size_t i = 0; i < text.n; i++)
        count += text.p[i] == ',';
    if (!count_fits(c, at, f, count))
        return;
    for (int32_t i = 0; i < count && c->err == ERR_OK; i++) {
        struct place here = {.up = at, .index = i};
        void *item = grow(c, &g);
        struct str one = str_cut(&text, ',');

        if (item)
            set_plain(c, &here, &element, one.p ? one : STR(""), item);
    }
    *out = grown(&g);
}

static void query_field(struct reading *c, const struct field *f, const struct query_pair *pairs,
                        int32_t count, void *base)
{
    struct place here = {.name = f->name};
    const struct query_pair *found = NULL;
    void *out = at_offset(base, f->offset);

    for (int32_t i = 0; i < count; i++) {
        if (!str_eq(pairs[i].name, str_from(f->name)))
            continue;
        if (found) {
            refuse(c, &here, "invalid_value", "is given twice");
            return;
        }
        found = &pairs[i];
    }
    if (!found) {
        if (f->flags & FIELD_REQUIRED)
            refuse(c, &here, "missing", "is required");
        return;
    }
    mark_seen(f, base);
    ASSERT(f->type != F_OBJECT && f->type != F_MAP);
    struct str value = found->value.p ? found->value : STR("");

    if (f->type == F_LIST)
        query_list(c, &here, f, value, out);
    else
        set_plain(c, &here, f, value, out);
}

static void query_fields(struct reading *c, const struct field *fields,
                         const struct query_pair *pairs, int32_t count, void *base)
{
    for (const struct field *f = fields; f->type != F_END && c->err == ERR_OK; f++)
        if (is_flat(f))
            query_fields(c, f->sub, pairs, count, at_offset(base, f->offset));
        else
            query_field(c, f, pairs, count, base);
}

enum err fields_read_query(const struct field *fields, const struct query_pair *pairs,
                           int32_t count, struct arena *arena, void *out, struct field_error *err)
{
    struct reading c = {.arena = arena, .error = err};

    *err = (struct field_error){.path = ""};
    set_absent_all(&c, fields, out);
    query_fields(&c, fields, pairs, count, out);
    return c.err;
}

/* ---- JSON out ---- */

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
    struct field element = element_of(f);
    size_t size = element_size(f);

    json_array(w);
    for (int32_t i = 0; i < list->n; i++)
        write_value(&element, w, (const char *)list->p + (size_t)i * size);
    json_array_end(w);
}

static void write_map(const struct field *f, struct json_writer *w, const struct list *list)
{
    struct field element = element_of(f);
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
        const void *at = member_of(in, f);

        if (is_flat(f)) {
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

/* ---- schema ---- */

void field_write_json(const struct field *f, struct json_writer *w, const void *in)
{
    write_value(f, w, member_of(in, f));
}

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
    double min = bound_min(f), max = bound_max(f);

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
    struct field element = element_of(f);

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
        if (is_flat(f)) {
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

        if (is_flat(f)) {
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
        struct str snake = to_snake(f->name, buffer);
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
