/* SPDX-License-Identifier: MIT */
/* What differs between processors for a tracer: the numbers of the system calls, and the register
 * that holds a result. */
#ifndef NOSELFCONN_PROCESSOR_H
#define NOSELFCONN_PROCESSOR_H

#include <linux/ptrace.h>
#include <stdbool.h>
#include <sys/types.h>

/* What a stopped call is, as PTRACE_EVENT_SECCOMP tells it (ret_data). */
enum traced_call {
    TRACED_CONNECT = 1,
    TRACED_SENDTO,
    TRACED_SENDMSG,
    TRACED_SENDMMSG,
    TRACED_SOCKETCALL, /* one system call for the four and more (socketcall(2)) */
};

/* False where there is no entry for the processor that this was built for. */
bool processor_is_known(void);

/* Makes the calls of this process, and of all that it starts, stop for a tracer where they may
 * connect a TCP socket: connect, and with MSG_FASTOPEN sendto, sendmsg, sendmmsg. Without a tracer
 * these fail with ENOSYS. io_uring_setup fails with EPERM, as with kernel.io_uring_disabled,
 * because no tracer sees what a ring does. Calls by an interface that is not known here (x32) fail
 * with ENOSYS, as on a kernel without it.
 *
 * Sets no_new_privs for a caller who may not filter without it (seccomp(2)). Returns 0, or -1 with
 * errno. */
int processor_filter_calls(void);

/* `thread` is stopped at the exit of a call: makes that call fail with `error`. `info` is what
 * PTRACE_GET_SYSCALL_INFO says of that stop. It cannot where the thread has been killed meanwhile.
 * Changes errno. */
void processor_fail_call(pid_t thread, const struct ptrace_syscall_info *info, int error);

#endif
