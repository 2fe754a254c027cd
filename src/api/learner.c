#include "api/learner.h"

#include "base/assert.h"

#include <math.h>

struct columns columns_of(const struct rows *r, int32_t row)
{
    ASSERT(row < r->count);
    return (struct columns){row_at(r, row), r->cols};
}

static const struct value *next(struct columns *c)
{
    ASSERT(c->left > 0);
    c->left--;
    return c->v++;
}

int64_t column_i64(struct columns *c, int64_t if_null)
{
    return value_i64(next(c), if_null);
}

double column_f64(struct columns *c)
{
    return value_f64(next(c), NAN);
}

struct str column_str(struct columns *c)
{
    return value_str(next(c));
}

bool column_bool(struct columns *c)
{
    return column_i64(c, 0) != 0;
}

int64_t column_time(struct columns *c)
{
    return column_i64(c, TIME_NONE);
}

static void learner_decode(struct columns v, struct api_call *c, struct learner *l)
{
    l->id = c->learner;
    l->learner_id = column_i64(&v, 0);
    if (zone_get(column_str(&v), &l->zone) != ERR_OK)
        l->zone = zone_utc(); /* the zone has gone from the system since it was set */
    l->today = civil_at(l->zone, c->now_us).epoch_day;
    c->valid_until_us = civil_day_start(l->zone, l->today + 1);
    l->analysis = column_bool(&v);
    l->profiling = column_bool(&v);
    struct learner_totals *t = &l->came_along;
    t->events = column_i64(&v, 0);
    t->untimed = column_i64(&v, 0);
    t->first_at = column_time(&v);
    t->last_at = column_time(&v);
    t->study_ms = column_i64(&v, 0);
    t->sessions = column_i64(&v, 0);
    t->completed = column_i64(&v, 0);
    t->answers = column_i64(&v, 0);
    t->correct = column_i64(&v, 0);
    t->reviews = column_i64(&v, 0);
    t->recalled = column_i64(&v, 0);
    t->latency_n = column_i64(&v, 0);
    t->latency_log_micro = column_i64(&v, 0);
    t->loads = column_i64(&v, 0);
    t->load_micro = column_i64(&v, 0);
    l->reads = &c->reads;
}

enum err learner_read(struct api_call *c, struct query *queries, int32_t count, struct learner *ret)
{
    const struct value external_id = V_S(c->learner);

    queries[0] = (struct query){
        .stmt = STMT_LEARNER_HEAD, .args = &external_id, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(c->conn, c->arena, queries, count, c->deadline_us);
    queries[0].args = NULL;
    if (e != ERR_OK)
        return e;
    if (queries[0].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, NULL, "There is no such learner.");
    *ret = (struct learner){0};
    learner_decode(columns_of(&queries[0].rows, 0), c, ret);
    return ERR_OK;
}

const struct field interval_fields[] = {
    FIELD(F_F64, struct interval, low, "low", .doc = "lower end"),
    FIELD(F_F64, struct interval, high, "high", .doc = "upper end"),
    FIELD_END,
};

const struct interval *interval_new(struct arena *arena, struct interval in)
{
    if (isnan(in.low) || isnan(in.high))
        return NULL;
    struct interval *p = arena_new(arena, struct interval, 1);
    if (p)
        *p = in;
    return p;
}

const struct field needed_fields[] = {
    FIELD(F_I64, struct needed, weeks, "weeks", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "weeks of history still missing"),
    FIELD(F_I64, struct needed, sessions, "sessions", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "sessions still missing"),
    FIELD(F_I64, struct needed, graded, "graded", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "answers and reviews still missing"),
    FIELD(F_I64, struct needed, load_samples, "loadSamples", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "load samples still missing"),
    FIELD_END,
};

const struct needed *needed_new(struct arena *arena, struct needed n)
{
    struct needed *p = arena_new(arena, struct needed, 1);
    if (p)
        *p = n;
    return p;
}

#define DISABLED "The learner has switched behavioural analysis off: nothing is kept or computed."
const struct str reason_disabled = {DISABLED, sizeof DISABLED - 1};

void answer_until(struct api_call *c, int64_t at_us)
{
    if (!c->valid_until_us || at_us < c->valid_until_us)
        c->valid_until_us = at_us;
}

void answer_ages(struct api_call *c)
{
    c->ages = true;
}

double round_to(double v, int decimals)
{
    double scale = pow(10, decimals);
    return round(v * scale) / scale + 0.0; /* no -0 */
}

enum err range_check(struct api_call *c, const char *from_name, int64_t from, int64_t to)
{
    if (from > to)
        return api_bad_field(c, from_name, "invalid_value", "must not lie after the end");
    return ERR_OK;
}

enum err event_refused(struct api_call *c, const struct ingest_result *r)
{
    const char *reason = r->reason ? r->reason : "The event was refused.";

    if (r->code && strcmp(r->code, "ANALYSIS_DISABLED") == 0)
        return api_refuse(c, ERR_FORBIDDEN, r->code, STR_FMT, STR_ARG(reason_disabled));
    if (r->field && *r->field)
        api_bad_field(c, r->field, "invalid_value", "%s", reason);
    return api_refuse(c, ERR_RANGE, r->code, "%s", reason);
}
