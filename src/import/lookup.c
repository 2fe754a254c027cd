#include "import/lookup.h"

#include "base/args.h"
#include "base/assert.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEY_BYTES_MAX = 4096, BYTES_MAX = 1 << 30 };

struct entry {
    struct lookup_row *first, *last;
};

struct lookup_private {
    struct arena arena;
    struct strmap map;
    struct csv csv;
    char key[KEY_BYTES_MAX];
};

void lookup_free(struct lookup *l)
{
    if (!l)
        return;
    if (l->private_)
        arena_fini(&l->private_->arena);
    free(l->private_);
    free(l);
}

/* The values with a separator between that no text field holds. n == 0 with p == NULL: too long. */
static struct str key_of(struct lookup *l, const struct str *values)
{
    char *key = l->private_->key;
    size_t n = 0;

    for (int32_t i = 0; i < l->key_count; i++) {
        if (values[i].n + 1 > KEY_BYTES_MAX - n)
            return (struct str){NULL, 0};
        if (values[i].n)
            memcpy(key + n, values[i].p, values[i].n);
        n += values[i].n;
        key[n++] = '\x1f';
    }
    return (struct str){key, n};
}

const struct lookup_row *lookup_get(struct lookup *l, const struct str *values)
{
    struct str key = key_of(l, values);
    const struct entry *e = key.p ? strmap_get(&l->private_->map, key) : NULL;

    return e ? e->first : NULL;
}

static enum err keep(struct lookup *l, const struct csv_record *r)
{
    struct arena *a = &l->private_->arena;
    struct lookup_row *row = arena_new(a, struct lookup_row, 1);
    struct str *fields = arena_new(a, struct str, (size_t)l->column_count), keys[LOOKUP_KEYS_MAX];

    if (!row || !fields)
        return ERR_NOMEM;
    for (int32_t i = 0; i < l->column_count && i < r->count; i++)
        if (!(fields[i] = arena_str(a, str_trim(r->fields[i]))).p)
            return ERR_NOMEM;
    row->fields = fields;
    for (int32_t i = 0; i < l->key_count; i++)
        keys[i] = fields[l->key[i]];
    struct str key = key_of(l, keys);

    if (!key.p)
        return ERR_OK; /* nothing can ask for it */
    struct entry *e = strmap_get(&l->private_->map, key);

    if (!e) {
        key = arena_str(a, key);
        e = arena_new(a, struct entry, 1);
        void **slot = key.p && e ? strmap_slot(&l->private_->map, key) : NULL;

        if (!slot)
            return ERR_NOMEM;
        *slot = e;
    }
    if (e->last)
        e->last->next = row;
    else
        e->first = row;
    e->last = row;
    return ERR_OK;
}

static enum err bind(struct lookup *l, const char *path, struct str keys,
                     const struct csv_record *header, char *ret_detail)
{
    l->column_count = header->count;
    for (int32_t i = 0; i < header->count; i++)
        if (!(l->columns[i] = arena_str(&l->private_->arena, str_trim(header->fields[i]))).p)
            return ERR_NOMEM;
    if (!keys.p)
        l->key_count = 1;
    while (keys.p) {
        struct str name = str_trim(str_cut(&keys, ','));
        int32_t i = 0;

        while (i < l->column_count && !str_eq(l->columns[i], name))
            i++;
        if (i == l->column_count || l->key_count == LOOKUP_KEYS_MAX) {
            snprintf(ret_detail, ARGS_DETAIL_MAX, "%.120s has no column \"%.*s\"", path,
                     (int)(name.n < 80 ? name.n : 80), name.p);
            return ERR_RANGE;
        }
        l->key[l->key_count++] = i;
    }
    return ERR_OK;
}

static enum err load(struct lookup *l, const char *path, struct str keys, char *ret_detail)
{
    struct csv_record record;
    const char *reason = "";
    int64_t rows = 0;
    enum err e = csv_next(&l->private_->csv, &record, &reason);

    if (e == ERR_OK)
        e = bind(l, path, keys, &record, ret_detail);
    else if (e == ERR_EOF)
        reason = "is empty", e = ERR_RANGE;
    while (e == ERR_OK && (e = csv_next(&l->private_->csv, &record, &reason)) == ERR_OK) {
        e = keep(l, &record);
        if (++rows > LOOKUP_ROWS_MAX)
            reason = "too many rows", e = ERR_RANGE;
    }
    if (e == ERR_EOF)
        return ERR_OK;
    if (!*ret_detail)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.120s: line %lld: %s", path, (long long)record.line,
                 *reason ? reason : err_text(e));
    return e;
}

enum err lookup_new(const char *path, struct str keys, struct csv_format format,
                    struct lookup **ret, char *ret_detail)
{
    struct source *source = NULL;
    struct lookup *l = calloc(1, sizeof *l);

    *ret_detail = 0;
    if (l)
        l->private_ = calloc(1, sizeof *l->private_);
    if (!l || !l->private_) {
        lookup_free(l);
        return ERR_NOMEM;
    }
    arena_init(&l->private_->arena, BYTES_MAX);
    strmap_init(&l->private_->map, &l->private_->arena);
    enum err e = source_open(path, &source, ret_detail);

    if (e == ERR_OK) {
        csv_init(&l->private_->csv, source, format);
        e = load(l, path, keys, ret_detail);
        csv_fini(&l->private_->csv);
        source_close(source);
    }
    if (e != ERR_OK) {
        lookup_free(l);
        return e;
    }
    *ret = l;
    return ERR_OK;
}
