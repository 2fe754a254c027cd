/* link - one connection to Redis: pipelined, never blocking, and without an event loop of its own.
 *
 * The owner drives it: after any call it looks at redis_link_fd(), redis_link_wants() and
 * redis_link_deadline_us(), waits as it likes, and calls redis_link_event() or redis_link_tick().
 * Commands may be sent while it is still connecting; they leave once Redis has accepted the user
 * and the database, which come first (AUTH, SELECT, INFO, PING).
 *
 * Replies come in the order of the commands. Each command's callback is called exactly once: with
 * the reply, or with the error that ended the connection. Any failure (a time limit, a protocol
 * error, a reply beyond the limits, a closed socket) ends the connection for all commands, because
 * a late reply could not be told from the next one's.
 *
 * Of a Redis Cluster one server is spoken to, the one that has the keys: a MOVED ends the
 * connection, and the next one goes where it says. So all keys must lie in one slot: their prefix
 * has a hash tag. ASK is an error like any other: the slot is on its way, and MOVED will come.
 *
 * One thread at a time. A callback may send and may close; it may not free the link, nor connect it
 * while the link is failing the commands of the connection before. */
#pragma once
#include "redis/reply.h"
#include "redis/target.h"

struct redis_link;

/* e == ERR_OK: `r` is the reply, valid during the call; it may be a REDIS_ERROR, and then the
 * connection goes on. Otherwise r == NULL: ERR_DEADLINE, ERR_SYNTAX (garbage, or beyond a limit),
 * ERR_FORBIDDEN (Redis refuses user or database; TLS refuses Redis), ERR_IO, ERR_CANCELLED. */
typedef void redis_done(void *arg, enum err e, const struct redis_reply *r);

struct redis_link_options {
    struct redis_target *target; /* borrowed */
    size_t reply_bytes_max;      /* of one reply */
    int32_t elements_max;        /* of one reply, in all its lists */
    int32_t commands_max;        /* waiting for their replies */
    size_t unsent_bytes_max;
    /* Messages of subscribed channels; NULL: there are none, and one is a protocol error. */
    void (*on_message)(void *user, struct str channel, struct str payload);
    void *user;
};

enum redis_state { REDIS_CLOSED, REDIS_CONNECTING, REDIS_READY };
enum { REDIS_WANTS_READ = 1, REDIS_WANTS_WRITE = 2 };

MUST_CHECK enum err redis_link_new(const struct redis_link_options *options,
                                   struct redis_link **ret);
void redis_link_free(struct redis_link *l); /* closes first; NULL is fine */
/* Begins. ERR_IO: no address, or refused at once; ERR_BUSY: it is failing the commands of the
 * connection before. Asking when it is not closed is a bug. */
MUST_CHECK enum err redis_link_connect(struct redis_link *l, int64_t now_us);
void redis_link_close(struct redis_link *l, enum err why);

enum redis_state redis_link_state(const struct redis_link *l);
/* Raised when a connection ends: the socket may have the same number afterwards, and be another. */
uint32_t redis_link_connection(const struct redis_link *l);
/* Which server process this is: equal as long as it runs, another after a restart or a fail-over.
 * Not 0 once ready. */
uint64_t redis_link_run(const struct redis_link *l);
/* Why the last connection ended, for people. */
const char *redis_link_detail(const struct redis_link *l);

/* ERR_NOT_READY: closed; ERR_BUSY: beyond commands_max or unsent_bytes_max, or out of memory.
 * deadline_us is absolute, monotonic. `done` may be NULL: the reply is not looked at. */
MUST_CHECK enum err redis_link_send(struct redis_link *l, const struct str *words, int32_t n,
                                    int64_t deadline_us, redis_done *done, void *arg);
/* Would `commands` with together `bytes` of words be taken? */
bool redis_link_has_room(const struct redis_link *l, int32_t commands, size_t bytes);
/* Writes what can be written. Sending does not: who sends much writes once. */
void redis_link_flush(struct redis_link *l, int64_t now_us);

int redis_link_fd(const struct redis_link *l);              /* -1: none */
uint32_t redis_link_wants(const struct redis_link *l);      /* of REDIS_WANTS_* */
int64_t redis_link_deadline_us(const struct redis_link *l); /* INT64_MAX: none */
void redis_link_event(struct redis_link *l,
                      int64_t now_us);                      /* the socket is readable or writable */
void redis_link_tick(struct redis_link *l, int64_t now_us); /* a deadline may have passed */
int32_t redis_link_waiting(const struct redis_link *l);     /* commands without a reply */

/* For threads that may block: flushes and waits until no command is without its reply. ERR_IO and
 * the like when the connection ended instead. */
MUST_CHECK enum err redis_link_wait(struct redis_link *l);

struct redis_link_stats {
    int64_t bytes_in, bytes_out, connects;
};
void redis_link_stats(const struct redis_link *l, struct redis_link_stats *ret); /* its thread */
