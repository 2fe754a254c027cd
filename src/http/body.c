#include "http/body.h"

#include "base/assert.h"

#include <stdlib.h>
#include <zlib.h>

enum { INFLATE_STEP = 16 * 1024, GZIP_WINDOW = 15 + 16 };

static enum http_parse refuse(struct http_body *b, enum err why, const char *detail)
{
    b->why = why;
    b->detail = detail;
    return HTTP_PARSE_REFUSED;
}

static enum http_parse too_large(struct http_body *b)
{
    return refuse(b, ERR_TOO_LARGE, "the body is larger than this endpoint accepts");
}

enum http_parse http_body_begin(struct http_body *b, const struct http_parser *p, size_t max,
                                bool drop, struct buf *out)
{
    *b = (struct http_body){
        .chunked = p->chunked,
        .left = p->chunked ? 0 : p->content_length,
        .max = max,
        .drop = drop,
        .out = out,
    };
    if (!http_has_body(p)) {
        b->done = true;
        if (p->gzip && p->content_length == 0)
            return refuse(b, ERR_BAD_REQUEST, "the body is not gzip");
        return HTTP_PARSE_DONE;
    }
    if (!b->chunked && (uint64_t)b->left > max)
        return too_large(b);
    if (p->gzip && !drop) {
        b->gzip = calloc(1, sizeof *b->gzip);
        if (!b->gzip)
            return refuse(b, ERR_NOMEM, "out of memory");
        if (inflateInit2(b->gzip, GZIP_WINDOW) != Z_OK) {
            free(b->gzip);
            b->gzip = NULL;
            return refuse(b, ERR_NOMEM, "out of memory");
        }
    }
    return HTTP_PARSE_MORE;
}

void http_body_end(struct http_body *b)
{
    if (b->gzip) {
        inflateEnd(b->gzip);
        free(b->gzip);
        b->gzip = NULL;
    }
}

/* Inflates all of `data`. A gzip file may have several members: RFC 1952 2.2. */
static enum http_parse inflate_data(struct http_body *b, struct str data)
{
    z_stream *z = b->gzip;
    z->next_in = (Bytef *)(uintptr_t)data.p; /* zlib does not write there */
    z->avail_in = (uInt)data.n;
    do {
        if (b->gzip_ended && z->avail_in > 0) {
            if (inflateReset(z) != Z_OK)
                return refuse(b, ERR_INTERNAL, "inflate failed");
            b->gzip_ended = false;
        }
        size_t room = b->max - b->seen + 1; /* one more, to notice */
        if (room > INFLATE_STEP)
            room = INFLATE_STEP;
        char *to = buf_reserve(b->out, room);
        if (!to)
            return refuse(b, ERR_NOMEM, "out of memory");
        z->next_out = (Bytef *)to;
        z->avail_out = (uInt)room;
        int r = inflate(z, Z_NO_FLUSH);
        size_t made = room - z->avail_out;
        b->seen += made;
        if (b->seen > b->max)
            return too_large(b);
        b->out->n += made;
        if (r == Z_STREAM_END)
            b->gzip_ended = true;
        else if (r == Z_MEM_ERROR)
            return refuse(b, ERR_NOMEM, "out of memory");
        else if (r != Z_OK && r != Z_BUF_ERROR)
            return refuse(b, ERR_BAD_REQUEST, "the body is not gzip");
        else if (r == Z_BUF_ERROR && made == 0)
            break;
    } while (z->avail_in > 0 || z->avail_out == 0);
    return HTTP_PARSE_MORE;
}

static enum http_parse take(struct http_body *b, struct str data)
{
    if (data.n == 0)
        return HTTP_PARSE_MORE;
    /* What fits is read before the rest is refused: the way a body was split must not show. */
    size_t room = b->max - b->received;
    bool over = data.n > room;
    if (over)
        data.n = room;
    b->received += data.n;
    enum http_parse r = HTTP_PARSE_MORE;
    if (b->gzip)
        r = inflate_data(b, data);
    else if (!b->drop)
        buf_put(b->out, data.p, data.n);
    if (r == HTTP_PARSE_MORE && b->out->failed)
        return refuse(b, ERR_NOMEM, "out of memory");
    return r == HTTP_PARSE_MORE && over ? too_large(b) : r;
}

static enum http_parse finish(struct http_body *b)
{
    b->done = true;
    if (b->gzip && !b->gzip_ended)
        return refuse(b, ERR_BAD_REQUEST, "the body is half of a gzip stream");
    return HTTP_PARSE_DONE;
}

static enum http_parse read_chunked(struct http_body *b, const char *p, size_t n, size_t *used)
{
    enum http_parse r = HTTP_PARSE_MORE;
    while (*used < n && r == HTTP_PARSE_MORE) {
        size_t step;
        struct str data;
        r = http_chunks_read(&b->chunks, p + *used, n - *used, &step, &data);
        *used += step;
        if (r == HTTP_PARSE_REFUSED)
            return refuse(b, ERR_BAD_REQUEST, b->chunks.detail);
        if (r == HTTP_PARSE_MORE)
            r = take(b, data);
    }
    return r == HTTP_PARSE_DONE ? finish(b) : r;
}

enum http_parse http_body_read(struct http_body *b, const char *p, size_t n, size_t *ret_used)
{
    ASSERT(!b->done);
    *ret_used = 0;
    if (b->chunked)
        return read_chunked(b, p, n, ret_used);
    size_t len = n < (uint64_t)b->left ? n : (size_t)b->left;
    enum http_parse r = take(b, (struct str){p, len});
    *ret_used = len;
    b->left -= (int64_t)len;
    if (r == HTTP_PARSE_REFUSED)
        return r;
    return b->left == 0 ? finish(b) : HTTP_PARSE_MORE;
}
