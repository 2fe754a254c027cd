/* What one connection has read for many answers at one time: store_share_begin(). */
#include "store/engine.h"

#include <stdlib.h>
#include <string.h>

enum {
    SHARED_MAX = 256, /* reads that are remembered; a power of two, half of the table */
    PLACES = 2 * SHARED_MAX,
    SHARED_BYTES_MAX = 4 << 20, /* of their rows; what comes then is not remembered */
    AT_ONCE_MAX = 16            /* queries of one call; longer ones are not looked for */
};

struct shared {
    enum stmt stmt;
    int32_t arg_count, rows_max;
    const struct value *args; /* NULL with arg_count 0 */
    struct rows rows;
    bool taken;
};

struct store_share {
    struct arena arena;
    int32_t count;
    struct shared places[PLACES];
};

enum err store_share_begin(struct store_conn *c)
{
    ASSERT(!c->share && c->tx == TX_NONE && !c->busy);
    struct store_share *s = calloc(1, sizeof *s);

    if (!s)
        return ERR_NOMEM;
    arena_init(&s->arena, SHARED_BYTES_MAX);
    enum err e = c->store->ops->hold ? c->store->ops->hold(c, true) : ERR_OK;
    if (e == ERR_OK)
        c->share = s;
    else
        free(s);
    return e;
}

void store_share_end(struct store_conn *c)
{
    struct store_share *s = c->share;

    if (!s)
        return;
    c->share = NULL;
    if (c->store->ops->hold && c->store->ops->hold(c, false) != ERR_OK)
        store_detail_set(c->detail, "the end of a snapshot failed");
    arena_fini(&s->arena);
    free(s);
}

static bool is_same(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case V_NULL:
        return true;
    case V_INT:
        return a->i == b->i;
    case V_REAL:
        return memcmp(&a->d, &b->d, sizeof a->d) == 0;
    case V_TEXT:
    case V_BLOB:
        return str_eq(a->s, b->s);
    }
    return false;
}

static bool is_same_query(const struct shared *s, const struct query *q)
{
    if (s->stmt != q->stmt || s->rows_max != q->rows_max || s->arg_count != q->arg_count)
        return false;
    for (int32_t i = 0; i < q->arg_count; i++)
        if (!is_same(&s->args[i], &q->args[i]))
            return false;
    return true;
}

/* Where it lies, or a free place: half of them always are. All is about one learner mostly, so the
 * statement tells enough. */
static struct shared *place_of(struct store_share *s, const struct query *q)
{
    uint32_t at = (uint32_t)q->stmt * 2654435761u >> 16;

    while (s->places[at % PLACES].taken && !is_same_query(&s->places[at % PLACES], q))
        at++;
    return &s->places[at % PLACES];
}

/* The text of arguments is the caller's: copied. */
static void remember(struct store_share *s, const struct query *q)
{
    struct shared *place = place_of(s, q);
    struct value *args = arena_new(&s->arena, struct value, (size_t)q->arg_count + 1);

    if (place->taken || s->count == SHARED_MAX || !args)
        return;
    for (int32_t i = 0; i < q->arg_count; i++) {
        args[i] = q->args[i];
        if (args[i].type == V_TEXT || args[i].type == V_BLOB)
            args[i].s = arena_str(&s->arena, args[i].s.p ? args[i].s : STR(""));
        if ((args[i].type == V_TEXT || args[i].type == V_BLOB) && !args[i].s.p)
            return;
    }
    *place = (struct shared){.stmt = q->stmt,
                             .arg_count = q->arg_count,
                             .rows_max = q->rows_max,
                             .args = args,
                             .rows = q->rows,
                             .taken = true};
    s->count++;
}

enum err store_share_read(struct store_conn *c, struct arena *arena, struct query *queries,
                          int32_t count, int64_t deadline_us)
{
    struct store_share *s = c->share;
    struct query missing[AT_ONCE_MAX];
    int32_t where[AT_ONCE_MAX], n = 0;

    if (count > AT_ONCE_MAX || s->count == SHARED_MAX || s->arena.used > SHARED_BYTES_MAX / 2)
        return c->store->ops->read(c, arena, queries, count, deadline_us);
    for (int32_t i = 0; i < count; i++) {
        const struct shared *found = place_of(s, &queries[i]);

        if (found->taken) {
            queries[i].rows = found->rows;
            c->counts.reads |= def_of(c, queries[i].stmt)->reads;
        } else {
            where[n] = i;
            missing[n++] = queries[i];
        }
    }
    enum err e = n ? c->store->ops->read(c, &s->arena, missing, n, deadline_us) : ERR_OK;
    if (e == ERR_NOMEM) { /* of the shared arena, or of the machine: the caller's own will tell */
        for (int32_t i = 0; i < count; i++)
            queries[i].rows = (struct rows){0};
        return c->store->ops->read(c, arena, queries, count, deadline_us);
    }
    for (int32_t i = 0; e == ERR_OK && i < n; i++) {
        queries[where[i]].rows = missing[i].rows;
        remember(s, &missing[i]);
    }
    return e;
}
