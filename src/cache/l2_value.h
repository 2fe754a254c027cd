/* l2_value - one answer as bytes in Redis.
 *
 * Little-endian: "D2", layout version, flags, XXH3 of all that follows, times, tokens, lengths, the
 * whole key, the body (one zstd frame when that pays). What does not decode to the last byte is not
 * an answer: an older or newer layout, a cut or changed value, a size that lies. */
#pragma once
#include "base/buf.h"
#include "cache/cache.h"

enum {
    L2_LAYOUT = 2,
    L2_ZSTD_MIN = 64 << 10,          /* below, unpacking costs more than carrying */
    L2_ZSTD_MAX = ANSWER_ENCODE_MAX, /* above, packing would hold up the loop */
    L2_BODY_MAX = 1 << 20,           /* larger ones are left to the first tier */
    L2_VALUE_MAX = L2_BODY_MAX + CACHE_KEY_MAX + ANSWER_LINES_MAX + 256
};
#define L2_SPAN_MAX_US (INT64_C(7) * 86400 * 1000000) /* from made to gone */

struct l2_value {
    /* UTC microseconds; made <= fresh until <= stale until <= error until <= made +
     * L2_SPAN_MAX_US. */
    int64_t made_us, fresh_until_us, stale_until_us, error_until_us, cost_us;
    uint64_t everything; /* the token of TAG_EVERYTHING, on this run of Redis */
    uint64_t tokens[STAMP_TAGS_MAX];
    int32_t token_count;
    struct str key;
    struct str lines;  /* of the head: answer.h */
    struct str body;   /* as it is to be sent; decoding: as stored */
    bool packed;       /* decoding: `body` is a zstd frame of body_bytes bytes */
    size_t body_bytes; /* decoding */
};

struct l2_packer; /* zstd's state, used again; one thread at a time */
MUST_CHECK enum err l2_packer_new(struct l2_packer **ret);
void l2_packer_free(struct l2_packer *p);

/* Appends. ERR_NOMEM, ERR_TOO_LARGE: key or body above what the first tier takes, or times out of
 * order; nothing is appended. */
MUST_CHECK enum err l2_value_encode(struct l2_packer *p, const struct l2_value *v, struct buf *out);
/* False: not a value. Its texts point into `bytes`. */
MUST_CHECK bool l2_value_decode(struct str bytes, struct l2_value *ret);
/* The body itself: v->body, or unpacked into `room` (which is cleared). {NULL,0}: it does not
 * unpack to what it says, or out of memory. */
struct str l2_value_body(struct l2_packer *p, const struct l2_value *v, struct buf *room);
