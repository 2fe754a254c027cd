/* lookup - another file's rows by key, in memory: for joins, and for the skills of items. */
#pragma once
#include "import/csv.h"

enum { LOOKUP_KEYS_MAX = 4, LOOKUP_ROWS_MAX = 5000000 };

struct lookup_row {
    const struct str *fields;      /* as many as there are columns; absent ones are {NULL,0} */
    const struct lookup_row *next; /* with the same key, in the file's order */
};
struct lookup {
    struct str columns[CSV_FIELDS_MAX];
    int32_t column_count;
    int32_t key[LOOKUP_KEYS_MAX], key_count; /* columns */
    struct lookup_private *private_;
};

/* Reads the whole file, whose first record names the columns. `keys`: names with commas; {NULL,0}:
 * the first column. ERR_RANGE: no such column, or too much; ret_detail: ARGS_DETAIL_MAX. */
MUST_CHECK enum err lookup_new(const char *path, struct str keys, struct csv_format format,
                               struct lookup **ret, char *ret_detail);
void lookup_free(struct lookup *l);
/* The first row with these values in the key columns, or NULL. */
const struct lookup_row *lookup_get(struct lookup *l, const struct str *values);
