#include "cache/l2_value.h"

#include "base/assert.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

enum { FLAG_PACKED = 1, HEAD_BYTES = 12, FIXED_BYTES = 5 * 8 + 8 + 1 + 2 + 4 + 4 + 2, LEVEL = 1 };

struct l2_packer {
    ZSTD_CCtx *pack;
    ZSTD_DCtx *unpack;
};

enum err l2_packer_new(struct l2_packer **ret)
{
    struct l2_packer *p = calloc(1, sizeof *p);
    if (!p)
        return ERR_NOMEM;
    p->pack = ZSTD_createCCtx();
    p->unpack = ZSTD_createDCtx();
    if (!p->pack || !p->unpack) {
        l2_packer_free(p);
        return ERR_NOMEM;
    }
    *ret = p;
    return ERR_OK;
}

void l2_packer_free(struct l2_packer *p)
{
    if (!p)
        return;
    ZSTD_freeCCtx(p->pack);
    ZSTD_freeDCtx(p->unpack);
    free(p);
}

/* ---- numbers ---- */

static void put(char **at, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *(*at)++ = (char)(v >> (8 * i));
}

static uint64_t get(const char **at, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)*(*at)++ << (8 * i);
    return v;
}

static bool times_fit(const struct l2_value *v)
{
    int64_t span;
    return v->made_us <= v->fresh_until_us && v->fresh_until_us <= v->stale_until_us &&
           v->stale_until_us <= v->error_until_us &&
           !__builtin_sub_overflow(v->error_until_us, v->made_us, &span) &&
           span <= L2_SPAN_MAX_US && v->cost_us >= 0;
}

/* ---- writing ---- */

/* Writes the body at `to`; returns its bytes there. */
static size_t put_body(struct l2_packer *p, struct str body, char *to, bool *ret_packed)
{
    *ret_packed = false;
    if (body.n >= L2_ZSTD_MIN && body.n <= L2_ZSTD_MAX) {
        size_t worth = body.n - body.n / 4; /* saves a quarter, or is not worth unpacking */
        size_t n = ZSTD_compressCCtx(p->pack, to, worth, body.p, body.n, LEVEL);
        *ret_packed = !ZSTD_isError(n);
        if (*ret_packed)
            return n;
    }
    if (body.n)
        memcpy(to, body.p, body.n);
    return body.n;
}

enum err l2_value_encode(struct l2_packer *p, const struct l2_value *v, struct buf *out)
{
    ASSERT(v->token_count >= 0 && v->token_count <= STAMP_TAGS_MAX);
    if (v->key.n < 1 || v->key.n > CACHE_KEY_MAX || v->lines.n > ANSWER_LINES_MAX ||
        v->body.n > L2_BODY_MAX || !times_fit(v))
        return ERR_TOO_LARGE;
    size_t before = HEAD_BYTES + FIXED_BYTES + 8 * (size_t)v->token_count + v->key.n + v->lines.n;
    char *start = buf_reserve(out, before + v->body.n);
    bool packed;
    if (!start)
        return ERR_NOMEM;
    size_t stored = put_body(p, v->body, start + before, &packed);
    char *at = start + HEAD_BYTES;
    put(&at, (uint64_t)v->made_us, 8);
    put(&at, (uint64_t)v->fresh_until_us, 8);
    put(&at, (uint64_t)v->stale_until_us, 8);
    put(&at, (uint64_t)v->error_until_us, 8);
    put(&at, (uint64_t)v->cost_us, 8);
    put(&at, v->everything, 8);
    put(&at, (uint64_t)v->token_count, 1);
    put(&at, v->key.n, 2);
    put(&at, v->lines.n, 2);
    put(&at, v->body.n, 4);
    put(&at, stored, 4);
    for (int32_t i = 0; i < v->token_count; i++)
        put(&at, v->tokens[i], 8);
    memcpy(at, v->key.p, v->key.n);
    if (v->lines.n)
        memcpy(at + v->key.n, v->lines.p, v->lines.n);
    ASSERT(at + v->key.n + v->lines.n == start + before);
    at = start;
    put(&at, 'D', 1);
    put(&at, '2', 1);
    put(&at, L2_LAYOUT, 1);
    put(&at, packed ? FLAG_PACKED : 0, 1);
    put(&at, XXH3_64bits_withSeed(start + HEAD_BYTES, before - HEAD_BYTES + stored, packed), 8);
    out->n += before + stored;
    return ERR_OK;
}

/* ---- reading ---- */

bool l2_value_decode(struct str bytes, struct l2_value *ret)
{
    const char *at = bytes.p;
    if (bytes.n < HEAD_BYTES + FIXED_BYTES || bytes.n > L2_VALUE_MAX)
        return false;
    if (get(&at, 1) != 'D' || get(&at, 1) != '2' || get(&at, 1) != L2_LAYOUT)
        return false;
    uint64_t flags = get(&at, 1), sum = get(&at, 8);
    if (flags > FLAG_PACKED || sum != XXH3_64bits_withSeed(at, bytes.n - HEAD_BYTES, flags))
        return false;
    struct l2_value v = {.packed = flags == FLAG_PACKED};
    v.made_us = (int64_t)get(&at, 8);
    v.fresh_until_us = (int64_t)get(&at, 8);
    v.stale_until_us = (int64_t)get(&at, 8);
    v.error_until_us = (int64_t)get(&at, 8);
    v.cost_us = (int64_t)get(&at, 8);
    v.everything = get(&at, 8);
    v.token_count = (int32_t)get(&at, 1);
    v.key.n = get(&at, 2);
    v.lines.n = get(&at, 2);
    v.body_bytes = get(&at, 4);
    v.body.n = get(&at, 4);
    if (v.token_count > STAMP_TAGS_MAX || v.key.n < 1 || v.key.n > CACHE_KEY_MAX ||
        v.lines.n > ANSWER_LINES_MAX || v.body_bytes > L2_BODY_MAX || v.body.n > L2_BODY_MAX ||
        (!v.packed && v.body.n != v.body_bytes) || !times_fit(&v) ||
        bytes.n !=
            HEAD_BYTES + FIXED_BYTES + 8 * (size_t)v.token_count + v.key.n + v.lines.n + v.body.n)
        return false;
    for (int32_t i = 0; i < v.token_count; i++)
        v.tokens[i] = get(&at, 8);
    v.key.p = at;
    v.lines.p = at + v.key.n;
    v.body.p = v.lines.p + v.lines.n;
    if (v.lines.n > 0 && !str_ends(v.lines, STR("\r\n")))
        return false;
    *ret = v;
    return true;
}

struct str l2_value_body(struct l2_packer *p, const struct l2_value *v, struct buf *room)
{
    if (!v->packed)
        return v->body;
    buf_clear(room);
    /* One frame that says its size: no more memory than that is asked for. */
    if (ZSTD_getFrameContentSize(v->body.p, v->body.n) != v->body_bytes ||
        ZSTD_findFrameCompressedSize(v->body.p, v->body.n) != v->body.n)
        return (struct str){NULL, 0};
    char *to = buf_reserve(room, v->body_bytes ? v->body_bytes : 1);
    if (!to ||
        ZSTD_decompressDCtx(p->unpack, to, v->body_bytes, v->body.p, v->body.n) != v->body_bytes)
        return (struct str){NULL, 0};
    room->n = v->body_bytes;
    return buf_view(room);
}
