/* SPDX-License-Identifier: MIT */
/* Connects by syscall(2), which is not connect():
 *
 *     raw [--socketcall] ADDRESS PORT
 *
 * with the option as 32-bit programs did before Linux 4.3 (socketcall(2)). */
#include "common.h"

#include <linux/net.h>
#include <sys/syscall.h>

static long connect_by(bool socketcall, int fd, const void *destination, socklen_t length)
{
#ifdef SYS_socketcall
    const long arguments[] = {fd, (long)destination, (long)length};

    if (socketcall)
        return syscall(SYS_socketcall, SYS_CONNECT, arguments);
#endif
    if (socketcall) {
        errno = ENOSYS;
        return -1;
    }
    return syscall(SYS_connect, fd, destination, length);
}

int main(int argc, char **argv)
{
    struct sockaddr_storage destination;
    socklen_t length;
    bool socketcall = argc > 1 && strcmp(argv[1], "--socketcall") == 0;
    int fd = socket_for(argc - socketcall, argv + socketcall, &destination, &length);
    long result = connect_by(socketcall, fd, &destination, length);

    print_outcome(fd, result < 0 ? errno : 0);
    return 0;
}
