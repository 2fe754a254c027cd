/* postgres - the engine for several servers.
 *
 * Everything goes through libpq's pipeline mode on a non-blocking socket: all messages of a call
 * and one Sync are sent, then all results are read, waiting in poll() until the call's deadline and
 * never longer. Parameters and results are binary. A statement is prepared with its first use, in
 * the same round trip. When the prepared name is not there or is taken (a pooler between us and the
 * server), the connection goes over to unnamed statements, which any pooler passes on.
 *
 * A connection in an unknown state (deadline passed with results still coming, socket lost) is
 * dropped, not repaired; the next call makes a new one. After a failed attempt to connect, further
 * calls fail at once until a pause (50 ms, doubled up to 2 s) is over, so that workers do not queue
 * up behind a dead server. */
#include "store/engine.h"
#include "store/postgres_data.h"
#include "store/postgres_sync.h"
#include "store/postgres_wait.h"

#include "base/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    BACKOFF_FIRST_MS = 50,
    BACKOFF_MAX_MS = 2000,
    ANSWER_SLACK_US = 500 * 1000,       /* the server's own timeout comes first */
    SILENCE_MAX_US = 600 * 1000 * 1000, /* store_each, migrations: between two signs of life */
    PARAM_KEEP = 1024 * 1024,           /* bytes of parameter buffer that a connection keeps */
    SERVER_VERSION_MIN = 150000,
};

/* What the next result of the pipeline belongs to. */
struct expect {
    enum { EXPECT_CONTROL, EXPECT_PREPARE, EXPECT_ROWS } kind;
    enum stmt stmt;
    int32_t index;     /* of the query */
    struct bulk *bulk; /* NULL: no bulk's */
    int32_t row;       /* of a bulk that goes row by row; -1: all rows at once */
};

struct pg_conn {
    struct store_conn base;
    PGconn *pg;
    bool *prepared; /* by enum stmt */
    bool unnamed;
    int32_t names_lost; /* times that prepared statements were not there */
    bool begin_pending; /* BEGIN goes out with the transaction's first statements */
    bool again;         /* the call failed for a reason that a second try cures */
    bool lost;          /* in this call the connection went away */
    int32_t backoff_ms;
    int64_t retry_at_us;
    struct expect *expects;
    int32_t expect_at, expect_n, expect_cap; /* those from expect_at on are still to be answered */
    int64_t ahead_us; /* since when the server works on what was sent ahead; 0: on nothing */
    bool committing;  /* the commit was sent ahead */
    struct pg_buffer param;
    struct pg_server server;
    bool split;                      /* a writer whose commits have halves */
    int64_t session, synced_session; /* sessions so far; the one that `sync` goes with */
    struct pg_sync sync;
};

static struct pg_conn *of(struct store_conn *c)
{
    return (struct pg_conn *)c;
}

/* Errors */

static enum err err_of_state(const char *state)
{
    static const struct {
        const char *prefix;
        enum err e;
    } table[] = {
        {"53100", ERR_STORAGE_FULL}, /* disk_full */
        {"53", ERR_STORE_DOWN},      /* too many connections, out of memory */
        {"08", ERR_STORE_DOWN},      /* connection exceptions */
        {"57014", ERR_DEADLINE},     /* query_canceled: statement_timeout, or an operator */
        {"57P", ERR_STORE_DOWN},     /* admin_shutdown, crash_shutdown, cannot_connect_now */
        {"25006", ERR_STORE_DOWN},   /* read_only_sql_transaction: a replica, or failing over */
        {"40", ERR_BUSY},            /* serialization_failure, deadlock_detected */
        {"55P03", ERR_BUSY},         /* lock_not_available */
        {"23505", ERR_CONFLICT},     /* unique_violation */
        {"23503", ERR_CONFLICT},     /* foreign_key_violation */
        {"21000", ERR_CONFLICT},     /* cardinality_violation: a row twice in one upsert */
        {"23", ERR_RANGE},           /* check, not null */
        {"22", ERR_RANGE},           /* data exceptions */
        {"58030", ERR_IO},
    };

    for (size_t i = 0; i < COUNT(table); i++)
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].e;
    return ERR_IO;
}

static void say(struct pg_conn *c, const char *what, const char *message)
{
    size_t n = strcspn(message, "\n"); /* the first line; the rest is context */

    store_detail_set(c->base.detail, "%.100s: %.*s", what, (int)(n > 180 ? 180 : n), message);
}

static void drop(struct pg_conn *c)
{
    PQfinish(c->pg);
    c->pg = NULL;
    c->expect_at = c->expect_n = 0;
    c->ahead_us = 0;
    c->unnamed = false;
    c->names_lost = 0;
    memset(c->prepared, 0, (size_t)c->base.store->catalog->stmt_count * sizeof *c->prepared);
}

static enum err lose(struct pg_conn *c, const char *what)
{
    say(c, what, c->pg ? PQerrorMessage(c->pg) : "no connection");
    drop(c);
    c->lost = true;
    return ERR_STORE_DOWN;
}

static const char *what_of(const struct pg_conn *c, const struct expect *x)
{
    return x->kind == EXPECT_CONTROL ? "transaction" : def_of(&c->base, x->stmt)->name;
}

/* An error that the server sent. Decides, too, whether a second try makes sense. */
static enum err refused(struct pg_conn *c, const struct expect *x, const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

    say(c, what_of(c, x), message ? message : PQresultErrorMessage(r));
    if (!state) /* libpq's own: the connection */
        return ERR_STORE_DOWN;
    bool gone = strcmp(state, "26000") == 0, taken = strcmp(state, "42P05") == 0;
    bool stale = strcmp(state, "0A000") == 0 && x->kind == EXPECT_ROWS; /* the schema has changed */
    if (gone || taken || stale) {
        c->unnamed = taken || stale || c->names_lost++ > 0;
        memset(c->prepared, 0, (size_t)c->base.store->catalog->stmt_count * sizeof *c->prepared);
        c->again = true;
        return ERR_STORE_DOWN;
    }
    return err_of_state(state);
}

/* Waiting */

static int64_t sooner(int64_t a, int64_t b)
{
    return a > 0 && a < b ? a : b;
}

/* How long a call may wait for the server when its caller has set no deadline, or a later one. */
static int64_t answer_until(const struct store *s, int64_t deadline_us)
{
    const struct store_options *o = &s->options;
    int64_t ms =
        o->busy_timeout_ms > o->statement_timeout_ms ? o->busy_timeout_ms : o->statement_timeout_ms;

    return sooner(deadline_us, clock_mono_us() + ms * 1000 + ANSWER_SLACK_US);
}

/* The deadline is over while the server works. Leaving is enough: the server looks for a closed
 * connection ten times a second (set_session). PQcancel() would wait for the server, and a server
 * that has stopped answering is one of the reasons for being here. */
static enum err too_late(struct pg_conn *c, const char *what)
{
    store_detail_set(c->base.detail, "%.100s: no answer before the deadline", what);
    drop(c);
    return ERR_DEADLINE;
}

/* Connecting */

static void quiet(void *user, const PGresult *r)
{
    (void)user;
    (void)r;
}

static enum err poll_connection(PGconn *pg, int64_t until)
{
    PostgresPollingStatusType st = PGRES_POLLING_WRITING;

    while (st != PGRES_POLLING_OK) {
        if (st == PGRES_POLLING_FAILED)
            return ERR_STORE_DOWN;
        enum err e = pg_wait_socket(pg, st == PGRES_POLLING_READING ? POLLIN : POLLOUT, until);
        if (e != ERR_OK)
            return ERR_STORE_DOWN;
        st = PQconnectPoll(pg);
    }
    return ERR_OK;
}

/* The settings of the session, by a statement and not as start parameters, which poolers refuse.
 * Generic plans, because the server counts all partitions in a generic plan's cost and so would
 * plan anew each time, which costs a 30-row read a third of its time; and the generic plan is the
 * one that the test of plans has seen. No JIT: no statement runs long enough to earn its
 * compilation. */
static enum err set_session(PGconn *pg, const struct store_options *o, int64_t until,
                            struct pg_server *ret_server)
{
    char statement_ms[16], lock_ms[16];
    const char *values[] = {statement_ms, lock_ms};
    enum err e = ERR_STORE_DOWN;

    snprintf(statement_ms, sizeof statement_ms, "%d",
             o->statement_timeout_ms > 0 ? o->statement_timeout_ms : 0);
    snprintf(lock_ms, sizeof lock_ms, "%d", o->busy_timeout_ms);
    if (!PQsendQueryParams(pg,
                           "SELECT set_config('statement_timeout', $1, false),"
                           " set_config('lock_timeout', $2, false),"
                           " set_config('plan_cache_mode', 'force_generic_plan', false),"
                           " set_config('jit', 'off', false),"
                           " CASE WHEN version() LIKE '%linux%' THEN"
                           " set_config('client_connection_check_interval', '100', false) END,"
                           " set_config('TimeZone', 'UTC', false), pg_backend_pid(),"
                           " extract(epoch FROM pg_postmaster_start_time())::text",
                           2, NULL, values, NULL, NULL, 0) ||
        pg_pump(pg, until) != ERR_OK)
        return ERR_STORE_DOWN;
    for (PGresult *r; (r = PQgetResult(pg)); PQclear(r)) {
        if (PQresultStatus(r) == PGRES_TUPLES_OK) {
            int n = PQnfields(r);
            int64_t pid = 0;
            ret_server->direct = str_to_i64(str_from(PQgetvalue(r, 0, n - 2)), &pid) == ERR_OK &&
                                 pid == PQbackendPID(pg);
            snprintf(ret_server->started, sizeof ret_server->started, "%s",
                     PQgetvalue(r, 0, n - 1));
            e = ERR_OK;
        }
        if (pg_pump(pg, until) != ERR_OK) {
            PQclear(r);
            return ERR_STORE_DOWN;
        }
    }
    return e;
}

static enum err usable_server(const PGconn *pg, char *ret_detail)
{
    const char *encoding = PQparameterStatus(pg, "server_encoding");

    if (PQserverVersion(pg) < SERVER_VERSION_MIN)
        store_detail_set(ret_detail, "the server is older than PostgreSQL 15");
    else if (!encoding || strcmp(encoding, "UTF8") != 0)
        store_detail_set(ret_detail, "the database's encoding is %.40s, not UTF8",
                         encoding ? encoding : "unknown");
    else
        return ERR_OK;
    return ERR_STORE_DOWN;
}

static enum err dial(struct store *s, PGconn **ret, struct pg_server *ret_server, char *ret_detail)
{
    int32_t timeout_ms = s->options.connect_timeout_ms > 0 ? s->options.connect_timeout_ms : 3000;
    int64_t until = clock_mono_us() + (int64_t)timeout_ms * 1000;
    char user_timeout[16];
    snprintf(user_timeout, sizeof user_timeout, "%d", timeout_ms);
    const char *keys[] = {"dbname",           "fallback_application_name", "client_encoding",
                          "tcp_user_timeout", "keepalives_idle",           NULL};
    const char *values[] = {s->place, "doppel", "UTF8", user_timeout, "30", NULL};

    PGconn *pg = PQconnectStartParams(keys, values, 1);
    if (!pg)
        return ERR_NOMEM;
    PQsetNoticeReceiver(pg, quiet, NULL);
    enum err e = PQstatus(pg) == CONNECTION_BAD ? ERR_STORE_DOWN : poll_connection(pg, until);
    if (e == ERR_OK)
        e = set_session(pg, &s->options, until, ret_server);
    if (e == ERR_OK && PQsetnonblocking(pg, 1) != 0)
        e = ERR_STORE_DOWN;
    if (e != ERR_OK) {
        const char *why = PQerrorMessage(pg);
        store_detail_set(ret_detail, "%.*s", (int)strcspn(why, "\n"),
                         *why ? why : "no answer in time");
    } else {
        e = usable_server(pg, ret_detail);
    }
    if (e == ERR_OK && !PQenterPipelineMode(pg))
        e = ERR_STORE_DOWN;
    if (e != ERR_OK) {
        PQfinish(pg);
        return e;
    }
    *ret = pg;
    return ERR_OK;
}

/* A connection that works as far as one can know without asking. */
static enum err ensure(struct pg_conn *c)
{
    int64_t now = clock_mono_us();

    if (c->pg && PQstatus(c->pg) == CONNECTION_OK)
        return ERR_OK;
    if (c->pg)
        drop(c);
    if (now < c->retry_at_us)
        return ERR_STORE_DOWN; /* the detail of the failed attempt still stands */
    enum err e = dial(c->base.store, &c->pg, &c->server, c->base.detail);
    if (e == ERR_OK) {
        c->session++;
        c->backoff_ms = 0;
        c->retry_at_us = 0;
        return ERR_OK;
    }
    c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : BACKOFF_FIRST_MS;
    if (c->backoff_ms > BACKOFF_MAX_MS)
        c->backoff_ms = BACKOFF_MAX_MS;
    c->retry_at_us = clock_mono_us() + (int64_t)c->backoff_ms * 1000;
    return e;
}

static void pg_disconnect(struct store_conn *base)
{
    struct pg_conn *c = of(base);

    if (!c)
        return;
    PQfinish(c->pg);
    pg_sync_fini(&c->sync);
    free(c->prepared);
    free(c->expects);
    free(c->param.p);
    free(c);
}

static enum err pg_connect(struct store *s, enum store_access access, struct store_conn **ret,
                           char *ret_detail)
{
    struct pg_conn *c = calloc(1, sizeof *c);

    if (!c)
        return ERR_NOMEM;
    c->base.store = s;
    c->base.access = access;
    pg_sync_init(&c->sync);
    c->prepared = calloc((size_t)s->catalog->stmt_count, sizeof *c->prepared);
    enum err e = c->prepared ? dial(s, &c->pg, &c->server, ret_detail) : ERR_NOMEM;
    if (e != ERR_OK) {
        pg_disconnect(&c->base);
        return e;
    }
    *ret = &c->base;
    return ERR_OK;
}

/* The URL as libpq understood it, without the password. */
static enum err make_display(struct store *s, char *ret_detail)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(s->place, &why);
    const char *user = NULL, *host = NULL, *port = NULL, *name = NULL;

    if (!options) {
        /* libpq quotes the URL in its complaint; a password must not reach the log. */
        store_detail_set(ret_detail, "the database's URL cannot be understood");
        PQfreemem(why);
        return ERR_RANGE;
    }
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        user = strcmp(o->keyword, "user") == 0 ? o->val : user;
        host = strcmp(o->keyword, "host") == 0 ? o->val : host;
        port = strcmp(o->keyword, "port") == 0 ? o->val : port;
        name = strcmp(o->keyword, "dbname") == 0 ? o->val : name;
    }
    snprintf(s->display, sizeof s->display, "postgresql://%s%s%s%s%s/%s", user ? user : "",
             user ? "@" : "", host ? host : "", port ? ":" : "", port ? port : "",
             name ? name : "");
    PQconninfoFree(options);
    return ERR_OK;
}

static enum err pg_probe(struct store *s, char *ret_detail)
{
    struct pg_server server;
    PGconn *pg = NULL;

    enum err e = make_display(s, ret_detail);
    if (e == ERR_OK)
        e = dial(s, &pg, &server, ret_detail);
    PQfinish(pg);
    return e;
}

/* A large bulk's buffer is not kept. */
static void params_trim(struct pg_conn *c)
{
    if (c->param.cap <= PARAM_KEEP)
        return;
    free(c->param.p);
    c->param = (struct pg_buffer){0};
}

/* Sending */

static enum err expect(struct pg_conn *c, struct expect x)
{
    if (c->expect_n == c->expect_cap) {
        int32_t cap = c->expect_cap ? c->expect_cap * 2 : 32;
        struct expect *bigger = realloc(c->expects, (size_t)cap * sizeof *bigger);
        if (!bigger)
            return ERR_NOMEM;
        c->expects = bigger;
        c->expect_cap = cap;
    }
    c->expects[c->expect_n++] = x;
    return ERR_OK;
}

static enum err send_control(struct pg_conn *c, const char *sql)
{
    if (!PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 1))
        return lose(c, sql);
    return expect(c, (struct expect){.kind = EXPECT_CONTROL});
}

/* A writer's BEGIN that has not gone out yet. */
static enum err send_begin(struct pg_conn *c)
{
    return c->begin_pending ? send_control(c, "BEGIN") : ERR_OK;
}

static enum err send_stmt(struct pg_conn *c, struct expect x, const struct pg_params *p)
{
    enum stmt stmt = x.stmt;
    const struct stmt_def *def = def_of(&c->base, stmt);
    Oid oids[STMT_ARGS_MAX];
    char name[16];
    int sent;

    for (int i = 0; i < def->arg_count; i++)
        oids[i] = pg_oid(def->args[i], def->bulk);
    snprintf(name, sizeof name, "s%d", (int)stmt);
    if (!c->unnamed && !c->prepared[stmt]) {
        if (!PQsendPrepare(c->pg, name, def->postgres, def->arg_count, oids))
            return lose(c, def->name);
        enum err e = expect(c, (struct expect){.kind = EXPECT_PREPARE, .stmt = stmt});
        if (e != ERR_OK)
            return e;
        c->prepared[stmt] = true; /* taken back when the server refuses */
    }
    if (c->unnamed)
        sent = PQsendQueryParams(c->pg, def->postgres, def->arg_count, oids, p->values, p->lengths,
                                 p->formats, 1);
    else
        sent =
            PQsendQueryPrepared(c->pg, name, def->arg_count, p->values, p->lengths, p->formats, 1);
    if (!sent)
        return lose(c, def->name);
    return expect(c, x);
}

static struct expect rows_of(enum stmt stmt, int32_t index)
{
    return (struct expect){.kind = EXPECT_ROWS, .stmt = stmt, .index = index, .row = -1};
}

static struct expect bulk_of(struct bulk *b, int32_t row)
{
    return (struct expect){.kind = EXPECT_ROWS, .stmt = b->stmt, .bulk = b, .row = row};
}

/* Receiving */

typedef enum err take_fn(struct pg_conn *c, const struct expect *x, const PGresult *r, void *user);
static enum err take_write(struct pg_conn *c, const struct expect *x, const PGresult *r);

/* The next result, NULL at the end of a statement's results. */
static enum err next_result(struct pg_conn *c, const char *what, int64_t until, PGresult **ret)
{
    enum err e = pg_pump(c->pg, until);

    if (e == ERR_DEADLINE)
        return too_late(c, what);
    if (e != ERR_OK)
        return lose(c, what);
    *ret = PQgetResult(c->pg);
    return ERR_OK;
}

static bool is_fine(const PGresult *r)
{
    ExecStatusType st = PQresultStatus(r);

    return st == PGRES_TUPLES_OK || st == PGRES_COMMAND_OK || st == PGRES_SINGLE_TUPLE;
}

/* All results of one expectation. *e keeps the first error. The value returned is an error after
 * which there is no connection. */
static enum err receive_one(struct pg_conn *c, const struct expect *x, int64_t until,
                            int64_t *start_us, take_fn *take, void *user, enum err *e)
{
    int64_t rows = 0;
    bool failed = false;

    for (int results = 0;; results++) {
        PGresult *r = NULL;
        enum err gone = next_result(c, what_of(c, x), until, &r);
        if (gone != ERR_OK)
            return gone;
        if (!r && results == 0 && PQstatus(c->pg) == CONNECTION_BAD)
            return lose(c, what_of(c, x));
        if (!r)
            break;
        if (is_fine(r)) {
            rows += PQntuples(r);
            if (*e == ERR_OK && x->kind == EXPECT_ROWS)
                *e = x->bulk ? take_write(c, x, r) : take(c, x, r, user);
        } else if (*e == ERR_OK) { /* later ones only say that the pipeline was aborted */
            *e = refused(c, x, r);
            failed = true;
        }
        if (!is_fine(r) && x->kind == EXPECT_PREPARE)
            c->prepared[x->stmt] = false;
        bool bad = PQstatus(c->pg) == CONNECTION_BAD;
        PQclear(r);
        if (bad) {
            drop(c);
            c->lost = true;
            return ERR_STORE_DOWN;
        }
    }
    if (x->kind != EXPECT_ROWS)
        return ERR_OK;
    int64_t now = clock_mono_us();
    store_count(&c->base, x->stmt, rows, now - *start_us, failed);
    *start_us = now;
    return ERR_OK;
}

/* The answers to everything sent, up to the Sync. The first error of the server, of `take`, or of
 * the connection. e: of an answer before; then nothing is taken. */
static enum err receive(struct pg_conn *c, enum err e, int64_t until, take_fn *take, void *user)
{
    int64_t start = c->ahead_us ? c->ahead_us : clock_mono_us();
    enum err gone = ERR_OK;
    PGresult *r = NULL;

    for (; c->expect_at < c->expect_n; c->expect_at++) {
        gone = receive_one(c, &c->expects[c->expect_at], until, &start, take, user, &e);
        if (gone != ERR_OK)
            return gone;
    }
    c->ahead_us = 0;
    gone = next_result(c, "sync", until, &r);
    if (gone != ERR_OK)
        return gone;
    bool synced = r && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
    PQclear(r);
    if (!synced)
        return lose(c, "out of step");
    return e;
}

/* Ends what was sent so far: one round trip. `e`: of the sending. */
static enum err exchange(struct pg_conn *c, enum err e, int64_t until, take_fn *take, void *user)
{
    if (e == ERR_OK && !PQpipelineSync(c->pg))
        e = lose(c, "sync");
    if (e != ERR_OK) {
        if (c->pg && c->expect_n)
            drop(c); /* half a pipeline has been sent */
        return e;
    }
    c->base.counts.round_trips++;
    e = receive(c, ERR_OK, until, take, user);
    if (c->begin_pending && e == ERR_OK)
        c->begin_pending = false;
    return e;
}

/* What was sent ahead is answered before what the call sends. */
static void call_starts(struct pg_conn *c)
{
    if (c->expect_at == c->expect_n)
        c->expect_at = c->expect_n = 0;
    c->again = c->lost = false;
}

/* May the call be tried once more? Only where nothing of the first try can have stayed: outside of
 * a transaction calls only read, and a transaction that began in this call has gone with the
 * connection. */
static bool try_again(struct pg_conn *c, enum err e, int attempt, int64_t until)
{
    bool fresh = c->base.tx == TX_NONE || c->begin_pending;

    if (e != ERR_STORE_DOWN || attempt > 0 || !fresh || clock_mono_us() >= until)
        return false;
    if (c->again && c->base.tx != TX_NONE) { /* BEGIN succeeded, what followed did not */
        call_starts(c);
        enum err back = exchange(c, send_control(c, "ROLLBACK"), until, NULL, NULL);
        c->begin_pending = true;
        return back == ERR_OK;
    }
    if (c->again)
        return true;
    if (!c->lost)
        return false;
    /* The server may be restarting: at once, and after a short pause. */
    if (ensure(c) == ERR_OK)
        return true;
    nanosleep(&(struct timespec){.tv_nsec = BACKOFF_FIRST_MS * 1000000L}, NULL);
    return clock_mono_us() < until;
}

/* Reading */

struct read_call {
    struct arena *arena;
    struct query *queries;
    int64_t rows_max;
    struct rows *rows;
};

static enum err take_query(struct pg_conn *c, const struct expect *x, const PGresult *r, void *user)
{
    struct read_call *call = user;
    struct query *q = &call->queries[x->index];

    (void)c;
    return pg_copy_rows(call->arena, r, q->rows_max, &q->rows);
}

/* Several statements see one snapshot; a single one has its own. */
static enum err send_queries(struct pg_conn *c, const struct query *queries, int32_t count)
{
    bool snapshot = count > 1 && c->base.tx == TX_NONE;
    struct pg_params p;
    enum err e = send_begin(c);

    if (e == ERR_OK && snapshot)
        e = send_control(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    for (int32_t i = 0; e == ERR_OK && i < count; i++) {
        e = pg_params_of_row(def_of(&c->base, queries[i].stmt), queries[i].args, &p);
        if (e == ERR_OK)
            e = send_stmt(c, rows_of(queries[i].stmt, i), &p);
    }
    if (e == ERR_OK && snapshot)
        e = send_control(c, "COMMIT");
    return e;
}

/* A failed statement leaves the snapshot's transaction open and aborted. */
static enum err leave_snapshot(struct pg_conn *c, enum err e, int64_t until)
{
    if (e == ERR_OK || c->base.tx != TX_NONE || !c->pg ||
        PQtransactionStatus(c->pg) == PQTRANS_IDLE)
        return e;
    bool again = c->again;
    call_starts(c);
    if (exchange(c, send_control(c, "ROLLBACK"), until, NULL, NULL) != ERR_OK && c->pg)
        drop(c);
    c->again = again;
    return e;
}

static enum err pg_read(struct store_conn *base, struct arena *arena, struct query *queries,
                        int32_t count, int64_t deadline_us)
{
    struct pg_conn *c = of(base);
    struct read_call call = {.arena = arena, .queries = queries};
    int64_t until = answer_until(base->store, deadline_us);
    enum err e = ERR_OK;

    if (clock_mono_us() >= until) {
        store_detail_set(base->detail, "the deadline was over before the first statement");
        return ERR_DEADLINE;
    }
    for (int attempt = 0;; attempt++) {
        call_starts(c);
        e = base->tx == TX_NONE || c->begin_pending ? ensure(c) : ERR_OK;
        if (e == ERR_OK && !c->pg)
            e = ERR_STORE_DOWN;
        if (e == ERR_OK)
            e = exchange(c, send_queries(c, queries, count), until, take_query, &call);
        e = leave_snapshot(c, e, until);
        if (e == ERR_OK || !try_again(c, e, attempt, until))
            return e;
    }
}

static enum err take_bulk_rows(struct pg_conn *c, const struct expect *x, const PGresult *r,
                               void *user)
{
    struct read_call *call = user;

    (void)c;
    (void)x;
    return pg_copy_rows(call->arena, r, INT32_MAX, call->rows);
}

static enum err pg_read_bulk(struct store_conn *base, struct arena *arena, enum stmt stmt,
                             const struct value *keys, int32_t rows, int32_t cols, struct rows *ret)
{
    struct pg_conn *c = of(base);
    struct read_call call = {.arena = arena, .rows = ret};
    int64_t until = answer_until(base->store, 0);
    struct pg_params p;

    (void)cols;
    for (int attempt = 0;; attempt++) {
        call_starts(c);
        enum err e = base->tx == TX_NONE || c->begin_pending ? ensure(c) : ERR_OK;
        if (e == ERR_OK && !c->pg)
            e = ERR_STORE_DOWN;
        if (e == ERR_OK) {
            e = send_begin(c);
            if (e == ERR_OK)
                e = pg_params_of_rows(&c->param, def_of(base, stmt), keys, rows, &p);
            if (e == ERR_OK)
                e = send_stmt(c, rows_of(stmt, 0), &p);
            e = exchange(c, e, until, take_bulk_rows, &call);
            params_trim(c);
        }
        if (e == ERR_OK || !try_again(c, e, attempt, until))
            return e;
    }
}

/* Row by row */

static enum err pg_catch_up(struct store_conn *base, const struct bulk *last);

struct each_call {
    enum err (*fn)(void *user, const struct value *row, int32_t cols);
    void *user;
    int64_t rows;
};

static enum err take_each(struct pg_conn *c, const struct expect *x, const PGresult *r, void *user)
{
    struct each_call *call = user;
    int cols = PQnfields(r);
    enum err e = ERR_OK;

    (void)c;
    (void)x;
    if (PQntuples(r) == 0)
        return ERR_OK;
    struct value *row = calloc((size_t)cols + 1, sizeof *row);
    if (!row)
        return ERR_NOMEM;
    for (int i = 0; i < PQntuples(r) && e == ERR_OK; i++) {
        for (int col = 0; col < cols; col++)
            row[col] = pg_cell(r, i, col, PQftype(r, col));
        call->rows++;
        e = call->fn(call->user, row, cols);
    }
    free(row);
    return e;
}

/* Like receive(), but single rows at a time and without an end in time as long as rows come. */
static enum err receive_each(struct pg_conn *c, struct each_call *call)
{
    enum err e = ERR_OK;
    PGresult *r = NULL;

    for (; c->expect_at < c->expect_n; c->expect_at++) {
        const struct expect *x = &c->expects[c->expect_at];
        if (x->kind == EXPECT_ROWS)
            PQsetSingleRowMode(c->pg);
        for (;;) {
            enum err gone = next_result(c, what_of(c, x), clock_mono_us() + SILENCE_MAX_US, &r);
            if (gone != ERR_OK)
                return gone;
            if (!r && PQstatus(c->pg) == CONNECTION_BAD)
                return lose(c, what_of(c, x));
            if (!r)
                break;
            if (!is_fine(r)) {
                e = e == ERR_OK ? refused(c, x, r) : e;
                if (x->kind == EXPECT_PREPARE)
                    c->prepared[x->stmt] = false;
            } else if (x->kind == EXPECT_ROWS && e == ERR_OK) {
                e = take_each(c, x, r, call);
                if (e != ERR_OK) { /* the rest need not be sent */
                    PQclear(r);
                    too_late(c, "stopped");
                    return e;
                }
            }
            PQclear(r);
        }
    }
    enum err gone = next_result(c, "sync", clock_mono_us() + SILENCE_MAX_US, &r);
    if (gone != ERR_OK)
        return gone;
    PQclear(r);
    return e;
}

static enum err send_each(struct pg_conn *c, enum stmt stmt, const struct value *args)
{
    bool own = c->base.tx == TX_NONE;
    struct pg_params p;

    enum err e = own ? send_control(c, "BEGIN READ ONLY") : send_begin(c);
    if (e == ERR_OK && own)
        e = send_control(c, "SET LOCAL statement_timeout = 0");
    if (e == ERR_OK)
        e = pg_params_of_row(def_of(&c->base, stmt), args, &p);
    if (e == ERR_OK)
        e = send_stmt(c, rows_of(stmt, 0), &p);
    if (e == ERR_OK && own)
        e = send_control(c, "COMMIT");
    if (e == ERR_OK && !PQpipelineSync(c->pg))
        e = lose(c, "sync");
    if (e != ERR_OK && c->pg && c->expect_n)
        drop(c);
    return e;
}

static enum err pg_each(struct store_conn *base, enum stmt stmt, const struct value *args,
                        enum err (*fn)(void *user, const struct value *row, int32_t cols),
                        void *user, int64_t *ret_rows)
{
    struct pg_conn *c = of(base);
    struct each_call call = {.fn = fn, .user = user};
    int64_t until = answer_until(base->store, 0);

    enum err e = pg_catch_up(base, NULL);
    for (int attempt = 0; e == ERR_OK; attempt++) {
        call_starts(c);
        e = base->tx == TX_NONE || c->begin_pending ? ensure(c) : ERR_OK;
        if (e == ERR_OK && !c->pg)
            e = ERR_STORE_DOWN;
        if (e == ERR_OK)
            e = send_each(c, stmt, args);
        if (e == ERR_OK) {
            base->counts.round_trips++;
            e = receive_each(c, &call);
            if (e == ERR_OK)
                c->begin_pending = false;
        }
        e = leave_snapshot(c, e, until);
        if (e == ERR_OK || call.rows > 0 || !try_again(c, e, attempt, until))
            break;
        e = ERR_OK;
    }
    *ret_rows = call.rows;
    return e;
}

/* Writing */

static enum err take_write(struct pg_conn *c, const struct expect *x, const PGresult *r)
{
    struct bulk *b = x->bulk;
    char *tuples = PQcmdTuples((PGresult *)r);
    int64_t changed = 0;

    if (b->arena)
        return pg_copy_rows(b->arena, r, INT32_MAX, &b->given);
    if (*tuples && str_to_i64(str_from(tuples), &changed) != ERR_OK)
        changed = 0;
    b->changed += changed;
    if (!b->applied)
        return ERR_OK;
    if (x->row < 0)
        return pg_mark_applied(def_of(&c->base, x->stmt), b, r);
    b->applied[x->row] = changed > 0;
    return ERR_OK;
}

static enum err send_bulk(struct pg_conn *c, struct bulk *b)
{
    const struct stmt_def *def = def_of(&c->base, b->stmt);
    struct pg_params p;
    enum err e = ERR_OK;

    if (def->bulk) {
        e = pg_params_of_rows(&c->param, def, b->v, b->rows, &p);
        return e == ERR_OK ? send_stmt(c, bulk_of(b, -1), &p) : e;
    }
    for (int32_t row = 0; e == ERR_OK && row < b->rows; row++) {
        e = pg_params_of_row(def, b->v + (size_t)row * (size_t)b->cols, &p);
        if (e == ERR_OK)
            e = send_stmt(c, bulk_of(b, row), &p);
    }
    return e;
}

static enum err send_bulks(struct pg_conn *c, struct bulk *bulks, int32_t count)
{
    enum err e = ERR_OK;

    for (int32_t i = 0; e == ERR_OK && i < count; i++) {
        bulks[i].changed = 0;
        if (bulks[i].rows > 0)
            e = send_bulk(c, &bulks[i]);
    }
    return e;
}

static enum err pg_write(struct store_conn *base, struct bulk *bulks, int32_t count)
{
    struct pg_conn *c = of(base);
    int64_t until = answer_until(base->store, 0);

    for (int attempt = 0;; attempt++) {
        call_starts(c);
        enum err e = c->pg ? send_begin(c) : ERR_STORE_DOWN;
        if (e == ERR_OK)
            e = send_bulks(c, bulks, count);
        if (c->pg)
            e = exchange(c, e, until, NULL, NULL);
        params_trim(c);
        if (e == ERR_OK || !try_again(c, e, attempt, until))
            return e;
    }
}

/* Ahead */

/* Lets the server begin. `e`: of the sending. */
static enum err go_ahead(struct pg_conn *c, enum err e)
{
    if (e == ERR_OK && pg_flush(c->pg, answer_until(c->base.store, 0)) != ERR_OK)
        e = lose(c, "ahead");
    if (e != ERR_OK) {
        if (c->pg)
            drop(c); /* half a pipeline has been sent */
        return e;
    }
    if (!c->ahead_us)
        c->ahead_us = clock_mono_us();
    return ERR_OK;
}

/* A flush and no Sync: the server answers at once, and an error still ends all that follows. */
static enum err pg_write_ahead(struct store_conn *base, struct bulk *bulks, int32_t count)
{
    struct pg_conn *c = of(base);

    if (c->begin_pending || !c->pg)
        return pg_write(base, bulks, count); /* which knows how to begin anew */
    call_starts(c);
    enum err e = send_bulks(c, bulks, count);
    if (e == ERR_OK && !PQsendFlushRequest(c->pg))
        e = lose(c, "ahead");
    params_trim(c);
    return go_ahead(c, e);
}

static enum err pg_catch_up(struct store_conn *base, const struct bulk *last)
{
    struct pg_conn *c = of(base);
    int64_t until = answer_until(base->store, 0);
    enum err e = ERR_OK;

    if (!c->pg || c->expect_at == c->expect_n)
        return ERR_OK; /* a connection that was lost since is told of by the next call */
    c->again = c->lost = false;
    base->counts.round_trips++;
    for (bool met = !last; last && !met && e == ERR_OK; c->expect_at++) {
        const struct expect *x = &c->expects[c->expect_at];

        ASSERT(c->expect_at < c->expect_n);
        enum err gone = receive_one(c, x, until, &c->ahead_us, NULL, NULL, &e);
        if (gone != ERR_OK)
            return gone;
        met = x->bulk == last;
    }
    if (last && e == ERR_OK)
        return ERR_OK;
    return PQpipelineSync(c->pg) ? receive(c, e, until, NULL, NULL) : lose(c, "sync");
}

/* Transactions */

/* Makes the second session that goes with the present one. Where it cannot be had, or cannot vouch
 * for the first, commits are whole until the connection is made anew. */
static void renew_sync(struct pg_conn *c)
{
    struct pg_server server;
    PGconn *pg = NULL;
    char why[DETAIL_MAX];

    if (dial(c->base.store, &pg, &server, why) != ERR_OK)
        pg = NULL;
    if (pg &&
        !(server.direct && c->server.direct && strcmp(server.started, c->server.started) == 0)) {
        PQfinish(pg);
        pg = NULL;
    }
    c->synced_session = c->session;
    pg_sync_renew(&c->sync, pg);
    if (pg && pg_sync_run(&c->sync, c->sync.mark, answer_until(c->base.store, 0), why) != ERR_OK)
        pg_sync_renew(&c->sync, NULL);
}

/* Before a commit: the second session has to be there first. */
static void keep_sync(struct pg_conn *c)
{
    if (c->split && (c->synced_session != c->session || atomic_load(&c->sync.broken)))
        renew_sync(c);
}

static enum err pg_split(struct store_conn *base, bool *ret_split)
{
    struct pg_conn *c = of(base);

    c->split = true;
    renew_sync(c);
    *ret_split = c->split = c->sync.pg != NULL;
    return ERR_OK;
}

/* BEGIN travels with the first statements; here only the connection is made if it is gone. */
static enum err pg_begin(struct store_conn *base)
{
    struct pg_conn *c = of(base);

    call_starts(c);
    enum err e = ensure(c);
    if (e == ERR_OK)
        keep_sync(c);
    c->begin_pending = e == ERR_OK;
    return e;
}

/* When the connection breaks here, nobody knows whether the commit happened; the caller is told
 * ERR_STORE_DOWN and repeats, which ids and upserts make harmless. */
static enum err pg_commit(struct store_conn *base)
{
    struct pg_conn *c = of(base);

    ASSERT(!c->committing);
    if (c->begin_pending) { /* nothing was done */
        c->begin_pending = false;
        return ERR_OK;
    }
    call_starts(c);
    if (!c->pg)
        return ERR_STORE_DOWN;
    return exchange(c, send_control(c, "COMMIT"), answer_until(base->store, 0), NULL, NULL);
}

static enum err send_commit(struct pg_conn *c)
{
    enum err e = ERR_OK;

    call_starts(c);
    if (c->sync.pg)
        e = send_control(c, "SET LOCAL synchronous_commit = off");
    return e == ERR_OK ? send_control(c, "COMMIT") : e;
}

static void pg_commit_ahead(struct store_conn *base)
{
    struct pg_conn *c = of(base);

    keep_sync(c); /* the connection may be another one since pg_begin() */
    base->commit_mark = c->sync.mark;
    if (c->begin_pending || !c->pg)
        return;
    enum err e = send_commit(c);
    if (e == ERR_OK && !PQpipelineSync(c->pg))
        e = lose(c, "sync");
    go_ahead(c, e);
    c->committing = true; /* or has failed, which is told when one waits for it */
}

static enum err pg_commit_unsynced(struct store_conn *base)
{
    struct pg_conn *c = of(base);
    int64_t until = answer_until(base->store, 0);

    if (c->committing) {
        c->committing = false;
        base->counts.round_trips++;
        return c->pg ? receive(c, ERR_OK, until, NULL, NULL) : ERR_STORE_DOWN;
    }
    keep_sync(c);
    base->commit_mark = c->sync.mark;
    if (c->begin_pending || !c->pg)
        return pg_commit(base);
    return exchange(c, send_commit(c), until, NULL, NULL);
}

static enum err pg_sync(struct store_conn *base, int64_t mark, char *ret_detail)
{
    struct pg_conn *c = of(base);

    return c->split ? pg_sync_run(&c->sync, mark, answer_until(base->store, 0), ret_detail)
                    : ERR_OK;
}

static void pg_rollback(struct store_conn *base)
{
    struct pg_conn *c = of(base);

    int64_t until = answer_until(base->store, 0);
    bool nothing = !c->pg || (c->begin_pending && PQtransactionStatus(c->pg) == PQTRANS_IDLE);
    c->begin_pending = c->committing = false;
    if (nothing)
        return;
    char detail[DETAIL_MAX]; /* the reason for the rollback matters more than its own trouble */
    memcpy(detail, base->detail, sizeof detail);
    if (c->expect_at < c->expect_n && PQpipelineSync(c->pg)) /* nothing of it is wanted any more */
        (void)receive(c, ERR_CONFLICT, until, NULL, NULL);
    call_starts(c);
    enum err e = c->pg ? exchange(c, send_control(c, "ROLLBACK"), until, NULL, NULL) : ERR_OK;
    memcpy(base->detail, detail, sizeof detail);
    if (e != ERR_OK && c->pg)
        drop(c);
}

static void pg_checkpoint(struct store_conn *base, bool truncate)
{
    (void)base, (void)truncate; /* the server's own business */
}

static enum err pg_backup(struct store *s, const char *path, char *ret_detail)
{
    (void)s, (void)path;
    store_detail_set(ret_detail, "PostgreSQL is backed up with its own tools (pg_dump)");
    return ERR_NOT_IMPLEMENTED;
}

/* Migrations and plans: simple statements, outside of pipeline mode (a pipeline cannot take several
 * statements in one text). */

typedef enum err line_fn(void *user, const PGresult *r);

static enum err simple(struct pg_conn *c, const char *sql, line_fn *take, void *user)
{
    static const struct expect control = {.kind = EXPECT_CONTROL};
    enum err e = ERR_OK;
    PGresult *r = NULL;

    call_starts(c);
    if (!c->pg)
        return ERR_STORE_DOWN;
    if (!PQexitPipelineMode(c->pg) || !PQsendQuery(c->pg, sql))
        return lose(c, "statement");
    for (;;) {
        enum err gone = next_result(c, "statement", clock_mono_us() + SILENCE_MAX_US, &r);
        if (gone != ERR_OK)
            return gone;
        if (!r)
            break;
        if (!is_fine(r))
            e = e == ERR_OK ? refused(c, &control, r) : e;
        else if (take && e == ERR_OK)
            e = take(user, r);
        PQclear(r);
    }
    if (PQstatus(c->pg) == CONNECTION_BAD || !PQenterPipelineMode(c->pg))
        return lose(c, "statement");
    return e;
}

static enum err pg_script(struct store_conn *base, const char *sql)
{
    return simple(of(base), sql, NULL, NULL);
}

static enum err take_scalar(void *user, const PGresult *r)
{
    if (PQntuples(r) != 1 || PQnfields(r) != 1)
        return ERR_NOT_FOUND;
    return str_to_i64(str_from(PQgetvalue(r, 0, 0)), user);
}

static enum err pg_scalar(struct store_conn *base, const char *sql, int64_t *ret)
{
    return simple(of(base), sql, take_scalar, ret);
}

struct plan {
    struct arena *arena;
    struct str text;
};

static enum err take_plan(void *user, const PGresult *r)
{
    struct plan *plan = user;

    for (int i = 0; i < PQntuples(r) && plan->text.p; i++)
        plan->text =
            arena_printf(plan->arena, STR_FMT "%s\n", STR_ARG(plan->text), PQgetvalue(r, i, 0));
    return plan->text.p ? ERR_OK : ERR_NOMEM;
}

/* The generic plan, as it will be used again and again. Arguments must not be NULL: the server
 * would prune every partition and show nothing. */
static enum err pg_explain(struct store_conn *base, enum stmt stmt, struct arena *arena,
                           struct str *ret)
{
    static const char *const names[] = {
        [V_INT] = "bigint", [V_REAL] = "double precision", [V_TEXT] = "text", [V_BLOB] = "bytea"};
    struct pg_conn *c = of(base);
    const struct stmt_def *def = def_of(base, stmt);
    struct plan plan = {.arena = arena, .text = STR("")};
    struct str types = STR(""), values = STR("");

    for (int i = 0; i < def->arg_count && types.p && values.p; i++) {
        const char *comma = i ? ", " : "";
        types = arena_printf(arena, STR_FMT "%s%s%s", STR_ARG(types), comma, names[def->args[i]],
                             def->bulk ? "[]" : "");
        values =
            arena_printf(arena, STR_FMT "%s'%s'", STR_ARG(values), comma, def->bulk ? "{1}" : "1");
    }
    if (!types.p || !values.p)
        return ERR_NOMEM;
    bool any = def->arg_count > 0;
    struct str sql = arena_printf(arena,
                                  "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan;"
                                  "PREPARE to_explain%s" STR_FMT "%s AS %s",
                                  any ? " (" : "", STR_ARG(types), any ? ")" : "", def->postgres);
    struct str explain = arena_printf(arena, "EXPLAIN EXECUTE to_explain%s" STR_FMT "%s",
                                      any ? " (" : "", STR_ARG(values), any ? ")" : "");
    if (!sql.p || !explain.p)
        return ERR_NOMEM;
    enum err e = ensure(c);
    if (e == ERR_OK)
        e = simple(c, sql.p, NULL, NULL);
    if (e == ERR_OK)
        e = simple(c, explain.p, take_plan, &plan);
    if (e == ERR_OK)
        e = simple(c, "DEALLOCATE to_explain; COMMIT", NULL, NULL);
    if (e != ERR_OK && c->pg)
        drop(c);
    if (e == ERR_OK)
        *ret = plan.text;
    return e;
}

const struct engine_ops store_postgres_ops = {
    .probe = pg_probe,
    .connect = pg_connect,
    .disconnect = pg_disconnect,
    .read = pg_read,
    .each = pg_each,
    .write = pg_write,
    .write_ahead = pg_write_ahead,
    .catch_up = pg_catch_up,
    .read_bulk = pg_read_bulk,
    .begin = pg_begin,
    .commit = pg_commit,
    .split = pg_split,
    .commit_ahead = pg_commit_ahead,
    .commit_unsynced = pg_commit_unsynced,
    .sync = pg_sync,
    .rollback = pg_rollback,
    .checkpoint = pg_checkpoint,
    .backup = pg_backup,
    .explain = pg_explain,
    .script = pg_script,
    .scalar = pg_scalar,
};
