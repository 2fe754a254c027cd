/* buf - bytes that grow up to a maximum set when the buffer is made.
 *
 * Appending past the maximum (or out of memory) appends nothing and latches `failed`; the writer
 * checks once, at the end. */
#pragma once
#include "base/str.h"

struct buf {
    char *p;
    size_t n, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* empty, memory kept, not failed */
/* Room for n more bytes at the returned place; NULL latches `failed`. Follow with b->n += written.
 */
char *buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_putc(struct buf *b, char c);
void buf_str(struct buf *b, struct str s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_i64(struct buf *b, int64_t v);
/* As a JSON text with its quotes. What is not UTF-8 becomes U+FFFD, a byte each. */
void buf_quoted(struct buf *b, struct str s);
static inline struct str buf_view(const struct buf *b)
{
    return (struct str){b->p ? b->p : "", b->n};
}
