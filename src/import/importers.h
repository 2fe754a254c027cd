/* importers - what the importers share beside the intake: one function each, in a table of
 * import.h. */
#pragma once
#include "import/intake.h"
#include "import/table.h"

MUST_CHECK enum err import_csv(const struct importer *self, const struct import_context *ctx,
                               const struct args *args, char *ret_detail);
MUST_CHECK enum err import_anki(const struct importer *self, const struct import_context *ctx,
                                const struct args *args, char *ret_detail);
MUST_CHECK enum err import_supermemo(const struct importer *self, const struct import_context *ctx,
                                     const struct args *args, char *ret_detail);
MUST_CHECK enum err import_events(const struct importer *self, const struct import_context *ctx,
                                  const struct args *args, char *ret_detail);
MUST_CHECK enum err import_catalog(const struct importer *self, const struct import_context *ctx,
                                   const struct args *args, char *ret_detail);
extern const struct args_option anki_options[], supermemo_options[], events_options[],
    catalog_options[];

/* Readers: from bytes to the intake. They return why they stopped: ERR_EOF at the end of the source
 * or of the limit. Also what the fuzz targets call. */
MUST_CHECK enum err read_table(struct table *t, struct source *s, struct intake *in,
                               char *ret_detail);
MUST_CHECK enum err read_supermemo(struct source *s, struct str learner, const struct zone *zone,
                                   struct intake *in);
MUST_CHECK enum err read_events(struct source *s, struct intake *in,
                                const struct event_rules *rules);

struct sqlite3;
/* A review log in an Anki collection; `learner` names its owner. */
MUST_CHECK enum err read_collection(struct sqlite3 *db, struct str learner, struct intake *in,
                                    char *ret_detail);
/* Opens a copy of the bytes as a read-only database that may be hostile. */
MUST_CHECK enum err collection_open_bytes(struct str bytes, struct sqlite3 **ret);
MUST_CHECK enum err collection_open_file(const char *path, struct sqlite3 **ret);
void collection_close(struct sqlite3 *db);

/* Runs fn for each operand, with its source open; "FILE: " in front of a detail without a name. */
struct import_file {
    const struct importer *self;
    const struct import_context *ctx;
    const struct args *args;
    const char *path;
    struct source *source;
    void *user;
};
MUST_CHECK enum err import_each(const struct importer *self, const struct import_context *ctx,
                                const struct args *args, void *user,
                                enum err (*fn)(const struct import_file *f, char *ret_detail),
                                char *ret_detail);
