/* loop - one thread: waits for events, mail and deadlines, and serves its connections. */
#include "http/conn.h"

#include "base/assert.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,             /* of one epoll_wait() */
    ACCEPTS_MAX = 64,             /* of one listener in a row */
    ACCEPT_PAUSE_US = 100 * 1000, /* when the machine has no memory for another connection */
    STOP_GRACE_US = 250 * 1000 /* how long a client that was just active may send another request */
};

_Thread_local struct http_loop *current_loop;

void loop_tick(struct http_loop *l)
{
    struct timespec wall;
    struct tm tm;

    l->now_us = clock_mono_us();
    clock_gettime(CLOCK_REALTIME_COARSE, &wall);
    if (wall.tv_sec == l->wall_s)
        return;
    l->wall_s = wall.tv_sec;
    gmtime_r(&wall.tv_sec, &tm);
    /* IMF-fixdate, RFC 9110 5.6.7; strftime's names would follow the locale. */
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const char *name = l->server->server_name;
    int n = snprintf(l->common, sizeof l->common,
                     "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n%s%s%s", days[tm.tm_wday],
                     tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                     tm.tm_sec, name ? "Server: " : "", name ? name : "", name ? "\r\n" : "");
    ASSERT(n > 0 && (size_t)n < sizeof l->common);
    l->common_n = (size_t)n;
}

/* ---- accepting ---- */

static void peer_of(const struct sockaddr_storage *a, bool is_unix, struct net_peer *p)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)a;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;

    *p = (struct net_peer){.is_unix = is_unix};
    if (is_unix)
        return;
    if (a->ss_family == AF_INET) {
        p->address[10] = p->address[11] = 0xff;
        memcpy(p->address + 12, &in->sin_addr, 4);
        p->port = ntohs(in->sin_port);
        p->is_loopback = p->address[12] == 127;
    } else {
        memcpy(p->address, &in6->sin6_addr, 16);
        p->port = ntohs(in6->sin6_port);
        p->is_loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    }
}

static void take_in(struct http_loop *l, int fd, const struct net_peer *peer)
{
    struct http_server *s = l->server;
    enum err refuse = ERR_OK;

    if (atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed) >=
        s->limits.connections_max)
        refuse = ERR_BUSY;
    else if (!address_enter(s, peer))
        refuse = ERR_TOO_MANY;
    if (!refuse) {
        count(&l->counters.connections_accepted, 1);
        conn_new(l, fd, peer, ERR_OK);
        return;
    }
    atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
    count(&l->counters.connections_refused, 1);
    if (s->tls || l->lingering_count >= REFUSED_MAX)
        close(fd); /* a handshake is too much to spend on a refusal */
    else
        conn_new(l, fd, peer, refuse);
}

/* Without this a full table of files leaves the connection waiting, and us spinning: give up the
 * spare file, take the connection, and end it. False: none was waiting, which accept4() does not
 * tell without a free file. */
static bool shed(struct http_loop *l, struct listener *ln)
{
    if (l->reserve_fd >= 0)
        close(l->reserve_fd);
    int fd = accept4(ln->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        close(fd);
        count(&l->counters.connections_refused, 1);
    }
    l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static void watch_listener(struct http_loop *l, struct listener *ln, bool on)
{
    struct epoll_event ev = {.events = EPOLLIN | (l->server->loop_count > 1 ? EPOLLEXCLUSIVE : 0),
                             .data.ptr = ln};
    ln->paused = !on;
    epoll_ctl(l->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, ln->fd, &ev);
}

static void resume_accept(struct timer *t)
{
    struct http_loop *l =
        (struct http_loop *)((char *)t - offsetof(struct http_loop, accept_timer));
    for (int32_t i = 0; i < l->listener_count; i++)
        if (l->listeners[i].paused && l->listeners[i].fd >= 0)
            watch_listener(l, &l->listeners[i], true);
}

static void accept_some(struct http_loop *l, struct listener *ln, int max)
{
    for (int i = 0; i < max && ln->fd >= 0; i++) {
        struct sockaddr_storage a;
        socklen_t n = sizeof a;
        struct net_peer peer;
        int fd = accept4(ln->fd, (struct sockaddr *)&a, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            peer_of(&a, ln->is_unix, &peer);
            take_in(l, fd, &peer);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno == EMFILE || errno == ENFILE) {
            if (!shed(l, ln))
                return;
        } else if (errno == ENOBUFS || errno == ENOMEM) {
            watch_listener(l, ln, false);
            timer_set(&l->timers, &l->accept_timer, l->now_us + ACCEPT_PAUSE_US);
            return;
        } /* else the client gave up while it waited: the next one */
    }
}

static void close_listeners(struct http_loop *l)
{
    for (int32_t i = 0; i < l->listener_count; i++) {
        if (l->listeners[i].fd >= 0)
            close(l->listeners[i].fd);
        l->listeners[i].fd = -1;
    }
}

/* ---- stopping ---- */

static void stop_conns(struct http_loop *l)
{
    for (struct http_conn *c = l->conns, *next; c; c = next) {
        next = c->next;
        conn_stop(c);
    }
}

static void on_stop(struct mail *m)
{
    struct http_loop *l = (struct http_loop *)((char *)m - offsetof(struct http_loop, stop_mail));
    /* What waits to be accepted has been accepted by the kernel already. */
    for (int32_t i = 0; i < l->listener_count; i++)
        accept_some(l, &l->listeners[i], INT32_MAX);
    close_listeners(l);
    l->stopping = true;
    l->stop_grace_us = l->now_us + STOP_GRACE_US;
    l->stop_deadline_us = l->now_us + l->server->stop_timeout_ms * INT64_C(1000);
    if (l->stop_grace_us > l->stop_deadline_us)
        l->stop_grace_us = l->stop_deadline_us;
    stop_conns(l);
}

/* True: the loop has nothing left to do, or no time left to do it. */
static bool stop_step(struct http_loop *l)
{
    if (l->now_us >= l->stop_grace_us && !l->stop_swept) {
        l->stop_swept = true;
        stop_conns(l);
    }
    if (!l->conns && l->exchange_count == 0)
        return true;
    if (l->now_us < l->stop_deadline_us)
        return false;
    l->cut_off = l->exchange_count;
    while (l->conns)
        conn_close(l->conns);
    return true;
}

/* ---- watches ---- */

enum err loop_reserve_timer(struct http_loop *l)
{
    /* Two are the loop's own: accepting, and the one to come. */
    return timers_reserve(&l->timers, l->conn_count + l->stream_count + l->watch_count + 2);
}

static void watch_due(struct timer *t)
{
    struct http_watch *w = (struct http_watch *)((char *)t - offsetof(struct http_watch, timer));
    w->due(w);
}

int64_t http_loop_now_us(const struct http_loop *loop)
{
    return loop->now_us;
}

enum err http_watch_join(struct http_loop *loop, struct http_watch *w)
{
    _Static_assert(sizeof(struct source) == sizeof w->kind, "a watch begins as a source does");
    ASSERT(current_loop == loop && !w->joined && w->ready && w->due);
    enum err e = loop_reserve_timer(loop);
    if (e)
        return e;
    loop->watch_count++;
    w->kind = SOURCE_WATCH;
    w->fd = -1;
    w->timer.fire = watch_due;
    w->joined = true;
    return ERR_OK;
}

enum err http_watch_fd(struct http_loop *loop, struct http_watch *w, int fd, bool reads,
                       bool writes)
{
    ASSERT(current_loop == loop && w->joined);
    if (fd == w->fd && reads == w->reads && writes == w->writes)
        return ERR_OK;
    if (w->fd >= 0 && fd != w->fd) {
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
        w->fd = -1;
    }
    if (fd < 0)
        return ERR_OK;
    struct epoll_event ev = {.events = (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u),
                             .data.ptr = w};
    if (epoll_ctl(loop->epoll_fd, w->fd < 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev) < 0)
        return ERR_IO;
    w->fd = fd;
    w->reads = reads;
    w->writes = writes;
    return ERR_OK;
}

void http_watch_forget(struct http_watch *w)
{
    w->fd = -1;
}

void http_watch_at(struct http_loop *loop, struct http_watch *w, int64_t at_us)
{
    ASSERT(current_loop == loop && w->joined);
    timer_set(&loop->timers, &w->timer, at_us);
}

/* ---- the loop ---- */

void loop_run_mail(struct http_loop *l)
{
    struct mail *m = mailbox_take(&l->mailbox);
    while (m) {
        struct mail *next = m->next; /* fn may free it */
        m->fn(m);
        m = next;
    }
}

static void run_todo(struct http_loop *l)
{
    struct http_conn *c = l->todo;
    l->todo = NULL;
    while (c) {
        struct http_conn *next = c->todo_next;
        c->in_todo = false;
        conn_service(c);
        c = next;
    }
}

static void run_timers(struct http_loop *l)
{
    struct timer *t;
    while ((t = timers_pop(&l->timers, l->now_us)))
        t->fire(t);
}

/* Milliseconds to sleep, rounded up: waking early would only mean sleeping again. */
static int sleep_ms(struct http_loop *l)
{
    int64_t at = timers_next(&l->timers);
    if (l->todo || l->graves)
        return 0;
    if (l->stopping) {
        int64_t stop_at = l->stop_swept ? l->stop_deadline_us : l->stop_grace_us;
        at = stop_at < at ? stop_at : at;
    }
    if (at == TIMER_NEVER)
        return -1;
    int64_t ms = (at - l->now_us + 999) / 1000;
    return ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

static void handle(struct http_loop *l, const struct epoll_event *ev)
{
    struct source *source = ev->data.ptr;
    switch (source->kind) {
    case SOURCE_CONN:
        conn_event(ev->data.ptr, ev->events);
        break;
    case SOURCE_LISTENER:
        accept_some(l, ev->data.ptr, ACCEPTS_MAX);
        break;
    case SOURCE_MAILBOX: /* it has done its work: we are awake */
        break;
    case SOURCE_WATCH:
        if (((struct http_watch *)ev->data.ptr)->fd >= 0)
            ((struct http_watch *)ev->data.ptr)->ready(ev->data.ptr);
        break;
    }
}

void *loop_main(void *arg)
{
    struct http_loop *l = arg;
    struct epoll_event events[EVENTS_MAX];

    current_loop = l;
    do {
        int ms = sleep_ms(l);
        if (ms != 0 && !mailbox_sleep(&l->mailbox))
            ms = 0;
        int n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, ms);
        if (ms != 0)
            mailbox_wake(&l->mailbox);
        ASSERT(n >= 0 || errno == EINTR);
        loop_tick(l);
        for (int i = 0; i < n; i++)
            handle(l, &events[i]);
        loop_run_mail(l);
        run_timers(l);
        run_todo(l);
        conn_free_graves(l);
    } while (!l->stopping || !stop_step(l));

    run_todo(l);
    conn_free_graves(l);
    current_loop = NULL;
    return NULL;
}

enum err loop_new(struct http_server *s, int32_t index, struct http_loop **ret)
{
    struct http_loop *l = calloc(1, sizeof *l);
    if (!l)
        return ERR_NOMEM;
    l->server = s;
    l->index = index;
    l->mailbox.event_fd = -1;
    l->mailbox_source.kind = SOURCE_MAILBOX;
    l->accept_timer.fire = resume_accept;
    l->stop_mail.fn = on_stop;
    l->wall_s = -1;
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    rng_seed(&l->rng, seed);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    l->listeners = calloc((size_t)s->address_count, sizeof *l->listeners);
    *ret = l; /* half-built is fine for loop_free() */
    if (!l->listeners || timers_reserve(&l->timers, 16))
        return ERR_NOMEM;
    if (l->epoll_fd < 0 || mailbox_init(&l->mailbox))
        return ERR_IO;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = &l->mailbox_source};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->mailbox.event_fd, &ev) < 0)
        return ERR_IO;
    loop_tick(l);
    return ERR_OK;
}

void loop_listen(struct http_loop *l, int fd, bool is_unix)
{
    struct listener *ln = &l->listeners[l->listener_count++];
    *ln = (struct listener){.source.kind = SOURCE_LISTENER, .fd = fd, .is_unix = is_unix};
    watch_listener(l, ln, true);
}

void loop_free(struct http_loop *l)
{
    if (!l)
        return;
    current_loop = l;
    if (l->mailbox.event_fd >= 0)
        loop_run_mail(l);
    current_loop = NULL;
    ASSERT(l->exchange_count == 0); /* see http_server_free() */
    close_listeners(l);
    free(l->listeners);
    conn_free_graves(l);
    exchange_pool_free(l);
    heads_fini(&l->heads);
    timers_fini(&l->timers);
    mailbox_fini(&l->mailbox);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    if (l->reserve_fd >= 0)
        close(l->reserve_fd);
    free(l);
}
