/* store - the face over SQLite and PostgreSQL.
 *
 * SQL is text in src/sql, one named statement each, the same for both engines wherever they agree;
 * the build turns the names into `enum stmt` (store/statements.h). A connection belongs to one
 * thread at a time. One call is one round trip: store_read() and store_write() send all they are
 * given at once (PostgreSQL: pipeline mode), so that a request's cost can be counted in calls.
 *
 * Four SQL types only: integer (64 bits), real, text, blob. Times are integer UTC microseconds,
 * truth values 0/1. */
#pragma once
#include "base/arena.h"
#include "store/statements.h" /* enum stmt, made by the build */

#include <stdint.h>

enum value_type { V_NULL, V_INT, V_REAL, V_TEXT, V_BLOB };

struct value {
    enum value_type type;
    union {
        int64_t i;
        double d;
        struct str s; /* text and blob */
    };
};

#define V_I(n) ((struct value){ .type = V_INT, .i = (n) })
#define V_D(x) ((struct value){ .type = V_REAL, .d = (x) })
#define V_S(t) ((struct value){ .type = V_TEXT, .s = (t) })
#define V_B(t) ((struct value){ .type = V_BLOB, .s = (t) })
#define V_N ((struct value){ .type = V_NULL })
/* NULL where the C side says "none". */
static inline struct value v_time(int64_t t) /* TIME_NONE */
{
    return t == INT64_MIN ? V_N : V_I(t);
}
static inline struct value v_real(double d) /* NaN */
{
    return d != d ? V_N : V_D(d);
}
static inline struct value v_text(struct str s) /* p == NULL */
{
    return s.p ? V_S(s) : V_N;
}

struct rows {
    int32_t count, cols;
    const struct value *v; /* row by row; text lives in the arena of the read */
    bool more;             /* rows_max cut the result */
};
static inline const struct value *row_at(const struct rows *r, int32_t row)
{
    return r->v + (size_t)row * (size_t)r->cols;
}
/* The value as the C type; the given substitute for NULL. A wrong type is a bug (ASSERT). */
int64_t value_i64(const struct value *v, int64_t if_null);
double value_f64(const struct value *v, double if_null); /* integers are converted */
struct str value_str(const struct value *v);             /* {NULL,0} for NULL */

enum store_engine { STORE_SQLITE, STORE_POSTGRES };

struct store_options {
    struct str url;              /* "sqlite:FILE" (":memory:" is refused) or "postgresql://…" */
    int32_t busy_timeout_ms;     /* waiting for a lock, or for PostgreSQL's answer */
    int32_t connect_timeout_ms;
    int32_t statement_timeout_ms;
    int32_t sqlite_cache_kib;    /* per connection */
    int32_t sqlite_checkpoint_pages;
    bool sqlite_full_sync;       /* synchronous=FULL; false: NORMAL (loses the last moment on power loss) */
    int (*sqlite_sync)(int fd);  /* instead of fdatasync() after split commits, for tests; or NULL */
};

struct store;
struct store_conn;

enum store_access { STORE_READER, STORE_WRITER };

/* ERR_RANGE: the URL. ERR_STORE_DOWN: cannot be reached or opened. ret_detail: >= 300 bytes. Makes
 * no schema. */
MUST_CHECK enum err store_open(const struct store_options *options, struct store **ret, char *ret_detail);
void store_close(struct store *s);
enum store_engine store_engine(const struct store *s);
/* The URL without its password, for logs. */
struct str store_display_url(const struct store *s);

/* For servers: from here on statements slower than slow_ms and failures of the database itself are
 * logged, each kind once a second at most, with how many were left out. Before the first
 * connection. */
void store_log(struct store *s, int32_t slow_ms);

/* For programs that write beside a running server: each commit also moves the cache epoch, by which
 * the server learns that what it keeps in memory may be old. A server tells its own caches. */
void store_announce(struct store *s, bool on);

/* A server's caches and its writer take an SQLite file for theirs alone. ERR_CONFLICT: another server
 * of this machine has it; else it is this store's until store_close(). Programs that do not serve
 * need not ask. On PostgreSQL nothing is done. */
MUST_CHECK enum err store_serve_alone(struct store *s);

/* Numbered, forward-only, each in its own transaction; safe when several processes start at once.
 * ERR_CONFLICT: the database is newer than this program. */
MUST_CHECK enum err store_migrate(struct store *s, int32_t *ret_from, int32_t *ret_to, char *ret_detail);
/* Version in the database and newest version known to the program. */
MUST_CHECK enum err store_schema(struct store *s, int32_t *ret_have, int32_t *ret_want);

/* SQLite: only one STORE_WRITER connection may be open in the process (ERR_BUSY); it alone
 * checkpoints. ERR_STORE_DOWN: cannot be opened or reached. */
MUST_CHECK enum err store_connect(struct store *s, enum store_access access, struct store_conn **ret);
void store_disconnect(struct store_conn *c);
enum store_engine store_conn_engine(const struct store_conn *c);
/* What the database said of the connection's last error, for logs; "" when there was none. */
const char *store_conn_detail(const struct store_conn *c);

struct query {
    enum stmt stmt;
    const struct value *args;
    int32_t arg_count;
    int32_t rows_max; /* <= 0: QUERY_ROWS_MAX */
    struct rows rows; /* filled */
};
enum { QUERY_ROWS_MAX = 100000 };

/* Runs the queries in one round trip on one snapshot. Lost connections are re-made once, with
 * back-off, for reads. deadline_us: monotonic; the options' statement timeout holds as well.
 * ERR_DEADLINE, ERR_STORE_DOWN, ERR_BUSY (locked too long), ERR_NOMEM (the arena's cap), ERR_RANGE
 * (text with a NUL or that is not UTF-8). */
MUST_CHECK enum err store_read(struct store_conn *c, struct arena *arena, struct query *queries,
                               int32_t count, int64_t deadline_us);

/* For a caller that makes many answers about the same at one time: until store_share_end(), a read
 * that was made before is given again without asking the database (it counts as read all the same),
 * and on SQLite all reads are of one snapshot. Rows given meanwhile are not to be used after the
 * end. Outside of transactions; not twice. ERR_NOMEM, or as store_read(): nothing is shared. */
MUST_CHECK enum err store_share_begin(struct store_conn *c);
void store_share_end(struct store_conn *c); /* not shared: fine */

/* Row by row, for exports and rebuilds: constant memory. The row's text is valid during the call
 * only, and fn must not use `c`. fn returning other than ERR_OK stops and is returned. No deadline. */
MUST_CHECK enum err store_each(struct store_conn *c, enum stmt stmt, const struct value *args,
                               int32_t arg_count,
                               enum err (*fn)(void *user, const struct value *row, int32_t cols),
                               void *user);

/* One statement for many rows: `rows` sets of `cols` arguments. SQLite steps the prepared statement
 * for some sets at a time; PostgreSQL runs once over arrays (the statement's text for it says how, see
 * src/sql/README.md). Rows must differ in the statement's key. */
struct bulk {
    enum stmt stmt;
    int32_t rows, cols;
    const struct value *v; /* row by row */
    bool *applied;         /* may be NULL: per row, was it inserted or changed? Needs `-- key:` */
    int64_t changed;       /* filled: rows inserted, changed or deleted */
    struct arena *arena;   /* NULL, or: a read by keys as in store_read_bulk(), among the writes */
    struct rows given;     /* filled then, in the arena */
};
/* All in one round trip, in order; each bulk counts as one statement. Inside the transaction that is open.
 * ERR_CONFLICT: a unique or foreign key. ERR_RANGE: a CHECK, a NOT NULL, or text as in store_read().
 * Also ERR_STORAGE_FULL, ERR_STORE_DOWN, ERR_BUSY, ERR_DEADLINE (the statement timeout), ERR_IO. */
MUST_CHECK enum err store_write(struct store_conn *c, struct bulk *bulks, int32_t count);
/* As store_write(), for a writer that has better things to do than to wait: the server works on the
 * bulks, in order, and the answers are taken by the connection's next calls. Until then the bulks
 * stay where they are; their values may go. Errors come with the answers, also with the commit's.
 * SQLite, where there is nobody to wait for, does the work at once. */
MUST_CHECK enum err store_write_ahead(struct store_conn *c, struct bulk *bulks, int32_t count);
/* Takes the answers of what was sent ahead, up to those of `last`, which has rows and is among it; NULL: all. */
MUST_CHECK enum err store_catch_up(struct store_conn *c, const struct bulk *last);
/* Does anything go ahead here? */
bool store_goes_ahead(const struct store_conn *c);
/* Reads for many keys at once: the statement returns its key columns first; rows come in any order,
 * absent keys give no row. Also inside a transaction. */
MUST_CHECK enum err store_read_bulk(struct store_conn *c, struct arena *arena, enum stmt stmt,
                                    const struct value *keys, int32_t rows, int32_t cols,
                                    struct rows *ret);

/* Writer connections only. After an error in a transaction only store_rollback() is allowed.
 * ERR_STORAGE_FULL: the disk; the transaction is rolled back and nothing of it is stored. */
MUST_CHECK enum err store_begin(struct store_conn *c);
MUST_CHECK enum err store_commit(struct store_conn *c);
/* Commits in two halves, for a writer that has better things to do than to wait for the disk.
 * store_split_commits(), once, outside of a transaction, asks for them; where they cannot be had (no
 * full sync, a pooler before PostgreSQL) *ret_split is false, and the halves are a whole commit and
 * nothing. store_commit() stays whole on such a connection.
 * store_commit_unsynced(): as store_commit(), and readers see the transaction, but a power cut may
 * take it away, until
 * store_sync(), begun afterwards, has returned ERR_OK. It speaks of the commits with that mark:
 * store_commit_mark(), by the connection's thread after the commit. Any thread, also while the
 * connection is at work. ERR_NOT_READY: the disk failed, and everything since the last success may
 * be lost; from then on this and store_begin() give ERR_NOT_READY until the process is restarted.
 * ERR_STORE_DOWN, ERR_DEADLINE: nobody knows whether these commits are kept. */
MUST_CHECK enum err store_split_commits(struct store_conn *c, bool *ret_split);
MUST_CHECK enum err store_commit_unsynced(struct store_conn *c);
/* Sends the commit. Only store_commit_unsynced(), which then waits for it, or store_rollback(),
 * which comes too late for it, may follow. */
void store_commit_ahead(struct store_conn *c);
int64_t store_commit_mark(const struct store_conn *c);
MUST_CHECK enum err store_sync(struct store_conn *c, int64_t mark);
void store_rollback(struct store_conn *c);
/* Is one open, or failed and not yet rolled back? For work that takes part in its caller's, or makes
 * one of its own. */
bool store_in_transaction(const struct store_conn *c);
/* SQLite: moves WAL content into the file if that is due; called by the writer when idle. */
void store_checkpoint(struct store_conn *c, bool truncate);

/* A copy of the live database at `path` (SQLite only; ERR_NOT_IMPLEMENTED otherwise). */
MUST_CHECK enum err store_backup(struct store *s, const char *path, char *ret_detail);

/* What this connection did since the last reset: for budgets and Server-Timing. */
struct store_counts {
    int32_t round_trips, statements;
    int64_t rows, us;
    uint32_t reads, writes; /* STMT_GROUP_*: whose tables were read, whose were changed */
};
struct store_counts store_counts_take(struct store_conn *c); /* and resets */

/* Process-wide, per statement, for metrics and the slow-statement log. */
struct stmt_stats {
    int64_t calls, rows, errors, us_total, us_max; /* rows: given back, or changed */
};
const char *stmt_name(enum stmt s);
uint32_t stmt_writes(enum stmt s); /* STMT_GROUP_* */
void store_stmt_stats(const struct store *s, enum stmt stmt, struct stmt_stats *ret);
/* The query plan as text, a line a step: for the test that refuses table scans. */
MUST_CHECK enum err store_explain(struct store_conn *c, enum stmt stmt, struct arena *arena, struct str *ret);
