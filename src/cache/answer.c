#include "cache/answer.h"

#include "base/assert.h"
#include "base/num.h"
#include "cache/encode.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    HASH_BYTES = 16,
    CACHE_CONTROL_MAX = 256,
    HEAD_MAX = 128 + ANSWER_ETAG_MAX + CACHE_CONTROL_MAX,
    GAIN_MIN = 64, /* a form must save more than its Content-Encoding line */
    OFTEN = 16     /* so many have asked for what is packed: it is worth its memory */
};

/* Made later than the answer. */
struct form {
    struct form *next;
    enum answer_form form;
    uint32_t n;
    char bytes[];
};

enum { FORM_NOT_MADE, FORM_MAKING, FORM_MADE, FORM_NOT_WORTH };

enum holding {
    HOLDS_BODY,
    HOLDS_GZIP,
    HOLDS_DIFFERENCE /* from the sample */
};

struct answer {
    _Atomic uint32_t refs;
    _Atomic uint8_t states[FORM_COUNT]; /* of the forms in the list */
    _Atomic uint8_t asked;              /* of a packed one: up to OFTEN */
    uint32_t fresh, stale, error, cost; /* spans, each from the end of the one before */
    int64_t made_us;
    struct stamp_sum stamp;
    char hash[HASH_BYTES]; /* of the body; the entity tags' common part */
    const struct sample *sample;
    _Atomic(struct form *) forms;
    uint32_t body_n, held_n;
    uint16_t lines_n, status;
    uint8_t holds;
    uint8_t manner;
    char text[]; /* the lines; behind them what it holds */
};

static struct str held(const struct answer *a)
{
    return (struct str){a->text + a->lines_n, a->held_n};
}

/* ---- manners ---- */

/* What many answers have in common, kept once for the process: there are a few of them. */
struct manner {
    const char *media;
    size_t control_n;
    char control[CACHE_CONTROL_MAX];
};
enum { MANNERS_MAX = 256 };
static _Atomic(struct manner *) manners[MANNERS_MAX];

static const struct manner *manner_of(const struct answer *a)
{
    return atomic_load_explicit(&manners[a->manner], memory_order_acquire);
}

static bool is_manner(const struct manner *m, const char *media, struct str control)
{
    bool same_media = m->media == media || (m->media && media && strcmp(m->media, media) == 0);

    return same_media && str_eq((struct str){m->control, m->control_n}, control);
}

/* -1: no memory, or too many. */
static int manner_number(const char *media, struct str control)
{
    for (int i = 0; i < MANNERS_MAX; i++) {
        struct manner *m = atomic_load_explicit(&manners[i], memory_order_acquire);

        if (!m) {
            struct manner *made = malloc(sizeof *made);

            if (!made)
                return -1;
            *made = (struct manner){.media = media, .control_n = control.n};
            memcpy(made->control, control.p, control.n);
            if (atomic_compare_exchange_strong(&manners[i], &m, made))
                return i;
            free(made); /* m is the one that came first */
        }
        if (is_manner(m, media, control))
            return i;
    }
    return -1;
}

/* ---- samples ---- */

struct sample {
    struct sample *older;
    size_t n;
    char body[];
};

/* Who comes second with a larger one adds nothing: there will be others. */
static void sample_add(struct sample_set *set, struct sample *newest, struct str body)
{
    struct sample *s = malloc(sizeof *s + body.n);

    if (!s)
        return;
    *s = (struct sample){.older = newest, .n = body.n};
    memcpy(s->body, body.p, body.n);
    if (!atomic_compare_exchange_strong(&set->newest, &newest, s))
        free(s);
}

static const struct sample *sample_for(struct sample_set *set, struct str body)
{
    struct sample *newest = atomic_load(&set->newest);

    if (!newest || body.n >= 2 * newest->n)
        sample_add(set, newest, body);
    return atomic_load(&set->newest);
}

void sample_set_fini(struct sample_set *set)
{
    struct sample *s = atomic_exchange(&set->newest, NULL);

    while (s) {
        struct sample *older = s->older;

        free(s);
        s = older;
    }
}

/* ---- times ---- */

/* Microseconds; with the highest bit set 1,024 of them. */
enum { SPAN_COARSE_SHIFT = 10 };
#define SPAN_COARSE (UINT32_C(1) << 31)

static uint32_t span_of(int64_t us)
{
    if (us < (int64_t)SPAN_COARSE)
        return (uint32_t)us;
    us >>= SPAN_COARSE_SHIFT;
    return us < (int64_t)SPAN_COARSE ? SPAN_COARSE | (uint32_t)us : UINT32_MAX;
}

static int64_t span_us(uint32_t span)
{
    return span & SPAN_COARSE ? (int64_t)(span & ~SPAN_COARSE) << SPAN_COARSE_SHIFT : span;
}

int64_t answer_made_us(const struct answer *a)
{
    return a->made_us;
}

int64_t answer_fresh_until_us(const struct answer *a)
{
    return a->made_us + span_us(a->fresh);
}

int64_t answer_cost_us(const struct answer *a)
{
    return span_us(a->cost);
}

int64_t answer_error_until_us(const struct answer *a)
{
    return a->made_us + span_us(a->fresh) + span_us(a->stale) + span_us(a->error);
}

struct answer_times answer_times(const struct answer *a)
{
    struct answer_times t = {.made_us = a->made_us, .cost_us = span_us(a->cost)};

    t.fresh_until_us = t.made_us + span_us(a->fresh);
    t.stale_until_us = t.fresh_until_us + span_us(a->stale);
    t.error_until_us = t.stale_until_us + span_us(a->error);
    return t;
}

/* ---- life ---- */

static void hash_body(struct str body, char out[HASH_BYTES])
{
    XXH128_canonical_t c;

    XXH128_canonicalFromHash(&c, XXH3_128bits(body.p, body.n));
    memcpy(out, c.digest, HASH_BYTES);
}

enum err answer_new(const struct answer_spec *spec, struct answer **ret)
{
    ASSERT(spec->made_us <= spec->fresh_until_us && spec->fresh_until_us <= spec->stale_until_us);
    ASSERT(spec->error_until_us == 0 || spec->error_until_us >= spec->stale_until_us);
    ASSERT(spec->cache_control && strlen(spec->cache_control) <= CACHE_CONTROL_MAX);
    if (spec->body.n > ANSWER_BODY_MAX || spec->lines.n > ANSWER_LINES_MAX)
        return ERR_TOO_LARGE;
    int manner = manner_number(spec->media, str_from(spec->cache_control));
    if (manner < 0)
        return ERR_NOMEM;
    size_t bytes = offsetof(struct answer, text) + spec->lines.n + spec->body.n;
    struct answer *a = malloc(bytes > sizeof *a ? bytes : sizeof *a);

    if (!a)
        return ERR_NOMEM;
    int64_t error_until_us = spec->error_until_us ? spec->error_until_us : spec->stale_until_us;

    *a = (struct answer){
        .made_us = spec->made_us,
        .fresh = span_of(spec->fresh_until_us - spec->made_us),
        .stale = span_of(spec->stale_until_us - spec->fresh_until_us),
        .error = span_of(error_until_us - spec->stale_until_us),
        .cost = span_of(spec->cost_us > 0 ? spec->cost_us : 0),
        .stamp = stamp_add_up(&spec->stamp, spec->without),
        .manner = (uint8_t)manner,
        .body_n = (uint32_t)spec->body.n,
        .held_n = (uint32_t)spec->body.n,
        .lines_n = (uint16_t)spec->lines.n,
        .status = (uint16_t)spec->status,
    };
    if (spec->lines.n)
        memcpy(a->text, spec->lines.p, spec->lines.n);
    if (spec->body.n)
        memcpy(a->text + spec->lines.n, spec->body.p, spec->body.n);
    hash_body(spec->body, a->hash);
    atomic_init(&a->refs, 1);
    *ret = a;
    return ERR_OK;
}

/* Bytes written at `out`, less than `room`; 0: it is not worth it. */
static size_t pack_body(struct str body, const struct sample *sample, char *out, size_t room)
{
    return sample ? encode_difference(body, (struct str){sample->body, sample->n}, out, room)
                  : encode_gzip(body, out, room);
}

struct answer *answer_pack(const struct answer *a, struct sample_set *samples)
{
    struct str body = answer_body(a);
    struct answer *p = NULL;

    if (a->holds != HOLDS_BODY || body.n < ANSWER_PACK_MIN || body.n > ANSWER_ENCODE_MAX)
        return NULL;
    const struct sample *sample =
        samples && body.n < ANSWER_GZIP_MIN ? sample_for(samples, body) : NULL;
    size_t front = offsetof(struct answer, text) + a->lines_n, room = body.n - body.n / 3;
    char *draft = malloc(front + room);
    size_t n = draft ? pack_body(body, sample, draft + front, room) : 0;

    if (n && (p = realloc(draft, front + n))) {
        memcpy(p, a, front);
        p->holds = sample ? HOLDS_DIFFERENCE : HOLDS_GZIP;
        p->sample = sample;
        p->held_n = (uint32_t)n;
        atomic_init(&p->refs, 1);
        atomic_init(&p->asked, 0);
        atomic_init(&p->forms, NULL);
        for (int form = 0; form < FORM_COUNT; form++)
            atomic_init(&p->states[form], FORM_NOT_MADE);
        return p;
    }
    free(draft);
    return NULL;
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
    for (struct form *f = atomic_load(&a->forms), *next; f; f = next) {
        next = f->next;
        free(f);
    }
    free(a);
}

/* ---- what it is ---- */

bool answer_valid(const struct answer *a, const struct generations *g)
{
    return stamp_sum_valid(g, &a->stamp);
}

int32_t answer_status(const struct answer *a)
{
    return a->status;
}

const char *answer_media(const struct answer *a)
{
    return manner_of(a)->media;
}

struct str answer_lines(const struct answer *a)
{
    return (struct str){a->text, a->lines_n};
}

struct str answer_body(const struct answer *a)
{
    return (struct str){a->holds == HOLDS_BODY ? held(a).p : NULL, a->body_n};
}

bool answer_holds_gzip(const struct answer *a)
{
    return a->holds == HOLDS_GZIP;
}

size_t answer_bytes(const struct answer *a)
{
    size_t bytes = malloc_usable_size((void *)a);

    for (struct form *f = atomic_load(&a->forms); f; f = f->next)
        bytes += malloc_usable_size(f);
    return bytes;
}

/* ---- heads ---- */

static const struct {
    struct str line, tag_end;
} form_names[FORM_COUNT] = {[FORM_IDENTITY] = {{NULL, 0}, {"\"", 1}},
                            [FORM_GZIP] = {{"Content-Encoding: gzip\r\n", 24}, {"-gz\"", 4}},
                            [FORM_BROTLI] = {{"Content-Encoding: br\r\n", 22}, {"-br\"", 4}}};

static char *put(char *to, const char *from, size_t n)
{
    memcpy(to, from, n);
    return to + n;
}

struct str answer_etag(const struct answer *a, enum answer_form form, char out[ANSWER_ETAG_MAX])
{
    char *to = out;

    if (a->status < 200 || a->status > 299)
        return (struct str){NULL, 0};
    *to++ = '"';
    num_print_hex16(a->hash, to);
    to += 2 * HASH_BYTES;
    to = put(to, form_names[form].tag_end.p, form_names[form].tag_end.n);
    return (struct str){out, (size_t)(to - out)};
}

size_t answer_head_max(const struct answer *a)
{
    return HEAD_MAX + (size_t)a->lines_n;
}

char *answer_head(const struct answer *a, enum answer_form form, bool not_modified, char *to)
{
    static const char etag[] = "ETag: ", control[] = "Cache-Control: ",
                      vary[] = "\r\nVary: Accept-Encoding\r\n";

    const struct manner *manner = manner_of(a);

    if (form != FORM_IDENTITY && !not_modified)
        to = put(to, form_names[form].line.p, form_names[form].line.n);
    if (a->status >= 200 && a->status < 300) {
        to = put(to, etag, sizeof etag - 1);
        to += answer_etag(a, form, to).n;
        to = put(to, "\r\n", 2);
    }
    to = put(to, control, sizeof control - 1);
    to = put(to, manner->control, manner->control_n);
    to = put(to, vary, sizeof vary - 1);
    return put(to, a->text, a->lines_n);
}

/* ---- forms ---- */

/* A packed answer's body. */
static bool unpack(const struct answer *a, char *out)
{
    if (a->holds == HOLDS_GZIP)
        return decode_gzip(held(a), out, a->body_n);
    return decode_difference(held(a), (struct str){a->sample->body, a->sample->n}, out, a->body_n);
}

static struct str form_of(struct answer *a, enum answer_form form, uint32_t *made);

/* {NULL,0}: no memory. */
static struct str identity_of(struct answer *a, uint32_t *made)
{
    return a->holds == HOLDS_BODY ? held(a) : form_of(a, FORM_IDENTITY, made);
}

static struct form *unpacked_new(const struct answer *a)
{
    struct form *f = malloc(sizeof *f + a->body_n);

    if (!f)
        return NULL;
    if (!unpack(a, f->bytes)) {
        free(f);
        return NULL;
    }
    *f = (struct form){.form = FORM_IDENTITY, .n = a->body_n};
    return f;
}

static struct form *form_new(struct answer *a, enum answer_form form, uint32_t *made)
{
    size_t n;

    if (form == FORM_IDENTITY)
        return unpacked_new(a);
    struct str plain = identity_of(a, made);
    struct form *f = plain.p ? encode_body(form, plain, sizeof *f, GAIN_MIN, &n) : NULL;

    if (f)
        *f = (struct form){.form = form, .n = (uint32_t)n};
    return f;
}

/* By the one thread that moved the state to FORM_MAKING. */
static void form_make(struct answer *a, enum answer_form form, uint32_t *made)
{
    struct form *f = form_new(a, form, made);

    if (!f) {
        atomic_store(&a->states[form], FORM_NOT_WORTH);
        return;
    }
    *made |= 1u << form;
    f->next = atomic_load(&a->forms);
    while (!atomic_compare_exchange_weak(&a->forms, &f->next, f))
        ;
    atomic_store_explicit(&a->states[form], FORM_MADE, memory_order_release);
}

/* {NULL,0}: there is none now. */
static struct str form_of(struct answer *a, enum answer_form form, uint32_t *made)
{
    if (form == FORM_GZIP && a->holds == HOLDS_GZIP)
        return held(a);
    uint8_t state = atomic_load_explicit(&a->states[form], memory_order_acquire);

    if (state == FORM_NOT_MADE &&
        atomic_compare_exchange_strong(&a->states[form], &state, FORM_MAKING)) {
        form_make(a, form, made);
        state = atomic_load_explicit(&a->states[form], memory_order_relaxed);
    }
    if (state != FORM_MADE)
        return (struct str){NULL, 0};
    const struct form *f = atomic_load_explicit(&a->forms, memory_order_acquire);

    while (f->form != form)
        f = f->next;
    return (struct str){f->bytes, f->n};
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
    struct answer_view v = {.form = FORM_IDENTITY};
    bool rare = a->holds != HOLDS_BODY && is_rare(a);

    if (a->body_n >= ANSWER_ENCODE_MIN && a->body_n <= ANSWER_ENCODE_MAX)
        for (size_t i = 0; !v.body.p && i < COUNT(by_size); i++) {
            v.form = by_size[i];
            if ((accept & 1u << v.form) &&
                (!rare || (v.form == FORM_GZIP && a->holds == HOLDS_GZIP)))
                v.body = form_of(a, v.form, &v.made);
        }
    if (v.body.p)
        return v;
    v.form = FORM_IDENTITY;
    if (!rare)
        v.body = identity_of(a, &v.made);
    v.packed = !v.body.p;
    if (v.packed)
        v.body.n = a->body_n;
    return v;
}

enum err answer_unpack(const struct answer *a, struct buf *out)
{
    size_t n = a->body_n;

    ASSERT(a->holds != HOLDS_BODY);
    buf_clear(out);
    char *to = buf_reserve(out, n);
    if (!to || !unpack(a, to))
        return n > out->max ? ERR_TOO_LARGE : ERR_NOMEM;
    out->n = n;
    return ERR_OK;
}
