/* CalDAV: from an address to the calendars behind it; their busy times; planned sessions put there.
 *
 * Discovery follows RFC 6764, 6: the address itself, else /.well-known/caldav, says who the user
 * is; the principal says where the calendars are. What was written is guarded by its ETag: where
 * the learner has changed or removed it, theirs stays. */
#include "calendar/dav.h"
#include "calendar/feed.h"
#include "calendar/sync.h"

#include "base/assert.h"

#include <stdio.h>

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
#define XML_NAMES                                                 \
    " xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"" \
    " xmlns:s=\"http://calendarserver.org/ns/\""

static const char propfind_body[] =
    XML_HEAD "<d:propfind" XML_NAMES "><d:prop><d:resourcetype/><d:displayname/><d:getetag/>"
             "<d:current-user-principal/><c:calendar-home-set/>"
             "<c:supported-calendar-component-set/><s:getctag/><d:sync-token/></d:prop>"
             "</d:propfind>";

struct answer {
    struct dav_response *items;
    int32_t count;
    int status;
    struct str url; /* what the hrefs are relative to */
};

/* A status other than 207 is the caller's to judge. */
static enum err ask(struct sync *s, const char *method, struct str url, const char *depth,
                    struct str body, struct answer *ret)
{
    struct fetch_request rq = {.method = method,
                               .url = url,
                               .headers = {depth, "Content-Type: application/xml; charset=utf-8"},
                               .body = body,
                               .user = s->secret.user,
                               .password = s->secret.password};
    struct fetch_reply reply;
    char reason[160];

    *ret = (struct answer){.count = 0};
    enum err e = sync_fetch(s, &rq, &reply);
    if (e != ERR_OK)
        return e;
    ret->status = reply.status;
    ret->url = reply.url;
    if (reply.status != 207)
        return ERR_OK;
    e = dav_parse(reply.body, s->arena, &ret->items, &ret->count, reason);
    if (e == ERR_SYNTAX || e == ERR_RANGE)
        return sync_fault(s, ERR_UNPROCESSABLE, "CALENDAR_FORMAT",
                          "The server's answer cannot be read: %s.", reason);
    return e;
}

static enum err propfind(struct sync *s, struct str url, const char *depth, struct answer *ret)
{
    return ask(s, "PROPFIND", url, depth, str_from(propfind_body), ret);
}

/* ---- discovery ---- */

struct found {
    struct str principal, home; /* absolute */
    bool calendar;
};

/* Logging in is what matters first; a path that is not there may still lead on. */
static enum err look(struct sync *s, struct str url, struct found *ret)
{
    struct answer a;

    *ret = (struct found){.calendar = false};
    enum err e = propfind(s, url, "Depth: 0", &a);
    if (e != ERR_OK)
        return e;
    if (a.status == 401 || a.status == 403)
        return sync_status_fault(s, a.status);
    if (a.count == 0)
        return ERR_OK;
    const struct dav_response *r = &a.items[0];
    ret->calendar = r->calendar;
    if (r->principal.n)
        ret->principal = fetch_url_join(s->arena, a.url, r->principal);
    if (r->home.n)
        ret->home = fetch_url_join(s->arena, a.url, r->home);
    if (ret->calendar)
        s->secret.url = a.url;
    return ERR_OK;
}

enum err caldav_discover(struct sync *s)
{
    struct found f, p;

    if (!fetch_url_valid(s->secret.url))
        return sync_fault(s, ERR_UNPROCESSABLE, "CALENDAR_ADDRESS",
                          "An address begins with https:// and a host.");
    enum err e = look(s, s->secret.url, &f);
    if (e == ERR_OK && f.calendar) {
        s->secret.single = true;
        return ERR_OK;
    }
    if (e == ERR_OK && !f.home.p && !f.principal.p) {
        struct str well_known = fetch_url_join(s->arena, s->secret.url, STR("/.well-known/caldav"));
        e = well_known.p ? look(s, well_known, &f) : ERR_NOMEM;
    }
    if (e == ERR_OK && !f.home.p && f.principal.p) {
        e = look(s, f.principal, &p);
        f.home = p.home;
    }
    if (e != ERR_OK)
        return e;
    if (!f.home.p)
        return sync_fault(s, ERR_UNPROCESSABLE, "CALENDAR_NONE",
                          "No CalDAV calendars are found at that address.");
    s->secret.url = f.home;
    return ERR_OK;
}

/* ---- which calendars there are ---- */

struct calendars {
    struct {
        struct str url, name;
    } items[SYNC_CALENDARS_MAX];
    int32_t count;
    struct str marker; /* changes when any of them does; p == NULL: they do not tell */
};

static enum err list_calendars(struct sync *s, struct calendars *ret)
{
    unsigned char hash[32];
    struct answer a;
    struct buf tags;
    bool told = true;

    *ret = (struct calendars){.count = 0};
    enum err e = propfind(s, s->secret.url, s->secret.single ? "Depth: 0" : "Depth: 1", &a);
    if (e != ERR_OK)
        return e;
    if (a.status != 207)
        return sync_status_fault(s, a.status);
    buf_init(&tags, 1 << 20);
    for (int32_t i = 0; i < a.count && ret->count < SYNC_CALENDARS_MAX; i++) {
        const struct dav_response *r = &a.items[i];
        struct str url = fetch_url_join(s->arena, a.url, r->href);
        struct str tag = r->ctag.n ? r->ctag : r->token;
        if (!r->calendar || (r->components && !r->vevent) || !url.p)
            continue;
        ret->items[ret->count].url = url;
        ret->items[ret->count++].name = ical_title(s->arena, r->name.n ? r->name : r->href);
        told &= tag.n > 0;
        buf_printf(&tags, STR_FMT "\n" STR_FMT "\n", STR_ARG(url), STR_ARG(tag));
    }
    seal_sha256(buf_view(&tags), hash);
    told &= !tags.failed;
    buf_fini(&tags);
    if (ret->count == 0)
        return sync_fault(s, ERR_CONFLICT, "CALENDAR_NONE", "There is no calendar at the address.");
    if (told)
        ret->marker = arena_printf(s->arena, "%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x",
                                   hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6],
                                   hash[7], hash[8], hash[9], hash[10], hash[11]);
    return ERR_OK;
}

/* ---- busy times ---- */

static void utc_print(int64_t us, char out[32])
{
    struct civil c = civil_at(zone_utc(), us);
    snprintf(out, 32, "%04d%02d%02dT%02d%02d%02dZ", c.year, c.month, c.day, c.hour, c.minute,
             c.second);
}

static enum err read_calendar(struct sync *s, struct str url, const struct ical_window *w,
                              struct ical_reader *reader)
{
    char from[32], to[32];
    struct answer a = {.count = 0};

    utc_print(w->from, from);
    utc_print(w->to, to);
    struct str body = arena_printf(
        s->arena,
        XML_HEAD "<c:calendar-query" XML_NAMES "><d:prop><d:getetag/><c:calendar-data/></d:prop>"
                 "<c:filter><c:comp-filter name=\"VCALENDAR\"><c:comp-filter name=\"VEVENT\">"
                 "<c:time-range start=\"%s\" end=\"%s\"/></c:comp-filter></c:comp-filter>"
                 "</c:filter></c:calendar-query>",
        from, to);
    enum err e = body.p ? ask(s, "REPORT", url, "Depth: 1", body, &a) : ERR_NOMEM;
    if (e == ERR_OK && a.status != 207)
        e = sync_status_fault(s, a.status);
    for (int32_t i = 0; i < a.count && e == ERR_OK; i++) {
        if (!a.items[i].data.n)
            continue;
        e = ical_add(reader, a.items[i].data);
        if (e == ERR_SYNTAX || e == ERR_RANGE) { /* one broken event does not hide the others */
            reader->found.skipped++;
            e = ERR_OK;
        }
    }
    return e;
}

static enum err read_all(struct sync *s, const struct calendars *list)
{
    const struct ical_window w = sync_window(s);
    struct ical_reader reader;
    enum err e = ERR_OK;

    ical_begin(&reader, &w, s->arena);
    for (int32_t i = 0; i < list->count && e == ERR_OK; i++)
        e = read_calendar(s, list->items[i].url, &w, &reader);
    ical_end(&reader, &s->busy);
    s->covers_now = w.to;
    s->marker_now = list->marker;
    return e;
}

/* ---- planned sessions ---- */

static struct pushed *tell(struct sync *s, const struct planned *p)
{
    ASSERT(s->pushed_count < SYNC_PUSH_MAX);
    struct pushed *r = &s->pushed[s->pushed_count++];
    *r = (struct pushed){.plan = p->plan, .at = TIME_NONE};
    return r;
}

static enum err send_object(struct sync *s, const char *method, struct str url,
                            const char *condition, struct str body, struct fetch_reply *ret)
{
    struct fetch_request rq = {.method = method,
                               .url = url,
                               .headers = {"Content-Type: text/calendar; charset=utf-8", condition},
                               .body = body,
                               .user = s->secret.user,
                               .password = s->secret.password};
    return sync_fetch(s, &rq, ret);
}

static enum err etag_of(struct sync *s, struct str url, struct str *ret)
{
    struct answer a;
    enum err e = propfind(s, url, "Depth: 0", &a);

    if (e == ERR_OK)
        *ret = a.count ? a.items[0].etag : (struct str){NULL, 0};
    return e;
}

/* etag.p == NULL: it must not be there yet. *ret_status: 412 when that is not so. */
static enum err put(struct sync *s, const struct planned *p, struct str url, struct str etag,
                    int *ret_status, struct str *ret_etag)
{
    struct str condition = etag.p ? arena_printf(s->arena, "If-Match: " STR_FMT, STR_ARG(etag))
                                  : STR("If-None-Match: *");
    struct fetch_reply reply;
    struct buf body;

    if (!condition.p)
        return ERR_NOMEM;
    buf_init(&body, 64 * 1024);
    feed_write_one(&body, s->learner, p);
    enum err e =
        body.failed ? ERR_NOMEM : send_object(s, "PUT", url, condition.p, buf_view(&body), &reply);
    buf_fini(&body);
    if (e != ERR_OK)
        return e;
    *ret_status = reply.status;
    *ret_etag = reply.etag;
    if (reply.status / 100 == 2 && !reply.etag.p) /* the server has changed what was sent */
        e = etag_of(s, url, ret_etag);
    return e;
}

static enum err push_new(struct sync *s, const struct planned *p, struct str collection)
{
    char uid[FEED_UID_MAX];
    struct str etag = {NULL, 0};
    int status = 0;

    feed_uid(s->learner, p->plan, uid);
    struct str name = arena_printf(s->arena, "doppel-%.32s.ics", uid);
    struct str url = name.p ? fetch_url_join(s->arena, collection, name) : name;
    if (!url.p)
        return ERR_NOMEM;
    enum err e = put(s, p, url, (struct str){NULL, 0}, &status, &etag);
    if (e == ERR_OK && status == 412) { /* written once before, and not noted down */
        struct str there = {NULL, 0};
        e = etag_of(s, url, &there);
        if (e == ERR_OK && there.p)
            e = put(s, p, url, there, &status, &etag);
    }
    if (e != ERR_OK)
        return e;
    if (status / 100 != 2)
        return sync_status_fault(s, status);
    struct pushed *r = tell(s, p);
    r->href = url;
    r->etag = etag;
    r->at = p->changed;
    return ERR_OK;
}

static enum err push_change(struct sync *s, const struct planned *p)
{
    struct str etag = {NULL, 0};
    int status = 0;
    enum err e = put(s, p, p->href, p->etag, &status, &etag);

    if (e != ERR_OK)
        return e;
    if (status / 100 != 2 && status != 412 && status != 404)
        return sync_status_fault(s, status);
    struct pushed *r = tell(s, p);
    r->href = p->href;
    r->at = p->changed;
    r->etag = status / 100 == 2 ? etag : (struct str){NULL, 0};
    return ERR_OK;
}

static enum err push_delete(struct sync *s, const struct planned *p)
{
    struct fetch_reply reply = {.status = 412};
    enum err e = ERR_OK;

    if (p->etag.p) {
        struct str condition = arena_printf(s->arena, "If-Match: " STR_FMT, STR_ARG(p->etag));
        e = condition.p
                ? send_object(s, "DELETE", p->href, condition.p, (struct str){NULL, 0}, &reply)
                : ERR_NOMEM;
    }
    if (e != ERR_OK)
        return e;
    if (reply.status / 100 != 2 && reply.status != 404 && reply.status != 410 &&
        reply.status != 412)
        return sync_status_fault(s, reply.status);
    tell(s, p);
    return ERR_OK;
}

static enum err push(struct sync *s, struct str collection)
{
    enum err e = ERR_OK;

    for (int32_t i = 0; i < s->planned_count && e == ERR_OK && s->pushed_count < SYNC_PUSH_MAX;
         i++) {
        const struct planned *p = &s->planned[i];
        bool planned = str_eq(p->state, STR("PLANNED")) && p->end > s->now_us;
        if (planned && !p->href.p)
            e = push_new(s, p, collection);
        else if (planned && p->etag.p && (p->pushed == TIME_NONE || p->pushed < p->changed))
            e = push_change(s, p);
        else if (p->href.p && str_eq(p->state, STR("CANCELLED")))
            e = push_delete(s, p);
    }
    return e;
}

/* By name or address, as the learner chose; else the first. */
static int32_t target_of(const struct sync *s, const struct calendars *list)
{
    for (int32_t i = 0; s->secret.target.n && i < list->count; i++)
        if (str_eq(list->items[i].name, s->secret.target) ||
            str_ends(list->items[i].url, s->secret.target))
            return i;
    return 0;
}

enum err caldav_sync(struct sync *s)
{
    struct calendars list;
    enum err e = list_calendars(s, &list);

    if (e != ERR_OK)
        return e;
    int32_t target = target_of(s, &list);
    s->name = list.items[target].name;
    /* Written first and read afterwards: what was read then stands beside what was written. A write
     * that fails is told, and does not undo those before it. */
    if (s->push)
        e = push(s, list.items[target].url);
    s->unchanged = e == ERR_OK && list.marker.p && str_eq(list.marker, s->marker) &&
                   sync_covered(s) && s->pushed_count == 0;
    if (e == ERR_OK && !s->unchanged)
        e = read_all(s, &list);
    return e;
}
