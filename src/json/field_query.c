/* field_query - the query of a URL: split, decoded, and read into structs. */
#include "json/field_inside.h"

#include "base/assert.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Borrowed when there is nothing to decode. */
static enum err percent_decode(struct str in, struct arena *arena, struct str *ret)
{
    struct str text = {in.p ? in.p : "", in.n};
    bool coded = in.n && (memchr(in.p, '%', in.n) || memchr(in.p, '+', in.n));

    if (coded) {
        char *out = arena_alloc(arena, in.n, 1);

        if (!out)
            return ERR_NOMEM;
        text = (struct str){out, 0};
        for (size_t i = 0; i < in.n; i++) {
            char c = in.p[i];

            if (c == '%') {
                int high = in.n - i > 2 ? hex_digit(in.p[i + 1]) : -1;
                int low = high >= 0 ? hex_digit(in.p[i + 2]) : -1;

                if (low < 0)
                    return ERR_SYNTAX;
                c = (char)(high * 16 + low);
                i += 2;
            } else if (c == '+') {
                c = ' ';
            }
            out[text.n++] = c;
        }
    }
    if ((text.n && memchr(text.p, 0, text.n)) || !utf8_valid(text))
        return ERR_SYNTAX;
    *ret = text;
    return ERR_OK;
}

enum err query_split(struct str query, struct arena *arena, struct query_pair **ret,
                     int32_t *ret_count)
{
    struct query_pair *pairs = arena_new(arena, struct query_pair, QUERY_PAIRS_MAX);
    int32_t n = 0;

    if (!pairs)
        return ERR_NOMEM;
    while (query.n) {
        struct str value = str_cut(&query, '&'), name;

        if (value.n == 0)
            continue;
        if (n == QUERY_PAIRS_MAX)
            return ERR_RANGE;
        name = str_cut(&value, '=');
        enum err e = percent_decode(name, arena, &pairs[n].name);

        if (e == ERR_OK)
            e = percent_decode(value, arena, &pairs[n].value);
        if (e != ERR_OK)
            return e;
        n++;
    }
    *ret = pairs;
    *ret_count = n;
    return ERR_OK;
}

static void query_list(struct field_reading *c, const struct field_place *at, const struct field *f,
                       struct str text, struct list *out)
{
    struct field element = field_element(f);
    struct field_growing g = {.size = field_element_size(f)};
    double count = text.n ? 1 : 0;

    ASSERT(!f->sub);
    for (size_t i = 0; i < text.n; i++)
        count += text.p[i] == ',';
    if (!field_count_fits(c, at, f, count))
        return;
    for (int32_t i = 0; i < count && c->err == ERR_OK; i++) {
        struct field_place here = {.up = at, .index = i};
        void *item = field_grow(c, &g);
        struct str one = str_cut(&text, ',');

        if (item)
            field_set_plain(c, &here, &element, one.p ? one : STR(""), item);
    }
    *out = field_grown(&g);
}

static void query_field(struct field_reading *c, const struct field *f,
                        const struct query_pair *pairs, int32_t count, void *base)
{
    struct field_place here = {.name = f->name};
    const struct query_pair *found = NULL;
    void *out = field_at(base, f->offset);

    for (int32_t i = 0; i < count; i++) {
        if (!str_eq(pairs[i].name, str_from(f->name)))
            continue;
        if (found) {
            field_refuse(c, &here, "invalid_value", "is given twice");
            return;
        }
        found = &pairs[i];
    }
    if (!found) {
        if (f->flags & FIELD_REQUIRED)
            field_refuse(c, &here, "missing", "is required");
        return;
    }
    field_mark_seen(f, base);
    ASSERT(f->type != F_OBJECT && f->type != F_MAP);
    struct str value = found->value.p ? found->value : STR("");

    if (f->type == F_LIST)
        query_list(c, &here, f, value, out);
    else
        field_set_plain(c, &here, f, value, out);
}

static void query_fields(struct field_reading *c, const struct field *fields,
                         const struct query_pair *pairs, int32_t count, void *base)
{
    for (const struct field *f = fields; f->type != F_END && c->err == ERR_OK; f++)
        if (field_is_flat(f))
            query_fields(c, f->sub, pairs, count, field_at(base, f->offset));
        else
            query_field(c, f, pairs, count, base);
}

enum err fields_read_query(const struct field *fields, const struct query_pair *pairs,
                           int32_t count, struct arena *arena, void *out, struct field_error *err)
{
    struct field_reading c = {.arena = arena, .error = err};

    *err = (struct field_error){.path = ""};
    field_set_absent(&c, fields, out);
    query_fields(&c, fields, pairs, count, out);
    return c.err;
}
