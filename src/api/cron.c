/* cron - a scheduler elsewhere starts the nights that are due, and sees how they stand.
 *
 * The work is the night thread's: a call wakes it, and never does a learner's night itself. Without
 * any call it looks every half minute on its own. Only an administrator's key may, or the bearer of
 * the setting cron_secret; where that is empty, no secret will do. */
#include "api/call.h"
#include "night/night.h"

#include <openssl/crypto.h>

enum { RECENT_DAYS = 7 };

struct cron_results {
    int64_t total, due, recent, skipped, thin, rate_limited, notifications;
    int64_t done, failed, behind_s; /* of this process */
};
static const struct field results_fields[] = {
    FIELD(F_I64, struct cron_results, total, "totalUsers", .doc = "learners who allow analysis"),
    FIELD(F_I64, struct cron_results, recent, "analyzed",
          .doc = "those whose sessions were looked through within the last 7 days"),
    FIELD(F_I64, struct cron_results, due, "due",
          .doc = "those whose night has come and is not done"),
    FIELD(F_I64, struct cron_results, skipped, "skipped", .doc = "those who are not due"),
    FIELD(F_I64, struct cron_results, thin, "insufficientData",
          .doc = "those who never had anything to look through"),
    FIELD(F_I64, struct cron_results, rate_limited, "rateLimited", .flags = FIELD_NULLABLE,
          .doc = "null: nights are not limited"),
    FIELD(F_I64, struct cron_results, failed, "errors", .flags = FIELD_NULLABLE,
          .doc = "nights that failed since this process began; null: it does no nights"),
    FIELD(F_I64, struct cron_results, notifications, "notifications", .flags = FIELD_NULLABLE,
          .doc = "null: none are sent"),
    FIELD(F_I64, struct cron_results, done, "nightsDone", .flags = FIELD_NULLABLE,
          .doc = "since this process began"),
    FIELD(F_I64, struct cron_results, behind_s, "behindSeconds", .flags = FIELD_NULLABLE,
          .doc = "how long the last one waited past its time"),
    FIELD_END,
};
struct cron_reply {
    bool success;
    struct str message;
    int64_t timestamp;
    struct cron_results results;
};
static const struct field cron_reply[] = {
    FIELD(F_BOOL, struct cron_reply, success, "success", .doc = "true"),
    FIELD(F_STR, struct cron_reply, message, "message", .doc = "for people"),
    FIELD(F_TIME, struct cron_reply, timestamp, "timestamp", .doc = "now"),
    FIELD(F_OBJECT, struct cron_reply, results, "results", .sub = results_fields,
          .size = sizeof(struct cron_results), .doc = "how the nights stand at this moment"),
    FIELD_END,
};

static bool bears_secret(const struct api_call *c)
{
    struct str secret = c->api->config->cron_secret, scheme = STR("Bearer ");
    struct str given = http_header_get(&c->x->request, STR("authorization"));

    if (secret.n < CRON_SECRET_MIN || given.n != scheme.n + secret.n)
        return false;
    return str_eq_nocase((struct str){given.p, scheme.n}, scheme) &&
           CRYPTO_memcmp(given.p + scheme.n, secret.p, secret.n) == 0;
}

static enum err may(struct api_call *c)
{
    const struct http_request *rq = &c->x->request;
    struct auth *auth = c->api->options.auth;
    struct principal who = {0};
    const char *reason = NULL;

    if (bears_secret(c))
        return ERR_OK;
    enum err e = auth_check(auth, rq, c->now_us, c->arena, &who, &reason);
    if (e == ERR_NOT_FOUND)
        e = auth_check_store(auth, c->conn, rq, c->now_us, c->arena, &who, &reason);
    if (e == ERR_NOT_FOUND || e == ERR_UNAUTHORIZED)
        return api_refuse(c, ERR_UNAUTHORIZED, NULL, "%s",
                          reason ? reason : err_text(ERR_UNAUTHORIZED));
    if (e == ERR_OK && !(who.scopes & SCOPE_ADMIN))
        return api_refuse(c, ERR_FORBIDDEN, NULL, "This call needs the scope admin.");
    return e;
}

static enum err state(struct api_call *c, struct cron_reply **ret)
{
    const struct value args[] = {V_I(c->now_us), V_I(c->now_us - RECENT_DAYS * US_PER_DAY)};
    struct query q = {.stmt = STMT_CRON_STATE, .args = args, .arg_count = 2, .rows_max = 1};
    struct cron_reply *r = arena_new(c->arena, struct cron_reply, 1);
    enum err e = r ? may(c) : ERR_NOMEM;

    if (e == ERR_OK)
        e = store_read(c->conn, c->arena, &q, 1, c->deadline_us);
    if (e != ERR_OK)
        return e;
    const struct value *v = row_at(&q.rows, 0);
    struct cron_results *s = &r->results;
    s->total = value_i64(&v[0], 0);
    s->due = value_i64(&v[1], 0);
    s->recent = value_i64(&v[2], 0);
    s->thin = s->total > value_i64(&v[3], 0) ? s->total - value_i64(&v[3], 0) : 0;
    s->skipped = s->total - s->due;
    s->rate_limited = s->notifications = s->done = s->failed = s->behind_s = INT64_MIN;
    if (c->api->options.night) {
        struct night_stats stats;
        night_stats(c->api->options.night, &stats);
        s->done = stats.learners;
        s->failed = stats.failed;
        s->behind_s = stats.behind_us / US_PER_S;
    }
    r->success = true;
    r->timestamp = c->now_us;
    *ret = r;
    return ERR_OK;
}

static enum err get_cron(struct api_call *c)
{
    struct cron_reply *r;
    enum err e = state(c, &r);

    if (e != ERR_OK)
        return e;
    r->message = !c->api->options.night ? STR("This process does no nights.")
                 : r->results.due > 0   ? STR("Some learners wait for their night.")
                                        : STR("No learner is due.");
    c->reply = r;
    return ERR_OK;
}

static enum err post_cron(struct api_call *c)
{
    struct cron_reply *r;
    enum err e = state(c, &r);

    if (e != ERR_OK)
        return e;
    if (!c->api->options.night)
        return api_refuse(c, ERR_CONFLICT, "NIGHTS_OFF",
                          "This process does no nights: the setting night is off.");
    night_look(c->api->options.night);
    r->message = r->results.due > 0 ? STR("The nights that are due have begun.")
                                    : STR("No learner is due; nothing was begun.");
    c->reply = r;
    return ERR_OK;
}

#define ONE(e) (UINT64_C(1) << (e))
#define CRON                                                                                \
    .path = "/api/cron/weekly-pattern-analysis", .tag = "operate", .learner = LEARNER_NONE, \
    .reply = cron_reply, .envelope = ENVELOPE_BARE, .run = RUN_SLOW, .round_trips = 2

const struct endpoint endpoints_cron[] = {
    {CRON, .method = HTTP_GET, .id = "get_cron_nights",
     .summary = "How the nights stand; with cron_secret or an administrator's key",
     .cache = {.why_none = "it tells the state of this moment"},
     .errors = ONE(ERR_UNAUTHORIZED) | ONE(ERR_FORBIDDEN), .handler = get_cron},
    {CRON, .method = HTTP_POST, .id = "start_cron_nights", .status = 202,
     .summary = "Start the nights that are due; with cron_secret or an administrator's key",
     .errors = ONE(ERR_UNAUTHORIZED) | ONE(ERR_FORBIDDEN) | ONE(ERR_CONFLICT),
     .handler = post_cron},
    {.path = NULL},
};
