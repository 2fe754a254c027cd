/* supermemo - repetition histories as SuperMemo 17 and 18 write them.
 *
 * Blocks "Item #n", newest row first; a row is key=value pairs: ElNo (the item), Rep, Laps, Date
 * (dd.mm.yyyy), Hour (decimal; some exceed 24 and are taken modulo 24), Int (days), Grade, expFI
 * (SuperMemo's own forecast of forgetting, in %). Grades 0 to 2 are forgotten (again), 3 hard, 4
 * good, 5 easy; above 5 nothing was asked: at the first repetition the item was introduced (study),
 * later ones (postponed, executed by hand) say nothing of memory and are left out. */
#include "import/supermemo.h"
#include "import/importers.h"

#include "base/assert.h"

/* clang-format off */
const struct args_option supermemo_options[] = {
    {"learner", "NAME", "Whose repetitions these are (default: the file's name)."},
    {"time-zone", "ZONE", "IANA zone of the dates and hours (default UTC)."},
    INTAKE_OPTIONS,
    {NULL, NULL, NULL},
};
/* clang-format on */

enum { LINE_MAX_BYTES = 4096 };

static bool date_of(struct str s, int32_t *ret_day)
{
    struct str day = str_cut(&s, '.'), month = str_cut(&s, '.');
    int64_t d, m, y;

    if (str_to_i64(day, &d) != ERR_OK || str_to_i64(month, &m) != ERR_OK ||
        str_to_i64(s, &y) != ERR_OK)
        return false;
    if (y < 1970 || y > 2200 || m < 1 || m > 12 || d < 1 || d > 31)
        return false;
    int32_t year, back_month, back_day;

    *ret_day = civil_epoch_day((int32_t)y, (int32_t)m, (int32_t)d);
    civil_from_day(*ret_day, &year, &back_month, &back_day);
    return back_month == m && back_day == d; /* there is no 31.02. */
}

const char *repetition_read(struct str line, struct repetition *r)
{
    *r = (struct repetition){.rep = -1};
    while (line.p) {
        struct str value = str_cut(&line, ' '), key = str_cut(&value, '=');
        bool ok = true;

        if (!value.p)
            continue; /* several blanks, or a word alone */
        if (str_eq(key, STR("ElNo")))
            r->item = value;
        else if (str_eq(key, STR("Rep")))
            ok = str_to_i64(value, &r->rep) == ERR_OK;
        else if (str_eq(key, STR("Laps")))
            ok = str_to_i64(value, &r->laps) == ERR_OK;
        else if (str_eq(key, STR("Int")))
            ok = str_to_i64(value, &r->interval) == ERR_OK;
        else if (str_eq(key, STR("Grade")))
            ok = r->have_grade = str_to_i64(value, &r->grade) == ERR_OK;
        else if (str_eq(key, STR("Date")))
            ok = r->have_date = date_of(value, &r->day);
        else if (str_eq(key, STR("Hour")))
            ok = r->have_hour =
                str_to_f64(value, &r->hour) == ERR_OK && r->hour >= 0 && r->hour < 1000;
        else if (str_eq(key, STR("expFI")))
            r->exp_fi = value;
        if (!ok)
            return str_eq(key, STR("Date"))   ? "Date is not dd.mm.yyyy"
                   : str_eq(key, STR("Hour")) ? "Hour is not a number"
                                              : "a number is not one";
    }
    if (!r->item.n)
        return "ElNo is missing";
    if (!r->have_grade)
        return "Grade is missing";
    return r->have_date ? NULL : "Date is missing";
}

int repetition_rating(int64_t grade)
{
    static const int ratings[] = {1, 1, 1, 2, 3, 4};

    return grade >= 0 && grade <= 5 ? ratings[grade] : 0;
}

int32_t repetition_second(const struct repetition *r)
{
    int32_t second = (int32_t)((r->hour - 24 * (int32_t)(r->hour / 24)) * 3600);

    return second > 86399 ? 86399 : second;
}

static struct str data_of(const struct repetition *r, char out[160])
{
    double fi;
    int n = snprintf(out, 160, "{\"rep\":%lld,\"laps\":%lld,\"intervalDays\":%lld",
                     (long long)r->rep, (long long)r->laps, (long long)r->interval);

    if (str_to_f64(r->exp_fi, &fi) == ERR_OK && fi >= 0 && fi <= 100)
        n += snprintf(out + n, (size_t)(160 - n), ",\"expectedForgetting\":%.4g", fi / 100);
    n += snprintf(out + n, (size_t)(160 - n), "}");
    return (struct str){out, (size_t)n};
}

static enum err take_row(struct str line, int64_t number, struct str learner,
                         const struct zone *zone, struct intake *in)
{
    struct repetition r;
    char data[160];
    const char *reason = repetition_read(line, &r);
    struct event e;

    intake_row(in);
    if (reason || r.grade < 0) {
        intake_refuse(in, number, line, "", reason ? reason : "Grade is negative");
        return ERR_OK;
    }
    if (r.grade > 5 && r.rep != 1) {
        intake_skip(in, number, "Grade above 5: no review");
        return ERR_OK;
    }
    event_init(&e);
    e.kind = r.grade > 5 ? EVENT_STUDY : EVENT_REVIEW;
    e.rating = (int8_t)repetition_rating(r.grade);
    e.learner = learner;
    e.item = r.item;
    e.data = data_of(&r, data);
    int32_t second = repetition_second(&r);

    e.at = civil_to_us(zone, r.day, second);
    e.untimed = !r.have_hour;
    return intake_add(in, &e, number);
}

enum err read_supermemo(struct source *s, struct str learner, const struct zone *zone,
                        struct intake *in)
{
    enum err e = ERR_OK;
    struct str line;

    while (e == ERR_OK) {
        e = source_line(s, LINE_MAX_BYTES, &line);
        if (e == ERR_TOO_LARGE) {
            intake_row(in);
            intake_refuse(in, s->line, (struct str){NULL, 0}, "", "the line is longer than 4 KiB");
            e = ERR_OK;
        } else if (e == ERR_OK && str_starts(line, STR("ElNo="))) {
            if (utf8_valid(line) && !memchr(line.p, 0, line.n))
                e = take_row(line, s->line, learner, zone, in);
            else
                intake_refuse(in, s->line, (struct str){NULL, 0}, "", "not UTF-8 text");
        }
    }
    return e;
}

static enum err supermemo_file(const struct import_file *f, char *ret_detail)
{
    struct str zone = str_from(args_get(supermemo_options, f->args, "time-zone"));
    struct str learner = str_from(args_get(supermemo_options, f->args, "learner"));
    const struct zone *z = zone_utc();
    struct intake *in = NULL;
    char prefix[EVENT_ID_MAX / 2 + 2];

    if (zone.p && zone_get(zone, &z) != ERR_OK) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "--time-zone \"%.64s\": no such IANA zone here",
                 zone.p);
        return ERR_RANGE;
    }
    if (!learner.p)
        learner = source_stem(f->path);
    if (!learner.n || learner.n > EVENT_ID_MAX / 2 || !utf8_valid(learner)) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "--learner: 1 to %d bytes of UTF-8",
                 EVENT_ID_MAX / 2);
        return ERR_RANGE;
    }
    /* Elements are numbered per collection: the same number is another item for another person. */
    snprintf(prefix, sizeof prefix, STR_FMT "-", STR_ARG(learner));
    struct intake_options o = {
        .importer = f->self->name,
        .name = f->path,
        .key = intake_key(f->self->name, supermemo_options, f->args, f->source),
        .item_prefix = str_from(prefix),
        .session_gap_us = 30 * US_PER_MINUTE,
        .sort = true,
    };
    enum err e = intake_read_options(supermemo_options, f->args, &o, ret_detail);

    if (e == ERR_OK)
        e = intake_new(f->ctx, &o, f->source, &in, ret_detail);
    if (e == ERR_OK)
        e = intake_end(in, read_supermemo(f->source, learner, z, in), ret_detail);
    intake_free(in);
    return e;
}

enum err import_supermemo(const struct importer *self, const struct import_context *ctx,
                          const struct args *args, char *ret_detail)
{
    return import_each(self, ctx, args, NULL, supermemo_file, ret_detail);
}
