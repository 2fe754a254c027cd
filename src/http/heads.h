/* heads - request heads that a loop has read lately, as they were sent, with what was found in
 * them.
 *
 * Clients repeat themselves: a page that is looked at again, a panel that asks each minute. Parsing
 * is pure, so the same bytes are the same request, and need not be read twice. Remembered is a head
 * that came twice, each time alone in one read; that has no body, is HTTP/1.1 and leaves the
 * connection open; and that brings no request id or trace of its own, for these differ each time.
 * Of all else nothing is known here, and it is parsed.
 *
 * Bounded: HEADS_MAX heads of HEAD_KNOWN_MAX bytes; a newer one takes the place of an older. A head
 * holds a credential mostly: bytes are compared in a time that does not tell where they differ, and
 * the place depends on a keyed hash. Touched by the loop's thread alone. */
#pragma once
#include "http/http.h"

enum {
    HEADS_MAX = 1024,
    HEAD_KNOWN_MAX = 2048,     /* bytes */
    HEAD_KNOWN_FIELDS_MAX = 32 /* header fields */
};

/* Its request points into it; all but the id, the peer and the time. */
struct known_head {
    int32_t refs;
    uint64_t hash;
    struct http_request request;
    void *note; /* the application's */
    void (*note_free)(void *note);
    struct str text;
    struct http_header headers[]; /* behind them the text */
};

struct heads {
    uint64_t seen[HEADS_MAX]; /* hashes of heads that came once */
    struct known_head *known[HEADS_MAX];
};

/* Of what may be a whole head; 0: it is none to remember. */
uint64_t heads_hash(const char *p, size_t n);
/* One reference, the caller's; NULL: not known. */
struct known_head *heads_find(const struct heads *h, uint64_t hash, struct str head);
/* Remembers the head when it comes the second time. The request was parsed from head's bytes, and
 * all its texts lie in them. NULL is fine for note_free. */
void heads_learn(struct heads *h, uint64_t hash, struct str head, const struct http_request *rq,
                 void (*note_free)(void *note));
void known_head_unref(struct known_head *k); /* NULL is fine */
void heads_fini(struct heads *h);
