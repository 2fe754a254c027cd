/* load - sends recorded requests to a server over keep-alive connections and measures the replies.
 *
 *     load HOST:PORT REQUESTS [-c CONNECTIONS] [-n COUNT] [-t SECONDS] [-r RATE] [-p PID]
 *
 * REQUESTS holds requests one after another, each as "<bytes>\n<request text>". They are sent in
 * turn, starting over at the end unless -n or the list's end (-1) says stop. With -r the schedule is
 * open: request k is due at k / RATE, and its latency counts from then, so that a server's pause
 * is not hidden by the pause of its client (coordinated omission). Without -r each connection
 * sends its next request when the reply is there. -p names the server's process: its CPU time over
 * the run is printed per request.
 *
 * Prints one line of tab-separated name=value. One thread, one epoll: it needs a core of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct request {
    const char *p;
    size_t n;
};

struct connection {
    int fd;
    const struct request *sending;
    size_t sent;
    int64_t due_ns;
    bool busy;
    char head[16384]; /* of the reply, until its length is known */
    size_t head_n;
    int64_t body_left; /* -1: head not complete */
    int status;
};

static struct request *requests;
static size_t request_count;
static uint64_t *latencies_us;
static size_t latency_count, latency_cap;
static uint64_t by_class[6];

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static void read_requests(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;

    if (!f || fstat(fileno(f), &st))
        die(path);
    char *all = malloc((size_t)st.st_size + 1);
    if (!all || fread(all, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        die(path);
    fclose(f);
    all[st.st_size] = 0;
    size_t cap = 0;
    for (char *p = all, *end = all + st.st_size; p < end;) {
        char *rest;
        unsigned long n = strtoul(p, &rest, 10);
        if (*rest != '\n' || n == 0 || n > (size_t)(end - rest - 1))
            die("the request file is malformed");
        if (request_count == cap) {
            cap = cap ? cap * 2 : 1024;
            requests = realloc(requests, cap * sizeof *requests);
            if (!requests)
                die("memory");
        }
        requests[request_count++] = (struct request){ rest + 1, n };
        p = rest + 1 + n;
    }
    if (!request_count)
        die("no requests");
}

static int connect_to(const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof *to))
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Room for so many, touched: a page that a virtual machine's host must find first may take milliseconds, which
 * would be counted as the server's. */
static void reserve(size_t latencies)
{
    latencies_us = realloc(latencies_us, latencies * sizeof *latencies_us);
    if (!latencies_us)
        die("memory");
    memset(latencies_us + latency_cap, 1, (latencies - latency_cap) * sizeof *latencies_us);
    latency_cap = latencies;
}

static void record(struct connection *c)
{
    if (latency_count == latency_cap)
        reserve(latency_cap * 2);
    latencies_us[latency_count++] = (uint64_t)(now_ns() - c->due_ns) / 1000;
    by_class[c->status / 100 < 6 ? c->status / 100 : 0]++;
    c->busy = false;
}

/* True: still open. */
static bool on_readable(struct connection *c)
{
    static char sink[1 << 16];

    while (c->busy) {
        ssize_t n;
        if (c->body_left >= 0) {
            n = recv(c->fd, sink, c->body_left < (int64_t)sizeof sink ? (size_t)c->body_left : sizeof sink, 0);
            if (n > 0 && (c->body_left -= n) == 0)
                record(c);
        } else {
            n = recv(c->fd, c->head + c->head_n, sizeof c->head - 1 - c->head_n, 0);
            if (n > 0) {
                c->head_n += (size_t)n;
                c->head[c->head_n] = 0;
                char *end = strstr(c->head, "\r\n\r\n");
                if (end) {
                    const char *length = strcasestr(c->head, "\r\ncontent-length:");
                    c->status = (int)strtol(c->head + 9, NULL, 10);
                    int64_t total = length && length < end ? strtoll(length + 17, NULL, 10) : 0;
                    c->body_left = total - (int64_t)(c->head_n - (size_t)(end + 4 - c->head));
                    if (c->body_left <= 0) {
                        c->body_left = 0;
                        record(c);
                    }
                } else if (c->head_n == sizeof c->head - 1)
                    die("a reply's head is too long");
            }
        }
        if (n == 0)
            return false;
        if (n < 0)
            return errno == EAGAIN;
    }
    return true;
}

static bool on_writable(struct connection *c)
{
    while (c->busy && c->sent < c->sending->n) {
        ssize_t n = send(c->fd, c->sending->p + c->sent, c->sending->n - c->sent, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        c->sent += (size_t)n;
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double cpu_seconds(long pid)
{
    char path[64], line[1024];
    unsigned long user = 0, sys = 0;

    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fgets(line, sizeof line, f)) {
        const char *p = strrchr(line, ')');
        if (p)
            sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
    }
    fclose(f);
    return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

int main(int argc, char **argv)
{
    int connections = 64, opt;
    double seconds = 1e9, rate = 0;
    long count = 0, pid = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: load HOST:PORT REQUESTS [-c CONNECTIONS] [-n COUNT] [-t SECONDS] [-r RATE] [-p PID]\n");
        return 2;
    }
    char *colon = strrchr(argv[1], ':');
    if (!colon)
        die("HOST:PORT");
    *colon = 0;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)) };
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
        die("HOST must be an IPv4 address");
    const char *file = argv[2];
    optind = 3;
    while ((opt = getopt(argc, argv, "c:n:t:r:p:")) != -1) {
        switch (opt) {
        case 'c': connections = (int)strtol(optarg, NULL, 10); break;
        case 'n': count = strtol(optarg, NULL, 10); break;
        case 't': seconds = strtod(optarg, NULL); break;
        case 'r': rate = strtod(optarg, NULL); break;
        case 'p': pid = strtol(optarg, NULL, 10); break;
        default: return 2;
        }
    }
    read_requests(file);
    if (count < 0)
        count = (long)request_count;
    double expected = rate > 0 && seconds < 3600 ? rate * seconds : 0;
    expected = expected > (double)count ? expected : (double)count;
    reserve(expected < 1e6 ? 1 << 20 : expected < 1e8 ? (size_t)expected + 1024 : 100000000);
    struct connection *c = malloc((size_t)connections * sizeof *c);
    int ep = epoll_create1(0);
    if (!c || ep < 0)
        die("epoll");
    memset(c, 1, (size_t)connections * sizeof *c);
    for (int i = 0; i < connections; i++) {
        c[i] = (struct connection){ .fd = -1 };
        c[i].fd = connect_to(&to);
        struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = (uint32_t)i };
        if (epoll_ctl(ep, EPOLL_CTL_ADD, c[i].fd, &ev))
            die("epoll_ctl");
    }

    double cpu0 = pid ? cpu_seconds(pid) : 0;
    int64_t start = now_ns(), stop = start + (int64_t)(seconds * 1e9);
    long issued = 0, lost = 0;
    int busy = 0, next_free = 0;

    for (;;) {
        int64_t now = now_ns();
        bool more = now < stop && (!count || issued < count);
        if (!more && busy == 0)
            break;
        if (now > stop + 20 * INT64_C(1000000000))
            break;
        /* hand out what is due */
        for (int tried = 0; more && busy < connections && tried < connections; tried++) {
            int64_t due = rate > 0 ? start + (int64_t)((double)issued * 1e9 / rate) : now;
            if (due > now)
                break;
            struct connection *k = &c[next_free];
            next_free = (next_free + 1) % connections;
            if (k->busy)
                continue;
            k->busy = true;
            k->sending = &requests[(size_t)issued % request_count];
            k->sent = k->head_n = 0;
            k->body_left = -1;
            k->due_ns = due;
            issued++;
            busy++;
            on_writable(k);
            more = !count || issued < count;
        }
        int wait = 100;
        if (rate > 0 && more && busy < connections) {
            int64_t due = start + (int64_t)((double)issued * 1e9 / rate) - now_ns();
            wait = due <= 0 ? 0 : (int)(due / 1000000);
        }
        struct epoll_event ev[256];
        int n = epoll_wait(ep, ev, 256, wait);
        for (int i = 0; i < n; i++) {
            struct connection *k = &c[ev[i].data.u32];
            if (!k->busy)
                continue;
            bool open = on_writable(k) && on_readable(k);
            if (!open) {
                lost += k->busy;
                busy -= k->busy;
                k->busy = false;
                close(k->fd);
                k->fd = connect_to(&to);
                struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = ev[i].data.u32 };
                epoll_ctl(ep, EPOLL_CTL_ADD, k->fd, &e);
            } else if (!k->busy)
                busy--;
        }
    }
    double took = (double)(now_ns() - start) / 1e9, cpu = pid ? cpu_seconds(pid) - cpu0 : 0;
    qsort(latencies_us, latency_count, sizeof *latencies_us, by_value);
#define AT(q) (latency_count ? (double)latencies_us[(size_t)((double)(latency_count - 1) * (q))] / 1000.0 : 0.0)
    printf("requests=%zu\tseconds=%.3f\trate=%.0f\tp50_ms=%.3f\tp95_ms=%.3f\tp99_ms=%.3f\tmax_ms=%.3f\t"
           "2xx=%llu\t3xx=%llu\t4xx=%llu\t5xx=%llu\tlost=%ld",
           latency_count, took, (double)latency_count / took, AT(.5), AT(.95), AT(.99), AT(1.0),
           (unsigned long long)by_class[2], (unsigned long long)by_class[3], (unsigned long long)by_class[4],
           (unsigned long long)by_class[5], lost);
    if (pid && latency_count)
        printf("\tserver_cpu_us=%.2f", cpu * 1e6 / (double)latency_count);
    printf("\n");
    return 0;
}
