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

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define EXPORTED __attribute__((visibility("default")))
#define OUT_OF_THE_WAY __attribute__((noinline, cold))
#define EXPORTED_AS(symbol) EXPORTED __attribute__((alias(#symbol)))

/* The C library's own constructor has run by now, so dlsym and the environment are ready. A call
 * that another library's constructor makes before this one finds the default settings, and resolves
 * the symbols for itself. */
__attribute__((constructor)) static void prepare(void)
{
    next_resolve();
    settings_read();
}

EXPORTED int connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    return (int)guard(next_connect()(fd, destination, length), "connect", fd, destination, length);
}

/* TCP Fast Open: with this flag the three functions that take a destination connect by themselves
 * (tcp_sendmsg_fastopen). Every other send goes on at once, by a test and a jump: what it does not
 * need is kept out of its way, so that the compiler saves no registers for it. */
static bool may_connect(int flags)
{
    return (flags & MSG_FASTOPEN) != 0;
}

static ssize_t guard_message(ssize_t result, const char *call, int fd, const struct msghdr *message)
{
    return guard(result, call, fd, message->msg_name, message->msg_namelen);
}

OUT_OF_THE_WAY static ssize_t fast_open_sendto(int fd, const void *data, size_t size, int flags,
                                               const struct sockaddr *destination, socklen_t length)
{
    return guard(next_sendto()(fd, data, size, flags, destination, length), "sendto", fd,
                 destination, length);
}

OUT_OF_THE_WAY static ssize_t fast_open_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return guard_message(next_sendmsg()(fd, message, flags), "sendmsg", fd, message);
}

/* The first message opens the connection; a second one would fail with EISCONN. */
OUT_OF_THE_WAY static int fast_open_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count,
                                             int flags)
{
    int result = next_sendmmsg()(fd, messages, count, flags);
    const struct msghdr *first = (const struct msghdr *)messages; /* its first member */

    return count > 0 ? (int)guard_message(result, "sendmmsg", fd, first) : result;
}

EXPORTED ssize_t sendto(int fd, const void *data, size_t size, int flags,
                        const struct sockaddr *destination, socklen_t length)
{
    if (may_connect(flags))
        return fast_open_sendto(fd, data, size, flags, destination, length);
    return next_sendto()(fd, data, size, flags, destination, length);
}

EXPORTED ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (may_connect(flags))
        return fast_open_sendmsg(fd, message, flags);
    return next_sendmsg()(fd, message, flags);
}

EXPORTED int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
    if (may_connect(flags))
        return fast_open_sendmmsg(fd, messages, count, flags);
    return next_sendmmsg()(fd, messages, count, flags);
}

/* glibc's other names for these. Old programs and libpthread call the first; the other two are what
 * 32-bit programs with 64-bit times call (glibc 2.34). */
EXPORTED_AS(connect) int __connect(int fd, const struct sockaddr *destination, socklen_t length);
#ifndef __LP64__
EXPORTED_AS(sendmsg) ssize_t __sendmsg64(int fd, const struct msghdr *message, int flags);
EXPORTED_AS(sendmmsg)
int __sendmmsg64(int fd, struct mmsghdr *messages, unsigned int count, int flags);
#endif
