#include "import/source.h"

#include "base/args.h"
#include "base/assert.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { RAW_BYTES = 64 << 10, READ_BYTES = 64 << 10 };

struct source_input {
    int fd; /* -1: memory */
    bool owned;
    struct str memory;
    bool started, gzip, inflating, raw_ended;
    z_stream z;
    size_t raw_at, raw_n;
    unsigned char raw[RAW_BYTES];
};

/* Chained over blocks, since hash_stable() takes one piece. */
static enum err digest_of(int fd, uint64_t *ret)
{
    struct {
        uint64_t before;
        char bytes[RAW_BYTES];
    } *block = malloc(sizeof *block);
    off_t at = 0;
    ssize_t n;

    if (!block)
        return ERR_NOMEM;
    block->before = 1;
    while ((n = pread(fd, block->bytes, sizeof block->bytes, at)) > 0) {
        block->before = hash_stable(block, sizeof block->before + (size_t)n);
        at += n;
    }
    *ret = block->before;
    free(block);
    return n < 0 ? ERR_IO : ERR_OK;
}

static struct source *make(void)
{
    struct source *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->input = calloc(1, sizeof *s->input);
    s->cap = 4 * READ_BYTES;
    s->p = malloc(s->cap);
    if (!s->input || !s->p) {
        source_close(s);
        return NULL;
    }
    s->input->fd = -1;
    s->raw_size = -1;
    return s;
}

struct source *source_of(struct str bytes)
{
    struct source *s = make();

    if (s) {
        s->input->memory = bytes;
        s->raw_size = (int64_t)bytes.n;
    }
    return s;
}

enum err source_open(const char *path, struct source **ret, char *ret_detail)
{
    struct source *s = make();
    struct stat st;
    enum err e = ERR_IO;

    if (!s) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "out of memory");
        return ERR_NOMEM;
    }
    if (strcmp(path, "-") == 0) {
        s->input->fd = STDIN_FILENO;
        *ret = s;
        return ERR_OK;
    }
    s->input->fd = open(path, O_RDONLY | O_CLOEXEC);
    s->input->owned = s->input->fd >= 0;
    if (s->input->fd < 0) {
        e = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    } else if (fstat(s->input->fd, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            errno = EISDIR;
        } else if (!S_ISREG(st.st_mode)) {
            e = ERR_OK; /* a pipe: neither size nor digest */
        } else {
            s->raw_size = st.st_size;
            e = digest_of(s->input->fd, &s->digest);
        }
    }
    if (e != ERR_OK) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.200s: %s", path, strerror(errno));
        source_close(s);
        return e;
    }
    *ret = s;
    return ERR_OK;
}

void source_close(struct source *s)
{
    if (!s)
        return;
    if (s->input) {
        if (s->input->inflating)
            inflateEnd(&s->input->z);
        if (s->input->owned)
            close(s->input->fd);
    }
    free(s->input);
    free(s->p);
    free(s);
}

/* Bytes of the file as they are. ERR_EOF: none left. */
static enum err raw_fill(struct source *s)
{
    struct source_input *in = s->input;
    ssize_t n;

    if (in->raw_at < in->raw_n)
        return ERR_OK;
    if (in->raw_ended)
        return ERR_EOF;
    if (in->fd < 0) {
        n = (ssize_t)(in->memory.n < sizeof in->raw ? in->memory.n : sizeof in->raw);
        if (n > 0)
            memcpy(in->raw, in->memory.p, (size_t)n);
        in->memory.p += n, in->memory.n -= (size_t)n;
    } else {
        do
            n = read(in->fd, in->raw, sizeof in->raw);
        while (n < 0 && errno == EINTR);
    }
    if (n < 0)
        return ERR_IO;
    in->raw_at = 0, in->raw_n = (size_t)n;
    s->raw_bytes += n;
    in->raw_ended = n == 0;
    return n ? ERR_OK : ERR_EOF;
}

static enum err start(struct source *s)
{
    struct source_input *in = s->input;
    enum err e = raw_fill(s);

    in->started = true;
    if (e != ERR_OK)
        return e;
    /* A first read of a pipe may give one byte: 0x1f alone begins no text that is imported here. */
    in->gzip = in->raw[0] == 0x1f && (in->raw_n == 1 || in->raw[1] == 0x8b);
    if (!in->gzip)
        return ERR_OK;
    if (inflateInit2(&in->z, 15 + 16) != Z_OK)
        return ERR_NOMEM;
    in->inflating = true;
    return ERR_OK;
}

/* Unpacks into p[n..cap), at least a byte. */
static enum err inflate_some(struct source *s)
{
    struct source_input *in = s->input;
    size_t before = s->n;

    while (s->n == before) {
        enum err e = raw_fill(s);

        if (e == ERR_EOF)
            return in->inflating ? ERR_SYNTAX : ERR_EOF; /* cut off in the middle of a member */
        if (e != ERR_OK)
            return e;
        if (!in->inflating) { /* behind a member: another one, or padding that gzip ignores too */
            if (in->raw[in->raw_at] != 0x1f) {
                in->raw_ended = true, in->raw_at = in->raw_n;
                return ERR_EOF;
            }
            if (inflateInit2(&in->z, 15 + 16) != Z_OK)
                return ERR_NOMEM;
            in->inflating = true;
        }
        in->z.next_in = in->raw + in->raw_at;
        in->z.avail_in = (unsigned)(in->raw_n - in->raw_at);
        in->z.next_out = (unsigned char *)s->p + s->n;
        in->z.avail_out = (unsigned)(s->cap - s->n);
        int z = inflate(&in->z, Z_NO_FLUSH);

        in->raw_at = in->raw_n - in->z.avail_in;
        s->n = s->cap - in->z.avail_out;
        if (z == Z_STREAM_END) {
            inflateEnd(&in->z);
            in->inflating = false;
        } else if (z != Z_OK && z != Z_BUF_ERROR) {
            return z == Z_MEM_ERROR ? ERR_NOMEM : ERR_SYNTAX;
        }
    }
    return ERR_OK;
}

static enum err make_room(struct source *s)
{
    if (s->at > 0) {
        memmove(s->p, s->p + s->at, s->n - s->at);
        s->n -= s->at, s->at = 0;
    }
    if (s->cap - s->n >= READ_BYTES)
        return ERR_OK;
    if (s->cap >= SOURCE_WINDOW_MAX)
        return s->n < s->cap ? ERR_OK : ERR_TOO_LARGE;
    char *p = realloc(s->p, s->cap * 2);

    if (!p)
        return ERR_NOMEM;
    s->p = p, s->cap *= 2;
    return ERR_OK;
}

enum err source_more(struct source *s)
{
    struct source_input *in = s->input;
    enum err e = s->ended ? ERR_EOF : ERR_OK;

    if (e == ERR_OK && !in->started)
        e = start(s);
    if (e == ERR_OK)
        e = make_room(s);
    if (e == ERR_OK && in->gzip) {
        e = inflate_some(s);
    } else if (e == ERR_OK && (e = raw_fill(s)) == ERR_OK) {
        size_t room = s->cap - s->n, n = in->raw_n - in->raw_at;

        n = n < room ? n : room;
        memcpy(s->p + s->n, in->raw + in->raw_at, n);
        s->n += n, in->raw_at += n;
    }
    s->ended = e == ERR_EOF;
    return e;
}

/* Passes over the rest of a line that is too long. */
static enum err line_drop(struct source *s)
{
    for (;;) {
        char *end = s->n > s->at ? memchr(s->p + s->at, '\n', s->n - s->at) : NULL;

        if (end) {
            s->at = (size_t)(end - s->p) + 1;
            return ERR_TOO_LARGE;
        }
        s->at = s->n;
        enum err e = source_more(s);

        if (e != ERR_OK)
            return e == ERR_EOF ? ERR_TOO_LARGE : e;
    }
}

enum err source_line(struct source *s, size_t max, struct str *ret)
{
    size_t seen = 0;

    for (;;) {
        size_t n = s->n - s->at;
        char *end = n > seen ? memchr(s->p + s->at + seen, '\n', n - seen) : NULL;
        enum err e = ERR_OK;

        if (!end && n <= max) {
            seen = n;
            e = source_more(s);
            if (e == ERR_OK)
                continue;
            if (e == ERR_TOO_LARGE)
                return line_drop(s);
            if (e != ERR_EOF || n == 0)
                return e;
        }
        size_t length = end ? (size_t)(end - (s->p + s->at)) : n;

        s->line++;
        if (length > max)
            return line_drop(s);
        *ret = (struct str){s->p + s->at, length};
        s->at += length + (end != NULL);
        if (ret->n && ret->p[ret->n - 1] == '\r')
            ret->n--;
        return ERR_OK;
    }
}

struct str source_stem(const char *path)
{
    struct str s = str_from(path);
    static const char *const endings[] = {".gz", ".txt", ".csv", ".tsv", ".ndjson", ".json"};

    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == '/') {
            s.p += i, s.n -= i;
            break;
        }
    for (size_t i = 0; i < COUNT(endings); i++)
        if (s.n > strlen(endings[i]) && str_ends(s, str_from(endings[i])))
            s.n -= strlen(endings[i]);
    return s;
}
