/* Google Calendar: OAuth 2 with PKCE, and the events of the primary calendar.
 *
 * Events are asked for as single ones: Google expands what recurs. The first time, and whenever the
 * window has moved on, all are read page by page; in between the sync token gives what changed. */
#include "base/assert.h"
#include "calendar/sync.h"
#include "json/field.h"
#include "json/reader.h"

#include <stdio.h>

enum { PAGES_MAX = 40, PAGE_EVENTS = 250, CHANGES_MAX = 2000, TOKEN_SPARE_S = 60 };

#define SCOPES                                           \
    "https://www.googleapis.com/auth/calendar.readonly " \
    "https://www.googleapis.com/auth/calendar.events"

/* ---- consent ---- */

static void parameter(struct buf *out, const char *name, struct str value)
{
    char last = out->n ? out->p[out->n - 1] : '\0';

    if (out->n && last != '?' && last != '&')
        buf_putc(out, '&');
    buf_printf(out, "%s=", name);
    sync_escape(out, value);
}

static struct str redirect_uri(const struct calendar_setup *setup, struct arena *arena)
{
    return arena_printf(arena, STR_FMT "/api/calendar/callback", STR_ARG(setup->public_url));
}

enum err google_authorize(const struct calendar_setup *setup, struct str state,
                          struct str challenge, struct arena *arena, struct str *ret)
{
    struct str back = redirect_uri(setup, arena);
    struct buf b;

    if (!back.p)
        return ERR_NOMEM;
    buf_init(&b, 16384);
    buf_str(&b, setup->google.auth_url);
    buf_putc(&b, memchr(setup->google.auth_url.p, '?', setup->google.auth_url.n) ? '&' : '?');
    parameter(&b, "response_type", STR("code"));
    parameter(&b, "client_id", setup->google.client_id);
    parameter(&b, "redirect_uri", back);
    parameter(&b, "scope", STR(SCOPES));
    parameter(&b, "access_type", STR("offline"));
    parameter(&b, "prompt", STR("consent"));
    parameter(&b, "state", state);
    parameter(&b, "code_challenge", challenge);
    parameter(&b, "code_challenge_method", STR("S256"));
    *ret = b.failed ? (struct str){NULL, 0} : arena_str(arena, buf_view(&b));
    buf_fini(&b);
    return ret->p ? ERR_OK : ERR_NOMEM;
}

/* ---- tokens ---- */

struct token {
    struct str access, refresh, error;
    int64_t expires_in;
};
static const struct field token_fields[] = {
    FIELD(F_STR, struct token, access, "access_token", .max = 4096),
    FIELD(F_STR, struct token, refresh, "refresh_token", .max = 4096),
    FIELD(F_STR, struct token, error, "error", .max = 200),
    FIELD(F_I64, struct token, expires_in, "expires_in", .min = 0, .max = 1e9),
    FIELD_END,
};

/* What cannot be read is a fault. */
static enum err read_json(struct sync *s, struct str text, const struct field *fields, void *out)
{
    struct field_error error = {.path = ""};
    struct json_reader r;

    json_reader_init(&r, text, s->arena, 16);
    enum err e = fields_read_json(fields, &r, s->arena, out, NULL, &error);
    if (e == ERR_OK)
        e = json_end(&r);
    if (e == ERR_SYNTAX || e == ERR_RANGE)
        return sync_fault(s, ERR_UPSTREAM, "CALENDAR_FORMAT",
                          "The provider's answer cannot be read: %s %s.", error.path,
                          error.reason[0] ? error.reason : "is not JSON");
    return e;
}

/* The form is wiped: it holds the client's secret. */
static enum err token_ask(struct sync *s, struct buf *form)
{
    struct fetch_request rq = {
        .method = "POST",
        .url = s->setup->google.token_url,
        .headers = {"Content-Type: application/x-www-form-urlencoded", "Accept: application/json"}};
    struct token token = {.expires_in = 0};
    struct fetch_reply reply = {.status = 0};

    parameter(form, "client_id", s->setup->google.client_id);
    parameter(form, "client_secret", s->setup->google.client_secret);
    rq.body = buf_view(form);
    enum err e = form->failed ? ERR_NOMEM : sync_fetch(s, &rq, &reply);
    if (form->p)
        explicit_bzero(form->p, form->cap);
    buf_fini(form);
    if (e == ERR_OK && reply.status >= 500)
        return sync_status_fault(s, reply.status);
    if (e == ERR_OK)
        e = read_json(s, reply.body, token_fields, &token);
    if (e != ERR_OK)
        return e;
    if (reply.status != 200 || !token.access.n)
        return sync_fault(s, ERR_CONFLICT, "CALENDAR_LOGIN",
                          "The provider gives no access (%.*s); connect the calendar anew.",
                          (int)(token.error.n < 60 ? token.error.n : 60),
                          token.error.p ? token.error.p : "");
    s->secret.access = token.access;
    s->secret.expires = s->now_us + token.expires_in * US_PER_S;
    if (token.refresh.n)
        s->secret.refresh = token.refresh;
    s->secret_changed = true;
    return ERR_OK;
}

enum err google_exchange(struct sync *s, struct str code, struct str verifier)
{
    struct str back = redirect_uri(s->setup, s->arena);
    struct buf form;

    if (!back.p)
        return ERR_NOMEM;
    buf_init(&form, 32768);
    parameter(&form, "grant_type", STR("authorization_code"));
    parameter(&form, "code", code);
    parameter(&form, "code_verifier", verifier);
    parameter(&form, "redirect_uri", back);
    return token_ask(s, &form);
}

static enum err token_refresh(struct sync *s)
{
    struct buf form;

    if (!s->secret.refresh.n)
        return sync_fault(s, ERR_CONFLICT, "CALENDAR_LOGIN",
                          "The access has expired; connect the calendar anew.");
    buf_init(&form, 32768);
    parameter(&form, "grant_type", STR("refresh_token"));
    parameter(&form, "refresh_token", s->secret.refresh);
    return token_ask(s, &form);
}

void google_revoke(struct sync *s)
{
    struct fetch_request rq = {.method = "POST",
                               .url = s->setup->google.revoke_url,
                               .headers = {"Content-Type: application/x-www-form-urlencoded"}};
    struct fetch_reply reply;
    struct buf form;

    buf_init(&form, 16384);
    parameter(&form, "token", s->secret.refresh.n ? s->secret.refresh : s->secret.access);
    rq.body = buf_view(&form);
    enum err e = form.failed ? ERR_NOMEM : sync_fetch(s, &rq, &reply);
    (void)e; /* what is forgotten here cannot be used from here, whatever the provider says */
    buf_fini(&form);
    fetch_free(s->fetch);
    s->fetch = NULL;
}

/* ---- events ---- */

struct moment {
    struct str date, time;
};
static const struct field moment_fields[] = {
    FIELD(F_STR, struct moment, date, "date", .flags = FIELD_NULLABLE),
    FIELD(F_STR, struct moment, time, "dateTime", .flags = FIELD_NULLABLE),
    FIELD_END,
};
struct attendee {
    bool self;
    struct str response;
};
static const struct field attendee_fields[] = {
    FIELD(F_BOOL, struct attendee, self, "self"),
    FIELD(F_STR, struct attendee, response, "responseStatus"),
    FIELD_END,
};
struct item {
    struct str id, uid, status, summary, transparency;
    struct moment start, end;
    struct list attendees;
};
static const struct field item_fields[] = {
    FIELD(F_STR, struct item, id, "id", .min = 1, .max = 2048, .flags = FIELD_REQUIRED),
    FIELD(F_STR, struct item, uid, "iCalUID", .flags = FIELD_NULLABLE),
    FIELD(F_STR, struct item, status, "status", .flags = FIELD_NULLABLE),
    FIELD(F_STR, struct item, summary, "summary", .flags = FIELD_NULLABLE),
    FIELD(F_STR, struct item, transparency, "transparency", .flags = FIELD_NULLABLE),
    FIELD(F_OBJECT, struct item, start, "start", .sub = moment_fields,
          .size = sizeof(struct moment)),
    FIELD(F_OBJECT, struct item, end, "end", .sub = moment_fields, .size = sizeof(struct moment)),
    FIELD(F_LIST, struct item, attendees, "attendees", .sub = attendee_fields,
          .size = sizeof(struct attendee)),
    FIELD_END,
};
struct page {
    struct list items;
    struct str summary, zone, next, sync_token;
};
static const struct field page_fields[] = {
    FIELD(F_LIST, struct page, items, "items", .max = 2 * PAGE_EVENTS, .sub = item_fields,
          .size = sizeof(struct item)),
    FIELD(F_STR, struct page, summary, "summary", .flags = FIELD_NULLABLE),
    FIELD(F_STR, struct page, zone, "timeZone", .flags = FIELD_NULLABLE),
    FIELD(F_STR, struct page, next, "nextPageToken", .flags = FIELD_NULLABLE),
    FIELD(F_STR, struct page, sync_token, "nextSyncToken", .flags = FIELD_NULLABLE),
    FIELD_END,
};

/* Nothing more than this is asked for. */
#define PAGE_FIELDS                                                                              \
    "summary,timeZone,nextPageToken,nextSyncToken,items(id,iCalUID,status,summary,transparency," \
    "start,end,attendees(self,responseStatus))"

static bool declined(const struct item *it)
{
    const struct attendee *a = it->attendees.p;

    for (int32_t i = 0; i < it->attendees.n; i++)
        if (a[i].self && str_eq(a[i].response, STR("declined")))
            return true;
    return false;
}

static bool moment_read(const struct moment *m, const struct zone *zone, int64_t *ret)
{
    int32_t day;

    if (m->time.p)
        return time_parse(m->time, ret) == ERR_OK;
    if (!m->date.p || date_parse(m->date, &day) != ERR_OK)
        return false;
    *ret = civil_day_start(zone, day);
    return true;
}

/* Whole days are the learner's own, wherever the calendar thinks it is. */
static enum err take_item(struct sync *s, struct ical_reader *r, const struct item *it)
{
    struct busy_time b = {.all_day = !it->start.time.p,
                          .tentative = str_eq(it->status, STR("tentative")),
                          .event = ical_event_id(s->arena, it->id),
                          .title = ical_title(s->arena, it->summary)};

    if (!b.event.p || !b.title.p)
        return ERR_NOMEM;
    if (s->partial)
        s->gone[s->gone_count++] = b.event;
    r->found.events++;
    if (str_eq(it->status, STR("cancelled")) || str_eq(it->transparency, STR("transparent")) ||
        str_ends(it->uid, STR(ICAL_OUR_UID)) || declined(it))
        return ERR_OK;
    if (!moment_read(&it->start, s->zone, &b.start) || !moment_read(&it->end, s->zone, &b.end)) {
        r->found.skipped++;
        return ERR_OK;
    }
    ical_add_time(r, &b);
    return ERR_OK;
}

static struct str page_url(const struct sync *s, const struct ical_window *w, struct str next)
{
    char text[TIME_TEXT_MAX];
    struct str url = {NULL, 0};
    struct buf b;

    buf_init(&b, FETCH_URL_MAX);
    buf_str(&b, s->setup->google.api_url);
    buf_str(&b, STR("/calendars/primary/events?"));
    parameter(&b, "singleEvents", STR("true"));
    parameter(&b, "maxResults", STR("250"));
    parameter(&b, "fields", STR(PAGE_FIELDS));
    if (s->partial) {
        parameter(&b, "syncToken", s->marker);
    } else {
        time_print(w->from, text);
        parameter(&b, "timeMin", str_from(text));
        time_print(w->to, text);
        parameter(&b, "timeMax", str_from(text));
    }
    if (next.n)
        parameter(&b, "pageToken", next);
    if (!b.failed)
        url = arena_str(s->arena, buf_view(&b));
    buf_fini(&b);
    return url;
}

/* An access token that was taken back before its time is exchanged once. */
static enum err page_get(struct sync *s, struct str url, struct fetch_reply *ret)
{
    for (int attempt = 0;; attempt++) {
        struct fetch_request rq = {.method = "GET",
                                   .url = url,
                                   .bearer = s->secret.access,
                                   .headers = {"Accept: application/json"}};
        enum err e = sync_fetch(s, &rq, ret);
        if (e != ERR_OK || ret->status != 401 || attempt > 0)
            return e;
        e = token_refresh(s);
        if (e != ERR_OK)
            return e;
    }
}

/* ERR_NOT_FOUND: the sync token is too old, or there is too much that is new; read all. */
static enum err read_pages(struct sync *s)
{
    const struct ical_window w = sync_window(s);
    struct str next = {NULL, 0};
    struct ical_reader r;

    ical_begin(&r, &w, s->arena);
    s->gone_count = 0;
    for (int pages = 0; pages < PAGES_MAX; pages++) {
        struct page page = {.zone = {NULL, 0}};
        struct fetch_reply reply;
        struct str url = page_url(s, &w, next);
        enum err e = url.p ? page_get(s, url, &reply) : ERR_NOMEM;
        if (e != ERR_OK)
            return e;
        if (reply.status == 410 && s->partial)
            return ERR_NOT_FOUND;
        if (reply.status != 200)
            return sync_status_fault(s, reply.status);
        e = read_json(s, reply.body, page_fields, &page);
        if (e == ERR_OK && s->partial && s->gone_count + page.items.n > CHANGES_MAX)
            return ERR_NOT_FOUND;
        for (int32_t i = 0; i < page.items.n && e == ERR_OK; i++)
            e = take_item(s, &r, (const struct item *)page.items.p + i);
        if (e != ERR_OK)
            return e;
        if (page.summary.n)
            s->name = ical_title(s->arena, page.summary);
        s->marker_now = page.sync_token.n ? page.sync_token : (struct str){NULL, 0};
        next = page.next;
        if (!next.n)
            break;
    }
    r.found.cut |= next.n > 0;
    ical_end(&r, &s->busy);
    s->covers_now = s->partial ? s->covers_until : w.to;
    return ERR_OK;
}

enum err google_sync(struct sync *s)
{
    enum err e = ERR_OK;

    s->name = STR("primary");
    if (s->secret.expires == TIME_NONE || s->secret.expires < s->now_us + TOKEN_SPARE_S * US_PER_S)
        e = token_refresh(s);
    s->partial = s->marker.n > 0 && sync_covered(s);
    s->gone = s->partial ? arena_new(s->arena, struct str, CHANGES_MAX) : NULL;
    if (e == ERR_OK && s->partial && !s->gone)
        e = ERR_NOMEM;
    if (e == ERR_OK)
        e = read_pages(s);
    if (e == ERR_NOT_FOUND && s->partial) {
        s->partial = false;
        e = read_pages(s);
    }
    s->unchanged = e == ERR_OK && s->partial && s->gone_count == 0;
    return e;
}
