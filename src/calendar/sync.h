/* sync - what each provider does: connect, read busy times, write planned sessions.
 *
 * On workers only: it asks other servers and waits. Nothing here touches the store; the caller
 * reads what goes in and writes what comes out.
 *
 *   sync.c    what all share; iCalendar by address
 *   caldav.c  CalDAV (RFC 4791, 6764)        google.c  Google Calendar, OAuth 2 (RFC 6749, 7636) */
#pragma once
#include "base/buf.h"
#include "calendar/calendar.h"
#include "calendar/fetch.h"
#include "calendar/seal.h"

enum {
    SYNC_PUSH_MAX = 50,      /* sessions written at one sync */
    SYNC_CALENDARS_MAX = 16, /* of one CalDAV account */
    SYNC_MARGIN_DAYS = 7, /* read further than needed, so that what is unchanged need not be read */
    SYNC_UPLOAD_DAYS = 400,
};

struct calendar_setup {
    struct seal seal;
    struct str public_url, return_url; /* public_url without a slash at its end */
    bool private_ok;
    int64_t timeout_ms;
    size_t bytes_max;
    int32_t days;
    struct {
        struct str client_id, client_secret, auth_url, token_url, revoke_url, api_url;
    } google;
};

/* What opens a calendar; kept sealed. Which members matter is the provider's. */
struct calendar_secret {
    struct str url, user, password, target, access, refresh;
    int64_t expires; /* of `access`; TIME_NONE */
    bool single;     /* CALDAV: the address is a calendar, not a home of calendars */
};
MUST_CHECK enum err calendar_secret_close(const struct seal *s, struct str learner,
                                          enum provider provider,
                                          const struct calendar_secret *secret, struct arena *arena,
                                          struct str *ret);
/* Errors as of seal_open(). */
MUST_CHECK enum err calendar_secret_open(const struct seal *s, struct str learner,
                                         enum provider provider, struct str sealed,
                                         struct arena *arena, struct calendar_secret *ret);

/* What became of a planned session in the calendar. */
struct pushed {
    struct str plan, href, etag; /* href.p == NULL: it is not there any more */
    int64_t at;                  /* changed_at of what is there; TIME_NONE */
};

struct sync {
    /* in */
    const struct calendar_setup *setup;
    struct arena *arena;
    struct str learner;
    const struct zone *zone;
    int64_t now_us;      /* UTC */
    int64_t deadline_us; /* monotonic, of all requests */
    enum provider provider;
    bool push;
    struct str marker;    /* of the last sync; p == NULL: none */
    int64_t covers_until; /* of the last sync; TIME_NONE */
    const struct planned *planned;
    int32_t planned_count;
    /* in and out */
    struct calendar_secret secret;
    /* out */
    bool secret_changed;
    struct str name; /* of the calendar, for people */
    bool unchanged;  /* nothing to write but that it was looked at */
    bool partial;    /* `busy` replaces the events `gone` only */
    struct busy_list busy;
    struct str *gone;
    int32_t gone_count;
    struct str marker_now; /* p == NULL: none */
    int64_t covers_now;
    struct pushed pushed[SYNC_PUSH_MAX];
    int32_t pushed_count;
    /* of a failure */
    const char *code;
    char reason[240];
    struct fetch *fetch; /* inside */
};

/* Fails with s->code and s->reason set. ERR_UNPROCESSABLE: the address or what is there will not
 * do. ERR_CONFLICT: the calendar must be connected anew (login refused, consent withdrawn, key
 * lost). ERR_UPSTREAM: another time, perhaps. ERR_NOMEM, ERR_INTERNAL: ours. */
MUST_CHECK enum err sync_run(struct sync *s);
/* Before the first sync: finds what the address stands for; may change s->secret. */
MUST_CHECK enum err sync_discover(struct sync *s);
/* An upload: iCalendar text into s->busy. */
MUST_CHECK enum err sync_upload(struct sync *s, struct str text);

/* Google. The address to send the learner to. */
MUST_CHECK enum err google_authorize(const struct calendar_setup *setup, struct str state,
                                     struct str challenge, struct arena *arena, struct str *ret);
/* The code of the callback, for tokens. */
MUST_CHECK enum err google_exchange(struct sync *s, struct str code, struct str verifier);
/* Gives the tokens back, as well as that goes. */
void google_revoke(struct sync *s);

/* ---- inside ---- */

enum err sync_fault(struct sync *s, enum err e, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
struct ical_window sync_window(const struct sync *s);
bool sync_covered(const struct sync *s); /* may "unchanged" be believed? */
/* One request; what cannot be done is a fault. */
MUST_CHECK enum err sync_fetch(struct sync *s, const struct fetch_request *rq,
                               struct fetch_reply *ret);
/* A status that is not what it should be. */
enum err sync_status_fault(struct sync *s, int status);
void sync_escape(struct buf *out, struct str s); /* percent-coding of all but unreserved */
MUST_CHECK enum err caldav_discover(struct sync *s);
MUST_CHECK enum err caldav_sync(struct sync *s);
MUST_CHECK enum err google_sync(struct sync *s);
