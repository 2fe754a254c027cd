/* keeper - the thread behind the tiers: other programs' writes, the filter, the sweep. */
#pragma once
#include "store/store.h"

struct keeper;
struct tiers;

/* store NULL: it only sweeps. ERR_NOMEM. */
MUST_CHECK enum err keeper_new(struct tiers *tiers, struct store *store, struct keeper **ret);
MUST_CHECK enum err keeper_start(struct keeper *k); /* when the tiers are whole. ERR_NOMEM */
void keeper_refill(
    struct keeper *k);              /* learners may have come unseen: read all again. Any thread */
void keeper_stop(struct keeper *k); /* idempotent */
void keeper_free(struct keeper *k); /* NULL is fine */
