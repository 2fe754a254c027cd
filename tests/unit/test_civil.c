#include "test.h"

#include "base/civil.h"
#include "base/rng.h"

#include <pthread.h>
#include <unistd.h>

static void days_and_weeks(void **state)
{
    (void)state;
    int32_t y, m, d, iy, iw;

    assert_int_equal(civil_epoch_day(1970, 1, 1), 0);
    assert_int_equal(civil_epoch_day(2000, 3, 1), 11017);
    for (int32_t day = -800000; day < 3000000; day += 17) {
        civil_from_day(day, &y, &m, &d);
        assert_int_equal(civil_epoch_day(y, m, d), day);
    }
    civil_iso_week(civil_epoch_day(2021, 1, 3), &iy, &iw);
    assert_int_equal(iy, 2020);
    assert_int_equal(iw, 53);
    civil_iso_week(civil_epoch_day(2024, 12, 30), &iy, &iw);
    assert_int_equal(iy, 2025);
    assert_int_equal(iw, 1);
    for (int32_t day = 0; day < 60000; day++) { /* libc's %G and %V are the oracle */
        time_t t = (time_t)day * 86400;
        struct tm tm;
        char text[16], ours[32];

        gmtime_r(&t, &tm);
        strftime(text, sizeof text, "%G-%V", &tm);
        civil_iso_week(day, &iy, &iw);
        snprintf(ours, sizeof ours, "%04d-%02d", iy, iw);
        assert_string_equal(ours, text);
    }
}

static void times_that_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2025-10-20T14:30:00.000Z", INT64_C(1760970600000000)},
        {"2025-10-20t16:30:00.123456789+02:00", INT64_C(1760970600123456)},
        {"2025-10-20T14:30:00.5-00:00", INT64_C(1760970600500000)},
        {"1969-12-31T23:59:59.999999z", -1},
        {"2016-12-31T23:59:60Z", INT64_C(1483228799999999)},
        {"2017-01-01T05:29:60.2+05:30", INT64_C(1483228799999999)},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
        {"0001-01-01T00:00:00Z", INT64_C(-62135596800000000)},
        {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t us = 1;

        assert_int_equal(time_parse(str_from(cases[i].text), &us), ERR_OK);
        assert_int_equal(us, cases[i].us);
    }
}

static void times_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err e;
    } cases[] = {
        {"", ERR_SYNTAX},
        {"2025-10-20", ERR_SYNTAX},
        {"2025-10-20T14:30Z", ERR_SYNTAX},
        {"2025-10-20T14:30:00", ERR_SYNTAX},
        {"2025-10-20 14:30:00Z", ERR_SYNTAX},
        {"2025-10-20T14:30:00.Z", ERR_SYNTAX},
        {"2025-10-20T14:30:00.1234567890Z", ERR_SYNTAX},
        {"2025-10-20T14:30:00+0200", ERR_SYNTAX},
        {"2025-10-20T14:30:00Z ", ERR_SYNTAX},
        {" 2025-10-20T14:30:00Z", ERR_SYNTAX},
        {"+2025-10-20T14:30:00Z", ERR_SYNTAX},
        {"2025-1-20T14:30:00Z", ERR_SYNTAX},
        {"2025-02-29T00:00:00Z", ERR_RANGE},
        {"1900-02-29T00:00:00Z", ERR_RANGE},
        {"2025-13-01T00:00:00Z", ERR_RANGE},
        {"2025-00-01T00:00:00Z", ERR_RANGE},
        {"2025-04-31T00:00:00Z", ERR_RANGE},
        {"2025-04-30T24:00:00Z", ERR_RANGE},
        {"2025-04-30T23:60:00Z", ERR_RANGE},
        {"2025-04-30T23:59:61Z", ERR_RANGE},
        {"2025-04-30T12:59:60Z", ERR_RANGE},
        {"2025-04-30T23:59:00+24:00", ERR_RANGE},
        {"2025-04-30T23:59:00+23:60", ERR_RANGE},
        {"0000-01-01T00:00:00Z", ERR_RANGE},
        {"0001-01-01T00:00:00+00:01", ERR_RANGE},
        {"9999-12-31T23:59:59-00:01", ERR_RANGE},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t us = 77;

        assert_int_equal(time_parse(str_from(cases[i].text), &us), cases[i].e);
        assert_int_equal(us, 77);
    }
}

static void printed_times_read_back(void **state)
{
    (void)state;
    struct rng r;
    char text[TIME_TEXT_MAX];

    assert_int_equal(time_print(INT64_C(1760970600000999), text), 24);
    assert_string_equal(text, "2025-10-20T14:30:00.000Z");
    time_print(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    assert_true(time_print(INT64_MAX, text) < TIME_TEXT_MAX);
    assert_true(time_print(INT64_MIN, text) < TIME_TEXT_MAX);
    rng_seed(&r, 1);
    for (int i = 0; i < 100000; i++) {
        int64_t span = INT64_C(253402300800000) + INT64_C(62135596800000), back;
        int64_t ms = (int64_t)rng_below(&r, (uint64_t)span) - INT64_C(62135596800000);
        int n = time_print(ms * 1000, text);

        assert_int_equal(time_parse((struct str){text, (size_t)n}, &back), ERR_OK);
        assert_int_equal(back, ms * 1000);
    }
}

static void dates(void **state)
{
    (void)state;
    int32_t day = 7;
    char text[DATE_TEXT_MAX];

    assert_int_equal(date_parse(STR("2024-02-29"), &day), ERR_OK);
    assert_int_equal(day, civil_epoch_day(2024, 2, 29));
    assert_int_equal(date_print(day, text), 10);
    assert_string_equal(text, "2024-02-29");
    assert_int_equal(date_parse(STR("2023-02-29"), &day), ERR_RANGE);
    assert_int_equal(date_parse(STR("2023-02-29T"), &day), ERR_SYNTAX);
    assert_int_equal(date_parse(STR("2023-2-09"), &day), ERR_SYNTAX);
    assert_true(date_print(INT32_MAX, text) < DATE_TEXT_MAX);
    assert_true(date_print(INT32_MIN, text) < DATE_TEXT_MAX);
}

/* ---- zones ---- */

static const char *const zone_names[] = {
    "Europe/Berlin",     "America/New_York",  "Asia/Kolkata",       "Australia/Lord_Howe",
    "Africa/Casablanca", "America/Sao_Paulo", "Pacific/Apia",       "Asia/Tehran",
    "Europe/Dublin",     "Africa/Cairo",      "America/St_Johns",   "Antarctica/Troll",
    "Pacific/Chatham",   "Asia/Kathmandu",    "America/Nuuk",       "Asia/Gaza",
    "America/Havana",    "America/Santiago",  "Pacific/Kiritimati", "Etc/GMT+12",
    "Asia/Tokyo",        "Europe/London",
};

static const struct zone *zone_of(const char *name)
{
    const struct zone *z = NULL;

    assert_int_equal(zone_get(str_from(name), &z), ERR_OK);
    assert_str(zone_name(z), name);
    return z;
}

static void offsets_agree_with_libc(void **state)
{
    (void)state;
    struct rng r;

    rng_seed(&r, 2);
    for (size_t i = 0; i < COUNT(zone_names); i++) {
        const struct zone *z = zone_of(zone_names[i]);

        setenv("TZ", zone_names[i], 1);
        tzset();
        for (int k = 0; k < 20000; k++) {
            int64_t from = TIME_MIN / US_PER_S, to = TIME_MAX / US_PER_S;
            /* every tenth far beyond the table, by the footer alone */
            time_t t = k % 10 ? from + (int64_t)rng_below(&r, (uint64_t)(to - from))
                              : to + (int64_t)rng_below(&r, (uint64_t)(to - from) * 4);
            struct tm tm;
            struct civil c = civil_at(z, t * US_PER_S + 5);

            localtime_r(&t, &tm);
            if (c.offset_s != tm.tm_gmtoff)
                print_error("%s at %lld\n", zone_names[i], (long long)t);
            assert_int_equal(c.offset_s, tm.tm_gmtoff);
            assert_int_equal(c.year, tm.tm_year + 1900);
            assert_int_equal(c.month, tm.tm_mon + 1);
            assert_int_equal(c.day, tm.tm_mday);
            assert_int_equal(c.hour, tm.tm_hour);
            assert_int_equal(c.minute, tm.tm_min);
            assert_int_equal(c.second, tm.tm_sec);
            assert_int_equal(c.weekday, tm.tm_wday);
            assert_int_equal(c.us, 5);
        }
    }
    unsetenv("TZ");
    tzset();
}

/* Around every change of a zone the second before, at, and after must agree too. */
static void the_seconds_around_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(zone_names); i++) {
        const struct zone *z = zone_of(zone_names[i]);

        setenv("TZ", zone_names[i], 1);
        tzset();
        for (int64_t t = TIME_MIN / US_PER_S; t < TIME_MAX / US_PER_S; t += 86400) {
            int64_t low = t, high = t + 86400;
            int32_t before = zone_offset_s(z, low * US_PER_S);

            if (zone_offset_s(z, high * US_PER_S) == before)
                continue;
            while (low + 1 < high) {
                int64_t mid = (low + high) / 2;

                if (zone_offset_s(z, mid * US_PER_S) == before)
                    low = mid;
                else
                    high = mid;
            }
            for (time_t at = low - 1; at <= high + 1; at++) {
                struct tm tm;

                localtime_r(&at, &tm);
                assert_int_equal(zone_offset_s(z, at * US_PER_S), tm.tm_gmtoff);
            }
        }
    }
    unsetenv("TZ");
    tzset();
}

static int64_t wall(const char *zone, int32_t y, int32_t m, int32_t d, int32_t hh, int32_t mm)
{
    return civil_to_us(zone_of(zone), civil_epoch_day(y, m, d), hh * 3600 + mm * 60);
}

static int64_t utc(const char *text)
{
    int64_t us = 0;

    assert_int_equal(time_parse(str_from(text), &us), ERR_OK);
    return us;
}

static void wall_times_in_gaps_and_overlaps(void **state)
{
    (void)state;
    const char *b = "Europe/Berlin", *ny = "America/New_York", *lh = "Australia/Lord_Howe";

    assert_int_equal(wall(b, 2025, 7, 1, 12, 0), utc("2025-07-01T10:00:00Z"));
    assert_int_equal(wall(b, 2025, 3, 30, 2, 30), utc("2025-03-30T01:30:00Z")); /* gap: 03:30 */
    assert_int_equal(wall(b, 2025, 3, 30, 3, 0), utc("2025-03-30T01:00:00Z"));
    assert_int_equal(wall(b, 2025, 10, 26, 2, 30), utc("2025-10-26T00:30:00Z")); /* the first */
    assert_int_equal(wall(b, 2025, 10, 26, 3, 0), utc("2025-10-26T02:00:00Z"));
    assert_int_equal(wall(ny, 2025, 3, 9, 2, 0), utc("2025-03-09T07:00:00Z"));
    assert_int_equal(wall(ny, 2025, 11, 2, 1, 59), utc("2025-11-02T05:59:00Z"));
    assert_int_equal(wall(lh, 2025, 10, 5, 2, 15), utc("2025-10-04T15:45:00Z")); /* half an hour */
    assert_int_equal(wall(lh, 2025, 4, 6, 1, 45), utc("2025-04-05T14:45:00Z"));
    assert_int_equal(wall("Pacific/Apia", 2011, 12, 30, 12, 0), utc("2011-12-30T22:00:00Z"));
    assert_int_equal(wall(b, 2095, 7, 1, 12, 0), utc("2095-07-01T10:00:00Z"));
    assert_int_equal(wall(b, 2500, 7, 1, 12, 0), utc("2500-07-01T10:00:00Z"));
}

static void first_instants_of_days(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        int32_t y, m, d;
        const char *at;
    } cases[] = {
        {"Europe/Berlin", 2025, 3, 30, "2025-03-29T23:00:00Z"},
        {"America/Sao_Paulo", 2018, 11, 4, "2018-11-04T03:00:00Z"}, /* 00:00 to 01:00 is not */
        {"America/Sao_Paulo", 2018, 2, 18, "2018-02-18T03:00:00Z"}, /* 23:00 to 24:00 twice */
        {"America/Havana", 2025, 11, 2, "2025-11-02T04:00:00Z"},    /* 00:00 to 01:00 twice */
        {"Pacific/Apia", 2011, 12, 30, "2011-12-30T10:00:00Z"},     /* that day was left out */
        {"Pacific/Apia", 2011, 12, 31, "2011-12-30T10:00:00Z"},
        {"Asia/Kathmandu", 2025, 1, 1, "2024-12-31T18:15:00Z"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        int32_t day = civil_epoch_day(cases[i].y, cases[i].m, cases[i].d);

        assert_int_equal(civil_day_start(zone_of(cases[i].zone), day), utc(cases[i].at));
    }
}

/* For every zone and day: the day starts within itself, and the instant before is another day. */
static void days_start_at_their_first_instant(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(zone_names); i++) {
        const struct zone *z = zone_of(zone_names[i]);

        for (int32_t day = civil_epoch_day(1990, 1, 2); day < civil_epoch_day(2100, 1, 1); day++) {
            int64_t start = civil_day_start(z, day);
            struct civil c = civil_at(z, start), before = civil_at(z, start - 1);

            if (c.epoch_day == day + 1) /* Apia and Kiritimati have each left out a day */
                assert_true(before.epoch_day == day - 1);
            else
                assert_int_equal(c.epoch_day, day);
            assert_true(before.epoch_day < day);
            int64_t noon = civil_to_us(z, day, 43200);

            if (c.epoch_day == day)
                assert_int_equal(civil_at(z, noon).hour, 12);
        }
    }
}

/* Asked for a hundred thousand times, a file that is no zone leaves room for those that are: a
 * kilobyte each would fill the cache's 64 MiB. */
static void files_that_are_no_zones_take_no_room(void **state)
{
    char dir[] = "/tmp/zones-XXXXXX", path[64];
    const struct zone *z = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/Leap", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    /* Version 2, both headers with one type and one leap second: known as a fault only late. */
    unsigned char head[44] = {'T', 'Z', 'i', 'f', '2'}, body[64] = {0};
    fwrite(head, 1, sizeof head, f);
    head[31] = head[39] = 1;
    fwrite(head, 1, sizeof head, f);
    fwrite(body, 1, sizeof body, f);
    fclose(f);
    setenv("TZDIR", dir, 1);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(zone_get(STR("Leap"), &z), ERR_NOT_FOUND);
    unsetenv("TZDIR");
    unlink(path);
    rmdir(dir);
    zone_of("Pacific/Kiritimati");
}

static void names_that_are_no_zones(void **state)
{
    (void)state;
    const struct zone *z = NULL;

    assert_int_equal(zone_get(STR("Mars/Olympus"), &z), ERR_NOT_FOUND);
    assert_int_equal(zone_get(STR("Europe"), &z), ERR_NOT_FOUND);
    assert_int_equal(zone_get(STR("posixrules/x"), &z), ERR_NOT_FOUND);
    assert_int_equal(zone_get(STR(""), &z), ERR_SYNTAX);
    assert_int_equal(zone_get(STR("../../../etc/passwd"), &z), ERR_SYNTAX);
    assert_int_equal(zone_get(STR("/etc/localtime"), &z), ERR_SYNTAX);
    assert_int_equal(zone_get(STR("Europe/Berlin\0"), &z), ERR_SYNTAX);
    assert_int_equal(zone_get(STR("Europe Berlin"), &z), ERR_SYNTAX);
    assert_int_equal(zone_get(STR("Europe//Berlin"), &z), ERR_SYNTAX);
    assert_int_equal(zone_get(STR("Europe/Berlin/"), &z), ERR_SYNTAX);
    char long_name[65];

    memset(long_name, 'A', sizeof long_name);
    assert_int_equal(zone_get((struct str){long_name, 65}, &z), ERR_SYNTAX);
    assert_int_equal(zone_get((struct str){long_name, 64}, &z), ERR_NOT_FOUND);
    assert_null(z);
    assert_ptr_equal(zone_of("UTC"), zone_utc());
    assert_int_equal(zone_offset_s(zone_utc(), 0), 0);
    assert_ptr_equal(zone_of("Asia/Tokyo"), zone_of("Asia/Tokyo"));
}

/* A TZif file without changes of its own: the footer says all. */
static const struct zone *zone_by_footer(struct arena *arena, const char *footer)
{
    static const char head[44] = "TZif2";
    char bytes[400];
    size_t n = 0;
    const struct zone *z = NULL;

    memcpy(bytes, head, 44), n += 44;
    memcpy(bytes + n, head, 44);
    bytes[n + 39] = 1; /* typecnt */
    bytes[n + 43] = 4; /* charcnt */
    n += 44;
    memcpy(bytes + n, "\0\0\0\0\0\0UTC\0", 10), n += 10;
    n += (size_t)snprintf(bytes + n, sizeof bytes - n, "\n%s\n", footer);
    if (zone_from_tzif(STR("Test/Zone"), (struct str){bytes, n}, arena, &z) != ERR_OK)
        return NULL;
    return z;
}

static void footers(void **state)
{
    (void)state;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    static const char *const wrong[] = {
        "X",
        "EST",
        "EST5EDT",
        "EST5EDT,M3.2.0",
        "EST5EDT,M13.1.0,M1.1.1",
        "EST25",
        "EST5EDT,M3.6.0,M1.1.1",
        "EST5EDT,M3.2.7,M1.1.1",
        "EST5EDT,J0,J365",
        "EST5EDT,J366,J1",
        "EST5EDT,366,1",
        "<EST5",
        "EST5EDT,M3.2.0/168,M11.1.0",
        "EST5 ",
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_null(zone_by_footer(&arena, wrong[i]));
    }
    const struct zone *z = zone_by_footer(&arena, "EST5EDT,0/0,J365/25"); /* summer time all year */

    assert_non_null(z);
    for (int64_t t = TIME_MIN; t < TIME_MAX + 400 * US_PER_DAY; t += 5 * US_PER_HOUR)
        assert_int_equal(zone_offset_s(z, t), -4 * 3600);
    /* What libc makes of the same text. */
    static const char *const good[] = {"<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
                                       "IST-1GMT0,M10.5.0,M3.5.0/1",
                                       "AAA-3BBB,J60/0,J300/0",
                                       "AAA3BBB,59,300/24",
                                       "<+0530>-5:30",
                                       "EET-2EEST,M3.4.4/50,M10.4.4/50"};

    for (size_t i = 0; i < COUNT(good); i++) {
        z = zone_by_footer(&arena, good[i]);
        assert_non_null(z);
        setenv("TZ", good[i], 1);
        tzset();
        for (time_t t = TIME_MIN / US_PER_S; t < TIME_MAX / US_PER_S * 2; t += 9999) {
            struct tm tm;

            localtime_r(&t, &tm);
            if (zone_offset_s(z, t * US_PER_S) != tm.tm_gmtoff)
                print_error("%s at %lld\n", good[i], (long long)t);
            assert_int_equal(zone_offset_s(z, t * US_PER_S), tm.tm_gmtoff);
        }
    }
    unsetenv("TZ");
    tzset();
    arena_fini(&arena);
}

/* Every cut of a real file must be refused or read, never overrun (seen under the sanitizers). */
static void cut_files(void **state)
{
    (void)state;
    static char bytes[8192];
    FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");

    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);

    fclose(f);
    for (size_t cut = 0; cut < n; cut++) {
        struct arena arena;
        const struct zone *z = NULL;
        char *copy = malloc(cut + 1);

        memcpy(copy, bytes, cut);
        arena_init(&arena, 1 << 16);
        assert_int_equal(zone_from_tzif(STR("X"), (struct str){copy, cut}, &arena, &z), ERR_SYNTAX);
        arena_fini(&arena);
        free(copy);
    }
    enum err e = ERR_NOMEM;

    for (size_t cap = 0; e == ERR_NOMEM; cap += 500) {
        struct arena arena;
        const struct zone *z = NULL;

        arena_init(&arena, cap);
        e = zone_from_tzif(STR("X"), (struct str){bytes, n}, &arena, &z);
        arena_fini(&arena);
    }
    assert_int_equal(e, ERR_OK);
}

static const char *const threaded[] = {"Asia/Seoul",   "Asia/Manila",    "Asia/Dubai",
                                       "America/Lima", "America/Denver", "Europe/Rome",
                                       "Europe/Oslo",  "Africa/Lagos"};

static void *get_all(void *arg)
{
    const struct zone **got = arg;

    for (size_t i = 0; i < COUNT(threaded); i++)
        if (zone_get(str_from(threaded[i]), &got[i]) != ERR_OK)
            got[i] = NULL;
    return NULL;
}

/* Several threads meet zones that none has seen: all get the same ones. */
static void zones_are_shared_between_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    static const struct zone *got[THREADS][COUNT(threaded)];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_all, got[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t k = 0; k < COUNT(threaded); k++)
        for (int i = 0; i < THREADS; i++) {
            assert_non_null(got[i][k]);
            assert_ptr_equal(got[i][k], got[0][k]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_and_weeks),
        cmocka_unit_test(times_that_are_read),
        cmocka_unit_test(times_that_are_refused),
        cmocka_unit_test(printed_times_read_back),
        cmocka_unit_test(dates),
        cmocka_unit_test(offsets_agree_with_libc),
        cmocka_unit_test(the_seconds_around_changes),
        cmocka_unit_test(wall_times_in_gaps_and_overlaps),
        cmocka_unit_test(first_instants_of_days),
        cmocka_unit_test(days_start_at_their_first_instant),
        cmocka_unit_test(files_that_are_no_zones_take_no_room),
        cmocka_unit_test(names_that_are_no_zones),
        cmocka_unit_test(zones_are_shared_between_threads),
        cmocka_unit_test(footers),
        cmocka_unit_test(cut_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
