/* http_idle - what idle connections cost: opens N of them, each after one request, and prints how much
 * the server's resident memory has grown.
 *
 *     http_idle HOST:PORT PID N */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char request[] = "GET /inline HTTP/1.1\r\nHost: localhost\r\n\r\n";

static long resident_kb(const char *pid)
{
    char path[64], line[256];
    long kb = -1;
    snprintf(path, sizeof path, "/proc/%s/status", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kb;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    char reply[4096];

    char *colon = argc == 4 ? strrchr(argv[1], ':') : NULL;
    if (!colon) {
        fprintf(stderr, "usage: http_idle HOST:PORT PID N\n");
        return 2;
    }
    *colon = '\0';
    inet_pton(AF_INET, argv[1], &a.sin_addr);
    a.sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
    long before = resident_kb(argv[2]), n = strtol(argv[3], NULL, 10);
    for (long i = 0; i < n; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
            send(fd, request, sizeof request - 1, 0) < 0 || recv(fd, reply, sizeof reply, 0) <= 0) {
            perror("http_idle");
            return 1;
        }
    }
    long after = resident_kb(argv[2]);
    printf("connections=%ld\trss_before_kb=%ld\trss_after_kb=%ld\tbytes_per_connection=%ld\n", n,
           before, after, (after - before) * 1024 / n);
    return 0;
}
