/* field_inside - what the parts of field share: shape, refusals, values. Not for others. */
#pragma once
#include "json/field.h"
#include "json/reader.h"
#include "json/writer.h"

/* Where a value stands: a name or, when name is NULL, an index in what `up` names. */
struct field_place {
    const struct field_place *up;
    const char *name; /* a field's; else key, else index */
    struct str key;
    int32_t index;
};

struct field_reading {
    struct json_reader *r; /* NULL: not JSON */
    struct arena *arena;
    struct field_error *error;
    enum err err; /* ERR_RANGE: *error says why. ERR_NOMEM */
    int32_t unknown;
};

/* ---- shape (field.c) ---- */

static inline void *field_at(void *base, uint32_t offset)
{
    return (char *)base + offset;
}

static inline const void *field_member(const void *base, const struct field *f)
{
    return (const char *)base + f->offset;
}

static inline bool field_is_flat(const struct field *f)
{
    return f->type == F_OBJECT && (f->flags & FIELD_FLAT);
}

size_t field_element_size(const struct field *f);
/* The element of a list or map as a field of its own; the bounds were those of the count. */
struct field field_element(const struct field *f);
/* in camel case .. in snake case; out is used where it differs */
struct str field_name_to_snake(const char *name, char out[FIELD_NAME_MAX]);

/* ---- values (field_value.c): each says in `c` what is wrong, and where ---- */
void field_refuse(struct field_reading *c, const struct field_place *at, const char *code,
                  const char *fmt, ...) PRINTF_LIKE(4, 5);
void field_no_memory(struct field_reading *c);
double field_bound_min(const struct field *f);
double field_bound_max(const struct field *f);
bool field_within(struct field_reading *c, const struct field_place *at, double v, double min,
                  double max, const char *unit);
bool field_integer_within(struct field_reading *c, const struct field_place *at,
                          const struct field *f, double v);
/* a number whose digits do not fit: infinite, by its sign */
double field_beyond(struct str digits);
void field_set_integer(struct field_reading *c, const struct field_place *at, const struct field *f,
                       int64_t v, void *out);
void field_set_f64(struct field_reading *c, const struct field_place *at, const struct field *f,
                   double v, void *out);
void field_set_text(struct field_reading *c, const struct field_place *at, const struct field *f,
                    struct str s, void *out);
void field_set_integer_text(struct field_reading *c, const struct field_place *at,
                            const struct field *f, struct str s, void *out);
/* by the type of the field, from plain text */
void field_set_plain(struct field_reading *c, const struct field_place *at, const struct field *f,
                     struct str s, void *out);
void field_set_null(const struct field *f, void *out);
/* what holds for members that are not given */
void field_set_absent(struct field_reading *c, const struct field *fields, void *out);
void field_mark_seen(const struct field *f, void *base);

/* ---- lists that grow (field_read.c) ---- */
/* Items that grow by doubling in the arena. */
struct field_growing {
    char *p;
    size_t size, room;
    int32_t n;
};
/* NULL: c->err says why */
void *field_grow(struct field_reading *c, struct field_growing *g);
struct list field_grown(const struct field_growing *g);
bool field_count_fits(struct field_reading *c, const struct field_place *at, const struct field *f,
                      double n);

/* Runs `print` under each name that the writer wants of this one. */
#define UNDER_EACH_NAME(w, field, print)                                                   \
    do {                                                                                   \
        char buffer_[FIELD_NAME_MAX];                                                      \
        enum json_names_as names_ = (w)->names;                                            \
        struct str plain_ = str_from((field)->name);                                       \
        struct str snake_ = names_ ? field_name_to_snake((field)->name, buffer_) : plain_; \
        bool alike_ = str_eq(plain_, snake_);                                              \
        if (alike_ || names_ != NAMES_SNAKE) {                                             \
            (w)->names = alike_ ? names_ : NAMES_AS_IS;                                    \
            json_name(w, plain_);                                                          \
            print;                                                                         \
        }                                                                                  \
        if (!alike_) {                                                                     \
            (w)->names = NAMES_SNAKE;                                                      \
            json_name(w, snake_);                                                          \
            print;                                                                         \
        }                                                                                  \
        (w)->names = names_;                                                               \
    } while (0)
