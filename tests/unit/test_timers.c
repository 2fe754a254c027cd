/* The heap of deadlines against a plain list, and mail between threads. */
#include "base/assert.h"
#include "base/rng.h"
#include "net/mailbox.h"
#include "net/timers.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static int64_t least(const struct timer *all, size_t n)
{
    int64_t at = TIMER_NEVER;
    for (size_t i = 0; i < n; i++)
        if (all[i].index && all[i].at_us < at)
            at = all[i].at_us;
    return at;
}

static void keeps_the_earliest_first(void **state)
{
    (void)state;
    struct timer all[200] = { 0 };
    struct timers ts = { 0 };
    struct rng r;
    int64_t now_us = 0;
    rng_seed(&r, 7);
    for (int step = 0; step < 200000; step++) {
        struct timer *t = &all[rng_below(&r, COUNT(all))];
        switch (rng_below(&r, 4)) {
        case 0:
        case 1:
            assert_int_equal(timers_reserve(&ts, ts.count + 1), ERR_OK);
            timer_set(&ts, t, now_us + (int64_t)rng_below(&r, 1000));
            break;
        case 2:
            timer_clear(&ts, t);
            break;
        default:
            now_us += (int64_t)rng_below(&r, 20);
            while ((t = timers_pop(&ts, now_us))) {
                assert_true(t->at_us <= now_us && t->index == 0);
                assert_true(t->at_us <= least(all, COUNT(all)));
            }
            assert_true(least(all, COUNT(all)) > now_us);
        }
        assert_int_equal(timers_next(&ts), least(all, COUNT(all)));
    }
    timer_set(&ts, &all[0], TIMER_NEVER);
    assert_int_equal(all[0].index, 0);
    timers_fini(&ts);
}

enum { SENDERS = 4, LETTERS = 50000 };

struct letter {
    struct mail mail;
    int sender, number;
};
static struct mailbox box;
static int got[SENDERS];

static void on_letter(struct mail *m)
{
    struct letter *l = (struct letter *)m;
    assert_int_equal(got[l->sender], l->number); /* in the order of its sender */
    got[l->sender]++;
}

static void *send_letters(void *arg)
{
    struct letter *all = arg;
    for (int i = 0; i < LETTERS; i++)
        mailbox_push(&box, &all[i].mail);
    return NULL;
}

/* Every letter arrives, in each sender's order, and the reader never sleeps on one. */
static void delivers_all_mail(void **state)
{
    (void)state;
    pthread_t threads[SENDERS];
    struct letter *all[SENDERS];
    assert_int_equal(mailbox_init(&box), ERR_OK);
    for (int s = 0; s < SENDERS; s++) {
        all[s] = calloc(LETTERS, sizeof *all[s]);
        for (int i = 0; i < LETTERS; i++)
            all[s][i] = (struct letter){ .mail.fn = on_letter, .sender = s, .number = i };
        assert_int_equal(pthread_create(&threads[s], NULL, send_letters, all[s]), 0);
    }
    for (int total = 0; total < SENDERS * LETTERS;) {
        if (mailbox_sleep(&box)) {
            struct pollfd pfd = { .fd = box.event_fd, .events = POLLIN };
            uint64_t value;
            assert_int_equal(poll(&pfd, 1, 10000), 1);
            assert_int_equal(read(box.event_fd, &value, sizeof value), sizeof value);
        }
        mailbox_wake(&box);
        for (struct mail *m = mailbox_take(&box), *next; m; m = next) {
            next = m->next;
            m->fn(m);
            total++;
        }
    }
    for (int s = 0; s < SENDERS; s++) {
        pthread_join(threads[s], NULL);
        assert_int_equal(got[s], LETTERS);
        free(all[s]);
    }
    mailbox_fini(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_earliest_first),
        cmocka_unit_test(delivers_all_mail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
