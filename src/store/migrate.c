/* migrate - brings the schema up to date, one numbered step and one transaction at a time.
 *
 * Several processes may start at once: each step takes the database's lock first (SQLite: BEGIN
 * IMMEDIATE; PostgreSQL: an advisory lock that ends with the transaction, which a pooler in between
 * respects too) and looks again at what is there. */
#include "store/engine.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

static const char make_table[] = "CREATE TABLE IF NOT EXISTS schema_versions ("
                                 " version BIGINT NOT NULL PRIMARY KEY,"
                                 " name TEXT NOT NULL,"
                                 " applied_at BIGINT NOT NULL)";
static const char newest[] = "SELECT coalesce(max(version), 0) FROM schema_versions";

static enum err version_read(struct store_conn *c, int32_t *ret)
{
    static const char *const exists[] = {
        [STORE_SQLITE] = "SELECT count(*) FROM sqlite_master WHERE name = 'schema_versions'",
        [STORE_POSTGRES] =
            "SELECT count(*) FROM pg_class WHERE oid = to_regclass('schema_versions')",
    };
    int64_t there = 0, version = 0;

    enum err e = c->store->ops->scalar(c, exists[c->store->engine], &there);
    if (e == ERR_OK && there)
        e = c->store->ops->scalar(c, newest, &version);
    if (e == ERR_OK)
        *ret = (int32_t)version;
    return e;
}

/* Applies the migration after *version, if there is one. *version: what the database has then. */
static enum err step(struct store_conn *c, int32_t *version)
{
    const struct catalog *catalog = c->store->catalog;
    const struct engine_ops *ops = c->store->ops;
    bool sqlite = c->store->engine == STORE_SQLITE;
    char line[256];
    int64_t have = 0;

    /* The key of the advisory lock is an arbitrary number, this program's own. */
    enum err e = ops->script(c, sqlite ? "BEGIN IMMEDIATE"
                                       : "BEGIN; SET LOCAL statement_timeout = 0;"
                                         "SET LOCAL lock_timeout = 0;"
                                         "SELECT pg_advisory_xact_lock(7236837213541)");
    if (e == ERR_OK)
        e = ops->script(c, make_table);
    if (e == ERR_OK)
        e = ops->scalar(c, newest, &have);
    if (e == ERR_OK && have < catalog->migration_count) {
        const struct migration *m = &catalog->migrations[have];
        e = ops->script(c, sqlite ? m->sqlite : m->postgres);
        if (e != ERR_OK) {
            char why[DETAIL_MAX];
            snprintf(why, sizeof why, "%s", c->detail);
            store_detail_set(c->detail, "migration %04d_%s: %.200s", m->version, m->name, why);
        }
        snprintf(line, sizeof line, "INSERT INTO schema_versions VALUES (%d, '%s', %" PRId64 ")",
                 m->version, m->name, clock_us());
        if (e == ERR_OK)
            e = ops->script(c, line);
        have = m->version;
    }
    if (e == ERR_OK)
        e = ops->script(c, "COMMIT");
    if (e == ERR_OK)
        *version = (int32_t)have;
    return e; /* after an error the connection is closed, and with it the transaction */
}

enum err store_migrate(struct store *s, int32_t *ret_from, int32_t *ret_to, char *ret_detail)
{
    struct store_conn *c = NULL;
    int32_t want = s->catalog->migration_count, from = 0, have = 0;

    *ret_detail = '\0';
    enum err e = store_connect(s, STORE_WRITER, &c);
    if (e != ERR_OK) {
        store_detail_set(ret_detail, e == ERR_BUSY ? "a writer is at work" : "cannot connect");
        return e;
    }
    e = version_read(c, &from);
    have = from;
    while (e == ERR_OK && have < want)
        e = step(c, &have);
    if (e == ERR_OK && have > want) {
        store_detail_set(c->detail,
                         "the database has schema %d, newer than this program's %d: start a newer "
                         "program, or restore a backup",
                         have, want);
        e = ERR_CONFLICT;
    }
    if (e == ERR_OK) {
        *ret_from = from;
        *ret_to = have;
    } else {
        store_detail_set(ret_detail, "%s", c->detail);
    }
    store_disconnect(c);
    return e;
}

enum err store_schema(struct store *s, int32_t *ret_have, int32_t *ret_want)
{
    struct store_conn *c = NULL;

    enum err e = store_connect(s, STORE_READER, &c);
    if (e != ERR_OK)
        return e;
    e = version_read(c, ret_have);
    if (e == ERR_OK)
        *ret_want = s->catalog->migration_count;
    store_disconnect(c);
    return e;
}
