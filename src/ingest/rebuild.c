/* The same code as for new events, fed from the log. Since the order does not matter, a learner is
 * done in pages of the log, all in one transaction, with memory for one page. */
#include "ingest/rebuild.h"

#include "base/assert.h"
#include "base/hash.h"
#include "ingest/apply.h"
#include "ingest/sums.h"
#include "json/reader.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { PAGE_EVENTS = 5000, PAGE_LEARNERS = 1000, MEMORY_MAX = 1 << 30, ATTEMPTS = 5 };

const struct derived_table derived_tables[] = {
    {"sessions", STMT_REBUILD_ROWS_SESSIONS, STMT_LEARNER_DROP_SESSIONS, 1},
    {"session_objectives", STMT_REBUILD_ROWS_SESSION_OBJECTIVES,
     STMT_LEARNER_DROP_SESSION_OBJECTIVES, 2},
    {"missions", STMT_REBUILD_ROWS_MISSIONS, STMT_LEARNER_DROP_MISSIONS, 1},
    {"mission_objectives", STMT_REBUILD_ROWS_MISSION_OBJECTIVES,
     STMT_LEARNER_DROP_MISSION_OBJECTIVES, 2},
    {"cards", STMT_REBUILD_ROWS_CARDS, STMT_LEARNER_DROP_CARDS, 1},
    {"audits", STMT_REBUILD_ROWS_AUDITS, STMT_LEARNER_DROP_AUDITS, 1},
    {"run_work", STMT_REBUILD_ROWS_RUN_WORK, STMT_LEARNER_DROP_RUN_WORK, 2},
    {"loads", STMT_REBUILD_ROWS_LOADS, STMT_LEARNER_DROP_LOADS, 2},
    {"days", STMT_REBUILD_ROWS_DAYS, STMT_LEARNER_DROP_DAYS, 1},
    {"hours", STMT_REBUILD_ROWS_HOURS, STMT_LEARNER_DROP_HOURS, 1},
    {"lengths", STMT_REBUILD_ROWS_LENGTHS, STMT_LEARNER_DROP_LENGTHS, 1},
    {"topics", STMT_REBUILD_ROWS_TOPICS, STMT_LEARNER_DROP_TOPICS, 2},
    {"objective_sums", STMT_REBUILD_ROWS_OBJECTIVE_SUMS, STMT_LEARNER_DROP_OBJECTIVE_SUMS, 1},
    {"search_sums", STMT_REBUILD_ROWS_SEARCH_SUMS, STMT_LEARNER_DROP_SEARCH_SUMS, 2},
    {"totals", STMT_REBUILD_ROWS_TOTALS, STMT_LEARNER_DROP_TOTALS, 0},
    {NULL, STMT_COUNT, STMT_COUNT, 0},
};

/* ---- the log, page by page ---- */

/* Written by this program; what it cannot read says nothing. */
static enum err read_skills(struct str text, struct arena *arena, struct event *e)
{
    struct str *skills, s;
    struct json_reader r;

    if (!text.p)
        return ERR_OK;
    skills = arena_new(arena, struct str, EVENT_SKILLS_MAX);
    if (!skills)
        return ERR_NOMEM;
    json_reader_init(&r, text, arena, 2);
    if (json_peek(&r) != JSON_ARRAY || !json_array_begin(&r))
        return ERR_OK;
    while (e->skill_count < EVENT_SKILLS_MAX && json_next_item(&r) && json_read_str(&r, &s))
        skills[e->skill_count++] = s;
    e->skills = skills;
    return r.err == ERR_NOMEM ? ERR_NOMEM : ERR_OK;
}

static enum err read_row(const struct value *v, struct arena *arena, struct event *e)
{
    event_init(e);
    e->at = value_i64(&v[0], 0);
    e->id = value_str(&v[1]);
    e->kind = (enum event_kind)value_i64(&v[2], 0);
    e->untimed = value_i64(&v[3], 0) != 0;
    e->session = value_str(&v[4]);
    e->item = value_str(&v[5]);
    e->correct = (int8_t)value_i64(&v[7], -1);
    e->score = value_f64(&v[8], NAN);
    e->rating = (int8_t)value_i64(&v[9], 0);
    e->duration_ms = value_i64(&v[10], -1);
    e->latency_ms = value_i64(&v[11], -1);
    e->confidence = value_f64(&v[12], NAN);
    e->modality = value_str(&v[13]);
    e->course = value_str(&v[14]);
    e->objective = value_str(&v[15]);
    e->mission = value_str(&v[16]);
    e->data = value_str(&v[17]);
    return read_skills(value_str(&v[6]), arena, e);
}

struct log_place {
    int64_t at;
    char id[EVENT_ID_MAX];
    size_t id_n;
};

/* ERR_EOF: that was the last page. */
static enum err rebuild_page(struct store_conn *conn, struct sums *sums, struct arena *arena,
                             int64_t learner_id, const struct zone *zone, struct log_place *place,
                             int64_t *events)
{
    struct value args[] = {V_I(learner_id), V_I(place->at),
                           V_S(((struct str){place->id, place->id_n})), V_I(PAGE_EVENTS)};
    struct query q = {.stmt = STMT_INGEST_EVENTS_PAGE, .args = args, .arg_count = 4};

    arena_clear(arena);
    enum err e = store_read(conn, arena, &q, 1, 0);
    if (e != ERR_OK || q.rows.count == 0)
        return e != ERR_OK ? e : ERR_EOF;
    struct event *page = arena_new(arena, struct event, (size_t)q.rows.count);
    if (!page)
        return ERR_NOMEM;
    sums_begin(sums);
    int32_t learner = sums_learner(sums, learner_id, zone);
    for (int32_t i = 0; i < q.rows.count; i++) {
        e = read_row(row_at(&q.rows, i), arena, &page[i]);
        if (e != ERR_OK)
            return e;
        sums_event(sums, learner, &page[i], page[i].id, page[i].at);
    }
    const struct event *last = &page[q.rows.count - 1];
    place->at = last->at;
    place->id_n = last->id.n < sizeof place->id ? last->id.n : sizeof place->id;
    memcpy(place->id, last->id.p, place->id_n);
    *events += q.rows.count;
    e = sums_write(sums, conn);
    return e != ERR_OK ? e : q.rows.count < PAGE_EVENTS ? ERR_EOF : ERR_OK;
}

static enum err drop_rows(struct store_conn *conn, int64_t learner_id)
{
    struct value key = V_I(learner_id);
    struct bulk bulks[16];
    int32_t n = 0;

    for (const struct derived_table *t = derived_tables; t->name; t++)
        bulks[n++] = (struct bulk){.stmt = t->drop, .rows = 1, .cols = 1, .v = &key};
    return store_write(conn, bulks, n);
}

static enum err version_get(struct store_conn *conn, struct arena *arena, int64_t learner_id,
                            int64_t *ret)
{
    struct value key = V_I(learner_id);
    struct query q = {.stmt = STMT_TOTALS_VERSION, .args = &key, .arg_count = 1};

    enum err e = store_read(conn, arena, &q, 1, 0);
    if (e == ERR_OK)
        *ret = q.rows.count ? value_i64(row_at(&q.rows, 0), 0) : 0;
    return e;
}

static enum err version_set(struct store_conn *conn, int64_t learner_id, int64_t version)
{
    struct value v[] = {V_I(learner_id), V_I(version)};
    struct bulk b = {.stmt = STMT_TOTALS_VERSION_SET, .rows = 1, .cols = 2, .v = v};

    return store_write(conn, &b, 1);
}

/* Those that the nights had left with the cards. */
static enum err states_are_gone(struct store_conn *conn, int64_t learner_id)
{
    const struct value id = V_I(learner_id);
    struct bulk b = {.stmt = STMT_RETENTION_ANEW, .rows = 1, .cols = 1, .v = &id};

    return store_write(conn, &b, 1);
}

enum err rebuild_learner(struct store_conn *conn, int64_t learner_id, struct str zone_text,
                         int64_t *ret_events)
{
    const struct zone *zone = apply_zone(zone_text);
    struct log_place place = {.at = INT64_MIN};
    int64_t version = 0, events = 0;
    struct sums *sums;
    struct arena arena;

    if (sums_new(&sums) != ERR_OK)
        return ERR_NOMEM;
    arena_init(&arena, MEMORY_MAX);
    enum err e = version_get(conn, &arena, learner_id, &version);
    if (e == ERR_OK)
        e = drop_rows(conn, learner_id);
    while (e == ERR_OK)
        e = rebuild_page(conn, sums, &arena, learner_id, zone, &place, &events);
    if (e == ERR_EOF)
        e = version_set(conn, learner_id, version + 1);
    if (e == ERR_OK)
        e = states_are_gone(conn, learner_id);
    if (e == ERR_OK && ret_events)
        *ret_events = events;
    arena_fini(&arena);
    sums_free(sums);
    return e;
}

enum err learner_lock(struct store_conn *conn, struct arena *arena, struct str external_id,
                      int64_t *ret_id, struct str *ret_zone)
{
    struct value key = V_S(external_id);
    struct query q = {.stmt = STMT_LEARNER_LOCK, .args = &key, .arg_count = 1};

    enum err e = store_read(conn, arena, &q, 1, 0);
    if (e != ERR_OK)
        return e;
    if (q.rows.count == 0)
        return ERR_NOT_FOUND;
    *ret_id = value_i64(row_at(&q.rows, 0), 0);
    *ret_zone = value_str(row_at(&q.rows, 0) + 1);
    return ERR_OK;
}

/* ---- before and after, by the hashes of the rows ---- */

struct print {
    uint64_t key, row;
    bool met;
};

struct prints {
    struct print *p;
    size_t n, room;
    uint32_t *slots; /* 1 + index, by key */
    size_t mask;
};

static void prints_free(struct prints *p)
{
    free(p->p);
    free(p->slots);
}

static uint64_t hash_value(uint64_t h, const struct value *v)
{
    struct {
        uint64_t h, type, content;
    } in = {h, v->type, 0};

    if (v->type == V_TEXT || v->type == V_BLOB)
        in.content = hash_str(v->s);
    else if (v->type == V_INT)
        in.content = (uint64_t)v->i;
    else if (v->type == V_REAL)
        memcpy(&in.content, &v->d, sizeof in.content);
    return hash_bytes(&in, sizeof in);
}

static struct print print_of(const struct derived_table *t, const struct value *row, int32_t cols)
{
    struct print p = {.key = (uint64_t)(t - derived_tables) + 1};

    for (int32_t i = 0; i < t->keys; i++)
        p.key = hash_value(p.key, &row[i]);
    p.row = p.key;
    for (int32_t i = t->keys; i < cols; i++)
        p.row = hash_value(p.row, &row[i]);
    return p;
}

static struct print *prints_find(const struct prints *p, uint64_t key)
{
    for (size_t i = key & p->mask; p->slots && p->slots[i]; i = (i + 1) & p->mask)
        if (p->p[p->slots[i] - 1].key == key)
            return &p->p[p->slots[i] - 1];
    return NULL;
}

static enum err prints_index(struct prints *p)
{
    size_t n = 64;

    while (n < p->n * 2)
        n *= 2;
    p->slots = calloc(n, sizeof *p->slots);
    if (!p->slots)
        return ERR_NOMEM;
    p->mask = n - 1;
    for (size_t k = 0; k < p->n; k++) {
        size_t i = p->p[k].key & p->mask;
        while (p->slots[i])
            i = (i + 1) & p->mask;
        p->slots[i] = (uint32_t)k + 1;
    }
    return ERR_OK;
}

struct comparing {
    struct prints before;
    const struct derived_table *table;
    struct str learner;
    struct rebuild_report *report;
};

static void tell_first(struct comparing *c, const struct value *row, const char *what)
{
    struct rebuild_report *r = c->report;
    char key[120] = "";
    size_t n = 0;

    if (*r->first_difference)
        return;
    for (int32_t i = 0; i < c->table->keys && n < sizeof key; i++) {
        int k = row[i].type == V_INT
                    ? snprintf(key + n, sizeof key - n, " %" PRId64, row[i].i)
                    : snprintf(key + n, sizeof key - n, " %.*s",
                               (int)utf8_prefix(value_str(&row[i]), 40).n, value_str(&row[i]).p);
        n += (size_t)(k > 0 ? k : 0);
    }
    snprintf(r->first_difference, sizeof r->first_difference, "%s of learner %.*s,%s: %s",
             c->table->name, (int)utf8_prefix(c->learner, 40).n, c->learner.p,
             *key ? key : " the row", what);
}

static enum err note_before(void *user, const struct value *row, int32_t cols)
{
    struct comparing *c = user;
    struct prints *p = &c->before;

    if (p->n == p->room) {
        size_t room = p->room ? p->room * 2 : 1024;
        struct print *more = room < UINT32_MAX ? realloc(p->p, room * sizeof *more) : NULL;
        if (!more)
            return ERR_NOMEM;
        p->p = more;
        p->room = room;
    }
    p->p[p->n++] = print_of(c->table, row, cols);
    return ERR_OK;
}

static enum err compare_after(void *user, const struct value *row, int32_t cols)
{
    struct comparing *c = user;
    struct print now = print_of(c->table, row, cols);
    struct print *before = prints_find(&c->before, now.key);

    if (before)
        before->met = true;
    if (before && before->row == now.row)
        return ERR_OK;
    c->report->differing_rows++;
    tell_first(c, row, before ? "is not what the log gives" : "is missing");
    return ERR_OK;
}

static enum err find_unmet(void *user, const struct value *row, int32_t cols)
{
    struct comparing *c = user;
    const struct print *p = prints_find(&c->before, print_of(c->table, row, cols).key);

    if (p && !p->met)
        tell_first(c, row, "does not come from the log");
    return ERR_OK;
}

static enum err each_table(struct store_conn *conn, int64_t learner_id, struct comparing *c,
                           enum err (*fn)(void *user, const struct value *row, int32_t cols))
{
    struct value key = V_I(learner_id);
    enum err e = ERR_OK;

    for (c->table = derived_tables; c->table->name && e == ERR_OK; c->table++)
        e = store_each(conn, c->table->rows, &key, 1, fn, c);
    return e;
}

/* In a transaction that is rolled back at the end: nothing is changed. */
static enum err verify_learner(struct store_conn *conn, struct str external, int64_t id,
                               struct str zone, struct rebuild_report *report, int64_t *ret_events)
{
    struct comparing c = {.learner = external, .report = report};
    int64_t unmet = 0;

    enum err e = each_table(conn, id, &c, note_before);
    if (e == ERR_OK)
        e = prints_index(&c.before);
    if (e == ERR_OK)
        e = rebuild_learner(conn, id, zone, ret_events);
    if (e == ERR_OK)
        e = each_table(conn, id, &c, compare_after);
    store_rollback(conn);
    for (size_t i = 0; e == ERR_OK && i < c.before.n; i++)
        unmet += !c.before.p[i].met;
    report->differing_rows += unmet;
    if (e == ERR_OK && unmet && !*report->first_difference)
        e = each_table(conn, id, &c, find_unmet);
    prints_free(&c.before);
    return e;
}

/* ---- all learners ---- */

static enum err one_learner(struct store_conn *conn, struct arena *arena, struct str external,
                            bool verify, struct rebuild_report *report)
{
    int64_t id = 0, events = 0;
    struct str zone;

    enum err e = store_begin(conn);
    if (e != ERR_OK)
        return e;
    e = learner_lock(conn, arena, external, &id, &zone);
    if (e == ERR_OK && verify) {
        e = verify_learner(conn, external, id, zone, report, &events);
    } else {
        if (e == ERR_OK)
            e = rebuild_learner(conn, id, zone, &events);
        if (e == ERR_OK)
            e = store_commit(conn);
        if (e != ERR_OK)
            store_rollback(conn);
    }
    if (e == ERR_OK) {
        report->learners++;
        report->events += events;
    }
    return e;
}

/* A lock that another process holds is worth another try. */
static enum err patiently(struct store_conn *conn, struct str external, bool verify,
                          struct rebuild_report *report)
{
    struct rebuild_report before = *report;
    struct arena arena;
    enum err e = ERR_BUSY;

    for (int i = 0; i < ATTEMPTS && e == ERR_BUSY; i++) {
        *report = before;
        arena_init(&arena, MEMORY_MAX);
        e = one_learner(conn, &arena, external, verify, report);
        arena_fini(&arena);
    }
    return e;
}

static enum err page_of_learners(struct store_conn *conn, struct arena *arena, bool verify,
                                 int64_t *after, struct rebuild_report *report)
{
    struct value args[] = {V_I(*after), V_I(PAGE_LEARNERS)};
    struct query q = {.stmt = STMT_REBUILD_LEARNERS, .args = args, .arg_count = 2};

    arena_clear(arena);
    enum err e = store_read(conn, arena, &q, 1, 0);
    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; e == ERR_OK && i < q.rows.count; i++) {
        *after = value_i64(row_at(&q.rows, i), 0);
        e = patiently(conn, value_str(row_at(&q.rows, i) + 1), verify, report);
        if (e == ERR_NOT_FOUND) /* erased meanwhile */
            e = ERR_OK;
    }
    return e == ERR_OK && q.rows.count < PAGE_LEARNERS ? ERR_EOF : e;
}

enum err ingest_rebuild(struct store_conn *conn, struct str learner, bool verify,
                        struct rebuild_report *ret)
{
    enum err e = ERR_OK;
    int64_t after = INT64_MIN;
    struct arena arena;

    *ret = (struct rebuild_report){0};
    if (learner.p)
        return patiently(conn, learner, verify, ret);
    arena_init(&arena, MEMORY_MAX);
    while (e == ERR_OK)
        e = page_of_learners(conn, &arena, verify, &after, ret);
    arena_fini(&arena);
    return e == ERR_EOF ? ERR_OK : e;
}
