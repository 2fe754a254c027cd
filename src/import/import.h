/* import - foreign files to events: one row per importer.
 *
 * An importer reads files in its own form, makes events of their rows, and applies them by
 * applier_apply() in batches on the writer connection that it is given. It is idempotent (ids come
 * from the content) and resumable (table `imports`). The command line is read from the importer's
 * own rows; help, man page and completion come from them. */
#pragma once
#include "base/args.h"
#include "ingest/ingest.h"

#include <stdio.h>

struct import_context {
    struct store *store;
    struct store_conn *conn; /* the one writer; the importer opens no other */
    /* When set, checked events go here, in order, and nothing is stored (store and conn may be
     * NULL). What the event points to is borrowed. An error ends the import and is its result. */
    enum err (*sink)(void *user, const struct event *e);
    void *sink_user;
    int64_t future_max_us;   /* how far in the future an event may lie */
    int32_t batch_events;    /* events in one transaction */
    int32_t
        quarantine_rows_max;  /* refused events are kept, at most so many rows; 0: they are not */
    FILE *out;                /* the summary: what was taken, skipped, and why */
    FILE *progress;           /* bar and rate, redrawn; NULL: not a terminal, say nothing */
    const volatile int *stop; /* not 0: end after the running batch, to be resumed later */
};

struct importer {
    const char *name;     /* "csv": doppel import csv … */
    const char *operands; /* "FILE..." */
    const char *summary;  /* one line */
    const char *about;    /* a paragraph for help and man page; may be NULL */
    const struct args_option *options;
    /* ERR_RANGE: an option or operand (the command exits 2); anything else: the work failed (exit
     * 1). ret_detail: at least ARGS_DETAIL_MAX bytes, one line for people, naming file and row. */
    enum err (*run)(const struct importer *self, const struct import_context *ctx,
                    const struct args *args, char *ret_detail);
};

extern const struct importer importers[]; /* ends in a row without a name */
