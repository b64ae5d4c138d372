/* SPDX-License-Identifier: MIT */
/* The tracer's life: it drops its inheritance, attaches, takes each stop, and ends. */
#define _GNU_SOURCE /* O_PATH, dup3 */
#include "tracer.h"

#include "../library/settings.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { CLOSE_RANGE = 436 }; /* on every processor */

static long ask(long request, pid_t thread, unsigned long address, void *data)
{
    return syscall(SYS_ptrace, request, thread, address, data);
}

/* Who a stop is about, besides the thread that has stopped (PTRACE_GETEVENTMSG). */
static pid_t message_of(pid_t thread)
{
    unsigned long message = 0;

    ask(PTRACE_GETEVENTMSG, thread, 0, &message);
    return (pid_t)message;
}

static bool stops_a_process(int signal)
{
    return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/* ptrace(2), "Stopped states".
 *
 * A thread that exits is let go before it is gone: otherwise it would be a zombie of the tracer
 * first, and for a moment who waits for it, or has joined it, would still find it. */
static void take_stop(pid_t thread, int status)
{
    enum { IN_A_CALL = SIGTRAP | 0x80 }; /* PTRACE_O_TRACESYSGOOD */
    const int event = status >> 16, signal = WSTOPSIG(status);
    long request = PTRACE_CONT;

    if (event == PTRACE_EVENT_SECCOMP || (event == 0 && signal == IN_A_CALL)) {
        if (call_stops(thread))
            request = PTRACE_SYSCALL;
    } else if (event == PTRACE_EVENT_EXIT) {
        thread_ends(thread);
        request = PTRACE_DETACH;
    } else if (event == PTRACE_EVENT_EXEC) {
        thread_execs(thread, message_of(thread));
    } else if (event == PTRACE_EVENT_STOP) {
        if (stops_a_process(signal))
            request = PTRACE_LISTEN;
    } else if (event != 0) { /* a clone, a fork or a vfork */
        thread_starts(message_of(thread), thread);
    }
    if (request == PTRACE_CONT && call_may_be_supervised)
        request = PTRACE_SYSCALL;
    ask(request, thread, 0, event == 0 && signal != IN_A_CALL ? (void *)(uintptr_t)signal : NULL);
}

/* Otherwise others could wait for a file to be closed that only the tracer still holds, or could
 * not unmount its folder; and signals to the terminal or the process group would reach it. */
static void drop_inherited(int channel)
{
    struct rlimit files;
    sigset_t all;
    int nothing;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    syscall(SYS_chdir, "/");
    dup2(channel, 3);
    nothing = open("/", O_PATH); /* whose end nobody waits for */
    for (int fd = 0; fd <= 2; fd++)
        dup2(nothing, fd);
    if (syscall(CLOSE_RANGE, 4, ~0U, 0) != 0) { /* before Linux 5.9 */
        getrlimit(RLIMIT_NOFILE, &files);
        for (rlim_t fd = 4; fd < files.rlim_cur; fd++)
            close((int)fd);
    }
}

/* They are those of one process, and the tracer works for many. Only root may raise the hard ones.
 */
static void raise_limits(void)
{
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit limit;

    for (int resource = 0; resource < RLIM_NLIMITS; resource++)
        if (setrlimit(resource, &none) != 0 && getrlimit(resource, &limit) == 0) {
            limit.rlim_cur = limit.rlim_max;
            setrlimit(resource, &limit);
        }
}

/* Checks everything that can be checked before a call stops. */
static struct report_of_start attach(pid_t process, int any_fd)
{
    const unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP |
                                  PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                                  PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;
    enum mode mode = MODE_ENFORCE;
    int fd;

    if (!peek_memory(process, (uintptr_t)&settings.mode, &mode, sizeof mode))
        return (struct report_of_start){"process_vm_readv", errno};
    fd = peek_descriptor(process, any_fd);
    if (fd < 0)
        return (struct report_of_start){"pidfd_getfd", errno};
    close(fd);
    peek_forget(process);
    if (ask(PTRACE_SEIZE, process, 0, (void *)options) != 0)
        return (struct report_of_start){"ptrace", errno};
    return (struct report_of_start){NULL, 0};
}

void tracer_run(pid_t process, int channel, int any_fd)
{
    const pid_t own = getpid();
    char go;
    struct report_of_start report;
    pid_t thread;
    int status;

    drop_inherited(channel);
    raise_limits();
    if (syscall(SYS_write, 3, &own, sizeof own) != sizeof own)
        _exit(1);
    syscall(SYS_read, 3, &go, 1L);
    report = attach(process, any_fd);
    if (syscall(SYS_write, 3, &report, sizeof report) != sizeof report)
        _exit(1); /* the launcher has given up */
    close(3);
    while ((thread = waitpid(-1, &status, __WALL)) > 0)
        if (WIFSTOPPED(status))
            take_stop(thread, status);
        else
            thread_ends(thread);
    _exit(0);
}
