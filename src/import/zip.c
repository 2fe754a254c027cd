#include "import/zip.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
    END_BYTES = 22,
    DIRECTORY_BYTES = 46,
    LOCAL_BYTES = 30,
    TAIL_MAX = 65535 + END_BYTES, /* the end record has a comment behind it */
    DIRECTORY_MAX = 64 << 20,
    METHOD_STORED = 0,
    METHOD_DEFLATED = 8,
    FLAG_ENCRYPTED = 1,
};

static uint32_t u16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const unsigned char *p)
{
    return u16(p) | u16(p + 2) << 16;
}

static enum err read_at(int fd, void *p, size_t n, int64_t at)
{
    for (size_t got = 0; got < n;) {
        ssize_t r = pread(fd, (char *)p + got, n - got, at + (off_t)got);

        if (r <= 0)
            return r < 0 ? ERR_IO : ERR_SYNTAX;
        got += (size_t)r;
    }
    return ERR_OK;
}

struct directory {
    int64_t offset, bytes, entries;
};

static enum err find_directory(int fd, int64_t size, struct directory *ret)
{
    size_t n = size < TAIL_MAX ? (size_t)size : TAIL_MAX;
    unsigned char *tail = malloc(TAIL_MAX);
    enum err e = !tail           ? ERR_NOMEM
                 : n < END_BYTES ? ERR_SYNTAX
                                 : read_at(fd, tail, n, size - (int64_t)n);

    if (e == ERR_OK) {
        e = ERR_SYNTAX;
        for (size_t i = n - END_BYTES + 1; i-- > 0;) {
            const unsigned char *p = tail + i;

            if (u32(p) != 0x06054b50 || i + END_BYTES + u16(p + 20) != n)
                continue;
            *ret = (struct directory){
                .offset = u32(p + 16), .bytes = u32(p + 12), .entries = u16(p + 10)};
            if (ret->offset + ret->bytes <= size && ret->bytes <= DIRECTORY_MAX)
                e = ERR_OK;
            break;
        }
    }
    free(tail);
    return e;
}

enum err zip_find(int fd, const char *const *names, struct zip_entry *ret, int *ret_name)
{
    struct directory d;
    struct stat st;
    int best = -1;

    if (fstat(fd, &st) != 0)
        return ERR_IO;
    enum err e = find_directory(fd, st.st_size, &d);

    if (e != ERR_OK)
        return e;
    unsigned char *bytes = malloc((size_t)d.bytes + 1);

    e = bytes ? read_at(fd, bytes, (size_t)d.bytes, d.offset) : ERR_NOMEM;
    size_t at = 0, n = (size_t)d.bytes;

    for (int64_t i = 0; e == ERR_OK && i < d.entries && i < ZIP_ENTRIES_MAX; i++) {
        const unsigned char *p = bytes + at;

        if (n - at < DIRECTORY_BYTES || u32(p) != 0x02014b50) {
            e = ERR_SYNTAX;
            break;
        }
        size_t name_n = u16(p + 28), whole = DIRECTORY_BYTES + name_n + u16(p + 30) + u16(p + 32);

        if (n - at < whole) {
            e = ERR_SYNTAX;
            break;
        }
        struct str name = {(const char *)p + DIRECTORY_BYTES, name_n};

        for (int k = 0; names[k] && (best < 0 || k < best); k++)
            if (str_eq(name, str_from(names[k]))) {
                best = k;
                *ret = (struct zip_entry){.offset = u32(p + 42),
                                          .packed = u32(p + 20),
                                          .size = u32(p + 24),
                                          .crc = u32(p + 16),
                                          .method = (uint16_t)u16(p + 10)};
                if (u16(p + 8) & FLAG_ENCRYPTED)
                    ret->method = UINT16_MAX;
            }
        at += whole;
    }
    free(bytes);
    if (e == ERR_OK && best < 0)
        e = ERR_NOT_FOUND;
    if (e == ERR_OK)
        *ret_name = best;
    return e;
}

static enum err unpack(char *packed, size_t packed_n, char *out, size_t out_n)
{
    z_stream z = {.next_in = (unsigned char *)packed,
                  .avail_in = (unsigned)packed_n,
                  .next_out = (unsigned char *)out,
                  .avail_out = (unsigned)out_n};

    if (inflateInit2(&z, -15) != Z_OK)
        return ERR_NOMEM;
    int r = inflate(&z, Z_FINISH);

    inflateEnd(&z);
    return r == Z_STREAM_END && z.avail_out == 0 ? ERR_OK : ERR_SYNTAX;
}

enum err zip_read(int fd, const struct zip_entry *entry, size_t max, char **ret, size_t *ret_n)
{
    unsigned char local[LOCAL_BYTES];
    struct stat st;

    if (entry->method != METHOD_STORED && entry->method != METHOD_DEFLATED)
        return ERR_NOT_IMPLEMENTED;
    if (entry->size > (int64_t)max || entry->packed > (int64_t)max)
        return ERR_TOO_LARGE;
    if (fstat(fd, &st) != 0)
        return ERR_IO;
    enum err e = read_at(fd, local, sizeof local, entry->offset);

    if (e != ERR_OK)
        return e;
    int64_t at = entry->offset + LOCAL_BYTES + u16(local + 26) + u16(local + 28);

    if (u32(local) != 0x04034b50 || at + entry->packed > st.st_size ||
        (entry->method == METHOD_STORED && entry->packed != entry->size))
        return ERR_SYNTAX;
    size_t packed_n = (size_t)entry->packed, n = (size_t)entry->size;
    char *packed = malloc(packed_n + 1);
    char *out = entry->method == METHOD_STORED ? packed : malloc(n + 1);

    e = packed && out ? read_at(fd, packed, packed_n, at) : ERR_NOMEM;
    if (e == ERR_OK && out != packed)
        e = unpack(packed, packed_n, out, n);
    if (e == ERR_OK && crc32(0, (unsigned char *)out, (unsigned)n) != entry->crc)
        e = ERR_SYNTAX;
    if (out != packed)
        free(packed);
    if (e != ERR_OK) {
        free(out);
        return e;
    }
    *ret = out;
    *ret_n = n;
    return ERR_OK;
}
