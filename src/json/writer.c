#include "json/writer.h"

#include "base/assert.h"
#include "base/civil.h"
#include "base/num.h"
#include "base/scan.h"

#include <math.h>

enum { DEPTH_MAX = 64 };

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static uint64_t level(const struct json_writer *w)
{
    return UINT64_C(1) << w->depth;
}

/* Before each value: its comma, unless it follows a name. At the top there is one value only. */
static void before_value(struct json_writer *w)
{
    if (w->after_name) {
        w->after_name = false;
        return;
    }
    ASSERT(!(w->is_object & level(w)));
    ASSERT(w->depth > 0 || !(w->has_item & 1));
    if (w->has_item & level(w))
        buf_putc(w->out, ',');
    w->has_item |= level(w);
}

static void open_level(struct json_writer *w, char c, bool object)
{
    before_value(w);
    ASSERT(w->depth + 1 < DEPTH_MAX);
    w->depth++;
    w->has_item &= ~level(w);
    w->is_object &= ~level(w);
    if (object)
        w->is_object |= level(w);
    buf_putc(w->out, c);
}

static void close_level(struct json_writer *w, char c, bool object)
{
    ASSERT(w->depth > 0 && !w->after_name && !!(w->is_object & level(w)) == object);
    w->depth--;
    buf_putc(w->out, c);
}

void json_object(struct json_writer *w)
{
    open_level(w, '{', true);
}

void json_object_end(struct json_writer *w)
{
    close_level(w, '}', true);
}

void json_array(struct json_writer *w)
{
    open_level(w, '[', false);
}

void json_array_end(struct json_writer *w)
{
    close_level(w, ']', false);
}

void json_name(struct json_writer *w, struct str name)
{
    ASSERT((w->is_object & level(w)) && !w->after_name);
    bool comma = (w->has_item & level(w)) != 0;
    const char *end = name.n ? name.p + name.n : name.p;
    bool plain = name.n && scan_plain(name.p, end) == end;
    char *at = plain ? buf_reserve(w->out, (size_t)comma + name.n + 3) : NULL;

    w->has_item |= level(w);
    w->after_name = true;
    if (at) { /* as nearly always: one piece */
        *at = ',';
        at += comma;
        *at++ = '"';
        memcpy(at, name.p, name.n);
        memcpy(at + name.n, "\":", 2);
        w->out->n += (size_t)comma + name.n + 3;
        return;
    }
    if (comma)
        buf_putc(w->out, ',');
    buf_quoted(w->out, name);
    buf_putc(w->out, ':');
}

void json_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_str(w->out, json);
}

void json_null(struct json_writer *w)
{
    json_raw(w, STR("null"));
}

void json_bool(struct json_writer *w, bool v)
{
    json_raw(w, v ? STR("true") : STR("false"));
}

void json_str(struct json_writer *w, struct str s)
{
    if (!s.p) {
        json_null(w);
        return;
    }
    before_value(w);
    buf_quoted(w->out, s);
}

void json_i64(struct json_writer *w, int64_t v)
{
    before_value(w);
    buf_i64(w->out, v);
}

void json_f64(struct json_writer *w, double v)
{
    char text[NUM_TEXT_MAX];

    if (isfinite(v))
        json_raw(w, (struct str){text, num_print_f64(v, text)});
    else
        json_null(w);
}

void json_fixed(struct json_writer *w, double v, int decimals)
{
    char text[NUM_TEXT_MAX];

    if (isfinite(v))
        json_raw(w, (struct str){text, num_print_fixed(v, decimals, text)});
    else
        json_null(w);
}

void json_time(struct json_writer *w, int64_t us)
{
    char text[TIME_TEXT_MAX + 2];

    if (us == TIME_NONE) {
        json_null(w);
        return;
    }
    text[0] = '"';
    int n = time_print(us, text + 1);

    text[n + 1] = '"';
    json_raw(w, (struct str){text, (size_t)n + 2});
}
