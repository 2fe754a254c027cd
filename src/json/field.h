/* field - one table describes a C struct; decoding, printing, bounds and the published schema
 * all come from it.
 *
 * A table is an array of `struct field` ending in FIELD_END. The same kind of table serves query
 * parameters, request bodies, and replies:
 *
 *     static const struct field slot_fields[] = {
 *         FIELD(F_I32, struct slot, hour, "hour", .min = 0, .max = 23, .doc = "local hour"),
 *         FIELD(F_F64, struct slot, score, "score", .flags = FIELD_NULLABLE, .doc = "…"),
 *         FIELD_END,
 *     };
 */
#pragma once
#include "base/arena.h"
#include "base/civil.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    F_END,
    F_BOOL,   /* bool */
    F_I32,    /* int32_t; INT32_MIN prints as null when nullable */
    F_I64,    /* int64_t; INT64_MIN prints as null when nullable */
    F_F64,    /* double; NaN (never infinity) prints as null and must be declared nullable */
    F_STR,    /* struct str; p == NULL prints as null */
    F_ENUM,   /* int32_t, an index into names[]; -1 prints as null */
    F_TIME,   /* int64_t microseconds; TIME_NONE prints as null; RFC 3339 text */
    F_DATE,   /* int32_t days since 1970; INT32_MIN prints as null; "YYYY-MM-DD" */
    F_JSON,   /* struct str holding JSON text; any value; p == NULL prints as null */
    F_OBJECT, /* nested: by default the struct lies inside; with FIELD_POINTER a pointer, NULL is
                 null */
    F_LIST,   /* struct list of `sub` objects, or of `item` scalars */
    F_MAP,    /* struct list of struct map_entry; printed as an object; values as `item` or `sub` */
};

/* n things of the element's C type, side by side. */
struct list {
    void *p;
    int32_t n;
};

struct map_entry {
    struct str key;
    const void *value; /* the element's C type, or the sub-struct */
};

enum {
    FIELD_REQUIRED = 1, /* input: must be there. */
    FIELD_NULLABLE = 2, /* null is a value of its own, distinct in the schema */
    FIELD_OMIT = 4,     /* output: absent instead of null (and not "required" in the schema) */
    FIELD_POINTER = 8,  /* F_OBJECT: the struct holds a pointer */
    FIELD_SECRET = 16,  /* never logged */
    FIELD_FLAT = 32,    /* F_OBJECT: its members are printed in place, without an object around */
    FIELD_DATE_OK = 64, /* F_TIME input: a bare date means its first instant in UTC */
};

struct field {
    const char *name;
    enum field_type type;
    uint16_t flags;
    uint32_t offset; /* of the member in the C struct */
    uint32_t seen;   /* input: 1 + offset of a bool set when the member was given; 0 = none */
    /* numbers: value; text: bytes; lists and maps: count. 0,0 = the type's own; max < min = no
     * maximum */
    double min, max;
    const char *def;          /* input: text used when absent; NULL = zeroed / the type's null */
    const char *const *names; /* F_ENUM: ends in NULL. Matched exactly; printed as they are */
    const struct field *sub;  /* F_OBJECT, F_LIST and F_MAP of objects */
    enum field_type item;     /* F_LIST and F_MAP of scalars */
    uint32_t size;            /* sizeof of one element (F_LIST) or of the nested struct */
    const char *doc;          /* one sentence for the published schema */
};

#define FIELD(type_, struct_, member_, name_, ...)                                        \
    {                                                                                     \
        .type = (type_), .offset = (uint32_t)offsetof(struct_, member_), .name = (name_), \
        __VA_ARGS__                                                                       \
    }
#define FIELD_END     \
    {                 \
        .type = F_END \
    }

/* What was wrong with the input, for the problem reply. */
struct field_error {
    char path[160];   /* "events[3].score"; "" = the whole */
    char reason[160]; /* "must be between 0 and 1" */
    char code[24];    /* "invalid_type" "too_small" "too_big" "missing" "invalid_format"
                         "invalid_value" */
    double min, max;  /* the bounds, when code is too_small or too_big */
};

struct json_reader;
struct json_writer;

/* Reads one JSON object into the zeroed struct at `out`; absent members get their default. Text is
 * borrowed from the input where it has no escapes, else copied to the arena. Unknown members are
 * skipped and counted in *ret_unknown (may be NULL). ERR_SYNTAX: not JSON.
 * ERR_RANGE: see *err, which names the first fault; the reader stands behind the object, so that
 * what follows can be read. ERR_NOMEM. */
MUST_CHECK enum err fields_read_json(const struct field *fields, struct json_reader *r,
                                     struct arena *arena, void *out, int32_t *ret_unknown,
                                     struct field_error *err);

/* Query parameters: percent-decoded names and values ("" is a value). A parameter given twice is
 * ERR_RANGE; unknown ones are ignored. Lists are comma-separated. */
struct query_pair {
    struct str name, value;
};
MUST_CHECK enum err fields_read_query(const struct field *fields, const struct query_pair *pairs,
                                      int32_t count, struct arena *arena, void *out,
                                      struct field_error *err);
/* Splits "a=1&b=%20" (also ';' is not a separator; '+' is a blank). ERR_SYNTAX: bad percent-coding,
 * bad UTF-8 or NUL. ERR_RANGE: more than QUERY_PAIRS_MAX. */
enum { QUERY_PAIRS_MAX = 64 };
MUST_CHECK enum err query_split(struct str query, struct arena *arena, struct query_pair **ret,
                                int32_t *ret_count);

/* "data_points" as a table names it: "dataPoints". In `out`, or `name` itself. */
enum { FIELD_NAME_MAX = 80 };
struct str field_name_from_snake(struct str name, char out[FIELD_NAME_MAX]);

/* How names are printed, here and in schemas: writer.names. */
void fields_write_json(const struct field *fields, struct json_writer *w, const void *in);
/* The members only, without the braces: for an envelope that is already open. */
void fields_write_members(const struct field *fields, struct json_writer *w, const void *in);
/* The value of one member of `in`, without its name. */
void field_write_json(const struct field *f, struct json_writer *w, const void *in);
/* The JSON Schema (2020-12) of the object, for OpenAPI 3.1. `input`: required = FIELD_REQUIRED;
 * otherwise everything that is not FIELD_OMIT is required. */
void fields_write_schema(const struct field *fields, struct json_writer *w, bool input);
/* Schema of one field's value alone (for query parameters). */
void field_write_schema(const struct field *f, struct json_writer *w, bool input);
