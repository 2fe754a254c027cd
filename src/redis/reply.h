/* reply - what Redis answers (RESP2), read with hiredis into an arena and bounded in every way.
 *
 * Bytes, elements and nesting have limits that a caller sets by what it can expect; a reply beyond
 * them, or one that is not RESP2, is an error after which the stream cannot be read on. */
#pragma once
#include "base/arena.h"

enum redis_type { REDIS_NIL, REDIS_TEXT, REDIS_STATUS, REDIS_ERROR, REDIS_NUMBER, REDIS_LIST };

struct redis_reply {
    enum redis_type type;
    int32_t count; /* of a list */
    int64_t number;
    struct str text; /* REDIS_TEXT, REDIS_STATUS ("OK"), REDIS_ERROR ("OOM command not …") */
    struct redis_reply *list;
};

enum { REDIS_DEPTH_MAX = 3 };
struct redis_reader;
/* reply_bytes_max: of one reply, with its protocol lines. ERR_NOMEM. */
MUST_CHECK enum err redis_reader_new(size_t reply_bytes_max, int32_t elements_max,
                                     struct redis_reader **ret);
void redis_reader_free(struct redis_reader *r);
/* ERR_TOO_LARGE, ERR_NOMEM. Any size of bytes; take all replies out before more is fed. */
MUST_CHECK enum err redis_reader_feed(struct redis_reader *r, const char *p, size_t n);
/* The next whole reply, valid until the next call; NULL: more bytes are needed. ERR_SYNTAX: this is
 * not Redis, or the reply is beyond a limit. */
MUST_CHECK enum err redis_reader_next(struct redis_reader *r, const struct redis_reply **ret);

static inline bool redis_is_status(const struct redis_reply *r, struct str text)
{
    return r->type == REDIS_STATUS && str_eq(r->text, text);
}
