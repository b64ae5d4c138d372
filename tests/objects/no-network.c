/* SPDX-License-Identifier: MIT */
/* Beside libnoselfconn.so the call named by NO_NETWORK fails. */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(const char *call)
{
    const char *name = getenv("NO_NETWORK");

    return name != NULL && strcmp(name, call) == 0 &&
           dlsym(NULL, "libnoselfconn") /* RTLD_DEFAULT */ != NULL;
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    if (!fails("bind"))
        return (int)syscall(SYS_bind, fd, address, length);
    errno = EACCES;
    return -1;
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    if (!fails("connect"))
        return (int)syscall(SYS_connect, fd, address, length);
    errno = ENETDOWN;
    return -1;
}
