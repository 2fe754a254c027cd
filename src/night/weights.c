/* weights - see the header. */
#include "night/weights.h"

#include "base/assert.h"
#include "base/num.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    ADD_COLS = 3,  /* part, slots, states */
    WHOLE_COLS = 4 /* number before them */
};

struct weights {
    pthread_mutex_t lock;
    int64_t number; /* all rows up to it were read; INT64_MIN: none */
    int64_t tail;
    uint32_t slots;
    uint64_t *moved; /* a bit a slot */
    uint8_t *states; /* STRUGGLE_SLOT_BYTES a slot */
};

enum err weights_new(int bits, struct weights **ret)
{
    struct weights *w = calloc(1, sizeof *w);
    size_t slots = (size_t)1 << bits;

    if (!w)
        return ERR_NOMEM;
    w->number = INT64_MIN;
    w->slots = (uint32_t)slots;
    w->moved = calloc(slots / 64, sizeof *w->moved);
    w->states = calloc(slots, STRUGGLE_SLOT_BYTES);
    pthread_mutex_init(&w->lock, NULL);
    if (w->moved && w->states) {
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
    free(w->moved);
    free(w->states);
    free(w);
}

static uint8_t *state_of(const struct weights *w, uint32_t slot)
{
    return w->states + (size_t)slot * STRUGGLE_SLOT_BYTES;
}

/* ---- reading ---- */

/* The number at *at, and what divides it from the next one. */
static bool read_step(struct str s, size_t *at, uint32_t *ret)
{
    uint32_t n = 0;
    size_t begin = *at;

    for (; *at < s.n && s.p[*at] >= '0' && s.p[*at] <= '9' && n < 1 << 26; ++*at)
        n = 10 * n + (uint32_t)(s.p[*at] - '0');
    *ret = n;
    if (*at == begin || (*at < s.n && s.p[*at] != ','))
        return false;
    *at += *at < s.n;
    return true;
}

/* Written by this program: what cannot be read begins anew. */
static void take_row(struct weights *w, struct str slots, struct str states)
{
    const uint8_t *state = (const uint8_t *)states.p;
    uint32_t slot = 0, step;
    size_t at = 0;

    for (size_t left = states.n / STRUGGLE_SLOT_BYTES; left > 0 && at < slots.n; left--) {
        if (!read_step(slots, &at, &step) || step >= w->slots - slot)
            return;
        slot += step;
        memcpy(state_of(w, slot), state, STRUGGLE_SLOT_BYTES);
        w->moved[slot / 64] |= UINT64_C(1) << slot % 64;
        state += STRUGGLE_SLOT_BYTES;
    }
}

static enum err take(void *user, const struct value *row, int32_t cols)
{
    struct weights *w = user;
    int64_t number = value_i64(&row[0], 0);
    bool whole = value_i64(&row[1], 0) != 0;

    ASSERT(cols == 4 && row[3].type == V_BLOB);
    take_row(w, value_str(&row[2]), row[3].s);
    w->tail = whole ? 0 : w->tail + (int64_t)(row[3].s.n / STRUGGLE_SLOT_BYTES);
    w->number = number;
    return ERR_OK;
}

enum err weights_catch_up(struct weights *w, struct store_conn *conn, int64_t outcomes)
{
    enum err e = ERR_OK;

    pthread_mutex_lock(&w->lock); /* others would read the same */
    if (w->number < outcomes) {
        /* what was cut off within a number is read again: rows say what is, not what changed */
        int64_t before = w->number, tail = w->tail;
        const struct value behind = V_I(before);
        e = store_each(conn, STMT_LEARNT_WEIGHTS_BEHIND, &behind, 1, take, w);
        if (e != ERR_OK) {
            w->number = before;
            w->tail = tail;
        } else if (w->number < outcomes)
            w->number = outcomes;
    }
    pthread_mutex_unlock(&w->lock);
    return e;
}

enum err weights_load(struct weights *w, const uint32_t *slots, int32_t count,
                      struct struggle_model *m)
{
    enum err e = ERR_OK;

    pthread_mutex_lock(&w->lock);
    for (int32_t i = 0; e == ERR_OK && i < count; i++) {
        uint32_t slot = slots[i];

        ASSERT(slot < w->slots);
        if (!(w->moved[slot / 64] >> slot % 64 & 1))
            continue;
        e = struggle_slot_decode(m, slot, state_of(w, slot), STRUGGLE_SLOT_BYTES);
        if (e == ERR_RANGE)
            e = ERR_OK; /* unreadable: it begins anew */
    }
    pthread_mutex_unlock(&w->lock);
    return e;
}

/* ---- to be written ---- */

/* Ascending slots as text; room: for each NUM_TEXT_MAX. */
static struct str print_slots(const uint32_t *slots, int32_t count, char *out)
{
    uint32_t before = 0;
    size_t n = 0;

    for (int32_t i = 0; i < count; i++) {
        if (i > 0)
            out[n++] = ',';
        n += num_print_u64(slots[i] - before, out + n);
        before = slots[i];
    }
    return (struct str){out, n};
}

enum { DIGITS = 8 /* of a slot, and what divides it from the next */ };

enum err weights_moved(const struct struggle_model *m, const uint32_t *slots, int32_t count,
                       struct arena *arena, struct value **ret, int32_t *ret_rows)
{
    int32_t rows = (count + WEIGHTS_PART - 1) / WEIGHTS_PART;
    struct value *v = arena_new(arena, struct value, (size_t)rows * ADD_COLS + 1);
    uint8_t *bytes = arena_new(arena, uint8_t, (size_t)count * STRUGGLE_SLOT_BYTES + 1);
    char *text = arena_new(arena, char, (size_t)count *DIGITS + NUM_TEXT_MAX);

    if (!v || !bytes || !text)
        return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++)
        struggle_slot_encode(m, slots[i], bytes + (size_t)i * STRUGGLE_SLOT_BYTES);
    for (int32_t row = 0; row < rows; row++) {
        int32_t first = row * WEIGHTS_PART, left = count - first;
        int32_t n = left < WEIGHTS_PART ? left : WEIGHTS_PART;
        struct str names = print_slots(slots + first, n, text);

        text += names.n;
        v[ADD_COLS * row] = V_I(row);
        v[ADD_COLS * row + 1] = V_S(names);
        v[ADD_COLS * row + 2] =
            V_B(((struct str){(const char *)bytes + (size_t)first * STRUGGLE_SLOT_BYTES,
                              (size_t)n * STRUGGLE_SLOT_BYTES}));
    }
    *ret = v;
    *ret_rows = rows;
    return ERR_OK;
}

int64_t weights_tail(struct weights *w)
{
    pthread_mutex_lock(&w->lock);
    int64_t tail = w->tail;
    pthread_mutex_unlock(&w->lock);
    return tail;
}

/* A copy of what was moved, WEIGHTS_PART slots to a row. */
static int32_t copy_whole(const struct weights *w, struct value *v, uint8_t *bytes, char *text,
                          uint32_t slots[WEIGHTS_PART])
{
    int32_t rows = 0;

    for (uint32_t first = 0; first < w->slots; first += WEIGHTS_PART) {
        const char *begin = (const char *)bytes;
        int32_t n = 0;

        for (uint32_t slot = first; slot < w->slots && slot < first + WEIGHTS_PART; slot++) {
            if (!(w->moved[slot / 64] >> slot % 64 & 1))
                continue;
            slots[n++] = slot;
            memcpy(bytes, state_of(w, slot), STRUGGLE_SLOT_BYTES);
            bytes += STRUGGLE_SLOT_BYTES;
        }
        if (n == 0)
            continue;
        struct str names = print_slots(slots, n, text);
        struct value *row = v + (size_t)rows * WHOLE_COLS;
        text += names.n;
        row[0] = V_I(w->number);
        row[1] = V_I(rows++);
        row[2] = V_S(names);
        row[3] = V_B(((struct str){begin, (size_t)n * STRUGGLE_SLOT_BYTES}));
    }
    return rows;
}

enum err weights_whole(struct weights *w, struct arena *arena, struct value **ret,
                       int32_t *ret_rows, struct value **ret_number)
{
    size_t states = (size_t)w->slots * STRUGGLE_SLOT_BYTES,
           rows = (w->slots + WEIGHTS_PART - 1) / WEIGHTS_PART;
    uint8_t *bytes = malloc(states + (size_t)w->slots * DIGITS + NUM_TEXT_MAX);
    struct value *v = arena_new(arena, struct value, rows * WHOLE_COLS + 1);
    uint32_t *slots = arena_new(arena, uint32_t, WEIGHTS_PART);

    if (!bytes || arena_on_end(arena, free, bytes) != ERR_OK) {
        free(bytes);
        return ERR_NOMEM;
    }
    if (!v || !slots)
        return ERR_NOMEM;
    pthread_mutex_lock(&w->lock);
    *ret_rows = copy_whole(w, v, bytes, (char *)bytes + states, slots);
    v[rows * WHOLE_COLS] = V_I(w->number);
    w->tail = 0; /* should it not be written, the next time is later */
    pthread_mutex_unlock(&w->lock);
    *ret = v;
    *ret_number = &v[rows * WHOLE_COLS];
    return ERR_OK;
}
