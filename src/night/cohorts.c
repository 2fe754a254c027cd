#include "night/cohorts.h"

#include "base/assert.h"

enum err night_cohorts(struct night_work *w)
{
    static const enum stmt stmts[] = {STMT_COHORT_WORK_COUNT, STMT_LEARNER_SWEEP_COHORT,
                                      STMT_LEARNER_DROP_COHORT_COUNTED, STMT_COHORT_COUNTED_PUT};
    const struct value id = V_I(w->learner_id);
    struct query q = {.stmt = STMT_COHORT_UNCOUNTED, .args = &id, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(w->conn, w->arena, &q, 1, w->deadline_us);

    if (e != ERR_OK || q.rows.count == 0)
        return e;
    struct value *key = arena_new(w->arena, struct value, 1);
    if (!key)
        return ERR_NOMEM;
    *key = id;
    for (size_t i = 0; e == ERR_OK && i < COUNT(stmts); i++)
        e = night_put(w, stmts[i], key, 1, 1);
    return e;
}
