/* JSON by itself: reading a batch of 100 events and writing 30 rows, beside jansson on the same
 * texts. Rounds of the two are interleaved and medians are told, as one number says little on a
 * machine that does other things too. jansson is loaded by hand: names of the two collide. */
#include "base/assert.h"
#include "base/buf.h"
#include "base/civil.h"
#include "base/clock.h"
#include "base/rng.h"
#include "json/field.h"
#include "json/reader.h"
#include "json/writer.h"

#include <dlfcn.h>

enum { EVENTS = 100, ROWS = 30, ROUNDS = 41, REPEAT = 200, ARENA = 4 << 20, DEPTH = 8 };

/* ---- what is read and written ---- */

static void put_events(struct buf *b)
{
    struct json_writer w;
    struct rng r;
    char text[80];

    rng_seed(&r, 1);
    json_writer_init(&w, b);
    json_array(&w);
    for (int i = 0; i < EVENTS; i++) {
        json_object(&w);
        snprintf(text, sizeof text, "018f3c2e-7b1a-7000-8000-%012d", i);
        json_kv_cstr(&w, "id", text);
        json_kv_cstr(&w, "learner", "learner-000042");
        json_kv_cstr(&w, "kind", "answer");
        json_kv_time(&w, "at", INT64_C(1760970600000000) + i * US_PER_MINUTE);
        json_kv_cstr(&w, "session", "session-2025-10-20-a");
        snprintf(text, sizeof text, "item-%05d", (int)rng_below(&r, 100000));
        json_kv_cstr(&w, "item", text);
        json_name(&w, STR("skills"));
        json_array(&w);
        json_str(&w, STR("algebra.linear"));
        json_str(&w, STR("fractions"));
        json_array_end(&w);
        json_kv_bool(&w, "correct", rng_below(&r, 2));
        json_name(&w, STR("score"));
        json_fixed(&w, rng_unit(&r), 3);
        json_name(&w, STR("confidence"));
        json_fixed(&w, rng_unit(&r), 2);
        json_kv_i64(&w, "durationMs", (int64_t)rng_below(&r, 100000));
        json_kv_i64(&w, "latencyMs", (int64_t)rng_below(&r, 10000));
        json_object_end(&w);
    }
    json_array_end(&w);
    ASSERT(!b->failed);
}

struct event {
    struct str id, learner, kind, session, item;
    int64_t at, duration_ms, latency_ms;
    struct list skills;
    bool correct;
    double score, confidence;
};

static const struct field event_table[] = {
    FIELD(F_STR, struct event, id, "id", .max = 128),
    FIELD(F_STR, struct event, learner, "learner", .max = 128),
    FIELD(F_STR, struct event, kind, "kind", .max = 128),
    FIELD(F_TIME, struct event, at, "at"),
    FIELD(F_STR, struct event, session, "session", .max = 128),
    FIELD(F_STR, struct event, item, "item", .max = 128),
    FIELD(F_LIST, struct event, skills, "skills", .item = F_STR, .max = 16),
    FIELD(F_BOOL, struct event, correct, "correct"),
    FIELD(F_F64, struct event, score, "score", .min = 0, .max = 1),
    FIELD(F_F64, struct event, confidence, "confidence", .min = 0, .max = 1),
    FIELD(F_I64, struct event, duration_ms, "durationMs", .min = 0, .max = 86400000),
    FIELD(F_I64, struct event, latency_ms, "latencyMs", .min = 0, .max = 86400000),
    FIELD_END,
};

struct row {
    char id[40];
    int64_t at;
    double load, confidence, raw;
    int32_t minutes;
    bool done;
};
static struct row rows[ROWS];

static void make_rows(void)
{
    struct rng r;

    rng_seed(&r, 2);
    for (int i = 0; i < ROWS; i++) {
        struct row *row = &rows[i];

        snprintf(row->id, sizeof row->id, "session-%08d", i);
        row->at = INT64_C(1760970600000000) + i * US_PER_DAY;
        row->load = rng_unit(&r) * 100;
        row->confidence = rng_unit(&r);
        row->raw = rng_unit(&r); /* of 16 or 17 digits */
        row->minutes = (int32_t)rng_below(&r, 90);
        row->done = rng_below(&r, 2);
    }
}

/* ---- jansson ---- */

static struct {
    void *(*loadb)(const char *, size_t, size_t, void *);
    char *(*dumps)(const void *, size_t);
    void (*delete)(void *);
    void *(*object)(void), *(*array)(void), *(*string)(const char *);
    void *(*integer)(long long), *(*real)(double), *(*truth)(void), *(*falsity)(void);
    int (*set)(void *, const char *, void *), (*append)(void *, void *);
} jansson;

static bool jansson_open(void)
{
    void *library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);
    static const struct {
        const char *name;
        void *at;
    } symbols[] = {
        {"json_loadb", &jansson.loadb},        {"json_dumps", &jansson.dumps},
        {"json_delete", &jansson.delete},      {"json_object", &jansson.object},
        {"json_array", &jansson.array},        {"json_string", &jansson.string},
        {"json_integer", &jansson.integer},    {"json_real", &jansson.real},
        {"json_true", &jansson.truth},         {"json_false", &jansson.falsity},
        {"json_object_set_new", &jansson.set}, {"json_array_append_new", &jansson.append},
    };

    for (size_t i = 0; library && i < COUNT(symbols); i++)
        if (!(*(void **)symbols[i].at = dlsym(library, symbols[i].name)))
            return false;
    return library;
}

/* ---- what is measured; each returns something that depends on the work ---- */

static struct buf text, out;
static struct arena arena;

static size_t walk(struct json_reader *r)
{
    struct str s;
    double v;
    bool b;
    size_t sum = 0;

    switch (json_peek(r)) {
    case JSON_OBJECT:
        json_object_begin(r);
        while (json_next_member(r, &s))
            sum += s.n + walk(r);
        break;
    case JSON_ARRAY:
        json_array_begin(r);
        while (json_next_item(r))
            sum += walk(r);
        break;
    case JSON_STRING:
        if (json_read_str(r, &s))
            sum += s.n;
        break;
    case JSON_NUMBER:
        if (json_read_f64(r, &v))
            sum += v > 0;
        break;
    case JSON_BOOL:
        if (json_read_bool(r, &b))
            sum += b;
        break;
    default:
        json_skip(r, NULL);
    }
    return sum;
}

static size_t read_walk(void)
{
    struct json_reader r;

    arena_clear(&arena);
    json_reader_init(&r, buf_view(&text), &arena, DEPTH);
    size_t sum = walk(&r);

    ASSERT(json_end(&r) == ERR_OK);
    return sum;
}

static size_t read_skip(void)
{
    struct json_reader r;

    arena_clear(&arena);
    json_reader_init(&r, buf_view(&text), &arena, DEPTH);
    json_skip(&r, NULL);
    ASSERT(json_end(&r) == ERR_OK);
    return (size_t)(r.p - r.start);
}

static size_t read_fields(void)
{
    struct json_reader r;
    struct field_error error;
    size_t sum = 0;

    arena_clear(&arena);
    json_reader_init(&r, buf_view(&text), &arena, DEPTH);
    json_array_begin(&r);
    while (json_next_item(&r)) {
        struct event e = {.at = 0};

        ASSERT(fields_read_json(event_table, &r, &arena, &e, NULL, &error) == ERR_OK);
        sum += e.item.n;
    }
    ASSERT(json_end(&r) == ERR_OK);
    return sum;
}

static size_t read_jansson(void)
{
    char error[512];
    void *j = jansson.loadb(text.p, text.n, 1 /* refuse duplicates */, error);

    ASSERT(j);
    jansson.delete(j);
    return text.n;
}

static size_t write_ours(void)
{
    struct json_writer w;

    buf_clear(&out);
    json_writer_init(&w, &out);
    json_array(&w);
    for (int i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];

        json_object(&w);
        json_kv_cstr(&w, "id", row->id);
        json_kv_time(&w, "startedAt", row->at);
        json_name(&w, STR("loadScore"));
        json_fixed(&w, row->load, 1);
        json_name(&w, STR("confidence"));
        json_fixed(&w, row->confidence, 3);
        json_kv_f64(&w, "rawScore", row->raw);
        json_kv_i64(&w, "minutes", row->minutes);
        json_kv_bool(&w, "completed", row->done);
        json_object_end(&w);
    }
    json_array_end(&w);
    ASSERT(!out.failed);
    return out.n;
}

static size_t write_jansson(void)
{
    void *list = jansson.array();

    for (int i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        void *o = jansson.object();
        char time[TIME_TEXT_MAX];

        time_print(row->at, time);
        jansson.set(o, "id", jansson.string(row->id));
        jansson.set(o, "startedAt", jansson.string(time));
        jansson.set(o, "loadScore", jansson.real(round(row->load * 10) / 10));
        jansson.set(o, "confidence", jansson.real(round(row->confidence * 1000) / 1000));
        jansson.set(o, "rawScore", jansson.real(row->raw));
        jansson.set(o, "minutes", jansson.integer(row->minutes));
        jansson.set(o, "completed", row->done ? jansson.truth() : jansson.falsity());
        jansson.append(list, o);
    }
    char *s = jansson.dumps(list, 0x20 /* compact */);
    size_t n = strlen(s);

    free(s);
    jansson.delete(list);
    return n;
}

/* ---- measuring ---- */

struct subject {
    const char *what;
    size_t (*run)(void);
    bool theirs;
    double us[ROUNDS];
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static volatile size_t sink;

static void measure(struct subject *subjects, size_t count)
{
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < count; i++) {
            int64_t from = clock_mono_us();

            for (int k = 0; k < REPEAT; k++)
                sink += subjects[i].run();
            subjects[i].us[round] = (double)(clock_mono_us() - from) / REPEAT;
        }
    for (size_t i = 0; i < count; i++)
        qsort(subjects[i].us, ROUNDS, sizeof(double), by_value);
}

int main(void)
{
    struct subject subjects[] = {
        {.what = "read 100 events, jansson", .run = read_jansson, .theirs = true},
        {.what = "read 100 events, skipped", .run = read_skip},
        {.what = "read 100 events, each value", .run = read_walk},
        {.what = "read 100 events, by table", .run = read_fields},
        {.what = "write 30 rows, jansson", .run = write_jansson, .theirs = true},
        {.what = "write 30 rows", .run = write_ours},
    };
    double theirs = 0;

    if (!jansson_open()) {
        fprintf(stderr, "libjansson.so.4 is not installed; it is what this compares with\n");
        return 1;
    }
    buf_init(&text, 1 << 20);
    buf_init(&out, 1 << 20);
    arena_init(&arena, ARENA);
    put_events(&text);
    make_rows();
    measure(subjects, COUNT(subjects));
    write_ours();
    printf("batch %zu bytes, rows %zu bytes; medians of %d rounds\n", text.n, out.n, ROUNDS);
    for (size_t i = 0; i < COUNT(subjects); i++) {
        double us = subjects[i].us[ROUNDS / 2];

        theirs = subjects[i].theirs ? us : theirs;
        printf("%-30s %8.0f ns   jansson / this %5.2f\n", subjects[i].what, us * 1000, theirs / us);
    }
    arena_fini(&arena);
    buf_fini(&text);
    buf_fini(&out);
    return 0;
}
