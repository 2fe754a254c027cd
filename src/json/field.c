/* field - see the header. What the other parts share: where members stand, names, elements. */
#include "json/field_inside.h"

#include "base/assert.h"

/* ---- names in snake case ---- */

static bool is_upper(char ch)
{
    return ch >= 'A' && ch <= 'Z';
}

/* "f1Score" is f1_score, "overallCTR" overall_ctr; what has no capital behind a small letter, or
 * begins with one, stays as it is. */
struct str field_name_to_snake(const char *name, char out[FIELD_NAME_MAX])
{
    size_t n = 0;

    if (is_upper(name[0]))
        return str_from(name);
    for (size_t i = 0; name[i]; i++) {
        ASSERT(n + 2 < FIELD_NAME_MAX);
        if (is_upper(name[i]) && i > 0 && !is_upper(name[i - 1]))
            out[n++] = '_';
        out[n++] = is_upper(name[i]) ? (char)(name[i] - 'A' + 'a') : name[i];
    }
    return (struct str){out, n};
}

struct str field_name_from_snake(struct str name, char out[FIELD_NAME_MAX])
{
    size_t n = 0;

    if (name.n >= FIELD_NAME_MAX)
        return name;
    for (size_t i = 0; i < name.n; i++) {
        bool next = name.p[i] == '_' && i > 0 && i + 1 < name.n && name.p[i + 1] >= 'a' &&
                    name.p[i + 1] <= 'z';
        out[n++] = next ? (char)(name.p[++i] - 'a' + 'A') : name.p[i];
    }
    return (struct str){out, n};
}

static size_t scalar_size(enum field_type type)
{
    switch (type) {
    case F_BOOL:
        return sizeof(bool);
    case F_I32:
    case F_ENUM:
    case F_DATE:
        return sizeof(int32_t);
    case F_I64:
    case F_TIME:
        return sizeof(int64_t);
    case F_F64:
        return sizeof(double);
    case F_STR:
    case F_JSON:
        return sizeof(struct str);
    case F_END:
    case F_OBJECT:
    case F_LIST:
    case F_MAP:
        break;
    }
    UNREACHABLE();
}

size_t field_element_size(const struct field *f)
{
    return f->sub ? f->size : scalar_size(f->item);
}

/* The element of a list or map as a field of its own; the bounds were those of the count. */
struct field field_element(const struct field *f)
{
    return (struct field){.type = f->sub ? F_OBJECT : f->item,
                          .flags = (uint16_t)(f->flags & FIELD_DATE_OK),
                          .names = f->names,
                          .sub = f->sub,
                          .size = f->size};
}
