/* catalog - what tools/embed_sql.py makes of the SQL files: statements and migrations as data.
 *
 * Inside the store only; the rest of the program sees `enum stmt`. Tests bring a catalogue of their
 * own, made by the same tool. */
#pragma once
#include "store/store.h"

enum {
    STMT_ARGS_MAX = 64, /* the tool refuses more */
    STMT_MANY = 8,      /* rows of `sqlite_many`; the tool's MANY */
};

struct stmt_def {
    const char *name;
    const char *sqlite, *postgres; /* the text for each engine */
    const char *sqlite_many;       /* a bulk's for STMT_MANY rows at once, or NULL */
    const uint8_t *args;           /* enum value_type of each argument */
    const uint8_t *keys;           /* which arguments identify a row, from 0 */
    uint8_t arg_count, key_count;
    uint16_t reads, writes; /* groups of tables: src/sql/groups */
    bool bulk;        /* PostgreSQL's text takes arrays */
    const char *scan; /* why a full scan is allowed; NULL: it is not */
};

struct migration {
    int32_t version; /* 1, 2, … */
    const char *name;
    const char *sqlite, *postgres;
};

struct catalog {
    const struct stmt_def *stmts;
    int32_t stmt_count;
    const struct migration *migrations;
    int32_t migration_count;
};

extern const struct catalog store_catalog; /* of the program: src/sql */

/* store_open() with another catalogue; `enum stmt` then stands for its statements. */
MUST_CHECK enum err store_open_catalog(const struct store_options *options,
                                       const struct catalog *catalog, struct store **ret,
                                       char *ret_detail);
const struct catalog *store_catalog_of(const struct store *s);
