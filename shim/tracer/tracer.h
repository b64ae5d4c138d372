/* SPDX-License-Identifier: MIT */
/* Shared by the files of the tracer; the launcher includes trace.h alone.
 *
 *     program -> system call -> the filter (processor.c) stops it if it may connect
 *         call.c takes a duplicate of the descriptor, and the destination (peek.c)
 *     kernel -> result -> the call stops once more
 *         guard() on the duplicate; the call returns the verdict's result
 *     program <- result
 *
 * A call that cannot be looked at never begins: it fails as a refused connect(). */
#pragma once

#include <errno.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* tracer.c. The tracer's message to the launcher: NULL once it has attached, or the step that
 * failed, and its errno. */
struct report_of_start {
    const char *step;
    int error;
};

/* Becomes the tracer of `process`: sends its own number over `channel`, waits for a byte, attaches,
 * and sends a struct report_of_start. Ends with the last thread that it traces: at once if it
 * could not attach, or if the process is gone. `any_fd` is a descriptor of the process. */
__attribute__((noreturn)) void tracer_run(pid_t process, int channel, int any_fd);

/* call.c. The ret_data of the filter's stops. Another filter of the command may stop calls, too. */
extern uint16_t call_cookie;

/* A filter of the command has a supervisor (SECCOMP_RET_USER_NOTIF), which outranks a tracer and
 * can let a call go on that has not stopped. So from now on every call of every thread has to stop.
 */
extern bool call_may_be_supervised;

/* The thread is stopped in a system call: by the filter, before it, or as it returns. Returns
 * whether it has to stop as it returns. */
bool call_stops(pid_t thread);

/* Changes of the table of threads. The first one also for those that are gone. */
void thread_ends(pid_t thread);
void thread_starts(pid_t thread, pid_t creator);
void thread_execs(pid_t thread, pid_t former);

/* peek.c. Returns false, with errno, unless all of the `size` bytes can be read. */
bool peek_memory(pid_t thread, uint64_t address, void *buffer, size_t size);

/* Returns a duplicate of descriptor `fd` of the thread, or -1 with errno, which is EBADF only if
 * the thread has no such descriptor. Keeps a pidfd until peek_forget(). */
int peek_descriptor(pid_t thread, int fd);
void peek_forget(pid_t thread);

/* A number from a line of /proc/PID/status: `name` ends with a colon. 0 if it cannot be read. */
long peek_status(pid_t process, const char *name);

/* The name of a process as PR_GET_NAME tells it; empty if it cannot be read. */
void peek_command(pid_t process, char command[16]);

/* processor.c */
enum traced_call {
    TRACED_CONNECT,
    TRACED_SENDTO,
    TRACED_SENDMSG,
    TRACED_SENDMMSG,
    TRACED_SOCKETCALL, /* one system call for these four and more (socketcall(2)) */
    TRACED_SECCOMP,
    TRACED_CALLS, /* how many; none of them */
};

/* By enum traced_call: which arguments are the destination and the flags (-1: none), the flag that
 * makes a call one of ours, how many arguments there are, and the number in socketcall(2). */
extern const struct signature {
    const char *name;
    int destination, flags;
    uint32_t flag;
    int count;
    uint32_t in_socketcall;
} signatures[TRACED_CALLS];

/* False if the registers of the processor that this was built for are not known. */
bool processor_is_known(void);

/* Which of these calls a number is. `architecture` is AUDIT_ARCH_... */
enum traced_call processor_call(uint32_t architecture, uint64_t number);

/* Makes the calls of this process, and of all that it starts, stop for a tracer if they may
 * connect a TCP socket (connect, and with MSG_FASTOPEN the sends) or let another process decide
 * about that (seccomp with SECCOMP_FILTER_FLAG_NEW_LISTENER). Their ret_data is `cookie`. Without a
 * tracer they fail with ENOSYS. io_uring, whose work no tracer sees, fails with EPERM,
 * as with kernel.io_uring_disabled; calls by an interface that is not known here (x32) with ENOSYS,
 * as on a kernel without it.
 *
 * Sets no_new_privs for a caller who may not filter without it (seccomp(2)). Returns 0, or -1 with
 * errno. */
int processor_filter_calls(uint16_t cookie);

/* Of a thread that is stopped before a call: the call is not executed, and has to be failed where
 * it returns. `architecture` is AUDIT_ARCH_... */
void processor_skip_call(pid_t thread, uint32_t architecture);

/* Of a thread that is stopped as a call returns: the call fails with `error`. */
void processor_fail_call(pid_t thread, uint32_t architecture, int error);
