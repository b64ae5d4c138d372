/* SPDX-License-Identifier: MIT */
/* Like plugin.c, but by dlsym(RTLD_NEXT), which searches the plugin's own scope behind the plugin:
 * that has libc, but no preload. */
#define _GNU_SOURCE /* RTLD_NEXT, up to glibc 2.34 */
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

int plugin_connect(int fd, const struct sockaddr *destination, socklen_t length);

int plugin_connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    int (*next)(int, const struct sockaddr *, socklen_t);

    *(void **)&next = dlsym(RTLD_NEXT, "connect");
    return next(fd, destination, length) == 0 ? 0 : errno;
}
