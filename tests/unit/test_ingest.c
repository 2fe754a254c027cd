/* The queue and its writers: bounds, groups, order, and the end. */
#include "base/clock.h"
#include "ingest_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum { BATCH = 10, THREADS = 4, BATCHES = 40 };

struct box {
    struct ingest_batch batch;
    struct event events[BATCH];
    struct ingest_result results[BATCH];
    char text[BATCH][2][40];
    atomic_int told;
    enum err err;
    int order; /* when it was told, counted from 1 */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int told_count, commit_calls;
static uint32_t commit_groups[64];
static int64_t committed_learners;

static void tell(int *order)
{
    pthread_mutex_lock(&lock);
    *order = ++told_count;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for(int count)
{
    pthread_mutex_lock(&lock);
    while (told_count < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void batch_done(struct ingest_batch *b, enum err e)
{
    struct box *box = b->user;

    box->err = e;
    atomic_fetch_add(&box->told, 1);
    tell(&box->order);
}

static void on_commit(void *user, const struct ingest_change *changes, int32_t n)
{
    (void)user;
    pthread_mutex_lock(&lock);
    uint32_t *groups = &commit_groups[commit_calls++ % 64];
    *groups = 0;
    for (int32_t i = 0; i < n; i++) {
        committed_learners += changes[i].learner.n > 0;
        *groups |= changes[i].groups;
    }
    pthread_mutex_unlock(&lock);
}

/* A batch of answers; ids from `first`, learners in turn. */
static struct box *box_new(int first, int learners)
{
    struct box *b = calloc(1, sizeof *b);

    assert_non_null(b);
    for (int i = 0; i < BATCH; i++) {
        struct event *e = &b->events[i];
        snprintf(b->text[i][0], 40, "e%d", first + i);
        snprintf(b->text[i][1], 40, "l%d", i % learners);
        event_init(e);
        e->id = str_from(b->text[i][0]);
        e->learner = str_from(b->text[i][1]);
        e->kind = EVENT_ANSWER;
        e->item = STR("q");
        e->correct = 1;
        e->at = at_text("2025-03-03T10:00:00Z");
    }
    b->batch = (struct ingest_batch){.events = b->events,
                                     .count = BATCH,
                                     .results = b->results,
                                     .bytes = 1000,
                                     .done = batch_done,
                                     .user = b};
    arena_init(&b->batch.arena, 1 << 20);
    return b;
}

static void box_free(struct box *b)
{
    arena_fini(&b->batch.arena);
    free(b);
}

static struct ingest_options usual(void)
{
    return (struct ingest_options){.writers = 3,
                                   .queue_events_max = 10000,
                                   .queue_bytes_max = 10000000,
                                   .group_events = 100,
                                   .on_commit = on_commit};
}

static int setup_on(void **state, enum store_engine engine)
{
    struct fixture *f = calloc(1, sizeof *f);

    fixture_open(f, engine);
    fixture_release(f);
    *state = f;
    told_count = commit_calls = 0;
    committed_learners = 0;
    return 0;
}

static int setup(void **state)
{
    return setup_on(state, STORE_SQLITE);
}

static int setup_postgres(void **state)
{
    return postgres_url() ? setup_on(state, STORE_POSTGRES) : 0;
}

static int teardown(void **state)
{
    if (*state) {
        fixture_close(*state);
        free(*state);
    }
    return 0;
}

/* A task that holds the writer until it is let go. */
struct gate {
    struct ingest_task task;
    bool open, entered;
    int order;
    enum err err, answer;
    int runs;
};

static enum err gate_run(struct ingest_task *t, struct store_conn *conn)
{
    struct gate *g = t->user;

    assert_true(store_in_transaction(conn));
    pthread_mutex_lock(&lock);
    g->runs++;
    g->entered = true;
    pthread_cond_broadcast(&changed);
    while (!g->open)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return g->answer;
}

static void gate_done(struct ingest_task *t, enum err e)
{
    struct gate *g = t->user;

    g->err = e;
    tell(&g->order);
}

static struct gate gate_make(bool open)
{
    return (struct gate){.task = {.run = gate_run, .done = gate_done}, .open = open};
}

static void gate_enter(struct gate *g)
{
    pthread_mutex_lock(&lock);
    while (!g->entered)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void gate_let_go(struct gate *g)
{
    pthread_mutex_lock(&lock);
    g->open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static struct ingest *start(struct fixture *f, const struct ingest_options *o)
{
    struct ingest *in = NULL;

    OK(ingest_new(f->store, o, &in));
    return in;
}

/* While the writer is held, batches queue; then they go through as one transaction, in order, and a
 * task between them splits them. */
static void waiting_batches_share_a_transaction(void **state)
{
    struct fixture *f = *state;
    struct ingest_options o = usual();
    struct ingest *in = start(f, &o);
    struct gate gate = gate_make(false), between = gate_make(true);
    struct box *b[4];
    struct ingest_stats s;

    gate.task.user = &gate;
    between.task.user = &between;
    OK(ingest_submit_task(in, &gate.task));
    gate_enter(&gate);
    for (int i = 0; i < 4; i++) {
        b[i] = box_new(i * BATCH, 2);
        if (i == 3)
            OK(ingest_submit_task(in, &between.task));
        OK(ingest_submit(in, &b[i]->batch));
    }
    ingest_stats(in, &s);
    assert_int_equal(s.queued_events, 4 * BATCH + 2);
    assert_int_equal(s.queued_bytes, 4000);
    gate_let_go(&gate);
    wait_for(6);
    assert_int_equal(gate.order, 1);
    assert_int_equal(b[0]->order, 2);
    assert_int_equal(b[1]->order, 3);
    assert_int_equal(b[2]->order, 4);
    assert_int_equal(between.order, 5);
    assert_int_equal(b[3]->order, 6);
    ingest_stats(in, &s);
    assert_int_equal(s.transactions, 2);
    assert_int_equal(s.group_events_max, 3 * BATCH);
    assert_int_equal(s.accepted, 4 * BATCH);
    assert_int_equal(s.queued_events, 0);
    assert_int_equal(s.queued_bytes, 0);
    assert_int_equal(commit_calls, 2);
    assert_int_equal(committed_learners, 4); /* two in each */
    ingest_free(in);
    for (int i = 0; i < 4; i++) {
        OK(b[i]->err);
        box_free(b[i]);
    }
}

static void a_full_queue_refuses(void **state)
{
    struct fixture *f = *state;
    struct ingest_options o = usual();
    struct gate gate = gate_make(false);
    struct ingest_stats s;
    struct box *b[4];

    o.queue_events_max = 2 * BATCH + 1; /* the held task counts as one */
    o.queue_bytes_max = 1 << 20;
    struct ingest *in = start(f, &o);
    gate.task.user = &gate;
    OK(ingest_submit_task(in, &gate.task));
    gate_enter(&gate);
    for (int i = 0; i < 4; i++)
        b[i] = box_new(i * BATCH, 1);
    OK(ingest_submit(in, &b[0]->batch));
    OK(ingest_submit(in, &b[1]->batch));
    assert_int_equal(ingest_submit(in, &b[2]->batch), ERR_BUSY);
    gate_let_go(&gate);
    wait_for(3);
    assert_int_equal(b[2]->told, 0);
    OK(ingest_submit(in, &b[2]->batch)); /* there is room again */
    wait_for(4);
    b[3]->batch.bytes = 2 << 20; /* larger than the bound, but alone */
    OK(ingest_submit(in, &b[3]->batch));
    wait_for(5);
    ingest_stats(in, &s);
    assert_int_equal(s.refused, 1);
    assert_int_equal(s.accepted, 4 * BATCH);
    ingest_free(in);
    for (int i = 0; i < 4; i++)
        box_free(b[i]);
}

static void what_is_told_is_stored(void **state)
{
    struct fixture *f = *state;
    struct ingest_options o = usual();
    struct ingest *in = start(f, &o);
    struct store_conn *reader;
    struct box *b = box_new(0, 1);
    struct value key = V_S(STR("l0"));
    struct query q = {.stmt = STMT_LEARNER_LOCK, .args = &key, .arg_count = 1};

    b->events[3].item.p = NULL; /* a bad one among the good */
    b->events[4].id = (struct str){NULL, 0};
    OK(store_connect(f->store, STORE_READER, &reader));
    OK(ingest_submit(in, &b->batch));
    wait_for(1);
    OK(b->err);
    OK(store_read(reader, &f->arena, &q, 1, 0));
    assert_int_equal(q.rows.count, 1);
    struct value totals_key = *row_at(&q.rows, 0);
    struct query t = {.stmt = STMT_REBUILD_ROWS_TOTALS, .args = &totals_key, .arg_count = 1};
    OK(store_read(reader, &f->arena, &t, 1, 0));
    assert_int_equal(value_i64(row_at(&t.rows, 0), 0), BATCH - 1); /* events */
    assert_int_equal(b->results[2].status, INGEST_ACCEPTED);
    assert_int_equal(b->results[3].status, INGEST_REJECTED);
    assert_string_equal(b->results[3].field, "item");
    assert_int_equal(b->results[4].id.n, 36);
    store_disconnect(reader);
    ingest_free(in);
    box_free(b);
}

struct submitter {
    struct ingest *in;
    struct box *boxes[BATCHES];
};

static void *submit_many(void *arg)
{
    struct submitter *s = arg;

    for (int i = 0; i < BATCHES; i++)
        while (ingest_submit(s->in, &s->boxes[i]->batch) == ERR_BUSY)
            sched_yield();
    return NULL;
}

/* All threads send the same ids, in batches of their own: each event counts once. */
static void many_threads_count_each_event_once(void **state)
{
    struct fixture *f = *state;
    struct ingest_options o = usual();
    struct submitter s[THREADS];
    pthread_t threads[THREADS];
    struct ingest_stats stats;

    if (!f)
        skip();
    o.queue_events_max = 200;
    o.group_wait_us = 500;
    struct ingest *in = start(f, &o);
    for (int t = 0; t < THREADS; t++) {
        s[t].in = in;
        for (int i = 0; i < BATCHES; i++)
            s[t].boxes[i] = box_new(i * BATCH, 7);
    }
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, submit_many, &s[t]), 0);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    wait_for(THREADS * BATCHES);
    ingest_stats(in, &stats);
    assert_int_equal(stats.accepted, BATCHES * BATCH);
    assert_int_equal(stats.duplicates, (THREADS - 1) * BATCHES * BATCH);
    assert_int_equal(stats.failed, 0);
    assert_int_equal(stats.queued_events, 0);
    ingest_free(in);
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < BATCHES; i++) {
            assert_int_equal(s[t].boxes[i]->told, 1);
            OK(s[t].boxes[i]->err);
            box_free(s[t].boxes[i]);
        }
    fixture_retake(f);
    assert_verified(f);
}

static enum err put_zone(struct ingest_task *t, struct store_conn *conn)
{
    int64_t id;

    return learner_put(conn, t->learner, STR("Asia/Tokyo"), 1, &id);
}

static enum err erase(struct ingest_task *t, struct store_conn *conn)
{
    int64_t rows;

    return learner_erase(conn, t->learner, &rows);
}

static void tasks_take_part_in_their_transaction(void **state)
{
    struct fixture *f = *state;
    struct ingest_options o = usual();

    if (!f)
        skip();
    o.writers = 1; /* one order of all */
    struct ingest *in = start(f, &o);
    struct gate zone = gate_make(true), wrong = gate_make(true), gone = gate_make(true);
    struct box *b = box_new(0, 1);

    zone.task = (struct ingest_task){
        .run = put_zone, .done = gate_done, .learner = STR("l0"), .user = &zone};
    gone.task =
        (struct ingest_task){.run = erase, .done = gate_done, .learner = STR("no"), .user = &gone};
    wrong.task.user = &wrong;
    wrong.answer = ERR_FORBIDDEN;
    OK(ingest_submit(in, &b->batch));
    OK(ingest_submit_task(in, &zone.task));
    OK(ingest_submit_task(in, &wrong.task));
    OK(ingest_submit_task(in, &gone.task));
    wait_for(4);
    OK(zone.err);
    assert_int_equal(wrong.err, ERR_FORBIDDEN);
    assert_int_equal(wrong.runs, 1);
    assert_int_equal(gone.err, ERR_NOT_FOUND);
    assert_int_equal(commit_calls, 2); /* the batch and the zone */
    assert_int_equal(committed_learners, 2);
    uint32_t answers = STMT_GROUP_LOG | STMT_GROUP_TIMES | STMT_GROUP_TOTALS;
    assert_int_equal(commit_groups[0] & answers, answers);
    assert_true(commit_groups[0] & STMT_GROUP_REST); /* the learner is new */
    assert_false(commit_groups[0] & (STMT_GROUP_MISSIONS | STMT_GROUP_SEARCHES | STMT_GROUP_LOADS |
                                     STMT_GROUP_RESULTS));
    assert_true(commit_groups[1] & STMT_GROUP_REST);
    assert_true(commit_groups[1] & STMT_GROUP_TIMES); /* in another zone there are other days */
    ingest_free(in);
    fixture_retake(f);
    char *rows = dump_learner(f, "l0");
    assert_non_null(strstr(rows, "hours\n 43 0 0 0 10 10")); /* Monday 10:00 UTC is 19:00 there */
    free(rows);
    box_free(b);
}

static void ending_finishes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct ingest_options o = usual();
    struct box *b[20];

    o.group_wait_us = 60000000; /* a minute, which the end does not wait for */
    o.group_events = 1000000;
    struct ingest *in = start(f, &o);
    for (int i = 0; i < 20; i++) {
        b[i] = box_new(i * BATCH, 3);
        OK(ingest_submit(in, &b[i]->batch));
    }
    ingest_free(in);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(b[i]->told, 1);
        OK(b[i]->err);
        assert_int_equal(b[i]->results[0].status, INGEST_ACCEPTED);
        box_free(b[i]);
    }
}

/* One batch of a group cannot be stored: the others are. */
static void a_bad_batch_does_not_spoil_its_group(void **state)
{
    struct fixture *f = *state;
    struct ingest_options o = usual();
    struct ingest *in = start(f, &o);
    struct gate gate = gate_make(false);
    struct box *b[3];
    sqlite3 *db;

    gate.task.user = &gate;
    assert_int_equal(sqlite3_open(f->url + strlen("sqlite:"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TRIGGER bad BEFORE INSERT ON events WHEN new.id = 'e15' "
                                  "BEGIN SELECT RAISE(ABORT, 'bad'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    OK(ingest_submit_task(in, &gate.task));
    gate_enter(&gate);
    for (int i = 0; i < 3; i++) {
        b[i] = box_new(i * BATCH, 1);
        OK(ingest_submit(in, &b[i]->batch));
    }
    gate_let_go(&gate);
    wait_for(4);
    OK(b[0]->err);
    assert_int_not_equal(b[1]->err, ERR_OK);
    OK(b[2]->err);
    ingest_free(in);
    for (int i = 0; i < 3; i++)
        box_free(b[i]);
    fixture_retake(f);
    assert_verified(f);
}

/* A disk that takes its time, and that can fail. */
static struct {
    bool held, failing;
    int begun, done;
} disk;

static int disk_sync(int fd)
{
    pthread_mutex_lock(&lock);
    disk.begun++;
    pthread_cond_broadcast(&changed);
    while (disk.held)
        pthread_cond_wait(&changed, &lock);
    bool failing = disk.failing;
    disk.done++;
    pthread_mutex_unlock(&lock);
    if (failing) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

static int setup_disk(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    memset(&disk, 0, sizeof disk);
    fixture_open_synced(f, STORE_SQLITE, disk_sync);
    fixture_release(f);
    *state = f;
    told_count = commit_calls = 0;
    committed_learners = 0;
    return 0;
}

static void disk_hold(bool held)
{
    pthread_mutex_lock(&lock);
    disk.held = held;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void disk_begins(int count)
{
    pthread_mutex_lock(&lock);
    while (disk.begun < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* How many events of "l0" a reader sees. */
static int64_t events_seen(struct fixture *f)
{
    struct store_conn *reader;
    struct value key = V_S(STR("l0"));
    struct query q = {.stmt = STMT_LEARNER_LOCK, .args = &key, .arg_count = 1};
    int64_t n = 0;

    OK(store_connect(f->store, STORE_READER, &reader));
    OK(store_read(reader, &f->arena, &q, 1, 0));
    if (q.rows.count) {
        struct value id = *row_at(&q.rows, 0);
        struct query t = {.stmt = STMT_REBUILD_ROWS_TOTALS, .args = &id, .arg_count = 1};
        OK(store_read(reader, &f->arena, &t, 1, 0));
        n = value_i64(row_at(&t.rows, 0), 0);
    }
    store_disconnect(reader);
    return n;
}

/* While the disk works, the writer commits what comes next; what is told, and when, follows the
 * disk. A sync that began before a commit says nothing of it. */
static void nothing_is_told_before_it_is_on_disk(void **state)
{
    struct fixture *f = *state;
    struct ingest_options o = usual();
    struct box *first = box_new(0, 1), *second = box_new(BATCH, 1);
    struct gate task = gate_make(true);
    struct ingest_stats s;
    struct ingest *in = start(f, &o);

    task.task.user = &task;
    disk_hold(true);
    OK(ingest_submit(in, &first->batch));
    disk_begins(1);
    assert_int_equal(events_seen(f), BATCH); /* committed */
    OK(ingest_submit(in, &second->batch));
    do {
        sched_yield();
        ingest_stats(in, &s);
    } while (s.transactions < 2);
    OK(ingest_submit_task(in, &task.task));
    gate_enter(&task);
    assert_int_equal(events_seen(f), 2 * BATCH);
    assert_int_equal(s.queued_events, 2 * BATCH);
    assert_int_equal(told_count, 0);
    assert_int_equal(disk.begun, 1);
    disk_hold(false);
    wait_for(3);
    assert_int_equal(first->order, 1);
    assert_int_equal(second->order, 2);
    assert_int_equal(task.order, 3);
    OK(first->err);
    OK(second->err);
    OK(task.err);
    assert_true(disk.begun >= 2);
    ingest_free(in);
    box_free(first);
    box_free(second);
}

static void ending_waits_for_the_disk(void **state)
{
    struct fixture *f = *state;
    struct ingest_options o = usual();
    struct ingest *in = start(f, &o);
    struct box *b[5];

    for (int i = 0; i < 5; i++) {
        b[i] = box_new(i * BATCH, 1);
        OK(ingest_submit(in, &b[i]->batch));
    }
    ingest_free(in);
    assert_true(disk.begun >= 1 && disk.begun == disk.done);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(b[i]->told, 1);
        OK(b[i]->err);
        box_free(b[i]);
    }
}

/* Whatever waits for the disk fails with it, and so does all that comes later, although the disk
 * would answer again; the log is left as it is for the next start, which reads it. */
static void a_disk_that_failed_is_not_asked_again(void **state)
{
    struct fixture *f = *state;
    struct ingest_options o = usual();
    struct box *b[4];
    struct gate task = gate_make(true);
    struct ingest_stats s;
    char log[100];
    struct stat log_stat;
    struct ingest *in = start(f, &o);

    task.task.user = &task;
    for (int i = 0; i < 4; i++)
        b[i] = box_new(i * BATCH, 1);
    OK(ingest_submit(in, &b[0]->batch));
    wait_for(1);
    OK(b[0]->err);
    disk.failing = true; /* nobody syncs now */
    disk_hold(true);
    OK(ingest_submit(in, &b[1]->batch));
    disk_begins(disk.done + 1);
    OK(ingest_submit(in, &b[2]->batch)); /* committed, or not, while the disk is failing */
    do {
        sched_yield();
        ingest_stats(in, &s);
    } while (s.transactions < 3);
    assert_false(s.disk_failed);
    disk_hold(false);
    wait_for(3);
    assert_int_equal(b[1]->err, ERR_NOT_READY);
    assert_int_equal(b[2]->err, ERR_NOT_READY);
    disk.failing = false;
    int begun = disk.begun;
    OK(ingest_submit(in, &b[3]->batch));
    OK(ingest_submit_task(in, &task.task));
    wait_for(5);
    assert_int_equal(b[3]->err, ERR_NOT_READY);
    assert_int_equal(task.err, ERR_NOT_READY);
    assert_int_equal(task.runs, 0);
    assert_int_equal(disk.begun, begun);
    ingest_stats(in, &s);
    assert_true(s.disk_failed);
    assert_int_equal(s.failed, 3);
    ingest_free(in);
    for (int i = 0; i < 4; i++)
        box_free(b[i]);

    snprintf(log, sizeof log, "%s/doppel.db-wal", f->dir);
    assert_int_equal(stat(log, &log_stat), 0);
    assert_true(log_stat.st_size > 0);
    in = start(f, &o); /* as after a restart */
    assert_true(events_seen(f) >= BATCH);
    b[3] = box_new(3 * BATCH, 1);
    OK(ingest_submit(in, &b[3]->batch));
    wait_for(6);
    OK(b[3]->err);
    box_free(b[3]);
    ingest_free(in);
    assert_int_equal(stat(log, &log_stat), -1); /* all is in the file */
    fixture_retake(f);
    assert_verified(f);
}

int main(void)
{
#define ON_DISK(name) cmocka_unit_test_setup_teardown(name, setup_disk, teardown)
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(waiting_batches_share_a_transaction),
        TEST(a_full_queue_refuses),
        TEST(what_is_told_is_stored),
        TEST(many_threads_count_each_event_once),
        cmocka_unit_test_setup_teardown(many_threads_count_each_event_once, setup_postgres,
                                        teardown),
        TEST(tasks_take_part_in_their_transaction),
        cmocka_unit_test_setup_teardown(tasks_take_part_in_their_transaction, setup_postgres,
                                        teardown),
        TEST(ending_finishes_what_is_queued),
        TEST(a_bad_batch_does_not_spoil_its_group),
        ON_DISK(nothing_is_told_before_it_is_on_disk),
        ON_DISK(ending_waits_for_the_disk),
        ON_DISK(a_disk_that_failed_is_not_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
