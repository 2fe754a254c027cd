#include "store/postgres_sync.h"

#include "store/engine.h"
#include "store/postgres_wait.h"

/* A message in the log that nobody reads: the smallest transaction that has something to commit. */
static const char wait_for_log[] = "SELECT pg_logical_emit_message(true, 'doppel', '')";

void pg_sync_init(struct pg_sync *s)
{
    *s = (struct pg_sync){.pg = NULL};
    pthread_mutex_init(&s->lock, NULL);
}

void pg_sync_fini(struct pg_sync *s)
{
    PQfinish(s->pg);
    pthread_mutex_destroy(&s->lock);
}

void pg_sync_renew(struct pg_sync *s, PGconn *pg)
{
    pthread_mutex_lock(&s->lock);
    PQfinish(s->pg);
    s->pg = pg;
    s->mark++;
    atomic_store(&s->broken, false);
    pthread_mutex_unlock(&s->lock);
}

/* The statement's result, the end of its results, the end of the pipeline. */
static enum err wait_for_server(PGconn *pg, int64_t until)
{
    enum err e = ERR_STORE_DOWN;

    if (!PQsendQueryParams(pg, wait_for_log, 0, NULL, NULL, NULL, NULL, 1) || !PQpipelineSync(pg))
        return e;
    for (int ends = 0; ends < 2;) {
        enum err gone = pg_pump(pg, until);
        if (gone != ERR_OK)
            return gone;
        PGresult *r = PQgetResult(pg);
        ExecStatusType st = PQresultStatus(r);
        bool end = !r;
        PQclear(r);
        if (st == PGRES_PIPELINE_SYNC)
            return e;
        if (!end)
            e = st == PGRES_TUPLES_OK ? ERR_OK : ERR_STORE_DOWN;
        ends += end;
    }
    return ERR_STORE_DOWN; /* out of step */
}

enum err pg_sync_run(struct pg_sync *s, int64_t mark, int64_t until, char *ret_detail)
{
    enum err e = ERR_OK;

    pthread_mutex_lock(&s->lock);
    if (mark != s->mark) {
        e = ERR_STORE_DOWN;
        store_detail_set(ret_detail, "the connection was lost before the commit was on disk");
    } else if (s->pg) {
        e = wait_for_server(s->pg, until);
        atomic_store(&s->broken, e != ERR_OK);
        if (e != ERR_OK)
            store_detail_set(ret_detail, "waiting for the disk: %.200s", PQerrorMessage(s->pg));
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}
