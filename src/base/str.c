#include "base/str.h"

#include "base/num.h"

struct str str_from(const char *nul_terminated)
{
    return (struct str){nul_terminated, nul_terminated ? strlen(nul_terminated) : 0};
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool str_eq_secret(struct str a, struct str b)
{
    typedef uint64_t words __attribute__((vector_size(16)));
    words differ = {0, 0}, x = {0, 0}, y = {0, 0};
    size_t i = 0;

    if (a.n != b.n)
        return false;
    for (; i + sizeof x <= a.n; i += sizeof x) {
        memcpy(&x, a.p + i, sizeof x);
        memcpy(&y, b.p + i, sizeof y);
        differ |= x ^ y;
    }
    if (i < a.n && a.n >= sizeof x) { /* the end, some of it once more */
        memcpy(&x, a.p + a.n - sizeof x, sizeof x);
        memcpy(&y, b.p + a.n - sizeof y, sizeof y);
    } else if (i < a.n) {
        memcpy(&x, a.p, a.n);
        memcpy(&y, b.p, a.n);
    }
    differ |= x ^ y;
    uint64_t any = differ[0] | differ[1];
    __asm__("" : "+r"(any)); /* the compiler may not look into it on the way */
    return any == 0;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;

    return d ? d : (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

struct str str_trim(struct str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

struct str str_cut(struct str *s, char sep)
{
    const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;
    struct str before = *s;

    if (!at) {
        *s = (struct str){NULL, 0};
        return before;
    }
    before.n = (size_t)(at - s->p);
    s->p = at + 1;
    s->n -= before.n + 1;
    return before;
}

enum err str_to_i64(struct str s, int64_t *ret)
{
    bool negative = s.n && s.p[0] == '-';
    uint64_t v = 0, limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    bool fits = true;

    if (s.n == (size_t)negative)
        return ERR_SYNTAX;
    for (size_t i = negative; i < s.n; i++) {
        unsigned digit = (unsigned char)s.p[i] - '0';

        if (digit > 9)
            return ERR_SYNTAX;
        if (v > (limit - digit) / 10)
            fits = false; /* go on: what follows may still be no digit */
        else
            v = v * 10 + digit;
    }
    if (!fits)
        return ERR_RANGE;
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return ERR_OK;
}

/* digits, with a point anywhere among them, and an exponent */
static bool is_decimal(struct str s)
{
    size_t i = 0, digits = 0;

    if (i < s.n && s.p[i] == '-')
        i++;
    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
        digits++;
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            digits++;
    if (digits && i < s.n && (s.p[i] | 0x20) == 'e') {
        i++;
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            i++;
        for (digits = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            digits++;
    }
    return digits && i == s.n;
}

enum err str_to_f64(struct str s, double *ret)
{
    if (!is_decimal(s))
        return ERR_SYNTAX;
    return num_parse_f64(s, ret);
}

size_t utf8_length(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;

    if (s.n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.n < 2)
        return 0;
    /* The second byte's bounds shut out overlong forms, surrogates and what is above U+10FFFF. */
    unsigned low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    size_t n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (s.n < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool utf8_valid(struct str s)
{
    while (s.n) {
        size_t n = s.n < 8 ? s.n : 8;
        uint64_t eight = 0;

        memcpy(&eight, s.p, n);
        if (eight & UINT64_C(0x8080808080808080))
            n = utf8_length(s);
        if (n == 0)
            return false;
        s.p += n, s.n -= n;
    }
    return true;
}

struct str utf8_prefix(struct str s, size_t max_bytes)
{
    if (s.n <= max_bytes)
        return s;
    s.n = max_bytes;
    while (s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
        s.n--;
    return s;
}
