#include "api/overload.h"

#include "base/assert.h"
#include "base/civil.h"

#include <math.h>

struct days {
    int32_t low, high;
};
static const struct field days_fields[] = {
    FIELD(F_DATE, struct days, low, "low", .doc = "earliest"),
    FIELD(F_DATE, struct days, high, "high", .doc = "latest"),
    FIELD_END,
};

struct shown {
    int32_t first, last;
    struct days first_days, last_days;
    double slower, p;
    const struct interval *slower_interval;
    int64_t days;
    bool open;
};
static const struct field shown_fields[] = {
    FIELD(F_DATE, struct shown, first, "from", .doc = "first local day"),
    FIELD(F_DATE, struct shown, last, "to", .doc = "last local day"),
    FIELD(F_OBJECT, struct shown, first_days, "fromInterval", .sub = days_fields,
          .size = sizeof(struct days), .doc = "95 %, of the first day"),
    FIELD(F_OBJECT, struct shown, last_days, "toInterval", .sub = days_fields,
          .size = sizeof(struct days), .doc = "95 %, of the last day"),
    FIELD(F_F64, struct shown, slower, "slower",
          .doc = "how much longer answers took than usual: 0.2 is a fifth"),
    FIELD(F_OBJECT, struct shown, slower_interval, "slowerInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_F64, struct shown, p, "pValue", .min = 0, .max = 1,
          .doc = "of as clear a run among all runs of days, by chance; at most this"),
    FIELD(F_I64, struct shown, days, "days", .doc = "days in it on which enough was answered"),
    FIELD(F_BOOL, struct shown, open, "open", .doc = "it may go on"),
    FIELD_END,
};

const struct field overload_past_fields[] = {
    FIELD(F_LIST, struct overload_past, spells, "spells", .sub = shown_fields,
          .size = sizeof(struct shown), .doc = "in order of time; those that touch the range"),
    FIELD(F_I64, struct overload_past, days, "n",
          .doc = "days compared, of the range and the 90 days before it"),
    FIELD(F_STR, struct overload_past, method, "method", .doc = "how they are found"),
    FIELD(F_STR, struct overload_past, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none"),
    FIELD_END,
};

static int32_t utc_day(int64_t at)
{
    return civil_at(zone_utc(), at).epoch_day;
}

/* The learner's zone is not known yet: a day more on either side. */
void overload_query(struct api_call *c, int64_t start, int64_t end, struct overload_args *a,
                    struct query *q)
{
    *a = (struct overload_args){{V_S(c->learner), V_I(utc_day(start) - OVERLOAD_BEFORE_DAYS - 1),
                                 V_I(utc_day(end) + 1), V_I(SPELL_DAYS_MAX)}};
    *q = (struct query){.stmt = STMT_LOAD_DAYS, .args = a->v, .arg_count = COUNT(a->v)};
}

static struct spell_day *days_read(struct api_call *c, const struct rows *rows)
{
    struct spell_day *days = arena_new(c->arena, struct spell_day, (size_t)rows->count + 1);

    for (int32_t i = 0; days && i < rows->count; i++) {
        struct columns v = columns_of(rows, rows->count - 1 - i); /* they come newest first */
        struct spell_day *d = &days[i];
        d->day = (int32_t)column_i64(&v, 0);
        double answers = (double)column_i64(&v, 0), reviews = (double)column_i64(&v, 0);
        d->n = column_i64(&v, 0);
        d->log_sum = (double)column_i64(&v, 0) / 1e6;
        d->reviews = answers + reviews > 0 ? reviews / (answers + reviews) : 0;
    }
    return days;
}

static void show(struct api_call *c, const struct spell *s, struct shown *ret)
{
    const struct interval slower = {expm1(s->rise_interval.low), expm1(s->rise_interval.high)};

    *ret = (struct shown){.first = s->first.day,
                          .last = s->last.day,
                          .first_days = {s->first.low, s->first.high},
                          .last_days = {s->last.low, s->last.high},
                          .slower = round_to(expm1(s->rise), 4),
                          .slower_interval = interval_new(c->arena, slower),
                          .p = s->p,
                          .days = s->days,
                          .open = s->open};
}

enum err overload_past(struct api_call *c, const struct query *q, const struct learner *l,
                       int64_t start, int64_t end, struct overload_past *ret)
{
    struct spell spells[SPELLS_MAX];
    struct spell_day *days = days_read(c, &q->rows);
    struct shown *shown = arena_new(c->arena, struct shown, SPELLS_MAX);
    int32_t from = civil_at(l->zone, start).epoch_day, to = civil_at(l->zone, end).epoch_day;
    int32_t counted = 0, kept = 0;

    if (!days || !shown)
        return ERR_NOMEM;
    int32_t n = l->analysis ? spells_find(days, q->rows.count, spells, &counted) : 0;
    for (int32_t i = 0; i < n; i++)
        if (spells[i].first.day <= to && spells[i].last.day >= from)
            show(c, &spells[i], &shown[kept++]);
    *ret = (struct overload_past){
        .spells = {shown, kept},
        .days = counted,
        .method = STR("runs of 3 to 28 days on which answers took a tenth longer than usual, or "
                      "more; scan over all runs, Bonferroni at 2.5 %"),
        .reason = !l->analysis                  ? reason_disabled
                  : counted < SPELL_DAYS_NEEDED ? STR("Twenty days of ten answers and more, with "
                                                      "response times, are needed.")
                  : kept == 0 ? STR("No run of days is clearly slower than usual.")
                              : (struct str){NULL, 0},
    };
    return ERR_OK;
}
