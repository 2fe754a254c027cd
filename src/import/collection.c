/* collection - the review log of an Anki collection, a SQLite database from another program.
 *
 * Read from schema 11 (decks as JSON in `col`) and from schema 15 on (a table `decks`). Tables:
 * revlog (id: ms of the answer, cid, ease 1..4, 0 = rescheduled by hand, time: ms taken, type: 0
 * learning, 1 review, 2 relearning, 3 filtered, 4 and 5 rescheduled), cards (nid, did, odid: the
 * deck it belongs to while it is in a filtered one), notes (tags with blanks between). An item is a
 * card; its skills are its note's tags, its course is its deck ("Parent::Child").
 *
 * The file may be made by anybody: it is opened read-only and defensively (no trusted schema, no
 * writes, cell sizes checked), only real tables are read, and the work is bounded. */
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "import/importers.h"
#include "json/reader.h"

#include <sqlite3.h>
#include <stdlib.h>

enum {
    VALUE_BYTES_MAX = 64 << 20,
    DECKS_BYTES_MAX = 64 << 20,
    STEPS_AT_ONCE = 100000,
    STEPS_MAX = 200000, /* of the progress handler: 2e10 virtual machine steps */
};

static int by_ascii_case(void *unused, int an, const void *a, int bn, const void *b)
{
    (void)unused;
    for (int i = 0; i < an && i < bn; i++) {
        int x = ((const unsigned char *)a)[i], y = ((const unsigned char *)b)[i];

        x += x >= 'A' && x <= 'Z' ? 32 : 0;
        y += y >= 'A' && y <= 'Z' ? 32 : 0;
        if (x != y)
            return x - y;
    }
    return an - bn;
}

/* Stops a statement that would run for hours. One per connection, which reads one collection once.
 */
struct budget {
    int64_t steps;
};

static int spend(void *user)
{
    struct budget *b = user;

    return ++b->steps > STEPS_MAX;
}

static void drop_budget(void *p)
{
    free(p);
}

static void no_function(sqlite3_context *c, int n, sqlite3_value **v)
{
    (void)n, (void)v;
    sqlite3_result_null(c);
}

static enum err harden(sqlite3 *db)
{
    static const struct {
        int limit, value;
    } limits[] = {{SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX},
                  {SQLITE_LIMIT_SQL_LENGTH, 100000},
                  {SQLITE_LIMIT_COLUMN, 200},
                  {SQLITE_LIMIT_EXPR_DEPTH, 50},
                  {SQLITE_LIMIT_COMPOUND_SELECT, 3},
                  {SQLITE_LIMIT_VDBE_OP, 25000},
                  {SQLITE_LIMIT_FUNCTION_ARG, 8},
                  {SQLITE_LIMIT_ATTACHED, 0},
                  {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
                  {SQLITE_LIMIT_VARIABLE_NUMBER, 10}};
    struct budget *budget = calloc(1, sizeof *budget);

    /* A function of ours owns the budget, so that it goes with the connection. */
    if (!budget ||
        sqlite3_create_function_v2(db, "doppel_budget", 0, SQLITE_UTF8 | SQLITE_DIRECTONLY, budget,
                                   no_function, NULL, NULL, drop_budget) != SQLITE_OK)
        return ERR_NOMEM; /* the budget is dropped by SQLite on failure too */
    for (size_t i = 0; i < COUNT(limits); i++)
        sqlite3_limit(db, limits[i].limit, limits[i].value);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_progress_handler(db, STEPS_AT_ONCE, spend, budget);
    /* Newer collections order names by a collation that only Anki has; nothing here depends on it.
     */
    if (sqlite3_create_collation(db, "unicase", SQLITE_UTF8, NULL, by_ascii_case) != SQLITE_OK)
        return ERR_NOMEM;
    if (sqlite3_exec(db, "PRAGMA cell_size_check=1; PRAGMA mmap_size=0; PRAGMA query_only=1;", NULL,
                     NULL, NULL) != SQLITE_OK)
        return ERR_SYNTAX;
    return ERR_OK;
}

static enum err opened(sqlite3 *db, enum err e, sqlite3 **ret)
{
    if (e == ERR_OK)
        e = harden(db);
    if (e != ERR_OK) {
        sqlite3_close(db);
        return e;
    }
    *ret = db;
    return ERR_OK;
}

enum err collection_open_bytes(struct str bytes, sqlite3 **ret)
{
    enum { HEADER = 100, JOURNAL_WRITE = 18, JOURNAL_READ = 19 };
    sqlite3 *db = NULL;
    enum err e = ERR_OK;

    if (bytes.n < HEADER || memcmp(bytes.p, "SQLite format 3", 16) != 0)
        return ERR_SYNTAX;
    unsigned char *copy = sqlite3_malloc64(bytes.n);

    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, bytes.p, bytes.n);
    copy[JOURNAL_WRITE] = copy[JOURNAL_READ] = 1; /* memory has no write-ahead log */
    if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, NULL) !=
        SQLITE_OK) {
        sqlite3_free(copy);
        e = ERR_NOMEM;
    } else if (sqlite3_deserialize(db, "main", copy, (sqlite3_int64)bytes.n, (sqlite3_int64)bytes.n,
                                   SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY) !=
               SQLITE_OK) {
        e = ERR_SYNTAX; /* which frees the copy */
    }
    return opened(db, e, ret);
}

enum err collection_open_file(const char *path, sqlite3 **ret)
{
    sqlite3 *db = NULL;
    int r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);

    return opened(db, r == SQLITE_OK ? ERR_OK : ERR_IO, ret);
}

void collection_close(sqlite3 *db)
{
    sqlite3_close(db);
}

/* ---- reading ---- */

static bool has_table(sqlite3 *db, const char *name)
{
    sqlite3_stmt *s = NULL;
    bool has = false;

    if (sqlite3_prepare_v2(db,
                           "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 "
                           "AND sql NOT LIKE 'CREATE VIRTUAL%'",
                           -1, &s, NULL) == SQLITE_OK) {
        sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
        has = sqlite3_step(s) == SQLITE_ROW;
    }
    sqlite3_finalize(s);
    return has;
}

static struct str column(sqlite3_stmt *s, int i)
{
    const char *p = (const char *)sqlite3_column_text(s, i);
    struct str t = {p, (size_t)sqlite3_column_bytes(s, i)};

    if (!p || !utf8_valid(t) || memchr(p, 0, t.n))
        return (struct str){NULL, 0};
    return t;
}

struct decks {
    struct arena arena;
    struct strmap names; /* by id as text */
};

static void add_deck(struct decks *d, struct str id, struct str name)
{
    struct str key = arena_str(&d->arena, id);
    struct buf text;

    if (!name.n || !key.p || strmap_get(&d->names, key))
        return;
    buf_init(&text, 4096);
    for (size_t i = 0; i < name.n; i++) { /* levels are separated by 0x1f in newer collections */
        if (name.p[i] == '\x1f')
            buf_put(&text, "::", 2);
        else
            buf_putc(&text, name.p[i]);
    }
    struct str *kept = arena_new(&d->arena, struct str, 1);

    if (kept && !text.failed && (*kept = arena_str(&d->arena, buf_view(&text))).p) {
        void **slot = strmap_slot(&d->names, key);

        if (slot)
            *slot = kept;
    }
    buf_fini(&text);
}

/* {"1": {"name": "Default", …}, …} */
static void read_deck_json(struct decks *d, struct str json)
{
    struct arena arena;
    struct json_reader r;
    struct str id, member, name;

    arena_init(&arena, DECKS_BYTES_MAX);
    json_reader_init(&r, json, &arena, 16);
    if (json_object_begin(&r))
        while (json_next_member(&r, &id)) {
            if (json_peek(&r) != JSON_OBJECT) {
                json_skip(&r, NULL);
                continue;
            }
            json_object_begin(&r);
            while (json_next_member(&r, &member)) {
                if (str_eq(member, STR("name")) && json_peek(&r) == JSON_STRING) {
                    if (json_read_str(&r, &name))
                        add_deck(d, id, name);
                } else {
                    json_skip(&r, NULL);
                }
            }
        }
    arena_fini(&arena);
}

static void read_decks(sqlite3 *db, struct decks *d)
{
    sqlite3_stmt *s = NULL;

    if (has_table(db, "decks") && sqlite3_prepare_v2(db, "SELECT CAST(id AS TEXT), name FROM decks",
                                                     -1, &s, NULL) == SQLITE_OK)
        while (sqlite3_step(s) == SQLITE_ROW)
            add_deck(d, column(s, 0), column(s, 1));
    sqlite3_finalize(s);
    s = NULL;
    if (has_table(db, "col") &&
        sqlite3_prepare_v2(db, "SELECT decks FROM col LIMIT 1", -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW) {
        struct str json = column(s, 0);

        if (json.n > 2)
            read_deck_json(d, json);
    }
    sqlite3_finalize(s);
}

static void tags_of(struct event *e, struct str *skills, struct str tags)
{
    while (tags.p && e->skill_count < EVENT_SKILLS_MAX) {
        struct str tag = str_trim(str_cut(&tags, ' '));
        bool there = !tag.n;

        for (int32_t i = 0; i < e->skill_count; i++)
            there |= str_eq(skills[i], tag);
        if (!there)
            skills[e->skill_count++] = tag;
    }
    e->skills = e->skill_count ? skills : NULL;
}

static const char *const review_types[] = {"learning", "review", "relearning", "filtered"};

static enum err take_review(sqlite3_stmt *s, struct str learner, const struct decks *decks,
                            int64_t row, struct intake *in)
{
    int64_t at_ms = sqlite3_column_int64(s, 0), ease = sqlite3_column_int64(s, 2);
    int64_t type = sqlite3_column_int64(s, 4), took = sqlite3_column_int64(s, 3);
    struct str skills[EVENT_SKILLS_MAX], deck_id = column(s, 5);
    const struct str *deck = deck_id.p ? strmap_get(&decks->names, deck_id) : NULL;
    char data[64];
    struct event e;

    intake_row(in);
    if (ease == 0 || type > 3) {
        intake_skip(in, row, "rescheduled by hand: no review");
        return ERR_OK;
    }
    if (ease < 1 || ease > 4 || type < 0 || at_ms < 0 || at_ms > TIME_MAX / US_PER_MS) {
        intake_refuse(in, row, (struct str){NULL, 0}, "", "ease, type or time is out of range");
        return ERR_OK;
    }
    event_init(&e);
    e.kind = EVENT_REVIEW;
    e.learner = learner;
    e.at = at_ms * US_PER_MS;
    e.item = column(s, 1);
    e.rating = (int8_t)ease;
    e.course = deck ? *deck : (struct str){NULL, 0};
    if (took >= 0 && took <= EVENT_DURATION_MS_MAX)
        e.duration_ms = took;
    tags_of(&e, skills, column(s, 6));
    e.data = (struct str){
        data, (size_t)snprintf(data, sizeof data, "{\"state\":\"%s\"}", review_types[type])};
    return intake_add(in, &e, row);
}

enum err read_collection(sqlite3 *db, struct str learner, struct intake *in, char *ret_detail)
{
    static const char query[] =
        "SELECT r.id, CAST(r.cid AS TEXT), r.ease, r.time, r.type,"
        " CAST(CASE WHEN c.odid <> 0 THEN c.odid ELSE c.did END AS TEXT), n.tags"
        " FROM revlog r LEFT JOIN cards c ON c.id = r.cid LEFT JOIN notes n ON n.id = c.nid"
        " ORDER BY r.id";
    struct decks decks;
    sqlite3_stmt *s = NULL;
    enum err e = ERR_OK;
    int step;

    if (!has_table(db, "revlog") || !has_table(db, "cards") || !has_table(db, "notes")) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "not an Anki collection: no revlog, cards and notes");
        return ERR_RANGE;
    }
    arena_init(&decks.arena, DECKS_BYTES_MAX);
    strmap_init(&decks.names, &decks.arena);
    read_decks(db, &decks);
    if (sqlite3_prepare_v2(db, query, -1, &s, NULL) != SQLITE_OK)
        e = ERR_SYNTAX;
    for (int64_t row = 1; e == ERR_OK; row++) {
        step = sqlite3_step(s);
        if (step != SQLITE_ROW)
            e = step == SQLITE_DONE ? ERR_EOF : step == SQLITE_NOMEM ? ERR_NOMEM : ERR_SYNTAX;
        else
            e = take_review(s, learner, &decks, row, in);
    }
    if (e == ERR_SYNTAX)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "the collection is damaged: %.160s",
                 sqlite3_errmsg(db));
    sqlite3_finalize(s);
    arena_fini(&decks.arena);
    return e;
}
