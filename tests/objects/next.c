/* SPDX-License-Identifier: MIT */
/* Another preload: interposes connect(), prints a line and calls the next definition. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

typedef int connect_function(int fd, const struct sockaddr *destination, socklen_t length);

int connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    connect_function *next = (connect_function *)(uintptr_t)dlsym(RTLD_NEXT, "connect");

    fprintf(stderr, "the next definition was called\n");
    return next(fd, destination, length);
}
