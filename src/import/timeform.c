#include "import/timeform.h"

#include "base/assert.h"

#include <math.h>

enum { EPOCH_DAYS_MAX = 2932896 /* 9999-12-31 */, EPOCH_DAYS_MIN = -719162 /* 0001-01-01 */ };

static const struct {
    const char *word;
    double us; /* of one, when counted from the origin; 0: absolute */
} words[] = {{"rfc3339", 0},    {"unix", 0},      {"unixms", 0}, {"days", 86400e6},
             {"hours", 3600e6}, {"seconds", 1e6}, {"ms", 1e3}};

static int word_of(struct str form)
{
    for (size_t i = 0; i < COUNT(words); i++)
        if (str_eq(form, str_from(words[i].word)))
            return (int)i;
    return -1;
}

enum err timeform_init(struct timeform *t, struct str forms, const struct zone *zone,
                       struct str *ret_bad)
{
    *t = (struct timeform){.zone = zone};
    while (forms.p) {
        struct str form = str_trim(str_cut(&forms, '|'));
        bool known = word_of(form) >= 0 || memmem(form.p, form.n, "%", 1);

        for (size_t i = 0; i < form.n; i++)
            if (form.p[i] == '%' && (i + 1 == form.n || !strchr("YymbdHIpMSfz%", form.p[++i])))
                known = false;
        if (!known || t->count == TIMEFORM_FORMS_MAX) {
            *ret_bad = form;
            return ERR_RANGE;
        }
        t->forms[t->count++] = form;
    }
    return ERR_OK;
}

bool timeform_needs_origin(const struct timeform *t)
{
    for (int32_t i = 0; i < t->count; i++) {
        int w = word_of(t->forms[i]);

        if (w >= 0 && words[w].us > 0)
            return true;
    }
    return false;
}

/* ---- patterns ---- */

struct parts {
    int32_t year, month, day, hour, minute, second, us, offset_s;
    bool have_hour, have_zone, pm, have_pm;
};

static bool digits(struct str *s, int32_t most, int32_t *ret)
{
    int32_t n = 0, v = 0;

    while (n < most && (size_t)n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        v = v * 10 + (s->p[n++] - '0');
    s->p += n, s->n -= (size_t)n;
    *ret = v;
    return n > 0;
}

static bool month_name(struct str *s, int32_t *ret)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (int32_t m = 0; m < 12 && s->n >= 3; m++) {
        if (!str_eq_nocase((struct str){s->p, 3}, (struct str){names + 3 * m, 3}))
            continue;
        do
            s->p++, s->n--;
        while (s->n && ((s->p[0] | 32) >= 'a' && (s->p[0] | 32) <= 'z'));
        *ret = m + 1;
        return true;
    }
    return false;
}

static bool decimals(struct str *s, int32_t *ret_us)
{
    int32_t us = 0, scale = 100000, n = 0;

    while (s->n && s->p[0] >= '0' && s->p[0] <= '9') {
        us += (s->p[0] - '0') * scale;
        scale /= 10;
        s->p++, s->n--, n++;
    }
    *ret_us = us;
    return n > 0;
}

static bool offset(struct str *s, struct parts *p)
{
    int32_t h = 0, m = 0;

    p->have_zone = true;
    if (s->n && (s->p[0] | 32) == 'z') {
        s->p++, s->n--;
        return true;
    }
    if (!s->n || (s->p[0] != '+' && s->p[0] != '-'))
        return false;
    int32_t sign = s->p[0] == '-' ? -1 : 1;

    s->p++, s->n--;
    if (!digits(s, 2, &h))
        return false;
    if (s->n && s->p[0] == ':')
        s->p++, s->n--;
    if (s->n && !digits(s, 2, &m))
        return false;
    p->offset_s = sign * (h * 3600 + m * 60);
    return h <= 23 && m <= 59;
}

static bool directive(char c, struct str *s, struct parts *p)
{
    switch (c) {
    case 'Y':
        return digits(s, 4, &p->year);
    case 'y':
        if (!digits(s, 2, &p->year))
            return false;
        p->year += p->year < 70 ? 2000 : 1900;
        return true;
    case 'm':
        return digits(s, 2, &p->month);
    case 'b':
        return month_name(s, &p->month);
    case 'd':
        return digits(s, 2, &p->day);
    case 'H':
    case 'I':
        p->have_hour = true;
        return digits(s, 2, &p->hour);
    case 'M':
        return digits(s, 2, &p->minute);
    case 'S':
        if (!digits(s, 2, &p->second))
            return false;
        if (s->n < 2 || s->p[0] != '.')
            return true;
        s->p++, s->n--;
        return decimals(s, &p->us);
    case 'f':
        return decimals(s, &p->us);
    case 'p':
        if (s->n < 2 || (s->p[1] | 32) != 'm' || ((s->p[0] | 32) != 'a' && (s->p[0] | 32) != 'p'))
            return false;
        p->have_pm = true, p->pm = (s->p[0] | 32) == 'p';
        s->p += 2, s->n -= 2;
        return true;
    case 'z':
        return offset(s, p);
    default: /* '%': timeform_init() lets no other through */
        if (!s->n || s->p[0] != '%')
            return false;
        s->p++, s->n--;
        return true;
    }
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool match(struct str form, struct str s, struct parts *p)
{
    for (size_t i = 0; i < form.n; i++) {
        if (form.p[i] == '%') {
            if (!directive(form.p[++i], &s, p))
                return false;
        } else if (blank(form.p[i])) {
            while (s.n && blank(s.p[0]))
                s.p++, s.n--;
        } else if (s.n && s.p[0] == form.p[i]) {
            s.p++, s.n--;
        } else {
            return false;
        }
    }
    return s.n == 0;
}

static int32_t month_days(int32_t year, int32_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && leap ? 29 : days[month - 1];
}

static enum err from_parts(const struct timeform *t, struct parts *p, int64_t *ret_us)
{
    if (p->have_pm) {
        if (p->hour < 1 || p->hour > 12)
            return ERR_RANGE;
        p->hour = p->hour % 12 + (p->pm ? 12 : 0);
    }
    if (p->year < 1 || p->month < 1 || p->month > 12 || p->day < 1 ||
        p->day > month_days(p->year, p->month) || p->hour > 23 || p->minute > 59 || p->second > 60)
        return ERR_RANGE;
    int32_t day = civil_epoch_day(p->year, p->month, p->day);
    int32_t second = p->hour * 3600 + p->minute * 60 + (p->second > 59 ? 59 : p->second);

    if (p->have_zone)
        *ret_us = ((int64_t)day * 86400 + second - p->offset_s) * US_PER_S + p->us;
    else
        *ret_us = civil_to_us(t->zone, day, second) + p->us;
    return ERR_OK;
}

/* ---- words ---- */

static enum err from_word(const struct timeform *t, int word, struct str text, int32_t origin_day,
                          int64_t *ret_us)
{
    const double us_max = 2e17; /* beyond the year 8000; exact to the microsecond far below it */
    double v;

    if (word == 0)
        return time_parse(text, ret_us);
    enum err e = str_to_f64(text, &v);

    if (e != ERR_OK)
        return ERR_SYNTAX;
    if (words[word].us <= 0) {
        v *= word == 1 ? 1e6 : 1e3;
        if (!(fabs(v) < us_max))
            return ERR_RANGE;
        *ret_us = llround(v);
        return ERR_OK;
    }
    v *= words[word].us;
    if (!(fabs(v) < us_max))
        return ERR_RANGE;
    /* Days are counted on the calendar, so that summer time moves no one to another day. */
    double days = floor(v / 86400e6);
    double day = origin_day + days;

    if (day < EPOCH_DAYS_MIN || day > EPOCH_DAYS_MAX)
        return ERR_RANGE;
    *ret_us = civil_day_start(t->zone, (int32_t)day) + llround(v - days * 86400e6);
    return ERR_OK;
}

enum err timeform_parse(const struct timeform *t, struct str text, int32_t origin_day,
                        int64_t *ret_us, bool *ret_clock)
{
    enum err e = ERR_SYNTAX;

    for (int32_t i = 0; i < t->count; i++) {
        struct parts p = {0};
        int w = word_of(t->forms[i]);
        enum err e2;

        if (w >= 0)
            e2 = from_word(t, w, text, origin_day, ret_us);
        else
            e2 = match(t->forms[i], text, &p) ? from_parts(t, &p, ret_us) : ERR_SYNTAX;
        if (e2 == ERR_OK) {
            *ret_clock = w < 0 ? p.have_hour : words[w].us < 86400e6;
            return ERR_OK;
        }
        e = e2 == ERR_RANGE ? ERR_RANGE : e;
    }
    return e;
}
