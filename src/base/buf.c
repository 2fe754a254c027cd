#include "base/buf.h"

#include "base/num.h"
#include "base/scan.h"

#include <stdarg.h>
#include <stdio.h>

enum { CAP_MIN = 256 };

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_fini(struct buf *b)
{
    if (!b)
        return;
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

static bool grow(struct buf *b, size_t n)
{
    size_t cap = b->cap < CAP_MIN / 2 ? CAP_MIN : b->cap * 2;

    if (b->failed || n > b->max - b->n)
        return false;
    cap = cap < b->n + n ? b->n + n : cap;
    cap = cap > b->max ? b->max : cap;
    char *p = realloc(b->p, cap ? cap : 1);

    if (!p)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (__builtin_expect(b->failed || !b->p || n > b->cap - b->n, 0) && !grow(b, n)) {
        b->failed = true;
        return NULL;
    }
    return b->p + b->n;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    char *at = n ? buf_reserve(b, n) : NULL;

    if (!at)
        return;
    memcpy(at, p, n);
    b->n += n;
}

void buf_putc(struct buf *b, char c)
{
    char *at = buf_reserve(b, 1);

    if (!at)
        return;
    *at = c;
    b->n++;
}

void buf_str(struct buf *b, struct str s)
{
    buf_put(b, s.p, s.n);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof text) {
        buf_put(b, text, (size_t)n);
        return;
    }
    /* One more than counted: vsnprintf ends with a NUL. */
    char *at = n >= 0 ? buf_reserve(b, (size_t)n + 1) : NULL;

    if (!at) {
        b->failed = true;
        return;
    }
    va_start(args, fmt);
    vsnprintf(at, (size_t)n + 1, fmt, args);
    va_end(args);
    b->n += (size_t)n;
}

void buf_i64(struct buf *b, int64_t v)
{
    char text[NUM_TEXT_MAX];

    buf_put(b, text, num_print_i64(v, text));
}

static void put_escape(struct buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    bool is_short = c >= 32 || letters[c];

    if (is_short)
        text[1] = c >= 32 ? (char)c : letters[c];
    buf_put(b, text, is_short ? 2 : 6);
}

void buf_quoted(struct buf *b, struct str s)
{
    const char *p = s.p, *end = s.n ? p + s.n : p, *stop = scan_plain(p, end);
    char *at = stop == end ? buf_reserve(b, s.n + 2) : NULL;

    if (at) { /* as nearly always: nothing to escape */
        at[0] = '"';
        memcpy(at + 1, s.n ? p : "", s.n);
        at[1 + s.n] = '"';
        b->n += s.n + 2;
        return;
    }
    buf_putc(b, '"');
    while (p < end && !b->failed) {
        stop = scan_plain(p, end);
        buf_put(b, p, (size_t)(stop - p));
        p = stop;
        if (p == end)
            break;
        size_t n = utf8_length((struct str){p, (size_t)(end - p)});

        if (n == 1)
            put_escape(b, (unsigned char)*p);
        else if (n)
            buf_put(b, p, n);
        else
            buf_put(b, "\xef\xbf\xbd", 3);
        p += n ? n : 1;
    }
    buf_putc(b, '"');
}
