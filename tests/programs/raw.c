/* SPDX-License-Identifier: MIT */
/* Connects by syscall(2), which is not connect(). */
#include "common.h"

#include <sys/syscall.h>

int main(int argc, char **argv)
{
    struct sockaddr_storage destination;
    socklen_t length;
    int fd = socket_for(argc, argv, &destination, &length);
    long result = syscall(SYS_connect, fd, &destination, length);

    print_outcome(fd, result < 0 ? errno : 0);
    return 0;
}
