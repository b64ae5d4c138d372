/* SPDX-License-Identifier: MIT */
/* call.c, where a call of a live thread stops before and after it is executed. The program's memory
 * has other bytes each time that it is read, or cannot be read; that of the tracer suffices. */
#include <processor.c>
#define syscall SYSTEM_CALL
#define processor_skip_call(thread, architecture) (void)(is_skipped = true)
#define processor_fail_call(thread, architecture, number) (void)(failure = (number))
#define _exit(status) ASSUME(false) /* without memory */

static struct ptrace_syscall_info stop;
static bool is_unseen, is_skipped, has_socket;
static int failure;
#include <call.c>

bool peek_memory(pid_t thread, uint64_t place, void *buffer, size_t size)
{
    const bool is_read = nondet_long();

    __CPROVER_havoc_slice(buffer, size);
    errno = (int)((unsigned long)nondet_long() % 4095) + 1;
    is_unseen |= !is_read;
    return is_read;
}

int peek_descriptor(pid_t thread, int fd)
{
    return (has_socket = peek_memory(thread, 0, &fd, sizeof fd)) ? fd & INT_MAX : -1;
}

long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    if (number == SYS_ptrace)
        *(struct ptrace_syscall_info *)d = stop;
    return 1;
}

void any_call(void)
{
    decide(&(struct thread){.socket = -1}, &stop); /* the launcher's test */
    __CPROVER_havoc_object(&settings);
    __CPROVER_havoc_object(&stop);
    call_may_be_supervised = nondet_long(); /* only then do all calls stop (trace.c) */
    stop.op = call_may_be_supervised && nondet_long() ? PTRACE_SYSCALL_INFO_ENTRY
                                                      : PTRACE_SYSCALL_INFO_SECCOMP;
    const bool stops_again = call_stops(1);
    const bool was_unseen = is_unseen || (stops_again && !has_socket);
    stop.op = PTRACE_SYSCALL_INFO_EXIT;
    PROVE(settings.mode != MODE_ENFORCE || !was_unseen ||
              (is_skipped && stops_again && !call_stops(1) && failure > 0),
          "in mode enforce, a call that could not be looked at is skipped, and fails");
}
