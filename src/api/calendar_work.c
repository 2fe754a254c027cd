/* The rows behind the calendar family: read once, changed in one transaction. */
#include "api/calendar.h"

#include "api/call.h"
#include "api/learner.h"
#include "base/assert.h"
#include "base/clock.h"

#include <stdio.h>

enum { LOOK_QUERIES = 3, LOOK_MORE_MAX = 4, PLANNED_BACK_DAYS = 7 };

/* ---- settings ---- */

static bool web_address(struct str s)
{
    return (str_starts(s, STR("http://")) || str_starts(s, STR("https://"))) && fetch_url_valid(s);
}

enum err calendar_setup_init(struct calendar_setup *s, const struct config *cf, char *ret_detail)
{
    const struct {
        const char *name;
        struct str value;
    } addresses[] = {
        {"public_url", cf->public_url},
        {"google_auth_url", cf->google_auth_url},
        {"google_token_url", cf->google_token_url},
        {"google_revoke_url", cf->google_revoke_url},
        {"google_api_url", cf->google_api_url},
    };
    struct str back = cf->calendar_return;

    *s = (struct calendar_setup){
        .public_url = cf->public_url,
        .return_url = back,
        .private_ok = cf->calendar_private,
        .timeout_ms = cf->calendar_timeout,
        .bytes_max = (size_t)cf->calendar_bytes_max,
        .days = (int32_t)cf->calendar_days,
        .google = {.client_id = cf->google_client_id,
                   .client_secret = cf->google_client_secret,
                   .auth_url = cf->google_auth_url,
                   .token_url = cf->google_token_url,
                   .revoke_url = cf->google_revoke_url,
                   .api_url = cf->google_api_url},
    };
    while (s->public_url.n && s->public_url.p[s->public_url.n - 1] == '/')
        s->public_url.n--;
    for (size_t i = 0; i < COUNT(addresses); i++) {
        if (!web_address(addresses[i].value)) {
            snprintf(ret_detail, 200, "%s must be an address with http:// or https://",
                     addresses[i].name);
            return ERR_RANGE;
        }
    }
    bool plain = back.n > 0;
    for (size_t i = 0; i < back.n; i++)
        plain &= back.p[i] > ' ' && back.p[i] < 0x7f;
    if (!plain || (back.p[0] != '/' && !web_address(back))) {
        snprintf(ret_detail, 200, "calendar_return must be a path or an address");
        return ERR_RANGE;
    }
    return seal_init(&s->seal, cf->calendar_key, ret_detail);
}

void calendar_setup_fini(struct calendar_setup *s)
{
    seal_fini(&s->seal);
}

const struct calendar_setup *calendar_setup_of(const struct api_call *c)
{
    return &c->api->calendar;
}

/* ---- reading ---- */

static enum err decode_rows(struct api_call *c, const struct rows *rows, struct calendar_work *w)
{
    /* one more: an upload, or a calendar that is being connected */
    w->turns = arena_new(c->arena, struct calendar_turn, (size_t)rows->count + 1);
    if (!w->turns)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        struct calendar_row *r = &w->turns[i].row;
        r->provider = provider_of(column_str(&v));
        r->name = column_str(&v);
        r->sealed = column_str(&v);
        r->push = column_bool(&v);
        r->marker = column_str(&v);
        r->connected_at = column_time(&v);
        r->synced_at = column_time(&v);
        r->tried_at = column_time(&v);
        r->failure = column_str(&v);
        r->covers_until = column_time(&v);
        r->cut = column_bool(&v);
        ASSERT(r->provider < PROVIDERS); /* the schema checks it */
    }
    w->count = rows->count;
    return ERR_OK;
}

enum err calendar_read(struct api_call *c, struct calendar_look *look, struct calendar_work *ret)
{
    const struct value learner = V_S(c->learner);
    struct query q[LOOK_QUERIES + LOOK_MORE_MAX];
    struct value args[3];
    int32_t n = 2;

    ASSERT(look->more_count <= LOOK_MORE_MAX);
    q[0] = (struct query){
        .stmt = STMT_CALENDAR_LEARNER, .args = &learner, .arg_count = 1, .rows_max = 1};
    q[1] = (struct query){
        .stmt = STMT_CALENDARS_OF, .args = &learner, .arg_count = 1, .rows_max = PROVIDERS};
    if (look->planned)
        calendar_planned_query(&q[n++], args, c->learner,
                               c->now_us - PLANNED_BACK_DAYS * US_PER_DAY,
                               c->now_us + calendar_setup_of(c)->days * US_PER_DAY);
    for (int32_t i = 0; i < look->more_count; i++)
        q[n + i] = look->more[i];
    enum err e = store_read(c->conn, c->arena, q, n + look->more_count, c->deadline_us);
    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < look->more_count; i++)
        look->more[i].rows = q[n + i].rows;
    if (q[0].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "USER_NOT_FOUND", "There is no such learner.");
    const struct value *v = row_at(&q[0].rows, 0);
    *ret = (struct calendar_work){.learner_id = value_i64(&v[0], 0), .learner = c->learner};
    if (zone_get(value_str(&v[1]), &ret->zone) != ERR_OK)
        ret->zone = zone_utc(); /* the zone has gone from the system since it was set */
    e = decode_rows(c, &q[1].rows, ret);
    if (e == ERR_OK && look->planned)
        e = calendar_planned_rows(&q[2].rows, c->arena, &ret->planned, &ret->planned_count);
    return e;
}

enum err calendar_prepare(struct api_call *c, struct calendar_work *w, struct calendar_turn *t,
                          int64_t deadline_us)
{
    const struct calendar_setup *setup = calendar_setup_of(c);
    struct calendar_secret secret = t->sync.secret;

    t->sync = (struct sync){
        .setup = setup,
        .arena = c->arena,
        .learner = w->learner,
        .zone = w->zone,
        .now_us = c->now_us,
        .deadline_us = deadline_us,
        .provider = t->row.provider,
        .push = t->row.push,
        .marker = t->row.marker,
        .covers_until = t->fresh ? TIME_NONE : t->row.covers_until,
        .planned = w->planned,
        .planned_count = w->planned_count,
        .secret = secret,
        .covers_now = TIME_NONE,
    };
    if (t->fresh || !t->row.sealed.p)
        return ERR_OK;
    enum err e = calendar_secret_open(&setup->seal, w->learner, t->row.provider, t->row.sealed,
                                      c->arena, &t->sync.secret);
    if (e == ERR_NOT_CONFIGURED)
        return sync_fault(&t->sync, ERR_NOT_CONFIGURED, "CALENDAR_KEY_MISSING",
                          "What opens the calendar was sealed with a key that is not in the "
                          "setting calendar_key any more.");
    if (e == ERR_UNAUTHORIZED)
        return sync_fault(&t->sync, ERR_CONFLICT, "CALENDAR_LOGIN",
                          "What opens the calendar is damaged; connect it anew.");
    return e;
}

/* ---- writing ---- */

enum { BUSY_COLS = 8, PUSHED_COLS = 5, GONE_COLS = 3 };

static enum err head_bulk(struct api_call *c, const struct calendar_work *w,
                          const struct calendar_turn *t, struct bulk *ret)
{
    const struct sync *s = &t->sync;
    struct value *v = arena_new(c->arena, struct value, 7);

    if (!v)
        return ERR_NOMEM;
    v[0] = V_I(w->learner_id);
    v[1] = V_S(str_from(provider_names[t->row.provider]));
    v[2] = V_I(t->row.connected_at);
    if (t->err != ERR_OK) {
        v[3] = V_I(c->now_us);
        v[4] = V_S(str_from(s->code ? s->code : err_code(t->err)));
        *ret = (struct bulk){.stmt = STMT_CALENDAR_FAILED, .rows = 1, .cols = 5, .v = v};
        return ERR_OK;
    }
    v[3] = v_text(s->marker_now);
    v[4] = V_I(c->now_us);
    v[5] = v_time(s->covers_now);
    v[6] = V_I(s->unchanged || s->partial ? t->row.cut : s->busy.cut);
    *ret = (struct bulk){.stmt = STMT_CALENDAR_SYNCED, .rows = 1, .cols = 7, .v = v};
    return ERR_OK;
}

static enum err put_row(struct api_call *c, struct store_conn *conn, const struct calendar_work *w,
                        const struct calendar_turn *t)
{
    const struct calendar_setup *setup = calendar_setup_of(c);
    struct str sealed = {NULL, 0};
    enum err e = ERR_OK;

    if (t->row.provider != PROVIDER_UPLOAD)
        e = calendar_secret_close(&setup->seal, w->learner, t->row.provider, &t->sync.secret,
                                  c->arena, &sealed);
    if (e != ERR_OK)
        return e;
    const struct value v[] = {
        V_I(w->learner_id),
        V_S(str_from(provider_names[t->row.provider])),
        V_S(utf8_prefix(t->row.name, 512)),
        sealed.p ? V_B(sealed) : V_N,
        V_I(t->row.push),
        V_I(t->row.connected_at),
    };
    struct bulk b = {.stmt = STMT_CALENDAR_PUT, .rows = 1, .cols = COUNT(v), .v = v};
    return store_write(conn, &b, 1);
}

static enum err reseal(struct api_call *c, struct store_conn *conn, const struct calendar_work *w,
                       const struct calendar_turn *t)
{
    struct str sealed;
    enum err e = calendar_secret_close(&calendar_setup_of(c)->seal, w->learner, t->row.provider,
                                       &t->sync.secret, c->arena, &sealed);

    if (e != ERR_OK)
        return e;
    const struct value v[] = {V_I(w->learner_id), V_S(str_from(provider_names[t->row.provider])),
                              V_I(t->row.connected_at), V_B(sealed)};
    struct bulk b = {.stmt = STMT_CALENDAR_RESEAL, .rows = 1, .cols = COUNT(v), .v = v};
    return store_write(conn, &b, 1);
}

/* What was taken out of the calendar before what was put in. */
static enum err write_busy(struct api_call *c, struct store_conn *conn,
                           const struct calendar_work *w, const struct calendar_turn *t)
{
    const struct sync *s = &t->sync;
    struct value id = V_I(w->learner_id), provider = V_S(str_from(provider_names[t->row.provider]));
    const struct value which[] = {id, provider, V_I(c->now_us - US_PER_DAY)};
    struct value *v = arena_new(c->arena, struct value, (size_t)s->busy.count * BUSY_COLS + 1);
    struct value *g = arena_new(c->arena, struct value, (size_t)s->gone_count * GONE_COLS + 1);
    struct bulk bulks[3];
    int32_t n = 0;

    if (!v || !g)
        return ERR_NOMEM;
    bool all = !s->partial && !s->unchanged;
    bulks[n++] = (struct bulk){.stmt = all ? STMT_BUSY_DROP : STMT_BUSY_DROP_PAST,
                               .rows = 1,
                               .cols = all ? 2 : 3,
                               .v = which};
    for (int32_t i = 0; i < s->gone_count; i++) {
        struct value *at = g + (size_t)i * GONE_COLS;
        at[0] = id, at[1] = provider, at[2] = V_S(s->gone[i]);
    }
    if (s->partial && s->gone_count > 0)
        bulks[n++] = (struct bulk){
            .stmt = STMT_BUSY_DROP_EVENT, .rows = s->gone_count, .cols = GONE_COLS, .v = g};
    for (int32_t i = 0; i < s->busy.count; i++) {
        const struct busy_time *b = &s->busy.items[i];
        struct value *at = v + (size_t)i * BUSY_COLS;
        at[0] = id, at[1] = V_I(b->start), at[2] = provider, at[3] = V_S(b->event);
        at[4] = V_I(b->end), at[5] = V_S(b->title);
        at[6] = V_I(b->all_day), at[7] = V_I(b->tentative);
    }
    if (s->busy.count > 0 && !s->unchanged)
        bulks[n++] =
            (struct bulk){.stmt = STMT_BUSY_PUT, .rows = s->busy.count, .cols = BUSY_COLS, .v = v};
    return store_write(conn, bulks, n);
}

static enum err write_pushed(struct api_call *c, struct store_conn *conn,
                             const struct calendar_work *w, const struct calendar_turn *t)
{
    const struct sync *s = &t->sync;
    struct value *v = arena_new(c->arena, struct value, (size_t)s->pushed_count * PUSHED_COLS + 1);

    if (!v)
        return ERR_NOMEM;
    for (int32_t i = 0; i < s->pushed_count; i++) {
        const struct pushed *p = &s->pushed[i];
        struct value *at = v + (size_t)i * PUSHED_COLS;
        at[0] = V_I(w->learner_id), at[1] = V_S(p->plan);
        at[2] = v_text(p->href), at[3] = v_text(p->etag), at[4] = v_time(p->at);
    }
    struct bulk b = {
        .stmt = STMT_PLANNED_PUSHED, .rows = s->pushed_count, .cols = PUSHED_COLS, .v = v};
    return s->pushed_count > 0 ? store_write(conn, &b, 1) : ERR_OK;
}

static enum err write_turn(struct api_call *c, struct store_conn *conn, struct calendar_work *w,
                           struct calendar_turn *t)
{
    struct value id = V_I(w->learner_id);
    struct bulk head;
    enum err e = ERR_OK;

    if (t->fresh)
        e = put_row(c, conn, w, t);
    if (e == ERR_OK && t->fresh && t->row.provider == PROVIDER_CALDAV) {
        /* what was written into the calendar before this one is not in this one */
        struct bulk b = {.stmt = STMT_PLANNED_UNLINK, .rows = 1, .cols = 1, .v = &id};
        e = store_write(conn, &b, 1);
    }
    if (e == ERR_OK)
        e = head_bulk(c, w, t, &head);
    if (e == ERR_OK)
        e = store_write(conn, &head, 1);
    if (e != ERR_OK)
        return e;
    t->lost = head.changed != 1;
    if (t->lost)
        return ERR_OK;
    if (t->sync.secret_changed && !t->fresh)
        e = reseal(c, conn, w, t);
    if (e == ERR_OK && t->err == ERR_OK)
        e = write_busy(c, conn, w, t);
    return e == ERR_OK ? write_pushed(c, conn, w, t) : e;
}

enum err calendar_write(struct api_call *c, struct store_conn *conn, struct calendar_work *w)
{
    const struct value learner = V_S(w->learner);
    struct query q = {
        .stmt = STMT_CALENDAR_LEARNER, .args = &learner, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(conn, c->arena, &q, 1, 0);

    /* Erased, perhaps, since the call began: nothing may be written for a learner who is gone. */
    if (e == ERR_OK && (q.rows.count == 0 || value_i64(row_at(&q.rows, 0), 0) != w->learner_id))
        return api_refuse(c, ERR_NOT_FOUND, "USER_NOT_FOUND", "There is no such learner.");
    for (int32_t i = 0; i < w->count && e == ERR_OK; i++)
        e = write_turn(c, conn, w, &w->turns[i]);
    return e;
}

/* ---- uploads and refusals ---- */

const struct field calendar_interval_fields[] = {
    FIELD(F_TIME, struct calendar_interval, start, "start", .flags = FIELD_REQUIRED,
          .doc = "first instant"),
    FIELD(F_TIME, struct calendar_interval, end, "end", .flags = FIELD_REQUIRED,
          .doc = "first instant after it"),
    FIELD(F_STR, struct calendar_interval, title, "title", .max = BUSY_TITLE_MAX,
          .doc = "what it is"),
    FIELD(F_BOOL, struct calendar_interval, tentative, "tentative", .doc = "not yet certain"),
    FIELD_END,
};

static enum err take_intervals(struct api_call *c, struct sync *s, const struct list *list)
{
    const struct calendar_interval *in = list->p;
    const struct ical_window window = sync_window(s);
    struct ical_reader r;
    char path[48];

    ical_begin(&r, &window, c->arena);
    for (int32_t i = 0; i < list->n; i++) {
        struct busy_time b = {.start = in[i].start,
                              .end = in[i].end,
                              .event = STR("interval"),
                              .title = ical_title(c->arena, in[i].title),
                              .tentative = in[i].tentative};
        snprintf(path, sizeof path, "busy[%d].end", i);
        if (b.end <= b.start)
            return api_bad_field(c, path, "invalid_value", "must lie after the start");
        if (!b.title.p)
            return ERR_NOMEM;
        ical_add_time(&r, &b);
    }
    ical_end(&r, &s->busy);
    s->name = STR("Upload");
    s->covers_now = window.to;
    return ERR_OK;
}

enum err calendar_upload(struct api_call *c, struct calendar_work *w, struct str ical,
                         const struct list *intervals)
{
    struct calendar_turn *t = &w->turns[0];

    w->count = 1;
    *t = (struct calendar_turn){
        .row = {.provider = PROVIDER_UPLOAD, .name = STR("Upload"), .connected_at = c->now_us},
        .fresh = true};
    enum err e = calendar_prepare(c, w, t, 0);
    if (e != ERR_OK)
        return e;
    if (!ical.p)
        return take_intervals(c, &t->sync, intervals);
    if (ical.n > calendar_setup_of(c)->bytes_max)
        return api_bad_field(c, "ical", "too_big", "must be at most %zu bytes",
                             calendar_setup_of(c)->bytes_max);
    e = sync_upload(&t->sync, ical);
    if (e == ERR_UNPROCESSABLE) {
        api_bad_field(c, "ical", "invalid_format", "%.150s", t->sync.reason);
        return api_refuse(c, e, t->sync.code, "%s", t->sync.reason);
    }
    return e;
}

enum err calendar_refuse(struct api_call *c, const struct calendar_turn *t)
{
    if (!t->sync.code)
        return t->err;
    return api_refuse(c, t->err, t->sync.code, "%s", t->sync.reason);
}
