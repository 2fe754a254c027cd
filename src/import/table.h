/* table - what the rows of a foreign table say: a map from columns to an event's fields.
 *
 * Made once from options and header, then used for each record. Pure: reads no files but those that
 * the options name (joins, skills), and writes nothing. */
#pragma once
#include "import/csv.h"
#include "import/timeform.h"
#include "ingest/event.h"

#include "base/args.h"

extern const struct args_option table_options[]; /* for `doppel import csv`, common ones included */

struct preset {
    const char *name, *text; /* one sentence: which files have this layout */
    const char *args[40];    /* as on the command line; ends in NULL */
};
extern const struct preset presets[]; /* ends in a row without a name */

struct table;
/* Reads the options, those of the preset first. ERR_RANGE: ret_detail says which. ERR_NOT_FOUND,
 * ERR_IO: a file that they name. */
MUST_CHECK enum err table_new(const struct args *args, struct table **ret, char *ret_detail);
void table_free(struct table *t);
/* The args with the preset's in front, as table_new() read them. */
const struct args *table_args(const struct table *t);
struct csv_format table_format(const struct table *t);
bool table_has_header(const struct table *t);
bool table_is_triples(const struct table *t); /* three lines a learner instead of records */
/* Binds the columns' names; without a header, numbers only. ERR_RANGE: a column is missing. */
MUST_CHECK enum err table_bind(struct table *t, const struct csv_record *header, char *ret_detail);

enum table_verdict { TABLE_EVENT, TABLE_SKIP, TABLE_REFUSE };
/* What one record is. The event's text lives until the next call. Of the others, *field and *reason
 * say why; a note (may be "") what was left out of the event. */
struct table_row {
    struct event event;
    char field[32], reason[128], note[128];
};
MUST_CHECK enum err table_read(struct table *t, const struct csv_record *record,
                               struct table_row *ret, enum table_verdict *ret_verdict);
