/* Events as they arrive: every kind, every member that can be bad, hostile text. */
#include "base/buf.h"
#include "ingest/event.h"
#include "test.h"
#include "json/reader.h"
#include "json/writer.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW (INT64_C(1750000000) * US_PER_S) /* 2025-06-15 */

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

struct outcome {
    enum err err;
    struct event e;
    struct event_error error;
    int32_t unknown;
    enum err end; /* of the text behind the event */
};

static struct outcome read_as(struct str text, struct str default_learner)
{
    struct event_rules rules = {
        .now_us = NOW, .future_max_us = US_PER_DAY, .default_learner = default_learner};
    struct outcome o = {0};
    struct json_reader r;

    json_reader_init(&r, text, &arena, 32);
    o.err = event_read(&r, &arena, &rules, &o.e, &o.unknown, &o.error);
    o.end = json_end(&r);
    return o;
}

static struct outcome read_text(const char *text)
{
    return read_as(str_from(text), (struct str){NULL, 0});
}

/* {"learner":"ann","kind":"answer","item":"q","correct":true, …} */
static struct outcome read_answer_with(const char *members)
{
    struct str text = arena_printf(
        &arena, "{\"learner\":\"ann\",\"kind\":\"answer\",\"item\":\"q\",%s}", members);
    return read_as(text, (struct str){NULL, 0});
}

static void assert_refused(struct outcome o, const char *code, const char *path)
{
    assert_int_equal(o.err, ERR_RANGE);
    assert_int_equal(o.end, ERR_OK); /* the next event can be read */
    assert_string_equal(o.error.field.path, path);
    assert_string_equal(o.error.code, code);
    assert_true(strlen(o.error.field.reason) > 5);
}

static void all_members_are_read(void **state)
{
    (void)state;
    struct outcome o = read_text(
        "{\"id\":\"e1\",\"learner\":\"ann\",\"at\":\"2025-03-03T11:05:00.250+01:00\",\"kind\":"
        "\"answer\",\"session\":\"s\",\"item\":\"q\",\"skills\":[\"a\",\"b\\u0020c\"],\"correct\":"
        "0,"
        "\"score\":0.25,\"rating\":\"GOOD\",\"durationMs\":4.2e4,\"latencyMs\":0,\"confidence\":1,"
        "\"modality\":\"video\",\"course\":\"c\",\"objective\":\"o\",\"mission\":\"m\","
        "\"timed\":false,\"data\":{\"x\":[1,{}]},\"more\":{\"a\":[]},\"else\":null}");

    assert_int_equal(o.err, ERR_OK);
    assert_int_equal(o.end, ERR_OK);
    assert_int_equal(o.unknown, 2);
    assert_str(o.e.id, "e1");
    assert_str(o.e.learner, "ann");
    assert_int_equal(o.e.at, INT64_C(1740996300250000));
    assert_int_equal(o.e.kind, EVENT_ANSWER);
    assert_str(o.e.session, "s");
    assert_str(o.e.item, "q");
    assert_int_equal(o.e.skill_count, 2);
    assert_str(o.e.skills[1], "b c");
    assert_int_equal(o.e.correct, 0);
    assert_near(o.e.score, 0.25, 0);
    assert_int_equal(o.e.rating, 3);
    assert_int_equal(o.e.duration_ms, 42000);
    assert_int_equal(o.e.latency_ms, 0);
    assert_near(o.e.confidence, 1, 0);
    assert_str(o.e.modality, "video");
    assert_str(o.e.course, "c");
    assert_str(o.e.objective, "o");
    assert_str(o.e.mission, "m");
    assert_true(o.e.untimed);
    assert_str(o.e.data, "{\"x\":[1,{}]}");
}

static void absent_members_are_none(void **state)
{
    (void)state;
    struct outcome o =
        read_as(STR("{\"kind\":\"study\",\"item\":null,\"score\":null,\"skills\":null,"
                    "\"at\":null,\"data\":null,\"timed\":null}"),
                STR("bob"));

    assert_int_equal(o.err, ERR_OK);
    assert_int_equal(o.unknown, 0);
    assert_str(o.e.learner, "bob");
    assert_str(o.e.id, NULL);
    assert_str(o.e.item, NULL);
    assert_str(o.e.data, NULL);
    assert_int_equal(o.e.at, TIME_NONE);
    assert_int_equal(o.e.correct, -1);
    assert_int_equal(o.e.rating, 0);
    assert_int_equal(o.e.duration_ms, -1);
    assert_int_equal(o.e.latency_ms, -1);
    assert_true(isnan(o.e.score) && isnan(o.e.confidence));
    assert_false(o.e.untimed);
}

/* The least that each kind takes, and what is said when that is missing. */
static void every_kind_has_its_needs(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *least, *missing;
    } kinds[] = {
        {"answer", "\"item\":\"q\",\"score\":0.5", "item"},
        {"answer", "\"correct\":true,\"item\":\"q\"", "item"},
        {"review", "\"item\":\"q\",\"rating\":1", "item"},
        {"study", "", NULL},
        {"reading", "", NULL},
        {"activity", "", NULL},
        {"hint", "\"item\":\"q\"", "item"},
        {"session_started", "\"session\":\"s\"", "session"},
        {"session_paused", "\"session\":\"s\"", "session"},
        {"session_resumed", "\"session\":\"s\"", "session"},
        {"session_completed", "\"session\":\"s\"", "session"},
        {"session_noted", "\"session\":\"s\"", "session"},
        {"objective_completed", "\"objective\":\"o\"", "objective"},
        {"mission_created", "\"mission\":\"m\"", "mission"},
        {"mission_started", "\"data\":{\"mission\":\"m\"}", "mission"},
        {"mission_completed", "\"mission\":\"m\",\"data\":{\"mission\":\"m\"}", "mission"},
        {"mission_skipped", "\"mission\":\"m\"", "mission"},
        {"mission_eased", "\"mission\":\"m\"", "mission"},
        {"load", "\"data\":{\"loadScore\":40}", "data.loadScore"},
        {"search", "", NULL},
        {"search_click", "", NULL},
        {"assessment", "\"score\":1", "correct"},
        {"grade", "\"correct\":false", "correct"},
        {"enrolled", "", NULL},
        {"withdrawn", "", NULL},
        {"feedback", "", NULL},
        {"viewed", "", NULL},
    };
    bool seen[EVENT_KIND_COUNT] = {false};

    for (size_t i = 0; i < COUNT(kinds); i++) {
        const char *comma = *kinds[i].least ? "," : "";
        struct outcome o = read_as(arena_printf(&arena, "{\"learner\":\"a\",\"kind\":\"%s\"%s%s}",
                                                kinds[i].kind, comma, kinds[i].least),
                                   (struct str){NULL, 0});
        if (o.err != ERR_OK)
            fail_msg("%s: %s %s", kinds[i].kind, o.error.field.path, o.error.field.reason);
        seen[o.e.kind] = true;
        assert_string_equal(event_kind_name(o.e.kind), kinds[i].kind);
        o = read_as(arena_printf(&arena, "{\"learner\":\"a\",\"kind\":\"%s\"}", kinds[i].kind),
                    (struct str){NULL, 0});
        if (kinds[i].missing)
            assert_refused(o, "VALIDATION_ERROR", kinds[i].missing);
        else
            assert_int_equal(o.err, ERR_OK);
    }
    for (int k = 0; k < EVENT_KIND_COUNT; k++)
        assert_int_equal(event_kind_name((enum event_kind)k) != NULL, seen[k]);
    assert_refused(read_text("{\"learner\":\"a\",\"kind\":\"review\",\"item\":\"q\"}"),
                   "VALIDATION_ERROR", "rating");
    assert_refused(read_text("{\"learner\":\"a\",\"kind\":\"answer\",\"item\":\"q\"}"),
                   "VALIDATION_ERROR", "correct");
}

static void bad_members_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *members, *path;
    } bad[] = {
        {"\"correct\":\"yes\"", "correct"},
        {"\"correct\":2", "correct"},
        {"\"correct\":0.5", "correct"},
        {"\"correct\":true,\"score\":1.01", "score"},
        {"\"correct\":true,\"score\":-0.01", "score"},
        {"\"correct\":true,\"score\":\"0.5\"", "score"},
        {"\"correct\":true,\"confidence\":2", "confidence"},
        {"\"correct\":true,\"confidence\":[]", "confidence"},
        {"\"correct\":true,\"rating\":0", "rating"},
        {"\"correct\":true,\"rating\":5", "rating"},
        {"\"correct\":true,\"rating\":2.5", "rating"},
        {"\"correct\":true,\"rating\":\"good\"", "rating"},
        {"\"correct\":true,\"rating\":true", "rating"},
        {"\"correct\":true,\"durationMs\":-1", "durationMs"},
        {"\"correct\":true,\"durationMs\":86400001", "durationMs"},
        {"\"correct\":true,\"durationMs\":1.5", "durationMs"},
        {"\"correct\":true,\"durationMs\":1e300", "durationMs"},
        {"\"correct\":true,\"durationMs\":\"5\"", "durationMs"},
        {"\"correct\":true,\"latencyMs\":86400001", "latencyMs"},
        {"\"correct\":true,\"latencyMs\":{}", "latencyMs"},
        {"\"correct\":true,\"id\":\"\"", "id"},
        {"\"correct\":true,\"id\":7", "id"},
        {"\"correct\":true,\"id\":\"a\\u0000b\"", "id"},
        {"\"correct\":true,\"session\":\"a\\nb\"", "session"},
        {"\"correct\":true,\"session\":[\"s\"]", "session"},
        {"\"correct\":true,\"course\":\"\\u007f\"", "course"},
        {"\"correct\":true,\"objective\":{}", "objective"},
        {"\"correct\":true,\"mission\":1", "mission"},
        {"\"correct\":true,\"modality\":false", "modality"},
        {"\"correct\":true,\"skills\":\"a\"", "skills"},
        {"\"correct\":true,\"skills\":[\"a\",7]", "skills[1]"},
        {"\"correct\":true,\"skills\":[\"\"]", "skills[0]"},
        {"\"correct\":true,\"skills\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\","
         "\"10\","
         "\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]",
         "skills"},
        {"\"correct\":true,\"at\":5", "at"},
        {"\"correct\":true,\"at\":\"yesterday\"", "at"},
        {"\"correct\":true,\"at\":\"2025-02-30T00:00:00Z\"", "at"},
        {"\"correct\":true,\"at\":\"2025-02-03\"", "at"},
        {"\"correct\":true,\"timed\":1", "timed"},
        {"\"correct\":true,\"data\":[]", "data"},
        {"\"correct\":true,\"data\":\"{}\"", "data"},
        {"\"correct\":true,\"data\":{\"lecture\":7}", "data.lecture"},
        {"\"correct\":true,\"data\":{\"\\u006cecture\":7}", "data.lecture"},
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct outcome o = read_answer_with(bad[i].members);
        if (o.err != ERR_RANGE || strcmp(o.error.field.path, bad[i].path) != 0)
            fail_msg("%s: %d, %s", bad[i].members, (int)o.err, o.error.field.path);
        assert_refused(o, "VALIDATION_ERROR", bad[i].path);
    }
    assert_refused(read_text("{\"learner\":\"a\",\"kind\":\"dance\"}"), "UNKNOWN_KIND", "kind");
    assert_refused(read_text("{\"learner\":\"a\",\"kind\":1}"), "VALIDATION_ERROR", "kind");
    assert_refused(read_text("{\"learner\":\"a\"}"), "VALIDATION_ERROR", "kind");
    assert_refused(read_text("{\"kind\":\"study\"}"), "VALIDATION_ERROR", "learner");
    assert_refused(read_text("{\"learner\":7,\"kind\":\"study\"}"), "VALIDATION_ERROR", "learner");
    assert_refused(read_text("[]"), "VALIDATION_ERROR", "");
    assert_refused(read_text("7"), "VALIDATION_ERROR", "");
}

static void bad_data_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *members, *path;
    } bad[] = {
        {"\"kind\":\"load\",\"data\":{\"loadScore\":101}", "data.loadScore"},
        {"\"kind\":\"load\",\"data\":{\"loadScore\":\"x\"}", "data.loadScore"},
        {"\"kind\":\"load\",\"data\":{\"loadScore\":1,\"stressIndicators\":{}}",
         "data.stressIndicators"},
        {"\"kind\":\"load\",\"data\":{\"loadScore\":1,\"confidenceLevel\":7}",
         "data.confidenceLevel"},
        {"\"kind\":\"session_started\",\"session\":\"s\",\"data\":{\"objectives\":{}}",
         "data.objectives"},
        {"\"kind\":\"session_started\",\"session\":\"s\",\"data\":{\"objectives\":[7]}",
         "data.objectives"},
        {"\"kind\":\"session_started\",\"session\":\"s\",\"data\":{\"objectives\":[{}]}",
         "data.objectives.objectiveId"},
        {"\"kind\":\"session_started\",\"session\":\"s\",\"data\":{\"objectives\":[{\"objective\":"
         "\"o\",\"estimatedMinutes\":-1}]}",
         "data.objectives.estimatedMinutes"},
        {"\"kind\":\"session_completed\",\"session\":\"s\",\"data\":{\"pausedMs\":-1}",
         "data.pausedMs"},
        {"\"kind\":\"session_noted\",\"session\":\"s\",\"data\":{\"notes\":7}", "data.notes"},
        {"\"kind\":\"objective_completed\",\"objective\":\"o\",\"data\":{\"selfAssessment\":6}",
         "data.selfAssessment"},
        {"\"kind\":\"objective_completed\",\"objective\":\"o\",\"data\":{\"confidenceRating\":0}",
         "data.confidenceRating"},
        {"\"kind\":\"objective_completed\",\"objective\":\"o\",\"data\":{\"timeSpentMs\":1.5}",
         "data.timeSpentMs"},
        {"\"kind\":\"mission_created\",\"mission\":\"m\",\"data\":{\"date\":\"2025-13-01\"}",
         "data.date"},
        {"\"kind\":\"mission_created\",\"mission\":\"m\",\"data\":{\"mission\":\"n\"}",
         "data.mission"},
        {"\"kind\":\"mission_completed\",\"mission\":\"m\",\"data\":{\"difficultyRating\":9}",
         "data.difficultyRating"},
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct outcome o = read_as(arena_printf(&arena, "{\"learner\":\"a\",%s}", bad[i].members),
                                   (struct str){NULL, 0});
        if (o.err != ERR_RANGE || strcmp(o.error.field.path, bad[i].path) != 0)
            fail_msg("%s: %d, %s", bad[i].members, (int)o.err, o.error.field.path);
        assert_int_equal(o.end, ERR_OK);
    }
}

static void times_have_bounds(void **state)
{
    (void)state;
    assert_refused(read_answer_with("\"correct\":1,\"at\":\"1989-12-31T23:59:59Z\""),
                   "TIME_OUT_OF_RANGE", "at");
    assert_refused(read_answer_with("\"correct\":1,\"at\":\"2025-06-17T00:00:00Z\""),
                   "TIME_OUT_OF_RANGE", "at");
    assert_refused(read_answer_with("\"correct\":1,\"at\":\"9999-12-31T23:59:59Z\""),
                   "TIME_OUT_OF_RANGE", "at");
    assert_refused(read_answer_with("\"correct\":1,\"at\":\"0001-01-01T00:00:00Z\""),
                   "TIME_OUT_OF_RANGE", "at");
    assert_int_equal(read_answer_with("\"correct\":1,\"at\":\"1990-01-01T00:00:00Z\"").err, ERR_OK);
    assert_int_equal(read_answer_with("\"correct\":1,\"at\":\"2025-06-16T00:00:00Z\"").err, ERR_OK);
}

static void lengths_have_bounds(void **state)
{
    (void)state;
    char text[EVENT_ID_MAX + 2], *data = malloc(EVENT_DATA_MAX + 64);

    assert_non_null(data);
    memset(text, 'x', sizeof text);
    text[EVENT_ID_MAX] = '\0';
    assert_int_equal(
        read_answer_with(arena_printf(&arena, "\"correct\":1,\"id\":\"%s\"", text).p).err, ERR_OK);
    text[EVENT_ID_MAX] = 'x';
    text[EVENT_ID_MAX + 1] = '\0';
    assert_refused(read_answer_with(arena_printf(&arena, "\"correct\":1,\"id\":\"%s\"", text).p),
                   "VALIDATION_ERROR", "id");
    /* {"a":"…"}: eight bytes around the text */
    for (size_t over = 0; over < 2; over++) {
        size_t n = EVENT_DATA_MAX - 8 + over;
        memcpy(data, "{\"a\":\"", 6);
        memset(data + 6, 'y', n);
        memcpy(data + 6 + n, "\"}", 3);
        struct outcome o =
            read_answer_with(arena_printf(&arena, "\"correct\":1,\"data\":%s", data).p);
        if (over)
            assert_refused(o, "VALIDATION_ERROR", "data");
        else
            assert_int_equal(o.err, ERR_OK);
    }
    free(data);
}

/* Nothing behind these can be read: the whole text is refused. */
static void broken_text_is_a_syntax_error(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "",
        "{",
        "{\"learner\"",
        "{\"learner\":\"a\",}",
        "{\"learner\":\"a\" \"kind\":\"study\"}",
        "{\"kind\":\"study\",\"kind\":\"study\"}",
        "{\"score\":NaN}",
        "{\"score\":Infinity}",
        "{\"score\":-Infinity}",
        "{\"score\":1e999}",
        "{\"durationMs\":01}",
        "{\"id\":\"\\ud800\"}",
        "{\"id\":\"\xff\"}",
        "{\"id\":\"\xc0\x80\"}",
        "{\"data\":{\"a\":1,\"a\":2}}",
        "nul",
    };

    for (size_t i = 0; i < COUNT(broken); i++) {
        struct outcome o = read_text(broken[i]);
        if (o.err != ERR_SYNTAX)
            fail_msg("%s: %d", broken[i], (int)o.err);
        assert_int_not_equal(o.end, ERR_OK);
    }
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_str(&b, STR("{\"learner\":\"a\",\"kind\":\"study\",\"data\":"));
    for (int i = 0; i < 100000; i++)
        buf_str(&b, STR("{\"a\":"));
    assert_int_equal(read_as(buf_view(&b), (struct str){NULL, 0}).err, ERR_SYNTAX);
    buf_fini(&b);
}

static void reading_goes_on_behind_a_bad_event(void **state)
{
    (void)state;
    struct event_rules rules = {.now_us = NOW, .future_max_us = 0};
    struct event_error error;
    struct json_reader r;
    struct event e;
    int32_t unknown = 0;

    json_reader_init(&r,
                     STR("[{\"learner\":1,\"kind\":{\"a\":[]},\"skills\":[1,2,{\"x\":[[]]}]},"
                         "{\"learner\":\"a\",\"kind\":\"study\"}]"),
                     &arena, 16);
    assert_true(json_array_begin(&r));
    assert_true(json_next_item(&r));
    assert_int_equal(event_read(&r, &arena, &rules, &e, &unknown, &error), ERR_RANGE);
    assert_string_equal(error.field.path, "learner"); /* the first thing that is wrong */
    assert_true(json_next_item(&r));
    assert_int_equal(event_read(&r, &arena, &rules, &e, &unknown, &error), ERR_OK);
    assert_false(json_next_item(&r));
    assert_int_equal(json_end(&r), ERR_OK);
}

static void written_events_read_back(void **state)
{
    (void)state;
    struct outcome o = read_text(
        "{\"id\":\"e\\\"1\",\"learner\":\"ann\",\"at\":\"2025-03-03T10:05:00.123456Z\",\"kind\":"
        "\"mission_completed\",\"skills\":[\"a\"],\"correct\":true,\"score\":0.1,\"rating\":2,"
        "\"durationMs\":1,\"confidence\":0.3,\"timed\":false,\"data\":{\"mission\":\"m\"}}");
    struct json_writer w;
    struct buf first, second;

    assert_int_equal(o.err, ERR_OK);
    assert_str(o.e.mission, "m"); /* told in data, kept as the event's own */
    buf_init(&first, 4096);
    buf_init(&second, 4096);
    json_writer_init(&w, &first);
    event_write(&w, &o.e);
    struct outcome again = read_as(buf_view(&first), (struct str){NULL, 0});
    assert_int_equal(again.err, ERR_OK);
    assert_int_equal(again.e.at, o.e.at);
    json_writer_init(&w, &second);
    event_write(&w, &again.e);
    assert_true(str_eq(buf_view(&first), buf_view(&second)));
    assert_non_null(strstr(first.p, "10:05:00.123456Z"));
    buf_fini(&first);
    buf_fini(&second);
}

static void made_events_are_checked_alike(void **state)
{
    (void)state;
    struct event_rules rules = {.now_us = NOW, .future_max_us = INT64_MAX};
    struct event_error error;
    struct event good, e;

    event_init(&good);
    good.learner = STR("ann");
    good.kind = EVENT_ANSWER;
    good.item = STR("q");
    good.correct = 1;
    assert_int_equal(event_check(&good, &rules, &error), ERR_OK);
#define BAD(change, path_)                                            \
    do {                                                              \
        e = good;                                                     \
        change;                                                       \
        assert_int_equal(event_check(&e, &rules, &error), ERR_RANGE); \
        assert_string_equal(error.field.path, path_);                 \
    } while (0)
    BAD(e.learner.p = NULL, "learner");
    BAD(e.learner = STR(""), "learner");
    BAD(e.item = STR("\xff"), "item");
    BAD(e.item.p = NULL, "item");
    BAD(e.id = STR("a\tb"), "id");
    BAD(e.kind = (enum event_kind)99, "kind");
    BAD(e.kind = EVENT_NONE, "kind");
    BAD(e.correct = 3, "correct");
    BAD(e.rating = 9, "rating");
    BAD(e.score = INFINITY, "score");
    BAD(e.confidence = -1, "confidence");
    BAD(e.duration_ms = -2, "durationMs");
    BAD(e.latency_ms = INT64_MAX, "latencyMs");
    BAD(e.at = 0, "at");
    BAD(e.at = INT64_MAX, "at");
    BAD(e.data = STR("[]"), "data");
    BAD(e.data = STR("{\"a\":1} x"), "data");
    BAD(e.kind = EVENT_LOAD, "data.loadScore");
    BAD((e.skills = &good.learner, e.skill_count = EVENT_SKILLS_MAX + 1), "skills");
#undef BAD
}

/* The page's table of kinds is that of the program. */
static void documented_kinds_are_the_programs(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *wire, *text;
    } kinds[] = {
#define KIND(number, NAME, wire, needs, text) {number, wire, text},
#include "ingest/kinds.def"
#undef KIND
    };
    const char *source = getenv("DOPPEL_SOURCE");
    char path[512], line[4096], row[1024];
    size_t found = 0, rows = 0;

    snprintf(path, sizeof path, "%s/docs/events.md", source ? source : ".");
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s cannot be read", path);
    while (fgets(line, sizeof line, f)) {
        if (line[0] != '|' || line[2] < '0' || line[2] > '9')
            continue;
        rows++;
        for (size_t i = 0; i < COUNT(kinds); i++) {
            snprintf(row, sizeof row, "| %d | `%s` | ", kinds[i].number, kinds[i].wire);
            if (strncmp(line, row, strlen(row)) != 0)
                continue;
            snprintf(row, sizeof row, "| %s |\n", kinds[i].text);
            assert_true(strlen(line) > strlen(row));
            assert_string_equal(line + strlen(line) - strlen(row), row);
            found++;
        }
    }
    fclose(f);
    assert_int_equal(found, COUNT(kinds));
    assert_int_equal(rows, COUNT(kinds));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_members_are_read),
        TEST(absent_members_are_none),
        TEST(every_kind_has_its_needs),
        TEST(bad_members_are_named),
        TEST(bad_data_is_named),
        TEST(times_have_bounds),
        TEST(lengths_have_bounds),
        TEST(broken_text_is_a_syntax_error),
        TEST(reading_goes_on_behind_a_bad_event),
        TEST(written_events_read_back),
        TEST(made_events_are_checked_alike),
        TEST(documented_kinds_are_the_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
