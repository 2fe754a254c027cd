#include "calendar/feed.h"

#include "calendar/ical.h"
#include "calendar/seal.h"

#include <stdio.h>

enum { FOLD = 75 /* octets of a line, without its CRLF */ };

int feed_uid(struct str learner, struct str plan, char out[FEED_UID_MAX])
{
    unsigned char hash[32];
    struct buf b;
    int n = 0;

    buf_init(&b, 1024);
    buf_printf(&b, "doppel session %zu:" STR_FMT ":" STR_FMT, learner.n, STR_ARG(learner),
               STR_ARG(plan));
    seal_sha256(buf_view(&b), hash);
    buf_fini(&b);
    for (int i = 0; i < 16; i++)
        n += snprintf(out + n, FEED_UID_MAX - (size_t)n, "%02x", hash[i]);
    return n + snprintf(out + n, FEED_UID_MAX - (size_t)n, "%s", ICAL_OUR_UID);
}

/* A content line, folded between characters. */
static void line(struct buf *out, struct str s)
{
    size_t most = FOLD;

    while (s.n > most) {
        struct str head = utf8_prefix(s, most);
        if (head.n == 0)
            head.n = most; /* not UTF-8: then anywhere */
        buf_put(out, s.p, head.n);
        buf_str(out, STR("\r\n "));
        s.p += head.n, s.n -= head.n;
        most = FOLD - 1;
    }
    buf_str(out, s);
    buf_str(out, STR("\r\n"));
}

static void cline(struct buf *out, const char *s)
{
    line(out, str_from(s));
}

/* TEXT, RFC 5545 3.3.11. */
static void text_line(struct buf *out, const char *name, struct str s)
{
    struct buf b;

    buf_init(&b, 4096);
    buf_printf(&b, "%s:", name);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\\' || c == ';' || c == ',')
            buf_putc(&b, '\\');
        if (c == '\n')
            buf_str(&b, STR("\\n"));
        else if (c >= 0x20 && c != 0x7f)
            buf_putc(&b, (char)c);
    }
    line(out, buf_view(&b));
    buf_fini(&b);
}

static void time_line(struct buf *out, const char *name, int64_t us)
{
    struct civil c = civil_at(zone_utc(), us);
    char text[64];

    snprintf(text, sizeof text, "%s:%04d%02d%02dT%02d%02d%02dZ", name, c.year, c.month, c.day,
             c.hour, c.minute, c.second);
    cline(out, text);
}

static void event(struct buf *out, struct str learner, const struct planned *p)
{
    char uid[FEED_UID_MAX];

    feed_uid(learner, p->plan, uid);
    cline(out, "BEGIN:VEVENT");
    text_line(out, "UID", str_from(uid));
    time_line(out, "DTSTAMP", p->changed);
    time_line(out, "LAST-MODIFIED", p->changed);
    time_line(out, "DTSTART", p->start);
    time_line(out, "DTEND", p->end);
    text_line(out, "SUMMARY", p->title.n ? p->title : STR("Study session"));
    cline(out, "CATEGORIES:Study");
    cline(out, str_eq(p->state, STR("CANCELLED")) ? "STATUS:CANCELLED" : "STATUS:CONFIRMED");
    cline(out, "TRANSP:OPAQUE");
    cline(out, "END:VEVENT");
}

static void head(struct buf *out)
{
    cline(out, "BEGIN:VCALENDAR");
    cline(out, "VERSION:2.0");
    cline(out, "PRODID:-//Doppel//Planned sessions//EN");
    cline(out, "CALSCALE:GREGORIAN");
}

void feed_write(struct buf *out, struct str learner, const struct planned *sessions, int32_t count)
{
    head(out);
    cline(out, "METHOD:PUBLISH");
    cline(out, "X-WR-CALNAME:Study sessions");
    cline(out, "REFRESH-INTERVAL;VALUE=DURATION:PT1H");
    cline(out, "X-PUBLISHED-TTL:PT1H");
    for (int32_t i = 0; i < count; i++)
        event(out, learner, &sessions[i]);
    cline(out, "END:VCALENDAR");
}

void feed_write_one(struct buf *out, struct str learner, const struct planned *session)
{
    head(out);
    event(out, learner, session);
    cline(out, "END:VCALENDAR");
}
