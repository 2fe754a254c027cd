/* Conflicts, the feed's text, which addresses may be reached, and what CalDAV servers answer. */
#include "test.h"

#include "calendar/calendar.h"
#include "calendar/dav.h"
#include "calendar/feed.h"
#include "calendar/fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

/* ---- addresses ---- */

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return fetch_address_public((const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return fetch_address_public((const struct sockaddr *)&v6);
}

static void which_addresses_may_be_reached(void **state)
{
    static const char *const no[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.0.1",
        "127.0.0.1",
        "127.8.9.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.9.9",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:a00:1::",
        "2002:7f00:1::1",
        "3fff::1",
        "4000::1",
    };
    static const char *const yes[] = {
        "1.1.1.1",         "9.255.255.255",    "11.0.0.1",
        "100.63.255.255",  "100.128.0.1",      "126.1.1.1",
        "128.0.0.1",       "169.253.1.1",      "172.15.255.255",
        "172.32.0.1",      "192.167.1.1",      "192.169.0.1",
        "198.17.1.1",      "198.20.0.1",       "223.255.255.255",
        "2606:4700::1111", "2a00:1450::1",     "2001:4860:4860::8888",
        "::ffff:8.8.8.8",  "64:ff9b::808:808", "2002:808:808::1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(no); i++)
        if (is_public(no[i]))
            fail_msg("%s must not be reached", no[i]);
    for (size_t i = 0; i < COUNT(yes); i++)
        if (!is_public(yes[i]))
            fail_msg("%s may be reached", yes[i]);
    struct sockaddr unix_socket = {.sa_family = AF_UNIX};
    assert_false(fetch_address_public(&unix_socket));
}

static void which_texts_are_addresses(void **state)
{
    static const char *const no[] = {
        "",
        "x",
        "/path",
        "ftp://a/",
        "file:///etc/passwd",
        "http://",
        "https:/",
        "http:a",
        "http://a b",
        "http://u@a/",
        "http://u:p@a/",
        "http://a/#f",
        "http://a/\n",
        "//a/",
        "mailto:a@b",
        "http://a/\xc3\xbc",
    };
    static const char *const yes[] = {"http://a", "https://a.b:8443/c?d=e", "http://[::1]:80/x"};

    (void)state;
    for (size_t i = 0; i < COUNT(no); i++)
        if (fetch_url_valid(str_from(no[i])))
            fail_msg("%s is no address", no[i]);
    for (size_t i = 0; i < COUNT(yes); i++)
        if (!fetch_url_valid(str_from(yes[i])))
            fail_msg("%s is an address", yes[i]);
}

static void addresses_are_joined(void **state)
{
    static const char base[] = "https://a.example/x/y?q";
    static const struct {
        const char *to, *result;
    } cases[] = {
        {"/z", "https://a.example/z"},
        {"z/", "https://a.example/x/z/"},
        {"../z", "https://a.example/z"},
        {"http://b.example/z", "http://b.example/z"},
        {"//b.example/z", "https://b.example/z"},
        {"file:///etc/passwd", NULL},
        {"https://u:p@b.example/", NULL},
        {"/a b", NULL},
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_str(fetch_url_join(&arena, str_from(base), str_from(cases[i].to)), cases[i].result);
    assert_true(fetch_same_server(STR("https://A.example/x"), STR("https://a.example:443/y")));
    assert_false(fetch_same_server(STR("https://a.example/"), STR("http://a.example/")));
    assert_false(fetch_same_server(STR("https://a.example/"), STR("https://a.example:8443/")));
    assert_false(fetch_same_server(STR("https://a.example/"), STR("https://b.example/")));
    arena_fini(&arena);
}

/* ---- multistatus ---- */

#define MULTISTATUS(body)                                                                       \
    "<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\" "                                   \
    "xmlns:c=\"urn:ietf:params:xml:ns:caldav\" xmlns:s=\"http://calendarserver.org/ns/\">" body \
    "</d:multistatus>"

static enum err parse(struct arena *arena, const char *xml, struct dav_response **ret, int32_t *n,
                      char reason[160])
{
    return dav_parse(str_from(xml), arena, ret, n, reason);
}

static void what_servers_answer(void **state)
{
    struct dav_response *r;
    struct arena arena;
    char reason[160];
    int32_t n;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_int_equal(
        parse(
            &arena,
            MULTISTATUS("<d:response><d:href>\n /a/ </d:href><d:propstat><d:prop>"
                        "<d:displayname>A &amp; <![CDATA[<b>]]></d:displayname>"
                        "<d:resourcetype><d:collection/><c:calendar/></d:resourcetype>"
                        "<c:supported-calendar-component-set><c:comp name=\"VEVENT\"/>"
                        "</c:supported-calendar-component-set><s:getctag>7</s:getctag>"
                        "<d:current-user-principal><d:href>/p/</d:href></d:current-user-principal>"
                        "<c:calendar-home-set><d:href>/h/</d:href></c:calendar-home-set>"
                        "</d:prop></d:propstat></d:response>"
                        "<d:response><d:href>/b</d:href><d:propstat><d:prop><d:getetag>\"e\""
                        "</d:getetag><c:calendar-data> BEGIN\n</c:calendar-data></d:prop>"
                        "</d:propstat></d:response>"),
            &r, &n, reason),
        ERR_OK);
    assert_int_equal(n, 2);
    assert_str(r[0].href, "/a/");
    assert_str(r[0].name, "A & <b>");
    assert_str(r[0].ctag, "7");
    assert_str(r[0].principal, "/p/");
    assert_str(r[0].home, "/h/");
    assert_true(r[0].calendar && r[0].components && r[0].vevent);
    assert_str(r[1].etag, "\"e\"");
    assert_str(r[1].data, " BEGIN\n");
    assert_false(r[1].calendar);
    assert_null(r[1].name.p);
    /* names without their namespaces mean nothing */
    assert_int_equal(parse(&arena,
                           "<multistatus><response><href>/a</href></response></multistatus>", &r,
                           &n, reason),
                     ERR_OK);
    assert_int_equal(n, 0);
    arena_fini(&arena);
}

static void what_servers_must_not_answer(void **state)
{
    static const char *const bad[] = {
        "",
        "no xml",
        "<a>",
        "<a></b>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
        ("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b "
         "\"&a;&a;&a;&a;&a;&a;&a;&a;\">]><a>&b;</a>"),
    };
    struct dav_response *r;
    struct arena arena;
    struct buf deep;
    char reason[160];
    int32_t n;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(parse(&arena, bad[i], &r, &n, reason), ERR_SYNTAX);
        assert_true(reason[0]);
    }
    buf_init(&deep, 1 << 20);
    for (int i = 0; i < 10000; i++)
        buf_str(&deep, STR("<a>"));
    assert_int_equal(dav_parse(buf_view(&deep), &arena, &r, &n, reason), ERR_RANGE);
    buf_fini(&deep);
    arena_fini(&arena);
}

/* ---- conflicts ---- */

#define H(n) ((n)*US_PER_HOUR)
#define PLAN(id, from, to)                                                               \
    {                                                                                    \
        .plan = STR(id), .state = STR("PLANNED"), .start = from, .end = to, .changed = 1 \
    }
#define BUSY(from, to, soft)                                                      \
    {                                                                             \
        .time = {.start = from, .end = to, .event = STR("e"), .tentative = soft } \
    }

static void conflicts_and_what_is_free(void **state)
{
    const struct planned planned[] = {
        PLAN("a", H(9), H(10)),  /* covered; free from 12 on, as 11 is planned */
        PLAN("b", H(11), H(12)), /* touches, and does not overlap */
        PLAN("c", H(14), H(16)), /* overlapped in part; free from 16:30 on */
        PLAN("d", H(20), H(23)), /* nothing is left of the day */
        {.plan = STR("e"), .state = STR("DONE"), .start = H(9), .end = H(10)},
    };
    const struct busy busy[] = {
        BUSY(H(8), H(11), false),
        BUSY(H(12), H(13), true),
        BUSY(H(15), H(16) + 30 * US_PER_MINUTE, false),
        BUSY(H(21), H(22), false),
    };
    static const struct {
        const char *plan;
        bool full;
        int64_t recommended;
    } expected[] = {
        {"a", true, H(12)},
        {"c", false, H(16) + 30 * US_PER_MINUTE},
        {"d", false, TIME_NONE},
    };
    struct conflict *c;
    struct arena arena;
    int32_t n;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_int_equal(
        calendar_conflicts(planned, COUNT(planned), busy, COUNT(busy), zone_utc(), &arena, &c, &n),
        ERR_OK);
    assert_int_equal(n, COUNT(expected));
    for (int32_t i = 0; i < n; i++) {
        assert_str(c[i].planned->plan, expected[i].plan);
        assert_int_equal(c[i].full, expected[i].full);
        assert_int_equal(c[i].recommended, expected[i].recommended);
    }
    arena_fini(&arena);
}

/* ---- the feed ---- */

static void the_feed_reads_back(void **state)
{
    const struct planned p = {.plan = STR("p1"),
                              .title = STR("One; two, three\\ \xc3\xbc"
                                           "0123456789012345678901234567890123456789"
                                           "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"),
                              .state = STR("PLANNED"),
                              .start = H(9),
                              .end = H(10),
                              .changed = H(1)};
    char uid[FEED_UID_MAX], other[FEED_UID_MAX];
    struct buf one, again;

    (void)state;
    buf_init(&one, 1 << 16);
    buf_init(&again, 1 << 16);
    feed_write(&one, STR("ann"), &p, 1);
    feed_write(&again, STR("ann"), &p, 1);
    assert_true(str_eq(buf_view(&one), buf_view(&again)));
    struct str rest = buf_view(&one);
    while (rest.n > 0) {
        struct str line = str_cut(&rest, '\n');
        assert_true(line.n >= 1 && line.n <= 76 && line.p[line.n - 1] == '\r');
        assert_true(utf8_valid(line));
    }
    /* libical reads the same title out of it */
    struct buf reduced;
    char reason[160];
    buf_init(&reduced, 1 << 16);
    assert_int_equal(ical_reduce(buf_view(&one), &reduced, reason), ERR_OK);
    assert_non_null(memmem(reduced.p, reduced.n, "SUMMARY:One\\; two\\, three\\\\ \xc3\xbc", 29));
    assert_true(feed_uid(STR("ann"), STR("p1"), uid) > 32);
    feed_uid(STR("bob"), STR("p1"), other);
    assert_string_not_equal(uid, other);
    assert_null(strstr(uid, "ann"));
    buf_fini(&reduced);
    buf_fini(&one);
    buf_fini(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_addresses_may_be_reached),
        cmocka_unit_test(which_texts_are_addresses),
        cmocka_unit_test(addresses_are_joined),
        cmocka_unit_test(what_servers_answer),
        cmocka_unit_test(what_servers_must_not_answer),
        cmocka_unit_test(conflicts_and_what_is_free),
        cmocka_unit_test(the_feed_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
