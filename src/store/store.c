#include "store/engine.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int64_t value_i64(const struct value *v, int64_t if_null)
{
    ASSERT(v->type == V_INT || v->type == V_NULL);
    return v->type == V_NULL ? if_null : v->i;
}

double value_f64(const struct value *v, double if_null)
{
    ASSERT(v->type == V_REAL || v->type == V_INT || v->type == V_NULL);
    if (v->type == V_NULL)
        return if_null;
    return v->type == V_INT ? (double)v->i : v->d;
}

struct str value_str(const struct value *v)
{
    ASSERT(v->type == V_TEXT || v->type == V_BLOB || v->type == V_NULL);
    return v->type == V_NULL ? (struct str){NULL, 0} : v->s;
}

void store_detail_set(char *detail, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, DETAIL_MAX, fmt, ap);
    va_end(ap);
}

/* The log: a database that is away or slow would else say so thousands of times a second. */

enum { LOG_EACH_US = 1000000 };

void store_log(struct store *s, int32_t slow_ms)
{
    s->slow_us = (int64_t)slow_ms * 1000;
}

/* True: this line may go out; *ret_left_out were suppressed since the last one. */
static bool may_log(struct store_log_pace *p, int64_t *ret_left_out)
{
    int64_t now = clock_mono_us();
    int64_t next = atomic_load_explicit(&p->next_us, memory_order_relaxed);

    if (now < next || !atomic_compare_exchange_strong(&p->next_us, &next, now + LOG_EACH_US)) {
        atomic_fetch_add_explicit(&p->left_out, 1, memory_order_relaxed);
        return false;
    }
    *ret_left_out = atomic_exchange(&p->left_out, 0);
    return true;
}

static void log_slow(struct store *s, enum stmt stmt, int64_t rows, int64_t us)
{
    int64_t left_out;

    if (s->slow_us > 0 && us > s->slow_us && may_log(&s->slow_pace, &left_out))
        log_event(LOG_WARN, "store.slow", LOG_C("statement", s->catalog->stmts[stmt].name),
                  LOG_N("ms", (double)us / 1000), LOG_N("rows", rows), LOG_N("leftOut", left_out));
}

/* Only what is the database's trouble, and nobody's input. Deadlines on SQLite are everyday: a
 * small read on a loop gets two milliseconds, and then a worker. */
static void log_failed(struct store *s, enum err e, const char *detail)
{
    bool own = e == ERR_STORE_DOWN || e == ERR_IO || e == ERR_STORAGE_FULL || e == ERR_NOT_READY ||
               (e == ERR_DEADLINE && s->engine == STORE_POSTGRES);
    int64_t left_out;

    if (s->slow_us > 0 && own && may_log(&s->failed_pace, &left_out))
        log_event(LOG_WARN, "store.failed", LOG_C("error", err_code(e)), LOG_C("detail", detail),
                  LOG_N("leftOut", left_out));
}

/* Counters. Relaxed: each stands for itself, nothing is ordered by them. */

void store_count(struct store_conn *c, enum stmt stmt, int64_t rows, int64_t us, bool failed)
{
    struct stmt_counters *s = &c->store->stats[stmt];

    c->counts.statements++;
    c->counts.rows += rows;
    c->counts.us += us;
    c->counts.reads |= c->store->catalog->stmts[stmt].reads;
    c->counts.writes |= c->store->catalog->stmts[stmt].writes;
    atomic_fetch_add_explicit(&s->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->rows, rows, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->us_total, us, memory_order_relaxed);
    if (failed)
        atomic_fetch_add_explicit(&s->errors, 1, memory_order_relaxed);
    log_slow(c->store, stmt, rows, us);

    int64_t max = atomic_load_explicit(&s->us_max, memory_order_relaxed);
    while (us > max && !atomic_compare_exchange_weak_explicit(
                           &s->us_max, &max, us, memory_order_relaxed, memory_order_relaxed))
        ;
}

struct store_counts store_counts_take(struct store_conn *c)
{
    struct store_counts counts = c->counts;

    c->counts = (struct store_counts){0};
    return counts;
}

void store_stmt_stats(const struct store *s, enum stmt stmt, struct stmt_stats *ret)
{
    ASSERT((int32_t)stmt < s->catalog->stmt_count);
    struct stmt_counters *k = &s->stats[stmt];

    ret->calls = atomic_load_explicit(&k->calls, memory_order_relaxed);
    ret->rows = atomic_load_explicit(&k->rows, memory_order_relaxed);
    ret->errors = atomic_load_explicit(&k->errors, memory_order_relaxed);
    ret->us_total = atomic_load_explicit(&k->us_total, memory_order_relaxed);
    ret->us_max = atomic_load_explicit(&k->us_max, memory_order_relaxed);
}

const char *stmt_name(enum stmt s)
{
    ASSERT((int32_t)s < store_catalog.stmt_count);
    return store_catalog.stmts[s].name;
}

uint32_t stmt_writes(enum stmt s)
{
    ASSERT((int32_t)s < store_catalog.stmt_count);
    return store_catalog.stmts[s].writes;
}

const struct catalog *store_catalog_of(const struct store *s)
{
    return s->catalog;
}

int64_t store_call_deadline(const struct store *s, int64_t deadline_us)
{
    if (s->options.statement_timeout_ms <= 0)
        return deadline_us;
    int64_t own = clock_mono_us() + (int64_t)s->options.statement_timeout_ms * 1000;
    return deadline_us > 0 && deadline_us < own ? deadline_us : own;
}

/* Opening */

/* Which engine, and where. Fills engine, ops and place. */
static enum err url_read(struct store *s, char *ret_detail)
{
    struct str url = s->options.url;

    if (str_starts(url, STR("postgresql://")) || str_starts(url, STR("postgres://"))) {
        s->engine = STORE_POSTGRES;
        s->ops = &store_postgres_ops;
        s->place = s->url;
        return ERR_OK;
    }
    if (!str_starts(url, STR("sqlite:"))) {
        store_detail_set(ret_detail, "the database is sqlite:FILE or postgresql://…");
        return ERR_RANGE;
    }
    s->engine = STORE_SQLITE;
    s->ops = &store_sqlite_ops;
    s->place = s->url + strlen("sqlite:");
    /* A database in memory belongs to one connection; the others would see an empty one. */
    if (!*s->place || strcmp(s->place, ":memory:") == 0 || strncmp(s->place, "file:", 5) == 0) {
        store_detail_set(ret_detail, "sqlite: needs the name of a file");
        return ERR_RANGE;
    }
    snprintf(s->display, sizeof s->display, "%s", s->url);
    return ERR_OK;
}

enum err store_open_catalog(const struct store_options *options, const struct catalog *catalog,
                            struct store **ret, char *ret_detail)
{
    ASSERT(options && options->url.p && catalog && ret && ret_detail);

    *ret_detail = '\0';
    if (memchr(options->url.p, 0, options->url.n) || !utf8_valid(options->url)) {
        store_detail_set(ret_detail, "the database's name is not text");
        return ERR_RANGE;
    }
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    s->options = *options;
    s->catalog = catalog;
    s->url = strndup(options->url.p, options->url.n);
    s->alone_fd = -1;
    s->stats = calloc((size_t)catalog->stmt_count, sizeof *s->stats);
    enum err e = s->url && s->stats ? ERR_OK : ERR_NOMEM;
    if (e == ERR_OK) {
        s->options.url = str_from(s->url);
        e = url_read(s, ret_detail);
    }
    if (e == ERR_OK)
        e = s->ops->probe(s, ret_detail);
    if (e != ERR_OK) {
        store_close(s);
        return e;
    }
    *ret = s;
    return ERR_OK;
}

enum err store_open(const struct store_options *options, struct store **ret, char *ret_detail)
{
    return store_open_catalog(options, &store_catalog, ret, ret_detail);
}

/* A lock of the open file, on a byte that SQLite does not know of: a lock of the process would end
 * when SQLite closes a file of its own, and ends SQLite's when this one is closed. */
enum err store_serve_alone(struct store *s)
{
    struct flock all = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = INT64_MAX - 1, .l_len = 1};

    if (s->engine != STORE_SQLITE || s->alone_fd >= 0)
        return ERR_OK;
    s->alone_fd = open(s->place, O_RDWR | O_CLOEXEC); /* closed with the store, in any case */
    if (s->alone_fd >= 0 && fcntl(s->alone_fd, F_OFD_SETLK, &all) == 0)
        return ERR_OK;
    if (s->alone_fd >= 0 && (errno == EAGAIN || errno == EACCES))
        return ERR_CONFLICT;
    log_event(LOG_WARN, "store.alone", LOG_C("error", strerror(errno)),
              LOG_C("hint", "whether another server uses this file is not known"));
    return ERR_OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    ASSERT(!atomic_load(&s->writer_open));
    if (s->alone_fd >= 0)
        close(s->alone_fd); /* after SQLite's own: this ends the locks of the process */
    free(s->stats);
    free(s->url);
    free(s);
}

enum store_engine store_engine(const struct store *s)
{
    return s->engine;
}

struct str store_display_url(const struct store *s)
{
    return str_from(s->display);
}

enum err store_connect(struct store *s, enum store_access access, struct store_conn **ret)
{
    bool alone = s->engine == STORE_SQLITE && access == STORE_WRITER;
    char detail[DETAIL_MAX] = "";

    if (alone && atomic_exchange(&s->writer_open, true))
        return ERR_BUSY;
    enum err e = s->ops->connect(s, access, ret, detail);
    log_failed(s, e, detail);
    if (e != ERR_OK && alone)
        atomic_store(&s->writer_open, false);
    return e;
}

void store_disconnect(struct store_conn *c)
{
    if (!c)
        return;
    struct store *s = c->store;
    bool alone = s->engine == STORE_SQLITE && c->access == STORE_WRITER;

    ASSERT(!c->busy);
    store_share_end(c);
    if (c->tx == TX_OPEN)
        s->ops->rollback(c);
    s->ops->disconnect(c);
    if (alone)
        atomic_store(&s->writer_open, false);
}

enum store_engine store_conn_engine(const struct store_conn *c)
{
    return c->store->engine;
}

const char *store_conn_detail(const struct store_conn *c)
{
    return c->detail;
}

/* Statements */

/* Types are our matter (ASSERT). Bytes that PostgreSQL would refuse, or SQLite cut, are input. */
static enum err check_args(struct store_conn *c, const struct stmt_def *def, const struct value *v,
                           int32_t count)
{
    ASSERT(count == def->arg_count);
    for (int32_t i = 0; i < count; i++) {
        ASSERT(v[i].type == V_NULL || v[i].type == def->args[i] ||
               (v[i].type == V_INT && def->args[i] == V_REAL));
        if (v[i].type != V_TEXT)
            continue;
        if ((v[i].s.n && memchr(v[i].s.p, 0, v[i].s.n)) || !utf8_valid(v[i].s)) {
            store_detail_set(c->detail, "%s: argument %d is not UTF-8 text", def->name, i + 1);
            return ERR_RANGE;
        }
    }
    return ERR_OK;
}

/* In a transaction the first error ends it: PostgreSQL works so, and a half-done group of changes
 * must not be committed on SQLite either. */
static enum err settle(struct store_conn *c, enum err e)
{
    log_failed(c->store, e, c->detail);
    if (e != ERR_OK && c->tx == TX_OPEN) {
        c->store->ops->rollback(c);
        c->tx = TX_FAILED;
    }
    return e;
}

static void usable(const struct store_conn *c, enum stmt stmt)
{
    ASSERT(!c->busy);
    ASSERT(c->tx != TX_FAILED);
    ASSERT((int32_t)stmt >= 0 && (int32_t)stmt < c->store->catalog->stmt_count);
}

enum err store_read(struct store_conn *c, struct arena *arena, struct query *queries, int32_t count,
                    int64_t deadline_us)
{
    ASSERT(c && arena && (queries || count == 0));

    for (int32_t i = 0; i < count; i++) {
        struct query *q = &queries[i];
        usable(c, q->stmt);
        ASSERT(!def_of(c, q->stmt)->bulk);
        enum err e = check_args(c, def_of(c, q->stmt), q->args, q->arg_count);
        if (e != ERR_OK)
            return settle(c, e);
        if (q->rows_max <= 0 || q->rows_max > QUERY_ROWS_MAX)
            q->rows_max = QUERY_ROWS_MAX;
        q->rows = (struct rows){0};
    }
    if (count == 0)
        return ERR_OK;
    int64_t deadline = store_call_deadline(c->store, deadline_us);
    return settle(c, c->share ? store_share_read(c, arena, queries, count, deadline)
                              : c->store->ops->read(c, arena, queries, count, deadline));
}

enum err store_each(struct store_conn *c, enum stmt stmt, const struct value *args,
                    int32_t arg_count,
                    enum err (*fn)(void *user, const struct value *row, int32_t cols), void *user)
{
    usable(c, stmt);
    ASSERT(!def_of(c, stmt)->bulk);
    enum err e = check_args(c, def_of(c, stmt), args, arg_count);
    if (e != ERR_OK)
        return settle(c, e);

    int64_t rows = 0, start = clock_mono_us();
    c->busy = true;
    e = c->store->ops->each(c, stmt, args, fn, user, &rows);
    c->busy = false;
    store_count(c, stmt, rows, clock_mono_us() - start, e != ERR_OK);
    return settle(c, e);
}

typedef enum err write_fn(struct store_conn *c, struct bulk *bulks, int32_t count);

static enum err write_by(write_fn *write, struct store_conn *c, struct bulk *bulks, int32_t count)
{
    ASSERT(c->tx == TX_OPEN && c->access == STORE_WRITER);

    int32_t work = 0;
    for (int32_t i = 0; i < count; i++) {
        struct bulk *b = &bulks[i];
        usable(c, b->stmt);
        ASSERT(b->rows >= 0 && (!b->applied || b->rows == 0 || def_of(c, b->stmt)->key_count > 0));
        ASSERT(!b->arena || (def_of(c, b->stmt)->bulk && !b->applied));
        b->changed = 0;
        b->given = (struct rows){0};
        work += b->rows > 0;
        for (int32_t row = 0; row < b->rows; row++) {
            enum err e =
                check_args(c, def_of(c, b->stmt), b->v + (size_t)row * (size_t)b->cols, b->cols);
            if (e != ERR_OK)
                return settle(c, e);
        }
    }
    return work ? settle(c, write(c, bulks, count)) : ERR_OK;
}

enum err store_write(struct store_conn *c, struct bulk *bulks, int32_t count)
{
    return write_by(c->store->ops->write, c, bulks, count);
}

bool store_goes_ahead(const struct store_conn *c)
{
    return c->store->ops->write_ahead != NULL;
}

enum err store_write_ahead(struct store_conn *c, struct bulk *bulks, int32_t count)
{
    const struct engine_ops *ops = c->store->ops;

    return write_by(ops->write_ahead ? ops->write_ahead : ops->write, c, bulks, count);
}

enum err store_catch_up(struct store_conn *c, const struct bulk *last)
{
    ASSERT(c->tx == TX_OPEN && !c->busy);
    return c->store->ops->catch_up ? settle(c, c->store->ops->catch_up(c, last)) : ERR_OK;
}

enum err store_read_bulk(struct store_conn *c, struct arena *arena, enum stmt stmt,
                         const struct value *keys, int32_t rows, int32_t cols, struct rows *ret)
{
    usable(c, stmt);
    ASSERT(def_of(c, stmt)->bulk && rows >= 0);

    *ret = (struct rows){0};
    for (int32_t row = 0; row < rows; row++) {
        enum err e = check_args(c, def_of(c, stmt), keys + (size_t)row * (size_t)cols, cols);
        if (e != ERR_OK)
            return settle(c, e);
    }
    if (rows == 0)
        return ERR_OK;
    return settle(c, c->store->ops->read_bulk(c, arena, stmt, keys, rows, cols, ret));
}

enum err store_begin(struct store_conn *c)
{
    ASSERT(c->access == STORE_WRITER && c->tx == TX_NONE && !c->busy);
    enum err e = c->store->ops->begin(c);
    log_failed(c->store, e, c->detail);
    if (e == ERR_OK)
        c->tx = TX_OPEN;
    return e;
}

void store_announce(struct store *s, bool on)
{
    s->announces = on;
}

/* In the transaction that is about to be committed. */
static enum err tell_servers(struct store_conn *c)
{
    const struct value none = V_N; /* of no columns, but rows are found by adding to it */
    struct bulk moved = {.stmt = STMT_CACHE_EPOCH_MOVE, .rows = 1, .v = &none};

    return c->store->announces ? store_write(c, &moved, 1) : ERR_OK;
}

enum err store_commit(struct store_conn *c)
{
    ASSERT(c->tx == TX_OPEN && !c->busy);
    enum err e = tell_servers(c);
    if (e != ERR_OK)
        return e;
    e = c->store->ops->commit(c);
    if (e == ERR_OK)
        c->tx = TX_NONE;
    return settle(c, e);
}

enum err store_split_commits(struct store_conn *c, bool *ret_split)
{
    ASSERT(c->access == STORE_WRITER && c->tx == TX_NONE && !c->busy);
    *ret_split = false;
    enum err e = c->store->ops->split ? c->store->ops->split(c, ret_split) : ERR_OK;
    log_failed(c->store, e, c->detail);
    return e;
}

void store_commit_ahead(struct store_conn *c)
{
    ASSERT(c->tx == TX_OPEN && !c->busy);
    if (c->store->ops->commit_ahead && !c->store->announces)
        c->store->ops->commit_ahead(c);
}

enum err store_commit_unsynced(struct store_conn *c)
{
    if (!c->store->ops->commit_unsynced)
        return store_commit(c);
    ASSERT(c->tx == TX_OPEN && !c->busy);
    enum err e = tell_servers(c);
    if (e != ERR_OK)
        return e;
    e = c->store->ops->commit_unsynced(c);
    if (e == ERR_OK)
        c->tx = TX_NONE;
    return settle(c, e);
}

int64_t store_commit_mark(const struct store_conn *c)
{
    return c->commit_mark;
}

/* Not on the connection's thread: of it, only what the engine says is touched. */
enum err store_sync(struct store_conn *c, int64_t mark)
{
    char detail[DETAIL_MAX] = "";

    enum err e = c->store->ops->sync ? c->store->ops->sync(c, mark, detail) : ERR_OK;
    log_failed(c->store, e, detail);
    return e;
}

void store_rollback(struct store_conn *c)
{
    ASSERT(!c->busy);
    if (c->tx == TX_OPEN)
        c->store->ops->rollback(c);
    c->tx = TX_NONE;
}

bool store_in_transaction(const struct store_conn *c)
{
    return c->tx != TX_NONE;
}

void store_checkpoint(struct store_conn *c, bool truncate)
{
    ASSERT(c->access == STORE_WRITER && c->tx == TX_NONE);
    c->store->ops->checkpoint(c, truncate);
}

enum err store_backup(struct store *s, const char *path, char *ret_detail)
{
    *ret_detail = '\0';
    return s->ops->backup(s, path, ret_detail);
}

enum err store_explain(struct store_conn *c, enum stmt stmt, struct arena *arena, struct str *ret)
{
    usable(c, stmt);
    ASSERT(c->tx == TX_NONE);
    return c->store->ops->explain(c, stmt, arena, ret);
}
