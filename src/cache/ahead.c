#include "cache/ahead.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct name {
    uint8_t n;
    char text[AHEAD_NAME_MAX];
};

struct ahead {
    _Atomic uint32_t marks[AHEAD_MARKS / 32]; /* collisions cost a look, or an answer */
    pthread_mutex_t lock;                     /* guards what follows */
    bool (*wake)(void *user);
    void *user;
    bool taking; /* somebody was woken and has not come to the end */
    int32_t first, count;
    uint64_t hashes[AHEAD_QUEUE]; /* a ring, as the names */
    struct name names[AHEAD_QUEUE];
    struct ahead_stats stats;
};

enum err ahead_new(struct ahead **ret)
{
    struct ahead *a = calloc(1, sizeof *a); /* fresh pages: not there until touched */

    if (!a)
        return ERR_NOMEM;
    pthread_mutex_init(&a->lock, NULL);
    *ret = a;
    return ERR_OK;
}

void ahead_free(struct ahead *a)
{
    if (a)
        pthread_mutex_destroy(&a->lock);
    free(a);
}

void ahead_listen(struct ahead *a, bool (*wake)(void *user), void *user)
{
    pthread_mutex_lock(&a->lock);
    a->wake = wake;
    a->user = user;
    pthread_mutex_unlock(&a->lock);
}

static _Atomic uint32_t *mark_of(struct ahead *a, uint64_t learner, uint32_t *ret_bit)
{
    *ret_bit = UINT32_C(1) << (learner % 32);
    return &a->marks[learner / 32 % (AHEAD_MARKS / 32)];
}

void ahead_mark(struct ahead *a, uint64_t learner)
{
    uint32_t bit;
    _Atomic uint32_t *mark = mark_of(a, learner, &bit);

    if (!(atomic_load_explicit(mark, memory_order_relaxed) & bit))
        atomic_fetch_or_explicit(mark, bit, memory_order_relaxed);
}

void ahead_unmark(struct ahead *a, uint64_t learner)
{
    uint32_t bit;
    _Atomic uint32_t *mark = mark_of(a, learner, &bit);

    atomic_fetch_and_explicit(mark, ~bit, memory_order_relaxed);
}

/* The lock is held. Nobody's name stays where he is not waiting. */
static void do_let_go(struct ahead *a)
{
    memset(&a->names[a->first], 0, sizeof a->names[0]);
    a->first = (a->first + 1) % AHEAD_QUEUE;
    a->count--;
}

static void do_give_up(struct ahead *a)
{
    a->stats.full += a->count;
    while (a->count > 0)
        do_let_go(a);
    a->taking = false;
}

/* The lock is held. */
static bool do_put(struct ahead *a, struct str name, uint64_t learner)
{
    for (int32_t i = 0; i < a->count; i++)
        if (a->hashes[(a->first + i) % AHEAD_QUEUE] == learner) {
            a->stats.joined++;
            return false;
        }
    if (a->count == AHEAD_QUEUE) {
        a->stats.full++;
        return false;
    }
    int32_t at = (a->first + a->count) % AHEAD_QUEUE;

    a->hashes[at] = learner;
    a->names[at].n = (uint8_t)name.n;
    memcpy(a->names[at].text, name.p, name.n);
    a->count++;
    a->stats.came++;
    return true;
}

void ahead_wrote(struct ahead *a, struct str name, uint64_t learner)
{
    uint32_t bit;
    _Atomic uint32_t *mark = mark_of(a, learner, &bit);

    if (!(atomic_load_explicit(mark, memory_order_relaxed) & bit) || name.n > AHEAD_NAME_MAX ||
        name.n == 0)
        return;
    pthread_mutex_lock(&a->lock);
    bool first = a->wake && do_put(a, name, learner) && !a->taking;
    bool (*wake)(void *user) = a->wake;
    void *user = a->user;

    a->taking |= first;
    pthread_mutex_unlock(&a->lock);
    if (first && !wake(user))
        ahead_give_up(a);
}

bool ahead_take(struct ahead *a, char name[AHEAD_NAME_MAX], size_t *ret_n)
{
    pthread_mutex_lock(&a->lock);
    bool any = a->count > 0;

    if (any) {
        *ret_n = a->names[a->first].n;
        memcpy(name, a->names[a->first].text, *ret_n);
        do_let_go(a);
    } else {
        a->taking = false;
    }
    pthread_mutex_unlock(&a->lock);
    return any;
}

void ahead_give_up(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    do_give_up(a);
    pthread_mutex_unlock(&a->lock);
}

void ahead_stats(struct ahead *a, struct ahead_stats *ret)
{
    pthread_mutex_lock(&a->lock);
    *ret = a->stats;
    ret->queued = a->count;
    pthread_mutex_unlock(&a->lock);
}
