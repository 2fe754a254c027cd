#include "http/heads.h"

#include "base/assert.h"
#include "base/hash.h"

#include <stdlib.h>

enum { HASH_ENDS = 240 }; /* up to here the hash is a cheap one */

uint64_t heads_hash(const char *p, size_t n)
{
    if (n < sizeof "GET / HTTP/1.1\r\n\r\n" - 1 || n > HEAD_KNOWN_MAX ||
        memcmp(p, "GET ", 4) != 0 || memcmp(p + n - 4, "\r\n\r\n", 4) != 0)
        return 0;
    /* Heads differ in their target, at the front, or in what the client adds at the end. Those that
     * differ nowhere else are told apart by their bytes. */
    uint64_t hash = hash_bytes(p, n < HASH_ENDS ? n : HASH_ENDS);
    if (n > HASH_ENDS)
        hash = (hash ^ n) * 3 + hash_bytes(p + n - HASH_ENDS, HASH_ENDS);
    return hash ? hash : 1;
}

struct known_head *heads_find(const struct heads *h, uint64_t hash, struct str head)
{
    struct known_head *k = h->known[hash % HEADS_MAX];

    if (!k || k->hash != hash || !str_eq_secret(k->text, head))
        return NULL;
    k->refs++;
    return k;
}

void known_head_unref(struct known_head *k)
{
    if (!k || --k->refs)
        return;
    if (k->note && k->note_free)
        k->note_free(k->note);
    free(k);
}

static bool is_within(struct str s, struct str whole)
{
    return s.p >= whole.p && s.p + s.n <= whole.p + whole.n;
}

/* The same place in the copy. */
static struct str moved(struct str s, struct str from, const char *to)
{
    if (!s.p)
        return s;
    ASSERT(is_within(s, from));
    return (struct str){to + (s.p - from.p), s.n};
}

static struct known_head *known_head_new(uint64_t hash, struct str head,
                                         const struct http_request *rq)
{
    size_t fields_n = (size_t)rq->header_count * sizeof(struct http_header);
    struct known_head *k = malloc(sizeof *k + fields_n + head.n);

    if (!k)
        return NULL;
    char *text = (char *)k->headers + fields_n;
    memcpy(text, head.p, head.n);
    *k = (struct known_head){.refs = 1, .hash = hash, .text = {text, head.n}};
    k->request = (struct http_request){.method = rq->method,
                                       .target = moved(rq->target, head, text),
                                       .path = moved(rq->path, head, text),
                                       .query = moved(rq->query, head, text),
                                       .headers = k->headers,
                                       .header_count = rq->header_count};
    for (int32_t i = 0; i < rq->header_count; i++) {
        k->headers[i].name = moved(rq->headers[i].name, head, text);
        k->headers[i].value = moved(rq->headers[i].value, head, text);
    }
    return k;
}

void heads_learn(struct heads *h, uint64_t hash, struct str head, const struct http_request *rq,
                 void (*note_free)(void *note))
{
    size_t at = hash % HEADS_MAX;

    if (h->seen[at] != hash) {
        h->seen[at] = hash;
        return;
    }
    if (rq->header_count > HEAD_KNOWN_FIELDS_MAX || !is_within(rq->path, head))
        return;
    struct known_head *k = known_head_new(hash, head, rq);
    if (!k)
        return;
    k->note_free = note_free;
    known_head_unref(h->known[at]);
    h->known[at] = k;
}

void heads_fini(struct heads *h)
{
    for (int i = 0; i < HEADS_MAX; i++)
        known_head_unref(h->known[i]);
}
