/* answer - a finished reply that many requests share: immutable, counted, ready to send.
 *
 * The identity form is made with the answer. The gzip and brotli forms are made when they are first
 * asked for, once, and kept if they are smaller; each form has its own strong entity tag (RFC 9110
 * 8.8.3). A form's `head` is the header lines that go with its bytes, each ending in CRLF:
 * Content-Encoding, ETag, Cache-Control, Vary.
 *
 * Most answers that are kept are asked for once or never. A packed answer holds its gzip form
 * alone; its identity form is made for each who asks, and kept once so many
 * have asked that it pays. */
#pragma once
#include "base/buf.h"
#include "cache/generation.h"

#include <stdbool.h>
#include <stdint.h>

enum answer_form { FORM_IDENTITY, FORM_GZIP, FORM_BROTLI, FORM_COUNT };

enum {
    ANSWER_BODY_MAX = 16 << 20, /* larger bodies cannot be shared */
    ANSWER_LINES_MAX = 4096,
    ANSWER_ENCODE_MIN = 512,       /* smaller ones are not worth compressing */
    ANSWER_ENCODE_MAX = 256 << 10, /* larger ones would hold up a loop */
    ANSWER_PACK_MIN = 1024
};

struct answer_spec {
    int32_t status;            /* 200; or the status of a refusal that is kept for a little while */
    const char *media;         /* static text */
    const char *cache_control; /* static text: outlives the answer */
    struct str lines;          /* further header lines, each ending in CRLF; copied */
    struct str body;           /* copied */
    /* Monotonic microseconds. Fresh until; then usable while one caller makes a new one; then kept
     * for when none can be made (the store is down); then gone. made_us <= fresh_until_us <=
     * stale_until_us <= error_until_us; the last may be 0: as stale_until_us. */
    int64_t made_us, fresh_until_us, stale_until_us, error_until_us;
    int64_t cost_us; /* what making it took, for early refreshing */
    struct stamp stamp;
};

struct answer;
/* One reference, the caller's. ERR_NOMEM; ERR_TOO_LARGE: above ANSWER_BODY_MAX or
 * ANSWER_LINES_MAX. */
MUST_CHECK enum err answer_new(const struct answer_spec *spec, struct answer **ret);
/* The same answer, packed: one reference, the caller's. NULL: not worth it (a small body, or one
 * that does not shrink by a third), packed already, or no memory. Takes `a`'s gzip form away: only
 * before others see `a`. */
struct answer *answer_pack(struct answer *a);
struct answer *answer_ref(struct answer *a);
/* struct answer *; NULL is fine. The signature of http's body_release. */
void answer_unref(void *a);

/* spec->body lies in the answer; of a packed one only its length is known (p is NULL). */
const struct answer_spec *answer_spec(const struct answer *a);
/* The best form that is in `accept` (bit set of 1 << form; identity is always allowed). May make
 * the form, once: 0.1 ms for 8 KiB, some ms for the largest; callers that come meanwhile get
 * another form and do not wait. Any thread. What it shows lives as long as the answer. */
struct answer_view {
    struct str head, body;
    struct str head_304; /* what of the head goes with a 304: the end of it */
    struct str etag;     /* with its quotes; {NULL,0} unless the status is 2xx */
    enum answer_form form;
    bool packed; /* body.p is NULL: answer_unpack() makes it */
};
struct answer_view answer_view(struct answer *a, uint32_t accept);
/* Replaces what is in `out` by the body of a packed answer. ERR_NOMEM,
 * ERR_TOO_LARGE as the buffer's bound says. */
MUST_CHECK enum err answer_unpack(const struct answer *a, struct buf *out);
/* Bit set of forms from an Accept-Encoding header (RFC 9110 12.5.3: q=0 excludes, "*", weights are
 * honoured only as zero or not); {NULL,0}: identity only. */
uint32_t answer_accepts(struct str accept_encoding);
/* All memory it holds now, the allocator's share too. */
size_t answer_bytes(const struct answer *a);

/* For the cache alone: `grew` is called, with no lock held, when a form was made, before anybody
 * sees it. NULL ends that. The home must outlive every answer that names it. */
struct answer_home {
    void (*grew)(struct answer_home *home, uint64_t hash, struct answer *a, enum answer_form form,
                 size_t saved);
};
void answer_settle(struct answer *a, struct answer_home *home, uint64_t hash);
