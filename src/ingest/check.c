#include "ingest/check.h"

#include "json/reader.h"

#include <math.h>
#include <stdarg.h>

enum err check_fail(struct event_error *error, const char *path, const char *code, const char *fmt,
                    ...)
{
    va_list ap;

    if (!error || error->code)
        return ERR_RANGE;
    *error = (struct event_error){.code = err_code(ERR_RANGE)};
    snprintf(error->field.path, sizeof error->field.path, "%s", path);
    snprintf(error->field.code, sizeof error->field.code, "%s", code);
    va_start(ap, fmt);
    vsnprintf(error->field.reason, sizeof error->field.reason, fmt, ap);
    va_end(ap);
    return ERR_RANGE;
}

enum err check_id(struct str s, const char *path, struct event_error *error)
{
    unsigned char high = 0;

    if (s.n == 0 || s.n > EVENT_ID_MAX)
        return check_fail(error, path, s.n ? "too_big" : "too_small", "must have 1 to %d bytes",
                          EVENT_ID_MAX);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        high |= c;
        if (c < 0x20 || c == 0x7f)
            return check_fail(error, path, "invalid_value", "must not hold control characters");
    }
    if (high >= 0x80 && !utf8_valid(s))
        return check_fail(error, path, "invalid_format", "must be UTF-8");
    return ERR_OK;
}

enum err check_read_id(struct json_reader *r, const char *path, struct str *ret,
                       struct event_error *error)
{
    struct str s;

    if (json_peek(r) != JSON_STRING) {
        json_skip(r, NULL);
        return check_fail(error, path, "invalid_type", "must be a text");
    }
    if (!json_read_str(r, &s))
        return ERR_RANGE; /* latched in the reader */
    enum err e = check_id(s, path, error);
    if (e == ERR_OK)
        *ret = s;
    return e;
}

enum err check_number(double v, const char *path, double min, double max, bool integer,
                      struct event_error *error)
{
    if (!(v >= min && v <= max)) { /* NaN too */
        enum err e = check_fail(error, path, v < min ? "too_small" : "too_big",
                                "must be between %.15g and %.15g", min, max);
        if (error) {
            error->field.min = min;
            error->field.max = max;
        }
        return e;
    }
    if (integer && v != floor(v))
        return check_fail(error, path, "invalid_type", "must be a whole number");
    return ERR_OK;
}

/* Plain digits, as nearly all numbers here are, without a detour over strtod. */
static bool plain(struct str raw, double *ret)
{
    int64_t v = 0;

    if (raw.n == 0 || raw.n > 15)
        return false;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] < '0' || raw.p[i] > '9')
            return false;
        v = v * 10 + (raw.p[i] - '0');
    }
    *ret = (double)v;
    return true;
}

enum err check_read_number(struct json_reader *r, const char *path, double min, double max,
                           bool integer, double *ret, struct event_error *error)
{
    enum json_type type = json_peek(r);
    double v = NAN;
    struct str raw;

    if (!json_skip(r, &raw))
        return ERR_RANGE; /* latched in the reader */
    if (type != JSON_NULL && type != JSON_NUMBER)
        return check_fail(error, path, "invalid_type", "must be a number");
    if (type == JSON_NUMBER && !plain(raw, &v) && str_to_f64(raw, &v) != ERR_OK)
        v = INFINITY;
    enum err e = type == JSON_NULL ? ERR_OK : check_number(v, path, min, max, integer, error);
    if (e == ERR_OK)
        *ret = v;
    return e;
}
