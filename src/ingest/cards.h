/* cards - what a group's reviews leave in memory, card by card. Inside of ingest.
 *
 * Memory (twin/card.h) goes by the order of the reviews, which events do not keep to. In order is a
 * group whose reviews of a card all lie behind the card's last one: the stored state moves on.
 * Otherwise the card's own reviews are read from the log, where the group's stand already, and
 * walked from the first; so the state is always that of the reviews sorted by time and id, and a
 * rebuild finds the same. Walked are the first CARD_REVIEWS_MAX at most.
 *
 * Each forecast that is judged on the way is told, with what came of it, to the audit; those that
 * would have been made without the late reviews are taken back. */
#pragma once
#include "ingest/rows.h"
#include "twin/card.h"

struct zone;

struct card_event { /* a review of the group */
    struct card_event *next;
    int64_t at;
    struct str id;
    int32_t day; /* by card_day() */
    enum memory_grade grade;
};

/* Notes the review with its card. *failed: out of memory. */
void card_add(struct card_row *card, struct arena *arena, const struct card_event *one,
              bool *failed);

struct card_owner {
    int64_t learner_id;
    const struct zone *zone;
};

struct card_work {
    struct store_conn *conn;
    struct arena *arena;
    const struct table *cards; /* struct card_row: merged with what was there */
    void *user;
    struct card_owner (*owner)(void *user, int32_t learner);
    /* sign -1: the forecast is taken back. */
    void (*forecast)(void *user, int32_t learner, double p, bool remembered, int sign);
};

/* Sets the memory of all cards. Takes a round trip only when reviews came late. ERR_NOMEM, and what
 * the store says. */
MUST_CHECK enum err cards_remember(const struct card_work *w);
