/* SPDX-License-Identifier: MIT */
/* The exported symbols, and the start of the story:
 *
 *     program -> connect() here -> the next definition (libc, or another preload) -> the kernel
 *                     |
 *                     guard: did that connect the socket to itself? Then sever it.
 *                     report: a line for the log, if one is asked for
 *
 * Reading order: this file, guard.c, endpoint.c, next.c; settings.c and report.c for the log. */
#include "guard.h"
#include "libc.h"
#include "next.h"
#include "report.h"
#include "settings.h"
#include "system_call.h"

#include <sys/socket.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
#define EXPORTED_AS(symbol) EXPORTED __attribute__((alias(#symbol)))

/* By this name one copy of the library finds another behind it. */
EXPORTED const char libnoselfconn = 0;

/* glibc has it since 2.17. Without it the defaults stand. (For _GNU_SOURCE the headers declare it,
 * but then connect() with a union of pointers.) */
extern char *secure_getenv(const char *name) __attribute__((weak));

/* Neither variable counts in a setuid or otherwise privileged process (secure_getenv(3)). */
static const char *environment(const char *name)
{
    return secure_getenv != NULL ? secure_getenv(name) : NULL;
}

/* The C library's own constructor has run by now, so dlsym and the environment are ready. A call
 * that another library's constructor makes before this one finds the default settings, and resolves
 * the symbols for itself. */
__attribute__((constructor)) static void prepare(void)
{
    next_resolve();
    settings_read(environment("NOSELFCONN_MODE"), environment("NOSELFCONN_LOG"));
    /* In mode observe both copies would report. In mode enforce the first sees only that the second
     * has refused. */
    if (settings.mode == MODE_OBSERVE && next_is_another_copy())
        settings.mode = MODE_OFF;
}

/* If the call has succeeded, errno is not even read: a thread without thread-local storage has
 * none (clone(2) without CLONE_SETTLS). */
static int error_of(ssize_t result)
{
    return result < 0 && __errno_location != NULL ? errno : 0;
}

static void report_call(const char *name, int fd, const struct verdict *verdict)
{
    const struct event event = {.process = (uint32_t)SYSTEM_CALL(SYS_getpid, 0),
                                .thread = (uint32_t)SYSTEM_CALL(SYS_gettid, 0),
                                .fd = fd,
                                .command = settings.command,
                                .call = name,
                                .verdict = verdict};
    report(&event, STDERR_FILENO, &settings.stderr_at_load);
}

/* Returns the result for the program of a call `name` that has returned `result`. */
static ssize_t judge(const char *name, ssize_t result, int fd, const struct sockaddr *destination,
                     socklen_t length)
{
    const struct verdict verdict = guard(result, error_of(result), fd, destination, length);

    if (verdict.action != ACTION_NONE && settings.log != LOG_NOWHERE)
        report_call(name, fd, &verdict);
    return verdict.action == ACTION_REFUSED && verdict.result < 0 ? fail_with(verdict.error)
                                                                  : verdict.result;
}

/* The message is the program's memory: it is read only if the kernel has accepted it. */
static ssize_t judge_message(const char *name, ssize_t result, int fd, const struct msghdr *message)
{
    return connection_began(result, error_of(result))
               ? judge(name, result, fd, message->msg_name, message->msg_namelen)
               : result;
}

EXPORTED int connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    int result = next.connect(fd, destination, length);
    return (int)judge("connect", result, fd, destination, length);
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
    return may_connect(flags) ? judge("sendto", result, fd, destination, length) : result;
}

EXPORTED ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t result = next.sendmsg(fd, message, flags);
    return may_connect(flags) ? judge_message("sendmsg", result, fd, message) : result;
}

/* The first message opens the connection; a second one would fail with EISCONN. After a result of 0
 * there was none. */
EXPORTED int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
    int result = next.sendmmsg(fd, messages, count, flags);
    const struct msghdr *first = (const struct msghdr *)messages; /* its first member */

    return may_connect(flags) && result != 0 ? (int)judge_message("sendmmsg", result, fd, first)
                                             : result;
}

/* glibc's other names for these. Old programs and libpthread call the first, 32-bit programs with
 * 64-bit times the other two (glibc 2.34). */
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
