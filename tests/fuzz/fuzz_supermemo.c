/* SuperMemo's text to checked events; nothing else may come out than reviews and studies. */
#include "base/assert.h"
#include "import/importers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct import_context ctx = {.batch_events = 8};
    struct intake_options o = {.importer = "supermemo",
                               .name = "fuzz",
                               .dry_run = true,
                               .sort = true,
                               .session_gap_us = 1800 * US_PER_S,
                               .item_prefix = STR("ann-")};
    struct source *source = source_of((struct str){(const char *)data, n});
    char detail[ARGS_DETAIL_MAX] = "";
    struct intake_counts counts;
    struct intake *in = NULL;

    if (source && intake_new(&ctx, &o, source, &in, detail) == ERR_OK) {
        enum err e = intake_end(in, read_supermemo(source, STR("ann"), zone_utc(), in), detail);

        intake_counts(in, &counts);
        ASSERT(e != ERR_OK || counts.accepted + counts.refused + counts.skipped >= counts.rows);
    }
    intake_free(in);
    source_close(source);
    return 0;
}
