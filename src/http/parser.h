/* parser - the head of an HTTP/1.1 request, and chunked framing. RFC 9112, read strictly.
 *
 * Pure: bytes in, findings out; no clock, no I/O. A head may arrive in pieces: the caller keeps the
 * bytes together and calls again with more of them; what was read once is not read again. The same
 * bytes give the same result however they were split (the fuzzer holds us to it). */
#pragma once
#include "http/http.h"

enum {
    HTTP_CHUNK_LINE_MAX = 256,    /* chunk size with extensions */
    HTTP_TRAILER_BYTES_MAX = 4096 /* all trailer lines */
};

enum http_parse { HTTP_PARSE_MORE, HTTP_PARSE_DONE, HTTP_PARSE_REFUSED };

/* Places within the head. */
struct http_span {
    uint32_t at, n;
};
struct http_field {
    struct http_span name, value;
};

struct http_parser_limits {
    uint32_t head_bytes_max, header_count_max, url_bytes_max;
};

struct http_parser {
    struct http_parser_limits limits;
    struct http_field *fields; /* owned; kept by http_parser_clear() */
    int32_t field_count, field_cap;

    uint32_t line_at; /* the line under way */
    uint32_t scan_at; /* searched for its end up to here */
    bool has_request_line;
    uint32_t head_n; /* with the empty line; when done */

    /* Request line. */
    int32_t method; /* enum http_method, or HTTP_METHOD_COUNT: a name we do not know */
    int32_t minor;  /* HTTP/1.minor: 0 or 1 */
    struct http_span target, path_raw, query;
    struct http_span authority; /* of an absolute-form target */
    bool has_query, is_asterisk, is_absolute;

    /* What the fields said. */
    int32_t host, id,
        traceparent;        /* index of the field; -1: absent (or, for the last two, repeated) */
    int64_t content_length; /* -1: none */
    bool chunked, gzip;
    bool says_close, says_keep_alive, expects_continue;
    bool keep_alive; /* after version and Connection */

    enum err why; /* when refused */
    const char *detail;
};

void http_parser_init(struct http_parser *p, const struct http_parser_limits *limits);
void http_parser_fini(struct http_parser *p);
void http_parser_clear(struct http_parser *p); /* for the next head */

/* base[0..n) is all that came since the head began; it may have moved since the last call, but its
 * earlier bytes may not have changed. DONE: p->head_n bytes belong to the head. REFUSED: p->why. */
enum http_parse http_parse_head(struct http_parser *p, const char *base, size_t n);

static inline struct str http_span_str(const char *base, struct http_span s)
{
    return (struct str){base + s.at, s.n};
}

/* Undoes percent-encoding and removes "." and ".." segments; out has room for raw.n bytes.
 * ERR_BAD_REQUEST: a malformed escape, an encoded '/', NUL or control byte, or invalid UTF-8. */
MUST_CHECK enum err http_path_decode(struct str raw, char *out, size_t *ret_n);

/* The transfer coding "chunked". Zeroed is ready. */
struct http_chunks {
    uint64_t left; /* of this chunk's data */
    uint32_t line_n, trailer_n;
    uint8_t state, digits;
    const char *detail; /* when refused */
};

/* Reads from p[0..n): at most one run of data, *ret_data, which points into p. *ret_used bytes were
 * consumed. MORE with *ret_used < n: call again with the rest. DONE: the body is complete. */
enum http_parse http_chunks_read(struct http_chunks *c, const char *p, size_t n, size_t *ret_used,
                                 struct str *ret_data);

/* Small checks, also used elsewhere. */
bool http_is_token(struct str s);
bool http_is_plain_id(struct str s);    /* [A-Za-z0-9._-]{1,64} */
bool http_is_traceparent(struct str s); /* W3C Trace Context, level 1 */
