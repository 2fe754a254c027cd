/* idempotency - a request that is sent twice under one Idempotency-Key is carried out once.
 *
 * Rows that say so (endpoint.repeats) remember, a day long, what was asked under a key and what was
 * answered; the same again is answered with the same status and body, and "Idempotency-Replayed:
 * true". Another request under the same key is a 422. A key is the caller's own, for each learner.
 *
 * The reply is kept in the transaction of the change itself: the change, what the handler does
 * after it, and printing the reply run on the writer. So there is no moment in which one is stored
 * without the other, on whichever node the repeat arrives. A request that was refused, or that
 * changed nothing, is not remembered: repeating it does no harm. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    IDEMPOTENCY_KEY_MAX = 128,         /* visible ASCII */
    IDEMPOTENCY_BODY_MAX = 256 * 1024, /* a longer reply is not kept: the repeat is a 409 */
    IDEMPOTENCY_KEYS_MAX = 1000,       /* of a learner in a day; then 429 */
    IDEMPOTENCY_DAY_S = 86400,
};

struct call;
struct store_conn;

struct idempotency {
    struct str key; /* p == NULL: none was sent, or the row does not listen to it */
    unsigned char request[32];
};

/* Before the handler, with c->pub.conn: reads the key, and sets c->printed when the reply is there
 * already. ERR_RANGE: not a key. ERR_UNPROCESSABLE: it was used for another request. ERR_CONFLICT:
 * done, but the reply was too long to be kept. */
MUST_CHECK enum err idempotency_begin(struct call *c);
/* In the writer's transaction: makes the call's pending change, goes on with the handler's next
 * step until nothing is pending, prints the reply (c->printed) and keeps it. ERR_BUSY: somebody was
 * faster; run again, which then finds that reply. */
MUST_CHECK enum err idempotency_run(struct call *c, struct store_conn *conn);
