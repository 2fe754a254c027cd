/* bus - what one node writes, the others hear: generations over Redis publish/subscribe, with
 * stored tokens so that a node that missed a message finds out.
 *
 * A thread of its own: the subscription, the publishing, the check. For each commit it sets the
 * written tags' stored tokens (PREFIX{t<slot>}:g, a number never used before, expiring after a day)
 * and publishes "NODE SEQ tag…"; SEQ counts this node's messages and is also stored. A gap in a
 * node's SEQ, a reconnection, or stored counters ahead of what was heard raise everything here.
 * While Redis cannot be heard bus_trusted() is false, and answers may only be as old as the blind
 * time. What could not be said yet is kept (bounded; beyond the bound "everything" is what will be
 * said). */
#pragma once
#include "cache/generation.h"

struct bus;
struct redis_options; /* redis/link.h */

struct bus_options {
    const struct redis_options *redis; /* copied */
    struct str prefix;                 /* of all keys and the channel */
    struct generations *generations;   /* borrowed; raised when others speak */
    /* A learner that was new on another node (its external id's tag hash), and "anything may have
     * been missed". On the bus's thread. */
    void (*on_learner)(void *user, uint64_t hash);
    void (*on_gap)(void *user);
    void *user;
};
MUST_CHECK enum err bus_new(const struct bus_options *options, struct bus **ret, char *ret_detail);
void bus_free(struct bus *b); /* says what is left for at most a second; NULL is fine */

/* After the local generations were raised, before the write is acknowledged. Never blocks. Any
 * thread. */
void bus_say(struct bus *b, const struct tag *tags, int32_t n);
/* Has everything that was said about this tag reached Redis? Until then what L2 holds for it is
 * old. */
bool bus_said(const struct bus *b, struct tag tag);
bool bus_trusted(const struct bus *b);

struct bus_stats {
    int64_t said, heard, gaps, reconnects, waiting, overflows;
    bool connected;
    int64_t disconnected_since_us; /* monotonic; 0: connected */
};
void bus_stats(const struct bus *b, struct bus_stats *ret);
