/* answer - a finished reply that many requests share: immutable, counted, ready to send.
 *
 * The identity form is made with the answer. The gzip and brotli forms are made when they are first
 * asked for, once, and kept if they are smaller; each form has its own strong entity tag (RFC 9110
 * 8.8.3). The header lines that go with a form (Content-Encoding, ETag, Cache-Control, Vary) are
 * printed when it is sent.
 *
 * Most answers that are kept are asked for once or never. A packed answer is one block: a large
 * body as its gzip form, which goes as it is to whoever accepts it; a small one as its difference
 * from a sample, an earlier body of the same family (answers of one endpoint have the same names in
 * the same order). Its other forms are made for each who asks, and kept once so many have asked
 * that it pays. */
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
    ANSWER_PACK_MIN = 64,
    ANSWER_GZIP_MIN = 4096, /* packed as the gzip form from here on: too much to send without */
    ANSWER_ETAG_MAX = 40
};

struct answer_spec {
    int32_t status;            /* 200; or the status of a refusal that is kept for a little while */
    const char *media;         /* static text: outlives everything */
    const char *cache_control; /* copied; of a few */
    struct str lines;          /* further header lines, each ending in CRLF; copied */
    struct str body;           /* copied */
    /* Monotonic microseconds. Fresh until; then usable while one caller makes a new one; then kept
     * for when none can be made (the store is down); then gone. made_us <= fresh_until_us <=
     * stale_until_us <= error_until_us; the last may be 0: as stale_until_us. */
    int64_t made_us, fresh_until_us, stale_until_us, error_until_us;
    int64_t cost_us; /* what making it took, for early refreshing */
    struct stamp stamp;
    uint32_t
        without; /* groups of the learner's tables that it was not read from; 0: depends on all */
};

struct answer;
/* One reference, the caller's. ERR_NOMEM, also above 256 different media and cache_control;
 * ERR_TOO_LARGE: above ANSWER_BODY_MAX or ANSWER_LINES_MAX. */
MUST_CHECK enum err answer_new(const struct answer_spec *spec, struct answer **ret);

/* Bodies of one family to pack others by: the first one, and larger ones that came later. They live
 * as long as the set; a handful, each at least twice as large as the one before, none above
 * ANSWER_GZIP_MIN. Zeroed is empty. */
struct sample;
struct sample_set {
    _Atomic(struct sample *) newest;
};
void sample_set_fini(struct sample_set *s); /* after all that was packed by it */
/* The same answer, packed: one reference, the caller's. NULL: not worth it (a small body, or one
 * that does not shrink by a third), packed already, or no memory. `samples` NULL: by gzip alone. */
struct answer *answer_pack(const struct answer *a, struct sample_set *samples);
struct answer *answer_ref(struct answer *a);
/* struct answer *; NULL is fine. The signature of http's body_release. */
void answer_unref(void *a);

struct answer_times {
    int64_t made_us, fresh_until_us, stale_until_us, error_until_us;
    int64_t cost_us;
};
/* As they were given, but for what cannot be told apart beyond half an hour: times are kept as
 * spans of 32 bits, above 35 minutes in milliseconds, at most 25 days. */
struct answer_times answer_times(const struct answer *a);
int64_t answer_made_us(const struct answer *a);
int64_t answer_fresh_until_us(const struct answer *a);
int64_t answer_cost_us(const struct answer *a);
int64_t answer_error_until_us(const struct answer *a);
bool answer_valid(const struct answer *a, const struct generations *g);
int32_t answer_status(const struct answer *a);
const char *answer_media(const struct answer *a);
struct str answer_lines(const struct answer *a);
struct str answer_body(const struct answer *a); /* of a packed one only the length: p is NULL */

/* The best form that is in `accept` (bit set of 1 << form; identity is always allowed). May make
 * the form, once: 0.1 ms for 8 KiB, some ms for the largest; callers that come meanwhile get
 * another form and do not wait. Any thread. What it shows lives as long as the answer. */
struct answer_view {
    struct str body;
    enum answer_form form;
    bool packed;   /* body.p is NULL: answer_unpack() makes it */
    uint32_t made; /* bit set of the forms that this call has made: tell cache_grew() */
};
struct answer_view answer_view(struct answer *a, uint32_t accept);
/* Replaces what is in `out` by the body of a packed answer. ERR_NOMEM,
 * ERR_TOO_LARGE as the buffer's bound says. */
MUST_CHECK enum err answer_unpack(const struct answer *a, struct buf *out);
/* Of a packed one: does it hold what goes to those who accept gzip? */
bool answer_holds_gzip(const struct answer *a);
/* The form's header lines, each ending in CRLF; not_modified: those of a 304. Room: at least
 * answer_head_max() bytes; returns the end. */
size_t answer_head_max(const struct answer *a);
char *answer_head(const struct answer *a, enum answer_form form, bool not_modified, char *to);
/* With its quotes; {NULL,0} unless the status is 2xx. */
struct str answer_etag(const struct answer *a, enum answer_form form, char out[ANSWER_ETAG_MAX]);
/* Bit set of forms from an Accept-Encoding header (RFC 9110 12.5.3: q=0 excludes, "*", weights are
 * honoured only as zero or not); {NULL,0}: identity only. */
uint32_t answer_accepts(struct str accept_encoding);
/* All memory it holds now, with what the allocator rounds up. */
size_t answer_bytes(const struct answer *a);
