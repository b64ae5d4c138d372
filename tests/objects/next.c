/* SPDX-License-Identifier: MIT */
/* Another preload: interposes connect(), prints a line and makes the system call. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    fprintf(stderr, "the next definition was called\n");
    return (int)syscall(SYS_connect, fd, destination, length);
}
