/* SPDX-License-Identifier: MIT */
/* The exported symbols, and the start of the story:
 *
 *     program -> connect() here -> the next definition (libc, or another preload) -> the kernel
 *                     |
 *                     guard: did that connect the socket to itself? Then sever it.
 *
 * Reading order: this file, guard.c, endpoint.c, next.c; settings.c and report.c when asked for. */
#include "guard.h"
#include "libc.h"
#include "next.h"
#include "report.h"
#include "settings.h"

#include <sys/socket.h>

#define EXPORTED __attribute__((visibility("default")))
#define EXPORTED_AS(symbol) EXPORTED __attribute__((alias(#symbol)))

/* By this name one copy of the library finds another behind it. */
EXPORTED const char libnoselfconn = 0;

/* The C library's own constructor has run by now, so dlsym and the environment are ready. A call
 * that another library's constructor makes before this one finds the default settings, and resolves
 * the symbols for itself. */
__attribute__((constructor)) static void prepare(void)
{
    next_resolve();
    settings_read();
    /* In mode observe both copies would report. In mode enforce the first sees only that the second
     * has refused. */
    if (settings.mode == MODE_OBSERVE && next_is_another_copy())
        settings.mode = MODE_OFF;
}

struct caller report_caller(int fd)
{
    return (struct caller){.process = (uint32_t)syscall(SYS_getpid),
                           .thread = (uint32_t)syscall(SYS_gettid),
                           .fd = fd,
                           .command = settings.command};
}

EXPORTED int connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    int result = next.connect(fd, destination, length);
    return (int)guard(result, "connect", fd, destination, length);
}

/* TCP Fast Open: with this flag the three functions that take a destination connect by themselves
 * (tcp_sendmsg_fastopen). */
static int may_connect(int flags)
{
    return flags & MSG_FASTOPEN;
}

EXPORTED ssize_t sendto(int fd, const void *data, size_t size, int flags,
                        const struct sockaddr *destination, socklen_t length)
{
    ssize_t result = next.sendto(fd, data, size, flags, destination, length);
    return may_connect(flags) ? guard(result, "sendto", fd, destination, length) : result;
}

EXPORTED ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t result = next.sendmsg(fd, message, flags);
    return may_connect(flags) ? guard_message(result, "sendmsg", fd, message) : result;
}

/* The first message opens the connection; a second one would fail with EISCONN. After a result of 0
 * there was none. */
EXPORTED int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
    int result = next.sendmmsg(fd, messages, count, flags);
    const struct msghdr *first = (const struct msghdr *)messages; /* its first member */

    return may_connect(flags) && result != 0 ? (int)guard_message(result, "sendmmsg", fd, first)
                                             : result;
}

/* glibc's other names for these. Old programs and libpthread call the first; the other two are what
 * 32-bit programs with 64-bit times call (glibc 2.34). */
EXPORTED_AS(connect) int __connect(int fd, const struct sockaddr *destination, socklen_t length);
#ifndef __LP64__
EXPORTED_AS(sendmsg) ssize_t __sendmsg64(int fd, const struct msghdr *message, int flags);
EXPORTED_AS(sendmmsg)
int __sendmmsg64(int fd, struct mmsghdr *messages, unsigned int count, int flags);
#endif

#ifdef __arm__
/* ARM's assembler lets whatever can be unwound refer to this part of libgcc, so that it is linked
 * in. The unwinder calls its own (Exception Handling ABI for the Arm Architecture, 7.3). */
void __aeabi_unwind_cpp_pr0(void);
void __aeabi_unwind_cpp_pr0(void)
{
}
#endif
