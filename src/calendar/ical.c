#include "calendar/ical.h"

#include "base/assert.h"
#include "base/buf.h"
#include "calendar/seal.h"

#include <libical/ical.h>
#include <pthread.h>
#include <stdio.h>

enum {
    OVERRIDES_FUTURE_MAX = 16, /* of one event, with THISANDFUTURE */
    PLACES_MAX = 64,           /* zones named in one text */
    PLACES_OWN_MAX = 16,       /* of these, such as only the text itself knows */
    RULES_EACH_MAX = 4,        /* of one event */
    ZONE_PARTS_MAX = 64,       /* of one VTIMEZONE */
    ZONE_CHANGES_MAX = 20000,  /* of all own zones of one text */
    ZONE_YEAR_MIN = 1600,      /* some write 1601 for "always" */
    ZONE_YEARS_AHEAD = 20,     /* libical looks a few years further than it is asked */
    TIMES_A_DAY_MAX = 48,
    YEAR_MIN = 1900,
    YEAR_MAX = 2200,
};

/* ---- the result ---- */

void ical_begin(struct ical_reader *r, const struct ical_window *window, struct arena *arena)
{
    *r = (struct ical_reader){.arena = arena, .window = *window, .cpu_end_us = -1};
}

bool ical_add_time(struct ical_reader *r, const struct busy_time *t)
{
    struct busy_list *f = &r->found;

    if (t->end <= t->start || t->end <= r->window.from || t->start >= r->window.to)
        return true;
    if (f->count == ICAL_FOUND_MAX) {
        f->cut = true;
        return false;
    }
    if (f->count == r->room) {
        int32_t room = r->room ? r->room * 2 : 64;
        struct busy_time *items = arena_new(r->arena, struct busy_time, (size_t)room);
        if (!items)
            return false;
        if (f->count)
            memcpy(items, f->items, (size_t)f->count * sizeof *items);
        f->items = items;
        r->room = room;
    }
    f->items[f->count++] = *t;
    return true;
}

static int by_start(const void *pa, const void *pb)
{
    const struct busy_time *a = pa, *b = pb;

    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    int c = str_cmp(a->event, b->event);
    return c ? c : (a->end < b->end) - (a->end > b->end); /* of equal ones the longer stays */
}

void ical_end(struct ical_reader *r, struct busy_list *ret)
{
    struct busy_list *f = &r->found;
    int32_t n = 0;

    if (f->count)
        qsort(f->items, (size_t)f->count, sizeof *f->items, by_start);
    for (int32_t i = 0; i < f->count; i++)
        if (n == 0 || f->items[i].start != f->items[n - 1].start ||
            !str_eq(f->items[i].event, f->items[n - 1].event))
            f->items[n++] = f->items[i];
    f->cut |= n > BUSY_MAX;
    f->count = n > BUSY_MAX ? BUSY_MAX : n;
    *ret = *f;
}

struct str ical_title(struct arena *arena, struct str s)
{
    if (!s.p || !utf8_valid(s))
        s = STR("");
    s = arena_str(arena, utf8_prefix(s, BUSY_TITLE_MAX));
    char *p = (char *)(uintptr_t)s.p;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
            p[i] = ' ';
    return s;
}

struct str ical_event_id(struct arena *arena, struct str s)
{
    unsigned char hash[32];
    char text[72] = "sha256:";
    bool plain = s.n > 0 && s.n <= BUSY_EVENT_MAX && utf8_valid(s);

    for (size_t i = 0; plain && i < s.n; i++)
        plain = (unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f;
    if (plain)
        return arena_str(arena, s);
    seal_sha256(s, hash);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(text + 7 + 2 * i, 3, "%02x", hash[i]);
    return arena_str(arena, str_from(text));
}

/* ---- the budget ---- */

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

/* Is there anything left? Asking the clock costs more than a step, so not each time. */
static bool budget(struct ical_reader *r)
{
    r->steps++;
    if (r->steps > ICAL_STEPS_MAX || (r->steps % 16 == 1 && cpu_us() > r->cpu_end_us))
        r->found.cut = true;
    return !r->found.cut;
}

/* ---- zones and instants ---- */

/* Where a wall clock hangs: exactly one of them. */
struct place {
    const struct zone *zone;
    icaltimezone *own; /* by the calendar's VTIMEZONE */
};

struct text {
    struct ical_reader *r;
    icalcomponent *calendar;
    const struct zone *floating;
    struct {
        const char *id;
        struct place place;
    } places[PLACES_MAX];
    int32_t place_count, own_count, zone_changes;
};

/* "Europe/Berlin", or behind the slashes of "/mozilla.org/20050126_1/Europe/Berlin". */
static const struct zone *known_zone(const char *name)
{
    const struct zone *zone;

    for (; name; name = strchr(name, '/')) {
        name += *name == '/';
        if (zone_get(str_from(name), &zone) == ERR_OK)
            return zone;
    }
    return NULL;
}

static const char *x_value(icalcomponent *c, const char *name)
{
    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_X_PROPERTY); p;
         p = icalcomponent_get_next_property(c, ICAL_X_PROPERTY)) {
        const char *own = icalproperty_get_x_name(p);
        icalvalue *v = icalproperty_get_value(p);
        if (own && v && strcasecmp(own, name) == 0 &&
            (icalvalue_isa(v) == ICAL_X_VALUE || icalvalue_isa(v) == ICAL_TEXT_VALUE))
            return icalvalue_isa(v) == ICAL_X_VALUE ? icalvalue_get_x(v) : icalvalue_get_text(v);
    }
    return NULL;
}

static icalvalue *value_of(icalproperty *p, icalvalue_kind kind)
{
    icalvalue *v = p ? icalproperty_get_value(p) : NULL;
    return v && icalvalue_isa(v) == kind ? v : NULL;
}

static int32_t listed(const short *list, int32_t size)
{
    int32_t n = 0;
    while (n < size && list[n] != ICAL_RECURRENCE_ARRAY_MAX)
        n++;
    return n;
}

static bool rule_fits(const struct icalrecurrencetype *rule);

/* Clocks change a few times a year at most. libical follows such a rule through all years up to the
 * event's, for each part of each zone, and nothing here could stop it. */
static bool rule_of_zone(const struct icalrecurrencetype *r)
{
    int32_t months = listed(r->by_month, ICAL_BY_MONTH_SIZE);
    int32_t days = listed(r->by_day, ICAL_BY_DAY_SIZE);
    int32_t month_days = listed(r->by_month_day, ICAL_BY_MONTHDAY_SIZE);

    return r->freq == ICAL_YEARLY_RECURRENCE && rule_fits(r) && months <= 1 && days <= 1 &&
           (months == 1 || days + month_days == 0) && (days == 1 || month_days <= 1) &&
           !listed(r->by_hour, ICAL_BY_HOUR_SIZE) && !listed(r->by_minute, ICAL_BY_MINUTE_SIZE) &&
           !listed(r->by_second, ICAL_BY_SECOND_SIZE) &&
           !listed(r->by_year_day, ICAL_BY_YEARDAY_SIZE) &&
           !listed(r->by_week_no, ICAL_BY_WEEKNO_SIZE) &&
           !listed(r->by_set_pos, ICAL_BY_SETPOS_SIZE);
}

static int32_t year_after(const struct text *t, int32_t years)
{
    return civil_at(zone_utc(), t->r->window.to).year + years;
}

/* How many changes libical makes of one part, at most. */
static int32_t changes_of(const struct text *t, const struct icalrecurrencetype *r, int32_t year)
{
    int32_t until = year_after(t, ZONE_YEARS_AHEAD);
    bool weekly = r->by_day[0] != ICAL_RECURRENCE_ARRAY_MAX &&
                  icalrecurrencetype_day_position(r->by_day[0]) == 0;

    return (until > year ? until - year : 1) * (weekly ? 5 : 1);
}

/* One STANDARD or DAYLIGHT; adds to t->zone_changes. */
static bool part_tame(struct text *t, icalcomponent *c)
{
    icalvalue *start =
        value_of(icalcomponent_get_first_property(c, ICAL_DTSTART_PROPERTY), ICAL_DATETIME_VALUE);
    int32_t year = start ? icalvalue_get_datetime(start).year : 0;

    if (year < ZONE_YEAR_MIN || year > YEAR_MAX ||
        !value_of(icalcomponent_get_first_property(c, ICAL_TZOFFSETTO_PROPERTY),
                  ICAL_UTCOFFSET_VALUE) ||
        !value_of(icalcomponent_get_first_property(c, ICAL_TZOFFSETFROM_PROPERTY),
                  ICAL_UTCOFFSET_VALUE))
        return false;
    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_ANY_PROPERTY); p;
         p = icalcomponent_get_next_property(c, ICAL_ANY_PROPERTY)) {
        icalvalue *v = icalproperty_get_value(p);
        icalvalue_kind kind = v ? icalvalue_isa(v) : ICAL_NO_VALUE;
        if (icalproperty_isa(p) == ICAL_RRULE_PROPERTY) {
            if (kind != ICAL_RECUR_VALUE)
                return false;
            struct icalrecurrencetype rule = icalvalue_get_recur(v);
            if (!rule_of_zone(&rule))
                return false;
            t->zone_changes += changes_of(t, &rule, year);
        }
        if (icalproperty_isa(p) == ICAL_RDATE_PROPERTY) {
            if (kind != ICAL_DATETIME_VALUE && kind != ICAL_DATETIMEPERIOD_VALUE)
                return false;
            t->zone_changes++;
        }
        if (t->zone_changes > ZONE_CHANGES_MAX)
            return false;
    }
    return true;
}

/* May libical compute with it? Otherwise its times are taken to be the learner's. */
static bool zone_tame(struct text *t, icalcomponent *zone)
{
    int32_t parts = 0;

    for (icalcomponent *c = icalcomponent_get_first_component(zone, ICAL_ANY_COMPONENT); c;
         c = icalcomponent_get_next_component(zone, ICAL_ANY_COMPONENT))
        if (++parts > ZONE_PARTS_MAX || !part_tame(t, c))
            return false;
    return parts > 0 && t->zone_changes <= ZONE_CHANGES_MAX;
}

static icalcomponent *vtimezone(const struct text *t, const char *id)
{
    for (icalcomponent *c =
             icalcomponent_get_first_component(t->calendar, ICAL_VTIMEZONE_COMPONENT);
         c; c = icalcomponent_get_next_component(t->calendar, ICAL_VTIMEZONE_COMPONENT)) {
        icalvalue *v =
            value_of(icalcomponent_get_first_property(c, ICAL_TZID_PROPERTY), ICAL_TEXT_VALUE);
        if (v && icalvalue_get_text(v) && strcmp(icalvalue_get_text(v), id) == 0)
            return c;
    }
    return NULL;
}

static struct place find_place(struct text *t, const char *id)
{
    struct place place = {.zone = known_zone(id)};

    if (place.zone)
        return place;
    icalcomponent *c = vtimezone(t, id);
    const char *location = c ? x_value(c, "X-LIC-LOCATION") : NULL;
    if (location)
        place.zone = known_zone(location);
    if (!place.zone && c && t->own_count < PLACES_OWN_MAX && zone_tame(t, c)) {
        place.own = icalcomponent_get_timezone(t->calendar, id);
        t->own_count++;
        /* two of one name: it must be the one that was looked at */
        if (place.own && icaltimezone_get_component(place.own) != c)
            place.own = NULL;
    }
    if (!place.zone && !place.own)
        place.zone = t->floating;
    return place;
}

static struct place place_of(struct text *t, icalproperty *p)
{
    icalparameter *param = icalproperty_get_first_parameter(p, ICAL_TZID_PARAMETER);
    const char *id = param ? icalparameter_get_tzid(param) : NULL;

    if (!id)
        return (struct place){.zone = t->floating};
    for (int32_t i = 0; i < t->place_count; i++)
        if (strcmp(t->places[i].id, id) == 0)
            return t->places[i].place;
    if (t->place_count == PLACES_MAX)
        return (struct place){.zone = t->floating};
    struct place place = find_place(t, id);
    t->places[t->place_count].id = id;
    t->places[t->place_count++].place = place;
    return place;
}

static bool sane(const struct icaltimetype *t)
{
    return t->year >= YEAR_MIN && t->year <= YEAR_MAX && t->month >= 1 && t->month <= 12 &&
           t->day >= 1 && t->day <= icaltime_days_in_month(t->month, t->year) &&
           (t->is_date || (t->hour >= 0 && t->hour <= 23 && t->minute >= 0 && t->minute <= 59 &&
                           t->second >= 0 && t->second <= 60));
}

static int32_t day_of(const struct icaltimetype *t)
{
    return civil_epoch_day(t->year, t->month, t->day);
}

/* The instant of a wall time (a date: its first); t is sane. */
static int64_t instant(const struct text *text, const struct place *place, struct icaltimetype t)
{
    int32_t seconds =
        t.is_date ? 0 : t.hour * 3600 + t.minute * 60 + (t.second > 59 ? 59 : t.second);

    if (place->zone)
        return civil_to_us(place->zone, day_of(&t), seconds);
    /* Far beyond the window the hour does not matter, and libical must not compute that far. */
    int64_t days = day_of(&t);
    int32_t latest = year_after(text, 2);
    int is_daylight = 0;
    t.is_date = 0;
    t.year = t.year < latest ? t.year : latest;
    int offset = icaltimezone_get_utc_offset(place->own, &t, &is_daylight);
    return (days * 86400 + seconds - offset) * US_PER_S;
}

/* A wall time in its place. */
struct when {
    struct icaltimetype t; /* without a zone */
    struct place place;
    int64_t us;
};

static bool when_make(struct text *t, icalproperty *p, struct icaltimetype time, struct when *ret)
{
    if (!sane(&time))
        return false;
    if (icaltime_is_utc(time))
        ret->place = (struct place){.zone = zone_utc()};
    else
        ret->place = time.is_date ? (struct place){.zone = t->r->window.zone} : place_of(t, p);
    icaltime_set_timezone(&time, NULL);
    ret->t = time;
    ret->us = instant(t, &ret->place, time);
    return true;
}

/* DTSTART, DTEND, EXDATE, RECURRENCE-ID. */
static bool when_of(struct text *t, icalproperty *p, struct when *ret)
{
    icalvalue *v = p ? icalproperty_get_value(p) : NULL;

    if (!v)
        return false;
    if (icalvalue_isa(v) == ICAL_DATE_VALUE)
        return when_make(t, p, icalvalue_get_date(v), ret);
    if (icalvalue_isa(v) == ICAL_DATETIME_VALUE)
        return when_make(t, p, icalvalue_get_datetime(v), ret);
    return false;
}

/* ---- events ---- */

struct event {
    icalcomponent *c;
    struct str uid;
    bool override;
};

/* What an occurrence of an event is like. */
struct shape {
    struct str id, title;
    bool free, tentative; /* free: cancelled, transparent, or our own */
    int64_t length_us;    /* of timed ones */
    int32_t length_days;  /* of whole days; 0: timed */
};

static struct str text_value(icalcomponent *c, icalproperty_kind kind)
{
    icalvalue *v = value_of(icalcomponent_get_first_property(c, kind), ICAL_TEXT_VALUE);
    return str_from(v ? icalvalue_get_text(v) : NULL);
}

static bool is_free(icalcomponent *c, struct str uid)
{
    icalvalue *status =
        value_of(icalcomponent_get_first_property(c, ICAL_STATUS_PROPERTY), ICAL_STATUS_VALUE);
    icalvalue *transp =
        value_of(icalcomponent_get_first_property(c, ICAL_TRANSP_PROPERTY), ICAL_TRANSP_VALUE);
    const char *microsoft = x_value(c, "X-MICROSOFT-CDO-BUSYSTATUS");

    if (str_ends(uid, STR(ICAL_OUR_UID)))
        return true;
    if (status && icalvalue_get_status(status) == ICAL_STATUS_CANCELLED)
        return true;
    if (transp && (icalvalue_get_transp(transp) == ICAL_TRANSP_TRANSPARENT ||
                   icalvalue_get_transp(transp) == ICAL_TRANSP_TRANSPARENTNOCONFLICT))
        return true;
    return microsoft && strcasecmp(microsoft, "FREE") == 0;
}

static bool is_tentative(icalcomponent *c)
{
    icalvalue *status =
        value_of(icalcomponent_get_first_property(c, ICAL_STATUS_PROPERTY), ICAL_STATUS_VALUE);
    const char *microsoft = x_value(c, "X-MICROSOFT-CDO-BUSYSTATUS");

    return (status && icalvalue_get_status(status) == ICAL_STATUS_TENTATIVE) ||
           (microsoft && strcasecmp(microsoft, "TENTATIVE") == 0);
}

/* Of one that begins then. False: no length that can be understood. */
static bool length_of(struct text *t, icalcomponent *c, const struct when *start, struct shape *s)
{
    struct when end;
    icalvalue *v =
        value_of(icalcomponent_get_first_property(c, ICAL_DURATION_PROPERTY), ICAL_DURATION_VALUE);
    icalproperty *dtend = icalcomponent_get_first_property(c, ICAL_DTEND_PROPERTY);

    s->length_us = 0;
    s->length_days = start->t.is_date;
    if (dtend) {
        if (!when_of(t, dtend, &end) || end.t.is_date != start->t.is_date)
            return false;
        if (start->t.is_date)
            s->length_days = day_of(&end.t) - day_of(&start->t);
        else
            s->length_us = end.us - start->us;
        if (start->t.is_date && s->length_days == 0)
            s->length_days = 1; /* some write the same day twice */
    } else if (v) {
        struct icaldurationtype d = icalvalue_get_duration(v);
        int64_t days = (int64_t)d.weeks * 7 + d.days;
        if (d.is_neg || days > 3660)
            return false;
        if (start->t.is_date)
            s->length_days = (int32_t)(days ? days : 1);
        else
            s->length_us =
                (((int64_t)days * 24 + d.hours) * 3600 + (int64_t)d.minutes * 60 + d.seconds) *
                US_PER_S;
    }
    return s->length_us >= 0 && s->length_days >= 0;
}

static bool shape_of(struct text *t, const struct event *e, const struct when *start,
                     struct shape *ret)
{
    *ret = (struct shape){.free = is_free(e->c, e->uid), .tentative = is_tentative(e->c)};
    ret->id = ical_event_id(t->r->arena, e->uid);
    ret->title = ical_title(t->r->arena, text_value(e->c, ICAL_SUMMARY_PROPERTY));
    return length_of(t, e->c, start, ret) && ret->id.p && ret->title.p;
}

static bool emit(struct text *t, const struct shape *s, const struct when *at)
{
    struct busy_time b = {.start = at->us,
                          .end = at->us + s->length_us,
                          .event = s->id,
                          .title = s->title,
                          .all_day = s->length_days > 0,
                          .tentative = s->tentative};
    if (s->free)
        return true;
    if (b.all_day)
        b.end = civil_day_start(t->r->window.zone, day_of(&at->t) + s->length_days);
    return ical_add_time(t->r, &b);
}

/* ---- what is left out of a series ---- */

struct series {
    struct text *t;
    struct shape shape;
    struct when start;
    int64_t *instants; /* sorted: left out, or told elsewhere */
    int32_t instant_count;
    int32_t *days; /* sorted: left out as dates */
    int32_t day_count;
    struct future {
        int64_t from, shift_us;
        struct shape shape;
    } futures[OVERRIDES_FUTURE_MAX];
    int32_t future_count;
};

static int by_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int by_i32(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void leave_out(struct series *s, const struct when *w)
{
    if (w->t.is_date)
        s->days[s->day_count++] = day_of(&w->t);
    else
        s->instants[s->instant_count++] = w->us;
}

static void add_future(struct series *s, const struct event *o, const struct when *id)
{
    icalproperty *p = icalcomponent_get_first_property(o->c, ICAL_RECURRENCEID_PROPERTY);
    icalparameter *range = icalproperty_get_first_parameter(p, ICAL_RANGE_PARAMETER);
    struct when start;
    struct shape shape;

    if (!range || icalparameter_get_range(range) != ICAL_RANGE_THISANDFUTURE ||
        s->future_count == OVERRIDES_FUTURE_MAX ||
        !when_of(s->t, icalcomponent_get_first_property(o->c, ICAL_DTSTART_PROPERTY), &start) ||
        !shape_of(s->t, o, &start, &shape))
        return;
    s->futures[s->future_count++] =
        (struct future){.from = id->us, .shift_us = start.us - id->us, .shape = shape};
}

static enum err series_exceptions(struct series *s, const struct event *master,
                                  const struct event *overrides, int32_t override_count)
{
    int32_t n = override_count + icalcomponent_count_properties(master->c, ICAL_EXDATE_PROPERTY);
    struct when w;

    s->instants = arena_new(s->t->r->arena, int64_t, (size_t)n + 1);
    s->days = arena_new(s->t->r->arena, int32_t, (size_t)n + 1);
    if (!s->instants || !s->days)
        return ERR_NOMEM;
    for (icalproperty *p = icalcomponent_get_first_property(master->c, ICAL_EXDATE_PROPERTY);
         p && budget(s->t->r); p = icalcomponent_get_next_property(master->c, ICAL_EXDATE_PROPERTY))
        if (when_of(s->t, p, &w))
            leave_out(s, &w);
    for (int32_t i = 0; i < override_count && budget(s->t->r); i++) {
        if (!when_of(s->t,
                     icalcomponent_get_first_property(overrides[i].c, ICAL_RECURRENCEID_PROPERTY),
                     &w))
            continue;
        leave_out(s, &w);
        add_future(s, &overrides[i], &w);
    }
    qsort(s->instants, (size_t)s->instant_count, sizeof *s->instants, by_i64);
    qsort(s->days, (size_t)s->day_count, sizeof *s->days, by_i32);
    return ERR_OK;
}

static bool left_out(const struct series *s, const struct when *w)
{
    int32_t day = day_of(&w->t);

    return bsearch(&w->us, s->instants, (size_t)s->instant_count, sizeof w->us, by_i64) ||
           bsearch(&day, s->days, (size_t)s->day_count, sizeof day, by_i32);
}

static bool occur(const struct series *s, const struct when *w, const struct shape *shape)
{
    struct when at = *w;
    const struct future *last = NULL;

    if (left_out(s, w))
        return true;
    for (int32_t i = 0; i < s->future_count; i++)
        if (s->futures[i].from <= w->us && (!last || last->from < s->futures[i].from))
            last = &s->futures[i];
    if (!last)
        return emit(s->t, shape, &at);
    at.us += last->shift_us;
    if (last->shape.length_days > 0) { /* whole days move by days */
        int32_t day = day_of(&at.t) + (int32_t)((last->shift_us + US_PER_DAY / 2) / US_PER_DAY);
        civil_from_day(day, &at.t.year, &at.t.month, &at.t.day);
        at.us = civil_day_start(s->t->r->window.zone, day);
    }
    return emit(s->t, &last->shape, &at);
}

/* ---- rules ---- */

static int32_t or_one(int32_t n)
{
    return n ? n : 1;
}

/* Is there a day that BYMONTH and BYMONTHDAY both name? */
static bool days_exist(const struct icalrecurrencetype *r)
{
    static const int32_t lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t months = listed(r->by_month, ICAL_BY_MONTH_SIZE);
    int32_t days = listed(r->by_month_day, ICAL_BY_MONTHDAY_SIZE);

    for (int32_t m = 0; m < months; m++) {
        int32_t month = r->by_month[m];
        if (month < 1 || month > 12)
            return false;
        for (int32_t d = 0; d < days; d++)
            if (r->by_month_day[d] && abs(r->by_month_day[d]) <= lengths[month - 1])
                return true;
    }
    return months == 0 || days == 0;
}

/* Weekdays of a period that BYDAY names, at most; -1: one with a number that does not exist. */
static int32_t weekdays(const struct icalrecurrencetype *r)
{
    bool in_month = r->freq == ICAL_MONTHLY_RECURRENCE || listed(r->by_month, ICAL_BY_MONTH_SIZE);
    int32_t n = listed(r->by_day, ICAL_BY_DAY_SIZE), sum = 0;
    int32_t most = r->freq == ICAL_WEEKLY_RECURRENCE || r->freq == ICAL_DAILY_RECURRENCE ? 1
                   : in_month                                                            ? 5
                                                                                         : 53;

    for (int32_t i = 0; i < n; i++) {
        int32_t number = icalrecurrencetype_day_position(r->by_day[i]);
        if (abs(number) > (most == 1 ? 0 : most))
            return -1;
        sum += number ? 1 : most;
    }
    return sum;
}

static bool weekdays_numbered(const struct icalrecurrencetype *r)
{
    int32_t n = listed(r->by_day, ICAL_BY_DAY_SIZE), i = 0;

    while (i < n && icalrecurrencetype_day_position(r->by_day[i]) == 0)
        i++;
    return i < n;
}

/* Parts that hardly ever agree: libical would look for their agreement century by century. */
static bool parts_agree(const struct icalrecurrencetype *r)
{
    bool by_date = listed(r->by_month, ICAL_BY_MONTH_SIZE) > 0 ||
                   listed(r->by_month_day, ICAL_BY_MONTHDAY_SIZE) > 0;
    bool by_week = listed(r->by_week_no, ICAL_BY_WEEKNO_SIZE) > 0;
    bool by_year_day = listed(r->by_year_day, ICAL_BY_YEARDAY_SIZE) > 0;

    if (weekdays_numbered(r) &&
        (by_week || by_year_day || listed(r->by_month_day, ICAL_BY_MONTHDAY_SIZE) > 0))
        return false;
    return !(by_week && (by_date || by_year_day)) && !(by_year_day && by_date);
}

/* Does each period have as many occurrences as BYSETPOS counts, at best? */
static bool positions_exist(const struct icalrecurrencetype *r, int32_t times)
{
    int32_t n = listed(r->by_set_pos, ICAL_BY_SETPOS_SIZE), days = weekdays(r);
    int32_t months = or_one(listed(r->by_month, ICAL_BY_MONTH_SIZE));
    int32_t month_days = listed(r->by_month_day, ICAL_BY_MONTHDAY_SIZE);

    if (days < 0)
        return false;
    if (r->freq == ICAL_DAILY_RECURRENCE)
        days = 1;
    if (days == 0 || (month_days && month_days < days && r->freq == ICAL_MONTHLY_RECURRENCE))
        days = or_one(month_days);
    if (r->freq == ICAL_YEARLY_RECURRENCE) {
        if (month_days > 0) /* in each month, unless some are named */
            days = month_days * (listed(r->by_month, ICAL_BY_MONTH_SIZE) ? 1 : 12);
        days = days * months + listed(r->by_year_day, ICAL_BY_YEARDAY_SIZE) +
               7 * listed(r->by_week_no, ICAL_BY_WEEKNO_SIZE);
    }
    for (int32_t i = 0; i < n; i++)
        if (!r->by_set_pos[i] || abs(r->by_set_pos[i]) > days * times)
            return false;
    return true;
}

/* May libical be let loose on it? */
static bool rule_fits(const struct icalrecurrencetype *r)
{
    int32_t times = or_one(listed(r->by_hour, ICAL_BY_HOUR_SIZE)) *
                    or_one(listed(r->by_minute, ICAL_BY_MINUTE_SIZE)) *
                    or_one(listed(r->by_second, ICAL_BY_SECOND_SIZE));

    if (r->freq != ICAL_DAILY_RECURRENCE && r->freq != ICAL_WEEKLY_RECURRENCE &&
        r->freq != ICAL_MONTHLY_RECURRENCE && r->freq != ICAL_YEARLY_RECURRENCE)
        return false;
    return !r->rscale && r->interval >= 1 && r->interval <= 1000 && r->count >= 0 &&
           times <= TIMES_A_DAY_MAX && days_exist(r) && parts_agree(r) && positions_exist(r, times);
}

static struct icaltimetype wall_at(const struct when *w, int64_t us)
{
    struct icaltimetype t = w->t;

    if (w->place.zone) {
        struct civil c = civil_at(w->place.zone, us);
        t.year = c.year, t.month = c.month, t.day = c.day;
        t.hour = c.hour, t.minute = c.minute, t.second = c.second;
    } else {
        t = icaltime_from_timet_with_zone((time_t)(us / US_PER_S), 0, w->place.own);
        icaltime_set_timezone(&t, NULL);
    }
    if (w->t.is_date)
        t.hour = t.minute = t.second = 0;
    t.is_date = w->t.is_date;
    return t;
}

/* libical compares walls with walls: an end in UTC is moved to the start's place, and a rule
 * without one ends with the window, so that the search does. */
static void rule_end(const struct series *s, struct icalrecurrencetype *r)
{
    int64_t to = s->t->r->window.to + US_PER_DAY;

    if (r->count > 0)
        return;
    if (!icaltime_is_null_time(r->until) && sane(&r->until)) {
        const struct place utc = {.zone = zone_utc()};
        struct icaltimetype u = r->until;
        if (u.is_date)
            u.hour = 23, u.minute = u.second = 59, u.is_date = 0;
        bool is_utc = icaltime_is_utc(u);
        icaltime_set_timezone(&u, NULL);
        int64_t until = instant(s->t, is_utc && !s->start.t.is_date ? &utc : &s->start.place, u);
        to = until < to ? until : to;
    }
    r->until = wall_at(&s->start, to);
}

/* False: the end of the budget. */
static bool follow(struct series *s, struct icalrecurrencetype rule)
{
    bool more = true;

    if (!budget(s->t->r))
        return false;
    rule_end(s, &rule);
    icalrecur_iterator *it = icalrecur_iterator_new(rule, s->start.t);
    while (it && more) {
        struct when w = {.t = icalrecur_iterator_next(it), .place = s->start.place};
        if (icaltime_is_null_time(w.t) || !sane(&w.t) || !budget(s->t->r))
            break;
        w.t.is_date = s->start.t.is_date;
        w.us = instant(s->t, &w.place, w.t);
        if (w.us >= s->t->r->window.to)
            break;
        more = occur(s, &w, &s->shape);
    }
    if (it)
        icalrecur_iterator_free(it);
    return more && !s->t->r->found.cut;
}

static bool follow_rules(struct series *s, icalcomponent *c, bool *ret_any)
{
    int32_t rules = 0;

    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_RRULE_PROPERTY); p;
         p = icalcomponent_get_next_property(c, ICAL_RRULE_PROPERTY)) {
        icalvalue *v = value_of(p, ICAL_RECUR_VALUE);
        struct icalrecurrencetype rule;
        if (v)
            rule = icalvalue_get_recur(v);
        if (!v || ++rules > RULES_EACH_MAX || !rule_fits(&rule)) {
            s->t->r->found.skipped++;
            continue;
        }
        *ret_any = true;
        if (!follow(s, rule))
            return false;
    }
    return true;
}

/* A date, a time, or a period with a length of its own. */
static bool follow_rdate(struct series *s, icalproperty *p)
{
    icalvalue *v = icalproperty_get_value(p);
    struct shape shape = s->shape;
    struct when w;

    if (v &&
        (icalvalue_isa(v) == ICAL_PERIOD_VALUE || icalvalue_isa(v) == ICAL_DATETIMEPERIOD_VALUE)) {
        struct icaldatetimeperiodtype d = icalvalue_get_datetimeperiod(v);
        struct when end;
        bool period = icaltime_is_null_time(d.time);
        if (!when_make(s->t, p, period ? d.period.start : d.time, &w))
            return true;
        if (period && !icaltime_is_null_time(d.period.end) &&
            when_make(s->t, p, d.period.end, &end))
            shape.length_us = end.us - w.us;
        else if (period)
            shape.length_us = (int64_t)icaldurationtype_as_int(d.period.duration) * US_PER_S;
    } else if (!when_of(s->t, p, &w)) {
        return true;
    }
    if (w.t.is_date != s->start.t.is_date)
        return true;
    return occur(s, &w, &shape);
}

/* ---- an event with its exceptions ---- */

static enum err expand(struct text *t, const struct event *e, const struct event *overrides,
                       int32_t override_count)
{
    struct series s = {.t = t};
    bool any = false;

    if (!when_of(t, icalcomponent_get_first_property(e->c, ICAL_DTSTART_PROPERTY), &s.start) ||
        !shape_of(t, e, &s.start, &s.shape)) {
        t->r->found.skipped++;
        return ERR_OK;
    }
    if (e->override) {
        emit(t, &s.shape, &s.start);
        return ERR_OK;
    }
    enum err err = series_exceptions(&s, e, overrides, override_count);
    if (err != ERR_OK)
        return err;
    bool more = follow_rules(&s, e->c, &any);
    if (!any)
        more = more && occur(&s, &s.start, &s.shape);
    for (icalproperty *p = icalcomponent_get_first_property(e->c, ICAL_RDATE_PROPERTY); p && more;
         p = icalcomponent_get_next_property(e->c, ICAL_RDATE_PROPERTY))
        more = budget(t->r) && follow_rdate(&s, p);
    return ERR_OK;
}

/* Without a UID each event stands alone. */
static int by_uid(const void *pa, const void *pb)
{
    const struct event *a = pa, *b = pb;
    int c = str_cmp(a->uid, b->uid);

    return c ? c : a->override - b->override;
}

static enum err expand_group(struct text *t, const struct event *e, int32_t n)
{
    int32_t masters = 0;
    enum err err = ERR_OK;

    while (masters < n && !e[masters].override)
        masters++;
    for (int32_t i = 0; i < n && err == ERR_OK && !t->r->found.cut; i++)
        err = expand(t, &e[i], e + masters, n - masters);
    return err;
}

static enum err read_events(struct text *t)
{
    icalcomponent *cal = t->calendar;
    int32_t n = icalcomponent_count_components(cal, ICAL_VEVENT_COMPONENT), i = 0;
    struct event *events = arena_new(t->r->arena, struct event, (size_t)n + 1);
    enum err e = ERR_OK;

    if (!events)
        return ERR_NOMEM;
    for (icalcomponent *c = icalcomponent_get_first_component(cal, ICAL_VEVENT_COMPONENT);
         c && i < n; c = icalcomponent_get_next_component(cal, ICAL_VEVENT_COMPONENT))
        events[i++] = (struct event){
            .c = c,
            .uid = text_value(c, ICAL_UID_PROPERTY),
            .override = icalcomponent_get_first_property(c, ICAL_RECURRENCEID_PROPERTY) != NULL,
        };
    n = i;
    t->r->found.events += n;
    qsort(events, (size_t)n, sizeof *events, by_uid);
    for (int32_t from = 0, to; from < n && e == ERR_OK && !t->r->found.cut; from = to) {
        to = from + 1;
        while (to < n && events[from].uid.n > 0 && str_eq(events[to].uid, events[from].uid))
            to++;
        e = expand_group(t, events + from, to - from);
    }
    return e;
}

/* FREEBUSY;FBTYPE=BUSY-TENTATIVE:19970308T160000Z/PT3H */
static void read_freebusy(struct text *t, icalcomponent *c)
{
    for (icalproperty *p = icalcomponent_get_first_property(c, ICAL_FREEBUSY_PROPERTY); p;
         p = icalcomponent_get_next_property(c, ICAL_FREEBUSY_PROPERTY)) {
        icalparameter *type = icalproperty_get_first_parameter(p, ICAL_FBTYPE_PARAMETER);
        icalparameter_fbtype kind = type ? icalparameter_get_fbtype(type) : ICAL_FBTYPE_BUSY;
        icalvalue *v = value_of(p, ICAL_PERIOD_VALUE);
        struct when start, end;

        if (!v || kind == ICAL_FBTYPE_FREE)
            continue;
        struct icalperiodtype period = icalvalue_get_period(v);
        if (!when_make(t, p, period.start, &start))
            continue;
        end = start;
        if (!icaltime_is_null_time(period.end) && !when_make(t, p, period.end, &end))
            continue;
        if (icaltime_is_null_time(period.end))
            end.us += (int64_t)icaldurationtype_as_int(period.duration) * US_PER_S;
        const struct busy_time b = {.start = start.us,
                                    .end = end.us,
                                    .event = STR("freebusy"),
                                    .title = STR(""),
                                    .tentative = kind == ICAL_FBTYPE_BUSYTENTATIVE};
        if (!ical_add_time(t->r, &b))
            return;
    }
}

static enum err read_calendar(struct ical_reader *r, icalcomponent *calendar)
{
    struct text t = {.r = r, .calendar = calendar, .floating = r->window.zone};
    const char *zone = x_value(calendar, "X-WR-TIMEZONE");
    const struct zone *known = zone ? known_zone(zone) : NULL;

    if (known)
        t.floating = known;
    for (icalcomponent *c = icalcomponent_get_first_component(calendar, ICAL_VFREEBUSY_COMPONENT);
         c; c = icalcomponent_get_next_component(calendar, ICAL_VFREEBUSY_COMPONENT))
        read_freebusy(&t, c);
    return read_events(&t);
}

static enum err read_root(struct ical_reader *r, icalcomponent *root)
{
    enum err e = ERR_OK;

    if (icalcomponent_isa(root) == ICAL_VCALENDAR_COMPONENT)
        return read_calendar(r, root);
    for (icalcomponent *c = icalcomponent_get_first_component(root, ICAL_VCALENDAR_COMPONENT);
         c && e == ERR_OK; c = icalcomponent_get_next_component(root, ICAL_VCALENDAR_COMPONENT))
        e = read_calendar(r, c);
    return e;
}

static void library_init(void)
{
    icalerror_set_errors_are_fatal(0);
    ical_set_unknown_token_handling_setting(ICAL_ASSUME_IANA_TOKEN);
    icaltimezone_get_utc_timezone(); /* makes its tables now, before threads ask for them */
}

enum err ical_add(struct ical_reader *r, struct str text)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct buf reduced;

    pthread_once(&once, library_init);
    if (r->cpu_end_us < 0)
        r->cpu_end_us = cpu_us() + ICAL_CPU_US;
    if (r->found.cut)
        return ERR_OK; /* there is no budget for more */
    buf_init(&reduced, text.n + text.n / 2 + 1024);
    enum err e = ical_reduce(text, &reduced, r->reason);
    if (e == ERR_OK)
        buf_putc(&reduced, '\0');
    if (e == ERR_OK && reduced.failed)
        e = ERR_NOMEM;
    icalcomponent *root = e == ERR_OK ? icalparser_parse_string(reduced.p) : NULL;
    buf_fini(&reduced);
    if (e == ERR_OK && !root) {
        snprintf(r->reason, sizeof r->reason, "this is no iCalendar");
        e = ERR_SYNTAX;
    }
    if (root) {
        e = read_root(r, root);
        icalcomponent_free(root);
    }
    return e;
}
