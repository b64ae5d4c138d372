/* SPDX-License-Identifier: MIT */
/* Prints the average time of a call in nanoseconds:
 *
 *     calls connect COUNT    TCP over loopback, to a listener of this process
 *     calls sendto COUNT     UDP over loopback, without MSG_FASTOPEN
 *
 * Of `connect` only connect() itself is timed. */
#include "../programs/common.h"

#include <stdint.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int bound_socket(int type, struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int fd = must(socket(AF_INET, type, 0), "socket");

    *address = loopback(0);
    must(bind(fd, (struct sockaddr *)address, length), "bind");
    must(getsockname(fd, (struct sockaddr *)address, &length), "getsockname");
    return fd;
}

static int64_t connect_once(int listener, const struct sockaddr_in *server)
{
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    int64_t start = now_ns();
    int result = connect(fd, (const struct sockaddr *)server, sizeof *server);
    int64_t took = now_ns() - start;

    must(result, "connect");
    close_at_once(fd);
    close(must(accept(listener, NULL, NULL), "accept"));
    return took;
}

static int64_t time_connect(int count)
{
    struct sockaddr_in server;
    int listener = bound_socket(SOCK_STREAM, &server);
    int64_t took = 0;

    must(listen(listener, 16), "listen");
    for (int i = 0; i < count; i++)
        took += connect_once(listener, &server);
    return took;
}

static int64_t time_sendto(int count)
{
    struct sockaddr_in receiver;
    int client = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    int64_t start;

    bound_socket(SOCK_DGRAM, &receiver);
    start = now_ns();
    for (int i = 0; i < count; i++) /* what does not fit any more is dropped */
        must((int)sendto(client, "x", 1, 0, (struct sockaddr *)&receiver, sizeof receiver),
             "sendto");
    return now_ns() - start;
}

int main(int argc, char **argv)
{
    int count = argc == 3 ? atoi(argv[2]) : 0;

    if (count == 0) {
        fprintf(stderr, "usage: calls connect|sendto COUNT\n");
        return 2;
    }
    printf("%.1f\n",
           (double)(argv[1][0] == 'c' ? time_connect(count) : time_sendto(count)) / count);
    return 0;
}
