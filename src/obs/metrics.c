#include "obs/metrics.h"

#include "base/assert.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Upper bounds in microseconds, 1-2-5 per decade: from a reply out of memory to a lost deadline. */
static const struct {
    int64_t us;
    const char *text;
} bounds[] = {
    {20, "0.00002"}, {50, "0.00005"}, {100, "0.0001"},  {200, "0.0002"}, {500, "0.0005"},
    {1000, "0.001"}, {2000, "0.002"}, {5000, "0.005"},  {10000, "0.01"}, {20000, "0.02"},
    {50000, "0.05"}, {100000, "0.1"}, {200000, "0.2"},  {500000, "0.5"}, {1000000, "1"},
    {2000000, "2"},  {5000000, "5"},  {10000000, "10"},
};
enum { BOUNDS = COUNT(bounds), CLASSES = 6 /* 0xx: never sent, 1xx .. 5xx */ };

struct series {
    _Atomic int64_t by_class[CLASSES];
    _Atomic int64_t buckets[BOUNDS + 1]; /* not cumulative; the last is +Inf */
    _Atomic int64_t us_sum;
};

struct metrics {
    int32_t endpoints;
    struct series *_Atomic shards[METRIC_SHARDS_MAX];
    _Atomic int64_t counts[METRIC_COUNT][METRIC_VALUES_MAX];
};

enum type { COUNTER, GAUGE, HISTOGRAM };
static const struct {
    enum type type;
    const char *wire, *labels, *help;
} infos[METRIC_COUNT] = {
#define METRIC(name, type_, wire_, labels_, help_) \
    [METRIC_##name] = {.type = type_, .wire = wire_, .labels = labels_, .help = help_},
#include "obs/metrics.def"
#undef METRIC
};

enum err metrics_new(int32_t endpoints, struct metrics **ret)
{
    if (endpoints < 1 || endpoints > METRIC_ENDPOINTS_MAX)
        return ERR_RANGE;
    struct metrics *m = calloc(1, sizeof *m);
    if (!m)
        return ERR_NOMEM;
    m->endpoints = endpoints;
    *ret = m;
    return ERR_OK;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    for (int i = 0; i < METRIC_SHARDS_MAX; i++)
        free(atomic_load(&m->shards[i]));
    free(m);
}

/* Only the owner of a shard writes it: a load and a store, no locked addition. */
static void bump(_Atomic int64_t *n, int64_t by)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static int bucket_of(int64_t us)
{
    int i = 0;
    while (i < BOUNDS && us > bounds[i].us)
        i++;
    return i;
}

static struct series *shard_get(struct metrics *m, int32_t shard)
{
    struct series *s = atomic_load_explicit(&m->shards[shard], memory_order_relaxed);
    if (__builtin_expect(!s, 0)) {
        s = calloc((size_t)m->endpoints, sizeof *s);
        atomic_store_explicit(&m->shards[shard], s, memory_order_release);
    }
    return s;
}

void metrics_request(struct metrics *m, int32_t shard, int32_t endpoint, int status,
                     int64_t duration_us)
{
    ASSERT(shard >= 0 && shard < METRIC_SHARDS_MAX && endpoint >= 0 && endpoint < m->endpoints);
    struct series *s = shard_get(m, shard);
    if (!s)
        return;
    s += endpoint;
    bump(&s->by_class[status >= 100 && status < 600 ? status / 100 : 0], 1);
    bump(&s->buckets[bucket_of(duration_us)], 1);
    bump(&s->us_sum, duration_us > 0 ? duration_us : 0);
}

void metrics_add(struct metrics *m, enum metric which, int value, int64_t n)
{
    ASSERT(value >= 0 && value < METRIC_VALUES_MAX);
    atomic_fetch_add_explicit(&m->counts[which][value], n, memory_order_relaxed);
}

void metrics_page_init(struct metrics_page *p, struct buf *out)
{
    *p = (struct metrics_page){.out = out, .open = -1};
}

static void page_open(struct metrics_page *p, enum metric which)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    if (p->open == (int32_t)which)
        return;
    ASSERT(!p->opened[which]);
    p->opened[which] = true;
    p->open = (int32_t)which;
    buf_printf(p->out, "# HELP %s %s\n# TYPE %s %s\n", infos[which].wire, infos[which].help,
               infos[which].wire, types[infos[which].type]);
}

static void put_number(struct buf *out, double v)
{
    if (v > -9e15 && v < 9e15 && v == (double)(int64_t)v)
        buf_i64(out, (int64_t)v);
    else
        buf_printf(out, "%.12g", v);
    buf_putc(out, '\n');
}

static void put_label(struct buf *out, const char *label, struct str text)
{
    buf_printf(out, "%s=\"", label);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n') {
            buf_str(out, STR("\\n"));
            continue;
        }
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, text.p[i]);
    }
    buf_putc(out, '"');
}

void metrics_page_value(struct metrics_page *p, enum metric which, double v)
{
    page_open(p, which);
    buf_printf(p->out, "%s ", infos[which].wire);
    put_number(p->out, v);
}

void metrics_page_labelled(struct metrics_page *p, enum metric which, const char *label,
                           struct str text, double v)
{
    page_open(p, which);
    buf_printf(p->out, "%s{", infos[which].wire);
    put_label(p->out, label, text);
    buf_str(p->out, STR("} "));
    put_number(p->out, v);
}

/* One endpoint over all shards. The shards go on counting meanwhile: a sum may lag by a request. */
struct total {
    int64_t by_class[CLASSES], buckets[BOUNDS + 1], us_sum, count;
};

static void total_of(const struct metrics *m, int32_t endpoint, struct total *ret)
{
    *ret = (struct total){0};
    for (int i = 0; i < METRIC_SHARDS_MAX; i++) {
        const struct series *s = atomic_load_explicit(&m->shards[i], memory_order_acquire);
        if (!s)
            continue;
        s += endpoint;
        for (int k = 0; k < CLASSES; k++)
            ret->by_class[k] += atomic_load_explicit(&s->by_class[k], memory_order_relaxed);
        for (int k = 0; k <= BOUNDS; k++)
            ret->buckets[k] += atomic_load_explicit(&s->buckets[k], memory_order_relaxed);
        ret->us_sum += atomic_load_explicit(&s->us_sum, memory_order_relaxed);
    }
    for (int k = 0; k <= BOUNDS; k++)
        ret->count += ret->buckets[k];
}

static void print_histogram(struct buf *out, const char *wire, struct str name,
                            const struct total *t)
{
    int64_t below = 0;

    for (int k = 0; k <= BOUNDS; k++) {
        below += t->buckets[k];
        buf_printf(out, "%s_bucket{", wire);
        put_label(out, "endpoint", name);
        buf_printf(out, ",le=\"%s\"} %" PRId64 "\n", k < BOUNDS ? bounds[k].text : "+Inf", below);
    }
    buf_printf(out, "%s_sum{", wire);
    put_label(out, "endpoint", name);
    buf_printf(out, "} %.12g\n%s_count{", (double)t->us_sum / 1e6, wire);
    put_label(out, "endpoint", name);
    buf_printf(out, "} %" PRId64 "\n", t->count);
}

void metrics_print_requests(const struct metrics *m, struct metrics_page *p,
                            const char *const *names)
{
    static const char *const classes[CLASSES] = {"unsent", "1xx", "2xx", "3xx", "4xx", "5xx"};
    struct total t;

    for (int32_t e = 0; e < m->endpoints; e++) {
        total_of(m, e, &t);
        for (int k = 0; k < CLASSES; k++) {
            if (t.by_class[k] == 0)
                continue;
            page_open(p, METRIC_HTTP_REQUESTS);
            buf_printf(p->out, "%s{", infos[METRIC_HTTP_REQUESTS].wire);
            put_label(p->out, "endpoint", str_from(names[e]));
            buf_printf(p->out, ",class=\"%s\"} %" PRId64 "\n", classes[k], t.by_class[k]);
        }
    }
    for (int32_t e = 0; e < m->endpoints; e++) {
        total_of(m, e, &t);
        if (t.count == 0)
            continue;
        page_open(p, METRIC_HTTP_DURATION);
        print_histogram(p->out, infos[METRIC_HTTP_DURATION].wire, str_from(names[e]), &t);
    }
}

/* "by=address|key": a sample for each value. */
static void print_values(const struct metrics *m, struct metrics_page *p, enum metric which)
{
    struct str values = str_from(infos[which].labels), label = str_cut(&values, '=');
    char name[32];

    snprintf(name, sizeof name, STR_FMT, STR_ARG(label));
    for (int k = 0; values.p; k++) {
        ASSERT(k < METRIC_VALUES_MAX);
        struct str value = str_cut(&values, '|');
        metrics_page_labelled(p, which, name, value, (double)atomic_load(&m->counts[which][k]));
    }
}

void metrics_print_counts(const struct metrics *m, struct metrics_page *p)
{
    metrics_page_value(p, METRIC_LOOP_RETRIES,
                       (double)atomic_load(&m->counts[METRIC_LOOP_RETRIES][0]));
    print_values(m, p, METRIC_AUTH_FAILURES);
    print_values(m, p, METRIC_RATE_LIMITED);
    metrics_page_value(p, METRIC_UNKNOWN_FIELDS,
                       (double)atomic_load(&m->counts[METRIC_UNKNOWN_FIELDS][0]));
}

void metrics_print_http(struct metrics_page *p, const struct http_stats *s)
{
    metrics_page_value(p, METRIC_HTTP_ACCEPTED, (double)s->connections_accepted);
    metrics_page_value(p, METRIC_HTTP_OPEN, (double)s->connections_open);
    metrics_page_value(p, METRIC_HTTP_REFUSED, (double)s->connections_refused);
    metrics_page_value(p, METRIC_HTTP_IN_FLIGHT, (double)s->requests_in_flight);
    metrics_page_value(p, METRIC_HTTP_RECEIVED, (double)s->bytes_in);
    metrics_page_value(p, METRIC_HTTP_SENT, (double)s->bytes_out);
    for (int e = 1; e < ERR_COUNT && e < (int)COUNT(s->rejected); e++)
        if (s->rejected[e] > 0)
            metrics_page_labelled(p, METRIC_HTTP_REJECTED, "code", str_from(err_code((enum err)e)),
                                  (double)s->rejected[e]);
    metrics_page_labelled(p, METRIC_HTTP_TIMEOUTS, "phase", STR("head"), (double)s->timeouts_head);
    metrics_page_labelled(p, METRIC_HTTP_TIMEOUTS, "phase", STR("body"), (double)s->timeouts_body);
    metrics_page_labelled(p, METRIC_HTTP_TIMEOUTS, "phase", STR("write"),
                          (double)s->timeouts_write);
    metrics_page_value(p, METRIC_HTTP_GONE, (double)s->clients_gone);
}

void metrics_print_workers(struct metrics_page *p, const struct workers_stats *s)
{
    metrics_page_value(p, METRIC_WORKERS_THREADS, s->threads);
    metrics_page_value(p, METRIC_WORKERS_BUSY, s->busy);
    metrics_page_value(p, METRIC_WORKERS_QUEUED, s->queued);
    metrics_page_value(p, METRIC_WORKERS_DONE, (double)s->done);
    metrics_page_value(p, METRIC_WORKERS_REFUSED, (double)s->refused);
    metrics_page_value(p, METRIC_WORKERS_WAIT, (double)s->wait_us_total / 1e6);
    metrics_page_value(p, METRIC_WORKERS_RUN, (double)s->run_us_total / 1e6);
}

static void print_statements(struct metrics_page *p, const struct store *s, enum metric which)
{
    for (int i = 0; i < (int)STMT_COUNT; i++) {
        struct stmt_stats st;

        store_stmt_stats(s, (enum stmt)i, &st);
        if (st.calls == 0)
            continue;
        double v = which == METRIC_STORE_CALLS     ? (double)st.calls
                   : which == METRIC_STORE_SECONDS ? (double)st.us_total / 1e6
                   : which == METRIC_STORE_ROWS    ? (double)st.rows
                                                   : (double)st.errors;
        metrics_page_labelled(p, which, "statement", str_from(stmt_name((enum stmt)i)), v);
    }
}

void metrics_print_store(struct metrics_page *p, const struct store *s)
{
    print_statements(p, s, METRIC_STORE_CALLS);
    print_statements(p, s, METRIC_STORE_SECONDS);
    print_statements(p, s, METRIC_STORE_ROWS);
    print_statements(p, s, METRIC_STORE_ERRORS);
}

/* A small file of /proc, NUL-terminated; false when it cannot be read. */
static bool slurp(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    return true;
}

/* Since Linux 6.2 the directory's size is the count; before it is 0 and the entries are counted. */
static int64_t open_fds(void)
{
    struct stat st;
    int64_t n = 0;

    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return st.st_size;
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return -1;
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n - 1; /* the directory itself was open */
}

/* Field 22 of /proc/self/stat: start in clock ticks after boot; /proc/stat knows when boot was. */
static double start_time_s(void)
{
    char text[8192];
    unsigned long long ticks = 0;
    int64_t boot = 0;

    if (!slurp("/proc/self/stat", text, sizeof text))
        return -1;
    const char *p = strrchr(text, ')'); /* the name may hold blanks */
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (!p || sscanf(p, " %llu", &ticks) != 1)
        return -1;
    FILE *f = fopen("/proc/stat", "re");
    while (f && boot == 0 && fgets(text, sizeof text, f))
        if (sscanf(text, "btime %" SCNd64, &boot) != 1)
            boot = 0;
    if (f)
        fclose(f);
    return boot > 0 ? (double)boot + (double)ticks / (double)sysconf(_SC_CLK_TCK) : -1;
}

void metrics_print_process(struct metrics_page *p)
{
    struct rusage use;
    struct rlimit limit;
    char text[256];
    long pages = 0;

    if (getrusage(RUSAGE_SELF, &use) == 0)
        metrics_page_value(p, METRIC_PROCESS_CPU,
                           (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                               (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
    if (slurp("/proc/self/statm", text, sizeof text) && sscanf(text, "%*s %ld", &pages) == 1)
        metrics_page_value(p, METRIC_PROCESS_RSS, (double)pages * (double)sysconf(_SC_PAGESIZE));
    int64_t fds = open_fds();
    if (fds >= 0)
        metrics_page_value(p, METRIC_PROCESS_FDS, (double)fds);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics_page_value(p, METRIC_PROCESS_FDS_MAX, (double)limit.rlim_cur);
    double start = start_time_s();
    if (start > 0)
        metrics_page_value(p, METRIC_PROCESS_START, start);
}
