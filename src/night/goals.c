#include "night/goals.h"

#include "base/assert.h"

#include <math.h>
#include <string.h>

const char *const goal_metric_names[] = {
    "activeDaysPerWeek",  "avgSessionDuration",    "successRate", "errorRate",
    "successesPerMinute", "retentionHalfLifeDays", "custom",      NULL};
struct goal_measured goal_measure(const struct rows *days, const struct rows *fit, int32_t today)
{
    struct goal_measured m = {.decay = NAN};

    for (int32_t i = 0; i < days->count; i++) {
        const struct value *v = row_at(days, i);
        int32_t ago = today - (int32_t)value_i64(&v[0], 0);
        if (ago < 0 || ago >= GOAL_MONTH)
            continue;
        m.active_days += ago < GOAL_WEEK && (value_i64(&v[1], 0) > 0 || value_i64(&v[7], 0) > 0);
        m.study_ms += value_i64(&v[1], 0);
        m.sessions += value_i64(&v[6], 0);
        m.graded += value_i64(&v[7], 0);
        m.succeeded += value_i64(&v[8], 0);
    }
    if (fit->count > 0)
        m.decay = value_f64(row_at(fit, 0) + 5, NAN);
    return m;
}

double goal_metric_value(enum goal_metric metric, const struct goal_measured *m)
{
    double graded = (double)m->graded, minutes = (double)m->study_ms / 60000;

    switch (metric) {
    case GOAL_ACTIVE_DAYS:
        return (double)m->active_days;
    case GOAL_SESSION_MINUTES:
        return m->sessions > 0 ? minutes / (double)m->sessions : NAN;
    case GOAL_SUCCESS:
        return graded > 0 ? 100 * (double)m->succeeded / graded : NAN;
    case GOAL_ERRORS:
        return graded > 0 ? 100 * (graded - (double)m->succeeded) / graded : NAN;
    case GOAL_EFFICIENCY:
        return minutes > 0 ? (double)m->succeeded / minutes : NAN;
    case GOAL_HALF_LIFE:
        return m->decay > 0 ? M_LN2 / m->decay : NAN;
    case GOAL_CUSTOM:
        break;
    }
    return NAN;
}

/* ---- the night's part ---- */

static enum goal_metric metric_of(struct str name)
{
    enum goal_metric m = GOAL_ACTIVE_DAYS;

    while (m < GOAL_CUSTOM && !str_eq(name, str_from(goal_metric_names[m])))
        m++;
    return m;
}

enum { STEP = 5, NOTE = 3 };

/* What differs only by rounding is the same. */
static bool is_new(double value, double last)
{
    return !isnan(value) && fabs(value - last) > 1e-9 * fmax(1, fabs(last));
}

static enum err put_reports(struct night_work *w, const struct rows *goals,
                            const struct goal_measured *m)
{
    struct value *steps = arena_new(w->arena, struct value, (size_t)goals->count * STEP);
    struct value *notes = arena_new(w->arena, struct value, (size_t)goals->count * NOTE);
    int32_t n = 0;

    if (!steps || !notes)
        return ERR_NOMEM;
    for (int32_t i = 0; i < goals->count; i++) {
        const struct value *v = row_at(goals, i);
        struct str goal = value_str(&v[0]);
        double value = goal_metric_value(metric_of(value_str(&v[1])), m);
        if (!is_new(value, value_f64(&v[2], (double)NAN)))
            continue;
        const struct value step[STEP] = {V_S(w->learner), V_S(goal), V_D(value), V_I(w->now_us),
                                         V_I(value_i64(&v[3], 0))};
        const struct value note[NOTE] = {V_S(w->learner), V_S(goal), V_S(STR("measured"))};
        memcpy(steps + n * STEP, step, sizeof step);
        memcpy(notes + n * NOTE, note, sizeof note);
        n++;
    }
    enum err e = night_put(w, STMT_GOAL_STEP, steps, n, STEP);
    return e == ERR_OK ? night_put(w, STMT_GOAL_STEP_NOTE, notes, n, NOTE) : e;
}

static enum err put_expiry(struct night_work *w, const struct rows *goals)
{
    struct value *v = arena_new(w->arena, struct value, 2);
    bool any = false;

    for (int32_t i = 0; i < goals->count; i++)
        any = any || value_i64(row_at(goals, i) + 4, INT64_MAX) < w->now_us;
    if (!any)
        return ERR_OK;
    if (!v)
        return ERR_NOMEM;
    v[0] = V_I(w->learner_id);
    v[1] = V_I(w->now_us);
    return night_put(w, STMT_GOALS_EXPIRE, v, 1, 2);
}

enum err night_goals(struct night_work *w)
{
    const struct value id = V_I(w->learner_id);
    const struct value days[] = {V_S(w->learner), V_I(w->today - GOAL_MONTH - 1)};
    struct query goals = {.stmt = STMT_GOALS_ACTIVE, .args = &id, .arg_count = 1};
    struct query q[] = {
        {.stmt = STMT_STUDY_DAYS, .args = days, .arg_count = 2},
        {.stmt = STMT_MEMORY_FIT_OF_LEARNER, .args = days, .arg_count = 1, .rows_max = 1}};
    enum err e = store_read(w->conn, w->arena, &goals, 1, w->deadline_us);

    if (e != ERR_OK || goals.rows.count == 0)
        return e;
    e = store_read(w->conn, w->arena, q, COUNT(q), w->deadline_us);
    if (e != ERR_OK)
        return e;
    struct goal_measured m = goal_measure(&q[0].rows, &q[1].rows, w->today);
    e = put_reports(w, &goals.rows, &m);
    return e == ERR_OK ? put_expiry(w, &goals.rows) : e;
}
