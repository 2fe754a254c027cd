/* Anki: a review log, a collection's bytes, or a package. The first byte chooses. */
#include "base/assert.h"
#include "import/importers.h"
#include "import/zip.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct import_context ctx = {.batch_events = 8};
static const struct intake_options options = {
    .importer = "anki", .name = "fuzz", .dry_run = true, .session_gap_us = 1800 * US_PER_S};

static void read_log(struct str text)
{
    char detail[ARGS_DETAIL_MAX] = "", preset[] = "--preset=anki-reviews",
         learner[] = "--learner=ann";
    char *argv[] = {preset, learner};
    struct source *source = source_of(text);
    struct table *t = NULL;
    struct intake *in = NULL;
    struct args args;
    enum err e = args_parse(table_options, COUNT(argv), argv, &args, detail);

    ASSERT(e == ERR_OK);
    if (source && table_new(&args, &t, detail) == ERR_OK &&
        intake_new(&ctx, &options, source, &in, detail) == ERR_OK)
        e = intake_end(in, read_table(t, source, in, detail), detail);
    intake_free(in);
    table_free(t);
    source_close(source);
}

static void read_database(struct str bytes)
{
    char detail[ARGS_DETAIL_MAX] = "";
    struct sqlite3 *db = NULL;
    struct intake *in = NULL;

    if (collection_open_bytes(bytes, &db) != ERR_OK)
        return;
    if (intake_new(&ctx, &options, NULL, &in, detail) == ERR_OK) {
        enum err e = intake_end(in, read_collection(db, STR("ann"), in, detail), detail);

        ASSERT(e == ERR_OK || *detail);
    }
    intake_free(in);
    collection_close(db);
}

static void read_package(struct str bytes)
{
    static const char *const names[] = {"collection.anki21", "a", NULL};
    struct zip_entry entry;
    char *out = NULL;
    size_t out_n = 0;
    int name, fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n &&
        zip_find(fd, names, &entry, &name) == ERR_OK &&
        zip_read(fd, &entry, 1 << 20, &out, &out_n) == ERR_OK)
        ASSERT(out_n == (size_t)entry.size);
    free(out);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str bytes = {(const char *)data + 1, n - 1};

    if (n == 0)
        return 0;
    if (data[0] % 3 == 0)
        read_log(bytes);
    else if (data[0] % 3 == 1)
        read_database(bytes);
    else
        read_package(bytes);
    return 0;
}
