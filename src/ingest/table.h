/* table - rows of one kind by key, in scratch memory: how a group of events is summed up.
 *
 * A row starts with a struct row_key and is zeroed when it is made; its place does not move. Keys
 * borrow their text. Out of memory, table_row() hands out a spare row and latches `failed`; the
 * caller looks once, at the end. */
#pragma once
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct row_key {
    int32_t learner; /* index of the learner in the group, not an id */
    int32_t num;     /* day, slot, bucket, kind of topic; 0 where there is none */
    struct str a, b; /* {NULL,0} where there is none */
};

enum { TABLE_RECENT = 8 };

struct table {
    struct arena *arena;
    size_t row_size;
    struct row_key **rows; /* in order of their making */
    int32_t count, room;
    struct table_slot *slots;
    uint32_t mask;
    struct row_key *recent[TABLE_RECENT]; /* by `num`: what came last mostly comes again */
    bool *failed;
};

/* failed: shared by the tables of one owner. */
void table_init(struct table *t, struct arena *arena, size_t row_size, bool *failed);
/* Never NULL. *ret_new (may be NULL): was it made just now? */
void *table_row(struct table *t, const struct row_key *key, bool *ret_new);
void *table_find(const struct table *t, const struct row_key *key); /* NULL: not there */
