/* SPDX-License-Identifier: MIT */
/* Calls glibc's other name for connect(). */
#include "common.h"

int __connect(int fd, const struct sockaddr *destination, socklen_t length);

int main(int argc, char **argv)
{
    struct sockaddr_storage destination;
    socklen_t length;
    int fd, result;

    if (argc != 3) {
        fprintf(stderr, "usage: alias ADDRESS PORT\n");
        return 2;
    }
    length = parse_address(argv[1], argv[2], &destination);
    fd = must(socket(destination.ss_family, SOCK_STREAM, 0), "socket");
    result = __connect(fd, (struct sockaddr *)&destination, length);
    printf("connect: %s\n", error_name(result < 0 ? errno : 0));
    printf("local: %s\n", endpoint_text(fd, getsockname));
    printf("peer: %s\n", endpoint_text(fd, getpeername));
    printf("state: %s\n", tcp_state_text(fd));
    return 0;
}
