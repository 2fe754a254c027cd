/* learning_science - a text on how learning works, and the learner's own numbers beside it. The
 * text is in one table (articles.h); the numbers are of the sums, each with what it rests on.
 * Reading keeps nothing: that it was read is said by a POST. */
#include "api/articles.h"
#include "api/learner.h"
#include "api/pattern_row.h"
#include "api/profile.h"
#include "base/assert.h"
#include "twin/study.h"

#include <math.h>

enum { DAYS = 30, FIGURES = 9, SLUG_MAX = 64, TOLD_NEEDED = 5 };

/* ---- the learner's numbers ---- */

struct figure {
    struct str name, label, unit, method, reason;
    double value;
    const struct interval *interval;
    int64_t n;
};
static const struct field figure_fields[] = {
    FIELD(F_STR, struct figure, name, "name", .doc = "of the number"),
    FIELD(F_STR, struct figure, label, "label", .doc = "for people"),
    FIELD(F_F64, struct figure, value, "value", .flags = FIELD_NULLABLE, .doc = "null: see reason"),
    FIELD(F_STR, struct figure, unit, "unit", .doc = "of the value"),
    FIELD(F_OBJECT, struct figure, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_I64, struct figure, n, "n",
          .doc = "what it rests on: reviews, answers, sessions, samples"),
    FIELD(F_STR, struct figure, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct figure, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD_END,
};

/* What is read, and the sums of the last 30 days. */
struct reading {
    struct patterns_view
        base; /* q[3] curve, [4] days, [5] lengths, [6] sums, [7] the article's row */
    int64_t active, answers, correct, reviews, recalled, load_n, load_micro;
};

static void days_sum(struct reading *r)
{
    const struct rows *rows = &r->base.q[4].rows;

    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        int64_t ago = r->base.l.today - column_i64(&v, 0);
        if (ago < 0 || ago >= DAYS)
            continue;
        int64_t study_ms = column_i64(&v, 0);
        column_i64(&v, 0); /* sessions */
        column_i64(&v, 0); /* completed */
        int64_t answers = column_i64(&v, 0);
        r->answers += answers;
        r->correct += column_i64(&v, 0);
        int64_t reviews = column_i64(&v, 0);
        r->reviews += reviews;
        r->recalled += column_i64(&v, 0);
        r->load_n += column_i64(&v, 0);
        r->load_micro += column_i64(&v, 0);
        r->active += study_ms > 0 || answers + reviews > 0;
    }
}

static struct figure share_figure(struct arena *arena, struct str name, struct str label, int64_t k,
                                  int64_t n)
{
    struct figure f = {
        .name = name, .label = label, .unit = STR("%"), .value = (double)NAN, .n = n};

    f.method = STR("share over the last 30 days, Wilson interval");
    if (n == 0) {
        f.reason = STR("There was none in the last 30 days.");
        return f;
    }
    struct interval i = stats_wilson((double)k, (double)n, STATS_Z95);
    f.value = round_to(100 * (double)k / (double)n, 1);
    f.interval =
        interval_new(arena, (struct interval){round_to(100 * i.low, 1), round_to(100 * i.high, 1)});
    return f;
}

static struct figure curve_figure(const struct reading *r)
{
    struct figure f = {.name = STR("halfLife"),
                       .label = STR("Half of a card is forgotten after"),
                       .unit = STR("days"),
                       .value = (double)NAN};

    f.method =
        STR("exponential through the mean of the cards' FSRS curves, weights fitted at night");
    if (r->base.q[3].rows.count == 0) {
        f.reason = STR(
            "No forgetting curve was fitted yet; that is done at night, from 32 reviews a day or "
            "more apart.");
        return f;
    }
    const struct value *v = row_at(&r->base.q[3].rows, 0);
    double decay = value_f64(&v[5], (double)NAN);
    f.n = value_i64(&v[1], 0);
    f.value = decay > 0 ? round_to(M_LN2 / decay, 1) : (double)NAN;
    return f;
}

static struct figure hour_figure(struct arena *arena, const struct reading *r)
{
    struct figure f = {.name = STR("bestHour"),
                       .label = STR("The hour in which results are best"),
                       .unit = STR("o'clock"),
                       .value = (double)NAN};

    f.method =
        STR("results by hour against the learner's own level, kept while the evidence lasts");
    f.reason = STR("No hour is better than the others by what there is.");
    for (int32_t i = 0; i < r->base.count; i++) {
        const struct pattern_row *p = &r->base.patterns[i];
        if (p->kind != PATTERN_STUDY_TIME || !p->present)
            continue;
        f.value = p->slot;
        f.n = p->n;
        f.reason = (struct str){NULL, 0};
        if (p->data.interval)
            f.interval = interval_new(arena, *p->data.interval);
        break;
    }
    return f;
}

static struct figure length_figure(struct arena *arena, const struct reading *r)
{
    struct study_length buckets[STUDY_LENGTHS];
    const struct rows *rows = &r->base.q[5].rows;
    struct figure f = {.name = STR("sessionMinutes"),
                       .label = STR("A session lasts"),
                       .unit = STR("minutes"),
                       .value = (double)NAN};

    study_lengths_read(rows, buckets);
    struct mean_estimate m = study_length_mean(buckets);
    f.method = STR("mean of all sessions, Student's t interval");
    f.n = m.n;
    f.value = round_to(m.mean, 1);
    f.interval = interval_new(
        arena, (struct interval){round_to(m.interval.low, 1), round_to(m.interval.high, 1)});
    if (m.n == 0) {
        f.value = (double)NAN;
        f.interval = NULL;
        f.reason = STR("There is no session yet.");
    }
    return f;
}

static struct figure load_figure(const struct reading *r)
{
    struct figure f = {.name = STR("load"),
                       .label = STR("Told load of the last 30 days"),
                       .unit = STR("of 100"),
                       .value = (double)NAN,
                       .n = r->load_n};

    f.method = STR("mean of the samples");
    if (r->load_n > 0)
        f.value = round_to((double)r->load_micro / 1e6 / (double)r->load_n, 1);
    else
        f.reason = STR("No load was measured or reported in the last 30 days.");
    return f;
}

/* sums: sessions by objective, sessions, told, their confidences, scores, squared gaps. */
static struct figure gap_figure(struct arena *arena, const struct value *sums)
{
    struct figure f = {.name = STR("overconfidence"),
                       .label = STR("Confidence lies above results by"),
                       .unit = STR("points"),
                       .value = (double)NAN,
                       .n = value_i64(&sums[1], 0)};
    double gap = (double)(value_i64(&sums[2], 0) - value_i64(&sums[3], 0)) / 1e6;

    f.method = STR("mean confidence minus mean score, in percent, Student's t interval");
    if (f.n < TOLD_NEEDED) {
        f.reason = STR("Fewer than five answers told a confidence.");
        return f;
    }
    struct mean_estimate m = stats_mean(f.n, gap, (double)value_i64(&sums[4], 0) / 1e6);
    f.value = round_to(100 * m.mean, 1);
    f.interval = interval_new(arena, (struct interval){round_to(100 * m.interval.low, 1),
                                                       round_to(100 * m.interval.high, 1)});
    return f;
}

static struct figure mix_figure(const struct reading *r, const struct value *sums)
{
    struct figure f = {.name = STR("objectivesPerSession"),
                       .label = STR("Objectives in a session"),
                       .unit = STR("objectives"),
                       .value = (double)NAN,
                       .n = learner_totals(&r->base.l)->sessions};

    f.method = STR("mean of all sessions");
    if (f.n > 0 && value_i64(&sums[0], 0) > 0)
        f.value = round_to((double)value_i64(&sums[0], 0) / (double)f.n, 2);
    else
        f.reason = STR("No session told its objectives.");
    return f;
}

static int32_t figures_fill(struct arena *arena, const struct article *a, const struct reading *r,
                            struct figure *f)
{
    const struct value *sums = row_at(&r->base.q[6].rows, 0);
    int32_t n = 0;

    if (a->figures & FIGURE_RECALL)
        f[n++] = share_figure(arena, STR("recall"), STR("Reviews in which the card was recalled"),
                              r->recalled, r->reviews);
    if (a->figures & FIGURE_ANSWERS)
        f[n++] = share_figure(arena, STR("answers"), STR("Answers that were right"), r->correct,
                              r->answers);
    if (a->figures & FIGURE_DAYS)
        f[n++] = share_figure(arena, STR("activeDays"), STR("Days with study"), r->active,
                              learner_totals(&r->base.l)->events > 0 ? DAYS : 0);
    if (a->figures & FIGURE_HALF_LIFE)
        f[n++] = curve_figure(r);
    if (a->figures & FIGURE_HOUR)
        f[n++] = hour_figure(arena, r);
    if (a->figures & FIGURE_LENGTH)
        f[n++] = length_figure(arena, r);
    if (a->figures & FIGURE_LOAD)
        f[n++] = load_figure(r);
    if (a->figures & FIGURE_CALIBRATION)
        f[n++] = gap_figure(arena, sums);
    if (a->figures & FIGURE_MIX)
        f[n++] = mix_figure(r, sums);
    return n;
}

/* ---- the reply ---- */

struct shown_source {
    struct str authors, title, where, url;
    int32_t year;
};
struct shown_article {
    struct str slug, title, category, summary, content, personal;
    int32_t minutes;
    struct list tags, sources, related;
};
struct sections {
    struct list figures;
    struct str reason;
};
struct read_status {
    bool read, completed;
    int64_t first_at, last_at;
    int32_t helpful, rating; /* INT32_MIN: not said */
};
struct article_reply {
    struct shown_article article;
    struct sections sections;
    struct read_status status;
};

static const struct field source_fields[] = {
    FIELD(F_STR, struct shown_source, authors, "authors", .doc = "of the paper"),
    FIELD(F_I32, struct shown_source, year, "year", .doc = "of its print"),
    FIELD(F_STR, struct shown_source, title, "title", .doc = "of the paper"),
    FIELD(F_STR, struct shown_source, where, "publication", .doc = "where it stands"),
    FIELD(F_STR, struct shown_source, url, "url", .doc = "by its DOI"),
    FIELD_END,
};
static const struct field article_fields[] = {
    FIELD(F_STR, struct shown_article, slug, "id", .doc = "the same as slug"),
    FIELD(F_STR, struct shown_article, slug, "slug", .doc = "its name in the address"),
    FIELD(F_STR, struct shown_article, title, "title", .doc = "its title"),
    FIELD(F_STR, struct shown_article, category, "category",
          .doc = "MEMORY, ATTENTION, METACOGNITION, LEARNING_STRATEGIES"),
    FIELD(F_STR, struct shown_article, summary, "summary", .doc = "in a sentence"),
    FIELD(F_STR, struct shown_article, content, "content",
          .doc = "plain text, paragraphs parted by an empty line"),
    FIELD(F_STR, struct shown_article, personal, "personalizedContent",
          .doc = "the learner's numbers in words, plain text"),
    FIELD(F_I32, struct shown_article, minutes, "readingTime", .doc = "minutes"),
    FIELD(F_I32, struct shown_article, minutes, "readingTimeMinutes", .doc = "the same"),
    FIELD(F_LIST, struct shown_article, tags, "tags", .item = F_STR, .size = sizeof(struct str),
          .doc = "what it is about"),
    FIELD(F_LIST, struct shown_article, sources, "sources", .sub = source_fields,
          .size = sizeof(struct shown_source), .doc = "that it rests on"),
    FIELD(F_LIST, struct shown_article, related, "relatedPatterns", .sub = pattern_row_fields,
          .size = sizeof(struct pattern_row), .doc = "the learner's, that hold"),
    FIELD_END,
};
static const struct field sections_fields[] = {
    FIELD(F_LIST, struct sections, figures, "yourData", .sub = figure_fields,
          .size = sizeof(struct figure), .max = FIGURES, .doc = "the learner's own numbers"),
    FIELD(F_STR, struct sections, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none"),
    FIELD_END,
};
static const struct field read_fields[] = {
    FIELD(F_BOOL, struct read_status, read, "hasRead", .doc = "did the learner say so?"),
    FIELD(F_TIME, struct read_status, first_at, "firstReadAt", .flags = FIELD_NULLABLE,
          .doc = "the first time"),
    FIELD(F_TIME, struct read_status, last_at, "lastReadAt", .flags = FIELD_NULLABLE,
          .doc = "the last time"),
    FIELD(F_BOOL, struct read_status, completed, "completedRead", .doc = "to the end?"),
    FIELD(F_I32, struct read_status, helpful, "helpful", .flags = FIELD_NULLABLE,
          .doc = "1 helpful, 0 not"),
    FIELD(F_I32, struct read_status, rating, "rating", .flags = FIELD_NULLABLE, .doc = "1 to 5"),
    FIELD_END,
};
static const struct field reply_fields[] = {
    FIELD(F_OBJECT, struct article_reply, article, "article", .sub = article_fields,
          .size = sizeof(struct shown_article), .doc = "the text"),
    FIELD(F_OBJECT, struct article_reply, sections, "personalizedSections", .sub = sections_fields,
          .size = sizeof(struct sections), .doc = "what it means for the learner"),
    FIELD(F_OBJECT, struct article_reply, status, "readStatus", .sub = read_fields,
          .size = sizeof(struct read_status), .doc = "as the learner says"),
    FIELD_END,
};

static enum err sources_fill(struct arena *arena, const struct article *a, struct list *ret)
{
    struct shown_source *s = arena_new(arena, struct shown_source, ARTICLE_SOURCES);
    int32_t n = 0;

    if (!s)
        return ERR_NOMEM;
    for (; n < ARTICLE_SOURCES && a->sources[n].authors; n++) {
        const struct article_source *from = &a->sources[n];
        s[n] = (struct shown_source){
            str_from(from->authors), str_from(from->title), str_from(from->where),
            arena_printf(arena, "https://doi.org/%s", from->doi), from->year};
        if (!s[n].url.p)
            return ERR_NOMEM;
    }
    *ret = (struct list){s, n};
    return ERR_OK;
}

static struct str content_of(struct arena *arena, const struct article *a)
{
    struct str text = STR("");

    for (int i = 0; i < ARTICLE_PARAGRAPHS && a->paragraphs[i] && text.p; i++)
        text =
            arena_printf(arena, STR_FMT "%s%s", STR_ARG(text), i ? "\n\n" : "", a->paragraphs[i]);
    return text;
}

/* "Days with study: 40 % (95 %: 24 to 58; from 30)." A number that is not there says why. */
static struct str personal_of(struct arena *arena, const struct figure *f, int32_t n)
{
    struct str text = STR("");

    for (int32_t i = 0; i < n && text.p; i++) {
        struct str one;
        if (isnan(f[i].value))
            one = f[i].reason;
        else if (f[i].interval)
            one = arena_printf(arena, "%.4g " STR_FMT " (95 %%: %.4g to %.4g; from %lld).",
                               f[i].value, STR_ARG(f[i].unit), f[i].interval->low,
                               f[i].interval->high, (long long)f[i].n);
        else
            one = arena_printf(arena, "%.4g " STR_FMT " (from %lld).", f[i].value,
                               STR_ARG(f[i].unit), (long long)f[i].n);
        if (!one.p)
            return one;
        text = arena_printf(arena, STR_FMT "%s" STR_FMT ": " STR_FMT, STR_ARG(text), i ? "\n" : "",
                            STR_ARG(f[i].label), STR_ARG(one));
    }
    return text;
}

static enum err article_fill(struct arena *arena, const struct article *a,
                             const struct patterns_view *v, struct shown_article *r)
{
    struct str *tags = arena_new(arena, struct str, ARTICLE_TAGS);
    struct pattern_row *related = arena_new(arena, struct pattern_row, (size_t)v->count + 1);
    int32_t n = 0, tag = 0;

    if (!tags || !related)
        return ERR_NOMEM;
    for (; tag < ARTICLE_TAGS && a->tags[tag]; tag++)
        tags[tag] = str_from(a->tags[tag]);
    for (int32_t i = 0; i < v->count; i++)
        if (v->patterns[i].present && a->patterns & 1U << v->patterns[i].kind)
            related[n++] = v->patterns[i];
    r->slug = str_from(a->slug);
    r->title = str_from(a->title);
    r->category = str_from(a->category);
    r->summary = str_from(a->summary);
    r->minutes = article_minutes(a);
    r->tags = (struct list){tags, tag};
    r->related = (struct list){related, n};
    r->content = content_of(arena, a);
    return r->content.p ? sources_fill(arena, a, &r->sources) : ERR_NOMEM;
}

static struct read_status status_of(const struct rows *rows)
{
    struct read_status s = {
        .first_at = TIME_NONE, .last_at = TIME_NONE, .helpful = INT32_MIN, .rating = INT32_MIN};

    if (rows->count == 0)
        return s;
    struct columns v = columns_of(rows, 0);
    s.read = true;
    s.first_at = column_time(&v);
    s.last_at = column_time(&v);
    s.completed = column_bool(&v);
    s.helpful = (int32_t)column_i64(&v, INT32_MIN);
    s.rating = (int32_t)column_i64(&v, INT32_MIN);
    return s;
}

struct article_in {
    struct str slug, user_id;
    bool completed, helpful, completed_given, helpful_given;
    int32_t rating;
    bool rating_given;
};
static const struct field article_path[] = {
    FIELD(F_STR, struct article_in, slug, "articleId", .min = 1, .max = SLUG_MAX,
          .doc = "the article's slug"),
    FIELD_END,
};

static enum err no_article(struct api_call *c)
{
    return api_refuse(c, ERR_NOT_FOUND, "ARTICLE_NOT_FOUND", "There is no such article.");
}

static enum err get_article(struct api_call *c)
{
    const struct article_in *in = c->in;
    const struct article *a = article_find(in->slug);
    int64_t utc = c->now_us / US_PER_DAY;
    const struct value id[] = {V_S(c->learner)};
    const struct value days[] = {V_S(c->learner), V_I(utc - DAYS - 2), V_I(utc + 1)};
    const struct value slug[] = {V_S(c->learner), V_S(in->slug)};
    struct reading *r = arena_new(c->arena, struct reading, 1);
    struct article_reply *reply = arena_new(c->arena, struct article_reply, 1);
    struct figure *figures = arena_new(c->arena, struct figure, FIGURES);

    if (!r || !reply || !figures)
        return ERR_NOMEM;
    r->base.q[3] = (struct query){
        .stmt = STMT_MEMORY_FIT_OF_LEARNER, .args = id, .arg_count = 1, .rows_max = 1};
    r->base.q[4] = (struct query){.stmt = STMT_HABIT_DAYS, .args = days, .arg_count = 3};
    r->base.q[5] = (struct query){.stmt = STMT_STUDY_LENGTHS, .args = id, .arg_count = 1};
    r->base.q[6] =
        (struct query){.stmt = STMT_ARTICLE_SUMS, .args = id, .arg_count = 1, .rows_max = 1};
    r->base.q[7] =
        (struct query){.stmt = STMT_ARTICLE_READ_OF, .args = slug, .arg_count = 2, .rows_max = 1};
    enum err e = patterns_view_read(c, &r->base, 5);
    if (e != ERR_OK)
        return e;
    if (!a)
        return no_article(c);
    days_sum(r);
    if (r->base.l.analysis)
        reply->sections.figures = (struct list){figures, figures_fill(c->arena, a, r, figures)};
    else
        reply->sections.reason = reason_disabled;
    reply->status = status_of(&r->base.q[7].rows);
    e = article_fill(c->arena, a, &r->base, &reply->article);
    reply->article.personal = r->base.l.analysis
                                  ? personal_of(c->arena, figures, reply->sections.figures.n)
                                  : reason_disabled;
    c->reply = reply;
    return e == ERR_OK && !reply->article.personal.p ? ERR_NOMEM : e;
}

/* ---- POST: it was read ---- */

static const struct field read_body[] = {
    FIELD_USER_ID(struct article_in),
    FIELD(F_BOOL, struct article_in, completed, "completed",
          .seen = 1 + (uint32_t)offsetof(struct article_in, completed_given),
          .doc = "to the end? Once so, it stays so"),
    FIELD(F_BOOL, struct article_in, helpful, "helpful",
          .seen = 1 + (uint32_t)offsetof(struct article_in, helpful_given),
          .doc = "did it help? Left out: as said before"),
    FIELD(F_I32, struct article_in, rating, "rating", .min = 1, .max = 5,
          .seen = 1 + (uint32_t)offsetof(struct article_in, rating_given),
          .doc = "1 to 5; left out: as said before"),
    FIELD_END,
};
struct read_reply {
    struct read_status status;
};
static const struct field read_reply[] = {
    FIELD(F_OBJECT, struct read_reply, status, "readStatus", .sub = read_fields,
          .size = sizeof(struct read_status), .doc = "as it is now"),
    FIELD_END,
};

static enum err read_refused(struct api_call *c, struct store_conn *conn)
{
    const struct value id = V_S(c->learner);
    struct query q = {.stmt = STMT_NIGHT_LEARNER, .args = &id, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(conn, c->arena, &q, 1, 0);

    if (e == ERR_OK && q.rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, NULL, "There is no such learner.");
    return e == ERR_OK ? api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT,
                                    STR_ARG(reason_disabled))
                       : e;
}

static enum err read_run(struct api_call *c, struct store_conn *conn)
{
    const struct article_in *in = c->in;
    const struct value v[] = {V_S(c->learner),
                              V_S(in->slug),
                              V_I(c->now_us),
                              V_I(in->completed),
                              in->helpful_given ? V_I(in->helpful) : V_N,
                              in->rating_given ? V_I(in->rating) : V_N};
    struct bulk b = {.stmt = STMT_ARTICLE_READ_PUT, .rows = 1, .cols = COUNT(v), .v = v};
    enum err e = store_write(conn, &b, 1);

    return e == ERR_OK && b.changed == 0 ? read_refused(c, conn) : e;
}

static enum err read_done(struct api_call *c)
{
    const struct article_in *in = c->in;
    const struct value v[] = {V_S(c->learner), V_S(in->slug)};
    struct query q = {.stmt = STMT_ARTICLE_READ_OF, .args = v, .arg_count = 2, .rows_max = 1};
    struct read_reply *r = arena_new(c->arena, struct read_reply, 1);
    enum err e = r ? store_read(c->conn, c->arena, &q, 1, c->deadline_us) : ERR_NOMEM;

    if (e == ERR_OK)
        r->status = status_of(&q.rows);
    c->reply = r;
    return e;
}

static enum err post_read(struct api_call *c)
{
    const struct article_in *in = c->in;

    return article_find(in->slug) ? api_change(c, read_run, read_done) : no_article(c);
}

#define ONE(e) (UINT64_C(1) << (e))
#define ARTICLE                                                                                   \
    .path = "/api/analytics/behavioral-insights/learning-science/{articleId}", .tag = "patterns", \
    .params = article_path, .in_size = sizeof(struct article_in), .envelope = ENVELOPE_DATA,      \
    .run = RUN_SMALL, .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)

const struct endpoint endpoints_articles[] = {
    {ARTICLE, .method = HTTP_GET, .id = "get_learning_article",
     .summary = "How learning works, and the learner's own numbers beside it", .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY, .reply = reply_fields, .cache = {.fresh_s = 1800, .stale_s = 3600},
     .handler = get_article},
    {ARTICLE, .method = HTTP_POST, .id = "read_learning_article",
     .summary = "Say that an article was read, and whether it helped", .scopes = SCOPE_WRITE,
     .learner = LEARNER_BODY, .body = read_body, .body_optional = true, .reply = read_reply,
     .handler = post_read},
    {.path = NULL},
};
