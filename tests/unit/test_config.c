/* Settings: units, bounds, sources and their order, and that no password is ever printed. */
#include "base/assert.h"
#include "cli/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static const struct config_origin flag = {.source = CONFIG_FROM_FLAG};

static void every_default_is_within_its_own_bounds(void **state)
{
    (void)state;
    struct config c;

    config_init(&c); /* ends the process if not */
    assert_int_equal(c.workers, 4);
    assert_int_equal(c.head_bytes_max, 16 * 1024);
    assert_int_equal(c.event_future_max, 24 * 3600 * 1000);
    assert_true(c.migrate);
    assert_int_equal(c.log_level, 2);
    assert_string_equal(c.listen.p, "127.0.0.1:8080");
    config_fini(&c);
}

static void values_are_read_with_their_units(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        int64_t number; /* -1: refused */
    } cases[] = {
        {"head_timeout", "250", 250},
        {"head-timeout", "2s", 2000},
        {"head_timeout", "2 s", 2000},
        {"head_timeout", "3min", 180000},
        {"head_timeout", "1h", 3600000},
        {"head_timeout", "2h", -1},
        {"head_timeout", "9", -1},
        {"head_timeout", "1.5s", -1},
        {"head_timeout", "s", -1},
        {"head_timeout", "", -1},
        {"head_timeout", "-1s", -1},
        {"head_timeout", "9223372036854775807h", -1},
        {"head_timeout", "99999999999999999999", -1},
        {"head_bytes_max", "64KiB", 65536},
        {"head_bytes_max", "64kib", 65536},
        {"head_bytes_max", "1MiB", 1048576},
        {"head_bytes_max", "1GiB", -1},
        {"head_bytes_max", "64KB", -1},
        {"workers", "256", 256},
        {"workers", "257", -1},
        {"workers", "4s", -1},
        {"workers", "0x10", -1},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config c;
        char detail[CONFIG_DETAIL_MAX] = "";

        config_init(&c);
        enum err e =
            config_set(&c, str_from(cases[i].name), str_from(cases[i].value), flag, detail);

        assert_int_equal(e, cases[i].number < 0 ? ERR_RANGE : ERR_OK);
        int64_t got = strcmp(cases[i].name, "workers") == 0          ? c.workers
                      : strcmp(cases[i].name, "head_bytes_max") == 0 ? c.head_bytes_max
                                                                     : c.head_timeout;
        if (e == ERR_OK)
            assert_int_equal(got, cases[i].number);
        else
            assert_non_null(strstr(detail, "must be"));
        config_fini(&c);
    }
}

static void refusals_name_setting_value_and_range(void **state)
{
    (void)state;
    struct config c;
    char detail[CONFIG_DETAIL_MAX];

    config_init(&c);
    assert_int_equal(config_set(&c, STR("workers"), STR("9000"), flag, detail), ERR_RANGE);
    assert_string_equal(detail, "workers must be a whole number from 1 to 256, not \"9000\"");
    assert_int_equal(config_set(&c, STR("log_level"), STR("loud"), flag, detail), ERR_RANGE);
    assert_string_equal(detail, "log_level must be one of error|warn|info|debug, not \"loud\"");
    assert_int_equal(config_set(&c, STR("dev"), STR("perhaps"), flag, detail), ERR_RANGE);
    assert_string_equal(detail, "dev must be true or false, not \"perhaps\"");
    assert_int_equal(config_set(&c, STR("wokers"), STR("1"), flag, detail), ERR_RANGE);
    assert_string_equal(detail, "there is no setting \"wokers\"; did you mean workers?");
    assert_int_equal(config_set(&c, STR("xyzzy"), STR("1"), flag, detail), ERR_RANGE);
    assert_string_equal(detail, "there is no setting \"xyzzy\"");
    config_fini(&c);
}

static void a_file_is_read_line_by_line(void **state)
{
    (void)state;
    struct config c;
    char detail[CONFIG_DETAIL_MAX];

    config_init(&c);
    assert_int_equal(config_read(&c, STR("a.conf"),
                                 STR("# a comment\r\n"
                                     "\n"
                                     "workers = 7   # of many\n"
                                     "  head-timeout=2s\n"
                                     "cors_origins = \"https://a # \\\"b\\\" \\\\\"  # quoted\n"
                                     "dev = yes"),
                                 detail),
                     ERR_OK);
    assert_int_equal(c.workers, 7);
    assert_int_equal(c.head_timeout, 2000);
    assert_string_equal(c.cors_origins.p, "https://a # \"b\" \\");
    assert_true(c.dev);
    assert_int_equal(c.origin[CONFIG_workers].source, CONFIG_FROM_FILE);
    assert_int_equal(c.origin[CONFIG_workers].line, 3);
    config_fini(&c);
}

static void a_bad_file_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *says;
    } cases[] = {
        {{"\nwokers = 3", 11}, "a.conf:2: there is no setting \"wokers\"; did you mean workers?"},
        {{"workers", 7}, "a.conf:1: expected `name = value`"},
        {{"[server]", 8}, "a.conf:1: expected `name = value`"},
        {{"workers = 1\nworkers = 2", 23}, "a.conf:2: workers was already set on line 1"},
        {{"listen = \"abc", 13}, "a.conf:1: the quotes do not close, or text follows them"},
        {{"listen = \"a\" b", 14}, "a.conf:1: the quotes do not close, or text follows them"},
        {{"listen = a\0b", 12}, "a.conf:1: listen must be text of 1 to 1024 bytes, not \"a\""},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config c;
        char detail[CONFIG_DETAIL_MAX];

        config_init(&c);
        assert_int_equal(config_read(&c, STR("a.conf"), cases[i].text, detail), ERR_RANGE);
        assert_string_equal(detail, cases[i].says);
        config_fini(&c);
    }
}

static void later_sources_win(void **state)
{
    (void)state;
    struct config c;
    char detail[CONFIG_DETAIL_MAX];
    char e0[] = "PATH=/bin", e1[] = "DOPPEL_WORKERS=8", e2[] = "DOPPEL_LOOPS=3",
         e3[] = "DOPPEL_WORKERS_RESERVED=2";
    char *env[] = {e0, e1, e2, e3, NULL};
    char a0[] = "--loops=5", a1[] = "keep", a2[] = "--no-migrate", a3[] = "--verify",
         a4[] = "--dev", a5[] = "--sqlite-cache", a6[] = "8MiB", a7[] = "--", a8[] = "--workers=1";
    char *argv[] = {a0, a1, a2, a3, a4, a5, a6, a7, a8};
    int argc = COUNT(argv);

    config_init(&c);
    assert_int_equal(config_read(&c, STR("f"), STR("workers=9\nloops=9\nwriters=9"), detail),
                     ERR_OK);
    assert_int_equal(config_read_env(&c, env, detail), ERR_OK);
    assert_int_equal(config_read_flags(&c, &argc, argv, detail), ERR_OK);
    assert_int_equal(c.writers, 9);
    assert_int_equal(c.workers, 8);
    assert_int_equal(c.workers_reserved, 2);
    assert_int_equal(c.loops, 5);
    assert_int_equal(c.sqlite_cache, 8 << 20);
    assert_false(c.migrate);
    assert_true(c.dev);
    assert_int_equal(argc, 4);
    assert_string_equal(argv[0], "keep");
    assert_string_equal(argv[1], "--verify");
    assert_string_equal(argv[2], "--");
    assert_string_equal(argv[3], "--workers=1");
    config_fini(&c);
}

static void bad_flags_and_variables_say_which(void **state)
{
    (void)state;
    struct config c;
    char detail[CONFIG_DETAIL_MAX];
    char e1[] = "DOPPEL_WORKERS=many";
    char *env[] = {e1, NULL};
    char a0[] = "--workers", a1[] = "--no-dev=1", a2[] = "--listen", a3[] = "--dev";
    char *lone[] = {a0}, *odd[] = {a1}, *swallow[] = {a2, a3};
    int argc = 1;

    config_init(&c);
    assert_int_equal(config_read_env(&c, env, detail), ERR_RANGE);
    assert_string_equal(
        detail, "DOPPEL_WORKERS: workers must be a whole number from 1 to 256, not \"many\"");
    assert_int_equal(config_read_flags(&c, &argc, lone, detail), ERR_RANGE);
    assert_string_equal(detail, "--workers needs a value");
    assert_int_equal(config_read_flags(&c, &argc, odd, detail), ERR_RANGE);
    assert_string_equal(detail, "--no-dev=1 takes no value");
    argc = 2;
    assert_int_equal(config_read_flags(&c, &argc, swallow, detail), ERR_RANGE);
    assert_string_equal(detail, "--listen needs a value");
    config_fini(&c);
}

static void shown(const char *database, const char *want)
{
    struct config c;
    struct buf out;
    char detail[CONFIG_DETAIL_MAX];

    config_init(&c);
    buf_init(&out, 8192);
    assert_int_equal(config_set(&c, STR("database"), str_from(database), flag, detail), ERR_OK);
    config_value_print(&c, CONFIG_database, &out);
    buf_putc(&out, 0);
    assert_string_equal(out.p, want);
    buf_fini(&out);
    config_fini(&c);
}

static void passwords_are_masked(void **state)
{
    (void)state;
    shown("sqlite:a.db", "sqlite:a.db");
    shown("postgresql://me:geheim@host/db", "postgresql://me:***@host/db");
    shown("postgresql://me:ge@he:im@host/db", "postgresql://me:***@host/db");
    shown("postgresql://me@host:5432/db", "postgresql://me@host:5432/db");
    shown("postgresql://host/db?user=me&password=geheim&x=1",
          "postgresql://host/db?user=me&password=***&x=1");
    shown("postgresql://host/db?password=geheim", "postgresql://host/db?password=***");
    shown("postgresql://:geheim@host", "postgresql://:***@host");
    shown("postgresql://me:ge?he#im@host/db", "postgresql://me:***@host/db");
    shown("postgresql://me?geheim@host", "postgresql://me?***@host");
    shown("postgresql://host?password=geheim", "postgresql://host?password=***");
    shown("host=a password=geheim", "***");
}

static void a_refused_secret_is_not_repeated(void **state)
{
    (void)state;
    struct config c;
    char detail[CONFIG_DETAIL_MAX];

    config_init(&c);
    assert_int_equal(
        config_set(&c, STR("database"), STR("postgresql://a:geheim\xff@b"), flag, detail),
        ERR_RANGE);
    assert_null(strstr(detail, "geheim"));
    config_fini(&c);
}

/* What `doppel config` prints is a file that gives the same settings. */
static void what_is_printed_reads_back_the_same(void **state)
{
    (void)state;
    struct config a, b;
    struct buf first, second;
    char detail[CONFIG_DETAIL_MAX];

    config_init(&a);
    config_init(&b);
    buf_init(&first, 1 << 16);
    buf_init(&second, 1 << 16);
    assert_int_equal(config_set(&a, STR("head_timeout"), STR("90s"), flag, detail), ERR_OK);
    assert_int_equal(config_set(&a, STR("listen"), STR("unix:/a #b\" "), flag, detail), ERR_OK);
    config_print(&a, &first);
    assert_int_equal(config_read(&b, STR("printed"), buf_view(&first), detail), ERR_OK);
    for (int s = 0; s < SETTING_COUNT; s++) {
        buf_clear(&first);
        buf_clear(&second);
        config_value_print(&a, (enum setting)s, &first);
        config_value_print(&b, (enum setting)s, &second);
        assert_true(str_eq(buf_view(&first), buf_view(&second)));
    }
    assert_int_equal(b.head_timeout, 90000);
    assert_string_equal(b.listen.p, "unix:/a #b\" ");
    buf_fini(&first);
    buf_fini(&second);
    config_fini(&a);
    config_fini(&b);
}

/* The commented file of defaults, its comments taken away, is valid and changes nothing. */
static void the_printed_defaults_are_the_defaults(void **state)
{
    (void)state;
    struct config c, d;
    struct buf text, live, x, y;
    char detail[CONFIG_DETAIL_MAX];
    int settings = 0;

    buf_init(&text, 1 << 16);
    buf_init(&live, 1 << 16);
    buf_init(&x, 8192);
    buf_init(&y, 8192);
    config_default_print(&text);
    struct str rest = buf_view(&text);

    while (rest.p) {
        struct str line = str_cut(&rest, '\n');

        if (line.n > 1 && line.p[0] == '#' && line.p[1] != ' ') {
            buf_put(&live, line.p + 1, line.n - 1);
            buf_putc(&live, '\n');
            settings++;
        }
    }
    assert_int_equal(settings, SETTING_COUNT);
    config_init(&c);
    config_init(&d);
    assert_int_equal(config_read(&c, STR("defaults"), buf_view(&live), detail), ERR_OK);
    for (int s = 0; s < SETTING_COUNT; s++) {
        buf_clear(&x);
        buf_clear(&y);
        config_value_print(&c, (enum setting)s, &x);
        config_value_print(&d, (enum setting)s, &y);
        assert_true(str_eq(buf_view(&x), buf_view(&y)));
    }
    config_fini(&c);
    config_fini(&d);
    buf_fini(&text);
    buf_fini(&live);
    buf_fini(&x);
    buf_fini(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_within_its_own_bounds),
        cmocka_unit_test(values_are_read_with_their_units),
        cmocka_unit_test(refusals_name_setting_value_and_range),
        cmocka_unit_test(a_file_is_read_line_by_line),
        cmocka_unit_test(a_bad_file_is_refused_with_its_line),
        cmocka_unit_test(later_sources_win),
        cmocka_unit_test(bad_flags_and_variables_say_which),
        cmocka_unit_test(passwords_are_masked),
        cmocka_unit_test(a_refused_secret_is_not_repeated),
        cmocka_unit_test(what_is_printed_reads_back_the_same),
        cmocka_unit_test(the_printed_defaults_are_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
