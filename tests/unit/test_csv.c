/* Reading separated text, lines, gzip, and foreign times. */
#include "test.h"

#include "base/args.h"
#include "base/buf.h"
#include "import/csv.h"
#include "import/timeform.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

/* The records as text: fields between '|', a line each; refused ones as !reason. */
static struct str read_all(struct buf *out, struct str text, struct csv_format format)
{
    struct source *source = source_of(text);
    struct csv *csv = calloc(1, sizeof *csv);
    struct csv_record r;
    const char *reason;
    enum err e;

    assert_non_null(source);
    assert_non_null(csv);
    buf_init(out, 1 << 20);
    csv_init(csv, source, format);
    while ((e = csv_next(csv, &r, &reason)) == ERR_OK || e == ERR_RANGE) {
        buf_printf(out, "%d:", (int)r.line);
        for (int32_t i = 0; i < r.count; i++)
            buf_printf(out, "%s" STR_FMT, i ? "|" : "", STR_ARG(r.fields[i]));
        if (e == ERR_RANGE)
            buf_printf(out, "!%s", reason);
        buf_putc(out, '\n');
    }
    if (e != ERR_EOF)
        buf_printf(out, "error %s\n", err_code(e));
    csv_fini(csv);
    free(csv);
    source_close(source);
    return buf_view(out);
}

static void splits_as_rfc_4180_and_beyond(void **state)
{
    static const struct {
        const char *text;
        char separator;
        bool no_quotes;
        const char *expected;
    } cases[] = {
        {"a,b\n1,2\n", 0, false, "1:a|b\n2:1|2\n"},
        {"a,b\r\n1,2", 0, false, "1:a|b\n2:1|2\n"},
        {"a\tb,c\td\n", 0, false, "1:a|b,c|d\n"},
        {"a;b;c\n\n\r\n1;;\n", 0, false, "1:a|b|c\n4:1||\n"},
        {"\xef\xbb\xbf"
         "a|b\n",
         0, false, "1:a|b\n"},
        {"\"a,1\",b\n", ',', false, "1:a,1|b\n"},
        {"\"a \"\"b\"\" c\",\"\"\n", ',', false, "1:a \"b\" c|\n"},
        {"\"two\nlines\",x\ny,z\n", ',', false, "1:two\nlines|x\n3:y|z\n"},
        {"\"a\"tail,b\n", ',', false, "1:atail|b\n"},
        {"5\" pipe,b\"c\n", ',', false, "1:5\" pipe|b\"c\n"},
        {"\"a\tb\"\tc\n", '\t', true, "1:\"a|b\"|c\n"},
        {"single\ncolumn\n", 0, false, "1:single\n2:column\n"},
        {"x\n\"open,1\nb,2\n", ',', false, "1:x\n2:!a quote is not closed\n3:b|2\n"},
        {"", 0, false, ""},
        {"\xff,b\nc,d\n", ',', false, "1:!not UTF-8 (--encoding latin1 reads ISO 8859-1)\n2:c|d\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out;
        struct csv_format format = {.separator = cases[i].separator, .quotes = !cases[i].no_quotes};

        assert_str(read_all(&out, str_from(cases[i].text), format), cases[i].expected);
        buf_fini(&out);
    }
}

static void a_nul_byte_costs_its_record_only(void **state)
{
    struct buf out;

    (void)state;
    assert_str(read_all(&out, STR("a,\0b\nc,d\n"), (struct csv_format){.separator = ','}),
               "1:!holds a NUL byte\n2:c|d\n");
    buf_fini(&out);
}

static void latin1_becomes_utf8(void **state)
{
    struct buf out;
    struct csv_format format = {.separator = ',', .quotes = true, .latin1 = true};

    (void)state;
    assert_str(read_all(&out, STR("caf\xe9,\"\xfc,\xdf\"\n"), format),
               "1:caf\xc3\xa9|\xc3\xbc,\xc3\x9f\n");
    buf_fini(&out);
}

/* Records that cross the window's refills, quoted and not, come out whole. */
static void long_input_comes_out_whole(void **state)
{
    struct buf text, expected, out;

    (void)state;
    buf_init(&text, 4 << 20);
    buf_init(&expected, 4 << 20);
    for (int i = 0; i < 20000; i++) {
        int line = 1 + i + i / 3 + (i % 3 ? 1 : 0);

        buf_printf(&text, i % 3 ? "%d,plain %d\n" : "%d,\"a \"\"quoted\"\"\n%d\"\n", i, i * 7);
        buf_printf(&expected, i % 3 ? "%d:%d|plain %d\n" : "%d:%d|a \"quoted\"\n%d\n", line, i,
                   i * 7);
    }
    struct csv_format format = {.separator = ',', .quotes = true};

    assert_true(str_eq(read_all(&out, buf_view(&text), format), buf_view(&expected)));
    buf_fini(&out);
    buf_fini(&text);
    buf_fini(&expected);
}

static void limits_hold(void **state)
{
    struct buf text, out;
    struct csv_format format = {.separator = ',', .quotes = true};

    (void)state;
    buf_init(&text, 8 << 20);
    for (int i = 0; i < CSV_FIELDS_MAX; i++)
        buf_putc(&text, ',');
    buf_putc(&text, '\n');
    for (int i = 0; i < CSV_RECORD_MAX + 10; i++)
        buf_putc(&text, 'x');
    buf_put(&text, "\nlast\n", 6);
    assert_str(read_all(&out, buf_view(&text), format),
               "1:!more than 1024 fields\n2:!the record is longer than 1 MiB\n3:last\n");
    buf_fini(&out);
    buf_fini(&text);
}

/* ---- gzip ---- */

static size_t gzip(const char *text, unsigned char *out, size_t max)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)text,
                  .avail_in = (unsigned)strlen(text),
                  .next_out = out,
                  .avail_out = (unsigned)max};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return max - z.avail_out;
}

static void gzip_is_seen_by_itself(void **state)
{
    struct csv_format format = {.separator = ','};
    unsigned char bytes[1000];
    struct buf out;

    (void)state;
    size_t one = gzip("a,b\n1,", bytes, sizeof bytes);
    size_t two = one + gzip("2\n3,4\n", bytes + one, sizeof bytes - one);

    assert_str(read_all(&out, (struct str){(char *)bytes, two}, format), "1:a|b\n2:1|2\n3:3|4\n");
    buf_fini(&out);
    memset(bytes + two, 0, 100); /* padding, as tape blocks have it */
    assert_str(read_all(&out, (struct str){(char *)bytes, two + 100}, format),
               "1:a|b\n2:1|2\n3:3|4\n");
    buf_fini(&out);
    assert_str(
        read_all(&out, (struct str){(char *)bytes, two - 5}, format),
        "1:a|b\n2:1|2\n3:3|4\nerror SYNTAX_ERROR\n"); /* what came is given; the end is told */
    buf_fini(&out);
}

static void lines_have_a_limit(void **state)
{
    struct source *s = source_of(STR("one\r\n\nthis is too long\nlast"));
    struct str line;

    (void)state;
    assert_int_equal(source_line(s, 8, &line), ERR_OK);
    assert_str(line, "one");
    assert_int_equal(source_line(s, 8, &line), ERR_OK);
    assert_str(line, "");
    assert_int_equal(source_line(s, 8, &line), ERR_TOO_LARGE);
    assert_int_equal(source_line(s, 8, &line), ERR_OK);
    assert_str(line, "last");
    assert_int_equal(s->line, 4);
    assert_int_equal(source_line(s, 8, &line), ERR_EOF);
    source_close(s);
}

static void a_missing_file_is_named(void **state)
{
    struct source *s;
    char detail[ARGS_DETAIL_MAX];

    (void)state;
    assert_int_equal(source_open("/nowhere/at.all", &s, detail), ERR_NOT_FOUND);
    assert_non_null(strstr(detail, "/nowhere/at.all"));
    assert_str(source_stem("data/guillem.txt.gz"), "guillem");
    assert_str(source_stem(".gz"), ".gz");
}

/* ---- times ---- */

static void times_in_many_forms(void **state)
{
    static const struct {
        const char *form, *text, *expected; /* NULL: refused */
        bool clock;
    } cases[] = {
        {"rfc3339", "2024-03-29T20:32:32.250000+00:00", "2024-03-29T20:32:32.250Z", true},
        {"%Y-%m-%d %H:%M:%S", "2015-11-02 19:49:38", "2015-11-02T19:49:38.000Z", true},
        {"%Y-%m-%d %H:%M:%S", "2015-11-02 19:49:38.5", "2015-11-02T19:49:38.500Z", true},
        {"%m/%d/%y %H:%M", "10/4/05 4:51", "2005-10-04T04:51:00.000Z", true},
        {"%m/%d/%y %H:%M", "10/14/71 14:51", "1971-10-14T14:51:00.000Z", true},
        {"%d %b %Y %I:%M %p", "3 September 2019 12:05 AM", "2019-09-03T00:05:00.000Z", true},
        {"%d.%m.%Y", "24.08.2020", "2020-08-24T00:00:00.000Z", false},
        {"%Y-%m-%dT%H:%M%z", "2020-08-24T10:00-0530", "2020-08-24T15:30:00.000Z", true},
        {"unix", "1446515390.5", "2015-11-03T01:49:50.500Z", true},
        {"unixms", "1446515390344", "2015-11-03T01:49:50.344Z", true},
        {"days", "18", "2013-10-19T00:00:00.000Z", false},
        {"days", "-159", "2013-04-25T00:00:00.000Z", false},
        {"seconds", "9.131", "2013-10-01T00:00:09.131Z", true},
        {"hours", "25.5", "2013-10-02T01:30:00.000Z", true},
        {"%Y-%m-%d|unix", "0", "1970-01-01T00:00:00.000Z", true},
        {"%Y-%m-%d", "2019-02-29", NULL, false},
        {"%Y-%m-%d", "2019-13-01", NULL, false},
        {"%Y-%m-%d", "2019-01-01x", NULL, false},
        {"%H:%M", "10:00", NULL, false},
        {"unix", "1e300", NULL, false},
        {"unixms", "nan", NULL, false},
        {"days", "1e12", NULL, false},
        {"rfc3339", "", NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[TIME_TEXT_MAX];
        struct timeform t;
        struct str wrong;
        int64_t at;
        bool clock = false;

        assert_int_equal(timeform_init(&t, str_from(cases[i].form), zone_utc(), &wrong), ERR_OK);
        enum err e =
            timeform_parse(&t, str_from(cases[i].text), civil_epoch_day(2013, 10, 1), &at, &clock);

        if (!cases[i].expected) {
            assert_int_not_equal(e, ERR_OK);
            continue;
        }
        assert_int_equal(e, ERR_OK);
        time_print(at, text);
        assert_string_equal(text, cases[i].expected);
        assert_int_equal(clock, cases[i].clock);
    }
}

static void naive_times_have_a_zone(void **state)
{
    const struct zone *zone;
    struct timeform t;
    struct str wrong;
    char text[TIME_TEXT_MAX];
    int64_t at;
    bool clock;

    (void)state;
    assert_int_equal(zone_get(STR("America/New_York"), &zone), ERR_OK);
    assert_int_equal(timeform_init(&t, STR("%Y-%m-%d %H:%M"), zone, &wrong), ERR_OK);
    assert_int_equal(timeform_parse(&t, STR("2020-07-01 08:00"), 0, &at, &clock), ERR_OK);
    time_print(at, text);
    assert_string_equal(text, "2020-07-01T12:00:00.000Z");
    assert_int_equal(timeform_init(&t, STR("%Y|%q"), zone, &wrong), ERR_RANGE);
    assert_str(wrong, "%q");
    assert_int_equal(timeform_init(&t, STR("tomorrow"), zone, &wrong), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_as_rfc_4180_and_beyond),
        cmocka_unit_test(a_nul_byte_costs_its_record_only),
        cmocka_unit_test(latin1_becomes_utf8),
        cmocka_unit_test(long_input_comes_out_whole),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(gzip_is_seen_by_itself),
        cmocka_unit_test(lines_have_a_limit),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(times_in_many_forms),
        cmocka_unit_test(naive_times_have_a_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
