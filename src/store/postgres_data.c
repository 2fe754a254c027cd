#include "store/postgres_data.h"

#include "base/assert.h"
#include "base/hash.h"

#include <endian.h>
#include <stdlib.h>

enum { PARAM_BYTES_MAX = 512 * 1024 * 1024 }; /* the protocol ends at 1 GiB */

/* Type numbers of PostgreSQL's catalogue (pg_type.dat); they never change. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_UNKNOWN = 705,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_NUMERIC = 1700,
    OID_INT8_ARRAY = 1016,
    OID_TEXT_ARRAY = 1009,
    OID_BYTEA_ARRAY = 1001,
    OID_FLOAT8_ARRAY = 1022,
};

/* Parameters */

Oid pg_oid(uint8_t type, bool array)
{
    switch (type) {
    case V_INT:
        return array ? OID_INT8_ARRAY : OID_INT8;
    case V_REAL:
        return array ? OID_FLOAT8_ARRAY : OID_FLOAT8;
    case V_TEXT:
        return array ? OID_TEXT_ARRAY : OID_TEXT;
    default:
        return array ? OID_BYTEA_ARRAY : OID_BYTEA;
    }
}

static uint64_t bits_of(const struct value *v, uint8_t as)
{
    uint64_t bits;
    double d = v->type == V_INT ? (double)v->i : v->d;

    if (as == V_INT)
        return htobe64((uint64_t)v->i);
    memcpy(&bits, &d, sizeof bits);
    return htobe64(bits);
}

static bool is_null(const struct value *v)
{
    return v->type == V_NULL || (v->type == V_REAL && v->d != v->d); /* as SQLite: NaN is NULL */
}

enum err pg_params_of_row(const struct stmt_def *def, const struct value *v, struct pg_params *p)
{
    for (int i = 0; i < def->arg_count; i++) {
        bool number = def->args[i] == V_INT || def->args[i] == V_REAL;

        p->formats[i] = 1;
        p->values[i] = NULL;
        p->lengths[i] = 0;
        if (is_null(&v[i]))
            continue;
        if (!number && v[i].s.n > PARAM_BYTES_MAX)
            return ERR_RANGE;
        if (number)
            p->numbers[i] = bits_of(&v[i], def->args[i]);
        p->values[i] = number ? (const char *)&p->numbers[i] : v[i].s.n ? v[i].s.p : "";
        p->lengths[i] = number ? 8 : (int)v[i].s.n;
    }
    return ERR_OK;
}

static void put32(char **at, int64_t n)
{
    uint32_t be = htobe32((uint32_t)n);

    memcpy(*at, &be, 4);
    *at += 4;
}

/* A column of the rows as a binary array: dimensions, has-nulls, element type, length, lower bound,
 * then each element's length (-1: NULL) and bytes. */
static void put_array(char **at, const struct value *v, int32_t rows, int32_t cols, uint8_t type)
{
    bool number = type == V_INT || type == V_REAL;

    put32(at, 1);
    put32(at, 1); /* there may be NULLs */
    put32(at, (int64_t)pg_oid(type, false));
    put32(at, rows);
    put32(at, 1);
    for (int32_t row = 0; row < rows; row++, v += cols) {
        if (is_null(v)) {
            put32(at, -1);
            continue;
        }
        put32(at, number ? 8 : (int64_t)v->s.n);
        if (number) {
            uint64_t bits = bits_of(v, type);
            memcpy(*at, &bits, 8);
            *at += 8;
        } else if (v->s.n) {
            memcpy(*at, v->s.p, v->s.n);
            *at += v->s.n;
        }
    }
}

enum err pg_params_of_rows(struct pg_buffer *b, const struct stmt_def *def, const struct value *v,
                           int32_t rows, struct pg_params *p)
{
    size_t need = 0, cells = (size_t)rows * def->arg_count;

    for (size_t i = 0; i < cells && need <= PARAM_BYTES_MAX; i++)
        need += 12 + (v[i].type == V_TEXT || v[i].type == V_BLOB ? v[i].s.n : 0);
    need += 20u * def->arg_count;
    if (need > PARAM_BYTES_MAX)
        return ERR_RANGE;
    if (need > b->cap) {
        free(b->p);
        b->cap = 0;
        b->p = malloc(need * 2);
        if (!b->p)
            return ERR_NOMEM;
        b->cap = need * 2;
    }
    char *at = b->p;
    for (int i = 0; i < def->arg_count; i++) {
        p->values[i] = at;
        put_array(&at, v + i, rows, def->arg_count, def->args[i]);
        p->lengths[i] = (int)(at - p->values[i]);
        p->formats[i] = 1;
    }
    ASSERT((size_t)(at - b->p) <= b->cap);
    return ERR_OK;
}

/* Results */

static int64_t be_int(const char *p, int n)
{
    uint64_t u = 0;

    for (int i = 0; i < n; i++)
        u = u << 8 | (uint8_t)p[i];
    return n == 2 ? (int16_t)u : n == 4 ? (int32_t)u : (int64_t)u;
}

/* numeric: count of base-10000 digits, weight of the first, sign, decimals, digits. */
static struct value numeric(const char *p, int length)
{
    enum { NEGATIVE = 0x4000, SPECIAL = 0xC000 };
    int n = (int)be_int(p, 2), weight = (int)be_int(p + 2, 2);
    int sign = (int)be_int(p + 4, 2) & 0xffff, decimals = (int)be_int(p + 6, 2);
    __int128 whole = 0;
    long double real = 0;

    ASSERT(length == 8 + 2 * n);
    if (sign >= SPECIAL)
        return V_N; /* NaN and the infinities: SQLite has none either */
    for (int i = 0; i < n; i++)
        real = real * 10000 + (long double)be_int(p + 8 + 2 * i, 2);
    for (int shift = weight - (n - 1); shift > 0; shift--)
        real *= 10000;
    for (int shift = weight - (n - 1); shift < 0; shift++)
        real /= 10000;
    if (decimals == 0 && weight < 5) { /* below 10^20 */
        for (int i = 0; i <= weight; i++)
            whole = whole * 10000 + (i < n ? be_int(p + 8 + 2 * i, 2) : 0);
        whole = sign == NEGATIVE ? -whole : whole;
        if (whole >= INT64_MIN && whole <= INT64_MAX)
            return V_I((int64_t)whole);
    }
    return V_D((double)(sign == NEGATIVE ? -real : real));
}

struct value pg_cell(const PGresult *r, int row, int col, Oid type)
{
    if (PQgetisnull(r, row, col))
        return V_N;

    const char *p = PQgetvalue(r, row, col);
    int n = PQgetlength(r, row, col);
    double d;
    float f;
    uint64_t u64;
    uint32_t u32;

    switch (type) {
    case OID_INT8:
        memcpy(&u64, p, 8);
        return V_I((int64_t)be64toh(u64));
    case OID_INT4:
    case OID_INT2:
        return V_I(be_int(p, n));
    case OID_OID:
        return V_I(be_int(p, 4) & 0xffffffff);
    case OID_BOOL:
        return V_I(*p != 0);
    case OID_FLOAT8:
        memcpy(&u64, p, 8);
        u64 = be64toh(u64);
        memcpy(&d, &u64, 8);
        return v_real(d);
    case OID_FLOAT4:
        memcpy(&u32, p, 4);
        u32 = be32toh(u32);
        memcpy(&f, &u32, 4);
        return v_real((double)f);
    case OID_NUMERIC:
        return numeric(p, n);
    case OID_BYTEA:
        return V_B(((struct str){p, (size_t)n}));
    case OID_TEXT:
    case OID_VARCHAR:
    case OID_BPCHAR:
    case OID_NAME:
    case OID_UNKNOWN:
        return V_S(((struct str){p, (size_t)n}));
    default:
        UNREACHABLE(); /* a statement of ours returns a type that the store does not have */
    }
}

enum err pg_copy_rows(struct arena *arena, const PGresult *r, int64_t rows_max, struct rows *ret)
{
    int n = PQntuples(r), cols = PQnfields(r);
    size_t bytes = 0;

    if (n > rows_max)
        n = (int)rows_max;
    struct value *v = arena_new(arena, struct value, (size_t)n * (size_t)cols);
    if (!v && n && cols)
        return ERR_NOMEM;
    for (int col = 0; col < cols; col++) {
        Oid type = PQftype(r, col);
        for (int row = 0; row < n; row++) {
            struct value *to = &v[(size_t)row * (size_t)cols + (size_t)col];
            *to = pg_cell(r, row, col, type);
            if (to->type == V_TEXT || to->type == V_BLOB)
                bytes += to->s.n;
        }
    }
    char *text = bytes ? arena_alloc(arena, bytes, 1) : NULL;
    if (bytes && !text)
        return ERR_NOMEM;
    for (size_t i = 0; i < (size_t)n * (size_t)cols; i++) {
        if (v[i].type != V_TEXT && v[i].type != V_BLOB)
            continue;
        if (v[i].s.n)
            memcpy(text, v[i].s.p, v[i].s.n);
        v[i].s.p = v[i].s.n ? text : "";
        text = v[i].s.n ? text + v[i].s.n : text;
    }
    *ret = (struct rows){.count = n, .cols = cols, .v = v, .more = PQntuples(r) > n};
    return ERR_OK;
}

/* Which rows did the statement apply to? It returns their keys; a table over the keys that were
 * sent finds the row. */
static uint64_t mix(uint64_t h, const struct value *v)
{
    uint64_t one = v->type == V_INT    ? hash_bytes(&v->i, sizeof v->i)
                   : v->type == V_NULL ? 0
                                       : hash_bytes(v->s.p, v->s.n);

    return (h ^ one) * 0x9E3779B97F4A7C15u;
}

static bool same_key(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    return a->type == V_NULL || (a->type == V_INT ? a->i == b->i : str_eq(a->s, b->s));
}

enum err pg_mark_applied(const struct stmt_def *def, struct bulk *b, const PGresult *r)
{
    uint32_t slots = 16;
    struct value key[STMT_ARGS_MAX];

    ASSERT(PQnfields(r) == def->key_count);
    while (slots < (uint32_t)b->rows * 2u)
        slots *= 2;
    int32_t *table = calloc(slots, sizeof *table); /* row + 1 */
    if (!table)
        return ERR_NOMEM;
    memset(b->applied, 0, (size_t)b->rows * sizeof *b->applied);
    for (int32_t row = 0; row < b->rows; row++) {
        const struct value *v = b->v + (size_t)row * (size_t)b->cols;
        uint64_t h = 0;
        for (int k = 0; k < def->key_count; k++)
            h = mix(h, &v[def->keys[k]]);
        uint32_t at = (uint32_t)(h >> 32) & (slots - 1);
        while (table[at])
            at = (at + 1) & (slots - 1);
        table[at] = row + 1;
    }
    for (int i = 0; i < PQntuples(r); i++) {
        uint64_t h = 0;
        for (int k = 0; k < def->key_count; k++) {
            key[k] = pg_cell(r, i, k, PQftype(r, k));
            h = mix(h, &key[k]);
        }
        uint32_t at = (uint32_t)(h >> 32) & (slots - 1);
        for (; table[at]; at = (at + 1) & (slots - 1)) {
            const struct value *v = b->v + (size_t)(table[at] - 1) * (size_t)b->cols;
            bool same = true;
            for (int k = 0; same && k < def->key_count; k++)
                same = same_key(&key[k], &v[def->keys[k]]);
            if (same) {
                b->applied[table[at] - 1] = true;
                break;
            }
        }
        ASSERT(table[at]); /* the statement returns a key that was not sent */
    }
    free(table);
    return ERR_OK;
}
