/* Of an iCalendar text what matters here, and nothing that libical could choke on. */
#include "base/buf.h"
#include "calendar/ical.h"

#include <stdio.h>

enum kind { NONE, VCALENDAR, VEVENT, VFREEBUSY, VTIMEZONE, STANDARD, DAYLIGHT, OTHER, KINDS };
static const char *const kind_names[KINDS] = {
    [VCALENDAR] = "VCALENDAR", [VEVENT] = "VEVENT",     [VFREEBUSY] = "VFREEBUSY",
    [VTIMEZONE] = "VTIMEZONE", [STANDARD] = "STANDARD", [DAYLIGHT] = "DAYLIGHT",
};
static const enum kind parents[KINDS] = {
    [VEVENT] = VCALENDAR,   [VFREEBUSY] = VCALENDAR, [VTIMEZONE] = VCALENDAR,
    [STANDARD] = VTIMEZONE, [DAYLIGHT] = VTIMEZONE,
};

#define IN(kind) (1u << (kind))
static const struct {
    const char *name;
    uint32_t in;
} wanted[] = {
    {"UID", IN(VEVENT)},
    {"DTSTART", IN(VEVENT) | IN(STANDARD) | IN(DAYLIGHT)},
    {"DTEND", IN(VEVENT)},
    {"DURATION", IN(VEVENT)},
    {"RRULE", IN(VEVENT) | IN(STANDARD) | IN(DAYLIGHT)},
    {"RDATE", IN(VEVENT) | IN(STANDARD) | IN(DAYLIGHT)},
    {"EXDATE", IN(VEVENT)},
    {"RECURRENCE-ID", IN(VEVENT)},
    {"STATUS", IN(VEVENT)},
    {"TRANSP", IN(VEVENT)},
    {"SUMMARY", IN(VEVENT)},
    {"X-MICROSOFT-CDO-BUSYSTATUS", IN(VEVENT)},
    {"FREEBUSY", IN(VFREEBUSY)},
    {"TZID", IN(VTIMEZONE)},
    {"X-LIC-LOCATION", IN(VTIMEZONE)},
    {"TZOFFSETFROM", IN(STANDARD) | IN(DAYLIGHT)},
    {"TZOFFSETTO", IN(STANDARD) | IN(DAYLIGHT)},
    {"X-WR-TIMEZONE", IN(VCALENDAR)},
};

struct reduction {
    struct buf *out, line;
    enum kind stack[ICAL_DEPTH_MAX];
    int32_t depth, calendars, components, lines, rules;
    int64_t values, number; /* where the line began, for messages */
    char *reason;
};

static enum err refuse(struct reduction *r, enum err e, const char *why)
{
    snprintf(r->reason, 160, "line %lld: %s", (long long)r->number, why);
    return e;
}

static enum err begin(struct reduction *r, struct str name)
{
    enum kind up = r->depth ? r->stack[r->depth - 1] : NONE, kind = OTHER;

    for (int k = VCALENDAR; k < OTHER; k++)
        if (str_eq_nocase(name, str_from(kind_names[k])) && parents[k] == up)
            kind = (enum kind)k;
    if (r->depth == ICAL_DEPTH_MAX)
        return refuse(r, ERR_RANGE, "components are nested too deeply");
    if (r->depth == 0 && kind != VCALENDAR)
        return refuse(r, ERR_SYNTAX, "a calendar begins with BEGIN:VCALENDAR");
    r->stack[r->depth++] = kind;
    r->calendars += kind == VCALENDAR;
    if (kind == OTHER)
        return ERR_OK;
    if (++r->components > ICAL_COMPONENTS_MAX)
        return refuse(r, ERR_RANGE, "there are too many events");
    buf_printf(r->out, "BEGIN:%s\r\n", kind_names[kind]);
    return ERR_OK;
}

static enum err end(struct reduction *r, struct str name)
{
    if (r->depth == 0)
        return refuse(r, ERR_SYNTAX, "END without BEGIN");
    enum kind kind = r->stack[--r->depth];
    if (kind == OTHER)
        return ERR_OK;
    if (!str_eq_nocase(name, str_from(kind_names[kind])))
        return refuse(r, ERR_SYNTAX, "END does not match its BEGIN");
    buf_printf(r->out, "END:%s\r\n", kind_names[kind]);
    return ERR_OK;
}

static bool is_wanted(enum kind in, struct str name)
{
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if ((wanted[i].in & IN(in)) && str_eq_nocase(name, str_from(wanted[i].name)))
            return true;
    return false;
}

/* libical makes a property of each value in a list, with all parameters. */
static int64_t values_of(struct str line)
{
    int64_t parameters = 1, values = 1;

    for (size_t i = 0; i < line.n; i++) {
        parameters += line.p[i] == ';';
        values += line.p[i] == ',';
    }
    return parameters * values;
}

static enum err property(struct reduction *r, struct str line, struct str name)
{
    if (r->depth == 0)
        return refuse(r, ERR_SYNTAX, "this is no iCalendar: BEGIN:VCALENDAR is missing");
    if (!is_wanted(r->stack[r->depth - 1], name))
        return ERR_OK;
    if (r->line.failed)
        return refuse(r, ERR_RANGE, "the line is too long");
    r->rules += str_eq_nocase(name, STR("RRULE"));
    r->values += str_eq_nocase(name, STR("SUMMARY")) ? 1 : values_of(line);
    if (++r->lines > ICAL_LINES_MAX || r->rules > ICAL_RULES_MAX || r->values > ICAL_VALUES_MAX)
        return refuse(r, ERR_RANGE, "there are too many properties, rules or values");
    buf_str(r->out, line);
    buf_str(r->out, STR("\r\n"));
    return ERR_OK;
}

/* r->line holds a whole line, unfolded. */
static enum err take(struct reduction *r)
{
    struct str line = buf_view(&r->line), name = line;

    name.n = 0;
    while (name.n < line.n && line.p[name.n] != ':' && line.p[name.n] != ';')
        name.n++;
    if (str_trim(line).n == 0)
        return ERR_OK;
    if (name.n == line.n || name.n == 0)
        return r->depth && r->stack[r->depth - 1] == OTHER
                   ? ERR_OK
                   : refuse(r, ERR_SYNTAX, "a property needs a name and a value");
    struct str value = str_trim((struct str){line.p + name.n + 1, line.n - name.n - 1});
    if (str_eq_nocase(name, STR("BEGIN")))
        return begin(r, value);
    if (str_eq_nocase(name, STR("END")))
        return end(r, value);
    return property(r, line, name);
}

static enum err reduce(struct reduction *r, struct str text)
{
    enum err e = ERR_OK;
    int64_t number = 0;

    while (e == ERR_OK && text.p) {
        struct str line = str_cut(&text, '\n');
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        number++;
        if (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) {
            buf_put(&r->line, line.p + 1, line.n - 1);
            continue;
        }
        e = take(r);
        buf_clear(&r->line);
        buf_str(&r->line, line);
        r->number = number;
    }
    return e == ERR_OK ? take(r) : e;
}

enum err ical_reduce(struct str text, struct buf *out, char reason[160])
{
    struct reduction r = {.out = out, .reason = reason};

    reason[0] = '\0';
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text.p += 3, text.n -= 3;
    if (text.n > 0 && memchr(text.p, 0, text.n))
        return refuse(&r, ERR_SYNTAX, "there is a NUL byte");
    buf_init(&r.line, ICAL_LINE_MAX);
    enum err e = reduce(&r, text);
    buf_fini(&r.line);
    if (e == ERR_OK && (r.depth > 0 || r.calendars == 0))
        e = refuse(&r, ERR_SYNTAX,
                   r.depth ? "the calendar does not end" : "there is no calendar in it");
    if (e == ERR_OK && out->failed)
        e = ERR_NOMEM;
    return e;
}
