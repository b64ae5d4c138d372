/* SPDX-License-Identifier: MIT */
/* connect() and sendto() return 300 ms late, as if the thread had not been scheduled. */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    int result = (int)syscall(SYS_connect, fd, destination, length);

    usleep(300000);
    return result;
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *destination,
               socklen_t length)
{
    ssize_t result = syscall(SYS_sendto, fd, data, size, flags, destination, length);

    usleep(300000);
    return result;
}
