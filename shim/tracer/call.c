/* SPDX-License-Identifier: MIT */
/* Notes and settles the calls that may connect. */
#include "tracer.h"

#include "../launcher/launcher.h"
#include "../library/endpoint.h"
#include "../library/guard.h"
#include "../library/report.h"
#include "../library/settings.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>

uint16_t call_cookie;
bool call_may_be_supervised;

/* A thread that has connected; with a log to stderr, every thread. */
struct thread {
    struct thread *next;
    pid_t id;
    struct file_identity standard_error; /* since its process exec'd */
    /* Of the call that it is in. */
    const char *call;
    int fd;     /* the program's number */
    int socket; /* a duplicate of that, -1 outside of a call */
    int error;  /* with which the call fails without being executed; or 0 */
    socklen_t length;
    struct sockaddr_in6 destination; /* or a shorter one */
};

enum { BUCKETS = 256 };
static struct thread *threads[BUCKETS]; /* by id */

static struct thread **find(pid_t id)
{
    struct thread **place = &threads[id % BUCKETS];

    while (*place != NULL && (*place)->id != id)
        place = &(*place)->next;
    return place;
}

/* Finds the thread, or adds it. Without memory the tracer ends. */
static struct thread *get(pid_t id)
{
    struct thread **place = find(id);

    if (*place == NULL) {
        *place = malloc(sizeof **place);
        if (*place == NULL)
            _exit(EXIT_OWN_FAILURE);
        **place = (struct thread){.id = id, .socket = -1};
    }
    return *place;
}

static void end_call(struct thread *thread)
{
    if (thread->socket >= 0)
        close(thread->socket);
    thread->socket = -1;
}

void thread_ends(pid_t id)
{
    struct thread **place = find(id), *thread = *place;

    peek_forget(id);
    if (thread == NULL)
        return;
    end_call(thread);
    *place = thread->next;
    free(thread);
}

/* If the thread is known, it has exec'd already. */
void thread_starts(pid_t id, pid_t creator)
{
    if (settings.log == LOG_STDERR && *find(id) == NULL)
        get(id)->standard_error = get(creator)->standard_error;
}

/* A thread that is not the first one gets the number of that one (execve(2)). */
void thread_execs(pid_t id, pid_t former)
{
    struct thread *thread;
    int standard_error;

    if (former != id)
        thread_ends(former);
    if (settings.log != LOG_STDERR)
        return;
    thread = get(id);
    standard_error = peek_descriptor(id, STDERR_FILENO);
    thread->standard_error = file_identity(standard_error);
    close(standard_error);
}

struct arguments {
    enum traced_call call;
    uint32_t word; /* the size of one in the program */
    uint64_t values[6];
};

static bool read_words(pid_t thread, uint64_t place, uint32_t size, int count, uint64_t *words)
{
    uint32_t narrow[6];

    if (size == sizeof *words)
        return peek_memory(thread, place, words, (size_t)count * size);
    if (!peek_memory(thread, place, narrow, (size_t)count * size))
        return false;
    for (int i = 0; i < count; i++)
        words[i] = narrow[i];
    return true;
}

/* socketcall(2) has the arguments of the call that it is for in memory. */
static bool unpack_socketcall(pid_t thread, struct arguments *arguments)
{
    const uint32_t number = (uint32_t)arguments->values[0]; /* the half that the kernel reads */
    enum traced_call call = TRACED_CONNECT;

    while (call < TRACED_SOCKETCALL && signatures[call].in_socketcall != number)
        call++;
    arguments->call = call;
    return call == TRACED_SOCKETCALL || read_words(thread, arguments->values[1], arguments->word,
                                                   signatures[call].count, arguments->values);
}

enum { GOES_ON = -1, STOPS_AGAIN = 0 }; /* or the error with which it has to fail */

/* A call that could not be looked at fails, with the error that the kernel would have found first.
 */
static int cannot_look(pid_t thread, int fd)
{
    int type, socket;
    socklen_t size = sizeof type;

    if (settings.mode == MODE_OBSERVE)
        return GOES_ON;
    if (errno == EFAULT && (socket = peek_descriptor(thread, fd)) >= 0) {
        errno = getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? EFAULT : errno;
        close(socket);
    }
    return errno == EFAULT || errno == EBADF || errno == ENOTSOCK ? errno : ECONNREFUSED;
}

/* Decides about a call of ours. The order is the kernel's: without a descriptor it is EBADF. */
static int look(struct thread *thread, struct arguments *arguments)
{
    const struct signature *signature;
    const uint64_t *values = arguments->values;
    struct endpoint endpoint;
    uint64_t address;
    uint32_t length; /* as the program says */

    if (arguments->call == TRACED_SOCKETCALL && !unpack_socketcall(thread->id, arguments))
        return errno == EFAULT ? EFAULT : cannot_look(thread->id, -1);
    if (arguments->call >= TRACED_SOCKETCALL)
        return GOES_ON;
    signature = &signatures[arguments->call];
    if ((signature->flag != 0 && (values[signature->flags] & signature->flag) == 0) ||
        (arguments->call == TRACED_SENDMMSG && (uint32_t)values[2] == 0)) /* no message */
        return GOES_ON;
    if (signature->destination >= 0) {
        address = values[signature->destination];
        length = (uint32_t)values[signature->destination + 1];
    } else if (!read_words(thread->id, values[1], arguments->word, 1, &address) ||
               !peek_memory(thread->id, values[1] + arguments->word, &length, sizeof length)) {
        return cannot_look(thread->id, (int)values[0]);
    }
    /* No kernel takes these for an IP address (inet_stream_connect, move_addr_to_kernel). Of a
     * message it reads the beginning of a longer one (__copy_msghdr). */
    if (address == 0 || length < sizeof(struct sockaddr_in) ||
        (signature->destination >= 0 && length > sizeof(struct sockaddr_storage)))
        return GOES_ON;
    if (length > sizeof thread->destination)
        length = sizeof thread->destination;
    if (!peek_memory(thread->id, address, &thread->destination, length))
        return cannot_look(thread->id, (int)values[0]);
    if (!endpoint_read(&endpoint, (struct sockaddr *)&thread->destination, length))
        return GOES_ON;
    thread->call = signature->name;
    thread->fd = (int)values[0];
    thread->length = length;
    thread->socket = peek_descriptor(thread->id, thread->fd);
    return thread->socket < 0 ? cannot_look(thread->id, thread->fd) : STOPS_AGAIN;
}

/* Decides about a call that is about to begin. A stop by another filter keeps its meaning: without
 * a tracer that is ENOSYS (seccomp(2), SECCOMP_RET_TRACE). The first call is the launcher's test.
 */
static int decide(struct thread *thread, const struct ptrace_syscall_info *info)
{
    static bool is_tested;
    struct arguments arguments = {.call = processor_call(info->arch, info->seccomp.nr),
                                  .word = (info->arch & __AUDIT_ARCH_64BIT) != 0 ? 8 : 4};
    const uint64_t *values = memcpy(arguments.values, info->seccomp.args, sizeof arguments.values);

    if (info->op == PTRACE_SYSCALL_INFO_SECCOMP &&
        (info->seccomp.ret_data != call_cookie || arguments.call == TRACED_CALLS))
        return ENOSYS;
    if (!is_tested) {
        is_tested = true;
        return ECONNREFUSED;
    }
    if (arguments.call == TRACED_SECCOMP) {
        const bool listens = (values[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
        if ((listens || call_may_be_supervised) && (values[1] & SECCOMP_FILTER_FLAG_TSYNC) != 0)
            return EINVAL; /* other threads would have the filter, and have not stopped since */
        call_may_be_supervised |= listens && values[2] != 0; /* libseccomp asks with NULL */
        return GOES_ON;
    }
    if (thread->socket >= 0) /* looked at when it stopped as one of all calls */
        return STOPS_AGAIN;
    return settings.mode == MODE_OFF ? GOES_ON : look(thread, &arguments);
}

static void report_event(struct thread *thread, const struct verdict *verdict)
{
    const pid_t process = (pid_t)peek_status(thread->id, "\nTgid:");
    char command[16];
    int standard_error =
        settings.log == LOG_STDERR ? peek_descriptor(thread->id, STDERR_FILENO) : -1;

    peek_command(process, command);
    peek_forget(thread->id); /* may be the last descriptor, and the report opens one */
    report(&(struct event){.process = (uint32_t)process,
                           .thread = (uint32_t)thread->id,
                           .fd = thread->fd,
                           .command = command,
                           .call = thread->call,
                           .verdict = verdict},
           standard_error, &thread->standard_error);
    close(standard_error);
}

/* A BPF program of the control group may have changed where the connection goes (bpf(2),
 * BPF_CGROUP_INET4_CONNECT), within its family; once it is established the peer is known. */
static struct verdict judge_socket(struct thread *thread, ssize_t result, int error)
{
    socklen_t size = sizeof thread->destination;

    syscall(SYS_getpeername, thread->socket, &thread->destination, &size);
    return guard(result, error, thread->socket, (struct sockaddr *)&thread->destination,
                 thread->length);
}

/* Returns the error that the call has to fail with, or 0 if its result is right as it is. */
static int settle(struct thread *thread, const struct ptrace_syscall_info *info)
{
    enum { ERESTARTSYS = 512 }; /* to 516: EINTR, or restarted after a signal (linux/errno.h) */
    const bool failed = info->exit.is_error;
    const int error = !failed ? 0 : info->exit.rval <= -ERESTARTSYS ? EINTR : (int)-info->exit.rval;
    const ssize_t result = failed ? -1 : (ssize_t)info->exit.rval;
    struct verdict verdict;

    if (thread->error != 0 || thread->socket < 0 || !connection_began(result, error))
        return thread->error;
    verdict = judge_socket(thread, result, error);
    /* A supervisor can put another socket in its place (SECCOMP_IOCTL_NOTIF_ADDFD). */
    if (verdict.action == ACTION_NONE && call_may_be_supervised) {
        end_call(thread);
        thread->socket = peek_descriptor(thread->id, thread->fd);
        verdict = judge_socket(thread, result, error);
    }
    if (verdict.action != ACTION_NONE && settings.log != LOG_NOWHERE)
        report_event(thread, &verdict);
    return verdict.result == result && verdict.error == error ? 0 : verdict.error;
}

bool call_stops(pid_t id)
{
    struct ptrace_syscall_info info;
    struct thread *thread = get(id);
    int decision;

    /* Most calls end here: rung 5 of the ladder alone proves that guard() would let them be, by one
     * system call instead of four. */
    if (thread->socket >= 0 && !call_may_be_supervised && hears_somebody_else(thread->socket)) {
        end_call(thread);
        return false;
    }
    if (syscall(SYS_ptrace, PTRACE_GET_SYSCALL_INFO, id, sizeof info, &info) <= 0)
        return true; /* the thread is gone */
    if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        if ((decision = settle(thread, &info)) != 0)
            processor_fail_call(id, info.arch, decision);
        thread->error = 0;
        end_call(thread);
        return false;
    }
    if ((decision = decide(thread, &info)) > 0) {
        thread->error = decision;
        processor_skip_call(id, info.arch);
    }
    return decision != GOES_ON;
}
