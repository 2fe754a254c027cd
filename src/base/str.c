#include "base/str.h"

#include "base/assert.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

struct str str_from(const char *text)
{
    return text ? (struct str){text, strlen(text)} : (struct str){NULL, 0};
}

static unsigned char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : (unsigned char)c;
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
    int c = n ? memcmp(a.p, b.p, n) : 0;

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq((struct str){s.p, prefix.n}, prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq((struct str){s.p + (s.n - suffix.n), suffix.n}, suffix);
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
    *s = (struct str){at + 1, s->n - before.n - 1};
    return before;
}

enum err str_to_i64(struct str s, int64_t *ret)
{
    size_t i = 0;
    bool negative = s.n && s.p[0] == '-';
    int64_t v = 0;

    if (negative)
        i++;
    if (i == s.n)
        return ERR_SYNTAX;
    /* downwards, because there is one more negative number than there are positive ones */
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return ERR_SYNTAX;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, s.p[i] - '0', &v))
            return ERR_RANGE;
    }
    if (!negative && v == INT64_MIN)
        return ERR_RANGE;
    *ret = negative ? v : -v;
    return ERR_OK;
}

static locale_t c_locale;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", NULL);
    ASSERT(c_locale != NULL);
}

enum err str_to_f64(struct str s, double *ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char copy[512], *end;

    if (s.n == 0)
        return ERR_SYNTAX;
    if (s.n >= sizeof copy)
        return ERR_RANGE;
    /* strtod also takes blanks, '+', hexadecimal, "inf" and "nan": not numbers here */
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool digit = c >= '0' && c <= '9';
        bool sign = (c == '-' || c == '+') && i > 0 && lower(s.p[i - 1]) == 'e';
        if (!digit && !sign && c != '.' && lower(c) != 'e' && !(c == '-' && i == 0))
            return ERR_SYNTAX;
        copy[i] = c;
    }
    copy[s.n] = 0;
    pthread_once(&once, make_locale);
    double v = strtod_l(copy, &end, c_locale);
    if (end != copy + s.n)
        return ERR_SYNTAX;
    if (!isfinite(v))
        return ERR_RANGE;
    *ret = v;
    return ERR_OK;
}

bool utf8_valid(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;

    while (p < end) {
        unsigned char c = *p;
        size_t more = c < 0x80 ? 0 : c < 0xC2 ? 9 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF5 ? 3 : 9;
        if (more > 3 || (size_t)(end - p) <= more)
            return false;
        for (size_t i = 1; i <= more; i++)
            if ((p[i] & 0xC0) != 0x80)
                return false;
        if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) ||
            (c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F))
            return false;
        p += more + 1;
    }
    return true;
}
