/* SPDX-License-Identifier: MIT */
/* Connects to 127.0.0.1:50000 before the program starts, and says what came of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

__attribute__((constructor)) static void connect_early(void)
{
    const struct sockaddr_in free_port = {
        .sin_family = AF_INET, .sin_port = htons(50000), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int result = connect(fd, (const struct sockaddr *)&free_port, sizeof free_port);

    fprintf(stderr, "constructor: %s\n",
            result == 0             ? "connected"
            : errno == ECONNREFUSED ? "refused"
                                    : "another error");
    close(fd);
}
