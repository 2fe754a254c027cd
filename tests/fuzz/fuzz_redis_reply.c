/* Bytes from a Redis that is none, in pieces of the size that the first byte says. */
#include "redis/reply.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t weigh(const struct redis_reply *r, int32_t depth)
{
    size_t n = r->text.n;

    if (depth > REDIS_DEPTH_MAX + 1 || r->count < 0)
        abort();
    for (size_t i = 0; i < r->text.n; i++)
        n += (unsigned char)r->text.p[i] == 0;
    for (int32_t i = 0; i < r->count; i++)
        n += weigh(&r->list[i], depth + 1);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_reader *reader;
    size_t step = size ? data[0] + 1u : 1;

    if (redis_reader_new(4096, 64, &reader) != ERR_OK)
        return 0;
    for (size_t at = 1; at < size; at += step) {
        const struct redis_reply *r = NULL;
        size_t n = size - at < step ? size - at : step;

        if (redis_reader_feed(reader, (const char *)data + at, n) != ERR_OK)
            break;
        enum err e;
        while ((e = redis_reader_next(reader, &r)) == ERR_OK && r)
            if (weigh(r, 1) > 4 * (4096 + 256))
                abort();
        if (e)
            break;
    }
    redis_reader_free(reader);
    return 0;
}
