/* weights - see the header. */
#include "night/weights.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct weights {
    pthread_mutex_t lock;
    int64_t outcomes; /* that it all is true for */
    uint32_t slots;
    uint64_t *known, *stored; /* a bit a slot: asked for; there is one in the store */
    uint8_t *states;          /* STRUGGLE_SLOT_BYTES a slot */
};

enum err weights_new(int bits, struct weights **ret)
{
    struct weights *w = calloc(1, sizeof *w);
    size_t slots = (size_t)1 << bits;

    if (!w)
        return ERR_NOMEM;
    w->slots = (uint32_t)slots;
    w->known = calloc(slots / 64, sizeof *w->known);
    w->stored = calloc(slots / 64, sizeof *w->stored);
    w->states = calloc(slots, STRUGGLE_SLOT_BYTES);
    pthread_mutex_init(&w->lock, NULL);
    if (w->known && w->stored && w->states) {
        *ret = w;
        return ERR_OK;
    }
    weights_free(w);
    return ERR_NOMEM;
}

void weights_free(struct weights *w)
{
    if (!w)
        return;
    pthread_mutex_destroy(&w->lock);
    free(w->known);
    free(w->stored);
    free(w->states);
    free(w);
}

static bool has(const uint64_t *bits, uint32_t slot)
{
    return bits[slot / 64] >> slot % 64 & 1;
}

static void mark(uint64_t *bits, uint32_t slot, bool yes)
{
    uint64_t bit = UINT64_C(1) << slot % 64;

    bits[slot / 64] = yes ? bits[slot / 64] | bit : bits[slot / 64] & ~bit;
}

static void forget(struct weights *w, int64_t outcomes)
{
    memset(w->known, 0, w->slots / 64 * sizeof *w->known);
    w->outcomes = outcomes;
}

static uint32_t slot_of(const struct weights *w, const struct value *v)
{
    ASSERT(v->type == V_INT && v->i >= 0 && v->i < w->slots);
    return (uint32_t)v->i;
}

static void set(struct weights *w, uint32_t slot, const struct value *state)
{
    bool whole = state->type == V_BLOB && state->s.n == STRUGGLE_SLOT_BYTES;

    mark(w->known, slot, whole); /* what nobody can read is for the store to tell */
    mark(w->stored, slot, whole);
    if (whole)
        memcpy(w->states + (size_t)slot * STRUGGLE_SLOT_BYTES, state->s.p, STRUGGLE_SLOT_BYTES);
}

enum err weights_load(struct weights *w, int64_t outcomes, const struct value *slots, int32_t count,
                      struct struggle_model *m, struct value *ret_others, int32_t *ret_count)
{
    enum err e = ERR_OK;
    int32_t n = 0;

    pthread_mutex_lock(&w->lock);
    if (outcomes > w->outcomes)
        forget(w, outcomes);
    for (int32_t i = 0; e == ERR_OK && i < count; i++) {
        uint32_t slot = slot_of(w, &slots[i]);

        if (outcomes != w->outcomes || !has(w->known, slot)) {
            ret_others[n++] = slots[i];
            continue;
        }
        if (has(w->stored, slot))
            e = struggle_slot_decode(m, slot, w->states + (size_t)slot * STRUGGLE_SLOT_BYTES,
                                     STRUGGLE_SLOT_BYTES);
        if (e == ERR_RANGE)
            e = ERR_OK; /* unreadable: it begins anew */
    }
    pthread_mutex_unlock(&w->lock);
    *ret_count = n;
    return e;
}

void weights_keep(struct weights *w, int64_t outcomes, const struct value *slots, int32_t count,
                  const struct rows *rows)
{
    pthread_mutex_lock(&w->lock);
    if (outcomes == w->outcomes) {
        for (int32_t i = 0; i < count; i++) {
            uint32_t slot = slot_of(w, &slots[i]);
            mark(w->known, slot, true);
            mark(w->stored, slot, false);
        }
        for (int32_t i = 0; i < rows->count; i++) {
            const struct value *v = row_at(rows, i);
            set(w, slot_of(w, &v[0]), &v[1]);
        }
    }
    pthread_mutex_unlock(&w->lock);
}

void weights_written(struct weights *w, int64_t outcomes, int64_t learnt, const struct value *pairs,
                     int32_t count)
{
    pthread_mutex_lock(&w->lock);
    if (w->outcomes < outcomes && w->outcomes != outcomes - learnt)
        forget(w, outcomes); /* others wrote, or are to tell */
    if (w->outcomes == outcomes - learnt)
        for (int32_t i = 0; i < count; i++)
            set(w, slot_of(w, &pairs[2 * i]), &pairs[2 * i + 1]);
    if (w->outcomes < outcomes)
        w->outcomes = outcomes;
    pthread_mutex_unlock(&w->lock);
}
