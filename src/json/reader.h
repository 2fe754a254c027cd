/* reader - JSON text (RFC 8259), strict, in one pass over one buffer, without a tree.
 *
 * Refused: anything RFC 8259 refuses, duplicate names in one object, invalid UTF-8, lone
 * surrogates, numbers outside double's range, depth above the reader's limit. The caller pulls:
 *
 *     json_reader_init(&r, text, 16);
 *     if (json_object_begin(&r))
 *         while (json_next_member(&r, &name)) { … read exactly one value, or json_skip … }
 *     e = json_end(&r);
 *
 * Errors latch: after the first one every call returns false/zero, and json_end() reports it:
 * ERR_SYNTAX for what is refused, ERR_NOMEM, and ERR_RANGE when the value read was of another type
 * than asked for. */
#pragma once
#include "base/arena.h"
#include "base/str.h"

enum json_type {
    JSON_NONE,
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

enum { JSON_DEPTH_MAX = 64, JSON_MEMBERS_MAX = 1024 /* in one object */ };

/* A name of an object that is still open. */
struct json_seen {
    const char *p;
    uint32_t n, hash;
};

enum { JSON_SEEN_INLINE = 48 };

struct json_reader {
    const char *p, *start, *end; /* p: the next byte to read; before a value, where it starts */
    struct arena *arena;         /* for unescaped text and for the names seen (duplicates) */
    int32_t depth, depth_max;
    enum err err;
    const char *reason;    /* of the error: static text */
    size_t error_at;       /* byte offset of the error */
    bool expect_value;     /* the next thing to read is a value */
    bool snake_names;      /* set after init: fields_read_json() also takes "data_points" for "dataPoints" */
    bool allow_duplicates; /* set after init to tell equal names one by one instead of refusing */

    /* The reader's own. Names of all open objects lie in one stack; the small one is here. */
    uint64_t is_object, has_item; /* a bit a level */
    struct json_seen *seen;
    uint32_t seen_n, seen_room;
    uint32_t base[JSON_DEPTH_MAX + 1];            /* where the level's names start */
    struct json_names *index[JSON_DEPTH_MAX + 1]; /* of a large object; else NULL */
    struct json_names *spare;
    struct json_seen seen_inline[JSON_SEEN_INLINE];
};

/* depth_max: 1..JSON_DEPTH_MAX. The arena serves escapes and duplicate checks only. The text must
 * outlive what is read from it. */
void json_reader_init(struct json_reader *r, struct str text, struct arena *arena,
                      int32_t depth_max);

enum json_type
json_peek(struct json_reader *r); /* type of the next value; JSON_NONE after an error */
bool json_object_begin(struct json_reader *r);
bool json_next_member(struct json_reader *r,
                      struct str *ret_name); /* false: end of object, or error */
bool json_array_begin(struct json_reader *r);
bool json_next_item(struct json_reader *r); /* false: end of array, or error */
/* Each reads the next value; a value of another type is an error (ERR_RANGE). */
bool json_read_str(struct json_reader *r, struct str *ret);
bool json_read_f64(struct json_reader *r, double *ret);
/* ERR_RANGE when the number has a fraction or does not fit; 1e3 and 5.0 are integers. */
bool json_read_i64(struct json_reader *r, int64_t *ret);
bool json_read_bool(struct json_reader *r, bool *ret);
bool json_read_null(struct json_reader *r);
/* Skips one value of any kind, checking it fully; *ret_raw (may be NULL) is its text. */
bool json_skip(struct json_reader *r, struct str *ret_raw);
/* ERR_OK only when exactly one value was read, whole, and nothing but blanks follow. */
MUST_CHECK enum err json_end(struct json_reader *r);
static inline bool json_failed(const struct json_reader *r)
{
    return r->err != ERR_OK;
}
