/* http_floor - what answering costs at the least: a bare epoll loop that looks for the empty line
 * and sends a fixed reply of about 1.5 KB. No checks, no deadlines, no pipelining: not a server.
 *
 *     http_floor PORT [worker | FILE]
 *
 * With "worker" each reply goes by a second thread and back, by a queue, a condition and an
 * eventfd. With a FILE its bytes are the whole reply, head and all. Prints the address. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 4096, EVENTS_MAX = 256, BODY_BYTES = 1300 };

struct conn {
    int fd;
    size_t n;
    struct conn *next;
    char in[REQUEST_MAX];
};

static char reply[1 << 20];
static size_t reply_n;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;
static struct conn *to_worker, *to_loop;
static int event_fd, by_worker;

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void answer(struct conn *c)
{
    if (send(c->fd, reply, reply_n, MSG_NOSIGNAL) < 0)
        shutdown(c->fd, SHUT_RDWR);
}

static void *work(void *arg)
{
    for (;;) {
        pthread_mutex_lock(&lock);
        while (!to_worker)
            pthread_cond_wait(&came, &lock);
        struct conn *list = to_worker, *last = list;
        to_worker = NULL;
        pthread_mutex_unlock(&lock);
        while (last->next)
            last = last->next;
        pthread_mutex_lock(&lock);
        last->next = to_loop;
        to_loop = list;
        pthread_mutex_unlock(&lock);
        must(write(event_fd, &(uint64_t){1}, 8) == 8, "eventfd");
    }
    return arg;
}

static void come_back(void)
{
    uint64_t value;
    must(read(event_fd, &value, 8) == 8, "eventfd");
    pthread_mutex_lock(&lock);
    struct conn *list = to_loop;
    to_loop = NULL;
    pthread_mutex_unlock(&lock);
    while (list) {
        struct conn *c = list;
        list = c->next;
        answer(c);
    }
}

static void hand_off(struct conn *c)
{
    pthread_mutex_lock(&lock);
    c->next = to_worker;
    to_worker = c;
    pthread_cond_signal(&came);
    pthread_mutex_unlock(&lock);
}

static void serve(struct conn *c)
{
    ssize_t n = recv(c->fd, c->in + c->n, REQUEST_MAX - c->n, 0);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            return;
        close(c->fd);
        free(c);
        return;
    }
    c->n += (size_t)n;
    if (!memmem(c->in, c->n, "\r\n\r\n", 4))
        return;
    c->n = 0;
    if (by_worker)
        hand_off(c);
    else
        answer(c);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t a_n = sizeof a;
    struct epoll_event events[EVENTS_MAX];
    int on = 1;

    a.sin_port = htons((uint16_t)(argc > 1 ? strtol(argv[1], NULL, 10) : 0));
    by_worker = argc > 2 && strcmp(argv[2], "worker") == 0;
    if (argc > 2 && !by_worker) {
        FILE *f = fopen(argv[2], "rb");
        must(f != NULL, argv[2]);
        reply_n = fread(reply, 1, sizeof reply, f);
        fclose(f);
    } else {
        reply_n = (size_t)snprintf(reply, sizeof reply,
                                   "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                   "Server: floor\r\nContent-Type: application/json\r\n"
                                   "Content-Length: %d\r\n\r\n",
                                   BODY_BYTES);
        memset(reply + reply_n, 'x', BODY_BYTES);
        reply_n += BODY_BYTES;
    }
    int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int epoll_fd = epoll_create1(0);
    event_fd = eventfd(0, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    must(bind(listen_fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(listen_fd, 4096) == 0,
         "listen");
    getsockname(listen_fd, (struct sockaddr *)&a, &a_n);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &ev);
    ev.data.ptr = &event_fd;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &ev);
    pthread_t thread;
    must(!by_worker || pthread_create(&thread, NULL, work, NULL) == 0, "thread");
    printf("http://127.0.0.1:%u\n", ntohs(a.sin_port));
    fflush(stdout);

    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &event_fd) {
                come_back();
            } else if (events[i].data.ptr) {
                serve(events[i].data.ptr);
            } else {
                int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK);
                struct conn *c = fd < 0 ? NULL : calloc(1, sizeof *c);
                if (!c)
                    continue;
                c->fd = fd;
                ev = (struct epoll_event){.events = EPOLLIN, .data.ptr = c};
                epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
            }
        }
    }
}
