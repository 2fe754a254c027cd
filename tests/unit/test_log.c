#include "test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/civil.h"
#include "base/log.h"
#include "json/reader.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

static int pipe_fds[2];

static int pipe_open(void **state)
{
    (void)state;
    return pipe(pipe_fds);
}

static int pipe_close(void **state)
{
    (void)state;
    log_stop();
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

/* All that is in the pipe now. */
static struct str drain(struct buf *b)
{
    struct pollfd pfd = {.fd = pipe_fds[0], .events = POLLIN};

    buf_init(b, 64 << 20);
    while (poll(&pfd, 1, 0) > 0) {
        char *at = buf_reserve(b, 65536);
        ssize_t n = read(pipe_fds[0], at, 65536);

        assert_true(n > 0);
        b->n += (size_t)n;
    }
    return buf_view(b);
}

static void assert_json(struct str line)
{
    struct arena arena;
    struct json_reader r;

    arena_init(&arena, 65536);
    json_reader_init(&r, line, &arena, 1 + 1);
    json_skip(&r, NULL);
    assert_int_equal(json_end(&r), ERR_OK);
    arena_fini(&arena);
}

static void lines_are_json(void **state)
{
    (void)state;
    struct buf b;
    int64_t us;

    log_configure(LOG_INFO, LOG_FORMAT_JSON, pipe_fds[1]);
    log_event(LOG_DEBUG, "not.shown", LOG_N("n", 1));
    log_event(LOG_WARN, "store.lost", LOG_C("engine", "postgre\"sql\n"), LOG_N("retryMs", 50.5),
              LOG_S("absent", ((struct str){NULL, 0})), LOG_N("nan", NAN));
    struct str line = drain(&b);

    assert_true(str_ends(line, STR("\n")));
    assert_json(line);
    assert_int_equal(time_parse((struct str){line.p + 9, 24}, &us), ERR_OK);
    assert_true(str_starts(line, STR("{\"time\":\"")));
    assert_true(str_ends(line, STR("\",\"level\":\"warn\",\"event\":\"store.lost\","
                                   "\"engine\":\"postgre\\\"sql\\n\",\"retryMs\":50.5,"
                                   "\"absent\":null,\"nan\":null}\n")));
    buf_fini(&b);
}

static void lines_are_text(void **state)
{
    (void)state;
    struct buf b;

    log_configure(LOG_INFO, LOG_FORMAT_TEXT, pipe_fds[1]);
    log_event(LOG_INFO, "started", LOG_C("port", "8080"), LOG_C("why", "two words"),
              LOG_C("esc", "\x1b[31m"),
              LOG_C("c1", "\xc2\x9b"
                          "31m\x7f\xc2\xa7"),
              LOG_C("empty", ""));
    struct str line = drain(&b);

    assert_true(str_ends(line, STR(" info  started port=8080 why=\"two words\" "
                                   "esc=\"\\u001b[31m\" c1=\"??31m?\xc2\xa7\" empty=\"\"\n")));
    buf_fini(&b);
}

/* Long values are cut at a character, and pairs beyond a line's room are left out whole. */
static void long_lines_stay_json(void **state)
{
    (void)state;
    struct buf b;
    static char text[5000];

    memset(text, '\x01', sizeof text - 1);
    log_configure(LOG_INFO, LOG_FORMAT_JSON, pipe_fds[1]);
    log_event(LOG_INFO, "long", LOG_C("a", text), LOG_N("b", 1));
    struct str line = drain(&b);

    assert_json(line);
    assert_true(line.n <= 8192);
    assert_true(str_ends(line, STR("\"b\":1}\n")));
    buf_fini(&b);
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    log_event(LOG_INFO, "long", LOG_C("a", text), LOG_C("b", text), LOG_C("c", text),
              LOG_C("d", text), LOG_N("e", 2));
    line = drain(&b);
    assert_json(line);
    assert_true(str_ends(line, STR(",\"e\":2}\n")));
    assert_null(memmem(line.p, line.n, "\xef\xbf\xbd", 3)); /* no character was cut in two */
    buf_fini(&b);
}

static size_t lines_in(struct str s)
{
    size_t n = 0;

    while (s.n) {
        struct str line = str_cut(&s, '\n');

        assert_json(line);
        n++;
    }
    return n;
}

static void *shout(void *arg)
{
    for (int i = 0; i < 200; i++)
        log_event(LOG_INFO, "thread", LOG_N("i", i), LOG_C("who", arg));
    return NULL;
}

static void threads_do_not_mix_their_lines(void **state)
{
    (void)state;
    static char who[] = "someone";
    pthread_t threads[4];
    struct buf b;
    uint64_t dropped = log_dropped();

    fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 20);
    log_configure(LOG_INFO, LOG_FORMAT_JSON, pipe_fds[1]);
    assert_int_equal(log_start(), ERR_OK);
    assert_int_equal(log_start(), ERR_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, shout, who), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    log_stop(); /* writes what is queued */
    log_stop();
    assert_int_equal(lines_in(drain(&b)), 800);
    assert_true(log_dropped() == dropped);
    buf_fini(&b);
}

/* How many lines the log says it has dropped, and in how many lines it says so. */
static uint64_t told_dropped(struct str s, size_t *ret_lines)
{
    static const char mark[] = "\"event\":\"log.dropped\",\"lines\":";
    uint64_t sum = 0;

    *ret_lines = 0;
    for (;;) {
        const char *at = memmem(s.p, s.n, mark, sizeof mark - 1);

        if (!at)
            return sum;
        at += sizeof mark - 1;
        s.n -= (size_t)(at - s.p);
        s.p = at;
        sum += strtoull(at, NULL, 10);
        ++*ret_lines;
    }
}

static size_t newlines_in(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

/* Nobody reads: the caller goes on, lines are dropped and counted, and the count is told. */
static void a_full_pipe_stops_nobody(void **state)
{
    (void)state;
    static char text[1500];
    struct buf all, part;
    uint64_t before = log_dropped();
    size_t tellings;

    memset(text, 'x', sizeof text - 1);
    log_configure(LOG_INFO, LOG_FORMAT_JSON, pipe_fds[1]);
    assert_int_equal(log_start(), ERR_OK);
    for (int i = 0; i < 4000; i++)
        log_event(LOG_INFO, "flood", LOG_C("text", text));
    uint64_t dropped = log_dropped() - before;

    assert_true(dropped > 0 && dropped < 4000);
    buf_init(&all, 64 << 20);
    do { /* now somebody reads, all of it: what follows the telling may be more than a pipe holds */
        struct pollfd pfd = {.fd = pipe_fds[0], .events = POLLIN};

        assert_true(poll(&pfd, 1, 10000) > 0);
        buf_str(&all, drain(&part));
        buf_fini(&part);
    } while (told_dropped(buf_view(&all), &tellings) < dropped ||
             newlines_in(buf_view(&all)) < 4000 - dropped + tellings);
    log_stop();
    buf_str(&all, drain(&part));
    buf_fini(&part);
    assert_true(told_dropped(buf_view(&all), &tellings) == dropped);
    assert_int_equal(lines_in(buf_view(&all)), 4000 - dropped + tellings);
    buf_fini(&all);
}

/* A reader that is gone for good must not keep the program from ending. */
static void stopping_gives_up_on_a_stuck_pipe(void **state)
{
    (void)state;
    static char text[1500];

    memset(text, 'x', sizeof text - 1);
    log_configure(LOG_INFO, LOG_FORMAT_JSON, pipe_fds[1]);
    assert_int_equal(log_start(), ERR_OK);
    for (int i = 0; i < 1000; i++)
        log_event(LOG_INFO, "flood", LOG_C("text", text));
    log_stop();
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, pipe_open, pipe_close)
    const struct CMUnitTest tests[] = {
        EACH(lines_are_json),           EACH(lines_are_text),
        EACH(long_lines_stay_json),     EACH(threads_do_not_mix_their_lines),
        EACH(a_full_pipe_stops_nobody), EACH(stopping_gives_up_on_a_stuck_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
