/* Connecting a calendar, and the way back from a provider that asked for the learner's consent. */
#include "api/calendar.h"

#include "auth/jwt.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/rng.h"

#include <stdio.h>

enum {
    STATE_SECONDS = 600,
    STATE_NONCE = 16,
    STATE_PAYLOAD = STATE_NONCE + 8, /* and when it expires, big-endian seconds */
    STATE_BYTES = STATE_PAYLOAD + SEAL_MAC_BYTES,
    SECRET_BYTES = 32,
    TEXT_MAX = 96, /* of any of them as base64url */
};

enum choice {
    CHOICE_GOOGLE,
    CHOICE_OUTLOOK,
    CHOICE_CALDAV,
    CHOICE_ICAL,
    CHOICE_UPLOAD,
    CHOICE_FEED
};
static const char *const choice_names[] = {"GOOGLE", "OUTLOOK", "CALDAV", "ICAL",
                                           "UPLOAD", "FEED",    NULL};
static const enum provider providers[] = {
    [CHOICE_GOOGLE] = PROVIDER_GOOGLE, [CHOICE_OUTLOOK] = PROVIDERS,
    [CHOICE_CALDAV] = PROVIDER_CALDAV, [CHOICE_ICAL] = PROVIDER_ICAL,
    [CHOICE_UPLOAD] = PROVIDER_UPLOAD, [CHOICE_FEED] = PROVIDERS};

const struct field calendar_connect_body[] = {
    FIELD(F_STR, struct calendar_connect_in, user_id, "userId", .min = 1, .max = 128,
          .doc = "the learner; may be left out with a learner's own key"),
    FIELD(F_ENUM, struct calendar_connect_in, provider, "provider", .names = choice_names,
          .flags = FIELD_REQUIRED,
          .doc = "GOOGLE: gives authorizationUrl; CALDAV: url, username, password; ICAL: url; "
                 "UPLOAD: ical or busy; FEED: gives feedUrl; OUTLOOK: not supported"),
    FIELD(F_STR, struct calendar_connect_in, url, "url", .min = 1, .max = FETCH_URL_MAX - 1,
          .doc = "of the iCalendar text, or of a CalDAV server, account or calendar"),
    FIELD(F_STR, struct calendar_connect_in, user, "username", .min = 1, .max = 200,
          .doc = "at the CalDAV server"),
    FIELD(F_STR, struct calendar_connect_in, password, "password", .min = 1, .max = 400,
          .flags = FIELD_SECRET, .doc = "at the CalDAV server; best one made for this purpose"),
    FIELD(F_STR, struct calendar_connect_in, calendar_id, "calendarId", .min = 1, .max = 400,
          .doc = "CALDAV: name or end of the address of the calendar that planned sessions go to; "
                 "else the first one"),
    FIELD(F_BOOL, struct calendar_connect_in, push, "pushSessions", .def = "true",
          .doc = "CALDAV: write planned sessions into the calendar"),
    FIELD(F_STR, struct calendar_connect_in, ical, "ical", .min = 1, .max = 8 << 20,
          .doc = "UPLOAD: an iCalendar text (RFC 5545)"),
    FIELD(F_LIST, struct calendar_connect_in, busy, "busy", .max = BUSY_MAX,
          .sub = calendar_interval_fields, .size = sizeof(struct calendar_interval),
          .seen = 1 + (uint32_t)offsetof(struct calendar_connect_in, given.busy),
          .doc = "UPLOAD: busy times, instead of `ical`"),
    FIELD_END,
};

struct connect_reply {
    bool connected;
    struct str provider, authorization_url, state, calendar_id, feed_url;
    int64_t synced, skipped;
};
const struct field calendar_connect_reply[] = {
    FIELD(F_BOOL, struct connect_reply, connected, "connected",
          .doc = "false while the learner's consent is waited for"),
    FIELD(F_STR, struct connect_reply, provider, "provider", .doc = "as asked"),
    FIELD(F_STR, struct connect_reply, authorization_url, "authorizationUrl",
          .flags = FIELD_NULLABLE | FIELD_OMIT, .doc = "GOOGLE: where to send the learner"),
    FIELD(F_STR, struct connect_reply, state, "state", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "GOOGLE: the state in that address; good once, for ten minutes"),
    FIELD(F_STR, struct connect_reply, calendar_id, "calendarId",
          .flags = FIELD_NULLABLE | FIELD_OMIT, .doc = "the calendar's name"),
    FIELD(F_I64, struct connect_reply, synced, "syncedEvents", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "busy times that were found"),
    FIELD(F_I64, struct connect_reply, skipped, "skippedEvents",
          .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "events or rules that could not be understood"),
    FIELD(F_STR, struct connect_reply, feed_url, "feedUrl", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "FEED: the address to subscribe to; shown this once"),
    FIELD_END,
};

static struct connect_reply *reply_new(struct api_call *c, const struct calendar_connect_in *in)
{
    struct connect_reply *r = arena_new(c->arena, struct connect_reply, 1);

    if (r)
        *r = (struct connect_reply){.provider = str_from(choice_names[in->provider]),
                                    .synced = INT64_MIN,
                                    .skipped = INT64_MIN};
    c->reply = r;
    return r;
}

static struct str base64url(struct arena *arena, const unsigned char *p, size_t n)
{
    char text[TEXT_MAX];

    ASSERT(4 * (n / 3) + 4 <= sizeof text);
    return arena_str(arena, (struct str){text, base64url_encode(p, n, text)});
}

static struct str hash_of(struct arena *arena, struct str text)
{
    unsigned char hash[32];

    seal_sha256(text, hash);
    return arena_str(arena, (struct str){(const char *)hash, sizeof hash});
}

/* ---- a feed ---- */

static enum err feed_change(struct api_call *c, struct store_conn *conn)
{
    const struct calendar_connect_in *in = c->in;
    const struct value v[] = {V_I(in->work.learner_id), V_B(in->state_hash), V_I(c->now_us)};
    struct bulk b = {.stmt = STMT_CALENDAR_FEED_PUT, .rows = 1, .cols = COUNT(v), .v = v};
    enum err e = store_write(conn, &b, 1);

    if (e == ERR_CONFLICT) /* erased meanwhile */
        return api_refuse(c, ERR_NOT_FOUND, "USER_NOT_FOUND", "There is no such learner.");
    return e;
}

static enum err done(struct api_call *c)
{
    (void)c;
    return ERR_OK;
}

static enum err connect_feed(struct api_call *c)
{
    struct calendar_connect_in *in = c->in;
    struct connect_reply *r = reply_new(c, in);
    unsigned char secret[SECRET_BYTES];

    random_bytes(secret, sizeof secret);
    struct str token = base64url(c->arena, secret, sizeof secret);
    if (!r || !token.p)
        return ERR_NOMEM;
    in->state_hash = hash_of(c->arena, token);
    r->connected = true;
    r->feed_url = arena_printf(c->arena, STR_FMT "/calendar/feed/" STR_FMT ".ics",
                               STR_ARG(calendar_setup_of(c)->public_url), STR_ARG(token));
    if (!in->state_hash.p || !r->feed_url.p)
        return ERR_NOMEM;
    return api_change(c, feed_change, done);
}

/* ---- Google: to the provider ---- */

static enum err state_change(struct api_call *c, struct store_conn *conn)
{
    const struct calendar_connect_in *in = c->in;
    const struct value v[] = {V_I(in->work.learner_id), V_B(in->state_hash), V_B(in->sealed),
                              V_I(in->expires_at)};
    struct bulk b = {.stmt = STMT_CALENDAR_STATE_PUT, .rows = 1, .cols = COUNT(v), .v = v};
    enum err e = store_write(conn, &b, 1);

    if (e == ERR_CONFLICT) /* erased meanwhile */
        return api_refuse(c, ERR_NOT_FOUND, "USER_NOT_FOUND", "There is no such learner.");
    return e;
}

/* Says nothing of the learner; signed, so that made-up ones cost no look into the database. */
static enum err state_make(const struct seal *seal, int64_t expires_s, struct arena *arena,
                           struct str *ret)
{
    unsigned char bytes[STATE_BYTES];

    random_bytes(bytes, STATE_NONCE);
    for (int i = 0; i < 8; i++)
        bytes[STATE_NONCE + i] = (unsigned char)(expires_s >> (56 - 8 * i));
    enum err e =
        seal_sign(seal, (struct str){(const char *)bytes, STATE_PAYLOAD}, bytes + STATE_PAYLOAD);
    if (e == ERR_OK)
        *ret = base64url(arena, bytes, sizeof bytes);
    return e == ERR_OK && !ret->p ? ERR_NOMEM : e;
}

static bool state_valid(const struct seal *seal, struct str text, int64_t now_s)
{
    unsigned char bytes[TEXT_MAX];
    uint64_t expires = 0;
    size_t n;

    if (text.n > TEXT_MAX || base64url_decode(text, bytes, &n) != ERR_OK || n != STATE_BYTES ||
        !seal_signed(seal, (struct str){(const char *)bytes, STATE_PAYLOAD}, bytes + STATE_PAYLOAD))
        return false;
    for (int i = 0; i < 8; i++)
        expires = expires << 8 | bytes[STATE_NONCE + i];
    return (int64_t)expires > now_s;
}

static enum err connect_google(struct api_call *c)
{
    const struct calendar_setup *setup = calendar_setup_of(c);
    const struct seal_owner owner = {.learner = c->learner, .purpose = "PKCE"};
    struct calendar_connect_in *in = c->in;
    struct connect_reply *r = reply_new(c, in);
    unsigned char secret[SECRET_BYTES], hash[32];

    if (!setup->google.client_id.n || !setup->google.client_secret.n)
        return api_refuse(c, ERR_NOT_CONFIGURED, "GOOGLE_NOT_CONFIGURED",
                          "Google calendars need the settings google_client_id and "
                          "google_client_secret.");
    random_bytes(secret, sizeof secret);
    struct str verifier = base64url(c->arena, secret, sizeof secret);
    if (!r || !verifier.p)
        return ERR_NOMEM;
    seal_sha256(verifier, hash);
    struct str challenge = base64url(c->arena, hash, sizeof hash);
    in->expires_at = c->now_us + STATE_SECONDS * US_PER_S;
    enum err e = state_make(&setup->seal, in->expires_at / US_PER_S, c->arena, &r->state);
    if (e == ERR_OK)
        e = seal_close(&setup->seal, &owner, verifier, c->arena, &in->sealed);
    if (e == ERR_OK)
        e = google_authorize(setup, r->state, challenge, c->arena, &r->authorization_url);
    if (e != ERR_OK)
        return e;
    in->state_hash = hash_of(c->arena, r->state);
    return in->state_hash.p ? api_change(c, state_change, done) : ERR_NOMEM;
}

/* ---- calendars with an address, and uploads ---- */

static enum err connect_change(struct api_call *c, struct store_conn *conn)
{
    struct calendar_connect_in *in = c->in;
    return calendar_write(c, conn, &in->work);
}

static enum err connected(struct api_call *c)
{
    const struct calendar_connect_in *in = c->in;
    const struct calendar_turn *t = &in->work.turns[0];
    struct connect_reply *r = reply_new(c, in);

    if (!r)
        return ERR_NOMEM;
    r->connected = true;
    r->calendar_id = t->row.name;
    r->synced = t->sync.busy.count;
    r->skipped = t->sync.busy.skipped;
    return ERR_OK;
}

/* Here it is the learner's word that is wrong, or a server that they named: nothing is connected.
 */
static enum err refuse_address(struct api_call *c, const struct calendar_turn *t)
{
    const struct sync *s = &t->sync;

    if (!s->code)
        return t->err;
    bool login = strcmp(s->code, "CALENDAR_LOGIN") == 0 && t->row.provider == PROVIDER_CALDAV;
    api_bad_field(c, login ? "password" : "url", "invalid_value", "%.150s", s->reason);
    return api_refuse(c, ERR_UNPROCESSABLE, s->code, "%s", s->reason);
}

static enum err connect_address(struct api_call *c)
{
    struct calendar_connect_in *in = c->in;
    struct calendar_work *w = &in->work;
    struct calendar_turn *t = &w->turns[0];
    int64_t deadline_us = clock_mono_us() + calendar_setup_of(c)->timeout_ms * US_PER_MS;

    w->count = 1;
    *t = (struct calendar_turn){.row = {.provider = providers[in->provider],
                                        .connected_at = c->now_us,
                                        .push = in->provider == CHOICE_CALDAV && in->push},
                                .fresh = true};
    t->sync.secret = (struct calendar_secret){.url = in->url,
                                              .user = in->user,
                                              .password = in->password,
                                              .target = in->calendar_id,
                                              .expires = TIME_NONE};
    for (int32_t i = 0; i < w->planned_count; i++) /* in another calendar, if anywhere */
        w->planned[i].href = w->planned[i].etag = (struct str){NULL, 0};
    t->err = calendar_prepare(c, w, t, deadline_us);
    if (t->err == ERR_OK)
        t->err = sync_discover(&t->sync);
    if (t->err == ERR_OK)
        t->err = sync_run(&t->sync);
    if (t->err != ERR_OK)
        return refuse_address(c, t);
    t->row.name = t->sync.name;
    return api_change(c, connect_change, connected);
}

static enum err connect_check(struct api_call *c)
{
    const struct calendar_connect_in *in = c->in;
    bool address = in->provider == CHOICE_CALDAV || in->provider == CHOICE_ICAL;

    if (in->provider == CHOICE_OUTLOOK)
        return api_bad_field(c, "provider", "invalid_value",
                             "OUTLOOK is not supported; its calendars can be published, and "
                             "connected as ICAL");
    if (address && !in->url.p)
        return api_bad_field(c, "url", "missing", "is required");
    if (in->provider == CHOICE_CALDAV && !in->user.p)
        return api_bad_field(c, "username", "missing", "is required");
    if (in->provider == CHOICE_CALDAV && !in->password.p)
        return api_bad_field(c, "password", "missing", "is required");
    if (in->provider == CHOICE_UPLOAD && (in->ical.p != NULL) == in->given.busy)
        return api_bad_field(c, "ical", "missing", "is required, or busy, but not both");
    if ((address || in->provider == CHOICE_GOOGLE) && calendar_setup_of(c)->seal.count == 0)
        return api_refuse(c, ERR_NOT_CONFIGURED, "CALENDAR_KEY_MISSING",
                          "The setting calendar_key is empty: what opens a calendar could not be "
                          "sealed.");
    return ERR_OK;
}

enum err calendar_connect(struct api_call *c)
{
    struct calendar_connect_in *in = c->in;
    struct calendar_look look = {.planned = in->provider == CHOICE_CALDAV};
    enum err e = connect_check(c);

    if (e == ERR_OK)
        e = calendar_read(c, &look, &in->work);
    if (e != ERR_OK)
        return e;
    switch ((enum choice)in->provider) {
    case CHOICE_FEED:
        return connect_feed(c);
    case CHOICE_GOOGLE:
        return connect_google(c);
    case CHOICE_UPLOAD:
        e = calendar_upload(c, &in->work, in->ical, &in->busy);
        return e == ERR_OK ? api_change(c, connect_change, connected) : e;
    default:
        return connect_address(c);
    }
}

/* ---- Google: the way back ---- */

const struct field calendar_callback_query[] = {
    FIELD(F_STR, struct calendar_callback_in, code, "code", .max = 2048,
          .doc = "from the provider"),
    FIELD(F_STR, struct calendar_callback_in, state, "state", .max = 200, .doc = "as it was given"),
    FIELD(F_STR, struct calendar_callback_in, error, "error", .max = 200,
          .doc = "why the provider did not give its consent"),
    FIELD_END,
};

/* Back to the page that the setting names. */
static enum err redirect(struct api_call *c, const char *name, struct str value)
{
    struct str to = calendar_setup_of(c)->return_url;
    struct buf b;

    buf_init(&b, 4096);
    buf_str(&b, to);
    buf_printf(&b, "%c%s=", memchr(to.p, '?', to.n) ? '&' : '?', name);
    sync_escape(&b, value);
    enum err e = b.failed ? ERR_NOMEM : ERR_OK;
    if (e == ERR_OK)
        http_reply_header(c->x, "Location", buf_view(&b));
    buf_fini(&b);
    c->status = 307;
    return e;
}

static enum err failed(struct api_call *c, const char *why)
{
    return redirect(c, "calendar_error", str_from(why));
}

static enum err callback_write(struct api_call *c, struct store_conn *conn)
{
    struct calendar_callback_in *in = c->in;
    return calendar_write(c, conn, &in->work);
}

static enum err callback_done(struct api_call *c)
{
    return redirect(c, "calendar_message", STR("connected"));
}

/* The state is spent. What the provider refuses now, it refuses for good. */
static enum err callback_exchange(struct api_call *c)
{
    struct calendar_callback_in *in = c->in;
    struct calendar_turn *t = in->work.turns;
    int64_t deadline_us = clock_mono_us() + calendar_setup_of(c)->timeout_ms * US_PER_MS;

    if (!in->consumed)
        return failed(c, "invalid_state");
    *t = (struct calendar_turn){
        .row = {.provider = PROVIDER_GOOGLE, .name = STR("primary"), .connected_at = c->now_us},
        .fresh = true};
    t->sync.secret.expires = TIME_NONE;
    enum err e = calendar_prepare(c, &in->work, t, deadline_us);
    if (e == ERR_OK)
        e = google_exchange(&t->sync, in->code, in->verifier);
    if (e != ERR_OK)
        fetch_free(t->sync.fetch);
    if (e != ERR_OK)
        return e == ERR_NOMEM ? e : failed(c, "connection_failed");
    t->err = sync_run(&t->sync); /* connected all the same if this fails: the next may succeed */
    if (t->err == ERR_OK)
        t->row.name = t->sync.name;
    return api_change(c, callback_write, callback_done);
}

static enum err callback_consume(struct api_call *c, struct store_conn *conn)
{
    struct calendar_callback_in *in = c->in;
    const struct value v = V_B(in->state_hash);
    struct bulk b = {.stmt = STMT_CALENDAR_STATE_DROP, .rows = 1, .cols = 1, .v = &v};
    enum err e = store_write(conn, &b, 1);

    in->consumed = e == ERR_OK && b.changed == 1;
    return e;
}

/* ERR_NOT_FOUND: there is no such attempt, or it is too old. */
static enum err callback_find(struct api_call *c)
{
    struct calendar_callback_in *in = c->in;
    const struct value hash = V_B(in->state_hash);
    struct query q = {
        .stmt = STMT_CALENDAR_STATE_GET, .args = &hash, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(c->conn, c->arena, &q, 1, c->deadline_us);

    if (e != ERR_OK)
        return e;
    if (q.rows.count == 0)
        return ERR_NOT_FOUND;
    const struct value *v = row_at(&q.rows, 0);
    if (value_i64(&v[2], 0) <= c->now_us)
        return ERR_NOT_FOUND;
    struct calendar_work *w = &in->work;
    *w = (struct calendar_work){.learner_id = value_i64(&v[0], 0),
                                .learner = value_str(&v[3]),
                                .count = 1,
                                .turns = arena_new(c->arena, struct calendar_turn, 1)};
    if (!w->turns)
        return ERR_NOMEM;
    c->learner = w->learner; /* whose data change: the writer is chosen by it */
    if (zone_get(value_str(&v[4]), &w->zone) != ERR_OK)
        w->zone = zone_utc();
    const struct seal_owner owner = {.learner = w->learner, .purpose = "PKCE"};
    e = seal_open(&calendar_setup_of(c)->seal, &owner, value_str(&v[1]), c->arena, &in->verifier);
    return e == ERR_OK || e == ERR_NOMEM ? e : ERR_NOT_FOUND;
}

enum err calendar_callback(struct api_call *c)
{
    struct calendar_callback_in *in = c->in;

    if (c->x->request.method != HTTP_GET) /* a HEAD must not spend the state */
        return api_refuse(c, ERR_METHOD, NULL, "This path takes GET alone.");
    if (in->error.n)
        return redirect(c, "calendar_error", in->error);
    if (!in->code.n || !in->state.n)
        return failed(c, "missing_params");
    if (!state_valid(&calendar_setup_of(c)->seal, in->state, c->now_us / US_PER_S))
        return failed(c, "invalid_state");
    in->state_hash = hash_of(c->arena, in->state);
    enum err e = in->state_hash.p ? callback_find(c) : ERR_NOMEM;
    if (e == ERR_NOT_FOUND)
        return failed(c, "invalid_state");
    return e == ERR_OK ? api_change(c, callback_consume, callback_exchange) : e;
}
