/* The page of metrics: its syntax, by Prometheus' own checker where there is one; its sums over
 * shards; and the access log's rings. */
#include "base/assert.h"
#include "base/log.h"
#include "obs/access.h"
#include "obs/metrics.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static const char *const names[] = {"get_a", "post_\"b\"\\", "none"};

/* Every metric of the table, with samples. */
static void print_all(const struct metrics *m, struct buf *out)
{
    struct metrics_page p;

    metrics_page_init(&p, out);
    metrics_page_labelled(&p, METRIC_BUILD_INFO, "version", STR("1.0 \"x\"\n"), 1);
    metrics_page_value(&p, METRIC_READY, 1);
    metrics_print_requests(m, &p, names);
    struct http_stats http = {.connections_accepted = 3, .rejected = {[ERR_SYNTAX] = 2}};
    metrics_print_http(&p, &http);
    metrics_print_counts(m, &p);
    for (int i = METRIC_INGEST_EVENTS; i <= METRIC_INGEST_GROUP_MAX; i++)
        metrics_page_value(&p, (enum metric)i, i * 0.5);
    struct workers_stats workers = {.threads = 4, .wait_us_total = 1234567};
    metrics_print_workers(&p, &workers);
    for (int i = METRIC_STORE_CALLS; i <= METRIC_STORE_ERRORS; i++)
        metrics_page_labelled(&p, (enum metric)i, "statement", STR("day_range"), 7);
    for (int i = METRIC_CACHE_ENTRIES; i <= METRIC_REDIS_GAPS; i++) {
        if (i == METRIC_CACHE_DROPPED)
            metrics_page_labelled(&p, METRIC_CACHE_DROPPED, "reason", STR("evicted"), 1);
        else
            metrics_page_value(&p, (enum metric)i, i);
    }
    for (int i = METRIC_NIGHT_LEARNERS; i <= METRIC_NIGHT_BEHIND; i++)
        metrics_page_value(&p, (enum metric)i, i);
    metrics_page_value(&p, METRIC_LOG_DROPPED, 0);
    metrics_page_value(&p, METRIC_ACCESS_DROPPED, 0);
    metrics_print_process(&p);
    for (int i = 0; i < METRIC_COUNT; i++)
        assert_true(p.opened[i]);
    assert_false(out->failed);
}

static struct metrics *counted(void)
{
    struct metrics *m;

    OK(metrics_new(COUNT(names), &m));
    metrics_request(m, 0, 0, 200, 15);
    metrics_request(m, 0, 0, 200, 20);
    metrics_request(m, 0, 0, 404, 21);
    metrics_request(m, 7, 0, 200, 3000000);
    metrics_request(m, 7, 1, 503, 99000000);
    metrics_request(m, 7, 1, 0, -5);
    metrics_add(m, METRIC_RATE_LIMITED, RATE_LIMITED_KEY, 3);
    metrics_add(m, METRIC_UNKNOWN_FIELDS, 0, 2);
    return m;
}

static void assert_line(const struct buf *page, const char *line)
{
    char *at = memmem(page->p, page->n, line, strlen(line));
    if (!at || (at > page->p && at[-1] != '\n'))
        fail_msg("no line: %s\n" STR_FMT, line, STR_ARG(buf_view(page)));
}

static void sums_are_over_all_shards(void **state)
{
    (void)state;
    struct metrics *m = counted();
    struct buf page;

    buf_init(&page, 1 << 20);
    print_all(m, &page);
    assert_line(&page, "doppel_http_requests_total{endpoint=\"get_a\",class=\"2xx\"} 3\n");
    assert_line(&page, "doppel_http_requests_total{endpoint=\"get_a\",class=\"4xx\"} 1\n");
    assert_line(&page,
                "doppel_http_requests_total{endpoint=\"post_\\\"b\\\"\\\\\",class=\"5xx\"} 1\n");
    assert_line(
        &page,
        "doppel_http_request_duration_seconds_bucket{endpoint=\"get_a\",le=\"0.00002\"} 2\n");
    assert_line(
        &page,
        "doppel_http_request_duration_seconds_bucket{endpoint=\"get_a\",le=\"0.00005\"} 3\n");
    assert_line(&page,
                "doppel_http_request_duration_seconds_bucket{endpoint=\"get_a\",le=\"2\"} 3\n");
    assert_line(&page,
                "doppel_http_request_duration_seconds_bucket{endpoint=\"get_a\",le=\"+Inf\"} 4\n");
    assert_line(&page, "doppel_http_request_duration_seconds_sum{endpoint=\"get_a\"} 3.000056\n");
    assert_line(&page, "doppel_http_request_duration_seconds_count{endpoint=\"get_a\"} 4\n");
    assert_line(&page, "doppel_rate_limited_total{by=\"address\"} 0\n");
    assert_line(&page, "doppel_rate_limited_total{by=\"key\"} 3\n");
    assert_line(&page, "doppel_unknown_fields_total 2\n");
    assert_line(&page, "doppel_workers_wait_seconds_total 1.234567\n");
    assert_line(&page, "doppel_build_info{version=\"1.0 \\\"x\\\"\\n\"} 1\n");
    assert_line(&page, "doppel_http_rejected_total{code=\"SYNTAX_ERROR\"} 2\n");
    assert_null(memmem(page.p, page.n, "endpoint=\"none\"", 15)); /* never counted */
    buf_fini(&page);
    metrics_free(m);
}

/* promtool check metrics; -1: there is no such program. */
static int promtool(const struct buf *page)
{
    int pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[0], 0);
        close(pipe_fds[1]);
        execlp("promtool", "promtool", "check", "metrics", (char *)NULL);
        _exit(127);
    }
    close(pipe_fds[0]);
    size_t sent = 0;
    while (sent < page->n) {
        ssize_t n = write(pipe_fds[1], page->p + sent, page->n - sent);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    close(pipe_fds[1]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -1 : status;
}

static void prometheus_accepts_the_page(void **state)
{
    (void)state;
    struct metrics *m = counted();
    struct buf page;

    buf_init(&page, 1 << 20);
    print_all(m, &page);
    int status = promtool(&page);
    if (status == -1)
        print_message("promtool is not installed: the page's lint was not checked\n");
    else
        assert_int_equal(status, 0);
    buf_fini(&page);
    metrics_free(m);
}

/* A type or help line once per metric, and its samples right behind it. */
static void samples_stand_together(void **state)
{
    (void)state;
    struct metrics *m = counted();
    struct buf page;

    buf_init(&page, 1 << 20);
    print_all(m, &page);
    struct str rest = buf_view(&page), open = {NULL, 0};
    int helps = 0, types = 0;
    while (rest.p && rest.n) {
        struct str line = str_cut(&rest, '\n');
        if (str_starts(line, STR("# HELP "))) {
            struct str words = {line.p + 7, line.n - 7};
            open = str_cut(&words, ' ');
            assert_true(words.n > 0);
            helps++;
        } else if (str_starts(line, STR("# TYPE "))) {
            assert_true(str_starts((struct str){line.p + 7, line.n - 7}, open));
            types++;
        } else {
            assert_true(str_starts(line, open));
        }
    }
    assert_int_equal(helps, METRIC_COUNT);
    assert_int_equal(types, METRIC_COUNT);
    buf_fini(&page);
    metrics_free(m);
}

static void *put_many(void *arg)
{
    for (int i = 0; i < 10000; i++)
        access_put(arg, 1,
                   &(struct access_record){.method = "GET", .endpoint = "x", .id = STR("id")});
    return NULL;
}

/* Every record is written or counted as dropped, also when two loops write at once. */
static void no_access_record_is_lost_silently(void **state)
{
    (void)state;
    struct access *a;
    char path[] = "/tmp/doppel-test-XXXXXX";
    int fd = mkstemp(path);
    pthread_t thread;
    char text[65536];
    int64_t lines = 0;

    log_configure(LOG_INFO, LOG_FORMAT_JSON, fd);
    OK(access_new(&a));
    assert_int_equal(pthread_create(&thread, NULL, put_many, a), 0);
    struct access_record r = {.method = "POST",
                              .endpoint = "post_events",
                              .status = 200,
                              .duration_us = 1500,
                              .bytes = 77,
                              .id = STR("abc"),
                              .who = STR("jwt:somebody@school.example"),
                              .client_gone = true};
    for (int i = 0; i < 100; i++)
        access_put(a, 0, &r);
    pthread_join(thread, NULL);
    uint64_t dropped = access_dropped(a);
    access_free(a);
    log_configure(LOG_INFO, LOG_FORMAT_TEXT, 2);
    bool seen = false;
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    for (ssize_t n; (n = read(fd, text, sizeof text)) > 0;) {
        for (ssize_t i = 0; i < n; i++)
            lines += text[i] == '\n';
        seen |= memmem(text, (size_t)n, "post_events", 11) != NULL;
        assert_null(memmem(text, (size_t)n, "school.example", 14)); /* no e-mail address */
    }
    assert_true(seen);
    assert_int_equal(lines + (int64_t)dropped, 10100);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_over_all_shards),
        cmocka_unit_test(prometheus_accepts_the_page),
        cmocka_unit_test(samples_stand_together),
        cmocka_unit_test(no_access_record_is_lost_silently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
