#include "json/reader.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/num.h"

#include <math.h>

/* One open object or array. Frames and their tables of names are kept for the next object at the
 * same depth, so a batch of a thousand objects allocates once. */
struct json_frame {
    bool is_object, begun;
    int32_t members, cap;
    struct name {
        struct str text;
        uint64_t hash;
    } * names;
    uint16_t *table; /* of members + 1 by hash, when there are more than NAMES_LINEAR */
};

enum { NAMES_LINEAR = 24, TABLE_SIZE = 4096 };
_Static_assert(TABLE_SIZE >= 2 * JSON_MEMBERS_MAX, "the table is never more than half full");

static bool fail(struct json_reader *r, enum err e, const char *reason)
{
    if (r->err == ERR_OK) {
        r->err = e;
        r->reason = reason;
        r->error_at = (size_t)(r->p - r->start);
    }
    return false;
}

void json_reader_init(struct json_reader *r, struct str text, struct arena *arena,
                      int32_t depth_max)
{
    ASSERT(depth_max >= 1 && depth_max <= JSON_DEPTH_MAX);
    const char *p = text.n ? text.p : "";

    *r = (struct json_reader){.p = p,
                              .start = p,
                              .end = p + text.n,
                              .arena = arena,
                              .depth_max = depth_max,
                              .expect_value = 1};
}

static void skip_blanks(struct json_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
}

enum json_type json_peek(struct json_reader *r)
{
    if (r->err != ERR_OK)
        return JSON_NONE;
    skip_blanks(r);
    if (r->p == r->end) {
        fail(r, ERR_SYNTAX, "the text ends too early");
        return JSON_NONE;
    }
    switch (*r->p) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    case '-':
    case '0' ... '9':
        return JSON_NUMBER;
    default:
        fail(r, ERR_SYNTAX, "a value was expected");
        return JSON_NONE;
    }
}

static bool value_begin(struct json_reader *r, enum json_type want, const char *reason)
{
    ASSERT(r->expect_value || r->err != ERR_OK);
    enum json_type is = json_peek(r);
    if (is == JSON_NONE)
        return false;
    return is == want || fail(r, ERR_RANGE, reason);
}

static bool open_frame(struct json_reader *r, bool is_object)
{
    if (r->depth >= r->depth_max)
        return fail(r, ERR_SYNTAX, "nested too deeply");
    if (!r->frames) {
        r->frames = arena_new(r->arena, struct json_frame, (size_t)r->depth_max);
        if (!r->frames)
            return fail(r, ERR_NOMEM, "not enough memory for the request");
    }
    struct json_frame *f = &r->frames[r->depth++];
    f->is_object = is_object;
    f->begun = false;
    if (f->members > NAMES_LINEAR && f->table)
        memset(f->table, 0, TABLE_SIZE * sizeof *f->table);
    f->members = 0;
    r->p++;
    r->expect_value = 0;
    return true;
}

/* Closes the frame, or leaves the reader before the next name or item. True: there is one. */
static bool next_in_frame(struct json_reader *r, char brace, const char *reason)
{
    if (r->err != ERR_OK)
        return false;
    ASSERT(r->depth > 0 && !r->expect_value);
    struct json_frame *f = &r->frames[r->depth - 1];
    skip_blanks(r);
    if (r->p == r->end)
        return fail(r, ERR_SYNTAX, "the text ends too early");
    if (*r->p == brace) {
        r->p++;
        r->depth--;
        return false;
    }
    if (f->begun) {
        if (*r->p != ',')
            return fail(r, ERR_SYNTAX, reason);
        r->p++;
        skip_blanks(r);
    }
    f->begun = true;
    return true;
}

bool json_object_begin(struct json_reader *r)
{
    return value_begin(r, JSON_OBJECT, "must be an object") && open_frame(r, true);
}

bool json_array_begin(struct json_reader *r)
{
    return value_begin(r, JSON_ARRAY, "must be an array") && open_frame(r, false);
}

bool json_next_item(struct json_reader *r)
{
    if (!next_in_frame(r, ']', "a comma or ] was expected"))
        return false;
    r->expect_value = 1;
    return true;
}

/* ---- text ---- */

/* Bytes of text that mean themselves: everything but controls, '"', '\' and the parts of UTF-8. */
static const unsigned char plain[256] = {
    [0x20 ... 0x21] = 1,
    [0x23 ... 0x5B] = 1,
    [0x5D ... 0x7F] = 1,
};

static int hex4(const char *p)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        int c = p[i], d = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* From behind the opening quote to behind the closing one. *ret_escaped: it holds a backslash. */
static bool scan_text(struct json_reader *r, struct str *ret, bool *ret_escaped)
{
    const char *p = r->p;

    *ret_escaped = false;
    for (;;) {
        while (p < r->end && plain[(unsigned char)*p])
            p++;
        if (p == r->end) {
            r->p = p;
            return fail(r, ERR_SYNTAX, "a text has no closing quote");
        }
        unsigned char c = (unsigned char)*p;
        if (c == '"')
            break;
        if (c == '\\') {
            *ret_escaped = true;
            if (r->end - p < 2) {
                r->p = p;
                return fail(r, ERR_SYNTAX, "a text has no closing quote");
            }
            p += 2; /* checked when it is undone */
        } else if (c < 0x20) {
            r->p = p;
            return fail(r, ERR_SYNTAX, "a control byte in a text must be escaped");
        } else {
            size_t n = utf8_length((struct str){p, (size_t)(r->end - p)});
            if (!n) {
                r->p = p;
                return fail(r, ERR_SYNTAX, "a text is not valid UTF-8");
            }
            p += n;
        }
    }
    *ret = (struct str){r->p, (size_t)(p - r->p)};
    r->p = p + 1;
    return true;
}

static char *put_utf8(char *o, uint32_t c)
{
    if (c < 0x80) {
        *o++ = (char)c;
    } else if (c < 0x800) {
        *o++ = (char)(0xC0 | c >> 6);
        *o++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *o++ = (char)(0xE0 | c >> 12);
        *o++ = (char)(0x80 | (c >> 6 & 0x3F));
        *o++ = (char)(0x80 | (c & 0x3F));
    } else {
        *o++ = (char)(0xF0 | c >> 18);
        *o++ = (char)(0x80 | (c >> 12 & 0x3F));
        *o++ = (char)(0x80 | (c >> 6 & 0x3F));
        *o++ = (char)(0x80 | (c & 0x3F));
    }
    return o;
}

/* The code point of \uXXXX at p (behind the 'u'), pairs of surrogates together. False: malformed.
 */
static bool code_point(const char **p, const char *end, uint32_t *ret)
{
    if (end - *p < 4)
        return false;
    int high = hex4(*p), low;
    *p += 4;
    if (high < 0 || (high >= 0xDC00 && high < 0xE000))
        return false;
    *ret = (uint32_t)high;
    if (high < 0xD800 || high >= 0xE000)
        return true;
    if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u' || (low = hex4(*p + 2)) < 0xDC00 ||
        low >= 0xE000)
        return false;
    *p += 6;
    *ret = 0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    return true;
}

/* out == NULL: only checks. Returns the end of what was written, NULL if an escape is malformed. */
static bool unescape(struct str s, char *out, size_t *ret_n)
{
    const char *p = s.p, *end = s.p + s.n;
    char *o = out, spare[4];

    while (p < end) {
        if (*p != '\\') {
            if (out)
                *o++ = *p;
            p++;
            continue;
        }
        static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
        char c = p[1];
        uint32_t code;
        p += 2;
        if (c == 'u') {
            if (!code_point(&p, end, &code))
                return false;
        } else {
            const char *at = c ? strchr(names, c) : NULL;
            if (!at)
                return false;
            code = (unsigned char)means[at - names];
        }
        if (out)
            o = put_utf8(o, code);
        else
            put_utf8(spare, code);
    }
    if (out)
        *ret_n = (size_t)(o - out);
    return true;
}

static bool read_text(struct json_reader *r, struct str *ret, bool wanted)
{
    const char *begin = r->p;
    bool escaped;

    r->p++;
    if (!scan_text(r, ret, &escaped))
        return false;
    if (!escaped)
        return true;
    char *out = wanted ? arena_alloc(r->arena, ret->n + 1, 1) : NULL;
    if (wanted && !out)
        return fail(r, ERR_NOMEM, "not enough memory for the request");
    size_t n = 0;
    if (!unescape(*ret, out, &n)) {
        r->p = begin;
        return fail(r, ERR_SYNTAX, "a text holds a malformed escape");
    }
    if (wanted)
        *ret = (struct str){out, n};
    return true;
}

/* ---- names ---- */

static bool table_add(struct json_frame *f, int32_t member)
{
    const struct name *new_name = &f->names[member];

    for (uint32_t i = (uint32_t)new_name->hash & (TABLE_SIZE - 1);;
         i = (i + 1) & (TABLE_SIZE - 1)) {
        if (!f->table[i]) {
            f->table[i] = (uint16_t)(member + 1);
            return true;
        }
        const struct name *other = &f->names[f->table[i] - 1];
        if (other->hash == new_name->hash && str_eq(other->text, new_name->text))
            return false;
    }
}

/* False: the object has this name already, or the limit is reached. */
static bool add_name(struct json_reader *r, struct json_frame *f, struct str text)
{
    uint64_t hash = hash_str(text);

    if (f->members == JSON_MEMBERS_MAX)
        return fail(r, ERR_SYNTAX, "an object has too many members");
    if (f->members == f->cap) {
        int32_t cap = f->cap ? f->cap * 2 : NAMES_LINEAR;
        struct name *more = arena_new(r->arena, struct name, (size_t)cap);
        if (!more)
            return fail(r, ERR_NOMEM, "not enough memory for the request");
        if (f->cap)
            memcpy(more, f->names, (size_t)f->cap * sizeof *more);
        f->names = more;
        f->cap = cap;
    }
    f->names[f->members] = (struct name){text, hash};
    if (f->members < NAMES_LINEAR) {
        for (int32_t i = 0; i < f->members; i++)
            if (f->names[i].hash == hash && str_eq(f->names[i].text, text))
                return fail(r, ERR_SYNTAX, "an object has the same name twice");
    } else {
        if (!f->table) {
            f->table = arena_new(r->arena, uint16_t, TABLE_SIZE);
            if (!f->table)
                return fail(r, ERR_NOMEM, "not enough memory for the request");
        }
        if (f->members == NAMES_LINEAR)
            for (int32_t i = 0; i < f->members; i++)
                table_add(f, i);
        if (!table_add(f, f->members))
            return fail(r, ERR_SYNTAX, "an object has the same name twice");
    }
    f->members++;
    return true;
}

bool json_next_member(struct json_reader *r, struct str *ret_name)
{
    struct str name;

    if (!next_in_frame(r, '}', "a comma or } was expected"))
        return false;
    if (r->p == r->end || *r->p != '"')
        return fail(r, ERR_SYNTAX, "a member's name was expected");
    if (!read_text(r, &name, true) || !add_name(r, &r->frames[r->depth - 1], name))
        return false;
    skip_blanks(r);
    if (r->p == r->end || *r->p != ':')
        return fail(r, ERR_SYNTAX, "a colon was expected");
    r->p++;
    r->expect_value = 1;
    *ret_name = name;
    return true;
}

/* ---- numbers ---- */

struct number {
    struct str text;
    bool integral; /* no '.', no 'e' */
};

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static const char *scan_digits(const char *p, const char *end)
{
    while (is_digit(p, end))
        p++;
    return p;
}

/* Checks the grammar of RFC 8259; the reader stays before the number. */
static bool scan_number(struct json_reader *r, struct number *ret)
{
    const char *p = r->p, *end = r->end;

    ret->integral = true;
    p += *p == '-';
    if (!is_digit(p, end))
        return fail(r, ERR_SYNTAX, "a number is malformed");
    if (*p == '0' && is_digit(p + 1, end))
        return fail(r, ERR_SYNTAX, "a number must not begin with 0");
    p = scan_digits(p, end);
    if (p < end && *p == '.') {
        if (!is_digit(p + 1, end))
            return fail(r, ERR_SYNTAX, "a number is malformed");
        p = scan_digits(p + 1, end);
        ret->integral = false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '-' || *p == '+'))
            p++;
        if (!is_digit(p, end))
            return fail(r, ERR_SYNTAX, "a number is malformed");
        p = scan_digits(p, end);
        ret->integral = false;
    }
    ret->text = (struct str){r->p, (size_t)(p - r->p)};
    return true;
}

static bool number_value(struct json_reader *r, const struct number *n, double *ret)
{
    return num_parse_f64(n->text, ret) == ERR_OK || fail(r, ERR_RANGE, "a number is out of range");
}

bool json_read_f64(struct json_reader *r, double *ret)
{
    struct number n;

    if (!value_begin(r, JSON_NUMBER, "must be a number") || !scan_number(r, &n) ||
        !number_value(r, &n, ret))
        return false;
    r->p += n.text.n;
    r->expect_value = 0;
    return true;
}

bool json_read_i64(struct json_reader *r, int64_t *ret)
{
    struct number n;
    double v;

    if (!value_begin(r, JSON_NUMBER, "must be an integer") || !scan_number(r, &n))
        return false;
    if (n.integral) {
        if (str_to_i64(n.text, ret) != ERR_OK)
            return fail(r, ERR_RANGE, "an integer is out of range");
    } else {
        if (!number_value(r, &n, &v))
            return false;
        if (v != trunc(v) || fabs(v) > 9007199254740992.0)
            return fail(r, ERR_RANGE, "must be an integer");
        *ret = (int64_t)v;
    }
    r->p += n.text.n;
    r->expect_value = 0;
    return true;
}

/* ---- the rest ---- */

bool json_read_str(struct json_reader *r, struct str *ret)
{
    struct str s;

    if (!value_begin(r, JSON_STRING, "must be a text") || !read_text(r, &s, true))
        return false;
    r->expect_value = 0;
    *ret = s;
    return true;
}

static bool read_word(struct json_reader *r, struct str word)
{
    if ((size_t)(r->end - r->p) < word.n || memcmp(r->p, word.p, word.n) != 0)
        return fail(r, ERR_SYNTAX, "a value was expected");
    r->p += word.n;
    r->expect_value = 0;
    return true;
}

bool json_read_bool(struct json_reader *r, bool *ret)
{
    if (!value_begin(r, JSON_BOOL, "must be true or false"))
        return false;
    bool v = *r->p == 't';
    if (!read_word(r, v ? STR("true") : STR("false")))
        return false;
    *ret = v;
    return true;
}

bool json_read_null(struct json_reader *r)
{
    return value_begin(r, JSON_NULL, "must be null") && read_word(r, STR("null"));
}

/* Recursion is bounded by the reader's depth. */
bool json_skip(struct json_reader *r, struct str *ret_raw)
{
    struct number n;
    struct str s;
    bool b;
    double d;

    ASSERT(r->expect_value || r->err != ERR_OK);
    enum json_type type = json_peek(r);
    const char *from = r->p;
    switch (type) {
    case JSON_NONE:
        return false;
    case JSON_NULL:
        json_read_null(r);
        break;
    case JSON_BOOL:
        json_read_bool(r, &b);
        break;
    case JSON_NUMBER:
        if (scan_number(r, &n) && number_value(r, &n, &d))
            r->p += n.text.n;
        break;
    case JSON_STRING:
        read_text(r, &s, false);
        break;
    case JSON_ARRAY:
        if (json_array_begin(r))
            while (json_next_item(r) && json_skip(r, NULL))
                ;
        break;
    case JSON_OBJECT:
        if (json_object_begin(r))
            while (json_next_member(r, &s) && json_skip(r, NULL))
                ;
        break;
    }
    if (r->err != ERR_OK)
        return false;
    r->expect_value = 0;
    if (ret_raw)
        *ret_raw = (struct str){from, (size_t)(r->p - from)};
    return true;
}

enum err json_end(struct json_reader *r)
{
    if (r->err != ERR_OK)
        return r->err;
    ASSERT(r->depth == 0 && !r->expect_value);
    skip_blanks(r);
    if (r->p != r->end)
        fail(r, ERR_SYNTAX, "something stands behind the value");
    return r->err;
}
