/* field_value - values of fields from text and numbers: bounds, defaults, and what is said of those
 * that do not fit. */
#include "json/field_inside.h"

#include "base/assert.h"
#include "base/buf.h"

enum { TEXT_SHOWN_MAX = 80, TEXT_DEPTH = 32 };

/* ---- refusals ---- */

static void put_path(struct buf *b, const struct field_place *at)
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

static void tell_place(struct field_error *e, const struct field_place *at)
{
    struct buf b;

    buf_init(&b, 4096);
    put_path(&b, at);
    struct str path = utf8_prefix(buf_view(&b), sizeof e->path - 1);

    memcpy(e->path, path.p, path.n);
    e->path[path.n] = '\0';
    buf_fini(&b);
}

void field_refuse(struct field_reading *c, const struct field_place *at, const char *code,
                  const char *fmt, ...) PRINTF_LIKE(4, 5);
void field_refuse(struct field_reading *c, const struct field_place *at, const char *code,
                  const char *fmt, ...)
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

void field_no_memory(struct field_reading *c)
{
    c->err = ERR_NOMEM;
}

/* The bounds of a number, of a text's bytes or of a count. 0,0 is none; a maximum below the minimum
 * was not given. */
double field_bound_max(const struct field *f)
{
    return (f->min == 0 && f->max == 0) || f->max < f->min ? (double)INFINITY : f->max;
}

double field_bound_min(const struct field *f)
{
    return f->min == 0 && f->max == 0 ? -(double)INFINITY : f->min;
}

/* unit: " bytes" or " items", as in "must have 1 to 9 bytes"; "" for the value itself. */
bool field_within(struct field_reading *c, const struct field_place *at, double v, double min,
                  double max, const char *unit)
{
    const char *verb = unit[0] ? "have" : "be", *between = unit[0] ? "" : "between ",
               *to = unit[0] ? "to" : "and";

    if (v >= min && v <= max)
        return true;
    if (c->err != ERR_OK)
        return false;
    const char *code = v < min ? "too_small" : "too_big";

    if (isinf(max))
        field_refuse(c, at, code, "must %s at least %.15g%s", verb, min, unit);
    else if (isinf(min) || (unit[0] && min <= 0))
        field_refuse(c, at, code, "must %s at most %.15g%s", verb, max, unit);
    else
        field_refuse(c, at, code, "must %s %s%.15g %s %.15g%s", verb, between, min, to, max, unit);
    c->error->min = isinf(min) ? 0 : min;
    c->error->max = isinf(max) ? 0 : max;
    return false;
}

/* ---- values ---- */

/* v may be infinite: an integer beyond 64 bits, which lies beyond any bounds. */
bool field_integer_within(struct field_reading *c, const struct field_place *at,
                          const struct field *f, double v)
{
    bool narrow = f->type == F_I32;

    return field_within(c, at, v, fmax(field_bound_min(f), narrow ? INT32_MIN : -0x1p63),
                        fmin(field_bound_max(f), narrow ? INT32_MAX : 0x1p63), "");
}

double field_beyond(struct str digits)
{
    return digits.p[0] == '-' ? -(double)INFINITY : (double)INFINITY;
}

void field_set_integer(struct field_reading *c, const struct field_place *at, const struct field *f,
                       int64_t v, void *out)
{
    if (!field_integer_within(c, at, f, (double)v))
        return;
    if (f->type == F_I32)
        *(int32_t *)out = (int32_t)v;
    else
        *(int64_t *)out = v;
}

void field_set_f64(struct field_reading *c, const struct field_place *at, const struct field *f,
                   double v, void *out)
{
    if (field_within(c, at, v, field_bound_min(f), field_bound_max(f), ""))
        *(double *)out = v;
}

static void set_enum(struct field_reading *c, const struct field_place *at, const struct field *f,
                     struct str s, void *out)
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
    field_refuse(c, at, "invalid_value", "must be one of %.140s", known);
}

static void set_time(struct field_reading *c, const struct field_place *at, const struct field *f,
                     struct str s, void *out)
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
        field_refuse(c, at, "invalid_format", "must be a time like 2025-10-20T14:30:00Z%s",
                     date_ok ? ", or a date like 2025-10-20" : "");
        return;
    }
    if (field_within(c, at, (double)us, field_bound_min(f), field_bound_max(f), ""))
        *(int64_t *)out = us;
}

static void set_str(struct field_reading *c, const struct field_place *at, const struct field *f,
                    struct str s, void *out)
{
    if (s.n && memchr(s.p, 0, s.n)) {
        field_refuse(c, at, "invalid_value", "must not hold a NUL character");
        return;
    }
    if (field_within(c, at, (double)s.n, field_bound_min(f), field_bound_max(f), " bytes"))
        *(struct str *)out = s;
}

/* What is a text in JSON as well. */
void field_set_text(struct field_reading *c, const struct field_place *at, const struct field *f,
                    struct str s, void *out)
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
            field_refuse(c, at, "invalid_format", "must be a date like 2025-10-20");
        return;
    default:
        UNREACHABLE();
    }
}

void field_set_integer_text(struct field_reading *c, const struct field_place *at,
                            const struct field *f, struct str s, void *out)
{
    int64_t v;

    switch (str_to_i64(s, &v)) {
    case ERR_OK:
        field_set_integer(c, at, f, v, out);
        return;
    case ERR_RANGE:
        field_integer_within(c, at, f, field_beyond(s));
        return;
    default:
        field_refuse(c, at, "invalid_type", "must be an integer");
    }
}

/* A scalar written plainly: a query parameter or a default. */
void field_set_plain(struct field_reading *c, const struct field_place *at, const struct field *f,
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
            field_refuse(c, at, "invalid_type", "must be true or false");
        return;
    case F_I32:
    case F_I64:
        field_set_integer_text(c, at, f, s, out);
        return;
    case F_F64:
        if (str_to_f64(s, &v) == ERR_OK)
            field_set_f64(c, at, f, v, out);
        else
            field_refuse(c, at, "invalid_type", "must be a number");
        return;
    case F_JSON:
        json_reader_init(&r, s, c->arena, TEXT_DEPTH);
        json_skip(&r, out);
        switch (json_end(&r)) {
        case ERR_OK:
            return;
        case ERR_NOMEM:
            field_no_memory(c);
            return;
        default:
            field_refuse(c, at, "invalid_format", "must be JSON: %s", r.reason);
        }
        return;
    default:
        field_set_text(c, at, f, s, out);
    }
}

/* ---- absent and null ---- */

void field_set_null(const struct field *f, void *out)
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

static void set_absent(struct field_reading *c, const struct field *f, void *out)
{
    struct field_error error = {.path = ""};
    struct field_reading def = {.arena = c->arena, .error = &error};

    if (f->type == F_OBJECT && !(f->flags & FIELD_POINTER)) {
        field_set_absent(c, f->sub, out);
    } else if (f->def && f->type != F_LIST) {
        field_set_plain(&def, NULL, f, str_from(f->def), out);
        ASSERT(def.err == ERR_OK); /* the table's own default must fit its bounds */
    } else {
        field_set_null(f, out);
    }
}

void field_set_absent(struct field_reading *c, const struct field *fields, void *out)
{
    for (const struct field *f = fields; f->type != F_END; f++)
        set_absent(c, f, field_at(out, f->offset));
}

void field_mark_seen(const struct field *f, void *base)
{
    if (f->seen)
        *(bool *)field_at(base, f->seen - 1) = true;
}
