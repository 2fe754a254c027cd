#include "eval/visits.h"

#include "base/args.h"
#include "base/civil.h"
#include "base/hash.h"
#include "eval/sheet.h"
#include "twin/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VISITORS_NEEDED = 40, /* four in a fold */
    VISITS_MAX = 4000000,
    WINDOW_DAYS = 14,
    ARENA_BYTES = 1 << 30,
};

static enum err read_results(const struct courses_options *o, struct visits *v,
                             struct strmap *by_name)
{
    static const char *const names[] = {"user", "Final_grade", NULL};
    struct sheet s;
    enum err e = sheet_open(&s, o->folder, "results.tsv.gz", names, o->detail);

    while (e == ERR_OK && (e = sheet_next(&s)) == ERR_OK) {
        struct visitor *p = &v->visitors[v->visitor_count];

        if (v->visitor_count == VISITORS_MAX || !sheet_number(&s, 1, &p->grade) ||
            isnan(p->grade)) {
            e = sheet_bad(&s);
            break;
        }
        p->name = arena_str(&v->arena, sheet_text(&s, 0));
        void **slot = p->name.p ? strmap_slot(by_name, p->name) : NULL;
        e = !slot ? ERR_NOMEM : *slot ? sheet_bad(&s) : ERR_OK; /* twice the same person */
        if (e == ERR_OK)
            *slot = &v->visitors[v->visitor_count++];
    }
    sheet_close(&s);
    return e == ERR_EOF ? ERR_OK : e;
}

static bool contains(struct str s, const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i + n <= s.n; i++)
        if (memcmp(s.p + i, part, n) == 0)
            return true;
    return false;
}

/* "2019-10-26 09:37:12" */
static bool read_time(struct str s, int64_t *ret)
{
    static const int8_t at[6] = {0, 5, 8, 11, 14, 17};
    int32_t part[6] = {0};

    if (s.n != 19)
        return false;
    for (int i = 0; i < 6; i++)
        for (int j = at[i]; j < 19 && s.p[j] >= '0' && s.p[j] <= '9'; j++)
            part[i] = part[i] * 10 + (s.p[j] - '0');
    if (part[0] < 1970 || part[0] > 2200 || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
        part[2] > 31 || part[3] > 23 || part[4] > 59 || part[5] > 60)
        return false;
    *ret = civil_epoch_day(part[0], part[1], part[2]) * US_PER_DAY + part[3] * US_PER_HOUR +
           part[4] * US_PER_MINUTE + part[5] * US_PER_S;
    return true;
}

static enum err read_events(const struct courses_options *o, struct visits *v,
                            struct strmap *by_name)
{
    static const char *const names[] = {"user", "timecreated", "Component", "Event.name", NULL};
    struct sheet s;
    enum err e = sheet_open(&s, o->folder, "events.tsv.gz", names, o->detail);

    while (e == ERR_OK && (e = sheet_next(&s)) == ERR_OK) {
        struct visit *to = &v->all[v->count];
        struct str name = sheet_text(&s, 3);
        const struct visitor *who = strmap_get(by_name, sheet_text(&s, 0));

        if (v->count == VISITS_MAX || !read_time(sheet_text(&s, 1), &to->visit.at)) {
            e = sheet_bad(&s);
            break;
        }
        /* the course notes completions by itself, also when nobody is there */
        if (!who || contains(name, "completion updated"))
            continue;
        to->visitor = (int32_t)(who - v->visitors);
        to->visit.post = contains(name, "Post created") || contains(name, "Discussion created");
        to->visit.handed = contains(name, "has been submitted") ||
                           contains(name, "attempt submitted") || contains(name, "uploaded");
        v->count++;
    }
    sheet_close(&s);
    return e == ERR_EOF ? ERR_OK : e;
}

static int by_visitor(const void *pa, const void *pb)
{
    const struct visit *a = pa, *b = pb;

    if (a->visitor != b->visitor)
        return a->visitor - b->visitor;
    return (a->visit.at > b->visit.at) - (a->visit.at < b->visit.at);
}

static enum err describe(struct visits *v)
{
    struct warning_visit *own = arena_new(&v->arena, struct warning_visit, (size_t)v->count + 1);
    double *grades = arena_new(&v->arena, double, (size_t)v->visitor_count + 1);
    int64_t from = INT64_MAX;
    int32_t at = 0;

    if (!own || !grades)
        return ERR_NOMEM;
    qsort(v->all, (size_t)v->count, sizeof *v->all, by_visitor);
    for (int32_t i = 0; i < v->count; i++) {
        own[i] = v->all[i].visit;
        from = own[i].at < from ? own[i].at : from;
    }
    for (int32_t i = 0; i < v->visitor_count; i++)
        grades[i] = v->visitors[i].grade;
    if (v->count == 0 || v->visitor_count < VISITORS_NEEDED)
        return ERR_UNPROCESSABLE;
    stats_sort(grades, v->visitor_count);
    from -= from % US_PER_DAY;
    int64_t to = from + WINDOW_DAYS * US_PER_DAY;
    for (int32_t i = 0; i < v->visitor_count; i++) {
        struct visitor *p = &v->visitors[i];
        int32_t first = at;
        int64_t last = from;

        for (; at < v->count && v->all[at].visitor == i; at++)
            last = own[at].at < to && own[at].at > last ? own[at].at : last;
        warning_visits_read(own + first, at - first, from, to, p->x);
        p->absent = warning_absent(last, to);
        p->low = p->grade <= stats_quantile(grades, v->visitor_count, 0.25);
    }
    return ERR_OK;
}

void visits_free(struct visits *v)
{
    if (v)
        arena_fini(&v->arena);
    free(v);
}

enum err visits_load(const struct courses_options *o, struct visits **ret)
{
    struct visits *v = calloc(1, sizeof *v);
    struct strmap by_name;
    enum err e = ERR_NOMEM;

    if (!v)
        return e;
    arena_init(&v->arena, ARENA_BYTES);
    strmap_init(&by_name, &v->arena);
    v->visitors = arena_new(&v->arena, struct visitor, VISITORS_MAX + 1);
    v->all = arena_new(&v->arena, struct visit, VISITS_MAX + 1);
    if (v->visitors && v->all)
        e = read_results(o, v, &by_name);
    if (e == ERR_OK)
        e = read_events(o, v, &by_name);
    if (e == ERR_OK)
        e = describe(v);
    if (e == ERR_UNPROCESSABLE)
        snprintf(o->detail, ARGS_DETAIL_MAX, "%.200s: no visits, or fewer than %d people",
                 o->folder, VISITORS_NEEDED);
    if (e == ERR_OK)
        *ret = v;
    else
        visits_free(v);
    return e;
}
