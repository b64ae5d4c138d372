/* SPDX-License-Identifier: MIT */
/* Prints the average time of connect() in nanoseconds, by TCP over loopback to a listener of this
 * process:
 *
 *     calls COUNT */
#include "../programs/common.h"

#include <stdint.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int main(int argc, char **argv)
{
    struct sockaddr_in server = loopback(0);
    socklen_t length = sizeof server;
    int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    int count = argc == 2 ? atoi(argv[1]) : 0;
    int64_t took = 0;

    must(bind(listener, (struct sockaddr *)&server, length), "bind");
    must(getsockname(listener, (struct sockaddr *)&server, &length), "getsockname");
    must(listen(listener, 16), "listen");
    for (int i = 0; i < count; i++) {
        int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
        int64_t start = now_ns();
        int result = connect(fd, (const struct sockaddr *)&server, sizeof server);

        took += now_ns() - start;
        must(result, "connect");
        close_at_once(fd);
        close(must(accept(listener, NULL, NULL), "accept"));
    }
    printf("%.1f\n", (double)took / count);
    return 0;
}
