/* table - a table with a field of every kind, for the targets that read by tables. All of it may be
 * printed as it was read, so that printing and reading can be held against each other. */
#pragma once
#include "base/assert.h"
#include "base/buf.h"
#include "json/field.h"
#include "json/reader.h"
#include "json/writer.h"

struct sub {
    int32_t x;
    double y;
    struct list words;
};
struct all {
    bool flag, flag_given;
    int32_t i32, color, date;
    int64_t i64, at, day_or_time;
    double f64;
    struct str name, any;
    struct sub sub, flat, *pointer;
    struct list subs, numbers, words, map, sub_map;
};

static const char *const colors[] = {"red", "green", "", NULL};

static const struct field sub_fields[] = {
    FIELD(F_I32, struct sub, x, "x", .min = -3, .max = 9, .def = "2"),
    FIELD(F_F64, struct sub, y, "y", .flags = FIELD_OMIT),
    FIELD(F_LIST, struct sub, words, "words", .item = F_STR, .max = 4),
    FIELD_END,
};
static const struct field flat_fields[] = {
    FIELD(F_I32, struct sub, x, "flatX", .flags = FIELD_NULLABLE),
    FIELD(F_F64, struct sub, y, "flatY", .flags = FIELD_NULLABLE, .min = 1),
    FIELD_END,
};
#define SCALARS                                                                                   \
    FIELD(F_BOOL, struct all, flag, "flag", .seen = 1 + offsetof(struct all, flag_given)),        \
        FIELD(F_I32, struct all, i32, "i32", .min = 1, .max = 100, .def = "7"),                   \
        FIELD(F_I64, struct all, i64, "i64", .flags = FIELD_NULLABLE),                            \
        FIELD(F_F64, struct all, f64, "f64", .flags = FIELD_NULLABLE, .min = -1, .max = 1e300),   \
        FIELD(F_STR, struct all, name, "name", .flags = FIELD_NULLABLE, .min = 1, .max = 30),     \
        FIELD(F_JSON, struct all, any, "any", .flags = FIELD_OMIT),                               \
        FIELD(F_ENUM, struct all, color, "color", .flags = FIELD_NULLABLE, .names = colors),      \
        FIELD(F_DATE, struct all, date, "date", .flags = FIELD_OMIT),                             \
        FIELD(F_TIME, struct all, at, "at", .flags = FIELD_NULLABLE),                             \
        FIELD(F_TIME, struct all, day_or_time, "dayOrTime", .flags = FIELD_OMIT | FIELD_DATE_OK), \
        FIELD(F_LIST, struct all, numbers, "numbers", .item = F_F64, .max = 20),                  \
        FIELD(F_LIST, struct all, words, "words", .item = F_STR, .flags = FIELD_OMIT)

static const struct field query_table[] = {SCALARS, FIELD_END};
static const struct field body_table[] = {
    SCALARS,
    FIELD(F_OBJECT, struct all, sub, "sub", .sub = sub_fields, .size = sizeof(struct sub)),
    FIELD(F_OBJECT, struct all, flat, "flat", .sub = flat_fields, .size = sizeof(struct sub),
          .flags = FIELD_FLAT),
    FIELD(F_OBJECT, struct all, pointer, "pointer", .sub = sub_fields, .size = sizeof(struct sub),
          .flags = FIELD_POINTER | FIELD_NULLABLE),
    FIELD(F_LIST, struct all, subs, "subs", .sub = sub_fields, .size = sizeof(struct sub)),
    FIELD(F_MAP, struct all, map, "map", .item = F_I64, .max = 5),
    FIELD(F_MAP, struct all, sub_map, "subMap", .sub = sub_fields, .size = sizeof(struct sub)),
    FIELD_END,
};

enum { TABLE_ARENA = 16 << 20, TABLE_OUT = 16 << 20, TABLE_DEPTH = 48 };

static inline void table_check_error(const struct field_error *e)
{
    ASSERT(e->reason[0] && e->code[0]);
    ASSERT(memchr(e->path, 0, sizeof e->path) && memchr(e->reason, 0, sizeof e->reason) &&
           memchr(e->code, 0, sizeof e->code));
    ASSERT(utf8_valid(str_from(e->path)));
}

/* Prints, reads what was printed, and prints again: the same. */
static inline void table_check_round_trip(const struct field *table, const struct all *value)
{
    struct buf first, second;
    struct json_writer w;
    struct json_reader r;
    struct arena arena;
    struct all again = {.flag = false};
    struct field_error error;
    int32_t unknown;

    buf_init(&first, TABLE_OUT);
    buf_init(&second, TABLE_OUT);
    arena_init(&arena, TABLE_ARENA);
    json_writer_init(&w, &first);
    fields_write_json(table, &w, value);
    ASSERT(!first.failed);
    json_reader_init(&r, buf_view(&first), &arena, JSON_DEPTH_MAX);
    ASSERT(fields_read_json(table, &r, &arena, &again, &unknown, &error) == ERR_OK);
    ASSERT(json_end(&r) == ERR_OK && unknown == 0);
    json_writer_init(&w, &second);
    fields_write_json(table, &w, &again);
    ASSERT(str_eq(buf_view(&first), buf_view(&second)));
    arena_fini(&arena);
    buf_fini(&first);
    buf_fini(&second);
}
