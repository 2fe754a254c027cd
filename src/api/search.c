/* search - what a learner searches for, and whether it is found.
 *
 * Searches and clicks are events; ingest keeps sums by day, so that any window is a few hundred
 * rows. A click-through rate is the share of searches of which a result was opened, never above 1.
 * A place's rate is over the searches that showed that place; early places are looked at more
 * (position bias), so places tell of the list and not of the results. */
#include "ingest/search.h"
#include "api/learner.h"
#include "base/assert.h"
#include "twin/histogram.h"
#include "json/reader.h"

#include <math.h>
#include <stdlib.h>

enum { TOP_MAX = 10 };

/* ---- GET search/analytics ---- */

struct window_query {
    int32_t days;
};
static const struct field window_query[] = {
    FIELD(F_I32, struct window_query, days, "timeWindowDays", .min = 1, .max = 365, .def = "30",
          .doc = "local days up to today"),
    FIELD_END,
};

struct popular {
    struct str query;
    int64_t count, clicks, last_at, known;
    double results;
};
static const struct field popular_fields[] = {
    FIELD(F_STR, struct popular, query, "query",
          .doc = "blanks single, a to z small, at most 200 bytes"),
    FIELD(F_I64, struct popular, count, "count", .doc = "searches"),
    FIELD(F_F64, struct popular, results, "avgResults", .flags = FIELD_NULLABLE, .min = 0,
          .doc = "mean number of results; null: not told"),
    FIELD(F_I64, struct popular, clicks, "clicks", .doc = "results opened"),
    FIELD(F_TIME, struct popular, last_at, "lastSearched", .doc = "latest of it"),
    FIELD_END,
};
static const struct field zero_fields[] = {
    FIELD(F_STR, struct popular, query, "query", .doc = "as above"),
    FIELD(F_I64, struct popular, count, "count", .doc = "searches without a result"),
    FIELD(F_TIME, struct popular, last_at, "lastSearched", .doc = "latest of it"),
    FIELD_END,
};
struct place_ctr {
    int64_t position, clicks, shown;
    double ctr;
    const struct interval *interval;
};
static const struct field place_fields[] = {
    FIELD(F_I64, struct place_ctr, position, "position", .min = 1, .max = SEARCH_PLACES,
          .doc = "from 1"),
    FIELD(F_I64, struct place_ctr, clicks, "clicks", .doc = "results opened there"),
    FIELD(F_I64, struct place_ctr, shown, "impressions", .doc = "searches that showed this place"),
    FIELD(F_F64, struct place_ctr, ctr, "ctr", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "clicks a search that showed it, at most 1; null: none did, as far as was told"),
    FIELD(F_OBJECT, struct place_ctr, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %, Wilson"),
    FIELD_END,
};
struct ctr {
    double overall;
    const struct interval *interval;
    int64_t searches, clicks, opened;
    struct list places;
};
static const struct field ctr_fields[] = {
    FIELD(F_F64, struct ctr, overall, "overallCTR", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "searches of which a result was opened, of all; null without a search"),
    FIELD(F_OBJECT, struct ctr, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %, Wilson"),
    FIELD(F_I64, struct ctr, opened, "searchesWithClick", .doc = "of which a result was opened"),
    FIELD(F_LIST, struct ctr, places, "byPosition", .sub = place_fields,
          .size = sizeof(struct place_ctr), .max = SEARCH_PLACES,
          .doc = "places that were shown or opened"),
    FIELD(F_I64, struct ctr, searches, "totalSearches", .doc = "searches"),
    FIELD(F_I64, struct ctr, clicks, "totalClicks", .doc = "results opened"),
    FIELD_END,
};
struct speed {
    double mean, results, p95;
    const struct interval *interval;
    int64_t searches, n;
};
static const struct field speed_fields[] = {
    FIELD(F_F64, struct speed, mean, "avgResponseTimeMs", .flags = FIELD_NULLABLE, .min = 0,
          .doc = "mean; null: not told"),
    FIELD(F_F64, struct speed, results, "avgResultsPerQuery", .flags = FIELD_NULLABLE, .min = 0,
          .doc = "mean; null: not told"),
    FIELD(F_I64, struct speed, searches, "totalSearches", .doc = "searches"),
    FIELD(F_F64, struct speed, p95, "p95ResponseTimeMs", .flags = FIELD_NULLABLE, .min = 0,
          .doc = "nineteen of twenty are faster; to within a thirtieth"),
    FIELD(F_OBJECT, struct speed, interval, "p95Interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval),
          .doc = "95 %, by ranks; null: too few times to tell"),
    FIELD(F_I64, struct speed, n, "n", .doc = "searches whose time was told"),
    FIELD_END,
};
struct analytics {
    struct list popular, zero;
    struct ctr ctr;
    struct speed speed;
    int32_t days;
    int64_t generated_at;
    struct str reason;
};
static const struct field analytics_reply[] = {
    FIELD(F_LIST, struct analytics, popular, "popularSearches", .sub = popular_fields,
          .size = sizeof(struct popular), .max = TOP_MAX, .doc = "the most frequent first"),
    FIELD(F_LIST, struct analytics, zero, "zeroResultQueries", .sub = zero_fields,
          .size = sizeof(struct popular), .max = TOP_MAX, .doc = "the most frequent first"),
    FIELD(F_OBJECT, struct analytics, ctr, "ctrAnalytics", .sub = ctr_fields,
          .size = sizeof(struct ctr), .doc = "are results opened?"),
    FIELD(F_OBJECT, struct analytics, speed, "performanceMetrics", .sub = speed_fields,
          .size = sizeof(struct speed), .doc = "how quick, and how much"),
    FIELD(F_I32, struct analytics, days, "timeWindowDays", .doc = "as asked"),
    FIELD(F_TIME, struct analytics, generated_at, "generatedAt", .doc = "when this was worked out"),
    FIELD(F_STR, struct analytics, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no figures"),
    FIELD_END,
};

static double mean(int64_t sum, int64_t n)
{
    return n > 0 ? round_to((double)sum / (double)n, 2) : (double)NAN;
}

/* k of n with its interval; more clicks than searches count as as many. */
static enum err rate(struct api_call *c, int64_t k, int64_t n, double *ret,
                     const struct interval **ret_interval)
{
    k = k < n ? k : n;
    *ret = n > 0 ? round_to((double)k / (double)n, 4) : (double)NAN;
    if (n <= 0)
        return ERR_OK;
    struct interval w = stats_wilson((double)k, (double)n, STATS_Z95);
    *ret_interval =
        interval_new(c->arena, (struct interval){round_to(w.low, 4), round_to(w.high, 4)});
    return *ret_interval ? ERR_OK : ERR_NOMEM;
}

static enum err popular_read(struct api_call *c, const struct rows *rows, bool zero,
                             struct list *ret)
{
    struct popular *p = arena_new(c->arena, struct popular, (size_t)rows->count + 1);

    if (!p)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        p[i].query = column_str(&v);
        p[i].count = column_i64(&v, 0);
        if (!zero) {
            p[i].known = column_i64(&v, 0);
            p[i].results = mean(column_i64(&v, 0), p[i].known);
            p[i].clicks = column_i64(&v, 0);
        }
        p[i].last_at = column_time(&v);
    }
    *ret = (struct list){p, rows->count};
    return ERR_OK;
}

/* A search that showed twenty results showed the first place, too. */
static enum err places_read(struct api_call *c, const struct rows *shown, const struct rows *opened,
                            struct list *ret)
{
    struct place_ctr *p = arena_new(c->arena, struct place_ctr, SEARCH_PLACES);
    int64_t seen[SEARCH_PLACES + 1] = {0}, clicks[SEARCH_PLACES + 1] = {0}, at;
    enum err e = p ? ERR_OK : ERR_NOMEM;

    for (int32_t i = 0; i < shown->count; i++)
        if (str_to_i64(value_str(row_at(shown, i)), &at) == ERR_OK && at >= 1 &&
            at <= SEARCH_PLACES)
            for (int64_t k = 1; k <= at; k++)
                seen[k] += value_i64(&row_at(shown, i)[1], 0);
    for (int32_t i = 0; i < opened->count; i++)
        if (str_to_i64(value_str(row_at(opened, i)), &at) == ERR_OK && at >= 1 &&
            at <= SEARCH_PLACES)
            clicks[at] += value_i64(&row_at(opened, i)[2], 0);
    ret->p = p;
    for (int32_t k = 1; e == ERR_OK && k <= SEARCH_PLACES; k++) {
        if (seen[k] == 0 && clicks[k] == 0)
            continue;
        struct place_ctr *one = &p[ret->n++];
        *one = (struct place_ctr){.position = k, .clicks = clicks[k], .shown = seen[k]};
        e = rate(c, clicks[k], seen[k], &one->ctr, &one->interval);
    }
    return e;
}

static int by_bucket(const void *pa, const void *pb)
{
    const struct histogram_count *a = pa, *b = pb;
    return (a->bucket > b->bucket) - (a->bucket < b->bucket);
}

static enum err speed_read(struct api_call *c, const struct rows *rows, struct speed *s)
{
    struct histogram_count *h =
        arena_new(c->arena, struct histogram_count, (size_t)rows->count + 1);
    int32_t n = 0;
    int64_t bucket;

    if (!h)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++)
        if (str_to_i64(value_str(row_at(rows, i)), &bucket) == ERR_OK && bucket >= 0 &&
            bucket < HISTOGRAM_BUCKETS)
            h[n++] = (struct histogram_count){(int32_t)bucket, value_i64(&row_at(rows, i)[1], 0)};
    qsort(h, (size_t)n, sizeof *h, by_bucket);
    s->p95 = round_to(histogram_quantile(h, n, 0.95), 1);
    struct interval i = histogram_interval(h, n, 0.95);
    if (isnan(i.low) || isnan(i.high))
        return ERR_OK;
    s->interval =
        interval_new(c->arena, (struct interval){round_to(i.low, 1), round_to(i.high, 1)});
    return s->interval ? ERR_OK : ERR_NOMEM;
}

enum { Q_TOTALS = 1, Q_POPULAR, Q_ZERO, Q_SHOWN, Q_TIME, Q_PLACE, Q_OPENED, QUERIES };

static enum err window_show(struct api_call *c, const struct query q[QUERIES], struct analytics *r)
{
    struct columns v = columns_of(&q[Q_TOTALS].rows, 0);

    r->ctr.searches = r->speed.searches = column_i64(&v, 0);
    int64_t known = column_i64(&v, 0);
    r->speed.results = mean(column_i64(&v, 0), known);
    column_i64(&v, 0); /* without a result */
    r->ctr.clicks = column_i64(&v, 0);
    r->speed.n = column_i64(&v, 0);
    r->speed.mean = mean(column_i64(&v, 0), r->speed.n);
    r->ctr.opened = value_i64(row_at(&q[Q_OPENED].rows, 0), 0);
    enum err e = rate(c, r->ctr.opened, r->ctr.searches, &r->ctr.overall, &r->ctr.interval);
    if (e == ERR_OK)
        e = popular_read(c, &q[Q_POPULAR].rows, false, &r->popular);
    if (e == ERR_OK)
        e = popular_read(c, &q[Q_ZERO].rows, true, &r->zero);
    if (e == ERR_OK)
        e = places_read(c, &q[Q_SHOWN].rows, &q[Q_PLACE].rows, &r->ctr.places);
    return e == ERR_OK ? speed_read(c, &q[Q_TIME].rows, &r->speed) : e;
}

/* The learner's zone is read first: a window of local days is asked for exactly. */
static enum err get_search_analytics(struct api_call *c)
{
    const struct window_query *in = c->in;
    struct analytics *r = arena_new(c->arena, struct analytics, 1);
    struct value args[QUERIES][4];
    static const struct {
        enum stmt stmt;
        enum search_kind kind;
        int32_t limit;
    } parts[QUERIES] = {
        [Q_TOTALS] = {STMT_SEARCH_TOTALS, SEARCH_ALL, 0},
        [Q_POPULAR] = {STMT_SEARCH_POPULAR, SEARCH_QUERY, TOP_MAX},
        [Q_ZERO] = {STMT_SEARCH_ZERO, SEARCH_QUERY, TOP_MAX},
        [Q_SHOWN] = {STMT_SEARCH_COUNTS, SEARCH_SHOWN, 0},
        [Q_TIME] = {STMT_SEARCH_COUNTS, SEARCH_TIME, 0},
        [Q_PLACE] = {STMT_SEARCH_COUNTS, SEARCH_PLACE, 0},
        [Q_OPENED] = {STMT_SEARCH_OPENED, SEARCH_OPENED, 0},
    };
    struct query head[1], q[QUERIES];
    struct learner l;
    enum err e = r ? learner_read(c, head, 1, &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    for (int32_t i = 1; i < QUERIES; i++) {
        int32_t slot = (int32_t)parts[i].kind * SEARCH_SLOTS + l.today;
        args[i][0] = V_S(c->learner);
        args[i][1] = V_I(slot - in->days + 1);
        args[i][2] = V_I(slot);
        args[i][3] = V_I(parts[i].limit);
        q[i] = (struct query){
            .stmt = parts[i].stmt, .args = args[i], .arg_count = parts[i].limit ? 4 : 3};
    }
    e = store_read(c->conn, c->arena, q + 1, QUERIES - 1, c->deadline_us);
    if (e == ERR_OK)
        e = window_show(c, q, r);
    r->days = in->days;
    r->generated_at = c->now_us;
    if (!l.analysis)
        r->reason = reason_disabled;
    else if (r->ctr.searches == 0)
        r->reason = STR("Nothing was searched in these days.");
    c->reply = r;
    return e;
}

/* ---- POST search/clicks ---- */

struct click_in {
    struct str user_id, search, query, result, type;
    int32_t position;
    double similarity;
    bool similarity_given;
    struct event event;
};
static const struct field click_body[] = {
    FIELD_USER_ID(struct click_in),
    FIELD(F_STR, struct click_in, search, "searchQueryId", .flags = FIELD_NULLABLE, .min = 1,
          .max = EVENT_ID_MAX, .doc = "id of the search event; this or query is needed"),
    FIELD(F_STR, struct click_in, query, "query", .flags = FIELD_NULLABLE, .min = 1, .max = 4000,
          .doc = "what was searched; known by the search where that is named"),
    FIELD(F_STR, struct click_in, result, "resultId", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "what was opened"),
    FIELD(F_STR, struct click_in, type, "resultType", .flags = FIELD_NULLABLE, .min = 1, .max = 64,
          .doc = "its kind: lecture, objective, card ..."),
    FIELD(F_I32, struct click_in, position, "position", .flags = FIELD_REQUIRED, .min = 1,
          .max = 1e6, .doc = "its place among the results, from 1"),
    FIELD(F_F64, struct click_in, similarity, "similarity", .min = -1, .max = 1,
          .seen = 1 + (uint32_t)offsetof(struct click_in, similarity_given),
          .doc = "how alike the search thought it"),
    FIELD_END,
};
struct clicked {
    bool recorded;
    struct str id;
    int64_t at;
};
static const struct field clicked_reply[] = {
    FIELD(F_BOOL, struct clicked, recorded, "recorded", .doc = "true"),
    FIELD(F_STR, struct clicked, id, "id", .doc = "of the event"),
    FIELD(F_TIME, struct clicked, at, "timestamp", .doc = "now"),
    FIELD_END,
};

static enum err click_kept(struct api_call *c, const struct ingest_result *results, int32_t n)
{
    struct clicked *r = arena_new(c->arena, struct clicked, 1);

    (void)n;
    if (!r)
        return ERR_NOMEM;
    if (results[0].status == INGEST_REJECTED)
        return event_refused(c, &results[0]);
    *r = (struct clicked){true, results[0].id, c->now_us};
    c->reply = r;
    return ERR_OK;
}

/* The query of a search event; {NULL,0}: it told none. */
static enum err query_of(struct api_call *c, struct str data, struct str *ret)
{
    struct json_reader r;
    struct str name;

    *ret = (struct str){NULL, 0};
    if (!data.p)
        return ERR_OK;
    json_reader_init(&r, data, c->arena, 32);
    if (json_peek(&r) != JSON_OBJECT || !json_object_begin(&r))
        return ERR_OK;
    while (json_next_member(&r, &name)) {
        if (!str_eq(name, STR("query")) || json_peek(&r) != JSON_STRING)
            json_skip(&r, NULL);
        else if (!json_read_str(&r, ret))
            break;
    }
    return r.err == ERR_NOMEM ? ERR_NOMEM : ERR_OK;
}

static struct str click_data(struct api_call *c, const struct click_in *in)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, EVENT_DATA_MAX);
    json_writer_init(&w, &b);
    json_object(&w);
    if (in->search.p)
        json_kv_str(&w, "search", in->search);
    if (in->query.p)
        json_kv_str(&w, "query", in->query);
    json_kv_str(&w, "resultId", in->result);
    if (in->type.p)
        json_kv_str(&w, "resultType", in->type);
    json_kv_i64(&w, "position", in->position);
    if (in->similarity_given)
        json_kv_f64(&w, "similarity", in->similarity);
    json_object_end(&w);
    struct str text = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

static enum err post_click(struct api_call *c)
{
    struct click_in *in = c->in;
    const struct value args[] = {V_S(c->learner), v_text(in->search)};
    struct query q[2] = {[1] = {.stmt = STMT_SEARCH_EVENT, .args = args, .arg_count = 2}};
    struct learner l;

    if (!in->search.p && !in->query.p)
        return api_bad_field(c, "searchQueryId", "missing", "or query is required");
    enum err e = learner_read(c, q, 2, &l);
    if (e == ERR_OK && in->search.p && q[1].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "SEARCH_NOT_FOUND",
                          "There is no such search of this learner.");
    if (e == ERR_OK && in->search.p)
        e = query_of(c, value_str(&row_at(&q[1].rows, 0)[1]), &in->query);
    if (e != ERR_OK)
        return e;
    event_init(&in->event);
    in->event.learner = c->learner;
    in->event.at = c->now_us;
    in->event.kind = EVENT_SEARCH_CLICK;
    in->event.data = click_data(c, in);
    return in->event.data.p ? api_ingest(c, &in->event, 1, click_kept) : ERR_NOMEM;
}

#define SEARCH .tag = "search", .envelope = ENVELOPE_DATA, .run = RUN_SMALL

const struct endpoint endpoints_search[] = {
    {SEARCH, .method = HTTP_GET, .path = "/api/search/analytics", .id = "get_search_analytics",
     .summary = "What the learner searches for, and whether it is found", .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY, .query = window_query, .in_size = sizeof(struct window_query),
     .reply = analytics_reply, .round_trips = 2, .cache = {.fresh_s = 300, .stale_s = 1800},
     .errors = UINT64_C(1) << ERR_NOT_FOUND, .handler = get_search_analytics},
    {SEARCH, .method = HTTP_POST, .path = "/api/search/clicks", .id = "post_search_click",
     .summary = "Tell that a search result was opened", .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY, .body = click_body, .in_size = sizeof(struct click_in),
     .reply = clicked_reply, .status = 201, .round_trips = 1, .repeats = true,
     .errors = UINT64_C(1) << ERR_NOT_FOUND, .handler = post_click},
    {.path = NULL},
};
