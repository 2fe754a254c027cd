#include "night/summaries.h"

#include "base/assert.h"

#include <math.h>
#include <string.h>

enum { IDLE_DAYS = 30, WEEK = 7, COLUMNS = 21 };

int32_t summary_monday(int32_t day)
{
    return day - (day + 3) % WEEK; /* 1970-01-01 was a Thursday */
}

static struct standing_sums sums_read(const struct value *v)
{
    return (struct standing_sums){
        .graded = value_i64(&v[0], 0),
        .succeeded = value_i64(&v[1], 0),
        .score_n = value_i64(&v[2], 0),
        .score_micro = value_i64(&v[3], 0),
        .study_ms = value_i64(&v[4], 0),
        .sessions = value_i64(&v[5], 0),
        .first_at = value_i64(&v[6], 0),
        .last_at = value_i64(&v[7], 0),
        .timed = value_i64(&v[8], 0),
        .timed_succeeded = value_i64(&v[9], 0),
        .day_sum = value_i64(&v[10], 0),
        .day_square_sum = value_i64(&v[11], 0),
        .day_succeeded_sum = value_i64(&v[12], 0),
        .told = value_i64(&v[13], 0),
        .told_micro = value_i64(&v[14], 0),
        .told_score_micro = value_i64(&v[15], 0),
        .told_gap_square_micro = value_i64(&v[16], 0),
    };
}

enum err standings_read(struct arena *arena, const struct rows *rows, int64_t since_us,
                        int64_t now_us, struct standings *ret)
{
    int32_t room = rows->count < STANDING_MAX ? rows->count : STANDING_MAX, n = 0;
    double minutes = 0, outcomes = 0;

    *ret = (struct standings){.minutes_each = (double)NAN};
    ret->objectives = arena_new(arena, struct str, (size_t)room + 1);
    ret->names = arena_new(arena, struct str, (size_t)room + 1);
    ret->sums = arena_new(arena, struct standing_sums, (size_t)room + 1);
    ret->list = arena_new(arena, struct standing, (size_t)room + 1);
    if (!ret->objectives || !ret->names || !ret->sums || !ret->list)
        return ERR_NOMEM;
    for (int32_t i = 0; i < room; i++) {
        const struct value *v = row_at(rows, i);
        ret->objectives[n] = value_str(&v[0]);
        ret->names[n] = value_str(&v[1]);
        ret->sums[n] = sums_read(v + 2);
        n += ret->sums[n].last_at >= since_us;
    }
    ret->count = n;
    enum err e = standing_of(arena, ret->sums, n, now_us, ret->list, &ret->all);
    for (int32_t i = 0; e == ERR_OK && i < n; i++) {
        if (isnan(ret->list[i].minutes_each))
            continue;
        minutes += ret->list[i].minutes_each * (double)ret->list[i].n;
        outcomes += (double)ret->list[i].n;
    }
    if (outcomes > 0)
        ret->minutes_each = minutes / outcomes;
    return e;
}

struct summary summary_of(const struct standings *s, int32_t objective)
{
    const struct standing *o = &s->list[objective];
    struct standing_time time = standing_time_of(o);
    double each = isnan(o->minutes_each) ? s->minutes_each : o->minutes_each;
    enum standing_category category;

    standing_priority(o, &category);
    struct summary r = {.place = 1,
                        .made_at = TIME_NONE,
                        .objective = s->objectives[objective],
                        .name = s->names[objective],
                        .category = (int32_t)category,
                        .score = o->score,
                        .score_interval = o->score_interval,
                        .n = o->n,
                        .gap = o->gap,
                        .gap_interval = o->gap_interval,
                        .told = o->told,
                        .last_at = s->sums[objective].last_at,
                        .minutes = (double)NAN,
                        .hours = time.hours,
                        .hours_interval = time.interval};
    if (!isnan(each))
        r.minutes = fmin(SUMMARY_MINUTES_MAX, fmax(1, ceil(SUMMARY_OUTCOMES * each)));
    if (isinf(r.hours_interval.high))
        r.hours_interval.high = (double)NAN;
    return r;
}

int32_t summaries_pick(const struct standings *s, enum summary_kind kind,
                       struct summary ret[STANDING_PICKS])
{
    int32_t picks[STANDING_PICKS], n;

    if (kind == SUMMARY_WEEK) {
        n = standing_pick_week(s->list, s->count, picks);
    } else {
        picks[0] = standing_pick_day(s->list, s->count);
        n = picks[0] >= 0;
    }
    for (int32_t i = 0; i < n; i++) {
        ret[i] = summary_of(s, picks[i]);
        ret[i].place = i + 1;
    }
    return n;
}

struct summary summary_read(const struct value *v)
{
    struct summary s = {.day = (int32_t)value_i64(&v[0], 0),
                        .place = (int32_t)value_i64(&v[1], 0),
                        .made_at = value_i64(&v[2], TIME_NONE),
                        .objective = value_str(&v[3]),
                        .name = value_str(&v[4]),
                        .category = (int32_t)value_i64(&v[5], 0),
                        .score = value_f64(&v[6], (double)NAN),
                        .n = value_i64(&v[9], 0),
                        .gap = value_f64(&v[10], (double)NAN),
                        .told = value_i64(&v[13], 0),
                        .last_at = value_i64(&v[14], 0),
                        .minutes = value_f64(&v[15], (double)NAN),
                        .hours = value_f64(&v[16], (double)NAN)};

    s.score_interval =
        (struct interval){value_f64(&v[7], (double)NAN), value_f64(&v[8], (double)NAN)};
    s.gap_interval =
        (struct interval){value_f64(&v[11], (double)NAN), value_f64(&v[12], (double)NAN)};
    s.hours_interval =
        (struct interval){value_f64(&v[17], (double)NAN), value_f64(&v[18], (double)NAN)};
    return s;
}

/* ---- the night's part ---- */

static void summary_values(const struct night_work *w, enum summary_kind kind, int32_t day,
                           int64_t version, const struct summary *s, struct value *out)
{
    const struct value v[COLUMNS] = {V_I(w->learner_id),
                                     V_I(kind),
                                     V_I(day),
                                     V_I(s->place),
                                     V_I(w->now_us),
                                     V_I(version),
                                     V_S(s->objective),
                                     V_I(s->category),
                                     V_D(s->score),
                                     V_D(s->score_interval.low),
                                     V_D(s->score_interval.high),
                                     V_I(s->n),
                                     v_real(s->gap),
                                     v_real(s->gap_interval.low),
                                     v_real(s->gap_interval.high),
                                     V_I(s->told),
                                     V_I(s->last_at),
                                     v_real(s->minutes),
                                     v_real(s->hours),
                                     v_real(s->hours_interval.low),
                                     v_real(s->hours_interval.high)};
    memcpy(out, v, sizeof v);
}

static enum err put(struct night_work *w, enum summary_kind kind, int64_t version,
                    const struct standings *s)
{
    enum { KEYS = 3 };
    struct value *rows = arena_new(w->arena, struct value, STANDING_PICKS * COLUMNS);
    struct value *key = arena_new(w->arena, struct value, KEYS);
    struct summary picks[STANDING_PICKS];
    int32_t day = kind == SUMMARY_WEEK ? summary_monday(w->today) : w->today;
    int32_t n = summaries_pick(s, kind, picks);

    if (!rows || !key)
        return ERR_NOMEM;
    if (n == 0)
        return ERR_OK;
    for (int32_t i = 0; i < n; i++)
        summary_values(w, kind, day, version, &picks[i], rows + i * COLUMNS);
    key[0] = V_I(w->learner_id);
    key[1] = V_I(kind);
    key[2] = V_I(day);
    enum err e = night_put(w, STMT_SUMMARIES_DROP, key, 1, KEYS);
    return e == ERR_OK ? night_put(w, STMT_SUMMARIES_PUT, rows, n, COLUMNS) : e;
}

/* What is there now, and what the latest summaries knew. */
struct state {
    int64_t version, last_at;
    int64_t day[2], known[2]; /* by kind; INT64_MIN: none yet */
};

static bool is_due(const struct night_work *w, const struct state *s, enum summary_kind kind)
{
    int32_t day = kind == SUMMARY_WEEK ? summary_monday(w->today) : w->today;

    return s->day[kind] < day && s->known[kind] < s->version &&
           s->last_at >= w->now_us - IDLE_DAYS * US_PER_DAY;
}

/* kinds: a bit each. */
static enum err make(struct night_work *w, uint32_t kinds, bool only_due)
{
    const struct value args[] = {V_S(w->learner), V_I(STANDING_MAX)};
    struct query state = {
        .stmt = STMT_SUMMARIES_LATEST, .args = args, .arg_count = 1, .rows_max = 1};
    struct query rows = {.stmt = STMT_STANDINGS, .args = args, .arg_count = 2};
    struct standings standings;
    enum err e = store_read(w->conn, w->arena, &state, 1, w->deadline_us);

    if (e != ERR_OK || state.rows.count == 0)
        return e;
    const struct value *v = row_at(&state.rows, 0);
    const struct state s = {
        .version = value_i64(&v[0], 0),
        .last_at = value_i64(&v[1], TIME_MIN),
        .day = {value_i64(&v[2], INT64_MIN), value_i64(&v[3], INT64_MIN)},
        .known = {value_i64(&v[4], INT64_MIN), value_i64(&v[5], INT64_MIN)},
    };
    for (int kind = 0; kind < 2; kind++)
        if (only_due && !is_due(w, &s, (enum summary_kind)kind))
            kinds &= ~(1U << kind);
    if (!kinds)
        return ERR_OK;
    e = store_read(w->conn, w->arena, &rows, 1, w->deadline_us);
    if (e == ERR_OK)
        e = standings_read(w->arena, &rows.rows, INT64_MIN, w->now_us, &standings);
    for (int kind = 0; e == ERR_OK && kind < 2; kind++)
        if (kinds & 1U << kind)
            e = put(w, (enum summary_kind)kind, s.version, &standings);
    return e;
}

enum err night_summaries(struct night_work *w)
{
    return make(w, 1U << SUMMARY_DAY | 1U << SUMMARY_WEEK, true);
}

enum err night_day_summary(struct night_work *w)
{
    return make(w, 1U << SUMMARY_DAY, false);
}

enum err night_week_summary(struct night_work *w)
{
    return make(w, 1U << SUMMARY_WEEK, false);
}
