/* arena - memory of one request: taken bit by bit, given back all at once.
 *
 * A bump allocator over a chain of blocks, with a cap on the sum. Zero cost to make: the first
 * block is allocated on first use and kept by arena_clear(). In sanitizer builds each allocation
 * is its own malloc, so that overruns between neighbours are seen. Not thread-safe: one owner. */
#pragma once
#include "base/str.h"

#include <stdarg.h>
#include <stddef.h>

struct arena_block;
struct arena_cleanup;

struct arena {
    struct arena_block *head;      /* the block in use; older ones behind it */
    size_t used, cap;              /* bytes handed out; never above cap */
    struct arena_cleanup *cleanup; /* run by clear and fini, newest first */
};

void arena_init(struct arena *a, size_t cap_bytes);
void arena_fini(struct arena *a);  /* NULL and zeroed are fine */
void arena_clear(struct arena *a); /* everything handed out is gone; one block is kept */

/* Zeroed memory, or NULL when the cap or the machine's memory is reached. align: power of two. */
void *arena_alloc(struct arena *a, size_t size, size_t align);
/* n objects of a type, zeroed; NULL also when n * size overflows. */
#define arena_new(a, type, n) ((type *)arena_array((a), (n), sizeof(type), _Alignof(type)))
void *arena_array(struct arena *a, size_t n, size_t size, size_t align);

/* Copies; the text is followed by a NUL that is not counted. p is NULL on failure. */
struct str arena_str(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Calls fn(data) when the arena is cleared or ended. ERR_NOMEM: it was not hung on. */
MUST_CHECK enum err arena_on_end(struct arena *a, void (*fn)(void *), void *data);
