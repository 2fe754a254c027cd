/* postgres_wait - waiting for a server in pipeline mode, never longer than one has time. */
#pragma once
#include "base/err.h"

#include <libpq-fe.h>
#include <stdint.h>

/* Waits for the socket; events as for poll(); until: monotonic us. ERR_DEADLINE: that is over.
 * ERR_STORE_DOWN, ERR_IO. */
MUST_CHECK enum err pg_wait_socket(PGconn *pg, short events, int64_t until);
/* Sends what is buffered. Errors as above. */
MUST_CHECK enum err pg_flush(PGconn *pg, int64_t until);
/* Sends what is buffered and reads until a result is complete. Errors as above. */
MUST_CHECK enum err pg_pump(PGconn *pg, int64_t until);
