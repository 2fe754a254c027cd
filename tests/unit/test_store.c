/* The store, on SQLite always and on PostgreSQL when DOPPEL_TEST_POSTGRES holds a URL. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/catalog.h"
#include "test_statements.h"

#include <dirent.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct catalog test_catalog;

#define S(name) ((enum stmt)TEST_##name)
#define OK(call) assert_int_equal((call), ERR_OK)

struct fixture {
    enum store_engine engine;
    const char *server; /* PostgreSQL's URL */
    char dir[64], schema[32];
    char url[1024];
    struct store_options options;
    struct store *store;
    struct store_conn *writer, *reader;
    struct arena arena;
};

static char detail[300];

static void quiet(void *user, const char *message)
{
    (void)user;
    (void)message;
}

static void on_server(const char *url, const char *sql)
{
    PGconn *pg = PQconnectdb(url);

    PQsetNoticeProcessor(pg, quiet, NULL);
    PGresult *r = PQexec(pg, sql);

    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pg));
    PQclear(r);
    PQfinish(pg);
}

static void place_make(struct fixture *f)
{
    static int n;

    snprintf(f->dir, sizeof f->dir, "/tmp/doppel-store.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    if (f->engine == STORE_SQLITE) {
        snprintf(f->url, sizeof f->url, "sqlite:%s/doppel.db", f->dir);
    } else {
        char sql[100];
        snprintf(f->schema, sizeof f->schema, "store_%d_%d", (int)getpid(), n++);
        snprintf(sql, sizeof sql, "CREATE SCHEMA %s", f->schema);
        on_server(f->server, sql);
        snprintf(f->url, sizeof f->url, "%s%coptions=-csearch_path%%3D%s", f->server,
                 strchr(f->server, '?') ? '&' : '?', f->schema);
    }
    f->options = (struct store_options){
        .url = str_from(f->url),
        .busy_timeout_ms = 2000,
        .connect_timeout_ms = 3000,
        .statement_timeout_ms = 10000,
        .sqlite_cache_kib = 1024,
        .sqlite_checkpoint_pages = 4000,
    };
}

static int setup(void **state)
{
    struct fixture *f = *state;
    int32_t from = -1, to = -1;

    place_make(f);
    arena_init(&f->arena, 64u << 20);
    OK(store_open_catalog(&f->options, &test_catalog, &f->store, detail));
    OK(store_migrate(f->store, &from, &to, detail));
    assert_int_equal(from, 0);
    assert_int_equal(to, 2);
    OK(store_connect(f->store, STORE_WRITER, &f->writer));
    OK(store_connect(f->store, STORE_READER, &f->reader));
    return 0;
}

static void place_remove(struct fixture *f)
{
    char path[512], sql[100];
    struct dirent *entry;
    DIR *d = opendir(f->dir);

    while (d && (entry = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", f->dir, entry->d_name);
        unlink(path);
    }
    closedir(d);
    rmdir(f->dir);
    if (f->engine == STORE_POSTGRES) {
        snprintf(sql, sizeof sql, "DROP SCHEMA %s CASCADE", f->schema);
        on_server(f->server, sql);
    }
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_disconnect(f->reader);
    store_disconnect(f->writer);
    store_close(f->store);
    f->store = NULL;
    f->reader = f->writer = NULL;
    arena_fini(&f->arena);
    place_remove(f);
    return 0;
}

/* Small helpers */

static const struct rows *read_one(struct fixture *f, struct store_conn *c, enum stmt stmt,
                                   const struct value *args, int32_t n)
{
    static struct query q;

    q = (struct query){.stmt = stmt, .args = args, .arg_count = n};
    OK(store_read(c, &f->arena, &q, 1, 0));
    return &q.rows;
}

static int64_t read_int(struct fixture *f, enum stmt stmt, const struct value *args, int32_t n)
{
    const struct rows *r = read_one(f, f->reader, stmt, args, n);

    assert_int_equal(r->count, 1);
    return value_i64(&r->v[0], -1);
}

static enum err write_one(struct store_conn *c, enum stmt stmt, const struct value *v, int32_t rows,
                          int32_t cols, bool *applied, int64_t *changed)
{
    struct bulk b = {.stmt = stmt, .rows = rows, .cols = cols, .v = v, .applied = applied};
    enum err e = store_write(c, &b, 1);

    if (changed)
        *changed = b.changed;
    return e;
}

static void store_one(struct fixture *f, enum stmt stmt, const struct value *v, int32_t rows,
                      int32_t cols)
{
    OK(store_begin(f->writer));
    OK(write_one(f->writer, stmt, v, rows, cols, NULL, NULL));
    OK(store_commit(f->writer));
}

/* Tests of both engines */

static void migrates_once(void **state)
{
    struct fixture *f = *state;
    int32_t from = -1, to = -1;

    store_disconnect(f->writer);
    OK(store_migrate(f->store, &from, &to, detail));
    assert_int_equal(from, 2);
    assert_int_equal(to, 2);
    OK(store_schema(f->store, &from, &to));
    assert_int_equal(from, 2);
    assert_int_equal(to, 2);
    OK(store_connect(f->store, STORE_WRITER, &f->writer));
}

static void keeps_every_value(void **state)
{
    struct fixture *f = *state;
    const struct value rows[] = {
        V_I(1),
        V_S(STR("a")),
        V_I(INT64_MIN),
        V_D(-0.0),
        V_S(STR("")),
        V_B(STR("")),
        V_I(1),
        V_S(STR("b")),
        V_I(INT64_MAX),
        V_D(1e308),
        V_S(STR("zwölf 🙂 '; --")),
        V_B(STR("\0\1\xff")),
        V_I(1),
        V_S(STR("c")),
        V_N,
        V_N,
        V_N,
        V_N,
        V_I(1),
        V_S(STR("d")),
        V_I(0),
        V_I(7),
        V_S(STR("x")),
        V_B(STR("y")),
        V_I(1),
        V_S(STR("e")),
        V_I(-1),
        V_D(NAN),
        V_S(STR("x")),
        V_B(STR("y")),
        V_I(1),
        V_S(STR("Z")),
        V_I(-1),
        V_D(5e-324),
        V_S(STR("x")),
        V_B(STR("y")),
    };

    store_one(f, S(THINGS_PUT), rows, 6, 6);
    const struct rows *r = read_one(f, f->reader, S(THINGS_OF), (struct value[]){V_I(1)}, 1);
    assert_int_equal(r->count, 6);
    assert_int_equal(r->cols, 5);
    assert_false(r->more);
    assert_true(str_eq(value_str(&row_at(r, 0)[0]), STR("Z"))); /* bytewise order */
    assert_true(value_f64(&row_at(r, 0)[2], 0) == 5e-324);

    const struct value *a = row_at(r, 1);
    assert_int_equal(a[1].i, INT64_MIN);
    assert_true(a[2].type == V_REAL && a[2].d == 0);
    assert_true(a[3].type == V_TEXT && a[3].s.p && a[3].s.n == 0);
    assert_true(a[4].type == V_BLOB && a[4].s.p && a[4].s.n == 0);
    const struct value *b = row_at(r, 2);
    assert_int_equal(b[1].i, INT64_MAX);
    assert_true(b[2].d == 1e308);
    assert_true(str_eq(b[3].s, STR("zwölf 🙂 '; --")));
    assert_true(b[4].type == V_BLOB && str_eq(b[4].s, STR("\0\1\xff")));
    const struct value *none = row_at(r, 3);
    for (int i = 1; i < 5; i++)
        assert_int_equal(none[i].type, V_NULL);
    assert_int_equal(value_i64(&none[1], 42), 42);
    assert_null(value_str(&none[3]).p);
    assert_true(value_f64(&row_at(r, 4)[2], 0) == 7); /* an integer where a real is wanted */
    assert_int_equal(row_at(r, 5)[2].type, V_NULL);   /* not a number is no number */
}

static void gives_back_arguments(void **state)
{
    struct fixture *f = *state;
    const struct value args[] = {V_I(-5), V_D(0.1), V_S(STR("t")), V_B(STR("b"))};
    const struct rows *r = read_one(f, f->reader, S(MIRROR), args, 4);

    assert_int_equal(r->v[0].i, -5);
    assert_true(r->v[1].d == 0.1);
    assert_true(str_eq(r->v[2].s, STR("t")));
    assert_true(str_eq(r->v[3].s, STR("b")));
    assert_int_equal(r->v[4].type, V_NULL);
}

static void sums_are_integers_and_averages_reals(void **state)
{
    struct fixture *f = *state;
    const struct value rows[] = {V_I(1), V_I(1), V_I(10000), V_I(1), V_I(2), V_I(20001)};
    static const int64_t sums[][2] = {{0, 0},         {4611686018427387904, 4611686018427387903},
                                      {-1, 0},        {-9999, -1},
                                      {10000, 0},     {123456789012, 1},
                                      {INT64_MIN, 0}, {100000000, 0}};

    store_one(f, S(COUNTERS_ADD), rows, 2, 3);
    const struct rows *r = read_one(f, f->reader, S(COUNTERS_SUM), (struct value[]){V_I(1)}, 1);
    assert_int_equal(r->v[0].i, 2);
    assert_true(r->v[1].type == V_INT && r->v[1].i == 30001);
    assert_true(r->v[2].type == V_REAL && fabs(r->v[2].d - 15000.5) < 1e-9);
    assert_int_equal(r->v[3].i, 20001);
    r = read_one(f, f->reader, S(COUNTERS_SUM), (struct value[]){V_I(2)}, 1);
    assert_int_equal(r->v[0].i, 0);
    assert_int_equal(r->v[1].type, V_NULL);
    for (size_t i = 0; i < COUNT(sums); i++)
        assert_int_equal(
            read_int(f, S(BIG_SUM), (struct value[]){V_I(sums[i][0]), V_I(sums[i][1])}, 2),
            sums[i][0] + sums[i][1]);
}

static void tells_which_rows_applied(void **state)
{
    struct fixture *f = *state;
    enum { N = 500 };
    static struct value v[N * 6];
    static char ids[N][8];
    static bool applied[N];
    int64_t changed = -1;

    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof ids[i], "i%d", i);
        memcpy(&v[i * 6],
               (struct value[]){V_I(i % 7), V_S(str_from(ids[i])), V_I(i), V_N, V_N, V_N},
               6 * sizeof *v);
    }
    for (int i = 0; i < N; i += 3) /* a third is there already */
        store_one(f, S(THINGS_PUT), &v[i * 6], 1, 6);
    OK(store_begin(f->writer));
    OK(write_one(f->writer, S(THINGS_PUT), v, N, 6, applied, &changed));
    OK(store_commit(f->writer));
    for (int i = 0; i < N; i++)
        assert_int_equal(applied[i], i % 3 != 0);
    assert_int_equal(changed, N - (N + 2) / 3);

    OK(store_begin(f->writer));
    OK(write_one(f->writer, S(THINGS_PUT), v, N, 6, applied, &changed));
    OK(store_commit(f->writer));
    assert_int_equal(changed, 0);
    for (int i = 0; i < N; i++)
        assert_false(applied[i]);
}

static void adds_and_changes_in_bulk(void **state)
{
    struct fixture *f = *state;
    const struct value add[] = {V_I(1), V_I(1), V_I(5), V_I(1), V_I(2),
                                V_N,    V_I(2), V_I(1), V_I(9)};
    const struct value set[] = {V_I(1), V_I(1), V_I(10), V_I(1), V_I(9),
                                V_I(1), V_I(2), V_I(1),  V_I(3)};
    bool applied[3] = {false, true, false};
    int64_t changed = 0;

    store_one(f, S(COUNTERS_ADD), add, 3, 3);
    OK(store_begin(f->writer));
    OK(write_one(f->writer, S(COUNTERS_ADD), add, 3, 3, applied, &changed));
    assert_int_equal(changed, 3);
    assert_true(applied[0] && applied[1] && applied[2]);
    OK(write_one(f->writer, S(COUNTERS_SET), set, 3, 3, applied, &changed));
    OK(store_commit(f->writer));
    assert_int_equal(changed, 1);
    assert_false(applied[0]); /* has the value already: 5 + 5 */
    assert_false(applied[1]); /* is not there */
    assert_true(applied[2]);
}

static void reads_many_keys(void **state)
{
    struct fixture *f = *state;
    const struct value rows[] = {V_I(1), V_S(STR("a")), V_I(10), V_N, V_N, V_N,
                                 V_I(2), V_S(STR("b")), V_I(20), V_N, V_N, V_N};
    const struct value keys[] = {V_I(2),        V_S(STR("b")), V_I(1),
                                 V_S(STR("b")), V_I(1),        V_S(STR("a"))};
    struct rows r;
    int64_t sum = 0;

    OK(store_begin(f->writer));
    OK(store_read_bulk(f->writer, &f->arena, S(THINGS_OF_KEYS), keys, 3, 2, &r));
    assert_int_equal(r.count, 0);
    OK(write_one(f->writer, S(THINGS_PUT), rows, 2, 6, NULL, NULL));
    OK(store_read_bulk(f->writer, &f->arena, S(THINGS_OF_KEYS), keys, 3, 2, &r)); /* its own rows */
    OK(store_commit(f->writer));
    OK(store_read_bulk(f->reader, &f->arena, S(THINGS_OF_KEYS), keys, 3, 2, &r));
    assert_int_equal(r.count, 2);
    for (int32_t i = 0; i < r.count; i++)
        sum += row_at(&r, i)[2].i * row_at(&r, i)[0].i;
    assert_int_equal(sum, 50);
    OK(store_read_bulk(f->reader, &f->arena, S(THINGS_OF_KEYS), keys, 0, 2, &r));
    assert_int_equal(r.count, 0);

    int64_t changed = 0;
    OK(store_begin(f->writer));
    OK(write_one(f->writer, S(THINGS_DROP), keys, 3, 2, NULL, &changed));
    OK(store_commit(f->writer));
    assert_int_equal(changed, 2);
}

static int32_t counters(struct fixture *f, int64_t learner, int64_t *ret_sum)
{
    const struct value who = V_I(learner);
    const struct rows *r = read_one(f, f->reader, S(COUNTERS_SUM), &who, 1);

    *ret_sum = value_i64(&r->v[1], 0);
    return (int32_t)r->v[0].i;
}

/* Whatever a step takes at once: every number of rows goes the same way as one by one. */
static void any_number_of_rows_goes_in_and_comes_back(void **state)
{
    enum { MOST = 35 };
    struct fixture *f = *state;
    struct value add[MOST * 3], things[MOST * 6], keys[MOST * 2];
    struct rows r;
    int64_t sum, changed;

    for (int32_t n = 1; n <= MOST; n++) {
        char ids[MOST][16];
        for (int32_t i = 0; i < n; i++) {
            memcpy(&add[i * 3], (struct value[]){V_I(n), V_I(i), i % 3 ? V_I(i) : V_N},
                   3 * sizeof *add);
            snprintf(ids[i], sizeof ids[i], "t%d", (int)i);
            struct value id = V_S(str_from(ids[i]));
            memcpy(&things[i * 6],
                   (struct value[]){V_I(n), id, V_I(i * i), i % 2 ? V_D(i) : V_N, id, V_N},
                   6 * sizeof *things);
            keys[i * 2] = V_I(n);
            keys[i * 2 + 1] = i % 5 ? id : V_S(STR("absent"));
        }
        OK(store_begin(f->writer));
        for (int32_t twice = 0; twice < 2; twice++) {
            OK(write_one(f->writer, S(COUNTERS_ADD), add, n, 3, NULL, &changed));
            assert_int_equal(changed, n);
        }
        OK(write_one(f->writer, S(THINGS_PUT), things, n, 6, NULL, &changed));
        assert_int_equal(changed, n);
        OK(store_commit(f->writer));
        int64_t right = 0, squares = 0;
        for (int32_t i = 0; i < n; i++) {
            right += i % 3 ? 2 * i : 0;
            squares += i % 5 ? i * i : 0;
        }
        assert_int_equal(counters(f, n, &sum), n);
        assert_int_equal(sum, right);
        OK(store_read_bulk(f->reader, &f->arena, S(THINGS_OF_KEYS), keys, n, 2, &r));
        assert_int_equal(r.count, n - (n + 4) / 5);
        sum = 0;
        for (int32_t i = 0; i < r.count; i++)
            sum += row_at(&r, i)[2].i;
        assert_int_equal(sum, squares);
    }
}

/* The last of a step's rows is bad: of the others, too, nothing is left. */
static void a_bad_row_among_many_takes_all_away(void **state)
{
    struct fixture *f = *state;
    struct value add[9 * 3];
    int64_t sum, changed;

    for (int32_t i = 0; i < 9; i++)
        memcpy(&add[i * 3], (struct value[]){V_I(1), i == 7 ? V_N : V_I(i), V_I(1)},
               3 * sizeof *add);
    OK(store_begin(f->writer));
    assert_int_equal(write_one(f->writer, S(COUNTERS_ADD), add, 9, 3, NULL, &changed), ERR_RANGE);
    store_rollback(f->writer);
    assert_int_equal(counters(f, 1, &sum), 0);
}

static void inserts_and_returns(void **state)
{
    struct fixture *f = *state;
    const struct value names[] = {V_S(STR("ada")), V_S(STR("bob"))};
    struct rows r;

    OK(store_begin(f->writer));
    OK(store_read_bulk(f->writer, &f->arena, S(NAMES_PUT), names, 1, 1, &r));
    assert_int_equal(r.count, 1);
    int64_t ada = r.v[0].i;
    OK(store_read_bulk(f->writer, &f->arena, S(NAMES_PUT), names, 2, 1, &r));
    assert_int_equal(r.count, 1);
    assert_true(r.v[0].i > ada);
    assert_true(str_eq(r.v[1].s, STR("bob")));
    OK(store_commit(f->writer));
    assert_int_equal(read_one(f, f->reader, S(NAMES_ALL), NULL, 0)->count, 2);
}

static void cuts_at_rows_max(void **state)
{
    struct fixture *f = *state;
    const struct value n = V_I(50);
    struct query q[] = {{.stmt = S(SERIES), .args = &n, .arg_count = 1, .rows_max = 20},
                        {.stmt = S(SERIES), .args = &n, .arg_count = 1, .rows_max = 50}};

    OK(store_read(f->reader, &f->arena, q, 2, 0));
    assert_int_equal(q[0].rows.count, 20);
    assert_true(q[0].rows.more);
    assert_int_equal(q[1].rows.count, 50);
    assert_false(q[1].rows.more);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(row_at(&q[1].rows, i)[0].i, i + 1);
        assert_true(str_eq(row_at(&q[1].rows, i)[1].s, STR("row")));
    }
}

static void respects_the_arena(void **state)
{
    struct fixture *f = *state;
    const struct value n = V_I(2000);
    struct query q = {.stmt = S(SERIES), .args = &n, .arg_count = 1};
    struct arena small;

    arena_init(&small, 4096);
    assert_int_equal(store_read(f->reader, &small, &q, 1, 0), ERR_NOMEM);
    arena_fini(&small);
    OK(store_read(f->reader, &f->arena, &q, 1, 0)); /* the connection is as good as before */
    assert_int_equal(q.rows.count, 2000);
}

static enum err sum_rows(void *user, const struct value *row, int32_t cols)
{
    int64_t *sum = user;

    assert_int_equal(cols, 2);
    assert_true(str_eq(row[1].s, STR("row")));
    *sum += row[0].i;
    return *sum >= 1000000000 ? ERR_CANCELLED : ERR_OK;
}

static void gives_row_by_row(void **state)
{
    struct fixture *f = *state;
    int64_t sum = 0;

    OK(store_each(f->reader, S(SERIES), (struct value[]){V_I(10000)}, 1, sum_rows, &sum));
    assert_int_equal(sum, 50005000);
    sum = 999999000; /* stops in the middle */
    assert_int_equal(
        store_each(f->reader, S(SERIES), (struct value[]){V_I(10000)}, 1, sum_rows, &sum),
        ERR_CANCELLED);
    assert_true(sum < 1000001000);
    sum = 0;
    OK(store_begin(f->writer));
    OK(store_each(f->writer, S(SERIES), (struct value[]){V_I(10)}, 1, sum_rows, &sum));
    OK(store_commit(f->writer));
    assert_int_equal(sum, 55);
}

static void keeps_out_what_is_not_text(void **state)
{
    struct fixture *f = *state;
    const struct str bad[] = {{"a\0b", 3}, {"\xff", 1}, {"\xed\xa0\x80", 3}, {"a\xc0\x80", 3}};

    for (size_t i = 0; i < COUNT(bad); i++) {
        const struct value args[] = {V_I(1), V_D(1), V_S(bad[i]), V_N};
        const struct value row[] = {V_I(1), V_S(bad[i]), V_N, V_N, V_N, V_N};
        struct query q = {.stmt = S(MIRROR), .args = args, .arg_count = 4};

        assert_int_equal(store_read(f->reader, &f->arena, &q, 1, 0), ERR_RANGE);
        assert_string_not_equal(store_conn_detail(f->reader), "");
        OK(store_begin(f->writer));
        assert_int_equal(write_one(f->writer, S(THINGS_PUT), row, 1, 6, NULL, NULL), ERR_RANGE);
        store_rollback(f->writer);
    }
    assert_int_equal(read_one(f, f->reader, S(THINGS_OF), (struct value[]){V_I(1)}, 1)->count, 0);
}

static void a_failed_write_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    const struct value good[] = {V_I(1), V_I(1), V_I(5)};
    const struct value negative[] = {V_I(1), V_I(2), V_I(1), V_I(1), V_I(3), V_I(-5)};
    const struct value orphan[] = {V_I(12345), V_I(1)};
    const struct value null_key[] = {V_N, V_I(1), V_I(1)};

    OK(store_begin(f->writer));
    OK(write_one(f->writer, S(COUNTERS_ADD), good, 1, 3, NULL, NULL));
    assert_int_equal(write_one(f->writer, S(COUNTERS_ADD), negative, 2, 3, NULL, NULL), ERR_RANGE);
    assert_string_not_equal(store_conn_detail(f->writer), "");
    store_rollback(f->writer);
    assert_int_equal(read_int(f, S(COUNTERS_SUM), (struct value[]){V_I(1)}, 1), 0);

    OK(store_begin(f->writer));
    assert_int_equal(write_one(f->writer, S(COUNTERS_ADD), null_key, 1, 3, NULL, NULL), ERR_RANGE);
    store_rollback(f->writer);
    OK(store_begin(f->writer));
    assert_int_equal(write_one(f->writer, S(NOTES_PUT), orphan, 1, 2, NULL, NULL), ERR_CONFLICT);
    store_rollback(f->writer);

    OK(store_begin(f->writer)); /* said by the caller: also nothing */
    OK(write_one(f->writer, S(COUNTERS_ADD), good, 1, 3, NULL, NULL));
    store_rollback(f->writer);
    assert_int_equal(read_int(f, S(COUNTERS_SUM), (struct value[]){V_I(1)}, 1), 0);
    store_one(f, S(COUNTERS_ADD), good, 1, 3);
    assert_int_equal(read_int(f, S(COUNTERS_SUM), (struct value[]){V_I(1)}, 1), 1);
}

/* What goes ahead comes in order, is read back among it, and is seen by the next call. */
static void writes_ahead_of_the_answers(void **state)
{
    struct fixture *f = *state;
    const struct value row[] = {V_I(1), V_S(STR("a")), V_I(10), V_N, V_N, V_N};
    const struct value add[] = {V_I(1), V_I(1), V_I(5)}, one[] = {V_I(1)};
    bool applied[1] = {false};
    struct bulk put = {.stmt = S(THINGS_PUT), .rows = 1, .cols = 6, .v = row, .applied = applied};
    struct bulk ask = {
        .stmt = S(THINGS_OF_KEYS), .rows = 1, .cols = 2, .v = row, .arena = &f->arena};
    struct bulk adds[2];
    struct rows r;

    for (int i = 0; i < 2; i++)
        adds[i] = (struct bulk){.stmt = S(COUNTERS_ADD), .rows = 1, .cols = 3, .v = add};
    OK(store_begin(f->writer));
    OK(store_write_ahead(f->writer, &put, 1)); /* begins, too */
    OK(store_write_ahead(f->writer, &ask, 1));
    OK(store_write_ahead(f->writer, adds, 2));
    OK(store_catch_up(f->writer, &ask));
    assert_true(applied[0]);
    assert_int_equal(ask.given.count, 1);
    assert_int_equal(ask.given.v[2].i, 10);
    OK(store_read_bulk(f->writer, &f->arena, S(THINGS_OF_KEYS), row, 1, 2, &r));
    assert_int_equal(r.count, 1);
    assert_int_equal(adds[0].changed + adds[1].changed, 2);
    OK(store_write_ahead(f->writer, adds, 1));
    OK(store_catch_up(f->writer, NULL));
    OK(store_catch_up(f->writer, NULL)); /* there is nothing more */
    OK(store_write_ahead(f->writer, adds, 1));
    store_commit_ahead(f->writer);
    OK(store_commit_unsynced(f->writer));
    assert_int_equal(adds[0].changed, 1);
    assert_int_equal(read_one(f, f->reader, S(COUNTERS_SUM), one, 1)->v[1].i, 20);
}

static enum err commit_ahead(struct store_conn *c)
{
    store_commit_ahead(c);
    return store_commit_unsynced(c);
}

/* Wherever an error shows, nothing of the transaction is kept, and the next one knows nothing of
 * it. */
static void an_error_ahead_takes_all_away(void **state)
{
    struct fixture *f = *state;
    const struct value good[] = {V_I(1), V_I(1), V_I(5)}, orphan[] = {V_I(12345), V_I(1)};
    const struct value *one = good;
    struct bulk first = {.stmt = S(COUNTERS_ADD), .rows = 1, .cols = 3, .v = good};
    struct bulk bad = {.stmt = S(NOTES_PUT), .rows = 1, .cols = 2, .v = orphan}, last = first;

    for (int how = 0; how < 4; how++) {
        OK(store_begin(f->writer));
        OK(store_write(f->writer, &first, 1));
        enum err e = store_write_ahead(f->writer, &bad, 1);
        if (e == ERR_OK && how < 3) /* how 3: nobody asks */
            e = store_write_ahead(f->writer, &last, 1);
        if (e == ERR_OK && how < 3)
            e = how == 0   ? store_catch_up(f->writer, &last)
                : how == 1 ? store_write(f->writer, &last, 1)
                           : commit_ahead(f->writer);
        assert_int_equal(e, how < 3 || !store_goes_ahead(f->writer) ? ERR_CONFLICT : ERR_OK);
        store_rollback(f->writer);
        assert_int_equal(read_int(f, S(COUNTERS_SUM), one, 1), 0);
    }
    store_one(f, S(COUNTERS_ADD), good, 1, 3);
    assert_int_equal(read_int(f, S(COUNTERS_SUM), one, 1), 1);
}

static void writes_single_rows_too(void **state)
{
    struct fixture *f = *state;
    const struct value add[] = {V_I(1), V_I(1), V_I(5), V_I(1), V_I(2), V_I(6)};
    const struct value set[] = {V_I(1),  V_I(1), V_I(50), V_I(1), V_I(2),
                                V_I(60), V_I(1), V_I(3),  V_I(70)};
    int64_t changed = 0;

    store_one(f, S(COUNTERS_ADD), add, 2, 3);
    OK(store_begin(f->writer));
    OK(write_one(f->writer, S(COUNTER_ONE_SET), set, 3, 3, NULL, &changed));
    OK(store_commit(f->writer));
    assert_int_equal(changed, 2);
    assert_int_equal(read_one(f, f->reader, S(COUNTERS_SUM), set, 1)->v[1].i, 110);
}

static void counts_round_trips(void **state)
{
    struct fixture *f = *state;
    const struct value key = V_I(1), row[] = {V_I(1), V_I(1), V_I(5)};
    struct query q[3];
    struct bulk b[2];
    struct stmt_stats before, after;

    store_stmt_stats(f->store, S(THINGS_OF), &before);
    store_counts_take(f->reader);
    store_counts_take(f->writer);
    for (int i = 0; i < 3; i++)
        q[i] = (struct query){
            .stmt = i == 2 ? S(COUNTERS_SUM) : S(THINGS_OF), .args = &key, .arg_count = 1};
    OK(store_read(f->reader, &f->arena, q, 3, 0));
    struct store_counts k = store_counts_take(f->reader);
    assert_int_equal(k.round_trips, 1);
    assert_int_equal(k.statements, 3);
    assert_int_equal(k.rows, 1);
    assert_int_equal(store_counts_take(f->reader).round_trips, 0);
    store_stmt_stats(f->store, S(THINGS_OF), &after);
    assert_int_equal(after.calls - before.calls, 2);
    assert_int_equal(after.errors, before.errors);
    assert_true(after.us_max <= after.us_total);

    for (int i = 0; i < 2; i++)
        b[i] = (struct bulk){.stmt = S(COUNTERS_ADD), .rows = 1, .cols = 3, .v = row};
    OK(store_begin(f->writer));
    OK(store_write(f->writer, b, 2));
    OK(store_commit(f->writer));
    k = store_counts_take(f->writer);
    assert_int_equal(k.round_trips, 2); /* the statements, and the commit */
    assert_int_equal(k.statements, 2);
    OK(store_begin(f->writer));
    OK(store_commit(f->writer)); /* nothing was done */
    assert_true(store_counts_take(f->writer).round_trips <= 1);
}

/* What is read again is not asked for again, and counts as read; after the end all is as ever. */
static void shares_what_is_read_together(void **state)
{
    struct fixture *f = *state;
    const struct value key = V_I(1), other = V_I(2), row[] = {V_I(1), V_I(1), V_I(5)},
                       more[] = {V_I(1), V_I(2), V_I(6)};
    struct stmt_stats before, after;

    store_one(f, S(COUNTERS_ADD), row, 1, 3);
    store_stmt_stats(f->store, S(COUNTERS_SUM), &before);
    store_counts_take(f->reader);
    OK(store_share_begin(f->reader));
    assert_int_equal(read_int(f, S(COUNTERS_SUM), &key, 1), 1);
    uint32_t reads = store_counts_take(f->reader).reads;
    store_one(f, S(COUNTERS_ADD), more, 1, 3);
    assert_int_equal(read_int(f, S(COUNTERS_SUM), &key, 1), 1);
    struct store_counts k = store_counts_take(f->reader);
    assert_int_equal(k.reads, reads);
    assert_int_equal(k.statements, 0);
    struct query q[2] = {{.stmt = S(COUNTERS_SUM), .args = &key, .arg_count = 1},
                         {.stmt = S(COUNTERS_SUM), .args = &other, .arg_count = 1}};
    OK(store_read(f->reader, &f->arena, q, 2, 0));
    assert_int_equal(value_i64(q[0].rows.v, -1), 1);
    assert_int_equal(store_counts_take(f->reader).statements, 1);
    store_share_end(f->reader);
    store_share_end(f->reader); /* nothing to end */
    assert_int_equal(read_int(f, S(COUNTERS_SUM), &key, 1), 2);
    store_stmt_stats(f->store, S(COUNTERS_SUM), &after);
    assert_int_equal(after.calls - before.calls, 3);
    /* More than is remembered. */
    OK(store_share_begin(f->reader));
    for (int64_t i = 0; i < 600; i++) {
        const struct value any = V_I(1 + i % 300);
        read_one(f, f->reader, S(COUNTERS_SUM), &any, 1);
    }
    assert_int_equal(read_int(f, S(COUNTERS_SUM), &key, 1), 2);
    store_share_end(f->reader);
}

/* A writer moves one unit from one counter to another, again and again; whoever reads both in one
 * call must see their sum unchanged. */
static void sees_one_snapshot(void **state)
{
    struct fixture *f = *state;
    const struct value start[] = {V_I(1), V_I(1), V_I(1000), V_I(2), V_I(1), V_I(1000)};
    int to_parent[2];

    store_one(f, S(COUNTERS_ADD), start, 2, 3);
    assert_int_equal(pipe(to_parent), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s = NULL;
        struct store_conn *w = NULL;
        bool fine = store_open_catalog(&f->options, &test_catalog, &s, detail) == ERR_OK &&
                    store_connect(s, STORE_WRITER, &w) == ERR_OK;
        for (int i = 0; fine && i < 300; i++) {
            const struct value a[] = {V_I(1), V_I(1), V_I(1000 - i)},
                               b[] = {V_I(2), V_I(1), V_I(1000 + i)};
            fine = store_begin(w) == ERR_OK &&
                   write_one(w, S(COUNTER_ONE_SET), a, 1, 3, NULL, NULL) == ERR_OK &&
                   write_one(w, S(COUNTER_ONE_SET), b, 1, 3, NULL, NULL) == ERR_OK &&
                   store_commit(w) == ERR_OK;
        }
        _exit(fine && write(to_parent[1], "x", 1) == 1 ? 0 : 1);
    }
    close(to_parent[1]);
    fcntl(to_parent[0], F_SETFL, O_NONBLOCK);
    char byte;
    int reads = 0;
    for (ssize_t n = -1; n < 0; reads++) {
        const struct value keys[] = {V_I(1), V_I(2)};
        struct query q[2] = {{.stmt = S(COUNTERS_SUM), .args = &keys[0], .arg_count = 1},
                             {.stmt = S(COUNTERS_SUM), .args = &keys[1], .arg_count = 1}};
        n = read(to_parent[0], &byte, 1);
        OK(store_read(f->reader, &f->arena, q, 2, 0));
        assert_int_equal(q[0].rows.v[1].i + q[1].rows.v[1].i, 2000);
        arena_clear(&f->arena);
    }
    close(to_parent[0]);
    int status = -1;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_true(reads > 1);
}

/* Connections of one store on threads of their own: for the race detector, and for the counters. */
struct worker {
    struct store *store;
    enum store_access access;
    enum err e;
};

static void *work(void *user)
{
    struct worker *w = user;
    struct store_conn *c = NULL;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    w->e = store_connect(w->store, w->access, &c);
    for (int i = 0; w->e == ERR_OK && i < 100; i++) {
        const struct value row[] = {V_I(1), V_I(1), V_I(1)};
        struct query q = {.stmt = S(COUNTERS_SUM), .args = row, .arg_count = 1};
        if (w->access == STORE_READER) {
            w->e = store_read(c, &arena, &q, 1, 0);
            arena_clear(&arena);
            continue;
        }
        w->e = store_begin(c);
        if (w->e == ERR_OK)
            w->e = write_one(c, S(COUNTERS_ADD), row, 1, 3, NULL, NULL);
        if (w->e == ERR_OK)
            w->e = store_commit(c);
    }
    store_disconnect(c);
    arena_fini(&arena);
    return NULL;
}

static void works_on_several_threads(void **state)
{
    struct fixture *f = *state;
    const struct value key = V_I(1);
    struct worker workers[4];
    pthread_t threads[4];
    struct stmt_stats stats;

    store_disconnect(f->writer);
    f->writer = NULL;
    for (size_t i = 0; i < COUNT(workers); i++) {
        workers[i] = (struct worker){f->store, i ? STORE_READER : STORE_WRITER, ERR_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < COUNT(workers); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        OK(workers[i].e);
    }
    assert_int_equal(read_one(f, f->reader, S(COUNTERS_SUM), &key, 1)->v[1].i, 100);
    store_stmt_stats(f->store, S(COUNTERS_SUM), &stats);
    assert_int_equal(stats.calls, 301);
    OK(store_connect(f->store, STORE_WRITER, &f->writer));
}

static void stops_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    const struct value endless = V_I(2000000000);
    struct query q = {.stmt = S(SERIES_COUNT), .args = &endless, .arg_count = 1};

    int64_t start = clock_mono_us();
    assert_int_equal(store_read(f->reader, &f->arena, &q, 1, start + 50000), ERR_DEADLINE);
    int64_t took = clock_mono_us() - start;
    assert_in_range(took, 50000, 1500000);
    assert_int_equal(store_read(f->reader, &f->arena, &q, 1, start),
                     ERR_DEADLINE); /* over already */
    assert_int_equal(read_int(f, S(SERIES_COUNT), (struct value[]){V_I(10)}, 1), 10);
}

static int count_of(const char *text, const char *part)
{
    int n = 0;

    for (const char *p = text; (p = strstr(p, part)); p++)
        n++;
    return n;
}

/* Once a second at most, and only when asked to. */
static void logs_what_is_slow_and_what_fails(void **state)
{
    struct fixture *f = *state;
    const struct value many = V_I(60000), name = V_S(STR("x"));
    struct rows r;
    char text[4096] = "";
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    log_configure(LOG_WARN, LOG_FORMAT_JSON, ends[1]);
    read_int(f, S(SERIES_COUNT), &many, 1);
    store_log(f->store, 1);
    for (int i = 0; i < 3; i++)
        read_int(f, S(SERIES_COUNT), &many, 1);
    for (int i = 0; f->engine == STORE_SQLITE && i < 3; i++) /* a reader must not write */
        assert_int_equal(store_read_bulk(f->reader, &f->arena, S(NAMES_PUT), &name, 1, 1, &r),
                         ERR_IO);
    const struct value endless = V_I(2000000000);
    struct query q = {.stmt = S(SERIES_COUNT), .args = &endless, .arg_count = 1};
    if (f->engine == STORE_POSTGRES)
        assert_int_equal(store_read(f->reader, &f->arena, &q, 1, clock_mono_us() + 50000),
                         ERR_DEADLINE);
    log_configure(LOG_WARN, LOG_FORMAT_JSON, STDERR_FILENO);
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    assert_int_equal(count_of(text, "\"event\":\"store.slow\",\"statement\":\"series_count\""), 1);
    assert_int_equal(count_of(text, "\"event\":\"store.failed\",\"error\":\"IO_ERROR\""),
                     f->engine == STORE_SQLITE);
    assert_int_equal(count_of(text, "\"error\":\"DEADLINE_EXCEEDED\""),
                     f->engine == STORE_POSTGRES);
}

static atomic_bool held;

/* Holds the file as one does who is about to write, for a while. */
static void *hold(void *path)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    atomic_store(&held, true);
    usleep(200000);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    return NULL;
}

static void opens_a_new_file_that_another_has(void **state)
{
    struct fixture *f = *state;
    struct fixture own = {.engine = f->engine, .server = f->server};
    char path[256];
    pthread_t thread;

    place_make(&own);
    snprintf(path, sizeof path, "%.*s", (int)own.options.url.n - 7, own.options.url.p + 7);
    assert_int_equal(pthread_create(&thread, NULL, hold, path), 0);
    while (!atomic_load(&held))
        usleep(1000);
    OK(store_open_catalog(&own.options, &test_catalog, &own.store, detail));
    pthread_join(thread, NULL);
    store_close(own.store);
    place_remove(&own);
}

static void migrates_at_once(void **state)
{
    struct fixture *f = *state;
    struct fixture own = {.engine = f->engine, .server = f->server};
    pid_t pids[4];
    int32_t have = 0, want = 0;

    place_make(&own);
    own.options.busy_timeout_ms = 60000; /* a busy machine takes its time for four of them */
    for (size_t i = 0; i < COUNT(pids); i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct store *s = NULL;
            int32_t from, to;
            enum err e = store_open_catalog(&own.options, &test_catalog, &s, detail);
            if (e == ERR_OK)
                e = store_migrate(s, &from, &to, detail);
            if (e != ERR_OK)
                fprintf(stderr, "%s\n", detail);
            _exit(e == ERR_OK && to == 2 ? 0 : 1);
        }
    }
    for (size_t i = 0; i < COUNT(pids); i++) {
        int status = -1;
        waitpid(pids[i], &status, 0);
        assert_int_equal(status, 0);
    }
    OK(store_open_catalog(&own.options, &test_catalog, &own.store, detail));
    OK(store_schema(own.store, &have, &want));
    assert_int_equal(have, 2);
    store_close(own.store);
    place_remove(&own);
}

static void refuses_a_newer_database(void **state)
{
    struct fixture *f = *state;
    struct fixture own = {.engine = f->engine, .server = f->server};
    struct catalog older = test_catalog;
    int32_t from, to;

    place_make(&own);
    OK(store_open_catalog(&own.options, &test_catalog, &own.store, detail));
    OK(store_schema(own.store, &from, &to));
    assert_int_equal(from, 0);
    OK(store_migrate(own.store, &from, &to, detail));
    store_close(own.store);

    older.migration_count = 1;
    OK(store_open_catalog(&own.options, &older, &own.store, detail));
    assert_int_equal(store_migrate(own.store, &from, &to, detail), ERR_CONFLICT);
    assert_non_null(strstr(detail, "newer"));
    store_close(own.store);
    place_remove(&own);
}

/* A migration that fails half-way leaves nothing of itself, and the one before it stands. */
static void a_failed_migration_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct fixture own = {.engine = f->engine, .server = f->server};
    struct migration two[2] = {test_catalog.migrations[0], test_catalog.migrations[1]};
    struct catalog broken = test_catalog;
    int32_t from = 0, to = 0;

    two[1].sqlite = two[1].postgres = "CREATE TABLE names (a INT); INSERT INTO nowhere VALUES (1);";
    broken.migrations = two;
    place_make(&own);
    OK(store_open_catalog(&own.options, &broken, &own.store, detail));
    assert_int_equal(store_migrate(own.store, &from, &to, detail), ERR_IO);
    assert_non_null(strstr(detail, "0002_names"));
    OK(store_schema(own.store, &from, &to));
    assert_int_equal(from, 1);
    store_close(own.store);
    OK(store_open_catalog(&own.options, &test_catalog, &own.store, detail));
    OK(store_migrate(own.store, &from, &to, detail)); /* `names` is not in the way */
    assert_int_equal(from, 1);
    store_close(own.store);
    place_remove(&own);
}

static void migrates_the_real_schema(void **state)
{
    struct fixture *f = *state;
    struct fixture own = {.engine = f->engine, .server = f->server};
    int32_t from, to;

    place_make(&own);
    OK(store_open(&own.options, &own.store, detail));
    if (store_migrate(own.store, &from, &to, detail) != ERR_OK)
        fail_msg("%s", detail);
    OK(store_connect(own.store, STORE_READER, &own.reader));
    struct query q = {.stmt = STMT_STORE_PING};
    OK(store_read(own.reader, &f->arena, &q, 1, 0));
    assert_int_equal(q.rows.v[0].i, 1);
    store_disconnect(own.reader);
    store_close(own.store);
    place_remove(&own);
}

static void refuses_bad_places(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "", "sqlite:", "sqlite::memory:", "sqlite:file:x?mode=memory", "mysql://x", "/tmp/x.db"};
    static const char *const down[] = {"sqlite:/nowhere/at/all.db", "sqlite:/etc",
                                       "postgresql://u:secret@127.0.0.1:1/x"};
    struct store_options o = f->options;
    struct store *s = NULL;

    for (size_t i = 0; i < COUNT(bad); i++) {
        o.url = str_from(bad[i]);
        assert_int_equal(store_open(&o, &s, detail), ERR_RANGE);
        assert_string_not_equal(detail, "");
    }
    for (size_t i = 0; i < COUNT(down); i++) {
        o.url = str_from(down[i]);
        assert_int_equal(store_open(&o, &s, detail), ERR_STORE_DOWN);
        assert_string_not_equal(detail, "");
        assert_null(strstr(detail, "secret"));
    }
    o.url = (struct str){"sqlite:a\0b", 10};
    assert_int_equal(store_open(&o, &s, detail), ERR_RANGE);
    assert_true(store_display_url(f->store).n > 0);
}

/* SQLite only */

static void has_one_writer(void **state)
{
    struct fixture *f = *state;
    struct store_conn *second = NULL;
    int32_t from, to;

    assert_int_equal(store_connect(f->store, STORE_WRITER, &second), ERR_BUSY);
    assert_int_equal(store_migrate(f->store, &from, &to, detail), ERR_BUSY);
    store_disconnect(f->writer);
    OK(store_connect(f->store, STORE_WRITER, &f->writer));
}

static void waits_for_the_lock_and_gives_up(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    struct store_conn *w = NULL;
    struct store_options o = f->options;
    const struct value row[] = {V_I(1), V_I(1), V_I(5)};

    o.busy_timeout_ms = 50;
    OK(store_open_catalog(&o, &test_catalog, &other, detail));
    OK(store_connect(other, STORE_WRITER, &w));
    OK(store_begin(f->writer));
    OK(write_one(f->writer, S(COUNTERS_ADD), row, 1, 3, NULL, NULL));
    int64_t start = clock_mono_us();
    assert_int_equal(store_begin(w), ERR_BUSY);
    assert_in_range(clock_mono_us() - start, 40000, 1500000);
    OK(store_commit(f->writer));
    OK(store_begin(w));
    store_rollback(w);
    store_disconnect(w);
    store_close(other);
}

static void reader_cannot_write(void **state)
{
    struct fixture *f = *state;
    const struct value name = V_S(STR("x"));
    struct rows r;

    assert_int_equal(store_read_bulk(f->reader, &f->arena, S(NAMES_PUT), &name, 1, 1, &r), ERR_IO);
    assert_int_equal(read_one(f, f->reader, S(NAMES_ALL), NULL, 0)->count, 0);
}

/* The limit on file sizes stands in for a full disk: write() fails in the same place. */
static void survives_a_full_disk(void **state)
{
    struct fixture *f = *state;
    static char big[4096];
    struct rlimit limit, old;
    enum err e = ERR_OK;
    char id[8];
    int stored = 0, i = 0;

    memset(big, 'x', sizeof big);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (; e == ERR_OK && i < 5000; i++) {
        snprintf(id, sizeof id, "i%d", i);
        const struct value row[] = {
            V_I(1), V_S(str_from(id)), V_N, V_N, V_S(((struct str){big, sizeof big})), V_N};
        e = store_begin(f->writer);
        if (e == ERR_OK)
            e = write_one(f->writer, S(THINGS_PUT), row, 1, 6, NULL, NULL);
        if (e == ERR_OK)
            e = store_commit(f->writer);
        stored += e == ERR_OK;
    }
    setrlimit(RLIMIT_FSIZE, &old);
    if (e != ERR_STORAGE_FULL)
        fail_msg("%s: %s", err_code(e), store_conn_detail(f->writer));
    assert_true(stored > 10);
    store_rollback(f->writer);
    assert_int_equal(read_one(f, f->reader, S(THINGS_OF), (struct value[]){V_I(1)}, 1)->count,
                     stored);
    const struct value row[] = {V_I(1), V_S(STR("last")), V_N, V_N, V_N, V_N};
    store_one(f, S(THINGS_PUT), row, 1, 6); /* there is room again */
    assert_int_equal(read_one(f, f->reader, S(THINGS_OF), (struct value[]){V_I(1)}, 1)->count,
                     stored + 1);
}

static void backs_up(void **state)
{
    struct fixture *f = *state;
    const struct value row[] = {V_I(1), V_I(1), V_I(5)};
    char path[128];

    store_one(f, S(COUNTERS_ADD), row, 1, 3);
    snprintf(path, sizeof path, "%s/copy.db", f->dir);
    OK(store_begin(f->writer)); /* an open transaction is neither in the way nor in the copy */
    OK(write_one(f->writer, S(COUNTERS_ADD), row, 1, 3, NULL, NULL));
    OK(store_backup(f->store, path, detail));
    OK(store_commit(f->writer));
    assert_int_equal(store_backup(f->store, path, detail), ERR_CONFLICT);
    assert_int_equal(store_backup(f->store, "/nowhere/x.db", detail), ERR_IO);

    struct fixture copy = {.engine = STORE_SQLITE, .options = f->options};
    snprintf(copy.url, sizeof copy.url, "sqlite:%s", path);
    copy.options.url = str_from(copy.url);
    arena_init(&copy.arena, 1 << 20);
    OK(store_open_catalog(&copy.options, &test_catalog, &copy.store, detail));
    OK(store_connect(copy.store, STORE_READER, &copy.reader));
    assert_int_equal(read_one(&copy, copy.reader, S(COUNTERS_SUM), row, 1)->v[1].i, 5);
    store_disconnect(copy.reader);
    store_close(copy.store);
    arena_fini(&copy.arena);
}

static void tells_damage(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    struct store_options o = f->options;
    char path[128], url[140];

    snprintf(path, sizeof path, "%s/noise.db", f->dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(fd, "this is no database ", 20), 20);
    close(fd);
    snprintf(url, sizeof url, "sqlite:%s", path);
    o.url = str_from(url);
    assert_int_equal(store_open_catalog(&o, &test_catalog, &s, detail), ERR_STORE_DOWN);
    assert_non_null(strstr(detail, "not a database"));
}

static void truncates_the_log(void **state)
{
    struct fixture *f = *state;
    const struct value row[] = {V_I(1), V_I(1), V_I(5)};
    char path[128];

    store_one(f, S(COUNTERS_ADD), row, 1, 3);
    snprintf(path, sizeof path, "%s/doppel.db-wal", f->dir);
    FILE *wal = fopen(path, "r");
    fseek(wal, 0, SEEK_END);
    assert_true(ftell(wal) > 0);
    store_checkpoint(f->writer, false); /* not due */
    fseek(wal, 0, SEEK_END);
    assert_true(ftell(wal) > 0);
    store_checkpoint(f->writer, true);
    fseek(wal, 0, SEEK_END);
    assert_int_equal(ftell(wal), 0);
    fclose(wal);
    assert_int_equal(read_one(f, f->reader, S(COUNTERS_SUM), row, 1)->v[1].i, 5);
}

/* PostgreSQL only */

static void end_backend(struct fixture *f, struct store_conn *victim)
{
    struct query q = {.stmt = S(BACKEND)};
    char sql[80];

    OK(store_read(victim, &f->arena, &q, 1, 0));
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 5000)", (int)q.rows.v[0].i);
    on_server(f->server, sql);
}

/* Who gives up at the deadline leaves no work behind. */
static void a_late_statement_ends_on_the_server(void **state)
{
    struct fixture *f = *state;
    const struct value endless = V_I(2000000000);
    struct query pid = {.stmt = S(BACKEND)};
    struct query q = {.stmt = S(SERIES_COUNT), .args = &endless, .arg_count = 1};

    OK(store_read(f->reader, &f->arena, &pid, 1, 0));
    assert_int_equal(store_read(f->reader, &f->arena, &q, 1, clock_mono_us() + 30000),
                     ERR_DEADLINE);
    int64_t start = clock_mono_us();
    while (read_int(f, S(BACKEND_IS_THERE), &pid.rows.v[0], 1)) {
        assert_in_range(clock_mono_us() - start, 0, 3000000);
        usleep(20000);
    }
}

static void reads_survive_a_lost_connection(void **state)
{
    struct fixture *f = *state;

    end_backend(f, f->reader);
    assert_int_equal(read_int(f, S(SERIES_COUNT), (struct value[]){V_I(10)}, 1), 10);
    end_backend(f, f->reader);
    const struct value n = V_I(3);
    struct query q[2] = {{.stmt = S(SERIES), .args = &n, .arg_count = 1},
                         {.stmt = S(SERIES), .args = &n, .arg_count = 1}};
    OK(store_read(f->reader, &f->arena, q, 2, 0));
    assert_int_equal(q[1].rows.count, 3);
    end_backend(f, f->reader);
    int64_t sum = 0;
    OK(store_each(f->reader, S(SERIES), &n, 1, sum_rows, &sum));
    assert_int_equal(sum, 6);
}

static void writes_fail_clearly_when_the_connection_goes(void **state)
{
    struct fixture *f = *state;
    const struct value row[] = {V_I(1), V_I(1), V_I(5)};

    OK(store_begin(f->writer)); /* in the middle of a transaction: it is gone */
    OK(write_one(f->writer, S(COUNTERS_ADD), row, 1, 3, NULL, NULL));
    end_backend(f, f->writer);
    assert_int_equal(write_one(f->writer, S(COUNTERS_ADD), row, 1, 3, NULL, NULL), ERR_STORE_DOWN);
    store_rollback(f->writer);

    OK(store_begin(f->writer)); /* before the commit */
    OK(write_one(f->writer, S(COUNTERS_ADD), row, 1, 3, NULL, NULL));
    end_backend(f, f->writer);
    assert_int_equal(store_commit(f->writer), ERR_STORE_DOWN);
    store_rollback(f->writer);

    struct bulk b = {.stmt = S(COUNTERS_ADD), .rows = 1, .cols = 3, .v = row};
    OK(store_begin(f->writer)); /* with answers to come */
    OK(store_write(f->writer, &b, 1));
    end_backend(f, f->writer);
    enum err e = store_write_ahead(f->writer, &b, 1);
    if (e == ERR_OK)
        e = commit_ahead(f->writer);
    assert_int_equal(e, ERR_STORE_DOWN);
    store_rollback(f->writer);
    assert_int_equal(read_int(f, S(COUNTERS_SUM), row, 1), 0);

    end_backend(f, f->writer); /* between transactions: nobody needs to know */
    store_one(f, S(COUNTERS_ADD), row, 1, 3);
    assert_int_equal(read_one(f, f->reader, S(COUNTERS_SUM), row, 1)->v[1].i, 5);
}

static void prepares_again(void **state)
{
    struct fixture *f = *state;
    const struct value row[] = {V_I(1), V_I(1), V_I(5)};
    struct query q = {.stmt = S(FORGET_PREPARED)};

    for (int i = 0; i < 3; i++) {
        store_one(f, S(COUNTERS_ADD), row, 1, 3);
        OK(store_read(f->writer, &f->arena, &q, 1, 0));
        OK(store_read(f->reader, &f->arena, &q, 1, 0));
        assert_int_equal(read_one(f, f->reader, S(COUNTERS_SUM), row, 1)->v[1].i, 5 * (i + 1));
    }
}

static void a_deadlock_is_busy(void **state)
{
    struct fixture *f = *state;
    const struct value a[] = {V_I(1), V_I(1), V_I(1)}, b[] = {V_I(2), V_I(1), V_I(1)};
    struct store_conn *other = NULL;

    store_one(f, S(COUNTERS_ADD), a, 1, 3);
    f->options.busy_timeout_ms = 100;
    struct store *s = NULL;
    OK(store_open_catalog(&f->options, &test_catalog, &s, detail));
    OK(store_connect(s, STORE_WRITER, &other));
    OK(store_begin(f->writer));
    OK(write_one(f->writer, S(COUNTERS_ADD), a, 1, 3, NULL, NULL));
    OK(store_begin(other));
    OK(write_one(other, S(COUNTERS_ADD), b, 1, 3, NULL, NULL));
    int64_t start = clock_mono_us();
    assert_int_equal(write_one(other, S(COUNTERS_ADD), a, 1, 3, NULL, NULL), ERR_BUSY);
    assert_in_range(clock_mono_us() - start, 90000, 1500000);
    store_rollback(other);
    OK(store_commit(f->writer));
    store_disconnect(other);
    store_close(s);
}

static void hides_the_password(void **state)
{
    struct fixture *f = *state;
    struct store_options o = f->options;
    struct store *s = NULL;
    char url[1100];
    const char *at = strchr(f->url, '@');

    snprintf(url, sizeof url, "postgresql://doppel:s3cret%s", at);
    o.url = str_from(url);
    if (store_open_catalog(&o, &test_catalog, &s, detail) != ERR_OK)
        skip(); /* a server with passwords */
    char shown[600];
    snprintf(shown, sizeof shown, STR_FMT, STR_ARG(store_display_url(s)));
    assert_null(strstr(shown, "s3cret"));
    assert_non_null(strstr(shown, "doppel"));
    store_close(s);
}

/* ---- commits in two halves ---- */

static void commit_half(struct store_conn *c)
{
    const struct value row[] = {V_I(1), V_I(1), V_I(5)};

    OK(store_begin(c));
    OK(write_one(c, S(COUNTERS_ADD), row, 1, 3, NULL, NULL));
    OK(store_commit_unsynced(c));
}

static int64_t counted(struct fixture *f)
{
    return read_one(f, f->reader, S(COUNTERS_SUM), (struct value[]){V_I(1)}, 1)->v[1].i;
}

static void vouches_only_for_commits_of_its_session(void **state)
{
    struct fixture *f = *state;
    struct store_options o = f->options;
    struct store *s = NULL;
    struct store_conn *c = NULL;
    char url[1200], end_all[300], end_sync[400];
    bool split = false;

    /* Names of their own: other tests' sessions on this server are left alone. */
    snprintf(url, sizeof url, "%s&application_name=halves%d", f->url, (int)getpid());
    snprintf(end_all, sizeof end_all,
             "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
             " WHERE application_name = 'halves%d'",
             (int)getpid());
    snprintf(end_sync, sizeof end_sync, "%s AND query LIKE '%%pg_logical_emit_message%%'", end_all);
    o.url = str_from(url);
    OK(store_open_catalog(&o, &test_catalog, &s, detail));
    OK(store_connect(s, STORE_WRITER, &c));
    OK(store_split_commits(c, &split));
    assert_true(split);
    commit_half(c);
    assert_int_equal(counted(f), 5); /* readers see it at once */
    OK(store_sync(c, store_commit_mark(c)));

    commit_half(c);
    int64_t before = store_commit_mark(c);
    on_server(f->server, end_sync);
    assert_int_equal(store_sync(c, before), ERR_STORE_DOWN);
    commit_half(c);
    int64_t after = store_commit_mark(c);
    OK(store_sync(c, after));
    assert_int_equal(store_sync(c, before), ERR_STORE_DOWN);

    on_server(f->server, end_all);
    commit_half(c);
    OK(store_sync(c, store_commit_mark(c)));
    assert_int_equal(store_sync(c, after), ERR_STORE_DOWN);
    OK(store_begin(c)); /* a whole commit needs nobody's word */
    OK(store_commit(c));
    assert_int_equal(counted(f), 20);
    store_disconnect(c);
    store_close(s);
}

/* A server of its own, for it is stopped and started. */
static int server_command(const char *command, const char *dir, char *ret, size_t size)
{
    char line[600];

    snprintf(line, sizeof line, "%s/tools/postgres_private.sh %s %s", getenv("DOPPEL_SOURCE"),
             command, dir);
    FILE *p = popen(line, "r");
    assert_non_null(p);
    if (ret && fgets(ret, (int)size, p))
        ret[strcspn(ret, "\n")] = '\0';
    return pclose(p);
}

static void vouches_for_nothing_after_a_crash(struct fixture *f, const char *dir)
{
    bool split = false;

    OK(store_split_commits(f->writer, &split));
    assert_true(split);
    commit_half(f->writer);
    OK(store_sync(f->writer, store_commit_mark(f->writer)));
    int64_t kept = counted(f);
    commit_half(f->writer);
    int64_t mark = store_commit_mark(f->writer);
    assert_int_equal(server_command("restart", dir, NULL, 0), 0);
    assert_int_equal(store_sync(f->writer, mark), ERR_STORE_DOWN);
    assert_true(counted(f) >= kept);
    commit_half(f->writer);
    assert_int_equal(store_sync(f->writer, mark), ERR_STORE_DOWN);
    OK(store_sync(f->writer, store_commit_mark(f->writer)));
}

static void does_not_wait_for_a_stopped_server(struct fixture *f)
{
    struct query pid = {.stmt = S(BACKEND)};

    OK(store_read(f->reader, &f->arena, &pid, 1, 0));
    pid_t backend = (pid_t)pid.rows.v[0].i;
    assert_int_equal(kill(backend, SIGSTOP), 0);
    int64_t start = clock_mono_us();
    enum err e = store_read(f->reader, &f->arena, &pid, 1, start + 100000);
    int64_t took = clock_mono_us() - start;
    kill(backend, SIGCONT);
    assert_int_equal(e, ERR_DEADLINE);
    assert_in_range(took, 100000, 1000000);
    OK(store_read(f->reader, &f->arena, &pid, 1, 0));
}

static void survives_a_restart_of_the_server(void **state)
{
    struct fixture own = {.engine = STORE_POSTGRES};
    const struct value row[] = {V_I(1), V_I(1), V_I(5)};
    char dir[64] = "/tmp/doppel-store.XXXXXX", url[500] = "";

    (void)state;
    assert_non_null(mkdtemp(dir));
    if (server_command("start", dir, url, sizeof url) != 0) {
        print_message("no private PostgreSQL can be started here\n");
        skip();
    }
    own.server = url;
    void *s = &own;
    setup(&s);
    store_one(&own, S(COUNTERS_ADD), row, 1, 3);
    does_not_wait_for_a_stopped_server(&own);
    assert_int_equal(server_command("restart", dir, NULL, 0), 0);
    assert_int_equal(read_one(&own, own.reader, S(COUNTERS_SUM), row, 1)->v[1].i, 5);
    store_one(&own, S(COUNTERS_ADD), row, 1, 3);

    assert_int_equal(server_command("crash", dir, NULL, 0), 0);
    struct query q = {.stmt = S(COUNTERS_SUM), .args = row, .arg_count = 1};
    int64_t start = clock_mono_us();
    assert_int_equal(store_read(own.reader, &own.arena, &q, 1, 0), ERR_STORE_DOWN);
    assert_string_not_equal(store_conn_detail(own.reader), "");
    assert_in_range(clock_mono_us() - start, 0, 1000000);
    if (store_begin(own.writer) == ERR_OK) { /* it may not know yet */
        assert_int_equal(write_one(own.writer, S(COUNTERS_ADD), row, 1, 3, NULL, NULL),
                         ERR_STORE_DOWN);
        store_rollback(own.writer);
    }
    assert_int_equal(store_begin(own.writer), ERR_STORE_DOWN);
    assert_int_equal(server_command("restart", dir, NULL, 0), 0);
    enum err e = ERR_STORE_DOWN;
    for (start = clock_mono_us(); e == ERR_STORE_DOWN && clock_mono_us() - start < 4000000;) {
        e = store_read(own.reader, &own.arena, &q, 1, 0);
        usleep(10000);
    }
    OK(e);
    assert_int_equal(q.rows.v[1].i, 10);
    for (e = ERR_STORE_DOWN, start = clock_mono_us();
         e == ERR_STORE_DOWN && clock_mono_us() - start < 4000000;) {
        e = store_begin(own.writer);
        usleep(10000);
    }
    OK(e);
    OK(write_one(own.writer, S(COUNTERS_ADD), row, 1, 3, NULL, NULL));
    OK(store_commit(own.writer));
    vouches_for_nothing_after_a_crash(&own, dir);
    teardown(&s);
    assert_int_equal(server_command("stop", dir, NULL, 0), 0);
    rmdir(dir);
}

#define BOTH (1 << STORE_SQLITE | 1 << STORE_POSTGRES)
#define LITE (1 << STORE_SQLITE)
#define PG (1 << STORE_POSTGRES)

static const struct {
    int engines;
    const char *name;
    void (*fn)(void **);
} list[] = {
#define T(engines, fn)   \
    {                    \
        engines, #fn, fn \
    }
    T(BOTH, migrates_once),
    T(BOTH, migrates_at_once),
    T(BOTH, migrates_the_real_schema),
    T(BOTH, refuses_a_newer_database),
    T(BOTH, a_failed_migration_leaves_nothing),
    T(BOTH, refuses_bad_places),
    T(BOTH, keeps_every_value),
    T(BOTH, gives_back_arguments),
    T(BOTH, sums_are_integers_and_averages_reals),
    T(BOTH, tells_which_rows_applied),
    T(BOTH, adds_and_changes_in_bulk),
    T(BOTH, any_number_of_rows_goes_in_and_comes_back),
    T(BOTH, a_bad_row_among_many_takes_all_away),
    T(BOTH, reads_many_keys),
    T(BOTH, inserts_and_returns),
    T(BOTH, cuts_at_rows_max),
    T(BOTH, respects_the_arena),
    T(BOTH, gives_row_by_row),
    T(BOTH, keeps_out_what_is_not_text),
    T(BOTH, a_failed_write_leaves_nothing),
    T(BOTH, writes_ahead_of_the_answers),
    T(BOTH, an_error_ahead_takes_all_away),
    T(BOTH, writes_single_rows_too),
    T(BOTH, counts_round_trips),
    T(BOTH, sees_one_snapshot),
    T(BOTH, shares_what_is_read_together),
    T(BOTH, works_on_several_threads),
    T(BOTH, stops_at_the_deadline),
    T(BOTH, logs_what_is_slow_and_what_fails),
    T(LITE, opens_a_new_file_that_another_has),
    T(LITE, has_one_writer),
    T(LITE, waits_for_the_lock_and_gives_up),
    T(LITE, reader_cannot_write),
    T(LITE, survives_a_full_disk),
    T(LITE, backs_up),
    T(LITE, tells_damage),
    T(LITE, truncates_the_log),
    T(PG, a_late_statement_ends_on_the_server),
    T(PG, reads_survive_a_lost_connection),
    T(PG, writes_fail_clearly_when_the_connection_goes),
    T(PG, prepares_again),
    T(PG, a_deadlock_is_busy),
    T(PG, hides_the_password),
    T(PG, vouches_only_for_commits_of_its_session),
#undef T
};

int main(void)
{
    static struct fixture fixtures[2] = {{.engine = STORE_SQLITE}, {.engine = STORE_POSTGRES}};
    static struct CMUnitTest tests[2 * COUNT(list) + 1];
    static char names[2 * COUNT(list)][100];
    const char *server = getenv("DOPPEL_TEST_POSTGRES");
    size_t n = 0;

    fixtures[1].server = server;
    for (int engine = 0; engine < (server && *server ? 2 : 1); engine++) {
        for (size_t i = 0; i < COUNT(list); i++) {
            if (!(list[i].engines & 1 << engine))
                continue;
            snprintf(names[n], sizeof names[n], "%s: %s", engine ? "postgresql" : "sqlite",
                     list[i].name);
            tests[n] =
                (struct CMUnitTest){names[n], list[i].fn, setup, teardown, &fixtures[engine]};
            n++;
        }
    }
    if (server && *server)
        tests[n++] = (struct CMUnitTest){"postgresql: survives_a_restart_of_the_server",
                                         survives_a_restart_of_the_server, NULL, NULL, NULL};
    else
        print_message("SKIP: PostgreSQL is not tested; DOPPEL_TEST_POSTGRES holds no URL\n");
    return _cmocka_run_group_tests("store", tests, n, NULL, NULL);
}
