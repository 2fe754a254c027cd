#include "import/csv.h"

#include "base/assert.h"

#include <stdlib.h>

void csv_init(struct csv *c, struct source *source, struct csv_format format)
{
    c->source = source;
    c->format = format;
    c->line = 0;
    c->begun = false;
    c->latin = NULL;
}

void csv_fini(struct csv *c)
{
    free(c->latin);
    c->latin = NULL;
}

static char *unread(const struct csv *c, size_t *ret_n)
{
    *ret_n = c->source->n - c->source->at;
    return c->source->p + c->source->at;
}

static char separator_of(struct str line)
{
    static const char candidates[] = {'\t', ',', ';', '|'};
    size_t best = 0, counts[COUNT(candidates)] = {0};
    bool quoted = false;

    for (size_t i = 0; i < line.n; i++) {
        quoted ^= line.p[i] == '"';
        for (size_t k = 0; k < COUNT(candidates); k++)
            counts[k] += !quoted && line.p[i] == candidates[k];
    }
    for (size_t k = 1; k < COUNT(candidates); k++)
        best = counts[k] > counts[best] ? k : best;
    return counts[best] ? candidates[best] : ',';
}

/* Sees the first line whole (or as much as may be a record) and learns from it. */
static enum err begin(struct csv *c)
{
    size_t n;
    char *p;
    enum err e = ERR_OK;

    while (p = unread(c, &n), !memchr(n ? p : "", '\n', n) && n <= CSV_RECORD_MAX && e == ERR_OK)
        e = source_more(c->source);
    if (e != ERR_OK && e != ERR_EOF && e != ERR_TOO_LARGE)
        return e;
    p = unread(c, &n);
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        c->source->at += 3, p += 3, n -= 3;
    if (!c->format.separator) {
        const char *end = n ? memchr(p, '\n', n) : NULL;

        c->format.separator = separator_of((struct str){p, end ? (size_t)(end - p) : n});
    }
    c->begun = true;
    return ERR_OK;
}

/* How far the record reads that begins at p: ERR_OK with its length without the line end, and the
 * lines in it; ERR_EOF when more bytes are needed. *at and *quoted go on from the call before. */
struct scan {
    size_t at, length, next; /* next: behind the line end */
    int64_t lines;
    bool quoted, any_quote, field_start;
};

static enum err scan_quoted(struct scan *s, const char *p, size_t n, char separator)
{
    for (; s->at < n; s->at++) {
        char ch = p[s->at];

        if (s->quoted) {
            s->quoted = ch != '"'; /* a doubled quote closes and opens again at once */
            s->lines += ch == '\n';
            /* only a quote right behind a closing one opens again */
            s->field_start = !s->quoted;
            continue;
        }
        if (ch == '"' && s->field_start) {
            s->quoted = s->any_quote = true;
            continue;
        }
        if (ch == '\n') {
            s->length = s->at, s->next = s->at + 1, s->lines++;
            return ERR_OK;
        }
        s->field_start = ch == separator;
    }
    return ERR_EOF;
}

static enum err scan_record(const struct csv *c, struct scan *s, const char *p, size_t n)
{
    const char *end = n > s->at && !s->any_quote ? memchr(p + s->at, '\n', n - s->at) : NULL;
    size_t upto = end ? (size_t)(end - p) : n;

    if (s->any_quote || (c->format.quotes && upto > s->at && memchr(p + s->at, '"', upto - s->at)))
        return scan_quoted(s, p, n, c->format.separator);
    if (end) {
        s->length = upto, s->next = upto + 1, s->lines = 1;
        return ERR_OK;
    }
    /* A field may have begun before the bytes that come: scan again from the record's start. */
    s->at = 0, s->field_start = true;
    return ERR_EOF;
}

/* Takes one whole record off the source. ERR_RANGE: too large or a quote without end; then one line
 * is taken instead. */
static enum err take(struct csv *c, struct str *ret, bool *ret_quotes, const char **ret_reason)
{
    struct scan s = {.field_start = true};
    enum err e;
    size_t n;
    char *p = unread(c, &n);

    while ((e = scan_record(c, &s, p, n)) == ERR_EOF && n <= CSV_RECORD_MAX) {
        e = source_more(c->source);
        p = unread(c, &n);
        if (e != ERR_OK)
            break;
    }
    if (e == ERR_EOF && n == 0)
        return ERR_EOF;
    if (e == ERR_EOF && !s.quoted && n <= CSV_RECORD_MAX) { /* the last line has no end */
        s.length = s.next = n, s.lines++;
        e = ERR_OK;
    }
    if (e == ERR_OK && s.length <= CSV_RECORD_MAX) {
        *ret = (struct str){p, s.length};
        *ret_quotes = s.any_quote;
        c->source->at += s.next;
        c->line += s.lines;
        return ERR_OK;
    }
    if (e != ERR_OK && e != ERR_EOF && e != ERR_TOO_LARGE)
        return e;
    *ret_reason = s.quoted ? "a quote is not closed" : "the record is longer than 1 MiB";
    c->line++;
    struct str line;

    e = source_line(c->source, CSV_RECORD_MAX, &line);
    *ret = e == ERR_OK ? line : (struct str){"", 0};
    return e == ERR_OK || e == ERR_TOO_LARGE ? ERR_RANGE : e;
}

/* Undoes the quoting in place, which only shortens. Returns the first byte behind the field. */
static char *field_quoted(char *p, const char *end, char separator, struct str *ret)
{
    char *out = p;
    bool quoted = true;

    ret->p = p;
    for (p++; p < end; p++) {
        if (quoted && *p == '"') {
            if (p + 1 < end && p[1] == '"')
                *out++ = *p++;
            else
                quoted = false;
        } else if (!quoted && *p == separator) {
            break;
        } else {
            *out++ = *p;
        }
    }
    ret->n = (size_t)(out - ret->p);
    return p;
}

static enum err split(struct csv *c, struct str record, bool quotes, struct csv_record *ret,
                      const char **ret_reason)
{
    char *p = (char *)(uintptr_t)record.p; /* the source's window or c->latin: ours to change */
    char *end = p + record.n;

    for (ret->count = 0;; p++) {
        if (ret->count == CSV_FIELDS_MAX) {
            *ret_reason = "more than 1024 fields";
            ret->count = 0;
            return ERR_RANGE;
        }
        struct str *field = &c->fields[ret->count++];

        if (quotes && p < end && *p == '"') {
            p = field_quoted(p, end, c->format.separator, field);
        } else {
            char *stop = p < end ? memchr(p, c->format.separator, (size_t)(end - p)) : NULL;

            *field = (struct str){p, (size_t)((stop ? stop : end) - p)};
            p = stop ? stop : end;
        }
        if (p >= end)
            break;
    }
    ret->fields = c->fields;
    return ERR_OK;
}

static enum err recode(struct csv *c, struct str *record)
{
    if (!c->latin && !(c->latin = malloc(2 * (size_t)CSV_RECORD_MAX)))
        return ERR_NOMEM;
    size_t n = 0;

    for (size_t i = 0; i < record->n; i++) {
        unsigned char b = (unsigned char)record->p[i];

        if (b < 0x80) {
            c->latin[n++] = (char)b;
        } else {
            c->latin[n++] = (char)(0xc0 | b >> 6);
            c->latin[n++] = (char)(0x80 | (b & 0x3f));
        }
    }
    *record = (struct str){c->latin, n};
    return ERR_OK;
}

enum err csv_next(struct csv *c, struct csv_record *ret, const char **ret_reason)
{
    struct str record = {"", 0};
    bool quotes = false;
    enum err e = c->begun ? ERR_OK : begin(c);

    while (e == ERR_OK) {
        ret->line = c->line + 1;
        e = take(c, &record, &quotes, ret_reason);
        if (e == ERR_OK && record.n && record.p[record.n - 1] == '\r')
            record.n--;
        if (record.n > 0 || e != ERR_OK)
            break;
    }
    ret->raw = record;
    ret->count = 0;
    if (e == ERR_OK && memchr(record.p, 0, record.n)) {
        *ret_reason = "holds a NUL byte";
        e = ERR_RANGE;
    }
    if (e == ERR_OK && c->format.latin1)
        e = recode(c, &record);
    else if (e == ERR_OK && !utf8_valid(record)) {
        *ret_reason = "not UTF-8 (--encoding latin1 reads ISO 8859-1)";
        e = ERR_RANGE;
    }
    ret->raw = record;
    return e == ERR_OK ? split(c, record, quotes, ret, ret_reason) : e;
}
