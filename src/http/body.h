/* body - what follows a head: framing and gzip undone, every size bounded.
 *
 * Pure like the parser. Compressed bodies are inflated as they arrive, so that a bomb is refused at
 * the bound and the work is spread over the reads. */
#pragma once
#include "http/parser.h"

enum { HTTP_BODY_DROP_MAX = 64 * 1024 }; /* bytes of a body nobody asked for */

struct http_body {
    bool chunked, drop, done;
    int64_t left;          /* of Content-Length */
    size_t received, seen; /* bytes on the wire without framing; bytes decoded */
    size_t max;            /* bound of both */
    struct http_chunks chunks;
    struct z_stream_s *gzip; /* NULL: not compressed */
    bool gzip_ended;         /* at the end of a member */
    struct buf *out;

    enum err why; /* when refused */
    const char *detail;
};

static inline bool http_has_body(const struct http_parser *p)
{
    return p->chunked || p->content_length > 0;
}

/* Bytes go to `out`, at most max of them (its own maximum must be above that); with `drop` they go
 * nowhere. REFUSED: b->why is ERR_TOO_LARGE at once when the length is known. DONE: there is no
 * body. */
enum http_parse http_body_begin(struct http_body *b, const struct http_parser *p, size_t max,
                                bool drop, struct buf *out);
/* Consumes *ret_used of p[0..n). REFUSED: ERR_BAD_REQUEST, ERR_TOO_LARGE or ERR_NOMEM. */
enum http_parse http_body_read(struct http_body *b, const char *p, size_t n, size_t *ret_used);
void http_body_end(struct http_body *b); /* zeroed is fine */
