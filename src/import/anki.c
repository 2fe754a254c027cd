/* anki - which of Anki's files it is, and on to the reader of that kind.
 *
 * SQLite file: a collection. Zip file: a package (.apkg, .colpkg), whose newest collection counts:
 * collection.anki21b (zstd), .anki21, .anki2 (in newer packages only a note to older programs).
 * Anything else: a review log as CSV, read by the preset anki-reviews. */
#include "base/assert.h"
#include "import/importers.h"
#include "import/zip.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

/* clang-format off */
const struct args_option anki_options[] = {
    {"learner", "NAME", "Whose reviews these are (default: the file's name)."},
    {"time-zone", "ZONE", "IANA zone of a review log's times that name none (default UTC)."},
    INTAKE_OPTIONS,
    {NULL, NULL, NULL},
};
/* clang-format on */

static const size_t collection_bytes_max = (size_t)1 << 30;

static enum err unzstd(char **bytes, size_t *n)
{
    ZSTD_DCtx *d = ZSTD_createDCtx();
    ZSTD_inBuffer in = {*bytes, *n, 0};
    ZSTD_outBuffer out = {NULL, 0, 0};
    size_t left = 1, cap = *n * 4 + (1 << 20);
    enum err e = d ? ERR_OK : ERR_NOMEM;

    while (e == ERR_OK && left != 0) {
        if (out.pos == out.size) {
            cap = out.size ? out.size * 2 : cap;
            cap = cap < collection_bytes_max ? cap : collection_bytes_max;
            char *p = cap > out.size ? realloc(out.dst, cap) : NULL;

            if (!p) {
                e = cap > out.size ? ERR_NOMEM : ERR_TOO_LARGE;
                break;
            }
            out.dst = p, out.size = cap;
        }
        size_t before = in.pos + out.pos;

        left = ZSTD_decompressStream(d, &out, &in);
        if (ZSTD_isError(left) || (in.pos + out.pos == before && out.pos < out.size))
            e = ERR_SYNTAX; /* broken, or cut off */
    }
    ZSTD_freeDCtx(d);
    if (e != ERR_OK) {
        free(out.dst);
        return e;
    }
    free(*bytes);
    *bytes = out.dst, *n = out.pos;
    return ERR_OK;
}

static enum err open_package(const char *path, sqlite3 **ret, char *ret_detail)
{
    static const char *const names[] = {"collection.anki21b", "collection.anki21",
                                        "collection.anki2", NULL};
    struct zip_entry entry;
    char *bytes = NULL;
    size_t n = 0;
    int name, fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err e = fd >= 0 ? zip_find(fd, names, &entry, &name) : ERR_IO;

    if (e == ERR_OK)
        e = zip_read(fd, &entry, collection_bytes_max, &bytes, &n);
    if (fd >= 0)
        close(fd);
    if (e == ERR_OK && name == 0)
        e = unzstd(&bytes, &n);
    if (e == ERR_OK)
        e = collection_open_bytes((struct str){bytes, n}, ret);
    free(bytes);
    if (e == ERR_NOT_FOUND)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.200s holds no Anki collection", path);
    else if (e != ERR_OK)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.200s cannot be unpacked: %s", path,
                 e == ERR_TOO_LARGE ? "the collection is larger than 1 GiB" : "it is damaged");
    return e;
}

/* The table's options that anki's own stand for. */
static enum err review_log_args(const struct import_file *f, struct str learner, char **argv,
                                struct args *ret, char *ret_detail)
{
    static char preset[] = "--preset=anki-reviews";
    struct arena *arena = f->user;
    int argc = 0;

    argv[argc++] = preset;
    argv[argc++] = (char *)(uintptr_t)arena_printf(arena, "--learner=" STR_FMT, STR_ARG(learner)).p;
    for (int i = 0; i < f->args->given_count; i++) {
        const struct args_given *g = &f->args->given[i];
        const char *name = anki_options[g->row].name;

        if (strcmp(name, "learner") == 0)
            continue;
        argv[argc++] = (char *)(uintptr_t)arena_printf(
                           arena, anki_options[g->row].value ? "--%s=%s" : "--%s%s", name, g->value)
                           .p;
    }
    for (int i = 0; i < argc; i++)
        if (!argv[i])
            return ERR_NOMEM;
    return args_parse(table_options, argc, argv, ret, ret_detail);
}

static enum err anki_file(const struct import_file *f, char *ret_detail)
{
    struct str learner = str_from(args_get(anki_options, f->args, "learner"));
    char *argv[ARGS_GIVEN_MAX + 2];
    struct args args;
    struct table *t = NULL;
    struct intake *in = NULL;
    sqlite3 *db = NULL;
    bool package, collection;
    struct intake_options o = {
        .importer = f->self->name,
        .name = f->path,
        .key = intake_key(f->self->name, anki_options, f->args, f->source),
        .session_gap_us = 30 * US_PER_MINUTE,
    };

    if (!learner.p)
        learner = strcmp(f->path, "-") == 0 ? STR("anki") : source_stem(f->path);
    if (!learner.n || learner.n > EVENT_ID_MAX / 2 || !utf8_valid(learner)) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "--learner: 1 to %d bytes of UTF-8",
                 EVENT_ID_MAX / 2);
        return ERR_RANGE;
    }
    enum err e = source_more(f->source);

    if (e != ERR_OK && e != ERR_EOF)
        return e;
    struct str head = {f->source->p + f->source->at, f->source->n - f->source->at};

    package = str_starts(head, STR("PK\003\004"));
    collection = str_starts(head, STR("SQLite format 3"));
    e = package ? open_package(f->path, &db, ret_detail) : ERR_OK;
    if (collection && (e = collection_open_file(f->path, &db)) != ERR_OK)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.200s cannot be opened as a database", f->path);
    if (e == ERR_OK)
        e = intake_read_options(anki_options, f->args, &o, ret_detail);
    if (e == ERR_OK && !db) {
        e = review_log_args(f, learner, argv, &args, ret_detail);
        if (e == ERR_OK)
            e = table_new(&args, &t, ret_detail);
        o.sort = true;
    }
    if (e == ERR_OK)
        e = intake_new(f->ctx, &o, f->source, &in, ret_detail);
    if (e == ERR_OK)
        e = intake_end(in,
                       db ? read_collection(db, learner, in, ret_detail)
                          : read_table(t, f->source, in, ret_detail),
                       ret_detail);
    intake_free(in);
    table_free(t);
    collection_close(db);
    return e;
}

enum err import_anki(const struct importer *self, const struct import_context *ctx,
                     const struct args *args, char *ret_detail)
{
    struct arena arena;

    arena_init(&arena, 1 << 20);
    enum err e = import_each(self, ctx, args, &arena, anki_file, ret_detail);

    arena_fini(&arena);
    return e;
}
