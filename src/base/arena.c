/* arena - see the header. Blocks double up to BLOCK_MAX; what is larger gets a block of its own. */
#include "base/arena.h"

#include "base/assert.h"

#include <stdalign.h>
#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__)
#define EACH_ITS_OWN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EACH_ITS_OWN 1
#endif
#endif
#ifndef EACH_ITS_OWN
#define EACH_ITS_OWN 0
#endif

enum { BLOCK_MIN = 4096, BLOCK_MAX = 65536 };

struct arena_block {
    struct arena_block *next;
    size_t used, size; /* of data */
    alignas(16) char data[];
};

struct arena_cleanup {
    struct arena_cleanup *next;
    void (*fn)(void *);
    void *data;
};

void arena_init(struct arena *a, size_t cap_bytes)
{
    *a = (struct arena){.cap = cap_bytes};
}

static void run_cleanups(struct arena *a)
{
    while (a->cleanup) {
        struct arena_cleanup *c = a->cleanup;

        a->cleanup = c->next; /* first: fn may hang on another */
        c->fn(c->data);
    }
}

void arena_fini(struct arena *a)
{
    if (!a)
        return;
    run_cleanups(a);
    while (a->head) {
        struct arena_block *next = a->head->next;

        free(a->head);
        a->head = next;
    }
    a->used = 0;
}

void arena_clear(struct arena *a)
{
    run_cleanups(a);
    struct arena_block *kept = a->head;

    if (kept && !EACH_ITS_OWN && kept->size <= BLOCK_MAX) {
        a->head = kept->next;
        kept->next = NULL;
        kept->used = 0;
    } else {
        kept = NULL;
    }
    arena_fini(a);
    a->head = kept;
}

static struct arena_block *block_new(size_t size)
{
    struct arena_block *b = malloc(sizeof *b + size);

    if (b)
        *b = (struct arena_block){.size = size};
    return b;
}

/* A place in the block, or NULL when it does not fit. */
static void *block_take(struct arena_block *b, size_t size, size_t align)
{
    uintptr_t base = (uintptr_t)b->data + b->used;
    size_t padding = (size_t)(-base & (align - 1));

    if (padding > b->size - b->used || size > b->size - b->used - padding)
        return NULL;
    void *p = b->data + b->used + padding;

    b->used += padding + size;
    return p;
}

/* A fresh block for size bytes. An only user stands behind the head, which goes on being filled. */
static struct arena_block *block_add(struct arena *a, size_t size, size_t align)
{
    size_t slack = align > alignof(max_align_t) ? align : 0, want = a->head ? a->head->size * 2 : 0;

    if (size > SIZE_MAX / 2 - slack)
        return NULL;
    want = want < BLOCK_MIN ? BLOCK_MIN : want > BLOCK_MAX ? BLOCK_MAX : want;
    bool alone = EACH_ITS_OWN || size + slack > want / 2;
    struct arena_block *b = block_new(alone ? size + slack : want);

    if (!b)
        return NULL;
    if (alone && a->head) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

void *arena_alloc(struct arena *a, size_t size, size_t align)
{
    ASSERT(align && (align & (align - 1)) == 0);
    if (size > a->cap - a->used)
        return NULL;
    void *p = a->head && !EACH_ITS_OWN ? block_take(a->head, size, align) : NULL;

    if (!p) {
        struct arena_block *b = block_add(a, size, align);

        p = b ? block_take(b, size, align) : NULL;
    }
    if (!p)
        return NULL;
    a->used += size;
    return memset(p, 0, size);
}

void *arena_array(struct arena *a, size_t n, size_t size, size_t align)
{
    size_t bytes;

    return __builtin_mul_overflow(n, size, &bytes) ? NULL : arena_alloc(a, bytes, align);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1, 1) : NULL;

    if (!p)
        return (struct str){NULL, 0};
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    if ((size_t)n < sizeof text)
        return arena_str(a, (struct str){text, (size_t)n});

    char *p = arena_alloc(a, (size_t)n + 1, 1);

    if (!p)
        return (struct str){NULL, 0};
    va_start(args, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, args);
    va_end(args);
    return (struct str){p, (size_t)n};
}

enum err arena_on_end(struct arena *a, void (*fn)(void *), void *data)
{
    struct arena_cleanup *c = arena_new(a, struct arena_cleanup, 1);

    if (!c)
        return ERR_NOMEM;
    *c = (struct arena_cleanup){.next = a->cleanup, .fn = fn, .data = data};
    a->cleanup = c;
    return ERR_OK;
}
