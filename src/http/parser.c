#include "http/parser.h"

#include "base/assert.h"

#include <stdlib.h>

/* Classes of bytes. */
enum {
    C_TOKEN = 1,  /* RFC 9110 tchar */
    C_TARGET = 2, /* may stand in a request target */
    C_VALUE = 4,  /* may stand in a field value */
    C_HEX = 8,
    C_ID = 16, /* in a request id */
    C_HOST = 32,
};

/* Targets: RFC 3986, and what browsers leave bare all the same: [ ] { } | ^ ` */
#define PUNCT_TARGET "-._~!$&'()*+,;=:@/?%[]{}|^`"
#define PUNCT_TOKEN "!#$%&'*+-.^_`|~"
#define PUNCT_HOST "-._~!$&'()*+,;=%:[]"

static uint8_t classes[256]; /* filled once, before main(): the sets above stay readable */

__attribute__((constructor)) static void fill_classes(void)
{
    for (int c = 0; c < 256; c++) {
        bool digit = c >= '0' && c <= '9';
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        int set = 0;
        if (digit || letter)
            set |= C_TOKEN | C_TARGET | C_ID | C_HOST;
        if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            set |= C_HEX;
        if (c && strchr(PUNCT_TARGET, c))
            set |= C_TARGET;
        if (c && strchr(PUNCT_TOKEN, c))
            set |= C_TOKEN;
        if (c && strchr(PUNCT_HOST, c))
            set |= C_HOST;
        if (c && strchr("._-", c))
            set |= C_ID;
        if ((c >= 0x20 && c != 0x7f) || c == '\t')
            set |= C_VALUE;
        classes[c] = (uint8_t)set;
    }
}

static inline bool is(char c, int set)
{
    return classes[(unsigned char)c] & set;
}

static bool all(struct str s, int set)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is(s.p[i], set))
            return false;
    return true;
}

/* Does a byte of the eight lie below ' ', or is one DEL? A tab is such a one, too. */
static inline bool has_control(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t x;

    memcpy(&x, p, sizeof x);
    uint64_t del = x ^ ones * 0x7f;
    return (((x - ones * ' ') & ~x) | ((del - ones) & ~del)) & tops;
}

/* all(s, C_VALUE), eight bytes at once: values are most of a head. */
static bool is_value(struct str s)
{
    while (s.n >= 8 && !has_control(s.p))
        s = (struct str){s.p + 8, s.n - 8};
    return all(s, C_VALUE);
}

bool http_is_token(struct str s)
{
    return s.n > 0 && all(s, C_TOKEN);
}

bool http_is_plain_id(struct str s)
{
    return s.n >= 1 && s.n <= 64 && all(s, C_ID);
}

static bool is_lower_hex(struct str s)
{
    bool any = false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is(s.p[i], C_HEX) || (s.p[i] >= 'A' && s.p[i] <= 'F'))
            return false;
        any |= s.p[i] != '0';
    }
    return any;
}

/* 00-<32 hex>-<16 hex>-<2 hex>; ids of zeros only are invalid, and so is version ff. A version
 * above 00 may carry more after another dash. */
bool http_is_traceparent(struct str s)
{
    if (s.n < 55 || s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-')
        return false;
    struct str version = {s.p, 2}, flags = {s.p + 53, 2};
    bool first = str_eq(version, STR("00"));
    if (!first && (!is_lower_hex(version) || str_eq(version, STR("ff"))))
        return false;
    if (s.n > 55 && (first || s.p[55] != '-'))
        return false;
    return is_lower_hex((struct str){s.p + 3, 32}) && is_lower_hex((struct str){s.p + 36, 16}) &&
           (is_lower_hex(flags) || str_eq(flags, STR("00")));
}

void http_parser_init(struct http_parser *p, const struct http_parser_limits *limits)
{
    *p = (struct http_parser){.limits = *limits};
    http_parser_clear(p);
}

void http_parser_fini(struct http_parser *p)
{
    free(p->fields);
    p->fields = NULL;
    p->field_count = p->field_cap = 0;
}

void http_parser_clear(struct http_parser *p)
{
    *p = (struct http_parser){
        .limits = p->limits,
        .fields = p->fields,
        .field_cap = p->field_cap,
        .method = HTTP_METHOD_COUNT,
        .content_length = -1,
        .host = -1,
        .id = -1,
        .traceparent = -1,
    };
}

static enum http_parse refuse(struct http_parser *p, enum err why, const char *detail)
{
    p->why = why;
    p->detail = detail;
    return HTTP_PARSE_REFUSED;
}

static enum http_parse bad(struct http_parser *p, const char *detail)
{
    return refuse(p, ERR_BAD_REQUEST, detail);
}

static int32_t method_of(struct str s)
{
    for (int m = 0; m < HTTP_METHOD_COUNT; m++)
        if (str_eq(s, str_from(http_method_name((enum http_method)m))))
            return m;
    return HTTP_METHOD_COUNT;
}

/* host [":" port]; a bracket only around an IPv6 address. May be empty (RFC 9112 3.2). */
static bool is_host(struct str s)
{
    if (!all(s, C_HOST))
        return false;
    size_t i = 0;
    if (s.n && s.p[0] == '[') {
        while (i < s.n && s.p[i] != ']')
            i++;
        if (i < 3 || i == s.n)
            return false;
        i++;
    } else {
        while (i < s.n && s.p[i] != ':') {
            if (s.p[i] == '[' || s.p[i] == ']')
                return false;
            i++;
        }
    }
    if (i == s.n)
        return true;
    if (s.p[i++] != ':' || s.n - i > 5)
        return false;
    for (; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

static enum http_parse parse_target(struct http_parser *p, const char *base, struct http_span t)
{
    struct str s = http_span_str(base, t);
    uint32_t path_at = t.at, end = t.at + t.n;

    p->target = t;
    if (!all(s, C_TARGET))
        return bad(p, "the target has bytes that must be percent-encoded");
    if (str_eq(s, STR("*"))) {
        p->is_asterisk = true;
        p->path_raw = t;
        return HTTP_PARSE_MORE;
    }
    if (s.p[0] != '/') {
        struct str scheme = {s.p, s.n < 8 ? s.n : 8};
        size_t skip = str_eq_nocase(scheme, STR("https://")) ? 8 : 7;
        if (skip == 7 && (s.n < 7 || !str_eq_nocase((struct str){s.p, 7}, STR("http://"))))
            return bad(p, "the target is neither a path nor an http address");
        uint32_t host_at = t.at + (uint32_t)skip;
        for (path_at = host_at; path_at < end && base[path_at] != '/' && base[path_at] != '?';)
            path_at++;
        p->is_absolute = true;
        p->authority = (struct http_span){host_at, path_at - host_at};
        if (p->authority.n == 0 || !is_host(http_span_str(base, p->authority)))
            return bad(p, "the target's host is malformed");
    }
    const char *mark = memchr(base + path_at, '?', end - path_at);
    uint32_t path_end = mark ? (uint32_t)(mark - base) : end;
    p->path_raw = (struct http_span){path_at, path_end - path_at};
    if (mark) {
        p->has_query = true;
        p->query = (struct http_span){path_end + 1, end - path_end - 1};
    }
    return HTTP_PARSE_MORE;
}

/* "HTTP/" DIGIT "." DIGIT, in capitals. */
static enum http_parse parse_version(struct http_parser *p, struct str s)
{
    if (s.n != 8 || memcmp(s.p, "HTTP/", 5) != 0 || s.p[5] < '0' || s.p[5] > '9' || s.p[6] != '.' ||
        s.p[7] < '0' || s.p[7] > '9')
        return bad(p, "the request line is malformed");
    if (s.p[5] != '1' || s.p[7] > '1')
        return refuse(p, ERR_VERSION, "HTTP/1.1 and HTTP/1.0 are spoken here");
    p->minor = s.p[7] - '0';
    return HTTP_PARSE_MORE;
}

static enum http_parse parse_request_line(struct http_parser *p, const char *base,
                                          struct http_span line)
{
    const char *s = base + line.at, *end = s + line.n;
    const char *a = memchr(s, ' ', line.n);
    const char *b = a ? memchr(a + 1, ' ', (size_t)(end - a - 1)) : NULL;

    if (!a || !b || a == s || b == a + 1)
        return bad(p, "the request line is malformed");
    struct str method = {s, (size_t)(a - s)};
    if (!http_is_token(method))
        return bad(p, "the method is malformed");
    enum http_parse r = parse_version(p, (struct str){b + 1, (size_t)(end - b - 1)});
    if (r == HTTP_PARSE_REFUSED)
        return r;
    struct http_span target = {(uint32_t)(a + 1 - base), (uint32_t)(b - a - 1)};
    p->method = method_of(method);
    if (p->method == HTTP_METHOD_COUNT)
        return refuse(p, ERR_NOT_IMPLEMENTED, "the method is not known");
    r = parse_target(p, base, target);
    if (r != HTTP_PARSE_REFUSED && p->is_asterisk && p->method != HTTP_OPTIONS)
        return bad(p, "only OPTIONS takes the target *");
    return r;
}

static enum http_parse on_content_length(struct http_parser *p, struct str v)
{
    if (p->content_length >= 0)
        return bad(p, "Content-Length is repeated");
    if (v.n == 0 || v.n > 18)
        return bad(p, "Content-Length is malformed");
    int64_t n = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return bad(p, "Content-Length is malformed");
        n = n * 10 + (v.p[i] - '0');
    }
    p->content_length = n;
    return HTTP_PARSE_MORE;
}

static void on_connection(struct http_parser *p, struct str v)
{
    while (v.p) {
        struct str token = str_trim(str_cut(&v, ','));
        p->says_close |= str_eq_nocase(token, STR("close"));
        p->says_keep_alive |= str_eq_nocase(token, STR("keep-alive"));
    }
}

static enum http_parse on_content_encoding(struct http_parser *p, struct str v)
{
    if (str_eq_nocase(v, STR("identity")) || v.n == 0)
        return HTTP_PARSE_MORE;
    if (p->gzip || !(str_eq_nocase(v, STR("gzip")) || str_eq_nocase(v, STR("x-gzip"))))
        return refuse(p, ERR_MEDIA_TYPE, "the only content coding accepted is gzip");
    p->gzip = true;
    return HTTP_PARSE_MORE;
}

/* The fields that the server itself needs; told apart by length first. */
static enum http_parse note_field(struct http_parser *p, int32_t index, struct str name,
                                  struct str v)
{
    switch (name.n) {
    case 4:
        if (str_eq_nocase(name, STR("host"))) {
            if (p->host >= 0)
                return bad(p, "Host is repeated");
            if (!is_host(v))
                return bad(p, "Host is malformed");
            p->host = index;
        }
        break;
    case 6:
        if (str_eq_nocase(name, STR("expect")) && p->minor >= 1) {
            if (!str_eq_nocase(v, STR("100-continue")))
                return refuse(p, ERR_EXPECTATION, "the only expectation met is 100-continue");
            p->expects_continue = true;
        }
        break;
    case 10:
        if (str_eq_nocase(name, STR("connection")))
            on_connection(p, v);
        break;
    case 11:
        if (str_eq_nocase(name, STR("traceparent")))
            p->traceparent = p->traceparent == -1 ? index : -2;
        break;
    case 12:
        if (str_eq_nocase(name, STR("x-request-id")))
            p->id = p->id == -1 ? index : -2;
        break;
    case 14:
        if (str_eq_nocase(name, STR("content-length")))
            return on_content_length(p, v);
        break;
    case 16:
        if (str_eq_nocase(name, STR("content-encoding")))
            return on_content_encoding(p, v);
        break;
    case 17:
        if (str_eq_nocase(name, STR("transfer-encoding"))) {
            if (p->chunked || !str_eq_nocase(v, STR("chunked")))
                return bad(p, "the only transfer coding accepted is chunked, once");
            p->chunked = true;
        }
        break;
    default:
        break;
    }
    return HTTP_PARSE_MORE;
}

static enum http_parse add_field(struct http_parser *p, const struct http_field *f)
{
    if ((uint32_t)p->field_count >= p->limits.header_count_max)
        return refuse(p, ERR_HEADERS_TOO_LARGE, "there are too many header fields");
    if (p->field_count == p->field_cap) {
        int32_t cap = p->field_cap ? p->field_cap * 2 : 16;
        struct http_field *fields = realloc(p->fields, (size_t)cap * sizeof *fields);
        if (!fields)
            return refuse(p, ERR_NOMEM, "out of memory");
        p->fields = fields;
        p->field_cap = cap;
    }
    p->fields[p->field_count++] = *f;
    return HTTP_PARSE_MORE;
}

static enum http_parse parse_field(struct http_parser *p, const char *base, struct http_span line)
{
    const char *s = base + line.at;
    uint32_t i = 0, end = line.n;

    if (s[0] == ' ' || s[0] == '\t')
        return bad(p, "a header field is folded");
    while (i < line.n && is(s[i], C_TOKEN))
        i++;
    if (i == 0 || i == line.n || s[i] != ':')
        return bad(p, "a header field's name is malformed");
    uint32_t name_n = i++;
    while (i < end && (s[i] == ' ' || s[i] == '\t'))
        i++;
    while (end > i && (s[end - 1] == ' ' || s[end - 1] == '\t'))
        end--;
    struct http_field f = {{line.at, name_n}, {line.at + i, end - i}};
    struct str value = http_span_str(base, f.value);
    if (!is_value(value))
        return bad(p, "a header field's value has control bytes");
    enum http_parse r = add_field(p, &f);
    if (r == HTTP_PARSE_REFUSED)
        return r;
    return note_field(p, p->field_count - 1, http_span_str(base, f.name), value);
}

/* What can be judged only when all fields are known. */
static enum http_parse finish_head(struct http_parser *p, const char *base)
{
    if (p->minor >= 1 && p->host < 0)
        return bad(p, "Host is missing");
    if (p->is_absolute && p->host >= 0 &&
        !str_eq_nocase(http_span_str(base, p->authority),
                       http_span_str(base, p->fields[p->host].value)))
        return bad(p, "Host and the target disagree");
    if (p->chunked && p->content_length >= 0)
        return bad(p, "Content-Length and Transfer-Encoding exclude each other");
    if (p->chunked && p->minor == 0)
        return bad(p, "HTTP/1.0 has no transfer codings");
    p->keep_alive = !p->says_close && (p->minor >= 1 || p->says_keep_alive);
    return HTTP_PARSE_DONE;
}

static enum http_parse parse_line(struct http_parser *p, const char *base, struct http_span line)
{
    if (!p->has_request_line) {
        if (line.n == 0) /* one empty line before a request is forgiven: RFC 9112 2.2 */
            return line.at == 0 ? HTTP_PARSE_MORE : bad(p, "the request line is missing");
        p->has_request_line = true;
        return parse_request_line(p, base, line);
    }
    return line.n == 0 ? finish_head(p, base) : parse_field(p, base, line);
}

/* Of the line in base[p->line_at..n), ended or not. Judged before anything else about a request
 * line, so that the way in which it was split does not show. */
static bool is_target_too_long(const struct http_parser *p, const char *base, size_t n)
{
    if (p->has_request_line)
        return false;
    const char *line = base + p->line_at, *end = base + n;
    const char *a = memchr(line, ' ', n - p->line_at);
    const char *b = a ? memchr(a + 1, ' ', (size_t)(end - a - 1)) : NULL;
    return a && (size_t)((b ? b : end) - a - 1) > p->limits.url_bytes_max;
}

enum http_parse http_parse_head(struct http_parser *p, const char *base, size_t n)
{
    ASSERT(n >= p->scan_at);
    size_t seen = n < p->limits.head_bytes_max ? n : p->limits.head_bytes_max;

    for (;;) {
        const char *lf = memchr(base + p->scan_at, '\n', seen - p->scan_at);
        if (!lf) {
            p->scan_at = (uint32_t)seen;
            if (is_target_too_long(p, base, seen))
                return refuse(p, ERR_URI_TOO_LONG, "the target is too long");
            if (seen >= p->limits.head_bytes_max)
                return refuse(p, ERR_HEADERS_TOO_LARGE, "the head is too large");
            return HTTP_PARSE_MORE;
        }
        uint32_t end = (uint32_t)(lf - base);
        if (is_target_too_long(p, base, end))
            return refuse(p, ERR_URI_TOO_LONG, "the target is too long");
        if (end == p->line_at || base[end - 1] != '\r')
            return bad(p, "a line ends in a bare LF");
        struct http_span line = {p->line_at, end - 1 - p->line_at};
        enum http_parse r = parse_line(p, base, line);
        if (r == HTTP_PARSE_REFUSED)
            return r;
        p->line_at = p->scan_at = end + 1;
        if (r == HTTP_PARSE_DONE) {
            p->head_n = p->line_at;
            return r;
        }
    }
}

static int hex(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* RFC 3986 5.2.4 on a decoded path: out is a list of segments, each with its leading '/'. */
static size_t drop_dots(char *p, size_t n)
{
    size_t w = 0, r = 0;
    while (r < n) {
        size_t end = r + 1;
        while (end < n && p[end] != '/')
            end++;
        struct str segment = {p + r + 1, end - r - 1};
        bool last = end == n;
        if (str_eq(segment, STR("..")) || str_eq(segment, STR("."))) {
            if (segment.n == 2)
                while (w > 0 && p[--w] != '/')
                    ;
            if (last)
                p[w++] = '/';
        } else {
            memmove(p + w, p + r, end - r);
            w += end - r;
        }
        r = end;
    }
    return w;
}

enum err http_path_decode(struct str raw, char *out, size_t *ret_n)
{
    size_t n = 0;
    bool dots = false;

    ASSERT(raw.n > 0 && raw.p[0] == '/');
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        if (c == '%') {
            if (raw.n - i < 3 || !is(raw.p[i + 1], C_HEX) || !is(raw.p[i + 2], C_HEX))
                return ERR_BAD_REQUEST;
            c = (char)(hex(raw.p[i + 1]) << 4 | hex(raw.p[i + 2]));
            i += 2;
            if (c == '/' || (unsigned char)c < 0x20 || c == 0x7f)
                return ERR_BAD_REQUEST;
        }
        dots |= c == '.' && n > 0 && out[n - 1] == '/';
        out[n++] = c;
    }
    if (!utf8_valid((struct str){out, n}))
        return ERR_BAD_REQUEST;
    *ret_n = dots ? drop_dots(out, n) : n;
    return ERR_OK;
}

enum {
    CHUNK_SIZE,
    CHUNK_EXT,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    TRAILER_END_LF,
    CHUNK_DONE
};

static enum http_parse chunk_bad(struct http_chunks *c, const char *detail)
{
    c->detail = detail;
    return HTTP_PARSE_REFUSED;
}

static enum http_parse chunk_size(struct http_chunks *c, char b)
{
    if (is(b, C_HEX)) {
        if (c->digits == 15) /* 2^60: far above any body that is accepted */
            return chunk_bad(c, "a chunk size is too large");
        c->digits++;
        c->left = c->left << 4 | (uint64_t)hex(b);
        return HTTP_PARSE_MORE;
    }
    if (c->digits == 0 || (b != ';' && b != '\r'))
        return chunk_bad(c, "a chunk size is malformed");
    c->state = b == ';' ? CHUNK_EXT : CHUNK_SIZE_LF;
    c->line_n = 0;
    return HTTP_PARSE_MORE;
}

static enum http_parse trailer(struct http_chunks *c, char b)
{
    if (++c->trailer_n > HTTP_TRAILER_BYTES_MAX)
        return chunk_bad(c, "the trailer is too large");
    switch (c->state) {
    case TRAILER_START:
        c->state = b == '\r' ? TRAILER_END_LF : TRAILER_NAME;
        return b == '\r' || is(b, C_TOKEN) ? HTTP_PARSE_MORE
                                           : chunk_bad(c, "a trailer field is malformed");
    case TRAILER_NAME:
        if (b == ':')
            c->state = TRAILER_VALUE;
        else if (!is(b, C_TOKEN))
            return chunk_bad(c, "a trailer field is malformed");
        return HTTP_PARSE_MORE;
    case TRAILER_VALUE:
        if (b == '\r')
            c->state = TRAILER_LF;
        else if (!is(b, C_VALUE))
            return chunk_bad(c, "a trailer field is malformed");
        return HTTP_PARSE_MORE;
    default: /* TRAILER_LF, TRAILER_END_LF */
        if (b != '\n')
            return chunk_bad(c, "a trailer line ends in a bare CR");
        if (c->state == TRAILER_END_LF) {
            c->state = CHUNK_DONE;
            return HTTP_PARSE_DONE;
        }
        c->state = TRAILER_START;
        return HTTP_PARSE_MORE;
    }
}

static enum http_parse chunk_byte(struct http_chunks *c, char b)
{
    switch (c->state) {
    case CHUNK_SIZE:
        return chunk_size(c, b);
    case CHUNK_EXT: /* extensions are ignored, as RFC 9112 7.1.1 asks, but not without end */
        if (b == '\r')
            c->state = CHUNK_SIZE_LF;
        else if (!is(b, C_VALUE) || ++c->line_n > HTTP_CHUNK_LINE_MAX)
            return chunk_bad(c, "a chunk extension is malformed or too long");
        return HTTP_PARSE_MORE;
    case CHUNK_SIZE_LF:
        if (b != '\n')
            return chunk_bad(c, "a chunk size is malformed");
        c->state = c->left ? CHUNK_DATA : TRAILER_START;
        c->digits = 0;
        return HTTP_PARSE_MORE;
    case CHUNK_DATA_CR:
        c->state = CHUNK_DATA_LF;
        return b == '\r' ? HTTP_PARSE_MORE : chunk_bad(c, "a chunk is longer than its size");
    case CHUNK_DATA_LF:
        c->state = CHUNK_SIZE;
        return b == '\n' ? HTTP_PARSE_MORE : chunk_bad(c, "a chunk is longer than its size");
    default:
        return trailer(c, b);
    }
}

enum http_parse http_chunks_read(struct http_chunks *c, const char *p, size_t n, size_t *ret_used,
                                 struct str *ret_data)
{
    *ret_data = (struct str){p, 0};
    for (size_t i = 0; i < n; i++) {
        if (c->state == CHUNK_DATA) {
            size_t take = n - i < c->left ? n - i : (size_t)c->left;
            *ret_data = (struct str){p + i, take};
            *ret_used = i + take;
            c->left -= take;
            if (c->left == 0)
                c->state = CHUNK_DATA_CR;
            return HTTP_PARSE_MORE;
        }
        enum http_parse r = chunk_byte(c, p[i]);
        if (r != HTTP_PARSE_MORE) {
            *ret_used = i + 1;
            return r;
        }
    }
    *ret_used = n;
    return HTTP_PARSE_MORE;
}
