/* SPDX-License-Identifier: MIT */
/* As plugin.c, but connects by dlsym(RTLD_NEXT): the loader then looks behind the plugin in the
 * plugin's own scope, where libc is, but no preload. */
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
