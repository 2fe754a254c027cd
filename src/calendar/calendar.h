/* calendar - a learner's calendars: when they are busy, and what is planned for them.
 *
 * A learner may have one calendar of each provider. Busy times are read from it at each sync, kept
 * in busy_times (at most BUSY_MAX of one calendar, from yesterday to `days` ahead), and read from
 * there with one query; nothing here asks a provider while somebody waits for a plan.
 *
 *   seal.h   secrets at rest          ical.h    iCalendar to busy times
 *   fetch.h  outgoing requests        feed.h    planned sessions to iCalendar
 *   dav.h    WebDAV's XML             sync.h    what each provider does
 *
 * Planned sessions are rows of planned_sessions, written by whoever plans. They show in the feed,
 * and are written into a CalDAV calendar at its sync. A row is not deleted but CANCELLED, so that
 * calendars learn of it; changed_at goes up with each change. */
#pragma once
#include "calendar/ical.h"
#include "store/store.h"

enum provider { PROVIDER_GOOGLE, PROVIDER_CALDAV, PROVIDER_ICAL, PROVIDER_UPLOAD, PROVIDERS };
extern const char *const provider_names[PROVIDERS + 1]; /* as stored; ends in NULL */
/* PROVIDERS: no such name. */
enum provider provider_of(struct str name);

/* ---- for planners ---- */

enum { BUSY_ROWS_MAX = PROVIDERS * BUSY_MAX, PLANNED_ROWS_MAX = 2000 };

struct busy {
    struct busy_time
        time; /* soft when time.tentative; a whole local day or more when time.all_day */
    enum provider provider;
};

/* Fills a query for store_read(): what overlaps [from, to). args must live until it has run. */
void calendar_busy_query(struct query *q, struct value args[3], struct str learner, int64_t from,
                         int64_t to);
/* Its rows, by start, in the arena; text belongs to the rows. */
MUST_CHECK enum err calendar_busy_rows(const struct rows *rows, struct arena *arena,
                                       struct busy **ret, int32_t *ret_count);

struct planned {
    struct str plan, title, state; /* PLANNED, DONE, MISSED, CANCELLED */
    int64_t start, end, changed;
    struct str href, etag; /* in the CalDAV calendar; p == NULL: see planned_sessions */
    int64_t pushed;        /* changed_at of what was written there; TIME_NONE */
};

/* The same for planned sessions that begin in [from, to]. */
void calendar_planned_query(struct query *q, struct value args[3], struct str learner, int64_t from,
                            int64_t to);
MUST_CHECK enum err calendar_planned_rows(const struct rows *rows, struct arena *arena,
                                          struct planned **ret, int32_t *ret_count);

/* A planned session and a busy time that overlaps it. */
struct conflict {
    const struct planned *planned;
    const struct busy *busy;
    bool full;           /* the busy time covers the session */
    int64_t recommended; /* the next start on the same local day when as long a time is free, or
                            TIME_NONE */
};
enum { CONFLICTS_MAX = 500 };
/* Pure. Sessions in state PLANNED against busy times that are not tentative, each by start. In the
 * arena. */
MUST_CHECK enum err calendar_conflicts(const struct planned *planned, int32_t planned_count,
                                       const struct busy *busy, int32_t busy_count,
                                       const struct zone *zone, struct arena *arena,
                                       struct conflict **ret, int32_t *ret_count);
