#include "base/assert.h"
#include "net/workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* A gate that work waits at, so that tests decide when it goes on. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int arrived, opened;
};

static struct gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0 };

static void gate_reset(void)
{
    gate.arrived = gate.opened = 0;
}

static void gate_pass(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.arrived++;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.opened)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_await(int n)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.arrived < n)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_open(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.opened = 1;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static atomic_int ran, contexts_made, contexts_freed;

static void run(struct work *w, void *context)
{
    (void)w;
    assert_non_null(context);
    atomic_fetch_add(&ran, 1);
}

static void run_gated(struct work *w, void *context)
{
    gate_pass();
    run(w, context);
}

static void *make_context(void *user, int32_t index)
{
    assert_ptr_equal(user, &ran);
    assert_in_range(index, 0, 7);
    if (atomic_fetch_add(&contexts_made, 1) == 5) /* the sixth of all fails */
        return NULL;
    return malloc(1);
}

static void free_context(void *context)
{
    free(context);
    atomic_fetch_add(&contexts_freed, 1);
}

static void runs_everything(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct workers *p;
    struct workers_stats st;
    struct work *all = calloc(N, sizeof *all);
    atomic_store(&ran, 0);
    assert_int_equal(workers_new(&(struct workers_options){ .threads = 3, .reserved = 1,
                                                            .queue_max = N },
                                 &p),
                     ERR_OK);
    for (int i = 0; i < N; i++) {
        all[i].fn = run;
        assert_int_equal(workers_submit(p, i % 3 ? LANE_FAST : LANE_SLOW, &all[i]), ERR_OK);
    }
    workers_free(p); /* runs what is queued */
    assert_int_equal(atomic_load(&ran), N);
    free(all);

    assert_int_equal(workers_new(&(struct workers_options){ .threads = 2, .queue_max = 4 }, &p),
                     ERR_OK);
    workers_stats(p, &st);
    assert_int_equal(st.queued + st.busy + (int)st.done, 0);
    workers_free(p);
    workers_free(NULL);
}

static void keeps_threads_free_of_slow_work(void **state)
{
    (void)state;
    struct workers *p;
    struct workers_stats st;
    struct work slow[4], fast[8];
    atomic_store(&ran, 0);
    gate_reset();
    assert_int_equal(workers_new(&(struct workers_options){ .threads = 3, .reserved = 1,
                                                            .queue_max = 64 },
                                 &p),
                     ERR_OK);
    for (size_t i = 0; i < COUNT(slow); i++) {
        slow[i].fn = run_gated;
        assert_int_equal(workers_submit(p, LANE_SLOW, &slow[i]), ERR_OK);
    }
    gate_await(2);
    for (size_t i = 0; i < COUNT(fast); i++) {
        fast[i].fn = run;
        assert_int_equal(workers_submit(p, LANE_FAST, &fast[i]), ERR_OK);
    }
    do /* the third thread gets through all the fast work while two are held up */
        workers_stats(p, &st);
    while (st.done < (int)COUNT(fast));
    assert_int_equal(st.busy, 2);
    assert_int_equal(st.queued, 2);
    assert_int_equal(gate.arrived, 2);
    gate_open();
    workers_free(p);
    assert_int_equal(atomic_load(&ran), COUNT(slow) + COUNT(fast));
}

static void refuses_when_full(void **state)
{
    (void)state;
    struct workers *p;
    struct workers_stats st;
    struct work w[4];
    gate_reset();
    atomic_store(&ran, 0);
    assert_int_equal(workers_new(&(struct workers_options){ .threads = 1, .queue_max = 2 }, &p),
                     ERR_OK);
    for (size_t i = 0; i < COUNT(w); i++)
        w[i].fn = run_gated;
    assert_int_equal(workers_submit(p, LANE_FAST, &w[0]), ERR_OK);
    gate_await(1);
    assert_int_equal(workers_submit(p, LANE_FAST, &w[1]), ERR_OK);
    assert_int_equal(workers_submit(p, LANE_SLOW, &w[2]), ERR_OK);
    assert_int_equal(workers_submit(p, LANE_FAST, &w[3]), ERR_BUSY);
    workers_stats(p, &st);
    assert_int_equal(st.refused, 1);
    assert_int_equal(st.queued, 2);
    gate_open();
    workers_free(p);
    assert_int_equal(atomic_load(&ran), 3);
}

static void makes_and_frees_contexts(void **state)
{
    (void)state;
    struct workers *p;
    struct workers_options o = { .threads = 4, .queue_max = 4, .context_new = make_context,
                                 .context_free = free_context, .user = &ran };
    assert_int_equal(workers_new(&o, &p), ERR_OK);
    workers_free(p);
    assert_int_equal(atomic_load(&contexts_made), 4);
    assert_int_equal(atomic_load(&contexts_freed), 4);
    /* One that cannot be made: no pool, and nothing left behind. */
    assert_int_not_equal(workers_new(&o, &p), ERR_OK);
    assert_int_equal(atomic_load(&contexts_made), 8);
    assert_int_equal(atomic_load(&contexts_freed), 7);
}

static void checks_its_options(void **state)
{
    (void)state;
    struct workers *p;
    assert_int_equal(workers_new(&(struct workers_options){ .queue_max = 1 }, &p), ERR_RANGE);
    assert_int_equal(workers_new(&(struct workers_options){ .threads = 1 }, &p), ERR_RANGE);
    assert_int_equal(
        workers_new(&(struct workers_options){ .threads = 1, .reserved = 1, .queue_max = 1 }, &p),
        ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_everything),
        cmocka_unit_test(keeps_threads_free_of_slow_work),
        cmocka_unit_test(refuses_when_full),
        cmocka_unit_test(makes_and_frees_contexts),
        cmocka_unit_test(checks_its_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
