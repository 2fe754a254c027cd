/* engine - what store.c asks of SQLite and PostgreSQL. Inside the store only.
 *
 * store.c checks arguments, keeps the transaction's state and the counts; an engine runs
 * statements. Each engine's connection begins with a struct store_conn. */
#pragma once
#include "base/assert.h"
#include "store/catalog.h"

#include <stdatomic.h>

enum { DETAIL_MAX = 300, DISPLAY_MAX = 512 };

struct stmt_counters {
    _Atomic int64_t calls, rows, errors, us_total, us_max;
};

/* Says when the next line of a kind may be logged, and how many were not. */
struct store_log_pace {
    _Atomic int64_t next_us, left_out;
};

struct store {
    enum store_engine engine;
    const struct engine_ops *ops;
    const struct catalog *catalog;
    struct store_options options; /* url points to `url` */
    char *url;                    /* ends in NUL */
    const char *place;            /* in `url`: SQLite's file, or all of it */
    char display[DISPLAY_MAX];
    int alone_fd;                /* SQLite: of the file that this process serves alone; -1 */
    atomic_bool writer_open;     /* SQLite: one writer in the process */
    struct stmt_counters *stats; /* by enum stmt */
    int64_t slow_us;             /* 0: nothing is logged */
    bool announces;              /* commits move the cache epoch */
    struct store_log_pace slow_pace, failed_pace;
};

enum tx_state {
    TX_NONE,
    TX_OPEN,
    TX_FAILED, /* already rolled back; store_rollback() is still to come */
};

struct store_share; /* what was read since store_share_begin() */

struct store_conn {
    struct store *store;
    struct store_share *share; /* NULL: none */
    enum store_access access;
    enum tx_state tx;
    bool busy; /* inside store_each(): its callback must not use this connection */
    struct store_counts counts;
    int64_t commit_mark;     /* of the last unsynced commit */
    char detail[DETAIL_MAX]; /* what the engine said of its last error */
};

/* As the functions of store.h; arguments have been checked. rollback is called with TX_OPEN and
 * leaves the connection outside any transaction, or broken. */
struct engine_ops {
    enum err (*probe)(struct store *s, char *ret_detail); /* reachable, usable? */
    enum err (*connect)(struct store *s, enum store_access access, struct store_conn **ret,
                        char *ret_detail);
    void (*disconnect)(struct store_conn *c);
    enum err (*read)(struct store_conn *c, struct arena *arena, struct query *queries,
                     int32_t count, int64_t deadline_us);
    enum err (*each)(struct store_conn *c, enum stmt stmt, const struct value *args,
                     enum err (*fn)(void *user, const struct value *row, int32_t cols), void *user,
                     int64_t *ret_rows);
    enum err (*write)(struct store_conn *c, struct bulk *bulks, int32_t count);
    /* NULL: nothing goes ahead */
    enum err (*write_ahead)(struct store_conn *c, struct bulk *bulks, int32_t count);
    enum err (*catch_up)(struct store_conn *c, const struct bulk *last);
    enum err (*read_bulk)(struct store_conn *c, struct arena *arena, enum stmt stmt,
                          const struct value *keys, int32_t rows, int32_t cols, struct rows *ret);
    /* Keeps one snapshot for all reads, or lets it go; NULL: there is no need to. */
    enum err (*hold)(struct store_conn *c, bool on);
    enum err (*begin)(struct store_conn *c);
    enum err (*commit)(struct store_conn *c);
    /* NULL: a commit has no halves */
    enum err (*split)(struct store_conn *c, bool *ret_split);
    void (*commit_ahead)(struct store_conn *c);
    enum err (*commit_unsynced)(struct store_conn *c);
    /* beside the connection's thread */
    enum err (*sync)(struct store_conn *c, int64_t mark, char *ret_detail);
    void (*rollback)(struct store_conn *c);
    void (*checkpoint)(struct store_conn *c, bool truncate);
    enum err (*backup)(struct store *s, const char *path, char *ret_detail);
    enum err (*explain)(struct store_conn *c, enum stmt stmt, struct arena *arena, struct str *ret);
    /* For migrations: several statements at once; a statement that gives one integer. */
    enum err (*script)(struct store_conn *c, const char *sql);
    enum err (*scalar)(struct store_conn *c, const char *sql, int64_t *ret);
};

extern const struct engine_ops store_sqlite_ops, store_postgres_ops;

static inline const struct stmt_def *def_of(const struct store_conn *c, enum stmt stmt)
{
    return &c->store->catalog->stmts[stmt];
}

/* As the engine's read, with what was read before. */
enum err store_share_read(struct store_conn *c, struct arena *arena, struct query *queries,
                          int32_t count, int64_t deadline_us);
/* Counts one run of a statement, in the connection and in the process. */
void store_count(struct store_conn *c, enum stmt stmt, int64_t rows, int64_t us, bool failed);
/* The instant (monotonic us) after which a call that names none gives up; 0: never. */
int64_t store_call_deadline(const struct store *s, int64_t deadline_us);
void store_detail_set(char *detail, const char *fmt, ...) PRINTF_LIKE(2, 3);
