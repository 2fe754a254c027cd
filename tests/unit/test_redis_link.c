/* The connection to Redis: what it sends and takes, and that nothing Redis does can hurt. */
#include "redis_fixture.h"

#include "redis/breaker.h"

#include <sys/un.h>

/* ---- URLs ---- */

static void reads_urls(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown, *user, *password;
    } good[] = {
        {"redis://localhost", "redis://localhost:6379/0", "", ""},
        {"redis://10.0.0.1:1234/7", "redis://10.0.0.1:1234/7", "", ""},
        {"redis://a:b@h:1/", "redis://h:1/0", "a", "b"},
        {"redis://:p%40ss%2F@h", "redis://h:6379/0", "", "p@ss/"},
        {"rediss://[::1]:6380/2", "rediss://[::1]:6380/2", "", ""},
        {"unix:///run/r%20s.sock?db=5", "unix:///run/r s.sock?db=5", "", ""},
        {"unix:///tmp/a@b.sock", "unix:///tmp/a@b.sock?db=0", "", ""},
        {"unix://u:p@/tmp/s", "unix:///tmp/s?db=0", "u", "p"},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        struct redis_url u;
        const char *why = NULL;
        char shown[REDIS_URL_TEXT_MAX];
        OK(redis_url_parse(str_from(good[i].text), &u, &why));
        redis_url_print(&u, shown);
        assert_string_equal(shown, good[i].shown);
        assert_string_equal(u.user, good[i].user);
        assert_string_equal(u.password, good[i].password);
    }
}

static void refuses_urls(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "http://h",
        "redis:/h",
        "redis://",
        "redis://:6379",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:+1",
        "redis://h:",
        "redis://h/65536",
        "redis://h/-1",
        "redis://h/1/2",
        "redis://user@h",
        "redis://user:@h",
        "redis://a:%zz@h",
        "redis://a:%0@h",
        "redis://a:%00@h",
        "redis://h h",
        "redis://[::1",
        "redis://[::1]x",
        "redis://h?x",
        "unix://relative",
        "unix:///",
        "unix:///s?db=",
        "unix:///s?x=1",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct redis_url u = {.port = 1};
        const char *why = NULL;
        if (redis_url_parse(str_from(bad[i]), &u, &why) == ERR_OK)
            fail_msg("%s was taken", bad[i]);
        assert_non_null(why);
        assert_int_equal(u.port, 1);
    }
    char longer[2 * REDIS_PASSWORD_MAX];
    const char *why = NULL;
    struct redis_url u;
    memset(longer, 'a', sizeof longer);
    memcpy(longer, "redis://:", 9);
    memcpy(longer + sizeof longer - 2, "@h", 2);
    assert_int_equal(redis_url_parse((struct str){longer, sizeof longer}, &u, &why), ERR_RANGE);
}

/* ---- the breaker ---- */

static void opens_and_probes(void **state)
{
    (void)state;
    struct breaker b = {0};
    struct rng rng;
    int64_t now = 1000;
    rng_seed(&rng, 1);
    breaker_failure(&b, now, &rng);
    breaker_failure(&b, now, &rng);
    breaker_success(&b);
    breaker_failure(&b, now, &rng);
    breaker_failure(&b, now, &rng);
    assert_int_equal(b.state, BREAKER_CLOSED);
    breaker_failure(&b, now, &rng);
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_in_range(b.open_until_us - now, 40000, 60000);
    breaker_failure(&b, now, &rng); /* of something that was under way */
    assert_int_equal(b.opened, 1);
    for (int64_t pause = 100; pause <= 8000; pause *= 2) {
        int64_t expected_ms = pause < 2000 ? pause : 2000;
        assert_false(breaker_probe(&b, b.open_until_us - 1));
        now = b.open_until_us;
        assert_true(breaker_probe(&b, now));
        assert_false(breaker_probe(&b, now)); /* one */
        breaker_failure(&b, now, &rng);
        assert_in_range(b.open_until_us - now, expected_ms * 800, expected_ms * 1200);
    }
    assert_true(breaker_probe(&b, b.open_until_us));
    breaker_probed(&b);
    assert_int_equal(b.state, BREAKER_CLOSED);
    breaker_failure(&b, now, &rng); /* answers the probe, fails at work: no quicker than before */
    assert_in_range(b.open_until_us - now, 1600000, 2400000);
    assert_true(breaker_probe(&b, b.open_until_us));
    breaker_probed(&b);
    breaker_success(&b);
    for (int i = 0; i < BREAKER_FAILURES; i++)
        breaker_failure(&b, now, &rng);
    assert_in_range(b.open_until_us - now, 40000, 60000);
}

/* ---- a Redis that misbehaves ---- */

static void talks_in_order(void **state)
{
    (void)state;
    struct fake f;
    struct outcome o[40] = {0};
    fake_start(&f, FAKE_GOOD);
    struct redis_target *t = target_of(f.url);
    struct redis_link *l = link_of(t);
    OK(redis_link_connect(l, clock_mono_us()));
    for (int i = 0; i < 40; i++) { /* before it is ready */
        const struct str words[] = {STR("GET"), STR("a")};
        OK(redis_link_send(l, words, 1 + i % 2, INT64_MAX, outcome_note, &o[i]));
    }
    OK(redis_link_wait(l));
    for (int i = 0; i < 40; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_string_equal(o[i].text, i % 2 ? "hi" : "OK");
    }
    assert_int_equal(redis_link_state(l), REDIS_READY);
    assert_int_not_equal(redis_link_run(l), 0);
    redis_link_free(l);
    redis_target_free(t);
    fake_stop(&f);
}

static void survives_all_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        enum fake_mode mode;
        enum err e;
        int64_t timeout_ms;
    } cases[] = {
        {FAKE_SILENT, ERR_DEADLINE, 30},      {FAKE_MUTE, ERR_DEADLINE, 30},
        {FAKE_GARBAGE, ERR_SYNTAX, 20000},    {FAKE_HALF, ERR_DEADLINE, 30},
        {FAKE_CLOSE, ERR_IO, 20000},          {FAKE_HUGE, ERR_SYNTAX, 20000},
        {FAKE_LIST, ERR_SYNTAX, 20000},       {FAKE_DEEP, ERR_SYNTAX, 20000},
        {FAKE_RESP3, ERR_SYNTAX, 20000},      {FAKE_DENIED, ERR_FORBIDDEN, 20000},
        {FAKE_LOADING, ERR_FORBIDDEN, 20000},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fake f;
        fake_start(&f, cases[i].mode);
        struct redis_target *t = target_of(f.url);
        struct redis_link *l = link_of(t);
        for (int round = 0; round < 2; round++) { /* and it can begin anew */
            struct outcome o = ask(l, "GET a", cases[i].timeout_ms);
            if (o.e != cases[i].e)
                fail_msg("case %zu: %s", i, err_code(o.e));
            assert_int_equal(redis_link_state(l), REDIS_CLOSED);
            assert_string_not_equal(redis_link_detail(l), "");
            assert_null(
                strchr(redis_link_detail(l), 1)); /* no control bytes of theirs in our log */
        }
        atomic_store(&f.mode, FAKE_GOOD);
        assert_string_equal(ask(l, "GET a", 20000).text, "hi");
        redis_link_free(l);
        redis_target_free(t);
        fake_stop(&f);
    }
}

static void an_error_is_an_answer(void **state)
{
    (void)state;
    struct fake f;
    fake_start(&f, FAKE_ERROR);
    struct redis_target *t = target_of(f.url);
    struct redis_link *l = link_of(t);
    struct outcome o = ask(l, "GET a", 20000);
    OK(o.e);
    assert_int_equal(o.type, REDIS_ERROR);
    assert_string_equal(o.text, "ERR no");
    assert_int_equal(redis_link_state(l), REDIS_READY);
    redis_link_free(l);
    redis_target_free(t);
    fake_stop(&f);
}

/* What is one too many must not be taken for the next command's answer. */
static void an_answer_too_many_ends_it(void **state)
{
    (void)state;
    struct fake f;
    fake_start(&f, FAKE_EXTRA);
    struct redis_target *t = target_of(f.url);
    struct redis_link *l = link_of(t);
    ask(l, "GET a", 20000);
    for (int64_t start = clock_mono_us();
         redis_link_state(l) != REDIS_CLOSED && clock_mono_us() - start < 20000000;) {
        struct pollfd p = {.fd = redis_link_fd(l), .events = POLLIN};
        poll(&p, 1, 100);
        redis_link_event(l, clock_mono_us());
    }
    assert_int_equal(redis_link_state(l), REDIS_CLOSED);
    redis_link_free(l);
    redis_target_free(t);
    fake_stop(&f);
}

static void fails_everything_once(void **state)
{
    (void)state;
    struct fake f;
    struct outcome o[50] = {0};
    const struct str words[] = {STR("GET"), STR("a")};
    fake_start(&f, FAKE_SILENT);
    struct redis_target *t = target_of(f.url);
    struct redis_link *l = link_of(t);
    assert_int_equal(redis_link_send(l, words, 2, INT64_MAX, outcome_note, &o[0]), ERR_NOT_READY);
    OK(redis_link_connect(l, clock_mono_us()));
    for (int i = 0; i < 50; i++)
        OK(redis_link_send(l, words, 2, clock_mono_us() + 20000 + (50 - i) * 1000, outcome_note,
                           &o[i]));
    assert_int_not_equal(redis_link_wait(l), ERR_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].e, ERR_DEADLINE);
    }
    redis_link_free(l);
    redis_target_free(t);
    fake_stop(&f);
}

static void takes_no_more_than_it_may(void **state)
{
    (void)state;
    struct fake f;
    struct outcome o = {0};
    static char large[70000];
    const struct str words[] = {STR("GET"), {large, sizeof large}}, one[] = {STR("GET")};
    int sent = 0;
    fake_start(&f, FAKE_SILENT);
    struct redis_target *t = target_of(f.url);
    struct redis_link *l = link_of(t);
    OK(redis_link_connect(l, clock_mono_us()));
    assert_int_equal(redis_link_send(l, words, 2, INT64_MAX, outcome_note, &o), ERR_BUSY);
    while (redis_link_send(l, one, 1, INT64_MAX, outcome_note, &o) == ERR_OK)
        sent++;
    assert_in_range(sent, 55, 64);
    redis_link_close(l, ERR_CANCELLED);
    assert_int_equal(o.calls, sent);
    redis_link_free(l);
    redis_target_free(t);
    fake_stop(&f);
}

static void nobody_is_there(void **state)
{
    (void)state;
    struct redis_target *t = target_of("unix:///nonexistent/socket");
    struct redis_link *l = link_of(t);
    assert_int_equal(redis_link_connect(l, clock_mono_us()), ERR_IO);
    assert_string_not_equal(redis_link_detail(l), "");
    redis_link_free(l);
    redis_target_free(t);
    t = target_of("redis://no-such-host.invalid");
    l = link_of(t);
    assert_int_equal(redis_link_connect(l, clock_mono_us()), ERR_IO);
    redis_link_free(l);
    redis_target_free(t);
    t = target_of("redis://127.0.0.1:1");
    l = link_of(t);
    if (redis_link_connect(l, clock_mono_us()) == ERR_OK)
        assert_int_not_equal(redis_link_wait(l), ERR_OK);
    assert_int_equal(redis_link_state(l), REDIS_CLOSED);
    redis_link_free(l);
    redis_target_free(t);
}

/* ---- the real one ---- */

static void talks_to_redis(void **state)
{
    struct real r = {0};
    (void)state;
    real_start(&r);
    if (!r.there)
        skip();
    struct redis_target *t = target_of(r.url);
    struct redis_link *l = link_of(t);
    assert_string_equal(ask(l, "SET a b", 20000).text, "OK");
    assert_string_equal(ask(l, "GET a", 20000).text, "b");
    assert_int_equal(ask(l, "MGET a c d", 20000).number, 3);
    uint64_t run = redis_link_run(l);
    assert_int_equal(ask(l, "SCAN 0 COUNT 10", 20000).type, REDIS_LIST);
    assert_string_equal(ask(l, "CONFIG SET requirepass p@ss", 20000).text, "OK");
    redis_link_close(l, ERR_CANCELLED);
    assert_int_equal(ask(l, "GET a", 20000).e, ERR_FORBIDDEN);
    redis_link_free(l);
    redis_target_free(t);

    char url[256];
    snprintf(url, sizeof url, "redis://default:p%%40ss@%s", strstr(r.url, "127."));
    t = target_of(url);
    l = link_of(t);
    assert_string_equal(ask(l, "GET a", 20000).text, "b");
    assert_true(redis_link_run(l) == run);
    real_restart(&r); /* without a password: it was never written down */
    ask(l, "GET a", 20000);
    redis_link_free(l);
    redis_target_free(t);
    t = target_of(r.url);
    l = link_of(t);
    assert_int_equal(ask(l, "GET a", 20000).type, REDIS_NIL);
    assert_true(redis_link_run(l) != run);
    redis_link_free(l);
    redis_target_free(t);
    real_stop(&r);
}

static bool tls_start(const char *dir, int *ret_port, char *ret_ca)
{
    char line[1500];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    *ret_port = ntohs(a.sin_port);
    snprintf(ret_ca, 100, "%s/cert.pem", dir);
    snprintf(
        line, sizeof line,
        "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-keyout key.pem -out cert.pem -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 >/dev/null 2>&1 && "
        "redis-server --bind 127.0.0.1 --port 0 --tls-port %d --tls-cert-file cert.pem "
        "--tls-key-file key.pem --tls-ca-cert-file cert.pem --tls-auth-clients no --save '' "
        "--daemonize yes --dir %s --pidfile %s/pid --unixsocket %s/sock >/dev/null 2>&1",
        dir, *ret_port, dir, dir, dir);
    return system(line) == 0;
}

static struct outcome ask_once(const char *url, const char *ca)
{
    struct redis_target *t = NULL;
    char detail[REDIS_DETAIL_MAX];
    const struct redis_options o = {
        .url = str_from(url), .ca_file = str_from(ca), .connect_timeout_ms = 20000};
    OK(redis_target_new(&o, &t, detail));
    struct redis_link *l = link_of(t);
    struct outcome out = ask(l, "PING", 20000);
    redis_link_free(l);
    redis_target_free(t);
    return out;
}

/* Only a server whose certificate is known, and is that host's, is spoken to. */
static void speaks_tls(void **state)
{
    char dir[64] = "/tmp/doppel-redis-tls.XXXXXX", ca[100], url[200], line[200];
    int port = 0;
    (void)state;
    assert_non_null(mkdtemp(dir));
    if (!tls_start(dir, &port, ca)) {
        print_message("no Redis with TLS can be started here\n");
        skip();
    }
    snprintf(url, sizeof url, "unix://%s/sock?db=1", dir);
    for (int64_t start = clock_mono_us(); clock_mono_us() - start < 20000000;) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        snprintf(un.sun_path, sizeof un.sun_path, "%s/sock", dir);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        int connected = connect(fd, (struct sockaddr *)&un, sizeof un);
        close(fd);
        if (connected == 0)
            break;
        usleep(10000);
    }
    assert_string_equal(ask_once(url, NULL).text, "PONG");
    snprintf(url, sizeof url, "rediss://127.0.0.1:%d", port);
    assert_string_equal(ask_once(url, ca).text, "PONG");
    assert_int_equal(ask_once(url, NULL).e, ERR_FORBIDDEN); /* nobody vouches for it */
    snprintf(url, sizeof url, "rediss://127.0.0.2:%d", port);
    assert_int_not_equal(ask_once(url, ca).e, ERR_OK);
    snprintf(url, sizeof url, "rediss://localhost:%d/2", port);
    struct outcome o = ask_once(url, ca);
    if (o.e != ERR_IO) /* "localhost" may be ::1 alone */
        assert_string_equal(o.text, "PONG");
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", port); /* no TLS: alert bytes are garbage */
    assert_int_not_equal(ask_once(url, NULL).e, ERR_OK);
    snprintf(line, sizeof line, "kill $(cat %s/pid); rm -rf %s", dir, dir);
    assert_int_equal(system(line), 0);
}

/* A cluster's servers that send each other's way are not followed for ever. */
static void a_target_moves_as_often_as_is_sensible(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           ":",         "127.0.0.1",     "127.0.0.1:",
                                      "1.2.3.4:0",  "a.b:6379",  "1.2.3.4:65536", "1.2.3:x",
                                      "::1:6379:x", "1.2.3.4:-1"};
    struct redis_target *t = target_of("redis://127.0.0.1:1");
    struct redis_address a;
    char to[32];

    for (size_t i = 0; i < COUNT(bad); i++)
        if (redis_target_move(t, str_from(bad[i]), 1))
            fail_msg("%s", bad[i]);
    assert_true(redis_target_address(t, 0, &a));
    assert_int_equal(((struct sockaddr_in *)&a.addr)->sin_port, htons(1));
    assert_true(redis_target_move(t, STR(":7"), 1)); /* its own host */
    assert_true(redis_target_address(t, 0, &a));
    assert_int_equal(((struct sockaddr_in *)&a.addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_equal(((struct sockaddr_in *)&a.addr)->sin_port, htons(7));
    assert_true(redis_target_address(t, 1, &a)); /* then those of the URL */
    assert_int_equal(((struct sockaddr_in *)&a.addr)->sin_port, htons(1));
    assert_true(redis_target_move(t, STR("::1:6379"), 1));
    assert_true(redis_target_address(t, 2, &a));
    assert_int_equal(a.addr.ss_family, AF_INET6);
    for (int i = 2; i < 2 * REDIS_MOVES_MAX; i++) {
        snprintf(to, sizeof to, "127.0.0.1:%d", 100 + i);
        assert_int_equal(redis_target_move(t, str_from(to), 1), i < REDIS_MOVES_MAX);
    }
    assert_true(redis_target_move(t, STR("127.0.0.1:200"), 2 + REDIS_MOVES_MS * INT64_C(1000)));
    redis_target_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_moves_as_often_as_is_sensible),
        cmocka_unit_test(reads_urls),
        cmocka_unit_test(refuses_urls),
        cmocka_unit_test(opens_and_probes),
        cmocka_unit_test(talks_in_order),
        cmocka_unit_test(survives_all_that_is_wrong),
        cmocka_unit_test(an_error_is_an_answer),
        cmocka_unit_test(an_answer_too_many_ends_it),
        cmocka_unit_test(fails_everything_once),
        cmocka_unit_test(takes_no_more_than_it_may),
        cmocka_unit_test(nobody_is_there),
        cmocka_unit_test(talks_to_redis),
        cmocka_unit_test(speaks_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
