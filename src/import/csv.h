/* csv - records of a separated text file, one at a time, in bounded memory.
 *
 * RFC 4180, and what files in the wild do: any one-byte separator, LF or CR LF, quoted fields that
 * hold line ends, text behind a closing quote (kept), no quoting at all. A byte-order mark is
 * passed over. A quote that never closes costs one line, not the rest of the file. */
#pragma once
#include "import/source.h"

enum { CSV_FIELDS_MAX = 1024, CSV_RECORD_MAX = 1 << 20 /* bytes */ };

struct csv_format {
    char separator; /* 0: the one of tab , ; | that the first line has most of */
    bool quotes, latin1;
};

struct csv_record {
    const struct str *fields; /* UTF-8 without NUL; valid until the next call */
    int32_t count;            /* 0 of a refused record */
    int64_t line;             /* where it begins, from 1 */
    struct str raw;           /* for messages; of a refused record too, then of any bytes */
};

struct csv {
    struct source *source;
    struct csv_format format;
    int64_t line;
    bool begun;
    char *latin; /* the record, recoded */
    struct str fields[CSV_FIELDS_MAX];
};

/* The source stays the caller's. */
void csv_init(struct csv *c, struct source *source, struct csv_format format);
void csv_fini(struct csv *c);
/* Empty lines are passed over. ERR_EOF: no more. ERR_RANGE: this record is bad, *ret_reason (static
 * text) says why, the reader stands behind it. Otherwise see source_more(). */
MUST_CHECK enum err csv_next(struct csv *c, struct csv_record *ret, const char **ret_reason);
