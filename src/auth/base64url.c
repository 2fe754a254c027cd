#include "auth/jwt.h"

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

enum err base64url_decode(struct str text, unsigned char *out, size_t *ret_n)
{
    uint32_t bits = 0;
    int have = 0;
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        int d = digit_of(text.p[i]);
        if (d < 0)
            return ERR_SYNTAX;
        bits = (bits << 6 | (uint32_t)d) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (unsigned char)(bits >> have);
        }
    }
    /* One text per value: what is left over must be less than a digit, and zero. */
    if (have >= 6 || (bits & ((1u << have) - 1)) != 0)
        return ERR_SYNTAX;
    *ret_n = n;
    return ERR_OK;
}

size_t base64url_encode(const unsigned char *p, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    int have = 0;
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        bits = (bits << 8 | p[i]) & 0xffff;
        for (have += 8; have >= 6; have -= 6)
            out[len++] = digits[bits >> (have - 6) & 63];
    }
    if (have > 0)
        out[len++] = digits[bits << (6 - have) & 63];
    return len;
}
