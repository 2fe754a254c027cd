/* sheet - a table file whose columns are known by name, row by row. */
#pragma once
#include "import/csv.h"

enum { SHEET_COLUMNS_MAX = 16 };

struct sheet {
    struct source *source;
    struct csv csv;
    struct csv_record record;
    int32_t columns[SHEET_COLUMNS_MAX], count; /* by the names' order */
    const char *file;
    char *detail;
};

/* names: ends in NULL. ERR_SYNTAX: the header lacks one. sheet_close() also after an error. */
MUST_CHECK enum err sheet_open(struct sheet *s, const char *folder, const char *file,
                               const char *const *names, char *detail);
void sheet_close(struct sheet *s);
/* ERR_EOF after the last; ERR_SYNTAX: a row with fewer columns than asked for. */
MUST_CHECK enum err sheet_next(struct sheet *s);
struct str sheet_text(const struct sheet *s, int32_t column); /* until the next row */
/* "NA" and "" are NaN. False: neither a number nor that, or beyond 1e15. */
bool sheet_number(const struct sheet *s, int32_t column, double *ret);
enum err sheet_bad(struct sheet *s); /* ERR_SYNTAX, with file and line in the detail */
