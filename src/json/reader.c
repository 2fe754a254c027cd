/* reader - see the header.
 *
 * Equal names: a name is compared with those before it by a 32-bit hash. Small objects are searched
 * along, with a hash of a few bytes; an object above SMALL_MAX gets a table, with the keyed hash of
 * the whole name, so that nobody can choose names that collide. */
#include "json/reader.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/scan.h"

enum { SMALL_MAX = 24, TABLE_MIN = 64 };

struct json_names {
    uint32_t mask;
    uint16_t slots[]; /* 1 + number of the name in its object; 0: free */
};

void json_reader_init(struct json_reader *r, struct str text, struct arena *arena,
                      int32_t depth_max)
{
    ASSERT(depth_max >= 1 && depth_max <= JSON_DEPTH_MAX);
    r->p = r->start = text.p ? text.p : "";
    r->end = r->p + text.n;
    r->arena = arena;
    r->depth = 0;
    r->depth_max = depth_max;
    r->err = ERR_OK;
    r->reason = NULL;
    r->error_at = 0;
    r->expect_value = true;
    r->snake_names = false;
    r->allow_duplicates = false;
    r->is_object = r->has_item = 0;
    r->seen = r->seen_inline;
    r->seen_n = 0;
    r->seen_room = JSON_SEEN_INLINE;
    r->spare = NULL;
}

static bool fail(struct json_reader *r, enum err e, const char *at, const char *reason)
{
    if (r->err == ERR_OK) {
        r->err = e;
        r->error_at = (size_t)(at - r->start);
        r->reason = reason;
    }
    return false;
}

static bool broken(struct json_reader *r, const char *reason)
{
    return fail(r, ERR_SYNTAX, r->p, reason);
}

static void skip_blanks(struct json_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
}

static uint64_t level(const struct json_reader *r)
{
    return UINT64_C(1) << (r->depth - 1);
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t v = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);

        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

/* p stands on a backslash: the length of the escape (a pair counts as one) and what it means; 0
 * when it is none. */
static size_t escape(const char *p, const char *end, uint32_t *ret_char)
{
    static const char meaning[128] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                      ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

    if (end - p < 2)
        return 0;
    if (p[1] != 'u') {
        *ret_char = (unsigned char)p[1] < 128 ? (unsigned char)meaning[(unsigned char)p[1]] : 0;
        return *ret_char ? 2 : 0;
    }
    int32_t high = hex4(p + 2, end), low;

    if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
        return 0;
    *ret_char = (uint32_t)high;
    if (high < 0xd800 || high > 0xdfff)
        return 6;
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u')
        return 0;
    low = hex4(p + 8, end);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *ret_char = 0x10000u + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    return 12;
}

/* Reads the string at p, which is a quote; checks all of it. *ret is the text between the quotes.
 */
static bool scan_string(struct json_reader *r, struct str *ret, bool *ret_escaped)
{
    const char *from = r->p + 1, *p = from, *end = r->end;
    uint32_t c;

    *ret_escaped = false;
    for (;;) {
        p = scan_plain(p, end);
        if (p == end)
            return fail(r, ERR_SYNTAX, r->p, "the string does not end");
        if (*p == '"')
            break;
        size_t n;

        if (*p == '\\') {
            n = escape(p, end, &c);
            *ret_escaped = true;
            if (n == 0)
                return fail(r, ERR_SYNTAX, p, "not an escape");
        } else if ((unsigned char)*p < 0x20) {
            return fail(r, ERR_SYNTAX, p, "a control character in a string");
        } else {
            n = utf8_length((struct str){p, (size_t)(end - p)});
            if (n == 0)
                return fail(r, ERR_SYNTAX, p, "not valid UTF-8");
        }
        p += n;
    }
    *ret = (struct str){from, (size_t)(p - from)};
    r->p = p + 1;
    return true;
}

static size_t put_utf8(char *at, uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        at[i] = (char)(0x80 | (c & 0x3f));
    at[0] = (char)(n == 1 ? c : first[n] | c);
    return n;
}

/* The text without its escapes, which are known to be good and are never shorter than their
 * meaning. */
static bool unescape(struct json_reader *r, struct str raw, struct str *ret)
{
    const char *p = raw.p, *end = raw.p + raw.n;
    char *out = arena_alloc(r->arena, raw.n, 1);
    size_t n = 0;

    if (!out)
        return fail(r, ERR_NOMEM, r->p, "out of memory");
    while (p < end) {
        const char *stop = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((stop ? stop : end) - p);
        uint32_t c = 0;

        memcpy(out + n, p, plain);
        n += plain, p += plain;
        if (!stop)
            break;
        p += escape(p, end, &c);
        n += put_utf8(out + n, c);
    }
    *ret = (struct str){out, n};
    return true;
}

/* ---- names ---- */

static uint32_t quick_hash(struct str s)
{
    uint64_t a = 0, b = 0;

    if (s.n >= 8) {
        memcpy(&a, s.p, 8);
        memcpy(&b, s.p + s.n - 8, 8);
    } else if (s.n >= 4) {
        memcpy(&a, s.p, 4);
        memcpy(&b, s.p + s.n - 4, 4);
    } else if (s.n) {
        a = (unsigned char)s.p[0] | (unsigned)(unsigned char)s.p[s.n / 2] << 8;
        b = (unsigned char)s.p[s.n - 1];
    }
    a = (a ^ s.n * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
    b = (b + (a >> 32)) * UINT64_C(0xa0761d6478bd642f);
    return (uint32_t)((a ^ b) >> 32);
}

static bool same(const struct json_seen *seen, uint32_t hash, struct str name)
{
    return seen->hash == hash && seen->n == name.n && memcmp(seen->p, name.p, name.n) == 0;
}

/* The slot that holds the name, or the free one where it belongs. */
static uint16_t *find_slot(const struct json_seen *names, struct json_names *t, uint32_t hash,
                           struct str name)
{
    for (uint32_t i = hash & t->mask;; i = (i + 1) & t->mask)
        if (t->slots[i] == 0 || same(&names[t->slots[i] - 1], hash, name))
            return &t->slots[i];
}

/* A table with room for one name more than the level has, holding those it has. */
static bool make_table(struct json_reader *r, uint32_t count)
{
    struct json_seen *names = r->seen + r->base[r->depth];
    struct json_names *t = r->spare, *old = r->index[r->depth];
    uint32_t size = TABLE_MIN;

    while (size < (count + 1) * 2)
        size *= 2;
    if (t && t->mask + 1 >= size) {
        r->spare = old;
        memset(t->slots, 0, (t->mask + 1) * sizeof t->slots[0]);
    } else {
        t = arena_alloc(r->arena, sizeof *t + size * sizeof t->slots[0],
                        _Alignof(struct json_names));
        if (!t)
            return fail(r, ERR_NOMEM, r->p, "out of memory");
        t->mask = size - 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct str name = {names[i].p, names[i].n};

        if (!old)
            names[i].hash = (uint32_t)hash_str(name);
        *find_slot(names, t, names[i].hash, name) = (uint16_t)(i + 1);
    }
    r->index[r->depth] = t;
    return true;
}

static bool seen_grow(struct json_reader *r)
{
    uint32_t room = r->seen_room * 2;
    struct json_seen *seen = arena_new(r->arena, struct json_seen, room);

    if (!seen)
        return fail(r, ERR_NOMEM, r->p, "out of memory");
    memcpy(seen, r->seen, r->seen_n * sizeof *seen);
    r->seen = seen;
    r->seen_room = room;
    return true;
}

/* Remembers the name. `at`: where it stands, for the error. */
static bool remember(struct json_reader *r, struct str name, const char *at)
{
    uint32_t count = r->seen_n - r->base[r->depth], hash;
    struct json_names *t = r->index[r->depth];

    if (name.n > UINT32_MAX || count >= JSON_MEMBERS_MAX)
        return fail(r, ERR_SYNTAX, at, "too many members in an object");
    if (r->seen_n == r->seen_room && !seen_grow(r))
        return false;
    struct json_seen *names = r->seen + r->base[r->depth];

    if (count < SMALL_MAX) {
        hash = quick_hash(name);
        for (uint32_t i = 0; i < count; i++)
            if (same(&names[i], hash, name))
                return fail(r, ERR_SYNTAX, at, "the name is there twice in one object");
    } else {
        if ((!t || (count + 1) * 2 > t->mask + 1) && !make_table(r, count))
            return false;
        hash = (uint32_t)hash_str(name);
        uint16_t *slot = find_slot(names, r->index[r->depth], hash, name);

        if (*slot)
            return fail(r, ERR_SYNTAX, at, "the name is there twice in one object");
        *slot = (uint16_t)(count + 1);
    }
    names[count] = (struct json_seen){.p = name.p, .n = (uint32_t)name.n, .hash = hash};
    r->seen_n++;
    return true;
}

/* ---- nesting ---- */

/* A value is due here; false after an error. Asking for one out of turn is our bug. */
static bool value_due(struct json_reader *r)
{
    if (r->err != ERR_OK)
        return false;
    ASSERT(r->expect_value);
    skip_blanks(r);
    return r->p < r->end || broken(r, r->depth ? "the text ends too early" : "there is no value");
}

static bool open_level(struct json_reader *r, bool object)
{
    if (r->depth == r->depth_max)
        return broken(r, "nested too deeply");
    r->p++;
    r->depth++;
    r->has_item &= ~level(r);
    r->is_object = object ? r->is_object | level(r) : r->is_object & ~level(r);
    r->base[r->depth] = r->seen_n;
    r->index[r->depth] = NULL;
    r->expect_value = false;
    return true;
}

static void close_level(struct json_reader *r)
{
    r->p++;
    r->seen_n = r->base[r->depth];
    if (r->index[r->depth])
        r->spare = r->index[r->depth];
    r->depth--;
}

enum json_type json_peek(struct json_reader *r)
{
    static const uint8_t types[256] = {
        ['n'] = JSON_NULL,  ['t'] = JSON_BOOL,   ['f'] = JSON_BOOL,           ['"'] = JSON_STRING,
        ['['] = JSON_ARRAY, ['{'] = JSON_OBJECT, ['0' ... '9'] = JSON_NUMBER, ['-'] = JSON_NUMBER,
    };

    if (!value_due(r))
        return JSON_NONE;
    enum json_type t = (enum json_type)types[(unsigned char)*r->p];

    if (t == JSON_NONE)
        broken(r, "not a value");
    return t;
}

static bool is_next(struct json_reader *r, enum json_type wanted, const char *reason)
{
    enum json_type t = json_peek(r);

    if (t == wanted)
        return true;
    return t == JSON_NONE ? false : fail(r, ERR_RANGE, r->p, reason);
}

bool json_object_begin(struct json_reader *r)
{
    return is_next(r, JSON_OBJECT, "must be an object") && open_level(r, true);
}

bool json_array_begin(struct json_reader *r)
{
    return is_next(r, JSON_ARRAY, "must be an array") && open_level(r, false);
}

/* Up to the next item or the end of the level, over the comma where one is due. */
static bool next(struct json_reader *r, char closing)
{
    if (r->err != ERR_OK)
        return false;
    ASSERT(r->depth > 0 && !r->expect_value);
    skip_blanks(r);
    if (r->p < r->end && *r->p == closing) {
        close_level(r);
        return false;
    }
    if (r->has_item & level(r)) {
        if (r->p == r->end || *r->p != ',')
            return broken(r, closing == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        r->p++;
        skip_blanks(r);
    }
    r->has_item |= level(r);
    return true;
}

bool json_next_item(struct json_reader *r)
{
    ASSERT(r->err != ERR_OK || !(r->is_object & level(r)));
    if (!next(r, ']'))
        return false;
    r->expect_value = true;
    return value_due(r); /* so that p stands on it */
}

bool json_next_member(struct json_reader *r, struct str *ret_name)
{
    struct str name;
    bool escaped;

    ASSERT(r->err != ERR_OK || (r->is_object & level(r)));
    if (!next(r, '}'))
        return false;
    const char *at = r->p;

    if (r->p == r->end || *r->p != '"')
        return broken(r, "expected a name");
    if (!scan_string(r, &name, &escaped) || (escaped && !unescape(r, name, &name)))
        return false;
    if (!r->allow_duplicates && !remember(r, name, at))
        return false;
    skip_blanks(r);
    if (r->p == r->end || *r->p != ':')
        return broken(r, "expected ':'");
    r->p++;
    r->expect_value = true;
    if (!value_due(r))
        return false;
    *ret_name = name;
    return true;
}

/* ---- values ---- */

bool json_read_str(struct json_reader *r, struct str *ret)
{
    struct str s;
    bool escaped;

    if (!is_next(r, JSON_STRING, "must be a string") || !scan_string(r, &s, &escaped) ||
        (escaped && !unescape(r, s, &s)))
        return false;
    r->expect_value = false;
    *ret = s;
    return true;
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && (unsigned char)(*p - '0') <= 9)
        p++;
    return p;
}

/* Reads a number by the grammar. *ret_plain: digits only, at most 18, perhaps a minus sign. */
static bool scan_number(struct json_reader *r, struct str *ret, bool *ret_plain)
{
    const char *from = r->p, *end = r->end, *p = from + (*from == '-'), *whole = p, *mark;

    p = digits(p, end);
    if (p == whole)
        return fail(r, ERR_SYNTAX, p, "expected a digit");
    if (*whole == '0' && p - whole > 1)
        return fail(r, ERR_SYNTAX, from, "a number must not start with 0");
    *ret_plain = p - whole <= 18;
    bool large = p - whole > 300;

    if (p < end && *p == '.') {
        *ret_plain = false;
        mark = ++p;
        p = digits(p, end);
        if (p == mark)
            return fail(r, ERR_SYNTAX, p, "expected a digit");
    }
    if (p < end && (*p | 0x20) == 'e') {
        *ret_plain = false;
        large = true;
        p++;
        p += p < end && (*p == '+' || *p == '-');
        mark = p;
        p = digits(p, end);
        if (p == mark)
            return fail(r, ERR_SYNTAX, p, "expected a digit");
    }
    *ret = (struct str){from, (size_t)(p - from)};
    double v;

    if (ret->n > NUM_PARSE_MAX || (large && num_parse_f64(*ret, &v) != ERR_OK))
        return fail(r, ERR_SYNTAX, from, "the number is too large");
    r->p = p;
    return true;
}

static int64_t plain_value(struct str s)
{
    bool negative = s.p[0] == '-';
    int64_t v = 0;

    for (size_t i = negative; i < s.n; i++)
        v = v * 10 + (s.p[i] - '0');
    return negative ? -v : v;
}

bool json_read_f64(struct json_reader *r, double *ret)
{
    struct str s;
    bool plain;

    if (!is_next(r, JSON_NUMBER, "must be a number") || !scan_number(r, &s, &plain))
        return false;
    double v = 0;

    if (plain && s.n <= 15 && s.p[0] != '-') /* "-0" keeps its sign below */
        v = (double)plain_value(s);
    else if (num_parse_f64(s, &v) != ERR_OK)
        return fail(r, ERR_SYNTAX, s.p, "the number is too large");
    r->expect_value = false;
    *ret = v;
    return true;
}

bool json_read_i64(struct json_reader *r, int64_t *ret)
{
    struct str s;
    bool plain;
    int64_t v;

    if (!is_next(r, JSON_NUMBER, "must be an integer") || !scan_number(r, &s, &plain))
        return false;
    if (plain)
        v = plain_value(s);
    else if (num_parse_i64(s, &v) != ERR_OK)
        return fail(r, ERR_RANGE, s.p, "must be an integer of 64 bits");
    r->expect_value = false;
    *ret = v;
    return true;
}

static bool scan_word(struct json_reader *r, struct str word)
{
    if (!str_starts((struct str){r->p, (size_t)(r->end - r->p)}, word))
        return broken(r, "not a value");
    r->p += word.n;
    r->expect_value = false;
    return true;
}

bool json_read_bool(struct json_reader *r, bool *ret)
{
    if (!is_next(r, JSON_BOOL, "must be true or false"))
        return false;
    bool v = *r->p == 't';

    if (!scan_word(r, v ? STR("true") : STR("false")))
        return false;
    *ret = v;
    return true;
}

bool json_read_null(struct json_reader *r)
{
    return is_next(r, JSON_NULL, "must be null") && scan_word(r, STR("null"));
}

/* Reads a scalar, or enters an object or array. */
static bool skip_or_enter(struct json_reader *r)
{
    struct str unused;
    bool flag;

    switch (json_peek(r)) {
    case JSON_OBJECT:
        return open_level(r, true);
    case JSON_ARRAY:
        return open_level(r, false);
    case JSON_STRING:
        r->expect_value = false;
        return scan_string(r, &unused, &flag);
    case JSON_NUMBER:
        r->expect_value = false;
        return scan_number(r, &unused, &flag);
    case JSON_BOOL:
        return json_read_bool(r, &flag);
    case JSON_NULL:
        return json_read_null(r);
    case JSON_NONE:
        break;
    }
    return false;
}

bool json_skip(struct json_reader *r, struct str *ret_raw)
{
    int32_t outside = r->depth;
    const char *from = r->p;
    struct str name;

    if (!value_due(r))
        return false;
    from = r->p;
    do {
        if (!skip_or_enter(r))
            return false;
        /* Climb out of what has ended, to the next value inside. */
        while (r->depth > outside &&
               !((r->is_object & level(r)) ? json_next_member(r, &name) : json_next_item(r)))
            if (r->err != ERR_OK)
                return false;
    } while (r->depth > outside);
    if (ret_raw)
        *ret_raw = (struct str){from, (size_t)(r->p - from)};
    return true;
}

enum err json_end(struct json_reader *r)
{
    if (r->err != ERR_OK)
        return r->err;
    if (r->depth > 0 || r->expect_value)
        broken(r, "the value was not read to its end");
    skip_blanks(r);
    if (r->p < r->end)
        broken(r, "something follows the value");
    return r->err;
}
