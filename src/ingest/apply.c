#include "ingest/apply.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "ingest/sums.h"
#include "ingest/table.h"

#include <stdlib.h>

enum {
    SCRATCH_MAX = 1 << 30,
    UUID_TEXT = 36,
    CAREFUL_GROUPS = 64, /* after an event that was there already */
    PARTS_MIN = 256,     /* events that are worth a second statement */
};

struct learner_row {
    struct row_key key; /* a: external id */
    int32_t index;      /* in the group */
    int64_t id;         /* 0: not there yet */
    const struct zone *zone;
    bool refused; /* behavioural analysis is switched off */
    bool changed, made;
    int32_t in_sums; /* -1: not yet */
};

struct entry {
    const struct event *event;
    struct ingest_result *result;
    struct learner_row *learner;
    int64_t at;
};

struct entry_row { /* an event of this group by id: a twin in one group is a duplicate */
    struct row_key key;
};

struct apply_group {
    const struct apply_item *items;
    int32_t count;
    int64_t now_us;
    struct arena arena;
    struct buf text;
    bool failed;
    struct table learners, ids;
    struct learner_row **of_item; /* NULL: the item was refused before */
    struct entry *entries;
    int32_t entry_count;
    struct value *values; /* of the entries: the log's rows */
    struct bulk parts[2]; /* of them, as they go out */
    struct ingest_change *changed;
    int32_t changed_count;
};

struct applier {
    struct store_conn *conn;
    struct sums *sums;
    struct apply_group *own; /* for those who do not gather ahead */
    int32_t careful;         /* for so many groups more, events are not taken for new */
    bool hopeful;            /* the group is */
};

enum err apply_group_new(struct apply_group **ret)
{
    struct apply_group *g = calloc(1, sizeof *g);

    if (!g)
        return ERR_NOMEM;
    arena_init(&g->arena, SCRATCH_MAX);
    buf_init(&g->text, 64 * 1024);
    *ret = g;
    return ERR_OK;
}

void apply_group_free(struct apply_group *g)
{
    if (!g)
        return;
    buf_fini(&g->text);
    arena_fini(&g->arena);
    free(g);
}

enum err applier_new(struct store_conn *conn, struct applier **ret)
{
    struct applier *a = calloc(1, sizeof *a);

    if (!a || sums_new(&a->sums) != ERR_OK || apply_group_new(&a->own) != ERR_OK) {
        applier_free(a);
        return ERR_NOMEM;
    }
    a->conn = conn;
    *ret = a;
    return ERR_OK;
}

void applier_free(struct applier *a)
{
    if (!a)
        return;
    sums_free(a->sums);
    apply_group_free(a->own);
    free(a);
}

/* ---- before the store ---- */

/* UUID version 7 (RFC 9562): milliseconds, then microseconds in the twelve bits behind the version,
 * then chance. Ids made one after the other lie side by side in the index. */
static void uuid_make(char out[UUID_TEXT + 1], int64_t now_us)
{
    static _Thread_local struct rng rng;
    static _Thread_local bool seeded;
    uint64_t seed, ms = (uint64_t)(now_us / US_PER_MS);
    uint32_t fraction = (uint32_t)(now_us % US_PER_MS * 4096 / US_PER_MS);

    if (!seeded) {
        random_bytes(&seed, sizeof seed);
        rng_seed(&rng, seed);
        seeded = true;
    }
    uint64_t r = rng_u64(&rng);
    snprintf(out, UUID_TEXT + 1, "%08x-%04x-7%03x-%04x-%012llx", (unsigned)(ms >> 16),
             (unsigned)(ms & 0xffff), (unsigned)fraction, (unsigned)(0x8000 | (r >> 48 & 0x3fff)),
             (unsigned long long)(r & UINT64_C(0xffffffffffff)));
}

static enum err refuse(struct ingest_result *r, const struct event_error *error,
                       struct arena *arena)
{
    struct str field = arena_str(arena, str_from(error->field.path));
    struct str reason = arena_str(arena, str_from(error->field.reason));

    if (!field.p || !reason.p)
        return ERR_NOMEM;
    r->status = INGEST_REJECTED;
    r->code = error->code;
    r->field = field.p;
    r->reason = reason.p;
    return ERR_OK;
}

enum err apply_prepare(const struct event *events, int32_t count, int64_t now_us,
                       struct arena *arena, struct ingest_result *results)
{
    /* How far ahead of the clock is too far, the source has decided. */
    struct event_rules rules = {.now_us = now_us, .future_max_us = INT64_MAX};
    struct event_error error;

    for (int32_t i = 0; i < count; i++) {
        struct ingest_result *r = &results[i];
        *r = (struct ingest_result){.status = INGEST_ACCEPTED, .id = events[i].id};
        enum err e = event_check(&events[i], &rules, &error);
        if (e == ERR_RANGE)
            e = refuse(r, &error, arena);
        if (e != ERR_OK)
            return e;
        if (r->id.p)
            continue;
        char *id = arena_alloc(arena, UUID_TEXT + 1, 1);
        if (!id)
            return ERR_NOMEM;
        uuid_make(id, now_us + i);
        r->id = (struct str){id, UUID_TEXT};
    }
    return ERR_OK;
}

/* ---- gathering ---- */

static enum err skills_text(struct apply_group *g, const struct event *e, struct str *ret)
{
    if (e->skill_count == 0) {
        *ret = (struct str){NULL, 0};
        return ERR_OK;
    }
    buf_clear(&g->text);
    for (int32_t i = 0; i < e->skill_count; i++) {
        buf_putc(&g->text, i ? ',' : '[');
        buf_quoted(&g->text, e->skills[i]);
    }
    buf_putc(&g->text, ']');
    *ret = g->text.failed ? (struct str){NULL, 0} : arena_str(&g->arena, buf_view(&g->text));
    return ret->p ? ERR_OK : ERR_NOMEM;
}

static struct value number(int64_t v, int64_t none)
{
    return v == none ? V_N : V_I(v);
}

enum { EVENT_COLUMNS = 20 };

/* The learner's id is not known yet. */
static enum err event_values(struct apply_group *g, const struct entry *n, struct value *v)
{
    const struct event *e = n->event;
    struct str skills;

    enum err f = skills_text(g, e, &skills);
    if (f != ERR_OK)
        return f;
    const struct value values[EVENT_COLUMNS] = {
        V_N,
        V_I(n->at),
        V_S(n->result->id),
        V_I(e->kind),
        V_I(e->untimed),
        v_text(e->session),
        v_text(e->item),
        v_text(skills),
        number(e->correct, -1),
        v_real(e->score),
        number(e->rating, 0),
        number(e->duration_ms, -1),
        number(e->latency_ms, -1),
        v_real(e->confidence),
        v_text(e->modality),
        v_text(e->course),
        v_text(e->objective),
        v_text(e->mission),
        v_text(e->data),
        V_I(g->now_us),
    };
    memcpy(v, values, sizeof values);
    return ERR_OK;
}

static enum err gather_values(struct apply_group *g)
{
    g->values = arena_new(&g->arena, struct value, (size_t)g->entry_count * (size_t)EVENT_COLUMNS);
    if (!g->values)
        return ERR_NOMEM;
    for (int32_t i = 0; i < g->entry_count; i++) {
        enum err e = event_values(g, &g->entries[i], g->values + (size_t)i * EVENT_COLUMNS);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static enum err gather_learners(struct apply_group *g)
{
    for (int32_t i = 0; i < g->count; i++) {
        const struct apply_item *it = &g->items[i];
        if (it->result->status == INGEST_REJECTED && it->result->code)
            continue;
        struct row_key key = {.a = it->event->learner};
        bool made;
        struct learner_row *l = g->of_item[i] = table_row(&g->learners, &key, &made);
        if (!made)
            continue;
        l->index = g->learners.count - 1;
        l->in_sums = -1;
    }
    return g->failed ? ERR_NOMEM : ERR_OK;
}

/* What goes to the log: no id twice. */
static enum err gather_entries(struct apply_group *g)
{
    g->entries = arena_new(&g->arena, struct entry, (size_t)g->count);
    if (!g->entries)
        return ERR_NOMEM;
    for (int32_t i = 0; i < g->count; i++) {
        struct learner_row *l = g->of_item[i];
        struct ingest_result *r = g->items[i].result;
        bool made;

        if (!l)
            continue;
        struct row_key key = {.learner = l->index, .a = r->id};
        table_row(&g->ids, &key, &made);
        r->status = INGEST_DUPLICATE;
        if (!made)
            continue;
        int64_t at = g->items[i].event->at;
        g->entries[g->entry_count++] = (struct entry){.event = g->items[i].event,
                                                      .result = r,
                                                      .learner = l,
                                                      .at = at == TIME_NONE ? g->now_us : at};
    }
    return g->failed ? ERR_NOMEM : ERR_OK;
}

enum err apply_gather(struct apply_group *g, const struct apply_item *items, int32_t count,
                      int64_t now_us)
{
    arena_clear(&g->arena);
    g->items = items;
    g->count = count;
    g->now_us = now_us;
    g->failed = false;
    g->entry_count = g->changed_count = 0;
    table_init(&g->learners, &g->arena, sizeof(struct learner_row), &g->failed);
    table_init(&g->ids, &g->arena, sizeof(struct entry_row), &g->failed);
    g->of_item = arena_new(&g->arena, struct learner_row *, (size_t)count);
    if (!g->of_item)
        return ERR_NOMEM;
    enum err e = gather_learners(g);
    if (e == ERR_OK)
        e = gather_entries(g);
    return e == ERR_OK ? gather_values(g) : e;
}

/* ---- learners ---- */

const struct zone *apply_zone(struct str name)
{
    const struct zone *zone = zone_utc();

    if (zone_get(name, &zone) != ERR_OK)
        log_event(LOG_ERROR, "ingest.zone", LOG_S("zone", name),
                  LOG_C("message", "the zone's rules cannot be read; sums are made in UTC"));
    return zone;
}

static int by_external(const void *x, const void *y)
{
    const struct learner_row *a = *(struct learner_row *const *)x;
    const struct learner_row *b = *(struct learner_row *const *)y;
    return str_cmp(a->key.a, b->key.a);
}

static enum err learners_read(struct applier *a, struct apply_group *g)
{
    const struct table *t = &g->learners;
    struct value *keys = arena_new(&g->arena, struct value, (size_t)t->count);
    struct rows rows;

    if (!keys)
        return ERR_NOMEM;
    for (int32_t i = 0; i < t->count; i++)
        keys[i] = V_S(t->rows[i]->a);
    enum err e =
        store_read_bulk(a->conn, &g->arena, STMT_INGEST_LEARNERS, keys, t->count, 1, &rows);
    for (int32_t i = 0; e == ERR_OK && i < rows.count; i++) {
        const struct value *v = row_at(&rows, i);
        struct row_key key = {.a = value_str(&v[0])};
        struct learner_row *l = table_find(t, &key);
        ASSERT(l);
        l->id = value_i64(&v[1], 0);
        l->zone = apply_zone(value_str(&v[2]));
        l->refused = value_i64(&v[3], 1) == 0;
    }
    return e;
}

/* Missing ones are made in the order of their names, before any row is locked: two processes that
 * make the same learners wait for each other once, and never in a circle. */
static enum err learners_add(struct applier *a, struct apply_group *g, bool *ret_added)
{
    const struct table *t = &g->learners;
    struct learner_row **missing = arena_new(&g->arena, struct learner_row *, (size_t)t->count);
    int32_t n = 0;

    if (!missing)
        return ERR_NOMEM;
    for (int32_t i = 0; i < t->count; i++)
        if (((struct learner_row *)t->rows[i])->id == 0)
            missing[n++] = (struct learner_row *)t->rows[i];
    *ret_added = n > 0;
    if (n == 0)
        return ERR_OK;
    qsort(missing, (size_t)n, sizeof *missing, by_external);
    struct value *v = arena_new(&g->arena, struct value, (size_t)n * 2);
    if (!v)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        missing[i]->made = true;
        v[2 * i] = V_S(missing[i]->key.a);
        v[2 * i + 1] = V_I(g->now_us);
    }
    struct bulk b = {.stmt = STMT_INGEST_LEARNERS_ADD, .rows = n, .cols = 2, .v = v};
    return store_write(a->conn, &b, 1);
}

/* Always from the table, never from memory: the row may have been erased, moved to another zone or
 * locked by another process since the last group. */
static enum err learners_find(struct applier *a, struct apply_group *g)
{
    bool added = false;

    enum err e = learners_read(a, g);
    if (e == ERR_OK)
        e = learners_add(a, g, &added);
    if (e == ERR_OK && added)
        e = learners_read(a, g);
    for (int32_t i = 0; e == ERR_OK && i < g->learners.count; i++)
        if (((struct learner_row *)g->learners.rows[i])->id == 0)
            e = ERR_CONFLICT; /* erased between two statements */
    return e;
}

/* ---- a run ---- */

/* Nothing is kept of learners who do not want to be analysed. */
static void settle_entries(struct apply_group *g)
{
    int32_t kept = 0;

    for (int32_t i = 0; i < g->entry_count; i++) {
        struct value *from = g->values + (size_t)i * EVENT_COLUMNS;
        struct value *to = g->values + (size_t)kept * EVENT_COLUMNS;
        const struct learner_row *l = g->entries[i].learner;

        if (l->refused)
            continue;
        if (kept < i) {
            g->entries[kept] = g->entries[i];
            memcpy(to, from, EVENT_COLUMNS * sizeof *to);
        }
        to[0] = V_I(l->id);
        kept++;
    }
    g->entry_count = kept;
}

static struct bulk rows_between(struct apply_group *g, enum stmt stmt, int32_t from, int32_t to)
{
    return (struct bulk){.stmt = stmt,
                         .rows = to - from,
                         .cols = EVENT_COLUMNS,
                         .v = g->values + (size_t)from * EVENT_COLUMNS};
}

/* The sums of an event that the log did not hold yet. */
static void fold(struct applier *a, const struct entry *n)
{
    n->result->status = INGEST_ACCEPTED;
    if (n->learner->in_sums < 0)
        n->learner->in_sums = sums_learner(a->sums, n->learner->id, n->learner->zone);
    n->learner->changed = true;
    sums_event(a->sums, n->learner->in_sums, n->event, n->result->id, n->at);
}

static enum err note_changed(struct applier *a, struct apply_group *g)
{
    g->changed = arena_new(&g->arena, struct ingest_change, (size_t)g->learners.count);
    if (!g->changed)
        return ERR_NOMEM;
    for (int32_t i = 0; i < g->learners.count; i++) {
        const struct learner_row *l = (const struct learner_row *)g->learners.rows[i];
        if (l->changed || l->made)
            g->changed[g->changed_count++] = (struct ingest_change){
                l->key.a, (l->changed ? STMT_GROUP_LOG | sums_wrote(a->sums, l->in_sums) : 0) |
                              (l->made ? stmt_writes(STMT_INGEST_LEARNERS_ADD) : 0)};
    }
    return ERR_OK;
}

const struct ingest_change *apply_changed(const struct apply_group *g, int32_t *ret_count)
{
    *ret_count = g->changed_count;
    return g->changed;
}

/* Told last, so that a second run of the same items starts from what apply_prepare() said. */
static void tell_refused(struct apply_group *g)
{
    for (int32_t i = 0; i < g->count; i++) {
        struct ingest_result *r = g->items[i].result;

        if (!g->of_item[i] || !g->of_item[i]->refused)
            continue;
        r->status = INGEST_REJECTED;
        r->code = "ANALYSIS_DISABLED";
        r->field = "learner";
        r->reason = "the learner has switched the analysis of behaviour off";
    }
}

/* All are new, as far as one knows. While PostgreSQL works on the first quarter of the rows they
 * are summed up, and while it works on the rest, the sums before are merged. The learners' rows are
 * locked, so nobody else adds events of theirs meanwhile. */
static enum err store_as_new(struct applier *a, struct apply_group *g)
{
    int32_t n = g->entry_count;
    int32_t first = store_goes_ahead(a->conn) && n >= PARTS_MIN ? n / 4 : n;

    g->parts[0] = rows_between(g, STMT_INGEST_EVENTS_NEW, 0, first);
    g->parts[1] = rows_between(g, STMT_INGEST_EVENTS_NEW, first, n);
    enum err e = store_write_ahead(a->conn, &g->parts[0], 1);
    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < n; i++)
        fold(a, &g->entries[i]);
    return sums_write_ahead(a->sums, a->conn, first < n ? &g->parts[1] : NULL);
}

static enum err store_what_is_new(struct applier *a, struct apply_group *g)
{
    int32_t fresh = 0;
    bool *applied = arena_new(&g->arena, bool, (size_t)g->entry_count);

    if (!applied)
        return ERR_NOMEM;
    g->parts[0] = rows_between(g, STMT_INGEST_EVENTS_ADD, 0, g->entry_count);
    g->parts[0].applied = applied;
    enum err e = store_write(a->conn, &g->parts[0], 1);
    for (int32_t i = 0; e == ERR_OK && i < g->entry_count; i++) {
        fresh += applied[i];
        if (applied[i])
            fold(a, &g->entries[i]);
    }
    if (e != ERR_OK)
        return e;
    if (fresh < g->entry_count)
        a->careful = CAREFUL_GROUPS;
    else if (a->careful > 0)
        a->careful--;
    return fresh > 0 ? sums_write_ahead(a->sums, a->conn, NULL) : ERR_OK;
}

/* To look for an event and to say that it was not there takes PostgreSQL longer than to insert it,
 * and SQLite a step for each; clients rarely send one twice: as long as they do not, groups are
 * inserted as new. The unique index knows better, and then the run fails and is repeated. */
static enum err run(struct applier *a, struct apply_group *g)
{
    sums_begin(a->sums);
    a->hopeful = a->careful == 0;
    if (g->learners.count == 0)
        return ERR_OK;
    enum err e = learners_find(a, g);
    if (e == ERR_OK)
        settle_entries(g);
    if (e == ERR_OK && g->entry_count > 0)
        e = a->hopeful ? store_as_new(a, g) : store_what_is_new(a, g);
    return e == ERR_OK ? note_changed(a, g) : e;
}

static enum err failed(struct applier *a, enum err e)
{
    if (e == ERR_CONFLICT && a->hopeful)
        a->careful = CAREFUL_GROUPS;
    store_rollback(a->conn);
    return e;
}

enum err applier_start(struct applier *a, struct apply_group *g)
{
    enum err e = store_begin(a->conn);
    if (e != ERR_OK)
        return e;
    e = run(a, g);
    if (e != ERR_OK)
        return failed(a, e);
    store_commit_ahead(a->conn);
    return ERR_OK;
}

enum err applier_finish(struct applier *a, struct apply_group *g, int64_t *ret_commit_us)
{
    int64_t start = clock_mono_us();

    enum err e = store_commit_unsynced(a->conn);
    if (e != ERR_OK)
        return failed(a, e);
    tell_refused(g);
    *ret_commit_us = clock_mono_us() - start;
    return ERR_OK;
}

static struct apply_item *items_of(const struct event *events, int32_t count, struct arena *arena,
                                   struct ingest_result *results)
{
    struct apply_item *items = arena_new(arena, struct apply_item, (size_t)count);

    for (int32_t i = 0; items && i < count; i++)
        items[i] = (struct apply_item){.event = &events[i], .result = &results[i]};
    return items;
}

enum err ingest_within(struct store_conn *conn, const struct event *events, int32_t count,
                       int64_t now_us, struct arena *arena, struct ingest_result *results)
{
    struct apply_item *items = items_of(events, count, arena, results);
    struct applier *a;

    if (!items)
        return ERR_NOMEM;
    enum err e = apply_prepare(events, count, now_us, arena, results);
    if (e == ERR_OK)
        e = applier_new(conn, &a);
    if (e != ERR_OK)
        return e;
    a->careful = CAREFUL_GROUPS; /* there is no second run */
    e = apply_gather(a->own, items, count, now_us);
    if (e == ERR_OK)
        e = run(a, a->own);
    if (e == ERR_OK)
        e = store_catch_up(conn, NULL);
    if (e == ERR_OK)
        tell_refused(a->own);
    applier_free(a);
    return e;
}

enum err applier_apply(struct applier *a, const struct event *events, int32_t count, int64_t now_us,
                       struct arena *arena, struct ingest_result *results)
{
    struct apply_item *items = items_of(events, count, arena, results);
    bool hopeful = a->careful == 0;
    int64_t commit_us;

    if (!items)
        return ERR_NOMEM;
    enum err e = apply_prepare(events, count, now_us, arena, results);
    for (int i = 0; i < 2; i++) {
        if (e == ERR_OK)
            e = apply_gather(a->own, items, count, now_us);
        if (e == ERR_OK)
            e = applier_start(a, a->own);
        if (e == ERR_OK)
            e = applier_finish(a, a->own, &commit_us);
        if (e != ERR_CONFLICT || !hopeful)
            break;
        e = i == 0 ? ERR_OK : e; /* once more, and look first */
    }
    return e == ERR_OK ? store_sync(a->conn, store_commit_mark(a->conn)) : e;
}
