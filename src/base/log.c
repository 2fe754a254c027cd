/* log - see the header. Two buffers change places: callers fill one under the lock while the
 * thread writes the other out. */
#include "base/log.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/civil.h"
#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 8192,
    TEXT_MAX_BYTES = 2048, /* of one value */
    QUEUE_MAX_BYTES = 1 << 20,
    CHUNK_BYTES = 4096, /* PIPE_BUF: poll() promises room for this much */
    STOP_WAIT_US = 2000000,
};

static struct {
    _Atomic int level, format, fd;
    _Atomic uint64_t dropped;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    struct buf fill;
    uint64_t dropped_told;
    bool running, stopping;

    pthread_t thread;
} logger = {.level = LOG_INFO,
            .format = LOG_FORMAT_TEXT,
            .fd = STDERR_FILENO,
            .lock = PTHREAD_MUTEX_INITIALIZER,
            .wake = PTHREAD_COND_INITIALIZER,
            .fill = {.max = QUEUE_MAX_BYTES}};

void log_configure(enum log_level level, enum log_format format, int fd)
{
    logger.level = (int)level;
    logger.format = (int)format;
    logger.fd = fd;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return logger.dropped;
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    ASSERT((unsigned)level < COUNT(names));
    return names[level];
}

static void put_number(struct buf *b, double v)
{
    if (isfinite(v))
        buf_printf(b, "%.15g", v);
    else
        buf_str(b, STR("null"));
}

/* JSON lets DEL and the C1 control characters stand as they are; terminals obey them. */
static void put_quoted(struct buf *b, struct str s)
{
    size_t start = b->n;

    buf_quoted(b, s);
    for (size_t i = start; i < b->n; i++) {
        unsigned char c = (unsigned char)b->p[i];
        bool del = c == 0x7f;
        bool c1 = c == 0xc2 && i + 1 < b->n && (unsigned char)b->p[i + 1] < 0xa0;

        if (del || c1)
            b->p[i] = '?';
        if (c1)
            b->p[i + 1] = '?';
    }
}

static void put_value(struct buf *b, const struct log_pair *pair, bool quoted)
{
    struct str text = utf8_prefix(pair->text, TEXT_MAX_BYTES);

    if (pair->is_number)
        put_number(b, pair->number);
    else if (!text.p)
        buf_str(b, STR("null"));
    else if (quoted)
        put_quoted(b, text);
    else
        buf_str(b, text);
}

/* On a terminal only what could be misread is quoted; escapes must never reach it. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] >= 0x7f)
            return false;
    return s.n > 0;
}

static void put_pair(struct buf *b, const struct log_pair *pair, bool json)
{
    if (json) {
        buf_putc(b, ',');
        buf_quoted(b, str_from(pair->key));
        buf_putc(b, ':');
        put_value(b, pair, true);
    } else {
        buf_printf(b, " %s=", pair->key);
        put_value(b, pair, pair->is_number || !is_plain(pair->text));
    }
}

/* A pair for which there is no room is left out whole: a cut line would be no JSON. */
static void put_line(struct buf *b, enum log_level level, const char *event,
                     const struct log_pair *pairs, int count)
{
    bool json = logger.format == LOG_FORMAT_JSON;
    char time[TIME_TEXT_MAX];

    time_print(clock_us(), time);
    if (json)
        buf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%.200s\"", time,
                   level_name(level), event);
    else
        buf_printf(b, "%s %-5s %.200s", time, level_name(level), event);
    for (int i = 0; i < count; i++) {
        size_t before = b->n;

        put_pair(b, &pairs[i], json);
        if (b->failed || b->n > LINE_MAX_BYTES - 2) {
            b->failed = false;
            b->n = before;
        }
    }
    buf_str(b, json ? STR("}\n") : STR("\n"));
}

/* Waits for room rather than in write(), so that stopping can end the wait. */
static void write_out(struct str s)
{
    int64_t give_up = 0;

    while (s.n) {
        struct pollfd pfd = {.fd = logger.fd, .events = POLLOUT};
        int ready = poll(&pfd, 1, 100);

        if (ready > 0) {
            ssize_t n = write(pfd.fd, s.p, s.n < CHUNK_BYTES ? s.n : CHUNK_BYTES);

            if (n > 0)
                s.p += n, s.n -= (size_t)n;
            else if (n < 0 && errno != EINTR && errno != EAGAIN)
                return; /* nobody can be told */
            continue;
        }
        pthread_mutex_lock(&logger.lock);
        bool stopping = logger.stopping;
        pthread_mutex_unlock(&logger.lock);
        if (stopping && give_up == 0)
            give_up = clock_mono_us() + STOP_WAIT_US;
        if (give_up && clock_mono_us() > give_up)
            return;
    }
}

static void put_dropped(struct buf *b, uint64_t dropped)
{
    struct log_pair lines = LOG_N("lines", dropped);

    put_line(b, LOG_WARN, "log.dropped", &lines, 1);
}

static void *writer_main(void *unused)
{
    struct buf drain;

    (void)unused;
    pthread_setname_np(pthread_self(), "log");
    buf_init(&drain, QUEUE_MAX_BYTES);
    pthread_mutex_lock(&logger.lock);
    for (;;) {
        while (logger.fill.n == 0 && !logger.stopping)
            pthread_cond_wait(&logger.wake, &logger.lock);
        uint64_t dropped = logger.dropped - logger.dropped_told;

        if (logger.fill.n == 0 && dropped == 0)
            break;
        struct buf full = logger.fill;

        logger.fill = drain;
        drain = full;
        if (dropped)
            put_dropped(&logger.fill, dropped);
        logger.dropped_told += dropped;
        pthread_mutex_unlock(&logger.lock);
        write_out(buf_view(&drain));
        buf_clear(&drain);
        pthread_mutex_lock(&logger.lock);
    }
    logger.running = false;
    pthread_mutex_unlock(&logger.lock);
    buf_fini(&drain);
    return NULL;
}

enum err log_start(void)
{
    enum err e = ERR_OK;

    pthread_mutex_lock(&logger.lock);
    if (!logger.running) {
        logger.stopping = false;
        logger.running = true;
        if (pthread_create(&logger.thread, NULL, writer_main, NULL) != 0) {
            logger.running = false;
            e = ERR_NOMEM;
        }
    }
    pthread_mutex_unlock(&logger.lock);
    return e;
}

void log_stop(void)
{
    pthread_mutex_lock(&logger.lock);
    bool join = logger.running && !logger.stopping;

    if (join)
        logger.stopping = true;
    pthread_cond_signal(&logger.wake);
    pthread_mutex_unlock(&logger.lock);
    if (!join)
        return;
    pthread_join(logger.thread, NULL);
    buf_fini(&logger.fill);
}

void log_write(enum log_level level, const char *event, const struct log_pair *pairs, int count)
{
    struct buf line;

    buf_init(&line, LINE_MAX_BYTES);
    put_line(&line, level, event, pairs, count);
    pthread_mutex_lock(&logger.lock);
    bool queued = logger.running;

    if (queued) {
        bool was_empty = logger.fill.n == 0;

        buf_put(&logger.fill, line.p, line.n);
        if (logger.fill.failed) {
            logger.fill.failed = false;
            logger.dropped++;
        }
        if (was_empty)
            pthread_cond_signal(&logger.wake);
    }
    pthread_mutex_unlock(&logger.lock);
    if (!queued && line.n)
        write_out(buf_view(&line));
    buf_fini(&line);
}
