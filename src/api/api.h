/* api - the endpoints: one row each, thin handlers behind them.
 *
 * The row drives routing, decoding and bounds, rights, deadline, cache policy, metrics, and
 * /openapi.json. A handler gets decoded input, makes at most row->round_trips calls of the store,
 * and fills the reply struct that row->reply describes; the dispatcher prints and sends it. */
#pragma once
#include "auth/auth.h"
#include "ingest/ingest.h"
#include "json/field.h"
#include "json/writer.h"

struct api;
struct api_call;
struct config;

enum { CRON_SECRET_MIN = 16 /* bytes of the setting; what is shorter may be guessed */ };

enum api_learner {
    LEARNER_NONE,  /* not about one learner */
    LEARNER_QUERY, /* `userId` in the query: optional for a learner's own key, which it must equal
                    */
    LEARNER_BODY,  /* the same in the body */
};

enum api_envelope {
    ENVELOPE_DATA, /* {"success":true,"data":{…}} */
    ENVELOPE_FLAT, /* {"success":true, …} */
    ENVELOPE_BARE, /* {…} */
    ENVELOPE_LIST, /* […]: the reply's first member, which is a list */
    ENVELOPE_RAW,  /* the handler wrote the body itself, of row->media */
};

enum api_run {
    RUN_LOOP,   /* no store, no waiting: on the loop */
    RUN_SMALL,  /* indexed, bounded reads: on the loop when the store is embedded, else on a worker
                 */
    RUN_WORKER, /* may block */
    RUN_SLOW,   /* may block for long: the slow lane */
};

/* Does the second tier pay? A warm read of the embedded store is cheaper than asking Redis. */
enum cache_l2 {
    CACHE_L2_REMOTE, /* when the store is another server's */
    CACHE_L2_ALWAYS, /* the answer costs more than a few reads */
    CACHE_L2_NEVER
};

/* How answers may be kept: nothing unless fresh_s > 0. Every answer is tagged with its row, and
 * with the learner it is about. */
struct cache_policy {
    int32_t fresh_s, stale_s; /* fresh for; then served old while one caller refreshes */
    enum cache_l2 l2;
    bool settled;         /* in the second tier: mostly made of what events do not change */
    bool shared;          /* true: public (the same for everybody); false: private */
    const char *why_none; /* when fresh_s is 0 on a GET: the reason */
};

struct endpoint {
    enum http_method method;
    const char *path;    /* "/api/learning/sessions/{id}" */
    const char *id;      /* operationId, metric label, name in the log */
    const char *tag;     /* family, for the docs */
    const char *summary; /* one line */
    uint32_t scopes;     /* any of these; 0: open to all */
    enum api_learner learner;
    const struct field *params; /* path parameters in order; F_STR or F_I64, into `in` */
    const struct field *query;  /* into `in` */
    const struct field *body;   /* JSON object, into `in`; NULL: no body */
    bool body_optional;
    bool body_raw; /* the handler reads call->x->request.body itself; `body` only documents */
    size_t in_size;
    const struct field *reply; /* of the struct at call->reply; NULL: 204, or ENVELOPE_RAW */
    int32_t status;            /* of success; 0: 200 */
    enum api_envelope envelope;
    enum json_names_as
        names;         /* of the reply; unless as they are, input may come in snake case, too */
    const char *media; /* ENVELOPE_RAW: content type */
    const char *media_other; /* of another form that a parameter asks for; NULL: there is none */
    enum api_run run;
    int32_t round_trips;                   /* budget, <= 3; a test fails above it */
    int32_t deadline_ms;                   /* 0: the setting's */
    size_t body_max, arena_max, reply_max; /* 0: the settings' */
    struct cache_policy cache;
    bool repeats; /* listens to Idempotency-Key: idempotency.h. About a learner, and no body_raw */
    uint64_t errors; /* bit set of enum err beside 400, 401, 403, 429, 500, 503: documented */
    enum err (*handler)(struct api_call *call);
};

/* What a handler says of a refusal beyond its code. */
struct problem {
    struct field_error field; /* path "" when no field is at fault */
    char detail[240];         /* for a person; "" = the code's own text */
    const char *code;         /* machine code if not the error's own; static text */
};

struct api_call {
    struct http_exchange *x;
    struct arena *arena;
    const struct endpoint *row;
    struct api *api;
    struct store_conn *conn; /* NULL for RUN_LOOP */
    struct principal who;
    struct str learner; /* external id whom the call is about; {NULL,0} with LEARNER_NONE */
    void *in;           /* row->in_size bytes, decoded */
    void *reply;        /* set by the handler */
    int32_t status;     /* set by the handler where it differs from the row's */
    struct problem problem;
    int64_t now_us;         /* UTC, one reading per call */
    int64_t valid_until_us; /* UTC; what the handler knows to end the answer's truth (the learner's
                               day); 0: nothing */
    bool ages;              /* it changes as time goes by: answer_ages() */
    uint32_t reads;         /* STMT_GROUP_*: beside what the statements say; learner_totals() */
    int64_t deadline_us;    /* monotonic */
    bool streaming;         /* by api_stream_begin(): the dispatcher ends the stream */
    bool pending;           /* the handler has handed on; api_resume() or api_finish() follows */
    struct api_continuation *then;
};

/* Returned with ERR_RANGE: names the field. For handlers' own checks. */
enum err api_bad_field(struct api_call *c, const char *path, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Any refusal with a text for people (and a machine code of its own, or NULL). */
enum err api_refuse(struct api_call *c, enum err e, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* May the caller see or change this learner? ERR_NOT_FOUND if not (never 403 for rows). */
MUST_CHECK enum err api_may_see(const struct api_call *c, struct str learner);

/* The head of a reply whose length is not known; RUN_WORKER and RUN_SLOW rows with ENVELOPE_RAW.
 * Then http_stream_write(); the dispatcher ends it when the handler returns, and cuts the
 * connection off if that is not with ERR_OK. media: static text. */
MUST_CHECK enum err api_stream_begin(struct api_call *c, const char *media);

/* Hands events to ingest; `then` runs after the commit, where a handler of this row runs (with a
 * store connection), and reads its own write. Return its value from the handler. Results stay valid
 * until the call ends. */
enum err api_ingest(struct api_call *c, const struct event *events, int32_t count,
                    enum err (*then)(struct api_call *c, const struct ingest_result *results,
                                     int32_t count));
/* The same for a change that is not an event: run() in a writer's transaction, then `then`. */
enum err api_change(struct api_call *c,
                    enum err (*run)(struct api_call *c, struct store_conn *conn),
                    enum err (*then)(struct api_call *c));
/* The same for a change that is not what the call is for: `then` runs whether or not it succeeded,
 * and a failure is only logged. */
enum err api_change_beside(struct api_call *c,
                           enum err (*run)(struct api_call *c, struct store_conn *conn),
                           enum err (*then)(struct api_call *c));

/* The tables, by family; each ends in a row without a path. */
extern const struct endpoint endpoints_comprehension[], endpoints_advice[], endpoints_foresight[],
    endpoints_articles[], endpoints_model_admin[], endpoints_cron[], endpoints_load_calculate[],
    endpoints_load_history[], endpoints_burnout[];
extern const struct endpoint endpoints_events[], endpoints_analytics[], endpoints_load[],
    endpoints_sessions[], endpoints_patterns[], endpoints_goals[], endpoints_recommendations[],
    endpoints_calendar[], endpoints_user[], endpoints_cache[], endpoints_operate[],
    endpoints_predictions[], endpoints_interventions[], endpoints_relief[];
extern const struct endpoint endpoints_personalization[];
extern const struct endpoint endpoints_missions[], endpoints_mission_history[],
    endpoints_mission_feedback[], endpoints_mission_analytics[];
extern const struct endpoint endpoints_stress[], endpoints_warning[], endpoints_cohort[],
    endpoints_course_risk[];
extern const struct endpoint endpoints_correlation[], endpoints_summaries[];
extern const struct endpoint endpoints_schedule[], endpoints_session_plan[],
    endpoints_plan_effect[], endpoints_exams[];
extern const struct endpoint endpoints_search[];
extern const struct endpoint endpoints_objectives[], endpoints_performance[],
    endpoints_priorities[];
/* All of them, in order of the documents. */
extern const struct endpoint *const endpoint_families[]; /* ends in NULL */

struct night;
struct workers;
struct tiers;
struct api_options {
    const struct config *config;
    struct tiers *tiers; /* the cache; borrowed */
    struct store *store;
    struct ingest *ingest;
    struct auth *auth;
    struct night *night;     /* NULL: no nightly analysis in this process */
    struct weights *weights; /* borrowed; NULL: none are kept (night/weights.h) */
};
MUST_CHECK enum err api_new(const struct api_options *options, struct api **ret, char *ret_detail);
/* The callbacks for the HTTP server; user = api. */
extern const struct http_app api_http_app;
/* Before http_server_start(): the server, for its counters. */
void api_set_server(struct api *a, struct http_server *s);
void api_drain(struct api *a); /* refuse readiness, so that balancers turn away */
/* After ingest_stop(): finishes the calls that are at work; later ones are refused. Idempotent.
 * What outlived the server's patience still ends in http_server_free(), and needs the api for that.
 */
void api_stop(struct api *a);
void api_free(struct api *a); /* after http_server_free(); NULL is fine */

void openapi_write(struct json_writer *w); /* the whole document, from the tables */
