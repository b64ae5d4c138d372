/* SPDX-License-Identifier: MIT */
/* A connect() that returns 300 ms after the connection was made: the thread was not scheduled. */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    int result = (int)syscall(SYS_connect, fd, destination, length);

    usleep(300000);
    return result;
}
