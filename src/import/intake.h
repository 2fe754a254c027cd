/* intake - the way that all importers share: from an event made of a row to a row stored.
 *
 * It copies the event, gives names their prefixes, and for each learner keeps what the source does
 * not say: the order of rows with equal times (later ones get microseconds), a time where there is
 * no clock, sessions by pauses, and an id made of the content, so that the same file gives the same
 * ids. Then it checks and applies in batches, remembers how far it came, and tells what it did.
 *
 * A text too long for an identifier keeps its beginning and gets the hash of the whole. */
#pragma once
#include "import/import.h"
#include "import/source.h"

/* Events without any time stand a second apart from here, in the source's order, per learner. */
#define INTAKE_ORIGIN (INT64_C(946684800) * US_PER_S) /* 2000-01-01 */

enum { INTAKE_REASONS_MAX = 64, INTAKE_SORT_MAX = 4000000 /* rows */ };

struct intake_options {
    const char *importer; /* goes into the derived ids */
    struct str origin;    /* so does this: what tells two sources of one learner apart */
    uint64_t key;         /* of file and options, for going on after an interruption; 0: none */
    const char *name;     /* of the file, for the summary */
    struct str learner_prefix, item_prefix, skill_prefix;
    struct str learner_zone; /* given to all learners of the file; {NULL,0}: they keep theirs */
    int64_t session_gap_us;  /* 0: no sessions are made */
    int64_t limit;           /* events; 0: all */
    bool sort;               /* the source is not in the order of time */
    bool dry_run;
};

struct intake_counts {
    int64_t rows, events, accepted, duplicates, refused, skipped, learners;
};

struct intake;
/* `source` (may be NULL) is looked at for the progress. Options are copied, their text is not. */
MUST_CHECK enum err intake_new(const struct import_context *ctx,
                               const struct intake_options *options, const struct source *source,
                               struct intake **ret, char *ret_detail);
/* `e` is copied. at == TIME_NONE is allowed with `untimed` only. An event that cannot be taken is
 * counted with its reason, and is no error. ERR_EOF: the limit is reached. ERR_CANCELLED: stop. */
MUST_CHECK enum err intake_add(struct intake *in, const struct event *e, int64_t line);
/* The row brings no event: because it was asked for (skip), or because it is bad (refuse). `raw` is
 * what a quarantine would keep; p == NULL: nothing. */
void intake_row(struct intake *in); /* one more row was read */
void intake_skip(struct intake *in, int64_t line, const char *fmt, ...) PRINTF_LIKE(3, 4);
void intake_refuse(struct intake *in, int64_t line, struct str raw, const char *field,
                   const char *reason);
/* A part of the row was left out of its event. */
void intake_note(struct intake *in, int64_t line, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Applies what is left, unless `e` tells that reading failed, and prints the summary. Returns the
 * outcome of all: ERR_EOF of a limit is success. */
MUST_CHECK enum err intake_end(struct intake *in, enum err e, char *ret_detail);
void intake_counts(const struct intake *in, struct intake_counts *ret);
void intake_free(struct intake *in);

/* The options that every importer of files has, as rows of its table. */
/* clang-format off: a table reads better in its own columns */
#define INTAKE_OPTIONS                                                                          \
    {"learner-prefix", "TEXT", "Put this before every learner's id."},                          \
        {"item-prefix", "TEXT", "Put this before every item's id."},                            \
        {"skill-prefix", "TEXT", "Put this before every skill's name."},                        \
        {"prefix", "TEXT", "All three prefixes at once."},                                      \
        {"learner-zone", "ZONE",                                                                \
         "IANA zone that the learners live in: their local days and hours."},                   \
        {"origin", "NAME", "Tells two sources of the same learners apart in the derived ids."}, \
        {"session-gap", "TIME",                                                                 \
         "Make sessions: a pause longer than this (30m, 1h) ends one; 0 makes none."},          \
        {"sort", NULL, "Put the rows in the order of time first (in memory)."},                 \
        {"limit", "N", "Take at most N events."},                                               \
    {                                                                                           \
        "dry-run", NULL, "Read and check everything, store nothing."                            \
    }
/* clang-format on */
/* ERR_RANGE: see ret_detail. Leaves what is not given as it is. */
MUST_CHECK enum err intake_read_options(const struct args_option *rows, const struct args *args,
                                        struct intake_options *options, char *ret_detail);
/* The key of a file read with these options. */
uint64_t intake_key(const char *importer, const struct args_option *rows, const struct args *args,
                    const struct source *source);
/* "90s", "30m", "1h", "2d" as microseconds. */
MUST_CHECK enum err intake_span(struct str s, int64_t *ret_us);
