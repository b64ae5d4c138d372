/* SPDX-License-Identifier: MIT */
/* The exported symbols, and the start of the story:
 *
 *     program -> connect() here -> the next definition (libc, or another preload) -> the kernel
 *                     |
 *                     guard: did that connect the socket to itself? Then sever it.
 *
 * Reading order: this file, guard.c, endpoint.c, next.c; settings.c and report.c when asked for. */
#include "guard.h"
#include "next.h"
#include "settings.h"

#include <sys/socket.h>

#define EXPORTED __attribute__((visibility("default")))

/* The C library's own constructor has run by now, so dlsym and the environment are ready. A call
 * that another library's constructor makes before this one finds the default settings, and
 * next_connect() resolves the symbol for it. */
__attribute__((constructor)) static void prepare(void)
{
    next_resolve();
    settings_read();
}

EXPORTED int connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    return guard(next_connect()(fd, destination, length), fd, destination, length);
}

/* glibc exports this name beside connect; old programs and libpthread call it. */
EXPORTED int __connect(int fd, const struct sockaddr *destination, socklen_t length)
    __attribute__((alias("connect")));
