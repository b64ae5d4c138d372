/* SPDX-License-Identifier: MIT */
/* Starts the tracer, and has the system calls of this process stop for it. */
#include "trace.h"

#include "../launcher/launcher.h"
#include "../library/settings.h"
#include "tracer.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* By the system call: wait(2) without __WALL would see a child of fork(). This one ends without a
 * signal. */
static pid_t fork_unseen(void)
{
    return (pid_t)syscall(SYS_clone, 0L, 0L);
}

/* A child of the command would keep it waiting, if it waits for all children by __WALL, and be
 * listed as its child. So the tracer is an orphan of another process; but where orphans become
 * children of this very process, and wait(2) would see them, it stays a child. */
static bool adopts_orphans(void)
{
    int is_subreaper = 0;

    prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper);
    return getpid() == 1 || is_subreaper;
}

/* Returns 0, or the errno. */
static int start_tracer(int channel, int any_fd)
{
    const bool is_child = adopts_orphans();
    const pid_t process = getpid();
    int status = 0;
    pid_t child = fork_unseen(), tracer = 0;

    if (child < 0)
        return errno;
    if (child == 0 && (is_child || (tracer = fork_unseen()) == 0))
        tracer_run(process, channel, any_fd);
    if (child == 0)
        _exit(tracer < 0 ? errno : 0);
    if (!is_child)
        waitpid(child, &status, __WALL);
    return WEXITSTATUS(status);
}

/* Returns the errno of a connect() without a socket. */
static int try_connect(void)
{
    const struct sockaddr_in nowhere = {.sin_family = AF_INET};

    return syscall(SYS_connect, -1, &nowhere, sizeof nowhere) == -1 ? errno : 0;
}

static const char *explain(char *why, size_t size, const char *step, int error)
{
    const long tracer = peek_status(getpid(), "\nTracerPid:");

    if (tracer != 0 && strcmp(step, "ptrace") == 0) {
        snprintf(why, size, "cannot trace: process %ld traces this one already", tracer);
        return "Run it without strace, gdb, or another noselfconn --trace.";
    }
    snprintf(why, size, "cannot trace: %s: %s", step, strerror(error));
    return "It takes Linux 5.6; in a container the right to trace (docker run --cap-add "
           "SYS_PTRACE);\n"
           "and that tracing is not forbidden: kernel.yama.ptrace_scope of 0 or 1, or root and 2.";
}

const char *trace_begin(const char *mode, const char *log, char *why, size_t size)
{
    struct report_of_start report = {"the tracer", ECHILD};
    int channel[2], error;
    pid_t tracer = -1;

    if (!processor_is_known()) {
        snprintf(why, size, "cannot trace: the registers of this processor are not known here");
        return "Reserve the port instead: noselfconn-audit PORT says how.";
    }
    /* Ours would outrank the older filter, and let the call through. */
    if (try_connect() == ENOSYS) {
        snprintf(why, size, "cannot trace: a seccomp filter denies connect() already");
        return "Run it outside of that sandbox.";
    }
    settings_read(mode != NULL ? mode : getenv("NOSELFCONN_MODE"),
                  log != NULL ? log : getenv("NOSELFCONN_LOG"));
    call_cookie = (uint16_t)getpid() | 0x8000; /* other filters say 0 or a small number */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0)
        return explain(why, size, "socketpair", errno);
    if ((error = start_tracer(channel[1], channel[0])) != 0)
        return explain(why, size, "clone", error);
    close(channel[1]); /* so that its end is seen; the other end lasts until exec */
    if (read(channel[0], &tracer, sizeof tracer) == sizeof tracer) {
        prctl(PR_SET_PTRACER, (unsigned long)tracer); /* fails without Yama */
        send(channel[0], "", 1, MSG_NOSIGNAL);
        recv(channel[0], &report, sizeof report, 0);
        prctl(PR_SET_PTRACER, 0L);
    }
    if (report.step == NULL && processor_filter_calls(call_cookie) != 0) {
        report = (struct report_of_start){"seccomp", errno};
        kill(tracer, SIGKILL); /* one that could not attach ends by itself */
    }
    if (report.step != NULL) {
        waitpid(tracer, NULL, __WALL); /* if it is a child */
        return explain(why, size, report.step, report.error);
    }
    /* Before anything is at stake: this call has to stop, and end as the tracer says. */
    if ((error = try_connect()) != ECONNREFUSED)
        fail(EXIT_OWN_FAILURE,
             "cannot trace: the tracer did not intercept a test call: %s\n"
             "Without --trace it may still be protected.",
             strerror(error));
    return NULL;
}
