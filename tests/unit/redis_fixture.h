/* redis_fixture - a Redis that misbehaves as a test wants, and a real one where it is installed. */
#pragma once
#include "test.h"

#include "base/clock.h"
#include "redis/link.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define OK(e) assert_int_equal((e), ERR_OK)

enum { PATIENCE_US = 60 * 1000 * 1000 }; /* the machine may be busy: conditions, not durations */
#define AWAIT(cond)                                                          \
    do {                                                                     \
        int64_t begun_ = clock_mono_us();                                    \
        while (!(cond)) {                                                    \
            if (clock_mono_us() - begun_ > PATIENCE_US)                      \
                fail_msg("line %d: waited in vain for %s", __LINE__, #cond); \
            usleep(500);                                                     \
        }                                                                    \
    } while (0)

/* ---- the fake ---- */

enum fake_mode {
    FAKE_GOOD,
    FAKE_SILENT,  /* takes commands and says nothing */
    FAKE_MUTE,    /* silent from the greeting on */
    FAKE_GARBAGE, /* another protocol */
    FAKE_HALF,    /* half a reply */
    FAKE_CLOSE,   /* closes when it is asked something */
    FAKE_WRONG,   /* a number for everything */
    FAKE_HUGE,    /* a text of two gigabytes begins */
    FAKE_LIST,    /* a list of a billion */
    FAKE_DEEP,    /* lists in lists */
    FAKE_RESP3,   /* what RESP2 does not have */
    FAKE_EXTRA,   /* two replies for one command */
    FAKE_ERROR,   /* -ERR */
    FAKE_LOADING, /* as Redis after a start */
    FAKE_DENIED   /* as Redis for a wrong password */
};

enum { FAKE_CONNS = 16 };
struct fake {
    int fd, stop[2];
    pthread_t thread;
    atomic_int mode, accepted, commands;
    char url[64];
    struct {
        int fd;
        struct redis_reader *reader;
    } conns[FAKE_CONNS];
};

static inline void fake_say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static inline bool fake_greeting(int fd, struct str name, enum fake_mode mode)
{
    static const char info[] = "$50\r\n\nrun_id:0123456789012345678901234567890123456789\r\n\r\n";
    if (mode == FAKE_MUTE)
        return true;
    if (str_eq(name, STR("AUTH")) || str_eq(name, STR("SELECT")))
        fake_say(fd, mode == FAKE_DENIED ? "-WRONGPASS invalid\x01 pair\r\n" : "+OK\r\n");
    else if (str_eq(name, STR("INFO")))
        fake_say(fd, info);
    else if (str_eq(name, STR("PING")))
        fake_say(fd, mode == FAKE_LOADING ? "-LOADING Redis is loading\r\n" : "+PONG\r\n");
    else
        return false;
    return true;
}

/* False: close. */
static inline bool fake_answer(struct fake *f, int fd, const struct redis_reply *r)
{
    enum fake_mode mode = (enum fake_mode)atomic_load(&f->mode);
    assert_true(r->type == REDIS_LIST && r->count > 0);
    if (fake_greeting(fd, r->list[0].text, mode))
        return true;
    atomic_fetch_add(&f->commands, 1);
    switch (mode) {
    case FAKE_SILENT:
        return true;
    case FAKE_GARBAGE:
        fake_say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
        return true;
    case FAKE_HALF:
        fake_say(fd, "$100\r\nhalf");
        return true;
    case FAKE_CLOSE:
        return false;
    case FAKE_WRONG:
        fake_say(fd, ":-7\r\n");
        return true;
    case FAKE_HUGE:
        fake_say(fd, "$2000000000\r\n");
        for (int i = 0; i < 4000; i++)
            fake_say(fd, "0123456789012345678901234567890123456789012345678901234567890123456789");
        return true;
    case FAKE_LIST:
        fake_say(fd, "*1000000000\r\n:1\r\n");
        return true;
    case FAKE_DEEP:
        fake_say(fd, "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n");
        return true;
    case FAKE_RESP3:
        fake_say(fd, "#t\r\n");
        return true;
    case FAKE_EXTRA:
        fake_say(fd, "+OK\r\n+OK\r\n");
        return true;
    case FAKE_ERROR:
        fake_say(fd, "-ERR no\r\n");
        return true;
    default:
        fake_say(fd, r->count > 1 ? "$2\r\nhi\r\n" : "+OK\r\n");
        return true;
    }
}

static inline void fake_close(struct fake *f, int i)
{
    close(f->conns[i].fd);
    redis_reader_free(f->conns[i].reader);
    f->conns[i].fd = -1;
    f->conns[i].reader = NULL;
}

static inline void fake_read(struct fake *f, int i)
{
    char bytes[65536];
    ssize_t n = recv(f->conns[i].fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n <= 0 || redis_reader_feed(f->conns[i].reader, bytes, (size_t)n)) {
        fake_close(f, i);
        return;
    }
    for (;;) {
        const struct redis_reply *r = NULL;
        if (redis_reader_next(f->conns[i].reader, &r)) {
            fake_close(f, i);
            return;
        }
        if (!r)
            return;
        if (!fake_answer(f, f->conns[i].fd, r)) {
            fake_close(f, i);
            return;
        }
    }
}

static inline void fake_accept(struct fake *f)
{
    int fd = accept(f->fd, NULL, NULL);
    if (fd < 0)
        return;
    atomic_fetch_add(&f->accepted, 1);
    for (int i = 0; i < FAKE_CONNS; i++) {
        if (f->conns[i].fd < 0) {
            f->conns[i].fd = fd;
            OK(redis_reader_new(1 << 20, 64, &f->conns[i].reader));
            return;
        }
    }
    close(fd);
}

static inline void *fake_main(void *arg)
{
    struct fake *f = arg;
    for (;;) {
        struct pollfd p[FAKE_CONNS + 2];
        for (int i = 0; i < FAKE_CONNS; i++)
            p[i] = (struct pollfd){.fd = f->conns[i].fd, .events = POLLIN};
        p[FAKE_CONNS] = (struct pollfd){.fd = f->fd, .events = POLLIN};
        p[FAKE_CONNS + 1] = (struct pollfd){.fd = f->stop[0], .events = POLLIN};
        poll(p, FAKE_CONNS + 2, -1);
        if (p[FAKE_CONNS + 1].revents)
            break;
        for (int i = 0; i < FAKE_CONNS; i++)
            if (p[i].revents)
                fake_read(f, i);
        if (p[FAKE_CONNS].revents)
            fake_accept(f);
    }
    for (int i = 0; i < FAKE_CONNS; i++)
        if (f->conns[i].fd >= 0)
            fake_close(f, i);
    return NULL;
}

static inline void fake_start(struct fake *f, enum fake_mode mode)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    memset(f, 0, sizeof *f);
    atomic_store(&f->mode, (int)mode);
    for (int i = 0; i < FAKE_CONNS; i++)
        f->conns[i].fd = -1;
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(f->fd, 64), 0);
    assert_int_equal(getsockname(f->fd, (struct sockaddr *)&a, &n), 0);
    assert_int_equal(pipe(f->stop), 0);
    snprintf(f->url, sizeof f->url, "redis://u:p@127.0.0.1:%u/3", ntohs(a.sin_port));
    assert_int_equal(pthread_create(&f->thread, NULL, fake_main, f), 0);
}

static inline void fake_stop(struct fake *f)
{
    (void)!write(f->stop[1], "x", 1);
    pthread_join(f->thread, NULL);
    close(f->fd);
    close(f->stop[0]);
    close(f->stop[1]);
}

/* ---- a real one ---- */

struct real {
    char dir[64], url[128];
    bool there;
};

static inline int real_command(struct real *r, const char *command, char *out, size_t size)
{
    char line[600];
    snprintf(line, sizeof line, "%s/tools/redis_private.sh %s %s", getenv("DOPPEL_SOURCE"), command,
             r->dir);
    FILE *p = popen(line, "r");
    assert_non_null(p);
    if (out && fgets(out, (int)size, p))
        out[strcspn(out, "\n")] = '\0';
    return pclose(p);
}

static inline void real_start(struct real *r)
{
    snprintf(r->dir, sizeof r->dir, "/tmp/doppel-redis.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->there = real_command(r, "start", r->url, sizeof r->url) == 0;
    if (!r->there)
        print_message("no private Redis can be started here: its tests are skipped\n");
}

static inline void real_restart(struct real *r)
{
    OK(real_command(r, "crash", NULL, 0));
    OK(real_command(r, "start", r->url, sizeof r->url));
}

static inline void real_stop(struct real *r)
{
    if (r->there)
        real_command(r, "stop", NULL, 0);
    rmdir(r->dir);
}

/* ---- one command, and what came ---- */

struct outcome {
    int calls;
    enum err e;
    enum redis_type type;
    int64_t number;
    char text[256];
};

static inline void outcome_note(void *arg, enum err e, const struct redis_reply *r)
{
    struct outcome *o = arg;
    o->calls++;
    o->e = e;
    if (!r)
        return;
    o->type = r->type;
    o->number = r->type == REDIS_LIST ? r->count : r->number;
    if (r->text.p)
        snprintf(o->text, sizeof o->text, STR_FMT, STR_ARG(r->text));
}

static inline struct redis_target *target_of(const char *url)
{
    struct redis_target *t = NULL;
    char detail[REDIS_DETAIL_MAX];
    const struct redis_options o = {.url = str_from(url), .connect_timeout_ms = 10000};
    enum err e = redis_target_new(&o, &t, detail);
    if (e)
        print_error("%s: %s\n", url, detail);
    OK(e);
    return t;
}

static inline struct redis_link *link_of(struct redis_target *t)
{
    struct redis_link *l = NULL;
    const struct redis_link_options o = {.target = t,
                                         .reply_bytes_max = 64 * 1024,
                                         .elements_max = 2048,
                                         .commands_max = 64,
                                         .unsent_bytes_max = 64 * 1024};
    OK(redis_link_new(&o, &l));
    return l;
}

/* Words are separated by blanks. Blocks; connects when it must. */
static inline struct outcome ask(struct redis_link *l, const char *line, int64_t timeout_ms)
{
    struct outcome o = {.e = ERR_NOT_READY};
    struct str words[16], rest = str_from(line);
    int32_t n = 0;
    while (rest.p)
        words[n++] = str_cut(&rest, ' ');
    if (redis_link_state(l) == REDIS_CLOSED)
        OK(redis_link_connect(l, clock_mono_us()));
    OK(redis_link_send(l, words, n, clock_mono_us() + timeout_ms * 1000, outcome_note, &o));
    (void)!redis_link_wait(l);
    assert_int_equal(o.calls, 1);
    return o;
}
