#include "night/audits.h"

enum err night_audits(struct night_work *w)
{
    const struct value id = V_I(w->learner_id);
    struct query q = {.stmt = STMT_AUDIT_UNCOUNTED, .args = &id, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(w->conn, w->arena, &q, 1, w->deadline_us);

    if (e != ERR_OK || (q.rows.count == 0 && w->bulk_count == 0))
        return e;
    struct value *key = arena_new(w->arena, struct value, 1);
    if (!key)
        return ERR_NOMEM;
    *key = id;
    e = night_put(w, STMT_AUDIT_TOTALS_COUNT, key, 1, 1);
    if (e == ERR_OK)
        e = night_put(w, STMT_LEARNER_DROP_AUDIT_COUNTED, key, 1, 1);
    return e == ERR_OK ? night_put(w, STMT_AUDIT_COUNTED_PUT, key, 1, 1) : e;
}
