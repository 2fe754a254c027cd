#include "calendar/calendar.h"

#include "base/assert.h"

const char *const provider_names[PROVIDERS + 1] = {"GOOGLE", "CALDAV", "ICAL", "UPLOAD", NULL};

enum provider provider_of(struct str name)
{
    int p = 0;
    while (p < PROVIDERS && !str_eq(name, str_from(provider_names[p])))
        p++;
    return (enum provider)p;
}

/* ---- rows ---- */

void calendar_busy_query(struct query *q, struct value args[3], struct str learner, int64_t from,
                         int64_t to)
{
    args[0] = V_S(learner);
    args[1] = V_I(from);
    args[2] = V_I(to);
    *q = (struct query){
        .stmt = STMT_BUSY_BETWEEN, .args = args, .arg_count = 3, .rows_max = BUSY_ROWS_MAX};
}

enum err calendar_busy_rows(const struct rows *rows, struct arena *arena, struct busy **ret,
                            int32_t *ret_count)
{
    struct busy *out = arena_new(arena, struct busy, (size_t)rows->count + 1);

    if (!out)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        out[i] = (struct busy){
            .time = {.start = value_i64(&v[0], 0),
                     .end = value_i64(&v[1], 0),
                     .event = value_str(&v[3]),
                     .title = value_str(&v[4]),
                     .all_day = value_i64(&v[5], 0) != 0,
                     .tentative = value_i64(&v[6], 0) != 0},
            .provider = provider_of(value_str(&v[2])),
        };
        ASSERT(out[i].provider < PROVIDERS); /* the writer takes it from the same list */
    }
    *ret = out;
    *ret_count = rows->count;
    return ERR_OK;
}

void calendar_planned_query(struct query *q, struct value args[3], struct str learner, int64_t from,
                            int64_t to)
{
    args[0] = V_S(learner);
    args[1] = V_I(from);
    args[2] = V_I(to);
    *q = (struct query){
        .stmt = STMT_PLANNED_BETWEEN, .args = args, .arg_count = 3, .rows_max = PLANNED_ROWS_MAX};
}

enum err calendar_planned_rows(const struct rows *rows, struct arena *arena, struct planned **ret,
                               int32_t *ret_count)
{
    struct planned *out = arena_new(arena, struct planned, (size_t)rows->count + 1);

    if (!out)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        out[i] = (struct planned){.plan = value_str(&v[0]),
                                  .start = value_i64(&v[1], 0),
                                  .end = value_i64(&v[2], 0),
                                  .title = value_str(&v[3]),
                                  .state = value_str(&v[4]),
                                  .changed = value_i64(&v[5], 0),
                                  .pushed = TIME_NONE};
        if (rows->cols > 6) {
            out[i].href = value_str(&v[6]);
            out[i].etag = value_str(&v[7]);
            out[i].pushed = value_i64(&v[8], TIME_NONE);
        }
    }
    *ret = out;
    *ret_count = rows->count;
    return ERR_OK;
}

/* ---- conflicts ---- */

static bool overlap(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return a < d && c < b;
}

/* The earliest start at or after `from`, on the session's local day, that keeps clear of all busy
 * times and of the other sessions. What ends a clash only ever moves the start on. */
static int64_t free_start(const struct planned *p, const struct planned *planned, int32_t planned_n,
                          const struct busy *busy, int32_t busy_n, const struct zone *zone)
{
    int64_t length = p->end - p->start, at = p->start;
    int64_t day_end = civil_day_start(zone, civil_at(zone, p->start).epoch_day + 1);
    bool moved = true;

    while (moved && at + length <= day_end) {
        moved = false;
        for (int32_t i = 0; i < busy_n && busy[i].time.start < day_end; i++)
            if (!busy[i].time.tentative &&
                overlap(at, at + length, busy[i].time.start, busy[i].time.end)) {
                at = busy[i].time.end;
                moved = true;
            }
        for (int32_t i = 0; i < planned_n; i++)
            if (&planned[i] != p && str_eq(planned[i].state, STR("PLANNED")) &&
                overlap(at, at + length, planned[i].start, planned[i].end)) {
                at = planned[i].end;
                moved = true;
            }
    }
    return at + length <= day_end ? at : TIME_NONE;
}

enum err calendar_conflicts(const struct planned *planned, int32_t planned_count,
                            const struct busy *busy, int32_t busy_count, const struct zone *zone,
                            struct arena *arena, struct conflict **ret, int32_t *ret_count)
{
    struct conflict *out = arena_new(arena, struct conflict, CONFLICTS_MAX);
    int32_t n = 0;

    if (!out)
        return ERR_NOMEM;
    for (int32_t i = 0; i < planned_count && n < CONFLICTS_MAX; i++) {
        const struct planned *p = &planned[i];
        int64_t recommended = TIME_NONE;
        bool searched = false;
        if (!str_eq(p->state, STR("PLANNED")))
            continue;
        for (int32_t k = 0; k < busy_count && n < CONFLICTS_MAX; k++) {
            const struct busy_time *b = &busy[k].time;
            if (b->start >= p->end)
                break;
            if (b->tentative || b->end <= p->start)
                continue;
            if (!searched)
                recommended = free_start(p, planned, planned_count, busy, busy_count, zone);
            searched = true;
            out[n++] = (struct conflict){.planned = p,
                                         .busy = &busy[k],
                                         .full = b->start <= p->start && b->end >= p->end,
                                         .recommended = recommended};
        }
    }
    *ret = out;
    *ret_count = n;
    return ERR_OK;
}
