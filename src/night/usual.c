#include "night/usual.h"

static int32_t best_of(const double day[24])
{
    double all = 0;
    int32_t best = 0;

    for (int32_t h = 0; h < 24; h++) {
        all += day[h];
        if (day[h] > day[best])
            best = h;
    }
    return all > 0 && day[best] >= USUAL_HOUR_SHARE * all ? best : -1;
}

int32_t usual_hour(const double done[USUAL_HOURS], int32_t weekday)
{
    double any[24] = {0}, all = 0, mine = 0;

    for (int32_t slot = 0; slot < USUAL_HOURS; slot++) {
        any[slot % 24] += done[slot];
        all += done[slot];
        mine += slot / 24 == weekday ? done[slot] : 0;
    }
    return mine > 0 && mine >= USUAL_SHARE * all ? best_of(done + weekday * 24) : best_of(any);
}

/* The next of today or tomorrow. 1970-01-01 was a Thursday. */
static int64_t next_at(const struct night_work *w, const double done[USUAL_HOURS])
{
    for (int32_t day = w->today; day <= w->today + 1; day++) {
        int32_t hour = usual_hour(done, (day + 4) % 7);
        int64_t at = hour < 0 ? TIME_NONE : civil_to_us(w->zone, day, hour * 3600);
        if (at > w->now_us)
            return at;
    }
    return TIME_NONE;
}

/* By the time studied; where no durations are known, by what was answered. */
enum err night_usual(struct night_work *w)
{
    const struct value id = V_I(w->learner_id);
    struct query q = {.stmt = STMT_NIGHT_HOURS, .args = &id, .arg_count = 1};
    double studied[USUAL_HOURS] = {0}, answered[USUAL_HOURS] = {0}, all = 0;
    enum err e = store_read(w->conn, w->arena, &q, 1, w->deadline_us);

    for (int32_t i = 0; e == ERR_OK && i < q.rows.count; i++) {
        const struct value *v = row_at(&q.rows, i);
        int64_t slot = value_i64(&v[0], 0);
        studied[slot] = (double)value_i64(&v[1], 0);
        answered[slot] = (double)value_i64(&v[2], 0);
        all += studied[slot];
    }
    if (e == ERR_OK)
        w->usual_at = next_at(w, all > 0 ? studied : answered);
    return e;
}
