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
};

struct learner_row {
    struct row_key key; /* a: external id */
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

struct applier {
    struct store_conn *conn;
    struct sums *sums;
    struct arena arena; /* of one run */
    struct buf text;
    bool failed;
    int32_t careful; /* for so many groups more, events are not taken for new */
    bool collided;   /* the run failed because one that was taken for new was not */
    struct table learners, ids;
    struct entry *entries;
    int32_t entry_count;
    struct ingest_change *changed;
    int32_t changed_count;
};

enum err applier_new(struct store_conn *conn, struct applier **ret)
{
    struct applier *a = calloc(1, sizeof *a);

    if (!a || sums_new(&a->sums) != ERR_OK) {
        free(a);
        return ERR_NOMEM;
    }
    a->conn = conn;
    arena_init(&a->arena, SCRATCH_MAX);
    buf_init(&a->text, 64 * 1024);
    *ret = a;
    return ERR_OK;
}

void applier_free(struct applier *a)
{
    if (!a)
        return;
    sums_free(a->sums);
    buf_fini(&a->text);
    arena_fini(&a->arena);
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

static enum err learners_read(struct applier *a)
{
    const struct table *t = &a->learners;
    struct value *keys = arena_new(&a->arena, struct value, (size_t)t->count);
    struct rows rows;

    if (!keys)
        return ERR_NOMEM;
    for (int32_t i = 0; i < t->count; i++)
        keys[i] = V_S(t->rows[i]->a);
    enum err e =
        store_read_bulk(a->conn, &a->arena, STMT_INGEST_LEARNERS, keys, t->count, 1, &rows);
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
static enum err learners_add(struct applier *a, int64_t now_us, bool *ret_added)
{
    const struct table *t = &a->learners;
    struct learner_row **missing = arena_new(&a->arena, struct learner_row *, (size_t)t->count);
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
    struct value *v = arena_new(&a->arena, struct value, (size_t)n * 2);
    if (!v)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        missing[i]->made = true;
        v[2 * i] = V_S(missing[i]->key.a);
        v[2 * i + 1] = V_I(now_us);
    }
    struct bulk b = {.stmt = STMT_INGEST_LEARNERS_ADD, .rows = n, .cols = 2, .v = v};
    return store_write(a->conn, &b, 1);
}

/* Always from the table, never from memory: the row may have been erased, moved to another zone or
 * locked by another process since the last group. */
static enum err learners_find(struct applier *a, int64_t now_us)
{
    bool added = false;

    enum err e = learners_read(a);
    if (e == ERR_OK)
        e = learners_add(a, now_us, &added);
    if (e == ERR_OK && added)
        e = learners_read(a);
    for (int32_t i = 0; e == ERR_OK && i < a->learners.count; i++)
        if (((struct learner_row *)a->learners.rows[i])->id == 0)
            e = ERR_CONFLICT; /* erased between two statements */
    return e;
}

/* ---- the log ---- */

static enum err skills_text(struct applier *a, const struct event *e, struct str *ret)
{
    if (e->skill_count == 0) {
        *ret = (struct str){NULL, 0};
        return ERR_OK;
    }
    buf_clear(&a->text);
    for (int32_t i = 0; i < e->skill_count; i++) {
        buf_putc(&a->text, i ? ',' : '[');
        buf_quoted(&a->text, e->skills[i]);
    }
    buf_putc(&a->text, ']');
    *ret = a->text.failed ? (struct str){NULL, 0} : arena_str(&a->arena, buf_view(&a->text));
    return ret->p ? ERR_OK : ERR_NOMEM;
}

static struct value number(int64_t v, int64_t none)
{
    return v == none ? V_N : V_I(v);
}

enum { EVENT_COLUMNS = 20 };

static enum err event_values(struct applier *a, const struct entry *n, int64_t now_us,
                             struct value *v)
{
    const struct event *e = n->event;
    struct str skills;

    enum err f = skills_text(a, e, &skills);
    if (f != ERR_OK)
        return f;
    const struct value values[EVENT_COLUMNS] = {
        V_I(n->learner->id),       V_I(n->at),
        V_S(n->result->id),        V_I(e->kind),
        V_I(e->untimed),           v_text(e->session),
        v_text(e->item),           v_text(skills),
        number(e->correct, -1),    v_real(e->score),
        number(e->rating, 0),      number(e->duration_ms, -1),
        number(e->latency_ms, -1), v_real(e->confidence),
        v_text(e->modality),       v_text(e->course),
        v_text(e->objective),      v_text(e->mission),
        v_text(e->data),           V_I(now_us),
    };
    memcpy(v, values, sizeof values);
    return ERR_OK;
}

static enum err events_bulk(struct applier *a, int64_t now_us, struct bulk *ret)
{
    struct value *v =
        arena_new(&a->arena, struct value, (size_t)a->entry_count * (size_t)EVENT_COLUMNS);

    if (!v)
        return ERR_NOMEM;
    for (int32_t i = 0; i < a->entry_count; i++) {
        enum err e = event_values(a, &a->entries[i], now_us, v + (size_t)i * EVENT_COLUMNS);
        if (e != ERR_OK)
            return e;
    }
    *ret = (struct bulk){
        .stmt = STMT_INGEST_EVENTS_ADD, .rows = a->entry_count, .cols = EVENT_COLUMNS, .v = v};
    return ERR_OK;
}

/* ---- a run ---- */

static void run_begin(struct applier *a)
{
    arena_clear(&a->arena);
    sums_begin(a->sums);
    a->failed = a->collided = false;
    a->entry_count = a->changed_count = 0;
    table_init(&a->learners, &a->arena, sizeof(struct learner_row), &a->failed);
    table_init(&a->ids, &a->arena, sizeof(struct entry_row), &a->failed);
}

static enum err gather_learners(struct applier *a, const struct apply_item *items, int32_t count,
                                struct learner_row **of_item)
{
    for (int32_t i = 0; i < count; i++) {
        const struct apply_item *it = &items[i];
        if (it->result->status == INGEST_REJECTED && it->result->code)
            continue;
        struct row_key key = {.a = it->event->learner};
        bool made;
        struct learner_row *l = of_item[i] = table_row(&a->learners, &key, &made);
        if (made)
            l->in_sums = -1;
    }
    return a->failed ? ERR_NOMEM : ERR_OK;
}

/* What goes to the log: not for learners who do not want to be analysed, and no id twice. */
static enum err gather_entries(struct applier *a, const struct apply_item *items, int32_t count,
                               int64_t now_us, struct learner_row **of_item)
{
    a->entries = arena_new(&a->arena, struct entry, (size_t)count);
    if (!a->entries)
        return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        struct learner_row *l = of_item[i];
        struct ingest_result *r = items[i].result;
        bool made;

        if (!l)
            continue;
        if (l->refused) {
            r->status = INGEST_REJECTED;
            continue;
        }
        struct row_key key = {
            .learner = (int32_t)(l->id & INT32_MAX), .num = (int32_t)(l->id >> 31), .a = r->id};
        table_row(&a->ids, &key, &made);
        r->status = INGEST_DUPLICATE;
        if (!made)
            continue;
        int64_t at = items[i].event->at;
        a->entries[a->entry_count++] = (struct entry){.event = items[i].event,
                                                      .result = r,
                                                      .learner = l,
                                                      .at = at == TIME_NONE ? now_us : at};
    }
    return a->failed ? ERR_NOMEM : ERR_OK;
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

static enum err note_changed(struct applier *a)
{
    a->changed = arena_new(&a->arena, struct ingest_change, (size_t)a->learners.count);
    if (!a->changed)
        return ERR_NOMEM;
    for (int32_t i = 0; i < a->learners.count; i++) {
        const struct learner_row *l = (const struct learner_row *)a->learners.rows[i];
        if (l->changed || l->made)
            a->changed[a->changed_count++] = (struct ingest_change){
                l->key.a, (l->changed ? STMT_GROUP_LOG | sums_wrote(a->sums, l->in_sums) : 0) |
                              (l->made ? stmt_writes(STMT_INGEST_LEARNERS_ADD) : 0)};
    }
    return ERR_OK;
}

const struct ingest_change *applier_changed(const struct applier *a, int32_t *ret_count)
{
    *ret_count = a->changed_count;
    return a->changed;
}

/* Told last, so that a second run of the same items starts from what apply_prepare() said. */
static void tell_refused(const struct apply_item *items, int32_t count,
                         struct learner_row *const *of_item)
{
    for (int32_t i = 0; i < count; i++) {
        if (!of_item[i] || !of_item[i]->refused)
            continue;
        items[i].result->code = "ANALYSIS_DISABLED";
        items[i].result->field = "learner";
        items[i].result->reason = "the learner has switched the analysis of behaviour off";
    }
}

/* All are new, as far as one knows: they go along with the first questions about their sums. The
 * learners' rows are locked, so nobody else adds events of theirs meanwhile. */
static enum err store_as_new(struct applier *a, struct bulk *events)
{
    events->stmt = STMT_INGEST_EVENTS_NEW;
    for (int32_t i = 0; i < a->entry_count; i++)
        fold(a, &a->entries[i]);
    enum err e = sums_write(a->sums, a->conn, events);
    a->collided = e == ERR_CONFLICT;
    if (a->collided)
        a->careful = CAREFUL_GROUPS;
    return e;
}

static enum err store_what_is_new(struct applier *a, struct bulk *events)
{
    int32_t fresh = 0;
    bool *applied = arena_new(&a->arena, bool, (size_t)a->entry_count);

    if (!applied)
        return ERR_NOMEM;
    events->applied = applied;
    enum err e = store_write(a->conn, events, 1);
    for (int32_t i = 0; e == ERR_OK && i < a->entry_count; i++) {
        fresh += applied[i];
        if (applied[i])
            fold(a, &a->entries[i]);
    }
    if (e != ERR_OK)
        return e;
    if (fresh < a->entry_count)
        a->careful = CAREFUL_GROUPS;
    else if (a->careful > 0)
        a->careful--;
    return fresh > 0 ? sums_write(a->sums, a->conn, NULL) : ERR_OK;
}

/* To look for an event and to say that it was not there takes PostgreSQL longer than to insert it,
 * and SQLite a step for each; clients rarely send one twice: as long as they do not, groups are
 * inserted as new. The unique index knows better, and then the run fails and is repeated. */
static enum err run(struct applier *a, const struct apply_item *items, int32_t count,
                    int64_t now_us)
{
    bool hopeful = a->careful == 0;
    struct bulk events;

    run_begin(a);
    struct learner_row **of_item = arena_new(&a->arena, struct learner_row *, (size_t)count);
    if (!of_item)
        return ERR_NOMEM;
    enum err e = gather_learners(a, items, count, of_item);
    if (e != ERR_OK || a->learners.count == 0)
        return e;
    e = learners_find(a, now_us);
    if (e == ERR_OK)
        e = gather_entries(a, items, count, now_us, of_item);
    if (e == ERR_OK && a->entry_count > 0) {
        e = events_bulk(a, now_us, &events);
        if (e == ERR_OK)
            e = hopeful ? store_as_new(a, &events) : store_what_is_new(a, &events);
    }
    if (e == ERR_OK)
        e = note_changed(a);
    if (e == ERR_OK)
        tell_refused(items, count, of_item);
    return e;
}

static enum err transaction(struct applier *a, const struct apply_item *items, int32_t count,
                            int64_t now_us, int64_t *ret_commit_us)
{
    enum err e = store_begin(a->conn);
    if (e != ERR_OK)
        return e;
    e = run(a, items, count, now_us);
    int64_t start = clock_mono_us();
    if (e == ERR_OK)
        e = store_commit_unsynced(a->conn);
    if (e != ERR_OK)
        store_rollback(a->conn);
    else
        *ret_commit_us = clock_mono_us() - start;
    return e;
}

enum err applier_run(struct applier *a, const struct apply_item *items, int32_t count,
                     int64_t now_us, int64_t *ret_commit_us)
{
    enum err e = transaction(a, items, count, now_us, ret_commit_us);
    return e == ERR_CONFLICT && a->collided ? transaction(a, items, count, now_us, ret_commit_us)
                                            : e;
}

enum err ingest_within(struct store_conn *conn, const struct event *events, int32_t count,
                       int64_t now_us, struct arena *arena, struct ingest_result *results)
{
    struct apply_item *items = arena_new(arena, struct apply_item, (size_t)count);
    struct applier *a;

    if (!items)
        return ERR_NOMEM;
    enum err e = apply_prepare(events, count, now_us, arena, results);
    if (e == ERR_OK)
        e = applier_new(conn, &a);
    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < count; i++)
        items[i] = (struct apply_item){.event = &events[i], .result = &results[i]};
    a->careful = CAREFUL_GROUPS; /* there is no second run */
    e = run(a, items, count, now_us);
    applier_free(a);
    return e;
}

enum err applier_apply(struct applier *a, const struct event *events, int32_t count, int64_t now_us,
                       struct arena *arena, struct ingest_result *results)
{
    struct apply_item *items = arena_new(arena, struct apply_item, (size_t)count);

    if (!items)
        return ERR_NOMEM;
    enum err e = apply_prepare(events, count, now_us, arena, results);
    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < count; i++)
        items[i] = (struct apply_item){.event = &events[i], .result = &results[i]};
    int64_t commit_us;
    e = applier_run(a, items, count, now_us, &commit_us);
    return e == ERR_OK ? store_sync(a->conn, store_commit_mark(a->conn)) : e;
}
