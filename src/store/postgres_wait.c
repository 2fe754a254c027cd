#include "store/postgres_wait.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>

enum err pg_wait_socket(PGconn *pg, short events, int64_t until)
{
    for (;;) {
        int64_t left = until - clock_mono_us();
        struct pollfd p = {.fd = PQsocket(pg), .events = events};

        if (p.fd < 0)
            return ERR_STORE_DOWN;
        if (left <= 0)
            return ERR_DEADLINE;
        int n = poll(&p, 1, (int)((left + 999) / 1000));
        if (n > 0)
            return ERR_OK;
        if (n < 0 && errno != EINTR)
            return ERR_IO;
    }
}

enum err pg_pump(PGconn *pg, int64_t until)
{
    for (;;) {
        int unsent = PQflush(pg);

        if (unsent < 0)
            return ERR_STORE_DOWN;
        if (!PQisBusy(pg))
            return ERR_OK;
        enum err e = pg_wait_socket(pg, (short)(POLLIN | (unsent ? POLLOUT : 0)), until);
        if (e != ERR_OK)
            return e;
        if (!PQconsumeInput(pg) && PQstatus(pg) == CONNECTION_BAD && !PQisBusy(pg))
            return ERR_OK; /* what had arrived is still to be read */
        if (PQstatus(pg) == CONNECTION_BAD && PQisBusy(pg))
            return ERR_STORE_DOWN;
    }
}

enum err pg_flush(PGconn *pg, int64_t until)
{
    for (;;) {
        int unsent = PQflush(pg);

        if (unsent <= 0)
            return unsent == 0 ? ERR_OK : ERR_STORE_DOWN;
        enum err e = pg_wait_socket(pg, POLLIN | POLLOUT, until);
        if (e != ERR_OK)
            return e;
        if (!PQconsumeInput(pg)) /* or the server, waiting for its answers to go, would not read */
            return ERR_STORE_DOWN;
    }
}
