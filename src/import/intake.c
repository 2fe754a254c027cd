#include "import/intake.h"

#include "base/assert.h"
#include "base/civil.h"
#include "base/clock.h"
#include "base/hash.h"
#include "json/reader.h"
#include "json/writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum {
    BATCH_ARENA_MAX = 64 << 20,
    TALLY_TEXT_MAX = 160,
    SAVE_EVERY_US = 2000000, /* how often the position is stored */
    PROGRESS_EVERY_US = 200000,
    QUARANTINE_BATCH = 200,
};
static const size_t learners_bytes_max = (size_t)1 << 30, sort_bytes_max = (size_t)4 << 30;

/* What is known of a learner in this file. */
struct learner {
    struct str id;
    int32_t number;       /* in the order of appearance */
    int64_t ordinal;      /* events so far */
    int64_t raw_at, ties; /* the last row's time, and how many rows before it had the same */
    int64_t last_at;      /* where the running session was last active; TIME_NONE: none */
    char session[24];
    bool zoned; /* options.learner_zone is stored */
};

struct row {
    struct event e;
    struct learner *learner;
    int64_t line, seq;
};

struct tally {
    char text[TALLY_TEXT_MAX];
    enum { TALLY_SKIPPED, TALLY_REFUSED, TALLY_NOTE } kind;
    int64_t count, first_line;
};

struct intake {
    const struct import_context *ctx;
    struct intake_options o;
    const struct source *source;
    struct applier *applier;
    struct event_rules rules;
    struct intake_counts counts;
    int64_t resume_from, seq, resumed;
    int64_t before_accepted, before_duplicates; /* of the runs before this one */
    int64_t begun_us, saved_us, progress_us, saved_seq;
    struct arena learners_arena, batch_arena, sort_arena;
    struct strmap learners;
    struct row *sorted; /* waiting rows, when sorting */
    size_t sorted_count, sorted_cap;
    struct event *events; /* the batch */
    int64_t *lines;
    struct learner **owners; /* of the batch's events */
    int32_t count, batch_max;
    struct ingest_result *results;
    struct tally tallies[INTAKE_REASONS_MAX];
    int32_t tally_count;
    struct quarantine_row *quarantine;
    int32_t quarantine_count;
    struct arena quarantine_arena;
    bool limited;       /* options.limit is reached */
    const char *failed; /* what went wrong when it was not the reading */
};

/* ---- options ---- */

enum err intake_span(struct str s, int64_t *ret_us)
{
    static const struct {
        char unit;
        int64_t us;
    } units[] = {{'s', US_PER_S}, {'m', US_PER_MINUTE}, {'h', US_PER_HOUR}, {'d', US_PER_DAY}};
    int64_t n, us = US_PER_S;

    for (size_t i = 0; s.n > 1 && i < COUNT(units); i++)
        if (s.p[s.n - 1] == units[i].unit) {
            us = units[i].us;
            s.n--;
            break;
        }
    if (str_to_i64(s, &n) != ERR_OK || n < 0 || n > 366 * US_PER_DAY / us)
        return ERR_RANGE;
    *ret_us = n * us;
    return ERR_OK;
}

enum err intake_read_options(const struct args_option *rows, const struct args *args,
                             struct intake_options *o, char *ret_detail)
{
    struct str all = str_from(args_get(rows, args, "prefix"));
    const struct {
        const char *name;
        struct str *to;
    } texts[] = {{"learner-prefix", &o->learner_prefix},
                 {"item-prefix", &o->item_prefix},
                 {"skill-prefix", &o->skill_prefix},
                 {"origin", &o->origin}};
    const char *zone = args_get(rows, args, "learner-zone");
    const struct zone *known;
    const char *gap = args_get(rows, args, "session-gap"), *limit = args_get(rows, args, "limit");

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct str given = str_from(args_get(rows, args, texts[i].name));

        if (!given.p && i < 3)
            given = all;
        if (given.n > EVENT_ID_MAX / 2 || !utf8_valid(given)) {
            snprintf(ret_detail, ARGS_DETAIL_MAX, "--%s: at most %d bytes of UTF-8", texts[i].name,
                     EVENT_ID_MAX / 2);
            return ERR_RANGE;
        }
        if (given.p)
            *texts[i].to = given;
    }
    if (zone && zone_get(str_from(zone), &known) != ERR_OK) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "--learner-zone \"%.64s\": no such IANA zone here",
                 zone);
        return ERR_RANGE;
    }
    o->learner_zone = str_from(zone);
    if (gap && intake_span(str_from(gap), &o->session_gap_us) != ERR_OK) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "--session-gap \"%.40s\": like 90s, 30m or 2h", gap);
        return ERR_RANGE;
    }
    if (limit && (str_to_i64(str_from(limit), &o->limit) != ERR_OK || o->limit < 1)) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "--limit \"%.40s\": a number above 0", limit);
        return ERR_RANGE;
    }
    o->sort |= args_get(rows, args, "sort") != NULL;
    o->dry_run |= args_get(rows, args, "dry-run") != NULL;
    return ERR_OK;
}

static uint64_t mix(uint64_t h, struct str s)
{
    struct {
        uint64_t before, hash, bytes;
    } block = {h, s.n ? hash_stable(s.p, s.n) : 0, s.p ? s.n : UINT64_MAX};

    return hash_stable(&block, sizeof block);
}

uint64_t intake_key(const char *importer, const struct args_option *rows, const struct args *args,
                    const struct source *source)
{
    uint64_t h = mix(source->digest, str_from(importer));

    if (!source->digest)
        return 0;
    for (int i = 0; i < args->given_count; i++) {
        const char *name = rows[args->given[i].row].name;

        if (strcmp(name, "limit") == 0)
            continue; /* a trial of some rows is the beginning of the whole */
        h = mix(mix(h, str_from(name)), str_from(args->given[i].value));
    }
    return h ? h : 1;
}

/* ---- beginning ---- */

static struct str key_text(const struct intake *in, char out[40])
{
    return (struct str){out,
                        (size_t)snprintf(out, 40, "%.20s-%016" PRIx64, in->o.importer, in->o.key)};
}

static void read_summary(struct intake *in, struct str text, struct arena *arena)
{
    struct json_reader r;
    struct str name;

    json_reader_init(&r, text, arena, 4);
    if (!json_object_begin(&r))
        return;
    while (json_next_member(&r, &name)) {
        if (str_eq(name, STR("accepted")))
            json_read_i64(&r, &in->before_accepted);
        else if (str_eq(name, STR("duplicates")))
            json_read_i64(&r, &in->before_duplicates);
        else
            json_skip(&r, NULL);
    }
}

static enum err read_position(struct intake *in)
{
    char key[40];
    struct value arg = V_S(key_text(in, key));
    struct query q = {.stmt = STMT_IMPORTS_GET, .args = &arg, .arg_count = 1};
    enum err e = store_read(in->ctx->conn, &in->batch_arena, &q, 1, 0);

    if (e != ERR_OK || q.rows.count == 0)
        return e;
    const struct value *v = row_at(&q.rows, 0);

    if (value_i64(&v[1], 0) == 0) { /* one that was finished begins again: all duplicates */
        in->resume_from = value_i64(&v[0], 0);
        read_summary(in, value_str(&v[2]), &in->batch_arena);
    }
    arena_clear(&in->batch_arena);
    return ERR_OK;
}

enum err intake_new(const struct import_context *ctx, const struct intake_options *options,
                    const struct source *source, struct intake **ret, char *ret_detail)
{
    struct intake *in = calloc(1, sizeof *in);
    enum err e = ERR_NOMEM;

    if (!in)
        goto failed;
    in->ctx = ctx, in->o = *options, in->source = source;
    in->o.dry_run |= ctx->sink != NULL;
    in->begun_us = in->saved_us = clock_mono_us();
    in->rules = (struct event_rules){.now_us = clock_us(), .future_max_us = ctx->future_max_us};
    in->batch_max = ctx->batch_events > 0 ? ctx->batch_events : 1;
    arena_init(&in->learners_arena, learners_bytes_max);
    arena_init(&in->batch_arena, BATCH_ARENA_MAX);
    arena_init(&in->sort_arena, sort_bytes_max);
    arena_init(&in->quarantine_arena, BATCH_ARENA_MAX);
    strmap_init(&in->learners, &in->learners_arena);
    in->events = calloc((size_t)in->batch_max, sizeof *in->events);
    in->lines = calloc((size_t)in->batch_max, sizeof *in->lines);
    in->owners = calloc((size_t)in->batch_max, sizeof *in->owners);
    in->results = calloc((size_t)in->batch_max, sizeof *in->results);
    in->quarantine = calloc(QUARANTINE_BATCH, sizeof *in->quarantine);
    if (!in->events || !in->lines || !in->owners || !in->results || !in->quarantine)
        goto failed;
    e = ERR_OK;
    if (!in->o.dry_run) {
        e = applier_new(ctx->conn, &in->applier);
        if (e == ERR_OK && in->o.key)
            e = read_position(in);
    }
    if (e != ERR_OK)
        goto failed;
    *ret = in;
    return ERR_OK;
failed:
    snprintf(ret_detail, ARGS_DETAIL_MAX, "%.120s: %s", options->name, err_text(e));
    intake_free(in);
    return e;
}

void intake_free(struct intake *in)
{
    if (!in)
        return;
    applier_free(in->applier);
    arena_fini(&in->learners_arena);
    arena_fini(&in->batch_arena);
    arena_fini(&in->sort_arena);
    arena_fini(&in->quarantine_arena);
    free(in->sorted);
    free(in->events);
    free(in->lines);
    free(in->owners);
    free(in->results);
    free(in->quarantine);
    free(in);
}

/* ---- counting ---- */

static void tally(struct intake *in, int kind, int64_t line, const char *text)
{
    struct tally *t = in->tallies;
    int32_t i = 0;

    while (i < in->tally_count && ((int)t[i].kind != kind || strcmp(t[i].text, text) != 0))
        i++;
    if (i == INTAKE_REASONS_MAX) { /* the last place is shared by all that are left */
        i--;
        snprintf(t[i].text, sizeof t[i].text, "other reasons");
    } else if (i == in->tally_count) {
        in->tally_count++;
        t[i].kind = (__typeof__(t[i].kind))kind;
        t[i].first_line = line;
        snprintf(t[i].text, sizeof t[i].text, "%s", text);
    }
    t[i].count++;
}

void intake_row(struct intake *in)
{
    in->counts.rows++;
}

void intake_skip(struct intake *in, int64_t line, const char *fmt, ...)
{
    char text[TALLY_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    in->counts.skipped++;
    tally(in, TALLY_SKIPPED, line, text);
}

void intake_note(struct intake *in, int64_t line, const char *fmt, ...)
{
    char text[TALLY_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    tally(in, TALLY_NOTE, line, text);
}

static void flush_quarantine(struct intake *in)
{
    if (in->quarantine_count && quarantine_put(in->ctx->conn, in->quarantine, in->quarantine_count,
                                               in->ctx->quarantine_rows_max) != ERR_OK)
        tally(in, TALLY_NOTE, 0, "refused rows could not be kept in quarantine");
    in->quarantine_count = 0;
    arena_clear(&in->quarantine_arena);
}

static void keep_refused(struct intake *in, struct str body, const char *code, const char *field,
                         const char *reason)
{
    struct arena *a = &in->quarantine_arena;

    if (in->o.dry_run || in->ctx->quarantine_rows_max <= 0 || !body.p)
        return;
    if (in->quarantine_count == QUARANTINE_BATCH)
        flush_quarantine(in);
    in->quarantine[in->quarantine_count++] = (struct quarantine_row){
        .received_at = in->rules.now_us,
        .source = arena_printf(a, "import %s: %.200s", in->o.importer, in->o.name),
        .code = arena_str(a, str_from(code)),
        .field = arena_str(a, str_from(field)),
        .reason = arena_str(a, str_from(reason)),
        .body = arena_str(a, body),
    };
}

static void refuse(struct intake *in, int64_t line, const char *field, const char *reason)
{
    char text[TALLY_TEXT_MAX];

    snprintf(text, sizeof text, "%.40s%s%.110s", field, *field ? ": " : "", reason);
    in->counts.refused++;
    tally(in, TALLY_REFUSED, line, text);
}

/* A row that never became an event is kept as an object, so that the body is JSON in any case. */
void intake_refuse(struct intake *in, int64_t line, struct str raw, const char *field,
                   const char *reason)
{
    struct json_writer w;
    struct buf body;

    refuse(in, line, field, reason);
    if (!raw.p || in->ctx->quarantine_rows_max <= 0)
        return;
    buf_init(&body, 64 << 10);
    json_writer_init(&w, &body);
    json_object(&w);
    json_kv_i64(&w, "line", line);
    json_kv_str(&w, "row", raw);
    json_object_end(&w);
    if (!body.failed)
        keep_refused(in, buf_view(&body), "VALIDATION_ERROR", field, reason);
    buf_fini(&body);
}

static void refuse_event(struct intake *in, const struct event *e, int64_t line, const char *code,
                         const char *field, const char *reason)
{
    struct json_writer w;
    struct buf body;

    refuse(in, line, field, reason);
    if (in->ctx->quarantine_rows_max <= 0)
        return;
    buf_init(&body, 64 << 10);
    json_writer_init(&w, &body);
    event_write(&w, e);
    if (!body.failed)
        keep_refused(in, buf_view(&body), code, field, reason);
    buf_fini(&body);
}

/* ---- copying ---- */

/* Prefix and text as an identifier of at most EVENT_ID_MAX bytes. p == NULL: no memory. */
static struct str identifier(struct arena *a, struct str prefix, struct str s)
{
    size_t n = prefix.n + s.n;
    char *p;

    if (n <= EVENT_ID_MAX) {
        p = arena_alloc(a, n + 1, 1);
        if (!p)
            return (struct str){NULL, 0};
        if (prefix.n)
            memcpy(p, prefix.p, prefix.n);
        if (s.n)
            memcpy(p + prefix.n, s.p, s.n);
        return (struct str){p, n};
    }
    size_t keep = EVENT_ID_MAX - prefix.n - 17; /* the prefix is at most half of it */

    while (keep > 0 && ((unsigned char)s.p[keep] & 0xc0) == 0x80)
        keep--;
    return arena_printf(a, STR_FMT STR_FMT "~%016" PRIx64, STR_ARG(prefix), (int)keep, s.p,
                        hash_stable(s.p, s.n));
}

static enum err copy_event(struct intake *in, struct arena *a, const struct event *from,
                           struct event *e)
{
    const struct str none = {NULL, 0};
    const struct {
        struct str *text, prefix;
    } texts[] = {{&e->id, none},        {&e->learner, in->o.learner_prefix},
                 {&e->session, none},   {&e->item, in->o.item_prefix},
                 {&e->modality, none},  {&e->course, none},
                 {&e->objective, none}, {&e->mission, none}};

    *e = *from;
    for (size_t i = 0; i < COUNT(texts); i++)
        if (texts[i].text->p) {
            *texts[i].text = identifier(a, texts[i].prefix, *texts[i].text);
            if (!texts[i].text->p)
                return ERR_NOMEM;
        }
    if (e->data.p && !(e->data = arena_str(a, e->data)).p)
        return ERR_NOMEM;
    if (e->skill_count > 0) {
        struct str *skills = arena_new(a, struct str, (size_t)e->skill_count);

        if (!skills)
            return ERR_NOMEM;
        for (int32_t i = 0; i < e->skill_count; i++)
            if (!(skills[i] = identifier(a, in->o.skill_prefix, from->skills[i])).p)
                return ERR_NOMEM;
        e->skills = skills;
    }
    return ERR_OK;
}

static struct learner *learner_of(struct intake *in, struct str id)
{
    struct learner *l = strmap_get(&in->learners, id);

    if (l)
        return l;
    struct str key = arena_str(&in->learners_arena, id);

    l = arena_new(&in->learners_arena, struct learner, 1);
    void **slot = l && key.p ? strmap_slot(&in->learners, key) : NULL;

    if (!slot)
        return NULL;
    *l = (struct learner){.id = key,
                          .number = (int32_t)in->counts.learners++,
                          .raw_at = TIME_NONE,
                          .last_at = TIME_NONE};
    *slot = l;
    return l;
}

/* ---- what the source does not say ---- */

static uint64_t content_hash(const struct intake *in, const struct event *e, int64_t raw_at,
                             int64_t occurrence)
{
    struct {
        int64_t at, occurrence, duration, latency, score, kind, correct, rating;
    } numbers = {raw_at,
                 occurrence,
                 e->duration_ms,
                 e->latency_ms,
                 e->score >= 0 ? (int64_t)(e->score * 1e6 + 0.5) : -1,
                 e->kind,
                 e->correct,
                 e->rating};
    uint64_t h = mix(mix(1, str_from(in->o.importer)), in->o.origin);

    /* Decks and courses get new names; what was answered when stays the same event. */
    h = mix(mix(h, e->learner), e->item.p ? e->item : e->course);
    h = mix(h, e->session);
    return mix(h, (struct str){(const char *)&numbers, sizeof numbers});
}

/* Only what is study belongs to a session that nobody declared. */
static bool makes_session(const struct event *e)
{
    return e->kind >= EVENT_ANSWER && e->kind < EVENT_SESSION_STARTED && !e->untimed;
}

static void assign_session(struct intake *in, struct learner *l, struct event *e)
{
    int64_t begun = e->at - (e->duration_ms > 0 ? e->duration_ms * US_PER_MS : 0);

    /* Backwards in time (an unsorted source) is a new session too. */
    if (l->last_at == TIME_NONE || begun - l->last_at > in->o.session_gap_us ||
        l->last_at - e->at > in->o.session_gap_us)
        snprintf(l->session, sizeof l->session, "s-%016" PRIx64, mix(2, e->id));
    l->last_at = e->at;
    e->session = str_from(l->session);
}

static enum err complete(struct intake *in, struct arena *a, struct learner *l, struct event *e)
{
    bool clockless = e->at == TIME_NONE;
    int64_t raw_at = clockless ? INTAKE_ORIGIN + l->ordinal * US_PER_S : e->at;

    l->ties = raw_at == l->raw_at ? l->ties + 1 : 0;
    l->raw_at = raw_at;
    if (!e->id.p) {
        e->id = arena_printf(a, "%s-%016" PRIx64, in->o.importer,
                             content_hash(in, e, raw_at, clockless ? l->ordinal : l->ties));
        if (!e->id.p)
            return ERR_NOMEM;
    }
    e->at = raw_at + l->ties;
    l->ordinal++;
    if (in->o.session_gap_us > 0 && !e->session.p && makes_session(e)) {
        assign_session(in, l, e);
        if (!(e->session = arena_str(a, e->session)).p)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

/* ---- applying ---- */

static enum err save_position(struct intake *in, bool finished)
{
    char key[40], summary[160];
    int n =
        snprintf(summary, sizeof summary,
                 "{\"accepted\":%" PRId64 ",\"duplicates\":%" PRId64 ",\"refused\":%" PRId64 "}",
                 in->before_accepted + in->counts.accepted,
                 in->before_duplicates + in->counts.duplicates, in->counts.refused);
    struct value v[] = {V_S(key_text(in, key)), V_I(in->seq), V_I(finished),
                        V_S(((struct str){summary, (size_t)n})), V_I(clock_us())};
    struct bulk b = {.stmt = STMT_IMPORTS_PUT, .rows = 1, .cols = COUNT(v), .v = v};

    if (!in->o.key || in->o.dry_run || (in->seq < in->resume_from && !finished))
        return ERR_OK;
    enum err e = store_begin(in->ctx->conn);

    if (e == ERR_OK)
        e = store_write(in->ctx->conn, &b, 1);
    if (e == ERR_OK)
        e = store_commit(in->ctx->conn);
    else
        store_rollback(in->ctx->conn);
    in->saved_us = clock_mono_us();
    in->saved_seq = in->seq;
    return e;
}

static void show_progress(struct intake *in, bool last)
{
    int64_t now = clock_mono_us();
    const char *name = strrchr(in->o.name, '/');
    char bar[21];

    if (!in->ctx->progress || (!last && now - in->progress_us < PROGRESS_EVERY_US))
        return;
    in->progress_us = now;
    double share = in->source && in->source->raw_size > 0
                       ? (double)in->source->raw_bytes / (double)in->source->raw_size
                       : -1;
    int filled = share < 0 ? 0 : (int)(share * 20);

    for (int i = 0; i < 20; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[20] = 0;
    fprintf(in->ctx->progress, "\r%.40s [%s] ", name ? name + 1 : in->o.name, bar);
    if (share >= 0)
        fprintf(in->ctx->progress, "%3d%% ", (int)(share * 100));
    fprintf(in->ctx->progress, "%" PRId64 " events, %.0f/s \033[K", in->counts.events,
            (double)in->counts.events * 1e6 / (double)(now - in->begun_us + 1));
    if (last)
        fprintf(in->ctx->progress, "\r\033[K");
    fflush(in->ctx->progress);
}

static void count_results(struct intake *in)
{
    for (int32_t i = 0; i < in->count; i++) {
        const struct ingest_result *r = &in->results[i];

        if (r->status == INGEST_ACCEPTED)
            in->counts.accepted++;
        else if (r->status == INGEST_DUPLICATE)
            in->counts.duplicates++;
        else
            refuse_event(in, &in->events[i], in->lines[i], r->code, r->field ? r->field : "",
                         r->reason ? r->reason : r->code);
    }
}

/* Before their first events, so that these are summed in the right zone at once. */
static enum err store_zones(struct intake *in)
{
    enum err e = ERR_OK;
    bool begun = false;

    for (int32_t i = 0; in->o.learner_zone.p && i < in->count && e == ERR_OK; i++) {
        struct learner *l = in->owners[i];
        int64_t id;

        if (l->zoned)
            continue;
        e = begun ? ERR_OK : store_begin(in->ctx->conn);
        begun |= e == ERR_OK;
        if (e == ERR_OK)
            e = learner_put(in->ctx->conn, l->id, in->o.learner_zone, in->rules.now_us, &id);
        l->zoned = true;
    }
    if (begun && e == ERR_OK)
        e = store_commit(in->ctx->conn);
    if (begun && e != ERR_OK)
        store_rollback(in->ctx->conn);
    return e;
}

static enum err hand_over(struct intake *in)
{
    enum err e = ERR_OK;

    for (int32_t i = 0; in->ctx->sink && i < in->count && e == ERR_OK; i++)
        e = in->ctx->sink(in->ctx->sink_user, &in->events[i]);
    in->counts.accepted += in->count;
    return e;
}

static enum err flush(struct intake *in)
{
    enum err e = ERR_OK;

    if (in->count && !in->o.dry_run) {
        memset(in->results, 0, (size_t)in->count * sizeof *in->results);
        e = store_zones(in);
        if (e == ERR_OK)
            e = applier_apply(in->applier, in->events, in->count, in->rules.now_us,
                              &in->batch_arena, in->results);
        if (e == ERR_OK)
            count_results(in);
    } else {
        e = hand_over(in);
    }
    if (e != ERR_OK) {
        in->failed = in->ctx->sink ? "taking" : "storing";
        return e;
    }
    in->count = 0;
    arena_clear(&in->batch_arena);
    if (in->quarantine_count)
        flush_quarantine(in);
    show_progress(in, false);
    /* Only a hint where to go on: ids make sure that nothing is counted twice. */
    if (clock_mono_us() - in->saved_us > SAVE_EVERY_US && save_position(in, false) != ERR_OK)
        in->saved_us = clock_mono_us();
    return in->ctx->stop && *in->ctx->stop ? ERR_CANCELLED : ERR_OK;
}

/* The event's text lives in `a`, which is in->batch_arena or outlives the batch. */
static enum err emit(struct intake *in, struct arena *a, struct event *e, struct learner *l,
                     int64_t line)
{
    struct event_error error = {0};

    if (in->o.limit && in->seq >= in->o.limit) {
        in->limited = true;
        return ERR_EOF;
    }
    enum err err = complete(in, a, l, e);

    if (err != ERR_OK)
        return err;
    in->seq++;
    in->counts.events++;
    if (in->seq <= in->resume_from) {
        in->resumed++;
        if (a == &in->batch_arena && in->count == 0)
            arena_clear(a);
        return ERR_OK;
    }
    err = event_check(e, &in->rules, &error);
    if (err != ERR_OK) {
        refuse_event(in, e, line, error.code ? error.code : "VALIDATION_ERROR", error.field.path,
                     *error.field.reason ? error.field.reason : "not valid");
        return ERR_OK;
    }
    in->events[in->count] = *e;
    in->owners[in->count] = l;
    in->lines[in->count++] = line;
    if (in->count == in->batch_max || in->batch_arena.used > BATCH_ARENA_MAX / 2)
        return flush(in);
    return ERR_OK;
}

enum err intake_add(struct intake *in, const struct event *from, int64_t line)
{
    struct arena *a = in->o.sort ? &in->sort_arena : &in->batch_arena;
    struct event e;

    if (!from->learner.n) {
        refuse(in, line, "learner", "is missing");
        return ERR_OK;
    }
    if (from->at == TIME_NONE && !from->untimed) {
        refuse(in, line, "at", "is missing (--untimed if the source has no times)");
        return ERR_OK;
    }
    enum err err = copy_event(in, a, from, &e);
    struct learner *l = err == ERR_OK ? learner_of(in, e.learner) : NULL;

    if (!l) {
        in->failed = in->o.sort ? "sorting in memory" : "remembering all learners";
        return ERR_NOMEM;
    }
    if (!in->o.sort)
        return emit(in, a, &e, l, line);
    if (in->sorted_count == in->sorted_cap) {
        size_t cap = in->sorted_cap ? in->sorted_cap * 2 : 4096;
        struct row *rows = cap <= INTAKE_SORT_MAX ? realloc(in->sorted, cap * sizeof *rows) : NULL;

        if (!rows) {
            in->failed = "sorting in memory";
            return ERR_NOMEM;
        }
        in->sorted = rows, in->sorted_cap = cap;
    }
    in->sorted[in->sorted_count] =
        (struct row){.e = e, .learner = l, .line = line, .seq = (int64_t)in->sorted_count};
    in->sorted_count++;
    if (in->sorted_count % 4096 == 0) {
        show_progress(in, false);
        if (in->ctx->stop && *in->ctx->stop)
            return ERR_CANCELLED;
    }
    return ERR_OK;
}

static int by_learner_and_time(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;

    if (a->learner != b->learner)
        return a->learner->number < b->learner->number ? -1 : 1;
    if (a->e.at != b->e.at)
        return a->e.at < b->e.at ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static enum err emit_sorted(struct intake *in)
{
    enum err e = ERR_OK;

    if (in->sorted_count)
        qsort(in->sorted, in->sorted_count, sizeof *in->sorted, by_learner_and_time);
    for (size_t i = 0; i < in->sorted_count && e == ERR_OK; i++)
        e = emit(in, &in->batch_arena, &in->sorted[i].e, in->sorted[i].learner, in->sorted[i].line);
    return e;
}

/* ---- ending ---- */

void intake_counts(const struct intake *in, struct intake_counts *ret)
{
    *ret = in->counts;
}

static void print_tallies(const struct intake *in, int kind, const char *title, int64_t total)
{
    if (total)
        fprintf(in->ctx->out, "  %s: %" PRId64 "\n", title, total);
    for (int32_t i = 0; i < in->tally_count; i++) {
        const struct tally *t = &in->tallies[i];

        if ((int)t->kind == kind)
            fprintf(in->ctx->out, "    %" PRId64 " x %s (first: line %" PRId64 ")\n", t->count,
                    t->text, t->first_line);
    }
}

static void print_summary(const struct intake *in, enum err e)
{
    double seconds = (double)(clock_mono_us() - in->begun_us) / 1e6;
    const struct intake_counts *c = &in->counts;
    FILE *out = in->ctx->out;
    int64_t notes = 0;

    if (!out)
        return;
    fprintf(out,
            "%s: %" PRId64 " rows, %" PRId64 " events of %" PRId64
            " learners in %.2f s (%.0f events/s)%s\n",
            in->o.name, c->rows, c->events, c->learners, seconds,
            (double)(c->events - in->resumed) / (seconds > 1e-6 ? seconds : 1e-6),
            e == ERR_OK ? "" : ", NOT complete");
    if (in->resumed)
        fprintf(out, "  went on behind: %" PRId64 " events, done before\n", in->resumed);
    fprintf(out, "  %s: %" PRId64 "\n", in->o.dry_run ? "would be taken" : "taken", c->accepted);
    fprintf(out, "  duplicates: %" PRId64 "\n", c->duplicates);
    print_tallies(in, TALLY_SKIPPED, "skipped", c->skipped);
    print_tallies(in, TALLY_REFUSED, "refused", c->refused);
    for (int32_t i = 0; i < in->tally_count; i++)
        notes += in->tallies[i].kind == TALLY_NOTE ? in->tallies[i].count : 0;
    print_tallies(in, TALLY_NOTE, "left out of their events", notes);
}

enum err intake_end(struct intake *in, enum err e, char *ret_detail)
{
    if ((e == ERR_OK || e == ERR_EOF) && in->o.sort)
        e = emit_sorted(in);
    if (e == ERR_OK || e == ERR_EOF) {
        e = in->count ? flush(in) : ERR_OK;
    } else if (!in->failed && e != ERR_CANCELLED && in->count) {
        enum err e2 = flush(in); /* reading failed: what was read before is kept */

        if (e2 != ERR_OK)
            e = e2;
    }
    if (in->quarantine_count)
        flush_quarantine(in);
    if (!in->failed && save_position(in, e == ERR_OK && !in->limited) != ERR_OK && e == ERR_OK) {
        in->failed = "storing the position";
        e = ERR_STORE_DOWN;
    }
    show_progress(in, true);
    print_summary(in, e);
    const struct intake_counts *c = &in->counts;
    if (e == ERR_OK && c->refused > 0 && c->accepted + c->duplicates == 0 && !in->ctx->sink) {
        snprintf(ret_detail, ARGS_DETAIL_MAX,
                 "%.120s: nothing could be taken; see the reasons above", in->o.name);
        return ERR_UNPROCESSABLE;
    }
    if (e == ERR_CANCELLED)
        snprintf(ret_detail, ARGS_DETAIL_MAX,
                 "%.120s: stopped after %" PRId64 " events; the same command goes on from there",
                 in->o.name, in->seq);
    else if (e != ERR_OK && in->failed)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.120s: %s: %s", in->o.name, in->failed,
                 err_text(e));
    else if (e != ERR_OK && !*ret_detail)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.120s: reading: %s", in->o.name, err_text(e));
    return e;
}
