/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "../tracer/trace.h"
#include "launcher.h"

#include <errno.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_CONNECTED, CHILD_NOT_STARTED = 255 }; /* in between: an error of connect() */

/* Connects a socket of 127.0.0.1 to itself; if `is_raw`, by a system call that no preload sees.
 * Returns 0, or the error. */
int connect_to_itself(bool is_raw)
{
    const struct timeval timeout = {.tv_sec = 5};
    const struct linger reset = {.l_onoff = 1}; /* a reset leaves no TIME-WAIT (socket(7)) */
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof own;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error = 0;

    if (bind(fd, (struct sockaddr *)&own, length) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &length) != 0 ||
        (is_raw ? syscall(SYS_connect, fd, &own, length)
                : connect(fd, (struct sockaddr *)&own, length)) != 0)
        error = errno;
    close(fd);
    return error;
}

static int run_child(void)
{
    char *const arguments[] = {(char *)"noselfconn", (char *)"--" PROVE_OPTION, NULL};
    int status;
    pid_t child;

    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) != 0 ||
        waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return CHILD_NOT_STARTED;
    return WEXITSTATUS(status);
}

void prove(const struct launch *launch)
{
    const char *guard = launch->is_traced ? "the tracer" : "the library", *what_to_do;
    char why[512];
    int outcome = connect_to_itself(true);

    if (outcome != 0)
        fail(EXIT_CANNOT_TELL, "cannot tell: cannot self-connect on 127.0.0.1 without %s: %s",
             guard, strerror(outcome));
    if (launch->is_traced &&
        (what_to_do = trace_begin(launch->mode, launch->log, why, sizeof why)) != NULL)
        fail(EXIT_OWN_FAILURE, "%s\n%s", why, what_to_do);
    outcome = launch->is_traced ? connect_to_itself(false) : run_child();
    if (outcome == CHILD_CONNECTED)
        fail(EXIT_OWN_FAILURE,
             "NOT PROTECTED: with %s a self-connection was made\n"
             "NOSELFCONN_MODE=observe and off let self-connections stand.",
             guard);
    if (outcome == CHILD_NOT_STARTED)
        fail(EXIT_CANNOT_TELL, "cannot tell: cannot start this program again\nIs /proc mounted?");
    if (outcome != ECONNREFUSED)
        fail(EXIT_CANNOT_TELL, "cannot tell: unexpected error with %s: %s", guard,
             strerror(outcome));
    printf("works: a real self-connection was refused (it succeeds without %s)\n", guard);
}
