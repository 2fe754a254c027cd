/* Busy times from iCalendar: recurrence, zones, what is not busy, and hostile text. */
#include "calendar/ical.h"

#include "base/assert.h"
#include "base/buf.h"
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct result {
    struct arena arena;
    struct ical_reader reader;
    struct busy_list list;
    char lines[4096]; /* "2025-10-20T09:00 60 title", a line each */
};

static int64_t at(const char *text)
{
    int64_t us = 0;
    assert_int_equal(time_parse(str_from(text), &us), ERR_OK);
    return us;
}

static void print(struct result *r)
{
    size_t n = 0;

    r->lines[0] = '\0';
    for (int32_t i = 0; i < r->list.count && n < sizeof r->lines - 300; i++) {
        const struct busy_time *b = &r->list.items[i];
        char text[TIME_TEXT_MAX];
        time_print(b->start, text);
        n += (size_t)snprintf(r->lines + n, sizeof r->lines - n, "%.16s %lld " STR_FMT "%s%s\n",
                              text, (long long)((b->end - b->start) / US_PER_MINUTE),
                              STR_ARG(b->title), b->all_day ? " day" : "",
                              b->tentative ? " maybe" : "");
    }
}

static enum err read_as(struct result *r, const char *zone, const char *from, const char *to,
                        struct str text)
{
    struct ical_window w = {.from = at(from), .to = at(to)};

    assert_int_equal(zone_get(str_from(zone), &w.zone), ERR_OK);
    arena_init(&r->arena, 64 << 20);
    ical_begin(&r->reader, &w, &r->arena);
    enum err e = ical_add(&r->reader, text);
    ical_end(&r->reader, &r->list);
    print(r);
    return e;
}

#define FROM "2025-10-20T00:00:00Z"
#define TO "2025-11-20T00:00:00Z"
#define CALENDAR(body) "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" body "END:VCALENDAR\r\n"
#define EVENT(body) "BEGIN:VEVENT\r\nUID:e1\r\nSUMMARY:x\r\n" body "END:VEVENT\r\n"

static void expect_in(const char *zone, const char *text, const char *lines)
{
    static struct result r;

    if (read_as(&r, zone, FROM, TO, str_from(text)) != ERR_OK)
        fail_msg("%s\nin: %s", r.reader.reason, text);
    assert_string_equal(r.lines, lines);
    assert_false(r.list.cut);
    arena_fini(&r.arena);
}

static void expect(const char *text, const char *lines)
{
    expect_in("UTC", text, lines);
}

static void single_events(void **state)
{
    (void)state;
    expect(CALENDAR(EVENT("DTSTART:20251021T090000Z\r\nDTEND:20251021T100000Z\r\n")),
           "2025-10-21T09:00 60 x\n");
    expect(CALENDAR(EVENT("DTSTART:20251021T090000Z\r\nDURATION:PT1H30M\r\n")),
           "2025-10-21T09:00 90 x\n");
    /* a length of nothing occupies nothing; outside of the window nothing is reported */
    expect(CALENDAR(EVENT("DTSTART:20251021T090000Z\r\n")), "");
    expect(CALENDAR(EVENT("DTSTART:20251201T090000Z\r\nDURATION:PT1H\r\n")), "");
    expect(CALENDAR(EVENT("DTSTART:20251021T100000Z\r\nDTEND:20251021T090000Z\r\n")), "");
    /* what reaches into the window counts */
    expect(CALENDAR(EVENT("DTSTART:20251019T230000Z\r\nDTEND:20251020T010000Z\r\n")),
           "2025-10-19T23:00 120 x\n");
    /* folded lines, and a title with escapes */
    expect(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nSUMMARY:Long\n er\\, \n\tand\\n more\nDTSTART:2025"
        "1021T0\n 90000Z\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR",
        "2025-10-21T09:00 60 Longer, and  more\n");
}

#define OWN_ZONE                                                                      \
    "BEGIN:VTIMEZONE\r\nTZID:Our Own\r\n"                                             \
    "BEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nTZOFFSETFROM:+0330\r\n"             \
    "TZOFFSETTO:+0230\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\n" \
    "BEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nTZOFFSETFROM:+0230\r\n"             \
    "TZOFFSETTO:+0330\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\n"  \
    "END:VTIMEZONE\r\n"

static void zones(void **state)
{
    (void)state;
    expect(CALENDAR(EVENT("DTSTART;TZID=Europe/Berlin:20251021T090000\r\nDURATION:PT1H\r\n")),
           "2025-10-21T07:00 60 x\n");
    expect(CALENDAR(EVENT("DTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20251021T090000\r\n"
                          "DURATION:PT1H\r\n")),
           "2025-10-21T07:00 60 x\n");
    /* floating: where the learner is */
    expect_in("America/New_York", CALENDAR(EVENT("DTSTART:20251021T090000\r\nDURATION:PT1H\r\n")),
              "2025-10-21T13:00 60 x\n");
    expect_in("America/New_York",
              CALENDAR("X-WR-TIMEZONE:Asia/Tokyo\r\n" EVENT(
                  "DTSTART:20251021T090000\r\nDURATION:PT1H\r\n")),
              "2025-10-21T00:00 60 x\n");
    /* over the end of summer time the wall clock stays: 26 October in Berlin */
    expect(CALENDAR(EVENT("DTSTART;TZID=Europe/Berlin:20251025T090000\r\nDURATION:PT1H\r\n"
                          "RRULE:FREQ=DAILY;COUNT=3\r\n")),
           "2025-10-25T07:00 60 x\n2025-10-26T08:00 60 x\n2025-10-27T08:00 60 x\n");
    /* a zone that only the calendar knows, with summer time of its own */
    expect(CALENDAR(OWN_ZONE EVENT("DTSTART;TZID=Our Own:20251025T090000\r\nDURATION:PT1H\r\n"
                                   "RRULE:FREQ=DAILY;COUNT=3\r\n")),
           "2025-10-25T05:30 60 x\n2025-10-26T06:30 60 x\n2025-10-27T06:30 60 x\n");
}

static void recurrence(void **state)
{
    (void)state;
    expect(CALENDAR(EVENT("DTSTART:20250106T090000Z\r\nDURATION:PT1H\r\n"
                          "RRULE:FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20251029T090000Z\r\n")),
           "2025-10-20T09:00 60 x\n2025-10-22T09:00 60 x\n2025-10-27T09:00 60 x\n"
           "2025-10-29T09:00 60 x\n");
    /* COUNT counts what lies before the window, and what is excluded */
    expect(CALENDAR(EVENT("DTSTART:20251018T090000Z\r\nDURATION:PT1H\r\n"
                          "RRULE:FREQ=DAILY;COUNT=5\r\nEXDATE:20251021T090000Z\r\n")),
           "2025-10-20T09:00 60 x\n2025-10-22T09:00 60 x\n");
    /* UNTIL in UTC, a start elsewhere: 23:00 in New York of the 22nd is the 23rd in UTC */
    expect(CALENDAR(EVENT("DTSTART;TZID=America/New_York:20251020T230000\r\nDURATION:PT30M\r\n"
                          "RRULE:FREQ=DAILY;UNTIL=20251023T030000Z\r\n")),
           "2025-10-21T03:00 30 x\n2025-10-22T03:00 30 x\n2025-10-23T03:00 30 x\n");
    expect(CALENDAR(EVENT("DTSTART:20251021T090000Z\r\nDURATION:PT1H\r\n"
                          "RDATE:20251023T120000Z,20251024T120000Z\r\n"
                          "RDATE;VALUE=PERIOD:20251025T120000Z/PT2H\r\n"
                          "EXDATE:20251024T120000Z\r\n")),
           "2025-10-21T09:00 60 x\n2025-10-23T12:00 60 x\n2025-10-25T12:00 120 x\n");
    expect(CALENDAR(EVENT("DTSTART:20250131T090000Z\r\nDURATION:PT1H\r\n"
                          "RRULE:FREQ=MONTHLY;BYDAY=-1FR\r\n")),
           "2025-10-31T09:00 60 x\n");
    expect(CALENDAR(EVENT("DTSTART:20241031T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=YEARLY\r\n")),
           "2025-10-31T09:00 60 x\n");
}

static void overrides(void **state)
{
    (void)state;
    /* one moved, one cancelled; their own order in the text does not matter */
    expect(CALENDAR("BEGIN:VEVENT\r\nUID:e1\r\nRECURRENCE-ID:20251021T090000Z\r\nSUMMARY:moved\r\n"
                    "DTSTART:20251021T150000Z\r\nDURATION:PT2H\r\nEND:VEVENT\r\n" EVENT(
                        "DTSTART:"
                        "20251020T090000Z\r"
                        "\nDURATION:"
                        "PT1H\r\nRRULE:"
                        "FREQ=DAILY;COUNT="
                        "4\r\n") "BEGIN:"
                                 "VEVENT\r"
                                 "\nUID:"
                                 "e1\r\nREC"
                                 "URRENCE-"
                                 "ID:"
                                 "20251022T"
                                 "090000Z\r"
                                 "\nSTATUS:"
                                 "CANCELLED"
                                 "\r\n"
                                 "DTSTART:"
                                 "20251022T"
                                 "090000Z\r"
                                 "\nDURATIO"
                                 "N:"
                                 "PT1H\r\nE"
                                 "ND:"
                                 "VEVENT\r"
                                 "\n"),
           "2025-10-20T09:00 60 x\n2025-10-21T15:00 120 moved\n2025-10-23T09:00 60 x\n");
    /* from the 22nd on an hour later and for half an hour */
    expect(CALENDAR(EVENT("DTSTART:20251020T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT="
                          "4\r\n") "BEGIN:VEVENT\r\nUID:e1\r\nSUMMARY:y\r\n"
                                   "RECURRENCE-ID;RANGE=THISANDFUTURE:20251022T090000Z\r\n"
                                   "DTSTART:20251022T100000Z\r\nDURATION:PT30M\r\nEND:VEVENT\r\n"),
           "2025-10-20T09:00 60 x\n2025-10-21T09:00 60 x\n2025-10-22T10:00 30 y\n"
           "2025-10-23T10:00 30 y\n");
}

static void whole_days(void **state)
{
    (void)state;
    expect_in("Europe/Berlin",
              CALENDAR(EVENT("DTSTART;VALUE=DATE:20251025\r\nDTEND;VALUE=DATE:20251027\r\n")),
              "2025-10-24T22:00 2940 x day\n"); /* 49 hours */
    expect_in("Europe/Berlin", CALENDAR(EVENT("DTSTART;VALUE=DATE:20251101\r\n")),
              "2025-10-31T23:00 1440 x day\n");
    expect(CALENDAR(EVENT("DTSTART;VALUE=DATE:20251101\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\n"
                          "EXDATE;VALUE=DATE:20251108\r\n")),
           "2025-11-01T00:00 1440 x day\n2025-11-15T00:00 1440 x day\n");
}

static void what_is_not_busy(void **state)
{
#define TIMES "DTSTART:20251021T090000Z\r\nDURATION:PT1H\r\n"
    (void)state;
    expect(CALENDAR(EVENT(TIMES "STATUS:CANCELLED\r\n")), "");
    expect(CALENDAR(EVENT(TIMES "TRANSP:TRANSPARENT\r\n")), "");
    expect(CALENDAR(EVENT(TIMES "X-MICROSOFT-CDO-BUSYSTATUS:FREE\r\n")), "");
    expect(CALENDAR(EVENT(TIMES "STATUS:TENTATIVE\r\n")), "2025-10-21T09:00 60 x maybe\n");
    expect(CALENDAR(EVENT(TIMES "TRANSP:OPAQUE\r\nSTATUS:CONFIRMED\r\n")),
           "2025-10-21T09:00 60 x\n");
    /* our own sessions, written there or subscribed to, come back */
    expect(CALENDAR("BEGIN:VEVENT\r\nUID:abc" ICAL_OUR_UID "\r\n" TIMES "END:VEVENT\r\n"), "");
    /* tasks, and alarms within an event, are nothing */
    expect(CALENDAR("BEGIN:VTODO\r\nUID:t\r\n" TIMES "END:VTODO\r\n" EVENT(
               TIMES "BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nDURATION:PT9H\r\nEND:VALARM\r\n")),
           "2025-10-21T09:00 60 x\n");
    expect(CALENDAR("BEGIN:VFREEBUSY\r\nUID:f\r\nFREEBUSY:20251021T090000Z/PT1H,20251022T090000Z/"
                    "20251022T093000Z\r\nFREEBUSY;FBTYPE=FREE:20251023T090000Z/PT1H\r\n"
                    "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20251024T090000Z/PT1H\r\nEND:VFREEBUSY\r\n"),
           "2025-10-21T09:00 60 \n2025-10-22T09:00 30 \n2025-10-24T09:00 60  maybe\n");
}

static void refused(const char *text, enum err e, const char *reason)
{
    static struct result r;

    assert_int_equal(read_as(&r, "UTC", FROM, TO, str_from(text)), e);
    assert_non_null(strstr(r.reader.reason, reason));
    arena_fini(&r.arena);
}

static void what_is_not_icalendar(void **state)
{
    (void)state;
    refused("", ERR_SYNTAX, "no calendar");
    refused("<html>", ERR_SYNTAX, "line 1");
    refused("SUMMARY:x", ERR_SYNTAX, "VCALENDAR");
    refused("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", ERR_SYNTAX, "does not end");
    refused("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n", ERR_SYNTAX, "line 3");
    refused("BEGIN:VEVENT\r\nEND:VEVENT\r\n", ERR_SYNTAX, "VCALENDAR");
    refused("END:VCALENDAR\r\n", ERR_SYNTAX, "without BEGIN");
    refused(CALENDAR("BEGIN:A\r\nBEGIN:A\r\nBEGIN:A\r\nBEGIN:A\r\nBEGIN:A\r\nBEGIN:A\r\nBEGIN:A\r\n"
                     "BEGIN:A\r\n"),
            ERR_RANGE, "deep");
}

static void repeat(struct buf *b, const char *text, int times)
{
    while (times-- > 0)
        buf_str(b, str_from(text));
}

static enum err read_repeated(struct result *r, const char *head, const char *text, int times,
                              const char *tail)
{
    struct buf b;

    buf_init(&b, 64 << 20);
    repeat(&b, head, 1);
    repeat(&b, text, times);
    repeat(&b, tail, 1);
    assert_false(b.failed);
    enum err e = read_as(r, "UTC", FROM, TO, buf_view(&b));
    arena_fini(&r->arena);
    buf_fini(&b);
    return e;
}

#define TEN_VALUES ",1,1,1,1,1,1,1,1,1,1"
#define HUNDRED_VALUES                                                                      \
    TEN_VALUES TEN_VALUES TEN_VALUES TEN_VALUES TEN_VALUES TEN_VALUES TEN_VALUES TEN_VALUES \
        TEN_VALUES TEN_VALUES

static void what_is_too_much(void **state)
{
    static struct result r;

    (void)state;
    assert_int_equal(read_repeated(&r, "BEGIN:VCALENDAR\n", "BEGIN:VEVENT\nEND:VEVENT\n", 13000,
                                   "END:VCALENDAR\n"),
                     ERR_RANGE);
    assert_int_equal(read_repeated(&r, "BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "UID:a\n", 200001,
                                   "END:VEVENT\nEND:VCALENDAR\n"),
                     ERR_RANGE);
    assert_int_equal(read_repeated(&r, "BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "RRULE:FREQ=DAILY\n",
                                   12001, "END:VEVENT\nEND:VCALENDAR\n"),
                     ERR_RANGE);
    /* each value is made with each parameter: lists times parameters are what counts */
    assert_int_equal(read_repeated(&r, "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEXDATE", ";A=1", 6000,
                                   ":1" HUNDRED_VALUES "\nEND:VEVENT\nEND:VCALENDAR\n"),
                     ERR_RANGE);
    assert_int_equal(read_repeated(&r, "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:",
                                   "aaaaaaaaaaaaaaaa\n ", 5000, "\nEND:VEVENT\nEND:VCALENDAR\n"),
                     ERR_RANGE);
    /* what does not matter may be as long as it likes */
    assert_int_equal(read_repeated(&r, "BEGIN:VCALENDAR\nBEGIN:VEVENT\nATTACH:",
                                   "aaaaaaaaaaaaaaaa\n ", 50000, "\nEND:VEVENT\nEND:VCALENDAR\n"),
                     ERR_OK);
}

/* Rules without an end in sight end, and what can be known is known. */
static void hostile_rules(void **state)
{
    static const char *const rules[] = {
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300",
        "FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=2",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=31",
        "FREQ=YEARLY;BYDAY=6MO;BYMONTH=1",
        "FREQ=YEARLY;BYDAY=54MO",
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;BYMONTH=6",
        "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1",
        "FREQ=YEARLY;BYSETPOS=366",
        "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=3",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=32767",
        "FREQ=DAILY;COUNT=-1",
        "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9;BYMINUTE=0,1,2,3,4,5,6,7,8,9",
        "RSCALE=CHINESE;FREQ=YEARLY;BYMONTH=5L",
        "FREQ=NEVER",
        "",
    };
    static const char *const searches[] = {
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=3",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31;BYMONTH=4,5",
        "FREQ=DAILY;COUNT=2147483647",
        "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30,1",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
    };
    static struct result r;
    char text[400];

    (void)state;
    for (size_t i = 0; i < COUNT(rules); i++) {
        snprintf(text, sizeof text, CALENDAR(EVENT(TIMES "RRULE:%s\r\n")), rules[i]);
        assert_int_equal(read_as(&r, "UTC", FROM, TO, str_from(text)), ERR_OK);
        /* the rule is passed over, the event itself remains */
        if (r.list.count != 1)
            fail_msg("%s: %d", rules[i], r.list.count);
        arena_fini(&r.arena);
    }
    for (size_t i = 0; i < COUNT(searches); i++) {
        snprintf(text, sizeof text, CALENDAR(EVENT(TIMES "RRULE:%s\r\n")), searches[i]);
        assert_int_equal(read_as(&r, "UTC", FROM, TO, str_from(text)), ERR_OK);
        assert_in_range(r.list.count, 0, 31);
        arena_fini(&r.arena);
    }
}

/* A zone whose clock would change every day, from the year 1 on, or in thousands of ways, is not
 * followed: its times are the learner's. */
static void hostile_zones(void **state)
{
#define WILD_PART(start, rule)                                                          \
    "BEGIN:STANDARD\r\nDTSTART:" start "\r\nTZOFFSETFROM:+0330\r\nTZOFFSETTO:+0230\r\n" \
    "RRULE:" rule "\r\nEND:STANDARD\r\n"
#define WILD_HEAD "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:Wild\r\n"
#define WILD_TAIL                                                                     \
    "END:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Wild:20251021T090000\r\n" \
    "DURATION:PT1H\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:b\r\n"                        \
    "DTSTART;TZID=Wild:22000101T090000\r\nDURATION:PT1H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    static const struct {
        const char *part;
        int times;
    } cases[] = {
        {WILD_PART("19700101T000000", "FREQ=YEARLY;BYDAY=SU,MO,TU,WE,TH,FR,SA"), 1},
        {WILD_PART("19700101T000000", "FREQ=DAILY"), 1},
        {WILD_PART("19700101T000000", "FREQ=SECONDLY"), 1},
        {WILD_PART("19700101T000000", "FREQ=YEARLY;BYMONTH=1;BYDAY=SU;BYHOUR=1,2,3,4"), 1},
        {WILD_PART("00010101T000000", "FREQ=YEARLY;BYMONTH=3;BYDAY=1SU"), 1},
        {WILD_PART("16010101T000000", "FREQ=YEARLY;BYMONTH=3;BYDAY=SU"), 60},
        {WILD_PART("19700101T000000", "FREQ=YEARLY;BYMONTH=3;BYDAY=1SU"), 65},
    };
    static struct result r;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        repeat(&b, WILD_HEAD, 1);
        repeat(&b, cases[i].part, cases[i].times);
        repeat(&b, WILD_TAIL, 1);
        assert_int_equal(read_as(&r, "UTC", FROM, TO, buf_view(&b)), ERR_OK);
        assert_string_equal(r.lines, "2025-10-21T09:00 60 \n");
        arena_fini(&r.arena);
        buf_fini(&b);
    }
    /* as Outlook writes them */
    assert_int_equal(read_as(&r, "UTC", FROM, TO,
                             STR(WILD_HEAD WILD_PART("16010101T000000",
                                                     "FREQ=YEARLY;BYMONTH=3;BYDAY=2SU") WILD_TAIL)),
                     ERR_OK);
    assert_string_equal(r.lines, "2025-10-21T06:30 60 \n");
    arena_fini(&r.arena);
}

/* However many searches there are, the budget ends them all; and ten thousand series are cut to
 * what is kept. */
static void the_budget(void **state)
{
    static struct result r;

    (void)state;
    assert_int_equal(read_repeated(&r, "BEGIN:VCALENDAR\r\n",
                                   EVENT(TIMES "RRULE:FREQ=MONTHLY;INTERVAL=12;BYMONTH=3\r\n"),
                                   3000, "END:VCALENDAR\r\n"),
                     ERR_OK);
    assert_true(r.list.cut);
    assert_int_equal(read_repeated(&r, "BEGIN:VCALENDAR\r\n",
                                   "BEGIN:VEVENT\r\n" TIMES "RRULE:FREQ=DAILY\r\nEND:VEVENT\r\n",
                                   5000, "END:VCALENDAR\r\n"),
                     ERR_OK);
    assert_true(r.list.cut);
    assert_true(r.list.count <= BUSY_MAX);
}

/* Values of another type than their property's must not be taken for it. */
static void disguised_values(void **state)
{
    static const char *const bodies[] = {
        "DTSTART;VALUE=TEXT:20251021T090000Z\r\n",
        "DTSTART:20251021T090000Z\r\nRRULE;VALUE=TEXT:FREQ=DAILY\r\n",
        "DTSTART:20251021T090000Z\r\nDURATION;VALUE=DATE:20250101\r\n",
        "DTSTART:20251021T090000Z\r\nRDATE;VALUE=TEXT:abc\r\nEXDATE;VALUE=URI:abc\r\n",
        "DTSTART:20251021T090000Z\r\nRECURRENCE-ID;VALUE=BINARY:abc\r\n",
        "DTSTART:20251021T090000Z\r\nSTATUS;VALUE=DATE:20250101\r\nTRANSP;VALUE=DURATION:PT1H\r\n",
        "UID;VALUE=DATE:20250101\r\nSUMMARY;VALUE=PERIOD:x\r\nDTSTART:20251021T090000Z\r\n",
        "DTSTART:99991399T996199Z\r\nDURATION:PT1H\r\n",
        "DTSTART;TZID=:20251021T090000\r\nDURATION:P99999W\r\n",
        "DTSTART:20251021T090000Z\r\nDURATION:-PT1H\r\n",
    };
    static struct result r;

    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        char text[400];
        snprintf(text, sizeof text, CALENDAR("BEGIN:VEVENT\r\nUID:a\r\n%sEND:VEVENT\r\n"),
                 bodies[i]);
        assert_int_equal(read_as(&r, "UTC", FROM, TO, str_from(text)), ERR_OK);
        if (r.list.count != 0)
            fail_msg("%s gives %s", bodies[i], r.lines);
        arena_fini(&r.arena);
    }
}

/* Servers do this on several workers at once. */
static void *expand_often(void *failed)
{
    const struct ical_window w = {.from = INT64_C(1760918400) * US_PER_S,
                                  .to = INT64_C(1763596800) * US_PER_S,
                                  .zone = zone_utc()};
    for (int i = 0; i < 50; i++) {
        struct ical_reader r;
        struct busy_list l;
        struct arena arena;
        arena_init(&arena, 1 << 20);
        ical_begin(&r, &w, &arena);
        enum err e = ical_add(
            &r, STR(CALENDAR(OWN_ZONE EVENT("DTSTART;TZID=Our Own:20251025T090000\r\n"
                                            "DURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=3\r\n"))));
        ical_end(&r, &l);
        if (e != ERR_OK || l.count != 3)
            *(bool *)failed = true;
        arena_fini(&arena);
    }
    return NULL;
}

static void many_at_once(void **state)
{
    pthread_t threads[4];
    bool failed[4] = {false};

    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, expand_often, &failed[i]), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_false(failed[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_events),
        cmocka_unit_test(zones),
        cmocka_unit_test(recurrence),
        cmocka_unit_test(overrides),
        cmocka_unit_test(whole_days),
        cmocka_unit_test(what_is_not_busy),
        cmocka_unit_test(what_is_not_icalendar),
        cmocka_unit_test(what_is_too_much),
        cmocka_unit_test(hostile_rules),
        cmocka_unit_test(hostile_zones),
        cmocka_unit_test(the_budget),
        cmocka_unit_test(disguised_values),
        cmocka_unit_test(many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
