/* A store in a directory of its own, with the schema made: SQLite always, PostgreSQL (in a schema
 * of its own) when DOPPEL_TEST_POSTGRES holds a URL. And a dump of everything that is derived. */
#pragma once
#include "base/assert.h"
#include "base/buf.h"
#include "ingest/ingest.h"
#include "ingest/rebuild.h"

#include <dirent.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

struct fixture {
    enum store_engine engine;
    char dir[64], schema[48], url[1024];
    struct store *store;
    struct store_conn *conn; /* the writer; NULL after fixture_release() */
    struct applier *applier;
    struct arena arena;
};

static inline const char *postgres_url(void)
{
    return getenv("DOPPEL_TEST_POSTGRES");
}

/* Makes two tests of `name`: on SQLite always, on PostgreSQL where there is one. */
#define BOTH(name)                        \
    static void name##_sqlite(void **s)   \
    {                                     \
        (void)s;                          \
        name(STORE_SQLITE);               \
    }                                     \
    static void name##_postgres(void **s) \
    {                                     \
        (void)s;                          \
        if (!postgres_url())              \
            skip();                       \
        name(STORE_POSTGRES);             \
    }

static inline void pg_notice(void *user, const char *message)
{
    (void)user, (void)message;
}

static inline void on_postgres(const char *sql)
{
    PGconn *pg = PQconnectdb(postgres_url());

    PQsetNoticeProcessor(pg, pg_notice, NULL);
    PGresult *r = PQexec(pg, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pg));
    PQclear(r);
    PQfinish(pg);
}

/* sync: SQLite's log is synced after each commit, by this. NULL: never. */
static inline void fixture_open_synced(struct fixture *f, enum store_engine engine,
                                       int (*sync)(int fd))
{
    static int made;
    char detail[300] = "", sql[100];
    int32_t from, to;

    *f = (struct fixture){.engine = engine};
    snprintf(f->dir, sizeof f->dir, "/tmp/doppel-ingest.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->url, sizeof f->url, "sqlite:%s/doppel.db", f->dir);
    if (engine == STORE_POSTGRES) {
        snprintf(f->schema, sizeof f->schema, "ingest_%d_%d", (int)getpid(), made++);
        snprintf(sql, sizeof sql, "CREATE SCHEMA %s", f->schema);
        on_postgres(sql);
        snprintf(f->url, sizeof f->url, "%s%coptions=-csearch_path%%3D%s", postgres_url(),
                 strchr(postgres_url(), '?') ? '&' : '?', f->schema);
    }
    struct store_options options = {
        .url = str_from(f->url),
        .busy_timeout_ms = 5000,
        .connect_timeout_ms = 3000,
        .statement_timeout_ms = 20000,
        .sqlite_cache_kib = 4096,
        .sqlite_checkpoint_pages = 4000,
        .sqlite_full_sync = sync != NULL,
        .sqlite_sync = sync,
    };
    if (store_open(&options, &f->store, detail) != ERR_OK ||
        store_migrate(f->store, &from, &to, detail) != ERR_OK)
        fail_msg("%s: %s", f->url, detail);
    OK(store_connect(f->store, STORE_WRITER, &f->conn));
    OK(applier_new(f->conn, &f->applier));
    arena_init(&f->arena, 256 << 20);
}

static inline void fixture_open(struct fixture *f, enum store_engine engine)
{
    fixture_open_synced(f, engine, NULL);
}

/* Gives the writer's connection free, for ingest_new(). */
static inline void fixture_release(struct fixture *f)
{
    applier_free(f->applier);
    store_disconnect(f->conn);
    f->applier = NULL;
    f->conn = NULL;
}

static inline void fixture_retake(struct fixture *f)
{
    OK(store_connect(f->store, STORE_WRITER, &f->conn));
    OK(applier_new(f->conn, &f->applier));
}

static inline void fixture_close(struct fixture *f)
{
    char path[512];
    struct dirent *entry;

    fixture_release(f);
    store_close(f->store);
    arena_fini(&f->arena);
    DIR *d = opendir(f->dir);
    while (d && (entry = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", f->dir, entry->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(f->dir);
    if (f->engine == STORE_POSTGRES) {
        snprintf(path, sizeof path, "DROP SCHEMA %s CASCADE", f->schema);
        on_postgres(path);
    }
}

static inline void dump_value(struct buf *out, const struct value *v)
{
    switch (v->type) {
    case V_NULL:
        buf_str(out, STR("-"));
        break;
    case V_INT:
        buf_i64(out, v->i);
        break;
    case V_REAL:
        buf_printf(out, "%.17g", v->d);
        break;
    case V_TEXT:
    case V_BLOB:
        buf_quoted(out, v->s);
        break;
    }
}

static inline enum err dump_row(void *user, const struct value *row, int32_t cols)
{
    struct buf *out = user;

    for (int32_t i = 0; i < cols; i++) {
        buf_putc(out, ' ');
        dump_value(out, &row[i]);
    }
    buf_putc(out, '\n');
    return ERR_OK;
}

/* All derived rows of a learner, a line each; the caller frees. */
static inline char *dump_learner(struct fixture *f, const char *external)
{
    struct value key = V_S(str_from(external));
    struct query q = {.stmt = STMT_LEARNER_LOCK, .args = &key, .arg_count = 1};
    struct buf out;

    buf_init(&out, 64 << 20);
    OK(store_read(f->conn, &f->arena, &q, 1, 0));
    if (q.rows.count) {
        struct value id = *row_at(&q.rows, 0);
        for (const struct derived_table *t = derived_tables; t->name; t++) {
            buf_printf(&out, "%s\n", t->name);
            OK(store_each(f->conn, t->rows, &id, 1, dump_row, &out));
        }
    }
    buf_putc(&out, '\0');
    assert_false(out.failed);
    return out.p;
}

/* The rows of one derived table of learner "ann", space-separated, a line each. In the arena. */
static inline const char *rows_of(struct fixture *f, const char *table)
{
    char *all = dump_learner(f, "ann"), *at = NULL, *end;
    char head[64];
    struct str text;

    snprintf(head, sizeof head, "%s\n", table);
    for (char *p = all; (p = strstr(p, head)); p++)
        if (p == all || p[-1] == '\n') {
            at = p + strlen(head);
            break;
        }
    assert_non_null(at);
    for (end = at; *end == ' ';) /* rows are indented, heads are not */
        end = strchr(end, '\n') + 1;
    text = arena_str(&f->arena, (struct str){at, (size_t)(end - at)});
    free(all);
    return text.p;
}

static inline int64_t at_text(const char *rfc3339)
{
    int64_t t;

    OK(time_parse(str_from(rfc3339), &t));
    return t;
}

/* An event of learner "ann", to be made more of by the caller. */
static inline struct event an_event(enum event_kind kind, const char *id, const char *at)
{
    struct event e;

    event_init(&e);
    e.learner = STR("ann");
    e.id = str_from(id);
    e.at = at_text(at);
    e.kind = kind;
    return e;
}

static inline void apply(struct fixture *f, const struct event *events, int32_t n,
                         struct ingest_result *results)
{
    struct ingest_result *own = arena_new(&f->arena, struct ingest_result, (size_t)n);

    assert_non_null(own);
    OK(applier_apply(f->applier, events, n, at_text("2025-06-01T00:00:00Z"), &f->arena, own));
    if (results)
        memcpy(results, own, (size_t)n * sizeof *own);
    else
        for (int32_t i = 0; i < n; i++)
            if (own[i].status == INGEST_REJECTED)
                fail_msg("event %d: %s %s %s", (int)i, own[i].code, own[i].field, own[i].reason);
}

static inline void assert_verified(struct fixture *f)
{
    struct rebuild_report report;

    OK(ingest_rebuild(f->conn, (struct str){NULL, 0}, true, &report));
    if (report.differing_rows)
        fail_msg("%" PRId64 " rows differ: %s", report.differing_rows, report.first_difference);
}
