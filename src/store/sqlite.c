/* sqlite - the embedded engine.
 *
 * Write-ahead log: readers never wait for the writer. One connection writes and checkpoints; the
 * others neither checkpoint on commit nor on close (two checkpointers at once can corrupt a
 * database in versions before 3.51.3). No memory map: measured, it gains nothing on warm pages, and
 * a read error would come as SIGBUS instead of an error code. */
#include "store/engine.h"
#include "store/sqlite_sync.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PROGRESS_STEPS = 2000,     /* virtual machine steps between looks at the clock, about 50 us */
    SCRATCH_KEEP = 256 * 1024, /* bytes of result buffers that a connection keeps */
    IDLE_CHECKPOINT_PAGES = 1000,
};

/* Where a result is gathered until its size is known; then it is copied to the arena in one go. */
struct scratch {
    struct value *v;
    char *text;
    size_t v_n, v_cap, text_n, text_cap;
};

struct sqlite_conn {
    struct store_conn base;
    sqlite3 *db;
    sqlite3_stmt **stmts; /* by enum stmt, then those for many rows; prepared on first use */
    sqlite3_stmt *begin_read, *begin_write, *commit, *rollback;
    struct scratch scratch;
    int64_t deadline_us;     /* of the call that runs; 0: none */
    int32_t wal_pages;       /* writer: in the log after the last commit */
    struct sqlite_sync sync; /* writer with split commits */
    bool interrupted;
    bool held; /* one snapshot for many calls */
};

static struct sqlite_conn *of(struct store_conn *c)
{
    return (struct sqlite_conn *)c;
}

/* Errors */

/* SQLITE_FULL is said for ENOSPC only; a quota or a limit on file sizes comes as an I/O error. The
 * file that failed, the database or its log, remembers the system's error. */
static bool disk_is_full(sqlite3 *db)
{
    sqlite3_file *log = NULL;
    int no[3] = {sqlite3_system_errno(db), 0, 0};

    sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &no[1]);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log && log->pMethods)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &no[2]);
    for (size_t i = 0; i < COUNT(no); i++)
        if (no[i] == ENOSPC || no[i] == EDQUOT || no[i] == EFBIG)
            return true;
    return false;
}

static enum err err_of(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ERR_OK;
    case SQLITE_FULL:
        return ERR_STORAGE_FULL;
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM)
            return ERR_NOMEM;
        return disk_is_full(db) ? ERR_STORAGE_FULL : ERR_IO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_INTERRUPT:
        return ERR_DEADLINE;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_CANTOPEN:
        return disk_is_full(db) ? ERR_STORAGE_FULL : ERR_STORE_DOWN;
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
        return ERR_RANGE;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_CHECK || rc == SQLITE_CONSTRAINT_NOTNULL ||
                       rc == SQLITE_CONSTRAINT_DATATYPE
                   ? ERR_RANGE
                   : ERR_CONFLICT;
    default: /* corrupt, not a database, read-only, protocol */
        return ERR_IO;
    }
}

static enum err fail(struct sqlite_conn *c, int rc, const char *what)
{
    int full = sqlite3_extended_errcode(c->db);

    rc = (full & 0xff) == (rc & 0xff) ? full : rc; /* the extended code of the same error */
    enum err e = err_of(c->db, rc);
    if (e == ERR_BUSY && c->interrupted)
        e = ERR_DEADLINE;
    store_detail_set(c->base.detail, "%s: %s (%d)", what, sqlite3_errmsg(c->db), rc);
    return e;
}

/* Waiting */

static int on_progress(void *user)
{
    struct sqlite_conn *c = user;

    return c->deadline_us > 0 && clock_mono_us() > c->deadline_us;
}

/* Sleeps a little longer each time, up to the busy timeout or the call's deadline. */
static int on_busy(void *user, int tries)
{
    struct sqlite_conn *c = user;
    static const int32_t sleeps_us[] = {100, 200, 500, 1000, 2000, 5000, 10000};
    int last = (int)COUNT(sleeps_us) - 1;
    int64_t waited_us = 0;

    for (int i = 0; i < tries; i++) {
        if (i >= last) {
            waited_us += (int64_t)(tries - i) * sleeps_us[last];
            break;
        }
        waited_us += sleeps_us[i];
    }
    if (waited_us >= (int64_t)c->base.store->options.busy_timeout_ms * 1000)
        return 0;
    c->interrupted = c->deadline_us > 0 && clock_mono_us() > c->deadline_us;
    if (c->interrupted)
        return 0;
    usleep((useconds_t)sleeps_us[tries < last ? tries : last]);
    return 1;
}

static void call_starts(struct sqlite_conn *c, int64_t deadline_us)
{
    c->deadline_us = deadline_us;
    c->interrupted = false;
}

/* Replaces SQLite's own automatic checkpoint, to know how long the log is. */
static int on_commit(void *user, sqlite3 *db, const char *name, int pages)
{
    struct sqlite_conn *c = user;

    c->wal_pages = pages;
    if (sqlite_sync_failed(&c->sync))
        return SQLITE_OK;
    if (pages >= c->base.store->options.sqlite_checkpoint_pages)
        sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK; /* a checkpoint that fails is tried again; the commit has happened */
}

/* Connecting */

static void sqlite_disconnect(struct store_conn *base)
{
    struct sqlite_conn *c = of(base);

    if (!c)
        return;
    if (c->stmts)
        for (int32_t i = 0; i < 2 * base->store->catalog->stmt_count; i++)
            sqlite3_finalize(c->stmts[i]);
    sqlite3_finalize(c->begin_read);
    sqlite3_finalize(c->begin_write);
    sqlite3_finalize(c->commit);
    sqlite3_finalize(c->rollback);
    if (sqlite_sync_failed(&c->sync))
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int rc = sqlite3_close(c->db);
    ASSERT(rc == SQLITE_OK); /* otherwise a statement was left behind */
    sqlite_sync_fini(&c->sync);
    free(c->stmts);
    free(c->scratch.v);
    free(c->scratch.text);
    free(c);
}

static enum err run(struct sqlite_conn *c, const char *sql)
{
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? ERR_OK : fail(c, rc, "SQLite");
}

static enum err prepare(struct sqlite_conn *c, const char *sql, sqlite3_stmt **ret)
{
    int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);

    return rc == SQLITE_OK ? ERR_OK : fail(c, rc, sql);
}

static enum err configure(struct sqlite_conn *c)
{
    const struct store_options *o = &c->base.store->options;
    bool writer = c->base.access == STORE_WRITER;
    char sql[512];

    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_handler(c->db, on_busy, c);
    sqlite3_progress_handler(c->db, PROGRESS_STEPS, on_progress, c);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (writer)
        sqlite3_wal_hook(c->db, on_commit, c);
    else
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);

    snprintf(sql, sizeof sql,
             "PRAGMA foreign_keys=ON; PRAGMA synchronous=%s; PRAGMA temp_store=MEMORY;"
             "PRAGMA cache_size=-%d; PRAGMA secure_delete=OFF; PRAGMA trusted_schema=OFF; %s",
             o->sqlite_full_sync ? "FULL" : "NORMAL",
             o->sqlite_cache_kib > 0 ? o->sqlite_cache_kib : 4096,
             writer ? "" : "PRAGMA wal_autocheckpoint=0; PRAGMA query_only=ON;");
    enum err e = run(c, sql);
    if (e == ERR_OK)
        e = prepare(c, "BEGIN", &c->begin_read);
    if (e == ERR_OK)
        e = prepare(c, "BEGIN IMMEDIATE", &c->begin_write);
    if (e == ERR_OK)
        e = prepare(c, "COMMIT", &c->commit);
    if (e == ERR_OK)
        e = prepare(c, "ROLLBACK", &c->rollback);
    return e;
}

static enum err sqlite_connect(struct store *s, enum store_access access, struct store_conn **ret,
                               char *ret_detail)
{
    struct sqlite_conn *c = calloc(1, sizeof *c);

    if (!c)
        return ERR_NOMEM;
    c->base.store = s;
    c->base.access = access;
    sqlite_sync_init(&c->sync);
    c->stmts = calloc((size_t)s->catalog->stmt_count * 2, sizeof(sqlite3_stmt *));
    if (!c->stmts) {
        free(c);
        return ERR_NOMEM;
    }
    /* A new file is not for everybody on the machine, whatever the umask; the log takes its mode.
     * Not by open(): to close a descriptor drops all locks that this process has on the file. What
     * goes wrong here shows below. */
    (void)!mknod(s->place, S_IFREG | 0640, 0);
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int rc = sqlite3_open_v2(s->place, &c->db, flags, NULL);
    enum err e = rc == SQLITE_OK ? configure(c) : fail(c, rc, "open");
    if (e != ERR_OK) {
        store_detail_set(ret_detail, "%s: %.250s", s->place, c->base.detail);
        sqlite_disconnect(&c->base);
        return e;
    }
    *ret = &c->base;
    return ERR_OK;
}

static enum err sqlite_scalar(struct store_conn *base, const char *sql, int64_t *ret)
{
    struct sqlite_conn *c = of(base);
    sqlite3_stmt *st = NULL;

    call_starts(c, 0);
    enum err e = prepare(c, sql, &st);
    if (e != ERR_OK)
        return e;
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    else
        e = rc == SQLITE_DONE ? ERR_NOT_FOUND : fail(c, rc, sql);
    sqlite3_finalize(st);
    return e;
}

/* SQLite's statistics of memory take a lock for each piece of it, several an event; nobody reads
 * them. Refused, and no harm done, when SQLite was used before. */
static void library_configure(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* A new file's change to the log wants a lock that SQLite does not wait for, while another program
 * may be making the same change. */
static int step_or_wait(struct sqlite_conn *c, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    for (int tries = 0; (rc & 0xff) == SQLITE_BUSY && on_busy(c, tries); tries++) {
        sqlite3_reset(st);
        rc = sqlite3_step(st);
    }
    return rc;
}

/* Is it a database, and does it keep a write-ahead log? (A network file system may refuse.) */
static enum err sqlite_probe(struct store *s, char *ret_detail)
{
    struct store_conn *base = NULL;
    sqlite3_stmt *st = NULL;
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, library_configure);
    enum err e = sqlite_connect(s, STORE_READER, &base, ret_detail);
    if (e != ERR_OK)
        return e == ERR_NOMEM ? e : ERR_STORE_DOWN;
    struct sqlite_conn *c = of(base);
    e = run(c, "PRAGMA query_only=OFF");
    if (e == ERR_OK)
        e = prepare(c, "PRAGMA journal_mode=WAL", &st);
    if (e == ERR_OK) {
        int rc = step_or_wait(c, st);
        if (rc != SQLITE_ROW) {
            e = fail(c, rc, "journal_mode");
        } else if (strcmp((const char *)sqlite3_column_text(st, 0), "wal") != 0) {
            store_detail_set(base->detail, "no write-ahead log is possible here");
            e = ERR_STORE_DOWN;
        }
    }
    sqlite3_finalize(st);
    if (e != ERR_OK)
        store_detail_set(ret_detail, "%s: %.250s", s->place, base->detail);
    sqlite_disconnect(base);
    return e == ERR_OK || e == ERR_NOMEM || e == ERR_BUSY ? e : ERR_STORE_DOWN;
}

static enum err sqlite_script(struct store_conn *base, const char *sql)
{
    call_starts(of(base), 0);
    return run(of(base), sql);
}

/* Running */

static enum err prepared(struct sqlite_conn *c, const char *sql, sqlite3_stmt **at,
                         sqlite3_stmt **ret)
{
    enum err e = *at ? ERR_OK : prepare(c, sql, at);

    if (e == ERR_OK)
        *ret = *at;
    return e;
}

static enum err stmt_get(struct sqlite_conn *c, enum stmt stmt, sqlite3_stmt **ret)
{
    return prepared(c, def_of(&c->base, stmt)->sqlite, &c->stmts[stmt], ret);
}

static enum err stmt_get_many(struct sqlite_conn *c, enum stmt stmt, sqlite3_stmt **ret)
{
    int32_t count = c->base.store->catalog->stmt_count;
    return prepared(c, def_of(&c->base, stmt)->sqlite_many, &c->stmts[count + (int32_t)stmt], ret);
}

static int bind_one(sqlite3_stmt *st, int at, const struct value *v, enum value_type as)
{
    switch (v->type) {
    case V_INT:
        return as == V_REAL ? sqlite3_bind_double(st, at, (double)v->i)
                            : sqlite3_bind_int64(st, at, v->i);
    case V_REAL:
        return sqlite3_bind_double(st, at, v->d); /* NaN becomes NULL */
    case V_TEXT: /* the caller's bytes outlive the step; a null pointer would be NULL */
        return sqlite3_bind_text64(st, at, v->s.n ? v->s.p : "", v->s.n, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case V_BLOB:
        return sqlite3_bind_blob64(st, at, v->s.n ? v->s.p : "", v->s.n, SQLITE_STATIC);
    case V_NULL:
        break;
    }
    return sqlite3_bind_null(st, at);
}

/* NULL or the same integer: about half of a log's columns, from one row to the next. */
static bool is_bound(const struct value *v, const struct value *before)
{
    return v->type == before->type &&
           (v->type == V_NULL || (v->type == V_INT && v->i == before->i));
}

/* Rows of arguments, one after the other. before: what is bound, from the rows before; or NULL. */
static enum err bind(struct sqlite_conn *c, sqlite3_stmt *st, const struct stmt_def *def,
                     int32_t rows, const struct value *v, const struct value *before)
{
    int count = def->arg_count;

    for (int i = 0, arg = 0; i < rows * count; i++, arg = arg + 1 < count ? arg + 1 : 0) {
        if (before && is_bound(&v[i], &before[i]))
            continue;
        int rc = bind_one(st, i + 1, &v[i], (enum value_type)def->args[arg]);
        if (rc != SQLITE_OK)
            return fail(c, rc, def->name);
    }
    return ERR_OK;
}

static bool grow(void **p, size_t *cap, size_t need, size_t size)
{
    size_t n = *cap ? *cap : 256;

    while (n < need)
        n *= 2;
    void *bigger = n > SIZE_MAX / size ? NULL : realloc(*p, n * size);
    if (!bigger)
        return false;
    *p = bigger;
    *cap = n;
    return true;
}

static bool scratch_text(struct scratch *s, const void *p, size_t n, struct value *v)
{
    if (s->text_cap - s->text_n < n) {
        void *text = s->text;
        if (!grow(&text, &s->text_cap, s->text_n + n, 1))
            return false;
        s->text = text;
    }
    if (n)
        memcpy(s->text + s->text_n, p, n);
    v->s = (struct str){NULL, n}; /* the place follows from the order; see scratch_take() */
    s->text_n += n;
    return true;
}

static bool column(sqlite3_stmt *st, int i, struct scratch *s, struct value *v)
{
    const void *p;

    switch (sqlite3_column_type(st, i)) {
    case SQLITE_INTEGER:
        *v = V_I(sqlite3_column_int64(st, i));
        return true;
    case SQLITE_FLOAT:
        *v = V_D(sqlite3_column_double(st, i));
        return true;
    case SQLITE_TEXT:
        p = sqlite3_column_text(st, i);
        v->type = V_TEXT;
        break;
    case SQLITE_BLOB:
        p = sqlite3_column_blob(st, i);
        v->type = V_BLOB;
        break;
    default:
        *v = V_N;
        return true;
    }
    size_t n = (size_t)sqlite3_column_bytes(st, i);
    return (p || n == 0) && scratch_text(s, p, n, v);
}

/* Appends the statement's rows, at most rows_max in all. The arena's cap bounds what is gathered.
 */
static enum err gather(struct sqlite_conn *c, sqlite3_stmt *st, const struct arena *arena,
                       int64_t rows_max, struct rows *r, const char *name)
{
    struct scratch *s = &c->scratch;
    size_t cols = (size_t)sqlite3_column_count(st), room = arena->cap - arena->used;
    int rc;

    r->cols = (int32_t)cols;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (r->count == rows_max) {
            r->more = true;
            return ERR_OK;
        }
        if (s->v_cap - s->v_n < cols) {
            void *v = s->v;
            if (!grow(&v, &s->v_cap, s->v_n + cols, sizeof *s->v))
                return ERR_NOMEM;
            s->v = v;
        }
        for (size_t i = 0; i < cols; i++)
            if (!column(st, (int)i, s, &s->v[s->v_n + i]))
                return ERR_NOMEM;
        s->v_n += cols;
        r->count++;
        if (s->v_n * sizeof *s->v + s->text_n > room)
            return ERR_NOMEM;
    }
    return rc == SQLITE_DONE ? ERR_OK : fail(c, rc, name);
}

/* What was gathered goes to the arena: one piece of values, one of text. */
static enum err scratch_take(struct scratch *s, struct arena *arena, struct rows *r)
{
    struct value *v = arena_new(arena, struct value, s->v_n);
    char *text = s->text_n ? arena_alloc(arena, s->text_n, 1) : NULL;

    if ((s->v_n && !v) || (s->text_n && !text))
        return ERR_NOMEM;
    if (s->v_n)
        memcpy(v, s->v, s->v_n * sizeof *v);
    if (s->text_n)
        memcpy(text, s->text, s->text_n);
    for (size_t i = 0; i < s->v_n; i++) {
        if (v[i].type != V_TEXT && v[i].type != V_BLOB)
            continue;
        v[i].s.p = v[i].s.n ? text : "";
        text = v[i].s.n ? text + v[i].s.n : text;
    }
    r->v = v;
    return ERR_OK;
}

static void scratch_clear(struct scratch *s)
{
    s->v_n = s->text_n = 0;
    if (s->v_cap * sizeof *s->v + s->text_cap <= SCRATCH_KEEP)
        return;
    free(s->v);
    free(s->text);
    *s = (struct scratch){0};
}

/* How many rows of arguments go into one step. */
static int32_t rows_a_step(const struct stmt_def *def, int32_t left)
{
    return def->sqlite_many && left >= STMT_MANY ? STMT_MANY : 1;
}

/* The statement over all rows of arguments, in as few steps as there can be; all its rows together.
 */
static enum err select_rows(struct sqlite_conn *c, struct arena *arena, enum stmt stmt,
                            const struct value *args, int32_t sets, int64_t rows_max,
                            struct rows *r)
{
    const struct stmt_def *def = def_of(&c->base, stmt);
    int64_t start = clock_mono_us();
    enum err e = ERR_OK;

    for (int32_t i = 0, n; e == ERR_OK && i < sets && !r->more; i += n) {
        sqlite3_stmt *st = NULL;
        n = rows_a_step(def, sets - i);
        e = n > 1 ? stmt_get_many(c, stmt, &st) : stmt_get(c, stmt, &st);
        if (e == ERR_OK)
            e = bind(c, st, def, n, i ? args + (size_t)i * def->arg_count : args, NULL);
        if (e == ERR_OK)
            e = gather(c, st, arena, rows_max, r, def->name);
        sqlite3_reset(st);
    }
    if (e == ERR_OK)
        e = scratch_take(&c->scratch, arena, r);
    scratch_clear(&c->scratch);
    store_count(&c->base, stmt, e == ERR_OK ? r->count : 0, clock_mono_us() - start, e != ERR_OK);
    return e;
}

static enum err control(struct sqlite_conn *c, sqlite3_stmt *st)
{
    sqlite3_step(st);
    int rc = sqlite3_reset(st); /* tells the step's error again */

    return rc == SQLITE_OK ? ERR_OK : fail(c, rc, sqlite3_sql(st));
}

/* A snapshot for several statements; a single one is its own. */
static enum err snapshot_begin(struct sqlite_conn *c, bool several)
{
    return several && !c->held && c->base.tx == TX_NONE ? control(c, c->begin_read) : ERR_OK;
}

static enum err snapshot_end(struct sqlite_conn *c, enum err e)
{
    if (c->held || c->base.tx != TX_NONE || sqlite3_get_autocommit(c->db))
        return e;
    c->deadline_us = 0; /* the end of a transaction is never interrupted */
    enum err end = control(c, c->commit);
    if (end != ERR_OK)
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return e != ERR_OK ? e : end;
}

static enum err sqlite_hold(struct store_conn *base, bool on)
{
    struct sqlite_conn *c = of(base);

    call_starts(c, 0);
    enum err e = on ? snapshot_begin(c, true) : ERR_OK;
    c->held = on && e == ERR_OK;
    return on ? e : snapshot_end(c, ERR_OK);
}

static enum err sqlite_read(struct store_conn *base, struct arena *arena, struct query *queries,
                            int32_t count, int64_t deadline_us)
{
    struct sqlite_conn *c = of(base);

    base->counts.round_trips++;
    if (deadline_us > 0 && clock_mono_us() > deadline_us) {
        store_detail_set(base->detail, "the deadline was over before the first statement");
        return ERR_DEADLINE;
    }
    call_starts(c, deadline_us);
    enum err e = snapshot_begin(c, count > 1);
    for (int32_t i = 0; e == ERR_OK && i < count; i++)
        e = select_rows(c, arena, queries[i].stmt, queries[i].args, 1, queries[i].rows_max,
                        &queries[i].rows);
    return snapshot_end(c, e);
}

static enum err sqlite_read_bulk(struct store_conn *base, struct arena *arena, enum stmt stmt,
                                 const struct value *keys, int32_t rows, int32_t cols,
                                 struct rows *ret)
{
    struct sqlite_conn *c = of(base);

    (void)cols;
    base->counts.round_trips++;
    call_starts(c, store_call_deadline(base->store, 0));
    enum err e = snapshot_begin(c, rows > 1);
    if (e == ERR_OK)
        e = select_rows(c, arena, stmt, keys, rows, INT32_MAX, ret);
    return snapshot_end(c, e);
}

static enum err each_row(struct sqlite_conn *c, sqlite3_stmt *st, const char *name,
                         enum err (*fn)(void *user, const struct value *row, int32_t cols),
                         void *user, int64_t *ret_rows)
{
    int cols = sqlite3_column_count(st), rc;
    struct value *row = calloc((size_t)cols + 1, sizeof *row);
    enum err e = row ? ERR_OK : ERR_NOMEM;

    while (e == ERR_OK && (rc = sqlite3_step(st)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW) {
            e = fail(c, rc, name);
            break;
        }
        for (int i = 0; i < cols; i++) {
            int type = sqlite3_column_type(st, i);
            const char *p = type == SQLITE_TEXT   ? (const char *)sqlite3_column_text(st, i)
                            : type == SQLITE_BLOB ? sqlite3_column_blob(st, i)
                                                  : NULL;
            struct str s = {p, (size_t)(p ? sqlite3_column_bytes(st, i) : 0)};
            if (!p)
                s.p = "";
            row[i] = type == SQLITE_INTEGER ? V_I(sqlite3_column_int64(st, i))
                     : type == SQLITE_FLOAT ? V_D(sqlite3_column_double(st, i))
                     : type == SQLITE_TEXT  ? V_S(s)
                     : type == SQLITE_BLOB  ? V_B(s)
                                            : V_N;
        }
        (*ret_rows)++;
        e = fn(user, row, cols);
    }
    free(row);
    return e;
}

static enum err sqlite_each(struct store_conn *base, enum stmt stmt, const struct value *args,
                            enum err (*fn)(void *user, const struct value *row, int32_t cols),
                            void *user, int64_t *ret_rows)
{
    struct sqlite_conn *c = of(base);
    const struct stmt_def *def = def_of(base, stmt);
    sqlite3_stmt *st = NULL;

    base->counts.round_trips++;
    call_starts(c, 0);
    enum err e = stmt_get(c, stmt, &st);
    if (e == ERR_OK)
        e = bind(c, st, def, 1, args, NULL);
    if (e == ERR_OK)
        e = each_row(c, st, def->name, fn, user, ret_rows);
    if (st)
        sqlite3_reset(st);
    return e;
}

/* before: what is bound, or NULL. */
static enum err write_step(struct sqlite_conn *c, sqlite3_stmt *st, const struct stmt_def *def,
                           int32_t rows, const struct value *v, const struct value *before,
                           int64_t *ret_changed)
{
    enum err e = bind(c, st, def, rows, v, before);
    if (e != ERR_OK)
        return e;
    while (sqlite3_step(st) == SQLITE_ROW)
        ; /* what RETURNING gives is not wanted here */
    int rc = sqlite3_reset(st);
    *ret_changed = sqlite3_changes64(c->db);
    return rc == SQLITE_OK ? ERR_OK : fail(c, rc, def->name);
}

/* Who wants to hear of each row gets them one by one. */
static enum err write_bulk(struct sqlite_conn *c, struct bulk *b)
{
    const struct stmt_def *def = def_of(&c->base, b->stmt);
    int64_t start = clock_mono_us(), changed;
    int32_t bound = 0; /* rows in a step of the statement that was used last */
    enum err e = ERR_OK;

    for (int32_t row = 0, n; e == ERR_OK && row < b->rows; row += n, bound = n) {
        const struct value *v = b->v + (size_t)row * (size_t)b->cols;
        sqlite3_stmt *st = NULL;
        n = b->applied ? 1 : rows_a_step(def, b->rows - row);
        e = n > 1 ? stmt_get_many(c, b->stmt, &st) : stmt_get(c, b->stmt, &st);
        if (e == ERR_OK)
            e = write_step(c, st, def, n, v, bound == n ? v - n * b->cols : NULL, &changed);
        if (e != ERR_OK)
            break;
        b->changed += changed;
        if (b->applied)
            b->applied[row] = changed > 0;
    }
    store_count(&c->base, b->stmt, b->changed, clock_mono_us() - start, e != ERR_OK);
    return e;
}

static enum err sqlite_write(struct store_conn *base, struct bulk *bulks, int32_t count)
{
    struct sqlite_conn *c = of(base);
    enum err e = ERR_OK;

    base->counts.round_trips++;
    call_starts(c, store_call_deadline(base->store, 0));
    for (int32_t i = 0; e == ERR_OK && i < count; i++) {
        struct bulk *b = &bulks[i];
        if (b->rows > 0)
            e = b->arena ? select_rows(c, b->arena, b->stmt, b->v, b->rows, INT32_MAX, &b->given)
                         : write_bulk(c, b);
    }
    return e;
}

/* Transactions */

static enum err sync_error(const struct sqlite_conn *c, char *detail)
{
    store_detail_set(detail, "the write-ahead log could not be synced (%s); restart the server",
                     strerror(sqlite_sync_failed(&c->sync)));
    return ERR_NOT_READY;
}

static enum err sqlite_begin(struct store_conn *base)
{
    struct sqlite_conn *c = of(base);

    if (sqlite_sync_failed(&c->sync))
        return sync_error(c, base->detail);
    call_starts(c, 0);
    return control(c, c->begin_write);
}

static enum err sqlite_commit_unsynced(struct store_conn *base)
{
    base->counts.round_trips++;
    call_starts(of(base), 0);
    return control(of(base), of(base)->commit);
}

static enum err sqlite_sync(struct store_conn *base, int64_t mark, char *ret_detail)
{
    struct sqlite_conn *c = of(base);

    (void)mark; /* no commit is ever lost without all that follow */
    if (c->sync.fd < 0)
        return ERR_OK; /* commits are whole */
    return sqlite_sync_run(&c->sync) == ERR_OK ? ERR_OK : sync_error(c, ret_detail);
}

static enum err sqlite_commit(struct store_conn *base)
{
    enum err e = sqlite_commit_unsynced(base);

    return e == ERR_OK ? sqlite_sync(base, 0, base->detail) : e;
}

/* What a crashed process left in the log goes into the database first (sqlite_sync.c says why). */
static enum err sqlite_split(struct store_conn *base, bool *ret_split)
{
    struct sqlite_conn *c = of(base);
    int64_t version;

    if (!base->store->options.sqlite_full_sync)
        return ERR_OK;
    enum err e = sqlite_scalar(base, "PRAGMA schema_version", &version); /* opens the log */
    if (e != ERR_OK)
        return e;
    sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (sqlite_sync_open(&c->sync, c->db, base->store->options.sqlite_sync) != ERR_OK) {
        store_detail_set(base->detail, "the write-ahead log: %s", strerror(errno));
        return ERR_STORE_DOWN;
    }
    e = run(c, "PRAGMA synchronous=NORMAL");
    *ret_split = e == ERR_OK;
    return e;
}

static void sqlite_rollback(struct store_conn *base)
{
    struct sqlite_conn *c = of(base);

    if (sqlite3_get_autocommit(c->db))
        return; /* a full disk or an interruption has already done it */
    call_starts(c, 0);
    sqlite3_step(c->rollback); /* cannot fail in a way that keeps the transaction */
    sqlite3_reset(c->rollback);
    ASSERT(sqlite3_get_autocommit(c->db));
}

static void sqlite_checkpoint(struct store_conn *base, bool truncate)
{
    struct sqlite_conn *c = of(base);

    if (sqlite_sync_failed(&c->sync) || (!truncate && c->wal_pages < IDLE_CHECKPOINT_PAGES))
        return;
    call_starts(c, 0);
    int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int log = 0, moved = 0;
    if (sqlite3_wal_checkpoint_v2(c->db, NULL, mode, &log, &moved) == SQLITE_OK && log == moved)
        c->wal_pages = 0;
}

/* Backup */

static enum err copy_pages(struct sqlite_conn *from, const char *path, char *ret_detail)
{
    sqlite3 *to = NULL;
    sqlite3_stmt *st = NULL;
    enum err e = ERR_OK;

    int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    sqlite3_backup *b = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", from->db, "main") : NULL;
    if (b) {
        sqlite3_backup_step(b, -1); /* one read snapshot: the writer goes on meanwhile */
        rc = sqlite3_backup_finish(b);
    } else {
        rc = sqlite3_extended_errcode(to);
    }
    if (rc == SQLITE_OK) /* one plain file, without a log beside it */
        rc = sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(to, "PRAGMA integrity_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        const char *said = (const char *)sqlite3_column_text(st, 0);
        if (!said || strcmp(said, "ok") != 0) {
            store_detail_set(ret_detail, "the copy is damaged: %.200s", said ? said : "");
            e = ERR_IO;
        }
    } else {
        e = err_of(to, rc);
        if (e == ERR_OK)
            e = ERR_IO;
        store_detail_set(ret_detail, "%.200s: %s", path, sqlite3_errmsg(to));
    }
    sqlite3_finalize(st);
    sqlite3_close(to);
    return e;
}

static enum err sqlite_backup(struct store *s, const char *path, char *ret_detail)
{
    struct store_conn *base = NULL;
    char part[4096];

    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part) {
        store_detail_set(ret_detail, "the path is too long");
        return ERR_RANGE;
    }
    if (access(path, F_OK) == 0) {
        store_detail_set(ret_detail, "%.200s exists; a backup never overwrites", path);
        return ERR_CONFLICT;
    }
    int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        int no = errno;
        store_detail_set(ret_detail, "%.200s: %s", part, strerror(no));
        return no == EEXIST ? ERR_CONFLICT : no == ENOSPC ? ERR_STORAGE_FULL : ERR_IO;
    }
    close(fd);
    enum err e = sqlite_connect(s, STORE_READER, &base, ret_detail);
    if (e == ERR_OK) {
        call_starts(of(base), 0);
        e = copy_pages(of(base), part, ret_detail);
        sqlite_disconnect(base);
    }
    /* link() and not rename(): it fails when somebody has made `path` meanwhile. */
    if (e == ERR_OK && link(part, path) != 0) {
        store_detail_set(ret_detail, "%.200s: %s", path, strerror(errno));
        e = errno == EEXIST ? ERR_CONFLICT : ERR_IO;
    }
    unlink(part);
    return e;
}

/* The plan */

static enum err explain(struct sqlite_conn *c, const char *text, struct arena *arena,
                        struct str *plan)
{
    struct str sql = arena_printf(arena, "EXPLAIN QUERY PLAN %s", text);
    sqlite3_stmt *st = NULL;
    int rc;

    if (!sql.p)
        return ERR_NOMEM;
    enum err e = prepare(c, sql.p, &st);
    if (e != ERR_OK)
        return e;
    while (e == ERR_OK && (rc = sqlite3_step(st)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW)
            e = fail(c, rc, "EXPLAIN");
        else
            *plan = arena_printf(arena, STR_FMT "%s\n", STR_ARG(*plan), sqlite3_column_text(st, 3));
        if (e == ERR_OK && !plan->p)
            e = ERR_NOMEM;
    }
    sqlite3_finalize(st);
    return e;
}

static enum err sqlite_explain(struct store_conn *base, enum stmt stmt, struct arena *arena,
                               struct str *ret)
{
    struct sqlite_conn *c = of(base);
    const struct stmt_def *def = def_of(base, stmt);
    struct str plan = STR("");

    call_starts(c, 0);
    enum err e = explain(c, def->sqlite, arena, &plan);
    if (e == ERR_OK && def->sqlite_many)
        e = explain(c, def->sqlite_many, arena, &plan);
    if (e == ERR_OK)
        *ret = plan;
    return e;
}

const struct engine_ops store_sqlite_ops = {
    .probe = sqlite_probe,
    .connect = sqlite_connect,
    .disconnect = sqlite_disconnect,
    .read = sqlite_read,
    .each = sqlite_each,
    .write = sqlite_write,
    .read_bulk = sqlite_read_bulk,
    .hold = sqlite_hold,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .split = sqlite_split,
    .commit_unsynced = sqlite_commit_unsynced,
    .sync = sqlite_sync,
    .rollback = sqlite_rollback,
    .checkpoint = sqlite_checkpoint,
    .backup = sqlite_backup,
    .explain = sqlite_explain,
    .script = sqlite_script,
    .scalar = sqlite_scalar,
};
