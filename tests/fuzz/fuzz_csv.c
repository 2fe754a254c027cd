/* Tables: the reader alone under every format, and rows through each preset to checked events. The
 * first byte chooses. */
#include "base/assert.h"
#include "import/importers.h"

#include <stdlib.h>

static void check_record(const struct csv_record *r)
{
    ASSERT(r->count >= 0 && r->count <= CSV_FIELDS_MAX);
    for (int32_t i = 0; i < r->count; i++) {
        ASSERT(utf8_valid(r->fields[i]));
        ASSERT(!r->fields[i].n || !memchr(r->fields[i].p, 0, r->fields[i].n));
    }
}

static void read_records(struct str text, uint8_t choice)
{
    static const char separators[] = {0, ',', '\t', ';'};
    struct csv_format format = {separators[choice & 3], choice & 4, choice & 8};
    struct source *source = source_of(text);
    static struct csv csv;
    struct csv_record r;
    const char *reason = NULL;
    int64_t line = 0;
    enum err e;

    if (!source)
        return;
    csv_init(&csv, source, format);
    while ((e = csv_next(&csv, &r, &reason)) == ERR_OK || e == ERR_RANGE) {
        ASSERT(r.line > line); /* always forward: no loop without end */
        line = r.line;
        check_record(&r);
        ASSERT(e == ERR_OK || reason);
    }
    csv_fini(&csv);
    source_close(source);
}

static void read_rows(struct str text, uint8_t choice)
{
    struct import_context ctx = {.batch_events = 8};
    struct intake_options o = {.importer = "csv",
                               .name = "fuzz",
                               .dry_run = true,
                               .session_gap_us = 1800 * US_PER_S,
                               .sort = choice & 1,
                               .item_prefix = STR("i-")};
    char detail[ARGS_DETAIL_MAX] = "", option[] = "--preset", *argv[] = {option, NULL};
    const struct preset *preset = presets;
    struct table *t = NULL;
    struct intake *in = NULL;
    struct args args;

    for (int i = choice >> 1 & 15; i > 0 && preset[1].name; i--)
        preset++;
    argv[1] = (char *)(uintptr_t)preset->name;
    struct source *source = source_of(text);
    enum err e = args_parse(table_options, 2, argv, &args, detail);

    ASSERT(e == ERR_OK);
    if (source && table_new(&args, &t, detail) == ERR_OK &&
        intake_new(&ctx, &o, source, &in, detail) == ERR_OK)
        e = intake_end(in, read_table(t, source, in, detail), detail);
    intake_free(in);
    table_free(t);
    source_close(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct str text = {(const char *)data + 1, n - 1};

    if (data[0] & 0x80)
        read_rows(text, data[0]);
    else
        read_records(text, data[0]);
    return 0;
}
