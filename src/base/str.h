/* str - borrowed text: a pointer and a length. Never assumed to end in NUL. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p; /* NULL: absent; "" with n = 0: present and empty */
    size_t n;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

/* Writes s behind `to`, where there is room; returns the end. */
static inline char *str_put(char *to, struct str s)
{
    if (s.n)
        memcpy(to, s.p, s.n);
    return to + s.n;
}
struct str str_from(const char *nul_terminated); /* NULL gives {NULL, 0} */
static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* In the same time wherever they differ: for what nobody may guess byte by byte. */
bool str_eq_secret(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII letters only */
int str_cmp(struct str a, struct str b);        /* bytewise; a prefix comes first */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s); /* blanks and tabs at both ends */
/* Cuts s at the first sep: returns what is before, leaves in *s what is after ({NULL,0} at the
 * end). */
struct str str_cut(struct str *s, char sep);

/* The whole text must be the number: no blanks, no '+', no other bases.
 * ERR_SYNTAX: not a number. ERR_RANGE: does not fit, or not finite. */
MUST_CHECK enum err str_to_i64(struct str s, int64_t *ret);
MUST_CHECK enum err str_to_f64(struct str s, double *ret);

bool utf8_valid(struct str s); /* RFC 3629: no overlong forms, no surrogates */
/* Bytes of the character that s starts with, 1..4; 0 when it is not valid UTF-8, or s is empty. */
size_t utf8_length(struct str s);
/* The longest prefix of at most max_bytes that does not cut a character in two. */
struct str utf8_prefix(struct str s, size_t max_bytes);
