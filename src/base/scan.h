/* scan - how far text goes on without anything that JSON treats specially. */
#pragma once
#include <stdint.h>
#include <string.h>

/* The first byte at or after p that is a quote, a backslash, a control character or not ASCII; or
 * end. Eight bytes at a step: each test sets the high bit of the bytes that it is looking for. A
 * borrow can raise false alarms, but only above a true one, and the lowest is what counts. */
static inline const char *scan_plain(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;

    for (; end - p >= 8; p += 8) {
        uint64_t x;

        memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        x = __builtin_bswap64(x);
#endif
        uint64_t quote = x ^ ones * '"', backslash = x ^ ones * '\\';
        uint64_t found = ((x - ones * 0x20) & ~x) | ((quote - ones) & ~quote) |
                         ((backslash - ones) & ~backslash) | x;

        if (found & highs)
            return p + (__builtin_ctzll(found & highs) >> 3);
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\')
        p++;
    return p;
}
