/* insert_floor - the bare cost of storing events: the rows of an existing store, inserted again by
 * 1,000 a transaction, with nothing else done.
 *
 *     insert_floor SOURCE.db COUNT sqlite:OUT.db [PAGES]    (wal_autocheckpoint; SQLite's own is
 * 1000) insert_floor SOURCE.db COUNT postgresql://…      (by COPY; makes and drops a table)
 *
 * The table has the columns, the key and the index of the server's own. Prints rows a second. */
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COLUMNS = 19, PER_TRANSACTION = 1000 };

static const char columns[] =
    "learner_id, at, id, kind, untimed, session, item, skills, correct, score, rating, "
    "duration_ms, latency_ms, confidence, modality, course, objective, data, received_at";

struct cell {
    int type;
    int64_t i;
    double d;
    char *text;
    int n;
};

static struct cell *cells;
static long row_count;

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void must(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "insert_floor: %s\n", what);
        exit(1);
    }
}

static void read_rows(const char *path, long count)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    char sql[512];

    must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK,
         "the source cannot be opened");
    snprintf(sql, sizeof sql, "SELECT %s FROM events LIMIT %ld", columns, count);
    must(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK, sqlite3_errmsg(db));
    cells = calloc((size_t)count * COLUMNS, sizeof *cells);
    must(cells != NULL, "memory");
    while (sqlite3_step(st) == SQLITE_ROW) {
        struct cell *c = cells + row_count++ * COLUMNS;
        for (int i = 0; i < COLUMNS; i++) {
            c[i].type = sqlite3_column_type(st, i);
            if (c[i].type == SQLITE_INTEGER)
                c[i].i = sqlite3_column_int64(st, i);
            else if (c[i].type == SQLITE_FLOAT)
                c[i].d = sqlite3_column_double(st, i);
            else if (c[i].type == SQLITE_TEXT) {
                c[i].n = sqlite3_column_bytes(st, i);
                c[i].text = strndup((const char *)sqlite3_column_text(st, i), (size_t)c[i].n);
            }
        }
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static double into_sqlite(const char *path, const char *pages)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    char sql[4096];

    remove(path);
    must(sqlite3_open(path, &db) == SQLITE_OK, "the target cannot be opened");
    snprintf(sql, sizeof sql,
             "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=%.9s",
             pages);
    must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
    must(
        sqlite3_exec(
            db,
            "CREATE TABLE events (learner_id INTEGER NOT NULL, at INTEGER NOT NULL, id TEXT NOT "
            "NULL,"
            " kind INTEGER NOT NULL, untimed INTEGER NOT NULL, session TEXT, item TEXT, skills "
            "TEXT,"
            " correct INTEGER, score REAL, rating INTEGER, duration_ms INTEGER, latency_ms INTEGER,"
            " confidence REAL, modality TEXT, course TEXT, objective TEXT, data TEXT,"
            " received_at INTEGER NOT NULL, PRIMARY KEY (learner_id, at, id)) STRICT, WITHOUT "
            "ROWID;"
            "CREATE UNIQUE INDEX events_by_id ON events (learner_id, id)",
            NULL, NULL, NULL) == SQLITE_OK,
        sqlite3_errmsg(db));
    snprintf(sql, sizeof sql,
             "INSERT INTO events (%s) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", columns);
    must(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK, sqlite3_errmsg(db));
    double start = now_s();
    for (long r = 0; r < row_count; r++) {
        if (r % PER_TRANSACTION == 0)
            sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        for (int i = 0; i < COLUMNS; i++) {
            const struct cell *c = &cells[r * COLUMNS + i];
            if (c->type == SQLITE_INTEGER)
                sqlite3_bind_int64(st, i + 1, c->i);
            else if (c->type == SQLITE_FLOAT)
                sqlite3_bind_double(st, i + 1, c->d);
            else if (c->type == SQLITE_TEXT)
                sqlite3_bind_text(st, i + 1, c->text, c->n, SQLITE_STATIC);
            else
                sqlite3_bind_null(st, i + 1);
        }
        must(sqlite3_step(st) == SQLITE_DONE, sqlite3_errmsg(db));
        sqlite3_reset(st);
        if (r % PER_TRANSACTION == PER_TRANSACTION - 1 || r == row_count - 1)
            must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
    }
    double took = now_s() - start;
    sqlite3_finalize(st);
    sqlite3_close(db);
    return took;
}

static size_t copy_text(char *out, const char *s, int n)
{
    char *o = out;
    for (int i = 0; i < n; i++) {
        if (s[i] == '\\' || s[i] == '\t' || s[i] == '\n')
            *o++ = '\\';
        *o++ = s[i] == '\t' ? 't' : s[i] == '\n' ? 'n' : s[i];
    }
    return (size_t)(o - out);
}

static double into_postgres(const char *url)
{
    PGconn *db = PQconnectdb(url);
    static char buffer[1 << 16];
    char sql[1024];

    must(PQstatus(db) == CONNECTION_OK, PQerrorMessage(db));
    PQclear(PQexec(db, "SET client_min_messages = error"));
    PQclear(PQexec(db, "DROP TABLE IF EXISTS floor_events"));
    PGresult *made = PQexec(
        db, "CREATE TABLE floor_events (learner_id bigint NOT NULL, at bigint NOT NULL, id text "
            "NOT NULL,"
            " kind bigint NOT NULL, untimed bigint NOT NULL, session text, item text, skills text, "
            "correct bigint,"
            " score double precision, rating bigint, duration_ms bigint, latency_ms bigint,"
            " confidence double precision, modality text, course text, objective text, data text,"
            " received_at bigint NOT NULL, PRIMARY KEY (learner_id, at, id));"
            "CREATE UNIQUE INDEX floor_events_by_id ON floor_events (learner_id, id)");
    must(PQresultStatus(made) == PGRES_COMMAND_OK, PQerrorMessage(db));
    PQclear(made);
    snprintf(sql, sizeof sql, "COPY floor_events (%s) FROM STDIN", columns);
    double start = now_s();
    for (long r = 0; r < row_count; r++) {
        if (r % PER_TRANSACTION == 0)
            PQclear(PQexec(db, sql));
        size_t n = 0;
        for (int i = 0; i < COLUMNS; i++) {
            const struct cell *c = &cells[r * COLUMNS + i];
            if (i)
                buffer[n++] = '\t';
            if (c->type == SQLITE_INTEGER)
                n += (size_t)snprintf(buffer + n, 32, "%lld", (long long)c->i);
            else if (c->type == SQLITE_FLOAT)
                n += (size_t)snprintf(buffer + n, 32, "%.17g", c->d);
            else if (c->type == SQLITE_TEXT && (size_t)c->n * 2 + n < sizeof buffer - 64)
                n += copy_text(buffer + n, c->text, c->n);
            else
                n += (size_t)snprintf(buffer + n, 4, "\\N");
        }
        buffer[n++] = '\n';
        must(PQputCopyData(db, buffer, (int)n) == 1, PQerrorMessage(db));
        if (r % PER_TRANSACTION == PER_TRANSACTION - 1 || r == row_count - 1) {
            must(PQputCopyEnd(db, NULL) == 1, PQerrorMessage(db));
            PGresult *done;
            while ((done = PQgetResult(db))) {
                must(PQresultStatus(done) == PGRES_COMMAND_OK, PQerrorMessage(db));
                PQclear(done);
            }
        }
    }
    double took = now_s() - start;
    PQclear(PQexec(db, "DROP TABLE floor_events"));
    PQfinish(db);
    return took;
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5) {
        fprintf(stderr,
                "usage: insert_floor SOURCE.db COUNT sqlite:OUT.db|postgresql://… [PAGES]\n");
        return 2;
    }
    read_rows(argv[1], strtol(argv[2], NULL, 10));
    double took = strncmp(argv[3], "sqlite:", 7) == 0
                      ? into_sqlite(argv[3] + 7, argc > 4 ? argv[4] : "1000")
                      : into_postgres(argv[3]);
    printf("rows=%ld\tseconds=%.3f\trows_per_second=%.0f\n", row_count, took,
           (double)row_count / took);
    return 0;
}
