/* sums - what a group of events changes in the derived rows: gathered in memory, then written.
 *
 * The group is summed up first, so that the store sees each row once, however many events touch it.
 * What a session contributes to days, hours and lengths depends on all its events: its part before
 * the group is taken away and its part after it is added. docs/events.md has the rules. */
#pragma once
#include "ingest/event.h"
#include "store/store.h"

struct sums;

MUST_CHECK enum err sums_new(struct sums **ret);
void sums_free(struct sums *s);

void sums_begin(struct sums *s); /* forgets the group before */
/* The number by which the group's events name the learner. */
int32_t sums_learner(struct sums *s, int64_t learner_id, const struct zone *zone);
/* An event that is new in the log. Its text must live until sums_write(). */
void sums_event(struct sums *s, int32_t learner, const struct event *e, struct str id, int64_t at);
/* STMT_GROUP_*: what sums_write() has changed of that learner's. */
uint32_t sums_wrote(const struct sums *s, int32_t learner);
/* Reads, merges and writes the rows, in the transaction that is open: two round trips. ERR_NOMEM, and
 * what the store says. */
MUST_CHECK enum err sums_write(struct sums *s, struct store_conn *conn);
/* The same without waiting for the end: what is written goes ahead (store_write_ahead()), and `s` is
 * left alone until it is answered. `behind` (may be NULL), with rows, goes ahead behind the reads, so
 * that the server has something to do while their answers are merged. */
MUST_CHECK enum err sums_write_ahead(struct sums *s, struct store_conn *conn, struct bulk *behind);
