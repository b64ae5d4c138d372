/* SPDX-License-Identifier: MIT */
/* Prints a port of 127.0.0.1 that the kernel is about to choose as a client's source port, and its
 * distance in places: each attempt moves on by 1 to 8 places (__inet_hash_connect).
 *
 *     ahead
 *     -> PORT PLACES, at most 12 */
#include "common.h"

/* The source port of a refused attempt, or -1 if the port is in use. */
static int source_port(int port)
{
    struct sockaddr_in address = loopback(port), source = loopback(0);
    socklen_t length = sizeof source;
    int result = -1, fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        close(fd);
        fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno == ECONNREFUSED &&
            getsockname(fd, (struct sockaddr *)&source, &length) == 0)
            result = ntohs(source.sin_port);
    }
    close(fd);
    return result;
}

int main(void)
{
    int low, high;
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");

    if (range == NULL || fscanf(range, "%d %d", &low, &high) != 2)
        die("ip_local_port_range");
    fclose(range);
    const int places = (high - low) / 2 + 1;
    srandom((unsigned)getpid());
    for (int tried = 0; tried < 300000; tried++) {
        int port = low + (int)(random() % places) * 2;
        int source = source_port(port);

        if (source > 0 && port > source && (port - source) / 2 <= 12) {
            printf("%d %d\n", port, (port - source) / 2);
            return 0;
        }
    }
    fprintf(stderr, "no port is ahead\n");
    return 2;
}
