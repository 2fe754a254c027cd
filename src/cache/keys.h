/* keys - what lies where in Redis. The part in braces decides the slot of a Redis Cluster, so what
 * is read together lies together; a prefix that has a hash tag itself puts all into one slot.
 *
 *   PREFIX{L<hash>}            a learner's: hash of the token "g" and of answers, by hash of key
 *   PREFIX{S<hash>}            a learner's answers that events do not change, likewise
 *   PREFIX{C<hash>}            a course's, likewise
 *   PREFIX{E<hash>.<00..ff>}   of an endpoint's answers that have neither; spread by hash of key
 *   PREFIX{…}:l:<hash of key>  the lock of who fills
 *   PREFIX{bus}:seq, :g        bus.h; PREFIX{bus} is its channel */
#pragma once
#include "cache/generation.h"

#include <inttypes.h>
#include <stdio.h>

static const char tag_letters[] = "AELCS"; /* by enum tag_kind */

/* Does what has this tag lie in a key of its own, with its token? */
static inline bool tag_has_holder(struct tag t)
{
    return t.kind != TAG_ALL && t.kind != TAG_ENDPOINT;
}

enum { TAG_TEXT_MAX = 18, HEX_MAX = 17, HOLDER_MAX = 96 };
static inline struct str hex_print(uint64_t v, char out[HEX_MAX])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++)
        out[i] = digits[v >> (60 - 4 * i) & 15];
    out[16] = '\0';
    return (struct str){out, 16};
}

/* 16 digits, and nothing else. */
static inline bool hex_parse(struct str s, uint64_t *ret)
{
    uint64_t v = 0;
    if (s.n != 16)
        return false;
    for (size_t i = 0; i < 16; i++) {
        char c = s.p[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f'))
            return false;
        v = v << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *ret = v;
    return true;
}

/* "L0123456789abcdef" */
static inline struct str tag_print(struct tag t, char out[TAG_TEXT_MAX])
{
    out[0] = tag_letters[t.kind];
    hex_print(t.hash, out + 1);
    return (struct str){out, 17};
}

/* The key that holds the answers whose first tag is `t`. */
static inline struct str holder_print(struct str prefix, struct tag t, uint64_t key_hash,
                                      char out[HOLDER_MAX])
{
    char tag[TAG_TEXT_MAX];
    int n;
    tag_print(t, tag);
    if (tag_has_holder(t))
        n = snprintf(out, HOLDER_MAX, STR_FMT "{%s}", STR_ARG(prefix), tag);
    else
        n = snprintf(out, HOLDER_MAX, STR_FMT "{%s.%02x}", STR_ARG(prefix), tag,
                     (unsigned)(key_hash & 0xff));
    return (struct str){out, (size_t)n};
}
