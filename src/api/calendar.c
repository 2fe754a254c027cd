/* The calendar family: what is connected, syncing it, taking it away, and the feed of planned
 * sessions. Connecting is in calendar_connect.c, the rows in calendar_work.c. */
#include "api/calendar.h"

#include "api/learner.h"
#include "base/assert.h"
#include "base/clock.h"
#include "calendar/feed.h"

#include <stdio.h>

/* ---- calendar/status ---- */

struct status_calendar {
    struct str provider, name, failure;
    int64_t connected_at, synced_at, tried_at, covers_until, busy;
    bool cut, push;
};
static const struct field status_calendar_fields[] = {
    FIELD(F_STR, struct status_calendar, provider, "provider",
          .doc = "GOOGLE, CALDAV, ICAL or UPLOAD"),
    FIELD(F_STR, struct status_calendar, name, "calendarId", .doc = "its name"),
    FIELD(F_TIME, struct status_calendar, connected_at, "connectedAt", .doc = "since when"),
    FIELD(F_TIME, struct status_calendar, synced_at, "lastSyncAt", .flags = FIELD_NULLABLE,
          .doc = "last sync that succeeded"),
    FIELD(F_TIME, struct status_calendar, tried_at, "lastAttemptAt", .flags = FIELD_NULLABLE,
          .doc = "last sync"),
    FIELD(F_STR, struct status_calendar, failure, "failure", .flags = FIELD_NULLABLE,
          .doc = "machine code of why the last sync failed; null if it did not"),
    FIELD(F_TIME, struct status_calendar, covers_until, "coversUntil", .flags = FIELD_NULLABLE,
          .doc = "busy times are known up to here"),
    FIELD(F_I64, struct status_calendar, busy, "busyTimes", .doc = "busy times that are kept"),
    FIELD(F_BOOL, struct status_calendar, cut, "truncated",
          .doc = "there are more than are kept; the earliest are"),
    FIELD(F_BOOL, struct status_calendar, push, "pushSessions",
          .doc = "are planned sessions written into it?"),
    FIELD_END,
};
struct status_feed {
    bool active;
    int64_t created_at;
};
static const struct field status_feed_fields[] = {
    FIELD(F_BOOL, struct status_feed, active, "active",
          .doc = "is there an address to subscribe to?"),
    FIELD(F_TIME, struct status_feed, created_at, "createdAt", .flags = FIELD_NULLABLE,
          .doc = "when it was made"),
    FIELD_END,
};
struct status_reply {
    bool connected;
    struct str message, provider, name;
    int64_t synced_at;
    struct list calendars;
    struct status_feed feed;
};
static const struct field status_reply[] = {
    FIELD(F_BOOL, struct status_reply, connected, "connected", .doc = "is there any calendar?"),
    FIELD(F_STR, struct status_reply, message, "message", .doc = "the same in words"),
    FIELD(F_STR, struct status_reply, provider, "provider", .flags = FIELD_NULLABLE,
          .doc = "of the calendar that was synced last"),
    FIELD(F_STR, struct status_reply, name, "calendarId", .flags = FIELD_NULLABLE,
          .doc = "its name"),
    FIELD(F_TIME, struct status_reply, synced_at, "lastSyncAt", .flags = FIELD_NULLABLE,
          .doc = "its last sync that succeeded"),
    FIELD(F_LIST, struct status_reply, calendars, "calendars", .sub = status_calendar_fields,
          .size = sizeof(struct status_calendar), .doc = "all of them"),
    FIELD(F_OBJECT, struct status_reply, feed, "feed", .sub = status_feed_fields,
          .size = sizeof(struct status_feed), .doc = "the feed of planned sessions"),
    FIELD_END,
};

static int64_t busy_of(const struct rows *counts, enum provider provider)
{
    for (int32_t i = 0; i < counts->count; i++)
        if (provider_of(value_str(&row_at(counts, i)[0])) == provider)
            return value_i64(&row_at(counts, i)[1], 0);
    return 0;
}

static void status_fill(struct status_reply *r, const struct calendar_work *w,
                        struct status_calendar *out, const struct rows *counts)
{
    for (int32_t i = 0; i < w->count; i++) {
        const struct calendar_row *row = &w->turns[i].row;
        out[i] = (struct status_calendar){.provider = str_from(provider_names[row->provider]),
                                          .name = row->name,
                                          .failure = row->failure,
                                          .connected_at = row->connected_at,
                                          .synced_at = row->synced_at,
                                          .tried_at = row->tried_at,
                                          .covers_until = row->covers_until,
                                          .busy = busy_of(counts, row->provider),
                                          .cut = row->cut,
                                          .push = row->push};
        if (i == 0 || row->synced_at > r->synced_at) {
            r->provider = out[i].provider;
            r->name = row->name;
            r->synced_at = row->synced_at;
        }
    }
    r->calendars = (struct list){out, w->count};
    r->connected = w->count > 0;
    r->message = w->count > 0 ? STR("Busy times are taken from the calendar.")
                              : STR("No calendar is connected.");
}

static enum err get_status(struct api_call *c)
{
    const struct value learner = V_S(c->learner);
    struct query more[] = {
        {.stmt = STMT_BUSY_COUNTS, .args = &learner, .arg_count = 1, .rows_max = PROVIDERS},
        {.stmt = STMT_CALENDAR_FEED_OF, .args = &learner, .arg_count = 1, .rows_max = 1},
    };
    struct calendar_look look = {.more = more, .more_count = COUNT(more)};
    struct status_reply *r = arena_new(c->arena, struct status_reply, 1);
    struct status_calendar *out = arena_new(c->arena, struct status_calendar, PROVIDERS);
    struct calendar_work w;

    if (!r || !out)
        return ERR_NOMEM;
    enum err e = calendar_read(c, &look, &w);
    if (e != ERR_OK)
        return e;
    r->synced_at = r->feed.created_at = TIME_NONE;
    status_fill(r, &w, out, &more[0].rows);
    r->feed.active = more[1].rows.count > 0;
    if (r->feed.active)
        r->feed.created_at = value_i64(row_at(&more[1].rows, 0), TIME_NONE);
    c->reply = r;
    return ERR_OK;
}

/* ---- calendar/sync ---- */

struct sync_body {
    struct str user_id, ical;
    int64_t days;
    struct list busy;
    struct {
        bool busy;
    } given;
    struct calendar_work work;
};
static const struct field sync_body[] = {
    FIELD_USER_ID(struct sync_body),
    FIELD(F_I64, struct sync_body, days, "daysAhead", .min = 1, .max = 30, .def = "7",
          .doc = "how far events are counted and conflicts looked for"),
    FIELD(F_STR, struct sync_body, ical, "ical", .min = 1, .max = 8 << 20,
          .doc = "an iCalendar text (RFC 5545) that takes the place of what was uploaded before; "
                 "connected calendars are not asked then"),
    FIELD(F_LIST, struct sync_body, busy, "busy", .max = BUSY_MAX, .sub = calendar_interval_fields,
          .size = sizeof(struct calendar_interval),
          .seen = 1 + (uint32_t)offsetof(struct sync_body, given.busy),
          .doc = "busy times instead of `ical`"),
    FIELD_END,
};

static const char *const overlap_names[] = {"FULL_OVERLAP", "PARTIAL_OVERLAP", NULL};

struct sync_conflict {
    struct str event, title, provider, plan;
    int64_t start, end, planned_start, planned_end, recommended;
    int32_t overlap;
};
static const struct field conflict_fields[] = {
    FIELD(F_STR, struct sync_conflict, event, "calendarEventId", .doc = "the event's id there"),
    FIELD(F_STR, struct sync_conflict, title, "eventSummary", .doc = "its title"),
    FIELD(F_TIME, struct sync_conflict, start, "eventStart", .doc = "its first instant"),
    FIELD(F_TIME, struct sync_conflict, end, "eventEnd", .doc = "the first instant after it"),
    FIELD(F_STR, struct sync_conflict, provider, "provider", .doc = "which calendar"),
    FIELD(F_ENUM, struct sync_conflict, overlap, "conflictType", .names = overlap_names,
          .doc = "does it cover the planned session?"),
    FIELD(F_STR, struct sync_conflict, plan, "planId", .doc = "the planned session"),
    FIELD(F_TIME, struct sync_conflict, planned_start, "plannedStart", .doc = "its start"),
    FIELD(F_TIME, struct sync_conflict, planned_end, "plannedEnd", .doc = "its end"),
    FIELD(F_TIME, struct sync_conflict, recommended, "recommendedTimeStart",
          .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc =
              "the next start on the same day when as much time is free; absent if there is none"),
    FIELD_END,
};
struct sync_result {
    struct str provider, code, message;
    bool ok, unchanged, cut;
    int64_t busy, skipped, pushed;
};
static const struct field result_fields[] = {
    FIELD(F_STR, struct sync_result, provider, "provider", .doc = "which calendar"),
    FIELD(F_BOOL, struct sync_result, ok, "ok", .doc = "did it succeed?"),
    FIELD(F_STR, struct sync_result, code, "code", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "machine code of the failure"),
    FIELD(F_STR, struct sync_result, message, "message", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "the failure in words"),
    FIELD(F_BOOL, struct sync_result, unchanged, "unchanged",
          .doc = "nothing had changed since the last sync"),
    FIELD(F_I64, struct sync_result, busy, "busyTimes", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "busy times that were read now"),
    FIELD(F_I64, struct sync_result, skipped, "skippedEvents",
          .doc = "events or rules that could not be understood"),
    FIELD(F_I64, struct sync_result, pushed, "pushedSessions",
          .doc = "planned sessions that were written, changed or removed there"),
    FIELD(F_BOOL, struct sync_result, cut, "truncated", .doc = "there is more than is kept"),
    FIELD_END,
};
struct sync_reply {
    int64_t synced;
    struct list conflicts, results;
};
static const struct field sync_reply[] = {
    FIELD(F_I64, struct sync_reply, synced, "syncedEvents",
          .doc = "busy times of all calendars in the days ahead"),
    FIELD(F_LIST, struct sync_reply, conflicts, "conflicts", .sub = conflict_fields,
          .size = sizeof(struct sync_conflict),
          .doc = "planned sessions that busy times overlap (tentative ones do not count)"),
    FIELD(F_LIST, struct sync_reply, results, "calendars", .sub = result_fields,
          .size = sizeof(struct sync_result), .doc = "what came of each calendar"),
    FIELD_END,
};

static enum err results_fill(struct api_call *c, const struct calendar_work *w, struct list *ret)
{
    struct sync_result *out = arena_new(c->arena, struct sync_result, (size_t)w->count + 1);
    int32_t n = 0;

    if (!out)
        return ERR_NOMEM;
    for (int32_t i = 0; i < w->count; i++) {
        const struct calendar_turn *t = &w->turns[i];
        struct sync_result *r = &out[n++];
        *r = (struct sync_result){.provider = str_from(provider_names[t->row.provider]),
                                  .ok = t->err == ERR_OK && !t->lost,
                                  .unchanged = t->sync.unchanged,
                                  .cut = t->sync.busy.cut,
                                  .busy = t->sync.busy.count,
                                  .skipped = t->sync.busy.skipped,
                                  .pushed = t->sync.pushed_count};
        if (t->sync.unchanged || !r->ok)
            r->busy = INT64_MIN;
        if (t->err != ERR_OK) {
            r->code = str_from(t->sync.code ? t->sync.code : err_code(t->err));
            r->message = str_from(t->sync.code ? t->sync.reason : err_text(t->err));
        } else if (t->lost) {
            r->code = STR("CALENDAR_REPLACED");
            r->message = STR("The calendar was connected anew or taken away meanwhile.");
        }
    }
    *ret = (struct list){out, n};
    return ERR_OK;
}

static enum err conflicts_fill(struct api_call *c, const struct conflict *in, int32_t n,
                               struct list *ret)
{
    struct sync_conflict *out = arena_new(c->arena, struct sync_conflict, (size_t)n + 1);

    if (!out)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++)
        out[i] = (struct sync_conflict){
            .event = in[i].busy->time.event,
            .title = in[i].busy->time.title,
            .provider = str_from(provider_names[in[i].busy->provider]),
            .plan = in[i].planned->plan,
            .start = in[i].busy->time.start,
            .end = in[i].busy->time.end,
            .planned_start = in[i].planned->start,
            .planned_end = in[i].planned->end,
            .recommended = in[i].recommended,
            .overlap = in[i].full ? 0 : 1,
        };
    *ret = (struct list){out, n};
    return ERR_OK;
}

/* Reads what is kept now, of all calendars. */
static enum err synced(struct api_call *c)
{
    const struct sync_body *in = c->in;
    int64_t to = c->now_us + in->days * US_PER_DAY;
    struct sync_reply *r = arena_new(c->arena, struct sync_reply, 1);
    struct value busy_args[3], planned_args[3];
    struct conflict *conflicts;
    struct planned *planned;
    struct busy *busy;
    struct query q[2];
    int32_t busy_n, planned_n, n;

    if (!r)
        return ERR_NOMEM;
    calendar_busy_query(&q[0], busy_args, c->learner, c->now_us, to);
    calendar_planned_query(&q[1], planned_args, c->learner, c->now_us, to);
    enum err e = store_read(c->conn, c->arena, q, 2, c->deadline_us);
    if (e == ERR_OK)
        e = calendar_busy_rows(&q[0].rows, c->arena, &busy, &busy_n);
    if (e == ERR_OK)
        e = calendar_planned_rows(&q[1].rows, c->arena, &planned, &planned_n);
    if (e == ERR_OK)
        e = calendar_conflicts(planned, planned_n, busy, busy_n, in->work.zone, c->arena,
                               &conflicts, &n);
    if (e == ERR_OK)
        e = conflicts_fill(c, conflicts, n, &r->conflicts);
    if (e == ERR_OK)
        e = results_fill(c, &in->work, &r->results);
    if (e != ERR_OK)
        return e;
    r->synced = busy_n;
    c->reply = r;
    return ERR_OK;
}

/* When nothing succeeded, the first reason is the reply's. */
static enum err sync_changed(struct api_call *c)
{
    const struct sync_body *in = c->in;

    for (int32_t i = 0; i < in->work.count; i++)
        if (in->work.turns[i].err == ERR_OK)
            return synced(c);
    return calendar_refuse(c, &in->work.turns[0]);
}

static enum err sync_change(struct api_call *c, struct store_conn *conn)
{
    struct sync_body *in = c->in;
    return calendar_write(c, conn, &in->work);
}

/* What was uploaded cannot be asked again: it stays as it is, and has no turn. */
static void drop_uploads(struct calendar_work *w)
{
    int32_t n = 0;

    for (int32_t i = 0; i < w->count; i++)
        if (w->turns[i].row.provider != PROVIDER_UPLOAD)
            w->turns[n++] = w->turns[i];
    w->count = n;
}

static enum err post_sync(struct api_call *c)
{
    struct sync_body *in = c->in;
    struct calendar_work *w = &in->work;
    struct calendar_look look = {.planned = true};

    if (in->ical.p && in->given.busy)
        return api_bad_field(c, "busy", "invalid_value", "cannot be given together with ical");
    enum err e = calendar_read(c, &look, w);
    if (e != ERR_OK)
        return e;
    if (in->ical.p || in->given.busy) {
        e = calendar_upload(c, w, in->ical, &in->busy);
        return e == ERR_OK ? api_change(c, sync_change, sync_changed) : e;
    }
    bool uploaded = w->count > 0;
    drop_uploads(w);
    if (w->count == 0 && !uploaded)
        return api_refuse(c, ERR_NOT_FOUND, "CALENDAR_NOT_CONNECTED",
                          "No calendar is connected; connect one, or send ical or busy.");
    if (w->count == 0)
        return synced(c);
    int64_t deadline_us = clock_mono_us() + calendar_setup_of(c)->timeout_ms * US_PER_MS;
    for (int32_t i = 0; i < w->count; i++) {
        struct calendar_turn *t = &w->turns[i];
        t->err = calendar_prepare(c, w, t, deadline_us);
        if (t->err == ERR_OK)
            t->err = sync_run(&t->sync);
        if (t->err == ERR_NOMEM || t->err == ERR_INTERNAL)
            return t->err;
    }
    return api_change(c, sync_change, sync_changed);
}

/* ---- calendar/disconnect ---- */

static const char *const disconnect_names[] = {"GOOGLE", "CALDAV", "ICAL", "UPLOAD", "FEED", NULL};
enum { DISCONNECT_FEED = PROVIDERS, DISCONNECT_ALL = -1 };

struct disconnect_body {
    struct str user_id;
    int32_t provider;
    bool given;
    struct calendar_work work;
};
static const struct field disconnect_body[] = {
    FIELD_USER_ID(struct disconnect_body),
    FIELD(F_ENUM, struct disconnect_body, provider, "provider", .names = disconnect_names,
          .seen = 1 + (uint32_t)offsetof(struct disconnect_body, given),
          .doc = "which one; without it, all calendars, but not the feed"),
    FIELD_END,
};
struct disconnect_reply {
    struct str message;
    int64_t removed;
};
static const struct field disconnect_reply[] = {
    FIELD(F_STR, struct disconnect_reply, message, "message", .doc = "what was done"),
    FIELD(F_I64, struct disconnect_reply, removed, "removed",
          .doc = "how many calendars or feeds were taken away"),
    FIELD_END,
};

static bool disconnects(const struct disconnect_body *in, enum provider p)
{
    return !in->given || in->provider == (int32_t)p;
}

static enum err disconnect_change(struct api_call *c, struct store_conn *conn)
{
    const struct disconnect_body *in = c->in;
    struct disconnect_reply *r = c->reply;
    struct value id = V_I(in->work.learner_id);
    enum err e = ERR_OK;

    r->removed = 0;
    for (int p = 0; p < PROVIDERS && e == ERR_OK; p++) {
        const struct value which[] = {id, V_S(str_from(provider_names[p]))};
        struct bulk b[] = {
            {.stmt = STMT_CALENDAR_DROP, .rows = 1, .cols = 2, .v = which},
            {.stmt = STMT_BUSY_DROP, .rows = 1, .cols = 2, .v = which},
            {.stmt = STMT_PLANNED_UNLINK, .rows = 1, .cols = 1, .v = &id},
        };
        if (!disconnects(in, (enum provider)p))
            continue;
        e = store_write(conn, b, p == PROVIDER_CALDAV ? 3 : 2);
        r->removed += b[0].changed;
    }
    if (e == ERR_OK && in->given && in->provider == DISCONNECT_FEED) {
        struct bulk b = {.stmt = STMT_CALENDAR_FEED_DROP, .rows = 1, .cols = 1, .v = &id};
        e = store_write(conn, &b, 1);
        r->removed += b.changed;
    }
    r->message = r->removed > 0 ? STR("Disconnected; what was kept of it is erased.")
                                : STR("Nothing was connected.");
    return e;
}

/* It is forgotten here; now the provider may forget it, too. */
static enum err disconnected(struct api_call *c)
{
    struct disconnect_body *in = c->in;
    int64_t deadline_us = clock_mono_us() + calendar_setup_of(c)->timeout_ms * US_PER_MS;

    for (int32_t i = 0; i < in->work.count; i++) {
        struct calendar_turn *t = &in->work.turns[i];
        if (t->row.provider == PROVIDER_GOOGLE && disconnects(in, PROVIDER_GOOGLE) &&
            calendar_prepare(c, &in->work, t, deadline_us) == ERR_OK)
            google_revoke(&t->sync);
    }
    return ERR_OK;
}

static enum err delete_disconnect(struct api_call *c)
{
    struct disconnect_body *in = c->in;
    struct calendar_look look = {.planned = false};
    struct disconnect_reply *r = arena_new(c->arena, struct disconnect_reply, 1);
    enum err e = calendar_read(c, &look, &in->work);

    if (e != ERR_OK)
        return e;
    if (!r)
        return ERR_NOMEM;
    c->reply = r;
    return api_change(c, disconnect_change, disconnected);
}

/* ---- the feed ---- */

enum { FEED_BACK_DAYS = 30, FEED_AHEAD_DAYS = 366, FEED_TOKEN_MAX = 64 };

struct feed_in {
    struct str file;
};
static const struct field feed_params[] = {
    FIELD(F_STR, struct feed_in, file, "file", .flags = FIELD_REQUIRED | FIELD_SECRET, .min = 1,
          .max = FEED_TOKEN_MAX + 4, .doc = "the secret of the feed's address, and \".ics\""),
    FIELD_END,
};

static enum err get_feed(struct api_call *c)
{
    const struct feed_in *in = c->in;
    const struct str tail = STR(".ics");
    struct planned *planned;
    unsigned char hash[32];
    int32_t n;

    if (in->file.n <= tail.n || !str_ends(in->file, tail))
        return ERR_NOT_FOUND;
    seal_sha256((struct str){in->file.p, in->file.n - tail.n}, hash);
    const struct value args[] = {V_B(((struct str){(const char *)hash, sizeof hash})),
                                 V_I(c->now_us - FEED_BACK_DAYS * US_PER_DAY),
                                 V_I(c->now_us + FEED_AHEAD_DAYS * US_PER_DAY)};
    struct query q[] = {
        {.stmt = STMT_CALENDAR_FEED_LEARNER, .args = args, .arg_count = 1, .rows_max = 1},
        {.stmt = STMT_CALENDAR_FEED_SESSIONS,
         .args = args,
         .arg_count = 3,
         .rows_max = PLANNED_ROWS_MAX},
    };
    enum err e = store_read(c->conn, c->arena, q, COUNT(q), c->deadline_us);
    if (e != ERR_OK)
        return e;
    if (q[0].rows.count == 0)
        return ERR_NOT_FOUND;
    e = calendar_planned_rows(&q[1].rows, c->arena, &planned, &n);
    if (e == ERR_OK)
        feed_write(&c->x->body, value_str(row_at(&q[0].rows, 0)), planned, n);
    return e;
}

/* ---- the rows ---- */

#define ONE(e) (UINT64_C(1) << (e))

const struct endpoint endpoints_calendar[] = {
    {.method = HTTP_GET,
     .path = "/api/calendar/status",
     .id = "get_calendar_status",
     .tag = "calendar",
     .summary = "Which calendars are connected, and how they are",
     .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY,
     .reply = status_reply,
     .envelope = ENVELOPE_BARE,
     .run = RUN_SMALL,
     .round_trips = 1,
     .cache = {.why_none = "it tells what has just been connected"},
     .errors = ONE(ERR_NOT_FOUND),
     .handler = get_status},
    {.method = HTTP_POST,
     .path = "/api/calendar/connect",
     .id = "connect_calendar",
     .tag = "calendar",
     .summary = "Connect a calendar, or make the address of the feed",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .body = calendar_connect_body,
     .in_size = sizeof(struct calendar_connect_in),
     .reply = calendar_connect_reply,
     .envelope = ENVELOPE_BARE,
     .run = RUN_SLOW,
     .round_trips = 1,
     .body_max = 12 << 20,
     .arena_max = 96 << 20,
     .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_UNPROCESSABLE) | ONE(ERR_NOT_CONFIGURED),
     .handler = calendar_connect},
    {.method = HTTP_GET,
     .path = "/api/calendar/callback",
     .id = "calendar_callback",
     .tag = "calendar",
     .summary = "Where a provider sends the learner back to; leads on to the settings page",
     .query = calendar_callback_query,
     .in_size = sizeof(struct calendar_callback_in),
     .status = 307,
     .envelope = ENVELOPE_BARE,
     .run = RUN_SLOW,
     .round_trips = 1,
     .arena_max = 96 << 20,
     .cache = {.why_none = "it spends a state that is good once"},
     .errors = ONE(ERR_METHOD),
     .handler = calendar_callback},
    {.method = HTTP_POST,
     .path = "/api/calendar/sync",
     .id = "sync_calendar",
     .tag = "calendar",
     .summary = "Read the calendars anew, or take an upload; tell the conflicts ahead",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .body = sync_body,
     .in_size = sizeof(struct sync_body),
     .reply = sync_reply,
     .envelope = ENVELOPE_BARE,
     .run = RUN_SLOW,
     .round_trips = 2,
     .body_max = 12 << 20,
     .arena_max = 96 << 20,
     .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT) | ONE(ERR_UNPROCESSABLE) | ONE(ERR_UPSTREAM) |
               ONE(ERR_NOT_CONFIGURED),
     .handler = post_sync},
    {.method = HTTP_DELETE,
     .path = "/api/calendar/disconnect",
     .id = "disconnect_calendar",
     .tag = "calendar",
     .summary = "Take calendars away, with all that was kept of them; or revoke the feed",
     .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY,
     .body = disconnect_body,
     .body_optional = true,
     .in_size = sizeof(struct disconnect_body),
     .reply = disconnect_reply,
     .envelope = ENVELOPE_FLAT,
     .run = RUN_SLOW,
     .round_trips = 1,
     .errors = ONE(ERR_NOT_FOUND),
     .handler = delete_disconnect},
    {.method = HTTP_GET,
     .path = "/calendar/feed/{file}",
     .id = "get_calendar_feed",
     .tag = "calendar",
     .summary = "Planned sessions as iCalendar, for whoever knows the address",
     .params = feed_params,
     .in_size = sizeof(struct feed_in),
     .envelope = ENVELOPE_RAW,
     .media = "text/calendar; charset=utf-8",
     .run = RUN_SMALL,
     .round_trips = 1,
     .cache = {.fresh_s = 300, .stale_s = 600},
     .errors = ONE(ERR_NOT_FOUND),
     .handler = get_feed},
    {.path = NULL},
};
