#include "base/arena.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_MIN = 4096 - 64, BLOCK_MAX = 256 * 1024 };

#if defined(__SANITIZE_ADDRESS__)
#define EACH_ALONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EACH_ALONE 1
#endif
#endif
#ifndef EACH_ALONE
#define EACH_ALONE 0
#endif

struct arena_block {
    struct arena_block *older;
    size_t size, used; /* of data[] */
    _Alignas(16) unsigned char data[];
};

struct arena_cleanup {
    struct arena_cleanup *older;
    void (*fn)(void *);
    void *data;
};

void arena_init(struct arena *a, size_t cap_bytes)
{
    *a = (struct arena){.cap = cap_bytes};
}

static void run_cleanups(struct arena *a)
{
    for (struct arena_cleanup *c = a->cleanup; c; c = c->older)
        c->fn(c->data);
    a->cleanup = NULL;
}

static void free_blocks(struct arena_block *b)
{
    while (b) {
        struct arena_block *older = b->older;
        free(b);
        b = older;
    }
}

void arena_fini(struct arena *a)
{
    if (!a)
        return;
    run_cleanups(a);
    free_blocks(a->head);
    a->head = NULL;
    a->used = 0;
}

void arena_clear(struct arena *a)
{
    run_cleanups(a);
    a->used = 0;
    if (!a->head)
        return;
    if (EACH_ALONE || a->head->size > BLOCK_MAX) {
        free_blocks(a->head);
        a->head = NULL;
        return;
    }
    free_blocks(a->head->older);
    a->head->older = NULL;
    a->head->used = 0;
}

static struct arena_block *block_new(struct arena *a, size_t need)
{
    size_t size = need;

    if (!EACH_ALONE) {
        size = a->head ? a->head->size * 2 : BLOCK_MIN;
        if (size > BLOCK_MAX)
            size = BLOCK_MAX;
        if (size < need)
            size = need;
    }
    struct arena_block *b = malloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    b->used = 0;
    b->older = a->head;
    a->head = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t size, size_t align)
{
    ASSERT(align && (align & (align - 1)) == 0 && align <= 16);
    if (size == 0)
        size = 1;
    if (size > a->cap - a->used) /* used never exceeds cap */
        return NULL;
    struct arena_block *b = a->head;
    size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;
    if (EACH_ALONE || !b || at > b->size || size > b->size - at) {
        b = block_new(a, size);
        if (!b)
            return NULL;
        at = 0;
    }
    b->used = at + size;
    a->used += size;
    return memset(b->data + at, 0, size);
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
    va_list args, again;

    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1, 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    return p ? (struct str){p, (size_t)n} : (struct str){NULL, 0};
}

enum err arena_on_end(struct arena *a, void (*fn)(void *), void *data)
{
    struct arena_cleanup *c = arena_new(a, struct arena_cleanup, 1);

    if (!c)
        return ERR_NOMEM;
    *c = (struct arena_cleanup){a->cleanup, fn, data};
    a->cleanup = c;
    return ERR_OK;
}
