#include "json/writer.h"

#include "base/assert.h"
#include "base/civil.h"
#include "base/num.h"

#include <math.h>

enum { DEPTH_MAX = 63 };

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

/* The comma that is due before a value or a name. */
static void begin_item(struct json_writer *w)
{
    uint64_t bit = UINT64_C(1) << w->depth;

    if (w->after_name) {
        w->after_name = false;
        return;
    }
    ASSERT(!(w->is_object & bit)); /* a value in an object needs its name first */
    if (w->has_item & bit) {
        ASSERT(w->depth > 0); /* one value only at the top */
        buf_putc(w->out, ',');
    }
    w->has_item |= bit;
}

static void open_level(struct json_writer *w, char brace, bool is_object)
{
    begin_item(w);
    ASSERT(w->depth < DEPTH_MAX);
    buf_putc(w->out, brace);
    w->depth++;
    uint64_t bit = UINT64_C(1) << w->depth;
    w->has_item &= ~bit;
    w->is_object = is_object ? w->is_object | bit : w->is_object & ~bit;
}

static void close_level(struct json_writer *w, char brace, bool is_object)
{
    ASSERT(w->depth > 0 && !w->after_name && (w->is_object >> w->depth & 1) == is_object);
    buf_putc(w->out, brace);
    w->depth--;
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

/* Bytes that need no escape: printable ASCII without '"' and '\'. */
static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static void escape(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    const char *two = c == '"'    ? "\\\""
                      : c == '\\' ? "\\\\"
                      : c == '\n' ? "\\n"
                      : c == '\r' ? "\\r"
                      : c == '\t' ? "\\t"
                      : c == '\b' ? "\\b"
                      : c == '\f' ? "\\f"
                                  : NULL;

    if (two) {
        buf_put(out, two, 2);
    } else {
        const char six[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        buf_put(out, six, 6);
    }
}

static void text(struct buf *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n, *from = p;

    buf_putc(out, '"');
    while (p < end) {
        if (plain(*p)) {
            p++;
            continue;
        }
        size_t length =
            *p >= 0x80 ? utf8_length((struct str){(const char *)p, (size_t)(end - p)}) : 0;
        if (length) {
            p += length;
            continue;
        }
        buf_put(out, from, (size_t)(p - from));
        if (*p >= 0x80)
            buf_put(out, "\xEF\xBF\xBD", 3);
        else if (*p == 0x7F)
            buf_putc(out, 0x7F);
        else
            escape(out, *p);
        from = ++p;
    }
    buf_put(out, from, (size_t)(p - from));
    buf_putc(out, '"');
}

void json_name(struct json_writer *w, struct str name)
{
    uint64_t bit = UINT64_C(1) << w->depth;

    ASSERT((w->is_object & bit) && !w->after_name);
    if (w->has_item & bit)
        buf_putc(w->out, ',');
    w->has_item |= bit;
    text(w->out, name);
    buf_putc(w->out, ':');
    w->after_name = true;
}

void json_str(struct json_writer *w, struct str s)
{
    begin_item(w);
    if (s.p)
        text(w->out, s);
    else
        buf_put(w->out, "null", 4);
}

void json_i64(struct json_writer *w, int64_t v)
{
    begin_item(w);
    buf_i64(w->out, v);
}

void json_f64(struct json_writer *w, double v)
{
    char digits[NUM_TEXT_MAX];

    begin_item(w);
    if (isfinite(v))
        buf_put(w->out, digits, num_print_f64(v, digits));
    else
        buf_put(w->out, "null", 4);
}

void json_fixed(struct json_writer *w, double v, int decimals)
{
    char digits[NUM_TEXT_MAX];

    begin_item(w);
    if (isfinite(v))
        buf_put(w->out, digits, num_print_fixed(v, decimals, digits));
    else
        buf_put(w->out, "null", 4);
}

void json_bool(struct json_writer *w, bool v)
{
    begin_item(w);
    buf_put(w->out, v ? "true" : "false", v ? 4 : 5);
}

void json_null(struct json_writer *w)
{
    begin_item(w);
    buf_put(w->out, "null", 4);
}

void json_time(struct json_writer *w, int64_t us)
{
    char out[TIME_TEXT_MAX];

    if (us == TIME_NONE) {
        json_null(w);
        return;
    }
    begin_item(w);
    int n = time_print(us, out);
    buf_putc(w->out, '"');
    buf_put(w->out, out, (size_t)n);
    buf_putc(w->out, '"');
}

void json_raw(struct json_writer *w, struct str json)
{
    begin_item(w);
    buf_str(w->out, json);
}
