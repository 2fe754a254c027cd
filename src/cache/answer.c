#include "cache/answer.h"

#include "base/assert.h"
#include "cache/encode.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdatomic.h>
#include <xxhash.h>

enum {
    HASH_TEXT = 32,
    ETAG_MAX = HASH_TEXT + 6,
    CACHE_CONTROL_MAX = 256,
    HEAD_MAX = 128 + ETAG_MAX + CACHE_CONTROL_MAX + ANSWER_LINES_MAX,
    GAIN_MIN = 64, /* a form must save more than its Content-Encoding line */
    OFTEN = 16     /* so many have asked for what is packed: it is worth its memory */
};

/* A form's block: this, the head, and for a coded form the bytes. */
struct form {
    struct str head, head_304, etag, body;
};

enum { FORM_NOT_MADE, FORM_MAKING, FORM_MADE, FORM_NOT_WORTH };

struct answer {
    _Atomic uint32_t refs;
    _Atomic uint8_t states[FORM_COUNT]; /* identity's: of a packed one */
    _Atomic uint8_t asked;              /* of a packed one: up to OFTEN */
    bool packed;
    struct answer_spec spec;
    struct form *made[FORM_COUNT]; /* read only when its state is FORM_MADE */
    _Atomic size_t bytes;
    _Atomic(struct answer_home *) home;
    _Atomic uint64_t home_hash;
    char hash[HASH_TEXT]; /* of the body; the entity tags' common part */
    struct form identity; /* its head lies behind, and its body unless it is packed */
};

static size_t heap_bytes(void *p)
{
    return malloc_usable_size(p) + sizeof(size_t);
}

/* ---- heads ---- */

static struct {
    const char *coding, *tag_end;
} const form_names[FORM_COUNT] = {
    [FORM_IDENTITY] = {NULL, ""}, [FORM_GZIP] = {"gzip", "-gz"}, [FORM_BROTLI] = {"br", "-br"}};

/* Writes the lines at `out` (HEAD_MAX) and points the form at them; its tag lies in its line. */
static void write_head(const struct answer *a, enum answer_form form, char *out, struct form *f)
{
    int n = 0;
    const char *coding = form_names[form].coding;

    if (coding)
        n += snprintf(out, HEAD_MAX, "Content-Encoding: %s\r\n", coding);
    char *rest = out + n;

    if (a->spec.status >= 200 && a->spec.status < 300) {
        static const char name[] = "ETag: ";
        int etag = snprintf(out + n, HEAD_MAX - (size_t)n, "%s\"%.*s%s\"\r\n", name, HASH_TEXT,
                            a->hash, form_names[form].tag_end);

        f->etag = (struct str){out + n + sizeof name - 1, (size_t)etag - (sizeof name - 1) - 2};
        n += etag;
    }
    n += snprintf(out + n, HEAD_MAX - (size_t)n,
                  "Cache-Control: %s\r\nVary: Accept-Encoding\r\n%.*s", a->spec.cache_control,
                  (int)a->spec.lines.n, a->spec.lines.n ? a->spec.lines.p : "");
    ASSERT(n < HEAD_MAX);
    f->head = (struct str){out, (size_t)n};
    f->head_304 = (struct str){rest, (size_t)(out + n - rest)};
}

/* The form's lines were written at `from` and now lie at `to`. */
static void move_head(struct form *f, const char *from, char *to)
{
    memcpy(to, from, f->head.n);
    f->head.p = to;
    f->head_304.p = to + (f->head_304.p - from);
    if (f->etag.p)
        f->etag.p = to + (f->etag.p - from);
}

static void hash_body(struct answer *a)
{
    char text[HASH_TEXT + 1];
    XXH128_hash_t h = XXH3_128bits(a->spec.body.p, a->spec.body.n);

    snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, h.high64, h.low64);
    memcpy(a->hash, text, HASH_TEXT);
}

/* ---- life ---- */

static const struct form *form_of(struct answer *a, enum answer_form form);

enum err answer_new(const struct answer_spec *spec, struct answer **ret)
{
    ASSERT(spec->made_us <= spec->fresh_until_us && spec->fresh_until_us <= spec->stale_until_us);
    ASSERT(spec->cache_control && strlen(spec->cache_control) <= CACHE_CONTROL_MAX);
    if (spec->body.n > ANSWER_BODY_MAX || spec->lines.n > ANSWER_LINES_MAX)
        return ERR_TOO_LARGE;
    char head[HEAD_MAX];
    struct answer draft = {.spec = *spec};

    if (spec->error_until_us == 0)
        draft.spec.error_until_us = spec->stale_until_us;
    ASSERT(draft.spec.error_until_us >= spec->stale_until_us);
    hash_body(&draft);
    write_head(&draft, FORM_IDENTITY, head, &draft.identity);
    size_t head_n = draft.identity.head.n;
    struct answer *a = malloc(sizeof *a + head_n + spec->body.n);

    if (!a)
        return ERR_NOMEM;
    char *text = (char *)(a + 1);

    memcpy(a, &draft, sizeof *a);
    move_head(&a->identity, head, text);
    if (spec->body.n)
        memcpy(text + head_n, spec->body.p, spec->body.n);
    a->spec.body = a->identity.body = (struct str){text + head_n, spec->body.n};
    a->spec.lines.p = a->identity.head.p + a->identity.head.n - spec->lines.n; /* they end it */
    atomic_init(&a->refs, 1);
    atomic_init(&a->bytes, heap_bytes(a));
    *ret = a;
    return ERR_OK;
}

struct answer *answer_pack(struct answer *a)
{
    size_t n = a->spec.body.n;

    if (a->packed || n < ANSWER_PACK_MIN || n > ANSWER_ENCODE_MAX)
        return NULL;
    const struct form *gzip = form_of(a, FORM_GZIP);
    struct answer *p =
        gzip && gzip->body.n + n / 3 < n ? malloc(sizeof *p + a->identity.head.n) : NULL;

    if (!p)
        return NULL;
    memcpy(p, a, sizeof *p);
    move_head(&p->identity, a->identity.head.p, (char *)(p + 1));
    p->spec.body.p = p->identity.body.p = NULL;
    p->spec.lines.p = p->identity.head.p + p->identity.head.n - p->spec.lines.n;
    p->packed = true;
    for (int form = 0; form < FORM_COUNT; form++) {
        if (form != FORM_GZIP) {
            p->made[form] = NULL;
            atomic_init(&p->states[form], FORM_NOT_MADE);
        }
    }
    a->made[FORM_GZIP] = NULL;
    atomic_store(&a->states[FORM_GZIP], FORM_NOT_MADE);
    atomic_init(&p->refs, 1);
    atomic_init(&p->bytes, heap_bytes(p) + heap_bytes(p->made[FORM_GZIP]));
    atomic_store(&a->bytes, answer_bytes(a) - heap_bytes(p->made[FORM_GZIP]));
    return p;
}

struct answer *answer_ref(struct answer *a)
{
    uint32_t before = atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);

    ASSERT(before > 0 && before < UINT32_MAX);
    return a;
}

void answer_unref(void *p)
{
    struct answer *a = p;

    if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int form = 0; form < FORM_COUNT; form++)
        free(a->made[form]);
    free(a);
}

const struct answer_spec *answer_spec(const struct answer *a)
{
    return &a->spec;
}

size_t answer_bytes(const struct answer *a)
{
    return atomic_load(&a->bytes);
}

void answer_settle(struct answer *a, struct answer_home *home, uint64_t hash)
{
    atomic_store(&a->home_hash, hash);
    atomic_store(&a->home, home);
}

/* ---- forms ---- */

/* A packed answer's body. */
static struct form *unpacked_new(const struct answer *a)
{
    size_t n = a->spec.body.n;
    struct form *f = malloc(sizeof *f + n);

    if (!f)
        return NULL;
    *f = a->identity;
    f->body = (struct str){(char *)(f + 1), n};
    if (!decode_gzip(a->made[FORM_GZIP]->body, (char *)(f + 1), n)) {
        free(f);
        return NULL;
    }
    return f;
}

/* NULL: no memory. */
static const struct form *identity_of(struct answer *a)
{
    return a->packed ? form_of(a, FORM_IDENTITY) : &a->identity;
}

static struct form *form_new(struct answer *a, enum answer_form form)
{
    char head[HEAD_MAX];
    struct form draft = {.etag = {NULL, 0}};
    size_t n;

    write_head(a, form, head, &draft);
    size_t front = sizeof(struct form) + draft.head.n;
    const struct form *plain = identity_of(a);
    char *block = plain ? encode_body(form, plain->body, front, GAIN_MIN, &n) : NULL;

    if (!block)
        return NULL;
    draft.body = (struct str){block + front, n};
    move_head(&draft, head, block + sizeof(struct form));
    return memcpy(block, &draft, sizeof draft);
}

/* By the one thread that moved the state to FORM_MAKING. The size is told before the home is asked
 * for: a cache that takes the answer in at this moment sees one or is told of the other. */
static void form_make(struct answer *a, enum answer_form form)
{
    struct form *f = form == FORM_IDENTITY ? unpacked_new(a) : form_new(a, form);

    if (!f) {
        atomic_store(&a->states[form], FORM_NOT_WORTH);
        return;
    }
    a->made[form] = f;
    atomic_fetch_add(&a->bytes, heap_bytes(f));
    struct answer_home *home = atomic_load(&a->home);

    if (home)
        home->grew(home, atomic_load(&a->home_hash), a, form, a->spec.body.n - f->body.n);
    atomic_store_explicit(&a->states[form], FORM_MADE, memory_order_release);
}

static const struct form *form_of(struct answer *a, enum answer_form form)
{
    uint8_t state = atomic_load_explicit(&a->states[form], memory_order_acquire);

    if (state == FORM_NOT_MADE &&
        atomic_compare_exchange_strong(&a->states[form], &state, FORM_MAKING)) {
        form_make(a, form);
        state = atomic_load_explicit(&a->states[form], memory_order_relaxed);
    }
    return state == FORM_MADE ? a->made[form] : NULL;
}

/* Of a packed answer: have few asked for it yet? */
static bool is_rare(struct answer *a)
{
    uint8_t asked = atomic_load_explicit(&a->asked, memory_order_relaxed);

    if (asked >= OFTEN)
        return false;
    atomic_store_explicit(&a->asked, (uint8_t)(asked + 1), memory_order_relaxed);
    return true;
}

struct answer_view answer_view(struct answer *a, uint32_t accept)
{
    static const enum answer_form by_size[] = {FORM_BROTLI, FORM_GZIP};
    const struct form *f = NULL;
    enum answer_form form = FORM_IDENTITY;
    bool rare = a->packed && is_rare(a);

    if (a->spec.body.n >= ANSWER_ENCODE_MIN && a->spec.body.n <= ANSWER_ENCODE_MAX)
        for (size_t i = 0; !f && i < COUNT(by_size); i++)
            if ((accept & 1u << (form = by_size[i])) && (form == FORM_GZIP || !rare))
                f = form_of(a, form);
    if (!f) {
        f = rare ? NULL : identity_of(a);
        form = FORM_IDENTITY;
    }
    bool packed = !f;
    if (packed)
        f = &a->identity;
    return (struct answer_view){f->head, f->body, f->head_304, f->etag, form, packed};
}

enum err answer_unpack(const struct answer *a, struct buf *out)
{
    size_t n = a->spec.body.n;

    ASSERT(a->packed);
    buf_clear(out);
    char *to = buf_reserve(out, n);
    if (!to || !decode_gzip(a->made[FORM_GZIP]->body, to, n))
        return n > out->max ? ERR_TOO_LARGE : ERR_NOMEM;
    out->n = n;
    return ERR_OK;
}
