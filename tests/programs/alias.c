/* SPDX-License-Identifier: MIT */
/* Connects by glibc's alias of connect(). */
#include "common.h"

int __connect(int fd, const struct sockaddr *destination, socklen_t length);

int main(int argc, char **argv)
{
    struct sockaddr_storage destination;
    socklen_t length;
    int fd = socket_for(argc, argv, &destination, &length);
    int result = __connect(fd, (struct sockaddr *)&destination, length);

    print_outcome(fd, result < 0 ? errno : 0);
    return 0;
}
