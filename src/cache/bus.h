/* bus - what one node writes, the others hear, over Redis publish/subscribe.
 *
 * Tokens. What Redis holds for a learner or a course lies in one key (l2.h) together with a token:
 * a random number that was never used before. To make it all void the bus takes the key away;
 * whoever next fills makes a new token. Taking away is safe to repeat, needs no memory (a Redis
 * that is full still does it) and leaves nothing behind. The tokens of endpoints and of
 * "everything" are fields of one hash, PREFIX{bus}:g, and each node knows them from memory
 * (bus_token()): they are taken away in the same manner, and read again by whoever hears of it.
 *
 * Messages. A thread of its own: for each group of commits it takes the tokens away, publishes
 * "NODE SEQ BEAT tag…" on PREFIX{bus} and stores NODE's SEQ in the hash PREFIX{bus}:seq. Every
 * second a node publishes the same without tags; that message is its heartbeat for the others, and,
 * coming back on its own subscription, the proof that it hears. It also reads the stored counters
 * before it: all that was published before must have been heard when the own heartbeat comes. So a
 * message that was missed is found out by the next one of that node, or by the counter; then, and
 * after a reconnection that the counters do not show to be harmless, everything is raised here.
 *
 * While this node cannot hear, or cannot take tokens away, bus_trusted() is false: answers may only
 * be as old as the blind time, and the second tier is not believed. What could not be said yet is
 * kept, up to BUS_WAITING_MAX tags; beyond that "everything" is what will be said. What is lost
 * when the process dies before it could say it is bounded by the answers' own lifetimes. */
#pragma once
#include "cache/generation.h"

struct bus;
struct redis_target; /* redis/target.h */

enum { BUS_PREFIX_MAX = 64, BUS_WAITING_MAX = 65536, BUS_ENDPOINTS_MAX = 192 };

struct bus_options {
    struct redis_target *redis; /* borrowed; the bus looks its name up again when it must */
    struct str prefix;          /* of all keys and the channel; 1..BUS_PREFIX_MAX bytes */
    int32_t command_timeout_ms;
    struct generations *generations; /* borrowed; raised when others speak */
    /* A learner that is new on another node (its tag's hash), and "anything may have been missed",
     * which also comes when it hears for the first time. On the bus's thread. */
    void (*on_learner)(void *user, uint64_t hash);
    void (*on_gap)(void *user);
    void *user;
};
/* Of a cluster all keys must lie in one slot: so the prefix may have one {hash tag}, which is not
 * empty; other braces it may not. */
bool bus_prefix_valid(struct str prefix);
/* ERR_RANGE: the prefix; ERR_NOMEM. Redis need not be there. */
MUST_CHECK enum err bus_new(const struct bus_options *options, struct bus **ret, char *ret_detail);
void bus_free(struct bus *b); /* says what is left for at most a second; NULL is fine */

/* After the local generations were raised, before the write is acknowledged. Never blocks. Any
 * thread. */
void bus_say(struct bus *b, const struct tag *tags, int32_t n);
void bus_say_learner(struct bus *b, uint64_t hash); /* that learner is new, says its tag's hash */
/* Has everything that was said about this tag reached Redis? Until then what L2 holds for it is
 * old. May say false for a tag that nobody spoke of. Any thread, no lock. */
bool bus_said(const struct bus *b, struct tag tag);
bool bus_trusted(const struct bus *b);
/* The token of an endpoint or of everything; 0: not known at present (asking for it makes the bus
 * learn it). Any thread, no lock. */
uint64_t bus_token(struct bus *b, struct tag tag);

struct bus_stats {
    int64_t said, heard, gaps, reconnects, waiting, overflows;
    bool connected;
    int64_t disconnected_since_us; /* monotonic; 0: connected */
};
void bus_stats(const struct bus *b, struct bus_stats *ret);
