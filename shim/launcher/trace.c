/* SPDX-License-Identifier: MIT */
/* The life of one call:
 *
 *     program -> system call -> the filter (processor.c) stops it if it may connect
 *         note_attempt: which call, and its arguments; the kernel goes on with it
 *     kernel -> result -> it stops once more
 *         settle_attempt: guard(), on a duplicate of the descriptor; the call fails where that
 *         severed the connection
 *     program <- result
 *
 * A call is looked at only when it has returned, as by the library: then what the kernel has made
 * of it is known. Reading order: trace_begin() at the end of this file, run_tracer(), take_stop().
 */
#define _GNU_SOURCE /* process_vm_readv */
#include "trace.h"

#include "../library/endpoint.h"
#include "../library/guard.h"
#include "../library/report.h"
#include "../library/settings.h"
#include "environment.h"
#include "processor.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/kcmp.h>
#include <linux/net.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9 */
#endif
/* The numbers that all processors have in common. */
enum { PIDFD_OPEN = 434, CLOSE_RANGE = 436, PIDFD_GETFD = 438 };

/* A thread inside a call that may connect. */
struct attempt {
    struct attempt *next;
    pid_t thread;
    enum traced_call call;
    bool is_64_bit;
    uint64_t arguments[6];
};

static struct attempt *attempts[256]; /* by the thread's number */

static long ask(long request, pid_t thread, unsigned long address, void *data)
{
    return syscall(SYS_ptrace, request, thread, address, data);
}

/* The attempt of a thread, which is out of the list then; or NULL. */
static struct attempt *take_attempt(pid_t thread)
{
    struct attempt **place = &attempts[thread % 256];

    while (*place != NULL && (*place)->thread != thread)
        place = &(*place)->next;
    struct attempt *found = *place;
    if (found != NULL)
        *place = found->next;
    return found;
}

/* Without memory it is not noted, and found missing later. */
static void note_attempt(pid_t thread)
{
    struct ptrace_syscall_info info;
    struct attempt *attempt;

    if (ask(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0 ||
        (attempt = malloc(sizeof *attempt)) == NULL)
        return; /* the thread is gone, or there is no memory */
    attempt->thread = thread;
    attempt->call = info.seccomp.ret_data;
    attempt->is_64_bit = (info.arch & __AUDIT_ARCH_64BIT) != 0;
    memcpy(attempt->arguments, info.seccomp.args, sizeof attempt->arguments);
    attempt->next = attempts[thread % 256];
    attempts[thread % 256] = attempt;
}

static bool read_memory(pid_t thread, uint64_t address, void *buffer, size_t size)
{
    struct iovec here = {buffer, size}, there = {(void *)(uintptr_t)address, size};

    return process_vm_readv(thread, &here, 1, &there, 1, 0) == (ssize_t)size;
}

/* A number as wide as a pointer of the program. */
static bool read_word(const struct attempt *attempt, uint64_t address, uint64_t *word)
{
    uint32_t narrow;

    if (attempt->is_64_bit)
        return read_memory(attempt->thread, address, word, sizeof *word);
    if (!read_memory(attempt->thread, address, &narrow, sizeof narrow))
        return false;
    *word = narrow;
    return true;
}

/* socketcall(2) has the arguments of the call that it is for in memory. */
static bool unpack_socketcall(struct attempt *attempt)
{
    static const enum traced_call calls[] = {[SYS_CONNECT] = TRACED_CONNECT,
                                             [SYS_SENDTO] = TRACED_SENDTO,
                                             [SYS_SENDMSG] = TRACED_SENDMSG,
                                             [SYS_SENDMMSG] = TRACED_SENDMMSG};
    uint32_t number = (uint32_t)attempt->arguments[0]; /* all that the kernel and the filter read */
    uint64_t place = attempt->arguments[1];
    int count = number == SYS_SENDTO ? 6 : 3; /* the flags of sendmmsg are not asked for */

    attempt->call = calls[number];
    for (int i = 0; i < count; i++, place += attempt->is_64_bit ? 8 : 4)
        if (!read_word(attempt, place, &attempt->arguments[i]))
            return false;
    return true;
}

/* Where the call has its destination, and how long it says that is. Some have none: NULL. */
static bool find_destination(const struct attempt *attempt, uint64_t *address, uint32_t *length)
{
    const uint64_t *arguments = attempt->arguments;
    uint64_t place;

    switch (attempt->call) {
    case TRACED_CONNECT:
        *address = arguments[1];
        *length = (uint32_t)arguments[2];
        return true;
    case TRACED_SENDTO:
        *address = arguments[4];
        *length = (uint32_t)arguments[5];
        return true;
    default: /* the first two members of a struct msghdr, which is the first of a struct mmsghdr */
        place = arguments[1];
        return read_word(attempt, place, address) &&
               read_memory(attempt->thread, place + (attempt->is_64_bit ? 8 : 4), length,
                           sizeof *length);
    }
}

/* A number from a line of /proc/PID/status, 0 where that cannot be read. */
static long from_status(pid_t process, const char *name)
{
    char path[64], line[256];
    long number = 0;
    size_t length = strlen(name);

    snprintf(path, sizeof path, "/proc/%ld/status", (long)process);
    FILE *status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, length) == 0)
            number = strtol(line + length, NULL, 10);
    if (status != NULL)
        fclose(status);
    return number;
}

/* A duplicate of a thread's descriptor. Before Linux 6.9 it can only be had of a process: then the
 * thread must not have a table of descriptors of its own. Returns -1 where there is none to be had.
 */
static int duplicate(pid_t thread, int fd)
{
    int holder = (int)syscall(PIDFD_OPEN, thread, PIDFD_THREAD), copy;

    if (holder < 0 && errno == EINVAL) {
        pid_t process = (pid_t)from_status(thread, "Tgid:");
        if (process == thread || syscall(SYS_kcmp, thread, process, KCMP_FILES) == 0)
            holder = (int)syscall(PIDFD_OPEN, process, 0);
    }
    if (holder < 0)
        return -1;
    copy = (int)syscall(PIDFD_GETFD, holder, fd, 0);
    close(holder);
    return copy;
}

/* Standard error of a traced process is what it is now: when it was loaded is not known here. */
static void report_for(const struct attempt *attempt, const char *call,
                       const struct verdict *verdict)
{
    static char command[16];
    char path[64];
    long process = from_status(attempt->thread, "Tgid:");
    int comm, standard_error = -1;
    ssize_t length;
    struct file_identity at_load;

    snprintf(path, sizeof path, "/proc/%ld/comm", process);
    comm = open(path, O_RDONLY);
    length = read(comm, command, sizeof command);
    close(comm);
    command[length > 0 ? length - 1 : 0] = '\0'; /* for the end of the line: there may be others */
    if (settings.log == LOG_STDERR)
        standard_error = duplicate(attempt->thread, 2);
    at_load = file_identity(standard_error);
    report(&(struct event){.process = (uint32_t)process,
                           .thread = (uint32_t)attempt->thread,
                           .fd = (int)attempt->arguments[0],
                           .command = command,
                           .call = call,
                           .verdict = verdict},
           standard_error, &at_load);
    close(standard_error);
}

/* For descriptors 0 to 2: something whose end nobody waits for. */
static void hold_nothing(int fd)
{
    int nothing = open("/", O_PATH);

    dup3(nothing, fd, O_CLOEXEC);
    close(nothing);
}

/* A BPF program of the control group may have changed where the connection goes (bpf(2),
 * BPF_CGROUP_INET4_CONNECT); once it is established the peer is known. It is of the same family. */
static void replace_by_peer(int fd, struct sockaddr_in6 *destination)
{
    socklen_t size = sizeof *destination;

    syscall(SYS_getpeername, fd, destination, &size);
}

/* Whether the call may return `result`, errno set where that is -1. Where the tracer cannot see
 * what was connected, the answer is no: a live self-connection is never handed out. */
static bool may_return(struct attempt *attempt, ssize_t result)
{
    static const char *const names[] = {[TRACED_CONNECT] = "connect",
                                        [TRACED_SENDTO] = "sendto",
                                        [TRACED_SENDMSG] = "sendmsg",
                                        [TRACED_SENDMMSG] = "sendmmsg"};
    struct sockaddr_in6 destination; /* the longer one of the two that matter */
    struct endpoint endpoint;
    uint64_t address;
    uint32_t length;
    int fd, error = errno;
    struct verdict verdict;

    if (attempt->call == TRACED_SOCKETCALL && !unpack_socketcall(attempt))
        return false;
    if (attempt->call == TRACED_SENDMMSG && result == 0) /* there was no message */
        return true;
    if (!find_destination(attempt, &address, &length))
        return false;
    if (address == 0)
        return true;
    if (length > sizeof destination)
        length = sizeof destination;
    if (!read_memory(attempt->thread, address, &destination, length))
        return false;
    if (!endpoint_read(&endpoint, (struct sockaddr *)&destination, length))
        return true;
    fd = duplicate(attempt->thread, (int)attempt->arguments[0]);
    if (fd < 0)
        return false;
    replace_by_peer(fd, &destination);
    verdict = guard(result, error, fd, (struct sockaddr *)&destination, length);
    if (verdict.action != ACTION_NONE && settings.log != LOG_NOWHERE)
        report_for(attempt, names[attempt->call], &verdict);
    close(fd);
    return verdict.result == result && verdict.error == error;
}

/* The result as libc shows it. Where the kernel is going to restart the call after a signal
 * handler, or to end it with EINTR (512 to 516, include/linux/errno.h), it was interrupted. */
static ssize_t as_in_libc(const struct ptrace_syscall_info *info)
{
    enum { ERESTARTSYS = 512 };

    if (!info->exit.is_error)
        return (ssize_t)info->exit.rval;
    errno = info->exit.rval <= -ERESTARTSYS ? EINTR : (int)-info->exit.rval;
    return -1;
}

static void settle_attempt(pid_t thread)
{
    static bool is_rehearsed;
    struct ptrace_syscall_info info;
    struct attempt *attempt = take_attempt(thread);

    if (ask(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) > 0) {
        ssize_t result = as_in_libc(&info);
        if (!is_rehearsed ||
            (connection_began(result, errno) && (attempt == NULL || !may_return(attempt, result))))
            processor_fail_call(thread, &info, ECONNREFUSED);
        is_rehearsed = true;
    }
    free(attempt);
}

static bool stops_a_process(int signal)
{
    return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/* ptrace(2), "Stopped states". */
static void take_stop(pid_t thread, int status)
{
    enum { EXIT_OF_A_CALL = SIGTRAP | 0x80 }; /* PTRACE_O_TRACESYSGOOD */
    int event = status >> 16, signal = WSTOPSIG(status);

    if (event == PTRACE_EVENT_SECCOMP) {
        note_attempt(thread);
        ask(PTRACE_SYSCALL, thread, 0, NULL);
    } else if (signal == EXIT_OF_A_CALL) {
        settle_attempt(thread);
        ask(PTRACE_CONT, thread, 0, NULL);
    } else if (event == PTRACE_EVENT_STOP && stops_a_process(signal)) {
        ask(PTRACE_LISTEN, thread, 0, NULL);
    } else if (event != 0) {
        ask(PTRACE_CONT, thread, 0, NULL);
    } else {
        ask(PTRACE_CONT, thread, 0, (void *)(uintptr_t)signal);
    }
}

/* What goes over the channel: the step that failed, and its errno; or NULL. Both ends are the same
 * program. */
struct report {
    const char *step;
    int error;
};

/* Otherwise others could wait for a file to be closed that only the tracer still holds, or could
 * not unmount its folder; and signals to the terminal or the process group would reach it. */
static void hold_on_to_nothing(int channel)
{
    struct rlimit files;
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    syscall(SYS_chdir, "/");
    dup3(channel, 3, O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++)
        hold_nothing(fd);
    if (syscall(CLOSE_RANGE, 4, ~0U, 0) != 0) { /* before Linux 5.9 */
        getrlimit(RLIMIT_NOFILE, &files);
        for (rlim_t fd = 4; fd < files.rlim_cur; fd++)
            close((int)fd);
    }
}

/* All that the tracer is going to need, but for what takes a stopped call. */
static struct report attach(pid_t process, int any_fd)
{
    const unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP |
                                  PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    enum mode mode = MODE_ENFORCE;
    int fd;

    if (!read_memory(process, (uintptr_t)&settings.mode, &mode, sizeof mode))
        return (struct report){"process_vm_readv", errno};
    fd = duplicate(process, any_fd);
    if (fd < 0)
        return (struct report){"pidfd_getfd", errno};
    close(fd);
    if (ask(PTRACE_SEIZE, process, 0, (void *)options) != 0)
        return (struct report){"ptrace", errno};
    return (struct report){NULL, 0};
}

/* It ends with the last thread that it traces: at once where it could not attach, or where the
 * process is gone. */
__attribute__((noreturn)) static void run_tracer(pid_t process, int channel, int any_fd)
{
    char go;
    struct report report;
    pid_t thread;
    int status;

    hold_on_to_nothing(channel);
    syscall(SYS_read, 3, &go, 1L);
    report = attach(process, any_fd);
    if (syscall(SYS_write, 3, &report, sizeof report) != sizeof report)
        _exit(EXIT_OWN_FAILURE); /* attached, it would stay, and the launcher waits for its end */
    close(3);
    while ((thread = waitpid(-1, &status, __WALL)) > 0)
        if (WIFSTOPPED(status))
            take_stop(thread, status);
        else
            free(take_attempt(thread));
    _exit(0);
}

/* A rehearsal, before anything is at stake: this call has to stop, and end as the tracer says. */
static void rehearse(void)
{
    const struct sockaddr_in nowhere = {.sin_family = AF_INET};

    if (syscall(SYS_connect, -1, &nowhere, sizeof nowhere) != -1 || errno != ECONNREFUSED)
        fail(EXIT_OWN_FAILURE, "Without --trace it may still be protected.",
             "cannot trace: a system call did not stop for the tracer, or its result stayed: %s",
             strerror(errno));
}

static const char *explain(char *why, size_t size, const struct report *report)
{
    long tracer = from_status(getpid(), "TracerPid:");

    if (tracer != 0) {
        snprintf(why, size, "cannot trace: process %ld traces this one already", tracer);
        return "Run it without strace, gdb, or another noselfconn --trace.";
    }
    snprintf(why, size, "cannot trace: %s: %s", report->step, strerror(report->error));
    return "It takes Linux 5.6; in a container the right to trace (docker run --cap-add "
           "SYS_PTRACE);\n"
           "and that tracing is not forbidden: kernel.yama.ptrace_scope of 0 or 1, or root and 2.";
}

/* By the system call: wait(2) would see a child of fork(). This one ends without a signal. */
static pid_t fork_unseen(void)
{
    return (pid_t)syscall(SYS_clone, 0L, 0L);
}

const char *trace_begin(char *const *environment, char *why, size_t size)
{
    struct report report = {NULL, 0};
    int channel[2];
    pid_t process = getpid(), tracer;

    if (!processor_is_known()) {
        snprintf(why, size, "cannot trace: the registers of this processor are not known here");
        return "Reserve the port instead: noselfconn-audit PORT says how.";
    }
    settings_read(environment_get(environment, "NOSELFCONN_MODE"),
                  environment_get(environment, "NOSELFCONN_LOG"));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0)
        return explain(why, size, &(struct report){"socketpair", errno});
    tracer = fork_unseen();
    if (tracer < 0)
        return explain(why, size, &(struct report){"clone", errno});
    if (tracer == 0)
        run_tracer(process, channel[1], channel[0]);
    close(channel[1]); /* so that its end is seen; the other end lasts until exec */
    prctl(PR_SET_PTRACER, (unsigned long)tracer); /* fails where there is no Yama */
    if (send(channel[0], "", 1, MSG_NOSIGNAL) != 1 ||
        read(channel[0], &report, sizeof report) != sizeof report)
        report = (struct report){"the tracer", ECHILD};
    prctl(PR_SET_PTRACER, 0L);
    if (report.step == NULL && processor_filter_calls() != 0) {
        report = (struct report){"seccomp", errno};
        kill(tracer, SIGKILL); /* one that could not attach ends by itself */
    }
    if (report.step == NULL) {
        rehearse();
        return NULL;
    }
    waitpid(tracer, NULL, __WALL);
    return explain(why, size, &report);
}
