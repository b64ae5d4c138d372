/* SPDX-License-Identifier: MIT */
/* Notes and settles the calls that may connect. */
#include "call.h"

#include "../launcher/say.h"
#include "../library/endpoint.h"
#include "../library/guard.h"
#include "../library/report.h"
#include "../library/settings.h"
#include "peek.h"
#include "processor.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

uint16_t call_cookie;
bool call_may_be_supervised;

/* A thread that has connected; with a log to stderr, every thread. */
struct thread {
    struct thread *next;
    pid_t id;
    struct holder holder;
    struct file_identity standard_error; /* since its process exec'd */
    /* Of the call that it is in. */
    const char *call;
    int fd;     /* the program's number */
    int socket; /* a duplicate of that, -1 outside of a call */
    int error;  /* what the call fails with, without being executed; or 0 */
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

    if (thread == NULL)
        return;
    end_call(thread);
    holder_close(&thread->holder);
    *place = thread->next;
    free(thread);
}

/* pidfds are kept, since a thread that has connected is likely to do so again: but not at the price
 * of a call that cannot be looked at. */
static int duplicate(struct thread *thread, int fd)
{
    int copy = peek_descriptor(&thread->holder, thread->id, fd);

    if (copy >= 0 || errno != EMFILE)
        return copy;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct thread *other = threads[i]; other != NULL; other = other->next)
            if (other != thread)
                holder_close(&other->holder);
    return peek_descriptor(&thread->holder, thread->id, fd);
}

/* Where the thread is known, it has exec'd already. */
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
    standard_error = duplicate(thread, STDERR_FILENO);
    thread->standard_error = file_identity(standard_error);
    close(standard_error);
}

struct arguments {
    enum traced_call call;
    uint32_t word; /* the size of one in the program */
    uint64_t values[6];
};

/* Where in its arguments a call has its destination and its flags, how many there are, and its
 * number in socketcall(2). */
static const struct {
    const char *name;
    int destination, flags, count;
    uint32_t in_socketcall;
} places[] = {
    [TRACED_CONNECT] = {"connect", 1, -1, 3, SYS_CONNECT},
    [TRACED_SENDTO] = {"sendto", 4, 3, 6, SYS_SENDTO},
    [TRACED_SENDMSG] = {"sendmsg", -1, 2, 3, SYS_SENDMSG},    /* in a struct msghdr, or the first */
    [TRACED_SENDMMSG] = {"sendmmsg", -1, 3, 4, SYS_SENDMMSG}, /* in a struct mmsghdr */
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

    while (call < TRACED_SOCKETCALL && places[call].in_socketcall != number)
        call++;
    arguments->call = call;
    return call == TRACED_SOCKETCALL || read_words(thread, arguments->values[1], arguments->word,
                                                   places[call].count, arguments->values);
}

enum { GOES_ON = -1, STOPS_AGAIN = 0 }; /* or the error with which it has to fail */

/* EFAULT is the program's own mistake, of which the kernel tells it. */
static int cannot_look(void)
{
    return errno == EFAULT || settings.mode == MODE_OBSERVE ? GOES_ON : ECONNREFUSED;
}

/* Decides about a call of ours. The order is the kernel's: without a descriptor it is EBADF. */
static int look(struct thread *thread, struct arguments *arguments)
{
    const uint64_t *values = arguments->values;
    struct endpoint endpoint;
    uint64_t address;
    uint32_t length; /* as the program says */

    if (arguments->call == TRACED_SOCKETCALL && !unpack_socketcall(thread->id, arguments))
        return cannot_look();
    if (arguments->call >= TRACED_SOCKETCALL ||
        (arguments->call != TRACED_CONNECT &&
         (values[places[arguments->call].flags] & MSG_FASTOPEN) == 0) ||
        (arguments->call == TRACED_SENDMMSG && (uint32_t)values[2] == 0)) /* no message */
        return GOES_ON;
    if (places[arguments->call].destination >= 0) {
        address = values[places[arguments->call].destination];
        length = (uint32_t)values[places[arguments->call].destination + 1];
    } else if (!read_words(thread->id, values[1], arguments->word, 1, &address) ||
               !peek_memory(thread->id, values[1] + arguments->word, &length, sizeof length)) {
        return cannot_look();
    }
    /* No kernel takes these for an IP address (inet_stream_connect, move_addr_to_kernel). */
    if (address == 0 || length < sizeof(struct sockaddr_in) ||
        length > sizeof(struct sockaddr_storage))
        return GOES_ON;
    if (length > sizeof thread->destination)
        length = sizeof thread->destination;
    if (!peek_memory(thread->id, address, &thread->destination, length))
        return cannot_look();
    if (!endpoint_read(&endpoint, (struct sockaddr *)&thread->destination, length))
        return GOES_ON;
    thread->call = places[arguments->call].name;
    thread->fd = (int)values[0];
    thread->length = length;
    thread->socket = duplicate(thread, thread->fd);
    if (thread->socket < 0)
        return errno == EBADF ? EBADF : cannot_look();
    return STOPS_AGAIN;
}

/* A stop by another filter keeps its meaning: without a tracer that is ENOSYS (seccomp(2),
 * SECCOMP_RET_TRACE). The first call is the launcher's rehearsal. */
static int decide(struct thread *thread, const struct ptrace_syscall_info *info)
{
    static bool is_rehearsed;
    struct arguments arguments = {.call = processor_call(info->arch, info->seccomp.nr),
                                  .word = (info->arch & __AUDIT_ARCH_64BIT) != 0 ? 8 : 4};

    memcpy(arguments.values, info->seccomp.args, sizeof arguments.values);
    if (info->op == PTRACE_SYSCALL_INFO_SECCOMP &&
        (info->seccomp.ret_data != call_cookie || arguments.call == TRACED_CALLS))
        return ENOSYS;
    if (!is_rehearsed) {
        is_rehearsed = true;
        return ECONNREFUSED;
    }
    if (arguments.call == TRACED_SECCOMP) {
        const uint64_t flags = arguments.values[1],
                       both = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC;
        if ((flags & both) == both)
            return EINVAL; /* other threads would have the filter, and have not stopped since */
        if ((flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0 &&
            arguments.values[2] != 0) /* NULL only asks (libseccomp) */
            call_may_be_supervised = true;
        return GOES_ON;
    }
    if (thread->socket >= 0) /* looked at when it stopped as one of all calls */
        return STOPS_AGAIN;
    return settings.mode == MODE_OFF ? GOES_ON : look(thread, &arguments);
}

static bool begin(struct thread *thread, const struct ptrace_syscall_info *info)
{
    const int decision = decide(thread, info);

    thread->error = decision > 0 ? decision : 0;
    if (decision > 0)
        processor_skip_call(thread->id, info);
    return decision != GOES_ON;
}

static void report_event(struct thread *thread, const struct verdict *verdict)
{
    const pid_t process = (pid_t)peek_status(thread->id, "Tgid:");
    char command[16];
    int standard_error = settings.log == LOG_STDERR ? duplicate(thread, STDERR_FILENO) : -1;

    peek_command(process, command);
    holder_close(&thread->holder); /* may be the last descriptor, and the report opens one */
    report(&(struct event){.process = (uint32_t)process,
                           .thread = (uint32_t)thread->id,
                           .fd = thread->fd,
                           .command = command,
                           .call = thread->call,
                           .verdict = verdict},
           standard_error, &thread->standard_error);
    close(standard_error);
}

/* The error as libc shows it. Where the kernel is going to restart the call after a signal handler,
 * or to end it with EINTR (512 to 516, include/linux/errno.h), it was interrupted. */
static int error_of(const struct ptrace_syscall_info *info)
{
    enum { ERESTARTSYS = 512 };

    if (!info->exit.is_error)
        return 0;
    return info->exit.rval <= -ERESTARTSYS ? EINTR : (int)-info->exit.rval;
}

/* Returns the error that the call has to fail with, or 0 where its result is right as it is. */
static int settle(struct thread *thread, const struct ptrace_syscall_info *info)
{
    const int error = error_of(info);
    const ssize_t result = info->exit.is_error ? -1 : (ssize_t)info->exit.rval;
    socklen_t size = sizeof thread->destination;
    struct verdict verdict;

    if (thread->error != 0 || thread->socket < 0 || !connection_began(result, error))
        return thread->error;
    /* A BPF program of the control group may have changed where the connection goes (bpf(2),
     * BPF_CGROUP_INET4_CONNECT); once it is established the peer is known. It is of the same
     * family. */
    syscall(SYS_getpeername, thread->socket, &thread->destination, &size);
    verdict = guard(result, error, thread->socket, (struct sockaddr *)&thread->destination,
                    thread->length);
    if (verdict.action != ACTION_NONE && settings.log != LOG_NOWHERE)
        report_event(thread, &verdict);
    return verdict.result == result && verdict.error == error ? 0 : verdict.error;
}

bool call_stops(pid_t id)
{
    struct ptrace_syscall_info info;
    struct thread *thread = get(id);
    int error;

    /* Most calls end here: rung 5 of the ladder alone proves that guard() would let them be, by one
     * system call instead of four. */
    if (thread->socket >= 0 && !call_may_be_supervised && hears_somebody_else(thread->socket)) {
        end_call(thread);
        return false;
    }
    memset(&info, 0,
           sizeof info); /* the kernel does not take it back otherwise, and does not fill it */
    if (syscall(SYS_ptrace, PTRACE_GET_SYSCALL_INFO, id, sizeof info, &info) <= 0)
        return true; /* the thread is gone */
    if (info.op != PTRACE_SYSCALL_INFO_EXIT)
        return begin(thread, &info);
    error = settle(thread, &info);
    if (error != 0)
        processor_fail_call(id, &info, error);
    thread->error = 0;
    end_call(thread);
    return false;
}
