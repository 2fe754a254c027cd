/* ical - when somebody is busy, from iCalendar text (RFC 5545), by libical.
 *
 * Recurrence (RRULE, RDATE, EXDATE, RECURRENCE-ID with and without THISANDFUTURE), zones (IANA
 * names by the system's own rules, other VTIMEZONEs by what they say), floating times in the
 * learner's zone, whole days, VFREEBUSY. Cancelled and transparent events are not busy times, and
 * neither are our own planned sessions that come back from a calendar into which they were written.
 *
 * The text is hostile. Before libical sees it, it is unfolded and reduced to the properties that
 * matter, and refused when it is too large, too deep or too many-valued. Rules that repeat more
 * often than daily, or that can never be true, are passed over (`skipped`); a VTIMEZONE whose clock
 * changes too often is not followed (its times are floating). What is left has a budget of steps
 * and of processor time, because libical searches centuries for a rule that never matches; when it
 * is used up, what has been found so far is the result, and `cut` says so. */
#pragma once
#include "base/arena.h"
#include "base/civil.h"

enum {
    ICAL_DEPTH_MAX = 8,
    ICAL_LINES_MAX = 200000,     /* that matter */
    ICAL_LINE_MAX = 64 * 1024,   /* unfolded */
    ICAL_COMPONENTS_MAX = 12000, /* events, free-busy, zones and their parts */
    ICAL_RULES_MAX = 12000,
    ICAL_VALUES_MAX = 400000, /* values times parameters */
    ICAL_STEPS_MAX = 400000,  /* occurrences looked at */
    ICAL_CPU_US = 1000000,    /* for one result; a single rule may add a second */
    ICAL_FOUND_MAX = 20000,
    BUSY_MAX = 5000, /* kept of one calendar: the earliest */
    BUSY_EVENT_MAX = 200,
    BUSY_TITLE_MAX = 200, /* bytes */
};

struct busy_time {
    int64_t start, end; /* start < end */
    struct str event;   /* the event's id, the same for all its occurrences */
    struct str title;   /* "" when it has none */
    bool all_day, tentative;
};

struct busy_list {
    struct busy_time *items; /* by start, then event; each pair once */
    int32_t count;
    int32_t events;  /* events that were read */
    int32_t skipped; /* events or rules that could not be understood, or were refused */
    bool cut;        /* there is more */
};

struct ical_window {
    int64_t from, to;        /* only what overlaps it */
    const struct zone *zone; /* of times that name none */
};

struct ical_reader {
    struct arena *arena;
    struct ical_window window;
    struct busy_list found; /* unsorted */
    int32_t room, steps;
    int64_t cpu_end_us;
    char reason[160]; /* of ERR_SYNTAX and ERR_RANGE */
};

/* One result may come from several texts (a CalDAV server sends one for each event). */
void ical_begin(struct ical_reader *r, const struct ical_window *window, struct arena *arena);
/* ERR_SYNTAX: not iCalendar. ERR_RANGE: beyond a limit. ERR_NOMEM. Nothing is added then. */
MUST_CHECK enum err ical_add(struct ical_reader *r, struct str text);
/* Something busy that was not in iCalendar. False: there is no room or no memory. */
bool ical_add_time(struct ical_reader *r, const struct busy_time *t);
/* Cleans a title or an event's id: valid UTF-8 in one line of at most so many bytes; an id that
 * would have to be changed becomes its hash. In the arena; p == NULL: no memory. */
struct str ical_title(struct arena *arena, struct str s);
struct str ical_event_id(struct arena *arena, struct str s);
void ical_end(struct ical_reader *r, struct busy_list *ret);

/* ends every UID of ours */
#define ICAL_OUR_UID "@sessions.doppel"

/* Inside: the reduced text, unfolded, into `out`. */
struct buf;
MUST_CHECK enum err ical_reduce(struct str text, struct buf *out, char reason[160]);
