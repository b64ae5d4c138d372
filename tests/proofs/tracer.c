/* SPDX-License-Identifier: MIT */
/* call.c, from the first stop of a call to the last. The kernel answers anything, and the program's
 * memory has other bytes each time that it is read. */
#include "kernel.h"

#include <processor.c>
#define syscall SYSTEM_CALL
#define processor_skip_call(thread, architecture) (void)(told.skipped = true)
#define processor_fail_call(thread, architecture, number) (void)(told.error = (number))
#define close(fd) (void)(told.copies -= (fd) >= 0)
#define _exit(status) ASSUME(false) /* without memory */

static struct ptrace_syscall_info stop;
static struct {
    bool unseen, skipped;
    int copies, copy, copy_of, error;
    uint64_t address;
    uint32_t length; /* the last word of four bytes */
    sa_family_t family;
} told = {.address = 1, .length = 16, .family = AF_INET}; /* what was not read may be these */
#include <call.c>

#define UNSEEN "in mode enforce, a call that could not be looked at is skipped, and fails"
#define COPY "guard() decides by a duplicate of the call's descriptor, which is closed then"

bool peek_memory(pid_t thread, uint64_t address, void *buffer, size_t size)
{
    const bool unseen = nondet_long();

    PROVE(__CPROVER_w_ok(buffer, size), "nothing is read beyond the end of a buffer");
    if (size == sizeof told.length) {
        if ((stop.arch & __AUDIT_ARCH_64BIT) == 0)
            told.address = told.length; /* it comes before the length */
        *(uint32_t *)buffer = told.length = (uint32_t)nondet_long();
    } else if (size == sizeof told.address) {
        *(uint64_t *)buffer = told.address = (uint64_t)nondet_long();
    } else {
        __CPROVER_havoc_slice(buffer, 12); /* what comes after these decides nothing */
        told.family = *(sa_family_t *)buffer;
    }
    errno = (int)nondet_long();
    ASSUME(errno > 0);
    told.unseen |= unseen;
    return !unseen;
}

int peek_descriptor(pid_t thread, int fd)
{
    uint32_t word;

    told.copy_of = fd;
    told.copy = peek_memory(thread, 0, &word, sizeof word) ? (int)(word >> 1) : -1;
    told.copies += told.copy >= 0;
    return told.copy;
}

long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    if (number == SYS_ptrace)
        *(struct ptrace_syscall_info *)d = stop;
    else
        PROVE(number == SYS_getpeername && NUMBER(a) == told.copy, COPY);
    return 1;
}

struct verdict guard(ssize_t result, int error, int fd, const struct sockaddr *destination,
                     socklen_t length)
{
    PROVE(fd == told.copy && told.copies == 1 && __CPROVER_r_ok(destination, length), COPY);
    return (struct verdict){.result = -1, .error = nondet_long() ? ECONNREFUSED : error};
}

static bool connects_by_ip(const struct signature *call, const uint64_t *values)
{
    uint64_t address = told.address;
    uint32_t length = told.length;

    if (call->destination >= 0) {
        address = values[call->destination];
        length = (uint32_t)values[call->destination + 1];
    }
    return (call->flags < 0 || (values[call->flags] & MSG_FASTOPEN) != 0) && address != 0 &&
           (call != &signatures[TRACED_SENDMMSG] || (uint32_t)values[2] != 0) && length <= 128 &&
           ((told.family == AF_INET && length >= 16) || (told.family == AF_INET6 && length >= 24));
}

void any_call(void)
{
    decide(&(struct thread){.socket = -1}, &stop); /* the launcher's test */
    settings.mode = (enum mode)((unsigned long)nondet_long() % 3);
    settings.log = (enum log)((unsigned long)nondet_long() % 3);
    call_may_be_supervised = nondet_long(); /* only then do all calls stop (trace.c) */
    __CPROVER_havoc_object(&stop);
    stop.op = call_may_be_supervised && nondet_long() ? PTRACE_SYSCALL_INFO_ENTRY
                                                      : PTRACE_SYSCALL_INFO_SECCOMP;
    const enum traced_call call = processor_call(stop.arch, stop.seccomp.nr);
    const bool is_entry = stop.op == PTRACE_SYSCALL_INFO_ENTRY,
               enforced = settings.mode == MODE_ENFORCE;
    const bool is_ours = is_entry || (stop.seccomp.ret_data == call_cookie && call < TRACED_CALLS);
    bool stops_again = call_stops(1);

    if (stops_again && is_entry && !told.skipped && nondet_long()) {
        stop.op = PTRACE_SYSCALL_INFO_SECCOMP;
        stop.seccomp.ret_data = call_cookie;
        stops_again = call_stops(1);
    }
    const bool unseen = enforced && told.unseen,
               connects =
                   call < TRACED_SOCKETCALL && connects_by_ip(&signatures[call], stop.seccomp.args);
    PROVE(!unseen || (told.skipped && stops_again), UNSEEN);
    PROVE(!enforced || !is_ours || told.skipped || stops_again || !connects,
          "a call of ours goes on unwatched only where it does not connect by IP");
    PROVE(told.skipped || !stops_again ||
              (told.copies == 1 &&
               (call == TRACED_SOCKETCALL || told.copy_of == (int)stop.seccomp.args[0])),
          COPY);
    if (stops_again) {
        stop.op = PTRACE_SYSCALL_INFO_EXIT;
        call_stops(1);
        PROVE(!told.skipped || told.error > 0, UNSEEN);
        PROVE(told.copies == 0, COPY);
    }
    PROVE(is_ours || told.error == ENOSYS, "a stop of another filter fails with ENOSYS");
}
