/* SPDX-License-Identifier: MIT */
/* What differs between processors for a tracer: the numbers of the system calls, and the registers
 * that hold a number and a result. */
#ifndef NOSELFCONN_PROCESSOR_H
#define NOSELFCONN_PROCESSOR_H

#include <linux/ptrace.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum traced_call {
    TRACED_CONNECT,
    TRACED_SENDTO,
    TRACED_SENDMSG,
    TRACED_SENDMMSG,
    TRACED_SOCKETCALL, /* one system call for these four and more (socketcall(2)) */
    TRACED_SECCOMP,
    TRACED_CALLS, /* how many; none of them */
};

/* False where there is no entry for the processor that this was built for. */
bool processor_is_known(void);

/* Which of these calls a number is. `architecture` is AUDIT_ARCH_..., `arch` of
 * PTRACE_GET_SYSCALL_INFO. */
enum traced_call processor_call(uint32_t architecture, uint64_t number);

/* Makes the calls of this process, and of all that it starts, stop for a tracer where they may
 * connect a TCP socket (connect, and with MSG_FASTOPEN the sends) or let another process decide
 * about that (seccomp with SECCOMP_FILTER_FLAG_NEW_LISTENER). Their ret_data is `cookie`. Without a
 * tracer they fail with ENOSYS. io_uring, where no tracer sees what a ring does, fails with EPERM,
 * as with kernel.io_uring_disabled; calls by an interface that is not known here (x32) with ENOSYS,
 * as on a kernel without it.
 *
 * Sets no_new_privs for a caller who may not filter without it (seccomp(2)). Returns 0, or -1 with
 * errno. */
int processor_filter_calls(uint16_t cookie);

/* `thread` is stopped by PTRACE_EVENT_SECCOMP: the call is not executed, and processor_fail_call()
 * has to say what it returns. `info` is what PTRACE_GET_SYSCALL_INFO says of the stop. Neither can
 * do it where the thread has been killed meanwhile. Both change errno. */
void processor_skip_call(pid_t thread, const struct ptrace_syscall_info *info);

/* `thread` is stopped at the exit of a call: makes that call fail with `error`. */
void processor_fail_call(pid_t thread, const struct ptrace_syscall_info *info, int error);

#endif
