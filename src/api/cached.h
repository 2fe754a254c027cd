/* cached - how a call meets the cache. Part of the dispatcher.
 *
 * A GET whose row says fresh_s > 0 becomes a question: a canonical text of the row, the caller's
 * rights, the decoded parameters and the learner. On its loop it is looked up; a call that finds
 * nothing becomes the one that fills (its flight) or waits for the one that does. The filler asks
 * the second tier where its row says that this pays, else runs the handler, and what it makes goes
 * to all that wait. A stale answer is sent at once and made anew beside, by a call that nobody
 * waits for. */
#pragma once
#include "base/rng.h"
#include "cache/tiers.h"

#include <stdatomic.h>

struct call;
struct api;
struct route;

/* What happened, for the reply's headers and the counters of /api/cache/stats. */
enum cached_how {
    CACHED_NOT,       /* the row keeps nothing, or the question is too long */
    CACHED_HIT,       /* first tier */
    CACHED_STALE,     /* first tier; a refresh is under way */
    CACHED_COLLAPSED, /* another call's answer */
    CACHED_L2,        /* second tier */
    CACHED_FILLED,
    CACHED_FAILED,  /* a kept or shared refusal */
    CACHED_RESCUED, /* stale, because the fill failed */
    CACHED_HOW_COUNT
};

/* Which forms the client takes, and whether it named one that it has. */
struct conditions {
    bool known, has_tag;
    uint8_t accept; /* as answer_accepts() */
};

struct cached_l2; /* cached.c's own: most calls need none */
struct cached {
    enum cached_how how;
    struct call *older, *newer; /* among the waiting calls of its loop */
    bool waiting;
    struct cache_key key; /* text p == NULL: not a question for the cache */
    struct tag tags[STAMP_TAGS_MAX];
    int32_t tag_count;
    struct stamp stamp;
    int64_t begun_us;      /* monotonic, of the fill */
    struct flight *flight; /* this call's duty to end */
    struct waiter waiter;
    struct answer *answer;     /* a reference, to be sent */
    struct shortcut *shortcut; /* a reference: by which it was found */
    struct conditions conditions;
    enum err waited;      /* how the flight ended that this call waited for */
    struct cached_l2 *l2; /* NULL: the second tier was not asked */
    enum l2_result l2_result;
    bool asked_l2, detached;
    bool kept; /* what this call filled */
};

enum cached_next {
    CACHED_GO_ON, /* run the handler */
    CACHED_SEND,  /* cached.answer is to be sent, or *ret_e is to be refused */
    CACHED_PARKED /* somebody else will go on with the call: do not touch it */
};
/* On the call's loop, first of all: has this loop answered just this lately? True: cached.answer is
 * to be sent; rate limits are still the caller's to hold. */
bool cached_shortcut(struct call *c);
/* On the call's loop, when its input is read. */
enum cached_next cached_begin(struct call *c, enum err *ret_e);
/* The handler has run, and with ERR_OK its body is printed: ends the flight. Returns the error that
 * is to be sent: ERR_OK, with cached.answer or without. */
enum err cached_end(struct call *c, enum err e);
/* Fills the exchange from cached.answer: status, body, headers. ERR_NOMEM. */
MUST_CHECK enum err cached_reply(struct call *c);
/* cached_end() would speak to the second tier, which it may only do on the call's loop. */
bool cached_needs_loop(const struct call *c);
MUST_CHECK enum err cached_input(struct call *c); /* a refresh's, instead of input.h's */
void cached_detached_free(struct call *c);        /* of a refresh that is over */

/* Do answers of this row go to the second tier? */
struct endpoint;
bool cached_in_l2(const struct api *a, const struct endpoint *row);

/* Callers with the same rights share answers. */
struct cached_class {
    uint32_t scopes;
    bool own; /* each with a key of his own */
};
/* Those seen on this node within a day, CLASSES_MAX at most; after a start those that only read.
 * Any thread. */
int32_t cached_classes(struct api *a, struct cached_class *ret);
/* On a worker, which it blocks: makes the answer of a LEARNER_QUERY row without parameters, unless
 * it is there. The loop is where the call belongs should it have to wait. False: nothing made. */
bool cached_warm(struct api *a, const struct route *route, struct http_loop *loop,
                 struct cached_class class, struct str learner, struct store_conn *conn);

/* The key of that answer, but for the learner's id, which follows it; malloc()ed. {NULL,0}: no
 * memory. */
struct str cached_key_before_learner(struct api *a, const struct route *route,
                                     struct http_loop *loop, struct cached_class class);
/* The same as cached_warm(), of an answer that a write has made void: ends that flight of
 * cache_again(). The time of the answer is the caller's: the same for all that are made together.
 */
struct cached_again {
    const struct route *route;
    struct http_loop *loop;
    struct cached_class class;
    struct str learner;
    struct cache_key key;
    int64_t now_us; /* UTC */
    struct flight *flight;
};
void cached_again(struct api *a, const struct cached_again *what, struct store_conn *conn);

/* What the replies of each row were, and how long they took; a shard for each loop, written by its
 * thread alone. */
struct cached_counts {
    _Atomic int64_t count[CACHED_HOW_COUNT], us[CACHED_HOW_COUNT];
};
enum { SHORTCUTS = 1024, CLASSES_MAX = 8 };
struct shortcut;
/* Rights that the callers of learners' answers had lately: a part of the key. */
struct class_seen {
    _Atomic int64_t at_us; /* monotonic; 0: free */
    _Atomic uint64_t what; /* scopes, shifted by one; 1: with a learner's own key */
};
struct cached_shard {
    struct rng rng;
    struct http_watch watch; /* looks after the deadlines of those who wait */
    struct call *oldest, *newest;
    struct shortcut *shortcuts[SHORTCUTS];
    struct class_seen classes[CLASSES_MAX];
    struct cached_counts routes[];
};
void cached_shard_free(struct cached_shard *shard); /* NULL is fine */
/* On the loop, when the reply is out: counts it, and gives back what the call still holds. */
void cached_done(struct call *c, int64_t us);
/* Cache-Status for a reply that is not from an answer (a refusal). */
void cached_status_header(struct call *c);

/* ---- between cached.c and its helpers, cached_refresh.c, cached_shortcut.c, cached_reply.c ----
 */

/* Key and tags from the decoded input; false: the key is too long. */
bool cached_question(struct call *c);
/* Makes the answer of that question anew beside; takes the flight over. */
void cached_refresh(const struct call *from, struct flight *flight);
void cached_class_seen(struct cached_shard *s, const struct call *c); /* on the loop */
void cached_shortcut_learn(struct call *c, struct cached_shard *s); /* after a hit, the long way */
void cached_shortcuts_free(struct cached_shard *s);
void cached_shortcut_unref(struct shortcut *s); /* NULL is fine */
struct conditions cached_conditions(const struct http_request *rq);
