/* A value from a Redis that others write to as well. The checksum would keep a fuzzer out, so it is
 * made right first when the first byte says so. What decodes must unpack to what it says, or not.
 */
#include "cache/l2_value.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct l2_packer *packer;
    static struct buf room;
    struct l2_value v;

    if (!packer && l2_packer_new(&packer) != ERR_OK)
        return 0;
    if (!room.max)
        buf_init(&room, ANSWER_BODY_MAX);
    if (size < 1)
        return 0;
    char *copy = malloc(size); /* exactly so long: a byte too many is seen */
    size_t n = size - 1;
    if (!copy)
        return 0;
    memcpy(copy, data + 1, n);
    if ((data[0] & 1) && n >= 12) {
        uint64_t sum = XXH3_64bits_withSeed(copy + 12, n - 12, (unsigned char)copy[3]);
        for (int i = 0; i < 8; i++)
            copy[4 + i] = (char)(sum >> (8 * i));
    }
    if (l2_value_decode((struct str){copy, n}, &v)) {
        struct str body = l2_value_body(packer, &v, &room);
        if (body.p && body.n != v.body_bytes)
            abort();
        if (v.made_us > v.fresh_until_us || v.fresh_until_us > v.stale_until_us ||
            v.stale_until_us > v.error_until_us ||
            v.token_count > STAMP_TAGS_MAX || v.key.n < 1)
            abort();
    }
    free(copy);
    return 0;
}
