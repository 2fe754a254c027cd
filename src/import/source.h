/* source - the bytes of a file to be imported: plain or gzip, from a path or standard input.
 *
 * A window over the unpacked bytes that slides forward, so that memory is bounded whatever the
 * file's size. gzip is told by its first two bytes; members may follow each other (RFC 1952). */
#pragma once
#include "base/str.h"

enum { SOURCE_WINDOW_MAX = 4 << 20 }; /* bytes: the longest line or record */

struct source {
    char *p; /* unread: p[at..n) */
    size_t at, n, cap;
    bool ended;                  /* nothing behind the window */
    int64_t line;                /* lines taken by source_line() */
    int64_t raw_bytes, raw_size; /* read of the file; its size, -1 when not known */
    uint64_t digest;             /* of the file's bytes as they are; 0 for standard input */
    struct source_input *input;
};

/* "-" is standard input. Regular files are read once more, beforehand, for the digest.
 * ERR_NOT_FOUND, ERR_IO: ret_detail (at least ARGS_DETAIL_MAX bytes) names the file. */
MUST_CHECK enum err source_open(const char *path, struct source **ret, char *ret_detail);
/* The same over borrowed memory, for tests. NULL: out of memory. */
struct source *source_of(struct str bytes);
void source_close(struct source *s); /* NULL is fine */

/* Puts more bytes behind the unread ones. ERR_EOF: there are no more. ERR_TOO_LARGE: the window is
 * full. ERR_SYNTAX: the gzip stream is broken. ERR_IO, ERR_NOMEM. Moves the window: pointers into
 * it are void afterwards. */
MUST_CHECK enum err source_more(struct source *s);
/* The next line without its end (LF or CR LF), in the window until the next call.
 * ERR_EOF: no more. ERR_TOO_LARGE: this line is longer than max bytes; it has been passed over. */
MUST_CHECK enum err source_line(struct source *s, size_t max, struct str *ret);

/* "data/guillem.txt.gz" is "guillem": the name without directories and endings. */
struct str source_stem(const char *path);
