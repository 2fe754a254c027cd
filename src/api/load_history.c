/* load_history - GET analytics/cognitive-load/history: load over time, and overload. */
#include "api/load_view.h"
#include "api/overload.h"
#include "api/strain.h"
#include "base/assert.h"

#include <math.h>
#include <stdlib.h>

enum {
    SAMPLES_MAX = 20000, /* read for one history */
    SESSIONS_MAX = 1000,
    POINTS_MAX = 1000, /* returned by one history */
    EPISODES_MAX = 200,
};

static const char *const grain_names[] = {"raw", "hour", "day", "week", NULL};

struct history_query {
    int64_t start, end;
    bool start_given, end_given;
    int32_t grain;
};
static const struct field history_query[] = {
    FIELD(F_TIME, struct history_query, start, "startDate", .flags = FIELD_DATE_OK,
          .seen = 1 + (uint32_t)offsetof(struct history_query, start_given),
          .doc = "inclusive; seven days before the end when left out"),
    FIELD(F_TIME, struct history_query, end, "endDate", .flags = FIELD_DATE_OK,
          .seen = 1 + (uint32_t)offsetof(struct history_query, end_given),
          .doc = "inclusive; now when left out"),
    FIELD(F_ENUM, struct history_query, grain, "granularity", .names = grain_names, .def = "hour",
          .doc = "buckets of a local hour, local day or ISO week; raw: the samples"),
    FIELD_END,
};

struct point {
    int64_t at;
    double score;
    int32_t level;
    struct str indicators, session_id;
    double confidence, min, max, p90, time_mean;
    int64_t count;
};
static const struct field point_fields[] = {
    FIELD(F_TIME, struct point, at, "timestamp", .doc = "of the sample, or start of the bucket"),
    FIELD(F_F64, struct point, score, "loadScore", .doc = "the load, or its mean in the bucket"),
    FIELD(F_ENUM, struct point, level, "loadLevel", .names = load_level_names,
          .doc = "of loadScore"),
    FIELD(F_JSON, struct point, indicators, "stressIndicators",
          .doc =
              "list of {type, severity, value, contribution}; in a bucket: of its highest sample"),
    FIELD(F_STR, struct point, session_id, "sessionId", .flags = FIELD_NULLABLE,
          .doc = "null where a bucket holds several sessions"),
    FIELD(F_F64, struct point, confidence, "confidenceLevel", .flags = FIELD_NULLABLE,
          .doc = "of the sample; mean in a bucket"),
    FIELD(F_F64, struct point, min, "minLoad", .doc = "lowest in the bucket"),
    FIELD(F_F64, struct point, max, "maxLoad", .doc = "highest in the bucket"),
    FIELD(F_F64, struct point, p90, "p90Load", .doc = "nine tenths lie below"),
    FIELD(F_F64, struct point, time_mean, "timeWeightedLoad",
          .doc = "mean over time, each sample held until the next, at most half an hour"),
    FIELD(F_I64, struct point, count, "count", .doc = "samples in the bucket"),
    FIELD_END,
};

struct episode {
    int64_t start, end;
    double minutes, peak;
    int64_t samples;
    bool open;
};
static const struct field episode_fields[] = {
    FIELD(F_TIME, struct episode, start, "start", .doc = "first sample above 80"),
    FIELD(F_TIME, struct episode, end, "end", .doc = "first sample below 60 after it, or the last"),
    FIELD(F_F64, struct episode, minutes, "durationMinutes", .doc = "from start to end"),
    FIELD(F_F64, struct episode, peak, "peakLoad", .doc = "highest load in it"),
    FIELD(F_I64, struct episode, samples, "samples", .doc = "samples in it"),
    FIELD(F_BOOL, struct episode, open, "open", .doc = "no sample below 60 has followed"),
    FIELD_END,
};

struct date_range {
    int64_t start, end;
};
static const struct field date_range_fields[] = {
    FIELD(F_TIME, struct date_range, start, "start", .doc = "inclusive"),
    FIELD(F_TIME, struct date_range, end, "end", .doc = "inclusive"),
    FIELD_END,
};

struct history_summary {
    double mean, time_mean, max;
    int64_t episode_count, samples;
    struct date_range range;
    int32_t grain;
    struct list episodes;
    bool truncated, downsampled;
    struct str zone, method;
};
static const struct field history_summary_fields[] = {
    FIELD(F_F64, struct history_summary, mean, "avgLoad", .flags = FIELD_NULLABLE,
          .doc = "plain mean of the samples"),
    FIELD(F_F64, struct history_summary, time_mean, "timeWeightedLoad", .flags = FIELD_NULLABLE,
          .doc = "mean over time, each sample held until the next, at most half an hour"),
    FIELD(F_F64, struct history_summary, max, "maxLoad", .flags = FIELD_NULLABLE,
          .doc = "highest sample"),
    FIELD(F_I64, struct history_summary, episode_count, "overloadEpisodes",
          .doc = "times it rose above 80; an episode ends below 60"),
    FIELD(F_I64, struct history_summary, samples, "totalDataPoints", .doc = "samples in the range"),
    FIELD(F_OBJECT, struct history_summary, range, "dateRange", .sub = date_range_fields,
          .size = sizeof(struct date_range), .doc = "what was asked for"),
    FIELD(F_ENUM, struct history_summary, grain, "granularity", .names = grain_names,
          .doc = "of the points"),
    FIELD(F_LIST, struct history_summary, episodes, "episodes", .sub = episode_fields,
          .size = sizeof(struct episode), .doc = "at most 200"),
    FIELD(F_BOOL, struct history_summary, truncated, "truncated",
          .doc = "the range holds more than 20,000 samples: the oldest were left out"),
    FIELD(F_BOOL, struct history_summary, downsampled, "downsampled",
          .doc = "thinned to 1,000 points that keep the shape"),
    FIELD(F_STR, struct history_summary, zone, "timeZone", .doc = "whose hours and days these are"),
    FIELD(F_STR, struct history_summary, method, "method", .flags = FIELD_NULLABLE,
          .doc = LOAD_METHOD_MEASURED ": measured or reported; " LOAD_METHOD_ESTIMATE
                                      ": one a session, from its sums, where nothing was measured"),
    FIELD_END,
};

struct history {
    struct list points;
    struct history_summary summary;
    struct strain_past strain;
    struct overload_past overload;
    struct str reason;
};
static const struct field history_fields[] = {
    FIELD(F_LIST, struct history, points, "dataPoints", .sub = point_fields,
          .size = sizeof(struct point), .doc = "oldest first, at most 1,000"),
    FIELD(F_OBJECT, struct history, summary, "summary", .sub = history_summary_fields,
          .size = sizeof(struct history_summary), .doc = "of all samples in the range"),
    FIELD(F_OBJECT, struct history, strain, "strain", .sub = strain_past_fields,
          .size = sizeof(struct strain_past),
          .doc = "sitting by sitting, against the learner's own normal"),
    FIELD(F_OBJECT, struct history, overload, "overload", .sub = overload_past_fields,
          .size = sizeof(struct overload_past), .doc = "overload that lasted for days"),
    FIELD(F_STR, struct history, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no points"),
    FIELD_END,
};

/* The samples as points, oldest first, and as the model's series beside them. */
struct series {
    struct point *points;
    struct load_sample *samples;
    int32_t n;
};

static void series_add(struct series *s, struct point p)
{
    p.level = (int32_t)load_level_of(p.score);
    p.min = p.max = p.p90 = p.time_mean = p.score;
    p.count = 1;
    s->samples[s->n] = (struct load_sample){p.at, p.score};
    s->points[s->n++] = p;
}

static enum err series_new(struct api_call *c, int32_t n, struct series *ret)
{
    *ret = (struct series){.points = arena_new(c->arena, struct point, (size_t)n + 1),
                           .samples = arena_new(c->arena, struct load_sample, (size_t)n + 1)};
    return ret->points && ret->samples ? ERR_OK : ERR_NOMEM;
}

static enum err series_measured(struct api_call *c, const struct rows *rows, struct series *s)
{
    enum err e = series_new(c, rows->count, s);

    for (int32_t i = rows->count - 1; e == ERR_OK && i >= 0; i--) { /* they come newest first */
        struct columns v = columns_of(rows, i);
        struct point p = {.at = column_i64(&v, 0)};
        p.session_id = column_str(&v);
        p.score = column_f64(&v);
        p.confidence = column_f64(&v);
        p.indicators = column_str(&v);
        series_add(s, p);
    }
    return e;
}

static int by_time(const void *pa, const void *pb)
{
    const struct point *a = pa, *b = pb;
    return (a->at > b->at) - (a->at < b->at);
}

static enum err series_estimated(struct api_call *c, const struct rows *rows,
                                 const struct learner *l, struct series *s)
{
    const struct load_baseline baseline = load_baseline_of(l);
    enum err e = series_new(c, rows->count, s);

    for (int32_t i = rows->count - 1; e == ERR_OK && i >= 0; i--) {
        struct session_row row;
        struct load_result load;
        e = session_row_read(c, columns_of(rows, i), &row);
        if (e != ERR_OK || !load_of_session(&row, &baseline, &load))
            continue;
        struct point p = {.at = row.facts.last_at,
                          .score = load.score,
                          .session_id = row.id,
                          .confidence = round_to(load.confidence, 6),
                          .indicators = load_indicators_json(c->arena, &load)};
        if (!p.indicators.p)
            return ERR_NOMEM;
        series_add(s, p);
    }
    if (e != ERR_OK)
        return e;
    /* Sessions are in order of their beginnings, the points lie at their ends. */
    qsort(s->points, (size_t)s->n, sizeof *s->points, by_time);
    for (int32_t i = 0; i < s->n; i++)
        s->samples[i] = (struct load_sample){s->points[i].at, s->points[i].score};
    return ERR_OK;
}

static struct point bucket_point(const struct series *s, const struct load_bucket *b)
{
    struct point p = s->points[b->peak];
    double confidence = 0;
    int32_t known = 0;

    p.session_id = s->points[b->first].session_id;
    for (int32_t i = b->first; i < b->first + b->count; i++) {
        if (!str_eq(s->points[i].session_id, p.session_id))
            p.session_id = (struct str){NULL, 0};
        if (isnan(s->points[i].confidence))
            continue;
        confidence += s->points[i].confidence;
        known++;
    }
    p.at = b->start;
    p.score = b->mean;
    p.level = (int32_t)load_level_of(b->mean);
    p.confidence = known > 0 ? confidence / known : (double)NAN;
    p.min = b->min;
    p.max = b->max;
    p.p90 = b->p90;
    p.time_mean = b->time_mean;
    p.count = b->count;
    return p;
}

static enum err history_points(struct api_call *c, const struct series *s, enum load_grain grain,
                               const struct zone *zone, struct history *r)
{
    struct point *points = s->points;
    int32_t n = s->n;

    if (grain != LOAD_RAW && n > 0) {
        double *scratch = arena_new(c->arena, double, (size_t)n);
        struct load_bucket *buckets = arena_new(c->arena, struct load_bucket, (size_t)n);
        points = arena_new(c->arena, struct point, (size_t)n);
        if (!scratch || !buckets || !points)
            return ERR_NOMEM;
        n = load_buckets(s->samples, s->n, zone, grain, scratch, buckets, s->n);
        for (int32_t i = 0; i < n; i++)
            points[i] = bucket_point(s, &buckets[i]);
    }
    if (n > POINTS_MAX) {
        double *x = arena_new(c->arena, double, (size_t)n),
               *y = arena_new(c->arena, double, (size_t)n);
        int32_t *kept = arena_new(c->arena, int32_t, POINTS_MAX);
        if (!x || !y || !kept)
            return ERR_NOMEM;
        for (int32_t i = 0; i < n; i++) {
            x[i] = (double)(points[i].at - points[0].at);
            y[i] = points[i].score;
        }
        n = stats_lttb(x, y, n, POINTS_MAX, kept);
        for (int32_t i = 0; i < n; i++)
            points[i] = points[kept[i]]; /* kept[i] >= i */
        r->summary.downsampled = true;
    }
    r->points = (struct list){points, n};
    return ERR_OK;
}

static enum err history_summary(struct api_call *c, const struct series *s,
                                struct history_summary *r)
{
    struct load_episode *found = arena_new(c->arena, struct load_episode, EPISODES_MAX);
    struct episode *shown = arena_new(c->arena, struct episode, EPISODES_MAX);
    double sum = 0;

    if (!found || !shown)
        return ERR_NOMEM;
    int32_t n = load_episodes(s->samples, s->n, found, EPISODES_MAX);
    int32_t kept = n < EPISODES_MAX ? n : EPISODES_MAX;
    for (int32_t i = 0; i < kept; i++)
        shown[i] = (struct episode){
            found[i].start,
            found[i].end,
            round_to((double)(found[i].end - found[i].start) / (double)US_PER_MINUTE, 1),
            found[i].peak,
            found[i].samples,
            found[i].open,
        };
    r->mean = r->max = NAN;
    for (int32_t i = 0; i < s->n; i++) {
        sum += s->samples[i].score;
        r->max = fmax(r->max, s->samples[i].score);
    }
    if (s->n > 0)
        r->mean = sum / s->n;
    r->time_mean = load_time_mean(s->samples, s->n, 0, s->n);
    r->episode_count = n;
    r->episodes = (struct list){shown, kept};
    r->samples = s->n;
    return ERR_OK;
}

static enum err get_history(struct api_call *c)
{
    const struct history_query *in = c->in;
    int64_t end = in->end_given ? in->end : c->now_us;
    int64_t start = in->start_given ? in->start : end - 7 * US_PER_DAY;
    const struct value samples[] = {V_S(c->learner), V_I(start), V_I(end), V_I(SAMPLES_MAX + 1)};
    const struct value sessions[] = {V_S(c->learner), V_I(start), V_I(end), V_I(SESSIONS_MAX)};
    struct strain_past_args past;
    struct strain_args strain;
    struct overload_args days;
    struct query q[3 + STRAIN_QUERIES + STRAIN_PAST_QUERIES + 1] = {
        [1] = {.stmt = STMT_LOAD_BETWEEN, .args = samples, .arg_count = 4},
        [2] = {.stmt = STMT_LOAD_SESSIONS, .args = sessions, .arg_count = 4},
    };
    struct history *r = arena_new(c->arena, struct history, 1);
    struct strain_now now;
    struct learner l;
    struct series s;

    if (!r)
        return ERR_NOMEM;
    strain_queries(c, &strain, q + 3);
    strain_past_queries(c, start, end, &past, q + 3 + STRAIN_QUERIES);
    overload_query(c, start, end, &days, &q[COUNT(q) - 1]);
    enum err e = range_check(c, "startDate", start, end);
    if (e == ERR_OK)
        e = learner_read(c, q, COUNT(q), &l);
    if (e == ERR_OK)
        e = strain_now(c, q + 3, &now);
    if (e == ERR_OK)
        e = strain_past(c, &now, q + 3 + STRAIN_QUERIES, start, end, &r->strain);
    if (e == ERR_OK)
        e = overload_past(c, &q[COUNT(q) - 1], &l, start, end, &r->overload);
    if (e != ERR_OK)
        return e;
    if (!l.analysis)
        r->strain.reason = reason_disabled;
    r->summary.range = (struct date_range){start, end};
    r->summary.grain = in->grain;
    r->summary.zone = zone_name(l.zone);
    r->summary.truncated = q[1].rows.count > SAMPLES_MAX;
    if (r->summary.truncated)
        q[1].rows.count = SAMPLES_MAX; /* the newest come first */
    bool measured = q[1].rows.count > 0;
    if (!l.analysis)
        e = series_new(c, 0, &s);
    else if (measured)
        e = series_measured(c, &q[1].rows, &s);
    else
        e = series_estimated(c, &q[2].rows, &l, &s);
    if (e == ERR_OK)
        e = history_points(c, &s, (enum load_grain)in->grain, l.zone, r);
    if (e == ERR_OK)
        e = history_summary(c, &s, &r->summary);
    if (s.n > 0)
        r->summary.method = measured ? STR(LOAD_METHOD_MEASURED) : STR(LOAD_METHOD_ESTIMATE);
    else
        r->reason = !l.analysis ? reason_disabled
                                : STR("Nothing was measured in this range, and no session in it "
                                      "has five graded items.");
    c->reply = r;
    return e;
}

#define LOAD_ROW                                                                  \
    .tag = "load", .envelope = ENVELOPE_FLAT, .run = RUN_SMALL, .round_trips = 1, \
    .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_load_history[] = {
    {LOAD_ROW, .method = HTTP_GET, .path = "/api/analytics/cognitive-load/history",
     .id = "get_cognitive_load_history", .summary = "Load over time, by hour, day or week",
     .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .query = history_query,
     .in_size = sizeof(struct history_query), .reply = history_fields,
     .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_history},
    {.path = NULL},
};
