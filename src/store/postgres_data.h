/* postgres_data - values to and from PostgreSQL's binary formats. No connection is used here. */
#pragma once
#include "store/catalog.h"

#include <libpq-fe.h>

/* Arguments as libpq takes them. Numbers are kept inside; text and arrays are borrowed. */
struct pg_params {
    const char *values[STMT_ARGS_MAX];
    int lengths[STMT_ARGS_MAX], formats[STMT_ARGS_MAX];
    uint64_t numbers[STMT_ARGS_MAX];
};

struct pg_buffer { /* arrays of a bulk; kept by a connection from call to call */
    char *p;
    size_t cap;
};

Oid pg_oid(uint8_t type, bool array); /* of an enum value_type */

/* One row of arguments. ERR_RANGE: more bytes than the protocol takes. */
MUST_CHECK enum err pg_params_of_row(const struct stmt_def *def, const struct value *v,
                                     struct pg_params *p);
/* All rows: one array per argument, in the buffer, so until its next use. ERR_RANGE, ERR_NOMEM. */
MUST_CHECK enum err pg_params_of_rows(struct pg_buffer *b, const struct stmt_def *def,
                                      const struct value *v, int32_t rows, struct pg_params *p);

/* One cell. Text points into the result. */
struct value pg_cell(const PGresult *r, int row, int col, Oid type);
/* The result into the arena: one piece of values, one of text. ERR_NOMEM. */
MUST_CHECK enum err pg_copy_rows(struct arena *arena, const PGresult *r, int64_t rows_max,
                                 struct rows *ret);
/* Fills b->applied from the keys that the statement returned. ERR_NOMEM. */
MUST_CHECK enum err pg_mark_applied(const struct stmt_def *def, struct bulk *b, const PGresult *r);
