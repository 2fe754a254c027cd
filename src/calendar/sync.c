#include "calendar/sync.h"

#include "base/assert.h"
#include "json/field.h"
#include "json/reader.h"
#include "json/writer.h"

#include <stdio.h>

/* ---- secrets ---- */

static const struct field secret_fields[] = {
    FIELD(F_STR, struct calendar_secret, url, "url", .flags = FIELD_NULLABLE | FIELD_OMIT),
    FIELD(F_STR, struct calendar_secret, user, "user", .flags = FIELD_NULLABLE | FIELD_OMIT),
    FIELD(F_STR, struct calendar_secret, password, "password",
          .flags = FIELD_NULLABLE | FIELD_OMIT),
    FIELD(F_STR, struct calendar_secret, target, "target", .flags = FIELD_NULLABLE | FIELD_OMIT),
    FIELD(F_STR, struct calendar_secret, access, "access", .flags = FIELD_NULLABLE | FIELD_OMIT),
    FIELD(F_STR, struct calendar_secret, refresh, "refresh", .flags = FIELD_NULLABLE | FIELD_OMIT),
    FIELD(F_TIME, struct calendar_secret, expires, "expires", .flags = FIELD_NULLABLE | FIELD_OMIT),
    FIELD(F_BOOL, struct calendar_secret, single, "single"),
    FIELD_END,
};

enum err calendar_secret_close(const struct seal *s, struct str learner, enum provider provider,
                               const struct calendar_secret *secret, struct arena *arena,
                               struct str *ret)
{
    const struct seal_owner owner = {.learner = learner, .purpose = provider_names[provider]};
    struct json_writer w;
    struct buf b;

    buf_init(&b, SEAL_TEXT_MAX);
    json_writer_init(&w, &b);
    fields_write_json(secret_fields, &w, secret);
    enum err e = b.failed ? ERR_RANGE : seal_close(s, &owner, buf_view(&b), arena, ret);
    if (b.p)
        explicit_bzero(b.p, b.cap);
    buf_fini(&b);
    return e;
}

enum err calendar_secret_open(const struct seal *s, struct str learner, enum provider provider,
                              struct str sealed, struct arena *arena, struct calendar_secret *ret)
{
    const struct seal_owner owner = {.learner = learner, .purpose = provider_names[provider]};
    struct calendar_secret secret = {.single = false};
    struct field_error error;
    struct json_reader r;
    struct str text;

    enum err e = seal_open(s, &owner, sealed, arena, &text);
    if (e != ERR_OK)
        return e;
    json_reader_init(&r, text, arena, 4);
    e = fields_read_json(secret_fields, &r, arena, &secret, NULL, &error);
    if (e == ERR_OK)
        e = json_end(&r);
    if (e == ERR_OK)
        *ret = secret;
    return e == ERR_NOMEM || e == ERR_OK ? e : ERR_UNAUTHORIZED;
}

/* ---- what all share ---- */

enum err sync_fault(struct sync *s, enum err e, const char *code, const char *fmt, ...)
{
    va_list ap;

    s->code = code;
    va_start(ap, fmt);
    vsnprintf(s->reason, sizeof s->reason, fmt, ap);
    va_end(ap);
    return e;
}

struct ical_window sync_window(const struct sync *s)
{
    int64_t days =
        s->provider == PROVIDER_UPLOAD ? SYNC_UPLOAD_DAYS : s->setup->days + SYNC_MARGIN_DAYS;

    return (struct ical_window){
        .from = s->now_us - US_PER_DAY, .to = s->now_us + days * US_PER_DAY, .zone = s->zone};
}

bool sync_covered(const struct sync *s)
{
    return s->covers_until != TIME_NONE &&
           s->covers_until >= s->now_us + (int64_t)s->setup->days * US_PER_DAY;
}

enum err sync_fetch(struct sync *s, const struct fetch_request *rq, struct fetch_reply *ret)
{
    if (!s->fetch) {
        /* Google's addresses are the operator's own settings. */
        const struct fetch_policy policy = {
            .private_ok = s->setup->private_ok || s->provider == PROVIDER_GOOGLE,
            .bytes_max = s->setup->bytes_max,
            .deadline_us = s->deadline_us,
        };
        enum err e = fetch_new(&policy, &s->fetch);
        if (e != ERR_OK)
            return e;
    }
    enum err e = fetch_do(s->fetch, rq, s->arena, ret);
    switch (e) {
    case ERR_RANGE:
        return sync_fault(s, ERR_UNPROCESSABLE, "CALENDAR_ADDRESS", "%s.", fetch_reason(s->fetch));
    case ERR_TOO_LARGE:
        return sync_fault(s, ERR_UNPROCESSABLE, "CALENDAR_TOO_LARGE",
                          "The calendar has more than %zu bytes.", s->setup->bytes_max);
    case ERR_DEADLINE:
        return sync_fault(s, ERR_UPSTREAM, "CALENDAR_TIMEOUT", "%s.", fetch_reason(s->fetch));
    case ERR_UPSTREAM:
        return sync_fault(s, ERR_UPSTREAM, "CALENDAR_UNREACHABLE", "%s.", fetch_reason(s->fetch));
    default:
        return e;
    }
}

enum err sync_status_fault(struct sync *s, int status)
{
    if (status == 401 || status == 403)
        return sync_fault(s, ERR_CONFLICT, "CALENDAR_LOGIN",
                          "The calendar's server refuses the login (status %d).", status);
    if (status == 404 || status == 410)
        return sync_fault(s, ERR_CONFLICT, "CALENDAR_GONE",
                          "There is no calendar at that address (status %d).", status);
    return sync_fault(s, ERR_UPSTREAM, "CALENDAR_STATUS",
                      "The calendar's server answers with status %d.", status);
}

void sync_escape(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '~')
            buf_putc(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* ---- iCalendar, by address or sent ---- */

static enum err read_text(struct sync *s, struct str text)
{
    const struct ical_window window = sync_window(s);
    struct ical_reader r;

    ical_begin(&r, &window, s->arena);
    enum err e = ical_add(&r, text);
    ical_end(&r, &s->busy);
    s->covers_now = window.to;
    if (e == ERR_SYNTAX || e == ERR_RANGE)
        return sync_fault(s, ERR_UNPROCESSABLE,
                          e == ERR_SYNTAX ? "CALENDAR_FORMAT" : "CALENDAR_TOO_LARGE",
                          "The calendar cannot be read: %s.", r.reason);
    return e;
}

enum err sync_upload(struct sync *s, struct str text)
{
    s->name = STR("Upload");
    return read_text(s, text);
}

/* The marker tells its kind by its first letter: e for an ETag, m for a date. */
static enum err ical_sync(struct sync *s)
{
    struct fetch_request rq = {.method = "GET", .url = s->secret.url};
    struct fetch_reply reply;
    int32_t n = 0;

    rq.headers[n++] = "Accept: text/calendar";
    if (s->marker.n > 1 && sync_covered(s)) {
        struct str line = arena_printf(
            s->arena, "%s: " STR_FMT, s->marker.p[0] == 'e' ? "If-None-Match" : "If-Modified-Since",
            (int)(s->marker.n - 1), s->marker.p + 1);
        if (!line.p)
            return ERR_NOMEM;
        rq.headers[n++] = line.p;
    }
    enum err e = sync_fetch(s, &rq, &reply);
    if (e != ERR_OK)
        return e;
    if (reply.status == 304 && n == 2) {
        s->unchanged = true;
        return ERR_OK;
    }
    if (reply.status != 200)
        return sync_status_fault(s, reply.status);
    if (reply.etag.p)
        s->marker_now = arena_printf(s->arena, "e" STR_FMT, STR_ARG(reply.etag));
    else if (reply.modified.p)
        s->marker_now = arena_printf(s->arena, "m" STR_FMT, STR_ARG(reply.modified));
    return read_text(s, reply.body);
}

/* Subscriptions are often given as webcal:, which is https: to people who click. The name shown is
 * the host alone: the rest of such an address is what keeps others out. */
static enum err ical_discover(struct sync *s)
{
    static const char webcal[] = "webcal:";
    struct str *url = &s->secret.url;

    if (str_starts(*url, str_from(webcal))) {
        struct str rest = {url->p + strlen(webcal), url->n - strlen(webcal)};
        *url = arena_printf(s->arena, "https:" STR_FMT, STR_ARG(rest));
    }
    if (!url->p)
        return ERR_NOMEM;
    if (!fetch_url_valid(*url))
        return sync_fault(s, ERR_UNPROCESSABLE, "CALENDAR_ADDRESS",
                          "An address begins with https:// (or http://, webcal://) and a host.");
    struct str host = *url;
    host.p += 3 + (size_t)((const char *)memchr(url->p, ':', url->n) - url->p);
    host.n -= (size_t)(host.p - url->p);
    host.n = strcspn(host.p, "/?");
    s->name = arena_str(s->arena, host);
    return s->name.p ? ERR_OK : ERR_NOMEM;
}

enum err sync_discover(struct sync *s)
{
    enum err e = ERR_OK;

    if (s->provider == PROVIDER_ICAL)
        e = ical_discover(s);
    else if (s->provider == PROVIDER_CALDAV)
        e = caldav_discover(s);
    if (e != ERR_OK) {
        fetch_free(s->fetch);
        s->fetch = NULL;
    }
    return e;
}

enum err sync_run(struct sync *s)
{
    enum err e = ERR_INTERNAL;

    switch (s->provider) {
    case PROVIDER_ICAL:
        e = ical_sync(s);
        break;
    case PROVIDER_CALDAV:
        e = caldav_sync(s);
        break;
    case PROVIDER_GOOGLE:
        e = google_sync(s);
        break;
    default:
        UNREACHABLE(); /* an upload has nothing to ask */
    }
    fetch_free(s->fetch);
    s->fetch = NULL;
    if (e == ERR_OK && s->unchanged && !s->marker_now.p) {
        s->marker_now = s->marker;
        s->covers_now = s->covers_until;
    }
    return e;
}
